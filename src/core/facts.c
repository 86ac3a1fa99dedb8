/* facts - what greetings say of the servers behind them. Where the server speaks first, a client is
 * told a version and capabilities before anybody knows which database it wants: links tell what
 * they saw (link_facts()), the facts of all entries of a protocol are joined into one text, and
 * every worker gets it. At the start a connection to each entry listens to the server's own
 * greeting; until that is over, for a short while, clients are not greeted. Ignorant of what the
 * facts are. Runs on workers; the shared maps are guarded by core.lock. */
#include "core_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FACTS_MAX_BYTES 4096
#define HOLD_US 3000000 /* a client waits at most so long for its greeting */
#define PROBE_US 5000000
#define AGAIN_US 10000000 /* a server that could not be reached is tried again */

/* A connection that wants to hear a greeting. */
struct probe {
	struct stream st;
	struct list node; /* in worker.probes, or probes_done */
	struct worker *w;
	const struct proto_ops *ops;
	struct resolver_req *req;
	struct timer timer;
	char dbase[128];
	bool init, proxied;
	_Alignas(8) uint8_t lst[];
};

/* ---- telling the workers ---- */

struct facts_mail {
	struct mail mail;
	uint8_t id;
	size_t n;
	uint8_t bytes[];
};

static void settle(struct worker *w, unsigned id)
{
	if (w->facts[id].settled)
		return;
	w->facts[id].settled = true;
	list_for_safe(n, &w->sessions[SESSION_LOGIN]) {
		struct session *s = list_entry(n, struct session, node);
		if (!s->greeted && s->ops->id == id) {
			session_greet(s);
			stream_resume(&s->st); /* nothing was read so far */
		}
	}
}

static void on_facts(struct mail *mail, void *owner)
{
	struct facts_mail *m = list_entry(mail, struct facts_mail, mail);
	struct worker *w = owner;
	struct worker_facts *f = &w->facts[m->id];
	uint8_t *copy = m->n ? mem_alloc(MEM_POOL, m->n) : NULL;
	if (copy) {
		memcpy(copy, m->bytes, m->n);
		mem_free(MEM_POOL, f->bytes);
		f->bytes = copy;
		f->n = m->n;
	}
	settle(w, m->id);
	mem_free(MEM_MSG, m);
}

/* n 0: nothing is known; whoever waits is greeted all the same. */
static void tell_all(struct core *c, const struct proto_ops *ops, const uint8_t *p, size_t n)
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct facts_mail *m = mem_alloc(MEM_MSG, sizeof *m + n);
		if (!m)
			continue; /* its clients are greeted when HOLD_US is over */
		m->mail.fn = on_facts;
		m->id = ops->id;
		m->n = n;
		if (n)
			memcpy(m->bytes, p, n);
		loop_post(c->worker[i]->loop, &m->mail);
	}
}

/* Under core.lock: what all entries of the configuration said, in the order of their names. The
 * name of the last one whose clients are told something else, or NULL. */
static const char *join(
	struct worker *w, const struct proto_ops *ops, const char *version, struct buf *all)
{
	const struct conf *conf = w->gen->conf;
	const char *odd = NULL;
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *db = &conf->dbs[i];
		const struct dbase *d = strcmp(db->kind->name, ops->name) == 0
						? core_dbase_locked(w->core, ops, db->name)
						: NULL;
		if (d && d->facts && !ops->facts_join(all, d->facts, d->facts_n, version))
			odd = db->name;
	}
	return odd;
}

/* Of what cannot be joined the configuration decides; if it names what nobody is, the first. */
static const char *join_all(struct worker *w, const struct proto_ops *ops, struct buf *all)
{
	const char *odd = join(w, ops, w->gen->conf->global.mysql_server_version, all);
	return buf_len(all) ? odd : join(w, ops, "", all);
}

