/*
 * What the words of a PostgreSQL statement ask of the node that runs it: names, calls, types,
 * operators, lock clauses. Called by the classifier's pass, token by token. Ignorant of verbs. Any
 * thread.
 *
 * Over-reports where only a grammar could tell; what it does not know is not for a replica.
 */
#include "classify_int.h"

#include <string.h>

static const char unknown_function[] = "calls a function that is not known to be harmless";
static const char unknown_type[] = "a type that is not known to be harmless";
static const char dangerous[] = "a name that the catalog says is not for a replica";

static bool is_name(const struct sql_tok *t)
{
	return t->kind == SQL_TOK_WORD || t->kind == SQL_TOK_QUOTED || t->kind == SQL_TOK_UQUOTED;
}

static void mark(struct pass *p, enum route_level level, const char *reason)
{
	route_raise(&p->route->mark, level, reason, p->tok.p);
}

static enum route_level level_of(enum sql_node node)
{
	switch (node) {
	case SQL_NODE_REPLICA: return ROUTE_REPLICA;
	case SQL_NODE_LOCAL:
	case SQL_NODE_SETTING: return ROUTE_LOCAL;
	case SQL_NODE_PRIMARY: return ROUTE_PRIMARY;
	case SQL_NODE_PIN: break;
	}
	return ROUTE_PIN;
}

/* EXPLAIN without ANALYZE runs nothing but what the planner calls. */
static bool only_plans(const struct pg_route *r)
{
	return r->explain == PG_EXPLAIN_BODY && !r->analyze;
}

static void await(struct pg_route *r, enum pg_pending what)
{
	r->pending = (uint8_t)what;
	r->special = true;
}

/* ---- what the token before was, now that this one is known ---- */

static void end_type(struct pass *p)
{
	const struct chain *c = &p->chain;
	bool builtin =
		!c->opaque && c->word != NULL && (c->word->more & SQL_WORD_TYPE) &&
		(c->parts == 1 || (c->parts == 2 && (chain_in_catalog(c) || chain_in_schema(c))));

	if (!builtin && !(p->route->known_type & SQL_NAME_TYPE))
		mark(p, ROUTE_UNSURE, unknown_type);
}

static bool is_setting_literal(const struct sql_dialect *d, const struct sql_tok *t)
{
	char name[SQL_IDENT_MAX];
	uint32_t h = 0;
	size_t n;

	if (!sql_lex_decode(t, name, sizeof(name), &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '.')
			return true; /* the user's own */
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + ('a' - 'A'));
		h = sql_hash_step(h, (unsigned char)name[i]);
	}
	const struct sql_word *w = d->find(name, n, h);

	return w != NULL && (w->more & SQL_WORD_SETTING);
}

static void setting_argument(struct pass *p)
{
	struct pg_route *r = p->route;

	if (r->pending == PG_PENDING_SETTING && p->tok.ch == '(')
		return; /* the call's own */
	if (r->pending == PG_PENDING_SETTING && is_setting_literal(p->o->dialect, &p->tok)) {
		r->pending = PG_PENDING_SETTING_2;
		return;
	}
	if (r->pending != PG_PENDING_SETTING_2 ||
		(p->tok.ch != ',' && p->tok.ch != ')' && p->tok.kind != SQL_TOK_CAST))
		mark(p, ROUTE_LOCAL, "a setting that may differ between nodes");
	r->pending = PG_PENDING_NONE;
}

static void resolve(struct pass *p)
{
	struct pg_route *r = p->route;

	switch ((enum pg_pending)r->pending) {
	case PG_PENDING_NONE: return;
	case PG_PENDING_TYPE:
		if (p->tok.ch == '.' || (seen_ch(p->prev) == '.' && is_name(&p->tok)) ||
			seen_kind(p->prev) == SQL_TOK_CAST || !seen_name(p->prev))
			return;
		end_type(p);
		break;
	case PG_PENDING_COLUMN:
		if (p->tok.ch != '(')
			mark(p, ROUTE_PRIMARY, "a standby shows a sequence ahead of its time");
		break;
	case PG_PENDING_SETTING:
	case PG_PENDING_SETTING_2: setting_argument(p); return;
	}
	r->pending = PG_PENDING_NONE;
}

/* ---- names ---- */

/* U&"..." may spell anything; with its own escape character only the server should read it. Apart
 * from what plain names run through. */
