/* mysql_up_int - what the files that handle a client's commands share. Private to mysql_up.c,
 * mysql_local.c, mysql_query.c, mysql_stmt*.c. One thread: that of the env. */
#ifndef PROTO_MYSQL_UP_INT_H
#define PROTO_MYSQL_UP_INT_H
#include "mysql_run_int.h"
#include "rules.h"

struct myup {
	struct flow f;
	struct my_client *c;
	struct my_link *l; /* NULL: none */
	struct buf *up, *down;
	struct err *e;
	struct pev ev;
	/* of the command at hand */
	struct ruled ruled;
};
static inline size_t myup_total(const struct mypacket_head *h)
{
	return MYPACKET_HEAD_BYTES + (size_t)h->payload_n;
}
static inline const uint8_t *myup_body(const struct myup *u)
{
	return u->f.p + u->f.at + MYPACKET_HEAD_BYTES;
}
static inline bool myup_whole(const struct myup *u, const struct mypacket_head *h)
{
	return flow_ahead(&u->f) >= myup_total(h) && h->payload_n < MYPACKET_PAYLOAD_MAX;
}

/* ---- mysql_up.c: ways to go on ---- */
/* Events stand alone: what was handled before goes first, and the packet is looked at again with
 * the next call. So a handler may change nothing before it decides on one. */
enum my_next myup_event(struct myup *u, enum pev_kind kind);
/* A link is needed. */
enum my_next myup_request(struct myup *u);
/* It is the end of the session; number: the errno, 0: that of the code. */
enum my_next myup_bad(struct myup *u, enum err_code code, unsigned number, const char *what);
/* Notes that the command's reply is for the client. */
struct my_owed *myup_owe(struct myup *u, uint8_t com, unsigned flags);
/* The packet passes as it is, with its continuations. */
enum my_next myup_pass(struct myup *u, const struct mypacket_head *h);
enum my_next myup_forward(
	struct myup *u, const struct mypacket_head *h, uint8_t com, unsigned flags);
/* The packet, which may be continued, is not passed. */
void myup_drop(struct myup *u, const struct mypacket_head *h);
/* The same for a packet whose first old_n bytes of payload, which are here, give way to new_n >=
 * old_n others: mysql_reframe.c. What then does not fit into its frames goes into the next one. */
enum my_next myup_rehead(struct myup *u, const struct mypacket_head *h, size_t old_n,
	const void *head, size_t new_n);
/* The next frame of such a packet, if up_carry or up_tail says so. */
enum my_next myup_carry(struct myup *u);
/* Replies to earlier commands are on their way: an answer of our own would come too early. */
static inline bool myup_busy(const struct myup *u)
{
	return u->l && u->l->n_forward > 0;
}

