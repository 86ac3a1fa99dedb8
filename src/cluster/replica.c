/* replica - the nodes that are not primary: quarantine and the way out of it, whether they follow
 * this epoch, and how fresh they are. Control thread. */
#include "cluster_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STOPPED_US 2000000 /* a replica may need that long to reconnect */
/* Semi-synchronous sources let a replica commit before themselves, and wait for it that long. */
#define AHEAD_US 15000000

void replica_forget(struct cluster *c, unsigned i)
{
	struct node *n = &c->node[i];
	n->life++;
	n->fresh_us = n->fresh_next_us = n->fresh_settled_us = 0;
	n->missing = UINT64_MAX;
	atomic_store(&c->live->node[i].life, n->life);
	atomic_store(&c->live->node[i].fresh_us, 0);
	atomic_store(&c->live->node[i].missing, UINT64_MAX);
}

void replica_fence(struct cluster *c, unsigned i, enum fence why, const char *text)
{
	struct node *n = &c->node[i];
	if (n->fence == why)
		return;
	n->fence = why;
	n->fence_us = c->now_us;
	n->fence_timeline = n->timeline > n->follows ? n->timeline : n->follows;
	n->fence_life = n->life;
	note_fence(c, i);
	note_log(c, EVENT_QUARANTINED, "%s is quarantined: %s", n->name, text);
}

static bool wrong_cluster(const struct cluster *c, const struct node *n)
{
	return n->has_facts && *c->system && *n->facts.system &&
	       strcmp(c->system, n->facts.system) != 0;
}

/* Only what was sent after the fence is evidence that the node came back. */
static bool came_back(const struct cluster *c, unsigned i)
{
	const struct node *n = &c->node[i];
	const struct pos *last = fresh_last(&c->history);
	char why[200];
	if (n->foreign || !choose_speaks(c, n) || n->sent_us < n->fence_us ||
		n->facts.sent_us < n->fence_us)
		return false;
	if (c->o.kind == CLUSTER_GALERA)
		return n->writable && n->facts.member == MEMBER_IN;
	if (n->writable || !last || !replica_of_epoch(c, i, why) ||
		n->facts.repl == UPSTREAM_STOPPED || n->facts.repl == UPSTREAM_NONE)
		return false;
	/* an LSN passes what diverged; only a node that was started anew can have been rewound */
	if (n->fence == FENCE_DIVERGED && c->o.kind == CLUSTER_PG && n->life == n->fence_life)
		return false;
	return c->o.kind == CLUSTER_GR || pos_missing(last, &n->pos) == 0;
}

/* Two that claimed at the start, and no epoch yet: one of them lost when it is seen to follow. */
static bool rival_gave_up(const struct cluster *c)
{
	unsigned still = 0;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		still += n->fence == FENCE_RIVAL && !(choose_speaks(c, n) && !n->writable);
	}
	return still <= 1;
}

static void unfence(struct cluster *c, struct node *n)
{
	note_log(c, EVENT_NODE_BACK, "%s is back: %s", n->name,
		n->fence == FENCE_WRONG ? "it is of this cluster" : "it follows the primary");
	n->fence = FENCE_NONE;
	n->turned_down = false;
	pos_fini(&n->ahead);
	n->ahead_us = 0;
	n->judge = (struct fresh_judge){ .state = FRESH_UNKNOWN, .since_us = c->now_us };
}

static void review_claim(struct cluster *c, unsigned i, bool decided)
{
	struct node *n = &c->node[i];
	char text[160];
	if ((int)i == c->primary || c->o.kind == CLUSTER_GALERA || !choose_claims(c, n))
		return;
	if (c->o.kind == CLUSTER_PG)
		snprintf(text, sizeof text, "it is writable on timeline %u, but is not the primary",
			n->timeline);
	else
		snprintf(text, sizeof text, "it is writable, but is not the primary");
	if (n->fence == FENCE_NONE)
		replica_fence(c, i, FENCE_RIVAL, text);
	if (!decided)
		return;
	n->turned_down = true;
	if (n->timeline > n->fence_timeline)
		n->fence_timeline = n->timeline;
}

void replica_review(struct cluster *c, unsigned i, bool decided, bool claims_lose)
{
	struct node *n = &c->node[i];
	if (wrong_cluster(c, n)) {
		char text[200];
		snprintf(text, sizeof text, "it belongs to another cluster (%s, this one is %s)",
			n->facts.system, c->system);
		replica_fence(c, i, FENCE_WRONG, text);
		return;
	}
	switch (n->fence) {
	case FENCE_WRONG: unfence(c, n); break;
	case FENCE_RIVAL:
		if (c->epoch ? came_back(c, i) : rival_gave_up(c))
			unfence(c, n);
		break;
	case FENCE_OLD:
	case FENCE_DIVERGED:
		if (came_back(c, i))
			unfence(c, n);
		break;
	case FENCE_NONE: break;
	}
	if (c->epoch && claims_lose)
		review_claim(c, i, decided);
}

