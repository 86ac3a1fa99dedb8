/* The state machine of clusters against a small world: servers that die, come back, are
 * promoted by somebody, are cut off; an authority; probes with delays; a client that writes and
 * a reader that asks every replica whether its token may be read there. A fake clock, random
 * schedules.
 *
 * Always true: one writable primary at most; a lower timeline never wins; who was replaced is not
 * primary again before it followed; two equal claimants get no writes; an acknowledged write that
 * still exists is never missing on a replica that the token allows; few changes without
 * authority. Other schedules by SEED (seed.h); CLUSTER_TRACE=1 shows the log. */
#include "../unit/seed.h"
#include "cluster/cluster.h"
#include "cluster/token.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000
#define S 1000000
#define NODES 3
#define WRITES 60000

enum setup { PG_ALONE, PG_PATRONI, MY_GTID, MARIA_GTID, MY_GROUP, SETUPS };
static const char *const setup_name[] = { "pg", "patroni", "gtid", "maria", "group" };

struct server {
	bool alive, cut;                /* cut: we do not reach it */
	bool writable, paused, follows; /* follows: replicates from the leader of its lineage */
	int upstream;
	uint32_t timeline;
	int log[WRITES]; /* ids of writes, in order; the source is in id % NODES */
	int log_n;
	bool agent; /* Patroni runs, or the member is in the group */
	int64_t ready_us;
	/* probes */
	int64_t next_fast, next_slow;
	bool was_replica; /* since it was last primary for us */
};
static struct server srv[NODES];

struct answer { /* on its way to us */
	bool used, fast;
	unsigned node;
	int64_t at;
	struct cluster_sample s;
	struct cluster_facts f;
	enum cluster_failure fail;
	bool failed;
	int64_t sent;
};
static struct answer mail[64];

static struct cluster *c;
static enum setup setup;
static unsigned seed, first_seed;
static int64_t now;
static int lock_holder; /* Patroni */
static int64_t lock_until;
static uint64_t group_view; /* of the group */
static int group_primary;
static uint32_t top_timeline;
static int ids;
static int64_t next_authority;
static int64_t clash_since; /* two equal claimants, both seen */
static int64_t moves[64], moves_n;
static uint64_t last_epoch;
static int last_primary;
static bool operated; /* an operator's PROMOTED: the next epoch is his */

static bool by_gtid(void)
{
	return setup == MY_GTID || setup == MARIA_GTID;
}
static unsigned rnd(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}
#define check(cond, ...) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "SEED=%u %s t=%lld ms: ", first_seed, setup_name[setup], \
				(long long)(now / MS)); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
			cr_assert(cond, "SEED=%u", first_seed); \
		} \
	} while (0)

static void trace(const char *what, int i)
{
	if (getenv("CLUSTER_TRACE"))
		printf("%8lld  world: %s %d\n", (long long)(now / MS), what, i);
}

/* ---- the world ---- */

