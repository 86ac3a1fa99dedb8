/* check_texts: values that have a form of their own. */
#include "conf_try.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define CLUSTER TRY_GOOD "[clusters]\nm = host=a,b probe_user=p "

Test(check_texts, nonsense)
{
	static const char *const t[][2] = {
		{ CLUSTER "patroni=:8008\n",
			"t.ini:6: cluster \"m\": patroni: \":8008\" is no URL of Patroni's REST "
			"API, as http://db1:8008" },
		{ CLUSTER "patroni=http://\n", "\"http://\" is no URL" },
		{ CLUSTER "patroni=http://:8008\n", "\"http://:8008\" is no URL" },
		{ CLUSTER "patroni=http://a:8008,db:8008\n", "\"db:8008\" is no URL" },
		{ CLUSTER "patroni=https://a:8008/x\n", "\"https://a:8008/x\" is no URL" },
		{ CLUSTER "patroni=http://a:99999\n", "is no URL" },
		{ CLUSTER "patroni=http://a/x\n", "is no URL" },
		{ CLUSTER "patroni='http://a:1 http://b:1'\n", "separated by commas" },
		{ CLUSTER "patroni=,\n", "patroni is \",\", but must be a list with commas" },
		{ CLUSTER "patroni=http://a:1,http://a:2,http://a:3,http://a:4,http://a:5,"
			  "http://a:6,http://a:7,http://a:8,http://a:9,http://a:10,http://a:11,"
			  "http://a:12,http://a:13,http://a:14,http://a:15,http://a:16,"
			  "http://a:17,http://a:18,http://a:19,http://a:20,http://a:21,"
			  "http://a:22,http://a:23,http://a:24,http://a:25,http://a:26,"
			  "http://a:27,http://a:28,http://a:29,http://a:30,http://a:31,"
			  "http://a:32,http://a:33,http://a:34,http://a:35\n",
			"patroni has 35 URLs, but there can be at most" },
		{ TRY_GOOD "[databases]\na = host=db:5432\n",
			"t.ini:6: database \"a\": host \"db:5432\" is no name or address (a port "
			"has an option of its own)" },
		{ TRY_GOOD "[databases]\na = host=http://db\n", "\"http://db\" is no name" },
		{ TRY_GOOD "[databases]\na = host=db/x\n", "\"db/x\" is no name or address" },
		{ TRY_GOOD "[databases]\na = host=db;x\n", "is no name or address" },
		{ TRY_GOOD "[databases]\na = host=10.0.0.300\n", "is no name or address" },
		{ TRY_GOOD "[databases]\na = host=a,fe80::g\n", "\"fe80::g\" is no name" },
		{ TRY_GOOD "[clusters]\nm = host=a:1,b probe_user=p\n", "\"a:1\" is no name" },
		{ TRY_GOOD "peer_id = 1\n[peers]\n2 = host=x:6432\n", "peer 2: host \"x:6432\"" },
		{ TRY_GOOD "listen_addr = 127.0.0.1 ::1\n",
			"t.ini:5: listen_addr: \"127.0.0.1 ::1\" is no name or address" },
		{ TRY_GOOD "listen_addr = 127.0.0.1:6432\n", "listen_addr: \"127.0.0.1:6432\"" },
		{ TRY_GOOD "listen_addr = 127.0.0.1,10.0.0.300\n", "listen_addr: \"10.0.0.300\"" },
		{ TRY_GOOD "listen_addr = ,\n", "must be a list with commas" },
		{ TRY_GOOD "mysql_listen_addr = 1.2.3.4.5\n", "mysql_listen_addr: \"1.2.3.4.5\"" },
		{ TRY_GOOD "http_listen_addr = http://x\n", "http_listen_addr: \"http://x\"" },
		{ TRY_GOOD "syslog_socket = dev/log\n", "syslog_socket must start with /" },
		{ TRY_GOOD "mysql_unix_socket = here\n", "mysql_unix_socket must start with /" },
		{ TRY_GOOD "http_unix_socket = "
			   "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
			"http_unix_socket is too long" },
		{ TRY_GOOD "mysql_server_version = eight\n",
			"mysql_server_version must begin with a number" },
		{ TRY_GOOD "proxy_protocol_networks = ,\n", "must be a list with commas" },
		{ TRY_GOOD "[rules]\nr = user=, block=no\n", "must be a list with commas" },
	};
	for (size_t i = 0; i < N(t); i++)
		TRY_REFUSED(t[i][0], t[i][1]);
}

Test(check_texts, what_has_no_effect)
{
	static const char *const t[][2] = {
		{ TRY_GOOD "ignore_startup_parameters = extra_float_digits search_path\n",
			"t.ini:5: warning: ignore_startup_parameters: \"extra_float_digits "
			"search_path\" is no name of a parameter; several are separated by "
			"commas" },
		{ TRY_GOOD "track_extra_parameters = a;b\n", "is no name of a parameter" },
		{ TRY_GOOD "auth_query = select 1\n", "t.ini:5: warning: auth_query does not" },
		{ TRY_GOOD "[databases]\na = host=h auth_query='select 2'\n",
			"t.ini:6: warning: auth_query does not ask for $1" },
		{ CLUSTER "zone=x\n", "t.ini:6: warning: cluster \"m\": zone has no effect" },
		{ CLUSTER "zone=x zones=y,z\n", "no server is in zone \"x\"" },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_text(t[i][0]);
		cr_expect_not_null(r.conf, "%s gives %s", t[i][0], r.said);
		cr_expect_eq(r.warnings_n, 1U, "%s gives %s", t[i][0], r.said);
		cr_expect_not_null(strstr(r.said, t[i][1]), "%s gives %s", t[i][0], r.said);
		try_end(&r);
	}
}

Test(check_texts, what_is_fine)
{
	static const char *const t[] = {
		CLUSTER "patroni=http://a:8008,http://[::1]:8008/\n",
		CLUSTER "patroni=http://lb:8008 zone=x zones=x,y\n",
		TRY_GOOD "[databases]\na = host=db-1.example_x.com,127.0.0.1,::1,[fe80::1%eth0],"
			 "b\xc3\xbc.de,/run/pg,@abstract,1host\n",
		TRY_GOOD "listen_addr = *\nmysql_listen_addr = none\n",
		TRY_GOOD "listen_addr = localhost, ::1,127.0.0.1,\n",
		TRY_GOOD "ignore_startup_parameters = extra_float_digits, search_path,\n",
		TRY_GOOD "mysql_server_version = 5.5.5-10.11.6-MariaDB\n",
		TRY_GOOD "auth_query = select usename, passwd from pg_shadow where usename=$1\n",
		TRY_GOOD "admin_users =\nstats_users = a b\nsyslog_socket = @log\n",
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_text(t[i]);
		cr_expect_eq(r.errors_n + r.warnings_n, 0U, "%s gives %s", t[i], r.said);
		try_end(&r);
	}
}
