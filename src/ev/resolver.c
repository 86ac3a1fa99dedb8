/* resolver - asks c-ares, keeps answers, and gives them out. Ignorant of backends. Runs in the
 * thread of its loop.
 *
 * Answers go out from a task of the loop, never from inside c-ares: so a receiver may cancel, look
 * up again or free the resolver. Requests for one name share one query. */
#include "ev/resolver.h"
#include "base/hmap.h"
#include "base/mem.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
	NAMES_MAX_N = 1024,
	ADDRS_MAX_N = 32, /* of one name */
	HOST_MAX_BYTES = 255,
	STALE_FACTOR = 10,     /* of max_ttl_us, see the header */
	TTL_MIN_US = 1000000,  /* also for TTL 0 and the hosts file: no query per connection */
	PATIENCE_US = 1000000, /* a stale answer goes out when the query takes longer */
	QUERY_TIMEOUT_MS = 2000,
	QUERY_TRIES_N = 3,
};

struct name {
	struct resolver *r;
	struct list by_use; /* in r->names, longest unused first */
	struct list reqs;   /* waiting for the query */
	struct timer patience;
	unsigned waiting_n; /* in reqs or in r->ready: the name must stay */
	bool asking;
	int64_t expires_us, fetched_us; /* of addrs, or of the failure when n is 0 */
	unsigned n;
	struct resolver_addr *addrs; /* port 0 */
	struct err failure;          /* when n is 0 */
	char host[HOST_MAX_BYTES + 1];
};

struct resolver_req {
	struct list node; /* in name->reqs or r->ready */
	struct name *name;
	unsigned port;
	resolver_fn *fn;
	void *arg;
};

struct ares_fd {
	struct resolver *r;
	struct list node;
	int fd;
	struct event ev;
};

struct resolver {
	struct loop *loop;
	struct resolver_opts opts;
	char *resolv_conf, *servers;
	ares_channel channel;
	bool has_channel, closing;
	struct hmap by_host; /* struct name */
	struct list names;
	struct list fds;   /* struct ares_fd */
	struct list ready; /* requests to be answered by the task */
	struct task deliver;
	struct timer timeout;
	unsigned asking_n;
	bool *gone; /* set when freed while delivering */
};

/* ---- c-ares on the loop ---- */

static void arm_timeout(struct resolver *r)
{
	struct timeval tv;

	if (!r->has_channel || ares_timeout(r->channel, NULL, &tv) == NULL)
		timer_clear(r->loop, &r->timeout);
	else
		timer_set(r->loop, &r->timeout,
			loop_now_us(r->loop) + (int64_t)tv.tv_sec * 1000000 + tv.tv_usec);
}

static void on_timeout(struct timer *t, void *arg)
{
	struct resolver *r = arg;

	(void)t;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timeout(r);
}

static void on_ares_fd(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = ((struct ares_fd *)arg)->r; /* the ares_fd may go while c-ares works */

	ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timeout(r);
}

static void drop_fd(struct ares_fd *f)
{
	event_del(&f->ev);
	list_del(&f->node);
	mem_free(MEM_EV, f);
}

/* c-ares tells which of its sockets it wants watched. */
static void on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct ares_fd *f = NULL;

	list_for(n, &r->fds) {
		struct ares_fd *x = list_entry(n, struct ares_fd, node);
		if (x->fd == fd)
			f = x;
	}
	if (f && what == 0) {
		drop_fd(f);
		return;
	}
	if (what == 0)
		return;
	if (f == NULL) {
		f = mem_alloc(MEM_EV, sizeof(*f));
		if (f == NULL)
			return; /* the query will time out */
		f->r = r;
		f->fd = fd;
		list_init(&f->node);
		list_append(&r->fds, &f->node);
	} else {
		event_del(&f->ev);
	}
	if (event_assign(
		    &f->ev, loop_base(r->loop), fd, (short)(what | EV_PERSIST), on_ares_fd, f) == 0)
		event_add(&f->ev, NULL);
}

