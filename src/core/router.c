/* router - which node of its cluster a request goes to: writes to the primary, reads to a replica
 * that has seen what the session must see. What cannot go anywhere now is held, in the waiting list
 * of its database's own pool, first come first served. Ignorant of statements (proto/ says whether
 * one only reads), of how roles are found out, and of what makes a node fresh or good (cluster/).
 * Runs on the session's worker. */
#include "core_int.h"

#include "base/clock.h"

#include <string.h>

static struct seen_cluster *seen_of(const struct pool_shard *home)
{
	return worker_seen(home->w, home->topo->cluster);
}

/* The pool of this database and user at one node. NULL: no memory. */
static struct pool_shard *node_shard(struct pool_shard *home, unsigned node)
{
	struct server_node *n = home->topo->node[node];
	list_for(it, &home->subs) {
		struct pool_shard *p = list_entry(it, struct pool_shard, sub);
		if (p->pool->node == n)
			return p;
	}
	return shard_at_node(home, n);
}

static int index_of(const struct topo_cluster *tc, const struct server_node *n)
{
	for (unsigned i = 0; i < tc->conf->nodes_n; i++)
		if (tc->node[i] == n)
			return (int)i;
	return -1;
}

/* ---- what the request says ---- */

/* Names as SHOW NODES has them, or the host alone where no other node has the same. */
static bool is_named(const struct conf_host *h, const struct server_node *n, const char *name)
{
	return strcmp(n->where, name) == 0 || strcmp(h->host, name) == 0;
}

/* 0: none is called so, or several are. */
static uint32_t find_named(const struct topo_cluster *tc, const char *name, struct err *e)
{
	uint32_t found = 0;
	for (unsigned i = 0; i < tc->conf->nodes_n; i++)
		if (is_named(&tc->conf->nodes[i], tc->node[i], name))
			found |= UINT32_C(1) << i;
	if (found == 0) {
		err_set(e, ERR_NO_NODE, "cluster %.60s has no node \"%s\"", tc->conf->name, name);
		err_hint(e, "SHOW NODES on the console names them.");
	} else if (found & (found - 1)) {
		err_set(e, ERR_NO_NODE, "more than one node of cluster %.60s is \"%s\"",
			tc->conf->name, name);
		err_hint(e, "Name it as host:port.");
		found = 0;
	}
	return found;
}

int route_wish(struct session *s, const struct proto_wish *w, struct err *e)
{
	const struct topo_cluster *tc = s->shard->topo;
	s->wish = (struct session_wish){ .max_staleness_us = -1 };
	if (!w || !tc || !(s->reads || w->vouched))
		return 0;
	s->wish.vouched = w->vouched;
	s->wish.own_bound = w->own_bound;
	s->wish.node = (uint8_t)w->node;
	s->wish.consistency = (uint8_t)w->consistency;
	s->wish.max_staleness_us = w->max_staleness_us;
	if (w->node != PROTO_NODE_NAMED)
		return 0;
	s->wish.nodes = w->nodes ? w->nodes : find_named(tc, w->name, e);
	return s->wish.nodes ? 0 : -1;
}

_Static_assert((int)CONF_CONSISTENCY_EVENTUAL == (int)TOKEN_EVENTUAL &&
		       (int)CONF_CONSISTENCY_BOUNDED == (int)TOKEN_BOUNDED &&
		       (int)CONF_CONSISTENCY_SESSION == (int)TOKEN_SESSION &&
		       (int)CONF_CONSISTENCY_GLOBAL == (int)TOKEN_GLOBAL &&
		       (int)CONF_CONSISTENCY_STRONG == (int)TOKEN_STRONG &&
		       (int)PROTO_CONSISTENCY_STRONG - (int)PROTO_CONSISTENCY_EVENTUAL ==
			       (int)TOKEN_STRONG,
	"they are cast");
