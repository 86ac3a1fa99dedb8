/* cmd_show_pool - SHOW POOLS, PEER_POOLS, LISTS, WORKERS: what the workers add up to. Ignorant of
 * how the facts were gathered (collect.c). Control thread. */
#include "admin_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int as_int(uint64_t v)
{
	return v > INT_MAX ? INT_MAX : (int)v;
}

static const char *mode_name(enum conf_pool_mode m)
{
	switch (m) {
	case CONF_POOL_SESSION: return "session";
	case CONF_POOL_TRANSACTION: return "transaction";
	case CONF_POOL_STATEMENT: return "statement";
	}
	return NULL;
}

static const char *balance_name(enum conf_balance b)
{
	return b == CONF_BALANCE_DISABLE ? "disable" : "round-robin";
}

static void each(struct worker *w, void *part, void *arg)
{
	(void)arg;
	collect_pools(w, part);
}

/* ---- the pools of all workers as one list ---- */

/* "": of no cluster, or where its requests are held. */
static const char *node_name(const struct pool *o)
{
	return o->node ? o->node->where : "";
}

static int by_pool(const void *a, const void *b)
{
	const struct pool_fact *x = a, *y = b;
	int d = strcmp(x->pool->db->name, y->pool->db->name);
	if (d == 0)
		d = strcmp(x->pool->user, y->pool->user);
	return d ? d : strcmp(node_name(x->pool), node_name(y->pool));
}

static void add(struct pool_fact *sum, const struct pool_fact *f)
{
	sum->cl_active += f->cl_active;
	sum->cl_waiting += f->cl_waiting;
	sum->cl_cancel += f->cl_cancel;
	for (int i = 0; i < LINK_N; i++)
		sum->sv[i] += f->sv[i];
	if (f->maxwait_us > sum->maxwait_us)
		sum->maxwait_us = f->maxwait_us;
}

static struct pool_part *part_of(struct scatter *s, unsigned i, size_t at)
{
	return (void *)((uint8_t *)scatter_part(s, i) + at);
}

bool pools_merge(struct scatter *s, size_t at, struct pool_fact **v_r, size_t *n_r)
{
	size_t n = 0, m = 0;
	bool ok = true;
	for (unsigned i = 0; i < s->n; i++) {
		const struct pool_part *p = part_of(s, i, at);
		n += p->n;
		ok = ok && !p->no_memory;
	}
	struct pool_fact *v = mem_alloc(MEM_ADMIN, (n + 1) * sizeof *v);
	for (unsigned i = 0; i < s->n; i++) {
		struct pool_part *p = part_of(s, i, at);
		for (size_t j = 0; v && j < p->n; j++)
			v[m++] = p->v[j];
		mem_free(MEM_ADMIN, p->v);
		p->v = NULL;
	}
	*v_r = v;
	*n_r = 0;
	if (!v || !ok)
		return false;
	qsort(v, m, sizeof *v, by_pool);
	n = 0;
	for (size_t i = 0; i < m; i++) {
		if (n && v[n - 1].pool == v[i].pool)
			add(&v[n - 1], &v[i]);
		else
			v[n++] = v[i];
	}
	*n_r = n;
	return true;
}

/* ---- POOLS ---- */

static void pool_row(struct rowset *rs, const struct pool_fact *f)
{
	char **row = rowset_row(rs);
	const unsigned sv_login = f->sv[LINK_CONNECTING] + f->sv[LINK_LOGIN];
	const unsigned cell[] = { f->cl_active, f->cl_waiting, f->cl_cancel, 0, f->sv[LINK_ACTIVE],
		f->cl_cancel, f->sv[LINK_CANCELED], f->sv[LINK_IDLE], 0, f->sv[LINK_CLEANING],
		sv_login };
	rowset_set(rs, row, 0, f->pool->db->name);
	rowset_set(rs, row, 1, f->pool->user);
	for (unsigned i = 0; i < sizeof cell / sizeof *cell; i++)
		rowset_setf(rs, row, 2 + i, "%d", as_int(cell[i]));
	rowset_setf(rs, row, 13, "%d", as_int((uint64_t)f->maxwait_us / 1000000));
	rowset_setf(rs, row, 14, "%d", (int)(f->maxwait_us % 1000000));
	rowset_set(rs, row, 15, mode_name(f->mode));
	rowset_set(rs, row, 16, f->many_hosts ? balance_name(f->balance) : NULL);
	if (rs->n_cols > 17)
		rowset_set(rs, row, 17, f->pool->node ? f->pool->node->where : NULL);
}

