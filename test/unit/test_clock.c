/* clock: the calendar against the C library's over 800 years, and the forms of text. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#define DAY_US 86400000000LL

Test(clock, known_moments)
{
	static const struct {
		int64_t us;
		const char *s, *ms;
	} t[] = {
		{ 0, "1970-01-01 00:00:00 UTC", "1970-01-01 00:00:00.000 UTC" },
		{ -1, "1969-12-31 23:59:59 UTC", "1969-12-31 23:59:59.999 UTC" },
		{ 951782400000000, "2000-02-29 00:00:00 UTC", "2000-02-29 00:00:00.000 UTC" },
		{ 951868800000000, "2000-03-01 00:00:00 UTC", "2000-03-01 00:00:00.000 UTC" },
		{ 1795171767123999, "2026-11-20 10:49:27 UTC", "2026-11-20 10:49:27.123 UTC" },
		{ 4107542399999999, "2100-02-28 23:59:59 UTC", "2100-02-28 23:59:59.999 UTC" },
		{ 4107542400000000, "2100-03-01 00:00:00 UTC", "2100-03-01 00:00:00.000 UTC" },
	};
	char out[32];
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cr_assert_str_eq(clock_format_s(t[i].us, out, sizeof(out)), t[i].s);
		cr_assert_str_eq(clock_format_ms(t[i].us, out, sizeof(out)), t[i].ms);
	}
}

Test(clock, each_day_of_800_years)
{
	for (int64_t day = -150000; day < 150000; day++) {
		time_t s = (time_t)(day * 86400 + (day & 0xffff));
		struct tm tm;
		char want[64], out[32];
		cr_assert_not_null(gmtime_r(&s, &tm));
		strftime(want, sizeof(want), "%Y-%m-%d %H:%M:%S UTC", &tm);
		cr_assert_str_eq(clock_format_s((int64_t)s * 1000000, out, sizeof(out)), want);
	}
}

Test(clock, small_room_is_not_overrun)
{
	char out[8] = "zzzzzzz";
	clock_format_ms(0, out, 5);
	cr_assert_str_eq(out, "1970");
	cr_assert_eq(out[5], 'z');
	char big[64];
	clock_format_ms(INT64_MAX, big, sizeof(big));
	clock_format_ms(INT64_MIN, big, sizeof(big));
}

Test(clock, clocks_run)
{
	int64_t m = clock_mono_us(), w = clock_wall_us();
	struct timespec ms = { .tv_nsec = 2000000 };
	nanosleep(&ms, NULL);
	int64_t took = clock_mono_us() - m;
	cr_assert_geq(took, 2000);
	cr_assert_lt(took, 60 * 1000000LL);
	cr_assert_gt(w, 1700000000 * 1000000LL);
	cr_assert_lt(w, 20000 * 365 * DAY_US);
}
