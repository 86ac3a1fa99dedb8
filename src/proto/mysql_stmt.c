/* mysql_stmt - prepared statements: a session's ids are ours, and a server's handles belong to the
 * link. Which handle may serve whom is a matter of its key: text, the settings that it was parsed
 * under, and the parameter types that it was executed with, which MySQL does not forget. Thread:
 * that of the env. Source: MySQL docs, Prepared Statements: COM_STMT_PREPARE, _CLOSE, _RESET,
 * _FETCH, _SEND_LONG_DATA. */
#include "mysql_stmt_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/mysql/query.h"
#include "wire/mysql/stmt.h"

#define KEY_PARTS_MAX_N 64U
#define EXECUTE_MIN_BYTES 10U

/* ---- keys ---- */

/* Settings that cannot change what a text means or what its columns are. */
static const char *const harmless[] = { "autocommit", "foreign_key_checks",
	"innodb_lock_wait_timeout", "interactive_timeout", "lock_wait_timeout",
	"max_execution_time", "max_statement_time", "net_read_timeout", "net_write_timeout",
	"transaction_isolation", "transaction_read_only", "tx_isolation", "tx_read_only",
	"unique_checks", "wait_timeout" };

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		if (strcmp(name, harmless[i]) == 0)
			return true;
	return *name == '@';
}

/* User variables: the server takes their types from the values that they had at the PREPARE. used:
 * how it has been executed. */
static struct hash128 key_of(const struct stmt *text, const struct varset *want, const char *used,
	const uint8_t *types, size_t types_n)
{
	struct hash128_part part[KEY_PARTS_MAX_N];
	unsigned n = 0;
	bool vars = text->text_n > 0 && memchr(text->text, '@', text->text_n);
	part[n++] = (struct hash128_part){ &text->key, sizeof(text->key) };
	part[n++] = (struct hash128_part){ types, types ? types_n : 0 };
	part[n++] = (struct hash128_part){ used, 1 };
	if (vars && want)
		part[n++] = (struct hash128_part){ &want->key, sizeof(want->key) };
	for (uint32_t i = 0; !vars && want && i < want->n; i++) {
		const struct var *v = &want->v[i];
		if (is_harmless(v->name))
			continue;
		if (n + 3 > KEY_PARTS_MAX_N) { /* the whole set: as good, only less often equal */
			part[n++] = (struct hash128_part){ &want->key, sizeof(want->key) };
			break;
		}
		part[n++] = (struct hash128_part){ v->name, strlen(v->name) };
		part[n++] = (struct hash128_part){ v->value, strlen(v->value) };
	}
	return hash128_parts(part, n);
}

static size_t types_n(const struct my_stmt *s)
{
	return (size_t)s->params_n * MYPARAM_TYPE_BYTES;
}

/* One that MySQL 9.7 opened a cursor for at its first execution gives, without one, rows without an
 * end. */
static struct hash128 typed_key(
	const struct my_stmt *s, bool mariadb, const uint8_t *types, bool cursor)
{
	static const uint8_t none[1];
	size_t n = mariadb || types == NULL ? 0 : types_n(s);
	return key_of(s->text, s->want_at, cursor ? "c" : "t", n ? types : none, n);
}

struct hash128 my_stmt_key(
	struct my_stmt *s, const struct my_link *l, const uint8_t *types, bool cursor)
{
	uint8_t of = l->mariadb ? MY_TYPED_MARIADB : MY_TYPED_MYSQL;
	if (cursor && !l->mariadb)
		return typed_key(s, l->mariadb, types, true);
	/* A family's key depends on the types at most. */
	if (types && (s->types == NULL || memcmp(types, s->types, types_n(s)) != 0))
		return typed_key(s, l->mariadb, types, false);
	if (s->typed_for != of) {
		s->typed = typed_key(s, l->mariadb, types, false);
		s->typed_for = of;
	}
	return s->typed;
}

