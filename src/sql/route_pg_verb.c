/*
 * What a PostgreSQL statement's verb asks of the node that runs it. Ignorant of expressions. Any
 * thread.
 */
#include "classify_int.h"

#include <string.h>
#include <strings.h>

static void mark(struct pass *p, enum route_level level, const char *reason)
{
	route_raise(&p->route->mark, level, reason, p->route->start);
}

static void begin_word(struct pg_route *r, uint16_t id, uint16_t before)
{
	switch (id) {
	case SQL_W_ONLY: r->read_only |= before == SQL_W_READ; break;
	case SQL_W_WRITE: r->read_write |= before == SQL_W_READ; break;
	case SQL_W_SERIALIZABLE: r->serializable = true; break;
	case SQL_W_COMMITTED:
	case SQL_W_UNCOMMITTED:
	case SQL_W_REPEATABLE: r->odd |= r->serializable; break; /* the last one wins: rare */
	default: break;
	}
}

static void copy_word(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	if (p->depth != 0)
		return;
	if (id == SQL_W_FROM)
		r->from = true;
	else if (id == SQL_W_TO)
		r->to = true;
	else if (seen_id(p->prev) == SQL_W_TO)
		r->out = id == SQL_W_STDOUT || id == SQL_W_STDIN;
}

static bool is_alike(const struct sql_dialect *d, const struct sql_tok *t)
{
	const struct sql_word *w = t->word;
	char name[SQL_IDENT_MAX];
	uint32_t h = 0;

	if (t->kind == SQL_TOK_QUOTED) {
		for (size_t i = 0; i < t->name_n; i++) {
			char c = t->name[i];

			name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
			h = sql_hash_step(h, (unsigned char)name[i]);
		}
		w = d->find(name, t->name_n, h);
	}
	return w != NULL && (w->more & SQL_WORD_SETTING);
}

static void show_word(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;
	uint16_t before = seen_id(p->prev);

	if (p->tokens_n == 1)
		r->shown = is_alike(p->o->dialect, &p->tok);
	else if (p->tokens_n == 2)
		r->shown = p->tok.ch == '.' || (before == SQL_W_TIME && id == SQL_W_ZONE) ||
			   (before == SQL_W_SESSION && id == SQL_W_AUTHORIZATION) ||
			   (before == SQL_W_TRANSACTION && id == SQL_W_ISOLATION);
}

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || ((unsigned char)c & 0x80) != 0;
}

static bool is_of_session(const struct sql_tok *t)
{
	if (t->kind != SQL_TOK_WORD)
		return false;
	if (t->name_n >= 7 && memcmp(t->name, "pg_temp", 7) == 0)
		return true;
	return t->word != NULL &&
	       (t->word->call == SQL_NODE_PIN || t->word->id == SQL_W_TEMP ||
		       t->word->id == SQL_W_TEMPORARY || t->word->id == SQL_W_LISTEN ||
		       t->word->id == SQL_W_SET || t->word->id == SQL_W_LOAD);
}

/* A DO body is code in any language: any word that ties it to a link is looked for. */
static void do_body(struct pass *p)
{
	const struct sql_tok *body = &p->tok;
	const char *q = body->p, *end = body->p + body->n;

	if (body->kind != SQL_TOK_DOLLAR && body->kind != SQL_TOK_STRING &&
		body->kind != SQL_TOK_ESTRING && body->kind != SQL_TOK_USTRING)
		return;
	while (q < end) {
		struct sql_lex l;
		struct sql_tok t;
		const char *from = q;

		while (q < end && is_word_byte(*q))
			q++;
		if (q == from) {
			q++;
			continue;
		}
		sql_lex_init(&l, p->o->dialect, from, (size_t)(q - from), true);
		sql_lex_next(&l, &t);
		if (is_of_session(&t))
			mark(p, ROUTE_PIN, "runs code that may change the session");
	}
}

void route_pg_word(struct pass *p, uint16_t id)
{
	struct pg_route *r = p->route;

	switch ((int)p->verb) {
	case SQL_V_BEGIN: begin_word(r, id, seen_id(p->prev)); break;
	case SQL_V_COPY: copy_word(p, id); break;
	case SQL_V_SHOW: show_word(p, id); break;
	case SQL_V_DO: do_body(p); break;
	default: break;
	}
}

