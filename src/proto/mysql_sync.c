/* mysql_sync - makes the state of a link that of the session that gets it: one write in front of
 * the session's request, which waits for its answers. A server runs what follows a failed
 * command, so nothing of the session is sent before it is known that the state is right. Thread:
 * that of the env. */
#include "mysql_run_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "wire/mysql/command.h"
#include "wire/mysql/query.h"

#define TRIES_MAX_N 3U

static bool differs(const char *a, const char *b)
{
	return a != b && (a == NULL || b == NULL || strcmp(a, b) != 0);
}

/* Servers refuse quoted numbers for numeric variables. */
static bool is_number(const char *s)
{
	size_t i = *s == '-', digits = 0, dots = 0;
	for (; s[i]; i++) {
		if (s[i] == '.' && dots++ == 0)
			continue;
		if (s[i] < '0' || s[i] > '9')
			return false;
		digits++;
	}
	return digits > 0;
}

/* A literal that means s whatever sql_mode and character_set_client are. */
static void put_literal(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	bool plain = true;
	for (const char *p = s; *p; p++)
		plain = plain && *p >= 0x20 && *p < 0x7f && *p != '\\' && *p != '\'';
	if (plain) {
		buf_put_u8(b, '\'');
		buf_puts(b, s);
		buf_put_u8(b, '\'');
		return;
	}
	buf_puts(b, "_utf8mb4 X'");
	for (const char *p = s; *p; p++) {
		buf_put_u8(b, (uint8_t)hex[(unsigned char)*p >> 4]);
		buf_put_u8(b, (uint8_t)hex[(unsigned char)*p & 15]);
	}
	buf_put_u8(b, '\'');
}

static const char *const leaders[][2] = { { "max_join_size", "sql_big_selects" },
	{ "character_set_server", "collation_server" }, { "old", "old_mode" } };

const char *my_sync_follower(const char *name)
{
	for (size_t i = 0; i < sizeof(leaders) / sizeof(*leaders); i++)
		if (strcasecmp(name, leaders[i][0]) == 0)
			return leaders[i][1];
	return NULL;
}

bool my_sync_empty_is_null(const char *name)
{
	static const char *const all[] = { "character_set_results", "default_tmp_storage_engine",
		"enforce_storage_engine", "external_table_storage_engine",
		"innodb_ft_user_stopword_table", "innodb_tmpdir" };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcasecmp(name, all[i]) == 0)
			return true;
	return false;
}

/* What a tracker says is no value, but means DEFAULT. */
static bool is_default(const char *name, const char *value)
{
	return strcasecmp(name, "system_versioning_asof") == 0 && strcmp(value, "DEFAULT") == 0;
}

/* MySQL takes DEFAULT of these for the opposite of the global value. */
static bool is_inverted(const char *name)
{
	return strcmp(name, "foreign_key_checks") == 0 || strcmp(name, "unique_checks") == 0;
}

/* What the login has added to the default. */
static const char *of_login(const struct my_link *l, const char *name)
{
	bool adds = (l->caps & MYCAP(IGNORE_SPACE)) && strcmp(name, "sql_mode") == 0;
	return adds ? varset_get(l->fresh, name) : NULL;
}

static void put_set(
	struct buf *b, unsigned n, const struct my_link *l, const char *name, const char *value)
{
	if (value == NULL)
		value = of_login(l, name);
	buf_puts(b, n ? "," : "SET ");
	if (*name != '@')
		buf_puts(b, "@@SESSION.");
	buf_puts(b, my_name_on(l, name));
	buf_put_u8(b, '=');
	if (*name == '@')
		buf_puts(b, value ? value : "NULL");
	else if (value == NULL && is_inverted(name))
		buf_printf(b, "@@GLOBAL.%s", name);
	else if (value == NULL || is_default(name, value))
		buf_puts(b, "DEFAULT");
	else if (*value == 0 && my_sync_empty_is_null(name))
		buf_puts(b, "NULL");
	else if (is_number(value))
		buf_puts(b, value);
	else
		put_literal(b, value);
}

/* Is it to be set, because it differs or because the one that it follows does? (That one has been
 * set by then: it comes before in the alphabet.) */
static bool is_due(const struct varset *have, const struct varset *want, const struct var *v)
{
	if (differs(varset_get(have, v->name), v->value))
		return true;
	for (size_t i = 0; i < sizeof(leaders) / sizeof(*leaders); i++)
		if (strcasecmp(v->name, leaders[i][1]) == 0)
			return differs(
				varset_get(have, leaders[i][0]), varset_get(want, leaders[i][0]));
	return false;
}

static bool is_variable(const char *name)
{
	return *name != '#' && !my_charset_is(name);
}

