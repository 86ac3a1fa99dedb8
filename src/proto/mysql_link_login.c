/* mysql_link_login - we log in to a server: its greeting, SSLRequest, our response, its demands
 * (mysql_link_auth.c), the setup batch behind the OK. Ignorant of sockets, TLS itself and pools.
 * The link's thread.
 * Source: MySQL docs, Connection Phase; MariaDB docs, Connecting.
 *
 * A server is as hostile as a client: each packet must fit the step, and lengths and the number of
 * rounds are bounded. The greeting comes in clear: what it says decides nothing but the form of the
 * login, and a server that says it has no TLS is refused where TLS is required. */
#include "mysql_login_int.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/mysql/auth.h"
#include "wire/mysql/error.h"
#include "wire/mysql/greeting.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/press.h"
#include "wire/mysql/response.h"

#define LOGIN_COLLATION 45U /* utf8mb4_general_ci: both families have it in one byte */
#define MAX_PACKET_BYTES (1U << 30)

/* What a link cannot work without. */
#define MUST_CAPS (MYCAP(PROTOCOL_41) | MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH))
/* What it asks for if the server has it. */
#define WANT_CAPS \
	(MYCAP(MYSQL) | MYCAP(LONG_FLAG) | MYCAP(TRANSACTIONS) | MYCAP(MULTI_STATEMENTS) | \
		MYCAP(MULTI_RESULTS) | MYCAP(PS_MULTI_RESULTS) | MYCAP(CONNECT_ATTRS) | \
		MYCAP(PLUGIN_AUTH_LENENC) | MYCAP(SESSION_TRACK) | MYCAP(DEPRECATE_EOF) | \
		MYCAP(QUERY_ATTRIBUTES) | MYCAP(MARIADB_PROGRESS) | MYCAP(MARIADB_BULK) | \
		MYCAP(MARIADB_EXTENDED_METADATA) | MYCAP(MARIADB_BULK_UNIT_RESULTS))

void my_link_login_free(struct my_link *k)
{
	struct my_link_login *l = k->login;
	if (l == NULL)
		return;
	mem_free(MEM_LINK, l->user);
	mem_wipe(l, sizeof(*l));
	mem_free(MEM_LINK, l);
	k->login = NULL;
}

