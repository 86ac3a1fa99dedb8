/* metrics_fill - rows of databases, pools, clients and workers, from what the workers told.
 * Ignorant of the metrics' names and of text. Control thread. */
#include "metrics_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct metrics_part *part(struct scatter *s, unsigned i)
{
	return scatter_part(s, i);
}

/* ---- databases ---- */

static void put_stats(struct metric_row *row, const struct stat_row *st)
{
	for (int c = 0; c < STAT_N; c++) {
		bool is_time = c == STAT_XACT_US || c == STAT_QUERY_US || c == STAT_WAIT_US;
		row->v[c] = (double)st->v[c] / (is_time ? 1e6 : 1);
	}
}

static void fill_database(struct metric_rows *all, const struct stat_row *st)
{
	struct dbase *d = st->db;
	bool own = !d || atomic_load(&d->series) == SERIES_OWN;
	const char *labels[] = { !d ? "pgbouncer" : own ? d->name : "other" };
	struct metric_row *row = metric_row_add(all, SCOPE_PGB_STATS, labels);
	if (row)
		put_stats(row, st);
	row = d ? metric_row_add(all, SCOPE_DATABASE, labels) : NULL;
	if (!row)
		return;
	put_stats(row, st);
	row->v[V_DB_PAUSED] = atomic_load(&d->paused);
	row->v[V_DB_DISABLED] = atomic_load(&d->disabled);
	row->v[V_DB_CLIENTS] = atomic_load(&d->clients);
	row->v[V_DB_SERVERS] = atomic_load(&d->links);
}

static void fill_databases(struct scatter *s, struct metric_rows *all)
{
	size_t n = 0;
	struct stat_row *v = stats_merge(s, offsetof(struct metrics_part, stats), &n);
	for (unsigned i = 0; i < s->n; i++)
		part(s, i)->stats.v = NULL;
	all->no_memory = all->no_memory || !v;
	for (size_t i = 0; v && i < n; i++)
		fill_database(all, &v[i]);
	mem_free(MEM_ADMIN, v);
	metric_rows_join(all, SCOPE_DATABASE);
	metric_rows_join(all, SCOPE_PGB_STATS);
}

static const char *mode_name(enum conf_pool_mode m)
{
	return m == CONF_POOL_SESSION     ? "session"
	       : m == CONF_POOL_STATEMENT ? "statement"
					  : "transaction";
}

static void fill_pgb_db(
	struct core *c, const struct proto_ops *ops, const char *name, struct metric_rows *all)
{
	const struct conf *conf = c->gen->conf;
	const struct conf_db *db = conf_db_find_in(conf, ops->name, name);
	const struct dbase *d = core_dbase_find(c, ops, name);
	struct settings set;
	char port[16];
	if (!db || (db->is_auto && (!d || atomic_load(&d->series) != SERIES_OWN)))
		return;
	conf_effective(conf, db, NULL, &set);
	snprintf(port, sizeof port, "%u", db->hosts_n ? db->hosts[0].port : ops->port);
	const char *labels[] = { name, db->host_text, port, *db->dbname ? db->dbname : name,
		db->force_user, mode_name(set.pool_mode) };
	struct metric_row *row = metric_row_add(all, SCOPE_PGB_DB, labels);
	if (!row)
		return;
	row->v[V_D_SIZE] = set.pool_size;
	row->v[V_D_RESERVE] = set.reserve_pool_size;
	row->v[V_D_MAX] = set.max_db_connections;
	row->v[V_D_NOW] = d ? atomic_load(&d->links) : 0;
	row->v[V_D_PAUSED] = d && atomic_load(&d->paused);
	row->v[V_D_DISABLED] = d && atomic_load(&d->disabled);
}

static void fill_pgb_dbs(struct core *c, struct metric_rows *all)
{
	size_t n;
	const char **names = names_list(c, NAMES_DATABASES, &n);
	all->no_memory = all->no_memory || !names;
	for (size_t i = 0; names && i < n; i++)
		for (unsigned j = 0; j < PROTO_MAX && proto_table[j]; j++)
			fill_pgb_db(c, proto_table[j], names[i], all);
	mem_free(MEM_ADMIN, names);
	metric_rows_join(all, SCOPE_PGB_DB);
}

/* ---- pools ---- */

static struct metric_row *pool_row(
	struct metric_rows *all, enum metric_scope scope, const struct pool *o)
{
	bool own = o && atomic_load(&o->series) == SERIES_OWN;
	const char *labels[] = { own ? o->db->name : "other", own ? o->user : "other",
		own && o->node ? o->node->where : NULL };
	return metric_row_add(all, scope, labels);
}

