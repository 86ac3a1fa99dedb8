/* mysql_local - commands that are answered here, or refused, without asking a server. Thread:
 * that of the env. Source: MySQL docs, Utility Commands. */
#include "mysql_console_int.h"
#include "mysql_up_int.h"

#include <string.h>

#include "wire/mysql/command.h"

/* MySQL adds these to the errors and warnings of the statement before, which may still be on the
 * link. */
#define UNKNOWN_COMMAND 1047U
#define UNKNOWN_STMT 1243U

/* Each answer is one packet, and its command is over. */
static uint8_t first_seq(const struct mypacket_head *h)
{
	return (uint8_t)(h->seq + 1);
}

/* A link that it took in vain is let go as soon as it answers. */
static void let_go(struct myup *u)
{
	struct my_link *l = u->l;
	uint8_t seq = 0;
	if (l == NULL || l->owed.n > 0 || u->c->mode == PROTO_SESSION || u->c->up_more)
		return;
	my_owed_capture(l, MYCOM_PING, MY_CAP_STATUS, true);
	mycommand_put(u->up, &seq, MYCOM_PING);
	l->tx_due = true;
}

static void answered(struct myup *u, const struct mypacket_head *h)
{
	u->c->in_request = u->c->looked = false;
	u->c->seq = 0;
	myup_drop(u, h);
	let_go(u);
}

enum my_next my_local_done(struct myup *u, const struct mypacket_head *h)
{
	answered(u, h);
	return MY_NEXT;
}

static void put_ok(struct my_client *c, uint8_t *seq, uint16_t warnings, struct buf *down)
{
	struct myok ok = { .status = c->status & (uint16_t)~MYSTATUS_OF_REPLY,
		.warnings = warnings };
	myok_put(down, seq, c->caps, &ok);
}

enum my_next my_local_ok(struct myup *u, const struct mypacket_head *h)
{
	uint8_t seq = first_seq(h);
	if (myup_busy(u))
		return MY_STOP;
	put_ok(u->c, &seq, *myup_body(u) == MYCOM_PING ? my_diag_warnings(u->c) : 0, u->down);
	answered(u, h);
	return MY_NEXT;
}

enum my_next my_local_err(struct myup *u, const struct mypacket_head *h, unsigned number,
	const char *state, const char *msg)
{
	struct my_client *c = u->c;
	uint8_t seq = first_seq(h);
	if (myup_busy(u))
		return MY_STOP;
	enum my_diag_adds adds = c->mariadb                  ? MY_DIAG_ALONE
				 : number == UNKNOWN_COMMAND ? MY_DIAG_ADDS
				 : number == UNKNOWN_STMT    ? MY_DIAG_ADDS_ALONE
							     : MY_DIAG_ALONE;
	if (c->mode != PROTO_SESSION && adds && u->l && (c->needs & MY_NEED_DIAG)) {
		flow_cut(&u->f);
		my_ask_put(c, u->l, true, u->up);
		return MY_STOP;
	}
	if (c->mode != PROTO_SESSION) {
		my_diag_own(c, number, msg, adds);
		if (u->l)
			u->l->own_last = u->l->own_count = u->l->own_found = false;
	}
	myerror_put(u->down, &seq, number, state, msg, strlen(msg));
	answered(u, h);
	return MY_NEXT;
}

enum my_next my_local_unknown(struct myup *u, const struct mypacket_head *h)
{
	return my_local_err(u, h, UNKNOWN_COMMAND, "08S01", "Unknown command");
}

enum my_next my_local_malformed(struct myup *u, const struct mypacket_head *h)
{
	return my_local_err(u, h, 1835, "HY000",
		u->c->mariadb ? "Malformed communication packet"
			      : "Malformed communication packet.");
}

/* Multi-statements on or off: the session's own setting; its link is told when it matters. */
enum my_next my_local_set_option(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct myok ok = { .status = c->status & (uint16_t)~MYSTATUS_OF_REPLY };
	uint8_t seq = first_seq(h);
	uint16_t option;
	if (!myup_whole(u, h))
		return h->payload_n < MYPACKET_PAYLOAD_MAX ? MY_STOP : my_local_malformed(u, h);
	if (mycommand_read_set_option(myup_body(u), h->payload_n, &option))
		return my_local_malformed(u, h);
	if (option > 1)
		return my_local_unknown(u, h);
	if (myup_busy(u))
		return MY_STOP;
	c->multi = option == 0;
	myok_put_end(u->down, &seq, c->caps, &ok);
	answered(u, h);
	return MY_NEXT;
}

