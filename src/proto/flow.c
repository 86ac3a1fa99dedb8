/* flow - the flow of bytes that pass unchanged, and of those that do not. Ignorant of what they
 * mean. One thread: that of the env. */
#include "flow.h"

#include <assert.h>

#define FLOW_COPY_BYTES \
	4096U /* a run up to this is copied behind what was put, to go out with it */

void flow_cut(struct flow *f)
{
	if (f->at > f->from)
		buf_append(f->out, f->p + f->from, f->at - f->from);
	f->from = f->at;
}

static size_t take(struct flow *f, size_t total, enum flow_rest rest)
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
	f->at += take(f, total, FLOW_PASS);
}

void flow_drop(struct flow *f, size_t total)
{
	flow_cut(f);
	f->at += take(f, total, FLOW_DROP);
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
	assert(*f->left == 0 || *f->rest == FLOW_PASS);
	*f->left += (uint32_t)run;
	*f->rest = FLOW_PASS;
	return (struct pev){ .kind = PEV_DROP, .n = f->from };
}

bool flow_resume(struct flow *f, struct pev *ev_r)
{
	if (*f->left == 0)
		return false;
	size_t k = f->n < *f->left ? f->n : *f->left;
	*f->left -= (uint32_t)k;
	*ev_r = (struct pev){ .kind = k == 0                  ? PEV_MORE
				      : *f->rest == FLOW_PASS ? PEV_FORWARD
							      : PEV_DROP,
		.n = k };
	return true;
}
