/* cmd_proxysql_conn - ProxySQL's tables about MySQL's connections: stats_mysql_connection_pool,
 * stats_mysql_processlist, stats_mysql_global. Ignorant of which servers there are
 * (proxysql_servers.c). Control thread, except where it says "on the worker". */
#include "proxysql_int.h"

#include "base/clock.h"

#include <stdlib.h>

/* ---- what the workers have ---- */

struct px_part {
	struct conn_part conns;
	struct stat_part stats;
	struct px_count { /* of one pool */
		struct pool *pool;
		struct proxysql_counts n;
	} * counts;
	size_t counts_n;
	uint64_t logins_failed, slow_n;
	bool no_memory;
};

static struct proxysql_counts counts_of(const struct poolstats *k)
{
	return (struct proxysql_counts){ .made = hist_count(&k->hist[HIST_CONNECT]),
		.failed = k->connects_failed,
		.queries = hist_count(&k->hist[HIST_QUERY]),
		.sent = k->tx_bytes,
		.received = k->rx_bytes };
}

static void copy_counts(struct worker *w, struct px_part *p)
{
	size_t n = hmap_size(&w->stats_by_pool);
	p->counts = n ? mem_alloc(MEM_ADMIN, n * sizeof *p->counts) : NULL;
	p->no_memory = n && !p->counts;
	for (struct hmap_it it = hmap_begin(&w->stats_by_pool); p->counts && hmap_next(&it);) {
		const struct poolstats *k = it.value;
		if (k->pool && proxysql_is_mysql(k->pool->db))
			p->counts[p->counts_n++] = (struct px_count){ k->pool, counts_of(k) };
	}
}

/* On the worker. */
static void each(struct worker *w, void *part, void *arg)
{
	const struct admin_ask *q = arg;
	struct px_part *p = part;
	copy_counts(w, p);
	collect_conns(w, &p->conns, (unsigned)q->id);
	stats_collect(w, &p->stats);
	p->slow_n = w->slow_n;
	for (int i = 0; i < LOGIN_FAILURES_N; i++)
		p->logins_failed += w->logins_failed[i];
}

static void part_fini(struct px_part *p)
{
	collect_conns_fini(&p->conns);
	mem_free(MEM_ADMIN, p->stats.v);
	mem_free(MEM_ADMIN, p->counts);
}

/* Frees the parts, and answers. */
static void end(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	bool ok = true;
	for (unsigned i = 0; i < s->n; i++) {
		struct px_part *p = scatter_part(s, i);
		ok = ok && !p->no_memory && !p->conns.no_memory && !p->stats.no_memory;
		part_fini(p);
	}
	admin_ask_free(s);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

static void add_counts(struct proxysql_counts *to, const struct proxysql_counts *n)
{
	to->made += n->made;
	to->failed += n->failed;
	to->queries += n->queries;
	to->sent += n->sent;
	to->received += n->received;
}

/* ---- stats_mysql_connection_pool ---- */

/* Where the connections of a pool lead; NULL: to several servers, or to none that is known. */
static struct proxysql_server *server_of_pool(
	struct core *c, struct proxysql_servers *all, const struct pool *o)
{
	char where[96];
	if (o->node)
		return proxysql_server_find(all, o->node->where);
	const struct conf_db *db = conf_db_find_in(c->gen->conf, o->db->ops->name, o->db->name);
	if (!db || db->cluster || db->hosts_n != 1)
		return NULL;
	proxysql_where(db->hosts[0].host, db->hosts[0].port, where);
	return proxysql_server_find(all, where);
}

static void add_link(struct proxysql_servers *all, const struct conn_fact *f)
{
	char where[96];
	if (strcmp(f->ops->name, "mysql") != 0)
		return;
	proxysql_where(f->host, f->port, where);
	struct proxysql_server *s = proxysql_server_find(
		all, f->pool->node ? f->pool->node->where : where);
	if (!s && !(s = proxysql_server_gone(all, f->host, f->port)))
		return;
	if (f->lst == LINK_IDLE)
		s->free++;
	else if (f->lst != LINK_CONNECTING && f->lst != LINK_LOGIN)
		s->used++;
	s->n.sent += f->tx_bytes;
	s->n.received += f->rx_bytes;
}

static void add_parts(struct core *c, struct scatter *s, struct proxysql_servers *all)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct px_part *p = scatter_part(s, i);
		for (size_t j = 0; j < p->conns.n; j++)
			add_link(all, &p->conns.v[j]);
		for (size_t j = 0; j < p->counts_n; j++) {
			struct proxysql_server *to = server_of_pool(c, all, p->counts[j].pool);
			if (to)
				add_counts(&to->n, &p->counts[j].n);
		}
	}
}

