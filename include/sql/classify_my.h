/*
 * sql/classify_my.h - what a MySQL or MariaDB text may do to the session that runs it, and what
 * of it the server's session trackers do not tell.
 *
 * A closed world: what is not known to be harmless is reported. Flags over-report where the
 * grammar would have to be parsed to know better; they must never under-report. Where the text
 * cannot be read with certainty it is SQL_MY_UNSURE: everything is possible, so pin the link
 * or ask the server. Not a security boundary. Ignorant of the wire, of pools and of what the
 * server's dictionary holds. No allocation, no I/O, no state outside the structs given: any
 * thread.
 *
 * Not seen, by design: what views, triggers, generated columns and events run inside the
 * server. A trigger that SETs a variable or makes a temporary table is reported by the trackers
 * (STATE); one that calls GET_LOCK() is not.
 */
#ifndef WEIRPOOL_SQL_CLASSIFY_MY_H
#define WEIRPOOL_SQL_CLASSIFY_MY_H

#include "sql/lex_my.h"

enum sql_my_verb {
	SQL_MY_V_EMPTY,  /* blanks and comments only; a COM_QUERY of nothing else is error 1065 */
	SQL_MY_V_SELECT, /* also in parentheses, WITH ... SELECT */
	SQL_MY_V_VALUES,
	SQL_MY_V_TABLE,
	SQL_MY_V_INSERT, /* and REPLACE */
	SQL_MY_V_UPDATE, /* also behind WITH */
	SQL_MY_V_DELETE, /* also behind WITH */
	SQL_MY_V_LOAD,   /* LOAD DATA, LOAD XML; SQL_MY_LOCAL_INFILE */
	SQL_MY_V_DO,
	SQL_MY_V_CALL,
	SQL_MY_V_HANDLER,
	SQL_MY_V_BEGIN, /* BEGIN [WORK], START TRANSACTION ... */
	SQL_MY_V_COMMIT,
	SQL_MY_V_ROLLBACK,
	SQL_MY_V_SAVEPOINT,
	SQL_MY_V_RELEASE, /* RELEASE SAVEPOINT */
	SQL_MY_V_ROLLBACK_TO,
	SQL_MY_V_XA,
	SQL_MY_V_SET,           /* assignments: sql_my_set_next() */
	SQL_MY_V_SET_STATEMENT, /* MariaDB: SET STATEMENT ... FOR; the flags are those of both */
	SQL_MY_V_USE,           /* name: the schema */
	SQL_MY_V_PREPARE,       /* name; source, source_at, source_n */
	SQL_MY_V_EXECUTE,       /* name; EXECUTE IMMEDIATE has no name but a source */
	SQL_MY_V_DEALLOCATE,    /* name; also DROP PREPARE */
	SQL_MY_V_KILL,          /* kill, id */
	SQL_MY_V_LOCK,          /* LOCK TABLES, LOCK INSTANCE, BACKUP STAGE, BACKUP LOCK */
	SQL_MY_V_UNLOCK,
	SQL_MY_V_FLUSH,
	SQL_MY_V_SHOW,
	SQL_MY_V_SHOW_DIAG,        /* SHOW WARNINGS, SHOW ERRORS, SHOW COUNT(*) ... */
	SQL_MY_V_SHOW_PROCESSLIST, /* SHOW [FULL] PROCESSLIST */
	SQL_MY_V_GET_DIAG,         /* GET [CURRENT] DIAGNOSTICS */
	SQL_MY_V_EXPLAIN,          /* and DESCRIBE; with ANALYZE the flags are the statement's */
	SQL_MY_V_HELP,
	SQL_MY_V_DDL,     /* CREATE, ALTER, DROP, RENAME, TRUNCATE, GRANT, REVOKE, ... */
	SQL_MY_V_UTILITY, /* ANALYZE, CHECK, OPTIMIZE, PURGE, INSTALL, CHANGE, START REPLICA, ... */
	SQL_MY_V_COMPOUND, /* MariaDB: BEGIN NOT ATOMIC, IF, WHILE, ... outside a program; unsure */
	SQL_MY_V_OTHER,    /* starts with no known verb: SQL_MY_UNSURE is set */
};

/* Facts. "Silent": no tracker of either family tells. */

