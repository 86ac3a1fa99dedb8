/* startup - see the header. Packets without a type byte. Any thread. */
#include "wire/pg/startup.h"

#include <assert.h>

#include "wire/pg/msg.h"

#define CODE_CANCEL PGSTARTUP_VERSION(1234, 5678)
#define CODE_SSL PGSTARTUP_VERSION(1234, 5679)
#define CODE_GSSENC PGSTARTUP_VERSION(1234, 5680)

static bool cancel_key_fits(size_t n)
{
	return n >= PGSTARTUP_PID_BYTES + PGSTARTUP_KEY_MIN &&
	       n <= PGSTARTUP_PID_BYTES + PGSTARTUP_KEY_MAX;
}

int pgstartup_take(const uint8_t *p, size_t n, struct pgstartup *s_r)
{
	struct rd r = rd_of(p, n);
	uint32_t len = rd_u32be(&r);
	if (!rd_ok(&r))
		return 0;
	if (len < 8 || len > PGSTARTUP_MAX_BYTES + 4)
		return -1;
	if (n < len)
		return 0;
	uint32_t code = rd_u32be(&r);
	*s_r = (struct pgstartup){ .major = (uint16_t)(code >> 16),
		.minor = (uint16_t)code,
		.body = p + 8,
		.body_n = len - 8,
		.total = len };
	if (code == CODE_SSL)
		s_r->kind = PGSTARTUP_SSL;
	else if (code == CODE_GSSENC)
		s_r->kind = PGSTARTUP_GSSENC;
	else if (code == CODE_CANCEL)
		s_r->kind = PGSTARTUP_CANCEL;
	else if (s_r->major == 3)
		s_r->kind = PGSTARTUP_V3;
	else
		s_r->kind = PGSTARTUP_OTHER;
	if ((s_r->kind == PGSTARTUP_SSL || s_r->kind == PGSTARTUP_GSSENC) && s_r->body_n != 0)
		return -1;
	if (s_r->kind == PGSTARTUP_CANCEL && !cancel_key_fits(s_r->body_n))
		return -1;
	return 1;
}

bool pgstartup_next(struct rd *r, const char **name_r, const char **value_r)
{
	size_t n;
	*name_r = rd_cstr(r, &n);
	if (*name_r == NULL || n == 0) /* the empty name ends the list */
		return false;
	*value_r = rd_cstr(r, NULL);
	return *value_r != NULL;
}

static void put_code(struct buf *b, uint32_t code)
{
	buf_put_u32be(b, 8);
	buf_put_u32be(b, code);
}

void pgstartup_put_ssl(struct buf *b)
{
	put_code(b, CODE_SSL);
}

void pgstartup_put_gssenc(struct buf *b)
{
	put_code(b, CODE_GSSENC);
}

void pgstartup_put_cancel(struct buf *b, const uint8_t *key, size_t key_n)
{
	assert(cancel_key_fits(key_n));
	buf_put_u32be(b, (uint32_t)(8 + key_n));
	buf_put_u32be(b, CODE_CANCEL);
	buf_append(b, key, key_n);
}

size_t pgstartup_begin(struct buf *b, uint32_t version)
{
	size_t at = buf_len(b);
	buf_put_u32be(b, 0);
	buf_put_u32be(b, version);
	return at;
}

void pgstartup_put_param(struct buf *b, const char *name, const char *value)
{
	buf_putz(b, name);
	buf_putz(b, value);
}

void pgstartup_end(struct buf *b, size_t at)
{
	buf_put_u8(b, 0);
	if (!b->failed)
		buf_set_u32be(b, at, (uint32_t)(buf_len(b) - at));
}

void pgstartup_put_negotiate(
	struct buf *b, uint32_t version, const char *const *options, uint32_t options_n)
{
	size_t at = pgmsg_begin(b, 'v');
	buf_put_u32be(b, version);
	buf_put_u32be(b, options_n);
	for (uint32_t i = 0; i < options_n; i++)
		buf_putz(b, options[i]);
	pgmsg_end(b, at);
}

bool pgstartup_read_negotiate(const uint8_t *body, size_t n, uint32_t *version_r,
	uint32_t *options_n_r, struct rd *options_r)
{
	struct rd r = rd_of(body, n);
	*version_r = rd_u32be(&r);
	*options_n_r = rd_u32be(&r);
	*options_r = r;
	if (*options_n_r > rd_left(&r)) /* each takes a byte at least */
		return false;
	for (uint32_t i = 0; i < *options_n_r; i++)
		rd_cstr(&r, NULL);
	return rd_ok(&r) && rd_left(&r) == 0;
}