/* COMMIT, SAVEPOINT, SET LOCAL and their like: where the transaction is. */
static void where_tx_is(struct pass *p)
{
	switch (p->route->tx) {
	case SQL_ROUTE_TX_RO:
		if (p->route->mark.level == ROUTE_REPLICA)
			p->route->mark.reason = "where the read-only transaction is";
		break;
	case SQL_ROUTE_TX_RW: mark(p, ROUTE_PRIMARY, "where the transaction is"); break;
	case SQL_ROUTE_TX_NONE: mark(p, ROUTE_PRIMARY, "of a transaction, but none is open"); break;
	}
}

static void begin(struct pass *p)
{
	struct pg_route *r = p->route;
	bool ro = r->read_only || (r->ctx->read_only && !r->read_write);
	bool serializable = r->serializable || r->ctx->serializable;

	if (r->read_only && r->read_write)
		mark(p, ROUTE_PRIMARY, "READ WRITE and READ ONLY: a standby refuses that");
	else if (!ro)
		mark(p, ROUTE_PRIMARY, "the transaction may write");
	else if (serializable || r->odd)
		mark(p, ROUTE_PRIMARY, "a standby refuses SERIALIZABLE");
	else if (r->tx == SQL_ROUTE_TX_RW)
		mark(p, ROUTE_PRIMARY, "where the transaction is");
	if (r->tx == SQL_ROUTE_TX_NONE)
		r->tx = r->mark.level == ROUTE_REPLICA ? SQL_ROUTE_TX_RO : SQL_ROUTE_TX_RW;
}

static void end_tx(struct pass *p)
{
	where_tx_is(p);
	if (!(p->flags & SQL_F_TX_CHAIN))
		p->route->tx = SQL_ROUTE_TX_NONE;
}

static bool mentions(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);
	char first = (char)(word[0] | 32), second = (char)(word[1] | 32);

	if ((size_t)(end - p) < n)
		return false;
	for (const char *last = end - n; p <= last; p++)
		if ((p[0] | 32) == first && (p[1] | 32) == second && strncasecmp(p, word, n) == 0)
			return true;
	return false;
}

/* SET TRANSACTION and SET LOCAL. READ WRITE and SERIALIZABLE are refused by a standby. */
static void set_local(struct pass *p)
{
	struct pg_route *r = p->route;

	where_tx_is(p);
	if (r->tx == SQL_ROUTE_TX_RO && (mentions(r->start, p->tok.p, "write") ||
						mentions(r->start, p->tok.p, "serializable") ||
						mentions(r->start, p->tok.p, "transaction_"))) {
		mark(p, ROUTE_PRIMARY, "the transaction may write");
		r->tx = SQL_ROUTE_TX_RW;
	}
}

static void set(struct pass *p)
{
	const struct sql_stmt_info *out = p->out;
	uint64_t f = p->flags;

	if (f & SQL_F_SEED)
		mark(p, ROUTE_PIN, "the seed is in this link's memory");
	else if (f & SQL_F_UNKNOWN)
		mark(p, ROUTE_PIN, "a setting that only the server can read");
	else if (f & SQL_F_SET_LOCAL)
		set_local(p);
	else if ((f & SQL_F_SET_ROLE) &&
		 (out->set_name_n != 4 || memcmp(out->set_name, "role", 4) != 0))
		mark(p, ROUTE_PIN, "another user from here on");
	else if (mentions(p->route->start, p->tok.p, "pg_temp"))
		mark(p, ROUTE_PIN, "temporary objects belong to one link");
	else
		mark(p, ROUTE_TRACK, "a setting of the session");
}

static void copy(struct pass *p)
{
	struct pg_route *r = p->route;

	if (r->from)
		mark(p, ROUTE_PRIMARY, "COPY FROM writes");
	else if (!r->out)
		mark(p, ROUTE_PRIMARY, "COPY to a file or a program of the server");
}

static void declare(struct pass *p)
{
	if (p->flags & SQL_F_HOLD)
		mark(p, ROUTE_PIN, "a cursor that outlives the transaction");
	else
		where_tx_is(p);
}

/* What may stand behind EXPLAIN. */
static void explain(struct pass *p)
{
	struct pg_route *r = p->route;

	switch (r->body_id) {
	case SQL_W_SELECT:
	case SQL_W_VALUES:
	case SQL_W_TABLE:
	case SQL_W_WITH: break;
	case SQL_W_INSERT:
	case SQL_W_UPDATE:
	case SQL_W_DELETE:
	case SQL_W_MERGE:
	case SQL_W_CREATE:
	case SQL_W_REFRESH:
	case SQL_W_DECLARE:
		if (r->analyze)
			mark(p, ROUTE_PRIMARY, "EXPLAIN ANALYZE runs a statement that writes");
		break;
	case SQL_W_EXECUTE:
		mark(p, ROUTE_PIN, "explains a prepared statement, which is not in sight");
		break;
	default: mark(p, ROUTE_PRIMARY, "EXPLAIN of something unknown"); break;
	}
}

