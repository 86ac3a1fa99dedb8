/* hba - auth_hba_file: which clients may connect at all, and which proof they owe. First matching
 * line wins; none matching means refused. Ignorant of secrets and of how a proof is checked. Built
 * by the control thread (reads files, dies when out of memory), then never changed and read by any
 * thread.
 * Sources: PostgreSQL docs, The pg_hba.conf File; PgBouncer docs, config: HBA file format.
 *
 * Differences from PostgreSQL: no include directives, role groups (+role), samerole, samegroup,
 * regular expressions, host names; each is refused with a message, never skipped. */
#ifndef AUTH_HBA_H
#define AUTH_HBA_H
#include "auth/method.h"
#include "auth/problems.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct hba;
struct hba_rule {
	const char *file;
	unsigned line;
	enum auth_method
		method;  /* AUTH_TRUST, PLAIN, MD5, SCRAM, CERT, PEER, PAM, LDAP or REJECT */
	const char *map; /* map=, or NULL */
	const char *pam_service; /* pamservice=, or NULL */
	const char *ldap;        /* options for ldap_opts_parse(), or NULL: auth_ldap_options */
	bool clientcert; /* clientcert=verify-ca or verify-full: a certificate is required besides
			    the method */
	bool clientcert_full; /* verify-full: and its CN must be the user (or map to it) */
};
/* Collects every mistake in p; *h_r is set only if there was no error (0), perhaps with warnings.
 */
int hba_parse(const char *file, const char *text, size_t n, struct hba **h_r, struct problems *p)
	__attribute__((warn_unused_result));
int hba_load(const char *path, struct hba **h_r, struct problems *p)
	__attribute__((warn_unused_result));
void hba_free(struct hba **h);
size_t hba_rules_n(const struct hba *h);
const struct hba_rule *hba_rule_at(const struct hba *h, size_t i);

struct hba_query {
	bool is_unix;
	bool is_tls;
	bool physical_replication; /* a walsender without database: only the word "replication"
				      matches it */
	const char *db, *user;
	const struct sockaddr
		*addr; /* ignored if is_unix; v4-mapped IPv6 addresses match IPv4 rules */
};
/* The first rule that matches, or NULL: refuse. h may be NULL: no rule. */
const struct hba_rule *hba_find(const struct hba *h, const struct hba_query *q);
#endif
