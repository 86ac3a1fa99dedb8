/* fuzz_hand - what another process says that a session and the link that it keeps are, for both
 * protocols, and a client and a server that say anything behind it. The input: flags (bit 0: MySQL,
 * 1: session mode, 2: without a link), how long the state of the session is (2 bytes big endian),
 * the same of the link, both, and pieces as in fuzz_my_run.c: who (bit 15: the server) and length,
 * and that many bytes. It must not crash; and what was taken can be given again, and is
 * taken there; the link is the same when it is given once more (names of a session come in any
 * order, and are written the shorter the more they are like the one before). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hmap.h"
#include "base/mem.h"
#include "base/rd.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STATE_MAX_BYTES (1u << 20)

struct pair {
	void *cst, *lst; /* lst NULL: it has none */
};

static const struct proto_ops *ops;
static struct proto_env *env;
static struct proto_counters counters;
static enum proto_mode mode;

static void must_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d\n", line);
	abort();
}
#define must(ok) must_at(ok, __LINE__)

/* ---- taking and giving ---- */

static void pair_free(struct pair *p)
{
	if (p->lst)
		ops->link_fini(p->lst);
	mem_free(MEM_MISC, p->lst);
	if (p->cst)
		ops->client_fini(p->cst);
	mem_free(MEM_MISC, p->cst);
	*p = (struct pair){ 0 };
}

/* In a block of its own, so that ASan sees reads behind it. */
static int hand_in(struct pair *p, bool link, const uint8_t *bytes, size_t n, struct err *e)
{
	uint8_t *copy = malloc(n ? n : 1);
	must(copy != NULL);
	memcpy(copy, bytes, n);
	struct rd r = rd_of(copy, n);
	const struct proto_client_conf k = { .mode = mode,
		.max_prepared = 100,
		.max_stmt_bytes = 100000,
		.relisten = true,
		.counters = &counters };
	int rc = link ? ops->link_hand_in(p->cst, p->lst, env, &r, e)
		      : ops->client_move_in(p->cst, env, &k, p->lst != NULL, &r, e);
	free(copy);
	return rc;
}

/* False: it is refused. */
static bool take(
	struct pair *p, bool with_link, const uint8_t *c, size_t c_n, const uint8_t *l, size_t l_n)
{
	struct err e = { 0 };
	p->cst = mem_xalloc(MEM_MISC, ops->client_size);
	p->lst = with_link ? mem_xalloc(MEM_MISC, ops->link_size) : NULL;
	bool ok = hand_in(p, false, c, c_n, &e) == 0 &&
		  (!with_link || hand_in(p, true, l, l_n, &e) == 0);
	must(ok == !err_is(&e));
	if (!ok)
		pair_free(p);
	return ok;
}

static bool give(const struct pair *p, struct buf *c, struct buf *l)
{
	buf_init(c, STATE_MAX_BYTES);
	buf_init(l, STATE_MAX_BYTES);
	return (!p->lst || ops->link_hand_out(p->cst, p->lst, l) == PROTO_STAYS_NOT) &&
	       ops->client_move_out(p->cst, p->lst != NULL, c) == PROTO_STAYS_NOT;
}

static bool same(const struct buf *a, const struct buf *b)
{
	size_t n = buf_len(a);
	return n == buf_len(b) && (n == 0 || memcmp(buf_data(a), buf_data(b), n) == 0);
}

/* A state that is in doubt stays, and that is all. */
static void goes_on(const struct pair *p)
{
	struct buf c, l, c2, l2;
	struct pair next;
	if (give(p, &c, &l)) {
		must(take(&next, p->lst != NULL, buf_data(&c), buf_len(&c), buf_data(&l),
			buf_len(&l)));
		must(give(&next, &c2, &l2));
		must(same(&l, &l2));
		pair_free(&next);
		buf_fini(&c2);
		buf_fini(&l2);
	}
	buf_fini(&c);
	buf_fini(&l);
}

/* ---- serving ---- */

