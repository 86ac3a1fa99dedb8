/* test_pool_model - src/core/pool.c under simulated workers and random schedules. Loops, links and
 * sessions are fakes of a few lines; mailboxes are queues that the schedule empties when it likes.
 * Links close, fail to connect, move late and refuse to move. Invariants after every step: links
 * alive (in lists, in mailboxes, connecting) == open <= limit + reserve; when all mailboxes are
 * empty and all turns have ended: no waiter while an idle movable link exists or the budget is not
 * used up; no session runs on a link of another class; in the end every waiter has been served, in
 * the order in which those of its class came to its worker. */
#include "../../src/core/core_int.h"

#include "../unit/seed.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 4
#define CLIENTS 40
#define CLASSES 3
#define STEPS 3000

struct client {
	struct session session; /* only its id is looked at */
	struct waiter wait;
	struct link *link;
	int worker;
	uint64_t ticket; /* when it began to wait */
};

static struct core core;
static struct worker worker[WORKERS];
static struct pool pool;
static struct dbase db;
static struct account account;
static struct conf_db cdb;
static struct pool_shard shard[WORKERS];
static struct proto_creds creds;
static struct dbstats stats[WORKERS];
static struct poolstats counts[WORKERS];
static struct client client[CLIENTS];
static int64_t now;
static unsigned alive, served, waits, replaced, classes;
static uint64_t tickets, last_served[WORKERS][CLASSES];
static uint64_t rng;
static bool may_connect_fail, refuse_moves;

struct loop {
	struct mail *first, **end;
};
static struct loop loops[WORKERS];

static unsigned rnd(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)((rng >> 11) % n);
}

/* ---- fakes of what pool.c calls ---- */

int64_t loop_now_us(struct loop *l)
{
	(void)l;
	return now;
}

void loop_post(struct loop *l, struct mail *m)
{
	m->next = NULL;
	*l->end = m;
	l->end = &m->next;
}

bool stream_is_quiet(struct stream *s) /* servers that say something are test_sim_core's */
{
	(void)s;
	return true;
}

void timer_set(struct loop *l, struct timer *t, int64_t at)
{
	(void)l;
	t->at_us = at;
}

void link_set_state(struct link *l, enum link_state st)
{
	if (l->node.next != &l->node) {
		list_del(&l->node);
		l->shard->n_links[l->state]--;
	}
	l->state = st;
	l->state_us = now;
	list_push(&l->shard->links[st], &l->node);
	l->shard->n_links[st]++;
}

static void dispose(struct link *l)
{
	free(l);
	cr_assert_gt(alive, 0);
	alive--;
}

void link_close(struct link *l, const char *why)
{
	struct worker *w = l->w;
	(void)why;
	list_del(&l->node);
	l->shard->n_links[l->state]--;
	dispose(l);
	pool_forget(&pool, w);
}

void link_give_place(struct link *l, const char *why)
{
	(void)why;
	cr_assert_eq(l->state, LINK_IDLE);
	list_del(&l->node);
	l->shard->n_links[l->state]--;
	dispose(l);
	replaced++;
}

void route_retry(struct pool_shard *home)
{
	(void)home;
	cr_assert(false, "there is no cluster here");
}

void route_failed(struct pool_shard *p, enum cluster_signal what, const char *why)
{
	(void)p;
	(void)what;
	(void)why;
}

bool link_movable(const struct link *l)
{
	(void)l;
	return !refuse_moves || rnd(3);
}

static void on_arrival(struct mail *m, void *owner)
{
	struct link *l = list_entry(m, struct link, mail);
	struct worker *w = owner;
	l->w = w;
	if (rnd(20) == 0) { /* it broke on its way */
		dispose(l);
		pool_forget(&pool, w);
		return;
	}
	l->shard = &shard[w->id];
	link_set_state(l, LINK_IDLE);
	pool_touch(l->shard);
}

void link_move(struct link *l, unsigned to)
{
	l->mail.fn = on_arrival;
	loop_post(&loops[to], &l->mail);
}

