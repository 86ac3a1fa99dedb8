/* cluster: the rules of who is primary, one by one. test/model has the random schedules. */
#include "cluster/cluster.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MS 1000
#define U(i) "0000000" #i "-0000-0000-0000-000000000000"

static struct cluster *c;
static int64_t now = 1000000000;
static uint32_t fenced, idled;
static char said[4000];

static void actions(void)
{
	struct cluster_action a;
	while (cluster_next_action(c, &a)) {
		if (a.kind == CLUSTER_DO_FENCE)
			fenced |= 1u << a.node;
		else if (a.kind == CLUSTER_DO_CLOSE_IDLE)
			idled |= 1u << a.node;
		else if (strlen(said) + strlen(a.text) + 2 < sizeof said)
			snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", a.text);
	}
}
static void make(enum cluster_kind kind, bool authority, bool lossy)
{
	static const struct cluster_node_opts nodes[] = { { "a", "ha", 1, 1, 0 },
		{ "b", "hb", 1, 1, 0 }, { "c", "hc", 1, 1, 0 } };
	struct cluster_opts o = {
		.name = "t", .kind = kind, .authority = authority, .allow_lossy = lossy
	};
	c = cluster_new(&o, nodes, 3, now);
	cr_assert(c);
}
static void tear_down(void)
{
	cluster_free(&c);
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
TestSuite(cluster, .fini = tear_down);

static void sample_at(unsigned i, int64_t sent, bool writable, uint32_t timeline, const char *pos)
{
	struct cluster_sample s = {
		.sent_us = sent, .recv_us = now, .writable = writable, .timeline = timeline
	};
	enum pos_kind k = strchr(pos, '/') ? POS_LSN : POS_GTID;
	cr_assert_eq(pos_parse(k, pos, strlen(pos), &s.pos, NULL), 0);
	cluster_on_sample(c, i, &s);
	actions();
}
static void sample(unsigned i, bool writable, uint32_t timeline, const char *pos)
{
	now += MS;
	sample_at(i, now - 500, writable, timeline, pos);
}
static void facts(unsigned i, enum cluster_upstream repl, uint32_t timeline, const char *upstream)
{
	now += MS;
	struct cluster_facts f = { .sent_us = now - 500,
		.recv_us = now,
		.repl = repl,
		.timeline = timeline,
		.member = MEMBER_IN };
	snprintf(f.system, sizeof f.system, "sys");
	snprintf(f.server, sizeof f.server, "uuid-%u", i);
	snprintf(f.upstream, sizeof f.upstream, "%s", upstream);
	cluster_on_facts(c, i, &f);
	actions();
}
static void fail(unsigned i, enum cluster_failure f)
{
	now += MS;
	cluster_on_failure(c, i, f, now, now, "refused");
	actions();
}
static void leader(int i)
{
	now += MS;
	struct cluster_authority a = { .sent_us = now - 500,
		.recv_us = now,
		.reachable = i > -2,
		.leader = i,
		.text = "Patroni" };
	cluster_on_authority(c, &a);
	actions();
}
/* Time goes by, in which all but those in dead say what they said. */
static void pass(int64_t ms)
{
	now += ms * MS;
	cluster_tick(c, now);
	actions();
}
static void expect(enum cluster_state s, int primary)
{
	const struct cluster_view *v = cluster_view(c);
	cr_assert(v->state == s && v->primary == primary, "%s, %d: %s\n%s",
		cluster_state_name(v->state), v->primary, v->why, said);
	cr_assert_eq(v->writes == WRITES_OPEN, s == CLUSTER_NORMAL);
}
static enum node_state state(unsigned i)
{
	return cluster_view(c)->node[i].state;
}
/* a is primary on timeline 5, b and c stream. */
static void start_pg(bool authority)
{
	make(CLUSTER_PG, authority, false);
	for (unsigned i = 0; i < 3; i++)
		facts(i, i ? UPSTREAM_RUNS : UPSTREAM_NONE, i ? 5 : 0, "");
	if (authority)
		leader(0);
	sample(0, true, 5, "0/1000");
	sample(1, false, 0, "0/1000");
	expect(CLUSTER_NO_PRIMARY, -1); /* not all were asked */
	sample(2, false, 0, "0/900");
	expect(CLUSTER_NORMAL, 0);
	sample(0, true, 5, "0/1000");
}
/* a is primary, b and c replicate from it. */
static void start_my(bool lossy)
{
	make(CLUSTER_MYSQL, false, lossy);
	for (unsigned i = 0; i < 3; i++)
		facts(i, i ? UPSTREAM_RUNS : UPSTREAM_NONE, 0, i ? "uuid-0" : "");
	sample(1, false, 0, U(1) ":1-10");
	sample(2, true, 0, U(1) ":1-10"); /* read_only=0, the default: no claim, it replicates */
	sample(0, true, 0, U(1) ":1-10");
	facts(0, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 0);
}

Test(cluster, start)
{
	start_pg(false);
	const struct cluster_view *v = cluster_view(c);
	cr_assert_eq(v->epoch, 1);
	cr_assert(v->node[1].reads && v->node[1].fresh == FRESH_OK);
	cr_assert(cluster_view_fresh(v, 1) > 0);
	cr_assert_eq(cluster_view_fresh(v, 2), 0, "behind all that we saw");
	cr_assert_str_eq(cluster_identity(c), "sys/5");
	cr_assert(strstr(v->evidence, "a is writable on timeline 5"), "%s", v->evidence);
}

Test(cluster, a_blip)
{
	start_pg(false);
	cluster_on_signal(c, 0, SIGNAL_LOST, now += MS, "EOF");
	expect(CLUSTER_SUSPECT, 0);
	cr_assert(cluster_burst(c));
	sample_at(0, now - 5 * MS, true, 5, "0/1000");
	expect(CLUSTER_SUSPECT, 0); /* sent before the signal: outranked */
	sample(0, true, 5, "0/1000");
	expect(CLUSTER_NORMAL, 0);
	cr_assert_eq(cluster_counts(c).blips, 1);
	cr_assert_eq(cluster_view(c)->epoch, 1);
}

Test(cluster, silence)
{
	start_pg(false);
	pass(600);
	expect(CLUSTER_SUSPECT, 0);
	pass(600);
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(idled & 1);
	pass(31000);
	cr_assert_eq(cluster_view(c)->writes, WRITES_REFUSED);
}

Test(cluster, failover_by_a_higher_timeline)
{
	start_pg(false);
	fail(0, FAIL_LOST);
	expect(CLUSTER_SUSPECT, 0);
	fail(0, FAIL_REFUSED);
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(1, true, 6, "0/1100");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(cluster_view(c)->epoch, 2);
	cr_assert_not(cluster_view(c)->node[2].reads, "still on timeline 5");
	facts(2, UPSTREAM_RUNS, 6, "");
	sample(2, false, 0, "0/1100");
	cr_assert(cluster_view(c)->node[2].reads);
	/* the old primary comes back as it was: never again, and closed */
	fenced = 0;
	facts(0, UPSTREAM_NONE, 0, "");
	for (int i = 0; i < 5; i++)
		sample(0, true, 5, "0/2000");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
	/* and while the new one is down: neither */
	fail(1, FAIL_REFUSED);
	fail(1, FAIL_REFUSED);
	sample(0, true, 5, "0/2000");
	expect(CLUSTER_NO_PRIMARY, -1);
	/* it follows: welcome */
	for (int i = 0; i < 4; i++)
		sample(1, true, 6, "0/1200");
	facts(1, UPSTREAM_NONE, 0, "");
	sample(1, true, 6, "0/1200");
	expect(CLUSTER_NORMAL, 1);
	facts(0, UPSTREAM_RUNS, 6, "");
	sample(0, false, 0, "0/1200");
	sample(1, true, 6, "0/1300");
	cr_assert_neq(state(0), NODE_QUARANTINED);
	cr_assert_eq(cluster_view(c)->epoch, 2);
}

Test(cluster, a_primary_that_lives_on_is_fenced)
{
	start_pg(false);
	fenced = 0;
	sample(1, true, 6, "0/1100");
	expect(CLUSTER_NORMAL, 1);
	cr_assert(fenced & 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
	for (int i = 0; i < 3; i++) {
		sample(0, true, 5, "0/5000");
		sample(1, true, 6, "0/1100");
	}
	expect(CLUSTER_NORMAL, 1);
}

Test(cluster, equal_timelines_split)
{
	struct err e;
	start_pg(false);
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	pass(10);
	sample(1, true, 6, "0/1100");
	expect(CLUSTER_NORMAL, 1);
	sample(2, true, 6, "0/1100");
	expect(CLUSTER_SPLIT, -1);
	cr_assert(fenced & 4);
	cr_assert_eq(cluster_counts(c).splits, 1);
	/* the operator: c, not a, which does not answer */
	cr_assert_eq(cluster_promoted(c, 0, now, &e), -1);
	cr_assert_eq(cluster_promoted(c, 2, now, &e), 0);
	actions();
	expect(CLUSTER_NORMAL, 2);
	cr_assert_eq(state(1), NODE_QUARANTINED);
	sample(1, true, 6, "0/1100");
	sample(2, true, 6, "0/1100");
	expect(CLUSTER_NORMAL, 2);
	/* a higher timeline is news, even of one that was turned down */
	sample(1, true, 7, "0/1100");
	expect(CLUSTER_NORMAL, 1);
}

/* Who was replaced is promoted again, and shows the timeline that the primary has. */
Test(cluster, equal_timelines_of_one_that_was_replaced)
{
	struct err e;
	start_pg(false);
	sample(1, true, 6, "0/2000");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 1);
	sample(0, true, 5, "0/2000");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
	sample(0, true, 6, "0/2100");
	expect(CLUSTER_SPLIT, -1);
	sample(1, true, 6, "0/2000");
	cr_assert_eq(cluster_promoted(c, 1, now, &e), 0, "%s", e.msg);
	actions();
	sample(0, true, 6, "0/2100");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
}

Test(cluster, split_at_the_start)
{
	make(CLUSTER_PG, false, false);
	for (unsigned i = 0; i < 3; i++)
		facts(i, i < 2 ? UPSTREAM_NONE : UPSTREAM_RUNS, i < 2 ? 0 : 5, "");
	sample(0, true, 5, "0/1000");
	sample(1, true, 5, "0/1000");
	sample(2, false, 0, "0/1000");
	for (int i = 0; i < 3; i++) {
		expect(CLUSTER_SPLIT, -1);
		sample(0, true, 5, "0/1000");
		sample(1, true, 5, "0/1000");
	}
	/* one that dies has not given up */
	fail(1, FAIL_REFUSED);
	fail(1, FAIL_REFUSED);
	sample(0, true, 5, "0/1000");
	cr_assert_neq(cluster_view(c)->state, CLUSTER_NORMAL);
	/* one that follows has */
	facts(1, UPSTREAM_RUNS, 5, "");
	for (int i = 0; i < 4; i++)
		sample(1, false, 0, "0/1000");
	sample(0, true, 5, "0/1000");
	expect(CLUSTER_NORMAL, 0);
}

Test(cluster, an_old_primary_at_the_start)
{
	make(CLUSTER_PG, false, false);
	facts(0, UPSTREAM_NONE, 0, "");
	facts(1, UPSTREAM_RUNS, 6, "");
	facts(2, UPSTREAM_RUNS, 6, "");
	sample(0, true, 5, "0/1000");
	sample(1, false, 0, "0/1000");
	sample(2, false, 0, "0/1000");
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(strstr(cluster_view(c)->why, "old primary"), "%s", cluster_view(c)->why);
}

Test(cluster, another_cluster)
{
	start_pg(false);
	now += MS;
	struct cluster_facts f = { .sent_us = now,
		.recv_us = now,
		.repl = UPSTREAM_RUNS,
		.timeline = 5,
		.system = "other" };
	cluster_on_facts(c, 1, &f);
	actions();
	cr_assert_eq(state(1), NODE_QUARANTINED);
	sample(1, true, 9, "0/1000");
	expect(CLUSTER_NORMAL, 0);
	facts(1, UPSTREAM_RUNS, 5, "");
	sample(1, false, 0, "0/1000");
	cr_assert_eq(state(1), NODE_UP);
}

Test(cluster, diverged)
{
	start_pg(false);
	sample(1, false, 0, "0/1500"); /* more than the primary had: it may have moved since */
	cr_assert_eq(state(1), NODE_UP);
	sample(0, true, 5, "0/1600");
	cr_assert_eq(state(1), NODE_UP);
	sample(1, false, 0, "0/1700");
	sample(0, true, 5, "0/1650");
	cr_assert_eq(state(1), NODE_QUARANTINED);
	facts(1, UPSTREAM_RUNS, 5, "");
	sample(0, true, 5, "0/1800");
	cr_assert_eq(state(1), NODE_QUARANTINED, "passing it by is no cure");
	fail(1, FAIL_LOST);
	facts(1, UPSTREAM_RUNS, 5, "");
	sample(1, false, 0, "0/1700");
	sample(0, true, 5, "0/1800");
	cr_assert_neq(state(1), NODE_QUARANTINED);
}

/* routing 5.2, the fourth row: Patroni stopped, the server lives on. */
Test(cluster, patroni_stopped)
{
	start_pg(true);
	leader(1); /* the key has a new owner, who is not ready */
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(0, true, 5, "0/1100");
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(1, true, 6, "0/1000");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
	/* the authority is gone: nothing changes */
	for (int i = 0; i < 100; i++) {
		now += 50 * MS;
		leader(-2);
		sample(1, true, 6, "0/1000");
		sample(0, true, 5, "0/1200");
	}
	expect(CLUSTER_NORMAL, 1);
}

/* The key has run out and nobody has it: what the old one would still take might be lost. */
Test(cluster, the_authority_names_nobody)
{
	start_pg(true);
	leader(-1);
	expect(CLUSTER_SUSPECT, 0);
	sample(0, true, 5, "0/1100");
	expect(CLUSTER_SUSPECT, 0);
	leader(0); /* it has it again */
	expect(CLUSTER_NORMAL, 0);
	leader(-1);
	expect(CLUSTER_SUSPECT, 0);
	leader(1);
	sample(1, true, 6, "0/1100");
	expect(CLUSTER_NORMAL, 1);
	/* nobody answers any more: then there is only what the servers say */
	leader(-1);
	expect(CLUSTER_SUSPECT, 1);
	for (int i = 0; i < 100; i++) {
		now += 50 * MS;
		leader(-2);
		sample(1, true, 6, "0/1200");
	}
	expect(CLUSTER_NORMAL, 1);
}

/* An answer that is older than a claim does not decide about it. */
Test(cluster, old_answers_of_the_authority)
{
	start_pg(true);
	sample(1, true, 6, "0/1000");
	expect(CLUSTER_SUSPECT, 0);
	cr_assert(cluster_burst(c));
	leader(1);
	expect(CLUSTER_NORMAL, 1);
}

Test(cluster, the_authority_cannot_go_back)
{
	start_pg(true);
	leader(1);
	sample(1, true, 6, "0/1000");
	expect(CLUSTER_NORMAL, 1);
	leader(0);
	sample(0, true, 5, "0/1000");
	expect(CLUSTER_NO_PRIMARY, -1);
}

Test(cluster, few_changes_without_authority)
{
	start_pg(false);
	uint32_t t = 5;
	for (int i = 0; i < 3; i++) {
		unsigned q = i % 2 ? 0 : 1;
		facts(q, UPSTREAM_RUNS, t, "");
		sample(q, false, 0, "0/1000");
		sample(q, true, ++t, "0/1000");
		expect(CLUSTER_NORMAL, (int)q);
	}
	sample(2, true, ++t, "0/1000");
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(strstr(cluster_view(c)->why, "PROMOTED"));
	struct err e;
	cr_assert_eq(cluster_promoted(c, 2, now, &e), 0);
	actions();
	expect(CLUSTER_NORMAL, 2);
}

Test(cluster, gtid_failover)
{
	start_my(false);
	sample(0, true, 0, U(1) ":1-12");
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(1, true, 0, U(1) ":1-12");
	expect(CLUSTER_NO_PRIMARY, -1); /* it is still a replica for all we know */
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 1);
	/* the old one is back, writable as its configuration says */
	facts(0, UPSTREAM_NONE, 0, "");
	for (int i = 0; i < 4; i++)
		sample(0, true, 0, U(1) ":1-13");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(state(0), NODE_QUARANTINED);
	/* with what was lost it cannot follow */
	facts(0, UPSTREAM_RUNS, 0, "uuid-1");
	sample(0, false, 0, U(1) ":1-13");
	sample(1, true, 0, U(1) ":1-12");
	cr_assert_eq(state(0), NODE_QUARANTINED);
	sample(0, false, 0, U(1) ":1-12");
	sample(1, true, 0, U(1) ":1-12");
	cr_assert_neq(state(0), NODE_QUARANTINED);
}

