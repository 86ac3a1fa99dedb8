/* mysql_stored - a password in clear against what servers store of one, whatever the plugin. Pure.
 * Any thread.
 *
 * What mysql.user holds for three plugins can check nothing but a password in clear, and cannot be
 * told from a password by its looks alone: the plugin's name stands in front of it here.
 * Sources: MySQL docs, SHA-256 Pluggable Authentication; MariaDB docs, Authentication Plugin -
 * ed25519, Authentication Plugin - PARSEC. */
#ifndef CRYPTO_MYSQL_STORED_H
#define CRYPTO_MYSQL_STORED_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define MYSQL_STORED_MAX 160 /* characters of any of the forms, without a NUL */

/* "sha256_password:$5$...", "ed25519:...", "parsec:P...": well formed behind the colon. */
bool mysql_stored_is_named(const char *s, size_t n);
/* SLOW: up to 10 ms and more, see mysql_sha2_secret_check(). Is pw the password behind secret: one
 * of the above, "$A$...", "*HEX", or the password itself? An empty secret is that of an empty
 * password. *ok_r is false unless 0 is returned. */
int mysql_stored_check(const char *secret, size_t n, const char *pw, size_t pw_n, bool *ok_r,
	struct err *e) __attribute__((warn_unused_result));
/* A secret of the same form that takes as long to check, and is nobody's. out: MYSQL_STORED_MAX + 1
 * bytes. */
void mysql_stored_decoy(const char *like, size_t n, char *out);
#endif