static void learn(struct worker *w, struct dbase *d, const uint8_t *p, size_t n)
{
	struct core *c = w->core;
	struct buf all;
	const char *odd = NULL;
	pthread_mutex_lock(&c->lock);
	bool news = d->facts_n != n || memcmp(d->facts, p, n) != 0;
	uint8_t *copy = news ? mem_alloc(MEM_POOL, n) : NULL;
	buf_init(&all, FACTS_MAX_BYTES);
	if (copy) {
		memcpy(copy, p, n);
		mem_free(MEM_POOL, d->facts);
		d->facts = copy;
		d->facts_n = n;
		odd = join_all(w, d->ops, &all);
	}
	pthread_mutex_unlock(&c->lock);
	if (odd)
		log_event(EVENT_SERVER_FAMILY,
			"entry \"%s\": its servers are of another family than the one that "
			"clients of this port are told; they will be refused (see "
			"mysql_server_version)",
			odd);
	if (copy && !all.failed && buf_len(&all))
		tell_all(c, d->ops, buf_data(&all), buf_len(&all));
	buf_fini(&all);
}

static bool learn_from(
	struct worker *w, const struct proto_ops *ops, const void *lst, const char *dbase)
{
	struct buf b;
	buf_init(&b, FACTS_MAX_BYTES);
	bool ok = ops->link_facts(lst, &b) && !b.failed && buf_len(&b);
	struct dbase *d = ok ? core_dbase(w->core, ops, dbase) : NULL;
	if (d)
		learn(w, d, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return ok;
}

void facts_of_link(struct link *l)
{
	if (l->ops->greets)
		(void)learn_from(l->w, l->ops, l->lst, l->pool->db->name);
}

/* ---- the first look ---- */

static unsigned running(const struct worker *w, const struct proto_ops *ops)
{
	unsigned n = 0;
	list_for(node, &w->probes)
		n += list_entry(node, struct probe, node)->ops == ops;
	return n;
}

static void finish(struct probe *p)
{
	struct worker *w = p->w;
	const struct proto_ops *ops = p->ops;
	if (p->req)
		resolver_cancel(p->req);
	p->req = NULL;
	timer_clear(w->loop, &p->timer);
	stream_close(&p->st);
	list_del(&p->node);
	list_append(&w->probes_done, &p->node); /* freed at the turn's end */
	if (!running(w, ops) && !w->facts[ops->id].settled)
		tell_all(w->core, ops, NULL, 0);
}

static void on_timeout(struct timer *t, void *arg)
{
	(void)t;
	finish(arg);
}

static void on_connected(struct stream *st, void *owner, int err)
{
	struct probe *p = owner;
	struct worker *w = p->w;
	struct proto_creds none = { 0 };
	struct proto_link_login ll = { .user = "", .database = "", .creds = &none };
	struct err e = { 0 };
	if (!err && p->proxied)
		(void)stream_put_proxy(st, NULL);
	p->init = !err && p->ops->link_init(p->lst, w->env[p->ops->id], &ll, &w->up, &e) == 0;
	buf_consume(&w->up, buf_len(&w->up)); /* it listens, no more */
	if (!p->init)
		finish(p);
}

static void on_readable(struct stream *st, void *owner)
{
	struct probe *p = owner;
	struct worker *w = p->w;
	struct err e = { 0 };
	size_t got = stream_read(st, w->rbuf, CORE_RBUF_BYTES);
	if (!p->init || got == 0 || !buf_append(&st->in, w->rbuf, got)) {
		if (!p->init || got || st->eof || st->error)
			finish(p);
		return;
	}
	struct pev ev = p->ops->link_step(p->lst, buf_data(&st->in), buf_len(&st->in), &w->up, &e);
	buf_consume(&w->up, buf_len(&w->up));
	buf_consume(&st->in, ev.n);
	if (learn_from(w, p->ops, p->lst, p->dbase) || ev.kind != PEV_MORE)
		finish(p);
}

static void on_drained(struct stream *st, void *owner)
{
	(void)st;
	(void)owner;
}

static const struct stream_cb probe_cb = {
	.readable = on_readable, .drained = on_drained, .connected = on_connected
};

static void resolved(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct probe *p = arg;
	struct err ce = { 0 };
	(void)e;
	p->req = NULL;
	if (n == 0 || stream_connect(&p->st, p->w->loop, (const struct sockaddr *)&a[0].sa, a[0].n,
			      &probe_cb, p, &ce) != 0)
		finish(p);
}

static void listen_to(struct worker *w, const struct proto_ops *ops, const struct conf_db *d)
{
	const struct conf_host *h = &d->hosts[w->probe_round % d->hosts_n];
	char host[280];
	struct probe *p = mem_alloc(MEM_LINK, sizeof *p + ops->link_size);
	if (!p)
		return;
	p->w = w;
	p->ops = ops;
	p->st.fd = -1;
	p->st.closed = true;
	snprintf(p->dbase, sizeof p->dbase, "%s", d->name);
	struct settings set;
	conf_effective(w->gen->conf, d, NULL, &set);
	p->proxied = set.server_proxy_protocol != CONF_PROXY_OFF;
	list_init(&p->node);
	list_append(&w->probes, &p->node);
	timer_init(&p->timer, on_timeout, p);
	timer_set(w->loop, &p->timer, worker_now(w) + PROBE_US);
	snprintf(host, sizeof host, "%s%s", h->kind == CONF_HOST_ABSTRACT ? "@" : "", h->host);
	struct resolver_req *q = resolver_lookup(w->resolver, host, h->port, resolved, p);
	if (q)
		p->req = q;
}

static bool is_known(struct core *c, const struct proto_ops *ops, const char *name)
{
	pthread_mutex_lock(&c->lock);
	struct dbase *d = core_dbase_locked(c, ops, name);
	bool known = d && d->facts;
	pthread_mutex_unlock(&c->lock);
	return known;
}

/* Servers of which nothing is known. */
static void look(struct worker *w)
{
	const struct conf *conf = w->gen->conf;
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *d = &conf->dbs[i];
		const struct proto_ops *ops = proto_by_name(d->kind->name);
		if (ops->greets && d->hosts_n && !is_known(w->core, ops, d->name))
			listen_to(w, ops, d);
	}
	w->probe_round++;
}

