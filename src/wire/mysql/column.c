/* column - see wire/mysql/column.h. */
#include "wire/mysql/column.h"

#include "wire_int.h"

#define FIXED_BYTES 12U
#define NULL_CELL 0xfbU

static bool has_flag(uint64_t caps)
{
	return caps & (MYCAP(OPTIONAL_METADATA) | MYCAP(MARIADB_CACHE_METADATA));
}

const char *mycolumn_read_count(
	const uint8_t *p, size_t n, uint64_t caps, uint64_t *count_r, bool *metadata_follows_r)
{
	struct where w = where_of(p, n);
	uint8_t flag = 1;
	*count_r = rd_lenenc(&w.r);
	where_at(&w, "column count");
	if (has_flag(caps)) {
		flag = rd_u8(&w.r);
		where_at(&w, "metadata flag");
	}
	*metadata_follows_r = flag != 0;
	if (w.bad == NULL && (flag > 1 || *count_r == 0))
		return flag > 1 ? "metadata flag" : "column count";
	return where_end(&w);
}

void mycolumn_put_count(
	struct buf *b, uint8_t *seq, uint64_t caps, uint64_t count, bool metadata_follows)
{
	size_t at = mypacket_begin(b);
	buf_put_lenenc(b, count);
	if (has_flag(caps))
		buf_put_u8(b, metadata_follows);
	mypacket_end(b, at, seq);
}

/* What stands in the part of fixed length; later servers may add to it. */
static void read_fixed(struct where *w, struct mycolumn *c)
{
	size_t n;
	const uint8_t *p = rd_lenstr(&w->r, &n);
	struct rd r = rd_of(p, n);
	if (n < FIXED_BYTES)
		w->r.bad = true;
	c->collation = rd_u16le(&r);
	c->length = rd_u32le(&r);
	c->type = rd_u8(&r);
	c->flags = rd_u16le(&r);
	c->decimals = rd_u8(&r);
	where_at(w, "type of the column");
}

const char *mycolumn_read(const uint8_t *p, size_t n, uint64_t caps, struct mycolumn *c_r)
{
	struct where w = where_of(p, n);
	*c_r = (struct mycolumn){ .type = 0 };
	c_r->catalog = rd_mystr_len(&w.r);
	c_r->schema = rd_mystr_len(&w.r);
	c_r->table = rd_mystr_len(&w.r);
	c_r->org_table = rd_mystr_len(&w.r);
	c_r->name = rd_mystr_len(&w.r);
	c_r->org_name = rd_mystr_len(&w.r);
	where_at(&w, "names of the column");
	if (caps & MYCAP(MARIADB_EXTENDED_METADATA)) {
		c_r->extended = rd_mystr_len(&w.r);
		where_at(&w, "extended metadata");
	}
	read_fixed(&w, c_r);
	if (rd_left(&w.r) != 0) {
		c_r->has_default = true;
		if (*w.r.p == NULL_CELL)
			rd_u8(&w.r);
		else
			c_r->def_value = rd_mystr_len(&w.r);
		where_at(&w, "default value");
	}
	return where_end(&w);
}

void mycolumn_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct mycolumn *c)
{
	size_t at = mypacket_begin(b);
	buf_put_mystr_len(b, c->catalog);
	buf_put_mystr_len(b, c->schema);
	buf_put_mystr_len(b, c->table);
	buf_put_mystr_len(b, c->org_table);
	buf_put_mystr_len(b, c->name);
	buf_put_mystr_len(b, c->org_name);
	if (caps & MYCAP(MARIADB_EXTENDED_METADATA))
		buf_put_mystr_len(b, c->extended);
	buf_put_lenenc(b, FIXED_BYTES);
	buf_put_u16le(b, c->collation);
	buf_put_u32le(b, c->length);
	buf_put_u8(b, c->type);
	buf_put_u16le(b, c->flags);
	buf_put_u8(b, c->decimals);
	buf_put_u16le(b, 0);
	if (c->has_default && c->def_value.p == NULL)
		buf_put_u8(b, NULL_CELL);
	else if (c->has_default)
		buf_put_mystr_len(b, c->def_value);
	mypacket_end(b, at, seq);
}
