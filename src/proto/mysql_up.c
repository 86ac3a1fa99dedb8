/* mysql_up - what a client sends while it is served: packets, which command each begins, and
 * whether it may be sent now. Ignorant of pools and sockets. Thread: that of the env. Source:
 * MySQL docs, Command Phase. */
#include "mysql_up_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wire/mysql/query.h"

/* ---- ways to go on ---- */

enum my_next myup_event(struct myup *u, enum pev_kind kind)
{
	if (u->f.at > 0)
		return MY_STOP;
	u->ev = my_pev(kind, 0);
	return MY_EVENT;
}

enum my_next myup_request(struct myup *u)
{
	enum my_next r = myup_event(u, PEV_REQUEST);
	if (r == MY_EVENT) { /* an error of core's is its answer */
		struct proto_wish *w = &u->c->env->wish;
		u->c->only_read = u->ev.reads = my_reads(u->c, u->f.p, u->f.n, w);
		u->c->hinted = w->hinted;
		u->ev.wish = w;
		u->c->looked = true;
		u->c->in_request = true;
		u->c->seq = 1;
	}
	return r;
}

enum my_next myup_bad(struct myup *u, enum err_code code, unsigned number, const char *what)
{
	enum my_next r = myup_event(u, PEV_BAD);
	if (r != MY_EVENT)
		return r;
	err_set(u->e, code, "%s", what);
	u->e->mysql_errno = number;
	if (!u->c->in_request)
		u->c->seq = 1;
	return r;
}

struct my_owed *myup_owe(struct myup *u, uint8_t com, unsigned flags)
{
	struct my_owed *o = my_owed_push(u->l, com, MY_FORWARD);
	if (o) {
		o->flags = (uint8_t)flags;
		o->ticket = u->l->ticket;
	}
	u->l->ticket = (struct proto_ticket){ 0 };
	u->c->in_request = true;
	u->c->looked = false;
	if (u->l->n_forward == 1)
		u->c->seq = 1;
	return o;
}

static void continues(struct myup *u, const struct mypacket_head *h, enum flow_rest rest)
{
	struct my_client *c = u->c;
	c->up_more = h->payload_n == MYPACKET_PAYLOAD_MAX;
	c->up_seq = (uint8_t)(h->seq + 1);
	if (c->up_left == 0)
		c->up_rest = (uint8_t)rest;
}

enum my_next myup_pass(struct myup *u, const struct mypacket_head *h)
{
	flow_pass(&u->f, myup_total(h));
	continues(u, h, FLOW_PASS);
	return MY_NEXT;
}

enum my_next myup_forward(
	struct myup *u, const struct mypacket_head *h, uint8_t com, unsigned flags)
{
	if (u->l == NULL)
		return myup_request(u);
	(void)myup_owe(u, com, flags);
	return myup_pass(u, h);
}

void myup_drop(struct myup *u, const struct mypacket_head *h)
{
	flow_drop(&u->f, myup_total(h));
	continues(u, h, FLOW_DROP);
}

/* ---- frames that go on with something ---- */

static enum my_next out_of_order(struct myup *u)
{
	return myup_bad(u, ERR_PROTOCOL, 1156, "Got packets out of order");
}

/* A file for LOAD DATA LOCAL: packets of bare bytes and an empty one. */
static enum my_next infile(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	if (l == NULL || l->res.state != MY_RES_INFILE) { /* the server wants no more of it */
		flow_drop(&u->f, myup_total(h));
	} else if (h->seq != c->seq && !my_packed(c->caps)) {
		return out_of_order(u);
	} else {
		flow_drop(&u->f, MYPACKET_HEAD_BYTES);
		mypacket_put_head(u->up, &l->down_seq, h->payload_n);
		flow_pass(&u->f, h->payload_n);
		c->seq++;
	}
	if (h->payload_n > 0)
		return MY_NEXT;
	c->in_infile = false;
	if (l && l->res.state == MY_RES_INFILE)
		my_res_infile(&l->res, true);
	return MY_NEXT;
}

/* The packet before was of full length. */
static enum my_next continuation(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	enum flow_rest rest = (enum flow_rest)c->up_rest;
	struct mypacket_head own = { h->payload_n, c->up_seq };
	bool ordered = h->seq == own.seq; /* MariaDB's client library counts frames when packed */
	if (!ordered && !my_packed(c->caps))
		return out_of_order(u);
	struct my_owed *o = u->l ? my_owed_tail(u->l) : NULL;
	if (rest == FLOW_PASS && o && o->disp == MY_FORWARD) { /* replies count on from there */
		o->seq++;
		o->cseq++;
	}
	if (rest == FLOW_PASS && ordered) {
		flow_pass(&u->f, myup_total(h));
	} else if (rest == FLOW_PASS) {
		uint8_t seq = own.seq;
		flow_drop(&u->f, MYPACKET_HEAD_BYTES);
		mypacket_put_head(u->up, &seq, h->payload_n);
		flow_pass(&u->f, h->payload_n);
	} else {
		flow_drop(&u->f, myup_total(h));
	}
	continues(u, &own, rest);
	return MY_NEXT;
}

