/* mysql_stmt_exec - COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE: which handle of the link
 * serves it, and the packet in the server's layout with all parameter types in it. Thread: that of
 * the env. Source: MySQL docs, COM_STMT_EXECUTE; MariaDB docs, COM_STMT_BULK_EXECUTE. */
#include "mysql_stmt_int.h"

#include <string.h>

#include "base/mem.h"
#include "sql/classify_my.h"
#include "wire/mysql/stmt.h"

#define SMALL_BYTES 256U /* of types that need no memory of their own */

/* One EXECUTE on its way. */
struct exec {
	struct my_stmt *s;
	struct mystmt_execute x;
	uint8_t *types; /* as they are to be sent: in small, or owned; NULL: no parameters */
	size_t have;    /* bytes of the payload that are here */
	bool changed;   /* they are not those in the packet */
	uint8_t small[SMALL_BYTES];
};

static size_t types_n(const struct my_stmt *s)
{
	return (size_t)s->params_n * MYPARAM_TYPE_BYTES;
}

static bool same_layout(const struct myup *u)
{
	return ((u->c->caps ^ u->l->caps) & MYCAP(QUERY_ATTRIBUTES)) == 0;
}

/* A NULL has no type of its own: as what it was before, it does not make another handle
 * necessary. */
static bool fill_nulls(struct exec *e)
{
	const struct my_stmt *s = e->s;
	bool changed = false;
	for (size_t i = 0; s->types && i < types_n(s); i += MYPARAM_TYPE_BYTES) {
		if (e->types[i] != MYTYPE_NULL || s->types[i] == MYTYPE_NULL)
			continue;
		memcpy(e->types + i, s->types + i, MYPARAM_TYPE_BYTES);
		changed = true;
	}
	return changed;
}

/* False: no memory. */
static bool take_types(struct exec *e, bool mariadb)
{
	struct my_stmt *s = e->s;
	if (s->params_n == 0)
		return true;
	e->types = types_n(s) <= SMALL_BYTES ? e->small : mem_alloc(MEM_STMT, types_n(s));
	if (e->types == NULL)
		return false;
	if (e->x.new_types) {
		mystmt_copy_types(&e->x, e->types);
		e->changed = !mariadb && fill_nulls(e);
	} else if (s->types == NULL) {
		for (size_t i = 0; i < types_n(s); i += MYPARAM_TYPE_BYTES)
			memcpy(e->types + i, (uint8_t[]){ MYTYPE_NULL, 0 }, MYPARAM_TYPE_BYTES);
		e->changed = true;
	} else {
		memcpy(e->types, s->types, types_n(s));
		e->changed = true;
	}
	return true;
}

/* The handle, or 0: the command waits. */
static uint32_t handle_of(struct myup *u, struct exec *e)
{
	struct my_stmt *s = e->s;
	if (s->fixed)
		return s->fixed;
	struct hash128 key = my_stmt_key(s, u->l, e->types, e->x.flags & MYSTMT_CURSOR_MASK);
	if (s->long_data) { /* its data is there */
		struct linkstmt *x = my_stmt_by_handle(u->l, s->long_data);
		if (x && !linkmap_rekey(&u->l->stmts, x, key))
			u->l->failed = true;
		return s->long_data;
	}
	struct linkstmt *x = linkmap_get(&u->l->stmts, key);
	if (x && x->in_flight && x->id != s->cursor) { /* another statement's cursor is on it */
		key.lo ^= s->id;
		key.hi ^= u->c->id;
	}
	x = my_stmt_handle(u, s, &key);
	return x ? x->id : 0;
}

/* The packet in the server's layout. What is not here yet follows as it is. */
static enum my_next pass(
	struct myup *u, const struct mypacket_head *h, struct exec *e, uint32_t handle)
{
	struct my_link *l = u->l;
	const struct mystmt_execute *x = &e->x;
	bool attrs = l->caps & MYCAP(QUERY_ATTRIBUTES);
	struct buf head;
	uint8_t seq = 0;
	if (same_layout(u) && !e->changed)
		return my_stmt_renumber(u, h, handle);
	if (myup_whole(u, h)) {
		flow_cut(&u->f);
		mystmt_put_execute(u->up, &seq, l->caps, x, handle, e->types, attrs);
		myup_drop(u, h);
		return MY_NEXT;
	}
	buf_init(&head, 0);
	mystmt_put_execute_head(&head, l->caps, x, handle, e->types, attrs);
	enum my_next r = MY_STOP;
	if (!head.failed && buf_len(&head) >= x->values_off)
		r = myup_rehead(u, h, x->values_off, buf_data(&head), buf_len(&head));
	else
		l->failed = true;
	buf_fini(&head);
	return r;
}

/* Nobody has said of which types its parameters are, which for NULLs does not matter. */
static bool lacks_types(const struct exec *e, bool readable)
{
	const struct my_stmt *s = e->s;
	if (s->params_n == 0 || e->x.new_types || s->types)
		return false;
	bool nulls = readable && e->x.attrs_n == 0;
	for (unsigned i = 0; nulls && i < s->params_n; i++)
		nulls = e->x.nulls[i / 8] & 1U << i % 8;
	return !nulls;
}

