/* show: what may stand behind SHOW and around its name, and what it does to rows. */
#include "../../src/admin/show_int.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static bool is_name(const char *s)
{
	return strcmp(s, "t") == 0;
}

/* name text, n int4, big numeric, when timestamp (may be NULL) */
static void fill(struct rowset *rs)
{
	static const char *const v[][4] = {
		{ "app", "10", "18446744073709551615", "2026-01-02 00:00:00 UTC" },
		{ "app2", "9", "18446744073709551614", NULL },
		{ "Web", "0", "5", "2026-01-01 00:00:00 UTC" },
		{ "100%", "-3", "12345678", NULL },
		{ "d\xc3\xa9j\xc3\xa0", "10", "0", "2026-01-03 00:00:00 UTC" },
	};
	rowset_init(rs);
	rowset_col(rs, "name", RS_TEXT);
	rowset_col(rs, "n", RS_INT4);
	rowset_col(rs, "big", RS_NUMERIC);
	rowset_col(rs, "when", RS_TIMESTAMP);
	for (size_t i = 0; i < N(v); i++) {
		char **row = rowset_row(rs);
		for (unsigned j = 0; j < 4; j++)
			rowset_set(rs, row, j, v[i][j]);
	}
}

/* The result's names, as "a b" for columns and "x,y;..." for rows; an error as "! message|hint". */
static const char *run(const char *sql)
{
	static char out[1024];
	struct show_query *q = NULL;
	struct err e = { 0 };
	struct rowset rs;
	size_t at = 0;
	out[0] = '\0';
	fill(&rs);
	int rc = show_parse(sql, is_name, &q, &e);
	if (rc == 0) {
		snprintf(out, sizeof out, "another");
	} else if (rc < 0 || show_fits(q, &rs, &e) != 0 || show_apply(q, &rs, &e) != 0) {
		snprintf(out, sizeof out, "! %s|%s", e.msg, e.hint);
	} else {
		for (size_t i = 0; i < rs.n_rows; i++)
			for (unsigned j = 0; j < (rs.n_cols == 4 ? 1 : rs.n_cols); j++)
				at += (size_t)snprintf(out + at, sizeof out - at, "%s%s",
					j   ? ","
					: i ? " "
					    : "",
					rs.rows[i][j] ? rs.rows[i][j] : "NULL");
	}
	rowset_fini(&rs);
	mem_free(MEM_ADMIN, q);
	cr_expect_eq(mem_live(MEM_ADMIN), 0, "%s", sql);
	return out;
}

static void expect(const char *sql, const char *want)
{
	const char *got = run(sql);
	cr_expect_str_eq(got, want, "%s: %s", sql, got);
}

Test(show, not_ours)
{
	static const char *const t[] = { "show t", "show t;", "SHOW t ; ", "show", "", "reload",
		"select 1", "select version()", "select @@version, 1", "show other thing",
		"show transaction isolation level", "pause t where", "selectx * from t",
		"\"show\" t where n=1", "show 't' where n=1" };
	for (size_t i = 0; i < N(t); i++)
		expect(t[i], "another");
}

Test(show, where)
{
	static const char *const t[][2] = {
		{ "show t where n > 9", "app d\xc3\xa9j\xc3\xa0" },
		{ "SHOW t WHERE N>9;", "app d\xc3\xa9j\xc3\xa0" },
		{ "show t where n = 10 and name = 'app'", "app" },
		{ "show t where n = '10' and \"name\" <> 'app'", "d\xc3\xa9j\xc3\xa0" },
		{ "show t where `n` != 10", "app2 Web 100%" },
		{ "show t where n < 0", "100%" },
		{ "show t where n <= -3", "100%" },
		{ "show t where n >= 9.5", "app d\xc3\xa9j\xc3\xa0" },
		{ "show t where n=9 or n=0 and name='app'", "app2" },
		{ "show t where (n=9 or n=0) and name='Web'", "Web" },
		{ "show t where not (n=9 or n=0)", "app 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where not n=9 and not n=0", "app 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where n in (9, 0, 77)", "app2 Web" },
		{ "show t where n not in (9, 0, 77)", "app 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where name in ('app')", "app" },
		{ "show t where n between 0 and 9", "app2 Web" },
		{ "show t where n not between 0 and 9 and n > 0", "app d\xc3\xa9j\xc3\xa0" },
		{ "show t where big = 18446744073709551615", "app" },
		{ "show t where big > 18446744073709551613 and big < 18446744073709551615",
			"app2" },
		{ "show t where when > '2026-01-01 12'", "app d\xc3\xa9j\xc3\xa0" },
		{ "show t where when is null", "app2 100%" },
		{ "show t where when is not null and n=0", "Web" },
		/* neither true nor false */
		{ "show t where when = 'x' or not when = 'x'", "app Web d\xc3\xa9j\xc3\xa0" },
		{ "show t where not (when = 'x' and n = 9)", "app Web 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where when = 'x' or n = 9", "app2" },
		{ "show t where name = 'it''s'", "" },
		{ "show t where name = ''", "" },
	};
	for (size_t i = 0; i < N(t); i++)
		expect(t[i][0], t[i][1]);
}

