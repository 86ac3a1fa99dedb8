/* mysql_sha2 - the computations of caching_sha2_password: the fast proof, the stored form, and the
 * password encrypted with RSA (also of sha256_password). Pure. Any thread.
 *
 * key = SHA256(password) is what a client needs for the fast proof; verifier = SHA256(key) is what
 * a server keeps in memory after it has seen the password once. On disk stands only
 * "$A$005$" + salt (20 bytes) + hash (43 characters): SHA-256-crypt with 1000 times that many
 * (hexadecimal) rounds, good for checking a password in clear and for nothing else.
 * Sources: MySQL docs, Caching SHA-2 Pluggable Authentication and Caching_sha2_password
 * information; U. Drepper, Unix crypt using SHA-256 and SHA-512. */
#ifndef CRYPTO_MYSQL_SHA2_H
#define CRYPTO_MYSQL_SHA2_H
#include "base/err.h"
#include "crypto/mysql_native.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSQL_SHA2_BYTES 32         /* of key, verifier and a proof */
#define MYSQL_SHA2_SECRET_LEN 70    /* characters of "$A$005$...", without a NUL */
#define MYSQL_SHA2_PASSWORD_MAX 256 /* bytes; longer ones MySQL's server refuses */

int mysql_sha2_key(const char *pw, size_t pw_n, uint8_t key[MYSQL_SHA2_BYTES], struct err *e)
	__attribute__((warn_unused_result));
int mysql_sha2_verifier(const uint8_t key[MYSQL_SHA2_BYTES], uint8_t verifier[MYSQL_SHA2_BYTES],
	struct err *e) __attribute__((warn_unused_result));
/* What a client answers to the scramble. (An empty password is answered with nothing, or one 0.) */
int mysql_sha2_proof(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t key[MYSQL_SHA2_BYTES], uint8_t proof[MYSQL_SHA2_BYTES], struct err *e)
	__attribute__((warn_unused_result));
/* Is the proof of verifier's password? If so, key_r is what it gave away; else it is wiped. *ok_r
 * is false unless 0 is returned. */
int mysql_sha2_check(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t verifier[MYSQL_SHA2_BYTES], const uint8_t proof[MYSQL_SHA2_BYTES],
	uint8_t key_r[MYSQL_SHA2_BYTES], bool *ok_r, struct err *e)
	__attribute__((warn_unused_result));

/* ---- the stored form ---- */

bool mysql_sha2_is_secret(const char *s, size_t n);
/* SLOW. A stored form with a fresh salt. ERR_CONFIG: the password is too long. */
int mysql_sha2_secret_make(const char *pw, size_t pw_n, char out[MYSQL_SHA2_SECRET_LEN + 1],
	struct err *e) __attribute__((warn_unused_result));
/* "0x" and the secret in hexadecimal, as SHOW CREATE USER prints it with
 * print_identified_with_as_hex: its salt may hold line ends and the like. False: it is no such. */
bool mysql_sha2_unhex(const char *s, size_t n, char out[MYSQL_SHA2_SECRET_LEN]);
/* SLOW: 5000 rounds take about 3 ms. Is pw the password of the stored secret? Longer ones than
 * MYSQL_SHA2_PASSWORD_MAX never are. *ok_r is false unless 0 is returned. Asserts
 * mysql_sha2_is_secret(). */
int mysql_sha2_secret_check(const char *secret, size_t secret_n, const char *pw, size_t pw_n,
	bool *ok_r, struct err *e) __attribute__((warn_unused_result));

/* The same of sha256_password: "$5$" + salt + "$" + hash, always 5000 rounds. */
#define MYSQL_SHA256_SECRET_LEN 67
bool mysql_sha256_is_secret(const char *s, size_t n);
int mysql_sha256_secret_check(const char *secret, size_t secret_n, const char *pw, size_t pw_n,
	bool *ok_r, struct err *e) __attribute__((warn_unused_result));

/* ---- RSA (OAEP with SHA-1, as MySQL has it) ---- */

#define MYSQL_RSA_MAX_BYTES 1024 /* of an encrypted password: keys of at most 8192 bits */
#define MYSQL_RSA_PEM_MAX 4096   /* bytes of a server's public key */

struct mysql_rsa; /* a key of ours; any number of threads may use it at a time */
/* SLOW: 2048 bits take some 100 ms. */
int mysql_rsa_new(struct mysql_rsa **k_r, struct err *e) __attribute__((warn_unused_result));
void mysql_rsa_free(struct mysql_rsa **k); /* *k may be NULL */
/* The public key as PEM; valid as long as k. */
const char *mysql_rsa_pem(const struct mysql_rsa *k, size_t *n_r);
/* The password (NUL-terminated; its length without the NUL in *pw_n_r) that a client encrypted with
 * our public key. *ok_r is false when it is not one: treat that as a wrong password. */
int mysql_rsa_decrypt(const struct mysql_rsa *k, const uint8_t *in, size_t in_n,
	const uint8_t scramble[MYSQL_SCRAMBLE_BYTES], char *pw, size_t pw_size, size_t *pw_n_r,
	bool *ok_r, struct err *e) __attribute__((warn_unused_result));
/* The password for a server that sent its public key. ERR_SERVER_PROTOCOL when that is no RSA key
 * or cannot take so long a password. */
int mysql_rsa_encrypt(const char *pem, size_t pem_n, const char *pw, size_t pw_n,
	const uint8_t scramble[MYSQL_SCRAMBLE_BYTES], uint8_t out[MYSQL_RSA_MAX_BYTES],
	size_t *out_n_r, struct err *e) __attribute__((warn_unused_result));
#endif
