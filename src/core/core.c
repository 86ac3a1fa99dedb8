/* core - the control thread's hold on the workers: start, new configuration, states of shutdown,
 * scatter and gather. Ignorant of files, signals and commands. */
#include "core_int.h"

#include "base/text.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- generations of configuration ---- */

struct core_gen *gen_ref(struct core_gen *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

void gen_unref(struct core_gen *g)
{
	if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	tls_ctx_unref(g->client_tls);
	tls_ctx_unref(g->http_tls);
	tls_ctx_unref(g->otlp_tls);
	tls_ctx_unref(g->patroni_tls);
	users_free(&g->users);
	hba_free(&g->hba);
	ident_free(&g->ident);
	core_rules_free(&g->rules);
	conf_free(&g->conf);
	mem_free(MEM_CONF, g->topo);
	mem_free(MEM_CONF, g);
}

struct gen_mail {
	struct mail mail;
	struct core_gen *gen;
};

static void on_gen(struct mail *m, void *owner)
{
	struct gen_mail *gm = list_entry(m, struct gen_mail, mail);
	struct worker *w = owner;
	struct core_gen *old = w->gen;
	const struct conf_global *g = &gm->gen->conf->global;
	struct proto_env_opts eo;
	w->gen = gm->gen;
	mem_free(MEM_MSG, gm);
	struct resolver_opts ro = { .max_ttl_us = g->dns_max_ttl_us,
		.negative_ttl_us = g->dns_nxdomain_ttl_us };
	resolver_set_opts(w->resolver, &ro);
	worker_env_opts(w, &eo);
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++)
		proto_table[i]->env_set(w->env[i], &eo);
	secrets_clear(w->secrets);
	rules_switch(w);
	/* the way from (database, client user) to a shard may lead elsewhere now: forced users
	 * change */
	hmap_fini(&w->shard_by_name, NULL);
	hmap_init(&w->shard_by_name);
	list_for(n, &w->shards)
		shard_refresh(list_entry(n, struct pool_shard, node));
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			s->token.replica = 0; /* nodes may have other places now */
			if (s->shard && session_find_rules(s) != 0)
				session_kill(s, ERR_NO_MEMORY, "out of memory");
			if (s->state == SESSION_CLOSING)
				continue;
			if (s->login)
				session_login_reloaded(s);
			else if (s->shard && !s->shard->cdb)
				session_kill(
					s, ERR_KILLED, "database removed from the configuration");
			if (s->state != SESSION_CLOSING && s->moving != MOVING_IN)
				session_arm(s); /* a timeout that was off, or longer */
		}
	worker_sweep(w);
	gen_unref(old);
}

void core_reload(struct core *c, struct core_gen *gen)
{
	struct core_gen *old = c->gen;
	gen->serial = old->serial + 1;
	gen->topo = topo_build(c, gen->conf);
	rules_number(c, gen);
	c->gen = gen_ref(gen);
	atomic_store(&c->series_max, (unsigned)gen->conf->global.metrics_max_pools);
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct gen_mail *m = mem_xalloc(MEM_MSG, sizeof *m);
		m->mail.fn = on_gen;
		m->gen = gen_ref(gen);
		loop_post(c->worker[i]->loop, &m->mail);
	}
	gen_unref(old);
}

/* ---- log ---- */

void core_vlog(enum event_code ev, const struct core_party *who, const char *fmt, va_list ap)
{
	char name[24], object[248], ctx[256];
	struct log_about about = { .who = name,
		.ctx = ctx,
		.object = who->is_client ? object : ctx,
		.field = who->field,
		.fields_n = who->fields_n };
	if (!log_on(event_info(ev)->level))
		return;
	struct text t = text_begin(name, sizeof name);
	text_put(&t, who->prefix);
	text_put_hex32(&t, who->id);
	t = text_begin(object, sizeof object);
	text_put(&t, who->db);
	text_put(&t, "/");
	text_put(&t, who->user);
	text_put(&t, "@");
	text_put(&t, who->host);
	t = text_begin(ctx, sizeof ctx);
	text_put(&t, object);
	text_put(&t, ":");
	text_put_u64(&t, who->port);
	log_vevent_about(ev, &about, fmt, ap);
}

