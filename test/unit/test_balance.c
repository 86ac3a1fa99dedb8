/* balance: shares, zones, slow start, ejection and its floor. */
#include "cluster_try.h"

#include "cluster/balance.h"

#include "base/mem.h"

#include <criterion/criterion.h>

#define S 1000000

static struct cluster_view *v;
static struct balance b;

static void set_up(void)
{
	v = try_view(4); /* 0 is the primary */
	balance_init(&b);
}
static void tear_down(void)
{
	cluster_view_unref(&v);
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
TestSuite(balance, .init = set_up, .fini = tear_down);

static int run(uint32_t mask, enum balance_result r, int64_t latency, int64_t now)
{
	int i = balance_pick(&b, v, mask, -1, now);
	if (i >= 0) {
		balance_begin(&b, (unsigned)i, now);
		balance_end(&b, v, (unsigned)i, r, latency, now);
	}
	return i;
}

Test(balance, in_turn_when_equal)
{
	unsigned n[4] = { 0 };
	for (int i = 0; i < 300; i++)
		n[run(0xe, BALANCE_OK, 1000, S)]++;
	cr_assert(n[1] == 100 && n[2] == 100 && n[3] == 100);
	cr_assert_eq(run(0, BALANCE_OK, 1, S), -1);
	cr_assert_eq(run(4, BALANCE_OK, 1, S), 2);
}

Test(balance, least_outstanding_per_weight)
{
	unsigned n[4] = { 0 };
	v->node[1].weight = 3;
	v->node[3].weight = 0;
	for (int i = 0; i < 40; i++) {
		int k = balance_pick(&b, v, 0xe, -1, S);
		balance_begin(&b, (unsigned)k, S);
		n[k]++;
	}
	cr_assert_eq(n[3], 0);
	cr_assert(n[1] >= 29 && n[1] <= 31, "%u", n[1]);
}

Test(balance, latency_only_breaks_ties)
{
	b.node[1].ewma_us = 100000;
	b.node[1].ewma_at_us = S;
	b.node[2].ewma_us = b.node[3].ewma_us = 1000;
	b.node[2].ewma_at_us = b.node[3].ewma_at_us = S;
	for (int i = 0; i < 10; i++)
		cr_assert_neq(balance_pick(&b, v, 0xe, -1, S), 1);
	balance_begin(&b, 2, S);
	balance_begin(&b, 3, S);
	cr_assert_eq(balance_pick(&b, v, 0xe, -1, S), 1);
	/* unused for long: it gets another chance */
	balance_end(&b, v, 2, BALANCE_OK, 1000, S);
	balance_end(&b, v, 3, BALANCE_OK, 1000, S);
	b.node[2].ewma_at_us = b.node[3].ewma_at_us = 200 * S;
	bool again = false;
	for (int i = 0; i < 10; i++)
		again = again || balance_pick(&b, v, 0xe, -1, 200 * S) == 1;
	cr_assert(again);
}

Test(balance, prefers_the_last_one)
{
	for (int i = 0; i < 10; i++)
		cr_assert_eq(balance_pick(&b, v, 0xe, 2, S), 2);
	balance_begin(&b, 2, S);
	cr_assert_eq(balance_pick(&b, v, 0xe, 2, S), 2);
	balance_begin(&b, 2, S);
	cr_assert_neq(balance_pick(&b, v, 0xe, 2, S), 2);
	cr_assert_neq(balance_pick(&b, v, 0xa, 2, S), 2, "it may not");
}

Test(balance, zones)
{
	v->node[3].tier = 1;
	for (int i = 0; i < 20; i++)
		cr_assert_neq(run(0xe, BALANCE_OK, 1000, S), 3);
	for (int i = 0; i < 2; i++) {
		balance_begin(&b, 1, S);
		balance_begin(&b, 2, S);
	}
	cr_assert_eq(balance_pick(&b, v, 0xe, 1, S), 3, "the near ones are busy");
	cr_assert_eq(run(8, BALANCE_OK, 1000, S), 3);
}

Test(balance, slow_start)
{
	unsigned n[4] = { 0 };
	v->node[1].state = NODE_WARMING;
	v->node[1].warm_since_us = 100 * S;
	for (int i = 0; i < 42; i++) {
		int k = balance_pick(&b, v, 0xe, -1, 100 * S);
		balance_begin(&b, (unsigned)k, 100 * S);
		n[k]++;
	}
	cr_assert(n[1] >= 1 && n[1] <= 3, "%u", n[1]);
	for (int i = 0; i < 41; i++) {
		int k = balance_pick(&b, v, 0xe, -1, 110 * S);
		balance_begin(&b, (unsigned)k, 110 * S);
		n[k]++;
	}
	cr_assert(n[1] >= 26 && n[1] <= 29, "warm: %u", n[1]);
}

/* A node that fails fast must not draw all requests. */
Test(balance, ejects_and_takes_back)
{
	int errors = 0;
	int64_t t = S;
	for (int i = 0; i < 1000; i++, t += 1000) {
		int k = balance_pick(&b, v, 0xe, -1, t);
		balance_begin(&b, (unsigned)k, t);
		balance_end(&b, v, (unsigned)k, k == 1 ? BALANCE_ERROR : BALANCE_OK, 300, t);
		errors += k == 1;
	}
	cr_assert_leq(errors, 5);
	cr_assert(balance_ejected(&b, 1, t));
	/* half open: one request, then out for longer */
	t += 2 * S;
	cr_assert_not(balance_ejected(&b, 1, t));
	balance_begin(&b, 1, t);
	cr_assert(balance_ejected(&b, 1, t), "one at a time");
	balance_end(&b, v, 1, BALANCE_ERROR, 1, t);
	cr_assert(balance_ejected(&b, 1, t + 3 * S / 2));
	t += 3 * S;
	balance_begin(&b, 1, t);
	balance_end(&b, v, 1, BALANCE_OK, 1000, t);
	cr_assert_not(balance_ejected(&b, 1, t));
}

Test(balance, never_the_last_nor_most)
{
	int64_t t = S;
	for (unsigned k = 1; k < 4; k++) {
		for (int i = 0; i < 6; i++) {
			balance_begin(&b, k, t);
			balance_end(&b, v, k, BALANCE_ERROR, 1, t);
		}
	}
	int out = 0;
	for (unsigned k = 1; k < 4; k++)
		out += balance_ejected(&b, k, t);
	cr_assert_eq(out, 1);
	/* the floor counts what the view counts: with one reader left, it stays */
	balance_init(&b);
	v->node[2].reads = v->node[3].reads = false;
	for (int i = 0; i < 20; i++) {
		balance_begin(&b, 1, t);
		balance_end(&b, v, 1, BALANCE_ERROR, 1, t);
	}
	cr_assert_eq(balance_pick(&b, v, 2, -1, t), 1);
	/* if all that may serve are ejected, one of them serves */
	b.node[1].ejected_until_us = t + S;
	cr_assert_eq(balance_pick(&b, v, 2, -1, t), 1);
}

Test(balance, outlier)
{
	int64_t t = S;
	for (int i = 0; i < 100; i++) {
		for (unsigned k = 1; k < 4; k++) {
			balance_begin(&b, k, t);
			/* two errors, one answer: never five in a row */
			balance_end(&b, v, k, k == 1 && i % 3 ? BALANCE_ERROR : BALANCE_OK, 1, t);
		}
		if (balance_ejected(&b, 1, t))
			break;
	}
	cr_assert(balance_ejected(&b, 1, t));
	cr_assert_not(balance_ejected(&b, 2, t));
}
