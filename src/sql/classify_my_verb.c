/*
 * The first words of a MySQL statement: which verb, and what follows from it and from the words
 * that belong to it. Ignorant of expressions. Any thread.
 *
 * Source: MySQL manual, "SQL Statements" and "Statements That Cause an Implicit Commit"; MariaDB
 * documentation of the statements that only it has.
 */
#include "classify_my_int.h"

#define CATALOG (SQL_MY_WRITE | SQL_MY_DDL | SQL_MY_IMPLICIT_COMMIT)
#define SERVER (SQL_MY_SERVER_WIDE | SQL_MY_IMPLICIT_COMMIT)

static void be(struct my_pass *p, enum sql_my_verb verb, uint64_t flags)
{
	p->verb = verb;
	p->place.verb = verb;
	p->flags |= flags;
}

/* The next token's number, 0 for what is not a keyword. */
static uint16_t next_id(struct my_pass *p)
{
	return my_next(p) ? seen_id(p->prev) : 0;
}

static bool is_name(const struct my_pass *p)
{
	return !p->ended && (p->tok.kind == SQL_MY_TOK_WORD || p->tok.kind == SQL_MY_TOK_QUOTED);
}

/* The statement's name is the current token. */
static void take_name(struct my_pass *p)
{
	size_t n;

	if (is_name(p) && sql_my_decode(p->o, &p->tok, p->out->name, sizeof(p->out->name), &n))
		p->out->name_n = (uint16_t)n;
}

static void next_name(struct my_pass *p)
{
	if (my_next(p))
		take_name(p);
}

/* The number of a connection is the current token, and the last. */
static bool take_id(struct my_pass *p)
{
	struct sql_my_stmt *out = p->out;
	uint64_t id = 0;

	if (p->ended || p->tok.kind != SQL_MY_TOK_NUMBER)
		return false;
	const char *digits = p->tok.p;
	size_t n = p->tok.n;

	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)digits[i] - '0';

		if (digit > 9 || id > (UINT64_MAX - digit) / 10)
			return false;
		id = id * 10 + digit;
	}
	if (my_next(p))
		return false;
	out->id = id;
	out->id_known = true;
	out->id_at = (size_t)(digits - p->text);
	out->id_n = n;
	return true;
}

/* PREPARE s FROM ..., EXECUTE IMMEDIATE ...: the text is what stands here alone. */
static void take_source(struct my_pass *p)
{
	struct sql_my_tok t = p->tok;

	if (p->ended)
		return;
	p->out->source = SQL_MY_SOURCE_OTHER;
	if (my_next(p) && seen_id(p->prev) != MY_W_USING)
		return;
	if (t.kind == SQL_MY_TOK_STRING && !t.national)
		p->out->source = SQL_MY_SOURCE_LITERAL;
	else if (t.kind == SQL_MY_TOK_VAR)
		p->out->source = SQL_MY_SOURCE_VAR;
	p->out->source_at = (size_t)(t.p - p->text);
	p->out->source_n = t.n;
}

static void begin(struct my_pass *p)
{
	uint16_t id = next_id(p);

	be(p, SQL_MY_V_BEGIN, SQL_MY_TX_BEGIN | SQL_MY_IMPLICIT_COMMIT | SQL_MY_TABLE_UNLOCK);
	if (!p->ended && id != MY_W_WORK) {
		be(p, SQL_MY_V_COMPOUND, 0);
		my_unsure(p);
	}
}

static void start(struct my_pass *p)
{
	if (next_id(p) != MY_W_TRANSACTION) {
		be(p, SQL_MY_V_UTILITY, SERVER);
		return;
	}
	be(p, SQL_MY_V_BEGIN, SQL_MY_TX_BEGIN | SQL_MY_IMPLICIT_COMMIT | SQL_MY_TABLE_UNLOCK);
	while (my_next(p))
		if (seen_id(p->prev) == MY_W_SNAPSHOT)
			p->flags |= SQL_MY_TX_SNAPSHOT;
}

static void end_transaction(struct my_pass *p, enum sql_my_verb verb)
{
	be(p, verb, 0);
	while (my_next(p)) {
		bool no = seen_id(p->prev2) == MY_W_NO;

		if (seen_id(p->prev) == MY_W_CHAIN && !no) {
			p->flags |= SQL_MY_TX_CHAIN;
		} else if (seen_id(p->prev) == MY_W_RELEASE && !no) {
			p->flags |= SQL_MY_TX_RELEASE;
		} else if (seen_id(p->prev) == MY_W_TO) {
			be(p, SQL_MY_V_ROLLBACK_TO, SQL_MY_TX_SUB);
			next_name(p);
			if (seen_id(p->prev) == MY_W_SAVEPOINT)
				next_name(p);
			return;
		}
	}
	p->flags |= SQL_MY_TX_END;
}

