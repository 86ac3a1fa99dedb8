/* cluster - takes observations in and moves the state of the cluster by what choose() says of
 * them: epochs, doubt, fences. Control thread. */
#include "cluster_int.h"

#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UP_SAMPLES 3          /* answers in a row before a node that was down serves again */
#define DOWN_FAILURES 2       /* failures in a row */
#define BURST_US 3000000      /* after a sign of change */
#define LEAVE_US 300000       /* for what runs on a Galera writer that is left */
#define BURST_MAX_US 60000000 /* without a primary: then at the usual pace again */

static int64_t or_default(int64_t us, int64_t def)
{
	return us ? us : def;
}

static void set_defaults(struct cluster_opts *o)
{
	o->interval_us = or_default(o->interval_us, 50000);
	o->down_us = or_default(o->down_us, 1000000);
	o->suspect_us = or_default(o->suspect_us, 500000);
	o->authority_us = or_default(o->authority_us, 3000000);
	o->max_staleness_us = or_default(o->max_staleness_us, 10000000);
	o->eventual_grace_us = or_default(o->eventual_grace_us, 5000000);
	o->warm_us = or_default(o->warm_us, 10000000);
	o->hold_us = or_default(o->hold_us, 30000000);
	o->moves_us = or_default(o->moves_us, 600000000);
	o->switch_us = or_default(o->switch_us, 60000000);
	if (!o->moves_max)
		o->moves_max = 3;
}

struct cluster *cluster_new(const struct cluster_opts *o, const struct cluster_node_opts *nodes,
	unsigned n, int64_t now_us)
{
	struct cluster *c = n && n <= CLUSTER_NODES_MAX ? mem_alloc(MEM_CLUSTER, sizeof *c) : NULL;
	if (!c)
		return NULL;
	c->o = *o;
	set_defaults(&c->o);
	snprintf(c->name, sizeof c->name, "%s", o->name);
	c->o.name = c->name;
	c->fresh = (struct fresh_opts){ .interval_us = c->o.interval_us,
		.max_staleness_us = c->o.max_staleness_us,
		.max_missing = c->o.max_missing };
	c->n = n;
	c->now_us = c->born_us = c->state_us = c->closed_us = now_us;
	c->primary = c->switch_to = c->wanted = c->authority.leader = -1;
	c->reached_us = now_us;
	snprintf(c->why, sizeof c->why, "not every node has been asked yet");
	for (unsigned i = 0; i < n; i++) {
		struct node *to = &c->node[i];
		snprintf(to->name, sizeof to->name, "%s", nodes[i].name);
		snprintf(to->host, sizeof to->host, "%s", nodes[i].host);
		to->port = nodes[i].port;
		to->weight = nodes[i].weight;
		to->tier = nodes[i].tier;
		to->heard_us = to->shown_us = to->judge.since_us = now_us;
		to->missing = UINT64_MAX;
	}
	c->live = view_live_new(n);
	if (c->live)
		picture_take(c);
	if (!c->view)
		cluster_free(&c);
	return c;
}

void cluster_free(struct cluster **c)
{
	if (!*c)
		return;
	for (unsigned i = 0; i < (*c)->n; i++) {
		pos_fini(&(*c)->node[i].pos);
		pos_fini(&(*c)->node[i].prior);
		pos_fini(&(*c)->node[i].visible);
		pos_fini(&(*c)->node[i].ahead);
	}
	pos_fini(&(*c)->acked);
	fresh_history_clear(&(*c)->history);
	cluster_view_unref(&(*c)->view);
	view_live_unref(&(*c)->live);
	mem_free(MEM_CLUSTER, *c);
	*c = NULL;
}

void cluster_burst_begin(struct cluster *c)
{
	c->burst_until_us = c->now_us + BURST_US;
}

bool cluster_burst(const struct cluster *c)
{
	if (c->now_us < c->burst_until_us)
		return true;
	return c->state != CLUSTER_NORMAL && c->now_us - c->state_us < BURST_MAX_US;
}

