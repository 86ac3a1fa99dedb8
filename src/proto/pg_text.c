/* pg_text - errors, notices, cancel requests and good-byes as bytes. Ignorant of sessions. Any
 * thread. */
#include "pg_login_int.h"

#include "wire/pg/error.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

void pg_put_error(void *cst, struct buf *down, const struct err *e, bool fatal)
{
	(void)cst;
	pgerror_put(down, fatal ? "FATAL" : "ERROR", e);
}

void pg_put_notice(
	void *cst, struct buf *down, const char *severity, const char *sqlstate, const char *msg)
{
	(void)cst;
	pgerror_put_notice(down, severity, sqlstate, msg, NULL, NULL);
}

void pg_put_cancel(void *lst, struct buf *up, const uint8_t *key, size_t key_n)
{
	(void)lst;
	pgstartup_put_cancel(up, key, key_n);
}

void pg_put_bye(void *lst, struct buf *up)
{
	(void)lst;
	pgmsg_put(up, 'X', NULL, 0);
}
