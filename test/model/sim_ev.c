/* sim_ev - the fake ev/ of the simulations. Defines what core/ calls of ev/ (addr.c apart). */
#include "sim_ev.h"

#include "base/mem.h"
#include "ev/addr.h"
#include "ev/listen.h"
#include "ev/resolver.h"
#include "ev/tls.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FD_BASE 1000000 /* what is above is no descriptor of the system */
#define LOOPS_MAX 8
#define PIPE_BYTES 65536 /* what the network takes before a write blocks */

int64_t sim_now;
struct list sim_conns;
bool sim_trace;
void (*sim_on_connect)(struct sim_conn *c);

struct loop {
	struct loop_opts o;
	struct mail *first, **end;
	struct list timers;
	unsigned id;
	bool ran;
};
struct listener {
	struct loop *loop;
	int fd;
	void (*fn)(void *arg, int fd, const struct sockaddr *sa, socklen_t n);
	void *arg;
	struct list node;
};
static struct loop *loops[LOOPS_MAX];
static unsigned n_loops;
static struct list listeners;
static uint64_t rng;
static int next_fd;

void sim_init(uint64_t seed)
{
	rng = seed * 2654435761u + 88172645463325252u;
	sim_now = 1000000000;
	next_fd = FD_BASE;
	n_loops = 0;
	list_init(&sim_conns);
	list_init(&listeners);
}

unsigned sim_rnd(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)((rng >> 11) % n);
}

static void trace(const struct sim_conn *c, const char *way, const void *p, size_t n)
{
	if (sim_trace)
		fprintf(stderr, "%10.3f %d:%u %s %.*s\n", (double)sim_now / 1e6, c->fd - FD_BASE,
			c->port, way, (int)n, (const char *)p);
}

/* ---- loop ---- */

struct loop *loop_new(const struct loop_opts *o)
{
	struct loop *l = calloc(1, sizeof *l);
	cr_assert_lt(n_loops, LOOPS_MAX);
	l->o = *o;
	l->end = &l->first;
	l->id = n_loops;
	list_init(&l->timers);
	loops[n_loops++] = l;
	return l;
}

void loop_free(struct loop *l)
{
	struct list *n;
	while ((n = list_pop(&l->timers)))
		;
	loops[l->id] = NULL;
	free(l);
}

void loop_run(struct loop *l)
{
	(void)l;
}

void loop_stop(struct loop *l)
{
	(void)l;
}

int64_t loop_now_us(struct loop *l)
{
	(void)l;
	return sim_now;
}

void loop_post(struct loop *l, struct mail *m)
{
	m->next = NULL;
	*l->end = m;
	l->end = &m->next;
}

void timer_init(struct timer *t, void (*fn)(struct timer *, void *), void *arg)
{
	list_init(&t->node);
	t->at_us = 0;
	t->fn = fn;
	t->arg = arg;
}

void timer_set(struct loop *l, struct timer *t, int64_t at_us)
{
	list_del(&t->node);
	t->at_us = at_us ? at_us : 1;
	list_append(&l->timers, &t->node);
}

void timer_clear(struct loop *l, struct timer *t)
{
	(void)l;
	list_del(&t->node);
	t->at_us = 0;
}

/* ---- streams ---- */

static struct sim_conn *conn_of(const struct stream *s)
{
	list_for(n, &sim_conns) {
		struct sim_conn *c = list_entry(n, struct sim_conn, node);
		if (c->fd == s->fd)
			return c;
	}
	cr_assert_fail("no connection of fd %d", s->fd);
	return NULL;
}

static struct sim_conn *conn_new(void)
{
	struct sim_conn *c = calloc(1, sizeof *c);
	list_init(&c->node);
	list_append(&sim_conns, &c->node);
	buf_init(&c->to_st, 0);
	buf_init(&c->from_st, 0);
	c->fd = next_fd++;
	return c;
}

