/* pool - who gets which link: private lists per worker, one atomic budget per pool. Ignorant of
 * protocols, of what a session does with its link, and of how links go to other workers
 * (pool_share.c). Runs on the worker that owns the shard. */
#include "pool_int.h"

#include <assert.h>
#include <limits.h>

#define CONNECTING_MAX \
	16 /* per shard at a time: a login storm of ours must not hit the server all at once */
#define OWN_LOOK_MAX 64
#define PASS_OVER_US 20000 /* whom no idle link fits waits so long for those who come after him */
#define LOOK_AFTER_US 1000 /* a link idle for so long is looked at before it is given away */
#define CAP_RETRY_US 20000 /* a cap shared with other pools was met: look again */

void pool_touch(struct pool_shard *p)
{
	if (list_empty(&p->touched))
		list_append(&p->w->touched, &p->touched);
}

static bool is_paused(const struct pool_shard *p)
{
	return atomic_load_explicit(&p->pool->db->paused, memory_order_relaxed) ||
	       atomic_load_explicit(&p->w->core->paused, memory_order_relaxed);
}

bool pool_may_grant(const struct pool_shard *p)
{
	int state = atomic_load_explicit(&p->w->core->state, memory_order_relaxed);
	return !is_paused(p) && state != CORE_SUSPENDED && state != CORE_WAIT_SERVERS;
}

bool pool_has_room(const struct pool_shard *p)
{
	const struct pool *o = p->pool;
	if (p->n_waiting || !pool_may_grant(p))
		return false;
	return !list_empty(&p->links[LINK_IDLE]) ||
	       (atomic_load_explicit(&o->open, memory_order_relaxed) <
			       atomic_load_explicit(&o->limit, memory_order_relaxed) &&
		       worker_now(p->w) >= atomic_load(&o->retry_at_us));
}

/* ---- budget ---- */

static bool take_below(_Atomic unsigned *n, unsigned limit)
{
	unsigned v = atomic_load(n);
	while (v < limit)
		if (atomic_compare_exchange_weak(n, &v, v + 1))
			return true;
	return false;
}

/* Closes the idle link of another pool on this worker that has been idle longest, to make room
 * under a shared cap. */
static void evict_idle(struct pool_shard *p, bool by_user)
{
	struct link *victim = NULL;
	list_for(n, &p->w->shards) {
		struct pool_shard *o = list_entry(n, struct pool_shard, node);
		bool same = by_user ? o->pool->account == p->pool->account
				    : o->pool->db == p->pool->db;
		if (o == p || !same || o->n_waiting)
			continue;
		struct list *last = list_last(&o->links[LINK_IDLE]);
		if (!last)
			continue;
		struct link *l = list_entry(last, struct link, node);
		if (!victim || l->idle_us < victim->idle_us)
			victim = l;
	}
	if (victim)
		link_close(victim, by_user ? "max_user_connections: room for another pool"
					   : "max_db_connections: room for another pool");
}

/* One more link may be opened: true, and it is counted. *capped_r: another pool holds what is
 * missing. */
static bool budget_take(struct pool_shard *p, bool reserve, bool *capped_r)
{
	struct pool *o = p->pool;
	unsigned limit = atomic_load(&o->limit) + (reserve ? atomic_load(&o->reserve) : 0);
	*capped_r = false;
	if (!take_below(&o->open, limit))
		return false;
	unsigned db_cap = atomic_load(&o->db_cap), user_cap = atomic_load(&o->user_cap);
	if (!take_below(&o->db->links, db_cap ? db_cap : UINT_MAX)) {
		atomic_fetch_sub(&o->open, 1);
		*capped_r = true;
		evict_idle(p, false);
		return false;
	}
	if (!take_below(&o->account->links, user_cap ? user_cap : UINT_MAX)) {
		atomic_fetch_sub(&o->db->links, 1);
		atomic_fetch_sub(&o->open, 1);
		*capped_r = true;
		evict_idle(p, true);
		return false;
	}
	return true;
}

bool pool_take_place(struct pool_shard *p)
{
	bool capped;
	if (budget_take(p, false, &capped))
		return true;
	struct list *n = capped ? NULL : list_last(&p->links[LINK_IDLE]);
	if (n)
		link_give_place(list_entry(n, struct link, node),
			"room for one that its session has brought along");
	return n != NULL;
}

/* ---- acquire, release ---- */

/* Would l do for wt? An auth_query is asked on any. */
static bool fits(const struct link *l, const struct waiter *wt)
{
	return !wt->session || l->link_class == wt->link_class;
}