static void on_tick(struct timer *t, void *arg)
{
	struct worker *w = arg;
	int64_t now = worker_now(w);
	if (w->id == 0 && list_empty(&w->probes))
		look(w);
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++) {
		if (now >= w->hold_until_us)
			settle(w, i);
		else if (w->id == 0 && !running(w, proto_table[i]))
			tell_all(w->core, proto_table[i], NULL, 0);
	}
	timer_set(w->loop, t, now < w->hold_until_us ? w->hold_until_us : now + AGAIN_US);
}

void facts_start(struct worker *w)
{
	w->hold_until_us = worker_now(w) + HOLD_US;
	timer_init(&w->facts_timer, on_tick, w);
	timer_set(w->loop, &w->facts_timer, worker_now(w)); /* when all workers are there */
}

void facts_hold(struct worker *w, const struct proto_ops *ops)
{
	if (!ops->greets || w->facts[ops->id].n)
		return;
	w->facts[ops->id].settled = false;
	w->hold_until_us = worker_now(w) + HOLD_US;
	timer_set(w->loop, &w->facts_timer, worker_now(w));
}

void facts_sweep(struct worker *w)
{
	struct list *n;
	while ((n = list_pop(&w->probes_done))) {
		struct probe *p = list_entry(n, struct probe, node);
		if (p->init)
			p->ops->link_fini(p->lst);
		mem_free(MEM_LINK, p);
	}
}

void facts_free(struct worker *w)
{
	struct list *n;
	timer_clear(w->loop, &w->facts_timer);
	for (unsigned i = 0; i < PROTO_MAX; i++)
		w->facts[i].settled = true; /* there is nobody to tell */
	while ((n = list_first(&w->probes)))
		finish(list_entry(n, struct probe, node));
	facts_sweep(w);
	for (unsigned i = 0; i < PROTO_MAX; i++)
		mem_free(MEM_POOL, w->facts[i].bytes);
}
