/* pg_up - what a client sends while it is served: looks at each message, notes which reply it will
 * cause, and lets it pass. Query is pg_up_query.c's, statement names are pg_up_ext.c's. Ignorant of
 * pools and sockets. Thread: that of the env. Source: PostgreSQL docs, Message Flow. */
#include "pg_up_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/pg/error.h"
#include "wire/pg/session.h"

/* ---- kinds of messages ---- */

static bool names_statement(uint8_t type)
{
	return type == 'P' || type == 'B' || type == 'D' || type == 'C';
}

/* That the server has work with: not what ends a batch, nor the data of a COPY. */
static bool is_request(uint8_t type)
{
	return type == 'Q' || names_statement(type) || type == 'E' || type == 'F';
}

static bool is_known(uint8_t type)
{
	return is_request(type) || type == 'S' || type == 'H' || type == 'd' || type == 'c' ||
	       type == 'f';
}

/* ---- ways to go on ---- */

/* Events stand alone: what was handled before goes first, and the message is looked at again with
 * the next call. So a handler may change nothing before it decides on one. */
enum up_next up_event(struct upx *u, enum pev_kind kind)
{
	if (u->f.at > 0)
		return UP_STOP;
	u->ev = (struct pev){ .kind = kind };
	if (kind == PEV_REQUEST) {
		struct proto_wish *w = &u->c->env->wish;
		u->c->only_read = u->ev.reads = pg_reads(u->c, u->f.p, u->f.n, w);
		u->c->hinted = w->hinted;
		u->ev.wish = w;
		u->c->looked = true;
	}
	return UP_EVENT;
}

enum up_next up_bad(struct upx *u, enum err_code code, const char *what)
{
	enum up_next r = up_event(u, PEV_BAD);
	if (r == UP_EVENT)
		err_set(u->e, code, "%s", what);
	return r;
}

/* It must wait for what the link still owes: looked at again when core calls after PEV_SYNCED,
 * PEV_TX or PEV_ASKED. */
enum up_next up_hold(struct upx *u)
{
	(void)u;
	return UP_STOP;
}

enum up_next up_pass_owed(
	struct upx *u, const struct pgmsg_head *h, enum owed_kind kind, unsigned flags)
{
	struct owed *o = owed_push(u->l, kind, OWED_FORWARD);
	if (o)
		o->flags = (uint16_t)flags;
	flow_pass(&u->f, total_of(h));
	return UP_NEXT;
}

/* ---- the Sync that waits behind a COPY FROM STDIN ---- */

/* A server that copies in eats a Sync without answering. So a Sync behind an Execute of a COPY is
 * kept back (a Flush goes instead) until that Execute was answered. When the client goes on without
 * data, the Sync goes first; when it has sent data and its end already, all that follows waits.
 * False: it must wait. */
static bool release_held(struct upx *u)
{
	struct pg_link *l = u->l;
	struct owed *o = owed_tail(l);
	if (l->n_held == 0)
		return true;
	if (l->n_held > 1 || o->kind != OWED_SYNC)
		return false;
	o->flags &= (uint16_t)~OWED_F_HELD;
	l->n_held = 0;
	flow_cut(&u->f);
	pgext_put_sync(u->up);
	return true;
}

/* Their time has come while a message was passing in pieces. */
static void send_due(struct pg_link *l, struct buf *up)
{
	for (uint32_t i = 0; l->n_held > 0; i++) {
		struct owed *o = owed_at(l, i);
		if (!(o->flags & OWED_F_HELD))
			continue;
		o->flags &= (uint16_t)~OWED_F_HELD;
		l->n_held--;
		pgext_put_sync(up);
	}
	l->held_due = false;
}

/* An extended message is about to be sent. */
void up_in_batch(struct upx *u)
{
	u->c->looked = false;
	u->c->in_batch = true;
	u->l->ext_open = true;
}

/* ---- noting ---- */

const struct pg_lex_opts *pg_lex(struct pg_client *c)
{
	static const char *const unsafe[] = { "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB",
		"SHIFT_JIS_2004" };
	struct proto_env *v = c->env;
	if (v->lex.valid && v->lex_told == c->told)
		return &v->lex;
	varset_assign(&v->vars, &v->lex_told, c->told);
	const char *scs = varset_get(c->told, "standard_conforming_strings");
	const char *enc = varset_get(c->told, "client_encoding");
	const char *ver = varset_get(c->told, "server_version");
	v->lex = (struct pg_lex_opts){ .valid = true,
		.scs = scs == NULL || strcmp(scs, "off") != 0 };
	for (size_t i = 0; enc && i < sizeof(unsafe) / sizeof(*unsafe); i++)
		if (strcasecmp(enc, unsafe[i]) == 0)
			v->lex.unsafe_encoding = true;
	for (unsigned i = 0; ver && i < 3 && ver[i] >= '0' && ver[i] <= '9'; i++)
		v->lex.server_major = v->lex.server_major * 10 + (unsigned)(ver[i] - '0');
	return &v->lex;
}

