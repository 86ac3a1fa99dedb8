/* secrets - cache of what auth_query said, positive and negative, per (scope, user), with expiry
 * and a bounded number of entries (the least recently used goes first). Wipes what it drops.
 * Ignorant of how secrets are fetched. One thread: each worker has its own. */
#ifndef AUTH_SECRETS_H
#define AUTH_SECRETS_H
#include "auth/method.h"
#include "base/list.h"
#include "crypto/scram.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secrets;
struct secrets_entry {
	const char *secret; /* NULL: negative, the user does not exist or may not log in */
	size_t secret_n;
	enum secret_kind kind;
	int64_t until_us;          /* monotonic */
	bool has_scram, has_keys;  /* which of the following are set */
	struct scram_secret scram; /* parsed, or derived from a plain secret */
	struct scram_keys keys;    /* recovered from a client's proof */
};
struct secrets *secrets_new(size_t max_n)
	__attribute__((warn_unused_result)); /* NULL: out of memory */
void secrets_free(struct secrets **s);
/* scope: the database where auth_query runs. Valid until the next call that changes the cache.
 * NULL: ask again. The entry may be completed by the caller (scram, keys). */
struct secrets_entry *secrets_get(
	struct secrets *s, const char *scope, const char *user, int64_t now_us);
/* Stores a copy; replaces. secret NULL: no such user; "" (with secret_n 0): the user exists and has
 * no password, or an expired one. ttl_us <= 0: forgets. When out of memory it stores nothing. */
void secrets_put(struct secrets *s, const char *scope, const char *user, const char *secret,
	size_t secret_n, int64_t now_us, int64_t ttl_us);
/* After a failed login with a cached secret, or a server's refusal: the next login asks again. */
void secrets_forget(struct secrets *s, const char *scope, const char *user);
void secrets_clear(struct secrets *s);
size_t secrets_expire(struct secrets *s, int64_t now_us); /* drops the stale ones; how many */
size_t secrets_n(const struct secrets *s);
#endif
