/* same_reading - whether two texts, of which one has others at its numbers and strings, are read
 * alike: as tokens, as a digest, by what they leave and where they may run. For tests. No state:
 * any thread. */
#ifndef TEST_SAME_READING_H
#define TEST_SAME_READING_H
#include "sql/names.h"
#include "sql/values.h"
#include "sql/route.h"

#include "base/buf.h"

#include "other_values.h"

#define SAME_CTXS_N 3U

/* Where some names are dangerous, and where a transaction only reads. The names are the caller's to
 * free; NULL: no memory. */
static inline struct sql_names *same_ctxs(struct sql_route_ctx ctx[SAME_CTXS_N])
{
	static const char *const danger[] = { "t", "f", "orders", "count", "=", "v" };
	struct sql_names *names = sql_names_new(false);
	for (size_t i = 0; names && i < sizeof(danger) / sizeof(danger[0]); i++)
		if (!sql_names_add(names, danger[i], strlen(danger[i]), SQL_NAME_DANGER))
			sql_names_free(&names);
	ctx[0] = (struct sql_route_ctx){ 0 };
	ctx[1] = (struct sql_route_ctx){ .names = names };
	ctx[2] = (struct sql_route_ctx){ .names = names, .tx = SQL_ROUTE_TX_RO };
	return names;
}

static inline bool same_route(const struct sql_route *a, const struct sql_route *b)
{
	const struct sql_hint *g = &a->hint, *h = &b->hint;
	return a->verdict == b->verdict && a->reason == b->reason && a->movable == b->movable &&
	       a->unsure == b->unsure && a->begins == b->begins &&
	       a->statements_n == b->statements_n && g->node == h->node &&
	       g->consistency == h->consistency && g->bounded_ms == h->bounded_ms &&
	       g->unknown == h->unknown && g->name_n == h->name_n &&
	       memcmp(g->name, h->name, g->name_n) == 0;
}

static inline bool same_pg(const struct sql_lang *lang, const struct sql_route_ctx *ctx,
	const char *a, size_t a_n, const char *b, size_t b_n)
{
	const struct sql_opts o = { lang->pg, lang->scs, false, 18 };
	for (size_t i = 0; i < SAME_CTXS_N; i++) {
		struct sql_stmt_info x, y;
		struct sql_route r, s;
		sql_route_pg(&o, &ctx[i], a, a_n, &x, &r);
		sql_route_pg(&o, &ctx[i], b, b_n, &y, &s);
		if (x.flags != y.flags || x.verb != y.verb || x.n_statements != y.n_statements ||
			x.set_kind != y.set_kind || x.set_name_n != y.set_name_n ||
			x.name_n != y.name_n || !same_route(&r, &s))
			return false;
	}
	return true;
}

static inline bool same_my(const struct sql_my_opts *o, const struct sql_route_ctx *ctx,
	const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct sql_my_stmt x, y;
	sql_my_classify(o, a, a_n, &x);
	sql_my_classify(o, b, b_n, &y);
	if (x.flags != y.flags || x.verb != y.verb || x.kill != y.kill || x.source != y.source ||
		x.id_known || y.id_known || x.name_n != y.name_n ||
		x.statements_n != y.statements_n)
		return false;
	for (size_t i = 0; i < SAME_CTXS_N; i++) {
		struct sql_route r, s;
		sql_route_my(o, &ctx[i], a, a_n, &r);
		sql_route_my(o, &ctx[i], b, b_n, &s);
		/* words of one that was not read with certainty may stand anywhere */
		if (x.flags & SQL_MY_UNSURE
				? r.verdict == SQL_ROUTE_REPLICA || s.verdict == SQL_ROUTE_REPLICA
				: !same_route(&r, &s))
			return false;
	}
	return true;
}

static inline bool same_digest(
	const struct sql_lang *lang, const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct buf x, y;
	uint64_t d = 0, e = 0;
	buf_init(&x, 0);
	buf_init(&y, 0);
	bool same = sql_digest(lang, a, a_n, &x, &d) == sql_digest(lang, b, b_n, &y, &e) &&
		    d == e && buf_len(&x) == buf_len(&y) &&
		    (!buf_len(&x) || memcmp(buf_data(&x), buf_data(&y), buf_len(&x)) == 0);
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

/* Token by token, as the lexers that classifiers use give them; all but the values that were
 * changed is the same. v: the n of them in a. */
static inline bool same_tokens(const struct sql_lang *lang, const struct sql_value *v, size_t n,
	const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct sql_lex p, q;
	struct sql_my_lex r, s;
	size_t at = 0;
	if (lang->pg) {
		sql_lex_init(&p, lang->pg, a, a_n, lang->scs);
		sql_lex_init(&q, lang->pg, b, b_n, lang->scs);
	} else {
		sql_my_lex_init(&r, lang->my, a, a_n);
		sql_my_lex_init(&s, lang->my, b, b_n);
	}
	for (;;) {
		const char *x, *y;
		size_t x_n, y_n;
		bool end, value;
		if (lang->pg) {
			struct sql_tok t, u;
			sql_lex_next(&p, &t);
			sql_lex_next(&q, &u);
			if (t.kind != u.kind)
				return false;
			x = t.p, y = u.p, x_n = t.n, y_n = u.n;
			end = t.kind == SQL_TOK_END || t.kind == SQL_TOK_BAD;
			value = t.kind == SQL_TOK_NUMBER || t.kind == SQL_TOK_STRING ||
				t.kind == SQL_TOK_ESTRING;
		} else {
			struct sql_my_tok t, u;
			sql_my_lex_next(&r, &t);
			sql_my_lex_next(&s, &u);
			if (t.kind != u.kind)
				return false;
			x = t.p, y = u.p, x_n = t.n, y_n = u.n;
			end = t.kind == SQL_MY_TOK_END || t.kind == SQL_MY_TOK_BAD;
			value = t.kind == SQL_MY_TOK_NUMBER || t.kind == SQL_MY_TOK_STRING;
		}
		if (end)
			return at == n;
		if (value && at < n && x == a + v[at].at) {
			if (x_n != v[at++].n)
				return false;
		} else if (x_n != y_n || memcmp(x, y, x_n) != 0) {
			return false;
		}
	}
}

/* The text with others at these values. */
static inline size_t change_values(const char *text, size_t n, const struct sql_value *v,
	size_t values_n, uint32_t *seed, char *out, size_t cap)
{
	size_t from = 0, put = 0;
	for (size_t i = 0; i < values_n; i++) {
		memcpy(out + put, text + from, v[i].at - from);
		put += v[i].at - from;
		put += other_values(
			text + v[i].at, v[i].n, seed, out + put, cap - put - (n - v[i].at));
		from = (size_t)v[i].at + v[i].n;
	}
	memcpy(out + put, text + from, n - from);
	return put + (n - from);
}

/* All of these. v: the n values of a, of which b has others. */
static inline bool same_reading(const struct sql_lang *lang, const struct sql_route_ctx *ctx,
	const struct sql_value *v, size_t n, const char *a, size_t a_n, const char *b, size_t b_n)
{
	return same_tokens(lang, v, n, a, a_n, b, b_n) && same_digest(lang, a, a_n, b, b_n) &&
	       (lang->pg ? same_pg(lang, ctx, a, a_n, b, b_n)
			 : same_my(lang->my, ctx, a, a_n, b, b_n));
}
#endif
