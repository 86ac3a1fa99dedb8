/*
 * sql/match.h - what a rule asks of a statement's text: a pattern, how it begins, its digest.
 *
 * A pattern is a Perl-compatible regular expression (PCRE2) over bytes, where letters match in
 * either case and a dot matches newlines as well; ^ is the statement's first word. It is compiled
 * once and may be used by any number of threads. No pattern can stop a thread: after a number of
 * steps that a sane one never takes it counts as not matching.
 */
#ifndef WEIRPOOL_SQL_MATCH_H
#define WEIRPOOL_SQL_MATCH_H

#include "sql/digest.h"

/* Of a longer text patterns see this much. */
#define SQL_MATCH_MAX_BYTES 65536U

struct sql_match;

/* All that are not NULL must hold. -1: why (why_n bytes) says what is wrong with one of them. The
 * strings are copied. */
int sql_match_new(const char *regex, const char *prefix, const char *digest, struct sql_match **m_r,
	char *why, size_t why_n) __attribute__((warn_unused_result));
void sql_match_free(struct sql_match **m);

/* A text that is held against several. Fields are the functions' own. */
struct sql_subject {
	const struct sql_lang *lang;
	const char *text;
	size_t n;
	size_t first; /* SIZE_MAX: not looked for yet */
	enum { SQL_DIGEST_UNKNOWN, SQL_DIGEST_NONE, SQL_DIGEST_KNOWN } digested;
	uint64_t digest;
};
/* lang and text must outlive it. */
void sql_subject_init(
	struct sql_subject *s, const struct sql_lang *lang, const char *text, size_t n);

enum sql_matched {
	SQL_MATCH_NO,
	SQL_MATCH_YES,
	SQL_MATCH_GAVE_UP, /* the pattern took too many steps */
};
enum sql_matched sql_match(const struct sql_match *m, struct sql_subject *s);

#endif
