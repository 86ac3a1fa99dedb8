/* cancel - cancel keys of our own, and cancel requests on their way: to a running query's server,
 * to a waiting session, or to another weirpool. A link whose cancel is under way is not given to
 * anybody until the server has closed the cancel connection: only then the signal can no longer hit
 * another's query. Where a cancel request is a command (KILL QUERY), the connection logs in as the
 * link did, and the answer to the command takes the place of the close. Ignorant of the request's
 * bytes (proto/). Runs on workers; a request travels
 * from worker to worker until one knows the key. */
#include "core_int.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The first 8 bytes of a key: 31 random bits shown as the process id and 32 more. With peering the
 * pid's top 14 bits are the id of the weirpool that made it, and the last 2 bits count the hops of
 * a forwarded request. */
#define PEER_SHIFT 49
#define HOP_MASK UINT64_C(3)
#define HOPS_MAX 3

struct cancel {
	struct stream st;
	struct list node;
	struct worker *w;
	const struct proto_ops *ops;
	struct link *link; /* NULL: a peer, or the link is gone */
	struct list waits; /* struct cancel_wait */
	int client_fd;     /* closed when the server has closed; -1 none */
	struct timer timer;
	struct resolver_req *req;
	uint8_t key[256];
	size_t key_n;
	int peer_id; /* of the weirpool it goes to; 0: a server */
	void *lst;   /* cancel_logs_in: of this connection; NULL: none */
	bool sent;
};

/* ---- keys ---- */

/* A slot with this key; s->slot UINT32_MAX: no memory. */
void key_take_over(struct session *s, uint64_t key)
{
	struct worker *w = s->w;
	unsigned i;
	for (i = w->free_slot; i < w->n_slots && w->slots[i].session; i++)
		;
	if (i == w->n_slots) {
		unsigned n = w->n_slots ? w->n_slots * 2 : 64;
		struct slot *more = mem_realloc(MEM_SESSION, w->slots, n * sizeof *more);
		if (!more) {
			s->slot = UINT32_MAX; /* no key: its queries cannot be canceled */
			return;
		}
		memset(more + w->n_slots, 0, (n - w->n_slots) * sizeof *more);
		w->slots = more;
		w->n_slots = n;
	}
	s->key = key;
	s->slot = i;
	w->slots[i] = (struct slot){ .key = key, .session = s };
	w->free_slot = i + 1;
}

void key_make(struct session *s)
{
	uint64_t r;
	if (getrandom(&r, sizeof r, 0) != sizeof r) {
		s->slot = UINT32_MAX;
		return;
	}
	r &= UINT64_C(0x7ffffffffffffffc);
	int peer = s->w->gen->conf->global.peer_id;
	if (peer)
		r = (r & ((UINT64_C(1) << PEER_SHIFT) - 1)) | (uint64_t)peer << PEER_SHIFT;
	key_take_over(s, r);
}

void key_name_link(struct session *s)
{
	unsigned pid = s->ops->link_server_pid(s->link->lst);
	if (s->slot == UINT32_MAX || s->w->gen->conf->global.peer_id || !pid || pid > INT32_MAX)
		return;
	s->key = (uint64_t)pid << 32 | (s->key & UINT32_MAX);
	s->w->slots[s->slot].key = s->key;
}

void key_free(struct session *s)
{
	struct worker *w = s->w;
	if (s->slot < w->n_slots && w->slots[s->slot].session == s) {
		w->slots[s->slot] = (struct slot){ 0 };
		if (s->slot < w->free_slot)
			w->free_slot = s->slot;
	}
}

/* All of a key: the 8 bytes, and for those who take more, what only this process can compute from
 * them. */
static void key_expand(uint64_t key, uint8_t out[36])
{
	uint64_t base = key & ~HOP_MASK;
	uint8_t salt;
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(key >> (56 - 8 * i));
	for (salt = 0; salt < 2; salt++) {
		struct hash128_part parts[2] = { { &base, sizeof base }, { &salt, 1 } };
		struct hash128 h = hash128_parts(parts, 2);
		memcpy(out + 8 + 16 * salt, &h, salt ? 12 : 16);
	}
}

