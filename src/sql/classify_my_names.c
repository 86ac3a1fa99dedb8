/*
 * Names that servers report, and what they mean to the lexer and to a session: sql_mode,
 * character sets, variables; and the verbs' own names. Any thread.
 */
#include "classify_my_int.h"

#include <string.h>

static bool is(const char *name, size_t n, const char *want)
{
	if (n != strlen(want))
		return false;
	for (size_t i = 0; i < n; i++)
		if (my_fold(name[i]) != want[i])
			return false;
	return true;
}

static unsigned one_mode(const char *name, size_t n)
{
	if (is(name, n, "ansi_quotes"))
		return SQL_MY_MODE_ANSI_QUOTES;
	if (is(name, n, "no_backslash_escapes"))
		return SQL_MY_MODE_NO_BACKSLASH_ESCAPES;
	if (is(name, n, "ignore_space"))
		return SQL_MY_MODE_IGNORE_SPACE;
	if (is(name, n, "oracle"))
		return SQL_MY_MODE_ORACLE;
	/* a client may write these; the server reports their parts as well */
	if (is(name, n, "ansi") || is(name, n, "db2") || is(name, n, "maxdb") ||
		is(name, n, "mssql") || is(name, n, "postgresql"))
		return SQL_MY_MODE_ANSI_QUOTES | SQL_MY_MODE_IGNORE_SPACE;
	return 0;
}

unsigned sql_my_mode(const char *value, size_t n)
{
	unsigned mode = 0;

	while (n != 0) {
		const char *comma = memchr(value, ',', n);
		size_t part = comma != NULL ? (size_t)(comma - value) : n;

		mode |= one_mode(value, part);
		if (comma == NULL)
			break;
		value += part + 1;
		n -= part + 1;
	}
	return mode;
}

/* Source: MySQL manual, "Supported Character Sets and Collations". */
enum sql_my_charset sql_my_charset(const char *name, size_t n)
{
	static const char *const bytes[] = { "latin1", "binary", "ascii", "latin2", "latin5",
		"latin7", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8",
		"hp8", "koi8r", "koi8u", "greek", "hebrew", "tis620", "macroman", "macce",
		"keybcs2", "geostd8", "armscii8", "gb2312", "euckr", "ujis", "eucjpms" };
	static const char *const second[] = { "gbk", "big5", "sjis", "cp932", "gb18030" };

	if (is(name, n, "utf8mb4") || is(name, n, "utf8mb3") || is(name, n, "utf8"))
		return SQL_MY_CS_SAFE;
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		if (is(name, n, bytes[i]))
			return SQL_MY_CS_BYTES;
	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++)
		if (is(name, n, second[i]))
			return SQL_MY_CS_SECOND_BYTE;
	return SQL_MY_CS_UNKNOWN;
}

enum sql_my_sysvar sql_my_sysvar(const char *name, size_t n)
{
	const struct sql_my_word *w = my_word_of(name, n);

	if (w != NULL)
		return (enum sql_my_sysvar)w->sysvar;
	/* one that a later release brings */
	if (n > 14 && is(name, 14, "session_track_"))
		return SQL_MY_SYS_TRACKER;
	return n > 7 && is(name, 7, "pseudo_") ? SQL_MY_SYS_IDENTITY : SQL_MY_SYS_PLAIN;
}

/* Seen on MySQL 9.7, MariaDB 10.11 and 11.8: setting one changes the other without a word. */
const char *sql_my_sysvar_key(const char *name, size_t n)
{
	static const char *const same[][2] = {
		{ "tx_isolation", "transaction_isolation" },
		{ "tx_read_only", "transaction_read_only" }, { "identity", "last_insert_id" },
		{ "log_slow_query", "slow_query_log" },
		{ "log_slow_query_time", "long_query_time" },
		{ "log_slow_min_examined_row_limit", "min_examined_row_limit" },
		{ "wsrep_causal_reads", "wsrep_sync_wait" },
		{ "pseudo_slave_mode", "pseudo_replica_mode" },
		{ "max_insert_delayed_threads", "max_delayed_threads" },
		{ "storage_engine", "default_storage_engine" },
		{ "old_alter_table", "alter_algorithm" }, /* MariaDB; MySQL has the first only */
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (is(name, n, same[i][0]))
			return same[i][1];
	return NULL;
}

const char *sql_my_verb_name(enum sql_my_verb v)
{
	static const char *const names[] = {
		[SQL_MY_V_EMPTY] = "empty",
		[SQL_MY_V_SELECT] = "select",
		[SQL_MY_V_VALUES] = "values",
		[SQL_MY_V_TABLE] = "table",
		[SQL_MY_V_INSERT] = "insert",
		[SQL_MY_V_UPDATE] = "update",
		[SQL_MY_V_DELETE] = "delete",
		[SQL_MY_V_LOAD] = "load",
		[SQL_MY_V_DO] = "do",
		[SQL_MY_V_CALL] = "call",
		[SQL_MY_V_HANDLER] = "handler",
		[SQL_MY_V_BEGIN] = "begin",
		[SQL_MY_V_COMMIT] = "commit",
		[SQL_MY_V_ROLLBACK] = "rollback",
		[SQL_MY_V_SAVEPOINT] = "savepoint",
		[SQL_MY_V_RELEASE] = "release savepoint",
		[SQL_MY_V_ROLLBACK_TO] = "rollback to",
		[SQL_MY_V_XA] = "xa",
		[SQL_MY_V_SET] = "set",
		[SQL_MY_V_SET_STATEMENT] = "set statement",
		[SQL_MY_V_USE] = "use",
		[SQL_MY_V_PREPARE] = "prepare",
		[SQL_MY_V_EXECUTE] = "execute",
		[SQL_MY_V_DEALLOCATE] = "deallocate",
		[SQL_MY_V_KILL] = "kill",
		[SQL_MY_V_LOCK] = "lock",
		[SQL_MY_V_UNLOCK] = "unlock",
		[SQL_MY_V_FLUSH] = "flush",
		[SQL_MY_V_SHOW] = "show",
		[SQL_MY_V_SHOW_DIAG] = "show warnings",
		[SQL_MY_V_SHOW_PROCESSLIST] = "show processlist",
		[SQL_MY_V_GET_DIAG] = "get diagnostics",
		[SQL_MY_V_EXPLAIN] = "explain",
		[SQL_MY_V_HELP] = "help",
		[SQL_MY_V_DDL] = "ddl",
		[SQL_MY_V_UTILITY] = "utility",
		[SQL_MY_V_COMPOUND] = "compound",
		[SQL_MY_V_OTHER] = "other",
	};

	return (unsigned)v < sizeof(names) / sizeof(names[0]) ? names[v] : "other";
}
