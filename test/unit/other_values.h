/* other_values - a text with other digits wherever it has some, in numbers, names, strings and
 * comments alike, and something else between single quotes. For tests of what is shared by texts
 * with other values. No state: any thread. */
#ifndef TEST_OTHER_VALUES_H
#define TEST_OTHER_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OTHER_VALUES_MAX_DIGITS 24U

static inline uint32_t other_values_roll(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline bool other_values_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool other_values_has(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (other_values_is_digit(text[i]) || text[i] == '\'')
			return true;
	return false;
}

/* Bytes without a quote and a backslash. Returns how many were put into out, of cap. */
static inline size_t other_values_words(uint32_t *seed, char *out, size_t cap)
{
	static const char *const words[] = { "a", "5", " ", "0", "off", "NULL", "--", "/*", "*/",
		"/*!50000 ", ";", "\n", "\"", "`", "$$", "\xc3\xa4", "\xff", "%", ")", "(", ",",
		"select", "pg_temp", "t", "orders", " for update", "weirpool: primary", ":v", "?",
		"read only", "@a", "e", "search_path", "timezone", "M!" };
	size_t put = 0;
	for (uint32_t k = other_values_roll(seed) % 4; k > 0; k--) {
		const char *w = words[other_values_roll(seed) % (sizeof words / sizeof *words)];
		size_t n = strlen(w);
		if (n > cap - put)
			break;
		memcpy(out + put, w, n);
		put += n;
	}
	return put;
}

/* Up to where there is neither a quote nor a backslash behind p. */
static inline size_t other_values_plain(const char *p, size_t n)
{
	size_t i = 0;
	while (i < n && p[i] != '\'' && p[i] != '\\')
		i++;
	return i;
}

/* Some digits are replaced by one, most by a few, one in 16 by more than a number of 64 bits has.
 * seed must not be 0. The bytes put into out, of cap; what no longer fits is left as it is. */
static inline size_t other_values(const char *text, size_t n, uint32_t *seed, char *out, size_t cap)
{
	size_t put = 0;
	for (size_t i = 0; i < n;) {
		size_t digits = 0, plain = other_values_plain(text + i + 1, n - i - 1);
		if (text[i] == '\'' && i + 1 + plain < n && text[i + 1 + plain] == '\'') {
			size_t room = cap - put - (n - i - plain);
			out[put++] = '\'';
			put += other_values_words(seed, out + put, room);
			out[put++] = '\'';
			i += plain + 2;
			continue;
		}
		while (i + digits < n && other_values_is_digit(text[i + digits]))
			digits++;
		uint32_t r = other_values_roll(seed);
		size_t want = r % 16 == 0 ? OTHER_VALUES_MAX_DIGITS : 1 + r / 16 % 4;
		if (digits == 0 || put + want + (n - i - digits) > cap) {
			size_t same = digits ? digits : 1;
			memmove(out + put, text + i, same);
			put += same;
			i += same;
			continue;
		}
		for (size_t k = 0; k < want; k++)
			out[put++] = (char)('0' + other_values_roll(seed) % 10);
		i += digits;
	}
	return put;
}

#endif