/* May it draw from a sequence? */
#define MAY_DRAW (SQL_F_SEQ_USE | SQL_F_WRITE | SQL_F_UNKNOWN | SQL_F_EXECUTE | SQL_F_BAD)

void up_note(struct upx *u, uint64_t flags)
{
	struct pg_client *c = u->c;
	if ((flags & SQL_F_TX_BEGIN) && ((c->acc | flags) & STATE_RELEVANT))
		c->mixed = true;
	c->ends_tx = (flags & SQL_F_TX_END) && !(flags & (SQL_F_TX_CHAIN | SQL_F_MULTI));
	c->acc |= flags;
	if (c->n_requests < UINT16_MAX)
		c->n_requests++;
	if (c->n_requests > 1)
		learn_forget_set(c);
	if ((flags & SQL_F_DISCARD_ALL) && c->start)
		c->may_reset = true;
	if ((flags & STATE_SETTINGS) && c->salt == 0)
		c->salt = ++c->env->next_salt;
	if ((flags & SQL_F_DDL) && c->names)
		proto_catalog_changed();
	if (flags & SQL_F_LOAD)
		c->pins_kept |= PIN(LOAD);
	if (flags & SQL_F_SEED)
		c->pins_kept |= PIN(SEED);
	if (flags & SQL_F_OPAQUE)
		c->pins_kept |= PIN(UNKNOWN);
	if (u->l && (flags & MAY_DRAW)) {
		u->l->drawn_by_others = seq_is_foreign(c, u->l);
		u->l->last_client_id = c->id;
		u->l->same_client = true;
	}
	if (flags & SQL_F_SEQ_READ)
		c->seq_used = true;
	if (c->seq_used && (flags & (SQL_F_SEQ_USE | SQL_F_WRITE)))
		c->pins_kept |= PIN(SEQUENCE);
}

/* currval() and lastval() on a link on which somebody else was the last to draw would tell somebody
 * else's value. From the first of them on, links are made to forget what others have drawn
 * (pg_attach()): then what the server says is the session's own, or an error. */
bool up_seq_refused(struct upx *u, uint64_t flags, bool alone, struct err *why)
{
	struct pg_client *c = u->c;
	const struct pg_link *l = u->l;
	if (!(flags & SQL_F_SEQ_READ) || c->mode == PROTO_SESSION)
		return false;
	c->env->seq_reads = true;
	if ((flags & SQL_F_SEQ_USE) || (!alone && (flags & SQL_F_WRITE)))
		return false; /* what it reads it may draw itself */
	bool now = l->tx != TX_IDLE || (c->acc & (SQL_F_SEQ_USE | SQL_F_WRITE)) != 0;
	for (uint32_t i = 0; i < l->owed.n && !now; i++)
		now = owed_at(u->l, i)->disp == OWED_FORWARD; /* a request of this session */
	if (l->same_client && (now || !l->drawn_by_others))
		return false;
	c->seq_used = true; /* it keeps its link from its next write on */
	err_set(why, ERR_UNSUPPORTED,
		"currval() or lastval() would tell another session's value: "
		"this session's last server connection was given away");
	memcpy(why->sqlstate, "55000", 6);
	err_hint(why,
		"Use INSERT ... RETURNING, do both in one transaction, or use session pooling.");
	return true;
}

/* PREPARE, EXECUTE or DEALLOCATE of a name of ours, which are shared by sessions. */
bool up_names_ours(const struct sql_stmt_info *info, struct err *why)
{
	if (info->n_statements != 1 || !pg_is_our_name(info->name, info->name_n))
		return false;
	if (info->verb == SQL_V_PREPARE)
		err_set(why, ERR_DUP_STATEMENT, "prepared statement \"%s\" already exists",
			info->name);
	else if (info->verb == SQL_V_EXECUTE || info->verb == SQL_V_DEALLOCATE)
		err_set(why, ERR_NO_STATEMENT, "prepared statement \"%s\" does not exist",
			info->name);
	else
		return false;
	return true;
}

