/* err - the one table of errors that clients can meet, and the value that carries one. A struct
 * err is filled by the layer that fails, and logged or rendered once, by core. Any thread. */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include <stdbool.h>
#include <stddef.h>

/* id, SQLSTATE (PostgreSQL Appendix A), MySQL errno (a server's: not 2000 to 2999), MySQL SQLSTATE,
 * ends the session?, text */
/* clang-format off */
#define ERR_CODES(X) \
	X(NONE,            "00000", 0,    "00000", false, "no error") \
	X(PROTOCOL,        "08P01", 1835, "HY000", true,  "protocol violation") \
	X(TOO_BIG,         "54000", 1153, "08S01", true,  "message is too large") \
	X(AUTH_FAILED,     "28P01", 1045, "28000", true,  "password authentication failed") \
	X(AUTH_DENIED,     "28000", 1045, "28000", true,  "access denied") \
	X(ACCOUNT_TLS,     "28000", 1045, "28000", true,  "the account's rules about TLS") \
	X(ACCOUNT_LOCKED,  "28000", 3118, "HY000", true,  "the account is locked") \
	X(PASSWORD_EXPIRED,"28000", 1862, "HY000", true,  "the password has expired") \
	X(NO_DATABASE,     "3D000", 1049, "42000", true,  "no such database") \
	X(TOO_MANY,        "53300", 1040, "08004", true,  "too many connections") \
	X(LOGIN_TIMEOUT,   "08P01", 1159, "08S01", true,  "login took too long") \
	X(WAIT_TIMEOUT,    "57014", 1205, "HY000", true,  "no server connection was free in time") \
	X(QUERY_TIMEOUT,   "57014", 3024, "HY000", true,  "query timeout") \
	X(TX_TIMEOUT,      "25P04", 3024, "HY000", true,  "transaction timeout") \
	X(IDLE_TX_TIMEOUT, "25P03", 4031, "HY000", true,  "idle transaction timeout") \
	X(IDLE_TIMEOUT,    "57P05", 4031, "HY000", true,  "idle timeout") \
	X(SHUTDOWN,        "57P01", 1053, "08S01", true,  "weirpool is shutting down") \
	X(KILLED,          "57P01", 1927, "70100", true,  "terminated by the administrator") \
	X(NO_SESSION,      "42704", 1094, "HY000", false, "no such session") \
	X(NOT_OWNER,       "42501", 1095, "HY000", false, "not the owner of that session") \
	X(CANCELED,        "57014", 1317, "70100", false, "canceled on user request") \
	X(SERVER_LOST,     "08006", 1158, "08S01", true,  "the server connection was lost") \
	X(SERVER_CONNECT,  "08001", 1429, "HY000", true,  "cannot connect to the server") \
	X(SERVER_REFUSED,  "08004", 1045, "28000", true,  "the server refused the login") \
	X(SERVER_PROTOCOL, "08P01", 1835, "HY000", true,  "malformed message from the server") \
	X(NO_MEMORY,       "53200", 1037, "HY001", true,  "out of memory") \
	X(NO_FDS,          "53000", 1040, "08004", true,  "out of file descriptors") \
	X(OUTCOME_UNKNOWN, "08007", 1158, "08007", false, "nobody knows whether it was applied") \
	X(TX_LOST,         "40001", 1213, "40001", false, "the transaction's server was lost") \
	X(TX_LOST_LINK,    "08006", 1184, "08006", false, "the transaction's connection was lost") \
	X(NO_PRIMARY,      "57P03", 1290, "HY000", false, "no primary that can be written to") \
	X(READ_ONLY,       "25006", 1792, "25006", false, "the transaction only reads") \
	X(NO_NODE,         "42704", 1105, "HY000", false, "no such node in the cluster") \
	X(DB_DISABLED,     "57P03", 1049, "42000", true,  "database is disabled") \
	X(NOT_ALLOWED,     "42501", 1227, "42000", false, "permission denied") \
	X(BAD_VALUE,       "22023", 1231, "42000", false, "invalid value of a setting") \
	X(BLOCKED,         "42501", 1148, "42000", false, "a rule refuses this statement") \
	X(UNSUPPORTED,     "0A000", 1235, "42000", false, "not supported") \
	X(SYNTAX,          "42601", 1064, "42000", false, "syntax error") \
	X(NO_STATEMENT,    "26000", 1243, "HY000", false, "prepared statement does not exist") \
	X(STALE_PLAN,      "0A000", 1615, "HY000", false, "a statement's result would change") \
	X(DUP_STATEMENT,   "42P05", 1243, "HY000", false, "prepared statement already exists") \
	X(STMT_MODE_TX,    "25001", 1568, "25001", true,  "no transactions in statement pooling") \
	X(CONFIG,          "F0000", 1193, "HY000", false, "configuration error") \
	X(INTERNAL,        "XX000", 1105, "HY000", true,  "internal error")
/* clang-format on */
enum err_code {
#define X(id, st, no, mst, fatal, text) ERR_##id,
	ERR_CODES(X)
#undef X
		ERR_N
};
struct err_info {
	const char *name, *sqlstate;
	unsigned mysql_errno;
	const char *mysql_sqlstate;
	bool fatal;
	const char *text;
};
const struct err_info *err_info(enum err_code c);

struct err {
	enum err_code code;   /* ERR_NONE: nothing happened */
	char sqlstate[6];     /* "" = the table's; else what a server said */
	unsigned mysql_errno; /* 0 = the table's; else what a server said */
	char msg[256];        /* for the client: what, where, which option */
	char detail[256];     /* may be "" */
	char hint[160];       /* may be "" */
	char internal[200];   /* for the log only; may be "" */
};
/* What `= { 0 }` says, without writing 900 bytes: for paths that run per request. */
static inline void err_clear(struct err *e)
{
	e->code = ERR_NONE;
	e->mysql_errno = 0;
	e->sqlstate[0] = e->msg[0] = e->detail[0] = e->hint[0] = e->internal[0] = '\0';
}
/* Sets code and msg (printf) and clears the rest; returns -1, so that `return err_set(...)` reads
 * well. e may be NULL. Arguments may point into *e: err_set(e, e->code, "%s: %s", where, e->msg).
 * Text is cut at a UTF-8 boundary. */
int err_set(struct err *e, enum err_code c, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* These fill one more field and return -1. */
int err_detail(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_internal(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool err_is(const struct err *e)
{
	return e->code != ERR_NONE;
}
const char *err_sqlstate(const struct err *e);
#endif
