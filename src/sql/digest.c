/*
 * Digests of texts: tokens in, a normal form and its hash out. Ignorant of grammar. Any thread.
 */
#include "sql/digest.h"

#include "base/buf.h"

#include <string.h>

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

static void start(struct cursor *c, const struct sql_lang *lang, const char *text, size_t n)
{
	c->lang = lang;
	if (lang->pg != NULL)
		sql_lex_init(&c->pg, lang->pg, text, n, lang->scs);
	else
		sql_my_lex_init(&c->my, lang->my, text, n);
	next(c);
}

struct form {
	uint64_t hash;
	bool first;
	struct buf *out;
};

/* FNV-1a: the same everywhere; nobody gains by a collision. */
static void put_byte(struct form *f, char ch)
{
	f->hash = (f->hash ^ (unsigned char)ch) * UINT64_C(0x100000001b3);
	if (f->out != NULL)
		buf_append(f->out, &ch, 1);
}

static void put(struct form *f, const char *p, size_t n, bool fold)
{
	if (!f->first)
		put_byte(f, ' ');
	f->first = false;
	for (size_t i = 0; i < n; i++) {
		char ch = p[i];

		put_byte(f, (char)(fold && ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch));
	}
}

static bool is_char(const struct cursor *c, char ch)
{
	return c->kind == KIND_EXACT && c->n == 1 && *c->p == ch;
}

/* A literal and all that follow it behind commas. */
static void put_literals(struct form *f, struct cursor *c)
{
	put(f, "?", 1, false);
	next(c);
	while (is_char(c, ',')) {
		struct cursor comma = *c;

		next(c);
		if (c->kind != KIND_LITERAL) {
			put(f, comma.p, comma.n, false);
			return;
		}
		next(c);
	}
}

bool sql_digest(const struct sql_lang *lang, const char *text, size_t n, struct buf *normal,
	uint64_t *digest_r)
{
	struct form f = { .hash = UINT64_C(0xcbf29ce484222325), .first = true, .out = normal };
	struct cursor c;
	size_t semicolons = 0;

	start(&c, lang, text, n);
	while (c.kind != KIND_END) {
		if (c.kind == KIND_BAD)
			return false;
		if (is_char(&c, ';')) { /* it counts when something follows */
			semicolons++;
			next(&c);
			continue;
		}
		if (semicolons != 0 && !f.first)
			put(&f, ";", 1, false);
		semicolons = 0;
		if (c.kind == KIND_LITERAL) {
			put_literals(&f, &c);
		} else {
			put(&f, c.p, c.n, c.kind == KIND_WORD);
			next(&c);
		}
	}
	*digest_r = f.hash;
	return !f.first;
}

size_t sql_first_token(const struct sql_lang *lang, const char *text, size_t n)
{
	struct cursor c;

	if (n != 0 && ((text[0] | 32) >= 'a' && (text[0] | 32) <= 'z'))
		return 0; /* as nearly all do */
	start(&c, lang, text, n);
	return c.kind == KIND_END ? n : c.kind == KIND_BAD ? 0 : (size_t)(c.p - text);
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