static uint64_t since(uint64_t n, uint64_t then)
{
	return n > then ? n - then : 0; /* less: of a server that was away meanwhile */
}

static void subtract(struct proxysql_counts *n, const struct proxysql_counts *then)
{
	n->made = since(n->made, then->made);
	n->failed = since(n->failed, then->failed);
	n->queries = since(n->queries, then->queries);
	n->sent = since(n->sent, then->sent);
	n->received = since(n->received, then->received);
}

static void pool_row(struct rowset *rs, const struct proxysql_server *s)
{
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", s->hostgroup);
	rowset_set(rs, row, 1, s->host);
	rowset_setf(rs, row, 2, "%u", s->port);
	rowset_set(rs, row, 3, s->status);
	rowset_setf(rs, row, 4, "%u", s->used);
	rowset_setf(rs, row, 5, "%u", s->free);
	if (!s->shared) {
		admin_set_u64(rs, row, 6, s->n.made);
		admin_set_u64(rs, row, 7, s->n.failed);
		admin_set_u64(rs, row, 9, s->n.queries);
		admin_set_u64(rs, row, 11, s->n.sent);
		admin_set_u64(rs, row, 12, s->n.received);
	}
	admin_set_u64(rs, row, 13, (uint64_t)s->rtt_us);
}

/* What is there now is what further rows begin with. */
static void begin_anew(struct admin *a, struct proxysql_servers *all)
{
	proxysql_servers_fini(&a->proxysql);
	a->proxysql = *all;
	*all = (struct proxysql_servers){ 0 };
}

static void pool_done(struct scatter *s)
{
	const struct admin_ask *q = admin_ask_of(s);
	struct core_console *r = q->r;
	struct admin *a = admin_of(r);
	struct proxysql_servers all;
	proxysql_servers_list(a, &all);
	add_parts(r->core, s, &all);
	for (size_t i = 0; i < all.n; i++) {
		struct proxysql_server now = all.v[i];
		const struct proxysql_server *then = proxysql_server_find(&a->proxysql, now.where);
		if (then)
			subtract(&now.n, &then->n);
		pool_row(&r->result, &now);
	}
	if (all.no_memory)
		err_set(&r->result.err, ERR_NO_MEMORY, "out of memory");
	else if (q->what)
		begin_anew(a, &all);
	proxysql_servers_fini(&all);
	end(s);
}

static void ask_pool(struct core_console *r, bool reset)
{
	struct admin_ask q = { .what = reset, .id = COLLECT_SERVERS };
	admin_cols(&r->result, "isisiiqqqqqqqq",
		"hostgroup srv_host srv_port status ConnUsed ConnFree ConnOK ConnERR MaxConnUsed "
		"Queries Queries_GTID_sync Bytes_data_sent Bytes_data_recv Latency_us");
	if (!reset || proxysql_may_reset(r))
		admin_ask(r, &q, sizeof(struct px_part), each, pool_done);
}

void show_proxysql_pool(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask_pool(r, false);
}

void show_proxysql_pool_reset(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask_pool(r, true);
}

/* ---- stats_mysql_processlist ---- */

static void set_addr(struct rowset *rs, char **row, unsigned col, const struct addr *a)
{
	char host[64];
	rowset_set(rs, row, col, addr_host(a, host, sizeof host));
	rowset_setf(rs, row, col + 1, "%u", addr_is_unix(a) ? 0 : addr_port(a));
}

static void process_row(struct rowset *rs, unsigned worker, const struct conn_fact *f)
{
	int64_t age_us = clock_wall_us() - f->request_us;
	if (strcmp(f->ops->name, "mysql") != 0 || f->console)
		return;
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%u", worker);
	admin_set_u64(rs, row, 1, f->number);
	rowset_set(rs, row, 2, f->user);
	rowset_set(rs, row, 3, f->db);
	set_addr(rs, row, 4, &f->addr);
	if (f->link_id) {
		rowset_setf(rs, row, 6, "%d", f->replica ? PROXYSQL_READER : PROXYSQL_WRITER);
		set_addr(rs, row, 7, &f->link_local);
		rowset_set(rs, row, 9, f->host);
		rowset_setf(rs, row, 10, "%u", f->port);
	}
	rowset_set(rs, row, 11,
		f->cst == SESSION_LOGIN ? "Connect"
		: f->running            ? "Query"
					: "Sleep");
	rowset_setf(rs, row, 12, "%lld", age_us > 0 ? (long long)age_us / 1000 : 0);
}