/* ---- what the verdict does ---- */

static void set_state(struct cluster *c, enum cluster_state s, const char *why)
{
	bool news = c->state != s;
	if (news || strcmp(c->why, why) != 0)
		snprintf(c->why, sizeof c->why, "%s", why);
	else
		return;
	if (!news)
		return;
	enum cluster_state before = c->state;
	c->state = s;
	c->state_us = c->now_us;
	if (s == CLUSTER_NORMAL)
		c->closed_us = 0;
	else if (!c->closed_us)
		c->closed_us = c->now_us;
	if (s == CLUSTER_NO_PRIMARY && c->primary >= 0)
		note_idle(c, (unsigned)c->primary);
	c->counts.splits += s == CLUSTER_SPLIT;
	c->counts.blips += s == CLUSTER_NORMAL && before == CLUSTER_SUSPECT;
	bool bad = s == CLUSTER_NO_PRIMARY || s == CLUSTER_SPLIT;
	note_log(c, bad ? EVENT_CLUSTER_BAD : EVENT_CLUSTER_STATE, "%s -> %s%s%s",
		cluster_state_name(before), cluster_state_name(s), *why ? ": " : "", why);
}

static void remember_move(struct cluster *c)
{
	unsigned n = sizeof c->moves_us / sizeof c->moves_us[0];
	memmove(c->moves_us + 1, c->moves_us, (n - 1) * sizeof c->moves_us[0]);
	c->moves_us[0] = c->now_us;
}

/* What the lost primary had told us and the new one lacks. LSNs of two timelines cannot say it.
 * */
static void count_lost(struct cluster *c, const struct node *q)
{
	const struct pos *last = fresh_last(&c->history);
	uint64_t lost = last && last->kind != POS_LSN ? pos_missing(&q->pos, last) : 0;
	if (lost && lost != UINT64_MAX) {
		c->counts.lost_writes += lost;
		note_log(c, EVENT_LOST_WRITES,
			"%" PRIu64 " transactions of the old primary are lost", lost);
	}
}

static void add_sample(struct cluster *c, struct node *p)
{
	struct pos copy;
	if (pos_includes(&p->pos, &c->acked))
		pos_fini(&c->acked); /* the sample says it from now on */
	if (pos_copy(&copy, &p->pos) < 0)
		return;
	enum fresh_add r = fresh_history_add(&c->history, p->sent_us, &copy);
	c->primary_us = p->recv_us;
	if (r != FRESH_WENT_BACK)
		return;
	note_log(c, EVENT_WENT_BACK, "the position of primary %s went back", p->name);
	for (unsigned i = 0; i < c->n; i++)
		replica_forget(c, i);
}

/* A new epoch has a new live part: who still reads the old view finds times that stand still. */
static bool new_live(struct cluster *c)
{
	struct cluster_live *l = view_live_new(c->n);
	if (!l)
		return false;
	view_live_unref(&c->live);
	c->live = l;
	c->acked_no = 0;
	for (unsigned i = 0; i < c->n; i++)
		atomic_store(&l->node[i].life, c->node[i].life);
	return true;
}

