/* admin_parse: texts as words, the table of commands, and who may run which. */
#include "../../src/admin/admin_int.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct cmd_line parsed(const char *sql)
{
	struct cmd_line l;
	struct err e = { 0 };
	cr_assert_eq(cmd_parse(sql, &l, &e), 0, "%s: %s (%s)", sql, e.msg, e.hint);
	return l;
}

Test(admin_parse, words)
{
	static const struct {
		const char *sql, *verb, *arg0, *arg1;
	} t[] = {
		{ "show pools", "show", "pools", NULL },
		{ "SHOW POOLS;", "SHOW", "POOLS", NULL },
		{ "  show\n\tpools ; ", "show", "pools", NULL },
		{ "reload", "reload", NULL, NULL },
		{ "reload;;", "reload", NULL, NULL },
		{ "pause \"my db\"", "pause", "my db", NULL },
		{ "pause \"a\"\"b\";", "pause", "a\"b", NULL },
		{ "pause \"\"", "pause", "", NULL },
		{ "PAUSE MyDb", "PAUSE", "MyDb", NULL },
		{ "pause a-b.c@d", "pause", "a-b.c@d", NULL },
		{ "pause d\xc3\xa9j\xc3\xa0", "pause", "d\xc3\xa9j\xc3\xa0", NULL },
		{ "\"show\" \"pools\"", "show", "pools", NULL },
		{ "kill_client 0xc00000001", "kill_client", "0xc00000001", NULL },
		{ "pause a b", "pause", "a", "b" },
		{ "drain 127.0.0.1:5432", "drain", "127.0.0.1:5432", NULL },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct cmd_line l = parsed(t[i].sql);
		cr_expect_str_eq(l.verb, t[i].verb, "%s", t[i].sql);
		cr_expect_eq(l.args_n, (t[i].arg0 != NULL) + (t[i].arg1 != NULL), "%s", t[i].sql);
		if (t[i].arg0)
			cr_expect_str_eq(l.arg[0].text, t[i].arg0, "%s", t[i].sql);
		if (t[i].arg1)
			cr_expect_str_eq(l.arg[1].text, t[i].arg1, "%s", t[i].sql);
		cr_expect_not(l.is_set);
	}
}

Test(admin_parse, set)
{
	static const struct {
		const char *sql, *key, *value;
	} t[] = {
		{ "set a = b", "a", "b" },
		{ "SET a=b;", "a", "b" },
		{ "set a to b", "a", "b" },
		{ "set a TO 'x y'", "a", "x y" },
		{ "set a to'x'", "a", "x" },
		{ "set a='it''s' ; ", "a", "it's" },
		{ "set a=''", "a", "" },
		{ "set \"a\" = \"B\"", "a", "B" },
		{ "set a = 1.5", "a", "1.5" },
		{ "set a = -1", "a", "-1" },
		{ "set a = /tmp/x", "a", "/tmp/x" },
		{ "set datestyle to ISO, MDY", "datestyle", "ISO, MDY" },
		{ "set session a = b", "a", "b" },
		{ "set session = b", "session", "b" },
		{ "set a = ';'", "a", ";" },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct cmd_line l = parsed(t[i].sql);
		cr_expect(l.is_set, "%s", t[i].sql);
		cr_expect_str_eq(l.key, t[i].key, "%s", t[i].sql);
		cr_expect_str_eq(l.value, t[i].value, "%s", t[i].sql);
	}
}

Test(admin_parse, refused)
{
	static const char *const t[] = { "", ";", "  ", "(", "show (", "show 'pools'",
		"show \"pools", "show \"", "set", "set a", "set a b", "set = b",
		"set a =", "set a = ;", "set a = 'b", "set a = 'b' c", "set a tob", "set \"\" = b",
		"a b c d e f g h i j", "show pools) --", "\\d", "set a = b'c", "set session",
		"set a = b; drop" };
	struct cmd_line l;
	for (size_t i = 0; i < N(t); i++) {
		struct err e = { 0 };
		cr_expect_eq(cmd_parse(t[i], &l, &e), -1, "accepted: %s", t[i]);
		cr_expect_eq(e.code, ERR_SYNTAX);
		char want[300];
		snprintf(want, sizeof want, "invalid command '%s', use SHOW HELP;", t[i]);
		cr_expect_str_eq(e.msg, want);
		cr_expect(*e.hint, "no hint: %s", t[i]);
	}
}

