/* places: options from the environment and the command line over those of the file, and ${...} in
 * files. */
#include "conf_try.h"

#include "base/buf.h"
#include "base/err.h"
#include "conf/places.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

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

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_places.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void)
{
	static const char *const names[] = { "main.ini", "a.ini", "secret", "new" };
	for (size_t i = 0; i < N(names); i++)
		(void)unlink(names[i]);
	cr_assert_eq(chdir("/"), 0);
	(void)rmdir(dir);
}

#define ENV(...) ((char *const[]){ __VA_ARGS__, NULL })

/* What env says, then flags, then the target (each may be NULL). */
static struct attempt try_places(
	struct conf_places *p, char *const *env, const char *flag, const char *target)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	if (env)
		conf_places_env(p, env, &m);
	if (flag)
		cr_assert(conf_places_flag(p, flag, &m), "%s", flag);
	if (target)
		conf_places_target(p, target, &m);
	unsigned before = m.errors_n;
	int rc = conf_load_places(p, &t.conf, &m);
	if (rc == 0 && before) {
		conf_free(&t.conf);
		rc = -1;
	}
	try_keep(&t, rc, &m);
	return t;
}

/* The value of a global option and where it is from must be these. */
static void is_from(const struct attempt *t, const char *key, const char *value, const char *from)
{
	struct conf_show s;
	char tmp[300];
	cr_assert_not_null(t->conf, "%s", t->said);
	for (unsigned i = 0; conf_show_next(t->conf, &i, &s);) {
		if (strcmp(s.key, key) != 0)
			continue;
		cr_expect_str_eq(s.value, value, "%s", key);
		cr_expect_str_eq(conf_src_text(&s.src, tmp, sizeof(tmp)), from, "%s", key);
		return;
	}
	cr_assert_fail("no option %s", key);
}

Test(places, flag_over_environment_over_file_over_default, .init = make_dir, .fini = remove_dir)
{
	struct conf_places p = { 0 };
	write_file("main.ini", TRY_GOOD "pool_size = 1\nmax_client_conn = 11\nquery_timeout = 9\n");
	struct attempt t = try_places(&p,
		ENV("PATH=/bin", "WEIRPOOL_POOL_SIZE=2", "WEIRPOOL_MAX_CLIENT_CONN=12"),
		"--pool-size=3", "main.ini");
	is_from(&t, "default_pool_size", "3", "--pool-size");
	is_from(&t, "max_client_conn", "12", "WEIRPOOL_MAX_CLIENT_CONN");
	is_from(&t, "query_timeout", "9", "main.ini:7");
	is_from(&t, "listen_backlog", "1024", "default");
	cr_expect_eq(t.errors_n + t.warnings_n, 0U, "%s", t.said);
	conf_free(&t.conf);
	conf_places_fini(&p);
	try_end(&t);
}

Test(places, do_not_choose_the_defaults, .init = make_dir, .fini = remove_dir)
{
	struct conf_places p = { 0 };
	write_file("main.ini", "[databases]\n* = host=h\n[pgbouncer]\nauth_type = trust\n");
	struct attempt t = try_places(&p, ENV("WEIRPOOL_POOL_SIZE=2"), "--log_stats", "main.ini");
	is_from(&t, "max_client_conn", "100", "default");
	is_from(&t, "default_pool_size", "2", "WEIRPOOL_POOL_SIZE");
	is_from(&t, "log_stats", "1", "--log_stats");
	conf_free(&t.conf);
	conf_places_fini(&p);
	try_end(&t);
}

Test(places, every_global_option_has_a_flag_and_a_variable)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		struct conf_places p = { 0 };
		struct conf_msgs m = { 0 };
		char flag[100], env[100], *const list[] = { env, NULL };
		if (!(o->scopes & OPT_GLOBAL))
			continue;
		snprintf(flag, sizeof(flag), "--%s=x", o->name);
		snprintf(env, sizeof(env), "WEIRPOOL_%s=x", o->name);
		for (char *c = flag + 2; *c; c++)
			*c = *c == '_' ? '-' : *c;
		for (char *c = env; *c != '='; c++)
			*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
		conf_places_env(&p, list, &m);
		cr_expect_eq(p.n, 1U, "%s", env);
		cr_expect(conf_places_flag(&p, flag, &m), "%s", flag);
		cr_expect_eq(p.n, 2U, "%s", flag);
		cr_expect_eq(p.list[0].opt, p.list[1].opt, "%s", flag);
		cr_expect_eq(m.n, 0U, "%s", env);
		conf_msgs_fini(&m);
		conf_places_fini(&p);
	}
	cr_assert_eq(mem_live(MEM_CONF), 0U);
}

