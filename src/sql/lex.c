/*
 * Cuts SQL text into tokens as PostgreSQL's scanner does: quoting, dollar quoting, nested
 * comments, continued strings, operators that stop before a comment. Ignorant of grammar. Any
 * thread.
 */
#include "sql/lex.h"

#include "words_find_int.h"

#include <string.h>

enum {
	C_SPACE = 1,       /* blank, tab, \n, \r, \f, \v */
	C_IDENT_START = 2, /* letters, _ and every byte above 0x7f */
	C_IDENT = 4,       /* the same, digits and $ */
	C_TAG = 8,         /* may continue the tag of a dollar quote: C_IDENT without $ */
	C_DIGIT = 16,
	C_OP = 64,       /* may be part of an operator */
	C_FOREIGN = 128, /* an operator character that SQL's own operators lack */
	C_PUNCT = 256,
	C_SINGLE = 512,   /* ... and always a token of one byte */
	C_COMMENT = 1024, /* may start a comment */
	C_PREFIX = 2048,  /* a letter that may stand before a literal's quote */
};

#define LETTER (C_IDENT_START | C_IDENT | C_TAG)
#define PREFIX (LETTER | C_PREFIX)
#define FOREIGN (C_OP | C_FOREIGN)
#define SINGLE (C_PUNCT | C_SINGLE)

/* clang-format off */
static const uint16_t class_of[256] = {
	[' '] = C_SPACE, ['\t'] = C_SPACE, ['\n'] = C_SPACE, ['\r'] = C_SPACE, ['\f'] = C_SPACE,
	['\v'] = C_SPACE,
	['+'] = C_OP, ['*'] = C_OP, ['<'] = C_OP, ['>'] = C_OP, ['='] = C_OP,
	['-'] = C_OP | C_COMMENT, ['/'] = C_OP | C_COMMENT,
	['~'] = FOREIGN, ['!'] = FOREIGN, ['@'] = FOREIGN, ['#'] = FOREIGN, ['^'] = FOREIGN,
	['&'] = FOREIGN, ['|'] = FOREIGN, ['`'] = FOREIGN, ['?'] = FOREIGN, ['%'] = FOREIGN,
	['('] = SINGLE, [')'] = SINGLE, ['['] = SINGLE, [']'] = SINGLE, [','] = SINGLE,
	[';'] = SINGLE, ['.'] = C_PUNCT, [':'] = C_PUNCT,
	['$'] = C_IDENT, ['_'] = LETTER, ['0' ... '9'] = C_DIGIT | C_IDENT | C_TAG,
	['A'] = LETTER, ['B'] = PREFIX, ['C' ... 'D'] = LETTER, ['E'] = PREFIX,
	['F' ... 'M'] = LETTER, ['N'] = PREFIX, ['O' ... 'T'] = LETTER, ['U'] = PREFIX,
	['V' ... 'W'] = LETTER, ['X'] = PREFIX, ['Y' ... 'Z'] = LETTER,
	['a'] = LETTER, ['b'] = PREFIX, ['c' ... 'd'] = LETTER, ['e'] = PREFIX,
	['f' ... 'm'] = LETTER, ['n'] = PREFIX, ['o' ... 't'] = LETTER, ['u'] = PREFIX,
	['v' ... 'w'] = LETTER, ['x'] = PREFIX, ['y' ... 'z'] = LETTER,
	[0x80 ... 0xff] = LETTER,
};

#define SAME(c) [c] = (c)
#define LOWER(c) [c] = (c), [(c) - 32] = (c)
#define SAME4(c) SAME(c), SAME((c) + 1), SAME((c) + 2), SAME((c) + 3)
#define SAME16(c) SAME4(c), SAME4((c) + 4), SAME4((c) + 8), SAME4((c) + 12)

