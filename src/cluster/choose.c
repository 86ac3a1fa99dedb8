/* choose - which node may be primary, given what all of them said. A pure function of the
 * cluster: it changes nothing. The rules are those of doc/internals/cluster.md; a lower
 * timeline never wins, and two claimants that nothing decides between win neither. Control
 * thread. */
#include "cluster_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of a Galera member that does not tell what can be read there. */
#define SETTLED_US 1000000

bool choose_speaks(const struct cluster *c, const struct node *n)
{
	return n->sampled && n->sent_us >= n->doubt_us && c->now_us - n->recv_us <= c->o.down_us &&
	       n->health != HEALTH_DOWN;
}

/* A MySQL replica with read_only=0, the default, is none: it replicates. */
static bool replicates(const struct cluster *c, const struct node *n)
{
	if (c->o.kind != CLUSTER_MYSQL && c->o.kind != CLUSTER_MARIADB)
		return false;
	return n->facts.repl != UPSTREAM_NONE;
}

bool choose_claims(const struct cluster *c, const struct node *n)
{
	if (!choose_speaks(c, n) || !n->writable || !n->has_facts || n->fence == FENCE_WRONG)
		return false;
	switch (c->o.kind) {
	case CLUSTER_PG: return n->timeline > 0;
	case CLUSTER_MYSQL:
	case CLUSTER_MARIADB: /* a new claim counts once its replication was looked at */
		return !replicates(c, n) && (n->facts.sent_us >= n->claim_us ||
						    (c->primary >= 0 && n == &c->node[c->primary]));
	case CLUSTER_GR: return n->facts.member != MEMBER_OUT;
	case CLUSTER_GALERA: return n->facts.member == MEMBER_IN && !n->facts.read_only;
	}
	return false;
}

bool choose_authority_holds(const struct cluster *c)
{
	return c->o.authority && c->authority.reachable &&
	       c->now_us - c->authority.recv_us <= c->o.authority_us;
}

static void say(struct verdict *v, enum verdict_kind k, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct verdict *v, enum verdict_kind k, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof v->why, fmt, ap);
	va_end(ap);
	v->kind = k;
}

/* The present primary answers and takes writes; it is another question whether it may. */
static bool primary_claims(const struct cluster *c)
{
	return c->primary >= 0 && choose_claims(c, &c->node[c->primary]);
}

/* It is known to be gone: down, or it says itself that it takes no writes. */
static bool primary_gone(const struct cluster *c)
{
	if (c->primary < 0)
		return true;
	const struct node *p = &c->node[c->primary];
	/* before its facts are known, what it takes writes for is not */
	return p->health == HEALTH_DOWN || p->fence == FENCE_WRONG ||
	       (choose_speaks(c, p) && (p->has_facts || !p->writable) && !choose_claims(c, p));
}

static void keep_or_none(const struct cluster *c, struct verdict *v, const char *why)
{
	if (primary_claims(c))
		v->kind = VERDICT_KEEP;
	else if (!primary_gone(c))
		say(v, VERDICT_DOUBT, "%s does not answer: %s", c->node[c->primary].name,
			c->node[c->primary].fail_text);
	else
		say(v, VERDICT_NONE, "%s", why);
}

/* It was decided against its claim. On a timeline that it had not then that is another claim. */
static bool is_turned_down(const struct cluster *c, const struct node *n)
{
	return n->turned_down && (c->o.kind != CLUSTER_PG || n->timeline <= n->fence_timeline);
}

/* Claims to be primary beside another one, and nothing was decided. A moment of silence does
 * not end that: only a no, or its end. */
static bool rivals(const struct cluster *c, const struct node *n)
{
	if (is_turned_down(c, n))
		return false;
	return choose_claims(c, n) || (n->fence == FENCE_RIVAL && n->writable &&
					      n->health != HEALTH_DOWN && !choose_speaks(c, n));
}

/* ---- moves ---- */

static bool flapping(const struct cluster *c)
{
	unsigned max = c->o.moves_max;
	return max && max <= sizeof c->moves_us / sizeof c->moves_us[0] &&
	       c->moves_us[max - 1] != 0 && c->now_us - c->moves_us[max - 1] < c->o.moves_us;
}

/* Most of the standbys that answer stream from its timeline. */
static bool majority_follows(const struct cluster *c, unsigned q)
{
	unsigned up = 0, follow = 0;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (i == q || !choose_speaks(c, n) || n->writable || n->fence == FENCE_WRONG)
			continue;
		up++;
		follow += n->has_facts && n->facts.repl == UPSTREAM_RUNS &&
			  n->facts.timeline == c->node[q].timeline;
	}
	return up == 0 || follow * 2 > up;
}

