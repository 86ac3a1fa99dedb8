/* mysql_rsa - passwords encrypted with RSA, for logins without TLS: xored with the scramble, then
 * RSA-OAEP. We are the server towards clients (own key) and the client towards servers (their key).
 * Ignorant of packets. Any thread. */
#include "crypto/mysql_sha2.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#define OWN_KEY_BITS 2048

struct mysql_rsa {
	EVP_PKEY *key;
	char *pem;
	size_t pem_n;
};

static int own_failed(struct err *e, const char *what)
{
	ERR_clear_error();
	return err_set(e, ERR_INTERNAL, "cannot %s an RSA key", what);
}

static int put_pem(struct mysql_rsa *k)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;

	if (b && PEM_write_bio_PUBKEY(b, k->key) == 1) {
		long n = BIO_get_mem_data(b, &p);
		k->pem = n > 0 ? mem_strndup(MEM_AUTH, p, (size_t)n) : NULL;
		k->pem_n = n > 0 ? (size_t)n : 0;
	}
	BIO_free(b);
	return k->pem ? 0 : -1;
}

int mysql_rsa_new(struct mysql_rsa **k_r, struct err *e)
{
	struct mysql_rsa *k = mem_alloc(MEM_AUTH, sizeof *k);

	if (k == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	k->key = EVP_RSA_gen(OWN_KEY_BITS);
	if (k->key == NULL || put_pem(k) < 0) {
		mysql_rsa_free(&k);
		return own_failed(e, "make");
	}
	*k_r = k;
	return 0;
}

void mysql_rsa_free(struct mysql_rsa **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_free((*k)->key);
	mem_free(MEM_AUTH, (*k)->pem);
	mem_free(MEM_AUTH, *k);
	*k = NULL;
}

const char *mysql_rsa_pem(const struct mysql_rsa *k, size_t *n_r)
{
	*n_r = k->pem_n;
	return k->pem;
}

static void mix(uint8_t *p, size_t n, const uint8_t *scramble)
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= scramble[i % MYSQL_SCRAMBLE_BYTES];
}

static bool oaep(EVP_PKEY_CTX *c)
{
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1;
}

int mysql_rsa_decrypt(const struct mysql_rsa *k, const uint8_t *in, size_t in_n,
	const uint8_t scramble[MYSQL_SCRAMBLE_BYTES], char *pw, size_t pw_size, size_t *pw_n_r,
	bool *ok_r, struct err *e)
{
	uint8_t clear[MYSQL_RSA_MAX_BYTES];
	size_t n = sizeof clear;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->key, NULL);

	*ok_r = false;
	if (c == NULL || EVP_PKEY_decrypt_init(c) != 1 || !oaep(c)) {
		EVP_PKEY_CTX_free(c);
		return own_failed(e, "use");
	}
	if (EVP_PKEY_decrypt(c, clear, &n, in, in_n) == 1 && n > 0 && n <= pw_size) {
		mix(clear, n, scramble);
		/* exactly one NUL, at the end */
		*ok_r = memchr(clear, '\0', n) == clear + n - 1;
	}
	if (*ok_r) {
		memcpy(pw, clear, n);
		*pw_n_r = n - 1;
	}
	ERR_clear_error();
	EVP_PKEY_CTX_free(c);
	mem_wipe(clear, sizeof clear);
	return 0;
}

static int bad_key(struct err *e, const char *why)
{
	ERR_clear_error();
	return err_set(e, ERR_SERVER_PROTOCOL, "the server's RSA public key %s", why);
}

static EVP_PKEY *read_key(const char *pem, size_t n)
{
	if (n == 0 || n > MYSQL_RSA_PEM_MAX)
		return NULL;
	BIO *b = BIO_new_mem_buf(pem, (int)n);
	EVP_PKEY *key = b ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL;

	BIO_free(b);
	if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
			   EVP_PKEY_get_size(key) > MYSQL_RSA_MAX_BYTES)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

int mysql_rsa_encrypt(const char *pem, size_t pem_n, const char *pw, size_t pw_n,
	const uint8_t scramble[MYSQL_SCRAMBLE_BYTES], uint8_t out[MYSQL_RSA_MAX_BYTES],
	size_t *out_n_r, struct err *e)
{
	uint8_t clear[MYSQL_RSA_MAX_BYTES] = { 0 };
	EVP_PKEY *key = read_key(pem, pem_n);
	int rc = -1;

	if (key == NULL)
		return bad_key(e, "is malformed");
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	if (pw_n < sizeof clear) {
		memcpy(clear, pw, pw_n);
		mix(clear, pw_n + 1, scramble);
		*out_n_r = MYSQL_RSA_MAX_BYTES;
		if (c && EVP_PKEY_encrypt_init(c) == 1 && oaep(c) &&
			EVP_PKEY_encrypt(c, out, out_n_r, clear, pw_n + 1) == 1)
			rc = 0;
	}
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	mem_wipe(clear, sizeof clear);
	return rc < 0 ? bad_key(e, "cannot encrypt so long a password") : 0;
}
