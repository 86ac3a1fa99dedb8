/* pg_int - what the files of the PostgreSQL protocol share: the state of a session and of a link,
 * and the functions behind proto_pg. Private to src/proto. The login halves are in pg_login_int.h;
 * everything else here is the running part. One thread: that of the env. */
#ifndef PROTO_PG_INT_H
#define PROTO_PG_INT_H
#include "proto/proto.h"
#include "base/hmap.h"
#include "flow.h"
#include "sql/classify.h"
#include "sql/route.h"
#include "stmtmap.h"
#include "texts.h"
#include "vars.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PG_STMT_PREFIX "weirpool_" /* of every name that we give on a server */
#define PG_ASYNC_MAX_BYTES 65536U  /* E, N, S, A, C above this are passed or swallowed unread */
#define PG_OWED_MAX_N (1U << 16)   /* replies owed by one link: then the client waits */
#define PG_REPLAY_MAX_BYTES 2048U  /* of a batch kept for healing */
#define PG_SEEN_MAX_BYTES 2048U    /* of the text that was read last */

/* ---- per worker ---- */
struct proto_env {
	struct vartab vars;
	struct stmttab stmts;
	uint32_t max_message_bytes; /* body; never 0 */
	uint32_t max_inspect_bytes;
	uint64_t next_salt;
	uint64_t next_client_id; /* starts at a base of its own in each env: ids are unique in the
				    process */
	struct varset *lex_told; /* for which lex_opts was worked out; a reference */
	struct pg_lex_opts {
		bool valid, scs, unsafe_encoding;
		unsigned server_major;
	} lex;
	/* The text that was read last to find its node: it is read again when it is sent. Of texts
	 * that set something nothing is kept; n is then 0. */
	struct pg_seen {
		size_t n;
		struct pg_lex_opts lex;
		struct sql_stmt_info info; /* up to set_name */
		char text[PG_SEEN_MAX_BYTES];
	} seen;
	struct texts texts;     /* others: struct pg_known of each */
	struct proto_wish wish; /* of the last PEV_REQUEST */
	char **track_extra;     /* NULL-terminated copy, or NULL */
	bool seq_reads;         /* a session has used currval() or lastval() */
};

/* What is kept of a text that came before: nothing that depends on more than how it is read, but
 * the verdict, which says for what it holds. */
struct pg_known {
	uint8_t info[offsetof(struct sql_stmt_info, name)]; /* it has no name, and sets nothing */
	bool view_mentioned;
	struct meter_digest digest;
	uint64_t route_names; /* the names that it was found with; 0: no verdict yet */
	uint32_t route_how;
	struct sql_route route;
};

/* ---- a client session ---- */
/* Is its transaction lost with its link? Then it is a failed one, which the next link has to
 * have. */
enum pg_lost { PG_LOST_NO, PG_LOST_TOLD /* the client has had an error */, PG_LOST_UNTOLD };

struct pg_client_login; /* pg_login_int.h */
struct pg_learn;        /* pg_learn.c: what an unusual request needs */

