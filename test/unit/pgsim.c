/* pgsim - a PostgreSQL server for tests. The texts it knows:
 * SELECT 'x' | SELECT 'x'/0 | SELECT f('x') | SELECT * FROM t | SHOW v | SET [LOCAL] v = 'x' |
 * RESET v | SELECT set_config('v','x',false) | BEGIN | COMMIT | ROLLBACK | CREATE TEMP TABLE t (..)
 * | DROP TABLE t | PREPARE p AS text | EXECUTE p | DEALLOCATE p | DEALLOCATE ALL | DISCARD ALL |
 * RESET ALL | RESET SESSION AUTHORIZATION | COPY x FROM STDIN | COPY x TO STDOUT, several of them
 * with semicolons between, and the texts of src/proto/pg_sync.c and pg_state.c. Everything else is
 * a syntax error. */
#include "pgsim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rd.h"
#include "wire/pg/error.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/row.h"
#include "wire/pg/session.h"

/* ---- sets ---- */

static struct sim_kv *find(struct sim_set *s, const char *name)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

static const char *get(struct sim_set *s, const char *name)
{
	struct sim_kv *k = find(s, name);
	return k ? k->value : NULL;
}

static void del(struct sim_set *s, const char *name)
{
	struct sim_kv *k = find(s, name);
	if (k)
		*k = s->v[--s->n];
}

static void set(struct sim_set *s, const char *name, const char *value)
{
	struct sim_kv *k = find(s, name);
	if (k == NULL) {
		if (s->n == SIM_N)
			abort();
		k = &s->v[s->n++];
		snprintf(k->name, sizeof(k->name), "%s", name);
	}
	if (snprintf(k->value, sizeof(k->value), "%s", value) >= (int)sizeof(k->value))
		abort();
}

/* ---- answers ---- */

static void error(struct pgsim *s, const char *state, const char *fmt, const char *arg)
{
	struct err e = { .code = ERR_INTERNAL };
	snprintf(e.sqlstate, sizeof(e.sqlstate), "%s", state);
	snprintf(e.msg, sizeof(e.msg), "%s%s", fmt, arg);
	pgerror_put(&s->out, "ERROR", &e);
}

static void quoted_error(struct pgsim *s, const char *state, const char *name, const char *what)
{
	char text[160];
	if (*name)
		snprintf(text, sizeof(text), "prepared statement \"%s\" %s", name, what);
	else
		snprintf(text, sizeof(text), "unnamed prepared statement %s", what);
	error(s, state, text, "");
}

static void describe(struct pgsim *s)
{
	size_t at = pgrow_desc_begin(&s->out, 1);
	pgrow_desc_col(&s->out, "x", s->type ? s->type : 25, -1, 0);
	pgmsg_end(&s->out, at);
}

static void row(struct pgsim *s, const char *value)
{
	size_t at = pgrow_data_begin(&s->out, 1);
	pgrow_data_cell(&s->out, value, strlen(value));
	pgmsg_end(&s->out, at);
}

static void report(struct pgsim *s)
{
	const char *now = get(&s->vars, "application_name"),
		   *was = get(&s->reported, "application_name");
	if (now == NULL)
		now = get(&s->defaults, "application_name");
	if (now == NULL)
		now = "";
	if (was && strcmp(now, was) == 0)
		return;
	set(&s->reported, "application_name", now);
	pgsession_put_param(&s->out, "application_name", now);
}

static void ready(struct pgsim *s)
{
	report(s);
	pgsession_put_ready(&s->out, s->tx);
}

/* ---- transactions ---- */

static void begin_any(struct pgsim *s)
{
	s->saved = s->vars;
	s->local.n = 0;
}

static void end_local(struct pgsim *s)
{
	for (unsigned i = 0; i < s->local.n; i++) {
		if (s->local.v[i].value[0] == '+')
			set(&s->vars, s->local.v[i].name, s->local.v[i].value + 1);
		else if (strchr(s->local.v[i].name, '.'))
			set(&s->vars, s->local.v[i].name, "");
		else
			del(&s->vars, s->local.v[i].name);
	}
	s->local.n = 0;
}

static void roll_back(struct pgsim *s)
{
	s->vars = s->saved;
	s->local.n = 0;
}

static void abort_tx(struct pgsim *s)
{
	if (s->tx == 'T')
		s->tx = 'E';
	else if (s->tx == 'I') {
		roll_back(s);
		s->implicit = false;
	}
}

