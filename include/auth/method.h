/* method - the names of authentication methods and the kinds of stored secrets. Pure. Any thread.
 */
#ifndef AUTH_METHOD_H
#define AUTH_METHOD_H
#include <stdbool.h>
#include <stddef.h>

/* id, name as auth_type, name in an HBA file ("" = not allowed there) */
#define AUTH_METHODS(X) \
	X(ANY, "any", "") \
	X(TRUST, "trust", "trust") \
	X(PLAIN, "plain", "password") \
	X(MD5, "md5", "md5") \
	X(SCRAM, "scram-sha-256", "scram-sha-256") \
	X(CERT, "cert", "cert") X(HBA, "hba", "") X(PAM, "pam", "pam") X(LDAP, "ldap", "ldap") \
		X(PEER, "", "peer") X(REJECT, "", "reject")
enum auth_method {
#define X(id, type, hba) AUTH_##id,
	AUTH_METHODS(X)
#undef X
		AUTH_METHOD_N
};
/* 0, or -1 when the name is none; AUTH_PEER and AUTH_REJECT are not auth_types. */
int auth_type_parse(const char *name, enum auth_method *m_r) __attribute__((warn_unused_result));
/* As in the method field of an HBA file; "plain" is taken for "password" too. */
int auth_hba_method_parse(const char *name, enum auth_method *m_r)
	__attribute__((warn_unused_result));
const char *auth_method_name(enum auth_method m); /* never NULL or empty */

enum secret_kind {
	SECRET_NONE,
	SECRET_PLAIN,
	SECRET_MD5,          /* PostgreSQL: "md5" and 32 digits */
	SECRET_SCRAM,        /* PostgreSQL: "SCRAM-SHA-256$..." */
	SECRET_MYSQL_NATIVE, /* MySQL: "*" and 40 digits */
	SECRET_MYSQL_SHA2,   /* MySQL: "$A$005$..." of caching_sha2_password */
	SECRET_MYSQL_NAMED,  /* MySQL: mysql_stored_is_named(): takes a password in clear only */
	SECRET_KIND_N
};
/* What kind of secret is this text? NULL or empty: SECRET_NONE. */
enum secret_kind secret_kind_of(const char *secret, size_t n);
/* Can a server be logged in to with the text itself? (Others check proofs only.) */
static inline bool secret_logs_in(enum secret_kind k)
{
	return k == SECRET_PLAIN || k == SECRET_MD5;
}
/* "md5", for logs. */
const char *secret_kind_name(enum secret_kind k);

/* The nearest of the n words to word (edit distance at most 2, or a third of its length), or NULL.
 */
const char *auth_nearest(const char *word, const char *const *words, size_t n);
#endif
