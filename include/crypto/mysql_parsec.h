/* mysql_parsec - the proof of MariaDB's parsec (11.6 and later): an Ed25519 signature of both
 * sides' challenges under a key derived from the password by PBKDF2. Any thread.
 * Source: MariaDB docs, Authentication Plugin - PARSEC; MDEV-32618. */
#ifndef CRYPTO_MYSQL_PARSEC_H
#define CRYPTO_MYSQL_PARSEC_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYSQL_PARSEC_CHALLENGE_BYTES 32
#define MYSQL_PARSEC_SALT_BYTES 20 /* 'P', a number of iterations, 18 bytes of salt */
#define MYSQL_PARSEC_REPLY_BYTES 96

/* SLOW: PBKDF2 with 1024 to 8192 rounds. salt is what the server sent; ERR_SERVER_PROTOCOL when it
 * is malformed or asks for more rounds than MariaDB's own clients grant. */
int mysql_parsec_reply(const char *pw, size_t pw_n,
	const uint8_t challenge[MYSQL_PARSEC_CHALLENGE_BYTES], const uint8_t *salt, size_t salt_n,
	uint8_t reply[MYSQL_PARSEC_REPLY_BYTES], struct err *e) __attribute__((warn_unused_result));
/* SLOW. Is pub the public key of this password with this salt (both as mysql.user holds them)?
 * *ok_r is false unless 0 is returned. */
int mysql_parsec_check(const uint8_t salt[MYSQL_PARSEC_SALT_BYTES], const uint8_t pub[32],
	const char *pw, size_t pw_n, bool *ok_r, struct err *e) __attribute__((warn_unused_result));
#endif
