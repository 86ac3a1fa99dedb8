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
#include "sql/lex_my.h"
#include "sql/route.h"
#include "stmtmap.h"
#include "texts.h"
#include "vars.h"
#include "wire/mysql/caps.h"

#include <stdbool.h>
#include <stdint.h>

#define MY_HEAD_BYTES 4U              /* length (3), sequence id */
#define MY_FRAME_MAX_BYTES 0xffffffU  /* a frame of that length is continued by the next one */
#define MY_WHOLE_MAX_BYTES (1U << 20) /* OK, ERR and the like above this are malformed */
#define MY_ACKED_MAX_BYTES 64U        /* of the GTIDs of one OK */
#define MY_OWED_MAX_N (1U << 16)      /* replies owed by one link */

/* Entries of a session's and a link's settings that are no system variables. No variable's name
 * begins with '#'; user variables are "@name" with an expression as value. */
#define MY_VAR_SCHEMA "#schema" /* absent: none is selected */
/* What SET ROLE wants for the roles that are active; absent: those of a fresh link. */
#define MY_VAR_ROLE "#role"
#define MY_ROLE_UNKNOWN "?"

/* In client_link_class(), beside my_class_of_caps(): no schema was selected yet, which no command
 * can make so again. */
#define MY_CLASS_NO_SCHEMA 64U

/* ---- per worker ---- */
struct my_lex_cache {                /* how texts are read under these settings */
	struct varset *want, *fresh; /* references */
	struct sql_my_opts opts;
	bool valid;
};
struct my_told_cache {                   /* what a client with these wishes hears of trackers */
	struct varset *tracking, *fresh; /* references */
	const char *vars;                /* a list, as session_track_system_variables has it */
	bool heartbeat, schema, state, gtids, tx_state, tx_text;
	bool valid;
};
struct proto_env {
	struct vartab vars;
	struct stmttab stmts;
	uint32_t max_message_bytes; /* of a request; never 0 */
	uint32_t max_inspect_bytes;
	uint64_t next_client_id;
	struct my_lex_cache lex;
	struct my_told_cache told;
	struct proto_wish wish; /* of the last PEV_REQUEST */
	struct texts texts;     /* that came before: struct my_known of each */
};

/* ---- a client session ---- */
struct my_client_login; /* mysql_login_int.h */
struct my_hold;         /* mysql_hold.c */
struct my_diag;         /* mysql_diag.c */
struct my_stmts;        /* mysql_stmt.c: its prepared statements */

#define MY_NAMES_MAX_N 32U
struct my_learn {                    /* only while it is needed */
	char *names[MY_NAMES_MAX_N]; /* user variables that were set: to be asked for; owned */
	unsigned n_names;
	char *sys[MY_NAMES_MAX_N]; /* system variables that a SET names and no tracker has told
				      of: the same */
	unsigned n_sys;
};

#define MY_LOOKS_BACK \
	(SQL_MY_FOUND_ROWS | SQL_MY_ROW_COUNT | SQL_MY_DIAG | SQL_MY_PROFILE | SQL_MY_SEQ_READ | \
		SQL_MY_LAST_GTID)
/* What a request does to its session, if it succeeds. */
struct my_req {
	uint64_t flags;                /* SQL_MY_* */
	uint64_t looks;                /* those of MY_LOOKS_BACK that mean the request before */
	uint64_t insert_id;            /* as its OKs said */
	uint32_t add, del;             /* PIN() bits */
	uint32_t anyway;               /* pins that it leaves even if it fails */
	uint32_t kill;                 /* it is a KILL of that number; 0: no */
	int8_t n_handlers, n_prepared; /* opened or prepared by it, less those given back */
	uint8_t n_statements;          /* saturating */
	uint8_t wish;     /* session_track_... variables that it sets: bits as in my_wish_names */
	bool calls;       /* it has a CALL, or what may be one */
	bool no_verb;     /* it begins with no word that we know: a syntax error is its end */
	bool selects;     /* one SELECT: FOUND_ROWS() is the number of its rows */
	bool keeps_found; /* FOUND_ROWS() stays what it was */
	bool kill_whole;
	bool gives_id;  /* its OK may tell of a key, generated or explicit */
	bool warnings;  /* it has left some */
	bool lies;      /* SET STATEMENT: what the trackers say is not what stays */
	bool mode_told; /* a tracker told of sql_mode */
};
/* What is kept of a text that came before: nothing that depends on more than how it is read, but
 * the verdict, which says for what it holds. */
