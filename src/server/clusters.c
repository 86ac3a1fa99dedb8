/* clusters - one monitor for each cluster of the configuration: made from its options, replaced
 * when these change, and its news brought to the workers. Ignorant of how a monitor finds out.
 * Control thread. */
#include "server_int.h"

#include "base/clock.h"
#include "crypto/b64.h"
#include "ev/resolver.h"
#include "monitor/monitor.h"

#include <stdio.h>
#include <string.h>

#define HEIR_MAX_BYTES 60000 /* fits into a message of an upgrade */
#define PATRONI_MAX CONF_NODES_MAX
#define NAMES_PERIOD_US 250000
#define SWITCH_MAX_US INT64_C(3600000000) /* switchover.c ends it much earlier */

struct watch {
	struct list node;
	struct clusters *all;
	char *name;
	char *options; /* what it was made from */
	struct monitor *monitor;
	struct switchover *switchover; /* NULL: none is under way */
	struct list tokens;            /* struct core_token: those who wait for a sample */
};

struct clusters {
	struct core *core;
	struct loop *loop;
	struct resolver *resolver;
	struct namer *namer;
	struct list watches;
	struct timer timer;
};

/* ---- what a monitor says ---- */

static void on_view(void *arg, const struct cluster_view *v)
{
	struct watch *w = arg;
	topo_publish(w->all->core, w->name, v);
}

static void on_action(void *arg, const struct cluster_action *a)
{
	struct watch *w = arg;
	switch (a->kind) {
	case CLUSTER_DO_FENCE: topo_fence(w->all->core, w->name, a->node, true); break;
	case CLUSTER_DO_CLOSE_IDLE: topo_fence(w->all->core, w->name, a->node, false); break;
	case CLUSTER_DO_LOG: log_event(a->event, "%s", a->text); break;
	}
}

static struct watch *find(struct clusters *all, const char *name)
{
	list_for(n, &all->watches) {
		struct watch *w = list_entry(n, struct watch, node);
		if (strcmp(w->name, name) == 0)
			return w;
	}
	return NULL;
}

static void on_trouble(
	void *arg, const char *cluster, unsigned node, enum cluster_signal what, const char *why)
{
	struct watch *w = find(arg, cluster);
	if (w && w->monitor)
		monitor_signal(w->monitor, node, what, why);
}

static void on_kick(void *arg, const char *cluster)
{
	struct watch *w = find(arg, cluster);
	if (w && w->monitor)
		monitor_kick(w->monitor);
}

static void on_sampled(void *arg)
{
	struct watch *w = arg;
	topo_sampled(w->all->core, w->name);
	if (!list_empty(&w->tokens))
		tokens_sampled(&w->tokens, monitor_cluster(w->monitor));
}

static void on_token(void *arg, struct core_token *t)
{
	struct watch *w = find(arg, t->cluster);
	if (!w || !w->monitor) {
		err_set(&t->err, ERR_NO_PRIMARY, "the cluster is not served any more");
		core_token_done(t);
		return;
	}
	tokens_ask(&w->tokens, monitor_cluster(w->monitor), t);
	if (!list_empty(&w->tokens))
		monitor_kick(w->monitor);
}

/* ---- operators ---- */

static int resolve(struct cluster *c, unsigned node, int64_t now, struct err *e)
{
	enum cluster_state s = cluster_view(c)->state;
	if (s == CLUSTER_SPLIT)
		return cluster_promoted(c, node, now, e);
	err_set(e, ERR_NOT_ALLOWED, "the cluster is not split, but %s", cluster_state_name(s));
	return err_hint(e, "PROMOTED takes a node that the rules refuse in any state.");
}

static int command(struct watch *w, const char *verb, unsigned node, struct err *e)
{
	struct cluster *c = w->monitor ? monitor_cluster(w->monitor) : NULL;
	int64_t now = clock_mono_us();
	int rc = 0;
	if (!c)
		return err_set(e, ERR_UNSUPPORTED, "no server of the cluster has been seen yet");
	if (strcmp(verb, "drain") == 0)
		rc = cluster_drain(c, node, now, e);
	else if (strcmp(verb, "promoted") == 0)
		rc = cluster_promoted(c, node, now, e);
	else if (strcmp(verb, "resolve") == 0)
		rc = resolve(c, node, now, e);
	else
		cluster_resume(c, node, now);
	monitor_changed(w->monitor);
	return rc;
}

