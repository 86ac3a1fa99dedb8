/*
 * Tokens as digests need them: how far each goes and what it is to the normal form, without names
 * and keywords. Private to sql/. Any thread.
 */
#ifndef WEIRPOOL_SQL_SHAPE_INT_H
#define WEIRPOOL_SQL_SHAPE_INT_H

#include "sql/digest.h"

/* Of each byte. */
enum {
	C_SPACE = 1,
	C_PG_START = 2, /* may start PostgreSQL's words */
	C_PG_IDENT = 4, /* ... and go on in them */
	C_MY_START = 8, /* the same of MySQL's, but not all: */
	C_MY_IDENT = 16,
	C_UPPER = 32,   /* A to Z; by its value also what makes them small */
	C_MY_MORE = 64, /* what may mean more behind a word or a number */
	C_DIGIT = 128,
	C_PG_OP = 256,   /* may be part of PostgreSQL's operators */
	C_MY_OP = 512,   /* a token for itself in MySQL, whatever follows */
	C_OP = 1024,     /* these and others that are a token unless an operator follows */
	C_SINGLE = 2048, /* no operator and always a token of one byte, as a semicolon is */
};
extern const uint16_t shape_class_of[256];

static inline bool is(char c, unsigned classes)
{
	return (shape_class_of[(unsigned char)c] & classes) != 0;
}

/* The byte behind p; NUL: there is none. */
static inline char behind(const char *p, const char *end)
{
	return p + 1 < end ? p[1] : '\0';
}

enum shape {
	SHAPE_END,
	SHAPE_BAD,
	SHAPE_WORD, /* unquoted, to be folded */
	SHAPE_LITERAL,
	SHAPE_NUMBER, /* a literal that begins with a digit or a dot */
	SHAPE_EXACT,  /* as written */
	SHAPE_SIGN,   /* + or -, alone; as written, as all below */
	SHAPE_OPEN,
	SHAPE_CLOSE,
	SHAPE_COMMA,
	SHAPE_SEMICOLON,
};

struct shape_tok {
	enum shape shape;
	const char *p; /* as written, in the caller's text */
	size_t n;
};

/* Fields are the functions' own, but that a copy taken before a token leads back to it. */
struct shape_lex {
	bool is_my;
	union {
		struct sql_lex pg;
		struct sql_my_lex my;
	};
};

/* Starts on n bytes of text, which must outlive it, as *lang's my must. */
void shape_init(struct shape_lex *l, const struct sql_lang *lang, const char *text, size_t n);

/* Reads the next token: the very bytes that sql_lex_next() or sql_my_lex_next() would. */
void shape_next(struct shape_lex *l, struct shape_tok *t);

#endif