struct my_known {
	bool has_req;
	struct my_req req;
	struct meter_digest digest;
	uint64_t route_names; /* the names that it was found with; 0: no verdict yet */
	uint32_t route_how;
	struct sql_route route;
};
#define MY_NEED_COLLATION 1U
#define MY_NEED_MODE 2U
#define MY_NEED_LAST_ID 4U
#define MY_NEED_VARS 8U
#define MY_NEED_DIAG 16U /* warnings, before anything else runs */
#define MY_NEED_SYS 32U
#define MY_NEED_ROLE 64U
#define MY_NEEDS 127U
/* What a client was told of its transaction that has not asked to be. */
#define MY_TOLD_NO_TX 0U
#define MY_TOLD_TX 1U
#define MY_TOLD_SNAPSHOT 2U
struct my_client { /* an idle session of thousands: keep it small */
	struct proto_env *env;
	struct my_client_login *login; /* until client_ready(), and again during COM_CHANGE_USER;
					  freed by the login half */
	struct proto_counters *counters;
	struct varset *start;    /* of the login: what COM_RESET_CONNECTION returns to */
	struct varset *want;     /* what differs from a fresh link of the pool */
	struct varset *base;     /* what a server said of fresh sessions when it logged in */
	struct varset *tracking; /* session_track_...: its own wishes, not the link's; absent: the
				    server's defaults */
	struct varset *wished;   /* tracking, if the request under way succeeds */
	struct my_stmts *stmts;  /* NULL until the first COM_STMT_PREPARE */
	struct proto_names *const *names; /* it may read on replicas, by these; NULL: not */
	struct proto_ruling *ruling;      /* NULL: there are never rules */
	struct proto_meter *meter;        /* NULL: nothing is counted */
	uint64_t caps;        /* negotiated; bits 32..63: MariaDB's extended ones; SSL: TLS is
				    there. Login half */
	uint64_t id;          /* never used twice in this env */
	struct my_hold *hold; /* what the request under way does to held; or NULL */
	struct varset *held;  /* temporary tables and user locks, by name: how often */
	struct my_diag
		*diag; /* of its last statement, which ran on a link that others have by now */
	struct my_learn *learn;  /* NULL mostly */
	struct my_req req;       /* the request under way */
	struct my_req prepared;  /* what text-PREPAREd statements may do */
	uint64_t last_insert_id; /* as LAST_INSERT_ID() has it */
	uint64_t insert_id;      /* as the last OK said, until the server was asked */
	uint64_t found_rows;     /* FOUND_ROWS(), if found_known */
	int64_t row_count;       /* ROW_COUNT() */
	uint32_t n_attached;     /* links that it was given so far */
	uint32_t last_stmt;      /* id of its newest prepared statement: a reset does not begin
				    again, so none of before means one of now */
	uint32_t number;         /* connection id that it was told. Login half */
	uint32_t held_unknown;   /* PIN() bits of what is held under names that are not known */
	uint32_t pins;           /* PIN() bits */
	uint16_t n_handlers, n_prepared;
	uint8_t needs;           /* MY_NEED_*: what only the server can tell */
	uint32_t up_left;        /* bytes of the current frame that are still to come */
	uint32_t up_carry;       /* bytes in front of its next frame's header that go behind it */
	uint32_t up_tail;        /* with up_carry 0 and up_more: bytes of a frame of their own */
	uint32_t max_stmt_bytes; /* of prepared statements' texts that are kept */
	uint16_t max_prepared;   /* handles on one link, at least 1 */
	uint16_t collation;      /* id, of the login packet. Login half */
	uint16_t status;         /* SERVER_STATUS_* as it was last told */
	uint8_t mode;            /* enum proto_mode */
	uint8_t zstd_level;      /* that it wants; 0: none. Login half */
	uint8_t scramble[20];    /* the last that it was sent. Login half */
	uint8_t up_rest;         /* enum flow_rest for up_left */
	uint8_t up_seq;          /* sequence id of its next frame, when up_more */
	uint8_t seq;             /* of the next packet to it. Login half until client_ready() */
	bool up_more;            /* the next frame continues the packet */
	bool mariadb;            /* the greeting spoke for a MariaDB. Login half */
	bool console;            /* up() is the console's */
	bool console_waits;      /* for console_reply() */
	bool ready;              /* the welcome was sent */
	bool multi;              /* CLIENT_MULTI_STATEMENTS, as COM_SET_OPTION left it */
	bool in_infile;          /* it sends a file for LOAD DATA LOCAL */
	bool ro_tx;              /* read-only transactions may run on replicas */
	bool defer_begin;        /* its BEGIN may wait for the next statement */
	uint8_t begun;           /* its transaction is on no link: how it began (mysql_begin.c),
				    else 0 */
	uint8_t tx_lost;         /* enum err_code: what it hears of a transaction that was lost */
	bool fail_next;          /* client_fail_request(): its request is consumed unread */
	bool found_known;
	bool id_set;        /* it may have set LAST_INSERT_ID() to anything */
	uint8_t tx_told;    /* MY_TOLD_* */
	uint8_t wish;       /* of the request under way, until they are known */
	bool in_request;    /* a request of its is not answered */
	uint8_t sync_tries; /* links that could not take its state, one after the other */
	bool confined;      /* its link only runs reads */
	bool guarded;       /* PEV_REFUSED may come: nothing of an answer was passed on */
	bool looked;        /* my_reads() has seen the command that comes next */
	bool only_read;     /* it has said yes to all that went to the link */
	bool hinted;        /* and the first of it had a hint: nothing else may follow it there */
	bool lost;          /* its transaction is, with its link, and it has not heard of it */
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
	uint64_t caps;         /* of the link */
	uint32_t left, fields; /* definitions to come now, and (PREPARE) after these */
	uint8_t state;         /* enum my_res_state */
	uint8_t cmd;           /* COM_* that it answers */
	bool infile_ok;        /* the statement may ask for a file */
};

