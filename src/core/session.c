/* session - a client's connection: its states, its one timer, its end. Ignorant of messages and of
 * pools' inner life. Runs on the session's worker. */
#include "core_int.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOGINS_MAX 4096   /* per worker, at a time */
#define LINGER_US 2000000 /* a client has this long to take the last error */

__attribute__((format(printf, 5, 0))) static void vlog(enum event_code ev, const struct session *s,
	const struct log_field *f, unsigned n, const char *fmt, va_list ap)
{
	char host[64];
	if (!log_on(event_info(ev)->level))
		return;
	const struct proto_login *pl = s->login && s->greeted ? s->ops->client_login(s->cst) : NULL;
	const char *db = s->db                ? s->db->name
			 : s->is_console      ? "weirpool"
			 : pl && pl->database ? pl->database
					      : "(nodb)";
	const char *user = s->account ? s->account->name : pl && pl->user ? pl->user : "(nouser)";
	struct core_party who = { .prefix = "C-0xc",
		.id = s->id,
		.db = db,
		.user = user,
		.host = addr_host(&s->addr, host, sizeof host),
		.port = addr_port(&s->addr),
		.is_client = true,
		.field = f,
		.fields_n = n };
	core_vlog(ev, &who, fmt, ap);
}

void session_log(enum event_code ev, const struct session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vlog(ev, s, NULL, 0, fmt, ap);
	va_end(ap);
}

void session_log_fields(enum event_code ev, const struct session *s, const struct log_field *f,
	unsigned n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vlog(ev, s, f, n, fmt, ap);
	va_end(ap);
}

void session_set_state(struct session *s, enum session_state st)
{
	struct worker *w = s->w;
	static const unsigned next[SESSION_N] = {
		[SESSION_LOGIN] = 1u << SESSION_IDLE | 1u << SESSION_WAITING |
				  1u << SESSION_ACTIVE | 1u << SESSION_CLOSING,
		[SESSION_IDLE] = 1u << SESSION_LOGIN | 1u << SESSION_WAITING |
				 1u << SESSION_ACTIVE | 1u << SESSION_CLOSING,
		[SESSION_WAITING] = 1u << SESSION_ACTIVE | 1u << SESSION_IDLE |
				    1u << SESSION_CLOSING,
		[SESSION_ACTIVE] = 1u << SESSION_LOGIN | 1u << SESSION_IDLE | 1u << SESSION_CLOSING,
		[SESSION_CLOSING] = 0,
	};
	if (s->state == st)
		return;
	assert(next[s->state] & 1u << st);
	if (st == SESSION_IDLE || st == SESSION_CLOSING)
		stand_in_end(s);
	list_del(&s->node);
	w->n_sessions[s->state]--;
	s->state = st;
	s->state_us = worker_now(w);
	list_append(&w->sessions[st], &s->node);
	w->n_sessions[st]++;
}

/* ---- deadlines ---- */

struct deadline {
	int64_t at_us;
	enum err_code code;
	const char *option;
	int64_t limit_us;
};

static void sooner(
	struct deadline *d, int64_t since, int64_t limit, enum err_code code, const char *option)
{
	if (limit > 0 && since > 0 && (!d->at_us || since + limit < d->at_us))
		*d = (struct deadline){ since + limit, code, option, limit };
}

/* It waits for its cluster, not for a link. */
static bool is_held(const struct session *s)
{
	return s->wait.on && s->wait.on == s->shard && s->shard->topo;
}

