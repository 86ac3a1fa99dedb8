/* cmd_hint - what to give in place of a command that the console does not have: those of ProxySQL's
 * admin interface and of servers, options that SHOW does not know by name. Pure. */
#include "admin_int.h"

#include "conf/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KILL_ONE "KILL_CLIENT with an id of SHOW CLIENTS drops one client."
#define NO_DATABASE "The console is no database: SHOW HELP lists its commands and what it shows."

#define CLUSTERS "SHOW CLUSTERS and SHOW NODES"

/* The first whose words the text begins with counts. */
static const struct foreign {
	const char *words, *hint;
} foreign[] = {
	{ "help", "SHOW HELP lists the commands." },
	{ "?", "SHOW HELP lists the commands." },
	{ "proxysql flush logs", "RELOAD opens the log files anew." },
	{ "proxysql kill", "SHUTDOWN stops now." },
	{ "proxysql", "Without PROXYSQL: PAUSE, RESUME, SHUTDOWN; UPGRADE for RESTART." },
	{ "load", "RELOAD reads the configuration file again: there is nothing else to load." },
	{ "save",
		"Nothing needs to be saved: the configuration file counts, and RELOAD reads it." },
	{ "insert", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "update mysql_servers", "DRAIN host:port takes a replica out, and RESUME host:port gives "
				  "it back; for all else change the configuration file, then "
				  "RELOAD." },
	{ "update", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "delete", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "replace", "Change the configuration file, then RELOAD. SET changes one option." },
	{ "kill connection", KILL_ONE },
	{ "kill query", KILL_ONE },
	{ "truncate", "RESET QUERIES begins the statistics of statements anew." },
	{ "create", NO_DATABASE },
	{ "alter", NO_DATABASE },
	{ "drop", NO_DATABASE },
	{ "describe", NO_DATABASE },
	{ "desc", NO_DATABASE },
	{ "show create", NO_DATABASE },
	{ "show processlist", "SHOW CLIENTS and SHOW STATS_MYSQL_PROCESSLIST tell who is there." },
	{ "show full", "SHOW CLIENTS and SHOW STATS_MYSQL_PROCESSLIST tell who is there." },
	{ "show mysql servers", "SHOW MYSQL_SERVERS, with an underscore." },
	{ "show mysql users", "SHOW MYSQL_USERS, with an underscore." },
	{ "show mysql query rules", "SHOW RULES has them." },
	{ "show mysql status", "SHOW STATS_MYSQL_GLOBAL has what weirpool counts of it." },
	{ "show status", "SHOW STATS has it of weirpool, SHOW STATS_MYSQL_GLOBAL with ProxySQL's "
			 "names." },
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

/* Where it stands here what others tell under names that begin so. */
static const struct elsewhere {
	const char *name, *here;
} elsewhere[] = {
	{ "stats_mysql_query_rules", "SHOW RULES" },
	{ "mysql_query_rules", "SHOW RULES" },
	{ "pgsql_query_rules", "SHOW RULES" },
	{ "stats_pgsql_query_rules", "SHOW RULES" },
	{ "mysql_replication_hostgroups", CLUSTERS },
	{ "mysql_group_replication_hostgroups", CLUSTERS },
	{ "mysql_galera_hostgroups", CLUSTERS },
	{ "mysql_hostgroup_attributes", CLUSTERS },
	{ "pgsql_replication_hostgroups", CLUSTERS },
	{ "mysql_server_", "SHOW PROBES and SHOW NODES" }, /* of monitor */
	{ "pgsql_server_", "SHOW PROBES and SHOW NODES" },
	{ "stats_mysql_errors", "SHOW QUERIES (errors) and SHOW EVENTS" },
	{ "stats_mysql_free_connections", "SHOW SERVERS" },
	{ "stats_mysql_prepared_statements_info", "SHOW CLIENTS and SHOW SERVERS" },
	{ "stats_mysql_gtid_executed", "SHOW NODES" },
	{ "stats_pgsql_connection_pool", "SHOW POOLS" },
	{ "stats_pgsql_processlist", "SHOW CLIENTS" },
	{ "stats_pgsql_query_digest", "SHOW QUERIES" },
	{ "stats_pgsql_global", "SHOW STATS" },
	{ "pgsql_servers", "SHOW DATABASES and SHOW NODES" },
	{ "pgsql_users", "SHOW USERS" },
	{ "stats_memory_metrics", "SHOW MEM" },
	{ "global_variables", "SHOW CONFIG" },
	{ "pg_stat_activity", "SHOW CLIENTS and SHOW SERVERS" },
	{ "pg_settings", "SHOW CONFIG" },
	{ "pg_database", "SHOW DATABASES" },
};

bool cmd_hint_elsewhere(const char *name, struct err *e)
{
	static const char *const before[] = { "disk.", "monitor.", "pg_catalog.", "runtime_" };
	for (size_t i = 0; i < sizeof before / sizeof *before; i++)
		if (!strncasecmp(name, before[i], strlen(before[i])))
			name += strlen(before[i]);
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
		const char *known = elsewhere[i].name;
		size_t n = strlen(known);
		if (strncasecmp(name, known, n) != 0 || (known[n - 1] != '_' && name[n]))
			continue;
		err_hint(e, "Look at %s instead.", elsewhere[i].here);
		return true;
	}
	return false;
}

bool cmd_hint_catalogs(const char *sql, struct err *e)
{
	if (!strcasestr(sql, "pg_catalog.") && !strcasestr(sql, "information_schema."))
		return false;
	err_set(e, ERR_SYNTAX, "the console has no catalogs");
	err_hint(e, NO_DATABASE);
	return true;
}
