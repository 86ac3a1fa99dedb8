/* lex: PostgreSQL texts cut into tokens, against what the server's scanner does with them. */
#include "sql/lex.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One letter for each kind; words and punctuation as they stand. */
static size_t put_token(const struct sql_tok *t, char *out, size_t cap)
{
	static const char letters[] = {
		[SQL_TOK_STRING] = 'S',
		[SQL_TOK_ESTRING] = 'E',
		[SQL_TOK_USTRING] = 'U',
		[SQL_TOK_DOLLAR] = 'D',
		[SQL_TOK_BITS] = 'B',
		[SQL_TOK_NUMBER] = '#',
		[SQL_TOK_PARAM] = 'P',
		[SQL_TOK_OTHER] = '?',
		[SQL_TOK_BAD] = '!',
		[SQL_TOK_UQUOTED] = 'Q',
	};

	if (t->kind == SQL_TOK_WORD)
		return (size_t)snprintf(out, cap, "%.*s ", (int)t->name_n, t->name);
	if (t->kind == SQL_TOK_QUOTED)
		return (size_t)snprintf(out, cap, "\"%.*s\" ", (int)t->name_n, t->name);
	if (t->kind == SQL_TOK_OP || t->kind == SQL_TOK_CAST || t->kind == SQL_TOK_PUNCT)
		return (size_t)snprintf(out, cap, "%.*s ", (int)t->n, t->p);
	return (size_t)snprintf(out, cap, "%c ", letters[t->kind]);
}

/* The text stands in a block of its own size, so that a sanitizer sees a read outside. */
static void lex_all(const char *text, size_t n, bool scs, char *out, size_t cap)
{
	char *copy = malloc(n ? n : 1);
	struct sql_lex l;
	struct sql_tok t;
	size_t at = 0;

	memcpy(copy, text, n);
	sql_lex_init(&l, &sql_dialect_pg, copy, n, scs);
	out[0] = '\0';
	do {
		sql_lex_next(&l, &t);
		cr_assert(t.p >= copy && t.n <= (size_t)(copy + n - t.p));
		if (t.kind != SQL_TOK_END && at < cap)
			at += put_token(&t, out + at, cap - at);
	} while (t.kind != SQL_TOK_END && t.kind != SQL_TOK_BAD);
	if (at > 0 && at < cap)
		out[at - 1] = '\0';
	free(copy);
}

static void check(const char *text, bool scs, const char *want)
{
	char got[1024];

	lex_all(text, strlen(text), scs, got, sizeof(got));
	cr_expect_str_eq(got, want, "<%s> gave <%s>, not <%s>", text, got, want);
}

struct lex_case {
	const char *text, *want;
};

static void check_all(const struct lex_case *c, size_t n, bool scs)
{
	for (size_t i = 0; i < n; i++)
		check(c[i].text, scs, c[i].want);
}

Test(lex, words_and_comments)
{
	static const struct lex_case c[] = {
		{ "", "" },
		{ " \t\n\r\f\v ", "" },
		{ "SeLeCT Foo_1$x", "select foo_1$x" },
		{ "-- c\nselect", "select" },
		{ "-- c\rselect", "select" },
		{ "-- c", "" },
		{ "--", "" },
		{ "/**/a", "a" },
		{ "/* /* */ a */ b", "b" },
		{ "/*/**/*/b", "b" },
		{ "/*/*/ */ a */b", "b" },
		{ "a/* x */b", "a b" },
		{ "/* x", "!" },
		{ "/* /* */", "!" },
		{ "a /*", "a !" },
		{ "a /", "a /" },
		{ "a -", "a -" },
		/* every byte above 0x7f is part of an identifier, whatever it looks like */
		{ "\xc2\xa0select", "\xc2\xa0select" },
		{ "\xef\xbb\xbfset", "\xef\xbb\xbfset" },
		{ "stra\xc3\x9f"
		  "e x",
			"stra\xc3\x9f"
			"e x" },
	};
	check_all(c, N(c), true);
}

Test(lex, strings)
{
	static const struct lex_case c[] = {
		{ "'a'", "S" },
		{ "''", "S" },
		{ "'a''b' c", "S c" },
		{ "'a\\' c", "S c" },
		{ "E'a\\' c'd", "E d" },
		{ "e'a\\\\' c", "E c" },
		{ "E'a''b\\''c", "E c" },
		{ "E '\\' x", "e S x" },
		{ "e/**/'\\' x", "e S x" },
		{ "n'a\\' b", "S b" },
		{ "N'a' 'b'", "S S" },
		{ "b'01' x'fF'", "B B" },
		{ "xx'a'", "xx S" },
		{ "U&'a\\' b", "U b" },
		{ "u&'a''b'", "U" },
		{ "u & 'a'", "u & S" },
		{ "u&1", "u & #" },
		{ "'a", "!" },
		{ "'a''", "!" },
		{ "'", "!" },
		{ "E'a\\", "!" },
		{ "E'a\\'", "!" },
		{ "b'0", "!" },
	};
	check_all(c, N(c), true);
}

