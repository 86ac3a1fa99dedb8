/* pool_retry - connects and logins of a pool that fail: all of its workers pause together, longer
 * from time to time, and those who wait hear of a refusal. Ignorant of what was tried
 * (link_login.c). Runs on the worker that owns the shard; the pause is struct pool's atomics. */
#include "pool_int.h"

#include <stdio.h>

static void fail_waiters(struct pool_shard *p, const struct err *e)
{
	struct list *n;
	while ((n = list_first(&p->waiting))) {
		struct waiter *wt = list_entry(n, struct waiter, node);
		pool_wait_cancel(wt);
		if (wt->session)
			session_wait_failed(wt->session, e);
		else
			authq_wait_failed(wt->authq, e);
	}
}

static void say(enum event_code ev, const struct pool_shard *p, const char *why)
{
	char object[200];
	struct log_about about = { .ctx = object };
	snprintf(object, sizeof object, "%s/%s", p->pool->db->name, p->pool->user);
	log_event_about(ev, &about, "%s", why);
}

/* What was begun together fails together: that makes one pause, not many. */
static void back_off(struct pool_shard *p)
{
	struct pool *pool = p->pool;
	int64_t now = worker_now(p->w), wait = p->set.server_retry_min_us,
		max = p->set.server_retry_max_us;
	if (now < atomic_load(&pool->retry_at_us))
		return;
	unsigned n = atomic_fetch_add(&pool->pauses, 1);
	for (unsigned i = 0; i < n && wait < max; i++)
		wait *= 2;
	if (wait > max)
		wait = max;
	uint64_t r = (uint64_t)now * UINT64_C(0x9e3779b97f4a7c15); /* jitter only */
	wait = wait - wait / 4 + (int64_t)(r >> 33) % (wait / 2 + 1);
	atomic_store(&pool->retry_at_us, now + wait);
}

void pool_failed(struct pool_shard *p, const struct err *e, bool refused)
{
	struct pool *pool = p->pool;
	unsigned n = atomic_fetch_add(&pool->failures, 1);
	if (n == 0)
		say(EVENT_SERVER_DOWN, p, e->msg);
	p->counts->connects_failed++;
	back_off(p);
	pthread_mutex_lock(&pool->err_lock);
	pool->last_err = *e;
	pthread_mutex_unlock(&pool->err_lock);
	pool_touch(p);
	if (refused && p->n_links[LINK_IDLE] + p->n_links[LINK_ACTIVE] == 0)
		fail_waiters(p, e);
	else
		route_failed(p, SIGNAL_NOT_READY, e->msg);
}

static void end_pause(struct pool *pool)
{
	atomic_store(&pool->pauses, 0);
	atomic_store(&pool->retry_at_us, 0);
}

void pool_succeeded(struct pool_shard *p)
{
	if (atomic_load_explicit(&p->pool->failures, memory_order_relaxed)) {
		if (atomic_exchange(&p->pool->failures, 0))
			say(EVENT_SERVER_UP, p, "its server can be used again");
		end_pause(p->pool);
	}
}

void pool_retry_now(struct pool_shard *p)
{
	if (!atomic_load_explicit(&p->pool->failures, memory_order_relaxed))
		return;
	end_pause(p->pool);
	pool_touch(p);
}
