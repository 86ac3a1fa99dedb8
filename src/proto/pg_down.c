/* pg_down - what a server sends: each message must fit the head of the ring of owed replies, which
 * says whether the client gets it, nobody does, or we read it. Anything else is the end of the
 * link: nobody may see another's rows. Thread: that of the env. Source: PostgreSQL docs, Message
 * Flow. */
#include "pg_run_int.h"
#include "pg_down_int.h"

#include <assert.h>
#include <string.h>

#include "wire/pg/error.h"
#include "wire/pg/session.h"

#define TX_COPY_BYTES 8192U /* a reply up to this goes out in one piece with its ReadyForQuery */

enum dn_next dn_event(struct dnx *d, enum pev_kind kind, size_t n)
{
	assert(d->f.at == 0);
	d->ev = (struct pev){ .kind = kind, .n = n };
	return DN_EVENT;
}

enum dn_next dn_bad(struct dnx *d, const char *what, uint8_t type)
{
	if (d->f.at > 0)
		return DN_STOP;
	err_set(d->e, ERR_SERVER_PROTOCOL, "%s",
		"the server sent what it was not asked for; its connection is closed");
	err_internal(d->e, "%s (message type 0x%02x)", what, type);
	return dn_event(d, PEV_BAD, 0);
}

/* ---- entries come and go ---- */

/* The Syncs that were kept back behind a COPY go now, or behind the message that the client is in
 * the middle of. */
static void send_held(struct dnx *d)
{
	if (d->c && pg_client_mid_message(d->c)) {
		d->l->held_due = true;
		return;
	}
	for (uint32_t i = 0; d->l->n_held > 0; i++) {
		struct owed *o = owed_at(d->l, i);
		assert(i < d->l->owed.n);
		if (!(o->flags & OWED_F_HELD))
			continue;
		o->flags &= (uint16_t)~OWED_F_HELD;
		d->l->n_held--;
		pgext_put_sync(d->up);
	}
}

void dn_held_are_next(struct dnx *d, uint32_t i)
{
	while (d->l->n_held > 0 && i < d->l->owed.n && owed_at(d->l, i)->kind == OWED_COPY_END)
		i++;
	if (d->l->n_held > 0 && i < d->l->owed.n && (owed_at(d->l, i)->flags & OWED_F_HELD))
		send_held(d);
}

/* Answers of our own whose turn it is. */
void dn_flush_synth(struct dnx *d)
{
	struct owed *o;
	while ((o = owed_head(d->l)) != NULL &&
		(o->kind == OWED_SYNTH || o->kind == OWED_COPY_END)) {
		if (o->kind == OWED_SYNTH && d->c) {
			flow_cut(&d->f);
			pgmsg_put(d->down, o->synth, NULL, 0);
			if ((o->flags & OWED_F_UNDO) && !undo_commit(d->c))
				d->l->failed = true;
		}
		owed_pop(d->l);
	}
}

static void complete(struct dnx *d)
{
	struct owed *o = owed_head(d->l);
	d->l->no_replay = true;
	if (o->kind == OWED_EXECUTE && dn_to_client(d, o))
		dn_counted(d, o, false);
	if (o->kind == OWED_PARSE && o->p.ls)
		o->p.ls->confirmed = true;
	if ((o->flags & OWED_F_UNDO) && d->c &&
		!(o->kind == OWED_PARSE ? undo_commit(d->c) : named_answered(d->c, d->l, false)))
		d->l->failed = true;
	if (o->flags & OWED_F_LEARN)
		told_learnt(d->l, o);
	if ((o->flags & OWED_F_TELL) && d->c)
		told_done(d->c, d->l, o);
	owed_pop(d->l);
	dn_held_are_next(d, 0);
	dn_flush_synth(d);
}

/* ---- passing ---- */

static enum dn_next give(struct dnx *d, const struct pgmsg_head *h, const struct owed *o)
{
	if (dn_to_client(d, o) && !(o->flags & OWED_F_MUTED)) {
		d->l->answer.bytes += total_of(h);
		flow_pass(&d->f, total_of(h));
	} else {
		flow_drop(&d->f, total_of(h));
	}
	return DN_NEXT;
}

/* The message ends its entry, perhaps with bytes that are still to come. */
static enum dn_next give_last(struct dnx *d, const struct pgmsg_head *h, const struct owed *o)
{
	give(d, h, o);
	if (d->l->down_left > 0)
		d->l->down_end = h->type;
	else
		complete(d);
	return DN_NEXT;
}

