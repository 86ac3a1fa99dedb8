/* convert_proxysql - the other half of weirpool convert: proxysql.cnf. Its model is another one:
 * there users choose a set of servers (a hostgroup), and rules move statements between the sets;
 * here databases do, and a cluster knows by itself who is the primary and what a replica may
 * answer. Source: ProxySQL's documentation, "Main (runtime) tables" and "Global variables". */
#include "cnf_int.h"
#include "convert_int.h"

#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SETS_MAX 64
#define HOSTGROUPS_N 4

static const struct family {
	const char *prefix, *section, *protocol;
	int port;
} families[] = {
	{ "mysql", "mysql_databases", "mysql", 3306 },
	{ "pgsql", "databases", "postgresql", 5432 },
};
#define FAMILIES_N 2

/* Servers that belong together: a cluster, or a hostgroup by itself. */
struct set {
	long long hostgroup[HOSTGROUPS_N]; /* writer, reader, more; -1: none */
	bool cluster;
	char name[80];
	unsigned users_n, nodes_n;
	bool tls;
	long long max_lag_s, max_connections;
};

struct work {
	struct convert *c;
	const struct cnf *root;
	const struct family *f;
	struct set set[SETS_MAX];
	unsigned n, main; /* sets, and the one of most users */
};

/* mysql_servers and pgsql_servers; mysql_query_rules and pgsql_query_rules; and so on. */
static const struct cnf *table(const struct work *w, const char *name)
{
	char full[80];
	snprintf(full, sizeof full, "%s_%s", w->f->prefix, name);
	const struct cnf *t = cnf_get(w->root, full);
	return t ? t->first : NULL;
}

static const struct cnf *variables(const struct work *w)
{
	char full[80];
	snprintf(full, sizeof full, "%s_variables", w->f->prefix);
	return cnf_get(w->root, full);
}

static void put_value(struct buf *out, const char *s)
{
	bool plain = *s && strcspn(s, " \t\r\n'") == strlen(s);
	buf_puts(out, plain ? "" : "'");
	for (; *s; s++) {
		if (*s == '\'' || (s[0] == '$' && s[1] == '{'))
			buf_append(out, s, 1);
		buf_append(out, *s == '\n' || *s == '\r' ? " " : s, 1);
	}
	buf_puts(out, plain ? "" : "'");
}

static void put_pair(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, " %s=", key);
	put_value(out, value);
}

static void put_name(struct buf *out, const char *s)
{
	buf_puts(out, "\"");
	for (; *s; s++)
		buf_append(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
	buf_puts(out, "\"");
}

/* Letters, digits and _ of s, for a name of ours. */
static void plain_name(const char *s, const char *dflt, char *out, size_t n)
{
	size_t at = 0;
	for (; *s && at + 1 < n; s++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *s))
			out[at++] = *s;
		else if (at && out[at - 1] != '_')
			out[at++] = '_';
	out[at] = '\0';
	if (!at || at > 40)
		snprintf(out, n, "%s", dflt);
}

/* ---- servers ---- */

static long long hostgroup_of(const struct cnf *row)
{
	return cnf_number(row, "hostgroup_id", cnf_number(row, "hostgroup", 0));
}

static bool is_in(const struct set *s, long long hostgroup)
{
	for (unsigned i = 0; i < HOSTGROUPS_N; i++)
		if (s->hostgroup[i] == hostgroup)
			return true;
	return false;
}

static struct set *set_of(struct work *w, long long hostgroup)
{
	for (unsigned i = 0; i < w->n; i++)
		if (is_in(&w->set[i], hostgroup))
			return &w->set[i];
	return NULL;
}

static struct set *set_add(struct work *w, const char *name, bool cluster)
{
	if (w->n == SETS_MAX) {
		convert_note(
			w->c, "more than %d sets of servers: the others are left out", SETS_MAX);
		return NULL;
	}
	struct set *s = &w->set[w->n++];
	*s = (struct set){ .hostgroup = { -1, -1, -1, -1 }, .cluster = cluster };
	snprintf(s->name, sizeof s->name, "%s", name);
	for (unsigned i = 0; i + 1 < w->n; i++)
		if (strcmp(w->set[i].name, s->name) == 0)
			snprintf(s->name, sizeof s->name, "%.60s_%u", name, w->n);
	return s;
}