static bool push_forced(struct upx *u, enum owed_kind kind, const struct err *why)
{
	struct owed *o = owed_push(u->l, kind, OWED_FORWARD);
	struct err *copy = mem_alloc(MEM_PROTO, sizeof(*copy));
	if (o == NULL || copy == NULL) {
		mem_free(MEM_PROTO, copy);
		u->l->failed = true;
		return false;
	}
	*copy = *why;
	o->flags = OWED_F_FORCED;
	o->p.err = copy;
	return true;
}

/* A request that must fail although the server does not know: it gets one that cannot succeed, so
 * that its state (skip until Sync, aborted transaction) is right, and its error is replaced by
 * ours. text: of a Parse, whose own errors come first; else NULL. */
enum up_next up_forced(struct upx *u, const struct pgmsg_head *h, const struct err *why,
	const char *text, size_t text_n)
{
	if (h->type == 'Q') {
		static const char missing[] = "DEALLOCATE " PG_STMT_MISSING;
		if (!push_forced(u, OWED_QUERY, why))
			return UP_STOP;
		flow_drop(&u->f, total_of(h));
		pgext_put_query(u->up, missing, sizeof(missing) - 1);
		return UP_NEXT;
	}
	flow_cut(&u->f);
	u->l->no_replay = true;
	if (why->code == ERR_NO_STATEMENT) {
		if (!push_forced(u, OWED_DESC_STMT, why))
			return UP_STOP;
		pgext_put_describe(u->up, 'S', PG_STMT_MISSING);
	} else { /* a name that exists */
		(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
		(void)owed_push(u->l, OWED_PARSE, OWED_SWALLOW);
		if (!push_forced(u, OWED_PARSE, why))
			return UP_STOP;
		pgext_put_close(u->up, 'S', PG_STMT_FORCED);
		pgext_put_parse(u->up, PG_STMT_FORCED, "", 0, NULL, 0);
		pgext_put_parse(u->up, PG_STMT_FORCED, text ? text : "SELECT 1", text ? text_n : 8,
			NULL, 0);
	}
	flow_drop(&u->f, total_of(h));
	return UP_NEXT;
}

void up_synth(struct upx *u, char type, unsigned flags)
{
	if (u->l && (u->l->owed.n > 0 || u->l->down_left > 0)) {
		struct owed *o = owed_push(u->l, OWED_SYNTH, OWED_FORWARD);
		if (o) {
			o->synth = (uint8_t)type;
			o->flags = (uint16_t)flags;
		}
		return;
	}
	pgmsg_put(u->down, (uint8_t)type, NULL, 0);
	if (u->l && type != '1') /* ParseComplete stays true when the statement has to be parsed
				    again */
		u->l->no_replay = true;
	if ((flags & OWED_F_UNDO) && !undo_commit(u->c) && u->l)
		u->l->failed = true;
}

void up_put_dealloc(struct upx *u)
{
	flow_cut(&u->f);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_PARSE, OWED_SWALLOW);
	pgext_put_close(u->up, 'S', PG_STMT_DEALLOC);
	pgext_put_parse(u->up, PG_STMT_DEALLOC, "", 0, NULL, 0);
}

/* ---- Execute, Sync, Flush, FunctionCall, COPY ---- */

static enum up_next up_execute(struct upx *u, const struct pgmsg_head *h)
{
	if (u->l == NULL)
		return up_event(u, PEV_REQUEST);
	/* What is put behind it must not come in its middle. No portal has a longer name. */
	bool whole = is_whole(u, h);
	if (!whole && h->body_n <= u->c->env->max_inspect_bytes)
		return UP_STOP;
	if (u->c->learn && u->c->learn->dealloc_name && names_in_doubt(u->c, u->l))
		return up_hold(u);
	up_in_batch(u);
	struct pgext_execute x;
	bool named = whole && pgext_read_execute(body_of(u), h->body_n, &x);
	if (whole)
		up_count_executed(u, body_of(u), h->body_n);
	struct err why;
	if (lost_refused(u->c, &(struct sql_stmt_info){ .flags = u->l->batch_flags }, &why)) {
		u->l->ticket = (struct proto_ticket){ 0 };
		return up_forced(u, h, &why, NULL, 0);
	}
	enum up_next r = up_pass_owed(
		u, h, OWED_EXECUTE, u->l->batch_flags & SQL_F_COPY_IN ? OWED_F_COPY : 0);
	owed_mark_clears(u->l, u->l->batch_flags);
	if (named)
		named_executed(u, &x);
	if (named)
		reset_executed(u, &x);
	return r;
}