static void move_unless_flapping(
	const struct cluster *c, struct verdict *v, unsigned q, const char *evidence)
{
	if (c->epoch && (int)q != c->primary && flapping(c))
		say(v, VERDICT_NONE,
			"%s claims to be primary, but there were %u changes already and no "
			"authority confirms this one: PROMOTED accepts it",
			c->node[q].name, c->o.moves_max);
	else {
		v->node = q;
		say(v, VERDICT_MOVE, "%s", evidence);
	}
}

/* ---- PostgreSQL ---- */

/* The highest timeline that anybody follows or writes. */
static uint32_t highest_timeline(const struct cluster *c)
{
	uint32_t high = 0;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (n->fence != FENCE_NONE)
			continue;
		if (n->follows > high)
			high = n->follows;
		if (choose_claims(c, n) && n->timeline > high)
			high = n->timeline;
	}
	return high;
}

/* One that an operator turned down must show a timeline that it did not have then. */
static bool pg_candidate(const struct cluster *c, const struct node *n)
{
	return choose_claims(c, n) && (n->fence == FENCE_NONE || n->timeline > n->fence_timeline);
}

static void pg_first(const struct cluster *c, struct verdict *v, unsigned q, unsigned equal)
{
	const struct node *n = &c->node[q];
	if (equal > 1)
		say(v, VERDICT_SPLIT, "%u nodes are writable on timeline %u", equal, n->timeline);
	else if (n->timeline < highest_timeline(c))
		say(v, VERDICT_NONE,
			"%s is writable on timeline %u, but others follow timeline %u: it is an "
			"old primary",
			n->name, n->timeline, highest_timeline(c));
	else {
		char ev[160];
		snprintf(ev, sizeof ev, "%s is writable on timeline %u", n->name, n->timeline);
		move_unless_flapping(c, v, q, ev);
	}
}

/* Nobody is above the timeline of the epoch. */
static void pg_same_timeline(const struct cluster *c, struct verdict *v)
{
	const struct node *rival = NULL;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if ((int)i != c->primary && rivals(c, n) && n->timeline == c->timeline)
			rival = n;
	}
	if (rival && primary_claims(c))
		say(v, VERDICT_SPLIT, "%s and %s are both writable on timeline %u",
			c->node[c->primary].name, rival->name, c->timeline);
	else if (primary_claims(c) && !c->forced && highest_timeline(c) > c->timeline)
		say(v, VERDICT_NONE,
			"a standby follows timeline %u, %s writes timeline %u: there is a newer "
			"primary that is not seen",
			highest_timeline(c), c->node[c->primary].name, c->timeline);
	else if (rival)
		keep_or_none(c, v, "the node that is writable has the lost primary's timeline");
	else
		keep_or_none(c, v, "no node is writable on a newer timeline");
}

/* At the start: those that were found beside each other are no candidates any more. */
static void pg_nobody(const struct cluster *c, struct verdict *v)
{
	say(v, VERDICT_NONE, "no node is writable");
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (n->fence == FENCE_RIVAL && rivals(c, n))
			say(v, VERDICT_SPLIT,
				"%s is writable, but was so beside another on timeline %u: "
				"PROMOTED says which",
				n->name, n->timeline);
	}
}

static void choose_pg(const struct cluster *c, struct verdict *v)
{
	int q = -1;
	unsigned equal = 0;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (!pg_candidate(c, n) || (c->epoch && n->timeline <= c->timeline))
			continue;
		if (q < 0 || n->timeline > c->node[q].timeline) {
			q = (int)i;
			equal = 1;
		} else if (n->timeline == c->node[q].timeline) {
			equal++;
		}
	}
	if (!c->epoch && q < 0) {
		pg_nobody(c, v);
		return;
	}
	if (q < 0) {
		pg_same_timeline(c, v);
		return;
	}
	if (c->o.confirm_majority && equal == 1 && !majority_follows(c, (unsigned)q)) {
		say(v, VERDICT_NONE,
			"%s is writable on timeline %u; most standbys do not follow it",
			c->node[q].name, c->node[q].timeline);
		return;
	}
	pg_first(c, v, (unsigned)q, equal);
}

/* ---- MySQL and MariaDB without a group ---- */

