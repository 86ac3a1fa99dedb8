/* operate - what operators may do to a cluster, and what is read from it. Control thread. */
#include "cluster_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- operators ---- */

int cluster_promoted(struct cluster *c, unsigned i, int64_t now_us, struct err *e)
{
	assert(i < c->n);
	struct node *n = &c->node[i];
	cluster_advance(c, now_us);
	if (!choose_speaks(c, n))
		return err_set(e, ERR_NOT_ALLOWED, "%s does not answer", n->name);
	if (n->fence == FENCE_WRONG)
		return err_set(e, ERR_NOT_ALLOWED, "%s belongs to another cluster", n->name);
	if (!n->writable)
		return err_set(e, ERR_NOT_ALLOWED, "%s is not writable", n->name);
	if ((int)i == c->primary && c->state == CLUSTER_NORMAL)
		return err_set(e, ERR_NOT_ALLOWED, "%s is the primary", n->name);
	if (c->o.kind == CLUSTER_GALERA && c->epoch) {
		if (!choose_claims(c, n) || n->fence != FENCE_NONE)
			return err_set(e, ERR_NOT_ALLOWED, "%s is not to be written to: %s",
				n->name, n->facts.read_only ? "read_only" : "quarantined");
		c->wanted = (int)i;
		cluster_burst_begin(c);
		cluster_decide(c);
		cluster_look_around(c, -1);
		return 0;
	}
	struct verdict v = { .kind = VERDICT_MOVE, .node = i, .by_authority = true };
	snprintf(v.why, sizeof v.why, "an operator said so (PROMOTED)");
	memset(c->moves_us, 0, sizeof c->moves_us);
	cluster_begin_epoch(c, i, &v);
	c->forced = true;
	for (unsigned k = 0; k < c->n; k++)
		replica_review(c, k, true, true);
	cluster_decide(c);
	cluster_look_around(c, -1);
	return 0;
}

static int take_out(
	struct cluster *c, unsigned i, enum admin_state a, int64_t now_us, struct err *e)
{
	assert(i < c->n);
	cluster_advance(c, now_us);
	if (c->epoch && (int)i == c->primary)
		return err_set(e, ERR_NOT_ALLOWED, "%s is the primary: switch over first",
			c->node[i].name);
	c->node[i].admin = a;
	if (a == ADMIN_MAINT)
		note_fence(c, i);
	else
		note_idle(c, i);
	note_log(c, EVENT_NODE_ADMIN, "%s is %s", c->node[i].name,
		a == ADMIN_MAINT ? "in maintenance" : "drained");
	cluster_look_around(c, -1);
	return 0;
}

int cluster_drain(struct cluster *c, unsigned i, int64_t now_us, struct err *e)
{
	return take_out(c, i, ADMIN_DRAIN, now_us, e);
}

int cluster_maint(struct cluster *c, unsigned i, int64_t now_us, struct err *e)
{
	return take_out(c, i, ADMIN_MAINT, now_us, e);
}

void cluster_resume(struct cluster *c, unsigned i, int64_t now_us)
{
	assert(i < c->n);
	cluster_advance(c, now_us);
	if (c->node[i].foreign) {
		lineage_anew(c, i);
		note_log(c, EVENT_NODE_ADMIN, "%s was rebuilt, says an operator", c->node[i].name);
	}
	if (c->node[i].admin != ADMIN_NONE) {
		c->node[i].admin = ADMIN_NONE;
		c->node[i].warm_since_us = c->now_us;
		note_log(c, EVENT_NODE_ADMIN, "%s is back in service", c->node[i].name);
	}
	cluster_look_around(c, -1);
}

int cluster_switch_begin(struct cluster *c, unsigned to, int64_t now_us, struct err *e)
{
	assert(to < c->n);
	const struct node *n = &c->node[to];
	char why[200];
	cluster_advance(c, now_us);
	if (c->state != CLUSTER_NORMAL)
		return err_set(
			e, ERR_NOT_ALLOWED, "the cluster is %s", cluster_state_name(c->state));
	if ((int)to == c->primary)
		return err_set(e, ERR_NOT_ALLOWED, "%s is the primary", n->name);
	if (!choose_speaks(c, n) || n->fence != FENCE_NONE || !replica_of_epoch(c, to, why))
		return err_set(e, ERR_NOT_ALLOWED, "%s is no replica of this primary", n->name);
	c->switch_to = (int)to;
	c->switch_us = c->now_us;
	cluster_burst_begin(c);
	cluster_decide(c);
	cluster_look_around(c, -1);
	return 0;
}

void cluster_switch_end(struct cluster *c, int64_t now_us)
{
	cluster_advance(c, now_us);
	c->switch_to = -1;
	cluster_decide(c);
	cluster_look_around(c, -1);
}

/* ---- results ---- */

const struct cluster_view *cluster_view(const struct cluster *c)
{
	return c->view;
}
struct cluster_counts cluster_counts(const struct cluster *c)
{
	return c->counts;
}
const struct pos *cluster_node_pos(const struct cluster *c, unsigned node)
{
	assert(node < c->n);
	return c->node[node].pos.kind == POS_NONE ? NULL : &c->node[node].pos;
}
const char *cluster_identity(const struct cluster *c)
{
	return c->identity;
}
const struct fresh_history *cluster_history(const struct cluster *c)
{
	return &c->history;
}
