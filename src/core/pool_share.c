/* pool_share - wishes and gifts between the workers that a pool spans: links go over by message,
 * one for each wish, and no wake-up is lost (the argument stands in doc/internals/pool.md).
 * Ignorant of who waits here and why. Runs on the worker that owns the shard; what it shares with
 * the others is struct pool's atomics. */
#include "pool_int.h"

#define FAIR_SLACK_US 1000 /* first come, first served between workers: to a millisecond */

static uint64_t bit(const struct worker *w)
{
	return UINT64_C(1) << w->id;
}

struct pool_mail {
	struct mail mail;
	struct pool *pool;
	unsigned from;
};

static void pool_send(
	struct pool *pool, struct worker *w, unsigned to, void (*fn)(struct mail *, void *))
{
	struct pool_mail *m = mem_alloc(MEM_MSG, sizeof *m);
	if (!m)
		return; /* the receiver's own timers find out later */
	m->mail.fn = fn;
	m->pool = pool;
	m->from = w->id;
	loop_post(w->core->worker[to]->loop, &m->mail);
}

/* Takes the wish of worker r: one donor per wish. */
static bool claim(struct pool *pool, unsigned r)
{
	int64_t since = atomic_load(&pool->oldest[r]);
	return since != 0 && atomic_compare_exchange_strong(&pool->oldest[r], &since, 0);
}

/* The other worker whose first waiter waits longest; -1 if none waits. */
static int neediest(const struct pool *pool, const struct worker *w, int64_t *since_r)
{
	uint64_t wanted = atomic_load(&pool->wanted) & ~bit(w);
	int best = -1;
	while (wanted) {
		int i = __builtin_ctzll(wanted);
		wanted &= wanted - 1;
		int64_t since = atomic_load(&pool->oldest[i]);
		if (since && (best < 0 || since < *since_r)) {
			best = i;
			*since_r = since;
		}
	}
	return best;
}

static struct link *idle_movable(struct pool_shard *p)
{
	list_for(n, &p->links[LINK_IDLE]) {
		struct link *l = list_entry(n, struct link, node);
		if (link_movable(l))
			return l;
	}
	return NULL;
}

static void give(struct link *l, unsigned to)
{
	list_del(&l->node);
	l->shard->n_links[l->state]--;
	l->state = LINK_MOVING;
	link_move(l, to);
}

void pool_donate(struct pool_shard *p)
{
	while (!p->n_waiting) {
		int64_t since = 0;
		int r = neediest(p->pool, p->w, &since);
		struct link *l = r >= 0 ? idle_movable(p) : NULL;
		if (!l || !claim(p->pool, (unsigned)r))
			return;
		give(l, (unsigned)r);
	}
}

static void on_ask(struct mail *mail, void *owner)
{
	struct pool_mail *m = (struct pool_mail *)(void *)mail;
	struct worker *w = owner;
	struct pool_shard *p = m->pool->shard[w->id];
	mem_free(MEM_MSG, m);
	if (p)
		pool_donate(p);
}

static void on_kick(struct mail *mail, void *owner)
{
	struct pool_mail *m = (struct pool_mail *)(void *)mail;
	struct worker *w = owner;
	struct pool_shard *p = m->pool->shard[w->id];
	mem_free(MEM_MSG, m);
	if (p)
		pool_touch(p);
}

/* Store first, then look at has_idle: its partner is pool_publish_idle(). */
void pool_publish_wish(struct pool_shard *p)
{
	struct worker *w = p->w;
	struct pool *pool = p->pool;
	if (w->core->n_workers == 1)
		return;
	struct waiter *f = pool_may_grant(p) ? pool_first_waiter(p) : NULL;
	if (!f) {
		if (atomic_load_explicit(&pool->wanted, memory_order_relaxed) & bit(w)) {
			atomic_store(&pool->oldest[w->id], 0);
			atomic_fetch_and(&pool->wanted, ~bit(w));
		}
		return;
	}
	atomic_store(&pool->oldest[w->id], f->since_us);
	atomic_fetch_or(&pool->wanted, bit(w));
	uint64_t idle = atomic_load(&pool->has_idle) & ~bit(w);
	while (idle) {
		unsigned i = (unsigned)__builtin_ctzll(idle);
		idle &= idle - 1;
		pool_send(pool, w, i, on_ask);
	}
}

/* Store first, then look at wanted: its partner is pool_publish_wish(). */
void pool_publish_idle(struct pool_shard *p)
{
	struct worker *w = p->w;
	if (w->core->n_workers == 1)
		return;
	bool is = !list_empty(&p->links[LINK_IDLE]);
	bool said = atomic_load_explicit(&p->pool->has_idle, memory_order_relaxed) & bit(w);
	if (is && !said) {
		atomic_fetch_or(&p->pool->has_idle, bit(w));
		if (atomic_load(&p->pool->wanted) & ~bit(w))
			pool_donate(p);
	} else if (!is && said) {
		atomic_fetch_and(&p->pool->has_idle, ~bit(w));
	}
}

bool pool_serve_others(struct pool_shard *p)
{
	struct pool *pool = p->pool;
	if (p->w->core->n_workers == 1 ||
		!(atomic_load_explicit(&pool->wanted, memory_order_relaxed) & ~bit(p->w)))
		return false;
	int64_t since = 0;
	int r = neediest(pool, p->w, &since);
	struct waiter *f = pool_first_waiter(p);
	if (r < 0 || (f && f->since_us - since <= FAIR_SLACK_US))
		return false;
	struct link *l = idle_movable(p);
	if (!l || !claim(pool, (unsigned)r))
		return false;
	give(l, (unsigned)r);
	return true;
}

void pool_kick_others(struct pool *pool, struct worker *w)
{
	/* every worker with a wish, not only the neediest: by the time it looks, its client may be
	 * gone */
	uint64_t wanted = w->core->n_workers > 1 ? atomic_load(&pool->wanted) & ~bit(w) : 0;
	for (; wanted; wanted &= wanted - 1)
		pool_send(pool, w, (unsigned)__builtin_ctzll(wanted), on_kick);
}
