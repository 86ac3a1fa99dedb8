/* session_end - the line of the log about a session that is over: why, and with log_sessions who
 * ended it, in which state, how long things took and how much was done. Ignorant of what ends it.
 * Runs on the session's worker. */
#include "core_int.h"

#include "base/text.h"

#include <string.h>

/* Who ended it, by the error that its client was told. C client, S server, P weirpool itself,
 * A administrator, T a timeout. */
static char who_of(enum err_code c)
{
	switch (c) {
	case ERR_NONE: return 'C';
	case ERR_LOGIN_TIMEOUT:
	case ERR_WAIT_TIMEOUT:
	case ERR_QUERY_TIMEOUT:
	case ERR_TX_TIMEOUT:
	case ERR_IDLE_TX_TIMEOUT:
	case ERR_IDLE_TIMEOUT: return 'T';
	case ERR_SHUTDOWN:
	case ERR_KILLED: return 'A';
	case ERR_SERVER_LOST:
	case ERR_SERVER_CONNECT:
	case ERR_SERVER_REFUSED:
	case ERR_SERVER_PROTOCOL:
	case ERR_OUTCOME_UNKNOWN:
	case ERR_TX_LOST:
	case ERR_TX_LOST_LINK:
	case ERR_NO_PRIMARY:
	case ERR_READ_ONLY:
	case ERR_STALE_PLAN: return 'S';
	case ERR_PROTOCOL:
	case ERR_TOO_BIG:
	case ERR_AUTH_FAILED:
	case ERR_AUTH_DENIED:
	case ERR_ACCOUNT_TLS:
	case ERR_ACCOUNT_LOCKED:
	case ERR_PASSWORD_EXPIRED:
	case ERR_NO_DATABASE:
	case ERR_TOO_MANY:
	case ERR_NO_SESSION:
	case ERR_NOT_OWNER:
	case ERR_CANCELED:
	case ERR_NO_MEMORY:
	case ERR_NO_FDS:
	case ERR_NO_NODE:
	case ERR_DB_DISABLED:
	case ERR_NOT_ALLOWED:
	case ERR_BAD_VALUE:
	case ERR_BLOCKED:
	case ERR_UNSUPPORTED:
	case ERR_SYNTAX:
	case ERR_NO_STATEMENT:
	case ERR_DUP_STATEMENT:
	case ERR_STMT_MODE_TX:
	case ERR_CONFIG:
	case ERR_INTERNAL:
	case ERR_N: break;
	}
	return 'P';
}

/* In which state: L login, W waiting for a server connection, Q in a request, T in a transaction
 * between requests, I idle. */
static char state_of(const struct session *s)
{
	if (s->login || s->state == SESSION_LOGIN)
		return 'L';
	if (s->state == SESSION_WAITING)
		return 'W';
	if (s->tally.state)
		return s->tally.state;
	if (s->request_us || s->console)
		return 'Q';
	return s->in_tx ? 'T' : 'I';
}

static struct log_field number(const char *key, uint64_t n)
{
	return (struct log_field){ .key = key, .number = (int64_t)n };
}

/* By its number, but not by counting: programs that connect in turns, two by two, are not to be
 * seen by half. Multiples of the golden ratio are spread as evenly as can be. */
bool session_is_sampled(const struct session *s)
{
	uint32_t of = (uint32_t)s->w->gen->conf->global.log_sample;
	uint32_t spread = s->id * UINT32_C(2654435769);
	return s->is_console || ((uint64_t)spread * of) >> 32 == 0;
}

void session_log_end(struct session *s, const struct err *e, const char *why)
{
	const struct conf_global *g = &s->w->gen->conf->global;
	const struct session_tally *t = &s->tally;
	int64_t now = worker_now(s->w), age = now - s->connected_us;
	char host[64], code[3] = { t->ended_by ? t->ended_by : who_of(e ? e->code : ERR_NONE),
		state_of(s) };
	if (strcmp(code, "CI") == 0 && !session_is_sampled(s))
		return;
	char node[80] = "", link[24] = "";
	if (!g->log_sessions) {
		if (g->log_disconnections)
			session_log(EVENT_SESSION_END, s, "closing because: %s (age=%llds)", why,
				(long long)(age / 1000000));
		return;
	}
	if (t->link) {
		struct text x = text_begin(link, sizeof link);
		text_put(&x, "S-0x5");
		text_put_hex32(&x, t->link);
		x = text_begin(node, sizeof node);
		text_put(&x, addr_host(&t->node, host, sizeof host));
		text_put(&x, ":");
		text_put_u64(&x, addr_port(&t->node));
	}
	uint64_t waiting = s->wait.since_us ? (uint64_t)(now - s->wait.since_us) : 0;
	uint64_t pinned = s->pinned_us ? (uint64_t)(now - s->pinned_us) : 0;
	const struct log_field f[] = {
		{ .key = "end", .text = code },
		number("login_us", t->login_us),
		number("wait_us", t->wait_us + waiting),
		number("first_us", t->first_us),
		number("total_us", (uint64_t)age),
		number("waits", t->waits + (waiting > 0)),
		number("requests", t->requests),
		number("xacts", t->xacts),
		number("in_bytes", s->st.rx_bytes),
		number("out_bytes", s->st.tx_bytes),
		number("pins", t->pins),
		number("pinned_us", t->pinned_us + pinned),
		{ .key = "link", .text = link },
		{ .key = "node", .text = node },
		number("sample", (uint64_t)g->log_sample),
	};
	session_log_fields(EVENT_SESSION_END, s, f, sizeof f / sizeof *f - (g->log_sample == 1),
		"closing because: %s (age=%llds)", why, (long long)(age / 1000000));
}
