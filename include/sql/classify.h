/*
 * sql/classify.h - what a SQL text may do to the session that runs it.
 *
 * A closed world: what is not known to be harmless is reported. Flags over-report where the
 * grammar would have to be parsed to know better; they must never under-report. Ignorant of
 * protocols, pools and of what the server's catalogs hold. No allocation, no I/O, no state
 * outside the structs given: any thread.
 *
 * Not seen, by design: what views, triggers, operators, casts, domains, policies and functions
 * called by attribute notation (row.func) run inside the server, and a user function that
 * shadows a builtin of the same name by search_path.
 */
#ifndef WEIRPOOL_SQL_CLASSIFY_H
#define WEIRPOOL_SQL_CLASSIFY_H

#include "sql/lex.h"

enum sql_verb {
	SQL_V_EMPTY,  /* nothing but whitespace, comments and semicolons */
	SQL_V_SELECT, /* also in parentheses */
	SQL_V_INSERT,
	SQL_V_UPDATE,
	SQL_V_DELETE,
	SQL_V_MERGE,
	SQL_V_VALUES,
	SQL_V_TABLE,
	SQL_V_WITH, /* SQL_F_WRITE tells whether it modifies */
	SQL_V_BEGIN,
	SQL_V_COMMIT,
	SQL_V_ROLLBACK,
	SQL_V_SAVEPOINT,
	SQL_V_RELEASE,
	SQL_V_ROLLBACK_TO,
	SQL_V_PREPARE_TX,      /* PREPARE TRANSACTION */
	SQL_V_FINISH_PREPARED, /* COMMIT PREPARED, ROLLBACK PREPARED */
	SQL_V_SET,
	SQL_V_RESET,
	SQL_V_SHOW,
	SQL_V_DISCARD,
	SQL_V_PREPARE,
	SQL_V_EXECUTE,
	SQL_V_DEALLOCATE,
	SQL_V_DECLARE,
	SQL_V_FETCH, /* and MOVE */
	SQL_V_CLOSE,
	SQL_V_LISTEN,
	SQL_V_UNLISTEN,
	SQL_V_NOTIFY,
	SQL_V_COPY,
	SQL_V_DO,
	SQL_V_CALL,
	SQL_V_LOAD,
	SQL_V_EXPLAIN,
	SQL_V_LOCK,
	SQL_V_DDL,     /* CREATE, ALTER, DROP, GRANT, REVOKE, COMMENT, TRUNCATE, ... */
	SQL_V_UTILITY, /* VACUUM, ANALYZE, CHECKPOINT, REINDEX, CLUSTER, ... */
	SQL_V_OTHER,   /* starts with no known verb: SQL_F_UNKNOWN is set */
};

/* Flags over the whole text: what any of its statements may do. */
#define SQL_F_MULTI (UINT64_C(1) << 0) /* more than one non-empty statement */
#define SQL_F_BAD (UINT64_C(1) << 1)   /* does not lex, or nests too deep: everything is possible */
#define SQL_F_UNKNOWN \
	(UINT64_C(1) << 2) /* runs code we do not know: user functions, DO, CALL, extensions */
#define SQL_F_SET (UINT64_C(1) << 3)       /* SET/RESET of a setting beyond the transaction */
#define SQL_F_SET_LOCAL (UINT64_C(1) << 4) /* SET LOCAL, SET TRANSACTION, SET CONSTRAINTS */
#define SQL_F_SET_ROLE \
	(UINT64_C(1) << 5) /* ROLE or SESSION AUTHORIZATION; beside _SET or _SET_LOCAL */
#define SQL_F_SET_CONFIG (UINT64_C(1) << 6) /* calls set_config(), or updates pg_settings */
#define SQL_F_DISCARD_ALL (UINT64_C(1) << 7)
#define SQL_F_DISCARD_PLANS (UINT64_C(1) << 8)
#define SQL_F_DISCARD_SEQUENCES (UINT64_C(1) << 9)
#define SQL_F_DISCARD_TEMP (UINT64_C(1) << 10)
#define SQL_F_PREPARE \
	(UINT64_C(1) << 11) /* PREPARE name AS; the body's own flags are set as well */
#define SQL_F_EXECUTE (UINT64_C(1) << 12) /* EXECUTE, also inside EXPLAIN and CREATE TABLE AS */
#define SQL_F_DEALLOCATE (UINT64_C(1) << 13)
#define SQL_F_DEALLOCATE_ALL (UINT64_C(1) << 14) /* beside SQL_F_DEALLOCATE */
#define SQL_F_TEMP (UINT64_C(1) << 15) /* may create temporary objects, or names pg_temp */
#define SQL_F_DROP (UINT64_C(1) << 16) /* DROP: may have dropped the last temporary object */
#define SQL_F_LISTEN (UINT64_C(1) << 17)
#define SQL_F_UNLISTEN (UINT64_C(1) << 18)
#define SQL_F_ADVISORY (UINT64_C(1) << 19) /* takes or gives back session advisory locks */
#define SQL_F_HOLD (UINT64_C(1) << 20)     /* DECLARE ... WITH HOLD */
#define SQL_F_CLOSE (UINT64_C(1) << 21)    /* CLOSE */
#define SQL_F_LOAD (UINT64_C(1) << 22)
#define SQL_F_SEED (UINT64_C(1) << 23)     /* setseed(), SET seed */
#define SQL_F_SEQ_READ (UINT64_C(1) << 24) /* currval(), lastval() */
#define SQL_F_SEQ_USE (UINT64_C(1) << 25)  /* nextval(), setval() */
#define SQL_F_OPAQUE (UINT64_C(1) << 26) /* session state that no query shows: pin without asking */
#define SQL_F_TX_BEGIN (UINT64_C(1) << 27)
#define SQL_F_TX_END (UINT64_C(1) << 28)   /* COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION */
#define SQL_F_TX_CHAIN (UINT64_C(1) << 29) /* ... AND CHAIN */
#define SQL_F_TX_SUB (UINT64_C(1) << 30)   /* SAVEPOINT, RELEASE, ROLLBACK TO */
#define SQL_F_WRITE (UINT64_C(1) << 31)    /* may modify tables or the catalog */
#define SQL_F_ROW_LOCK (UINT64_C(1) << 32) /* FOR UPDATE, FOR SHARE, ... */
#define SQL_F_COPY_IN (UINT64_C(1) << 33)  /* COPY ... FROM STDIN */
#define SQL_F_COPY_OUT (UINT64_C(1) << 34) /* COPY ... TO STDOUT */
#define SQL_F_NOT_IN_TX \
	(UINT64_C(1) << 35) /* refused inside a transaction block: VACUUM, CREATE DATABASE ... */
