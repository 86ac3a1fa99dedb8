/* pg_run_int - helpers of the running half: the ring of owed replies,
 * what a session learns. Private to the files pg_up*.c, pg_down*.c, pg_owed.c, pg_learn.c,
 * pg_sync.c, pg_state.c, pg_link_own.c, pg_run.c. One thread: that of the env. */
#ifndef PROTO_PG_RUN_INT_H
#define PROTO_PG_RUN_INT_H
#include "flow.h"
#include "pg_int.h"
#include "rules.h"
#include "sql/classify.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"

/* ---- pg_owed.c: the ring ---- */
/* Adds an entry at the end. NULL: no memory or too many (l->failed is set). The pointer lives until
 * the next push or pop. */
struct owed *owed_push(struct pg_link *l, enum owed_kind kind, enum owed_disp disp);
static inline struct owed *owed_at(struct pg_link *l, uint32_t i)
{
	return &l->owed.v[(l->owed.head + i) & (l->owed.size - 1)];
}
static inline struct owed *owed_head(struct pg_link *l)
{
	return l->owed.n ? owed_at(l, 0) : NULL;
}
static inline struct owed *owed_tail(struct pg_link *l)
{
	return l->owed.n ? owed_at(l, l->owed.n - 1) : NULL;
}
void owed_pop(struct pg_link *l); /* lets go of what the entry refers to */
/* Set on the last entry: its statement may drop all prepared statements, so what a name means is
 * not known before it was answered. */
void owed_mark_clears(struct pg_link *l, uint64_t flags);
void owed_remove(struct pg_link *l, uint32_t i); /* from the middle */
/* The first Sync's index, or n. */
uint32_t owed_find_sync(struct pg_link *l);
void owed_fini(struct pg_link *l);

/* ---- pg_learn.c ---- */
struct pg_undo {
	struct pg_undo *next;
	struct stmt *old; /* a reference, or NULL */
	size_t name_n;
	char name[];
};
struct pg_learn {
	struct pg_undo *undo, **undo_end;
	uint32_t undo_batch; /* l->batch_no when the first of undo was made */
	bool undo_unnamed;   /* the unnamed statement is among them */
	bool set_known;      /* the one request since the state was known was this SET */
	bool set_default;
	bool names_overflow;
	bool reset_local;
	enum sql_set reset_kind;
	char *reset_name; /* the statement that was bound last sets this to its default; or NULL */
	uint64_t reset_portal; /* a hash of the name that it was bound to */
	char *dealloc_name; /* the statement that was bound last is a DEALLOCATE of this; or NULL */
	uint64_t dealloc_portal;
	char *set_name, *set_value;
	char **names; /* settings of two parts that were named in texts */
	unsigned n_names;
	char *listens; /* SQL that listens to what it listened to when it was asked; NULL: not
			  known. Outlives learn_free() */
};
#define LEARN_NAMES_MAX 64U
struct pg_learn *learn_of(struct pg_client *c); /* made when needed; NULL: no memory */
void learn_free(struct pg_client *c);
void learn_free_if_empty(struct pg_client *c);
void learn_forget_set(struct pg_client *c);
/* Looks for names of custom settings in any text: 'a.b' in quotes, or behind SET. */
void learn_names(struct pg_client *c, const char *text, size_t n);
void learn_name(struct pg_client *c, const char *name, size_t n);
bool learn_may_reset(const char *text, size_t n); /* may it set something to its default? */
/* Renames in the session's map, and remembers how it was until undo_commit() or undo_rollback(). An
 * empty name is the unnamed statement's. False: no memory. */
bool learn_rename(
	struct pg_client *c, struct pg_link *l, const char *name, size_t name_n, struct stmt *s);
/* The oldest record is final. False: there is none, so what was noted for the ring is out of step
 * with the names: the link cannot go on. */
