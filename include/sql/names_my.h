/*
 * sql/names_my.h - how to fill a set of names from a MySQL or MariaDB server's dictionary. Ignorant
 * of connections: the caller runs the query, on the primary. Any thread.
 */
#ifndef WEIRPOOL_SQL_NAMES_MY_H
#define WEIRPOOL_SQL_NAMES_MY_H

#include "sql/lex_my.h"
#include "sql/names.h"

/* Rows of two columns: a name, a text. When the text is NULL the name is dangerous
 * (sql_names_add()); else it is a view's, and the text its definition, for sql_names_my_view(). The
 * user needs SHOW VIEW on the views: what it may not see is taken for dangerous. */
extern const char sql_names_my_query[];

/* Adds the view's name as dangerous when its definition is not for a replica, or not to be seen.
 * Sets *news when it did: call again for all views until nothing is news, for views of views.
 * False: out of memory. */
bool sql_names_my_view(struct sql_names *s, const struct sql_my_opts *o, const char *name,
	const char *definition, bool *news);

#endif