static bool behind_copy(struct pg_link *l)
{
	const struct owed *o = owed_tail(l);
	return o && (o->kind == OWED_EXECUTE || o->kind == OWED_QUERY) &&
	       (o->flags & OWED_F_COPY) && o->disp == OWED_FORWARD;
}

static enum up_next up_sync(struct upx *u, const struct pgmsg_head *h)
{
	struct pg_client *c = u->c;
	struct pg_link *l = u->l;
	if (l == NULL) {
		flow_drop(&u->f, total_of(h));
		pgsession_put_ready(u->down, lost_status(c));
		c->in_batch = false;
		return UP_NEXT;
	}
	if (l->copy_in) { /* the server would eat it */
		flow_drop(&u->f, total_of(h));
		return UP_NEXT;
	}
	bool hold = behind_copy(l) || l->n_held > 0;
	struct owed *o = owed_push(l, OWED_SYNC, OWED_FORWARD);
	if (o && hold) {
		o->flags = OWED_F_HELD;
		l->n_held++;
		flow_drop(&u->f, total_of(h));
		pgext_put_flush(u->up);
	} else {
		flow_pass(&u->f, total_of(h));
	}
	c->in_batch = l->ext_open = l->skipping = false;
	l->batch_flags = 0;
	l->batch_no++;
	return UP_NEXT;
}

static enum up_next up_function(struct upx *u, const struct pgmsg_head *h)
{
	if (u->l == NULL)
		return up_event(u, PEV_REQUEST);
	if (u->c->mode != PROTO_SESSION)
		up_note(u, SQL_F_UNKNOWN);
	u->c->looked = false;
	u->l->no_replay = true;
	return up_pass_owed(u, h, OWED_FUNC, 0);
}

/* CopyData, CopyDone, CopyFail. Late ones, behind a COPY that failed, must not reach a server that
 * knows nothing of it. */
static enum up_next up_copy(struct upx *u, const struct pgmsg_head *h)
{
	struct pg_link *l = u->l;
	bool end = h->type != 'd';
	if (l == NULL || l->skipping || (!l->copy_in && l->owed.n == 0)) {
		flow_drop(&u->f, total_of(h));
		return UP_NEXT;
	}
	if (end && !l->copy_in)
		(void)owed_push(l, OWED_COPY_END, OWED_SWALLOW);
	if (end && l->copy_in) {
		owed_head(l)->flags &= (uint16_t)~OWED_F_COPY;
		l->copy_in = false;
	}
	flow_pass(&u->f, total_of(h));
	return UP_NEXT;
}

/* ---- messages of a request that has failed here ---- */

static bool up_failed(struct upx *u, const struct pgmsg_head *h, enum up_next *r_r)
{
	struct pg_client *c = u->c;
	if (h->type == 'X' || (!c->fail_next && !c->skip_to_sync))
		return false;
	*r_r = UP_NEXT;
	flow_drop(&u->f, total_of(h));
	if (c->fail_next) {
		if (h->type == 'd' || h->type == 'c' || h->type == 'f' || h->type == 'H')
			return true;
		c->fail_next = false;
		c->skip_to_sync = h->type != 'Q' && h->type != 'F';
		if (!c->skip_to_sync)
			pgsession_put_ready(u->down, lost_status(c));
	}
	if (c->skip_to_sync && h->type == 'S') {
		c->skip_to_sync = c->in_batch = false;
		pgsession_put_ready(u->down, lost_status(c));
	}
	return true;
}

/* ---- all messages ---- */

/* Too many replies are owed: the client waits until some have come. A server keeps replies back
 * until somebody says Flush or Sync, and this client may never get to it. */
static bool ring_is_full(struct upx *u)
{
	struct pg_link *l = u->l;
	if (l->full) { /* half of it is free before the next Flush */
		l->full = l->owed.n > PG_OWED_MAX_N / 2;
		return l->full;
	}
	if (l->owed.n < PG_OWED_MAX_N)
		return false;
	if (l->ext_open) {
		flow_cut(&u->f);
		pgext_put_flush(u->up);
	}
	l->full = true;
	return true;
}

/* Behind a DISCARD ALL or DEALLOCATE ALL of this very batch it is not known what the names mean,
 * nor which statements the server has; its answer has to be asked for. */
