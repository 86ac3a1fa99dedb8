/* stmtmap: interned statements and their budget, a session's names, what a link has and which one
 * goes first. */
#include "../../src/proto/stmtmap.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

static struct stmttab t;
static struct linkmap m;

static void setup(void)
{
	stmttab_init(&t, 10000);
	linkmap_init(&m);
}
static void teardown(void)
{
	linkmap_fini(&m);
	stmttab_fini(&t);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(stmtmap, .init = setup, .fini = teardown);

static struct hash128 key_of(const char *text)
{
	return stmt_key(text, strlen(text), NULL, 0, 0);
}

static struct stmt *make(const char *text)
{
	return stmt_new(&t, key_of(text), text, strlen(text), NULL, 0, 5);
}

Test(stmtmap, keys_depend_on_all_that_matters)
{
	static const uint8_t types[] = { 0, 0, 0, 23 };
	struct hash128 a = key_of("SELECT $1");
	cr_assert(hash128_eq(a, key_of("SELECT $1")));
	cr_assert_not(hash128_eq(a, key_of("SELECT $2")));
	cr_assert_not(hash128_eq(a, stmt_key("SELECT $1", 9, types, 1, 0)));
	cr_assert_not(hash128_eq(a, stmt_key("SELECT $1", 9, NULL, 0, 1)));
}

Test(stmtmap, statements_are_shared_and_counted)
{
	static const uint8_t types[] = { 0, 0, 0, 23 };
	struct stmt *a = stmt_new(&t, key_of("x"), "x", 1, types, 1, 7);
	struct stmt *b = stmt_find(&t, key_of("x"));
	cr_assert_eq(a, b);
	cr_assert_eq(memcmp(stmt_types(a), types, 4), 0);
	cr_assert_str_eq(a->text, "x");
	cr_assert_null(stmt_find(&t, key_of("y")));
	cr_assert_gt(t.bytes, 0);
	stmt_unref(&t, a);
	cr_assert_gt(t.bytes, 0);
	stmt_unref(&t, b);
	cr_assert_eq(t.bytes, 0);
}

Test(stmtmap, the_budget_holds)
{
	static char text[20000];
	memset(text, 'x', sizeof(text) - 1);
	cr_assert_null(make(text));
	text[9000] = 0;
	struct stmt *a = make(text);
	cr_assert_not_null(a);
	text[1000] = 0;
	cr_assert_null(make(text));
	stmt_unref(&t, a);
	a = make(text);
	cr_assert_not_null(a);
	stmt_unref(&t, a);
}

Test(stmtmap, names_of_a_session)
{
	struct stmtmap *s = stmtmap_new();
	struct stmt *a = make("a"), *b = make("b"), *old;
	cr_assert_null(stmtmap_get(NULL, "n", 1));
	cr_assert(stmtmap_put(s, "n", 1, a, &old));
	cr_assert_null(old);
	cr_assert_eq(stmtmap_get(s, "n", 1), a);
	cr_assert(stmtmap_put(s, "n", 1, b, &old));
	cr_assert_eq(old, a);
	stmt_unref(&t, old);
	cr_assert(stmtmap_put(s, "n", 1, NULL, &old));
	cr_assert_eq(old, b);
	stmt_unref(&t, old);
	cr_assert_eq(stmtmap_n(s), 0);
	cr_assert(stmtmap_put(s, "n", 1, a, &old));
	stmt_unref(&t, a);
	stmt_unref(&t, b);
	stmtmap_free(&s, &t);
	cr_assert_null(s);
}

static int64_t time_of(const struct stmtmap *s, const char *name)
{
	return ((const struct stmtname *)hmap_get(&s->names, name, strlen(name)))->prepared_us;
}

Test(stmtmap, names_have_their_order)
{
	struct stmtmap *s = stmtmap_new();
	struct stmt *a = make("a"), *b = make("b"), *old;
	cr_assert(stmtmap_put(s, "z", 1, a, &old));
	cr_assert(stmtmap_put(s, "y", 1, a, &old));
	cr_assert(stmtmap_put(s, "x", 1, b, &old));
	cr_assert_gt(time_of(s, "z"), 0);
	cr_assert_lt(time_of(s, "z"), time_of(s, "y"));
	cr_assert_lt(time_of(s, "y"), time_of(s, "x"));
	int64_t was = time_of(s, "y");
	cr_assert(stmtmap_put(s, "y", 1, b, &old));
	stmt_unref(&t, old);
	cr_assert_eq(time_of(s, "y"), was);
	stmt_unref(&t, a);
	stmt_unref(&t, b);
	stmtmap_free(&s, &t);
}

Test(stmtmap, the_least_recently_used_goes_first)
{
	struct linkstmt *a = linkmap_add(&m, key_of("a")), *b = linkmap_add(&m, key_of("b")),
			*c = linkmap_add(&m, key_of("c"));
	cr_assert(a->id != b->id && b->id != c->id);
	cr_assert_eq(linkmap_get(&m, key_of("a")), a);
	cr_assert_null(linkmap_oldest(&m, 3));
	cr_assert_eq(linkmap_oldest(&m, 2), b);
	b->in_flight++;
	cr_assert_eq(linkmap_oldest(&m, 2), c);
	linkmap_drop(&m, c);
	cr_assert_eq(linkmap_n(&m), 2);
	linkmap_drop(&m, b);
	cr_assert_null(linkmap_get(&m, key_of("b")));
	linkmap_restore(&m, b);
	cr_assert_eq(linkmap_oldest(&m, 1), a, "b is in flight");
	linkmap_release(&m, b);
	cr_assert_eq(linkmap_oldest(&m, 1), b);
}

Test(stmtmap, what_is_dropped_in_flight_lives_until_it_lands)
{
	struct linkstmt *a = linkmap_add(&m, key_of("a"));
	a->in_flight = 2;
	linkmap_clear(&m);
	cr_assert_eq(linkmap_n(&m), 0);
	struct linkstmt *again = linkmap_add(&m, key_of("a"));
	cr_assert_neq(again, a);
	linkmap_restore(&m, a); /* its key is there again */
	cr_assert(a->gone);
	linkmap_release(&m, a);
	linkmap_release(&m, a);
	cr_assert_eq(linkmap_get(&m, key_of("a")), again);
}
