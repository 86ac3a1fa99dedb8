/*
 * What a statement's verb, and the keywords that qualify it, say about its effects. Ignorant of
 * function calls and of SET's arguments. Any thread.
 */
#include "classify_int.h"

struct verb_row {
	uint16_t id;
	uint8_t verb;
	uint8_t name; /* the statement names something: 1 with the next word, 2 with its last one */
	uint64_t flags;
};

#define DDL (SQL_F_DDL | SQL_F_WRITE)

static const struct verb_row verb_rows[] = {
	{ SQL_W_SELECT, SQL_V_SELECT, 0, 0 },
	{ SQL_W_INSERT, SQL_V_INSERT, 0, SQL_F_WRITE },
	{ SQL_W_UPDATE, SQL_V_UPDATE, 0, SQL_F_WRITE },
	{ SQL_W_DELETE, SQL_V_DELETE, 0, SQL_F_WRITE },
	{ SQL_W_BEGIN, SQL_V_BEGIN, 0, SQL_F_TX_BEGIN },
	{ SQL_W_COMMIT, SQL_V_COMMIT, 0, 0 },
	{ SQL_W_ROLLBACK, SQL_V_ROLLBACK, 0, 0 },
	{ SQL_W_SET, SQL_V_SET, 0, 0 },
	{ SQL_W_RESET, SQL_V_RESET, 0, 0 },
	{ SQL_W_SHOW, SQL_V_SHOW, 0, 0 },
	{ SQL_W_WITH, SQL_V_WITH, 0, 0 },
	{ SQL_W_VALUES, SQL_V_VALUES, 0, 0 },
	{ SQL_W_TABLE, SQL_V_TABLE, 0, 0 },
	{ SQL_W_MERGE, SQL_V_MERGE, 0, SQL_F_WRITE },
	{ SQL_W_END, SQL_V_COMMIT, 0, 0 },
	{ SQL_W_START, SQL_V_BEGIN, 0, SQL_F_TX_BEGIN },
	{ SQL_W_ABORT, SQL_V_ROLLBACK, 0, 0 },
	{ SQL_W_SAVEPOINT, SQL_V_SAVEPOINT, 1, SQL_F_TX_SUB },
	{ SQL_W_RELEASE, SQL_V_RELEASE, 2, SQL_F_TX_SUB },
	{ SQL_W_EXECUTE, SQL_V_EXECUTE, 1, SQL_F_EXECUTE },
	{ SQL_W_PREPARE, SQL_V_PREPARE, 1, 0 },
	{ SQL_W_DEALLOCATE, SQL_V_DEALLOCATE, 2, SQL_F_DEALLOCATE },
	{ SQL_W_DECLARE, SQL_V_DECLARE, 1, 0 },
	{ SQL_W_FETCH, SQL_V_FETCH, 2, 0 },
	{ SQL_W_MOVE, SQL_V_FETCH, 2, 0 },
	{ SQL_W_CLOSE, SQL_V_CLOSE, 1, SQL_F_CLOSE },
	{ SQL_W_COPY, SQL_V_COPY, 0, 0 },
	{ SQL_W_EXPLAIN, SQL_V_EXPLAIN, 0, 0 },
	{ SQL_W_LISTEN, SQL_V_LISTEN, 1, SQL_F_LISTEN },
	{ SQL_W_UNLISTEN, SQL_V_UNLISTEN, 1, SQL_F_UNLISTEN },
	{ SQL_W_NOTIFY, SQL_V_NOTIFY, 1, 0 },
	{ SQL_W_DISCARD, SQL_V_DISCARD, 0, 0 },
	{ SQL_W_DO, SQL_V_DO, 0, SQL_F_UNKNOWN | SQL_F_WRITE },
	{ SQL_W_CALL, SQL_V_CALL, 0, SQL_F_UNKNOWN | SQL_F_WRITE },
	{ SQL_W_LOAD, SQL_V_LOAD, 0, SQL_F_LOAD },
	{ SQL_W_LOCK, SQL_V_LOCK, 0, 0 },
	{ SQL_W_TRUNCATE, SQL_V_DDL, 0, SQL_F_WRITE },
	{ SQL_W_CREATE, SQL_V_DDL, 0, DDL },
	{ SQL_W_ALTER, SQL_V_DDL, 0, DDL },
	{ SQL_W_DROP, SQL_V_DDL, 0, DDL | SQL_F_DROP },
	{ SQL_W_COMMENT, SQL_V_DDL, 0, DDL },
	{ SQL_W_GRANT, SQL_V_DDL, 0, DDL },
	{ SQL_W_REVOKE, SQL_V_DDL, 0, DDL },
	{ SQL_W_REASSIGN, SQL_V_DDL, 0, DDL },
	{ SQL_W_REFRESH, SQL_V_DDL, 0, DDL },
	{ SQL_W_SECURITY, SQL_V_DDL, 0, DDL },
	{ SQL_W_IMPORT, SQL_V_DDL, 0, DDL | SQL_F_UNKNOWN },
	{ SQL_W_ANALYZE, SQL_V_UTILITY, 0, SQL_F_WRITE },
	{ SQL_W_ANALYSE, SQL_V_UTILITY, 0, SQL_F_WRITE },
	{ SQL_W_VACUUM, SQL_V_UTILITY, 0, SQL_F_WRITE | SQL_F_NOT_IN_TX },
	{ SQL_W_CHECKPOINT, SQL_V_UTILITY, 0, SQL_F_WRITE },
	{ SQL_W_CLUSTER, SQL_V_UTILITY, 0, SQL_F_WRITE },
	{ SQL_W_REINDEX, SQL_V_UTILITY, 0, SQL_F_WRITE },
};

