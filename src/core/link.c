/* link - a server connection: its states, its end, cleaning it after a session, moving it to
 * another worker. Ignorant of messages (proto/ops writes and reads them) and of who may have it
 * (pool.c). Runs on the link's worker. */
#include "core_int.h"

#include "base/clock.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LEFT_TIMEOUT_US 1000000   /* what a client leaves behind that is not canceled at once */
#define CLEAN_TIMEOUT_US 10000000 /* a link that is not clean by then is closed */

void link_log(enum event_code ev, const struct link *l, const char *fmt, ...)
{
	struct core_party who = { .prefix = "S-0x5",
		.id = l->id,
		.db = l->pool->db->name,
		.user = l->pool->user,
		.host = l->host,
		.port = l->port };
	va_list ap;
	if (!log_on(event_info(ev)->level))
		return;
	va_start(ap, fmt);
	core_vlog(ev, &who, fmt, ap);
	va_end(ap);
}

/* Which state may follow which. */
static bool may_follow(enum link_state a, enum link_state b)
{
	static const unsigned next[LINK_N] = {
		[LINK_CONNECTING] = 1u << LINK_LOGIN | 1u << LINK_CLOSING,
		[LINK_LOGIN] = 1u << LINK_IDLE | 1u << LINK_ACTIVE | 1u << LINK_CLEANING |
			       1u << LINK_CLOSING,
		[LINK_IDLE] = 1u << LINK_ACTIVE | 1u << LINK_CLEANING | 1u << LINK_MOVING |
			      1u << LINK_CLOSING,
		[LINK_ACTIVE] = 1u << LINK_IDLE | 1u << LINK_CLEANING | 1u << LINK_CANCELED |
				1u << LINK_CLOSING,
		[LINK_CLEANING] = 1u << LINK_IDLE | 1u << LINK_CANCELED | 1u << LINK_CLOSING,
		[LINK_CANCELED] = 1u << LINK_IDLE | 1u << LINK_CLEANING | 1u << LINK_CLOSING,
		[LINK_MOVING] = 1u << LINK_IDLE | 1u << LINK_CLOSING,
		[LINK_CLOSING] = 0,
	};
	return next[a] & 1u << b;
}

void link_set_state(struct link *l, enum link_state st)
{
	struct pool_shard *p = l->shard;
	if (l->state == st)
		return;
	assert(may_follow(l->state, st));
	if (l->node.next != &l->node) {
		list_del(&l->node);
		p->n_links[l->state]--;
	}
	l->state = st;
	l->state_us = worker_now(l->w);
	list_push(&p->links[st], &l->node); /* newest first */
	p->n_links[st]++;
}

static void clean_timeout(struct timer *t, void *arg);

struct link *link_bare(struct pool_shard *p, unsigned link_class, enum link_state st)
{
	struct worker *w = p->w;
	const struct proto_ops *ops = p->pool->db->ops;
	struct link *l = mem_alloc(MEM_LINK, sizeof *l + ops->link_size);
	if (!l)
		return NULL;
	l->w = w;
	l->ops = ops;
	l->shard = p;
	l->pool = p->pool;
	l->link_class = (uint8_t)link_class;
	l->place = -1;
	l->st.fd = -1;
	l->st.closed = true;
	list_init(&l->node);
	l->id = atomic_fetch_add(&w->core->link_ids, 1) + 1;
	l->epoch = atomic_load(&p->pool->db->epoch);
	l->fence = p->pool->node ? atomic_load(&p->pool->node->fence) : 0;
	l->gen_serial = w->gen->serial;
	l->born_us = l->state_us = worker_now(w);
	timer_init(&l->timer, clean_timeout, l);
	l->state = st;
	list_push(&p->links[st], &l->node);
	p->n_links[st]++;
	return l;
}

void link_put(struct link *l, struct buf *up)
{
	if (buf_len(up) && !l->st.closed)
		(void)stream_flush_buf(
			&l->st, up); /* a failure shows as st.error at the next read */
}

