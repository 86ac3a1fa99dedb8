/* policy - which proof a client owes. Pure computation on plain facts; one function per method.
 * Ignorant of messages and of time. Any thread.
 *
 * Two rules hold everywhere: a decision other than POLICY_ADMIT admits nobody before its proof was
 * checked, and an unknown user walks through the same exchange as a known one. */
#include "auth/policy.h"

#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/md5pw.h"
#include "crypto/scram.h"

#include <stdio.h>
#include <string.h>

/* The method in force, and the rule it comes from. False: no rule matches. */
static bool effective(
	const struct policy_facts *f, enum auth_method *m_r, const struct hba_rule **rule_r)
{
	*rule_r = NULL;
	*m_r = f->auth_type;
	if (f->auth_type != AUTH_HBA)
		return true;
	struct hba_query q = {
		.is_unix = f->is_unix,
		.is_tls = f->is_tls,
		.physical_replication = f->physical_replication,
		.db = f->db,
		.user = f->user,
		.addr = f->addr,
	};

	*rule_r = hba_find(f->hba, &q);
	if (*rule_r)
		*m_r = (*rule_r)->method;
	return *rule_r != NULL;
}

bool policy_needs_user(const struct policy_facts *f)
{
	const struct hba_rule *rule;
	enum auth_method m;

	if (!effective(f, &m, &rule))
		return false;
	switch (m) {
	case AUTH_TRUST:
	case AUTH_PLAIN:
	case AUTH_MD5:
	case AUTH_SCRAM:
	case AUTH_CERT:
	case AUTH_PEER: return true;
	case AUTH_ANY:
	case AUTH_HBA:
	case AUTH_PAM:
	case AUTH_LDAP:
	case AUTH_REJECT:
	case AUTH_METHOD_N: return false;
	}
	return true;
}

static int refuse(struct err *e, enum err_code code, const char *msg, const char *why)
{
	(void)err_set(e, code, "%s", msg);
	return err_internal(e, "%s", why);
}

static int no_rule(const struct policy_facts *f, struct err *e)
{
	return err_set(e, ERR_AUTH_DENIED,
		"no HBA rule allows this connection: database \"%.63s\", user \"%.63s\", %s, %s",
		f->db, f->user, f->is_unix ? "unix socket" : "TCP", f->is_tls ? "TLS" : "no TLS");
}

/* May the holder of the verified certificate be this user? */
static const char *cert_mismatch(const struct policy_facts *f, const struct hba_rule *rule)
{
	if (!f->is_tls)
		return "the connection does not use TLS";
	if (!f->cert_verified || f->cert_cn == NULL)
		return "no valid client certificate";
	if (strlen(f->cert_cn) != f->cert_cn_n)
		return "the certificate's common name contains a NUL byte";
	if (!ident_allows(f->ident, rule ? rule->map : NULL, f->cert_cn, f->user))
		return "the certificate's common name may not log in as this user";
	return NULL;
}

static int decide_cert(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	const char *why = cert_mismatch(f, d->rule);

	if (why == NULL && !f->user_known)
		why = "unknown user";
	if (why)
		return refuse(e, ERR_AUTH_FAILED, "certificate authentication failed", why);
	d->ask = POLICY_ADMIT;
	return 0;
}

static int decide_peer(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	const char *why = NULL;

	if (!f->is_unix || !f->peer_known) {
		why = "peer needs a unix socket";
	} else if (f->peer_user == NULL) {
		d->ask = POLICY_PEER_NAME;
		return 0;
	} else if (!ident_allows(f->ident, d->rule ? d->rule->map : NULL, f->peer_user, f->user)) {
		why = "the operating system's user may not log in as this user";
	} else if (!f->user_known) {
		why = "unknown user";
	}
	if (why)
		return refuse(e, ERR_AUTH_FAILED, "peer authentication failed", why);
	d->ask = POLICY_ADMIT;
	return 0;
}

