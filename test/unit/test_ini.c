/* ini: the syntax of files, with every kind of mistake, includes, and hostile text. */
#include "conf_try.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *global_of(const struct attempt *t, const char *key)
{
	static struct conf_show r;
	for (unsigned i = 0; conf_show_next(t->conf, &i, &r);)
		if (strcmp(r.key, key) == 0)
			return r.value;
	return NULL;
}

Test(ini, comments_blanks_and_line_ends)
{
	struct attempt t = try_text("\xef\xbb\xbf; comment\r\n  # another\r\n\r\n"
				    "[weirpool] ; behind a header too\r\n"
				    "\tlogfile\t=\t/tmp/a ; not a comment # nor this  \r\n"
				    "listen_port=7000\n"
				    "pidfile =\n"
				    "auth_type = trust\n"
				    "[databases]\nx = host=h");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	cr_assert_str_eq(global_of(&t, "logfile"), "/tmp/a ; not a comment # nor this");
	cr_assert_str_eq(global_of(&t, "listen_port"), "7000");
	cr_assert_str_eq(global_of(&t, "pidfile"), "");
	cr_assert_not_null(conf_db_find(t.conf, "x"), "the last line needs no newline");
	try_end(&t);
}

Test(ini, values_beyond_what_inih_can)
{
	char text[12000], path[5000];
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	snprintf(
		text, sizeof(text), TRY_GOOD "logfile = /%s\njob_name = a:b = c [d] \"e\"\n", path);
	struct attempt t = try_text(text);
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_eq(strlen(t.conf->global.logfile), 5000U);
	cr_assert_str_eq(t.conf->global.job_name, "a:b = c [d] \"e\"");
	try_end(&t);
}

Test(ini, the_last_line_wins)
{
	struct attempt t = try_text(TRY_GOOD "default_pool_size = 5\npool_size = "
					     "6\ndefault_pool_size = 7\n"
					     "[users]\nu = pool_size=1 pool_size=2\n"
					     "[databases]\nx = host=old pool_size=3\nx = host=new\n"
					     "[weirpool]\nmin_pool_size = 1\n");
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	cr_assert_eq(t.conf->settings.pool_size, 7);
	cr_assert_eq(t.conf->settings.min_pool_size, 1, "a section may come again");
	const struct conf_db *db = conf_db_find(t.conf, "x");
	cr_assert_str_eq(db->hosts[0].host, "new");
	cr_assert_eq(db->over_n, 0U, "the whole entry is replaced");
	cr_assert_not_null(strstr(t.said, "t.ini:12: warning: database \"x\" was given before, "
					  "at t.ini:11"),
		"%s", t.said);
	struct settings s;
	conf_effective_names(t.conf, "x", "u", &s);
	cr_assert_eq(s.pool_size, 2);
	try_end(&t);
}

Test(ini, quoted_names)
{
	struct attempt t = try_text("[weirpool]\nauth_type = trust\n\"listen_port\" = "
				    "7001\n[databases]\n"
				    "\"a = \"\"b\"\" ; [c]\" = dbname='it''s # here' host=h\n"
				    "\"\xc3\xa4\" = host=h\n\xc3\xb6 = host=h\n");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	cr_assert_eq(t.conf->global.listen_port, 7001);
	const struct conf_db *db = conf_db_find(t.conf, "a = \"b\" ; [c]");
	cr_assert_not_null(db);
	cr_assert_str_eq(db->dbname, "it's # here");
	cr_assert_not_null(conf_db_find(t.conf, "\xc3\xa4"));
	cr_assert_not_null(conf_db_find(t.conf, "\xc3\xb6"));
	try_end(&t);
}

