/* authq - what a row of auth_query means. Ignorant of how it was fetched. Any thread. */
#include "auth/authq.h"

#include <string.h>

int authq_check(const char *query, struct err *e)
{
	if (*query == '\0')
		return err_set(e, ERR_CONFIG, "auth_query is empty");
	if (strstr(query, "$1") == NULL)
		return err_set(e, ERR_CONFIG, "auth_query has no $1: the user's name goes there");
	return 0;
}

int authq_read_row(const char *asked_user, unsigned columns_n, const char *name, size_t name_n,
	const char *secret, size_t secret_n, enum authq_result *res_r, struct err *e)
{
	*res_r = AUTHQ_NO_USER;
	if (columns_n != 2)
		return err_set(e, ERR_CONFIG,
			"auth_query must return 2 columns (user, secret), not %u", columns_n);
	if (name == NULL)
		return err_set(e, ERR_CONFIG, "auth_query returned NULL as user name");
	/* Whoever the row speaks of, only the asked user may log in with it (CVE-2015-6817). */
	if (strlen(asked_user) != name_n || memcmp(asked_user, name, name_n) != 0)
		return err_set(
			e, ERR_CONFIG, "auth_query returned another user than the one asked for");
	if (secret == NULL || secret_n == 0) {
		*res_r = AUTHQ_NO_SECRET;
		return 0;
	}
	if (secret_n > AUTHQ_SECRET_MAX || memchr(secret, 0, secret_n) != NULL)
		return err_set(e, ERR_CONFIG,
			"auth_query returned a secret that is too long or has a NUL");
	*res_r = AUTHQ_FOUND;
	return 0;
}
