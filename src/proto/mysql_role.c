/* mysql_role - the roles of a session: no tracker tells of them, and no COM_RESET_CONNECTION takes
 * them away. Thread: that of the env. */
#include "mysql_run_int.h"

#include <string.h>

#define MYSQL_ROLES_VERSION 80000U
#define MARIADB_ROLES_VERSION 100005U

bool my_role_has(const struct my_link *l)
{
	return l->version_n >= (l->mariadb ? MARIADB_ROLES_VERSION : MYSQL_ROLES_VERSION);
}

const char *my_role_sql(const struct my_link *l)
{
	if (!my_role_has(l))
		return "''";
	/* (MySQL quotes them itself, and says NONE.) */
	return l->mariadb ? "COALESCE(CONCAT('`',REPLACE(CURRENT_ROLE(),'`','``'),'`'),'NONE')"
			  : "CURRENT_ROLE()";
}

/* Unknown it is when a link was lost before it could be asked. */
const char *my_role_of(const struct my_link *l, const struct varset *want)
{
	const char *role = varset_get(want, MY_VAR_ROLE);
	if (role && strcmp(role, MY_ROLE_UNKNOWN) != 0)
		return role;
	role = varset_get(l->fresh, MY_VAR_ROLE);
	return role && *role ? role : "NONE";
}

bool my_role_differs(const struct my_link *l, const struct varset *have, const struct varset *want)
{
	const char *a = varset_get(have, MY_VAR_ROLE), *b = varset_get(want, MY_VAR_ROLE);
	if (a == b || !my_role_has(l))
		return false;
	return a == NULL || b == NULL || strcmp(a, b) != 0;
}

/* Means the same in every character set that a session may have. */
static bool is_plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			return false;
	return *s == '`' || strcmp(s, "NONE") == 0;
}

bool my_role_learn(struct my_client *c, struct my_link *l, const char *cell)
{
	const char *fresh = varset_get(l->fresh, MY_VAR_ROLE);
	if (cell && fresh && is_plain(cell) && is_plain(fresh))
		return my_learn_set(c, l, MY_VAR_ROLE, cell);
	c->pins |= PIN(ROLE);
	return my_learn_set(c, l, MY_VAR_ROLE, MY_ROLE_UNKNOWN);
}