size_t key_bytes(const struct session *s, uint8_t out[36], size_t want)
{
	key_expand(s->key, out);
	return want > 36 ? 36 : want < 8 ? 8 : want;
}

struct session *worker_session(struct worker *w, unsigned slot, uint32_t id)
{
	struct session *s = slot < w->n_slots ? w->slots[slot].session : NULL;
	return s && s->id == id ? s : NULL;
}

/* The session of a key as given: 8 bytes for old clients, all 36 for those that got 36. */
static struct session *find(struct worker *w, uint64_t key, const uint8_t *p, size_t n)
{
	uint8_t full[36];
	uint64_t base = key & ~HOP_MASK;
	for (unsigned i = 0; i < w->n_slots; i++) {
		struct session *s = w->slots[i].session;
		if (!s || w->slots[i].key != base)
			continue;
		size_t want = s->is_console || !s->long_key ? 8 : 36;
		if (n != want)
			return NULL;
		key_expand(s->key, full);
		return n == 8 || mem_equal_ct(full + 8, p + 8, n - 8) ? s : NULL;
	}
	return NULL;
}

/* ---- a request's connection to a server or a peer ---- */

static void tell(struct cancel *c, bool shutdown)
{
	struct list *n;
	while ((n = list_pop(&c->waits))) {
		struct cancel_wait *w = list_entry(n, struct cancel_wait, node);
		w->done(w, shutdown);
	}
}

static void finish(struct cancel *c)
{
	struct worker *w = c->w;
	struct link *l = c->link;
	tell(c, false);
	if (c->req)
		resolver_cancel(c->req);
	timer_clear(w->loop, &c->timer);
	stream_close(&c->st);
	if (c->client_fd >= 0)
		close(c->client_fd);
	list_del(&c->node);
	w->n_cancels--;
	list_append(&w->cancels_done, &c->node); /* freed at the turn's end */
	c->link = NULL;
	if (l) {
		l->cancel = NULL;
		if (l->state == LINK_CANCELED && c->lst && c->sent)
			link_absorb(l);
		else if (l->state == LINK_CANCELED)
			link_settle(l);
	}
}

void cancel_link_gone(struct link *l)
{
	l->cancel->link = NULL;
	l->cancel = NULL;
}

static void on_timeout(struct timer *t, void *arg)
{
	struct cancel *c = arg;
	(void)t;
	if (c->link) /* nobody knows whether the signal will still come: the link must not serve
			another */
		c->link->ephemeral = true;
	finish(c);
}

static void send_key(struct cancel *c)
{
	struct worker *w = c->w;
	c->sent = true;
	c->ops->put_cancel(c->lst, &w->up, c->key, c->key_n);
	(void)stream_flush_buf(&c->st, &w->up);
}

/* ---- a connection that logs in for it ---- */

static void begin_login(struct cancel *c)
{
	struct worker *w = c->w;
	struct pool_shard *p = c->link ? c->link->shard : NULL; /* gone: nothing to cancel */
	struct err e = { 0 };
	void *lst = p && p->home->creds ? mem_alloc(MEM_LINK, c->ops->link_size) : NULL;
	if (!lst) {
		finish(c);
		return;
	}
	struct proto_link_login ll = {
		.user = p->pool->user,
		.database = "",
		.creds = p->home->creds,
		.max_scram_iterations = (uint32_t)w->gen->conf->global.scram_iterations_max,
		.tls_try = c->link->st.ssl != NULL,
		.tls_require = c->link->st.ssl != NULL,
		.link_class = c->link->link_class,
	};
	if (c->ops->link_init(lst, w->env[c->ops->id], &ll, &w->up, &e) != 0) {
		mem_free(MEM_LINK, lst);
		buf_consume(&w->up, buf_len(&w->up));
		finish(c);
		return;
	}
	c->lst = lst;
	(void)stream_flush_buf(&c->st, &w->up);
}

