/* num - text to numbers, with ranges, and numbers to text. Ignorant of options and locales. Any
 * thread. */
#include "base/num.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits at *s, moves *s behind them. False if there is none or the value does not fit. */
static bool digits(const char **s, const char *end, uint64_t *v_r)
{
	const char *p = *s;
	uint64_t v = 0;
	for (; p < end && is_digit(*p); p++)
		if (__builtin_mul_overflow(v, 10U, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	if (p == *s)
		return false;
	*s = p;
	*v_r = v;
	return true;
}

int num_i64(const char *s, int64_t min, int64_t max, int64_t *v_r)
{
	const char *end = s + strlen(s);
	bool neg = *s == '-';
	uint64_t u;
	int64_t v;
	if (neg || *s == '+')
		s++;
	if (!digits(&s, end, &u) || s != end)
		return -1;
	if (neg ? __builtin_sub_overflow(0, u, &v) : __builtin_add_overflow(0, u, &v))
		return -1;
	if (v < min || v > max)
		return -1;
	*v_r = v;
	return 0;
}

int num_u64n(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *v_r)
{
	if (n == 0)
		return -1;
	const char *end = s + n;
	uint64_t v;
	if (!digits(&s, end, &v) || s != end || v < min || v > max)
		return -1;
	*v_r = v;
	return 0;
}

static const struct {
	const char *name;
	int64_t us;
} time_units[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "min", 60 * 1000000LL },
	{ "h", 3600 * 1000000LL },
	{ "d", 86400 * 1000000LL },
};

#define FRACTION_ONE 1000000U /* six digits of a fraction count, the others only must be digits */

/* Reads ".5" at *s as millionths. */
static bool fraction(const char **s, uint64_t *millionths_r)
{
	const char *p = *s;
	uint64_t v = 0, weight = FRACTION_ONE;
	if (*p++ != '.' || !is_digit(*p))
		return false;
	for (; is_digit(*p); p++) {
		weight /= 10;
		v += (uint64_t)(*p - '0') * weight;
	}
	*s = p;
	*millionths_r = v;
	return true;
}

int num_duration_us(const char *s, int64_t unit_us, int64_t *us_r)
{
	assert(unit_us > 0 && unit_us <= 86400 * 1000000LL);
	uint64_t whole, part = 0;
	int64_t unit = 0, v;
	if (!digits(&s, s + strlen(s), &whole) || (*s == '.' && !fraction(&s, &part)))
		return -1;
	while (*s == ' ')
		s++;
	if (*s == '\0')
		unit = unit_us;
	for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++)
		if (strcmp(s, time_units[i].name) == 0)
			unit = time_units[i].us;
	if (unit == 0)
		return -1;
	/* At most 8.64e10 * 1e6: no overflow. Half a microsecond rounds up. */
	part = (part * (uint64_t)unit + FRACTION_ONE / 2) / FRACTION_ONE;
	if (__builtin_mul_overflow(whole, unit, &v) || __builtin_add_overflow(v, part, &v))
		return -1;
	*us_r = v;
	return 0;
}

int num_bytes(const char *s, uint64_t *bytes_r)
{
	static const char *const prefix = "kMGT";
	uint64_t v;
	unsigned shift = 0;
	if (!digits(&s, s + strlen(s), &v))
		return -1;
	while (*s == ' ')
		s++;
	for (unsigned i = 0; *s && prefix[i]; i++)
		if (strncasecmp(s, &prefix[i], 1) == 0)
			shift = 10 * (i + 1);
	if (shift)
		s++;
	if (*s == 'B' || *s == 'b')
		s++;
	if (*s || v > UINT64_MAX >> shift)
		return -1;
	*bytes_r = v << shift;
	return 0;
}

int num_mode(const char *s, uint32_t *mode_r)
{
	uint32_t v = 0;
	if (*s == '\0')
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -1;
		v = v << 3 | (uint32_t)(*s - '0');
		if (v > 07777)
			return -1;
	}
	*mode_r = v;
	return 0;
}

void num_put_digits(char *out, size_t n, uint64_t v)
{
	for (; n > 0; v /= 10)
		out[--n] = (char)('0' + v % 10);
}

static size_t put_u64(char *out, uint64_t v)
{
	size_t n = 1;
	for (uint64_t rest = v; rest >= 10; rest /= 10)
		n++;
	num_put_digits(out, n, v);
	return n;
}

size_t num_put_u64(char out[NUM_I64_CHARS], uint64_t v)
{
	return put_u64(out, v);
}

size_t num_put_i64(char out[NUM_I64_CHARS], int64_t v)
{
	if (v >= 0)
		return put_u64(out, (uint64_t)v);
	*out = '-';
	return 1 + put_u64(out + 1, 0 - (uint64_t)v);
}