void cluster_begin_epoch(struct cluster *c, unsigned q, const struct verdict *v)
{
	struct node *n = &c->node[q];
	int old = c->primary;
	if (!new_live(c))
		return; /* out of memory: the next observation tries again */
	count_lost(c, n);
	if (old >= 0 && old != (int)q) {
		if (!v->by_authority)
			remember_move(c);
		if (c->node[old].fence == FENCE_NONE)
			replica_fence(
				c, (unsigned)old, FENCE_OLD, "it was primary of an older epoch");
	}
	c->epoch++;
	c->epoch_us = c->now_us;
	c->timeline = n->timeline;
	c->primary = (int)q;
	c->forced = c->inherited = false;
	if (c->o.kind == CLUSTER_PG)
		snprintf(c->identity, sizeof c->identity, "%s/%" PRIu32, c->system, c->timeline);
	c->counts.epochs++;
	snprintf(c->evidence, sizeof c->evidence, "%s", v->why);
	n->fence = FENCE_NONE;
	n->turned_down = false;
	n->judge = (struct fresh_judge){ 0 };
	if (n->admin != ADMIN_NONE) {
		note_log(c, EVENT_NODE_UNDRAINED, "%s became primary: it is no longer drained",
			n->name);
		n->admin = ADMIN_NONE;
	}
	fresh_history_clear(&c->history);
	pos_fini(&c->acked);
	add_sample(c, n);
	note_idle(c, q); /* links of before were opened to a replica */
	for (unsigned i = 0; i < c->n; i++) {
		pos_fini(&c->node[i].ahead);
		c->node[i].ahead_us = 0;
		c->node[i].fresh_us = 0;
		c->node[i].fresh_next_us = c->node[i].fresh_settled_us = 0;
	}
	lineage_of_primary(c);
	note_log(c, EVENT_PRIMARY_IS, "epoch %" PRIu64 ": primary is %s (was %s): %s", c->epoch,
		n->name, old < 0 ? "none" : c->node[old].name, v->why);
	c->switch_to = c->wanted = -1;
	c->leaving_us = c->left_us = 0;
	set_state(c, CLUSTER_NORMAL, "");
	cluster_burst_begin(c);
}

/* Whatever the writer of a Galera cluster acknowledges from now on would be missed by the barrier:
 * its links are closed first. What runs there may end, while it answers. */
static void leave_writer(struct cluster *c)
{
	if (c->left_us)
		return;
	if (!c->leaving_us)
		c->leaving_us = c->now_us;
	if (choose_speaks(c, &c->node[c->primary]) && c->now_us - c->leaving_us < LEAVE_US)
		return;
	c->left_us = c->now_us;
	note_fence(c, (unsigned)c->primary);
}

/* Claims that lose are counted once each, when they appear. */
static void apply(struct cluster *c, const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_MOVE: cluster_begin_epoch(c, v->node, v); break;
	case VERDICT_KEEP:
		c->leaving_us = c->left_us = 0;
		c->wanted = -1;
		if (c->switch_to >= 0)
			set_state(c, CLUSTER_SWITCHING, "an operator moves the primary");
		else
			set_state(c, CLUSTER_NORMAL, "");
		break;
	case VERDICT_DOUBT:
		set_state(c, c->switch_to >= 0 ? CLUSTER_SWITCHING : CLUSTER_SUSPECT, v->why);
		break;
	case VERDICT_NONE:
		set_state(c, CLUSTER_NO_PRIMARY, v->why);
		if (v->leave)
			leave_writer(c);
		break;
	case VERDICT_SPLIT: set_state(c, CLUSTER_SPLIT, v->why); break;
	}
}

/* The cluster's own name: what most nodes say, before there is an epoch. */
static void learn_system(struct cluster *c)
{
	unsigned best_n = 0;
	if (*c->system || !c->settled)
		return;
	for (unsigned i = 0; i < c->n; i++) {
		unsigned same = 0;
		const char *s = c->node[i].facts.system;
		for (unsigned k = 0; k < c->n && *s; k++)
			same += strcmp(s, c->node[k].facts.system) == 0;
		if (same > best_n) {
			best_n = same;
			snprintf(c->system, sizeof c->system, "%s", s);
		}
	}
}

static void settle(struct cluster *c)
{
	bool all = true;
	for (unsigned i = 0; i < c->n && !c->settled; i++) {
		const struct node *n = &c->node[i];
		all = all && ((n->sampled && n->has_facts) || n->health == HEALTH_DOWN);
	}
	if (all || c->now_us - c->born_us > 2 * c->o.down_us)
		c->settled = true;
	learn_system(c);
}