struct pg_client { /* an idle session of thousands: keep it small */
	struct proto_env *env;
	struct pg_client_login *login; /* until client_ready(); freed by the login half */
	struct proto_counters *counters;
	struct varset *start; /* startup parameters and forced variables: what RESET returns to */
	struct varset
		*want; /* settings of the session that differ from a fresh login of the pool */
	struct varset *told;   /* ParameterStatus as this client last heard them */
	struct stmtmap *stmts; /* NULL until the first named Parse */
	struct stmt *unnamed;
	struct pg_learn *learn;           /* NULL mostly */
	struct proto_names *const *names; /* it may read on replicas, by these; NULL: not */
	struct proto_ruling *ruling;      /* NULL: there are never rules */
	struct proto_meter *meter;        /* NULL: nothing is counted */
	uint64_t id;                      /* never used twice in this env; 0: none yet */
	uint64_t acc; /* SQL_F_* of all that was sent since the last point at which the state was
			 known */
	uint64_t acc_asking; /* those that the state query in flight is about */
	uint64_t want_hash;  /* of what in want may change what a statement's text means */
	uint64_t salt; /* settings may have changed since the state was known: keeps what is parsed
			  now apart. 0: no */
	uint64_t raw_flags;      /* of statements that pass under their own names */
	uint32_t pins;           /* PIN() bits the server told of: a later answer replaces them */
	uint32_t pins_kept;      /* PIN() bits that last until the session ends */
	uint8_t told_pid[4];     /* of its BackendKeyData: how it knows its own notifications */
	uint32_t up_left;        /* bytes of the current message that are still to come */
	uint32_t max_stmt_bytes; /* of named statements' texts; 0: no limit */
	uint16_t max_prepared;
	uint16_t n_requests; /* since the state was known, saturating: is it exactly one? */
	uint8_t mode;        /* enum proto_mode */
	uint8_t up_rest;     /* enum flow_rest for up_left */
	bool console;        /* owned by the login half: up() is the console's */
	bool in_batch;       /* extended messages since the last Sync */
	bool skip_to_sync;   /* the request failed here, not on a server: drop until Sync, then
				ReadyForQuery */
	bool fail_next;      /* client_fail_request() came before the request's first message was
				consumed */
	uint8_t unnamed_raw; /* the unnamed statement was too large to keep, it is on the link only.
				1: never bound, 2: was */
	bool seq_used;       /* currval()/lastval() were used by this session */
	bool ready;          /* the welcome was sent */
	bool may_reset; /* startup parameters may have been reset: the next request waits for the
			   answer */
	uint8_t role;   /* proto_client_conf.role */
	bool no_simple; /* disable_pqexec */
	bool no_ro_tx;  /* read-only transactions run on the primary */
	uint8_t sync_tries; /* links that could not take its settings, one after the other */
	bool no_asking;     /* server_state_tracking = off */
	bool confined;      /* its link only runs reads */
	bool guarded;       /* PEV_REFUSED may come: nothing of an answer was passed on */
	bool looked;        /* pg_reads() has seen the request that comes next */
	bool only_read;     /* it has said yes to all that went to the link */
	bool hinted;        /* and the first of it had a hint: nothing else may follow it there */
	uint8_t lost;       /* enum pg_lost */
	uint8_t tx_lost;    /* enum err_code: what it hears of that */
	bool defer_begin;   /* its BEGIN may wait for the next statement */
	uint8_t begun;      /* its transaction is on no link: how it began (pg_begin.c), else 0 */
	bool lost_commit;   /* ... and the Query at hand is a COMMIT of it */
	bool ends_tx;    /* the request that was sent last is a COMMIT or ROLLBACK, and no more */
	bool mixed;      /* state outside of the transaction was changed before it began, and is
			       not known yet */
	bool relisten;   /* pg_learn.listens is wanted */
	bool listen_due; /* the next link listens again */
};

/* ---- replies that a link owes ---- */
enum owed_kind {
	OWED_QUERY,       /* T D C I E G H d c ... Z */
	OWED_PARSE,       /* 1 */
	OWED_BIND,        /* 2 */
	OWED_DESC_STMT,   /* t, then T or n */
	OWED_DESC_PORTAL, /* T or n */
	OWED_EXECUTE,     /* D*, then C, I or s; or a COPY, then C */
	OWED_CLOSE,       /* 3 */
	OWED_SYNC,        /* Z (an E may precede it) */
	OWED_FUNC,        /* V or E, then Z */
	OWED_COPY_END,    /* nothing: marks where CopyDone or CopyFail stands among what was sent */
	OWED_SYNTH        /* nothing: we answer ourselves when its turn comes */
};
enum owed_disp {
	OWED_FORWARD, /* to the client */
	OWED_SWALLOW, /* ours; an error of it is the client's when flags say so */
	OWED_CAPTURE  /* ours: synth tells which, enum pg_capture */
};
#define OWED_F_UNDO 1U  /* a record waits in the session's undo queue */
#define OWED_F_GOT_T 2U /* 't' of a Describe was there */
#define OWED_F_ERROR 4U /* an ErrorResponse came: Z must be next */
#define OWED_F_HELD 8U  /* Sync not sent yet: behind a COPY FROM STDIN the server would eat it */
#define OWED_F_COPY 16U /* COPY IN runs in it */
#define OWED_F_FORCED \
	32U /* sent to fail: the client gets the err in p.err instead of the server's words */
