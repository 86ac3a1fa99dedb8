/* tls_int - what tls.c and tls_session.c give to stream_tls.c and to each other. */
#ifndef EV_TLS_INT_H
#define EV_TLS_INT_H
#include "ev/tls.h"

#include <openssl/ssl.h>

struct tls_sessions;

/* tls.c */
/* A connection's SSL with its own reference to c. server_name: connecting side, see
 * stream_tls_connect(). */
SSL *tls_ssl_new(struct tls_ctx *c, const char *server_name, struct err *e);
void tls_ssl_free(SSL *ssl);
bool tls_ctx_is_server(const struct tls_ctx *c);
/* Why the last OpenSSL call on ssl failed, as text for logs and clients; empties OpenSSL's
 * queue. */
void tls_reason(SSL *ssl, char *out, size_t n);

/* tls_session.c: sessions of servers, for resumption. Any thread. */
struct tls_sessions *tls_sessions_new(void);
void tls_sessions_free(struct tls_sessions *ts);
/* Offers a kept session of that server, and keeps what it sends. */
void tls_sessions_use(struct tls_sessions *ts, SSL *ssl, const char *server_name);
int tls_sessions_on_new(struct tls_sessions *ts, SSL *ssl, SSL_SESSION *sess);
#endif
