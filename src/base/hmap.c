/* hmap - hash map from bytes to a pointer: an array of chains, doubled when there are as many
 * entries as chains. Ignorant of what the values are. One thread, or read-only for many. */
#include "base/hmap.h"

#include <string.h>

#include "base/mem.h"

#define SLOTS_MIN 8U

struct hmap_entry {
	struct hmap_entry *next;
	uint64_t hash;
	void *value;
	size_t key_n;
	uint8_t key[];
};

void hmap_init(struct hmap *m)
{
	*m = (struct hmap){ 0 };
}

static void slots_free(struct hmap *m)
{
	mem_free(MEM_HMAP, m->slots);
	*m = (struct hmap){ 0 };
}

void hmap_fini(struct hmap *m, void (*free_value)(void *))
{
	for (size_t i = 0; i < m->n_slots; i++) {
		struct hmap_entry *next;
		for (struct hmap_entry *e = m->slots[i]; e; e = next) {
			next = e->next;
			if (free_value)
				free_value(e->value);
			mem_free(MEM_HMAP, e);
		}
	}
	slots_free(m);
}

/* The link that points to the entry, or to the NULL at the end of its chain; NULL if there are no
 * slots. */
static struct hmap_entry **find(const struct hmap *m, const void *key, size_t n, uint64_t hash)
{
	if (m->slots == NULL)
		return NULL;
	struct hmap_entry **at = &m->slots[hash & (m->n_slots - 1)];
	for (; *at; at = &(*at)->next) {
		const struct hmap_entry *e = *at;
		if (e->hash == hash && e->key_n == n && (n == 0 || memcmp(e->key, key, n) == 0))
			break;
	}
	return at;
}

void *hmap_get_by(const struct hmap *m, uint64_t hash, const void *key, size_t n)
{
	struct hmap_entry **at = find(m, key, n, hash);
	return at && *at ? (*at)->value : NULL;
}

void *hmap_get(const struct hmap *m, const void *key, size_t n)
{
	return m->slots ? hmap_get_by(m, hash64(key, n), key, n) : NULL;
}

/* False only if there are no slots at all afterwards; long chains are better than no entry. */
static bool make_room(struct hmap *m)
{
	if (m->slots && m->n < m->n_slots)
		return true;
	size_t n = m->slots ? m->n_slots * 2 : SLOTS_MIN;
	struct hmap_entry **slots = mem_alloc(MEM_HMAP, n * sizeof(struct hmap_entry *));
	if (slots == NULL)
		return m->slots != NULL;
	for (size_t i = 0; i < m->n_slots; i++) {
		struct hmap_entry *next;
		for (struct hmap_entry *e = m->slots[i]; e; e = next) {
			struct hmap_entry **to = &slots[e->hash & (n - 1)];
			next = e->next;
			e->next = *to;
			*to = e;
		}
	}
	mem_free(MEM_HMAP, m->slots);
	m->slots = slots;
	m->n_slots = n;
	return true;
}

bool hmap_put_by(
	struct hmap *m, uint64_t hash, const void *key, size_t n, void *value, void **old_r)
{
	struct hmap_entry **at = find(m, key, n, hash);
	if (at && *at) {
		if (old_r)
			*old_r = (*at)->value;
		(*at)->value = value;
		return true;
	}
	if (n > PTRDIFF_MAX - sizeof(struct hmap_entry))
		return false;
	struct hmap_entry *e = mem_alloc(MEM_HMAP, sizeof(*e) + n);
	if (e == NULL)
		return false;
	if (!make_room(m)) {
		mem_free(MEM_HMAP, e);
		return false;
	}
	if (n)
		memcpy(e->key, key, n);
	e->key_n = n;
	e->hash = hash;
	e->value = value;
	at = &m->slots[hash & (m->n_slots - 1)];
	e->next = *at;
	*at = e;
	m->n++;
	if (old_r)
		*old_r = NULL;
	return true;
}

bool hmap_put(struct hmap *m, const void *key, size_t n, void *value, void **old_r)
{
	return hmap_put_by(m, hash64(key, n), key, n, value, old_r);
}

void *hmap_del_by(struct hmap *m, uint64_t hash, const void *key, size_t n)
{
	struct hmap_entry **at = find(m, key, n, hash), *e = at ? *at : NULL;
	if (e == NULL)
		return NULL;
	void *value = e->value;
	*at = e->next;
	mem_free(MEM_HMAP, e); /* key may have pointed into it */
	if (--m->n == 0)
		slots_free(m);
	return value;
}

void *hmap_del(struct hmap *m, const void *key, size_t n)
{
	return m->slots ? hmap_del_by(m, hash64(key, n), key, n) : NULL;
}

struct hmap_it hmap_begin(const struct hmap *m)
{
	return (struct hmap_it){ .m = m };
}

bool hmap_next(struct hmap_it *it)
{
	/* The entry behind is remembered, as the current one may be gone; the last one takes the
	 * slots along. */
	struct hmap_entry *e = it->next;
	while (e == NULL) {
		if (it->slot >= it->m->n_slots)
			return false;
		e = it->m->slots[it->slot++];
	}
	it->next = e->next;
	it->key = e->key;
	it->key_n = e->key_n;
	it->value = e->value;
	return true;
}
