/* mysql_sha2 - the fast proof of caching_sha2_password. Ignorant of packets and caches. Any
 * thread. */
#include "crypto/mysql_sha2.h"

#include "base/mem.h"
#include "crypto/digest.h"

int mysql_sha2_key(const char *pw, size_t pw_n, uint8_t key[MYSQL_SHA2_BYTES], struct err *e)
{
	return digest_sha256(pw, pw_n, key, e);
}

int mysql_sha2_verifier(
	const uint8_t key[MYSQL_SHA2_BYTES], uint8_t verifier[MYSQL_SHA2_BYTES], struct err *e)
{
	return digest_sha256(key, MYSQL_SHA2_BYTES, verifier, e);
}

/* key xor SHA256(verifier + scramble): turns the key into the proof, and a proof into the key. */
static int mask(const uint8_t *scramble, const uint8_t *verifier, const uint8_t *in, uint8_t *out,
	struct err *e)
{
	uint8_t m[MYSQL_SHA2_BYTES];

	if (digest_sha256_of(verifier, MYSQL_SHA2_BYTES, scramble, MYSQL_SCRAMBLE_BYTES, m, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof m; i++)
		out[i] = in[i] ^ m[i];
	mem_wipe(m, sizeof m);
	return 0;
}

int mysql_sha2_proof(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t key[MYSQL_SHA2_BYTES], uint8_t proof[MYSQL_SHA2_BYTES], struct err *e)
{
	uint8_t verifier[MYSQL_SHA2_BYTES];

	if (mysql_sha2_verifier(key, verifier, e) < 0)
		return -1;
	return mask(scramble, verifier, key, proof, e);
}

int mysql_sha2_check(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t verifier[MYSQL_SHA2_BYTES], const uint8_t proof[MYSQL_SHA2_BYTES],
	uint8_t key_r[MYSQL_SHA2_BYTES], bool *ok_r, struct err *e)
{
	uint8_t got[MYSQL_SHA2_BYTES];

	*ok_r = false;
	if (mask(scramble, verifier, proof, key_r, e) < 0 || mysql_sha2_verifier(key_r, got, e) < 0)
		return -1;
	*ok_r = mem_equal_ct(got, verifier, sizeof got);
	if (!*ok_r)
		mem_wipe(key_r, MYSQL_SHA2_BYTES);
	return 0;
}
