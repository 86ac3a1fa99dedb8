/* hmap: SipHash against the published vectors, and the map against a simple model. */
#include "base/hmap.h"
#include "seed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(hmap, .fini = assert_all_back);

/* Key 00..0f, input 00, 01, ...: the paper's appendix A for length 15, and the authors' vectors. */
Test(hash, siphash64_vectors)
{
	static const struct {
		size_t n;
		uint64_t want;
	} v[] = {
		{ 0, 0x726fdb47dd0e0e31 },
		{ 1, 0x74f839c593dc67fd },
		{ 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 },
		{ 9, 0x9e0082df0ba9e4b0 },
		{ 15, 0xa129ca6149be45e5 },
		{ 63, 0x958a324ceb064572 },
	};
	uint8_t key[16], in[64];
	for (unsigned i = 0; i < 64; i++)
		in[i] = (uint8_t)i;
	memcpy(key, in, 16);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		cr_assert_eq(hash_siphash64(key, in, v[i].n), v[i].want, "length %zu", v[i].n);
}

Test(hash, siphash128_vectors)
{
	static const struct {
		size_t n;
		uint8_t want[16];
	} v[] = {
		{ 0, { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7,
			     0x55, 0x02, 0x93 } },
		{ 1, { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b,
			     0x22, 0xfc, 0x45 } },
	};
	uint8_t key[16], in[64];
	for (unsigned i = 0; i < 64; i++)
		in[i] = (uint8_t)i;
	memcpy(key, in, 16);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct hash128 h = hash_siphash128(key, in, v[i].n);
		for (unsigned k = 0; k < 8; k++) {
			cr_assert_eq((uint8_t)(h.lo >> (8 * k)), v[i].want[k], "%zu", v[i].n);
			cr_assert_eq((uint8_t)(h.hi >> (8 * k)), v[i].want[8 + k], "%zu", v[i].n);
		}
	}
}

Test(hash, parts_are_told_apart)
{
	struct hash128_part one[] = { { "ab", 2 }, { "c", 1 } },
			    two[] = { { "a", 1 }, { "bc", 2 } };
	struct hash128_part three[] = { { "ab", 2 }, { "c", 1 }, { "", 0 } };
	struct hash128_part same[] = { { "abx", 2 }, { "cx", 1 } };
	struct hash128 h = hash128_parts(one, 2);
	cr_assert(hash128_eq(h, hash128_parts(same, 2)));
	cr_assert_not(hash128_eq(h, hash128_parts(two, 2)));
	cr_assert_not(hash128_eq(h, hash128_parts(three, 3)));
	cr_assert_not(hash128_eq(h, hash128_parts(one, 1)));
}

/* Parts that end anywhere inside a word: no byte of a tail is lost on the way to the next part. */
Test(hash, each_split_gives_another_hash)
{
	uint8_t in[128], flat[600];
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 37);
	struct hash128 seen[40];
	for (uint64_t a = 0; a < 40; a++) {
		struct hash128_part p[] = { { in, a }, { in + a, 40 - a }, { in, 17 } };
		uint64_t len[] = { a, 40 - a, 17 };
		size_t n = 0;
		for (int i = 0; i < 3; i++) {
			memcpy(flat + n, &len[i], 8);
			memcpy(flat + n + 8, p[i].p, p[i].n);
			n += 8 + p[i].n;
		}
		/* The same bytes as one part differ by the length in front only. */
		struct hash128_part whole[] = { { flat + 8, n - 8 } };
		memcpy(flat, &(uint64_t){ n - 8 }, 8);
		seen[a] = hash128_parts(p, 3);
		cr_assert_not(hash128_eq(seen[a], hash128_parts(whole, 1)));
		for (uint64_t b = 0; b < a; b++)
			cr_assert_not(hash128_eq(seen[a], seen[b]));
	}
}

Test(hash, key_is_not_a_constant)
{
	static const uint8_t zero[16];
	cr_assert_neq(hash64("abc", 3), hash_siphash64(zero, "abc", 3));
	cr_assert_eq(hash64("abc", 3), hash64("abc", 3));
}

static int freed;
static void count_free(void *p)
{
	freed += *(int *)p;
}

Test(hmap, put_get_replace_delete)
{
	struct hmap m;
	int a = 1, b = 2;
	void *old = &m;
	hmap_init(&m);
	cr_assert_null(hmap_get(&m, "k", 1));
	cr_assert_null(hmap_del(&m, "k", 1));
	cr_assert(hmap_put(&m, "k", 1, &a, &old));
	cr_assert_null(old);
	cr_assert_eq(hmap_get(&m, "k", 1), &a);
	cr_assert_null(hmap_get(&m, "k", 2), "length counts: the NUL is part of the key");
	cr_assert_null(hmap_get(&m, "", 0));
	cr_assert(hmap_put(&m, "k", 1, &b, &old));
	cr_assert_eq(old, &a);
	cr_assert_eq(hmap_size(&m), 1);
	cr_assert(hmap_put(&m, NULL, 0, &a, NULL));
	cr_assert_eq(hmap_get(&m, "", 0), &a);
	cr_assert_eq(hmap_del(&m, "k", 1), &b);
	cr_assert_eq(hmap_del(&m, "", 0), &a);
	cr_assert_eq(hmap_size(&m), 0);
	cr_assert_null(m.slots, "an empty map holds no memory");
	hmap_fini(&m, NULL);
}

