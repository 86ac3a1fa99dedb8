/* cmd_hint - what to give in place of a command that the console does not have: those of ProxySQL's
 * admin interface and of servers, options that SHOW does not know by name. Pure. */
#include "admin_int.h"

#include "conf/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The first whose words the text begins with counts. */
static const struct foreign {
	const char *words, *hint;
} foreign[] = {
	{ "help", "SHOW HELP lists the commands." },
	{ "?", "SHOW HELP lists the commands." },
	{ "proxysql", "Without PROXYSQL: PAUSE, RESUME, SHUTDOWN; UPGRADE for RESTART." },
	{ "load", "RELOAD reads the configuration file again: there is nothing else to load." },
	{ "save",
		"Nothing needs to be saved: the configuration file counts, and RELOAD reads it." },
	{ "insert", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "update", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "delete", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "replace", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "show processlist", "SHOW CLIENTS and SHOW STATS_MYSQL_PROCESSLIST tell who is there." },
	{ "show full", "SHOW CLIENTS and SHOW STATS_MYSQL_PROCESSLIST tell who is there." },
	{ "show mysql servers", "SHOW MYSQL_SERVERS, with an underscore." },
	{ "show mysql users", "SHOW MYSQL_USERS, with an underscore." },
	{ "show mysql query rules", "SHOW RULES has them." },
	{ "show mysql", "SHOW CONFIG has all options." },
	{ "show admin", "SHOW CONFIG has all options." },
	{ "show pgsql", "SHOW CONFIG has all options." },
	{ "show variables", "SHOW CONFIG has all options." },
	{ "show global variables", "SHOW CONFIG has all options." },
	{ "show all", "SHOW CONFIG has all options." },
	{ "show tables", "SHOW HELP lists what can be shown." },
	{ "show schemas", "SHOW DATABASES has them." },
	{ "select", "SELECT columns FROM what can be shown: SHOW HELP lists it." },
};

static bool is_blank(char c)
{
	return isspace((unsigned char)c);
}

/* Does sql begin with these words, whatever blanks are between them? */
static bool begins(const char *sql, const char *words)
{
	for (; *words; words++) {
		if (*words == ' ') {
			if (!is_blank(*sql))
				return false;
			while (is_blank(*sql))
				sql++;
		} else if (tolower((unsigned char)*sql++) != *words) {
			return false;
		}
	}
	return *sql == '\0' || *sql == ';' || is_blank(*sql);
}

/* SHOW default_pool_size */
static const struct opt *option_of(const char *sql)
{
	char name[64];
	if (!begins(sql, "show"))
		return NULL;
	sql += strlen("show");
	while (is_blank(*sql))
		sql++;
	size_t n = strcspn(sql, " \t\r\n;");
	if (n >= sizeof name)
		return NULL;
	memcpy(name, sql, n);
	name[n] = '\0';
	return n ? opt_find(name, OPT_GLOBAL) : NULL;
}

bool cmd_hint_foreign(const char *sql, struct err *e)
{
	while (is_blank(*sql))
		sql++;
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (begins(sql, foreign[i].words)) {
			err_hint(e, "%s", foreign[i].hint);
			return true;
		}
	const struct opt *o = option_of(sql);
	if (o)
		err_hint(e, "SHOW CONFIG LIKE '%s' has this option.", o->name);
	return o != NULL;
}