static bool has_write(const struct server *s, int id)
{
	for (int i = s->log_n - 1; i >= 0; i--) {
		if (s->log[i] == id)
			return true;
	}
	return false;
}
static bool prefix(const struct server *of, const struct server *s)
{
	return s->log_n <= of->log_n &&
	       memcmp(s->log, of->log, (size_t)s->log_n * sizeof(int)) == 0;
}
static void promote(int i)
{
	trace("promote", i);
	srv[i].writable = true;
	srv[i].follows = false;
	srv[i].timeline = srv[i].timeline + 1;
	if (srv[i].timeline > top_timeline)
		top_timeline = srv[i].timeline;
}
/* Replication: some steps towards the upstream, if it is reachable and our log is its prefix. */
static void replicate(int i)
{
	struct server *s = &srv[i];
	if (!s->alive || s->writable || !s->follows || s->paused || s->upstream == i)
		return;
	const struct server *u = &srv[s->upstream];
	if (!u->alive || now < u->ready_us || !prefix(u, s))
		return;
	if (u->timeline > s->timeline)
		s->timeline = u->timeline;
	for (unsigned n = rnd(4); n && s->log_n < u->log_n; n--, s->log_n++)
		s->log[s->log_n] = u->log[s->log_n];
}
static void follow(int i, int up)
{
	struct server *s = &srv[i];
	s->writable = false;
	s->follows = true;
	s->upstream = up;
}
/* pg_rewind, or a new copy: it is restarted on what the new upstream has. */
static void rebuild(int i, int up)
{
	struct server *s = &srv[i];
	trace("rebuild", i);
	follow(i, up);
	s->alive = true;
	s->agent = true;
	s->ready_us = now + 300 * MS;
	int same = 0;
	while (same < s->log_n && same < srv[up].log_n && s->log[same] == srv[up].log[same])
		same++;
	s->log_n = same;
	s->timeline = srv[up].timeline;
}
static bool up(int i)
{
	return srv[i].alive && now >= srv[i].ready_us;
}
static int best_replica(int except)
{
	int best = -1;
	for (int i = 0; i < NODES; i++) {
		if (i != except && up(i) && srv[i].agent && !srv[i].writable &&
			(best < 0 || srv[i].log_n > srv[best].log_n))
			best = i;
	}
	return best;
}
static void patroni_step(void)
{
	if (lock_holder >= 0 && srv[lock_holder].alive && srv[lock_holder].agent &&
		srv[lock_holder].writable)
		lock_until = now + 5 * S;
	if (now < lock_until)
		return;
	int q = best_replica(-1);
	if (q < 0)
		return;
	lock_holder = q;
	lock_until = now + 5 * S;
	if (srv[q].timeline < top_timeline)
		srv[q].timeline = top_timeline; /* Patroni lets only up to date ones win */
	promote(q);
	for (int i = 0; i < NODES; i++) {
		if (i != q && srv[i].alive && srv[i].agent) {
			if (srv[i].writable || !prefix(&srv[q], &srv[i]))
				rebuild(i, q);
			else
				follow(i, q);
		}
	}
}
static void group_step(void)
{
	int in = 0;
	for (int i = 0; i < NODES; i++)
		in += up(i) && srv[i].agent;
	if (in < 2)
		return;
	if (group_primary >= 0 && up(group_primary) && srv[group_primary].agent)
		return;
	int q = best_replica(-1);
	if (q < 0 || rnd(20))
		return;
	group_view++;
	group_primary = q;
	srv[q].writable = true;
	srv[q].follows = false;
	trace("group elects", q);
	for (int i = 0; i < NODES; i++) {
		if (i != q && srv[i].alive && srv[i].agent)
			follow(i, q);
	}
}

static void disturb(void)
{
	int i = (int)rnd(NODES), p = -1;
	for (int k = 0; k < NODES; k++) {
		if (srv[k].writable && srv[k].alive)
			p = k;
	}
	switch (rnd(13)) {
	case 0:
	case 1:
		trace("kill", i);
		srv[i].alive = false;
		break;
	case 2:
		if (!srv[i].alive) {
			trace("restart", i);
			srv[i].alive = true;
			srv[i].ready_us = now + rnd(1000) * MS;
			if (setup == MY_GROUP) {
				if (group_primary >= 0 && group_primary != i)
					rebuild(i, group_primary);
				srv[i].agent = true;
			}
		}
		break;
	case 3:
		trace("cut off or back", i);
		srv[i].cut = !srv[i].cut;
		break;
	case 4: srv[i].paused = !srv[i].paused; break;
	case 5:
	case 6: /* a human, or a script, promotes; sometimes beside a primary that lives */
		if ((setup == PG_ALONE || by_gtid()) && up(i) && !srv[i].writable &&
			(p < 0 || rnd(4) == 0)) {
			promote(i);
			for (int k = 0; k < NODES && rnd(2); k++) {
				if (k != i && srv[k].alive && !srv[k].writable &&
					prefix(&srv[i], &srv[k]))
					follow(k, i);
			}
		}
		break;
	case 7:
		if ((setup == PG_PATRONI) && srv[i].agent) {
			trace("agent stops", i); /* without a watchdog: the server lives on */
			srv[i].agent = false;
		} else {
			srv[i].agent = true;
			if (setup == PG_PATRONI && lock_holder >= 0 && lock_holder != i &&
				srv[i].writable)
				rebuild(i, lock_holder);
		}
		break;
	case 8:
		if (setup == MY_GROUP && i == group_primary) {
			trace("expelled", i); /* it does not know yet and claims on */
			srv[i].agent = false;
		}
		break;
	case 9:
	case 10:
		if (p >= 0 && p != i && setup != PG_PATRONI && setup != MY_GROUP)
			rebuild(i, p);
		break;
	case 11: cluster_on_signal(c, (unsigned)i, (enum cluster_signal)rnd(6), now, "test"); break;
	}
}

