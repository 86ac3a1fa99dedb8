/*
 * What a MySQL text asks of the node that runs it, statement by statement: verbs, the classifier's
 * flags, transactions. Ignorant of words inside of expressions. Any thread.
 */
#include "classify_my_int.h"

#include "base/mem.h"

#include <string.h>

struct my_text {
	const struct sql_my_opts *o;
	const char *text;
	size_t n;
	enum sql_route_tx tx;
	bool autocommit_off;
	const struct sql_route_ctx *ctx;
	struct route_mark all;
	unsigned statements_n;
	unsigned most; /* statements, of the readings of the text */
	bool begins;
};

/* What only the link that ran the session's earlier statements can do, or what ties the session to
 * the link that runs it. */
static const struct {
	uint64_t flags;
	enum route_level level;
	const char *reason;
} facts[] = {
	{ SQL_MY_USER_LOCK | SQL_MY_USER_UNLOCK | SQL_MY_USER_UNLOCK_ALL, ROUTE_PIN,
		"a lock of the session" },
	{ SQL_MY_TABLE_LOCK | SQL_MY_GLOBAL_LOCK | SQL_MY_INSTANCE_LOCK | SQL_MY_GLOBAL_UNLOCK |
			SQL_MY_INSTANCE_UNLOCK,
		ROUTE_PIN, "a lock of the session" },
	{ SQL_MY_TEMP_MAKE, ROUTE_PIN, "a temporary table belongs to one link" },
	{ SQL_MY_VAR_READ | SQL_MY_VAR_SILENT, ROUTE_PIN,
		"a user variable is in one link's memory" },
	{ SQL_MY_LAST_ID | SQL_MY_SET_LAST_ID, ROUTE_PIN,
		"the last insert id belongs to one link" },
	{ SQL_MY_CALC_FOUND_ROWS | SQL_MY_FOUND_ROWS | SQL_MY_ROW_COUNT, ROUTE_PIN,
		"the count of the last statement belongs to one link" },
	{ SQL_MY_DIAG, ROUTE_PIN, "the diagnostics of the last statement belong to one link" },
	{ SQL_MY_CONN_ID, ROUTE_PIN, "a function that tells of this very link" },
	{ SQL_MY_LAST_GTID | SQL_MY_SEQ_READ | SQL_MY_PROFILE, ROUTE_PIN,
		"what the last statement left on one link" },
	{ SQL_MY_HANDLER_OPEN | SQL_MY_HANDLER_USE | SQL_MY_HANDLER_CLOSE, ROUTE_PIN,
		"a handler belongs to one link" },
	{ SQL_MY_PREPARE | SQL_MY_EXECUTE | SQL_MY_DEALLOCATE, ROUTE_PIN,
		"a prepared statement belongs to one link" },
	{ SQL_MY_XA, ROUTE_PIN, "an XA transaction belongs to one link" },
	{ SQL_MY_OPAQUE | SQL_MY_IDENTITY | SQL_MY_SET_SILENT, ROUTE_PIN,
		"state that only one link has" },
	{ SQL_MY_WRITE | SQL_MY_DDL, ROUTE_PRIMARY, "modifies data, or writes a file" },
	{ SQL_MY_ROW_LOCK, ROUTE_PRIMARY, "locks rows" },
	{ SQL_MY_SEQ_USE, ROUTE_PRIMARY, "takes a number from a sequence" },
	{ SQL_MY_SERVER_WIDE, ROUTE_PRIMARY, "acts on the server" },
	{ SQL_MY_PROCESSLIST | SQL_MY_CONN_REF, ROUTE_LOCAL, "names connections of one node" },
};

static void mark(struct my_route *r, enum route_level level, const char *reason)
{
	route_raise(&r->mark, level, reason, r->start);
}

static void where_tx_is(const struct my_text *t, struct my_route *r)
{
	if (t->tx != SQL_ROUTE_TX_RO)
		mark(r, ROUTE_PRIMARY, "where the transaction is");
	else if (r->mark.level == ROUTE_REPLICA)
		r->mark.reason = "where the read-only transaction is";
}