/* The place of a node in a cluster (NULL: in the first that has it); -1 with e. */
static int find_node(struct clusters *all, const char *cluster, const char *node,
	struct watch **w_r, struct err *e)
{
	const struct topo *t = all->core->gen->topo;
	bool known = false;
	for (unsigned i = 0; t && i < t->n; i++) {
		*w_r = find(all, t->v[i].conf->name);
		if (!*w_r || (cluster && strcmp(cluster, (*w_r)->name) != 0))
			continue;
		known = true;
		for (unsigned j = 0; j < t->v[i].conf->nodes_n; j++)
			if (strcmp(t->v[i].node[j]->where, node) == 0)
				return (int)j;
	}
	if (cluster && !known) {
		err_set(e, ERR_UNSUPPORTED, "there is no cluster \"%.80s\"", cluster);
		return err_hint(e, "SHOW CLUSTERS names them.");
	}
	err_set(e, ERR_UNSUPPORTED, "there is no node \"%.80s\"%s%.60s", node,
		cluster ? " in cluster " : "", cluster ? cluster : "");
	return err_hint(e, "SHOW NODES names them.");
}

int clusters_command(struct clusters *all, const char *verb, const char *cluster, const char *node,
	struct err *e)
{
	struct watch *w = NULL;
	int i = find_node(all, cluster, node, &w, e);
	return i < 0 ? -1 : command(w, verb, (unsigned)i, e);
}

bool clusters_report(
	struct clusters *all, const char *cluster, unsigned node, struct probe_report *r)
{
	const struct watch *w = find(all, cluster);
	if (!w || !w->monitor)
		return false;
	monitor_report(w->monitor, node, r);
	return true;
}

/* ---- from a configuration ---- */

/* The first entry that uses it: its TLS is that of the probes, too. */
static const struct conf_db *entry_of(const struct conf *conf, const struct conf_cluster *c)
{
	for (unsigned i = 0; i < conf->dbs_n; i++)
		if (conf->dbs[i].cluster == c)
			return &conf->dbs[i];
	return NULL;
}

const char *server_secret_of(const struct core_gen *gen, const char *user, const char *password)
{
	const struct user_entry *u = users_get(gen->users, user);
	return *password ? password : u && u->kind == SECRET_PLAIN ? u->secret : "";
}

/* A replica that lags more is of no use to any of those who use the cluster; to whom wants less, it
 * is refused read by read. 0: no limit. */
static int64_t loosest_staleness(const struct conf *conf, const struct conf_cluster *c)
{
	struct settings set;
	int64_t us = -1;
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		if (conf->dbs[i].cluster != c)
			continue;
		for (unsigned k = 0; k <= conf->users_n; k++) {
			conf_effective(conf, &conf->dbs[i],
				k < conf->users_n ? &conf->users[k] : NULL, &set);
			if (set.max_staleness_us == 0)
				return 0;
			if (set.max_staleness_us > us)
				us = set.max_staleness_us;
		}
	}
	if (us < 0) { /* nobody uses it */
		conf_effective(conf, NULL, NULL, &set);
		us = set.max_staleness_us;
	}
	return us;
}

const char *probe_secret(const struct core_gen *gen, const struct conf_cluster *c)
{
	return server_secret_of(gen, c->probe_user, c->probe_password);
}

static unsigned tier_of(const struct conf_cluster *c, unsigned node)
{
	const char *at = c->zone_text;
	char zone[64];
	if (!*c->zone || !*c->zone_text)
		return 0;
	for (unsigned i = 0; conf_list_next(&at, zone, sizeof zone); i++)
		if (i == node)
			return strcmp(zone, c->zone) != 0;
	return 1;
}