/* ---- what probes see ---- */

static struct answer *post(unsigned node, bool fast)
{
	for (unsigned i = 0; i < sizeof mail / sizeof mail[0]; i++) {
		if (!mail[i].used) {
			mail[i] = (struct answer){
				.used = true, .fast = fast, .node = node, .sent = now
			};
			mail[i].at = now + (1 + rnd(rnd(20) ? 5 : 120)) * MS;
			return &mail[i];
		}
	}
	cr_assert(false, "mail");
	return NULL;
}
static void position(const struct server *s, struct pos *p_r)
{
	if (setup == PG_ALONE || setup == PG_PATRONI) {
		pos_set_lsn(p_r, 1000 + 100 * (uint64_t)s->log_n);
		return;
	}
	struct buf b;
	int n[NODES] = { 0 };
	buf_init(&b, 0);
	if (setup == MARIA_GTID) {
		if (s->log_n)
			buf_printf(&b, "0-%d-%d", s->log[s->log_n - 1] % NODES + 1, s->log_n);
		cr_assert_eq(pos_parse_mariadb((char *)buf_data(&b), buf_len(&b), p_r, NULL), 0);
		buf_fini(&b);
		return;
	}
	for (int i = 0; i < s->log_n; i++)
		n[s->log[i] % NODES]++;
	for (int i = 0; i < NODES; i++) {
		if (n[i])
			buf_printf(&b, "%s0000000%d-0000-0000-0000-000000000000:1-%d",
				buf_len(&b) ? "," : "", i + 1, n[i]);
	}
	cr_assert_eq(pos_parse_gtid((char *)buf_data(&b), buf_len(&b), p_r, NULL), 0);
	buf_fini(&b);
}
/* The state is read when the server answers: somewhere between sent and received. */
static void probe_fast(unsigned i)
{
	struct server *s = &srv[i];
	struct answer *a = post(i, true);
	if (s->cut) {
		a->failed = true;
		a->fail = FAIL_TIMEOUT;
		a->at = now + S;
		s->next_fast = a->at;
		return;
	}
	if (!up((int)i)) {
		a->failed = true;
		a->fail = rnd(2) ? FAIL_REFUSED : FAIL_LOST;
		return;
	}
	bool pg = setup == PG_ALONE || setup == PG_PATRONI;
	a->s = (struct cluster_sample){ .sent_us = now,
		.recv_us = a->at,
		.writable = s->writable,
		.timeline = pg && s->writable ? s->timeline : 0 };
	position(s, &a->s.pos);
}
static void probe_slow(unsigned i)
{
	struct server *s = &srv[i];
	if (s->cut || !up((int)i))
		return;
	struct answer *a = post(i, false);
	bool pg = setup == PG_ALONE || setup == PG_PATRONI;
	a->f = (struct cluster_facts){ .sent_us = now, .recv_us = a->at, .paused = s->paused };
	snprintf(a->f.system, sizeof a->f.system, pg ? "4711" : setup == MY_GROUP ? "group" : "");
	snprintf(a->f.server, sizeof a->f.server, "uuid-%u", i);
	const struct server *u = &srv[s->upstream];
	bool runs = s->follows && !s->writable && u->alive && prefix(u, s);
	a->f.repl = runs                         ? UPSTREAM_RUNS
		    : s->follows && !s->writable ? UPSTREAM_STOPPED
						 : UPSTREAM_NONE;
	if (pg && runs)
		a->f.timeline = s->timeline;
	if (s->follows && !s->writable)
		snprintf(a->f.upstream, sizeof a->f.upstream, "uuid-%d", s->upstream);
	a->f.member = setup == MY_GROUP && s->agent ? MEMBER_IN : MEMBER_UNKNOWN;
	if (setup == MY_GROUP && i == (unsigned)group_primary)
		a->f.member = MEMBER_IN;
}
static void look(void);
static void tell(const struct cluster_authority *a)
{
	cluster_on_authority(c, a);
	look();
}
static void ask_authority(void)
{
	struct cluster_authority a = { .sent_us = now, .recv_us = now, .leader = -1 };
	if (setup == PG_PATRONI) {
		for (int i = 0; i < NODES; i++)
			a.reachable = a.reachable || (srv[i].agent && !srv[i].cut && srv[i].alive);
		a.leader = now < lock_until ? lock_holder : -1;
		snprintf(a.text, sizeof a.text, "Patroni");
		tell(&a);
		return;
	}
	for (int i = 0; i < NODES; i++) {
		if (!up(i) || srv[i].cut)
			continue;
		a.reachable = true;
		snprintf(a.series, sizeof a.series, "s");
		snprintf(a.text, sizeof a.text, "the view of server %d", i);
		/* one that was expelled shows its last view */
		a.rank = srv[i].agent ? group_view : group_view - 1;
		a.leader = srv[i].agent ? group_primary : i;
		if (a.leader >= 0 && (srv[i].agent || srv[i].writable))
			tell(&a);
	}
}

