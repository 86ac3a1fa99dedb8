/* pg_state - what a request did to its session: nothing, something that can be recorded, or
 * something that only the server can tell: then it is asked. Decides whether the session may let go
 * of its link. Thread: that of the env. */
#include "pg_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/row.h"

#define ASK_SETTINGS_MAX_N 512U
#define ASK_BYTES_MAX (256U << 10)

struct pg_ask {
	struct var *v; /* names and values owned */
	unsigned n;
	size_t bytes;
	uint32_t pins;
	struct buf listens; /* SQL */
	unsigned n_listens;
	bool unheard; /* not all of them */
	bool failed;
};

void state_want_changed(struct pg_client *c)
{
	static const char *const harmless[] = { "application_name", "client_min_messages",
		"deadlock_timeout", "extra_float_digits", "idle_in_transaction_session_timeout",
		"idle_session_timeout", "lock_timeout", "statement_timeout", "transaction_timeout",
		"work_mem" };
	struct varset *x = varset_ref(c->want);
	c->want_hash = 0;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless) && x; i++)
		(void)varset_put(&c->env->vars, &x, harmless[i], NULL);
	for (uint32_t i = 0; x && i < x->n;) { /* custom settings do not change what a text means */
		uint32_t n = x->n;
		if (strchr(x->v[i].name, '.') == NULL ||
			!varset_put(&c->env->vars, &x, x->v[i].name, NULL))
			i++;
		assert(x == NULL || x->n <= n);
	}
	if (x)
		c->want_hash = x->key.hi ^ x->key.lo;
	varset_unref(&c->env->vars, x);
}

void state_known(struct pg_client *c, struct pg_link *l)
{
	c->acc = c->acc_asking = 0;
	c->may_reset = false;
	c->salt = 0;
	c->n_requests = 0;
	c->mixed = false;
	l->req_error = l->discarded = false;
	learn_forget_set(c);
	learn_free_if_empty(c);
}

/* ---- asking ---- */

/* clang-format off */
#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define TEXT "::pg_catalog.text"
#define SETTING(n) "pg_catalog.current_setting(" n ")"
#define HEX(v) "pg_catalog.encode(pg_catalog.convert_to(" v "," \
	"pg_catalog.getdatabaseencoding()),'hex')"
#define EXISTS(from) "EXISTS(SELECT 1 FROM pg_catalog." from ")"
#define IN_TEMP(t, col) EXISTS(t " WHERE " col EQ "pg_catalog.pg_my_temp_schema()")
#define FACT(k) " UNION ALL SELECT '" k "'" TEXT ",''" TEXT ",''" TEXT " WHERE "

/* One row for each fact: kind, name, value in hexadecimal. Qualified so that nothing the session
 * did can change what it means. */
static const char ask_settings[] =
	"SELECT 's'" TEXT ",name" TEXT "," HEX("setting") " FROM pg_catalog.pg_settings"
	" WHERE source" EQ "'session' AND setting IS NOT NULL"
	" AND pg_catalog.left(name,12)" NE "'transaction_'"
	" UNION ALL SELECT 's','role'," HEX(SETTING("'role'"))
	" WHERE " SETTING("'role'") NE "'none'"
	" UNION ALL SELECT 's','session_authorization'," HEX(SETTING("'session_authorization'"));
static const char ask_objects[] =
	FACT("t") "(" IN_TEMP("pg_class", "relnamespace")
	" OR " IN_TEMP("pg_type", "typnamespace")
	" OR " IN_TEMP("pg_proc", "pronamespace")
	" OR " IN_TEMP("pg_operator", "oprnamespace")
	" OR " IN_TEMP("pg_collation", "collnamespace")
	" OR " IN_TEMP("pg_ts_config", "cfgnamespace")
	" OR " IN_TEMP("pg_ts_dict", "dictnamespace") ")"
	FACT("h") EXISTS("pg_cursors WHERE is_holdable")
	" UNION ALL SELECT 'p'" TEXT ",name,CASE WHEN from_sql"
	" AND pg_catalog.octet_length(statement) OPERATOR(pg_catalog.<=) 16384"
	" THEN " HEX("statement") " ELSE '' END FROM pg_catalog.pg_prepared_statements"
	" WHERE from_sql OR pg_catalog.left(name,9)" NE "'" PG_STMT_PREFIX "'";
static const char ask_locks[] =
	FACT("a") EXISTS("pg_locks WHERE locktype" EQ "'advisory'"
		" AND pid" EQ "pg_catalog.pg_backend_pid()");