/* Every length around the sizes of the fields, and every byte in every place. */
Test(admin_parse, hostile)
{
	static const char *const before[] = { "", "show ", "pause \"", "set ",
		"set a = ", "set a = '", "set a = \"" };
	char sql[3000];
	struct cmd_line l;
	for (size_t b = 0; b < N(before); b++)
		for (size_t n = 0; n < 2300; n++) {
			struct err e = { 0 };
			size_t at = strlen(before[b]);
			memcpy(sql, before[b], at);
			memset(sql + at, 'x', n);
			sql[at + n] = '\0';
			(void)!cmd_parse(sql, &l, &e);
			sql[at + n] = at ? sql[at - 1] : ' ';
			sql[at + n + 1] = '\0';
			if (cmd_parse(sql, &l, &e) == 0)
				cr_assert_lt(strlen(l.value), sizeof l.value);
		}
	for (int c = 1; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			struct err e = { 0 };
			snprintf(sql, sizeof sql, "%s", "set abc to 'def' ; ");
			sql[at] = (char)c;
			(void)!cmd_parse(sql, &l, &e);
		}
}

static const struct cmd *found(const char *sql, enum console_privilege have, struct err *e)
{
	struct cmd_line l = parsed(sql);
	*e = (struct err){ 0 };
	return cmd_find(&l, sql, have, e);
}

Test(admin_parse, commands_are_found)
{
	static const struct {
		const char *sql, *verb, *object;
	} t[] = {
		{ "show pools", "show", "pools" },
		{ "select version", "show", "version" },
		{ "SELECT VERSION;", "show", "version" },
		{ "Show \"Pools\"", "show", "pools" },
		{ "PAUSE", "pause", NULL },
		{ "pause x", "pause", NULL },
		{ "kill_client 7", "kill_client", NULL },
		{ "shutdown wait_for_clients", "shutdown", NULL },
		{ "set a = b", "set", NULL },
		{ "resolve main to db1:5432", "resolve", NULL },
		{ "RESOLVE main TO \"[::1]:5432\";", "resolve", NULL },
	};
	struct err e;
	for (size_t i = 0; i < N(t); i++) {
		const struct cmd *c = found(t[i].sql, CONSOLE_ADMIN, &e);
		cr_assert_not_null(c, "%s: %s", t[i].sql, e.msg);
		cr_expect_str_eq(c->verb, t[i].verb);
		if (t[i].object)
			cr_expect_str_eq(c->object, t[i].object);
		else
			cr_expect_null(c->object);
	}
}

Test(admin_parse, comments_are_blanks)
{
	static const struct {
		const char *sql, *left;
	} t[] = {
		{ "show pools -- all", "show pools       " },
		{ "show pools --", "show pools   " },
		{ "-- a\nshow /* b */ pools;", "    \nshow         pools;" },
		{ "show pools;/* c", "show pools;/* c" },
		{ "show pools;/**/", "show pools;    " },
		{ "set a = 'x -- y /* z */'", "set a = 'x -- y /* z */'" },
		{ "pause \"a -- b\"", "pause \"a -- b\"" },
		{ "set a = 'it''s' -- b", "set a = 'it''s'     " },
		{ "set a = x--y", "set a = x--y" },
		{ "set a = /tmp/*b*/", "set a = /tmp/*b*/" },
		{ "--", "  " },
		{ "/*", "/*" },
	};
	char text[64];
	for (size_t i = 0; i < N(t); i++) {
		snprintf(text, sizeof text, "%s", t[i].sql);
		cmd_blank_comments(text);
		cr_expect_str_eq(text, t[i].left, "%s", t[i].sql);
	}
}

