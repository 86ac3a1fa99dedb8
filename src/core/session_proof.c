/* session_proof - which proof a client owes, and what becomes of it: auth/policy decides,
 * auth_query and the helper process are asked when it needs to know more. Runs on the session's
 * worker. */
#include "session_login_int.h"

#include "auth/verifier.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)CONF_AUTH_LDAP == (int)AUTH_LDAP && (int)CONF_AUTH_HBA == (int)AUTH_HBA &&
		       (int)CONF_AUTH_ANY == (int)AUTH_ANY,
	"conf and auth number the methods alike");

/* A user without a password: only where the server itself is logged in to as that user, and so has
 * the last word. */
static bool empty_may_do(const struct session *s)
{
	const struct conf_db *d = s->login->cdb;
	return !s->is_console && d && !*d->force_user && !*d->password;
}

static struct policy_facts facts_of(struct session *s)
{
	struct worker *w = s->w;
	struct session_login *g = s->login;
	const struct proto_login *pl = login_of(s);
	const struct user_entry *ue = users_get(w->gen->users, pl->user);
	struct policy_facts f = {
		.auth_type = (enum auth_method)w->gen->conf->global.auth_type,
		.hba = w->gen->hba,
		.ident = w->gen->ident,
		.db = *pl->database ? pl->database : g->dbase,
		.user = pl->user,
		.is_unix = addr_is_unix(&s->addr),
		.is_tls = s->st.ssl != NULL,
		.mysql = s->ops->mysql_auth,
		.mysql_empty = empty_may_do(s),
		.physical_replication = pl->replication == PROTO_REPL_PHYSICAL,
		.addr = &s->addr.u.sa,
		.cert_cn = g->cn_n ? g->cn : NULL,
		.cert_cn_n = g->cn_n,
		.cert_verified = s->st.ssl && tls_peer_verified(s->st.ssl),
		.peer_known = g->peer_known,
		.peer_uid = g->peer_uid,
		.peer_user = g->peer_asked ? g->peer_user : NULL,
		.user_known = ue != NULL || g->user_known,
		.secret = ue ? ue->secret : g->secret,
		.secret_n = ue ? ue->secret_n : g->secret_n,
		.secret_asked = ue == NULL,
		.cbind_available = s->st.ssl != NULL,
		.common_kind = users_common_kind(w->gen->users),
		.pam_service = w->gen->conf->is_pgbouncer ? "pgbouncer" : NULL,
		.db_forces_user = g->cdb && *g->cdb->force_user,
		.is_console = s->is_console,
		.is_local = addr_is_local(&s->addr),
	};
	if (f.mysql && ue == NULL)
		account_facts(s, &f);
	if (f.mysql) {
		const struct form *form = account_form(s);
		f.common_kind = form ? form->kind : SECRET_NONE;
	}
	return f;
}

/* What a proof refers to, as long as it is being asked for. */
struct proof_data {
	char text[VERIFIER_TEXT_MAX];
	uint8_t cbind[64], mysql_verifier[MYSQL_SHA2_BYTES], cert_sha256[32];
	char host[48], key[ACCOUNT_KEY_BYTES];
};

static void fill_tls(struct session *s, struct proto_proof *pr, struct proof_data *x)
{
	if (s->st.ssl == NULL)
		return;
	if (s->login->d.offer_plus) {
		pr->cbind_n = tls_server_end_point(s->st.ssl, true, x->cbind);
		pr->cbind = x->cbind;
		pr->offer_plus = pr->cbind_n > 0;
	}
	if (tls_own_cert_sha256(s->st.ssl, x->cert_sha256))
		pr->cert_sha256 = x->cert_sha256;
}

/* A fast proof teaches a hash of the password: enough for servers that know the user, too little
 * for one that has forgotten him. So it is asked for where the password itself is known already, or
 * not needed. */