static bool waits_for_clears(struct upx *u, uint8_t type)
{
	struct pg_link *l = u->l;
	if (l == NULL || l->n_clears == 0 || !l->ext_open || u->c->mode == PROTO_SESSION ||
		!names_statement(type))
		return false;
	if (!l->clears_flushed) {
		flow_cut(&u->f);
		pgext_put_flush(u->up);
		l->clears_flushed = true;
	}
	return true;
}

/* May it go before what waits behind a COPY? */
static bool must_wait(struct upx *u, uint8_t type)
{
	struct pg_client *c = u->c;
	struct pg_link *l = u->l;
	if (l == NULL)
		return false;
	if (l->healing || l->lost_wait)
		return true;
	if (!is_request(type)) /* COPY data passes, Sync queues up */
		return false;
	if (l->ask_wait && c->may_reset)
		return true;
	/* After DISCARD ALL the startup parameters come with the next sync. */
	if (l->n_clears > 0 && c->start && !l->ext_open)
		return true;
	if (unnamed_in_doubt(c, l) || waits_for_clears(u, type))
		return true;
	return l->n_held > 0 && !release_held(u);
}

/* The link is a replica's, and the request that begins here is not for it: it waits until the link
 * is given back. */
static bool is_confined(struct upx *u, uint8_t type)
{
	struct pg_client *c = u->c;
	const struct pg_link *l = u->l;
	if (l == NULL || l->ext_open || !is_request(type))
		return false;
	if (c->looked) /* it is what the link was given for, and it is not sent yet */
		return false;
	c->only_read = c->only_read && c->confined;
	if (!c->confined || l->tx != TX_IDLE)
		return false;
	struct proto_wish w;
	bool reads = pg_reads(c, u->f.p + u->f.at, flow_ahead(&u->f), &w);
	if (c->pins | c->pins_kept) /* there is no other link for it */
		return !reads && !w.vouched;
	return c->hinted || !reads || w.hinted;
}

/* The link will not be given back: what a rule sent there has left something on it. */
static enum up_next confined(struct upx *u, const struct pgmsg_head *h)
{
	const struct pg_client *c = u->c;
	struct err why;
	if (!(c->pins | c->pins_kept) || u->l->owed.n > 0)
		return up_hold(u);
	err_set(&why, ERR_UNSUPPORTED,
		"this session is kept on a replica by what it did before, which cannot do this");
	memcpy(why.sqlstate, "25006", 6);
	if (h->type != 'Q' && h->type != 'P' && h->type != 'B')
		return up_bad(u, ERR_UNSUPPORTED, why.msg);
	if (h->type == 'Q')
		up_query_begins(u);
	else
		up_in_batch(u);
	enum up_next r = up_forced(u, h, &why, NULL, 0);
	if (h->type == 'Q')
		up_query_sent(u);
	return r;
}

static enum up_next up_dispatch(struct upx *u, const struct pgmsg_head *h)
{
	if (must_wait(u, h->type))
		return up_hold(u);
	if (is_confined(u, h->type))
		return confined(u, h);
	if (u->l && !u->l->ext_open && is_request(h->type) && h->type != 'Q' && !named_batch(u))
		return up_hold(u);
	switch (h->type) {
	case 'Q':
		if (u->c->no_simple)
			return up_bad(u, ERR_UNSUPPORTED,
				"PQexec disallowed: disable_pqexec refuses simple queries");
		return up_query(u, h);
	case 'P': return up_parse(u, h);
	case 'B': return up_bind(u, h);
	case 'D':
	case 'C': return up_target(u, h);
	case 'E': return up_execute(u, h);
	case 'S': return up_sync(u, h);
	case 'H':
		if (u->l == NULL || u->l->owed.n == 0)
			flow_drop(&u->f, total_of(h));
		else
			flow_pass(&u->f, total_of(h));
		return UP_NEXT;
	case 'F': return up_function(u, h);
	default: /* d, c, f: up_message() lets nothing else in */ return up_copy(u, h);
	}
}

