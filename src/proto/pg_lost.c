/* pg_lost - a session whose link was lost goes on: its client gets the answers that it is still
 * owed, and what ran in a transaction is a failed one until the client ends it, as a server would
 * have it. The next link is brought into that state, so that all of its rules hold. Ignorant of
 * why links are lost. Thread: that of the env. Source: PostgreSQL docs, Message Flow. */
#include "pg_run_int.h"

#include "wire/pg/error.h"
#include "wire/pg/session.h"

/* State that a rollback takes back, or that is kept here. What else a transaction has done to its
 * session is gone with the link. */
#define TAKEN_BACK \
	(SQL_F_SET | SQL_F_SET_CONFIG | SQL_F_DISCARD_TEMP | SQL_F_PREPARE | SQL_F_EXECUTE | \
		SQL_F_TEMP | SQL_F_LISTEN | SQL_F_UNLISTEN | SQL_F_HOLD)

/* May what was sent have ended the transaction that it ran in? */
#define MAY_END (SQL_F_TX_END | SQL_F_BAD | SQL_F_UNKNOWN)

static bool in_tx(const struct pg_client *c, const struct pg_link *l)
{
	return l->tx != TX_IDLE || (c->acc & SQL_F_TX_BEGIN);
}

static bool is_bare(const struct pg_client *c, const struct pg_link *l)
{
	if (pg_client_pins(c) || l->ask_wait || l->lost_wait || c->mixed || !c->ready)
		return false;
	if (in_tx(c, l))
		return !(c->acc & STATE_RELEVANT & ~TAKEN_BACK);
	/* of one request alone its client hears that nobody knows */
	return c->n_requests <= 1 || !(c->acc & STATE_RELEVANT);
}

static bool ends_ready(const struct owed *o)
{
	return o->kind == OWED_QUERY || o->kind == OWED_SYNC || o->kind == OWED_FUNC;
}

/* Which entry is the client's last that ends with ReadyForQuery; the ring's size: none is. */
static uint32_t last_ready(struct pg_link *l)
{
	uint32_t i = l->owed.n;
	while (i > 0 && !(owed_at(l, i - 1)->disp == OWED_FORWARD && ends_ready(owed_at(l, i - 1))))
		i--;
	return i > 0 ? i - 1 : l->owed.n;
}

/* Answers all that was sent: an error for each group, and ReadyForQuery. False: it was owed
 * nothing. */
static bool answer(
	struct pg_client *c, struct pg_link *l, const struct err *e, bool tx, struct buf *down)
{
	bool told = l->skipping, any = false;
	uint32_t last = last_ready(l);
	for (uint32_t i = 0; i < l->owed.n; i++) {
		const struct owed *o = owed_at(l, i);
		if (o->disp != OWED_FORWARD || o->kind == OWED_COPY_END)
			continue;
		if (!told && !(o->flags & OWED_F_ERROR))
			pgerror_put(down, "ERROR", e);
		told = any = true;
		if (!ends_ready(o))
			continue;
		told = false;
		bool over = i == last && c->ends_tx && !c->in_batch;
		pgsession_put_ready(down, tx && !over ? 'E' : 'I');
	}
	if (c->in_batch || l->skipping) { /* its Sync is still to come */
		if (!told)
			pgerror_put(down, "ERROR", e);
		c->skip_to_sync = any = true;
	}
	return any;
}

bool pg_client_lost(void *cst, void *lst, const struct proto_loss *x, struct buf *down)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	if (l->raw || l->failed || pg_link_mid_reply(l) || !is_bare(c, l))
		return false;
	bool tx = in_tx(c, l);
	bool any = answer(c, l, tx && !(c->acc & MAY_END) ? x->tx : x->request, tx, down);
	c->lost = PG_LOST_NO;
	if (tx && !(any && c->ends_tx && !c->in_batch))
		c->lost = any ? PG_LOST_TOLD : PG_LOST_UNTOLD;
	if (c->up_left > 0)
		c->up_rest = FLOW_DROP;
	state_known(c, l);
	return !down->failed;
}

/* A server ends a failed transaction by COMMIT without an error: who hears of its failure by that
 * alone would take what it wrote for written. */
bool lost_refused(struct pg_client *c, const struct sql_stmt_info *info, struct err *why)
{
	uint64_t commits = info->flags & (SQL_F_TX_COMMIT | SQL_F_BAD);
	bool alone = info->n_statements == 1 && info->verb == SQL_V_COMMIT &&
		     !(info->flags & (SQL_F_TX_CHAIN | SQL_F_BAD));
	c->lost_commit = false;
	if (c->lost != PG_LOST_UNTOLD || !commits)
		return false;
	c->lost_commit = alone;
	err_set(why, (enum err_code)c->tx_lost, PROTO_TX_LOST_TEXT);
	return !alone;
}

/* What was sent before it may end the transaction, and is not to be answered for it. */
void lost_mark_commit(struct pg_client *c, struct pg_link *l)
{
	struct owed *o = owed_tail(l);
	if (c->lost_commit && o)
		o->synth = 'C';
	c->lost_commit = false;
}

void lost_put(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	static const char text[] = "BEGIN; ROLLBACK TO SAVEPOINT weirpool_transaction_was_lost";
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	if (o == NULL)
		return;
	o->synth = PG_CAP_LOST;
	pgext_put_query(up, text, sizeof(text) - 1);
	c->acc |= SQL_F_TX_BEGIN;
	l->lost_wait = l->no_replay = true;
}
