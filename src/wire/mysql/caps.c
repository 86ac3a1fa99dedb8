/* caps - names of the protocol's numbers. */
#include "wire/mysql/caps.h"

#include <stddef.h>

const char *mycaps_name(unsigned bit)
{
	switch (bit) {
#define X(id, n, name) \
	case n: return name;
		MYCAPS(X)
#undef X
	default: return NULL;
	}
}

/* long: one line per command */
const char *mycom_name(uint8_t com)
{
	switch (com) {
	case MYCOM_SLEEP: return "COM_SLEEP";
	case MYCOM_QUIT: return "COM_QUIT";
	case MYCOM_INIT_DB: return "COM_INIT_DB";
	case MYCOM_QUERY: return "COM_QUERY";
	case MYCOM_FIELD_LIST: return "COM_FIELD_LIST";
	case MYCOM_CREATE_DB: return "COM_CREATE_DB";
	case MYCOM_DROP_DB: return "COM_DROP_DB";
	case MYCOM_REFRESH: return "COM_REFRESH";
	case MYCOM_SHUTDOWN: return "COM_SHUTDOWN";
	case MYCOM_STATISTICS: return "COM_STATISTICS";
	case MYCOM_PROCESS_INFO: return "COM_PROCESS_INFO";
	case MYCOM_CONNECT: return "COM_CONNECT";
	case MYCOM_PROCESS_KILL: return "COM_PROCESS_KILL";
	case MYCOM_DEBUG: return "COM_DEBUG";
	case MYCOM_PING: return "COM_PING";
	case MYCOM_TIME: return "COM_TIME";
	case MYCOM_DELAYED_INSERT: return "COM_DELAYED_INSERT";
	case MYCOM_CHANGE_USER: return "COM_CHANGE_USER";
	case MYCOM_BINLOG_DUMP: return "COM_BINLOG_DUMP";
	case MYCOM_TABLE_DUMP: return "COM_TABLE_DUMP";
	case MYCOM_CONNECT_OUT: return "COM_CONNECT_OUT";
	case MYCOM_REGISTER_SLAVE: return "COM_REGISTER_SLAVE";
	case MYCOM_STMT_PREPARE: return "COM_STMT_PREPARE";
	case MYCOM_STMT_EXECUTE: return "COM_STMT_EXECUTE";
	case MYCOM_STMT_SEND_LONG_DATA: return "COM_STMT_SEND_LONG_DATA";
	case MYCOM_STMT_CLOSE: return "COM_STMT_CLOSE";
	case MYCOM_STMT_RESET: return "COM_STMT_RESET";
	case MYCOM_SET_OPTION: return "COM_SET_OPTION";
	case MYCOM_STMT_FETCH: return "COM_STMT_FETCH";
	case MYCOM_DAEMON: return "COM_DAEMON";
	case MYCOM_BINLOG_DUMP_GTID: return "COM_BINLOG_DUMP_GTID";
	case MYCOM_RESET_CONNECTION: return "COM_RESET_CONNECTION";
	case MYCOM_CLONE: return "COM_CLONE";
	case MYCOM_SUBSCRIBE_GROUP_STREAM: return "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM";
	case MYCOM_STMT_BULK_EXECUTE: return "COM_STMT_BULK_EXECUTE";
	default: return "unknown command";
	}
}
