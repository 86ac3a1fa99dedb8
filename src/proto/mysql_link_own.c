/* mysql_link_own - what a link does without a session: setup behind its login, cleaning, internal
 * queries, cancel keys, moving to another thread. Thread: that of the env. */
#include "mysql_run_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "wire/mysql/command.h"
#include "wire/mysql/query.h"

bool my_link_owes(const void *lst)
{
	const struct my_link *l = lst;
	return l->owed.n > 0 || l->down_left > 0 || l->down_more;
}

unsigned my_link_requests(const void *lst)
{
	const struct my_link *l = lst;
	return l->owed.n;
}

bool my_link_mid_reply(const void *lst)
{
	const struct my_link *l = lst;
	const struct my_owed *o = l->owed.n ? &l->owed.v[l->owed.head] : NULL;
	return l->raw || ((l->down_left > 0 || l->down_more) && l->down_rest == FLOW_PASS && o &&
				 o->disp == MY_FORWARD);
}

enum tx_state my_link_tx(const void *lst)
{
	return (enum tx_state)((const struct my_link *)lst)->tx;
}

/* ---- setup ---- */

static void put_query(
	struct my_link *l, enum my_capture what, bool last, const char *sql, struct buf *up)
{
	uint8_t seq = 0;
	my_owed_capture(l, MYCOM_QUERY, what, last);
	myquery_put(up, &seq, l->caps, NULL, sql, strlen(sql));
}

/* The facts that setup asks for, in order; what a session keeps as it found it comes first. The
 * trackers' globals are what a session of its own would have. */
static const char *const facts[] = { "sql_mode", "autocommit", "time_zone", "transaction_isolation",
	"collation_connection", "session_track_system_variables", "session_track_schema",
	"session_track_state_change", "session_track_transaction_info", MY_FACT_CLIENT,
	MY_FACT_RESULTS, MY_FACT_COLLATION, MY_FACT_MAPPED, MY_FACT_READ_ONLY, MY_FACT_COMPLETION,
	MY_VAR_ROLE };
#define FACTS_N (sizeof(facts) / sizeof(*facts))
#define FACT_ISOLATION 3U
#define FACTS_KEPT_N 4U
#define OLD_ISOLATION "tx_isolation"
#define NEW_NAMES_VERSION 110101U
/* MariaDB's. (Seen on 11.8.6; that of 11.4 may have the latter, too.) */
#define MAPPED_VERSION 110201U
#define NAMES_0900_VERSION 110801U

const char *my_name_on(const struct my_link *l, const char *name)
{
	static const char *const names[][2] = { { OLD_ISOLATION, "transaction_isolation" },
		{ "tx_read_only", "transaction_read_only" } };
	unsigned now = !(l->mariadb && l->version_n < NEW_NAMES_VERSION);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcasecmp(name, names[i][0]) == 0 || strcasecmp(name, names[i][1]) == 0)
			return names[i][now];
	return name;
}

bool my_is_fact(const char *name)
{
	for (size_t i = 0; i < FACTS_KEPT_N; i++)
		if (strcmp(name, facts[i]) == 0)
			return true;
	return strcmp(name, OLD_ISOLATION) == 0;
}

#define MY_TRACKERS \
	"session_track_system_variables='*',session_track_schema=1," \
	"session_track_state_change=1,session_track_transaction_info='CHARACTERISTICS'"

/* A reset leaves the schema, but takes its character set (LOAD DATA reads by that) away. */
static void put_schema(struct my_link *l, struct buf *up, enum my_capture what)
{
	const char *schema = varset_get(l->have, MY_VAR_SCHEMA);
	uint8_t seq = 0;
	if (schema == NULL || l->in_setup)
		return;
	my_owed_capture(l, MYCOM_INIT_DB, what, false);
	mycommand_put_init_db(up, &seq, (struct mystr){ schema, strlen(schema) });
}