static int channel_open(struct resolver *r, struct err *e)
{
	struct ares_options o = { .timeout = QUERY_TIMEOUT_MS,
		.tries = QUERY_TRIES_N,
		.sock_state_cb = on_sock_state,
		.sock_state_cb_data = r,
		.resolvconf_path = r->resolv_conf };
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	int st;

	if (r->resolv_conf)
		mask |= ARES_OPT_RESOLVCONF;
	st = ares_init_options(&r->channel, &o, mask);
	if (st != ARES_SUCCESS)
		return err_set(e, ERR_CONFIG, "cannot start the resolver%s%s: %s",
			r->resolv_conf ? " with " : "", r->resolv_conf ? r->resolv_conf : "",
			ares_strerror(st));
	r->has_channel = true;
	if (r->servers && (st = ares_set_servers_ports_csv(r->channel, r->servers)) != ARES_SUCCESS)
		return err_set(e, ERR_CONFIG, "cannot use the name servers \"%s\": %s", r->servers,
			ares_strerror(st));
	return 0;
}

static void channel_close(struct resolver *r)
{
	struct list *n;

	if (r->has_channel) {
		r->has_channel = false;
		ares_destroy(r->channel); /* ends every query: on_answer() */
	}
	while ((n = list_first(&r->fds)) != NULL)
		drop_fd(list_entry(n, struct ares_fd, node));
	timer_clear(r->loop, &r->timeout);
}

/* ---- the cache ---- */

static void on_patience(struct timer *t, void *arg);

static void name_free(struct name *nm)
{
	struct resolver *r = nm->r;

	hmap_del(&r->by_host, nm->host, strlen(nm->host));
	timer_clear(r->loop, &nm->patience);
	list_del(&nm->by_use);
	mem_free(MEM_EV, nm->addrs);
	mem_free(MEM_EV, nm);
}

/* Gives up the longest unused name that nobody waits for. */
static void make_room(struct resolver *r)
{
	if (hmap_size(&r->by_host) < NAMES_MAX_N)
		return;
	list_for(n, &r->names) {
		struct name *nm = list_entry(n, struct name, by_use);
		if (!nm->asking && nm->waiting_n == 0) {
			name_free(nm);
			return;
		}
	}
}

static struct name *name_get(struct resolver *r, const char *host)
{
	size_t n = strlen(host);
	struct name *nm = hmap_get(&r->by_host, host, n);

	if (nm) {
		list_del(&nm->by_use);
		list_append(&r->names, &nm->by_use);
		return nm;
	}
	make_room(r);
	nm = mem_alloc(MEM_EV, sizeof(*nm));
	if (nm == NULL)
		return NULL;
	if (!hmap_put(&r->by_host, host, n, nm, NULL)) {
		mem_free(MEM_EV, nm);
		return NULL;
	}
	nm->r = r;
	timer_init(&nm->patience, on_patience, nm);
	list_init(&nm->reqs);
	list_init(&nm->by_use);
	list_append(&r->names, &nm->by_use);
	memcpy(nm->host, host, n + 1);
	return nm;
}

static bool name_fresh(const struct name *nm, int64_t now_us)
{
	return nm->fetched_us != 0 && now_us < nm->expires_us;
}

static bool name_usable_stale(const struct name *nm, int64_t now_us)
{
	return nm->n > 0 && now_us < nm->fetched_us + STALE_FACTOR * nm->r->opts.max_ttl_us;
}

static int64_t clamp_ttl(const struct resolver *r, int64_t ttl_us)
{
	if (ttl_us < TTL_MIN_US)
		ttl_us = TTL_MIN_US;
	return ttl_us < r->opts.max_ttl_us ? ttl_us : r->opts.max_ttl_us;
}

