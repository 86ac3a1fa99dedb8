/* digest and match: normal forms of both dialects, and what patterns, prefixes and digests hold. */
#include "sql/match.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct sql_my_opts mysql = {
	.multi_statements = true, .charset = SQL_MY_CS_SAFE, .version = 90700
};
static const struct sql_lang pg = { .pg = &sql_dialect_pg, .scs = true }, my = { .my = &mysql };

static uint64_t digest(const struct sql_lang *lang, const char *text, struct buf *out)
{
	uint64_t d = 0;
	cr_assert(sql_digest(lang, text, strlen(text), out, &d), "<%s>", text);
	return d;
}

static void same(const struct sql_lang *lang, const char *text, const char *normal)
{
	struct buf b;
	buf_init(&b, 0);
	digest(lang, text, &b);
	cr_expect(buf_len(&b) == strlen(normal) && memcmp(buf_data(&b), normal, buf_len(&b)) == 0,
		"<%s> became <%.*s>", text, (int)buf_len(&b), (const char *)buf_data(&b));
	buf_fini(&b);
}

Test(digest, normal_forms_of_postgresql)
{
	same(&pg, "SELECT  *\nFROM t WHERE id = 42;", "select * from t where id = ?");
	same(&pg, "/* x */ select * from T where id=$1 -- end", "select * from t where id = ?");
	same(&pg, "SELECT 'a', E'b\\'c', $$d$$ FROM t", "select ? from t");
	same(&pg, "SELECT a FROM t WHERE b IN (1, 2,3)", "select a from t where b in ( ? )");
	same(&pg, "SELECT \"A b\" FROM t", "select \"A b\" from t");
	same(&pg, "INSERT INTO t VALUES (1, now(), 2)", "insert into t values ( ? , now ( ) , ? )");
	same(&pg, ";; BEGIN ; SELECT 1 ;;", "begin ; select ?");
}

Test(digest, normal_forms_of_mysql)
{
	same(&my, "SELECT `A`, \"x\" FROM t # end", "select `A` , ? from t");
	same(&my, "SELECT * FROM t WHERE a IN (?, 0xff, 'x')", "select * from t where a in ( ? )");
	same(&my, "SELECT @V, @@version", "select @v , @@ version");
	same(&my, "SELECT a>=1, a<=>b, a != -1, j->>'$.x', a=-b, a= -b",
		"select a >= ? , a <=> b , a != ? , j ->> ? , a = - b , a = - b");
}

Test(digest, what_counts_as_a_value)
{
	same(&pg, "SELECT * FROM t WHERE a = -1 AND b=+2.5",
		"select * from t where a = ? and b = ?");
	same(&pg, "SELECT a -1, a - 1, (a)-1", "select a - ? , a - ? , ( a ) - ?");
	same(&pg, "SELECT f(a, NULL, true, -3)", "select f ( a , ? )");
	same(&my, "SELECT f(a, NULL, -3)", "select f ( a , ? )");
	same(&my, "SELECT f(a, true)", "select f ( a , true )");
	same(&pg, "SELECT a IS NULL, b IS NOT TRUE", "select a is null , b is not true");
	same(&pg, "SELECT x[-1], a::text, - b, -$1", "select x [ ? ] , a :: text , - b , - ?");
	same(&pg, "UPDATE t SET a = NULL, b = 'x'", "update t set a = ? , b = ?");
	same(&pg, "SELECT 1;-1", "select ? ; - ?");
}

Test(digest, rows_count_as_one)
{
	same(&pg, "INSERT INTO t VALUES (1, 'a'), (2, NULL), (-3,$1)",
		"insert into t values ( ? )");
	same(&my, "insert into t(a,b) value (1,?),(2,?) on duplicate key update a=1",
		"insert into t ( a , b ) value ( ? ) on duplicate key update a = ?");
	same(&my, "SELECT 1 FROM t WHERE (a,b) IN ((1,2),(3,4))",
		"select ? from t where ( a , b ) in ( ( ? ) )");
	same(&pg, "INSERT INTO t VALUES (1, now()), (2, now())",
		"insert into t values ( ? , now ( ) ) , ( ? , now ( ) )");
	same(&pg, "INSERT INTO t VALUES (1), (DEFAULT), (2)",
		"insert into t values ( ? ) , ( default ) , ( ? )");
	/* calls and expressions are not rows */
	same(&pg, "SELECT f(1), (2)", "select f ( ? ) , ( ? )");
	same(&pg, "SELECT (1), (2)", "select ( ? ) , ( ? )");
	same(&pg, "SELECT ((1), (2))", "select ( ( ? ) )");
}

