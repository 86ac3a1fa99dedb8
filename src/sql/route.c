/*
 * What both dialects' routers have in common: statements of one text are joined, hints move what
 * they may. Ignorant of both dialects. Any thread.
 */
#include "route_int.h"

void route_join(struct route_mark *all, const struct route_mark *next, bool first)
{
	enum route_level low = all->level < next->level ? all->level : next->level;

	if (first) {
		*all = *next;
		return;
	}
	/* One word cannot say "the primary, and remember it": who keeps the link needs no more. */
	if (all->level != next->level && low >= ROUTE_LOCAL && low <= ROUTE_PRIMARY &&
		(all->level == ROUTE_TRACK || next->level == ROUTE_TRACK)) {
		all->level = ROUTE_PIN;
		all->reason = "session state and more in one text";
		all->at = next->at;
		return;
	}
	route_raise(all, next->level, next->reason, next->at);
}

static enum sql_route_verdict verdict_of(enum route_level level, const struct sql_hint *h)
{
	switch (level) {
	case ROUTE_REPLICA:
		return h->node == SQL_HINT_PRIMARY || h->consistency == SQL_HINT_STRONG
			       ? SQL_ROUTE_PRIMARY
			       : SQL_ROUTE_REPLICA;
	case ROUTE_LOCAL:
		return h->node == SQL_HINT_REPLICA || h->node == SQL_HINT_NAMED ? SQL_ROUTE_REPLICA
										: SQL_ROUTE_PRIMARY;
	case ROUTE_UNSURE:
	case ROUTE_PRIMARY: return SQL_ROUTE_PRIMARY;
	case ROUTE_TRACK: return SQL_ROUTE_TRACK;
	case ROUTE_PIN: return SQL_ROUTE_PIN;
	case ROUTE_REJECT: break;
	}
	return SQL_ROUTE_REJECT;
}

void route_finish(const struct route_mark *all, const char *text, size_t n, struct sql_route *out_r)
{
	bool hinted = sql_hint_read(text, n, &out_r->hint);
	enum sql_route_verdict plain = verdict_of(
		all->level, &(struct sql_hint){ .node = SQL_HINT_NONE });

	out_r->verdict = hinted ? verdict_of(all->level, &out_r->hint) : plain;
	out_r->movable = all->level < ROUTE_PRIMARY;
	out_r->unsure = all->level == ROUTE_UNSURE;
	out_r->reason = out_r->verdict != plain ? "a hint moves this read" : all->reason;
	out_r->at = all->at != NULL ? (size_t)(all->at - text) : 0;
}

const char *sql_route_verdict_name(enum sql_route_verdict v)
{
	static const char *const names[] = {
		[SQL_ROUTE_REPLICA] = "replica",
		[SQL_ROUTE_PRIMARY] = "primary",
		[SQL_ROUTE_TRACK] = "track",
		[SQL_ROUTE_PIN] = "pin",
		[SQL_ROUTE_REJECT] = "reject",
	};

	return (size_t)v < sizeof(names) / sizeof(names[0]) ? names[v] : "?";
}