bool undo_commit(struct pg_client *c);
void undo_rollback(struct pg_client *c);       /* all of them, newest first */
void undo_forget_unnamed(struct pg_client *c); /* no rollback brings the former one back */
/* Requests of an earlier batch may still change what the session's statement names mean. */
bool names_in_doubt(const struct pg_client *c, const struct pg_link *l);
bool unnamed_in_doubt(const struct pg_client *c, const struct pg_link *l); /* the same for that */

/* ---- pg_told.c: what clients were told of their statements ---- */
uint16_t told_tag(const char *name, size_t n); /* tells names of one statement apart, mostly */
static inline uint16_t told_unnamed_tag(struct hash128 unnamed)
{
	return (uint16_t)unnamed.lo;
}
/* Rises with each change of a schema that this process has seen, or seen the result of. Any
 * thread. */
uint32_t told_schema_no(void);
void told_schema_changed(void);
/* What was sent under that tag of this statement: the session's name for it and what it means, also
 * when it was given up in a batch that is not answered. NULL: none; borrowed. */
const struct stmt *told_find(const struct pg_client *c, const struct linkstmt *ls, uint16_t tag,
	const char **name_r, size_t *name_n_r);
/* The session's name counts as told d, which is known ("": the unnamed one). False: no memory. */
bool told_set(struct pg_client *c, const char *name, size_t name_n, const struct stmtdesc *d);
/* An entry with OWED_F_TELL succeeded. */
void told_done(struct pg_client *c, struct pg_link *l, const struct owed *o);
/* A reply to an entry with OWED_F_LEARN: type t, T or n. False: malformed, or no memory. */
bool told_learn(
	struct pg_link *l, const struct owed *o, uint8_t type, const uint8_t *body, size_t n);
void told_learnt(struct pg_link *l, const struct owed *o); /* it is over, whatever came */
void told_forget_unnamed(struct pg_link *l);               /* it is another one from now on */
#define PG_DESC_MAX_BYTES 400000U /* 65535 parameters; 1664 columns with names of 63 characters */

/* A message, its type and length included. */
static inline size_t total_of(const struct pgmsg_head *h)
{
	return PGMSG_HEAD_BYTES + (size_t)h->body_n;
}

/* ---- up ---- */
enum up_next { UP_NEXT, UP_STOP, UP_EVENT };
struct upx {
	struct flow f;
	struct pg_client *c;
	struct pg_link *l;
	struct buf *up, *down;
	struct err *e;
	struct pev ev;
	/* of the message at hand */
	struct ruled ruled;
	struct pg_known *known; /* of its text; NULL: nothing */
};
enum up_next up_event(struct upx *u, enum pev_kind kind);
enum up_next up_bad(struct upx *u, enum err_code code, const char *what);
enum up_next up_hold(struct upx *u);
/* The message at hand passes and is owed an answer. */
enum up_next up_pass_owed(
	struct upx *u, const struct pgmsg_head *h, enum owed_kind kind, unsigned flags);
enum up_next up_forced(struct upx *u, const struct pgmsg_head *h, const struct err *why,
	const char *text, size_t text_n);
bool up_names_ours(const struct sql_stmt_info *info, struct err *why);
void up_in_batch(struct upx *u); /* an extended message is about to be sent */
/* ---- pg_rule.c: rules of the configuration ---- */
/* Looks for the rule about a text (NULL: not known). True: it refuses it. */
bool up_rule(struct upx *u, const char *text, size_t n);
static inline bool up_no_rule(struct upx *u)
{
	u->ruled.rule = NULL;
	return false;
}
void up_rule_followed(struct upx *u); /* the message goes its way */
/* It does not. With a link the caller has come to where a message of its is put. */
enum up_next up_rule_refuse(struct upx *u, const struct pgmsg_head *h);
/* ---- pg_meter.c: statements that are counted ---- */
void up_count(struct upx *u, const char *text, size_t n); /* of a Query; NULL: not known */
void up_count_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n);
void up_count_executed(struct upx *u, const uint8_t *body, size_t n); /* as much as is here */
/* pg_route.c: may the request at p run on a replica? And what it wishes. */
bool pg_reads(struct pg_client *c, const uint8_t *p, size_t n, struct proto_wish *w_r);
/* pg_seen.c: texts that were read before */
struct texts_ref pg_text_ref(struct pg_client *c, const char *text, size_t n);
uint64_t pg_known_flags(const struct pg_known *k);
/* It was read, and is not known. NULL: it is not kept (yet), or never. */
struct pg_known *pg_text_keep(
	struct pg_client *c, const struct texts_ref *r, const struct sql_stmt_info *info);