/* The next deadline of a session in its state: one table of all. */
static struct deadline next_deadline(const struct session *s)
{
	struct deadline d = { 0 };
	const struct settings *set = s->shard ? &s->shard->set : NULL;
	if (s->raw && !s->login)
		return d;
	switch (s->state) {
	case SESSION_LOGIN:
		sooner(&d, s->state_us, s->w->gen->conf->global.client_login_timeout_us,
			ERR_LOGIN_TIMEOUT, "client_login_timeout");
		break;
	case SESSION_IDLE:
		if (set)
			sooner(&d, s->state_us, set->client_idle_timeout_us, ERR_IDLE_TIMEOUT,
				"client_idle_timeout");
		break;
	case SESSION_WAITING:
		sooner(&d, s->wait.since_us, set->query_wait_timeout_us, ERR_WAIT_TIMEOUT,
			"query_wait_timeout");
		if (is_held(s) && s->parked_until_us > PARK_OVER)
			sooner(&d, s->parked_until_us - 1, 1, ERR_NONE, "causal_wait");
		if (is_held(s))
			sooner(&d, s->wait.since_us, s->shard->topo->conf->hold_timeout_us,
				ERR_NO_PRIMARY, "hold_timeout");
		if (!s->notified && !s->login && !s->deaf_us)
			sooner(&d, s->wait.since_us, set->query_wait_notify_us, ERR_NONE,
				"query_wait_notify");
		break;
	case SESSION_ACTIVE:
		sooner(&d, s->request_us,
			s->timed_by_rule ? s->rule_timeout_us : set->query_timeout_us,
			ERR_QUERY_TIMEOUT, "query_timeout");
		sooner(&d, s->tx_us, set->transaction_timeout_us, ERR_TX_TIMEOUT,
			"transaction_timeout");
		if (s->in_tx && !s->request_us)
			sooner(&d, s->state_us, set->idle_transaction_timeout_us,
				ERR_IDLE_TX_TIMEOUT, "idle_transaction_timeout");
		if (!s->in_tx && !s->request_us)
			sooner(&d, s->state_us, set->client_idle_timeout_us, ERR_IDLE_TIMEOUT,
				"client_idle_timeout");
		if (s->deaf_us) /* the link is of use once it listens there */
			sooner(&d, s->state_us, set->server_connect_timeout_us, ERR_NONE,
				"server_connect_timeout");
		break;
	case SESSION_CLOSING:
	case SESSION_N: break;
	}
	return d;
}

static void wait_error(struct session *s, struct err *e)
{
	const struct pool *o = s->wait.on->pool;
	double waited = (double)(worker_now(s->w) - s->wait.since_us) / 1e6;
	unsigned open = atomic_load(&o->open), limit = atomic_load(&o->limit);
	struct err last;
	pthread_mutex_lock(&s->wait.on->pool->err_lock);
	last = o->last_err;
	pthread_mutex_unlock(&s->wait.on->pool->err_lock);
	bool trouble = atomic_load(&o->failures) > 0;
	err_set(e, ERR_WAIT_TIMEOUT,
		"query_wait_timeout: no server connection became free within %.1f s, "
		"database \"%s\", user \"%s\"",
		waited, s->db->name, s->account->name);
	if (trouble)
		err_detail(e, "%s", last.msg);
	else if (!pool_may_grant(s->shard))
		err_detail(e, "The database is paused.");
	else
		err_detail(e,
			"%u of pool_size %u server connections are open, %u clients wait here.",
			open, limit, s->wait.on->n_waiting);
	err_hint(e, trouble ? "See the log of weirpool and the state of the server."
			    : "Raise pool_size, shorten transactions, or see SHOW POOLS.");
}

static void on_timer(struct timer *t, void *arg)
{
	struct session *s = arg;
	struct err e = { 0 };
	(void)t;
	struct deadline d = next_deadline(s);
	if (!d.at_us || d.at_us > worker_now(s->w) + 20000) {
		session_arm(s);
		return;
	}
	if (d.code == ERR_NONE && s->state == SESSION_ACTIVE) {
		session_listens_late(s);
		return;
	}
	if (d.code == ERR_NONE && s->parked_until_us == d.at_us) {
		park_timeout(s);
		session_arm(s);
		return;
	}
	if (d.code == ERR_NONE) {
		s->notified = true;
		s->ops->put_notice(s->cst, &s->w->down, "NOTICE", "00000",
			"No server connection available in the pool, client being queued");
		session_send(s, &s->w->down);
		session_arm(s);
		return;
	}
	if (d.code == ERR_NO_PRIMARY) {
		route_hold_error(s->shard, &e);
		pool_wait_cancel(&s->wait);
		session_refuse(s, &e);
		return;
	}
	if (d.code == ERR_WAIT_TIMEOUT) {
		s->wait.on->counts->wait_timeouts++;
		wait_error(s, &e);
	} else {
		err_set(&e, d.code, "%s: after %g s (%s)", err_info(d.code)->text,
			(double)d.limit_us / 1e6, d.option);
	}
	if (s->deaf_us && s->state == SESSION_WAITING)
		session_stays_deaf(s, &e);
	else
		session_close(s, &e, d.option);
}

void session_arm(struct session *s)
{
	struct deadline d = next_deadline(s);
	if (d.at_us)
		timer_set(s->w->loop, &s->timer, d.at_us);
	else if (s->timer.at_us)
		timer_clear(s->w->loop, &s->timer);
}

/* ---- birth and end ---- */

