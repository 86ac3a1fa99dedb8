/* session_down - what a link's server sends, for its session or for ourselves. Ignorant of
 * messages: proto/ops says what happened. Runs on the link's worker. */
#include "core_int.h"

#include <string.h>

static void count_tx(struct session *s, const struct pev *ev)
{
	struct dbstats *st = s->shard->stats;
	struct poolstats *k = s->link->shard->counts;
	int64_t now = worker_now(s->w);
	if (s->request_us) {
		st->query_us += (uint64_t)(now - s->request_us);
		hist_add(&k->hist[HIST_QUERY], now - s->request_us);
	}
	route_answered(s, s->link, s->request_us ? now - s->request_us : 0);
	s->request_us = 0;
	s->tally.requests++;
	if (ev->idle)
		s->timed_by_rule = false;
	s->in_tx = ev->tx != TX_IDLE;
	s->state_us = now;
	if (!s->in_tx) {
		if (s->tx_us) {
			st->xact_us += (uint64_t)(now - s->tx_us);
			hist_add(&k->hist[HIST_XACT], now - s->tx_us);
		}
		st->xacts++;
		s->tally.xacts++;
		s->tx_us = 0;
		s->again_n = 0;
		s->to_primary = false;
		s->refused_at = 0;
	}
	if (!ev->idle)
		session_mark_request(s);
	else if (s->timer.at_us || (s->in_tx && s->shard->set.idle_transaction_timeout_us))
		session_arm(s);
}

/* A request of the session ended. True: go on reading this link. */
static bool on_tx(struct link *l, const struct pev *ev)
{
	struct session *s = l->session;
	struct worker *w = l->w;
	struct err e;
	err_clear(&e);
	if (!s) {
		if (ev->idle)
			link_settle(l);
		else
			link_cancel_last(l);
		return l->state != LINK_CLOSING;
	}
	count_tx(s, ev);
	if (!ev->idle)
		return true;
	session_send(s, &w->down);
	if (ev->tx == TX_IDLE) {
		session_request_done(s, l);
	} else if (!s->raw && s->shard->set.pool_mode == CONF_POOL_STATEMENT) {
		err_set(&e, ERR_STMT_MODE_TX,
			"transaction blocks not allowed in statement pooling mode");
		session_close(s, &e, "transaction in statement mode");
	}
	return l->state != LINK_CLOSING;
}

static void on_synced(struct link *l)
{
	struct session *s = l->session;
	if (s && s->login)
		session_finish_login(s);
}

/* Replies to a query of ours, or surprises on a link that serves nobody. True: go on. */
static bool on_own(struct link *l, const struct pev *ev, const struct err *e)
{
	if (l->authq) {
		if (!authq_event(l, ev, e))
			return true;
		link_settle(l);
		return l->state != LINK_CLOSING;
	}
	if (ev->kind != PEV_QUERY_DONE)
		return true;
	if (err_is(e) && !(l->checking && !l->used)) {
		link_close(l, "cleaning failed");
		return false;
	}
	l->checked_us = worker_now(l->w);
	if (!l->session)
		link_settle(l);
	return l->state != LINK_CLOSING;
}

static void forward_down(struct session *s, const uint8_t *p, size_t n)
{
	struct worker *w = s->w;
	if (n < CORE_COPY_BELOW) {
		buf_append(&w->down, p, n);
		return;
	}
	session_send(s, &w->down);
	if (s->may_again)
		session_forget_again(s);
	s->shard->stats->tx_bytes += n;
	(void)stream_write(&s->st, p, n);
}

static void flush_down(struct link *l)
{
	struct worker *w = l->w;
	link_put(l, &w->up);
	if (l->session)
		session_send(l->session, &w->down);
	else
		buf_consume(&w->down, buf_len(&w->down));
}

/* The link goes, its session lives on: what ev brings back is for another link. */
static void link_bad(struct link *l, const struct pev *ev, const struct err *e)
{
	struct session *s = l->session;
	if (s == NULL) {
		link_close(l, e->msg);
		return;
	}
	bool ok = ev->text_n == 0 || session_take_back(s, ev->text, ev->text_n);
	session_detach(s);
	session_became_idle(s);
	link_close(l, e->msg);
	if (!ok)
		session_kill(s, ERR_NO_MEMORY, "out of memory");
	if (s->state == SESSION_CLOSING)
		return;
	if (s->login)
		session_finish_login(s);
	else
		session_run_input(s);
}