int my_link_init(void *lst, struct proto_env *v, const struct proto_link_login *in, struct buf *up,
	struct err *e)
{
	struct my_link *k = lst;
	(void)up; /* the server speaks first */
	my_link_run_init(k, v);
	k->link_class = (uint8_t)in->link_class;
	struct my_link_login *l = k->login = mem_alloc(MEM_LINK, sizeof(*l));
	if (l == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	l->tls_try = in->tls_try || in->tls_require;
	l->tls_require = in->tls_require;
	l->is_private = in->is_private;
	l->caps = MUST_CAPS | WANT_CAPS | my_caps_of_class(in->link_class) |
		  my_caps_of_codings(in->codings);
	if (in->creds)
		l->creds = *in->creds;
	l->user = mem_strdup(MEM_LINK, in->user);
	if (l->user == NULL) {
		my_link_login_free(k);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	l->step = MY_LK_GREETING;
	return 0;
}

void my_link_fini(void *lst)
{
	struct my_link *k = lst;
	my_link_login_free(k);
	my_link_run_fini(k);
}

static struct pev bad(struct my_link_login *l)
{
	l->step = MY_LK_FAILED;
	return my_pev(PEV_BAD, 0);
}

static struct pev malformed(struct my_link_login *l, const char *what, struct err *e)
{
	(void)err_set(e, ERR_SERVER_PROTOCOL,
		"unexpected or malformed packet from the server during login (%s)", what);
	return bad(l);
}

/* ---- our response ---- */

static struct myresponse fixed_part(const struct my_link_login *l)
{
	return (struct myresponse){ .caps = l->caps,
		.max_packet = MAX_PACKET_BYTES,
		.collation = LOGIN_COLLATION,
		.zstd_level = MYCODEC_ZSTD_LEVEL };
}

static int put_response(struct my_link_login *l, struct buf *up, struct err *e)
{
	struct myresponse x = fixed_part(l);
	uint8_t reply[MYSQL_SHA2_BYTES];
	size_t reply_n = 0;
	const char *plugin = NULL;
	struct buf attrs;
	if (my_link_first_proof(l, &plugin, reply, &reply_n, e))
		return -1;
	buf_init(&attrs, 0);
	myresponse_put_attr(&attrs, "_client_name", "weirpool");
	myresponse_put_attr(&attrs, "program_name", "weirpool");
	x.user = (struct mystr){ l->user, strlen(l->user) };
	x.auth = (struct mystr){ (const char *)reply, reply_n };
	x.plugin = (struct mystr){ plugin, strlen(plugin) };
	x.attrs = (struct mystr){ (const char *)buf_data(&attrs), buf_len(&attrs) };
	int rc = attrs.failed ? -1 : myresponse_put(up, &l->seq, &x);
	buf_fini(&attrs);
	mem_wipe(reply, sizeof(reply));
	if (rc)
		return err_set(e, ERR_NO_MEMORY, "out of memory for a login packet");
	l->step = MY_LK_AUTH;
	return 0;
}

/* ---- the greeting ---- */

void my_link_set_key(struct my_link *k)
{
	for (unsigned i = 0; i < sizeof(k->key); i++)
		k->key[i] = (uint8_t)(k->thread_id >> 8 * i);
}

static int keep_greeting(struct my_link *k, const struct mygreeting *g, struct err *e)
{
	struct my_link_login *l = k->login;
	k->version = mem_strndup(MEM_PROTO, g->version.p, g->version.n);
	if (k->version == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	k->mariadb = !(g->caps & MYCAP(MYSQL)) || my_version_is_mariadb(g->version);
	k->version_n = my_version_number(g->version);
	k->thread_id = g->thread_id;
	my_link_set_key(k);
	k->server_caps = g->caps;
	k->server_collation = g->collation;
	k->status = g->status;
	if ((g->caps & MUST_CAPS) != MUST_CAPS)
		return err_set(e, ERR_SERVER_CONNECT,
			"the server (%.60s) is too old: it lacks authentication plugins",
			k->version);
	l->caps &= g->caps;
	if (l->caps & MYCAP(ZSTD)) /* cheaper than zlib, and smaller */
		l->caps &= ~MYCAP(COMPRESS);
	k->caps = l->caps;
	memcpy(l->nonce, g->scramble, sizeof(l->nonce));
	snprintf(l->greeted_name, sizeof(l->greeted_name), "%.*s", (int)g->plugin.n,
		g->plugin.p ? g->plugin.p : "");
	return 0;
}

static struct pev on_greeting(
	struct my_link *k, const struct mypacket *m, size_t n, struct buf *up, struct err *e)
{
	struct my_link_login *l = k->login;
	struct mygreeting g;
	const char *wrong = mygreeting_read(m->payload, m->payload_n, &g);
	if (wrong)
		return malformed(l, wrong, e);
	if (n > m->total)
		return malformed(l, "bytes behind the greeting", e);
	if (keep_greeting(k, &g, e))
		return bad(l);
	if (l->tls_require && !(g.caps & MYCAP(SSL))) {
		(void)err_set(e, ERR_SERVER_CONNECT,
			"the server does not support TLS, but TLS is required");
		return bad(l);
	}
	if (l->tls_try && (g.caps & MYCAP(SSL))) {
		struct myresponse x = fixed_part(l);
		l->caps |= MYCAP(SSL);
		x.caps = l->caps;
		myresponse_put_ssl(up, &l->seq, &x);
		l->step = MY_LK_TLS;
		return my_pev(PEV_TLS, m->total);
	}
	return put_response(l, up, e) ? bad(l) : my_pev(PEV_DROP, m->total);
}

void my_link_tls_done(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up)
{
	struct my_link_login *l = ((struct my_link *)lst)->login;
	struct err e;
	(void)cbind;
	(void)cbind_n;
	if (l == NULL || l->step != MY_LK_TLS)
		return;
	l->tls = true;
	if (put_response(l, up, &e))
		l->step = MY_LK_FAILED;
}

/* ---- what the server answers ---- */

/* Asking again will not help: who waits is told at once. */
static bool is_final(unsigned number)
{
	switch (number) {
	case 1044: /* access denied to database */
	case 1045: /* access denied */
	case 1049: /* unknown database */
	case 1129: /* host is blocked because of many connection errors */
	case 1130: /* host is not allowed to connect */
	case 1251: /* authentication protocol */
	case 1524: /* plugin is not loaded */
	case 1698: /* access denied, no password */
	case 1820: /* must set a password */
	case 1862: /* password has expired */
	case 3118: /* account is locked */
	case 3159: /* secure transport is required */
	case 3955: /* too many failed logins */
	case 4151: /* MariaDB: account is locked */ return true;
	default: return false;
	}
}

static struct pev on_error(struct my_link_login *l, const struct mypacket *m, struct err *e)
{
	struct myerror x;
	const char *wrong = myerror_read(m->payload, m->payload_n, &x);
	if (wrong)
		return malformed(l, wrong, e);
	myerror_to_err(&x, ERR_SERVER_REFUSED, e);
	struct pev ev = bad(l);
	ev.refused = is_final(x.number);
	return ev;
}

static void begin_setup(struct my_link *k, struct buf *up)
{
	k->login->step = MY_LK_SETUP;
	my_link_setup_put(k, up);
}

static struct pev on_ok(struct my_link *k, const struct mypacket *m, struct buf *up, struct err *e)
{
	struct my_link_login *l = k->login;
	struct myok ok;
	const char *wrong = myok_read(m->payload, m->payload_n, k->caps, &ok);
	if (wrong || (ok.status & MYSTATUS_IN_TRANS))
		return malformed(l, wrong ? wrong : "in a transaction", e);
	k->status = ok.status;
	l->step = MY_LK_IN;
	mem_wipe(&l->creds, sizeof(l->creds));
	struct pev ev = my_pev(PEV_DROP, m->total);
	ev.coded = my_packed(k->caps);
	if (!ev.coded)
		begin_setup(k, up);
	return ev;
}

/* Who breaks off here is counted by the server (max_connect_errors), which shuts out a host after a
 * hundred of them: an answer that is none makes it a refused login, which is not counted so. */
static struct pev break_off(struct my_link_login *l, struct buf *up)
{
	mypacket_put(up, &l->seq, NULL, 0);
	return bad(l);
}

static struct pev on_switch(
	struct my_link_login *l, const struct mypacket *m, struct buf *up, struct err *e)
{
	if (l->step != MY_LK_AUTH || l->switched)
		return malformed(l, "a second authentication method", e);
	l->switched = true;
	if (my_link_auth_switch(l, m->payload, m->payload_n, up, e))
		return break_off(l, up);
	return my_pev(PEV_DROP, m->total);
}

static struct pev on_auth(
	struct my_link *k, const struct mypacket *m, struct buf *up, struct err *e)
{
	struct my_link_login *l = k->login;
	switch (myauth_kind(m->payload, m->payload_n)) {
	case MYAUTH_OK:
		if (l->step == MY_LK_AUTH || l->step == MY_LK_ANSWERED)
			return on_ok(k, m, up, e);
		return malformed(l, "OK before the proof", e);
	case MYAUTH_ERR: return on_error(l, m, e);
	case MYAUTH_SWITCH: return on_switch(l, m, up, e);
	case MYAUTH_MORE:
		if (my_link_auth_more(l, m->payload + 1, m->payload_n - 1, up, e))
			return break_off(l, up);
		return my_pev(PEV_DROP, m->total);
	case MYAUTH_OLD_SWITCH:
		(void)my_link_refuse(
			l, e, "its password is stored in the form of before MySQL 4.1");
		return break_off(l, up);
	case MYAUTH_NEXT_FACTOR:
		(void)my_link_refuse(l, e, "it asks for a second factor, not supported");
		return break_off(l, up);
	case MYAUTH_OTHER:
		if (l->step != MY_LK_SALT)
			break;
		if (my_link_auth_more(l, m->payload, m->payload_n, up, e))
			return bad(l);
		return my_pev(PEV_DROP, m->total);
	}
	return malformed(l, "authentication", e);
}

/* ---- steps ---- */

static struct pev on_packet(
	struct my_link *k, const struct mypacket *m, size_t n, struct buf *up, struct err *e)
{
	struct my_link_login *l = k->login;
	bool is_error = m->payload_n > 0 && m->payload[0] == MYGREETING_ERR;
	if (m->seq != l->seq && !is_error) /* those of errors are not reliable */
		return malformed(l, "packets out of order", e);
	l->seq = (uint8_t)(m->seq + 1);
	if (l->step != MY_LK_GREETING)
		return on_auth(k, m, up, e);
	return is_error ? on_error(l, m, e) : on_greeting(k, m, n, up, e);
}

static struct pev in_setup(
	struct my_link *k, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct pev ev = my_link_setup_step(k, p, n, up, e);
	if (ev.kind == PEV_AUTH_OK)
		my_link_login_free(k);
	if (ev.kind == PEV_BAD) {
		k->login->step = MY_LK_FAILED;
		ev.refused = is_final(e->mysql_errno); /* an expired password shows here */
	}
	return ev;
}

static struct pev step_once(
	struct my_link *k, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct my_link_login *l = k->login;
	struct mypacket m;
	if (l->step == MY_LK_TLS)
		return my_pev(PEV_MORE, 0); /* core's turn */
	if (l->step == MY_LK_FAILED) {
		(void)err_set(e, ERR_SERVER_PROTOCOL, "the login has failed already");
		return my_pev(PEV_BAD, 0);
	}
	if (l->step == MY_LK_IN)
		begin_setup(k, up);
	if (l->step == MY_LK_SETUP)
		return in_setup(k, p, n, up, e);
	int rc = mypacket_take(p, n, MY_LOGIN_MAX_BYTES, &m);
	if (rc < 0)
		return malformed(l, "too long a packet: is it MySQL?", e);
	return rc ? on_packet(k, &m, n, up, e) : my_pev(PEV_MORE, 0);
}

struct pev my_link_step(void *lst, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct my_link *k = lst;
	size_t used = 0;
	while (k->login) {
		struct pev ev = step_once(k, used ? p + used : p, n - used, up, e);
		if (ev.kind == PEV_MORE && used)
			return my_pev(PEV_DROP, used);
		used += ev.n;
		if (ev.kind != PEV_DROP || ev.n == 0 || ev.coded) {
			ev.n = used;
			return ev;
		}
	}
	(void)err_set(e, ERR_INTERNAL, "link_step() without a login");
	return my_pev(PEV_BAD, 0);
}

int my_link_coding(const void *lst, struct coding *c_r)
{
	const struct my_link *k = lst;
	bool zstd = k->caps & MYCAP(ZSTD);
	if (!my_packed(k->caps))
		return 0;
	return mypress_coding(c_r, MYPRESS_CLIENT, zstd ? MYCODEC_ZSTD : MYCODEC_ZLIB,
		       zstd ? MYCODEC_ZSTD_LEVEL : MYCODEC_ZLIB_LEVEL)
		       ? 1
		       : -1;
}

/* The server's id of the connection, 4 bytes, low first. */
size_t my_link_cancel_key(const void *lst, const uint8_t **key_r)
{
	const struct my_link *k = lst;
	*key_r = k->key;
	return k->thread_id ? sizeof(k->key) : 0;
}

unsigned my_link_server_pid(const void *lst)
{
	return ((const struct my_link *)lst)->thread_id;
}
