/* fuzz_route - any bytes as a SQL text for the routers of both dialects, the first byte choosing
 * the context. What is called a replica's lexes completely and has no NUL, and with a write
 * behind it is one no more; a statement that writes or locks takes any text along;
 * the same pass tells the same of the session as the classifier's own. One thread. */
#include "sql/route.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
	if (!ok)
		abort();
}

struct world {
	struct sql_opts pg;
	struct sql_my_opts my;
	struct sql_route_ctx ctx;
	bool mysql;
};

static struct sql_route route(
	const struct world *w, const char *before, const char *text, size_t n, const char *after)
{
	size_t before_n = strlen(before), after_n = strlen(after), all = before_n + n + after_n;
	char *copy = malloc(all ? all : 1); /* a sanitizer sees a read outside */
	struct sql_route r;

	if (copy == NULL)
		abort();
	memcpy(copy, before, before_n);
	if (n != 0)
		memcpy(copy + before_n, text, n);
	memcpy(copy + before_n + n, after, after_n);
	if (w->mysql) {
		sql_route_my(&w->my, &w->ctx, copy, all, &r);
	} else {
		struct sql_stmt_info with, alone;

		sql_route_pg(&w->pg, &w->ctx, copy, all, &with, &r);
		sql_classify(&w->pg, copy, all, &alone);
		want(with.verb == alone.verb && with.n_statements == alone.n_statements);
		/* U&"..." is read only by the router; a setting is written by one statement */
		want((with.flags & ~(SQL_F_UNKNOWN | SQL_F_SET_CONFIG | SQL_F_TEMP |
					   SQL_F_ADVISORY | SQL_F_SEED | SQL_F_SEQ_READ |
					   SQL_F_SEQ_USE | SQL_F_WRITE | SQL_F_OPAQUE)) ==
			(alone.flags & ~(SQL_F_UNKNOWN | SQL_F_SET_CONFIG | SQL_F_TEMP |
					       SQL_F_ADVISORY | SQL_F_SEED | SQL_F_SEQ_READ |
					       SQL_F_SEQ_USE | SQL_F_WRITE | SQL_F_OPAQUE)));
	}
	free(copy);
	want(r.reason != NULL && r.at <= all);
	want(r.hint.name_n <= SQL_HINT_NAME_MAX);
	return r;
}

static bool lexes(const struct world *w, const char *text, size_t n)
{
	if (w->mysql) {
		struct sql_my_lex l;
		struct sql_my_tok t;

		sql_my_lex_init(&l, &w->my, text, n);
		do
			sql_my_lex_next(&l, &t);
		while (t.kind != SQL_MY_TOK_END && t.kind != SQL_MY_TOK_BAD);
		return t.kind == SQL_MY_TOK_END;
	}
	struct sql_lex l;
	struct sql_tok t;

	sql_lex_init(&l, w->pg.dialect, text, n, w->pg.standard_conforming_strings);
	do
		sql_lex_next(&l, &t);
	while (t.kind != SQL_TOK_END && t.kind != SQL_TOK_BAD);
	return t.kind == SQL_TOK_END;
}

static void judge(const struct world *w, const char *text, size_t n)
{
	struct sql_route r = route(w, "", text, n, "");

	if (r.verdict == SQL_ROUTE_REPLICA) {
		want(lexes(w, text, n) && (n == 0 || memchr(text, '\0', n) == NULL));
		if (r.hint.node == SQL_HINT_NONE)
			want(route(w, "", text, n, "\n; delete from t").verdict !=
				SQL_ROUTE_REPLICA);
	}
	/* nothing that follows makes a write a replica's */
	want(route(w, "delete from t\n;\n", text, n, "").verdict != SQL_ROUTE_REPLICA);
	want(route(w, "/* weirpool: replica */ insert into t values (1);\n", text, n, "").verdict !=
		SQL_ROUTE_REPLICA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .pg = { &sql_dialect_pg, true, false, 18 },
		.my = { .multi_statements = true, .charset = SQL_MY_CS_SAFE, .version = 90700 } };
	struct sql_names *names = NULL;

	if (size == 0)
		return 0;
	unsigned c = data[0];

	w.mysql = (c & 1) != 0;
	w.pg.standard_conforming_strings = (c & 2) != 0;
	w.my.mode = (c & 2 ? SQL_MY_MODE_ANSI_QUOTES : 0u) |
		    (c & 4 ? SQL_MY_MODE_NO_BACKSLASH_ESCAPES : 0u);
	w.my.mariadb = (c & 8) != 0;
	w.my.version = c & 8 ? 101119 : 90704;
	w.ctx.read_only = (c & 16) != 0;
	w.ctx.tx = (enum sql_route_tx)(c >> 5 & 1 ? SQL_ROUTE_TX_RO : SQL_ROUTE_TX_NONE);
	if (c & 64) {
		names = sql_names_new(w.mysql);
		if (names == NULL || !sql_names_add(names, "t", 1, SQL_NAME_DANGER))
			abort();
		w.ctx.names = names;
	}
	judge(&w, (const char *)data + 1, size - 1);
	sql_names_free(&names);
	return 0;
}