static void start_implicit(struct pgsim *s)
{
	if (s->tx == 'I' && !s->implicit) {
		s->implicit = true;
		begin_any(s);
	}
}

static void end_implicit(struct pgsim *s)
{
	if (s->implicit && s->tx == 'I')
		end_local(s);
	s->implicit = false;
}

/* ---- our own texts ---- */

static void hex(char *out, size_t size, const char *v)
{
	size_t n = 0;
	for (; *v && n + 3 < size; v++)
		n += (size_t)snprintf(out + n, size - n, "%02x", (unsigned char)*v);
	out[n] = 0;
}

static void ask_row(struct pgsim *s, const char *kind, const char *name, const char *value)
{
	char x[500];
	hex(x, sizeof(x), value);
	size_t at = pgrow_data_begin(&s->out, 3);
	pgrow_data_cell(&s->out, kind, 1);
	pgrow_data_cell(&s->out, name, strlen(name));
	pgrow_data_cell(&s->out, x, strlen(x));
	pgmsg_end(&s->out, at);
}

static void answer_ask(struct pgsim *s, const char *text)
{
	size_t at = pgrow_desc_begin(&s->out, 3);
	for (int i = 0; i < 3; i++)
		pgrow_desc_col(&s->out, "x", 25, -1, 0);
	pgmsg_end(&s->out, at);
	for (unsigned i = 0; i < s->vars.n; i++) {
		char lit[80];
		snprintf(lit, sizeof(lit), "E'%s'::", s->vars.v[i].name);
		if (strchr(s->vars.v[i].name, '.') == NULL)
			ask_row(s, "s", s->vars.v[i].name, s->vars.v[i].value);
		else if (strstr(text, lit))
			ask_row(s, "c", s->vars.v[i].name, s->vars.v[i].value);
	}
	ask_row(s, "s", "session_authorization", "postgres");
	for (unsigned i = 0; i < s->stmts.n; i++)
		if (s->stmts.v[i].name[0] && strncmp(s->stmts.v[i].name, "weirpool_", 9) != 0)
			ask_row(s, "p", s->stmts.v[i].name, "");
	for (unsigned i = 0; i < s->sql_stmts.n; i++) {
		char sql[220];
		snprintf(sql, sizeof(sql), "PREPARE %s AS %s", s->sql_stmts.v[i].name,
			s->sql_stmts.v[i].value);
		ask_row(s, "p", s->sql_stmts.v[i].name, sql);
	}
	if (s->tables.n)
		ask_row(s, "t", "", "");
	if (s->locked && strstr(text, "pg_locks"))
		ask_row(s, "a", "", "");
	pgsession_put_complete(&s->out, "SELECT 9");
}

/* SELECT pg_catalog.set_config(E'n',E'v',false),... */
static bool answer_set_configs(struct pgsim *s, const char *text)
{
	if (strstr(text, "E'refuse'") || (s->tainted && strstr(text, "E'temp_buffers'"))) {
		error(s, "22023", "invalid value for parameter", "");
		return false;
	}
	describe(s);
	for (const char *p = text; (p = strstr(p, "set_config(E'")) != NULL;) {
		char name[64], value[128];
		p += strlen("set_config(E'");
		size_t n = strcspn(p, "'");
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		p += n + 2;
		if (strncmp(p, "NULL", 4) == 0) {
			if (strchr(name, '.'))
				set(&s->vars, name, "");
			else
				del(&s->vars, name);
			continue;
		}
		p += 2;
		n = strcspn(p, "'");
		snprintf(value, sizeof(value), "%.*s", (int)n, p);
		set(&s->vars, name, value);
		p += n;
	}
	row(s, "");
	pgsession_put_complete(&s->out, "SELECT 1");
	return true;
}

/* ---- statements ---- */

struct run {
	bool desc; /* simple protocol: RowDescription goes first */
	bool copy; /* it became a COPY IN */
};

static bool returns_rows(const char *t)
{
	return strncmp(t, "SELECT", 6) == 0 || strncmp(t, "SHOW", 4) == 0;
}

