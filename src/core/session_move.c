/* session_move - sessions that go over to the process after an upgrade: out of this one, into that
 * one. Until the other process has all of a session it is still here, and nothing is read from it;
 * only when it is closed here may it begin there. Ignorant of the wire between the two (server/)
 * and of what the state looks like (session_state.c). Runs on workers, and on control where it says
 * so. */
#include "core_int.h"

#include <string.h>
#include <unistd.h>

#define TELL_US 10000000
#define STATE_MAX_BYTES 190000u /* fits into a message of an upgrade */

struct move_mail {
	struct mail mail;
	struct core *core;
	const struct proto_ops *ops;
	struct core_place from, at;
	bool yes;
	enum core_moved moved;
	int fd, link_fd; /* -1: none */
	size_t n;
	uint8_t state[];
};

static struct move_mail *mail_new(
	struct core *c, const struct core_place *from, size_t n, void (*fn)(struct mail *, void *))
{
	struct move_mail *m = mem_alloc(MEM_MSG, sizeof *m + n);
	if (!m)
		return NULL;
	m->mail.fn = fn;
	m->core = c;
	m->from = *from;
	m->fd = m->link_fd = -1;
	m->n = n;
	return m;
}

static void mail_free(struct move_mail *m)
{
	mem_wipe(m->state, m->n); /* it may have had a password */
	mem_free(MEM_MSG, m);
}

static struct session *session_at(struct worker *w, const struct core_place *at)
{
	struct session *s = worker_session(w, at->slot, at->id);
	return s && s->moving && s->state != SESSION_CLOSING ? s : NULL;
}

/* ---- out: the old process ---- */

static bool may_move(const struct session *s)
{
	return (s->state == SESSION_IDLE ? !s->link : hand_may_go(s)) && s->ops->client_move_out &&
	       !s->refused && !s->moving && !s->login && !s->is_console && !s->raw && !s->console &&
	       !s->answer_due && !s->want_close && !s->unread && !s->st.ssl && !s->st.coding &&
	       s->shard && s->shard->cdb && s->slot != UINT32_MAX && !s->cut && !s->paused &&
	       !session_names_itself(s) && !buf_len(&s->st.in) && !stream_queued(&s->st);
}

static void on_out(struct mail *mail, void *owner) /* on control */
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct core *c = m->core;
	(void)owner;
	if (!c->moves.out(c->moves.arg, &m->from, m->ops, m->fd, m->link_fd, m->state, m->n))
		core_move_end(c, &m->from, CORE_MOVE_LATER);
	mail_free(m);
}

/* Nothing more is read of it, and of its link. False: something has just come. */
static bool stop_reading(struct session *s)
{
	struct link *l = s->link;
	if (!stream_is_quiet(&s->st) || (l && !stream_is_quiet(&l->st)) ||
		stream_detach(&s->st) != 0)
		return false;
	if (!l || stream_detach(&l->st) == 0)
		return true;
	if (stream_attach(&s->st, s->w->loop, &session_stream_cb, s) != 0)
		session_close(s, NULL, "out of memory");
	return false;
}

/* It reads no more; the descriptors stay its own. False: not now. */
static bool move_out(struct session *s)
{
	struct worker *w = s->w;
	struct core_place at = { w->id, s->slot, s->id };
	struct buf b;
	struct move_mail *m = NULL;
	buf_init(&b, STATE_MAX_BYTES);
	s->stays = (uint8_t)state_put(s, &b);
	if (s->stays == PROTO_STAYS_NOT)
		m = mail_new(w->core, &at, buf_len(&b), on_out);
	if (m && stop_reading(s)) {
		memcpy(m->state, buf_data(&b), buf_len(&b));
		m->ops = s->ops;
		m->fd = s->st.fd;
		m->link_fd = s->link ? s->link->st.fd : -1;
		s->moving = MOVING_OUT;
		loop_post(w->core->loop, &m->mail);
	} else if (m) {
		mail_free(m);
		m = NULL;
	}
	buf_wipe(&b);
	return m != NULL;
}

static void each_out(struct worker *w, void *part, void *arg)
{
	unsigned left = *(const unsigned *)arg, *done = part;
	w->hands_over = true;
	for (int st = SESSION_IDLE; st <= SESSION_ACTIVE; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (*done < left && may_move(s))
				*done += move_out(s);
		}
}

void session_offer(struct session *s)
{
	if (s->w->hands_over && list_empty(&s->offer))
		list_append(&s->w->offers, &s->offer);
}

void sessions_offer(struct worker *w)
{
	struct list *n;
	while ((n = list_pop(&w->offers))) {
		struct session *s = list_entry(n, struct session, offer);
		if (w->hands_over && may_move(s))
			(void)move_out(s);
	}
}

void core_move_out(struct core *c)
{
	(void)!core_scatter(c, sizeof(unsigned), each_out, NULL, &c->moves.each_n);
}

/* It goes on here. False: it is closed instead. */
bool session_stay(struct session *s)
{
	s->moving = MOVING_NOT;
	if (hand_back(s) && stream_attach(&s->st, s->w->loop, &session_stream_cb, s) == 0)
		return true;
	stream_close(&s->st);
	return false;
}

