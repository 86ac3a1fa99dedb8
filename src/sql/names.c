/*
 * A hash set of names with what is known of each: open addressing, bytes in one block. Ignorant of
 * SQL. See names.h for the threads.
 */
#include "sql/names.h"

#include "sql/lex.h"

#include "base/mem.h"

#include <string.h>

struct slot {
	uint32_t hash;
	uint32_t at; /* in bytes[] */
	uint32_t n;
	unsigned known; /* 0: the slot is free */
};

struct sql_names {
	struct slot *slots; /* a power of two */
	size_t slots_n, count;
	unsigned shift; /* leaves as many bits of 32 as number the slots */
	/* A bit for each hash that a name has, of 8 for each slot: most strangers meet none. */
	uint8_t *filter;
	char *bytes;
	size_t bytes_n, bytes_cap;
	bool fold;
	bool compare_danger, like_danger;
};

struct sql_names *sql_names_new(bool fold)
{
	struct sql_names *s = mem_alloc(MEM_MISC, sizeof(*s));

	if (s != NULL)
		s->fold = fold;
	return s;
}

void sql_names_free(struct sql_names **s)
{
	if (*s == NULL)
		return;
	mem_free(MEM_MISC, (*s)->slots);
	mem_free(MEM_MISC, (*s)->filter);
	mem_free(MEM_MISC, (*s)->bytes);
	mem_free(MEM_MISC, *s);
	*s = NULL;
}

static unsigned char fold(const struct sql_names *s, char c)
{
	unsigned char u = (unsigned char)c;

	return s->fold && u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

static uint32_t hash_of(const struct sql_names *s, const char *name, size_t n)
{
	uint32_t h = 0;

	for (size_t i = 0; i < n; i++)
		h = sql_hash_step(h, fold(s, name[i]));
	return h;
}

static bool is_name(const struct sql_names *s, const struct slot *slot, const char *name, size_t n)
{
	if (slot->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s->bytes[slot->at + i] != fold(s, name[i]))
			return false;
	return true;
}

/* Names of a kind (log_1, log_2) differ in few bits of their hash: the product spreads them, and
 * strangers, which most names are, end at once. */
static size_t first_slot(const struct sql_names *s, uint32_t hash)
{
	return hash * 0x9E3779B1u >> s->shift;
}

/* The filter's byte is that of the first slot, the bit in it what follows in the product. */
static uint8_t filter_bit(const struct sql_names *s, uint32_t hash)
{
	return (uint8_t)(1u << (hash * 0x9E3779B1u >> (s->shift - 3) & 7));
}

/* The slot of the name, or the free one where it belongs. There is always a free one. */
static struct slot *slot_of(const struct sql_names *s, uint32_t hash, const char *name, size_t n)
{
	size_t mask = s->slots_n - 1;

	for (size_t i = first_slot(s, hash);; i = (i + 1) & mask) {
		struct slot *slot = &s->slots[i];

		if (slot->known == 0 || (slot->hash == hash && is_name(s, slot, name, n)))
			return slot;
	}
}

static bool grow_slots(struct sql_names *s)
{
	struct sql_names bigger = *s;

	bigger.slots_n = s->slots_n != 0 ? s->slots_n * 2 : 64;
	bigger.shift = s->slots_n != 0 ? s->shift - 1 : 26;
	bigger.slots = mem_alloc(MEM_MISC, bigger.slots_n * sizeof(*bigger.slots));
	bigger.filter = mem_alloc(MEM_MISC, bigger.slots_n);
	if (bigger.slots == NULL || bigger.filter == NULL) {
		mem_free(MEM_MISC, bigger.slots);
		mem_free(MEM_MISC, bigger.filter);
		return false;
	}
	for (size_t i = 0; i < s->slots_n; i++) {
		const struct slot *old = &s->slots[i];

		if (old->known == 0)
			continue;
		*slot_of(&bigger, old->hash, s->bytes + old->at, old->n) = *old;
		bigger.filter[first_slot(&bigger, old->hash)] |= filter_bit(&bigger, old->hash);
	}
	mem_free(MEM_MISC, s->slots);
	mem_free(MEM_MISC, s->filter);
	*s = bigger;
	return true;
}

static bool grow_bytes(struct sql_names *s, size_t n)
{
	size_t cap = s->bytes_cap != 0 ? s->bytes_cap : 1024;

	while (cap - s->bytes_n < n)
		cap *= 2;
	if (cap == s->bytes_cap)
		return true;
	char *bytes = cap <= UINT32_MAX ? mem_realloc(MEM_MISC, s->bytes, cap) : NULL;

	if (bytes == NULL)
		return false;
	s->bytes = bytes;
	s->bytes_cap = cap;
	return true;
}

static bool is_one_of(const char *name, size_t n, const char *const *list, size_t list_n)
{
	for (size_t i = 0; i < list_n; i++)
		if (strlen(list[i]) == n && memcmp(list[i], name, n) == 0)
			return true;
	return false;
}

static void note_operator(struct sql_names *s, const char *name, size_t n)
{
	static const char *const compare[] = { "=", "<>", "<", "<=", ">", ">=" };
	static const char *const like[] = { "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*" };

	s->compare_danger |= is_one_of(name, n, compare, sizeof(compare) / sizeof(compare[0]));
	s->like_danger |= is_one_of(name, n, like, sizeof(like) / sizeof(like[0]));
}

bool sql_names_add(struct sql_names *s, const char *name, size_t n, unsigned known)
{
	if (n > UINT16_MAX || known == 0)
		return true; /* no identifier */
	if ((s->count + 1) * 2 > s->slots_n && !grow_slots(s))
		return false;
	uint32_t hash = hash_of(s, name, n);
	struct slot *slot = slot_of(s, hash, name, n);

	if (slot->known == 0) {
		if (!grow_bytes(s, n))
			return false;
		*slot = (struct slot){ .hash = hash, .at = (uint32_t)s->bytes_n, .n = (uint32_t)n };
		for (size_t i = 0; i < n; i++)
			s->bytes[s->bytes_n++] = (char)fold(s, name[i]);
		s->filter[first_slot(s, hash)] |= filter_bit(s, hash);
		s->count++;
	}
	slot->known |= known;
	if (known & SQL_NAME_DANGER)
		note_operator(s, name, n);
	return true;
}

unsigned sql_names_find_hashed(const struct sql_names *s, const char *name, size_t n, uint32_t hash)
{
	if (s->count == 0 || !(s->filter[first_slot(s, hash)] & filter_bit(s, hash)))
		return 0;
	return slot_of(s, hash, name, n)->known;
}

unsigned sql_names_find(const struct sql_names *s, const char *name, size_t n)
{
	return sql_names_find_hashed(s, name, n, hash_of(s, name, n));
}

bool sql_names_compare_danger(const struct sql_names *s)
{
	return s->compare_danger;
}

bool sql_names_like_danger(const struct sql_names *s)
{
	return s->like_danger;
}

size_t sql_names_count(const struct sql_names *s)
{
	return s->count;
}