/* -- how far we understood -- */
#define SQL_MY_UNSURE (UINT64_C(1) << 0) /* not read with certainty: everything is possible */
#define SQL_MY_STORED \
	(UINT64_C(1) \
		<< 1) /* runs code we do not see: CALL, stored or loadable functions, EXECUTE */
#define SQL_MY_MULTI (UINT64_C(1) << 2) /* sql_my_classify(): more than one statement */
/* -- data -- */
#define SQL_MY_WRITE (UINT64_C(1) << 3) /* may change tables, accounts or the dictionary */
#define SQL_MY_DDL (UINT64_C(1) << 4)   /* changes the dictionary */
#define SQL_MY_ROW_LOCK \
	(UINT64_C(1) << 5) /* FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE: refused by a replica */
#define SQL_MY_LOCAL_INFILE (UINT64_C(1) << 6) /* LOAD ... LOCAL: the server asks for a file */
#define SQL_MY_SERVER_WIDE \
	(UINT64_C(1) << 7) /* SET GLOBAL/PERSIST, FLUSH, replication, plugins, SHUTDOWN, ... */
/* -- transactions -- */
#define SQL_MY_TX_BEGIN (UINT64_C(1) << 8)
#define SQL_MY_TX_SNAPSHOT (UINT64_C(1) << 9) /* WITH CONSISTENT SNAPSHOT: replay cannot make it */
#define SQL_MY_TX_END (UINT64_C(1) << 10)     /* COMMIT, ROLLBACK; also XA PREPARE/COMMIT/... */
#define SQL_MY_TX_CHAIN (UINT64_C(1) << 11)   /* ... AND CHAIN */
#define SQL_MY_TX_RELEASE (UINT64_C(1) << 12) /* ... RELEASE: the server closes the connection */
#define SQL_MY_TX_SUB (UINT64_C(1) << 13)     /* SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO */
#define SQL_MY_XA (UINT64_C(1) << 14)
#define SQL_MY_IMPLICIT_COMMIT \
	(UINT64_C(1) << 15) /* ends an open transaction first: DDL, LOCK TABLES, BEGIN, ... */
#define SQL_MY_SET_TX_ONCE \
	(UINT64_C(1) << 16) /* SET TRANSACTION, SET @@transaction_...: the next transaction only */
/* -- variables -- */
#define SQL_MY_SET_SYS (UINT64_C(1) << 17) /* SET of a session variable: the trackers tell */
#define SQL_MY_SET_SILENT \
	(UINT64_C(1) << 18) /* sets a session variable whose value the trackers do not tell, or
	                     * that only one statement uses (insert_id, timestamp, rand_seed1):
	                     * pin, or read it back; see enum sql_my_sysvar */
#define SQL_MY_SET_MODE (UINT64_C(1) << 19) /* may change sql_mode: the lexer's own ground */
#define SQL_MY_SET_NAMES \
	(UINT64_C(1) << 20) /* SET NAMES, CHARACTER SET, character_set_*, collation_*; silent in
	                     * part: collation_connection may change without a word */
#define SQL_MY_SET_TRACKER (UINT64_C(1) << 21) /* sets a session_track_... variable */
#define SQL_MY_VAR_SET (UINT64_C(1) << 22)     /* SET @x: STATE, neither name nor value */
#define SQL_MY_VAR_SILENT \
	(UINT64_C(1) << 23) /* @x :=, SELECT ... INTO @x, CALL p(@x), GET DIAGNOSTICS @x, LOAD
	                     * ... (@x), EXPLAIN INTO @x: silent */
#define SQL_MY_VAR_READ (UINT64_C(1) << 24) /* reads some @x */
#define SQL_MY_ROLE (UINT64_C(1) << 25)     /* SET ROLE: silent on MySQL; kept by RESET */
#define SQL_MY_IDENTITY \
	(UINT64_C(1) << 26) /* SET SESSION AUTHORIZATION (MariaDB 12): another user from here on */
#define SQL_MY_USE (UINT64_C(1) << 27) /* USE; DROP DATABASE may leave none: SCHEMA tells */
/* -- what stays until it is given back -- */
#define SQL_MY_TEMP_MAKE \
	(UINT64_C(1) << 28) /* CREATE TEMPORARY ...: STATE, but CREATE ... SELECT is silent */