static bool known_text(const char *t)
{
	static const char *const words[] = { "SELECT ", "SHOW ", "SET ", "RESET ", "BEGIN",
		"COMMIT", "ROLLBACK", "CREATE TEMP TABLE ", "DROP TABLE ", "PREPARE ", "EXECUTE ",
		"DEALLOCATE ", "DISCARD ALL", "COPY " };
	const char *end = strncmp(t, "/*", 2) == 0 ? strstr(t, "*/ ") : NULL;
	t = end ? end + 3 : t;
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strncmp(t, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static void one_row(struct pgsim *s, const struct run *r, const char *value)
{
	if (r->desc)
		describe(s);
	row(s, value);
	pgsession_put_complete(&s->out, "SELECT 1");
}

static void note_local(struct pgsim *s, const char *name)
{
	char was[130];
	if (find(&s->local, name))
		return;
	const char *v = get(&s->vars, name);
	snprintf(was, sizeof(was), "%s%s", v ? "+" : "-", v ? v : "");
	set(&s->local, name, was);
}

static bool exec_set(struct pgsim *s, const char *t)
{
	char name[64] = "", value[100] = "";
	bool local = strncmp(t, "SET LOCAL ", 10) == 0;
	const char *p = t + (local ? 10 : 4);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, " "), p);
	p = strchr(p, '\'');
	if (p == NULL)
		return false;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + 1, "'"), p + 1);
	if (local)
		note_local(s, name);
	else
		del(&s->local, name);
	if (!local || s->tx == 'T' || s->implicit)
		set(&s->vars, name, value);
	pgsession_put_complete(&s->out, "SET");
	return true;
}

static void exec_reset(struct pgsim *s, const char *t)
{
	if (strcmp(t, "RESET ALL") == 0) {
		for (unsigned i = 0; i < s->vars.n;) {
			if (strchr(s->vars.v[i].name, '.') == NULL) {
				s->vars.v[i] = s->vars.v[--s->vars.n];
				continue;
			}
			s->vars.v[i++].value[0] = 0;
		}
	} else if (strchr(t + 6, '.')) {
		set(&s->vars, t + 6, "");
	} else {
		del(&s->vars, t + 6);
	}
	del(&s->local, t + 6);
	pgsession_put_complete(&s->out, "RESET");
}

static bool exec(struct pgsim *s, const char *t, struct run *r);

static bool exec_tx(struct pgsim *s, const char *t)
{
	if (strcmp(t, "BEGIN") == 0) {
		if (s->tx == 'I' && !s->implicit)
			begin_any(s);
		s->tx = 'T';
		s->implicit = false;
		pgsession_put_complete(&s->out, "BEGIN");
		return true;
	}
	if (strncmp(t, "ROLLBACK TO", 11) == 0) {
		error(s, "3B001", "savepoint does not exist", "");
		return false;
	}
	bool commit = t[0] == 'C' && s->tx != 'E';
	if (s->tx == 'E' || (!commit && s->tx == 'T'))
		roll_back(s);
	else if (s->tx == 'T')
		end_local(s);
	s->tx = 'I';
	s->portals.n = 0;
	pgsession_put_complete(&s->out, commit ? "COMMIT" : "ROLLBACK");
	return true;
}

/* The unnamed statement stays. */
static void drop_named(struct pgsim *s)
{
	char text[128] = "";
	const char *t = get(&s->stmts, "");
	if (t)
		snprintf(text, sizeof(text), "%s", t);
	s->stmts.n = s->sql_stmts.n = 0;
	if (t)
		set(&s->stmts, "", text);
}

static bool exec_prepared(struct pgsim *s, const char *t, struct run *r)
{
	char name[64] = "";
	if (t[0] == 'P') {
		const char *as = strstr(t, " AS ");
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(t + 8, " "), t + 8);
		if (as == NULL || find(&s->sql_stmts, name) || find(&s->stmts, name)) {
			quoted_error(s, "42P05", name, "already exists");
			return false;
		}
		set(&s->sql_stmts, name, as + 4);
		pgsession_put_complete(&s->out, "PREPARE");
		return true;
	}
	if (t[0] == 'E') {
		const char *text = get(&s->sql_stmts, t + 8);
		if (text == NULL)
			text = get(&s->stmts, t + 8);
		if (text == NULL) {
			quoted_error(s, "26000", t + 8, "does not exist");
			return false;
		}
		char copy[128];
		snprintf(copy, sizeof(copy), "%s", text);
		if (strncmp(copy, "EXECUTE", 7) == 0) {
			error(s, "0A000", "EXECUTE does not support variable-result cached plans",
				"");
			return false;
		}
		return exec(s, copy, r);
	}
	if (strcmp(t, "DEALLOCATE ALL") == 0) {
		drop_named(s);
		pgsession_put_complete(&s->out, "DEALLOCATE ALL");
		return true;
	}
	if (!find(&s->sql_stmts, t + 11) && !find(&s->stmts, t + 11)) {
		quoted_error(s, "26000", t + 11, "does not exist");
		return false;
	}
	del(&s->sql_stmts, t + 11);
	del(&s->stmts, t + 11);
	pgsession_put_complete(&s->out, "DEALLOCATE");
	return true;
}

