/* link_hand - the server connection that a session keeps, and takes along to the process after an
 * upgrade: what core knows of it as bytes, and back. It stays that session's there: when it lets go
 * of it, it is closed, never given to another, so that a mistake in what was written can do harm to
 * nobody else. Ignorant of how the session moves (session_move.c), and of what the protocol writes.
 * Runs on the session's worker. */
#include "core_int.h"

#include <string.h>

enum { FLAG_REPLICA = 1, FLAG_OUTDATED = 2, FLAG_USED = 4, FLAGS_ALL = 7 };

/* ---- out: the old process ---- */

bool hand_may_go(const struct session *s)
{
	const struct link *l = s->link;
	if (!l || s->state != SESSION_ACTIVE || s->request_us || s->in_tx ||
		l->state != LINK_ACTIVE || !l->ops->link_hand_out)
		return false;
	const struct server_node *n = l->pool->node;
	bool fenced = n && l->fence != atomic_load(&n->fence);
	return !fenced && !l->login && !l->st.ssl && !l->st.coding && !l->cancel && !l->paused &&
	       !l->asking && !l->checking && !l->st.eof && !l->st.error && !buf_len(&l->st.in) &&
	       !stream_queued(&l->st) && l->ops->link_movable(l->lst);
}

static void put_known(const struct link *l, struct buf *b)
{
	const struct pool *o = l->pool;
	const struct topo_cluster *tc = o->node ? l->shard->home->topo : NULL;
	bool outdated = l->epoch != atomic_load(&o->db->epoch);
	buf_put_u8(b, (uint8_t)((l->replica ? FLAG_REPLICA : 0) | (outdated ? FLAG_OUTDATED : 0) |
				(l->used ? FLAG_USED : 0)));
	buf_put_u64le(b, (uint64_t)l->born_us);
	buf_put_u64le(b, (uint64_t)l->state_us);
	buf_put_text(b, l->host);
	buf_put_u16be(b, (uint16_t)l->port);
	buf_put_text(b, o->user);
	buf_put_text(b, link_database(l->shard));
	buf_put_text(b, tc ? tc->conf->name : "");
	buf_put_text(b, o->node ? o->node->where : "");
}

enum proto_stays hand_put(const struct session *s, struct buf *b)
{
	const struct link *l = s->link;
	size_t at = buf_len(b);
	buf_put_u32be(b, 0);
	if (!l)
		return PROTO_STAYS_NOT;
	if (l->pool->node && !l->shard->home->topo)
		return PROTO_STAYS_LINK;
	put_known(l, b);
	enum proto_stays why = l->ops->link_hand_out(s->cst, l->lst, b);
	if (why != PROTO_STAYS_NOT || b->failed)
		return why == PROTO_STAYS_NOT ? PROTO_STAYS_TOO_BIG : why;
	buf_set_u32be(b, at, (uint32_t)(buf_len(b) - at - 4));
	return PROTO_STAYS_NOT;
}

/* ---- in: the new process ---- */

struct known { /* what was read, checked for its form only */
	uint8_t flags;
	int64_t born_us, state_us;
	uint16_t port;
	char host[64], user[256], database[256], cluster[256], where[256];
};

static bool read_known(struct rd *r, struct known *k, int64_t now)
{
	k->flags = rd_u8(r);
	k->born_us = (int64_t)rd_u64le(r);
	k->state_us = (int64_t)rd_u64le(r);
	bool host = rd_text(r, k->host, sizeof k->host);
	k->port = rd_u16be(r);
	return host && k->flags <= FLAGS_ALL && k->born_us >= 0 && k->born_us <= now &&
	       k->state_us >= 0 && k->state_us <= now && rd_text(r, k->user, sizeof k->user) &&
	       rd_text(r, k->database, sizeof k->database) &&
	       rd_text(r, k->cluster, sizeof k->cluster) && rd_text(r, k->where, sizeof k->where) &&
	       rd_ok(r);
}

bool hand_find(struct rd *r, struct rd *link_r)
{
	uint32_t n = rd_u32be(r);
	const uint8_t *p = rd_bytes(r, n);
	*link_r = rd_of(p, p ? n : 0);
	return rd_ok(r);
}

