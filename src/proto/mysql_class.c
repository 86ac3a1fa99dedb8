/* mysql_class - what a text of a client may do to its session, as pins and as things to ask the
 * server for: the classifier's facts, statement by statement, in order. Ignorant of packets.
 * Thread: that of the env. */
#include "mysql_up_int.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "sql/classify_my.h"

/* ---- how this session's texts are read ---- */

static const char *setting(const struct my_client *c, const struct my_link *l, const char *name)
{
	const char *v = varset_get(c->want, name);
	if (v == NULL)
		v = varset_get(l->fresh, name);
	return v ? v : "";
}

const struct sql_my_opts *my_lex(struct my_client *c, const struct my_link *l)
{
	struct proto_env *v = c->env;
	struct my_lex_cache *x = &v->lex;
	if (x->want != c->want || x->fresh != l->fresh || !x->valid) {
		const char *mode = setting(c, l, "sql_mode");
		const char *charset = setting(c, l, "character_set_client");
		varset_assign(&v->vars, &x->want, c->want);
		varset_assign(&v->vars, &x->fresh, l->fresh);
		x->opts.mode = sql_my_mode(mode, strlen(mode));
		x->opts.charset = sql_my_charset(charset, strlen(charset));
		x->valid = true;
	}
	x->opts.multi_statements = c->multi;
	x->opts.mariadb = l->mariadb;
	x->opts.version = l->version_n;
	return &x->opts;
}

/* ---- user variables ---- */

