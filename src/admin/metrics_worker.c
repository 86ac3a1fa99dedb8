/* metrics_worker - what one worker adds to the metrics: plain values, copied on its thread.
 * Ignorant of names and text. Runs on the workers (core_scatter). */
#include "metrics_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t thread_cpu_us(void)
{
	struct timespec ts;
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void copy_pool_counts(struct worker *w, struct metrics_part *p)
{
	size_t n = hmap_size(&w->stats_by_pool) + 1;
	p->counts = mem_alloc(MEM_ADMIN, n * sizeof *p->counts);
	if (!p->counts) {
		p->no_memory = true;
		return;
	}
	p->counts[p->counts_n++] = w->other_pools;
	for (struct hmap_it it = hmap_begin(&w->stats_by_pool); hmap_next(&it);)
		p->counts[p->counts_n++] = *(const struct poolstats *)it.value;
}

/* ---- clients ---- */

struct counting {
	struct metrics_part *p;
	struct hmap seen; /* what a client_count is about -> where it stands, + 1 */
	size_t size;
	unsigned names_max; /* so many, and further applications are "other" */
};

static bool grow(struct counting *c)
{
	size_t size = c->size ? c->size * 2 : 32;
	struct client_count *v = mem_realloc(MEM_ADMIN, c->p->clients, size * sizeof *v);
	if (!v)
		return false;
	c->p->clients = v;
	c->size = size;
	return true;
}

static struct client_count *find(struct counting *c, const struct client_count *k)
{
	uint8_t key[sizeof k->db + sizeof k->user + sizeof k->state + sizeof k->app];
	size_t n = 0, app_n = strlen(k->app);
	memcpy(key + n, &k->db, sizeof k->db);
	n += sizeof k->db;
	memcpy(key + n, &k->user, sizeof k->user);
	n += sizeof k->user;
	memcpy(key + n, &k->state, sizeof k->state);
	n += sizeof k->state;
	memcpy(key + n, k->app, app_n);
	n += app_n;
	uintptr_t at = (uintptr_t)hmap_get(&c->seen, key, n);
	if (at)
		return &c->p->clients[at - 1];
	if (c->p->clients_n == c->size && !grow(c))
		return NULL;
	at = c->p->clients_n + 1;
	if (!hmap_put(&c->seen, key, n, (void *)at, NULL))
		return NULL;
	c->p->clients[at - 1] = *k;
	c->p->clients_n++;
	return &c->p->clients[at - 1];
}

static void count_client(struct counting *c, const struct session *s)
{
	struct client_count k = { .state = s->state, .series = SERIES_OWN };
	if (!s->is_console) {
		const char *app = s->ops->client_app_name(s->cst);
		k.db = s->db->name;
		k.user = s->account->name;
		k.series = s->shard ? atomic_load(&s->shard->pool->series) : SERIES_OTHER;
		snprintf(k.app, sizeof k.app, "%s",
			c->p->clients_n < c->names_max ? app ? app : "" : "other");
	}
	struct client_count *f = find(c, &k);
	if (f)
		f->n++;
	else
		c->p->no_memory = true;
}

static void count_pins(struct metrics_part *p, const struct session *s)
{
	if (s->is_console || !s->link || !s->shard ||
		s->shard->set.pool_mode == CONF_POOL_SESSION || s->login)
		return;
	uint32_t pins = s->ops->client_pins(s->cst);
	p->pinned += pins != 0;
	for (int i = 0; i < PIN_N; i++)
		p->pins[i] += pins >> i & 1;
}

static void count_sessions(struct worker *w, struct metrics_part *p)
{
	struct counting c = { .p = p, .names_max = atomic_load(&w->core->series_max) };
	hmap_init(&c.seen);
	for (int st = SESSION_IDLE; st < SESSION_CLOSING; st++)
		list_for(n, &w->sessions[st]) {
			const struct session *s = list_entry(n, struct session, node);
			if (s->login)
				continue;
			count_client(&c, s);
			count_pins(p, s);
		}
	hmap_fini(&c.seen, NULL);
}

void metrics_collect(struct worker *w, struct metrics_part *p, int64_t asked_us)
{
	p->delay_us = clock_mono_us() - asked_us;
	collect_pools(w, &p->pools);
	stats_collect(w, &p->stats);
	copy_pool_counts(w, p);
	count_sessions(w, p);
	memcpy(p->logins_failed, w->logins_failed, sizeof p->logins_failed);
	p->queries = w->queries_before;
	query_table_totals(w->queries, &p->queries);
	p->slow_n = w->slow_n;
	p->rules = w->rule_counts_n ? mem_alloc(MEM_ADMIN, w->rule_counts_n * sizeof *p->rules)
				    : NULL;
	if (p->rules) {
		memcpy(p->rules, w->rule_counts, w->rule_counts_n * sizeof *p->rules);
		p->rules_n = w->rule_counts_n;
	}
	p->no_memory = p->no_memory || (w->rule_counts_n && !p->rules);
	p->cpu_us = thread_cpu_us();
}

void metrics_part_fini(struct metrics_part *p)
{
	mem_free(MEM_ADMIN, p->pools.v);
	mem_free(MEM_ADMIN, p->stats.v);
	mem_free(MEM_ADMIN, p->counts);
	mem_free(MEM_ADMIN, p->clients);
	mem_free(MEM_ADMIN, p->rules);
	*p = (struct metrics_part){ 0 };
}
