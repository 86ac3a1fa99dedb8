/* session_login - from an accepted connection to a client that says who it is: TLS, the startup
 * packet, which database, and the bytes of the exchange that follows. Runs on the session's worker.
 */
#include "session_login_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_CAP (128u << 10) /* unread input of somebody who has proved nothing */

void login_refuse(struct session *s, const struct err *e)
{
	session_close(s, e, *e->internal ? e->internal : e->msg);
}

void login_refuse_with(struct session *s, enum err_code code, const char *msg)
{
	struct err e = { 0 };
	err_set(&e, code, "%s", msg);
	login_refuse(s, &e);
}

bool session_login_begin(struct session *s)
{
	s->login = mem_alloc(MEM_SESSION, sizeof *s->login);
	return s->login != NULL;
}

static uint32_t generation_bits(const struct core *c)
{
	return ((c->generation - 1) % NUMBER_GENERATIONS) << NUMBER_BITS;
}

static bool has_number(const struct worker *w, uint32_t number)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].session && w->slots[i].session->number == number)
			return true;
	return false;
}

/* Unique among the sessions that live (until a worker has had 2^28 / workers of them), also beside
 * those of the process before an upgrade; and the worker is known by it. Never 0. */
static uint32_t next_number(struct worker *w)
{
	unsigned n = w->core->n_workers ? w->core->n_workers : 1;
	uint32_t v, bits = generation_bits(w->core);
	do
		v = w->numbers++ % ((NUMBER_MASK + 1) / n) * n + w->id;
	while (v == 0 || (w->old_numbers && has_number(w, v | bits)));
	return v | bits;
}

struct worker *number_worker(struct core *c, uint32_t number)
{
	return c->worker[(number & NUMBER_MASK) % c->n_workers];
}

void number_take_over(struct session *s, uint32_t number)
{
	const struct core *c = s->w->core;
	s->number = number;
	/* One that has outlived as many processes as there are generations. */
	if ((number & ~NUMBER_MASK) == generation_bits(c))
		s->w->old_numbers = true;
}

static bool offers_tls(const struct session *s)
{
	const struct core_gen *g = s->w->gen;
	return g->client_tls && !addr_is_unix(&s->addr) &&
	       g->conf->global.client_tls.start != CONF_TLS_START_DIRECT;
}

void session_greet(struct session *s)
{
	struct worker *w = s->w;
	const struct conf_global *g = &w->gen->conf->global;
	const struct worker_facts *f = &w->facts[s->ops->id];
	if (s->proxy_due || (s->ops->greets && !f->settled))
		return; /* session_proxy.c, or facts.c, comes back to it */
	s->greeted = true;
	s->number = next_number(w);
	struct proto_greet greet = {
		.number = s->number,
		.tls = offers_tls(s),
		.codings = core_codings(g->client_compression),
		.facts = f->bytes,
		.facts_n = f->n,
		.version = g->mysql_server_version,
	};
	s->ops->client_init(s->cst, w->env[s->ops->id], &greet, &w->down);
	session_send(s, &w->down);
}

void session_login_fini(struct session *s)
{
	struct session_login *g = s->login;
	authq_stop(s);
	login_forget_secret(g);
	mem_free(MEM_SESSION, g);
	s->login = NULL;
}

void session_login_reloaded(struct session *s)
{
	struct session_login *g = s->login;
	struct err e = { 0 };
	const struct proto_login *pl = s->greeted ? login_of(s) : NULL;
	if (!pl || !pl->database || s->is_console)
		return;
	g->cdb = entry_find(s->w->gen->conf, s->ops, pl->database, pl->database_given, &g->dbase);
	g->d.rule = NULL;
	g->d.secret = NULL; /* proto/ has what it needs */
	g->d.pam_service = g->d.ldap = NULL;
	g->reloaded = true;
	if (!g->cdb) {
		err_set(&e, ERR_NO_DATABASE, "no such database: %s", pl->database);
		login_refuse(s, &e);
	}
}

void session_authq_old(struct session *s)
{
	s->login->authq_old = true;
}

struct authq **session_authq(struct session *s)
{
	return &s->login->authq;
}

const struct conf_db *session_login_db(const struct session *s)
{
	return s->login->cdb;
}

const char *session_login_user(const struct session *s)
{
	return login_of(s)->user;
}

/* ---- the startup packet ---- */

