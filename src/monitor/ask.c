/* ask - one connection to a server, over the same link states as the pools': TCP, TLS, login,
 * then one question at a time. Ignorant of what is asked. Control thread. */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_BYTES 16384

const char *ask_state_name(enum ask_state s)
{
	switch (s) {
	case ASK_CLOSED: return "closed";
	case ASK_CONNECTING: return "connecting";
	case ASK_LOGIN: return "login";
	case ASK_READY:
	case ASK_BUSY: return "up";
	}
	return "?";
}

void ask_init(struct ask *a, const struct ask_opts *o, const struct ask_cb *cb, void *owner)
{
	*a = (struct ask){ .o = o, .cb = cb, .owner = owner };
	a->st.fd = -1;
	a->st.closed = true;
	buf_init(&a->up, MONITOR_TEXT_MAX);
	buf_init(&a->down, MONITOR_TEXT_MAX);
}

static void drop_creds(struct ask *a)
{
	if (a->creds)
		mem_wipe(a->creds, sizeof *a->creds);
	mem_free(MEM_CLUSTER, a->creds);
	a->creds = NULL;
}

void ask_close(struct ask *a)
{
	if (a->req)
		resolver_cancel(a->req);
	a->req = NULL;
	stream_close(&a->st);
	if (a->lst) {
		a->o->ops->link_fini(a->lst);
		mem_free(MEM_CLUSTER, a->lst);
	}
	a->lst = NULL;
	drop_creds(a);
	buf_wipe(&a->up);
	buf_fini(&a->down);
	a->state = ASK_CLOSED;
}

static void fail(struct ask *a, enum cluster_failure f, const char *text)
{
	char copy[300];
	snprintf(copy, sizeof copy, "%s", text);
	ask_close(a);
	a->cb->failed(a, f, copy);
}

/* Answers of a server that lives and cannot serve now. */
static bool not_ready(const struct err *e)
{
	static const unsigned my[] = { 1040, 1053, 1129, 1158, 1159, 1160, 1161, 3032 };
	const char *s = err_sqlstate(e);
	if (strncmp(s, "57P0", 4) == 0 || strcmp(s, "53300") == 0)
		return true;
	for (unsigned i = 0; i < sizeof my / sizeof my[0]; i++) {
		if (e->mysql_errno == my[i])
			return true;
	}
	return false;
}

static void login_failed(struct ask *a, const struct err *e)
{
	char text[300];
	snprintf(text, sizeof text, "%.180s%s%.100s", e->msg, *e->detail ? ": " : "", e->detail);
	fail(a, not_ready(e) ? FAIL_NOT_READY : FAIL_LOGIN, text);
}

static bool flush(struct ask *a)
{
	if (a->up.failed || !stream_flush_buf(&a->st, &a->up)) {
		fail(a, FAIL_LOST, a->st.error ? strerror(a->st.error) : "cannot write");
		return false;
	}
	return true;
}

static void start_tls(struct ask *a, size_t behind)
{
	struct err e = { 0 };
	if (behind || buf_len(&a->st.in)) {
		fail(a, FAIL_LOGIN, "the server sent bytes in clear before the TLS handshake");
		return;
	}
	if (stream_tls_connect(&a->st, a->o->tls, a->o->host, &e) != 0)
		fail(a, FAIL_LOGIN, e.msg);
}

/* One event of the login. False: a is closed, or waits for a handshake. */
static bool login_event(struct ask *a, const struct pev *ev, const struct err *e, size_t behind)
{
	switch ((int)ev->kind) { /* of a link's login there are no others */
	case PEV_TLS:
		if (flush(a))
			start_tls(a, behind);
		return false;
	case PEV_AUTH_OK:
		if (!flush(a))
			return false;
		if (behind) {
			fail(a, FAIL_LOGIN, "the server sent bytes behind the end of the login");
			return false;
		}
		drop_creds(a);
		a->state = ASK_READY;
		return true;
	case PEV_BAD: login_failed(a, e); return false;
	default: return true;
	}
}

/* One event of an answer. False: a is closed. */
static bool answer_event(struct ask *a, const struct pev *ev, const struct err *e)
{
	switch ((int)ev->kind) { /* nobody is attached: of down() there are no others */
	case PEV_ROW:
		if (a->state == ASK_BUSY)
			a->cb->row(a, ev->cells, ev->n_cells);
		return a->state != ASK_CLOSED;
	case PEV_QUERY_DONE:
		a->state = ASK_READY;
		a->cb->done(a, err_is(e) ? e : NULL);
		return a->state != ASK_CLOSED;
	case PEV_LINK_BAD:
	case PEV_BAD: fail(a, not_ready(e) ? FAIL_LOST : FAIL_LOGIN, e->msg); return false;
	default: return true;
	}
}

