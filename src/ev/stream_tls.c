/* stream_tls - TLS on a stream: handshake, records, close. OpenSSL reaches the socket through a BIO
 * of our own, which knows when the socket is empty: with read-ahead a wake-up costs one recv(), not
 * three. Own thread of the stream's loop. */
#include "ev/stream.h"
#include "ev/tls.h"
#include "stream_int.h"
#include "tls_int.h"
#include "loop_int.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

/* A peer that sends records without data (key updates, say) keeps OpenSSL reading: for so long. */
enum { RECV_PER_CALL = 64 };

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *b, char *p, int n)
{
	struct stream *s = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	if (s->recv_left == 0) {
		stream_resume(s);
		s->sock_errno = EAGAIN;
		BIO_set_retry_read(b);
		return -1;
	}
	s->recv_left--;
	r = stream_recv_raw(s, p, (size_t)n);
	if (r < 0 && s->sock_errno == EAGAIN)
		BIO_set_retry_read(b);
	return (int)r;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct stream *s = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	r = stream_send_raw(s, p, (size_t)n);
	if (r < 0 && s->sock_errno == EAGAIN)
		BIO_set_retry_write(b);
	return (int)r;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	struct stream *s = BIO_get_data(b);

	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return s == NULL || s->sock_eof;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static void bio_method_make(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

	if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
		BIO_meth_set_ctrl(m, bio_ctrl))
		bio_method = m;
}

static int tls_start(struct stream *s, struct tls_ctx *ctx, const char *server_name, struct err *e)
{
	bool server = tls_ctx_is_server(ctx);
	BIO *b;

	if (s->fd < 0 || s->closed || s->connecting || s->tls != STREAM_PLAIN)
		return err_set(e, ERR_INTERNAL, "TLS cannot start in this state");
	/* Bytes that came before the handshake were sent by anybody: never to be read as if they
	 * were protected. */
	if (buf_len(&s->in) > 0)
		return err_set(e, server ? ERR_PROTOCOL : ERR_SERVER_PROTOCOL,
			"received unencrypted data after the TLS request");
	if (buf_len(&s->out) > 0)
		return err_set(e, ERR_INTERNAL, "unencrypted data is still to be sent before TLS");
	pthread_once(&bio_once, bio_method_make);
	s->ssl = tls_ssl_new(ctx, server_name, e);
	if (s->ssl == NULL)
		return -1;
	b = bio_method ? BIO_new(bio_method) : NULL;
	if (b == NULL) {
		stream_tls_free(s);
		return err_set(e, ERR_NO_MEMORY, "out of memory for TLS");
	}
	BIO_set_data(b, s);
	BIO_set_init(b, 1);
	SSL_set_bio(s->ssl, b, b);
	s->tls = STREAM_HANDSHAKE;
	stream_resume(s); /* the first message may wait in the socket already, or is ours to send */
	return 0;
}

int stream_tls_accept(struct stream *s, struct tls_ctx *ctx, struct err *e)
{
	return tls_start(s, ctx, NULL, e);
}

int stream_tls_connect(
	struct stream *s, struct tls_ctx *ctx, const char *server_name, struct err *e)
{
	return tls_start(s, ctx, server_name ? server_name : "", e);
}

/* Fills e for a failed handshake. */
static void handshake_error(struct stream *s, int ssl_error, struct err *e)
{
	enum err_code code = SSL_is_server(s->ssl) ? ERR_PROTOCOL : ERR_SERVER_CONNECT;
	char why[200];

	if (s->sock_eof || (ssl_error == SSL_ERROR_SYSCALL && s->sock_errno == EAGAIN)) {
		err_set(e, code, "the peer closed the connection during the TLS handshake");
	} else if (ssl_error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
		err_set(e, code, "TLS handshake failed: %s", strerror(s->sock_errno));
	} else {
		tls_reason(s->ssl, why, sizeof(why));
		err_set(e, code, "TLS handshake failed: %s", why);
	}
}

