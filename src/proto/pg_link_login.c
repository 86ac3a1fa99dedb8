/* pg_link_login - we log in to a server: SSLRequest, startup packet, its demands (pg_link_auth.c),
 * what it reports, until it is ready. Ignorant of sockets, TLS itself and pools. The link's thread.
 * Source: PostgreSQL docs, Message Flow: Start-up; SSL Session Encryption.
 *
 * A server is as hostile as a client: nothing that came before TLS is believed, each message must
 * fit the step, and lengths, counts and iterations are bounded. */
#include "pg_login_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/pg/error.h"
#include "wire/pg/msg.h"
#include "wire/pg/session.h"
#include "wire/pg/startup.h"

#define MESSAGE_MAX_BYTES 65536U /* of any message during login */
#define REPORTED_MAX_N 256U      /* parameters that a server may report */

void pg_link_login_free(struct pg_link *k)
{
	struct pg_link_login *l = k->login;
	if (l == NULL)
		return;
	if (l->scram)
		scram_client_fini(l->scram);
	mem_free(MEM_LINK, l->scram);
	mem_wipe(&l->creds, sizeof(l->creds));
	buf_fini(&l->startup);
	mem_free(MEM_LINK, l->user);
	mem_free(MEM_LINK, l);
	k->login = NULL;
}

static void make_startup(struct pg_link_login *l, const struct proto_link_login *in)
{
	struct buf *b = &l->startup;
	size_t at = pgstartup_begin(b, l->version);
	pgstartup_put_param(b, "user", in->user);
	if (in->database && *in->database)
		pgstartup_put_param(b, "database", in->database);
	if (in->replication_physical)
		pgstartup_put_param(b, "replication", "true");
	else if (in->replication_logical)
		pgstartup_put_param(b, "replication", "database");
	for (const struct proto_kv *kv = in->params; kv && kv->key; kv++)
		pgstartup_put_param(b, kv->key, kv->value);
	pgstartup_end(b, at);
}

static int send_startup(struct pg_link_login *l, struct buf *up)
{
	buf_append(up, buf_data(&l->startup), buf_len(&l->startup));
	buf_fini(&l->startup);
	l->step = PG_LK_AUTH;
	return 0;
}