/* Only these may stand in parentheses. */
static bool is_query(enum sql_verb v)
{
	return v == SQL_V_SELECT || v == SQL_V_VALUES || v == SQL_V_WITH || v == SQL_V_TABLE;
}

void classify_first_word(struct pass *p, uint16_t id)
{
	const struct verb_row *row = NULL;

	for (size_t i = 0; id != 0 && i < sizeof(verb_rows) / sizeof(verb_rows[0]); i++) {
		if (verb_rows[i].id == id) {
			row = &verb_rows[i];
			break;
		}
	}
	if (row == NULL || (p->depth != 0 && !is_query((enum sql_verb)row->verb))) {
		p->verb = SQL_V_OTHER;
		p->flags |= SQL_F_UNKNOWN;
		return;
	}
	p->first_id = id;
	p->verb = (enum sql_verb)row->verb;
	p->flags |= row->flags;
	p->name_wanted = row->name != 0;
	p->name_last = row->name == 2;
	p->query = id == SQL_W_SELECT || id == SQL_W_VALUES;
	p->merge = id == SQL_W_MERGE;
}

/* Data-modifying words in any place where a statement could start; FOR UPDATE locks rows. */
static void dml_word(struct pass *p, uint16_t id)
{
	if (seen_id(p->prev) == SQL_W_FOR || seen_id(p->prev) == SQL_W_KEY)
		p->flags |= SQL_F_ROW_LOCK;
	else if (id != SQL_W_SHARE)
		p->flags |= SQL_F_WRITE;
	if (id == SQL_W_MERGE)
		p->merge = true;
}

static void temp_word(struct pass *p)
{
	uint16_t before = seen_id(p->prev);

	if (before == SQL_W_CREATE || before == SQL_W_REPLACE || before == SQL_W_LOCAL ||
		before == SQL_W_GLOBAL ||
		(before == SQL_W_INTO && p->prev2_id != SQL_W_INSERT && p->prev2_id != SQL_W_MERGE))
		p->flags |= SQL_F_TEMP;
	if (p->verb == SQL_V_DISCARD)
		p->flags |= SQL_F_DISCARD_TEMP;
}

/* BEGIN ATOMIC ... END: its semicolons do not end the statement. Labels (AS end) are not
 * counted; one without AS is, so the whole text is left to the server's word. */