Test(places, names_that_are_none)
{
	static const struct {
		const char *env, *says;
		bool error;
	} rows[] = {
		{ "WEIRPOOL_POOL_SIEZ=3", "did you mean WEIRPOOL_POOL_SIZE?", true },
		{ "WEIRPOOL_MAX_CLIENT_CON=3", "did you mean WEIRPOOL_MAX_CLIENT_CONN?", true },
		{ "WEIRPOOL_NOTHING_LIKE_IT=3", "no option is called so", false },
		{ "WEIRPOOL_PORT=tcp://10.0.0.1:6432", NULL, false }, /* Kubernetes' own */
		{ "WEIRPOOL_PORT_6432_TCP_ADDR=10.0.0.1", NULL, false },
		{ "WEIRPOOL_SERVICE_HOST=10.0.0.1", NULL, false },
		{ "WEIRPOOL_SERVICE_PORT_PG=6432", NULL, false },
		{ "WEIRPOOL_AUTH_HELPER=/x", NULL, false },
		{ "POOL_SIZE=3", NULL, false },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct conf_places p = { 0 };
		struct conf_msgs m = { 0 };
		char env[100], *const list[] = { env, NULL };
		snprintf(env, sizeof(env), "%s", rows[i].env);
		conf_places_env(&p, list, &m);
		cr_expect_eq(p.n, 0U, "%s", env);
		cr_expect_eq(m.n, rows[i].says ? 1U : 0U, "%s", env);
		if (m.n == 1) {
			cr_expect_eq(m.errors_n, rows[i].error ? 1U : 0U, "%s", env);
			cr_expect_not_null(strstr(m.list[0].text, rows[i].says), "%s: %s", env,
				m.list[0].text);
		}
		conf_msgs_fini(&m);
		conf_places_fini(&p);
	}
	cr_expect_not(conf_places_flag(&(struct conf_places){ 0 }, "--pool-siez=3", NULL));
	cr_expect_str_eq(conf_places_nearest("--pool-siez=3"), "pool_size");
	cr_expect_null(conf_places_nearest("--nothing-like-it"));
}

Test(places, values_in_files, .init = make_dir, .fini = remove_dir)
{
	struct conf_places p = { 0 };
	write_file("main.ini", TRY_GOOD);
	write_file("secret", "33\n");
	struct attempt t = try_places(&p, ENV("WEIRPOOL_POOL_SIZE_FILE=secret"), NULL, "main.ini"),
		       again = { 0 };
	is_from(&t, "default_pool_size", "33", "WEIRPOOL_POOL_SIZE_FILE");
	cr_expect_not(conf_stale(t.conf).values);
	write_file("new", "34\n");
	cr_assert_eq(rename("new", "secret"), 0);
	cr_expect(conf_stale(t.conf).values);
	cr_expect_not(conf_stale(t.conf).config);
	struct conf_msgs m = { 0 };
	try_keep(&again, conf_reload(t.conf, &again.conf, &m), &m);
	is_from(&again, "default_pool_size", "34", "WEIRPOOL_POOL_SIZE_FILE");
	conf_free(&again.conf);
	write_file("secret", "34\n35\n"); /* a wrong one: nothing changes */
	try_keep(&again, conf_reload(t.conf, &again.conf, &m), &m);
	cr_expect_null(again.conf);
	cr_expect_not_null(strstr(again.said, "WEIRPOOL_POOL_SIZE_FILE: secret has more than one"),
		"%s", again.said);
	conf_free(&t.conf);
	conf_places_fini(&p);
	try_end(&t);
}

Test(places, both_forms_are_a_mistake)
{
	struct conf_places p = { 0 };
	struct attempt t = try_places(&p,
		ENV("WEIRPOOL_POOL_SIZE_FILE=secret", "WEIRPOOL_DEFAULT_POOL_SIZE=4"), NULL,
		"postgres://a:b@h/d");
	cr_expect_not_null(
		strstr(t.said, "WEIRPOOL_DEFAULT_POOL_SIZE: WEIRPOOL_POOL_SIZE_FILE is set "
			       "too"),
		"%s", t.said);
	conf_places_fini(&p);
	try_end(&t);
}

