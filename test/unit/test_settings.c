/* settings: merging of scopes, SET, RELOAD, differences, SHOW CONFIG, dump, and the sample file. */
#include "conf_try.h"

#include "base/buf.h"
#include "base/err.h"

#include <stdlib.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct settings effective(const struct attempt *t, const char *db, const char *user)
{
	struct settings s;
	memset(&s, 0xa5, sizeof(s)); /* all of it must be written */
	conf_effective_names(t->conf, db, user, &s);
	return s;
}

Test(settings, user_over_database_over_global)
{
	struct attempt t = try_text(
		TRY_GOOD "pool_mode = session\npool_size = 1\nquery_timeout "
			 "= 1\n"
			 "[databases]\nd = host=h pool_mode=statement pool_size=2\n"
			 "[users]\nu = pool_size=3\n");
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	struct settings s = effective(&t, "other", "other");
	cr_assert_eq(s.pool_mode, CONF_POOL_SESSION);
	cr_assert_eq(s.pool_size, 1);
	s = effective(&t, "d", "other");
	cr_assert_eq(s.pool_mode, CONF_POOL_STATEMENT);
	cr_assert_eq(s.pool_size, 2);
	s = effective(&t, "other", "u");
	cr_assert_eq(s.pool_mode, CONF_POOL_SESSION);
	cr_assert_eq(s.pool_size, 3);
	s = effective(&t, "d", "u");
	cr_assert_eq(s.pool_mode, CONF_POOL_STATEMENT);
	cr_assert_eq(s.pool_size, 3);
	cr_assert_eq(s.query_timeout_us, 1000000);
	try_end(&t);
}

/* A value that is not the default, for any type. */
static const char *other_value(const struct opt *o)
{
	static char word[32];
	const char *last;
	switch (o->type) {
	case OPT_BOOL: return strcmp(o->dflt, "1") == 0 ? "0" : "1";
	case OPT_INT: return "7";
	case OPT_FRACTION: return "0.25";
	case OPT_DURATION: return "77";
	case OPT_BYTES: return "77777";
	case OPT_MODE: return "0123";
	case OPT_ENUM:
		last = strrchr(o->names, ',') + 1;
		if (strcmp(last, o->dflt) == 0) {
			snprintf(word, sizeof(word), "%.*s", (int)strcspn(o->names, ","), o->names);
			return word;
		}
		return last;
	case OPT_STRING:
	case OPT_LIST:
	case OPT_PATH:
	case OPT_SECRET: return "tlsv1.2";
	}
	return "";
}

Test(settings, every_poolable_option_works_at_every_level)
{
	unsigned tried = 0;
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char text[600], want[40], got[40];
		if (o->in != OPT_IN_SETTINGS)
			continue;
		for (unsigned scope = OPT_GLOBAL; scope <= OPT_USER; scope <<= 1) {
			if (!(o->scopes & scope))
				continue;
			const char *v = other_value(o);
			const char *more = strcmp(o->name, "server_tls_cert_file") == 0
						   ? "server_tls_key_file"
					   : strcmp(o->name, "server_tls_key_file") == 0
						   ? "server_tls_cert_file"
					   : strcmp(o->name, "server_tls_sslnegotiation") == 0
						   ? "server_tls_sslmode"
						   : "";
			const char *more_v = strcmp(more, "server_tls_sslmode") == 0 ? "require"
										     : "x";
			if (scope == OPT_GLOBAL)
				snprintf(text, sizeof(text),
					TRY_GOOD "%s = "
						 "%s\n%s%s%s\n[databases]\nd = host=h\n",
					o->name, v, more[0] ? more : ";", more[0] ? " = " : "",
					more_v);
			else
				snprintf(text, sizeof(text), TRY_GOOD "[%s]\n%s = %s=%s %s%s%s\n",
					scope == OPT_DB ? "databases" : "users",
					scope == OPT_DB ? "d" : "u", o->name, v, more,
					more[0] ? "=" : "", more[0] ? more_v : "");
			struct attempt t = try_text(text);
			cr_assert_eq(t.errors_n, 0U, "%s: %s", text, t.said);
			struct settings s = effective(&t, "d", "u"), only;
			struct opt_value value;
			cr_assert_eq(opt_parse(o, v, &value, got, sizeof(got)), 0);
			opt_store(o, &only, &value);
			cr_assert_str_eq(opt_show(o, &s, got, sizeof(got)),
				opt_show(o, &only, want, sizeof(want)), "%s", text);
			try_end(&t);
			tried++;
		}
	}
	cr_assert_gt(tried, 80U);
}