static void on_gone(struct mail *mail, void *owner) /* on control */
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	(void)owner;
	m->core->moves.gone(m->core->moves.arg, &m->from, m->yes);
	mail_free(m);
}

/* The other process has it, or does not take it. */
static void on_end(struct mail *mail, void *owner)
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct worker *w = owner;
	struct session *s = session_at(w, &m->from);
	bool gone = m->moved == CORE_MOVED && s;
	if (gone) {
		s->moving = MOVING_NOT;
		stream_close(&s->st); /* the connection lives on in the other's descriptor */
		hand_close(s);
		session_close_by(s, 'A', "moved to the new process");
	} else if (s) {
		s->refused = m->moved == CORE_MOVE_REFUSED;
		list_del(&s->node); /* the others first: so many at a time are offered */
		list_append(&w->sessions[s->state], &s->node);
		if (!session_stay(s))
			session_close(s, NULL, "out of memory");
	}
	m->yes = gone;
	m->mail.fn = on_gone;
	loop_post(w->core->loop, &m->mail);
}

void core_move_end(struct core *c, const struct core_place *at, enum core_moved what)
{
	struct move_mail *m = at->worker < c->n_workers ? mail_new(c, at, 0, on_end) : NULL;
	if (!m)
		return;
	m->moved = what;
	loop_post(c->worker[at->worker]->loop, &m->mail);
}

/* ---- in: the new process ---- */

/* NULL with e: both descriptors are closed. Else it is there, and reads nothing yet. */
static struct session *move_in(struct worker *w, const struct proto_ops *ops, int fd, int link_fd,
	struct rd *r, struct err *e)
{
	struct session *s = fd < w->core->client_fd_end ? session_bare(w, ops, fd) : NULL;
	if (!s) {
		err_set(e, ERR_NO_FDS, "out of memory or descriptors");
		if (fd >= w->core->client_fd_end)
			close(fd);
	} else {
		s->moving = MOVING_IN;
		if (state_take(s, &link_fd, r, e) == 0 && !hand_hold(s))
			err_set(e, ERR_INTERNAL, "its connection is in no state to be taken over");
		if (err_is(e)) {
			session_close(s, NULL, e->msg);
			s = NULL;
		}
	}
	if (link_fd >= 0)
		close(link_fd);
	return s;
}

static void on_in_done(struct mail *mail, void *owner) /* on control */
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	(void)owner;
	m->core->moves.in(m->core->moves.arg, &m->from, &m->at, m->moved);
	mail_free(m);
}

/* Each of those that must wait is offered again each second. */
static void tell_refused(const struct worker *w, bool later, const struct err *e)
{
	static _Atomic int64_t told_us;
	int64_t now = worker_now(w), was = atomic_load(&told_us);
	bool tells = !later || was == 0 || now - was > TELL_US;
	if (tells && later)
		atomic_store(&told_us, now);
	log_event(tells ? EVENT_UPGRADE : EVENT_DEBUG,
		"upgrade: a session stays in the old process%s: %s", later ? " for now" : "",
		e->msg);
}

static void on_in(struct mail *mail, void *owner)
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct worker *w = owner;
	struct rd r = rd_of(m->state, m->n);
	struct err e = { 0 };
	struct session *s = move_in(w, m->ops, m->fd, m->link_fd, &r, &e);
	bool later = e.code == ERR_TOO_MANY || e.code == ERR_NO_FDS ||
		     e.code == ERR_NO_PRIMARY; /* that passes */
	if (s)
		m->at = (struct core_place){ w->id, s->slot, s->id };
	else
		tell_refused(w, later, &e);
	m->moved = s ? CORE_MOVED : later ? CORE_MOVE_LATER : CORE_MOVE_REFUSED;
	m->mail.fn = on_in_done;
	loop_post(w->core->loop, &m->mail);
}

bool core_move_in(struct core *c, const struct core_place *from, const struct proto_ops *ops,
	int fd, int link_fd, const uint8_t *state, size_t n)
{
	struct move_mail *m = ops->client_move_in ? mail_new(c, from, n, on_in) : NULL;
	if (!m)
		return false;
	memcpy(m->state, state, n);
	m->ops = ops;
	m->fd = fd;
	m->link_fd = link_fd;
	struct rd r = rd_of(state, n);
	loop_post(number_worker(c, rd_u32be(&r))->loop, &m->mail); /* who seeks it looks there */
	return true;
}

/* The old process has let go of it, or keeps it. */
static void on_start(struct mail *mail, void *owner)
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct session *s = session_at(owner, &m->from);
	if (s && m->yes && session_stay(s)) {
		session_log(EVENT_DEBUG, s, "taken over from the old process%s",
			s->link ? ", with its server connection" : "");
		if (!s->link)
			session_became_idle(s);
		session_arm(s);
	} else if (s) {
		s->moving = MOVING_NOT;
		stream_close(&s->st); /* without a word: it may go on elsewhere */
		hand_close(s);
		session_close_by(s, 'A', "it stays in the old process");
	}
	mail_free(m);
}

void core_move_start(struct core *c, const struct core_place *at, bool own)
{
	struct move_mail *m = at->worker < c->n_workers ? mail_new(c, at, 0, on_start) : NULL;
	if (!m)
		return;
	m->yes = own;
	loop_post(c->worker[at->worker]->loop, &m->mail);
}