/* All that a monitor is made from, as text: the same text, the same monitor. */
static char *describe(const struct core_gen *gen, const struct conf_cluster *c)
{
	struct settings set;
	struct buf b;
	buf_init(&b, 64u << 10);
	conf_effective(gen->conf, entry_of(gen->conf, c), NULL, &set);
	buf_printf(&b, "%s|%s|%d|%s|%s|%s|%s|%s|%lld|%lld|%lld|%s|%lld|%d|%lld|%lld|%d|%s|%s|%s",
		c->host_text, c->port_text, c->protocol, c->weight_text, c->zone_text, c->zone,
		c->probe_user, c->probe_dbname, (long long)c->probe_interval_us,
		(long long)c->probe_slow_interval_us, (long long)c->probe_timeout_us, c->patroni,
		(long long)c->hold_timeout_us, c->allow_lossy_failover,
		(long long)c->fence_on_authority_loss_us,
		(long long)loosest_staleness(gen->conf, c), set.server_tls.mode,
		set.server_tls.ca_file, set.server_tls.cert_file, probe_secret(gen, c));
	buf_put_u8(&b, 0);
	char *text = mem_xstrdup(MEM_CONF, b.failed ? "" : (const char *)buf_data(&b));
	buf_wipe(&b);
	return text;
}

static void fill_cluster(
	const struct conf *conf, const struct conf_cluster *c, struct cluster_opts *o)
{
	int64_t staleness_us = loosest_staleness(conf, c);
	*o = (struct cluster_opts){
		.name = c->name,
		.kind = strcmp(c->kind->name, "mysql") == 0 ? CLUSTER_MYSQL : CLUSTER_PG,
		.allow_lossy = c->allow_lossy_failover,
		.interval_us = c->probe_interval_us,
		.down_us = c->probe_timeout_us,
		.suspect_us = c->probe_timeout_us / 2,
		.max_staleness_us = staleness_us ? staleness_us : -1,
		.hold_us = c->hold_timeout_us,
		.switch_us = SWITCH_MAX_US,
		.fence_authority_us = c->fence_on_authority_loss_us,
	};
}

static unsigned fill_nodes(
	const struct conf_cluster *c, struct cluster_node_opts *nodes, char (*names)[64])
{
	for (unsigned i = 0; i < c->nodes_n; i++) {
		snprintf(names[i], sizeof names[i], "%.50s:%u", c->nodes[i].host, c->nodes[i].port);
		nodes[i] = (struct cluster_node_opts){ .name = names[i],
			.host = c->nodes[i].host,
			.port = c->nodes[i].port,
			.weight = c->weight[i],
			.tier = tier_of(c, i) };
	}
	return c->nodes_n;
}

/* NULL with e: it cannot be made; without: the cluster's servers are asked in clear. */
static struct tls_ctx *probe_tls(
	const struct core_gen *gen, const struct conf_cluster *c, struct err *e)
{
	struct settings set;
	conf_effective(gen->conf, entry_of(gen->conf, c), NULL, &set);
	return core_server_tls(&set, proto_by_name(c->kind->name), e);
}

/* The same options, but what is in the files of certificates may be new. */
static void renew_tls(struct watch *w, const struct core_gen *gen, const struct conf_cluster *c)
{
	struct err e = { 0 };
	struct tls_ctx *tls = w->monitor ? probe_tls(gen, c, &e) : NULL;
	if (w->monitor && !err_is(&e))
		monitor_set_tls(w->monitor, tls, gen->patroni_tls);
	tls_ctx_unref(tls);
}

static struct monitor *make(
	struct watch *w, const struct core_gen *gen, const struct conf_cluster *c, struct err *e)
{
	static const struct monitor_cb cb = {
		.view = on_view, .action = on_action, .sampled = on_sampled
	};
	struct cluster_node_opts nodes[CONF_NODES_MAX];
	char names[CONF_NODES_MAX][64], urls[PATRONI_MAX][256];
	const char *patroni[PATRONI_MAX], *at = c->patroni;
	struct settings set;
	conf_effective(gen->conf, entry_of(gen->conf, c), NULL, &set);
	struct tls_ctx *tls = probe_tls(gen, c, e);
	if (err_is(e))
		return NULL;
	struct monitor_opts o = {
		.protocol = c->kind->name,
		.find_kind = strcmp(c->kind->name, "mysql") == 0,
		.nodes = nodes,
		.n = fill_nodes(c, nodes, names),
		.user = c->probe_user,
		.password = probe_secret(gen, c),
		.dbname = *c->probe_dbname                      ? c->probe_dbname
			  : strcmp(c->kind->name, "mysql") == 0 ? ""
								: "postgres",
		.tls = tls,
		.tls_require = set.server_tls.mode >= CONF_TLS_REQUIRE,
		.patroni = patroni,
		.patroni_tls = gen->patroni_tls,
	};
	fill_cluster(gen->conf, c, &o.cluster);
	while (o.patroni_n < PATRONI_MAX &&
		conf_list_next(&at, urls[o.patroni_n], sizeof urls[0])) {
		patroni[o.patroni_n] = urls[o.patroni_n];
		o.patroni_n++;
	}
	struct monitor *m = monitor_new(w->all->loop, w->all->resolver, &o, &cb, w, e);
	tls_ctx_unref(tls);
	return m;
}

