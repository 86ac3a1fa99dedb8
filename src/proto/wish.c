/* wish - hints of texts as struct proto_wish. Any thread. */
#include "wish.h"

#include <stddef.h>
#include <string.h>

static enum proto_consistency level_of(enum sql_hint_consistency c)
{
	switch (c) {
	case SQL_HINT_AS_CONFIGURED: break;
	case SQL_HINT_EVENTUAL: return PROTO_CONSISTENCY_EVENTUAL;
	case SQL_HINT_BOUNDED: return PROTO_CONSISTENCY_BOUNDED;
	case SQL_HINT_SESSION: return PROTO_CONSISTENCY_SESSION;
	case SQL_HINT_GLOBAL: return PROTO_CONSISTENCY_GLOBAL;
	case SQL_HINT_STRONG: return PROTO_CONSISTENCY_STRONG;
	}
	return PROTO_CONSISTENCY_AS_SET;
}

static enum proto_node node_of(enum sql_hint_node n)
{
	switch (n) {
	case SQL_HINT_NONE: break;
	case SQL_HINT_PRIMARY: return PROTO_NODE_PRIMARY;
	case SQL_HINT_REPLICA: return PROTO_NODE_REPLICA;
	case SQL_HINT_NAMED: return PROTO_NODE_NAMED;
	}
	return PROTO_NODE_ANY;
}

void wish_none(struct proto_wish *w)
{
	memset(w, 0, offsetof(struct proto_wish, name));
	w->max_staleness_us = -1;
}

static void from_hint(struct proto_wish *w, const struct sql_hint *h)
{
	wish_none(w);
	w->node = node_of(h->node);
	w->consistency = level_of(h->consistency);
	if (h->consistency == SQL_HINT_BOUNDED)
		w->max_staleness_us = (int64_t)h->bounded_ms * 1000;
	w->unclear = h->unknown;
	w->hinted = w->node || w->consistency || w->unclear;
	if (w->node == PROTO_NODE_NAMED)
		memcpy(w->name, h->name, sizeof w->name);
}

bool wish_setting(const char *value, struct proto_wish *w)
{
	struct sql_hint h;
	if (*value == 0)
		return true;
	if (!sql_consistency_read(value, strlen(value), &h))
		return false;
	w->consistency = level_of(h.consistency);
	if (!w->own_bound)
		w->max_staleness_us =
			h.consistency == SQL_HINT_BOUNDED ? (int64_t)h.bounded_ms * 1000 : -1;
	return true;
}

static bool same(const struct proto_wish *a, const struct proto_wish *b)
{
	return a->node == b->node && a->consistency == b->consistency &&
	       a->max_staleness_us == b->max_staleness_us && a->own_bound == b->own_bound &&
	       a->nodes == b->nodes &&
	       (a->node != PROTO_NODE_NAMED || a->nodes || strcmp(a->name, b->name) == 0);
}

/* A rule decides over the comment, but a text that a comment sends to the primary stays there. */
static bool by_rule(struct wish_sum *all, struct proto_wish *w, const struct sql_route *r,
	const struct proto_rule_at *at)
{
	const struct proto_rule *rule = at->rule;
	bool reads = r->verdict == SQL_ROUTE_REPLICA;
	bool elsewhere = rule->node == PROTO_NODE_NAMED && at->nodes == 0; /* of another cluster */
	if (rule->node == PROTO_NODE_PRIMARY || rule->consistency == PROTO_CONSISTENCY_STRONG)
		return false;
	if (rule->node != PROTO_NODE_ANY && !elsewhere && w->node != PROTO_NODE_PRIMARY &&
		w->consistency != PROTO_CONSISTENCY_STRONG && r->movable) {
		w->node = rule->node;
		w->nodes = at->nodes;
		all->vouched = all->vouched || r->unsure;
		reads = true;
	}
	if (rule->consistency != PROTO_CONSISTENCY_AS_SET)
		w->consistency = rule->consistency;
	if (rule->max_staleness_us >= 0) {
		w->max_staleness_us = rule->max_staleness_us;
		w->own_bound = true;
	}
	w->hinted = w->hinted || w->node || w->consistency || w->own_bound;
	return reads;
}

bool wish_add(struct wish_sum *all, const struct sql_route *r, const struct proto_rule_at *rule)
{
	struct proto_wish next;
	bool first = all->texts++ == 0;
	struct proto_wish *w = first ? all->wish : &next;
	from_hint(w, &r->hint);
	bool reads = rule ? by_rule(all, w, r, rule) : r->verdict == SQL_ROUTE_REPLICA;
	return reads && (first || same(all->wish, &next));
}

bool wish_end(struct wish_sum *all, bool may_move)
{
	all->wish->vouched = may_move && all->vouched;
	return may_move && !all->vouched;
}
