/*
 * Tokens as digests need them. What most of a text is made of - plain words, whole numbers, quoted
 * names, punctuation - is read here; whatever could be anything else is the lexers'. Ignorant of
 * grammar. Any thread.
 */
#include "shape_int.h"

#include <string.h>

#define LETTER (C_PG_START | C_PG_IDENT | C_MY_START | C_MY_IDENT)
#define OPERATOR (C_PG_OP | C_MY_OP | C_OP)

/* clang-format off */
const uint16_t shape_class_of[256] = {
	['\t' ... '\r'] = C_SPACE, [' '] = C_SPACE,
	['A' ... 'Z'] = LETTER | C_UPPER, ['a' ... 'z'] = LETTER, ['_'] = LETTER,
	['0' ... '9'] = C_PG_IDENT | C_MY_IDENT | C_DIGIT,
	['$'] = C_PG_IDENT | C_MY_MORE, [0x80 ... 0xff] = C_PG_START | C_PG_IDENT | C_MY_MORE,
	['='] = OPERATOR, ['<'] = OPERATOR, ['>'] = OPERATOR, ['+'] = OPERATOR, ['%'] = OPERATOR,
	['!'] = OPERATOR, ['&'] = OPERATOR, ['|'] = OPERATOR, ['^'] = OPERATOR, ['~'] = OPERATOR,
	['-'] = C_PG_OP | C_OP, ['*'] = C_PG_OP | C_OP, ['/'] = C_PG_OP | C_OP,
	['@'] = C_PG_OP, ['#'] = C_PG_OP, ['`'] = C_PG_OP, ['?'] = C_PG_OP,
	['('] = C_SINGLE, [')'] = C_SINGLE, [','] = C_SINGLE, ['['] = C_SINGLE, [']'] = C_SINGLE,
};
/* clang-format on */

/* No keyword is looked up: all words are alike here. */
static const struct sql_word *no_word(const char *name, size_t n, uint32_t hash)
{
	(void)name;
	(void)n;
	(void)hash;
	return NULL;
}
static const struct sql_dialect pg_without_words = { .name = "postgresql", .find = no_word };

void shape_init(struct shape_lex *l, const struct sql_lang *lang, const char *text, size_t n)
{
	l->is_my = lang->pg == NULL;
	if (l->is_my)
		sql_my_lex_init(&l->my, lang->my, text, n);
	else
		sql_lex_init(&l->pg, &pg_without_words, text, n, lang->scs);
}

/* ---- what the lexers say ---- */

static enum shape shape_of_byte(char c)
{
	switch (c) {
	case '(': return SHAPE_OPEN;
	case ')': return SHAPE_CLOSE;
	case ',': return SHAPE_COMMA;
	case ';': return SHAPE_SEMICOLON;
	case '-':
	case '+': return SHAPE_SIGN;
	default: return SHAPE_EXACT;
	}
}

static enum shape shape_of_literal(char c)
{
	return is(c, C_DIGIT) || c == '.' ? SHAPE_NUMBER : SHAPE_LITERAL;
}

static enum shape shape_pg(const struct sql_tok *t)
{
	switch (t->kind) {
	case SQL_TOK_END: return SHAPE_END;
	case SQL_TOK_BAD: return SHAPE_BAD;
	case SQL_TOK_WORD: return SHAPE_WORD;
	case SQL_TOK_STRING:
	case SQL_TOK_ESTRING:
	case SQL_TOK_USTRING:
	case SQL_TOK_DOLLAR:
	case SQL_TOK_BITS:
	case SQL_TOK_NUMBER:
	case SQL_TOK_PARAM: return shape_of_literal(*t->p);
	case SQL_TOK_QUOTED:
	case SQL_TOK_UQUOTED:
	case SQL_TOK_OP:
	case SQL_TOK_CAST:
	case SQL_TOK_PUNCT:
	case SQL_TOK_OTHER: break;
	}
	return t->n == 1 ? shape_of_byte(*t->p) : SHAPE_EXACT;
}

static enum shape shape_my(const struct sql_my_tok *t)
{
	switch (t->kind) {
	case SQL_MY_TOK_END: return SHAPE_END;
	case SQL_MY_TOK_BAD: return SHAPE_BAD;
	case SQL_MY_TOK_WORD:
	case SQL_MY_TOK_VAR: return SHAPE_WORD;
	case SQL_MY_TOK_STRING:
	case SQL_MY_TOK_BITS:
	case SQL_MY_TOK_NUMBER:
	case SQL_MY_TOK_PARAM: return shape_of_literal(*t->p);
	case SQL_MY_TOK_QUOTED:
	case SQL_MY_TOK_SYSVAR:
	case SQL_MY_TOK_ASSIGN:
	case SQL_MY_TOK_OP:
	case SQL_MY_TOK_PUNCT: break;
	}
	return t->n == 1 ? shape_of_byte(*t->p) : SHAPE_EXACT;
}

static void by_lexer_pg(struct sql_lex *l, struct shape_tok *t)
{
	struct sql_tok x;

	sql_lex_next(l, &x);
	*t = (struct shape_tok){ shape_pg(&x), x.p, x.n };
}