static const char ask_listens[] = FACT("l") EXISTS("pg_listening_channels()");
static const char ask_channels[] =
	" UNION ALL SELECT 'l','',l.h FROM (SELECT " HEX("c") " FROM"
	" pg_catalog.pg_listening_channels() v(c) LIMIT 257) l(h)"; /* LISTEN_MAX_N + 1 */

/* Custom settings are in no view, so their names must be known: those that functions of this
 * database set by a literal name. */
static const char ask_hidden[] =
	" UNION ALL SELECT 'c',n," HEX(SETTING("n,true"))
	" FROM (SELECT DISTINCT m[1] FROM pg_catalog.pg_proc p,"
	"pg_catalog.regexp_matches(p.prosrc,"
	"'''([A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)+)''','g') m"
	" WHERE p.pronamespace" NE "'pg_catalog'::pg_catalog.regnamespace"
	" AND pg_catalog.strpos(p.prosrc,'set_config') OPERATOR(pg_catalog.>) 0) v(n)"
	" WHERE " SETTING("n,true") NE "''";
/* clang-format on */

static bool is_custom(const char *name)
{
	return strchr(name, '.') != NULL;
}

static void put_custom(struct pg_client *c, struct buf *b)
{
	const struct pg_learn *k = c->learn;
	unsigned n = 0;
	for (unsigned i = 0; k && i < k->n_names; i++) {
		buf_puts(b, n++ ? ",("
				: " UNION ALL SELECT 'c',n," HEX(
					  "pg_catalog.current_setting(n,true)") " FROM (VALUES (");
		pg_put_literal(b, k->names[i]);
		buf_puts(b, "::pg_catalog.text)");
	}
	for (uint32_t i = 0; c->want && i < c->want->n; i++) {
		if (!is_custom(c->want->v[i].name))
			continue;
		buf_puts(b, n++ ? ",("
				: " UNION ALL SELECT 'c',n," HEX(
					  "pg_catalog.current_setting(n,true)") " FROM (VALUES (");
		pg_put_literal(b, c->want->v[i].name);
		buf_puts(b, "::pg_catalog.text)");
	}
	if (n)
		buf_puts(b, ") v(n) WHERE pg_catalog.current_setting(n,true) IS NOT NULL");
}

void ask_put(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	assert(!l->ask_wait && l->owed.n == 0 && l->tx == TX_IDLE);
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	l->ask = mem_alloc(MEM_PROTO, sizeof(*l->ask));
	if (o == NULL || l->ask == NULL) {
		l->failed = true;
		return;
	}
	o->synth = PG_CAP_ASK;
	buf_init(&l->ask->listens, LISTEN_MAX_BYTES);
	size_t at = pgmsg_begin(up, 'Q');
	buf_puts(up, ask_settings);
	put_custom(c, up);
	if (c->acc & (SQL_F_UNKNOWN | SQL_F_BAD))
		buf_puts(up, ask_hidden);
	buf_puts(up, ask_objects);
	buf_puts(up, c->relisten ? ask_channels : ask_listens);
	if ((c->acc & (SQL_F_ADVISORY | SQL_F_UNKNOWN | SQL_F_BAD | SQL_F_EXECUTE)) ||
		(c->pins & (PIN(ADVISORY) | PIN(UNKNOWN))))
		buf_puts(up, ask_locks);
	buf_put_u8(up, 0);
	pgmsg_end(up, at);
	c->acc_asking = c->acc;
	c->acc = 0;
	c->n_requests = 0;
	named_asking(l);
	l->ask_wait = true;
	l->has_unnamed = false;
	c->counters->asks_sent++;
}

void ask_free(struct pg_link *l)
{
	struct pg_ask *a = l->ask;
	if (a == NULL)
		return;
	for (unsigned i = 0; i < a->n; i++) {
		mem_free(MEM_PROTO, (void *)(uintptr_t)a->v[i].name);
		mem_free(MEM_PROTO, (void *)(uintptr_t)a->v[i].value);
	}
	buf_fini(&a->listens);
	mem_free(MEM_PROTO, a->v);
	mem_free(MEM_PROTO, a);
	l->ask = NULL;
}

