/* verifier - what checks a proof but is not what is stored; one thread: that of the cache.
 *
 * A SCRAM verifier for a user whose password is known in clear: derived once (PBKDF2 is slow on
 * purpose), then taken from the worker's cache.
 *
 * A caching_sha2_password verifier for a user whose stored secret ("$A$005$...") can only check a
 * password in clear: kept from one such login for the next ones, as MySQL's servers do. */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H
#include "auth/secrets.h"
#include "crypto/mysql_sha2.h"

#define VERIFIER_TEXT_MAX SCRAM_SECRET_TEXT_MAX

/* "SCRAM-SHA-256$..." into out (VERIFIER_TEXT_MAX bytes; wipe it); returns out, or NULL on an
 * internal failure. A changed password is another cache entry. */
const char *verifier_of_plain(struct secrets *cache, const char *user, const char *pw, size_t pw_n,
	uint32_t iterations, int64_t now_us, char *out, size_t out_n);
/* False: none is known for this user with this secret; the client must send its password. */
bool verifier_mysql_get(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, int64_t now_us, uint8_t out[MYSQL_SHA2_BYTES]);
/* Is this password the one that such a login had? False: not known. */
bool verifier_mysql_fits(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, const char *pw, size_t pw_n, int64_t now_us);
/* key: SHA256(password) of a login that has succeeded. */
void verifier_mysql_put(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, const uint8_t key[MYSQL_SHA2_BYTES], int64_t now_us);
#endif
