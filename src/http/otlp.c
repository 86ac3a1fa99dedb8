/* otlp - the spans that workers hand over, to otlp_endpoint by libevent's evhttp: batches, one at a
 * time, and again when that may help. Ignorant of what is in a span (otlp_json.c). Control thread.
 * Source: OpenTelemetry Protocol 1.x, OTLP/HTTP. */
#include "http/otlp.h"

#include "otlp_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "conf/otlp.h"
#include "ev/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 5U
#define BACKOFF_US 500000 /* after the first failure; twice as long after each further one */
#define HEADERS_MAX_BYTES 16384
#define BODY_MAX_BYTES 65536 /* of an answer */
#define REQUEST_MAX_BYTES (256u << 20)

struct otlp {
	struct core *core;
	struct loop *loop;
	struct resolver *resolver; /* NULL: none was needed */
	struct resolver_req *dns;
	struct evhttp_connection *conn; /* NULL: nothing is under way, or the name is looked up */
	struct timer timer;             /* busy: until it takes too long; else: until it is time */
	struct task ended;
	struct list waiting, sending; /* struct span.node; sending: those of the message at hand */
	unsigned sending_n, tries;
	struct http_url url; /* of that message */
	bool busy;
	int status;      /* that it was answered with; 0: it was not, and why says why */
	unsigned partly; /* spans of it that were rejected */
	char why[200];
};

static const struct conf_global *conf_of(const struct otlp *o)
{
	return &o->core->gen->conf->global;
}

static void free_spans(struct otlp *o, struct list *spans)
{
	struct list *n;
	while ((n = list_pop(spans)))
		trace_free(o->core, list_entry(n, struct span, node));
}

/* ---- what came of a message ---- */

/* As the specification has it. 0: who knows? */
static bool may_help_to_repeat(int status)
{
	return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

static const char *scheme(const struct otlp *o)
{
	return o->url.tls ? "https" : "http";
}

static void note_trouble(struct otlp *o, const char *why)
{
	struct traces *t = &o->core->traces;
	snprintf(t->error, sizeof t->error, "%s", why);
	t->posts_failed++;
	t->failed_wall_us = clock_wall_us();
	if (!t->failing)
		log_event(EVENT_OTLP_FAILS, "traces cannot be sent to %s://%s%s: %s", scheme(o),
			o->url.authority, o->url.path, why);
	t->failing = true;
}

static void note_success(struct otlp *o)
{
	struct traces *t = &o->core->traces;
	unsigned rejected = o->partly < o->sending_n ? o->partly : o->sending_n;
	t->sent += o->sending_n - rejected;
	t->rejected += rejected;
	t->sent_wall_us = clock_wall_us();
	if (t->failing)
		log_event(EVENT_OTLP_WORKS, "traces are sent again to %s://%s%s", scheme(o),
			o->url.authority, o->url.path);
	t->failing = false;
}

static void kick(struct otlp *o);

static void finish(struct otlp *o)
{
	struct traces *t = &o->core->traces;
	bool ok = o->status >= 200 && o->status < 300;
	o->busy = false;
	timer_clear(o->loop, &o->timer);
	if (ok)
		note_success(o);
	else
		note_trouble(o, o->why);
	if (!ok && may_help_to_repeat(o->status) && ++o->tries < TRIES_MAX) {
		timer_set(o->loop, &o->timer,
			loop_now_us(o->loop) + ((int64_t)BACKOFF_US << (o->tries - 1)));
		return;
	}
	if (!ok && o->status)
		t->rejected += o->sending_n;
	else if (!ok)
		t->lost += o->sending_n;
	t->waiting -= o->sending_n;
	free_spans(o, &o->sending);
	o->sending_n = o->tries = 0;
	kick(o);
}

/* The connection cannot be freed where it calls us. */
static void on_ended(struct task *t, void *arg)
{
	struct otlp *o = arg;
	(void)t;
	if (o->conn)
		evhttp_connection_free(o->conn);
	o->conn = NULL;
	if (o->busy)
		finish(o);
}

static void failed(struct otlp *o, const char *why)
{
	o->status = 0;
	if (why != o->why)
		snprintf(o->why, sizeof o->why, "%.190s", why);
	task_post(o->loop, &o->ended);
}

/* {"partialSuccess":{"rejectedSpans":"3", ...}}, which is a success. */
static unsigned rejected_in(const char *body, size_t n)
{
	static const char key[] = "\"rejectedSpans\"";
	const char *p = memmem(body, n, key, sizeof key - 1), *end = body + n;
	uint64_t v = 0;
	if (!p)
		return 0;
	p += sizeof key - 1;
	while (p < end && strchr(": \t\r\n\"", *p))
		p++;
	size_t digits = 0;
	while (p + digits < end && p[digits] >= '0' && p[digits] <= '9')
		digits++;
	return digits && num_u64n(p, digits, 0, UINT32_MAX, &v) == 0 ? (unsigned)v : 0;
}

/* What TLS knows of the end of a connection is nearer to the cause than what evhttp says. */
static void ask_tls(struct otlp *o)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(o->conn);
	void *ssl = bufferevent_openssl_get_ssl(bev);
	if (ssl)
		(void)tls_trouble(ssl, bufferevent_get_openssl_error(bev), o->why, sizeof o->why);
}

