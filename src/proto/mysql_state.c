/* mysql_state - what a request did to its session: nothing, something that the trackers told, or
 * something that only the server can tell: then it is asked. Decides whether the session may let go
 * of its link. Thread: that of the env. */
#include "mysql_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "sql/classify_my.h"
#include "wire/mysql/column.h"
#include "wire/mysql/query.h"

#define VALUE_MAX_BYTES 16384U /* of a user variable that is carried */

#define SYNTAX_ERROR 1064U

/* ---- a request is over ---- */

/* A tracker's "something changed" that one of these explains. */
#define EXPLAINS \
	(SQL_MY_SET_SYS | SQL_MY_SET_SILENT | SQL_MY_SET_MODE | SQL_MY_SET_NAMES | \
		SQL_MY_SET_TRACKER | SQL_MY_VAR_SET | SQL_MY_VAR_SILENT | SQL_MY_ROLE | \
		SQL_MY_IDENTITY | SQL_MY_USE | SQL_MY_TEMP_MAKE | SQL_MY_TEMP_DROP | \
		SQL_MY_PREPARE | SQL_MY_EXECUTE | SQL_MY_DEALLOCATE | SQL_MY_OPAQUE | \
		SQL_MY_SET_LAST_ID | SQL_MY_STORED | SQL_MY_UNSURE | SQL_MY_XA | \
		SQL_MY_SET_TX_ONCE | SQL_MY_TX_BEGIN | SQL_MY_TX_END | SQL_MY_LAST_ID)

void my_state_changed(struct my_client *c)
{
	if (!(c->req.flags & EXPLAINS))
		c->pins |= PIN(UNKNOWN);
}

static void drop_sys(struct my_learn *k, unsigned i)
{
	mem_free(MEM_PROTO, k->sys[i]);
	k->sys[i] = k->sys[--k->n_sys];
}

void my_state_told(struct my_client *c, const char *name)
{
	for (unsigned i = 0; c->learn && i < c->learn->n_sys;) {
		if (my_learn_same(c->learn->sys[i], name))
			drop_sys(c->learn, i);
		else
			i++;
	}
	const char *follower = my_sync_follower(name);
	if (follower && !my_learn_sys(c, follower, strlen(follower)))
		c->pins |= PIN(SETTING);
}

void my_state_unrun(struct my_client *c)
{
	c->req = (struct my_req){ 0 };
	while (c->learn && c->learn->n_sys > 0 && !(c->needs & MY_NEED_SYS))
		drop_sys(c->learn, 0);
}

/* Variables that the request named and no tracker told of. */
static void note_untold(struct my_client *c, bool error, bool partly)
{
	struct my_learn *k = c->learn;
	if (k == NULL || k->n_sys == 0)
		return;
	if (!error) {
		c->needs |= MY_NEED_SYS;
		return;
	}
	if (partly) /* which of them exist is not known */
		c->pins |= PIN(SETTING);
	if (c->needs & MY_NEED_SYS) /* some are of an earlier request */
		c->pins |= PIN(SETTING);
	while (k->n_sys > 0)
		drop_sys(k, 0);
	c->needs &= (uint8_t)~MY_NEED_SYS;
}

static void count(uint16_t *n, int by, uint32_t pin, uint32_t *pins)
{
	int to = *n + by;
	*n = (uint16_t)(to < 0 ? 0 : to > UINT16_MAX ? UINT16_MAX : to);
	if (*n == 0)
		*pins &= ~pin;
}

static void forget_prepared(struct my_client *c)
{
	if (c->n_prepared == 0)
		c->prepared = (struct my_req){ 0 };
}

