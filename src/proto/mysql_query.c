/* mysql_query - COM_QUERY of a client: what its text may do to the session, and its way to a server
 * whose layout of the command may differ. Thread: that of the env. Source: MySQL docs, COM_QUERY.
 * */
#include "mysql_up_int.h"
#include "token_ask.h"

#include <string.h>
#include <strings.h>

#include "sql/classify_my.h"
#include "wire/mysql/query.h"

#define PREFIX_MAX_BYTES (64U << 10) /* of a text that state is put in front of */
#define KILL_MAX_BYTES 200U
#define ATTRS_MAX_BYTES 65536U /* of query attributes of a text that is not here as a whole */

/* What stands before the text, in the server's layout, and the statements that go in front of it.
 * Attributes that the server does not know give way to blanks: then all frames keep their
 * lengths. */
static void put_head(
	struct myup *u, const struct myquery *q, const struct buf *prefix, struct buf *b)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	bool same = ((c->caps ^ l->caps) & MYCAP(QUERY_ATTRIBUTES)) == 0;
	if (same)
		buf_append(b, myup_body(u), q->text_off);
	else
		myquery_put_head(b, l->caps, NULL);
	while (buf_len(b) < q->text_off)
		buf_put_u8(b, ' ');
	if (buf_len(prefix))
		buf_append(b, buf_data(prefix), buf_len(prefix));
}

static enum my_next pass(struct myup *u, const struct mypacket_head *h, const struct myquery *q,
	unsigned flags, const struct buf *prefix, unsigned skip)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	struct my_owed *o = myup_owe(u, MYCOM_QUERY, flags);
	if (o) {
		o->skip = (uint8_t)skip;
		o->n_results = c->req.n_statements;
		o->calls = c->req.calls;
	}
	if (skip == 0 && ((c->caps ^ l->caps) & MYCAP(QUERY_ATTRIBUTES)) == 0)
		return myup_pass(u, h);
	struct buf head;
	buf_init(&head, 0);
	put_head(u, q, prefix, &head);
	enum my_next r = MY_STOP;
	if (!head.failed)
		r = myup_rehead(u, h, q->text_off, buf_data(&head), buf_len(&head));
	l->failed = l->failed || head.failed;
	buf_fini(&head);
	return r;
}

/* ---- multi-statements, state in front ---- */

/* Certainly one statement: no semicolon but at the end. */
static bool is_single(struct mystr t)
{
	while (t.n && (t.p[t.n - 1] == ';' || t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\n' ||
			      t.p[t.n - 1] == '\r' || t.p[t.n - 1] == '\t'))
		t.n--;
	return memchr(t.p, ';', t.n) == NULL;
}

/* What the session's state needs in front of its statement: in the same command where that is
 * sure to mean the same. False: it goes alone, and the statement waits for the answer. */
static bool put_state(struct myup *u, const struct mypacket_head *h, const struct myquery *q,
	const struct my_req *r, struct buf *prefix, unsigned *skip_r)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	/* Behind other statements an empty one has no result. */
	bool whole = h->payload_n <= PREFIX_MAX_BYTES && myup_whole(u, h) && r->n_statements > 0;
	bool single = whole && is_single(q->text);
	*skip_r = 0;
	if (l->sync_due && whole && (single || c->multi))
		*skip_r = my_sync_prefix(c, l, prefix);
	flow_cut(&u->f);
	if (l->sync_due)
		(void)my_sync_put(c, l, u->up);
	if (l->sync_wait)
		return false;
	if (*skip_r > 0)
		my_sync_keep(c, l, u->f.p + u->f.at, myup_total(h));
	if (*skip_r > 0 || !single)
		my_sync_multi(l, *skip_r > 0 || c->multi, u->up);
	return true;
}

static bool is_traceparent(const struct myparam *p)
{
	return p->name.n == 11 && strncasecmp(p->name.p, "traceparent", 11) == 0 && !p->null;
}

/* The client's attribute of that name, without its length byte: its values are short. */
static struct mystr trace_of(const struct myquery *q)
{
	struct mystr none = { NULL, 0 };
	struct myparam_iter it = q->it;
	struct myparam p;
	while (q->attrs_n && myparam_next(&it, &p))
		if (is_traceparent(&p) && p.value.n > 1 && p.value.n < 128 &&
			(unsigned char)*p.value.p == p.value.n - 1)
			return (struct mystr){ p.value.p + 1, p.value.n - 1 };
	return none;
}

