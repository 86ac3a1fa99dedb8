/* cmd_table - every command of the console in one table: verb, what it takes, who may, what runs
 * it, how SHOW HELP lists it. Control thread. */
#include "admin_int.h"
#include "show_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOW(object, needs, fn) \
	{ \
		"show", object, CMD_NO_ARG, CONSOLE_##needs, fn, NULL \
	}
#define LINE(text) "\t" text "\n"

/* The help of SHOW stands with its first row of a group, in PgBouncer's order. */
const struct cmd cmd_table[] = {
	{ "show", "help", CMD_NO_ARG, CONSOLE_STATS, show_help,
		LINE("SHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION") },
	SHOW("config", STATS, show_config),
	SHOW("databases", STATS, show_databases),
	SHOW("pools", STATS, show_pools),
	SHOW("clients", STATS, show_clients),
	SHOW("servers", STATS, show_servers),
	SHOW("users", STATS, show_users),
	SHOW("version", STATS, show_version),
	{ "show", "peers", CMD_NO_ARG, CONSOLE_STATS, show_peers, LINE("SHOW PEERS|PEER_POOLS") },
	SHOW("peer_pools", STATS, show_peer_pools),
	{ "show", "fds", CMD_NO_ARG, CONSOLE_ADMIN, show_fds,
		LINE("SHOW FDS|SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE") },
	SHOW("sockets", STATS, show_sockets),
	SHOW("active_sockets", STATS, show_active_sockets),
	SHOW("lists", STATS, show_lists),
	SHOW("mem", STATS, show_mem),
	SHOW("state", STATS, show_state),
	{ "show", "dns_hosts", CMD_NO_ARG, CONSOLE_STATS, show_dns_hosts,
		LINE("SHOW DNS_HOSTS|DNS_ZONES") },
	SHOW("dns_zones", STATS, show_dns_zones),
	{ "show", "stats", CMD_NO_ARG, CONSOLE_STATS, show_stats,
		LINE("SHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS") },
	SHOW("stats_totals", STATS, show_stats_totals),
	SHOW("stats_averages", STATS, show_stats_averages),
	SHOW("totals", STATS, show_totals),
	{ "show", "workers", CMD_NO_ARG, CONSOLE_STATS, show_workers,
		LINE("SHOW WORKERS|PINS|WAITS|CONFIG_SOURCES") },
	SHOW("pins", STATS, show_pins),
	SHOW("waits", STATS, show_waits),
	SHOW("config_sources", STATS, show_config_sources),
	{ "show", "clusters", CMD_NO_ARG, CONSOLE_STATS, show_clusters,
		LINE("SHOW CLUSTERS|NODES|PROBES|ROUTES") },
	SHOW("nodes", STATS, show_nodes),
	SHOW("probes", STATS, show_probes),
	SHOW("routes", STATS, show_routes),
	{ "show", "rules", CMD_NO_ARG, CONSOLE_STATS, show_rules, LINE("SHOW RULES|QUERIES") },
	{ "show", "events", CMD_NO_ARG, CONSOLE_STATS, show_events,
		LINE("SHOW EVENTS|LOG|TRACES") },
	SHOW("log", STATS, show_log),
	SHOW("traces", STATS, show_traces),
	SHOW("queries", STATS, show_queries),
	{ "show", "stats_mysql_query_digest", CMD_NO_ARG, CONSOLE_STATS, show_proxysql_digest,
		LINE("SHOW STATS_MYSQL_QUERY_DIGEST|STATS_MYSQL_COMMANDS_COUNTERS") },
	SHOW("stats_mysql_commands_counters", STATS, show_proxysql_commands),
	{ "show", "stats_mysql_connection_pool", CMD_NO_ARG, CONSOLE_STATS, show_proxysql_pool,
		LINE("SHOW STATS_MYSQL_CONNECTION_POOL|STATS_MYSQL_PROCESSLIST") },
	SHOW("stats_mysql_processlist", STATS, show_proxysql_processlist),
	{ "show", "stats_mysql_global", CMD_NO_ARG, CONSOLE_STATS, show_proxysql_global,
		LINE("SHOW STATS_MYSQL_GLOBAL|STATS_MYSQL_USERS") },
	SHOW("stats_mysql_users", STATS, show_proxysql_stats_users),
	{ "show", "mysql_servers", CMD_NO_ARG, CONSOLE_STATS, show_proxysql_servers,
		LINE("SHOW MYSQL_SERVERS|RUNTIME_MYSQL_SERVERS") },
	SHOW("runtime_mysql_servers", STATS, show_proxysql_servers),
	{ "show", "mysql_users", CMD_NO_ARG, CONSOLE_STATS, show_proxysql_users,
		LINE("SHOW MYSQL_USERS|RUNTIME_MYSQL_USERS") },
	SHOW("runtime_mysql_users", STATS, show_proxysql_users),
	{ "show", "stats_mysql_query_digest_reset", CMD_NO_ARG, CONSOLE_ADMIN,
		show_proxysql_digest_reset, LINE("SELECT * FROM stats_mysql_query_digest_reset") },
	{ "show", "stats_mysql_connection_pool_reset", CMD_NO_ARG, CONSOLE_ADMIN,
		show_proxysql_pool_reset, LINE("SELECT * FROM stats_mysql_connection_pool_reset") },
	{ "show", "prometheus metrics", CMD_NO_ARG, CONSOLE_STATS, show_prometheus,
		LINE("SHOW PROMETHEUS METRICS") },
	{ "set", NULL, CMD_NO_ARG, CONSOLE_ADMIN, ctl_set, LINE("SET key = arg") },
	{ "reload", NULL, CMD_NO_ARG, CONSOLE_ADMIN, ctl_reload, LINE("RELOAD") },
	{ "pause", NULL, CMD_DB_OPT, CONSOLE_ADMIN, ctl_pause, LINE("PAUSE [<db>|<cluster>]") },
	{ "resume", NULL, CMD_DB_OPT, CONSOLE_ADMIN, ctl_resume,
		LINE("RESUME [<db>|<cluster>|<node>]") },
	{ "drain", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_drain, LINE("DRAIN <node>") },
	{ "promoted", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_promoted, LINE("PROMOTED <node>") },
	{ "resolve", NULL, CMD_TO, CONSOLE_ADMIN, ctl_resolve,
		LINE("RESOLVE <cluster> TO <node>") },
	{ "switchover", NULL, CMD_TO, CONSOLE_ADMIN, ctl_switchover,
		LINE("SWITCHOVER <cluster> TO <node>") },
	{ "explain", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_explain,
		LINE("EXPLAIN ROUTE [FOR <db>[/<user>]] <sql>") },
	{ "reset", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_reset, LINE("RESET QUERIES") },
	{ "disable", NULL, CMD_DB, CONSOLE_ADMIN, ctl_disable, LINE("DISABLE <db>") },
	{ "enable", NULL, CMD_DB, CONSOLE_ADMIN, ctl_enable, LINE("ENABLE <db>") },
	{ "reconnect", NULL, CMD_DB_OPT, CONSOLE_ADMIN, ctl_reconnect, LINE("RECONNECT [<db>]") },
	{ "kill", NULL, CMD_DB_OPT, CONSOLE_ADMIN, ctl_kill, LINE("KILL [<db>]") },
	{ "kill_client", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_kill_client,
		LINE("KILL_CLIENT <client_id>") },
	{ "suspend", NULL, CMD_NO_ARG, CONSOLE_ADMIN, ctl_suspend, LINE("SUSPEND") },
	{ "shutdown", NULL, CMD_WORD, CONSOLE_ADMIN, ctl_shutdown,
		LINE("SHUTDOWN") LINE("SHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS") },
	{ "upgrade", NULL, CMD_NO_ARG, CONSOLE_ADMIN, ctl_upgrade, LINE("UPGRADE") },
	{ "wait_close", NULL, CMD_DB_OPT, CONSOLE_ADMIN, ctl_wait_close,
		LINE("WAIT_CLOSE [<db>]") },
};
const unsigned cmd_table_n = sizeof cmd_table / sizeof *cmd_table;

