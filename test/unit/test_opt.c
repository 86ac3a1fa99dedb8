/* opt: the table is consistent and has every option of PgBouncer; text to value and back. */
#include "conf/opt.h"

#include "base/mem.h"
#include "conf/conf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* PgBouncer 1.25/1.26 main.c, bouncer_params[]: name, default (NULL: unset), changeable.
 * auth_query is ours. */
static const struct {
	const char *name, *dflt;
	bool changeable;
} pgbouncer_keys[] = {
	{ "admin_users", "", true },
	{ "application_name_add_host", "0", true },
	{ "auth_dbname", NULL, true },
	{ "auth_file", NULL, true },
	{ "auth_hba_file", "", true },
	{ "auth_ident_file", NULL, true },
	{ "auth_ldap_options", NULL, true },
	{ "auth_type", "md5", true },
	{ "auth_user", NULL, true },
	{ "autodb_idle_timeout", "3600", true },
	{ "cancel_wait_timeout", "10", true },
	{ "client_idle_timeout", "0", true },
	{ "client_login_timeout", "60", true },
	{ "client_tls13_ciphers", NULL, true },
	{ "client_tls_ca_file", "", true },
	{ "client_tls_cert_file", "", true },
	{ "client_tls_ciphers", "default", true },
	{ "client_tls_dheparams", "auto", true },
	{ "client_tls_ecdhcurve", "auto", true },
	{ "client_tls_key_file", "", true },
	{ "client_tls_protocols", "secure", true },
	{ "client_tls_sslmode", "disable", true },
	{ "conffile", NULL, true },
	{ "default_pool_size", "20", true },
	{ "disable_pqexec", "0", false },
	{ "dns_max_ttl", "15", true },
	{ "dns_nxdomain_ttl", "15", true },
	{ "dns_zone_check_period", "0", true },
	{ "idle_transaction_timeout", "0", true },
	{ "ignore_startup_parameters", "", true },
	{ "job_name", "pgbouncer", false },
	{ "listen_addr", "", false },
	{ "listen_backlog", "128", false },
	{ "listen_port", "6432", false },
	{ "log_connections", "1", true },
	{ "log_disconnections", "1", true },
	{ "log_pooler_errors", "1", true },
	{ "log_stats", "1", true },
	{ "logfile", "", true },
	{ "login_notify_message", "", true },
	{ "max_client_conn", "100", true },
	{ "max_db_client_connections", "0", true },
	{ "max_db_connections", "0", true },
	{ "max_packet_size", "2147483647", true },
	{ "max_prepared_statements", "200", true },
	{ "max_user_client_connections", "0", true },
	{ "max_user_connections", "0", true },
	{ "min_pool_size", "0", true },
	{ "peer_id", "0", true },
	{ "pidfile", "", false },
	{ "pkt_buf", "4096", false },
	{ "pool_mode", "session", true },
	{ "pool_idle_timeout", "0", true },
	{ "query_timeout", "0", true },
	{ "query_wait_notify", "5", true },
	{ "query_wait_timeout", "120", true },
	{ "reserve_pool_size", "0", true },
	{ "reserve_pool_timeout", "5", true },
	{ "resolv_conf", "", false },
	{ "sbuf_loopcnt", "5", true },
	{ "scram_iterations", "4096", true },
	{ "server_check_delay", "30", true },
	{ "server_check_query", "<empty>", true },
	{ "server_connect_timeout", "15", true },
	{ "server_fast_close", "0", true },
	{ "server_idle_timeout", "600", true },
	{ "server_lifetime", "3600", true },
	{ "server_login_retry", "15", true },
	{ "server_reset_query", "DISCARD ALL", true },
	{ "server_reset_query_always", "0", true },
	{ "server_round_robin", "0", true },
	{ "server_tls13_ciphers", NULL, true },
	{ "server_tls_ca_file", "", true },
	{ "server_tls_cert_file", "", true },
	{ "server_tls_ciphers", "default", true },
	{ "server_tls_key_file", "", true },
	{ "server_tls_protocols", "secure", true },
	{ "server_tls_sslmode", "prefer", true },
	{ "service_name", NULL, false },
	{ "so_reuseport", "0", false },
	{ "stats_period", "60", true },
	{ "stats_users", "", true },
	{ "suspend_timeout", "10", true },
	{ "syslog", "0", true },
	{ "syslog_facility", "daemon", true },
	{ "syslog_ident", "pgbouncer", true },
	{ "tcp_defer_accept", "1", true },
	{ "tcp_keepalive", "1", true },
	{ "tcp_keepcnt", "0", true },
	{ "tcp_keepidle", "0", true },
	{ "tcp_keepintvl", "0", true },
	{ "tcp_socket_buffer", "0", true },
	{ "tcp_user_timeout", "0", true },
	{ "track_extra_parameters", "IntervalStyle", false },
	{ "transaction_timeout", "0", true },
	{ "unix_socket_dir", "/tmp", false },
	{ "unix_socket_group", "", false },
	{ "unix_socket_mode", "0777", false },
	{ "user", NULL, false },
	{ "verbose", NULL, true },
};

