/* texts - a hash table of sets of two slots. A text that comes for the first time leaves nothing
 * but a part of its hash: those that are new each time push nothing out. */
#include "texts.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/mem.h"

#define SETS (TEXTS_N / 2)
/* Of so many texts that have the hash of a kept one and are not equal to it one takes its place. */
#define MISSES 16U

struct block {
	uint64_t how;
	struct sql_value *values; /* that may be others; behind what is kept */
	char *text;               /* behind them */
	uint16_t n, values_n;
	uint8_t missed;
	uint64_t value[]; /* what is kept; aligned for anything of 8 bytes */
};
struct texts_slot {
	uint64_t hash; /* no other slot of its set has the same */
	struct block *b;
	uint32_t seen; /* in the first of a set: of the text that came last and is not kept */
};

/* ---- hashes ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bits of bytes that are digits, and maybe of colons right above such. */
static inline uint64_t digits_of(uint64_t w)
{
	const uint64_t x = w ^ EACH(0x30);
	return (x - EACH(10)) & ~x & EACH(0x80);
}

/* The high bits of bytes that are single quotes, and maybe of some above such. */
static inline uint64_t quotes_of(uint64_t w)
{
	const uint64_t x = w ^ EACH(0x27);
	return (x - EACH(1)) & ~x & EACH(0x80);
}

/* Where a value may begin. */
static inline uint64_t begins_of(uint64_t w)
{
	return digits_of(w) | quotes_of(w);
}

/* Where d, begins_of() what begins at p, has the first that stands as a value does, and its end.
 * NULL: nowhere. */
static inline const char *value_in(
	const struct texts_ref *r, const char *p, uint64_t d, unsigned *at_r)
{
	for (; d; d &= d - 1) {
		*at_r = (unsigned)__builtin_ctzll(d) / 8;
		const char *end = sql_value_end(r->text, p + *at_r, r->text + r->n);
		if (end)
			return end;
	}
	return NULL;
}

static inline uint64_t load(const char *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	return le64toh(w);
}

/* n bytes of the text up to its end, as the lowest of a word. */
static inline uint64_t last_of(const struct texts_ref *r, size_t n)
{
	uint64_t w = 0;
	if (r->n >= sizeof(w))
		return load(r->text + r->n - sizeof(w)) >> 8 * (sizeof(w) - n);
	memcpy(&w, r->text + r->n - n, n);
	return le64toh(w);
}

static inline uint64_t mix(uint64_t h, uint64_t w)
{
	h ^= w;
	return (h << 29 | h >> 35) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 by the golden ratio */
}

/* Without what may be a number or a string, in other strings and comments, too. Not keyed: who
 * makes two texts collide only has them read again. */
static uint64_t hash_of(const struct texts_ref *r)
{
	const char *p = r->text, *const end = p + r->n;
	uint64_t h = mix(r->n == 0, r->how), w, d = 0;
	while (p < end) {
		const char *next = end;
		unsigned at;
		for (; end - p >= 8; p += 8, h = mix(h, w)) {
			w = load(p);
			d = begins_of(w);
			if (d)
				break;
		}
		if (end - p >= 8) {
			next = p + 8;
		} else if (p < end) {
			w = last_of(r, (size_t)(end - p));
			d = begins_of(w);
		} else {
			break;
		}
		const char *behind = value_in(r, p, d, &at);
		if (behind) {
			w |= UINT64_MAX << 8 * at; /* a value, whichever */
			next = behind;
		}
		h = mix(h, w);
		p = next;
	}
	h ^= h >> 32;
	h = mix(h, 0);
	return h ^ h >> 29;
}

struct texts_ref texts_ref_of(const char *text, size_t n, uint64_t how)
{
	struct texts_ref r = { text, n, how, 0 };
	r.hash = n <= TEXTS_MAX_BYTES ? hash_of(&r) : 0;
	return r;
}

/* ---- the table ---- */

static struct texts_slot *set_of(struct texts *t, const struct texts_ref *r)
{
	return &t->slots[r->hash % SETS * 2];
}

void texts_init(struct texts *t, size_t value_bytes)
{
	*t = (struct texts){ .value_bytes = (value_bytes + 7) & ~(size_t)7 };
}