Test(places, what_to_serve)
{
	static const struct {
		const char *env[4], *target, *databases; /* in their order */
	} rows[] = {
		{ { "DATABASE_URL=postgres://a:b@h/one" }, NULL, "one" },
		{ { "DATABASE_URL=postgres://a:b@h/one", "WEIRPOOL_URL=mysql://a:b@h/two" }, NULL,
			"two" },
		{ { "WEIRPOOL_URL_2=mysql://c:d@h/two", "WEIRPOOL_URL_1=postgres://a:b@h/one" },
			NULL, "one two" },
		{ { "DATABASE_URL=postgres://a:b@h/one" }, "postgres://a:b@h/three", "three" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct conf_places p = { 0 };
		char copy[4][100], *env[5] = { 0 }, said[100] = "";
		for (size_t k = 0; k < 4 && rows[i].env[k]; k++) {
			snprintf(copy[k], sizeof(copy[k]), "%s", rows[i].env[k]);
			env[k] = copy[k];
		}
		struct attempt t = try_places(&p, env, NULL, rows[i].target);
		cr_assert_not_null(t.conf, "%s", t.said);
		for (unsigned k = 0; k < t.conf->dbs_n; k++) {
			size_t n = strlen(said);
			snprintf(said + n, sizeof(said) - n, "%s%s", k ? " " : "",
				t.conf->dbs[k].name);
		}
		cr_expect_str_eq(said, rows[i].databases);
		conf_free(&t.conf);
		conf_places_fini(&p);
		try_end(&t);
	}
}

Test(places, several_urls)
{
	static const struct {
		const char *second, *says; /* beside postgres://a:b@h/one; NULL: fine */
	} rows[] = {
		{ "WEIRPOOL_URL_2=mysql://c:d@h1,h2/two", NULL },
		{ "WEIRPOOL_URL_2=postgres://a:b@h/two", NULL },
		{ "WEIRPOOL_URL_2=postgres://a:b@h2/one", "hosts of one URL" },
		{ "WEIRPOOL_URL_2=postgres://c@h2/two", "must have a user and a password" },
		{ "WEIRPOOL_URL_2=postgres://a:other-pw@h2/two", "with another password" },
		{ "WEIRPOOL_URL_2=http://h2/two", "a URL begins with" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct conf_places p = { 0 };
		char copy[100];
		snprintf(copy, sizeof(copy), "%s", rows[i].second);
		struct attempt t = try_places(
			&p, ENV("WEIRPOOL_URL_1=postgres://a:b@h/one", copy), NULL, NULL);
		cr_expect_eq(t.conf == NULL, rows[i].says != NULL, "%s: %s", copy, t.said);
		cr_expect_null(strstr(t.said, "other-pw"), "%s", t.said);
		if (rows[i].says)
			cr_expect_not_null(strstr(t.said, rows[i].says), "%s", t.said);
		if (t.conf) {
			cr_expect_eq(t.conf->dbs_n, 2U);
			is_from(&t, "admin_users", i == 0 ? "a,c" : "a", "WEIRPOOL_URL_1");
			is_from(&t, "listen_addr", "127.0.0.1", "default");
		}
		conf_free(&t.conf);
		conf_places_fini(&p);
		try_end(&t);
	}
}

Test(places, a_set_stays_when_a_url_is_read_again, .init = make_dir, .fini = remove_dir)
{
	struct conf_places p = { 0 };
	struct conf *next = NULL;
	struct err e = { 0 };
	write_file("secret", "postgres://a:b@h/one\n");
	struct attempt t = try_places(&p, ENV("WEIRPOOL_URL_FILE=secret"), NULL, NULL),
		       again = { 0 };
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_eq(conf_set(t.conf, "pool_size", "7", &next, &e), 0);
	write_file("secret", "postgres://a:changed@h/one\n");
	cr_expect(conf_stale(next).values);
	struct conf_msgs m = { 0 };
	try_keep(&again, conf_reload(next, &again.conf, &m), &m);
	is_from(&again, "default_pool_size", "7", "SET");
	cr_expect_str_eq(again.conf->dbs[0].password, "changed");
	cr_expect_str_eq(again.conf->url_password, "changed");
	conf_free(&next);
	conf_free(&again.conf);
	conf_free(&t.conf);
	conf_places_fini(&p);
	try_end(&t);
}

/* ---- ${...} ---- */

static void set_env(void)
{
	setenv("W_WORD", "word", 1);
	setenv("W_ODD", "it's a=b", 1);
	setenv("W_PAIRS", "host=x port=7", 1);
	setenv("W_EMPTY", "", 1);
	unsetenv("W_NONE");
	make_dir();
	write_file("secret", "s'e =cret\n");
}

Test(expand, in_options, .init = set_env, .fini = remove_dir)
{
	static const struct {
		const char *raw, *is;
	} rows[] = {
		{ "${W_WORD}", "word" },
		{ "a${W_WORD}b", "awordb" },
		{ "${W_ODD}", "it's a=b" },
		{ "${W_NONE:-some thing}", "some thing" },
		{ "${W_EMPTY:-filled}", "filled" },
		{ "${W_EMPTY}", "" },
		{ "${W_NONE:-}", "" },
		{ "$${W_WORD}", "${W_WORD}" },
		{ "$$${W_WORD}", "$${W_WORD}" },
		{ "$W_WORD $", "$W_WORD $" },
		{ "${file:secret}", "s'e =cret" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		char text[300];
		snprintf(text, sizeof(text), TRY_GOOD "server_check_query = %s\n", rows[i].raw);
		struct attempt t = try_text(text), again = { 0 };
		cr_assert_not_null(t.conf, "%s: %s", rows[i].raw, t.said);
		cr_expect_str_eq(t.conf->settings.server_check_query, rows[i].is);
		struct buf b; /* the dump means the same when it is read */
		struct conf_msgs m = { 0 };
		buf_init(&b, 0);
		conf_dump(t.conf, &b);
		try_keep(&again,
			conf_load_text("dump", (char *)buf_data(&b), buf_len(&b), &again.conf, &m),
			&m);
		cr_assert_not_null(again.conf, "%s", again.said);
		cr_expect_str_eq(again.conf->settings.server_check_query, rows[i].is);
		buf_fini(&b);
		conf_free(&again.conf);
		try_end(&t);
	}
}

/* A value never becomes another pair. */
Test(expand, in_pairs, .init = set_env, .fini = remove_dir)
{
	static const struct {
		const char *raw, *password;
	} rows[] = {
		{ "host=h user=u password=${file:secret}", "s'e =cret" },
		{ "host=h user=u password=${W_ODD}", "it's a=b" },
		{ "host=h user=u password='${W_ODD}'", "it's a=b" },
		{ "host=h user=u password='x''${W_ODD}''y'", "x'it's a=b'y" },
		{ "host=h user=u password=pre${W_ODD}post", "preit's a=bpost" },
		{ "host=h user=u password = ${W_PAIRS}", "host=x port=7" },
		{ "password='' host=h user=u password=${W_WORD}", "word" },
		{ "password=${W_EMPTY} user=u host=h", "" },
		{ "host=h user=u password=$${x", "${x" },
		{ "user=u ${W_PAIRS} password=p", "p" }, /* where pairs begin, they may be pairs */
	};
	for (size_t i = 0; i < N(rows); i++) {
		char text[300];
		snprintf(text, sizeof(text), "[databases]\nd = %s\n[weirpool]\nauth_type = trust\n",
			rows[i].raw);
		struct attempt t = try_text(text);
		cr_assert_not_null(t.conf, "%s: %s", rows[i].raw, t.said);
		cr_expect_str_eq(t.conf->dbs[0].password, rows[i].password, "%s", rows[i].raw);
		cr_expect_str_eq(t.conf->dbs[0].hosts[0].host, i == N(rows) - 1 ? "x" : "h", "%s",
			rows[i].raw);
		cr_expect_str_eq(t.conf->dbs[0].force_user, "u", "%s", rows[i].raw);
		try_end(&t);
	}
}

Test(expand, mistakes, .init = set_env, .fini = remove_dir)
{
	TRY_REFUSED(TRY_GOOD "server_check_query = ${W_NONE}\n",
		"t.ini:5: server_check_query: there is no variable W_NONE");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${file:absent}\n",
		"t.ini:5: server_check_query: "
		"cannot read absent");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${W_WORD\n", "a ${ has no }");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${}\n", "${...} must be");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${1X}\n", "${...} must be");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${a b}\n", "${...} must be");
	TRY_REFUSED(TRY_GOOD "%include ${W_NONE}\n", "%include: there is no variable");
	write_file("secret", "two\nlines\n");
	TRY_REFUSED(TRY_GOOD "server_check_query = ${file:secret}\n", "more than one line");
}

Test(expand, files_are_watched_through_links, .init = set_env, .fini = remove_dir)
{
	/* as Kubernetes mounts secrets: name -> ..data/name, ..data -> a directory that is
	 * replaced */
	cr_assert_eq(mkdir("v1", 0700), 0);
	cr_assert_eq(mkdir("v2", 0700), 0);
	write_file("v1/pw", "one\n");
	write_file("v2/pw", "two\n");
	cr_assert_eq(symlink("v1", "..data"), 0);
	cr_assert_eq(symlink("..data/pw", "pw"), 0);
	struct attempt t = try_text(TRY_GOOD "server_check_query = ${file:pw}\n");
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_expect_not(conf_stale(t.conf).values);
	cr_assert_eq(symlink("v2", "..data_tmp"), 0);
	cr_assert_eq(rename("..data_tmp", "..data"), 0);
	cr_expect(conf_stale(t.conf).values);
	try_end(&t);
	static const char *const made[] = { "pw", "..data", "v1/pw", "v2/pw" };
	for (size_t i = 0; i < N(made); i++)
		(void)unlink(made[i]);
	(void)rmdir("v1");
	(void)rmdir("v2");
}
