/* mysql_down - what a server sends: each packet must be the next one of the reply to the head of
 * the ring, which says whether the client gets it or we read it. Anything else is the end of the
 * link: nobody may see another's rows. Rows pass unread; sequence ids and the shape of OK and EOF
 * are made those of the client. Thread: that of the env. Source: MySQL docs, Command Phase. */
#include "mysql_run_int.h"

#include <assert.h>
#include <stdio.h>

#include "sql/classify_my.h"
#include "wire/mysql/column.h"
#include "wire/mysql/command.h"
#include "wire/mysql/stmt.h"

#define TX_COPY_BYTES 8192U /* a reply up to this goes out in one piece with its end */
#define COLUMNS_MAX_N 65535U
#define DEF_NAMES_N 6U /* in front of what is not in all column definitions */
#define UNKNOWN_ERROR 1105U
#define OUT_BITS (MYSTATUS_PS_OUT_PARAMS | MYSTATUS_MORE_RESULTS)
#define PEEK_MAX_BYTES 65536U /* of a first row that waits for what comes behind it */

static size_t total_of(const struct mypacket_head *h)
{
	return MYPACKET_HEAD_BYTES + (size_t)h->payload_n;
}

enum my_next mydn_event(struct mydn *d, enum pev_kind kind, size_t n)
{
	assert(d->f.at == 0);
	d->ev = my_pev(kind, n);
	return MY_EVENT;
}

enum my_next mydn_bad(struct mydn *d, const char *what)
{
	const struct my_owed *o = my_owed_head(d->l);
	if (d->f.at > 0)
		return MY_STOP;
	err_set(d->e, ERR_SERVER_PROTOCOL, "%s",
		"the server sent what it was not asked for; its connection is closed");
	err_internal(d->e, "%s (%s)", what, o ? mycom_name(o->cmd) : "no request");
	return mydn_event(d, PEV_BAD, 0);
}

/* ---- passing ---- */

static bool to_client(const struct mydn *d, const struct my_owed *o)
{
	return d->c && o->disp == MY_FORWARD;
}

/* The frame at f.at as it is, but for its sequence id. */
static void give(struct mydn *d, const struct mypacket_head *h, const struct my_owed *o)
{
	if (!to_client(d, o)) {
		flow_drop(&d->f, total_of(h));
		return;
	}
	d->l->answer.bytes += total_of(h);
	if (h->seq == d->c->seq) {
		d->c->seq++;
		flow_pass(&d->f, total_of(h));
		return;
	}
	flow_drop(&d->f, MYPACKET_HEAD_BYTES);
	mypacket_put_head(d->down, &d->c->seq, h->payload_n);
	flow_pass(&d->f, h->payload_n);
}

/* Of a status, what a server says while its rows are still to come. */
#define EARLY_BITS \
	(MYSTATUS_IN_TRANS | MYSTATUS_AUTOCOMMIT | MYSTATUS_MORE_RESULTS | \
		MYSTATUS_NO_BACKSLASH_ESCAPES | MYSTATUS_PS_OUT_PARAMS | \
		MYSTATUS_IN_TRANS_READONLY | MYSTATUS_ANSI_QUOTES | MYSTATUS_METADATA_CHANGED)

/* The EOF behind columns: as the end says, if that is known already, else as the status was. */
static void put_eof(struct mydn *d)
{
	struct my_link *l = d->l;
	const struct my_owed *o = my_owed_head(l);
	uint16_t status = l->status, warnings = 0;
	status &= (uint16_t) ~(MYSTATUS_MORE_RESULTS | MYSTATUS_PS_OUT_PARAMS);
	if (o && (o->calls || o->n_results > 1))
		status |= MYSTATUS_MORE_RESULTS;
	if (l->peeked) {
		status = l->peek_status;
		warnings = l->peek_warnings;
	}
	l->peeked = false;
	flow_cut(&d->f);
	myok_put_eof(d->down, &d->c->seq, status & EARLY_BITS, warnings);
}

static bool wants_eof(const struct mydn *d, const struct my_owed *o)
{
	return to_client(d, o) && !(d->c->caps & MYCAP(DEPRECATE_EOF));
}

/* ---- the end of a reply ---- */

static bool is_idle(const struct mydn *d)
{
	return d->l->owed.n == 0 &&
	       !(d->c && (d->c->up_left > 0 || d->c->up_more || d->c->in_infile));
}

