/* texts: what is kept, for whom, and that it is bounded. */
#include "../../src/proto/texts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static struct texts t;
static const struct sql_lang pg = { .pg = &sql_dialect_pg, .scs = true };

static void setup(void)
{
	texts_init(&t, 12);
}

static void teardown(void)
{
	texts_fini(&t);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
}
TestSuite(texts, .init = setup, .fini = teardown);

static void *find(const char *text, size_t n, uint64_t how)
{
	struct texts_ref r = texts_ref_of(text, n, how);
	return texts_find(&t, &r);
}

static void *put(const char *text, size_t n, uint64_t how)
{
	struct texts_ref r = texts_ref_of(text, n, how);
	cr_assert_null(texts_find(&t, &r));
	return texts_put(&t, &r, &pg);
}

Test(texts, are_kept_when_they_come_again)
{
	cr_assert_null(find("select 1", 8, 0));
	cr_assert_null(put("select 1", 8, 0));
	char *v = put("select 1", 8, 0);
	cr_assert_not_null(v);
	for (int i = 0; i < 12; i++)
		cr_assert_eq(v[i], 0);
	memcpy(v, "twelve bytes", 12);
	cr_assert_eq(find("select 1", 8, 0), v);
	cr_assert(memcmp(find("select 1", 8, 0), "twelve bytes", 12) == 0);
}

/* Whatever their hashes are: a copy with any byte changed, a byte more or less, another way. */
Test(texts, are_those_of_the_same_bytes_read_in_the_same_way)
{
	char text[70];
	memset(text, 'a', sizeof(text));
	for (size_t n = 1; n < sizeof(text) - 1; n++) {
		(void)put(text, n, 5);
		cr_assert_not_null(put(text, n, 5));
		cr_assert_not_null(find(text, n, 5));
		cr_assert_null(find(text, n, 4));
		cr_assert_null(find(text, n, 5 | UINT64_C(1) << 63));
		cr_assert_null(find(text, n + 1, 5));
		for (size_t i = 0; i < n; i++) {
			text[i] = 'b';
			cr_assert_null(find(text, n, 5));
			text[i] = 'a';
		}
	}
}

static void *put_ref(const struct texts_ref *r)
{
	(void)texts_put(&t, r, NULL);
	return texts_put(&t, r, NULL);
}

/* Three that stand in the same place. */
Test(texts, of_one_set)
{
	struct texts_ref a = texts_ref_of("select a", 8, 0), b = a, c = a;
	b.text = "select b";
	b.hash ^= UINT64_C(1) << 40;
	c.how = 1;
	c.hash ^= UINT64_C(1) << 41;
	void *v = put_ref(&a);
	cr_assert_eq(texts_find(&t, &a), v);
	cr_assert_null(texts_find(&t, &b));
	cr_assert_null(texts_find(&t, &c));
	void *w = put_ref(&b);
	cr_assert_not_null(w);
	cr_assert_eq(texts_find(&t, &a), v);
	cr_assert_eq(texts_find(&t, &b), w);
	cr_assert_not_null(put_ref(&c));
	cr_assert_null(texts_find(&t, &a), "the older of two goes");
	cr_assert_eq(texts_find(&t, &b), w);
}

/* Those with the same hash are still told apart. They have one place, so that many of them, new
 * each time, push nothing else out, and are not copied each time. */
Test(texts, of_one_hash)
{
	struct texts_ref a = texts_ref_of("select a", 8, 0), b = a, c = a;
	b.text = "select b";
	c.how = 1;
	struct texts_ref other = a;
	other.hash ^= UINT64_C(1) << 40;
	void *o = put_ref(&other), *v = put_ref(&a);
	cr_assert_eq(texts_find(&t, &a), v);
	cr_assert_null(texts_find(&t, &b));
	cr_assert_null(texts_find(&t, &c));
	unsigned puts = 0;
	while (texts_put(&t, &b, NULL) == NULL && puts < 1000)
		puts++;
	cr_assert(puts > 2 && puts < 100, "%u", puts);
	cr_assert_not_null(texts_find(&t, &b));
	cr_assert_null(texts_find(&t, &a));
	cr_assert_null(texts_find(&t, &c));
	for (unsigned i = 0; i < 1000; i++)
		(void)texts_put(&t, i % 2 ? &a : &c, NULL);
	cr_assert_eq(texts_find(&t, &other), o);
}

Test(texts, that_come_once_push_nothing_out)
{
	char text[32];
	(void)put("select 1", 8, 0);
	void *v = put("select 1", 8, 0);
	for (unsigned i = 0; i < 100000; i++) {
		int n = snprintf(text, sizeof(text), "select a%u", i + 2);
		cr_assert_null(put(text, (size_t)n, 0));
	}
	cr_assert_eq(find("select 1", 8, 0), v);
}

/* Whether the first text, kept, answers for the second. */
static bool shares(const char *a, const char *b)
{
	texts_fini(&t);
	(void)put(a, strlen(a), 0);
	void *v = put(a, strlen(a), 0);
	return v != NULL && find(b, strlen(b), 0) == v;
}