/* It may hold what its client would not like to find in a core file. */
static void drop(struct block *b)
{
	if (b)
		mem_wipe(b->text, b->n);
	mem_free(MEM_PROTO, b);
}

void texts_fini(struct texts *t)
{
	for (size_t i = 0; t->slots && i < TEXTS_N; i++)
		drop(t->slots[i].b);
	mem_free(MEM_PROTO, t->slots);
	t->slots = NULL;
}

/* Byte by byte, but that at each of the kept text's values there is another of its kind: as long as
 * it can be, and what is behind it is compared. */
static bool same(const struct block *b, const struct texts_ref *r)
{
	const char *p = r->text, *end = p + r->n, *kept = b->text;
	if (r->n == b->n && memcmp(p, kept, b->n) == 0)
		return true;
	for (unsigned i = 0; i < b->values_n; i++) {
		const char *value = b->text + b->values[i].at;
		size_t n = (size_t)(value - kept);
		if ((size_t)(end - p) <= n || memcmp(p, kept, n) != 0 ||
			(p[n] == '\'') != (*value == '\''))
			return false;
		p = sql_value_over(p + n, end);
		if (p == NULL)
			return false;
		kept = value + b->values[i].n;
	}
	size_t left = (size_t)(b->text + b->n - kept);
	return b->values_n && (size_t)(end - p) == left && memcmp(p, kept, left) == 0;
}

static bool is(const struct texts_slot *s, const struct texts_ref *r)
{
	return s->hash == r->hash && s->b && s->b->how == r->how && same(s->b, r);
}

void *texts_find(struct texts *t, const struct texts_ref *r)
{
	struct texts_slot *s = t->slots && r->n <= TEXTS_MAX_BYTES ? set_of(t, r) : NULL;
	if (s == NULL)
		return NULL;
	return is(&s[0], r) ? s[0].b->value : is(&s[1], r) ? s[1].b->value : NULL;
}

static struct block *keep(
	const struct texts *t, const struct texts_ref *r, const struct sql_lang *lang)
{
	struct sql_value values[TEXTS_VALUES_MAX];
	size_t n = lang ? sql_values(lang, r->text, r->n, values, TEXTS_VALUES_MAX) : 0;
	size_t bytes = n * sizeof(*values);
	struct block *b = mem_alloc(MEM_PROTO, sizeof(*b) + t->value_bytes + bytes + r->n);
	if (b == NULL)
		return NULL;
	b->how = r->how;
	b->n = (uint16_t)r->n;
	b->values_n = (uint16_t)n;
	b->values = (struct sql_value *)(b->value + t->value_bytes / sizeof(*b->value));
	b->text = (char *)(b->values + n);
	memcpy(b->values, values, bytes);
	memcpy(b->text, r->text, r->n);
	return b;
}

/* Where the next one goes: over what has the same hash, if that has been missed often, or else in
 * front, with the first becoming the second. NULL: nowhere. */
static struct texts_slot *place(struct texts_slot *s, uint64_t hash)
{
	for (int i = 0; i < 2; i++)
		if (s[i].b && s[i].hash == hash)
			return ++s[i].b->missed % MISSES == 0 ? &s[i] : NULL;
	return &s[0];
}

void *texts_put(struct texts *t, const struct texts_ref *r, const struct sql_lang *lang)
{
	uint32_t seen = (uint32_t)(r->hash >> 32);
	if (r->n == 0 || r->n > TEXTS_MAX_BYTES)
		return NULL;
	if (t->slots == NULL)
		t->slots = mem_alloc(MEM_PROTO, TEXTS_N * sizeof *t->slots);
	if (t->slots == NULL)
		return NULL;
	struct texts_slot *s = set_of(t, r);
	if (s->seen != seen) {
		s->seen = seen;
		return NULL;
	}
	struct texts_slot *at = place(s, r->hash);
	struct block *b = at ? keep(t, r, lang) : NULL;
	if (b == NULL)
		return NULL;
	if (at == s && !(s[0].b && s[0].hash == r->hash)) {
		drop(s[1].b);
		s[1].b = s[0].b;
		s[1].hash = s[0].hash;
	} else {
		drop(at->b);
	}
	at->b = b;
	at->hash = r->hash;
	return b->value;
}
