/* mysql_client_auth - a client proves who it is: mysql_native_password, caching_sha2_password
 * (fast, and in full over TLS, a unix socket, or RSA with a key of ours), a password in clear for
 * somebody outside to check. Ignorant of where secrets come from and of which proof is asked for
 * (core decides). The session's thread.
 * Source: MySQL docs, Authentication Method Mismatch, Native Authentication,
 * Caching_sha2_password information.
 *
 * PEV_AUTH_OK is returned in one place, prove(), which is reached only by a proof that held or by
 * PROOF_NONE. A doomed exchange (unknown user) runs like any other and cannot reach it. */
#include "mysql_login_int.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "wire/mysql/auth.h"
#include "wire/mysql/caps.h"

/* Of this process; made once, never freed, never changed. */
static struct mysql_rsa *process_key;
static pthread_t key_maker;
static enum { KEY_NOT_BEGUN, KEY_BEGUN, KEY_MADE } key_state; /* control thread */

static void make_process_key(void)
{
	if (mysql_rsa_new(&process_key, NULL))
		process_key = NULL;
}

/* Whoever comes first makes it, the others wait. */
static void need_process_key(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_process_key);
}

static void *run_key_maker(void *arg)
{
	need_process_key();
	return arg;
}

void my_client_prepare_rsa(void)
{
	sigset_t all, old;
	if (key_state != KEY_NOT_BEGUN)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&key_maker, NULL, run_key_maker, NULL) == 0)
		key_state = KEY_BEGUN;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void my_client_prepared_rsa(void)
{
	if (key_state != KEY_BEGUN)
		return;
	pthread_join(key_maker, NULL);
	key_state = KEY_MADE;
}

static const struct mysql_rsa *own_key(struct err *e)
{
	need_process_key();
	if (process_key == NULL)
		(void)err_set(e, ERR_INTERNAL, "there is no RSA key");
	return process_key;
}

static void wipe_secret(struct my_client_login *l)
{
	if (l->secret)
		mem_wipe(l->secret, strlen(l->secret));
	mem_free(MEM_SESSION, l->secret);
	l->secret = NULL;
	mem_wipe(l->verifier, sizeof(l->verifier));
	l->has_verifier = false;
}

void my_client_proof_fini(struct my_client_login *l)
{
	wipe_secret(l);
	mem_wipe(&l->creds, sizeof(l->creds));
	l->has_creds = false;
}

static struct pev bad(struct my_client_login *l)
{
	l->step = MY_CL_FAILED;
	my_client_proof_fini(l);
	return my_pev(PEV_BAD, 0);
}

static struct pev wrong(struct my_client_login *l, struct err *e)
{
	(void)err_set(e, ERR_AUTH_FAILED, MY_DENIED, l->info.user, l->host,
		l->no_password ? "NO" : "YES");
	return bad(l);
}

static struct pev out_of_step(struct my_client_login *l, struct err *e)
{
	(void)err_set(e, ERR_INTERNAL, "unexpected state of a login");
	return bad(l);
}

/* ---- the end ---- */

/* What a MariaDB client wants to see before it trusts a certificate that nobody has signed. */
static void make_cert_proof(struct my_client *c, const uint8_t stage2[MYSQL_NATIVE_BYTES])
{
	struct my_client_login *l = c->login;
	if (!c->mariadb || !l->tls || !l->has_cert ||
		mysql_cert_proof(stage2, MYSQL_NATIVE_BYTES, l->scramble, l->cert_sha256,
			l->cert_proof, NULL))
		l->cert_proof[0] = '\0';
}

const char *my_client_ok_info(const struct my_client *c)
{
	return c->login ? c->login->cert_proof : "";
}

/* caching_sha2_password's clients wait for a word before the OK if they have sent a proof. */
static struct pev prove(struct my_client *c, size_t n, struct buf *down)
{
	static const uint8_t FAST_OK = MYAUTH_SHA2_FAST_OK;
	struct my_client_login *l = c->login;
	wipe_secret(l);
	if (l->fast)
		myauth_put_more(down, &c->seq, &FAST_OK, 1);
	l->step = MY_CL_DONE;
	return my_pev(PEV_AUTH_OK, n);
}

static int learn_password(struct my_client_login *l, const char *pw, size_t n, struct err *e)
{
	struct proto_creds *k = &l->creds;
	if (mysql_native_stage1(pw, n, k->native, e) || mysql_sha2_key(pw, n, k->sha2, e))
		return -1;
	k->has_native = k->has_sha2 = true;
	if (n < sizeof(k->password)) { /* else it may log in; it cannot be used in clear */
		memcpy(k->password, pw, n);
		k->password[n] = '\0';
	}
	l->has_creds = true;
	return 0;
}

/* ---- asking ---- */

