/* mysql_ed25519 - the proof of MariaDB's client_ed25519: an Ed25519 signature of the server's
 * 32-byte challenge whose secret scalar is the first half of SHA512(password), clamped, where the
 * standard hashes a 32-byte seed. The server knows the public key only. Pure. Any thread.
 * Sources: RFC 8032 section 5.1; RFC 7748 section 4.1; MariaDB docs, Authentication Plugin -
 * ed25519. */
#ifndef CRYPTO_MYSQL_ED25519_H
#define CRYPTO_MYSQL_ED25519_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSQL_ED25519_KEY_BYTES 32
#define MYSQL_ED25519_SIG_BYTES 64
#define MYSQL_ED25519_CHALLENGE_BYTES 32

/* Signs the challenge. SLOW-ish: about 0.5 ms. */
int mysql_ed25519_sign(const char *pw, size_t pw_n,
	const uint8_t challenge[MYSQL_ED25519_CHALLENGE_BYTES],
	uint8_t sig[MYSQL_ED25519_SIG_BYTES], struct err *e) __attribute__((warn_unused_result));
/* Is pub, as mysql.user holds it, the public key of this password? *ok_r is false unless 0 is
 * returned. */
int mysql_ed25519_check(const uint8_t pub[MYSQL_ED25519_KEY_BYTES], const char *pw, size_t pw_n,
	bool *ok_r, struct err *e) __attribute__((warn_unused_result));
#endif
