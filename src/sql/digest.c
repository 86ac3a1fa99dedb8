/*
 * Digests of texts: tokens in, a normal form and its hash out. Ignorant of grammar. Any thread.
 */
#include "shape_int.h"

#include "base/buf.h"

#include <string.h>
#include <strings.h>

struct cursor {
	bool is_my;
	struct shape_lex lex;
	struct shape_tok t;
};

static inline void next(struct cursor *c)
{
	shape_next(&c->lex, &c->t);
}

static void start(struct cursor *c, const struct sql_lang *lang, const char *text, size_t n)
{
	c->is_my = lang->pg == NULL;
	shape_init(&c->lex, lang, text, n);
	next(c);
}

struct form {
	uint64_t hash;
	struct buf *out;
	size_t max;      /* bytes for out */
	bool first;      /* nothing was put yet */
	bool open;       /* an operand must follow: behind an operator, a comma, a parenthesis */
	bool rows_begin; /* so do rows: behind VALUES, or an opening parenthesis */
	const char *end; /* of the token that was put last, in the text */
};

/* FNV-1a: the same everywhere; nobody gains by a collision. */
#define FNV_STEP(hash, ch) (((hash) ^ (unsigned char)(ch)) * UINT64_C(0x100000001b3))

static inline unsigned char folded(char ch)
{
	const unsigned char c = (unsigned char)ch;

	return (unsigned char)(c | (shape_class_of[c] & C_UPPER));
}

/* Into the text, which few ask for. */
static void put_out(struct form *f, const char *p, size_t n, bool fold)
{
	size_t room = f->max - buf_len(f->out);

	n = n < room ? n : room;
	if (!fold)
		buf_append(f->out, p, n);
	for (size_t i = 0; i < n && fold; i++) {
		unsigned char ch = folded(p[i]);
		buf_append(f->out, &ch, 1);
	}
}

static void put_part(struct form *f, const char *p, size_t n, bool fold)
{
	uint64_t hash = f->hash;

	f->first = false;
	if (fold)
		for (size_t i = 0; i < n; i++)
			hash = FNV_STEP(hash, folded(p[i]));
	else
		for (size_t i = 0; i < n; i++)
			hash = FNV_STEP(hash, p[i]);
	f->hash = hash;
	if (f->out != NULL)
		put_out(f, p, n, fold);
}

static void put(struct form *f, const char *p, size_t n, bool fold)
{
	if (!f->first) {
		f->hash = FNV_STEP(f->hash, ' ');
		if (f->out != NULL)
			put_out(f, " ", 1, false);
	}
	put_part(f, p, n, fold);
}

/* MySQL's lexer gives operators byte by byte. */
static bool goes_on(const struct form *f, const struct cursor *c)
{
	static const char pairs[] = ">= <= != <> => && || << >> ->";

	if (!c->is_my || f->end != c->t.p || c->t.shape < SHAPE_EXACT)
		return false;
	for (size_t i = 0; i < sizeof pairs - 1; i += 3)
		if (pairs[i] == c->t.p[-1] && pairs[i + 1] == c->t.p[0])
			return true;
	return false;
}

static inline bool is_word(const struct shape_tok *t, const char *word, size_t n)
{
	return t->n == n && (*t->p | 32) == *word && strncasecmp(t->p, word, n) == 0;
}

static inline bool is_literal(const struct shape_tok *t)
{
	return t->shape == SHAPE_LITERAL || t->shape == SHAPE_NUMBER;
}

static inline bool is_value_word(const struct cursor *c)
{
	const struct shape_tok *t = &c->t;

	return is_word(t, "null", 4) ||
	       (!c->is_my && (is_word(t, "true", 4) || is_word(t, "false", 5)));
}

/* Takes a literal, if c stands at one. Where an operand must follow, a number's sign belongs to it,
 * and so are words that are values. */
static inline bool take_literal(struct cursor *c, bool open)
{
	if (open && c->t.shape == SHAPE_SIGN) {
		struct cursor number = *c;

		next(&number);
		if (number.t.shape != SHAPE_NUMBER)
			return false;
		*c = number;
	} else if (!is_literal(&c->t) && !(open && c->t.shape == SHAPE_WORD && is_value_word(c))) {
		return false;
	}
	next(c);
	return true;
}

/* The same, and all literals that follow behind commas. */
static bool take_literals(struct cursor *c, bool open)
{
	if (!take_literal(c, open))
		return false;
	while (c->t.shape == SHAPE_COMMA) {
		struct cursor behind = *c;

		next(&behind);
		if (!take_literal(&behind, true))
			break;
		*c = behind;
	}
	return true;
}