static void body_word(struct pass *p, uint16_t id)
{
	if (id == SQL_W_ATOMIC && seen_id(p->prev) == SQL_W_BEGIN && p->first_id == SQL_W_CREATE &&
		p->body == 0) {
		p->body = 1;
		p->flags |= SQL_F_UNKNOWN;
	} else if (p->body != 0 && seen_id(p->prev) != SQL_W_AS) {
		if (id == SQL_W_CASE)
			p->body++;
		else if (id == SQL_W_END)
			p->body--;
	}
}

static void transaction_word(struct pass *p, uint16_t id)
{
	if (p->verb != SQL_V_COMMIT && p->verb != SQL_V_ROLLBACK)
		return;
	if (id == SQL_W_CHAIN && seen_id(p->prev) == SQL_W_AND) {
		p->flags |= SQL_F_TX_CHAIN;
	} else if (id == SQL_W_PREPARED && p->tokens_n == 1) {
		p->verb = SQL_V_FINISH_PREPARED;
		p->flags |= SQL_F_NOT_IN_TX;
	} else if (id == SQL_W_TO && p->verb == SQL_V_ROLLBACK) {
		p->verb = SQL_V_ROLLBACK_TO;
		p->name_wanted = p->name_last = true;
	}
}

static void copy_word(struct pass *p, uint16_t id)
{
	if (p->verb != SQL_V_COPY || p->depth != 0)
		return;
	/* The server takes STDIN for STDOUT, too. */
	if (id == SQL_W_FROM)
		p->flags |= SQL_F_WRITE;
	else if (seen_id(p->prev) == SQL_W_FROM)
		p->flags |= SQL_F_COPY_IN;
	else if (seen_id(p->prev) == SQL_W_TO)
		p->flags |= SQL_F_COPY_OUT;
}

/* The word behind CREATE, ALTER, DROP, REINDEX. */
static void object_word(struct pass *p, uint16_t id)
{
	bool ddl = p->first_id == SQL_W_CREATE || p->first_id == SQL_W_ALTER ||
		   p->first_id == SQL_W_DROP;

	if (p->first_id == SQL_W_REINDEX ||
		(ddl && id != SQL_W_SCHEMA && (p->tokens_n == 1 || id == SQL_W_CONCURRENTLY)))
		p->flags |= SQL_F_NOT_IN_TX;
}

/* An extension's script, a language's library: they may do anything. */
static void code_word(struct pass *p)
{
	uint16_t before = seen_id(p->prev);
	bool ddl = p->first_id == SQL_W_CREATE || p->first_id == SQL_W_ALTER ||
		   p->first_id == SQL_W_DROP;

	if (ddl && (p->tokens_n == 1 || before == SQL_W_REPLACE || before == SQL_W_TRUSTED ||
			   before == SQL_W_PROCEDURAL))
		p->flags |= SQL_F_UNKNOWN;
}

/* DISCARD's and DEALLOCATE's. */
static void all_word(struct pass *p)
{
	if (p->verb == SQL_V_DISCARD)
		p->flags |= SQL_F_DISCARD_ALL | SQL_F_NOT_IN_TX;
	else if (p->verb == SQL_V_DEALLOCATE)
		p->flags |= SQL_F_DEALLOCATE_ALL;
}

static void into_word(struct pass *p)
{
	/* SELECT .. INTO makes a table */
	if (seen_id(p->prev) != SQL_W_INSERT && seen_id(p->prev) != SQL_W_MERGE)
		p->flags |= DDL;
}

static void execute_word(struct pass *p)
{
	p->query = true;
	if (p->verb == SQL_V_EXPLAIN || (p->verb == SQL_V_DDL && seen_id(p->prev) == SQL_W_AS))
		p->flags |= SQL_F_EXECUTE;
}