static void processlist_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	for (unsigned i = 0; i < s->n; i++) {
		const struct px_part *p = scatter_part(s, i);
		for (size_t j = 0; j < p->conns.n; j++)
			process_row(&r->result, i, &p->conns.v[j]);
	}
	end(s);
}

void show_proxysql_processlist(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { .id = COLLECT_CLIENTS | COLLECT_LOGINS };
	(void)l;
	admin_cols(&r->result, "iqsssiisisisqsis",
		"ThreadID SessionID user db cli_host cli_port hostgroup l_srv_host l_srv_port "
		"srv_host srv_port command time_ms info status_flags extended_info");
	admin_ask(r, &q, sizeof(struct px_part), each, processlist_done);
}

/* ---- stats_mysql_global ---- */

struct px_sum {
	uint64_t clients, busy, in_tx, links, logins_failed, slow;
	uint64_t stat[STAT_N];
	struct proxysql_counts n;
};

static void sum_conns(struct px_sum *sum, const struct conn_part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct conn_fact *f = &p->v[i];
		if (strcmp(f->ops->name, "mysql") != 0 || f->console)
			continue;
		if (f->type == 'S') {
			sum->links++;
			sum->n.sent += f->tx_bytes;
			sum->n.received += f->rx_bytes;
			continue;
		}
		sum->clients++;
		sum->busy += f->running;
		sum->in_tx += f->in_tx;
	}
}

static void sum_up(struct px_sum *sum, struct scatter *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct px_part *p = scatter_part(s, i);
		sum_conns(sum, &p->conns);
		sum->logins_failed += p->logins_failed;
		sum->slow += p->slow_n;
		for (size_t j = 0; j < p->counts_n; j++)
			add_counts(&sum->n, &p->counts[j].n);
		for (size_t j = 0; j < p->stats.n; j++) {
			const struct stat_row *st = &p->stats.v[j];
			for (int c = 0; st->db && proxysql_is_mysql(st->db) && c < STAT_N; c++)
				sum->stat[c] += st->v[c];
		}
	}
}

static void global_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	struct px_sum sum = { 0 };
	sum_up(&sum, s);
	const struct {
		const char *name;
		uint64_t v;
	} all[] = {
		{ "ProxySQL_Uptime",
			(uint64_t)(clock_wall_us() - admin_of(r)->started_us) / 1000000 },
		{ "Active_Transactions", sum.in_tx },
		{ "Client_Connections_aborted", sum.logins_failed },
		{ "Client_Connections_connected", sum.clients },
		{ "Client_Connections_created", sum.stat[STAT_LOGINS] },
		{ "Server_Connections_aborted", sum.n.failed },
		{ "Server_Connections_connected", sum.links },
		{ "Server_Connections_created", sum.n.made },
		{ "Client_Connections_non_idle", sum.busy },
		{ "Queries_backends_bytes_recv", sum.n.received },
		{ "Queries_backends_bytes_sent", sum.n.sent },
		{ "Queries_frontends_bytes_recv", sum.stat[STAT_RECEIVED] },
		{ "Queries_frontends_bytes_sent", sum.stat[STAT_SENT] },
		{ "Backend_query_time_nsec", sum.stat[STAT_QUERY_US] * 1000 },
		{ "Com_backend_stmt_prepare", sum.stat[STAT_SERVER_PARSES] },
		{ "Com_frontend_stmt_prepare", sum.stat[STAT_CLIENT_PARSES] },
		{ "Com_frontend_stmt_execute", sum.stat[STAT_BINDS] },
		{ "Questions", sum.stat[STAT_QUERIES] },
		{ "Slow_queries", sum.slow },
		{ "MySQL_Thread_Workers", s->n },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char **row = rowset_row(&r->result);
		rowset_set(&r->result, row, 0, all[i].name);
		admin_set_u64(&r->result, row, 1, all[i].v);
	}
	end(s);
}

void show_proxysql_global(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { .id = COLLECT_CLIENTS | COLLECT_LOGINS | COLLECT_SERVERS };
	(void)l;
	admin_cols(&r->result, "ss", "Variable_Name Variable_Value");
	admin_ask(r, &q, sizeof(struct px_part), each, global_done);
}