static enum my_next tx_event(struct mydn *d)
{
	const struct my_owed *next = my_owed_head(d->l);
	if (next && next->disp == MY_CAPTURE) { /* of ours, about this very request */
		d->l->tx_due = true;
		return MY_NEXT;
	}
	flow_cut(&d->f);
	d->ev = my_pev(PEV_TX, d->f.at);
	d->ev.tx = (enum tx_state)d->l->tx;
	d->ev.idle = is_idle(d);
	return MY_EVENT;
}

/* After an error nobody has said what became of the transaction. */
static void ask_status(struct mydn *d)
{
	struct my_client *c = d->c;
	uint8_t seq = 0;
	if (c == NULL || c->mode == PROTO_SESSION || c->mode == PROTO_RAW || c->up_left > 0 ||
		c->up_more)
		return;
	my_owed_capture(d->l, MYCOM_PING, MY_CAP_STATUS, true);
	mycommand_put(d->up, &seq, MYCOM_PING);
}

/* What ROW_COUNT() and FOUND_ROWS() say from here on. */
static void note_counts(struct my_client *c, struct my_link *l, unsigned error)
{
	const struct my_req *r = &c->req;
	c->row_count = error ? -1 : l->affected;
	l->own_found = l->own_found || (r->selects && !error);
	if (r->selects && !error && !(r->flags & SQL_MY_CALC_FOUND_ROWS) && l->affected < 0) {
		c->found_rows = l->n_rows;
		c->found_known = true;
	} else if (!r->keeps_found) {
		c->found_known = false;
	}
}

/* ... and ROW_COUNT() behind a command that is no statement. */
static void note_count(struct my_client *c, uint8_t cmd, unsigned error)
{
	if (error || cmd == MYCOM_FIELD_LIST || cmd == MYCOM_STMT_FETCH)
		c->row_count = -1;
	else if (cmd == MYCOM_PING || cmd == MYCOM_INIT_DB || cmd == MYCOM_STMT_RESET)
		c->row_count = 0;
}

static bool is_statement(uint8_t cmd)
{
	return cmd == MYCOM_QUERY || cmd == MYCOM_STMT_EXECUTE || cmd == MYCOM_STMT_BULK_EXECUTE ||
	       cmd == MYCOM_STMT_PREPARE;
}

/* A command that is no statement leaves nothing but its error. MySQL adds that to what is there: to
 * what another session has left, unless the last statement was of this one. */
static void other_failed(struct mydn *d, const struct myerror *x)
{
	struct my_client *c = d->c;
	if (!d->l->mariadb && !d->l->own_last) {
		char msg[512]; /* as long as a server's can be */
		snprintf(msg, sizeof msg, "%.*s", (int)x->msg.n, x->msg.p);
		my_diag_own(c, x->number, msg, MY_DIAG_ADDS);
		return;
	}
	d->l->own_last = true;
	my_diag_free(&c->diag);
	c->needs |= MY_NEED_DIAG;
}

/* A statement has run, or not. */
static void finish(struct mydn *d, uint8_t cmd, unsigned error)
{
	d->l->own_last = true;
	if (cmd != MYCOM_STMT_PREPARE) { /* which leaves ROW_COUNT() as it was */
		d->l->own_count = true;
		note_counts(d->c, d->l, error);
	} else if (error) {
		d->c->row_count = -1;
	}
	if ((d->c->req.flags & SQL_MY_DDL) && d->c->names)
		proto_catalog_changed();
	if (error)
		d->c->wish = 0;
	if (d->c->mode != PROTO_SESSION)
		my_state_over(d->c, d->l, error);
}

/* error: its number, 0: none. */
static enum my_next over(struct mydn *d, unsigned error)
{
	struct my_link *l = d->l;
	struct my_client *c = d->c;
	uint8_t cmd = my_owed_head(l)->cmd;
	bool theirs = to_client(d, my_owed_head(l));
	l->eof_due = false;
	if (theirs)
		meter_answered(c->meter, &my_owed_head(l)->ticket, &l->answer, error != 0);
	my_owed_pop(l);
	if (theirs) {
		if (is_statement(cmd))
			finish(d, cmd, error);
		else
			note_count(c, cmd, error);
		c->in_request = l->n_forward > 0;
		c->in_infile = false;
		c->seq = c->in_request ? 1 : 0;
	}
	if (error && theirs)
		ask_status(d);
	l->left_diag = l->left_diag || (l->mariadb && error && theirs);
	return tx_event(d);
}

