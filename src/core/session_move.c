/* session_move - sessions that go over to the process after an upgrade: out of this one, into that
 * one. Until the other process has all of a session it is still here, and nothing is read from it;
 * only when it is closed here may it begin there. Ignorant of the wire between the two (server/)
 * and of what the protocol's state looks like. Runs on workers, and on control where it says so. */
#include "core_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FORM 2                  /* of what is written here; proto/ has forms of its own */
#define STATE_MAX_BYTES 190000u /* fits into a message of an upgrade */

struct move_mail {
	struct mail mail;
	struct core *core;
	const struct proto_ops *ops;
	struct core_place from, at;
	bool yes;
	enum core_moved moved;
	int fd;
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
	m->fd = -1;
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

/* ---- the state as bytes ---- */

static void put_addr(struct buf *b, const struct addr *a)
{
	sa_family_t f = a->u.sa.sa_family;
	buf_put_u8(b, f == AF_UNIX ? 1 : f == AF_INET ? 4 : f == AF_INET6 ? 6 : 0);
	buf_put_u16be(b, (uint16_t)addr_port(a));
	if (f == AF_INET)
		buf_append(b, &a->u.in.sin_addr, 4);
	else if (f == AF_INET6)
		buf_append(b, &a->u.in6.sin6_addr, 16);
}

static bool get_addr(struct rd *r, struct addr *a)
{
	uint8_t kind = rd_u8(r);
	uint16_t port = rd_u16be(r);
	const uint8_t *p = kind == 4 || kind == 6 ? rd_bytes(r, kind == 4 ? 4 : 16) : NULL;
	*a = (struct addr){ 0 };
	if (kind == 4 && p) {
		a->u.in.sin_family = AF_INET;
		a->u.in.sin_port = htons(port);
		memcpy(&a->u.in.sin_addr, p, 4);
	} else if (kind == 6 && p) {
		a->u.in6.sin6_family = AF_INET6;
		a->u.in6.sin6_port = htons(port);
		memcpy(&a->u.in6.sin6_addr, p, 16);
	} else if (kind == 1) {
		a->u.sa.sa_family = AF_UNIX;
	}
	return rd_ok(r) && (kind <= 1 || p);
}

/* How links of its pool log in: what clients have taught us cannot be asked for again. */
static void put_creds(struct buf *b, const struct proto_creds *c)
{
	static const struct proto_creds none;
	if (!c)
		c = &none;
	buf_put_text(b, c->password);
	buf_put_u8(b, (uint8_t)(c->has_scram_keys | c->has_native << 1 | c->has_sha2 << 2));
	buf_append(b, c->client_key, sizeof c->client_key);
	buf_append(b, c->server_key, sizeof c->server_key);
	buf_append(b, c->native, sizeof c->native);
	buf_append(b, c->sha2, sizeof c->sha2);
}

static bool get_creds(struct rd *r, struct proto_creds *c)
{
	if (!rd_text(r, c->password, sizeof c->password))
		return false;
	uint8_t has = rd_u8(r);
	const uint8_t *ck = rd_bytes(r, sizeof c->client_key);
	const uint8_t *sk = rd_bytes(r, sizeof c->server_key);
	const uint8_t *native = rd_bytes(r, sizeof c->native);
	const uint8_t *sha2 = rd_bytes(r, sizeof c->sha2);
	if (!rd_ok(r) || has > 7)
		return false;
	c->has_scram_keys = has & 1;
	c->has_native = (has & 2) != 0;
	c->has_sha2 = (has & 4) != 0;
	memcpy(c->client_key, ck, sizeof c->client_key);
	memcpy(c->server_key, sk, sizeof c->server_key);
	memcpy(c->native, native, sizeof c->native);
	memcpy(c->sha2, sha2, sizeof c->sha2);
	return true;
}

static uint8_t role_of(const struct pool_shard *p, unsigned endpoint)
{
	return !p->cdb->cluster               ? PROTO_ROLE_ITS_OWN
	       : endpoint == CONF_ENDPOINT_RO ? PROTO_ROLE_STANDBY
					      : PROTO_ROLE_PRIMARY;
}

/* The number first: it says which worker's it will be. */
static enum proto_stays put_session(struct session *s, struct buf *b)
{
	buf_put_u32be(b, s->number);
	buf_put_u8(b, FORM);
	buf_put_u8(b, role_of(s->shard, s->endpoint));
	buf_put_u8(b, s->came_to);
	buf_put_u8(b, s->endpoint);
	buf_put_u8(b, s->long_key);
	buf_put_u64le(b, s->key);
	buf_put_u64le(b, (uint64_t)s->connected_us);
	buf_put_u64le(b, (uint64_t)s->token.write_us);
	buf_put_u64le(b, (uint64_t)s->token.read_us);
	buf_put_u64le(b, (uint64_t)s->token.replica_us);
	buf_put_u64le(b, (uint64_t)s->token.doubt_until_us);
	put_addr(b, &s->addr);
	buf_put_text(b, s->db->name);
	buf_put_text(b, s->account->name);
	put_creds(b, s->shard->creds);
	enum proto_stays why = s->ops->client_move_out(s->cst, b);
	return why == PROTO_STAYS_NOT && b->failed ? PROTO_STAYS_TOO_BIG : why;
}

/* ---- out: the old process ---- */

static bool may_move(const struct session *s)
{
	return s->state == SESSION_IDLE && s->ops->client_move_out && !s->refused && !s->moving &&
	       !s->link && !s->login && !s->is_console && !s->raw && !s->console &&
	       !s->answer_due && !s->want_close && !s->unread && !s->st.ssl && !s->st.coding &&
	       s->shard && s->shard->cdb && s->slot != UINT32_MAX && !s->cut &&
	       !session_names_itself(s) && !buf_len(&s->st.in) && !stream_queued(&s->st);
}

static void on_out(struct mail *mail, void *owner) /* on control */
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct core *c = m->core;
	(void)owner;
	if (!c->moves.out(c->moves.arg, &m->from, m->ops, m->fd, m->state, m->n))
		core_move_end(c, &m->from, CORE_MOVE_LATER);
	mail_free(m);
}