static void fill_pool(struct metric_rows *all, const struct pool_fact *f)
{
	struct metric_row *row = pool_row(all, SCOPE_POOL, f->pool);
	if (!row)
		return;
	row->v[V_P_CL_ACTIVE] = f->cl_active;
	row->v[V_P_CL_WAITING] = f->cl_waiting;
	row->v[V_P_MAXWAIT] = (double)f->maxwait_us / 1e6;
	row->v[V_P_SV_ACTIVE] = f->sv[LINK_ACTIVE];
	row->v[V_P_SV_IDLE] = f->sv[LINK_IDLE];
	row->v[V_P_SV_CLEANING] = f->sv[LINK_CLEANING];
	row->v[V_P_SV_LOGIN] = f->sv[LINK_CONNECTING] + f->sv[LINK_LOGIN];
	row->v[V_P_SV_CANCELED] = f->sv[LINK_CANCELED];
	row->v[V_P_SIZE] = atomic_load(&f->pool->limit);
	row->v[V_P_RESERVE] = atomic_load(&f->pool->reserve);
	row->v[V_P_FAILING] = atomic_load(&f->pool->failures);
	int64_t server_s = atomic_load(&f->pool->cert_end_s);
	if (server_s)
		row->v[V_P_SERVER_CERT] = (double)server_s;
	if (f->cert_end_s)
		row->v[V_P_CLIENT_CERT] = (double)f->cert_end_s;
}

static void fill_pgb_pool(struct metric_rows *all, const struct pool_fact *f)
{
	struct metric_row *row = pool_row(all, SCOPE_PGB_POOL, f->pool);
	if (!row)
		return;
	row->v[V_B_CL_ACTIVE] = f->cl_active;
	row->v[V_B_CL_ACTIVE_CANCEL] = f->cl_cancel;
	row->v[V_B_CL_WAITING] = f->cl_waiting;
	row->v[V_B_CL_WAITING_CANCEL] = 0;
	row->v[V_B_SV_ACTIVE] = f->sv[LINK_ACTIVE];
	row->v[V_B_SV_ACTIVE_CANCEL] = f->cl_cancel;
	row->v[V_B_SV_CANCELED] = f->sv[LINK_CANCELED];
	row->v[V_B_SV_IDLE] = f->sv[LINK_IDLE];
	row->v[V_B_SV_USED] = 0;
	row->v[V_B_SV_TESTED] = f->sv[LINK_CLEANING];
	row->v[V_B_SV_LOGIN] = f->sv[LINK_CONNECTING] + f->sv[LINK_LOGIN];
	row->v[V_B_MAXWAIT] = (double)f->maxwait_us / 1e6;
}

/* Of a pool that no worker has a part of any more too. */
static void fill_counts(struct metric_rows *all, const struct poolstats *k)
{
	uint64_t n = k->connects_failed + k->wait_timeouts;
	for (int i = 0; i < POOL_HISTS_N; i++)
		n += hist_count(&k->hist[i]);
	if (!k->pool && n == 0)
		return; /* there are no others */
	struct metric_row *row = pool_row(all, SCOPE_POOL, k->pool);
	struct hist *h = row ? metric_row_hist(all, row) : NULL;
	if (!h)
		return;
	memcpy(h, k->hist, sizeof k->hist);
	row->v[V_P_CONNECTS_FAILED] = (double)k->connects_failed;
	row->v[V_P_WAIT_TIMEOUTS] = (double)k->wait_timeouts;
}

/* A pool of a node, or of those who wait for one; of others no route is chosen. */
static void fill_route(struct metric_rows *all, const struct poolstats *k)
{
	if (!k->assigned && !k->parked && !k->held && !(k->pool && k->pool->node))
		return;
	struct metric_row *row = pool_row(all, SCOPE_ROUTE, k->pool);
	if (!row)
		return;
	if (!k->pool || k->pool->node) {
		row->v[V_RT_ASSIGNED] = (double)k->assigned;
		row->v[V_RT_READS] = (double)k->reads;
		row->v[V_RT_STAND_INS] = (double)k->stand_ins;
	}
	if (!k->pool || !k->pool->node) {
		row->v[V_RT_PARKED] = (double)k->parked;
		row->v[V_RT_HELD] = (double)k->held;
	}
}

/* Before fill_workers() has looked at the parts: it takes their lists. */
static void fill_pools(struct scatter *s, struct metric_rows *all)
{
	struct pool_fact *v;
	size_t n = 0;
	bool ok = pools_merge(s, offsetof(struct metrics_part, pools), &v, &n);
	all->no_memory = all->no_memory || !ok;
	for (size_t i = 0; ok && i < n; i++) {
		fill_pool(all, &v[i]);
		fill_pgb_pool(all, &v[i]);
	}
	mem_free(MEM_ADMIN, v);
	for (unsigned i = 0; i < s->n; i++)
		for (size_t j = 0; j < part(s, i)->counts_n; j++)
			fill_counts(all, &part(s, i)->counts[j]);
	for (unsigned i = 0; i < s->n; i++)
		for (size_t j = 0; j < part(s, i)->counts_n; j++)
			fill_route(all, &part(s, i)->counts[j]);
	metric_rows_join(all, SCOPE_POOL);
	metric_rows_join(all, SCOPE_ROUTE);
	metric_rows_join(all, SCOPE_PGB_POOL);
}

/* ---- clients ---- */

