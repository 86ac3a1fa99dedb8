/*
 * The MySQL router as the classifier's pass sees it: where the pass calls it, and what it keeps
 * meanwhile. Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_ROUTE_MY_INT_H
#define WEIRPOOL_SQL_ROUTE_MY_INT_H

#include "lex_my_int.h"
#include "route_int.h"

struct my_pass;

#define MY_ROUTE_WORDS 3

/* Of one statement; zero but for names and server_schema before it. */
struct my_route {
	const struct sql_names *names;
	bool server_schema;
	struct route_mark mark;
	const char *start;
	enum sql_my_verb verb;         /* of what runs: inside EXPLAIN and SET STATEMENT */
	uint16_t word[MY_ROUTE_WORDS]; /* its first keywords, without FULL and EXTENDED */
	uint8_t words_n;
	uint8_t schema; /* the last name was: 0 no schema of the server's, else enum my_schema */
	uint8_t var_parts;
	bool read_only, read_write;
	/* SET: what its assignments ask for, and whether one of them is of autocommit */
	struct route_mark set;
	bool sets_autocommit;
};

/* Each is called by the pass when it routes. Of p->tok, before the pass has looked at it: a name,
 * one behind @@ (w: its row or NULL), anything else. */
void route_my_name(struct my_pass *p, const struct sql_my_word *w);
void route_my_variable(struct my_pass *p, const struct sql_my_word *w);

static inline void route_my_other(struct my_route *r, const struct sql_my_tok *t)
{
	if (t->kind == SQL_MY_TOK_SYSVAR)
		r->var_parts = 0;
	if (t->ch != '.')
		r->schema = 0;
}

void route_my_call(struct my_pass *p, const struct sql_my_word *w); /* a builtin function */
/* One of SET's assignments: raises r->set. */
void route_my_assign(struct my_route *r, const struct sql_my_assign *a);
/* p->chain is called and no builtin function of this release. */
void route_my_stored(struct my_pass *p, const struct sql_my_word *w);

/* sql_my_next(), with what the statement asks of its node. */
bool my_next_statement(struct sql_my_iter *it, struct sql_my_stmt *out_r, struct my_route *r);

#endif
