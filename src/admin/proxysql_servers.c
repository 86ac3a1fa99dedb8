/* proxysql_servers - the servers that MySQL's entries lead to, and the tables of ProxySQL that are
 * about them and about users: mysql_servers, runtime_mysql_servers, runtime_mysql_users,
 * stats_mysql_users. Ignorant of what was counted of them (cmd_proxysql_conn.c). Control thread. */
#include "proxysql_int.h"

#include <stdio.h>

/* ---- the list ---- */

void proxysql_where(const char *host, unsigned port, char out[96])
{
	snprintf(out, 96, "%.80s:%u", host, port);
}

struct proxysql_server *proxysql_server_find(struct proxysql_servers *all, const char *where)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].where, where) == 0)
			return &all->v[i];
	return NULL;
}

static struct proxysql_server *add(struct proxysql_servers *all, const char *host, unsigned port)
{
	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 8;
		struct proxysql_server *v = mem_realloc(MEM_ADMIN, all->v, size * sizeof *v);
		if (!v) {
			all->no_memory = true;
			return NULL;
		}
		all->v = v;
		all->size = size;
	}
	struct proxysql_server *s = &all->v[all->n++];
	*s = (struct proxysql_server){ .port = port, .weight = 1, .status = "ONLINE" };
	proxysql_where(host, port, s->where);
	snprintf(s->host, sizeof s->host, "%s", host);
	return s;
}

struct proxysql_server *proxysql_server_gone(
	struct proxysql_servers *all, const char *host, unsigned port)
{
	struct proxysql_server *s = add(all, host, port);
	if (s)
		s->status = "OFFLINE_HARD";
	return s;
}

static const char *status_of(enum node_state s)
{
	switch (s) {
	case NODE_UP:
	case NODE_WARMING: return "ONLINE";
	case NODE_DRAINING:
	case NODE_MAINT: return "OFFLINE_SOFT";
	case NODE_UNKNOWN:
	case NODE_SUSPECT:
	case NODE_DOWN:
	case NODE_QUARANTINED: break;
	}
	return "SHUNNED";
}

/* What is known of it as node i of a cluster. */
static void set_node(
	struct admin *a, struct proxysql_server *s, const struct conf_cluster *cc, unsigned i)
{
	const struct topo_cluster *tc = topo_find(a->core->gen->topo, cc->name);
	const struct cluster_view *v = tc ? tc->cluster->view : NULL;
	struct probe_report p;
	s->weight = cc->weight[i];
	s->hostgroup = PROXYSQL_READER;
	s->status = "SHUNNED";
	if (v && topo_fits(tc, v)) {
		s->hostgroup = (int)i == v->primary ? PROXYSQL_WRITER : PROXYSQL_READER;
		s->status = status_of(v->node[i].state);
	}
	if (a->hooks.probe && a->hooks.probe(a->hooks.arg, cc->name, i, &p))
		s->rtt_us = p.rtt_us;
}

static void set_entry(
	struct proxysql_server *s, const struct conf_db *db, const struct settings *set, bool first)
{
	size_t n = strlen(s->entries);
	snprintf(s->entries + n, sizeof s->entries - n, "%s%s", n ? ", " : "", db->name);
	s->compression = set->server_compression != CONF_COMPRESSION_OFF;
	s->tls = set->server_tls.mode >= CONF_TLS_PREFER;
	s->max_lag_s = set->max_staleness_us / 1000000;
	if (set->max_db_connections == 0 || (!first && s->max_connections == 0))
		s->max_connections = 0;
	else
		s->max_connections += set->max_db_connections;
}

static void add_entry(struct admin *a, struct proxysql_servers *all, const struct conf_db *db)
{
	const struct conf_cluster *cc = db->cluster;
	unsigned n = cc ? cc->nodes_n : db->hosts_n;
	struct settings set;
	conf_effective(a->core->gen->conf, db, NULL, &set);
	for (unsigned i = 0; i < n; i++) {
		const struct conf_host *h = cc ? &cc->nodes[i] : &db->hosts[i];
		char where[96];
		proxysql_where(h->host, h->port, where);
		struct proxysql_server *s = proxysql_server_find(all, where);
		bool first = !s;
		if (first && !(s = add(all, h->host, h->port)))
			return;
		if (cc)
			set_node(a, s, cc, i);
		s->shared = s->shared || (!cc && n > 1);
		set_entry(s, db, &set, first);
	}
}

/* A server of no cluster is in doubt while nobody gets in. */
static void look_at_pools(struct core *c, struct proxysql_servers *all)
{
	char where[96];
	pthread_mutex_lock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->pools); hmap_next(&it);) {
		const struct pool *o = it.value;
		const struct conf_db *db = conf_db_find_in(c->gen->conf, "mysql", o->db->name);
		if (!proxysql_is_mysql(o->db) || o->node || !db || db->cluster || db->hosts_n != 1)
			continue;
		proxysql_where(db->hosts[0].host, db->hosts[0].port, where);
		struct proxysql_server *s = proxysql_server_find(all, where);
		if (s && atomic_load(&o->failures) > 0)
			s->status = "SHUNNED";
	}
	pthread_mutex_unlock(&c->lock);
}

