/* session_listen - a session that only waits for notifications, and whose link is lost, gets
 * another at once, without a request: the protocol listens there again (relisten). While it has
 * none it waits like a request that needs the primary, and what its client sends waits behind
 * that. Ignorant of what is listened to. Runs on the session's worker. */
#include "core_int.h"

#include <string.h>

#define LINKS_MAX_N 3 /* made since, and lost before it listened there */

/* The server that it has lost ends, or an administrator has ended the connection. That the server
 * ends who is idle for too long, or drops the database, is meant for the client. */
static bool is_end_of_link(const struct err *said)
{
	return said == NULL || strcmp(said->sqlstate, "57P01") == 0 ||
	       strcmp(said->sqlstate, "57P02") == 0 || strcmp(said->sqlstate, "57P03") == 0;
}

/* Links that were there before are lost with their server: they say nothing. */
static bool may_try(struct session *s, const struct link *l)
{
	return (l->born_us <= s->deaf_us ? s->deaf_n : ++s->deaf_n) < LINKS_MAX_N;
}

void session_listens_late(struct session *s)
{
	struct link *l = s->link;
	if (l->born_us <= s->deaf_us)
		s->deaf_n++; /* the others that were there may hang as well */
	session_link_gone(l, "LISTEN was not answered within server_connect_timeout", NULL);
}

bool session_listen_again(struct link *l, const char *why, const struct err *said)
{
	struct session *s = l->session;
	struct worker *w = s->w;
	if (!s->ops->client_relisten || s->login || s->raw || s->request_us || s->in_tx ||
		s->endpoint == CONF_ENDPOINT_RO)
		return false;
	if (s->deaf_us ? !may_try(s, l) : !is_end_of_link(said))
		return false;
	if (!s->ops->client_relisten(s->cst, l->lst))
		return false;
	if (s->deaf_us && said && strcmp(said->sqlstate, "25006") == 0) {
		route_refused(l, said->msg); /* a standby: wait until more is known */
		s->refused_at = route_version(s->shard);
	}
	if (!s->deaf_us) {
		session_log(EVENT_GOES_ON, s, "listens on another server connection: %s:%u: %s",
			l->host, l->port, why);
		s->deaf_us = worker_now(w);
		s->deaf_n = 0;
	}
	session_detach(s);
	link_close(l, why);
	s->to_primary = false;
	session_became_idle(s);
	if (s->state == SESSION_IDLE)
		session_take_link(s);
	return true;
}

void session_listens(struct session *s)
{
	struct link *l = s->link;
	double gap = (double)(worker_now(s->w) - s->deaf_us) / 1e6;
	s->deaf_us = 0;
	s->refused_at = 0;
	s->ops->put_notice(s->cst, &s->w->down, "WARNING", "01W01",
		"the server connection was lost, and this session listens again on another one: "
		"notifications may have been missed");
	session_send(s, &s->w->down);
	session_log(
		EVENT_LISTENS_AGAIN, s, "listens again after %.3f s: %s:%u", gap, l->host, l->port);
	session_arm(s);
}

void session_stays_deaf(struct session *s, const struct err *e)
{
	struct err copy = *e; /* its owner may go with the session */
	err_hint(&copy, "Connect again, and LISTEN anew. See SHOW NODES and SHOW POOLS on the "
			"console.");
	session_close(s, &copy, "it could not listen again");
}