#define OWED_F_OUT 64U      /* COPY OUT runs in it */
#define OWED_F_UNNAMED 128U /* PARSE of the unnamed statement */
#define OWED_F_CLEARS 256U  /* may drop all prepared statements */
#define OWED_F_FIRST 512U /* the client's statement is the first of the text, the others are ours */
#define OWED_F_MUTED 1024U    /* that was answered */
#define OWED_F_LEARN 2048U    /* DESC_STMT: the answer is kept, see pg_told.c */
#define OWED_F_TELL 4096U     /* when it succeeds, its statement counts as told */
#define OWED_F_HEAL 8192U     /* SYNC behind which a batch may be sent again; its ls is what for */
#define OWED_F_FORMATS 32768U /* BIND: with a format for each column that the client knows */
#define OWED_F_NEEDS 16384U   /* the entry before it makes the statement that it executes */

struct owed {
	uint8_t kind, disp;
	uint16_t flags;
	/* SYNTH: type of the bodyless message to send. CAPTURE: enum pg_capture. QUERY: 'C', if it
	 * is the COMMIT of a transaction that its client does not know to be lost */
	uint8_t synth;
	uint16_t tag; /* PARSE, BIND, DESC_STMT: told_tag() of the statement's name */
	union {
		struct linkstmt *ls; /* PARSE, BIND, DESC_STMT, or NULL; counted there */
		struct err *err;     /* OWED_F_FORCED; owned */
		uint32_t named_id;   /* PG_CAP_NAMED; 0: none */
	} p;
	struct proto_ticket ticket; /* FORWARD: QUERY, EXECUTE */
};
struct owed_ring {
	struct owed *v;
	uint32_t head, n, size; /* size: 0 or a power of 2 */
};

enum pg_capture { /* what the entry with OWED_CAPTURE is */
	PG_CAP_SYNC,
	PG_CAP_ASK,
	PG_CAP_QUERY,
	PG_CAP_NAMED,
	PG_CAP_CLEAN,
	PG_CAP_LOST,  /* makes a transaction that has failed */
	PG_CAP_BEGIN, /* the BEGIN that was answered before there was a link */
	PG_CAP_LISTEN /* what its client listened to on a link that was lost */
};

/* ---- a link ---- */
struct pg_link_login; /* pg_login_int.h */
struct pg_ask;        /* pg_state.c: rows of a state query */

