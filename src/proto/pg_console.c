/* pg_console - serves the administration console to any driver: simple and extended protocol in,
 * one SQL text after the other out (PEV_CONSOLE), a rowset back in, rendered. Ignorant of commands:
 * admin/ runs them. The session's thread. Source: PostgreSQL docs, Message Flow: Simple Query,
 * Extended Query.
 *
 * Nothing is known about a command's columns before it ran. So Describe runs it if it can only read
 * (SHOW, and SELECT, its other name); the rows that a portal's Describe brought are those that its
 * Execute sends. */
#include "pg_login_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "sql/lex.h"
#include "wire/pg/error.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/session.h"

#define MESSAGE_MAX_BYTES (256U << 10)
#define OBJECTS_MAX_N 1000U /* statements and portals of one console session */

enum waiting { /* for what console_reply() is the answer */
	WAIT_NONE,
	WAIT_SIMPLE,
	WAIT_DESC_STMT,
	WAIT_DESC_PORTAL,
	WAIT_EXECUTE
};

struct object { /* a prepared statement, or a portal */
	struct list node;
	char *name, *text;
	size_t text_n;
	/* portals: */
	uint8_t *formats; /* as in Bind, 2 bytes each */
	unsigned n_formats;
	bool ran;
	struct buf rows; /* DataRow messages not sent yet */
	char *tag;
};

struct pg_console {
	struct list stmts, portals;
	unsigned n_objects;
	enum waiting waiting;
	struct object *portal;                     /* of DESC_PORTAL and EXECUTE */
	uint32_t max_rows;                         /* of EXECUTE */
	size_t simple_off;                         /* where the next statement of a Query begins */
	bool simple_any, simple_last, simple_dead; /* dead: one failed, the rest is dropped */
	bool skip;                                 /* until Sync */
};

/* ---- objects ---- */

static void object_free(struct pg_console *c, struct object *o)
{
	list_del(&o->node);
	c->n_objects--;
	buf_fini(&o->rows);
	mem_free(MEM_ADMIN, o->tag);
	mem_free(MEM_ADMIN, o->formats);
	mem_free(MEM_ADMIN, o->text);
	mem_free(MEM_ADMIN, o->name);
	mem_free(MEM_ADMIN, o);
}

