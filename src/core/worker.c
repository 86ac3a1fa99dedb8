/* worker - one thread with an event loop: accepts, runs its sessions and links, ends each turn by
 * serving waiters and freeing what was closed. Ignorant of messages. */
#include "core/query.h"
#include "core_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRETS_MAX 10000

static void free_closed(struct worker *w)
{
	struct list *n;
	while ((n = list_first(&w->sessions[SESSION_CLOSING])))
		session_free(list_entry(n, struct session, node));
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		if (p->n_links[LINK_CLOSING] == 0)
			continue;
		while ((n = list_first(&p->links[LINK_CLOSING])))
			link_free(list_entry(n, struct link, node));
	}
	if (!list_empty(&w->cancels_done))
		cancels_sweep(w);
	if (!list_empty(&w->probes_done))
		facts_sweep(w);
}

static void turn_end(void *owner)
{
	struct worker *w = owner;
	struct list *n;
	if (!list_empty(&w->offers))
		sessions_offer(w);
	while ((n = list_pop(&w->touched))) {
		struct pool_shard *p = list_entry(n, struct pool_shard, touched);
		pool_turn_end(p);
	}
	if (w->closed || !list_empty(&w->sessions[SESSION_CLOSING]) ||
		!list_empty(&w->cancels_done) || !list_empty(&w->probes_done)) {
		w->closed = false;
		free_closed(w);
	}
}

/* ---- accepting ---- */

static void on_refuse(void *arg, int fd)
{
	struct worker_listen *wl = arg;
	struct worker *w = wl->w;
	struct err e = { 0 };
	err_set(&e, ERR_NO_FDS, "out of file descriptors: weirpool cannot take more connections");
	err_hint(&e, "Raise the limit of open files (LimitNOFILE), or lower max_client_conn.");
	wl->ops->put_error(NULL, &w->down, &e, true);
	(void)!send(fd, buf_data(&w->down), buf_len(&w->down), MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_consume(&w->down, buf_len(&w->down));
	close(fd);
	log_event(EVENT_ERR_NO_FDS, "%s", e.msg);
}

static void on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t n)
{
	struct worker_listen *wl = arg;
	if (fd < wl->w->core->client_fd_end)
		session_new(wl->w, wl->ops, wl->endpoint, fd, sa, n);
	else
		on_refuse(wl, fd);
}

int worker_listen(struct worker *w, const struct core_listen *ls, unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n && w->n_listen < CORE_LISTEN_MAX; i++) {
		struct worker_listen *wl = &w->listen[w->n_listen];
		wl->w = w;
		wl->ops = ls[i].ops;
		wl->endpoint = ls[i].endpoint;
		wl->listener = listener_new(w->loop, ls[i].fd, on_accept, on_refuse, wl);
		if (!wl->listener)
			return err_set(e, ERR_INTERNAL, "worker %u cannot listen", w->id);
		w->n_listen++;
	}
	return 0;
}

static void stop_listening(struct worker *w)
{
	for (unsigned i = 0; i < w->n_listen; i++) {
		if (w->listen[i].listener)
			listener_free(w->listen[i].listener);
		w->listen[i].listener = NULL;
	}
	w->n_listen = 0;
	w->deaf = true;
}

static void listen_again(struct worker *w)
{
	struct err e = { 0 };
	w->deaf = false;
	if (worker_listen(w, w->core->listen, w->core->n_listen, &e) != 0)
		log_event(EVENT_NO_LISTENER, "%s", e.msg);
}

/* ---- draining ---- */

void worker_drain_session(struct session *s)
{
	if (s->state == SESSION_CLOSING || s->is_console)
		return;
	/* who waits is between transactions too: nothing of the request has run */
	bool waits = s->state == SESSION_WAITING && !s->login;
	bool between = s->state == SESSION_IDLE || waits ||
		       (s->state == SESSION_ACTIVE && !s->request_us && !s->in_tx && !s->raw);
	if (!between || (!waits && s->login == NULL &&
				s->ops->client_in_request(
					s->cst, buf_data(&s->st.in), buf_len(&s->st.in)))) {
		s->want_close = true;
		return;
	}
	session_kill(s, ERR_SHUTDOWN, "terminating connection due to administrator command");
}

/* CORE_DRAIN: ends sessions at a boundary. WAIT_SERVERS: links close when released
 * (pool_must_close). */