/* ---- mysql_local.c: commands answered here, or refused ---- */
/* The answer was put. */
enum my_next my_local_done(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_ok(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_err(struct myup *u, const struct mypacket_head *h, unsigned number,
	const char *state, const char *msg);
enum my_next my_local_malformed(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_unknown(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_set_option(struct myup *u, const struct mypacket_head *h);
/* number: as clients know it. whole: the session, else what it runs. */
enum my_next my_kill(struct myup *u, const struct mypacket_head *h, uint32_t number, bool whole);
enum my_next my_token(struct myup *u, const struct mypacket_head *h, const struct pev *ev);
enum my_next my_local_kill(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_change_user(struct myup *u, const struct mypacket_head *h);
enum my_next my_local_reset(struct myup *u, const struct mypacket_head *h);

/* ---- mysql_class.c ---- */
struct sql_my_opts;
struct sql_my_stmt;
const struct sql_my_opts *my_lex(struct my_client *c, const struct my_link *l);
/* How a text is looked up among those that came before. */
struct texts_ref my_text_ref(const struct sql_my_opts *o, const char *text, size_t n);
struct my_known *my_text_put(/* texts_put() */
	const struct my_client *c, const struct sql_my_opts *o, const struct texts_ref *r);
/* run: it is about to run, so the user variables that it sets will have to be asked for. */
void my_class(struct my_client *c, const struct sql_my_opts *o, const char *text, size_t n,
	bool run, struct my_req *r);
/* Of a text that is too large to be looked at. */
void my_class_big(struct my_req *r);
/* May the request run on this link now? Else it waits, or has got its refusal: *next_r. */
bool my_class_check(struct myup *u, const struct mypacket_head *h, const struct my_req *r,
	enum my_next *next_r);

/* ---- mysql_hold.c ---- */
#define MY_HOLDS (SQL_MY_TEMP_MAKE | SQL_MY_TEMP_DROP | SQL_MY_USER_LOCK | SQL_MY_USER_UNLOCK)
/* May it give a temporary table another name? */
bool my_hold_renames(const struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st);
/* What it makes or gives back, if it can be read. */
void my_hold_note(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st);

/* The request was put: if it sets trackers, which are ours, what the client wants of them is asked
 * behind it. */
void my_wish_ask(struct myup *u, const struct my_req *r);

/* ---- mysql_diag.c ---- */
/* Answers a SHOW WARNINGS or the like from what is kept. False: nothing is, or it is another
 * text. */
#define MY_SHOWN_HERE \
	(SQL_MY_DIAG | SQL_MY_ROW_COUNT | SQL_MY_FOUND_ROWS | SQL_MY_CONN_ID | SQL_MY_LAST_ID)
bool my_diag_show(struct myup *u, const char *text, size_t n, uint8_t *seq);

/* ---- mysql_rule.c: rules of the configuration ---- */
/* A session variable, as far as is known without a link; "": not known. */
const char *my_setting(const struct my_client *c, const char *name);
/* How the session's texts are read, as far as is known without a link. */
void my_text_opts(const struct my_client *c, struct sql_my_opts *o);
/* For a rule executable comments are code, whatever the server's version. */
struct sql_my_opts my_rule_opts(const struct sql_my_opts *o);
/* Looks for the rule about a text (NULL: not known). True: it refuses it. */
bool my_rule(struct myup *u, const char *text, size_t n);
static inline bool my_no_rule(struct myup *u)
{
	u->ruled.rule = NULL;
	return false;
}
void my_rule_followed(struct myup *u); /* the command goes its way */
/* A statement is about to be sent (meter_on()); text NULL: it is not known. trace: of its
 * attributes. */
struct meter_digest;
void my_count(
	struct myup *u, const char *text, size_t n, struct mystr trace, struct meter_digest *known);
void my_count_stmt(struct myup *u, struct stmt *s); /* an execution of it; NULL: not known */
enum my_next my_rule_refuse(struct myup *u, const struct mypacket_head *h); /* it does not */

/* ---- mysql_route.c ---- */
/* May the command at p run on a replica? */
bool my_reads(const struct my_client *c, const uint8_t *p, size_t n, struct proto_wish *w_r);
/* The link is a replica's: is the command at p for it? In a transaction there, which is a read-only
 * one, what is not must fail; *why_r says why. */
enum my_confined { MY_GOES, MY_WAITS, MY_UNFIT };
enum my_confined my_confined(struct my_client *c, const struct my_link *l, const uint8_t *p,
	size_t n, const char **why_r);

/* ---- mysql_lost.c ---- */
/* c->lost: the command at hand is told, or does without. False: it goes on as any. */
bool my_lost_told(struct myup *u, const struct mypacket_head *h, enum my_next *r_r);

/* ---- mysql_begin.c ---- */
struct myquery;
/* A BEGIN that takes no link, or the end of a transaction that has none, got its answer. */
bool my_begin_answered(struct myup *u, const struct mypacket_head *h, const struct myquery *q);

/* ---- mysql_query.c ---- */
/* May its answer be the request for a file? MY_OWED_F_INFILE or 0. */
unsigned my_may_ask_for_file(const struct myup *u, const struct my_req *r);
enum my_next my_query(struct myup *u, const struct mypacket_head *h);

/* ---- mysql_stmt.c ---- */
enum my_next my_stmt(struct myup *u, const struct mypacket_head *h, uint8_t com);
#endif
