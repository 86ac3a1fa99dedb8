/*
 * Cuts SQL text into tokens as MySQL's and MariaDB's scanners do: quoting by sql_mode, comments
 * and executable comments, @names. Ignorant of grammar. Any thread.
 *
 * Operators are handed out byte by byte: nothing here needs to know <=> from its parts.
 */
#include "lex_my_int.h"

#include <string.h>

enum {
	C_SPACE = 1,
	C_START = 2, /* may start an unquoted name: letters, _, $ and bytes above 0x7f */
	C_DIGIT = 4,
	C_VAR = 8, /* may be part of an unquoted @name: these, digits and . */
	C_PUNCT = 16,
	C_UPPER = 32, /* A to Z; by its value also what makes them small */
	C_QUOTE = 64,
	C_COMMENT = 128, /* may start a comment, or end an executable one */
};

#define LETTER (C_START | C_VAR)
#define C_IDENT (C_START | C_DIGIT)

/* clang-format off */
static const uint8_t class_of[256] = {
	['\t' ... '\r'] = C_SPACE, [' '] = C_SPACE,
	['A' ... 'Z'] = LETTER | C_UPPER, ['a' ... 'z'] = LETTER, ['_'] = LETTER, ['$'] = LETTER,
	[0x80 ... 0xff] = LETTER,
	['0' ... '9'] = C_DIGIT | C_VAR,
	['.'] = C_PUNCT | C_VAR,
	['('] = C_PUNCT, [')'] = C_PUNCT, [','] = C_PUNCT, [';'] = C_PUNCT, [':'] = C_PUNCT,
	['{'] = C_PUNCT, ['}'] = C_PUNCT,
	['\''] = C_QUOTE, ['"'] = C_QUOTE, ['`'] = C_QUOTE,
	['#'] = C_COMMENT, ['-'] = C_COMMENT, ['/'] = C_COMMENT, ['*'] = C_COMMENT,
};
/* clang-format on */

static inline bool is(char c, unsigned classes)
{
	return (class_of[(unsigned char)c] & classes) != 0;
}

static inline bool is_high(char c)
{
	return ((unsigned char)c & 0x80) != 0;
}

static inline bool at(const struct sql_my_lex *l, size_t ahead, char c)
{
	return (size_t)(l->end - l->p) > ahead && l->p[ahead] == c;
}

static bool has_high_byte(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_high(text[i]))
			return true;
	return false;
}

void sql_my_lex_init(struct sql_my_lex *l, const struct sql_my_opts *o, const char *text, size_t n)
{
	l->o = o;
	l->p = text != NULL ? text : "";
	l->in_comment = false;
	l->refused = n > SQL_MY_TEXT_MAX;
	l->end = l->p + (l->refused ? SQL_MY_TEXT_MAX : n);
	if ((o->mode & SQL_MY_MODE_ORACLE) || o->charset == SQL_MY_CS_UNKNOWN ||
		(o->charset == SQL_MY_CS_SECOND_BYTE && has_high_byte(l->p, n))) {
		l->refused = true;
		l->end = l->p;
	}
}

/* The lexer stays where the trouble starts, so that every further call finds it again. */
static void bad(struct sql_my_lex *l, struct sql_my_tok *t)
{
	t->kind = SQL_MY_TOK_BAD;
	t->n = (size_t)(l->end - t->p);
	l->p = t->p;
}

static void done(struct sql_my_lex *l, struct sql_my_tok *t, enum sql_my_token kind)
{
	t->kind = kind;
	t->n = (size_t)(l->p - t->p);
}

/* Up to behind the closing star and slash; false when there is none. */
static bool skip_comment(struct sql_my_lex *l, const char *p)
{
	const char *close = memmem(p, (size_t)(l->end - p), "*/", 2);

	if (close == NULL)
		return false;
	l->p = close + 2;
	return true;
}

/* An optimizer hint is read by a scanner that knows quotes: unsure where its end and the plain
 * one's are not the same. */
static bool skip_hint(struct sql_my_lex *l)
{
	const char *start = l->p, *p = start + 3;
	char quote = 0;

	if (!skip_comment(l, p))
		return false;
	for (; p < l->p - 2; p++)
		if (quote == 0 ? is(*p, C_QUOTE) : *p == quote)
			quote = quote == 0 ? *p : (char)0;
	if (quote != 0)
		l->p = start;
	return quote == 0;
}