void worker_check_drain(struct worker *w)
{
	int state = atomic_load(&w->core->state);
	if (state < CORE_HANDED) {
		w->hands_over = false;
		if (w->deaf)
			listen_again(w);
		return;
	}
	if (!w->deaf)
		stop_listening(w);
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (state == CORE_STOP)
				session_kill(s, ERR_SHUTDOWN,
					"terminating connection due to administrator command");
			else if (state == CORE_DRAIN && st == SESSION_LOGIN && !s->is_console)
				session_kill(s, ERR_SHUTDOWN, "the pooler is shutting down");
			else if (state == CORE_DRAIN)
				worker_drain_session(s);
		}
	worker_sweep(w);
}

/* SUSPEND and its end. */
static void follow_suspend(struct worker *w, bool suspended)
{
	bool was = w->suspended;
	w->suspended = suspended;
	for (int st = SESSION_IDLE; was && !suspended && st < SESSION_CLOSING; st++)
		list_for(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (!s->unread || s->login)
				continue;
			s->unread = false;
			stream_resume(&s->st);
		}
}

void worker_sweep(struct worker *w)
{
	int state = atomic_load(&w->core->state);
	bool stop = state == CORE_STOP;
	if (w->suspended != (state == CORE_SUSPENDED))
		follow_suspend(w, state == CORE_SUSPENDED);
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		list_for_safe(n, &p->links[LINK_IDLE]) {
			struct link *l = list_entry(n, struct link, node);
			if (pool_must_close(l))
				link_close(l, "closed by an administrator's command");
		}
		for (int st = LINK_CONNECTING; stop && st < LINK_CLOSING; st++)
			list_for_safe(n, &p->links[st]) {
				struct link *l = list_entry(n, struct link, node);
				if (!l->session && !l->authq)
					link_close(l, "shutdown");
			}
		pool_touch(p);
	}
}

void worker_kill_db(struct worker *w, const struct dbase *db, enum err_code code)
{
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (!s->is_console && (!db || s->db == db))
				session_kill(
					s, code, "database removed or killed by an administrator");
		}
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		if (db && p->pool->db != db)
			continue;
		for (int st = LINK_CONNECTING; st < LINK_CLOSING; st++)
			list_for_safe(n, &p->links[st]) {
				struct link *l = list_entry(n, struct link, node);
				if (!l->session && !l->authq)
					link_close(l, "killed by an administrator");
			}
		pool_touch(p);
	}
}

struct seen_cluster *worker_seen(struct worker *w, const struct server_cluster *c)
{
	size_t n = strlen(c->name);
	struct seen_cluster *seen = hmap_get(&w->seen, c->name, n);
	if (seen)
		return seen;
	seen = mem_xalloc(MEM_POOL, sizeof *seen);
	balance_init(&seen->balance);
	if (!hmap_put(&w->seen, c->name, n, seen, NULL))
		abort(); /* one for each cluster, once */
	return seen;
}

void worker_view(struct worker *w, const char *cluster, struct cluster_view *v)
{
	const struct topo_cluster *tc = topo_find(w->gen->topo, cluster);
	if (!tc) {
		cluster_view_unref(&v);
		return;
	}
	struct seen_cluster *seen = worker_seen(w, tc->cluster);
	struct cluster_view *was = seen->view;
	seen->view = v;
	route_back(w, tc->cluster, was, v);
	route_news(w);
	cluster_view_unref(&was);
}

static void free_seen(void *v)
{
	struct seen_cluster *seen = v;
	cluster_view_unref(&seen->view);
	mem_free(MEM_POOL, seen);
}

void worker_fence(struct worker *w, struct server_node *n, bool now)
{
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		for (int st = LINK_CONNECTING; p->pool->node == n && st < LINK_CLOSING; st++)
			list_for_safe(ln, &p->links[st]) {
				struct link *l = list_entry(ln, struct link, node);
				if (l->fence == atomic_load(&n->fence))
					continue;
				if ((l->session || l->authq) && !l->login) {
					if (now)
						session_link_fenced(l);
				} else {
					link_close(
						l, "its server is not what it was in its cluster");
				}
			}
	}
	route_news(w);
}

/* ---- life ---- */

static bool new_envs(struct worker *w)
{
	struct proto_env_opts o;
	worker_env_opts(w, &o);
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++) {
		assert(proto_table[i]->id == i);
		w->env[i] = proto_table[i]->env_new(&o);
		if (!w->env[i])
			return false;
	}
	return true;
}

