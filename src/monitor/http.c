/* http - GET of a small document, or POST of one, over HTTP/1.0, plain or in TLS: the answer comes
 * whole or not at all. Ignorant of what is in it. Control thread. Source: RFC 1945. */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

#define HTTP_MAX (256u * 1024)
#define READ_BYTES 8192

void http_stop(struct http *h)
{
	if (h->req)
		resolver_cancel(h->req);
	h->req = NULL;
	stream_close(&h->st);
	buf_fini(&h->in);
	h->busy = false;
}

static void failed(struct http *h, const char *why)
{
	struct err e = { 0 };
	err_set(&e, ERR_SERVER_CONNECT, "%s://%s:%u: %s", h->tls ? "https" : "http", h->host,
		h->port, why);
	http_stop(h);
	h->done(h, 0, NULL, 0, &e);
}

/* "HTTP/1.x 200 ...", headers, an empty line, the body up to the end of the connection. */
static void finish(struct http *h)
{
	struct buf b = h->in;
	uint64_t status;
	buf_init(&h->in, HTTP_MAX);
	const char *p = (const char *)buf_data(&b), *body = NULL;
	size_t n = buf_len(&b);
	if (n >= 16)
		body = memmem(p, n, "\r\n\r\n", 4);
	if (!body || memcmp(p, "HTTP/1.", 7) != 0 || num_u64n(p + 9, 3, 100, 599, &status) < 0) {
		buf_fini(&b);
		failed(h, "not an answer of HTTP");
		return;
	}
	body += 4;
	http_stop(h);
	h->done(h, (int)status, body, n - (size_t)(body - p), NULL);
	buf_fini(&b);
}

static void on_readable(struct stream *st, void *owner)
{
	struct http *h = owner;
	while (h->busy && st->tls != STREAM_HANDSHAKE) {
		uint8_t *room = buf_reserve(&h->in, READ_BYTES);
		size_t got = room ? stream_read(st, room, READ_BYTES) : 0;
		buf_commit(&h->in, got);
		if (h->in.failed) {
			failed(h, "the answer is too large");
			return;
		}
		if (got > 0)
			continue;
		if (st->error)
			failed(h, strerror(st->error));
		else if (st->eof)
			finish(h);
		return;
	}
}

static void on_drained(struct stream *st, void *owner)
{
	(void)st;
	(void)owner;
}

static void ask(struct http *h)
{
	struct buf out;
	buf_init(&out, 0);
	buf_printf(&out, "%s %s HTTP/1.0\r\nHost: %s:%u\r\nUser-Agent: weirpool\r\n",
		h->post ? "POST" : "GET", h->path, h->host, h->port);
	if (h->auth)
		buf_printf(&out, "Authorization: %s\r\n", h->auth);
	if (h->post)
		buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			strlen(h->post));
	buf_printf(&out, "\r\n%s", h->post ? h->post : "");
	if (out.failed || !stream_flush_buf(&h->st, &out))
		failed(h, "cannot write");
	buf_wipe(&out);
}

static void on_connected(struct stream *st, void *owner, int err)
{
	struct http *h = owner;
	struct err e = { 0 };
	if (err)
		failed(h, strerror(err));
	else if (!h->tls)
		ask(h);
	else if (!*h->tls)
		failed(h, "TLS is not set up");
	else if (stream_tls_connect(st, *h->tls, h->host, &e) != 0)
		failed(h, e.msg);
}

static void on_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct http *h = owner;
	(void)st;
	if (e && err_is(e))
		failed(h, e->msg);
	else
		ask(h);
}

static const struct stream_cb stream_cb = {
	.readable = on_readable,
	.drained = on_drained,
	.connected = on_connected,
	.handshaken = on_handshaken,
};

static void resolved(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct http *h = arg;
	struct err ce = { 0 };
	h->req = NULL;
	if (n == 0)
		failed(h, e && *e->msg ? e->msg : "the name has no address");
	else if (stream_connect(&h->st, h->loop, (const struct sockaddr *)&a[0].sa, a[0].n,
			 &stream_cb, h, &ce) != 0)
		failed(h, ce.msg);
}

void http_send(struct http *h)
{
	h->busy = true;
	h->begun_us = clock_mono_us();
	buf_init(&h->in, HTTP_MAX);
	struct resolver_req *q = resolver_lookup(h->resolver, h->host, h->port, resolved, h);
	if (q)
		h->req = q;
}
