/* wire_int - what the readers of this folder share: which part of a message is malformed. */
#ifndef WIRE_MYSQL_WIRE_INT_H
#define WIRE_MYSQL_WIRE_INT_H
#include <string.h>

#include "wire/mysql/caps.h"
#include "wire/mysql/packet.h"

/* A reader that remembers where it was when the bytes first went short. */
struct where {
	struct rd r;
	const char *bad; /* NULL: all well so far */
};
static inline struct where where_of(const void *p, size_t n)
{
	return (struct where){ .r = rd_of(p, n) };
}
/* To be called behind the reads that make up the part. */
static inline void where_at(struct where *w, const char *part)
{
	if (w->bad == NULL && !rd_ok(&w->r))
		w->bad = part;
}
static inline const char *where_end(struct where *w)
{
	if (w->bad == NULL && (!rd_ok(&w->r) || rd_left(&w->r) != 0))
		w->bad = "end";
	return w->bad;
}

static inline struct mystr mystr_of(const void *p, size_t n)
{
	return (struct mystr){ .p = p, .n = n };
}
static inline struct mystr rd_mystr(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	return mystr_of(p, p ? n : 0);
}
static inline struct mystr rd_mystr_rest(struct rd *r)
{
	return rd_mystr(r, rd_left(r));
}
static inline struct mystr rd_mystr_len(struct rd *r)
{
	size_t n;
	const uint8_t *p = rd_lenstr(r, &n);
	return mystr_of(p, n);
}
static inline struct mystr rd_mystr_nul(struct rd *r)
{
	size_t n = 0;
	const char *p = rd_cstr(r, &n);
	return mystr_of(p, n);
}
/* Up to a NUL, or to the end where older peers leave it out. */
static inline struct mystr rd_mystr_nul_or_rest(struct rd *r)
{
	size_t left = rd_left(r);
	if (left != 0 && memchr(r->p, 0, left) == NULL)
		return rd_mystr_rest(r);
	return rd_mystr_nul(r);
}

static inline void buf_put_mystr_nul(struct buf *b, struct mystr s)
{
	buf_append(b, s.p, s.n);
	buf_put_u8(b, 0);
}
static inline void buf_put_mystr_len(struct buf *b, struct mystr s)
{
	buf_put_lenstr(b, s.p, s.n);
}
static inline bool mystr_has_nul(struct mystr s)
{
	return s.n != 0 && memchr(s.p, 0, s.n) != NULL;
}
#endif