static bool hash_is_enough(struct session *s)
{
	const struct session_login *g = s->login;
	if (!g->cdb || *g->cdb->password || *g->cdb->force_user)
		return true;
	const struct pool_shard *p = shard_find(s->w, s->ops, g->dbase, login_of(s)->user);
	return p && p->creds && *p->creds->password;
}

/* False: there is nothing to ask. */
/* Nobody's: to compare with it takes as long as for a user that there is. */
#define MOCK_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define MOCK_SECRET "SCRAM-SHA-256$4096:AQEBAQEBAQEBAQEBAQEBAQ==$" MOCK_KEY ":" MOCK_KEY

static bool fill_kind(struct session *s, struct proto_proof *pr, struct proof_data *x)
{
	struct worker *w = s->w;
	const struct policy_decision *d = &s->login->d;
	switch (d->ask) {
	case POLICY_ADMIT: pr->kind = PROOF_NONE; return true;
	case POLICY_PASSWORD:
		pr->kind = PROOF_CLEAR;
		if (d->mock && d->secret_kind == SECRET_SCRAM)
			pr->secret = MOCK_SECRET;
		return true;
	case POLICY_MD5: pr->kind = PROOF_MD5; return true;
	case POLICY_SCRAM:
		pr->kind = PROOF_SCRAM;
		if (!d->mock && d->secret_kind == SECRET_PLAIN)
			pr->secret = verifier_of_plain(w->secrets, login_of(s)->user, d->secret,
				d->secret_n, pr->scram_iterations, worker_now(w), x->text,
				sizeof x->text);
		return true;
	case POLICY_MYSQL_ANY: pr->kind = PROOF_MYSQL_ANY; return true;
	case POLICY_MYSQL_NATIVE: pr->kind = PROOF_MYSQL_NATIVE; return true;
	case POLICY_MYSQL_SHA2:
		pr->kind = PROOF_MYSQL_SHA2;
		if (!d->mock && hash_is_enough(s) &&
			verifier_mysql_get(w->secrets, login_of(s)->user, x->key,
				account_key(s, x->key), worker_now(w), x->mysql_verifier))
			pr->mysql_verifier = x->mysql_verifier;
		return true;
	case POLICY_PAM:
	case POLICY_LDAP:
		pr->kind = PROOF_CLEAR;
		pr->clear_outside = true;
		return true;
	case POLICY_REFUSE:
	case POLICY_PEER_NAME: break;
	}
	return false;
}

void login_ask_proof(struct session *s)
{
	struct worker *w = s->w;
	const struct policy_decision *d = &s->login->d;
	struct proof_data x = { .text = "" };
	struct err e = { 0 };
	struct proto_proof pr = {
		.doomed = d->mock,
		.secret = d->mock ? NULL : d->secret,
		.scram_iterations = (uint32_t)w->gen->conf->global.scram_iterations,
		.is_private = addr_is_unix(&s->addr),
		.host = addr_is_unix(&s->addr) ? "localhost"
					       : addr_host(&s->addr, x.host, sizeof x.host),
	};
	if (!fill_kind(s, &pr, &x)) {
		login_refuse_with(s, ERR_AUTH_DENIED, "access denied");
		return;
	}
	fill_tls(s, &pr, &x);
	int r = s->ops->client_auth(s->cst, &pr, &w->down, &e);
	mem_wipe(&x, sizeof x);
	session_send(s, &w->down);
	if (r != 0)
		login_refuse(s, &e);
}

/* A password that came in clear, for the next logins of the same user. */
void login_learned(struct session *s)
{
	const struct policy_decision *d = &s->login->d;
	struct proto_creds c = { 0 };
	char key[ACCOUNT_KEY_BYTES];
	if (d->ask == POLICY_MYSQL_SHA2 && d->secret && s->ops->client_creds(s->cst, &c) &&
		c.has_sha2)
		verifier_mysql_put(s->w->secrets, login_of(s)->user, key, account_key(s, key),
			c.sha2, worker_now(s->w));
	mem_wipe(&c, sizeof c);
	mem_wipe(key, sizeof key);
}