static void take_pairs(struct work *w, const char *name)
{
	for (const struct cnf *r = table(w, name); r; r = r->next) {
		char dflt[40], label[80];
		long long writer = cnf_number(r, "writer_hostgroup", -1);
		snprintf(dflt, sizeof dflt, "%s_hg%lld", w->f->prefix, writer);
		plain_name(cnf_text(r, "comment", ""), dflt, label, sizeof label);
		struct set *s = set_add(w, label, true);
		if (!s)
			return;
		s->hostgroup[0] = writer;
		s->hostgroup[1] = cnf_number(r, "reader_hostgroup", -1);
		s->hostgroup[2] = cnf_number(r, "backup_writer_hostgroup", -1);
		s->hostgroup[3] = cnf_number(r, "offline_hostgroup", -1);
	}
}

/* OFFLINE_HARD and OFFLINE_SOFT: nothing is sent there today, so nothing is after the move. */
static bool is_gone(const struct cnf *server)
{
	return strncasecmp(cnf_text(server, "status", "ONLINE"), "OFFLINE_", 8) == 0;
}

static const char *address_of(const struct cnf *server)
{
	return cnf_text(server, "address", cnf_text(server, "hostname", ""));
}

/* Is it the first of its address in the set? A server stands there once for each hostgroup. */
static bool is_first(const struct work *w, const struct set *s, const struct cnf *server)
{
	for (const struct cnf *r = table(w, "servers"); r != server; r = r->next)
		if (is_in(s, hostgroup_of(r)) && !is_gone(r) &&
			strcasecmp(address_of(r), address_of(server)) == 0 &&
			cnf_number(r, "port", w->f->port) == cnf_number(server, "port", w->f->port))
			return false;
	return is_in(s, hostgroup_of(server)) && !is_gone(server) && *address_of(server);
}

static void take_servers(struct work *w)
{
	for (const struct cnf *r = table(w, "servers"); r; r = r->next) {
		struct set *s = set_of(w, hostgroup_of(r));
		char name[80];
		snprintf(name, sizeof name, "%s_hg%lld", w->f->prefix, hostgroup_of(r));
		if (!s && (s = set_add(w, name, false)) == NULL)
			return;
		if (s->hostgroup[0] < 0)
			s->hostgroup[0] = hostgroup_of(r);
		if (is_gone(r)) {
			convert_note(w->c, "server %s:%lld of hostgroup %lld is left out: it is %s",
				address_of(r), cnf_number(r, "port", w->f->port), hostgroup_of(r),
				cnf_text(r, "status", ""));
			continue;
		}
		s->tls |= cnf_number(r, "use_ssl", 0) != 0;
		s->nodes_n += is_first(w, s, r);
		long long lag = cnf_number(r, "max_replication_lag", 0);
		s->max_lag_s = lag > s->max_lag_s ? lag : s->max_lag_s;
		long long most = cnf_number(r, "max_connections", 1000);
		s->max_connections = most > s->max_connections ? most : s->max_connections;
	}
}

/* host=, port= and for a cluster weight=, of the servers of a set. */
static void put_nodes(struct work *w, const struct set *s, struct buf *out)
{
	static const char *const columns[] = { "host", "port", "weight" };
	for (unsigned k = 0; k < (s->cluster ? 3 : 2); k++) {
		bool first = true;
		buf_printf(out, " %s=", columns[k]);
		for (const struct cnf *r = table(w, "servers"); r; r = r->next) {
			if (!is_first(w, s, r))
				continue;
			buf_puts(out, first ? "" : ",");
			first = false;
			long long weight = cnf_number(r, "weight", 1);
			if (k == 0)
				buf_puts(out, address_of(r));
			else
				buf_printf(out, "%lld",
					k == 1          ? cnf_number(r, "port", w->f->port)
					: weight > 1000 ? 1000
							: weight);
		}
	}
}