/* The assignments; how many. */
static unsigned put_vars(struct buf *b, const struct my_link *l, const struct varset *have,
	const struct varset *want)
{
	unsigned n = 0;
	my_charset_put(b, &n, l, have, want);
	for (uint32_t i = 0; have && i < have->n; i++)
		if (is_variable(have->v[i].name) && varset_get(want, have->v[i].name) == NULL)
			put_set(b, n++, l, have->v[i].name, NULL);
	for (uint32_t i = 0; want && i < want->n; i++)
		if (is_variable(want->v[i].name) && is_due(have, want, &want->v[i]))
			put_set(b, n++, l, want->v[i].name, want->v[i].value);
	return n;
}

struct plan {
	struct my_link *l;
	const struct varset *have, *want;
	struct buf *up;
	enum my_capture what;
	unsigned n; /* commands so far */
};

static void note(struct plan *p, uint8_t cmd)
{
	my_owed_capture(p->l, cmd, p->what, false);
	p->n++;
}

static void put_text(struct plan *p, const char *text, size_t n)
{
	uint8_t seq = 0;
	note(p, MYCOM_QUERY);
	myquery_put(p->up, &seq, p->l->caps, NULL, text, n);
}

static void put_role(struct plan *p)
{
	struct buf b;
	if (!my_role_differs(p->l, p->have, p->want))
		return;
	buf_init(&b, 0);
	buf_printf(&b, "SET ROLE %s", my_role_of(p->l, p->want));
	put_text(p, (const char *)buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

static void put_schema(struct plan *p)
{
	const char *schema = varset_get(p->want, MY_VAR_SCHEMA);
	uint8_t seq = 0;
	if (schema == NULL || !differs(varset_get(p->have, MY_VAR_SCHEMA), schema))
		return;
	note(p, MYCOM_INIT_DB);
	mycommand_put_init_db(p->up, &seq, (struct mystr){ schema, strlen(schema) });
}

bool my_sync_switch(struct my_link *l, const struct varset *from, const struct varset *to,
	enum my_capture what, struct buf *up)
{
	struct plan p = { .l = l, .have = from, .want = to, .up = up, .what = what };
	struct buf set;
	if (from == to)
		return false;
	put_role(&p);
	put_schema(&p);
	buf_init(&set, 0);
	if (put_vars(&set, l, from, to))
		put_text(&p, (const char *)buf_data(&set), buf_len(&set));
	l->failed = l->failed || set.failed;
	buf_fini(&set);
	return p.n > 0;
}

/* What the session asked for before a server's defaults were known may be those. */
static void drop_defaults(struct my_client *c, const struct my_link *l)
{
	for (uint32_t i = 0; c->want && i < c->want->n; i++) {
		const char *name = c->want->v[i].name, *fresh = my_learn_get(l->fresh, name);
		if (fresh && strcmp(fresh, c->want->v[i].value) == 0 &&
			varset_put(&c->env->vars, &c->want, name, NULL))
			i = UINT32_MAX; /* another set: once more */
	}
}

/* Links that were made before and after somebody set a global variable differ: the session stays as
 * it began. */
static void keep_base(struct my_client *c, const struct my_link *l)
{
	for (uint32_t i = 0; c->base && i < c->base->n && c->base != l->fresh; i++) {
		const struct var *v = &c->base->v[i];
		const char *fresh = my_learn_get(l->fresh, v->name);
		if (my_is_fact(v->name) && fresh && strcmp(fresh, v->value) != 0 &&
			my_learn_get(c->want, v->name) == NULL)
			(void)varset_put(&c->env->vars, &c->want, v->name, v->value);
	}
}

static void put_one(struct my_link *l, const char *text, struct buf *up)
{
	struct plan p = { .l = l, .up = up, .what = MY_CAP_SYNC };
	put_text(&p, text, strlen(text));
}

static void put_begin(struct my_client *c, struct my_link *l, struct buf *up)
{
	put_one(l, my_begin_text(c), up);
	l->begins = true;
}

/* MariaDB: what another session has left to SHOW WARNINGS goes; the text has a table. */
static const char forget_diag[] = "DO (SELECT 1 FROM (SELECT 1) x)";

static void forgotten(struct my_link *l)
{
	l->left_diag = l->diag_due = false;
}

bool my_sync_put(struct my_client *c, struct my_link *l, struct buf *up)
{
	l->sync_due = false;
	if (l->sync_wait)
		return false;
	keep_base(c, l);
	drop_defaults(c, l);
	bool put = l->diag_due;
	if (l->diag_due) {
		put_one(l, forget_diag, up);
		forgotten(l);
	}
	put = my_sync_switch(l, l->have, c->want, MY_CAP_SYNC, up) || put;
	if (c->begun) {
		put_begin(c, l, up);
	} else if (!put) {
		varset_assign(&l->env->vars, &l->have, c->want);
		return false;
	}
	if (my_owed_tail(l))
		my_owed_tail(l)->flags |= MY_OWED_F_LAST;
	varset_assign(&l->env->vars, &l->sync_to, c->want);
	l->sync_wait = true;
	c->counters->syncs_sent++;
	return true;
}

void my_sync_last_id(struct my_client *c, struct my_link *l, struct buf *up)
{
	char text[64];
	uint8_t seq = 0;
	int n = snprintf(text, sizeof(text), "SET @@SESSION.last_insert_id=%llu",
		(unsigned long long)c->last_insert_id);
	my_owed_capture(l, MYCOM_QUERY, MY_CAP_SYNC, true);
	myquery_put(up, &seq, l->caps, NULL, text, (size_t)n);
	varset_assign(&l->env->vars, &l->sync_to, l->have);
	l->sync_wait = true;
	l->own_id = true;
	l->id_left = c->last_insert_id != 0;
}

/* (A fresh link has only what every session of the pool begins with.) */
bool my_sync_may_retry(const struct my_client *c, const struct my_link *l)
{
	return c->mode != PROTO_SESSION && c->sync_tries < TRIES_MAX_N && l->have &&
	       (l->tx == TX_IDLE || l->begins) && my_client_pins(c) == 0;
}

/* Without memory there is no second try. */
void my_sync_keep(const struct my_client *c, struct my_link *l, const uint8_t *p, size_t n)
{
	buf_fini(&l->kept);
	if (my_sync_may_retry(c, l) && !buf_append(&l->kept, p, n))
		buf_fini(&l->kept);
}

void my_sync_lost(struct my_client *c, const struct err *e)
{
	c->sync_tries = 0;
	/* The database is gone, or closed to this user: it has none from here on. */
	if (e->mysql_errno == 1049 || e->mysql_errno == 1044)
		(void)varset_put(&c->env->vars, &c->want, MY_VAR_SCHEMA, NULL);
}

/* ---- in one command with the session's own ---- */

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s >= 0x7f || *s == '`')
			return false;
	return true;
}