const unsigned char words_folded[256] = {
	SAME('$'), SAME('_'),
	SAME4('0'), SAME4('4'), SAME('8'), SAME('9'),
	LOWER('a'), LOWER('b'), LOWER('c'), LOWER('d'), LOWER('e'), LOWER('f'), LOWER('g'),
	LOWER('h'), LOWER('i'), LOWER('j'), LOWER('k'), LOWER('l'), LOWER('m'), LOWER('n'),
	LOWER('o'), LOWER('p'), LOWER('q'), LOWER('r'), LOWER('s'), LOWER('t'), LOWER('u'),
	LOWER('v'), LOWER('w'), LOWER('x'), LOWER('y'), LOWER('z'),
	SAME16(0x80), SAME16(0x90), SAME16(0xa0), SAME16(0xb0),
	SAME16(0xc0), SAME16(0xd0), SAME16(0xe0), SAME16(0xf0),
};
/* clang-format on */

static inline bool is(char c, unsigned classes)
{
	return (class_of[(unsigned char)c] & classes) != 0;
}

static inline bool at(const struct sql_lex *l, size_t ahead, char c)
{
	return (size_t)(l->end - l->p) > ahead && l->p[ahead] == c;
}

void sql_lex_init(struct sql_lex *l, const struct sql_dialect *d, const char *text, size_t n,
	bool standard_conforming_strings)
{
	l->dialect = d;
	l->p = text != NULL ? text : "";
	l->end = l->p + n;
	l->escape_strings = !standard_conforming_strings;
}

/* A token begins at l->p: what most of them lack. */
static inline void start(const struct sql_lex *l, struct sql_tok *t)
{
	t->ch = 0;
	t->decoded_too_long = false;
	t->keyword = 0;
	t->name_n = 0;
	t->word = NULL;
	t->p = l->p;
}

/* The lexer stays where the trouble starts, so that every further call finds it again. */
static void bad(struct sql_lex *l, struct sql_tok *t)
{
	t->kind = SQL_TOK_BAD;
	t->n = (size_t)(l->end - t->p);
	l->p = t->p;
}

static void done(struct sql_lex *l, struct sql_tok *t, enum sql_token kind)
{
	t->kind = kind;
	t->n = (size_t)(l->p - t->p);
}

/* Block comments nest. False when unterminated, with the lexer at the comment's start. */
static bool skip_block_comment(struct sql_lex *l)
{
	const char *p = l->p + 2;
	size_t depth = 1;

	while (l->end - p >= 2) {
		if (p[0] == '*' && p[1] == '/') {
			p += 2;
			if (--depth == 0) {
				l->p = p;
				return true;
			}
		} else if (p[0] == '/' && p[1] == '*') {
			p += 2;
			depth++;
		} else {
			p++;
		}
	}
	return false;
}