void link_connect(struct pool_shard *p, unsigned link_class)
{
	struct link *l = calloc(1, sizeof *l);
	l->w = p->w;
	l->shard = p;
	l->pool = &pool;
	l->link_class = (uint8_t)link_class;
	list_init(&l->node);
	alive++;
	link_set_state(l, LINK_CONNECTING);
}

void session_granted(struct session *s, struct link *l)
{
	struct client *c = (struct client *)(void *)s;
	cr_assert_null(c->link);
	unsigned k = c->wait.link_class;
	cr_assert_eq(l->link_class, k, "a session on a link of another class");
	cr_assert_gt(c->ticket, last_served[c->worker][k], "not first come, first served");
	last_served[c->worker][k] = c->ticket;
	c->link = l;
	served++;
}

void session_retry_logins(struct pool_shard *p)
{
	(void)p;
}

void session_wait_failed(struct session *s, const struct err *e)
{
	(void)s;
	(void)e;
	cr_assert_fail("no login is refused here");
}

void authq_granted(struct authq *q, struct link *l)
{
	(void)q;
	(void)l;
}

void authq_wait_failed(struct authq *q, const struct err *e)
{
	(void)q;
	(void)e;
}

/* ---- the model ---- */

static void setup(unsigned limit, unsigned reserve)
{
	memset(&core, 0, sizeof core);
	memset(&pool, 0, sizeof pool);
	memset(&db, 0, sizeof db);
	memset(&account, 0, sizeof account);
	memset(client, 0, sizeof client);
	memset(shard, 0, sizeof shard);
	memset(last_served, 0, sizeof last_served);
	core.n_workers = WORKERS;
	atomic_store(&core.state, CORE_RUNNING);
	pool.db = &db;
	pool.account = &account;
	pthread_mutex_init(&pool.err_lock, NULL);
	now = 1000000;
	alive = served = waits = 0;
	tickets = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		loops[i].first = NULL;
		loops[i].end = &loops[i].first;
		worker[i] = (struct worker){ .id = i, .core = &core, .loop = &loops[i] };
		list_init(&worker[i].touched);
		list_init(&worker[i].shards);
		core.worker[i] = &worker[i];
		struct pool_shard *p = &shard[i];
		p->pool = &pool;
		p->w = &worker[i];
		p->home = p;
		list_init(&p->subs);
		p->cdb = &cdb;
		p->creds = &creds;
		p->stats = &stats[i];
		p->counts = &counts[i];
		p->set.pool_size = (int)limit;
		p->set.reserve_pool_size = (int)reserve;
		p->set.reserve_pool_timeout_us = 5000;
		p->set.server_lifetime_us = INT64_MAX;
		p->set.server_retry_min_us = 1000;
		p->set.server_retry_max_us = 8000;
		list_init(&p->node);
		list_init(&p->touched);
		list_init(&p->waiting);
		for (int k = 0; k < LINK_N; k++)
			list_init(&p->links[k]);
		list_append(&worker[i].shards, &p->node);
		pool.shard[i] = p;
		pool_apply_settings(p);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		client[i].worker = (int)rnd(WORKERS);
		list_init(&client[i].wait.node);
		client[i].session.id = i + 1;
		client[i].wait.link_class = (uint8_t)rnd(classes);
		client[i].wait.session = &client[i].session;
	}
}

static void check(void)
{
	unsigned open = atomic_load(&pool.open);
	cr_assert_eq(open, alive, "open %u, alive %u", open, alive);
	cr_assert_leq(open, atomic_load(&pool.limit) + atomic_load(&pool.reserve));
	cr_assert_eq(atomic_load(&db.links), open);
	cr_assert_eq(atomic_load(&account.links), open);
}

static void end_turn(unsigned w)
{
	struct list *n;
	while ((n = list_pop(&worker[w].touched)))
		pool_turn_end(list_entry(n, struct pool_shard, touched));
}

