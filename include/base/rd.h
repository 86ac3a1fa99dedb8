/* rd - bounds-checked reader over bytes that someone else owns. After the first short read every
 * call returns 0/NULL and rd_ok() is false: read a whole message, then check once. */
#ifndef BASE_RD_H
#define BASE_RD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct rd rd_of(const void *p, size_t n)
{
	return (struct rd){ .p = p, .end = n ? (const uint8_t *)p + n : p, .bad = false };
}
static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}
static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}
/* The next n bytes, or NULL. Compares n with what is left, so n cannot wrap. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->p;
	if (n)
		r->p += n;
	return p;
}
static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);
	return p ? p[0] : 0;
}
static inline uint16_t rd_u16be(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);
	if (p == NULL)
		return 0;
	return (uint16_t)(p[0] << 8 | p[1]); /* gcc warns of ?: here under UBSan */
}
static inline uint32_t rd_u32be(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}
static inline uint16_t rd_u16le(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);
	if (p == NULL)
		return 0;
	return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t rd_u24le(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 3);
	return p ? p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 : 0;
}
static inline uint32_t rd_u32le(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);
	return p ? p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}
static inline uint64_t rd_u64le(struct rd *r)
{
	uint64_t low = rd_u32le(r);
	return low | (uint64_t)rd_u32le(r) << 32;
}
/* MySQL docs, Integer Types: Protocol::LengthEncodedInteger. The first bytes 0xfb (NULL in a row)
 * and 0xff (never a number) make r bad. */
static inline uint64_t rd_lenenc(struct rd *r)
{
	uint8_t first = rd_u8(r);
	switch (first) {
	case 0xfc: return rd_u16le(r);
	case 0xfd: return rd_u24le(r);
	case 0xfe: return rd_u64le(r);
	case 0xfb:
	case 0xff: r->bad = true; return 0;
	default: return first;
	}
}
/* Protocol::LengthEncodedString: the bytes behind a lenenc length, or NULL and *n_r 0. */
static inline const uint8_t *rd_lenstr(struct rd *r, size_t *n_r)
{
	uint64_t n = rd_lenenc(r);
	const uint8_t *p = n <= SIZE_MAX ? rd_bytes(r, (size_t)n) : NULL;
	*n_r = p ? (size_t)n : 0;
	return p;
}
/* The same as a string of less than size bytes with no NUL in it. False: it is none. */
static inline bool rd_text(struct rd *r, char *out, size_t size)
{
	size_t n;
	const uint8_t *p = rd_lenstr(r, &n);
	if (p == NULL || n >= size || memchr(p, 0, n) != NULL)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}
/* A NUL-terminated string inside the slice; NULL and bad if there is no NUL. len_r may be NULL. */
static inline const char *rd_cstr(struct rd *r, size_t *len_r)
{
	const uint8_t *z = r->bad || r->p == r->end ? NULL
						    : memchr(r->p, 0, (size_t)(r->end - r->p));
	if (z == NULL) {
		r->bad = true;
		return NULL;
	}
	const char *s = (const char *)r->p;
	if (len_r)
		*len_r = (size_t)(z - r->p);
	r->p = z + 1;
	return s;
}
#endif
