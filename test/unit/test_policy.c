/* policy: who is asked what. The table of method x secret x known is complete, because each past
 * CVE in this place was a combination that nobody had looked at. */
#include "auth/policy.h"
#include "base/mem.h"
#include "crypto/md5pw.h"
#include "crypto/scram.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NATIVE_APP "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"
/* of MySQL 9.7, for "app" */
#define SHA2_APP \
	"$A$005$]\x16" \
	"a1^PP%i\x15l5\x1ak\x1e\x19" \
	"Ft{e2U7COiaZeyFkMyThlhOZFLW8uHV/4TsxR9K5OzJUPu8"
#define MD5_ALICE "md530e62b90a6e91ca67a3f6f7cd0f0f6a4" /* some md5 secret */

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(policy, .fini = assert_all_back);

/* A valid SCRAM secret of "pw". */
static const char *scram_text(void)
{
	static char text[SCRAM_SECRET_TEXT_MAX];
	static const uint8_t salt[16] = "saltsaltsaltsal";
	struct scram_secret s;
	struct err e = { 0 };

	cr_assert_eq(scram_secret_from_password("pw", 2, salt, sizeof salt, 10, &s, &e), 0);
	cr_assert_eq(scram_secret_format(&s, text, sizeof text), 0);
	return text;
}

static const char *text_of(enum secret_kind k)
{
	switch (k) {
	case SECRET_NONE: return NULL;
	case SECRET_PLAIN: return "pw";
	case SECRET_MD5: return MD5_ALICE;
	case SECRET_SCRAM: return scram_text();
	case SECRET_MYSQL_NATIVE: return NATIVE_APP;
	case SECRET_MYSQL_SHA2: return SHA2_APP;
	case SECRET_MYSQL_NAMED: return "ed25519:A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw";
	case SECRET_KIND_N: break;
	}
	return NULL;
}

static struct policy_facts facts(enum auth_method m, enum secret_kind k, bool known)
{
	struct policy_facts f = { .auth_type = m, .db = "d", .user = "alice", .user_known = known };

	f.secret = text_of(k);
	f.secret_n = f.secret ? strlen(f.secret) : 0;
	return f;
}

Test(policy, every_method_with_every_secret)
{
	static const struct {
		enum auth_method m;
		enum secret_kind k;
		enum policy_ask ask;
		bool mock;
	} t[] = {
		{ AUTH_PLAIN, SECRET_NONE, POLICY_PASSWORD, true },
		{ AUTH_PLAIN, SECRET_PLAIN, POLICY_PASSWORD, false },
		{ AUTH_PLAIN, SECRET_MD5, POLICY_PASSWORD, false },
		{ AUTH_PLAIN, SECRET_SCRAM, POLICY_PASSWORD, false },
		{ AUTH_MD5, SECRET_NONE, POLICY_MD5, true },
		{ AUTH_MD5, SECRET_PLAIN, POLICY_MD5, false },
		{ AUTH_MD5, SECRET_MD5, POLICY_MD5, false },
		{ AUTH_MD5, SECRET_SCRAM, POLICY_SCRAM, false }, /* PgBouncer's upgrade */
		{ AUTH_SCRAM, SECRET_NONE, POLICY_SCRAM, true },
		{ AUTH_SCRAM, SECRET_PLAIN, POLICY_SCRAM, false },
		{ AUTH_SCRAM, SECRET_MD5, POLICY_SCRAM,
			true }, /* cannot succeed, must not show it */
		{ AUTH_SCRAM, SECRET_SCRAM, POLICY_SCRAM, false },
		/* the hash must not pass for a plain password */
		{ AUTH_PLAIN, SECRET_MYSQL_NATIVE, POLICY_PASSWORD, true },
		{ AUTH_MD5, SECRET_MYSQL_NATIVE, POLICY_MD5, true },
		{ AUTH_SCRAM, SECRET_MYSQL_SHA2, POLICY_SCRAM, true },
		{ AUTH_MD5, SECRET_MYSQL_SHA2, POLICY_MD5, true },
		{ AUTH_PLAIN, SECRET_MYSQL_NAMED, POLICY_PASSWORD, true },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct policy_facts f = facts(t[i].m, t[i].k, true);
		struct policy_decision d;
		struct err e = { 0 };

		cr_assert_eq(policy_decide(&f, &d, &e), 0, "row %zu: %s", i, e.msg);
		cr_assert_eq(d.ask, t[i].ask, "row %zu", i);
		cr_assert_eq(d.mock, t[i].mock, "row %zu", i);
		if (d.mock) {
			cr_assert_null(d.secret, "row %zu", i);
			cr_assert_neq(*d.why, 0);
		} else {
			cr_assert_eq(d.secret, f.secret);
			cr_assert_eq(d.secret_kind, t[i].k);
		}
	}
}

