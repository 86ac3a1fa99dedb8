/* mysql_parsec - PBKDF2 and a standard Ed25519 signature. Ignorant of packets. Any thread. */
#include "crypto/mysql_parsec.h"

#include "base/mem.h"
#include "crypto/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#define KEY_BYTES 32
#define SIG_BYTES 64
#define ITERATIONS_MAX 3 /* a power of two, times 1024 */

static bool derive(const char *pw, size_t pw_n, const uint8_t *salt, uint8_t key[KEY_BYTES])
{
	return pw_n <= INT_MAX &&
	       PKCS5_PBKDF2_HMAC(pw, (int)pw_n, salt + 2, MYSQL_PARSEC_SALT_BYTES - 2,
		       1024 << salt[1], EVP_sha512(), KEY_BYTES, key) == 1;
}

static bool sign(const uint8_t key[KEY_BYTES], const uint8_t *msg, size_t n, uint8_t *sig)
{
	size_t sig_n = SIG_BYTES;
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestSign(c, sig, &sig_n, msg, n) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return ok;
}

int mysql_parsec_reply(const char *pw, size_t pw_n,
	const uint8_t challenge[MYSQL_PARSEC_CHALLENGE_BYTES], const uint8_t *salt, size_t salt_n,
	uint8_t reply[MYSQL_PARSEC_REPLY_BYTES], struct err *e)
{
	uint8_t key[KEY_BYTES], msg[2 * MYSQL_PARSEC_CHALLENGE_BYTES];

	if (salt_n != MYSQL_PARSEC_SALT_BYTES || salt[0] != 'P' || salt[1] > ITERATIONS_MAX)
		return err_set(e, ERR_SERVER_PROTOCOL, "malformed parsec salt from the server");
	/* ours is the first part of the reply, and the second of what is signed */
	if (digest_random(reply, MYSQL_PARSEC_CHALLENGE_BYTES, e) < 0)
		return -1;
	memcpy(msg, challenge, MYSQL_PARSEC_CHALLENGE_BYTES);
	memcpy(msg + MYSQL_PARSEC_CHALLENGE_BYTES, reply, MYSQL_PARSEC_CHALLENGE_BYTES);
	bool ok = derive(pw, pw_n, salt, key) &&
		  sign(key, msg, sizeof msg, reply + MYSQL_PARSEC_CHALLENGE_BYTES);
	mem_wipe(key, sizeof key);
	return ok ? 0 : err_set(e, ERR_INTERNAL, "PBKDF2 or Ed25519 is not available");
}

int mysql_parsec_check(const uint8_t salt[MYSQL_PARSEC_SALT_BYTES], const uint8_t pub[KEY_BYTES],
	const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	uint8_t key[KEY_BYTES], mine[KEY_BYTES];
	size_t n = sizeof mine;

	*ok_r = false;
	if (salt[1] > ITERATIONS_MAX || !derive(pw, pw_n, salt, key))
		return err_set(e, ERR_INTERNAL, "PBKDF2 is not available");
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
	bool made = k && EVP_PKEY_get_raw_public_key(k, mine, &n) == 1 && n == sizeof mine;

	EVP_PKEY_free(k);
	mem_wipe(key, sizeof key);
	*ok_r = made && mem_equal_ct(mine, pub, sizeof mine);
	return made ? 0 : err_set(e, ERR_INTERNAL, "Ed25519 is not available");
}