/* Or has the server said something meanwhile that nobody has read yet, most likely that it closes?
 * What is sent then may be lost, and nobody could tell whether it has run. */
static bool is_quiet(struct link *l)
{
	return worker_now(l->w) - l->idle_us < LOOK_AFTER_US || stream_is_quiet(&l->st);
}

/* The first idle link that fits, taken. */
static struct link *idle_pop(struct pool_shard *p, const struct waiter *wt)
{
	list_for(n, &p->links[LINK_IDLE]) {
		struct link *l = list_entry(n, struct link, node);
		if (!fits(l, wt) || !is_quiet(l))
			continue;
		link_set_state(l, LINK_ACTIVE);
		l->used = true;
		l->idle_us = 0;
		p->stats->assignments++;
		return l;
	}
	return NULL;
}

/* The link that this session used last, if nobody has used it since: its settings and statements
 * are still there, so nothing has to be sent before the request. */
static void prefer_own(struct pool_shard *p, const struct session *s)
{
	int left = OWN_LOOK_MAX;
	list_for(n, &p->links[LINK_IDLE]) {
		struct link *l = list_entry(n, struct link, node);
		if (l->last_session == s->id) {
			list_del(&l->node);
			list_push(&p->links[LINK_IDLE], &l->node);
			return;
		}
		if (--left == 0)
			return;
	}
}

static void wait_begin(struct pool_shard *p, struct waiter *wt)
{
	wt->since_us = wt->held_us ? wt->held_us : worker_now(p->w);
	wt->held_us = 0;
	wt->on = p;
	list_append(&p->waiting, &wt->node);
	p->n_waiting++;
	pool_touch(p);
}

struct link *pool_acquire(struct pool_shard *p, struct waiter *wt)
{
	assert(wt->since_us == 0);
	p->last_used_us = worker_now(p->w);
	if (wt->session)
		p->last_class = wt->link_class;
	if (!p->n_waiting && pool_may_grant(p)) {
		if (wt->session && !p->set.server_round_robin)
			prefer_own(p, wt->session);
		struct link *l = idle_pop(p, wt);
		if (l) {
			if (list_empty(&p->links[LINK_IDLE]))
				pool_touch(p);
			if (wt->session)
				hist_add(&p->counts->hist[HIST_WAIT],
					wt->held_us ? worker_now(p->w) - wt->held_us : 0);
			wt->held_us = 0;
			return l;
		}
	}
	wait_begin(p, wt);
	return NULL;
}

void pool_hold(struct pool_shard *p, struct waiter *wt)
{
	assert(wt->since_us == 0 && p->home == p);
	wait_begin(p, wt);
}

static void count_wait(struct waiter *wt)
{
	if (!wt->session || !wt->since_us)
		return;
	wt->session->tally.wait_us += (uint64_t)(worker_now(wt->on->w) - wt->since_us);
	wt->session->tally.waits++;
}

static void leave(struct waiter *wt)
{
	struct pool_shard *p = wt->on;
	if (!wt->since_us)
		return;
	list_del(&wt->node);
	wt->since_us = 0;
	wt->on = NULL;
	p->n_waiting--;
	pool_touch(p);
}

void pool_wait_cancel(struct waiter *wt)
{
	count_wait(wt);
	leave(wt);
}

void pool_wait_move(struct waiter *wt)
{
	int64_t since = wt->since_us;
	leave(wt);
	wt->held_us = since;
}

/* Handed over: as many as there are sessions that could want one; the process that takes new
 * clients has the rest of what the servers can take. */
static bool is_spare(const struct pool_shard *p)
{
	return atomic_load_explicit(&p->w->core->state, memory_order_relaxed) == CORE_HANDED &&
	       p->n_links[LINK_IDLE] + p->n_links[LINK_ACTIVE] > p->home->n_sessions;
}

bool pool_must_close(const struct link *l)
{
	const struct pool_shard *p = l->shard;
	const struct pool *o = p->pool;
	int64_t age = worker_now(p->w) - l->born_us;
	int64_t life = p->set.server_lifetime_us;
	if (l->st.eof || l->st.error || l->ephemeral)
		return true;
	if (l->epoch != atomic_load_explicit(&o->db->epoch, memory_order_relaxed))
		return true;
	if (o->node && (l->fence != atomic_load(&o->node->fence) || !p->home->topo))
		return true;
	if (life == 0 ? l->used : age > life) /* 0: once, but once it must be used */
		return true;
	if (atomic_load_explicit(&o->open, memory_order_relaxed) >
		atomic_load_explicit(&o->limit, memory_order_relaxed) +
			(p->n_waiting ? atomic_load_explicit(&o->reserve, memory_order_relaxed)
				      : 0))
		return true;
	if (is_paused(p) || atomic_load_explicit(&o->db->killed, memory_order_relaxed))
		return true;
	return is_spare(p) ||
	       atomic_load_explicit(&p->w->core->state, memory_order_relaxed) >= CORE_WAIT_SERVERS;
}

