/* url: what libpq accepts, what it means for us, hostile URLs, and the URL to paste. */
#include "conf_try.h"

#include "base/buf.h"
#include "conf/url.h"

#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct attempt try_url(const char *url)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	try_keep(&t, conf_url_load(url, &t.conf, &m), &m);
	return t;
}

/* The URL to paste must be want. */
static void paste_is(const struct attempt *t, bool with_secret, const char *want)
{
	struct buf out;
	buf_init(&out, 0);
	conf_url_paste(t->conf, with_secret, &out);
	buf_put_u8(&out, 0);
	cr_expect_str_eq((const char *)buf_data(&out), want);
	buf_wipe(&out);
}

Test(url, is_told_from_a_file_name)
{
	cr_assert(conf_url_is("postgres://h/d"));
	cr_assert(conf_url_is("postgresql://"));
	cr_assert_not(conf_url_is("postgres:/h"));
	cr_assert_not(conf_url_is("/etc/weirpool.ini"));
	cr_assert(conf_url_is("mysql://h/d"));
	cr_assert(conf_url_is("mariadb://h/d"));
	cr_assert(conf_url_is("postgresql+asyncpg://u:p@h/d"));
	cr_assert_not(conf_url_is("./x://y"));
	cr_assert_not(conf_url_is("://h"));
	cr_assert_not(conf_url_is(""));
}

Test(url, the_common_one)
{
	struct attempt t = try_url(
		"postgres://alice:s3cret@db.example.net:5433/app?sslmode=require");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	const struct conf *c = t.conf;
	const struct conf_db *db = conf_db_find(c, "app");
	cr_assert_eq(c->dbs_n, 1U);
	cr_assert_str_eq(db->dbname, "app");
	cr_assert_str_eq(db->force_user, "alice");
	cr_assert_str_eq(db->password, "s3cret");
	cr_assert_eq(db->hosts_n, 1U);
	cr_assert_str_eq(db->hosts[0].host, "db.example.net");
	cr_assert_eq(db->hosts[0].port, 5433);
	cr_assert_str_eq(c->url_user, "alice");
	cr_assert_str_eq(c->url_password, "s3cret");
	cr_assert_eq(c->global.auth_type, CONF_AUTH_SCRAM);
	cr_assert_str_eq(c->global.listen_addr, "127.0.0.1");
	cr_assert_eq(c->global.listen_port, 6432);
	cr_assert_str_eq(c->global.admin_users, "alice");
	cr_assert_null(conf_db_find(c, "other"));
	struct settings s;
	conf_effective(c, db, NULL, &s);
	cr_assert_eq(s.pool_mode, CONF_POOL_TRANSACTION);
	cr_assert_eq(s.server_tls.mode, CONF_TLS_REQUIRE);
	cr_assert_eq(s.load_balance_hosts, CONF_BALANCE_DISABLE, "libpq's default: in their order");
	paste_is(&t, true, "postgres://alice:s3cret@127.0.0.1:6432/app");
	paste_is(&t, false, "postgres://alice:****@127.0.0.1:6432/app");
	try_end(&t);
}

Test(url, without_a_password_nobody_is_asked_for_one)
{
	struct attempt t = try_url("postgresql://bob@h/d");
	cr_assert_eq(t.conf->global.auth_type, CONF_AUTH_TRUST);
	cr_assert_str_eq(t.conf->global.admin_users, "", "trusted is not admin");
	cr_assert_str_eq(t.conf->global.listen_addr, "127.0.0.1");
	cr_assert_str_eq(t.conf->url_user, "");
	cr_assert_not_null(strstr(t.said, "URL: warning: there is no password"), "%s", t.said);
	paste_is(&t, true, "postgres://bob@127.0.0.1:6432/d");
	try_end(&t);
}

Test(url, parts_left_out)
{
	struct attempt t = try_url("postgres://");
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert(t.conf->dbs[0].is_auto, "any database");
	cr_assert_eq(t.conf->dbs[0].hosts[0].kind, CONF_HOST_UNIX);
	cr_assert_eq(t.conf->dbs[0].hosts[0].port, 5432);
	paste_is(&t, true, "postgres://127.0.0.1:6432/");
	try_end(&t);
	t = try_url("postgres://carol:x@");
	cr_assert_str_eq(t.conf->dbs[0].name, "carol", "libpq: the database is named as the user");
	try_end(&t);
	t = try_url("postgres:///d");
	cr_assert_eq(t.conf->dbs[0].hosts[0].kind, CONF_HOST_UNIX);
	cr_assert_str_eq(t.conf->dbs[0].name, "d");
	try_end(&t);
	t = try_url("postgres://h:/d?");
	cr_assert_eq(t.conf->dbs[0].hosts[0].port, 5432);
	try_end(&t);
}

