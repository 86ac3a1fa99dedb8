/* pg_heal - puts right what a client could not foresee: a prepared statement of ours that the
 * server dropped, or whose result type changed since another session had it parsed. When the failed
 * batch is alone, outside a transaction, kept as it was sent (l->replay), and the client has heard
 * nothing of it, the statement is parsed again, in a batch of ours; then the client's batch is sent
 * again. But a client that goes by the columns that it once heard of would read rows of the new
 * type as those of the old: when they differ, and it does not ask for them in the same batch, it
 * gets the error. Thread: that of the env. */
#include "pg_down_int.h"

#include <string.h>

#include "base/mem.h"

#define ENTRIES_MAX_N 64U /* of healing_n */

/* The ring is one batch, of messages that may be sent again; the head is what failed. The client
 * has ended it by Sync, or asked for the answers so far by Flush. */
static bool is_one_batch(struct pg_link *l)
{
	uint32_t n = l->owed.n;
	if (n == 0 || n > ENTRIES_MAX_N || l->n_held > 0)
		return false;
	if (!l->ext_open) {
		if (owed_tail(l)->kind != OWED_SYNC || n < 2)
			return false;
		n--;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct owed *o = owed_at(l, i);
		bool again = o->kind == OWED_BIND || o->kind == OWED_DESC_STMT ||
			     o->kind == OWED_DESC_PORTAL || o->kind == OWED_EXECUTE;
		if ((o->disp != OWED_FORWARD && !(o->flags & OWED_F_LEARN)) || !again ||
			(o->flags & (OWED_F_FORCED | OWED_F_COPY | OWED_F_CLEARS)))
			return false;
	}
	return true;
}

static bool is_curable(const struct pgerror *f)
{
	if (f->sqlstate == NULL)
		return false;
	if (strcmp(f->sqlstate, "26000") == 0)
		return true;
	return strcmp(f->sqlstate, "0A000") == 0 && f->routine &&
	       strcmp(f->routine, "RevalidateCachedQuery") == 0;
}

/* ---- parsing it again ---- */

static void push_ours(struct pg_link *l, enum owed_kind kind, unsigned flags, struct linkstmt *ls)
{
	struct owed *o = owed_push(l, kind, OWED_SWALLOW);
	if (o == NULL)
		return;
	o->flags = (uint16_t)flags;
	o->p.ls = ls;
	if (ls)
		ls->in_flight++;
}

/* In front of the same entries, which are not sent yet: the Sync that ends the skipping, and a
 * batch of ours. What they refer to stays referred to. */
static void requeue(struct pg_link *l, struct linkstmt *ls)
{
	struct owed was[ENTRIES_MAX_N];
	uint32_t n = l->owed.n < ENTRIES_MAX_N ? l->owed.n : ENTRIES_MAX_N;
	for (uint32_t i = 0; i < n; i++)
		was[i] = *owed_at(l, i);
	l->owed.n = 0;
	l->n_ready = 0;
	l->healing_n = (uint8_t)n;
	push_ours(l, OWED_SYNC, 0, NULL);
	push_ours(l, OWED_CLOSE, 0, NULL);
	push_ours(l, OWED_PARSE, 0, ls);
	push_ours(l, OWED_DESC_STMT, OWED_F_LEARN, ls);
	push_ours(l, OWED_SYNC, OWED_F_HEAL, ls);
	for (uint32_t i = 0; i < n; i++) {
		struct owed *o = owed_push(l, (enum owed_kind)was[i].kind, OWED_FORWARD);
		if (o)
			*o = was[i];
		if (o)
			o->flags &= (uint16_t)~OWED_F_GOT_T;
	}
}

bool dn_can_heal(const struct dnx *d, const struct owed *o, const struct pgerror *f)
{
	struct pg_link *l = d->l;
	const struct pg_client *c = d->c;
	if (c == NULL || l->no_replay || l->replay_n == 0 || l->tx != TX_IDLE || c->up_left > 0 ||
		(c->in_batch && !l->ext_open) || l->healing)
		return false;
	return (o->kind == OWED_BIND || o->kind == OWED_DESC_STMT) && !(o->flags & OWED_F_FORCED) &&
	       o->p.ls && !o->p.ls->gone && o->p.ls->confirmed && is_one_batch(l) &&
	       is_curable(f) && pg_find_stmt(c, o->p.ls->key);
}