Test(ini, mistakes_of_syntax)
{
	static const char *const t[][2] = {
		{ "a = b\n" TRY_GOOD, "t.ini:1: this line is before the first section header" },
		{ TRY_GOOD "[weirpol]\nx = y\n", "t.ini:5: there is no section [weirpol], did "
						 "you mean [weirpool]?" },
		{ TRY_GOOD "[xyzzy]\nx = y\n", "t.ini:5: there is no section [xyzzy]; there are" },
		{ TRY_GOOD "[weirpool\n", "t.ini:5: a section header needs a ]" },
		{ TRY_GOOD "[weirpool] x\n", "t.ini:5: there must be nothing behind the ]" },
		{ TRY_GOOD "no value\n", "t.ini:5: there is no = in this line" },
		{ TRY_GOOD "a:b = c\n", "t.ini:5: a name with other characters" },
		{ TRY_GOOD "= c\n", "t.ini:5: a name with other characters" },
		{ TRY_GOOD "\"never ends = c\n", "t.ini:5: the quote at the start of this line "
						 "has no end" },
		{ TRY_GOOD "%include\n", "t.ini:5: %include needs the name" },
		{ TRY_GOOD "%include /nonexistent/x\n", "t.ini:5: cannot read /nonexistent/x: "
							"No such file" },
		{ TRY_GOOD "%include /\n", "t.ini:5: cannot read /: Is a directory" },
		{ TRY_GOOD "[pgbouncer]\n", "t.ini:5: both [weirpool] and [pgbouncer]" },
		{ "[pgbouncer]\n" TRY_GOOD, "t.ini:4: both [weirpool] and [pgbouncer]" },
	};
	for (size_t i = 0; i < N(t); i++)
		TRY_REFUSED(t[i][0], t[i][1]);
}

Test(ini, mistakes_of_options)
{
	static const char *const t[][2] = {
		{ TRY_GOOD "pool_mod = session\n", "t.ini:5: unknown option \"pool_mod\", did "
						   "you mean \"pool_mode\"?" },
		{ TRY_GOOD "xyzzy = 1\n", "t.ini:5: unknown option \"xyzzy\"\n" },
		{ TRY_GOOD "xyzzy = dbname=app host=h\n",
			"t.ini:5: unknown option \"xyzzy\": it looks like an entry, which belongs "
			"below [databases]" },
		{ TRY_GOOD "host = h\n", "t.ini:5: \"host\" belongs in an entry of [databases] "
					 "or [mysql_databases], not here" },
		{ TRY_GOOD "pool_mode = transction\n",
			"pool_mode is \"transction\", but must be one of: session, transaction, "
			"statement, did you mean \"transaction\"?" },
		{ TRY_GOOD "query_timeout = 5 ; seconds\n", "a comment must be a line of its own" },
		{ TRY_GOOD "listen_addr = 127.0.0.1 ; local\n", "a comment must be a line of "
								"its own" },
		{ TRY_GOOD "max_client_conn =\n", "max_client_conn is \"\", but must be a "
						  "number from 1" },
	};
	for (size_t i = 0; i < N(t); i++)
		TRY_REFUSED(t[i][0], t[i][1]);
}

