/* pg_client_login - a client's first packets: requests for TLS and GSS encryption, cancel requests,
 * the startup packet with its parameters, and which protocol version both sides speak. Ignorant of
 * users, databases and TLS itself. The session's thread. Source: PostgreSQL docs, Message Flow:
 * Start-up.
 *
 * Nothing is trusted here: packets are capped at PostgreSQL's own limit, each request for
 * encryption is answered once, and what follows such a request in the same flight is refused (it
 * was not encrypted). */
#include "pg_login_int.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "wire/pg/auth.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

#define NEWEST_MINOR 2U /* 3.2; there is no 3.1 */
#define UNKNOWN_OPTIONS_MAX 64U
#define TLS_HANDSHAKE_BYTE 0x16

static struct pev bad(struct pg_client_login *l)
{
	l->step = PG_CL_FAILED;
	return pg_pev(PEV_BAD, 0);
}

void pg_client_init(void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down)
{
	struct pg_client *c = cst;
	(void)g;
	(void)down; /* PostgreSQL's servers do not speak first */
	pg_client_run_init(c, v);
	c->login = mem_alloc(MEM_SESSION, sizeof(*c->login)); /* NULL: the first step says so */
}

void pg_client_login_free(struct pg_client *c)
{
	struct pg_client_login *l = c->login;
	if (l == NULL)
		return;
	pg_client_proof_fini(l);
	pg_console_free(&l->console);
	mem_free(MEM_SESSION, l->vars);
	mem_free(MEM_SESSION, l->text);
	mem_free(MEM_SESSION, l->notice);
	mem_free(MEM_SESSION, l);
	c->login = NULL;
}

void pg_client_fini(void *cst)
{
	pg_client_login_free(cst);
	pg_client_run_fini(cst);
}