static void normal(const struct sql_lang *lang, const char *text, size_t max, const char *want)
{
	struct buf b;
	buf_init(&b, 0);
	cr_expect(sql_normal(lang, text, strlen(text), &b, max));
	cr_expect(buf_len(&b) == strlen(want) && memcmp(buf_data(&b), want, buf_len(&b)) == 0,
		"<%s> became <%.*s>", text, (int)buf_len(&b), (const char *)buf_data(&b));
	buf_fini(&b);
}

Test(digest, cut_texts)
{
	normal(&pg, "SELECT a FROM t", 100, "select a from t");
	normal(&pg, "SELECT a FROM t", 15, "select a from t");
	normal(&pg, "SELECT a FROM t", 8, "select a");
	normal(&pg, "SELECT d\xc3\xa9j\xc3\xa0", 9, "select d");
	normal(&pg, "SELECT d\xc3\xa9j\xc3\xa0", 10, "select d\xc3\xa9");
	normal(&pg, "SELECT d\xc3\xa9j\xc3\xa0", 12, "select d\xc3\xa9j");
}

Test(digest, no_secret_stays)
{
	static const char *const texts[] = { "CREATE USER u PASSWORD 'hunter2'",
		"ALTER ROLE u WITH PASSWORD E'hunter2' VALID UNTIL 'infinity'",
		"ALTER ROLE u PASSWORD $$hunter2$$", "/* hunter2 */ SELECT 1 -- hunter2",
		"SELECT U&'hunter2'", "SET x.y = 'hunter2'", "SELECT $a$hunter2$a$::text" };
	static const char *const my_texts[] = { "CREATE USER 'u'@'%' IDENTIFIED BY 'hunter2'",
		"SET PASSWORD = 'hunter2'", "SET PASSWORD FOR u = PASSWORD(\"hunter2\")",
		"ALTER USER u IDENTIFIED WITH x AS N'hunter2'", "# hunter2\nSELECT 1",
		"SELECT _utf8'hunter2'", "CHANGE MASTER TO MASTER_PASSWORD='hunter2'" };
	struct buf b;
	for (size_t i = 0; i < N(texts) + N(my_texts); i++) {
		bool is_pg = i < N(texts);
		const char *text = is_pg ? texts[i] : my_texts[i - N(texts)];
		buf_init(&b, 0);
		cr_expect(sql_normal(is_pg ? &pg : &my, text, strlen(text), &b, 1000));
		cr_expect_null(memmem(buf_data(&b), buf_len(&b), "hunter2", 7), "<%s>", text);
		buf_fini(&b);
	}
}

Test(digest, only_values_make_no_difference)
{
	uint64_t a = digest(&pg, "SELECT * FROM t WHERE id = 1", NULL);
	cr_expect_eq(a, digest(&pg, "select * from T where ID=$1;", NULL));
	cr_expect_eq(a, digest(&my, "select * from T where ID=?", NULL));
	cr_expect_neq(a, digest(&pg, "SELECT * FROM u WHERE id = 1", NULL));
	/* it stands in configurations: it is the same in each release */
	cr_expect_eq(a, UINT64_C(0x90356c2a5f55a6f1), "%llx", (unsigned long long)a);
}

Test(digest, none_of_what_does_not_lex)
{
	uint64_t d;
	cr_expect_not(sql_digest(&pg, "SELECT 'x", 9, NULL, &d));
	cr_expect_not(sql_digest(&pg, " ; -- x", 7, NULL, &d));
	cr_expect_not(sql_digest(&my, "", 0, NULL, &d));
}

Test(digest, as_text_and_back)
{
	char text[SQL_DIGEST_CHARS + 1];
	uint64_t d = 0;
	sql_digest_put(UINT64_C(0x0123456789abcdef), text);
	cr_expect_str_eq(text, "0123456789abcdef");
	cr_expect(sql_digest_read("0123456789ABCDEF", &d));
	cr_expect_eq(d, UINT64_C(0x0123456789abcdef));
	cr_expect_not(sql_digest_read("0123456789abcde", &d));
	cr_expect_not(sql_digest_read("0123456789abcdef0", &d));
	cr_expect_not(sql_digest_read("0123456789abcdeg", &d));
}

static enum sql_matched held(const struct sql_lang *lang, const char *regex, const char *prefix,
	const char *dig, const char *text)
{
	struct sql_match *m;
	struct sql_subject s;
	char why[256] = "";
	cr_assert_eq(sql_match_new(regex, prefix, dig, &m, why, sizeof(why)), 0, "%s", why);
	sql_subject_init(&s, lang, text, strlen(text));
	enum sql_matched r = sql_match(m, &s);
	sql_match_free(&m);
	cr_expect_null(m);
	return r;
}