static bool deliver(unsigned w, unsigned max)
{
	struct mail *m;
	bool any = false;
	while (max-- && (m = loops[w].first)) {
		loops[w].first = m->next;
		if (!m->next)
			loops[w].end = &loops[w].first;
		m->fn(m, &worker[w]);
		any = true;
	}
	end_turn(w);
	return any;
}

static void fire_timer(unsigned w)
{
	struct pool_shard *p = &shard[w];
	if (p->timer.at_us && p->timer.at_us <= now) {
		p->timer.at_us = 0;
		pool_touch(p);
	}
}

static void client_step(unsigned i)
{
	struct client *c = &client[i];
	struct pool_shard *p = &shard[c->worker];
	if (c->link) {
		struct link *l = c->link;
		c->link = NULL;
		if (rnd(15) == 0)
			link_close(l, "the server went away");
		else
			pool_release(l);
	} else if (!c->wait.since_us) {
		c->ticket = ++tickets;
		struct link *l = pool_acquire(p, &c->wait);
		if (l)
			session_granted(c->wait.session, l);
		else
			waits++;
	} else if (rnd(40) == 0) {
		pool_wait_cancel(&c->wait);
	}
	if (rnd(2))
		end_turn((unsigned)c->worker);
}

static void connect_step(unsigned w)
{
	struct pool_shard *p = &shard[w];
	struct list *n = list_first(&p->links[LINK_CONNECTING]);
	struct err e = { 0 };
	if (!n)
		return;
	struct link *l = list_entry(n, struct link, node);
	if (may_connect_fail && rnd(3) == 0) {
		link_close(l, "no");
		err_set(&e, ERR_SERVER_CONNECT, "no");
		pool_failed(p, &e, false);
	} else {
		pool_succeeded(p);
		pool_release(l);
	}
	end_turn(w);
}

/* Lets everything settle without new wishes. */
static void settle(void)
{
	for (int i = 0; i < 100000; i++) {
		bool any = false;
		for (unsigned w = 0; w < WORKERS; w++) {
			end_turn(w);
			any |= deliver(w, 1000);
			any |= !list_empty(&shard[w].links[LINK_CONNECTING]);
			connect_step(w);
			any |= shard[w].timer.at_us != 0;
			fire_timer(w);
			end_turn(w);
			check();
		}
		for (unsigned w = 0; w < WORKERS; w++)
			any |= loops[w].first != NULL;
		now += 1000;
		if (!any)
			return;
	}
	cr_assert_fail("it does not settle");
}

static void no_waiter_beside_idle(void)
{
	unsigned waiting = 0, idle = 0;
	for (unsigned w = 0; w < WORKERS; w++) {
		waiting += shard[w].n_waiting;
		idle += shard[w].n_links[LINK_IDLE];
	}
	cr_assert(!(waiting && idle), "%u wait beside %u idle links", waiting, idle);
	cr_assert(!(waiting && atomic_load(&pool.open) < atomic_load(&pool.limit)),
		"%u wait and the pool is not full", waiting);
}

static void run(unsigned seed, void *arg)
{
	(void)arg;
	rng = (uint64_t)seed * 2654435761u + 88172645463325252u;
	may_connect_fail = rnd(2);
	refuse_moves = false;
	unsigned limit = 1 + rnd(12), reserve = rnd(3) ? 0 : 3;
	classes = rnd(2) ? 1 : 1 + rnd(CLASSES);
	setup(limit, reserve);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned w = rnd(WORKERS);
		now += rnd(300);
		switch (rnd(4)) {
		case 0: deliver(w, 1 + rnd(3)); break;
		case 1: connect_step(w); break;
		case 2: fire_timer(w); /* fall through */
		default: client_step(rnd(CLIENTS)); break;
		}
		check();
		if (rnd(200) == 0) {
			settle();
			no_waiter_beside_idle();
		}
	}
	/* everybody gives back what they have, until nobody waits */
	may_connect_fail = false;
	for (unsigned round = 0; round < 2 * CLIENTS + 10; round++) {
		settle();
		no_waiter_beside_idle();
		for (unsigned i = 0; i < CLIENTS; i++)
			if (client[i].link) {
				pool_release(client[i].link);
				client[i].link = NULL;
			}
	}
	settle();
	for (unsigned i = 0; i < CLIENTS; i++)
		cr_assert_eq(client[i].wait.since_us, 0, "client %u was never served", i);
	for (unsigned w = 0; w < WORKERS; w++) {
		struct list *n;
		while ((n = list_first(&shard[w].links[LINK_IDLE])))
			link_close(list_entry(n, struct link, node), "end");
	}
	while (deliver(0, 1000) | deliver(1, 1000) | deliver(2, 1000) | deliver(3, 1000))
		;
	cr_assert_eq(atomic_load(&pool.open), 0);
	cr_assert_eq(mem_live(MEM_MSG), 0);
	pthread_mutex_destroy(&pool.err_lock);
}

