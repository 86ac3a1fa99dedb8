/* my_tell.h - flags of sql/classify_my.h as words, for tests. */
#ifndef WEIRPOOL_TEST_MY_TELL_H
#define WEIRPOOL_TEST_MY_TELL_H

#include "sql/classify_my.h"

#include <stdio.h>

static const char *const my_flag_names[] = { "unsure", "stored", "multi", "write", "ddl",
	"row_lock", "local_infile", "server_wide", "tx_begin", "tx_snapshot", "tx_end", "tx_chain",
	"tx_release", "tx_sub", "xa", "implicit_commit", "set_tx_once", "set_sys", "set_silent",
	"set_mode", "set_names", "set_tracker", "var_set", "var_silent", "var_read", "role",
	"identity", "use", "temp_make", "temp_drop", "table_lock", "table_unlock", "global_lock",
	"global_unlock", "user_lock", "user_unlock", "user_unlock_all", "handler_open",
	"handler_use", "handler_close", "prepare", "execute", "deallocate", "opaque", "last_id",
	"set_last_id", "calc_found_rows", "found_rows", "row_count", "diag", "keeps_diag",
	"conn_id", "conn_ref", "processlist", "profile", "seq_read", "seq_use", "slow", "password",
	"last_gtid", "instance_lock", "instance_unlock" };

/* "write,ddl": out must be long enough for all of them. */
static inline void my_tell_flags(char *out, size_t cap, uint64_t flags)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(my_flag_names) / sizeof(my_flag_names[0]); i++)
		if ((flags & (UINT64_C(1) << i)) && n < cap)
			n += (size_t)snprintf(
				out + n, cap - n, "%s%s", n != 0 ? "," : "", my_flag_names[i]);
}

#endif
