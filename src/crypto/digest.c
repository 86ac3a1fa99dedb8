/* digest - thin calls into OpenSSL's EVP that turn its refusals into struct err. Any thread. */
#include "crypto/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static int refused(struct err *e, const char *what)
{
	return err_set(e, ERR_INTERNAL, "%s is not available", what);
}

int digest_sha256(const void *p, size_t n, uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
{
	if (EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) != 1)
		return refused(e, "SHA-256");
	return 0;
}

static int hash(const EVP_MD *md, const char *name, const void *a, size_t a_n, const void *b,
	size_t b_n, uint8_t *out, struct err *e)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c != NULL && EVP_DigestInit_ex(c, md, NULL) == 1 &&
		 (a_n == 0 || EVP_DigestUpdate(c, a, a_n) == 1) &&
		 (b_n == 0 || EVP_DigestUpdate(c, b, b_n) == 1) &&
		 EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c); /* wipes its state */
	return ok ? 0 : refused(e, name);
}

int digest_md5(const void *a, size_t a_n, const void *b, size_t b_n, uint8_t out[DIGEST_MD5_BYTES],
	struct err *e)
{
	return hash(EVP_md5(), "MD5 (FIPS mode?)", a, a_n, b, b_n, out, e);
}

int digest_sha1(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA1_BYTES], struct err *e)
{
	return hash(EVP_sha1(), "SHA-1 (FIPS mode?)", a, a_n, b, b_n, out, e);
}

int digest_sha256_of(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
{
	return hash(EVP_sha256(), "SHA-256", a, a_n, b, b_n, out, e);
}

int digest_sha512(const void *a, size_t a_n, const void *b, size_t b_n,
	uint8_t out[DIGEST_SHA512_BYTES], struct err *e)
{
	return hash(EVP_sha512(), "SHA-512", a, a_n, b, b_n, out, e);
}

int digest_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
	uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
{
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_n, p, n, out,
		    DIGEST_SHA256_BYTES, NULL) == NULL)
		return refused(e, "HMAC-SHA-256");
	return 0;
}

int digest_pbkdf2_sha256(const void *pw, size_t pw_n, const void *salt, size_t salt_n,
	uint32_t iterations, uint8_t out[DIGEST_SHA256_BYTES], struct err *e)
{
	if (pw_n > INT_MAX || salt_n > INT_MAX || iterations < 1 || iterations > INT_MAX)
		return err_set(e, ERR_INTERNAL, "PBKDF2 parameters are out of range");
	if (PKCS5_PBKDF2_HMAC(pw, (int)pw_n, salt, (int)salt_n, (int)iterations, EVP_sha256(),
		    DIGEST_SHA256_BYTES, out) != 1)
		return refused(e, "PBKDF2-HMAC-SHA-256");
	return 0;
}

int digest_random(void *out, size_t n, struct err *e)
{
	if (n > INT_MAX || RAND_bytes(out, (int)n) != 1)
		return refused(e, "the random number generator");
	return 0;
}
