/* mysql_owed - the ring of replies that a link owes. Ignorant of who may send what. Thread: that of
 * the env. */
#include "mysql_run_int.h"

#include <assert.h>

#include "base/mem.h"

#define OWED_MIN_N 8U

static bool grow(struct my_link *l)
{
	struct my_ring *r = &l->owed;
	uint32_t size = r->size ? r->size * 2 : OWED_MIN_N;
	if (size > MY_OWED_MAX_N)
		return false;
	struct my_owed *v = mem_alloc(MEM_PROTO, size * sizeof(*v));
	if (v == NULL)
		return false;
	for (uint32_t i = 0; i < r->n; i++)
		v[i] = *my_owed_at(l, i);
	mem_free(MEM_PROTO, r->v);
	*r = (struct my_ring){ .v = v, .n = r->n, .size = size };
	return true;
}

struct my_owed *my_owed_push(struct my_link *l, uint8_t cmd, enum my_disp disp)
{
	if (l->owed.n == l->owed.size && !grow(l)) {
		l->failed = true;
		return NULL;
	}
	l->owed.n++;
	if (disp == MY_FORWARD)
		l->n_forward++;
	struct my_owed *o = my_owed_tail(l);
	*o = (struct my_owed){ .cmd = cmd, .disp = (uint8_t)disp, .seq = 1, .cseq = 1 };
	return o;
}

void my_owed_capture(struct my_link *l, uint8_t cmd, enum my_capture what, bool last)
{
	struct my_owed *o = my_owed_push(l, cmd, MY_CAPTURE);
	if (o == NULL)
		return;
	o->what = (uint8_t)what;
	l->own_count = false;
	if (cmd != MYCOM_PING)
		l->own_last = l->own_found = false;
	o->flags = last ? MY_OWED_F_LAST : 0;
}

void my_owed_pop(struct my_link *l)
{
	struct my_ring *r = &l->owed;
	assert(r->n > 0);
	if (my_owed_head(l)->disp == MY_FORWARD)
		l->n_forward--;
	r->head = (r->head + 1) & (r->size - 1);
	r->n--;
	l->begun = false;
}

void my_owed_fini(struct my_link *l)
{
	mem_free(MEM_PROTO, l->owed.v);
	l->owed = (struct my_ring){ 0 };
	l->n_forward = 0;
}