static void end_watch(struct watch *w, bool last)
{
	switchover_abort(w->switchover,
		last ? "weirpool is shutting down" : "the cluster's configuration has changed",
		last);
	tokens_end(&w->tokens);
	if (w->monitor)
		monitor_free(&w->monitor);
	list_del(&w->node);
	mem_wipe(w->options, strlen(w->options));
	mem_free(MEM_CONF, w->options);
	mem_free(MEM_CONF, w->name);
	mem_free(MEM_CONF, w);
}

/* What cannot be seen anew: who was accepted, and whom an operator took out. Empty: nothing. */
static void put_heir(const struct watch *w, struct buf *out)
{
	const struct cluster *c = w->monitor ? monitor_cluster(w->monitor) : NULL;
	if (c && !cluster_bequeath(c, out)) {
		log_event(EVENT_CLUSTER_STATE, "cluster %s: its positions are too long to be kept",
			w->name);
		buf_fini(out);
	}
}

static void watch(struct clusters *all, const struct core_gen *gen, const struct conf_cluster *c)
{
	struct watch *w = find(all, c->name);
	char *options = describe(gen, c);
	struct err e = { 0 };
	struct buf heir;
	if (w && strcmp(w->options, options) == 0) {
		mem_wipe(options, strlen(options));
		mem_free(MEM_CONF, options);
		renew_tls(w, gen, c);
		return;
	}
	buf_init(&heir, 0);
	if (w) {
		put_heir(w, &heir);
		end_watch(w, false);
	}
	w = mem_xalloc(MEM_CONF, sizeof *w);
	w->all = all;
	w->name = mem_xstrdup(MEM_CONF, c->name);
	w->options = options;
	list_init(&w->node);
	list_init(&w->tokens);
	list_append(&all->watches, &w->node);
	w->monitor = make(w, gen, c, &e);
	if (!w->monitor)
		log_event(EVENT_CLUSTER_BLIND,
			"cluster %s cannot be watched, nobody can use it: %s", c->name, e.msg);
	else if (buf_len(&heir))
		monitor_inherit(w->monitor, buf_data(&heir), buf_len(&heir));
	buf_fini(&heir);
}

/* "Basic ..." of a user and a password; the caller's. NULL: there is no user. */
static char *basic_auth(const char *user, const char *password)
{
	if (!*user)
		return NULL;
	char *plain = mem_xprintf(MEM_CONF, "%s:%s", user, password);
	size_t n = strlen(plain), size = B64_LEN(n) + 8;
	char *text = mem_xalloc(MEM_CONF, size);
	memcpy(text, "Basic ", 7);
	(void)!b64_encode(plain, n, text + 6, size - 6);
	mem_wipe(plain, n);
	mem_free(MEM_CONF, plain);
	return text;
}

int clusters_switchover(struct clusters *all, const char *cluster, const char *node,
	admin_switched *done, void *arg, struct err *e)
{
	const struct core_gen *gen = all->core->gen;
	struct watch *w = NULL;
	int i = find_node(all, cluster, node, &w, e);
	if (i < 0)
		return -1;
	if (!w->monitor || !monitor_cluster(w->monitor))
		return err_set(e, ERR_UNSUPPORTED, "no server of the cluster has been seen yet");
	const struct topo_cluster *tc = topo_find(gen->topo, cluster);
	const struct conf_cluster *c = tc->conf;
	const char *password = server_secret_of(gen, c->switchover_user, c->switchover_password);
	struct switchover_opts o = { .core = all->core,
		.loop = all->loop,
		.monitor = w->monitor,
		.slot = &w->switchover,
		.cluster = w->name,
		.to = (unsigned)i,
		.command = c->switchover_command,
		.user = c->switchover_user,
		.password = *c->switchover_user ? password : "",
		.drain_us = c->switchover_drain_us,
		.limit_us = c->switchover_timeout_us };
	char *auth = basic_auth(c->switchover_user, password);
	o.auth = auth;
	int rc = switchover_begin(&o, tc, done, arg, e);
	if (auth)
		mem_wipe(auth, strlen(auth));
	mem_free(MEM_CONF, auth);
	return rc;
}