Test(show, like)
{
	static const char *const t[][2] = {
		{ "show t like 'app%'", "app app2" },
		{ "show t like 'app'", "app" },
		{ "show t like '%p%' where n = 9", "app2" },
		{ "show t where name like 'w%'", "" },
		{ "show t where name ilike 'w%'", "Web" },
		{ "show t where name not like '%p%'", "Web 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where name like '%\\%'", "100%" },
		{ "show t where name like '100\\%'", "100%" },
		{ "show t where name like '____'", "app2 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where name like 'd_j_'", "d\xc3\xa9j\xc3\xa0" },
		{ "show t where name like '%'", "app app2 Web 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t where name like '%%%b%'", "Web" },
		{ "show t where n like '1%'", "app d\xc3\xa9j\xc3\xa0" },
	};
	for (size_t i = 0; i < N(t); i++)
		expect(t[i][0], t[i][1]);
	cr_expect(show_like("", "", false));
	cr_expect(show_like("", "%", false));
	cr_expect_not(show_like("", "_", false));
	cr_expect_not(show_like("a", "", false));
	cr_expect(show_like("a\\", "a\\", false), "a backslash at the end is itself");
}

Test(show, order_and_limit)
{
	static const char *const t[][2] = {
		{ "show t order by n", "100% Web app2 app d\xc3\xa9j\xc3\xa0" },
		{ "show t order by n desc", "app d\xc3\xa9j\xc3\xa0 app2 Web 100%" },
		{ "show t order by n desc, name desc", "d\xc3\xa9j\xc3\xa0 app app2 Web 100%" },
		{ "show t order by big desc limit 2", "app app2" },
		{ "show t order by when", "Web app d\xc3\xa9j\xc3\xa0 app2 100%" },
		{ "show t order by when desc limit 3", "d\xc3\xa9j\xc3\xa0 app Web" },
		{ "show t order by name asc limit 1 offset 1", "Web" },
		{ "show t order by 1 limit 1, 2", "Web app" },
		{ "show t limit 0", "" },
		{ "show t limit all", "app app2 Web 100% d\xc3\xa9j\xc3\xa0" },
		{ "show t limit 1 offset 99", "" },
		{ "show t where n > 0 order by n limit 1;", "app2" },
	};
	for (size_t i = 0; i < N(t); i++)
		expect(t[i][0], t[i][1]);
}

Test(show, select)
{
	static const char *const t[][2] = {
		{ "select * from t", "app app2 Web 100% d\xc3\xa9j\xc3\xa0" },
		{ "select * from other where n=9", "app2" },
		{ "select n, name from t where n = 9", "9,app2" },
		{ "select name as who, n from t order by who desc limit 1",
			"d\xc3\xa9j\xc3\xa0,10" },
		{ "select n, name from t order by 2 limit 1", "-3,100%" },
		{ "select name, name from t limit 1", "app,app" },
		{ "select name, n from t order by big limit 1", "d\xc3\xa9j\xc3\xa0,10" },
		{ "select count(*) from t", "5" },
		{ "select COUNT ( * ) from t where n > 0;", "3" },
		{ "select count(*) from t limit 0", "" },
	};
	for (size_t i = 0; i < N(t); i++)
		expect(t[i][0], t[i][1]);
}