/* It was only looked after: it stands again among those who have been idle as long. */
static void back_to_place(struct pool_shard *p, struct link *l)
{
	struct list *at = list_last(&p->links[LINK_IDLE]);
	while (at != &p->links[LINK_IDLE] &&
		(at == &l->node || list_entry(at, struct link, node)->idle_us < l->idle_us))
		at = at->prev;
	list_del(&l->node);
	list_add_between(&l->node, at, at->next);
}

void pool_release(struct link *l)
{
	struct pool_shard *p = l->shard;
	assert(!l->session && !l->authq && !l->cancel);
	link_set_state(l, LINK_IDLE);
	if (!l->idle_us)
		p->last_used_us = l->idle_us = l->state_us;
	else
		back_to_place(p, l);
	if (p->set.server_round_robin && list_first(&p->links[LINK_IDLE]) != &l->node) {
		list_del(&l->node);
		list_append(&p->links[LINK_IDLE], &l->node);
	}
	pool_touch(p); /* served at the turn's end: the caller may still be reading l */
}

static void grant(struct pool_shard *p, struct waiter *wt, struct link *l)
{
	p->stats->wait_us += (uint64_t)(worker_now(p->w) - wt->since_us);
	if (wt->session) {
		hist_add(&p->counts->hist[HIST_WAIT], worker_now(p->w) - wt->since_us);
		session_waited(wt->session, worker_now(p->w) - wt->since_us);
	}
	list_del(&wt->node);
	p->n_waiting--;
	count_wait(wt);
	wt->since_us = 0;
	wt->on = NULL;
	if (wt->session)
		session_granted(wt->session, l);
	else
		authq_granted(wt->authq, l);
}

static unsigned coming_n(const struct pool_shard *p)
{
	return p->n_links[LINK_CONNECTING] + p->n_links[LINK_LOGIN];
}

/* May one more connection be begun now, if there is room for it? *retry_r: else look again then; 0:
 * something else will make us look. */
static bool may_connect(const struct pool_shard *p, int64_t *retry_r)
{
	int64_t retry = atomic_load(&p->pool->retry_at_us);
	*retry_r = 0;
	bool is_open = p->pool->node ? p->topo != NULL : !p->topo; /* not a cluster's own pool */
	if (!p->cdb || !is_open || !p->home->creds || coming_n(p) >= CONNECTING_MAX)
		return false;
	if (worker_now(p->w) < retry) {
		*retry_r = retry;
		return false;
	}
	/* when the host is in doubt, one try at a time */
	return !coming_n(p) || !atomic_load_explicit(&p->pool->failures, memory_order_relaxed);
}

/* The pool is full, and what is idle here does not fit wt: the link idle longest makes room. */
static bool replace_idle(struct pool_shard *p, const struct waiter *wt)
{
	struct list *n = list_last(&p->links[LINK_IDLE]);
	int64_t retry;
	if (!n || fits(list_entry(n, struct link, node), wt) || !may_connect(p, &retry))
		return false;
	link_give_place(
		list_entry(n, struct link, node), "its connection options are not those wanted");
	link_connect(p, wt->link_class);
	return true;
}

static void count_coming(struct pool_shard *p, unsigned coming[CORE_LINK_CLASSES])
{
	for (int st = LINK_CONNECTING; st <= LINK_LOGIN; st++)
		list_for(n, &p->links[st])
			coming[list_entry(n, struct link, node)->link_class]++;
}

/* Gives one idle link to the first waiter whom one fits. Those before him for whom none is on its
 * way are passed over for a short while only: then a link makes room for theirs. False: nothing
 * could be done. */
static bool serve_one(struct pool_shard *p)
{
	unsigned coming[CORE_LINK_CLASSES] = { 0 };
	bool counted = false;
	list_for(n, &p->waiting) {
		struct waiter *wt = list_entry(n, struct waiter, node);
		struct link *l = idle_pop(p, wt);
		if (l) {
			grant(p, wt, l);
			return true;
		}
		if (!counted)
			count_coming(p, coming);
		counted = true;
		if (coming[wt->link_class])
			coming[wt->link_class]--;
		else if (worker_now(p->w) - wt->since_us > PASS_OVER_US && replace_idle(p, wt))
			return true;
	}
	return false;
}