Test(url, several_hosts_sockets_and_ipv6)
{
	struct attempt t = try_url("postgres://u:p@a:1,b,[::1]:3/d");
	const struct conf_db *db = conf_db_find(t.conf, "d");
	cr_assert_eq(db->hosts_n, 3U);
	cr_assert_str_eq(db->hosts[0].host, "a");
	cr_assert_eq(db->hosts[0].port, 1);
	cr_assert_str_eq(db->hosts[1].host, "b");
	cr_assert_eq(db->hosts[1].port, 5432);
	cr_assert_str_eq(db->hosts[2].host, "::1");
	cr_assert_eq(db->hosts[2].port, 3);
	try_end(&t);
	t = try_url("postgres://u:p@%2Fvar%2Frun%2Fpg:5433/d");
	db = conf_db_find(t.conf, "d");
	cr_assert_eq(db->hosts[0].kind, CONF_HOST_UNIX);
	cr_assert_str_eq(db->hosts[0].host, "/var/run/pg");
	cr_assert_eq(db->hosts[0].port, 5433);
	try_end(&t);
	t = try_url("postgres://u:p@/d?host=/tmp&port=7");
	db = conf_db_find(t.conf, "d");
	cr_assert_str_eq(db->hosts[0].host, "/tmp");
	cr_assert_eq(db->hosts[0].port, 7);
	try_end(&t);
	t = try_url("postgres://u:p@%40abstract/d");
	cr_assert_eq(conf_db_find(t.conf, "d")->hosts[0].kind, CONF_HOST_ABSTRACT);
	try_end(&t);
}

Test(url, percent_and_odd_characters)
{
	struct attempt t = try_url("postgres://al%40ice:p%3Aa%2Fs%25's%20w\"@h/my%20db%2F%27");
	cr_assert_not_null(t.conf, "%s", t.said);
	const struct conf_db *db = conf_db_find(t.conf, "my db/'");
	cr_assert_str_eq(db->force_user, "al@ice");
	cr_assert_str_eq(db->password, "p:a/s%'s w\"");
	cr_assert_str_eq(db->dbname, "my db/'");
	paste_is(&t, true,
		"postgres://al%40ice:p%3Aa%2Fs%25%27s%20w%22@127.0.0.1:6432/my%20db%2F%27");
	try_end(&t);
	t = try_url("postgres://u:a@b@h/d"); /* an @ that should have been escaped */
	cr_assert_str_eq(t.conf->url_password, "a@b");
	try_end(&t);
}

Test(url, parameters_of_libpq)
{
	struct attempt t = try_url(
		"postgres://h/d?user=u&password=p&application_name=app%20x&options=-c%20geqo%3Doff"
		"&connect_timeout=3&sslrootcert=/ca&sslcert=/c&sslkey=/k&sslmode=verify-full"
		"&sslnegotiation=direct&client_encoding=UTF8&keepalives=0&keepalives_idle=5"
		"&tcp_user_timeout=100&gssencmode=disable&channel_binding=prefer"
		"&target_session_attrs=any"
		"&load_balance_hosts=random&ssl_min_protocol_version=TLSv1.3"
		"&pool_size=7&listen_port=7000");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	const struct conf_db *db = conf_db_find(t.conf, "d");
	struct settings s;
	conf_effective(t.conf, db, NULL, &s);
	cr_assert_str_eq(db->force_user, "u");
	cr_assert_str_eq(t.conf->url_password, "p");
	cr_assert_str_eq(db->application_name, "app x");
	cr_assert_str_eq(db->options, "-c geqo=off");
	cr_assert_str_eq(db->client_encoding, "UTF8");
	cr_assert_eq(s.server_connect_timeout_us, 3000000);
	cr_assert_str_eq(s.server_tls.ca_file, "/ca");
	cr_assert_str_eq(s.server_tls.cert_file, "/c");
	cr_assert_str_eq(s.server_tls.key_file, "/k");
	cr_assert_eq(s.server_tls.mode, CONF_TLS_VERIFY_FULL);
	cr_assert_eq(s.server_tls.start, CONF_TLS_START_DIRECT);
	cr_assert_str_eq(s.server_tls.protocols, "tlsv1.3");
	cr_assert_eq(s.load_balance_hosts, CONF_BALANCE_ROUND_ROBIN);
	cr_assert_eq(s.pool_size, 7, "and ours");
	cr_assert_not(t.conf->global.tcp_keepalive);
	cr_assert_eq(t.conf->global.tcp_keepidle, 5);
	cr_assert_eq(t.conf->global.tcp_user_timeout_us, 100000);
	paste_is(&t, true, "postgres://u:p@127.0.0.1:7000/d");
	try_end(&t);
}