static void put_cluster(struct work *w, const struct set *s)
{
	struct buf *out = &w->c->out;
	const struct cnf *v = variables(w);
	long long ms = cnf_number(v, "monitor_read_only_interval", 0);
	if (!s->cluster)
		return;
	if (!s->nodes_n || s->nodes_n > CONF_NODES_MAX) {
		convert_note(w->c, "hostgroup %lld has %u servers: a cluster has 1 to %d",
			s->hostgroup[0], s->nodes_n, CONF_NODES_MAX);
		return;
	}
	buf_printf(out, "%s = protocol=%s", s->name, w->f->protocol);
	put_nodes(w, s, out);
	put_pair(out, "probe_user", cnf_text(v, "monitor_username", "monitor"));
	put_pair(out, "probe_password", cnf_text(v, "monitor_password", "monitor"));
	if (ms > 0)
		buf_printf(out, " probe_interval=%lldms", ms < 5000 ? ms : 5000);
	buf_puts(out, "\n");
}

/* ---- users, and the databases that follow from them ---- */

static bool is_active(const struct cnf *row)
{
	return cnf_number(row, "active", 1) != 0;
}

static void take_users(struct work *w)
{
	for (const struct cnf *r = table(w, "users"); r; r = r->next) {
		struct set *s = set_of(w, cnf_number(r, "default_hostgroup", 0));
		const char *name = cnf_text(r, "username", "");
		if (!is_active(r) || !*name)
			continue;
		put_name(&w->c->users, name);
		buf_puts(&w->c->users, " ");
		put_name(&w->c->users, cnf_text(r, "password", ""));
		buf_puts(&w->c->users, "\n");
		if (s)
			s->users_n++;
	}
	for (unsigned i = 0; i < w->n; i++)
		if (w->set[i].users_n > w->set[w->main].users_n)
			w->main = i;
}

static void put_where(struct work *w, const struct set *s)
{
	struct buf *out = &w->c->out;
	if (s->cluster)
		put_pair(out, "cluster", s->name);
	else
		put_nodes(w, s, out);
	if (s->tls)
		put_pair(out, "server_tls_sslmode", "require");
	if (s->max_lag_s)
		buf_printf(out, " max_staleness=%llds", s->max_lag_s);
	if (s->max_connections)
		buf_printf(out, " max_db_connections=%lld", s->max_connections);
	buf_puts(out, "\n");
}

static void put_database(struct work *w, const struct set *s, bool main)
{
	const char *schema = "";
	if (!s->nodes_n)
		return;
	if (!s->cluster && s->nodes_n > 1)
		convert_note(w->c,
			"hostgroup %lld has several servers and is in no table of replication "
			"hostgroups: they are used in turn, also for writes",
			s->hostgroup[0]);
	if (main) {
		buf_puts(&w->c->out, "* =");
		put_where(w, s);
		return;
	}
	for (const struct cnf *r = table(w, "users"); r && !*schema; r = r->next)
		if (is_active(r) && is_in(s, cnf_number(r, "default_hostgroup", 0)))
			schema = cnf_text(r, "default_schema", "");
	convert_note(w->c,
		"hostgroup %lld (%u users): servers follow from the database here, not from the "
		"user: its clients connect to the database %s%s",
		s->hostgroup[0], s->users_n, s->name,
		*schema ? "" : "; say with dbname= which one that is at the server");
	buf_printf(&w->c->out, "%s =", s->name);
	if (*schema)
		put_pair(&w->c->out, "dbname", schema);
	put_where(w, s);
}

static void put_limits(struct work *w)
{
	for (const struct cnf *r = table(w, "users"); r; r = r->next) {
		long long most = cnf_number(r, "max_connections", 10000);
		const char *name = cnf_text(r, "username", "");
		if (!is_active(r) || !*name || most == 10000)
			continue;
		put_name(&w->c->out, name);
		buf_printf(&w->c->out, " = max_user_client_connections=%lld\n", most);
	}
}

/* ---- rules ---- */

