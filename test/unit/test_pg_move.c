/* pg_move: a session's state as bytes, and back; and what cannot be written, or is malformed. */
#include "../../src/proto/pg_run_int.h"
#include "pg_pool.h"
#include "pg_script.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct pool p;
static struct psess *s;
static struct buf m, state;

static void setup(void)
{
	static const char *const params[] = { "application_name", "mover", NULL };
	pool_init(&p, PROTO_TRANSACTION, 2, 10, 1);
	s = pool_login(&p, params);
	pool_run(&p, 0);
	buf_init(&m, 0);
	buf_init(&state, 1 << 20);
}

static void teardown(void)
{
	buf_fini(&m);
	buf_fini(&state);
	pool_fini(&p);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
}
TestSuite(pg_move, .init = setup, .fini = teardown, .timeout = 60);

static void say(void)
{
	pool_send(s, &m);
	pool_run(&p, 0);
	buf_consume(&m, buf_len(&m));
}

static bool moves(void)
{
	buf_fini(&state);
	buf_init(&state, 1 << 20);
	return proto_pg.client_move_out(s->cst, false, &state) == PROTO_STAYS_NOT;
}

/* NULL: it is refused. */
static struct pg_client *arrive(const void *bytes, size_t n, enum proto_mode mode)
{
	struct proto_client_conf k = { .mode = mode, .max_prepared = 10, .counters = &p.counters };
	struct rd r = rd_of(bytes, n);
	struct err e = { 0 };
	struct pg_client *c = mem_alloc(MEM_MISC, proto_pg.client_size);
	if (proto_pg.client_move_in(c, p.env, &k, false, &r, &e) == 0) {
		cr_assert_not(err_is(&e));
		return c;
	}
	cr_assert(err_is(&e));
	proto_pg.client_fini(c);
	mem_free(MEM_MISC, c);
	return NULL;
}

static void leave(struct pg_client *c)
{
	proto_pg.client_fini(c);
	mem_free(MEM_MISC, c);
}

static void prepare(void)
{
	put_query(&m, "SET timezone = 'Asia/Tokyo'");
	say();
	put_parse(&m, "one", "SELECT $1::int + 1");
	pgext_put_sync(&m);
	say();
	put_parse(&m, "", "SELECT 'unnamed'");
	pgext_put_sync(&m);
	say();
}

Test(pg_move, comes_back_as_it_went)
{
	prepare();
	cr_assert(moves());
	struct pg_client *c = arrive(buf_data(&state), buf_len(&state), PROTO_TRANSACTION);
	const struct pg_client *was = s->cst;
	cr_assert_not_null(c);
	cr_assert_eq(c->want, was->want, "sets are shared within an env");
	cr_assert_eq(c->start, was->start);
	cr_assert_eq(c->told, was->told);
	cr_assert_eq(c->want_hash, was->want_hash);
	cr_assert_eq(c->unnamed, was->unnamed);
	cr_assert_eq(stmtmap_get(c->stmts, "one", 3), stmtmap_get(was->stmts, "one", 3));
	cr_assert_not_null(c->unnamed);
	cr_assert_not_null(stmtmap_get(c->stmts, "one", 3));
	cr_assert_neq(c->id, was->id, "it is another session for links");
	struct buf again;
	buf_init(&again, 1 << 20);
	cr_assert_eq(proto_pg.client_move_out(c, false, &again), PROTO_STAYS_NOT);
	cr_assert_eq(buf_len(&again), buf_len(&state));
	cr_assert_eq(memcmp(buf_data(&again), buf_data(&state), buf_len(&state)), 0);
	buf_fini(&again);
	leave(c);
}

Test(pg_move, not_in_a_request_or_a_transaction)
{
	put_query(&m, "BEGIN");
	say();
	cr_assert_not(moves());
	put_query(&m, "COMMIT");
	say();
	cr_assert(moves());
	put_parse(&m, "half", "SELECT 1"); /* no Sync */
	say();
	cr_assert_not(moves());
	pgext_put_sync(&m);
	say();
	cr_assert(moves());
}

