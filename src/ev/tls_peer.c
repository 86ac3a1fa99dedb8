/* tls_peer - what a finished handshake says about the connection and its peer. Own thread of the
 * connection. */
#include "ev/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

const char *tls_version(void *ssl)
{
	return SSL_get_version(ssl);
}

const char *tls_cipher(void *ssl)
{
	return SSL_get_cipher_name(ssl);
}

bool tls_alpn_is(void *ssl, const char *proto)
{
	const unsigned char *p;
	unsigned n;

	SSL_get0_alpn_selected(ssl, &p, &n);
	return n > 0 && n == strlen(proto) && memcmp(p, proto, n) == 0;
}

size_t tls_peer_cn(void *ssl, char *out, size_t n)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	unsigned char *text = NULL;
	size_t len = 0;

	if (cert == NULL || n == 0)
		return 0;
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return 0;
	int k = ASN1_STRING_to_UTF8(
		&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	/* A NUL inside would let "admin\0.example" pass for "admin". */
	if (k > 0 && (size_t)k < n && memchr(text, 0, (size_t)k) == NULL) {
		memcpy(out, text, (size_t)k);
		out[k] = '\0';
		len = (size_t)k;
	}
	OPENSSL_free(text);
	return len;
}

bool tls_peer_name(void *ssl, bool issuer, char *out, size_t n)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	if (cert == NULL)
		return false;
	char *line = X509_NAME_oneline(
		issuer ? X509_get_issuer_name(cert) : X509_get_subject_name(cert), NULL, 0);
	size_t len = line ? strlen(line) : n;

	if (len < n)
		memcpy(out, line, len + 1);
	OPENSSL_free(line);
	return len < n;
}

bool tls_peer_expiry(void *ssl, int64_t *at_s_r)
{
	struct tm tm;
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return false;
	*at_s_r = (int64_t)timegm(&tm);
	return true;
}

bool tls_peer_verified(void *ssl)
{
	return (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) && SSL_get0_peer_certificate(ssl) &&
	       SSL_get_verify_result(ssl) == X509_V_OK;
}

size_t tls_server_end_point(void *ssl, bool accepting, uint8_t out[64])
{
	X509 *cert = accepting ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	const EVP_MD *md;
	unsigned n = 0;
	int md_nid;

	if (cert == NULL || !X509_get_signature_info(cert, &md_nid, NULL, NULL, NULL))
		return 0;
	if (md_nid == NID_md5 || md_nid == NID_sha1)
		md_nid = NID_sha256; /* RFC 5929 section 4.1 */
	md = EVP_get_digestbynid(md_nid);
	if (md == NULL || EVP_MD_get_size(md) > 64 || !X509_digest(cert, md, out, &n))
		return 0;
	return n;
}

bool tls_own_cert_sha256(void *ssl, uint8_t out[32])
{
	X509 *cert = SSL_get_certificate(ssl);
	unsigned n = 0;

	return cert && X509_digest(cert, EVP_sha256(), out, &n) && n == 32;
}
