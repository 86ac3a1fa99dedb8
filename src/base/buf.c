/* buf - a growable byte queue with a hard cap. Ignorant of sockets and messages. One owner, one
 * thread.
 *
 * Memory grows by doubling from 128 bytes: thousands of clients that wait for a link hold a short
 * query each. Free blocks of 128 and 512 bytes, 4 and 16 KiB, the sizes that a busy connection
 * needs for a moment, wait in a cache of the thread: an idle connection holds none. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define BUF_MIN 128U
#define BUF_CAP_DEFAULT ((1UL << 30) + (64UL << 10))
#define CACHE_BLOCKS_N 32U
#define KEEP_MAX 16384U

#if defined(__SANITIZE_ADDRESS__)
#define CACHE_ON 0 /* the sanitizer shall see each use after free */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHE_ON 0
#endif
#endif
#ifndef CACHE_ON
#define CACHE_ON 1
#endif

struct cache {
	unsigned n;
	void *block[CACHE_BLOCKS_N];
};
enum { CACHES_N = 4 };
static _Thread_local struct cache caches[CACHES_N];
static const size_t cached_sizes[CACHES_N] = { BUF_MIN, 512, 4096, 16384 };

static struct cache *cache_for(size_t size)
{
	if (!CACHE_ON)
		return NULL;
	for (unsigned i = 0; i < CACHES_N; i++)
		if (cached_sizes[i] == size)
			return &caches[i];
	return NULL;
}

static uint8_t *block_get(size_t size)
{
	struct cache *c = cache_for(size);
	if (c == NULL || c->n == 0)
		return mem_realloc(MEM_BUF, NULL, size); /* not mem_alloc(): no need for zeroes */
	void *p = c->block[--c->n];
	mem_retype(MEM_CACHE, MEM_BUF, p);
	return p;
}

static void block_put(void *p, size_t size)
{
	struct cache *c = p ? cache_for(size) : NULL;
	if (c == NULL || c->n == CACHE_BLOCKS_N) {
		mem_free(MEM_BUF, p);
		return;
	}
	mem_retype(MEM_BUF, MEM_CACHE, p);
	c->block[c->n++] = p;
}

void buf_thread_fini(void)
{
	for (struct cache *c = caches; c < caches + CACHES_N; c++)
		while (c->n)
			mem_free(MEM_CACHE, c->block[--c->n]);
}

static void drop(struct buf *b)
{
	block_put(b->mem, b->size);
	b->mem = NULL;
	b->start = b->end = b->size = 0;
}

/* It is empty. */
static void release(struct buf *b)
{
	if (b->keep && b->size <= KEEP_MAX)
		b->start = b->end = 0;
	else
		drop(b);
}

void buf_init(struct buf *b, size_t cap)
{
	assert(cap <= PTRDIFF_MAX);
	*b = (struct buf){ .cap = cap };
}

void buf_keep(struct buf *b)
{
	b->keep = true;
}

void buf_fini(struct buf *b)
{
	drop(b);
	b->failed = false;
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->mem, b->size);
	buf_fini(b);
}

static void compact(struct buf *b)
{
	size_t len = buf_len(b);
	if (b->start == 0)
		return;
	memmove(b->mem, b->mem + b->start, len);
	b->start = 0;
	b->end = len;
}

