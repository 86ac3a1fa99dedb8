/* mem - counted allocation by type. Ignorant of who owns what. Any thread.
 *
 * The counters are per thread, so that workers do not fight for cache lines: each of the first
 * threads has a row that it alone writes, later ones share the last row. A block that is freed by
 * another thread makes one row fall below zero; the sum over all rows is what counts. */
#include "base/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_N 64

struct count {
	atomic_llong live, bytes;
};
struct row {
	_Alignas(64) struct count count[MEM_N];
};

static struct row rows[ROWS_N]; /* the last is shared */
static atomic_uint rows_taken;
static _Thread_local struct row *my_row;

static const char *const names[MEM_N] = {
#define X(id, name) [MEM_##id] = name,
	MEM_TYPES(X)
#undef X
};

static struct row *row_take(void)
{
	unsigned n = atomic_load_explicit(&rows_taken, memory_order_relaxed);
	while (n < ROWS_N - 1 && !atomic_compare_exchange_weak(&rows_taken, &n, n + 1))
		;
	return my_row = &rows[n];
}

static void count_add(enum mem_type t, long long blocks, long long bytes)
{
	assert((unsigned)t < MEM_N);
	struct row *r = my_row ? my_row : row_take();
	struct count *c = &r->count[t];
	if (r == &rows[ROWS_N - 1]) {
		atomic_fetch_add_explicit(&c->live, blocks, memory_order_relaxed);
		atomic_fetch_add_explicit(&c->bytes, bytes, memory_order_relaxed);
		return;
	}
	/* One writer: a plain add is enough, readers only must not see half a number. */
	atomic_store_explicit(&c->live,
		atomic_load_explicit(&c->live, memory_order_relaxed) + blocks,
		memory_order_relaxed);
	atomic_store_explicit(&c->bytes,
		atomic_load_explicit(&c->bytes, memory_order_relaxed) + bytes,
		memory_order_relaxed);
}

static long long usable(void *p)
{
	return (long long)malloc_usable_size(p);
}

void *mem_alloc(enum mem_type t, size_t n)
{
	if (n > PTRDIFF_MAX)
		return NULL;
	void *p = calloc(1, n ? n : 1);
	if (p)
		count_add(t, 1, usable(p));
	return p;
}

void *mem_realloc(enum mem_type t, void *p, size_t n)
{
	if (n > PTRDIFF_MAX)
		return NULL;
	long long had = p ? usable(p) : 0;
	void *q = realloc(p, n ? n : 1);
	if (q)
		count_add(t, p ? 0 : 1, usable(q) - had);
	return q;
}

void mem_free(enum mem_type t, void *p)
{
	if (p == NULL)
		return;
	count_add(t, -1, -usable(p));
	free(p);
}

void mem_retype(enum mem_type from, enum mem_type to, void *p)
{
	long long n = usable(p);
	count_add(from, -1, -n);
	count_add(to, 1, n);
}

char *mem_strndup(enum mem_type t, const char *s, size_t n)
{
	if (n >= PTRDIFF_MAX)
		return NULL;
	char *p = mem_alloc(t, n + 1);
	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *mem_strdup(enum mem_type t, const char *s)
{
	return mem_strndup(t, s, strlen(s));
}

static void *or_die(enum mem_type t, void *p, size_t n)
{
	if (p == NULL) {
		fprintf(stderr, "weirpool: out of memory: %zu bytes for %s\n", n, mem_name(t));
		abort();
	}
	return p;
}

void *mem_xalloc(enum mem_type t, size_t n)
{
	return or_die(t, mem_alloc(t, n), n);
}

void *mem_xrealloc(enum mem_type t, void *p, size_t n)
{
	return or_die(t, mem_realloc(t, p, n), n);
}

char *mem_xstrdup(enum mem_type t, const char *s)
{
	return or_die(t, mem_strdup(t, s), strlen(s));
}

char *mem_xstrndup(enum mem_type t, const char *s, size_t n)
{
	return or_die(t, mem_strndup(t, s, n), n);
}

char *mem_xprintf(enum mem_type t, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	size_t size = (size_t)n + 1;
	char *p = mem_xalloc(t, size);
	vsnprintf(p, size, fmt, ap);
	va_end(ap);
	return p;
}

void mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

int mem_equal_ct(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	unsigned diff = 0;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)(x[i] ^ y[i]);
	return diff == 0;
}

/* Rows are read one after the other: a block that changes thread meanwhile may be missed, hence
 * the 0. */
size_t mem_live(enum mem_type t)
{
	assert((unsigned)t < MEM_N);
	long long sum = 0;
	for (int i = 0; i < ROWS_N; i++)
		sum += atomic_load_explicit(&rows[i].count[t].live, memory_order_relaxed);
	return sum > 0 ? (size_t)sum : 0;
}

size_t mem_bytes(enum mem_type t)
{
	assert((unsigned)t < MEM_N);
	long long sum = 0;
	for (int i = 0; i < ROWS_N; i++)
		sum += atomic_load_explicit(&rows[i].count[t].bytes, memory_order_relaxed);
	return sum > 0 ? (size_t)sum : 0;
}

const char *mem_name(enum mem_type t)
{
	return (unsigned)t < MEM_N ? names[t] : "?";
}