/* ---- commands ---- */

/* From here on the connection carries events, and the replica's answers to them. */
static enum my_next binlog(struct myup *u, const struct mypacket_head *h, uint8_t com)
{
	if (u->l == NULL)
		return myup_request(u);
	if (u->l->owed.n > 0)
		return MY_STOP;
	u->c->pins |= PIN(REPLICATION);
	u->l->raw = true;
	u->l->spoiled = true; /* nothing that it sends afterwards can be understood */
	(void)com;
	return myup_pass(u, h);
}

/* Does it matter to the command in which state its session is? A text has its own way. */
static bool needs_state(uint8_t com)
{
	switch (com) {
	case MYCOM_INIT_DB:
	case MYCOM_FIELD_LIST:
	case MYCOM_CREATE_DB:
	case MYCOM_DROP_DB:
	case MYCOM_STMT_PREPARE:
	case MYCOM_STMT_EXECUTE:
	case MYCOM_STMT_BULK_EXECUTE:
	case MYCOM_STMT_SEND_LONG_DATA: return true;
	default: return false;
	}
}

/* Is its answer that of a transaction which has begun? (Texts, and what ends the session's state,
 * see to that themselves; others are answered here.) */
static bool needs_tx(uint8_t com)
{
	switch (com) {
	case MYCOM_QUERY:
	case MYCOM_QUIT:
	case MYCOM_SET_OPTION:
	case MYCOM_PROCESS_KILL:
	case MYCOM_CHANGE_USER:
	case MYCOM_RESET_CONNECTION:
	case MYCOM_STMT_CLOSE: return false;
	default: return true;
	}
}

/* MySQL adds a warning that this is old to what the statement before has left, which is not always
 * counted: so what another session has left goes first. */
static enum my_next field_list(struct myup *u, const struct mypacket_head *h)
{
	static const char nothing[] = "DO 0";
	struct my_link *l = u->l;
	if (l && !l->mariadb && !l->own_last && u->c->mode != PROTO_SESSION) {
		uint8_t seq = 0;
		flow_cut(&u->f);
		my_owed_capture(l, MYCOM_QUERY, MY_CAP_STATUS, false);
		myquery_put(u->up, &seq, l->caps, NULL, nothing, sizeof(nothing) - 1);
		l->own_last = true;
	}
	return myup_forward(u, h, MYCOM_FIELD_LIST, 0);
}

static enum my_next command(struct myup *u, const struct mypacket_head *h, uint8_t com)
{
	switch (com) {
	case MYCOM_QUIT: return myup_event(u, PEV_BYE);
	case MYCOM_QUERY: return my_query(u, h);
	case MYCOM_PING: return u->l ? myup_forward(u, h, com, 0) : my_local_ok(u, h);
	case MYCOM_FIELD_LIST: return field_list(u, h);
	case MYCOM_INIT_DB:
	case MYCOM_STATISTICS:
	case MYCOM_PROCESS_INFO:
	case MYCOM_DEBUG:
	case MYCOM_REFRESH:
	case MYCOM_CREATE_DB:
	case MYCOM_DROP_DB: return myup_forward(u, h, com, 0);
	case MYCOM_REGISTER_SLAVE:
		u->c->pins |= PIN(REPLICATION);
		return myup_forward(u, h, com, 0);
	case MYCOM_BINLOG_DUMP:
	case MYCOM_BINLOG_DUMP_GTID: return binlog(u, h, com);
	case MYCOM_STMT_BULK_EXECUTE:
		return u->c->mariadb ? my_stmt(u, h, com) : my_local_unknown(u, h);
	case MYCOM_STMT_PREPARE:
	case MYCOM_STMT_EXECUTE:
	case MYCOM_STMT_SEND_LONG_DATA:
	case MYCOM_STMT_CLOSE:
	case MYCOM_STMT_RESET:
	case MYCOM_STMT_FETCH: return my_stmt(u, h, com);
	case MYCOM_SET_OPTION: return my_local_set_option(u, h);
	case MYCOM_PROCESS_KILL: return my_local_kill(u, h);
	case MYCOM_CHANGE_USER: return my_local_change_user(u, h);
	case MYCOM_RESET_CONNECTION: return my_local_reset(u, h);
	default: return my_local_unknown(u, h);
	}
}