Test(cluster, gtid_loss_is_refused)
{
	start_my(false);
	struct pos acked;
	cr_assert_eq(pos_parse_gtid(U(1) ":11", 38 + 1, &acked, NULL), 0);
	cluster_on_ack(c, 1, &acked, now);
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(1, true, 0, U(1) ":1-10");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(strstr(cluster_view(c)->why, "lacks 1 transactions"), "%s", cluster_view(c)->why);
	sample(1, true, 0, U(1) ":1-11");
	expect(CLUSTER_NORMAL, 1);
}

static void acked(const struct cluster_view *v, const char *gtids)
{
	cluster_view_acked(v, gtids, strlen(gtids));
}

/* ... also when only a client knows: by what it was told since the newest sample. */
Test(cluster, gtid_loss_of_what_a_client_was_told)
{
	start_my(false);
	acked(cluster_view(c), U(1) ":19"); /* whose transactions these are is not known yet */
	struct cluster_facts f = { .sent_us = ++now, .recv_us = now, .repl = UPSTREAM_NONE };
	snprintf(f.system, sizeof f.system, "sys");
	snprintf(f.server, sizeof f.server, U(1));
	cluster_on_facts(c, 0, &f);
	sample(0, true, 0, U(1) ":1-10");
	struct cluster_view *v = cluster_view_ref(cluster_view(c));
	acked(v, U(1) ":11"); /* the next sample will say so */
	sample(0, true, 0, U(1) ":1-11");
	acked(v, U(1) ":13-15");
	acked(v, U(1) ":14"); /* of another worker, and late */
	acked(v, U(2) ":99");
	acked(v, U(1) ":tag:99");
	acked(v, U(1) ":");
	acked(v, U(1) ":99999999999999999999999999");
	acked(v, U(1) ":98," U(2) ":1");
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(1, true, 0, U(1) ":1-12");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(strstr(cluster_view(c)->why, "lacks 1 transactions"), "%s", cluster_view(c)->why);
	sample(1, true, 0, U(1) ":1-15");
	expect(CLUSTER_NORMAL, 1);
	acked(v, U(1) ":200"); /* who still looks at the view of before changes nothing */
	sample(1, true, 0, U(1) ":1-15");
	expect(CLUSTER_NORMAL, 1);
	cluster_view_unref(&v);
}