Test(ini, mistakes_of_entries)
{
	static const char *const t[][2] = {
		{ TRY_GOOD "[databases]\na = host=h prt=1\n", "t.ini:6: unknown database option "
							      "\"prt\", did you mean \"port\"?" },
		{ TRY_GOOD "[databases]\na = listen_port=1\n", "\"listen_port\" belongs in "
							       "[weirpool] or [pgbouncer]" },
		{ TRY_GOOD "[databases]\nlisten_port = 1\n", "\"listen_port\" is an option of "
							     "[weirpool] or [pgbouncer]" },
		{ TRY_GOOD "[databases]\na = host='h\n", "must be name=value pairs" },
		{ TRY_GOOD "[databases]\na = host='h'port=1\n", "must be name=value pairs" },
		{ TRY_GOOD "[databases]\na = host\n", "must be name=value pairs" },
		{ TRY_GOOD "[databases]\na = =h\n", "must be name=value pairs" },
		{ TRY_GOOD "[databases]\na = host=h port=0\n", "port must be a number from 1 to "
							       "65535, but is \"0\"" },
		{ TRY_GOOD "[databases]\na = host=h port=65536\n", "port must be a number" },
		{ TRY_GOOD "[databases]\na = host=a,b port=1,2,3\n", "2 hosts but 3 ports" },
		{ TRY_GOOD "[databases]\na = host=a,,b\n", "host 2 of the list is empty" },
		{ TRY_GOOD "[databases]\na = host=@\n", "host must have 1 to" },
		{ TRY_GOOD "[databases]\na = host='a b'\n", "a host cannot contain spaces" },
		{ TRY_GOOD "unix_socket_dir =\n[databases]\na = port=1\n", "unix_socket_dir is "
									   "empty" },
		{ TRY_GOOD "[databases]\npgbouncer = host=h\n", "the name \"pgbouncer\" is the "
								"admin console's" },
		{ TRY_GOOD "[databases]\nweirpool = host=h\n", "the name \"weirpool\" is the "
							       "admin console's" },
		{ TRY_GOOD "[databases]\n\"\" = host=h\n", "must have 1 to 127 bytes, but has 0" },
		{ TRY_GOOD "[users]\nu = pool_mode=sesion\n", "did you mean \"session\"?" },
		{ TRY_GOOD "[users]\nu = password=x\n", "\"password\" belongs in an entry of "
							"[databases]" },
		{ TRY_GOOD "[users]\nu = pool_mode\n", "there is no = behind \"pool_mode\"" },
		{ TRY_GOOD "peer_id=1\n[peers]\n0 = host=h\n", "a peer is a number from 1 to "
							       "16383" },
		{ TRY_GOOD "peer_id=1\n[peers]\nx = host=h\n", "a peer is a number from 1 to "
							       "16383" },
		{ TRY_GOOD "peer_id=1\n[peers]\n1 = host=a,b\n", "peer 1 must have one host" },
		{ TRY_GOOD "peer_id=1\n[peers]\n1 = hots=a\n", "unknown peer option \"hots\", "
							       "did you mean \"host\"?" },
	};
	for (size_t i = 0; i < N(t); i++)
		TRY_REFUSED(t[i][0], t[i][1]);
}

Test(ini, a_name_too_long_is_refused)
{
	char text[400], name[129];
	memset(name, 'n', 128);
	name[128] = '\0';
	snprintf(text, sizeof(text), TRY_GOOD "[databases]\n%s = host=h\n", name);
	TRY_REFUSED(text, "must have 1 to 127 bytes, but has 128");
	snprintf(text, sizeof(text), TRY_GOOD "[users]\n%s = pool_size=1\n", name);
	TRY_REFUSED(text, "must have 1 to 127 bytes, but has 128");
	name[127] = '\0';
	snprintf(text, sizeof(text), TRY_GOOD "[databases]\n%s = host=h\n", name);
	struct attempt t = try_text(text);
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_str_eq(conf_db_find(t.conf, name)->name, name);
	try_end(&t);
}

Test(ini, every_mistake_is_told_in_the_order_of_lines)
{
	struct attempt t = try_text("[weirpool]\npool_mod = x\nbad line\nlisten_port = "
				    "0\n[databases]\na = hots=1\n");
	cr_assert_null(t.conf);
	cr_assert_eq(t.errors_n, 4U, "%s", t.said);
	const char *two = strstr(t.said, "t.ini:2:"), *three = strstr(t.said, "t.ini:3:");
	const char *four = strstr(t.said, "t.ini:4:"), *six = strstr(t.said, "t.ini:6:");
	cr_assert(two && two < three && three < four && four < six, "%s", t.said);
	try_end(&t);
}