/* ---- OK, EOF ---- */

static void put_ok(struct mydn *d, enum my_packet what, struct myok *ok)
{
	struct buf block;
	if (d->l->res.cmd == MYCOM_PING && !d->l->own_last)
		ok->warnings = my_diag_warnings(d->c);
	bool opens = what == MY_P_END && (ok->status & MYSTATUS_CURSOR_EXISTS) &&
		     d->l->res.cmd == MYCOM_STMT_EXECUTE;
	if (d->l->eof_due && !opens) {
		d->l->peeked = true;
		d->l->peek_status = ok->status;
		d->l->peek_warnings = ok->warnings;
		put_eof(d);
	}
	d->l->eof_due = false;
	flow_cut(&d->f);
	buf_init(&block, 0);
	my_tell_ok(d->c, d->l, ok, &block);
	if ((ok->status & MYSTATUS_PS_OUT_PARAMS) && !d->l->mariadb &&
		!(d->c->caps & MYCAP(DEPRECATE_EOF)))
		ok->status &= (uint16_t)~OUT_BITS; /* the EOF behind the columns has said it */
	size_t at = buf_len(d->down);
	if (what == MY_P_OK)
		myok_put(d->down, &d->c->seq, d->c->caps, ok);
	else
		myok_put_end(d->down, &d->c->seq, d->c->caps, ok);
	d->l->answer.bytes += buf_len(d->down) - at;
	d->l->failed = d->l->failed || block.failed;
	buf_fini(&block);
}

/* The EOF of a server that sends them, behind definitions. */
static enum my_next on_eof(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	struct myok ok;
	if (myok_read_eof(mydn_body(d), h->payload_n, &ok))
		return mydn_bad(d, "malformed EOF");
	l->status = ok.status;
	my_res_eof(&l->res, ok.status);
	bool cursor = l->res.state == MY_RES_DONE && l->res.cmd == MYCOM_STMT_EXECUTE;
	if (to_client(d, o) && (wants_eof(d, o) || cursor))
		put_ok(d, MY_P_END, &ok);
	flow_drop(&d->f, total_of(h));
	return l->res.state == MY_RES_DONE ? over(d, 0) : MY_NEXT;
}

/* The end of an EXECUTE's columns, or of a FETCH's rows. */
static void note_cursor(struct mydn *d, const struct my_owed *o, uint16_t status)
{
	if (o->cmd == MYCOM_STMT_EXECUTE && (status & MYSTATUS_CURSOR_EXISTS))
		my_stmt_cursor(d->c, d->l, o->stmt, o->handle, true);
	else if (o->cmd == MYCOM_STMT_FETCH && (status & MYSTATUS_LAST_ROW_SENT))
		my_stmt_cursor(d->c, d->l, o->stmt, 0, false);
}

/* A result of ours in front of the client's. */
static enum my_next skipped(
	struct mydn *d, enum my_packet what, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	if (what != MY_P_OK || l->res.state != MY_RES_FIRST)
		return mydn_bad(d, "no result for each statement");
	if (l->begins && o->skip == 1 && l->tx != TX_OPEN)
		return mydn_bad(d, "a transaction that must begin did not");
	flow_drop(&d->f, total_of(h));
	if (--o->skip > 0)
		return MY_NEXT;
	varset_assign(&l->env->vars, &l->have, l->sync_to);
	varset_assign(&l->env->vars, &l->sync_to, NULL);
	buf_fini(&l->kept);
	if (d->c)
		d->c->sync_tries = 0;
	if (l->begins)
		my_begin_sent(d->c, l);
	return MY_NEXT;
}

/* The session's state could not be restored, so its statement was not run. */
static enum my_next skip_failed(
	struct mydn *d, const struct mypacket_head *h, const struct myerror *x)
{
	struct my_link *l = d->l;
	struct my_client *c = d->c;
	myerror_to_err(x, ERR_INTERNAL, d->e);
	varset_assign(&l->env->vars, &l->sync_to, NULL);
	my_owed_pop(l);
	if (c == NULL)
		return mydn_event(d, PEV_BAD, 0);
	my_state_unrun(c);
	c->in_request = false;
	bool again = buf_len(&l->kept) > 0;
	if (again) {
		c->sync_tries++;
		c->counters->queries--;
	} else {
		my_sync_lost(c, d->e);
		my_begin_error(c, d->e);
		myerror_put_err(d->down, &c->seq, d->e, false);
	}
	c->seq = 0;
	enum my_next r = mydn_event(d, PEV_LINK_BAD, total_of(h));
	d->ev.text = again ? buf_data(&l->kept) : NULL;
	d->ev.text_n = again ? buf_len(&l->kept) : 0;
	return r;
}