static int decide_trust(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	if (!f->user_known)
		return refuse(
			e, ERR_AUTH_FAILED, "\"trust\" authentication failed", "unknown user");
	d->ask = POLICY_ADMIT;
	return 0;
}

/* Whoever may ask for everything in the databases may command weirpool as well, as with PgBouncer;
 * but what reaches the port from elsewhere shall not be able to end it for all. */
static int decide_any(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	if (f->is_console && !f->is_local) {
		(void)err_set(e, ERR_AUTH_DENIED,
			"auth_type=any lets clients of this machine onto the console, no others");
		return err_hint(e, "Come from 127.0.0.1 or by the unix socket, or set an auth_type "
				   "that asks for a proof.");
	}
	if (!f->is_console && !f->db_forces_user) {
		(void)err_set(e, ERR_CONFIG, "auth_type=any needs a database with a forced user");
		return err_hint(e, "Set user= for the database \"%.63s\".", f->db);
	}
	d->ask = POLICY_ADMIT;
	return 0;
}

static void use_secret(const struct policy_facts *f, struct policy_decision *d)
{
	d->secret = f->secret;
	d->secret_n = f->secret_n;
}

/* The exchange runs as for everybody, with nothing that could match. */
static void use_mock(struct policy_decision *d, const char *why)
{
	d->mock = true;
	snprintf(d->why, sizeof d->why, "%s", why);
	d->secret = NULL;
	d->secret_n = 0;
}

static bool scram_malformed(const struct policy_facts *f)
{
	struct scram_secret s;
	bool bad = scram_secret_parse(f->secret, f->secret_n, &s, NULL) < 0;

	mem_wipe(&s, sizeof s);
	return bad;
}

static bool is_of_mysql(enum secret_kind k)
{
	return k == SECRET_MYSQL_NATIVE || k == SECRET_MYSQL_SHA2 || k == SECRET_MYSQL_NAMED;
}

static void use_mock_of_kind(struct policy_decision *d, enum secret_kind k)
{
	char why[sizeof d->why];

	snprintf(why, sizeof why, "the user's secret is of another kind than can serve here: %s",
		secret_kind_name(k));
	use_mock(d, why);
}

/* Who has no password proves that by an empty answer; the secret is "", not NULL. */
static bool has_empty_password(const struct policy_facts *f)
{
	return f->mysql_empty && f->secret && f->secret_n == 0;
}

/* The same methods towards MySQL's clients: the stored secret says which plugin. What PostgreSQL
 * stores cannot check their proofs. */
static int decide_mysql(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	if (f->user_known && f->mysql_plugin) {
		(void)err_set(e, ERR_AUTH_DENIED,
			"Access denied for user '%.64s': weirpool cannot check %.60s", f->user,
			f->mysql_plugin);
		return -1;
	}
	enum secret_kind kind = secret_kind_of(f->secret, f->secret_n);
	/* mysql.user holds other things as well, "invalid" or public keys: no passwords, as which
	 * they would let anybody in who knows them. */
	bool ours = is_of_mysql(kind) || (kind == SECRET_PLAIN && !f->secret_asked) ||
		    (kind == SECRET_NONE && has_empty_password(f));

	d->secret_kind = f->user_known && ours         ? kind
			 : is_of_mysql(f->common_kind) ? f->common_kind
						       : SECRET_PLAIN;
	if (d->secret_kind == SECRET_MYSQL_SHA2 || d->secret_kind == SECRET_MYSQL_NAMED ||
		f->mysql_in_full)
		d->ask = POLICY_MYSQL_SHA2;
	else if (d->secret_kind == SECRET_MYSQL_NATIVE)
		d->ask = POLICY_MYSQL_NATIVE;
	else
		d->ask = POLICY_MYSQL_ANY;
	if (f->mysql_why)
		use_mock(d, f->mysql_why);
	else if (!f->user_known)
		use_mock(d, "unknown user");
	else if (!ours && kind == SECRET_NONE)
		use_mock(d, "the user has no password");
	else if (!ours && kind == SECRET_PLAIN)
		use_mock(d, "auth_query gave no hash of a password that is known here");
	else if (!ours)
		use_mock_of_kind(d, kind);
	else
		use_secret(f, d);
	return 0;
}

