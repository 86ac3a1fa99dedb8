/* policy - "which proof do I ask for?": from the configured method, the HBA rule, the stored secret
 * and the facts of the connection to one decision. Pure: it reads no file, keeps nothing, and never
 * says "logged in" for a client that owes a proof. Ignorant of messages. Any thread. */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H
#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/method.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

enum policy_ask {
	POLICY_REFUSE,    /* never handed out with return 0: the safe value of a zeroed decision */
	POLICY_ADMIT,     /* nothing to ask: trust, any, or certificate / peer already matched */
	POLICY_PASSWORD,  /* AuthenticationCleartextPassword; compare by clearpw_check() */
	POLICY_MD5,       /* AuthenticationMD5Password; compare by md5pw_verify() */
	POLICY_SCRAM,     /* AuthenticationSASL; scram_server with secret (PLAIN: derive first) */
	POLICY_MYSQL_ANY, /* MySQL: the secret is plain, the plugin is the client's choice */
	POLICY_MYSQL_NATIVE, /* MySQL: mysql_native_password */
	POLICY_MYSQL_SHA2,   /* MySQL: caching_sha2_password; in full, then the helper checks */
	POLICY_PAM,          /* cleartext, then ask the helper */
	POLICY_LDAP,         /* cleartext, then ask the helper; an empty password is always wrong */
	POLICY_PEER_NAME     /* peer_user is missing: ask the helper for it, then decide again */
};
struct policy_facts {
	enum auth_method auth_type;
	const struct hba *hba;     /* for AUTH_HBA */
	const struct ident *ident; /* may be NULL */
	const char *db, *user;     /* as the client named them */
	bool is_unix, is_tls, physical_replication;
	/* The client speaks MySQL: plain, md5 and scram-sha-256 mean a password, proved by the
	 * plugin that the stored secret allows. */
	bool mysql;
	const char *mysql_why;    /* the account serves nobody, for the log; or NULL */
	const char *mysql_plugin; /* the account's, if it cannot be checked here; or NULL */
	bool mysql_in_full;       /* the password itself is needed */
	bool mysql_empty;         /* a secret of "" means: no password, and that may do */
	const struct sockaddr *addr;
	const char *cert_cn; /* CN of the verified client certificate, or NULL */
	size_t cert_cn_n;    /* its length: a CN with a NUL inside matches nobody */
	bool cert_verified;  /* a client certificate was given and its chain is good */
	bool peer_known;     /* unix: SO_PEERCRED was read */
	unsigned peer_uid;
	const char *peer_user; /* name of peer_uid, or NULL: not looked up yet; "" : has no name */
	bool user_known; /* stands in auth_file, or auth_query returned a row for this very user */
	/* Of this very user; NULL or "": none. Never the secret of auth_user. */
	const char *secret;
	size_t secret_n;
	bool secret_asked;    /* by auth_query: what stands at the server, a hash or useless */
	bool cbind_available; /* we have the data for tls-server-end-point: PLUS can be offered */
	bool db_forces_user;  /* the database names the server user (auth_type any needs it) */
	bool is_console;      /* db is weirpool's own */
	bool is_local;        /* the client is on this machine: addr_is_local() */
	/* What kind most users have (users_common_kind()), so that unknown ones are asked the same.
	 */
	enum secret_kind common_kind;
	const char *pam_service; /* NULL: "weirpool" */
};
struct policy_decision {
	enum policy_ask ask;
	enum auth_method method;     /* what asked for it, for the log and SHOW */
	const struct hba_rule *rule; /* or NULL */
	bool mock; /* run the exchange, then fail: unknown user or a secret that cannot serve */
	bool offer_plus; /* with SCRAM */
	enum secret_kind secret_kind;
	const char *secret; /* borrowed from facts; NULL if mock; "": no password, to be proved */
	size_t secret_n;
	const char *pam_service; /* with PAM; never NULL then */
	const char *ldap;        /* with LDAP; NULL: auth_ldap_options */
	char why[96];            /* mock: the reason, for the log only; else "" */
};
/* Would the user's secret matter? False for trust-like methods that need none, PAM, LDAP and
 * refusals: then auth_query need not run for the secret. (trust, cert and peer still need
 * user_known.) */
bool policy_needs_user(const struct policy_facts *f);
/* 0 and a decision, or -1: refuse at once with *e (msg for the client, internal for the log). */
int policy_decide(const struct policy_facts *f, struct policy_decision *d_r, struct err *e)
	__attribute__((warn_unused_result));
#endif