/* A row of nothing but literals, in parentheses. */
static bool take_row(struct cursor *c)
{
	struct cursor at = *c;

	if (at.t.shape != SHAPE_OPEN)
		return false;
	next(&at);
	if (!take_literals(&at, true) || at.t.shape != SHAPE_CLOSE)
		return false;
	next(&at);
	*c = at;
	return true;
}

/* Such rows, one behind the other, count as one: c stands at the first. */
static bool put_rows(struct form *f, struct cursor *c)
{
	if (!take_row(c))
		return false;
	put(f, "( ? )", 5, false);
	f->open = f->rows_begin = false;
	while (c->t.shape == SHAPE_COMMA) {
		struct cursor behind = *c;

		next(&behind);
		if (!take_row(&behind))
			break;
		*c = behind;
	}
	return true;
}

/* Does no operand follow what begins so? */
static bool closes(char ch)
{
	return ch == ')' || ch == ']' || ch == '.' || ch == ';' || ch == '"' || ch == '`' ||
	       ch == '\0';
}

/* Could the word from p to q be a value, the beginning of rows, a prefix, or go on? */
static inline bool means_more(const char *p, const char *q, const char *end, bool is_my)
{
	const size_t n = (size_t)(q - p);
	const unsigned two = n < 2 ? 0 : (unsigned)(p[0] | 32) << 8 | (unsigned)(p[1] | 32);

	if (n - 4 <= 2 && (two == ('n' << 8 | 'u') || two == ('t' << 8 | 'r') ||
				  two == ('f' << 8 | 'a') || two == ('v' << 8 | 'a')))
		return true;
	if (is_my)
		return q < end && (is(*q, C_MY_MORE) || *q == '\'');
	return n == 1 && q < end && (*q == '\'' || *q == '&');
}

/* A dot between names. */
static inline bool is_dot(char c, char next)
{
	return c == '.' && (is(next, C_MY_START) || next == '*');
}

/* The end of the word at p, which goes into *h. */
static inline const char *run_word(const char *p, const char *end, unsigned ident, uint64_t *h)
{
	uint64_t hash = *h;

	for (; p < end; p++) {
		const unsigned char c = (unsigned char)*p;
		const unsigned classes = shape_class_of[c];

		if (!(classes & ident))
			break;
		hash = FNV_STEP(hash, c | (classes & C_UPPER));
	}
	*h = hash;
	return p;
}

/* The same for a name in quotes, the first of which stands at p. NULL: it is not that simple. */
static inline const char *run_quoted(const char *p, const char *end, uint64_t *h)
{
	const char quote = *p++;
	uint64_t hash = FNV_STEP(*h, quote);

	for (; p < end && *p != quote && *p != '\0'; p++)
		hash = FNV_STEP(hash, *p);
	if (p == end || *p != quote || behind(p, end) == quote)
		return NULL;
	*h = FNV_STEP(hash, quote);
	return p + 1;
}

/* Is the byte at p punctuation or an operator that is a token for itself, whatever was before? */
static inline bool is_plain(const char *p, const char *end, unsigned classes, const struct form *f)
{
	const char next = behind(p, end);

	if (classes & C_SINGLE)
		return *p != '(' || !f->rows_begin;
	if (classes & C_OP)
		return !is(next, C_PG_OP) && !is(p[-1], C_PG_OP) &&
		       !(f->open && (*p == '-' || *p == '+'));
	return *p == '.' && (is(next, C_MY_START) || next == '*' || next == '"' || next == '`');
}

/* What most of a text is made of, words and punctuation that mean nothing but themselves, up to
 * where something else begins: that is put_token()'s, which would do the same with all of these.
 * Returns where it stopped. */
static inline __attribute__((always_inline)) const char *run(
	struct form *f, const char *p, const char *end, bool is_my)
{
	const unsigned ident = is_my ? C_MY_IDENT : C_PG_IDENT;
	uint64_t hash = f->hash;

	while (p < end) {
		const char c = *p, *q = p + 1;
		const unsigned classes = shape_class_of[(unsigned char)c];
		uint64_t h = FNV_STEP(hash, ' ');

		if (classes & C_SPACE) {
			p++;
			continue;
		}
		if (classes & (is_my ? C_MY_START : C_PG_START)) {
			q = run_word(p, end, ident, &h);
			if (means_more(p, q, end, is_my))
				break;
			f->open = f->rows_begin = false;
		} else if (c == (is_my ? '`' : '"')) {
			q = run_quoted(p, end, &h);
			if (q == NULL)
				break;
			f->open = f->rows_begin = false;
		} else if (is_plain(p, end, classes, f)) {
			h = FNV_STEP(h, c);
			f->open = c != ')' && c != '.' && c != ']';
			f->rows_begin = c == '(';
		} else {
			break;
		}
		hash = h;
		p = f->end = q;
	}
	f->hash = hash;
	return p;
}

