/* pg_owed - the ring of replies that a link owes. Ignorant of who may send what. Thread: that of
 * the env. */
#include "pg_run_int.h"

#include <assert.h>

#include "base/mem.h"

#define OWED_MIN_N 16U

static bool grow(struct pg_link *l)
{
	struct owed_ring *r = &l->owed;
	uint32_t size = r->size ? r->size * 2 : OWED_MIN_N;
	if (size > 2 * PG_OWED_MAX_N) /* a message adds a few, and ring_is_full() stops it */
		return false;
	struct owed *v = mem_alloc(MEM_PROTO, size * sizeof(*v));
	if (v == NULL)
		return false;
	for (uint32_t i = 0; i < r->n; i++)
		v[i] = *owed_at(l, i);
	mem_free(MEM_PROTO, r->v);
	r->v = v;
	r->size = size;
	r->head = 0;
	return true;
}

static bool ends_ready(unsigned kind)
{
	return kind == OWED_QUERY || kind == OWED_SYNC || kind == OWED_FUNC;
}

struct owed *owed_push(struct pg_link *l, enum owed_kind kind, enum owed_disp disp)
{
	struct owed_ring *r = &l->owed;
	assert(r->n <= r->size);
	if (r->n == r->size && !grow(l)) {
		l->failed = true;
		return NULL;
	}
	r->n++;
	struct owed *o = owed_tail(l);
	*o = (struct owed){ .kind = (uint8_t)kind, .disp = (uint8_t)disp };
	if (ends_ready(kind))
		l->n_ready++;
	if (disp == OWED_FORWARD && (kind == OWED_QUERY || kind == OWED_EXECUTE)) {
		o->ticket = l->ticket;
		l->ticket = (struct proto_ticket){ 0 };
	}
	return o;
}

static void let_go(struct pg_link *l, struct owed *o)
{
	if (ends_ready(o->kind))
		l->n_ready--;
	if (o->flags & OWED_F_CLEARS)
		l->n_clears--;
	if (o->flags & OWED_F_HELD)
		l->n_held--;
	if (o->flags & OWED_F_FORCED)
		mem_free(MEM_PROTO, o->p.err);
	else if ((o->disp != OWED_CAPTURE || o->kind == OWED_PARSE) && o->p.ls)
		linkmap_release(&l->stmts, o->p.ls);
	o->p.ls = NULL;
}

void owed_pop(struct pg_link *l)
{
	struct owed_ring *r = &l->owed;
	assert(r->n > 0);
	let_go(l, owed_at(l, 0));
	r->head = (r->head + 1) & (r->size - 1);
	r->n--;
}

void owed_mark_clears(struct pg_link *l, uint64_t flags)
{
	struct owed *o = owed_tail(l);
	if (o == NULL || !(flags & (SQL_F_DISCARD_ALL | SQL_F_DEALLOCATE_ALL)))
		return;
	o->flags |= OWED_F_CLEARS;
	l->n_clears++;
	l->clears_batch = l->batch_no;
	l->clears_flushed = false;
}

void owed_remove(struct pg_link *l, uint32_t i)
{
	assert(i < l->owed.n);
	let_go(l, owed_at(l, i));
	for (; i + 1 < l->owed.n; i++)
		*owed_at(l, i) = *owed_at(l, i + 1);
	l->owed.n--;
}

uint32_t owed_find_sync(struct pg_link *l)
{
	uint32_t i = 0;
	while (i < l->owed.n && owed_at(l, i)->kind != OWED_SYNC)
		i++;
	return i;
}

void owed_fini(struct pg_link *l)
{
	while (l->owed.n)
		owed_pop(l);
	mem_free(MEM_PROTO, l->owed.v);
	l->owed = (struct owed_ring){ 0 };
}