static void on_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct cancel *c = owner;
	uint8_t cbind[64];
	if (e && err_is(e)) {
		finish(c);
		return;
	}
	size_t n = tls_server_end_point(st->ssl, false, cbind);
	c->ops->link_tls_done(c->lst, n ? cbind : NULL, n, &c->w->up);
	(void)stream_flush_buf(st, &c->w->up);
}

/* One event of the connection's input. False: no more for now. */
static bool login_step(struct cancel *c)
{
	struct worker *w = c->w;
	struct buf *in = &c->st.in;
	struct err e = { 0 };
	struct pev ev = c->sent ? c->ops->down(NULL, c->lst, buf_data(in), buf_len(in), &w->up,
					  &w->down, &e)
				: c->ops->link_step(c->lst, buf_data(in), buf_len(in), &w->up, &e);
	buf_consume(in, ev.n);
	buf_consume(&w->down, buf_len(&w->down));
	(void)stream_flush_buf(&c->st, &w->up);
	if (ev.kind == PEV_MORE)
		return false;
	if (ev.kind == PEV_AUTH_OK && c->link) {
		send_key(c);
		return false;
	}
	if (ev.kind == PEV_TLS && !buf_len(in) && c->link && c->link->shard->tls &&
		stream_tls_connect(&c->st, c->link->shard->tls, c->link->host, &e) == 0)
		return false;
	if (ev.kind == PEV_NOTE || ev.kind == PEV_DROP || ev.kind == PEV_ROW)
		return true;
	finish(c); /* PEV_QUERY_DONE, or it cannot be done */
	return false;
}

static void login_readable(struct cancel *c)
{
	struct worker *w = c->w;
	size_t got;
	if (c->st.tls == STREAM_HANDSHAKE)
		return;
	while ((got = stream_read(&c->st, w->rbuf, CORE_RBUF_BYTES)) > 0) {
		if (!buf_append(&c->st.in, w->rbuf, got)) {
			finish(c);
			return;
		}
		while (login_step(c))
			;
		if (c->st.closed || c->st.tls == STREAM_HANDSHAKE)
			return;
	}
	if (c->st.eof || c->st.error)
		finish(c);
}

/* ---- events ---- */

static void on_connected(struct stream *st, void *owner, int err)
{
	struct cancel *c = owner;
	struct pool_shard *p = c->link ? c->link->shard : NULL;
	if (!err && p && p->set.server_proxy_protocol != CONF_PROXY_OFF)
		(void)stream_put_proxy(st, NULL);
	if (err)
		finish(c);
	else if (c->ops->cancel_logs_in)
		begin_login(c);
	else
		send_key(c);
}

static void on_readable(struct stream *st, void *owner)
{
	struct cancel *c = owner;
	uint8_t sink[256];
	if (c->lst) {
		login_readable(c);
		return;
	}
	while (stream_read(st, sink, sizeof sink) > 0)
		;
	if (st->eof || st->error)
		finish(c);
}

static void on_drained(struct stream *st, void *owner)
{
	(void)st;
	(void)owner;
}

static const struct stream_cb cancel_cb = {
	.readable = on_readable,
	.drained = on_drained,
	.connected = on_connected,
	.handshaken = on_handshaken,
};

static struct cancel *cancel_new(
	struct worker *w, const struct proto_ops *ops, int client_fd, int64_t timeout_us)
{
	struct cancel *c = mem_alloc(MEM_LINK, sizeof *c);
	if (!c) {
		if (client_fd >= 0)
			close(client_fd);
		return NULL;
	}
	c->w = w;
	c->ops = ops;
	c->client_fd = client_fd;
	c->st.fd = -1;
	c->st.closed = true;
	list_init(&c->node);
	list_init(&c->waits);
	list_append(&w->cancels, &c->node);
	w->n_cancels++;
	timer_init(&c->timer, on_timeout, c);
	timer_set(w->loop, &c->timer, worker_now(w) + (timeout_us ? timeout_us : 10000000));
	return c;
}