static void serve(struct pool_shard *p)
{
	while (p->n_waiting && pool_may_grant(p)) {
		if (pool_serve_others(p))
			continue;
		if (list_empty(&p->links[LINK_IDLE]) || !serve_one(p))
			return;
	}
}

/* The first waiter for whom no connection of his class is on its way. */
static struct waiter *uncovered(struct pool_shard *p)
{
	unsigned coming[CORE_LINK_CLASSES] = { 0 };
	count_coming(p, coming);
	list_for(n, &p->waiting) {
		struct waiter *wt = list_entry(n, struct waiter, node);
		if (!coming[wt->link_class])
			return wt;
		coming[wt->link_class]--;
	}
	return NULL;
}

static void timer_at(struct pool_shard *p, int64_t at)
{
	if (!p->timer.at_us || at < p->timer.at_us)
		timer_set(p->w->loop, &p->timer, at);
}

/* Opens links for those who wait and have none on its way. */
static void open_more(struct pool_shard *p)
{
	int64_t now = worker_now(p->w), retry;
	struct waiter *f;
	while (pool_may_grant(p) && (f = uncovered(p))) {
		if (!may_connect(p, &retry)) {
			if (retry)
				timer_at(p, retry);
			return;
		}
		int64_t reserve_at = pool_first_waiter(p)->since_us +
				     p->set.reserve_pool_timeout_us;
		bool reserve = p->set.reserve_pool_size && now >= reserve_at, capped;
		if (budget_take(p, reserve, &capped)) {
			link_connect(p, f->link_class);
		} else if (!replace_idle(p, f)) {
			if (capped)
				timer_at(p, now + CAP_RETRY_US);
			else if (p->set.reserve_pool_size && !reserve)
				timer_at(p, reserve_at);
			return;
		}
	}
}

/* Is p to have links of its own? */
static bool node_is_used(const struct pool_shard *p)
{
	return p->pool->node ? p->topo != NULL : !p->topo;
}

void pool_fill_min(struct pool_shard *p)
{
	unsigned want = (unsigned)p->set.min_pool_size;
	bool capped;
	if (!want || !p->cdb || !p->home->creds || !pool_may_grant(p) || !node_is_used(p) ||
		(!p->home->n_sessions && !*p->cdb->force_user))
		return;
	if (atomic_load(&p->w->core->state) != CORE_RUNNING ||
		worker_now(p->w) < atomic_load(&p->pool->retry_at_us))
		return;
	while (atomic_load(&p->pool->open) < want &&
		p->n_links[LINK_CONNECTING] + p->n_links[LINK_LOGIN] < 2) {
		if (!budget_take(p, false, &capped))
			return;
		link_connect(p, p->last_class);
	}
}

void pool_turn_end(struct pool_shard *p)
{
	if (p->welcomed)
		session_retry_logins(p);
	if (p->topo && p->home == p && p->n_waiting)
		route_retry(p);
	serve(p);
	pool_donate(p);
	pool_publish_wish(p);
	if (p->n_waiting)
		open_more(
			p); /* after publishing: who gives a slot back from now on sees the wish */
	pool_publish_idle(p);
}

void pool_forget(struct pool *pool, struct worker *w)
{
	unsigned was = atomic_fetch_sub(&pool->open, 1);
	atomic_fetch_sub(&pool->db->links, 1);
	atomic_fetch_sub(&pool->account->links, 1);
	assert(was > 0);
	(void)was;
	struct pool_shard *p = pool->shard[w->id];
	if (p)
		pool_touch(p);
	pool_kick_others(pool, w);
}

void pool_apply_settings(struct pool_shard *p)
{
	struct pool *o = p->pool;
	/* a cluster's own pool only holds those who wait */
	bool none = p->topo && p->home == p;
	atomic_store(&o->limit, none ? 0 : (unsigned)p->set.pool_size);
	atomic_store(&o->reserve, none ? 0 : (unsigned)p->set.reserve_pool_size);
	atomic_store(&o->db_cap, (unsigned)p->set.max_db_connections);
	atomic_store(&o->user_cap, (unsigned)p->set.max_user_connections);
	/* a pause under way that is longer than server_login_retry allows by now */
	int64_t latest = worker_now(p->w) + p->set.server_retry_max_us,
		at = atomic_load(&o->retry_at_us);
	if (at > latest + p->set.server_retry_max_us / 4) /* back_off() adds so much at most */
		atomic_compare_exchange_strong(&o->retry_at_us, &at, latest);
}
