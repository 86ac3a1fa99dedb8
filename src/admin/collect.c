/* collect - copies facts about sessions, links and pools into plain values, on the thread that owns
 * them, so that control can show them. Ignorant of columns. Runs on the workers (core_scatter). */
#include "admin_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct now {
	int64_t loop_us, wall_us;
};

static struct now now_of(struct worker *w)
{
	return (struct now){ loop_now_us(w->loop), clock_wall_us() };
}

/* A time of the loop's clock as wall time; 0 stays 0. */
static int64_t to_wall(const struct now *now, int64_t at_us)
{
	return at_us ? now->wall_us - (now->loop_us - at_us) : 0;
}

static struct conn_fact *part_add(struct conn_part *p)
{
	if (p->n == p->size) {
		size_t size = p->size ? p->size * 2 : 32;
		struct conn_fact *v = mem_realloc(MEM_ADMIN, p->v, size * sizeof *v);
		if (!v) {
			p->no_memory = true;
			return NULL;
		}
		p->v = v;
		p->size = size;
	}
	struct conn_fact *f = &p->v[p->n++];
	memset(f, 0, sizeof *f);
	return f;
}

void collect_conns_fini(struct conn_part *p)
{
	mem_free(MEM_ADMIN, p->v);
	*p = (struct conn_part){ 0 };
}

static void copy_text(char *out, size_t n, const char *s)
{
	snprintf(out, n, "%s", s ? s : "");
}

static void add_stream(struct conn_fact *f, const struct stream *st)
{
	f->fd = st->fd;
	f->rx_bytes = st->rx_bytes;
	f->tx_bytes = st->tx_bytes;
	f->in_bytes = (unsigned)buf_len(&st->in);
	f->out_bytes = (unsigned)stream_queued(st);
	const char *coding = stream_coding_name(st);
	f->coding = coding ? coding : "";
	f->tls = st->tls == STREAM_TLS;
	if (f->tls)
		snprintf(f->tls_text, sizeof f->tls_text, "%s/%s", tls_version(st->ssl),
			tls_cipher(st->ssl));
	if (st->fd >= 0)
		addr_local(&f->local, st->fd);
}

static unsigned unix_peer_pid(const struct stream *st)
{
	struct ucred c;
	socklen_t n = sizeof c;
	if (st->fd < 0 || getsockopt(st->fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0)
		return 0;
	return (unsigned)c.pid;
}

static void add_link_of(struct conn_fact *f, const struct link *l)
{
	f->link_id = l->id;
	f->link_fd = l->st.fd;
	f->replica = l->replica;
	copy_text(f->host, sizeof f->host, l->host);
	f->port = (uint16_t)l->port;
	if (l->st.fd >= 0)
		addr_local(&f->link_local, l->st.fd);
}

static void add_session(struct conn_part *p, struct session *s, const struct now *now)
{
	const struct proto_ops *ops = s->ops;
	struct conn_fact *f = part_add(p);
	if (!f)
		return;
	f->type = 'C';
	f->ops = ops;
	f->number = s->number;
	f->id = s->id;
	f->cst = s->state;
	f->console = s->is_console;
	f->user = s->account ? s->account->name : NULL;
	f->db = s->is_console ? "pgbouncer" : s->db ? s->db->name : NULL;
	f->pool = s->shard ? s->shard->pool : NULL;
	f->addr = s->addr;
	f->connect_us = to_wall(now, s->connected_us);
	f->request_us = to_wall(now, s->request_us ? s->request_us : s->state_us);
	f->wait_us = s->state == SESSION_WAITING ? session_wait_us(s, now->loop_us) : 0;
	f->close_needed = s->want_close;
	f->replication = s->raw ? s->logical ? 2 : 1 : 0;
	add_stream(f, &s->st);
	if (addr_is_unix(&s->addr))
		f->remote_pid = unix_peer_pid(&s->st);
	f->running = s->request_us != 0;
	f->in_tx = s->in_tx;
	if (s->link)
		add_link_of(f, s->link);
	if (s->login || s->state == SESSION_LOGIN || s->is_console)
		return;
	copy_text(f->app_name, sizeof f->app_name, ops->client_app_name(s->cst));
	f->statements = ops->n_statements(s->cst, false);
	if (s->link && s->shard && s->shard->set.pool_mode != CONF_POOL_SESSION) {
		f->pins = ops->client_pins(s->cst);
		f->pinned_us = f->pins ? to_wall(now, s->pinned_us) : 0;
	}
}

static void add_link(struct conn_part *p, struct link *l, const struct now *now)
{
	const struct proto_ops *ops = l->ops;
	struct conn_fact *f = part_add(p);
	if (!f)
		return;
	f->type = 'S';
	f->ops = ops;
	f->id = l->id;
	f->lst = l->state;
	f->user = l->pool->user;
	f->db = l->pool->db->name;
	f->pool = l->pool;
	f->addr = l->addr;
	copy_text(f->host, sizeof f->host, l->host);
	f->port = (uint16_t)l->port;
	f->connect_us = to_wall(now, l->born_us);
	f->request_us = to_wall(
		now, l->session && l->session->request_us ? l->session->request_us : l->state_us);
	f->close_needed = l->ephemeral || l->epoch != atomic_load(&l->pool->db->epoch);
	add_stream(f, &l->st);
	if (l->session) {
		f->link_id = l->session->id;
		f->link_fd = l->session->st.fd;
		f->replication = l->session->raw ? l->session->logical ? 2 : 1 : 0;
	}
	if (l->login || l->state == LINK_CONNECTING)
		return;
	f->remote_pid = ops->link_server_pid(l->lst);
	f->statements = ops->n_statements(l->lst, true);
	copy_text(f->app_name, sizeof f->app_name, ops->link_param(l->lst, "application_name"));
	copy_text(f->encoding, sizeof f->encoding, ops->link_param(l->lst, "client_encoding"));
	copy_text(f->std_strings, sizeof f->std_strings,
		ops->link_param(l->lst, "standard_conforming_strings"));
	copy_text(f->datestyle, sizeof f->datestyle, ops->link_param(l->lst, "DateStyle"));
	copy_text(f->timezone, sizeof f->timezone, ops->link_param(l->lst, "TimeZone"));
}

static bool wanted(const struct stream *st, unsigned what)
{
	return !(what & COLLECT_BUFFERED) || buf_len(&st->in) || stream_queued(st);
}

void collect_conns(struct worker *w, struct conn_part *p, unsigned what)
{
	struct now now = now_of(w);
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++) {
		if (!(what & (st == SESSION_LOGIN ? COLLECT_LOGINS : COLLECT_CLIENTS)))
			continue;
		list_for(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (wanted(&s->st, what))
				add_session(p, s, &now);
		}
	}
	if (!(what & COLLECT_SERVERS))
		return;
	list_for(sn, &w->shards) {
		struct pool_shard *sh = list_entry(sn, struct pool_shard, node);
		for (int st = LINK_CONNECTING; st < LINK_CLOSING; st++)
			list_for(n, &sh->links[st]) {
				struct link *l = list_entry(n, struct link, node);
				if (wanted(&l->st, what))
					add_link(p, l, &now);
			}
	}
}

