/* clock - time in microseconds, and as text in UTC. Ignorant of time zones and locales. Any thread.
 * The calendar is computed here because the C library's takes a lock and reads files. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define DAY_S 86400

static int64_t now_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t); /* cannot fail with these ids */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct date {
	int64_t year;
	int month, day;
};

/* Proleptic Gregorian date of the n-th day since 1970-01-01. Years are counted from March, so
 * that the leap day is the last of a year and the months are a run of 31 30 31 30 31: (153 m + 2)
 * / 5 days. */
static struct date date_of(int64_t days)
{
	int64_t d = days + 719468; /* since 0000-03-01 */
	int64_t era = floor_div(d, 146097), n = d - era * 146097;
	int64_t y = (n - n / 1460 + n / 36524 - n / 146096) / 365;
	int64_t of_year = n - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153; /* 0 = March */
	struct date r;
	r.day = (int)(of_year - (153 * m + 2) / 5 + 1);
	r.month = (int)(m < 10 ? m + 3 : m - 9);
	r.year = y + era * 400 + (r.month <= 2);
	return r;
}

static void format(int64_t wall_us, char *out, size_t n, int with_ms)
{
	int64_t s = floor_div(wall_us, 1000000), days = floor_div(s, DAY_S);
	int ms = (int)((wall_us % 1000000 + 1000000) % 1000000 / 1000),
	    of_day = (int)(s - days * DAY_S);
	struct date d = date_of(days);
	char tail[8] = "";
	if (with_ms)
		snprintf(tail, sizeof(tail), ".%03d", ms);
	snprintf(out, n, "%04lld-%02d-%02d %02d:%02d:%02d%s UTC", (long long)d.year, d.month, d.day,
		of_day / 3600, of_day / 60 % 60, of_day % 60, tail);
}

char *clock_format_ms(int64_t wall_us, char *out, size_t n)
{
	format(wall_us, out, n, 1);
	return out;
}

char *clock_format_s(int64_t wall_us, char *out, size_t n)
{
	format(wall_us, out, n, 0);
	return out;
}