Test(settings, defaults_of_ours_and_of_pgbouncer)
{
	struct attempt a = try_text("[weirpool]\n"), b = try_text("[pgbouncer]\n"),
		       c = try_text("");
	cr_assert_eq(a.conf->settings.pool_mode, CONF_POOL_TRANSACTION);
	cr_assert_eq(b.conf->settings.pool_mode, CONF_POOL_SESSION);
	cr_assert_eq(c.conf->settings.pool_mode, CONF_POOL_TRANSACTION);
	cr_assert_eq(a.conf->global.auth_type, CONF_AUTH_SCRAM);
	cr_assert_eq(b.conf->global.auth_type, CONF_AUTH_MD5);
	cr_assert_eq(a.conf->global.shutdown_timeout_us, 60000000);
	cr_assert_str_eq(a.conf->global.listen_addr, "127.0.0.1");
	cr_assert_str_eq(b.conf->global.listen_addr, "");
	cr_assert_str_eq(a.conf->settings.server_check_query, "<empty>");
	cr_assert_eq(a.conf->settings.server_retry_min_us, 100000);
	cr_assert_eq(a.conf->settings.server_retry_max_us, 15000000);
	cr_assert_str_eq(a.conf->global.auth_file, "", "unset strings are empty, not NULL");
	conf_free(&a.conf);
	conf_free(&b.conf);
	try_end(&c);
}

Test(settings, unset_strings_are_never_null)
{
	struct attempt t = try_text(
		"[peers]\n1 =\n[databases]\nd =\n[clusters]\nc = host=h probe_user=u\n"
		"[rules]\nr = log=1\n");
	char tmp[40];
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		const void *base = NULL;
		switch (o->in) {
		case OPT_IN_GLOBAL: base = &t.conf->global; break;
		case OPT_IN_SETTINGS: base = &t.conf->settings; break;
		case OPT_IN_DB: base = &t.conf->dbs[0]; break;
		case OPT_IN_PEER: base = &t.conf->peers[0]; break;
		case OPT_IN_RULE: base = &t.conf->rules[0]; break;
		case OPT_IN_CLUSTER: base = &t.conf->clusters[0]; break;
		case OPT_IN_NOWHERE: continue;
		}
		cr_assert_not_null(opt_show(o, base, tmp, sizeof(tmp)), "%s", o->name);
	}
	try_end(&t);
}

Test(settings, entries_find_their_cluster)
{
	struct attempt t = try_text("[clusters]\n"
				    "main = probe_user=u host=a,b port=1,2 weight=1,3 zones=x,y\n"
				    "[databases]\n"
				    "d = cluster=main endpoint=ro consistency=bounded\n"
				    "e = host=h\n");
	const struct conf_db *d = conf_db_find(t.conf, "d"), *e = conf_db_find(t.conf, "e");
	cr_assert_eq(d->cluster, conf_cluster_find(t.conf, "main"));
	cr_assert_eq(d->cluster->nodes_n, 2);
	cr_assert_str_eq(d->cluster->nodes[1].host, "b");
	cr_assert_eq(d->cluster->nodes[1].port, 2);
	cr_assert_eq(d->cluster->weight[1], 3);
	cr_assert_eq(d->hosts_n, 2, "who listens for a greeting asks them all");
	cr_assert_null(e->cluster);
	struct settings s;
	conf_effective(t.conf, d, NULL, &s);
	cr_assert_eq(s.endpoint, CONF_ENDPOINT_RO);
	cr_assert_eq(s.consistency, CONF_CONSISTENCY_BOUNDED);
	try_end(&t);
}