/* A transaction in statement mode: core ends the session, and its error is the answer. */
static bool is_refused(const struct mydn *d, const struct my_owed *o)
{
	const struct my_link *l = d->l;
	return to_client(d, o) && d->c->mode == PROTO_STATEMENT && l->tx == TX_OPEN &&
	       l->res.state == MY_RES_DONE && l->n_forward == 1;
}

static enum my_next refuse(struct mydn *d)
{
	struct my_client *c = d->c;
	if (d->l->eof_due)
		put_eof(d);
	uint8_t seq = c->seq;
	enum my_next r = over(d, 0);
	c->seq = seq;
	c->in_request = true;
	return r;
}

static enum my_next on_ok(
	struct mydn *d, enum my_packet what, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	struct myok ok;
	const char *where = what == MY_P_OK
				    ? myok_read(mydn_body(d), h->payload_n, l->caps, &ok)
				    : myok_read_end(mydn_body(d), h->payload_n, l->caps, &ok);
	if (where)
		return mydn_bad(d, "malformed OK");
	bool theirs = (o->disp == MY_FORWARD && o->skip == 0) || o->what == MY_CAP_STATUS;
	if (!my_learn_ok(theirs ? d->c : NULL, l, &ok, what == MY_P_END))
		return mydn_bad(d, "malformed session state in an OK");
	l->left_diag = l->left_diag || (l->mariadb && ok.warnings && o->disp == MY_FORWARD);
	my_res_end(&l->res, ok.status);
	if (o->skip == 0 && o->n_results > 0)
		o->n_results--;
	if (o->skip > 0)
		return skipped(d, what, h, o);
	if (o->disp == MY_CAPTURE)
		return mydn_captured(d, what, h, &ok);
	if (what == MY_P_OK)
		l->answer.rows += ok.affected;
	l->affected = what == MY_P_OK && ok.affected <= INT64_MAX ? (int64_t)ok.affected : -1;
	if (to_client(d, o) && o->stmt && what == MY_P_END)
		note_cursor(d, o, ok.status);
	if (l->columns_moved)
		ok.status |= MYSTATUS_METADATA_CHANGED;
	l->columns_moved = false;
	flow_drop(&d->f, total_of(h));
	if (is_refused(d, o))
		return refuse(d);
	if (to_client(d, o))
		put_ok(d, what, &ok);
	return l->res.state == MY_RES_DONE ? over(d, 0) : MY_NEXT;
}

/* ---- the other packets ---- */

static enum my_next last_word(struct mydn *d, const struct myerror *x)
{
	if (d->f.at > 0)
		return MY_STOP;
	myerror_to_err(x, ERR_SERVER_LOST, d->e);
	return mydn_event(d, PEV_BAD, 0);
}

static enum my_next on_error(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct myerror x;
	if (myerror_read(mydn_body(d), h->payload_n, &x))
		return mydn_bad(d, "malformed ERR");
	if (my_is_last_word(&x))
		return last_word(d, &x);
	if (o->skip > 0)
		return d->f.at > 0 ? MY_STOP : skip_failed(d, h, &x);
	if (to_client(d, o) && d->c->guarded && d->l->res.state == MY_RES_FIRST &&
		my_is_refusal(&x)) {
		if (d->f.at > 0)
			return MY_STOP;
		myerror_to_err(&x, ERR_NO_PRIMARY, d->e);
		return mydn_event(d, PEV_REFUSED, 0);
	}
	d->l->res.state = MY_RES_DONE;
	o->flags |= MY_OWED_F_ERROR;
	if (o->disp == MY_CAPTURE)
		return mydn_captured(d, MY_P_ERR, h, NULL);
	if (d->l->eof_due && to_client(d, o))
		put_eof(d);
	if (o->cmd == MYCOM_STMT_PREPARE && to_client(d, o))
		my_stmt_refused(d->c, o->stmt);
	if (to_client(d, o) && !is_statement(o->cmd))
		other_failed(d, &x);
	snprintf(d->l->answer.code, sizeof d->l->answer.code, "%u", x.number);
	give(d, h, o);
	return over(d, x.number ? x.number : UNKNOWN_ERROR);
}

