/* mysql_client_login - a client's first packets: our greeting, its request for TLS, its response
 * with who it is; and COM_CHANGE_USER, which begins a login anew. Ignorant of users, secrets and
 * TLS itself. The session's thread.
 * Source: MySQL docs, Connection Phase; MariaDB docs, Connecting.
 *
 * Nothing is trusted here: packets are capped, and what was sent before TLS counts for nothing
 * behind it. A client sends its ClientHello right behind the request for TLS: client_want() makes
 * core read the request and not a byte more, so nothing sent in clear can be taken for the
 * client's afterwards. */
#include "mysql_login_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/mysql/auth.h"
#include "wire/mysql/greeting.h"
#include "wire/mysql/press.h"
#include "wire/mysql/response.h"

/* Packing takes the worker's time: what a client wishes beyond this it does not get. */
#define ZSTD_LEVEL_OURS 6
#define SSL_REQUEST_BYTES 32U /* of payload: the response's fixed part */
#define AUTOCOMMIT_STATUS MYSTATUS_AUTOCOMMIT

static struct pev bad(struct my_client_login *l)
{
	l->step = MY_CL_FAILED;
	return my_pev(PEV_BAD, 0);
}

static struct pev bad_handshake(struct my_client_login *l, const char *what, struct err *e)
{
	(void)err_set(e, ERR_PROTOCOL, "Bad handshake (%s)", what);
	memcpy(e->sqlstate, "08S01", 6);
	e->mysql_errno = 1043;
	return bad(l);
}

/* ---- the greeting ---- */

static void facts_of(const struct proto_greet *g, struct my_facts *f_r)
{
	if (g->facts_n == 0 || !my_facts_read(g->facts, g->facts_n, f_r))
		my_facts_guess(g->version, f_r);
}

static void greet(struct my_client *c, const struct proto_greet *g, struct buf *down)
{
	struct my_client_login *l = c->login;
	struct my_facts f;
	struct mygreeting m = { .status = AUTOCOMMIT_STATUS };
	facts_of(g, &f);
	c->mariadb = f.mariadb;
	c->number = m.thread_id = g->number;
	c->status = m.status;
	l->offered = (MY_CLIENT_CAPS & f.caps) | MY_OWN_CAPS;
	if (!g->tls)
		l->offered &= ~MYCAP(SSL);
	l->offered |= my_caps_of_codings(g->codings);
	l->offered &= f.mariadb ? ~(MYCAP(MYSQL) | MYCAP(ZSTD)) : MYCAPS_BASIC;
	l->greeted = f.mariadb ? MY_PLUGIN_NATIVE : MY_PLUGIN_SHA2;
	const char *plugin = f.mariadb ? MYAUTH_NATIVE : MYAUTH_CACHING_SHA2;
	m.version = f.version;
	m.caps = l->offered;
	m.collation = f.collation;
	m.plugin = (struct mystr){ plugin, strlen(plugin) };
	memcpy(m.scramble, l->scramble, sizeof(m.scramble));
	mygreeting_put(down, &c->seq, &m);
}

void my_client_init(void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down)
{
	struct my_client *c = cst;
	my_client_run_init(c, v);
	struct my_client_login *l = mem_alloc(MEM_SESSION, sizeof(*l));
	if (l && mysql_scramble_make(l->scramble, NULL)) {
		mem_free(MEM_SESSION, l);
		l = NULL;
	}
	c->login = l; /* NULL: the first step says so */
	if (l)
		greet(c, g, down);
}

void my_client_login_free(struct my_client *c)
{
	struct my_client_login *l = c->login;
	if (l == NULL)
		return;
	my_client_proof_fini(l);
	_Static_assert(sizeof(c->scramble) == sizeof(l->scramble), "one scramble");
	memcpy(c->scramble, l->scramble, sizeof(c->scramble));
	mem_free(MEM_SESSION, l->text);
	mem_wipe(l, sizeof(*l));
	mem_free(MEM_SESSION, l);
	c->login = NULL;
}

