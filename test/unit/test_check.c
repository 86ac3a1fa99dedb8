/* check: options that do not fit together, and files that cannot be read. */
#include "conf_try.h"

#include <stdlib.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(check, combinations_that_cannot_work)
{
	static const char *const t[][2] = {
		{ TRY_GOOD "client_tls_sslmode = require\n",
			"t.ini:5: client_tls_sslmode needs client_tls_cert_file and "
			"client_tls_key_file; client_tls_cert_file is not" },
		{ TRY_GOOD "client_tls_cert_file = c\nclient_tls_sslmode = allow\n",
			"client_tls_key_file is not set" },
		{ TRY_GOOD "client_tls_cert_file = c\nclient_tls_key_file = "
			   "k\nclient_tls_sslmode = verify-ca\n",
			"t.ini:7: client_tls_sslmode=verify-... needs client_tls_ca_file" },
		{ TRY_GOOD "client_tls_protocols = tlsv1.4\n", "t.ini:5: client_tls_protocols "
							       "knows" },
		{ TRY_GOOD "server_tls_protocols = secure,sslv3\n", "t.ini:5: "
								    "server_tls_protocols knows" },
		{ TRY_GOOD "client_tls_dheparams = x\n", "must be auto, none or legacy" },
		{ TRY_GOOD "server_tls_cert_file = c\n", "server_tls_key_file is not set" },
		{ TRY_GOOD "server_tls_key_file = c\n", "server_tls_cert_file is not set" },
		{ TRY_GOOD "server_tls_sslnegotiation = direct\n", "needs "
								   "server_tls_sslmode=require" },
		{ TRY_GOOD "[databases]\na = host=h sslnegotiation=direct sslmode=prefer\n",
			"t.ini:6: server_tls_sslnegotiation" },
		{ TRY_GOOD "[databases]\na = host=h server_tls_protocols=x\n",
			"t.ini:6: "
			"server_tls_protocols knows" },
		{ TRY_GOOD "auth_type = hba\n", "t.ini:5: auth_type=hba needs auth_hba_file" },
		{ TRY_GOOD "auth_type = cert\n", "auth_type=cert needs "
						 "client_tls_sslmode=verify-full" },
		{ TRY_GOOD "auth_type = ldap\n", "auth_type=ldap needs auth_ldap_options" },
		{ TRY_GOOD "listen_port_ro = 6432\n",
			"listen_port_ro and listen_port are both 6432" },
		{ TRY_GOOD "listen_port_ro = 7\nlisten_port_rw = 7\n",
			"listen_port_ro and listen_port_rw are both 7" },
		{ TRY_GOOD "http_port = 9127\nhttp_listen_addr = 127.0.0.1,10.0.0.1\n",
			"t.ini:6: http_listen_addr=127.0.0.1,10.0.0.1 lets other machines in: set "
			"http_token or http_tls_ca_file" },
		{ TRY_GOOD "http_port = 9127\nhttp_listen_addr = *\n", "lets other machines in" },
		{ TRY_GOOD "http_port = 9127\nhttp_listen_addr = *\nhttp_commands = 1\nhttp_token "
			   "= 0123456789abcdef\n",
			"http_commands=1 is for http_listen_addr=127.0.0.1 only" },
		{ TRY_GOOD "http_token = short\n", "http_token needs at least 16 characters" },
		{ TRY_GOOD "http_tls_cert_file = c\n", "http_tls_key_file is not set" },
		{ TRY_GOOD "http_tls_ca_file = c\n", "http_tls_ca_file needs http_tls_cert_file" },
		{ TRY_GOOD "http_unix_socket = here\n", "http_unix_socket must start with /" },
		{ TRY_GOOD "http_port = 6432\n", "http_port and listen_port are both 6432" },
		{ TRY_GOOD "syslog_facility = mail\n", "syslog_facility must be" },
		{ TRY_GOOD "otlp_tls_cert_file = c\n", "otlp_tls_key_file is not set" },
		{ TRY_GOOD "patroni_tls_key_file = c\n", "patroni_tls_cert_file is not set" },
		{ TRY_GOOD "otlp_tls_sslmode = prefer\n", "otlp_tls_sslmode" },
		{ TRY_GOOD "otlp_endpoint = localhost:4318\n",
			"t.ini:5: otlp_endpoint must be a URL as http://" },
		{ TRY_GOOD "otlp_headers = api-key=1,Bearer hunter2\n",
			"t.ini:5: otlp_headers must be name=value,name=value, and number 2" },
		{ TRY_GOOD "[mysql_databases]\na = host=h server_state_tracking=off\n",
			"t.ini:6: database \"a\": server_state_tracking=off is for PostgreSQL" },
		{ TRY_GOOD "unix_socket_dir = tmp\n", "unix_socket_dir must start with /" },
		{ TRY_GOOD "unix_socket_dir = "
			   "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
			"unix_socket_dir is too long" },
	};
	for (size_t i = 0; i < N(t); i++)
		TRY_REFUSED(t[i][0], t[i][1]);
}

/* Loads, with one warning that contains what. */
static void warns(const char *text, const char *what)
{
	struct attempt t = try_text(text);
	cr_expect_not_null(t.conf, "%s gives %s", text, t.said);
	cr_expect_eq(t.warnings_n, 1U, "%s gives %s", text, t.said);
	cr_expect_not_null(strstr(t.said, what), "%s gives %s", text, t.said);
	try_end(&t);
}