bool dn_heal(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, const struct pgerror *f)
{
	struct pg_link *l = d->l;
	struct pg_client *c = d->c;
	char name[PG_NAME_BYTES];
	if (!dn_can_heal(d, o, f))
		return false;
	const struct stmt *s = pg_find_stmt(c, o->p.ls->key);
	struct linkstmt *ls = o->p.ls;
	flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	if (l->ext_open)
		pgext_put_sync(d->up);
	requeue(l, ls);
	stmtdesc_forget(&ls->desc);
	ls->learning = true;
	ls->confirmed = false;
	ls->batch_no = l->batch_no - 1;
	told_schema_changed(); /* by somebody whom nobody saw */
	ls->schema_no = told_schema_no();
	pg_stmt_name(name, ls->id);
	pgext_put_close(d->up, 'S', name);
	pgext_put_parse(d->up, name, s->text, s->text_n, stmt_types(s), s->n_types);
	pgext_put_describe(d->up, 'S', name);
	pgext_put_sync(d->up);
	l->healing = PG_HEAL_RUN;
	l->no_replay = true; /* once */
	c->counters->server_parses++;
	return true;
}

/* ---- and the batch ---- */

/* Is the statement what the client takes it for? *new_rows_r: but for the rows. */
static bool is_as_told(
	const struct dnx *d, const struct owed *o, const struct linkstmt *healed, bool *new_rows_r)
{
	const char *name;
	size_t n;
	*new_rows_r = false;
	if (o->p.ls != healed || (o->flags & (OWED_F_TELL | OWED_F_LEARN)))
		return true;
	const struct stmt *s = told_find(d->c, healed, o->tag, &name, &n);
	if (s == NULL || !stmt_told_params(s, &healed->desc))
		return false;
	*new_rows_r = s->told_rows != healed->desc.rows;
	return true;
}

/* Does the client read all rows of the batch as what they are now? The batch is from entry 1 on. */
static bool may_go(const struct dnx *d, const struct linkstmt *healed)
{
	bool unheard = false;
	for (uint32_t i = 1; i <= d->l->healing_n; i++) {
		const struct owed *o = owed_at(d->l, i);
		bool new_rows = false;
		if ((o->kind == OWED_BIND || o->kind == OWED_DESC_STMT) &&
			!is_as_told(d, o, healed, &new_rows))
			return false;
		if (o->kind == OWED_DESC_STMT && new_rows)
			return false;
		if (o->kind == OWED_BIND && new_rows && (o->flags & OWED_F_FORMATS))
			return false;
		if (o->kind == OWED_BIND)
			unheard = new_rows;
		else if (o->kind == OWED_DESC_PORTAL)
			unheard = false;
		else if (o->kind == OWED_EXECUTE && unheard)
			return false;
	}
	return true;
}

/* The batch fails at its first message. */
static void refuse(struct dnx *d)
{
	struct owed *o = owed_at(d->l, 1);
	struct err *why = mem_alloc(MEM_PROTO, sizeof(*why));
	if (why == NULL) {
		d->l->failed = true;
		return;
	}
	err_set(why, ERR_STALE_PLAN, "cached plan must not change result type");
	if (o->p.ls)
		linkmap_release(&d->l->stmts, o->p.ls);
	o->kind = OWED_DESC_STMT;
	o->flags = OWED_F_FORCED;
	o->p.err = why;
	pgext_put_describe(d->up, 'S', PG_STMT_MISSING);
	if (!d->l->ext_open)
		pgext_put_sync(d->up);
}

/* Entries of the batch, which was not sent. */
static void forget(struct pg_link *l, uint32_t n)
{
	while (n-- > 0)
		owed_remove(l, 1);
}

void dn_healed(struct dnx *d)
{
	struct pg_link *l = d->l;
	const struct linkstmt *ls = owed_head(l)->p.ls;
	bool failed = l->healing == PG_HEAL_FAILED || l->tx != TX_IDLE || ls->desc.rows == 0;
	l->healing = PG_HEAL_NO;
	if (d->c == NULL) {
		forget(l, l->healing_n);
	} else if (failed && l->ext_open) { /* of which the client has heard */
		forget(l, l->healing_n);
		l->skipping = true;
	} else if (failed) {
		forget(l, l->healing_n - 1U);
		pgext_put_sync(d->up);
	} else if (may_go(d, ls)) {
		buf_append(d->up, l->replay, l->replay_n);
	} else {
		refuse(d);
	}
}
