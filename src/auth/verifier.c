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

/* A keyed hash, as above: another secret is another entry. */
static const char *mysql_scope(const char *secret, size_t n, char *out, size_t out_n)
{
	snprintf(out, out_n, "mysql %016llx", (unsigned long long)hash64(secret, n));
	return out;
}

bool verifier_mysql_get(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, int64_t now_us, uint8_t out[MYSQL_SHA2_BYTES])
{
	char scope[48];
	const struct secrets_entry *c = secrets_get(
		cache, mysql_scope(secret, secret_n, scope, sizeof scope), user, now_us);

	if (c == NULL || c->secret_n != MYSQL_SHA2_BYTES)
		return false;
	memcpy(out, c->secret, MYSQL_SHA2_BYTES);
	return true;
}

void verifier_mysql_put(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, const uint8_t key[MYSQL_SHA2_BYTES], int64_t now_us)
{
	char scope[48];
	uint8_t v[MYSQL_SHA2_BYTES];

	if (mysql_sha2_verifier(key, v, NULL) < 0)
		return; /* the next login sends its password again */
	secrets_put(cache, mysql_scope(secret, secret_n, scope, sizeof scope), user,
		(const char *)v, sizeof v, now_us, TTL_US);
	mem_wipe(v, sizeof v);
}

bool verifier_mysql_fits(struct secrets *cache, const char *user, const char *secret,
	size_t secret_n, const char *pw, size_t pw_n, int64_t now_us)
{
	uint8_t known[MYSQL_SHA2_BYTES], v[MYSQL_SHA2_BYTES];
	bool ok = verifier_mysql_get(cache, user, secret, secret_n, now_us, known) &&
		  mysql_sha2_key(pw, pw_n, v, NULL) == 0 && mysql_sha2_verifier(v, v, NULL) == 0 &&
		  mem_equal_ct(v, known, sizeof v);

	mem_wipe(v, sizeof v);
	mem_wipe(known, sizeof known);
	return ok;
}