static void xa(struct my_pass *p)
{
	uint16_t id = next_id(p);

	be(p, SQL_MY_V_XA, SQL_MY_XA);
	p->expressions = false;
	if (id == MY_W_START || id == MY_W_BEGIN)
		p->flags |= SQL_MY_TX_BEGIN;
	else if (id != MY_W_END && id != MY_W_RECOVER)
		p->flags |= SQL_MY_TX_END;
}

static void release(struct my_pass *p)
{
	be(p, SQL_MY_V_RELEASE, SQL_MY_TX_SUB);
	(void)my_next(p);
	next_name(p);
}

/* MariaDB's SET STATEMENT begins here. */
static bool is_set_statement(const struct my_pass *p)
{
	struct sql_my_lex ahead = p->lex;
	struct sql_my_tok t;

	if (!p->o->mariadb)
		return false;
	sql_my_lex_next(&ahead, &t);
	return t.id == MY_W_STATEMENT;
}

static void set(struct my_pass *p)
{
	if (!is_set_statement(p)) {
		be(p, SQL_MY_V_SET, 0);
		if (p->out->verb == SQL_MY_V_SET_STATEMENT)
			my_unsure(p);
		return;
	}
	be(p, SQL_MY_V_SET_STATEMENT, 0);
	p->out->verb = SQL_MY_V_SET_STATEMENT;
	while (my_next(p))
		if (seen_id(p->prev) == MY_W_FOR && p->depth == 0) {
			if (my_next(p))
				my_verb(p);
			return;
		}
}

static void prepare(struct my_pass *p)
{
	be(p, SQL_MY_V_PREPARE, SQL_MY_PREPARE);
	next_name(p);
	if (next_id(p) == MY_W_FROM && my_next(p))
		take_source(p);
}

static void execute(struct my_pass *p)
{
	be(p, SQL_MY_V_EXECUTE, SQL_MY_EXECUTE);
	if (my_next(p) && seen_id(p->prev) == MY_W_IMMEDIATE) {
		if (my_next(p))
			take_source(p);
	} else {
		take_name(p);
	}
}

static void deallocate(struct my_pass *p)
{
	be(p, SQL_MY_V_DEALLOCATE, SQL_MY_DEALLOCATE);
	next_name(p);
}

static void kill_connection(struct my_pass *p)
{
	struct sql_my_stmt *out = p->out;
	uint16_t id = next_id(p);

	be(p, SQL_MY_V_KILL, SQL_MY_CONN_REF);
	out->kill = SQL_MY_KILL_CONNECTION;
	if (id == MY_W_HARD || id == MY_W_SOFT)
		id = next_id(p);
	if (id == MY_W_CONNECTION || id == MY_W_QUERY) {
		if (id == MY_W_QUERY)
			out->kill = SQL_MY_KILL_QUERY;
		id = next_id(p);
	}
	if (id == MY_W_ID && out->kill == SQL_MY_KILL_QUERY) {
		out->kill = SQL_MY_KILL_QUERY_ID;
		id = next_id(p);
	}
	if (id == MY_W_USER)
		out->kill = SQL_MY_KILL_USER;
	else if (!take_id(p))
		out->kill = SQL_MY_KILL_OTHER;
}

static void lock(struct my_pass *p)
{
	uint16_t id = next_id(p);

	p->expressions = false;
	if (id == MY_W_INSTANCE) {
		be(p, SQL_MY_V_LOCK, SQL_MY_INSTANCE_LOCK);
		return;
	}
	be(p, SQL_MY_V_LOCK, SQL_MY_TABLE_LOCK | SQL_MY_IMPLICIT_COMMIT);
	while (my_next(p))
		if (seen_id(p->prev) == MY_W_WRITE)
			p->flags |= SQL_MY_WRITE;
}

static void unlock(struct my_pass *p)
{
	be(p, SQL_MY_V_UNLOCK, 0);
	p->flags |= next_id(p) == MY_W_INSTANCE
			    ? SQL_MY_INSTANCE_UNLOCK
			    : SQL_MY_TABLE_UNLOCK | SQL_MY_GLOBAL_UNLOCK | SQL_MY_IMPLICIT_COMMIT;
}