Test(pool_model, random_schedules, .timeout = 120)
{
	seed_each(2000, run, NULL);
}

Test(pool_model, waiters_of_one_worker_use_links_of_the_others)
{
	rng = 1;
	may_connect_fail = false;
	classes = 1;
	setup(8, 0);
	/* eight links, all idle on worker 0 */
	for (unsigned i = 0; i < 8; i++) {
		client[i].worker = 0;
		client[i].ticket = ++tickets;
		struct link *l = pool_acquire(&shard[0], &client[i].wait);
		cr_assert_null(l);
	}
	settle();
	for (unsigned i = 0; i < 8; i++) {
		cr_assert_not_null(client[i].link);
		pool_release(client[i].link);
		client[i].link = NULL;
	}
	settle();
	cr_assert_eq(shard[0].n_links[LINK_IDLE], 8);
	/* eight clients of worker 3 get them; nobody connects */
	unsigned before = alive;
	for (unsigned i = 8; i < 16; i++) {
		client[i].worker = 3;
		client[i].ticket = ++tickets;
		cr_assert_null(pool_acquire(&shard[3], &client[i].wait));
	}
	settle();
	for (unsigned i = 8; i < 16; i++)
		cr_assert(client[i].link != NULL || alive < before,
			"client %u got none of %u links", i, alive);
}

/* Two classes over a pool that is full of links of the one: a link makes room as soon as nobody of
 * its class wants it, and after a short while even so. */
Test(pool_model, a_full_pool_changes_the_class_of_its_links)
{
	rng = 1;
	may_connect_fail = false;
	classes = 1;
	setup(2, 0);
	replaced = 0;
	for (unsigned i = 0; i < 4; i++)
		client[i].worker = 0;
	client[2].wait.link_class = client[3].wait.link_class = 1;
	for (unsigned i = 0; i < 2; i++) {
		client[i].ticket = ++tickets;
		cr_assert_null(pool_acquire(&shard[0], &client[i].wait));
	}
	settle();
	cr_assert_eq(alive, 2);
	client[2].ticket = ++tickets;
	cr_assert_null(pool_acquire(&shard[0], &client[2].wait));
	settle();
	cr_assert_null(client[2].link, "both are at work");
	pool_release(client[0].link);
	client[0].link = NULL;
	settle();
	cr_assert_not_null(client[2].link);
	cr_assert_eq(replaced, 1);
	cr_assert_eq(alive, 2);
	/* client 3 waits longer than is fair, and those of class 0 keep coming */
	client[3].ticket = ++tickets;
	cr_assert_null(pool_acquire(&shard[0], &client[3].wait));
	for (unsigned i = 0; !client[3].link; i++) {
		struct client *c = &client[1];
		cr_assert_lt(i, 100, "passed over for ever");
		c->ticket = ++tickets;
		if (c->link)
			pool_release(c->link);
		c->link = NULL;
		if (!c->wait.since_us)
			c->link = pool_acquire(&shard[0], &c->wait);
		settle();
	}
	cr_assert_eq(replaced, 2);
}