/* A comment for other versions: one further level of comments is skipped within it. */
static bool skip_foreign_code(struct sql_my_lex *l, const char *p)
{
	bool inner = false;

	for (; l->end - p >= 2; p++) {
		if (p[0] == '*' && p[1] == '/') {
			p++;
			if (!inner) {
				l->p = p + 1;
				return true;
			}
			inner = false;
		} else if (p[0] == '/' && p[1] == '*' && !inner) {
			p++;
			inner = true;
		}
	}
	return false;
}

/* Behind the ! of an executable comment: its number has five digits or six; with fewer there is
 * none. MySQL takes six only before a blank, as 9.7 does; releases differ, so else we are
 * unsure. Source: MySQL manual, "Comments"; MariaDB documentation, "Comment Syntax". */
static bool open_code(struct sql_my_lex *l, const char *p, bool maria_only)
{
	const struct sql_my_opts *o = l->o;
	unsigned version = 0, digits = 0;

	if (l->in_comment)
		return false;
	while (digits < 6 && l->end - p > digits && is(p[digits], C_DIGIT)) {
		version = version * 10 + (unsigned)(p[digits] - '0');
		digits++;
	}
	if (digits < 5) {
		l->p = p;
		l->in_comment = true;
		return true;
	}
	p += digits;
	if (o->version == 0 || (!o->mariadb && digits == 6 && !(p < l->end && is(*p, C_SPACE))))
		return false;
	/* MariaDB leaves what MySQL 5.7 and later brought to MySQL. */
	if (o->mariadb && !maria_only && version >= 50700 && version <= 99999)
		return skip_foreign_code(l, p);
	if (o->code == SQL_MY_CODE_NONE ||
		(o->code == SQL_MY_CODE_BY_VERSION && version > o->version))
		return skip_foreign_code(l, p);
	l->p = p;
	l->in_comment = true;
	return true;
}

static bool skip_block(struct sql_my_lex *l)
{
	if (at(l, 2, '!'))
		return open_code(l, l->p + 3, false);
	if (l->o->mariadb && at(l, 2, 'M') && at(l, 3, '!'))
		return open_code(l, l->p + 4, true);
	if (at(l, 2, '+'))
		return skip_hint(l);
	return skip_comment(l, l->p + 2);
}

/* Only a newline ends it. A NUL does for the server: unsure. */
static bool skip_line(struct sql_my_lex *l)
{
	const char *end = memchr(l->p, '\n', (size_t)(l->end - l->p));

	if (end == NULL)
		end = l->end;
	if (memchr(l->p, '\0', (size_t)(end - l->p)) != NULL)
		return false;
	l->p = end;
	return true;
}

/* Whether two dashes start a comment: at the text's end, or before a blank or control character. */
static bool is_dash_comment(const struct sql_my_lex *l)
{
	if (l->end - l->p == 2)
		return true;
	unsigned char c = (unsigned char)l->p[2];

	return c <= ' ' || c == 0x7f;
}

static bool skip_blanks(struct sql_my_lex *l)
{
	for (;;) {
		const char *p = l->p;

		while (p < l->end && is(*p, C_SPACE))
			p++;
		l->p = p;
		if (p == l->end || !is(*p, C_COMMENT))
			return true;
		if (at(l, 0, '#') || (at(l, 0, '-') && at(l, 1, '-') && is_dash_comment(l))) {
			if (!skip_line(l))
				return false;
		} else if (at(l, 0, '/') && at(l, 1, '*')) {
			if (!skip_block(l))
				return false;
		} else if (l->in_comment && at(l, 0, '*') && at(l, 1, '/')) {
			l->in_comment = false;
			l->p += 2;
		} else {
			return true;
		}
	}
}

static bool has_escapes(const struct sql_my_opts *o, char quote)
{
	return quote != '`' && !(o->mode & SQL_MY_MODE_NO_BACKSLASH_ESCAPES) &&
	       !(quote == '"' && (o->mode & SQL_MY_MODE_ANSI_QUOTES));
}