/* a is built anew without its last two, and is primary again: c still has the lost ones. */
static void start_reused(void)
{
	start_my(false);
	sample(0, true, 0, U(1) ":1-12");
	sample(2, false, 0, U(1) ":1-12");
	sample(0, false, 0, U(1) ":1-10");
	facts(0, UPSTREAM_RUNS, 0, "uuid-1");
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(2, false, 0, U(1) ":1-12");
	sample(0, false, 0, U(1) ":1-10");
	sample(0, true, 0, U(1) ":1-10");
	facts(0, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 0);
	cr_assert_eq(state(2), NODE_QUARANTINED);
	sample(0, true, 0, U(1) ":1-14"); /* two other ones, under their numbers */
	facts(2, UPSTREAM_RUNS, 0, "uuid-0");
	sample(2, false, 0, U(1) ":1-14");
	sample(0, true, 0, U(1) ":1-14");
	cr_assert_eq(state(2), NODE_QUARANTINED);
	cr_assert_not(cluster_view(c)->node[2].reads);
}
Test(cluster, reused_numbers)
{
	start_reused();
	fail(2, FAIL_REFUSED);
	for (int i = 0; i < 4; i++) {
		facts(2, UPSTREAM_RUNS, 0, "uuid-0");
		sample(2, false, 0, U(1) ":1-14");
	}
	cr_assert_neq(state(2), NODE_QUARANTINED);
}
Test(cluster, reused_numbers_and_a_connection_that_was_cut)
{
	start_reused();
	fail(2, FAIL_LOST);
	for (int i = 0; i < 4; i++) {
		facts(2, UPSTREAM_RUNS, 0, "uuid-0");
		sample(2, false, 0, U(1) ":1-14");
	}
	cr_assert_eq(state(2), NODE_QUARANTINED, "which proves nothing");
	cluster_resume(c, 2, now);
	sample(2, false, 0, U(1) ":1-14");
	cr_assert_neq(state(2), NODE_QUARANTINED, "an operator says that it was rebuilt");
}
Test(cluster, reused_numbers_and_who_was_built_anew)
{
	start_reused();
	sample(2, false, 0, U(1) ":1-9");
	facts(2, UPSTREAM_RUNS, 0, "uuid-0");
	sample(2, false, 0, U(1) ":1-14");
	cr_assert_neq(state(2), NODE_QUARANTINED);
}
/* PostgreSQL: built anew from a server of an older timeline, and promoted, it has the number of the
 * timeline that it had before. */
