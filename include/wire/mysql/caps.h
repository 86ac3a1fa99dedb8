/* caps - the numbers of the MySQL protocol: capability flags, server status, commands, column
 * types. Pure.
 * Source: MySQL docs, Capabilities Flags, SERVER_STATUS_flags_enum, enum_server_command and
 * enum_field_types; MariaDB docs, Connecting: Capabilities (those above bit 31).
 *
 * Capabilities are one number of 64 bits: the low half is what both families have, the high half
 * is MariaDB's extended capabilities, which travel in other bytes and only where MYCAP_MYSQL is
 * not set. */
#ifndef WIRE_MYSQL_CAPS_H
#define WIRE_MYSQL_CAPS_H
#include <stdint.h>

/* id, bit, name in logs and SHOW */
/* clang-format off */
#define MYCAPS(X) \
	X(MYSQL,                       0, "mysql") /* not of a MariaDB server */ \
	X(FOUND_ROWS,                  1, "found_rows") \
	X(LONG_FLAG,                   2, "long_flag") \
	X(CONNECT_WITH_DB,             3, "connect_with_db") \
	X(NO_SCHEMA,                   4, "no_schema") \
	X(COMPRESS,                    5, "compress") \
	X(ODBC,                        6, "odbc") \
	X(LOCAL_FILES,                 7, "local_files") \
	X(IGNORE_SPACE,                8, "ignore_space") \
	X(PROTOCOL_41,                 9, "protocol_41") \
	X(INTERACTIVE,                10, "interactive") \
	X(SSL,                        11, "ssl") \
	X(IGNORE_SIGPIPE,             12, "ignore_sigpipe") \
	X(TRANSACTIONS,               13, "transactions") \
	X(RESERVED,                   14, "reserved") \
	X(SECURE_CONNECTION,          15, "secure_connection") \
	X(MULTI_STATEMENTS,           16, "multi_statements") \
	X(MULTI_RESULTS,              17, "multi_results") \
	X(PS_MULTI_RESULTS,           18, "ps_multi_results") \
	X(PLUGIN_AUTH,                19, "plugin_auth") \
	X(CONNECT_ATTRS,              20, "connect_attrs") \
	X(PLUGIN_AUTH_LENENC,         21, "plugin_auth_lenenc") \
	X(EXPIRED_PASSWORDS,          22, "expired_passwords") \
	X(SESSION_TRACK,              23, "session_track") \
	X(DEPRECATE_EOF,              24, "deprecate_eof") \
	X(OPTIONAL_METADATA,          25, "optional_metadata") \
	X(ZSTD,                       26, "zstd") \
	X(QUERY_ATTRIBUTES,           27, "query_attributes") \
	X(MULTI_FACTOR,               28, "multi_factor") \
	X(EXTENSION,                  29, "extension") \
	X(SSL_VERIFY,                 30, "ssl_verify") \
	X(REMEMBER_OPTIONS,           31, "remember_options") \
	X(MARIADB_PROGRESS,           32, "mariadb_progress") \
	X(MARIADB_MULTI,              33, "mariadb_multi") \
	X(MARIADB_BULK,               34, "mariadb_bulk") \
	X(MARIADB_EXTENDED_METADATA,  35, "mariadb_extended_metadata") \
	X(MARIADB_CACHE_METADATA,     36, "mariadb_cache_metadata") \
	X(MARIADB_BULK_UNIT_RESULTS,  37, "mariadb_bulk_unit_results")
/* clang-format on */
enum mycaps_bit {
#define X(id, bit, name) MYCAP_BIT_##id = bit,
	MYCAPS(X)
#undef X
};
#define MYCAP(id) (UINT64_C(1) << MYCAP_BIT_##id)
#define MYCAPS_BASIC UINT64_C(0xffffffff)
/* NULL: no name for this bit (0 to 63). */
const char *mycaps_name(unsigned bit);

/* Server status, in OK and EOF packets. */
#define MYSTATUS_IN_TRANS 0x0001U
#define MYSTATUS_AUTOCOMMIT 0x0002U
#define MYSTATUS_MORE_RESULTS 0x0008U
#define MYSTATUS_NO_GOOD_INDEX 0x0010U
#define MYSTATUS_NO_INDEX 0x0020U
#define MYSTATUS_CURSOR_EXISTS 0x0040U
#define MYSTATUS_LAST_ROW_SENT 0x0080U
#define MYSTATUS_DB_DROPPED 0x0100U
#define MYSTATUS_NO_BACKSLASH_ESCAPES 0x0200U
#define MYSTATUS_METADATA_CHANGED 0x0400U
#define MYSTATUS_QUERY_WAS_SLOW 0x0800U
#define MYSTATUS_PS_OUT_PARAMS 0x1000U
#define MYSTATUS_IN_TRANS_READONLY 0x2000U
#define MYSTATUS_SESSION_STATE_CHANGED 0x4000U
#define MYSTATUS_ANSI_QUOTES 0x8000U /* MariaDB */
/* Those that say something of one reply, not of the session. */
#define MYSTATUS_OF_REPLY \
	(MYSTATUS_MORE_RESULTS | MYSTATUS_NO_GOOD_INDEX | MYSTATUS_NO_INDEX | \
		MYSTATUS_CURSOR_EXISTS | MYSTATUS_LAST_ROW_SENT | MYSTATUS_DB_DROPPED | \
		MYSTATUS_METADATA_CHANGED | MYSTATUS_QUERY_WAS_SLOW | MYSTATUS_PS_OUT_PARAMS | \
		MYSTATUS_SESSION_STATE_CHANGED)