static bool exec_copy(struct pgsim *s, const char *t, struct run *r)
{
	uint8_t head[3] = { 0, 0, 0 };
	snprintf(s->copy_nonce, sizeof(s->copy_nonce), "%.*s", (int)strcspn(t + 5, " "), t + 5);
	if (strstr(t, "TO STDOUT")) {
		pgmsg_put(&s->out, 'H', head, 3);
		pgmsg_put(&s->out, 'd', s->copy_nonce, strlen(s->copy_nonce));
		pgmsg_put(&s->out, 'd', s->copy_nonce, strlen(s->copy_nonce));
		pgmsg_put(&s->out, 'c', NULL, 0);
		pgsession_put_complete(&s->out, "COPY 2");
		return true;
	}
	pgmsg_put(&s->out, 'G', head, 3);
	s->copy_in = r->copy = true;
	s->copy_n = 0;
	return true;
}

static bool exec_select(struct pgsim *s, const char *t, struct run *r)
{
	char value[128] = "";
	const char *q = strchr(t, '\'');
	if (q)
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(q + 1, "'"), q + 1);
	if (strncmp(t, "SELECT 's'::pg_catalog", 22) == 0) {
		answer_ask(s, t);
		return true;
	}
	if (strncmp(t, "SELECT pg_catalog.set_config", 28) == 0) {
		return answer_set_configs(s, t);
	}
	if (strncmp(t, "SELECT * FROM ", 14) == 0) {
		if (!find(&s->tables, t + 14)) {
			error(s, "42P01", "no such relation: ", t + 14);
			return false;
		}
		one_row(s, r, get(&s->tables, t + 14));
		return true;
	}
	if (strstr(t, "'/0")) {
		error(s, "22012", "division by zero: ", value);
		return false;
	}
	if (strstr(t, "set_config('") || strstr(t, "my_set('")) {
		char name[64];
		snprintf(name, sizeof(name), "%.63s", value);
		q = strstr(t, ",'");
		if (q == NULL) {
			error(s, "42601", "syntax error: ", name);
			return false;
		}
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(q + 2, "'"), q + 2);
		set(&s->vars, name, value);
		del(&s->local, name);
	}
	if (strstr(t, "pg_advisory_lock"))
		s->locked = true;
	if (strstr(t, "pg_advisory_unlock"))
		s->locked = false;
	one_row(s, r, value);
	return true;
}

static bool exec(struct pgsim *s, const char *t, struct run *r)
{
	char name[64];
	bool exit = strcmp(t, "COMMIT") == 0 || strcmp(t, "ROLLBACK") == 0;
	s->n_execs++;
	if (!known_text(t)) {
		error(s, "42601", "syntax error: ", t);
		return false;
	}
	if (s->tx == 'E' && !exit) {
		error(s, "25P02", "current transaction is aborted", "");
		return false;
	}
	if (exit || strcmp(t, "BEGIN") == 0)
		return exec_tx(s, t);
	if (strncmp(t, "SELECT", 6) == 0)
		return exec_select(s, t, r);
	if (strncmp(t, "SHOW ", 5) == 0) {
		const char *v = get(&s->vars, t + 5);
		if (v == NULL || (strchr(t, '.') && *v == 0))
			v = get(&s->defaults, t + 5);
		one_row(s, r, v ? v : "");
		return true;
	}
	if (strncmp(t, "SET ", 4) == 0)
		return exec_set(s, t);
	if (strncmp(t, "COPY ", 5) == 0)
		return exec_copy(s, t, r);
	if (strncmp(t, "PREPARE ", 8) == 0 || strncmp(t, "EXECUTE ", 8) == 0 ||
		strncmp(t, "DEALLOCATE ", 11) == 0)
		return exec_prepared(s, t, r);
	if (strncmp(t, "CREATE TEMP TABLE ", 18) == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(t + 18, " "), t + 18);
		set(&s->tables, name, name);
		s->tainted = true;
		pgsession_put_complete(&s->out, "CREATE TABLE");
		return true;
	}
	if (strncmp(t, "DROP TABLE ", 11) == 0) {
		del(&s->tables, t + 11);
		pgsession_put_complete(&s->out, "DROP TABLE");
		return true;
	}
	if (strcmp(t, "DISCARD ALL") == 0 && s->tx == 'T') {
		error(s, "25001", "DISCARD ALL cannot run inside a transaction block", "");
		return false;
	}
	if (strcmp(t, "DISCARD ALL") == 0) {
		s->vars.n = s->portals.n = s->tables.n = 0;
		drop_named(s);
		s->locked = false;
		pgsession_put_complete(&s->out, "DISCARD ALL");
		return true;
	}
	exec_reset(s, t);
	return true;
}

