/* pg_captured - the ends of what we asked a server ourselves: sync, state query, cleaning, internal
 * queries. Thread: that of the env. */
#include "pg_down_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/row.h"
#include "wire/pg/session.h"

void link_capture_error(struct pg_link *l, const struct err *e)
{
	if (l->query_err == NULL && (l->query_err = mem_alloc(MEM_PROTO, sizeof(*e))) != NULL)
		*l->query_err = *e;
	else if (l->query_err == NULL)
		l->failed = true;
}

void link_capture_failed(struct pg_link *l, const char *why)
{
	struct err e;
	err_set(&e, ERR_INTERNAL, "%s", why);
	link_capture_error(l, &e);
}

/* Copies the error out. False: there was none. */
static bool take_error(struct pg_link *l, struct err *e)
{
	if (l->query_err == NULL)
		return false;
	*e = *l->query_err;
	mem_free(MEM_PROTO, l->query_err);
	l->query_err = NULL;
	return true;
}

/* ---- rows ---- */

int link_query_row(struct pg_link *l, const uint8_t *body, size_t n)
{
	unsigned cols;
	struct rd r;
	const uint8_t *p;
	size_t k;
	if (!pgrow_data_read(body, n, &cols, &r) || cols > 255)
		return -1;
	mem_free(MEM_PROTO, l->cells);
	l->cells = cols ? mem_alloc(MEM_PROTO, cols * sizeof(*l->cells)) : NULL;
	buf_fini(&l->body);
	/* One piece for all texts, so that it does not move: each has its NUL. */
	char *text = (char *)buf_reserve(&l->body, n + cols + 1);
	if (text == NULL || (cols && l->cells == NULL)) {
		l->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < cols; i++) {
		if (!pgrow_data_next(&r, &p, &k))
			return -1;
		l->cells[i] = p ? text : NULL;
		if (p == NULL)
			continue;
		if (k)
			memcpy(text, p, k);
		text[k] = 0;
		text += k + 1;
	}
	return rd_ok(&r) ? (int)cols : -1;
}

/* ---- the sync ---- */

/* The settings could not be made those of the session, so nothing that it sent was executed: each
 * request gets the reason. What it has sent only half is skipped. */
static void refuse_requests(struct dnx *d, const struct err *e)
{
	struct pg_link *l = d->l;
	struct pg_client *c = d->c;
	bool open = false; /* extended messages, their Sync not seen */
	undo_rollback(c);
	for (; l->owed.n > 0; owed_pop(l)) {
		const struct owed *o = owed_head(l);
		bool ends = o->kind == OWED_QUERY || o->kind == OWED_FUNC || o->kind == OWED_SYNC;
		if (o->disp != OWED_FORWARD || o->kind == OWED_COPY_END)
			continue;
		if (!open)
			pgerror_put(d->down, "ERROR", e);
		open = !ends;
		if (ends)
			pgsession_put_ready(d->down, 'I');
	}
	c->skip_to_sync = open;
	c->in_batch = open;
	if (c->up_left > 0)
		c->up_rest = FLOW_DROP;
	state_known(c, l);
}

static enum dn_next sync_failed(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	bool told = l->owed.n > 0 && !l->lost_wait; /* behind that nothing of the client's waits */
	const uint8_t *again;
	size_t again_n;
	varset_assign(&l->env->vars, &l->sync_to, NULL);
	if (d->c && sync_again(d->c, l, &again, &again_n)) {
		enum dn_next r = dn_event(d, PEV_LINK_BAD, PGMSG_HEAD_BYTES + (size_t)h->body_n);
		d->ev.text = again;
		d->ev.text_n = again_n;
		return r;
	}
	sync_kept_drop(l);
	if (d->c)
		d->c->sync_tries = 0;
	if (d->c && told)
		refuse_requests(d, d->e);
	return dn_event(
		d, d->c && told ? PEV_LINK_BAD : PEV_BAD, PGMSG_HEAD_BYTES + (size_t)h->body_n);
}