/* ---- start and stop ---- */

static int client_fd_end(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)(r.rlim_cur - r.rlim_cur / 8);
}

struct core *core_new(struct loop *loop, struct core_gen *gen, const struct core_listen *ls,
	unsigned n_ls, struct err *e)
{
	struct core *c = mem_xalloc(MEM_MISC, sizeof *c);
	list_init(&c->kills);
	c->loop = loop;
	c->gen = gen_ref(gen);
	c->n_listen = n_ls < CORE_LISTEN_MAX ? n_ls : CORE_LISTEN_MAX;
	memcpy(c->listen, ls, c->n_listen * sizeof *ls);
	c->client_fd_end = client_fd_end();
	gen->serial = gen->serial ? gen->serial : 1;
	pthread_mutex_init(&c->lock, NULL);
	traces_init(c);
	hmap_init(&c->dbases);
	hmap_init(&c->accounts);
	hmap_init(&c->pools);
	hmap_init(&c->clusters);
	hmap_init(&c->nodes);
	hmap_init(&c->rule_ids);
	gen->topo = topo_build(c, gen->conf);
	rules_number(c, gen);
	atomic_store(&c->state, CORE_RUNNING);
	atomic_store(&c->series_max, (unsigned)gen->conf->global.metrics_max_pools);
	c->generation = 1;
	unsigned n = conf_workers(gen->conf);
	for (unsigned i = 0; i < n; i++) {
		c->worker[i] = worker_new(c, i, e);
		if (!c->worker[i]) {
			core_free(c);
			return NULL;
		}
		c->n_workers = i + 1;
	}
	return c;
}

unsigned core_codings(enum conf_compression c)
{
	switch (c) {
	case CONF_COMPRESSION_OFF: return 0;
	case CONF_COMPRESSION_ZLIB: return PROTO_CODING_ZLIB;
	case CONF_COMPRESSION_ZSTD: return PROTO_CODING_ZSTD;
	case CONF_COMPRESSION_ANY: return PROTO_CODING_ZLIB | PROTO_CODING_ZSTD;
	}
	return 0;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	loop_run(w->loop);
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++)
		if (proto_table[i]->thread_end)
			proto_table[i]->thread_end();
	buf_thread_fini();
	return NULL;
}

int core_start(struct core *c, struct err *e)
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		int r = pthread_create(&c->worker[i]->thread, NULL, run, c->worker[i]);
		if (r != 0)
			return err_set(e, ERR_INTERNAL, "cannot start a thread: %s", strerror(r));
		c->worker[i]->running = true;
	}
	return 0;
}

static void each_check(struct worker *w, void *part, void *arg)
{
	(void)part;
	(void)arg;
	worker_check_drain(w);
	worker_sweep(w);
}

void core_set_state(struct core *c, enum core_state st)
{
	atomic_store(&c->state, (int)st);
	(void)!core_scatter(c, 1, each_check, NULL,
		NULL); /* without memory the janitor does it within a second */
}

static void each_end_consoles(struct worker *w, void *part, void *arg)
{
	(void)part;
	(void)arg;
	for (int st = SESSION_IDLE; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (s->is_console && !s->console)
				session_kill(s, ERR_SHUTDOWN,
					"weirpool was upgraded: connect again to its new process");
		}
}

void core_end_consoles(struct core *c)
{
	(void)!core_scatter(c, 1, each_end_consoles, NULL, NULL);
}

unsigned core_n_sessions(struct core *c)
{
	return atomic_load(&c->clients);
}