/* False: no memory, or no address of a family we know. */
static bool name_take(struct name *nm, const struct ares_addrinfo *res, int64_t now_us)
{
	struct resolver_addr *a = mem_alloc(MEM_EV, sizeof(*a) * ADDRS_MAX_N), *fit;
	int64_t ttl_s = INT32_MAX;
	unsigned n = 0;

	if (a == NULL)
		return false;
	for (const struct ares_addrinfo_node *x = res->nodes; x && n < ADDRS_MAX_N;
		x = x->ai_next) {
		if ((x->ai_family != AF_INET && x->ai_family != AF_INET6) ||
			x->ai_addrlen > sizeof(a->sa))
			continue;
		memcpy(&a[n].sa, x->ai_addr, x->ai_addrlen);
		a[n++].n = x->ai_addrlen;
		if (x->ai_ttl < ttl_s)
			ttl_s = x->ai_ttl;
	}
	if (n == 0) {
		mem_free(MEM_EV, a);
		return false;
	}
	fit = mem_realloc(MEM_EV, a, sizeof(*a) * n);
	mem_free(MEM_EV, nm->addrs);
	nm->addrs = fit ? fit : a;
	nm->n = n;
	nm->fetched_us = now_us;
	nm->expires_us = now_us + clamp_ttl(nm->r, ttl_s > 0 ? ttl_s * 1000000 : 0);
	return true;
}

/* "The name does not exist" is an answer; silence is not: then what we knew is good for some time
 * yet. */
static void name_failed(struct name *nm, int status, int64_t now_us)
{
	bool answered = status == ARES_ENOTFOUND || status == ARES_ENODATA ||
			status == ARES_ENONAME || status == ARES_EBADNAME;

	nm->expires_us = now_us + nm->r->opts.negative_ttl_us;
	if (!answered && name_usable_stale(nm, now_us))
		return;
	mem_free(MEM_EV, nm->addrs);
	nm->addrs = NULL;
	nm->n = 0;
	nm->fetched_us = now_us;
	err_set(&nm->failure, ERR_SERVER_CONNECT, "cannot resolve host name \"%s\": %s", nm->host,
		ares_strerror(status));
}

/* Whoever waits for it gets what is known now. */
static void name_ready(struct name *nm)
{
	struct list *n;

	timer_clear(nm->r->loop, &nm->patience);
	while ((n = list_pop(&nm->reqs)) != NULL)
		list_append(&nm->r->ready, n);
	if (!list_empty(&nm->r->ready))
		task_post(nm->r->loop, &nm->r->deliver);
}

/* The name server is slow or gone: what we knew is better than waiting for all of its timeouts. */
static void on_patience(struct timer *t, void *arg)
{
	struct name *nm = arg;

	(void)t;
	if (name_usable_stale(nm, loop_now_us(nm->r->loop)))
		name_ready(nm);
}

/* c-ares' answer; also called by ares_destroy(), and from inside ares_getaddrinfo(). */
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct name *nm = arg;
	struct resolver *r = nm->r;
	int64_t now_us = loop_now_us(r->loop);

	(void)timeouts;
	nm->asking = false;
	r->asking_n--;
	if (r->closing ||
		((status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) && !r->has_channel)) {
		ares_freeaddrinfo(res);
		return; /* resolver_free(), or resolver_set_opts() which asks again */
	}
	if (status == ARES_SUCCESS && res && !name_take(nm, res, now_us))
		status = res->nodes ? ARES_ENOMEM : ARES_ENODATA;
	if (status != ARES_SUCCESS)
		name_failed(nm, status, now_us);
	ares_freeaddrinfo(res);
	name_ready(nm);
}

static void ask(struct name *nm)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT
	};
	struct resolver *r = nm->r;

	if (nm->asking)
		return;
	if (!r->has_channel) {
		name_failed(nm, ARES_ENOTINITIALIZED, loop_now_us(r->loop));
		name_ready(nm);
		return;
	}
	nm->asking = true;
	r->asking_n++;
	ares_getaddrinfo(r->channel, nm->host, NULL, &hints, on_answer, nm);
	arm_timeout(r);
}

/* ---- giving answers ---- */

static void set_port(struct resolver_addr *a, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	if (a->sa.ss_family == AF_INET)
		in->sin_port = htons((uint16_t)port);
	else
		in6->sin6_port = htons((uint16_t)port);
}

