/* foreign - a file that is another program's configuration: whose, and where it is told what
 * becomes of it, in place of a mistake for each of its lines. Control thread. */
#include "conf_int.h"

#include <stdio.h>
#include <string.h>

#define CONVERT_HINT "weirpool convert makes one of weirpool of it, see doc/from-proxysql.md"

/* Sections of ours and of PgBouncer's: such a file is read, whatever else is in it. */
static const char *const ours[] = { "\n[weirpool]", "\n[pgbouncer]", "\n[databases]",
	"\n[mysql_databases]", "\n[clusters]" };

/* The first whose mark begins a line counts. */
static const struct mark {
	const char *mark, *whose, *how;
} marks[] = {
	{ "\nmysql_servers", "ProxySQL", CONVERT_HINT },
	{ "\nmysql_variables", "ProxySQL", CONVERT_HINT },
	{ "\nadmin_variables", "ProxySQL", CONVERT_HINT },
	{ "\nbackend_hostname0", "Pgpool-II", "see doc/from-pgpool.md" },
	{ "\nstorage \"", "Odyssey", "see doc/from-odyssey.md" },
	{ "\n[pools.", "PgCat", "see doc/from-pgcat.md" },
	{ "\n[[databases]]", "PgDog", "see doc/configuration.md" },
	{ "\nfrontend ", "HAProxy", "see doc/from-haproxy.md" },
	{ "\nlisten ", "HAProxy", "see doc/from-haproxy.md" },
	{ "\n[maxscale]", "MaxScale", "see doc/configuration.md" },
	{ "\n[routing:", "MySQL Router", "see doc/configuration.md" },
};

static bool has_line(const char *text, size_t n, const char *begin)
{
	size_t len = strlen(begin);
	return (n >= len - 1 && memcmp(text, begin + 1, len - 1) == 0) ||
	       memmem(text, n, begin, len) != NULL;
}

bool conf_foreign(const char *text, size_t n, char *why, size_t size)
{
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (has_line(text, n, ours[i]))
			return false;
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		if (!has_line(text, n, marks[i].mark))
			continue;
		snprintf(why, size, "this looks like a configuration of %s: %s", marks[i].whose,
			marks[i].how);
		return true;
	}
	return false;
}