static void stream_begin(struct stream *s, struct sim_conn *c, struct loop *l,
	const struct stream_cb *cb, void *owner)
{
	*s = (struct stream){ .fd = c->fd, .loop = l, .cb = cb, .owner = owner };
	buf_init(&s->in, 0);
	buf_init(&s->out, 0);
	c->st = s;
	c->loop = l;
}

int stream_init(struct stream *s, struct loop *l, int fd, const struct stream_cb *cb, void *owner,
	struct err *e)
{
	struct stream key = { .fd = fd };
	(void)e;
	stream_begin(s, conn_of(&key), l, cb, owner);
	return 0;
}

int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *sa, socklen_t sa_n,
	const struct stream_cb *cb, void *owner, struct err *e)
{
	struct sim_conn *c = conn_new();
	struct addr a;
	(void)e;
	addr_from_sockaddr(&a, sa, sa_n);
	c->port = addr_port(&a);
	stream_begin(s, c, l, cb, owner);
	s->connecting = c->connecting = true;
	sim_on_connect(c);
	return 0;
}

size_t stream_read(struct stream *s, void *p, size_t n)
{
	struct sim_conn *c = conn_of(s);
	size_t k = c->visible < n ? c->visible : n;
	if (k == 0) {
		if (c->closed && !buf_len(&c->to_st))
			s->eof = true;
		return 0;
	}
	memcpy(p, buf_data(&c->to_st), k);
	buf_consume(&c->to_st, k);
	c->visible -= k;
	s->rx_bytes += k;
	if (c->closed && !buf_len(&c->to_st) && k < n)
		c->edge = true; /* the end is announced by itself */
	return k;
}

bool stream_put_proxy(struct stream *s, const struct addr *from)
{
	(void)s;
	(void)from;
	return true;
}

int stream_take_proxy(struct stream *s, struct addr *from_r, const char **where_r)
{
	(void)s;
	(void)from_r;
	*where_r = "no PROXY protocol here";
	return -1;
}

size_t stream_peek(struct stream *s, void *p, size_t n)
{
	struct sim_conn *c = conn_of(s);
	size_t k = c->visible < n ? c->visible : n;
	if (k)
		memcpy(p, buf_data(&c->to_st), k);
	return k;
}

bool stream_is_quiet(struct stream *s)
{
	const struct sim_conn *c = conn_of(s);
	bool end = c->closed && !buf_len(&c->to_st);
	if (!s->eof && !s->error && !end && !c->visible)
		return true;
	stream_resume(s);
	return false;
}

/* What the network takes now. */
static void push(struct sim_conn *c)
{
	struct stream *s = c->st;
	size_t have = buf_len(&c->from_st), room = have < PIPE_BYTES ? PIPE_BYTES - have : 0;
	size_t n = buf_len(&s->out) < room ? buf_len(&s->out) : room;
	if (s->connecting || n == 0)
		return;
	if (!c->cut)
		buf_append(&c->from_st, buf_data(&s->out), n);
	trace(c, "<-", buf_data(&s->out), n);
	buf_consume(&s->out, n);
	s->tx_bytes += n;
}

bool stream_write(struct stream *s, const void *p, size_t n)
{
	struct sim_conn *c = conn_of(s);
	if (s->closed || s->error)
		return false;
	if (c->closed && sim_rnd(2)) { /* the peer is gone: a reset */
		s->error = EPIPE;
		return false;
	}
	buf_append(&s->out, p, n);
	push(c);
	if (buf_len(&s->out))
		c->drained_due = true;
	return true;
}

bool stream_flush_buf(struct stream *s, struct buf *b)
{
	bool ok = stream_write(s, buf_data(b), buf_len(b));
	buf_consume(b, buf_len(b));
	return ok;
}

void stream_resume(struct stream *s)
{
	if (!s->closed)
		conn_of(s)->resume = true;
}

void stream_close(struct stream *s)
{
	if (s->closed)
		return;
	struct sim_conn *c = conn_of(s);
	c->st = NULL;
	c->gone = true;
	trace(c, "<-", "closed", 6);
	buf_fini(&s->in);
	buf_fini(&s->out);
	s->closed = true;
	s->fd = -1;
}