/* ---- messages ---- */

static void query(struct pgsim *s, const char *text)
{
	char part[4096];
	struct run r = { .desc = true };
	bool multi = strchr(text, ';') != NULL, ok = true;
	del(&s->stmts, "");
	/* Texts of ours have no semicolon in quotes. */
	while (ok && *text) {
		size_t n = strcspn(text, ";");
		if (n >= sizeof(part))
			abort();
		memcpy(part, text, n);
		part[n] = 0;
		if (multi || s->tx == 'I')
			start_implicit(s);
		ok = exec(s, part, &r);
		text += n + (text[n] == ';');
	}
	if (!ok)
		abort_tx(s);
	if (r.copy)
		return;
	end_implicit(s);
	s->portals.n = s->tx == 'I' ? 0 : s->portals.n;
	ready(s);
}

static bool fail(struct pgsim *s)
{
	abort_tx(s);
	s->skip = true;
	return false;
}

static bool aborted(struct pgsim *s, const char *text)
{
	if (s->tx != 'E' || strcmp(text, "COMMIT") == 0 || strcmp(text, "ROLLBACK") == 0 ||
		*text == 0)
		return false;
	error(s, "25P02", "current transaction is aborted", "");
	return true;
}

static bool parse(struct pgsim *s, const uint8_t *b, size_t n)
{
	struct pgext_parse p;
	if (!pgext_read_parse(b, n, &p)) {
		s->dead = true;
		return false;
	}
	start_implicit(s);
	if (p.name_n == 0)
		del(&s->stmts, "");
	if (*p.text && !known_text(p.text)) {
		error(s, "42601", "syntax error: ", p.text);
		return fail(s);
	}
	if (aborted(s, p.text))
		return fail(s);
	if (p.name_n && (find(&s->stmts, p.name) || find(&s->sql_stmts, p.name))) {
		quoted_error(s, "42P05", p.name, "already exists");
		return fail(s);
	}
	set(&s->stmts, p.name, p.text);
	pgmsg_put(&s->out, '1', NULL, 0);
	return true;
}

static const char *stmt_text(struct pgsim *s, const char *name)
{
	const char *t = get(&s->stmts, name);
	if (t == NULL && *name)
		t = get(&s->sql_stmts, name);
	if (t == NULL) {
		quoted_error(s, "26000", name, "does not exist");
		fail(s);
	}
	return t;
}

static bool bind(struct pgsim *s, const uint8_t *b, size_t n)
{
	struct pgext_bind x;
	if (!pgext_read_bind(b, n, &x)) {
		s->dead = true;
		return false;
	}
	start_implicit(s);
	const char *t = stmt_text(s, x.stmt);
	if (t == NULL)
		return false;
	if (aborted(s, t))
		return fail(s);
	if (s->fail_plans && strncmp(x.stmt, "weirpool_", 9) == 0) {
		static const char body[] =
			"SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0"
			"RRevalidateCachedQuery\0";
		pgmsg_put(&s->out, 'E', body, sizeof(body));
		s->fail_plans = false;
		return fail(s);
	}
	set(&s->portals, x.portal, t);
	pgmsg_put(&s->out, '2', NULL, 0);
	return true;
}

static bool target(struct pgsim *s, uint8_t type, const uint8_t *b, size_t n)
{
	struct pgext_target x;
	if (!pgext_read_target(b, n, &x)) {
		s->dead = true;
		return false;
	}
	start_implicit(s);
	if (type == 'C') {
		del(x.kind == 'S' ? &s->stmts : &s->portals, x.name);
		if (x.kind == 'S')
			del(&s->sql_stmts, x.name);
		pgmsg_put(&s->out, '3', NULL, 0);
		return true;
	}
	const char *t = x.kind == 'S' ? stmt_text(s, x.name) : get(&s->portals, x.name);
	if (t == NULL && x.kind == 'P') {
		error(s, "34000", "portal does not exist: ", x.name);
		return fail(s);
	}
	if (t == NULL)
		return false;
	bool rows = returns_rows(t) || strncmp(t, "EXECUTE", 7) == 0;
	/* A server refuses only those with rows; a pooler cannot parse the others there either. */
	if (x.kind == 'S' && aborted(s, t))
		return fail(s);
	if (x.kind == 'S')
		pgmsg_put(&s->out, 't', (const uint8_t[]){ 0, 0 }, 2);
	if (rows)
		describe(s);
	else
		pgmsg_put(&s->out, 'n', NULL, 0);
	return true;
}