/* The same for the text that was read last to find its node, until it is sent. */
void pg_remember(struct pg_client *c, const char *text, size_t n, const struct sql_stmt_info *info);
bool pg_seen(struct pg_client *c, const char *text, size_t n, struct sql_stmt_info *info_r);
/* Is a transaction that began READ ONLY open on the link of a replica? Is this nothing for it? */
bool pg_in_ro(const struct pg_client *c, const struct pg_link *l);
bool pg_ro_refused(
	struct pg_client *c, const struct pg_link *l, const char *text, size_t n, struct err *why);
/* Does the answer at p say that the server has done nothing, because it is a standby? MAYBE: more
 * of it is needed. */
enum pg_refusal { PG_REFUSAL_NO, PG_REFUSAL_MAYBE, PG_REFUSAL_YES };
enum pg_refusal pg_refused(const struct pg_client *c, const struct pg_link *l, const uint8_t *p,
	size_t n, struct err *e);
void up_note(struct upx *u, uint64_t flags); /* a statement with these flags is about to run */
/* alone: it is the only statement of its message. */
bool up_seq_refused(struct upx *u, uint64_t flags, bool alone, struct err *why);
/* May somebody else than c have drawn from a sequence on l, and the server know of it? */
static inline bool seq_is_foreign(const struct pg_client *c, const struct pg_link *l)
{
	return l->drawn_by_others || (l->last_client_id && l->last_client_id != c->id);
}
void up_classify(struct upx *u, const char *text, size_t n, struct sql_stmt_info *info_r);
const struct pg_lex_opts *pg_lex(struct pg_client *c);
/* All that the flags of a text depend on beside it: see struct sql_opts. Bit 2 is nobody's. */
static inline uint8_t pg_lex_byte(const struct pg_lex_opts *x)
{
	return (uint8_t)((unsigned)x->scs | (unsigned)x->unsafe_encoding << 1 |
			 x->server_major << 3);
}
/* Puts what makes PG_STMT_DEALLOC exist, so that a DEALLOCATE of it succeeds. */
void up_put_dealloc(struct upx *u);
void up_synth(struct upx *u, char type, unsigned flags); /* we answer ourselves, in order */
#define PG_STMT_DEALLOC "weirpool_d"
#define PG_STMT_FORCED "weirpool_e"
#define PG_STMT_RESET "weirpool_r"
#define PG_STMT_MISSING "weirpool_m" /* is never made */
enum up_next up_parse(struct upx *u, const struct pgmsg_head *h);
enum up_next up_bind(struct upx *u, const struct pgmsg_head *h);
enum up_next up_target(struct upx *u, const struct pgmsg_head *h); /* Describe, Close */
const struct stmt *pg_find_stmt(
	const struct pg_client *c, struct hash128 key); /* whatever its name; borrowed, or NULL */
/* Is it what a link knows under that key? */
bool pg_is_stmt(const struct pg_client *c, const struct stmt *s, struct hash128 key);
struct hash128 pg_unnamed_key(const struct pg_client *c, const struct stmt *s); /* l->unnamed */
/* A name of ours on the server. */
#define PG_NAME_BYTES 32U
void pg_stmt_name(char out[PG_NAME_BYTES], uint32_t id);
bool pg_is_our_name(const char *name, size_t n);