int pg_client_add_var(struct pg_client_login *l, const char *name, const char *value, struct err *e)
{
	if (l->n_vars == l->vars_size) {
		size_t size = l->vars_size ? l->vars_size * 2 : 16;
		struct var *v = mem_realloc(MEM_SESSION, l->vars, size * sizeof(*v));
		if (v == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		l->vars = v;
		l->vars_size = size;
	}
	l->vars[l->n_vars++] = (struct var){ .name = name, .value = value };
	return 0;
}

/* ---- parameters ---- */

struct found { /* parameters that are not settings */
	char *user, *database, *options;
	const char *replication;
	const char *unknown[UNKNOWN_OPTIONS_MAX];
	uint32_t unknown_n;
	bool too_many;
};

/* As PostgreSQL reads a boolean: unique prefixes of true, false, yes, no; on, off; 1, 0. -1: it is
 * none. */
static int bool_of(const char *s)
{
	size_t n = strlen(s);
	if (n == 0)
		return -1;
	if (strncasecmp(s, "true", n) == 0 || strncasecmp(s, "yes", n) == 0)
		return 1;
	if (strncasecmp(s, "false", n) == 0 || strncasecmp(s, "no", n) == 0)
		return 0;
	if (strcasecmp(s, "on") == 0 || strcmp(s, "1") == 0)
		return 1;
	if ((n >= 2 && strncasecmp(s, "off", n) == 0) || strcmp(s, "0") == 0)
		return 0;
	return -1;
}

static int read_replication(struct pg_client_login *l, const char *v, struct err *e)
{
	if (v == NULL)
		return 0;
	if (strcmp(v, "database") == 0) {
		l->info.replication = PROTO_REPL_LOGICAL;
		return 0;
	}
	int b = bool_of(v);
	if (b < 0) {
		err_set(e, ERR_PROTOCOL, "invalid value for parameter \"replication\": \"%.60s\"",
			v);
		memcpy(e->sqlstate, "22023", 6);
		return err_hint(e, "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
	}
	l->info.replication = b ? PROTO_REPL_PHYSICAL : PROTO_REPL_NONE;
	return 0;
}

static int take_param(
	struct pg_client_login *l, struct found *f, char *name, char *value, struct err *e)
{
	if (strcmp(name, "user") == 0) {
		f->user = value;
	} else if (strcmp(name, "database") == 0) {
		f->database = value;
	} else if (strcmp(name, "options") == 0) {
		f->options = value;
	} else if (strcmp(name, "replication") == 0) {
		f->replication = value;
	} else if (strncmp(name, "_pq_.", 5) == 0) {
		if (f->unknown_n == UNKNOWN_OPTIONS_MAX)
			f->too_many = true;
		else
			f->unknown[f->unknown_n++] = name;
	} else {
		if (strcasecmp(name, "application_name") == 0)
			l->info.application_name = value;
		return pg_client_add_var(l, name, value, e);
	}
	return 0;
}

/* Our own copy of the packet's strings is walked, so that names can be cut in place. */
static int read_params(
	struct pg_client_login *l, const struct pgstartup *s, struct found *f, struct err *e)
{
	/* One NUL more than was sent: a packet without its end cannot be read beyond. */
	l->text = mem_alloc(MEM_SESSION, s->body_n + 1);
	if (l->text == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (s->body_n)
		memcpy(l->text, s->body, s->body_n);
	const char *name, *value;
	struct rd r = rd_of(l->text, s->body_n);
	while (pgstartup_next(&r, &name, &value)) {
		char *n = l->text + (name - l->text), *v = l->text + (value - l->text);
		if (take_param(l, f, n, v, e))
			return -1;
	}
	if (!rd_ok(&r) || rd_left(&r) != 0)
		return err_set(e, ERR_PROTOCOL,
			"invalid startup packet layout: expected terminator as last byte");
	if (f->too_many)
		return err_set(e, ERR_PROTOCOL, "too many protocol options (\"_pq_.*\")");
	return 0;
}

/* Options first: a setting that stands in the packet by itself counts more, as on a server. */
static int add_options(struct pg_client_login *l, char *options, struct err *e)
{
	if (options == NULL)
		return 0;
	struct var *packet = l->vars;
	size_t n = l->n_vars;
	l->vars = NULL;
	l->n_vars = l->vars_size = 0;
	int rc = pg_options_split(l, options, e);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = pg_client_add_var(l, packet[i].name, packet[i].value, e);
	mem_free(MEM_SESSION, packet);
	for (size_t i = 0; rc == 0 && i < l->n_vars; i++)
		if (strcasecmp(l->vars[i].name, "application_name") == 0)
			l->info.application_name = l->vars[i].value;
	return rc;
}

static void cut_name(char *s)
{
	if (s && strlen(s) > PGSTARTUP_NAME_MAX)
		s[PGSTARTUP_NAME_MAX] = '\0';
}

static void negotiate(struct pg_client_login *l, const struct pgstartup *s, const struct found *f,
	struct buf *down)
{
	/* 3.1 was never made: its clients get what 3.0 clients get. */
	l->minor = s->minor >= NEWEST_MINOR ? NEWEST_MINOR : 0;
	if (s->minor > NEWEST_MINOR || f->unknown_n)
		pgstartup_put_negotiate(
			down, PGSTARTUP_VERSION(3, l->minor), f->unknown, f->unknown_n);
}

static int read_startup(
	struct pg_client_login *l, const struct pgstartup *s, struct buf *down, struct err *e)
{
	struct found f = { 0 };
	l->info = (struct proto_login){ .application_name = "", .major = 3, .minor = s->minor };
	if (read_params(l, s, &f, e))
		return -1;
	negotiate(l, s, &f, down);
	if (read_replication(l, f.replication, e) || add_options(l, f.options, e))
		return -1;
	if (f.user == NULL || *f.user == '\0')
		return err_set(
			e, ERR_AUTH_DENIED, "no PostgreSQL user name specified in startup packet");
	for (size_t i = 0; i < l->n_vars; i++)
		if (strcasecmp(l->vars[i].name, "weirpool.endpoint") == 0)
			l->info.endpoint = l->vars[i].value;
	cut_name(f.user);
	cut_name(f.database);
	l->info.user = f.user;
	l->info.database_given = f.database && *f.database;
	l->info.database = l->info.database_given ? f.database : f.user;
	return 0;
}

/* ---- packets ---- */

static struct pev unsupported(
	struct pg_client_login *l, const struct pgstartup *s, struct buf *down, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED,
		"unsupported frontend protocol %u.%u: server supports 3.0 to 3.%u",
		(unsigned)s->major, (unsigned)s->minor, NEWEST_MINOR);
	if (s->major <
		3) { /* a client of that age reads 'E' and a string; it gets its own form first */
		buf_printf(down, "EFATAL:  %s\n", e->msg);
		buf_put_u8(down, 0);
	}
	return bad(l);
}

static struct pev on_gssenc(struct pg_client_login *l, const struct pgstartup *s, size_t n,
	struct buf *down, struct err *e)
{
	if (l->gss_asked || l->tls)
		return unsupported(l, s, down, e);
	l->gss_asked = true;
	if (n > s->total) {
		err_set(e, ERR_PROTOCOL,
			"received unencrypted data after GSSAPI encryption request");
		return bad(l);
	}
	buf_put_u8(down, 'N');
	return pg_pev(PEV_DROP, s->total);
}

static struct pev on_packet(struct pg_client_login *l, const struct pgstartup *s, size_t n,
	struct buf *down, struct err *e)
{
	struct pev ev = { .n = s->total };
	switch (s->kind) {
	case PGSTARTUP_SSL:
		if (l->tls_asked || l->tls)
			return unsupported(l, s, down, e);
		l->tls_asked = true;
		l->step = PG_CL_TLS;
		ev.kind = PEV_TLS;
		return ev;
	case PGSTARTUP_GSSENC: return on_gssenc(l, s, n, down, e);
	case PGSTARTUP_CANCEL:
		l->step = PG_CL_DONE;
		ev.kind = PEV_CANCEL;
		ev.text = s->body;
		ev.text_n = s->body_n;
		return ev;
	case PGSTARTUP_V3:
		if (read_startup(l, s, down, e))
			return bad(l);
		l->step = PG_CL_WHO;
		ev.kind = PEV_LOGIN;
		return ev;
	case PGSTARTUP_OTHER: break;
	}
	return unsupported(l, s, down, e);
}

static struct pev on_startup(
	struct pg_client_login *l, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	if (n > 0 && p[0] == TLS_HANDSHAKE_BYTE && !l->begun) {
		l->begun = l->tls = true; /* what comes next is what was inside */
		return pg_pev(PEV_TLS_DIRECT, 0);
	}
	struct pgstartup s;
	int rc = pgstartup_take(p, n, &s);
	if (rc == 0)
		return pg_pev(PEV_MORE, 0);
	if (rc < 0) {
		/* Drivers that are told to end before they began: a server closes without a word.
		 */
		static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };
		if (n >= sizeof terminate && memcmp(p, terminate, sizeof terminate) == 0)
			return pg_pev(PEV_BYE, n);
		err_set(e, ERR_PROTOCOL, "invalid length of startup packet");
		return bad(l);
	}
	l->begun = true;
	return on_packet(l, &s, n, down, e);
}

struct pev pg_client_step(void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct pg_client *c = cst;
	if (c->login == NULL) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return pg_pev(PEV_BAD, 0);
	}
	if (c->login->step == PG_CL_STARTUP)
		return on_startup(c->login, p, n, down, e);
	return pg_client_proof(c, p, n, down, e);
}

void pg_client_tls_answer(void *cst, bool yes, struct buf *down)
{
	struct pg_client_login *l = ((struct pg_client *)cst)->login;
	if (l == NULL || l->step != PG_CL_TLS)
		return;
	buf_put_u8(down, yes ? 'S' : 'N');
	l->tls = yes;
	l->step = PG_CL_STARTUP;
}

const struct proto_login *pg_client_login(const void *cst)
{
	const struct pg_client *c = cst;
	return c->login ? &c->login->info : NULL;
}

size_t pg_client_key_size(const void *cst)
{
	const struct pg_client *c = cst;
	return PGSTARTUP_PID_BYTES + (c->login && c->login->minor >= 2 ? 32 : 4);
}

int pg_client_keep_notice(struct pg_client *c, const char *notice, struct err *e)
{
	if (c->login == NULL || notice == NULL || *notice == '\0')
		return 0;
	mem_free(MEM_SESSION, c->login->notice);
	c->login->notice = mem_strdup(MEM_SESSION, notice);
	return c->login->notice ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

void pg_client_put_login_notice(struct pg_client *c, struct buf *down)
{
	if (c->login && c->login->notice)
		pg_put_notice(c, down, "NOTICE", "00000", c->login->notice);
}
