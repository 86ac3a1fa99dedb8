/* authq - the text of auth_query and the meaning of its answer. Sends nothing. Any thread. */
#ifndef AUTH_AUTHQ_H
#define AUTH_AUTHQ_H
#include "base/err.h"
#include <stddef.h>

/* PgBouncer's default. Expired roles yield a NULL secret. Run it only on connections that carry no
 * client parameters and have search_path = pg_catalog, else "<" and "=" can be somebody else's
 * (CVE-2025-12819). */
#define AUTHQ_DEFAULT \
	"SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END " \
	"FROM pg_authid WHERE rolname=$1 AND rolcanlogin"
#define AUTHQ_SET_PATH "SET search_path = pg_catalog, pg_temp"
#define AUTHQ_SECRET_MAX 65536

enum authq_result {
	AUTHQ_FOUND,     /* a row with a secret */
	AUTHQ_NO_SECRET, /* a row with NULL or an empty secret: expired, or no password. No password
			    may ever match */
	AUTHQ_NO_USER,   /* no row */
};
/* One DataRow: name and secret as in the row, NULL for SQL NULL, and the number of columns. -1
 * (ERR_CONFIG) when the query is wrong: not 2 columns, NULL name, a name other than the one asked,
 * a secret with a NUL or too long. */
int authq_read_row(const char *asked_user, unsigned columns_n, const char *name, size_t name_n,
	const char *secret, size_t secret_n, enum authq_result *res_r, struct err *e)
	__attribute__((warn_unused_result));
/* Is the text a query that can work: not empty, and with $1? -1 with ERR_CONFIG otherwise. */
int authq_check(const char *query, struct err *e) __attribute__((warn_unused_result));
#endif