void link_close(struct link *l, const char *why)
{
	struct worker *w = l->w;
	if (l->state == LINK_CLOSING)
		return;
	assert(!l->session);
	l->close_why = why;
	if (l->gen_serial && w->gen->conf->global.log_disconnections)
		link_log(EVENT_LINK_END, l, "closing because: %s (age=%llds)", why,
			(long long)((worker_now(w) - l->born_us) / 1000000));
	if (l->login)
		link_login_fini(l);
	else if (!l->st.closed && !l->st.eof && !l->st.error && !l->ops->link_owes(l->lst)) {
		l->ops->put_bye(l->lst, &w->up);
		link_put(l, &w->up);
		buf_consume(&w->up, buf_len(&w->up));
	}
	timer_clear(w->loop, &l->timer);
	stream_close(&l->st);
	l->shard->counts->rx_bytes += l->st.rx_bytes;
	l->shard->counts->tx_bytes += l->st.tx_bytes;
	if (l->cancel)
		cancel_link_gone(l);
	link_set_state(l, LINK_CLOSING);
	w->closed = true;
	if (!l->place_given)
		pool_forget(l->pool, w);
}

void link_give_place(struct link *l, const char *why)
{
	assert(l->state == LINK_IDLE);
	l->place_given = true;
	link_close(l, why);
}

void link_free(struct link *l)
{
	list_del(&l->node);
	l->shard->n_links[LINK_CLOSING]--;
	l->ops->link_fini(l->lst);
	mem_free(MEM_LINK, l);
}

/* ---- cleaning ---- */

/* Only the last request may be canceled: were it a BEGIN with more behind it, these would run, and
 * commit, on their own. */
void link_cancel_last(struct link *l)
{
	if (!l->goes_on && l->ops->link_requests(l->lst) == 1)
		cancel_link(l, -1);
}

/* It serves nobody, owes something, and is closed when that takes longer. 0: as cleaning does. */
static void limit_cleaning(struct link *l, int64_t us)
{
	l->timer.fn = clean_timeout;
	timer_set(l->w->loop, &l->timer, worker_now(l->w) + (us ? us : CLEAN_TIMEOUT_US));
}

static void clean_timeout(struct timer *t, void *arg)
{
	struct link *l = arg;
	(void)t;
	bool first = l->goes_on && l->ops->link_requests(l->lst) == 1;
	l->goes_on = false;
	link_cancel_last(l);
	if (first)
		limit_cleaning(l, CLEAN_TIMEOUT_US);
	else
		link_close(l, "cleaning took too long");
}

void link_settle(struct link *l)
{
	struct worker *w = l->w;
	const struct settings *set = &l->shard->set;
	bool session_mode = set->pool_mode == CONF_POOL_SESSION;
	assert(!l->session && !l->authq);
	l->goes_on = false;
	if (l->cancel) {
		link_set_state(l, LINK_CANCELED);
		return;
	}
	if (pool_must_close(l) || l->ops->link_spoiled(l->lst)) {
		link_close(l, "not to be kept");
		return;
	}
	const char *sql = session_mode || set->server_reset_query_always ? set->server_reset_query
									 : "";
	bool always = l->used && (set->server_reset_query_always && *sql);
	if (!l->checking && l->ops->link_clean(l->lst, sql, always, &w->up)) {
		l->used = false;
		link_set_state(l, LINK_CLEANING);
		limit_cleaning(l, CLEAN_TIMEOUT_US);
		link_put(l, &w->up);
		return;
	}
	if (l->checking) /* connect_query is done */
		pool_succeeded(l->shard);
	l->checking = false;
	timer_clear(w->loop, &l->timer);
	pool_release(l);
}

void link_recycle(struct link *l, bool broken, bool goes_on)
{
	struct worker *w = l->w;
	assert(!l->session);
	timer_clear(w->loop, &l->timer);
	if (broken || l->st.eof || l->st.error) {
		link_close(l, broken ? "the client left in the middle of a message"
				     : "the server closed the connection");
		return;
	}
	if (!l->ops->link_owes(l->lst)) {
		link_settle(l);
		return;
	}
	link_set_state(l, LINK_CLEANING);
	limit_cleaning(l, CLEAN_TIMEOUT_US);
	bool asked = l->asking; /* a query of ours, soon answered */
	l->asking = false;
	l->goes_on = goes_on;
	bool ok = l->ops->link_abort(l->lst, &w->up);
	link_put(l, &w->up);
	if (!ok) {
		link_close(l, "the client left and its request cannot be ended");
		return;
	}
	if (!l->ops->link_owes(l->lst))
		link_settle(l);
	else if (goes_on || l->ops->link_requests(l->lst) > 1)
		limit_cleaning(l, LEFT_TIMEOUT_US);
	else if (!asked)
		link_cancel_last(l);
	if (l->paused &&
		l->state != LINK_CLOSING) { /* it had to wait for the client that is gone */
		l->paused = false;
		stream_resume(&l->st);
	}
}

