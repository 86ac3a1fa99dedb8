/* pg_view: which texts read pg_prepared_statements, and what they become. */
#include "../../src/proto/pg_view_int.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

static void teardown(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(pg_view, .fini = teardown);

static const struct pg_lex_opts plain = { .valid = true, .scs = true, .server_major = 18 };

static void becomes(const char *text, const char *want)
{
	struct buf b;
	buf_init(&b, 0);
	bool found = view_mentioned(text, strlen(text)) &&
		     view_rewrite(&plain, text, strlen(text), "Q", &b);
	cr_assert_eq(found, want != NULL, "%s", text);
	if (want) {
		buf_put_u8(&b, 0);
		cr_assert_str_eq((const char *)buf_data(&b), want);
		cr_assert(view_rewrite(&plain, text, strlen(text), "", NULL));
	}
	buf_fini(&b);
}

#define V "pg_prepared_statements"
#define CTE V " AS (Q)"

Test(pg_view, a_query_gets_it_in_front)
{
	becomes("select * from " V, "WITH " CTE " select * from " V);
	becomes(" -- hm\n SELECT name FROM PG_Prepared_Statements;",
		" -- hm\n WITH " CTE " SELECT name FROM PG_Prepared_Statements;");
	becomes(";; table " V " ;", ";; WITH " CTE " table " V " ;");
	becomes("values ((select count(*) from " V "))",
		"WITH " CTE " values ((select count(*) from " V "))");
	becomes("(select 1 from " V " v) union all select 2",
		"WITH " CTE " (select 1 from " V " v) union all select 2");
	becomes("select * from \"" V "\" as p", "WITH " CTE " select * from \"" V "\" as p");
}

Test(pg_view, the_schema_is_blanked)
{
	becomes("select p.* from pg_catalog." V " p",
		"WITH " CTE " select p.* from            " V " p");
	becomes("select p.* from \"pg_catalog\" . /* x */ \"" V "\" p",
		"WITH " CTE " select p.* from                        \"" V "\" p");
	becomes("select pg_catalog." V ".name from pg_catalog." V,
		"WITH " CTE " select            " V ".name from            " V);
}

Test(pg_view, a_with_goes_on)
{
	becomes("with a as (select 1) select * from a, " V,
		"with " CTE ", a as (select 1) select * from a, " V);
	becomes("with recursive a as (select 1) select * from a, " V,
		"with recursive " CTE ", a as (select 1) select * from a, " V);
	becomes("with recursive as (select 1) select * from recursive, " V,
		"with " CTE ", recursive as (select 1) select * from recursive, " V);
	becomes("with recursive(a) as (select 1) select * from recursive, " V,
		"with " CTE ", recursive(a) as (select 1) select * from recursive, " V);
	becomes("(with a as (select 1) select * from a, " V ")",
		"WITH " CTE " (with a as (select 1) select * from a, " V ")");
}

Test(pg_view, other_texts_stay)
{
	becomes("select 1", NULL);
	becomes("", NULL);
	becomes("select '" V "'", NULL);
	becomes("select 1 -- " V, NULL);
	becomes("select * from mine." V, NULL);
	becomes("select * from pg_prepared_statements_too", NULL);
	becomes("select * from " V "; select 2", NULL);
	becomes("select * from " V "; '", NULL);
	becomes("select * from " V " '", NULL);
	becomes("insert into t select * from " V, NULL);
	becomes("explain select * from " V, NULL);
	becomes("declare c cursor for select * from " V, NULL);
	becomes("create view v as select * from " V, NULL);
	becomes("with " V " as (select 1) select * from " V, NULL);
	becomes("with " V "(a) as (select 1) select * from " V, NULL);
	becomes("with " V " as not materialized (select 1) select * from " V, NULL);
	becomes("select (with " V " as materialized (select 1) select 1 from " V ")", NULL);
}

Test(pg_view, bytes_that_may_be_half_a_character)
{
	struct pg_lex_opts unsafe = plain;
	static const char text[] = "select '\x95\x5c' from " V;
	unsafe.unsafe_encoding = true;
	cr_assert_not(view_rewrite(&unsafe, text, sizeof(text) - 1, "Q", NULL));
	cr_assert(view_rewrite(&plain, text, sizeof(text) - 1, "Q", NULL));
}