/* ---- pg_sync.c ---- */
bool sync_put(struct pg_client *c, struct pg_link *l, struct buf *up); /* false: nothing to do */
void sync_tell(
	struct pg_client *c, struct pg_link *l, struct buf *down); /* ParameterStatus that differ */
/* What the session sends while its sync is in flight: nothing of it is executed when that fails,
 * and a link that nobody has used before may take the settings. */
void sync_keep(struct pg_link *l, const uint8_t *p, size_t n);
void sync_kept_drop(struct pg_link *l);
/* The session is as it was before the sync. False: it must hear the error. True: the bytes are to
 * be sent again, on another link; they stay in l. */
bool sync_again(struct pg_client *c, struct pg_link *l, const uint8_t **p_r, size_t *n_r);
bool pg_put_literal(
	struct buf *b, const char *s); /* as an expression of type text, whatever the settings */

/* ---- pg_ours.c ---- */
bool ours_mentioned(const char *text, size_t n); /* a name that begins with weirpool. */
/* Does the text's one statement set something of ours to what it cannot be? */
bool ours_refused(const struct sql_stmt_info *info, struct err *why);
int ours_check_start(const struct pg_client *c, struct err *e); /* -1: the same at the login */
/* What the session has set, where the statement says nothing. False: nobody knows what that means,
 * and the primary is always right. */
bool ours_wish(const struct pg_client *c, struct proto_wish *w);

/* ---- pg_named.c ---- */
void named_free(struct pg_link *l);
void named_clear(struct pg_link *l); /* the server has dropped them */
bool named_has(const struct pg_client *c, const struct pg_link *l, const char *name, size_t n);
/* The server has answered what the oldest undo record is of. False: there is none. */
bool named_answered(struct pg_client *c, struct pg_link *l, bool failed);
/* Something of the session is about to be sent. False: it must wait. */
bool named_evict(struct upx *u);
bool named_batch(struct upx *u); /* an extended batch is about to begin. False: it must wait */
/* A Query is about to be sent: makes what it may look for. */
void named_query(struct upx *u, const char *text, size_t n, uint64_t flags);
#define SQL_F_NAMES (SQL_F_EXECUTE | SQL_F_PREPARE | SQL_F_DEALLOCATE) /* names statements */
/* A Parse or Bind of s (NULL: not known), when no names are in doubt: makes what s will look for, a
 * name of the protocol's, to execute it, to take it away, or to find that it is there. */
void named_before(struct upx *u, const struct stmt *s);
void named_skipped(struct pg_link *l, const struct owed *o); /* the server has not executed o */
/* Of each Bind; s: its statement, or NULL. And behind each Execute, when no names are in doubt:
 * what it takes away. */
void named_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n);
void named_executed(struct upx *u, const struct pgext_execute *x);
void named_put_sql(struct upx *u); /* those of SQL that the link lacks, outside of a transaction */
/* Makes s for an EXECUTE. False: it is there already. True: the entry pushed next is
 * OWED_F_NEEDS. */
bool named_execute(struct upx *u, const char *name, size_t n, const struct stmt *s);
/* The statement of a PREPARE, a new reference. NULL: it is not kept, so the session keeps its
 * link. */
struct stmt *named_intern(
	struct pg_client *c, const char *text, size_t n, const struct sql_stmt_info *info);
/* Will named_query() have to make any? Then the session's names must be known. */
bool named_wanted(const struct upx *u, uint64_t flags);
struct hash128 named_key(struct pg_client *c, const char *text, size_t n);
/* The same of a text that was a PREPARE of that name before. NULL as well: it is none now. */
struct stmt *named_read(
	struct pg_client *c, const char *name, size_t name_n, const char *text, size_t n);