enum my_next my_local_kill(struct myup *u, const struct mypacket_head *h)
{
	uint32_t id;
	if (!myup_whole(u, h))
		return h->payload_n < MYPACKET_PAYLOAD_MAX ? MY_STOP : my_local_malformed(u, h);
	if (mycommand_read_kill(myup_body(u), h->payload_n, &id))
		return my_local_malformed(u, h);
	return my_kill(u, h, id, true);
}

/* A statement that core carries out. */
static enum my_next for_core(struct myup *u, const struct mypacket_head *h, const struct pev *ev)
{
	if (myup_busy(u))
		return MY_STOP;
	enum my_next r = myup_event(u, ev->kind);
	if (r != MY_EVENT)
		return r;
	u->ev = *ev;
	u->ev.n = myup_total(h);
	u->c->in_request = true;
	u->c->seq = first_seq(h);
	my_diag_free(&u->c->diag);
	u->c->needs &= (uint8_t)~MY_NEED_DIAG;
	if (u->l)
		u->l->own_last = u->l->own_count = u->l->own_found = false;
	let_go(u);
	return r;
}

enum my_next my_kill(struct myup *u, const struct mypacket_head *h, uint32_t number, bool whole)
{
	return for_core(u, h, &(struct pev){ .kind = PEV_KILL, .number = number, .whole = whole });
}

enum my_next my_token(struct myup *u, const struct mypacket_head *h, const struct pev *ev)
{
	return for_core(u, h, ev);
}

void my_client_killed(void *cst, const struct err *e, struct buf *down)
{
	struct my_client *c = cst;
	if (e) {
		const struct err_info *info = err_info(e->code);
		my_diag_own(c, e->mysql_errno ? e->mysql_errno : info->mysql_errno, e->msg,
			MY_DIAG_ALONE);
		myerror_put_err(down, &c->seq, e, false);
	} else {
		put_ok(c, &c->seq, 0, down);
	}
	c->in_request = false;
	c->seq = 0;
}

void my_client_answer(void *cst, void *lst, const struct rowset *r, struct buf *down)
{
	struct my_client *c = cst;
	(void)lst;
	if (!err_is(&r->err) && r->n_cols) {
		my_rowset_put(down, &c->seq, c->caps, r);
		c->in_request = false;
		c->seq = 0;
	} else {
		my_client_killed(cst, err_is(&r->err) ? &r->err : NULL, down);
	}
}

enum my_next my_local_change_user(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	if (!myup_whole(u, h))
		return h->payload_n < MY_WHOLE_MAX_BYTES ? MY_STOP : my_local_malformed(u, h);
	if (u->l && u->l->owed.n > 0)
		return MY_STOP;
	enum my_next r = myup_event(u, PEV_RELOGIN);
	if (r != MY_EVENT)
		return r;
	c->in_request = true;
	c->seq = first_seq(h);
	if (u->l)
		u->l->dirty = MY_DIRTY;
	if (my_client_change_user(c, myup_body(u), h->payload_n, u->e) != 0) {
		u->ev.kind = PEV_BAD;
		return r;
	}
	u->ev.n = myup_total(h);
	my_client_forget(c, NULL);
	return r;
}

/* The server's reset, and behind it what makes the link ours again. */
enum my_next my_local_reset(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	if (l == NULL)
		return myup_request(u);
	if (l->owed.n > 0)
		return MY_STOP;
	if (h->payload_n == MYPACKET_PAYLOAD_MAX)
		return my_local_malformed(u, h);
	(void)myup_owe(u, MYCOM_RESET_CONNECTION, 0);
	myup_drop(u, h);
	uint8_t seq = 0;
	mycommand_put(u->up, &seq, MYCOM_RESET_CONNECTION);
	my_client_forget(c, l);
	my_link_was_reset(l);
	if (l->mariadb && (l->caps & MYCAP(IGNORE_SPACE))) /* which is gone: see my_setup_put() */
		l->dirty = MY_DIRTY;
	my_setup_put(l, u->up, MY_CAP_SETUP);
	(void)my_sync_put(c, l, u->up);
	return MY_NEXT;
}
