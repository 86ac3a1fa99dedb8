/* session_proxy - the PROXY protocol. Clients who come through a load balancer, those of
 * proxy_protocol_networks, say first by a header whose connection it is. Who does not is refused:
 * guessing would let anybody behind the balancer claim an address. Runs on the session's worker. */
#include "session_login_int.h"

#include "base/cidr.h"

bool session_is_proxied(const struct session *s)
{
	const char *at = s->w->gen->conf->global.proxy_protocol_networks;
	char text[64];
	struct cidr net;
	while (conf_list_next(&at, text, sizeof text))
		if (cidr_parse(text, &net) == 0 && cidr_has(&net, &s->addr.u.sa))
			return true;
	return false;
}

/* The connections of a pool are many clients', so only one that is nobody else's may. */
bool session_names_itself(const struct session *s)
{
	const struct settings *set = &s->shard->set;
	return set->server_proxy_protocol == CONF_PROXY_CLIENT &&
	       set->pool_mode == CONF_POOL_SESSION;
}

static void refuse(struct session *s, const char *where)
{
	struct err e = { 0 };
	err_set(&e, ERR_PROTOCOL,
		"a PROXY header is expected from this address (proxy_protocol_networks)");
	err_internal(&e, "no PROXY header, or a malformed one (%s)", where);
	/* Unread bytes would make the kernel reset the connection, and the answer is lost. */
	(void)stream_read(&s->st, s->w->rbuf, CORE_RBUF_BYTES);
	login_refuse(s, &e);
}

bool session_proxy_readable(struct session *s)
{
	struct addr from;
	const char *where;
	char host[64];
	switch (stream_take_proxy(&s->st, &from, &where)) {
	case -1: refuse(s, where); return false;
	case 0:
		if (s->st.eof || s->st.error)
			session_close(s, NULL, "client left without a PROXY header");
		return false;
	}
	s->proxy_due = false;
	if (from.u.sa.sa_family == AF_UNSPEC) {
		session_log(EVENT_PROXY_HEADER, s, "a connection of the proxy's own");
	} else {
		session_log(EVENT_PROXY_HEADER, s, "the proxy names %s:%u",
			addr_host(&from, host, sizeof host), addr_port(&from));
		s->addr = from;
	}
	session_greet(s);
	return s->state != SESSION_CLOSING;
}
