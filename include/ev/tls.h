/* tls - contexts made once per set of parameters and shared by every connection with them. Ignorant
 * of configuration files: takes a struct of parameters. Building: control thread; using: any thread
 * (reference counted). */
#ifndef EV_TLS_H
#define EV_TLS_H
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_CA, TLS_VERIFY_FULL };

struct tls_params {  /* strings may be NULL or ""; meanings as PgBouncer's {client,server}_tls_*
			options */
	bool server; /* we accept (client-facing side) */
	enum tls_verify verify; /* accepting side: CA and FULL both demand a client certificate */
	/* accepting side: ask for one, but do not demand it (sslmode allow..require with a CA
	 * file) */
	bool request_cert;
	const char *ca_file, *cert_file, *key_file;
	const char *protocols; /* "secure", "all", "legacy", "tlsv1.2,tlsv1.3", ... */
	const char *ciphers, *tls13_ciphers, *ecdhcurve, *dheparams;
	const char *
		/* "postgresql": required of direct TLS clients, offered on the connecting side;
		 * NULL none */
		alpn;
};
struct tls_ctx;
/* Reads the files; *ctx_r holds one reference. Errors name the file and OpenSSL's reason.
 * Connecting side keeps sessions for resumption. */
int tls_ctx_new(const struct tls_params *p, struct tls_ctx **ctx_r, struct err *e)
	__attribute__((warn_unused_result));
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx *c); /* NULL allowed */
/* When the certificate that c shows ends, in seconds since 1970. False: it has none. */
bool tls_ctx_expiry(const struct tls_ctx *c, int64_t *at_s_r);

/* What libevent's bufferevents need to accept a connection: an SSL * that they free. Keep c as long
 * as it may be used. NULL with e. */
void *tls_accept_ssl(struct tls_ctx *c, struct err *e);
/* The same to connect; server_name is for SNI and verify-full. c need not be kept. */
void *tls_connect_ssl(struct tls_ctx *c, const char *server_name, struct err *e);
/* Why such a connection failed: what OpenSSL thinks of the peer's certificate, or its error code.
 * False: it knows of nothing wrong. */
bool tls_trouble(void *ssl, unsigned long code, char *out, size_t n);

/* What a finished handshake says. ssl is stream.ssl. */
const char *tls_version(void *ssl); /* "TLSv1.3" */
const char *tls_cipher(void *ssl);
bool tls_alpn_is(void *ssl, const char *proto);
/* Peer certificate's subject CN (accepting side, verified): length, or 0 when there is none; a CN
 * with an embedded NUL counts as none. */
size_t tls_peer_cn(void *ssl, char *out, size_t n);
/* Subject or issuer of the peer's certificate on one line, "/C=../CN=..", as MySQL compares them.
 * False: there is none, or it is longer. */
bool tls_peer_name(void *ssl, bool issuer, char *out, size_t n);
bool tls_peer_verified(void *ssl);
/* When the peer's certificate ends, in seconds since 1970. False: there is none. */
bool tls_peer_expiry(void *ssl, int64_t *at_s_r);
/* RFC 5929 tls-server-end-point data of the server's certificate: ours (accepting) or the peer's
 * (connecting). Returns its length (<= 64), or 0. */
size_t tls_server_end_point(void *ssl, bool accepting, uint8_t out[64]);
/* SHA-256 of our own certificate (accepting side). False: there is none. */
bool tls_own_cert_sha256(void *ssl, uint8_t out[32]);
/* The directories that OpenSSL itself reads: of its configuration, of its modules. NULL: no more.
 * Borrowed. */
const char *tls_library_dir(unsigned i);
#endif