bool my_stmt_keep_types(struct my_stmt *s, const uint8_t *types)
{
	size_t n = types_n(s);
	if (s->types && memcmp(s->types, types, n) == 0)
		return true;
	if (s->types == NULL && (s->types = mem_alloc(MEM_STMT, n)) == NULL)
		return false;
	memcpy(s->types, types, n);
	s->typed_for = MY_TYPED_NONE;
	return true;
}

/* ---- a session's table ---- */

/* The ids are ours and follow each other: they are as good as a hash. */
struct my_stmt *my_stmt_get(const struct my_client *c, uint32_t id)
{
	if (c->stmts && id == MYSTMT_LAST_ID)
		id = c->last_stmt;
	return c->stmts ? hmap_get_by(&c->stmts->by_id, id, &id, sizeof(id)) : NULL;
}

static void free_stmt(struct my_client *c, struct my_stmt *s)
{
	struct my_stmts *m = c->stmts;
	m->n_fixed -= s->fixed != 0;
	m->n_cursors -= s->cursor != 0;
	my_stmt_drop_long(m, s);
	stmt_unref(&c->env->stmts, s->text);
	varset_assign(&c->env->vars, &s->want_at, NULL);
	mem_free(MEM_STMT, s->types);
	mem_free(MEM_STMT, s);
}

static void drop(struct my_client *c, struct my_stmt *s)
{
	struct my_stmt *was = hmap_del_by(&c->stmts->by_id, s->id, &s->id, sizeof(s->id));
	assert(was == s);
	free_stmt(c, was);
}

void my_stmts_free(struct my_client *c)
{
	if (c->stmts == NULL)
		return;
	for (struct hmap_it it = hmap_begin(&c->stmts->by_id); hmap_next(&it);)
		free_stmt(c, it.value);
	hmap_fini(&c->stmts->by_id, NULL);
	mem_free(MEM_STMT, c->stmts);
	c->stmts = NULL;
}

unsigned my_stmts_n(const struct my_client *c)
{
	return c->stmts ? (unsigned)hmap_size(&c->stmts->by_id) : 0;
}

uint32_t my_stmts_pins(const struct my_client *c)
{
	const struct my_stmts *m = c->stmts;
	if (m == NULL)
		return 0;
	return (m->n_fixed ? PIN(PREPARE) : 0) | (m->n_cursors ? PIN(CURSOR) : 0) |
	       (m->n_long ? PIN(LONG_DATA) : 0);
}

static struct my_stmts *stmts_of(struct my_client *c)
{
	if (c->stmts == NULL && (c->stmts = mem_alloc(MEM_STMT, sizeof(*c->stmts))) != NULL)
		hmap_init(&c->stmts->by_id);
	return c->stmts;
}

static bool is_free(const struct my_stmts *m, uint32_t id)
{
	/* 0 and MYSTMT_LAST_ID mean something else */
	return id != 0 && id != MYSTMT_LAST_ID && !hmap_get_by(&m->by_id, id, &id, sizeof(id));
}

struct my_stmt *my_stmt_add(
	struct my_client *c, uint32_t id, const char *text, size_t n, struct varset *want_at)
{
	struct my_stmts *m = stmts_of(c);
	struct my_stmt *s = m && is_free(m, id) ? mem_alloc(MEM_STMT, sizeof(*s)) : NULL;
	if (s == NULL)
		return NULL;
	s->id = id;
	if (text) {
		struct hash128 key = stmt_key(text, n, NULL, 0, 0);
		s->text = stmt_find(&c->env->stmts, key);
		if (s->text == NULL)
			s->text = stmt_new(&c->env->stmts, key, text, n, NULL, 0, 0);
	}
	if ((text && s->text == NULL) ||
		!hmap_put_by(&m->by_id, s->id, &s->id, sizeof(s->id), s, NULL)) {
		stmt_unref(&c->env->stmts, s->text);
		mem_free(MEM_STMT, s);
		return NULL;
	}
	varset_assign(&c->env->vars, &s->want_at, want_at);
	if (s->text)
		s->fresh = key_of(s->text, s->want_at, "f", NULL, 0);
	return s;
}