/* Definitions may be left out for who has asked for that; servers that can do so send no EOF. */
static bool may_be_bare(const struct mydn *d, const struct my_owed *o, bool follows)
{
	return follows || ((d->l->caps & MYCAP(DEPRECATE_EOF)) &&
				  (!to_client(d, o) || (d->c->caps & MYCAP(OPTIONAL_METADATA))));
}

static enum my_next on_count(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	uint64_t n;
	bool follows;
	if (mycolumn_read_count(mydn_body(d), h->payload_n, l->caps, &n, &follows) || n == 0 ||
		n > COLUMNS_MAX_N || !may_be_bare(d, o, follows))
		return mydn_bad(d, "malformed column count");
	if (follows)
		my_res_count(&l->res, n);
	else
		my_res_no_defs(&l->res);
	l->n_rows = 0;
	if (o->disp == MY_CAPTURE)
		return mydn_captured(d, MY_P_COUNT, h, NULL);
	if (to_client(d, o) && o->cmd == MYCOM_STMT_EXECUTE)
		l->columns_moved = !my_stmt_columns_fit(d->c, o->stmt, n);
	if (to_client(d, o) && ((d->c->caps ^ l->caps) & MYCAP(OPTIONAL_METADATA))) {
		flow_drop(&d->f, total_of(h));
		mycolumn_put_count(d->down, &d->c->seq, d->c->caps, n, true);
	} else {
		give(d, h, o);
	}
	if (!follows && wants_eof(d, o))
		l->eof_due = true;
	return MY_NEXT;
}

/* A definition without the extended part, for who does not know it. False: malformed. */
static bool give_def(struct mydn *d, const struct mypacket_head *h, const struct my_owed *o)
{
	const uint8_t *p = mydn_body(d);
	if (!to_client(d, o) || !((d->c->caps ^ d->l->caps) & MYCAP(MARIADB_EXTENDED_METADATA))) {
		give(d, h, o);
		return true;
	}
	struct rd r = rd_of(p, h->payload_n);
	size_t n;
	for (unsigned i = 0; i < DEF_NAMES_N; i++)
		(void)rd_lenstr(&r, &n);
	size_t head_n = (size_t)(r.p - p);
	(void)rd_lenstr(&r, &n);
	if (!rd_ok(&r))
		return false;
	flow_drop(&d->f, total_of(h));
	mypacket_put_head(d->down, &d->c->seq, (uint32_t)(head_n + rd_left(&r)));
	buf_append(d->down, p, head_n);
	buf_append(d->down, r.p, rd_left(&r));
	return true;
}

static enum my_next on_def(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_res *r = &d->l->res;
	uint8_t was = r->state;
	my_res_def(r);
	if (o->disp == MY_CAPTURE)
		return mydn_captured(d, MY_P_DEF, h, NULL);
	if (!give_def(d, h, o))
		return mydn_bad(d, "malformed column definition");
	bool group_over = was != r->state && (d->l->caps & MYCAP(DEPRECATE_EOF));
	if (group_over && wants_eof(d, o)) {
		if (was == MY_RES_COLUMNS)
			d->l->eof_due = true;
		else
			put_eof(d);
	}
	return r->state == MY_RES_DONE ? over(d, 0) : MY_NEXT;
}

static enum my_next on_prepared(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	struct mystmt_prepared x;
	if (mystmt_read_prepared(mydn_body(d), h->payload_n, l->caps, &x) ||
		!may_be_bare(d, o, x.metadata_follows))
		return mydn_bad(d, "malformed reply to PREPARE");
	bool defs = x.metadata_follows;
	my_res_prepared(&l->res, defs ? x.params_n : 0, defs ? x.columns_n : 0);
	if (o->disp == MY_CAPTURE) {
		l->prep_handle = x.id;
		return mydn_captured(d, MY_P_PREPARED, h, NULL);
	}
	flow_drop(&d->f, total_of(h));
	if (to_client(d, o))
		my_stmt_prepared(d->c, l, o->stmt, &x);
	else
		l->dirty = MY_DIRTY; /* a handle that nobody knows */
	if (to_client(d, o))
		mystmt_put_prepared(d->down, &d->c->seq, d->c->caps, &x);
	for (int i = (x.params_n != 0) + (x.columns_n != 0); !defs && wants_eof(d, o) && i > 0; i--)
		put_eof(d);
	return l->res.state == MY_RES_DONE ? over(d, 0) : MY_NEXT;
}