/* plain, md5, scram-sha-256: a proof against the stored secret. */
static int decide_secret(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	if (f->mysql)
		return decide_mysql(f, d, e);
	enum secret_kind kind = secret_kind_of(f->secret, f->secret_n);
	bool usable = f->user_known && kind != SECRET_NONE;

	/* Somebody unknown is asked what most users are asked. */
	d->secret_kind = usable ? kind : f->common_kind;
	if (d->method == AUTH_PLAIN)
		d->ask = POLICY_PASSWORD;
	else if (d->method == AUTH_SCRAM || d->secret_kind == SECRET_SCRAM)
		d->ask = POLICY_SCRAM;
	else
		d->ask = POLICY_MD5;
	d->offer_plus = d->ask == POLICY_SCRAM && f->is_tls && f->cbind_available;
	if (!f->user_known)
		use_mock(d, "unknown user");
	else if (!usable)
		use_mock(d, "the user has no password");
	else if (d->ask == POLICY_SCRAM && kind == SECRET_MD5)
		use_mock(d, "scram-sha-256 cannot use the user's md5 secret");
	else if (is_of_mysql(kind)) /* as a plain password the hash itself would open the door */
		use_mock_of_kind(d, kind);
	else if (kind == SECRET_SCRAM && scram_malformed(f))
		use_mock(d, "the user's SCRAM secret is malformed");
	else
		use_secret(f, d);
	return 0;
}

static int check_clientcert(
	const struct policy_facts *f, const struct hba_rule *rule, struct err *e)
{
	const char *why = NULL;

	if (rule == NULL || !rule->clientcert)
		return 0;
	if (!f->is_tls || !f->cert_verified)
		why = "no valid client certificate";
	else if (rule->clientcert_full)
		why = cert_mismatch(f, rule);
	if (why == NULL)
		return 0;
	return refuse(e, ERR_AUTH_FAILED, "connection requires a valid client certificate", why);
}

static int decide(const struct policy_facts *f, struct policy_decision *d, struct err *e)
{
	switch (d->method) {
	case AUTH_ANY: return decide_any(f, d, e);
	case AUTH_TRUST: return decide_trust(f, d, e);
	case AUTH_PLAIN:
	case AUTH_MD5:
	case AUTH_SCRAM: return decide_secret(f, d, e);
	case AUTH_CERT: return decide_cert(f, d, e);
	case AUTH_PEER: return decide_peer(f, d, e);
	case AUTH_PAM:
		d->ask = POLICY_PAM;
		d->pam_service = d->rule && d->rule->pam_service ? d->rule->pam_service
				 : f->pam_service                ? f->pam_service
								 : "weirpool";
		return 0;
	case AUTH_LDAP:
		d->ask = POLICY_LDAP;
		d->ldap = d->rule ? d->rule->ldap : NULL;
		return 0;
	case AUTH_REJECT:
		return refuse(e, ERR_AUTH_DENIED, "login rejected", "an HBA rule rejects it");
	case AUTH_HBA:
	case AUTH_METHOD_N: break;
	}
	return refuse(e, ERR_INTERNAL, "login rejected", "no authentication method");
}

int policy_decide(const struct policy_facts *f, struct policy_decision *d_r, struct err *e)
{
	struct policy_decision d = { .ask = POLICY_REFUSE };

	*d_r = d;
	if (!effective(f, &d.method, &d.rule))
		return no_rule(f, e);
	if (*f->user == '\0')
		return refuse(e, ERR_AUTH_DENIED, "no user name was given", "empty user name");
	if (check_clientcert(f, d.rule, e) < 0 || decide(f, &d, e) < 0)
		return -1;
	*d_r = d;
	return 0;
}