Test(policy, every_method_with_every_secret_on_mysql)
{
	static const struct {
		enum auth_method m;
		enum secret_kind k;
		enum policy_ask ask;
		bool mock;
	} t[] = {
		{ AUTH_PLAIN, SECRET_NONE, POLICY_MYSQL_ANY, true },
		{ AUTH_PLAIN, SECRET_PLAIN, POLICY_MYSQL_ANY, false },
		{ AUTH_PLAIN, SECRET_MYSQL_NATIVE, POLICY_MYSQL_NATIVE, false },
		{ AUTH_PLAIN, SECRET_MYSQL_SHA2, POLICY_MYSQL_SHA2, false },
		{ AUTH_PLAIN, SECRET_MYSQL_NAMED, POLICY_MYSQL_SHA2, false },
		{ AUTH_MD5, SECRET_PLAIN, POLICY_MYSQL_ANY, false },
		{ AUTH_MD5, SECRET_MYSQL_NATIVE, POLICY_MYSQL_NATIVE, false },
		{ AUTH_MD5, SECRET_MYSQL_SHA2, POLICY_MYSQL_SHA2, false },
		{ AUTH_MD5, SECRET_MD5, POLICY_MYSQL_ANY, true },
		{ AUTH_MD5, SECRET_SCRAM, POLICY_MYSQL_ANY, true },
		{ AUTH_SCRAM, SECRET_PLAIN, POLICY_MYSQL_ANY, false },
		{ AUTH_SCRAM, SECRET_MYSQL_SHA2, POLICY_MYSQL_SHA2, false },
		{ AUTH_SCRAM, SECRET_MYSQL_NATIVE, POLICY_MYSQL_NATIVE, false },
		{ AUTH_SCRAM, SECRET_SCRAM, POLICY_MYSQL_ANY, true },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct policy_facts f = facts(t[i].m, t[i].k, true);
		struct policy_decision d;
		struct err e = { 0 };

		f.mysql = true;
		cr_assert_eq(policy_decide(&f, &d, &e), 0, "row %zu: %s", i, e.msg);
		cr_assert_eq(d.ask, t[i].ask, "row %zu", i);
		cr_assert_eq(d.mock, t[i].mock, "row %zu", i);
		cr_assert_eq(d.secret == NULL, d.mock, "row %zu", i);
		cr_assert_eq(*d.why != 0, d.mock, "row %zu", i);
	}
}

/* A user without a password, where that may be. */
Test(policy, empty_passwords_on_mysql)
{
	for (int m = AUTH_PLAIN; m <= AUTH_SCRAM; m++) {
		for (int may = 0; may < 2; may++) {
			for (int known = 0; known < 2; known++) {
				struct policy_facts f = facts(
					(enum auth_method)m, SECRET_NONE, known);
				struct policy_decision d;
				struct err e = { 0 };

				f.mysql = true;
				f.mysql_empty = may;
				f.secret = "";
				cr_assert_eq(policy_decide(&f, &d, &e), 0);
				cr_assert_eq(d.mock, !(may && known), "%d %d %d", m, may, known);
				cr_assert_eq(d.secret == NULL, d.mock);
				cr_assert_eq(d.ask, POLICY_MYSQL_ANY);
				f.mysql = false; /* PostgreSQL's empty passwords match nothing */
				cr_assert_eq(policy_decide(&f, &d, &e), 0);
				cr_assert(d.mock);
			}
		}
	}
}