/* Is that the server which new links of p would be made to, and in the same way? */
static bool is_same(const struct pool_shard *p, const struct known *k, const struct addr *peer)
{
	const struct conf_db *d = p->cdb;
	bool is_unix = addr_is_unix(peer), host = p->pool->node != NULL; /* route_known() */
	for (unsigned i = 0; !host && i < d->hosts_n; i++)
		host = strncmp(d->hosts[i].host, k->host, sizeof k->host - 1) == 0 &&
		       d->hosts[i].port == k->port &&
		       (d->hosts[i].kind != CONF_HOST_TCP) == is_unix;
	return host && strcmp(p->pool->user, k->user) == 0 &&
	       strcmp(link_database(p), k->database) == 0 &&
	       (is_unix || !p->tls || p->set.server_tls.mode < CONF_TLS_REQUIRE);
}

static struct pool_shard *find_pool(
	struct session *s, const struct known *k, const struct addr *peer, struct err *e)
{
	struct pool_shard *p = route_known(
		s->shard, k->cluster, k->where, k->flags & FLAG_REPLICA, e);
	if (!p)
		return NULL;
	if (!is_same(p, k, peer)) {
		err_set(e, ERR_CONFIG,
			"new server connections of its pool are made in another way");
		return NULL;
	}
	if (!pool_take_place(p)) {
		err_set(e, ERR_TOO_MANY, "no room for its server connection");
		return NULL;
	}
	return p;
}

static int settle(struct session *s, struct link *l, int *fd, struct rd *r, struct err *e)
{
	int taken = *fd;
	*fd = -1;
	if (stream_init(&l->st, l->w->loop, taken, &link_stream_cb, l, e) != 0)
		return -1;
	if (l->ops->link_hand_in(s->cst, l->lst, l->w->env[l->ops->id], r, e) != 0)
		return -1;
	return !s->ops->client_fits || s->ops->client_fits(s->cst, l->lst, e) ? 0 : -1;
}

int hand_take(struct session *s, int *fd, const struct rd *r, struct err *e)
{
	struct known k = { 0 };
	struct rd x = *r;
	struct addr peer;
	if (!read_known(&x, &k, worker_now(s->w)))
		return err_set(e, ERR_PROTOCOL, "the state of its server connection is malformed");
	if (!s->ops->link_hand_in)
		return err_set(e, ERR_UNSUPPORTED, "its server connection cannot come along");
	addr_peer(&peer, *fd);
	if (peer.u.sa.sa_family == AF_UNSPEC)
		return err_set(e, ERR_SERVER_LOST, "its server connection is closed");
	struct pool_shard *p = find_pool(s, &k, &peer, e);
	if (!p)
		return -1;
	struct link *l = link_bare(p, s->wait.link_class, LINK_ACTIVE);
	if (!l) {
		pool_forget(p->pool, p->w);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	memcpy(l->host, k.host, sizeof l->host);
	l->port = k.port;
	l->addr = peer;
	if (settle(s, l, fd, &x, e) != 0) {
		stream_close(&l->st);
		link_close(l, e->msg);
		return -1;
	}
	l->ephemeral = true; /* see above */
	l->used = k.flags & FLAG_USED;
	l->epoch -= (k.flags & FLAG_OUTDATED) != 0;
	l->born_us = k.born_us;
	l->state_us = k.state_us;
	session_begin_with(s, l);
	l->replica = k.flags & FLAG_REPLICA;
	return 0;
}

bool hand_hold(struct session *s)
{
	return stream_detach(&s->st) == 0 && (!s->link || stream_detach(&s->link->st) == 0);
}

/* ---- both ---- */

bool hand_back(struct session *s)
{
	struct link *l = s->link;
	if (!l || stream_attach(&l->st, s->w->loop, &link_stream_cb, l) == 0)
		return true;
	stream_close(&l->st);
	l->ephemeral = true;
	return false;
}

void hand_close(struct session *s)
{
	struct link *l = s->link;
	if (!l)
		return;
	stream_close(&l->st);
	session_detach(s);
	link_close(l, "it is the other process's");
}