void cancel_link(struct link *l, int client_fd)
{
	struct worker *w = l->w;
	struct err e = { 0 };
	const uint8_t *key;
	size_t n = l->login ? 0 : l->ops->link_cancel_key(l->lst, &key);
	if (!n || n > sizeof((struct cancel *)0)->key || l->cancel) { /* one at a time is enough */
		if (client_fd >= 0)
			close(client_fd);
		return;
	}
	struct cancel *c = cancel_new(
		w, l->ops, client_fd, w->gen->conf->global.cancel_wait_timeout_us);
	if (!c)
		return;
	memcpy(c->key, key, n);
	c->key_n = n;
	c->link = l;
	l->cancel = c;
	/* to the very address of the link: a name could lead to another server by now */
	struct sockaddr_storage sa;
	socklen_t sa_n = sizeof sa;
	if (getpeername(l->st.fd, (struct sockaddr *)&sa, &sa_n) != 0 ||
		stream_connect(&c->st, w->loop, (struct sockaddr *)&sa, sa_n, &cancel_cb, c, &e) !=
			0)
		finish(c);
}

unsigned worker_peer_cancels(const struct worker *w, int peer_id, unsigned *connecting_r)
{
	unsigned n = 0;
	*connecting_r = 0;
	list_for(node, &w->cancels) {
		const struct cancel *c = list_entry(node, struct cancel, node);
		if (c->peer_id != peer_id)
			continue;
		n++;
		*connecting_r += c->req || c->st.connecting;
	}
	return n;
}

/* ---- requests from clients ---- */

static uint64_t key_of(const uint8_t *p)
{
	uint64_t k = 0;
	for (int i = 0; i < 8; i++)
		k = k << 8 | p[i];
	return k;
}

static void peer_resolved(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct cancel *c = arg;
	struct err ce = { 0 };
	(void)e;
	c->req = NULL;
	if (n == 0 || stream_connect(&c->st, c->w->loop, (const struct sockaddr *)&a[0].sa, a[0].n,
			      &cancel_cb, c, &ce) != 0)
		finish(c);
}

/* The key was made by another weirpool: passes the request on, at most HOPS_MAX times. */
static void forward_to_peer(
	struct worker *w, const struct proto_ops *ops, int fd, const uint8_t *p, size_t n)
{
	uint64_t key = key_of(p);
	int id = (int)(key >> PEER_SHIFT);
	const struct conf_peer *peer = conf_peer_find(w->gen->conf, id);
	unsigned hops = (unsigned)(key & HOP_MASK), running = w->n_cancels;
	if (!peer || hops >= HOPS_MAX ||
		(peer->pool_size > 0 && running >= (unsigned)peer->pool_size * 8)) {
		close(fd);
		return;
	}
	struct cancel *c = cancel_new(w, ops, fd, w->gen->conf->global.cancel_wait_timeout_us);
	if (!c)
		return;
	memcpy(c->key, p, n);
	c->key_n = n;
	c->peer_id = id;
	c->key[7] = (uint8_t)((c->key[7] & ~HOP_MASK) | (hops + 1));
	c->req = resolver_lookup(
		w->resolver, peer->host.host, (unsigned)peer->port, peer_resolved, c);
}

