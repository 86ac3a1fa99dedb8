/* fresh: F(r) against a model that keeps everything, and the judgement with its hysteresis. */
#include "cluster/fresh.h"

#include "seed.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000

static void no_leak(void)
{
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
TestSuite(fresh, .fini = no_leak);

static enum fresh_add add(struct fresh_history *h, int64_t sent_us, uint64_t lsn)
{
	struct pos p;
	pos_set_lsn(&p, lsn);
	return fresh_history_add(h, sent_us, &p);
}
static int64_t of(const struct fresh_history *h, uint64_t lsn)
{
	struct pos p;
	pos_set_lsn(&p, lsn);
	return fresh_of(h, &p);
}

Test(fresh, idle_primary_has_no_lag)
{
	struct fresh_history h;
	fresh_history_init(&h);
	cr_assert_eq(of(&h, 100), 0);
	cr_assert_eq(add(&h, 10, 100), FRESH_ADDED);
	cr_assert_eq(add(&h, 60, 100), FRESH_SAME);
	cr_assert_eq(add(&h, 110, 100), FRESH_SAME);
	cr_assert_eq(of(&h, 100), 110);
	cr_assert_eq(of(&h, 99), 0);
	cr_assert_eq(add(&h, 160, 200), FRESH_ADDED);
	cr_assert_eq(of(&h, 199), 110);
	cr_assert_eq(of(&h, 200), 160);
	cr_assert_eq(h.n, 2);
	cr_assert_eq(fresh_at(&h, 111)->lsn, 200);
	cr_assert_eq(fresh_at(&h, 110)->lsn, 100);
	cr_assert_null(fresh_at(&h, 161));
	fresh_history_clear(&h);
}

Test(fresh, older_answers_and_steps_back)
{
	struct fresh_history h;
	fresh_history_init(&h);
	add(&h, 100, 50);
	cr_assert_eq(add(&h, 90, 60), FRESH_SAME, "an answer that was overtaken");
	cr_assert_eq(of(&h, 60), 100);
	cr_assert_eq(add(&h, 110, 40), FRESH_WENT_BACK);
	cr_assert_eq(of(&h, 45), 110);
	cr_assert_eq(of(&h, 39), 0);
	fresh_history_clear(&h);
}

/* MariaDB: what the server 1 wrote is lost from 48 on, and the server 2 has its numbers. */
Test(fresh, other_transactions_under_the_same_numbers)
{
	static const struct {
		const char *pos;
		int64_t fresh;
	} is[] = { { "0-1-47", 0 }, { "0-1-48", 10 }, { "0-1-49", 0 }, { "0-1-50", 0 },
		{ "0-1-52", 0 }, { "0-1-55", 0 }, { "0-1-60", 0 }, { "0-2-48", 0 },
		{ "0-2-49", 10 }, { "0-2-52", 20 }, { "0-2-55", 20 }, { "0-2-60", 30 },
		{ "0-2-61", 30 }, { "0-1-61", 0 }, { "0-2-60,7-9-1", 30 } };
	static const char *const marks[] = { "0-1-48", "0-2-52", "0-2-60" };
	struct fresh_history h;
	struct pos p;
	fresh_history_init(&h);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(pos_parse_mariadb(marks[i], strlen(marks[i]), &p, NULL), 0);
		fresh_history_add(&h, 10 * (i + 1), &p);
	}
	for (size_t i = 0; i < sizeof is / sizeof is[0]; i++) {
		cr_assert_eq(pos_parse_mariadb(is[i].pos, strlen(is[i].pos), &p, NULL), 0);
		cr_assert_eq(
			fresh_of(&h, &p), is[i].fresh, "%s: %d", is[i].pos, (int)fresh_of(&h, &p));
		pos_fini(&p);
	}
	fresh_history_clear(&h);
}

/* Whatever was thrown away: F(r) is never above the truth, and exact for what is recent. */
Test(fresh, never_too_high)
{
	unsigned seed = seed_first();
	enum { SAMPLES = 20000 };
	static uint64_t lsn[SAMPLES];
	struct fresh_history h;
	fresh_history_init(&h);
	uint64_t at = 1000;
	for (int i = 0; i < SAMPLES; i++) {
		if (rand_r(&seed) % 3)
			at += (uint64_t)rand_r(&seed) % 500;
		lsn[i] = at;
		add(&h, i + 1, at);
		cr_assert_leq(h.n, FRESH_RING);
		if (i % 10)
			continue;
		int back = rand_r(&seed) % (i + 1);
		int64_t f = of(&h, lsn[back]);
		int truth = back;
		while (truth < i && lsn[truth + 1] <= lsn[back])
			truth++;
		cr_assert_leq(f, truth + 1);
		if (i - back < FRESH_RING / 4)
			cr_assert_eq(f, truth + 1);
		struct pos p;
		pos_set_lsn(&p, lsn[back]);
		int64_t since = fresh_since(&h, &p);
		cr_assert(since > 0 && lsn[since - 1] >= lsn[back]);
	}
	fresh_history_clear(&h);
}