Test(cluster, reused_timeline)
{
	start_pg(false);
	sample(1, false, 0, "0/1000");
	fail(0, FAIL_REFUSED);
	facts(0, UPSTREAM_NONE, 0, "");
	sample(1, false, 0, "0/1000");
	int64_t sent = ++now; /* nobody can say which of these two answers is the later one */
	sample(1, false, 0, "0/1000");
	sample_at(0, sent, true, 5, "0/f00");
	expect(CLUSTER_NORMAL, 0);
	cr_assert_eq(state(1), NODE_QUARANTINED);
}
/* The primary itself has crashed, and lost what its replica got (sync_binlog=0). */
Test(cluster, reused_numbers_after_a_crash)
{
	start_my(false);
	sample(2, false, 0, U(1) ":1-12");
	fail(0, FAIL_LOST);
	fail(0, FAIL_REFUSED);
	sample(2, false, 0, U(1) ":1-12");
	facts(0, UPSTREAM_NONE, 0, "");
	for (int i = 0; i < 4; i++)
		sample(0, true, 0, U(1) ":1-10");
	expect(CLUSTER_NORMAL, 0);
	cr_assert_eq(state(2), NODE_QUARANTINED);
}
/* A semi-synchronous source waits for its replica, which has the transaction before. */
Test(cluster, ahead_of_a_new_primary)
{
	start_my(false);
	sample(2, false, 0, U(1) ":1-10");
	sample(1, false, 0, U(1) ":1-10");
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(2, false, 0, U(1) ":1-10," U(2) ":1");
	sample(1, true, 0, U(1) ":1-10");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_neq(state(2), NODE_QUARANTINED);
}

