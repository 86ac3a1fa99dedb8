/* pg_rowset - a rowset as RowDescription and DataRow, text or binary. Ignorant of the console. Any
 * thread.
 * Source: PostgreSQL docs, Message Formats; the binary forms are those of int4send, int8send,
 * numeric_send, byteasend and textsend. */
#include "pg_login_int.h"

#include <string.h>

#include "base/num.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/row.h"

#define OID_BYTEA 17U
#define OID_INT8 20U
#define OID_INT4 23U
#define OID_TEXT 25U
#define OID_NUMERIC 1700U
#define NUMERIC_DIGITS_MAX 64U /* of a number, before and behind the point together */

static uint32_t oid_of(enum rowset_type t)
{
	switch (t) {
	case RS_INT4: return OID_INT4;
	case RS_INT8: return OID_INT8;
	case RS_NUMERIC: return OID_NUMERIC;
	case RS_BYTEA: return OID_BYTEA;
	case RS_TIMESTAMP: /* text, as in PgBouncer */
	case RS_TEXT: break;
	}
	return OID_TEXT;
}

static int16_t len_of(enum rowset_type t)
{
	return t == RS_INT4 ? 4 : t == RS_INT8 ? 8 : -1;
}

void pg_rowset_put_desc(
	struct buf *b, const struct rowset *r, const uint8_t *formats, unsigned n_formats)
{
	size_t at = pgrow_desc_begin(b, (uint16_t)r->n_cols);
	for (unsigned i = 0; i < r->n_cols; i++)
		pgrow_desc_col(b, r->col_names[i], oid_of(r->col_types[i]), len_of(r->col_types[i]),
			pgext_format_of(formats, n_formats, i));
	pgmsg_end(b, at);
}

static int put_int(struct buf *b, const char *v, bool wide)
{
	int64_t i;
	if (num_i64(v, wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX, &i))
		return -1;
	uint64_t u = (uint64_t)i;
	buf_put_u32be(b, wide ? 8 : 4);
	if (wide)
		buf_put_u32be(b, (uint32_t)(u >> 32));
	buf_put_u32be(b, (uint32_t)u);
	return 0;
}

/* Digits of a plain decimal ("-12.50"), aligned to groups of four around the point. */
struct decimal {
	char digit[NUMERIC_DIGITS_MAX + 8]; /* '0'..'9' */
	size_t n;
	size_t whole_n; /* of them before the point; a multiple of 4 */
	size_t scale;
	bool negative;
};

static int read_decimal(const char *v, struct decimal *d)
{
	*d = (struct decimal){ .negative = *v == '-' };
	v += *v == '-' || *v == '+';
	size_t whole = strspn(v, "0123456789"), part = 0;
	const char *frac = v + whole;
	if (*frac == '.') {
		frac++;
		part = strspn(frac, "0123456789");
	}
	if (frac[part] != '\0' || whole + part == 0 || whole + part > NUMERIC_DIGITS_MAX)
		return -1;
	size_t pad = (4 - whole % 4) % 4;
	memset(d->digit, '0', sizeof(d->digit));
	memcpy(d->digit + pad, v, whole);
	memcpy(d->digit + pad + whole, frac, part);
	d->whole_n = pad + whole;
	d->scale = part;
	d->n = d->whole_n + (part + 3) / 4 * 4;
	return 0;
}

static int put_numeric(struct buf *b, const char *v)
{
	struct decimal d;
	if (read_decimal(v, &d))
		return -1;
	uint16_t group[sizeof(d.digit) / 4];
	size_t n = d.n / 4, first = 0;
	for (size_t i = 0; i < n; i++) {
		const char *g = d.digit + 4 * i;
		group[i] = (uint16_t)((g[0] - '0') * 1000 + (g[1] - '0') * 100 + (g[2] - '0') * 10 +
				      (g[3] - '0'));
	}
	while (n > first && group[n - 1] == 0)
		n--;
	while (first < n && group[first] == 0)
		first++;
	bool zero = n == first;
	int weight = zero ? 0 : (int)(d.whole_n / 4) - 1 - (int)first;
	buf_put_u32be(b, (uint32_t)(8 + 2 * (n - first)));
	buf_put_u16be(b, (uint16_t)(n - first));
	buf_put_u16be(b, (uint16_t)weight);
	buf_put_u16be(b, d.negative && !zero ? 0x4000 : 0);
	buf_put_u16be(b, (uint16_t)d.scale);
	for (size_t i = first; i < n; i++)
		buf_put_u16be(b, group[i]);
	return 0;
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text form of a bytea is \x and hexadecimal digits. */
static int put_bytea(struct buf *b, const char *v)
{
	size_t n = strlen(v);
	if (n < 2 || n % 2 || v[0] != '\\' || v[1] != 'x')
		return -1;
	buf_put_u32be(b, (uint32_t)(n / 2 - 1));
	for (size_t i = 2; i < n; i += 2) {
		int hi = hex_of(v[i]), lo = hex_of(v[i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		buf_put_u8(b, (uint8_t)(hi << 4 | lo));
	}
	return 0;
}

static int put_cell(struct buf *b, enum rowset_type t, const char *v, bool binary)
{
	if (v == NULL) {
		pgrow_data_null(b);
		return 0;
	}
	if (binary) {
		switch (t) {
		case RS_INT4: return put_int(b, v, false);
		case RS_INT8: return put_int(b, v, true);
		case RS_NUMERIC: return put_numeric(b, v);
		case RS_BYTEA: return put_bytea(b, v);
		case RS_TIMESTAMP:
		case RS_TEXT: break; /* the binary form is the text */
		}
	}
	pgrow_data_cell(b, v, strlen(v));
	return 0;
}

int pg_rowset_put_row(struct buf *b, const struct rowset *r, size_t row, const uint8_t *formats,
	unsigned n_formats)
{
	size_t at = pgrow_data_begin(b, (uint16_t)r->n_cols);
	for (unsigned i = 0; i < r->n_cols; i++)
		if (put_cell(b, r->col_types[i], r->rows[row][i],
			    pgext_format_of(formats, n_formats, i) == 1))
			return -1;
	pgmsg_end(b, at);
	return 0;
}