static void give(const struct name *nm, unsigned port, resolver_fn *fn, void *arg)
{
	struct resolver_addr a[ADDRS_MAX_N];
	unsigned n = nm->n;
	struct err e = nm->failure;

	for (unsigned i = 0; i < n; i++) {
		a[i] = nm->addrs[i];
		set_port(&a[i], port);
	}
	if (n > 0)
		fn(arg, a, n, NULL);
	else
		fn(arg, NULL, 0, &e);
}

static void on_deliver(struct task *t, void *arg)
{
	struct resolver *r = arg;
	bool gone = false;
	struct list *n;

	(void)t;
	r->gone = &gone;
	while ((n = list_pop(&r->ready)) != NULL) {
		struct resolver_req q = *list_entry(n, struct resolver_req, node);
		mem_free(MEM_EV, list_entry(n, struct resolver_req, node));
		q.name->waiting_n--;
		give(q.name, q.port, q.fn, q.arg);
		if (gone)
			return;
	}
	r->gone = NULL;
}

/* "/dir" and "@name", or with port 0 the socket itself. False: too long. */
static bool unix_path(const char *host, unsigned port, struct resolver_addr *a)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int n = port ? snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%u", host, port)
		     : snprintf(un.sun_path, sizeof(un.sun_path), "%s", host);

	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return false;
	a->n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	if (*host == '@')
		un.sun_path[0] = '\0';
	else
		a->n++;
	memcpy(&a->sa, &un, sizeof(un));
	return true;
}

/* "10.0.0.1", "::1", "fe80::1%eth0". */
static bool numeric(const char *host, unsigned port, struct resolver_addr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	const char *scope = strchr(host, '%');
	char addr[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(&a->sa, &in, sizeof(in));
		a->n = sizeof(in);
		return true;
	}
	if (snprintf(addr, sizeof(addr), "%.*s", scope ? (int)(scope - host) : (int)sizeof(addr),
		    host) >= (int)sizeof(addr))
		return false;
	if (inet_pton(AF_INET6, addr, &in6.sin6_addr) != 1)
		return false;
	if (scope && (in6.sin6_scope_id = if_nametoindex(scope + 1)) == 0)
		return false;
	memcpy(&a->sa, &in6, sizeof(in6));
	a->n = sizeof(in6);
	return true;
}

static struct resolver_req *refuse(
	resolver_fn *fn, void *arg, enum err_code code, const char *why, const char *host)
{
	struct err e;

	err_set(&e, code, "%s: \"%.100s\"", why, host);
	fn(arg, NULL, 0, &e);
	return NULL;
}

struct resolver_req *resolver_lookup(
	struct resolver *r, const char *host, unsigned port, resolver_fn *fn, void *arg)
{
	struct resolver_addr a = { .n = 0 };
	struct resolver_req *q;
	struct name *nm;

	if (*host == '/' || *host == '@') {
		if (!unix_path(host, port, &a))
			return refuse(fn, arg, ERR_SERVER_CONNECT,
				"the unix socket path is too long", host);
		fn(arg, &a, 1, NULL);
		return NULL;
	}
	if (numeric(host, port, &a)) {
		fn(arg, &a, 1, NULL);
		return NULL;
	}
	if (*host == '\0' || strlen(host) > HOST_MAX_BYTES)
		return refuse(fn, arg, ERR_SERVER_CONNECT, "not a host name", host);
	nm = name_get(r, host);
	if (nm == NULL)
		return refuse(fn, arg, ERR_NO_MEMORY, "out of memory to resolve", host);
	if (name_fresh(nm, loop_now_us(r->loop))) {
		give(nm, port, fn, arg);
		return NULL;
	}
	q = mem_alloc(MEM_EV, sizeof(*q));
	if (q == NULL)
		return refuse(fn, arg, ERR_NO_MEMORY, "out of memory to resolve", host);
	*q = (struct resolver_req){ .name = nm, .port = port, .fn = fn, .arg = arg };
	list_init(&q->node);
	list_append(&nm->reqs, &q->node);
	nm->waiting_n++;
	if (nm->n > 0 && nm->patience.at_us == 0)
		timer_set(r->loop, &nm->patience, loop_now_us(r->loop) + PATIENCE_US);
	ask(nm);
	return q;
}

