/* http_int - what the files of http/ tell each other. Control thread. */
#ifndef HTTP_INT_H
#define HTTP_INT_H
#include "base/buf.h"
#include "http/http.h"

struct evhttp;
struct evhttp_request;
struct evconnlistener;
struct event_base;
struct http_conns;

enum { HTTP_GET = 1, HTTP_POST = 2 }; /* HEAD goes with GET */

/* One request that is being answered. */
struct http_req {
	struct http *http;
	struct evhttp_request *ev; /* NULL: nobody waits any more */
	struct list node;
	const struct http_route *route;
	char arg[64];     /* what the path has where the route's has its * */
	char who[128];    /* for the log: "http@127.0.0.1:4711" */
	bool trusted;     /* there is proof of who asks */
	bool sees;        /* may be told names and messages */
	struct list wait; /* status.c: until the rows have come */
	void (*ready)(struct http_req *q);
};

/* ---- routes.c: THE table ---- */

struct http_route {
	/* One * stands for letters, digits and _. The first row that fits decides. */
	const char *path;
	unsigned methods;
	bool open; /* needs no proof, and must keep names from who may not see them */
	/* Must end with one of http_reply*(), now or later. */
	void (*fn)(struct http_req *q);
};
extern const struct http_route http_routes[];
/* Calls the handler, or refuses. */
void routes_run(struct http_req *q);

/* ---- http.c ---- */

struct http {
	struct core *core;
	struct http_hooks hooks;
	struct evhttp *tcp, *local; /* local: the unix socket's */
	struct http_conns *conns;
	struct status *status;
	struct list reqs;
	struct evconnlistener *doors[HTTP_LISTEN_MAX];
	unsigned doors_n;
	struct timer rest;  /* no descriptor was free: accepting goes on then */
	int64_t started_us; /* wall clock */
};
static inline const struct conf_global *http_conf(const struct http *h)
{
	return &h->core->gen->conf->global;
}
/* Sends what is in body and empties it; q is gone afterwards. type NULL: JSON. */
void http_reply(struct http_req *q, int status, const char *type, struct buf *body);
/* {"error": "...", "hint": "..."}; hint may be NULL. */
void http_refuse(struct http_req *q, int status, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The value of a header of the request, "" if there is none. */
const char *http_header(const struct http_req *q, const char *name);
void http_add_header(struct http_req *q, const char *name, const char *value);

/* ---- conns.c: how many connections there are, and how long one may take ---- */

#define CONNS_MAX 64
struct bufferevent;
struct evhttp_connection;
struct conns_opts {
	struct loop *loop;
	struct core *core; /* gen->http_tls */
};
struct http_conns *conns_new(const struct conns_opts *o);
/* After evhttp_free(). *c may be NULL. */
void conns_free(struct http_conns **c);
/* For evhttp_set_bevcb(); arg is the http_conns. */
struct bufferevent *conns_on_tcp(struct event_base *base, void *arg);
struct bufferevent *conns_on_unix(struct event_base *base, void *arg);
void conns_busy(struct http_conns *c, struct evhttp_connection *ec); /* a request has come */
void conns_idle(struct http_conns *c, struct evhttp_connection *ec); /* and is answered */

/* ---- console.c: the console's commands ---- */

/* Runs sql as an administrator. done() comes once, perhaps before this returns; it may take the
 * result over, and leave an empty one. */
void console_ask(struct http *h, const char *sql, const char *who,
	void (*done)(void *arg, struct rowset *r), void *arg);
/* [{"column": value, ...}, ...] */
void console_put_rows(struct buf *out, const struct rowset *r);
int console_status(const struct err *e); /* of HTTP */
void console_show(struct http_req *q);   /* SHOW q->arg */
void console_reload(struct http_req *q);
void console_config(struct http_req *q);

/* ---- status.c, page.c ---- */

struct history;
struct status;
struct status *status_new(struct http *h); /* takes samples for its plots from now on */
void status_free(struct status **s);
void status_json(struct http_req *q);
void status_page(struct http_req *q);

/* ---- metrics.c ---- */

void metrics_page(struct http_req *q);

/* ---- health.c ---- */

#define HEALTH_REASONS_MAX 20
struct health {
	bool ready;
	unsigned pools, pools_down, clusters, clusters_down, without_primary, reasons_n;
	char reason[HEALTH_REASONS_MAX][512];
};
/* sees: names and messages are among the reasons. */
void health_look(struct http *h, bool sees, struct health *r);
void health_put(struct buf *b, const struct health *r); /* "ready": ..., "reasons": [...] */
void health_live(struct http_req *q);
void health_ready(struct http_req *q);
void health_startup(struct http_req *q);
#endif