/* text NULL: too large. NULL: no memory, or the budget for texts is spent. */
static struct my_stmt *add(struct my_client *c, const char *text, size_t n)
{
	struct my_stmts *m = stmts_of(c);
	if (m == NULL)
		return NULL;
	do
		c->last_stmt++;
	while (!is_free(m, c->last_stmt));
	return my_stmt_add(c, c->last_stmt, text, n, c->want);
}

/* ---- handles ---- */

struct linkstmt *my_stmt_by_handle(struct my_link *l, uint32_t handle)
{
	list_for(n, &l->stmts.lru) {
		struct linkstmt *x = list_entry(n, struct linkstmt, lru);
		if (x->id == handle)
			return x;
	}
	return NULL;
}

/* Makes room for one more. */
static void evict(struct my_link *l, unsigned max, struct buf *up)
{
	struct linkstmt *old;
	while ((old = linkmap_oldest(&l->stmts, max - 1)) != NULL) {
		uint8_t seq = 0;
		mystmt_put_close(up, &seq, old->id);
		linkmap_drop(&l->stmts, old);
	}
}

/* The session's state as it was when s was prepared, but for what has nothing to do with texts. A
 * new reference; false: no memory. */
static bool state_then(const struct my_client *c, const struct my_stmt *s, struct varset **then_r)
{
	struct vartab *t = &c->env->vars;
	struct varset *then = varset_ref(s->want_at);
	bool ok = true;
	for (size_t i = 0; ok && i < sizeof(harmless) / sizeof(*harmless); i++)
		ok = varset_put(t, &then, harmless[i], varset_get(c->want, harmless[i]));
	if (ok)
		*then_r = then;
	else
		varset_unref(t, then);
	return ok;
}

/* What a handle's state is made of, or is restored to behind its PREPARE, must be known. True: it
 * is being asked for. */
static bool asks_first(struct myup *u)
{
	if (u->c->mode == PROTO_SESSION ||
		!(u->c->needs & (MY_NEED_COLLATION | MY_NEED_MODE | MY_NEED_VARS | MY_NEED_SYS)))
		return false;
	flow_cut(&u->f);
	my_ask_put(u->c, u->l, true, u->up);
	return true;
}

/* Pins of a session whose state is not all known: it keeps its link, and the state stays, but for
 * the schema, of which servers always tell. */
#define VAGUE_PINS (PIN(UNKNOWN) | PIN(SETTING) | PIN(VARIABLE))

static bool schema_then(const struct my_client *c, const struct my_link *l, const struct my_stmt *s,
	struct varset **then_r)
{
	*then_r = varset_ref(l->have);
	return varset_put(
		&c->env->vars, then_r, MY_VAR_SCHEMA, varset_get(s->want_at, MY_VAR_SCHEMA));
}

/* Asks for a handle. If the session's state is not what it was when s was prepared, the link's is
 * made so around it. */
static void put_prepare(struct myup *u, const struct my_stmt *s, struct hash128 key)
{
	struct my_link *l = u->l;
	struct varset *then = NULL;
	uint8_t seq = 0;
	flow_cut(&u->f);
	evict(l, u->c->max_prepared, u->up);
	bool ok = u->c->pins & VAGUE_PINS ? schema_then(u->c, l, s, &then)
					  : state_then(u->c, s, &then);
	if (!ok) {
		varset_unref(&u->c->env->vars, then);
		l->failed = true;
		return;
	}
	l->prep_key = key;
	l->prep_wait = true;
	l->prep_moved = my_sync_switch(l, l->have, then, MY_CAP_PREPARE, u->up);
	my_owed_capture(l, MYCOM_STMT_PREPARE, MY_CAP_PREPARE, false);
	myquery_put_prepare(u->up, &seq, s->text->text, s->text->text_n);
	(void)my_sync_switch(l, then, l->have, MY_CAP_PREPARE, u->up);
	varset_unref(&u->c->env->vars, then);
	if (my_owed_tail(l))
		my_owed_tail(l)->flags |= MY_OWED_F_LAST;
	u->c->counters->server_parses++;
}

