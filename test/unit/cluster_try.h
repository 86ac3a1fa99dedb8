/* cluster_try - a view made by hand, for tests of what reads one. */
#ifndef TEST_CLUSTER_TRY_H
#define TEST_CLUSTER_TRY_H
#include "../../src/cluster/cluster_int.h"

/* Node 0 is the primary, the others are replicas of weight 1 that are up; epoch 1. */
static inline struct cluster_view *try_view(unsigned n)
{
	struct cluster_live *live = view_live_new(n);
	struct cluster_view *v = view_new(n, live);
	view_live_unref(&live);
	v->state = CLUSTER_NORMAL;
	v->epoch = 1;
	v->primary = 0;
	v->warm_us = 10000000;
	for (unsigned i = 0; i < n; i++) {
		v->node[i].weight = 1;
		v->node[i].state = NODE_UP;
		v->node[i].role = i ? ROLE_REPLICA : ROLE_PRIMARY;
		v->node[i].fresh = i ? FRESH_OK : FRESH_UNKNOWN;
		v->node[i].reads = v->node[i].eventual = i > 0;
	}
	return v;
}
static inline void try_fresh(struct cluster_view *v, unsigned i, int64_t us)
{
	atomic_store(&v->live->node[i].fresh_us, us);
}
#endif