Test(settings, mistakes_in_clusters_are_told)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "[databases]\nd = cluster=nix\n", "there is no cluster \"nix\"" },
		{ "[clusters]\nc = probe_user=u\n", "needs host=" },
		{ "[clusters]\nc = host=a\n", "needs probe_user=" },
		{ "[clusters]\nc = probe_user=u host=a,b weight=1\n", "weight must be a number" },
		{ "[clusters]\nc = probe_user=u host=a,b zones=x\n", "zones must have one name" },
		{ "[clusters]\nc = probe_user=u host=a,a\n", "names a:5432 twice" },
		{ "[clusters]\nc = probe_user=u host=a switchover_command=move\n",
			"must begin with the whole path" },
		{ "[clusters]\nc = probe_user=u host=a switchover_command='/x \"y'\n",
			"a quote that is not closed" },
		{ "[clusters]\nc = hosts=a\n", "did you mean \"host\"" },
		{ "[clusters]\nc = probe_user=u host=a protocol=mysql\n"
		  "[databases]\nd = cluster=c\n",
			"protocol of its cluster" },
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct attempt t = try_text(cases[i].text);
		cr_assert_null(t.conf, "%s", cases[i].text);
		cr_assert_not_null(strstr(t.said, cases[i].want), "%s: %s", cases[i].want, t.said);
		try_end(&t);
	}
}

Test(settings, lists)
{
	char item[8];
	const char *at = " a, ,bb ,,too long for it, c";
	cr_assert(conf_list_next(&at, item, sizeof(item)) && strcmp(item, "a") == 0);
	cr_assert(conf_list_next(&at, item, sizeof(item)) && strcmp(item, "bb") == 0);
	cr_assert(conf_list_next(&at, item, sizeof(item)) && strcmp(item, "c") == 0);
	cr_assert_not(conf_list_next(&at, item, sizeof(item)));
	cr_assert(conf_list_has("a, b ,c", "b"));
	cr_assert_not(conf_list_has("a, b ,c", "B"));
	cr_assert_not(conf_list_has("a, b c", "b"));
	cr_assert_not(conf_list_has("a,,b", ""));
	cr_assert_not(conf_list_has("", "a"));
}

Test(settings, workers_are_within_bounds)
{
	struct attempt t = try_text(TRY_GOOD "workers = 3\n");
	cr_assert_eq(conf_workers(t.conf), 3U);
	try_end(&t);
	t = try_text(TRY_GOOD);
	cr_assert(conf_workers(t.conf) >= 1 && conf_workers(t.conf) <= 64);
	try_end(&t);
}

/* ---- SET ---- */

Test(set, makes_a_new_snapshot)
{
	struct attempt t = try_text(TRY_GOOD "pool_size = 5\n[databases]\nd = host=h pool_size=6 "
					     "password=p user=u\n");
	struct conf *next = NULL;
	struct err e = { 0 };
	cr_assert_eq(conf_set(t.conf, "query_timeout", "9s", &next, &e), 0, "%s", e.msg);
	cr_assert_eq(t.conf->settings.query_timeout_us, 0, "the old one is as it was");
	cr_assert_eq(next->settings.query_timeout_us, 9000000);
	cr_assert_eq(next->settings.pool_size, 5);
	cr_assert_str_eq(conf_db_find(next, "d")->password, "p");
	conf_free(&t.conf);
	cr_assert_str_eq(conf_db_find(next, "d")->force_user, "u",
		"nothing is borrowed from "
		"the old one");
	conf_free(&next);
	try_end(&t);
}