/* True: an answer from elsewhere is awaited, or the session is gone. */
bool login_decide(struct session *s)
{
	struct session_login *g = s->login;
	struct err e = { 0 };
	struct policy_facts f = facts_of(s);
	bool has_authq = g->cdb && !s->is_console && session_auth_user(s);
	if (!f.user_known && has_authq && !g->authq_done && policy_needs_user(&f)) {
		if (authq_start(s, &e) != 0)
			login_refuse(s, &e);
		return true;
	}
	/* the console's own account on our own socket needs no password, as in PgBouncer */
	const char *user = login_of(s)->user;
	if (s->is_console && g->peer_known && g->peer_uid == getuid() &&
		(!strcmp(user, "pgbouncer") || !strcmp(user, "weirpool"))) {
		g->d = (struct policy_decision){ .ask = POLICY_ADMIT };
		return false;
	}
	if (policy_decide(&f, &g->d, &e) != 0) {
		login_refuse(s, &e);
		return true;
	}
	if (g->d.ask == POLICY_PEER_NAME) {
		if (g->peer_asked || helper_ask_uid(s, g->peer_uid, &e) != 0)
			login_refuse_with(s, ERR_AUTH_DENIED,
				"peer authentication failed: the user's name is not known");
		return true;
	}
	return false;
}

static void decide_and_ask(struct session *s)
{
	if (login_decide(s))
		return;
	login_ask_proof(s);
	if (s->state != SESSION_CLOSING)
		session_login_input(s);
}

/* Against a stored hash; somebody unknown costs the same. 1: it fits; 0: the helper is asked. */
static int check_stored(struct session *s, const char *pw, size_t n, struct err *e)
{
	struct session_login *g = s->login;
	char key[ACCOUNT_KEY_BYTES];
	if (g->d.mock) {
		const struct form *form = account_form(s);
		return helper_ask_stored(s, form ? form->decoy : "", NULL, pw, n, e);
	}
	bool fits = verifier_mysql_fits(s->w->secrets, login_of(s)->user, key, account_key(s, key),
		pw, n, worker_now(s->w));
	mem_wipe(key, sizeof key);
	if (fits)
		return 1;
	return helper_ask_stored(s, g->d.secret, g->has_account ? &g->account : NULL, pw, n, e);
}

void login_forget_secret(struct session_login *g)
{
	if (g->secret)
		mem_wipe(g->secret, g->secret_n);
	mem_free(MEM_AUTH, g->secret);
	g->secret = NULL;
	g->secret_n = 0;
	g->d.secret = NULL;
	account_forget(g);
}

/* The answer was a remembered one, and the password may have been changed since: it is held
 * against a new answer, once. False: it is wrong. */
static bool ask_again(struct session *s)
{
	struct session_login *g = s->login;
	struct err e = { 0 };
	if (!g->authq_old || g->reloaded || g->d.mock || g->d.ask != POLICY_MYSQL_SHA2)
		return false;
	secrets_forget(s->w->secrets, session_auth_scope(s), login_of(s)->user);
	login_forget_secret(g);
	g->authq_old = g->authq_done = g->user_known = false;
	g->again = true;
	if (authq_start(s, &e) != 0)
		login_refuse(s, &e);
	return true;
}

static void check_again(struct session *s)
{
	struct session_login *g = s->login;
	struct err e = { 0 };
	g->again = false;
	if (login_decide(s))
		return;
	int r = -1;
	if (!g->reloaded && g->d.ask == POLICY_MYSQL_SHA2 && !g->d.mock)
		r = check_stored(s, g->password, g->password_n, &e);
	if (r == 0)
		return;
	if (r < 0 && err_is(&e)) {
		login_refuse(s, &e);
		return;
	}
	s->ops->client_auth_result(s->cst, r > 0, &s->w->down);
	session_send(s, &s->w->down);
	session_login_input(s);
}

