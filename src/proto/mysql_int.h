/* mysql_int - what the files of the MySQL protocol share: the state of a session and of a link, and
 * the functions behind proto_mysql. Private to src/proto. The login halves are in
 * mysql_login_int.h; everything else here is the running part. One thread: that of the env.
 *
 * MySQL and MariaDB are one protocol here: what differs is asked of the link (mariadb) or of the
 * capabilities that each side negotiated. */
#ifndef PROTO_MYSQL_INT_H
#define PROTO_MYSQL_INT_H
#include "proto/proto.h"
#include "base/hmap.h"
#include "flow.h"
#include "stmtmap.h"
#include "vars.h"

#include <stdbool.h>
#include <stdint.h>

#define MY_HEAD_BYTES 4U              /* length (3), sequence id */
#define MY_FRAME_MAX_BYTES 0xffffffU  /* a frame of that length is continued by the next one */
#define MY_WHOLE_MAX_BYTES (1U << 20) /* OK, ERR and the like above this are malformed */
#define MY_OWED_MAX_N (1U << 16)      /* replies owed by one link */

/* Entries of a session's and a link's settings that are no system variables. No variable's name
 * begins with '#'; user variables are "@name" with an expression as value. */
#define MY_VAR_SCHEMA "#schema" /* absent: none is selected */
#define MY_VAR_MULTI "#multi"   /* present: COM_SET_OPTION allows multi-statements */
#define MY_VAR_ROLE "#role"     /* what SET ROLE was given; absent: the default role */

/* ---- per worker ---- */
struct proto_env {
	struct vartab vars;
	struct stmttab stmts;
	uint32_t max_message_bytes; /* of a request; never 0 */
	uint32_t max_inspect_bytes;
	uint64_t next_client_id;
};

/* ---- a client session ---- */
struct my_client_login; /* mysql_login_int.h */
struct my_stmts;        /* mysql_stmt.c: its prepared statements */

struct my_client { /* an idle session of thousands: keep it small */
	struct proto_env *env;
	struct my_client_login *login; /* until client_ready(), and again during COM_CHANGE_USER;
					  freed by the login half */
	struct proto_counters *counters;
	struct varset *start;    /* of the login: what COM_RESET_CONNECTION returns to */
	struct varset *want;     /* what differs from a fresh link of the pool */
	struct varset *tracking; /* session_track_...: its own wishes, not the link's; absent: the
				    server's defaults */
	struct my_stmts *stmts;  /* NULL until the first COM_STMT_PREPARE */
	uint64_t caps;           /* negotiated; bits 32..63: MariaDB's extended ones. Login half */
	uint64_t id;             /* never used twice in this env */
	uint64_t acc;            /* SQL_MY_* of all that was sent since the state was known */
	uint64_t last_insert_id; /* as LAST_INSERT_ID() has it */
	uint32_t number;         /* connection id that it was told. Login half */
	uint32_t pins;           /* PIN() bits */
	uint32_t up_left;        /* bytes of the current frame that are still to come */
	uint16_t collation;      /* id, of the login packet. Login half */
	uint16_t status;         /* SERVER_STATUS_* as it was last told */
	uint8_t mode;            /* enum proto_mode */
	uint8_t up_rest;         /* enum flow_rest for up_left */
	uint8_t up_seq;          /* sequence id of its next frame, when up_more */
	uint8_t seq;             /* of the next packet to it. Login half until client_ready() */
	bool up_more;            /* the next frame continues the packet */
	bool mariadb;            /* the greeting spoke for a MariaDB. Login half */
	bool console;            /* up() is the console's */
	bool ready;              /* the welcome was sent */
	bool in_infile;          /* it sends a file for LOAD DATA LOCAL */
	bool fail_next;          /* client_fail_request(): its request is consumed unread */
};

/* ---- the reply of a server, packet by packet: mysql_result.c ---- */

enum my_res_state {
	MY_RES_FIRST,       /* the first packet of a result */
	MY_RES_COLUMNS,     /* column definitions, `left` of them */
	MY_RES_COLUMNS_END, /* EOF behind them, without DEPRECATE_EOF */
	MY_RES_ROWS,        /* until the last packet */
	MY_RES_PARAMS,      /* PREPARE: definitions of parameters */
	MY_RES_PARAMS_END,
	MY_RES_FIELDS, /* PREPARE: definitions of columns */
	MY_RES_FIELDS_END,
	MY_RES_LIST,   /* COM_FIELD_LIST: definitions until the last packet */
	MY_RES_INFILE, /* the server waits for a file */
	MY_RES_STREAM, /* binlog: until ERR or EOF */
	MY_RES_DONE
};
struct my_res {
	uint32_t left, fields; /* definitions to come now, and (PREPARE) after these */
	uint8_t state;         /* enum my_res_state */
	uint8_t cmd;           /* COM_* that it answers */
	bool eof;              /* the server sends EOF packets: no DEPRECATE_EOF */
	bool infile_ok;        /* the statement may ask for a file */
};