/* Ours can be changed without a restart where PgBouncer's cannot. */
static bool better_than_pgbouncer(const char *name)
{
	return strcmp(name, "disable_pqexec") == 0 || strcmp(name, "track_extra_parameters") == 0;
}

static bool same(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

Test(opt, has_every_pgbouncer_key_with_its_default)
{
	for (size_t i = 0; i < N(pgbouncer_keys); i++) {
		const struct opt *o = opt_find(pgbouncer_keys[i].name, OPT_GLOBAL);
		cr_assert_not_null(o, "%s", pgbouncer_keys[i].name);
		cr_assert_str_eq(o->name, pgbouncer_keys[i].name, "a row of its own");
		const char *d = opt_default(o, true);
		cr_expect(same(d, pgbouncer_keys[i].dflt), "%s: %s", o->name, d ? d : "NULL");
		bool changeable = pgbouncer_keys[i].changeable || better_than_pgbouncer(o->name);
		cr_expect_eq(o->apply != OPT_RESTART, changeable, "%s", o->name);
	}
}

Test(opt, per_database_and_user_keys_of_pgbouncer)
{
	static const char *const db[] = { "dbname", "host", "port", "user", "password", "auth_user",
		"auth_dbname", "auth_query", "client_encoding", "datestyle", "timezone",
		"application_name", "pool_size", "min_pool_size", "reserve_pool_size",
		"reserve_pool", "query_wait_timeout", "max_db_connections",
		"max_db_client_connections", "server_lifetime", "load_balance_hosts", "pool_mode",
		"connect_query" };
	static const char *const user[] = { "pool_mode", "pool_size", "reserve_pool_size",
		"max_user_connections", "max_user_client_connections", "query_timeout",
		"query_wait_timeout", "transaction_timeout", "idle_transaction_timeout",
		"client_idle_timeout" };
	for (size_t i = 0; i < N(db); i++)
		cr_expect_not_null(opt_find(db[i], OPT_DB), "%s", db[i]);
	for (size_t i = 0; i < N(user); i++)
		cr_expect_not_null(opt_find(user[i], OPT_USER), "%s", user[i]);
	cr_expect_null(opt_find("host", OPT_USER));
	cr_expect_null(opt_find("listen_port", OPT_DB));
	cr_expect_null(opt_find("host", OPT_GLOBAL));
}

Test(opt, the_table_is_sorted_and_documented)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		cr_assert(i == 0 || strcmp(opt_table[i - 1].name, o->name) <= 0,
			"%s is out of "
			"order",
			o->name);
		cr_assert(o->help && o->help[0], "%s", o->name);
		cr_assert_neq(o->scopes, 0U, "%s", o->name);
		cr_assert((o->type == OPT_ENUM) == (o->names != NULL), "%s", o->name);
		cr_assert((o->type == OPT_DURATION) == (o->unit_us != 0), "%s", o->name);
		cr_assert(o->apply != OPT_RESTART || o->scopes == OPT_GLOBAL, "%s", o->name);
		cr_assert(o->in != OPT_IN_DB || o->scopes == OPT_DB, "%s", o->name);
		cr_assert(o->in != OPT_IN_PEER || o->scopes == OPT_PEER, "%s", o->name);
		cr_assert(o->in != OPT_IN_GLOBAL || o->scopes == OPT_GLOBAL, "%s", o->name);
	}
}

Test(opt, each_name_means_one_row_per_scope)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		for (unsigned scope = OPT_GLOBAL; scope <= OPT_PEER; scope <<= 1) {
			if (!(o->scopes & scope))
				continue;
			cr_assert_eq(opt_find(o->name, scope), o, "%s", o->name);
			cr_assert_eq(opt_find(opt_name(o, scope), scope), o, "%s", o->name);
		}
	}
	cr_assert_eq(opt_find("reserve_pool", OPT_DB), opt_find("reserve_pool_size", OPT_GLOBAL));
	cr_assert_eq(opt_find("SSLMODE", OPT_DB), opt_find("server_tls_sslmode", OPT_GLOBAL));
	cr_assert_neq(opt_find("user", OPT_DB), opt_find("user", OPT_GLOBAL));
	cr_assert_null(opt_find("", OPT_GLOBAL));
	cr_assert_null(opt_find("pool_size,", OPT_DB));
}

