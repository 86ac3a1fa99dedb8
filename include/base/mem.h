/* mem - counted allocation by type. Ignorant of who owns what. Any thread.
 *
 * Every block is zeroed and carries a type; mem_live() tells how many are alive, so that a test
 * can assert that nothing leaks and SHOW MEM can report. Per-connection code must expect NULL;
 * code that builds configuration uses the x-variants, which end the process with a message. */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEM_TYPES(X) \
	X(MISC, "misc") \
	X(BUF, "buffer") \
	X(CONF, "config") \
	X(HMAP, "hash map") \
	X(SESSION, "session") \
	X(LINK, "link") \
	X(POOL, "pool") \
	X(STMT, "statement") \
	X(VARS, "variables") \
	X(AUTH, "auth") \
	X(TLS, "tls") \
	X(STREAM, "stream") \
	X(EV, "event") \
	X(PROTO, "protocol") \
	X(ADMIN, "admin") \
	X(MSG, "message") \
	X(CACHE, "buffer cache") \
	X(CLUSTER, "cluster") \
	X(STATS, "query stats")
enum mem_type {
#define X(id, name) MEM_##id,
	MEM_TYPES(X)
#undef X
		MEM_N
};

/* n bytes, zeroed; NULL when out of memory (or n is absurd). Give back with mem_free() of the
 * same type. */
void *mem_alloc(enum mem_type t, size_t n) __attribute__((warn_unused_result));
/* Grows or shrinks; new bytes are NOT zeroed. NULL leaves p as it was. p may be NULL. */
void *mem_realloc(enum mem_type t, void *p, size_t n) __attribute__((warn_unused_result));
void mem_free(enum mem_type t, void *p); /* p may be NULL */
/* Counts the block as another type from now on: for caches of free blocks, so that what is in use
 * stays visible. */
void mem_retype(enum mem_type from, enum mem_type to, void *p);
char *mem_strdup(enum mem_type t, const char *s) __attribute__((warn_unused_result));
/* Copies n bytes and adds a NUL. */
char *mem_strndup(enum mem_type t, const char *s, size_t n) __attribute__((warn_unused_result));

/* As above, but abort the process with a message instead of returning NULL: start-up and RELOAD
 * only. */
void *mem_xalloc(enum mem_type t, size_t n);
void *mem_xrealloc(enum mem_type t, void *p, size_t n);
char *mem_xstrdup(enum mem_type t, const char *s);
char *mem_xstrndup(enum mem_type t, const char *s, size_t n);
/* printf into a new string; dies when out of memory. */
char *mem_xprintf(enum mem_type t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Zeroes a struct of some 100 bytes or more where that is done per statement: by the C library.
 * What compilers write in line for a known size (rep stos) takes about 30 cycles to begin. */
static inline void mem_zero(void *p, size_t n)
{
	__asm__("" : "+r"(n)); /* no longer known */
	memset(p, 0, n);
}

/* Overwrites n bytes in a way the compiler does not remove: for secrets. */
void mem_wipe(void *p, size_t n);
/* Equal? In a time that depends on n only: for secrets. */
int mem_equal_ct(const void *a, const void *b, size_t n);

/* Exact while no other thread allocates; else a sum that is a moment old. */
size_t mem_live(enum mem_type t);  /* blocks alive */
size_t mem_bytes(enum mem_type t); /* bytes alive, as malloc counts them */
const char *mem_name(enum mem_type t);
#endif