void classify_keyword(struct pass *p, uint16_t id)
{
	switch (id) {
	case SQL_W_INSERT:
	case SQL_W_UPDATE:
	case SQL_W_DELETE:
	case SQL_W_MERGE:
	case SQL_W_SHARE: dml_word(p, id); break;
	case SQL_W_TEMP:
	case SQL_W_TEMPORARY: temp_word(p); break;
	case SQL_W_ATOMIC:
	case SQL_W_CASE:
	case SQL_W_END: body_word(p, id); break;
	case SQL_W_CHAIN:
	case SQL_W_PREPARED:
	case SQL_W_TO: transaction_word(p, id); break;
	case SQL_W_FROM:
	case SQL_W_STDIN:
	case SQL_W_STDOUT: copy_word(p, id); break;
	case SQL_W_SELECT: p->query = true; break;
	case SQL_W_VALUES: p->query |= seen_id(p->prev) != SQL_W_FOR; break; /* FOR VALUES FROM */
	case SQL_W_JOIN: p->join = true; break;
	case SQL_W_GROUP: p->group = true; break;
	case SQL_W_INTO: into_word(p); break;
	case SQL_W_EXECUTE: execute_word(p); break;
	case SQL_W_HOLD:
		if (p->verb == SQL_V_DECLARE && seen_id(p->prev) == SQL_W_WITH)
			p->flags |= SQL_F_HOLD;
		break;
	case SQL_W_DATABASE:
	case SQL_W_TABLESPACE:
	case SQL_W_SUBSCRIPTION:
	case SQL_W_SYSTEM:
	case SQL_W_SCHEMA:
	case SQL_W_CONCURRENTLY: object_word(p, id); break;
	case SQL_W_EXTENSION:
	case SQL_W_LANGUAGE: code_word(p); break;
	case SQL_W_ALL: all_word(p); break;
	case SQL_W_PLANS: p->flags |= p->verb == SQL_V_DISCARD ? SQL_F_DISCARD_PLANS : 0; break;
	case SQL_W_SEQUENCES:
		p->flags |= p->verb == SQL_V_DISCARD ? SQL_F_DISCARD_SEQUENCES : 0;
		break;
	default: break;
	}
}

const char *sql_verb_name(enum sql_verb v)
{
	static const char *const names[] = {
		[SQL_V_EMPTY] = "empty",
		[SQL_V_SELECT] = "select",
		[SQL_V_INSERT] = "insert",
		[SQL_V_UPDATE] = "update",
		[SQL_V_DELETE] = "delete",
		[SQL_V_MERGE] = "merge",
		[SQL_V_VALUES] = "values",
		[SQL_V_TABLE] = "table",
		[SQL_V_WITH] = "with",
		[SQL_V_BEGIN] = "begin",
		[SQL_V_COMMIT] = "commit",
		[SQL_V_ROLLBACK] = "rollback",
		[SQL_V_SAVEPOINT] = "savepoint",
		[SQL_V_RELEASE] = "release",
		[SQL_V_ROLLBACK_TO] = "rollback to",
		[SQL_V_PREPARE_TX] = "prepare transaction",
		[SQL_V_FINISH_PREPARED] = "commit prepared",
		[SQL_V_SET] = "set",
		[SQL_V_RESET] = "reset",
		[SQL_V_SHOW] = "show",
		[SQL_V_DISCARD] = "discard",
		[SQL_V_PREPARE] = "prepare",
		[SQL_V_EXECUTE] = "execute",
		[SQL_V_DEALLOCATE] = "deallocate",
		[SQL_V_DECLARE] = "declare",
		[SQL_V_FETCH] = "fetch",
		[SQL_V_CLOSE] = "close",
		[SQL_V_LISTEN] = "listen",
		[SQL_V_UNLISTEN] = "unlisten",
		[SQL_V_NOTIFY] = "notify",
		[SQL_V_COPY] = "copy",
		[SQL_V_DO] = "do",
		[SQL_V_CALL] = "call",
		[SQL_V_LOAD] = "load",
		[SQL_V_EXPLAIN] = "explain",
		[SQL_V_LOCK] = "lock",
		[SQL_V_DDL] = "ddl",
		[SQL_V_UTILITY] = "utility",
		[SQL_V_OTHER] = "other",
	};

	return (size_t)v < sizeof(names) / sizeof(names[0]) ? names[v] : "?";
}
