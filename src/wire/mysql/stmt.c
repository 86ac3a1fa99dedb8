/* stmt - see wire/mysql/stmt.h. COM_STMT_EXECUTE has a file of its own: execute.c. */
#include "wire/mysql/stmt.h"

#include <assert.h>

#include "wire_int.h"

/* ---- COM_STMT_PREPARE_OK ---- */
const char *mystmt_read_prepared(
	const uint8_t *p, size_t n, uint64_t caps, struct mystmt_prepared *x_r)
{
	struct where w = where_of(p, n);
	*x_r = (struct mystmt_prepared){ .metadata_follows = true };
	if (rd_u8(&w.r) != 0)
		return "header";
	x_r->id = rd_u32le(&w.r);
	x_r->columns_n = rd_u16le(&w.r);
	x_r->params_n = rd_u16le(&w.r);
	rd_u8(&w.r);
	where_at(&w, "statement id and counts");
	if (rd_left(&w.r) != 0) { /* MySQL 4.1 ends here */
		x_r->warnings = rd_u16le(&w.r);
		where_at(&w, "warnings");
	}
	if (caps & MYCAP(OPTIONAL_METADATA) && rd_left(&w.r) != 0)
		x_r->metadata_follows = rd_u8(&w.r) != 0;
	return where_end(&w);
}

void mystmt_put_prepared(
	struct buf *b, uint8_t *seq, uint64_t caps, const struct mystmt_prepared *x)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, 0);
	buf_put_u32le(b, x->id);
	buf_put_u16le(b, x->columns_n);
	buf_put_u16le(b, x->params_n);
	buf_put_u8(b, 0);
	buf_put_u16le(b, x->warnings);
	if (caps & MYCAP(OPTIONAL_METADATA))
		buf_put_u8(b, x->metadata_follows);
	mypacket_end(b, at, seq);
}

/* ---- the small ones ---- */
bool mystmt_read_id(const uint8_t *p, size_t have, uint32_t *id_r)
{
	struct rd r = rd_of(p, have);
	rd_u8(&r);
	*id_r = rd_u32le(&r);
	return rd_ok(&r);
}

const char *mystmt_read_long_data(const uint8_t *p, size_t have, struct mystmt_long_data *x_r)
{
	struct where w = where_of(p, have);
	rd_u8(&w.r);
	x_r->id = rd_u32le(&w.r);
	where_at(&w, "statement id");
	x_r->param = rd_u16le(&w.r);
	where_at(&w, "parameter number");
	x_r->data = rd_mystr_rest(&w.r);
	return w.bad;
}

void mystmt_put_long_data(
	struct buf *b, uint8_t *seq, uint32_t id, uint16_t param, const void *data, size_t n)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, MYCOM_STMT_SEND_LONG_DATA);
	buf_put_u32le(b, id);
	buf_put_u16le(b, param);
	buf_append(b, data, n);
	mypacket_end(b, at, seq);
}

const char *mystmt_read_fetch(const uint8_t *p, size_t n, uint32_t *id_r, uint32_t *rows_r)
{
	struct where w = where_of(p, n);
	rd_u8(&w.r);
	*id_r = rd_u32le(&w.r);
	where_at(&w, "statement id");
	*rows_r = rd_u32le(&w.r);
	where_at(&w, "number of rows");
	return w.bad;
}

static void put_id(struct buf *b, uint8_t *seq, enum mycom com, uint32_t id)
{
	mypacket_put_head(b, seq, 5);
	buf_put_u8(b, (uint8_t)com);
	buf_put_u32le(b, id);
}

void mystmt_put_fetch(struct buf *b, uint8_t *seq, uint32_t id, uint32_t rows)
{
	mypacket_put_head(b, seq, 9);
	buf_put_u8(b, MYCOM_STMT_FETCH);
	buf_put_u32le(b, id);
	buf_put_u32le(b, rows);
}

void mystmt_put_close(struct buf *b, uint8_t *seq, uint32_t id)
{
	put_id(b, seq, MYCOM_STMT_CLOSE, id);
}

void mystmt_put_reset(struct buf *b, uint8_t *seq, uint32_t id)
{
	put_id(b, seq, MYCOM_STMT_RESET, id);
}

/* ---- COM_STMT_BULK_EXECUTE ---- */
enum bulk_indicator { BULK_VALUE = 0, BULK_NULL = 1, BULK_DEFAULT = 2, BULK_IGNORE = 3 };

int mystmt_read_bulk(const uint8_t *p, size_t have, size_t n, unsigned params_n,
	struct mystmt_bulk *x_r, const char **where_r)
{
	assert(have <= n);
	struct where w = where_of(p, have);
	*x_r = (struct mystmt_bulk){ .types = NULL };
	rd_u8(&w.r);
	x_r->id = rd_u32le(&w.r);
	where_at(&w, "statement id");
	x_r->flags = rd_u16le(&w.r);
	where_at(&w, "flags");
	if (x_r->flags & MYSTMT_BULK_TYPES) {
		x_r->types = rd_bytes(&w.r, (size_t)params_n * MYPARAM_TYPE_BYTES);
		where_at(&w, "types of the parameters");
	}
	if (w.bad) {
		*where_r = w.bad;
		return have < n ? 0 : -1;
	}
	x_r->values_off = (size_t)(w.r.p - p);
	return 1;
}

static bool check_cell(struct rd *r, uint8_t type)
{
	uint8_t indicator = rd_u8(r);
	if (indicator == BULK_VALUE && rd_ok(r))
		return myparam_skip_value(r, type);
	return rd_ok(r) && indicator <= BULK_IGNORE;
}

const char *mystmt_check_bulk(
	const uint8_t *values, size_t n, unsigned params_n, const uint8_t *types)
{
	struct rd r = rd_of(values, n);
	if (params_n == 0 || n == 0)
		return "rows of parameters";
	while (rd_left(&r) != 0)
		for (unsigned i = 0; i < params_n; i++)
			if (!check_cell(&r, types[(size_t)i * MYPARAM_TYPE_BYTES]))
				return "value of a parameter";
	return NULL;
}

void mystmt_put_bulk_head(
	struct buf *b, uint32_t id, uint16_t flags, const uint8_t *types, unsigned params_n)
{
	unsigned sent = flags & ~MYSTMT_BULK_TYPES;
	buf_put_u8(b, MYCOM_STMT_BULK_EXECUTE);
	buf_put_u32le(b, id);
	buf_put_u16le(b, (uint16_t)(types ? sent | MYSTMT_BULK_TYPES : sent));
	if (types)
		buf_append(b, types, (size_t)params_n * MYPARAM_TYPE_BYTES);
}