/* Must it wait for what the link still owes? Looked at again when core calls after an answer. */
static bool must_wait(const struct myup *u)
{
	struct my_link *l = u->l;
	if (l == NULL)
		return false;
	if (l->sync_wait || l->prep_wait || l->ask ||
		(l->n_forward > 0 && u->c->mode != PROTO_SESSION))
		return true;
	/* What comes behind may be the file. */
	return l->owed.n > 0 && (my_owed_tail(l)->flags & MY_OWED_F_INFILE);
}

/* It waits until the link is given back, unless that will not come. */
static enum my_next confined(
	struct myup *u, const struct mypacket_head *h, enum my_confined how, const char *why)
{
	char text[256];
	if (how == MY_UNFIT) {
		snprintf(text, sizeof text,
			"Cannot do this in a READ ONLY transaction on a replica: %s. Begin it "
			"without READ ONLY, or with /* weirpool: primary */ in front",
			why);
		return my_local_err(u, h, 1792, "25006", text);
	}
	if (!u->c->pins)
		return MY_STOP;
	return my_local_err(u, h, 1290, "HY000",
		"This session is kept on a replica by what it did before, which cannot do this");
}

/* How texts are read is not known before the server has said it: what no tracker tells of is asked
 * for in front of the next text. True: it is. */
static bool asks_how_to_read(struct myup *u)
{
	struct my_client *c = u->c;
	if (u->l == NULL || c->mode == PROTO_SESSION || u->l->sync_due || !my_learn_lexes(c))
		return false;
	flow_cut(&u->f);
	my_ask_put(c, u->l, true, u->up);
	return true;
}

static enum my_next up_frame(struct myup *u)
{
	struct my_client *c = u->c;
	struct mypacket_head h;
	if (c->up_carry > 0 || c->up_tail > 0)
		return myup_carry(u);
	if (!mypacket_head(u->f.p + u->f.at, flow_ahead(&u->f), &h))
		return MY_STOP;
	if (c->in_infile)
		return infile(u, &h);
	if (c->up_more)
		return continuation(u, &h);
	if (h.seq != 0)
		return out_of_order(u);
	if (c->fail_next) {
		c->fail_next = false;
		myup_drop(u, &h);
		return MY_NEXT;
	}
	if (must_wait(u))
		return MY_STOP;
	if (h.payload_n == 0)
		return my_local_unknown(u, &h);
	if (flow_ahead(&u->f) <= MYPACKET_HEAD_BYTES)
		return MY_STOP;
	if (asks_how_to_read(u))
		return MY_STOP;
	enum my_next r;
	if (c->lost && my_lost_told(u, &h, &r))
		return r;
	const char *why = "";
	enum my_confined how = MY_GOES;
	if (u->l)
		how = my_confined(c, u->l, u->f.p + u->f.at, flow_ahead(&u->f), &why);
	if (how != MY_GOES)
		return confined(u, &h, how, why);
	uint8_t com = *myup_body(u);
	if (u->l && u->l->sync_due && (needs_state(com) || (c->begun && needs_tx(com)))) {
		flow_cut(&u->f);
		if (my_sync_put(c, u->l, u->up))
			return MY_STOP;
	}
	return command(u, &h, com);
}

/* Its packet went out in full frames: an empty one is due, for which no input will come. */
static bool is_empty_tail(const struct my_client *c)
{
	return c->up_tail == 1 && c->up_left == 0;
}

/* The rest of a frame that was begun. */
static bool resume(struct myup *u)
{
	if (!flow_resume(&u->f, &u->ev))
		return false;
	if (u->ev.kind == PEV_FORWARD && is_empty_tail(u->c)) {
		buf_append(u->up, u->f.p, u->ev.n);
		u->ev.kind = PEV_DROP;
		(void)myup_carry(u);
	}
	return true;
}

struct pev my_up(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up, struct buf *down,
	struct err *e)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	if (c->console)
		return my_console_up(c, p, n, down, e);
	if (l && l->raw)
		return my_pev(n ? PEV_FORWARD : PEV_MORE, n);
	struct myup u = {
		.f = { .p = p, .n = n, .out = up, .left = &c->up_left, .rest = &c->up_rest },
		.c = c,
		.l = l,
		.up = up,
		.down = down,
		.e = e
	};
	enum my_next r = MY_NEXT;
	bool resumed = resume(&u);
	while (!resumed && r == MY_NEXT && u.f.at < n && c->up_left == 0 && !(l && l->raw))
		r = up_frame(&u);
	if (!resumed && r == MY_NEXT && is_empty_tail(c))
		r = myup_carry(&u);
	if ((l && l->failed) || (up && up->failed) || down->failed) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return my_pev(PEV_BAD, 0);
	}
	if (resumed || r == MY_EVENT)
		return u.ev;
	return flow_end(&u.f);
}