/* First byte of a message from a client. */
enum mycom {
	MYCOM_SLEEP = 0x00,
	MYCOM_QUIT = 0x01,
	MYCOM_INIT_DB = 0x02,
	MYCOM_QUERY = 0x03,
	MYCOM_FIELD_LIST = 0x04,
	MYCOM_CREATE_DB = 0x05,
	MYCOM_DROP_DB = 0x06,
	MYCOM_REFRESH = 0x07,
	MYCOM_SHUTDOWN = 0x08,
	MYCOM_STATISTICS = 0x09,
	MYCOM_PROCESS_INFO = 0x0a,
	MYCOM_CONNECT = 0x0b,
	MYCOM_PROCESS_KILL = 0x0c,
	MYCOM_DEBUG = 0x0d,
	MYCOM_PING = 0x0e,
	MYCOM_TIME = 0x0f,
	MYCOM_DELAYED_INSERT = 0x10,
	MYCOM_CHANGE_USER = 0x11,
	MYCOM_BINLOG_DUMP = 0x12,
	MYCOM_TABLE_DUMP = 0x13,
	MYCOM_CONNECT_OUT = 0x14,
	MYCOM_REGISTER_SLAVE = 0x15,
	MYCOM_STMT_PREPARE = 0x16,
	MYCOM_STMT_EXECUTE = 0x17,
	MYCOM_STMT_SEND_LONG_DATA = 0x18,
	MYCOM_STMT_CLOSE = 0x19,
	MYCOM_STMT_RESET = 0x1a,
	MYCOM_SET_OPTION = 0x1b,
	MYCOM_STMT_FETCH = 0x1c,
	MYCOM_DAEMON = 0x1d,
	MYCOM_BINLOG_DUMP_GTID = 0x1e,
	MYCOM_RESET_CONNECTION = 0x1f,
	MYCOM_CLONE = 0x20,
	MYCOM_SUBSCRIBE_GROUP_STREAM = 0x21,
	MYCOM_STMT_BULK_EXECUTE = 0xfa /* MariaDB */
};
/* "COM_QUERY", or "unknown command". */
const char *mycom_name(uint8_t com);

/* Types of columns and parameters. */
enum mytype {
	MYTYPE_DECIMAL = 0,
	MYTYPE_TINY = 1,
	MYTYPE_SHORT = 2,
	MYTYPE_LONG = 3,
	MYTYPE_FLOAT = 4,
	MYTYPE_DOUBLE = 5,
	MYTYPE_NULL = 6,
	MYTYPE_TIMESTAMP = 7,
	MYTYPE_LONGLONG = 8,
	MYTYPE_INT24 = 9,
	MYTYPE_DATE = 10,
	MYTYPE_TIME = 11,
	MYTYPE_DATETIME = 12,
	MYTYPE_YEAR = 13,
	MYTYPE_NEWDATE = 14,
	MYTYPE_VARCHAR = 15,
	MYTYPE_BIT = 16,
	MYTYPE_TIMESTAMP2 = 17,
	MYTYPE_DATETIME2 = 18,
	MYTYPE_TIME2 = 19,
	MYTYPE_TYPED_ARRAY = 20,
	MYTYPE_VECTOR = 242,
	MYTYPE_INVALID = 243,
	MYTYPE_BOOL = 244,
	MYTYPE_JSON = 245,
	MYTYPE_NEWDECIMAL = 246,
	MYTYPE_ENUM = 247,
	MYTYPE_SET = 248,
	MYTYPE_TINY_BLOB = 249,
	MYTYPE_MEDIUM_BLOB = 250,
	MYTYPE_LONG_BLOB = 251,
	MYTYPE_BLOB = 252,
	MYTYPE_VAR_STRING = 253,
	MYTYPE_STRING = 254,
	MYTYPE_GEOMETRY = 255
};
#define MYTYPE_UNSIGNED 0x8000U /* flag in the two bytes of a parameter's type */
#endif