/* ---- the client ---- */

static struct token token;
static int last_id = -1;

static void client_writes(void)
{
	const struct cluster_view *v = cluster_view(c);
	if (v->writes != WRITES_OPEN || v->primary < 0)
		return;
	struct server *s = &srv[v->primary];
	if (s->cut || !up(v->primary) || !s->writable || s->log_n == WRITES)
		return;
	int id = ids++ * NODES + v->primary;
	s->log[s->log_n++] = id;
	last_id = id;
	token_wrote(&token, NULL, now + 1); /* samples of this step were taken before */
}
/* On a replica the write must be there, unless it was lost with its primary. */
static void reader_asks(void)
{
	const struct cluster_view *v = cluster_view(c);
	struct token_need need = { .level = TOKEN_SESSION };
	if (last_id < 0 || v->primary < 0 || !has_write(&srv[v->primary], last_id))
		return;
	uint32_t mask = token_mask(&token, &need, v, now, NULL);
	for (unsigned i = 0; i < NODES; i++) {
		if (mask >> i & 1 && up((int)i) && !srv[i].cut)
			check(has_write(&srv[i], last_id), "stale read on %u", i);
	}
}

/* ---- what must hold ---- */

static void look(void)
{
	const struct cluster_view *v = cluster_view(c);
	if (v->epoch != last_epoch) {
		check(v->epoch == last_epoch + 1, "an epoch was skipped");
		bool by_authority = strstr(v->evidence, "says") || strstr(v->evidence, "operator");
		if (last_primary >= 0 && v->primary != last_primary && !by_authority) {
			if (moves_n == 64)
				memmove(moves, moves + 1, (size_t)--moves_n * sizeof moves[0]);
			moves[moves_n++] = now;
			int recent = 0;
			for (int k = 0; k < moves_n; k++)
				recent += now - moves[k] < 600 * S;
			check(recent <= 3, "%d changes in 10 minutes", recent);
		}
		/* PostgreSQL's timelines are looked at below; a group decides by itself */
		if (last_primary >= 0 && v->primary != last_primary && !operated && by_gtid())
			check(srv[v->primary].was_replica, "%d was replaced and did not follow",
				v->primary);
		last_epoch = v->epoch;
		operated = false;
		if (v->primary >= 0) {
			last_primary = v->primary;
			srv[v->primary].was_replica = false;
		}
	}
	struct cluster_action a;
	while (cluster_next_action(c, &a)) {
		if (a.kind == CLUSTER_DO_LOG && getenv("CLUSTER_TRACE"))
			printf("%8lld %s\n", (long long)(now / MS), a.text);
	}
}
static uint32_t highest_accepted;
static void look_timeline(void)
{
	const struct cluster_view *v = cluster_view(c);
	if ((setup != PG_ALONE && setup != PG_PATRONI) || v->writes != WRITES_OPEN)
		return;
	const char *at = strstr(v->evidence, "timeline ");
	if (!at) {
		highest_accepted = 0; /* an operator may go back */
		return;
	}
	uint32_t t = (uint32_t)strtoul(at + 9, NULL, 10);
	check(t >= highest_accepted, "timeline %u after %u", t, highest_accepted);
	highest_accepted = t;
}
/* Two that are equal and both seen for a second: no writes, unless it was decided. */
static void look_split(void)
{
	int claims = 0;
	for (int i = 0; i < NODES; i++) {
		bool equal = setup == PG_ALONE ? srv[i].timeline == top_timeline : by_gtid();
		claims += up(i) && !srv[i].cut && srv[i].writable && equal;
	}
	if (claims < 2)
		clash_since = now;
	const struct cluster_view *v = cluster_view(c);
	if (now - clash_since <= 3 * S || v->writes != WRITES_OPEN)
		return;
	bool decided = strstr(v->evidence, "operator") != NULL;
	for (int i = 0; i < NODES; i++) /* who was replaced is no equal, until it followed */
		decided = decided || (by_gtid() && i != v->primary && srv[i].writable &&
					     strstr(v->node[i].why, "was primary") != NULL);
	check(decided, "writes with two claimants");
}

