/* mem: counters, limits, and the helpers for secrets. */
#include "base/mem.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static void assert_all_back(void)
{
	for (int t = 0; t < MEM_N; t++) {
		cr_assert_eq(mem_live((enum mem_type)t), 0, "%s", mem_name((enum mem_type)t));
		cr_assert_eq(mem_bytes((enum mem_type)t), 0, "%s", mem_name((enum mem_type)t));
	}
}
TestSuite(mem, .fini = assert_all_back);

Test(mem, alloc_is_zeroed_and_counted)
{
	uint8_t *p = mem_alloc(MEM_LINK, 1000);
	cr_assert_not_null(p);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(p[i], 0);
	cr_assert_eq(mem_live(MEM_LINK), 1);
	cr_assert_geq(mem_bytes(MEM_LINK), 1000);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	mem_free(MEM_LINK, p);
	mem_free(MEM_LINK, NULL);
}

Test(mem, zero_bytes_is_a_block)
{
	void *p = mem_alloc(MEM_MISC, 0), *q = mem_realloc(MEM_MISC, NULL, 0);
	cr_assert_not_null(p);
	cr_assert_not_null(q);
	cr_assert_eq(mem_live(MEM_MISC), 2);
	mem_free(MEM_MISC, p);
	q = mem_realloc(MEM_MISC, q, 0);
	cr_assert_not_null(q);
	mem_free(MEM_MISC, q);
}

Test(mem, realloc_keeps_content_and_counts_once)
{
	char *p = mem_realloc(MEM_BUF, NULL, 8);
	memcpy(p, "1234567", 8);
	p = mem_realloc(MEM_BUF, p, 1 << 20);
	cr_assert_str_eq(p, "1234567");
	cr_assert_eq(mem_live(MEM_BUF), 1);
	cr_assert_geq(mem_bytes(MEM_BUF), 1 << 20);
	p = mem_realloc(MEM_BUF, p, 8);
	cr_assert_str_eq(p, "1234567");
	cr_assert_lt(mem_bytes(MEM_BUF), 1 << 20);
	mem_free(MEM_BUF, p);
}

Test(mem, absurd_sizes_are_refused)
{
	char *p = mem_alloc(MEM_MISC, 10);
	cr_assert_null(mem_alloc(MEM_MISC, SIZE_MAX));
	cr_assert_null(mem_alloc(MEM_MISC, (size_t)PTRDIFF_MAX + 1));
	cr_assert_null(mem_realloc(MEM_MISC, p, SIZE_MAX));
	cr_assert_null(mem_strndup(MEM_MISC, p, SIZE_MAX));
	cr_assert_eq(mem_live(MEM_MISC), 1);
	mem_free(MEM_MISC, p);
}

Test(mem, strings)
{
	char *a = mem_strdup(MEM_CONF, "abc"), *b = mem_strndup(MEM_CONF, "abcdef", 2);
	char *c = mem_strndup(MEM_CONF, "", 0), *d = mem_xprintf(MEM_CONF, "%d-%s", 42, "x");
	cr_assert_str_eq(a, "abc");
	cr_assert_str_eq(b, "ab");
	cr_assert_str_eq(c, "");
	cr_assert_str_eq(d, "42-x");
	cr_assert_eq(mem_live(MEM_CONF), 4);
	mem_free(MEM_CONF, a);
	mem_free(MEM_CONF, b);
	mem_free(MEM_CONF, c);
	mem_free(MEM_CONF, d);
}

Test(mem, retype_moves_the_count)
{
	void *p = mem_alloc(MEM_BUF, 4096);
	size_t n = mem_bytes(MEM_BUF);
	mem_retype(MEM_BUF, MEM_CACHE, p);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_CACHE), 1);
	cr_assert_eq(mem_bytes(MEM_CACHE), n);
	mem_free(MEM_CACHE, p);
}

Test(mem, x_variants_die_with_a_message, .signal = SIGABRT)
{
	mem_free(MEM_CONF, mem_xalloc(MEM_CONF, SIZE_MAX));
}

Test(mem, wipe_and_equal)
{
	char a[8] = "secret7", b[8] = "secret7", c[8] = "Secret7", d[8] = "secret8";
	cr_assert(mem_equal_ct(a, b, 8));
	cr_assert_not(mem_equal_ct(a, c, 8));
	cr_assert_not(mem_equal_ct(a, d, 8));
	cr_assert(mem_equal_ct(a, d, 6));
	cr_assert(mem_equal_ct(NULL, NULL, 0));
	mem_wipe(a, 7);
	cr_assert_arr_eq(a, "\0\0\0\0\0\0\0", 8);
	mem_wipe(NULL, 0);
}

Test(mem, names)
{
	cr_assert_str_eq(mem_name(MEM_MISC), "misc");
	cr_assert_str_eq(mem_name(MEM_CACHE), "buffer cache");
	cr_assert_str_eq(mem_name(MEM_N), "?");
}

/* More threads than rows, and every block freed by another thread than the one that made it. */
#define THREADS 100
#define BLOCKS 200
static void *block[THREADS][BLOCKS];

static void *make(void *arg)
{
	for (int i = 0; i < BLOCKS; i++)
		((void **)arg)[i] = mem_alloc(MEM_STREAM, 100);
	return NULL;
}

static void *unmake(void *arg)
{
	for (int i = 0; i < BLOCKS; i++)
		mem_free(MEM_STREAM, ((void **)arg)[i]);
	return NULL;
}

Test(mem, threads)
{
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, make, block[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(mem_live(MEM_STREAM), THREADS * BLOCKS);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, unmake, block[THREADS - 1 - i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}
