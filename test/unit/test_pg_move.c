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
	return proto_pg.client_move_out(s->cst, &state) == PROTO_STAYS_NOT;
}

/* NULL: it is refused. */
static struct pg_client *arrive(const void *bytes, size_t n, enum proto_mode mode)
{
	struct proto_client_conf k = { .mode = mode, .max_prepared = 10, .counters = &p.counters };
	struct rd r = rd_of(bytes, n);
	struct err e = { 0 };
	struct pg_client *c = mem_alloc(MEM_MISC, proto_pg.client_size);
	if (proto_pg.client_move_in(c, p.env, &k, &r, &e) == 0) {
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
	cr_assert_eq(proto_pg.client_move_out(c, &again), PROTO_STAYS_NOT);
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