/* MySQL's groups let secondaries commit first; there the group itself expels who diverges. */
static void look_ahead(struct cluster *c, struct node *n)
{
	const struct fresh_mark *m = &c->history.marks[c->history.n - 1];
	bool group = c->o.kind == CLUSTER_GR || c->o.kind == CLUSTER_GALERA;
	int64_t patience_us = c->o.kind == CLUSTER_PG ? 0 : AHEAD_US;
	char text[200];
	if (group || n->fence != FENCE_NONE)
		return;
	if (!n->ahead_us) {
		if (m->last_us <= n->recv_us || pos_missing(&m->pos, &n->pos) == 0 ||
			pos_copy(&n->ahead, &n->pos) < 0)
			return;
		n->ahead_us = c->now_us;
	} else if (pos_missing(&m->pos, &n->ahead) == 0) {
		pos_fini(&n->ahead);
		n->ahead_us = 0;
		return;
	}
	if (c->now_us - n->ahead_us < patience_us)
		return;
	snprintf(text, sizeof text, "it has %" PRIu64 " %s that the primary has not",
		pos_missing(&m->pos, &n->ahead),
		c->o.kind == CLUSTER_PG ? "bytes of WAL" : "transactions");
	replica_fence(c, (unsigned)(n - c->node), FENCE_DIVERGED, text);
}

bool replica_of_epoch(const struct cluster *c, unsigned i, char *why_r)
{
	const struct node *n = &c->node[i];
	*why_r = '\0';
	if (!n->has_facts) {
		snprintf(why_r, 200, "not yet examined");
		return false;
	}
	switch (c->o.kind) {
	case CLUSTER_PG:
		if (n->follows == c->timeline)
			return true;
		if (!n->follows)
			snprintf(why_r, 200, "%s",
				*n->facts.note ? n->facts.note : "its timeline is unknown");
		else
			snprintf(why_r, 200, "on timeline %u, the cluster is on %u", n->follows,
				c->timeline);
		return false;
	case CLUSTER_MYSQL:
	case CLUSTER_MARIADB: return true; /* a GTID set proves itself */
	case CLUSTER_GR:
	case CLUSTER_GALERA:
		if (n->facts.member == MEMBER_IN && (c->o.kind == CLUSTER_GR || n->writable))
			return true;
		snprintf(why_r, 200, "%s",
			*n->facts.note ? n->facts.note : "not a member of the group");
		return false;
	}
	return false;
}

/* Stopped by somebody. While there is no primary, nobody streams, and it is nobody's fault. */
static bool stopped(const struct cluster *c, struct node *n)
{
	if (n->facts.repl == UPSTREAM_RUNS || n->facts.repl == UPSTREAM_UNKNOWN ||
		c->state != CLUSTER_NORMAL)
		n->stopped_us = 0;
	else if (!n->stopped_us)
		n->stopped_us = c->now_us;
	return n->facts.paused || (n->stopped_us && c->now_us - n->stopped_us >= STOPPED_US);
}

/* F(r). Of a Galera member what it shows may be on its way to its readers for a moment. */
static int64_t freshness(const struct cluster *c, struct node *n)
{
	const struct pos *p = n->visible.kind != POS_NONE ? &n->visible : &n->pos;
	int64_t f = fresh_of(&c->history, p);
	if (!n->settle_us)
		return f;
	if (!n->fresh_next_us) {
		n->fresh_next_us = f;
		n->settle_at_us = c->now_us;
	} else if (c->now_us - n->settle_at_us >= n->settle_us) {
		n->fresh_settled_us = n->fresh_next_us;
		n->fresh_next_us = f;
		n->settle_at_us = c->now_us;
	}
	return n->fresh_settled_us;
}

void replica_judge(struct cluster *c, unsigned i, bool sampled)
{
	struct node *n = &c->node[i];
	const struct pos *last = fresh_last(&c->history);
	char why[200];
	if ((int)i == c->primary || !c->epoch)
		return;
	n->other_line = false;
	if (!last || !n->sampled || !replica_of_epoch(c, i, why)) {
		n->fresh_us = 0;
		n->missing = UINT64_MAX;
	} else {
		look_ahead(c, n);
		n->fresh_us = freshness(c, n);
		n->other_line = !fresh_of_line(&c->history, &n->pos);
		n->missing = pos_missing(&n->pos, last);
	}
	if (n->fence != FENCE_NONE)
		n->fresh_us = 0;
	atomic_store_explicit(&c->live->node[i].missing, n->missing, memory_order_relaxed);
	atomic_store_explicit(&c->live->node[i].fresh_us, n->fresh_us, memory_order_release);
	struct fresh_input in = { .fresh_us = n->fresh_us,
		.sample_us = n->sampled ? n->recv_us : 0,
		.primary_us = c->primary_us,
		.missing = n->missing,
		.stopped = n->has_facts && stopped(c, n),
		.sampled = sampled };
	enum fresh_state before = n->judge.state;
	fresh_judge(&n->judge, &c->fresh, &in, c->now_us);
	if (before == n->judge.state)
		return;
	if (n->judge.state == FRESH_STALE)
		note_log(c, EVENT_STALE,
			"%s is too stale for reads: %" PRId64 " ms, %" PRIu64 " %s", n->name,
			(c->now_us - n->fresh_us) / 1000, n->missing,
			c->o.kind == CLUSTER_PG ? "bytes" : "transactions");
	else if (n->judge.state == FRESH_STOPPED)
		note_log(c, EVENT_NOT_REPLICATING, "%s does not replicate: %s", n->name,
			n->facts.paused ? "replay is paused" : "stopped");
	else if (n->judge.state == FRESH_OK && before != FRESH_UNKNOWN)
		note_log(c, EVENT_FRESH_AGAIN, "%s is fresh enough for reads again", n->name);
}
