/* pg_heal - puts right what a client could not foresee: a prepared statement of ours that the
 * server dropped, or whose result type changed since another session had it parsed. When the failed
 * batch is alone, outside a transaction, kept as it was sent (l->replay), and the client has heard
 * nothing of it, the statement is parsed again and the batch is sent again. But a client that does
 * not ask for the columns in the same batch would read the rows of the new type as those of the
 * old: it gets the error. Thread: that of the env. */
#include "pg_down_int.h"

#include <assert.h>
#include <string.h>

#define ENTRIES_MAX_N 64U

/* The ring is one batch with the Sync at its end, of messages that may be sent again; the head is
 * what failed. */
static bool is_one_batch(struct pg_link *l)
{
	uint32_t n = l->owed.n;
	if (n < 2 || n > ENTRIES_MAX_N || owed_at(l, n - 1)->kind != OWED_SYNC || l->n_held > 0 ||
		l->n_ready != 1)
		return false;
	for (uint32_t i = 0; i + 1 < n; i++) {
		const struct owed *o = owed_at(l, i);
		bool again = o->kind == OWED_BIND || o->kind == OWED_DESC_STMT ||
			     o->kind == OWED_DESC_PORTAL || o->kind == OWED_EXECUTE;
		if (o->disp != OWED_FORWARD || !again ||
			(o->flags & (OWED_F_FORCED | OWED_F_COPY | OWED_F_CLEARS)))
			return false;
	}
	return true;
}

/* Does each execution of the batch come with a Describe of what it returns? */
static bool is_described(struct pg_link *l)
{
	const struct linkstmt *described = NULL;
	bool told = false;
	for (uint32_t i = 0; i < l->owed.n; i++) {
		const struct owed *o = owed_at(l, i);
		if (o->kind == OWED_DESC_STMT)
			described = o->p.ls;
		else if (o->kind == OWED_BIND)
			told = described && o->p.ls == described;
		else if (o->kind == OWED_DESC_PORTAL)
			told = true;
		else if (o->kind == OWED_EXECUTE && !told)
			return false;
	}
	return true;
}

static bool is_curable(struct pg_link *l, const struct pgerror *f)
{
	if (f->sqlstate == NULL)
		return false;
	if (strcmp(f->sqlstate, "26000") == 0)
		return true;
	return strcmp(f->sqlstate, "0A000") == 0 && f->routine &&
	       strcmp(f->routine, "RevalidateCachedQuery") == 0 && is_described(l);
}

/* In front of the same entries: the Sync that ends the skipping, and ours. What they refer to stays
 * referred to. */
static void requeue(struct pg_link *l, struct linkstmt *ls)
{
	struct owed was[ENTRIES_MAX_N];
	uint32_t n = l->owed.n;
	assert(n <= ENTRIES_MAX_N);
	for (uint32_t i = 0; i < n; i++)
		was[i] = *owed_at(l, i);
	l->owed.n = 0;
	l->n_ready = 0;
	(void)owed_push(l, OWED_SYNC, OWED_SWALLOW);
	(void)owed_push(l, OWED_CLOSE, OWED_SWALLOW);
	struct owed *o = owed_push(l, OWED_PARSE, OWED_SWALLOW);
	if (o) {
		o->p.ls = ls;
		ls->in_flight++;
	}
	for (uint32_t i = 0; i < n; i++) {
		o = owed_push(l, was[i].kind, was[i].disp);
		if (o)
			*o = was[i];
	}
}

bool dn_heal(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, const struct pgerror *f)
{
	struct pg_link *l = d->l;
	struct pg_client *c = d->c;
	char name[PG_NAME_BYTES];
	if (c == NULL || l->no_replay || l->replay_n == 0 || l->tx != TX_IDLE || c->up_left > 0 ||
		c->in_batch || l->ext_open)
		return false;
	if ((o->kind != OWED_BIND && o->kind != OWED_DESC_STMT) || (o->flags & OWED_F_FORCED) ||
		o->p.ls == NULL || o->p.ls->gone || !o->p.ls->confirmed || !is_one_batch(l) ||
		!is_curable(l, f))
		return false;
	const struct stmt *s = pg_find_stmt(c, o->p.ls->key);
	if (s == NULL)
		return false;
	struct linkstmt *ls = o->p.ls;
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	requeue(l, ls);
	ls->confirmed = false;
	ls->batch_no = l->batch_no - 1;
	pg_stmt_name(name, ls->id);
	pgext_put_close(d->up, 'S', name);
	pgext_put_parse(d->up, name, s->text, s->text_n, stmt_types(s), s->n_types);
	buf_append(d->up, l->replay, l->replay_n);
	l->no_replay = true; /* once */
	c->counters->server_parses++;
	return true;
}