Test(opt, every_default_parses_and_shows_as_itself)
{
	union {
		struct conf_global global;
		struct settings settings;
		struct conf_db db;
		struct conf_peer peer;
	} u;
	char why[200], tmp[40];
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		for (int pgb = 0; pgb < 2; pgb++) {
			struct opt_value v;
			const char *d = opt_default(o, pgb);
			if (d == NULL || o->in == OPT_IN_NOWHERE)
				continue;
			memset(&u, 0, sizeof(u));
			cr_assert_eq(
				opt_parse(o, d, &v, why, sizeof(why)), 0, "%s: %s", o->name, why);
			opt_store(o, &u, &v);
			if (o->type != OPT_BYTES)
				cr_assert_str_eq(
					opt_show(o, &u, tmp, sizeof(tmp)), d, "%s", o->name);
		}
	}
}

static int parse(const char *name, const char *text, int64_t *i_r)
{
	char why[300] = "";
	struct opt_value v = { .i = -77 };
	const struct opt *o = opt_find(name, OPT_GLOBAL);
	int rc = opt_parse(o, text, &v, why, sizeof(why));
	cr_assert_eq(rc == 0, why[0] == '\0', "%s", why);
	cr_assert(rc == 0 || strncmp(why, "must be ", 8) == 0, "%s", why);
	*i_r = v.i;
	return rc;
}

Test(opt, values_good_and_bad)
{
	static const struct {
		const char *name, *text;
		int64_t v; /* -1: refused */
	} t[] = {
		{ "log_stats", "1", 1 },
		{ "log_stats", "OFF", 0 },
		{ "log_stats", "true", 1 },
		{ "log_stats", "2", 1 },
		{ "log_stats", "-1", -1 },
		{ "log_stats", "1 1", -1 },
		{ "log_stats", "", -1 },
		{ "tcp_defer_accept", "45", 1 },
		{ "tcp_defer_accept", "-1", -1 },
		{ "default_pool_size", "0", 0 },
		{ "default_pool_size", "-1", -1 },
		{ "default_pool_size", "20 ", -1 },
		{ "default_pool_size", "99999999999999999999", -1 },
		{ "listen_port", "65535", 65535 },
		{ "listen_port", "65536", -1 },
		{ "listen_port", "0", -1 },
		{ "workers", "65", -1 },
		{ "query_timeout", "1.5", 1500000 },
		{ "query_timeout", "200ms", 200000 },
		{ "query_timeout", "2min", 120000000 },
		{ "query_timeout", "5 parsecs", -1 },
		{ "query_timeout", "-1", -1 },
		{ "query_timeout", "99999999999d", -1 },
		{ "query_timeout", "9999999999999", -1 },
		{ "tcp_user_timeout", "1500", 1500000 },
		{ "tcp_user_timeout", "2s", 2000000 },
		{ "stats_period", "0", -1 },
		{ "trace_sample", "0", 0 },
		{ "trace_sample", "1", 1000000 },
		{ "trace_sample", "1.0", 1000000 },
		{ "trace_sample", "0.25", 250000 },
		{ "trace_sample", ".000001", 1 },
		{ "trace_sample", "1.000001", -1 },
		{ "trace_sample", "0.0000001", -1 },
		{ "trace_sample", "2", -1 },
		{ "trace_sample", "-0.5", -1 },
		{ "trace_sample", "0.-5", -1 },
		{ "trace_sample", "1e-3", -1 },
		{ "trace_sample", "5%", -1 },
		{ "trace_sample", ".", -1 },
		{ "trace_sample", "", -1 },
		{ "max_packet_size", "1GB", 1 << 30 },
		{ "max_packet_size", "1", -1 },
		{ "max_packet_size", "16EB", -1 },
		{ "unix_socket_mode", "0770", 0770 },
		{ "unix_socket_mode", "999", -1 },
		{ "pool_mode", "Transaction", CONF_POOL_TRANSACTION },
		{ "pool_mode", "trans", -1 },
		{ "pool_mode", "session,transaction", -1 },
		{ "auth_type", "scram-sha-256", CONF_AUTH_SCRAM },
		{ "auth_type", "ldap", CONF_AUTH_LDAP },
		{ "server_tls_sslmode", "verify-full", CONF_TLS_VERIFY_FULL },
		{ "console_columns", "1.24", CONF_COLUMNS_1_24 },
		{ "log_format", "json", CONF_LOG_JSON },
		{ "client_tls_sslnegotiation", "direct", CONF_TLS_START_DIRECT },
		{ "server_tls_sslnegotiation", "any", -1 },
	};
	for (size_t i = 0; i < N(t); i++) {
		int64_t v;
		int rc = parse(t[i].name, t[i].text, &v);
		cr_expect_eq(rc, t[i].v == -1 ? -1 : 0, "%s=%s", t[i].name, t[i].text);
		cr_expect_eq(v, t[i].v == -1 ? -77 : t[i].v, "%s=%s: %lld", t[i].name, t[i].text,
			(long long)v);
	}
}

