/* upgrade_move - the sessions that are on their way from the old process to the new one, and the
 * three messages of each: here it is; I have it; it is yours. Before the last one only the old
 * process speaks with its client, behind it only the new one; whoever dies in between, there is
 * never more than one. Ignorant of what a session is made of (core/session_move.c). Control
 * thread. */
#include "upgrade_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put_place(struct buf *b, const struct core_place *at)
{
	buf_put_u32be(b, at->worker);
	buf_put_u32be(b, at->slot);
	buf_put_u32be(b, at->id);
}

static struct core_place get_place(struct rd *r)
{
	struct core_place at = { .worker = rd_u32be(r) };
	at.slot = rd_u32be(r);
	at.id = rd_u32be(r);
	return at;
}

static bool same(const struct core_place *a, const struct core_place *b)
{
	return a->worker == b->worker && a->slot == b->slot && a->id == b->id;
}

static struct moving_one *find(struct moving *m, const struct core_place *from)
{
	for (unsigned i = 0; i < UPG_MOVING_MAX; i++)
		if (m->v[i].used && same(&m->v[i].from, from))
			return &m->v[i];
	return NULL;
}

static struct moving_one *add(struct moving *m, const struct core_place *from)
{
	for (unsigned i = 0; i < UPG_MOVING_MAX; i++)
		if (!m->v[i].used) {
			m->v[i] = (struct moving_one){ .used = true, .from = *from };
			m->n++;
			return &m->v[i];
		}
	return NULL;
}

static void drop(struct moving *m, struct moving_one *x)
{
	x->used = false;
	m->n--;
}

static bool say(struct moving *m, enum upg_type type, const struct core_place *from, unsigned how)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	put_place(&b, from);
	buf_put_u8(&b, (uint8_t)how);
	bool ok = *m->fd >= 0 && upg_send(*m->fd, type, &b, -1) == 0;
	buf_fini(&b);
	return ok;
}

/* ---- the old process ---- */

static bool out(void *arg, const struct core_place *from, const struct proto_ops *ops, int fd,
	int link_fd, const uint8_t *state, size_t n)
{
	struct moving *m = arg;
	struct buf b;
	struct moving_one *x = m->on && *m->fd >= 0 ? add(m, from) : NULL;
	if (!x)
		return false;
	buf_init(&b, UPG_BYTES_MAX);
	put_place(&b, from);
	upg_put_text(&b, ops->name);
	buf_append(&b, state, n);
	bool ok = !b.failed && upg_send_two(*m->fd, UPG_SESSION, &b, fd, link_fd) == 0;
	buf_wipe(&b);
	if (!ok)
		drop(m, x);
	return ok;
}

static void gone(void *arg, const struct core_place *from, bool is_gone)
{
	struct moving *m = arg;
	struct moving_one *x = find(m, from);
	if (!x)
		return;
	(void)say(m, UPG_OWN, from, is_gone); /* if the other one has died it has died with it */
	drop(m, x);
	m->round_n += is_gone;
	if (m->n == 0 && m->round_n) /* else the timer tries again */
		moving_begin(m);
}

void moving_begin(struct moving *m)
{
	if (!m->on || m->n)
		return;
	m->round_n = 0;
	core_move_out(m->core);
}

/* ---- those that stay ---- */

#define SAY_US 10000000 /* who stays is logged when it changes, but not more often */

/* "TLS 3, in a transaction 1"; "": nobody does. */
static void describe(const unsigned *n, char *out, size_t size)
{
	size_t at = 0;
	*out = 0;
	for (unsigned i = 0; i < CORE_STAYS_N && at < size; i++)
		if (n[i])
			at += (size_t)snprintf(out + at, size - at, "%s%s %u", at ? ", " : "",
				core_stays_text((enum core_stays)i), n[i]);
}

