/* session_up - what a logged-in session's client sends: requests that want a link, and bytes on
 * their way to the server. Ignorant of messages: proto/ops says what happened. Runs on the
 * session's worker. */
#include "core_int.h"

#include <assert.h>
#include <string.h>

#define WAIT_INPUT_CAP (64u << 10) /* what a waiting session may send ahead */
#define INPUT_CAP (CORE_INSPECT_BYTES + 2 * CORE_RBUF_BYTES)

void session_mark_request(struct session *s)
{
	if (s->request_us || s->raw) /* replication: no requests that end */
		return;
	s->request_us = worker_now(s->w);
	if (!s->tx_us)
		s->tx_us = s->request_us;
	if (s->shard && (s->shard->set.query_timeout_us || s->shard->set.transaction_timeout_us ||
				s->timed_by_rule || s->timer.at_us))
		session_arm(s);
}

static void forward_up(struct session *s, const uint8_t *p, size_t n)
{
	struct worker *w = s->w;
	if (n < CORE_COPY_BELOW) {
		buf_append(&w->up, p, n);
		return;
	}
	link_put(s->link, &w->up);
	(void)stream_write(&s->link->st, p, n);
}

static void flush_both(struct session *s)
{
	struct worker *w = s->w;
	if (s->link)
		link_put(s->link, &w->up);
	else
		assert(buf_len(&w->up) == 0);
	session_send(s, &w->down);
}

/* An answer from elsewhere comes first. */
static bool is_held(const struct session *s)
{
	return s->console || s->answer_due;
}

/* Handles n bytes of input; returns how many were used. The session may be waiting or closing
 * afterwards. */
static size_t up_steps(struct session *s, const uint8_t *p, size_t n)
{
	struct worker *w = s->w;
	size_t done = 0;
	while (s->state != SESSION_CLOSING && !is_held(s)) {
		struct err e;
		err_clear(&e);
		struct link *l = s->link;
		struct pev ev = s->ops->up(
			s->cst, l ? l->lst : NULL, p + done, n - done, &w->up, &w->down, &e);
		switch (ev.kind) {
		case PEV_MORE: flush_both(s); return done;
		case PEV_DROP:
			if (l && buf_len(&w->up))
				session_mark_request(s);
			session_keep_again(s, p + done, ev.n);
			break;
		case PEV_FORWARD:
			session_mark_request(s);
			session_keep_again(s, p + done, ev.n);
			forward_up(s, p + done, ev.n);
			if (done + ev.n == n) { /* nothing is left to ask about */
				flush_both(s);
				return n;
			}
			break;
		case PEV_REQUEST:
			session_send(s, &w->down);
			s->reads = ev.reads;
			if (!session_take_link_for(s, ev.wish) && s->state != SESSION_IDLE)
				return done;
			break;
		case PEV_CONSOLE:
			session_send(s, &w->down);
			session_console_run(s, &ev);
			break;
		case PEV_KILL:
			session_send(s, &w->down);
			session_kill_other(s, &ev);
			break;
		case PEV_TOKEN:
			session_send(s, &w->down);
			session_ask_token(s, &ev);
			break;
		case PEV_RELOGIN:
			flush_both(s);
			s->relogin = true;
			return done + ev.n;
		case PEV_BYE:
			flush_both(s);
			s->said_bye = true;
			session_close(s, NULL, "client close request");
			return done + ev.n;
		case PEV_BAD:
			flush_both(s);
			session_close(s, &e, e.msg);
			return done;
		case PEV_TLS:
		case PEV_TLS_DIRECT:
		case PEV_LOGIN:
		case PEV_PASSWORD:
		case PEV_AUTH_OK:
		case PEV_CANCEL:
		case PEV_SYNCED:
		case PEV_TX:
		case PEV_ASKED:
		case PEV_ROW:
		case PEV_QUERY_DONE:
		case PEV_REFUSED:
		case PEV_LINK_BAD:
		case PEV_NOTE: break;
		}
		done += ev.n;
	}
	flush_both(s);
	return done;
}

