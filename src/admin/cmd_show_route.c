/* cmd_show_route - SHOW ROUTES: which nodes the requests of each database and user went to, and how
 * many had to wait for one. Ignorant of how a node is chosen. Control thread. */
#include "admin_int.h"

#include <stdlib.h>
#include <string.h>

struct route_part {
	struct poolstats *v;
	size_t n;
};

static bool is_routed(const struct poolstats *k)
{
	return k->pool && (k->pool->node || k->parked || k->held);
}

/* On the worker. */
static void each(struct worker *w, void *part, void *arg)
{
	struct route_part *p = part;
	size_t n = hmap_size(&w->stats_by_pool);
	(void)arg;
	p->v = n ? mem_alloc(MEM_ADMIN, n * sizeof *p->v) : NULL;
	for (struct hmap_it it = hmap_begin(&w->stats_by_pool); p->v && hmap_next(&it);)
		if (is_routed(it.value))
			p->v[p->n++] = *(const struct poolstats *)it.value;
}

static int by_pool(const void *a, const void *b)
{
	const struct pool *x = ((const struct poolstats *)a)->pool;
	const struct pool *y = ((const struct poolstats *)b)->pool;
	int c = strcmp(x->db->name, y->db->name);
	c = c ? c : strcmp(x->user, y->user);
	c = c ? c : strcmp(x->node ? x->node->where : "", y->node ? y->node->where : "");
	return c ? c : (x > y) - (x < y);
}

/* All parts behind each other; NULL: none, or no memory. */
static struct poolstats *join(struct scatter *s, size_t *n_r)
{
	size_t n = 0, at = 0;
	for (unsigned i = 0; i < s->n; i++)
		n += ((struct route_part *)scatter_part(s, i))->n;
	struct poolstats *v = n ? mem_alloc(MEM_ADMIN, n * sizeof *v) : NULL;
	for (unsigned i = 0; i < s->n; i++) {
		struct route_part *p = scatter_part(s, i);
		if (v && p->n)
			memcpy(v + at, p->v, p->n * sizeof *v);
		at += v ? p->n : 0;
		mem_free(MEM_ADMIN, p->v);
	}
	if (v)
		qsort(v, at, sizeof *v, by_pool);
	*n_r = at;
	return v;
}

static const char *role_of(const struct core *core, const struct server_node *node)
{
	const struct topo *t = core->gen->topo;
	for (unsigned i = 0; t && i < t->n; i++) {
		const struct cluster_view *v = t->v[i].cluster->view;
		for (unsigned j = 0; v && topo_fits(&t->v[i], v) && j < v->n; j++)
			if (t->v[i].node[j] == node)
				return cluster_role_name(v->node[j].role);
	}
	return "gone";
}

static void set_count(struct rowset *rs, char **row, unsigned col, uint64_t n)
{
	rowset_setf(rs, row, col, "%llu", (unsigned long long)n);
}

static void put_row(struct core_console *r, const struct poolstats *k)
{
	struct rowset *rs = &r->result;
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, k->pool->db->name);
	rowset_set(rs, row, 1, k->pool->user);
	if (!k->pool->node) {
		set_count(rs, row, 7, k->parked);
		set_count(rs, row, 8, k->held);
		return;
	}
	rowset_set(rs, row, 2, k->pool->node->where);
	rowset_set(rs, row, 3, role_of(r->core, k->pool->node));
	set_count(rs, row, 4, k->assigned);
	set_count(rs, row, 5, k->reads);
	set_count(rs, row, 6, k->stand_ins);
}

static void done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	size_t n;
	struct poolstats *v = join(s, &n);
	for (size_t i = 0; i < n;) {
		struct poolstats sum = v[i];
		for (i++; i < n && v[i].pool == sum.pool; i++) {
			sum.assigned += v[i].assigned;
			sum.reads += v[i].reads;
			sum.stand_ins += v[i].stand_ins;
			sum.parked += v[i].parked;
			sum.held += v[i].held;
		}
		put_row(r, &sum);
	}
	mem_free(MEM_ADMIN, v);
	admin_ask_free(s);
	admin_done(r, "SHOW");
}

void show_routes(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "ssssqqqqq",
		"database user node role assigned reads stand_ins parked held");
	admin_ask(r, &q, sizeof(struct route_part), each, done);
}