/* A quoted thing whose opening quote is at p: the byte behind it, or NULL when unterminated. */
static const char *quoted_end(const struct sql_my_lex *l, const char *p)
{
	char quote = *p;
	bool escapes = has_escapes(l->o, quote);

	for (p++; p < l->end; p++) {
		if (*p == quote) {
			if (l->end - p < 2 || p[1] != quote)
				return p + 1;
			p++;
		} else if (*p == '\\' && escapes) {
			p++;
		}
	}
	return NULL;
}

static void lex_quoted(struct sql_my_lex *l, struct sql_my_tok *t, enum sql_my_token kind)
{
	const char *end = quoted_end(l, l->p);

	if (end == NULL ||
		(kind != SQL_MY_TOK_STRING && memchr(t->p, '\0', (size_t)(end - t->p)) != NULL)) {
		bad(l, t);
		return;
	}
	l->p = end;
	done(l, t, kind);
}

static void lex_at(struct sql_my_lex *l, struct sql_my_tok *t)
{
	if (at(l, 1, '@')) {
		l->p += 2;
		done(l, t, SQL_MY_TOK_SYSVAR);
		return;
	}
	l->p++;
	if (l->p < l->end && is(*l->p, C_QUOTE)) {
		lex_quoted(l, t, SQL_MY_TOK_VAR);
		return;
	}
	bool high = false;

	for (; l->p < l->end && is(*l->p, C_VAR); l->p++)
		high |= is_high(*l->p);
	if (high && l->o->charset != SQL_MY_CS_SAFE)
		bad(l, t);
	else
		done(l, t, SQL_MY_TOK_VAR);
}

/* MySQL 9 has $tag$...$tag$ strings, earlier releases and MariaDB names with dollars in them. */
static bool is_dollar_quote(const struct sql_my_lex *l, const struct sql_my_tok *t)
{
	return !l->o->mariadb && *t->p == '$' &&
	       memchr(t->p + 1, '$', (size_t)(l->p - t->p - 1)) != NULL;
}

static void lex_word(struct sql_my_lex *l, struct sql_my_tok *t)
{
	char name[MY_WORD_MAX];
	const char *p = l->p;
	size_t n = 0, max = (size_t)(l->end - p) < MY_WORD_MAX ? (size_t)(l->end - p) : MY_WORD_MAX;
	uint32_t h = 0;
	unsigned char all = 0;

	for (; n < max; n++) {
		unsigned char c = (unsigned char)p[n];
		unsigned classes = class_of[c];

		if (!(classes & C_IDENT))
			break;
		all |= c;
		c |= classes & C_UPPER;
		name[n] = (char)c;
		h = sql_hash_step(h, c);
	}
	if (n == MY_WORD_MAX)
		for (; p + n < l->end && is(p[n], C_IDENT); n++)
			all |= (unsigned char)p[n];
	l->p = p + n;
	if ((is_high((char)all) && l->o->charset != SQL_MY_CS_SAFE) || is_dollar_quote(l, t)) {
		bad(l, t);
		return;
	}
	done(l, t, SQL_MY_TOK_WORD);
	t->hash = h;
	if (n <= MY_WORD_MAX)
		t->word = my_word_find(name, n, h);
	if (t->word != NULL)
		t->id = t->word->id;
}

/* What starts with a letter: a literal's prefix only when the quote follows at once. */
static void lex_letter(struct sql_my_lex *l, struct sql_my_tok *t)
{
	char c = my_fold(*l->p);

	if (at(l, 1, '\'') && (c == 'n' || c == 'x' || c == 'b')) {
		t->national = c == 'n';
		l->p++;
		lex_quoted(l, t, c == 'n' ? SQL_MY_TOK_STRING : SQL_MY_TOK_BITS);
	} else {
		lex_word(l, t);
	}
}