static void begin(struct my_text *t, struct my_route *r)
{
	bool ro = r->read_only || (t->ctx->read_only && !r->read_write);

	if (r->read_only && r->read_write)
		mark(r, ROUTE_PRIMARY, "READ WRITE and READ ONLY: the server will refuse it");
	else if (!ro)
		mark(r, ROUTE_PRIMARY, "the transaction may write");
	else if (t->tx == SQL_ROUTE_TX_RW)
		mark(r, ROUTE_PRIMARY, "ends a transaction, where that is");
	t->tx = r->mark.level == ROUTE_REPLICA ? SQL_ROUTE_TX_RO : SQL_ROUTE_TX_RW;
}

static enum sql_route_tx tx_without_begin(const struct my_text *t)
{
	if (!t->autocommit_off)
		return SQL_ROUTE_TX_NONE;
	return t->ctx->read_only ? SQL_ROUTE_TX_RO : SQL_ROUTE_TX_RW;
}

/* Which SHOW shows the dictionary; the others show the node. */
static bool shows_dictionary(const struct my_route *r)
{
	switch (r->word[1]) {
	case MY_W_TABLES:
	case MY_W_COLUMNS:
	case MY_W_FIELDS:
	case MY_W_DATABASES:
	case MY_W_SCHEMAS:
	case MY_W_INDEX:
	case MY_W_INDEXES:
	case MY_W_KEYS:
	case MY_W_CREATE:
	case MY_W_TRIGGERS:
	case MY_W_EVENTS:
	case MY_W_GRANTS:
	case MY_W_PRIVILEGES:
	case MY_W_CHARSET:
	case MY_W_CHARACTER:
	case MY_W_COLLATION: return true;
	case MY_W_TABLE:
	case MY_W_FUNCTION:
	case MY_W_PROCEDURE:
	case MY_W_PACKAGE: return r->word[2] == MY_W_STATUS;
	default: return false;
	}
}

