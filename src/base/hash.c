/* hash - SipHash-2-4 with 64 and 128 bits, and the process's random key for it. Ignorant of maps.
 * Any thread. Written from: Aumasson & Bernstein, "SipHash: a fast short-input PRF" (2012),
 * sections 2.1-2.4; the 128-bit variant from the authors' later description (xor 0xee instead of
 * 0xff, a second output after xor 0xdd). */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hmap.h"

struct sip {
	uint64_t v0, v1, v2, v3;
	uint64_t tail; /* bytes that do not fill a word yet, little-endian */
	unsigned tail_n;
	uint8_t total; /* length so far, modulo 256 */
};

static uint8_t key[16];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void key_draw(void)
{
	size_t have = 0;
	while (have < sizeof(key)) {
		ssize_t n = getrandom(key + have, sizeof(key) - have, 0);
		if (n > 0) {
			have += (size_t)n;
		} else if (errno != EINTR) {
			/* A guessable key would let peers make collisions: better not to run. */
			perror("weirpool: getrandom");
			abort();
		}
	}
}

static const uint8_t *given;

static void key_take(void)
{
	memcpy(key, given, sizeof(key));
}

bool hash_key_set(const uint8_t k[16])
{
	given = k;
	pthread_once(&key_once, key_take);
	given = NULL;
	return memcmp(key, k, sizeof(key)) == 0;
}

void hash_key_get(uint8_t out[16])
{
	pthread_once(&key_once, key_draw);
	memcpy(out, key, sizeof(key));
}

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t load64le(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

static void sip_init(struct sip *s, const uint8_t k[16], bool wide)
{
	uint64_t k0 = load64le(k), k1 = load64le(k + 8);
	*s = (struct sip){
		.v0 = k0 ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes" */
		.v1 = k1 ^ 0x646f72616e646f6d ^ (wide ? 0xeeU : 0),
		.v2 = k0 ^ 0x6c7967656e657261,
		.v3 = k1 ^ 0x7465646279746573,
	};
}

static void sip_bytes(struct sip *s, const uint8_t *p, size_t n)
{
	s->total = (uint8_t)(s->total + n);
	while (n && s->tail_n) {
		s->tail |= (uint64_t)*p++ << (8 * s->tail_n);
		n--;
		if (++s->tail_n == 8) {
			sip_word(s, s->tail);
			s->tail = 0;
			s->tail_n = 0;
		}
	}
	for (; n >= 8; n -= 8, p += 8)
		sip_word(s, load64le(p));
	for (; n; n--)
		s->tail |= (uint64_t)*p++ << (8 * s->tail_n++);
}

static uint64_t sip_out(struct sip *s)
{
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static uint64_t sip_end64(struct sip *s)
{
	sip_word(s, s->tail | (uint64_t)s->total << 56);
	s->v2 ^= 0xff;
	return sip_out(s);
}

static struct hash128 sip_end128(struct sip *s)
{
	struct hash128 h;
	sip_word(s, s->tail | (uint64_t)s->total << 56);
	s->v2 ^= 0xee;
	h.lo = sip_out(s);
	s->v1 ^= 0xdd;
	h.hi = sip_out(s);
	return h;
}

uint64_t hash_siphash64(const uint8_t k[16], const void *p, size_t n)
{
	struct sip s;
	sip_init(&s, k, false);
	sip_bytes(&s, p, n);
	return sip_end64(&s);
}

struct hash128 hash_siphash128(const uint8_t k[16], const void *p, size_t n)
{
	struct sip s;
	sip_init(&s, k, true);
	sip_bytes(&s, p, n);
	return sip_end128(&s);
}

uint64_t hash64(const void *p, size_t n)
{
	pthread_once(&key_once, key_draw);
	return hash_siphash64(key, p, n);
}

struct hash128 hash128_parts(const struct hash128_part *parts, unsigned n)
{
	struct sip s;
	pthread_once(&key_once, key_draw);
	sip_init(&s, key, true);
	for (unsigned i = 0; i < n; i++) {
		uint64_t len = parts[i].n;
		sip_bytes(&s, (const uint8_t *)&len, sizeof(len));
		sip_bytes(&s, parts[i].p, parts[i].n);
	}
	return sip_end128(&s);
}
