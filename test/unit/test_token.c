/* token: read-your-writes, monotonic reads and the other levels, on views made by hand; the text
 * form through a cluster. */
#include "cluster_try.h"

#include "cluster/token.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

static void no_leak(void)
{
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
TestSuite(token, .fini = no_leak);

static enum token_answer may(const struct token *t, enum token_level l,
	const struct cluster_view *v, unsigned i, int64_t now)
{
	struct token_need need = { .level = l };
	return token_may_read(t, &need, v, i, now, NULL);
}

Test(token, own_writes)
{
	struct cluster_view *v = try_view(3);
	struct token t = { 0 };
	_Atomic int64_t group = 0;
	try_fresh(v, 1, 1000);
	try_fresh(v, 2, 900);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_YES);
	token_wrote(&t, &group, 950);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_YES);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 2, 1100), TOKEN_BEHIND);
	cr_assert_eq(may(&t, TOKEN_EVENTUAL, v, 2, 1100), TOKEN_YES);
	cr_assert_eq(may(&t, TOKEN_STRONG, v, 1, 1100), TOKEN_PRIMARY_ONLY);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 0, 1100), TOKEN_NOT_READER, "the primary");
	struct token_need need = { .level = TOKEN_SESSION };
	int64_t until = 0;
	token_may_read(&t, &need, v, 2, 1100, &until);
	cr_assert_eq(until, 950);
	try_fresh(v, 2, 950);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 2, 1100), TOKEN_YES);
	/* somebody else's write */
	struct token other = { 0 };
	need = (struct token_need){ .level = TOKEN_GLOBAL, .group_us = atomic_load(&group) };
	try_fresh(v, 2, 940);
	cr_assert_eq(token_may_read(&other, &need, v, 2, 1100, NULL), TOKEN_BEHIND);
	cr_assert_eq(may(&other, TOKEN_SESSION, v, 2, 1100), TOKEN_YES);
	token_wrote(&other, &group, 900);
	cr_assert_eq(atomic_load(&group), 950, "it does not fall");
	cluster_view_unref(&v);
}

Test(token, held_by_its_reads)
{
	struct cluster_view *v = try_view(2);
	struct token t = { 0 };
	struct token_need need = { .level = TOKEN_SESSION };
	try_fresh(v, 1, 1000);
	cr_assert_not(token_held_by_reads(&t, &need, v, 1100), "nothing holds it");
	token_wrote(&t, NULL, 1050);
	token_read_primary(&t, 1060);
	cr_assert_not(token_held_by_reads(&t, &need, v, 1100), "the write does");
	try_fresh(v, 1, 1055);
	cr_assert(token_held_by_reads(&t, &need, v, 1100));
	need = (struct token_need){ .level = TOKEN_GLOBAL, .group_us = 1070 };
	cr_assert_not(token_held_by_reads(&t, &need, v, 1100), "others' writes do");
	cluster_view_unref(&v);
}

static void read_replica(
	struct token *t, const struct cluster_view *v, unsigned node, int64_t recv_us)
{
	struct token_source from = token_source(v, node);
	token_read_replica(t, &from, recv_us);
}

Test(token, a_replica_that_falls_while_it_answers)
{
	struct cluster_view *v = try_view(3);
	struct token t = { 0 };
	struct token_source from = token_source(v, 1);
	/* it was sent, it fell, it is back with less, and only now its answer is noted */
	atomic_fetch_add(&v->live->node[1].life, 1u);
	token_read_replica(&t, &from, 1020);
	try_fresh(v, 1, 1000);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_BEHIND);
	try_fresh(v, 1, 1020);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_YES);
	cluster_view_unref(&v);
}