/* ---- replies that a link owes ---- */
enum my_disp {
	MY_FORWARD, /* to the client */
	MY_CAPTURE  /* ours: what tells which, enum my_capture */
};
enum my_capture {
	MY_CAP_SETUP,   /* trackers and facts, behind a login or a client's reset */
	MY_CAP_SYNC,    /* a session's state */
	MY_CAP_OPTION,  /* COM_SET_OPTION */
	MY_CAP_STATUS,  /* COM_PING behind an error: what became of the transaction */
	MY_CAP_ASK,     /* what only the server can tell */
	MY_CAP_DIAG,    /* SHOW WARNINGS */
	MY_CAP_WISH,    /* which trackers the client asked for, and ours again */
	MY_CAP_PREPARE, /* COM_STMT_PREPARE for an EXECUTE that waits */
	MY_CAP_CLEAN,
	MY_CAP_QUERY /* link_query(), link_ping() */
};
struct my_owed {
	uint8_t cmd, disp;
	uint8_t what;      /* MY_CAPTURE: enum my_capture */
	uint8_t flags;     /* MY_OWED_F_* */
	uint8_t skip;      /* results of ours in front of the client's, in the same reply */
	uint8_t seq;       /* of the reply's first packet, as the server counts */
	uint8_t cseq;      /* and as the client does */
	uint8_t n_results; /* to come, as its text says */
	bool calls;        /* more may come: CALL */
	uint32_t stmt;     /* of the client's PREPARE, EXECUTE, FETCH: the id that it knows */
	uint32_t handle;   /* EXECUTE: and the server */
	struct proto_ticket ticket;
};
#define MY_OWED_F_INFILE 1U /* may ask for a file: what the client sends next waits */
#define MY_OWED_F_LAST 2U   /* the last of several captures that belong together */
#define MY_OWED_F_ERROR 4U  /* an error is its answer */

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
	struct my_res res;       /* how far the reply to the ring's head has come, if begun */
	struct linkmap stmts;    /* server's handles by key */
	struct hash128 prep_key; /* of the handle that MY_CAP_PREPARE asks for */
	struct my_ask *ask;      /* rows of a query of ours */
	struct buf body;         /* cells of PEV_ROW */
	struct buf kept;         /* the request behind state that goes in front of it */
	char **cells;            /* PEV_ROW */
	struct err *query_err;   /* first error of a query of ours */
	char *version;           /* as the greeting said it. Login half; owned, MEM_PROTO */
	uint64_t caps;           /* negotiated. Login half */
	uint64_t server_caps;    /* all that the server has. Login half */
	uint64_t last_client_id;
	uint64_t n_rows; /* of the result under way */
	/* Of the client's statement that is put into the ring next; and what was passed of the
	 * answer to the ring's head. */
	struct proto_ticket ticket;
	struct proto_answer answer;
	int64_t affected;               /* by the last statement, -1: it gave rows or failed */
	uint32_t last_attached;         /* n_attached of that client then */
	uint32_t version_n;             /* as in executable comments: 90704, 101119. Login half */
	uint32_t thread_id;             /* Login half */
	uint32_t down_left;             /* bytes of the current frame that are still to come */
	uint32_t prep_handle;           /* the answer */
	uint32_t n_forward;             /* entries of the client in the ring */
	uint16_t status;                /* SERVER_STATUS_* as last said. Login half first */
	uint8_t acked_n;                /* of acked */
	char acked[MY_ACKED_MAX_BYTES]; /* the GTIDs of the newest OK that had some */
	uint16_t peek_status, peek_warnings; /* of the end, if peeked */
	uint8_t down_rest;                   /* enum flow_rest */
	uint8_t down_seq;                    /* sequence id of its next packet, if begun */
	uint8_t tx;                          /* enum tx_state */
	uint8_t dirty;                       /* enum my_dirty */
	uint8_t server_collation;            /* of its greeting. Login half */
	uint8_t link_class; /* client_link_class() of those that it serves. Login half */
	bool mariadb;       /* Login half */
	bool peeked;        /* the end of the rows was looked at */
	bool tx_due;        /* a request is over but for what we asked behind it */
	bool in_setup;      /* my_link_setup_put() is not answered */
	bool begun;         /* the reply to the ring's head has begun */
	bool down_more;     /* the next frame continues the packet */
	bool eof_due;       /* the client wants an EOF behind the columns, unless they are the
				  end */
	bool ask_hold;      /* a request waits for ask */
	bool tx_text;       /* the next transaction has characteristics of its own */
	bool own_last;      /* the last statement on it was of the attached session */
	bool own_count;     /* and ROW_COUNT() */
	bool own_found;     /* FOUND_ROWS(), which BEGIN and others keep, is of that session */
	bool left_diag;     /* MariaDB: warnings may be left, which not each statement clears */
	bool diag_due;      /* ... and they are another session's than the attached one's */
	bool own_id;        /* LAST_INSERT_ID() is that of the attached session */
	bool id_other;      /* with !own_id: it was asked for, and is none of that session */
	bool id_left;       /* it is not 0, and was asked for or set: another session's explicit key
	                     * may be the same number */
	bool own_gtid;      /* MariaDB: @@last_gtid is of its transaction */
	bool own_seq;       /* MariaDB: that has drawn from a sequence; others may have before */
	bool prep_wait;     /* a handle was asked for */
	bool prep_moved;    /* with another state around it */
	bool columns_moved; /* they are not those that the client was told */
	bool sync_due;      /* attach() found another state than the session's */
	bool multi;         /* the server takes multi-statements now. Login half first */
	bool sync_wait;     /* a sync is in the ring */
	bool begins;        /* with the session's BEGIN behind it */
	bool mid_up;        /* detached in the middle of a packet to the server */
	bool raw;           /* binlog: bytes only */
	bool spoiled;       /* a session did what no cleaning undoes */
	bool failed;        /* out of memory in the middle: cannot go on */
	uint8_t key[4];     /* link_cancel_key(): thread_id */
};