static int nibble(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *unhex(const uint8_t *p, size_t n)
{
	char *s = n % 2 ? NULL : mem_alloc(MEM_PROTO, n / 2 + 1);
	for (size_t i = 0; s && i < n; i += 2) {
		int hi = nibble(p[i]), lo = nibble(p[i + 1]);
		if (hi < 0 || lo < 0 || (hi == 0 && lo == 0)) {
			mem_free(MEM_PROTO, s);
			return NULL;
		}
		s[i / 2] = (char)(hi << 4 | lo);
	}
	return s;
}

static char *name_of(const uint8_t *p, size_t n)
{
	if (memchr(p, 0, n))
		return NULL;
	char *s = mem_strndup(MEM_PROTO, (const char *)p, n);
	for (char *x = s; x && *x; x++)
		if (*x >= 'A' && *x <= 'Z')
			*x = (char)(*x + 32);
	return s;
}

static void add_setting(
	struct pg_ask *a, const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n)
{
	if (a->v == NULL)
		a->v = mem_alloc(MEM_PROTO, ASK_SETTINGS_MAX_N * sizeof(*a->v));
	a->bytes += name_n + value_n;
	if (a->v == NULL || a->n == ASK_SETTINGS_MAX_N || a->bytes > ASK_BYTES_MAX) {
		a->failed = true;
		return;
	}
	char *k = name_of(name, name_n), *v = unhex(value, value_n);
	if (k == NULL || v == NULL) {
		mem_free(MEM_PROTO, k);
		mem_free(MEM_PROTO, v);
		a->failed = true;
		return;
	}
	for (unsigned i = 0; i < a->n && is_custom(k); i++) { /* known by text and by a function */
		if (strcmp(a->v[i].name, k) != 0)
			continue;
		mem_free(MEM_PROTO, k);
		mem_free(MEM_PROTO, v);
		return;
	}
	a->v[a->n++] = (struct var){ k, v };
}

/* False: it cannot be made again on another link. */
static bool add_statement(
	struct pg_client *c, struct pg_link *l, const uint8_t *const *cell, const size_t *cell_n)
{
	if (c == NULL || memchr(cell[1], 0, cell_n[1]))
		return false;
	char *name = mem_strndup(MEM_PROTO, (const char *)cell[1], cell_n[1]);
	char *text = unhex(cell[2], cell_n[2]);
	bool known = name && text && named_seen(c, l, name, text);
	mem_free(MEM_PROTO, name);
	mem_free(MEM_PROTO, text);
	return known;
}

static void add_channel(struct pg_ask *a, const struct pg_link *l, const uint8_t *hex, size_t n)
{
	const char *encoding = varset_get(l->reported, "server_encoding");
	char *name = n ? unhex(hex, n) : NULL;
	if (name == NULL || ++a->n_listens > LISTEN_MAX_N ||
		!listen_put_channel(&a->listens, name, encoding && strcmp(encoding, "UTF8") == 0))
		a->unheard = true;
	mem_free(MEM_PROTO, name);
}

void ask_row(struct pg_client *c, struct pg_link *l, const uint8_t *body, size_t n)
{
	static const struct {
		char kind;
		uint32_t pin;
	} pins[] = { { 't', PIN(TEMP) }, { 'l', PIN(LISTEN) }, { 'h', PIN(HOLD) },
		{ 'a', PIN(ADVISORY) } };
	struct pg_ask *a = l->ask;
	const uint8_t *cell[3] = { 0 };
	size_t cell_n[3] = { 0 };
	unsigned cols;
	struct rd r;
	bool ok = pgrow_data_read(body, n, &cols, &r) && cols == 3;
	for (unsigned i = 0; ok && i < 3; i++)
		ok = pgrow_data_next(&r, &cell[i], &cell_n[i]) && cell[i] != NULL;
	if (!ok || cell_n[0] != 1) {
		a->failed = true;
		return;
	}
	if (*cell[0] == 's' || *cell[0] == 'c')
		add_setting(a, cell[1], cell_n[1], cell[2], cell_n[2]);
	if (*cell[0] == 'p' && !add_statement(c, l, cell, cell_n))
		a->pins |= PIN(PREPARE);
	if (*cell[0] == 'l')
		add_channel(a, l, cell[2], cell_n[2]);
	for (unsigned i = 0; i < sizeof(pins) / sizeof(*pins); i++)
		if (pins[i].kind == *cell[0])
			a->pins |= pins[i].pin;
}

/* What the server said, without what is so by itself. */
static bool make_have(struct pg_client *c, struct pg_link *l, struct varset **have_r)
{
	struct pg_ask *a = l->ask;
	const char *login = varset_get(l->fresh, "session_authorization");
	unsigned n = 0;
	struct var *v = a->n ? mem_alloc(MEM_PROTO, a->n * sizeof(*v)) : NULL;
	if (a->n && v == NULL)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct var *x = &a->v[i];
		if (strcmp(x->name, "session_authorization") == 0 && login &&
			strcmp(x->value, login) == 0)
			continue;
		/* A custom setting that a transaction set for itself is empty afterwards; so is one
		 * that was reset. */
		if (is_custom(x->name) && x->value[0] == 0 &&
			(varset_get(c->want, x->name) == NULL ||
				varset_get(c->start, x->name) != NULL))
			continue;
		v[n++] = *x;
	}
	bool ok = varset_make(&c->env->vars, v, n, have_r);
	mem_free(MEM_PROTO, v);
	return ok;
}

