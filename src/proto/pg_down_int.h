/* pg_down_int - what pg_down.c shares with the files that answer a part of what comes. Private to
 * them. One thread: that of the env. */
#ifndef PROTO_PG_DOWN_INT_H
#define PROTO_PG_DOWN_INT_H
#include "pg_run_int.h"
#include "wire/pg/error.h"

enum dn_next { DN_NEXT, DN_STOP, DN_EVENT };
struct dnx {
	struct flow f;
	struct pg_client *c; /* NULL: nobody is attached */
	struct pg_link *l;
	struct buf *up, *down;
	struct err *e;
	struct pev ev;
};
/* The message at d->f.at, whose head was read. */
static inline const uint8_t *body_of(const struct dnx *d)
{
	return d->f.p + d->f.at + PGMSG_HEAD_BYTES;
}
static inline bool is_whole(const struct dnx *d, const struct pgmsg_head *h)
{
	return flow_ahead(&d->f) >= total_of(h);
}
enum dn_next dn_event(struct dnx *d, enum pev_kind kind,
	size_t n); /* asserts that nothing was handled before in this call */
enum dn_next dn_bad(struct dnx *d, const char *what, uint8_t type);
void dn_flush_synth(struct dnx *d);
static inline bool dn_to_client(const struct dnx *d, const struct owed *o)
{
	return d->c && o->disp == OWED_FORWARD;
}
/* What stood before entry i was what the Syncs kept back behind a COPY waited for, if they come
 * next: all that are kept back are one group. */
void dn_held_are_next(struct dnx *d, uint32_t i);

/* ---- pg_down_error.c ---- */
enum dn_next dn_error(struct dnx *d, const struct pgmsg_head *h);
/* Why the client's transaction has failed, of which it has heard nothing yet; in place of the
 * message at hand. */
void dn_put_lost(struct dnx *d, const struct pgmsg_head *h);

/* ---- pg_async.c: NoticeResponse, NotificationResponse, ParameterStatus ---- */
enum dn_next dn_notice(struct dnx *d, const struct pgmsg_head *h);
enum dn_next dn_notification(struct dnx *d, const struct pgmsg_head *h);
enum dn_next dn_parameter(struct dnx *d, const struct pgmsg_head *h);

/* ---- pg_captured.c: internal queries are over, or told something ---- */
/* The ReadyForQuery of a captured entry; the entry is still the head, d->f.at is 0. */
enum dn_next dn_captured(struct dnx *d, const struct pgmsg_head *h, uint8_t capture);
void link_capture_error(struct pg_link *l, const struct err *e); /* the first one counts */
void link_capture_failed(struct pg_link *l, const char *why);
int link_query_row(
	struct pg_link *l, const uint8_t *body, size_t n); /* fills l->cells; cells, or -1 */

/* ---- pg_renamed.c ---- */
/* An error or notice about a statement: the client gets it with its own name for the statement. The
 * message is whole, and handled unless false is returned: it has no name of ours. */
bool dn_put_renamed(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, const struct pgerror *f);

/* ---- pg_meter.c ---- */
void dn_count_rows(struct dnx *d, const char *tag);                /* of a CommandComplete */
void dn_counted(struct dnx *d, const struct owed *o, bool failed); /* its answer has come */

/* ---- pg_heal.c ---- */
bool dn_can_heal(const struct dnx *d, const struct owed *o, const struct pgerror *f);
/* An error that is no fault of the client: has it put right and sent again, and eats the message.
 * False: it is the client's. */
bool dn_heal(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, const struct pgerror *f);
void dn_healed(struct dnx *d); /* the ReadyForQuery of an entry with OWED_F_HEAL, the head */
#endif
