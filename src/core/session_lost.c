/* session_lost - a request that its server refuses or never answers, and a session whose link is
 * lost: another node is asked, or the client is told what is known, and the session goes on where
 * it can. Ignorant of messages: proto/ops says what can be. Runs on the session's worker. */
#include "core_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_MAX_BYTES (64u << 10) /* of a request that is kept until it is answered */
#define AGAIN_MAX_N 2               /* tries on other nodes */
#define ONE_END_US 1000000          /* for so long a server that has crashed loses its links */

/* ---- what is kept of a request ---- */

void session_forget_again(struct session *s)
{
	s->may_again = false;
	buf_fini(&s->again);
	buf_init(&s->again, AGAIN_MAX_BYTES);
}

void session_begin_again(struct session *s, const struct link *l)
{
	session_forget_again(s);
	s->may_again = l->place >= 0 && !s->raw && !s->login && !s->deaf_us;
}

void session_keep_again(struct session *s, const uint8_t *p, size_t n)
{
	if (s->may_again && n && !buf_append(&s->again, p, n))
		session_forget_again(s); /* too large */
}

/* ---- another node is asked ---- */

bool session_take_back(struct session *s, const uint8_t *p, size_t n)
{
	struct buf all;
	buf_init(&all, 0);
	bool ok = buf_append(&all, p, n) &&
		  buf_append(&all, buf_data(&s->st.in), buf_len(&s->st.in));
	buf_consume(&s->st.in, buf_len(&s->st.in));
	ok = ok && buf_append(&s->st.in, buf_data(&all), buf_len(&all));
	buf_fini(&all);
	return ok;
}

/* A server that ends loses its links one after the other: a link that was there when the first of
 * them was lost says nothing new, and the request has not brought that end about. What is lost with
 * a link that was made since may be its doing: it is not tried on one server after the other. */
static bool is_same_end(struct link *l)
{
	struct pool_shard *p = l->shard;
	int64_t now = clock_mono_us();
	if (l->born_us < p->lost_us && now - p->lost_us < ONE_END_US)
		return true;
	p->lost_us = now;
	return false;
}

/* The request is the client's again, and not l's any more. counts: as one of the tries. False: that
 * cannot be. */
static bool take_again(struct link *l, const char *why, bool counts)
{
	struct session *s = l->session;
	if (!s->may_again || s->in_tx || (counts && s->again_n >= AGAIN_MAX_N) ||
		s->ops->client_mid_message(s->cst))
		return false;
	struct buf kept = s->again;
	buf_init(&s->again, AGAIN_MAX_BYTES);
	s->again_n = (uint8_t)(s->again_n + counts);
	session_log(EVENT_ASK_AGAIN, s, "asking another node: %s:%u: %s", l->host, l->port, why);
	bool ok = session_take_back(s, buf_data(&kept), buf_len(&kept));
	buf_fini(&kept);
	session_detach(s);
	session_became_idle(s);
	if (!ok)
		session_kill(s, ERR_NO_MEMORY, "out of memory");
	return true;
}

/* A read that was not answered at all: another node is asked. False: it was, or it may write. */
static bool ask_again(struct link *l, const char *why)
{
	struct session *s = l->session;
	bool counts = !is_same_end(l);
	if (!s->reads || !s->ops->client_only_read(s->cst) || !take_again(l, why, counts))
		return false;
	link_close(l, why);
	if (s->state != SESSION_CLOSING)
		session_run_input(s);
	return true;
}

void session_link_refused(struct link *l, const struct err *e)
{
	struct session *s = l->session;
	bool replica = l->replica;
	route_refused(l, e->msg);
	if (!take_again(l, e->msg, true)) {
		s->ops->client_confine(s->cst, session_is_confined(s, l), false);
		return;
	}
	s->refused_at = replica ? 0 : route_version(s->shard);
	s->to_primary = true;
	link_drain(l); /* the rest of its answer is for nobody */
	if (s->state != SESSION_CLOSING)
		session_run_input(s);
}

/* ---- the link is lost ---- */

enum err_code session_tx_lost(const struct session *s)
{
	return s->shard->set.lost_tx_sqlstate == CONF_LOST_TX_08006 ? ERR_TX_LOST_LINK
								    : ERR_TX_LOST;
}

