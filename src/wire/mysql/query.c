/* query - see wire/mysql/query.h. */
#include "wire/mysql/query.h"

#include <assert.h>

#include "wire_int.h"

#define ATTRS_MAX 65535U
#define SETS_N 1U      /* the documents' parameter_set_count: always 1 */
#define NEW_TYPES_N 1U /* and new_params_bind_flag */

/* The names and values behind the bitmap. */
static void read_attrs(struct where *w, struct myquery *q)
{
	struct rd start = w->r;
	const uint8_t *nulls = rd_bytes(&w->r, (q->attrs_n + 7) / 8);
	if (rd_u8(&w->r) != NEW_TYPES_N)
		w->r.bad = true;
	where_at(w, "query attributes");
	struct rd types = w->r;
	for (unsigned i = 0; i < q->attrs_n && rd_ok(&w->r); i++) {
		rd_u16le(&w->r);
		rd_mystr_len(&w->r);
	}
	where_at(w, "names of the query attributes");
	if (w->bad)
		return;
	struct myparam skip;
	q->it = (struct myparam_iter){
		.types = types, .values = w->r, .nulls = nulls, .n = q->attrs_n, .names = true
	};
	struct myparam_iter it = q->it;
	while (myparam_next(&it, &skip))
		;
	w->r = it.values;
	where_at(w, "values of the query attributes");
	q->attrs = mystr_of(start.p, (size_t)(w->r.p - start.p));
}

int myquery_read(const uint8_t *p, size_t have, size_t n, uint64_t caps, struct myquery *q_r,
	const char **where_r)
{
	assert(have <= n);
	struct where w = where_of(p, have);
	*q_r = (struct myquery){ .attrs_n = 0 };
	rd_u8(&w.r);
	where_at(&w, "command");
	if (caps & MYCAP(QUERY_ATTRIBUTES)) {
		uint64_t attrs_n = rd_lenenc(&w.r);
		if (rd_lenenc(&w.r) != SETS_N || attrs_n > ATTRS_MAX)
			w.r.bad = true;
		where_at(&w, "number of query attributes");
		q_r->attrs_n = w.bad ? 0 : (unsigned)attrs_n;
		if (q_r->attrs_n != 0)
			read_attrs(&w, q_r);
	}
	if (w.bad) {
		*where_r = w.bad;
		return have < n ? 0 : -1;
	}
	q_r->text_off = (size_t)(w.r.p - p);
	q_r->text = rd_mystr_rest(&w.r);
	return 1;
}

void myquery_put_head(struct buf *b, uint64_t caps, const struct myquery *attrs)
{
	buf_put_u8(b, MYCOM_QUERY);
	if (!(caps & MYCAP(QUERY_ATTRIBUTES)))
		return;
	buf_put_lenenc(b, attrs ? attrs->attrs_n : 0);
	buf_put_lenenc(b, SETS_N);
	if (attrs)
		buf_append(b, attrs->attrs.p, attrs->attrs.n);
}

void myquery_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct myquery *attrs,
	const char *text, size_t text_n)
{
	size_t at = mypacket_begin(b);
	myquery_put_head(b, caps, attrs);
	buf_append(b, text, text_n);
	mypacket_end(b, at, seq);
}

void myquery_put_prepare(struct buf *b, uint8_t *seq, const char *text, size_t text_n)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, MYCOM_STMT_PREPARE);
	buf_append(b, text, text_n);
	mypacket_end(b, at, seq);
}