void link_drain(struct link *l)
{
	link_set_state(l, LINK_CLEANING);
	limit_cleaning(l, CLEAN_TIMEOUT_US);
}

void link_check(struct link *l)
{
	struct worker *w = l->w;
	const char *sql = l->shard->set.server_check_query;
	if (!*sql)
		return;
	l->checked_us = worker_now(w);
	l->checking = true;
	link_set_state(l, LINK_CLEANING);
	limit_cleaning(l, l->shard->set.server_connect_timeout_us);
	if (strcmp(sql, "<empty>") == 0)
		l->ops->link_ping(l->lst, &w->up);
	else
		l->ops->link_query(l->lst, sql, NULL, &w->up);
	link_put(l, &w->up);
}

void link_absorb(struct link *l)
{
	struct worker *w = l->w;
	link_set_state(l, LINK_CLEANING);
	limit_cleaning(l, CLEAN_TIMEOUT_US);
	l->ops->link_ping(l->lst, &w->up);
	link_put(l, &w->up);
}

/* ---- moving ---- */

bool link_movable(const struct link *l)
{
	return !l->ephemeral && !l->cancel && !l->paused && buf_len(&l->st.in) == 0 &&
	       buf_len(&l->st.out) == 0 && l->ops->link_movable(l->lst);
}

static void lost(struct link *l, struct worker *w)
{
	struct pool *pool = l->pool;
	stream_close(&l->st);
	l->ops->link_fini(l->lst);
	mem_free(MEM_LINK, l);
	pool_forget(pool, w);
}

static void on_arrival(struct mail *m, void *owner)
{
	struct link *l = list_entry(m, struct link, mail);
	struct worker *w = owner;
	struct pool_shard *p = l->pool->shard[w->id];
	assert(l->state == LINK_MOVING);
	l->w = w;
	if (!p || stream_attach(&l->st, w->loop, &link_stream_cb, l) != 0) {
		lost(l, w);
		return;
	}
	if (!l->ops->link_move_in(l->lst, w->env[l->ops->id])) {
		lost(l, w);
		return;
	}
	l->shard = p;
	timer_init(&l->timer, clean_timeout, l);
	link_set_state(
		l, LINK_IDLE); /* a promise: the turn's end gives it to the first who waits */
	pool_touch(p);
}

void link_move(struct link *l, unsigned to)
{
	struct worker *w = l->w;
	timer_clear(w->loop, &l->timer);
	if (stream_detach(&l->st) != 0) { /* bytes came meanwhile: it stays */
		l->state = LINK_CLOSING;
		lost(l, w);
		return;
	}
	l->ops->link_move_out(l->lst);
	l->shard = NULL;
	l->mail.fn = on_arrival;
	loop_post(w->core->worker[to]->loop, &l->mail);
}

/* ---- events of the socket ---- */

static void on_readable(struct stream *st, void *owner)
{
	struct link *l = owner;
	(void)st;
	if (l->state == LINK_CLOSING)
		return;
	if (l->login)
		link_login_readable(l);
	else
		session_link_readable(l);
}

static void on_drained(struct stream *st, void *owner)
{
	struct link *l = owner;
	struct session *s = l->session;
	if (s && s->paused && stream_queued(st) < CORE_HIGH_WATER_BYTES / 4) {
		s->paused = false;
		stream_resume(&s->st);
	}
}

const struct stream_cb link_stream_cb = {
	.readable = on_readable,
	.drained = on_drained,
	.connected = link_login_connected,
	.handshaken = link_login_handshaken,
};