void session_cancel(struct session *s, int fd)
{
	struct worker *w = s->w;
	struct err e = { 0 };
	if (s->state == SESSION_WAITING && !s->login && !s->deaf_us) {
		err_set(&e, ERR_CANCELED, "canceling statement due to user request");
		err_detail(&e, "The session was waiting for a server connection.");
		pool_wait_cancel(&s->wait);
		session_set_state(s, SESSION_IDLE);
		s->ops->client_fail_request(s->cst, &e, &w->down);
		session_send(s, &w->down);
		session_run_input(s);
	} else if (s->link && s->request_us && s->ops->link_owes(s->link->lst)) {
		cancel_link(s->link, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
}

bool session_cancel_wait(struct session *s, struct cancel_wait *w)
{
	if (!s->link || !s->link->cancel)
		return false;
	list_init(&w->node);
	list_append(&s->link->cancel->waits, &w->node);
	return true;
}

struct cancel_mail {
	struct mail mail;
	int fd;
	unsigned first;
	bool last; /* no other process is asked */
	const struct proto_ops *ops;
	struct core *core;
	size_t n;
	uint8_t key[256];
};

/* On control: the other process of an upgrade may know it. */
static void on_stray(struct mail *mail, void *owner)
{
	struct cancel_mail *m = list_entry(mail, struct cancel_mail, mail);
	struct core *c = m->core;
	(void)owner;
	if (atomic_load(&c->has_other))
		c->stray_cancel(c->stray_arg, m->ops, m->fd, m->key, m->n);
	else
		close(m->fd);
	mem_free(MEM_MSG, m);
}

static void on_mail(struct mail *mail, void *owner);

static void look(struct worker *w, struct cancel_mail *m)
{
	struct session *s = find(w, key_of(m->key), m->key, m->n);
	unsigned next = (w->id + 1) % w->core->n_workers;
	if (s) {
		session_cancel(s, m->fd);
	} else if (next != m->first) {
		m->mail.fn = on_mail;
		loop_post(w->core->worker[next]->loop, &m->mail);
		return;
	} else if (!m->last && atomic_load(&w->core->has_other)) {
		m->mail.fn = on_stray;
		loop_post(w->core->loop, &m->mail);
		return;
	} else {
		close(m->fd); /* nobody's: as a server, say nothing */
	}
	mem_free(MEM_MSG, m);
}

static void on_mail(struct mail *mail, void *owner)
{
	look(owner, list_entry(mail, struct cancel_mail, mail));
}

static struct cancel_mail *mail_new(struct worker *w, const struct proto_ops *ops, int fd,
	const uint8_t *key, size_t n, bool last)
{
	struct cancel_mail *m = n < 8 || n > 36 ? NULL : mem_alloc(MEM_MSG, sizeof *m);
	if (!m) {
		close(fd);
		return NULL;
	}
	m->fd = fd;
	m->first = w->id;
	m->last = last;
	m->ops = ops;
	m->core = w->core;
	m->n = n;
	memcpy(m->key, key, n);
	return m;
}

void core_cancel(struct core *c, const struct proto_ops *ops, int fd, const uint8_t *key, size_t n)
{
	struct cancel_mail *m = mail_new(c->worker[0], ops, fd, key, n, true);
	if (!m)
		return;
	m->mail.fn = on_mail;
	loop_post(c->worker[0]->loop, &m->mail);
}

void cancel_request(
	struct worker *w, const struct proto_ops *ops, int fd, const uint8_t *key, size_t n)
{
	int own = w->gen->conf->global.peer_id;
	if (fd < 0)
		return;
	if (n < 8 || n > 36) {
		close(fd);
		return;
	}
	uint64_t k = key_of(key);
	if (own && (int)(k >> PEER_SHIFT) != own) {
		forward_to_peer(w, ops, fd, key, n);
		return;
	}
	struct cancel_mail *m = mail_new(w, ops, fd, key, n, false);
	if (m)
		look(w, m);
}

void cancels_sweep(struct worker *w)
{
	struct list *n;
	while ((n = list_pop(&w->cancels_done))) {
		struct cancel *c = list_entry(n, struct cancel, node);
		if (c->lst)
			c->ops->link_fini(c->lst);
		mem_free(MEM_LINK, c->lst);
		mem_free(MEM_LINK, c);
	}
}

void cancels_free(struct worker *w)
{
	struct list *n;
	while ((n = list_first(&w->cancels))) {
		struct cancel *c = list_entry(n, struct cancel, node);
		tell(c, true);
		finish(c);
	}
	cancels_sweep(w);
}
