/* mysql_parsec: signatures under the public key that MariaDB 11.8 stored. */
#include "crypto/b64.h"
#include "crypto/mysql_parsec.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

/* mysql.global_priv, IDENTIFIED VIA parsec USING PASSWORD('app'):
 * P0:pgZbhzfltyOBTXC1ubi12N3z:DXcaRnIolA4XZIBXrIsv8qeKAlPsn3GAZnMOyxWRNXE */
#define SALT "pgZbhzfltyOBTXC1ubi12N3z"
#define PUBLIC "DXcaRnIolA4XZIBXrIsv8qeKAlPsn3GAZnMOyxWRNXE="

static const uint8_t CHALLENGE[32] = "abcdefghijklmnopqrstuvwxyz01234";

static bool verify(const uint8_t reply[96])
{
	uint8_t pub[32], msg[64];
	size_t n;

	cr_assert_eq(b64_decode(PUBLIC, strlen(PUBLIC), pub, sizeof pub, &n), 0);
	memcpy(msg, CHALLENGE, 32);
	memcpy(msg + 32, reply, 32);
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, n);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(c, reply + 32, 64, msg, sizeof msg) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return ok;
}

static void salt_of_the_server(uint8_t salt[MYSQL_PARSEC_SALT_BYTES])
{
	size_t n;

	salt[0] = 'P';
	salt[1] = 0;
	cr_assert_eq(b64_decode(SALT, strlen(SALT), salt + 2, 18, &n), 0);
	cr_assert_eq(n, 18);
}

Test(mysql_parsec, signs_for_what_the_server_stored)
{
	uint8_t salt[MYSQL_PARSEC_SALT_BYTES], reply[MYSQL_PARSEC_REPLY_BYTES];
	struct err e = { 0 };

	salt_of_the_server(salt);
	cr_assert_eq(mysql_parsec_reply("app", 3, CHALLENGE, salt, sizeof salt, reply, &e), 0);
	cr_assert(verify(reply));
	cr_assert_eq(mysql_parsec_reply("apq", 3, CHALLENGE, salt, sizeof salt, reply, &e), 0);
	cr_assert(!verify(reply));
}

Test(mysql_parsec, hostile_salts)
{
	uint8_t salt[MYSQL_PARSEC_SALT_BYTES + 1] = { 0 }, reply[MYSQL_PARSEC_REPLY_BYTES];
	struct err e = { 0 };

	salt_of_the_server(salt);
	cr_assert_lt(mysql_parsec_reply("x", 1, CHALLENGE, salt, 19, reply, &e), 0);
	cr_assert_lt(mysql_parsec_reply("x", 1, CHALLENGE, salt, 21, reply, &e), 0);
	cr_assert_lt(mysql_parsec_reply("x", 1, CHALLENGE, salt, 0, reply, &e), 0);
	salt[1] = 4;
	cr_assert_lt(mysql_parsec_reply("x", 1, CHALLENGE, salt, 20, reply, &e), 0);
	cr_assert_eq(e.code, ERR_SERVER_PROTOCOL);
	salt[1] = 0;
	salt[0] = 'Q';
	cr_assert_lt(mysql_parsec_reply("x", 1, CHALLENGE, salt, 20, reply, &e), 0);
}
