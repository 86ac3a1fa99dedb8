/* pg_text - errors, notices, cancel requests and good-byes as bytes. Ignorant of sessions. Any
 * thread. */
#include "pg_login_int.h"

#include "wire/pg/error.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

void pg_put_error(struct buf *down, const struct err *e, bool fatal)
{
	pgerror_put(down, fatal ? "FATAL" : "ERROR", e);
}

void pg_put_notice(struct buf *down, const char *severity, const char *sqlstate, const char *msg)
{
	pgerror_put_notice(down, severity, sqlstate, msg, NULL, NULL);
}

void pg_put_cancel(struct buf *up, const uint8_t *key, size_t key_n)
{
	pgstartup_put_cancel(up, key, key_n);
}

void pg_put_bye(struct buf *up)
{
	pgmsg_put(up, 'X', NULL, 0);
}