#define SQL_MY_TEMP_DROP \
	(UINT64_C(1) << 29) /* DROP TABLE, also without TEMPORARY; may be the last temporary one */
#define SQL_MY_TABLE_LOCK \
	(UINT64_C(1) << 30) /* LOCK TABLES, FLUSH TABLES t WITH READ LOCK / FOR EXPORT */
#define SQL_MY_TABLE_UNLOCK (UINT64_C(1) << 31) /* UNLOCK TABLES; BEGIN does it as well */
#define SQL_MY_GLOBAL_LOCK \
	(UINT64_C(1) << 32) /* FLUSH TABLES ... WITH READ LOCK: silent; BEGIN does not end it */
#define SQL_MY_GLOBAL_UNLOCK (UINT64_C(1) << 33) /* UNLOCK TABLES */
#define SQL_MY_USER_LOCK \
	(UINT64_C(1) << 34) /* GET_LOCK() and the locking services' functions: silent */
#define SQL_MY_USER_UNLOCK (UINT64_C(1) << 35)     /* RELEASE_LOCK() and its like */
#define SQL_MY_USER_UNLOCK_ALL (UINT64_C(1) << 36) /* RELEASE_ALL_LOCKS() */
#define SQL_MY_HANDLER_OPEN (UINT64_C(1) << 37)    /* silent */
#define SQL_MY_HANDLER_USE (UINT64_C(1) << 38)     /* HANDLER ... READ */
#define SQL_MY_HANDLER_CLOSE (UINT64_C(1) << 39)
#define SQL_MY_PREPARE (UINT64_C(1) << 40)
#define SQL_MY_EXECUTE \
	(UINT64_C(1) << 41) /* runs a prepared text: what that may do is not in these flags */
#define SQL_MY_DEALLOCATE (UINT64_C(1) << 42)
#define SQL_MY_OPAQUE \
	(UINT64_C(1) << 43) /* leaves state that nothing shows and only a reset clears: BINLOG,
	                     * BACKUP STAGE, SET RESOURCE GROUP, ... */
/* -- what it wants to see of the statement before it, or of this very connection -- */
#define SQL_MY_LAST_ID (UINT64_C(1) << 44) /* LAST_INSERT_ID(), @@last_insert_id, @@identity */
#define SQL_MY_SET_LAST_ID \
	(UINT64_C(1) << 45) /* LAST_INSERT_ID(n), LOAD DATA, INSERT ... RETURNING: silent; and SET
	                     * last_insert_id. Other INSERTs do not have it: look at their OK */
#define SQL_MY_CALC_FOUND_ROWS (UINT64_C(1) << 46) /* SQL_CALC_FOUND_ROWS */
#define SQL_MY_FOUND_ROWS (UINT64_C(1) << 47)      /* FOUND_ROWS() */
#define SQL_MY_ROW_COUNT (UINT64_C(1) << 48)       /* ROW_COUNT() */
#define SQL_MY_DIAG \
	(UINT64_C(1) \
		<< 49) /* SHOW WARNINGS/ERRORS, @@warning_count, @@error_count, GET DIAGNOSTICS */
#define SQL_MY_KEEPS_DIAG \
	(UINT64_C(1) << 50) /* leaves the diagnostics of the statement before it as they are */
#define SQL_MY_CONN_ID \
	(UINT64_C(1) << 51) /* CONNECTION_ID(), @@pseudo_thread_id: shows the server's id */
#define SQL_MY_CONN_REF \
	(UINT64_C(1) << 52) /* names a connection: KILL, EXPLAIN FOR CONNECTION, SHOW EXPLAIN FOR */
#define SQL_MY_PROCESSLIST \
	(UINT64_C(1) << 53) /* SHOW PROCESSLIST, information_schema.processlist, ... */