Test(pg_move, another_mode_refuses)
{
	cr_assert(moves());
	cr_assert_null(arrive(buf_data(&state), buf_len(&state), PROTO_SESSION));
}

/* Each of them is refused, or is a state that can be given back. */
Test(pg_move, hostile_bytes)
{
	prepare();
	cr_assert(moves());
	size_t n = buf_len(&state);
	uint8_t *b = malloc(n + 1);
	memcpy(b, buf_data(&state), n);
	for (size_t i = 0; i < n;
		i++) { /* in a block of its own, so that ASan sees reads behind it */
		uint8_t *cut = malloc(i ? i : 1);
		memcpy(cut, b, i);
		cr_assert_null(arrive(cut, i, PROTO_TRANSACTION), "cut at %zu", i);
		free(cut);
	}
	b[n] = 0;
	cr_assert_null(arrive(b, n + 1, PROTO_TRANSACTION));
	for (size_t i = 0; i < n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1u << bit);
			struct pg_client *c = arrive(b, n, PROTO_TRANSACTION);
			if (c)
				leave(c);
			b[i] ^= (uint8_t)(1u << bit);
		}
	free(b);
}

/* ---- with its link ---- */

static struct buf link_state;

static bool moves_with_link(void)
{
	buf_fini(&state);
	buf_init(&state, 1 << 20);
	buf_fini(&link_state);
	buf_init(&link_state, 1 << 20);
	return proto_pg.link_hand_out(s->cst, s->link->lst, &link_state) == PROTO_STAYS_NOT &&
	       proto_pg.client_move_out(s->cst, true, &state) == PROTO_STAYS_NOT;
}

/* NULL: the session cannot come. */
static struct pg_client *arrive_with(const void *bytes, size_t n)
{
	struct proto_client_conf k = {
		.mode = PROTO_TRANSACTION, .max_prepared = 10, .counters = &p.counters
	};
	struct rd r = rd_of(bytes, n);
	struct err e = { 0 };
	struct pg_client *c = mem_alloc(MEM_MISC, proto_pg.client_size);
	if (proto_pg.client_move_in(c, p.env, &k, true, &r, &e) == 0)
		return c;
	cr_assert(err_is(&e));
	leave(c);
	return NULL;
}

static void leave_link(struct pg_link *l)
{
	proto_pg.link_fini(l);
	mem_free(MEM_MISC, l);
}

/* NULL: the link is refused. */
static struct pg_link *hand(struct pg_client *c, const void *bytes, size_t n)
{
	struct rd r = rd_of(bytes, n);
	struct err e = { 0 };
	struct pg_link *l = mem_alloc(MEM_MISC, proto_pg.link_size);
	if (proto_pg.link_hand_in(c, l, p.env, &r, &e) == 0) {
		cr_assert_not(err_is(&e));
		return l;
	}
	cr_assert(err_is(&e));
	leave_link(l);
	return NULL;
}

/* Something that only the server has, and more that it has besides. */
static void pin(void)
{
	buf_init(&link_state, 1 << 20);
	prepare();
	put_query(&m, "CREATE TEMP TABLE t (..)");
	say();
	put_bind(&m, "", "one");
	pgext_put_execute(&m, "", 0);
	pgext_put_sync(&m);
	say();
	put_query(&m,
		"SELECT set_config('app.mine','x',false)"); /* not asked for while it is pinned */
	say();
	cr_assert_not_null(s->link);
	cr_assert_not(moves(), "not without it");
}