Test(texts, are_alike_whatever_their_values)
{
	static const char *const same[][2] = {
		{ "select 1", "select 2" },
		{ "select 1", "select 99999999999999999999999" },
		{ "select 123456789", "select 0" },
		{ "SELECT a FROM t WHERE b=1 AND c IN (1,2, 3)",
			"SELECT a FROM t WHERE b=17 AND c IN (456,78, 9)" },
		{ "update t set a = a + -5 where b = 6;", "update t set a = a + -77 where b = 0;" },
		{ "insert into t values (1, 'x', 2),(3, '5', 4)",
			"insert into t values (11, 'x', 22),(33, '5', 44)" },
		{ "/* 5 */ select 1 -- 6", "/* 5 */ select 2 -- 6" },
		{ "select '1'", "select '2'" },
		{ "select 'a 1 b'", "select ''" },
		{ "select a from t where b = 'x' and c = 5",
			"select a from t where b = 'abcdefghijkl' and c = 66" },
		{ "insert into t values ('a', 1, 'b')",
			"insert into t values ('', 22, ' b; --/* b')" },
		{ "delete from t where a<10 and b>20", "delete from t where a<1 and b>2" },
		{ "with x as (select 1) select 5::int from x limit 10 offset 20",
			"with x as (select 2) select 6::int from x limit 1 offset 2" },
	};
	static const char *const others[][2] = {
		{ "select 1", "select a" },
		{ "select 1", "select 1a" },
		{ "select 1", "select 1.5" },
		{ "select 1", "select 0x1" },
		{ "select 1", "select 1 " },
		{ "select 1", "select -1" },
		{ "select 1", "select 12 3" },
		{ "select 1,2", "select 1" },
		{ "select 1", "select 1,2" },
		{ "select a1", "select a2" },
		{ "select t.a from t1", "select t.a from t2" },
		{ "select $1", "select $2" },
		{ "select 1.5", "select 2.5" },
		{ "select 1e5", "select 1e6" },
		{ "select '1'", "select 1" },
		{ "select 'a'", "select 'a''b'" },
		{ "select 'a'", "select 'a\\b'" },
		{ "select 'a', 'b'", "select 'a'" },
		{ "select 'a' ", "select 'a" },
		{ "select 'a'", "select 'b\n'"
				"'c'" },
		{ "select e'a'", "select e'b'" },
		{ "select 'a''b'", "select 'a''c'" },
		{ "select \"a'b\" = 'c', 'd'", "select \"a'e\" = 'c', 'd'" },
		{ "select /* ' */ 'a'", "select /* ' , ' */ 'a'" },
		{ "select current_setting('search_path')", "select current_setting('port')" },
		{ "set a = 'b'", "set a = 'c'" },
		{ "select \" 1 \"", "select \" 2 \"" },
		{ "select 1 /* 1 */", "select 1 /* 2 */" },
		{ "/* 1 */ select 1", "/* 2 */ select 1" },
		{ "select 1 -- 1", "select 1 -- 2" },
		{ "select $$ 1 $$", "select $$ 2 $$" },
		{ "select 1; select 2", "select 1; select 3" },
		{ "kill 1", "kill 2" },
		{ "set a = 1", "set a = 2" },
		{ "fetch 1 from c", "fetch 2 from c" },
		{ "select 'open 1 ", "select 'open 2 " },
	};
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		cr_expect(shares(same[i][0], same[i][1]), "%s", same[i][0]);
		cr_expect(shares(same[i][1], same[i][0]), "%s", same[i][1]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		cr_expect_not(shares(others[i][0], others[i][1]), "%s", others[i][0]);
		cr_expect_not(shares(others[i][1], others[i][0]), "%s", others[i][1]);
	}
}

/* Those behind so many values are compared. */
Test(texts, with_many_values)
{
	static char a[TEXTS_MAX_BYTES], b[TEXTS_MAX_BYTES];
	for (unsigned n = TEXTS_VALUES_MAX - 1; n <= TEXTS_VALUES_MAX + 1; n++) {
		int at = snprintf(a, sizeof(a), "select 1");
		for (unsigned i = 1; i < n; i++)
			at += snprintf(a + at, sizeof(a) - (size_t)at, ",%u", i);
		memcpy(b, a, sizeof(a));
		cr_assert(shares(a, b));
		b[strlen("select ")] = '7';
		cr_assert(shares(a, b));
		b[at - 1] = b[at - 1] == '5' ? '6' : '5';
		cr_assert_eq(shares(a, b), n <= TEXTS_VALUES_MAX, "%u", n);
	}
}

/* Nothing behind the end of a text is looked at: it stands in a block of just its bytes. */
Test(texts, are_read_to_their_end)
{
	static const char text[] = "select 12345678, 9 from t1 where a = 11 and b = 22";
	for (size_t n = 1; n < sizeof(text); n++) {
		char *copy = mem_alloc(MEM_PROTO, n);
		cr_assert_not_null(copy);
		memcpy(copy, text, n);
		texts_fini(&t);
		(void)put(copy, n, 0);
		struct texts_ref r = texts_ref_of(copy, n, 0);
		(void)texts_put(&t, &r, &pg);
		cr_assert_not_null(texts_find(&t, &r), "%zu", n);
		mem_free(MEM_PROTO, copy);
	}
}

Test(texts, take_no_more_memory_than_that)
{
	static char text[TEXTS_MAX_BYTES + 1];
	memset(text, ' ', sizeof(text));
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "a%u", i);
		struct texts_ref r = texts_ref_of(text, TEXTS_MAX_BYTES, 0);
		(void)texts_put(&t, &r, &pg);
		(void)texts_put(&t, &r, &pg);
	}
	cr_assert_eq(mem_live(MEM_PROTO), TEXTS_N + 1);
	cr_assert_null(put(text, sizeof(text), 0));
	cr_assert_null(put(text, sizeof(text), 0), "too long");
	cr_assert_null(put(text, 0, 0));
	cr_assert_null(put(text, 0, 0));
}
