/* topology - keeps clusters and nodes, and brings news of them to the workers. Ignorant of how
 * roles are found out. Control thread unless said otherwise. */
#include "core_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* *v is in m under key, or a new object of size bytes is; returns it. */
static void *find_or_make(struct hmap *m, const char *key, size_t key_n, size_t size, bool *new_r)
{
	void *v = hmap_get(m, key, key_n);
	*new_r = v == NULL;
	if (v)
		return v;
	v = mem_xalloc(MEM_CONF, size);
	if (!hmap_put(m, key, key_n, v, NULL))
		abort(); /* configuration dies on out-of-memory, as mem_x...() does */
	return v;
}

static struct server_cluster *cluster_of(struct core *c, const char *name)
{
	bool new;
	struct server_cluster *cl = find_or_make(
		&c->clusters, name, strlen(name), sizeof *cl, &new);
	if (new)
		cl->name = mem_xstrdup(MEM_CONF, name);
	return cl;
}

static struct server_node *node_of(
	struct core *c, struct server_cluster *cl, const struct conf_host *h)
{
	char key[512];
	bool new;
	int n = snprintf(key, sizeof key, "%.127s/%.255s:%u", cl->name, h->host, h->port);
	struct server_node *nd = find_or_make(&c->nodes, key, (size_t)n, sizeof *nd, &new);
	if (new) {
		nd->cluster = cl;
		conf_node_name(h, nd->where, sizeof nd->where);
	}
	return nd;
}

struct topo *topo_build(struct core *c, const struct conf *conf)
{
	if (!conf->clusters_n)
		return NULL;
	struct topo *t = mem_xalloc(MEM_CONF, sizeof *t + conf->clusters_n * sizeof t->v[0]);
	t->n = conf->clusters_n;
	for (unsigned i = 0; i < t->n; i++) {
		struct topo_cluster *tc = &t->v[i];
		tc->conf = &conf->clusters[i];
		tc->cluster = cluster_of(c, tc->conf->name);
		for (unsigned j = 0; j < tc->conf->nodes_n; j++)
			tc->node[j] = node_of(c, tc->cluster, &tc->conf->nodes[j]);
	}
	return t;
}

const struct topo_cluster *topo_find(const struct topo *t, const char *name)
{
	for (unsigned i = 0; t && i < t->n; i++)
		if (strcmp(t->v[i].cluster->name, name) == 0)
			return &t->v[i];
	return NULL;
}

bool topo_fits(const struct topo_cluster *tc, const struct cluster_view *v)
{
	if (v->n != tc->conf->nodes_n)
		return false;
	for (unsigned i = 0; i < v->n; i++)
		if (v->node[i].port != tc->conf->nodes[i].port ||
			strcmp(v->node[i].host, tc->conf->nodes[i].host) != 0)
			return false;
	return true;
}

/* ---- from the workers ---- */

static void on_kick(struct mail *m, void *owner)
{
	struct server_cluster *c = list_entry(m, struct server_cluster, kick);
	struct core *core = c->core;
	(void)owner;
	atomic_store(&c->kicked, false); /* from here on a worker may write to c */
	if (core->node_kick)
		core->node_kick(core->node_arg, c->name);
}

void topo_park(struct worker *w, struct server_cluster *c, int64_t until_us)
{
	int64_t was = atomic_load(&c->parked_until_us);
	while (was < until_us && !atomic_compare_exchange_weak(&c->parked_until_us, &was, until_us))
		;
	if (atomic_exchange(&c->kicked, true))
		return;
	c->core = w->core;
	c->kick.fn = on_kick;
	loop_post(w->core->loop, &c->kick);
}

/* ---- to the workers ---- */

struct view_mail {
	struct mail mail;
	struct cluster_view *view;
	char cluster[];
};

static void on_view(struct mail *m, void *owner)
{
	struct view_mail *vm = list_entry(m, struct view_mail, mail);
	worker_view(owner, vm->cluster, vm->view);
	mem_free(MEM_MSG, vm);
}

void topo_publish(struct core *c, const char *cluster, const struct cluster_view *v)
{
	const struct topo_cluster *tc = topo_find(c->gen->topo, cluster);
	if (!tc)
		return;
	cluster_view_unref(&tc->cluster->view);
	tc->cluster->view = cluster_view_ref(v);
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct view_mail *vm = mem_xalloc(MEM_MSG, sizeof *vm + strlen(cluster) + 1);
		vm->mail.fn = on_view;
		vm->view = cluster_view_ref(v);
		memcpy(vm->cluster, cluster, strlen(cluster) + 1);
		loop_post(c->worker[i]->loop, &vm->mail);
	}
}

struct fence_mail {
	struct mail mail;
	struct server_node *node;
	bool now;
};

static void on_fence(struct mail *m, void *owner)
{
	struct fence_mail *f = list_entry(m, struct fence_mail, mail);
	worker_fence(owner, f->node, f->now);
	mem_free(MEM_MSG, f);
}

void topo_fence(struct core *c, const char *cluster, unsigned node, bool now)
{
	const struct topo_cluster *tc = topo_find(c->gen->topo, cluster);
	if (!tc || node >= tc->conf->nodes_n)
		return;
	atomic_fetch_add(&tc->node[node]->fence, 1);
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct fence_mail *f = mem_xalloc(MEM_MSG, sizeof *f);
		f->mail.fn = on_fence;
		f->node = tc->node[node];
		f->now = now;
		loop_post(c->worker[i]->loop, &f->mail);
	}
}

struct names_mail {
	struct mail mail;
	struct dbase *db;
	struct proto_names *names;
};

static void on_names(struct mail *m, void *owner)
{
	struct names_mail *nm = list_entry(m, struct names_mail, mail);
	struct dbstats *st = stats_get(owner, nm->db);
	if (st) {
		proto_names_unref(&st->names);
		st->names = nm->names;
	} else {
		proto_names_unref(&nm->names);
	}
	mem_free(MEM_MSG, nm);
}

void topo_names(struct core *c, struct dbase *db, struct proto_names *names)
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct names_mail *nm = mem_xalloc(MEM_MSG, sizeof *nm);
		nm->mail.fn = on_names;
		nm->db = db;
		nm->names = names ? proto_names_ref(names) : NULL;
		loop_post(c->worker[i]->loop, &nm->mail);
	}
}

static void on_sampled(struct mail *m, void *owner)
{
	route_news(owner);
	mem_free(MEM_MSG, m);
}

void topo_sampled(struct core *c, const char *cluster)
{
	const struct topo_cluster *tc = topo_find(c->gen->topo, cluster);
	if (!tc || clock_mono_us() > atomic_load(&tc->cluster->parked_until_us))
		return;
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct mail *m = mem_xalloc(MEM_MSG, sizeof *m);
		m->fn = on_sampled;
		loop_post(c->worker[i]->loop, m);
	}
}

static void each_news(struct worker *w, void *part, void *arg)
{
	(void)part;
	(void)arg;
	route_news(w);
}

bool topo_pause(struct core *c, const char *cluster, bool on)
{
	const struct topo_cluster *tc = topo_find(c->gen->topo, cluster);
	if (!tc)
		return false;
	atomic_store(&tc->cluster->paused, on);
	(void)!core_scatter(c, 1, each_news, NULL, NULL); /* else the janitor does it */
	return true;
}