static enum up_next up_message(struct upx *u)
{
	struct pgmsg_head h;
	enum up_next r;
	if (!pgmsg_head(u->f.p + u->f.at, flow_ahead(&u->f), &h))
		return UP_STOP;
	if (h.body_n == PGMSG_BAD_LENGTH)
		return up_bad(u, ERR_PROTOCOL, "invalid message length");
	if (h.body_n > u->c->env->max_message_bytes) {
		r = up_bad(u, ERR_TOO_BIG, "");
		if (r == UP_EVENT)
			err_set(u->e, ERR_TOO_BIG,
				"message of %u bytes is larger than the %u that are let through",
				h.body_n, u->c->env->max_message_bytes);
		return r;
	}
	if (h.type == 'X') {
		r = up_event(u, PEV_BYE);
		u->ev.n = u->f.n < total_of(&h) ? u->f.n : total_of(&h);
		return r;
	}
	if (!is_known(h.type)) {
		r = up_bad(u, ERR_PROTOCOL, "");
		if (r == UP_EVENT)
			err_set(u->e, ERR_PROTOCOL, "invalid frontend message type %u", h.type);
		return r;
	}
	if ((h.type == 'S' || h.type == 'H' || h.type == 'c') && h.body_n > 0)
		return up_bad(u, ERR_PROTOCOL, "invalid message length");
	if (up_failed(u, &h, &r))
		return r;
	if (u->l && u->l->skipping && h.type != 'S') { /* the server would ignore it */
		flow_drop(&u->f, total_of(&h));
		return UP_NEXT;
	}
	if (u->l && ring_is_full(u))
		return up_hold(u);
	return up_dispatch(u, &h);
}

static struct pev up_raw(const struct pg_link *l, size_t n)
{
	if (l == NULL)
		return (struct pev){ .kind = n ? PEV_REQUEST : PEV_MORE };
	return (struct pev){ .kind = n ? PEV_FORWARD : PEV_MORE, .n = n };
}

/* ---- keeping a batch, so that it can be sent again ---- */

static void replay_begin(struct pg_client *c, struct pg_link *l)
{
	uint32_t ours = (l->sync_wait ? 1U : 0U) + (l->ask_wait ? 1U : 0U);
	if (l->ext_open || l->owed.n > ours || c->up_left > 0)
		return;
	l->replay_n = 0;
	l->no_replay = l->tx != TX_IDLE || c->mode == PROTO_SESSION;
}

static void replay_add(struct pg_link *l, const uint8_t *p, size_t n)
{
	if (l->no_replay || n == 0)
		return;
	if (n > sizeof(l->replay) - l->replay_n) {
		l->no_replay = true;
		return;
	}
	memcpy(l->replay + l->replay_n, p, n);
	l->replay_n = (uint16_t)(l->replay_n + n);
}

static struct pev up_any(struct pg_client *c, struct pg_link *l, const uint8_t *p, size_t n,
	struct buf *up, struct buf *down, struct err *e);

struct pev pg_up(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up, struct buf *down,
	struct err *e)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	if (l == NULL || c->mode == PROTO_RAW)
		return up_any(c, l, p, n, up, down, e);
	size_t was = buf_len(up);
	replay_begin(c, l);
	struct pev ev = up_any(c, l, p, n, up, down, e);
	if (!l->no_replay && buf_len(up) > was)
		replay_add(l, buf_data(up) + was, buf_len(up) - was);
	if (ev.kind == PEV_FORWARD)
		replay_add(l, p, ev.n);
	if (l->sync_wait)
		sync_keep(l, p, ev.n);
	return ev;
}

static struct pev up_any(struct pg_client *c, struct pg_link *l, const uint8_t *p, size_t n,
	struct buf *up, struct buf *down, struct err *e)
{
	if (c->console)
		return pg_console_up(c, p, n, down, e);
	if (c->mode == PROTO_RAW)
		return up_raw(l, n);
	struct upx u = {
		.f = { .p = p, .n = n, .out = up, .left = &c->up_left, .rest = &c->up_rest },
		.c = c,
		.l = l,
		.up = up,
		.down = down,
		.e = e
	};
	if (flow_resume(&u.f, &u.ev)) {
		if (l && l->held_due && c->up_left == 0 && u.ev.kind == PEV_FORWARD) {
			buf_append(up, p, u.ev.n);
			u.ev.kind = PEV_DROP;
			send_due(l, up);
		}
		return u.ev;
	}
	if (l && l->reported != c->told && !l->sync_wait && l->owed.n == 0 && l->down_left == 0)
		sync_tell(c, l, down);
	enum up_next r = UP_NEXT;
	while (r == UP_NEXT && u.f.at < n && c->up_left == 0)
		r = up_message(&u);
	if ((l && l->failed) || up->failed || down->failed) {
		err_set(e, ERR_NO_MEMORY,
			"out of memory, or out of step with what the server was sent");
		return (struct pev){ .kind = PEV_BAD };
	}
	return r == UP_EVENT ? u.ev : flow_end(&u.f);
}