/* ---- COPY ---- */

/* CopyInResponse: Syncs that the client sent before its CopyDone are eaten by the server, and what
 * is behind them is already there. */
static enum dn_next copy_in(struct dnx *d, const struct pgmsg_head *h, struct owed *o)
{
	struct pg_link *l = d->l;
	bool extended = o->kind == OWED_EXECUTE, ours = !dn_to_client(d, o), ended = false;
	o->flags |= OWED_F_COPY;
	give(d, h, o);
	uint32_t i = 1;
	while (i < l->owed.n && !ended) {
		enum owed_kind k = owed_at(l, i)->kind;
		if (k != OWED_SYNC && k != OWED_COPY_END)
			break;
		ended = k == OWED_COPY_END;
		if (k == OWED_SYNC) {
			l->ext_open = extended || l->ext_open;
			if (d->c)
				d->c->in_batch = d->c->in_batch || extended;
		}
		owed_remove(l, i);
	}
	if (ended) { /* CopyDone is on its way; a Sync behind it counts */
		owed_head(l)->flags &= (uint16_t)~OWED_F_COPY;
		dn_held_are_next(d, 1);
		if (owed_find_sync(l) < l->owed.n) {
			l->ext_open = false;
			if (d->c)
				d->c->in_batch = false;
		}
		return DN_NEXT;
	}
	l->copy_in = true;
	if (ours) { /* nobody is there to send data */
		pgmsg_put(d->up, 'f', "canceled", 9);
		l->copy_in = false;
		if (extended && owed_find_sync(l) == l->owed.n) {
			(void)owed_push(l, OWED_SYNC, OWED_SWALLOW);
			pgext_put_sync(d->up);
			l->ext_open = false;
		}
	}
	return DN_NEXT;
}

/* ---- CommandComplete ---- */

/* The named ones: the unnamed statement is not among what is deallocated. */
static void all_statements_gone(struct dnx *d, struct pg_client *c)
{
	linkmap_clear(&d->l->stmts);
	named_clear(d->l);
	if (c)
		stmtmap_clear(c->stmts, &c->env->stmts);
}

static void all_discarded(struct dnx *d, struct pg_client *c)
{
	struct pg_link *l = d->l;
	all_statements_gone(d, c);
	varset_assign(&l->env->vars, &l->have, NULL);
	if (c == NULL)
		return;
	varset_assign(&c->env->vars, &c->want, c->start);
	state_want_changed(c);
	c->pins = 0;
	c->pins_kept &= ~PIN(SEQUENCE);
	c->seq_used = false;
	if (c->learn)
		c->learn->names_overflow = false;
	l->discarded = l->discarding = true;
}

static void note_tag(struct dnx *d, const char *tag, const struct owed *o)
{
	struct pg_client *c = o->disp == OWED_FORWARD ? d->c : NULL;
	if (tag[0] == 'D') {
		if (strcmp(tag, "DISCARD ALL") == 0)
			all_discarded(d, c);
		else if (strcmp(tag, "DEALLOCATE ALL") == 0)
			all_statements_gone(d, c);
		else if (strcmp(tag, "DISCARD SEQUENCES") == 0 && c) {
			c->pins_kept &= ~PIN(SEQUENCE);
			c->seq_used = false;
		}
	}
	if (c && c->mode == PROTO_SESSION && c->start && !(o->flags & OWED_F_FIRST) &&
		(strcmp(tag, "RESET") == 0 || strcmp(tag, "DISCARD ALL") == 0)) {
		d->l->reask = d->l->discarding = true;
		c->may_reset = true; /* what comes while the server is asked waits */
	}
}

static enum dn_next command_complete(struct dnx *d, const struct pgmsg_head *h, struct owed *o)
{
	const char *tag;
	if (h->body_n <= PG_ASYNC_MAX_BYTES) {
		if (!is_whole(d, h))
			return DN_STOP;
		if (!pgsession_read_complete(body_of(d), h->body_n, &tag))
			return dn_bad(d, "malformed CommandComplete", h->type);
		if (tag[0] == 'D' || tag[0] == 'R')
			note_tag(d, tag, o);
		if (o->ticket.sent_us)
			dn_count_rows(d, tag);
	}
	if (dn_to_client(d, o) && d->c->lost == PG_LOST_UNTOLD && o->kind == OWED_QUERY &&
		o->synth == 'C') {
		o->flags |= OWED_F_ERROR;
		dn_put_lost(d, h);
		return DN_NEXT;
	}
	o->flags &= (uint16_t) ~(OWED_F_COPY | OWED_F_OUT);
	if (o->kind == OWED_EXECUTE)
		return give_last(d, h, o);
	give(d, h, o);
	if (o->flags & OWED_F_FIRST)
		o->flags |= OWED_F_MUTED;
	return DN_NEXT;
}