static void check_authority(struct cluster *c)
{
	bool cut = c->o.authority && c->o.fence_authority_us > 0 &&
		   c->now_us - c->reached_us > c->o.fence_authority_us;
	if (cut && !c->cut && c->primary >= 0)
		note_fence(c, (unsigned)c->primary);
	c->cut = cut;
}

/* What clients were told since the newest sample was taken is in no sample. */
static void take_acks(struct cluster *c)
{
	const struct node *p = c->primary >= 0 ? &c->node[c->primary] : NULL;
	char text[64];
	struct pos pos;
	struct err e;
	if (!p || c->o.kind != CLUSTER_MYSQL)
		return;
	if (p->has_facts)
		view_live_source(c->live, p->facts.server);
	uint64_t last = atomic_load(&c->live->acked.last);
	if (last == c->acked_no)
		return;
	c->acked_no = last;
	int n = snprintf(text, sizeof text, "%s:%" PRIu64, c->live->acked.source, last);
	if (pos_parse_gtid(text, (size_t)n, &pos, &e) == 0)
		cluster_on_ack(c, c->epoch, &pos, c->now_us);
}

void cluster_decide(struct cluster *c)
{
	struct verdict v;
	take_acks(c);
	if (!c->settled || !*c->system)
		settle(c);
	check_authority(c);
	choose(c, &v);
	apply(c, &v);
	bool decided = v.kind == VERDICT_KEEP || v.kind == VERDICT_MOVE;
	if (!c->epoch && v.kind == VERDICT_SPLIT) {
		for (unsigned i = 0; i < c->n; i++) {
			if (choose_claims(c, &c->node[i]))
				replica_fence(c, i, FENCE_RIVAL, v.why);
		}
	}
	for (unsigned i = 0; i < c->n; i++)
		replica_review(c, i, decided, decided || v.kind == VERDICT_SPLIT);
}

void cluster_look_around(struct cluster *c, int sampled)
{
	for (unsigned i = 0; i < c->n; i++)
		replica_judge(c, i, (int)i == sampled);
	picture_take(c);
}

/* ---- observations ---- */

void cluster_advance(struct cluster *c, int64_t now_us)
{
	if (now_us > c->now_us)
		c->now_us = now_us;
}

static void set_health(struct cluster *c, unsigned i, enum health h)
{
	struct node *n = &c->node[i];
	if (n->health == h)
		return;
	if (h == HEALTH_DOWN) {
		n->sampled = false;
		replica_forget(c, i);
		note_log(c, EVENT_NODE_DOWN, "%s is down: %s", n->name, n->fail_text);
		/* whoever waits for a replica's answer can ask elsewhere; for a primary's not */
		if ((int)i != c->primary)
			note_fence(c, i);
	} else if (n->health == HEALTH_DOWN) {
		note_log(c, EVENT_NODE_UP, "%s is up", n->name);
		n->warm_since_us = c->now_us;
	}
	n->health = h;
}

static void heard(struct cluster *c, unsigned i)
{
	struct node *n = &c->node[i];
	n->heard_us = c->now_us;
	n->fail_n = 0;
	n->ok_n++;
	if (n->health != HEALTH_DOWN || n->ok_n >= UP_SAMPLES)
		set_health(c, i, HEALTH_UP);
}

/* A role other than the one before is a sign of change. */
static void note_claim(struct cluster *c, struct node *n, const struct cluster_sample *s)
{
	bool news = !n->recv_us || n->writable != s->writable || n->timeline != s->timeline;
	if (!news)
		return;
	if (s->writable)
		n->claim_us = s->sent_us;
	if (c->epoch)
		cluster_burst_begin(c);
}