void session_authq_done(
	struct session *s, enum authq_result r, const char *secret, size_t n, const struct err *e)
{
	struct session_login *g = s->login;
	if (e) {
		login_refuse(s, e);
		return;
	}
	g->authq_done = true;
	g->user_known = r != AUTHQ_NO_USER;
	if (r == AUTHQ_FOUND && account_is_rows(secret, n)) {
		if (account_choose(s, secret, n) != 0) {
			login_refuse_with(s, ERR_NO_MEMORY, "out of memory");
			return;
		}
	} else if (r == AUTHQ_FOUND) {
		g->secret = mem_strndup(MEM_AUTH, secret, n);
		g->secret_n = g->secret ? n : 0;
	}
	if (s->ops->mysql_auth && g->secret_n)
		forms_note(&s->w->forms, secret_kind_of(g->secret, g->secret_n), g->secret,
			g->secret_n);
	if (g->again)
		check_again(s);
	else
		decide_and_ask(s);
}

void session_helper_done(struct session *s, bool ok, const char *text)
{
	struct session_login *g = s->login;
	if (g->d.ask == POLICY_PEER_NAME) {
		g->peer_asked = true;
		snprintf(g->peer_user, sizeof g->peer_user, "%s", ok ? text : "");
		decide_and_ask(s);
		return;
	}
	if (!ok && *text)
		session_log(EVENT_PROOF_FAILED, s, "authentication failed: %s", text);
	if (!ok && !*text && ask_again(s))
		return;
	s->ops->client_auth_result(s->cst, ok, &s->w->down);
	session_send(s, &s->w->down);
	session_login_input(s);
}

bool login_password(struct session *s, const struct pev *ev)
{
	struct session_login *g = s->login;
	struct err e = { 0 };
	int r;
	if (g->reloaded) /* the rule that asked for it may be gone, or name another directory */
		r = err_set(&e, ERR_AUTH_DENIED,
			"the configuration changed during the login: try again");
	else if (g->d.ask == POLICY_MYSQL_SHA2) {
		g->password = (const char *)ev->text;
		g->password_n = ev->text_n;
		r = check_stored(s, g->password, g->password_n, &e);
	} else if (g->d.ask == POLICY_PAM)
		r = helper_ask_pam(s, g->d.pam_service, (const char *)ev->text, ev->text_n, &e);
	else
		r = helper_ask_ldap(s,
			g->d.ldap ? g->d.ldap : s->w->gen->conf->global.auth_ldap_options,
			(const char *)ev->text, ev->text_n, &e);
	if (r < 0)
		login_refuse(s, &e);
	else if (r > 0)
		s->ops->client_auth_result(s->cst, true, &s->w->down);
	return r > 0;
}

void login_failed(struct session *s, const struct err *e)
{
	struct session_login *g = s->login;
	struct err copy = *e;
	const struct proto_login *pl = login_of(s);
	if (pl && g->cdb && g->authq_done)
		secrets_forget(s->w->secrets, session_auth_scope(s),
			pl->user); /* the password may have changed: the next login asks */
	if (*g->d.why && !*copy.internal)
		err_internal(&copy, "%s", g->d.why);
	login_refuse(s, &copy);
}

/* One pass over the input; returns the bytes used, SIZE_MAX when the session left this state. */

const char *session_auth_user(const struct session *s)
{
	struct settings set;
	conf_effective(s->w->gen->conf, s->login->cdb, NULL, &set);
	return *set.auth_user ? set.auth_user : NULL;
}

const char *session_auth_scope(const struct session *s)
{
	struct settings set;
	conf_effective(s->w->gen->conf, s->login->cdb, NULL, &set);
	return *set.auth_dbname ? set.auth_dbname : s->login->dbase;
}
