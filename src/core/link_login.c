/* link_login - from a budgeted wish to a server connection that is logged in: resolve, connect,
 * TLS, login, connect_query. Ignorant of messages. Runs on the link's worker. */
#include "core_int.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OWN_PARAMS_MAX 32

struct link_login {
	struct resolver_req *req;
	struct proto_link_login ll;
	struct session *own;                        /* replication: for whom */
	struct proto_kv params[OWN_PARAMS_MAX + 1]; /* its startup parameters, in own's strings */
	struct core_gen *gen; /* keeps what ll points to while the connection is being made */
	enum conf_tls_mode tls;
	bool tls_direct;
	char sni[256];
};

static int64_t now_us(const struct link *l)
{
	return worker_now(l->w);
}

/* The attempt is over. refused: the server said no to this login; else it could not be reached. */
static void failed(struct link *l, const struct err *e, bool refused)
{
	struct pool_shard *p = l->shard;
	struct session *own = l->login ? l->login->own : NULL;
	link_log(EVENT_LINK_FAILED, l, "%s%s%s", e->msg, *e->internal ? ": " : "", e->internal);
	struct err copy = *e;
	if (copy.code == ERR_SERVER_REFUSED && !*copy.detail && !own) /* who logged in where? */
		err_detail(&copy,
			"So says server %s:%u to weirpool, which logs in there as \"%s\".", l->host,
			l->port, l->shard->pool->user);
	link_close(l, "login failed");
	if (own) {
		own->link = NULL;
		session_wait_failed(own, &copy);
		return;
	}
	pool_failed(p, &copy, refused);
}

static void on_timeout(struct timer *t, void *arg)
{
	struct link *l = arg;
	struct err e = { 0 };
	(void)t;
	bool mute = l->st.fd >= 0 && !l->st.connecting && l->st.rx_bytes == 0;
	err_set(&e, ERR_SERVER_CONNECT,
		"cannot connect to server %s:%u: no login within server_connect_timeout (%g s)%s",
		l->host, l->port, (double)l->shard->set.server_connect_timeout_us / 1e6,
		mute ? "; it took the connection and said nothing: is it the right port?" : "");
	failed(l, &e, false);
}

static void on_query_timeout(struct timer *t, void *arg)
{
	struct link *l = arg;
	struct err e = { 0 };
	(void)t;
	err_set(&e, ERR_SERVER_CONNECT,
		"connect_query was not done by server %s:%u within server_connect_timeout (%g s)",
		l->host, l->port, (double)l->shard->set.server_connect_timeout_us / 1e6);
	link_cancel_last(l); /* it may wait for a lock, and would go on doing so */
	failed(l, &e, false);
}

/* Of the login, or of connect_query behind it. */
static void limit(struct link *l, void (*on_end)(struct timer *, void *))
{
	int64_t us = l->shard->set.server_connect_timeout_us;
	l->timer.fn = on_end;
	timer_set(l->w->loop, &l->timer, now_us(l) + (us ? us : INT64_C(3600000000)));
}

void link_login_fini(struct link *l)
{
	struct link_login *g = l->login;
	if (g->req)
		resolver_cancel(g->req);
	gen_unref(g->gen);
	mem_free(MEM_LINK, g);
	l->login = NULL;
}

/* Like PostgreSQL's "could not connect", but with what was tried. */
static void connect_failed(struct link *l, const char *why)
{
	struct err e = { 0 };
	err_set(&e, ERR_SERVER_CONNECT, "cannot connect to server %s:%u: %s", l->host, l->port,
		why);
	failed(l, &e, false);
}

static void start_login(struct link *l)
{
	struct link_login *g = l->login;
	struct worker *w = l->w;
	struct err e = { 0 };
	struct sock_opts so = {
		.keepalive = w->gen->conf->global.tcp_keepalive,
		.keepidle_s = w->gen->conf->global.tcp_keepidle,
		.keepintvl_s = w->gen->conf->global.tcp_keepintvl,
		.keepcnt = w->gen->conf->global.tcp_keepcnt,
		.user_timeout_ms = (int)(w->gen->conf->global.tcp_user_timeout_us / 1000),
		.buffer_bytes = (int)w->gen->conf->global.tcp_socket_buffer_bytes,
	};
	sock_apply(l->st.fd, &so);
	if (l->shard->set.server_proxy_protocol != CONF_PROXY_OFF)
		(void)stream_put_proxy(
			&l->st, g->own && session_names_itself(g->own) ? &g->own->addr : NULL);
	link_set_state(l, LINK_LOGIN);
	if (l->ops->link_init(l->lst, w->env[l->ops->id], &g->ll, &w->up, &e) != 0) {
		buf_consume(&w->up, buf_len(&w->up));
		failed(l, &e, false);
		return;
	}
	if (g->tls_direct) {
		buf_consume(&w->up, buf_len(&w->up));
		if (stream_tls_connect(&l->st, l->shard->tls, g->sni, &e) != 0)
			failed(l, &e, false);
		return;
	}
	link_put(l, &w->up);
}

