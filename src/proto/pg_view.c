/* pg_view - what a session sees of pg_prepared_statements. On the server stand the statements of
 * many sessions under names of ours, and perhaps not all of this one's. So a query that reads the
 * view gets a WITH query of that name in front, which hides it: the session's own statements by its
 * own names. Its list is of the moment, so such a query is parsed anew in each batch.
 * Ignorant of replies. Thread: that of the env. Source: PostgreSQL docs, System Views:
 * pg_prepared_statements; SELECT: WITH Clause. */
#include "pg_view_int.h"
#include "pg_ref_int.h"

#include <inttypes.h>
#include <string.h>

static const char view_name[] = "pg_prepared_statements";
#define VIEW_NAME_N (sizeof(view_name) - 1)

/* ---- the text ---- */

bool view_mentioned(const char *text, size_t n)
{
	const char *end = text + n;
	for (const char *p = text; (p = memchr(p, '_', (size_t)(end - p))) != NULL; p++)
		if (p - text >= 2 && (size_t)(end - p) + 2 >= VIEW_NAME_N &&
			strncasecmp(p - 2, view_name, VIEW_NAME_N) == 0)
			return true;
	return false;
}

static bool is_name(const struct sql_tok *t, const char *name)
{
	return (t->kind == SQL_TOK_WORD || t->kind == SQL_TOK_QUOTED) && !t->decoded_too_long &&
	       t->name_n == strlen(name) && memcmp(t->name, name, t->name_n) == 0;
}

static bool is_word(const struct sql_tok *t, const char *word)
{
	return t->kind == SQL_TOK_WORD && is_name(t, word);
}

static bool is_punct(const struct sql_tok *t, char ch)
{
	return t->kind == SQL_TOK_PUNCT && t->ch == ch;
}

/* Reads a text and writes it again as it goes. */
struct rewriter {
	struct sql_lex lex;
	struct sql_tok t, before[3]; /* the last ones, newest first */
	const char *from;            /* what is before that is written */
	struct buf *out;             /* or NULL */
	bool found;
};

static void step(struct rewriter *r)
{
	memmove(r->before + 1, r->before, 2 * sizeof(*r->before));
	r->before[0] = r->t;
	sql_lex_next(&r->lex, &r->t);
}

static void write_to(struct rewriter *r, const char *to)
{
	if (r->out)
		buf_append(r->out, r->from, (size_t)(to - r->from));
	r->from = to;
}

static void insert(struct rewriter *r, const char *before, const char *query, const char *after)
{
	if (r->out == NULL)
		return;
	buf_puts(r->out, before);
	buf_puts(r->out, view_name);
	buf_puts(r->out, " AS (");
	buf_puts(r->out, query);
	buf_puts(r->out, after);
}

/* Up to the first word behind which the query stands. False: it is another kind of statement. */
static bool write_head(struct rewriter *r, const char *query)
{
	while (is_punct(&r->t, ';'))
		step(r);
	const char *start = r->t.p;
	bool bare = !is_punct(&r->t, '(');
	while (is_punct(&r->t, '('))
		step(r);
	if (bare && is_word(&r->t, "with")) {
		const char *at = r->t.p + r->t.n;
		step(r);
		struct rewriter ahead = *r;
		step(&ahead);
		bool named = is_word(&ahead.t, "as") || is_punct(&ahead.t, '(');
		if (is_word(&r->t, "recursive") && !named)
			at = r->t.p + r->t.n;
		write_to(r, at);
		insert(r, " ", query, "),");
		return true;
	}
	if (!is_word(&r->t, "select") && !is_word(&r->t, "with") && !is_word(&r->t, "table") &&
		!is_word(&r->t, "values"))
		return false;
	write_to(r, start);
	insert(r, "WITH ", query, ") ");
	return true;
}

/* The token before this one is the view's name. False: the text gives that name to a WITH query of
 * its own. */
static bool see_name(struct rewriter *r)
{
	const struct sql_tok *name = &r->before[0];
	bool dotted = is_punct(&r->before[1], '.');
	struct rewriter ahead = *r;
	if (is_word(&ahead.t, "as"))
		step(&ahead);
	if (is_punct(&ahead.t, '(') ||
		(ahead.t.p != r->t.p &&
			(is_word(&ahead.t, "not") || is_word(&ahead.t, "materialized"))))
		return false;
	if (dotted && !is_name(&r->before[2], "pg_catalog"))
		return true;
	r->found = true;
	if (!dotted)
		return true;
	write_to(r, r->before[2].p); /* the schema's would not be hidden */
	for (; r->from < name->p; r->from++)
		if (r->out)
			buf_put_u8(r->out, ' ');
	return true;
}