static void stay(void *arg, const unsigned *n)
{
	struct moving *m = arg;
	struct buf b;
	char text[300];
	int64_t now = clock_mono_us();
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, core_n_sessions(m->core));
	buf_put_u32be(&b, core_held_links(m->core));
	buf_put_u32be(&b, m->core->held_heard);
	for (unsigned i = 0; i < CORE_STAYS_N; i++)
		buf_put_u32be(&b, n[i]);
	if (*m->fd >= 0) /* if it has gone its end tells */
		(void)!upg_send(*m->fd, UPG_LEFT, &b, -1);
	buf_fini(&b);
	describe(n, text, sizeof text);
	if (!*text || now - m->stays_us < SAY_US || memcmp(n, m->stays, sizeof m->stays) == 0)
		return;
	m->stays_us = now;
	memcpy(m->stays, n, sizeof m->stays);
	log_event(EVENT_UPGRADE, "upgrade: clients that do not move yet: %s", text);
}

void moving_tell(struct moving *m)
{
	core_count_stays(m->core);
}

void moving_left(struct moving *m, struct upg_msg *msg)
{
	atomic_store(&m->core->before_clients, rd_u32be(&msg->body));
	m->core->before_links = rd_u32be(&msg->body);
	m->core->before_heard = rd_u32be(&msg->body);
	for (unsigned i = 0; i < CORE_STAYS_N && rd_left(&msg->body) >= 4; i++)
		atomic_store(&m->core->before_stays[i], rd_u32be(&msg->body));
}

bool moving_taken(struct moving *m, struct upg_msg *msg)
{
	struct core_place from = get_place(&msg->body);
	uint8_t how = rd_u8(&msg->body);
	struct moving_one *x = find(m, &from);
	if (!rd_ok(&msg->body) || how > CORE_MOVE_LATER || !x || x->here)
		return false;
	x->here = true; /* it is answered once */
	core_move_end(m->core, &from, (enum core_moved)how);
	return true;
}

/* ---- the new process ---- */

bool moving_session(struct moving *m, struct upg_msg *msg)
{
	struct core_place from = get_place(&msg->body);
	const char *name = upg_get_text(&msg->body);
	const struct proto_ops *ops = name ? proto_by_name(name) : NULL;
	size_t n = rd_left(&msg->body);
	const uint8_t *state = rd_bytes(&msg->body, n);
	if (!rd_ok(&msg->body) || !ops || msg->fd < 0 || find(m, &from) || !add(m, &from))
		return false;
	if (core_move_in(m->core, &from, ops, msg->fd, msg->second, state, n))
		msg->fd = msg->second = -1;
	else
		(void)say(m, UPG_TAKEN, &from, CORE_MOVE_REFUSED);
	return true;
}

static void in(
	void *arg, const struct core_place *from, const struct core_place *at, enum core_moved how)
{
	struct moving *m = arg;
	struct moving_one *x = find(m, from);
	bool is_in = how == CORE_MOVED;
	if (x && is_in) {
		x->at = *at;
		x->here = true;
	}
	if (!x || !say(m, UPG_TAKEN, from, how)) {
		if (is_in)
			core_move_start(m->core, at, false);
		if (x)
			drop(m, x);
	}
}

bool moving_own(struct moving *m, struct upg_msg *msg)
{
	struct core_place from = get_place(&msg->body);
	uint8_t yes = rd_u8(&msg->body);
	struct moving_one *x = find(m, &from);
	if (!rd_ok(&msg->body) || yes > 1 || !x || (yes && !x->here))
		return false;
	if (x->here)
		core_move_start(m->core, &x->at, yes);
	drop(m, x);
	return true;
}

/* ---- both ---- */

void moving_lost(struct moving *m, bool is_new)
{
	for (unsigned i = 0; i < UPG_MOVING_MAX; i++) {
		struct moving_one *x = &m->v[i];
		if (!x->used)
			continue;
		if (is_new && x->here)
			core_move_start(m->core, &x->at, false);
		else if (!is_new && !x->here)
			core_move_end(m->core, &x->from, CORE_MOVE_LATER);
		/* what is not here yet finds no entry when it comes (in(), gone()) */
		drop(m, x);
	}
	m->on = false;
}

void moving_init(struct moving *m, struct core *core, int *fd)
{
	unsigned n = UPG_MOVING_MAX / core->n_workers;
	*m = (struct moving){ .core = core, .fd = fd, .stays_us = -SAY_US };
	core->moves.each_n = n ? n : 1; /* workers read it: not changed any more */
	core->moves.arg = m;
	core->moves.out = out;
	core->moves.gone = gone;
	core->moves.in = in;
	core->moves.stay = stay;
}