void link_login_connected(struct stream *st, void *owner, int err)
{
	struct link *l = owner;
	(void)st;
	if (l->state == LINK_CLOSING)
		return;
	if (err)
		connect_failed(l, strerror(err));
	else
		start_login(l);
}

void link_login_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct link *l = owner;
	uint8_t cbind[64];
	if (l->state == LINK_CLOSING)
		return;
	if (e && err_is(e)) {
		connect_failed(l, e->msg);
		return;
	}
	int64_t end_s;
	if (tls_peer_expiry(st->ssl, &end_s))
		atomic_store(&l->pool->cert_end_s, end_s);
	size_t n = tls_server_end_point(st->ssl, false, cbind);
	l->ops->link_tls_done(l->lst, n ? cbind : NULL, n, &l->w->up);
	link_put(l, &l->w->up);
}

static void resolved(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct link *l = arg;
	struct link_login *g = l->login;
	struct err ce = { 0 };
	g->req = NULL;
	if (n == 0) {
		connect_failed(l, e && *e->msg ? e->msg : "the name has no address");
		return;
	}
	unsigned i = n > 1 ? atomic_fetch_add(&l->pool->next_host, 1) % n : 0;
	addr_from_sockaddr(&l->addr, (const struct sockaddr *)&a[i].sa, a[i].n);
	if (stream_connect(&l->st, l->w->loop, (const struct sockaddr *)&a[i].sa, a[i].n,
		    &link_stream_cb, l, &ce) == 0)
		return;
	if (ce.code == ERR_NO_FDS)
		failed(l, &ce, true); /* those who wait hold what is missing */
	else
		connect_failed(l, ce.msg);
}

/* Which of the database's hosts. */
static const struct conf_host *choose_host(struct pool_shard *p)
{
	const struct conf_db *d = p->cdb;
	for (unsigned i = 0; p->pool->node && p->topo && i < p->topo->conf->nodes_n; i++)
		if (p->topo->node[i] == p->pool->node)
			return &p->topo->conf->nodes[i];
	unsigned n = d->hosts_n;
	if (n == 1)
		return &d->hosts[0];
	if (p->set.load_balance_hosts == CONF_BALANCE_DISABLE) /* stay until it fails */
		return &d->hosts[atomic_load(&p->pool->failures) % n];
	return &d->hosts[atomic_fetch_add(&p->pool->next_host, 1) % n];
}

static struct link *link_new(struct pool_shard *p, unsigned link_class)
{
	struct link_login *g = mem_alloc(MEM_LINK, sizeof *g);
	struct link *l = g ? link_bare(p, link_class, LINK_CONNECTING) : NULL;
	if (!l) {
		mem_free(MEM_LINK, g);
		return NULL;
	}
	l->login = g;
	g->ll.link_class = link_class;
	g->gen = gen_ref(p->w->gen);
	return l;
}

static void begin(struct link *l)
{
	struct pool_shard *p = l->shard;
	struct link_login *g = l->login;
	const struct conf_host *h = choose_host(p);
	char path[128];
	l->port = h->port;
	snprintf(l->host, sizeof l->host, "%s", h->host);
	snprintf(g->sni, sizeof g->sni, "%s", h->host);
	bool is_unix = h->kind != CONF_HOST_TCP;
	g->ll.is_private = is_unix;
	g->ll.codings = core_codings(p->set.server_compression);
	if (p->tls && !is_unix) {
		const struct conf_tls *t = &p->set.server_tls;
		g->ll.tls_try = true;
		g->ll.tls_require = t->mode >= CONF_TLS_REQUIRE;
		g->tls_direct = g->ll.tls_direct = t->start == CONF_TLS_START_DIRECT;
	}
	limit(l, on_timeout);
	snprintf(path, sizeof path, "%s%s", h->kind == CONF_HOST_ABSTRACT ? "@" : "", h->host);
	struct resolver_req *q = resolver_lookup(l->w->resolver, path, h->port, resolved, l);
	if (q) /* else resolved() has run, and l may be closing */
		g->req = q;
}