Test(token, monotonic_reads)
{
	struct cluster_view *v = try_view(3);
	struct token t = { 0 };
	try_fresh(v, 1, 1000);
	try_fresh(v, 2, 1000);
	read_replica(&t, v, 1, 1020);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_YES, "the same one again");
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 2, 1100), TOKEN_BEHIND);
	try_fresh(v, 2, 1020);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 2, 1100), TOKEN_YES);
	/* it was restarted and may have gone back */
	atomic_fetch_add(&v->live->node[1].life, 1u);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_BEHIND);
	token_read_primary(&t, 1050);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 2, 1100), TOKEN_BEHIND);
	/* another epoch: the same node is not the same history */
	struct token u = { 0 };
	read_replica(&u, v, 2, 1060);
	cr_assert_eq(may(&u, TOKEN_SESSION, v, 2, 1100), TOKEN_YES);
	v->epoch = 2;
	cr_assert_eq(may(&u, TOKEN_SESSION, v, 2, 1100), TOKEN_BEHIND);
	cluster_view_unref(&v);
}

Test(token, bounds_doubt_and_freshness)
{
	struct cluster_view *v = try_view(3);
	struct token t = { 0 };
	try_fresh(v, 1, 1000);
	struct token_need need = { .level = TOKEN_BOUNDED, .bound_us = 100 };
	cr_assert_eq(token_may_read(&t, &need, v, 1, 1100, NULL), TOKEN_YES);
	cr_assert_eq(token_may_read(&t, &need, v, 1, 1101, NULL), TOKEN_BOUND);
	cr_assert_eq(token_may_read(&t, &need, v, 2, 1100, NULL), TOKEN_BOUND, "F unknown");
	v->node[1].fresh = FRESH_STOPPED;
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1100), TOKEN_FRESHNESS);
	cr_assert_eq(may(&t, TOKEN_EVENTUAL, v, 1, 1100), TOKEN_YES);
	v->node[1].eventual = false;
	cr_assert_eq(may(&t, TOKEN_EVENTUAL, v, 1, 1100), TOKEN_FRESHNESS);
	v->node[1].fresh = FRESH_OK;
	token_in_doubt(&t, 1100);
	cr_assert_eq(may(&t, TOKEN_EVENTUAL, v, 1, 1200), TOKEN_PRIMARY_ONLY);
	cr_assert_eq(may(&t, TOKEN_EVENTUAL, v, 1, 1100 + 30000000), TOKEN_YES);
	token_in_doubt(&t, 1100);
	token_wrote(&t, NULL, 900);
	cr_assert_eq(may(&t, TOKEN_SESSION, v, 1, 1200), TOKEN_YES);
	cluster_view_unref(&v);
}

/* Eventual reads prefer nodes of known freshness; else the least stale one, not none. */
Test(token, mask)
{
	struct cluster_view *v = try_view(4);
	struct token t = { 0 };
	enum token_answer why;
	struct token_need need = { .level = TOKEN_EVENTUAL };
	for (unsigned i = 1; i < 4; i++)
		try_fresh(v, i, 1000 + i);
	cr_assert_eq(token_mask(&t, &need, v, 1100, NULL), 0xe);
	v->node[2].fresh = FRESH_STALE;
	cr_assert_eq(token_mask(&t, &need, v, 1100, NULL), 0xa);
	v->node[1].fresh = v->node[3].fresh = FRESH_STALE;
	cr_assert_eq(token_mask(&t, &need, v, 1100, NULL), 0x8);
	need.level = TOKEN_SESSION;
	cr_assert_eq(token_mask(&t, &need, v, 1100, &why), 0);
	cr_assert_eq(why, TOKEN_FRESHNESS);
	v->node[1].fresh = FRESH_OK;
	token_wrote(&t, NULL, 5000);
	cr_assert_eq(token_mask(&t, &need, v, 5100, &why), 0);
	cr_assert_eq(why, TOKEN_BEHIND);
	cluster_view_unref(&v);
}

