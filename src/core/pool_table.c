/* pool_table - finds or makes what the name of a database and a user stand for: struct dbase,
 * account, pool (shared, under core.lock, at login only) and the worker's shard of a pool. Ignorant
 * of links' states. */
#include "core_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void *find_or_add(struct core *c, struct hmap *m, const char *key, size_t n, void *fresh)
{
	void *have = hmap_get(m, key, n);
	if (have || !fresh)
		return have;
	(void)c;
	return hmap_put(m, key, n, fresh, NULL) ? fresh : NULL;
}

#define KEY_MAX 320

/* The protocol's id, "db" and, behind a NUL, "user" if there is one; 0 if it does not fit. */
static size_t key_of(
	char out[KEY_MAX], const struct proto_ops *ops, const char *db, const char *user)
{
	size_t a = strlen(db), b = user ? strlen(user) + 1 : 0;
	if (1 + a + b > KEY_MAX)
		return 0;
	out[0] = (char)ops->id;
	memcpy(out + 1, db, a);
	if (user) {
		out[1 + a] = 0;
		memcpy(out + 2 + a, user, b - 1);
	}
	return 1 + a + b;
}

struct dbase *core_dbase(struct core *c, const struct proto_ops *ops, const char *name)
{
	char key[KEY_MAX];
	size_t n = key_of(key, ops, name, NULL);
	if (!n)
		return NULL;
	pthread_mutex_lock(&c->lock);
	struct dbase *d = find_or_add(c, &c->dbases, key, n, NULL);
	if (!d) {
		struct dbase *fresh = mem_alloc(MEM_POOL, sizeof *fresh);
		if (fresh) {
			fresh->name = mem_strdup(MEM_POOL, name);
			fresh->ops = ops;
		}
		if (fresh && fresh->name)
			d = find_or_add(c, &c->dbases, key, n, fresh);
		if (!d && fresh) {
			mem_free(MEM_POOL, fresh->name);
			mem_free(MEM_POOL, fresh);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return d;
}

struct dbase *core_dbase_locked(struct core *c, const struct proto_ops *ops, const char *name)
{
	char key[KEY_MAX];
	size_t n = key_of(key, ops, name, NULL);
	return n ? hmap_get(&c->dbases, key, n) : NULL;
}

struct dbase *core_dbase_find(struct core *c, const struct proto_ops *ops, const char *name)
{
	pthread_mutex_lock(&c->lock);
	struct dbase *d = core_dbase_locked(c, ops, name);
	pthread_mutex_unlock(&c->lock);
	return d;
}

struct account *core_account(struct core *c, const char *name)
{
	pthread_mutex_lock(&c->lock);
	struct account *a = find_or_add(c, &c->accounts, name, strlen(name), NULL);
	if (!a) {
		struct account *fresh = mem_alloc(MEM_POOL, sizeof *fresh);
		if (fresh)
			fresh->name = mem_strdup(MEM_POOL, name);
		if (fresh && fresh->name)
			a = find_or_add(c, &c->accounts, name, strlen(name), fresh);
		if (!a && fresh) {
			mem_free(MEM_POOL, fresh->name);
			mem_free(MEM_POOL, fresh);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return a;
}

static struct pool *pool_new(
	struct dbase *db, struct account *a, const char *user, struct server_node *node)
{
	struct pool *o = mem_alloc(MEM_POOL, sizeof *o);
	if (!o)
		return NULL;
	o->db = db;
	o->account = a;
	o->node = node;
	o->user = mem_strdup(MEM_POOL, user);
	if (!o->user || pthread_mutex_init(&o->err_lock, NULL) != 0) {
		mem_free(MEM_POOL, o->user);
		mem_free(MEM_POOL, o);
		return NULL;
	}
	return o;
}

struct pool *core_pool(struct core *c, struct dbase *db, struct account *a, const char *server_user,
	struct server_node *node)
{
	char key[KEY_MAX + sizeof node];
	size_t n = key_of(key, db->ops, db->name, server_user);
	if (!n)
		return NULL;
	if (node) {
		memcpy(key + n, &node, sizeof node);
		n += sizeof node;
	}
	pthread_mutex_lock(&c->lock);
	struct pool *o = hmap_get(&c->pools, key, n);
	if (!o) {
		o = pool_new(db, a, server_user, node);
		if (o && !hmap_put(&c->pools, key, n, o, NULL)) {
			mem_free(MEM_POOL, o->user);
			mem_free(MEM_POOL, o);
			o = NULL;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return o;
}

struct dbstats *stats_get(struct worker *w, struct dbase *db)
{
	struct dbstats *st = hmap_get(&w->stats_by_db, &db, sizeof db);
	if (st)
		return st;
	st = mem_alloc(MEM_POOL, sizeof *st);
	if (st && !hmap_put(&w->stats_by_db, &db, sizeof db, st, NULL)) {
		mem_free(MEM_POOL, st);
		return NULL;
	}
	if (st)
		st->db = db;
	return st;
}

/* Of those that clients invented only half of them all may: the others are for what the
 * configuration names, however late that is used for the first time. */
static bool take_series(
	struct core *c, _Atomic uint8_t *state, struct series_used *used, bool invented)
{
	unsigned max = atomic_load(&c->series_max);
	pthread_mutex_lock(&c->lock);
	if (atomic_load(state) == SERIES_UNDECIDED) {
		bool own = used->n < max && (!invented || used->invented < max / 2);
		used->n += own;
		used->invented += own && invented;
		atomic_store(state, own ? SERIES_OWN : SERIES_OTHER);
	}
	pthread_mutex_unlock(&c->lock);
	return atomic_load(state) == SERIES_OWN;
}

/* Never NULL: without memory it is one of the others. */
static struct poolstats *counts_get(struct worker *w, struct pool *o, bool invented)
{
	take_series(w->core, &o->db->series, &w->core->db_series, invented);
	if (!take_series(w->core, &o->series, &w->core->pool_series, invented))
		return &w->other_pools;
	struct poolstats *k = hmap_get(&w->stats_by_pool, &o, sizeof o);
	if (k)
		return k;
	k = mem_alloc(MEM_POOL, sizeof *k);
	if (!k || !hmap_put(&w->stats_by_pool, &o, sizeof o, k, NULL)) {
		mem_free(MEM_POOL, k);
		return &w->other_pools;
	}
	k->pool = o;
	return k;
}

static void on_shard_timer(struct timer *t, void *arg)
{
	(void)t;
	pool_touch(arg);
}

struct tls_ctx *core_server_tls(
	const struct settings *set, const struct proto_ops *ops, struct err *e)
{
	const struct conf_tls *t = &set->server_tls;
	struct tls_ctx *ctx = NULL;
	struct tls_params p = {
		.verify = t->mode == CONF_TLS_VERIFY_FULL ? TLS_VERIFY_FULL
			  : t->mode == CONF_TLS_VERIFY_CA ? TLS_VERIFY_CA
							  : TLS_VERIFY_NONE,
		.ca_file = t->ca_file,
		.cert_file = t->cert_file,
		.key_file = t->key_file,
		.protocols = t->protocols,
		.ciphers = t->ciphers,
		.tls13_ciphers = t->tls13_ciphers,
		.alpn = ops->alpn,
	};
	if (t->mode == CONF_TLS_DISABLE)
		return NULL;
	return tls_ctx_new(&p, &ctx, e) == 0 ? ctx : NULL;
}

static bool same_target(const struct conf_db *a, const struct conf_db *b)
{
	return a && b && !strcmp(a->host_text, b->host_text) &&
	       !strcmp(a->port_text, b->port_text) && !strcmp(a->dbname, b->dbname) &&
	       !strcmp(a->force_user, b->force_user);
}

/* The database lies elsewhere now: the links that it has are not given to anybody any more. */
static void outdate_links(struct pool_shard *p)
{
	for (int st = LINK_CONNECTING; st < LINK_CLOSING; st++)
		list_for(n, &p->links[st])
			list_entry(n, struct link, node)->ephemeral = true;
}

static bool topo_has(const struct topo_cluster *tc, const struct server_node *n)
{
	for (unsigned i = 0; i < tc->conf->nodes_n; i++)
		if (tc->node[i] == n)
			return true;
	return false;
}

/* Settings of the worker's generation; a context for TLS that cannot be built keeps the old one. */
void shard_refresh(struct pool_shard *p)
{
	struct worker *w = p->w;
	struct err e = { 0 };
	const struct conf *conf = w->gen->conf;
	const struct conf_db *was = p->cdb; /* the old generation is still there */
	p->cdb = conf_db_find_in(conf, p->pool->db->ops->name, p->pool->db->name);
	bool moved = was && !same_target(was, p->cdb);
	if (moved)
		outdate_links(p);
	conf_effective(conf, p->cdb, conf_user_find(conf, p->pool->account->name), &p->set);
	p->metered = conf->global.query_stats ? PROTO_METER_ON | PROTO_METER_DIGEST : 0;
	if (p->set.log_min_duration_us > 0 || *conf->global.otlp_endpoint)
		p->metered |= PROTO_METER_ON;
	const struct topo_cluster *tc =
		p->cdb && p->cdb->cluster ? topo_find(w->gen->topo, p->cdb->cluster->name) : NULL;
	p->topo = tc && (p->home == p || topo_has(tc, p->pool->node)) ? tc : NULL;
	struct tls_ctx *tls = core_server_tls(&p->set, p->pool->db->ops, &e);
	if (tls || !err_is(&e)) {
		tls_ctx_unref(p->tls);
		p->tls = tls;
	} else {
		log_event(
			EVENT_SERVER_TLS, "database %s: server_tls: %s", p->pool->db->name, e.msg);
	}
	pool_apply_settings(p);
	if (moved)
		pool_retry_now(p); /* the failures were those of another server */
	pool_touch(p);
}

static struct pool_shard *shard_new(struct worker *w, struct pool *o, struct pool_shard *home)
{
	struct pool_shard *p = mem_alloc(MEM_POOL, sizeof *p);
	if (!p)
		return NULL;
	p->pool = o;
	p->w = w;
	p->home = home ? home : p;
	list_init(&p->subs);
	list_init(&p->sub);
	p->stats = stats_get(w, o->db);
	if (!p->stats) {
		mem_free(MEM_POOL, p);
		return NULL;
	}
	list_init(&p->node);
	list_init(&p->touched);
	list_init(&p->waiting);
	for (int i = 0; i < LINK_N; i++)
		list_init(&p->links[i]);
	timer_init(&p->timer, on_shard_timer, p);
	p->last_used_us = worker_now(w);
	list_append(&w->shards, &p->node);
	if (home)
		list_append(&home->subs, &p->sub);
	o->shard[w->id] = p;
	shard_refresh(p);
	p->counts = counts_get(w, o, p->cdb && p->cdb->is_auto);
	return p;
}

const struct conf_db *entry_find(const struct conf *conf, const struct proto_ops *ops,
	const char *asked, bool given, const char **dbase_r)
{
	const struct conf_db *d;
	if (given || !ops->schema_is_state)
		d = conf_db_find_in(conf, ops->name, asked);
	else
		d = conf_db_only(conf, ops->name);
	if (d)
		*dbase_r = ops->schema_is_state ? d->name : asked;
	return d;
}

struct pool_shard *shard_find(
	struct worker *w, const struct proto_ops *ops, const char *db, const char *client_user)
{
	char key[KEY_MAX];
	size_t n = key_of(key, ops, db, client_user);
	return n ? hmap_get(&w->shard_by_name, key, n) : NULL;
}

struct pool_shard *shard_get(struct worker *w, const struct proto_ops *ops, const char *db,
	const char *client_user, struct err *e)
{
	char key[KEY_MAX];
	size_t n = key_of(key, ops, db, client_user);
	const struct conf_db *cdb = conf_db_find_in(w->gen->conf, ops->name, db);
	if (!n || !cdb) {
		err_set(e, ERR_NO_DATABASE, "no such database: %.100s", db);
		return NULL;
	}
	struct pool_shard *p = hmap_get(&w->shard_by_name, key, n);
	if (p)
		return p;
	const char *user = *cdb->force_user ? cdb->force_user : client_user;
	struct dbase *d = core_dbase(w->core, ops, db);
	struct account *a = core_account(w->core, user);
	struct pool *o = d && a ? core_pool(w->core, d, a, user, NULL) : NULL;
	p = o ? o->shard[w->id] ? o->shard[w->id] : shard_new(w, o, NULL) : NULL;
	if (!p || !hmap_put(&w->shard_by_name, key, n, p, NULL)) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	return p;
}

struct pool_shard *shard_at_node(struct pool_shard *home, struct server_node *n)
{
	struct worker *w = home->w;
	struct pool *o = core_pool(
		w->core, home->pool->db, home->pool->account, home->pool->user, n);
	return o ? shard_new(w, o, home) : NULL;
}

struct welcome_mail {
	struct mail mail;
	struct pool *pool;
	size_t n;
	uint8_t bytes[];
};

static void on_welcome(struct mail *mail, void *owner)
{
	struct welcome_mail *m = list_entry(mail, struct welcome_mail, mail);
	struct worker *w = owner;
	struct pool_shard *p = m->pool->shard[w->id];
	if (!p)
		p = shard_new(w, m->pool, NULL);
	if (p) {
		m->pool->db->ops->cache_import(
			&p->cache, w->env[m->pool->db->ops->id], m->bytes, m->n);
		p->welcomed = true;
		pool_touch(p);
	}
	mem_free(MEM_MSG, m);
}

void shard_share_welcome(struct pool_shard *p, const void *cst)
{
	struct worker *w = p->w;
	struct buf b;
	if (w->core->n_workers == 1)
		return;
	buf_init(&b, 64u << 10);
	p->pool->db->ops->cache_export(cst, &b);
	for (unsigned i = 0; i < w->core->n_workers && !b.failed; i++) {
		struct welcome_mail *m = i == w->id ? NULL
						    : mem_alloc(MEM_MSG, sizeof *m + buf_len(&b));
		if (!m)
			continue;
		m->mail.fn = on_welcome;
		m->pool = p->pool;
		m->n = buf_len(&b);
		memcpy(m->bytes, buf_data(&b), m->n);
		loop_post(w->core->worker[i]->loop, &m->mail);
	}
	buf_fini(&b);
}

static void shard_free(struct pool_shard *p)
{
	struct worker *w = p->w;
	timer_clear(w->loop, &p->timer);
	list_del(&p->touched);
	if (p->creds) {
		mem_wipe(p->creds, sizeof *p->creds);
		mem_free(MEM_AUTH, p->creds);
	}
	if (p->cache)
		p->pool->db->ops->cache_free(&p->cache);
	tls_ctx_unref(p->tls);
	p->pool->shard[w->id] = NULL;
	mem_free(MEM_POOL, p);
}

void shard_forget(struct pool_shard *p)
{
	struct worker *w = p->w;
	struct list *n;
	while ((n = list_first(&p->subs)))
		shard_forget(list_entry(n, struct pool_shard, sub));
	for (struct hmap_it it = hmap_begin(&w->shard_by_name); hmap_next(&it);)
		if (it.value == p)
			hmap_del(&w->shard_by_name, it.key, it.key_n);
	list_del(&p->node);
	list_del(&p->sub);
	shard_free(p);
}

void shards_free(struct worker *w)
{
	struct list *n;
	while ((n = list_pop(&w->shards)))
		shard_free(list_entry(n, struct pool_shard, node));
}
