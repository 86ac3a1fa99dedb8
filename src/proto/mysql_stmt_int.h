/* mysql_stmt_int - a client's prepared statements, and where they are on links. Private to
 * mysql_stmt*.c. One thread: that of the env. */
#ifndef PROTO_MYSQL_STMT_INT_H
#define PROTO_MYSQL_STMT_INT_H
#include "mysql_up_int.h"

/* MySQL's handles remember types, MariaDB's forget them. */
enum my_typed_for { MY_TYPED_NONE, MY_TYPED_MYSQL, MY_TYPED_MARIADB };

/* A statement of a session. A server knows it by a handle of the link, which the sessions that mean
 * the same by the same text share. A fixed one is on one link only, and pins. */
struct my_stmt {
	uint32_t id;
	struct stmt *text;      /* NULL: too large to keep, fixed */
	struct varset *want_at; /* the session's state when it was prepared */
	struct hash128 fresh;   /* key of handles that have never been executed; if text */
	struct hash128 typed;   /* key of those that were with these types; if typed_for */
	uint8_t *types;         /* of the last execution, MYPARAM_TYPE_BYTES each; or NULL */
	uint8_t *long_params;   /* bitmap of the parameters with long data; or NULL */
	uint32_t fixed;         /* handle of a fixed one */
	uint32_t cursor;        /* handle with an open cursor, 0: none */
	uint32_t long_data;     /* handle that has long data for the next execution, 0: none */
	uint16_t params_n, columns_n;
	struct my_req req; /* what an execution does */
	uint8_t typed_for; /* enum my_typed_for */
	bool ready;        /* the server has answered its PREPARE */
};
struct my_stmts {
	struct hmap by_id;
	uint32_t n_fixed, n_cursors, n_long;
};

struct my_stmt *my_stmt_get(const struct my_client *c, uint32_t id);
/* A new one under an id of which there is none; c->last_stmt is the caller's. text NULL: too
 * large. NULL: the id cannot be, no memory, or the budget for texts is spent. */
struct my_stmt *my_stmt_add(
	struct my_client *c, uint32_t id, const char *text, size_t n, struct varset *want_at);
/* The key of handles that have been executed with these types (NULL: without parameters), with a
 * cursor or without. */
struct hash128 my_stmt_key(
	struct my_stmt *s, const struct my_link *l, const uint8_t *types, bool cursor);
/* The types of its last execution from now on, params_n of them. False: no memory. */
bool my_stmt_keep_types(struct my_stmt *s, const uint8_t *types);
/* The handle of that key, or a fresh one, which then has it; typed NULL: a fresh one. NULL: it was
 * asked for, and the command waits (l->prep_wait). */
struct linkstmt *my_stmt_handle(struct myup *u, struct my_stmt *s, const struct hash128 *typed);
struct linkstmt *my_stmt_by_handle(struct my_link *l, uint32_t handle);
void my_stmt_drop_long(struct my_stmts *m, struct my_stmt *s);
/* What s has on the link beyond its handle ends: an open cursor, long data. */
void my_stmt_put_reset(struct myup *u, struct my_stmt *s);
enum my_next my_stmt_unknown(
	struct myup *u, const struct mypacket_head *h, uint32_t id, const char *who);
/* The packet passes with another id. */
enum my_next my_stmt_renumber(struct myup *u, const struct mypacket_head *h, uint32_t handle);

/* ---- mysql_stmt_exec.c ---- */
enum my_next my_stmt_execute(struct myup *u, const struct mypacket_head *h, struct my_stmt *s);
enum my_next my_stmt_bulk(struct myup *u, const struct mypacket_head *h, struct my_stmt *s);
#endif
