/* mysql_run_int - helpers of the running half: the ring of owed replies, the machine of results,
 * what a session learns. Private to the files mysql_up*.c, mysql_down.c, mysql_captured.c,
 * mysql_owed.c, mysql_result.c, mysql_learn.c, mysql_sync.c, mysql_state.c, mysql_stmt.c,
 * mysql_link_own.c, mysql_run.c. One thread: that of the env. */
#ifndef PROTO_MYSQL_RUN_INT_H
#define PROTO_MYSQL_RUN_INT_H
#include "flow.h"
#include "mysql_int.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/error.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/packet.h"

/* What every link begins with, so that a fresh one and one after COM_RESET_CONNECTION are alike:
 * MySQL resets to the server's character set, MariaDB to the login's. Its collation is what the
 * server makes of it. */
#define MY_BASE_CHARSET "utf8mb4"
/* Of a link's fresh: the server's default, where a MySQL's COM_RESET_CONNECTION leads, too. */
#define MY_FACT_CLIENT "#client"
#define MY_FACT_RESULTS "#results"
#define MY_FACT_COLLATION "#collation"
/* And of a MariaDB's: its character_set_collations; it has the collations of MySQL 8. */
#define MY_FACT_MAPPED "#mapped"
#define MY_FACT_0900 "#0900"
/* How transactions begin and end that do not say so. */
#define MY_FACT_READ_ONLY "#read_only"
#define MY_FACT_COMPLETION "#completion"

/* ---- mysql_owed.c: the ring ---- */
/* Adds an entry at the end. NULL: no memory or too many (l->failed is set). The pointer lives until
 * the next push or pop. */
struct my_owed *my_owed_push(struct my_link *l, uint8_t cmd, enum my_disp disp);
/* The same for a query of ours; last: none that belongs to it follows. */
void my_owed_capture(struct my_link *l, uint8_t cmd, enum my_capture what, bool last);
static inline struct my_owed *my_owed_at(struct my_link *l, uint32_t i)
{
	return &l->owed.v[(l->owed.head + i) & (l->owed.size - 1)];
}
static inline struct my_owed *my_owed_head(struct my_link *l)
{
	return l->owed.n ? my_owed_at(l, 0) : NULL;
}
static inline struct my_owed *my_owed_tail(struct my_link *l)
{
	return l->owed.n ? my_owed_at(l, l->owed.n - 1) : NULL;
}
void my_owed_pop(struct my_link *l);
void my_owed_fini(struct my_link *l);

/* ---- mysql_result.c ---- */
enum my_packet {
	MY_P_MORE,     /* more of its bytes are needed to tell */
	MY_P_OK,       /* of a statement without rows */
	MY_P_ERR,      /* the end of the reply, wherever it comes */
	MY_P_PROGRESS, /* may come at any time */
	MY_P_COUNT,    /* how many columns */
	MY_P_DEF,      /* of a column or parameter */
	MY_P_EOF,      /* behind definitions */
	MY_P_ROW,
	MY_P_END,    /* of rows; or a bare OK of that shape */
	MY_P_INFILE, /* give me a file */
	MY_P_PREPARED,
	MY_P_TEXT, /* COM_STATISTICS */
	MY_P_BAD
};
void my_res_begin(struct my_res *r, uint8_t cmd, uint64_t caps, bool infile_ok);
/* The packet of n payload bytes, the first have of which are at p; not for one that continues. */
enum my_packet my_res_packet(const struct my_res *r, const uint8_t *p, size_t have, uint32_t n);
/* Such a packet was taken. */
void my_res_count(struct my_res *r, uint64_t columns);
void my_res_no_defs(struct my_res *r); /* the same, but rows follow at once */
void my_res_def(struct my_res *r);
void my_res_eof(struct my_res *r, uint16_t status);
void my_res_end(struct my_res *r, uint16_t status); /* MY_P_OK, MY_P_END */
void my_res_prepared(struct my_res *r, unsigned params, unsigned columns);
void my_res_infile(struct my_res *r, bool sent); /* the request; the file was sent */