/* The server is slower than the client: stop reading until its queue has been sent. */
static bool up_blocked(struct session *s)
{
	if (s->w->suspended && !s->is_console) {
		s->unread = true; /* worker_sweep() resumes */
		return true;
	}
	if (s->link && stream_queued(&s->link->st) > CORE_HIGH_WATER_BYTES)
		s->paused = true;
	if (!s->shard && stream_queued(&s->st) > CORE_HIGH_WATER_BYTES)
		return true; /* the console's own output; the next command waits */
	return s->paused;
}

/* True: it logs in again; what it sends from now on is session_login.c's. */
static bool begin_relogin(struct session *s)
{
	if (!s->relogin)
		return false;
	s->relogin = false;
	session_relogin(s);
	if (s->state != SESSION_CLOSING)
		stream_resume(&s->st);
	return true;
}

void session_run_input(struct session *s)
{
	if (s->state == SESSION_CLOSING || s->state == SESSION_WAITING || s->login)
		return;
	size_t n = buf_len(&s->st.in);
	if (n == 0) {
		flush_both(s);
	} else {
		size_t used = up_steps(s, buf_data(&s->st.in), n);
		if (s->state == SESSION_CLOSING)
			return;
		buf_consume(&s->st.in, used);
		if (begin_relogin(s))
			return;
	}
	if (s->unread && s->state != SESSION_WAITING && !up_blocked(s)) {
		s->unread = false;
		stream_resume(&s->st); /* what the socket holds was announced while nobody could
					  take it */
	}
}

static void client_gone(struct session *s)
{
	const struct err *bad = stream_garbled(&s->st);
	if (bad) {
		struct err e = *bad; /* the stream's ends with it */
		session_close(s, &e, *e.internal ? e.internal : e.msg);
		return;
	}
	session_close(s, NULL, s->st.error ? strerror(s->st.error) : "client unexpected eof");
}

/* Reads once; false: stop for now. */
static bool read_once(struct session *s, size_t cap)
{
	struct worker *w = s->w;
	size_t have = buf_len(&s->st.in);
	size_t want = cap > have ? cap - have : 0;
	if (want > CORE_RBUF_BYTES)
		want = CORE_RBUF_BYTES;
	if (want == 0) {
		s->unread = true; /* session_run_input() goes on */
		return false;
	}
	size_t got = stream_read(&s->st, w->rbuf, want);
	if (got == 0) {
		if (s->st.eof || s->st.error || stream_garbled(&s->st))
			client_gone(s);
		return false;
	}
	if (s->shard)
		s->shard->stats->rx_bytes += got;
	if (have == 0 && s->state != SESSION_WAITING && !is_held(s)) {
		size_t used = up_steps(s, w->rbuf, got);
		if (s->state == SESSION_CLOSING)
			return false;
		if (used < got && !buf_append(&s->st.in, w->rbuf + used, got - used)) {
			session_kill(s, ERR_NO_MEMORY, "out of memory");
			return false;
		}
		return !begin_relogin(s) && got == want;
	}
	if (!buf_append(&s->st.in, w->rbuf, got)) {
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return false;
	}
	if (s->state != SESSION_WAITING && !is_held(s)) {
		size_t used = up_steps(s, buf_data(&s->st.in), buf_len(&s->st.in));
		if (s->state == SESSION_CLOSING)
			return false;
		buf_consume(&s->st.in, used);
		if (begin_relogin(s))
			return false;
	}
	return got == want;
}

void session_run_readable(struct session *s)
{
	if (s->state == SESSION_IDLE && buf_len(&s->st.in)) /* it had to wait for an answer */
		session_run_input(s);
	if (s->state == SESSION_CLOSING)
		return;
	for (int i = 0; i < CORE_READS_PER_EVENT; i++) {
		if (up_blocked(s))
			return; /* on_drained() resumes */
		bool held = s->state == SESSION_WAITING || is_held(s);
		if (!read_once(s, held ? WAIT_INPUT_CAP : INPUT_CAP) || s->state == SESSION_CLOSING)
			return;
	}
	stream_resume(&s->st);
}
