/* mysql_learn - what the OKs of a server say about its session: transaction, schema, variables.
 * Ignorant of texts. Thread: that of the env. Source: MySQL
 * docs, OK_Packet: Session State Information; what the trackers of live servers say and keep silent
 * about. */
#include "mysql_run_int.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "sql/classify_my.h"
#include "wire/mysql/track.h"

#define NAME_MAX_BYTES 64U
#define HEARTBEAT "statement_id" /* MySQL adds it to each statement */

static bool is(struct mystr s, const char *name)
{
	return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

/* Variables that are no settings: they tell of one statement or of the connection. */
static bool is_volatile(struct mystr name)
{
	static const char *const all[] = { HEARTBEAT, "last_gtid", "redirect_url", "connection_id",
		"warning_count", "error_count", "threads_connected" };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (is(name, all[i]))
			return true;
	switch (sql_my_sysvar(name.p, name.n)) {
	case SQL_MY_SYS_TRACKER:
	case SQL_MY_SYS_ONE_USE:
	case SQL_MY_SYS_LAST_ID:
	case SQL_MY_SYS_LAST_GTID:
	case SQL_MY_SYS_DIAG:
	case SQL_MY_SYS_IDENTITY: return true;
	case SQL_MY_SYS_PLAIN:
	case SQL_MY_SYS_MODE:
	case SQL_MY_SYS_CHARSET:
	case SQL_MY_SYS_TX: break;
	}
	return false;
}

/* collation_connection says it, and more. */
static bool is_derived(struct mystr name)
{
	return is(name, "character_set_connection") || is(name, "character_set_database") ||
	       is(name, "collation_database");
}

/* ---- variables with several names, of which trackers tell the one that was used first on that
 * connection ---- */

bool my_learn_same(const char *a, const char *b)
{
	const char *ka = sql_my_sysvar_key(a, strlen(a)), *kb = sql_my_sysvar_key(b, strlen(b));
	return strcasecmp(ka ? ka : a, kb ? kb : b) == 0;
}

const char *my_learn_get(const struct varset *s, const char *name)
{
	for (uint32_t i = 0; s && i < s->n; i++)
		if (my_learn_same(s->v[i].name, name))
			return s->v[i].value;
	return NULL;
}

/* Under this name alone. */
static bool put(struct vartab *t, struct varset **s, const char *name, const char *value)
{
	for (uint32_t i = 0; *s && i < (*s)->n; i++) {
		const char *other = (*s)->v[i].name;
		if (strcasecmp(other, name) == 0 || !my_learn_same(other, name))
			continue;
		if (!varset_put(t, s, other, NULL))
			return false;
		i = UINT32_MAX; /* another set: once more */
	}
	return varset_put(t, s, name, value);
}

bool my_learn_set(struct my_client *c, struct my_link *l, const char *name, const char *value)
{
	struct vartab *t = &l->env->vars;
	const char *fresh = my_learn_get(l->fresh, name);
	if (fresh && value && strcmp(fresh, value) == 0)
		value = NULL;
	return put(t, &l->have, name, value) && (c == NULL || put(t, &c->want, name, value));
}

const char *my_learn_whole(bool mariadb, const char *name)
{
	static const char *const all[][2] = { { "log_queries_not_using_indexes",
						      "log_slow_filter" },
		{ "log_slow_admin_statements", "log_slow_disabled_statements" },
		{ "log_slow_slave_statements", "log_slow_disabled_statements" } };
	for (size_t i = 0; mariadb && i < sizeof(all) / sizeof(*all); i++)
		if (strcasecmp(name, all[i][0]) == 0)
			return all[i][1];
	return NULL;
}

static bool learn_var(struct my_client *c, struct my_link *l, struct mystr name, struct mystr value)
{
	if (c && is(name, "last_gtid"))
		l->own_gtid = true;
	if (is_volatile(name) || is_derived(name) || (c && c->req.lies))
		return true;
	if (c && is(name, "sql_mode"))
		c->req.mode_told = true;
	char key[NAME_MAX_BYTES + 1];
	if (name.n > NAME_MAX_BYTES || memchr(name.p, 0, name.n) || memchr(value.p, 0, value.n))
		return false;
	memcpy(key, name.p, name.n);
	key[name.n] = 0;
	if (c)
		my_state_told(c, key);
	const char *whole = my_learn_whole(l->mariadb, key);
	if (c && whole) {
		if (!my_learn_sys(c, whole, strlen(whole)))
			l->failed = true;
		return true;
	}
	char *v = mem_strndup(MEM_PROTO, value.p, value.n);
	if (v == NULL || !my_learn_set(c, l, key, v))
		l->failed = true;
	mem_free(MEM_PROTO, v);
	return true;
}

static bool learn_schema(struct my_client *c, struct my_link *l, struct mystr name)
{
	if (memchr(name.p, 0, name.n))
		return false;
	char *v = name.n ? mem_strndup(MEM_PROTO, name.p, name.n) : NULL;
	if ((name.n && v == NULL) || !my_learn_set(c, l, MY_VAR_SCHEMA, v))
		l->failed = true;
	mem_free(MEM_PROTO, v);
	return true;
}

static bool learn_entry(struct my_client *c, struct my_link *l, const struct mytrack *t)
{
	struct rd r = rd_of(t->data.p, t->data.n);
	struct mystr name, value;
	switch (t->type) {
	case MYTRACK_VAR:
		while (mytrack_next_var(&r, &name, &value))
			if (!learn_var(c, l, name, value))
				return false;
		return rd_ok(&r);
	case MYTRACK_TX_TEXT:
		if (mytrack_read_text(t->data, &value))
			return false;
		l->tx_text = value.n > 0 && !(l->status & MYSTATUS_IN_TRANS);
		return true;
	case MYTRACK_SCHEMA:
		return mytrack_read_text(t->data, &value) == NULL && learn_schema(c, l, value);
	default: return true;
	}
}

/* MariaDB 11 tells of autocommit under the name of another variable that shares its memory, if that
 * was set first on the connection; the status never lies. */
static void learn_autocommit(struct my_client *c, struct my_link *l)
{
	const char *is = l->status & MYSTATUS_AUTOCOMMIT ? "ON" : "OFF";
	if (!l->mariadb || l->sync_due || c->req.lies)
		return;
	const char *was = varset_get(l->have, "autocommit");
	if (was == NULL)
		was = varset_get(l->fresh, "autocommit");
	if (was == NULL || strcmp(was, is) == 0)
		return;
	if (!my_learn_set(c, l, "autocommit", is))
		l->failed = true;
}

/* One transaction, as most do: a longer text is of something else. */
static void note_acked(struct my_link *l, struct mystr data)
{
	struct mystr text;
	uint8_t encoding;
	if (mytrack_read_gtids(data, &encoding, &text) || text.n > sizeof(l->acked))
		return;
	memcpy(l->acked, text.p, text.n);
	l->acked_n = (uint8_t)text.n;
}

size_t my_link_acked(void *lst, const char **gtids_r)
{
	struct my_link *l = lst;
	size_t n = l->acked_n;
	*gtids_r = l->acked;
	l->acked_n = 0;
	return n;
}

/* In the middle of a CALL MariaDB tells of the schema that the procedure is in, and behind an error
 * no more that it was left: no rows change the session's. */
static bool is_passing(const struct mytrack *t, bool rows)
{
	return rows && t->type == MYTRACK_SCHEMA;
}

bool my_learn_ok(struct my_client *c, struct my_link *l, const struct myok *ok, bool rows)
{
	l->status = ok->status;
	l->tx = ok->status & MYSTATUS_IN_TRANS ? TX_OPEN : TX_IDLE;
	if (c) {
		if (!l->sync_due) /* else it is that of somebody before */
			c->status = ok->status;
		c->req.warnings = c->req.warnings || ok->warnings;
		if (ok->insert_id)
			c->req.insert_id = ok->insert_id;
	}
	if (ok->track.p == NULL) {
		if (c)
			learn_autocommit(c, l);
		return true;
	}
	struct rd r = rd_of(ok->track.p, ok->track.n);
	struct mytrack t;
	/* (A variable explains nothing: a trigger may have set others beside it, and MariaDB tells
	 * of @@last_gtid with each write.) */
	bool changed = false, told = false;
	while (mytrack_next(&r, &t)) {
		changed = changed || t.type == MYTRACK_STATE;
		told = told || t.type == MYTRACK_SCHEMA;
		if (t.type == MYTRACK_GTIDS)
			note_acked(l, t.data);
		if (c && !is_passing(&t, rows) && !learn_entry(c, l, &t))
			return false;
	}
	if (c && changed && !told)
		my_state_changed(c);
	if (c)
		learn_autocommit(c, l);
	return rd_ok(&r);
}