static bool is_show(const char *verb)
{
	return !strcasecmp(verb, "show") || !strcasecmp(verb, "select");
}

/* The verb or object most like word, or NULL when none is near. */
static const char *nearest(const char *word, bool among_objects)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 2;
	for (unsigned i = 0; i < cmd_table_n; i++) {
		const char *name = among_objects ? cmd_table[i].object : cmd_table[i].verb;
		size_t d = name ? opt_distance(word, name) : SIZE_MAX;
		if (d < least) {
			least = d;
			best = name;
		}
	}
	return best;
}

static void upper(const char *s, char *out, size_t n)
{
	size_t i = 0;
	for (; s[i] && i + 1 < n; i++)
		out[i] = (char)(s[i] >= 'a' && s[i] <= 'z' ? s[i] - 'a' + 'A' : s[i]);
	out[i] = '\0';
}

static void suggest(const struct cmd_line *l, const char *sql, struct err *e)
{
	bool show = is_show(l->verb);
	char name[40];
	if (cmd_hint_foreign(sql, e))
		return;
	if (!show && l->args_n == 1 && opt_distance(l->verb, "show") < 2)
		show = true; /* shw pools */
	if (show && l->args_n != 1)
		return;
	const char *best = nearest(show ? l->arg[0].text : l->verb, show);
	if (!best)
		return;
	upper(best, name, sizeof name);
	err_hint(e, "Did you mean %s%s?", show ? "SHOW " : "", name);
}