bool stream_tls_step(struct stream *s)
{
	struct loop *l = s->loop;
	struct err e;
	int r, ssl_error;

	ERR_clear_error();
	s->recv_left = RECV_PER_CALL;
	r = SSL_do_handshake(s->ssl);
	if (r == 1) {
		s->tls = STREAM_TLS;
		if (s->cb->handshaken)
			s->cb->handshaken(s, s->owner, NULL);
		return l->current == s;
	}
	ssl_error = SSL_get_error(s->ssl, r);
	if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE)
		return false;
	handshake_error(s, ssl_error, &e);
	ERR_clear_error();
	s->error = EPROTO;
	if (s->cb->handshaken)
		s->cb->handshaken(s, s->owner, &e);
	return false;
}

/* -1 for EOF, else an errno: what a failed SSL_read() or SSL_write() means. */
static int tls_failure(const struct stream *s, int ssl_error)
{
	if (ssl_error == SSL_ERROR_ZERO_RETURN)
		return -1;
	if (ssl_error != SSL_ERROR_SYSCALL)
		return EPROTO;
	if (s->sock_eof)
		return -1;
	return s->sock_errno && s->sock_errno != EAGAIN ? s->sock_errno : ECONNRESET;
}

size_t stream_tls_read(struct stream *s, void *p, size_t n)
{
	size_t got = 0, k;

	s->recv_left = RECV_PER_CALL;
	while (got < n) {
		ERR_clear_error();
		if (SSL_read_ex(s->ssl, (uint8_t *)p + got, n - got, &k)) {
			got += k;
			continue;
		}
		int ssl_error = SSL_get_error(s->ssl, 0);
		if (ssl_error == SSL_ERROR_WANT_READ)
			break;
		if (ssl_error == SSL_ERROR_WANT_WRITE) { /* a key update to be answered */
			s->read_wants_write = true;
			break;
		}
		s->rx_end = tls_failure(s, ssl_error);
		ERR_clear_error();
		if (got > 0) { /* told by the next call */
			stream_resume(s);
			break;
		}
		s->eof = s->rx_end < 0;
		if (s->rx_end > 0)
			s->error = s->rx_end;
		break;
	}
	return got;
}

/* One SSL_write() makes at most one record (partial writes), so go on until all is taken or the
 * socket is full. After a refusal OpenSSL wants the same bytes again: they are the first of what
 * the caller queues. */
ssize_t stream_tls_send(struct stream *s, const void *p, size_t n)
{
	size_t done = 0, k;

	while (done < n) {
		ERR_clear_error();
		if (SSL_write_ex(s->ssl, (const uint8_t *)p + done, n - done, &k)) {
			done += k;
			continue;
		}
		int ssl_error = SSL_get_error(s->ssl, 0);
		if (ssl_error == SSL_ERROR_WANT_WRITE)
			break;
		if (ssl_error == SSL_ERROR_WANT_READ) {
			s->write_wants_read = true;
			break;
		}
		int why = tls_failure(s, ssl_error);
		ERR_clear_error();
		s->error = why > 0 ? why : EPIPE;
		return -1;
	}
	return (ssize_t)done;
}

void stream_tls_rebind(struct stream *s)
{
	BIO_set_data(SSL_get_rbio(s->ssl), s);
}

bool stream_tls_pending(struct stream *s)
{
	return SSL_has_pending(s->ssl) == 1;
}

void stream_tls_notify(struct stream *s)
{
	if (s->ssl == NULL || s->tls != STREAM_TLS || s->error || buf_len(&s->out) > 0)
		return;
	if (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN)
		return;
	ERR_clear_error();
	SSL_shutdown(s->ssl);
	ERR_clear_error();
}

void stream_tls_free(struct stream *s)
{
	tls_ssl_free(s->ssl);
	s->ssl = NULL;
	s->tls = STREAM_PLAIN;
}