static int check_database(struct session *s, struct err *e)
{
	struct worker *w = s->w;
	struct session_login *g = s->login;
	const struct proto_login *pl = login_of(s);
	if (conf_is_console(pl->database)) {
		g->dbase = "weirpool";
		s->is_console = true;
		if (pl->replication != PROTO_REPL_NONE)
			return err_set(e, ERR_UNSUPPORTED, "the console does not replicate");
		return 0;
	}
	g->cdb = entry_find(w->gen->conf, s->ops, pl->database, pl->database_given, &g->dbase);
	if (!g->cdb && !pl->database_given)
		return err_set(e, ERR_NO_DATABASE, "name a database: there is no * entry");
	if (!g->cdb)
		return err_set(e, ERR_NO_DATABASE, "no such database: %s", pl->database);
	struct dbase *db = core_dbase_find(w->core, s->ops, g->dbase);
	if (db && atomic_load(&db->disabled))
		return err_set(e, ERR_DB_DISABLED, "database \"%s\" is disabled", g->dbase);
	if (db && atomic_load(&db->killed))
		return err_set(e, ERR_DB_DISABLED,
			"database \"%s\" is killed: RESUME lets clients in again", g->dbase);
	return 0;
}

static int check_limits(struct session *s, struct err *e)
{
	struct worker *w = s->w;
	const struct conf_global *g = &w->gen->conf->global;
	int state = atomic_load(&w->core->state);
	if (s->is_console)
		return 0;
	if (state >= CORE_WAIT_CLIENTS)
		return err_set(e, ERR_SHUTDOWN, "the pooler is shutting down");
	if (!s->counted && !login_count_below(&w->core->clients, g->max_client_conn))
		return err_set(e, ERR_TOO_MANY,
			"no more connections allowed (max_client_conn): %d are connected",
			g->max_client_conn);
	s->counted = true; /* in core only, until count_client() */
	return 0;
}

/* True: go on with the input. */
static bool on_login(struct session *s)
{
	struct worker *w = s->w;
	struct session_login *g = s->login;
	struct err e = { 0 };
	const struct conf_tls *t = &w->gen->conf->global.client_tls;
	bool is_unix = addr_is_unix(&s->addr);
	if (t->mode >= CONF_TLS_REQUIRE && !s->st.ssl && !is_unix) {
		login_refuse_with(s, ERR_AUTH_DENIED, "SSL required");
		return false;
	}
	if (is_unix)
		g->peer_known = sock_peer_uid(s->st.fd, &g->peer_uid) == 0;
	if (s->st.ssl)
		g->cn_n = tls_peer_cn(s->st.ssl, g->cn, sizeof g->cn);
	if (check_database(s, &e) != 0 || check_limits(s, &e) != 0) {
		login_refuse(s, &e);
		return false;
	}
	if (login_decide(s)) /* asked elsewhere; s may even be beyond its login by now */
		return false;
	login_ask_proof(s);
	return s->state != SESSION_CLOSING;
}

/* ---- TLS ---- */

static void start_tls(struct session *s)
{
	struct err e = { 0 };
	if (stream_tls_accept(&s->st, s->w->gen->client_tls, &e) != 0)
		session_close_by(s, 'P', e.msg);
}

void session_login_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct session *s = owner;
	if (s->state == SESSION_CLOSING)
		return;
	if (e && err_is(e))
		session_close(s, NULL, e->msg);
	else if (s->login->direct_tls && !tls_alpn_is(st->ssl, s->ops->alpn))
		login_refuse_with(
			s, ERR_PROTOCOL, "direct TLS needs the ALPN extension with \"postgresql\"");
}

static void on_tls_request(struct session *s, size_t behind)
{
	struct worker *w = s->w;
	struct err e = { 0 };
	bool yes = offers_tls(s);
	if (s->st.ssl) {
		login_refuse_with(s, ERR_PROTOCOL, "SSL request on a connection that has TLS");
		return;
	}
	if (behind) { /* CVE-2021-3935: they would be taken for the client's after the handshake */
		err_set(&e, ERR_PROTOCOL, "received unencrypted data after SSL request");
		login_refuse(s, &e);
		return;
	}
	s->ops->client_tls_answer(s->cst, yes, &w->down);
	session_send(s, &w->down);
	s->login->tls_denied = !yes;
	if (yes)
		start_tls(s);
}

/* ---- input ---- */

/* One step over st.in, which it consumes itself: what follows from a step may run the next ones
 * before it returns. True: go on. */