/* Why a rule has no counterpart, or NULL. */
static const char *why_not(struct work *w, const struct cnf *r)
{
	static const struct {
		const char *column, *why;
	} no[] = { { "replace_pattern", "weirpool does not rewrite statements" },
		{ "cache_ttl", "weirpool does not cache results" },
		{ "mirror_hostgroup", "weirpool does not mirror statements" },
		{ "mirror_flagOUT", "weirpool does not mirror statements" },
		{ "OK_msg", "weirpool answers for no server" },
		{ "flagOUT", "the first rule that fits decides; there are no chains" },
		{ "proxy_port",
			"rules do not look at ports: see listen_port_rw and listen_port_ro" },
		{ "proxy_addr", "rules do not look at our address" },
		{ "digest", "digests are others here: weirpool explain-route --digest" } };
	for (unsigned i = 0; i < sizeof no / sizeof *no; i++)
		if (*cnf_text(r, no[i].column, ""))
			return no[i].why;
	const struct cnf *hg = cnf_get(r, "destination_hostgroup");
	if (cnf_number(r, "negate_match_pattern", 0))
		return "a negated pattern; write it with (?!...)";
	if (cnf_number(r, "flagIN", 0))
		return "the first rule that fits decides; there are no chains";
	if (strchr(cnf_text(r, "client_addr", ""), '%'))
		return "client_addr with a %: address= takes networks, such as 10.0.0.0/8";
	if (hg && !set_of(w, cnf_number(r, "destination_hostgroup", 0)))
		return "its hostgroup has no servers";
	if (hg && !set_of(w, cnf_number(r, "destination_hostgroup", 0))->cluster)
		return "its hostgroup is in no table of replication hostgroups: make a cluster of "
		       "the servers that hold the same data";
	if (hg && !cnf_number(r, "apply", 0))
		return "apply is 0: a later rule might still move it, and here the first one "
		       "decides";
	if (!hg && !*cnf_text(r, "error_msg", "") && !cnf_number(r, "timeout", 0) &&
		!cnf_number(r, "log", 0))
		return "it does nothing that weirpool could do";
	return NULL;
}

static void put_rule(struct work *w, const struct cnf *r)
{
	struct buf *out = &w->c->out;
	const char *why = why_not(w, r);
	const char *pattern = cnf_text(r, "match_pattern", cnf_text(r, "match_digest", ""));
	long long id = cnf_number(r, "rule_id", 0), ms = cnf_number(r, "timeout", 0);
	if (!is_active(r))
		return;
	if (why) {
		convert_note(w->c, "rule %lld is left out: %s", id, why);
		return;
	}
	buf_printf(out, "%s%lld =", w->f->prefix, id);
	if (*cnf_text(r, "username", ""))
		put_pair(out, "user", cnf_text(r, "username", ""));
	if (*cnf_text(r, "schemaname", ""))
		put_pair(out, "database", cnf_text(r, "schemaname", ""));
	if (*cnf_text(r, "client_addr", ""))
		put_pair(out, "address", cnf_text(r, "client_addr", ""));
	if (*pattern)
		put_pair(out, "regex", pattern);
	if (cnf_get(r, "destination_hostgroup")) {
		long long hg = cnf_number(r, "destination_hostgroup", 0);
		put_pair(out, "route", set_of(w, hg)->hostgroup[1] == hg ? "replica" : "primary");
	}
	if (*cnf_text(r, "error_msg", ""))
		put_pair(out, "block", cnf_text(r, "error_msg", ""));
	if (ms > 0)
		buf_printf(out, " query_timeout=%lldms", ms);
	if (cnf_number(r, "log", 0))
		buf_puts(out, " log=1");
	buf_puts(out, "\n");
}

static int by_id(const void *a, const void *b)
{
	const struct cnf *const *x = a, *const *y = b;
	long long d = cnf_number(*x, "rule_id", 0) - cnf_number(*y, "rule_id", 0);
	return (d > 0) - (d < 0);
}

static void put_rules(struct work *w)
{
	const struct cnf **list = NULL;
	size_t n = 0;
	for (const struct cnf *r = table(w, "query_rules"); r; r = r->next) {
		list = mem_xrealloc(MEM_MISC, list, (n + 1) * sizeof(*list));
		list[n++] = r;
	}
	if (n)
		qsort(list, n, sizeof *list, by_id);
	for (size_t i = 0; i < n; i++)
		put_rule(w, list[i]);
	if (n)
		convert_note(w->c,
			"%zu rules of %s were read: those that send reads to replicas are seldom "
			"needed here, where each statement is classified (doc/routing.md)",
			n, w->f->prefix);
	mem_free(MEM_MISC, list);
}

