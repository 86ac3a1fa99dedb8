/* held - what operators have stopped: PAUSE of everything, of a database, of a cluster, and KILL
 * and DISABLE of a database. An upgrade carries it over, and while two processes live each is told
 * what the other one's operator says. Ignorant of how it gets there (server/). Control thread. */
#include "core_int.h"

static void tell(struct core *c, const struct core_held *h)
{
	if (!c->held || !atomic_load(&c->has_other))
		return;
	c->held_told++;
	c->held(c->stray_arg, h);
}

static unsigned how_of(const struct dbase *d)
{
	return (atomic_load(&d->paused) ? CORE_HELD_PAUSED : 0U) |
	       (atomic_load(&d->killed) ? CORE_HELD_KILLED : 0U) |
	       (atomic_load(&d->disabled) ? CORE_HELD_DISABLED : 0U);
}

static struct core_held of_dbase(const struct dbase *d)
{
	return (struct core_held){
		.what = CORE_HELD_DBASE, .ops = d->ops, .name = d->name, .how = how_of(d)
	};
}

static struct core_held of_all(const struct core *c)
{
	return (struct core_held){ .what = CORE_HELD_ALL,
		.name = "",
		.how = atomic_load(&c->paused) ? CORE_HELD_PAUSED : 0 };
}

static struct core_held of_cluster(const struct server_cluster *cl)
{
	return (struct core_held){ .what = CORE_HELD_CLUSTER,
		.name = cl->name,
		.how = atomic_load(&cl->paused) ? CORE_HELD_PAUSED : 0 };
}

void core_held_changed(struct core *c, const struct dbase *d)
{
	struct core_held h = d ? of_dbase(d) : of_all(c);
	tell(c, &h);
}

void core_held_cluster_changed(struct core *c, const char *cluster)
{
	const struct topo_cluster *tc = topo_find(c->gen->topo, cluster);
	if (!tc)
		return;
	struct core_held h = of_cluster(tc->cluster);
	tell(c, &h);
}

bool core_held_each(struct core *c, bool (*fn)(void *arg, const struct core_held *h), void *arg)
{
	struct core_held h = of_all(c);
	bool ok = !h.how || fn(arg, &h);
	pthread_mutex_lock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->dbases); ok && hmap_next(&it);) {
		h = of_dbase(it.value);
		ok = !h.how || fn(arg, &h);
	}
	pthread_mutex_unlock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->clusters); ok && hmap_next(&it);) {
		h = of_cluster(it.value);
		ok = !h.how || fn(arg, &h);
	}
	return ok;
}

static void take_dbase(struct core *c, const struct core_held *h)
{
	struct dbase *d = core_dbase(c, h->ops, h->name);
	bool pause = h->how & CORE_HELD_PAUSED;
	if (!d)
		return;
	if (pause && !atomic_load(&d->paused))
		atomic_store(&d->paused_at_us, loop_now_us(c->loop));
	atomic_store(&d->paused, pause);
	atomic_store(&d->killed, (h->how & CORE_HELD_KILLED) != 0);
	atomic_store(&d->disabled, (h->how & CORE_HELD_DISABLED) != 0);
}

unsigned core_held_links(struct core *c)
{
	unsigned n = 0;
	if (atomic_load(&c->paused))
		return core_n_links(c, NULL);
	pthread_mutex_lock(&c->lock);
	for (struct hmap_it it = hmap_begin(&c->dbases); hmap_next(&it);) {
		const struct dbase *d = it.value;
		if (atomic_load(&d->paused))
			n += atomic_load(&d->links);
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}

bool core_held_before(const struct core *c)
{
	return atomic_load(&c->before_pid) == 0 ||
	       (c->before_heard == c->held_told && c->before_links == 0);
}

void core_held_take(struct core *c, const struct core_held *h)
{
	bool pause = h->how & CORE_HELD_PAUSED;
	c->held_heard++;
	switch (h->what) {
	case CORE_HELD_ALL: atomic_store(&c->paused, pause); break;
	case CORE_HELD_DBASE: take_dbase(c, h); break;
	case CORE_HELD_CLUSTER: (void)topo_pause(c, h->name, pause); return;
	}
	/* workers look again at who may have a link */
	core_set_state(c, (enum core_state)atomic_load(&c->state));
}