static bool is_rejected_global(const struct sql_my_assign *a)
{
	static const char *const names[] = { "read_only", "super_read_only", "gtid_purged",
		"offline_mode", "gtid_slave_pos", "gtid_binlog_state", "gtid_mode",
		"enforce_gtid_consistency", "server_id", "server_uuid" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (a->name_n == strlen(names[i]) && memcmp(a->name, names[i], a->name_n) == 0)
			return true;
	return a->name_n > 18 && memcmp(a->name, "group_replication_", 18) == 0;
}

static void wants(struct my_route *r, enum route_level level, const char *reason)
{
	route_raise(&r->set, level, reason, r->start);
}

static void assign_session(struct my_route *r, const struct sql_my_assign *a)
{
	if (!a->name_known) {
		wants(r, ROUTE_PIN, "a variable that is not known");
		return;
	}
	if (a->name_n == 10 && memcmp(a->name, "autocommit", 10) == 0)
		r->sets_autocommit = true;
	if (a->name_n == 11 && memcmp(a->name, "sql_log_bin", 11) == 0)
		wants(r, ROUTE_PIN, "a variable that no other link may have");
	switch (a->sysvar) {
	case SQL_MY_SYS_PLAIN:
	case SQL_MY_SYS_MODE:
	case SQL_MY_SYS_CHARSET:
	case SQL_MY_SYS_TRACKER:
	case SQL_MY_SYS_TX: wants(r, ROUTE_TRACK, "a variable of the session"); break;
	case SQL_MY_SYS_ONE_USE:
	case SQL_MY_SYS_LAST_ID:
	case SQL_MY_SYS_LAST_GTID:
	case SQL_MY_SYS_DIAG:
	case SQL_MY_SYS_IDENTITY:
		wants(r, ROUTE_PIN, "a variable that no other link may have");
		break;
	}
}

static bool is_default_role(const struct sql_my_assign *a)
{
	return a->name_known && ((a->name_n == 12 && memcmp(a->name, "default role", 12) == 0) ||
					(a->name_n == 8 && memcmp(a->name, "password", 8) == 0));
}

void route_my_assign(struct my_route *r, const struct sql_my_assign *a)
{
	switch (a->scope) {
	case SQL_MY_S_SESSION:
	case SQL_MY_S_ONCE: assign_session(r, a); break;
	case SQL_MY_S_GLOBAL:
	case SQL_MY_S_PERSIST:
		if (!a->name_known || is_rejected_global(a))
			wants(r, ROUTE_REJECT, "acts on one server, not on the cluster");
		else
			wants(r, ROUTE_PRIMARY, "acts on the server");
		break;
	case SQL_MY_S_USER:
		if (a->kind == SQL_MY_VAL_EXPR)
			wants(r, ROUTE_PIN, "a user variable whose value only one link knows");
		else
			wants(r, ROUTE_TRACK, "a user variable with a constant");
		break;
	case SQL_MY_S_NAMES:
	case SQL_MY_S_COLLATE:
	case SQL_MY_S_CHARSET: wants(r, ROUTE_TRACK, "the session's character set"); break;
	case SQL_MY_S_TX_ONCE:
		wants(r, ROUTE_TRACK, "the next transaction's characteristics");
		break;
	case SQL_MY_S_TX_SESSION: wants(r, ROUTE_TRACK, "a variable of the session"); break;
	case SQL_MY_S_TX_GLOBAL: wants(r, ROUTE_PRIMARY, "acts on the server"); break;
	case SQL_MY_S_STATEMENT:
		if (!a->name_known || a->sysvar != SQL_MY_SYS_PLAIN)
			wants(r, ROUTE_PIN, "a variable that no other link may have");
		break;
	case SQL_MY_S_OTHER:
		if (is_default_role(a))
			wants(r, ROUTE_PRIMARY, "changes an account");
		else
			wants(r, ROUTE_PIN, "another user, role or resource group from here on");
		break;
	}
}

/* SET STATEMENT's assignments, which the classifier leaves alone. */
static void set_statement(const struct my_text *t, struct my_route *r, const struct sql_my_stmt *st)
{
	struct sql_my_set s;
	struct sql_my_assign a;

	sql_my_set_start(&s, t->o, t->text, st);
	while (sql_my_set_next(&s, &a))
		route_my_assign(r, &a);
	if (s.odd)
		wants(r, ROUTE_PIN, "a SET that is not understood in full");
}

static void set(struct my_text *t, struct my_route *r, const struct sql_my_stmt *st)
{
	if (r->set.level != ROUTE_REPLICA)
		mark(r, r->set.level, r->set.reason);
	t->autocommit_off |=
		r->sets_autocommit; /* or on again: the text's rest is not for guessing */
	if (r->mark.level == ROUTE_TRACK &&
		(st->flags & (SQL_MY_SERVER_WIDE | SQL_MY_STORED | SQL_MY_ROW_LOCK | SQL_MY_WRITE)))
		mark(r, ROUTE_PIN, "session state and more in one statement");
}

static void utility(struct my_route *r)
{
	switch (r->word[0]) {
	case MY_W_CHECKSUM: break;
	case MY_W_SHUTDOWN:
	case MY_W_RESTART:
	case MY_W_STOP:
	case MY_W_START:
	case MY_W_RESET:
	case MY_W_CLONE:
	case MY_W_CHANGE: mark(r, ROUTE_REJECT, "acts on one server, not on the cluster"); break;
	default: mark(r, ROUTE_PRIMARY, "maintenance, or of the server"); break;
	}
}

static void verb(struct my_text *t, struct my_route *r, const struct sql_my_stmt *st)
{
	switch (r->verb) {
	case SQL_MY_V_EMPTY: break;
	case SQL_MY_V_SELECT:
	case SQL_MY_V_VALUES:
	case SQL_MY_V_TABLE:
		if (r->server_schema)
			mark(r, ROUTE_LOCAL, "the current schema is the server's own");
		break;
	case SQL_MY_V_HELP:
	case SQL_MY_V_EXPLAIN: break;
	case SQL_MY_V_SHOW:
		if (!shows_dictionary(r))
			mark(r, ROUTE_LOCAL, "shows what one node knows about itself");
		break;
	case SQL_MY_V_INSERT:
	case SQL_MY_V_UPDATE:
	case SQL_MY_V_DELETE:
	case SQL_MY_V_LOAD: mark(r, ROUTE_PRIMARY, "modifies data"); break;
	case SQL_MY_V_DO:
	case SQL_MY_V_CALL: mark(r, ROUTE_PRIMARY, "runs for its effects"); break;
	case SQL_MY_V_BEGIN: begin(t, r); break;
	case SQL_MY_V_COMMIT:
	case SQL_MY_V_ROLLBACK:
		where_tx_is(t, r);
		if (!(st->flags & SQL_MY_TX_CHAIN))
			t->tx = tx_without_begin(t);
		break;
	case SQL_MY_V_SAVEPOINT:
	case SQL_MY_V_RELEASE:
	case SQL_MY_V_ROLLBACK_TO: where_tx_is(t, r); break;
	case SQL_MY_V_SET: set(t, r, st); break;
	case SQL_MY_V_SET_STATEMENT: mark(r, ROUTE_PRIMARY, "SET STATEMENT of nothing"); break;
	case SQL_MY_V_USE: mark(r, ROUTE_TRACK, "the current schema"); break;
	case SQL_MY_V_KILL: mark(r, ROUTE_REJECT, "names a connection of one server"); break;
	case SQL_MY_V_HANDLER:
	case SQL_MY_V_XA:
	case SQL_MY_V_PREPARE:
	case SQL_MY_V_EXECUTE:
	case SQL_MY_V_DEALLOCATE:
	case SQL_MY_V_LOCK:
	case SQL_MY_V_UNLOCK:
	case SQL_MY_V_GET_DIAG:
	case SQL_MY_V_SHOW_DIAG: mark(r, ROUTE_PIN, "of the link that is held"); break;
	case SQL_MY_V_SHOW_PROCESSLIST:
		mark(r, ROUTE_LOCAL, "names connections of one node");
		break;
	case SQL_MY_V_FLUSH:
		mark(r, ROUTE_PRIMARY, "FLUSH: on a replica it would be an errant transaction");
		break;
	case SQL_MY_V_DDL:
		if (st->flags & SQL_MY_TEMP_DROP && !(st->flags & SQL_MY_DDL))
			mark(r, ROUTE_PIN, "a temporary table belongs to one link");
		mark(r, ROUTE_PRIMARY, "changes the dictionary");
		break;
	case SQL_MY_V_UTILITY: utility(r); break;
	case SQL_MY_V_COMPOUND: mark(r, ROUTE_PRIMARY, "runs a program"); break;
	case SQL_MY_V_OTHER: mark(r, ROUTE_PRIMARY, "starts with no known word"); break;
	}
}

/* A text that was not read with certainty: any of these words, anywhere, may need its link. */
static bool mentions_session(const char *text, size_t n)
{
	static const char *const words[] = { "get_lock", "release_lock", "release_all_locks",
		"is_used_lock", "last_insert_id", "found_rows", "row_count", "temporary", "@",
		"warnings", "errors", "diagnostics", "connection_id", "prepare", "execute",
		"handler", "lock", "lastval", "previous", "currval", "identity", "xa", "set", "use",
		"service_", "version_tokens" };

	for (size_t i = 0; i < n; i++) {
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
			size_t same = 0;

			while (words[w][same] != '\0' && i + same < n &&
				my_fold(text[i + same]) == words[w][same])
				same++;
			if (words[w][same] == '\0')
				return true;
		}
	}
	return false;
}