void resolver_cancel(struct resolver_req *q)
{
	list_del(&q->node);
	q->name->waiting_n--;
	mem_free(MEM_EV, q);
}

static void drop_reqs(struct list *reqs)
{
	struct list *n;

	while ((n = list_pop(reqs)) != NULL)
		mem_free(MEM_EV, list_entry(n, struct resolver_req, node));
}

void resolver_free(struct resolver *r)
{
	struct list *n;

	if (r == NULL)
		return;
	r->closing = true;
	channel_close(r);
	task_cancel(&r->deliver);
	drop_reqs(&r->ready);
	while ((n = list_first(&r->names)) != NULL) {
		struct name *nm = list_entry(n, struct name, by_use);
		drop_reqs(&nm->reqs);
		name_free(nm);
	}
	hmap_fini(&r->by_host, NULL);
	if (r->gone)
		*r->gone = true;
	mem_free(MEM_EV, r->resolv_conf);
	mem_free(MEM_EV, r->servers);
	mem_free(MEM_EV, r);
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
	(void)ares_library_init(ARES_LIB_INIT_ALL); /* on Linux it does nothing that could fail */
}

struct resolver *resolver_new(struct loop *l, const struct resolver_opts *o, struct err *e)
{
	struct resolver *r;

	pthread_once(&library_once, library_init);
	r = mem_alloc(MEM_EV, sizeof(*r));
	if (r == NULL) {
		err_set(e, ERR_NO_MEMORY, "out of memory for the resolver");
		return NULL;
	}
	r->loop = l;
	r->opts = *o;
	r->opts.resolv_conf = r->opts.servers = NULL;
	r->resolv_conf = o->resolv_conf && *o->resolv_conf ? mem_strdup(MEM_EV, o->resolv_conf)
							   : NULL;
	r->servers = o->servers ? mem_strdup(MEM_EV, o->servers) : NULL;
	hmap_init(&r->by_host);
	list_init(&r->names);
	list_init(&r->fds);
	list_init(&r->ready);
	task_init(&r->deliver, on_deliver, r);
	timer_init(&r->timeout, on_timeout, r);
	if (channel_open(r, e) != 0) {
		resolver_free(r);
		return NULL;
	}
	return r;
}

void resolver_set_opts(struct resolver *r, const struct resolver_opts *o)
{
	const char *path = o->resolv_conf && *o->resolv_conf ? o->resolv_conf : NULL;
	char *copy = NULL, *old = r->resolv_conf;
	struct err e;

	r->opts = *o;
	r->opts.resolv_conf = r->opts.servers = NULL;
	if (path == NULL ? old == NULL : old && strcmp(path, old) == 0)
		return;
	if (path && (copy = mem_strdup(MEM_EV, path)) == NULL)
		return;
	channel_close(r);
	r->resolv_conf = copy;
	if (channel_open(r, &e) != 0) { /* an unreadable file: what worked before */
		r->resolv_conf = old;
		old = copy;
		(void)channel_open(r, &e);
	}
	mem_free(MEM_EV, old);
	list_for(n, &r->names) {
		struct name *nm = list_entry(n, struct name, by_use);
		if (!list_empty(&nm->reqs))
			ask(nm);
	}
}

void resolver_each(struct resolver *r,
	void (*fn)(void *arg, const char *host, int64_t ttl_left_us, const struct resolver_addr *a,
		unsigned n),
	void *arg)
{
	int64_t now_us = loop_now_us(r->loop);

	list_for(n, &r->names) {
		const struct name *nm = list_entry(n, struct name, by_use);
		int64_t left_us = nm->expires_us - now_us;
		if (nm->fetched_us != 0)
			fn(arg, nm->host, left_us > 0 ? left_us : 0, nm->addrs, nm->n);
	}
}

unsigned resolver_pending(const struct resolver *r)
{
	return r->asking_n;
}