/* Sets that a hostile primary makes large are bounded, too. */
Test(fresh, bytes_are_bounded)
{
	struct fresh_history h;
	fresh_history_init(&h);
	for (unsigned i = 1; i < 200; i++) {
		struct buf b;
		struct pos p;
		buf_init(&b, 0);
		buf_puts(&b, "3e11fa47-71ca-11e1-9e33-c80aa9429562");
		for (unsigned k = 0; k < 1000; k++)
			buf_printf(&b, ":%u", 2 * k + 1);
		buf_printf(&b, ":100000-%u", 100000 + i);
		cr_assert_eq(pos_parse_gtid((char *)buf_data(&b), buf_len(&b), &p, NULL), 0);
		buf_fini(&b);
		cr_assert_eq(fresh_history_add(&h, i, &p), FRESH_ADDED);
		cr_assert_leq(h.bytes, FRESH_RING_BYTES);
	}
	cr_assert_eq(fresh_of(&h, fresh_last(&h)), 199);
	fresh_history_clear(&h);
	buf_thread_fini();
}

static const struct fresh_opts opts = { .interval_us = 50 * MS, .max_staleness_us = 10000 * MS };

static enum fresh_state judge(struct fresh_judge *j, int64_t now, int64_t lag)
{
	struct fresh_input in = {
		.fresh_us = now - lag, .sample_us = now, .primary_us = now, .sampled = true
	};
	return fresh_judge(j, &opts, &in, now);
}

Test(fresh, out_and_back)
{
	struct fresh_judge j = { 0 };
	int64_t t = 1000000 * MS;
	cr_assert_eq(judge(&j, t, 50 * MS), FRESH_OK);
	cr_assert_eq(judge(&j, t += 50 * MS, 10000 * MS), FRESH_OK);
	cr_assert_eq(judge(&j, t += 50 * MS, 10001 * MS), FRESH_STALE);
	int64_t out = t;
	/* not at once, not while above the half */
	for (int i = 0; i < 100; i++)
		cr_assert_eq(judge(&j, t += 50 * MS, 6000 * MS), FRESH_STALE);
	int64_t good = t + 50 * MS;
	while (judge(&j, t += 50 * MS, 5000 * MS) == FRESH_STALE)
		cr_assert_lt(t, out + 60000 * MS);
	cr_assert_geq(t - good, 500 * MS);
	cr_assert_leq(t - good, 600 * MS);
}

/* A lag that swings over the limit all the time: out for longer and longer. */
Test(fresh, few_flaps)
{
	struct fresh_judge j = { 0 };
	int64_t t = 1000000 * MS;
	int outs = 0;
	enum fresh_state last = FRESH_OK;
	for (int i = 0; i < 20 * 120; i++) { /* two minutes */
		enum fresh_state s = judge(&j, t += 50 * MS, i / 20 % 2 ? 10500 * MS : 100 * MS);
		outs += s == FRESH_STALE && last == FRESH_OK;
		last = s;
	}
	cr_assert_leq(outs, 7, "%d", outs);
}

Test(fresh, silence_is_not_lag)
{
	struct fresh_judge j = { 0 };
	int64_t t = 1000000 * MS;
	struct fresh_input in = { .fresh_us = t, .sample_us = t, .primary_us = t };
	cr_assert_eq(fresh_judge(&j, &opts, &in, t + 200 * MS), FRESH_OK);
	cr_assert_eq(fresh_judge(&j, &opts, &in, t + 260 * MS), FRESH_UNKNOWN);
	in.sample_us = t +
		       60000 * MS; /* the primary is silent for a minute: not the replica's fault */
	cr_assert_eq(fresh_judge(&j, &opts, &in, t + 60000 * MS), FRESH_OK);
	in.stopped = true;
	cr_assert_eq(fresh_judge(&j, &opts, &in, t + 60000 * MS), FRESH_STOPPED);
	in.stopped = false;
	in.fresh_us = 0;
	cr_assert_eq(fresh_judge(&j, &opts, &in, t + 60000 * MS), FRESH_UNKNOWN);
}
