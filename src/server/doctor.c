/* doctor - weirpool doctor: what will go wrong later. Looks at a configuration, the machine, the
 * servers that it names, and at the weirpool that runs with it, if there is one: each finding with
 * where it is and what to do. Changes nothing. One thread; waits. */
#include "server_int.h"

#include "base/clock.h"
#include "base/num.h"
#include "conf/places.h"
#include "tool/tool.h"

#include <libpq-fe.h>

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S 86400
#define EXPIRY_DAYS 14
#define SERVERS_MAX 64
#define PINS_MAX 16

static const char usage_text[] =
	"Usage: weirpool doctor [CONFIG-FILE | URL]\n"
	"Looks for what will go wrong later: limits of the machine and of the servers,\n"
	"certificates that end, secrets that others can read, clients that pin connections.\n"
	"  -h, --help           print this\n"
	"Exit codes: 0 nothing found, 1 something was, 2 wrong arguments.\n";

static const struct option longs[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct doctor {
	const struct conf *conf;
	const struct core_gen *gen;
	unsigned found_n, file_seen;
};

static void well(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void well(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("ok    ", stdout);
	vprintf(fmt, ap);
	fputs("\n", stdout);
	va_end(ap);
}

/* what, where, and what to do */
static void found(struct doctor *d, const char *where, const char *todo, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void found(struct doctor *d, const char *where, const char *todo, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("FOUND ", stdout);
	vprintf(fmt, ap);
	printf("\n      where: %s\n      to do: %s\n", where, todo);
	va_end(ap);
	d->found_n++;
}

/* ---- the machine ---- */

/* Connections to servers that there can be, as far as the configuration limits them. */
static long long links_of(const struct doctor *d, const struct conf_db *db)
{
	struct settings s;
	conf_effective(d->conf, db, NULL, &s);
	long long one = s.pool_size + s.reserve_pool_size;
	return s.max_db_connections && s.max_db_connections < one ? s.max_db_connections : one;
}

/* The hard limit in /proc/PID/limits, which everybody may read:
 * "Max open files   1024   4096   files". -1: there is no such process. */
static long long fd_limit_of(int64_t pid)
{
	static const char name[] = "Max open files";
	char path[48], line[200], *save = NULL;
	int64_t v = -1;
	snprintf(path, sizeof path, "/proc/%lld/limits", (long long)pid);
	FILE *f = fopen(path, "re");
	while (f && v < 0 && fgets(line, sizeof line, f)) {
		if (strncmp(line, name, sizeof name - 1) != 0)
			continue;
		strtok_r(line + sizeof name - 1, " ", &save);
		const char *hard = strtok_r(NULL, " ", &save);
		if (!hard || num_i64(hard, 0, INT64_MAX, &v) != 0)
			v = INT64_MAX; /* "unlimited" */
	}
	if (f)
		fclose(f);
	return v;
}

/* Of the weirpool that runs, by its pid file, or of this process. */
static long long fd_limit(const struct doctor *d, const char **whose_r)
{
	struct rlimit r = { 0 };
	long long most = -1;
	char line[32] = "";
	int64_t pid = 0;
	FILE *f = *d->conf->global.pidfile ? fopen(d->conf->global.pidfile, "re") : NULL;
	bool got = f && fgets(line, sizeof line, f);
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
	*whose_r = "the process that runs";
	if (got && num_i64(line, 1, INT32_MAX, &pid) == 0)
		most = fd_limit_of(pid);
	if (most >= 0)
		return most;
	*whose_r = "this shell";
	(void)getrlimit(RLIMIT_NOFILE, &r);
	return (long long)r.rlim_max;
}

static void check_fds(struct doctor *d)
{
	const char *whose;
	long long limit = fd_limit(d, &whose), links = 0, want;
	for (unsigned i = 0; i < d->conf->dbs_n; i++)
		links += links_of(d, &d->conf->dbs[i]);
	want = d->conf->global.max_client_conn + links + 100;
	if (limit < want)
		found(d, whose,
			"raise LimitNOFILE of the unit (or ulimit -n), or lower max_client_conn",
			"%lld file descriptors at most, but max_client_conn=%d and %lld server "
			"connections want %lld",
			limit, d->conf->global.max_client_conn, links, want);
	else
		well("file descriptors: %lld (%s), %lld wanted", limit, whose, want);
}

static void check_backlog(struct doctor *d)
{
	static const char path[] = "/proc/sys/net/core/somaxconn";
	char line[32] = "";
	int64_t most;
	FILE *f = fopen(path, "re");
	bool got = f && fgets(line, sizeof line, f);
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
	if (!got || num_i64(line, 0, INT32_MAX, &most) != 0)
		return;
	if (most < d->conf->global.listen_backlog)
		found(d, path, "sysctl -w net.core.somaxconn=4096, or lower listen_backlog",
			"the system cuts listen_backlog=%d down to %lld: in a storm of connections "
			"clients are refused earlier",
			d->conf->global.listen_backlog, (long long)most);
	else
		well("listen_backlog: %d, somaxconn %lld", d->conf->global.listen_backlog,
			(long long)most);
}

/* ---- servers ---- */

/* One server, and all that entries may open to it. */
struct server_sum {
	const struct conf_host *host;
	const struct conf_db *db; /* one that can log in, or any */
	long long links;
	bool more; /* each further user has a pool of its own */
};

static bool is_same(const struct conf_host *a, const struct conf_host *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static struct server_sum *sum_of(struct server_sum *list, unsigned *n, const struct conf_host *h)
{
	for (unsigned i = 0; i < *n; i++)
		if (is_same(list[i].host, h))
			return &list[i];
	if (*n == SERVERS_MAX)
		return NULL;
	list[*n] = (struct server_sum){ .host = h };
	return &list[(*n)++];
}

/* One that watches this server, or NULL. */
static const struct conf_cluster *cluster_of(const struct conf *c, const struct server_sum *s)
{
	for (unsigned i = 0; i < c->clusters_n; i++)
		for (unsigned k = 0; k < c->clusters[i].nodes_n; k++)
			if (c->clusters[i].kind == s->db->kind &&
				is_same(&c->clusters[i].nodes[k], s->host))
				return &c->clusters[i];
	return NULL;
}

/* Who may ask a server, and how: the user of an entry, or who asks it for its role. */
static struct server_account account_of(
	const struct doctor *d, const struct server_sum *s, struct settings *set)
{
	conf_effective(d->conf, s->db, NULL, set);
	const struct conf_cluster *k = *s->db->force_user ? NULL : cluster_of(d->conf, s);
	if (k && *k->probe_user)
		return (struct server_account){ k->probe_user,
			server_secret_of(d->gen, k->probe_user, k->probe_password), k->probe_dbname,
			set };
	return (struct server_account){ s->db->force_user,
		server_secret_of(d->gen, s->db->force_user, s->db->password), s->db->dbname, set };
}

static const char max_connections_sql[] =
	"select pg_catalog.current_setting('max_connections')::int - "
	"pg_catalog.current_setting('superuser_reserved_connections')::int";

static const char nobody[] = "the configuration names nobody to log in as";

/* max_connections without what is kept for superusers; below 0: nobody knows, and e may say why. */
static long long ask_pg(const struct server_sum *s, struct server_account *who, struct err *e)
{
	struct pg_words w;
	long long most = -1;
	int64_t v;
	if (!*who->user || !*who->password) {
		err_set(e, ERR_CONFIG, "%s", nobody);
		return -1;
	}
	if (!*who->database)
		who->database = "postgres";
	pg_words_fill(&w, s->host, who, "weirpool doctor");
	PGconn *c = PQconnectdbParams(w.name, w.value, 0);
	PGresult *r = PQstatus(c) == CONNECTION_OK ? PQexec(c, max_connections_sql) : NULL;
	if (PQresultStatus(r) == PGRES_TUPLES_OK &&
		num_i64(PQgetvalue(r, 0, 0), 0, INT32_MAX, &v) == 0)
		most = v;
	else
		err_set(e, ERR_SERVER_CONNECT, "%s", PQerrorMessage(c));
	PQclear(r);
	PQfinish(c);
	return most;
}

static long long ask_my(const struct server_sum *s, const struct server_account *who, struct err *e)
{
	struct my_said said;
	int64_t v;
	if (!*who->user)
		err_set(e, ERR_CONFIG, "%s", nobody);
	if (!*who->user ||
		server_ask_my(s->host, who, "select @@max_connections, 1", &said, e) != 0 ||
		num_i64(said.cells[0], 0, INT32_MAX, &v) != 0)
		return -1;
	return v;
}

static void check_server(struct doctor *d, const struct server_sum *s)
{
	char node[300];
	struct settings set;
	struct server_account who = account_of(d, s, &set);
	struct err e = { 0 };
	bool my = strcmp(s->db->kind->name, "mysql") == 0;
	long long most = my ? ask_my(s, &who, &e) : ask_pg(s, &who, &e);
	const char *each = s->more ? " for each user who comes" : "";
	conf_node_name(s->host, node, sizeof node);
	if (most < 0)
		printf("-     %s: up to %lld connections%s; its max_connections could not be "
		       "asked%s%.*s\n",
			node, s->links, each, *e.msg ? ": " : "", (int)strcspn(e.msg, "\n"), e.msg);
	else if (s->links > most)
		found(d, node,
			"lower pool_size, set max_db_connections, or raise max_connections there",
			"the pools may open %lld connections%s, but the server takes %lld",
			s->links, each, most);
	else
		well("%s: up to %lld connections%s of %lld", node, s->links, each, most);
}

static void check_servers(struct doctor *d)
{
	struct server_sum list[SERVERS_MAX];
	unsigned n = 0;
	for (unsigned i = 0; i < d->conf->dbs_n; i++) {
		const struct conf_db *db = &d->conf->dbs[i];
		struct settings set;
		conf_effective(d->conf, db, NULL, &set);
		for (unsigned k = 0; k < db->hosts_n; k++) {
			struct server_sum *s = sum_of(list, &n, &db->hosts[k]);
			if (!s)
				continue;
			s->links += links_of(d, db);
			s->more |= !*db->force_user && !set.max_db_connections;
			if (!s->db || !*s->db->force_user)
				s->db = db;
		}
	}
	for (unsigned i = 0; i < n; i++)
		check_server(d, &list[i]);
}

/* ---- certificates and secrets ---- */

static void check_expiry(struct doctor *d, const char *path, const struct tls_ctx *c)
{
	int64_t at_s;
	if (!c || !*path || !tls_ctx_expiry(c, &at_s))
		return;
	long long days = (at_s - clock_wall_us() / 1000000) / DAY_S;
	if (at_s <= clock_wall_us() / 1000000)
		found(d, path, "renew it; weirpool takes the new one up by itself",
			"the certificate has ended: whoever checks it refuses the connection");
	else if (days < EXPIRY_DAYS)
		found(d, path, "renew it; weirpool takes the new one up by itself",
			"the certificate ends in %lld days", days);
	else
		well("certificate %s: %lld days left", path, days);
}

static void check_certificates(struct doctor *d)
{
	const char *last = "";
	const struct conf_global *g = &d->conf->global;
	check_expiry(d, g->client_tls.cert_file, d->gen->client_tls);
	check_expiry(d, g->http_tls_cert_file, d->gen->http_tls);
	check_expiry(d, g->otlp_tls.cert_file, d->gen->otlp_tls);
	check_expiry(d, g->patroni_tls.cert_file, d->gen->patroni_tls);
	for (unsigned i = 0; i < d->conf->dbs_n; i++) {
		const struct conf_db *db = &d->conf->dbs[i];
		struct settings s;
		struct err e = { 0 };
		conf_effective(d->conf, db, NULL, &s);
		if (!*s.server_tls.cert_file || strcmp(s.server_tls.cert_file, last) == 0)
			continue;
		last = s.server_tls.cert_file;
		struct tls_ctx *c = core_server_tls(&s, proto_by_name(db->kind->name), &e);
		check_expiry(d, last, c);
		tls_ctx_unref(c);
	}
}

static bool has_passwords(const struct conf *conf)
{
	for (unsigned i = 0; i < conf->dbs_n; i++)
		if (*conf->dbs[i].password)
			return true;
	for (unsigned i = 0; i < conf->clusters_n; i++)
		if (*conf->clusters[i].probe_password || *conf->clusters[i].switchover_password)
			return true;
	return false;
}

static void check_path(void *arg, const char *option, const char *path, bool written)
{
	struct doctor *d = arg;
	struct stat st;
	bool secret = option ? !strcmp(option, "auth_file") || strstr(option, "key_file") ||
				       strstr(option, "token")
			     : has_passwords(d->conf);
	if (!option && strcmp(path, d->conf->path) == 0 && d->file_seen++)
		return; /* it was made from itself, too */
	if (written || !secret || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_mode & S_IROTH)
		found(d, path, "chmod o-r, and let it belong to the account that runs weirpool",
			"everybody on this machine can read %s",
			option ? option : "a file with passwords");
}

static bool is_local(const char *addr)
{
	return !*addr || !strncmp(addr, "127.", 4) || !strcmp(addr, "::1") ||
	       !strcmp(addr, "localhost");
}

static void check_open(struct doctor *d)
{
	struct conf_listen ls[CONF_LISTENS_MAX];
	unsigned n = conf_listens(d->conf, ls);
	const struct conf_global *g = &d->conf->global;
	bool open = false;
	for (unsigned i = 0; i < n; i++) {
		const char *at = ls[i].addr;
		char item[256];
		while (conf_list_next(&at, item, sizeof item))
			open |= !is_local(item);
	}
	if (open && (g->auth_type == CONF_AUTH_TRUST || g->auth_type == CONF_AUTH_ANY))
		found(d, "auth_type", "choose scram-sha-256, or listen on 127.0.0.1 only",
			"clients of the network need no password");
	if (open && g->client_tls.mode == CONF_TLS_DISABLE)
		found(d, "client_tls_sslmode",
			"set client_tls_sslmode with a certificate: doc/tls.md",
			"clients come over the network without TLS");
}

/* ---- the one that runs ---- */

/* Each reason once, with how many clients have it. */
static void check_pins(struct doctor *d, PGconn *c)
{
	char where[80];
	PGresult *r = tool_show(c, "SHOW PINS");
	int n = r ? PQntuples(r) : 0;
	struct {
		const char *pins;
		int n;
	} why[PINS_MAX] = { { NULL, 0 } };
	for (int i = 0; i < n; i++) {
		unsigned k = 0;
		while (k < PINS_MAX - 1 && why[k].pins &&
			strcmp(why[k].pins, tool_cell(r, i, "pins")) != 0)
			k++;
		why[k].pins = tool_cell(r, i, "pins");
		why[k].n++;
	}
	for (unsigned k = 0; k < PINS_MAX && why[k].pins; k++) {
		snprintf(where, sizeof where, "SHOW PINS, pins = %s", why[k].pins);
		found(d, where, "doc/pooling.md says what pins, and what to write instead",
			"%d clients keep their server connection between transactions: %s",
			why[k].n, why[k].pins);
	}
	if (n == 0)
		well("no client is pinned to its server connection");
	PQclear(r);
}

static void check_waits(struct doctor *d, PGconn *c)
{
	PGresult *r = tool_show(c, "SHOW WAITS");
	if (r && PQntuples(r) > 0)
		found(d, "SHOW WAITS", "doc/operations.md, \"When clients wait\"",
			"%d clients wait for a server connection, the first of them for %s",
			PQntuples(r), tool_cell(r, 0, "waits_for"));
	PQclear(r);
}

/* Does it run with what stands in the file? */
static void check_loaded(struct doctor *d, PGconn *c)
{
	PGresult *r = tool_show(c, "SHOW CONFIG");
	unsigned differ = 0;
	char which[200] = "";
	for (int i = 0; r && i < PQntuples(r); i++) {
		struct conf_show s;
		for (unsigned k = 0; conf_show_next(d->conf, &k, &s);) {
			const char *runs = tool_cell(r, i, "value");
			size_t n = strlen(which);
			if (strcmp(s.key, tool_cell(r, i, "key")) != 0 ||
				strcmp(s.value ? s.value : "", runs) == 0)
				continue;
			if (differ++ < 3)
				snprintf(which + n, sizeof which - n, "%s%s", n ? ", " : "", s.key);
		}
	}
	if (differ)
		found(d, d->conf->path, "RELOAD (some options need a restart), or change the file",
			"%u options run with other values than the file has: %s%s", differ, which,
			differ > 3 ? ", ..." : "");
	else if (r)
		well("it runs with what the file says");
	PQclear(r);
}

static void check_running(struct doctor *d, const char *arg)
{
	const struct tool_target t = { .name = "doctor", .arg = arg, .quiet = true };
	PGconn *c = tool_console(&t);
	if (!c) {
		puts("-     no weirpool runs with this configuration, or its console lets nobody "
		     "in (PGUSER, PGPASSWORD): its clients were not looked at");
		return;
	}
	check_loaded(d, c);
	check_pins(d, c);
	check_waits(d, c);
	PQfinish(c);
}

/* ---- all of it ---- */

static void examine(struct doctor *d, const char *arg)
{
	check_fds(d);
	check_backlog(d);
	check_servers(d);
	check_certificates(d);
	conf_paths(d->conf, check_path, d);
	check_open(d);
	check_running(d, arg);
	printf("%u finding%s\n", d->found_n, d->found_n == 1 ? "" : "s");
}

int server_doctor(int argc, char **argv)
{
	struct conf_places p = { 0 };
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char line[1200];
	int c = getopt_long(argc, argv, "h", longs, NULL);
	if (c == 'h') {
		fputs(usage_text, stdout);
		return 0;
	}
	if (c != -1 || argc - optind > 1) {
		fputs(usage_text, stderr);
		return 2;
	}
	conf_places_env(&p, environ, &m);
	if (argv[optind])
		conf_places_target(&p, argv[optind], &m);
	struct core_gen *gen = conf_load_places(&p, &conf, &m) == 0 ? generation_build(conf, &m)
								    : NULL;
	for (unsigned i = 0; i < m.n; i++)
		fprintf(stderr, "%s\n", conf_msg_format(&m.list[i], line, sizeof line));
	struct doctor d = { .conf = gen ? gen->conf : NULL, .gen = gen };
	if (gen) {
		examine(&d, argv[optind]);
		gen_unref(gen);
	}
	conf_msgs_fini(&m);
	conf_places_fini(&p);
	return gen && d.found_n == 0 ? 0 : 1;
}
