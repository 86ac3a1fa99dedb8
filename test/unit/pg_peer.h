/* pg_peer - for tests of proto: a client half and a link half that talk to each other through
 * proto_pg, as core would drive them, with the bytes cut in a chosen way. */
#ifndef TEST_PG_PEER_H
#define TEST_PG_PEER_H
#include "base/mem.h"
#include "base/num.h"
#include "proto/proto.h"
#include "wire/pg/auth.h"
#include "wire/pg/error.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/row.h"
#include "wire/pg/session.h"
#include "wire/pg/startup.h"

#include <criterion/criterion.h>
#include <string.h>

enum cut { CUT_WHOLE, CUT_BYTES, CUT_RANDOM, CUT_N };

static inline size_t cut_of(enum cut c, size_t n, uint32_t *seed)
{
	if (c == CUT_WHOLE || n < 2)
		return n;
	if (c == CUT_BYTES)
		return 1;
	*seed = *seed * 1664525u + 1013904223u;
	return 1 + (*seed >> 8) % n % 40;
}

struct half { /* one side */
	void *st;
	struct buf in, out; /* arrived and not consumed; to be sent */
	struct err e;
};

static inline void half_init(struct half *h, size_t state_n)
{
	memset(h, 0, sizeof(*h));
	h->st = mem_alloc(MEM_MISC, state_n);
	buf_init(&h->in, 1 << 20);
	buf_init(&h->out, 1 << 20);
}
static inline void half_fini(struct half *h)
{
	buf_fini(&h->in);
	buf_fini(&h->out);
	mem_free(MEM_MISC, h->st);
}
/* Moves some bytes of from's output to to's input; false when there were none. */
static inline bool half_move(struct half *from, struct half *to, enum cut c, uint32_t *seed)
{
	size_t n = cut_of(c, buf_len(&from->out), seed);
	if (n == 0)
		return false;
	buf_append(&to->in, buf_data(&from->out), n);
	buf_consume(&from->out, n);
	return true;
}
/* client_step() and consume. A block of just the right size is given, so that ASan sees reads
 * behind it. */
static inline struct pev half_client(struct half *h)
{
	size_t n = buf_len(&h->in);
	uint8_t *exact = mem_alloc(MEM_MISC, n + 1);
	if (n)
		memcpy(exact + 1, buf_data(&h->in), n);
	struct pev ev = proto_pg.client_step(h->st, exact + 1, n, &h->out, &h->e);
	cr_assert_leq(ev.n, n);
	if (ev.text) /* into our own buffer, which keeps it until the next call */
		ev.text = buf_data(&h->in) + (ev.text - (exact + 1));
	mem_free(MEM_MISC, exact);
	return ev;
}
static inline struct pev half_link(struct half *h)
{
	struct pev ev = proto_pg.link_step(
		h->st, buf_data(&h->in), buf_len(&h->in), &h->out, &h->e);
	cr_assert_leq(ev.n, buf_len(&h->in));
	if (ev.n)
		buf_consume(&h->in, ev.n);
	return ev;
}
#endif