static void put_word(struct form *f, const struct shape_tok *t)
{
	put(f, t->p, t->n, true);
	f->open = false;
	f->rows_begin = is_word(t, "values", 6) || is_word(t, "value", 5);
}

static void put_exact(struct form *f, const struct cursor *c)
{
	if (goes_on(f, c))
		put_part(f, c->t.p, c->t.n, false);
	else
		put(f, c->t.p, c->t.n, false);
	f->open = !closes(*c->t.p);
	f->rows_begin = c->t.shape == SHAPE_OPEN;
}

static void put_token(struct form *f, struct cursor *c)
{
	const char **at = c->is_my ? &c->lex.my.p : &c->lex.pg.p;

	if (f->rows_begin && c->t.shape == SHAPE_OPEN && put_rows(f, c)) {
		*at = c->t.p;
	} else if (take_literals(c, f->open)) {
		put(f, "?", 1, false);
		f->open = f->rows_begin = false;
		*at = c->t.p;
	} else {
		if (c->t.shape == SHAPE_WORD)
			put_word(f, &c->t);
		else
			put_exact(f, c);
		f->end = c->t.p + c->t.n;
	}
	if (f->out == NULL && c->is_my)
		*at = run(f, *at, c->lex.my.end, true);
	else if (f->out == NULL)
		*at = run(f, *at, c->lex.pg.end, false);
	next(c);
}

/* False: it does not lex, or it is empty. */
static bool put_text(struct form *f, const struct sql_lang *lang, const char *text, size_t n)
{
	struct cursor c;
	size_t semicolons = 0;

	start(&c, lang, text, n);
	while (c.t.shape != SHAPE_END) {
		if (c.t.shape == SHAPE_BAD)
			return false;
		if (c.t.shape == SHAPE_SEMICOLON) { /* it counts when something follows */
			semicolons++;
			f->open = f->rows_begin = false;
			next(&c);
			continue;
		}
		if (semicolons != 0 && !f->first)
			put(f, ";", 1, false);
		semicolons = 0;
		put_token(f, &c);
	}
	return !f->first;
}

bool sql_digest(const struct sql_lang *lang, const char *text, size_t n, struct buf *normal,
	uint64_t *digest_r)
{
	struct form f = {
		.hash = UINT64_C(0xcbf29ce484222325), .first = true, .out = normal, .max = SIZE_MAX
	};

	if (!put_text(&f, lang, text, n))
		return false;
	*digest_r = f.hash;
	return true;
}

/* So that the last of n bytes is not the middle of a character. */
static size_t whole_chars(const uint8_t *p, size_t n)
{
	size_t at = n;

	while (at > 0 && n - at < 3 && (p[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0 || p[at - 1] < 0xc0)
		return n;
	size_t want = p[at - 1] >= 0xf0 ? 4 : p[at - 1] >= 0xe0 ? 3 : 2;
	return n - (at - 1) < want ? at - 1 : n;
}

bool sql_normal(
	const struct sql_lang *lang, const char *text, size_t n, struct buf *out, size_t max)
{
	struct form f = { .first = true, .out = out, .max = max };

	if (!put_text(&f, lang, text, n))
		return false;
	buf_truncate(out, whole_chars(buf_data(out), buf_len(out)));
	return true;
}

size_t sql_first_token(const struct sql_lang *lang, const char *text, size_t n)
{
	struct cursor c;

	if (n != 0 && ((text[0] | 32) >= 'a' && (text[0] | 32) <= 'z'))
		return 0; /* as nearly all do */
	start(&c, lang, text, n);
	return c.t.shape == SHAPE_END ? n : c.t.shape == SHAPE_BAD ? 0 : (size_t)(c.t.p - text);
}

void sql_digest_put(uint64_t digest, char out[SQL_DIGEST_CHARS + 1])
{
	for (int i = SQL_DIGEST_CHARS - 1; i >= 0; i--) {
		out[i] = "0123456789abcdef"[digest & 15];
		digest >>= 4;
	}
	out[SQL_DIGEST_CHARS] = '\0';
}

bool sql_digest_read(const char *s, uint64_t *digest_r)
{
	uint64_t v = 0;

	for (size_t i = 0; i < SQL_DIGEST_CHARS; i++) {
		char c = (char)(s[i] >= 'A' && s[i] <= 'F' ? s[i] + ('a' - 'A') : s[i]);

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*digest_r = v;
	return s[SQL_DIGEST_CHARS] == '\0';
}
