/*
 * plain_digest - digests made the plain way: token by token as the lexers give them, each byte on
 * its own. What sql/digest.h makes in a faster way must be the same, always: digests stand in
 * configurations and dashboards. For test_sql_digest and fuzz_match. No state: any thread.
 */
#ifndef TEST_PLAIN_DIGEST_H
#define TEST_PLAIN_DIGEST_H

#include "sql/digest.h"

#include "base/buf.h"

#include <string.h>
#include <strings.h>

/* The next token of either dialect, as the normal form sees it. */
enum kind {
	KIND_END,
	KIND_BAD,
	KIND_LITERAL,
	KIND_WORD, /* folded */
	KIND_EXACT,
};

struct cursor {
	const struct sql_lang *lang;
	struct sql_lex pg;
	struct sql_my_lex my;
	enum kind kind;
	const char *p;
	size_t n;
};

static enum kind kind_pg(enum sql_token t)
{
	switch (t) {
	case SQL_TOK_END: return KIND_END;
	case SQL_TOK_BAD: return KIND_BAD;
	case SQL_TOK_WORD: return KIND_WORD;
	case SQL_TOK_STRING:
	case SQL_TOK_ESTRING:
	case SQL_TOK_USTRING:
	case SQL_TOK_DOLLAR:
	case SQL_TOK_BITS:
	case SQL_TOK_NUMBER:
	case SQL_TOK_PARAM: return KIND_LITERAL;
	case SQL_TOK_QUOTED:
	case SQL_TOK_UQUOTED:
	case SQL_TOK_OP:
	case SQL_TOK_CAST:
	case SQL_TOK_PUNCT:
	case SQL_TOK_OTHER: break;
	}
	return KIND_EXACT;
}

static enum kind kind_my(enum sql_my_token t)
{
	switch (t) {
	case SQL_MY_TOK_END: return KIND_END;
	case SQL_MY_TOK_BAD: return KIND_BAD;
	case SQL_MY_TOK_WORD:
	case SQL_MY_TOK_VAR: return KIND_WORD;
	case SQL_MY_TOK_STRING:
	case SQL_MY_TOK_BITS:
	case SQL_MY_TOK_NUMBER:
	case SQL_MY_TOK_PARAM: return KIND_LITERAL;
	case SQL_MY_TOK_QUOTED:
	case SQL_MY_TOK_SYSVAR:
	case SQL_MY_TOK_ASSIGN:
	case SQL_MY_TOK_OP:
	case SQL_MY_TOK_PUNCT: break;
	}
	return KIND_EXACT;
}

static void next(struct cursor *c)
{
	if (c->lang->pg != NULL) {
		struct sql_tok t;

		sql_lex_next(&c->pg, &t);
		c->kind = kind_pg(t.kind);
		c->p = t.p;
		c->n = t.n;
	} else {
		struct sql_my_tok t;

		sql_my_lex_next(&c->my, &t);
		c->kind = kind_my(t.kind);
		c->p = t.p;
		c->n = t.n;
	}
}

/* No keyword is looked up: all words are alike here. */
static const struct sql_word *no_word(const char *name, size_t n, uint32_t hash)
{
	(void)name;
	(void)n;
	(void)hash;
	return NULL;
}
static const struct sql_dialect pg_without_words = { .name = "postgresql", .find = no_word };