/* ---- variables ---- */

enum unit { AS_IS, MS };
static const struct variable {
	const char *theirs, *ours; /* NULL: why says */
	enum unit unit;
	const char *why;
} known[] = {
	{ "max_connections", "max_client_conn", AS_IS, NULL },
	{ "threads", "workers", AS_IS, NULL },
	{ "connect_timeout_server", "server_connect_timeout", MS, NULL },
	{ "connect_timeout_server_max", "query_wait_timeout", MS, NULL },
	{ "default_query_timeout", "query_timeout", MS, NULL },
	{ "wait_timeout", "client_idle_timeout", MS, NULL },
	{ "max_transaction_time", "transaction_timeout", MS, NULL },
	{ "max_transaction_idle_time", "idle_transaction_timeout", MS, NULL },
	{ "connection_max_age_ms", "server_lifetime", MS, NULL },
	{ "server_version", "mysql_server_version", AS_IS, NULL },
	{ "ssl_p2s_ca", "server_tls_ca_file", AS_IS, NULL },
	{ "ssl_p2s_cert", "server_tls_cert_file", AS_IS, NULL },
	{ "ssl_p2s_key", "server_tls_key_file", AS_IS, NULL },
	{ "proxy_protocol_networks", "proxy_protocol_networks", AS_IS, NULL },
	{ "interfaces", NULL, AS_IS, "" },
	{ "monitor_username", NULL, AS_IS, "" },
	{ "monitor_password", NULL, AS_IS, "" },
	{ "monitor_read_only_interval", NULL, AS_IS, "" },
	{ "multiplexing", NULL, AS_IS, "" },
	{ "have_ssl", NULL, AS_IS,
		"client_tls_sslmode with client_tls_cert_file and client_tls_key_file" },
	{ "have_compress", NULL, AS_IS, "client_compression is on" },
	{ "stacksize", NULL, AS_IS, "not needed" },
	{ "poll_timeout", NULL, AS_IS, "not needed" },
	{ "default_schema", NULL, AS_IS, "clients name a database, or there is one only" },
	{ "default_charset", NULL, AS_IS, "the client's counts" },
	{ "commands_stats", NULL, AS_IS, "SHOW STATS counts always" },
	{ "query_digests", "query_stats", AS_IS, NULL },
	{ "long_query_time", NULL, AS_IS,
		"log_min_duration logs slow statements, and counts them" },
	{ "eventslog_filename", NULL, AS_IS,
		"log_min_duration logs slow statements, otlp_endpoint takes traces" },
	{ "connect_retries_on_failure", NULL, AS_IS,
		"not needed: clients wait while weirpool tries again, up to query_wait_timeout" },
	{ "query_retries_on_failure", NULL, AS_IS,
		"only what is proven to be a read is sent again" },
	{ "free_connections_pct", NULL, AS_IS, "see server_idle_timeout" },
	{ "ping_interval_server_msec", NULL, AS_IS, "see server_check_delay" },
	{ "ping_timeout_server", NULL, AS_IS, "see server_check_delay" },
	{ "set_query_lock_on_hostgroup", NULL, AS_IS,
		"not needed: the settings of a session follow it" },
	{ "keep_multiplexing_variables", NULL, AS_IS,
		"not needed: the settings of a session follow it" },
	{ "sessions_sort", NULL, AS_IS, "not needed" },
};

static const struct variable *find_variable(const char *name)
{
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (strcasecmp(known[i].theirs, name) == 0)
			return &known[i];
	return NULL;
}

/* The two families share most options of ours: the first that says one counts. */
static bool said_before(const struct work *w, const char *theirs)
{
	return w->f != &families[0] && cnf_get(cnf_get(w->root, "mysql_variables"), theirs);
}

static void put_option(struct buf *out, const char *name, const char *text, const char *unit)
{
	buf_printf(out, "%s = ", name);
	for (; *text; text++) {
		if (text[0] == '$' && text[1] == '{')
			buf_puts(out, "$");
		buf_append(out, (unsigned char)*text < 0x20 ? " " : text, 1);
	}
	buf_printf(out, "%s\n", unit);
}