/* A reset leaves the roles, and of a session that had the link to itself nobody has seen any. */
static void put_fresh_role(struct my_link *l, struct buf *up)
{
	struct buf b;
	if (!my_role_has(l))
		return;
	buf_init(&b, 0);
	buf_printf(&b, "SET ROLE %s", my_role_of(l, NULL));
	buf_put_u8(&b, 0);
	if (!b.failed)
		put_query(l, MY_CAP_CLEAN, false, (const char *)buf_data(&b), up);
	if (b.failed || !my_learn_set(NULL, l, MY_VAR_ROLE, NULL))
		l->failed = true;
	buf_fini(&b);
}

void my_setup_put(struct my_link *l, struct buf *up, enum my_capture what)
{
	/* A reset of MariaDB's takes away what a login gives. */
	bool again = what == MY_CAP_CLEAN && l->mariadb && (l->caps & MYCAP(IGNORE_SPACE));
	put_schema(l, up, what);
	put_query(l, what, false,
		again ? "SET NAMES " MY_BASE_CHARSET "," MY_TRACKERS
			",sql_mode=CONCAT(@@sql_mode,',IGNORE_SPACE')"
		: l->mariadb ? "SET NAMES " MY_BASE_CHARSET "," MY_TRACKERS
			     : "SET NAMES " MY_BASE_CHARSET "," MY_TRACKERS
			       ",session_track_gtids='OWN_GTID'",
		up);
	if (what == MY_CAP_CLEAN)
		put_fresh_role(l, up);
	char sql[720];
	snprintf(sql, sizeof(sql),
		"SELECT @@sql_mode,IF(@@autocommit,'ON','OFF'),@@time_zone,@@%s,"
		"@@collation_connection,@@GLOBAL.session_track_system_variables,"
		"@@GLOBAL.session_track_schema,@@GLOBAL.session_track_state_change,"
		"@@GLOBAL.session_track_transaction_info,@@GLOBAL.character_set_client,"
		"COALESCE(@@GLOBAL.character_set_results,''),@@GLOBAL.collation_connection,%s,"
		"IF(@@%s,'ON','OFF'),@@completion_type,%s",
		my_name_on(l, facts[FACT_ISOLATION]),
		l->mariadb && l->version_n >= MAPPED_VERSION ? "@@GLOBAL.character_set_collations"
							     : "''",
		my_name_on(l, "transaction_read_only"), my_role_sql(l));
	put_query(l, what, true, sql, up);
}

void my_wish_put(struct my_link *l, struct buf *up)
{
	put_query(l, MY_CAP_WISH, false,
		l->mariadb ? "SELECT @@session_track_system_variables,@@session_track_schema,"
			     "@@session_track_state_change,@@session_track_transaction_info,'-'"
			   : "SELECT @@session_track_system_variables,@@session_track_schema,"
			     "@@session_track_state_change,@@session_track_transaction_info,"
			     "@@session_track_gtids",
		up);
	/* (MySQL lets nobody set that of GTIDs in a transaction: so it is as it was.) */
	put_query(l, MY_CAP_WISH, true,
		l->mariadb || l->tx == TX_OPEN ? "SET " MY_TRACKERS
					       : "SET " MY_TRACKERS
						 ",session_track_gtids='OWN_GTID'",
		up);
}

const char *const my_wish_names[MY_WISHES_N] = { "session_track_system_variables",
	"session_track_schema", "session_track_state_change", "session_track_transaction_info",
	"session_track_gtids" };

bool my_wish_is_flag(unsigned i)
{
	return i == 1 || i == 2;
}

/* What the client set, by its text or to something that is not ours. */
bool my_wish_row(struct my_client *c, const char *const *cell, unsigned n)
{
	static const char *const ours[MY_WISHES_N] = { "*", "1", "1", "CHARACTERISTICS",
		"OWN_GTID" };
	if (n != MY_WISHES_N)
		return false;
	bool ok = true;
	for (unsigned i = 0; c && ok && i < n; i++) {
		const char *v = cell[i] ? cell[i] : "";
		if ((c->wish & 1U << i) || (strcmp(v, ours[i]) != 0 && strcmp(v, "-") != 0))
			ok = varset_put(&c->env->vars, &c->tracking, my_wish_names[i], v);
	}
	if (c)
		c->wish = 0;
	return ok;
}