Test(ini, thousands_of_mistakes_end_in_a_summary)
{
	char *text = malloc(100000);
	size_t n = (size_t)snprintf(text, 100000, "[weirpool]\n");
	for (int i = 0; i < 3000; i++)
		n += (size_t)snprintf(text + n, 100000 - n, "bad line\n");
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	cr_assert_eq(conf_load_text("t.ini", text, n, &conf, &m), -1);
	cr_assert_eq(m.n, 501U);
	cr_assert_geq(m.errors_n, 3000U);
	conf_msgs_fini(&m);
	free(text);
	cr_assert_eq(mem_live(MEM_CONF), 0U);
}

Test(ini, no_message_shows_a_password)
{
	static const char *const t[] = {
		TRY_GOOD "[databases]\na = host=h user=u password=hunter2 secret3\n",
		TRY_GOOD "[databases]\na = host=h user=u password='hunter2\n",
		TRY_GOOD "[databases]\na = host=h user=u password='hunter2'secret3\n",
		TRY_GOOD "[databases]\na = host=h user=u\n  password=hunter2\n",
		TRY_GOOD "[databases]\na = host=h user=u password=\n  hunter2\n",
		TRY_GOOD "[databases]\na = pasword=hunter2\n",
		TRY_GOOD "password = hunter2\n",
	};
	for (size_t i = 0; i < N(t); i++) {
		struct attempt r = try_text(t[i]);
		cr_expect_null(r.conf, "%s", t[i]);
		cr_expect(!strstr(r.said, "hunter2") && !strstr(r.said, "secret3"), "%s", r.said);
		try_end(&r);
	}
}

Test(ini, zero_bytes_and_control_characters)
{
	static const char text[] = TRY_GOOD "log\0file = x\njob_name = a\033[31mb\n";
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	cr_assert_eq(conf_load_text("t.ini", text, sizeof(text) - 1, &conf, &m), -1);
	cr_assert_eq(m.errors_n, 1U);
	cr_assert_eq(m.list[0].line, 5U);
	conf_msgs_fini(&m);
	cr_assert_eq(conf_load_text("t.ini", NULL, 0, &conf, &m), 0, "an empty file is a file");
	cr_assert_eq(conf->dbs_n, 0U);
	conf_free(&conf);
	conf_msgs_fini(&m);
}

/* ---- files ---- */

static char dir[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static struct attempt try_file(const char *name)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	try_keep(&t, conf_load(path, &t.conf, &m), &m);
	return t;
}

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_ini.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void)
{
	static const char *const names[] = { "main.ini", "a.ini", "b.ini", "loop.ini" };
	for (size_t i = 0; i < N(names); i++)
		(void)unlink(names[i]);
	cr_assert_eq(chdir("/"), 0);
	(void)rmdir(dir);
}

Test(ini_file, includes_and_places, .init = make_dir, .fini = remove_dir)
{
	write_file("main.ini", "[weirpool]\n%include a.ini\nlisten_port = 7000\nauth_type = "
			       "trust\n%include b.ini\n");
	write_file("a.ini", "; in the section of the one that includes\nmax_client_conn = "
			    "77\nlisten_port = 1\n");
	write_file("b.ini", "[databases]\nx = host=h pool_size=5\n");
	struct attempt t = try_file("main.ini");
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	cr_assert_eq(t.conf->global.max_client_conn, 77);
	cr_assert_eq(t.conf->global.listen_port, 7000, "what comes later wins");
	const struct conf_db *db = conf_db_find(t.conf, "x");
	cr_assert_str_eq(db->src.file, "b.ini");
	cr_assert_eq(db->src.line, 2U);
	cr_assert_eq(db->over[0].src.line, 2U);
	struct conf_show r;
	for (unsigned i = 0; conf_show_next(t.conf, &i, &r);) {
		if (strcmp(r.key, "max_client_conn") == 0) {
			cr_assert_str_eq(r.src.file, "a.ini");
			cr_assert_eq(r.src.line, 2U);
		}
		if (strcmp(r.key, "log_stats") == 0)
			cr_assert_null(r.src.file, "a default has no place");
	}
	try_end(&t);
}

