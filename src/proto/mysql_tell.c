/* mysql_tell - which of the session state in a server's OK its client is to hear: the link's
 * trackers are ours, the client's wishes its own. Ignorant of what the state is good for. Thread:
 * that of the env. Source: MySQL manual, Server Tracking of Client Session State; what live servers
 * say. */
#include "mysql_run_int.h"

#include <string.h>
#include <strings.h>

#include "sql/classify_my.h"
#include "wire/mysql/track.h"

#define HEARTBEAT "statement_id" /* MySQL adds it to each statement */

static const char *wish(const struct my_client *c, const struct varset *fresh, const char *name)
{
	const char *v = varset_get(c->tracking, name);
	if (v == NULL)
		v = varset_get(fresh, name);
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

static bool is_one_of(const char *v, const char *a, const char *b)
{
	return strcasecmp(v, a) == 0 || strcasecmp(v, b) == 0;
}

static const struct my_told_cache *hears_of(const struct my_client *c, struct varset *fresh)
{
	struct my_told_cache *x = &c->env->told;
	if (x->valid && x->tracking == c->tracking && x->fresh == fresh)
		return x;
	varset_assign(&c->env->vars, &x->tracking, c->tracking);
	varset_assign(&c->env->vars, &x->fresh, fresh);
	const char *info = wish(c, fresh, "session_track_transaction_info");
	x->vars = wish(c, fresh, "session_track_system_variables");
	x->heartbeat = lists(x->vars, (struct mystr){ HEARTBEAT, sizeof(HEARTBEAT) - 1 });
	x->schema = is_on(wish(c, fresh, "session_track_schema"));
	x->state = is_on(wish(c, fresh, "session_track_state_change"));
	x->gtids = is_one_of(wish(c, fresh, "session_track_gtids"), "OWN_GTID", "ALL_GTIDS");
	x->tx_text = strcasecmp(info, "CHARACTERISTICS") == 0;
	x->tx_state = x->tx_text || strcasecmp(info, "STATE") == 0;
	x->valid = true;
	return x;
}

static const struct my_told_cache *hears(const struct my_client *c, const struct my_link *l)
{
	return hears_of(c, l->fresh);
}

static bool is_heartbeat(struct mystr name)
{
	return name.n == sizeof(HEARTBEAT) - 1 && memcmp(name.p, HEARTBEAT, name.n) == 0;
}

/* MariaDB 11 tells of variables that share their memory under one name, the first that was used on
 * the connection; who has asked for autocommit or character_set_connection hears of it by another
 * session's name. */
static const char *const flags[] = { "check_constraint_checks", "explicit_defaults_for_timestamp",
	"foreign_key_checks", "profiling", "skip_parallel_replication", "skip_replication",
	"sql_auto_is_null", "sql_big_selects", "sql_buffer_result", "sql_if_exists", "sql_log_off",
	"sql_notes", "sql_quote_show_create", "sql_safe_updates", "sql_warnings",
	"system_versioning_insert_history", "unique_checks" };
#define SHARED_SINCE 110000U

static bool is(struct mystr s, const char *name)
{
	return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

static void put_shared(const struct my_told_cache *w, struct mystr name, struct mystr value,
	uint16_t status, struct buf *block)
{
	static const struct mystr autocommit = { "autocommit", 10 },
				  charset = { "character_set_connection", 24 };
	bool on = status & MYSTATUS_AUTOCOMMIT;
	struct mystr now = { on ? "ON" : "OFF", on ? 2 : 3 };
	if (is(name, "collation_connection") && lists(w->vars, charset)) {
		const char *end = memchr(value.p, '_', value.n);
		value.n = end ? (size_t)(end - value.p) : value.n;
		mytrack_put_var(block, charset, value);
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (is(name, flags[i]) && lists(w->vars, autocommit))
			mytrack_put_var(block, autocommit, now);
}

static void put_vars(const struct my_link *l, const struct my_told_cache *w,
	const struct mytrack *t, struct buf *block)
{
	struct rd r = rd_of(t->data.p, t->data.n);
	struct mystr name, value;
	while (mytrack_next_var(&r, &name, &value))
		if (is_heartbeat(name) ? w->heartbeat : lists(w->vars, name))
			mytrack_put_var(block, name, value);
		else if (l->mariadb && l->version_n >= SHARED_SINCE)
			put_shared(w, name, value, l->status, block);
}

/* ---- transactions, as MySQL tells of them to who has not asked: their begin and end ---- */

static const char *const tx_told[] = {
	[MY_TOLD_NO_TX] = "________", [MY_TOLD_TX] = "T_______", [MY_TOLD_SNAPSHOT] = "T_R_____"
};

/* MY_TOLD_*: what such a client should have been told by now. anew: the statement may have begun
 * another transaction. */
static uint8_t tx_of(uint8_t told, struct mystr state, bool anew)
{
	if (*state.p != *tx_told[MY_TOLD_TX])
		return MY_TOLD_NO_TX;
	if (told != MY_TOLD_NO_TX && !anew)
		return told;
	bool snapshot = memcmp(state.p, tx_told[MY_TOLD_SNAPSHOT], state.n) == 0;
	return snapshot ? MY_TOLD_SNAPSHOT : MY_TOLD_TX;
}

/* Has it just begun? */
static bool is_new(struct mystr state)
{
	return memcmp(state.p, tx_told[MY_TOLD_TX], state.n) == 0 ||
	       memcmp(state.p, tx_told[MY_TOLD_SNAPSHOT], state.n) == 0;
}

/* True: the block is due even if it stays empty. */
static bool put_tx(struct my_client *c, const struct mytrack *t, bool wanted, struct buf *block)
{
	struct mystr state;
	if (mytrack_read_text(t->data, &state) || state.n != MYTRACK_TX_STATE_BYTES)
		return false;
	bool anew = c->req.flags & (SQL_MY_TX_BEGIN | SQL_MY_TX_END);
	uint8_t was = c->tx_told;
	c->tx_told = tx_of(was, state, anew);
	if (wanted) {
		mytrack_put(block, t);
	} else if (c->tx_told != was) {
		state.p = tx_told[c->tx_told];
		mytrack_put_text(block, MYTRACK_TX_STATE, state);
	}
	return anew && is_new(state);
}

/* One that begins behind an empty one: the letters stay the same, and only this comes again. */
static bool begins_anew(const struct my_client *c, const struct mytrack *t)
{
	struct mystr text;
	return (c->req.flags & (SQL_MY_TX_BEGIN | SQL_MY_TX_END)) &&
	       mytrack_read_text(t->data, &text) == NULL && text.n > 0;
}

/* ---- all trackers ---- */

static bool wants(const struct my_told_cache *w, uint64_t type)
{
	switch (type) {
	case MYTRACK_SCHEMA: return w->schema;
	case MYTRACK_STATE: return w->state;
	case MYTRACK_GTIDS: return w->gtids;
	case MYTRACK_TX_STATE: return w->tx_state;
	case MYTRACK_TX_TEXT: return w->tx_text;
	default: return false;
	}
}

/* What a server adds when transaction_info is set. */
static bool put_tx_wish(const struct my_told_cache *w, const struct my_link *l,
	const struct myok *ok, bool had_state, struct buf *block)
{
	if (!w->tx_state)
		return false;
	struct mystr none = { tx_told[MY_TOLD_NO_TX], MYTRACK_TX_STATE_BYTES }, empty = { "", 0 };
	if (l->mariadb && !had_state && !(ok->status & MYSTATUS_IN_TRANS))
		mytrack_put_text(block, MYTRACK_TX_STATE, none);
	if (w->tx_text)
		mytrack_put_text(block, MYTRACK_TX_TEXT, empty);
	return true;
}

/* False: not to be told. */
static bool put_entry(struct my_client *c, const struct my_link *l, const struct mytrack *t,
	bool wants_state, struct buf *block)
{
	const struct my_told_cache *w = hears(c, l);
	bool wanted = t->type == MYTRACK_STATE ? wants_state : wants(w, t->type);
	if (t->type == MYTRACK_VAR)
		put_vars(l, w, t, block);
	else if (t->type == MYTRACK_TX_STATE && !l->mariadb)
		return put_tx(c, t, wanted, block);
	else if (wanted)
		mytrack_put(block, t);
	return t->type == MYTRACK_TX_TEXT && !l->mariadb && begins_anew(c, t);
}

void my_tell_ok(struct my_client *c, const struct my_link *l, struct myok *ok, struct buf *block)
{
	/* A SET of these counts at once, but for MySQL's state_change. */
	bool wishes = c->req.wish && c->req.n_statements == 1 && l->res.cmd == MYCOM_QUERY;
	if (!wishes && (ok->track.p == NULL || !(c->caps & MYCAP(SESSION_TRACK)))) {
		ok->track = (struct mystr){ NULL, 0 };
		return;
	}
	bool wants_state = hears(c, l)->state, due = false, had_state = false;
	if (wishes)
		varset_assign(&c->env->vars, &c->tracking, c->wished);
	if (l->mariadb)
		wants_state = hears(c, l)->state;
	struct rd r = rd_of(ok->track.p, ok->track.n);
	struct mytrack t;
	bool sets_tx = wishes && (c->req.wish & MY_WISH_TX);
	while (mytrack_next(&r, &t)) {
		if (sets_tx && t.type == MYTRACK_TX_TEXT)
			continue;
		had_state = had_state || t.type == MYTRACK_TX_STATE;
		due = put_entry(c, l, &t, wants_state, block) || due;
	}
	if (sets_tx)
		due = put_tx_wish(hears(c, l), l, ok, had_state, block) || due;
	ok->track = (struct mystr){ (const char *)buf_data(block), buf_len(block) };
	if (ok->track.n == 0)
		ok->track.p = due ? "" : NULL;
}

/* ---- of a transaction that is on no link ---- */

bool my_tell_is_plain(const struct my_client *c)
{
	if (c->base == NULL)
		return false;
	const struct my_told_cache *w = hears_of(c, c->base);
	return !w->heartbeat && !w->state && !w->tx_state;
}

void my_tell_tx(struct my_client *c, bool begins, struct myok *ok, struct buf *block)
{
	uint8_t now = begins ? MY_TOLD_TX : MY_TOLD_NO_TX;
	if (c->mariadb || !(c->caps & MYCAP(SESSION_TRACK)) || c->tx_told == now)
		return;
	c->tx_told = now;
	struct mystr state = { tx_told[now], MYTRACK_TX_STATE_BYTES };
	mytrack_put_text(block, MYTRACK_TX_STATE, state);
	ok->track = (struct mystr){ (const char *)buf_data(block), buf_len(block) };
}