static void by_lexer_my(struct sql_my_lex *l, struct shape_tok *t)
{
	struct sql_my_tok x;

	sql_my_lex_next(l, &x);
	*t = (struct shape_tok){ shape_my(&x), x.p, x.n };
}

/* ---- what is read here: the end of the token that starts at p, or NULL: ask the lexer ---- */

static inline const char *over(const char *p, const char *end, unsigned classes)
{
	while (p < end && is(*p, classes))
		p++;
	return p;
}

/* What starts with its quote and has none inside. */
static const char *quoted(const char *p, const char *end)
{
	const char *close = memchr(p + 1, *p, (size_t)(end - p) - 1);

	return close != NULL && behind(close, end) != *p ? close + 1 : NULL;
}

static inline const char *word_pg(const char *p, const char *end)
{
	char next = behind(p, end);

	if (next == '\'' || next == '&') /* E'...', U&"..." */
		return NULL;
	return over(p + 1, end, C_PG_IDENT);
}

static inline const char *number_pg(const char *p, const char *end)
{
	p = over(p + 1, end, C_DIGIT);
	return p < end && (*p == '.' || (*p | 32) == 'e') ? NULL : p;
}

/* '...' without backslashes that mean anything, and nothing behind it that could continue it. */
static const char *string_pg(const char *p, const char *end)
{
	const char *close = quoted(p, end), *next;

	if (close == NULL)
		return NULL;
	next = over(close, end, C_SPACE);
	return next < end && (*next == '\'' || *next == '-') ? NULL : close;
}

static const char *other_pg(const struct sql_lex *l, const char *p, enum shape *shape_r)
{
	char next = behind(p, l->end);

	*shape_r = shape_of_byte(*p);
	switch (*p) {
	case '(':
	case ')':
	case ',':
	case ';':
	case '[':
	case ']': return p + 1;
	case '.': return is(next, C_PG_START) || next == '"' || next == '*' ? p + 1 : NULL;
	case '"': return quoted(p, l->end);
	case '\'': *shape_r = SHAPE_LITERAL; return l->escape_strings ? NULL : string_pg(p, l->end);
	default: return is(*p, C_PG_OP) && !is(next, C_PG_OP) ? p + 1 : NULL;
	}
}

static void next_pg(struct sql_lex *l, struct shape_tok *t)
{
	const char *p = over(l->p, l->end, C_SPACE), *end;
	enum shape shape = SHAPE_WORD;

	l->p = p;
	if (p == l->end) {
		shape = SHAPE_END;
		end = p;
	} else if (is(*p, C_PG_START)) {
		end = word_pg(p, l->end);
	} else if (is(*p, C_DIGIT)) {
		shape = SHAPE_NUMBER;
		end = number_pg(p, l->end);
	} else {
		end = other_pg(l, p, &shape);
	}
	if (end == NULL) {
		by_lexer_pg(l, t);
		return;
	}
	*t = (struct shape_tok){ shape, p, (size_t)(end - p) };
	l->p = end;
}

static inline const char *word_my(const char *p, const char *end)
{
	const char *e = over(p + 1, end, C_MY_IDENT);

	/* a name in another character set or with a dollar; N'...' */
	return e < end && (is(*e, C_MY_MORE) || *e == '\'') ? NULL : e;
}

static inline const char *number_my(const char *p, const char *end)
{
	p = over(p + 1, end, C_DIGIT);
	return p < end && (*p == '.' || is(*p, C_MY_IDENT | C_MY_MORE)) ? NULL : p;
}

static const char *name_my(const char *p, const char *end)
{
	const char *e = quoted(p, end);

	return e != NULL && memchr(p, '\0', (size_t)(e - p)) == NULL ? e : NULL;
}

static const char *other_my(const char *p, const char *end, enum shape *shape_r)
{
	char next = behind(p, end);

	*shape_r = shape_of_byte(*p);
	switch (*p) {
	case '(':
	case ')':
	case ',':
	case ';': return p + 1;
	case '.': return !is(next, C_DIGIT) ? p + 1 : NULL;
	case '`': return name_my(p, end);
	case '-':
	case '*':
	case '/': return next != '-' && next != '*' && next != '/' ? p + 1 : NULL;
	default: return is(*p, C_MY_OP) ? p + 1 : NULL;
	}
}

static void next_my(struct sql_my_lex *l, struct shape_tok *t)
{
	const char *p = over(l->p, l->end, C_SPACE), *end = NULL;
	enum shape shape = SHAPE_WORD;

	l->p = p;
	if (p == l->end) {
		; /* the lexer knows whether that is the end of the text */
	} else if (is(*p, C_MY_START)) {
		end = word_my(p, l->end);
	} else if (is(*p, C_DIGIT)) {
		shape = SHAPE_NUMBER;
		end = number_my(p, l->end);
	} else {
		end = other_my(p, l->end, &shape);
	}
	if (end == NULL) {
		by_lexer_my(l, t);
		return;
	}
	*t = (struct shape_tok){ shape, p, (size_t)(end - p) };
	l->p = end;
}

void shape_next(struct shape_lex *l, struct shape_tok *t)
{
	if (l->is_my)
		next_my(&l->my, t);
	else
		next_pg(&l->pg, t);
}
