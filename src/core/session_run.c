/* session_run - a logged-in session: requests up, replies down, when it takes a link and when it
 * lets go. Ignorant of messages: proto/ops says what happened. Runs on the session's worker. */
#include "core_int.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define READS_PER_EVENT 8          /* one peer does not starve the others */
#define COPY_BELOW (16u << 10)     /* smaller runs are gathered, so that one write sends them */
#define WAIT_INPUT_CAP (64u << 10) /* what a waiting session may send ahead */
#define INPUT_CAP (CORE_INSPECT_BYTES + 2 * CORE_RBUF_BYTES)

/* ---- taking and giving back a link ---- */

static void begin_with(struct session *s, struct link *l)
{
	s->link = l;
	l->session = s;
	s->tally.link = l->id;
	s->tally.node = l->addr;
	s->tally.state = 0;
	route_began(l);
}

void session_detach(struct session *s)
{
	struct link *l = s->link;
	s->cut = l->ops->link_mid_reply(l->lst);
	s->ops->detach(s->cst, l->lst);
	route_ended(l, l->st.eof || l->st.error ? BALANCE_ERROR : BALANCE_OK);
	if (s->pinned_us)
		s->tally.pinned_us += (uint64_t)(worker_now(s->w) - s->pinned_us);
	stand_in_end(s);
	s->link = NULL;
	s->may_again = false;
	l->session = NULL;
	l->last_session = s->id;
	s->tally.state = s->request_us ? 'Q'
			 : s->in_tx    ? 'T'
				       : 0; /* it may be closed because of it */
	s->request_us = s->tx_us = s->pinned_us = 0;
	s->in_tx = s->timed_by_rule = false;
}

void session_became_idle(struct session *s)
{
	session_set_state(s, SESSION_IDLE);
	s->tally.state = 0;
	trace_forget(s);
	if (s->w->hands_over && list_empty(&s->offer))
		list_append(&s->w->offers, &s->offer);
	if (s->shard->set.client_idle_timeout_us)
		session_arm(s); /* else an old timer finds out by itself that nothing is due */
	if (s->want_close)
		worker_drain_session(s);
}

/* The session's request is over and the server owes nothing. */
static void request_done(struct session *s, struct link *l)
{
	struct worker *w = s->w;
	if (s->raw || s->shard->set.pool_mode == CONF_POOL_SESSION) {
		if (s->shard->set.server_fast_close && l->epoch != atomic_load(&s->db->epoch)) {
			session_kill(s, ERR_KILLED,
				"the server connection is to be renewed (server_fast_close)");
			return;
		}
		if (s->want_close)
			worker_drain_session(s);
		return;
	}
	switch (s->ops->link_release(s->cst, l->lst, &w->up)) {
	case REL_FREE:
		session_detach(s);
		timer_clear(w->loop, &l->timer);
		link_settle(l);
		session_became_idle(s);
		if (s->state == SESSION_IDLE && buf_len(&s->st.in))
			stream_resume(&s->st); /* later: the caller still reads l */
		break;
	case REL_ASKING:
		l->asking = true;
		link_put(l, &w->up);
		break;
	case REL_PINNED:
		if (!s->pinned_us) {
			s->pinned_us = worker_now(w);
			s->tally.pins++;
		}
		if (s->want_close)
			worker_drain_session(s);
		break;
	}
}

bool session_is_confined(const struct session *s, const struct link *l)
{
	return l->replica && (s->reads || s->wish.vouched) && s->endpoint == CONF_ENDPOINT_AUTO;
}

/* May the request go to the primary when a replica refuses it? */
static bool is_guarded(const struct session *s)
{
	return s->may_again && s->endpoint != CONF_ENDPOINT_RO;
}

/* Puts what the session needs on its new link; the request that waits in st.in follows in the same
 * write. */
void session_granted(struct session *s, struct link *l)
{
	struct worker *w = s->w;
	begin_with(s, l);
	l->replica = route_is_replica(l);
	s->notified = false;
	session_set_state(s, SESSION_ACTIVE);
	s->state_us = worker_now(w);
	struct err e = { 0 };
	if (s->ops->client_fits && !s->ops->client_fits(s->cst, l->lst, &e)) {
		session_close(s, &e, "its greeting was not that of the server");
		return;
	}
	session_begin_again(s, l);
	s->ops->client_confine(s->cst, session_is_confined(s, l), is_guarded(s));
	bool put = s->ops->attach(s->cst, l->lst, &w->up);
	if (s->login) { /* a raw session gets its link during the login and puts nothing */
		if (put)
			link_put(l, &w->up);
		else
			session_finish_login(s);
		return;
	}
	session_run_input(s);
}

void session_welcomed(struct session *s)
{
	if (!s->link) {
		session_became_idle(s);
		if (s->state == SESSION_IDLE)
			session_run_input(s);
		return;
	}
	session_arm(s);
	if (!s->raw)
		request_done(s, s->link);
	if (s->state != SESSION_CLOSING)
		session_run_input(s);
}

void session_wait_failed(struct session *s, const struct err *e)
{
	session_close(s, e, e->msg);
}

/* ---- the console ---- */