/* Handles what of the input can be. False: a is closed, or waits for its handshake. */
static bool steps(struct ask *a)
{
	for (;;) {
		struct err e = { 0 };
		const uint8_t *p = buf_data(&a->st.in);
		size_t n = buf_len(&a->st.in);
		bool login = a->state == ASK_LOGIN;
		struct pev ev = login ? a->o->ops->link_step(a->lst, p, n, &a->up, &e)
				      : a->o->ops->down(NULL, a->lst, p, n, &a->up, &a->down, &e);
		if (login)
			buf_consume(&a->st.in, ev.n);
		if (login ? !login_event(a, &ev, &e, n - ev.n) : !answer_event(a, &ev, &e))
			return false;
		if (!login)
			buf_consume(&a->st.in, ev.n); /* cells may have pointed there */
		buf_fini(&a->down);
		if (!flush(a))
			return false;
		if (login && a->state == ASK_READY) {
			a->cb->ready(a);
			return a->state != ASK_CLOSED;
		}
		if (ev.kind == PEV_MORE)
			return true;
	}
}

static void on_readable(struct stream *st, void *owner)
{
	struct ask *a = owner;
	while (a->state == ASK_LOGIN || a->state == ASK_READY || a->state == ASK_BUSY) {
		if (st->tls == STREAM_HANDSHAKE)
			return;
		uint8_t *room = buf_reserve(&st->in, READ_BYTES);
		size_t got = room ? stream_read(st, room, READ_BYTES) : 0;
		buf_commit(&st->in, got);
		if (st->in.failed) {
			fail(a, FAIL_LOGIN, "an answer is too large");
			return;
		}
		if (got == 0 && (st->eof || st->error)) {
			fail(a, FAIL_LOST,
				st->error ? strerror(st->error)
					  : "the server closed the connection");
			return;
		}
		if (got == 0 || !steps(a))
			return;
		if (got < READ_BYTES)
			return;
	}
}

static void on_drained(struct stream *st, void *owner)
{
	(void)st;
	(void)owner;
}

static void on_connected(struct stream *st, void *owner, int err)
{
	struct ask *a = owner;
	struct err e = { 0 };
	struct proto_link_login l = { .user = a->o->user,
		.database = a->o->dbname,
		.params = (const struct proto_kv[]){ { "application_name", "weirpool-monitor" },
			{ NULL, NULL } },
		.creds = a->creds,
		.tls_try = a->o->tls != NULL,
		.tls_require = a->o->tls_require,
		.is_private = a->o->host[0] == '/',
		.max_scram_iterations = 100000 };
	if (err) {
		fail(a, FAIL_REFUSED, strerror(err));
		return;
	}
	st->in.cap = MONITOR_TEXT_MAX;
	a->state = ASK_LOGIN;
	a->lst = mem_alloc(MEM_CLUSTER, a->o->ops->link_size);
	if (!a->lst) {
		fail(a, FAIL_LOGIN, "out of memory");
	} else if (a->o->ops->link_init(a->lst, a->o->env, &l, &a->up, &e) != 0) {
		fail(a, FAIL_LOGIN, e.msg);
	} else {
		(void)!flush(a);
	}
}

static void on_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct ask *a = owner;
	uint8_t cbind[64];
	if (e && err_is(e)) {
		fail(a, FAIL_LOGIN, e->msg);
		return;
	}
	size_t n = tls_server_end_point(st->ssl, false, cbind);
	a->o->ops->link_tls_done(a->lst, n ? cbind : NULL, n, &a->up);
	if (flush(a))
		on_readable(st, a);
}

static const struct stream_cb stream_cb = {
	.readable = on_readable,
	.drained = on_drained,
	.connected = on_connected,
	.handshaken = on_handshaken,
};

static void resolved(void *arg, const struct resolver_addr *addr, unsigned n, const struct err *e)
{
	struct ask *a = arg;
	struct err ce = { 0 };
	a->req = NULL;
	if (n == 0)
		fail(a, FAIL_REFUSED, e && *e->msg ? e->msg : "the name has no address");
	else if (stream_connect(&a->st, a->o->loop, (const struct sockaddr *)&addr[0].sa, addr[0].n,
			 &stream_cb, a, &ce) != 0)
		fail(a, FAIL_REFUSED, ce.msg);
}

void ask_open(struct ask *a)
{
	assert(a->state == ASK_CLOSED);
	a->creds = mem_alloc(MEM_CLUSTER, sizeof *a->creds);
	a->begun_us = clock_mono_us();
	a->state = ASK_CONNECTING;
	if (!a->creds) {
		fail(a, FAIL_LOGIN, "out of memory");
		return;
	}
	snprintf(a->creds->password, sizeof a->creds->password, "%s", a->o->password);
	struct resolver_req *q = resolver_lookup(
		a->o->resolver, a->o->host, a->o->port, resolved, a);
	if (q)
		a->req = q;
}

void ask_query(struct ask *a, const char *sql)
{
	assert(a->state == ASK_READY);
	a->state = ASK_BUSY;
	a->o->ops->link_query(a->lst, sql, NULL, &a->up);
	a->begun_us =
		clock_mono_us(); /* before the write(): what is acknowledged now is in the answer */
	(void)!flush(a);
}