/* MariaDB */
static void backup(struct my_pass *p)
{
	uint16_t id = next_id(p);

	be(p, SQL_MY_V_LOCK, SQL_MY_SERVER_WIDE);
	if (id == MY_W_LOCK)
		p->flags |= SQL_MY_INSTANCE_LOCK;
	else if (id == MY_W_UNLOCK)
		be(p, SQL_MY_V_UNLOCK, SQL_MY_INSTANCE_UNLOCK);
	else
		p->flags |= SQL_MY_OPAQUE | SQL_MY_IMPLICIT_COMMIT;
}

static void flush(struct my_pass *p)
{
	be(p, SQL_MY_V_FLUSH, SERVER | SQL_MY_WRITE);
	p->expressions = false;
	while (my_next(p)) {
		if (seen_id(p->prev) == MY_W_LOCK)
			p->flags |= SQL_MY_TABLE_LOCK | SQL_MY_GLOBAL_LOCK;
		else if (seen_id(p->prev) == MY_W_EXPORT)
			p->flags |= SQL_MY_TABLE_LOCK;
	}
}

/* EXPLAIN FOR CONNECTION 7, SHOW EXPLAIN FOR 7: behind FOR. */
static void connection_of(struct my_pass *p)
{
	p->flags |= SQL_MY_CONN_REF;
	p->out->kill = SQL_MY_KILL_OTHER;
	if (next_id(p) == MY_W_CONNECTION)
		(void)my_next(p);
	(void)take_id(p);
}

static void show(struct my_pass *p)
{
	uint16_t id = next_id(p);

	be(p, SQL_MY_V_SHOW, 0);
	if (id == MY_W_FULL)
		id = next_id(p);
	switch (id) {
	case MY_W_WARNINGS:
	case MY_W_ERRORS: be(p, SQL_MY_V_SHOW_DIAG, SQL_MY_DIAG | SQL_MY_KEEPS_DIAG); break;
	case MY_W_PROCESSLIST: be(p, SQL_MY_V_SHOW_PROCESSLIST, SQL_MY_PROCESSLIST); break;
	case MY_W_PROFILE:
	case MY_W_PROFILES: p->flags |= SQL_MY_PROFILE; break;
	case MY_W_EXPLAIN:
	case MY_W_ANALYZE:
		while (my_next(p))
			if (seen_id(p->prev) == MY_W_FOR)
				connection_of(p);
		break;
	default:
		/* SHOW COUNT(*) WARNINGS: COUNT is no keyword */
		if (p->tok.word != NULL && p->tok.word == my_word_of("count", 5))
			be(p, SQL_MY_V_SHOW_DIAG, SQL_MY_DIAG | SQL_MY_KEEPS_DIAG);
		break;
	}
}

/* A statement that EXPLAIN can explain starts here. */
static bool is_explainable(const struct my_pass *p)
{
	switch (seen_id(p->prev)) {
	case MY_W_SELECT:
	case MY_W_WITH:
	case MY_W_VALUES:
	case MY_W_TABLE:
	case MY_W_INSERT:
	case MY_W_REPLACE:
	case MY_W_UPDATE:
	case MY_W_DELETE: return true;
	default: return p->tok.ch == '(';
	}
}

/* The server runs parts of what it explains, and all of what it analyzes: its flags count. */
static void explain(struct my_pass *p)
{
	be(p, SQL_MY_V_EXPLAIN, 0);
	p->out->verb = SQL_MY_V_EXPLAIN;
	p->expressions = false; /* FORMAT = TREE (SELECT 1) is no call */
	while (my_next(p)) {
		if (is_explainable(p)) {
			p->expressions = true;
			my_verb(p);
			return;
		}
		if (seen_id(p->prev) == MY_W_FOR && !p->ended) {
			struct sql_my_lex ahead = p->lex;
			struct sql_my_tok t;

			sql_my_lex_next(&ahead, &t);
			if (t.id == MY_W_CONNECTION || t.kind == SQL_MY_TOK_NUMBER)
				connection_of(p);
		}
	}
}

static void analyze(struct my_pass *p)
{
	struct sql_my_lex ahead = p->lex;
	struct sql_my_tok t;

	sql_my_lex_next(&ahead, &t);
	if (t.id != MY_W_TABLE && t.id != MY_W_TABLES && t.id != MY_W_LOCAL &&
		t.id != MY_W_NO_WRITE_TO_BINLOG) {
		explain(p);
		return;
	}
	be(p, SQL_MY_V_UTILITY, SQL_MY_WRITE | SQL_MY_IMPLICIT_COMMIT);
	p->expressions = false;
}

