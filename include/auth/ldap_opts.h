/* ldap_opts - the LDAP options of an HBA line or of auth_ldap_options: key=value, blanks between,
 * values with blanks in double quotes. Parses and checks; makes no connection. Any thread.
 * Source: PostgreSQL docs, LDAP Authentication. */
#ifndef AUTH_LDAP_OPTS_H
#define AUTH_LDAP_OPTS_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct ldap_opts {
	char *server;          /* hosts separated by blanks */
	uint16_t port;         /* 0: 389, or 636 with ldaps */
	bool ldaps;            /* ldapscheme=ldaps */
	bool starttls;         /* ldaptls=1 */
	char *prefix, *suffix; /* simple bind: prefix user suffix */
	char *basedn, *binddn, *bindpasswd, *searchattribute, *searchfilter; /* search+bind */
	int scope; /* 0 base, 1 one, 2 sub: as in <ldap.h> */
};
/* Is key one of the options? */
bool ldap_opts_known(const char *key);
/* ERR_CONFIG says which option and why. On -1 nothing is to be freed. */
int ldap_opts_parse(const char *text, struct ldap_opts *o_r, struct err *e)
	__attribute__((warn_unused_result));
void ldap_opts_fini(struct ldap_opts *o); /* wipes bindpasswd */
/* One option at a time (value as it stands, unquoted); then ldap_opts_check() for the combination.
 */
int ldap_opts_set(struct ldap_opts *o, const char *key, const char *value, struct err *e)
	__attribute__((warn_unused_result));
int ldap_opts_check(const struct ldap_opts *o, struct err *e) __attribute__((warn_unused_result));
#endif
