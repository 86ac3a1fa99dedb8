/* names_read - the names that are not for a replica, from the catalogs of a PostgreSQL server: one
 * connection, one query, waiting. For the command line, not for a worker. Any thread. */
#include "server_int.h"

#include "sql/names_pg.h"

#include "base/num.h"

#include <libpq-fe.h>

#include <stdio.h>
#include <string.h>

static int fail(PGconn *c, struct err *e)
{
	char text[200];
	const char *msg = PQerrorMessage(c);
	size_t n = strcspn(msg, "\n");

	snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1), msg);
	err_set(e, ERR_SERVER_CONNECT, "%s", *text ? text : "no answer");
	return -1;
}

static PGconn *connect_to(const char *url)
{
	/* of two values for one word the URL's counts: it is expanded where dbname stands */
	const char *const words[] = { "connect_timeout", "application_name", "dbname", NULL };
	const char *const values[] = { "10", "weirpool explain-route", url, NULL };

	return PQconnectdbParams(words, values, 1);
}

static bool prepare(PGconn *c)
{
	PGresult *r = PQexec(c, "set search_path = pg_catalog; set statement_timeout = '30s'; "
				"set default_transaction_read_only = on");
	bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;

	PQclear(r);
	return ok;
}

static bool add_names(struct sql_names *s, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		const char *name = PQgetvalue(r, i, 1), *number = PQgetvalue(r, i, 0);
		uint64_t known;

		if (num_u64n(number, strlen(number), 0, 15, &known) != 0)
			return false;
		if (PQgetisnull(r, i, 2) && !sql_names_add(s, name, strlen(name), (unsigned)known))
			return false;
	}
	for (bool news = true; news;) {
		news = false;
		for (int i = 0; i < PQntuples(r); i++)
			if (!PQgetisnull(r, i, 2) && !sql_names_pg_body(s, PQgetvalue(r, i, 1),
							     PQgetvalue(r, i, 2), &news))
				return false;
	}
	return true;
}

static int read_catalogs(PGconn *c, struct sql_names **names_r, struct err *e)
{
	const char *const params[] = { sql_names_pg_builtins };
	PGresult *r = PQexecParams(c, sql_names_pg_query, 1, NULL, params, NULL, NULL, 0);
	int code = -1;

	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQnfields(r) != 3) {
		(void)fail(c, e);
	} else if ((*names_r = sql_names_new(false)) == NULL || !add_names(*names_r, r)) {
		sql_names_free(names_r);
		err_set(e, ERR_SERVER_PROTOCOL, "the catalogs gave no names, or too many");
	} else {
		code = 0;
	}
	PQclear(r);
	return code;
}

int names_read_pg(const char *url, struct sql_names **names_r, unsigned *major_r, struct err *e)
{
	PGconn *c = connect_to(url);
	int code;

	if (PQstatus(c) != CONNECTION_OK || !prepare(c))
		code = fail(c, e);
	else
		code = read_catalogs(c, names_r, e);
	*major_r = (unsigned)PQserverVersion(c) / 10000;
	PQfinish(c);
	return code;
}
