/* mysql_captured - replies to what we asked a server ourselves: setup, a session's state, the
 * transaction's status, cleaning, internal queries. Thread: that of the env. */
#include "mysql_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/mysql/row.h"

#define CELLS_MAX_N 255U

static size_t total_of(const struct mypacket_head *h)
{
	return MYPACKET_HEAD_BYTES + (size_t)h->payload_n;
}

void my_capture_error(struct my_link *l, const struct err *e)
{
	if (l->query_err == NULL && (l->query_err = mem_alloc(MEM_PROTO, sizeof(*e))) != NULL)
		*l->query_err = *e;
	else if (l->query_err == NULL)
		l->failed = true;
}

/* Copies the error out. False: there was none. */
static bool take_error(struct my_link *l, struct err *e)
{
	if (l->query_err == NULL)
		return false;
	*e = *l->query_err;
	mem_free(MEM_PROTO, l->query_err);
	l->query_err = NULL;
	return true;
}

/* ---- rows ---- */

/* One piece for all texts, so that it does not move: each has its NUL. Cells, or -1. */
static int split_row(struct my_link *l, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	struct mystr cell;
	unsigned cols = 0;
	mem_free(MEM_PROTO, l->cells);
	l->cells = mem_alloc(MEM_PROTO, CELLS_MAX_N * sizeof(*l->cells));
	buf_fini(&l->body);
	char *text = (char *)buf_reserve(&l->body, n + CELLS_MAX_N);
	if (text == NULL || l->cells == NULL) {
		l->failed = true;
		return 0;
	}
	for (; rd_left(&r) && cols < CELLS_MAX_N && myrow_next(&r, &cell); cols++) {
		l->cells[cols] = cell.p ? text : NULL;
		if (cell.p == NULL)
			continue;
		memcpy(text, cell.p, cell.n);
		text[cell.n] = 0;
		text += cell.n + 1;
	}
	return rd_ok(&r) && rd_left(&r) == 0 ? (int)cols : -1;
}

static enum my_next row(struct mydn *d, const struct mypacket_head *h, enum my_capture what)
{
	struct my_link *l = d->l;
	if (what == MY_CAP_QUERY) {
		int n = split_row(l, mydn_body(d), h->payload_n);
		if (n < 0)
			return mydn_bad(d, "malformed row");
		enum my_next r = mydn_event(d, PEV_ROW, total_of(h));
		d->ev.cells = (const char *const *)l->cells;
		d->ev.n_cells = (unsigned)n;
		return r;
	}
	if (what == MY_CAP_ASK || what == MY_CAP_WISH) {
		int n = split_row(l, mydn_body(d), h->payload_n);
		const char *const *cell = (const char *const *)l->cells;
		bool ok = n >= 0 && (what == MY_CAP_ASK ? my_ask_row(d->c, l, cell, (unsigned)n)
							: my_wish_row(d->c, cell, (unsigned)n));
		if (!ok)
			return mydn_bad(d, "malformed answer to a question of ours");
	}
	if (what == MY_CAP_DIAG && d->c)
		my_diag_row(d->c, mydn_body(d), h->payload_n);
	if (what == MY_CAP_SETUP || what == MY_CAP_CLEAN) {
		int n = split_row(l, mydn_body(d), h->payload_n);
		if (n < 0 || !my_setup_row(l, (const char *const *)l->cells, (unsigned)n))
			return mydn_bad(d, "malformed facts");
	}
	flow_drop(&d->f, total_of(h));
	return MY_NEXT;
}

/* ---- the ends ---- */

static enum my_next event(struct mydn *d, enum pev_kind kind, const struct mypacket_head *h)
{
	enum my_next r = mydn_event(d, kind, total_of(h));
	d->ev.tx = (enum tx_state)d->l->tx;
	d->ev.idle = d->l->owed.n == 0 &&
		     !(d->c && (d->c->up_left > 0 || d->c->up_more || d->c->in_infile));
	return r;
}

/* Nothing to tell, unless a request of the client was over but for this. */
static enum my_next quiet(struct mydn *d, const struct mypacket_head *h)
{
	struct my_link *l = d->l;
	const struct my_owed *next = my_owed_head(l);
	if (d->c == NULL || (l->tx_due && !(next && next->disp == MY_CAPTURE))) {
		l->tx_due = false;
		return event(d, PEV_TX, h);
	}
	flow_drop(&d->f, total_of(h));
	return MY_NEXT;
}

/* Nothing of the session's request was sent: it gets the reason, and the link goes. */
static enum my_next sync_failed(struct mydn *d, const struct mypacket_head *h)
{
	struct my_client *c = d->c;
	bool told = c && c->ready;
	if (told && my_sync_may_retry(c, d->l)) {
		c->sync_tries++;
	} else if (told) {
		my_sync_lost(c, d->e);
		my_client_fail_request(c, d->e, d->down);
	}
	return event(d, told ? PEV_LINK_BAD : PEV_BAD, h);
}

