/* verifier - a SCRAM verifier for a user whose password is known in clear: derived once (PBKDF2 is
 * slow on purpose), then taken from the worker's cache. One thread: the cache's. */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H
#include "auth/secrets.h"

#define VERIFIER_TEXT_MAX SCRAM_SECRET_TEXT_MAX

/* "SCRAM-SHA-256$..." into out (VERIFIER_TEXT_MAX bytes; wipe it); returns out, or NULL on an
 * internal failure. A changed password is another cache entry. */
const char *verifier_of_plain(struct secrets *cache, const char *user, const char *pw, size_t pw_n,
	uint32_t iterations, int64_t now_us, char *out, size_t out_n);
#endif