static void on_answer(struct evhttp_request *req, void *arg)
{
	struct otlp *o = arg;
	if (!o->busy)
		return;
	int status = req ? evhttp_request_get_response_code(req) : 0;
	if (status == 0) {
		if (o->url.tls)
			ask_tls(o);
		failed(o, *o->why ? o->why : "the connection was refused or closed");
		return;
	}
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	const char *body = (const char *)evbuffer_pullup(in, -1);
	const char *line = evhttp_request_get_response_code_line(req);
	o->status = status;
	o->partly = body && status < 300 ? rejected_in(body, n) : 0;
	snprintf(o->why, sizeof o->why, "it answers %d %.100s", status, line ? line : "");
	task_post(o->loop, &o->ended);
}

static void on_trouble(enum evhttp_request_error e, void *arg)
{
	struct otlp *o = arg;
	const char *why = e == EVREQ_HTTP_TIMEOUT          ? "no answer in time"
			  : e == EVREQ_HTTP_EOF            ? "the connection was closed"
			  : e == EVREQ_HTTP_INVALID_HEADER ? "its answer is no HTTP"
			  : e == EVREQ_HTTP_DATA_TOO_LONG  ? "its answer is too long"
							   : "the connection was lost";
	snprintf(o->why, sizeof o->why, "%s", why);
}

/* ---- a message ---- */

static void add_headers(struct otlp *o, struct evkeyvalq *h)
{
	const char *at = conf_of(o)->otlp_headers;
	struct otlp_header x;
	evhttp_add_header(h, "Host", o->url.authority);
	evhttp_add_header(h, "User-Agent", "weirpool");
	evhttp_add_header(h, "Content-Type", "application/json");
	evhttp_add_header(h, "Connection", "close");
	while (otlp_header_next(&at, &x)) {
		evhttp_remove_header(h, x.name);
		evhttp_add_header(h, x.name, x.value);
	}
	explicit_bzero(&x, sizeof x);
}

static bool put_body(struct otlp *o, struct evbuffer *out)
{
	char host[256] = "";
	struct buf b;
	(void)gethostname(host, sizeof host - 1);
	const struct otlp_who who = { .name = conf_of(o)->otlp_service_name,
		.version = o->core->version,
		.host = host,
		.pid = (long)getpid() };
	buf_init(&b, REQUEST_MAX_BYTES);
	otlp_put_request(&b, &who, &o->sending);
	bool ok = !b.failed && evbuffer_add(out, buf_data(&b), buf_len(&b)) == 0;
	buf_fini(&b);
	return ok;
}