Test(set, refuses_with_a_reason)
{
	static const char *const bad[][4] = {
		{ "pool_mod", "session", "unknown option \"pool_mod\"",
			"Did you mean "
			"\"pool_mode\"?" },
		{ "xyzzy", "1", "unknown option \"xyzzy\"", "" },
		{ "host", "h", "unknown option \"host\"", "" },
		{ "listen_port", "1", "\"listen_port\" cannot be changed while running",
			"restart" },
		{ "pool_mode", "x", "pool_mode is \"x\", but must be one of", "" },
		{ "client_tls_sslmode", "require",
			"client_tls_sslmode needs "
			"client_tls_cert_file",
			"" },
		{ "auth_type", "hba", "auth_type=hba needs auth_hba_file", "" },
	};
	struct attempt t = try_text(TRY_GOOD);
	for (size_t i = 0; i < N(bad); i++) {
		struct conf *next = NULL;
		struct err e = { 0 };
		cr_expect_eq(
			conf_set(t.conf, bad[i][0], bad[i][1], &next, &e), -1, "%s", bad[i][0]);
		cr_expect_null(next);
		cr_expect_not_null(strstr(e.msg, bad[i][2]), "%s", e.msg);
		cr_expect_not_null(strstr(e.hint, bad[i][3]), "%s", e.hint);
	}
	try_end(&t);
}

/* ---- RELOAD ---- */

static char path[64];

static void write_conf(const char *text)
{
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_file(void)
{
	snprintf(path, sizeof(path), "/tmp/test_settings.XXXXXX");
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void remove_file(void)
{
	(void)unlink(path);
}

static struct conf *load_conf(void)
{
	struct conf *conf = NULL;
	struct conf_msgs m = { 0 };
	cr_assert_eq(conf_load(path, &conf, &m), 0);
	conf_msgs_fini(&m);
	return conf;
}

Test(reload, takes_what_can_change_and_keeps_the_rest, .init = make_file, .fini = remove_file)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	write_conf(TRY_GOOD "listen_port = 7000\npool_size = 5\n");
	struct conf *old = load_conf();
	write_conf(TRY_GOOD "listen_port = 7001\npool_size = 6\nunix_socket_dir = /x\n");
	try_keep(&t, conf_reload(old, &t.conf, &m), &m);
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_eq(t.conf->settings.pool_size, 6);
	cr_assert_eq(t.conf->global.listen_port, 7000);
	cr_assert_str_eq(t.conf->global.unix_socket_dir, "/tmp");
	cr_assert_not_null(strstr(t.said, ":5: warning: listen_port=7001 needs a restart; 7000 "
					  "stays"),
		"%s", t.said);
	cr_assert_eq(t.warnings_n, 2U, "%s", t.said);
	conf_free(&old);
	cr_assert_eq(t.conf->global.listen_port, 7000, "nothing is borrowed from the old one");
	try_end(&t);
}

Test(reload, all_or_nothing, .init = make_file, .fini = remove_file)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	write_conf(TRY_GOOD "pool_size = 5\n");
	struct conf *old = load_conf();
	write_conf(TRY_GOOD "pool_size = 6\npool_mod = x\n");
	try_keep(&t, conf_reload(old, &t.conf, &m), &m);
	cr_assert_null(t.conf);
	cr_assert_eq(old->settings.pool_size, 5);
	conf_free(&old);
	try_end(&t);
}

Test(reload, reads_conffile_when_it_is_set, .init = make_file, .fini = remove_file)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	struct err e = { 0 };
	struct conf *next;
	write_conf(TRY_GOOD "pool_size = 9\n");
	struct attempt old = try_text(TRY_GOOD);
	cr_assert_eq(conf_set(old.conf, "conffile", path, &next, &e), 0, "%s", e.msg);
	try_keep(&t, conf_reload(next, &t.conf, &m), &m);
	cr_assert_eq(t.conf->settings.pool_size, 9);
	conf_free(&next);
	conf_free(&old.conf);
	try_end(&t);
}

/* ---- differences ---- */

static const struct conf_change *change_of(const struct conf_changes *c, const char *key)
{
	for (unsigned i = 0; i < c->n; i++)
		if (strcmp(c->list[i].key, key) == 0)
			return &c->list[i];
	return NULL;
}