/* What its client is to know of what it has sent. */
static void lost_error(
	const struct session *s, const struct link *l, const char *why, struct err *e)
{
	bool busy = s->request_us || s->in_tx;
	bool read = s->reads && s->ops->client_only_read(s->cst);
	if (session_is_confined(s, l) && s->in_tx)
		err_set(e, session_tx_lost(s),
			"the replica of this read-only transaction was lost: begin it again");
	else if (l->place >= 0 && s->request_us && !read && !s->raw)
		err_set(e, ERR_OUTCOME_UNKNOWN,
			"server closed the connection unexpectedly: the statement may or may not "
			"have been applied");
	else
		err_set(e, ERR_SERVER_LOST, "server closed the connection unexpectedly%s",
			busy ? "" : " while the session held it");
	err_detail(e, "%s:%u: %s", l->host, l->port, why);
}

/* The server's last words say that it ends, and not only this connection. */
static bool is_shutdown(const struct err *said)
{
	return strncmp(said->sqlstate, "57P0", 4) == 0 || said->mysql_errno == 1053;
}

/* In a cluster the session goes on without its link, where it can: the next request gets another.
 * e: what the one at hand hears. False: it ends. */
static bool outlive(struct link *l, const char *why, const struct err *said, const struct err *e)
{
	struct session *s = l->session;
	struct worker *w = l->w;
	struct err tx;
	struct proto_loss x = { .request = e, .tx = &tx };
	if (l->place < 0 || s->login || s->raw || s->shard->set.pool_mode == CONF_POOL_SESSION ||
		!s->ops->client_lost || (said && !is_shutdown(said)))
		return false;
	err_set(&tx, session_tx_lost(s), PROTO_TX_LOST_TEXT);
	err_detail(&tx, "%s:%u: %s", l->host, l->port, why);
	if (!s->ops->client_lost(s->cst, l->lst, &x, &w->down)) {
		buf_consume(&w->down, buf_len(&w->down));
		return false;
	}
	if (e->code == ERR_OUTCOME_UNKNOWN)
		token_in_doubt(&s->token, clock_mono_us());
	if (s->request_us || s->in_tx)
		session_log(EVENT_GOES_ON, s, "goes on without its server connection: %s:%u: %s",
			l->host, l->port, why);
	trace_fail(s, e);
	session_detach(s);
	link_close(l, why);
	s->again_n = 0;
	s->to_primary = false;
	s->refused_at = 0;
	session_send(s, &w->down);
	if (s->state != SESSION_CLOSING)
		session_became_idle(s);
	if (s->state == SESSION_IDLE)
		session_run_input(s);
	return true;
}

/* It ends with its link: which state of it was there alone, so that its client makes it anew. */
static void hint_at_state(const struct session *s, struct err *e)
{
	uint32_t pins = s->ops->client_pins(s->cst);
	char names[100] = "";
	size_t n = 0;
	for (unsigned p = 0; p < PIN_N && n < sizeof(names); p++)
		if (pins >> p & 1)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
				proto_pin_name((enum proto_pin)p));
	if (n && !*e->hint)
		err_hint(e, "Connect again, and make anew what was there alone: %s.", names);
}

void session_link_gone(struct link *l, const char *why, const struct err *said)
{
	struct session *s = l->session;
	struct err e = { 0 };
	if (l->authq) {
		struct authq *q = l->authq;
		l->authq = NULL;
		err_set(&e, ERR_SERVER_LOST, "auth_query: the server connection was lost: %s", why);
		link_close(l, why);
		authq_link_lost(q, &e);
		return;
	}
	if (!s) {
		link_close(l, why);
		return;
	}
	route_failed(l->shard,
		said && said->code == ERR_SERVER_LOST && *said->sqlstate ? SIGNAL_SHUTDOWN
									 : SIGNAL_LOST,
		why);
	if (ask_again(l, why))
		return;
	/* a server that crashes, or kills what runs, may have committed before */
	if (said && !(is_shutdown(said) && l->place >= 0 && strcmp(said->sqlstate, "57P01") != 0))
		e = *said;
	else
		lost_error(s, l, why, &e);
	if (session_listen_again(l, why, said) || outlive(l, why, said, &e))
		return;
	if (!s->login && !s->raw)
		hint_at_state(s, &e);
	session_detach(s);
	link_close(l, why);
	session_close(s, &e, why);
}

void session_link_fenced(struct link *l)
{
	static const char why[] = "this server is not the primary any more";
	struct session *s = l->session;
	if (s && s->moving == MOVING_OUT) {
		s->refused = true; /* the answer to what is under way is not one to another try */
		if (!session_stay(s)) {
			session_close(s, NULL, why);
			return;
		}
	} else if (s && s->moving) {
		session_close(s, NULL, why);
		return;
	}
	session_link_gone(l, why, NULL);
}