static enum token_level level_of(const struct session *s)
{
	if (s->wish.consistency == PROTO_CONSISTENCY_AS_SET)
		return (enum token_level)s->shard->set.consistency;
	return (enum token_level)(s->wish.consistency - PROTO_CONSISTENCY_EVENTUAL);
}

/* The smaller of the bounds that there are; 0: none. Who asks for nothing gets a replica that has
 * left for its lag, too: sent to the primary, he and his like would bring that down as well. */
static int64_t bound_of(const struct session *s, enum token_level level)
{
	int64_t all = level == TOKEN_EVENTUAL ? 0 : s->shard->set.max_staleness_us;
	int64_t own = s->wish.max_staleness_us;
	if (own < 0 || s->wish.own_bound)
		return own < 0 ? all : own;
	return own && all && all < own ? all : own;
}

/* The primary is one of those that it asks for. */
static bool names_primary(const struct session *s, const struct cluster_view *v)
{
	return v->primary >= 0 && s->wish.nodes & UINT32_C(1) << v->primary &&
	       s->endpoint != CONF_ENDPOINT_RO;
}

/* For one more read at the primary. */
static bool has_room(const struct session *s, unsigned primary)
{
	const struct pool_shard *p = node_shard(s->shard, primary);
	return p && !stand_in_full(s->shard->topo, p->pool);
}

/* The node for a read of s; -1: none may answer it; PARKED: it waits for one. */
#define PARKED (-2)
static int pick_reader(
	struct session *s, const struct topo_cluster *tc, struct seen_cluster *seen, int64_t now)
{
	const struct settings *set = &s->shard->set;
	const struct cluster_view *v = seen->view;
	enum token_level level = s->login ? TOKEN_EVENTUAL : level_of(s);
	struct token_need need = {
		.level = level,
		.bound_us = bound_of(s, level),
		.group_us = atomic_load_explicit(&tc->cluster->last_write_us, memory_order_acquire),
	};
	enum token_answer why;
	uint32_t mask = token_mask(&s->token, &need, v, now, &why);
	if (mask)
		park_found(s);
	else if (why == TOKEN_BEHIND && !names_primary(s, v) && park_read(s, tc, v, &need, now))
		return PARKED;
	if (mask & s->wish.nodes)
		mask &= s->wish.nodes;
	else if (names_primary(s, v))
		return -1;
	if (tc->conf->primary_reads == CONF_PRIMARY_READS_SHARE && v->primary >= 0 &&
		v->writes == WRITES_OPEN && v->node[v->primary].weight && !s->wish.node &&
		(!mask || has_room(s, (unsigned)v->primary)))
		mask |= UINT32_C(1) << v->primary;
	int last = s->token.replica - 1;
	if (set->sticky_replica && last >= 0 && mask & UINT32_C(1) << last)
		return last;
	return balance_pick(&seen->balance, v, mask, last, now);
}

static bool wants_read(const struct session *s, int64_t now)
{
	const struct settings *set = &s->shard->set;
	if (s->endpoint == CONF_ENDPOINT_RO)
		return true;
	if (s->endpoint == CONF_ENDPOINT_RW || level_of(s) == TOKEN_STRONG ||
		set->pool_mode == CONF_POOL_SESSION)
		return false;
	bool wished = s->wish.node || s->wish.consistency;
	if (set->primary_after_write_us && !wished && s->token.write_us &&
		now - s->token.write_us < set->primary_after_write_us)
		return false;
	return (s->reads || s->wish.vouched) && !s->to_primary;
}