Test(diff, every_level)
{
	struct attempt a = try_text(
		TRY_GOOD "pool_mode = session\nlisten_port = 1\npeer_id = 1\n"
			 "[databases]\na = host=h\nb = host=h pool_size=5 password=old "
			 "user=u\nc = host=h\n"
			 "[users]\nu = pool_size=1\nv = pool_size=1\n[peers]\n1 = "
			 "host=h\n2 = host=h\n");
	struct attempt b = try_text(
		TRY_GOOD "listen_port = 2\npeer_id = 1\n"
			 "[databases]\nb = host=h,i password=new user=u pool_size=6\nc = "
			 "host=h\nd = host=h\n"
			 "[users]\nu = pool_size=2\nw = query_timeout=1\n[peers]\n1 = "
			 "host=h port=1\n3 = host=h\n");
	static const struct {
		const char *key, *was, *is;
		enum opt_apply apply;
	} want[] = {
		{ "pool_mode", "session", "transaction", OPT_NEW_CONN },
		{ "listen_port", "1", "2", OPT_RESTART },
		{ "databases.a", "present", NULL, OPT_NOW },
		{ "databases.b.host", "h", "h,i", OPT_NEW_CONN },
		{ "databases.b.password", "****", "****", OPT_NEW_CONN },
		{ "databases.b.pool_size", "5", "6", OPT_NOW },
		{ "databases.d", NULL, "present", OPT_NOW },
		{ "users.u.pool_size", "1", "2", OPT_NOW },
		{ "users.v.pool_size", "1", NULL, OPT_NOW },
		{ "users.w.query_timeout", NULL, "1", OPT_NOW },
		{ "peers.1.port", "6432", "1", OPT_NOW },
		{ "peers.2", "present", NULL, OPT_NOW },
		{ "peers.3", NULL, "present", OPT_NOW },
	};
	struct conf_changes c;
	cr_assert(a.conf && b.conf, "%s%s", a.said, b.said);
	conf_diff(a.conf, b.conf, &c);
	for (size_t i = 0; i < N(want); i++) {
		const struct conf_change *ch = change_of(&c, want[i].key);
		cr_assert_not_null(ch, "%s", want[i].key);
		cr_expect_eq(ch->was == NULL, want[i].was == NULL, "%s", want[i].key);
		cr_expect_eq(ch->is == NULL, want[i].is == NULL, "%s", want[i].key);
		cr_expect(
			!ch->was || strcmp(ch->was, want[i].was) == 0, "%s: %s", ch->key, ch->was);
		cr_expect(!ch->is || strcmp(ch->is, want[i].is) == 0, "%s: %s", ch->key, ch->is);
		cr_expect_eq(ch->apply, want[i].apply, "%s", ch->key);
	}
	cr_assert_eq(c.n, N(want));
	conf_changes_fini(&c);
	conf_diff(a.conf, a.conf, &c);
	cr_assert_eq(c.n, 0U, "nothing differs from itself");
	conf_changes_fini(&c);
	conf_free(&b.conf);
	try_end(&a);
}

/* ---- SHOW CONFIG and dump ---- */

Test(show, rows_are_sorted_and_complete)
{
	struct attempt t = try_text("[pgbouncer]\nquery_timeout = 1500ms\nservice_name = "
				    "x\nauth_user = au\n");
	struct conf_show r;
	char last[64] = "";
	unsigned n = 0, seen = 0;
	for (unsigned i = 0; conf_show_next(t.conf, &i, &r); n++) {
		cr_assert_lt(strcmp(last, r.key), 0, "%s", r.key);
		snprintf(last, sizeof(last), "%s", r.key);
		if (strcmp(r.key, "query_timeout") == 0)
			seen += strcmp(r.value, "1.5") == 0 && strcmp(r.dflt, "0") == 0 &&
				r.changeable;
		if (strcmp(r.key, "service_name") == 0)
			seen += strcmp(r.value, "x") == 0 && r.dflt == NULL && !r.changeable;
		if (strcmp(r.key, "auth_user") == 0)
			seen += strcmp(r.value, "au") == 0 && r.src.line == 4;
		if (strcmp(r.key, "auth_dbname") == 0)
			seen += r.value == NULL && r.dflt == NULL && r.src.file == NULL;
		if (strcmp(r.key, "pidfile") == 0)
			seen += strcmp(r.value, "") == 0 && strcmp(r.dflt, "") == 0;
		if (strcmp(r.key, "pool_mode") == 0)
			seen += strcmp(r.dflt, "session") == 0;
	}
	cr_assert_eq(seen, 6U);
	cr_assert_geq(n, 101U);
	try_end(&t);
}