Test(opt, shows_as_pgbouncer_prints)
{
	struct settings s = { .query_timeout_us = 1500000,
		.server_lifetime_us = 100000,
		.max_packet_size_bytes = 2147483647 };
	struct conf_global g = {
		.tcp_user_timeout_us = 30000000, .unix_socket_mode = 0700, .log_stats = true
	};
	char tmp[40];
	static const struct {
		int v;
		const char *text;
	} fraction[] = { { 0, "0" }, { 1000000, "1" }, { 1, "0.000001" }, { 50000, "0.05" },
		{ 123456, "0.123456" } };
	for (size_t i = 0; i < N(fraction); i++) {
		s.trace_sample = fraction[i].v;
		cr_assert_str_eq(
			opt_show(opt_find("trace_sample", OPT_GLOBAL), &s, tmp, sizeof(tmp)),
			fraction[i].text);
	}
	cr_assert_str_eq(
		opt_show(opt_find("query_timeout", OPT_GLOBAL), &s, tmp, sizeof(tmp)), "1.5");
	cr_assert_str_eq(
		opt_show(opt_find("server_lifetime", OPT_GLOBAL), &s, tmp, sizeof(tmp)), "0.1");
	cr_assert_str_eq(opt_show(opt_find("max_packet_size", OPT_GLOBAL), &s, tmp, sizeof(tmp)),
		"2147483647");
	cr_assert_str_eq(
		opt_show(opt_find("tcp_user_timeout", OPT_GLOBAL), &g, tmp, sizeof(tmp)), "30000");
	cr_assert_str_eq(
		opt_show(opt_find("unix_socket_mode", OPT_GLOBAL), &g, tmp, sizeof(tmp)), "0700");
	cr_assert_str_eq(opt_show(opt_find("log_stats", OPT_GLOBAL), &g, tmp, sizeof(tmp)), "1");
}

Test(opt, a_secret_is_never_shown)
{
	struct conf_db db = { .password = "hunter2" };
	char tmp[40];
	const struct opt *o = opt_find("password", OPT_DB);
	cr_assert_str_eq(opt_show(o, &db, tmp, sizeof(tmp)), "****");
	db.password = "";
	cr_assert_str_eq(opt_show(o, &db, tmp, sizeof(tmp)), "");
}

Test(opt, distance_counts_edits_and_swaps)
{
	cr_assert_eq(opt_distance("", ""), 0);
	cr_assert_eq(opt_distance("abc", ""), 3);
	cr_assert_eq(opt_distance("abc", "ABC"), 0);
	cr_assert_eq(opt_distance("abc", "acb"), 1);
	cr_assert_eq(opt_distance("ca", "abc"), 3); /* no substring is edited twice */
	cr_assert_eq(opt_distance("pool_mod", "pool_mode"), 1);
	cr_assert_eq(opt_distance("kitten", "sitting"), 3);
	char longer[100];
	memset(longer, 'a', sizeof(longer) - 1);
	longer[99] = '\0';
	cr_assert_eq(opt_distance(longer, "a"), SIZE_MAX);
	longer[64] = '\0';
	cr_assert_eq(opt_distance(longer, longer), 0);
	cr_assert_eq(opt_distance(longer, ""), 64);
}

Test(opt, nearest_finds_what_was_meant)
{
	static const struct {
		const char *typed;
		unsigned scope;
		const char *meant;
	} t[] = {
		{ "pool_mod", OPT_GLOBAL, "pool_mode" },
		{ "max_client_con", OPT_GLOBAL, "max_client_conn" },
		{ "lisen_prot", OPT_GLOBAL, "listen_port" },
		{ "pool_sise", OPT_GLOBAL, "pool_size" },
		{ "hots", OPT_DB, "host" },
		{ "pool_szie", OPT_DB, "pool_size" },
		{ "xyzzy", OPT_GLOBAL, NULL },
		{ "", OPT_GLOBAL, NULL },
		{ "zz", OPT_PEER, NULL },
	};
	for (size_t i = 0; i < N(t); i++)
		cr_expect(same(opt_nearest(t[i].typed, t[i].scope), t[i].meant), "%s", t[i].typed);
}
