/* check - weirpool check: everything that a configuration says, as -t does, and with --connect each
 * server that it names, logged in to as it says. For pipelines, and for the hour before it matters.
 * Ignorant of running weirpools (check_running.c). One thread; waits. */
#include "server_int.h"

#include "base/clock.h"
#include "conf/places.h"
#include "conf/url.h"

#include <libpq-fe.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: weirpool check [--connect] CONFIG-FILE | URL\n"
	"       weirpool check [--running [CONFIG-FILE]]\n"
	"Checks a configuration, as weirpool -t does. Without an argument: does the weirpool\n"
	"that the environment describes answer? (For health checks of containers.)\n"
	"      --connect        also log in to each server that it names\n"
	"      --running        ask the weirpool that runs with this configuration\n"
	"  -h, --help           print this\n"
	"Exit codes: 0 all is well, 1 something is not, 2 wrong arguments.\n";

static const struct option longs[] = {
	{ "connect", no_argument, NULL, 'c' },
	{ "running", no_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct trial {
	const struct core_gen *gen;
	unsigned ok_n, bad_n;
};

/* One server as one entry sees it. */
struct target {
	const char *entry; /* for the line */
	const struct conf_db *db;
	const struct conf_host *host;
	struct settings set;
	const char *user, *password, *dbname;
};

static void say(
	struct trial *t, const struct target *to, bool ok, int64_t since_us, const char *what)
{
	char node[300];
	conf_node_name(to->host, node, sizeof node);
	printf("%s %s %s: %.*s (%.1f ms)\n", ok ? "ok  " : "FAIL", to->entry, node,
		(int)strcspn(what, "\n"), what, (double)(clock_mono_us() - since_us) / 1000);
	fflush(stdout);
	t->ok_n += ok;
	t->bad_n += !ok;
}

/* Nobody to log in as: clients bring their own. Does it answer? If not, a try to log in as anybody
 * tells why. */
static void ping_pg(struct trial *t, const struct target *to, const struct pg_words *w)
{
	int64_t since = clock_mono_us();
	PGPing p = PQpingParams(w->name, w->value, 0);
	if (p == PQPING_OK) {
		say(t, to, true, since, "answers; the configuration names nobody to log in as");
		return;
	}
	PGconn *c = PQconnectdbParams(w->name, w->value, 0);
	const char *why = PQerrorMessage(c);
	say(t, to, false, since, *why ? why : "no answer");
	PQfinish(c);
}

static void try_pg(struct trial *t, const struct target *to)
{
	struct pg_words w;
	char text[300];
	int64_t since = clock_mono_us();
	const struct server_account who = { to->user, to->password, to->dbname, &to->set };
	pg_words_fill(&w, to->host, &who, "weirpool check");
	if (!*to->user || !*to->password) {
		ping_pg(t, to, &w);
		return;
	}
	PGconn *c = PQconnectdbParams(w.name, w.value, 0);
	PGresult *r = PQstatus(c) == CONNECTION_OK
			      ? PQexec(c, "select pg_catalog.pg_is_in_recovery()")
			      : NULL;
	bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
	if (ok)
		snprintf(text, sizeof text, "PostgreSQL %s, %s, database %s as user %s, %s",
			PQparameterStatus(c, "server_version"),
			PQgetvalue(r, 0, 0)[0] == 't' ? "replica" : "primary", PQdb(c), PQuser(c),
			PQsslInUse(c) ? PQsslAttribute(c, "protocol") : "without TLS");
	else
		snprintf(text, sizeof text, "%s", PQerrorMessage(c));
	say(t, to, ok, since, text);
	PQclear(r);
	PQfinish(c);
}

static void try_my(struct trial *t, const struct target *to)
{
	const struct server_account who = { to->user, to->password, to->dbname, &to->set };
	struct my_said said;
	struct err e = { 0 };
	char text[300];
	int64_t since = clock_mono_us();
	int rc = server_ask_my(to->host, &who, "select version(), @@read_only", &said, &e);
	bool spoke = !*to->user && e.code == ERR_SERVER_REFUSED;
	if (rc == 0)
		snprintf(text, sizeof text, "%s %s, %s, as user %s, %s",
			strstr(said.cells[0], "MariaDB") ? "MariaDB" : "MySQL", said.cells[0],
			!strcmp(said.cells[1], "0") ? "writable" : "read-only", to->user,
			*said.tls ? said.tls : "without TLS");
	else
		snprintf(text, sizeof text, "%s",
			spoke ? "answers; the configuration names nobody to log in as" : e.msg);
	say(t, to, rc == 0 || spoke, since, text);
}

static void try_db(struct trial *t, const struct conf_db *db)
{
	const struct conf *conf = t->gen->conf;
	const struct conf_cluster *c = db->cluster;
	bool my = strcmp(db->kind->name, "mysql") == 0;
	struct target to = { .entry = db->name, .db = db };
	conf_effective(conf, db, NULL, &to.set);
	to.user = *db->force_user ? db->force_user : c ? c->probe_user : to.set.auth_user;
	to.password = server_secret_of(t->gen, to.user,
		*db->force_user ? db->password
		: c             ? c->probe_password
				: "");
	to.dbname = *db->dbname ? db->dbname : !db->is_auto ? db->name : my ? "" : "postgres";
	for (unsigned i = 0; i < db->hosts_n; i++) {
		to.host = &db->hosts[i];
		if (my)
			try_my(t, &to);
		else
			try_pg(t, &to);
	}
}

static int check_conf(const struct conf_places *p, struct conf_msgs *m, bool connect)
{
	struct conf *conf = NULL;
	char line[1200];
	int rc = conf_load_places(p, &conf, m);
	if (rc == 0)
		(void)!conf_check_files(conf, m); /* what it finds is in m */
	struct core_gen *gen = rc == 0 ? generation_build(conf, m) : NULL;
	bool ok = gen && m->errors_n == 0;
	for (unsigned i = 0; i < m->n; i++)
		fprintf(stderr, "%s\n", conf_msg_format(&m->list[i], line, sizeof line));
	if (!ok)
		fprintf(stderr, "weirpool check: %u mistake%s in the configuration\n", m->errors_n,
			m->errors_n == 1 ? "" : "s");
	else
		printf("ok   %s (%s)\n", p->file ? p->file : p->urls[0].from,
			server_sum_of(gen, line, sizeof line));
	struct trial t = { .gen = gen };
	for (unsigned i = 0; ok && connect && i < gen->conf->dbs_n; i++)
		try_db(&t, &gen->conf->dbs[i]);
	if (t.bad_n)
		fprintf(stderr, "weirpool check: %u of %u servers cannot be used\n", t.bad_n,
			t.bad_n + t.ok_n);
	if (gen)
		gen_unref(gen);
	return ok && !t.bad_n ? 0 : 1;
}

/* The configuration that p speaks of, or the defaults: only where it listens matters. */
static int check_running(const struct conf_places *p, struct conf_msgs *m)
{
	struct conf *conf = NULL;
	char line[1200];
	int rc = conf_load_places(p, &conf, m);
	for (unsigned i = 0; rc != 0 && i < m->n; i++)
		fprintf(stderr, "%s\n", conf_msg_format(&m->list[i], line, sizeof line));
	rc = rc == 0 ? server_check_running(conf) : 1;
	conf_free(&conf);
	return rc;
}

static int parse(int argc, char **argv, bool *connect_r, bool *running_r)
{
	int c;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c': *connect_r = true; break;
		case 'r': *running_r = true; break;
		case 'h': fputs(usage_text, stdout); return 0;
		default: fputs(usage_text, stderr); return 2;
		}
	}
	if (argc - optind > 1 || (*connect_r && *running_r)) {
		fputs(usage_text, stderr);
		return 2;
	}
	*running_r |= argc == optind && !*connect_r;
	return -1;
}

int server_check(int argc, char **argv)
{
	struct conf_places p = { 0 };
	struct conf_msgs m = { 0 };
	bool connect = false, running = false;
	int code = parse(argc, argv, &connect, &running);
	if (code >= 0)
		return code;
	conf_places_env(&p, environ, &m);
	if (argv[optind])
		conf_places_target(&p, argv[optind], &m);
	if (argv[optind] && conf_url_is(argv[optind]))
		mem_wipe(argv[optind], strlen(argv[optind]));
	if (running) {
		code = check_running(&p, &m);
	} else if (p.file || p.urls_n) {
		code = check_conf(&p, &m, connect);
	} else {
		fputs("weirpool check: which configuration? None was named, here or in the "
		      "environment\n",
			stderr);
		code = 2;
	}
	conf_msgs_fini(&m);
	conf_places_fini(&p);
	return code;
}
