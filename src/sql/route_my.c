/*
 * What the words of a MySQL statement ask of the node that runs it: names, calls, variables. Called
 * by the classifier's pass, token by token. Ignorant of verbs. Any thread.
 */
#include "classify_my_int.h"

#include <string.h>

enum my_schema {
	MY_SCHEMA_NONE,
	MY_SCHEMA_DICTIONARY, /* information_schema */
	MY_SCHEMA_MYSQL,
	MY_SCHEMA_SERVER, /* performance_schema, sys */
};

static const char own_view[] = "shows what one node knows about itself";

static void mark(struct my_pass *p, enum route_level level, const char *reason)
{
	route_raise(&p->route->mark, level, reason, p->tok.p);
}

/* SHOW's and START TRANSACTION's own words, and which statement it is of a verb with many. */
static void own_word(struct my_route *r, uint16_t id, uint16_t before)
{
	if (before == MY_W_READ) {
		r->read_only |= id == MY_W_ONLY;
		r->read_write |= id == MY_W_WRITE;
	}
	if (r->words_n < MY_ROUTE_WORDS && id != MY_W_FULL && id != MY_W_EXTENDED)
		r->word[r->words_n++] = id;
}

/* @@[scope.]name */
void route_my_variable(struct my_pass *p, const struct sql_my_word *w)
{
	struct my_route *r = p->route;

	if (r->var_parts++ == 0 && w != NULL && (w->id == MY_W_SESSION || w->id == MY_W_LOCAL))
		return;
	if (w != NULL && (w->more & MY_WORD_STATE))
		mark(p, ROUTE_PIN, "a variable that tells of this very link");
	else if (w == NULL || !(w->more & MY_WORD_VARIABLE))
		mark(p, ROUTE_LOCAL, "a variable that may differ between nodes");
}

static bool is_innodb_table(const struct sql_my_tok *t)
{
	static const char prefix[] = "innodb_";
	size_t n = sizeof(prefix) - 1, at = t->kind == SQL_MY_TOK_QUOTED ? 1 : 0;

	if (t->n < n + at)
		return false;
	for (size_t i = 0; i < n; i++)
		if (my_fold(t->p[at + i]) != prefix[i])
			return false;
	return true;
}

static enum my_schema schema_of(const struct sql_my_word *w)
{
	if (w == NULL || !(w->more & MY_WORD_SCHEMA))
		return MY_SCHEMA_NONE;
	if (w->id == MY_W_INFORMATION_SCHEMA)
		return MY_SCHEMA_DICTIONARY;
	return w->id == MY_W_MYSQL ? MY_SCHEMA_MYSQL : MY_SCHEMA_SERVER;
}

/* Apart from what names without quotes run through. */
__attribute__((noinline)) static unsigned known_quoted(struct my_pass *p)
{
	char name[SQL_MY_NAME_MAX];
	size_t n;

	if (sql_my_decode(p->o, &p->tok, name, sizeof(name), &n))
		return sql_names_find(p->route->names, name, n);
	mark(p, ROUTE_PRIMARY, "a name that is too long");
	return 0;
}

static void known_name(struct my_pass *p)
{
	const struct sql_my_tok *t = &p->tok;
	unsigned known;

	if (t->kind == SQL_MY_TOK_QUOTED)
		known = known_quoted(p);
	else if (t->n <= MY_WORD_MAX)
		known = sql_names_find_hashed(p->route->names, t->p, t->n, t->hash);
	else
		known = sql_names_find(p->route->names, t->p, t->n);
	if (known & SQL_NAME_DANGER)
		mark(p, ROUTE_PRIMARY, "a name that the dictionary says is not for a replica");
}

void route_my_name(struct my_pass *p, const struct sql_my_word *w)
{
	struct my_route *r = p->route;
	uint8_t schema = r->schema;

	if (p->tok.kind == SQL_MY_TOK_WORD && seen_ch(p->prev) != '.')
		own_word(r, p->tok.id, seen_id(p->prev));
	r->schema = (uint8_t)schema_of(w);
	if (r->names != NULL)
		known_name(p);
	if (p->tok.n >= 7 && is_innodb_table(&p->tok))
		mark(p, ROUTE_LOCAL, own_view);
	if (seen_ch(p->prev) != '.' || schema == MY_SCHEMA_NONE)
		return;
	if (schema == MY_SCHEMA_SERVER ||
		(schema == MY_SCHEMA_DICTIONARY && (w == NULL || !(w->more & MY_WORD_METADATA))) ||
		(schema == MY_SCHEMA_MYSQL && (w == NULL || !(w->more & MY_WORD_GRANTS))))
		mark(p, ROUTE_LOCAL, own_view);
}

void route_my_call(struct my_pass *p, const struct sql_my_word *w)
{
	switch ((enum sql_node)w->node) {
	case SQL_NODE_REPLICA: break;
	case SQL_NODE_LOCAL:
	case SQL_NODE_SETTING:
		mark(p, ROUTE_LOCAL, "a function that tells what one node knows");
		break;
	case SQL_NODE_PRIMARY:
		mark(p, ROUTE_PRIMARY, "a function with effects, or of one node");
		break;
	case SQL_NODE_PIN: mark(p, ROUTE_PIN, "a function that tells of this very link"); break;
	}
}

/* What was a builtin function in an earlier release (MD5) is one of a component now. */
void route_my_stored(struct my_pass *p, const struct sql_my_word *w)
{
	bool former = w != NULL && p->chain.parts == 1 && !p->o->mariadb && w->my_until != 0 &&
		      w->func == MY_FUNC_SAFE && w->node == SQL_NODE_REPLICA;

	if (!former)
		mark(p, ROUTE_PRIMARY, "calls a function that is not a builtin one");
}

bool sql_route_my_is_server_schema(const char *name, size_t n)
{
	const struct sql_my_word *w = my_word_of(name, n);

	return w != NULL && (w->more & MY_WORD_SCHEMA);
}
