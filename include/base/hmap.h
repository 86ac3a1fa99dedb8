/* hmap - hash map from bytes to a pointer, and the keyed hash (SipHash-2-4, random key per
 * process) behind it. Keys are copied. Chooses no order. One thread, or read-only for many. */
#ifndef BASE_HMAP_H
#define BASE_HMAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash128 {
	uint64_t hi, lo;
};
static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

/* Keyed by a random secret drawn at start, so that peers cannot make collisions. */
uint64_t hash64(const void *p, size_t n);
/* SipHash-2-4-128 of the concatenation of n parts, each preceded by its length. */
struct hash128_part {
	const void *p;
	size_t n;
};
struct hash128 hash128_parts(const struct hash128_part *parts, unsigned n);

/* The key, for another process of this program whose hashes are to be the same. It is a secret. */
void hash_key_get(uint8_t out[16]);
/* Before the first hash is made, and before there are threads. False: that was too late. */
bool hash_key_set(const uint8_t k[16]);
/* The same with a given key (Aumasson & Bernstein, "SipHash: a fast short-input PRF"), for tests
 * against its vectors. */
uint64_t hash_siphash64(const uint8_t key[16], const void *p, size_t n);
/* lo: the first 8 bytes */
struct hash128 hash_siphash128(const uint8_t key[16], const void *p, size_t n);

struct hmap_entry;
struct hmap {
	struct hmap_entry **slots; /* NULL while empty */
	size_t n, n_slots;
};
void hmap_init(struct hmap *m);
/* Calls free_value (may be NULL) on each value. */
void hmap_fini(struct hmap *m, void (*free_value)(void *));
void *hmap_get(const struct hmap *m, const void *key, size_t n); /* NULL if absent */
/* Adds or replaces. The old value, or NULL, goes to *old_r (may be NULL). False when out of
 * memory: nothing changed. */
bool hmap_put(struct hmap *m, const void *key, size_t n, void *value, void **old_r);
void *hmap_del(struct hmap *m, const void *key, size_t n); /* the value, or NULL */
/* The same for keys that are hashes already, made with a secret key: hash stands for hash64(key).
 * One map is used either with these or with those above. */
void *hmap_get_by(const struct hmap *m, uint64_t hash, const void *key, size_t n);
bool hmap_put_by(
	struct hmap *m, uint64_t hash, const void *key, size_t n, void *value, void **old_r);
void *hmap_del_by(struct hmap *m, uint64_t hash, const void *key, size_t n);
static inline size_t hmap_size(const struct hmap *m)
{
	return m->n;
}
/* Iteration: for (struct hmap_it it = hmap_begin(m); hmap_next(&it);) use it.key, it.key_n,
 * it.value. hmap_del() of the current key is allowed, nothing else changes the map meanwhile. */
struct hmap_it {
	const struct hmap *m;
	size_t slot;
	struct hmap_entry *next;
	const void *key;
	size_t key_n;
	void *value;
};
struct hmap_it hmap_begin(const struct hmap *m);
bool hmap_next(struct hmap_it *it);
#endif