void my_state_over(struct my_client *c, struct my_link *l, unsigned number)
{
	struct my_req *r = &c->req;
	bool error = number != 0;
	if (r->no_verb && number == SYNTAX_ERROR) /* nothing ran */
		*r = (struct my_req){ .n_statements = 1 };
	/* Of several statements some may have succeeded before one failed. */
	bool partly = r->n_statements > 1;
	if (!error || partly)
		c->pins = (c->pins & ~(error ? 0 : r->del)) | r->add;
	c->pins |= r->anyway;
	my_hold_over(c, r, error);
	if (!error) {
		count(&c->n_handlers, r->n_handlers, PIN(HANDLER), &c->pins);
		count(&c->n_prepared, r->n_prepared, PIN(PREPARE), &c->pins);
		forget_prepared(c);
	} else if (partly) { /* it may have got so far */
		count(&c->n_handlers, r->n_handlers > 0 ? r->n_handlers : 0, 0, &c->pins);
		count(&c->n_prepared, r->n_prepared > 0 ? r->n_prepared : 0, 0, &c->pins);
	}
	if (r->flags & SQL_MY_SET_NAMES)
		c->needs |= MY_NEED_COLLATION;
	if ((r->flags & (SQL_MY_STORED | SQL_MY_EXECUTE | SQL_MY_UNSURE)) && r->mode_told)
		c->needs |= MY_NEED_MODE;
	if (c->learn && c->learn->n_names)
		c->needs |= MY_NEED_VARS;
	note_untold(c, error, partly);
	/* (What has failed may have generated keys before it did.) */
	if (r->insert_id || (error && r->gives_id) ||
		(r->flags & (SQL_MY_SET_LAST_ID | SQL_MY_STORED | SQL_MY_EXECUTE)))
		c->needs |= MY_NEED_LAST_ID;
	if (r->insert_id)
		c->insert_id = r->insert_id;
	if (r->flags & (SQL_MY_SET_LAST_ID | SQL_MY_STORED | SQL_MY_EXECUTE | SQL_MY_UNSURE))
		c->id_set = true;
	if (r->flags & SQL_MY_ROLE) {
		c->needs |= MY_NEED_ROLE;
		if (!my_learn_set(c, l, MY_VAR_ROLE, MY_ROLE_UNKNOWN))
			l->failed = true;
	}
	if (r->flags & SQL_MY_IDENTITY)
		l->spoiled = true;
	if (!(r->flags & SQL_MY_KEEPS_DIAG)) {
		my_diag_free(&c->diag);
		c->needs &= (uint8_t)~MY_NEED_DIAG;
	}
	if (error || r->warnings)
		c->needs |= MY_NEED_DIAG;
	if (!(r->flags & SQL_MY_CALC_FOUND_ROWS))
		c->pins &= ~PIN(FOUND_ROWS);
	*r = (struct my_req){ 0 };
}

/* ---- asking ---- */

#define ASK_COLS_MAX_N (5U + 4U * MY_NAMES_MAX_N)

struct my_ask {
	unsigned needs, n_defs, n_names, n_sys;
	char *names[MY_NAMES_MAX_N], *sys[MY_NAMES_MAX_N]; /* owned */
	struct {
		uint8_t type;
		bool is_unsigned;
	} def[ASK_COLS_MAX_N];
	uint64_t insert_id;
	bool id_set;    /* by the session, to anything */
	bool clears_id; /* the link is given back: what it has left is the next one's no more */
	bool done, failed;
};

void my_ask_free(struct my_link *l)
{
	for (unsigned i = 0; l->ask && i < l->ask->n_names; i++)
		mem_free(MEM_PROTO, l->ask->names[i]);
	for (unsigned i = 0; l->ask && i < l->ask->n_sys; i++)
		mem_free(MEM_PROTO, l->ask->sys[i]);
	mem_free(MEM_PROTO, l->ask);
	l->ask = NULL;
}

unsigned my_ask_needs(const struct my_link *l)
{
	return l->ask ? l->ask->needs : 0;
}

static void put_column(struct buf *b, const char *text)
{
	buf_puts(b, buf_len(b) ? "," : "SELECT ");
	buf_puts(b, text);
}

/* A variable: as it is, for its type; its bytes; their collation. */
static void put_var(struct buf *b, const char *name)
{
	buf_printf(b, "%s@`%s`,HEX(CAST(@`%s` AS BINARY)),COLLATION(@`%s`)",
		buf_len(b) ? "," : "SELECT ", name, name, name);
}

static void put_query(struct my_link *l, enum my_capture what, bool last, const char *text,
	size_t n, struct buf *up)
{
	uint8_t seq = 0;
	my_owed_capture(l, MYCOM_QUERY, what, last);
	myquery_put(up, &seq, l->caps, NULL, text, n);
}

