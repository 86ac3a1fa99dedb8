/*
 * Danger names of a MySQL or MariaDB server: views by what their definition is to the router, and
 * tables that are not the same on a replica. Ignorant of connections. Any thread.
 */
#include "sql/names_my.h"

#include "sql/route.h"

#include <string.h>

#define OWN_SCHEMAS "('mysql', 'sys', 'information_schema', 'performance_schema')"

const char sql_names_my_query[] =
	"select table_name, null from information_schema.tables "
	"where table_schema not in " OWN_SCHEMAS " and (table_type = 'SEQUENCE' or engine in "
	"('MEMORY', 'BLACKHOLE', 'FEDERATED', 'CONNECT', 'SPIDER')) union all "
	"select table_name, view_definition from information_schema.views "
	"where table_schema not in " OWN_SCHEMAS;

bool sql_names_my_view(struct sql_names *s, const struct sql_my_opts *o, const char *name,
	const char *definition, bool *news)
{
	struct sql_route_ctx ctx = { .names = s };
	struct sql_my_opts plain = *o;
	struct sql_route r;

	if (sql_names_find(s, name, strlen(name)) & SQL_NAME_DANGER)
		return true;
	plain.mode = 0; /* the server writes definitions as it likes */
	plain.charset = SQL_MY_CS_SAFE;
	sql_route_my(&plain, &ctx, definition, strlen(definition), &r);
	if (*definition != '\0' && r.verdict == SQL_ROUTE_REPLICA)
		return true;
	*news = true;
	return sql_names_add(s, name, strlen(name), SQL_NAME_DANGER);
}