/* True: more can be said. */
static bool up(struct pair *p, struct buf *in, struct buf *to_up, struct buf *down)
{
	struct err e = { 0 };
	struct pev ev = ops->up(p->cst, p->lst, buf_data(in), buf_len(in), to_up, down, &e);
	must(ev.n <= buf_len(in));
	if (ev.n)
		buf_consume(in, ev.n);
	if (ev.kind == PEV_KILL)
		ops->client_killed(p->cst, NULL, down);
	return (ev.kind == PEV_FORWARD || ev.kind == PEV_DROP || ev.kind == PEV_KILL) && ev.n;
}

/* False: the link is not this session's any more, or is to be closed. */
static bool down_event(struct pair *p, const struct pev *ev, struct buf *to_up)
{
	bool over = ev->kind == PEV_TX ? ev->idle && ev->tx == TX_IDLE
				       : ev->kind == PEV_ASKED && !ops->link_owes(p->lst);
	if (ev->kind == PEV_BAD || ev->kind == PEV_LINK_BAD || ev->kind == PEV_QUERY_DONE)
		return false;
	return !over || ops->link_release(p->cst, p->lst, to_up) != REL_FREE;
}

static bool down(struct pair *p, struct buf *in, struct buf *to_up, struct buf *to_down)
{
	for (;;) {
		struct err e = { 0 };
		struct pev ev = ops->down(
			p->cst, p->lst, buf_data(in), buf_len(in), to_up, to_down, &e);
		must(ev.n <= buf_len(in));
		if (ev.n)
			buf_consume(in, ev.n);
		if (!down_event(p, &ev, to_up))
			return false;
		if (ev.kind == PEV_MORE || (ev.n == 0 && ev.kind != PEV_REFUSED))
			return true;
	}
}

static void serve(struct pair *p, struct rd *r)
{
	struct buf c_in, s_in, to_up, to_down;
	bool goes_on = true;
	buf_init(&c_in, 0);
	buf_init(&s_in, 0);
	buf_init(&to_up, 0);
	buf_init(&to_down, 0);
	while (goes_on && rd_left(r) > 2) {
		uint16_t head = rd_u16be(r);
		size_t n = (head & 0x7fff) < rd_left(r) ? head & 0x7fff : rd_left(r);
		const uint8_t *x = rd_bytes(r, n);
		if (head & 0x8000 && !p->lst)
			break;
		buf_append(head & 0x8000 ? &s_in : &c_in, x, n);
		while (up(p, &c_in, &to_up, &to_down))
			;
		goes_on = !p->lst || down(p, &s_in, &to_up, &to_down);
	}
	if (p->lst) {
		ops->detach(p->cst, p->lst);
		if (ops->link_owes(p->lst))
			(void)ops->link_abort(p->lst, &to_up);
		must(ops->link_spoiled(p->lst) || ops == &proto_mysql);
	}
	buf_fini(&c_in);
	buf_fini(&s_in);
	buf_fini(&to_up);
	buf_fini(&to_down);
}

static void play(bool with_link, struct rd *r)
{
	struct pair p;
	size_t c_n = rd_u16be(r), l_n = rd_u16be(r);
	const uint8_t *c = rd_bytes(r, c_n), *l = rd_bytes(r, l_n);
	if (!rd_ok(r) || !take(&p, with_link, c, c_n, l, l_n))
		return;
	goes_on(&p);
	serve(&p, r);
	pair_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[16] = "fuzz_hand's key";
	static bool begun;
	const struct proto_env_opts o = { 0 };
	if (size < 5 || size > 60000)
		return 0;
	if (!begun)
		(void)hash_key_set(key);
	begun = true;
	ops = data[0] & 1 ? &proto_mysql : &proto_pg;
	mode = data[0] & 2 ? PROTO_SESSION : PROTO_TRANSACTION;
	env = ops->env_new(&o);
	must(env != NULL);
	struct rd r = rd_of(data + 1, size - 1);
	play(!(data[0] & 4), &r);
	ops->env_free(env);
	must(mem_live(MEM_PROTO) + mem_live(MEM_STMT) + mem_live(MEM_VARS) + mem_live(MEM_BUF) +
			mem_live(MEM_MISC) ==
		0);
	return 0;
}