#define SQL_MY_PROFILE (UINT64_C(1) << 54)  /* SHOW PROFILE, SHOW PROFILES */
#define SQL_MY_SEQ_READ (UINT64_C(1) << 55) /* MariaDB: LASTVAL(), PREVIOUS VALUE FOR, s.currval */
#define SQL_MY_SEQ_USE (UINT64_C(1) << 56)  /* MariaDB: NEXTVAL(), NEXT VALUE FOR, s.nextval */
#define SQL_MY_SLOW (UINT64_C(1) << 57)     /* SLEEP(), BENCHMARK(), waits for positions */
#define SQL_MY_PASSWORD (UINT64_C(1) << 58) /* SET PASSWORD, ALTER USER: secrets may be stale */
#define SQL_MY_INSTANCE_LOCK \
	(UINT64_C(1) << 60) /* LOCK INSTANCE FOR BACKUP, BACKUP LOCK (MariaDB): silent */
#define SQL_MY_INSTANCE_UNLOCK (UINT64_C(1) << 61) /* UNLOCK INSTANCE, BACKUP UNLOCK */
#define SQL_MY_LAST_GTID (UINT64_C(1) << 59)       /* MariaDB: @@last_gtid */

/* What the text keeps in the session without any tracker telling, or may: never share the link
 * behind it without having dealt with each of these. */
#define SQL_MY_SILENT_STATE \
	(SQL_MY_UNSURE | SQL_MY_STORED | SQL_MY_SET_SILENT | SQL_MY_VAR_SET | SQL_MY_VAR_SILENT | \
		SQL_MY_ROLE | SQL_MY_IDENTITY | SQL_MY_TEMP_MAKE | SQL_MY_TABLE_LOCK | \
		SQL_MY_GLOBAL_LOCK | SQL_MY_INSTANCE_LOCK | SQL_MY_USER_LOCK | \
		SQL_MY_HANDLER_OPEN | SQL_MY_PREPARE | SQL_MY_EXECUTE | SQL_MY_OPAQUE | \
		SQL_MY_SET_LAST_ID | SQL_MY_CALC_FOUND_ROWS)

/* What must run where the session's earlier statements ran. */
#define SQL_MY_LOOKS_BACK \
	(SQL_MY_UNSURE | SQL_MY_STORED | SQL_MY_VAR_READ | SQL_MY_LAST_ID | SQL_MY_FOUND_ROWS | \
		SQL_MY_ROW_COUNT | SQL_MY_DIAG | SQL_MY_HANDLER_USE | SQL_MY_EXECUTE | \
		SQL_MY_SEQ_READ | SQL_MY_PROFILE | SQL_MY_LAST_GTID)

enum sql_my_kill {
	SQL_MY_KILL_NONE,
	SQL_MY_KILL_CONNECTION, /* KILL [CONNECTION] id */
	SQL_MY_KILL_QUERY,      /* KILL QUERY id */
	SQL_MY_KILL_QUERY_ID, /* MariaDB: KILL QUERY ID id: a query's number, not a connection's */
	SQL_MY_KILL_USER,     /* MariaDB: KILL ... USER name */
	SQL_MY_KILL_OTHER,    /* the id is an expression, or EXPLAIN/SHOW EXPLAIN FOR one */
};

/* Where PREPARE and EXECUTE IMMEDIATE take their text from. */
enum sql_my_source {
	SQL_MY_SOURCE_NONE,
	SQL_MY_SOURCE_LITERAL, /* source_at, source_n: the literal as written; sql_my_decode() */
	SQL_MY_SOURCE_VAR,     /* source_at, source_n: the @variable as written */
	SQL_MY_SOURCE_OTHER,   /* an expression (MariaDB) */
};

/* An identifier is at most 64 characters of at most 4 bytes. */
#define SQL_MY_NAME_MAX 256

/*
 * One statement. at, n: where it stands in the text, without the semicolon; blanks and comments
 * around it may be included. The statement's own name is filled where enum sql_my_verb says so
 * (also SAVEPOINT, RELEASE, ROLLBACK_TO): unquoted as written, not folded, not NUL-terminated,
 * name_n 0 when there is none or it is too long. Schema names are case-sensitive or not as the
 * server's lower_case_table_names says; all others are not.
 */