static bool grow(struct buf *b, size_t size)
{
	uint8_t *p;
	if (b->size > 16384) { /* may move pages instead of bytes */
		compact(b);
		p = mem_realloc(MEM_BUF, b->mem, size);
		if (p == NULL)
			return false;
		b->mem = p;
	} else {
		size_t len = buf_len(b);
		p = block_get(size);
		if (p == NULL)
			return false;
		if (len)
			memcpy(p, b->mem + b->start, len);
		block_put(b->mem, b->size);
		b->mem = p;
		b->start = 0;
		b->end = len;
	}
	b->size = size;
	return true;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (b->mem && n <= b->size - b->end)
		return b->mem + b->end;

	size_t cap = b->cap ? b->cap : BUF_CAP_DEFAULT, len = buf_len(b);
	if (n > cap || len > cap - n) {
		b->failed = true;
		return NULL;
	}
	size_t need = len + n, size = b->size ? b->size : BUF_MIN;
	/* Moving less than was consumed costs O(1) per byte; moving more only if there is no
	 * other way. */
	if (b->mem && need <= b->size && (b->start >= len || b->size >= cap)) {
		compact(b);
		return b->mem + b->end;
	}
	if (b->mem && need <= size)
		need = size + 1;
	while (size < need)
		size *= 2;
	if (size > cap)
		size = cap;
	if (!grow(b, size)) {
		b->failed = true;
		return NULL;
	}
	return b->mem + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->size - b->end);
	b->end += n;
	if (b->start == b->end)
		release(b);
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return !b->failed;
	uint8_t *to = buf_reserve(b, n);
	if (to == NULL)
		return false;
	memcpy(to, p, n);
	b->end += n;
	return true;
}

bool buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

bool buf_putz(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s) + 1);
}

bool buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, 1);
}

bool buf_put_u16be(struct buf *b, uint16_t v)
{
	uint8_t x[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	return buf_append(b, x, sizeof(x));
}

static void u32be(uint8_t to[4], uint32_t v)
{
	to[0] = (uint8_t)(v >> 24);
	to[1] = (uint8_t)(v >> 16);
	to[2] = (uint8_t)(v >> 8);
	to[3] = (uint8_t)v;
}

bool buf_put_u32be(struct buf *b, uint32_t v)
{
	uint8_t x[4];
	u32be(x, v);
	return buf_append(b, x, sizeof(x));
}

/* The low n bytes of v, least significant first. */
static bool put_le(struct buf *b, uint64_t v, size_t n)
{
	uint8_t x[8];
	for (size_t i = 0; i < n; i++)
		x[i] = (uint8_t)(v >> 8 * i);
	return buf_append(b, x, n);
}

bool buf_put_u16le(struct buf *b, uint16_t v)
{
	return put_le(b, v, 2);
}

bool buf_put_u24le(struct buf *b, uint32_t v)
{
	return put_le(b, v, 3);
}

bool buf_put_u32le(struct buf *b, uint32_t v)
{
	return put_le(b, v, 4);
}

bool buf_put_u64le(struct buf *b, uint64_t v)
{
	return put_le(b, v, 8);
}

bool buf_put_lenenc(struct buf *b, uint64_t v)
{
	if (v < 0xfb)
		return buf_put_u8(b, (uint8_t)v);
	if (v <= 0xffff)
		return buf_put_u8(b, 0xfc) && put_le(b, v, 2);
	if (v <= 0xffffff)
		return buf_put_u8(b, 0xfd) && put_le(b, v, 3);
	return buf_put_u8(b, 0xfe) && put_le(b, v, 8);
}

bool buf_put_lenstr(struct buf *b, const void *p, size_t n)
{
	return buf_put_lenenc(b, n) && buf_append(b, p, n);
}

bool buf_put_text(struct buf *b, const char *s)
{
	return buf_put_lenstr(b, s, strlen(s));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	assert(n >= 0);
	bool ok;
	size_t len = (size_t)n;
	if (len < sizeof(small)) {
		ok = buf_append(b, small, len);
	} else {
		char *to = (char *)buf_reserve(b, len + 1); /* vsnprintf() adds a NUL */
		if (to) {
			vsnprintf(to, len + 1, fmt, again);
			b->end += len;
		}
		ok = to != NULL;
	}
	va_end(again);
	return ok;
}

void buf_set_u32be(struct buf *b, size_t at, uint32_t v)
{
	if (b->failed)
		return;
	assert(buf_len(b) >= 4 && at <= buf_len(b) - 4);
	u32be(b->mem + b->start + at, v);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		release(b);
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= buf_len(b))
		return;
	b->end = b->start + len;
	if (len == 0)
		release(b);
}
