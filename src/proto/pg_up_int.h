/* pg_up_int - what the files that look at a client's messages share. Private to pg_up*.c. One
 * thread: that of the env. */
#ifndef PROTO_PG_UP_INT_H
#define PROTO_PG_UP_INT_H
#include "pg_run_int.h"

/* The message at u->f.at, whose head was read. */
static inline const uint8_t *body_of(const struct upx *u)
{
	return u->f.p + u->f.at + PGMSG_HEAD_BYTES;
}
static inline bool is_whole(const struct upx *u, const struct pgmsg_head *h)
{
	return flow_ahead(&u->f) >= total_of(h);
}

/* ---- pg_up_query.c ---- */
enum up_next up_query(struct upx *u, const struct pgmsg_head *h);
/* A Query, or what is sent in its place: is about to be put; was. Then the server has dropped its
 * unnamed statement, and the next names are of another batch. */
void up_query_begins(struct upx *u);
void up_query_sent(struct upx *u);
#endif
