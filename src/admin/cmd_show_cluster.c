/* cmd_show_cluster - SHOW CLUSTERS, NODES and PROBES: what control knows of them, from the newest
 * view, and what those who probe them tell. Ignorant of how that was found out. Control thread. */
#include "admin_int.h"

#include "base/clock.h"

#include <string.h>

static const char *cell_or_null(const char *s)
{
	return *s ? s : NULL;
}

static void set_seconds(struct rowset *rs, char **row, unsigned col, int64_t since_us, int64_t now)
{
	if (since_us)
		rowset_setf(rs, row, col, "%lld", (long long)((now - since_us) / 1000000));
}

void show_clusters(struct core_console *r, const struct cmd_line *l)
{
	const struct topo *t = r->core->gen->topo;
	struct rowset *rs = &r->result;
	int64_t now = clock_mono_us();
	(void)l;
	admin_cols(rs, "ssssiqqsqsss",
		"cluster kind state writes nodes epoch epoch_age primary state_age paused "
		"evidence why");
	for (unsigned i = 0; t && i < t->n; i++) {
		const struct topo_cluster *tc = &t->v[i];
		const struct cluster_view *v = tc->cluster->view;
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, tc->conf->name);
		rowset_set(rs, row, 1, v ? cluster_kind_name(v->kind) : tc->conf->kind->name);
		rowset_set(rs, row, 2, v ? cluster_state_name(v->state) : "unknown");
		rowset_set(rs, row, 3, v ? cluster_writes_name(v->writes) : "held");
		rowset_setf(rs, row, 4, "%u", tc->conf->nodes_n);
		rowset_setf(rs, row, 5, "%llu", v ? (unsigned long long)v->epoch : 0);
		rowset_set(rs, row, 9, atomic_load(&tc->cluster->paused) ? "yes" : "no");
		if (!v)
			continue;
		set_seconds(rs, row, 6, v->epoch_us, now);
		if (v->primary >= 0 && topo_fits(tc, v))
			rowset_set(rs, row, 7, tc->node[v->primary]->where);
		set_seconds(rs, row, 8, v->since_us, now);
		rowset_set(rs, row, 10, cell_or_null(v->evidence));
		rowset_set(rs, row, 11, cell_or_null(v->why));
	}
	admin_done(r, "SHOW");
}

static bool report(
	struct core_console *r, const struct topo_cluster *tc, unsigned i, struct probe_report *p)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	return h->probe(h->arg, tc->conf->name, i, p);
}

/* What the state machine cannot say of a node: nobody has got in yet, or whoever should be asked
 * who is primary does not answer. */
static void probe_why(
	struct core_console *r, const struct topo_cluster *tc, unsigned i, char **row, bool seen)
{
	struct probe_report p;
	if (!report(r, tc, i, &p))
		rowset_set(&r->result, row, 11, "it cannot be watched: see the log");
	else if (!seen && *p.error)
		rowset_set(&r->result, row, 11, p.error);
	else if (*p.authority_error)
		rowset_setf(&r->result, row, 11, "%s: %s", p.authority, p.authority_error);
}

static void node_row(struct core_console *r, const struct topo_cluster *tc, unsigned i,
	const struct cluster_view *v)
{
	struct rowset *rs = &r->result;
	int64_t now = clock_mono_us();
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, tc->conf->name);
	rowset_set(rs, row, 1, tc->node[i]->where);
	rowset_setf(rs, row, 8, "%u", tc->conf->weight[i]);
	if (!v || !topo_fits(tc, v)) {
		rowset_set(rs, row, 2, "unknown");
		rowset_set(rs, row, 3, "unknown");
		probe_why(r, tc, i, row, false);
		return;
	}
	const struct cluster_vnode *n = &v->node[i];
	int64_t fresh = cluster_view_fresh(v, i);
	uint64_t missing = atomic_load(&v->live->node[i].missing);
	rowset_set(rs, row, 2, cluster_role_name(n->role));
	rowset_set(rs, row, 3, node_state_name(n->state));
	set_seconds(rs, row, 4, n->since_us, now);
	rowset_set(rs, row, 5, n->role == ROLE_PRIMARY ? NULL : fresh_state_name(n->fresh));
	if (fresh && n->role != ROLE_PRIMARY)
		rowset_setf(rs, row, 6, "%lld", (long long)((now - fresh) / 1000));
	if (missing != UINT64_MAX && n->role != ROLE_PRIMARY)
		rowset_setf(rs, row, 7, "%llu", (unsigned long long)missing);
	rowset_set(rs, row, 9, n->reads ? "yes" : "no");
	rowset_set(rs, row, 10, (int)i == v->primary && v->writes == WRITES_OPEN ? "yes" : "no");
	if (*n->why)
		rowset_set(rs, row, 11, n->why);
	else
		probe_why(r, tc, i, row, true);
}

void show_nodes(struct core_console *r, const struct cmd_line *l)
{
	const struct topo *t = r->core->gen->topo;
	struct rowset *rs = &r->result;
	(void)l;
	admin_cols(rs, "ssssqsqqisss",
		"cluster node role state state_age freshness lag_ms missing weight reads writes "
		"why");
	for (unsigned i = 0; t && i < t->n; i++)
		for (unsigned j = 0; j < t->v[i].conf->nodes_n; j++)
			node_row(r, &t->v[i], j, t->v[i].cluster->view);
	admin_done(r, "SHOW");
}

static void probe_row(struct core_console *r, const struct topo_cluster *tc, unsigned i)
{
	struct rowset *rs = &r->result;
	int64_t now = clock_mono_us();
	struct probe_report p;
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, tc->conf->name);
	rowset_set(rs, row, 1, tc->node[i]->where);
	if (!report(r, tc, i, &p))
		return;
	rowset_set(rs, row, 2, p.state);
	rowset_setf(rs, row, 3, "%llu", (unsigned long long)p.samples);
	rowset_setf(rs, row, 4, "%llu", (unsigned long long)p.facts);
	rowset_setf(rs, row, 5, "%llu", (unsigned long long)p.failures);
	if (p.rtt_us)
		rowset_setf(rs, row, 6, "%lld", (long long)p.rtt_us);
	rowset_setf(rs, row, 7, "%lld", (long long)(p.interval_us / 1000));
	rowset_set(rs, row, 8, cell_or_null(p.note));
	rowset_set(rs, row, 9, cell_or_null(p.error));
	set_seconds(rs, row, 10, p.error_us, now);
	rowset_set(rs, row, 11, cell_or_null(p.authority));
	if (p.leader >= 0)
		rowset_set(rs, row, 12, tc->node[p.leader]->where);
	set_seconds(rs, row, 13, p.authority_us, now);
	rowset_set(rs, row, 14, cell_or_null(p.authority_error));
}

void show_probes(struct core_console *r, const struct cmd_line *l)
{
	const struct topo *t = r->core->gen->topo;
	(void)l;
	admin_cols(&r->result, "sssqqqqqssqssqs",
		"cluster node connection samples facts failures rtt_us interval_ms note error "
		"error_age authority leader leader_age authority_error");
	for (unsigned i = 0; t && i < t->n; i++)
		for (unsigned j = 0; j < t->v[i].conf->nodes_n; j++)
			probe_row(r, &t->v[i], j);
	admin_done(r, "SHOW");
}
