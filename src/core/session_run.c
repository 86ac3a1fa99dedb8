/* session_run - a logged-in session: when it takes a link and when it lets go. Ignorant of
 * messages: proto/ops says what happened. Runs on the session's worker. */
#include "core_int.h"

void session_begin_with(struct session *s, struct link *l)
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
	session_offer(s);
	if (s->shard->set.client_idle_timeout_us)
		session_arm(s); /* else an old timer finds out by itself that nothing is due */
	if (s->want_close)
		worker_drain_session(s);
}

/* As session_became_idle(), of a session that keeps its link. */
static void idle_with_link(struct session *s)
{
	if (s->want_close)
		worker_drain_session(s);
	else if (s->shard->set.client_idle_timeout_us)
		session_arm(s);
	session_offer(s);
}

/* The session's request is over and the server owes nothing. */
void session_request_done(struct session *s, struct link *l)
{
	struct worker *w = s->w;
	if (s->raw || s->shard->set.pool_mode == CONF_POOL_SESSION) {
		if (s->shard->set.server_fast_close && l->epoch != atomic_load(&s->db->epoch)) {
			session_kill(s, ERR_KILLED,
				"the server connection is to be renewed (server_fast_close)");
			return;
		}
		idle_with_link(s);
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
		idle_with_link(s);
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
	session_begin_with(s, l);
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
	if (s->deaf_us)
		session_arm(s);
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
		session_request_done(s, s->link);
	if (s->state != SESSION_CLOSING)
		session_run_input(s);
}

void session_wait_failed(struct session *s, const struct err *e)
{
	if (s->deaf_us)
		session_stays_deaf(s, e);
	else
		session_close(s, e, e->msg);
}

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
	if (s->login || s->deaf_us) {
		session_wait_failed(s, e);
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
bool session_take_link_for(struct session *s, const struct proto_wish *wish)
{
	struct err e;
	err_clear(&e);
	const struct settings *set = &s->shard->set;
	s->parked_until_us = 0;
	if (wish && wish->unclear && s->shard->topo)
		warn_of_hint(s);
	s->wait.link_class = (uint8_t)s->ops->client_link_class(s->cst);
	bool known = route_wish(s, wish, &e) == 0;
	struct pool_shard *p = known ? route_shard(s->shard, &s->wait, &e) : NULL;
	if (!p && err_is(&e)) {
		if (s->deaf_us)
			session_stays_deaf(s, &e);
		else
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
	session_begin_with(s, l);
	l->replica = route_is_replica(l);
	session_begin_again(s, l);
	s->ops->client_confine(s->cst, session_is_confined(s, l), is_guarded(s));
	session_set_state(s, SESSION_ACTIVE);
	s->ops->attach(s->cst, l->lst, &s->w->up);
	if (s->deaf_us)
		session_arm(s);
	return true;
}

void session_take_link(struct session *s)
{
	s->reads = false;
	if (session_take_link_for(s, NULL))
		session_run_input(s);
}
