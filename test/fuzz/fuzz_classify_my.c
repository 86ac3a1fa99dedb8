/* fuzz_classify_my - any bytes as a MySQL text. Beside crashes: the lexer always advances and stays
 * inside the text; statements follow each other and lie inside it; the whole text says what its
 * statements say; a semicolon at the end changes nothing; what SET and the user variables tell is
 * inside the text and the flags agree with it. The first byte picks the server. One thread. */
#include "sql/classify_my.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
	if (!ok)
		abort();
}

static void walk(const struct sql_my_opts *o, const char *text, size_t n)
{
	struct sql_my_lex l;
	struct sql_my_tok t;
	const char *last = text;

	sql_my_lex_init(&l, o, text, n);
	for (size_t i = 0;; i++) {
		char out[64];
		size_t out_n;

		sql_my_lex_next(&l, &t);
		want(i <= n && t.p >= last && t.n <= (size_t)(text + n - t.p));
		if (t.kind == SQL_MY_TOK_END || t.kind == SQL_MY_TOK_BAD)
			break;
		want(t.n > 0);
		last = t.p + t.n;
		want(!sql_my_decode(o, &t, out, sizeof(out), &out_n) || out_n <= sizeof(out));
	}
	enum sql_my_token end = t.kind;

	sql_my_lex_next(&l, &t);
	want(t.kind == end);
}

static void parts(const struct sql_my_opts *o, const char *text, const struct sql_my_stmt *st)
{
	struct sql_my_set set;
	struct sql_my_assign a;
	struct sql_my_vars vars;
	struct sql_my_var v;
	bool unsure = (st->flags & SQL_MY_UNSURE) != 0;
	size_t i = 0;

	sql_my_set_start(&set, o, text, st);
	for (; sql_my_set_next(&set, &a); i++) {
		want(i <= st->n && a.name_n <= SQL_MY_NAME_MAX && a.value_n <= SQL_MY_VALUE_MAX);
		want(a.value_at >= st->at && a.value_n_src <= st->at + st->n - a.value_at);
		want(a.scope != SQL_MY_S_USER || unsure ||
			(st->flags & (SQL_MY_VAR_SET | SQL_MY_VAR_SILENT)));
	}
	sql_my_vars_start(&vars, o, text, st);
	for (i = 0; sql_my_vars_next(&vars, &v); i++) {
		want(i <= st->n && v.name_n <= SQL_MY_NAME_MAX && (v.read || v.set));
		if (unsure || st->verb == SQL_MY_V_DDL || st->verb == SQL_MY_V_SET_STATEMENT)
			continue;
		want(!v.read || (st->flags & SQL_MY_VAR_READ));
		want(!v.set || (st->flags & (SQL_MY_VAR_SET | SQL_MY_VAR_SILENT)));
	}
}

static void judge(const struct sql_my_opts *o, const char *text, size_t n)
{
	struct sql_my_iter it;
	struct sql_my_stmt st, all, more;
	uint64_t flags = 0;
	size_t behind = 0;
	unsigned statements_n = 0;

	sql_my_classify(o, text, n, &all);
	sql_my_start(&it, o, text, n);
	for (; sql_my_next(&it, &st); statements_n++) {
		want(st.at >= behind && st.at <= n && st.n <= n - st.at);
		want(st.verb != SQL_MY_V_EMPTY && sql_my_verb_name(st.verb) != NULL);
		want(st.name_n <= SQL_MY_NAME_MAX);
		want(st.source_at <= n && st.source_n <= n - st.source_at);
		want(st.id_at <= n && st.id_n <= n - st.id_at);
		want(statements_n != 0 || st.verb == all.verb);
		flags |= st.flags | (statements_n != 0 ? SQL_MY_MULTI : 0);
		behind = st.at + st.n;
		parts(o, text, &st);
	}
	want(statements_n == all.statements_n && flags == all.flags);

	char *copy = malloc(n + 2);

	memcpy(copy, text, n);
	memcpy(copy + n, "\n;", 2);
	sql_my_classify(o, copy, n + 2, &more);
	free(copy);
	want((more.flags & SQL_MY_UNSURE) == (all.flags & SQL_MY_UNSURE));
	want((all.flags & SQL_MY_UNSURE) ||
		(more.flags == all.flags && more.statements_n == all.statements_n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_my_opts o = { .version = 80400 };

	if (size == 0 || size > SQL_MY_TEXT_MAX - 2)
		return 0;
	o.mariadb = (data[0] & 1) != 0;
	o.multi_statements = (data[0] & 2) == 0;
	o.mode = (unsigned)(data[0] >> 2 & 3) | (data[0] & 16 ? SQL_MY_MODE_IGNORE_SPACE : 0);
	o.charset = (enum sql_my_charset)(data[0] >> 5 & 3);
	if (o.mariadb)
		o.version = 101119;
	if (data[0] & 0x80)
		o.version = 0;

	char *text = malloc(size);

	memcpy(text, data + 1, size - 1);
	walk(&o, text, size - 1);
	judge(&o, text, size - 1);
	free(text);
	return 0;
}