/* ---- mysql_down.c, mysql_captured.c ---- */
enum my_next { MY_NEXT, MY_STOP, MY_EVENT };
struct mydn {
	struct flow f;
	struct my_client *c; /* NULL: nobody is attached */
	struct my_link *l;
	struct buf *up, *down;
	struct err *e;
	struct pev ev;
};
static inline const uint8_t *mydn_body(const struct mydn *d)
{
	return d->f.p + d->f.at + MYPACKET_HEAD_BYTES;
}
enum my_next mydn_event(struct mydn *d, enum pev_kind kind, size_t n); /* asserts f.at == 0 */
enum my_next mydn_bad(struct mydn *d, const char *what);
/* mysql_route.c: the server has done nothing, because it takes no writes. */
struct myerror;
bool my_is_refusal(const struct myerror *x);
/* ... it ends, whatever it was asked: 1053. What it was doing may or may not have been done. */
bool my_is_last_word(const struct myerror *x);
/* A packet of a captured reply, whole unless it is a row above MY_WHOLE_MAX_BYTES: l->res has moved
 * on. ok: of MY_P_OK and MY_P_END, else NULL. The packet is dropped here. */
enum my_next mydn_captured(
	struct mydn *d, enum my_packet what, const struct mypacket_head *h, const struct myok *ok);
void my_capture_error(struct my_link *l, const struct err *e); /* the first one counts */

/* ---- mysql_learn.c: what an OK said ---- */
/* Status and trackers, of a reply to the client or of one of ours (c NULL); rows: it ends some.
 * False: malformed. */
bool my_learn_ok(struct my_client *c, struct my_link *l, const struct myok *ok, bool rows);
/* A setting of the link, and of its session if there is one; value NULL: as on a fresh link. False:
 * no memory. */
bool my_learn_set(struct my_client *c, struct my_link *l, const char *name, const char *value);
bool my_learn_same(const char *a, const char *b); /* two names of one variable? */
/* MariaDB's variable that this one is a part of; or NULL. Trackers tell of either. */
const char *my_learn_whole(bool mariadb, const char *name);
/* The value of a setting, under whichever of its names; or NULL. */
const char *my_learn_get(const struct varset *s, const char *name);

/* ---- mysql_tell.c ---- */
/* Makes the state in ok that of which its client is to hear: by its capabilities, and the trackers
 * that it wishes. block is used for the bytes of these. */
void my_tell_ok(struct my_client *c, const struct my_link *l, struct myok *ok, struct buf *block);

/* Does it hear nothing of a transaction but its begin and end? */
bool my_tell_is_plain(const struct my_client *c);
/* The same for an OK of ours: a transaction has begun, or ended. */
void my_tell_tx(struct my_client *c, bool begins, struct myok *ok, struct buf *block);

/* ---- mysql_begin.c: a transaction that is on no link yet (c->begun) ---- */
const char *my_begin_text(const struct my_client *c);
/* The server has begun it, behind the state that l->begins goes with. c NULL: for nobody. */
void my_begin_sent(struct my_client *c, struct my_link *l);
/* The client hears e instead of an answer: that may be the end of its transaction. Else it is still
 * to begin, as behind any statement that has failed. */
void my_begin_error(struct my_client *c, const struct err *e);
void my_begin_lost(struct my_client *c); /* it is over, and the client knows */

/* ---- mysql_state.c ---- */
/* The request of c->req has got its answer: an error of that number, 0: none. */
void my_state_over(struct my_client *c, struct my_link *l, unsigned number);
/* A tracker said that something changed, and nothing else. */
void my_state_changed(struct my_client *c);
/* Asks for what c->needs says; hold: the session's request waits for it. */
void my_ask_put(struct my_client *c, struct my_link *l, bool hold, struct buf *up);
void my_ask_def(struct my_link *l, const uint8_t *p, size_t n);
bool my_ask_row(struct my_client *c, struct my_link *l, const char *const *cell, unsigned n);
void my_ask_over(struct my_client *c, struct my_link *l, bool error); /* c NULL: nobody's */
void my_ask_free(struct my_link *l);
unsigned my_ask_needs(
	const struct my_link *l); /* MY_NEED_* that it was asked for and has not told */