static bool has_high_bytes(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x80)
			return true;
	return false;
}

bool view_rewrite(
	const struct pg_lex_opts *x, const char *text, size_t n, const char *query, struct buf *out)
{
	struct rewriter r = { .from = text, .out = out };
	if (x->unsafe_encoding && has_high_bytes(text, n))
		return false;
	sql_lex_init(&r.lex, &sql_dialect_pg, text, n, x->scs);
	sql_lex_next(&r.lex, &r.t);
	if (!write_head(&r, query))
		return false;
	while (r.t.kind != SQL_TOK_END && !is_punct(&r.t, ';')) {
		if (r.t.kind == SQL_TOK_BAD)
			return false;
		step(&r);
		if (is_name(&r.before[0], view_name) && !see_name(&r))
			return false;
	}
	while (is_punct(&r.t, ';'))
		step(&r);
	if (r.t.kind != SQL_TOK_END)
		return false;
	write_to(&r, text + n);
	return r.found;
}

/* ---- what stands in the view's place ---- */

/* As an expression of type text, whatever the settings: the bytes are of the client's encoding. */
static void put_literal(struct buf *b, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	if (has_high_bytes(s, n)) {
		buf_puts(b, "pg_catalog.convert_from(pg_catalog.decode('");
		for (size_t i = 0; i < n; i++) {
			buf_put_u8(b, (uint8_t)hex[(unsigned char)s[i] >> 4]);
			buf_put_u8(b, (uint8_t)hex[(unsigned char)s[i] & 15]);
		}
		buf_puts(b, "','hex'),pg_catalog.pg_client_encoding())");
		return;
	}
	buf_puts(b, "E'");
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\'' || s[i] == '\\')
			buf_put_u8(b, (uint8_t)s[i]);
		buf_put_u8(b, (uint8_t)s[i]);
	}
	buf_puts(b, "'");
}

/* How many parameters a text has at least. */
static unsigned n_params(const struct pg_lex_opts *x, const struct stmt *s)
{
	struct sql_lex lex;
	struct sql_tok t;
	unsigned max = 0;
	sql_lex_init(&lex, &sql_dialect_pg, s->text, s->text_n, x->scs);
	for (sql_lex_next(&lex, &t); t.kind != SQL_TOK_END && t.kind != SQL_TOK_BAD;
		sql_lex_next(&lex, &t)) {
		unsigned v = 0;
		for (size_t i = 1; t.kind == SQL_TOK_PARAM && i < t.n && v < 100000; i++)
			v = v * 10 + (unsigned)(t.p[i] - '0');
		max = v > max ? v : max;
	}
	return max;
}

/* NULL: only a server would know. */
static void put_types(struct upx *u, struct buf *b, const struct stmt *s)
{
	const uint8_t *v = s->told_rows ? s->store : stmt_types(s);
	unsigned n = s->told_rows ? s->n_told : s->n_types;
	bool known = !stmt_is_sql(s) && (s->told_rows || n_params(pg_lex(u->c), s) <= n);
	for (unsigned i = 0; i < n; i++)
		known = known && (v[i * 4] | v[i * 4 + 1] | v[i * 4 + 2] | v[i * 4 + 3]) != 0;
	if (!known) {
		buf_puts(b, "NULL");
		return;
	}
	buf_puts(b, "'{");
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%" PRIu32, i ? "," : "",
			(uint32_t)v[i * 4] << 24 | (uint32_t)v[i * 4 + 1] << 16 |
				(uint32_t)v[i * 4 + 2] << 8 | v[i * 4 + 3]);
	buf_puts(b, "}'::pg_catalog.oid[]::pg_catalog.regtype[]");
}

/* Where the server has it, the server says the rest; what it may lack by then is told by us. */
static void put_row(
	struct upx *u, struct buf *b, const char *name, size_t n, const struct stmtname *x)
{
	char ours[PG_NAME_BYTES];
	const struct stmt *s = x->s;
	bool named = named_has(u->c, u->l, name, n);
	const struct linkstmt *ls = named || stmt_is_sql(s) ? NULL : ref_on_link(u, s);
	buf_puts(b, ",(");
	put_literal(b, name, n);
	buf_puts(b, ",");
	if (ls)
		pg_stmt_name(ours, ls->id);
	if (ls || named)
		put_literal(b, ls ? ours : name, ls ? strlen(ours) : n);
	else
		buf_puts(b, "NULL");
	buf_printf(b, ",pg_catalog.to_timestamp(%" PRId64 ".%06" PRId64 "),",
		x->prepared_us / 1000000, x->prepared_us % 1000000);
	if (ls && ls->confirmed && !s->view) {
		buf_puts(b, "NULL,NULL,NULL)");
		return;
	}
	put_literal(b, s->text, s->text_n);
	buf_puts(b, ",");
	put_types(u, b, s);
	buf_puts(b, stmt_is_sql(s) ? ",true)" : ",false)");
}

