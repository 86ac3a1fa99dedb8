/* mysql_ed25519: signatures under the public keys that MariaDB 10.11 stored. */
#include "crypto/b64.h"
#include "crypto/mysql_ed25519.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

static const uint8_t CHALLENGE[32] = "abcdefghijklmnopqrstuvwxyz01234";

static bool verify(const char *stored, const uint8_t sig[64], const uint8_t challenge[32])
{
	uint8_t pub[32];
	char text[45];
	size_t n;

	memcpy(text, stored, 43);
	memcpy(text + 43, "=", 2); /* MariaDB leaves the padding off */
	cr_assert_eq(b64_decode(text, 44, pub, sizeof pub, &n), 0);
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, n);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(c, sig, 64, challenge, 32) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return ok;
}

/* mysql.global_priv of MariaDB 10.11, IDENTIFIED VIA ed25519 USING PASSWORD(...). Both signs of x
 * are among them. */
static const struct {
	const char *pw, *stored;
} USERS[] = { { "app", "A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw" },
	{ "S3cret!", "mRpHzoirReJM3Po6FU9nr/sJwM8iZKwB0j/vOzAODM8" },
	{ "0123456789abcdef0123456789abcdef", "I7xUkSwebpLEqGglyGfif/3FVb/71CRPF6Jqv//ull0" },
	{ "eins", "+KKS6YI1VtACK4rnLw4CJuU1yaThNVsQ/CrswPy5ZLw" },
	{ "zwei", "VH4o8FFiL0a0wXnP+ZxxQlBFI2cNgzpg7nWW9FVrf+0" },
	{ "drei", "UmYmcsmeFUJFXEPd6qepBVWyNMYzfu6upbdaXgQ4ZOk" },
	{ "ein ziemlich langes Kennwort, mehr als zweiunddreissig Zeichen",
		"TbEftRIk/jlixy5Zco2L8cMaeKB2qY/2dNvZgsNyRd4" } };

Test(mysql_ed25519, signs_for_what_the_server_stored)
{
	uint8_t sig[64];
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof USERS / sizeof USERS[0]; i++) {
		const char *pw = USERS[i].pw;

		cr_assert_eq(
			mysql_ed25519_sign(pw, strlen(pw), CHALLENGE, sig, &e), 0, "%s", e.msg);
		cr_assert(verify(USERS[i].stored, sig, CHALLENGE), "%s", pw);
		sig[63] ^= 1;
		cr_assert(!verify(USERS[i].stored, sig, CHALLENGE));
	}
}

/* The nonce is fresh each time, and no two signatures share it. */
Test(mysql_ed25519, nonces_differ)
{
	uint8_t a[64], b[64];
	struct err e = { 0 };

	cr_assert_eq(mysql_ed25519_sign("app", 3, CHALLENGE, a, &e), 0);
	cr_assert_eq(mysql_ed25519_sign("app", 3, CHALLENGE, b, &e), 0);
	cr_assert_arr_neq(a, b, 32);
	cr_assert_arr_neq(a + 32, b + 32, 32);
}