Test(url, more_parameters)
{
	struct settings s;
	struct attempt t = try_url(
		"postgres://u:p@h/d?sslrootcert=system&fallback_application_name=f");
	conf_effective(t.conf, &t.conf->dbs[0], NULL, &s);
	cr_assert_eq(s.server_tls.mode, CONF_TLS_VERIFY_FULL);
	cr_assert_str_eq(s.server_tls.ca_file, "");
	cr_assert_str_eq(t.conf->dbs[0].application_name, "f");
	try_end(&t);
	t = try_url("postgres://u:p@h/d?ssl=true&dbname=e");
	conf_effective(t.conf, &t.conf->dbs[0], NULL, &s);
	cr_assert_eq(s.server_tls.mode, CONF_TLS_REQUIRE);
	cr_assert_str_eq(t.conf->dbs[0].name, "e");
	try_end(&t);
	t = try_url("postgres://u:p@h/d?target_session_attrs=read-write");
	cr_assert_eq(t.warnings_n, 1U, "%s", t.said);
	try_end(&t);
	t = try_url("postgres://u:p@h/d?auth_type=trust&admin_users=root&listen_addr=*,10.0.0.1");
	cr_assert_eq(t.conf->global.auth_type, CONF_AUTH_TRUST, "what is asked for wins");
	cr_assert_str_eq(t.conf->global.admin_users, "root");
	paste_is(&t, false, "postgres://u:****@127.0.0.1:6432/d");
	try_end(&t);
	t = try_url("postgres://u:p@h/d?listen_addr=::1");
	paste_is(&t, false, "postgres://u:****@[::1]:6432/d");
	try_end(&t);
	t = try_url("postgres://u:p@h/d?listen_addr=");
	paste_is(&t, false, "postgres://u:****@%2Ftmp:6432/d");
	try_end(&t);
}

Test(url, mistakes)
{
	static const char *const t[][2] = {
		{ "http://h", "URL: a URL begins with postgres://" },
		{ "postgres://u:p@h/d?sslmod=require", "unknown parameter \"sslmod\", did you "
						       "mean \"sslmode\"?" },
		{ "postgres://u:p@h/d?target_sesion_attrs=any", "mean \"target_session_attrs\"?" },
		{ "postgres://u:p@h/d?keepalive_idle=1", "mean \"keepalives_idle\"?" },
		{ "postgres://u:p@h/d?gss_encmode=disable", "mean \"gssencmode\"?" },
		{ "postgres://u:p@h/d?dbnam=x", "mean \"dbname\"?" },
		{ "mysql://u:p@h/d?sslmode=1", "sslmode is \"1\", but must be one of" },
		{ "mysql://u:p@h/d?ssl_ca=x", "mean \"ssl-ca\"?" },
		{ "postgres://u:p@h/d?nothing_like_it=x", "unknown parameter "
							  "\"nothing_like_it\"" },
		{ "postgres://u:p@h/d?pool_mod=session", "unknown parameter \"pool_mod\", did "
							 "you mean \"pool_mode\"?" },
		{ "postgres://u:p@h/d?sslmode=requir", "did you mean \"require\"?" },
		{ "postgres://u:p@h/d?sslmode", "must be name=value pairs" },
		{ "postgres://u:p@h:0/d", "a port must be a number" },
		{ "postgres://u:p@h:x/d", "a port must be a number" },
		{ "postgres://u:p@h:65536/d", "a port must be a number" },
		{ "postgres://u:p@[::1/d", "an IPv6 address must be written" },
		{ "postgres://u:p@[::1]x/d", "an IPv6 address must be written" },
		{ "postgres://u:p@a,,b/d", "host 2 of the list is empty" },
		{ "postgres://u:p@a%20b/d", "a host cannot contain spaces" },
		{ "postgres://u%:p@h/d", "the user has a % that is not followed by" },
		{ "postgres://u:%zz@h/d", "the password has a %" },
		{ "postgres://u:p@h/d%0", "the name of the database has a %" },
		{ "postgres://u:p@h/d%00x", "the name of the database has a control character" },
		{ "postgres://:p@h/d", "there is a password but no user" },
		{ "postgres://u:p@h/pgbouncer", "is the admin console's" },
		{ "postgres://u:p@h/d/e", "the name of the database has a / or @ in it" },
		{ "postgres://u:p@h/d?replication=database", "the parameter replication is not "
							     "supported but for" },
		{ "postgres://u:p@h/d?service=x", "the parameter service is not supported" },
		{ "postgres://u:p@h/d?channel_binding=require", "the parameter channel_binding "
								"is not supported but for" },
		{ "postgres://u:p@h/d?listen_port=x", "listen_port is \"x\", but must be a "
						      "number" },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_url(t[i][0]);
		cr_expect_null(r.conf, "%s", t[i][0]);
		cr_expect_eq(r.errors_n, 1U, "%s gives %s", t[i][0], r.said);
		cr_expect_not_null(strstr(r.said, t[i][1]), "%s gives %s", t[i][0], r.said);
		try_end(&r);
	}
}