/* NULL: none; of http:// evhttp makes it itself. */
static struct bufferevent *tls_event(struct otlp *o, struct err *e)
{
	struct tls_ctx *ctx = o->core->gen->otlp_tls;
	void *ssl = ctx ? tls_connect_ssl(ctx, o->url.host, e) : NULL;
	struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(loop_base(o->loop), -1, ssl,
						BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE)
				      : NULL;
	if (bev) /* what is lost with it is seen by its length */
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static void post(struct otlp *o, const char *host, unsigned port)
{
	struct err e = { 0 };
	struct bufferevent *bev = o->url.tls ? tls_event(o, &e) : NULL;
	if (o->url.tls && !bev) {
		failed(o, *e.msg ? e.msg : "out of memory");
		return;
	}
	struct evhttp_request *req = evhttp_request_new(on_answer, o);
	o->conn = evhttp_connection_base_bufferevent_new(
		loop_base(o->loop), NULL, bev, host, (unsigned short)port);
	if (bev && !o->conn)
		bufferevent_free(bev);
	if (!req || !o->conn || !put_body(o, evhttp_request_get_output_buffer(req))) {
		if (req)
			evhttp_request_free(req);
		failed(o, "out of memory");
		return;
	}
	evhttp_connection_set_max_headers_size(o->conn, HEADERS_MAX_BYTES);
	evhttp_connection_set_max_body_size(o->conn, BODY_MAX_BYTES);
	evhttp_connection_set_timeout(o->conn, (int)(conf_of(o)->otlp_timeout_us / 1000000) + 1);
	evhttp_request_set_error_cb(req, on_trouble);
	add_headers(o, evhttp_request_get_output_headers(req));
	o->core->traces.posts++;
	if (evhttp_make_request(o->conn, req, EVHTTP_REQ_POST, o->url.path) != 0)
		failed(o, "cannot connect"); /* it has freed the request */
}

static void on_resolved(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct otlp *o = arg;
	struct addr addr;
	char host[64];
	o->dns = NULL;
	if (n == 0) {
		failed(o, e && *e->msg ? e->msg : "the name has no address");
		return;
	}
	a += o->tries % n; /* another one may answer when the first does not */
	addr_from_sockaddr(&addr, (const struct sockaddr *)&a->sa, a->n);
	post(o, addr_host(&addr, host, sizeof host), addr_port(&addr));
}

static struct resolver *resolver_of(struct otlp *o, struct err *e)
{
	const struct conf_global *g = conf_of(o);
	struct resolver_opts ro = { .max_ttl_us = g->dns_max_ttl_us,
		.negative_ttl_us = g->dns_nxdomain_ttl_us,
		.resolv_conf = *g->resolv_conf ? g->resolv_conf : NULL };
	if (!o->resolver)
		o->resolver = resolver_new(o->loop, &ro, e);
	return o->resolver;
}

/* What is in sending. */
static void send_it(struct otlp *o)
{
	struct err e = { 0 };
	char why[200];
	o->busy = true;
	o->status = 0;
	o->partly = 0;
	o->why[0] = '\0';
	timer_set(o->loop, &o->timer, loop_now_us(o->loop) + conf_of(o)->otlp_timeout_us);
	if (otlp_url_parse(conf_of(o)->otlp_endpoint, &o->url, why, sizeof why) != 0) {
		failed(o, why);
		return;
	}
	if (!resolver_of(o, &e)) {
		failed(o, e.msg);
		return;
	}
	struct resolver_req *q = resolver_lookup(
		o->resolver, o->url.host, o->url.port, on_resolved, o);
	if (q)
		o->dns = q;
}

static void cancel(struct otlp *o)
{
	if (o->dns)
		resolver_cancel(o->dns);
	if (o->conn)
		evhttp_connection_free(o->conn);
	o->dns = NULL;
	o->conn = NULL;
	task_cancel(&o->ended);
}

/* ---- when ---- */

static void send_batch(struct otlp *o)
{
	unsigned max = (unsigned)conf_of(o)->otlp_batch;
	struct list *n;
	while (o->sending_n < max && (n = list_pop(&o->waiting))) {
		list_append(&o->sending, n);
		o->sending_n++;
	}
	if (o->sending_n)
		send_it(o);
}

/* Nobody wants them any more. */
static void drop_all(struct otlp *o)
{
	struct traces *t = &o->core->traces;
	t->lost += t->waiting;
	t->waiting = 0;
	t->failing = false;
	free_spans(o, &o->waiting);
	free_spans(o, &o->sending);
	o->sending_n = o->tries = 0;
}

/* A message is under way, or is to be repeated: what waits comes after it. */
static void kick(struct otlp *o)
{
	unsigned waiting = o->core->traces.waiting;
	if (o->busy || o->sending_n || !waiting)
		return;
	if (!*conf_of(o)->otlp_endpoint)
		drop_all(o);
	else if (waiting >= (unsigned)conf_of(o)->otlp_batch)
		send_batch(o);
	else if (!o->timer.at_us)
		timer_set(o->loop, &o->timer,
			loop_now_us(o->loop) + conf_of(o)->otlp_interval_us / 2);
}

static void on_timer(struct timer *t, void *arg)
{
	struct otlp *o = arg;
	(void)t;
	if (o->busy) {
		cancel(o);
		o->status = 0;
		snprintf(o->why, sizeof o->why, "no answer within %g s (otlp_timeout)",
			(double)conf_of(o)->otlp_timeout_us / 1e6);
		finish(o);
	} else if (!*conf_of(o)->otlp_endpoint) {
		drop_all(o);
	} else if (o->sending_n) {
		send_it(o);
	} else {
		send_batch(o);
	}
}

static void on_spans(void *arg, struct list *spans, unsigned n)
{
	struct otlp *o = arg;
	struct list *sp;
	while ((sp = list_pop(spans)))
		list_append(&o->waiting, sp);
	o->core->traces.waiting += n;
	kick(o);
}

struct otlp *otlp_new(struct core *c)
{
	struct otlp *o = mem_alloc(MEM_ADMIN, sizeof *o);
	if (!o)
		return NULL;
	o->core = c;
	o->loop = c->loop;
	list_init(&o->waiting);
	list_init(&o->sending);
	timer_init(&o->timer, on_timer, o);
	task_init(&o->ended, on_ended, o);
	c->traces.deliver = on_spans;
	c->traces.arg = o;
	return o;
}

void otlp_free(struct otlp **op)
{
	struct otlp *o = *op;
	if (!o)
		return;
	*op = NULL;
	o->core->traces.deliver = NULL;
	o->busy = false;
	cancel(o);
	timer_clear(o->loop, &o->timer);
	drop_all(o);
	if (o->resolver)
		resolver_free(o->resolver);
	mem_free(MEM_ADMIN, o);
}