/* What mysql.user holds for other plugins ("invalid", public keys) is no password. */
Test(policy, what_auth_query_gives_on_mysql)
{
	static const struct {
		enum secret_kind k;
		bool mock;
	} t[] = { { SECRET_PLAIN, true }, { SECRET_MYSQL_NATIVE, false },
		{ SECRET_MYSQL_SHA2, false }, { SECRET_MYSQL_NAMED, false } };

	for (size_t i = 0; i < N(t); i++) {
		struct policy_facts f = facts(AUTH_MD5, t[i].k, true);
		struct policy_decision d;
		struct err e = { 0 };

		f.mysql = f.secret_asked = true;
		cr_assert_eq(policy_decide(&f, &d, &e), 0);
		cr_assert_eq(d.mock, t[i].mock, "%zu", i);
		cr_assert_eq(d.secret == NULL, t[i].mock, "%zu", i);
	}
}

/* What auth_query says of an account counts for those alone who have one. */
Test(policy, accounts_on_mysql)
{
	for (int known = 0; known < 2; known++) {
		struct policy_facts f = facts(AUTH_SCRAM, SECRET_MYSQL_NATIVE, known);
		struct policy_decision d;
		struct err e = { 0 };

		f.mysql = f.secret_asked = f.mysql_in_full = true;
		cr_assert_eq(policy_decide(&f, &d, &e), 0);
		cr_assert_eq(d.ask, POLICY_MYSQL_SHA2);
		cr_assert_eq(d.mock, !known);
		f.mysql_why = "anonymous";
		cr_assert_eq(policy_decide(&f, &d, &e), 0);
		cr_assert(d.mock && d.secret == NULL);
		cr_assert_str_eq(d.why, "anonymous");
		f.mysql_plugin = "unix_socket";
		cr_assert_eq(policy_decide(&f, &d, &e), known ? -1 : 0);
		cr_assert_eq(strstr(e.msg, "unix_socket") != NULL, known);
	}
}

/* Somebody unknown is asked what most users are asked. */
Test(policy, unknown_users_on_mysql)
{
	static const enum policy_ask ask[SECRET_KIND_N] = { [SECRET_NONE] = POLICY_MYSQL_ANY,
		[SECRET_PLAIN] = POLICY_MYSQL_ANY,
		[SECRET_MD5] = POLICY_MYSQL_ANY,
		[SECRET_SCRAM] = POLICY_MYSQL_ANY,
		[SECRET_MYSQL_NATIVE] = POLICY_MYSQL_NATIVE,
		[SECRET_MYSQL_SHA2] = POLICY_MYSQL_SHA2,
		[SECRET_MYSQL_NAMED] = POLICY_MYSQL_SHA2 };

	for (int k = 0; k < SECRET_KIND_N; k++) {
		struct policy_facts f = facts(AUTH_MD5, SECRET_NONE, false);
		struct policy_decision d;
		struct err e = { 0 };

		f.mysql = true;
		f.common_kind = (enum secret_kind)k;
		cr_assert_eq(policy_decide(&f, &d, &e), 0);
		cr_assert(d.mock);
		cr_assert_null(d.secret);
		cr_assert_eq(d.ask, ask[k], "%d", k);
	}
}

/* CVE-2015-6817: whatever secret is around (auth_user's, say), an unknown user never gets in with
 * it. */
Test(policy, unknown_user_is_never_admitted)
{
	for (int m = 0; m < AUTH_METHOD_N; m++) {
		for (int k = SECRET_NONE; k <= SECRET_SCRAM; k++) {
			struct policy_facts f = facts(
				(enum auth_method)m, (enum secret_kind)k, false);
			struct policy_decision d;
			struct err e = { 0 };

			f.is_tls = f.cert_verified = true;
			f.cert_cn = "alice";
			f.cert_cn_n = 5;
			int rc = policy_decide(&f, &d, &e);

			if (rc < 0) {
				cr_assert(err_is(&e));
				cr_assert_eq(d.ask, POLICY_REFUSE);
				continue;
			}
			cr_assert_neq(
				d.ask, POLICY_ADMIT, "%s", auth_method_name((enum auth_method)m));
			if (d.ask == POLICY_PAM || d.ask == POLICY_LDAP)
				continue; /* the directory knows */
			cr_assert(d.mock, "%s", auth_method_name((enum auth_method)m));
			cr_assert_null(d.secret);
		}
	}
}

