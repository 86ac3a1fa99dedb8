/* pg_owed - the ring of replies that a link owes, and the flow of bytes that pass unchanged.
 * Ignorant of who may send what. Thread: that of the env. */
#include "pg_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define OWED_MIN_N 16U
#define FLOW_COPY_BYTES \
	4096U /* a run up to this is copied behind what was put, to go out with it */

static bool grow(struct pg_link *l)
{
	struct owed_ring *r = &l->owed;
	uint32_t size = r->size ? r->size * 2 : OWED_MIN_N;
	if (size > PG_OWED_MAX_N)
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
	else if (o->p.ls)
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

/* ---- flow ---- */

void flow_cut(struct flow *f)
{
	if (f->at > f->from)
		buf_append(f->out, f->p + f->from, f->at - f->from);
	f->from = f->at;
}

static size_t take(struct flow *f, size_t total, enum pg_rest rest)
{
	size_t k = flow_ahead(f) < total ? flow_ahead(f) : total;
	if (k < total) {
		*f->left = (uint32_t)(total - k);
		*f->rest = (uint8_t)rest;
	}
	return k;
}

void flow_pass(struct flow *f, size_t total)
{
	f->at += take(f, total, PG_REST_PASS);
}

void flow_drop(struct flow *f, size_t total)
{
	flow_cut(f);
	f->at += take(f, total, PG_REST_DROP);
	f->from = f->at;
}

struct pev flow_end(struct flow *f)
{
	if (f->at == 0)
		return (struct pev){ .kind = PEV_MORE };
	if (f->from == 0)
		return (struct pev){ .kind = PEV_FORWARD, .n = f->at };
	size_t run = f->at - f->from;
	if (run <= FLOW_COPY_BYTES) {
		flow_cut(f);
		return (struct pev){ .kind = PEV_DROP, .n = f->at };
	}
	/* It was handled, but passes with the next call. */
	assert(*f->left == 0 || *f->rest == PG_REST_PASS);
	*f->left += (uint32_t)run;
	*f->rest = PG_REST_PASS;
	return (struct pev){ .kind = PEV_DROP, .n = f->from };
}

bool flow_resume(struct flow *f, struct pev *ev_r)
{
	if (*f->left == 0)
		return false;
	size_t k = f->n < *f->left ? f->n : *f->left;
	*f->left -= (uint32_t)k;
	*ev_r = (struct pev){ .kind = k == 0                     ? PEV_MORE
				      : *f->rest == PG_REST_PASS ? PEV_FORWARD
								 : PEV_DROP,
		.n = k };
	return true;
}