static void unsure(const struct my_text *t, struct my_route *r, const struct sql_my_stmt *st)
{
	const char *from = t->text + st->at;
	size_t n = t->n - st->at;

	if (n > SQL_MY_TEXT_MAX || mentions_session(from, n))
		mark(r, ROUTE_PIN, "cannot be read with certainty, and may need its link");
	mark(r, ROUTE_PRIMARY, "cannot be read with certainty: the server will say");
}

static void statement(struct my_text *t, struct my_route *r, const struct sql_my_stmt *st)
{
	enum sql_route_tx before = t->tx;

	if (r->start == NULL)
		r->start = t->text + st->at;
	if (st->flags & SQL_MY_UNSURE) {
		unsure(t, r, st);
		return;
	}
	if (st->verb == SQL_MY_V_SET_STATEMENT) {
		set_statement(t, r, st);
		set(t, r, st);
	}
	/* SET STATEMENT reads the variables of its own that are in the flags */
	for (size_t i = 0; st->flags != 0 && i < sizeof(facts) / sizeof(facts[0]); i++)
		if (st->flags & facts[i].flags)
			mark(r, facts[i].level, facts[i].reason);
	verb(t, r, st);
	if ((st->flags & SQL_MY_IMPLICIT_COMMIT) && !(st->flags & SQL_MY_TX_BEGIN))
		t->tx = tx_without_begin(t);
	if (r->mark.level < ROUTE_PRIMARY && before == SQL_ROUTE_TX_RW)
		mark(r, ROUTE_PRIMARY, "in a transaction, which stays on its node");
	if (r->mark.level > ROUTE_REPLICA)
		return;
	if (r->mark.at == NULL)
		r->mark.at = r->start;
	if (r->mark.reason == NULL)
		r->mark.reason = "only reads";
}

