/* pg_down_error - an ErrorResponse: what the client hears of it, and what falls with it: the server
 * ignores the rest of a batch, so its entries go, with what they would have changed. Whether it can
 * be put right is pg_heal.c's. Thread: that of the env. Source: PostgreSQL docs, Message Flow,
 * Extended Query. */
#include "pg_down_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/pg/error.h"

/* ---- what falls with it ---- */

/* The server ignores what was sent up to the next Sync. */
static void forget_dropped(struct dnx *d, struct owed *o)
{
	struct pg_link *l = d->l;
	if (o->flags & OWED_F_LEARN)
		told_learnt(l, o);
	if (o->flags & OWED_F_FORCED || o->p.ls == NULL)
		return;
	if (o->kind == OWED_PARSE && !o->p.ls->confirmed)
		linkmap_drop(&l->stmts, o->p.ls);
	else if (o->kind == OWED_CLOSE && o->p.ls->gone)
		linkmap_restore(&l->stmts, o->p.ls);
}

/* A Parse of the unnamed statement was not executed: what is there now is not known; unless another
 * one follows. */
static void forget_unnamed(struct dnx *d, bool theirs)
{
	struct pg_link *l = d->l;
	struct pg_client *c = d->c;
	bool follows = false;
	const struct owed *next = NULL; /* of theirs */
	for (uint32_t i = 0; i < l->owed.n; i++) {
		const struct owed *o = owed_at(l, i);
		if (o->kind != OWED_PARSE || !(o->flags & OWED_F_UNNAMED))
			continue;
		follows = true;
		if (next == NULL && o->disp == OWED_FORWARD)
			next = o;
	}
	if (!follows)
		l->has_unnamed = false;
	if (!theirs || c == NULL)
		return;
	if (next) {
		if (next->flags & OWED_F_UNDO)
			undo_forget_unnamed(c);
		return;
	}
	stmt_unref(&c->env->stmts, c->unnamed);
	c->unnamed = NULL;
	c->unnamed_raw = 0;
}

static void drop_to_sync(struct dnx *d)
{
	struct pg_link *l = d->l;
	struct owed *head = owed_head(l);
	bool unnamed = false;
	/* The one that fails has dropped it; those behind were not executed. */
	bool theirs = head && head->kind == OWED_PARSE && (head->flags & OWED_F_UNNAMED) &&
		      head->disp == OWED_FORWARD;
	bool told = false;    /* to the meter: the statement that failed */
	bool renamed = false; /* then all records are of this batch: see names_in_doubt() */
	while (l->owed.n > 0 && owed_head(l)->kind != OWED_SYNC) {
		struct owed *o = owed_head(l);
		renamed = renamed || (o->flags & OWED_F_UNDO);
		if (!told && o->ticket.sent_us && dn_to_client(d, o)) {
			dn_counted(d, o, true);
			told = true;
		}
		if (o->kind == OWED_PARSE && (o->flags & OWED_F_UNNAMED)) {
			unnamed = true;
			theirs = theirs || (o->disp == OWED_FORWARD && !(o->flags & OWED_F_UNDO));
		}
		forget_dropped(d, o);
		named_skipped(l, o);
		owed_pop(l);
	}
	if (renamed && d->c)
		undo_rollback(d->c);
	if (unnamed)
		forget_unnamed(d, theirs);
	if (l->owed.n == 0)
		l->skipping = true;
	dn_held_are_next(d, 0);
}

/* ---- what the client hears ---- */

void dn_put_lost(struct dnx *d, const struct pgmsg_head *h)
{
	struct err why;
	err_set(&why, (enum err_code)d->c->tx_lost, PROTO_TX_LOST_TEXT);
	flow_cut(&d->f);
	pgerror_put(d->down, "ERROR", &why);
	flow_drop(&d->f, total_of(h));
	d->c->lost = PG_LOST_TOLD;
}

static bool is_stale_plan(const struct pgerror *f)
{
	return f->sqlstate && ((strcmp(f->sqlstate, "0A000") == 0 && f->routine &&
				       strcmp(f->routine, "RevalidateCachedQuery") == 0) ||
				      strcmp(f->sqlstate, "26000") == 0);
}