/* An unknown user sees what most others see. */
Test(policy, unknown_user_is_asked_as_the_others)
{
	static const struct {
		enum auth_method m;
		enum secret_kind common;
		enum policy_ask ask;
	} t[] = {
		{ AUTH_MD5, SECRET_NONE, POLICY_MD5 },
		{ AUTH_MD5, SECRET_PLAIN, POLICY_MD5 },
		{ AUTH_MD5, SECRET_MD5, POLICY_MD5 },
		{ AUTH_MD5, SECRET_SCRAM, POLICY_SCRAM },
		{ AUTH_SCRAM, SECRET_MD5, POLICY_SCRAM },
		{ AUTH_PLAIN, SECRET_SCRAM, POLICY_PASSWORD },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct policy_facts f = facts(t[i].m, SECRET_NONE, false);
		struct policy_decision d;
		struct err e = { 0 };

		f.common_kind = t[i].common;
		cr_assert_eq(policy_decide(&f, &d, &e), 0);
		cr_assert_eq(d.ask, t[i].ask, "row %zu", i);
		cr_assert(d.mock);
	}
}

/* CVE-2025-46801: only these may be admitted without a proof, and only on these facts. */
Test(policy, nobody_is_admitted_without_proof)
{
	for (int m = 0; m < AUTH_METHOD_N; m++) {
		for (int k = SECRET_NONE; k <= SECRET_SCRAM; k++) {
			struct policy_facts f = facts(
				(enum auth_method)m, (enum secret_kind)k, true);
			struct policy_decision d;
			struct err e = { 0 };

			if (policy_decide(&f, &d, &e) == 0)
				cr_assert_eq(d.ask == POLICY_ADMIT, m == AUTH_TRUST, "%s",
					auth_method_name((enum auth_method)m));
		}
	}
}

Test(policy, any_needs_a_forced_user)
{
	struct policy_facts f = facts(AUTH_ANY, SECRET_NONE, false);
	struct policy_decision d;
	struct err e = { 0 };

	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert_eq(e.code, ERR_CONFIG);
	f.db_forces_user = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_ADMIT);
}

/* It has no server user to be forced; who commands must be on this machine. */
Test(policy, any_and_the_console)
{
	struct policy_facts f = facts(AUTH_ANY, SECRET_NONE, false);
	struct policy_decision d;
	struct err e = { 0 };

	f.is_console = true;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert_eq(e.code, ERR_AUTH_DENIED);
	f.is_local = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_ADMIT);
	f = facts(AUTH_SCRAM, SECRET_SCRAM, true);
	f.is_console = f.is_local = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_SCRAM, "any other method asks for its proof");
}

Test(policy, malformed_scram_secret_is_a_mock)
{
	struct policy_facts f = facts(AUTH_MD5, SECRET_NONE, true);
	struct policy_decision d;
	struct err e = { 0 };

	f.secret = "SCRAM-SHA-256$garbage";
	f.secret_n = strlen(f.secret);
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_SCRAM);
	cr_assert(d.mock);
}

Test(policy, empty_secret_and_empty_user)
{
	struct policy_facts f = facts(AUTH_PLAIN, SECRET_NONE, true);
	struct policy_decision d;
	struct err e = { 0 };

	f.secret = "";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(d.mock);
	for (int m = 0; m < AUTH_METHOD_N; m++) {
		f = facts((enum auth_method)m, SECRET_PLAIN, true);
		f.user = "";
		f.db_forces_user = true;
		cr_assert_eq(policy_decide(&f, &d, &e), -1);
	}
}