/* What stands there under other names than ours is the session's as well: see pg_named.c. */
static void put_query(struct upx *u, struct buf *b)
{
	unsigned major = pg_lex(u->c)->server_major;
	buf_puts(b, "SELECT COALESCE(m.n,p.name) AS name,COALESCE(m.x,p.statement) AS statement,"
		    "COALESCE(m.t,p.prepare_time) AS prepare_time,"
		    "COALESCE(p.parameter_types,m.y) AS parameter_types,");
	if (major >= 16)
		buf_puts(b, "p.result_types AS result_types,");
	buf_puts(b, "COALESCE(p.from_sql,m.q) AS from_sql");
	if (major >= 14)
		buf_puts(b, ",COALESCE(p.generic_plans,0) AS generic_plans,"
			    "COALESCE(p.custom_plans,0) AS custom_plans");
	buf_puts(b, " FROM (VALUES (NULL::pg_catalog.text,NULL::pg_catalog.text,"
		    "NULL::pg_catalog.timestamptz,NULL::pg_catalog.text,NULL::pg_catalog.regtype[],"
		    "NULL::pg_catalog.bool)");
	if (u->c->stmts)
		for (struct hmap_it it = hmap_begin(&u->c->stmts->names); hmap_next(&it);)
			put_row(u, b, it.key, it.key_n, it.value);
	buf_puts(b, ") AS m(n,s,t,x,y,q) FULL JOIN pg_catalog.pg_prepared_statements AS p"
		    " ON p.name OPERATOR(pg_catalog.=) m.s"
		    " WHERE m.x IS NOT NULL OR (p.name IS NOT NULL AND (m.n IS NOT NULL"
		    " OR pg_catalog.left(p.name,9) OPERATOR(pg_catalog.<>) '" PG_STMT_PREFIX "'))");
	buf_put_u8(b, 0);
}

uint64_t view_text(struct upx *u, const char *text, size_t n, struct buf *out)
{
	struct buf query;
	buf_init(&query, 0);
	put_query(u, &query);
	if (query.failed || pg_lex(u->c)->server_major == 0 ||
		!view_rewrite(pg_lex(u->c), text, n, (const char *)buf_data(&query), out)) {
		buf_consume(out, buf_len(out));
		buf_append(out, text, n);
	}
	if (query.failed || out->failed)
		u->l->failed = true;
	buf_fini(&query);
	uint64_t parts[2] = { out->failed ? 0 : hash64(buf_data(out), buf_len(out)),
		u->l->batch_no };
	return hash64(parts, sizeof(parts)) | 1;
}

/* ---- what the server shall tell of ---- */

static bool may_make(const struct upx *u)
{
	struct pg_link *l = u->l;
	if (u->c->stmts == NULL || u->c->unnamed_raw || l->ext_open || l->copy_in || l->failed ||
		l->tx != TX_IDLE)
		return false;
	for (uint32_t i = 0; i < l->owed.n; i++) /* it may open a transaction */
		if (owed_at(l, i)->disp == OWED_FORWARD)
			return false;
	return true;
}

/* Each by itself: one that cannot be made any more is told of by us. */
void view_make(struct upx *u)
{
	if (!may_make(u))
		return;
	named_put_sql(u);
	for (struct hmap_it it = hmap_begin(&u->c->stmts->names); hmap_next(&it);) {
		const struct stmt *s = ((const struct stmtname *)it.value)->s;
		if (linkmap_n(&u->l->stmts) >= u->c->max_prepared)
			return;
		if (stmt_is_sql(s) || s->view || named_has(u->c, u->l, it.key, it.key_n) ||
			ref_on_link(u, s))
			continue;
		if (ref_put_parse(u, s, OWED_CAPTURE, 0) == NULL)
			return;
		owed_tail(u->l)->synth = PG_CAP_NAMED;
		struct owed *o = owed_push(u->l, OWED_SYNC, OWED_CAPTURE);
		if (o == NULL)
			return;
		o->synth = PG_CAP_NAMED;
		pgext_put_sync(u->up);
	}
}