/* A query of ours is over, and the session that it was for has gone. */
static enum dn_next nobodys(struct dnx *d, const struct pgmsg_head *h)
{
	enum dn_next r = dn_event(d, PEV_TX, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	d->ev.tx = d->l->tx;
	d->ev.idle = !pg_link_owes(d->l);
	return r;
}

static enum dn_next sync_done(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	bool failed = take_error(l, d->e);
	if (!failed && l->tx != TX_IDLE) {
		failed = true;
		err_set(d->e, ERR_INTERNAL,
			"settings could not be restored: the server stayed in a transaction");
	}
	l->sync_wait = false;
	owed_pop(l);
	if (failed)
		return sync_failed(d, h);
	sync_kept_drop(l);
	if (d->c)
		d->c->sync_tries = 0;
	varset_assign(&l->env->vars, &l->have, l->sync_to);
	varset_assign(&l->env->vars, &l->sync_to, NULL);
	if (d->c)
		sync_tell(d->c, l, d->down);
	dn_flush_synth(d);
	if (d->c == NULL)
		return nobodys(d, h);
	if (l->owed.n == 0)
		return dn_event(d, PEV_SYNCED, PGMSG_HEAD_BYTES + 1);
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	return DN_NEXT;
}

/* ---- all of them ---- */

static enum dn_next ask_over(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	struct pg_client *c = d->c;
	struct err ignored;
	if (l->tx != TX_IDLE)
		return dn_bad(d, "a state query opened a transaction", h->type);
	bool failed = take_error(l, &ignored);
	owed_pop(l);
	ask_done(c, l, failed);
	dn_flush_synth(d);
	if (c && c->mode == PROTO_SESSION) {
		c->pins = 0;
		c->acc = 0;
		if (c->want == l->have) {
			flow_cut(&d->f);
			sync_tell(c, l, d->down);
		} else if (!failed && l->owed.n == 0 && !l->ext_open && c->up_left == 0) {
			(void)sync_put(c, l, d->up);
		} else if (!failed) { /* once it is idle */
			l->reask = true;
		}
		flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
		return DN_NEXT;
	}
	if (c == NULL)
		return nobodys(d, h);
	enum dn_next r = dn_event(d, PEV_ASKED, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	d->ev.tx = l->tx;
	d->ev.idle = l->owed.n == 0;
	return r;
}

static enum dn_next query_over(struct dnx *d, const struct pgmsg_head *h, uint8_t capture)
{
	struct pg_link *l = d->l;
	owed_pop(l);
	struct owed *next = owed_head(l);
	if (next && next->disp == OWED_CAPTURE && next->synth == capture) {
		flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
		return DN_NEXT;
	}
	buf_fini(&l->body);
	mem_free(MEM_PROTO, l->cells);
	l->cells = NULL;
	memset(d->e, 0, sizeof(*d->e));
	bool failed = take_error(l, d->e);
	if (capture == PG_CAP_CLEAN && !failed && l->tx == TX_IDLE) {
		if (l->resetting) {
			l->dirty = PG_CLEAN;
			varset_assign(&l->env->vars, &l->have, NULL);
		}
	} else if (capture == PG_CAP_CLEAN && !failed) {
		err_set(d->e, ERR_INTERNAL,
			"the server stayed in a transaction while it was cleaned");
	}
	enum dn_next r = dn_event(d, PEV_QUERY_DONE, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	d->ev.tx = l->tx;
	d->ev.idle = l->owed.n == 0;
	return r;
}

/* A statement was made again for the session, or could not be. */
static enum dn_next named_over(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	struct err e;
	uint32_t id = owed_head(l)->p.named_id;
	bool failed = take_error(l, &e);
	owed_pop(l);
	if (failed)
		named_refused(l, id, &e);
	dn_flush_synth(d);
	if (d->c == NULL)
		return nobodys(d, h);
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	return DN_NEXT;
}

/* The transaction has failed, as the client's. */
static enum dn_next lost_over(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	(void)take_error(l, d->e);
	if (l->tx != TX_FAILED)
		return dn_bad(d, "a transaction that must fail did not", h->type);
	l->lost_wait = false;
	owed_pop(l);
	if (d->c == NULL)
		return nobodys(d, h);
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	return DN_NEXT;
}

/* The transaction is open, as its client was told. */
static enum dn_next begin_over(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	(void)take_error(l, d->e);
	if (l->tx != TX_OPEN)
		return dn_bad(d, "a transaction that must begin did not", h->type);
	l->lost_wait = false;
	owed_pop(l);
	if (d->c == NULL)
		return nobodys(d, h);
	d->c->begun = 0;
	d->c->guarded = false; /* nothing in it may be tried elsewhere */
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	return DN_NEXT;
}

/* It listens again. What it sent meanwhile waits. */
static enum dn_next listen_over(struct dnx *d, const struct pgmsg_head *h)
{
	struct pg_link *l = d->l;
	bool failed = take_error(l, d->e);
	if (l->tx != TX_IDLE)
		return dn_bad(d, "a server that was to listen opened a transaction", h->type);
	l->lost_wait = false;
	owed_pop(l);
	if (d->c == NULL)
		return nobodys(d, h);
	if (!failed)
		d->c->listen_due = false;
	enum dn_next r = dn_event(
		d, failed ? PEV_BAD : PEV_ASKED, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	d->ev.tx = l->tx;
	d->ev.idle = l->owed.n == 0;
	return r;
}

enum dn_next dn_captured(struct dnx *d, const struct pgmsg_head *h, uint8_t capture)
{
	assert(d->f.at == 0);
	switch ((enum pg_capture)capture) {
	case PG_CAP_SYNC: return sync_done(d, h);
	case PG_CAP_ASK: return ask_over(d, h);
	case PG_CAP_NAMED: return named_over(d, h);
	case PG_CAP_LOST: return lost_over(d, h);
	case PG_CAP_BEGIN: return begin_over(d, h);
	case PG_CAP_LISTEN: return listen_over(d, h);
	case PG_CAP_QUERY:
	case PG_CAP_CLEAN: break;
	}
	return query_over(d, h, capture);
}