Test(lex, continued_strings)
{
	static const struct lex_case c[] = {
		{ "'a'\n'b'", "S" },
		{ "'a' \t\r 'b'", "S" },
		{ "'a' 'b'", "S S" },
		{ "'a' -- c\n'b'", "S" },
		{ "'a'\n-- c\n -- d\n'b' x", "S x" },
		{ "'a'\n/* c */'b'", "S S" },
		{ "'a' -- c 'b'", "S" },
		{ "'a'\n-- 'b'", "S" },
		{ "'a'\n'b", "!" },
		/* a continuation is read as its beginning was */
		{ "E'a'\n'b\\'c' d", "E d" },
		{ "'a'\n'b\\' d", "S d" },
		{ "'a'\nE'b\\'c' d", "S E d" },
		{ "b'0'\n'1' d", "B d" },
		{ "$$a$$\n'b'", "D S" },
	};
	check_all(c, N(c), true);
}

Test(lex, strings_with_escapes_on)
{
	static const struct lex_case c[] = {
		{ "'a\\' b' c", "E c" },
		{ "'a\\\\' c", "E c" },
		{ "n'a\\' b' c", "E c" },
		{ "'a'\n'\\' b' c", "E c" },
		{ "\"a\\\" c", "\"a\\\" c" },
		{ "$$a\\$$ c", "D c" },
		{ "x'a\\' c", "B c" },
	};
	check_all(c, N(c), false);
}

Test(lex, dollar_quotes)
{
	static const struct lex_case c[] = {
		{ "$$ ; ' -- $$ a", "D a" },
		{ "$x$ $$ $y$ $x$ a", "D a" },
		{ "$x$ $X$ a", "!" },
		{ "$x$ $x $x$ a", "D a" },
		{ "$x$$x$", "D" },
		{ "$$$$", "D" },
		{ "$a$ $$a$ b", "D b" },
		{ "$\xc3\xa4$ ; $\xc3\xa4$ b", "D b" },
		{ "a$$b$$", "a$$b$$" },
		{ "a$x$ ;", "a$x$ ;" },
		{ "$1", "P" },
		{ "$1$x$ ; $x$", "P D" },
		{ "$1x", "P x" },
		{ "$", "?" },
		{ "$ $", "? ?" },
		{ "$x", "? x" },
		{ "$$", "!" },
		{ "$x$ $", "!" },
		{ "1$$a$$", "# D" },
	};
	check_all(c, N(c), true);
}

Test(lex, identifiers_in_quotes)
{
	static const struct lex_case c[] = {
		{ "\"Foo\"", "\"Foo\"" },
		{ "\"a\"\"b\"", "\"a\"b\"" },
		{ "\"a;--b\" c", "\"a;--b\" c" },
		{ "\"a\"\n\"b\"", "\"a\" \"b\"" },
		{ "U&\"a\\0041\" x", "Q x" },
		{ "u&\"a\"\"b\" x", "Q x" },
		{ "u& \"a\"", "u & \"a\"" },
		{ "\"a", "!" },
		{ "\"", "!" },
		{ "\"a\"\"", "!" },
	};
	check_all(c, N(c), true);
}

Test(lex, numbers_and_operators)
{
	static const struct lex_case c[] = {
		{ "1 1.5 .5 1. 1e5 1e-5 1.5E+5", "# # # # # # #" },
		{ "1..2", "# .. #" },
		{ "1.5.3", "# #" },
		{ "1e", "# e" },
		{ "1e+", "# e +" },
		{ "1a", "# a" },
		{ "1e'\\' x'", "# E" },
		{ "0x1F", "# x1f" },
		{ "1_000", "# _000" },
		{ "a.b", "a . b" },
		{ "a=-1", "a = - #" },
		{ "a@-1", "a @- #" },
		{ "a*-b", "a * - b" },
		{ "a<--1\n2", "a < #" },
		{ "a+/* x */b", "a + b" },
		{ "*/* x */*", "* *" },
		{ "a->>'b'#>>c", "a ->> S #>> c" },
		{ "a::b", "a :: b" },
		{ "a:=b", "a := b" },
		{ "a=>b", "a => b" },
		{ "a[1:2]", "a [ # : # ]" },
		{ "(a,b);", "( a , b ) ;" },
		{ "\\ {", "? ? " },
		{ "a\x01", "a ?" },
	};
	for (size_t i = 0; i < N(c); i++) {
		char want[128];
		size_t n = (size_t)snprintf(want, sizeof(want), "%s", c[i].want);

		while (n > 0 && want[n - 1] == ' ')
			want[--n] = '\0';
		check(c[i].text, true, want);
	}
}

Test(lex, nul_is_bad)
{
	char got[64];

	lex_all("a\0b", 3, true, got, sizeof(got));
	cr_assert_str_eq(got, "a !");
}