/* The columns to ask for. */
static void put_needs(struct my_client *c, const struct my_link *l, struct my_ask *a, struct buf *b)
{
	if (a->needs & MY_NEED_ROLE)
		put_column(b, my_role_sql(l));
	if (a->needs & MY_NEED_COLLATION)
		put_column(b, "@@collation_connection");
	if (a->needs & MY_NEED_MODE)
		put_column(b, "@@sql_mode");
	if (a->needs & MY_NEED_LAST_ID)
		put_column(b, "LAST_INSERT_ID()");
	if (a->clears_id) /* read from left to right */
		put_column(b, "LAST_INSERT_ID(0)");
	for (unsigned i = 0; c->learn && i < c->learn->n_sys; i++) {
		a->sys[a->n_sys++] = c->learn->sys[i];
		buf_printf(b, "%s@@SESSION.%s", buf_len(b) ? "," : "SELECT ", c->learn->sys[i]);
	}
	for (unsigned i = 0; c->learn && i < c->learn->n_names; i++) {
		a->names[a->n_names++] = c->learn->names[i];
		put_var(b, c->learn->names[i]);
	}
	if (c->learn)
		c->learn->n_names = c->learn->n_sys = 0;
	my_learn_free(c);
}

void my_ask_put(struct my_client *c, struct my_link *l, bool hold, struct buf *up)
{
	static const char warnings[] = "SHOW WARNINGS",
			  full[] = "SET @@SESSION.resultset_metadata=FULL",
			  none[] = "SET @@SESSION.resultset_metadata=NONE";
	struct my_ask *a = l->ask = mem_alloc(MEM_PROTO, sizeof(*a));
	struct buf b;
	if (a == NULL) {
		l->failed = true;
		return;
	}
	l->ask_hold = hold;
	a->needs = c->needs;
	a->insert_id = c->insert_id;
	a->id_set = c->id_set;
	a->clears_id = !hold && (a->needs & MY_NEED_LAST_ID);
	c->needs = 0;
	c->insert_id = 0;
	c->id_set = false;
	buf_init(&b, 0);
	put_needs(c, l, a, &b);
	if (a->needs & MY_NEED_DIAG)
		put_query(l, MY_CAP_DIAG, buf_len(&b) == 0, warnings, sizeof(warnings) - 1, up);
	a->done = buf_len(&b) == 0;
	bool bare = !a->done && my_diag_bare(l->have); /* the answer's types are needed */
	if (bare)
		put_query(l, MY_CAP_ASK, false, full, sizeof(full) - 1, up);
	if (!a->done)
		put_query(l, MY_CAP_ASK, !bare, (const char *)buf_data(&b), buf_len(&b), up);
	if (bare)
		put_query(l, MY_CAP_ASK, true, none, sizeof(none) - 1, up);
	l->failed = l->failed || b.failed;
	buf_fini(&b);
	c->counters->asks_sent++;
}

void my_ask_def(struct my_link *l, const uint8_t *p, size_t n)
{
	struct my_ask *a = l->ask;
	struct mycolumn x;
	if (a == NULL || a->n_defs == ASK_COLS_MAX_N || mycolumn_read(p, n, l->caps, &x)) {
		if (a)
			a->failed = true;
		return;
	}
	a->def[a->n_defs].type = x.type;
	a->def[a->n_defs++].is_unsigned = x.flags & 0x20U;
}

/* An expression that makes the value again. False: it is not carried. */
static bool put_value(struct buf *b, const struct my_ask *a, unsigned i, const char *const *cell)
{
	const char *v = cell[i], *hex = cell[i + 1], *collation = cell[i + 2];
	if (hex == NULL || collation == NULL || strlen(hex) > VALUE_MAX_BYTES)
		return false;
	switch (a->def[i].type) {
	case MYTYPE_LONGLONG:
	case MYTYPE_LONG:
	case MYTYPE_SHORT:
	case MYTYPE_TINY:
	case MYTYPE_INT24:
		return buf_printf(b, a->def[i].is_unsigned ? "CAST(%s AS UNSIGNED)" : "%s", v);
	case MYTYPE_DECIMAL:
	case MYTYPE_NEWDECIMAL: return buf_puts(b, v);
	case MYTYPE_FLOAT:
	case MYTYPE_DOUBLE: return buf_printf(b, strpbrk(v, "eE") ? "%s" : "%se0", v);
	default: break;
	}
	size_t n = strcspn(collation, "_");
	if (strcmp(collation, "binary") == 0)
		return buf_printf(b, "_binary X'%s'", hex);
	return buf_printf(b, "_%.*s X'%s' COLLATE %s", (int)n, collation, hex, collation);
}

