/*
 * sql/numbers.h - which numbers of a text may be others without its meaning anything else.
 *
 * A number counts when it is a token of digits alone, of one statement that selects or changes
 * rows, and stands between bytes of which none could be part of it. With other digits there, and
 * more or fewer of them, the text has the same tokens, so its digest, what it leaves in a session
 * and where it may run are the same: no number of such a statement decides any of these. (One of
 * KILL, SET or EXPLAIN (ANALYZE 0) does.) Ignorant of what is made of it. No I/O: any thread.
 */
#ifndef WEIRPOOL_SQL_NUMBERS_H
#define WEIRPOOL_SQL_NUMBERS_H

#include "sql/digest.h"

/* Bytes of a text of less than 64 KiB. */
struct sql_number {
	uint16_t at, n;
};

/* Finds the first max such numbers of n bytes of text, in order, and returns how many there are
 * in out. None where the bytes of the text could be read in two ways: executable comments. */
size_t sql_numbers(const struct sql_lang *lang, const char *text, size_t n, struct sql_number *out,
	size_t max);

/* Of a byte beside a run of digits, as far as it can be told without reading the text. */
enum {
	SQL_BYTE_DIGIT = 1,
	SQL_BYTE_BEFORE = 2, /* may stand before a number */
	SQL_BYTE_BEHIND = 4,
};
extern const uint8_t sql_number_bytes[256];

static inline bool sql_number_byte(char c, unsigned what)
{
	return (sql_number_bytes[(unsigned char)c] & what) != 0;
}

/* The end of the digits at p, if they stand as a number does; NULL: they do not. from: the text's
 * beginning. Where sql_numbers() finds one, this does. */
static inline const char *sql_number_end(const char *from, const char *p, const char *end)
{
	if (p == from || !sql_number_byte(p[-1], SQL_BYTE_BEFORE))
		return NULL;
	while (p < end && sql_number_byte(*p, SQL_BYTE_DIGIT))
		p++;
	return p == end || sql_number_byte(*p, SQL_BYTE_BEHIND) ? p : NULL;
}

#endif