static void step(void)
{
	now += 5 * MS;
	for (int i = 0; i < NODES; i++) {
		replicate(i);
		if (srv[i].follows && !srv[i].writable)
			srv[i].was_replica = true;
	}
	if (setup == PG_PATRONI)
		patroni_step();
	if (setup == MY_GROUP)
		group_step();
	int64_t every = cluster_burst(c) ? 20 * MS : 50 * MS;
	for (unsigned i = 0; i < NODES; i++) {
		if (now >= srv[i].next_fast) {
			srv[i].next_fast = now + every;
			probe_fast(i);
		}
		if (now >= srv[i].next_slow) {
			srv[i].next_slow = now + (cluster_burst(c) ? 100 : 1000) * MS;
			probe_slow(i);
		}
	}
	if ((setup == PG_PATRONI || setup == MY_GROUP) && now >= next_authority) {
		next_authority = now + (cluster_burst(c) ? 100 : 1000) * MS;
		ask_authority();
	}
	for (unsigned i = 0; i < sizeof mail / sizeof mail[0]; i++) {
		struct answer *a = &mail[i];
		if (!a->used || a->at > now)
			continue;
		a->used = false;
		if (a->failed)
			cluster_on_failure(c, a->node, a->fail, a->sent, now, "test");
		else if (a->fast)
			cluster_on_sample(c, a->node, &a->s);
		else
			cluster_on_facts(c, a->node, &a->f);
		look();
		look_timeline();
		reader_asks();
	}
	cluster_tick(c, now);
	look();
	look_split();
	if (rnd(4) == 0)
		client_writes();
	reader_asks();
}