Test(check, combinations_that_are_doubtful)
{
	static const char *const t[][2] = {
		{ "[weirpool]\nauth_type = trust\n", "t.ini: warning: there is no database" },
		{ TRY_GOOD "otlp_endpoint = http://h/\notlp_tls_ca_file = c\n",
			"t.ini:6: warning: otlp_tls_ca_file has no effect" },
		{ TRY_GOOD "auth_type = md5\n", "t.ini:5: warning: nobody can log in: "
						"auth_type=md5 needs auth_file" },
		{ TRY_GOOD "auth_type = any\n", "t.ini:2: warning: auth_type=any: nobody can "
						"use database \"*\"" },
		{ TRY_GOOD "listen_addr =\nunix_socket_dir =\n", "are both empty" },
		{ TRY_GOOD "drain_delay = 60\n", "drain_delay leaves nothing of shutdown_timeout" },
		{ TRY_GOOD "http_port = 9127\nhttp_listen_addr = *\nhttp_token = "
			   "0123456789abcdef\n",
			"http_token goes over the network as plain text" },
		{ TRY_GOOD "min_pool_size = 5\npool_size = 5\n[databases]\na = host=h "
			   "pool_size=2\n",
			"t.ini:8: warning: database \"a\": min_pool_size is 5, but pool_size "
			"only 2" },
		{ TRY_GOOD "relisten = 1\npool_mode = session\n",
			"t.ini:5: warning: relisten has no effect with pool_mode=session" },
		{ TRY_GOOD "[databases]\na = host=h pool_mode=session relisten=1\n",
			"t.ini:6: warning: database \"a\": relisten has no effect" },
		{ TRY_GOOD "[databases]\na = host=localhost port=6432\n", "leads to weirpool's "
									  "own port 6432" },
		{ TRY_GOOD "[databases]\na = port=6432\n", "leads to weirpool's own port 6432" },
		{ TRY_GOOD "[databases]\na = host=h password=x\n", "has password= but no user=" },
		{ TRY_GOOD "[peers]\n1 = host=h\n", "t.ini:6: warning: [peers] without peer_id" },
		{ TRY_GOOD "[users]\nu = pool_size=1\nu = pool_size=2\n", "user \"u\" was given "
									  "before" },
	};
	for (size_t i = 0; i < N(t); i++)
		warns(t[i][0], t[i][1]);
}

Test(check, what_is_fine)
{
	static const char *const t[] = {
		TRY_GOOD "auth_type = md5\nauth_file = f\n",
		TRY_GOOD "auth_type = scram-sha-256\n[databases]\nx = host=h auth_user=u\n",
		TRY_GOOD "client_tls_sslmode = verify-full\nclient_tls_cert_file = "
			 "c\nclient_tls_key_file = k\n"
			 "client_tls_ca_file = a\nauth_type = cert\nclient_tls_protocols = "
			 "TLSv1.2, tlsv1.3\n",
		TRY_GOOD "client_tls_protocols = all:!tlsv1.0\n",
		TRY_GOOD "unix_socket_dir = @weirpool\n[databases]\nx = host=/tmp port=6432\n",
		TRY_GOOD "syslog_facility = local7\n",
		TRY_GOOD "server_state_tracking = off\n[mysql_databases]\nm = host=h\n",
		TRY_GOOD "listen_port = 5432\n[databases]\nx = host=db.example.net port=5432\n",
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_text(t[i]);
		cr_expect_eq(r.errors_n + r.warnings_n, 0U, "%s gives %s", t[i], r.said);
		try_end(&r);
	}
}

/* What can be written to, or is made by somebody else, is no mistake. */
Test(check, files_that_are_fine)
{
	struct attempt t = try_text(
		TRY_GOOD "logfile = /tmp/l\npidfile = here.pid\nunix_socket_dir = /tmp\n"
			 "http_unix_socket = @abstract\nauth_file = /etc/passwd\n"
			 "[clusters]\nc = host=h probe_user=p switchover_command=/bin/true\n");
	struct conf_msgs m = { 0 };
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_expect_eq(conf_check_files(t.conf, &m), 0);
	cr_expect_eq(m.n, 0U);
	conf_msgs_fini(&m);
	try_end(&t);
}

Test(check, files_that_cannot_be_read)
{
	struct attempt t = try_text(TRY_GOOD "auth_file = /nonexistent/u\nclient_tls_ca_file = "
					     "/etc/passwd\n"
					     "logfile = /nonexistent/l\npidfile = /nonexistent/p\n"
					     "[databases]\nd = host=h sslrootcert=/nonexistent/ca\n"
					     "[clusters]\nc = host=h probe_user=p "
					     "switchover_command='/nonexistent/move it'\n");
	static const char *const want[] = {
		"t.ini:5: auth_file: cannot read /nonexistent/u: No such file or directory",
		"t.ini:7: warning: logfile: nothing can be written to the directory "
		"/nonexistent: No such file or directory",
		"t.ini:8: warning: pidfile: nothing can be written to the directory "
		"/nonexistent: No such file or directory",
		"t.ini:10: server_tls_ca_file: cannot read /nonexistent/ca: No such file or "
		"directory",
		"t.ini:12: warning: cluster \"c\": switchover_command: cannot run "
		"/nonexistent/move: No such file or directory",
	};
	struct conf_msgs m = { 0 };
	char line[500];
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_eq(conf_check_files(t.conf, &m), -1);
	cr_assert_eq(m.n, N(want));
	for (size_t i = 0; i < N(want); i++)
		cr_expect_str_eq(conf_msg_format(&m.list[i], line, sizeof(line)), want[i]);
	conf_msgs_fini(&m);
	try_end(&t);
}
