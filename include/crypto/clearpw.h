/* clearpw - a password sent in clear against what is stored of one: plain text, "md5...", or
 * "SCRAM-SHA-256$...". Pure. Any thread. */
#ifndef CRYPTO_CLEARPW_H
#define CRYPTO_CLEARPW_H
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Is pw (not empty; the empty one never is right) the password of user, whose secret is a string?
 * In a time that does not tell where texts differ, nor how long the secret is. SLOW for a SCRAM
 * secret (PBKDF2). 0 and *ok_r, or -1 on internal failure or a malformed secret (then *ok_r is
 * false). */
int clearpw_check(const char *secret, const char *user, const char *pw, size_t pw_n, bool *ok_r,
	struct err *e) __attribute__((warn_unused_result));
#endif