void cluster_on_sample(struct cluster *c, unsigned i, struct cluster_sample *s)
{
	assert(i < c->n);
	struct node *n = &c->node[i];
	cluster_advance(c, s->recv_us);
	if (s->sent_us < n->doubt_us || (n->sampled && s->sent_us < n->sent_us)) {
		pos_fini(&s->pos); /* outranked by what came after it was sent */
		pos_fini(&s->visible);
		return;
	}
	note_claim(c, n, s);
	lineage_on_sample(c, i, s);
	n->sampled = true;
	n->sent_us = s->sent_us;
	n->recv_us = s->recv_us;
	n->writable = s->writable;
	n->timeline = s->timeline;
	if (n->pos.kind != POS_NONE && pos_missing(&s->pos, &n->pos) != 0)
		replica_forget(c, i); /* restarted, rebuilt */
	pos_fini(&n->prior);
	pos_move(&n->prior, &n->pos);
	pos_move(&n->pos, &s->pos);
	pos_fini(&n->visible);
	pos_move(&n->visible, &s->visible);
	n->settle_us = s->settle_us;
	heard(c, i);
	cluster_decide(c);
	if ((int)i == c->primary && c->epoch && choose_claims(c, n) &&
		c->state != CLUSTER_NO_PRIMARY && c->state != CLUSTER_SPLIT &&
		(c->o.kind != CLUSTER_PG || n->timeline == c->timeline))
		add_sample(c, n);
	cluster_look_around(c, (int)i);
}

/* A standby whose primary died receives nothing: it still is on the timeline that it followed,
 * unless it was restarted meanwhile. */
static void note_timeline(struct node *n, const struct cluster_facts *f)
{
	if (!f->timeline || (f->timeline_late && n->follows && n->follows_holds))
		return;
	n->follows = f->timeline;
	n->follows_holds = !f->timeline_late;
}

void cluster_on_facts(struct cluster *c, unsigned i, const struct cluster_facts *f)
{
	assert(i < c->n);
	struct node *n = &c->node[i];
	cluster_advance(c, f->recv_us);
	if (n->has_facts && f->sent_us < n->facts.sent_us)
		return;
	if (n->has_facts && strcmp(n->facts.system, f->system) != 0) {
		n->follows = 0; /* another server answers at this address */
		n->sampled = false;
	}
	n->has_facts = true;
	n->facts = *f;
	note_timeline(n, f);
	cluster_decide(c);
	cluster_look_around(c, -1);
}

bool cluster_wants_barrier(const struct cluster *c)
{
	return c->left_us != 0;
}

void cluster_on_barrier(struct cluster *c, unsigned i, int64_t sent_us, int64_t recv_us)
{
	assert(i < c->n);
	cluster_advance(c, recv_us);
	c->node[i].barrier_us = sent_us;
	c->node[i].barrier_recv_us = recv_us;
	cluster_decide(c);
	cluster_look_around(c, -1);
}

/* What is known so far does not do any more; a newer answer will, even if it is on its way. */
static void distrust(struct node *n)
{
	if (n->doubt_us <= n->sent_us)
		n->doubt_us = n->sent_us + 1;
}

static bool is_fatal(enum cluster_failure f)
{
	return f == FAIL_REFUSED || f == FAIL_LOST || f == FAIL_TIMEOUT || f == FAIL_NOT_READY;
}

void cluster_on_failure(struct cluster *c, unsigned i, enum cluster_failure f, int64_t sent_us,
	int64_t now_us, const char *text)
{
	assert(i < c->n && f < FAIL_N);
	struct node *n = &c->node[i];
	cluster_advance(c, now_us);
	if (n->sampled && sent_us < n->sent_us && f != FAIL_LOST)
		return; /* a later question was answered */
	snprintf(n->fail_text, sizeof n->fail_text, "%s", text);
	n->ok_n = 0;
	if (f != FAIL_SLOW)
		n->fail_n++;
	if (is_fatal(f)) {
		n->sampled = n->has_facts = n->follows_holds = false;
		n->barrier_us = 0;
		replica_forget(c, i);
	}
	if (f == FAIL_REFUSED || f == FAIL_NOT_READY)
		lineage_stopped(c, i);
	distrust(n);
	if (n->fail_n >= DOWN_FAILURES || f == FAIL_TIMEOUT)
		set_health(c, i, HEALTH_DOWN);
	else if (n->health == HEALTH_UP)
		set_health(c, i, HEALTH_SUSPECT);
	if (n->health == HEALTH_SUSPECT)
		cluster_burst_begin(c);
	cluster_decide(c);
	cluster_look_around(c, -1);
}

