/* lineage - whose transactions are other ones under the same numbers. A server that lost some (it
 * was rebuilt, or its crash ate them) and is primary again gives their GTIDs to new ones; whoever
 * still has the lost ones then looks as if it had the new. So whoever had more than a primary when
 * that began to take writes serves no reads until it was started anew. PostgreSQL has timelines
 * for that: there it concerns a primary that comes back on the timeline that it had. Groups expel
 * such members themselves. Control thread. */
#include "cluster_int.h"

#include <stdio.h>

static bool comparable(const struct cluster *c, unsigned q, unsigned k, uint32_t timeline)
{
	if (c->o.kind != CLUSTER_PG)
		return q != k;
	return q != k && c->epoch && (int)q == c->primary && timeline == c->timeline &&
	       c->node[k].follows == timeline;
}

/* What k had when node q took no writes for sure, so that nothing of q's own can be in it: a
 * semi-synchronous replica has for a moment more than its source. */
static const struct pos *had_then(const struct node *k, int64_t idle_us)
{
	if (k->pos.kind == POS_NONE)
		return NULL;
	return k->recv_us <= idle_us || k->prior.kind == POS_NONE ? &k->pos : &k->prior;
}

/* The primary's rivals in this have to prove that they are another server by now. */
static void quarantine(struct cluster *c)
{
	const struct node *p = &c->node[c->primary];
	for (unsigned k = 0; k < c->n; k++) {
		struct node *n = &c->node[k];
		char text[160];
		if (!(p->had_more >> k & 1))
			continue;
		n->foreign = n->refused_us <= p->taken_us;
		if (n->fence != FENCE_NONE)
			continue;
		snprintf(text, sizeof text, "it had more than %s had when that became writable",
			p->name);
		replica_fence(c, k, FENCE_DIVERGED, text);
	}
}

void lineage_of_primary(struct cluster *c)
{
	c->node[c->primary].foreign = false;
	quarantine(c);
	c->node[c->primary].had_more = 0;
}

void lineage_on_sample(struct cluster *c, unsigned i, const struct cluster_sample *s)
{
	struct node *n = &c->node[i];
	bool known = n->pos.kind != POS_NONE, back = known && pos_missing(&s->pos, &n->pos) != 0;
	if (c->o.kind == CLUSTER_GR || c->o.kind == CLUSTER_GALERA)
		return;
	if (back)
		lineage_anew(c, i);
	if (!s->writable) {
		n->idle_us = s->sent_us;
		n->had_more = 0;
	} else if (n->idle_us || back) {
		n->had_more = 0;
		for (unsigned k = 0; k < c->n; k++) {
			const struct pos *p = had_then(&c->node[k], n->idle_us);
			if (p && comparable(c, i, k, s->timeline) && pos_missing(&s->pos, p) != 0)
				n->had_more |= UINT32_C(1) << k;
		}
		n->idle_us = 0;
		n->taken_us = s->recv_us;
		if (c->epoch && (int)i == c->primary)
			lineage_of_primary(c);
	}
}

void lineage_stopped(struct cluster *c, unsigned i)
{
	c->node[i].idle_us = c->node[i].refused_us = c->now_us;
	c->node[i].foreign = false;
}

void lineage_anew(struct cluster *c, unsigned i)
{
	c->node[i].foreign = false;
	for (unsigned k = 0; k < c->n; k++)
		c->node[k].had_more &= ~(UINT32_C(1) << i);
}
