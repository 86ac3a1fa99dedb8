/* mysql_native - the proof of mysql_native_password, and the scrambles (challenges) of all of
 * MySQL's password plugins. Pure. Any thread.
 *
 * stage1 = SHA1(password) is what a client needs; stage2 = SHA1(stage1) is what a server stores, as
 * "*" and 40 hexadecimal digits. A right proof gives its stage1 away to whoever knows stage2: that
 * is how one login at a proxy opens connections to servers.
 * Source: MariaDB docs, Authentication Plugin - mysql_native_password; MySQL docs, Native
 * Authentication. A failure of SHA-1 itself (FIPS) is ERR_INTERNAL, never taken for a verdict. */
#ifndef CRYPTO_MYSQL_NATIVE_H
#define CRYPTO_MYSQL_NATIVE_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSQL_SCRAMBLE_BYTES 20
#define MYSQL_NATIVE_BYTES 20      /* of stage1, stage2 and a proof */
#define MYSQL_NATIVE_SECRET_LEN 41 /* characters of "*HEX", without a NUL */

/* A fresh challenge: bytes 1..127 without '$', as MySQL's servers make them (some clients take it
 * for a string). */
int mysql_scramble_make(uint8_t out[MYSQL_SCRAMBLE_BYTES], struct err *e)
	__attribute__((warn_unused_result));

/* "*" and 40 hexadecimal digits? */
bool mysql_native_is_secret(const char *s, size_t n);
/* Asserts mysql_native_is_secret(). */
void mysql_native_parse(const char *s, size_t n, uint8_t stage2[MYSQL_NATIVE_BYTES]);
int mysql_native_stage1(const char *pw, size_t pw_n, uint8_t stage1[MYSQL_NATIVE_BYTES],
	struct err *e) __attribute__((warn_unused_result));
int mysql_native_stage2(const uint8_t stage1[MYSQL_NATIVE_BYTES],
	uint8_t stage2[MYSQL_NATIVE_BYTES], struct err *e) __attribute__((warn_unused_result));

/* What a client answers to the scramble. (An empty password is answered with nothing at all.) */
int mysql_native_proof(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t stage1[MYSQL_NATIVE_BYTES], uint8_t proof[MYSQL_NATIVE_BYTES], struct err *e)
	__attribute__((warn_unused_result));
/* Is the proof of stage2's password? If so, stage1_r is what it gave away; else it is wiped.
 * *ok_r is false unless 0 is returned. */
int mysql_native_check(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t stage2[MYSQL_NATIVE_BYTES], const uint8_t proof[MYSQL_NATIVE_BYTES],
	uint8_t stage1_r[MYSQL_NATIVE_BYTES], bool *ok_r, struct err *e)
	__attribute__((warn_unused_result));

/* Zero-configuration TLS of MariaDB 11.4 and later: the server proves that it knows the user's
 * stored hash and holds this certificate, in the info string of the OK that ends a login: the byte
 * 1, then hex(SHA256(hash + scramble + SHA256 of the certificate)).
 * hash: stage2 for mysql_native_password. Source: MariaDB docs, Securing Connections for Client
 * and Server; MDEV-31855. */
#define MYSQL_CERT_PROOF_LEN 65 /* without a NUL */
int mysql_cert_proof(const void *hash, size_t hash_n, const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t cert_sha256[32], char out[MYSQL_CERT_PROOF_LEN + 1], struct err *e)
	__attribute__((warn_unused_result));
#endif
