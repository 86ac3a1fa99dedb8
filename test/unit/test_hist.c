/* test_hist - buckets of durations. */
#include "base/hist.h"

#include <criterion/criterion.h>
#include <math.h>

/* The definition that hist_bucket() is a shortcut for. */
static unsigned bucket_by_looking(uint64_t us)
{
	unsigned i = 0;
	while (us > hist_bound_us[i])
		i++;
	return i;
}

static void same(uint64_t us)
{
	cr_assert_eq(hist_bucket(us), bucket_by_looking(us), "%llu us", (unsigned long long)us);
}

Test(hist, every_duration_falls_into_the_first_bucket_that_holds_it)
{
	for (unsigned i = 0; i < HIST_BOUNDS; i++)
		for (uint64_t d = 0; d < 3; d++)
			same(hist_bound_us[i] + d - 1);
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t d = 0; d < 3; d++)
			same((UINT64_C(1) << bit) + d - 1);
	for (uint64_t us = 0; us < 300000; us++)
		same(us);
	same(UINT64_MAX);
}

Test(hist, bounds_grow_from_50_us_to_100_s)
{
	cr_assert_eq(hist_bound_us[0], 50);
	cr_assert_eq(hist_bound_us[HIST_BOUNDS - 1], UINT64_C(100000000));
	cr_assert_eq(hist_bound_us[HIST_BOUNDS], UINT64_MAX);
	for (unsigned i = 1; i <= HIST_BOUNDS; i++)
		cr_assert_geq(hist_bound_us[i], 2 * hist_bound_us[i - 1]);
}

Test(hist, counts_and_sums)
{
	struct hist a = { 0 }, b = { 0 };
	hist_add(&a, -5); /* a clock that went back is no reason to crash or to count a century */
	hist_add(&a, 0);
	hist_add(&a, 60);
	hist_add(&b, 60);
	hist_add(&b, INT64_C(200000000));
	hist_merge(&a, &b);
	cr_assert_eq(hist_count(&a), 5);
	cr_assert_eq(a.sum_us, 120 + UINT64_C(200000000));
	cr_assert_eq(a.n[0], 2);
	cr_assert_eq(a.n[1], 2);
	cr_assert_eq(a.n[HIST_BOUNDS], 1);
}

Test(hist, what_was_added_since)
{
	struct hist a = { 0 }, then;
	hist_add(&a, 70);
	then = a;
	hist_add(&a, 80);
	hist_add(&a, 700);
	struct hist d = hist_since(&a, &then);
	cr_assert_eq(hist_count(&d), 2);
	cr_assert_eq(d.sum_us, 780);
	cr_assert_eq(d.n[1], 1);
}

Test(hist, shares_are_spread_within_a_bucket)
{
	struct hist a = { 0 };
	cr_assert(isnan(hist_share_us(&a, 0.5)));
	for (int i = 0; i < 4; i++)
		hist_add(&a, 150); /* above 100, up to 200 */
	cr_assert_float_eq(hist_share_us(&a, 0.5), 150, 1e-9);
	cr_assert_float_eq(hist_share_us(&a, 1), 200, 1e-9);
	for (int i = 0; i < 4; i++)
		hist_add(&a, 40);
	cr_assert_float_eq(hist_share_us(&a, 0.5), 50, 1e-9); /* the end of the first */
	cr_assert_float_eq(hist_share_us(&a, 0.75), 150, 1e-9);
	for (int i = 0; i < 100; i++)
		hist_add(&a, INT64_C(500000000));
	cr_assert_float_eq(hist_share_us(&a, 0.99), 1e8, 1e-9); /* longer is not known */
}