/* Handles n bytes; returns how many were used, SIZE_MAX when l is closing. */
static size_t down_steps(struct link *l, const uint8_t *p, size_t n)
{
	struct worker *w = l->w;
	size_t done = 0;
	for (;;) {
		struct err e;
		err_clear(&e);
		struct session *s = l->session;
		struct pev ev = l->ops->down(
			s ? s->cst : NULL, l->lst, p + done, n - done, &w->up, &w->down, &e);
		done += ev.n;
		switch (ev.kind) {
		case PEV_MORE: flush_down(l); return done;
		case PEV_FORWARD:
			if (s)
				forward_down(s, p + done - ev.n, ev.n);
			break;
		case PEV_TX:
			if (!on_tx(l, &ev))
				return SIZE_MAX;
			if (done == n && l->state == LINK_IDLE) { /* as most often */
				flush_down(l);
				return n;
			}
			break;
		case PEV_SYNCED:
			flush_down(l);
			on_synced(l);
			break;
		case PEV_ASKED:
			l->asking = false;
			flush_down(l);
			if (l->ops->link_owes(l->lst))
				break;
			if (s && s->deaf_us)
				session_listens(s);
			if (s)
				session_request_done(s, l);
			else
				link_settle(l);
			break;
		case PEV_ROW:
		case PEV_QUERY_DONE:
			if (!on_own(l, &ev, &e))
				return SIZE_MAX;
			break;
		case PEV_NOTE: link_log(EVENT_LINK_NOTE, l, "%s", e.msg); break;
		case PEV_REFUSED:
			flush_down(l);
			session_link_refused(l, &e);
			break;
		case PEV_LINK_BAD:
			flush_down(l);
			link_log(EVENT_LINK_BROKE, l, "%s", e.msg);
			link_bad(l, &ev, &e);
			return SIZE_MAX;
		case PEV_BAD:
			flush_down(l);
			if (s && s->login) {
				session_detach(s);
				link_close(l, e.msg);
				session_close(s, &e, e.msg);
				return SIZE_MAX;
			}
			link_log(EVENT_LINK_BROKE, l, "%s", e.msg);
			session_link_gone(l, e.msg,
				e.code == ERR_SERVER_LOST || (s && s->deaf_us) ? &e : NULL);
			return SIZE_MAX;
		case PEV_DROP:
		case PEV_TLS:
		case PEV_TLS_DIRECT:
		case PEV_LOGIN:
		case PEV_PASSWORD:
		case PEV_AUTH_OK:
		case PEV_CANCEL:
		case PEV_REQUEST:
		case PEV_CONSOLE:
		case PEV_BYE:
		case PEV_KILL:
		case PEV_TOKEN:
		case PEV_RELOGIN: break;
		}
		if (l->state == LINK_CLOSING)
			return SIZE_MAX;
	}
}

/* The client is slower than the server: stop reading until its queue has been sent. */
static bool down_blocked(struct link *l)
{
	struct session *s = l->session;
	if (s && stream_queued(&s->st) > CORE_HIGH_WATER_BYTES)
		l->paused = true;
	return l->paused;
}

void session_link_readable(struct link *l)
{
	struct worker *w = l->w;
	if (l->state == LINK_IDLE)
		pool_touch(l->shard); /* somebody may have passed it over for these bytes */
	for (int i = 0; i < CORE_READS_PER_EVENT; i++) {
		if (down_blocked(l))
			return;
		size_t have = buf_len(&l->st.in);
		size_t got = stream_read(&l->st, w->rbuf, CORE_RBUF_BYTES);
		if (got == 0) {
			const struct err *bad = stream_garbled(&l->st);
			if (bad || l->st.eof || l->st.error)
				session_link_gone(l,
					bad           ? bad->internal
					: l->st.error ? strerror(l->st.error)
						      : "server closed the connection",
					NULL);
			return;
		}
		const uint8_t *p = w->rbuf;
		size_t n = got;
		if (have) {
			if (!buf_append(&l->st.in, w->rbuf, got)) {
				session_link_gone(l, "out of memory", NULL);
				return;
			}
			p = buf_data(&l->st.in);
			n = buf_len(&l->st.in);
		}
		struct session *s = l->session; /* it may have let go of l afterwards */
		if (s && s->request_us && !s->tally.first_us)
			s->tally.first_us = (uint64_t)(worker_now(w) - s->request_us) + 1;
		size_t used = down_steps(l, p, n);
		if (used == SIZE_MAX || l->state == LINK_CLOSING || l->state == LINK_MOVING)
			return;
		if (have)
			buf_consume(&l->st.in, used);
		else if (used < n && !buf_append(&l->st.in, p + used, n - used)) {
			session_link_gone(l, "out of memory", NULL);
			return;
		}
		/* Input that up() left because it had to wait for an answer. */
		if (s && (s->state == SESSION_ACTIVE || s->state == SESSION_IDLE) && !s->login &&
			buf_len(&s->st.in)) {
			session_run_input(s);
			if (l->state == LINK_CLOSING || l->state == LINK_MOVING)
				return;
		}
		if (got < CORE_RBUF_BYTES)
			return;
	}
	stream_resume(&l->st);
}