/* 0 is "never" there, and the opposite here. */
static bool is_endless(const struct variable *x, const char *text)
{
	int64_t v;
	return x->ours && strcmp(x->ours, "server_lifetime") == 0 && text &&
	       num_i64(text, 0, 0, &v) == 0;
}

static void put_variables(struct work *w)
{
	const struct cnf *v = variables(w);
	for (const struct cnf *k = v ? v->first : NULL; k; k = k->next) {
		const struct variable *x = find_variable(k->name);
		if (!x && strncasecmp(k->name, "monitor_", 8) == 0)
			convert_note(w->c, "%s_variables.%s: the probe_* options of a cluster",
				w->f->prefix, k->name);
		else if (!x)
			convert_note(
				w->c, "%s_variables.%s: no counterpart", w->f->prefix, k->name);
		else if (!x->ours && *x->why)
			convert_note(w->c, "%s_variables.%s: %s", w->f->prefix, k->name, x->why);
		else if (is_endless(x, k->text))
			convert_note(w->c,
				"%s_variables.%s = 0: a connection is renewed after "
				"server_lifetime, 3600 s, here, where 0 would mean after each use",
				w->f->prefix, k->name);
		else if (x->ours && !said_before(w, k->name) && k->text && *k->text)
			put_option(&w->c->out, x->ours, k->text, x->unit == MS ? "ms" : "");
		else if (x->ours && k->text && *k->text)
			convert_note(w->c,
				"pgsql_variables.%s: that of mysql_variables counts for both",
				k->name);
	}
	if (strcmp(cnf_text(v, "multiplexing", "1"), "0") == 0)
		buf_puts(&w->c->out, "pool_mode = session\n");
}

/* "0.0.0.0:6033;/tmp/proxysql.sock" */
static void put_interfaces(struct work *w)
{
	bool my = w->f == &families[0], any = false;
	const char *text = cnf_text(
		variables(w), "interfaces", my ? "0.0.0.0:6033" : "0.0.0.0:6133");
	char copy[512], *save = NULL;
	snprintf(copy, sizeof copy, "%s", text);
	for (char *p = strtok_r(copy, "; ", &save); p; p = strtok_r(NULL, "; ", &save)) {
		char *colon = strrchr(p, ':');
		if (*p == '/') {
			if (my)
				buf_printf(&w->c->out, "mysql_unix_socket = %s\n", p);
			else
				convert_note(w->c,
					"unix socket %s: the name of weirpool's has the "
					"port in it, see unix_socket_dir",
					p);
		} else if (!colon || any) {
			convert_note(w->c, "interface %s: one port for each protocol", p);
		} else {
			*colon = '\0';
			if (*p == '[' && colon[-1] == ']') { /* an address of IPv6 */
				colon[-1] = '\0';
				p++;
			}
			buf_printf(&w->c->out, "%slisten_addr = %s\n%slisten_port = %s\n",
				my ? "mysql_" : "", p, my ? "mysql_" : "", colon + 1);
			any = true;
		}
	}
}

/* name:name, as admin:admin: whoever knows ProxySQL knows it. */
static bool is_easy(const char *name, const char *colon)
{
	size_t n = (size_t)(colon - name);
	return strcspn(colon + 1, ";") == n && memcmp(name, colon + 1, n) == 0;
}

static void note_easy(struct convert *c, const char *p, const char *option)
{
	for (; *p; p += strcspn(p, ";"), p += *p == ';') {
		const char *colon = strchr(p, ':');
		if (colon && is_easy(p, colon))
			convert_note(c,
				"%s: %.*s is left out: its password is its name, and the console "
				"is on each port here; give it another one",
				option, (int)(colon - p), p);
	}
}

/* "admin:adminsecret;radmin:secret" to "admin,radmin" */
static void put_admins(struct convert *c, const char *credentials, const char *option)
{
	char copy[512], *save = NULL;
	bool first = true;
	note_easy(c, credentials, option);
	snprintf(copy, sizeof copy, "%s", credentials);
	for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
		char *colon = strchr(p, ':');
		if (!colon || is_easy(p, colon))
			continue;
		*colon = '\0';
		if (first)
			buf_printf(&c->out, "%s = %s", option, p);
		else
			buf_printf(&c->out, ",%s", p);
		first = false;
		put_name(&c->users, p);
		buf_puts(&c->users, " ");
		put_name(&c->users, colon + 1);
		buf_puts(&c->users, "\n");
	}
	buf_puts(&c->out, first ? "" : "\n");
	mem_wipe(copy, sizeof copy);
}