static void add_pool(struct pool_fact *f, const struct pool_shard *p, int64_t now_us)
{
	f->pool = p->pool;
	f->mode = p->set.pool_mode;
	f->balance = p->set.load_balance_hosts;
	f->many_hosts = p->cdb && p->cdb->hosts_n > 1;
	if (p->tls)
		(void)tls_ctx_expiry(p->tls, &f->cert_end_s);
	list_for(n, &p->waiting) {
		struct waiter *wt = list_entry(n, struct waiter, node);
		if (!wt->session)
			continue; /* an auth_query: not a client's own wait */
		f->cl_waiting++;
		if (now_us - wt->since_us > f->maxwait_us)
			f->maxwait_us = now_us - wt->since_us;
	}
	f->cl_active = p->n_sessions > f->cl_waiting ? p->n_sessions - f->cl_waiting : 0;
	for (int st = 0; st < LINK_CLOSING; st++) {
		f->sv[st] = p->n_links[st];
		list_for(n, &p->links[st])
			f->cl_cancel += list_entry(n, struct link, node)->cancel != NULL;
	}
}

static void count_name(
	void *arg, const char *host, int64_t ttl_left_us, const struct resolver_addr *a, unsigned n)
{
	unsigned *names = arg;
	(void)host;
	(void)ttl_left_us;
	(void)a;
	(void)n;
	(*names)++;
}

void collect_pools(struct worker *w, struct pool_part *p)
{
	size_t n = 0;
	int64_t now_us = loop_now_us(w->loop);
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING; st++) {
		p->state_n[st] = w->n_sessions[st];
		p->clients += w->n_sessions[st];
	}
	p->logins = w->n_sessions[SESSION_LOGIN];
	list_for(sn, &w->sessions[SESSION_IDLE])
		p->consoles += list_entry(sn, struct session, node)->is_console;
	list_for(sn, &w->shards)
		n++;
	p->shards = (unsigned)n;
	p->cancels = w->n_cancels;
	resolver_each(w->resolver, count_name, &p->dns_names);
	p->dns_pending = resolver_pending(w->resolver);
	p->v = n ? mem_alloc(MEM_ADMIN, n * sizeof *p->v) : NULL;
	if (n && !p->v) {
		p->no_memory = true;
		return;
	}
	list_for(sn, &w->shards) {
		struct pool_fact *f = &p->v[p->n++];
		add_pool(f, list_entry(sn, struct pool_shard, node), now_us);
		for (int st = 0; st < LINK_CLOSING; st++)
			p->servers += f->sv[st];
	}
}