/* ---- replies that a link owes ---- */
enum my_disp {
	MY_FORWARD, /* to the client */
	MY_SWALLOW, /* ours; nobody looks at it: an error is an error of the link */
	MY_CAPTURE  /* ours: what tells which, enum my_capture */
};
enum my_capture {
	MY_CAP_SETUP,   /* trackers and facts behind a login or reset */
	MY_CAP_SYNC,    /* a session's state */
	MY_CAP_STATUS,  /* COM_PING behind an error: what became of the transaction */
	MY_CAP_ASK,     /* what only the server can tell */
	MY_CAP_PREPARE, /* COM_STMT_PREPARE for an EXECUTE that waits */
	MY_CAP_QUERY,   /* link_query() */
	MY_CAP_CLEAN,
	MY_CAP_PING
};
struct my_owed {
	uint8_t cmd, disp;
	uint8_t what;  /* MY_CAPTURE: enum my_capture */
	uint8_t flags; /* MY_OWED_F_* */
	uint32_t stmt; /* PREPARE, EXECUTE of the client's statement: its id as the client knows it,
			  else 0 */
};
#define MY_OWED_F_INFILE 1U /* LOAD DATA LOCAL: what the client sends next waits for its answer */
#define MY_OWED_F_LAST 2U   /* the last of several captures of one kind */

struct my_ring {
	struct my_owed *v;
	uint32_t head, n, size; /* size: 0 or a power of 2 */
};

/* ---- a link ---- */
struct my_link_login; /* mysql_login_int.h */
struct my_ask;        /* mysql_state.c */

enum my_dirty { MY_CLEAN, MY_DIRTY /* COM_RESET_CONNECTION must */ };

struct my_link {
	struct proto_env *env;
	struct my_link_login *login; /* until PEV_AUTH_OK; freed by the login half */
	struct varset *have;         /* what is set on the server beyond a fresh login */
	struct varset *sync_to;      /* what it will be when the sync in flight succeeds */
	struct varset *fresh;        /* some variables as they are after login or reset */
	struct my_ring owed;
	struct my_res res;     /* how far the reply of the ring's head has come */
	struct linkmap stmts;  /* server's ids by key */
	struct my_ask *ask;    /* rows of a query of ours */
	struct buf body;       /* cells of PEV_ROW */
	char **cells;          /* PEV_ROW */
	struct err *query_err; /* first error of a query of ours */
	char *version;         /* as the greeting said it. Login half; owned */
	uint64_t caps;         /* negotiated. Login half */
	uint64_t last_client_id;
	uint32_t version_n;   /* as in executable comments: 90704, 101119. Login half */
	uint32_t thread_id;   /* Login half */
	uint32_t down_left;   /* bytes of the current frame that are still to come */
	uint32_t prep_params; /* of the PREPARE being answered */
	uint16_t status;      /* SERVER_STATUS_* as last said. Login half first */
	uint8_t down_rest;    /* enum flow_rest */
	uint8_t down_seq;     /* sequence id of its next packet, while a reply is under way */
	uint8_t tx;           /* enum tx_state */
	uint8_t dirty;        /* enum my_dirty */
	bool mariadb;         /* Login half */
	bool down_more;       /* the next frame continues the packet */
	bool eof_due;         /* the client needs an EOF behind the columns, unless what comes is
				 the end */
	bool tx_unsure;       /* an error may have ended the transaction: MY_CAP_STATUS is owed */
	bool sync_due;        /* attach() found that the state differs */
	bool mid_up;          /* detached in the middle of a packet to the server */
	bool raw;             /* binlog: bytes only */
	bool spoiled;         /* a session did what no cleaning undoes */
	bool failed;          /* out of memory in the middle: cannot go on */
	uint8_t key[4];       /* link_cancel_key(): thread_id */
};

/* ---- running half (ops of the same name) ---- */
struct pev my_up(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up, struct buf *down,
	struct err *e);
struct pev my_down(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e);
bool my_attach(void *cst, void *lst, struct buf *up);
enum proto_release my_link_release(void *cst, void *lst, struct buf *up);
void my_detach(void *cst, void *lst);
int my_client_conf(void *cst, const struct proto_client_conf *c, struct err *e);
bool my_client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down);
/* What client_init()/client_fini() and link_init()/link_fini() of the login half call for the
 * running half. */
void my_client_run_init(struct my_client *c, struct proto_env *v);
void my_client_run_fini(struct my_client *c);
void my_link_run_init(struct my_link *l, struct proto_env *v);
void my_link_run_fini(struct my_link *l);

/* Behind the server's OK to a login the login half calls setup_put() once and then, with all
 * further input, setup_step() until that returns PEV_AUTH_OK or PEV_BAD: it switches the trackers
 * on and asks for what a session must know. caps, mariadb, version_n and thread_id are filled by
 * then. */
void my_link_setup_put(struct my_link *l, struct buf *up);
struct pev my_link_setup_step(
	struct my_link *l, const uint8_t *p, size_t n, struct buf *up, struct err *e);

/* ---- login half, called from here ---- */
void my_client_login_free(struct my_client *c);
/* COM_CHANGE_USER, its payload behind the command byte: c->login is new afterwards and
 * client_login() tells who. -1: e. */
int my_client_change_user(struct my_client *c, const uint8_t *p, size_t n, struct err *e);
struct pev my_console_up(struct my_client *c, const uint8_t *p, size_t n, struct buf *down,
	struct err *e); /* up() of console sessions */
#endif
