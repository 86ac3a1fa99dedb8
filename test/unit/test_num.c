/* num: limits, garbage and units. */
#include "base/num.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(num, i64_good)
{
	static const struct {
		const char *s;
		int64_t v;
	} t[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "+7", 7 },
		{ "007", 7 },
		{ "-5", -5 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	for (size_t i = 0; i < N(t); i++) {
		int64_t v = 99;
		cr_assert_eq(num_i64(t[i].s, INT64_MIN, INT64_MAX, &v), 0, "%s", t[i].s);
		cr_assert_eq(v, t[i].v, "%s", t[i].s);
	}
}

Test(num, i64_bad)
{
	static const char *const t[] = { "", "-", "+", "--1", " 1", "1 ", "1x", "0x10", "1.0",
		"1e3", "9223372036854775808", "-9223372036854775809", "99999999999999999999999",
		"\t1", "1\n", "½" };
	for (size_t i = 0; i < N(t); i++) {
		int64_t v = 99;
		cr_assert_eq(num_i64(t[i], INT64_MIN, INT64_MAX, &v), -1, "'%s'", t[i]);
		cr_assert_eq(v, 99, "left alone");
	}
}

Test(num, i64_range)
{
	int64_t v = 99;
	cr_assert_eq(num_i64("0", 1, 10, &v), -1);
	cr_assert_eq(num_i64("11", 1, 10, &v), -1);
	cr_assert_eq(v, 99);
	cr_assert_eq(num_i64("1", 1, 10, &v), 0);
	cr_assert_eq(num_i64("10", 1, 10, &v), 0);
	cr_assert_eq(num_i64("-3", -3, -3, &v), 0);
	cr_assert_eq(v, -3);
}

Test(num, u64n_reads_only_n_bytes)
{
	uint64_t v = 99;
	cr_assert_eq(num_u64n("123456", 3, 0, UINT64_MAX, &v), 0);
	cr_assert_eq(v, 123);
	cr_assert_eq(num_u64n("18446744073709551615", 20, 0, UINT64_MAX, &v), 0);
	cr_assert_eq(v, UINT64_MAX);
	v = 99;
	cr_assert_eq(num_u64n("18446744073709551616", 20, 0, UINT64_MAX, &v), -1);
	cr_assert_eq(num_u64n("1", 0, 0, 10, &v), -1);
	cr_assert_eq(num_u64n(NULL, 0, 0, 10, &v), -1);
	cr_assert_eq(num_u64n("-1", 2, 0, 10, &v), -1);
	cr_assert_eq(num_u64n("+1", 2, 0, 10, &v), -1);
	cr_assert_eq(num_u64n("1\0", 2, 0, 10, &v), -1);
	cr_assert_eq(num_u64n("4", 1, 5, 10, &v), -1);
	cr_assert_eq(num_u64n("11", 2, 5, 10, &v), -1);
	cr_assert_eq(v, 99);
}

Test(num, duration_good)
{
	static const struct {
		const char *s;
		int64_t unit, us;
	} t[] = {
		{ "0", 1000000, 0 },
		{ "5", 1000000, 5000000 },
		{ "5", 1000, 5000 },
		{ "1.5", 1000000, 1500000 },
		{ "0.25", 1000, 250 },
		{ "200ms", 1000000, 200000 },
		{ "200 ms", 1000000, 200000 },
		{ "10us", 1000000, 10 },
		{ "2min", 1000, 120000000 },
		{ "1h", 1, 3600000000 },
		{ "1d", 1, 86400000000 },
		{ "1.5h", 1, 5400000000 },
		{ "0.0000005s", 1, 0 }, /* digits behind the sixth do not count */
		{ "0.5us", 1, 1 },
		{ "0.4us", 1, 0 },
		{ "0.123456789123456789123s", 1, 123456 },
	};
	for (size_t i = 0; i < N(t); i++) {
		int64_t us = -1;
		cr_assert_eq(num_duration_us(t[i].s, t[i].unit, &us), 0, "%s", t[i].s);
		cr_assert_eq(us, t[i].us, "%s", t[i].s);
	}
}

Test(num, duration_bad)
{
	static const char *const t[] = { "", "s", "-1", "+1", ".5", "1.", "1.s", "1 5", "5 sec",
		"5S", "5m", "5smin", "1e3", "1,5", "9223372036854775808us", "106751992d", " 5",
		"9223372036854.9s", "99999999999999999999" };
	for (size_t i = 0; i < N(t); i++) {
		int64_t us = 99;
		cr_assert_eq(num_duration_us(t[i], 1000000, &us), -1, "'%s'", t[i]);
		cr_assert_eq(us, 99);
	}
}

Test(num, bytes)
{
	static const struct {
		const char *s;
		uint64_t v;
	} t[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "4096B", 4096 },
		{ "64k", 65536 },
		{ "64kB", 65536 },
		{ "64KB", 65536 },
		{ "64 kB", 65536 },
		{ "1MB", 1 << 20 },
		{ "1m", 1 << 20 },
		{ "1G", 1 << 30 },
		{ "2TB", 2ULL << 40 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = { "", "k", "-1", "1.5k", "1kk", "1kBB", "1 k B", "1x",
		"1P", "18446744073709551616", "16777216T", "18014398509481984k", "1k " };
	uint64_t v;
	for (size_t i = 0; i < N(t); i++) {
		cr_assert_eq(num_bytes(t[i].s, &v), 0, "%s", t[i].s);
		cr_assert_eq(v, t[i].v, "%s", t[i].s);
	}
	for (size_t i = 0; i < N(bad); i++) {
		v = 99;
		cr_assert_eq(num_bytes(bad[i], &v), -1, "'%s'", bad[i]);
		cr_assert_eq(v, 99);
	}
	cr_assert_eq(num_bytes("16777215T", &v), 0);
	cr_assert_eq(v, 16777215ULL << 40);
}

Test(num, mode)
{
	static const char *const bad[] = { "", "8", "0778", "-1", "10000", "0x1f", "rwx",
		"77777777777777777777", " 0777" };
	uint32_t m = 99;
	cr_assert_eq(num_mode("0777", &m), 0);
	cr_assert_eq(m, 0777);
	cr_assert_eq(num_mode("600", &m), 0);
	cr_assert_eq(m, 0600);
	cr_assert_eq(num_mode("0", &m), 0);
	cr_assert_eq(m, 0);
	cr_assert_eq(num_mode("00007777", &m), 0);
	cr_assert_eq(m, 07777);
	for (size_t i = 0; i < N(bad); i++) {
		m = 99;
		cr_assert_eq(num_mode(bad[i], &m), -1, "'%s'", bad[i]);
		cr_assert_eq(m, 99);
	}
}

Test(num, put)
{
	static const struct {
		int64_t v;
		const char *s;
	} t[] = {
		{ 0, "0" },
		{ 9, "9" },
		{ 10, "10" },
		{ -1, "-1" },
		{ 12345678901234567, "12345678901234567" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};
	for (size_t i = 0; i < N(t); i++) {
		char out[NUM_I64_CHARS + 1];
		memset(out, 'z', sizeof(out));
		size_t n = num_put_i64(out, t[i].v);
		cr_assert_eq(n, strlen(t[i].s), "%s", t[i].s);
		cr_assert_eq(memcmp(out, t[i].s, n), 0, "%s", t[i].s);
		cr_assert_eq(out[n], 'z', "%s", t[i].s);
	}
}

Test(num, put_digits)
{
	char out[8] = "zzzzzzz";
	num_put_digits(out, 4, 42);
	cr_assert_str_eq(out, "0042zzz");
	num_put_digits(out, 2, 1234);
	cr_assert_str_eq(out, "3442zzz");
	num_put_digits(out, 0, 7);
	cr_assert_str_eq(out, "3442zzz");
}
