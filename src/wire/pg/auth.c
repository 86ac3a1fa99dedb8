/* auth - see the header. Authentication requests and answers. Any thread. */
#include "wire/pg/auth.h"

#include <string.h>

#include "wire/pg/msg.h"

size_t pgauth_begin(struct buf *b, enum pgauth_code code)
{
	size_t at = pgmsg_begin(b, 'R');
	buf_put_u32be(b, (uint32_t)code);
	return at;
}

void pgauth_put(struct buf *b, enum pgauth_code code, const void *data, size_t n)
{
	size_t at = pgauth_begin(b, code);
	buf_append(b, data, n);
	pgmsg_end(b, at);
}

void pgauth_put_sasl(struct buf *b, const char *const *mechs)
{
	size_t at = pgauth_begin(b, PGAUTH_SASL);
	for (; *mechs; mechs++)
		buf_putz(b, *mechs);
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

bool pgauth_read(
	const uint8_t *body, size_t n, uint32_t *code_r, const uint8_t **data_r, size_t *data_n_r)
{
	struct rd r = rd_of(body, n);
	*code_r = rd_u32be(&r);
	*data_n_r = rd_left(&r);
	*data_r = rd_bytes(&r, *data_n_r);
	return rd_ok(&r);
}

bool pgauth_next_mech(struct rd *r, const char **mech_r, size_t *mech_n_r)
{
	*mech_r = rd_cstr(r, mech_n_r);
	return *mech_r != NULL && *mech_n_r > 0;
}

void pgauth_put_password(struct buf *b, const char *pw, size_t n)
{
	size_t at = pgmsg_begin(b, 'p');
	buf_append(b, pw, n);
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

bool pgauth_read_password(const uint8_t *body, size_t n, const char **pw_r, size_t *pw_n_r)
{
	struct rd r = rd_of(body, n);
	*pw_r = rd_cstr(&r, pw_n_r);
	return rd_ok(&r) && rd_left(&r) == 0;
}

size_t pgauth_begin_sasl_initial(struct buf *b, const char *mech)
{
	size_t at = pgmsg_begin(b, 'p');
	buf_putz(b, mech);
	buf_put_u32be(b, 0);
	return at;
}

void pgauth_end_sasl_initial(struct buf *b, size_t at, const char *mech)
{
	if (b->failed)
		return;
	size_t len_at = at + PGMSG_HEAD_BYTES + strlen(mech) + 1;
	buf_set_u32be(b, len_at, (uint32_t)(buf_len(b) - len_at - 4));
	pgmsg_end(b, at);
}

bool pgauth_read_sasl_initial(const uint8_t *body, size_t n, const char **mech_r, size_t *mech_n_r,
	const uint8_t **data_r, size_t *data_n_r)
{
	struct rd r = rd_of(body, n);
	*mech_r = rd_cstr(&r, mech_n_r);
	uint32_t len = rd_u32be(&r);
	*data_r = NULL;
	*data_n_r = 0;
	if (len != UINT32_MAX) {
		*data_r = rd_bytes(&r, len);
		*data_n_r = len;
	}
	return rd_ok(&r) && rd_left(&r) == 0;
}