static void handler(struct my_pass *p)
{
	be(p, SQL_MY_V_HANDLER, 0);
	(void)my_next(p);
	while (my_next(p)) {
		if (p->tok.ch == '.') {
			(void)my_next(p);
			continue;
		}
		p->flags |= seen_id(p->prev) == MY_W_OPEN    ? SQL_MY_HANDLER_OPEN
			    : seen_id(p->prev) == MY_W_CLOSE ? SQL_MY_HANDLER_CLOSE
							     : SQL_MY_HANDLER_USE;
		return;
	}
}

static void load(struct my_pass *p)
{
	uint16_t id = next_id(p);

	if (id != MY_W_DATA && id != MY_W_XML) {
		be(p, SQL_MY_V_UTILITY, SERVER);
		p->expressions = false;
		return;
	}
	/* LAST_INSERT_ID() changes while the OK says 0 (seen on MySQL 9.7) */
	be(p, SQL_MY_V_LOAD, SQL_MY_WRITE | SQL_MY_SET_LAST_ID);
	while (my_next(p)) {
		if (seen_id(p->prev) == MY_W_LOCAL)
			p->flags |= SQL_MY_LOCAL_INFILE;
		else if (seen_id(p->prev) == MY_W_INFILE)
			return;
	}
}

/* CREATE and ALTER, up to the word that says what. */
static void create(struct my_pass *p)
{
	be(p, SQL_MY_V_DDL, CATALOG);
	p->expressions = false;
	while (my_next(p)) {
		switch (seen_id(p->prev)) {
		case MY_W_TEMPORARY:
			p->flags &= ~(SQL_MY_DDL | SQL_MY_IMPLICIT_COMMIT);
			p->flags |= SQL_MY_TEMP_MAKE;
			return;
		case MY_W_PROCEDURE:
		case MY_W_FUNCTION:
		case MY_W_TRIGGER:
		case MY_W_EVENT:
		case MY_W_PACKAGE: p->program = p->quiet = true; return;
		case MY_W_USER: p->flags |= SQL_MY_PASSWORD; return;
		case MY_W_VIEW: p->quiet = true; return;
		case MY_W_TABLE:
		case MY_W_DATABASE:
		case MY_W_SCHEMA:
		case MY_W_INDEX: return;
		default: break;
		}
	}
}

static void alter(struct my_pass *p)
{
	struct sql_my_lex ahead = p->lex;
	struct sql_my_tok t;

	sql_my_lex_next(&ahead, &t);
	if (t.id == MY_W_INSTANCE)
		be(p, SQL_MY_V_UTILITY, SERVER);
	else
		create(p);
}

static void drop(struct my_pass *p)
{
	uint16_t id = next_id(p);

	if (id == MY_W_PREPARE) {
		deallocate(p);
		return;
	}
	be(p, SQL_MY_V_DDL, CATALOG);
	p->expressions = false;
	if (id == MY_W_TEMPORARY) {
		p->flags &= ~(SQL_MY_DDL | SQL_MY_IMPLICIT_COMMIT);
		p->flags |= SQL_MY_TEMP_DROP;
	} else if (id == MY_W_TABLE || id == MY_W_TABLES || id == MY_W_SEQUENCE) {
		p->flags |= SQL_MY_TEMP_DROP;
	} else if (id == MY_W_DATABASE || id == MY_W_SCHEMA) {
		p->flags |= SQL_MY_USE;
	} else if (id == MY_W_USER) {
		p->flags |= SQL_MY_PASSWORD;
	}
}

static void call(struct my_pass *p)
{
	be(p, SQL_MY_V_CALL, SQL_MY_STORED | SQL_MY_WRITE);
}

static void with(struct my_pass *p)
{
	be(p, SQL_MY_V_SELECT, 0);
	p->with_list = true;
}

