/*
 * sql/values.h - which numbers and strings of a text may be others without its meaning anything
 * else.
 *
 * A number counts when it is a token of digits alone, a string when it stands in single quotes and
 * has neither quotes nor backslashes inside; both of one statement that selects or changes rows,
 * and between bytes of which none could be part of it. With other digits there, more or fewer of
 * them, or with another such string, the text has the same tokens, so its digest, what it leaves
 * in a session and where it may run are the same: no number or string of such a statement decides
 * any of these. (One of KILL, SET or EXPLAIN (ANALYZE 0) does.) This holds for texts that are read
 * with certainty: of others MySQL's router asks which words are anywhere in them, so what is made
 * of those is not to be kept. Ignorant of what is made of a text. No I/O: any thread.
 */
#ifndef WEIRPOOL_SQL_VALUES_H
#define WEIRPOOL_SQL_VALUES_H

#include "sql/digest.h"

/* Bytes of a text of less than 64 KiB; with its quotes. */
struct sql_value {
	uint16_t at, n;
};

/* Finds the first max such values of n bytes of text, in order, and returns how many there are
 * in out. None where the bytes of the text could be read in two ways: executable comments; and
 * where it may call PostgreSQL's current_setting(), whose argument decides where it may run. */
size_t sql_values(
	const struct sql_lang *lang, const char *text, size_t n, struct sql_value *out, size_t max);

/* Of a byte beside a value, as far as it can be told without reading the text. */
enum {
	SQL_BYTE_DIGIT = 1,
	SQL_BYTE_BEFORE = 2, /* may stand before a value */
	SQL_BYTE_BEHIND = 4,
};
extern const uint8_t sql_value_bytes[256];

static inline bool sql_value_byte(char c, unsigned what)
{
	return (sql_value_bytes[(unsigned char)c] & what) != 0;
}

/* The end of the string or the digits that begin at p, whatever stands beside them. NULL: it is
 * another kind of string, or something else. p < end. */
static inline const char *sql_value_over(const char *p, const char *end)
{
	const char *from = p;
	if (*p == '\'') {
		do
			p++;
		while (p < end && *p != '\'' && *p != '\\' && *p != '\0');
		return p < end && *p == '\'' ? p + 1 : NULL;
	}
	while (p < end && sql_value_byte(*p, SQL_BYTE_DIGIT))
		p++;
	return p > from ? p : NULL;
}

/* The same, if it stands as a value does. from: the text's beginning. Where sql_values() finds one,
 * this does. */
static inline const char *sql_value_end(const char *from, const char *p, const char *end)
{
	if (p == from || !sql_value_byte(p[-1], SQL_BYTE_BEFORE))
		return NULL;
	p = sql_value_over(p, end);
	return p && (p == end || sql_value_byte(*p, SQL_BYTE_BEHIND)) ? p : NULL;
}

#endif
