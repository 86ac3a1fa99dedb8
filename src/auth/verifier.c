/* verifier - see auth/verifier.h. Ignorant of who asks. */
#include "auth/verifier.h"

#include "base/hmap.h"
#include "base/mem.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <string.h>

#define TTL_US INT64_C(3600000000)

const char *verifier_of_plain(struct secrets *cache, const char *user, const char *pw, size_t pw_n,
	uint32_t iterations, int64_t now_us, char *out, size_t out_n)
{
	struct err e = { 0 };
	uint8_t salt[SCRAM_OWN_SALT_BYTES];
	struct scram_secret sec;
	char scope[48];
	/* a keyed hash: what it tells of the password is nothing without this process' key */
	snprintf(scope, sizeof scope, "plain %u %016llx", iterations,
		(unsigned long long)hash64(pw, pw_n));
	struct secrets_entry *c = secrets_get(cache, scope, user, now_us);
	if (c && c->secret && c->secret_n < out_n) {
		memcpy(out, c->secret, c->secret_n);
		out[c->secret_n] = 0;
		return out;
	}
	if (digest_random(salt, sizeof salt, &e) != 0 ||
		scram_secret_from_password(pw, pw_n, salt, sizeof salt, iterations, &sec, &e) !=
			0 ||
		scram_secret_format(&sec, out, out_n) != 0)
		return NULL;
	mem_wipe(&sec, sizeof sec);
	secrets_put(cache, scope, user, out, strlen(out), now_us, TTL_US);
	return out;
}