Test(cluster, gtid_loss_is_counted)
{
	start_my(true);
	sample(0, true, 0, U(1) ":1-15");
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(1, true, 0, U(1) ":1-10");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NORMAL, 1);
	cr_assert_eq(cluster_counts(c).lost_writes, 5);
}

Test(cluster, two_mysql_writers)
{
	start_my(false);
	sample(1, true, 0, U(1) ":1-10");
	facts(1, UPSTREAM_NONE, 0, "");
	sample(1, true, 0, U(1) ":1-10");
	expect(CLUSTER_SPLIT, -1);
	/* the old one says no itself, and the new one has all it has */
	sample(0, false, 0, U(1) ":1-10");
	expect(CLUSTER_NORMAL, 1);
}

Test(cluster, group)
{
	make(CLUSTER_GR, true, false);
	struct cluster_authority a = {
		.reachable = true, .leader = 0, .rank = 7, .series = "g", .text = "the view of a"
	};
	for (unsigned i = 0; i < 3; i++) {
		facts(i, UPSTREAM_NONE, 0, "");
		sample(i, i == 0, 0, U(1) ":1-10");
	}
	expect(CLUSTER_NO_PRIMARY, -1); /* nobody with a majority spoke */
	a.sent_us = a.recv_us = now;
	cluster_on_authority(c, &a);
	expect(CLUSTER_NORMAL, 0);
	/* set_as_primary: the old one refuses first */
	cluster_on_signal(c, 0, SIGNAL_DEMOTED, now += MS, "1290");
	expect(CLUSTER_SUSPECT, 0);
	sample(0, false, 0, U(1) ":1-10");
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(1, true, 0, U(1) ":1-10");
	expect(CLUSTER_NO_PRIMARY, -1);
	a.leader = 1;
	a.rank = 8;
	a.sent_us = a.recv_us = now += MS;
	cluster_on_authority(c, &a);
	expect(CLUSTER_NORMAL, 1);
	/* an expelled member with an older view */
	sample(0, true, 0, U(1) ":1-10");
	a.leader = 0;
	a.rank = 7;
	a.sent_us = a.recv_us = now += MS;
	cluster_on_authority(c, &a);
	sample(1, true, 0, U(1) ":1-10");
	a.leader = 1;
	a.rank = 8;
	a.sent_us = a.recv_us = now += MS;
	cluster_on_authority(c, &a);
	expect(CLUSTER_NORMAL, 1);
}

