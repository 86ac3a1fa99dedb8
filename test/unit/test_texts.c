/* texts: what is kept, for whom, and that it is bounded. */
#include "../../src/proto/texts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static struct texts t;

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
	return texts_put(&t, &r);
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

/* Two that stand in the same place with the same hash are still told apart. */
Test(texts, of_one_hash)
{
	struct texts_ref a = texts_ref_of("select 1", 8, 0), b = texts_ref_of("select 2", 8, 0),
			 c = texts_ref_of("select 1", 8, 1);
	b.hash = c.hash = a.hash;
	(void)texts_put(&t, &a);
	void *v = texts_put(&t, &a);
	cr_assert_eq(texts_find(&t, &a), v);
	cr_assert_null(texts_find(&t, &b));
	cr_assert_null(texts_find(&t, &c));
	void *w = texts_put(&t, &b);
	cr_assert_not_null(w);
	cr_assert_eq(texts_find(&t, &a), v);
	cr_assert_eq(texts_find(&t, &b), w);
	cr_assert_not_null(texts_put(&t, &c));
	cr_assert_null(texts_find(&t, &a), "the older of two goes");
	cr_assert_eq(texts_find(&t, &b), w);
}

Test(texts, that_come_once_push_nothing_out)
{
	char text[32];
	(void)put("select 1", 8, 0);
	void *v = put("select 1", 8, 0);
	for (unsigned i = 0; i < 100000; i++) {
		int n = snprintf(text, sizeof(text), "select %u", i + 2);
		cr_assert_null(put(text, (size_t)n, 0));
	}
	cr_assert_eq(find("select 1", 8, 0), v);
}

Test(texts, take_no_more_memory_than_that)
{
	static char text[TEXTS_MAX_BYTES + 1];
	memset(text, ' ', sizeof(text));
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "%u", i);
		struct texts_ref r = texts_ref_of(text, TEXTS_MAX_BYTES, 0);
		(void)texts_put(&t, &r);
		(void)texts_put(&t, &r);
	}
	cr_assert_eq(mem_live(MEM_PROTO), TEXTS_N + 1);
	cr_assert_null(put(text, sizeof(text), 0));
	cr_assert_null(put(text, sizeof(text), 0), "too long");
	cr_assert_null(put(text, 0, 0));
	cr_assert_null(put(text, 0, 0));
}
