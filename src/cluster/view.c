/* view - makes, counts and frees the pictures of a cluster; the names of their states. Made on
 * the control thread, let go by any. */
#include "cluster_int.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

const char *cluster_kind_name(enum cluster_kind k)
{
	switch (k) {
	case CLUSTER_PG: return "postgresql";
	case CLUSTER_MYSQL: return "mysql";
	case CLUSTER_MARIADB: return "mariadb";
	case CLUSTER_GR: return "group-replication";
	case CLUSTER_GALERA: return "galera";
	}
	return "?";
}
const char *cluster_state_name(enum cluster_state s)
{
	switch (s) {
	case CLUSTER_NO_PRIMARY: return "no-primary";
	case CLUSTER_NORMAL: return "normal";
	case CLUSTER_SUSPECT: return "suspect";
	case CLUSTER_SPLIT: return "split";
	case CLUSTER_SWITCHING: return "switching";
	}
	return "?";
}
const char *cluster_writes_name(enum cluster_writes w)
{
	switch (w) {
	case WRITES_OPEN: return "open";
	case WRITES_HELD: return "held";
	case WRITES_REFUSED: return "refused";
	}
	return "?";
}
const char *cluster_role_name(enum cluster_role r)
{
	switch (r) {
	case ROLE_UNKNOWN: return "unknown";
	case ROLE_PRIMARY: return "primary";
	case ROLE_REPLICA: return "replica";
	}
	return "?";
}
const char *node_state_name(enum node_state s)
{
	switch (s) {
	case NODE_UNKNOWN: return "unknown";
	case NODE_UP: return "up";
	case NODE_WARMING: return "warming";
	case NODE_SUSPECT: return "suspect";
	case NODE_DOWN: return "down";
	case NODE_QUARANTINED: return "quarantined";
	case NODE_DRAINING: return "draining";
	case NODE_MAINT: return "maint";
	}
	return "?";
}

struct cluster_live *view_live_new(unsigned n)
{
	struct cluster_live *l = mem_alloc(MEM_CLUSTER, sizeof *l);
	if (!l)
		return NULL;
	atomic_init(&l->refs, 1u);
	for (unsigned i = 0; i < n; i++)
		atomic_store(&l->node[i].missing, UINT64_MAX);
	return l;
}

void view_live_unref(struct cluster_live **l)
{
	if (*l && atomic_fetch_sub(&(*l)->refs, 1u) == 1)
		mem_free(MEM_CLUSTER, *l);
	*l = NULL;
}

void view_live_source(struct cluster_live *l, const char *uuid)
{
	if (strlen(uuid) != sizeof(l->acked.source) - 1 || atomic_load(&l->acked.known))
		return;
	memcpy(l->acked.source, uuid, sizeof(l->acked.source));
	atomic_store_explicit(&l->acked.known, true, memory_order_release);
}

/* "5", "5-6", "1-3:5": the last number, 0 for anything else. */
static uint64_t last_number(const char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '-' || p[i] == ':')
			v = 0;
		else if (p[i] < '0' || p[i] > '9' || v > UINT64_MAX / 16)
			return 0;
		else
			v = v * 10 + (uint64_t)(p[i] - '0');
	}
	return v;
}

void cluster_view_acked(const struct cluster_view *v, const char *gtids, size_t n)
{
	struct cluster_live_acked *a = &v->live->acked;
	size_t source_n = sizeof(a->source) - 1;
	if (!atomic_load_explicit(&a->known, memory_order_acquire) || n <= source_n + 1 ||
		memcmp(gtids, a->source, source_n) != 0 || gtids[source_n] != ':')
		return;
	uint64_t no = last_number(gtids + source_n + 1, n - source_n - 1);
	uint64_t was = atomic_load_explicit(&a->last, memory_order_relaxed);
	while (no > was && !atomic_compare_exchange_weak(&a->last, &was, no))
		;
}

struct cluster_view *view_new(unsigned n, struct cluster_live *live)
{
	struct cluster_view *v = mem_alloc(
		MEM_CLUSTER, sizeof *v + n * sizeof(struct cluster_vnode));
	if (!v)
		return NULL;
	atomic_init(&v->refs, 1u);
	v->n = n;
	v->primary = -1;
	v->live = live;
	atomic_fetch_add(&live->refs, 1u);
	return v;
}

struct cluster_view *cluster_view_ref(const struct cluster_view *v)
{
	/* immutable but for its count, which every holder may change */
	struct cluster_view *own = (struct cluster_view *)(uintptr_t)v;
	unsigned before = atomic_fetch_add(&own->refs, 1u);
	assert(before > 0);
	return own;
}

void cluster_view_unref(struct cluster_view **v)
{
	if (*v && atomic_fetch_sub(&(*v)->refs, 1u) == 1) {
		view_live_unref(&(*v)->live);
		mem_free(MEM_CLUSTER, *v);
	}
	*v = NULL;
}