/* Where it is a session's own business, a link begins without any. */
const char *link_database(const struct pool_shard *p)
{
	const struct dbase *db = p->pool->db;
	return db->ops->schema_is_state ? "" : *p->cdb->dbname ? p->cdb->dbname : db->name;
}

void link_connect(struct pool_shard *p, unsigned link_class)
{
	struct link *l = link_new(p, link_class);
	if (!l) {
		log_event(EVENT_NO_LINK_MEMORY,
			"out of memory for a server connection to database %s", p->pool->db->name);
		pool_forget(p->pool, p->w);
		return;
	}
	struct link_login *g = l->login;
	g->ll.user = p->pool->user;
	g->ll.database = link_database(p);
	g->ll.creds = p->home->creds;
	g->ll.max_scram_iterations = (uint32_t)p->w->gen->conf->global.scram_iterations_max;
	begin(l);
}

int link_connect_own(struct session *s, struct err *e)
{
	struct pool_shard *p = route_shard(s->shard, &s->wait, e);
	if (!p)
		return err_is(e) ? -1 : err_set(e, ERR_NO_PRIMARY, "no server can take it now");
	unsigned open = atomic_load(&p->pool->open), limit = atomic_load(&p->pool->limit);
	if (!p->cdb || !p->home->creds)
		return err_set(e, ERR_NO_DATABASE, "database \"%s\" is not configured any more",
			s->db->name);
	do {
		if (open >= limit)
			return err_set(e, ERR_TOO_MANY,
				"no room for %s: %u of pool_size %u are open",
				s->raw ? "replication" : "a server connection of its own", open,
				limit);
	} while (!atomic_compare_exchange_weak(&p->pool->open, &open, open + 1));
	atomic_fetch_add(&p->pool->db->links, 1);
	atomic_fetch_add(&p->pool->account->links, 1);
	struct link *l = link_new(p, s->wait.link_class);
	if (!l) {
		pool_forget(p->pool, p->w);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	struct link_login *g = l->login;
	g->own = s;
	g->ll.user = p->pool->user;
	g->ll.database = link_database(p);
	g->ll.creds = p->home->creds;
	g->ll.max_scram_iterations = (uint32_t)p->w->gen->conf->global.scram_iterations_max;
	if (s->raw) {
		const struct proto_login *pl = s->ops->client_login(s->cst);
		g->ll.replication_physical = pl->replication == PROTO_REPL_PHYSICAL;
		g->ll.replication_logical = pl->replication == PROTO_REPL_LOGICAL;
		s->ops->client_params(s->cst, g->params, OWN_PARAMS_MAX);
		g->ll.params = g->params;
	}
	l->ephemeral = true;
	s->link =
		l; /* so that a closing session finds it; l->session is set when it is logged in */
	begin(l);
	return 0;
}

static void ready(struct link *l)
{
	struct worker *w = l->w;
	struct pool_shard *p = l->shard;
	struct session *own = l->login->own;
	timer_clear(w->loop, &l->timer);
	hist_add(&p->counts->hist[HIST_CONNECT], worker_now(w) - l->born_us);
	l->born_us = worker_now(w);
	if (w->gen->conf->global.log_connections)
		link_log(EVENT_LINK_NEW, l, "new connection to server%s%s", l->st.ssl ? ", " : "",
			l->st.ssl ? tls_version(l->st.ssl) : "");
	bool query = *p->set.connect_query && !own;
	facts_of_link(l);
	link_login_fini(l);
	if (!query)
		pool_succeeded(p);
	if (own) {
		link_set_state(l, LINK_ACTIVE);
		own->link = NULL;
		session_granted(own, l);
	} else if (query) {
		link_set_state(l, LINK_CLEANING);
		l->checking = true; /* its end is the end of a query of ours; errors are ignored, as
				       in PgBouncer */
		l->ops->link_query(l->lst, p->set.connect_query, NULL, &w->up);
		link_put(l, &w->up);
		limit(l, on_query_timeout);
	} else if (pool_must_close(l)) {
		link_close(l, "not to be kept");
	} else {
		pool_release(l);
	}
}

/* The handshake may only begin on a connection without bytes from before it (CVE-2021-23222 and its
 * kin). */
static bool start_tls(struct link *l, size_t behind)
{
	struct err e = { 0 };
	if (behind || buf_len(&l->st.in)) {
		err_set(&e, ERR_SERVER_PROTOCOL,
			"server %s:%u sent bytes in clear before the TLS handshake", l->host,
			l->port);
	} else if (stream_tls_connect(&l->st, l->shard->tls, l->login->sni, &e) == 0) {
		return true;
	}
	failed(l, &e, false);
	return false;
}

/* A server's answer that will be the same the next time. */
static bool says_no(const struct err *e)
{
	return e->code == ERR_SERVER_REFUSED &&
	       (!strncmp(err_sqlstate(e), "28", 2) || !strncmp(err_sqlstate(e), "3D", 2));
}

/* What is behind its OK is coded already. */
static bool start_coding(struct link *l, const uint8_t *behind, size_t n)
{
	struct coding c;
	int rc = l->ops->link_coding(l->lst, &c);
	if (rc < 0 || (rc > 0 && stream_code(&l->st, &c, behind, n) != 0)) {
		connect_failed(l, "out of memory");
		return false;
	}
	return true;
}

/* Handles the input; returns the bytes consumed, or SIZE_MAX when l is gone or ready. */
static size_t steps(struct link *l, const uint8_t *p, size_t n)
{
	struct worker *w = l->w;
	size_t done = 0;
	for (;;) {
		struct err e = { 0 };
		struct pev ev = l->ops->link_step(l->lst, p + done, n - done, &w->up, &e);
		done += ev.n;
		switch (ev.kind) {
		case PEV_MORE: link_put(l, &w->up); return done;
		case PEV_TLS: link_put(l, &w->up); return start_tls(l, n - done) ? done : SIZE_MAX;
		case PEV_AUTH_OK:
			link_put(l, &w->up);
			if (done < n) {
				err_set(&e, ERR_SERVER_PROTOCOL,
					"server %s:%u sent bytes behind the end of the login",
					l->host, l->port);
				failed(l, &e, false);
			} else { /* all that came is used up, also what came in parts */
				buf_consume(&l->st.in, buf_len(&l->st.in));
				ready(l);
			}
			return SIZE_MAX;
		case PEV_NOTE: link_log(EVENT_LINK_NOTE, l, "%s", e.msg); break;
		case PEV_DROP:
			if (!ev.coded)
				break;
			link_put(l, &w->up);
			if (!start_coding(l, p + done, n - done))
				return SIZE_MAX;
			done = n;
			break;
		case PEV_BAD:
			link_put(l, &w->up);
			failed(l, &e, ev.refused || says_no(&e));
			return SIZE_MAX;
		case PEV_FORWARD:
		case PEV_TLS_DIRECT:
		case PEV_LOGIN:
		case PEV_PASSWORD:
		case PEV_CANCEL:
		case PEV_REQUEST:
		case PEV_CONSOLE:
		case PEV_BYE:
		case PEV_KILL:
		case PEV_TOKEN:
		case PEV_RELOGIN:
		case PEV_SYNCED:
		case PEV_TX:
		case PEV_ASKED:
		case PEV_ROW:
		case PEV_QUERY_DONE:
		case PEV_REFUSED:
		case PEV_LINK_BAD: break;
		}
	}
}

void link_login_readable(struct link *l)
{
	struct worker *w = l->w;
	if (l->st.tls == STREAM_HANDSHAKE)
		return;
	for (;;) {
		size_t have = buf_len(&l->st.in);
		size_t got = stream_read(&l->st, w->rbuf, CORE_RBUF_BYTES);
		if (got == 0) {
			const struct err *bad = stream_garbled(&l->st);
			if (bad)
				connect_failed(l, bad->internal);
			else if (l->st.eof || l->st.error)
				connect_failed(l, l->st.error
							  ? strerror(l->st.error)
							  : "the server hung up during the login");
			return;
		}
		const uint8_t *p = w->rbuf;
		size_t n = got;
		if (have) {
			if (!buf_append(&l->st.in, w->rbuf, got)) {
				connect_failed(l, "out of memory");
				return;
			}
			p = buf_data(&l->st.in);
			n = buf_len(&l->st.in);
		}
		size_t used = steps(l, p, n);
		if (used == SIZE_MAX)
			return;
		if (have)
			buf_consume(&l->st.in, used);
		else if (used < n && !buf_append(&l->st.in, p + used, n - used)) {
			connect_failed(l, "out of memory");
			return;
		}
		if (got < CORE_RBUF_BYTES)
			return;
	}
}