void my_learn_free(struct my_client *c);
/* A user variable to be asked for, of a name in ASCII. False: it cannot be, there are too many, or
 * no memory. */
bool my_learn_user(struct my_client *c, const char *name, size_t n);
/* The same of a system variable. */
bool my_learn_sys(struct my_client *c, const char *name, size_t n);
/* Is one of them what decides how texts are read? */
bool my_learn_lexes(const struct my_client *c);
/* The request did not run. */
void my_state_unrun(struct my_client *c);
/* A tracker has told of that system variable. */
void my_state_told(struct my_client *c, const char *name);

/* ---- mysql_hold.c ---- */
void my_hold_over(struct my_client *c, const struct my_req *r, bool error);
void my_hold_forget(struct my_client *c);
void my_hold_free(struct my_hold **hp);

/* ---- mysql_diag.c ---- */
/* Has the session asked for results without definitions (MySQL's resultset_metadata)? */
bool my_diag_bare(const struct varset *want);
void my_diag_def(struct my_client *c, const struct my_link *l, const uint8_t *p, size_t n);
void my_diag_row(struct my_client *c, const uint8_t *p, size_t n);
enum my_diag_adds {
	MY_DIAG_ALONE,     /* it is all that there is */
	MY_DIAG_ADDS,      /* to what the statement before left */
	MY_DIAG_ADDS_ALONE /* the same, but COM_PING counts it alone */
};
/* An error that we gave instead of a server. */
void my_diag_own(struct my_client *c, unsigned number, const char *msg, enum my_diag_adds adds);
/* Does it ask for the diagnostics of the statement before it, and nothing else? */
bool my_diag_asks(const struct sql_my_opts *lex, const char *text, size_t n);
/* How many there are, as COM_PING tells (MariaDB's: none), if they are kept. */
uint16_t my_diag_warnings(const struct my_client *c);
void my_diag_free(struct my_diag **dp);
/* As bytes, for another process. unpack: *d_r is NULL; false: malformed, or no memory. */
void my_diag_pack(const struct my_diag *d, struct buf *out);
bool my_diag_unpack(struct my_diag **d_r, struct rd *r);

/* ---- mysql_sync.c ---- */
/* The variable that a SET of this one changes as well, without a word; or NULL. */
const char *my_sync_follower(const char *name);
/* Trackers say '' where that variable's value is NULL. */
bool my_sync_empty_is_null(const char *name);
/* Gives the link the session's LAST_INSERT_ID(); it waits for the answer. */
void my_sync_last_id(struct my_client *c, struct my_link *l, struct buf *up);
bool my_sync_put(struct my_client *c, struct my_link *l, struct buf *up); /* false: nothing to do */
/* Commands that take a link from one state to another, as captures of that kind. False: there is
 * no difference. */
bool my_sync_switch(struct my_link *l, const struct varset *from, const struct varset *to,
	enum my_capture what, struct buf *up);
/* The same as statements in front of another one, each with its semicolon; how many. 0: there is no
 * difference any more, or (l->sync_due still set) it cannot be said so. */
unsigned my_sync_prefix(struct my_client *c, struct my_link *l, struct buf *b);
/* Multi-statements on or off for what follows. */
void my_sync_multi(struct my_link *l, bool on, struct buf *up);
/* Is a sync that fails here tried again on another link? It may be for what somebody else left. */
bool my_sync_may_retry(const struct my_client *c, const struct my_link *l);
/* The request that my_sync_prefix() was for, until the state is set. */
void my_sync_keep(const struct my_client *c, struct my_link *l, const uint8_t *p, size_t n);
/* The sync failed with e: what cannot be had any more is wanted no more. */
void my_sync_lost(struct my_client *c, const struct err *e);