uint32_t route_may_answer(
	const struct session *s, const struct topo_cluster *tc, const struct cluster_view *v)
{
	int64_t now = clock_mono_us();
	enum token_level level = level_of(s);
	struct token_need need = { .level = level, .bound_us = bound_of(s, level) };
	uint32_t primary = v->writes == WRITES_OPEN && v->primary >= 0 ? UINT32_C(1) << v->primary
								       : 0;
	if (!wants_read(s, now))
		return primary;
	uint32_t mask = token_mask(&s->token, &need, v, now, NULL);
	if (mask & s->wish.nodes)
		mask &= s->wish.nodes;
	else if (names_primary(s, v))
		return primary;
	if (tc->conf->primary_reads == CONF_PRIMARY_READS_SHARE && !s->wish.node)
		mask |= primary;
	if (!mask && tc->conf->primary_reads != CONF_PRIMARY_READS_NEVER)
		mask = primary;
	return mask;
}

static void no_primary(const struct topo_cluster *tc, const struct cluster_view *v, struct err *e)
{
	err_set(e, ERR_NO_PRIMARY, "cluster %.60s has no primary", tc->conf->name);
	err_detail(e, "%s%s%s", cluster_state_name(v->state), *v->why ? ": " : "", v->why);
	err_hint(e, "See SHOW CLUSTERS and SHOW NODES on the console.");
}

/* The node for wt; -1: held, or refused with e set. *stands_in_r: it is the primary, with a read
 * that is there only for want of a replica, or because the primary has a share of them. */
static int pick(struct session *s, const struct topo_cluster *tc, struct seen_cluster *seen,
	bool *stands_in_r, struct err *e)
{
	const struct cluster_view *v = seen->view;
	int64_t now = clock_mono_us();
	int n = -1;
	*stands_in_r = false;
	if (!v || !topo_fits(tc, v) ||
		atomic_load_explicit(&tc->cluster->paused, memory_order_relaxed))
		return -1;
	if (s && wants_read(s, now)) {
		n = pick_reader(s, tc, seen, now);
		if (n == PARKED)
			return -1;
		*stands_in_r = (n < 0 || n == v->primary) && !s->login && !names_primary(s, v);
		if (n >= 0 || (tc->conf->primary_reads == CONF_PRIMARY_READS_NEVER &&
				      !names_primary(s, v)))
			return n;
	}
	/* who was refused by it waits until more is known */
	bool again = s && s->refused_at && v->version <= s->refused_at;
	if (v->writes == WRITES_OPEN && v->primary >= 0)
		return again ? -1 : v->primary;
	/* a welcome, and a question for a secret, can be answered by any */
	if (!s || s->login) {
		for (unsigned i = 0; i < v->n; i++)
			if (v->node[i].reads || v->node[i].eventual)
				return (int)i;
	} else if (v->writes == WRITES_REFUSED) {
		no_primary(tc, v, e);
	}
	return -1;
}

struct pool_shard *route_shard(struct pool_shard *home, const struct waiter *wt, struct err *e)
{
	if (!home->topo)
		return home;
	struct session *s = wt->session;
	bool stands_in;
	if (s)
		stand_in_end(s);
	int n = pick(s, home->topo, seen_of(home), &stands_in, e);
	struct pool_shard *p = n >= 0 ? node_shard(home, (unsigned)n) : NULL;
	if (n >= 0 && !p)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	return p && stands_in && !stand_in_begin(s, p->pool) ? NULL : p;
}

void route_hold_error(const struct pool_shard *home, struct err *e)
{
	const struct topo_cluster *tc = home->topo;
	const struct cluster_view *v = seen_of(home)->view;
	double limit = (double)tc->conf->hold_timeout_us / 1e6;
	if (v && (v->writes != WRITES_OPEN || v->primary < 0)) {
		no_primary(tc, v, e);
		return;
	}
	bool paused = atomic_load(&tc->cluster->paused);
	err_set(e, ERR_NO_PRIMARY, "cluster %.60s %s for %g s (hold_timeout)", tc->conf->name,
		paused ? "has been paused"
		: v    ? "had no node that may answer this"
		       : "has not been seen",
		limit);
	err_hint(e, "See SHOW NODES on the console, and the option primary_read_share.");
}

