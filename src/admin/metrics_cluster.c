/* metrics_cluster - rows of clusters and their nodes, from the newest views. Control thread. */
#include "metrics_int.h"

#include "base/clock.h"

static void cluster_row(struct metric_rows *all, const struct topo_cluster *tc)
{
	const struct cluster_view *v = tc->cluster->view;
	const char *labels[] = { tc->conf->name };
	struct metric_row *row = metric_row_add(all, SCOPE_CLUSTER, labels);
	if (!row)
		return;
	row->v[V_C_EPOCH] = v ? (double)v->epoch : 0;
	row->v[V_C_PRIMARY] = v && v->primary >= 0;
	row->v[V_C_WRITES] = v && v->writes == WRITES_OPEN;
	row->v[V_C_PAUSED] = atomic_load(&tc->cluster->paused);
	for (int i = 0; i < V_C_STATES_N; i++)
		row->v[V_C_STATE + i] = v ? (int)v->state == i : i == CLUSTER_NO_PRIMARY;
}

static void put_view(struct metric_row *row, const struct cluster_view *v, unsigned i)
{
	const struct cluster_vnode *n = &v->node[i];
	int64_t fresh = cluster_view_fresh(v, i);
	uint64_t missing = atomic_load(&v->live->node[i].missing);
	bool is_primary = n->role == ROLE_PRIMARY;
	row->v[V_N_UP] = n->state == NODE_UP || n->state == NODE_WARMING ||
			 n->state == NODE_DRAINING || n->state == NODE_MAINT;
	row->v[V_N_PRIMARY] = is_primary;
	row->v[V_N_REPLICA] = n->role == ROLE_REPLICA;
	row->v[V_N_UNKNOWN] = n->role == ROLE_UNKNOWN;
	if (fresh && !is_primary)
		row->v[V_N_LAG] = (double)(clock_mono_us() - fresh) / 1e6;
	if (missing != UINT64_MAX && !is_primary)
		row->v[V_N_MISSING] = (double)missing;
	row->v[V_N_READS] = n->reads;
	row->v[V_N_WRITES] = (int)i == v->primary && v->writes == WRITES_OPEN;
}

static void node_row(
	struct admin *a, struct metric_rows *all, const struct topo_cluster *tc, unsigned i)
{
	const struct cluster_view *v = tc->cluster->view;
	const char *labels[] = { tc->conf->name, tc->node[i]->where };
	struct probe_report p;
	struct metric_row *row = metric_row_add(all, SCOPE_NODE, labels);
	if (!row)
		return;
	row->v[V_N_WEIGHT] = tc->conf->weight[i];
	row->v[V_N_UP] = row->v[V_N_PRIMARY] = row->v[V_N_REPLICA] = 0;
	row->v[V_N_READS] = row->v[V_N_WRITES] = 0;
	row->v[V_N_UNKNOWN] = 1;
	if (v && topo_fits(tc, v))
		put_view(row, v, i);
	if (!a->hooks.probe || !a->hooks.probe(a->hooks.arg, tc->conf->name, i, &p))
		return;
	row->v[V_N_PROBES] = (double)p.samples;
	row->v[V_N_PROBES_FAILED] = (double)p.failures;
	if (p.rtt_us)
		row->v[V_N_RTT] = (double)p.rtt_us / 1e6;
}

void metrics_fill_clusters(struct admin *a, struct metric_rows *all)
{
	const struct topo *t = a->core->gen->topo;
	for (unsigned i = 0; t && i < t->n; i++) {
		cluster_row(all, &t->v[i]);
		for (unsigned j = 0; j < t->v[i].conf->nodes_n; j++)
			node_row(a, all, &t->v[i], j);
	}
}
