/*
 * sql/digest.h - one name for all texts that differ in nothing but their values.
 *
 * The normal form has the text's tokens with one blank between them: words in lower case, "quoted"
 * names as they are, and for every literal or parameter a ?, lists of them counting as one, and so
 * do rows of them: behind VALUES, or an opening parenthesis. Where an operand must follow (behind
 * an operator, a comma, a parenthesis), a number's sign is part of it, and NULL is a literal, as in
 * PostgreSQL's texts TRUE and FALSE are. Comments and semicolons at the end are not in it. The
 * digest is a hash of the normal form, alike in all processes and releases. Ignorant of grammar. No
 * I/O: any thread. Time is linear in the text.
 */
#ifndef WEIRPOOL_SQL_DIGEST_H
#define WEIRPOOL_SQL_DIGEST_H

#include "sql/lex.h"
#include "sql/lex_my.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* How a text is read: exactly one of the two. */
struct sql_lang {
	const struct sql_dialect *pg; /* with scs: standard_conforming_strings */
	bool scs;
	const struct sql_my_opts *my;
};

/* The digest of n bytes of text; normal, when not NULL, gets the normal form. False: the text does
 * not lex, or it is empty, and has none. */
bool sql_digest(const struct sql_lang *lang, const char *text, size_t n, struct buf *normal,
	uint64_t *digest_r);

/* Its normal form, cut behind max bytes of out, between two characters of UTF-8. False: it has
 * none, and what is in out is of no use. */
bool sql_normal(
	const struct sql_lang *lang, const char *text, size_t n, struct buf *out, size_t max);

/* Where the first token stands: behind blanks and comments. n: there is none. */
size_t sql_first_token(const struct sql_lang *lang, const char *text, size_t n);

#define SQL_DIGEST_CHARS 16
/* 16 hexadecimal digits and a NUL. */
void sql_digest_put(uint64_t digest, char out[SQL_DIGEST_CHARS + 1]);
bool sql_digest_read(const char *s, uint64_t *digest_r);

#endif
