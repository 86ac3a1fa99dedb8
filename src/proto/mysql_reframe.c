/* mysql_reframe - a client's packet with another beginning: what then does not fit into a full
 * frame goes in front of what the next one holds. Bounded memory: the bytes that go over wait in
 * the input until the next frame's header is there. Ignorant of commands. Thread: that of the
 * env. Source: MySQL docs, MySQL Packets: Sending More Than 16Mb. */
#include "mysql_up_int.h"

#include <assert.h>

/* Replies count on from the last frame of the request, on either side. */
static void counts_on(struct myup *u, unsigned out, unsigned in)
{
	struct my_owed *o = u->l ? my_owed_tail(u->l) : NULL;
	if (o == NULL || o->disp != MY_FORWARD)
		return;
	o->seq = (uint8_t)(o->seq + out);
	o->cseq = (uint8_t)(o->cseq + in);
}

/* A frame in which first_n bytes stand before n_rest that pass; last: it was the client's last. */
static void put_frame(
	struct myup *u, uint8_t seq, const void *first, size_t first_n, size_t n_rest, bool last)
{
	struct my_client *c = u->c;
	size_t total = first_n + n_rest;
	bool full = total >= MYPACKET_PAYLOAD_MAX;
	uint8_t s = seq;
	mypacket_put_head(u->up, &s, full ? MYPACKET_PAYLOAD_MAX : (uint32_t)total);
	buf_append(u->up, first, first_n);
	c->up_seq = s;
	c->up_rest = FLOW_PASS;
	c->up_more = full;
	c->up_carry = full && !last ? (uint32_t)(total - MYPACKET_PAYLOAD_MAX) : 0;
	c->up_tail = full && last ? (uint32_t)(total - MYPACKET_PAYLOAD_MAX) + 1 : 0;
}

static void pass(struct myup *u, size_t first_n, size_t n_rest)
{
	size_t room = MYPACKET_PAYLOAD_MAX - first_n;
	flow_pass(&u->f, n_rest < room ? n_rest : room);
}

enum my_next myup_rehead(
	struct myup *u, const struct mypacket_head *h, size_t old_n, const void *head, size_t new_n)
{
	size_t n_rest = h->payload_n - old_n;
	assert(new_n >= old_n && h->payload_n >= old_n && new_n < MYPACKET_PAYLOAD_MAX);
	flow_drop(&u->f, MYPACKET_HEAD_BYTES + old_n);
	put_frame(u, h->seq, head, new_n, n_rest, h->payload_n < MYPACKET_PAYLOAD_MAX);
	pass(u, new_n, n_rest);
	return MY_NEXT;
}

/* What did not fit into the last frame makes one of its own. */
static enum my_next tail(struct myup *u)
{
	struct my_client *c = u->c;
	uint32_t n = c->up_tail - 1;
	if (flow_ahead(&u->f) < n)
		return MY_STOP;
	flow_cut(&u->f);
	mypacket_put(u->up, &c->up_seq, u->f.p + u->f.at, n);
	flow_drop(&u->f, n);
	counts_on(u, 1, 0);
	c->up_tail = 0;
	c->up_more = false;
	return MY_NEXT;
}

enum my_next myup_carry(struct myup *u)
{
	struct my_client *c = u->c;
	struct mypacket_head h;
	size_t k = c->up_carry;
	if (c->up_tail > 0)
		return tail(u);
	if (flow_ahead(&u->f) < k ||
		!mypacket_head(u->f.p + u->f.at + k, flow_ahead(&u->f) - k, &h))
		return MY_STOP;
	if (h.seq != c->up_seq && !my_packed(c->caps))
		return myup_bad(u, ERR_PROTOCOL, 1156, "Got packets out of order");
	flow_cut(&u->f);
	put_frame(
		u, c->up_seq, u->f.p + u->f.at, k, h.payload_n, h.payload_n < MYPACKET_PAYLOAD_MAX);
	flow_drop(&u->f, k + MYPACKET_HEAD_BYTES);
	pass(u, k, h.payload_n);
	counts_on(u, 1, 1);
	return MY_NEXT;
}