/* False: there are too many, or no memory. */
static bool add_to(char **names, unsigned *n_names, const char *name, size_t n)
{
	for (unsigned i = 0; i < *n_names; i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return true;
	char *copy = *n_names < MY_NAMES_MAX_N ? mem_strndup(MEM_PROTO, name, n) : NULL;
	if (copy)
		names[(*n_names)++] = copy;
	return copy != NULL;
}

static struct my_learn *learn_of(struct my_client *c)
{
	if (c->learn == NULL)
		c->learn = mem_alloc(MEM_PROTO, sizeof(*c->learn));
	return c->learn;
}

bool my_learn_user(struct my_client *c, const char *name, size_t n)
{
	if (n == 0 || n > SQL_MY_NAME_MAX || memchr(name, '`', n) || memchr(name, 0, n))
		return false;
	struct my_learn *k = learn_of(c);
	return k && add_to(k->names, &k->n_names, name, n);
}

void my_learn_free(struct my_client *c)
{
	for (unsigned i = 0; c->learn && i < c->learn->n_names; i++)
		mem_free(MEM_PROTO, c->learn->names[i]);
	for (unsigned i = 0; c->learn && i < c->learn->n_sys; i++)
		mem_free(MEM_PROTO, c->learn->sys[i]);
	mem_free(MEM_PROTO, c->learn);
	c->learn = NULL;
}

/* Those that the statement may set are asked for when it is over. False: it must keep its link. */
static bool note_vars(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct sql_my_vars it;
	struct sql_my_var v;
	bool ok = true;
	sql_my_vars_start(&it, o, text, st);
	while (sql_my_vars_next(&it, &v))
		if (v.set)
			ok = v.ascii && my_learn_user(c, v.name, v.name_n) && ok;
	return ok;
}

/* ---- system variables ---- */

static bool is_plain(const struct sql_my_assign *a)
{
	for (size_t i = 0; i < a->name_n; i++)
		if (!(a->name[i] >= 'a' && a->name[i] <= 'z') &&
			!(a->name[i] >= '0' && a->name[i] <= '9') && a->name[i] != '_' &&
			a->name[i] != '.')
			return false;
	return a->name_known && a->name_n > 0 && a->name_n < SQL_MY_NAME_MAX;
}

bool my_learn_sys(struct my_client *c, const char *name, size_t n)
{
	struct my_learn *k = learn_of(c);
	return k && add_to(k->sys, &k->n_sys, name, n);
}

bool my_learn_lexes(const struct my_client *c)
{
	const struct my_learn *k = c->learn;
	for (unsigned i = 0; k && i < k->n_sys; i++)
		if (strcmp(k->sys[i], "sql_mode") == 0 ||
			strcmp(k->sys[i], "character_set_client") == 0)
			return true;
	return false;
}

/* Those that are asked for under their names. (The status tells of autocommit, and the collation is
 * asked for behind what sets character sets.) */
static bool is_asked_for(const struct sql_my_assign *a)
{
	static const char *const charsets[] = { "character_set_client", "character_set_results",
		"character_set_server", "collation_server", "character_set_filesystem",
		"character_set_collations" };
	if (a->sysvar == SQL_MY_SYS_PLAIN || a->sysvar == SQL_MY_SYS_MODE)
		return true;
	if (a->sysvar == SQL_MY_SYS_TX)
		return a->name[0] == 't';
	for (size_t i = 0; i < sizeof(charsets) / sizeof(*charsets); i++)
		if (a->name_n == strlen(charsets[i]) &&
			memcmp(a->name, charsets[i], a->name_n) == 0)
			return true;
	return false;
}

/* With those that change with it. */
static bool note_name(struct my_client *c, bool mariadb, const char *name)
{
	static const char collation[] = "collation_server";
	const char *whole = my_learn_whole(mariadb, name), *follower = my_sync_follower(name);
	if (whole)
		name = whole;
	if (strcmp(name, collation) == 0)
		follower = "character_set_server";
	return my_learn_sys(c, name, strlen(name)) &&
	       (follower == NULL || my_learn_sys(c, follower, strlen(follower)));
}

/* MariaDB 11.8 does not tell of variables of plugins, InnoDB's among them, and no MariaDB of any
 * that is set as @@name, without SESSION: those of which no tracker tells are asked for. False: it
 * must keep its link. */
static bool note_sys(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct sql_my_set set;
	struct sql_my_assign a;
	bool ok = true;
	sql_my_set_start(&set, o, text, st);
	while (sql_my_set_next(&set, &a)) {
		if (a.scope != SQL_MY_S_SESSION || !is_asked_for(&a))
			continue;
		if (!is_plain(&a)) {
			ok = false;
			continue;
		}
		a.name[a.name_n] = 0; /* is_plain() leaves room */
		ok = note_name(c, o->mariadb, a.name) && ok;
	}
	return ok;
}

/* ---- pins ---- */

/* XA PREPARE sets a MySQL session free; in MariaDB it goes on until COMMIT or ROLLBACK. */
static bool ends_xa(const struct sql_my_opts *o, const char *text, const struct sql_my_stmt *st)
{
	struct sql_my_lex x;
	struct sql_my_tok t;
	if (!(st->flags & SQL_MY_TX_END) || !o->mariadb)
		return st->flags & SQL_MY_TX_END;
	sql_my_lex_init(&x, o, text + st->at, st->n);
	sql_my_lex_next(&x, &t);
	sql_my_lex_next(&x, &t);
	return t.kind == SQL_MY_TOK_WORD && !(t.n == 7 && strncasecmp(t.p, "prepare", 7) == 0);
}

static uint32_t pins_of(uint64_t f)
{
	static const struct {
		uint64_t flag;
		uint32_t pin;
	} all[] = { { SQL_MY_UNSURE | SQL_MY_STORED | SQL_MY_OPAQUE | SQL_MY_IDENTITY,
			    PIN(UNKNOWN) },
		{ SQL_MY_SET_SILENT, PIN(SETTING) }, { SQL_MY_TEMP_MAKE, PIN(TEMP) },
		{ SQL_MY_TABLE_LOCK, PIN(TABLE_LOCK) }, { SQL_MY_GLOBAL_LOCK, PIN(GLOBAL_LOCK) },
		{ SQL_MY_INSTANCE_LOCK, PIN(INSTANCE_LOCK) }, { SQL_MY_USER_LOCK, PIN(USER_LOCK) },
		{ SQL_MY_HANDLER_OPEN, PIN(HANDLER) }, { SQL_MY_PREPARE, PIN(PREPARE) },
		{ SQL_MY_CALC_FOUND_ROWS, PIN(FOUND_ROWS) } };
	uint32_t pins = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (f & all[i].flag)
			pins |= all[i].pin;
	return pins;
}

static uint32_t ends_of(uint64_t f)
{
	static const struct {
		uint64_t flag;
		uint32_t pin;
	} all[] = { { SQL_MY_TABLE_UNLOCK, PIN(TABLE_LOCK) },
		{ SQL_MY_GLOBAL_UNLOCK, PIN(GLOBAL_LOCK) },
		{ SQL_MY_INSTANCE_UNLOCK, PIN(INSTANCE_LOCK) },
		{ SQL_MY_USER_UNLOCK_ALL, PIN(USER_LOCK) } };
	uint32_t pins = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (f & all[i].flag)
			pins |= all[i].pin;
	return pins;
}

/* What a statement leaves behind even if it fails later on. */
#define ANYWAY (SQL_MY_UNSURE | SQL_MY_STORED | SQL_MY_USER_LOCK | SQL_MY_OPAQUE | SQL_MY_IDENTITY)

static void add(struct my_req *r, uint64_t flags, uint32_t add_pins, uint32_t del)
{
	r->add = (r->add & ~del) | add_pins;
	r->del = (r->del | del) & ~add_pins;
	r->anyway |= pins_of(flags & ANYWAY);
	r->flags |= flags;
}

static void classify(struct my_client *c, const struct sql_my_opts *o, const char *text, size_t n,
	bool run, struct my_req *r);

/* What the text of a PREPARE or EXECUTE IMMEDIATE does when it runs, if it stands there. */
static struct my_req inner_of(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct sql_my_lex x;
	struct sql_my_tok t;
	struct my_req inner = { 0 };
	char *s = st->source == SQL_MY_SOURCE_LITERAL ? mem_alloc(MEM_PROTO, st->source_n + 1)
						      : NULL;
	size_t n = 0;
	bool ok = false;
	if (s) {
		sql_my_lex_init(&x, o, text + st->source_at, st->source_n);
		sql_my_lex_next(&x, &t);
		ok = sql_my_decode(o, &t, s, st->source_n, &n);
	}
	if (ok)
		classify(c, o, s, n, false, &inner);
	else
		add(&inner, SQL_MY_UNSURE, PIN(UNKNOWN), 0);
	mem_free(MEM_PROTO, s);
	if (inner.flags & (SQL_MY_VAR_SET | SQL_MY_VAR_SILENT)) /* which ones is not kept */
		inner.add |= PIN(VARIABLE);
	if (o->mariadb && (inner.flags & SQL_MY_SET_SYS))
		inner.add |= PIN(SETTING);
	return inner;
}

static void note_prepare(struct my_client *c, const struct my_req *inner)
{
	c->prepared.flags |= inner->flags;
	c->prepared.add |= inner->add;
	c->prepared.anyway |= inner->anyway;
}

/* An EXECUTE, IMMEDIATE or of any of those that are prepared. */
static void note_execute(struct my_req *r, const struct my_req *inner)
{
	add(r, inner->flags, inner->add, 0);
	r->anyway |= inner->anyway;
	if ((inner->flags & SQL_MY_HANDLER_OPEN) && r->n_handlers < INT8_MAX)
		r->n_handlers++;
}

/* A value that a server certainly takes for the tracker of that number. */
static bool is_sure(unsigned i, const struct sql_my_assign *a)
{
	if (!a->value_known || memchr(a->value, 0, a->value_n))
		return false;
	if (a->kind == SQL_MY_VAL_DEFAULT || a->kind == SQL_MY_VAL_STRING ||
		a->kind == SQL_MY_VAL_WORD)
		return true;
	return my_wish_is_flag(i) && a->kind == SQL_MY_VAL_NUMBER;
}

/* Which session_track_... variables does a SET name? Those with literal values are noted as what
 * the client will be told of from this statement on. */
static uint8_t wishes_of(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct sql_my_set set;
	struct sql_my_assign a;
	unsigned wish = 0;
	sql_my_set_start(&set, o, text, st);
	while (sql_my_set_next(&set, &a))
		for (unsigned i = 0; a.scope == SQL_MY_S_SESSION && i < MY_WISHES_N; i++) {
			if (strlen(my_wish_names[i]) != a.name_n ||
				memcmp(my_wish_names[i], a.name, a.name_n) != 0)
				continue;
			wish |= 1U << i;
			char value[SQL_MY_VALUE_MAX + 1];
			if (!is_sure(i, &a))
				continue;
			memcpy(value, a.value, a.value_n);
			value[a.value_n] = 0;
			(void)varset_put(&c->env->vars, &c->wished, my_wish_names[i],
				a.kind == SQL_MY_VAL_DEFAULT ? NULL : value);
		}
	return (uint8_t)wish;
}

void my_wish_ask(struct myup *u, const struct my_req *r)
{
	if (!(r->flags & SQL_MY_SET_TRACKER) || u->c->up_left > 0 || u->c->up_more)
		return;
	flow_cut(&u->f);
	u->c->wish = r->wish;
	my_wish_put(u->l, u->up);
}

static int8_t counted(int8_t n, uint64_t f, uint64_t more, uint64_t less)
{
	if ((f & more) && n < INT8_MAX)
		n++;
	if ((f & less) && n > INT8_MIN)
		n--;
	return n;
}

static void note_one(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st, bool run, struct my_req *r)
{
	uint64_t f = st->flags;
	uint32_t pins, del = ends_of(f);
	if (f & SQL_MY_EXECUTE) {
		struct my_req inner = st->name_n ? c->prepared : inner_of(c, o, text, st);
		note_execute(r, &inner);
		f &= ~SQL_MY_STORED; /* it is known what runs */
	}
	pins = pins_of(f);
	if (f & SQL_MY_XA) {
		if (ends_xa(o, text, st))
			del |= PIN(XA);
		else
			pins |= PIN(XA);
	}
	if (run && (f & (SQL_MY_VAR_SET | SQL_MY_VAR_SILENT)) && !note_vars(c, o, text, st))
		pins |= PIN(VARIABLE);
	if (run && o->mariadb && (f & SQL_MY_SET_SYS) && !note_sys(c, o, text, st))
		pins |= PIN(SETTING);
	r->n_handlers = counted(r->n_handlers, f, SQL_MY_HANDLER_OPEN, SQL_MY_HANDLER_CLOSE);
	r->n_prepared = counted(r->n_prepared, f, SQL_MY_PREPARE, SQL_MY_DEALLOCATE);
	if (run && (f & MY_HOLDS) && r->n_statements == 0)
		my_hold_note(c, o, text, st);
	if (my_hold_renames(c, o, text, st))
		pins |= PIN(TEMP);
	add(r, f, pins, del);
	r->calls = r->calls || st->verb == SQL_MY_V_CALL || st->verb == SQL_MY_V_EXECUTE;
	r->lies = r->lies || st->verb == SQL_MY_V_SET_STATEMENT;
	r->gives_id = r->gives_id || ((f & SQL_MY_WRITE) && st->verb != SQL_MY_V_UPDATE &&
					     st->verb != SQL_MY_V_DELETE);
	if (f & SQL_MY_SET_TRACKER)
		r->wish |= wishes_of(c, o, text, st);
	if (f & SQL_MY_PREPARE) {
		struct my_req inner = inner_of(c, o, text, st);
		note_prepare(c, &inner);
	}
}

static bool gives_found(const struct sql_my_stmt *st)
{
	return st->verb == SQL_MY_V_SELECT || st->verb == SQL_MY_V_VALUES ||
	       st->verb == SQL_MY_V_TABLE;
}

static bool keeps_found(const struct sql_my_stmt *st)
{
	return st->verb == SQL_MY_V_SET || st->verb == SQL_MY_V_BEGIN ||
	       st->verb == SQL_MY_V_COMMIT || st->verb == SQL_MY_V_ROLLBACK ||
	       st->verb == SQL_MY_V_USE;
}

/* What statements behind this one in the text find of it, whoever had the link before. (MariaDB
 * keeps warnings over what uses no table.) */
static uint64_t leaves_of(const struct sql_my_opts *o, const struct sql_my_stmt *st)
{
	uint64_t leaves = SQL_MY_ROW_COUNT;
	if (gives_found(st))
		leaves |= SQL_MY_FOUND_ROWS;
	if (!o->mariadb && st->verb != SQL_MY_V_OTHER && !(st->flags & SQL_MY_KEEPS_DIAG))
		leaves |= SQL_MY_DIAG;
	return leaves;
}

static void classify(struct my_client *c, const struct sql_my_opts *o, const char *text, size_t n,
	bool run, struct my_req *r)
{
	struct sql_my_iter it;
	struct sql_my_stmt st;
	uint64_t left = 0;
	*r = (struct my_req){ 0 };
	sql_my_start(&it, o, text, n);
	while (sql_my_next(&it, &st)) {
		uint64_t flags = r->flags;
		r->flags = 0;
		note_one(c, o, text, &st, run, r);
		r->looks |= r->flags & MY_LOOKS_BACK & ~left;
		r->flags |= flags;
		left |= leaves_of(o, &st);
		if (r->n_statements < UINT8_MAX)
			r->n_statements++;
		r->selects = r->n_statements == 1 && gives_found(&st);
		r->keeps_found = r->n_statements == 1 && keeps_found(&st);
		r->no_verb = r->n_statements == 1 && st.verb == SQL_MY_V_OTHER;
		if (r->n_statements == 1 && st.id_known &&
			(st.kill == SQL_MY_KILL_CONNECTION || st.kill == SQL_MY_KILL_QUERY)) {
			r->kill = st.id > UINT32_MAX ? UINT32_MAX : (uint32_t)st.id;
			r->kill_whole = st.kill == SQL_MY_KILL_CONNECTION;
		}
	}
	if (r->n_statements > 1) {
		r->flags |= SQL_MY_MULTI;
		r->kill = 0;
	}
}

/* ---- texts that were seen before ---- */

/* Statements of these flags alone mean the same for every session that reads them in the same way,
 * and note_one() leaves nothing of them in it. */
#define OF_THE_TEXT \
	(SQL_MY_MULTI | SQL_MY_WRITE | SQL_MY_ROW_LOCK | SQL_MY_TX_BEGIN | SQL_MY_TX_SNAPSHOT | \
		SQL_MY_TX_END | SQL_MY_TX_CHAIN | SQL_MY_TX_SUB | SQL_MY_TABLE_UNLOCK | \
		SQL_MY_GLOBAL_UNLOCK | SQL_MY_VAR_READ | SQL_MY_LAST_ID | SQL_MY_KEEPS_DIAG)

struct texts_ref my_text_ref(const struct sql_my_opts *o, const char *text, size_t n)
{
	uint64_t how = (uint64_t)o->version << 32 | (uint64_t)o->mode << 16 |
		       (uint64_t)o->charset << 8 | (uint64_t)o->code << 4 |
		       (uint64_t)o->multi_statements << 1 | (uint64_t)o->mariadb;
	return texts_ref_of(text, n, how);
}

struct my_known *my_text_put(
	const struct my_client *c, const struct sql_my_opts *o, const struct texts_ref *r)
{
	struct sql_lang lang = { .my = o };
	bool sure = o->charset == SQL_MY_CS_SAFE || o->charset == SQL_MY_CS_BYTES;
	return texts_put(&c->env->texts, r, sure ? &lang : NULL);
}

void my_class(struct my_client *c, const struct sql_my_opts *o, const char *text, size_t n,
	bool run, struct my_req *r)
{
	struct texts_ref ref = my_text_ref(o, text, n);
	struct my_known *k = texts_find(&c->env->texts, &ref);
	varset_assign(&c->env->vars, &c->wished, c->tracking);
	if (k && k->has_req) {
		*r = k->req;
		return;
	}
	classify(c, o, text, n, run, r);
	if ((r->flags & ~OF_THE_TEXT) || r->kill)
		return;
	if (k == NULL)
		k = my_text_put(c, o, &ref);
	if (k) {
		k->has_req = true;
		k->req = *r;
	}
}

void my_class_big(struct my_req *r)
{
	*r = (struct my_req){ .n_statements = 2 };
	add(r, SQL_MY_UNSURE | SQL_MY_MULTI, PIN(UNKNOWN), 0);
}

/* ---- what looks back ---- */

/* What a BEGIN leaves as it was. */
#define OF_OTHERS \
	(SQL_MY_FOUND_ROWS | SQL_MY_PROFILE | SQL_MY_SEQ_READ | SQL_MY_LAST_GTID | SQL_MY_DIAG)

/* Things of the statement before the text, which ran on another link, or ours came in between. */
static bool looks_lost(const struct my_link *l, const struct my_req *r)
{
	uint64_t f = r->looks;
	if ((f & SQL_MY_LAST_GTID) && !l->own_gtid)
		return true;
	return (f & MY_LOOKS_BACK & ~SQL_MY_LAST_GTID) &&
	       (!l->own_last || ((f & SQL_MY_ROW_COUNT) && !l->own_count) ||
		       ((f & SQL_MY_SEQ_READ) && !(r->flags & SQL_MY_SEQ_USE) && !l->own_seq) ||
		       ((f & SQL_MY_FOUND_ROWS) && !l->own_found));
}

bool my_class_check(
	struct myup *u, const struct mypacket_head *h, const struct my_req *r, enum my_next *next_r)
{
	struct my_client *c = u->c;
	struct my_link *l = u->l;
	uint64_t f = r->flags;
	if (c->mode == PROTO_SESSION)
		return true;
	bool lost = looks_lost(l, r);
	if (lost && c->begun && !(r->looks & OF_OTHERS)) {
		flow_cut(&u->f); /* the statement before it is the BEGIN */
		(void)my_sync_put(c, l, u->up);
		*next_r = MY_STOP;
		return false;
	}
	if (lost && (f & SQL_MY_LAST_ID) && (c->needs & MY_NEED_LAST_ID)) {
		flow_cut(&u->f); /* all the rest may be known here */
		my_ask_put(c, l, true, u->up);
		*next_r = MY_STOP;
		return false;
	}
	if (lost) {
		*next_r = my_local_err(u, h, 1235, "42000",
			"What this asks for was left on another server connection: do both in one "
			"transaction, or use session pooling");
		return false;
	}
	l->own_seq = l->own_seq || (f & SQL_MY_SEQ_USE);
	/* (What may set it may also leave it as it is.) */
	bool reads_id = f & (SQL_MY_LAST_ID | SQL_MY_SET_LAST_ID | SQL_MY_STORED | SQL_MY_EXECUTE |
				    SQL_MY_UNSURE);
	/* The key of one OK is compared with what the server says; that of an earlier one must have
	 * been by then. */
	bool writes = r->gives_id && (r->n_statements > 1 || c->insert_id || l->id_other);
	if (l->own_id || !(reads_id || writes))
		return true;
	flow_cut(&u->f);
	if (c->needs & MY_NEED_LAST_ID) /* its own statement may have made it right */
		my_ask_put(c, l, true, u->up);
	else
		my_sync_last_id(c, l, u->up);
	*next_r = MY_STOP;
	return false;
}