bool my_setup_row(struct my_link *l, const char *const *cell, unsigned n)
{
	struct vartab *t = &l->env->vars;
	struct var v[FACTS_N + 3] = { { "character_set_client", MY_BASE_CHARSET },
		{ "character_set_results", MY_BASE_CHARSET } };
	struct varset *fresh = NULL;
	if (n != FACTS_N)
		return false;
	for (unsigned i = 0; i < n; i++)
		v[i + 2] = (struct var){ my_name_on(l, facts[i]), cell[i] };
	v[FACTS_N + 2] = (struct var){ MY_FACT_0900,
		l->mariadb && l->version_n >= NAMES_0900_VERSION ? "1" : NULL };
	const char *role = varset_get(l->fresh, MY_VAR_ROLE);
	if (role) /* the first answer was that of a fresh link */
		v[FACTS_N + 1].value = role;
	if (!varset_make(t, v, FACTS_N + 3, &fresh))
		return false;
	varset_assign(t, &l->fresh, fresh);
	varset_unref(t, fresh);
	return true;
}

void my_link_setup_put(struct my_link *l, struct buf *up)
{
	l->in_setup = true;
	l->multi = l->caps & MYCAP(MULTI_STATEMENTS);
	my_setup_put(l, up, MY_CAP_SETUP);
}

struct pev my_link_setup_step(
	struct my_link *l, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	return my_down(NULL, l, p, n, up, NULL, e);
}

/* ---- the session lets go ---- */

void my_detach(void *cst, void *lst)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	l->mid_up = my_client_mid_message(c) || c->in_infile;
	if (my_client_pins(c) || c->needs || c->in_request || l->n_forward > 0 || l->sync_wait ||
		l->prep_wait || l->ask)
		l->dirty = MY_DIRTY;
	l->prep_wait = false;
	/* No command takes a schema away again. */
	if ((l->link_class & MY_CLASS_NO_SCHEMA) && varset_get(l->have, MY_VAR_SCHEMA))
		l->spoiled = true;
	if (l->raw) /* nothing that it says from here on is an answer */
		l->spoiled = true;
	c->in_infile = false;
	c->up_rest = FLOW_DROP;
	l->tx_due = false;
	l->eof_due = false;
	l->down_rest = FLOW_DROP;
}

bool my_link_abort(void *lst, struct buf *up)
{
	struct my_link *l = lst;
	(void)up;
	/* A file that breaks off must not be taken for a whole one. */
	return !l->mid_up && !l->raw && !l->failed && l->res.state != MY_RES_INFILE;
}

/* ---- cleaning ---- */

/* A reset query of the configuration, unless it is PostgreSQL's, which is the default. */
static bool is_theirs(const char *sql)
{
	return sql && *sql && strncasecmp(sql, "DISCARD ", 8) != 0;
}

static bool keep(struct my_link *l, const char *name, struct varset **s)
{
	const char *v = varset_get(l->have, name);
	return v == NULL || varset_put(&l->env->vars, s, name, v);
}

void my_link_was_reset(struct my_link *l)
{
	struct varset *have = NULL;
	if (!keep(l, MY_VAR_SCHEMA, &have) || !keep(l, MY_VAR_ROLE, &have))
		l->failed = true;
	varset_assign(&l->env->vars, &l->have, have);
	varset_unref(&l->env->vars, have);
	my_stmt_forget_handles(l);
	l->tx_text = l->own_last = l->own_count = l->own_id = l->own_found = false;
	l->id_other = l->id_left = false;
	l->own_seq = l->own_gtid = l->left_diag = l->diag_due = false;
}

bool my_link_clean(void *lst, const char *sql, bool always, struct buf *up)
{
	struct my_link *l = lst;
	uint8_t seq = 0;
	assert(l->owed.n == 0);
	if (l->tx == TX_IDLE && l->dirty == MY_CLEAN && !always)
		return false;
	if (is_theirs(sql))
		put_query(l, MY_CAP_CLEAN, false, sql, up);
	my_owed_capture(l, MYCOM_RESET_CONNECTION, MY_CAP_CLEAN, false);
	mycommand_put(up, &seq, MYCOM_RESET_CONNECTION);
	my_link_was_reset(l);
	my_setup_put(l, up, MY_CAP_CLEAN);
	l->last_client_id = 0;
	l->dirty = MY_DIRTY;
	return true;
}