static struct object *object_find(struct list *in, const char *name)
{
	list_for(n, in) {
		struct object *o = list_entry(n, struct object, node);
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

static void object_drop(struct pg_console *c, struct list *in, const char *name)
{
	struct object *o = object_find(in, name);
	if (o)
		object_free(c, o);
}

static void drop_all(struct pg_console *c, struct list *in)
{
	list_for_safe(n, in)
		object_free(c, list_entry(n, struct object, node));
}

static struct object *object_new(struct pg_console *c, struct list *in, const char *name,
	const char *text, size_t text_n, struct err *e)
{
	if (c->n_objects >= OBJECTS_MAX_N) {
		err_set(e, ERR_TOO_BIG, "too many prepared statements and portals on the console");
		return NULL;
	}
	struct object *o = mem_alloc(MEM_ADMIN, sizeof(*o));
	if (o) {
		list_init(&o->node);
		list_append(in, &o->node);
		c->n_objects++;
		buf_init(&o->rows, 0);
		o->name = mem_strdup(MEM_ADMIN, name);
		o->text = mem_strndup(MEM_ADMIN, text, text_n);
		o->text_n = text_n;
		if (o->name && o->text)
			return o;
		object_free(c, o);
	}
	err_set(e, ERR_NO_MEMORY, "out of memory");
	return NULL;
}

void pg_console_free(struct pg_console **pc)
{
	struct pg_console *c = *pc;
	if (c == NULL)
		return;
	drop_all(c, &c->stmts);
	drop_all(c, &c->portals);
	mem_free(MEM_ADMIN, c);
	*pc = NULL;
}

/* ---- texts ---- */

struct piece { /* one statement of a text, with its semicolon */
	size_t at, n;
};

static bool is_semicolon(const struct sql_tok *t)
{
	return t->kind == SQL_TOK_PUNCT && t->ch == ';';
}

/* The next statement at or behind off that is not empty. */
static bool next_statement(const char *text, size_t n, size_t off, struct piece *piece_r)
{
	struct sql_lex l;
	struct sql_tok t;
	sql_lex_init(&l, &sql_dialect_pg, text + off, n - off, true);
	do
		sql_lex_next(&l, &t);
	while (is_semicolon(&t));
	if (t.kind == SQL_TOK_END)
		return false;
	piece_r->at = (size_t)(t.p - text);
	while (t.kind != SQL_TOK_END && t.kind != SQL_TOK_BAD && !is_semicolon(&t))
		sql_lex_next(&l, &t);
	size_t end = is_semicolon(&t) ? (size_t)(t.p - text) + t.n : n;
	piece_r->n = end - piece_r->at;
	return true;
}

/* Can it only read? Then running it twice does no harm. */
static bool is_show(const char *text, size_t n)
{
	struct sql_lex l;
	struct sql_tok t;
	sql_lex_init(&l, &sql_dialect_pg, text, n, true);
	do
		sql_lex_next(&l, &t);
	while (is_semicolon(&t));
	return t.kind == SQL_TOK_WORD &&
	       ((t.name_n == 4 && memcmp(t.name, "show", 4) == 0) ||
		       (t.name_n == 6 && memcmp(t.name, "select", 6) == 0));
}

/* ---- rendering ---- */

static void put_error(struct buf *down, const struct err *e)
{
	pgerror_put(down, "ERROR", e);
}

static void put_result_notice(struct buf *down, const struct rowset *r)
{
	if (r->notice)
		pgerror_put_notice(down, "NOTICE", "00000", r->notice, r->notice_detail, NULL);
}

/* All rows, or -1 and nothing. */
static int put_rows(struct buf *b, const struct rowset *r, const uint8_t *formats,
	unsigned n_formats, struct err *e)
{
	size_t at = buf_len(b);
	for (size_t i = 0; i < r->n_rows; i++) {
		if (pg_rowset_put_row(b, r, i, formats, n_formats)) {
			buf_truncate(b, at);
			return err_set(e, ERR_INTERNAL,
				"row %zu holds a value that is not of its column's type", i + 1);
		}
	}
	return b->failed ? err_set(e, ERR_NO_MEMORY, "out of memory") : 0;
}

static const char *tag_of(const struct rowset *r)
{
	return r->tag ? r->tag : "SHOW";
}

/* ---- simple protocol ---- */

static void simple_end(struct pg_console *c, struct buf *down)
{
	pgsession_put_ready(down, 'I');
	c->simple_off = 0;
	c->simple_any = c->simple_last = c->simple_dead = false;
}

static struct pev on_query(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	const char *text;
	size_t n;
	if (!pgext_read_query(m->body, m->body_n, &text, &n)) {
		err_set(e, ERR_PROTOCOL, "malformed Query message");
		return pg_pev(PEV_BAD, 0);
	}
	if (c->simple_dead) {
		c->simple_off = 0;
		c->simple_any = c->simple_dead = false;
		return pg_pev(PEV_DROP, m->total);
	}
	if (c->simple_off == 0) { /* as in a server, a Query ends what is unnamed */
		drop_all(c, &c->portals);
		object_drop(c, &c->stmts, "");
	}
	struct piece piece, more;
	if (c->simple_off > n || !next_statement(text, n, c->simple_off, &piece)) {
		if (!c->simple_any)
			pgmsg_put(down, 'I', NULL, 0);
		simple_end(c, down);
		return pg_pev(PEV_DROP, m->total);
	}
	c->simple_any = true;
	c->simple_off = piece.at + piece.n;
	c->simple_last = !next_statement(text, n, c->simple_off, &more);
	c->waiting = WAIT_SIMPLE;
	/* The message stays in the input as long as there are statements in it. */
	return (struct pev){ .kind = PEV_CONSOLE,
		.n = c->simple_last ? m->total : 0,
		.text = (const uint8_t *)text + piece.at,
		.text_n = piece.n };
}

static void reply_simple(struct pg_console *c, const struct rowset *r, struct buf *down)
{
	struct err e = r->err;
	size_t at = buf_len(down);
	if (!err_is(&e)) {
		put_result_notice(down, r);
		if (r->n_cols)
			pg_rowset_put_desc(down, r, NULL, 0);
		if (put_rows(down, r, NULL, 0, &e))
			buf_truncate(down, at);
		else
			pgsession_put_complete(down, tag_of(r));
	}
	bool last = c->simple_last;
	if (err_is(&e))
		put_error(down, &e);
	if (!last && !err_is(&e))
		return;
	simple_end(c, down);
	c->simple_dead = !last; /* the message is still in the input */
}

/* ---- extended protocol: errors skip what follows up to Sync ---- */

static struct pev refuse(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, const struct err *e)
{
	put_error(down, e);
	c->skip = true;
	return pg_pev(PEV_DROP, m->total);
}

static struct pev __attribute__((format(printf, 5, 6))) refuse_text(struct pg_console *c,
	const struct pgmsg *m, struct buf *down, const char *sqlstate, const char *fmt, ...)
{
	struct err e;
	char text[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&e, ERR_UNSUPPORTED, "%s", text);
	memcpy(e.sqlstate, sqlstate, 6);
	return refuse(c, m, down, &e);
}

static struct pev malformed(struct err *e, uint8_t type)
{
	err_set(e, ERR_PROTOCOL, "malformed message of type '%c'", type);
	return pg_pev(PEV_BAD, 0);
}

static struct pev on_parse(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pgext_parse p;
	struct piece piece = { 0, 0 }, more;
	struct err local;
	if (!pgext_read_parse(m->body, m->body_n, &p))
		return malformed(e, m->type);
	if (*p.name == '\0')
		object_drop(c, &c->stmts, "");
	else if (object_find(&c->stmts, p.name))
		return refuse_text(
			c, m, down, "42P05", "prepared statement \"%.63s\" already exists", p.name);
	if (next_statement(p.text, p.text_n, 0, &piece) &&
		next_statement(p.text, p.text_n, piece.at + piece.n, &more))
		return refuse_text(c, m, down, "42601",
			"cannot insert multiple commands into a prepared statement");
	if (object_new(c, &c->stmts, p.name, p.text + piece.at, piece.n, &local) == NULL)
		return refuse(c, m, down, &local);
	pgmsg_put(down, '1', NULL, 0);
	return pg_pev(PEV_DROP, m->total);
}

static struct pev no_statement(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, const char *name)
{
	if (*name == '\0')
		return refuse_text(
			c, m, down, "26000", "unnamed prepared statement does not exist");
	return refuse_text(
		c, m, down, "26000", "prepared statement \"%.63s\" does not exist", name);
}

static struct pev on_bind(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pgext_bind b;
	struct pgext_bind_tail t;
	struct err local;
	if (!pgext_read_bind(m->body, m->body_n, &b) ||
		!pgext_read_bind_tail(m->body + b.tail_off, m->body_n - b.tail_off, &t))
		return malformed(e, m->type);
	struct object *s = object_find(&c->stmts, b.stmt), *portal;
	if (s == NULL)
		return no_statement(c, m, down, b.stmt);
	if (t.n_params)
		return refuse_text(c, m, down, "08P01",
			"the console takes no parameters: write the values into the command");
	for (unsigned i = 0; i < t.n_result_formats; i++)
		if (pgext_format_of(t.result_formats, t.n_result_formats, i) > 1)
			return refuse_text(c, m, down, "22023", "unsupported format code");
	if (*b.portal == '\0')
		object_drop(c, &c->portals, "");
	else if (object_find(&c->portals, b.portal))
		return refuse_text(
			c, m, down, "42P03", "cursor \"%.63s\" already exists", b.portal);
	portal = object_new(c, &c->portals, b.portal, s->text, s->text_n, &local);
	if (portal && t.n_result_formats) {
		size_t n = (size_t)t.n_result_formats * 2;
		portal->formats = mem_alloc(MEM_ADMIN, n);
		if (portal->formats) {
			memcpy(portal->formats, t.result_formats, n);
			portal->n_formats = t.n_result_formats;
		} else {
			object_free(c, portal);
			portal = NULL;
			err_set(&local, ERR_NO_MEMORY, "out of memory");
		}
	}
	if (portal == NULL)
		return refuse(c, m, down, &local);
	pgmsg_put(down, '2', NULL, 0);
	return pg_pev(PEV_DROP, m->total);
}

static struct pev run(
	struct pg_console *c, const struct pgmsg *m, enum waiting w, const struct object *o)
{
	c->waiting = w;
	return (struct pev){ .kind = PEV_CONSOLE,
		.n = m->total,
		.text = (const uint8_t *)o->text,
		.text_n = o->text_n };
}

static struct pev on_describe(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pgext_target t;
	if (!pgext_read_target(m->body, m->body_n, &t))
		return malformed(e, m->type);
	struct object *o = object_find(t.kind == 'S' ? &c->stmts : &c->portals, t.name);
	if (o == NULL && t.kind == 'S')
		return no_statement(c, m, down, t.name);
	if (o == NULL)
		return refuse_text(c, m, down, "34000", "portal \"%.63s\" does not exist", t.name);
	if (t.kind == 'S') {
		const uint8_t none[2] = { 0, 0 };
		pgmsg_put(down, 't', none, sizeof(none));
	}
	if (is_show(o->text, o->text_n)) {
		c->portal = o;
		return run(c, m, t.kind == 'S' ? WAIT_DESC_STMT : WAIT_DESC_PORTAL, o);
	}
	pgmsg_put(down, 'n', NULL, 0);
	return pg_pev(PEV_DROP, m->total);
}

/* Keeps the rows in the portal, until they are fetched. */
static int portal_fill(struct object *o, const struct rowset *r, struct err *e)
{
	buf_fini(&o->rows);
	if (put_rows(&o->rows, r, o->formats, o->n_formats, e)) {
		buf_fini(&o->rows);
		return -1;
	}
	mem_free(MEM_ADMIN, o->tag);
	o->tag = mem_strdup(MEM_ADMIN, tag_of(r));
	if (o->tag == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	o->ran = true;
	return 0;
}

/* At most max_rows rows (0: all), then the end or "suspended". */
static void portal_send(struct object *o, uint32_t max_rows, struct buf *down)
{
	size_t n = 0;
	struct pgmsg m;
	for (uint32_t i = 0; max_rows == 0 || i < max_rows; i++) {
		if (n == buf_len(&o->rows) || pgmsg_take(buf_data(&o->rows) + n,
						      buf_len(&o->rows) - n, UINT32_MAX, &m) != 1)
			break;
		n += m.total;
	}
	if (n) {
		buf_append(down, buf_data(&o->rows), n);
		buf_consume(&o->rows, n);
	}
	if (buf_len(&o->rows))
		pgmsg_put(down, 's', NULL, 0);
	else
		pgsession_put_complete(down, o->tag);
}

static struct pev on_execute(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pgext_execute x;
	if (!pgext_read_execute(m->body, m->body_n, &x))
		return malformed(e, m->type);
	struct object *o = object_find(&c->portals, x.portal);
	if (o == NULL)
		return refuse_text(
			c, m, down, "34000", "portal \"%.63s\" does not exist", x.portal);
	/* A row count below zero means all, as a server takes it. */
	c->max_rows = x.max_rows > INT32_MAX ? 0 : x.max_rows;
	if (o->text_n == 0) {
		pgmsg_put(down, 'I', NULL, 0);
	} else if (o->ran) {
		portal_send(o, c->max_rows, down);
	} else {
		c->portal = o;
		return run(c, m, WAIT_EXECUTE, o);
	}
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_close(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pgext_target t;
	if (!pgext_read_target(m->body, m->body_n, &t))
		return malformed(e, m->type);
	object_drop(c, t.kind == 'S' ? &c->stmts : &c->portals, t.name);
	pgmsg_put(down, '3', NULL, 0);
	return pg_pev(PEV_DROP, m->total);
}

static void reply_extended(
	struct pg_console *c, enum waiting w, const struct rowset *r, struct buf *down)
{
	struct object *o = c->portal;
	struct err e = r->err;
	c->portal = NULL;
	if (w != WAIT_DESC_STMT && !err_is(&e) && (w == WAIT_EXECUTE || r->n_cols))
		portal_fill(o, r, &e);
	if (err_is(&e)) {
		put_error(down, &e);
		c->skip = true;
		return;
	}
	if (w == WAIT_EXECUTE) {
		put_result_notice(down, r);
		portal_send(o, c->max_rows, down);
	} else if (r->n_cols) {
		pg_rowset_put_desc(down, r, o->formats, o->n_formats);
	} else {
		pgmsg_put(down, 'n', NULL, 0);
	}
}

/* ---- all ---- */

static struct pev on_sync(struct pg_console *c, const struct pgmsg *m, struct buf *down)
{
	c->skip = false;
	drop_all(c, &c->portals);
	pgsession_put_ready(down, 'I');
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_function_call(const struct pgmsg *m, struct buf *down)
{
	struct err e;
	err_set(&e, ERR_UNSUPPORTED, "the console has no functions to call");
	put_error(down, &e);
	pgsession_put_ready(down, 'I');
	return pg_pev(PEV_DROP, m->total);
}

static struct pev on_message(
	struct pg_console *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	if (m->type == 'X')
		return pg_pev(PEV_BYE, m->total);
	if (m->type == 'S')
		return on_sync(c, m, down);
	if (c->skip)
		return pg_pev(PEV_DROP, m->total);
	switch (m->type) {
	case 'Q': return on_query(c, m, down, e);
	case 'P': return on_parse(c, m, down, e);
	case 'B': return on_bind(c, m, down, e);
	case 'D': return on_describe(c, m, down, e);
	case 'E': return on_execute(c, m, down, e);
	case 'C': return on_close(c, m, down, e);
	case 'F': return on_function_call(m, down);
	case 'H': /* what there is has been put already */
	case 'd':
	case 'c':
	case 'f': /* of a COPY that never began: a server ignores them */
		return pg_pev(PEV_DROP, m->total);
	default:
		err_set(e, ERR_PROTOCOL, "invalid frontend message type %u", (unsigned)m->type);
		return pg_pev(PEV_BAD, 0);
	}
}

struct pev pg_console_up(
	struct pg_client *s, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct pg_console *c = s->login ? s->login->console : NULL;
	if (c == NULL) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return pg_pev(PEV_BAD, 0);
	}
	size_t used = 0;
	while (c->waiting == WAIT_NONE) {
		struct pgmsg m;
		int rc = pgmsg_take(used ? p + used : p, n - used, MESSAGE_MAX_BYTES, &m);
		if (rc < 0) {
			err_set(e, ERR_TOO_BIG, "invalid message length on the console");
			return pg_pev(PEV_BAD, used);
		}
		if (rc == 0)
			break;
		struct pev ev = on_message(c, &m, down, e);
		used += ev.n;
		ev.n = used;
		if (ev.kind != PEV_DROP)
			return ev;
	}
	return pg_pev(used ? PEV_DROP : PEV_MORE, used);
}

void pg_console_reply(void *cst, const struct rowset *r, struct buf *down)
{
	struct pg_client *s = cst;
	struct pg_console *c = s->login ? s->login->console : NULL;
	if (c == NULL || c->waiting == WAIT_NONE)
		return;
	enum waiting w = c->waiting;
	c->waiting = WAIT_NONE;
	if (w == WAIT_SIMPLE)
		reply_simple(c, r, down);
	else
		reply_extended(c, w, r, down);
}

void pg_console_start(
	void *cst, const char *version, const uint8_t *key, size_t key_n, struct buf *down)
{
	static const struct var told[] = { { "server_encoding", "UTF8" },
		{ "client_encoding", "UTF8" }, { "DateStyle", "ISO" }, { "TimeZone", "GMT" },
		{ "IntervalStyle", "postgres" }, { "standard_conforming_strings", "on" },
		{ "integer_datetimes", "on" }, { "is_superuser", "on" } };
	struct pg_client *s = cst;
	s->console = true;
	if (s->login == NULL)
		return;
	struct pg_console *c = s->login->console = mem_alloc(MEM_ADMIN, sizeof(*c));
	if (c == NULL)
		return; /* the next step says so */
	list_init(&c->stmts);
	list_init(&c->portals);
	pg_client_proof_fini(s->login);
	pgsession_put_param(down, "server_version", version);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		pgsession_put_param(down, told[i].name, told[i].value);
	pgsession_put_param(down, "application_name", s->login->info.application_name);
	pgsession_put_param(down, "session_authorization", s->login->info.user);
	pgsession_put_key(down, key, key_n);
	pgsession_put_ready(down, 'I');
}