/* Does q hold all that we know the lost primary to have told its clients? */
static uint64_t lacks(const struct cluster *c, const struct node *q)
{
	const struct pos *last = fresh_last(&c->history);
	uint64_t n = last ? pos_missing(&q->pos, last) : 0;
	if (c->acked.kind != POS_NONE) {
		uint64_t acked = pos_missing(&q->pos, &c->acked);
		n = acked > n ? acked : n;
	}
	return n;
}

static bool is_upstream(const struct node *n, const char *upstream)
{
	char at[sizeof n->host + 8];
	snprintf(at, sizeof at, "%s:%u", n->host, n->port);
	return (n->has_facts && *n->facts.server && strcmp(n->facts.server, upstream) == 0) ||
	       strcmp(at, upstream) == 0;
}

/* At the start: a replica that follows a server which is not seen speaks against q, unless
 * another one follows q. */
static const struct node *witness_against(const struct cluster *c, unsigned q)
{
	const struct node *witness = NULL;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		bool seen = false;
		if (i == q || !choose_speaks(c, n) || !n->has_facts || !*n->facts.upstream)
			continue;
		if (is_upstream(&c->node[q], n->facts.upstream))
			return NULL;
		for (unsigned k = 0; k < c->n; k++)
			seen = seen || (choose_speaks(c, &c->node[k]) &&
					       is_upstream(&c->node[k], n->facts.upstream));
		if (!seen)
			witness = n;
	}
	return witness;
}

/* A rival may follow a primary that says itself that it takes no writes, if it has them all. */
static bool may_follow(const struct cluster *c, const struct node *n)
{
	if (n->fence == FENCE_NONE)
		return true;
	if (n->fence != FENCE_RIVAL || c->primary < 0)
		return false;
	const struct node *p = &c->node[c->primary];
	return choose_speaks(c, p) && !p->writable && pos_includes(&n->pos, &p->pos);
}

static void gtid_accept(const struct cluster *c, struct verdict *v, unsigned q)
{
	const struct node *n = &c->node[q];
	const struct node *other = c->epoch ? NULL : witness_against(c, q);
	uint64_t lack = lacks(c, n);
	char ev[200];
	if (other) {
		say(v, VERDICT_NONE,
			"%s is writable, but %s replicates from another server, which is not seen",
			n->name, other->name);
		return;
	}
	if (lack && !c->o.allow_lossy) {
		say(v, VERDICT_NONE,
			"%s is writable, but lacks %llu transactions of the lost primary: "
			"allow_lossy_failover or PROMOTED accepts that",
			n->name, (unsigned long long)lack);
		return;
	}
	snprintf(ev, sizeof ev, "%s is writable and replicates from nobody%s", n->name,
		lack ? "; it LACKS transactions of the lost primary" : "");
	v->lossy = lack > 0;
	move_unless_flapping(c, v, q, ev);
}

static void choose_gtid(const struct cluster *c, struct verdict *v)
{
	int q = -1;
	unsigned others = 0;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if ((int)i == c->primary || n->fence == FENCE_OLD)
			continue;
		if (!rivals(c, n) && !(choose_claims(c, n) && may_follow(c, n)))
			continue;
		q = (int)i;
		others++;
	}
	if (q >= 0 && (primary_claims(c) || others > 1)) {
		const char *p = primary_claims(c) ? c->node[c->primary].name : "another node";
		say(v, VERDICT_SPLIT, "%s and %s are both writable", p, c->node[q].name);
	} else if (q < 0 || !primary_gone(c)) {
		keep_or_none(c, v, "no other node is writable");
	} else if (!choose_claims(c, &c->node[q]) || !may_follow(c, &c->node[q])) {
		say(v, VERDICT_NONE,
			"%s is writable, but was so beside the lost primary: PROMOTED accepts it",
			c->node[q].name);
	} else {
		gtid_accept(c, v, (unsigned)q);
	}
}

/* ---- Galera: any member may write, we choose one; the first of the list, as others will ---- */

/* The writer is good, and nobody wants another one. */
static bool writer_stays(const struct cluster *c)
{
	const struct node *w = c->wanted >= 0 ? &c->node[c->wanted] : NULL;
	if (w && c->wanted != c->primary && choose_claims(c, w) && w->fence == FENCE_NONE)
		return false;
	return primary_claims(c) || (!primary_gone(c) && !c->left_us);
}

/* Has all that the writer before it can have acknowledged: it was asked for that after that one's
 * connections had been closed. What is released to be committed is visible a moment later. */