/* ---- mysql_stmt.c ---- */
struct mystmt_prepared;
/* The server has answered the client's PREPARE of that id: x->id becomes the client's. */
void my_stmt_prepared(
	struct my_client *c, struct my_link *l, uint32_t id, struct mystmt_prepared *x);
void my_stmt_refused(struct my_client *c, uint32_t id); /* ... with an error */
/* A cursor was opened by an EXECUTE, or has given its last row. */
void my_stmt_cursor(
	struct my_client *c, struct my_link *l, uint32_t id, uint32_t handle, bool open);
/* The server has closed them all, open cursors included: a reset, or the link ends. */
void my_stmt_forget_handles(struct my_link *l);
/* Is that the number of columns that the client was told? */
bool my_stmt_columns_fit(const struct my_client *c, uint32_t id, uint64_t columns);
void my_stmts_free(struct my_client *c);
unsigned my_stmts_n(const struct my_client *c);
uint32_t my_stmts_pins(const struct my_client *c);

/* ---- mysql_collation.c ---- */
#define MY_COLLATION_MAX_BYTES 65U /* of a name, with its NUL */
/* The collation of that number; NULL: the server has none, and takes its default. has_0900: this
 * MariaDB has those of MySQL 8. */
const char *my_collation_name(unsigned id, bool mariadb, bool has_0900);
bool my_collation_unknown(unsigned id, bool mariadb); /* the server may have it, we have no name */
/* The one that a character set is compiled with, for which MariaDB may have been told another. */
bool my_collation_is_default(unsigned id);

/* ---- mysql_charset.c ---- */
/* Servers let nobody in with some collations. -1: e. */
int my_charset_check(const struct my_client *c, struct err *e);
/* What the session begins with, on servers whose links are fresh like this, by the collation of its
 * login; to be called before it uses the first of them. False: no memory. */
bool my_charset_settle(struct my_client *c, const struct varset *fresh);
/* Is it one of the three variables that belong together? */
bool my_charset_is(const char *name);
/* The assignments that make these of have those of want; n counts assignments of the SET. */
void my_charset_put(struct buf *b, unsigned *n, const struct my_link *l, const struct varset *have,
	const struct varset *want);

/* ---- mysql_role.c ---- */
bool my_role_has(const struct my_link *l); /* does its server have roles? */
/* An expression for the roles that are active, as SET ROLE wants them. */
const char *my_role_sql(const struct my_link *l);
/* What SET ROLE is to be given on the link for a session of these settings. */
const char *my_role_of(const struct my_link *l, const struct varset *want);
bool my_role_differs(const struct my_link *l, const struct varset *have, const struct varset *want);
/* The server's answer to my_role_sql(). False: the session must keep its link. */
bool my_role_learn(struct my_client *c, struct my_link *l, const char *cell);

/* ---- mysql_run.c ---- */
/* Nothing of what the session had set or prepared is left, as behind a COM_RESET_CONNECTION of l,
 * or (NULL) for another login. */
void my_client_forget(struct my_client *c, const struct my_link *l);

/* ---- mysql_link_own.c ---- */
/* Which trackers has the client asked for? And ours again. */
void my_wish_put(struct my_link *l, struct buf *up);
bool my_wish_row(struct my_client *c, const char *const *cell, unsigned n);
#define MY_WISHES_N 5U
#define MY_WISH_TX (1U << 3)
extern const char *const my_wish_names[MY_WISHES_N];
bool my_wish_is_flag(unsigned i);
/* COM_RESET_CONNECTION was put: what it leaves alone is all that is left. */
void my_link_was_reset(struct my_link *l);
/* A variable's name on that server: transaction_... is MySQL's, and MariaDB's since 11.1. */
const char *my_name_on(const struct my_link *l, const char *name);
/* A setting that setup asks for and that a session keeps as it was at its login. */
bool my_is_fact(const char *name);
void my_setup_put(struct my_link *l, struct buf *up, enum my_capture what);
/* The facts. False: malformed, or no memory. */
bool my_setup_row(struct my_link *l, const char *const *cell, unsigned n);
#endif
