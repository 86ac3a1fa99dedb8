/* mysql_query - COM_QUERY of a client: what its text may do to the session, and its way to a server
 * whose layout of the command may differ. Thread: that of the env. Source: MySQL docs, COM_QUERY.
 * */
#include "mysql_up_int.h"

#include <string.h>

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

enum my_next my_query(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct myquery q;
	const char *where;
	size_t have = flow_ahead(&u->f) - MYPACKET_HEAD_BYTES;
	if (have > h->payload_n)
		have = h->payload_n;
	int got = myquery_read(myup_body(u), have, h->payload_n, c->caps, &q, &where);
	if (got == 0 && have < ATTRS_MAX_BYTES)
		return MY_STOP;
	if (got <= 0)
		return my_local_err(u, h, 1835, "HY000", "Malformed communication packet.");
	if (u->l == NULL)
		return myup_request(u);
	bool file = (c->caps & MYCAP(LOCAL_FILES)) && (u->l->caps & MYCAP(LOCAL_FILES));
	c->counters->queries++;
	return pass(u, h, &q, file ? MY_OWED_F_INFILE : 0);
}