static const char *signal_text(enum cluster_signal s)
{
	switch (s) {
	case SIGNAL_DEMOTED: return "it refuses writes";
	case SIGNAL_PROMOTED: return "it left recovery";
	case SIGNAL_SHUTDOWN: return "it shuts down";
	case SIGNAL_LOST: return "a connection was lost";
	case SIGNAL_NOT_READY: return "it is not ready";
	case SIGNAL_QUORUM: return "it lost its group";
	}
	return "?";
}

void cluster_on_signal(
	struct cluster *c, unsigned i, enum cluster_signal s, int64_t now_us, const char *text)
{
	assert(i < c->n);
	struct node *n = &c->node[i];
	cluster_advance(c, now_us);
	cluster_burst_begin(c);
	if (s != SIGNAL_PROMOTED && n->health != HEALTH_DOWN) {
		n->doubt_us = c->now_us;
		snprintf(n->fail_text, sizeof n->fail_text, "%s: %s", signal_text(s), text);
		if (n->health == HEALTH_UP && s != SIGNAL_DEMOTED)
			set_health(c, i, HEALTH_SUSPECT);
	} else if (s == SIGNAL_PROMOTED) {
		note_idle(c, i);
	}
	cluster_decide(c);
	cluster_look_around(c, -1);
}

void cluster_on_authority(struct cluster *c, const struct cluster_authority *a)
{
	struct cluster_authority *have = &c->authority;
	cluster_advance(c, a->recv_us);
	if (!a->reachable) {
		/* what it said stays true for authority_us */
		if (have->reachable && c->now_us - have->recv_us > c->o.authority_us)
			have->reachable = false;
	} else {
		if (have->reachable && a->sent_us < have->sent_us)
			return;
		if (strcmp(have->series, a->series) == 0 && a->rank < have->rank)
			return; /* a member that has not yet seen the newer view */
		c->reached_us = a->recv_us;
		*have = *a;
		if (have->leader >= (int)c->n)
			have->leader = -1;
		if (c->epoch && have->leader != c->primary)
			cluster_burst_begin(c);
	}
	cluster_decide(c);
	cluster_look_around(c, -1);
}

void cluster_on_ack(struct cluster *c, uint64_t epoch, struct pos *pos, int64_t now_us)
{
	cluster_advance(c, now_us);
	if (epoch == c->epoch && pos_add(&c->acked, pos) < 0)
		note_log(c, EVENT_CLUSTER_WARN, "an acknowledged position could not be kept");
	pos_fini(pos);
}

/* Silence is an observation, too. */
static void listen_to(struct cluster *c, unsigned i)
{
	struct node *n = &c->node[i];
	int64_t quiet_us = c->now_us - n->heard_us;
	if (n->health == HEALTH_DOWN || quiet_us <= c->o.suspect_us)
		return;
	if (n->fail_n == 0)
		snprintf(n->fail_text, sizeof n->fail_text, "no answer");
	if (n->health == HEALTH_UP)
		distrust(n);
	if (quiet_us > c->o.down_us)
		set_health(c, i, HEALTH_DOWN);
	else if (n->health == HEALTH_UP)
		set_health(c, i, HEALTH_SUSPECT);
}

void cluster_tick(struct cluster *c, int64_t now_us)
{
	cluster_advance(c, now_us);
	for (unsigned i = 0; i < c->n; i++)
		listen_to(c, i);
	if (c->switch_to >= 0 && c->now_us - c->switch_us > c->o.switch_us) {
		note_log(c, EVENT_SWITCHOVER_FAILED, "switchover to %s: nothing happened",
			c->node[c->switch_to].name);
		c->switch_to = -1;
	}
	cluster_decide(c);
	cluster_look_around(c, -1);
}