static int keep_secret(struct my_client_login *l, const struct proto_proof *pr, struct err *e)
{
	if (pr->host)
		snprintf(l->host, sizeof(l->host), "%s", pr->host);
	l->is_private = pr->is_private;
	if (pr->mysql_verifier) {
		memcpy(l->verifier, pr->mysql_verifier, sizeof(l->verifier));
		l->has_verifier = true;
	}
	if (pr->cert_sha256) {
		memcpy(l->cert_sha256, pr->cert_sha256, sizeof(l->cert_sha256));
		l->has_cert = true;
	}
	if (l->doomed || pr->secret == NULL)
		return 0;
	l->secret = mem_strdup(MEM_SESSION, pr->secret);
	return l->secret ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

/* Which plugin is to check the client; MY_PLUGIN_OTHER: none. */
static enum my_plugin choose(const struct my_client *c, const struct proto_proof *pr)
{
	const struct my_client_login *l = c->login;
	switch (pr->kind) {
	case PROOF_MYSQL_NATIVE: return MY_PLUGIN_NATIVE;
	case PROOF_MYSQL_SHA2: return MY_PLUGIN_SHA2;
	case PROOF_MYSQL_ANY:
		if (l->named == MY_PLUGIN_NATIVE || l->named == MY_PLUGIN_SHA2)
			return l->named;
		return c->mariadb ? MY_PLUGIN_NATIVE : MY_PLUGIN_SHA2;
	case PROOF_CLEAR:
		if (l->named == MY_PLUGIN_CLEAR && (l->tls || l->is_private))
			return MY_PLUGIN_CLEAR;
		return MY_PLUGIN_SHA2; /* in full: every client can do that */
	case PROOF_NONE:
	case PROOF_MD5:
	case PROOF_SCRAM: break;
	}
	return MY_PLUGIN_OTHER;
}

/* Its first proof is of no use: asks for one of the plugin that can be checked. */
static int ask_switch(struct my_client *c, struct buf *down, struct err *e)
{
	static const char *const NAME[] = { [MY_PLUGIN_NATIVE] = MYAUTH_NATIVE,
		[MY_PLUGIN_SHA2] = MYAUTH_CACHING_SHA2,
		[MY_PLUGIN_CLEAR] = MYAUTH_CLEAR };
	struct my_client_login *l = c->login;
	if (!(c->caps & MYCAP(PLUGIN_AUTH))) {
		(void)err_set(e, ERR_UNSUPPORTED,
			"Client does not support authentication protocol requested by server; "
			"consider upgrading MySQL client");
		memcpy(e->sqlstate, "08004", 6);
		e->mysql_errno = 1251;
		return -1;
	}
	if (l->plugin == MY_PLUGIN_CLEAR) {
		myauth_put_switch(down, &c->seq, NAME[l->plugin], NULL, 0);
	} else {
		if (mysql_scramble_make(l->scramble, e))
			return -1;
		myauth_put_switch(down, &c->seq, NAME[l->plugin], l->scramble, sizeof(l->scramble));
	}
	l->step = MY_CL_SWITCHED;
	return 0;
}

/* Nothing has to be proved, but the client may wait for the words that its plugin expects. */
static int begin_none(
	struct my_client *c, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	if (pr->doomed)
		return err_set(e, ERR_AUTH_DENIED, "Access denied for user '%.64s'@'%.63s'",
			l->info.user, l->host);
	if ((c->caps & MYCAP(PLUGIN_AUTH)) && l->named != l->greeted) {
		l->trusted = true;
		l->plugin = l->named == MY_PLUGIN_NATIVE || c->mariadb ? MY_PLUGIN_NATIVE
								       : MY_PLUGIN_SHA2;
		return ask_switch(c, down, e);
	}
	l->fast = l->named == MY_PLUGIN_SHA2 && l->reply_n > 1;
	l->step = MY_CL_PROVEN;
	return 0;
}

static int begin(struct my_client *c, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	l->doomed = pr->doomed || (pr->secret == NULL && !pr->clear_outside);
	l->outside = pr->kind == PROOF_CLEAR && pr->clear_outside;
	l->may_full = pr->kind != PROOF_MYSQL_ANY;
	if (keep_secret(l, pr, e))
		return -1;
	if (pr->kind == PROOF_NONE)
		return begin_none(c, pr, down, e);
	l->plugin = choose(c, pr);
	if (l->plugin == MY_PLUGIN_OTHER)
		return err_set(e, ERR_INTERNAL, "this proof cannot be asked of a MySQL client");
	/* with no plugin named it is mysql_native_password over the greeting's scramble; in
	 * COM_CHANGE_USER clients prove that one over the last scramble that they had, even if they
	 * are sent another */
	bool usable = l->named == l->plugin &&
		      (l->change ? l->named == MY_PLUGIN_NATIVE
				 : l->named == l->greeted || !(c->caps & MYCAP(PLUGIN_AUTH)));
	if (!usable)
		return ask_switch(c, down, e);
	l->step = MY_CL_PROOF;
	return 0;
}

int my_client_auth(void *cst, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct my_client *c = cst;
	if (c->login == NULL || c->login->step != MY_CL_WHO)
		return err_set(e, ERR_INTERNAL, "authentication at the wrong moment");
	if (begin(c, pr, down, e)) {
		bad(c->login);
		return -1;
	}
	return 0;
}

/* ---- checking ---- */

static int native_check(struct my_client *c, const uint8_t *proof, bool *ok_r, struct err *e)
{
	struct my_client_login *l = c->login;
	struct proto_creds *k = &l->creds;
	uint8_t stage2[MYSQL_NATIVE_BYTES] = { 0 };
	size_t n = l->secret ? strlen(l->secret) : 0;
	int rc = 0;
	if (mysql_native_is_secret(l->secret, n))
		mysql_native_parse(l->secret, n, stage2);
	else /* of nobody too: that takes as long */
		rc = mysql_native_stage1(l->secret ? l->secret : "", n, k->native, e) ||
		     mysql_native_stage2(k->native, stage2, e);
	*ok_r = false;
	if (rc == 0)
		rc = mysql_native_check(l->scramble, stage2, proof, k->native, ok_r, e);
	*ok_r = *ok_r && n > 0;
	if (rc == 0 && *ok_r) {
		k->has_native = l->has_creds = true;
		make_cert_proof(c, stage2);
	}
	mem_wipe(stage2, sizeof(stage2));
	return rc ? -1 : 0;
}

/* An empty answer is right for a user whose secret is known to be empty, and who needs no other. */
static bool has_no_password(const struct my_client_login *l)
{
	return !l->doomed && !l->may_full && l->secret && *l->secret == '\0';
}

static struct pev on_native(struct my_client *c, const uint8_t *reply, uint32_t n, size_t total,
	struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	bool ok;
	l->no_password = n == 0;
	if (n == 0 && has_no_password(l))
		return prove(c, total, down);
	if (n != MYSQL_NATIVE_BYTES)
		return wrong(l, e);
	if (native_check(c, reply, &ok, e))
		return bad(l);
	return ok && !l->doomed ? prove(c, total, down) : wrong(l, e);
}

/* The verifier to hold a fast proof against. 1: there is one. */
static int sha2_verifier(struct my_client_login *l, uint8_t v[MYSQL_SHA2_BYTES], struct err *e)
{
	size_t n = l->secret ? strlen(l->secret) : 0;
	if (l->may_full) { /* the secret is no password */
		memcpy(v, l->verifier, MYSQL_SHA2_BYTES);
		return l->has_verifier;
	}
	if (n == 0)
		return 0;
	int rc = mysql_sha2_key(l->secret, n, v, e);
	return rc || mysql_sha2_verifier(v, v, e) ? -1 : 1;
}

static struct pev ask_full(struct my_client *c, size_t total, struct buf *down)
{
	static const uint8_t FULL = MYAUTH_SHA2_FULL;
	myauth_put_more(down, &c->seq, &FULL, 1);
	c->login->step = MY_CL_FULL;
	return my_pev(PEV_DROP, total);
}

static struct pev on_sha2(struct my_client *c, const uint8_t *reply, uint32_t n, size_t total,
	struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	uint8_t v[MYSQL_SHA2_BYTES] = { 0 };
	bool ok = false;
	l->no_password = n == 0 || (n == 1 && reply[0] == '\0');
	if (l->no_password && has_no_password(l))
		return prove(c, total, down);
	if (n != MYSQL_SHA2_BYTES)
		return wrong(l, e);
	int rc = sha2_verifier(l, v, e);
	bool known = rc > 0;
	if (rc >= 0) /* with nothing known too: that takes as long */
		rc = mysql_sha2_check(l->scramble, v, reply, l->creds.sha2, &ok, e);
	mem_wipe(v, sizeof(v));
	if (rc < 0)
		return bad(l);
	if (ok && known && !l->doomed) {
		l->fast = l->has_creds = l->creds.has_sha2 = true;
		return prove(c, total, down);
	}
	return l->may_full ? ask_full(c, total, down) : wrong(l, e);
}

/* A password, however it came; without its NUL. Core asks somebody: hashes are slow on purpose. */
static struct pev on_password(
	struct my_client *c, const char *pw, size_t n, size_t total, struct err *e)
{
	struct my_client_login *l = c->login;
	l->no_password = n == 0;
	if (n == 0)
		return wrong(l, e);
	if (learn_password(l, pw, n, e))
		return bad(l);
	if (n >= sizeof(l->creds.password))
		return wrong(l, e);
	l->step = MY_CL_OUTSIDE;
	return (struct pev){ .kind = PEV_PASSWORD,
		.n = total,
		.text = (const uint8_t *)l->creds.password,
		.text_n = n };
}

/* The password in a packet of its own: some clients send its NUL, some do not. */
static struct pev on_clear(struct my_client *c, const struct mypacket *m, struct err *e)
{
	const char *pw = (const char *)m->payload;
	size_t n = strnlen(pw, m->payload_n);
	return on_password(c, pw, n, m->total, e);
}

static struct pev on_rsa(struct my_client *c, const struct mypacket *m, struct err *e)
{
	struct my_client_login *l = c->login;
	const struct mysql_rsa *k = own_key(e);
	char pw[MYSQL_RSA_MAX_BYTES];
	size_t n = 0;
	bool ok = false;
	if (k == NULL || mysql_rsa_decrypt(k, m->payload, m->payload_n, l->scramble, pw, sizeof(pw),
				 &n, &ok, e))
		return bad(l);
	struct pev ev = ok ? on_password(c, pw, n, m->total, e) : wrong(l, e);
	mem_wipe(pw, sizeof(pw));
	return ev;
}

static struct pev send_key(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e)
{
	const struct mysql_rsa *k = own_key(e);
	size_t n;
	if (k == NULL)
		return bad(c->login);
	const char *pem = mysql_rsa_pem(k, &n);
	myauth_put_more(down, &c->seq, pem, n);
	c->login->step = MY_CL_RSA;
	return my_pev(PEV_DROP, m->total);
}

/* Who can be listened to must encrypt: a password that came in clear all the same is refused, as
 * servers do, and looks like any other rubbish. */
static struct pev on_full(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	if (l->tls || l->is_private)
		return on_clear(c, m, e);
	if (m->payload_n == 1 && m->payload[0] == MYAUTH_SHA2_ASK_KEY)
		return send_key(c, m, down, e);
	struct pev ev = on_rsa(c, m, e);
	if (ev.kind == PEV_BAD && m->payload_n && m->payload[m->payload_n - 1] == '\0')
		(void)err_internal(e, "it sent its password in clear and without TLS, as MariaDB's "
				      "clients do unless told --skip-ssl: offer TLS");
	return ev;
}

/* A proof: with the response, or behind a switch. */
static struct pev on_proof(struct my_client *c, const uint8_t *reply, uint32_t n, size_t total,
	struct buf *down, struct err *e)
{
	switch (c->login->plugin) {
	case MY_PLUGIN_NATIVE: return on_native(c, reply, n, total, down, e);
	case MY_PLUGIN_SHA2: return on_sha2(c, reply, n, total, down, e);
	case MY_PLUGIN_CLEAR:
	case MY_PLUGIN_OTHER: break;
	}
	return out_of_step(c->login, e);
}

static struct pev on_switched(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	if (l->trusted) {
		l->fast = l->plugin == MY_PLUGIN_SHA2 && m->payload_n > 1;
		return prove(c, m->total, down);
	}
	if (l->plugin == MY_PLUGIN_CLEAR)
		return on_clear(c, m, e);
	return on_proof(c, m->payload, m->payload_n, m->total, down, e);
}

struct pev my_client_proof(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e)
{
	struct my_client_login *l = c->login;
	switch (l->step) {
	case MY_CL_PROOF: return on_proof(c, l->reply, l->reply_n, 0, down, e);
	case MY_CL_SWITCHED: return on_switched(c, m, down, e);
	case MY_CL_FULL: return on_full(c, m, down, e);
	case MY_CL_RSA: return on_rsa(c, m, e);
	case MY_CL_REFUSED: return wrong(l, e);
	case MY_CL_PROVEN: return prove(c, 0, down);
	case MY_CL_FAILED:
		(void)err_set(e, ERR_PROTOCOL, "the login has failed already");
		return my_pev(PEV_BAD, 0);
	case MY_CL_RESPONSE:
	case MY_CL_TLS:
	case MY_CL_WHO:
	case MY_CL_OUTSIDE:
	case MY_CL_DONE: break; /* core's turn */
	}
	return my_pev(PEV_MORE, 0);
}

void my_client_auth_result(void *cst, bool ok, struct buf *down)
{
	struct my_client_login *l = ((struct my_client *)cst)->login;
	(void)down;
	if (l == NULL || l->step != MY_CL_OUTSIDE)
		return;
	l->step = ok && !l->doomed ? MY_CL_PROVEN : MY_CL_REFUSED;
}

bool my_client_creds(const void *cst, struct proto_creds *c)
{
	const struct my_client_login *l = ((const struct my_client *)cst)->login;
	if (l == NULL || !l->has_creds || (l->step != MY_CL_DONE && l->step != MY_CL_PROVEN))
		return false;
	*c = l->creds;
	return true;
}