struct sql_my_stmt {
	uint64_t flags;
	enum sql_my_verb verb;
	enum sql_my_kill kill;
	enum sql_my_source source;
	bool id_known; /* id: the literal number of KILL, KILL QUERY, EXPLAIN FOR CONNECTION */
	uint16_t name_n;
	uint64_t id;
	size_t id_at, id_n; /* the number as written, for a rewriter */
	size_t at, n;
	size_t source_at, source_n;
	unsigned statements_n;      /* sql_my_classify(): non-empty statements */
	char name[SQL_MY_NAME_MAX]; /* bytes behind name_n are not initialised */
};

/* A text being cut into statements. Fields are the functions' own. */
struct sql_my_iter {
	const struct sql_my_opts *o;
	const char *text;
	size_t n;
	struct sql_my_lex lex;
	bool ended;
	bool vars; /* an @ is in the text */
	/* an earlier statement may have changed sql_mode, the character set */
	bool mode_shaken, charset_shaken;
};

/* Starts on n bytes of text (a COM_QUERY or COM_STMT_PREPARE), which must outlive the iterator,
 * as *o must. */
void sql_my_start(struct sql_my_iter *it, const struct sql_my_opts *o, const char *text, size_t n);

/* The next non-empty statement; false at the end. Behind a statement with SQL_MY_UNSURE comes no
 * other: its n is the whole rest. */
bool sql_my_next(struct sql_my_iter *it, struct sql_my_stmt *out_r);

/* The whole text at once: flags are those of all its statements, all other fields describe the
 * first and hold only when statements_n is 1. Empty text: SQL_MY_V_EMPTY, statements_n 0. Time is
 * linear in n. */
void sql_my_classify(
	const struct sql_my_opts *o, const char *text, size_t n, struct sql_my_stmt *out_r);

/* Assignments of a SET, one by one. */

enum sql_my_scope {
	SQL_MY_S_SESSION, /* SET x, SET SESSION x, SET LOCAL x, @@session.x, @@x unless ONCE */
	SQL_MY_S_ONCE,    /* @@transaction_isolation, @@transaction_read_only without a scope */
	SQL_MY_S_GLOBAL,
	SQL_MY_S_PERSIST, /* and PERSIST_ONLY */
	SQL_MY_S_USER,    /* @x; name folded (ASCII), without @ */
	SQL_MY_S_NAMES,   /* SET NAMES; name: "names"; a COLLATE follows as SQL_MY_S_COLLATE */
	SQL_MY_S_COLLATE,
	SQL_MY_S_CHARSET,    /* SET CHARACTER SET, SET CHARSET; name: "charset" */
	SQL_MY_S_TX_ONCE,    /* SET TRANSACTION: name "transaction_isolation", value as in the
	                       * variable ("READ-COMMITTED"); or "transaction_read_only", 0 or 1 */
	SQL_MY_S_TX_SESSION, /* SET SESSION TRANSACTION, same names and values */
	SQL_MY_S_TX_GLOBAL,  /* SET GLOBAL TRANSACTION */
	SQL_MY_S_STATEMENT,  /* MariaDB: SET STATEMENT x=... FOR: restored when it ends */
	SQL_MY_S_OTHER,      /* name "role", "default role", "password", "resource group" or
			      * "session authorization"; kind EXPR, the value is the rest */
};

enum sql_my_value {
	SQL_MY_VAL_NUMBER,  /* [+-] a literal number, hex or bit literal */
	SQL_MY_VAL_STRING,  /* one literal, '...' or "...", no introducer */
	SQL_MY_VAL_WORD,    /* a bare word: ON, utf8mb4, ansi */
	SQL_MY_VAL_DEFAULT, /* DEFAULT */
	SQL_MY_VAL_NULL,
	SQL_MY_VAL_EXPR, /* anything else: only the server can tell */
};

/* How a session variable behaves when a session moves to another link. */
enum sql_my_sysvar {
	SQL_MY_SYS_PLAIN,     /* reported by the trackers (when it exists), replay by SET */
	SQL_MY_SYS_MODE,      /* sql_mode: as PLAIN, but it changes how texts are read */
	SQL_MY_SYS_CHARSET,   /* character_set_*, collation_*: changes others silently */
	SQL_MY_SYS_TRACKER,   /* session_track_*: the proxy's own business */
	SQL_MY_SYS_TX,        /* transaction_isolation, tx_isolation, ..._read_only, autocommit */
	SQL_MY_SYS_ONE_USE,   /* insert_id, timestamp, rand_seed1/2, gtid_next, ...: pin */
	SQL_MY_SYS_LAST_ID,   /* last_insert_id, identity */
	SQL_MY_SYS_LAST_GTID, /* last_gtid (MariaDB): read only */
	SQL_MY_SYS_DIAG,      /* warning_count, error_count: read only */
	SQL_MY_SYS_IDENTITY,  /* pseudo_thread_id, pseudo_replica_mode, server_id, ...: pin */
};