Test(ini_file, the_section_goes_on_behind_an_include, .init = make_dir, .fini = remove_dir)
{
	write_file("main.ini", "[weirpool]\nauth_type = trust\n%include a.ini\ny = host=h\n");
	write_file("a.ini", "[databases]\nx = host=h\n");
	struct attempt t = try_file("main.ini");
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	cr_assert_str_eq(conf_db_find(t.conf, "y")->name, "y", "as in PgBouncer");
	try_end(&t);
}

Test(ini_file, mistakes_in_an_include_have_its_name, .init = make_dir, .fini = remove_dir)
{
	write_file("main.ini", TRY_GOOD "%include a.ini\npool_mod = x\n");
	write_file("a.ini", "\n\nlisten_prot = x\n");
	struct attempt t = try_file("main.ini");
	cr_assert_eq(t.errors_n, 2U, "%s", t.said);
	cr_assert_not_null(strstr(t.said, "a.ini:3: unknown option \"listen_prot\""), "%s", t.said);
	cr_assert_not_null(strstr(t.said, "main.ini:6: unknown option \"pool_mod\""), "%s", t.said);
	try_end(&t);
}

Test(ini_file, a_file_that_includes_itself, .init = make_dir, .fini = remove_dir, .timeout = 20)
{
	write_file("main.ini", TRY_GOOD "%include loop.ini\n");
	write_file("loop.ini", "%include loop.ini\n%include loop.ini\n%include "
			       "loop.ini\n%include loop.ini\n");
	struct attempt t = try_file("main.ini");
	cr_assert_null(t.conf);
	cr_assert_not_null(strstr(t.said, "does a file include itself?"), "%s", t.said);
	try_end(&t);
}

Test(ini_file, missing_and_unreadable, .init = make_dir, .fini = remove_dir)
{
	struct attempt t = try_file("main.ini");
	cr_assert_eq(t.errors_n, 1U);
	cr_assert_not_null(strstr(t.said, "main.ini: cannot read it: No such file"), "%s", t.said);
	try_end(&t);
	t = try_file(".");
	cr_assert_not_null(strstr(t.said, "cannot read it: Is a directory"), "%s", t.said);
	try_end(&t);
}

/* ---- PgBouncer's ---- */

Test(ini, an_unmodified_pgbouncer_file_loads)
{
	char path[512];
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	snprintf(path, sizeof(path), "%s/test/unit/data/pgbouncer.ini", getenv("srcdir"));
	try_keep(&t, conf_load(path, &t.conf, &m), &m);
	cr_assert_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	const struct conf *c = t.conf;
	cr_assert(c->is_pgbouncer);
	cr_assert_eq(c->settings.pool_mode, CONF_POOL_SESSION);
	cr_assert_eq(c->settings.pool_size, 25);
	cr_assert_str_eq(c->settings.server_reset_query, "");
	cr_assert_eq(c->global.max_client_conn, 100);
	cr_assert_eq(c->global.auth_type, CONF_AUTH_MD5);
	cr_assert_eq(c->global.shutdown_timeout_us, 0);
	cr_assert(c->global.tcp_defer_accept);
	cr_assert(conf_list_has(c->global.admin_users, "someadmin") &&
		  conf_list_has(c->global.admin_users, "otheradmin"));
	cr_assert_not(conf_list_has(c->global.admin_users, "admin"));
	const struct conf_db *db = conf_db_find(c, "foodb");
	cr_assert_eq(db->hosts[0].kind, CONF_HOST_UNIX);
	cr_assert_str_eq(db->hosts[0].host, "/var/run/postgresql");
	cr_assert_eq(db->hosts[0].port, 5432);
	db = conf_db_find(c, "forcedb");
	cr_assert_str_eq(db->force_user, "baz");
	cr_assert_str_eq(db->password, "foo");
	db = conf_db_find(c, "multi");
	cr_assert_eq(db->hosts_n, 2U);
	cr_assert_str_eq(db->hosts[1].host, "pg2");
	cr_assert_str_eq(conf_db_find(c, "odd name \"quoted\" ; = ")->dbname, "it's ; not # a "
									      "comment");
	db = conf_db_find(c, "abstract");
	cr_assert_eq(db->hosts[0].kind, CONF_HOST_ABSTRACT);
	cr_assert_str_eq(db->hosts[0].host, "pg");
	cr_assert(conf_db_find(c, "anything else")->is_auto);
	cr_assert_null(conf_db_find(c, "pgbouncer"), "the console is not a database");
	cr_assert_eq(conf_peer_find(c, 2)->port, 6433);
	cr_assert_eq(conf_peer_find(c, 1)->host.kind, CONF_HOST_UNIX);
	cr_assert_null(conf_peer_find(c, 3));
	try_end(&t);
}

