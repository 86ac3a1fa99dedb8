/* cert_help - certificates for tests, made on the spot with OpenSSL. */
#ifndef TEST_CERT_HELP_H
#define TEST_CERT_HELP_H
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cert {
	EVP_PKEY *key;
	X509 *x;
	char cert_file[64], key_file[64];
};

static inline void cert_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX v;
	X509V3_set_ctx(&v, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &v, nid, value);
	cr_assert_not_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

static inline FILE *cert_temp(char name[64], const char *suffix)
{
	snprintf(name, 64, "/tmp/weirpool-test-XXXXXX%s", suffix);
	int fd = mkstemps(name, (int)strlen(suffix));
	cr_assert(fd >= 0);
	return fdopen(fd, "w");
}

/* cn of cn_n bytes (it may hold a NUL); san may be NULL; ca NULL: self-signed, a CA. password NULL:
 * none. */
static inline void cert_make(struct cert *c, const struct cert *ca, const char *cn, size_t cn_n,
	const char *san, const EVP_MD *md, const char *password)
{
	static long serial = 1;
	X509 *issuer;
	FILE *f;

	c->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	c->x = X509_new();
	X509_set_version(c->x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c->x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c->x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c->x), 86400);
	X509_set_pubkey(c->x, c->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c->x), "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, (int)cn_n, -1, 0);
	issuer = ca ? ca->x : c->x;
	X509_set_issuer_name(c->x, X509_get_subject_name(issuer));
	cert_ext(c->x, issuer, NID_basic_constraints, ca ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		cert_ext(c->x, issuer, NID_subject_alt_name, san);
	cr_assert_gt(X509_sign(c->x, ca ? ca->key : c->key, md), 0);

	f = cert_temp(c->cert_file, ".crt");
	PEM_write_X509(f, c->x);
	fclose(f);
	f = cert_temp(c->key_file, ".key");
	PEM_write_PrivateKey(f, c->key, password ? EVP_aes_256_cbc() : NULL,
		(const unsigned char *)password, password ? (int)strlen(password) : 0, NULL, NULL);
	fclose(f);
}

static inline void cert_drop(struct cert *c)
{
	unlink(c->cert_file);
	unlink(c->key_file);
	X509_free(c->x);
	EVP_PKEY_free(c->key);
}
#endif