Test(policy, channel_binding)
{
	struct policy_facts f = facts(AUTH_SCRAM, SECRET_SCRAM, true);
	struct policy_decision d;
	struct err e = { 0 };

	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(!d.offer_plus);
	f.cbind_available = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(!d.offer_plus, "not without TLS");
	f.is_tls = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(d.offer_plus);
	f.user_known = false;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(d.offer_plus && d.mock, "the unknown see the same offer");
	f = facts(AUTH_MD5, SECRET_PLAIN, true);
	f.is_tls = f.cbind_available = true;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert(!d.offer_plus);
}

Test(policy, certificates)
{
	struct policy_facts good = facts(AUTH_CERT, SECRET_NONE, true), f;
	struct policy_decision d;
	struct err e = { 0 };

	good.is_tls = good.cert_verified = true;
	good.cert_cn = "alice";
	good.cert_cn_n = 5;
	cr_assert_eq(policy_decide(&good, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_ADMIT);
	f = good, f.is_tls = false;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.cert_verified = false;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.cert_cn = NULL, f.cert_cn_n = 0;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.cert_cn = "alice\0.evil.example", f.cert_cn_n = 19;
	cr_assert_eq(policy_decide(&f, &d, &e), -1, "a CN with a NUL");
	f = good, f.cert_cn = "alic", f.cert_cn_n = 4;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.cert_cn = "", f.cert_cn_n = 0;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.user_known = false;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert_eq(e.code, ERR_AUTH_FAILED);
	cr_assert_str_eq(e.msg, "certificate authentication failed");
}

/* ---- with an HBA file ---- */

static struct hba *hba(const char *text)
{
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_parse("hba", text, strlen(text), &h, &p), 0, "%s", problems_text(&p));
	problems_fini(&p);
	return h;
}

static struct ident *ident(const char *text)
{
	struct problems p;
	struct ident *i = NULL;

	problems_init(&p);
	cr_assert_eq(ident_parse("ident", text, strlen(text), &i, &p), 0, "%s", problems_text(&p));
	problems_fini(&p);
	return i;
}

Test(policy, hba_without_file_or_match_refuses)
{
	struct policy_facts f = facts(AUTH_HBA, SECRET_PLAIN, true);
	struct policy_decision d;
	struct err e = { 0 };

	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert_eq(e.code, ERR_AUTH_DENIED);
	struct hba *h = hba("local other all trust\n");

	f.hba = h;
	f.is_unix = true;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert(strstr(e.msg, "\"d\"") && strstr(e.msg, "\"alice\""), "%s", e.msg);
	cr_assert(!policy_needs_user(&f));
	hba_free(&h);
}

Test(policy, hba_methods)
{
	static const struct {
		const char *method;
		enum policy_ask ask; /* REFUSE: -1 */
	} t[] = { { "trust", POLICY_ADMIT }, { "reject", POLICY_REFUSE }, { "md5", POLICY_MD5 },
		{ "scram-sha-256", POLICY_SCRAM }, { "password", POLICY_PASSWORD },
		{ "pam", POLICY_PAM }, { "ldap", POLICY_LDAP }, { "peer", POLICY_PEER_NAME } };

	for (size_t i = 0; i < N(t); i++) {
		char line[100];
		struct policy_facts f = facts(AUTH_HBA, SECRET_PLAIN, true);
		struct policy_decision d;
		struct err e = { 0 };

		(void)snprintf(line, sizeof line, "local all all %s", t[i].method);
		struct hba *h = hba(line);

		f.hba = h;
		f.is_unix = f.peer_known = true;
		int rc = policy_decide(&f, &d, &e);

		cr_assert_eq(rc, t[i].ask == POLICY_REFUSE ? -1 : 0, "%s: %s", line, e.msg);
		cr_assert_eq(d.ask, t[i].ask, "%s", line);
		if (rc == 0)
			cr_assert_eq(d.rule->line, 1);
		hba_free(&h);
	}
}