unsigned core_n_links(struct core *c, const struct dbase *db)
{
	unsigned n = 0;
	if (db)
		return atomic_load(&db->links);
	pthread_mutex_lock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->dbases); hmap_next(&it);)
		n += atomic_load(&((struct dbase *)it.value)->links);
	pthread_mutex_unlock(&c->lock);
	return n;
}

static void on_stop(struct mail *m, void *owner)
{
	struct worker *w = owner;
	mem_free(MEM_MSG, m);
	loop_stop(w->loop);
}

static void free_dbase(void *v)
{
	struct dbase *d = v;
	mem_free(MEM_POOL, d->facts);
	mem_free(MEM_POOL, d->name);
	mem_free(MEM_POOL, d);
}

static void free_account(void *v)
{
	struct account *a = v;
	mem_free(MEM_POOL, a->name);
	mem_free(MEM_POOL, a);
}

static void free_pool(void *v)
{
	struct pool *o = v;
	pthread_mutex_destroy(&o->err_lock);
	mem_free(MEM_POOL, o->user);
	mem_free(MEM_POOL, o);
}

static void free_node(void *v)
{
	mem_free(MEM_CONF, v);
}

static void free_cluster(void *v)
{
	struct server_cluster *cl = v;
	cluster_view_unref(&cl->view);
	mem_free(MEM_CONF, cl->name);
	mem_free(MEM_CONF, cl);
}

void core_free(struct core *c)
{
	kills_free(c);
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct worker *w = c->worker[i];
		if (!w->running)
			continue;
		struct mail *m = mem_xalloc(MEM_MSG, sizeof *m);
		m->fn = on_stop;
		loop_post(w->loop, m);
		pthread_join(w->thread, NULL);
	}
	for (unsigned i = 0; i < c->n_workers; i++)
		worker_free(c->worker[i]);
	traces_fini(c);
	hmap_fini(&c->pools, free_pool);
	hmap_fini(&c->dbases, free_dbase);
	hmap_fini(&c->accounts, free_account);
	hmap_fini(&c->nodes, free_node);
	hmap_fini(&c->clusters, free_cluster);
	hmap_fini(&c->rule_ids, NULL);
	pthread_mutex_destroy(&c->lock);
	gen_unref(c->gen);
	mem_free(MEM_MISC, c);
}

/* ---- scatter and gather ---- */

struct scatter_mail {
	struct mail mail;
	struct scatter *s;
	unsigned i;
};

static void on_gathered(struct mail *m, void *owner)
{
	struct scatter_mail *sm = list_entry(m, struct scatter_mail, mail);
	struct scatter *s = sm->s;
	(void)owner;
	mem_free(MEM_MSG, sm);
	if (atomic_fetch_sub(&s->left, 1) != 1)
		return;
	if (s->done) {
		s->core->asked_n--;
		s->done(s);
	}
	mem_free(MEM_MSG, s->parts);
	mem_free(MEM_MSG, s);
}

static void on_scattered(struct mail *m, void *owner)
{
	struct scatter_mail *sm = list_entry(m, struct scatter_mail, mail);
	struct worker *w = owner;
	sm->s->each(w, scatter_part(sm->s, sm->i), sm->s->arg);
	sm->mail.fn = on_gathered;
	if (sm->s->done)
		loop_post(w->core->loop, &sm->mail);
	else /* control may have read its last mail by now: the process ends */
		on_gathered(&sm->mail, NULL);
}

