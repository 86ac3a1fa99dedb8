/* http - libevent's evhttp on control's loop: its sockets, one request after the other, answers.
 * Ignorant of what is asked (routes.c) and of how many may ask (conns.c). Control thread. */
#include "http_int.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX_BYTES 8192
#define BODY_MAX_BYTES 4096
#define QUIET_S 30 /* nothing comes, or nothing goes */
#define ACCEPT_REST_US 200000

/* ---- answers ---- */

const char *http_header(const struct http_req *q, const char *name)
{
	const char *v = q->ev ? evhttp_find_header(evhttp_request_get_input_headers(q->ev), name)
			      : NULL;
	return v ? v : "";
}

void http_add_header(struct http_req *q, const char *name, const char *value)
{
	if (q->ev)
		evhttp_add_header(evhttp_request_get_output_headers(q->ev), name, value);
}

static void free_body(const void *data, size_t n, void *mem)
{
	(void)data;
	(void)n;
	mem_free(MEM_BUF, mem);
}

static void drop(struct http_req *q)
{
	list_del(&q->node);
	mem_free(MEM_ADMIN, q);
}

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 202: return "Accepted";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 422: return "Unprocessable Content";
	case 503: return "Service Unavailable";
	default: return "Internal Server Error";
	}
}

void http_reply(struct http_req *q, int status, const char *type, struct buf *body)
{
	struct evbuffer *out = q->ev ? evbuffer_new() : NULL;
	if (out && body->failed) {
		status = 500;
		evbuffer_add_printf(out, "{\"error\":\"the answer does not fit into memory\"}\n");
	} else if (out && buf_len(body)) { /* the memory goes along, without a copy */
		evbuffer_add_reference(out, buf_data(body), buf_len(body), free_body, body->mem);
		*body = (struct buf){ .cap = body->cap };
	}
	if (out) {
		http_add_header(q, "Content-Type", type ? type : "application/json");
		http_add_header(q, "Cache-Control", "no-store");
		http_add_header(q, "X-Content-Type-Options", "nosniff");
		http_add_header(q, "Cross-Origin-Resource-Policy", "same-origin");
		http_add_header(q, "Referrer-Policy", "no-referrer");
		evhttp_send_reply(q->ev, status, reason(status), out);
		evbuffer_free(out);
	} else if (q->ev) {
		evhttp_send_reply(q->ev, 500, reason(500), NULL);
	}
	buf_fini(body);
	drop(q);
}

void http_refuse(struct http_req *q, int status, const char *hint, const char *fmt, ...)
{
	char text[512];
	struct buf b;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&b, 0);
	buf_puts(&b, "{");
	json_pair(&b, "error", text);
	if (hint && *hint)
		json_pair(&b, "hint", hint);
	buf_puts(&b, "}\n");
	http_reply(q, status, NULL, &b);
}

/* ---- requests ---- */

static void on_answered(struct evhttp_request *ev, void *arg)
{
	struct http *h = arg;
	conns_idle(h->conns, evhttp_request_get_connection(ev));
}

static void on_request(struct evhttp_request *ev, struct http *h, bool local)
{
	struct evhttp_connection *ec = evhttp_request_get_connection(ev);
	struct http_req *q = mem_alloc(MEM_ADMIN, sizeof *q);
	char host[64];
	struct addr a;
	conns_busy(h->conns, ec);
	evhttp_request_set_on_complete_cb(ev, on_answered, h);
	if (!q) {
		evhttp_send_reply(ev, 503, reason(503), NULL);
		return;
	}
	q->http = h;
	q->ev = ev;
	q->trusted = local;
	list_init(&q->node);
	list_init(&q->wait);
	list_append(&h->reqs, &q->node);
	if (local) {
		snprintf(q->who, sizeof q->who, "http@unix");
	} else {
		addr_peer(&a, bufferevent_getfd(evhttp_connection_get_bufferevent(ec)));
		snprintf(q->who, sizeof q->who, "http@%s:%u", addr_host(&a, host, sizeof host),
			addr_port(&a));
	}
	routes_run(q);
}