__attribute__((noinline)) static void decode_ident(struct pass *p)
{
	struct sql_lex ahead = p->lex;
	struct sql_tok t;

	sql_lex_next(&ahead, &t);
	bool uescape = t.kind == SQL_TOK_WORD && t.word != NULL && t.word->id == SQL_W_UESCAPE;

	if (!uescape && sql_lex_decode_ident(p->o->dialect, &p->tok)) {
		p->tok.kind = SQL_TOK_QUOTED;
		return;
	}
	p->tok.hash = 0; /* it has no name that could be looked for */
	mark(p, ROUTE_PIN, "an identifier that only the server can read");
}

static bool starts_with(const struct sql_tok *t, const char *prefix)
{
	size_t n = strlen(prefix);

	return t->name_n >= n && memcmp(t->name, prefix, n) == 0;
}

/* A name that starts with a p and is as long as pg_temp. */
static void system_name(struct pass *p)
{
	const struct sql_tok *t = &p->tok;

	if (starts_with(t, "pg_temp") || starts_with(t, "pg_toast_temp"))
		mark(p, ROUTE_PIN, "temporary objects belong to one link");
	else if (starts_with(t, "pg_stat_") || starts_with(t, "pg_statio_"))
		mark(p, ROUTE_LOCAL, "statistics of one node");
}

static void known_name(struct pass *p)
{
	const struct sql_names *names = p->route->ctx->names;
	unsigned known = sql_names_find_hashed(names, p->tok.name, p->tok.name_n, p->tok.hash);

	p->route->known_type = known;
	if (p->tok.decoded_too_long)
		mark(p, ROUTE_UNSURE, "a name that the server will cut");
	else if (known & SQL_NAME_DANGER)
		mark(p, ROUTE_UNSURE, dangerous);
}

/* A word that is not for every node even where nothing calls it. */
static void bare_name(struct pass *p)
{
	const struct sql_word *w = p->tok.word;

	if (w->func != SQL_FUNC_UNKNOWN && w->call == SQL_NODE_REPLICA)
		await(p->route, PG_PENDING_COLUMN); /* last_value() is a window function */
	else
		mark(p, level_of((enum sql_node)w->node),
			w->node == SQL_NODE_PRIMARY ? "a standby shows a sequence ahead of its time"
			: w->node == SQL_NODE_PIN   ? "shows the state of one link"
						    : "shows what one node knows about itself");
}

/* ::type, CAST(x AS type), JSON_VALUE(.. RETURNING type), f() AS x(column type) */
static bool is_type_place(const struct pass *p, bool reserved)
{
	const struct level *lv = &p->level[p->depth];

	return seen_kind(p->prev) == SQL_TOK_CAST || (lv->cast && seen_id(p->prev) == SQL_W_AS) ||
	       seen_id(p->prev) == SQL_W_RETURNING ||
	       (lv->columns && lv->item_n == 1 && lv->item_name && !reserved);
}

static void on_name(struct pass *p, uint16_t keyword)
{
	struct pg_route *r = p->route;
	bool reserved = keyword != 0 && p->tok.word->kwclass == SQL_KW_RESERVED;

	if (p->tok.kind == SQL_TOK_UQUOTED)
		decode_ident(p);
	if (!reserved) {
		if (p->tok.name_n >= 7 && p->tok.name[0] == 'p')
			system_name(p);
		if (r->ctx->names != NULL)
			known_name(p);
		if (p->tok.word != NULL && p->tok.word->node != SQL_NODE_REPLICA &&
			r->pending == PG_PENDING_NONE)
			bare_name(p);
	}
	if (seen_ch(p->prev) != '.' && is_type_place(p, reserved))
		await(r, PG_PENDING_TYPE);
}

/* ---- clauses ---- */

static bool is_locking(uint16_t id)
{
	return id == SQL_W_UPDATE || id == SQL_W_NO || id == SQL_W_SHARE || id == SQL_W_KEY;
}

static bool compares(uint16_t id)
{
	return id == SQL_W_IN || id == SQL_W_BETWEEN || id == SQL_W_DISTINCT || id == SQL_W_CASE ||
	       id == SQL_W_NULLIF || id == SQL_W_USING || id == SQL_W_NATURAL || id == SQL_W_BY ||
	       id == SQL_W_UNION || id == SQL_W_EXCEPT || id == SQL_W_INTERSECT ||
	       id == SQL_W_GREATEST || id == SQL_W_LEAST;
}

static void unwritten_operator(struct pass *p, uint16_t id)
{
	const struct pg_route *r = p->route;

	if ((r->compare_danger && compares(id)) ||
		(r->like_danger && (id == SQL_W_LIKE || id == SQL_W_ILIKE || id == SQL_W_SIMILAR)))
		mark(p, ROUTE_UNSURE, dangerous);
}