void clusters_apply(struct clusters *all, const struct core_gen *gen)
{
	list_for_safe(n, &all->watches) {
		struct watch *w = list_entry(n, struct watch, node);
		if (!conf_cluster_find(gen->conf, w->name))
			end_watch(w, false);
	}
	for (unsigned i = 0; i < gen->conf->clusters_n; i++)
		watch(all, gen, &gen->conf->clusters[i]);
	for (unsigned i = 0; i < gen->conf->dbs_n; i++) { /* whose names are read ahead */
		const struct conf_db *d = &gen->conf->dbs[i];
		if (d->cluster && !d->is_auto)
			(void)core_dbase(all->core, proto_by_name(d->kind->name), d->name);
	}
}

/* ---- an upgrade ---- */

bool clusters_bequeath(const struct clusters *all,
	bool (*put)(void *to, const char *cluster, const struct buf *b), void *to)
{
	bool ok = true;
	list_for(n, &all->watches) {
		const struct watch *w = list_entry(n, struct watch, node);
		struct buf b;
		buf_init(&b, HEIR_MAX_BYTES);
		put_heir(w, &b);
		if (ok && buf_len(&b))
			ok = put(to, w->name, &b);
		buf_fini(&b);
	}
	return ok;
}

void clusters_inherit(struct clusters *all, const char *cluster, const uint8_t *p, size_t n)
{
	struct watch *w = find(all, cluster);
	if (w && w->monitor)
		monitor_inherit(w->monitor, p, n);
}

/* ---- names of catalogs ---- */

static void on_tick(struct timer *t, void *arg)
{
	struct clusters *all = arg;
	namer_look(all->namer);
	list_for(n, &all->watches) {
		struct watch *w = list_entry(n, struct watch, node);
		tokens_sampled(&w->tokens, w->monitor ? monitor_cluster(w->monitor) : NULL);
	}
	timer_set(all->loop, t, loop_now_us(all->loop) + NAMES_PERIOD_US);
}

/* ---- life ---- */

struct clusters *clusters_new(struct core *core, struct loop *loop, struct err *e)
{
	struct clusters *all = mem_xalloc(MEM_CONF, sizeof *all);
	const struct conf_global *g = &core->gen->conf->global;
	struct resolver_opts ro = { .max_ttl_us = g->dns_max_ttl_us,
		.negative_ttl_us = g->dns_nxdomain_ttl_us,
		.resolv_conf = *g->resolv_conf ? g->resolv_conf : NULL };
	all->core = core;
	all->loop = loop;
	list_init(&all->watches);
	timer_init(&all->timer, on_tick, all);
	all->resolver = resolver_new(loop, &ro, e);
	all->namer = all->resolver ? namer_new(core, e) : NULL;
	if (!all->namer) {
		(void)clusters_free(&all);
		return NULL;
	}
	core->node_arg = all;
	core->node_trouble = on_trouble;
	core->node_kick = on_kick;
	core->node_token = on_token;
	timer_set(loop, &all->timer, loop_now_us(loop));
	return all;
}

int clusters_may_leave(const struct clusters *all, struct err *e)
{
	list_for(n, &all->watches)
		if (list_entry(n, struct watch, node)->switchover)
			return err_set(e, ERR_UNSUPPORTED, "a switchover is under way");
	return 0;
}

bool clusters_free(struct clusters **c)
{
	struct clusters *all = *c;
	struct list *n;
	*c = NULL;
	if (!all)
		return true;
	all->core->node_trouble = NULL;
	all->core->node_kick = NULL;
	all->core->node_token = NULL;
	timer_clear(all->loop, &all->timer);
	while ((n = list_first(&all->watches)))
		end_watch(list_entry(n, struct watch, node), true);
	bool ended = namer_free(&all->namer);
	if (all->resolver)
		resolver_free(all->resolver);
	mem_free(MEM_CONF, all);
	return ended;
}
