/*
 * How the generated tables of words are searched. scripts/gen-sql-words places the rows by the same
 * arithmetic. Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_WORDS_FIND_INT_H
#define WEIRPOOL_SQL_WORDS_FIND_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A byte of an unquoted name, in either dialect, as the tables have it: letters are folded; 0 for
 * what is no such byte. */
extern const unsigned char words_folded[256];

/* memcmp() == 0 for names: most have less than 8 bytes, where a call costs more than its work. */
static inline bool words_same(const char *a, const char *b, size_t n)
{
	if (n >= 8) {
		uint64_t x, y;

		for (size_t i = 0; i < n - 8; i += 8) {
			memcpy(&x, a + i, 8);
			memcpy(&y, b + i, 8);
			if (x != y)
				return false;
		}
		memcpy(&x, a + n - 8, 8);
		memcpy(&y, b + n - 8, 8);
		return x == y;
	}
	if (n >= 4) {
		uint32_t x, y, x_end, y_end;

		memcpy(&x, a, 4);
		memcpy(&y, b, 4);
		memcpy(&x_end, a + n - 4, 4);
		memcpy(&y_end, b + n - 4, 4);
		return x == y && x_end == y_end;
	}
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* The row where a name of this hash is, if it is in the table at all; 0: it is not. The hash picks
 * a bucket, the bucket's displacement the slot; four bits of the hash in the slot, beside the row's
 * number, turn most strangers away. */
static inline unsigned words_row(
	const uint16_t disp[1024], const uint16_t slots[4096], uint32_t hash)
{
	uint32_t d = disp[(hash ^ (hash >> 15)) % 1024u];
	uint32_t at = slots[((hash ^ d) * 0x85EBCA6Bu) >> 20];

	return at >> 12 == hash >> 28 ? at & 0xfff : 0;
}

#endif