void proxysql_servers_list(struct admin *a, struct proxysql_servers *all)
{
	const struct conf *conf = a->core->gen->conf;
	*all = (struct proxysql_servers){ 0 };
	for (unsigned i = 0; i < conf->dbs_n; i++)
		if (strcmp(conf->dbs[i].kind->name, "mysql") == 0)
			add_entry(a, all, &conf->dbs[i]);
	look_at_pools(a->core, all);
}

void proxysql_servers_fini(struct proxysql_servers *all)
{
	mem_free(MEM_ADMIN, all->v);
	*all = (struct proxysql_servers){ 0 };
}

/* ---- mysql_servers ---- */

static void server_row(struct rowset *rs, const struct proxysql_server *s)
{
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", s->hostgroup);
	rowset_set(rs, row, 1, s->host);
	rowset_setf(rs, row, 2, "%u", s->port);
	rowset_set(rs, row, 3, "0");
	rowset_set(rs, row, 4, s->status);
	rowset_setf(rs, row, 5, "%u", s->weight);
	rowset_setf(rs, row, 6, "%d", s->compression);
	if (s->max_connections)
		rowset_setf(rs, row, 7, "%lld", (long long)s->max_connections);
	rowset_setf(rs, row, 8, "%lld", (long long)s->max_lag_s);
	rowset_setf(rs, row, 9, "%d", s->tls);
	rowset_set(rs, row, 10, "0");
	rowset_set(rs, row, 11, s->entries);
}

void show_proxysql_servers(struct core_console *r, const struct cmd_line *l)
{
	struct proxysql_servers all;
	(void)l;
	admin_cols(&r->result, "isiisiiqiiis",
		"hostgroup_id hostname port gtid_port status weight compression max_connections "
		"max_replication_lag use_ssl max_latency_ms comment");
	proxysql_servers_list(admin_of(r), &all);
	for (size_t i = 0; i < all.n; i++)
		server_row(&r->result, &all.v[i]);
	bool ok = !all.no_memory;
	proxysql_servers_fini(&all);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

/* ---- users ---- */

/* As many clients as may come as this user. */
static int client_limit(const struct conf *conf, const struct settings *set)
{
	int all = conf->global.max_client_conn, own = set->max_user_client_connections;
	return own && own < all ? own : all;
}

static unsigned clients_of(struct core *c, const char *name)
{
	pthread_mutex_lock(&c->lock);
	struct account *a = hmap_get(&c->accounts, name, strlen(name));
	unsigned n = a ? atomic_load(&a->clients) : 0;
	pthread_mutex_unlock(&c->lock);
	return n;
}

static void stats_user_row(struct core_console *r, const char *name, int limit)
{
	char **row = rowset_row(&r->result);
	rowset_set(&r->result, row, 0, name);
	rowset_setf(&r->result, row, 1, "%u", clients_of(r->core, name));
	rowset_setf(&r->result, row, 2, "%d", limit);
}

/* Passwords are nobody's to see. */
static void user_row(struct core_console *r, const char *name, int limit)
{
	struct rowset *rs = &r->result;
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, name);
	rowset_set(rs, row, 2, "1");
	rowset_set(rs, row, 3, "0");
	rowset_setf(rs, row, 4, "%d", PROXYSQL_WRITER);
	rowset_set(rs, row, 6, "0");
	rowset_set(rs, row, 7, "1");
	rowset_set(rs, row, 8, "0");
	rowset_set(rs, row, 9, "1");
	rowset_set(rs, row, 10, "1");
	rowset_setf(rs, row, 11, "%d", limit);
	rowset_set(rs, row, 12, "");
	rowset_set(rs, row, 13, "");
}

static void each_user(struct core_console *r, bool stats)
{
	const struct conf *conf = admin_conf(r);
	size_t n;
	const char **names = names_list(r->core, NAMES_USERS, &n);
	if (!names) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct settings set;
		if (conf_is_console(names[i])) /* its own user is no client's */
			continue;
		conf_effective(conf, NULL, conf_user_find(conf, names[i]), &set);
		if (stats)
			stats_user_row(r, names[i], client_limit(conf, &set));
		else
			user_row(r, names[i], client_limit(conf, &set));
	}
	mem_free(MEM_ADMIN, names);
	admin_done(r, "SHOW");
}

void show_proxysql_stats_users(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "sii", "username frontend_connections frontend_max_connections");
	each_user(r, true);
}

void show_proxysql_users(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "ssiiisiiiiiiss",
		"username password active use_ssl default_hostgroup default_schema schema_locked "
		"transaction_persistent fast_forward backend frontend max_connections attributes "
		"comment");
	each_user(r, false);
}
