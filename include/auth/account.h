/* account - what a MySQL or MariaDB server says of its accounts of one name (rows of mysql.user, by
 * auth_query), and which of them and which of their rules concern a client. The server would judge
 * all that itself, but it sees weirpool's connection. Pure: asks nobody, keeps nothing. Any thread.
 * Sources: MySQL docs, Access Control, Stage 1: Connection Verification; the order of equally
 * matching hosts as MySQL 9.7 and MariaDB 10.11 and 11.8 choose (test_mysql_accounts.py). */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define ACCOUNT_CELLS 13 /* columns of the longest auth_query */
#define ACCOUNT_SECRET_MAX 160

/* ---- rows, as one piece of memory that can be kept with secrets (auth/secrets.h) ---- */

/* One more row: name, authentication_string, Host, plugin, account_locked, password_expired,
 * ssl_type, ssl_cipher, x509_issuer, x509_subject, where the server sees us, version(), the
 * second authentication_string of ALTER USER ... RETAIN CURRENT PASSWORD. The last ones may be
 * missing (n_cells is 3 at least), cells may be NULL. A name other than the asked one is the
 * anonymous account's (""), or ERR_CONFIG. */
int account_add(struct buf *rows, const char *asked_user, unsigned n_cells,
	const char *const *cells, struct err *e) __attribute__((warn_unused_result));
bool account_is_rows(const char *p, size_t n); /* else it is a mere secret */

/* ---- which account is it? ---- */

struct account_client {
	const char *addr; /* text of its IP address; "" : a unix socket */
	bool local;       /* it is on our own machine: to the server it is where we are */
	/* Links are somebody else's (user= of the entry): what the server makes of our own address
	 * for this name does not matter. */
	bool links_are_others;
};
struct account_fit {
	/* Why nobody can log in: for the log, and (plugin) for the client. "" and NULL: can. */
	char why[128];
	const char *plugin; /* points into the rows */
	/* "" is an account without a password; as of secret_kind_of(), or mysql_stored.h */
	char secret[ACCOUNT_SECRET_MAX + 1];
	bool has_second;
	char second[ACCOUNT_SECRET_MAX + 1]; /* does as well as secret */
	/* What the server compares our links with is another account of the name: the client's
	 * password must be that one's too. */
	bool has_also;
	char also[ACCOUNT_SECRET_MAX + 1];
	bool anonymous; /* it is not the user's own */
	bool locked, expired;
	enum account_tls {
		ACCOUNT_TLS_NO,
		ACCOUNT_TLS_ANY,
		ACCOUNT_TLS_X509,
		ACCOUNT_TLS_SPECIFIED
	} tls;
	const char *cipher, *issuer, *subject; /* point into the rows; "" : any */
	bool cipher_alone; /* MariaDB: a cipher may be required without a certificate */
};
/* False: no account is for this client (as if it did not exist). *a_r points into rows. */
bool account_pick(
	const char *rows, size_t n, const struct account_client *c, struct account_fit *a_r);

/* ---- its rules, once the proof was right, in the order of a server ---- */

struct account_conn {
	bool is_tls, cert_verified;
	const char *cipher, *issuer, *subject; /* NULL: none */
};
/* ERR_ACCOUNT_TLS, ERR_ACCOUNT_LOCKED, ERR_PASSWORD_EXPIRED. */
int account_check(const struct account_fit *a, const struct account_conn *c, struct err *e)
	__attribute__((warn_unused_result));

/* ---- host patterns: account_host.c ---- */

/* Does the account's Host mean a client with this name (NULL: none) and this address ("" : none)?
 */
bool account_host_matches(const char *host, const char *name, const char *addr, bool mariadb);
/* Below 0: a server asks a before b. */
int account_host_compare(const char *a, const char *b, bool mariadb);
#endif