/* ---- rows for us ---- */

static enum dn_next captured_row(struct dnx *d, const struct pgmsg_head *h, const struct owed *o)
{
	if (o->synth != PG_CAP_ASK && o->synth != PG_CAP_QUERY)
		return give(d, h, o);
	if (h->body_n > PG_ASYNC_MAX_BYTES) {
		link_capture_failed(d->l, "a row of an internal query is too large");
		return give(d, h, o);
	}
	if (!is_whole(d, h))
		return DN_STOP;
	if (o->synth == PG_CAP_ASK) {
		ask_row(d->c, d->l, body_of(d), h->body_n);
		return give(d, h, o);
	}
	if (d->f.at > 0)
		return DN_STOP;
	int n = link_query_row(d->l, body_of(d), h->body_n);
	if (n < 0)
		return dn_bad(d, "malformed DataRow", h->type);
	d->ev = (struct pev){ .kind = PEV_ROW,
		.n = total_of(h),
		.cells = (const char *const *)d->l->cells,
		.n_cells = (unsigned)n };
	return DN_EVENT;
}

/* ---- replies, by type ---- */

static bool fits(const struct pg_link *l, const struct owed *o, uint8_t type)
{
	bool run = o->kind == OWED_QUERY || o->kind == OWED_EXECUTE;
	bool desc = o->kind == OWED_DESC_PORTAL ||
		    (o->kind == OWED_DESC_STMT && (o->flags & OWED_F_GOT_T));
	if (o->flags & (OWED_F_ERROR | OWED_F_FORCED))
		return false;
	if (l->copy_in) /* it waits for the end of the data, and can say nothing but an error */
		return false;
	switch (type) {
	case '1': return o->kind == OWED_PARSE;
	case '2': return o->kind == OWED_BIND;
	case '3': return o->kind == OWED_CLOSE;
	case 't': return o->kind == OWED_DESC_STMT && !(o->flags & OWED_F_GOT_T);
	case 'T': return desc || o->kind == OWED_QUERY;
	case 'n': return desc;
	case 'D':
	case 'C':
	case 'I': return run;
	case 's': return o->kind == OWED_EXECUTE;
	case 'G':
	case 'H': return run && !(o->flags & OWED_F_OUT);
	case 'd':
	case 'c': return run && (o->flags & OWED_F_OUT);
	case 'V': return o->kind == OWED_FUNC && !(o->flags & OWED_F_GOT_T);
	default: return false;
	}
}

static bool is_bodyless(uint8_t type)
{
	return type == '1' || type == '2' || type == '3' || type == 'n' || type == 'I' ||
	       type == 's' || type == 'c';
}

/* A server tells the parameters of a statement, and may find out then that it is stale: what it has
 * told is kept from the client when the error will be. False: that is not known yet. */
static bool stale_follows(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, bool *yes_r)
{
	const uint8_t *p = body_of(d) + h->body_n;
	size_t n = flow_ahead(&d->f) - total_of(h), k;
	struct pgmsg_head next;
	struct pgerror f;
	*yes_r = false;
	for (;; p += k, n -= k) {
		if (!pgmsg_head(p, n, &next))
			return false;
		if (next.type != 'E' && next.type != 'N' && next.type != 'S' && next.type != 'A')
			return true;
		if (next.body_n > PG_ASYNC_MAX_BYTES)
			return true;
		k = total_of(&next);
		if (n < k)
			return false;
		if (next.type != 'E')
			continue;
		pgerror_read(p + PGMSG_HEAD_BYTES, next.body_n, &f);
		*yes_r = dn_can_heal(d, o, &f);
		return true;
	}
}

/* ParameterDescription of a statement of ours. */
static enum dn_next parameters(struct dnx *d, const struct pgmsg_head *h, struct owed *o)
{
	bool stale = false;
	if (!d->l->no_replay && d->c) {
		if (h->body_n > PG_DESC_MAX_BYTES)
			return dn_bad(d, "a statement's description is too large", h->type);
		if (!is_whole(d, h) || !stale_follows(d, h, o, &stale))
			return DN_STOP;
	}
	o->flags |= OWED_F_GOT_T;
	if (!stale)
		return give(d, h, o);
	flow_drop(&d->f, total_of(h));
	return DN_NEXT;
}

