/* other_numbers - a text with other digits wherever it has some: in numbers, names, strings and
 * comments alike. For tests of what is shared by texts with other numbers. No state: any thread. */
#ifndef TEST_OTHER_NUMBERS_H
#define TEST_OTHER_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OTHER_NUMBERS_MAX_DIGITS 24U

static inline uint32_t other_numbers_roll(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline bool other_numbers_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool other_numbers_has(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (other_numbers_is_digit(text[i]))
			return true;
	return false;
}

/* Some are replaced by one digit, most by a few, one in 16 by more than a number of 64 bits has.
 * seed must not be 0. The bytes put into out, of cap; what no longer fits is left as it is. */
static inline size_t other_numbers(
	const char *text, size_t n, uint32_t *seed, char *out, size_t cap)
{
	size_t put = 0;
	for (size_t i = 0; i < n;) {
		size_t digits = 0;
		while (i + digits < n && other_numbers_is_digit(text[i + digits]))
			digits++;
		uint32_t r = other_numbers_roll(seed);
		size_t want = r % 16 == 0 ? OTHER_NUMBERS_MAX_DIGITS : 1 + r / 16 % 4;
		if (digits == 0 || put + want + (n - i - digits) > cap) {
			size_t same = digits ? digits : 1;
			memmove(out + put, text + i, same);
			put += same;
			i += same;
			continue;
		}
		for (size_t k = 0; k < want; k++)
			out[put++] = (char)('0' + other_numbers_roll(seed) % 10);
		i += digits;
	}
	return put;
}

#endif