/* Planning one makes the schema that it would be in, which a standby refuses. */
static void temporary(struct pass *p)
{
	uint16_t before = seen_id(p->prev);

	if (before != SQL_W_CREATE && before != SQL_W_REPLACE && before != SQL_W_LOCAL &&
		before != SQL_W_GLOBAL && before != SQL_W_INTO)
		return;
	if (only_plans(p->route))
		mark(p, ROUTE_PRIMARY, "EXPLAIN makes the schema of temporary tables");
	else
		mark(p, ROUTE_PIN, "makes a temporary object, which belongs to one link");
}

/* INSERT, UPDATE, DELETE, MERGE, NO, SHARE, KEY */
static void locks_or_modifies(struct pass *p, uint16_t id)
{
	uint16_t before = seen_id(p->prev);

	if (before == SQL_W_FOR && is_locking(id))
		mark(p, ROUTE_PRIMARY, "locks rows");
	else if ((id == SQL_W_INSERT || id == SQL_W_UPDATE || id == SQL_W_DELETE ||
			 id == SQL_W_MERGE) &&
		 before != SQL_W_AS && before != SQL_W_SELECT && seen_ch(p->prev) != ',')
		/* else it is the name of a column */
		mark(p, ROUTE_PRIMARY, "modifies data");
}

/* What INTO says of the statement that it is in. */
static const char *writes_into(const struct pass *p)
{
	if (p->verb == SQL_V_INSERT || p->verb == SQL_V_MERGE)
		return "modifies data";
	if (p->depth == 0 &&
		(p->verb == SQL_V_SELECT || p->verb == SQL_V_TABLE || p->verb == SQL_V_WITH))
		return "SELECT INTO makes a table";
	return "writes";
}

/* Words that make a query more than a read; of other statements they are no news. */
static void on_keyword(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	if (r->compare_danger || r->like_danger)
		unwritten_operator(p, id);
	switch (id) {
	case SQL_W_TEMP:
	case SQL_W_TEMPORARY: temporary(p); break;
	case SQL_W_INTO:
		if (!only_plans(r) && p->tokens_n != 0)
			mark(p, ROUTE_PRIMARY, writes_into(p));
		break;
	case SQL_W_INSERT:
	case SQL_W_UPDATE:
	case SQL_W_DELETE:
	case SQL_W_MERGE:
	case SQL_W_NO:
	case SQL_W_SHARE:
	case SQL_W_KEY:
		if (!only_plans(r) && p->tokens_n != 0)
			locks_or_modifies(p, id);
		break;
	case SQL_W_COLUMNS: /* XMLTABLE(.. COLUMNS a type, ..) */
		p->level[p->depth].columns = true;
		p->level[p->depth].item_n = 0;
		break;
	default: break;
	}
}

static void on_operator(struct pass *p)
{
	const struct sql_names *names = p->route->ctx->names;
	const struct sql_tok *t = &p->tok;
	const char *op = t->p;
	size_t n = t->n;
	uint32_t h = 0;

	if (n == 2 &&
		(memcmp(op, "=>", 2) == 0 || memcmp(op, ":=", 2) == 0 || memcmp(op, "..", 2) == 0))
		return;
	if (n == 2 && memcmp(op, "!=", 2) == 0)
		op = "<>";
	for (size_t i = 0; i < n && n <= 8; i++)
		h = sql_hash_step(h, (unsigned char)op[i]);
	const struct sql_word *w = n <= 8 ? p->o->dialect->find(op, n, h) : NULL;
	unsigned known = names == NULL ? 0
			 : n <= 8      ? sql_names_find_hashed(names, op, n, h)
				       : sql_names_find(names, op, n);

	if (known & SQL_NAME_DANGER)
		mark(p, ROUTE_UNSURE, dangerous);
	else if (!(known & SQL_NAME_OPERATOR) && (w == NULL || !(w->more & SQL_WORD_OPERATOR)))
		mark(p, ROUTE_UNSURE, "an operator that is not known to be harmless");
}

/* type 'literal': a name right before a string, if it is no keyword, is a type. */
static void on_string(struct pass *p)
{
	if (seen_name(p->prev) && seen_id(p->prev) == 0 && p->chain.parts != 0)
		end_type(p);
}

/* ---- EXPLAIN's own words ---- */

static bool is_false(const struct sql_tok *t)
{
	static const char *const words[] = { "off", "false", "0", "'off'", "'false'", "'0'",
		"\"off\"", "\"false\"" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]), same = 0;

		while (n == t->n && same < n && (t->p[same] | 32) == (words[i][same] | 32))
			same++;
		if (same == n && n == t->n)
			return true;
	}
	return false;
}