static enum my_next sync_over(struct mydn *d, const struct mypacket_head *h)
{
	struct my_link *l = d->l;
	bool failed = take_error(l, d->e);
	/* (LAST_INSERT_ID() alone goes in the middle of one.) */
	if (!failed && l->begins && l->tx != TX_OPEN) {
		failed = true;
		err_set(d->e, ERR_INTERNAL, "a transaction that must begin did not");
	} else if (!failed && !l->begins && l->tx != TX_IDLE && l->sync_to != l->have) {
		failed = true;
		err_set(d->e, ERR_INTERNAL,
			"the session's state could not be restored: a transaction is open");
	}
	l->sync_wait = false;
	if (!failed)
		varset_assign(&l->env->vars, &l->have, l->sync_to);
	varset_assign(&l->env->vars, &l->sync_to, NULL);
	if (failed)
		return sync_failed(d, h);
	if (l->begins)
		my_begin_sent(d->c, l);
	if (d->c == NULL)
		return event(d, PEV_TX, h);
	d->c->sync_tries = 0;
	return l->tx_due ? quiet(d, h) : event(d, PEV_SYNCED, h);
}

static enum my_next query_over(struct mydn *d, const struct mypacket_head *h, bool clean)
{
	struct my_link *l = d->l;
	err_clear(d->e);
	bool failed = take_error(l, d->e);
	if (clean && !failed && l->tx != TX_IDLE)
		err_set(d->e, ERR_INTERNAL,
			"the server stayed in a transaction while it was cleaned");
	else if (clean && !failed)
		l->dirty = MY_CLEAN;
	return event(d, PEV_QUERY_DONE, h);
}

static enum my_next setup_over(struct mydn *d, const struct mypacket_head *h)
{
	struct my_link *l = d->l;
	if (take_error(l, d->e))
		return mydn_event(d, PEV_BAD, 0);
	if (!l->in_setup) { /* behind a reset of the session's own */
		if (d->c)
			varset_assign(&l->env->vars, &d->c->base, l->fresh);
		return quiet(d, h);
	}
	if (l->tx != TX_IDLE) { /* init_connect may do so */
		err_set(d->e, ERR_SERVER_REFUSED,
			"the server begins a transaction with each connection (init_connect)");
		return mydn_event(d, PEV_BAD, 0);
	}
	l->in_setup = false;
	return event(d, PEV_AUTH_OK, h);
}

/* A handle for a command that waits. */
static enum my_next prepare_over(struct mydn *d, const struct mypacket_head *h)
{
	struct my_link *l = d->l;
	bool failed = take_error(l, d->e);
	l->prep_wait = false;
	if (!failed) {
		struct linkstmt *x = linkmap_add(&l->stmts, l->prep_key);
		if (x)
			x->id = l->prep_handle;
		l->failed = l->failed || x == NULL;
		return quiet(d, h);
	}
	struct my_client *c = d->c;
	bool lost = l->prep_moved; /* in between two states */
	if (c == NULL || (lost && (l->tx != TX_IDLE || my_client_pins(c))))
		return event(d, PEV_BAD, h);
	my_client_fail_request(c, d->e, d->down);
	return event(d, lost ? PEV_LINK_BAD : PEV_TX, h);
}

/* Idle links are many. */
static void drop_row(struct my_link *l)
{
	buf_fini(&l->body);
	mem_free(MEM_PROTO, l->cells);
	l->cells = NULL;
}

static enum my_next over(struct mydn *d, const struct mypacket_head *h, const struct my_owed *o)
{
	struct my_link *l = d->l;
	enum my_capture what = (enum my_capture)o->what;
	bool last = o->flags & MY_OWED_F_LAST;
	my_owed_pop(l);
	drop_row(l);
	if (!last) {
		flow_drop(&d->f, total_of(h));
		return MY_NEXT;
	}
	switch (what) {
	case MY_CAP_SYNC: return sync_over(d, h);
	case MY_CAP_OPTION:
	case MY_CAP_STATUS: return take_error(l, d->e) ? mydn_event(d, PEV_BAD, 0) : quiet(d, h);
	case MY_CAP_SETUP: return setup_over(d, h);
	case MY_CAP_CLEAN: return query_over(d, h, true);
	case MY_CAP_QUERY: return query_over(d, h, false);
	case MY_CAP_PREPARE: return prepare_over(d, h);
	case MY_CAP_DIAG:
	case MY_CAP_ASK:
		my_ask_over(d->c, l, take_error(l, d->e));
		if (d->c && l->ask_hold)
			return quiet(d, h);
		return event(d, d->c ? PEV_ASKED : PEV_TX, h);
	case MY_CAP_WISH:
		if (take_error(l, d->e))
			return mydn_event(d, PEV_BAD, 0);
		break;
	}
	return quiet(d, h);
}

enum my_next mydn_captured(
	struct mydn *d, enum my_packet what, const struct mypacket_head *h, const struct myok *ok)
{
	struct my_link *l = d->l;
	struct my_owed *o = my_owed_head(l);
	assert(d->f.at == 0);
	(void)ok;
	if (what == MY_P_ROW)
		return row(d, h, (enum my_capture)o->what);
	if (what == MY_P_DEF && o->what == MY_CAP_DIAG && d->c)
		my_diag_def(d->c, l, mydn_body(d), h->payload_n);
	if (what == MY_P_DEF && o->what == MY_CAP_ASK)
		my_ask_def(l, mydn_body(d), h->payload_n);
	if (what == MY_P_ERR) {
		struct myerror x;
		struct err e;
		if (myerror_read(mydn_body(d), h->payload_n, &x))
			return mydn_bad(d, "malformed ERR");
		myerror_to_err(&x, ERR_INTERNAL, &e);
		my_capture_error(l, &e);
	}
	if (l->res.state == MY_RES_DONE)
		return over(d, h, o);
	flow_drop(&d->f, total_of(h));
	return MY_NEXT;
}
