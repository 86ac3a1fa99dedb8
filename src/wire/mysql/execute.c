/* execute - COM_STMT_EXECUTE of wire/mysql/stmt.h.
 *
 * Behind the head of 10 bytes: nothing, if the statement has no parameters and the client has not
 * said that it sends a count. Else the count (only with MYCAP_QUERY_ATTRIBUTES; what exceeds the
 * statement's own parameters are attributes), a bitmap of NULLs, a byte that says whether types
 * follow, the types (with MYCAP_QUERY_ATTRIBUTES each has a name), the values. */
#include <assert.h>
#include <string.h>

#include "wire_int.h"
#include "wire/mysql/stmt.h"

#define PARAMS_MAX 65535U /* of one statement, and of its attributes */

/* ---- reading ---- */
static unsigned all_n(const struct mystmt_execute *x)
{
	return x->params_n + x->attrs_n;
}

static void read_count(struct where *w, const struct mystmt_known *known, struct mystmt_execute *x)
{
	uint64_t n = rd_lenenc(&w->r);
	if (n < known->params_n || n > known->params_n + PARAMS_MAX)
		w->r.bad = true;
	where_at(w, "number of parameters");
	if (w->bad == NULL)
		x->attrs_n = (unsigned)(n - known->params_n);
}

static void read_types(struct where *w, struct mystmt_execute *x)
{
	const uint8_t *from = w->r.p;
	if (!x->names)
		rd_bytes(&w->r, (size_t)all_n(x) * MYPARAM_TYPE_BYTES);
	for (unsigned i = 0; x->names && i < all_n(x) && rd_ok(&w->r); i++) {
		rd_u16le(&w->r);
		rd_mystr_len(&w->r);
	}
	where_at(w, "types of the parameters");
	if (w->bad)
		return;
	x->types = from;
	x->types_n = (size_t)(w->r.p - from);
}

static void read_params(struct where *w, struct mystmt_execute *x)
{
	x->nulls = rd_bytes(&w->r, (all_n(x) + 7) / 8);
	where_at(w, "NULL bitmap");
	uint8_t flag = rd_u8(&w->r);
	x->new_types = flag == 1;
	if (flag > 1 || (x->attrs_n != 0 && flag != 1))
		w->r.bad = true;
	where_at(w, "new_params_bind_flag");
	if (x->new_types)
		read_types(w, x);
}

/* Walks over all values, whose types are known. */
static void check_values(
	struct where *w, const struct mystmt_known *known, struct mystmt_execute *x)
{
	struct myparam skip;
	struct rd types = x->new_types ? rd_of(x->types, x->types_n)
				       : rd_of(known->types, (size_t)all_n(x) * MYPARAM_TYPE_BYTES);
	x->it = (struct myparam_iter){ .types = types,
		.values = w->r,
		.nulls = x->nulls,
		.long_data = known->long_data,
		.n = all_n(x),
		.long_data_n = x->params_n,
		.names = x->new_types && x->names };
	struct myparam_iter it = x->it;
	x->params_values_n = 0;
	while (myparam_next(&it, &skip))
		if (it.i == x->params_n)
			x->params_values_n = (size_t)(it.values.p - w->r.p);
	if (!rd_ok(&it.values) || !rd_ok(&it.types))
		it.values.bad = true;
	x->values.n = rd_ok(&it.values) ? (size_t)(it.values.p - w->r.p) : 0;
	w->r = it.values;
	where_at(w, "value of a parameter");
	x->checked = true;
}

