/* mysql_query - COM_QUERY of a client: what its text may do to the session, and its way to a server
 * whose layout of the command may differ. Thread: that of the env. Source: MySQL docs, COM_QUERY.
 * */
#include "mysql_up_int.h"

#include <string.h>

#include "sql/classify_my.h"
#include "wire/mysql/query.h"

#define ATTRS_MAX_BYTES 65536U /* of query attributes of a text that is not here as a whole */

/* The command passes in the server's layout. Attributes that it does not know give way to blanks:
 * then all frames keep their lengths. */
static enum my_next pass(
	struct myup *u, const struct mypacket_head *h, const struct myquery *q, unsigned flags)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	bool theirs = c->caps & MYCAP(QUERY_ATTRIBUTES), ours = l->caps & MYCAP(QUERY_ATTRIBUTES);
	(void)myup_owe(u, MYCOM_QUERY, flags);
	if (theirs == ours)
		return myup_pass(u, h);
	struct buf head;
	buf_init(&head, 0);
	myquery_put_head(&head, l->caps, NULL);
	while (buf_len(&head) < q->text_off)
		buf_put_u8(&head, ' ');
	enum my_next r = MY_STOP;
	if (!head.failed)
		r = myup_rehead(u, h, q->text_off, buf_data(&head), buf_len(&head));
	l->failed = l->failed || head.failed;
	buf_fini(&head);
	return r;
}

/* The trackers are ours: which ones the client wants is asked behind its statement. */
static void put_wish(struct myup *u, const struct my_req *r)
{
	if (!(r->flags & (SQL_MY_SET_TRACKER | SQL_MY_UNSURE)) || u->c->up_left > 0 ||
		u->c->up_more)
		return;
	flow_cut(&u->f);
	u->c->wish = r->wish;
	my_wish_put(u->l, u->up);
}

static bool may_ask_for_file(const struct myup *u, const struct my_req *r)
{
	return (r->flags & (SQL_MY_LOCAL_INFILE | SQL_MY_UNSURE | SQL_MY_EXECUTE)) &&
	       (u->c->caps & MYCAP(LOCAL_FILES)) && (u->l->caps & MYCAP(LOCAL_FILES));
}

static enum my_next run(struct myup *u, const struct mypacket_head *h, const struct myquery *q)
{
	struct my_client *c = u->c;
	struct my_req r;
	enum my_next next;
	if (h->payload_n > c->env->max_inspect_bytes)
		my_class_big(&r);
	else
		my_class(c, my_lex(c, u->l), q->text.p, q->text.n, c->mode != PROTO_SESSION, &r);
	if (r.kill)
		return my_kill(u, h, r.kill, r.kill_whole);
	if (!my_class_check(u, h, &r, &next))
		return next;
	c->req = r;
	c->counters->queries++;
	next = pass(u, h, q, may_ask_for_file(u, &r) ? MY_OWED_F_INFILE : 0);
	put_wish(u, &r);
	return next;
}

enum my_next my_query(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct myquery q;
	const char *where;
	size_t have = flow_ahead(&u->f) - MYPACKET_HEAD_BYTES;
	if (have > h->payload_n)
		have = h->payload_n;
	if (h->payload_n <= c->env->max_inspect_bytes && have < h->payload_n)
		return MY_STOP;
	int got = myquery_read(myup_body(u), have, h->payload_n, c->caps, &q, &where);
	if (got == 0 && have < ATTRS_MAX_BYTES)
		return MY_STOP;
	if (got <= 0)
		return my_local_err(u, h, 1835, "HY000", "Malformed communication packet.");
	return u->l ? run(u, h, &q) : myup_request(u);
}