static void count(struct myup *u, const struct mypacket_head *h, const struct myquery *q)
{
	if (!meter_on(u->c->meter))
		return;
	bool known = h->payload_n <= u->c->env->max_inspect_bytes;
	struct mystr trace = trace_of(q);
	struct texts_ref ref = my_text_ref(my_lex(u->c, u->l), q->text.p, known ? q->text.n : 0);
	struct my_known *k = texts_find(&u->c->env->texts, &ref);
	my_count(u, known ? q->text.p : NULL, q->text.n, trace, k ? &k->digest : NULL);
}

unsigned my_may_ask_for_file(const struct myup *u, const struct my_req *r)
{
	bool may = (r->flags & (SQL_MY_LOCAL_INFILE | SQL_MY_UNSURE | SQL_MY_EXECUTE)) &&
		   (u->c->caps & MYCAP(LOCAL_FILES)) && (u->l->caps & MYCAP(LOCAL_FILES));
	return may ? MY_OWED_F_INFILE : 0;
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
	uint8_t seq = (uint8_t)(h->seq + 1);
	if ((r.flags & MY_SHOWN_HERE) && r.n_statements == 1 && !myup_busy(u) &&
		my_diag_show(u, q->text.p, q->text.n, &seq))
		return my_local_done(u, h);
	if (!my_class_check(u, h, &r, &next))
		return next;
	struct buf prefix;
	unsigned skip;
	buf_init(&prefix, 0);
	next = MY_STOP;
	if (put_state(u, h, q, &r, &prefix, &skip)) {
		c->req = r;
		my_rule_followed(u);
		count(u, h, q);
		if ((r.flags & SQL_MY_DDL) && c->names)
			proto_catalog_changed();
		c->counters->queries++;
		next = pass(u, h, q, my_may_ask_for_file(u, &r), &prefix, skip);
		my_wish_ask(u, &r);
	}
	buf_fini(&prefix);
	return next;
}

/* Each text comes here: most begin with another word, and need not be read. */
static bool may_be_kill(struct mystr t)
{
	while (t.n && (*t.p == ' ' || *t.p == '\n' || *t.p == '\r' || *t.p == '\t')) {
		t.p++;
		t.n--;
	}
	char first = t.n ? (char)(*t.p | 0x20) : 0;
	return !(first >= 'a' && first <= 'z') || first == 'k';
}

/* A lone KILL is ours to carry out: it must not wait for a server connection, which perhaps the one
 * holds that it is to end. */
static bool is_kill(const struct myquery *q, struct sql_my_stmt *st)
{
	static const struct sql_my_opts any; /* there is nothing quoted in it */
	struct sql_my_iter it;
	struct sql_my_stmt next;
	if (q->text.n > KILL_MAX_BYTES || !may_be_kill(q->text))
		return false;
	sql_my_start(&it, &any, q->text.p, q->text.n);
	return sql_my_next(&it, st) && st->id_known && st->id <= UINT32_MAX &&
	       (st->kill == SQL_MY_KILL_CONNECTION || st->kill == SQL_MY_KILL_QUERY) &&
	       !sql_my_next(&it, &next);
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
		return my_local_malformed(u, h);
	struct sql_my_stmt st;
	struct pev token;
	bool seen = u->l && c->looked; /* it came before there was a link: no token is asked for */
	if (have == h->payload_n && !seen && token_ask_read(q.text.p, q.text.n, &token))
		return my_token(u, h, &token);
	if (have == h->payload_n && my_begin_answered(u, h, &q))
		return my_local_done(u, h);
	if (my_rule(u, h->payload_n <= c->env->max_inspect_bytes ? q.text.p : NULL, q.text.n))
		return my_rule_refuse(u, h);
	if (u->l)
		return run(u, h, &q);
	if (have == h->payload_n && is_kill(&q, &st))
		return my_kill(u, h, (uint32_t)st.id, st.kill == SQL_MY_KILL_CONNECTION);
	return myup_request(u);
}
