/* health - is it alive, has it started, shall it get clients? With the reasons, in JSON; names and
 * messages only for those who may read everything. Ignorant of what a probe makes of it. Control
 * thread.
 *
 * What nobody has tried lately counts as usable: a weirpool that gets no clients because it is not
 * ready would else never find out that its server is back. */
#include "http_int.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <unistd.h>

#define BEAT_MAX_US 10000000  /* a worker's loop turns once a second at least */
#define KNOWN_FOR_US 15000000 /* after the last attempt to connect was due */

/* ---- /livez ---- */

/* It never depends on a server: an outage must not restart every weirpool. */
void health_live(struct http_req *q)
{
	const struct core *c = q->http->core;
	int64_t now = clock_mono_us();
	unsigned stuck = 0;
	struct buf b;
	buf_init(&b, 0);
	buf_puts(&b, "{\"reasons\":[");
	for (unsigned i = 0; i < c->n_workers; i++) {
		int64_t age = now - atomic_load(&c->worker[i]->beat_us);
		if (age < BEAT_MAX_US)
			continue;
		stuck++;
		json_comma(&b);
		buf_printf(&b, "\"worker %u has not turned for %lld s\"", i,
			(long long)(age / 1000000));
	}
	buf_puts(&b, "]");
	json_pair_bool(&b, "live", stuck == 0);
	buf_puts(&b, "}\n");
	http_reply(q, stuck ? 503 : 200, NULL, &b);
}

/* ---- /startupz ---- */

/* Nobody is answered here before the configuration is loaded and every listener is open. */
void health_startup(struct http_req *q)
{
	struct buf b;
	buf_init(&b, 0);
	buf_puts(&b, "{\"started\":true");
	json_pair_int(&b, "uptime_s", (clock_wall_us() - q->http->started_us) / 1000000);
	json_pair_int(&b, "listeners", q->http->core->n_listen);
	json_pair_int(&b, "workers", q->http->core->n_workers);
	buf_puts(&b, "}\n");
	http_reply(q, 200, NULL, &b);
}

/* ---- /readyz ---- */

static void because(struct health *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void because(struct health *r, const char *fmt, ...)
{
	va_list ap;
	if (r->reasons_n == HEALTH_REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(r->reason[r->reasons_n++], sizeof r->reason[0], fmt, ap);
	va_end(ap);
}

/* Nothing is connected, connecting fails, and that was tried a moment ago or somebody waits. */
static bool is_down(struct pool *o, int64_t now)
{
	return atomic_load(&o->failures) && !atomic_load(&o->open) &&
	       (atomic_load(&o->wanted) || now < atomic_load(&o->retry_at_us) + KNOWN_FOR_US);
}

static void tell_pool(struct health *r, struct pool *o)
{
	char why[sizeof o->last_err.msg];
	pthread_mutex_lock(&o->err_lock);
	snprintf(why, sizeof why, "%s", o->last_err.msg);
	pthread_mutex_unlock(&o->err_lock);
	because(r, "pool %s/%s: %s", o->db->name, o->user, why);
}

/* Pools of clusters follow from what is known of these. */
static void look_at_pools(struct health *r, struct core *c, bool sees)
{
	int64_t now = clock_mono_us();
	pthread_mutex_lock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->pools); hmap_next(&it);) {
		struct pool *o = it.value;
		const struct conf_db *d = conf_db_find_in(
			c->gen->conf, o->db->ops->name, o->db->name);
		if (o->node || !d || *d->cluster_name)
			continue;
		r->pools++;
		if (!is_down(o, now))
			continue;
		r->pools_down++;
		if (sees)
			tell_pool(r, o);
	}
	pthread_mutex_unlock(&c->lock);
}

static void look_at_clusters(struct health *r, const struct topo *t, bool sees)
{
	for (unsigned i = 0; t && i < t->n; i++) {
		const struct cluster_view *v = t->v[i].cluster->view;
		bool fits = v && topo_fits(&t->v[i], v), reads = false;
		bool writes = fits && v->primary >= 0 && v->writes == WRITES_OPEN;
		for (unsigned j = 0; fits && j < v->n; j++)
			reads = reads || v->node[j].reads;
		r->clusters++;
		r->without_primary += !writes;
		r->clusters_down += !writes && !reads;
		if (!writes && sees)
			because(r, "cluster %s: %s", t->v[i].conf->name,
				!fits     ? "nothing is known of it yet"
				: *v->why ? v->why
					  : cluster_state_name(v->state));
	}
}

static bool obeys(const struct health *r, enum conf_ready policy)
{
	unsigned all = r->pools + r->clusters, down = r->pools_down + r->clusters_down;
	switch (policy) {
	case CONF_READY_ANY_POOL: return all == 0 || down < all;
	case CONF_READY_ALL_POOLS: return down == 0;
	case CONF_READY_PRIMARY:
		return r->without_primary == 0 && (r->pools == 0 || r->pools_down < r->pools);
	case CONF_READY_NONE: return true;
	}
	return true;
}

void health_look(struct http *h, bool sees, struct health *r)
{
	const char *leaving = h->hooks.leaving(h->hooks.arg);
	*r = (struct health){ 0 };
	if (leaving)
		because(r, "%s", leaving);
	look_at_pools(r, h->core, sees);
	look_at_clusters(r, h->core->gen->topo, sees);
	r->ready = !leaving && obeys(r, http_conf(h)->ready_policy);
	if (!r->ready && !r->reasons_n)
		because(r,
			"%u of %u pools cannot reach their server, %u of %u clusters have no "
			"primary",
			r->pools_down, r->pools, r->without_primary, r->clusters);
}

void health_put(struct buf *b, const struct health *r)
{
	json_pair_bool(b, "ready", r->ready);
	json_key(b, "reasons");
	buf_puts(b, "[");
	for (unsigned i = 0; i < r->reasons_n; i++) {
		json_comma(b);
		json_put(b, r->reason[i]);
	}
	buf_puts(b, "]");
}

void health_ready(struct http_req *q)
{
	static const char *const policies[] = { "any_pool", "all_pools", "primary", "none" };
	struct health r;
	struct buf b;
	health_look(q->http, q->sees, &r);
	buf_init(&b, 0);
	buf_puts(&b, "{");
	health_put(&b, &r);
	json_pair(&b, "policy", policies[http_conf(q->http)->ready_policy]);
	json_pair_int(&b, "pools", r.pools);
	json_pair_int(&b, "pools_down", r.pools_down);
	json_pair_int(&b, "clusters", r.clusters);
	json_pair_int(&b, "clusters_without_primary", r.without_primary);
	buf_puts(&b, "}\n");
	http_reply(q, r.ready ? 200 : 503, NULL, &b);
}