/* Two kinds of databases side by side: what is found, what is refused, and who listens. */
Test(ini, mysql_databases)
{
	struct conf_listen ls[CONF_LISTENS_MAX];
	struct settings set;
	struct attempt t = try_text(
		"[weirpool]\nauth_type = trust\nlisten_addr = ::1\nserver_reset_query = SELECT 1\n"
		"[databases]\na = host=h\n* = host=h\n[mysql_databases]\nb = host=m\n"
		"c = host=/run/my.sock,n connect_query='SELECT 2'\n* = host=o dbname=d\n");
	cr_assert_not_null(t.conf, "%s", t.said);
	const struct conf_db *b = conf_db_find_in(t.conf, "mysql", "b");
	cr_assert_str_eq(b->name, "b");
	cr_assert_eq(b->hosts[0].port, 3306);
	cr_assert_eq(conf_db_find(t.conf, "b"), b);
	cr_assert_str_eq(conf_db_find_in(t.conf, "mysql", "a")->hosts[0].host, "o", "not h");
	cr_assert_str_eq(conf_db_find_in(t.conf, "postgresql", "b")->hosts[0].host, "h");
	cr_assert_str_eq(conf_db_find(t.conf, "z")->hosts[0].host, "h");
	cr_assert_str_eq(conf_db_only(t.conf, "mysql")->hosts[0].host, "o");
	cr_assert_null(conf_db_find_in(t.conf, "mysql", "weirpool"), "the console's");
	const struct conf_db *c = conf_db_find_in(t.conf, "mysql", "c");
	cr_assert_eq(c->hosts[0].port, 0, "the path is the socket's");
	cr_assert_eq(c->hosts[1].port, 3306);
	conf_effective(t.conf, c, NULL, &set);
	cr_assert_str_eq(set.server_reset_query, "", "the global one is PostgreSQL's");
	cr_assert_str_eq(set.connect_query, "SELECT 2");
	conf_effective(t.conf, conf_db_find(t.conf, "a"), NULL, &set);
	cr_assert_str_eq(set.server_reset_query, "SELECT 1");
	cr_assert_eq(conf_listens(t.conf, ls), 2);
	cr_assert_str_eq(ls[1].kind->name, "mysql");
	cr_assert_str_eq(ls[1].addr, "::1");
	cr_assert_eq(ls[1].port, 6033);
	try_end(&t);
	t = try_text("[weirpool]\nauth_type = trust\n[databases]\na = host=h\n[mysql_databases]\n"
		     "a = host=m\n");
	cr_assert_null(t.conf);
	cr_assert(strstr(t.said, "t.ini:6: database \"a\" is in section [databases] too"), "%s",
		t.said);
	try_end(&t);
	t = try_text("[weirpool]\nauth_type = trust\n[databases]\na = host=h\n");
	cr_assert_eq(conf_listens(t.conf, ls), 1, "nobody to serve there");
	cr_assert_null(conf_db_only(t.conf, "mysql"));
	try_end(&t);
}
