/* pg_fuzz - what the two fuzz targets of serving share: a pool of simulated servers, and a run of
 * the same input whole and in pieces, which must give the same. */
#ifndef TEST_PG_FUZZ_H
#define TEST_PG_FUZZ_H
#include "../unit/pg_pool.h"
#include "../unit/pg_script.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct heard {
	uint8_t *p;
	size_t n;
	bool closed;
};

static inline struct heard heard_of(const struct psess *s)
{
	struct heard h = { .n = buf_len(&s->got), .closed = s->state == PS_CLOSED };
	h.p = malloc(h.n + 1);
	if (h.p == NULL)
		abort();
	if (h.n)
		memcpy(h.p, buf_data(&s->got), h.n);
	return h;
}

/* Equal. When a session was closed for what it sent, it is a matter of time what it heard before;
 * and a malformed message that a server would skip behind an error is only seen as long as the
 * error has not come. */
static inline void must_be_equal(struct heard *a, struct heard *b, const char *what)
{
	size_t n = a->n < b->n ? a->n : b->n;
	if ((n && memcmp(a->p, b->p, n) != 0) || (a->n != b->n && !a->closed && !b->closed)) {
		fprintf(stderr, "%s: whole: %zu bytes%s, in pieces: %zu bytes%s\n", what, a->n,
			a->closed ? ", closed" : "", b->n, b->closed ? ", closed" : "");
		abort();
	}
	free(a->p);
	free(b->p);
}

static inline void must_be_clean(void)
{
	if (mem_live(MEM_PROTO) + mem_live(MEM_STMT) + mem_live(MEM_VARS) + mem_live(MEM_HMAP) +
		mem_live(MEM_BUF))
		abort();
}
#endif