static void begin(enum setup what, unsigned with)
{
	static const struct cluster_node_opts nodes[NODES] = { { "a", "a", 1, 1, 0 },
		{ "b", "b", 1, 1, 0 }, { "c", "c", 1, 1, 0 } };
	static const enum cluster_kind kinds[] = { CLUSTER_PG, CLUSTER_PG, CLUSTER_MYSQL,
		CLUSTER_MARIADB, CLUSTER_GR };
	setup = what;
	seed = first_seed = with;
	memset(srv, 0, sizeof srv);
	memset(mail, 0, sizeof mail);
	now = 1000 * (int64_t)S;
	struct cluster_opts o = { .name = setup_name[what],
		.kind = kinds[what],
		.authority = what == PG_PATRONI || what == MY_GROUP };
	for (int i = 0; i < NODES; i++) {
		srv[i] = (struct server){ .alive = true,
			.agent = true,
			.timeline = 1,
			.follows = i > 0,
			.writable = i == 0,
			.was_replica = true };
	}
	top_timeline = 1;
	lock_holder = group_primary = 0;
	lock_until = now + 5 * S;
	group_view = 10;
	highest_accepted = 0;
	last_epoch = 0;
	last_primary = last_id = -1;
	ids = 1;
	moves_n = 0;
	clash_since = now;
	next_authority = 0;
	token = (struct token){ 0 };
	c = cluster_new(&o, nodes, NODES, now);
	cr_assert(c);
}
static void end(void)
{
	for (unsigned i = 0; i < sizeof mail / sizeof mail[0]; i++) {
		if (mail[i].used && mail[i].fast && !mail[i].failed)
			pos_fini(&mail[i].s.pos);
	}
	cluster_free(&c);
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
static void run_for(int64_t us)
{
	for (int64_t until = now + us; now < until;)
		step();
}

/* One primary that is ahead of all, the others follow it, everything reachable: it must be found,
 * at the latest when an operator says so. */
static void heal(void)
{
	int best = setup == PG_PATRONI ? lock_holder : setup == MY_GROUP ? group_primary : -1;
	trace("heal", best);
	for (int i = 0; i < NODES; i++) {
		srv[i].cut = srv[i].paused = false;
		srv[i].alive = srv[i].agent = true;
		srv[i].ready_us = now;
		if (best < 0 ||
			(setup != PG_PATRONI && setup != MY_GROUP &&
				(srv[i].timeline > srv[best].timeline || !srv[best].writable)))
			best = i;
	}
	if (!srv[best].writable || setup == PG_ALONE || by_gtid()) {
		srv[best].timeline = top_timeline;
		promote(best);
	}
	for (int i = 0; i < NODES; i++) {
		if (i != best)
			rebuild(i, best);
	}
	lock_holder = group_primary = best;
	group_view++;
	run_for(8 * S);
	struct err e;
	operated = true;
	if (cluster_view(c)->state != CLUSTER_NORMAL)
		check(cluster_promoted(c, (unsigned)best, now, &e) == 0, "%s", e.msg);
	for (unsigned i = 0; i < NODES; i++) /* of a rebuilt one that nobody has seen down */
		cluster_resume(c, i, now);
	run_for(20 * S);
	const struct cluster_view *v = cluster_view(c);
	check(v->state == CLUSTER_NORMAL && v->primary == best, "healed: %s %d (%d) %s",
		cluster_state_name(v->state), v->primary, best, v->why);
	for (unsigned i = 0; i < NODES; i++)
		check((int)i == best || (v->node[i].reads && v->node[i].fresh == FRESH_OK),
			"%u does not serve: %s %s %s", i, node_state_name(v->node[i].state),
			fresh_state_name(v->node[i].fresh), v->node[i].why);
}

static void schedule(unsigned with, void *what)
{
	begin(*(enum setup *)what, with);
	run_for(4 * S);
	check(cluster_view(c)->state == CLUSTER_NORMAL, "the start");
	for (int i = 0; i < 25; i++) {
		disturb();
		run_for((int64_t)rnd(6000) * MS);
	}
	heal();
	end();
}

static void schedules(enum setup what)
{
	seed_each(30, schedule, &what);
}

Test(cluster_model, pg)
{
	schedules(PG_ALONE);
}
Test(cluster_model, patroni)
{
	schedules(PG_PATRONI);
}
Test(cluster_model, gtid)
{
	schedules(MY_GTID);
}
Test(cluster_model, maria)
{
	schedules(MARIA_GTID);
}
Test(cluster_model, group)
{
	schedules(MY_GROUP);
}
