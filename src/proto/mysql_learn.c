/* mysql_learn - what the OKs of a server say about its session: transaction, schema, variables; and
 * which of that a client is to hear. Ignorant of texts. Thread: that of the env. Source: MySQL
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

static bool is_same(const char *a, const char *b)
{
	const char *ka = sql_my_sysvar_key(a, strlen(a)), *kb = sql_my_sysvar_key(b, strlen(b));
	return strcasecmp(ka ? ka : a, kb ? kb : b) == 0;
}

const char *my_learn_get(const struct varset *s, const char *name)
{
	for (uint32_t i = 0; s && i < s->n; i++)
		if (is_same(s->v[i].name, name))
			return s->v[i].value;
	return NULL;
}

/* Under this name alone. */
static bool put(struct vartab *t, struct varset **s, const char *name, const char *value)
{
	for (uint32_t i = 0; *s && i < (*s)->n; i++) {
		const char *other = (*s)->v[i].name;
		if (strcasecmp(other, name) == 0 || !is_same(other, name))
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

static bool learn_var(struct my_client *c, struct my_link *l, struct mystr name, struct mystr value)
{
	if (is_volatile(name) || is_derived(name) || (c && c->req.lies))
		return true;
	if (c && is(name, "sql_mode"))
		c->req.mode_told = true;
	char key[NAME_MAX_BYTES + 1];
	if (name.n > NAME_MAX_BYTES || memchr(name.p, 0, name.n) || memchr(value.p, 0, value.n))
		return false;
	memcpy(key, name.p, name.n);
	key[name.n] = 0;
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

static bool is_heartbeat(const struct mytrack *t)
{
	struct rd r = rd_of(t->data.p, t->data.n);
	struct mystr name, value;
	return mytrack_next_var(&r, &name, &value) && is(name, HEARTBEAT);
}

bool my_learn_ok(struct my_client *c, struct my_link *l, const struct myok *ok)
{
	l->status = ok->status;
	l->tx = ok->status & MYSTATUS_IN_TRANS ? TX_OPEN : TX_IDLE;
	if (c) {
		c->status = ok->status;
		c->req.warnings = c->req.warnings || ok->warnings;
		if (ok->insert_id)
			c->req.insert_id = ok->insert_id;
	}
	if (ok->track.p == NULL)
		return true;
	struct rd r = rd_of(ok->track.p, ok->track.n);
	struct mytrack t;
	bool changed = false, told = false;
	while (mytrack_next(&r, &t)) {
		changed = changed || t.type == MYTRACK_STATE;
		told = told || t.type == MYTRACK_SCHEMA ||
		       (t.type == MYTRACK_VAR && !is_heartbeat(&t));
		if (c && !learn_entry(c, l, &t))
			return false;
	}
	if (c && changed && !told)
		my_state_changed(c);
	return rd_ok(&r);
}

/* ---- what the client hears ---- */

static const char *wish(const struct my_client *c, const struct my_link *l, const char *name)
{
	const char *v = varset_get(c->tracking, name);
	if (v == NULL)
		v = varset_get(l->fresh, name);
	return v ? v : "";
}

static bool is_on(const char *v)
{
	return strcmp(v, "1") == 0 || strcasecmp(v, "ON") == 0;
}

/* Is name in a list as session_track_system_variables has it? */
static bool lists(const char *list, struct mystr name)
{
	while (*list) {
		size_t n = strcspn(list, ","), skip = strspn(list, " \t");
		const char *at = list + (skip < n ? skip : n);
		size_t k = n - (size_t)(at - list);
		while (k > 0 && (at[k - 1] == ' ' || at[k - 1] == '\t'))
			k--;
		if ((k == 1 && *at == '*') ||
			(k == name.n && k > 0 && strncasecmp(at, name.p, k) == 0))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static const struct my_told_cache *hears(const struct my_client *c, const struct my_link *l)
{
	struct my_told_cache *x = &c->env->told;
	if (x->valid && x->tracking == c->tracking && x->fresh == l->fresh)
		return x;
	varset_assign(&c->env->vars, &x->tracking, c->tracking);
	varset_assign(&c->env->vars, &x->fresh, l->fresh);
	const char *info = wish(c, l, "session_track_transaction_info");
	const char *gtids = wish(c, l, "session_track_gtids");
	x->vars = wish(c, l, "session_track_system_variables");
	x->heartbeat = lists(x->vars, (struct mystr){ HEARTBEAT, sizeof(HEARTBEAT) - 1 });
	x->schema = is_on(wish(c, l, "session_track_schema"));
	x->state = is_on(wish(c, l, "session_track_state_change"));
	x->gtids = strcasecmp(gtids, "OWN_GTID") == 0 || strcasecmp(gtids, "ALL_GTIDS") == 0;
	x->tx_text = strcasecmp(info, "CHARACTERISTICS") == 0;
	x->tx_state = x->tx_text || strcasecmp(info, "STATE") == 0;
	x->valid = true;
	return x;
}

static void put_vars(const struct my_told_cache *w, const struct mytrack *t, struct buf *block)
{
	struct rd r = rd_of(t->data.p, t->data.n);
	struct mystr name, value;
	while (mytrack_next_var(&r, &name, &value))
		if (is(name, HEARTBEAT) ? w->heartbeat : lists(w->vars, name))
			mytrack_put_var(block, name, value);
}

/* What a client hears of its transaction that has not asked. MySQL tells of its begin and its end
 * all the same. */
static bool keeps_tx(const struct my_link *l, const struct mytrack *t)
{
	struct mystr state;
	return !l->mariadb && mytrack_read_text(t->data, &state) == NULL &&
	       state.n == MYTRACK_TX_STATE_BYTES &&
	       (memcmp(state.p, "T_______", state.n) == 0 ||
		       memcmp(state.p, "________", state.n) == 0);
}

void my_learn_translate(
	const struct my_client *c, const struct my_link *l, struct myok *ok, struct buf *block)
{
	if (ok->track.p == NULL || !(c->caps & MYCAP(SESSION_TRACK))) {
		ok->track = (struct mystr){ NULL, 0 };
		return;
	}
	const struct my_told_cache *w = hears(c, l);
	struct rd r = rd_of(ok->track.p, ok->track.n);
	struct mytrack t;
	while (mytrack_next(&r, &t)) {
		bool keep = false;
		switch (t.type) {
		case MYTRACK_VAR: put_vars(w, &t, block); break;
		case MYTRACK_SCHEMA: keep = w->schema; break;
		case MYTRACK_STATE: keep = w->state; break;
		case MYTRACK_GTIDS: keep = w->gtids; break;
		case MYTRACK_TX_STATE: keep = w->tx_state || keeps_tx(l, &t); break;
		case MYTRACK_TX_TEXT: keep = w->tx_text; break;
		default: break;
		}
		if (keep)
			mytrack_put(block, &t);
	}
	ok->track = (struct mystr){ (const char *)buf_data(block), buf_len(block) };
	if (ok->track.n == 0)
		ok->track.p = NULL;
}