struct linkstmt *my_stmt_handle(struct myup *u, struct my_stmt *s, const struct hash128 *typed)
{
	struct my_link *l = u->l;
	struct linkstmt *x = typed ? linkmap_get(&l->stmts, *typed) : NULL;
	if (x == NULL && (x = linkmap_get(&l->stmts, s->fresh)) != NULL && typed &&
		!linkmap_rekey(&l->stmts, x, *typed))
		l->failed = true;
	if (x == NULL && !asks_first(u))
		put_prepare(u, s, typed ? *typed : s->fresh);
	return x;
}

/* ---- the reply to a PREPARE of the client's: its handle is of use to others ---- */

void my_stmt_prepared(
	struct my_client *c, struct my_link *l, uint32_t id, struct mystmt_prepared *x)
{
	struct my_stmt *s = my_stmt_get(c, id);
	if (s == NULL) /* reset meanwhile */
		return;
	s->params_n = x->params_n;
	s->columns_n = x->columns_n;
	s->ready = true;
	if (s->text == NULL) {
		s->fixed = x->id;
		c->stmts->n_fixed++;
	} else {
		struct linkstmt *old = linkmap_get(&l->stmts, s->fresh);
		struct hash128 nobodys = { old ? old->id : 0, c->id };
		/* One of them is enough: the other one is the first to be evicted. */
		if (old && !linkmap_rekey(&l->stmts, old, nobodys))
			l->failed = true;
		if (old && !l->failed) {
			list_del(&old->lru);
			list_append(&l->stmts.lru, &old->lru);
		}
		struct linkstmt *now = l->failed ? NULL : linkmap_add(&l->stmts, s->fresh);
		if (now)
			now->id = x->id;
		else
			l->failed = true;
	}
	x->id = s->id;
}

void my_stmt_refused(struct my_client *c, uint32_t id)
{
	struct my_stmt *s = my_stmt_get(c, id);
	if (s && !s->ready)
		drop(c, s);
}

bool my_stmt_columns_fit(const struct my_client *c, uint32_t id, uint64_t columns)
{
	const struct my_stmt *s = my_stmt_get(c, id);
	/* A CALL is prepared without columns and may give any. */
	return s == NULL || s->columns_n == 0 || s->columns_n == columns;
}

/* ---- cursors, long data ---- */

void my_stmt_drop_long(struct my_stmts *m, struct my_stmt *s)
{
	m->n_long -= s->long_data != 0;
	s->long_data = 0;
	mem_free(MEM_STMT, s->long_params);
	s->long_params = NULL;
}

void my_stmt_cursor(struct my_client *c, struct my_link *l, uint32_t id, uint32_t handle, bool open)
{
	struct my_stmt *s = my_stmt_get(c, id);
	if (s == NULL || (s->cursor != 0) == open)
		return;
	struct linkstmt *x = my_stmt_by_handle(l, open ? handle : s->cursor);
	s->cursor = open ? handle : 0;
	c->stmts->n_cursors += open ? 1U : UINT32_MAX;
	if (x == NULL)
		return;
	if (open)
		x->in_flight++; /* not evicted meanwhile */
	else
		linkmap_release(&l->stmts, x);
}

void my_stmt_forget_handles(struct my_link *l)
{
	list_for_safe(n, &l->stmts.lru) {
		struct linkstmt *x = list_entry(n, struct linkstmt, lru);
		x->in_flight = 0; /* its cursor went with it */
		linkmap_drop(&l->stmts, x);
	}
}

void my_stmt_put_reset(struct myup *u, struct my_stmt *s)
{
	uint32_t handle = s->cursor ? s->cursor : s->long_data;
	uint8_t seq = 0;
	if (handle == 0 || u->l == NULL)
		return;
	my_owed_capture(u->l, MYCOM_STMT_RESET, MY_CAP_STATUS, true);
	flow_cut(&u->f);
	mystmt_put_reset(u->up, &seq, handle);
	my_stmt_cursor(u->c, u->l, s->id, 0, false);
	my_stmt_drop_long(u->c->stmts, s);
}

/* ---- commands ---- */