static void on_tcp(struct evhttp_request *ev, void *arg)
{
	on_request(ev, arg, false);
}

/* Who may open the unix socket is decided by its mode. */
static void on_local(struct evhttp_request *ev, void *arg)
{
	on_request(ev, arg, true);
}

/* ---- start and end ---- */

static struct http *the_http; /* for a callback that has no argument of ours */

static void on_rested(struct timer *t, void *arg)
{
	struct http *h = arg;
	(void)t;
	for (unsigned i = 0; i < h->doors_n; i++)
		evconnlistener_enable(h->doors[i]);
}

/* Descriptors have run out: whoever waits to be accepted would keep the loop busy. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct http *h = the_http;
	(void)arg; /* evhttp's */
	evconnlistener_disable(l);
	timer_set(h->core->loop, &h->rest, loop_now_us(h->core->loop) + ACCEPT_REST_US);
}

static bool open_door(struct http *h, const struct http_listen *l)
{
	struct evhttp_bound_socket *b = evhttp_accept_socket_with_handle(
		l->is_unix ? h->local : h->tcp, l->fd);
	if (!b)
		return false;
	struct evconnlistener *door = evhttp_bound_socket_get_listener(b);
	evconnlistener_set_error_cb(door, on_accept_error);
	h->doors[h->doors_n++] = door;
	return true;
}

static struct evhttp *server_new(struct http *h, bool local)
{
	struct evhttp *ev = evhttp_new(loop_base(h->core->loop));
	if (!ev)
		return NULL;
	evhttp_set_max_headers_size(ev, HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(ev, BODY_MAX_BYTES);
	evhttp_set_timeout(ev, QUIET_S);
	/* those that it knows: the table says which one is meant */
	evhttp_set_allowed_methods(ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
					       EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
					       EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
					       EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_bevcb(ev, local ? conns_on_unix : conns_on_tcp, h->conns);
	evhttp_set_gencb(ev, local ? on_local : on_tcp, h);
	return ev;
}

struct http *http_new(struct core *c, const struct http_hooks *hooks, const struct http_listen *ls,
	unsigned n, struct err *e)
{
	struct http *h = mem_xalloc(MEM_ADMIN, sizeof *h);
	const struct conns_opts co = { .loop = c->loop, .core = c };
	the_http = h;
	h->core = c;
	h->hooks = *hooks;
	h->started_us = clock_wall_us();
	list_init(&h->reqs);
	timer_init(&h->rest, on_rested, h);
	h->conns = conns_new(&co);
	h->status = status_new(h);
	h->tcp = server_new(h, false);
	h->local = server_new(h, true);
	bool ok = h->tcp && h->local;
	for (unsigned i = 0; i < n; i++)
		if (!ok || h->doors_n == HTTP_LISTEN_MAX || !open_door(h, &ls[i])) {
			ok = false;
			close(ls[i].fd);
		}
	if (ok)
		return h;
	err_set(e, ERR_INTERNAL, "cannot serve HTTP: %s", strerror(errno));
	http_free(&h);
	return NULL;
}

void http_accept(struct http *h, bool on)
{
	for (unsigned i = 0; i < h->doors_n; i++)
		if (on)
			evconnlistener_enable(h->doors[i]);
		else
			evconnlistener_disable(h->doors[i]);
	if (!on)
		timer_clear(h->core->loop, &h->rest);
}

void http_free(struct http **hp)
{
	struct http *h = *hp;
	*hp = NULL;
	if (!h)
		return;
	timer_clear(h->core->loop, &h->rest);
	status_free(&h->status);
	for (struct list *n; (n = list_pop(&h->reqs)) != NULL;) /* the console answers them yet */
		list_entry(n, struct http_req, node)->ev = NULL;
	if (h->tcp)
		evhttp_free(h->tcp);
	if (h->local)
		evhttp_free(h->local);
	conns_free(&h->conns);
	mem_free(MEM_ADMIN, h);
}