/* What was reset goes back to what the session started with, which the server does not know. */
static bool make_want(struct pg_client *c, struct varset *have, struct varset **want_r)
{
	struct varset *w = varset_ref(have);
	bool ok = true;
	for (uint32_t i = 0; ok && c->start && i < c->start->n; i++)
		if (varset_get(have, c->start->v[i].name) == NULL)
			ok = varset_put(
				&c->env->vars, &w, c->start->v[i].name, c->start->v[i].value);
	if (ok)
		*want_r = w;
	else
		varset_unref(&c->env->vars, w);
	return ok;
}

/* Without memory they are not known. */
static void learn_channels(struct pg_client *c, struct pg_ask *a)
{
	listen_forget(c);
	if (!c->relisten || !a->n_listens || a->unheard || a->listens.failed || !learn_of(c))
		return;
	c->learn->listens = mem_strndup(
		MEM_PROTO, (const char *)buf_data(&a->listens), buf_len(&a->listens));
}

static bool ask_learn(struct pg_client *c, struct pg_link *l)
{
	struct varset *have, *want;
	if (l->ask == NULL || l->ask->failed || !make_have(c, l, &have))
		return false;
	if (!make_want(c, have, &want)) {
		varset_unref(&c->env->vars, have);
		return false;
	}
	bool unknown = c->acc_asking & (SQL_F_UNKNOWN | SQL_F_BAD);
	if (unknown && l->dirty < PG_DIRTY_VARS)
		l->dirty = PG_DIRTY_VARS;
	if (unknown && have != l->have) /* statements may have been parsed meanwhile under settings
					   that nobody expected */
		l->dirty = PG_DIRTY_ALL;
	varset_assign(&l->env->vars, &l->have, have);
	varset_assign(&c->env->vars, &c->want, want);
	varset_unref(&c->env->vars, have);
	varset_unref(&c->env->vars, want);
	state_want_changed(c);
	c->pins = l->ask->pins;
	learn_channels(c, l->ask);
	named_asked(c, l);
	return true;
}

/* May a text that was seen before this answer run behind it? Those that the server keeps under the
 * session's own names may. */
static bool keeps_texts(const struct pg_client *c)
{
	return c->raw_flags || c->unnamed_raw || (c->pins & PIN(PREPARE));
}

void ask_done(struct pg_client *c, struct pg_link *l, bool failed)
{
	l->ask_wait = false;
	if (c == NULL) {
		ask_free(l);
		l->dirty = PG_DIRTY_ALL;
		return;
	}
	if (failed || !ask_learn(c, l)) {
		c->acc |= c->acc_asking;
		c->pins |= PIN(UNKNOWN);
	} else {
		if (c->learn && c->learn->names_overflow)
			c->pins |= PIN(SETTING);
		if (!(c->acc & STATE_SETTINGS))
			c->salt = 0;
		if (c->acc == 0 && c->learn && c->learn->undo == NULL &&
			!c->learn->names_overflow) {
			if (keeps_texts(c))
				learn_forget_set(c);
			else
				learn_free(c);
		}
	}
	c->acc_asking = 0;
	/* unless it was sent meanwhile */
	c->may_reset = c->may_reset && (c->acc != 0 || l->n_clears > 0 || l->reask);
	ask_free(l);
}

/* ---- may it go? ---- */

