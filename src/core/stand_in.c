/* stand_in - reads that the primary answers in place of replicas: because none is fresh enough, or
 * there is none. Of each pool at the primary they may take a share of the connections; more of them
 * wait, so that a cluster whose replicas fall behind keeps a primary that can be written to.
 * Ignorant of how a node is chosen. Runs on the session's worker; the count is shared. */
#include "core_int.h"

#include "base/clock.h"

#define LOOK_AGAIN_US 1000000 /* each sample wakes those who wait, for so long */

static unsigned most(const struct pool *pool, const struct conf_cluster *c)
{
	unsigned n = atomic_load(&pool->limit) * (unsigned)c->primary_read_share / 100;
	return n ? n : 1;
}

bool stand_in_begin(struct session *s, struct pool *pool)
{
	const struct topo_cluster *tc = s->shard->topo;
	if (tc->conf->primary_read_share >= 100 || tc->conf->nodes_n < 2)
		return true;
	if (atomic_fetch_add(&pool->stand_ins, 1) >= most(pool, tc->conf)) {
		atomic_fetch_sub(&pool->stand_ins, 1);
		topo_park(s->w, tc->cluster, clock_mono_us() + LOOK_AGAIN_US);
		return false;
	}
	s->stands_in = pool;
	return true;
}

bool stand_in_full(const struct topo_cluster *tc, const struct pool *pool)
{
	return tc->conf->primary_read_share < 100 &&
	       atomic_load(&pool->stand_ins) >= most(pool, tc->conf);
}

void stand_in_end(struct session *s)
{
	if (!s->stands_in)
		return;
	atomic_fetch_sub(&s->stands_in->stand_ins, 1);
	s->stands_in = NULL;
	pool_touch(s->shard); /* the next one; of other workers with the next sample */
}