int pg_link_init(void *lst, struct proto_env *v, const struct proto_link_login *in, struct buf *up,
	struct err *e)
{
	struct pg_link *k = lst;
	pg_link_run_init(k, v);
	struct pg_link_login *l = k->login = mem_alloc(MEM_LINK, sizeof(*l));
	if (l == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	buf_init(&l->startup, PGSTARTUP_MAX_BYTES + 4);
	l->version = PGSTARTUP_VERSION(3, in->protocol_3_2 ? 2 : 0);
	l->tls_require = in->tls_require;
	l->cbind_require = in->channel_binding_require;
	l->max_scram_iterations = in->max_scram_iterations;
	if (in->creds)
		l->creds = *in->creds;
	l->user = mem_strdup(MEM_LINK, in->user);
	make_startup(l, in);
	if (l->user == NULL || l->startup.failed) {
		pg_link_login_free(k);
		return err_set(e, ERR_NO_MEMORY,
			"out of memory, or too many parameters for a startup packet");
	}
	if (in->tls_direct) {
		l->step = PG_LK_TLS;
	} else if (in->tls_try || in->tls_require) {
		pgstartup_put_ssl(up);
		l->step = PG_LK_SSL;
	} else {
		send_startup(l, up);
	}
	return 0;
}

void pg_link_fini(void *lst)
{
	pg_link_login_free(lst);
	pg_link_run_fini(lst);
}

void pg_link_tls_done(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up)
{
	struct pg_link_login *l = ((struct pg_link *)lst)->login;
	if (l == NULL || l->step != PG_LK_TLS)
		return;
	l->tls = true;
	if (cbind && cbind_n <= sizeof(l->cbind)) {
		if (cbind_n)
			memcpy(l->cbind, cbind, cbind_n);
		l->cbind_n = cbind_n;
	}
	send_startup(l, up);
}

static struct pev bad(struct pg_link_login *l)
{
	l->step = PG_LK_FAILED;
	return pg_pev(PEV_BAD, 0);
}

static struct pev malformed(struct pg_link_login *l, uint8_t type, struct err *e)
{
	err_set(e, ERR_SERVER_PROTOCOL,
		"unexpected or malformed message from the server during login: type 0x%02x",
		(unsigned)type);
	return bad(l);
}

/* One byte answers SSLRequest. Anybody may have sent it: no text of it is shown. */
static struct pev on_ssl_answer(
	struct pg_link_login *l, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	if (n == 0)
		return pg_pev(PEV_MORE, 0);
	if (p[0] == 'S') {
		if (n > 1) {
			err_set(e, ERR_SERVER_PROTOCOL,
				"received unencrypted data behind the answer to SSLRequest");
			return bad(l);
		}
		l->step = PG_LK_TLS;
		return pg_pev(PEV_TLS, 1);
	}
	if (p[0] == 'N' && !l->tls_require) {
		send_startup(l, up);
		return pg_pev(PEV_DROP, 1);
	}
	if (p[0] == 'N')
		err_set(e, ERR_SERVER_CONNECT,
			"the server does not support TLS, but TLS is required");
	else if (p[0] == 'E')
		err_set(e, ERR_SERVER_CONNECT,
			"the server answered a request for TLS with an error");
	else
		err_set(e, ERR_SERVER_PROTOCOL,
			"the server's answer to a request for TLS is neither "
			"yes nor no: is it PostgreSQL?");
	return bad(l);
}

static struct pev on_error(struct pg_link_login *l, const struct pgmsg *m, struct err *e)
{
	struct pgerror f;
	pgerror_read(m->body, m->body_n, &f);
	pgerror_to_err(&f, ERR_SERVER_REFUSED, e);
	return bad(l);
}

static struct pev on_notice(const struct pgmsg *m, struct err *e)
{
	struct pgerror f;
	pgerror_read(m->body, m->body_n, &f);
	err_set(e, ERR_NONE, "notice from the server during login: %s", f.msg ? f.msg : "");
	return pg_pev(PEV_NOTE, m->total);
}

/* The server speaks an older minor version than we asked for. We asked for no options. */
static struct pev on_negotiate(struct pg_link_login *l, const struct pgmsg *m, struct err *e)
{
	uint32_t version, n;
	struct rd r;
	if (l->step != PG_LK_AUTH || l->negotiated ||
		!pgstartup_read_negotiate(m->body, m->body_n, &version, &n, &r))
		return malformed(l, m->type, e);
	if (version < PGSTARTUP_VERSION(1, 0)) /* the documentation says just the minor number */
		version |= PGSTARTUP_VERSION(3, 0);
	if (version > l->version || n > 0 || version < PGSTARTUP_VERSION(3, 0) ||
		version == PGSTARTUP_VERSION(3, 1)) {
		err_set(e, ERR_SERVER_PROTOCOL,
			"the server offers protocol %u.%u (%u unknown options), asked for: %u.%u",
			(unsigned)(version >> 16), (unsigned)(version & 0xffff), (unsigned)n,
			(unsigned)(l->version >> 16), (unsigned)(l->version & 0xffff));
		return bad(l);
	}
	l->negotiated = true;
	l->version = version;
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_auth(
	struct pg_link_login *l, const struct pgmsg *m, struct buf *up, struct err *e)
{
	if (l->step == PG_LK_WELCOME)
		return malformed(l, m->type, e);
	if (pg_link_auth(l, m->body, m->body_n, up, e))
		return bad(l);
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_param(struct pg_link *k, const struct pgmsg *m, struct err *e)
{
	struct pg_link_login *l = k->login;
	const char *name, *value;
	if (!pgsession_read_param(m->body, m->body_n, &name, &value) ||
		++l->n_reported > REPORTED_MAX_N)
		return malformed(l, m->type, e);
	if (!varset_put(&k->env->vars, &k->reported, name, value)) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return bad(l);
	}
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_key(struct pg_link *k, const struct pgmsg *m, struct err *e)
{
	uint32_t pid;
	if (!pgsession_read_key(m->body, m->body_n, &pid) || m->body_n > sizeof(k->key))
		return malformed(k->login, m->type, e);
	memcpy(k->key, m->body, m->body_n);
	k->key_n = (uint16_t)m->body_n;
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_ready(struct pg_link *k, const struct pgmsg *m, struct err *e)
{
	char status;
	if (!pgsession_read_ready(m->body, m->body_n, &status) || status != 'I')
		return malformed(k->login, m->type, e);
	pg_link_login_free(k);
	return pg_pev(PEV_AUTH_OK, m->total);
}

static struct pev on_message(
	struct pg_link *k, const struct pgmsg *m, struct buf *up, struct err *e)
{
	struct pg_link_login *l = k->login;
	switch (m->type) {
	case 'E': return on_error(l, m, e);
	case 'N': return on_notice(m, e);
	case 'v': return on_negotiate(l, m, e);
	case 'R': return on_auth(l, m, up, e);
	default: break;
	}
	if (l->step == PG_LK_WELCOME) {
		switch (m->type) {
		case 'S': return on_param(k, m, e);
		case 'K': return on_key(k, m, e);
		case 'Z': return on_ready(k, m, e);
		default: break;
		}
	}
	return malformed(l, m->type, e);
}

static struct pev step_once(
	struct pg_link *k, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct pg_link_login *l = k->login;
	if (l->step == PG_LK_SSL)
		return on_ssl_answer(l, p, n, up, e);
	if (l->step == PG_LK_TLS)
		return pg_pev(PEV_MORE, 0); /* core's turn */
	if (l->step == PG_LK_FAILED) {
		err_set(e, ERR_SERVER_PROTOCOL, "the login has failed already");
		return pg_pev(PEV_BAD, 0);
	}
	struct pgmsg m;
	int rc = pgmsg_take(p, n, MESSAGE_MAX_BYTES, &m);
	if (rc < 0)
		return malformed(l, m.type, e);
	return rc ? on_message(k, &m, up, e) : pg_pev(PEV_MORE, 0);
}

struct pev pg_link_step(void *lst, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct pg_link *k = lst;
	size_t used = 0;
	while (k->login) {
		struct pev ev = step_once(k, used ? p + used : p, n - used, up, e);
		if (ev.kind == PEV_MORE && used)
			return pg_pev(PEV_DROP, used);
		used += ev.n;
		if (ev.kind != PEV_DROP) {
			ev.n = used;
			return ev;
		}
	}
	err_set(e, ERR_INTERNAL, "link_step() without a login");
	return pg_pev(PEV_BAD, 0);
}

size_t pg_link_cancel_key(const void *lst, const uint8_t **key_r)
{
	const struct pg_link *k = lst;
	*key_r = k->key;
	return k->key_n;
}

unsigned pg_link_server_pid(const void *lst)
{
	const struct pg_link *k = lst;
	struct rd r = rd_of(k->key, k->key_n);
	return rd_u32be(&r);
}
