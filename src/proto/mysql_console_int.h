/* mysql_console_int - the console over MySQL's protocol. Private to mysql_console.c, mysql_rowset.c
 * and mysql.c. The session's thread. */
#ifndef PROTO_MYSQL_CONSOLE_INT_H
#define PROTO_MYSQL_CONSOLE_INT_H
#include "mysql_int.h"

/* A result set with columns; its end included. */
void my_rowset_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct rowset *r);
void my_console_start(
	void *cst, const char *version, const uint8_t *key, size_t key_n, struct buf *down);
void my_console_reply(void *cst, const struct rowset *r, struct buf *down);
#endif