static void wait_failed(struct waiter *wt, const struct err *e)
{
	if (wt->session)
		session_refuse(wt->session, e);
	else
		authq_wait_failed(wt->authq, e);
}

/* One of those who were held. False: he still is. */
static bool retry(struct pool_shard *home, struct waiter *wt)
{
	struct err e = { 0 };
	struct pool_shard *p = route_shard(home, wt, &e);
	if (!p && !err_is(&e))
		return false;
	pool_wait_move(wt);
	struct link *l = p ? pool_acquire(p, wt) : NULL;
	if (l && wt->session)
		session_granted(wt->session, l);
	else if (l)
		authq_granted(wt->authq, l);
	else if (!p)
		wait_failed(wt, &e);
	return true;
}

void route_retry(struct pool_shard *home)
{
	struct list todo, stay, *n;
	list_init(&todo);
	list_init(&stay);
	while ((n = list_pop(&home->waiting)))
		list_append(&todo, n);
	/* whom it concerns may end others, or come back: so the lists are looked at anew each time
	 */
	while ((n = list_pop(&todo)))
		if (!retry(home, list_entry(n, struct waiter, node)))
			list_append(&stay, n);
	while ((n = list_last(&stay))) {
		list_del(n);
		list_push(&home->waiting, n);
	}
}

/* Those who wait for a link of p choose again. */
static void choose_again(struct pool_shard *p)
{
	list_for_safe(it, &p->waiting) {
		struct waiter *wt = list_entry(it, struct waiter, node);
		struct err e = { 0 };
		if (route_shard(p->home, wt, &e) == p)
			continue;
		pool_wait_move(wt);
		pool_hold(p->home, wt);
	}
	pool_touch(p->home);
}

static bool is_up(const struct cluster_view *v, unsigned i)
{
	return v && i < v->n && (v->node[i].state == NODE_UP || v->node[i].state == NODE_WARMING);
}

/* Who has failed to connect to a node waits longer each time; once the node is known to answer,
 * there is nothing to wait for. A node that was suspected only does not count: what it refuses may
 * be us. */
static bool is_back(const struct cluster_view *was, const struct cluster_view *v, int i)
{
	if (i < 0 || !is_up(v, (unsigned)i))
		return false;
	bool promoted = v->primary == i && (!was || was->primary != i || was->epoch != v->epoch);
	return promoted || !was || (unsigned)i >= was->n ||
	       (was->node[i].state != NODE_SUSPECT && !is_up(was, (unsigned)i));
}

void route_back(struct worker *w, const struct server_cluster *c, const struct cluster_view *was,
	const struct cluster_view *v)
{
	list_for(it, &w->shards) {
		struct pool_shard *p = list_entry(it, struct pool_shard, node);
		const struct topo_cluster *tc = p->home->topo;
		if (p->home != p && tc && tc->cluster == c &&
			is_back(was, v, index_of(tc, p->pool->node)))
			pool_retry_now(p);
	}
}

void route_news(struct worker *w)
{
	list_for(it, &w->shards) {
		struct pool_shard *p = list_entry(it, struct pool_shard, node);
		if (p->home != p && p->n_waiting)
			choose_again(p);
		else if (p->topo && p->n_waiting)
			pool_touch(p);
	}
}

struct pool_shard *route_known(struct pool_shard *home, const char *cluster, const char *where,
	bool replica, struct err *e)
{
	const struct topo_cluster *tc = home->topo;
	int i = -1;
	if (!tc && !*cluster)
		return home;
	for (unsigned k = 0; tc && strcmp(tc->conf->name, cluster) == 0 && k < tc->conf->nodes_n;
		k++)
		if (strcmp(tc->node[k]->where, where) == 0)
			i = (int)k;
	if (i < 0) {
		err_set(e, ERR_CONFIG, "its server is not one of its database's now");
		return NULL;
	}
	const struct cluster_view *v = seen_of(home)->view;
	if (v && !topo_fits(tc, v))
		v = NULL;
	bool is_primary = v && v->primary == i && v->writes == WRITES_OPEN;
	bool is_replica = v && v->primary != i && (v->node[i].reads || v->node[i].eventual);
	if (!(replica ? is_replica : is_primary)) {
		err_set(e, ERR_NO_PRIMARY, "its server is not known as %s",
			replica ? "a replica that may be read" : "the primary");
		return NULL;
	}
	struct pool_shard *p = node_shard(home, (unsigned)i);
	if (!p)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	return p;
}