static void put_global(struct convert *c, struct work *w, const struct cnf *root)
{
	static const char *const others[] = { "scheduler", "proxysql_servers", "restapi",
		"mysql_query_rules_fast_routing", "mysql_firewall_whitelist_rules",
		"clickhouse_users" };
	const struct cnf *admin = cnf_get(root, "admin_variables");
	buf_puts(&c->out, "\n[weirpool]\n");
	buf_printf(&c->out, "auth_file = %s\n", c->users_path ? c->users_path : "users.txt");
	if (!c->users_path)
		convert_note(c, "auth_file: run this again with --users=FILE to get the secrets of "
				"the users");
	put_admins(c, cnf_text(admin, "admin_credentials", "admin:admin"), "admin_users");
	put_admins(c, cnf_text(admin, "stats_credentials", ""), "stats_users");
	for (unsigned i = 0; i < FAMILIES_N; i++) {
		if (!w[i].n)
			continue;
		put_interfaces(&w[i]);
		put_variables(&w[i]);
	}
	if (!w[1].n) /* no client of PostgreSQL but the console's */
		buf_puts(&c->out, "listen_addr = 127.0.0.1\n");
	convert_note(c,
		"the admin interface (port 6032) is the database weirpool on each port here; "
		"its tables are options, changed in this file and by RELOAD");
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		if (cnf_get(root, others[i]))
			convert_note(c, "%s: no counterpart", others[i]);
	if (cnf_get(root, "errorlog"))
		convert_note(c, "errorlog: set logfile, else lines go to standard error");
	if (cnf_number(admin, "web_enabled", 0) || cnf_number(admin, "restapi_enabled", 0))
		convert_note(c, "admin_variables.web_enabled, restapi_enabled: set http_port for "
				"the status page, metrics and JSON");
}

/* Pairs of hostgroups are in tables of several kinds: mysql_replication_hostgroups,
 * mysql_group_replication_hostgroups, mysql_galera_hostgroups. */
static void take_family(struct work *w)
{
	take_pairs(w, "replication_hostgroups");
	take_pairs(w, "group_replication_hostgroups");
	take_pairs(w, "galera_hostgroups");
	take_pairs(w, "aws_aurora_hostgroups");
	take_servers(w);
	take_users(w);
}

int convert_proxysql(struct convert *c, const char *text, size_t n)
{
	struct work w[FAMILIES_N];
	char why[300];
	struct cnf *root = cnf_parse(text, n, why, sizeof why);
	if (!root) {
		tool_say("convert", "%s: %s", c->path, why);
		return -1;
	}
	buf_printf(&c->out, "; made from %s by weirpool convert\n\n[clusters]\n", c->path);
	for (unsigned i = 0; i < FAMILIES_N; i++) {
		w[i] = (struct work){ .c = c, .root = root, .f = &families[i] };
		take_family(&w[i]);
		for (unsigned k = 0; k < w[i].n; k++)
			put_cluster(&w[i], &w[i].set[k]);
	}
	for (unsigned i = 0; i < FAMILIES_N; i++) {
		buf_printf(&c->out, "\n[%s]\n", families[i].section);
		for (unsigned k = 0; k < w[i].n; k++)
			put_database(&w[i], &w[i].set[k], k == w[i].main);
	}
	buf_puts(&c->out, "\n[users]\n");
	for (unsigned i = 0; i < FAMILIES_N; i++)
		put_limits(&w[i]);
	buf_puts(&c->out, "\n[rules]\n");
	for (unsigned i = 0; i < FAMILIES_N; i++)
		put_rules(&w[i]);
	put_global(c, w, root);
	fprintf(stderr, "%s: %u sets of servers; %u notes\n", c->path, w[0].n + w[1].n, c->notes_n);
	cnf_free(root);
	return 0;
}