/* What needs no more than its first word. */
static void plain(struct my_pass *p, uint16_t id)
{
	switch (id) {
	case MY_W_SELECT: be(p, SQL_MY_V_SELECT, 0); return;
	case MY_W_VALUES: be(p, SQL_MY_V_VALUES, 0); return;
	case MY_W_TABLE: be(p, SQL_MY_V_TABLE, 0); return;
	case MY_W_INSERT:
	case MY_W_REPLACE: be(p, SQL_MY_V_INSERT, SQL_MY_WRITE); return;
	case MY_W_UPDATE: be(p, SQL_MY_V_UPDATE, SQL_MY_WRITE); return;
	case MY_W_DELETE: be(p, SQL_MY_V_DELETE, SQL_MY_WRITE); return;
	case MY_W_DO: be(p, SQL_MY_V_DO, 0); return;
	case MY_W_HELP: be(p, SQL_MY_V_HELP, 0); break;
	case MY_W_GET: be(p, SQL_MY_V_GET_DIAG, SQL_MY_DIAG | SQL_MY_KEEPS_DIAG); return;
	case MY_W_SIGNAL:
	case MY_W_RESIGNAL: be(p, SQL_MY_V_UTILITY, 0); return;
	case MY_W_CHECKSUM: be(p, SQL_MY_V_UTILITY, 0); break;
	case MY_W_CHECK:
	case MY_W_OPTIMIZE:
	case MY_W_REPAIR: be(p, SQL_MY_V_UTILITY, SQL_MY_WRITE | SQL_MY_IMPLICIT_COMMIT); break;
	case MY_W_RENAME:
	case MY_W_GRANT:
	case MY_W_REVOKE: be(p, SQL_MY_V_DDL, CATALOG | SQL_MY_PASSWORD); break;
	case MY_W_TRUNCATE: be(p, SQL_MY_V_DDL, CATALOG); break;
	case MY_W_BINLOG: be(p, SQL_MY_V_UTILITY, SERVER | SQL_MY_OPAQUE | SQL_MY_WRITE); return;
	case MY_W_CHANGE:
	case MY_W_PURGE:
	case MY_W_RESET:
	case MY_W_STOP:
	case MY_W_SHUTDOWN:
	case MY_W_RESTART:
	case MY_W_CACHE: be(p, SQL_MY_V_UTILITY, SERVER); return;
	case MY_W_CLONE:
	case MY_W_IMPORT:
	case MY_W_INSTALL:
	case MY_W_UNINSTALL: be(p, SQL_MY_V_UTILITY, SERVER | SQL_MY_WRITE); return;
	case MY_W_IF:
	case MY_W_CASE:
	case MY_W_LOOP:
	case MY_W_WHILE:
	case MY_W_REPEAT:
	case MY_W_FOR:
	case MY_W_DECLARE:
		be(p, SQL_MY_V_COMPOUND, 0);
		my_unsure(p);
		return;
	default:
		be(p, SQL_MY_V_OTHER, 0);
		my_unsure(p);
		return;
	}
	p->expressions = false;
}

static void first_word(struct my_pass *p, uint16_t id)
{
	switch (id) {
	case MY_W_WITH: with(p); break;
	case MY_W_SET: set(p); break;
	case MY_W_BEGIN: begin(p); break;
	case MY_W_START: start(p); break;
	case MY_W_COMMIT: end_transaction(p, SQL_MY_V_COMMIT); break;
	case MY_W_ROLLBACK: end_transaction(p, SQL_MY_V_ROLLBACK); break;
	case MY_W_SAVEPOINT:
		be(p, SQL_MY_V_SAVEPOINT, SQL_MY_TX_SUB);
		next_name(p);
		break;
	case MY_W_RELEASE: release(p); break;
	case MY_W_XA: xa(p); break;
	case MY_W_USE:
		be(p, SQL_MY_V_USE, SQL_MY_USE);
		next_name(p);
		break;
	case MY_W_CALL: call(p); break;
	case MY_W_PREPARE: prepare(p); break;
	case MY_W_EXECUTE: execute(p); break;
	case MY_W_DEALLOCATE:
		(void)my_next(p);
		deallocate(p);
		break;
	case MY_W_KILL: kill_connection(p); break;
	case MY_W_LOCK: lock(p); break;
	case MY_W_UNLOCK: unlock(p); break;
	case MY_W_BACKUP: backup(p); break;
	case MY_W_FLUSH: flush(p); break;
	case MY_W_SHOW: show(p); break;
	case MY_W_EXPLAIN:
	case MY_W_DESCRIBE:
	case MY_W_DESC: explain(p); break;
	case MY_W_ANALYZE: analyze(p); break;
	case MY_W_HANDLER: handler(p); break;
	case MY_W_LOAD: load(p); break;
	case MY_W_CREATE: create(p); break;
	case MY_W_ALTER: alter(p); break;
	case MY_W_DROP: drop(p); break;
	default: plain(p, id); break;
	}
}

void my_verb(struct my_pass *p)
{
	while (p->tok.ch == '(')
		if (!my_next(p))
			break;
	if (p->ended) {
		be(p, SQL_MY_V_OTHER, 0);
		my_unsure(p);
	} else {
		first_word(p, seen_id(p->prev));
	}
	/* The one inside EXPLAIN and SET STATEMENT leaves theirs. */
	if (p->out->verb == SQL_MY_V_EMPTY)
		p->out->verb = p->verb;
}