/* Are the arguments the words of this object? */
static bool is_object(const struct cmd_line *l, const char *object)
{
	for (unsigned i = 0; i < l->args_n; i++) {
		size_t n = strcspn(object, " ");
		if (n == 0 || strlen(l->arg[i].text) != n ||
			strncasecmp(l->arg[i].text, object, n) != 0)
			return false;
		object += n + (object[n] == ' ');
	}
	return *object == '\0';
}

static int check_args(const struct cmd *c, const struct cmd_line *l, const char *sql, struct err *e)
{
	unsigned most = c->args == CMD_TO ? 3 : c->args != CMD_NO_ARG ? 1 : 0;
	if (c->object)
		return 0; /* all of its words are what it was found by */
	if (l->args_n > most ||
		(c->args == CMD_TO && (l->args_n < most || strcasecmp(l->arg[1].text, "to")))) {
		cmd_invalid(sql, e);
		if (cmd_hint_foreign(sql, e)) /* KILL QUERY 5 */
			return -1;
		return err_hint(e, "Usage: %.*s", (int)strcspn(c->help ? c->help + 1 : "", "\n"),
			c->help ? c->help + 1 : "");
	}
	if (c->args == CMD_DB && l->args_n == 0)
		return err_set(e, ERR_SYNTAX, "a database is required");
	return 0;
}

const struct cmd *cmd_find(
	const struct cmd_line *l, const char *sql, enum console_privilege have, struct err *e)
{
	const struct cmd *found = NULL;
	bool show = is_show(l->verb);
	for (unsigned i = 0; i < cmd_table_n && !found; i++) {
		const struct cmd *c = &cmd_table[i];
		if (l->is_set)
			found = !strcmp(c->verb, "set") ? c : NULL;
		else if (c->object)
			found = show && is_object(l, c->object) ? c : NULL;
		else
			found = !strcasecmp(l->verb, c->verb) ? c : NULL;
	}
	if (!found || (!l->is_set && !strcmp(found->verb, "set"))) {
		cmd_invalid(sql, e);
		suggest(l, sql, e);
		return NULL;
	}
	if (have < found->needs) {
		err_set(e, ERR_NOT_ALLOWED, "admin access needed");
		return NULL;
	}
	return check_args(found, l, sql, e) == 0 ? found : NULL;
}

bool cmd_is_shown(const char *object)
{
	for (unsigned i = 0; i < cmd_table_n; i++)
		if (cmd_table[i].object && !strcasecmp(object, cmd_table[i].object))
			return true;
	return false;
}

/* Behind a schema of ProxySQL's, if one is named. */
static const char *without_schema(const char *name)
{
	return !strncasecmp(name, "stats.", 6)  ? name + 6
	       : !strncasecmp(name, "main.", 5) ? name + 5
						: name;
}

const struct cmd *cmd_find_shown(const struct show_query *q, const char *sql,
	enum console_privilege have, struct cmd_line *l, struct err *e)
{
	char name[40];
	const char *what = q->is_select ? without_schema(q->what) : q->what;
	*l = (struct cmd_line){ .verb = "show", .args_n = 1 };
	snprintf(l->arg[0].text, sizeof l->arg[0].text, "%s", what);
	if (!q->is_select || cmd_is_shown(what))
		return cmd_find(l, sql, have, e);
	err_set(e, ERR_SYNTAX, "the console has no \"%.60s\" to select from", q->what);
	if (cmd_hint_elsewhere(what, e))
		return NULL;
	const char *best = nearest(what, true);
	if (best) {
		upper(best, name, sizeof name);
		err_hint(e, "Did you mean %s?", name);
	} else {
		err_hint(e, "What can be shown can be selected from: see SHOW HELP.");
	}
	return NULL;
}