static enum my_next on_infile(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	struct my_link *l = d->l;
	if (my_packed(l->caps) && l->down_seq == 0)
		l->down_seq = 1; /* else the file looks like a command (wire/mysql/press.h) */
	if (!to_client(d, o)) {  /* nobody is there to send it */
		flow_drop(&d->f, total_of(h));
		mypacket_put(d->up, &l->down_seq, NULL, 0);
		my_res_infile(&l->res, true);
		return MY_NEXT;
	}
	if (!(d->c->caps & MYCAP(LOCAL_FILES)))
		return mydn_bad(d, "request for a file of a client that gives none");
	give(d, h, o);
	my_res_infile(&l->res, false);
	o->flags &= (uint8_t)~MY_OWED_F_INFILE;
	d->c->in_infile = true;
	return MY_NEXT;
}

static enum my_next on_progress(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	if (to_client(d, o) && (d->c->caps & MYCAP(MARIADB_PROGRESS)))
		give(d, h, o);
	else
		flow_drop(&d->f, total_of(h));
	return MY_NEXT;
}

/* ---- rows ---- */

/* What the end of a result of one row says, clients with EOF packets hear in front of the row as
 * well: that there are warnings, or that it is the OUT parameters of a CALL. False: what comes
 * behind the first row is not here yet. */
static bool peek_end(struct mydn *d, const struct mypacket_head *row, const struct my_owed *o)
{
	struct my_link *l = d->l;
	struct mypacket m;
	struct myok ok;
	if (!l->eof_due || !to_client(d, o) || row->payload_n > PEEK_MAX_BYTES)
		return true;
	size_t at = total_of(row), ahead = flow_ahead(&d->f);
	const uint8_t *p = d->f.p + d->f.at + at;
	if (ahead <= at + MYPACKET_HEAD_BYTES)
		return false;
	if (p[MYPACKET_HEAD_BYTES] != 0xfe)
		return true;
	int rc = mypacket_take(p, ahead - at, MY_WHOLE_MAX_BYTES, &m);
	if (rc <= 0)
		return rc < 0;
	l->peeked = myok_read_end(m.payload, m.payload_n, l->caps, &ok) == NULL;
	l->peek_status = ok.status;
	l->peek_warnings = ok.warnings;
	return true;
}

static enum my_next on_row(struct mydn *d, const struct mypacket_head *h, struct my_owed *o)
{
	if (o->disp == MY_CAPTURE && h->payload_n <= MY_WHOLE_MAX_BYTES)
		return mydn_captured(d, MY_P_ROW, h, NULL);
	if (o->disp == MY_CAPTURE) {
		struct err e;
		err_set(&e, ERR_INTERNAL, "a row of an internal query is too large");
		my_capture_error(d->l, &e);
	}
	if (d->l->eof_due && to_client(d, o))
		put_eof(d);
	d->l->eof_due = false;
	d->l->n_rows++;
	d->l->answer.rows++;
	d->l->down_more = h->payload_n == MYPACKET_PAYLOAD_MAX;
	give(d, h, o);
	return MY_NEXT;
}

/* ---- all packets ---- */

/* A packet while nothing is owed: the server's last words, or worse. */
static enum my_next unasked(struct mydn *d, const struct mypacket_head *h)
{
	struct myerror x;
	if (d->f.at > 0)
		return MY_STOP;
	if (h->payload_n == 0 || h->payload_n > MY_WHOLE_MAX_BYTES)
		return mydn_bad(d, "packet without a request");
	if (flow_ahead(&d->f) < total_of(h))
		return MY_STOP;
	if (*mydn_body(d) != 0xff || myerror_read(mydn_body(d), h->payload_n, &x))
		return mydn_bad(d, "packet without a request");
	return last_word(d, &x);
}

/* The first packet of a reply is due: where do both sides count from? */
static void begin(struct mydn *d, const struct my_owed *o)
{
	struct my_link *l = d->l;
	if (l->begun)
		return;
	l->begun = true;
	l->down_seq = o->seq;
	my_res_begin(&l->res, o->cmd, l->caps, o->flags & MY_OWED_F_INFILE);
	if (to_client(d, o))
		d->c->seq = o->cseq;
}