enum my_next my_stmt_unknown(
	struct myup *u, const struct mypacket_head *h, uint32_t id, const char *who)
{
	char msg[96];
	if (!u->c->mariadb) /* checks all of them in one place */
		who = "mysql_stmt_precheck";
	snprintf(msg, sizeof(msg), "Unknown prepared statement handler (%u) given to %s",
		(unsigned)id, who);
	return my_local_err(u, h, 1243, "HY000", msg);
}

enum my_next my_stmt_renumber(struct myup *u, const struct mypacket_head *h, uint32_t handle)
{
	uint8_t head[5] = { *myup_body(u), (uint8_t)handle, (uint8_t)(handle >> 8),
		(uint8_t)(handle >> 16), (uint8_t)(handle >> 24) };
	return myup_rehead(u, h, sizeof(head), head, sizeof(head));
}

static enum my_next prepare(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	/* In session mode nobody follows its state, so none is made again: the handle stays. */
	bool keep = c->mode != PROTO_SESSION && h->payload_n - 1 <= c->max_stmt_bytes;
	/* A rule wants the text, too. */
	bool whole = keep ||
		     (c->ruling && c->ruling->rules && h->payload_n <= c->env->max_inspect_bytes);
	if (whole && !myup_whole(u, h))
		return MY_STOP;
	if (my_rule(u, whole ? (const char *)myup_body(u) + 1 : NULL, h->payload_n - 1))
		return my_rule_refuse(u, h);
	if (u->l == NULL)
		return myup_request(u);
	if (asks_first(u))
		return MY_STOP;
	if (!keep) /* when it is executed its text is not known */
		my_rule_followed(u);
	struct my_stmt *s = add(c, keep ? (const char *)myup_body(u) + 1 : NULL, h->payload_n - 1);
	if (s == NULL)
		return my_local_err(u, h, 1461, "42000",
			"Can't create more prepared statements: weirpool's memory for their texts "
			"is spent");
	c->counters->client_parses++;
	flow_cut(&u->f);
	evict(u->l, c->max_prepared, u->up);
	if (keep)
		my_class(c, my_lex(c, u->l), s->text->text, s->text->text_n, false, &s->req);
	else
		my_class_big(&s->req);
	/* Its handle comes on top of those that the link has. */
	flow_cut(&u->f);
	evict(u->l, c->max_prepared, u->up);
	struct my_owed *o = myup_owe(u, MYCOM_STMT_PREPARE, 0);
	if (o)
		o->stmt = s->id;
	return myup_pass(u, h);
}

/* No answer, ever. */
static enum my_next close_stmt(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	if (s) {
		if (u->l && (s->cursor || s->long_data)) { /* the link may be free behind it */
			my_stmt_put_reset(u, s);
			u->l->tx_due = true;
		}
		if (s->fixed && u->l) {
			uint8_t seq = 0;
			flow_cut(&u->f);
			mystmt_put_close(u->up, &seq, s->fixed);
		}
		drop(u->c, s);
	}
	myup_drop(u, h);
	return MY_NEXT;
}

/* Long data goes to the handle that the next EXECUTE will use: to a fresh one, whatever types these
 * parameters will have. */
static enum my_next long_data(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	struct mystmt_long_data d;
	if (flow_ahead(&u->f) < MYPACKET_HEAD_BYTES + MYSTMT_LONG_DATA_HEAD_BYTES)
		return h->payload_n < MYSTMT_LONG_DATA_HEAD_BYTES ? close_stmt(u, h, NULL)
								  : MY_STOP;
	if (s == NULL || mystmt_read_long_data(myup_body(u), MYSTMT_LONG_DATA_HEAD_BYTES, &d) ||
		d.param >= s->params_n) { /* the EXECUTE will be told */
		myup_drop(u, h);
		return MY_NEXT;
	}
	if (u->l == NULL)
		return myup_request(u);
	if (s->long_params == NULL)
		s->long_params = mem_alloc(MEM_STMT, (s->params_n + 7U) / 8);
	uint32_t handle = s->fixed ? s->fixed : s->long_data;
	if (handle == 0) {
		struct linkstmt *x = my_stmt_handle(u, s, NULL);
		if (x == NULL)
			return MY_STOP;
		/* Nobody else's from now on, of this session neither. */
		if (!linkmap_rekey(&u->l->stmts, x, (struct hash128){ x->id, u->c->id }))
			u->l->failed = true;
		handle = x->id;
	}
	if (s->long_params == NULL) {
		u->l->failed = true;
		return MY_STOP;
	}
	s->long_params[d.param / 8] |= (uint8_t)(1U << d.param % 8);
	u->c->stmts->n_long += s->long_data == 0;
	s->long_data = handle;
	return my_stmt_renumber(u, h, handle);
}

