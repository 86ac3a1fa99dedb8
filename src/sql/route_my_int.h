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
};

/* Each is called by the pass when it routes. */
void route_my_token(struct my_pass *p); /* p->tok, before the pass has looked at it */
void route_my_name(struct my_pass *p, const struct sql_my_word *w); /* p->tok; w: its row or NULL */
void route_my_call(struct my_pass *p, const struct sql_my_word *w); /* a builtin function */
/* p->chain is called and no builtin function of this release. */
void route_my_stored(struct my_pass *p, const struct sql_my_word *w);

/* sql_my_next(), with what the statement asks of its node. */
bool my_next_statement(struct sql_my_iter *it, struct sql_my_stmt *out_r, struct my_route *r);

#endif