#define SQL_MY_VALUE_MAX 1023

struct sql_my_assign {
	enum sql_my_scope scope;
	enum sql_my_value kind;
	enum sql_my_sysvar sysvar; /* scopes SESSION to PERSIST and STATEMENT */
	bool name_known;           /* false: the name is too long to be kept */
	bool name_ascii;
	bool value_known; /* value holds it: every kind but EXPR, when it fits */
	uint16_t name_n, value_n;
	size_t value_at, value_n_src; /* as written in the text, blanks around it not included */
	char name[SQL_MY_NAME_MAX];   /* folded (ASCII); "component.variable" with its dot */
	char value[SQL_MY_VALUE_MAX]; /* decoded; a number as written, with its sign */
};

/* Fields are the functions' own. */
struct sql_my_set {
	const struct sql_my_opts *o;
	const char *text;
	struct sql_my_lex lex;
	struct sql_my_tok tok;
	enum sql_my_scope scope; /* SET GLOBAL a=1, b=2: the keyword holds for b as well */
	uint8_t step;
	bool odd; /* the text is no SET that we know: what was told is not all */
};

/* Starts on the SET or SET STATEMENT that sql_my_next() found in the same text. */
void sql_my_set_start(struct sql_my_set *s, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st);

/* The next assignment; false behind the last, and for any other statement. It tells what is
 * written, not what the server accepted. */
bool sql_my_set_next(struct sql_my_set *s, struct sql_my_assign *out_r);

/* User variables of one statement, one by one. */

struct sql_my_var {
	bool set;  /* may be set here */
	bool read; /* may be read here */
	/* ASCII bytes only. Others compare by the server's collation, where two spellings may be
	 * one variable. */
	bool ascii;
	uint16_t name_n;            /* 0: longer than SQL_MY_NAME_MAX, or empty */
	char name[SQL_MY_NAME_MAX]; /* folded (ASCII), without @ */
};

/* Where in a statement a token stands, as far as user variables need to know. */
struct sql_my_place {
	enum sql_my_verb verb;
	unsigned depth;
	bool into, using, set, start;      /* an INTO list; behind USING, SET; a SET's left side */
	bool held, target, argument, left; /* a variable waits for the token behind it */
	enum sql_my_token kind;            /* the token before */
	char ch;
	uint16_t id;
	const char *end;
};

/* Fields are the functions' own. */
struct sql_my_vars {
	const struct sql_my_opts *o;
	struct sql_my_lex lex;
	struct sql_my_tok held;
	struct sql_my_place place;
	bool ended;
};

/* Starts on a statement that sql_my_next() found in the same text. */
void sql_my_vars_start(struct sql_my_vars *v, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st);

/* The next use of a user variable, in the text's order, repeats included; false at the end. */
bool sql_my_vars_next(struct sql_my_vars *v, struct sql_my_var *out_r);

/* Helpers for who keeps struct sql_my_opts up to date. */

/* SQL_MY_MODE_... of a sql_mode as the server reports it: "ANSI_QUOTES,NO_BACKSLASH_ESCAPES". */
unsigned sql_my_mode(const char *value, size_t n);

/* Of character_set_client, by name. */
enum sql_my_charset sql_my_charset(const char *name, size_t n);

/* Of a system variable, by name in any case, without scope. */
enum sql_my_sysvar sql_my_sysvar(const char *name, size_t n);

/* Of a system variable with several names, the one to keep it under: the trackers report the name
 * that the client used ("tx_isolation"), and a server may know only some of them. NULL: its own
 * name. Static storage. */
const char *sql_my_sysvar_key(const char *name, size_t n);

/* "select", "set", ... for logs. */
const char *sql_my_verb_name(enum sql_my_verb v);

#endif
