/*
 * sql/names_pg.h - how to fill a set of names from a PostgreSQL database's catalogs. Ignorant of
 * connections: the caller runs the query, on the primary, as any user, with
 * search_path=pg_catalog. Any thread.
 */
#ifndef WEIRPOOL_SQL_NAMES_PG_H
#define WEIRPOOL_SQL_NAMES_PG_H

#include "sql/names.h"

/*
 * One parameter, $1: sql_names_pg_builtins. Rows of three columns: a number, a name, a text.
 * When the text is NULL: sql_names_add(name, number); else it is the body of a function that calls
 * itself STABLE or IMMUTABLE, for sql_names_pg_body(). Needs PostgreSQL 14 or later; takes
 * milliseconds for a hundred views.
 */
extern const char sql_names_pg_query[];

/* Builtin functions and views that are not for a replica, as the text of a text[]. */
extern const char sql_names_pg_builtins[];

/* Adds name as dangerous when its body names anything that is, or runs text that it makes. Sets
 * *news when it did: call again for all bodies until nothing is news, for functions that call each
 * other. After all other rows have been added. False: out of memory. */
bool sql_names_pg_body(struct sql_names *s, const char *name, const char *body, bool *news);

#endif