/* It reads no more; fd stays its own. False: not now. */
static bool move_out(struct session *s)
{
	struct worker *w = s->w;
	struct core_place at = { w->id, s->slot, s->id };
	struct buf b;
	struct move_mail *m = NULL;
	buf_init(&b, STATE_MAX_BYTES);
	s->stays = (uint8_t)put_session(s, &b);
	if (s->stays == PROTO_STAYS_NOT && stream_is_quiet(&s->st))
		m = mail_new(w->core, &at, buf_len(&b), on_out);
	if (m && stream_detach(&s->st) == 0) {
		memcpy(m->state, buf_data(&b), buf_len(&b));
		m->ops = s->ops;
		m->fd = s->st.fd;
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
	list_for_safe(n, &w->sessions[SESSION_IDLE]) {
		struct session *s = list_entry(n, struct session, node);
		if (*done < left && may_move(s))
			*done += move_out(s);
	}
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
	if (stream_attach(&s->st, s->w->loop, &session_stream_cb, s) == 0)
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
		session_close_by(s, 'A', "moved to the new process");
	} else if (s) {
		s->refused = m->moved == CORE_MOVE_REFUSED;
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

struct arrival { /* what was read, checked for its form only */
	uint8_t role, came_to, endpoint, long_key;
	uint32_t number;
	uint64_t key;
	int64_t connected_us;
	struct token token;
	struct addr addr;
	char db[256], user[256];
	struct proto_creds creds;
};

static bool is_time(int64_t us, int64_t now)
{
	return us >= 0 && us <= now + INT64_C(3600000000);
}

static bool read_arrival(struct rd *r, struct arrival *a, int64_t now)
{
	a->number = rd_u32be(r);
	uint8_t form = rd_u8(r);
	a->role = rd_u8(r);
	a->came_to = rd_u8(r);
	a->endpoint = rd_u8(r);
	a->long_key = rd_u8(r);
	a->key = rd_u64le(r);
	a->connected_us = (int64_t)rd_u64le(r);
	a->token.write_us = (int64_t)rd_u64le(r);
	a->token.read_us = (int64_t)rd_u64le(r);
	a->token.replica_us = (int64_t)rd_u64le(r);
	a->token.doubt_until_us = (int64_t)rd_u64le(r);
	return form == FORM && a->came_to <= CONF_ENDPOINT_RO && a->endpoint <= CONF_ENDPOINT_RO &&
	       a->long_key <= 1 && is_time(a->connected_us, now) &&
	       is_time(a->token.write_us, now) && is_time(a->token.read_us, now) &&
	       is_time(a->token.replica_us, now) && is_time(a->token.doubt_until_us, now) &&
	       get_addr(r, &a->addr) && rd_text(r, a->db, sizeof a->db) &&
	       rd_text(r, a->user, sizeof a->user) && *a->db && *a->user && get_creds(r, &a->creds);
}

/* As learn_creds() of a login, by what the configuration says now. */
static bool know_creds(struct worker *w, struct pool_shard *p, const struct proto_creds *told)
{
	const struct user_entry *ue = users_get(w->gen->users, p->pool->user);
	const char *pw = *p->cdb->password                ? p->cdb->password
			 : ue && ue->kind == SECRET_PLAIN ? ue->secret
							  : NULL;
	if (p->creds)
		return true;
	p->creds = mem_alloc(MEM_AUTH, sizeof *p->creds);
	if (!p->creds)
		return false;
	*p->creds = *told;
	if (pw) {
		*p->creds = (struct proto_creds){ 0 };
		snprintf(p->creds->password, sizeof p->creds->password, "%s", pw);
	}
	return true;
}

static bool count(struct session *s, const struct settings *set)
{
	const struct conf_global *g = &s->w->gen->conf->global;
	if (!login_count_below(&s->w->core->clients, g->max_client_conn))
		return false;
	s->counted = true;
	if (!login_count_below(&s->db->clients, set->max_db_client_connections))
		return false;
	if (!login_count_below(&s->account->clients, set->max_user_client_connections)) {
		atomic_fetch_sub(&s->db->clients, 1);
		return false;
	}
	s->counted_db = true;
	return true;
}

static int configure(struct session *s, struct rd *r, struct err *e)
{
	const struct pool_shard *p = s->shard;
	const struct settings *set = &p->set;
	struct proto_client_conf k = {
		.mode = session_mode(set),
		.database = *p->cdb->dbname ? p->cdb->dbname : s->db->name,
		.max_prepared = (unsigned)set->max_prepared_statements,
		.max_stmt_bytes = set->prepared_statement_bytes > UINT32_MAX
					  ? UINT32_MAX
					  : (uint32_t)set->prepared_statement_bytes,
		.no_simple_query = set->disable_pqexec,
		.no_tracking = set->server_state_tracking == CONF_TRACKING_OFF,
		.counters = &p->stats->proto,
		.role = role_of(p, s->endpoint),
		.read_only_tx = (int)set->read_only_tx,
		.tx_lost = session_tx_lost(s),
		.defer_begin = set->defer_begin,
		.names = p->cdb->cluster ? &p->stats->names : NULL,
		.ruling = &s->ruling,
		.meter = &s->meter,
	};
	session_meter(s);
	s->greeted = true; /* client_fini() is due */
	return s->ops->client_move_in(s->cst, s->w->env[s->ops->id], &k, r, e);
}

/* s is without a stream yet, and closed by the caller if this fails. */
static int settle_in(struct session *s, const struct arrival *a, struct rd *r, struct err *e)
{
	struct worker *w = s->w;
	s->came_to = a->came_to;
	s->endpoint = a->endpoint;
	s->addr = a->addr;
	s->token = a->token;
	s->connected_us = a->connected_us;
	s->db = core_dbase(w->core, s->ops, a->db);
	s->account = core_account(w->core, a->user);
	struct pool_shard *p = s->db && s->account ? shard_get(w, s->ops, a->db, a->user, e) : NULL;
	if (!p)
		return err_is(e) ? -1 : err_set(e, ERR_NO_MEMORY, "out of memory");
	if (!count(s, &p->set))
		return err_set(e, ERR_TOO_MANY, "no more connections allowed");
	if (a->role != role_of(p, s->endpoint))
		return err_set(e, ERR_CONFIG, "its database is served in another way now");
	s->shard = p;
	p->n_sessions++;
	p->last_used_us = worker_now(w);
	if (!know_creds(w, p, &a->creds) || session_find_rules(s) != 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (configure(s, r, e) != 0)
		return -1;
	s->wait.link_class = (uint8_t)s->ops->client_link_class(s->cst);
	key_take_over(s, a->key);
	s->long_key = a->long_key;
	number_take_over(s, a->number);
	return s->slot == UINT32_MAX ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}

/* NULL with e: fd is closed. Else it is there, and reads nothing yet. */
static struct session *move_in(
	struct worker *w, const struct proto_ops *ops, int fd, struct rd *r, struct err *e)
{
	struct arrival a = { 0 };
	bool well = read_arrival(r, &a, worker_now(w));
	struct session *s = well && fd < w->core->client_fd_end ? session_bare(w, ops, fd) : NULL;
	if (!s) {
		err_set(e, ERR_PROTOCOL, "%s",
			well ? "out of memory or descriptors" : "its state is malformed");
		if (!well || fd >= w->core->client_fd_end)
			close(fd);
	} else if (settle_in(s, &a, r, e) != 0) {
		session_close(s, NULL, e->msg);
		s = NULL;
	} else if (stream_detach(&s->st) != 0) {
		err_set(e, ERR_INTERNAL, "its connection is in no state to be taken over");
		session_close(s, NULL, e->msg);
		s = NULL;
	}
	mem_wipe(&a, sizeof a);
	if (!s)
		return NULL;
	session_set_state(s, SESSION_IDLE);
	s->moving = MOVING_IN;
	return s;
}

static void on_in_done(struct mail *mail, void *owner) /* on control */
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	(void)owner;
	m->core->moves.in(m->core->moves.arg, &m->from, &m->at, m->yes);
	mail_free(m);
}

static void on_in(struct mail *mail, void *owner)
{
	struct move_mail *m = list_entry(mail, struct move_mail, mail);
	struct worker *w = owner;
	struct rd r = rd_of(m->state, m->n);
	struct err e = { 0 };
	struct session *s = move_in(w, m->ops, m->fd, &r, &e);
	if (s)
		m->at = (struct core_place){ w->id, s->slot, s->id };
	else
		log_event(EVENT_UPGRADE, "upgrade: a session stays in the old process: %s", e.msg);
	m->yes = s != NULL;
	m->mail.fn = on_in_done;
	loop_post(w->core->loop, &m->mail);
}

bool core_move_in(struct core *c, const struct core_place *from, const struct proto_ops *ops,
	int fd, const uint8_t *state, size_t n)
{
	struct move_mail *m = ops->client_move_in ? mail_new(c, from, n, on_in) : NULL;
	if (!m)
		return false;
	memcpy(m->state, state, n);
	m->ops = ops;
	m->fd = fd;
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
		session_log(EVENT_DEBUG, s, "taken over from the old process");
		session_became_idle(s);
		session_arm(s);
	} else if (s) {
		s->moving = MOVING_NOT;
		stream_close(&s->st); /* without a word: it may go on elsewhere */
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
