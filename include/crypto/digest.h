/* digest - hashes, HMAC and random bytes from OpenSSL's EVP. Ignorant of protocols. Any thread.
 * Each fails only when OpenSSL refuses (FIPS without MD5) or memory is gone: ERR_INTERNAL. */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA1_BYTES 20
#define DIGEST_SHA256_BYTES 32
#define DIGEST_SHA512_BYTES 64
#define DIGEST_MD5_BYTES 16

int digest_sha256(const void *p, size_t n, uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
	__attribute__((warn_unused_result));
/* The next ones hash a followed by b (b may be NULL with b_n 0). */
int digest_sha1(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA1_BYTES], struct err *e) __attribute__((warn_unused_result));
int digest_sha256_of(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA256_BYTES], struct err *e) __attribute__((warn_unused_result));
int digest_sha512(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA512_BYTES], struct err *e) __attribute__((warn_unused_result));
int digest_md5(const void *a, size_t a_n, const void *b, size_t b_n, uint8_t out[DIGEST_MD5_BYTES],
	struct err *e) __attribute__((warn_unused_result));
int digest_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
	uint8_t out[DIGEST_SHA256_BYTES], struct err *e) __attribute__((warn_unused_result));
/* PBKDF2-HMAC-SHA-256. Slow on purpose: about 0.3 ms per 1,000 iterations. */
int digest_pbkdf2_sha256(const void *pw, size_t pw_n, const void *salt, size_t salt_n,
	uint32_t iterations, uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
	__attribute__((warn_unused_result));
/* n bytes from the CSPRNG. */
int digest_random(void *out, size_t n, struct err *e) __attribute__((warn_unused_result));
#endif