/* A reply that says what a statement is. */
static enum dn_next learn(struct dnx *d, const struct pgmsg_head *h, struct owed *o)
{
	if (h->body_n > PG_DESC_MAX_BYTES && h->type == 't') { /* it can be prepared, not bound */
		o->flags |= OWED_F_GOT_T;
		return give(d, h, o);
	}
	if (h->body_n > PG_DESC_MAX_BYTES)
		return dn_bad(d, "a statement's description is too large", h->type);
	if (!is_whole(d, h))
		return DN_STOP;
	if (!told_learn(d->l, o, h->type, body_of(d), h->body_n))
		return dn_bad(d, "malformed description of a statement", h->type);
	return h->type == 't' ? parameters(d, h, o) : give_last(d, h, o);
}

static enum dn_next dn_reply(struct dnx *d, const struct pgmsg_head *h)
{
	struct owed *o = owed_head(d->l);
	if (o == NULL || !fits(d->l, o, h->type) || (is_bodyless(h->type) && h->body_n > 0))
		return dn_bad(d, o ? "reply does not fit the request" : "reply without a request",
			h->type);
	if (o->flags & OWED_F_LEARN)
		return learn(d, h, o);
	switch (h->type) {
	case '1':
	case '2':
	case '3':
	case 'n':
	case 's': return give_last(d, h, o);
	case 'I': return o->kind == OWED_EXECUTE ? give_last(d, h, o) : give(d, h, o);
	case 'T': return o->kind == OWED_QUERY ? give(d, h, o) : give_last(d, h, o);
	case 'C': return command_complete(d, h, o);
	case 'D': return o->disp == OWED_CAPTURE ? captured_row(d, h, o) : give(d, h, o);
	case 'G': return copy_in(d, h, o);
	case 't':
		if (o->p.ls)
			return parameters(d, h, o);
		o->flags |= OWED_F_GOT_T;
		return give(d, h, o);
	case 'V': o->flags |= OWED_F_GOT_T; return give(d, h, o);
	case 'H': o->flags |= OWED_F_OUT; return give(d, h, o);
	case 'c': o->flags &= (uint16_t)~OWED_F_OUT; return give(d, h, o);
	default: /* d */ return give(d, h, o);
	}
}

/* ---- ReadyForQuery ---- */

static enum tx_state tx_of(char status)
{
	return status == 'I' ? TX_IDLE : status == 'T' ? TX_OPEN : TX_FAILED;
}

static bool is_idle(const struct dnx *d)
{
	const struct pg_link *l = d->l;
	return l->owed.n == 0 && !l->ext_open && !l->skipping &&
	       !(d->c && (d->c->in_batch || d->c->up_left > 0));
}

static enum dn_next dn_tx(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	struct owed *o = owed_head(l);
	bool pass = dn_to_client(d, o);
	if (pass && (o->flags & OWED_F_UNDO) && !named_answered(d->c, l, o->flags & OWED_F_ERROR))
		l->failed = true;
	if (!pass)
		flow_drop(&d->f, total_of(h));
	else
		flow_pass(&d->f, total_of(h));
	if (o->flags & OWED_F_HEAL)
		dn_healed(d);
	if (pass && l->tx != TX_FAILED)
		d->c->lost = PG_LOST_NO;
	if (pass)
		dn_counted(d, o, o->flags & OWED_F_ERROR);
	owed_pop(l);
	dn_held_are_next(d, 0);
	dn_flush_synth(d);
	if (!pass && d->c)
		return DN_NEXT;
	flow_cut(&d->f);
	if (pass && l->reask && is_idle(d) && l->tx == TX_IDLE && !l->ask_wait) {
		l->reask = false;
		ask_put(d->c, l, d->up);
	}
	d->ev = (struct pev){ .kind = PEV_TX, .n = d->f.at, .tx = l->tx, .idle = is_idle(d) };
	return DN_EVENT;
}