/* The request was one SET or RESET and went well. */
static bool record_set(struct pg_client *c, struct pg_link *l)
{
	struct pg_learn *k = c->learn;
	if (k == NULL || !k->set_known || c->n_requests != 1 || l->req_error ||
		strncmp(k->set_name, "transaction_", 12) == 0)
		return false;
	struct vartab *t = &c->env->vars;
	const char *now = k->set_default ? NULL : varset_get(l->reported, k->set_name);
	if (now == NULL)
		now = k->set_value;
	const char *back = k->set_default ? varset_get(c->start, k->set_name) : now;
	if (!varset_put(t, &l->have, k->set_name, now) ||
		!varset_put(t, &c->want, k->set_name, back))
		return false;
	state_want_changed(c);
	return true;
}

/* What may end the pins that the session has? */
static uint64_t may_unpin(const struct pg_client *c)
{
	uint32_t pins = c->pins;
	if (c->relisten && pins == PIN(LISTEN)) /* nothing else may be unknown */
		return ~UINT64_C(0);
	uint64_t f = SQL_F_DISCARD_ALL | SQL_F_UNKNOWN | SQL_F_BAD;
	if (pins & PIN(TEMP))
		f |= SQL_F_DROP | SQL_F_DISCARD_TEMP;
	if (pins & PIN(ADVISORY))
		f |= SQL_F_ADVISORY;
	if (pins & PIN(LISTEN))
		f |= SQL_F_UNLISTEN;
	if (pins & PIN(HOLD))
		f |= SQL_F_CLOSE;
	if (pins & PIN(PREPARE))
		f |= SQL_F_DEALLOCATE | SQL_F_DEALLOCATE_ALL;
	if (pins & (PIN(UNKNOWN) | PIN(SETTING)))
		f |= ~UINT64_C(0);
	return f;
}

static uint64_t relevant(const struct pg_client *c)
{
	uint64_t f = c->acc & STATE_RELEVANT;
	const char *path = (c->acc & SQL_F_DDL) ? varset_get(c->want, "search_path") : NULL;
	if (path && strstr(path, "pg_temp"))
		f |= SQL_F_TEMP;
	if (c->pins & PIN(TEMP)) /* the last of them may be gone */
		f |= c->acc & SQL_F_DROP;
	if (c->pins & PIN(HOLD))
		f |= c->acc & SQL_F_CLOSE;
	return f;
}

bool state_is_known(const struct pg_client *c, const struct pg_link *l)
{
	return c->acc == 0 && c->acc_asking == 0 && !l->ask_wait && !c->raw_flags &&
	       !c->unnamed_raw && !c->mixed && !c->may_reset;
}

static enum proto_release pinned(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	/* what others have drawn is forgotten here as by pg_attach(), which may be long ago */
	l->discards = c->env->seq_reads && seq_is_foreign(c, l) && c->acc == 0 &&
		      (!l->same_client || c->seq_used);
	/* a startup parameter was reset: to what the session started with */
	if ((c->want != l->have || l->discards) && c->acc == 0)
		(void)sync_put(c, l, up);
	return REL_PINNED;
}

enum proto_release pg_link_release(void *cst, void *lst, struct buf *up)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	if (c->mode == PROTO_SESSION || c->mode == PROTO_RAW)
		return REL_PINNED;
	if (l->owed.n > 0 || l->ask_wait || l->ext_open || c->up_left > 0)
		return REL_ASKING;
	assert(l->tx == TX_IDLE);
	if (c->acc & SQL_F_DDL)
		told_schema_changed();
	uint64_t f = relevant(c);
	if (c->unnamed_raw == 2)
		c->unnamed_raw = 0;
	if (f == 0 || (f == SQL_F_DISCARD_ALL && l->discarded && c->n_requests == 1) ||
		(f == SQL_F_SET && record_set(c, l))) {
		if (!(c->pins & PIN(UNKNOWN)) || f == SQL_F_DISCARD_ALL)
			state_known(c, l);
		f = 0;
	}
	if (c->pins &
		PIN(UNKNOWN)) /* asking failed: again, but not before the client did something */
		f = c->n_requests ? f | c->acc | SQL_F_UNKNOWN : 0;
	if (c->pins_kept)
		return pinned(c, l, up);
	if (c->pins && (f & may_unpin(c)) == 0)
		return pinned(c, l, up);
	if (f && c->no_asking) { /* what was changed is not known: nobody else may see it */
		l->dirty = PG_DIRTY_ALL;
		state_known(c, l);
		f = 0;
	}
	if (f == 0)
		return c->unnamed_raw ? REL_PINNED : REL_FREE;
	ask_put(c, l, up);
	return REL_ASKING;
}