Test(admin_parse, commands_are_refused)
{
	static const struct {
		const char *sql, *msg, *hint;
	} t[] = {
		{ "nonsense", "invalid command 'nonsense', use SHOW HELP;", "" },
		{ "reloat", "invalid command 'reloat', use SHOW HELP;", "Did you mean RELOAD?" },
		{ "show", "invalid command 'show', use SHOW HELP;", "" },
		{ "show pool", "invalid command 'show pool', use SHOW HELP;",
			"Did you mean SHOW POOLS?" },
		{ "show clinets", "invalid command 'show clinets', use SHOW HELP;",
			"Did you mean SHOW CLIENTS?" },
		{ "show pools now", "invalid command 'show pools now', use SHOW HELP;", "" },
		{ "show \"\"", "invalid command 'show \"\"', use SHOW HELP;", "" },
		{ "reload x", "invalid command 'reload x', use SHOW HELP;", "Usage: RELOAD" },
		{ "suspend x", "invalid command 'suspend x', use SHOW HELP;", "Usage: SUSPEND" },
		{ "pause a b", "invalid command 'pause a b', use SHOW HELP;",
			"Usage: PAUSE [<db>|<cluster>]" },
		{ "resolve main", "invalid command 'resolve main', use SHOW HELP;",
			"Usage: RESOLVE <cluster> TO <node>" },
		{ "resolve main in x", "invalid command 'resolve main in x', use SHOW HELP;",
			"Usage: RESOLVE <cluster> TO <node>" },
		{ "help", "invalid command 'help', use SHOW HELP;",
			"SHOW HELP lists the commands." },
		{ "shw pools", "invalid command 'shw pools', use SHOW HELP;",
			"Did you mean SHOW POOLS?" },
		{ "show default_pool_size",
			"invalid command 'show default_pool_size', use SHOW HELP;",
			"SHOW CONFIG LIKE 'default_pool_size' has this option." },
		{ "SAVE  MYSQL SERVERS TO DISK",
			"invalid command 'SAVE  MYSQL SERVERS TO DISK', use SHOW HELP;",
			"Nothing needs to be saved: the configuration file counts, and RELOAD "
			"reads it." },
		{ "Show Mysql  Servers", "invalid command 'Show Mysql  Servers', use SHOW HELP;",
			"SHOW MYSQL_SERVERS, with an underscore." },
		{ "loads x", "invalid command 'loads x', use SHOW HELP;", NULL },
		{ "disable", "a database is required", "" },
		{ "enable", "a database is required", "" },
		{ "\"set\"", "invalid command '\"set\"', use SHOW HELP;", NULL },
	};
	struct err e;
	for (size_t i = 0; i < N(t); i++) {
		cr_expect_null(found(t[i].sql, CONSOLE_ADMIN, &e), "%s", t[i].sql);
		cr_expect_str_eq(e.msg, t[i].msg, "%s", t[i].sql);
		if (t[i].hint)
			cr_expect_str_eq(e.hint, t[i].hint, "%s", t[i].sql);
	}
}

/* Each command as admin, as stats user, as nobody: only what is written here. */
Test(admin_parse, privileges)
{
	static const char *const for_stats[] = { "help", "config", "databases", "pools", "clients",
		"servers", "users", "version", "peers", "peer_pools", "sockets", "active_sockets",
		"lists", "mem", "state", "dns_hosts", "dns_zones", "stats", "stats_totals",
		"stats_averages", "totals", "workers", "pins", "waits", "clusters", "nodes",
		"probes", "rules", "routes", "events", "log", "traces", "queries",
		"stats_mysql_query_digest", "stats_mysql_commands_counters",
		"stats_mysql_connection_pool", "stats_mysql_processlist", "stats_mysql_global",
		"stats_mysql_users", "mysql_servers", "runtime_mysql_servers", "mysql_users",
		"runtime_mysql_users", "config_sources", "prometheus metrics" };
	unsigned open = 0;
	for (unsigned i = 0; i < cmd_table_n; i++) {
		const struct cmd *c = &cmd_table[i];
		char sql[100];
		struct err e;
		bool stats = false;
		for (size_t j = 0; c->object && j < N(for_stats); j++)
			stats = stats || !strcmp(c->object, for_stats[j]);
		open += stats;
		snprintf(sql, sizeof sql, "%s %s", c->verb,
			c->object                 ? c->object
			: !strcmp(c->verb, "set") ? "a = b"
			: c->args == CMD_NO_ARG   ? ""
			: c->args == CMD_TO       ? "x to y"
						  : "x");
		cr_expect_eq(found(sql, CONSOLE_ADMIN, &e), c, "admin: %s: %s", sql, e.msg);
		cr_expect_eq(found(sql, CONSOLE_STATS, &e), stats ? c : NULL, "stats: %s", sql);
		if (!stats) {
			cr_expect_str_eq(e.msg, "admin access needed");
			cr_expect_eq(e.code, ERR_NOT_ALLOWED);
		}
		cr_expect_null(found(sql, CONSOLE_NONE, &e), "nobody: %s", sql);
		cr_expect_str_eq(e.msg, "admin access needed");
	}
	cr_expect_eq(open, N(for_stats));
}

Test(admin_parse, the_table_is_whole)
{
	char help[4000] = "";
	size_t at = 0;
	for (unsigned i = 0; i < cmd_table_n; i++) {
		const struct cmd *c = &cmd_table[i];
		cr_expect_not_null(c->fn, "%s", c->verb);
		for (unsigned j = 0; j < i; j++)
			cr_expect(strcmp(c->verb, cmd_table[j].verb) ||
					  (c->object && strcmp(c->object, cmd_table[j].object)),
				"twice: %s", c->verb);
		if (c->help)
			at += (size_t)snprintf(help + at, sizeof help - at, "%s", c->help);
		cr_assert_lt(at, sizeof help);
	}
	for (unsigned i = 0; i < cmd_table_n; i++) {
		const char *name = cmd_table[i].object ? cmd_table[i].object : cmd_table[i].verb;
		cr_expect_not_null(strcasestr(help, name), "SHOW HELP does not list %s", name);
	}
}
