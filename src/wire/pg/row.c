/* row - see the header. Any thread. */
#include "wire/pg/row.h"

#include <assert.h>

#include "wire/pg/msg.h"

size_t pgrow_desc_begin(struct buf *b, uint16_t n_cols)
{
	assert(n_cols <= PGROW_COLS_MAX);
	size_t at = pgmsg_begin(b, 'T');
	buf_put_u16be(b, n_cols);
	return at;
}

void pgrow_desc_col(
	struct buf *b, const char *name, uint32_t type_oid, int16_t type_len, uint16_t format)
{
	buf_putz(b, name);
	buf_put_u32be(b, 0);
	buf_put_u16be(b, 0);
	buf_put_u32be(b, type_oid);
	buf_put_u16be(b, (uint16_t)type_len);
	buf_put_u32be(b, UINT32_MAX); /* no type modifier */
	buf_put_u16be(b, format);
}

size_t pgrow_data_begin(struct buf *b, uint16_t n_cols)
{
	assert(n_cols <= PGROW_COLS_MAX);
	size_t at = pgmsg_begin(b, 'D');
	buf_put_u16be(b, n_cols);
	return at;
}

void pgrow_data_cell(struct buf *b, const void *p, size_t n)
{
	assert(n <= PGMSG_MAX_BODY_BYTES);
	buf_put_u32be(b, (uint32_t)n);
	buf_append(b, p, n);
}

void pgrow_data_null(struct buf *b)
{
	buf_put_u32be(b, UINT32_MAX);
}

bool pgrow_desc_read(const uint8_t *body, size_t n, unsigned *n_cols_r, struct rd *r_r)
{
	*r_r = rd_of(body, n);
	*n_cols_r = rd_u16be(r_r);
	return rd_ok(r_r) && *n_cols_r <= PGROW_COLS_MAX;
}

bool pgrow_desc_next(struct rd *r, struct pgrow_col *c_r)
{
	c_r->name = rd_cstr(r, NULL);
	c_r->table_oid = rd_u32be(r);
	c_r->table_col = rd_u16be(r);
	c_r->type_oid = rd_u32be(r);
	c_r->type_len = (int16_t)rd_u16be(r);
	c_r->type_mod = (int32_t)rd_u32be(r);
	c_r->format = rd_u16be(r);
	return rd_ok(r);
}

bool pgrow_data_read(const uint8_t *body, size_t n, unsigned *n_cols_r, struct rd *r_r)
{
	return pgrow_desc_read(body, n, n_cols_r, r_r);
}

bool pgrow_data_next(struct rd *r, const uint8_t **p_r, size_t *n_r)
{
	uint32_t len = rd_u32be(r);
	*p_r = NULL;
	*n_r = 0;
	if (len == UINT32_MAX)
		return rd_ok(r);
	*p_r = rd_bytes(r, len);
	*n_r = rd_ok(r) ? len : 0;
	return rd_ok(r);
}

bool pgrow_data_check(const uint8_t *body, size_t n)
{
	unsigned n_cols;
	struct rd r;
	const uint8_t *p;
	size_t p_n;
	if (!pgrow_data_read(body, n, &n_cols, &r))
		return false;
	for (unsigned i = 0; i < n_cols; i++)
		if (!pgrow_data_next(&r, &p, &p_n))
			return false;
	return rd_left(&r) == 0;
}