/* 12, 1.5, .5, 1e3, 0x1F, 0b1; but 1abc is a name. Of 1e-3 only the 1e, which is harmless. */
static void lex_number(struct sql_my_lex *l, struct sql_my_tok *t)
{
	const char *p = l->p;

	if (l->end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'b')) {
		p += 2;
		while (p < l->end && is(*p, C_IDENT) && !is_high(*p))
			p++;
		l->p = p;
		done(l, t, SQL_MY_TOK_BITS);
		return;
	}
	bool whole = true;

	for (; p < l->end && (is(*p, C_DIGIT) || (*p == '.' && whole)); p++)
		whole &= *p != '.';
	if (l->end - p > 1 && my_fold(*p) == 'e' && is(p[1], C_DIGIT)) {
		for (p++; p < l->end && is(*p, C_DIGIT);)
			p++;
	} else if (whole && p < l->end && is(*p, C_START)) {
		lex_word(l, t);
		return;
	}
	l->p = p;
	done(l, t, SQL_MY_TOK_NUMBER);
}

static void lex_sign(struct sql_my_lex *l, struct sql_my_tok *t)
{
	char c = *l->p;

	if (c == ':' && at(l, 1, '=')) {
		l->p += 2;
		done(l, t, SQL_MY_TOK_ASSIGN);
		return;
	}
	l->p++;
	t->ch = c;
	done(l, t, c == '?' ? SQL_MY_TOK_PARAM : is(c, C_PUNCT) ? SQL_MY_TOK_PUNCT : SQL_MY_TOK_OP);
}

void sql_my_lex_next(struct sql_my_lex *l, struct sql_my_tok *t)
{
	t->ch = 0;
	t->national = false;
	t->id = 0;
	t->word = NULL;
	t->p = l->p;
	if (!skip_blanks(l)) {
		t->p = l->p;
		bad(l, t);
		return;
	}
	t->p = l->p;
	if (l->p == l->end) {
		if (l->in_comment || l->refused)
			bad(l, t);
		else
			done(l, t, SQL_MY_TOK_END);
		return;
	}
	char c = *l->p;

	if (is(c, C_START))
		lex_letter(l, t);
	else if (is(c, C_DIGIT) || (c == '.' && l->end - l->p > 1 && is(l->p[1], C_DIGIT)))
		lex_number(l, t);
	else if (c == '`' || (c == '"' && (l->o->mode & SQL_MY_MODE_ANSI_QUOTES)))
		lex_quoted(l, t, SQL_MY_TOK_QUOTED);
	else if (c == '\'' || c == '"')
		lex_quoted(l, t, SQL_MY_TOK_STRING);
	else if (c == '@')
		lex_at(l, t);
	else if (c == '\0')
		bad(l, t);
	else
		lex_sign(l, t);
}

static bool put(char *out, size_t cap, size_t *n, char c)
{
	if (*n >= cap)
		return false;
	out[(*n)++] = c;
	return true;
}

/* The byte that \c stands for. Source: MySQL manual, "String Literals". */
static char unescape(char c)
{
	switch (c) {
	case '0': return '\0';
	case 'b': return '\b';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'Z': return '\x1a';
	default: return c;
	}
}

bool sql_my_decode(
	const struct sql_my_opts *o, const struct sql_my_tok *t, char *out, size_t cap, size_t *n_r)
{
	const char *p = t->p, *end = t->p + t->n;
	char quote = 0;

	*n_r = 0;
	if (t->national || (t->kind != SQL_MY_TOK_STRING && t->kind != SQL_MY_TOK_QUOTED &&
				   t->kind != SQL_MY_TOK_WORD && t->kind != SQL_MY_TOK_VAR))
		return false;
	if (t->kind == SQL_MY_TOK_VAR)
		p++;
	if (p < end && is(*p, C_QUOTE)) {
		quote = *p++;
		end--;
	}
	bool escapes = quote != 0 && has_escapes(o, quote);

	for (; p < end; p++) {
		char c = *p;

		if (quote != 0 && c == quote) {
			p++;
		} else if (c == '\\' && escapes) {
			/* \% and \_ keep their backslash: LIKE will want it */
			if (p[1] != '%' && p[1] != '_')
				c = unescape(*++p);
		}
		if (!put(out, cap, n_r, c))
			return false;
	}
	return true;
}

const struct sql_my_word *my_word_of(const char *name, size_t n)
{
	char folded[MY_WORD_MAX];
	uint32_t h = 0;

	if (n > MY_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		folded[i] = my_fold(name[i]);
		h = sql_hash_step(h, (unsigned char)folded[i]);
	}
	return my_word_find(folded, n, h);
}