Test(show, errors)
{
	static const char *const t[][2] = {
		{ "show t where nam = 'x'", "! t has no column \"nam\"|Did you mean \"name\"?" },
		{ "show t where quite_another = 1",
			"! t has no column \"quite_another\"|It has name, n, big, when." },
		{ "show t order by nn", "! t has no column \"nn\"|Did you mean \"n\"?" },
		{ "select foo_bar from t",
			"! t has no column \"foo_bar\"|It has name, n, big, when." },
		{ "show t where n = 'x'", "! column \"n\" holds numbers, 'x' is none|" },
		{ "show t where n = ''", "! column \"n\" holds numbers, '' is none|" },
		{ "show t where name = 5",
			"! column \"name\" holds text, 5 is a number|Write '5'." },
		{ "show t where name = \"app\"",
			"! a value is wanted where \"\"app\"\" stands|Columns are compared with "
			"values; texts stand in single quotes: 'app'." },
		{ "show t where name = app",
			"! a value is wanted where \"app\" stands|Columns are compared with "
			"values; texts stand in single quotes: 'app'." },
		{ "show t where when = null",
			"! a value is wanted where \"null\" stands|Use IS NULL or IS NOT NULL." },
		{ "show t where", "! a column is missing at the end|" },
		{ "show t where n", "! a comparison is missing at the end|" },
		{ "show t where n =", "! a value is missing at the end|" },
		{ "show t where n = 1 name = 'x'",
			"! AND, OR, ORDER BY, LIMIT or the end is wanted where \"name = 'x'\" "
			"stands|SHOW name [LIKE 'pattern'] [WHERE condition] [ORDER BY column] "
			"[LIMIT n]" },
		{ "show t were n = 1",
			"! WHERE, ORDER BY, LIMIT or the end is wanted where \"were n = 1\" "
			"stands|SHOW name [LIKE 'pattern'] [WHERE condition] [ORDER BY column] "
			"[LIMIT n]" },
		{ "show t where (n = 1", "! ) is missing at the end|" },
		{ "show t where n = 'x", "! a quote is not closed: 'x|" },
		{ "show t where n in 1", "! ( behind IN is wanted where \"1\" stands|" },
		{ "show t where n in ()", "! a value is wanted where \")\" stands|" },
		{ "show t where n between 1 or 2",
			"! AND behind BETWEEN's first value is wanted where \"or 2\" stands|" },
		{ "show t where n not 1",
			"! LIKE, ILIKE, IN or BETWEEN behind NOT is wanted where \"1\" stands|" },
		{ "show t where n is 1", "! NULL behind IS is wanted where \"1\" stands|" },
		{ "show t limit x", "! a number of rows is wanted where \"x\" stands|" },
		{ "show t limit -1", "! a number of rows is wanted where \"-1\" stands|" },
		{ "show t limit 1.5", "! a number of rows is wanted where \"1.5\" stands|" },
		{ "show t order n", "! BY behind ORDER is wanted where \"n\" stands|" },
		{ "show t order by 0", "! a column to order by is wanted where \"0\" stands|" },
		{ "show t order by 9", "! ORDER BY 9: there are 4 columns|" },
		{ "show t where n = 1; drop",
			"! AND, OR, ORDER BY, LIMIT or the end is wanted where \"; drop\" "
			"stands|SHOW name [LIKE 'pattern'] [WHERE condition] [ORDER BY column] "
			"[LIMIT n]" },
		{ "select sum(n) from t",
			"! the console has no function sum()|It has count(*), alone." },
		{ "select n name from t", "! FROM is wanted where \"name from t\" stands|" },
		{ "select from t", "! FROM is wanted where \"t\" stands|" },
		{ "select * from", "! a name behind FROM is missing at the end|" },
		{ "select * from t, u",
			"! WHERE, ORDER BY, LIMIT or the end is wanted where \", u\" stands|" },
		{ "select * from t group by n",
			"! WHERE, ORDER BY, LIMIT or the end is wanted where \"group by n\" "
			"stands|" },
	};
	for (size_t i = 0; i < N(t); i++)
		expect(t[i][0], t[i][1]);
}

/* head, then n times more, then tail */
static const char *repeated(const char *head, int n, const char *more, const char *tail)
{
	static char sql[8192];
	size_t at = (size_t)snprintf(sql, sizeof sql, "%s", head);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(sql + at, sizeof sql - at, "%s", more);
	snprintf(sql + at, sizeof sql - at, "%s", tail);
	return sql;
}

Test(show, bounds)
{
	expect(repeated("show t where ", 40, "(", "n=1"),
		"! conditions are nested deeper than 32|");
	expect(repeated("show t where n=1", 40, " or n=1", ""),
		"! too many conditions: at most 64|");
	expect(repeated("show t where n in (1", 300, ",1", ")"), "! too many values: at most 256|");
	expect(repeated("select n", 70, ",n", " from t"), "! too many columns: at most 64|");
	expect(repeated("show t order by n", 9, ",n", ""),
		"! too many columns in ORDER BY: at most 8|");
}