static const char *line_end(const char *p, const char *end)
{
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

/* The first byte of the next token or comment; end: there is none. */
static inline const char *blanks_end(const char *p, const char *end)
{
	while (p < end && is(*p, C_SPACE))
		p++;
	return p;
}

/* Skips blanks and comments. False: a comment never ends, the lexer is at its start. */
static bool skip_comments(struct sql_lex *l)
{
	for (;;) {
		l->p = blanks_end(l->p, l->end);
		if (at(l, 0, '-') && at(l, 1, '-'))
			l->p = line_end(l->p + 2, l->end);
		else if (!(at(l, 0, '/') && at(l, 1, '*')))
			return true;
		else if (!skip_block_comment(l))
			return false;
	}
}

/* Behind a closing quote: the start of the literal's continuation (its quote), or NULL. Only
 * white space that contains a newline, with -- comments but not block comments, joins two
 * literals. */
static const char *continuation(const char *p, const char *end)
{
	bool newline = false;

	while (p < end) {
		if (*p == '\'')
			return newline ? p : NULL;
		if (*p == '\n' || *p == '\r')
			newline = true;
		else if (end - p >= 2 && p[0] == '-' && p[1] == '-')
			p = line_end(p + 2, end) - 1;
		else if (!is(*p, C_SPACE))
			return NULL;
		p++;
	}
	return NULL;
}

/* A quoted thing whose opening quote is at l->p. False when unterminated. */
static bool skip_quoted(struct sql_lex *l, char quote, bool escapes)
{
	const char *p = l->p + 1;

	while (p < l->end) {
		if (*p == '\\' && escapes) {
			if (l->end - p < 2)
				return false;
			p += 2;
		} else if (*p != quote) {
			p++;
		} else if (l->end - p >= 2 && p[1] == quote) {
			p += 2;
		} else {
			l->p = p + 1;
			return true;
		}
	}
	return false;
}

static void lex_string(struct sql_lex *l, struct sql_tok *t, enum sql_token kind)
{
	const char *more;

	do {
		if (!skip_quoted(l, '\'', kind == SQL_TOK_ESTRING)) {
			bad(l, t);
			return;
		}
		more = continuation(l->p, l->end);
		if (more != NULL)
			l->p = more;
	} while (more != NULL);
	done(l, t, kind);
}

static void lex_quoted_ident(struct sql_lex *l, struct sql_tok *t, enum sql_token kind)
{
	const char *p = l->p + 1;
	uint32_t h = 0;
	size_t n = 0;

	if (!skip_quoted(l, '"', false)) {
		bad(l, t);
		return;
	}
	done(l, t, kind);
	if (kind == SQL_TOK_UQUOTED)
		return;
	for (; p < l->p - 1 && n < SQL_IDENT_MAX; p++) {
		h = sql_hash_step(h, (unsigned char)*p);
		t->name[n++] = *p;
		if (*p == '"')
			p++;
	}
	t->decoded_too_long = p < l->p - 1;
	t->name_n = (uint8_t)n;
	t->hash = h;
	t->word = t->decoded_too_long ? NULL : l->dialect->find(t->name, n, h);
}

static void find_word(struct sql_lex *l, struct sql_tok *t)
{
	const struct sql_word *w = l->dialect->find(t->name, t->name_n, t->hash);

	t->word = w;
	if (w != NULL && w->kwclass != SQL_KW_NONE)
		t->keyword = w->id;
}

/* A word that goes on where name[] is full. */
static void lex_long_word(struct sql_lex *l, struct sql_tok *t)
{
	while (l->p < l->end && is(*l->p, C_IDENT))
		l->p++;
	t->decoded_too_long = true;
	done(l, t, SQL_TOK_WORD);
}

static void lex_word(struct sql_lex *l, struct sql_tok *t)
{
	const char *p = l->p;
	size_t left = (size_t)(l->end - p), n = 0,
	       max = left < SQL_IDENT_MAX ? left : SQL_IDENT_MAX;
	uint32_t h = 0;

	do {
		unsigned char c = words_folded[(unsigned char)p[n]];

		if (c == 0)
			break;
		h = sql_hash_step(h, c);
		t->name[n] = (char)c;
	} while (++n < max);
	l->p = p + n;
	t->name_n = (uint8_t)n;
	t->hash = h;
	t->kind = SQL_TOK_WORD;
	t->n = n;
	if (n == SQL_IDENT_MAX && left > n && is(p[n], C_IDENT))
		lex_long_word(l, t);
	else if (n > 1) /* the table has no word of one letter */
		find_word(l, t);
}

/* E, B, X, N, U: a literal's prefix only when the quote follows at once, else a word's start. */
static void lex_prefix(struct sql_lex *l, struct sql_tok *t)
{
	unsigned char c = words_folded[(unsigned char)*l->p];

	if (at(l, 1, '\'') && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
		l->p++;
		if (c == 'e' || (c == 'n' && l->escape_strings))
			lex_string(l, t, SQL_TOK_ESTRING);
		else
			lex_string(l, t, c == 'n' ? SQL_TOK_STRING : SQL_TOK_BITS);
	} else if (c == 'u' && at(l, 1, '&') && (at(l, 2, '\'') || at(l, 2, '"'))) {
		l->p += 2;
		if (*l->p == '"')
			lex_quoted_ident(l, t, SQL_TOK_UQUOTED);
		else
			lex_string(l, t, SQL_TOK_USTRING);
	} else {
		lex_word(l, t);
	}
}

static void skip_digits(struct sql_lex *l)
{
	while (l->p < l->end && is(*l->p, C_DIGIT))
		l->p++;
}

/* 1, 1.5, .5, 1e-3; but 1..2 is 1, .., 2. What else hangs on (1abc, 0x1F, 1_000) becomes a word
 * of its own. */
static void lex_number(struct sql_lex *l, struct sql_tok *t)
{
	skip_digits(l);
	if (at(l, 0, '.') && !at(l, 1, '.')) {
		l->p++;
		skip_digits(l);
	}
	if (at(l, 0, 'e') || at(l, 0, 'E')) {
		size_t sign = at(l, 1, '+') || at(l, 1, '-') ? 1 : 0;

		if ((size_t)(l->end - l->p) > 1 + sign && is(l->p[1 + sign], C_DIGIT)) {
			l->p += 1 + sign;
			skip_digits(l);
		}
	}
	done(l, t, SQL_TOK_NUMBER);
}

/* $1, $tag$...$tag$, or a lone $. */
static void lex_dollar(struct sql_lex *l, struct sql_tok *t)
{
	const char *p = l->p + 1;

	if (p < l->end && is(*p, C_DIGIT)) {
		l->p = p;
		skip_digits(l);
		done(l, t, SQL_TOK_PARAM);
		return;
	}
	while (p < l->end && is(*p, C_TAG))
		p++;
	if (p == l->end || *p != '$') {
		l->p++;
		done(l, t, SQL_TOK_OTHER);
		return;
	}
	size_t tag_n = (size_t)(++p - l->p);

	/* The closing tag may start at any $: a plain search is right, the tag has $ only at its
	 * ends. */
	p = memmem(p, (size_t)(l->end - p), l->p, tag_n);
	if (p == NULL) {
		bad(l, t);
		return;
	}
	l->p = p + tag_n;
	done(l, t, SQL_TOK_DOLLAR);
}

/* The longest run of operator characters that holds no comment start; a + or - at its end
 * belongs to the next token unless the operator has a character that SQL's own operators lack. */
static void lex_operator(struct sql_lex *l, struct sql_tok *t)
{
	const char *p = l->p;
	bool foreign = false;

	for (; p < l->end && is(*p, C_OP); p++) {
		if (l->end - p >= 2 &&
			((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')))
			break;
		foreign |= is(*p, C_FOREIGN);
	}
	while (p - l->p > 1 && !foreign && (p[-1] == '+' || p[-1] == '-'))
		p--;
	if (p - l->p == 1)
		t->ch = *l->p;
	l->p = p;
	done(l, t, SQL_TOK_OP);
}

static void lex_punct(struct sql_lex *l, struct sql_tok *t)
{
	char c = *l->p;

	if (c == ':' && (at(l, 1, ':') || at(l, 1, '='))) {
		l->p += 2;
		done(l, t, t->p[1] == ':' ? SQL_TOK_CAST : SQL_TOK_OP);
		return;
	}
	if (c == '.' && at(l, 1, '.')) {
		l->p += 2;
		done(l, t, SQL_TOK_OP);
		return;
	}
	l->p++;
	t->ch = c;
	done(l, t, SQL_TOK_PUNCT);
}

/* A token that starts with neither a letter nor a parenthesis or comma. */
static void lex_other(struct sql_lex *l, struct sql_tok *t)
{
	char c = *l->p;

	if (is(c, C_DIGIT) || (c == '.' && (size_t)(l->end - l->p) > 1 && is(l->p[1], C_DIGIT)))
		lex_number(l, t);
	else if (is(c, C_PUNCT))
		lex_punct(l, t);
	else if (is(c, C_OP))
		lex_operator(l, t);
	else if (c == '\'')
		lex_string(l, t, l->escape_strings ? SQL_TOK_ESTRING : SQL_TOK_STRING);
	else if (c == '"')
		lex_quoted_ident(l, t, SQL_TOK_QUOTED);
	else if (c == '$')
		lex_dollar(l, t);
	else if (c == '\0')
		bad(l, t);
	else {
		l->p++;
		done(l, t, SQL_TOK_OTHER);
	}
}

/* The dot of a.b; others may begin a number, or have another behind them. */
static inline bool is_dot_of_name(const struct sql_lex *l)
{
	return at(l, 0, '.') && l->end - l->p > 1 && is(l->p[1], C_IDENT_START);
}

/* The token that starts at l->p. */
static inline void lex_token(struct sql_lex *l, struct sql_tok *t)
{
	unsigned classes = l->p < l->end ? class_of[(unsigned char)*l->p] : 0;

	start(l, t);
	if (classes & C_PREFIX) {
		lex_prefix(l, t);
	} else if (classes & C_IDENT_START) {
		lex_word(l, t);
	} else if ((classes & C_SINGLE) || is_dot_of_name(l)) {
		t->ch = *l->p++;
		t->kind = SQL_TOK_PUNCT;
		t->n = 1;
	} else if (l->p == l->end) {
		done(l, t, SQL_TOK_END);
	} else {
		lex_other(l, t);
	}
}

/* Apart from the rest, which is short: what this calls would cost each token registers to save. */
__attribute__((noinline)) static void lex_behind_comment(struct sql_lex *l, struct sql_tok *t)
{
	if (skip_comments(l)) {
		lex_token(l, t);
		return;
	}
	start(l, t);
	bad(l, t);
}

void sql_lex_next(struct sql_lex *l, struct sql_tok *t)
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

/* The byte that \c stands for where that needs nothing else; 0 where only the server should
 * tell. */
static char unescape(char c)
{
	switch (c) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'x':
	case 'u':
	case 'U': return 0;
	default: return is(c, C_DIGIT) ? 0 : c;
	}
}

static bool decode_quoted(const struct sql_tok *t, char *out, size_t cap, size_t *n_r)
{
	const char *p = memchr(t->p, '\'', t->n), *end = t->p + t->n;

	for (p++; p < end; p++) {
		char c = *p;

		if (c == '\'' && end - p >= 2 && p[1] == '\'') {
			p++;
		} else if (c == '\'') {
			p = continuation(p + 1, end);
			if (p == NULL)
				return true;
			continue;
		} else if (c == '\\' && t->kind == SQL_TOK_ESTRING) {
			c = unescape(*++p);
			if (c == 0)
				return false;
		}
		if (!put(out, cap, n_r, c))
			return false;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)words_folded[(unsigned char)c];
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \ or four hex digits or + and six, behind a backslash: how many bytes it is long, 0 for what is
 * neither. */
static size_t unicode_escape(const char *p, const char *end, uint32_t *code_r)
{
	size_t at = 0, digits = 4;

	if (p == end)
		return 0;
	*code_r = 0;
	if (*p == '\\') {
		*code_r = '\\';
		return 1;
	}
	if (*p == '+') {
		at = 1;
		digits = 6;
	}
	if ((size_t)(end - p) < at + digits)
		return 0;
	for (size_t i = at; i < at + digits; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return 0;
		*code_r = *code_r * 16 + (uint32_t)d;
	}
	/* no NUL; surrogate pairs only in one spelling too many to be worth it */
	return *code_r == 0 || *code_r > 0x10ffff || (*code_r >= 0xd800 && *code_r < 0xe000)
		       ? 0
		       : at + digits;
}

static size_t put_utf8(char out[4], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00 >> n) | c);
	return n;
}

bool sql_lex_decode_ident(const struct sql_dialect *d, struct sql_tok *t)
{
	char name[SQL_IDENT_MAX + 4];
	const char *p = t->p + 3, *end = t->p + t->n - 1;
	uint32_t h = 0;
	size_t n = 0;

	while (p < end) {
		uint32_t code = (unsigned char)*p;
		size_t used = *p == '\\' ? unicode_escape(p + 1, end, &code) : 0;

		if (n > SQL_IDENT_MAX || (*p == '\\' && used == 0))
			return false;
		if (*p == '\\')
			n += put_utf8(name + n, code);
		else
			name[n++] = *p;
		p += used + 1 + (*p == '"');
	}
	if (n > SQL_IDENT_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		h = sql_hash_step(h, (unsigned char)name[i]);
	memcpy(t->name, name, n);
	t->name_n = (uint8_t)n;
	t->hash = h;
	t->word = d->find(name, n, h);
	return true;
}

bool sql_lex_decode(const struct sql_tok *t, char *out, size_t cap, size_t *n_r)
{
	*n_r = 0;
	if (t->kind == SQL_TOK_STRING || t->kind == SQL_TOK_ESTRING)
		return decode_quoted(t, out, cap, n_r);
	if (t->kind != SQL_TOK_DOLLAR)
		return false;
	size_t tag_n = (size_t)((const char *)memchr(t->p + 1, '$', t->n - 1) - t->p) + 1;

	for (size_t i = tag_n; i < t->n - tag_n; i++)
		if (!put(out, cap, n_r, t->p[i]))
			return false;
	return true;
}