struct pg_link {
	struct proto_env *env;
	struct pg_link_login *login; /* until PEV_AUTH_OK; freed by the login half */
	struct varset *have;         /* what is set on the server beyond a fresh login */
	struct varset *sync_to;      /* what it will be when the sync in flight succeeds */
	struct varset *reported;     /* ParameterStatus as the server last said. Filled by the login
					half as well */
	struct owed_ring owed;
	struct linkmap stmts;
	struct pg_named *named;       /* pg_named.c; NULL mostly */
	struct hash128 unnamed;       /* key of the server's unnamed statement, if has_unnamed */
	struct stmtdesc unnamed_desc; /* of that */
	struct pg_ask *ask;
	struct pg_kept *kept; /* pg_sync.c: for another link, if the sync in flight fails */
	struct varset *fresh; /* reported right after login */
	struct buf body;      /* cells of PEV_ROW */
	uint8_t replay[PG_REPLAY_MAX_BYTES]; /* the batch as sent, for healing */
	uint16_t replay_n;
	char **cells;            /* PEV_ROW */
	uint64_t last_client_id; /* who may have been the last to draw from a sequence; 0: none */
	uint64_t unnamed_view;   /* view_text() of the unnamed statement, if it reads that view */
	uint64_t batch_flags;    /* SQL_F_* bound since the last Sync */
	/* Of the statement that the next entry with one is of, and the portal that it is bound to;
	 * and what was passed of the answer to the first entry with one. */
	struct proto_ticket ticket;
	uint64_t ticket_portal;
	struct proto_answer answer;
	uint32_t batch_no;         /* Syncs and Queries sent */
	uint32_t unnamed_batch;    /* in which it was parsed, if unnamed_ours */
	uint32_t clears_batch;     /* batch_no of the last entry with OWED_F_CLEARS */
	uint32_t n_clears, n_held; /* entries in the ring with OWED_F_CLEARS, OWED_F_HELD */
	uint32_t n_ready;          /* entries in the ring that end with ReadyForQuery */
	uint32_t down_left;        /* bytes of the current message that are still to come */
	uint8_t down_rest;         /* enum flow_rest */
	uint8_t down_end; /* type of that message when its last byte completes an entry; else 0 */
	uint8_t tx;       /* enum tx_state */
	uint8_t dirty;    /* enum pg_dirty */
	uint8_t n_cells_max;
	bool has_unnamed;
	bool unnamed_ours;     /* nobody but us asked for that Parse */
	bool unnamed_learning; /* a Describe is in flight whose answer goes to unnamed_desc */
	bool learn_flushed;    /* no such Describe was sent since the last Flush */
	bool clears_flushed;   /* no entry with OWED_F_CLEARS was made since the last Flush */
	uint8_t healing;       /* enum pg_healing */
	uint8_t healing_n;     /* entries at the ring's end whose messages are sent behind that */
	bool ext_open;         /* extended messages were sent since the last Sync */
	bool held_due; /* entries with OWED_F_HELD are to be sent as soon as the client's message is
			  complete */
	bool skipping; /* the server ignores everything until Sync */
	bool copy_in;  /* the server wants CopyData */
	bool mid_up;   /* detached in the middle of a message to the server */
	bool raw;      /* replication: bytes only */
	bool full;     /* the client waits because PG_OWED_MAX_N replies are owed */
	bool sync_wait, ask_wait, lost_wait; /* which captures are in the ring */
	bool same_client;                    /* last_client_id is the attached session's */
	bool drawn_by_others; /* and somebody else before, as far as the server still knows */
	bool discards;        /* the sync about to be put discards what was drawn */
	bool req_error;       /* an ErrorResponse went to the client since the state was known */
	bool used;            /* by a session that was logged in */
	bool spoiled;         /* a session did what no cleaning undoes */
	bool discarded;       /* DISCARD ALL completed since the state was known */
	bool discarding;      /* that or a RESET, and its ReadyForQuery has not come yet */
	bool reask;           /* session mode: a RESET may have undone startup parameters */
	bool failed;          /* out of memory in the middle: cannot go on */
	bool resetting;   /* the cleaning in flight resets settings, not only ends a transaction */
	bool no_replay;   /* this batch cannot be sent again: it is too large, not alone, or was
			     answered in part */
	uint16_t key_n;   /* of key; 0: none */
	uint8_t key[260]; /* BackendKeyData: process id and secret. Filled by the login half */
	struct err *query_err; /* first error of link_query() or of a sync */
};
enum pg_healing { PG_HEAL_NO, PG_HEAL_RUN, PG_HEAL_FAILED };
enum pg_dirty { PG_CLEAN, PG_DIRTY_VARS /* RESET ALL does */, PG_DIRTY_ALL /* DISCARD ALL must */ };

/* ---- running half (ops of the same name) ---- */
struct pev pg_up(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up, struct buf *down,
	struct err *e);