/* The console itself, which PgBouncer lists as a pool too. */
static void console_row(struct rowset *rs, unsigned consoles)
{
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, "pgbouncer");
	rowset_set(rs, row, 1, "pgbouncer");
	rowset_setf(rs, row, 2, "%d", as_int(consoles));
	for (unsigned i = 3; i < 15; i++)
		rowset_set(rs, row, i, "0");
	rowset_set(rs, row, 15, "statement");
}

static void pools_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	struct pool_fact *v;
	size_t n;
	unsigned consoles = 0;
	bool shown = false;
	for (unsigned i = 0; i < s->n; i++)
		consoles += ((struct pool_part *)scatter_part(s, i))->consoles;
	bool ok = pools_merge(s, 0, &v, &n);
	for (size_t i = 0; i <= n && ok; i++) {
		if (!shown && (i == n || strcmp(v[i].pool->db->name, "pgbouncer") > 0)) {
			console_row(&r->result, consoles);
			shown = true;
		}
		if (i < n)
			pool_row(&r->result, &v[i]);
	}
	mem_free(MEM_ADMIN, v);
	admin_ask_free(s);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

void show_pools(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	bool ours = admin_conf(r)->global.console_columns == CONF_COLUMNS_WEIRPOOL;
	admin_cols(&r->result, ours ? "ssiiiiiiiiiiiiisss" : "ssiiiiiiiiiiiiiss",
		"database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req "
		"sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login "
		"maxwait maxwait_us pool_mode load_balance_hosts node");
	admin_ask(r, &q, sizeof(struct pool_part), each, pools_done);
}

/* ---- LISTS ---- */

static void put(struct rowset *rs, const char *name, size_t n)
{
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, name);
	rowset_setf(rs, row, 1, "%d", as_int(n));
}

static void lists_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	struct core *c = r->core;
	struct rowset *rs = &r->result;
	const struct conf *conf = admin_conf(r);
	struct pool_part sum = { 0 };
	for (unsigned i = 0; i < s->n; i++) {
		struct pool_part *p = scatter_part(s, i);
		sum.clients += p->clients;
		sum.logins += p->logins;
		sum.servers += p->servers;
		sum.dns_names += p->dns_names;
		sum.dns_pending += p->dns_pending;
		mem_free(MEM_ADMIN, p->v);
	}
	pthread_mutex_lock(&c->lock);
	size_t pools = hmap_size(&c->pools);
	pthread_mutex_unlock(&c->lock);
	put(rs, "databases", names_count(r->core, NAMES_DATABASES));
	put(rs, "users", names_count(r->core, NAMES_USERS));
	put(rs, "peers", conf->peers_n);
	put(rs, "pools", pools + 1);
	put(rs, "peer_pools", conf->peers_n);
	put(rs, "free_clients", 0);
	put(rs, "used_clients", sum.clients - sum.logins);
	put(rs, "login_clients", sum.logins);
	put(rs, "free_servers", 0);
	put(rs, "used_servers", sum.servers);
	put(rs, "dns_names", sum.dns_names);
	put(rs, "dns_zones", 0);
	put(rs, "dns_queries", sum.dns_pending);
	put(rs, "dns_pending", 0);
	admin_ask_free(s);
	admin_done(r, "SHOW");
}