/* Compressed: the numbers of packets count for nothing there, and servers count strangely. */
#define MY_PACKED_CAPS (MYCAP(COMPRESS) | MYCAP(ZSTD))
static inline bool my_packed(uint64_t caps)
{
	return caps & MY_PACKED_CAPS;
}

static inline struct pev my_pev(enum pev_kind kind, size_t n)
{
	return (struct pev){ .kind = kind, .n = n };
}

/* ---- running half (ops of the same name) ---- */
struct pev my_up(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up, struct buf *down,
	struct err *e);
struct pev my_down(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e);
bool my_attach(void *cst, void *lst, struct buf *up);
enum proto_release my_link_release(void *cst, void *lst, struct buf *up);
void my_detach(void *cst, void *lst);
uint32_t my_client_pins(const void *cst);
bool my_client_lost(void *cst, void *lst, const struct proto_loss *x, struct buf *down);
bool my_client_mid_message(const void *cst);
void my_client_confine(void *cst, bool reads_only, bool guarded);
bool my_client_only_read(const void *cst);
void my_client_fail_request(void *cst, const struct err *e, struct buf *down);
void my_client_killed(void *cst, const struct err *e, struct buf *down);
void my_client_answer(void *cst, void *lst, const struct rowset *r, struct buf *down);
bool my_client_in_request(const void *cst, const uint8_t *in, size_t n);
enum proto_stays my_client_move_out(void *cst, bool with_link, struct buf *out);
int my_client_move_in(void *cst, struct proto_env *v, const struct proto_client_conf *k,
	bool with_link, struct rd *r, struct err *e);
