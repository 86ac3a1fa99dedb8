/* pool_int - what the files of a pool share. Private to pool*.c. Thread: the worker that owns the
 * shard. */
#ifndef CORE_POOL_INT_H
#define CORE_POOL_INT_H
#include "core_int.h"

static inline struct waiter *pool_first_waiter(const struct pool_shard *p)
{
	struct list *n = list_first(&p->waiting);
	return n ? list_entry(n, struct waiter, node) : NULL;
}

/* pool_share.c */
/* Idle links here, nobody waiting here, somebody waiting elsewhere: hands them over. */
void pool_donate(struct pool_shard *p);
/* Tells the others since when our first waiter waits, or that none does. */
void pool_publish_wish(struct pool_shard *p);
/* Tells the others whether links are idle here. */
void pool_publish_idle(struct pool_shard *p);
/* Hands an idle link to the worker whose first waiter came a millisecond or more before ours, or if
 * nobody waits here. False: to none. */
bool pool_serve_others(struct pool_shard *p);
/* There is room for one more link of pool: all who wish look again. */
void pool_kick_others(struct pool *pool, struct worker *w);
#endif
