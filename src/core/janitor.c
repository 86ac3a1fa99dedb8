/* janitor - what a worker looks at once a second: idle links that are too old or were idle too
 * long, links to be checked, min_pool_size, drained sessions, stale secrets. Deadlines of single
 * sessions and links have timers of their own. */
#include "core_int.h"

#include "base/clock.h"

#include <stdio.h>

#define PERIOD_US 1000000

/* Idle links: from the one idle longest. Keeps min_pool_size of them. */
static void look_at_idle(struct pool_shard *p, int64_t now)
{
	unsigned open = atomic_load(&p->pool->open), min = (unsigned)p->set.min_pool_size;
	struct list *n, *prev;
	for (n = p->links[LINK_IDLE].prev; n != &p->links[LINK_IDLE]; n = prev) {
		struct link *l = list_entry(n, struct link, node);
		prev = n->prev;
		int64_t idle = now - l->idle_us,
			checked = l->checked_us > l->state_us ? l->checked_us : l->state_us;
		if (pool_must_close(l)) {
			link_close(l, "server_lifetime, a lowered limit, or a changed database");
			open--;
		} else if (p->set.server_idle_timeout_us && idle > p->set.server_idle_timeout_us &&
			   open > min) {
			link_close(l, "server idle timeout");
			open--;
		} else if (p->set.server_check_delay_us &&
			   now - checked > p->set.server_check_delay_us) {
			link_check(l);
		}
	}
}

static bool is_empty(const struct pool_shard *p)
{
	bool empty = !p->n_sessions && !p->n_waiting && list_empty(&p->touched);
	for (int i = 0; i < LINK_N; i++)
		empty = empty && p->n_links[i] == 0;
	return empty;
}

/* A pool that nobody has used for long is forgotten by this worker: users that come and go (Vault)
 * would fill the memory. */
static bool is_unused(struct worker *w, struct pool_shard *p, int64_t now)
{
	int64_t limit = p->set.pool_idle_timeout_us;
	if (!limit && (!p->cdb || p->cdb->is_auto))
		limit = w->gen->conf->global.autodb_idle_timeout_us;
	bool empty = p->home == p && is_empty(p);
	list_for(n, &p->subs)
		empty = empty && is_empty(list_entry(n, struct pool_shard, sub));
	return limit && empty && now - p->last_used_us > limit;
}

static void forget_unused(struct worker *w, int64_t now)
{
	struct list *n = list_first(&w->shards);
	while (n) {
		struct pool_shard *p = list_entry(n, struct pool_shard, node);
		bool gone = is_unused(w, p, now);
		if (gone)
			shard_forget(p); /* its nodes' with it: begin again */
		n = gone ? list_first(&w->shards) : n->next == &w->shards ? NULL : n->next;
	}
}

/* Databases whose user and password stand in the configuration need no client to fill
 * min_pool_size. */
static void begin_forced(struct worker *w)
{
	const struct conf *c = w->gen->conf;
	struct err e = { 0 };
	if (w->id != 0 || w->forced_serial == w->gen->serial)
		return;
	w->forced_serial = w->gen->serial;
	for (unsigned i = 0; i < c->dbs_n; i++) {
		const struct conf_db *d = &c->dbs[i];
		struct settings set;
		conf_effective(c, d, conf_user_find(c, d->force_user), &set);
		const struct proto_ops *ops = proto_by_name(d->kind->name);
		if ((d->is_auto && !ops->schema_is_state) || !*d->force_user || !*d->password ||
			set.min_pool_size == 0)
			continue;
		struct pool_shard *p = shard_get(w, ops, d->name, d->force_user, &e);
		if (p && !p->creds)
			p->creds = mem_alloc(MEM_AUTH, sizeof *p->creds);
		if (p && p->creds)
			snprintf(p->creds->password, sizeof p->creds->password, "%s", d->password);
	}
}

static void on_timer(struct timer *t, void *arg)
{
	struct worker *w = arg;
	int64_t now = worker_now(w);
	atomic_store_explicit(&w->beat_us, clock_mono_us(), memory_order_relaxed);
	begin_forced(w);
	route_news(w);
	list_for(n, &w->shards) {
		struct pool_shard *p = list_entry(n, struct pool_shard, node);
		look_at_idle(p, now);
		pool_fill_min(p);
	}
	forget_unused(w, now);
	secrets_expire(w->secrets, now);
	worker_check_drain(w);
	timer_set(w->loop, t, now + PERIOD_US);
}

void janitor_start(struct worker *w)
{
	atomic_store(&w->beat_us, clock_mono_us());
	timer_init(&w->janitor, on_timer, w);
	timer_set(w->loop, &w->janitor, worker_now(w) + PERIOD_US);
}