static enum dn_next dn_ready(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	struct owed *o = owed_head(l);
	char status;
	if (!is_whole(d, h))
		return h->body_n == 1 ? DN_STOP : dn_bad(d, "malformed ReadyForQuery", h->type);
	if (!pgsession_read_ready(body_of(d), h->body_n, &status))
		return dn_bad(d, "malformed ReadyForQuery", h->type);
	if (o == NULL || l->copy_in || (o->flags & (OWED_F_HELD | OWED_F_OUT)) ||
		(o->kind != OWED_QUERY && o->kind != OWED_SYNC && o->kind != OWED_FUNC) ||
		(o->kind == OWED_FUNC && !(o->flags & (OWED_F_GOT_T | OWED_F_ERROR))) ||
		((o->flags & OWED_F_FORCED) && !(o->flags & OWED_F_ERROR)))
		return dn_bad(d, "ReadyForQuery that is not due", h->type);
	/* Events of captures stand alone; a long reply goes before its ReadyForQuery. */
	if (d->f.at > 0 && (o->disp == OWED_CAPTURE || d->f.at - d->f.from > TX_COPY_BYTES))
		return DN_STOP;
	l->tx = (uint8_t)tx_of(status);
	l->discarding = false;
	if (o->disp != OWED_CAPTURE)
		return dn_tx(d, h);
	return dn_captured(d, h, o->synth);
}

/* ---- all messages ---- */

/* Nothing of the answer was passed on yet, and core can still ask another server. */
static enum dn_next dn_guard(struct dnx *d)
{
	const struct owed *o = owed_head(d->l);
	if (o == NULL || o->disp != OWED_FORWARD)
		return DN_NEXT;
	switch (pg_refused(d->c, d->l, d->f.p + d->f.at, flow_ahead(&d->f), d->e)) {
	case PG_REFUSAL_NO: d->c->guarded = false; return DN_NEXT;
	case PG_REFUSAL_MAYBE: return DN_STOP;
	case PG_REFUSAL_YES: break;
	}
	return d->f.at > 0 ? DN_STOP : dn_event(d, PEV_REFUSED, 0);
}

static enum dn_next dn_message(struct dnx *d)
{
	struct pgmsg_head h;
	if (d->c && d->c->guarded) {
		enum dn_next r = dn_guard(d);
		if (r != DN_NEXT)
			return r;
	}
	if (!pgmsg_head(d->f.p + d->f.at, flow_ahead(&d->f), &h))
		return DN_STOP;
	if (h.body_n > PGMSG_MAX_BODY_BYTES)
		return dn_bad(d, "impossible message length", h.type);
	switch (h.type) {
	case 'N': return dn_notice(d, &h);
	case 'S': return dn_parameter(d, &h);
	case 'A': return dn_notification(d, &h);
	case 'E': return dn_error(d, &h);
	case 'Z': return dn_ready(d, &h);
	default: return dn_reply(d, &h);
	}
}

/* The rest of a message. When it was the last of its entry, answers of our own may follow at once:
 * then it is copied. */
static bool resume(struct dnx *d)
{
	struct pg_link *l = d->l;
	if (!flow_resume(&d->f, &d->ev))
		return false;
	if (d->c == NULL && d->ev.kind == PEV_FORWARD)
		d->ev.kind = PEV_DROP;
	struct owed *o = owed_head(l);
	if (l->down_left > 0 ||
		(l->down_end == 0 && !(o && (o->kind == OWED_SYNTH || o->kind == OWED_COPY_END))))
		return true;
	if (d->ev.kind == PEV_FORWARD) {
		buf_append(d->down, d->f.p, d->ev.n);
		d->ev.kind = PEV_DROP;
	}
	if (l->down_end) {
		l->down_end = 0;
		complete(d);
	} else {
		dn_flush_synth(d);
	}
	return true;
}

struct pev pg_down(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	if (l->raw)
		return (struct pev){ .kind = n == 0 ? PEV_MORE
					     : c    ? PEV_FORWARD
						    : PEV_DROP,
			.n = n };
	struct dnx d = {
		.f = { .p = p, .n = n, .out = down, .left = &l->down_left, .rest = &l->down_rest },
		.c = c,
		.l = l,
		.up = up,
		.down = down,
		.e = e
	};
	enum dn_next r = DN_NEXT;
	bool resumed = resume(&d);
	while (!resumed && r == DN_NEXT && d.f.at < n && l->down_left == 0)
		r = dn_message(&d);
	if (l->failed || up->failed || (down && down->failed)) {
		err_set(e, ERR_NO_MEMORY,
			"out of memory, or out of step with what the server was sent");
		return (struct pev){ .kind = PEV_BAD };
	}
	if (resumed || r == DN_EVENT)
		return d.ev;
	return flow_end(&d.f);
}