static bool has_everything(const struct cluster *c, const struct node *n)
{
	if (!c->epoch)
		return true;
	if (!c->left_us || n->barrier_us <= c->left_us || n->sent_us <= n->barrier_recv_us)
		return false;
	return pos_includes(&n->visible, &n->pos) || c->now_us - n->barrier_recv_us >= SETTLED_US;
}

static int galera_candidate(const struct cluster *c)
{
	int first = -1;
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (!choose_claims(c, n) || n->admin != ADMIN_NONE || n->fence != FENCE_NONE)
			continue;
		/* the writer itself, while it is left for another one */
		if ((int)i == c->primary && c->wanted >= 0)
			continue;
		if ((int)i == c->wanted)
			return (int)i;
		first = first < 0 ? (int)i : first;
	}
	return first;
}

static void choose_galera(const struct cluster *c, struct verdict *v)
{
	if (writer_stays(c)) {
		keep_or_none(c, v, "");
		return;
	}
	int i = galera_candidate(c);
	if (i < 0) {
		say(v, VERDICT_NONE, "no node is a synced member of the primary component");
		return;
	}
	const struct node *n = &c->node[i];
	if (!has_everything(c, n)) {
		v->leave = true;
		say(v, VERDICT_NONE, "%s is next; it is asked for all that was committed", n->name);
		return;
	}
	char ev[160];
	snprintf(ev, sizeof ev, "%s is %s synced member of the primary component, configuration %s",
		n->name, i == c->wanted ? "the wanted" : "the first", n->facts.group_view);
	v->node = (unsigned)i;
	say(v, VERDICT_MOVE, "%s", ev);
}

/* ---- with somebody who says who should be ---- */

/* A node that claims since after the authority was asked makes its answer old: ask again first.
 * */
static const struct node *outdates(const struct cluster *c, unsigned leader)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		if (i != leader && choose_claims(c, n) && n->fence == FENCE_NONE &&
			(c->o.kind != CLUSTER_PG || n->timeline > c->timeline) &&
			n->claim_us > c->authority.sent_us)
			return n;
	}
	return NULL;
}

static void choose_by_authority(const struct cluster *c, struct verdict *v)
{
	unsigned l = (unsigned)c->authority.leader;
	const struct node *n = &c->node[l], *newer = outdates(c, l);
	v->by_authority = true;
	if (!choose_claims(c, n)) {
		if ((int)l == c->primary)
			keep_or_none(c, v, "the authority names the node that was lost; waiting");
		else
			say(v, VERDICT_NONE, "the authority names %s, which is not writable yet",
				n->name);
	} else if (c->o.kind == CLUSTER_PG && c->epoch && n->timeline < c->timeline) {
		say(v, VERDICT_NONE, "the authority names %s, but its timeline %u is older than %u",
			n->name, n->timeline, c->timeline);
	} else if ((int)l != c->primary || n->timeline > c->timeline) {
		v->node = l;
		if (c->o.kind == CLUSTER_PG)
			say(v, VERDICT_MOVE, "%s is writable on timeline %u, and leader says %s",
				n->name, n->timeline, c->authority.text);
		else
			say(v, VERDICT_MOVE, "%s is writable, and primary says %s", n->name,
				c->authority.text);
	} else if (newer) {
		say(v, VERDICT_DOUBT, "%s claims to be primary too; asking the authority",
			newer->name);
	} else {
		v->kind = VERDICT_KEEP;
	}
}

void choose(const struct cluster *c, struct verdict *v_r)
{
	*v_r = (struct verdict){ .kind = VERDICT_NONE };
	if (c->cut) {
		say(v_r, VERDICT_NONE, "the authority has not been reached for too long");
		return;
	}
	if ((!c->epoch || c->inherited) && !c->settled) {
		say(v_r, VERDICT_NONE, "not every node has been asked yet");
		return;
	}
	if (choose_authority_holds(c) && c->authority.leader >= 0) {
		choose_by_authority(c, v_r);
		return;
	}
	switch (c->o.kind) {
	case CLUSTER_PG: choose_pg(c, v_r); break;
	case CLUSTER_MYSQL:
	case CLUSTER_MARIADB: choose_gtid(c, v_r); break;
	case CLUSTER_GR: keep_or_none(c, v_r, "no view with a majority names a primary"); break;
	case CLUSTER_GALERA: choose_galera(c, v_r); break;
	}
	/* Its key in the store has run out: whoever takes it now may lack what is written here. */
	if (choose_authority_holds(c) && v_r->kind == VERDICT_KEEP)
		say(v_r, VERDICT_DOUBT, "%s names no leader", c->authority.text);
}
