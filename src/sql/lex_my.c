/*
 * Cuts SQL text into tokens as MySQL's and MariaDB's scanners do: quoting by sql_mode, comments
 * and executable comments, @names. Ignorant of grammar. Any thread.
 *
 * Operators are handed out byte by byte: nothing here needs to know <=> from its parts.
 */
#include "lex_my_int.h"
#include "words_find_int.h"

#include <string.h>

enum {
	C_SPACE = 1,
	C_START = 2, /* may start an unquoted name: letters, _, $ and bytes above 0x7f */
	C_DIGIT = 4,
	C_VAR = 8, /* may be part of an unquoted @name: these, digits and . */
	C_PUNCT = 16,
	C_SINGLE = 32, /* ... and always a token of one byte */
	C_QUOTE = 64,
	C_COMMENT = 128, /* may start a comment, or end an executable one */
	C_PREFIX = 256,  /* a letter that may stand before a literal's quote */
};

#define LETTER (C_START | C_VAR)
#define PREFIX (LETTER | C_PREFIX)
#define SINGLE (C_PUNCT | C_SINGLE)
#define C_IDENT (C_START | C_DIGIT)

/* clang-format off */
static const uint16_t class_of[256] = {
	['\t' ... '\r'] = C_SPACE, [' '] = C_SPACE,
	['A'] = LETTER, ['B'] = PREFIX, ['C' ... 'M'] = LETTER, ['N'] = PREFIX,
	['O' ... 'W'] = LETTER, ['X'] = PREFIX, ['Y' ... 'Z'] = LETTER,
	['a'] = LETTER, ['b'] = PREFIX, ['c' ... 'm'] = LETTER, ['n'] = PREFIX,
	['o' ... 'w'] = LETTER, ['x'] = PREFIX, ['y' ... 'z'] = LETTER,
	['_'] = LETTER, ['$'] = LETTER, [0x80 ... 0xff] = LETTER,
	['0' ... '9'] = C_DIGIT | C_VAR,
	['.'] = C_PUNCT | C_VAR,
	['('] = SINGLE, [')'] = SINGLE, [','] = SINGLE, [';'] = SINGLE, [':'] = C_PUNCT,
	['{'] = SINGLE, ['}'] = SINGLE,
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

/* A token begins at l->p: what most of them lack. */
static inline void start(const struct sql_my_lex *l, struct sql_my_tok *t)
{
	t->ch = 0;
	t->national = false;
	t->id = 0;
	t->word = NULL;
	t->p = l->p;
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

/* The first byte of the next token or comment; end: there is none. */
static inline const char *blanks_end(const char *p, const char *end)
{
	while (p < end && is(*p, C_SPACE))
		p++;
	return p;
}

/* Skips blanks and comments. False: not read with certainty, the lexer is where that begins. */
static bool skip_comments(struct sql_my_lex *l)
{
	for (;;) {
		l->p = blanks_end(l->p, l->end);
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
	const char *close = memchr(p + 1, quote, (size_t)(l->end - p) - 1);

	if (close == NULL)
		return NULL;
	if ((l->end - close < 2 || close[1] != quote) &&
		!(escapes && memchr(p + 1, '\\', (size_t)(close - p) - 1) != NULL))
		return close + 1;
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

/* Of a word up to l->p, high: it has bytes above 0x7f. MySQL 9 has $tag$...$tag$ strings, earlier
 * releases and MariaDB names with dollars in them. */
static bool is_doubtful(const struct sql_my_lex *l, const struct sql_my_tok *t, bool high)
{
	return (high && l->o->charset != SQL_MY_CS_SAFE) ||
	       (*t->p == '$' && !l->o->mariadb &&
		       memchr(t->p + 1, '$', (size_t)(l->p - t->p - 1)) != NULL);
}

/* A word that no table has: its first n bytes have been read. */
__attribute__((noinline)) static void lex_odd_word(
	struct sql_my_lex *l, struct sql_my_tok *t, size_t n, bool high)
{
	const char *p = l->p + n;

	for (; p < l->end && is(*p, C_IDENT); p++)
		high |= is_high(*p);
	l->p = p;
	if (is_doubtful(l, t, high))
		bad(l, t);
	else
		done(l, t, SQL_MY_TOK_WORD);
}

static void lex_word(struct sql_my_lex *l, struct sql_my_tok *t)
{
	char name[MY_WORD_MAX];
	const char *p = l->p;
	size_t n = 0, max = (size_t)(l->end - p) < MY_WORD_MAX ? (size_t)(l->end - p) : MY_WORD_MAX;
	uint32_t h = 0;
	unsigned char all = 0;

	do {
		unsigned char c = words_folded[(unsigned char)p[n]];

		if (c == 0)
			break;
		all |= c;
		name[n] = (char)c;
		h = sql_hash_step(h, c);
	} while (++n < max);
	t->hash = h;
	if (n == MY_WORD_MAX || is_high((char)all) || *t->p == '$') {
		lex_odd_word(l, t, n, is_high((char)all));
		if (t->kind == SQL_MY_TOK_BAD || t->n > MY_WORD_MAX)
			return;
	} else {
		t->kind = SQL_MY_TOK_WORD;
		t->n = n;
		l->p = p + n;
	}
	t->word = my_word_find(name, n, h);
	if (t->word != NULL)
		t->id = t->word->id;
}

/* B, N, X: a literal's prefix only when the quote follows at once, else a word's start. */
static void lex_prefix(struct sql_my_lex *l, struct sql_my_tok *t)
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

static void lex_end(struct sql_my_lex *l, struct sql_my_tok *t)
{
	if (l->in_comment || l->refused)
		bad(l, t);
	else
		done(l, t, SQL_MY_TOK_END);
}

/* A token that starts with neither a letter nor a parenthesis or comma. */
static void lex_other(struct sql_my_lex *l, struct sql_my_tok *t)
{
	char c = *l->p;

	if (is(c, C_DIGIT) || (c == '.' && l->end - l->p > 1 && is(l->p[1], C_DIGIT)))
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

/* The dot of a.b; others may begin a number. */
static inline bool is_dot_of_name(const struct sql_my_lex *l)
{
	return at(l, 0, '.') && l->end - l->p > 1 && is(l->p[1], C_START);
}

/* The token that starts at l->p. */
static inline void lex_token(struct sql_my_lex *l, struct sql_my_tok *t)
{
	unsigned classes = l->p < l->end ? class_of[(unsigned char)*l->p] : 0;

	start(l, t);
	if (classes & C_PREFIX) {
		lex_prefix(l, t);
	} else if (classes & C_START) {
		lex_word(l, t);
	} else if ((classes & C_SINGLE) || is_dot_of_name(l)) {
		t->ch = *l->p++;
		t->kind = SQL_MY_TOK_PUNCT;
		t->n = 1;
	} else if (l->p == l->end) {
		lex_end(l, t);
	} else {
		lex_other(l, t);
	}
}

/* Apart from the rest, which is short: what this calls would cost each token registers to save. */
__attribute__((noinline)) static void lex_behind_comment(struct sql_my_lex *l, struct sql_my_tok *t)
{
	if (skip_comments(l)) {
		lex_token(l, t);
		return;
	}
	start(l, t);
	bad(l, t);
}

void sql_my_lex_next(struct sql_my_lex *l, struct sql_my_tok *t)
{
	const char *p = blanks_end(l->p, l->end);

	l->p = p;
	if (p < l->end && is(*p, C_COMMENT))
		lex_behind_comment(l, t);
	else
		lex_token(l, t);
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

/* Has what stands between quotes nothing but itself in it? */
static bool is_plain(const char *p, size_t n, char quote, bool escapes)
{
	return memchr(p, quote, n) == NULL && !(escapes && memchr(p, '\\', n) != NULL);
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

	if (p < end && (quote == 0 || is_plain(p, (size_t)(end - p), quote, escapes))) {
		size_t n = (size_t)(end - p);

		*n_r = n < cap ? n : cap;
		memcpy(out, p, *n_r);
		return n <= cap;
	}
	for (; p < end; p++) {
		char c = *p;

		if (c == quote) {
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