struct session *session_bare(struct worker *w, const struct proto_ops *ops, int fd)
{
	struct err e = { 0 };
	struct session *s = mem_alloc(MEM_SESSION, sizeof *s + ops->client_size);
	if (!s) {
		close(fd);
		return NULL;
	}
	s->w = w;
	s->ops = ops;
	s->slot = UINT32_MAX;
	s->id = atomic_fetch_add(&w->core->session_ids, 1) + 1;
	s->state = SESSION_LOGIN;
	list_init(&s->node);
	list_init(&s->wait.node);
	list_init(&s->offer);
	s->wait.session = s;
	s->connected_us = s->state_us = worker_now(w);
	timer_init(&s->timer, on_timer, s);
	if (stream_init(&s->st, w->loop, fd, &session_stream_cb, s, &e) != 0) {
		mem_free(MEM_SESSION, s);
		return NULL;
	}
	list_append(&w->sessions[SESSION_LOGIN], &s->node);
	w->n_sessions[SESSION_LOGIN]++;
	return s;
}

struct session *session_new(struct worker *w, const struct proto_ops *ops,
	enum conf_endpoint came_to, int fd, const struct sockaddr *sa, socklen_t n)
{
	const struct conf_global *g = &w->gen->conf->global;
	if (w->n_sessions[SESSION_LOGIN] >= LOGINS_MAX) { /* a storm, or somebody who does not log
							     in: the kernel queues the rest */
		close(fd);
		return NULL;
	}
	struct session *s = session_bare(w, ops, fd);
	if (!s)
		return NULL;
	s->came_to = (uint8_t)came_to;
	addr_from_sockaddr(&s->addr, sa, n);
	if (!session_login_begin(s)) {
		session_close(s, NULL, "out of memory");
		return NULL;
	}
	struct sock_opts so = {
		.keepalive = g->tcp_keepalive,
		.keepidle_s = g->tcp_keepidle,
		.keepintvl_s = g->tcp_keepintvl,
		.keepcnt = g->tcp_keepcnt,
		.user_timeout_ms = (int)(g->tcp_user_timeout_us / 1000),
		.buffer_bytes = (int)g->tcp_socket_buffer_bytes,
	};
	sock_apply(fd, &so);
	s->proxy_due = session_is_proxied(s);
	session_greet(s);
	session_arm(s);
	return s;
}

void session_send(struct session *s, struct buf *down)
{
	if (!buf_len(down))
		return;
	if (s->st.closed) {
		buf_consume(down, buf_len(down));
		return;
	}
	if (s->may_again)
		session_forget_again(s);
	size_t n = buf_len(down);
	if (s->shard)
		s->shard->stats->tx_bytes += n;
	(void)stream_flush_buf(&s->st, down); /* a failure shows as st.error at the next read */
}

static void uncount(struct session *s)
{
	if (s->counted) {
		atomic_fetch_sub(&s->w->core->clients, 1);
		s->counted = false;
	}
	if (s->counted_db) {
		atomic_fetch_sub(&s->db->clients, 1);
		atomic_fetch_sub(&s->account->clients, 1);
		s->counted_db = false;
	}
	if (s->shard)
		s->shard->n_sessions--;
}

/* Lets go of the link of a session that ends. */
static void give_up_link(struct session *s)
{
	struct link *l = s->link;
	if (!l)
		return;
	if (l->login) { /* a replication connection that is still being made */
		s->link = NULL;
		link_close(l, "its client left");
		return;
	}
	bool broken = s->ops->client_mid_message(s->cst) || s->raw;
	bool goes_on = s->said_bye && !(s->reads && s->ops->client_only_read(s->cst));
	session_detach(s);
	link_recycle(l, broken, goes_on);
}

void session_unserve(struct session *s)
{
	bool counted = s->counted;
	give_up_link(s);
	key_free(s);
	s->counted = false; /* in all, it stays one of them */
	uncount(s);
	s->counted = counted;
	session_forget_rules(s);
	s->shard = NULL;
	session_meter(s);
	s->db = NULL;
	s->account = NULL;
	s->privilege = CONSOLE_NONE;
	s->is_console = s->in_tx = s->long_key = s->cut = false;
	s->request_us = s->tx_us = s->pinned_us = 0;
}

/* The client has had a part of a message: our own would be taken for the rest of it. */
static bool is_cut(const struct session *s)
{
	return s->cut || (s->link && !s->link->login && s->ops->link_mid_reply(s->link->lst));
}

