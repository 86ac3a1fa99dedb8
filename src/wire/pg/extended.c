/* extended - see the header. What clients send to run queries. Any thread. */
#include "wire/pg/extended.h"

#include <assert.h>
#include <string.h>

#include "wire/pg/msg.h"

bool pgext_read_query(const uint8_t *body, size_t n, const char **text_r, size_t *text_n_r)
{
	struct rd r = rd_of(body, n);
	*text_r = rd_cstr(&r, text_n_r);
	return rd_ok(&r) && rd_left(&r) == 0;
}

bool pgext_read_parse(const uint8_t *body, size_t n, struct pgext_parse *p_r)
{
	struct rd r = rd_of(body, n);
	p_r->name = rd_cstr(&r, &p_r->name_n);
	p_r->tail_off = (size_t)(r.p - body);
	p_r->text = rd_cstr(&r, &p_r->text_n);
	p_r->n_types = rd_u16be(&r);
	p_r->types = rd_bytes(&r, (size_t)p_r->n_types * 4);
	return rd_ok(&r) && rd_left(&r) == 0;
}

bool pgext_read_bind(const uint8_t *body, size_t n, struct pgext_bind *b_r)
{
	struct rd r = rd_of(body, n);
	b_r->portal = rd_cstr(&r, &b_r->portal_n);
	b_r->stmt = rd_cstr(&r, &b_r->stmt_n);
	b_r->tail_off = (size_t)(r.p - body);
	return rd_ok(&r);
}

bool pgext_next_param(struct rd *params, const uint8_t **p_r, size_t *n_r)
{
	uint32_t len = rd_u32be(params);
	*p_r = NULL;
	*n_r = 0;
	if (len != UINT32_MAX) {
		*p_r = rd_bytes(params, len);
		*n_r = rd_ok(params) ? len : 0;
	}
	return rd_ok(params);
}

bool pgext_read_bind_tail(const uint8_t *tail, size_t n, struct pgext_bind_tail *t_r)
{
	struct rd r = rd_of(tail, n);
	const uint8_t *p;
	size_t p_n;
	t_r->n_param_formats = rd_u16be(&r);
	t_r->param_formats = rd_bytes(&r, (size_t)t_r->n_param_formats * 2);
	t_r->n_params = rd_u16be(&r);
	t_r->params = r;
	for (unsigned i = 0; i < t_r->n_params; i++)
		if (!pgext_next_param(&r, &p, &p_n))
			return false;
	t_r->n_result_formats = rd_u16be(&r);
	t_r->result_formats = rd_bytes(&r, (size_t)t_r->n_result_formats * 2);
	return rd_ok(&r) && rd_left(&r) == 0;
}

uint16_t pgext_format_of(const uint8_t *formats, unsigned n_formats, unsigned i)
{
	if (n_formats == 1)
		i = 0;
	if (i >= n_formats)
		return 0;
	return (uint16_t)(formats[2 * i] << 8 | formats[2 * i + 1]);
}

bool pgext_read_target(const uint8_t *body, size_t n, struct pgext_target *t_r)
{
	struct rd r = rd_of(body, n);
	t_r->kind = (char)rd_u8(&r);
	t_r->name = rd_cstr(&r, &t_r->name_n);
	return rd_ok(&r) && rd_left(&r) == 0 && (t_r->kind == 'S' || t_r->kind == 'P');
}

bool pgext_read_execute(const uint8_t *body, size_t n, struct pgext_execute *x_r)
{
	struct rd r = rd_of(body, n);
	x_r->portal = rd_cstr(&r, &x_r->portal_n);
	x_r->max_rows = rd_u32be(&r);
	return rd_ok(&r) && rd_left(&r) == 0;
}

void pgext_put_query(struct buf *b, const char *text, size_t text_n)
{
	size_t at = pgmsg_begin(b, 'Q');
	buf_append(b, text, text_n);
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

void pgext_put_parse(struct buf *b, const char *name, const char *text, size_t text_n,
	const uint8_t *types, unsigned n_types)
{
	assert(n_types <= UINT16_MAX);
	size_t at = pgmsg_begin(b, 'P');
	buf_putz(b, name);
	buf_append(b, text, text_n);
	buf_put_u8(b, 0);
	buf_put_u16be(b, (uint16_t)n_types);
	buf_append(b, types, (size_t)n_types * 4);
	pgmsg_end(b, at);
}

void pgext_put_bind_head(struct buf *b, const char *portal, const char *stmt, size_t tail_n)
{
	size_t n = strlen(portal) + 1 + strlen(stmt) + 1 + tail_n;
	assert(n <= PGMSG_MAX_BODY_BYTES);
	pgmsg_put_head(b, 'B', (uint32_t)n);
	buf_putz(b, portal);
	buf_putz(b, stmt);
}

void pgext_put_bind_text(struct buf *b, const char *portal, const char *stmt,
	const char *const *params, unsigned n_params)
{
	assert(n_params <= UINT16_MAX);
	size_t at = pgmsg_begin(b, 'B');
	buf_putz(b, portal);
	buf_putz(b, stmt);
	buf_put_u16be(b, 0);
	buf_put_u16be(b, (uint16_t)n_params);
	for (unsigned i = 0; i < n_params; i++) {
		size_t n = params[i] ? strlen(params[i]) : 0;
		assert(n <= PGMSG_MAX_BODY_BYTES);
		buf_put_u32be(b, params[i] ? (uint32_t)n : UINT32_MAX);
		buf_append(b, params[i], n);
	}
	buf_put_u16be(b, 0);
	pgmsg_end(b, at);
}

static void put_target(struct buf *b, uint8_t type, char kind, const char *name)
{
	size_t at = pgmsg_begin(b, type);
	buf_put_u8(b, (uint8_t)kind);
	buf_putz(b, name);
	pgmsg_end(b, at);
}

void pgext_put_describe(struct buf *b, char kind, const char *name)
{
	put_target(b, 'D', kind, name);
}

void pgext_put_close(struct buf *b, char kind, const char *name)
{
	put_target(b, 'C', kind, name);
}

void pgext_put_execute(struct buf *b, const char *portal, uint32_t max_rows)
{
	size_t at = pgmsg_begin(b, 'E');
	buf_putz(b, portal);
	buf_put_u32be(b, max_rows);
	pgmsg_end(b, at);
}

void pgext_put_sync(struct buf *b)
{
	pgmsg_put(b, 'S', NULL, 0);
}

void pgext_put_flush(struct buf *b)
{
	pgmsg_put(b, 'H', NULL, 0);
}
