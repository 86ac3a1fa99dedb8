/* conns - the connections of the HTTP port: never more than CONNS_MAX, and none for longer than its
 * request deserves, however slowly that comes or its answer is read. evhttp has a limit for silence
 * only, and none for numbers; this file sees each connection as the bufferevent that evhttp asks it
 * for. Ignorant of requests. Control thread. */
#include "http_int.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <sys/socket.h>

#define REQUEST_US 10000000 /* from accept, or from the last answer, to a whole request */
#define KEEP_US 30000000
#define ANSWER_US 60000000 /* from a request to the end of its answer */
#define LOOK_US 250000

struct conn {
	struct bufferevent *bev; /* with a reference of ours: it outlives evhttp's connection */
	struct tls_ctx *tls;     /* NULL: plain */
	int64_t until_us;
	int64_t since_us; /* the last thing that happened */
	bool ended;       /* cut; evhttp will find out */
};
struct http_conns {
	struct loop *loop;
	struct core *core;
	struct timer timer;
	unsigned n;
	struct conn v[2 * CONNS_MAX]; /* the second half is for those that were cut in this turn */
};

/* evhttp takes its callbacks away from a bufferevent when it lets go of it, and never before. */
static bool is_over(const struct conn *c)
{
	bufferevent_data_cb r, w;
	bufferevent_event_cb e;
	bufferevent_getcb(c->bev, &r, &w, &e, NULL);
	return !r && !w && !e && bufferevent_getfd(c->bev) >= 0;
}

static void forget(struct http_conns *cs, unsigned i)
{
	(void)bufferevent_decref(cs->v[i].bev);
	tls_ctx_unref(cs->v[i].tls);
	cs->v[i] = cs->v[--cs->n];
}

/* evhttp sees the end of the stream, and closes. */
static void cut(struct conn *c)
{
	c->ended = true;
	(void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
}

static void look(struct http_conns *cs)
{
	int64_t now = loop_now_us(cs->loop);
	for (unsigned i = 0; i < cs->n;) {
		struct conn *c = &cs->v[i];
		if (is_over(c)) {
			forget(cs, i);
			continue;
		}
		if (!c->ended && now >= c->until_us)
			cut(c);
		i++;
	}
}

static void on_timer(struct timer *t, void *arg)
{
	struct http_conns *cs = arg;
	look(cs);
	if (cs->n)
		timer_set(cs->loop, t, loop_now_us(cs->loop) + LOOK_US);
}

/* Makes room: the one that has done nothing for longest goes, so that who asks and leaves, as a
 * health check does, always gets in. */
static void make_room(struct http_conns *cs)
{
	struct conn *oldest = NULL;
	unsigned live = 0;
	look(cs);
	for (unsigned i = 0; i < cs->n; i++) {
		struct conn *c = &cs->v[i];
		live += !c->ended;
		if (!c->ended && (!oldest || c->since_us < oldest->since_us))
			oldest = c;
	}
	if (live >= CONNS_MAX)
		cut(oldest);
}

static struct bufferevent *add(struct http_conns *cs, struct bufferevent *bev, struct tls_ctx *tls)
{
	int64_t now = loop_now_us(cs->loop);
	make_room(cs);
	if (!bev || cs->n == sizeof cs->v / sizeof *cs->v) {
		tls_ctx_unref(tls);
		return bev; /* not watched: more have come in one turn than there is room */
	}
	bufferevent_incref(bev);
	cs->v[cs->n++] = (struct conn){
		.bev = bev, .tls = tls, .since_us = now, .until_us = now + REQUEST_US
	};
	if (cs->n == 1)
		timer_set(cs->loop, &cs->timer, now + LOOK_US);
	return bev;
}

/* The descriptor is closed with the bufferevent, that is by forget(), and not by evhttp: until then
 * events are set on it, and nobody else may get its number. */
#define BEV_OPTIONS BEV_OPT_CLOSE_ON_FREE

struct bufferevent *conns_on_unix(struct event_base *base, void *arg)
{
	return add(arg, bufferevent_socket_new(base, -1, BEV_OPTIONS), NULL);
}

struct bufferevent *conns_on_tcp(struct event_base *base, void *arg)
{
	struct http_conns *cs = arg;
	struct tls_ctx *tls = cs->core->gen->http_tls;
	struct err e = { 0 };
	if (!tls)
		return conns_on_unix(base, arg);
	void *ssl = tls_accept_ssl(tls, &e);
	struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(base, -1, ssl,
						BUFFEREVENT_SSL_ACCEPTING, BEV_OPTIONS)
				      : NULL;
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return add(cs, bev, tls_ctx_ref(tls));
}

static struct conn *find(struct http_conns *cs, struct evhttp_connection *ec)
{
	struct bufferevent *bev = ec ? evhttp_connection_get_bufferevent(ec) : NULL;
	for (unsigned i = 0; i < cs->n; i++)
		if (cs->v[i].bev == bev)
			return &cs->v[i];
	return NULL;
}

static void give(struct http_conns *cs, struct evhttp_connection *ec, int64_t us)
{
	struct conn *c = find(cs, ec);
	if (!c)
		return;
	c->since_us = loop_now_us(cs->loop);
	c->until_us = c->since_us + us;
}

void conns_busy(struct http_conns *cs, struct evhttp_connection *ec)
{
	give(cs, ec, ANSWER_US);
}

void conns_idle(struct http_conns *cs, struct evhttp_connection *ec)
{
	give(cs, ec, KEEP_US);
}

struct http_conns *conns_new(const struct conns_opts *o)
{
	struct http_conns *cs = mem_xalloc(MEM_ADMIN, sizeof *cs);
	cs->loop = o->loop;
	cs->core = o->core;
	timer_init(&cs->timer, on_timer, cs);
	return cs;
}

void conns_free(struct http_conns **csp)
{
	struct http_conns *cs = *csp;
	*csp = NULL;
	if (!cs)
		return;
	timer_clear(cs->loop, &cs->timer);
	while (cs->n)
		forget(cs, cs->n - 1);
	mem_free(MEM_ADMIN, cs);
}