unsigned my_sync_prefix(struct my_client *c, struct my_link *l, struct buf *b)
{
	const char *schema = varset_get(c->want, MY_VAR_SCHEMA);
	unsigned n = 0;
	struct buf set;
	if (schema && !is_plain(schema))
		return 0;
	if (l->diag_due) {
		buf_printf(b, "%s;", forget_diag);
		forgotten(l);
		n++;
	}
	if (my_role_differs(l, l->have, c->want)) {
		buf_printf(b, "SET ROLE %s;", my_role_of(l, c->want));
		n++;
	}
	if (schema && differs(varset_get(l->have, MY_VAR_SCHEMA), schema)) {
		buf_printf(b, "USE `%s`;", schema);
		n++;
	}
	buf_init(&set, 0);
	if (put_vars(&set, l, l->have, c->want)) {
		buf_append(b, buf_data(&set), buf_len(&set));
		buf_put_u8(b, ';');
		n++;
	}
	if (c->begun) {
		buf_printf(b, "%s;", my_begin_text(c));
		l->begins = true;
		n++;
	}
	l->failed = l->failed || set.failed || b->failed;
	buf_fini(&set);
	if (n > 0) {
		varset_assign(&l->env->vars, &l->sync_to, c->want);
		c->counters->syncs_sent++;
	}
	l->sync_due = false;
	return n;
}

void my_sync_multi(struct my_link *l, bool on, struct buf *up)
{
	uint8_t seq = 0;
	if (l->multi == on)
		return;
	my_owed_capture(l, MYCOM_SET_OPTION, MY_CAP_OPTION, true);
	mycommand_put_set_option(up, &seq, on ? 0 : 1);
	l->multi = on;
}

bool my_attach(void *cst, void *lst, struct buf *up)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	assert(l->owed.n == 0 && l->tx == TX_IDLE && l->down_left == 0 && !l->down_more);
	assert(c->env == l->env);
	l->raw = c->mode == PROTO_RAW;
	l->mid_up = false;
	l->answer = (struct proto_answer){ 0 };
	/* What its last statement left is here only if it was on no other link since. */
	if (l->last_client_id != c->id || l->last_attached != c->n_attached) {
		l->own_last = l->own_count = l->own_id = l->own_found = false;
		l->id_other = false;
		l->own_seq = l->own_gtid = false;
		l->diag_due = l->left_diag;
	}
	if (c->ready) { /* before, it does nothing that anybody could look back at */
		l->last_client_id = c->id;
		l->last_attached = ++c->n_attached;
	}
	if (c->mode == PROTO_SESSION)
		l->dirty = MY_DIRTY;
	l->sync_due = c->begun || l->diag_due; /* the BEGIN is state that it lacks */
	l->begins = false;
	if (c->login && !my_charset_settle(c, l->fresh))
		l->failed = true;
	if (l->raw || (c->want == l->have && (c->base == l->fresh || c->base == NULL)))
		return false;
	if (!c->ready)
		return my_sync_put(c, l, up);
	keep_base(c, l);
	drop_defaults(c, l);
	l->sync_due = l->sync_due ||
		      c->want != l->have; /* in front of its next command, or in one with it */
	return false;
}