static enum my_next dispatch(
	struct mydn *d, enum my_packet what, const struct mypacket_head *h, struct my_owed *o)
{
	switch (what) {
	case MY_P_OK:
	case MY_P_END: return on_ok(d, what, h, o);
	case MY_P_ERR: return on_error(d, h, o);
	case MY_P_PROGRESS: return on_progress(d, h, o);
	case MY_P_COUNT: return on_count(d, h, o);
	case MY_P_DEF: return on_def(d, h, o);
	case MY_P_EOF: return on_eof(d, h, o);
	case MY_P_INFILE: return on_infile(d, h, o);
	case MY_P_PREPARED: return on_prepared(d, h, o);
	case MY_P_TEXT:
		d->l->res.state = MY_RES_DONE;
		give(d, h, o);
		return over(d, 0);
	case MY_P_ROW:
	case MY_P_MORE:
	case MY_P_BAD: break;
	}
	return MY_STOP;
}

static enum my_next dn_frame(struct mydn *d)
{
	struct my_link *l = d->l;
	struct mypacket_head h;
	if (!mypacket_head(d->f.p + d->f.at, flow_ahead(&d->f), &h))
		return MY_STOP;
	struct my_owed *o = my_owed_head(l);
	bool counts = !my_packed(l->caps);
	if (o == NULL || (!l->begun && h.seq == 0 && counts))
		return unasked(d, &h);
	begin(d, o);
	if (l->down_more) {
		if (h.seq != l->down_seq && counts)
			return mydn_bad(d, "packets out of order");
		l->down_seq++;
		l->down_more = h.payload_n == MYPACKET_PAYLOAD_MAX;
		give(d, &h, o);
		return MY_NEXT;
	}
	enum my_packet what = my_res_packet(
		&l->res, mydn_body(d), flow_ahead(&d->f) - MYPACKET_HEAD_BYTES, h.payload_n);
	if (what == MY_P_MORE)
		return MY_STOP;
	if (what == MY_P_BAD)
		return mydn_bad(d, "packet that does not fit the request");
	if (h.seq != l->down_seq && what != MY_P_ERR && counts)
		return mydn_bad(d, "packets out of order");
	bool row = what == MY_P_ROW, ours = o->disp == MY_CAPTURE;
	if (!row && h.payload_n > MY_WHOLE_MAX_BYTES)
		return mydn_bad(d, "packet is too large");
	if ((!row || (ours && h.payload_n <= MY_WHOLE_MAX_BYTES)) &&
		flow_ahead(&d->f) < total_of(&h))
		return MY_STOP;
	/* What may be an event stands alone; a long reply goes before its end. */
	if (d->f.at > 0 && (ours || (!row && d->f.at - d->f.from > TX_COPY_BYTES)))
		return MY_STOP;
	if (row && !peek_end(d, &h, o))
		return MY_STOP;
	if (o->skip > 0 && what != MY_P_OK && what != MY_P_ERR)
		return mydn_bad(d, "rows where none are due");
	l->down_seq = (uint8_t)(h.seq + 1);
	return row ? on_row(d, &h, o) : dispatch(d, what, &h, o);
}

/* The rest of a frame that was begun. */
static bool resume(struct mydn *d)
{
	if (!flow_resume(&d->f, &d->ev))
		return false;
	if (d->c == NULL && d->ev.kind == PEV_FORWARD)
		d->ev.kind = PEV_DROP;
	return true;
}

struct pev my_down(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	if (l->raw)
		return my_pev(n == 0 ? PEV_MORE : c ? PEV_FORWARD : PEV_DROP, n);
	struct mydn d = {
		.f = { .p = p, .n = n, .out = down, .left = &l->down_left, .rest = &l->down_rest },
		.c = c,
		.l = l,
		.up = up,
		.down = down,
		.e = e
	};
	enum my_next r = MY_NEXT;
	bool resumed = resume(&d);
	while (!resumed && r == MY_NEXT && d.f.at < n && l->down_left == 0)
		r = dn_frame(&d);
	if (l->failed || up->failed || (down && down->failed)) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return my_pev(PEV_BAD, 0);
	}
	if (resumed || r == MY_EVENT)
		return d.ev;
	return flow_end(&d.f);
}