Test(token, levels)
{
	enum token_level l;
	for (int i = TOKEN_EVENTUAL; i <= TOKEN_STRONG; i++) {
		cr_assert(token_level_parse(token_level_name((enum token_level)i), &l));
		cr_assert_eq(l, i);
	}
	cr_assert_not(token_level_parse("", &l));
	cr_assert_not(token_level_parse("Session", &l));
}

/* ---- text ---- */

static void sample(struct cluster *c, int64_t sent, uint64_t lsn, uint32_t timeline)
{
	struct cluster_sample s = {
		.sent_us = sent, .recv_us = sent + 10, .writable = true, .timeline = timeline
	};
	pos_set_lsn(&s.pos, lsn);
	cluster_on_sample(c, 0, &s);
}
static struct cluster *one_node(const char *system, uint32_t timeline)
{
	struct cluster_opts o = { .name = "c", .kind = CLUSTER_PG };
	struct cluster_node_opts n = { .name = "a", .host = "a", .port = 1, .weight = 1 };
	struct cluster *c = cluster_new(&o, &n, 1, 1000);
	struct cluster_facts f = { .sent_us = 1000, .recv_us = 1001, .repl = UPSTREAM_NONE };
	memcpy(f.system, system, strlen(system));
	cluster_on_facts(c, 0, &f);
	sample(c, 2000, 0x100, timeline);
	cr_assert_eq(cluster_view(c)->state, CLUSTER_NORMAL);
	return c;
}

Test(token, travels)
{
	struct cluster *a = one_node("77", 3), *b = one_node("77", 3), *other = one_node("78", 3);
	struct cluster *later = one_node("77", 4);
	struct token t = { 0 };
	struct err e;
	struct buf out;
	buf_init(&out, 0);
	token_wrote(&t, NULL, 2500);
	cr_assert_eq(token_export(&t, a, &out, &e), -1);
	cr_assert_not(err_is(&e), "wait for a sample");
	sample(a, 3000, 0x200, 3);
	cr_assert_eq(token_export(&t, a, &out, &e), 0);
	const char *s = (const char *)buf_data(&out);
	size_t n = buf_len(&out);
	cr_assert_eq(n, strlen("v1;77/3;0/200"));
	cr_assert_eq(memcmp(s, "v1;77/3;0/200", n), 0);

	struct token u = { 0 };
	cr_assert_eq(token_import(&u, b, s, n, 9000, &e), 0);
	cr_assert_eq(u.write_us, 9000, "not seen here yet: any sample after now has it");
	sample(b, 3300, 0x300, 3);
	u = (struct token){ 0 };
	cr_assert_eq(token_import(&u, b, s, n, 9000, &e), 0);
	cr_assert_eq(u.write_us, 3300);
	cr_assert_eq(token_import(&u, other, s, n, 9000, &e), -1);
	cr_assert_eq(token_import(&u, later, s, n, 9000, &e), 0);
	cr_assert_eq(u.write_us, 9000, "of an older timeline: the time of the import");
	sample(later, 3500, 0x200, 4);
	buf_fini(&out);
	t = (struct token){ .write_us = 3400 };
	cr_assert_eq(token_export(&t, later, &out, &e), 0);
	cr_assert_eq(token_import(&u, a, (char *)buf_data(&out), buf_len(&out), 9000, &e), -1,
		"of a newer timeline than we know");
	static const char *const bad[] = { "", "v1", "v1;", "v1;77/3", "v1;77/3;", "v2;77/3;0/1",
		"v1;77;0/1", "v1;77/x;0/1", "v1;77/3;x", "v1;7/3;0/1", "v1;777/3;0/1" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct token w = { 0 };
		int r = token_import(&w, a, bad[i], strlen(bad[i]), 9000, &e);
		cr_assert(r == -1 || w.write_us == 0, "%s", bad[i]);
	}
	buf_fini(&out);
	cluster_free(&a);
	cluster_free(&b);
	cluster_free(&other);
	cluster_free(&later);
}