static enum my_next reset(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	uint32_t handle = s->cursor ? s->cursor : s->long_data ? s->long_data : s->fixed;
	if (handle == 0 || u->l == NULL)
		return my_local_ok(u, h);
	(void)myup_owe(u, MYCOM_STMT_RESET, 0);
	my_stmt_cursor(u->c, u->l, s->id, 0, false);
	my_stmt_drop_long(u->c->stmts, s);
	return my_stmt_renumber(u, h, handle);
}

static enum my_next fetch(struct myup *u, const struct mypacket_head *h, struct my_stmt *s)
{
	char msg[64];
	uint32_t handle = s->cursor ? s->cursor : s->fixed;
	if (handle == 0 || u->l == NULL) {
		snprintf(msg, sizeof(msg), "The statement (%u) has no open cursor%s",
			(unsigned)s->id, u->c->mariadb ? "" : ".");
		return my_local_err(u, h, 1421, "HY000", msg);
	}
	struct my_owed *o = myup_owe(u, MYCOM_STMT_FETCH, 0);
	if (o)
		o->stmt = s->id;
	return my_stmt_renumber(u, h, handle);
}

/* MariaDB takes what is not there for 0. */
static enum my_next too_short(struct myup *u, const struct mypacket_head *h, uint8_t com)
{
	if (!u->c->mariadb)
		return my_local_malformed(u, h);
	switch (com) {
	case MYCOM_STMT_CLOSE:
	case MYCOM_STMT_SEND_LONG_DATA: return close_stmt(u, h, NULL);
	case MYCOM_STMT_RESET: return my_stmt_unknown(u, h, 0, "mysqld_stmt_reset");
	case MYCOM_STMT_FETCH: return my_stmt_unknown(u, h, 0, "mysqld_stmt_fetch");
	default: return my_local_malformed(u, h);
	}
}

enum my_next my_stmt(struct myup *u, const struct mypacket_head *h, uint8_t com)
{
	uint32_t id;
	if (com == MYCOM_STMT_PREPARE)
		return prepare(u, h);
	if (flow_ahead(&u->f) < MYPACKET_HEAD_BYTES + 5 && h->payload_n >= 5)
		return MY_STOP;
	if (h->payload_n < (com == MYCOM_STMT_EXECUTE ? EXECUTE_MIN_BYTES : 5U) ||
		!mystmt_read_id(myup_body(u), 5, &id))
		return too_short(u, h, com);
	/* The statement prepared last is known when its PREPARE was answered. */
	if (myup_busy(u) && (id == MYSTMT_LAST_ID || com == MYCOM_STMT_CLOSE))
		return MY_STOP;
	struct my_stmt *s = my_stmt_get(u->c, id);
	switch (com) {
	case MYCOM_STMT_CLOSE: return close_stmt(u, h, s);
	case MYCOM_STMT_SEND_LONG_DATA: return long_data(u, h, s);
	case MYCOM_STMT_RESET:
		return s ? reset(u, h, s) : my_stmt_unknown(u, h, id, "mysqld_stmt_reset");
	case MYCOM_STMT_FETCH:
		return s ? fetch(u, h, s) : my_stmt_unknown(u, h, id, "mysqld_stmt_fetch");
	case MYCOM_STMT_BULK_EXECUTE:
		return s ? my_stmt_bulk(u, h, s)
			 : my_stmt_unknown(u, h, id, "mysqld_stmt_bulk_execute");
	default:
		return s ? my_stmt_execute(u, h, s)
			 : my_stmt_unknown(u, h, id, "mysqld_stmt_execute");
	}
}