static bool execute(struct pgsim *s, const uint8_t *b, size_t n)
{
	struct pgext_execute x;
	struct run r = { .desc = false };
	char text[128];
	if (!pgext_read_execute(b, n, &x)) {
		s->dead = true;
		return false;
	}
	start_implicit(s);
	const char *t = get(&s->portals, x.portal);
	if (t == NULL) {
		error(s, "34000", "portal does not exist: ", x.portal);
		return fail(s);
	}
	snprintf(text, sizeof(text), "%s", t);
	if (*text == 0) {
		pgmsg_put(&s->out, 'I', NULL, 0);
		return true;
	}
	if (!exec(s, text, &r))
		return fail(s);
	s->copy_ext = r.copy;
	return true;
}

static void copy_over(struct pgsim *s, bool ok)
{
	char tag[40];
	s->copy_in = false;
	if (ok) {
		snprintf(tag, sizeof(tag), "COPY %u", s->copy_n);
		pgsession_put_complete(&s->out, tag);
	} else {
		error(s, "57014", "COPY failed: ", s->copy_nonce);
		abort_tx(s);
		s->skip = s->copy_ext;
	}
	if (!s->copy_ext) {
		end_implicit(s);
		ready(s);
	}
	s->copy_ext = false;
}

static void copy_message(struct pgsim *s, uint8_t type, const uint8_t *b, size_t n)
{
	if (type == 'd') {
		size_t k = strlen(s->copy_nonce);
		s->copy_n++;
		if (n != k || memcmp(b, s->copy_nonce, k) != 0)
			copy_over(s, false);
		return;
	}
	if (type == 'c' || type == 'f')
		copy_over(s, type == 'c');
	else if (type != 'H' && type != 'S')
		s->dead = true;
}

static void message(struct pgsim *s, uint8_t type, const uint8_t *b, size_t n)
{
	if (s->copy_in) {
		copy_message(s, type, b, n);
		return;
	}
	if (type == 'S') {
		s->skip = false;
		end_implicit(s);
		if (s->tx == 'I')
			s->portals.n = 0;
		ready(s);
		return;
	}
	if (s->skip || type == 'H' || type == 'd' || type == 'c' || type == 'f')
		return;
	if (type == 'Q')
		query(s, (const char *)b);
	else if (type == 'P')
		parse(s, b, n);
	else if (type == 'B')
		bind(s, b, n);
	else if (type == 'D' || type == 'C')
		target(s, type, b, n);
	else if (type == 'E')
		execute(s, b, n);
	else
		s->dead = true;
}

void pgsim_run(struct pgsim *s)
{
	struct pgmsg m;
	int r;
	while (!s->dead && (r = pgmsg_take(buf_data(&s->in), buf_len(&s->in), 1 << 20, &m)) != 0) {
		if (r < 0) {
			s->dead = true;
			return;
		}
		if (m.type == 'X')
			return;
		message(s, m.type, m.body, m.body_n);
		buf_consume(&s->in, m.total);
	}
}

void pgsim_welcome(struct pgsim *s)
{
	static const uint8_t key[8] = { 0, 0, 0, 1, 1, 2, 3, 4 };
	pgmsg_put(&s->out, 'R', (const uint8_t[]){ 0, 0, 0, 0 }, 4);
	pgsession_put_param(&s->out, "server_version", "15.4");
	pgsession_put_param(&s->out, "client_encoding", "UTF8");
	pgsession_put_param(&s->out, "standard_conforming_strings", "on");
	pgsession_put_param(&s->out, "session_authorization", "postgres");
	report(s);
	pgsession_put_key(&s->out, key, 8);
	ready(s);
}

void pgsim_init(struct pgsim *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->in, 0);
	buf_init(&s->out, 0);
	s->tx = 'I';
}

void pgsim_fini(struct pgsim *s)
{
	buf_fini(&s->in);
	buf_fini(&s->out);
}