static void read_text(struct my_text *t, const struct sql_my_opts *o)
{
	struct sql_my_iter it;
	struct sql_my_stmt st;
	unsigned n = 0;

	t->o = o;
	t->tx = t->ctx->tx;
	t->autocommit_off = t->ctx->autocommit_off;
	if (t->tx == SQL_ROUTE_TX_NONE)
		t->tx = tx_without_begin(t);
	sql_my_start(&it, o, t->text, t->n);
	for (;;) {
		struct my_route r;

		mem_zero(&r, sizeof(r));
		r.names = t->ctx->names;
		r.server_schema = t->ctx->server_schema;
		if (!my_next_statement(&it, &st, &r))
			return;
		statement(t, &r, &st);
		route_join(&t->all, &r.mark, t->statements_n++ == 0);
		t->most = ++n > t->most ? n : t->most;
		t->begins |= (st.flags & SQL_MY_TX_BEGIN) != 0;
		if (t->autocommit_off && t->tx == SQL_ROUTE_TX_NONE)
			t->tx = tx_without_begin(t);
	}
}

static bool has_code_comment(const char *text, size_t n)
{
	const char *p = text, *end = text + n;

	while ((p = memchr(p, '!', (size_t)(end - p))) != NULL) {
		if ((p - text >= 2 && p[-1] == '*') || (p - text >= 3 && p[-1] == 'M'))
			return true;
		p++;
	}
	return false;
}

void sql_route_my(const struct sql_my_opts *o, const struct sql_route_ctx *c, const char *text,
	size_t n, struct sql_route *out_r)
{
	struct my_text t = { .text = text, .n = n, .ctx = c };

	read_text(&t, o);
	/* Nodes may differ in their version, and then in what they take for code. */
	if (n != 0 && has_code_comment(text, n)) {
		struct sql_my_opts other = *o;

		other.code = SQL_MY_CODE_ALL;
		read_text(&t, &other);
		other.code = SQL_MY_CODE_NONE;
		read_text(&t, &other);
	}
	if (n != 0 && memchr(text, '\0', n) != NULL)
		route_raise(&t.all, ROUTE_PRIMARY, "holds a NUL", text);
	else if (t.statements_n == 0)
		t.all = (struct route_mark){ ROUTE_REPLICA, "empty", text };
	route_finish(&t.all, text, n, out_r);
	out_r->begins = t.begins;
	out_r->statements_n = t.most;
}