bool named_prepared(struct upx *u, const char *name, size_t n, const struct stmt *s);
void named_refused(struct pg_link *l, uint32_t id, const struct err *e);
void named_asking(struct pg_link *l);
bool named_seen(struct pg_client *c, struct pg_link *l, const char *name, const char *text);
/* Those on l, which c keeps, for another process. False: some are not its own. */
bool named_pack(const struct pg_client *c, const struct pg_link *l, struct buf *out);
bool named_unpack(struct pg_client *c, struct pg_link *l, struct rd *r); /* false: malformed */
void named_asked(struct pg_client *c, struct pg_link *l);

/* ---- pg_lost.c ---- */
/* Must this text fail because its transaction is lost, and the client has not heard of it? A COMMIT
 * alone may pass: its answer is replaced. */
bool lost_refused(struct pg_client *c, const struct sql_stmt_info *info, struct err *why);
/* The Query that it let pass was put. */
void lost_mark_commit(struct pg_client *c, struct pg_link *l);
/* Puts what makes the transaction of l a failed one: that of c was lost. */
void lost_put(struct pg_client *c, struct pg_link *l, struct buf *up);
/* What ReadyForQuery says when no server does. */
static inline char lost_status(const struct pg_client *c)
{
	return c->lost ? 'E' : c->begun ? 'T' : 'I';
}

/* ---- pg_listen.c ---- */
#define LISTEN_MAX_BYTES 16384U
#define LISTEN_MAX_N 256U
/* Adds what listens to a channel. False: it cannot be said in any encoding. */
bool listen_put_channel(struct buf *sql, const char *name, bool is_utf8);
void listen_put(struct pg_client *c, struct pg_link *l, struct buf *up); /* what is due */
void listen_forget(struct pg_client *c);

/* ---- pg_begin.c ---- */
/* Answers a BEGIN that waits for what comes next, or the end of a transaction that nothing was
 * done in. False: it is neither. */
bool begin_answered(struct upx *u, const char *text, size_t n);
/* Puts the BEGIN that c has had an answer to. */
void begin_put(struct pg_client *c, struct pg_link *l, struct buf *up);

/* ---- pg_reset.c ---- */
/* Is the text's one statement a return to defaults that are not the server's? */
bool reset_is_ours(
	const struct pg_client *c, const struct pg_link *l, const struct sql_stmt_info *info);
/* The startup value of the one setting that it resets; or NULL. */
const char *reset_value(const struct pg_client *c, const struct sql_stmt_info *info);
/* Puts the Query with what must follow; the message at hand is the caller's to drop. */
void reset_query(struct upx *u, const char *text, size_t n, const struct sql_stmt_info *info);
/* Of each Bind; s: its statement, or NULL. */
void reset_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n);
void reset_executed(struct upx *u, const struct pgext_execute *x); /* behind each Execute */

/* ---- pg_state.c ---- */
bool state_is_known(const struct pg_client *c, const struct pg_link *l); /* and the pins */
void ask_put(struct pg_client *c, struct pg_link *l, struct buf *up);
void ask_row(struct pg_client *c, struct pg_link *l, const uint8_t *body, size_t n);
void ask_done(struct pg_client *c, struct pg_link *l, bool failed); /* c may be NULL */
void ask_free(struct pg_link *l);
void state_want_changed(struct pg_client *c);             /* works want_hash out */
void state_known(struct pg_client *c, struct pg_link *l); /* nothing is in doubt any more */
#define STATE_RELEVANT \
	(SQL_F_SESSION & ~(SQL_F_DISCARD_PLANS | SQL_F_SEQ_READ | SQL_F_SEQ_USE | SQL_F_SET_ROLE | \
				 SQL_F_LOAD | SQL_F_SEED | SQL_F_OPAQUE))
#define STATE_SETTINGS \
	(SQL_F_BAD | SQL_F_SET | SQL_F_SET_LOCAL | SQL_F_SET_CONFIG | SQL_F_SET_ROLE | \
		SQL_F_DISCARD_ALL)

/* ---- pg_run.c ---- */
void pg_out_of_memory(struct pg_link *l);
#endif
