/*
 * What the router's files share: how strict a word is, and what the rest of a text made of it.
 * Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_ROUTE_INT_H
#define WEIRPOOL_SQL_ROUTE_INT_H

#include "sql/route.h"

/* How strict, the strictest last. */
enum route_level {
	ROUTE_REPLICA,
	ROUTE_LOCAL,  /* a read that only one node can answer: a hint may move it */
	ROUTE_UNSURE, /* a read, for all that is seen; what it calls is a stranger. PostgreSQL: in
			 MySQL that keeps the link */
	ROUTE_PRIMARY,
	ROUTE_TRACK,
	ROUTE_PIN,
	ROUTE_REJECT,
};

struct route_mark {
	enum route_level level;
	const char *reason;
	const char *at; /* in the text */
};

/* The stricter of the two within one statement; of equals the first. */
static inline void route_raise(
	struct route_mark *m, enum route_level level, const char *reason, const char *at)
{
	if (level > m->level)
		*m = (struct route_mark){ level, reason, at };
}

/* Adds a statement's mark to those before it in the same text. */
void route_join(struct route_mark *all, const struct route_mark *next, bool first);

/* The verdict for the whole text, with the hint in it. */
void route_finish(
	const struct route_mark *all, const char *text, size_t n, struct sql_route *out_r);

#endif