void stream_linger_close(struct stream *s, int64_t max_us)
{
	struct sim_conn *c = conn_of(s);
	(void)max_us;
	if (!c->cut)
		buf_append(&c->from_st, buf_data(&s->out), buf_len(&s->out));
	stream_close(s);
}

int stream_detach(struct stream *s)
{
	struct sim_conn *c = conn_of(s);
	if (buf_len(&c->to_st) || c->closed)
		return -1;
	c->loop = NULL;
	s->loop = NULL;
	return 0;
}

int stream_attach(struct stream *s, struct loop *l, const struct stream_cb *cb, void *owner)
{
	struct sim_conn *c = conn_of(s);
	s->loop = c->loop = l;
	s->cb = cb;
	s->owner = owner;
	c->edge = true;
	return 0;
}

int stream_tls_accept(struct stream *s, struct tls_ctx *ctx, struct err *e)
{
	(void)s;
	(void)ctx;
	return err_set(e, ERR_UNSUPPORTED, "no TLS here");
}

int stream_tls_connect(
	struct stream *s, struct tls_ctx *ctx, const char *server_name, struct err *e)
{
	(void)server_name;
	return stream_tls_accept(s, ctx, e);
}

int stream_code(struct stream *s, const struct coding *c, const void *p, size_t n)
{
	(void)s;
	(void)p;
	(void)n;
	c->ops->free(c->st);
	return -1;
}

const struct err *stream_garbled(const struct stream *s)
{
	(void)s;
	return NULL;
}

const char *stream_coding_name(const struct stream *s)
{
	(void)s;
	return NULL;
}

/* ---- the rest of ev/, as far as it goes without TLS and names ---- */

struct listener *listener_new(struct loop *l, int fd,
	void (*fn)(void *arg, int fd, const struct sockaddr *sa, socklen_t n),
	void (*refuse)(void *arg, int fd), void *arg)
{
	struct listener *ls = calloc(1, sizeof *ls);
	(void)refuse;
	*ls = (struct listener){ .loop = l, .fd = fd, .fn = fn, .arg = arg };
	list_init(&ls->node);
	list_append(&listeners, &ls->node);
	return ls;
}

void listener_free(struct listener *ls)
{
	list_del(&ls->node);
	free(ls);
}

void sock_apply(int fd, const struct sock_opts *o)
{
	(void)fd;
	(void)o;
}

int sock_peer_uid(int fd, unsigned *uid_r)
{
	(void)fd;
	(void)uid_r;
	return -1;
}