struct worker *worker_new(struct core *c, unsigned id, struct err *e)
{
	struct worker *w = mem_alloc(MEM_MISC, sizeof *w);
	struct loop_opts lo = { .owner = w, .turn_end = turn_end };
	const struct conf_global *g = &c->gen->conf->global;
	struct resolver_opts ro = {
		.max_ttl_us = g->dns_max_ttl_us,
		.negative_ttl_us = g->dns_nxdomain_ttl_us,
		.resolv_conf = *g->resolv_conf ? g->resolv_conf : NULL,
	};
	if (!w) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	w->id = id;
	w->core = c;
	w->gen = gen_ref(c->gen);
	rules_switch(w);
	for (int i = 0; i < SESSION_N; i++)
		list_init(&w->sessions[i]);
	list_init(&w->shards);
	list_init(&w->touched);
	list_init(&w->offers);
	list_init(&w->cancels);
	list_init(&w->cancels_done);
	list_init(&w->probes);
	list_init(&w->probes_done);
	hmap_init(&w->shard_by_name);
	hmap_init(&w->stats_by_db);
	hmap_init(&w->stats_by_pool);
	hmap_init(&w->seen);
	buf_init(&w->up, 0);
	buf_init(&w->down, 0);
	buf_keep(&w->up);
	buf_keep(&w->down);
	w->loop = loop_new(&lo);
	w->rbuf = mem_alloc(MEM_BUF, CORE_RBUF_BYTES);
	w->secrets = secrets_new(SECRETS_MAX);
	if (!w->loop || !w->rbuf || !new_envs(w) || !w->secrets) {
		err_set(e, ERR_NO_MEMORY, "worker %u: out of memory or file descriptors", id);
		worker_free(w);
		return NULL;
	}
	w->resolver = resolver_new(w->loop, &ro, e);
	if (!w->resolver || worker_listen(w, c->listen, c->n_listen, e) != 0) {
		worker_free(w);
		return NULL;
	}
	trace_worker_init(w);
	janitor_start(w);
	facts_start(w);
	return w;
}

void worker_env_opts(struct worker *w, struct proto_env_opts *o)
{
	const struct settings *set = &w->gen->conf->settings;
	unsigned n = 0;
	const char *at = set->track_extra_parameters;
	while (n < 15 && conf_list_next(&at, w->extra_names[n], sizeof w->extra_names[n])) {
		w->extra[n] = w->extra_names[n];
		n++;
	}
	w->extra[n] = NULL;
	*o = (struct proto_env_opts){
		.max_message_bytes = (uint32_t)set->max_packet_size_bytes,
		.max_inspect_bytes = CORE_INSPECT_BYTES,
		.track_extra = w->extra,
	};
}

static void free_counts(void *v)
{
	mem_free(MEM_POOL, v);
}

static void close_everything(struct worker *w)
{
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st])
			session_close_by(list_entry(n, struct session, node), 'A', "shutdown");
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		for (int st = LINK_CONNECTING; st < LINK_CLOSING; st++)
			list_for_safe(n, &p->links[st])
				link_close(list_entry(n, struct link, node), "shutdown");
	}
	cancels_free(w);
	free_closed(w);
}

void worker_free(struct worker *w)
{
	if (w->loop) {
		close_everything(w);
		stop_listening(w);
		helper_free(w);
		facts_free(w);
		trace_worker_fini(w);
		timer_clear(w->loop, &w->janitor);
		shards_free(w);
	}
	if (w->resolver)
		resolver_free(w->resolver);
	for (unsigned i = 0; i < PROTO_MAX; i++)
		if (w->env[i])
			proto_table[i]->env_free(w->env[i]);
	secrets_free(&w->secrets);
	for (struct hmap_it it = hmap_begin(&w->stats_by_db); hmap_next(&it);) {
		struct dbstats *st = it.value;
		proto_names_unref(&st->names);
		mem_free(MEM_POOL, st);
	}
	hmap_fini(&w->stats_by_db, NULL);
	hmap_fini(&w->stats_by_pool, free_counts);
	hmap_fini(&w->seen, free_seen);
	hmap_fini(&w->shard_by_name, NULL);
	buf_fini(&w->up);
	buf_fini(&w->down);
	mem_free(MEM_BUF, w->rbuf);
	mem_free(MEM_CONF, w->rule_counts);
	query_table_free(&w->queries);
	mem_free(MEM_SESSION, w->slots);
	if (w->loop)
		loop_free(w->loop);
	gen_unref(w->gen);
	mem_free(MEM_MISC, w);
}