void my_client_fini(void *cst)
{
	my_client_login_free(cst);
	my_client_run_fini(cst);
}

/* ---- who it is ---- */

static enum my_plugin plugin_of(struct mystr name)
{
	static const struct {
		const char *name;
		enum my_plugin plugin;
	} known[] = { { MYAUTH_NATIVE, MY_PLUGIN_NATIVE }, { MYAUTH_CACHING_SHA2, MY_PLUGIN_SHA2 },
		{ MYAUTH_CLEAR, MY_PLUGIN_CLEAR } };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == name.n && memcmp(known[i].name, name.p, name.n) == 0)
			return known[i].plugin;
	return MY_PLUGIN_OTHER;
}

static struct mystr attribute(struct mystr attrs, const char *name)
{
	struct mystr key, value;
	for (struct rd r = rd_of(attrs.p, attrs.n); myresponse_next_attr(&r, &key, &value);)
		if (key.n == strlen(name) && memcmp(key.p, name, key.n) == 0)
			return value;
	return (struct mystr){ NULL, 0 };
}

static char *put_text(char *at, struct mystr s)
{
	if (s.n)
		memcpy(at, s.p, s.n);
	return at + s.n + 1; /* zeroed: the NUL is there */
}

/* Copies what is needed of x, which points into the input. */
static int keep_names(struct my_client_login *l, const struct myresponse *x, struct err *e)
{
	struct mystr app = attribute(x->attrs, "program_name");
	struct mystr endpoint = attribute(x->attrs, "weirpool_endpoint");
	char *at = mem_alloc(MEM_SESSION, x->user.n + x->schema.n + app.n + endpoint.n + 4);
	if (at == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	mem_free(MEM_SESSION, l->text);
	l->text = at;
	l->info = (struct proto_login){ .user = at, .database_given = x->schema.n > 0 };
	at = put_text(at, x->user);
	l->info.database = at;
	at = put_text(at, x->schema);
	l->info.application_name = at;
	at = put_text(at, app);
	if (endpoint.n)
		l->info.endpoint = at;
	(void)put_text(at, endpoint);
	return 0;
}

static void keep_reply(struct my_client_login *l, const struct myresponse *x)
{
	l->named = x->plugin.p ? plugin_of(x->plugin) : MY_PLUGIN_NATIVE;
	l->reply_n = x->auth.n > UINT32_MAX ? UINT32_MAX : (uint32_t)x->auth.n;
	if (x->auth.n && x->auth.n <= sizeof(l->reply))
		memcpy(l->reply, x->auth.p, x->auth.n);
}

/* Of both forms servers take zlib. */
static int keep_coding(struct my_client *c, const struct myresponse *x, struct err *e)
{
	if (c->caps & MYCAP(COMPRESS))
		c->caps &= ~MYCAP(ZSTD);
	if (!(c->caps & MYCAP(ZSTD)))
		return 0;
	c->zstd_level = x->zstd_level;
	if (x->zstd_level >= 1 && x->zstd_level <= MYCODEC_ZSTD_LEVEL_MAX)
		return 0;
	(void)err_set(e, ERR_PROTOCOL, "Invalid zstd compression level for algorithm 'zstd'.");
	e->mysql_errno = 3923;
	return -1;
}

static struct pev on_login(
	struct my_client *c, const struct myresponse *x, size_t total, struct err *e)
{
	struct my_client_login *l = c->login;
	if (l->tls && !(x->asked_caps & MYCAP(SSL)))
		return bad_handshake(l, "capabilities change behind TLS", e);
	if (!(x->caps & (MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH_LENENC))))
		return bad_handshake(l, "its passwords are of before MySQL 4.1", e);
	c->caps = x->caps & ~(l->tls ? 0 : MYCAP(SSL)); /* with it: TLS is there */
	c->multi = c->caps & MYCAP(MULTI_STATEMENTS);   /* COM_CHANGE_USER leaves it alone */
	if (keep_coding(c, x, e))
		return bad(l);
	c->collation = x->collation;
	if (keep_names(l, x, e))
		return bad(l);
	keep_reply(l, x);
	l->step = MY_CL_WHO;
	return my_pev(PEV_LOGIN, total);
}

