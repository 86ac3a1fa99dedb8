/* buf - a growable byte queue with a hard cap: append at the end, consume at the front.
 * Ignorant of sockets and messages. An empty buf holds no memory. One owner, one thread.
 * Blocks of the usual sizes go through a small cache per thread (counted as MEM_CACHE). */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *mem; /* NULL when empty */
	size_t start; /* first byte not yet consumed */
	size_t end;   /* behind the last byte */
	size_t size;  /* of mem */
	size_t cap;   /* at which growing is an error; 0 = 1 GiB + 64 KiB */
	bool keep;    /* buf_keep() */
	bool failed;  /* an append met the cap or no memory; stays until buf_fini(): check once */
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b); /* frees; b is empty and usable afterwards, with the same cap */
/* An empty b holds on to its memory if that is small (16 KiB): for a scratch buffer that is filled
 * and emptied all the time. */
void buf_keep(struct buf *b);
static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}
/* buf_len() bytes; NULL if it has no memory. Valid until the next call that appends, consumes or
 * frees. */
static inline uint8_t *buf_data(const struct buf *b)
{
	return b->mem ? b->mem + b->start : NULL;
}
/* Room for n more bytes at the end, or NULL (and failed is set). Follow with buf_commit(), also
 * when nothing came (n = 0): that gives the memory of an empty buf back. Once failed, every
 * append fails until buf_fini(). */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
bool buf_append(struct buf *b, const void *p, size_t n); /* p must not point into b */
bool buf_puts(struct buf *b, const char *s);             /* without the NUL */
bool buf_putz(struct buf *b, const char *s);             /* with the NUL */
bool buf_put_u8(struct buf *b, uint8_t v);
bool buf_put_u16be(struct buf *b, uint16_t v);
bool buf_put_u32be(struct buf *b, uint32_t v);
bool buf_put_u16le(struct buf *b, uint16_t v);
bool buf_put_u24le(struct buf *b, uint32_t v); /* the low three bytes */
bool buf_put_u32le(struct buf *b, uint32_t v);
bool buf_put_u64le(struct buf *b, uint64_t v);
/* MySQL docs: Protocol::LengthEncodedInteger, in its shortest form; and that before n bytes. */
bool buf_put_lenenc(struct buf *b, uint64_t v);
bool buf_put_lenstr(struct buf *b, const void *p, size_t n);
bool buf_put_text(struct buf *b, const char *s); /* the same of a string: see rd_text() */
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Overwrites 4 bytes at offset at (counted from buf_data()): message lengths known only later.
 * Does nothing once failed, as the place may not exist. */
void buf_set_u32be(struct buf *b, size_t at, uint32_t v);
/* Drops n bytes at the front; when nothing is left the memory goes back. */
void buf_consume(struct buf *b, size_t n);
void buf_truncate(struct buf *b, size_t len); /* keeps the first len bytes */
void buf_wipe(struct buf *b); /* overwrites all it holds, then buf_fini(): for secrets */
/* Gives the calling thread's cache back. Call before a thread ends; it may go on using bufs. */
void buf_thread_fini(void);
#endif
