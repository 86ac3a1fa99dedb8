/* blockers - whom a node of a cluster still works for. Runs on the workers, and on control for the
 * sum. */
#include "core/blockers.h"

#include "core_int.h"

struct ask {
	const struct server_node *node;
	void (*done)(void *arg, const struct blockers *b);
	void *arg;
};
struct part {
	unsigned total, n;
	struct blocker v[BLOCKERS_MAX];
};

static void look(const struct worker *w, const struct link *l, struct part *p)
{
	const struct session *s = l->session;
	if (!s || s->raw || !(s->in_tx || s->request_us))
		return;
	p->total++;
	if (p->n == BLOCKERS_MAX)
		return;
	int64_t since = s->tx_us ? s->tx_us : s->request_us ? s->request_us : s->state_us;
	p->v[p->n++] = (struct blocker){ .client = s->id,
		.link = l->id,
		.in_tx = s->in_tx,
		.age_us = loop_now_us(w->loop) - since,
		.user = s->account ? s->account->name : "",
		.db = s->db ? s->db->name : "" };
}

static void each(struct worker *w, void *part, void *arg)
{
	const struct ask *a = arg;
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		for (int st = LINK_IDLE; p->pool->node == a->node && st < LINK_CLOSING; st++)
			list_for(n, &p->links[st])
				look(w, list_entry(n, struct link, node), part);
	}
}

static void all(struct scatter *s)
{
	struct ask *a = s->arg;
	struct blocker *v = mem_alloc(MEM_MSG, s->n * BLOCKERS_MAX * sizeof *v);
	struct blockers b = { .v = v };
	for (unsigned i = 0; i < s->n; i++) {
		const struct part *p = scatter_part(s, i);
		b.total += p->total;
		for (unsigned k = 0; v && k < p->n; k++)
			v[b.n++] = p->v[k];
	}
	a->done(a->arg, &b);
	mem_free(MEM_MSG, v);
	mem_free(MEM_MSG, a);
}

int core_blockers(struct core *c, const struct server_node *n,
	void (*done)(void *arg, const struct blockers *b), void *arg)
{
	struct ask *a = mem_alloc(MEM_MSG, sizeof *a);
	if (!a)
		return -1;
	*a = (struct ask){ .node = n, .done = done, .arg = arg };
	if (core_scatter(c, sizeof(struct part), each, all, a) == 0)
		return 0;
	mem_free(MEM_MSG, a);
	return -1;
}
