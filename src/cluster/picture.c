/* picture - the view of a cluster from its state; a new one only if something in it changed.
 * Control thread. */
#include "cluster_int.h"

#include <stdio.h>
#include <string.h>

static enum node_state state_of(const struct cluster *c, const struct node *n)
{
	if (n->admin == ADMIN_MAINT)
		return NODE_MAINT;
	if (n->fence != FENCE_NONE)
		return NODE_QUARANTINED;
	if (n->health == HEALTH_DOWN)
		return NODE_DOWN;
	if (n->health == HEALTH_UNKNOWN)
		return NODE_UNKNOWN;
	if (n->admin == ADMIN_DRAIN)
		return NODE_DRAINING;
	if (n->health == HEALTH_SUSPECT)
		return NODE_SUSPECT;
	return n->warm_since_us && c->now_us - n->warm_since_us < c->o.warm_us ? NODE_WARMING
									       : NODE_UP;
}

static const char *fence_text(enum fence f)
{
	switch (f) {
	case FENCE_NONE: return "";
	case FENCE_OLD: return "was primary, does not follow the new one yet";
	case FENCE_RIVAL: return "writable, but not the primary";
	case FENCE_DIVERGED: return "has what the primary has not";
	case FENCE_WRONG: return "belongs to another cluster";
	}
	return "?";
}

static void why_of(const struct cluster *c, const struct node *n, struct cluster_vnode *v)
{
	if (n->fence != FENCE_NONE)
		snprintf(v->why, sizeof v->why, "%s%s", fence_text(n->fence),
			n->foreign ? ": build it anew; RESUME says that it was" : "");
	else if (n->health == HEALTH_DOWN || n->health == HEALTH_SUSPECT)
		snprintf(v->why, sizeof v->why, "%s", n->fail_text);
	else if (v->role == ROLE_REPLICA && c->epoch && !v->reads && !*v->why &&
		 v->state != NODE_UP) /* which is no reason */
		snprintf(v->why, sizeof v->why, "%s", node_state_name(v->state));
	else if (v->role == ROLE_REPLICA && n->other_line)
		snprintf(v->why, sizeof v->why,
			"its last transaction is not the primary's of that number");
	else if (v->role == ROLE_REPLICA && v->fresh == FRESH_STOPPED)
		snprintf(v->why, sizeof v->why, "%s",
			n->facts.paused ? "replay is paused" : "replication does not run");
	else if (!*v->why && n->has_facts && *n->facts.note)
		snprintf(v->why, sizeof v->why, "%s", n->facts.note);
}

static void show_node(struct cluster *c, unsigned i, struct cluster_vnode *v)
{
	struct node *n = &c->node[i];
	snprintf(v->name, sizeof v->name, "%s", n->name);
	snprintf(v->host, sizeof v->host, "%s", n->host);
	v->port = n->port;
	v->weight = n->weight;
	v->tier = n->tier;
	if (c->epoch && (int)i == c->primary && c->state != CLUSTER_NO_PRIMARY)
		v->role = ROLE_PRIMARY;
	else if (n->recv_us && (!n->writable || c->o.kind == CLUSTER_GALERA) &&
		 n->fence != FENCE_WRONG)
		v->role = ROLE_REPLICA;
	v->state = state_of(c, n);
	if (v->state != n->shown) {
		n->shown = v->state;
		n->shown_us = c->now_us;
	}
	v->since_us = n->shown_us;
	v->warm_since_us = n->warm_since_us;
	v->fresh = n->judge.state;
	bool up = v->state == NODE_UP || v->state == NODE_WARMING;
	bool follows = c->epoch && (int)i != c->primary && replica_of_epoch(c, i, v->why);
	v->reads = up && v->role == ROLE_REPLICA && follows;
	/* stale or stopped ones are known to be that; of unknown ones nobody knows for how long
	 * */
	v->eventual = v->reads && (v->fresh != FRESH_UNKNOWN ||
					  c->now_us - n->judge.since_us <= c->o.eventual_grace_us);
	if ((int)i == c->primary)
		v->why[0] = '\0';
	why_of(c, n, v);
}

static enum cluster_writes writes_of(const struct cluster *c)
{
	if (c->state == CLUSTER_NORMAL)
		return WRITES_OPEN;
	return c->closed_us && c->now_us - c->closed_us > c->o.hold_us ? WRITES_REFUSED
								       : WRITES_HELD;
}

static bool has_primary(const struct cluster *c)
{
	return c->epoch && (c->state == CLUSTER_NORMAL || c->state == CLUSTER_SUSPECT ||
				   c->state == CLUSTER_SWITCHING);
}

static bool same_node(const struct cluster_vnode *a, const struct cluster_vnode *b)
{
	return a->role == b->role && a->state == b->state && a->fresh == b->fresh &&
	       a->weight == b->weight && a->since_us == b->since_us &&
	       a->warm_since_us == b->warm_since_us && a->reads == b->reads &&
	       a->eventual == b->eventual && strcmp(a->why, b->why) == 0;
}

static bool same(const struct cluster_view *a, const struct cluster_view *b)
{
	if (a->state != b->state || a->writes != b->writes || a->since_us != b->since_us ||
		a->epoch != b->epoch || a->primary != b->primary || a->live != b->live ||
		strcmp(a->why, b->why) != 0)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		if (!same_node(&a->node[i], &b->node[i]))
			return false;
	}
	return true;
}

void picture_take(struct cluster *c)
{
	struct cluster_view *v = view_new(c->n, c->live), *old = c->view;
	if (!v)
		return; /* the old one stays; the next observation tries again */
	v->version = old ? old->version + 1 : 1;
	v->kind = c->o.kind;
	v->state = c->state;
	v->writes = writes_of(c);
	v->since_us = c->state_us;
	v->epoch = c->epoch;
	v->epoch_us = c->epoch_us;
	v->primary = has_primary(c) ? c->primary : -1;
	v->warm_us = c->o.warm_us;
	snprintf(v->evidence, sizeof v->evidence, "%s", c->evidence);
	snprintf(v->why, sizeof v->why, "%s", c->state == CLUSTER_NORMAL ? "" : c->why);
	for (unsigned i = 0; i < c->n; i++)
		show_node(c, i, &v->node[i]);
	if (old && same(old, v)) {
		cluster_view_unref(&v);
		return;
	}
	c->view = v;
	cluster_view_unref(&old);
}