static void start(struct cursor *c, const struct sql_lang *lang, const char *text, size_t n)
{
	c->lang = lang;
	if (lang->pg != NULL)
		sql_lex_init(&c->pg, &pg_without_words, text, n, lang->scs);
	else
		sql_my_lex_init(&c->my, lang->my, text, n);
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

static char folded(char ch)
{
	return (char)(ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch);
}

static void put_out(struct form *f, char ch)
{
	if (f->out != NULL && buf_len(f->out) < f->max)
		buf_append(f->out, &ch, 1);
}

/* MySQL's lexer gives operators byte by byte. */
static bool goes_on(const struct form *f, const struct cursor *c)
{
	static const char pairs[] = ">= <= != <> => && || << >> ->";

	if (c->lang->my == NULL || f->end != c->p || c->kind != KIND_EXACT)
		return false;
	for (size_t i = 0; i < sizeof pairs - 1; i += 3)
		if (pairs[i] == c->p[-1] && pairs[i + 1] == c->p[0])
			return true;
	return false;
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
	for (size_t i = 0; i < n && f->out != NULL; i++)
		put_out(f, fold ? folded(p[i]) : p[i]);
}

static void put(struct form *f, const char *p, size_t n, bool fold)
{
	if (!f->first) {
		f->hash = FNV_STEP(f->hash, ' ');
		put_out(f, ' ');
	}
	put_part(f, p, n, fold);
}

static bool is_char(const struct cursor *c, char ch)
{
	return c->kind == KIND_EXACT && c->n == 1 && *c->p == ch;
}

static bool is_word(const struct cursor *c, const char *word, size_t n)
{
	return c->kind == KIND_WORD && c->n == n && (*c->p | 32) == *word &&
	       strncasecmp(c->p, word, n) == 0;
}

static bool is_number(const struct cursor *c)
{
	return c->kind == KIND_LITERAL && ((*c->p >= '0' && *c->p <= '9') || *c->p == '.');
}

/* Takes a literal, if c stands at one. Where an operand must follow, a number's sign belongs to it,
 * and so are words that are values. */
static bool take_literal(struct cursor *c, bool open)
{
	if (c->kind != KIND_LITERAL && !open)
		return false;
	if (is_char(c, '-') || is_char(c, '+')) {
		struct cursor number = *c;

		next(&number);
		if (!is_number(&number))
			return false;
		*c = number;
	} else if (c->kind != KIND_LITERAL && !is_word(c, "null", 4) &&
		   !(c->lang->pg != NULL && (is_word(c, "true", 4) || is_word(c, "false", 5)))) {
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
	while (is_char(c, ',')) {
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

	if (!is_char(&at, '('))
		return false;
	next(&at);
	if (!take_literals(&at, true) || !is_char(&at, ')'))
		return false;
	next(&at);
	*c = at;
	return true;
}

/* Such rows, one behind the other, count as one: c stands at the first. */
static bool put_rows(struct form *f, struct cursor *c)
{
	if (!f->rows_begin || !take_row(c))
		return false;
	put(f, "(", 1, false);
	put(f, "?", 1, false);
	put(f, ")", 1, false);
	f->open = f->rows_begin = false;
	while (is_char(c, ',')) {
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

static void put_token(struct form *f, struct cursor *c)
{
	if (put_rows(f, c))
		return;
	if (take_literals(c, f->open)) {
		put(f, "?", 1, false);
		f->open = f->rows_begin = false;
		return;
	}
	if (goes_on(f, c))
		put_part(f, c->p, c->n, false);
	else
		put(f, c->p, c->n, c->kind == KIND_WORD);
	f->end = c->p + c->n;
	f->open = c->kind == KIND_EXACT && !closes(*c->p);
	f->rows_begin = is_char(c, '(') || is_word(c, "values", 6) || is_word(c, "value", 5);
	next(c);
}

/* False: it does not lex, or it is empty. */
static bool put_text(struct form *f, const struct sql_lang *lang, const char *text, size_t n)
{
	struct cursor c;
	size_t semicolons = 0;

	start(&c, lang, text, n);
	while (c.kind != KIND_END) {
		if (c.kind == KIND_BAD)
			return false;
		if (is_char(&c, ';')) { /* it counts when something follows */
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

/* As sql_digest(). */
static bool plain_digest(const struct sql_lang *lang, const char *text, size_t n,
	struct buf *normal, uint64_t *digest_r)
{
	struct form f = {
		.hash = UINT64_C(0xcbf29ce484222325), .first = true, .out = normal, .max = SIZE_MAX
	};

	if (!put_text(&f, lang, text, n))
		return false;
	*digest_r = f.hash;
	return true;
}

#endif