Test(show, a_dump_loads_as_the_same_without_secrets)
{
	struct attempt a = try_text(
		"[pgbouncer]\npool_size = 5\nauth_type=trust\nquery_timeout = "
		"1.5h\npeer_id = 3\n"
		"[databases]\n* = host=h\n\"a \"\"b\" = dbname='it''s' host=h,i "
		"port=1,2 user=u password='hunter2' "
		"pool_mode=statement connect_query=''\n[users]\nu = "
		"pool_size=2\n[peers]\n3 = host=h\n");
	struct buf out;
	struct conf_changes c;
	buf_init(&out, 0);
	conf_dump(a.conf, &out);
	buf_put_u8(&out, 0);
	const char *text = (const char *)buf_data(&out);
	cr_assert_null(strstr(text, "hunter2"));
	cr_assert_not_null(strstr(text, "password=****"));
	cr_assert_not_null(strstr(text, "; t.ini:2\ndefault_pool_size = 5\n"), "%s", text);
	struct attempt b = try_text(text);
	cr_assert_not_null(b.conf, "%s", b.said);
	conf_diff(a.conf, b.conf, &c);
	cr_assert_eq(c.n, 1U, "%s", c.n > 1 ? c.list[1].key : "none");
	cr_assert_str_eq(c.list[0].key, "databases.a \"b.password");
	conf_changes_fini(&c);
	buf_fini(&out);
	conf_free(&b.conf);
	try_end(&a);
}

Test(show, the_sample_loads_also_with_every_line_uncommented)
{
	char file[512], *text = calloc(1, 200000), *all = calloc(1, 200000);
	snprintf(file, sizeof(file), "%s/etc/weirpool.ini", getenv("srcdir"));
	FILE *f = fopen(file, "r");
	cr_assert_not_null(f, "%s", file);
	cr_assert_gt(fread(text, 1, 199999, f), 1000U);
	fclose(f);
	struct attempt t = try_text(text);
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	try_end(&t);
	size_t n = 0;
	for (const char *p = text; *p; p++) /* ;name -> name, but ;; stays */
		if (!(*p == ';' && p[1] != ';' && (p == text || p[-1] == '\n')))
			all[n++] = *p;
	t = try_text(all);
	cr_assert_eq(t.errors_n, 0U, "%s", t.said);
	cr_assert_eq(t.conf->dbs_n, 5U); /* two of them MySQL's */
	try_end(&t);
	free(text);
	free(all);
}

Test(settings, words_of_a_command)
{
	static const struct {
		const char *text;
		int n;
		const char *word[4];
	} t[] = {
		{ "", 0, { 0 } },
		{ "  \t ", 0, { 0 } },
		{ "/a", 1, { "/a" } },
		{ " /a  b\tc ", 3, { "/a", "b", "c" } },
		{ "/a 'b c' \"d 'e\"", 3, { "/a", "b c", "d 'e" } },
		{ "/a''b\"c \"d", 1, { "/abc d" } },
		{ "'' \"\"", 2, { "", "" } },
		{ "/a $b \\ *", 4, { "/a", "$b", "\\", "*" } },
		{ "a b c d e", -1, { 0 } },
		{ "'a", -1, { 0 } },
		{ "a \"", -1, { 0 } },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char text[64], *v[4];
		snprintf(text, sizeof text, "%s", t[i].text);
		cr_assert_eq(conf_words(text, v, 4), t[i].n, "%s", t[i].text);
		for (int k = 0; k < t[i].n; k++)
			cr_assert_str_eq(v[k], t[i].word[k], "%s", t[i].text);
	}
}