static bool learn_user_var(struct my_client *c, struct my_link *l, const struct my_ask *a,
	const char *name, unsigned i, const char *const *cell)
{
	char key[SQL_MY_NAME_MAX + 4];
	struct buf b;
	bool ok = true;
	buf_init(&b, 0);
	size_t n = strlen(name);
	memcpy(key, "@`", 2);
	memcpy(key + 2, name, n);
	memcpy(key + 2 + n, "`", 2);
	if (cell[i])
		ok = put_value(&b, a, i, cell) && buf_put_u8(&b, 0);
	if (ok)
		ok = my_learn_set(c, l, key, cell[i] ? (const char *)buf_data(&b) : NULL);
	buf_fini(&b);
	return ok;
}

/* A link's LAST_INSERT_ID() is this session's if the session's own statement made it, which may
 * have failed afterwards; an explicit key is in the OK but does not. (It is 0 for who gets the
 * link, unless it was set for the session.) */
static bool learn_last_id(
	struct my_client *c, struct my_link *l, const struct my_ask *a, const char *cell)
{
	uint64_t id;
	if (cell == NULL || num_u64n(cell, strlen(cell), 0, UINT64_MAX, &id))
		return false;
	if (l->own_id || a->id_set || (id && (id == a->insert_id || !l->id_left))) {
		c->last_insert_id = id;
		l->own_id = true;
	}
	l->id_other = !l->own_id;
	l->id_left = id != 0;
	if (a->clears_id)
		l->own_id = l->id_other = l->id_left = false;
	return true;
}

static bool learn_sys(struct my_client *c, struct my_link *l, const char *name, const char *cell)
{
	if (cell == NULL && my_sync_empty_is_null(name))
		cell = "";
	return my_learn_set(c, l, name, cell);
}

bool my_ask_row(struct my_client *c, struct my_link *l, const char *const *cell, unsigned n)
{
	struct my_ask *a = l->ask;
	unsigned i = 0;
	if (a == NULL || a->done || n != a->n_defs)
		return false;
	a->done = true;
	if (c == NULL)
		return true;
	bool ok = true;
	if (a->needs & MY_NEED_ROLE)
		ok = my_role_learn(c, l, cell[i++]);
	if (a->needs & MY_NEED_COLLATION)
		ok = my_learn_set(c, l, "collation_connection", cell[i++]) && ok;
	if (a->needs & MY_NEED_MODE)
		ok = my_learn_set(c, l, "sql_mode", cell[i++]) && ok;
	if (a->needs & MY_NEED_LAST_ID)
		ok = learn_last_id(c, l, a, cell[i++]) && ok;
	i += a->clears_id;
	for (unsigned k = 0; k < a->n_sys; k++)
		ok = learn_sys(c, l, a->sys[k], cell[i++]) && ok;
	for (unsigned k = 0; k < a->n_names; k++, i += 3)
		ok = learn_user_var(c, l, a, a->names[k], i, cell) && ok;
	a->failed = a->failed || !ok;
	return true;
}

void my_ask_over(struct my_client *c, struct my_link *l, bool error)
{
	bool ok = !error && l->ask && l->ask->done && !l->ask->failed;
	if (!ok && c)
		c->pins |= PIN(UNKNOWN);
	if (c == NULL)
		l->dirty = MY_DIRTY;
	my_ask_free(l);
}

/* ---- may it go? ---- */

enum proto_release my_link_release(void *cst, void *lst, struct buf *up)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	if (c->mode == PROTO_SESSION || c->mode == PROTO_RAW)
		return REL_PINNED;
	if (l->owed.n > 0 || c->up_left > 0 || c->up_more)
		return REL_ASKING;
	assert(l->tx == TX_IDLE);
	if (l->tx_text)
		c->pins |= PIN(NEXT_TX);
	else
		c->pins &= ~PIN(NEXT_TX);
	if (my_client_pins(c))
		return REL_PINNED;
	if (l->id_left)
		c->needs |= MY_NEED_LAST_ID;
	if (c->needs == 0)
		return REL_FREE;
	my_ask_put(c, l, false, up);
	return REL_ASKING;
}
