/*
 * The PostgreSQL router as the classifier's pass sees it: where the pass calls it, and what it
 * keeps meanwhile. Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_ROUTE_PG_INT_H
#define WEIRPOOL_SQL_ROUTE_PG_INT_H

#include "route_int.h"

struct pass;

/* What the next token, or the next but one, decides about the one before. */
enum pg_pending {
	PG_PENDING_NONE,
	PG_PENDING_TYPE,      /* the name is a type's: is it over? */
	PG_PENDING_COLUMN,    /* last_value: a window function, or a sequence's column? */
	PG_PENDING_SETTING,   /* current_setting( */
	PG_PENDING_SETTING_2, /* current_setting('name' */
};

enum pg_explain {
	PG_EXPLAIN_NONE,
	PG_EXPLAIN_WORDS, /* EXPLAIN, ANALYZE, VERBOSE */
	PG_EXPLAIN_LIST,  /* in (ANALYZE off, ...) */
	PG_EXPLAIN_BODY,
};

struct pg_route {
	const struct sql_route_ctx *ctx;
	bool compare_danger, like_danger; /* sql_names_compare_danger(ctx->names) and its like */
	/* the whole text */
	enum sql_route_tx tx; /* as its statements left it */
	struct route_mark all;
	uint64_t flags; /* of the statements before this one */
	/* the current statement; all zero at its start */
	struct route_mark mark;
	const char *start;
	unsigned known_type; /* SQL_NAME_... of the type's name */
	uint16_t body_id;    /* first word of what is explained */
	uint8_t pending;     /* enum pg_pending */
	bool special; /* the next token may be more than what it is by itself: something is pending,
		       * or the verb has words of its own */
	uint8_t explain; /* enum pg_explain */
	uint8_t option;  /* in the list: 1 behind ANALYZE, 2 behind another option */
	bool analyze;
	bool call; /* "(" that was opened last is a function's */
	bool read_only, read_write, serializable, odd; /* BEGIN */
	bool to, from, out;                            /* COPY ... TO, FROM, TO STDOUT */
	bool shown; /* SHOW of a setting that is alike everywhere */
	bool waits; /* starts with WAIT */
};

/* Each is called by the pass when it routes. */
void route_pg_start(struct pass *p);
/* p->tok, before the pass has looked at it: a name, with the keyword that stands here or 0; or
 * anything else. */
void route_pg_name(struct pass *p, uint16_t id);
void route_pg_other(struct pass *p);
void route_pg_call(struct pass *p); /* p->chain is called */
void route_pg_open(struct pass *p); /* "(" has opened p->level[p->depth] */
void route_pg_end(struct pass *p);  /* p->tok is behind the statement, which is not empty */

/* The same for words with a meaning of the verb's own; id: the keyword that stands here, or 0. */
void route_pg_word(struct pass *p, uint16_t id);

/* What a verb asks for, once the statement is over. */
void route_pg_verb(struct pass *p);

static inline void pg_mark(
	struct pg_route *r, enum route_level level, const char *reason, const char *at)
{
	route_raise(&r->mark, level, reason, at);
}

#endif