Test(pg_move, link_comes_back_as_it_went)
{
	pin();
	cr_assert(moves_with_link());
	struct pg_client *c = arrive_with(buf_data(&state), buf_len(&state));
	const struct pg_client *was = s->cst;
	const struct pg_link *l_was = s->link->lst;
	cr_assert_not_null(c);
	cr_assert_eq(c->pins, was->pins);
	cr_assert_eq(c->pins_kept, was->pins_kept);
	cr_assert(c->acc == was->acc && c->acc, "what is in doubt is so there, too");
	cr_assert(c->salt && c->salt != was->salt);
	struct pg_link *l = hand(c, buf_data(&link_state), buf_len(&link_state));
	cr_assert_not_null(l);
	cr_assert_eq(l->have, l_was->have, "sets are shared within an env");
	cr_assert_eq(l->reported, l_was->reported);
	cr_assert_eq(l->fresh, l_was->fresh);
	cr_assert_eq(l->key_n, l_was->key_n);
	cr_assert_eq(memcmp(l->key, l_was->key, l->key_n), 0);
	cr_assert_eq(l->stmts.next_id, l_was->stmts.next_id);
	cr_assert(linkmap_n(&l->stmts) == linkmap_n(&l_was->stmts) && linkmap_n(&l->stmts) > 0);
	cr_assert_eq(l->last_client_id, c->id);
	cr_assert(proto_pg.link_spoiled(l), "it is nobody else's, ever");
	struct buf again;
	buf_init(&again, 1 << 20);
	cr_assert_eq(proto_pg.link_hand_out(c, l, &again), PROTO_STAYS_NOT);
	cr_assert_eq(buf_len(&again), buf_len(&link_state));
	cr_assert_eq(memcmp(buf_data(&again), buf_data(&link_state), buf_len(&again)), 0);
	buf_fini(&again);
	proto_pg.detach(c, l);
	leave_link(l);
	leave(c);
	buf_fini(&link_state);
}

/* A state with pins is none of a session that comes alone, and the other way round. */
Test(pg_move, with_and_without_link_are_two_forms)
{
	cr_assert(moves());
	cr_assert_null(arrive_with(buf_data(&state), buf_len(&state)));
	pin();
	cr_assert(moves_with_link());
	cr_assert_null(arrive(buf_data(&state), buf_len(&state), PROTO_TRANSACTION));
	buf_fini(&link_state);
}

Test(pg_move, link_not_in_a_request_or_a_transaction)
{
	pin();
	put_query(&m, "BEGIN");
	say();
	cr_assert_not(moves_with_link());
	put_query(&m, "COMMIT");
	say();
	cr_assert(moves_with_link());
	put_query(&m, "SELECT 1");
	pool_send(s, &m);
	buf_consume(&m, buf_len(&m));
	while (!proto_pg.link_owes(s->link->lst))
		cr_assert(pool_step(&p, 0));
	cr_assert_not(moves_with_link());
	pool_run(&p, 0);
	cr_assert(moves_with_link());
	buf_fini(&link_state);
}

/* Each cut is refused; each flipped bit is refused, or gives a link that can be let go of. */
Test(pg_move, link_of_hostile_bytes)
{
	pin();
	cr_assert(moves_with_link());
	struct pg_client *c = arrive_with(buf_data(&state), buf_len(&state));
	cr_assert_not_null(c);
	size_t n = buf_len(&link_state);
	uint8_t *b = malloc(n + 1);
	memcpy(b, buf_data(&link_state), n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *cut = malloc(i ? i : 1);
		memcpy(cut, b, i);
		cr_assert_null(hand(c, cut, i), "cut at %zu", i);
		free(cut);
	}
	b[n] = 0;
	cr_assert_null(hand(c, b, n + 1));
	for (size_t i = 0; i < n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1u << bit);
			struct pg_link *l = hand(c, b, n);
			if (l) {
				cr_assert(proto_pg.link_spoiled(l));
				proto_pg.detach(c, l);
				leave_link(l);
			}
			b[i] ^= (uint8_t)(1u << bit);
		}
	free(b);
	leave(c);
	buf_fini(&link_state);
}

/* The session's part: the same, cut and flipped. */
Test(pg_move, hostile_bytes_with_a_link)
{
	pin();
	cr_assert(moves_with_link());
	size_t n = buf_len(&state);
	uint8_t *b = malloc(n);
	memcpy(b, buf_data(&state), n);
	for (size_t i = 0; i < n; i++)
		cr_assert_null(arrive_with(b, i), "cut at %zu", i);
	for (size_t i = 0; i < n * 8; i++) {
		b[i / 8] ^= (uint8_t)(1u << i % 8);
		struct pg_client *c = arrive_with(b, n);
		if (c)
			leave(c);
		b[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	free(b);
	buf_fini(&link_state);
}