/* ---- internal queries ---- */

/* A literal that means these bytes whatever sql_mode is. */
static void put_param(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	buf_puts(b, "CONVERT(X'");
	for (; *s; s++) {
		buf_put_u8(b, (uint8_t)hex[(unsigned char)*s >> 4]);
		buf_put_u8(b, (uint8_t)hex[(unsigned char)*s & 15]);
	}
	buf_puts(b, "' USING utf8mb4)");
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* The text with each $1 replaced that stands outside of quotes and is no part of a name. */
static void put_text(struct buf *b, const char *sql, const char *param)
{
	char quote = 0, before = ' ';
	for (; *sql; before = *sql++) {
		if (quote == 0 && sql[0] == '$' && sql[1] == '1' && !is_word(sql[2]) &&
			!is_word(before)) {
			put_param(b, param);
			sql++;
			continue;
		}
		if (*sql == quote)
			quote = 0;
		else if (quote == 0 && (*sql == '\'' || *sql == '"' || *sql == '`'))
			quote = *sql;
		buf_put_u8(b, (uint8_t)*sql);
	}
}

void my_link_query(void *lst, const char *sql, const char *param, struct buf *up)
{
	struct my_link *l = lst;
	struct buf b;
	uint8_t seq = 0;
	assert(l->owed.n == 0);
	if (param == NULL) {
		put_query(l, MY_CAP_QUERY, true, sql, up);
		return;
	}
	buf_init(&b, 0);
	put_text(&b, sql, param);
	my_owed_capture(l, MYCOM_QUERY, MY_CAP_QUERY, true);
	myquery_put(up, &seq, l->caps, NULL, (const char *)buf_data(&b), buf_len(&b));
	l->failed = l->failed || b.failed;
	buf_wipe(&b);
}

void my_link_ping(void *lst, struct buf *up)
{
	struct my_link *l = lst;
	uint8_t seq = 0;
	my_owed_capture(l, MYCOM_PING, MY_CAP_QUERY, true);
	mycommand_put(up, &seq, MYCOM_PING);
}

/* ---- canceling ---- */

void my_put_cancel(void *lst, struct buf *up, const uint8_t *key, size_t key_n)
{
	struct my_link *l = lst;
	char sql[40];
	struct rd r = rd_of(key, key_n);
	snprintf(sql, sizeof(sql), "KILL QUERY %u", (unsigned)rd_u32le(&r));
	put_query(l, MY_CAP_QUERY, true, sql, up);
}

void my_put_bye(void *lst, struct buf *up)
{
	uint8_t seq = 0;
	(void)lst;
	mycommand_put(up, &seq, MYCOM_QUIT);
}

/* ---- moving ---- */

bool my_link_spoiled(const void *lst)
{
	return ((const struct my_link *)lst)->spoiled;
}

bool my_link_movable(const void *lst)
{
	const struct my_link *l = lst;
	return !my_link_owes(lst) && l->tx == TX_IDLE && l->login == NULL && !l->raw &&
	       !l->failed && !l->mid_up && l->ask == NULL;
}

void my_link_move_out(void *lst)
{
	struct my_link *l = lst;
	struct vartab *t = &l->env->vars;
	assert(my_link_movable(lst));
	buf_fini(&l->body);
	varset_pack(l->have, &l->body);
	varset_pack(l->fresh, &l->body);
	l->failed = l->body.failed;
	varset_assign(t, &l->have, NULL);
	varset_assign(t, &l->fresh, NULL);
	l->env = NULL;
}

bool my_link_move_in(void *lst, struct proto_env *v)
{
	struct my_link *l = lst;
	struct rd r = rd_of(buf_data(&l->body), buf_len(&l->body));
	l->env = v;
	bool ok = !l->failed && varset_unpack(&v->vars, &r, &l->have) &&
		  varset_unpack(&v->vars, &r, &l->fresh);
	buf_fini(&l->body);
	l->failed = !ok;
	return ok;
}