static bool one_step(struct session *s)
{
	struct worker *w = s->w;
	struct err e = { 0 };
	struct pev ev = s->ops->client_step(
		s->cst, buf_data(&s->st.in), buf_len(&s->st.in), &w->down, &e);
	if (ev.kind != PEV_AUTH_OK) /* that it is let in goes out with the welcome */
		session_send(s, &w->down);
	switch (ev.kind) {
	case PEV_MORE: buf_consume(&s->st.in, ev.n); return false;
	case PEV_TLS:
		buf_consume(&s->st.in, ev.n);
		on_tls_request(s, buf_len(&s->st.in));
		return s->state != SESSION_CLOSING && s->st.tls != STREAM_HANDSHAKE;
	case PEV_TLS_DIRECT:
		session_close_by(s, 'P', "direct TLS is not enabled (client_tls_sslnegotiation)");
		return false;
	case PEV_LOGIN: buf_consume(&s->st.in, ev.n); return on_login(s);
	case PEV_PASSWORD: {
		bool known = login_password(s, &ev);
		if (s->state != SESSION_CLOSING)
			buf_consume(&s->st.in, ev.n);
		return known;
	}
	case PEV_AUTH_OK:
		buf_consume(&s->st.in, ev.n);
		login_admitted(s);
		return false;
	case PEV_CANCEL:
		/* the client waits for its close: cancel_request() decides when */
		cancel_request(w, s->ops, dup(s->st.fd), ev.text, ev.text_n);
		session_close(s, NULL, "cancel request");
		return false;
	case PEV_BYE: session_close(s, NULL, "client left before its login"); return false;
	case PEV_BAD:
		if (e.code == ERR_AUTH_FAILED)
			login_failed(s, &e);
		else
			login_refuse(s, &e);
		return false;
	case PEV_DROP:
	case PEV_FORWARD:
	case PEV_REQUEST:
	case PEV_CONSOLE:
	case PEV_KILL:
	case PEV_TOKEN:
	case PEV_RELOGIN:
	case PEV_SYNCED:
	case PEV_TX:
	case PEV_ASKED:
	case PEV_ROW:
	case PEV_QUERY_DONE:
	case PEV_REFUSED:
	case PEV_LINK_BAD:
	case PEV_NOTE: break;
	}
	buf_consume(&s->st.in, ev.n);
	return true;
}

void session_relogin(struct session *s)
{
	session_unserve(s);
	if (!session_login_begin(s)) {
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	session_set_state(s, SESSION_LOGIN);
	session_arm(s);
	if (on_login(s))
		session_login_input(s);
}

/* Handles what stands in st.in. */
void session_login_input(struct session *s)
{
	while (s->state != SESSION_CLOSING && s->login && !s->login->waits && one_step(s))
		;
}

static bool is_direct_tls(struct session *s)
{
	uint8_t first;
	if (!s->ops->alpn || s->st.ssl || s->st.rx_bytes || !s->w->gen->client_tls ||
		addr_is_unix(&s->addr))
		return false;
	return stream_peek(&s->st, &first, 1) == 1 && first == 0x16 &&
	       s->w->gen->conf->global.client_tls.start != CONF_TLS_START_POSTGRES;
}

void session_login_readable(struct session *s)
{
	struct worker *w = s->w;
	if (s->proxy_due && !session_proxy_readable(s))
		return;
	if (s->st.tls == STREAM_HANDSHAKE || !s->greeted)
		return;
	if (is_direct_tls(s)) {
		s->login->direct_tls = true;
		start_tls(s);
		return;
	}
	for (;;) {
		size_t room = INPUT_CAP - buf_len(&s->st.in);
		if (room == 0) {
			login_refuse_with(
				s, ERR_TOO_BIG, "too many bytes before the end of the login");
			return;
		}
		size_t want = s->ops->client_want(s->cst, buf_data(&s->st.in), buf_len(&s->st.in));
		if (want > room)
			want = room;
		if (want > CORE_RBUF_BYTES)
			want = CORE_RBUF_BYTES;
		size_t got = stream_read(&s->st, w->rbuf, want);
		if (got == 0) {
			const struct err *bad = stream_garbled(&s->st);
			struct err e;
			if (bad) {
				e = *bad; /* the stream's ends with it */
				login_refuse(s, &e);
			} else if (s->st.eof || s->st.error)
				session_close(s, NULL,
					!s->st.rx_bytes ? "client left without a word"
					: s->login->tls_denied
						? "client wanted TLS, which it cannot have "
						  "here (client_tls_sslmode), and left"
						: "client unexpected eof during login");
			return;
		}
		if (!buf_append(&s->st.in, w->rbuf, got)) {
			session_close_by(s, 'P', "out of memory");
			return;
		}
		session_login_input(s);
		if (s->state == SESSION_CLOSING || !s->login || got < want ||
			s->st.tls == STREAM_HANDSHAKE)
			return;
	}
}