Test(lex, long_identifiers)
{
	char text[202], got[512];
	struct sql_lex l;
	struct sql_tok t;

	for (size_t n = 62; n <= 65; n++) {
		memset(text, 'A', n);
		sql_lex_init(&l, &sql_dialect_pg, text, n, true);
		sql_lex_next(&l, &t);
		cr_assert_eq(t.n, n);
		cr_assert_eq(t.decoded_too_long, n > SQL_IDENT_MAX);
		cr_assert_eq(t.name_n, n > SQL_IDENT_MAX ? SQL_IDENT_MAX : n);
	}
	memset(text, '"', 200);
	lex_all(text, 200, true, got, sizeof(got));
	cr_assert_str_not_empty(got);
}

Test(lex, words_are_found)
{
	static const struct {
		const char *text;
		enum sql_kwclass kw;
		enum sql_func func;
	} c[] = {
		{ "select", SQL_KW_RESERVED, SQL_FUNC_UNKNOWN },
		{ "SELECT", SQL_KW_RESERVED, SQL_FUNC_UNKNOWN },
		{ "lower", SQL_KW_NONE, SQL_FUNC_SAFE },
		{ "left", SQL_KW_TYPEFUNC, SQL_FUNC_SAFE },
		{ "coalesce", SQL_KW_COLNAME, SQL_FUNC_SYNTAX },
		{ "substring", SQL_KW_COLNAME, SQL_FUNC_SAFE },
		{ "SET_CONFIG", SQL_KW_NONE, SQL_FUNC_CONFIG },
		{ "setseed", SQL_KW_NONE, SQL_FUNC_SEED },
		{ "nextval", SQL_KW_NONE, SQL_FUNC_SEQ_USE },
		{ "lastval", SQL_KW_NONE, SQL_FUNC_SEQ_READ },
		{ "pg_try_advisory_lock_shared", SQL_KW_NONE, SQL_FUNC_ADVISORY },
		{ "pg_advisory_xact_lock", SQL_KW_NONE, SQL_FUNC_SAFE },
		{ "pg_backup_start", SQL_KW_NONE, SQL_FUNC_OPAQUE },
	};
	struct sql_lex l;
	struct sql_tok t;

	for (size_t i = 0; i < N(c); i++) {
		sql_lex_init(&l, &sql_dialect_pg, c[i].text, strlen(c[i].text), true);
		sql_lex_next(&l, &t);
		cr_assert_not_null(t.word, "%s", c[i].text);
		cr_expect_eq(t.word->kwclass, c[i].kw, "%s", c[i].text);
		cr_expect_eq(t.word->func, c[i].func, "%s", c[i].text);
	}
}

Test(lex, words_that_run_sql_are_not)
{
	static const char *const c[] = { "query_to_xml", "cursor_to_xml", "ts_stat", "ts_rewrite",
		"table_to_xml", "pg_logical_slot_get_changes", "no_such_function", "" };
	struct sql_lex l;
	struct sql_tok t;

	for (size_t i = 0; i < N(c); i++) {
		sql_lex_init(&l, &sql_dialect_pg, c[i], strlen(c[i]), true);
		sql_lex_next(&l, &t);
		cr_expect(t.word == NULL || t.word->func == SQL_FUNC_UNKNOWN, "%s", c[i]);
	}
}

Test(lex, decode)
{
	static const struct {
		const char *text, *want; /* want NULL: refused */
		bool scs;
	} c[] = {
		{ "'abc'", "abc", true },
		{ "'it''s'", "it's", true },
		{ "'a\\n'", "a\\n", true },
		{ "'a\\n'", "a\n", false },
		{ "E'\\t\\'\\\\''x'", "\t'\\'x", true },
		{ "E'\\x41'", NULL, true },
		{ "E'\\101'", NULL, true },
		{ "E'\\u0041'", NULL, true },
		{ "'a'\n  'b''c' -- d\n", "ab'c", true },
		{ "$$a'b$$", "a'b", true },
		{ "$tag$a$$b$tag$", "a$$b", true },
		{ "U&'a'", NULL, true },
		{ "X'41'", NULL, true },
		{ "''", "", true },
		{ "'123456789'", NULL, true },
	};
	struct sql_lex l;
	struct sql_tok t;
	char out[8];
	size_t n;

	for (size_t i = 0; i < N(c); i++) {
		sql_lex_init(&l, &sql_dialect_pg, c[i].text, strlen(c[i].text), c[i].scs);
		sql_lex_next(&l, &t);
		bool ok = sql_lex_decode(&t, out, sizeof(out), &n);

		cr_expect_eq(ok, c[i].want != NULL, "%s", c[i].text);
		if (ok && c[i].want != NULL)
			cr_expect(n == strlen(c[i].want) && memcmp(out, c[i].want, n) == 0, "%s",
				c[i].text);
	}
}