static enum login_failure login_failure_of(enum err_code code)
{
	static const uint8_t by_code[ERR_N] = { [ERR_AUTH_FAILED] = LOGIN_FAILED_AUTH,
		[ERR_AUTH_DENIED] = LOGIN_FAILED_AUTH,
		[ERR_ACCOUNT_TLS] = LOGIN_FAILED_AUTH,
		[ERR_ACCOUNT_LOCKED] = LOGIN_FAILED_AUTH,
		[ERR_PASSWORD_EXPIRED] = LOGIN_FAILED_AUTH,
		[ERR_NO_DATABASE] = LOGIN_FAILED_DATABASE,
		[ERR_DB_DISABLED] = LOGIN_FAILED_DATABASE,
		[ERR_TOO_MANY] = LOGIN_FAILED_LIMIT,
		[ERR_NO_FDS] = LOGIN_FAILED_LIMIT,
		[ERR_LOGIN_TIMEOUT] = LOGIN_FAILED_TIMEOUT,
		[ERR_WAIT_TIMEOUT] = LOGIN_FAILED_TIMEOUT,
		[ERR_SERVER_LOST] = LOGIN_FAILED_SERVER,
		[ERR_SERVER_CONNECT] = LOGIN_FAILED_SERVER,
		[ERR_SERVER_REFUSED] = LOGIN_FAILED_SERVER,
		[ERR_SERVER_PROTOCOL] = LOGIN_FAILED_SERVER,
		[ERR_NO_PRIMARY] = LOGIN_FAILED_SERVER,
		[ERR_PROTOCOL] = LOGIN_FAILED_PROTOCOL,
		[ERR_TOO_BIG] = LOGIN_FAILED_PROTOCOL };
	return (enum login_failure)by_code[code];
}

void session_close(struct session *s, const struct err *e, const char *why)
{
	struct worker *w = s->w;
	if (s->state == SESSION_CLOSING)
		return;
	s->close_why = why;
	if (s->moving == MOVING_IN) {
		stream_close(&s->st); /* the other process may have it still */
		hand_close(s);
	} else if (s->moving == MOVING_OUT)
		(void)session_stay(s);
	s->moving = MOVING_NOT;
	if (e && e->code != ERR_NONE) {
		if (s->login)
			w->logins_failed[login_failure_of(e->code)]++;
		if (w->gen->conf->global.log_pooler_errors)
			session_log(event_of_err(e->code), s, "pooler error: %s%s%s", e->msg,
				*e->internal ? ": " : "", e->internal);
		if (!is_cut(s)) {
			s->ops->put_error(s->greeted ? s->cst : NULL, &w->down, e, true);
			session_send(s, &w->down);
		}
	}
	session_log_end(s, e, why);
	if (e || s->request_us)
		trace_fail(s, e);
	if (e && s->state == SESSION_WAITING)
		trace_refused(s, e);
	pool_wait_cancel(&s->wait);
	give_up_link(s);
	if (s->login)
		session_login_fini(s);
	timer_clear(w->loop, &s->timer);
	key_free(s);
	uncount(s);
	if (stream_queued(&s->st) && !s->st.error && !s->st.eof)
		stream_linger_close(&s->st, LINGER_US);
	else
		stream_close(&s->st);
	session_set_state(s, SESSION_CLOSING);
}

void session_close_by(struct session *s, char by, const char *why)
{
	s->tally.ended_by = by;
	session_close(s, NULL, why);
}

void session_free(struct session *s)
{
	list_del(&s->node);
	list_del(&s->offer);
	session_forget_again(s);
	session_forget_rules(s);
	query_log_free(s);
	trace_forget(s);
	s->w->n_sessions[SESSION_CLOSING]--;
	if (s->greeted)
		s->ops->client_fini(s->cst);
	mem_free(MEM_SESSION, s);
}

void session_kill(struct session *s, enum err_code code, const char *why)
{
	struct err e = { 0 };
	err_set(&e, code, "%s", why);
	session_close(s, &e, why);
}

/* ---- events of the socket ---- */

static void on_readable(struct stream *st, void *owner)
{
	struct session *s = owner;
	(void)st;
	if (s->state == SESSION_CLOSING)
		return;
	if (s->login || s->state == SESSION_LOGIN)
		session_login_readable(s);
	else
		session_run_readable(s);
}

static void on_drained(struct stream *st, void *owner)
{
	struct session *s = owner;
	struct link *l = s->link;
	if (l && l->paused && stream_queued(st) < CORE_HIGH_WATER_BYTES / 4) {
		l->paused = false;
		stream_resume(&l->st);
	}
}

const struct stream_cb session_stream_cb = {
	.readable = on_readable,
	.drained = on_drained,
	.handshaken = session_login_handshaken,
};