static void verb(struct pass *p)
{
	switch (p->verb) {
	case SQL_V_EMPTY: break;
	case SQL_V_SELECT:
	case SQL_V_VALUES:
	case SQL_V_TABLE:
	case SQL_V_WITH: break;
	case SQL_V_INSERT:
	case SQL_V_UPDATE:
	case SQL_V_DELETE:
	case SQL_V_MERGE: mark(p, ROUTE_PRIMARY, "modifies data"); break;
	case SQL_V_BEGIN: begin(p); break;
	case SQL_V_COMMIT:
	case SQL_V_ROLLBACK: end_tx(p); break;
	case SQL_V_SAVEPOINT:
	case SQL_V_RELEASE:
	case SQL_V_ROLLBACK_TO: where_tx_is(p); break;
	case SQL_V_PREPARE_TX:
		mark(p, ROUTE_PRIMARY, "two-phase commit");
		p->route->tx = SQL_ROUTE_TX_NONE;
		break;
	case SQL_V_FINISH_PREPARED: mark(p, ROUTE_PRIMARY, "two-phase commit"); break;
	case SQL_V_SET:
	case SQL_V_RESET: set(p); break;
	case SQL_V_SHOW:
		if (!p->route->shown)
			mark(p, ROUTE_LOCAL, "a setting that may differ between nodes");
		break;
	case SQL_V_DISCARD: mark(p, ROUTE_PIN, "clears the state of the link that is held"); break;
	case SQL_V_DEALLOCATE:
		mark(p, ROUTE_TRACK, "a prepared statement, made again on each link");
		break;
	case SQL_V_PREPARE:
		if (p->route->mark.level < ROUTE_PIN)
			p->route->mark.level = ROUTE_REPLICA; /* the body is not run */
		mark(p, ROUTE_TRACK, "a prepared statement, made again on each link");
		break;
	case SQL_V_EXECUTE:
		mark(p, ROUTE_PIN, "runs a prepared statement, which is not in sight");
		break;
	case SQL_V_DECLARE: declare(p); break;
	case SQL_V_FETCH:
	case SQL_V_CLOSE: mark(p, ROUTE_PIN, "a cursor belongs to one link"); break;
	case SQL_V_LISTEN:
	case SQL_V_UNLISTEN: mark(p, ROUTE_PIN, "notifications come to one link"); break;
	case SQL_V_NOTIFY: mark(p, ROUTE_PRIMARY, "NOTIFY writes"); break;
	case SQL_V_COPY: copy(p); break;
	case SQL_V_DO:
	case SQL_V_CALL: mark(p, ROUTE_PRIMARY, "runs code that is not in sight"); break;
	case SQL_V_LOAD: mark(p, ROUTE_PIN, "loads a library into one link"); break;
	case SQL_V_EXPLAIN: explain(p); break;
	case SQL_V_LOCK: mark(p, ROUTE_PRIMARY, "locks tables"); break;
	case SQL_V_DDL: mark(p, ROUTE_PRIMARY, "changes the catalog"); break;
	case SQL_V_UTILITY: mark(p, ROUTE_PRIMARY, "maintenance"); break;
	case SQL_V_OTHER:
		if (p->route->waits)
			mark(p, ROUTE_PIN, "waits for the statement behind it");
		mark(p, ROUTE_PRIMARY, "starts with no known word");
		break;
	}
}

void route_pg_verb(struct pass *p)
{
	struct pg_route *r = p->route;
	enum sql_route_tx before = r->tx;

	verb(p);
	if (p->flags & SQL_F_SET_CONFIG)
		mark(p, ROUTE_PIN, "sets a setting from within a query");
	if (r->mark.level < ROUTE_PRIMARY && before == SQL_ROUTE_TX_RW)
		mark(p, ROUTE_PRIMARY, "in a transaction, which stays on its node");
	if (r->mark.level > ROUTE_REPLICA)
		return;
	if (r->mark.at == NULL)
		r->mark.at = r->start;
	if (r->mark.reason == NULL)
		r->mark.reason = "only reads";
}
