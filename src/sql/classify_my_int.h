/*
 * What the files of the MySQL classifier share: the state of one pass over a statement. Private
 * to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_CLASSIFY_MY_INT_H
#define WEIRPOOL_SQL_CLASSIFY_MY_INT_H

#include "lex_my_int.h"
#include "route_my_int.h"
#include "seen_int.h"

static inline enum sql_my_token my_seen_kind(uint32_t seen)
{
	return (enum sql_my_token)(seen >> 24 & 0x7f);
}

static inline bool my_seen_name(uint32_t seen)
{
	return my_seen_kind(seen) == SQL_MY_TOK_WORD || my_seen_kind(seen) == SQL_MY_TOK_QUOTED;
}

/* A possibly qualified name: a, a.b, a.b.c. */
struct my_chain {
	uint32_t before;                /* the token before it */
	const struct sql_my_word *word; /* of the last part */
	const char *end;
	unsigned parts;
	bool quoted; /* the last part is */
};

struct my_pass {
	const struct sql_my_opts *o;
	struct sql_my_stmt *out;
	struct my_route *route; /* NULL: the session is all that matters */
	const char *text;
	struct sql_my_lex lex;
	struct sql_my_tok tok;
	uint64_t flags;
	uint32_t prev, prev2; /* the tokens before the current one; see seen_int.h */
	struct my_chain chain;
	struct sql_my_place place;
	enum sql_my_verb verb; /* of the statement inside EXPLAIN and SET STATEMENT */
	unsigned tokens_n;
	unsigned depth;
	uint64_t converts;  /* bit 0: the innermost parenthesis is CONVERT's, bit 1 the next */
	bool ended;         /* tok is behind the statement */
	bool expressions;   /* names before "(" may be calls here */
	bool quiet;         /* what stands here is stored, not run */
	bool vars;          /* an @ is in the text: p->place is kept up to date */
	bool program;       /* the body of a stored program: semicolons may be its own */
	bool with_list;     /* WITH a AS (..), b AS (..) before its statement */
	bool after_sysvar;  /* @@: a scope or name follows */
	bool in_sysvar;     /* that has come: a dot may follow */
	bool after_last_id; /* LAST_INSERT_ID(: does an argument follow? */
};

/* Reads on; false at the statement's end. What calls, variables and clauses tell on the way is
 * put into p->flags. */
bool my_next(struct my_pass *p);

/* Nothing is certain: takes the whole rest of the text. */
void my_unsure(struct my_pass *p);

/* p->tok is the statement's first token: sets verb and flags, reads as far as it needs to. */
void my_verb(struct my_pass *p);

/* A "(" stands behind the name in p->chain: sets the flags of that call if it is one. */
void my_call(struct my_pass *p);

/* What SET does, once its end is known. Sets *mode_r, *charset_r where sql_mode or the character
 * set may then be another, for the lexer. */
void my_set_flags(struct my_pass *p, bool *mode_r, bool *charset_r);

#define MY_VAR_READ 1u
#define MY_VAR_SET 2u
#define MY_VAR_BY_SET 4u /* beside MY_VAR_SET: by the SET statement, which the trackers tell */

/* Takes the next token (END included). Returns what becomes of the user variable right before
 * it: 0 when there is none. */
unsigned my_place_step(struct sql_my_place *pl, const struct sql_my_tok *t);

#endif