struct pev pg_down(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e);
bool pg_attach(void *cst, void *lst, struct buf *up);
enum proto_release pg_link_release(void *cst, void *lst, struct buf *up);
void pg_detach(void *cst, void *lst);
unsigned pg_client_params(const void *cst, struct proto_kv *out, unsigned max);
uint32_t pg_client_pins(const void *cst);
bool pg_client_lost(void *cst, void *lst, const struct proto_loss *x, struct buf *down);
bool pg_client_relisten(void *cst, void *lst);
bool pg_client_mid_message(const void *cst);
void pg_client_confine(void *cst, bool reads_only, bool guarded);
bool pg_client_only_read(const void *cst);
void pg_client_fail_request(void *cst, const struct err *e, struct buf *down);
void pg_client_answer(void *cst, void *lst, const struct rowset *r, struct buf *down);
bool pg_client_in_request(const void *cst, const uint8_t *in, size_t n);
bool pg_link_owes(const void *lst);
unsigned pg_link_requests(const void *lst);
bool pg_link_mid_reply(const void *lst);
enum tx_state pg_link_tx(const void *lst);
bool pg_link_abort(void *lst, struct buf *up);
bool pg_link_clean(void *lst, const char *sql, bool always, struct buf *up);
void pg_link_query(void *lst, const char *sql, const char *param, struct buf *up);
void pg_link_ping(void *lst, struct buf *up);
bool pg_link_spoiled(const void *lst);
bool pg_link_movable(const void *lst);
void pg_link_move_out(void *lst);
bool pg_link_move_in(void *lst, struct proto_env *v);
/* pg_move.c */
enum proto_stays pg_client_move_out(void *cst, bool with_link, struct buf *out);
int pg_client_move_in(void *cst, struct proto_env *v, const struct proto_client_conf *k,
	bool with_link, struct rd *r, struct err *e);
/* pg_hand.c */
enum proto_stays pg_link_hand_out(const void *cst, const void *lst, struct buf *out);
int pg_link_hand_in(void *cst, void *lst, struct proto_env *v, struct rd *r, struct err *e);
unsigned pg_n_statements(const void *cst_or_lst, bool is_link);
const char *pg_client_app_name(const void *cst);
const char *pg_link_param(const void *lst, const char *name);
struct proto_env *pg_env_new(const struct proto_env_opts *o);
void pg_env_set(struct proto_env *v, const struct proto_env_opts *o);
void pg_env_free(struct proto_env *v);
/* client_conf(): takes c->mode, max_prepared, counters; puts c->forced over cst->start (forced ones
 * win). cst->start must hold the startup parameters by then. login_notice is the login half's. */
int pg_client_conf(void *cst, const struct proto_client_conf *c, struct err *e);
/* pg_welcome.c. Sends S*, K, Z. AuthenticationOk and NegotiateProtocolVersion were sent by the
 * login half before PEV_AUTH_OK. When it returns true it has called pg_client_login_free(cst). The
 * notice of client_conf() is put by pg_client_put_login_notice(). */
bool pg_client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down);
void pg_cache_export(const void *cst, struct buf *out);
void pg_cache_import(struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n);
void pg_cache_free(struct proto_cache **cache);

/* What client_init()/client_fini() and link_init()/link_fini() of the login half call for the
 * running half. */
void pg_client_run_init(struct pg_client *c, struct proto_env *v);
void pg_client_run_fini(struct pg_client *c);
void pg_link_run_init(struct pg_link *l, struct proto_env *v);
void pg_link_run_fini(struct pg_link *l);

/* ---- login half, called from here ---- */
int pg_client_options(struct pg_client *c, const char *options,
	struct err *e); /* into cst->start; those of the client win */
void pg_client_login_free(struct pg_client *c);
void pg_client_put_login_notice(struct pg_client *c, struct buf *down); /* or nothing */
struct pev pg_console_up(struct pg_client *c, const uint8_t *p, size_t n, struct buf *down,
	struct err *e); /* up() of console sessions */
#endif
