/* fuzz_classify - any bytes as a SQL text. Beside crashes: the lexer always advances and stays
 * inside the text; a semicolon at the end changes nothing; a statement in front adds its flags
 * and hides none of the rest; what a SET says is within its limits. One thread. */
#include "sql/classify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
	if (!ok)
		abort();
}

static void walk(const struct sql_opts *o, const char *text, size_t n)
{
	struct sql_lex l;
	struct sql_tok t;
	const char *last = text;

	sql_lex_init(&l, o->dialect, text, n, o->standard_conforming_strings);
	for (size_t i = 0;; i++) {
		char out[64];
		size_t out_n;

		sql_lex_next(&l, &t);
		want(i <= n && t.p >= last && t.n <= (size_t)(text + n - t.p));
		want(t.name_n <= SQL_IDENT_MAX);
		if (t.kind == SQL_TOK_END || t.kind == SQL_TOK_BAD)
			break;
		want(t.n > 0);
		last = t.p + t.n;
		want(!sql_lex_decode(&t, out, sizeof(out), &out_n) || out_n <= sizeof(out));
	}
	enum sql_token end = t.kind;

	sql_lex_next(&l, &t);
	want(t.kind == end);
}

/* The text between two other pieces, in a block of its own size. */
static struct sql_stmt_info classify(
	const struct sql_opts *o, const char *before, const char *text, size_t n, const char *after)
{
	size_t before_n = strlen(before), after_n = strlen(after), all = before_n + n + after_n;
	char *copy = malloc(all ? all : 1);
	struct sql_stmt_info info;

	memcpy(copy, before, before_n);
	memcpy(copy + before_n, text, n);
	memcpy(copy + before_n + n, after, after_n);
	sql_classify(o, copy, all, &info);
	free(copy);
	return info;
}

static void judge(const struct sql_opts *o, const char *text, size_t n)
{
	struct sql_stmt_info info = classify(o, "", text, n, "");
	struct sql_stmt_info more = classify(o, "", text, n, "\n;");
	struct sql_stmt_info second = classify(o, "begin;", text, n, "");

	want(info.set_kind == SQL_SET_NONE || info.set_name_n <= SQL_NAME_MAX);
	want(info.set_kind != SQL_SET_VALUE || info.set_value_n <= SQL_VALUE_MAX);
	want(info.name_n <= SQL_IDENT_MAX);
	want(info.name_n == 0 || (info.name_src_n >= info.name_n && info.name_at < n &&
					 info.name_src_n <= n - info.name_at));
	want((info.flags & SQL_F_BAD) == (more.flags & SQL_F_BAD));
	want((info.flags & SQL_F_BAD) == (second.flags & SQL_F_BAD));
	if (info.flags & SQL_F_BAD)
		return;
	want(more.flags == info.flags && more.verb == info.verb && more.set_kind == info.set_kind);
	want(more.n_statements == info.n_statements && more.name_n == info.name_n);
	want(second.n_statements == info.n_statements + 1);
	want((second.flags & ~(SQL_F_TX_BEGIN | SQL_F_MULTI)) ==
		(info.flags & ~(SQL_F_TX_BEGIN | SQL_F_MULTI)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_opts o = { .dialect = &sql_dialect_pg, .server_major = 18 };

	for (int scs = 0; scs < 2; scs++) {
		o.standard_conforming_strings = scs != 0;
		walk(&o, (const char *)data, size);
		judge(&o, (const char *)data, size);
	}
	return 0;
}