static void console_run(struct session *s, const struct pev *ev)
{
	struct worker *w = s->w;
	struct core_console *r = mem_alloc(MEM_ADMIN, sizeof *r);
	char host[64];
	if (r)
		r->sql = mem_strndup(MEM_ADMIN, (const char *)ev->text, ev->text_n);
	if (!r || !r->sql) {
		mem_free(MEM_ADMIN, r);
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	r->core = w->core;
	r->worker = w->id;
	r->session_id = s->id;
	r->slot = s->slot;
	r->privilege = s->privilege;
	list_init(&r->node);
	rowset_init(&r->result);
	snprintf(r->who, sizeof r->who, "%.60s@%s:%u", s->account->name,
		addr_host(&s->addr, host, sizeof host), addr_port(&s->addr));
	s->console = r;
	core_console_start(r);
}

static void console_answer(struct mail *m, void *owner)
{
	struct core_console *r = list_entry(m, struct core_console, mail);
	struct worker *w = owner;
	struct session *s = worker_session(w, r->slot, r->session_id);
	if (s && s->console == r) {
		s->console = NULL;
		s->ops->console_reply(s->cst, &r->result, &w->down);
		session_send(s, &w->down);
		if (s->state != SESSION_CLOSING)
			session_run_input(s);
	}
	rowset_fini(&r->result);
	mem_free(MEM_ADMIN, r->sql);
	mem_free(MEM_ADMIN, r);
}

void core_console_done(struct core_console *r)
{
	if (r->done) {
		r->done(r);
		return;
	}
	r->mail.fn = console_answer;
	loop_post(r->core->worker[r->worker]->loop, &r->mail);
}

/* ---- up: from the client ---- */

static void refuse_request(struct session *s, const struct err *e)
{
	if (s->w->gen->conf->global.log_pooler_errors)
		session_log(event_of_err(e->code), s, "pooler error: %s (%s)", e->msg, e->detail);
	trace_refused(s, e);
	s->ops->client_fail_request(s->cst, e, &s->w->down);
	session_send(s, &s->w->down);
}

void session_refuse(struct session *s, const struct err *e)
{
	if (s->login) {
		session_close(s, e, e->msg);
		return;
	}
	refuse_request(s, e);
	session_became_idle(s);
	if (s->state != SESSION_CLOSING)
		session_run_input(s);
}

static void warn_of_hint(struct session *s)
{
	s->ops->put_notice(s->cst, &s->w->down, "WARNING", "01000",
		"weirpool does not understand all of the comment before this statement");
	session_send(s, &s->w->down);
}

/* A link is needed. False: it has to wait (or the session is gone). */
static bool take_link(struct session *s, const struct proto_wish *wish)
{
	struct err e;
	err_clear(&e);
	const struct settings *set = &s->shard->set;
	s->parked_until_us = 0;
	if (wish && wish->unclear && s->shard->topo)
		warn_of_hint(s);
	bool known = route_wish(s, wish, &e) == 0;
	struct pool_shard *p = known ? route_shard(s->shard, &s->wait, &e) : NULL;
	if (!p && err_is(&e)) {
		refuse_request(s, &e);
		return false;
	}
	unsigned queue = (p ? p : s->shard)->n_waiting;
	if (set->max_wait_queue && queue >= (unsigned)set->max_wait_queue) {
		err_set(&e, ERR_TOO_MANY,
			"too many clients wait for a server connection (max_wait_queue): %u",
			queue);
		s->tally.state = 'W';
		session_close(s, &e, "max_wait_queue");
		return false;
	}
	if (session_names_itself(s)) {
		session_set_state(s, SESSION_WAITING);
		session_arm(s);
		if (link_connect_own(s, &e) != 0)
			session_close(s, &e, e.msg);
		return false;
	}
	struct link *l = p ? pool_acquire(p, &s->wait) : NULL;
	if (!l) {
		if (!p) {
			s->shard->counts->held += !s->parked_until_us;
			pool_hold(s->shard, &s->wait);
		}
		session_set_state(s, SESSION_WAITING);
		session_arm(s);
		return false;
	}
	begin_with(s, l);
	l->replica = route_is_replica(l);
	session_begin_again(s, l);
	s->ops->client_confine(s->cst, session_is_confined(s, l), is_guarded(s));
	session_set_state(s, SESSION_ACTIVE);
	s->ops->attach(s->cst, l->lst, &s->w->up);
	return true;
}

static void mark_request(struct session *s)
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
	if (n < COPY_BELOW) {
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
				mark_request(s);
			session_keep_again(s, p + done, ev.n);
			break;
		case PEV_FORWARD:
			mark_request(s);
			session_keep_again(s, p + done, ev.n);
			forward_up(s, p + done, ev.n);
			break;
		case PEV_REQUEST:
			session_send(s, &w->down);
			s->reads = ev.reads;
			if (!take_link(s, ev.wish) && s->state != SESSION_IDLE)
				return done;
			break;
		case PEV_CONSOLE:
			session_send(s, &w->down);
			console_run(s, &ev);
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
	for (int i = 0; i < READS_PER_EVENT; i++) {
		if (up_blocked(s))
			return; /* on_drained() resumes */
		bool held = s->state == SESSION_WAITING || is_held(s);
		if (!read_once(s, held ? WAIT_INPUT_CAP : INPUT_CAP) || s->state == SESSION_CLOSING)
			return;
	}
	stream_resume(&s->st);
}

/* ---- down: from the server ---- */

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
		mark_request(s);
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
		request_done(s, l);
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
	if (n < COPY_BELOW) {
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
			if (s)
				request_done(s, l);
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
			session_link_gone(l, e.msg, e.code == ERR_SERVER_LOST ? &e : NULL);
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
	for (int i = 0; i < READS_PER_EVENT; i++) {
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