static struct sockaddr_in address(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int getpeername(int fd, __SOCKADDR_ARG sa, socklen_t *restrict n)
{
	struct sockaddr *out = sa.__sockaddr__;
	if (fd < FD_BASE)
		return (int)syscall(SYS_getpeername, fd, out, n);
	struct stream key = { .fd = fd };
	struct sockaddr_in in = address(conn_of(&key)->port);
	memcpy(out, &in, sizeof in);
	*n = sizeof in;
	return 0;
}

struct resolver {
	int unused;
};
static struct resolver the_resolver;

struct resolver *resolver_new(struct loop *l, const struct resolver_opts *o, struct err *e)
{
	(void)l;
	(void)o;
	(void)e;
	return &the_resolver;
}

void resolver_free(struct resolver *r)
{
	(void)r;
}

void resolver_set_opts(struct resolver *r, const struct resolver_opts *o)
{
	(void)r;
	(void)o;
}

struct resolver_req *resolver_lookup(
	struct resolver *r, const char *host, unsigned port, resolver_fn *fn, void *arg)
{
	struct resolver_addr a = { .n = sizeof(struct sockaddr_in) };
	struct sockaddr_in in = address(port);
	(void)r;
	(void)host;
	memcpy(&a.sa, &in, sizeof in);
	fn(arg, &a, 1, NULL);
	return NULL;
}

void resolver_cancel(struct resolver_req *q)
{
	(void)q;
}

int tls_ctx_new(const struct tls_params *p, struct tls_ctx **ctx_r, struct err *e)
{
	(void)p;
	(void)ctx_r;
	return err_set(e, ERR_UNSUPPORTED, "no TLS here");
}

void tls_ctx_unref(struct tls_ctx *c)
{
	(void)c;
}

bool tls_alpn_is(void *ssl, const char *proto)
{
	(void)ssl;
	(void)proto;
	return false;
}

bool tls_own_cert_sha256(void *ssl, uint8_t out[32])
{
	(void)ssl;
	(void)out;
	return false;
}

size_t tls_peer_cn(void *ssl, char *out, size_t n)
{
	(void)ssl;
	(void)out;
	(void)n;
	return 0;
}

bool tls_peer_verified(void *ssl)
{
	(void)ssl;
	return false;
}

bool tls_peer_expiry(void *ssl, int64_t *at_s_r)
{
	(void)ssl;
	(void)at_s_r;
	return false;
}

size_t tls_server_end_point(void *ssl, bool accepting, uint8_t out[64])
{
	(void)ssl;
	(void)accepting;
	(void)out;
	return 0;
}

const char *tls_version(void *ssl)
{
	(void)ssl;
	return "none";
}

const char *tls_cipher(void *ssl)
{
	(void)ssl;
	return "none";
}

bool tls_peer_name(void *ssl, bool issuer, char *out, size_t n)
{
	(void)ssl;
	(void)issuer;
	(void)out;
	(void)n;
	return false;
}

/* ---- the test's side ---- */

struct sim_conn *sim_accept(int listen_fd, unsigned w)
{
	struct sockaddr_in in = address(50000);
	list_for(n, &listeners) {
		struct listener *ls = list_entry(n, struct listener, node);
		if (ls->fd != listen_fd || ls->loop != loops[w + 1])
			continue;
		struct sim_conn *c = conn_new();
		ls->fn(ls->arg, c->fd, (struct sockaddr *)&in, sizeof in);
		if (!c->st)
			c->gone = true; /* refused */
		ls->loop->ran = true;
		return c;
	}
	return NULL;
}

void sim_connected(struct sim_conn *c, int err)
{
	if (!c->st || !c->connecting)
		return;
	c->connecting = c->st->connecting = false;
	c->loop->ran = true;
	c->st->cb->connected(c->st, c->st->owner, err);
}

void sim_send(struct sim_conn *c, const char *text)
{
	if (c->cut || c->closed)
		return;
	trace(c, "->", text, strlen(text));
	buf_puts(&c->to_st, text);
}

void sim_sendf(struct sim_conn *c, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sim_send(c, text);
}

void sim_close(struct sim_conn *c)
{
	trace(c, "->", "closed", 6);
	c->closed = true;
}

bool sim_line(struct sim_conn *c, char *out, size_t n)
{
	const uint8_t *p = buf_data(&c->from_st);
	size_t have = buf_len(&c->from_st);
	const uint8_t *end = have ? memchr(p, '\n', have) : NULL;
	if (!end)
		return false;
	snprintf(out, n, "%.*s", (int)(end - p), (const char *)p);
	buf_consume(&c->from_st, (size_t)(end - p) + 1);
	return true;
}

bool sim_over(const struct sim_conn *c)
{
	return c->gone && !buf_len(&c->from_st);
}

void sim_free(struct sim_conn *c)
{
	cr_assert(c->gone);
	list_del(&c->node);
	buf_fini(&c->to_st);
	buf_fini(&c->from_st);
	free(c);
}

void sim_fini(void)
{
	struct list *n;
	while ((n = list_first(&sim_conns))) {
		struct sim_conn *c = list_entry(n, struct sim_conn, node);
		c->gone = true;
		sim_free(c);
	}
}

/* ---- turns ---- */

static bool deliver(struct loop *l)
{
	unsigned max = 1 + sim_rnd(4);
	bool any = false;
	struct mail *m;
	while (max-- && (m = l->first)) {
		l->first = m->next;
		if (!m->next)
			l->end = &l->first;
		m->fn(m, l->o.owner);
		any = true;
	}
	return any;
}

/* Shows some more of what was sent. */
static bool reveal(struct sim_conn *c)
{
	size_t hidden = buf_len(&c->to_st) - c->visible;
	bool end = c->closed && !hidden && !c->visible && !c->end_shown;
	if (hidden) {
		c->visible += 1 + sim_rnd(sim_rnd(3) ? (unsigned)hidden : 1 + (unsigned)hidden / 7);
		if (c->visible > buf_len(&c->to_st))
			c->visible = buf_len(&c->to_st);
	} else if (!end) {
		return false;
	} else {
		c->end_shown = true;
	}
	c->edge = true;
	return true;
}

static bool run_conn(struct sim_conn *c)
{
	struct stream *s = c->st;
	bool told = false;
	if (c->connecting)
		return false;
	if (buf_len(&s->out)) {
		size_t before = buf_len(&s->out);
		push(c);
		told = buf_len(&s->out) != before;
	}
	if (c->drained_due && !buf_len(&s->out)) {
		c->drained_due = false;
		s->cb->drained(s, s->owner);
		told = true;
	}
	if (!c->st)
		return true;
	if (c->resume || ((c->edge || reveal(c)) && (!told || sim_rnd(2)))) {
		c->edge = c->resume = false;
		s->cb->readable(s, s->owner);
		return true;
	}
	return told;
}

static bool run_conns(struct loop *l)
{
	struct sim_conn *v[256];
	unsigned n = 0;
	bool any = false;
	list_for(node, &sim_conns) {
		struct sim_conn *c = list_entry(node, struct sim_conn, node);
		if (c->loop == l && c->st && n < 256)
			v[n++] = c;
	}
	for (unsigned i = n; i > 1; i--) {
		unsigned j = sim_rnd(i);
		struct sim_conn *t = v[i - 1];
		v[i - 1] = v[j];
		v[j] = t;
	}
	for (unsigned i = 0; i < n; i++)
		if (v[i]->st && v[i]->loop == l && sim_rnd(4))
			any |= run_conn(v[i]);
	return any;
}

static bool run_timers(struct loop *l)
{
	bool any = false;
	for (;;) {
		struct timer *due = NULL;
		list_for(n, &l->timers) {
			struct timer *t = list_entry(n, struct timer, node);
			if (t->at_us <= sim_now && (!due || t->at_us < due->at_us))
				due = t;
		}
		if (!due)
			return any;
		list_del(&due->node);
		due->at_us = 0;
		due->fn(due, due->arg);
		any = true;
	}
}

bool sim_turn(void)
{
	bool any = false;
	unsigned first = sim_rnd(n_loops);
	for (unsigned i = 0; i < n_loops; i++) {
		struct loop *l = loops[(first + i) % n_loops];
		bool ran = l->ran;
		l->ran = false;
		if (sim_rnd(8) == 0) {
			l->ran = ran; /* it is late */
			continue;
		}
		ran |= deliver(l);
		ran |= run_conns(l);
		ran |= run_timers(l);
		if (ran && l->o.turn_end)
			l->o.turn_end(l->o.owner);
		any |= ran;
	}
	return any;
}

void loop_wait_mail(struct loop *l)
{
	(void)deliver(l); /* nothing: the others must come to run */
	for (unsigned i = 0; i < n_loops; i++)
		if (loops[i] != l)
			(void)deliver(loops[i]);
}

int64_t sim_next_timer(void)
{
	int64_t at = INT64_MAX;
	for (unsigned i = 0; i < n_loops; i++)
		list_for(n, &loops[i]->timers) {
			struct timer *t = list_entry(n, struct timer, node);
			if (t->at_us < at)
				at = t->at_us;
		}
	return at;
}