Test(url, no_message_shows_a_piece_of_the_password)
{
	static const char *const t[] = {
		"postgres://u:hunter2/more@h/d",
		"postgres://u:12/hunter2@h/d",
		"postgres://u:hunter2?x@h/d",
		"postgres://u:hunter2%@h/d",
		"postgres://u/hunter2@h/d",
		"postgres://u:hunter2",
		"postgres://u:hunter2@h/pgbouncer",
		"postgres://u:hunter2@h/d?x=1",
		"postgres://u:hunter2@h/d?password=%",
		"postgres://:hunter2@h/d",
		"postgres://u:p#hunter2:@h:x/d",
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_url(t[i]);
		cr_expect_null(r.conf, "%s", t[i]);
		cr_expect_null(strstr(r.said, "hunter2"), "%s gives %s", t[i], r.said);
		try_end(&r);
	}
}

Test(url, absurd_lengths)
{
	char *url = malloc(70000);
	memset(url, 'a', 70000);
	memcpy(url, "postgres://", 11);
	url[69999] = '\0';
	struct attempt t = try_url(url);
	cr_assert_not_null(strstr(t.said, "longer than"), "%s", t.said);
	try_end(&t);
	memset(url + 11, ',', 200);
	url[211] = '\0';
	t = try_url(url);
	cr_assert_not_null(strstr(t.said, "at most 64 hosts"), "%s", t.said);
	try_end(&t);
	free(url);
}

Test(url, reload_keeps_it)
{
	struct attempt t = try_url("postgres://u:p@h/d");
	struct conf *next = NULL;
	struct conf_msgs m = { 0 };
	cr_assert_eq(conf_reload(t.conf, &next, &m), 0);
	cr_assert_str_eq(next->url_password, "p");
	cr_assert_eq(m.n, 0U);
	conf_free(&t.conf);
	cr_assert_str_eq(next->dbs[0].password, "p");
	conf_free(&next);
	conf_msgs_fini(&m);
	try_end(&t);
}

Test(url, mysql)
{
	struct conf_listen ls[CONF_LISTENS_MAX];
	struct settings set;
	struct attempt t = try_url("mysql://bob:s%40c@db.example.net/app?ssl-mode=VERIFY_IDENTITY&"
				   "ssl-ca=/ca.pem&pool_size=3");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	const struct conf_db *db = conf_db_find_in(t.conf, "mysql", "app");
	cr_assert_str_eq(db->name, "app");
	cr_assert_str_eq(db->hosts[0].host, "db.example.net");
	cr_assert_eq(db->hosts[0].port, 3306);
	conf_effective(t.conf, db, NULL, &set);
	cr_assert_eq(set.server_tls.mode, CONF_TLS_VERIFY_FULL);
	cr_assert_str_eq(set.server_tls.ca_file, "/ca.pem");
	cr_assert_eq(set.pool_size, 3);
	cr_assert_eq(conf_listens(t.conf, ls), 2);
	cr_assert_str_eq(ls[0].addr, "", "nobody comes in by PostgreSQL's protocol");
	cr_assert_str_eq(ls[0].unix_path, "");
	cr_assert_str_eq(ls[1].addr, "127.0.0.1");
	paste_is(&t, true, "mysql://bob:s%40c@127.0.0.1:6033/app");
	paste_is(&t, false, "mysql://bob:****@127.0.0.1:6033/app");
	try_end(&t);
	t = try_url("mysql://bob:x@h1:3307,h2/");
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	db = &t.conf->dbs[0];
	cr_assert_eq(db->hosts[0].port, 3307);
	cr_assert_eq(db->hosts[1].port, 3306);
	try_end(&t);
	t = try_url("mysql://bob:x@/d?socket=/run/mysqld/mysqld.sock");
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	cr_assert_str_eq(t.conf->dbs[0].hosts[0].host, "/run/mysqld/mysqld.sock");
	cr_assert_eq(t.conf->dbs[0].hosts[0].port, 0);
	try_end(&t);
	t = try_url("mysql://bob:x@h/d?ssl-mode=maybe");
	cr_assert_null(t.conf);
	cr_assert(strstr(t.said, "ssl-mode must be DISABLED"), "%s", t.said);
	try_end(&t);
	t = try_url("mysql://bob:x@h/d?gssencmode=disable");
	cr_assert_null(t.conf, "that is libpq's");
	try_end(&t);
}