/* ---- what happened ---- */

void route_began(struct link *l)
{
	const struct pool_shard *home = l->shard->home;
	int i = l->pool->node && home->topo ? index_of(home->topo, l->pool->node) : -1;
	struct seen_cluster *seen = i >= 0 ? seen_of(home) : NULL;
	l->place = (int8_t)i;
	l->source.node = -1;
	if (!seen)
		return;
	if (seen->view && (unsigned)i < seen->view->n)
		l->source = token_source(seen->view, (unsigned)i);
	balance_begin(&seen->balance, (unsigned)i, clock_mono_us());
	struct poolstats *k = l->shard->counts;
	k->assigned++;
	k->reads += l->session && l->session->reads;
	k->stand_ins += l->session && l->session->stands_in;
}

void route_ended(struct link *l, enum balance_result r)
{
	const struct pool_shard *home = l->shard->home;
	struct seen_cluster *seen = home->topo ? seen_of(home) : NULL;
	if (l->place >= 0 && seen && seen->view && (unsigned)l->place < seen->view->n)
		balance_end(&seen->balance, seen->view, (unsigned)l->place, r, l->took_us,
			clock_mono_us());
	l->place = -1;
}

/* What its client has been told must be on the next primary, too. */
static void wrote(struct session *s, struct link *l, const struct cluster_view *v, int64_t now)
{
	const char *gtids;
	size_t n = s->ops->link_acked ? s->ops->link_acked(l->lst, &gtids) : 0;
	if (n && l->place == v->primary)
		cluster_view_acked(v, gtids, n);
	token_wrote(&s->token, &l->shard->home->topo->cluster->last_write_us, now);
}

void route_answered(struct session *s, struct link *l, int64_t took_us)
{
	const struct pool_shard *home = l->shard->home;
	struct seen_cluster *seen = l->place >= 0 && home->topo ? seen_of(home) : NULL;
	if (!seen || !seen->view)
		return;
	/* not the turn's time: that began before the answer came */
	int64_t now = clock_mono_us();
	l->took_us = took_us;
	if (l->replica && l->source.node >= 0)
		token_read_replica(&s->token, &l->source, now);
	else if (s->reads && s->ops->client_only_read(s->cst))
		token_read_primary(&s->token, now);
	else
		wrote(s, l, seen->view, now);
}

bool route_is_replica(const struct link *l)
{
	const struct pool_shard *home = l->shard->home;
	struct seen_cluster *seen = l->place >= 0 && home->topo ? seen_of(home) : NULL;
	return seen && seen->view && seen->view->primary != l->place;
}

void route_failed(struct pool_shard *p, enum cluster_signal what, const char *why)
{
	int i = p->pool->node && p->home->topo ? index_of(p->home->topo, p->pool->node) : -1;
	if (i < 0)
		return;
	core_node_trouble(p->w, p->home->topo->cluster, p->pool->node, what, why);
	if (p->n_waiting)
		choose_again(p);
}

void route_refused(struct link *l, const char *why)
{
	const struct pool_shard *home = l->shard->home;
	if (!l->replica && home->topo && l->pool->node)
		core_node_trouble(l->w, home->topo->cluster, l->pool->node, SIGNAL_DEMOTED, why);
}

uint64_t route_version(const struct pool_shard *home)
{
	const struct cluster_view *v = home->topo ? seen_of(home)->view : NULL;
	return v ? v->version : 0;
}