/* ---- Galera: sample() with writable says that it is synced ---- */

static void start_galera(void)
{
	make(CLUSTER_GALERA, false, false);
	for (unsigned i = 0; i < 3; i++) {
		facts(i, UPSTREAM_RUNS, 0, "");
		sample(i, true, 0, U(1) ":1-10");
	}
	expect(CLUSTER_NORMAL, 0);
	for (unsigned i = 1; i < 3; i++)
		cr_assert(cluster_view(c)->node[i].reads);
}
static void barrier(unsigned i)
{
	now += MS;
	cluster_on_barrier(c, i, now - 500, now);
	actions();
}

Test(cluster, galera_writer_is_lost)
{
	start_galera();
	barrier(1); /* before the writer was left: worth nothing */
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(cluster_wants_barrier(c) && fenced & 1);
	sample(1, true, 0, U(1) ":1-11");
	sample(2, true, 0, U(1) ":1-12");
	expect(CLUSTER_NO_PRIMARY, -1);
	barrier(2);
	sample(2, true, 0, U(1) ":1-12");
	expect(CLUSTER_NO_PRIMARY, -1); /* the first of the list is asked for, as others will */
	barrier(1);
	expect(CLUSTER_NO_PRIMARY, -1); /* its newest sample is older */
	sample(1, true, 0, U(1) ":1-12");
	expect(CLUSTER_NO_PRIMARY, -1); /* nothing tells what can be read there */
	pass(900);
	sample(1, true, 0, U(1) ":1-12");
	expect(CLUSTER_NO_PRIMARY, -1);
	pass(200);
	sample(1, true, 0, U(1) ":1-12");
	expect(CLUSTER_NORMAL, 1);
	cr_assert(!cluster_wants_barrier(c));
	cr_assert_eq(cluster_counts(c).lost_writes, 0);
	/* it comes back, and is a replica: the writer stays while it is good */
	for (unsigned n = 0; n < 4; n++) {
		facts(0, UPSTREAM_RUNS, 0, "");
		sample(0, true, 0, U(1) ":1-12");
	}
	expect(CLUSTER_NORMAL, 1);
	cr_assert(cluster_view(c)->node[0].reads && cluster_view(c)->node[0].role == ROLE_REPLICA);
}

static void visible(unsigned i, const char *pos, const char *seen)
{
	now += MS;
	struct cluster_sample s = {
		.sent_us = now - 500, .recv_us = now, .writable = true, .settle_us = 50 * MS
	};
	cr_assert_eq(pos_parse(POS_GTID, pos, strlen(pos), &s.pos, NULL), 0);
	cr_assert_eq(pos_parse(POS_GTID, seen, strlen(seen), &s.visible, NULL), 0);
	cluster_on_sample(c, i, &s);
	actions();
}

Test(cluster, galera_writer_is_left)
{
	start_galera();
	fenced = idled = 0;
	sample(0, false, 0, U(1) ":1-10"); /* desynced: what runs there may end */
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(idled & 1 && !(fenced & 1) && !cluster_wants_barrier(c));
	pass(310);
	sample(0, false, 0, U(1) ":1-11");
	cr_assert(fenced & 1 && cluster_wants_barrier(c));
	cluster_on_signal(c, 0, SIGNAL_LOST, now += MS, "its links");
	expect(CLUSTER_NO_PRIMARY, -1);
	barrier(1);
	visible(1, U(1) ":1-11", U(1) ":1-10"); /* committed is not readable yet */
	expect(CLUSTER_NO_PRIMARY, -1);
	visible(1, U(1) ":1-11", U(1) ":1-11");
	expect(CLUSTER_NORMAL, 1);
	/* a replica shows what can be read there, once that has stood for a moment */
	pass(60);
	visible(1, U(1) ":1-12", U(1) ":1-12");
	int64_t sent = now - 500;
	visible(2, U(1) ":1-12", U(1) ":1-11");
	visible(2, U(1) ":1-12", U(1) ":1-11");
	cr_assert_lt(cluster_view_fresh(cluster_view(c), 2), sent);
	visible(2, U(1) ":1-12", U(1) ":1-12");
	cr_assert_lt(cluster_view_fresh(cluster_view(c), 2), sent);
	for (unsigned n = 0; n < 3; n++) {
		pass(60);
		visible(2, U(1) ":1-12", U(1) ":1-12");
	}
	cr_assert_eq(cluster_view_fresh(cluster_view(c), 2), sent);
}

Test(cluster, galera_writer_is_wanted)
{
	struct err e;
	start_galera();
	struct cluster_facts f = { .sent_us = now,
		.recv_us = now,
		.system = "sys",
		.member = MEMBER_IN,
		.repl = UPSTREAM_RUNS,
		.read_only = true };
	cluster_on_facts(c, 1, &f);
	cr_assert_eq(cluster_promoted(c, 1, now, &e), -1);
	cr_assert_eq(cluster_promoted(c, 2, now, &e), 0);
	actions();
	expect(CLUSTER_NO_PRIMARY, -1);
	pass(310);
	cr_assert(cluster_wants_barrier(c));
	barrier(2);
	visible(2, U(1) ":1-10", U(1) ":1-10");
	expect(CLUSTER_NORMAL, 2);
	/* nobody is a member of a primary component: no writes at all */
	for (unsigned i = 0; i < 3; i++)
		sample(i, false, 0, U(1) ":1-10");
	expect(CLUSTER_NO_PRIMARY, -1);
}