/* A statement of ours that the server cannot use (any more) is parsed again the next time. */
static void drop_stale(struct dnx *d, struct owed *o, const struct pgerror *f)
{
	if ((o->kind == OWED_BIND || o->kind == OWED_DESC_STMT) && !(o->flags & OWED_F_FORCED) &&
		o->p.ls && is_stale_plan(f)) {
		linkmap_drop(&d->l->stmts, o->p.ls);
		told_schema_changed();
	}
}

/* The error that up_forced() provoked, and none that comes before it. */
static bool is_forced(const struct pgerror *f)
{
	return f->sqlstate &&
	       (strcmp(f->sqlstate, "42P05") == 0 || strcmp(f->sqlstate, "26000") == 0);
}

/* The error that was provoked stands for this one. */
static void put_forced(
	struct dnx *d, const struct pgmsg_head *h, const struct pgerror *f, const struct err *why)
{
	if (why->code == ERR_STALE_PLAN)
		pgerror_put_from(d->down, why, "plancache.c", "RevalidateCachedQuery");
	else if (strcmp(f->sqlstate, err_sqlstate(why)) == 0)
		pgerror_put_replaced(d->down, 'E', body_of(d), h->body_n, 'M', why->msg);
	else
		pgerror_put(d->down, "ERROR", why);
}

static void error_to(
	struct dnx *d, const struct pgmsg_head *h, struct owed *o, const struct pgerror *f)
{
	struct err got;
	if (o->disp == OWED_CAPTURE) {
		pgerror_to_err(f, ERR_INTERNAL, &got);
		link_capture_error(d->l, &got);
		flow_drop(&d->f, total_of(h));
	} else if (d->c == NULL) {
		flow_drop(&d->f, total_of(h));
	} else if ((o->flags & OWED_F_FORCED) &&
		   (is_forced(f) || (f->sqlstate && (o->flags & OWED_F_NEEDS)))) {
		flow_cut(&d->f);
		put_forced(d, h, f, o->p.err);
		flow_drop(&d->f, total_of(h));
	} else if (d->c->lost == PG_LOST_UNTOLD && f->sqlstate && !strcmp(f->sqlstate, "25P02")) {
		dn_put_lost(d, h);
	} else if (!dn_put_renamed(d, h, o, f)) {
		flow_pass(&d->f, total_of(h));
	}
	d->l->req_error = d->l->req_error || o->disp != OWED_CAPTURE;
}

enum dn_next dn_error(struct dnx *d, const struct pgmsg_head *h)
{
	struct owed *o = owed_head(d->l);
	struct pgerror f = { 0 };
	bool read = h->body_n <= PG_ASYNC_MAX_BYTES;
	if (read && !is_whole(d, h))
		return DN_STOP;
	if (read)
		pgerror_read(body_of(d), h->body_n, &f);
	if (o == NULL || pgerror_is_fatal(&f)) {
		if (d->f.at > 0)
			return DN_STOP;
		pgerror_to_err(&f, ERR_SERVER_LOST, d->e);
		return dn_event(d, PEV_BAD, 0);
	}
	if (o->flags & OWED_F_ERROR)
		return dn_bad(d, "a second error for one request", h->type);
	bool simple = o->kind == OWED_QUERY || o->kind == OWED_SYNC || o->kind == OWED_FUNC;
	if (o->kind == OWED_SYNC && (o->flags & OWED_F_HELD))
		return dn_bad(d, "error for a Sync that was not sent", h->type);
	if (dn_heal(d, h, o, &f))
		return DN_NEXT;
	if (d->l->healing)
		d->l->healing = PG_HEAL_FAILED;
	drop_stale(d, o, &f);
	if (dn_to_client(d, o))
		memcpy(d->l->answer.code, f.sqlstate ? f.sqlstate : "", f.sqlstate ? 6 : 1);
	error_to(d, h, o, &f);
	if (simple) {
		o->flags |= OWED_F_ERROR;
		o->flags &= (uint16_t)~OWED_F_OUT;
		if (o->flags & OWED_F_COPY)
			d->l->copy_in = false;
	} else {
		d->l->copy_in = false;
		drop_to_sync(d);
	}
	return DN_NEXT;
}