int mystmt_read_execute(const uint8_t *p, size_t have, size_t n, uint64_t caps,
	const struct mystmt_known *known, struct mystmt_execute *x_r, const char **where_r)
{
	assert(have <= n);
	struct where w = where_of(p, have);
	*x_r = (struct mystmt_execute){ .params_n = known->params_n };
	rd_u8(&w.r);
	x_r->id = rd_u32le(&w.r);
	x_r->flags = rd_u8(&w.r);
	x_r->iterations = rd_u32le(&w.r);
	where_at(&w, "statement id, flags, iterations");
	x_r->names = caps & MYCAP(QUERY_ATTRIBUTES);
	bool counted = x_r->names && (known->params_n != 0 || x_r->flags & MYSTMT_PARAMETER_COUNT);
	if (counted && w.bad == NULL)
		read_count(&w, known, x_r);
	if (all_n(x_r) != 0 && w.bad == NULL)
		read_params(&w, x_r);
	if (w.bad) {
		*where_r = w.bad;
		return have < n ? 0 : -1;
	}
	x_r->values_off = (size_t)(w.r.p - p);
	x_r->values = mystr_of(w.r.p, rd_left(&w.r));
	if (have == n && (all_n(x_r) == 0 || x_r->new_types || known->types))
		check_values(&w, known, x_r);
	*where_r = w.bad;
	return w.bad ? -1 : 1;
}

void mystmt_copy_types(const struct mystmt_execute *x, uint8_t *types_r)
{
	struct rd r = rd_of(x->types, x->types_n);
	for (unsigned i = 0; i < x->params_n; i++) {
		const uint8_t *type = rd_bytes(&r, MYPARAM_TYPE_BYTES);
		if (type)
			memcpy(types_r + (size_t)i * MYPARAM_TYPE_BYTES, type, MYPARAM_TYPE_BYTES);
		if (x->names)
			rd_mystr_len(&r);
	}
}

/* ---- writing ---- */
static void put_nulls(struct buf *b, const uint8_t *nulls, unsigned n)
{
	buf_append(b, nulls, n / 8);
	if (n % 8)
		buf_put_u8(b, nulls[n / 8] & (uint8_t)((1U << n % 8) - 1));
}

/* types, if not NULL, instead of those in the packet. */
static void put_types(
	struct buf *b, const struct mystmt_execute *x, const uint8_t *types, unsigned n, bool names)
{
	struct rd r = rd_of(x->types, x->new_types ? x->types_n : 0);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *type = x->new_types ? rd_bytes(&r, MYPARAM_TYPE_BYTES) : NULL;
		struct mystr name = { .p = NULL };
		if (x->new_types && x->names)
			name = rd_mystr_len(&r);
		if (types && i < x->params_n)
			type = types + (size_t)i * MYPARAM_TYPE_BYTES;
		buf_append(b, type, MYPARAM_TYPE_BYTES);
		if (names)
			buf_put_mystr_len(b, name);
	}
}

static bool keeps(uint64_t caps, const struct mystmt_execute *x, bool keep_attrs)
{
	return keep_attrs && caps & MYCAP(QUERY_ATTRIBUTES) && x->attrs_n != 0;
}

void mystmt_put_execute_head(struct buf *b, uint64_t caps, const struct mystmt_execute *x,
	uint32_t id, const uint8_t *types, bool keep_attrs)
{
	bool counted = caps & MYCAP(QUERY_ATTRIBUTES);
	bool keep = keeps(caps, x, keep_attrs);
	unsigned n = keep ? all_n(x) : x->params_n;
	unsigned flags = x->flags & ~MYSTMT_PARAMETER_COUNT;
	bool typed = types || x->new_types;
	buf_put_u8(b, MYCOM_STMT_EXECUTE);
	buf_put_u32le(b, id);
	buf_put_u8(b, (uint8_t)(keep ? flags | MYSTMT_PARAMETER_COUNT : flags));
	buf_put_u32le(b, x->iterations);
	if (n == 0)
		return;
	if (counted)
		buf_put_lenenc(b, n);
	put_nulls(b, x->nulls, n);
	buf_put_u8(b, typed);
	if (typed)
		put_types(b, x, types, n, counted);
}

void mystmt_put_execute(struct buf *b, uint8_t *seq, uint64_t caps, const struct mystmt_execute *x,
	uint32_t id, const uint8_t *types, bool keep_attrs)
{
	bool all = x->attrs_n == 0 || keeps(caps, x, keep_attrs);
	assert(all || x->checked);
	size_t at = mypacket_begin(b);
	mystmt_put_execute_head(b, caps, x, id, types, keep_attrs);
	buf_append(b, x->values.p, all ? x->values.n : x->params_values_n);
	mypacket_end(b, at, seq);
}