Test(policy, peer)
{
	struct hba *h = hba("local mapped all peer map=m\nlocal all all peer\n");
	struct ident *i = ident("m root alice\nm ops all\n");
	struct policy_facts good = facts(AUTH_HBA, SECRET_NONE, true), f;
	struct policy_decision d;
	struct err e = { 0 };

	good.hba = h;
	good.ident = i;
	good.is_unix = good.peer_known = true;
	good.peer_user = "alice";
	cr_assert_eq(policy_decide(&good, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_ADMIT);
	f = good, f.peer_user = "bob";
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	cr_assert_eq(e.code, ERR_AUTH_FAILED);
	f = good, f.peer_user = "";
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.peer_known = false;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.user_known = false;
	cr_assert_eq(policy_decide(&f, &d, &e), -1);
	f = good, f.db = "mapped", f.peer_user = "root";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	f = good, f.db = "mapped", f.peer_user = "alice";
	cr_assert_eq(policy_decide(&f, &d, &e), -1, "the map replaces equality");
	f = good, f.db = "mapped", f.peer_user = "ops", f.user = "zoe";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	f.ident = NULL;
	cr_assert_eq(policy_decide(&f, &d, &e), -1, "a map that was not loaded allows nobody");
	hba_free(&h);
	ident_free(&i);
}

Test(policy, clientcert_comes_on_top)
{
	struct hba *h = hba("hostssl full all all md5 clientcert=verify-full\n"
			    "hostssl all all all md5 clientcert=verify-ca\n");
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct policy_facts f = facts(AUTH_HBA, SECRET_PLAIN, true);
	struct policy_decision d;
	struct err e = { 0 };
	const void *sa = &sin;

	f.hba = h;
	f.is_tls = true;
	f.addr = sa;
	cr_assert_eq(policy_decide(&f, &d, &e), -1, "no certificate");
	f.cert_verified = true;
	f.cert_cn = "other";
	f.cert_cn_n = 5;
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_MD5, "the certificate does not replace the password");
	f.db = "full";
	cr_assert_eq(policy_decide(&f, &d, &e), -1, "wrong name");
	f.cert_cn = "alice";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_eq(d.ask, POLICY_MD5);
	hba_free(&h);
}

Test(policy, pam_and_ldap_details)
{
	struct hba *h = hba("local a all pam pamservice=db\nlocal b all pam\n"
			    "local c all ldap ldapserver=x ldapprefix=p\nlocal all all ldap\n");
	struct policy_facts f = facts(AUTH_HBA, SECRET_NONE, false);
	struct policy_decision d;
	struct err e = { 0 };

	f.hba = h;
	f.is_unix = true;
	f.db = "a";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_str_eq(d.pam_service, "db");
	f.db = "b";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_str_eq(d.pam_service, "weirpool");
	f.pam_service = "pgbouncer";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_str_eq(d.pam_service, "pgbouncer");
	f.db = "c";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_not_null(d.ldap);
	f.db = "d";
	cr_assert_eq(policy_decide(&f, &d, &e), 0);
	cr_assert_null(d.ldap);
	cr_assert(!policy_needs_user(&f));
	f.auth_type = AUTH_MD5;
	cr_assert(policy_needs_user(&f));
	hba_free(&h);
}

/* ---- names of methods ---- */

Test(policy, method_names)
{
	enum auth_method m;

	cr_assert_eq(auth_type_parse("md5", &m), 0);
	cr_assert_eq(m, AUTH_MD5);
	cr_assert_eq(auth_type_parse("hba", &m), 0);
	cr_assert_eq(auth_type_parse("plain", &m), 0);
	cr_assert_eq(auth_type_parse("peer", &m), -1);
	cr_assert_eq(auth_type_parse("reject", &m), -1);
	cr_assert_eq(auth_type_parse("password", &m), -1);
	cr_assert_eq(auth_type_parse("", &m), -1);
	cr_assert_eq(auth_hba_method_parse("any", &m), -1);
	cr_assert_eq(auth_hba_method_parse("", &m), -1);
	for (int i = 0; i < AUTH_METHOD_N; i++)
		cr_assert_neq(*auth_method_name((enum auth_method)i), '\0');
}
