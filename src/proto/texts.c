/* texts - a hash table of sets of two slots. A text that comes for the first time leaves nothing
 * but a part of its hash: those with other values each time push nothing out. */
#include "texts.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define SETS (TEXTS_N / 2)

struct block {
	uint64_t how;
	size_t n;
	uint8_t *text;   /* behind the value */
	uint8_t value[]; /* aligned for anything of 8 bytes */
};
struct texts_slot {
	uint64_t hash;
	struct block *b;
	uint32_t seen; /* in the first of a set: of the text that came last and is not kept */
};

/* Not keyed: who makes two texts collide only has them read again. */
struct texts_ref texts_ref_of(const char *text, size_t n, uint64_t how)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 divided by the golden ratio */
	uint64_t h = (how ^ n) * k, w;
	size_t i = 0;
	for (; i + sizeof w <= n; i += sizeof w) {
		memcpy(&w, text + i, sizeof w);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	if (i < n)
		memcpy(&w, text + i, n - i);
	h = (h ^ w) * k;
	h ^= h >> 32;
	h *= k;
	return (struct texts_ref){ text, n, how, h ^ h >> 29 };
}

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

static bool is(const struct texts_slot *s, const struct texts_ref *r)
{
	const struct block *b = s->b;
	return s->hash == r->hash && b && b->n == r->n && b->how == r->how &&
	       memcmp(b->text, r->text, r->n) == 0;
}

void *texts_find(struct texts *t, const struct texts_ref *r)
{
	struct texts_slot *s = t->slots ? set_of(t, r) : NULL;
	if (s == NULL)
		return NULL;
	return is(&s[0], r) ? s[0].b->value : is(&s[1], r) ? s[1].b->value : NULL;
}

void *texts_put(struct texts *t, const struct texts_ref *r)
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
	struct block *b = mem_alloc(MEM_PROTO, sizeof *b + t->value_bytes + r->n);
	if (b == NULL)
		return NULL;
	b->how = r->how;
	b->n = r->n;
	b->text = b->value + t->value_bytes;
	memcpy(b->text, r->text, r->n);
	drop(s[1].b);
	s[1].b = s[0].b;
	s[1].hash = s[0].hash;
	s[0].b = b;
	s[0].hash = r->hash;
	return b->value;
}
