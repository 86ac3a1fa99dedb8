/* clock - time in microseconds, and as text in UTC. Ignorant of time zones and locales. Any thread.
 * The calendar is computed here because the C library's takes a lock and reads files. */
#include "base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

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

/* Each line of the log begins with it, and printf() would be most of the work. */
static void format(int64_t wall_us, char *out, size_t n, bool with_ms)
{
	int64_t s = floor_div(wall_us, 1000000), days = floor_div(s, DAY_S);
	uint64_t ms = (uint64_t)((wall_us % 1000000 + 1000000) % 1000000 / 1000),
		 of_day = (uint64_t)(s - days * DAY_S);
	struct date d = date_of(days);
	char text[] = "0000-00-00 00:00:00.000 UTC";
	num_put_digits(text, 4, (uint64_t)d.year);
	num_put_digits(text + 5, 2, (uint64_t)d.month);
	num_put_digits(text + 8, 2, (uint64_t)d.day);
	num_put_digits(text + 11, 2, of_day / 3600);
	num_put_digits(text + 14, 2, of_day / 60 % 60);
	num_put_digits(text + 17, 2, of_day % 60);
	num_put_digits(text + 20, 3, ms);
	if (!with_ms)
		memcpy(text + 19, " UTC", 5);
	if (n > 0)
		*stpncpy(out, text, n - 1) = '\0';
}

char *clock_format_ms(int64_t wall_us, char *out, size_t n)
{
	format(wall_us, out, n, true);
	return out;
}

char *clock_format_s(int64_t wall_us, char *out, size_t n)
{
	format(wall_us, out, n, false);
	return out;
}