static void explain_option(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	if (p->tok.ch == ',') {
		r->option = 0;
	} else if (p->tok.ch == ')') {
		r->explain = PG_EXPLAIN_WORDS;
		r->option = 3; /* no more lists, no more words */
	} else if (r->option == 0) {
		bool analyze = id == SQL_W_ANALYZE || id == SQL_W_ANALYSE ||
			       p->tok.kind == SQL_TOK_UQUOTED || starts_with(&p->tok, "analy");

		r->option = analyze ? 1 : 2;
		r->analyze |= analyze;
	} else if (r->option == 1) {
		r->analyze = !is_false(&p->tok);
	}
}

static bool starts_query(uint16_t id)
{
	return id == SQL_W_SELECT || id == SQL_W_VALUES || id == SQL_W_WITH || id == SQL_W_TABLE;
}

/* True while p->tok belongs to EXPLAIN itself. */
static bool explain_token(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	if (r->explain == PG_EXPLAIN_LIST) {
		if (r->option == 0 && p->tok.ch == '(') {
			r->explain = PG_EXPLAIN_WORDS; /* EXPLAIN ((SELECT 1)) */
			r->option = 3;
			return true;
		}
		if (r->option != 0 || p->depth != 1 || !starts_query(id)) {
			explain_option(p, id);
			return true;
		}
		r->explain = PG_EXPLAIN_BODY; /* EXPLAIN (SELECT 1) */
		r->body_id = id;
		return false;
	}
	if (id == SQL_W_EXPLAIN)
		return true;
	if (r->option != 3 && (id == SQL_W_ANALYZE || id == SQL_W_ANALYSE || id == SQL_W_VERBOSE)) {
		r->analyze |= id != SQL_W_VERBOSE;
		return true;
	}
	if (p->tok.ch == '(' && r->option != 3 && p->tokens_n == 1) {
		r->explain = PG_EXPLAIN_LIST;
		return true;
	}
	if (p->tok.ch == '(')
		return true; /* EXPLAIN ANALYZE ((SELECT 1)) */
	r->explain = PG_EXPLAIN_BODY;
	r->body_id = id;
	return false;
}

/* ---- what the pass calls ---- */

void route_pg_start(struct pass *p)
{
	struct pg_route *r = p->route;
	const struct sql_route_ctx *ctx = r->ctx;
	struct route_mark all = r->all;
	enum sql_route_tx tx = r->tx;
	uint64_t flags = r->flags | p->flags;

	*r = (struct pg_route){ .ctx = ctx,
		.compare_danger = r->compare_danger,
		.like_danger = r->like_danger,
		.all = all,
		.tx = tx,
		.flags = flags,
		.special = true };
	r->start = p->lex.p;
	p->flags &= SQL_F_BAD;
}

/* Verbs with words of their own that decide. */
#define OWN_WORDS \
	(1u << SQL_V_BEGIN | 1u << SQL_V_COPY | 1u << SQL_V_SHOW | UINT64_C(1) << SQL_V_DO)
/* These, and what the verb is not yet known of. */
#define SPECIAL_VERBS (OWN_WORDS | UINT64_C(1) << SQL_V_EXPLAIN | 1u << SQL_V_EMPTY)

/* The list of columns that p->tok is in: what kind of item it starts. */
static void column_item(struct pass *p, uint16_t id)
{
	struct level *lv = &p->level[p->depth];

	if (p->tok.ch == ',') {
		lv->item_n = 0;
	} else if (lv->item_n == 0) {
		lv->item_name = is_name(&p->tok) && id != SQL_W_PARTITION && id != SQL_W_ORDER &&
				id != SQL_W_NESTED;
		lv->item_n = 1;
	} else {
		lv->item_n = 2;
	}
}

static void first_token(struct pass *p)
{
	p->route->start = p->tok.p;
	p->route->waits = p->tok.kind == SQL_TOK_WORD && p->tok.n == 4 &&
			  memcmp(p->tok.name, "wait", 4) == 0;
}

/* What depends on the token before, or on the verb. True: the token is nothing else than that. */
static bool is_taken(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	if (p->tokens_n == 0)
		first_token(p);
	if (r->pending != PG_PENDING_NONE)
		resolve(p);
	if (p->verb == SQL_V_EXPLAIN && r->explain != PG_EXPLAIN_BODY) {
		if (r->explain == PG_EXPLAIN_NONE)
			r->explain = PG_EXPLAIN_WORDS;
		if (explain_token(p, id))
			return true;
	}
	if (OWN_WORDS >> p->verb & 1)
		route_pg_word(p, id);
	r->special = r->pending != PG_PENDING_NONE || (SPECIAL_VERBS >> p->verb & 1);
	return r->out; /* COPY's options */
}