Test(cluster, replicas_leave_and_return)
{
	struct err e;
	start_pg(false);
	fail(1, FAIL_REFUSED);
	cr_assert_eq(state(1), NODE_SUSPECT);
	fail(1, FAIL_REFUSED);
	cr_assert_eq(state(1), NODE_DOWN);
	cr_assert(fenced & 2, "who waits for it can ask elsewhere");
	facts(1, UPSTREAM_RUNS, 5, "");
	sample(1, false, 0, "0/1000");
	sample(1, false, 0, "0/1000");
	cr_assert_eq(state(1), NODE_DOWN);
	sample(1, false, 0, "0/1000");
	cr_assert_eq(state(1), NODE_WARMING);
	cr_assert(cluster_view(c)->node[1].reads);
	cr_assert_eq(cluster_drain(c, 0, now, &e), -1);
	cr_assert_eq(cluster_drain(c, 1, now, &e), 0);
	cr_assert_eq(state(1), NODE_DRAINING);
	cr_assert_not(cluster_view(c)->node[1].reads);
	fenced = 0;
	cr_assert_eq(cluster_maint(c, 1, now, &e), 0);
	actions();
	cr_assert(fenced & 2);
	cluster_resume(c, 1, now);
	cr_assert_eq(state(1), NODE_WARMING);
}

Test(cluster, switchover)
{
	struct err e;
	start_pg(false);
	cr_assert_eq(cluster_switch_begin(c, 0, now, &e), -1);
	cr_assert_eq(cluster_switch_begin(c, 1, now, &e), 0);
	expect(CLUSTER_SWITCHING, 0);
	sample(0, true, 5, "0/1000");
	expect(CLUSTER_SWITCHING, 0);
	sample(1, true, 6, "0/1000");
	expect(CLUSTER_NORMAL, 1);
	facts(0, UPSTREAM_RUNS, 6, "");
	sample(0, false, 0, "0/1000");
	facts(0, UPSTREAM_RUNS, 6, "");
	sample(0, false, 0, "0/1000");
	cr_assert_eq(cluster_switch_begin(c, 0, now, &e), 0, "%s", e.msg);
	for (int i = 0; i < 61; i++) {
		pass(999);
		sample(1, true, 6, "0/1000");
	}
	expect(CLUSTER_NORMAL, 1); /* nothing happened: it ends */
}

/* Without a primary a standby receives nothing, and its control file is minutes behind. */
Test(cluster, reads_go_on_without_a_primary)
{
	start_pg(false);
	fail(0, FAIL_LOST);
	fail(0, FAIL_REFUSED);
	struct cluster_facts f = { .sent_us = now,
		.recv_us = now,
		.repl = UPSTREAM_STOPPED,
		.timeline = 4,
		.timeline_late = true,
		.system = "sys" };
	for (int i = 0; i < 100; i++) {
		f.sent_us = f.recv_us = now;
		cluster_on_facts(c, 1, &f);
		sample(1, false, 0, "0/1000");
		now += 50 * MS;
	}
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(cluster_view(c)->node[1].reads);
	cr_assert_eq(cluster_view(c)->node[1].fresh, FRESH_OK);
	cr_assert_gt(cluster_view_fresh(cluster_view(c), 1), 0);
	/* it was restarted: it may be anything now */
	fail(1, FAIL_LOST);
	f.sent_us = f.recv_us = now += MS;
	cluster_on_facts(c, 1, &f);
	sample(1, false, 0, "0/1000");
	cr_assert_not(cluster_view(c)->node[1].reads);
}

Test(cluster, paused_replay_is_a_state)
{
	start_pg(false);
	now += MS;
	struct cluster_facts f = { .sent_us = now,
		.recv_us = now,
		.repl = UPSTREAM_RUNS,
		.timeline = 5,
		.system = "sys",
		.paused = true };
	cluster_on_facts(c, 1, &f);
	cr_assert_eq(cluster_view(c)->node[1].fresh, FRESH_STOPPED);
	cr_assert(cluster_view(c)->node[1].eventual);
	facts(1, UPSTREAM_RUNS, 5, "");
	cr_assert_eq(cluster_view(c)->node[1].fresh, FRESH_OK);
}

/* ---- the process after an upgrade ---- */

static struct buf heir;

/* c is another one now, which has been told nothing but what the one before knew. */
static bool upgraded(enum cluster_kind kind)
{
	buf_init(&heir, 100000);
	cr_assert(cluster_bequeath(c, &heir));
	cluster_free(&c);
	fenced = 0;
	make(kind, false, false);
	now += MS;
	bool took = cluster_inherit(c, buf_data(&heir), buf_len(&heir), now);
	buf_fini(&heir);
	actions();
	return took;
}