/* What an execution does. False: it must not run now, *next_r. */
static bool request(struct myup *u, const struct mypacket_head *h, const struct my_stmt *s,
	struct my_req *req, enum my_next *next_r)
{
	*req = s->req;
	if (s->text &&
		(req->flags & (SQL_MY_VAR_SET | SQL_MY_VAR_SILENT | SQL_MY_SET_SYS | MY_HOLDS)))
		my_class(u->c, my_lex(u->c, u->l), s->text->text, s->text->text_n, true, req);
	return my_class_check(u, h, req, next_r);
}

static enum my_next run(struct myup *u, const struct mypacket_head *h, struct exec *e)
{
	struct my_client *c = u->c;
	struct my_stmt *s = e->s;
	struct my_req req;
	enum my_next next;
	if (!request(u, h, s, &req, &next))
		return next;
	if (!take_types(e, u->l->mariadb)) {
		u->l->failed = true;
		return MY_STOP;
	}
	uint32_t handle = handle_of(u, e);
	if (handle == 0)
		return MY_STOP;
	if (s->cursor && s->cursor != handle)
		my_stmt_put_reset(u, s);
	else if (s->cursor) /* the server closes it */
		my_stmt_cursor(c, u->l, s->id, 0, false);
	my_stmt_drop_long(c->stmts, s);
	c->req = req;
	c->counters->binds++;
	my_rule_followed(u);
	my_count_stmt(u, s->text);
	struct my_owed *o = myup_owe(u, MYCOM_STMT_EXECUTE, my_may_ask_for_file(u, &req));
	if (o) {
		o->stmt = s->id;
		o->handle = handle;
		o->calls = req.calls;
	}
	enum my_next r = pass(u, h, e, handle);
	my_wish_ask(u, &req);
	if (s->params_n && (e->x.new_types || s->types) && !my_stmt_keep_types(s, e->types))
		u->l->failed = true;
	return r;
}

enum my_next my_stmt_execute(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	struct exec e;
	e.s = s;
	e.types = NULL;
	e.have = flow_ahead(&u->f) - MYPACKET_HEAD_BYTES;
	e.changed = false;
	struct mystmt_known known = {
		.params_n = s->params_n, .types = s->types, .long_data = s->long_params
	};
	const char *where;
	if (e.have > h->payload_n)
		e.have = h->payload_n;
	/* Values are looked at only where a packet must be rewritten behind its head: small ones
	 * are taken as a whole. */
	if (!myup_whole(u, h) && h->payload_n <= u->c->env->max_inspect_bytes)
		return MY_STOP;
	if (s->text ? my_rule(u, s->text->text, s->text->text_n) : my_no_rule(u))
		return my_rule_refuse(u, h);
	if (u->l == NULL)
		return myup_request(u);
	int got = mystmt_read_execute(
		myup_body(u), e.have, h->payload_n, u->c->caps, &known, &e.x, &where);
	if (got == 0)
		return MY_STOP;
	if ((got > 0 || u->l->mariadb) && lacks_types(&e, got > 0))
		return my_local_err(
			u, h, 1210, "HY000", "Incorrect arguments to mysqld_stmt_execute");
	if (got < 0)
		return my_local_malformed(u, h);
	enum my_next r = run(u, h, &e);
	if (e.types != e.small)
		mem_free(MEM_STMT, e.types);
	return r;
}

/* ---- MariaDB's bulk ---- */

enum my_next my_stmt_bulk(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	struct mystmt_bulk x;
	const char *where;
	size_t have = flow_ahead(&u->f) - MYPACKET_HEAD_BYTES;
	if (s->text ? my_rule(u, s->text->text, s->text->text_n) : my_no_rule(u))
		return my_rule_refuse(u, h);
	if (u->l == NULL)
		return myup_request(u);
	if (have > h->payload_n)
		have = h->payload_n;
	int got = mystmt_read_bulk(myup_body(u), have, h->payload_n, s->params_n, &x, &where);
	if (got == 0)
		return MY_STOP;
	if (got < 0)
		return my_local_malformed(u, h);
	if (x.types == NULL && s->types == NULL)
		return my_local_err(
			u, h, 1210, "HY000", "Incorrect arguments to mysqld_stmt_bulk_execute");
	struct my_req req;
	enum my_next next;
	if (!request(u, h, s, &req, &next))
		return next;
	if (x.types && !my_stmt_keep_types(s, x.types)) {
		u->l->failed = true;
		return MY_STOP;
	}
	struct linkstmt *on = NULL;
	if (s->fixed == 0) {
		struct hash128 key = my_stmt_key(s, u->l, s->types, false);
		on = my_stmt_handle(u, s, &key);
		if (on == NULL)
			return MY_STOP;
	}
	u->c->req = req;
	my_rule_followed(u);
	my_count_stmt(u, s->text);
	struct my_owed *o = myup_owe(u, MYCOM_STMT_BULK_EXECUTE, 0);
	if (o)
		o->stmt = s->id;
	struct buf head;
	buf_init(&head, 0);
	if (!(u->c->caps & MYCAP(MARIADB_BULK_UNIT_RESULTS)))
		x.flags &= (uint16_t)~MYSTMT_BULK_UNIT_RESULTS;
	mystmt_put_bulk_head(&head, on ? on->id : s->fixed, x.flags, s->types, s->params_n);
	enum my_next r = MY_STOP;
	if (!head.failed)
		r = myup_rehead(u, h, x.values_off, buf_data(&head), buf_len(&head));
	else
		u->l->failed = true;
	buf_fini(&head);
	return r;
}