void route_pg_name(struct pass *p, uint16_t id)
{
	if (p->route->special && is_taken(p, id))
		return;
	on_name(p, id);
	if (p->level[p->depth].columns)
		column_item(p, id);
	if (id != 0)
		on_keyword(p, id);
}

void route_pg_other(struct pass *p)
{
	if (p->route->special && is_taken(p, 0))
		return;
	if (p->tok.kind == SQL_TOK_OP)
		on_operator(p);
	else if (p->tok.kind == SQL_TOK_STRING || p->tok.kind == SQL_TOK_ESTRING ||
		 p->tok.kind == SQL_TOK_USTRING || p->tok.kind == SQL_TOK_DOLLAR)
		on_string(p);
	if (p->level[p->depth].columns)
		column_item(p, 0);
}

void route_pg_call(struct pass *p)
{
	struct pg_route *r = p->route;
	const struct chain *c = &p->chain;
	const struct sql_word *w = c->word;
	unsigned known = r->ctx->names != NULL ? r->known_type : 0;

	r->call = true;
	if (r->out || r->explain == PG_EXPLAIN_WORDS || r->explain == PG_EXPLAIN_LIST)
		return;
	if (c->opaque)
		return; /* marked already */
	if (w != NULL && w->call != SQL_NODE_REPLICA) {
		if (only_plans(r) && (w->more & SQL_WORD_VOLATILE))
			return;
		if (w->call == SQL_NODE_SETTING) {
			await(r, PG_PENDING_SETTING);
			return;
		}
		mark(p, level_of((enum sql_node)w->call),
			w->call == SQL_NODE_PIN     ? "a function of this very session"
			: w->call == SQL_NODE_LOCAL ? "a function that tells what one node knows"
						    : "a function with effects, or of one node");
		return;
	}
	if (w != NULL && c->parts == 1 && c->kind == SQL_TOK_WORD && w->func == SQL_FUNC_SYNTAX)
		return;
	bool builtin = w != NULL && w->func != SQL_FUNC_UNKNOWN && w->func != SQL_FUNC_SYNTAX &&
		       w->since <= p->o->server_major &&
		       (c->parts == 1 || (c->parts == 2 && chain_in_catalog(c)));

	if (!builtin && !(known & SQL_NAME_FUNCTION) && !chain_in_schema(c))
		mark(p, ROUTE_UNSURE, unknown_function);
}

void route_pg_open(struct pass *p)
{
	struct pg_route *r = p->route;
	struct level *lv = &p->level[p->depth];
	uint16_t before = seen_id(p->prev);

	lv->cast = before == SQL_W_CAST || before == SQL_W_TREAT || before == SQL_W_XMLSERIALIZE;
	if (before == SQL_W_COLUMNS)
		lv->columns = true;
	else if (before == SQL_W_AS)
		lv->columns = p->level[p->depth - 1].with != WITH_BODY;
	else if (before == 0 && seen_name(p->prev))
		lv->columns = !r->call;
	r->call = false;
}

void route_pg_end(struct pass *p)
{
	struct pg_route *r = p->route;

	resolve(p);
	route_pg_verb(p);
	route_join(&r->all, &r->mark, p->out->n_statements == 0);
}

void sql_route_pg(const struct sql_opts *o, const struct sql_route_ctx *c, const char *text,
	size_t n, struct sql_stmt_info *info_r, struct sql_route *out_r)
{
	struct pg_route r = { .ctx = c,
		.compare_danger = c->names != NULL && sql_names_compare_danger(c->names),
		.like_danger = c->names != NULL && sql_names_like_danger(c->names),
		.tx = c->tx };
	struct sql_stmt_info info;
	struct pass p;

	p.o = o;
	p.out = info_r != NULL ? info_r : &info;
	p.text = text;
	p.route = &r;
	sql_lex_init(&p.lex, o->dialect, text, n, o->standard_conforming_strings);
	classify_run(&p);
	p.out->flags |= r.flags;
	if (p.flags & SQL_F_BAD)
		r.all = (struct route_mark){ ROUTE_PRIMARY,
			"does not lex, or is nested too deep: the server will say", text };
	else if (p.out->n_statements == 0)
		r.all = (struct route_mark){ ROUTE_REPLICA, "empty", text };
	route_finish(&r.all, text, n, out_r);
	out_r->begins = (p.out->flags & SQL_F_TX_BEGIN) != 0;
	out_r->statements_n = p.out->n_statements;
}