Test(cluster, inherits_an_operators_choice)
{
	struct err e;
	start_pg(false);
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	sample(1, true, 6, "0/1100");
	sample(2, true, 6, "0/1100");
	expect(CLUSTER_SPLIT, -1);
	cr_assert_eq(cluster_promoted(c, 2, now, &e), 0);
	cr_assert(upgraded(CLUSTER_PG));
	expect(CLUSTER_NO_PRIMARY, -1); /* nobody has answered */
	cr_assert_eq(cluster_view(c)->epoch, 3);
	cr_assert(fenced & 2);
	facts(1, UPSTREAM_NONE, 0, "");
	sample(1, true, 6, "0/1100"); /* the one that was turned down is the first to answer */
	expect(CLUSTER_NO_PRIMARY, -1);
	sample(2, true, 6, "0/1100");
	expect(CLUSTER_NO_PRIMARY, -1);
	facts(2, UPSTREAM_NONE, 0, "");
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	expect(CLUSTER_NORMAL, 2);
	cr_assert_eq(cluster_view(c)->epoch, 3, "no new one");
	cr_assert_eq(state(1), NODE_QUARANTINED);
	sample(1, true, 7, "0/1100");
	expect(CLUSTER_NORMAL, 1); /* news are news */
}

Test(cluster, inherits_drained_nodes)
{
	struct err e;
	start_pg(false);
	cr_assert_eq(cluster_drain(c, 1, now, &e), 0);
	cr_assert_eq(cluster_maint(c, 2, now, &e), 0);
	cr_assert(upgraded(CLUSTER_PG));
	for (unsigned i = 0; i < 3; i++)
		facts(i, i ? UPSTREAM_RUNS : UPSTREAM_NONE, i ? 5 : 0, "");
	sample(0, true, 5, "0/1000");
	sample(1, false, 0, "0/1000");
	sample(2, false, 0, "0/1000");
	expect(CLUSTER_NORMAL, 0);
	cr_assert_eq(state(1), NODE_DRAINING);
	cr_assert_eq(state(2), NODE_MAINT);
	cluster_resume(c, 1, now);
	actions();
	cr_assert_neq(state(1), NODE_DRAINING);
}

/* The old process has seen 12 transactions of the primary, which dies at that moment. */
Test(cluster, inherits_what_the_primary_has_told)
{
	start_my(false);
	sample(0, true, 0, U(1) ":1-12");
	cr_assert(upgraded(CLUSTER_MYSQL));
	fail(0, FAIL_REFUSED);
	fail(0, FAIL_REFUSED);
	facts(2, UPSTREAM_RUNS, 0, "uuid-0");
	sample(2, false, 0, U(1) ":1-11");
	sample(1, true, 0, U(1) ":1-11");
	facts(1, UPSTREAM_NONE, 0, "");
	expect(CLUSTER_NO_PRIMARY, -1);
	cr_assert(strstr(cluster_view(c)->why, "lacks"), "%s", cluster_view(c)->why);
	sample(1, true, 0, U(1) ":1-12");
	expect(CLUSTER_NORMAL, 1);
}

/* The primary is the first to answer, but what it replicates is told later than its rival's. */
Test(cluster, an_inherited_primary_is_waited_for)
{
	start_my(false);
	cr_assert(upgraded(CLUSTER_MYSQL));
	sample(1, true, 0, U(1) ":1-10");
	facts(1, UPSTREAM_NONE, 0, "");
	sample(0, true, 0, U(1) ":1-10");
	facts(2, UPSTREAM_RUNS, 0, "uuid-0");
	sample(2, false, 0, U(1) ":1-10");
	for (int i = 0; i < 30; i++) { /* long after each node could have answered */
		pass(100);
		for (unsigned k = 0; k < 3; k++)
			sample(k, k < 2, 0, U(1) ":1-10");
		cr_assert_neq(cluster_view(c)->writes, WRITES_OPEN);
		cr_assert_neq(cluster_view(c)->primary, 1);
	}
	facts(0, UPSTREAM_NONE, 0, "");
	sample(1, true, 0, U(1) ":1-10");
	expect(CLUSTER_SPLIT, -1);
}

Test(cluster, inherits_nothing_of_another_kind)
{
	start_my(false);
	cr_assert_not(upgraded(CLUSTER_MARIADB));
	cr_assert_eq(cluster_view(c)->epoch, 0);
}

/* Each is refused, or a state that can be. */
Test(cluster, inherits_hostile_bytes)
{
	struct buf b;
	start_my(false);
	buf_init(&b, 100000);
	cr_assert(cluster_bequeath(c, &b));
	size_t n = buf_len(&b);
	uint8_t *p = buf_data(&b);
	for (size_t i = 0; i < n * 8 + n; i++) {
		size_t len = i < n ? i : n;
		if (i >= n)
			p[(i - n) / 8] ^= (uint8_t)(1U << (i - n) % 8);
		cluster_free(&c);
		make(CLUSTER_MYSQL, false, false);
		bool took = cluster_inherit(c, p, len, now);
		cr_assert(i >= n || !took, "cut at %zu", i);
		actions();
		sample(0, true, 0, U(1) ":1-10");
		facts(0, UPSTREAM_NONE, 0, "");
		pass(100);
		if (i >= n)
			p[(i - n) / 8] ^= (uint8_t)(1U << (i - n) % 8);
	}
	buf_fini(&b);
}