unsigned my_client_link_class(const void *cst);
bool my_client_fits(const void *cst, const void *lst, struct err *e);
unsigned my_client_params(const void *cst, struct proto_kv *out, unsigned max);
const char *my_client_app_name(const void *cst);
bool my_link_owes(const void *lst);
unsigned my_link_requests(const void *lst);
bool my_link_mid_reply(const void *lst);
enum tx_state my_link_tx(const void *lst);
size_t my_link_acked(void *lst, const char **gtids_r);
bool my_link_abort(void *lst, struct buf *up);
bool my_link_clean(void *lst, const char *sql, bool always, struct buf *up);
void my_link_query(void *lst, const char *sql, const char *param, struct buf *up);
void my_link_ping(void *lst, struct buf *up);
void my_put_cancel(void *lst, struct buf *up, const uint8_t *key, size_t key_n);
void my_put_bye(void *lst, struct buf *up);
bool my_link_spoiled(const void *lst);
bool my_link_movable(const void *lst);
void my_link_move_out(void *lst);
bool my_link_move_in(void *lst, struct proto_env *v);
enum proto_stays my_link_hand_out(const void *cst, const void *lst, struct buf *out);
int my_link_hand_in(void *cst, void *lst, struct proto_env *v, struct rd *r, struct err *e);
const char *my_link_param(const void *lst, const char *name);
unsigned my_n_statements(const void *cst_or_lst, bool is_link);
void my_put_error(void *cst, struct buf *down, const struct err *e, bool fatal);
void my_put_notice(
	void *cst, struct buf *down, const char *severity, const char *sqlstate, const char *msg);
struct proto_env *my_env_new(const struct proto_env_opts *o);
void my_env_set(struct proto_env *v, const struct proto_env_opts *o);
void my_env_free(struct proto_env *v);
void my_cache_export(const void *cst, struct buf *out);
void my_cache_import(struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n);
void my_cache_free(struct proto_cache **cache);
int my_client_conf(void *cst, const struct proto_client_conf *c, struct err *e);
bool my_client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down);
/* What client_init()/client_fini() and link_init()/link_fini() of the login half call for the
 * running half. */
void my_client_run_init(struct my_client *c, struct proto_env *v);
void my_client_run_fini(struct my_client *c);
void my_link_run_init(struct my_link *l, struct proto_env *v);
void my_link_run_fini(struct my_link *l);

/* Behind the server's OK to a login the login half calls my_link_setup_put() once and then, with
 * all further input, my_link_setup_step() until that returns PEV_AUTH_OK or PEV_BAD: it switches
 * the trackers on and asks for what a session must know. caps, mariadb, version_n and thread_id are
 * filled by then. */
void my_link_setup_put(struct my_link *l, struct buf *up);
struct pev my_link_setup_step(
	struct my_link *l, const uint8_t *p, size_t n, struct buf *up, struct err *e);

/* ---- login half, called from here ---- */
void my_client_login_free(struct my_client *c);
void my_link_set_key(struct my_link *k); /* of its thread_id */
/* The information string of the OK behind a login; "" if there is none. Valid until the login's
 * end. */
const char *my_client_ok_info(const struct my_client *c);
/* COM_CHANGE_USER, its payload with the command byte: c->login is new afterwards and
 * client_login() tells who. -1: e. */
int my_client_change_user(struct my_client *c, const uint8_t *p, size_t n, struct err *e);
struct pev my_console_up(struct my_client *c, const uint8_t *p, size_t n, struct buf *down,
	struct err *e); /* up() of console sessions */
#endif