Test(match, patterns)
{
	cr_expect_eq(held(&pg, "^SELECT", NULL, NULL, "select 1"), SQL_MATCH_YES);
	cr_expect_eq(
		held(&pg, "^SELECT", NULL, NULL, "WITH x AS (SELECT 1) SELECT 1"), SQL_MATCH_NO);
	cr_expect_eq(held(&pg, "^SELECT.*FOR UPDATE", NULL, NULL, "SELECT 1\nFOR UPDATE"),
		SQL_MATCH_YES);
	cr_expect_eq(held(&pg, "\\breport_", NULL, NULL, "SELECT * FROM report_x"), SQL_MATCH_YES);
	cr_expect_eq(held(&pg, "\xff", NULL, NULL, "SELECT '\xff'"), SQL_MATCH_YES);
	cr_expect_eq(held(&pg, "x", NULL, NULL, ""), SQL_MATCH_NO);
}

Test(match, begins_at_the_first_word)
{
	static const char *const texts[] = { "  \n SELECT 1", "/* a */SELECT 1",
		"-- x\n/* b */ select 1" };
	for (size_t i = 0; i < N(texts); i++) {
		cr_expect_eq(held(&pg, "^SELECT", NULL, NULL, texts[i]), SQL_MATCH_YES);
		cr_expect_eq(held(&my, NULL, "select 1", NULL, texts[i]), SQL_MATCH_YES);
	}
	cr_expect_eq(held(&pg, NULL, "SELECT", NULL, "/* /* nested */ */ select 1"), SQL_MATCH_YES);
	cr_expect_eq(held(&my, NULL, "SELECT", NULL, "# x\nselect 1"), SQL_MATCH_YES);
	cr_expect_eq(held(&my, NULL, "DELETE", NULL, "/*!50000 delete from t */"), SQL_MATCH_YES);
	cr_expect_eq(held(&pg, NULL, "SELECT 1", NULL, "SELECT"), SQL_MATCH_NO);
	cr_expect_eq(held(&pg, NULL, "SELECT", NULL, "  /* open"), SQL_MATCH_NO);
}

Test(match, all_conditions_together)
{
	char d[SQL_DIGEST_CHARS + 1];
	sql_digest_put(digest(&pg, "SELECT a FROM t WHERE b = 1", NULL), d);
	cr_expect_eq(held(&pg, NULL, NULL, d, "select a from t where b='x'"), SQL_MATCH_YES);
	cr_expect_eq(held(&pg, "'x'", "select a", d, "select a from t where b='x'"), SQL_MATCH_YES);
	cr_expect_eq(held(&pg, "'y'", "select a", d, "select a from t where b='x'"), SQL_MATCH_NO);
	cr_expect_eq(held(&pg, "'x'", "select b", d, "select a from t where b='x'"), SQL_MATCH_NO);
	cr_expect_eq(held(&pg, "'x'", "select", d, "select a from t where c='x'"), SQL_MATCH_NO);
	cr_expect_eq(held(&pg, NULL, NULL, d, "select 'open"), SQL_MATCH_NO);
}

Test(match, mistakes_are_told)
{
	struct sql_match *m;
	char why[256];
	cr_expect_eq(sql_match_new("a(b", NULL, NULL, &m, why, sizeof(why)), -1);
	cr_expect_null(m);
	cr_expect(strstr(why, "missing closing parenthesis") && strstr(why, "character 4"), "%s",
		why);
	cr_expect_eq(sql_match_new(NULL, NULL, "12", &m, why, sizeof(why)), -1);
	cr_expect(strstr(why, "16 hexadecimal digits"), "%s", why);
}

/* Exponential for a matcher that backtracks: it gives up. */
Test(match, no_pattern_hangs)
{
	static char text[70000];
	memset(text, 'a', sizeof(text) - 2);
	cr_expect_eq(held(&pg, "^(a+)+[bc]", NULL, NULL, text), SQL_MATCH_GAVE_UP);
	cr_expect_eq(held(&pg, "^(a|aa|aaa)*[bc]", NULL, NULL, text), SQL_MATCH_GAVE_UP);
	cr_expect_eq(held(&pg, "^a.*b", NULL, NULL, text), SQL_MATCH_NO);
	text[sizeof(text) - 2] = 'b'; /* beyond what is looked at */
	cr_expect_eq(held(&pg, "^a.*b", NULL, NULL, text), SQL_MATCH_NO);
}

Test(match, frees_all)
{
	held(&pg, "^SELECT", "SELECT", NULL, "SELECT 1");
	cr_expect_eq(mem_live(MEM_CONF), 0);
}