void show_lists(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "si", "list items");
	admin_ask(r, &q, sizeof(struct pool_part), each, lists_done);
}

/* ---- WORKERS ---- */

static void worker_row(struct rowset *rs, unsigned id, const struct pool_part *p)
{
	unsigned sv[LINK_N] = { 0 };
	for (size_t i = 0; i < p->n; i++)
		for (int st = 0; st < LINK_N; st++)
			sv[st] += p->v[i].sv[st];
	const unsigned cell[] = { id, p->clients, p->state_n[SESSION_LOGIN],
		p->state_n[SESSION_IDLE], p->state_n[SESSION_WAITING], p->state_n[SESSION_ACTIVE],
		p->consoles, p->servers, sv[LINK_IDLE], sv[LINK_ACTIVE], sv[LINK_CLEANING],
		sv[LINK_CONNECTING] + sv[LINK_LOGIN], p->shards, p->cancels };
	char **row = rowset_row(rs);
	for (unsigned i = 0; i < sizeof cell / sizeof *cell; i++)
		rowset_setf(rs, row, i, "%d", as_int(cell[i]));
}

static void workers_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	for (unsigned i = 0; i < s->n; i++) {
		struct pool_part *p = scatter_part(s, i);
		worker_row(&r->result, i, p);
		mem_free(MEM_ADMIN, p->v);
	}
	admin_ask_free(s);
	admin_done(r, "SHOW");
}

void show_workers(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "iiiiiiiiiiiiii",
		"worker clients cl_login cl_idle cl_waiting cl_active consoles servers sv_idle "
		"sv_active sv_tested sv_login pools cancel_requests");
	admin_ask(r, &q, sizeof(struct pool_part), each, workers_done);
}

/* ---- PEER_POOLS ---- */

struct peer_fact {
	int id;
	unsigned n, connecting;
};
struct peer_part {
	struct peer_fact *v;
	unsigned n;
	bool no_memory;
};

static void each_peer(struct worker *w, void *part, void *arg) /* on the worker */
{
	const struct conf *conf = w->gen->conf;
	struct peer_part *p = part;
	(void)arg;
	p->v = conf->peers_n ? mem_alloc(MEM_ADMIN, conf->peers_n * sizeof *p->v) : NULL;
	p->no_memory = conf->peers_n && !p->v;
	for (; p->v && p->n < conf->peers_n; p->n++) {
		struct peer_fact *f = &p->v[p->n];
		f->id = conf->peers[p->n].id;
		f->n = worker_peer_cancels(w, f->id, &f->connecting);
	}
}

static void peer_row(struct rowset *rs, const struct scatter *s, int id)
{
	unsigned n = 0, connecting = 0;
	for (unsigned i = 0; i < s->n; i++) {
		const struct peer_part *p = (const void *)(s->parts + i * s->part_size);
		for (unsigned j = 0; j < p->n; j++)
			if (p->v[j].id == id) {
				n += p->v[j].n;
				connecting += p->v[j].connecting;
			}
	}
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", id);
	rowset_setf(rs, row, 1, "%d", as_int(n - connecting));
	rowset_setf(rs, row, 2, "%d", as_int(connecting));
	rowset_setf(rs, row, 3, "%d", as_int(n - connecting));
	rowset_setf(rs, row, 4, "%d", as_int(connecting));
}

static void peers_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	const struct conf *conf = admin_conf(r);
	bool ok = true;
	for (unsigned i = 0; i < conf->peers_n; i++)
		peer_row(&r->result, s, conf->peers[i].id);
	for (unsigned i = 0; i < s->n; i++) {
		struct peer_part *p = scatter_part(s, i);
		ok = ok && !p->no_memory;
		mem_free(MEM_ADMIN, p->v);
	}
	admin_ask_free(s);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

void show_peer_pools(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "iiiii",
		"peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login");
	admin_ask(r, &q, sizeof(struct peer_part), each_peer, peers_done);
}