int core_scatter(struct core *c, size_t part_size, void (*each)(struct worker *, void *, void *),
	void (*done)(struct scatter *), void *arg)
{
	struct scatter *s = c->settled ? NULL : mem_alloc(MEM_MSG, sizeof *s);
	if (s)
		s->parts = mem_alloc(MEM_MSG, part_size * c->n_workers);
	if (!s || !s->parts) {
		mem_free(MEM_MSG, s);
		return -1;
	}
	s->each = each;
	s->done = done;
	s->arg = arg;
	s->n = c->n_workers;
	s->part_size = part_size;
	s->core = c;
	atomic_store(&s->left, s->n);
	c->asked_n += done != NULL;
	for (unsigned i = 0; i < c->n_workers; i++) { /* s may be gone behind the last one */
		struct scatter_mail *sm = mem_xalloc(MEM_MSG, sizeof *sm);
		sm->mail.fn = on_scattered;
		sm->s = s;
		sm->i = i;
		loop_post(c->worker[i]->loop, &sm->mail);
	}
	return 0;
}

void core_settle(struct core *c)
{
	c->settled = true;
	while (c->asked_n)
		loop_wait_mail(c->loop);
}

/* ---- more places to listen ---- */

struct listen_mail {
	struct mail mail;
	unsigned n;
	struct core_listen ls[];
};

static void on_listen(struct mail *m, void *owner)
{
	struct listen_mail *lm = list_entry(m, struct listen_mail, mail);
	struct worker *w = owner;
	struct err e = { 0 };
	for (unsigned i = 0; i < lm->n; i++)
		facts_hold(w, lm->ls[i].ops);
	if (atomic_load(&w->core->state) < CORE_HANDED && !w->deaf &&
		worker_listen(w, lm->ls, lm->n, &e) != 0)
		log_event(EVENT_NO_LISTENER, "%s", e.msg);
	mem_free(MEM_MSG, lm);
}

void core_listen_also(struct core *c, const struct core_listen *ls, unsigned n)
{
	if (n > CORE_LISTEN_MAX - c->n_listen)
		n = CORE_LISTEN_MAX - c->n_listen;
	memcpy(c->listen + c->n_listen, ls, n * sizeof *ls);
	c->n_listen += n;
	for (unsigned i = 0; n && i < c->n_workers; i++) {
		struct listen_mail *m = mem_xalloc(MEM_MSG, sizeof *m + n * sizeof *ls);
		m->mail.fn = on_listen;
		m->n = n;
		memcpy(m->ls, ls, n * sizeof *ls);
		loop_post(c->worker[i]->loop, &m->mail);
	}
}

/* ---- the console's way to control ---- */

static void on_console(struct mail *m, void *owner)
{
	struct core_console *r = list_entry(m, struct core_console, mail);
	(void)owner;
	if (r->core->console) {
		r->core->console(r->core, r);
		return;
	}
	err_set(&r->result.err, ERR_UNSUPPORTED, "this weirpool has no console");
	core_console_done(r);
}

struct trouble_mail {
	struct mail mail;
	struct core *core;
	const struct server_cluster *cluster;
	const struct server_node *node;
	enum cluster_signal what;
	char why[160];
};

static void on_trouble(struct mail *m, void *owner)
{
	struct trouble_mail *t = list_entry(m, struct trouble_mail, mail);
	(void)owner;
	const struct topo_cluster *tc = topo_find(t->core->gen->topo, t->cluster->name);
	for (unsigned i = 0; tc && t->core->node_trouble && i < tc->conf->nodes_n; i++)
		if (tc->node[i] == t->node)
			t->core->node_trouble(
				t->core->node_arg, t->cluster->name, i, t->what, t->why);
	mem_free(MEM_MSG, t);
}

void core_node_trouble(struct worker *w, const struct server_cluster *c,
	const struct server_node *n, enum cluster_signal what, const char *why)
{
	struct trouble_mail *t = mem_alloc(MEM_MSG, sizeof *t);
	if (!t)
		return; /* the probes find out */
	t->mail.fn = on_trouble;
	t->core = w->core;
	t->cluster = c;
	t->what = what;
	t->node = n;
	snprintf(t->why, sizeof t->why, "%s", why);
	loop_post(w->core->loop, &t->mail);
}

void core_console_start(struct core_console *r)
{
	r->mail.fn = on_console;
	loop_post(r->core->loop, &r->mail);
}