static void fill_client(struct core *c, struct metric_rows *all, const struct client_count *k)
{
	static const char *const states[SESSION_N] = {
		"login",
		"idle",
		"waiting",
		"active",
		"closing",
	};
	bool own = k->series == SERIES_OWN;
	bool named = own && all->scope[SCOPE_PGB_CLIENT].n < atomic_load(&c->series_max);
	const char *labels[] = { !own    ? "other"
				 : k->db ? k->db
					 : "pgbouncer",
		!own      ? "other"
		: k->user ? k->user
			  : "pgbouncer",
		named ? k->app : "other", states[k->state] };
	struct metric_row *row = metric_row_add(all, SCOPE_PGB_CLIENT, labels);
	if (row)
		row->v[0] = k->n;
}

static void fill_clients(struct core *c, struct scatter *s, struct metric_rows *all)
{
	for (unsigned i = 0; i < s->n; i++)
		for (size_t j = 0; j < part(s, i)->clients_n; j++)
			fill_client(c, all, &part(s, i)->clients[j]);
	metric_rows_join(all, SCOPE_PGB_CLIENT);
	for (int p = 0; p < PIN_N; p++) {
		const char *labels[] = { proto_pin_name((enum proto_pin)p) };
		struct metric_row *row = metric_row_add(all, SCOPE_PIN, labels);
		double n = 0;
		for (unsigned i = 0; i < s->n; i++)
			n += part(s, i)->pins[p];
		if (row)
			row->v[0] = n;
	}
	static const char *const reasons[LOGIN_FAILURES_N] = {
#define X(id, name) name,
		CORE_LOGIN_FAILURES(X)
#undef X
	};
	for (int f = 0; f < LOGIN_FAILURES_N; f++) {
		struct metric_row *row = metric_row_add(all, SCOPE_LOGIN, &reasons[f]);
		double n = 0;
		for (unsigned i = 0; i < s->n; i++)
			n += (double)part(s, i)->logins_failed[f];
		if (row)
			row->v[0] = n;
	}
}

/* ---- workers, rules ---- */

static void fill_workers(struct scatter *s, struct metric_rows *all)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct metrics_part *p = part(s, i);
		char id[16];
		snprintf(id, sizeof id, "%u", i);
		struct metric_row *row = metric_row_add(
			all, SCOPE_WORKER, (const char *const[]){ id });
		if (!row)
			return;
		row->v[V_W_CPU] = (double)p->cpu_us / 1e6;
		row->v[V_W_DELAY] = (double)p->delay_us / 1e6;
		row->v[V_W_CLIENTS] = p->pools.clients;
		row->v[V_W_SERVERS] = p->pools.servers;
	}
}

static void fill_rules(struct core *c, struct scatter *s, struct metric_rows *all)
{
	const struct core_rules *rules = c->gen->rules;
	for (unsigned r = 0; rules && r < rules->n; r++) {
		unsigned id = rules->v[r].proto.id;
		const char *labels[] = { rules->v[r].conf->name };
		struct metric_row *row = metric_row_add(all, SCOPE_RULE, labels);
		if (!row)
			return;
		row->v[V_R_FOLLOWED] = row->v[V_R_GAVE_UP] = 0;
		for (unsigned i = 0; i < s->n; i++) {
			const struct metrics_part *p = part(s, i);
			if (id >= p->rules_n)
				continue;
			row->v[V_R_FOLLOWED] += (double)p->rules[id].followed;
			row->v[V_R_GAVE_UP] += (double)p->rules[id].gave_up;
		}
	}
	metric_rows_join(all, SCOPE_RULE);
}

static void fill_queries(struct scatter *s, struct metric_rows *all)
{
	struct metric_row *row = metric_row_add(all, SCOPE_QUERY, NULL);
	if (!row)
		return;
	for (int v = 0; v < V_QUERY_N; v++)
		row->v[v] = 0;
	for (unsigned i = 0; i < s->n; i++) {
		const struct query_totals *t = &part(s, i)->queries;
		row->v[V_Q_STATEMENTS] += (double)t->statements;
		row->v[V_Q_EVICTED] += (double)t->evicted;
		row->v[V_Q_CALLS] += (double)t->calls;
		row->v[V_Q_ERRORS] += (double)t->errors;
		row->v[V_Q_ROWS] += (double)t->rows;
		row->v[V_Q_SECONDS] += (double)t->total_us / 1e6;
		row->v[V_Q_WAIT] += (double)t->wait_us / 1e6;
		row->v[V_Q_SLOW] += (double)part(s, i)->slow_n;
	}
}

void metrics_fill(struct admin *a, struct scatter *s, struct metric_rows *all)
{
	for (unsigned i = 0; i < s->n; i++)
		all->no_memory = all->no_memory || part(s, i)->no_memory;
	metrics_fill_process(a, s, all);
	fill_workers(s, all);
	fill_databases(s, all);
	fill_pgb_dbs(a->core, all);
	fill_pools(s, all);
	fill_clients(a->core, s, all);
	fill_queries(s, all);
	fill_rules(a->core, s, all);
	metrics_fill_clusters(a, all);
}