static struct pev on_response(struct my_client *c, const struct mypacket *m, struct err *e)
{
	struct my_client_login *l = c->login;
	struct myresponse x;
	const char *wrong = myresponse_read(m->payload, m->payload_n, l->offered, &x);
	if (wrong)
		return bad_handshake(l, wrong, e);
	switch (x.kind) {
	case MYRESPONSE_OLD: return bad_handshake(l, "protocol of before MySQL 4.1", e);
	case MYRESPONSE_SSL:
		if (l->tls || !(l->offered & MYCAP(SSL)))
			return bad_handshake(l, "unexpected request for TLS", e);
		l->step = MY_CL_TLS;
		return my_pev(PEV_TLS, m->total);
	case MYRESPONSE_LOGIN: break;
	}
	return on_login(c, &x, m->total, e);
}

int my_client_change_user(struct my_client *c, const uint8_t *p, size_t n, struct err *e)
{
	struct myresponse x;
	const char *wrong = myresponse_read_change_user(p, n, c->caps, &x);
	if (wrong) {
		(void)err_set(e, ERR_PROTOCOL, "malformed COM_CHANGE_USER (%s)", wrong);
		memcpy(e->sqlstate, "08S01", 6);
		e->mysql_errno = 1047; /* as servers say it: Unknown command */
		return -1;
	}
	my_client_login_free(c);
	struct my_client_login *l = c->login = mem_alloc(MEM_SESSION, sizeof(*l));
	if (l == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	l->change = true;
	memcpy(l->scramble, c->scramble, sizeof(l->scramble));
	l->tls = c->caps & MYCAP(SSL);
	l->greeted = MY_PLUGIN_OTHER;
	if (keep_names(l, &x, e))
		return -1;
	keep_reply(l, &x);
	c->collation = x.collation;
	l->step = MY_CL_WHO;
	return 0;
}

/* ---- steps ---- */

static int take(struct my_client *c, const uint8_t *p, size_t n, struct mypacket *m, struct err *e)
{
	int rc = mypacket_take(p, n, MY_LOGIN_MAX_BYTES, m);
	if (rc < 0)
		return err_set(e, ERR_TOO_BIG, "a login packet of %u bytes: %u are the limit",
			(unsigned)m->payload_n, (unsigned)MY_LOGIN_MAX_BYTES);
	bool counts = !(c->login->change && my_packed(c->caps));
	if (m->total && m->seq != c->seq && counts) { /* at once: it may speak something else */
		(void)err_set(e, ERR_PROTOCOL, "Got packets out of order");
		memcpy(e->sqlstate, "08S01", 6);
		e->mysql_errno = 1156;
		return -1;
	}
	if (rc > 0)
		c->seq = (uint8_t)(m->seq + 1);
	return rc;
}

static bool waits_for_packet(enum my_client_step s)
{
	return s == MY_CL_RESPONSE || s == MY_CL_SWITCHED || s == MY_CL_FULL || s == MY_CL_RSA;
}

struct pev my_client_step(void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct my_client *c = cst;
	struct my_client_login *l = c->login;
	struct mypacket m;
	struct err own;
	if (e == NULL)
		e = &own;
	if (l == NULL) {
		(void)err_set(e, ERR_NO_MEMORY, "out of memory");
		return my_pev(PEV_BAD, 0);
	}
	if (!waits_for_packet(l->step))
		return my_client_proof(c, NULL, down, e);
	int rc = take(c, p, n, &m, e);
	if (rc < 0)
		return bad(l);
	if (rc == 0)
		return my_pev(PEV_MORE, 0);
	return l->step == MY_CL_RESPONSE ? on_response(c, &m, e) : my_client_proof(c, &m, down, e);
}

/* As long as a request for TLS may come, the header of a packet first, and then just that packet.
 */
size_t my_client_want(const void *cst, const uint8_t *p, size_t n)
{
	const struct my_client *c = cst;
	const struct my_client_login *l = c->login;
	struct mypacket_head h;
	if (l == NULL || l->tls || !(l->offered & MYCAP(SSL)) || l->step > MY_CL_TLS)
		return SIZE_MAX;
	if (!mypacket_head(p, n, &h))
		return MYPACKET_HEAD_BYTES - n;
	if (h.payload_n != SSL_REQUEST_BYTES)
		return SIZE_MAX; /* TLS cannot follow */
	size_t total = MYPACKET_HEAD_BYTES + SSL_REQUEST_BYTES;
	return n < total ? total - n : 0;
}

void my_client_tls_answer(void *cst, bool yes, struct buf *down)
{
	struct my_client_login *l = ((struct my_client *)cst)->login;
	(void)down; /* the client began its handshake right behind the request */
	if (l == NULL || l->step != MY_CL_TLS)
		return;
	l->tls = yes;
	l->step = yes ? MY_CL_RESPONSE : MY_CL_FAILED; /* no: it cannot be told */
}

int my_client_coding(const void *cst, struct coding *c_r)
{
	const struct my_client *c = cst;
	bool zstd = c->caps & MYCAP(ZSTD);
	int level = c->zstd_level < ZSTD_LEVEL_OURS ? c->zstd_level : ZSTD_LEVEL_OURS;
	if (!my_packed(c->caps))
		return 0;
	return mypress_coding(c_r, MYPRESS_SERVER, zstd ? MYCODEC_ZSTD : MYCODEC_ZLIB,
		       zstd ? level : MYCODEC_ZLIB_LEVEL)
		       ? 1
		       : -1;
}

const struct proto_login *my_client_login(const void *cst)
{
	const struct my_client *c = cst;
	return c->login ? &c->login->info : NULL;
}

/* The account's rules, as the family says them. */
static const struct err *rule_words(const struct my_client *c, const struct err *e, struct err *own)
{
	const struct my_client_login *l = c->login;
	if (e->code == ERR_ACCOUNT_TLS)
		(void)err_set(own, e->code, MY_DENIED, l->info.user, l->host,
			l->no_password ? "NO" : "YES");
	else if (e->code == ERR_ACCOUNT_LOCKED && c->mariadb)
		(void)err_set(own, e->code, "Access denied, this account is locked");
	else if (e->code == ERR_ACCOUNT_LOCKED)
		(void)err_set(own, e->code,
			"Access denied for user '%.64s'@'%.63s'. Account is locked.", l->info.user,
			l->host);
	else if (c->mariadb)
		(void)err_set(
			own, e->code, "You must SET PASSWORD before executing this statement");
	else
		(void)err_set(own, e->code,
			"Your password has expired. To log in you must change it using a client "
			"that supports expired passwords.");
	if (c->mariadb && e->code != ERR_ACCOUNT_TLS)
		own->mysql_errno = e->code == ERR_ACCOUNT_LOCKED ? 4151 : 1820;
	return own;
}

const struct err *my_client_words(const struct my_client *c, const struct err *e, struct err *own)
{
	const struct proto_login *l = my_client_login(c);
	if (l == NULL || e->mysql_errno)
		return e;
	if (e->code == ERR_ACCOUNT_TLS || e->code == ERR_ACCOUNT_LOCKED ||
		e->code == ERR_PASSWORD_EXPIRED)
		return rule_words(c, e, own);
	if (e->code != ERR_NO_DATABASE || !l->database_given)
		return e;
	(void)err_set(own, e->code, "Unknown database '%.64s'", l->database);
	(void)err_hint(own, "weirpool has no such entry in [mysql_databases]");
	return own;
}