Test(hmap, fini_frees_values)
{
	struct hmap m;
	int v[3] = { 1, 10, 100 };
	hmap_init(&m);
	for (int i = 0; i < 3; i++)
		cr_assert(hmap_put(&m, &i, sizeof(i), &v[i], NULL));
	hmap_fini(&m, count_free);
	cr_assert_eq(freed, 111);
	cr_assert_eq(hmap_size(&m), 0);
	cr_assert_null(hmap_get(&m, "a", 1));
	hmap_fini(&m, count_free);
	cr_assert_eq(freed, 111);
}

Test(hmap, random_operations_match_a_model)
{
	static int model[2000], values[2000];
	struct hmap m;
	unsigned seed = seed_first();
	size_t n = 0;
	hmap_init(&m);
	for (int step = 0; step < 100000; step++) {
		int k = rand_r(&seed) % 2000;
		char key[16];
		size_t len = (size_t)snprintf(key, sizeof(key), "key%d", k);
		void *was = model[k] ? &values[k] : NULL, *old = NULL;
		cr_assert_eq(hmap_get(&m, key, len), was);
		if (rand_r(&seed) % 3) {
			cr_assert(hmap_put(&m, key, len, &values[k], &old));
			cr_assert_eq(old, was);
			n += !model[k];
			model[k] = 1;
		} else {
			cr_assert_eq(hmap_del(&m, key, len), was);
			n -= (size_t)model[k];
			model[k] = 0;
		}
		cr_assert_eq(hmap_size(&m), n);
	}
	hmap_fini(&m, NULL);
}

Test(hmap, iteration_sees_each_once_and_may_delete)
{
	static int seen[1000];
	struct hmap m;
	hmap_init(&m);
	struct hmap_it none = hmap_begin(&m);
	cr_assert_not(hmap_next(&none));
	for (int i = 0; i < 1000; i++)
		cr_assert(hmap_put(&m, &i, sizeof(i), &seen[i], NULL));
	for (struct hmap_it it = hmap_begin(&m); hmap_next(&it);) {
		int k;
		cr_assert_eq(it.key_n, sizeof(k));
		memcpy(&k, it.key, sizeof(k));
		cr_assert_eq(it.value, &seen[k]);
		seen[k]++;
		if (k % 2)
			cr_assert_eq(hmap_del(&m, it.key, it.key_n), &seen[k]);
	}
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(seen[i], 1);
	cr_assert_eq(hmap_size(&m), 500);
	/* The last deletion takes the slots along. */
	for (struct hmap_it it = hmap_begin(&m); hmap_next(&it);)
		cr_assert_not_null(hmap_del(&m, it.key, it.key_n));
	cr_assert_eq(hmap_size(&m), 0);
	cr_assert_null(m.slots);
}

Test(hmap, keys_of_zeroes_differ_by_length)
{
	struct hmap m;
	hmap_init(&m);
	uint8_t big[100] = { 0 };
	cr_assert(hmap_put(&m, big, sizeof(big), big, NULL));
	cr_assert_eq(hmap_get(&m, big, 100), big);
	cr_assert_null(hmap_get(&m, big, 99));
	hmap_fini(&m, NULL);
}

Test(hmap, a_given_hash_finds_what_it_put)
{
	struct hmap m;
	void *old = &m;
	int v[3];
	hmap_init(&m);
	cr_assert_null(hmap_get_by(&m, 7, "a", 1));
	cr_assert_null(hmap_del_by(&m, 7, "a", 1));
	cr_assert(hmap_put_by(&m, 7, "a", 1, &v[0], &old));
	cr_assert_null(old);
	cr_assert(hmap_put_by(&m, 7, "b", 1, &v[1], NULL)); /* the same hash, another key */
	cr_assert(hmap_put_by(&m, 7, "a", 1, &v[2], &old));
	cr_assert_eq(old, &v[0]);
	cr_assert_eq(hmap_get_by(&m, 7, "a", 1), &v[2]);
	cr_assert_null(hmap_get_by(&m, 8, "a", 1));
	cr_assert_eq(hmap_del_by(&m, 7, "b", 1), &v[1]);
	cr_assert_eq(hmap_del_by(&m, 7, "a", 1), &v[2]);
	cr_assert_eq(hmap_size(&m), 0);
	hmap_fini(&m, NULL);
}