#define SQL_F_DDL \
	(UINT64_C(1) << 36) /* changes the catalog; with pg_temp first in search_path a CREATE
					    * may make a temporary object without saying so */
#define SQL_F_TX_COMMIT (UINT64_C(1) << 37) /* of SQL_F_TX_END, those that are no ROLLBACK */

/* Nothing here outlives the transaction, and nothing needs asking, when none of these is set. */
#define SQL_F_SESSION \
	(SQL_F_BAD | SQL_F_UNKNOWN | SQL_F_SET | SQL_F_SET_ROLE | SQL_F_SET_CONFIG | \
		SQL_F_DISCARD_ALL | SQL_F_DISCARD_PLANS | SQL_F_DISCARD_SEQUENCES | \
		SQL_F_DISCARD_TEMP | SQL_F_PREPARE | SQL_F_EXECUTE | SQL_F_DEALLOCATE | \
		SQL_F_DEALLOCATE_ALL | SQL_F_TEMP | SQL_F_LISTEN | SQL_F_UNLISTEN | \
		SQL_F_ADVISORY | SQL_F_HOLD | SQL_F_LOAD | SQL_F_SEED | SQL_F_SEQ_READ | \
		SQL_F_SEQ_USE | SQL_F_OPAQUE)

/* How the text's only statement sets its setting; see struct sql_stmt_info. */
enum sql_set {
	SQL_SET_NONE,  /* not exactly one SET/RESET, or one whose value only the server can tell */
	SQL_SET_VALUE, /* name := value */
	SQL_SET_DEFAULT, /* SET name TO DEFAULT, RESET name */
	SQL_SET_ALL,     /* RESET ALL */
};

#define SQL_NAME_MAX 127
#define SQL_VALUE_MAX 1023

struct sql_opts {
	const struct sql_dialect *dialect;
	bool standard_conforming_strings;
	/* client_encoding is SJIS, BIG5, GBK, UHC, GB18030, JOHAB or SHIFT_JIS_2004: an ASCII
	 * byte may be the second half of a character. Text with bytes above 0x7f is then
	 * SQL_F_BAD. */
	bool unsafe_encoding;
	/* Major version (15, 18). A builtin that a server of this version may lack is an unknown
	 * function; 0 trusts only the oldest. */
	unsigned server_major;
};

/*
 * What sql_classify() found. When set_kind is not NONE, set_name is the setting in lower case
 * (ROLE: "role", SESSION AUTHORIZATION: "session_authorization", TIME ZONE: "timezone", NAMES:
 * "client_encoding", SCHEMA: "search_path") and, for VALUE, the value is what SELECT
 * set_config(name, value, false) needs for the same effect: identifiers folded, several list
 * elements joined by ", ", elements of search_path and its like quoted where needed. It holds
 * only after the server has accepted the statement. set_local: only for the transaction.
 *
 * name is filled for exactly one PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, CLOSE, LISTEN,
 * UNLISTEN, NOTIFY, SAVEPOINT, RELEASE or ROLLBACK TO: folded or unquoted, at most SQL_IDENT_MAX
 * bytes; name_n 0 when there is none (ALL, *, too long, U&"..."). name_at/name_src_n: where it
 * stands in the text as written, for a rewriter.
 */
struct sql_stmt_info {
	uint64_t flags;
	enum sql_verb verb;    /* of the first non-empty statement */
	unsigned n_statements; /* non-empty ones */
	enum sql_set set_kind;
	bool set_local;
	uint16_t set_name_n;
	uint16_t set_value_n;
	uint16_t name_n;
	size_t name_at, name_src_n;
	char name[SQL_IDENT_MAX +
		  1]; /* these three: bytes beyond their length are not initialised; */
	char set_name[SQL_NAME_MAX + 1]; /* all three end in NUL when filled */
	char set_value[SQL_VALUE_MAX + 1];
};

/* Classifies n bytes of text (a simple Query without its NUL, or the text of a Parse). Cannot
 * fail: text that does not lex yields SQL_F_BAD. Time is linear in n. */
void sql_classify(
	const struct sql_opts *o, const char *text, size_t n, struct sql_stmt_info *out_r);

/* "select", "set", ... for logs. */
const char *sql_verb_name(enum sql_verb v);

#endif
