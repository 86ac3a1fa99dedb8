/* mysql_move: a session's state as bytes, and back; and what cannot be written, or is malformed. */
#include "../../src/proto/mysql_run_int.h"
#include "../../src/proto/mysql_stmt_int.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct proto_env *env;
static struct proto_counters counters;
static struct my_client *was;
static struct buf state;

static struct my_client *client_new(void)
{
	return mem_alloc(MEM_MISC, proto_mysql.client_size);
}

static void client_free(struct my_client *c)
{
	proto_mysql.client_fini(c);
	mem_free(MEM_MISC, c);
}

static void add_stmt(const char *text, unsigned params_n)
{
	static const uint8_t types[] = { 8, 0x80, 253, 0 };
	struct my_stmt *s = my_stmt_add(was, ++was->last_stmt, text, strlen(text), was->want);
	cr_assert_not_null(s);
	s->ready = true;
	s->params_n = (uint16_t)params_n;
	s->columns_n = 1;
	s->req.flags = 5;
	s->req.selects = true;
	if (params_n)
		cr_assert(my_stmt_keep_types(s, types));
}

static void setup(void)
{
	struct proto_env_opts o = { 0 };
	env = proto_mysql.env_new(&o);
	was = client_new();
	my_client_run_init(was, env);
	was->caps = MYCAP(PROTOCOL_41) | MYCAP(DEPRECATE_EOF);
	was->mode = PROTO_TRANSACTION;
	was->number = 77;
	was->collation = 45;
	was->ready = true;
	was->status = MYSTATUS_AUTOCOMMIT;
	was->last_insert_id = 11;
	was->row_count = -1;
	was->found_known = true;
	was->found_rows = 3;
	was->max_stmt_bytes = 1000;
	memset(was->scramble, 's', sizeof was->scramble);
	cr_assert(varset_put(&env->vars, &was->start, MY_VAR_SCHEMA, "app"));
	cr_assert(varset_put(&env->vars, &was->base, "sql_mode", ""));
	cr_assert(varset_put(&env->vars, &was->tracking, "session_track_schema", "ON"));
	varset_assign(&env->vars, &was->want, was->start);
	was->stmts = mem_alloc(MEM_STMT, sizeof *was->stmts);
	hmap_init(&was->stmts->by_id);
	add_stmt("SELECT 1", 0);
	cr_assert(varset_put(&env->vars, &was->want, "@`a`", "_utf8mb4 X'61' COLLATE utf8mb4_bin"));
	add_stmt("SELECT ?, ?", 2);
	my_diag_own(was, 1064, "no", MY_DIAG_ALONE);
	buf_init(&state, 1 << 20);
}

static void teardown(void)
{
	buf_fini(&state);
	client_free(was);
	proto_mysql.env_free(env);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
}
TestSuite(mysql_move, .init = setup, .fini = teardown, .timeout = 60);

static enum proto_stays stays(void)
{
	buf_fini(&state);
	buf_init(&state, 1 << 20);
	return proto_mysql.client_move_out(was, false, &state);
}

/* NULL: it is refused. */
static struct my_client *arrive(const void *bytes, size_t n, enum proto_mode mode)
{
	struct proto_client_conf k = { .mode = mode, .max_prepared = 10, .counters = &counters };
	struct rd r = rd_of(bytes, n);
	struct err e = { 0 };
	struct my_client *c = client_new();
	if (proto_mysql.client_move_in(c, env, &k, false, &r, &e) == 0) {
		cr_assert_not(err_is(&e));
		return c;
	}
	cr_assert(err_is(&e));
	client_free(c);
	return NULL;
}

static void assert_same_stmt(const struct my_client *c, uint32_t id)
{
	const struct my_stmt *a = my_stmt_get(c, id), *b = my_stmt_get(was, id);
	cr_assert_not_null(a);
	cr_assert_eq(a->text, b->text, "texts are shared within an env");
	cr_assert_eq(a->want_at, b->want_at);
	cr_assert(hash128_eq(a->fresh, b->fresh));
	cr_assert_eq(a->params_n, b->params_n);
	cr_assert_eq(a->columns_n, b->columns_n);
	cr_assert_eq(a->types == NULL, b->types == NULL);
	cr_assert_eq(a->req.flags, b->req.flags);
	cr_assert(a->req.selects && a->ready);
}

Test(mysql_move, comes_back_as_it_went)
{
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	struct my_client *c = arrive(buf_data(&state), buf_len(&state), PROTO_TRANSACTION);
	cr_assert_not_null(c);
	cr_assert_eq(c->want, was->want, "sets are shared within an env");
	cr_assert_eq(c->start, was->start);
	cr_assert_eq(c->base, was->base);
	cr_assert_eq(c->tracking, was->tracking);
	cr_assert_eq(c->number, 77);
	cr_assert_eq(c->last_insert_id, 11);
	cr_assert_eq(c->row_count, -1);
	cr_assert(c->ready && c->found_known && !c->multi && !c->mariadb);
	cr_assert_arr_eq(c->scramble, was->scramble, sizeof c->scramble);
	cr_assert_eq(my_diag_warnings(c), my_diag_warnings(was));
	cr_assert_neq(c->id, was->id, "it is another session for links");
	assert_same_stmt(c, 1);
	assert_same_stmt(c, 2);
	cr_assert_eq(c->last_stmt, 2);
	struct buf again;
	buf_init(&again, 1 << 20);
	cr_assert_eq(proto_mysql.client_move_out(c, false, &again), PROTO_STAYS_NOT);
	cr_assert_eq(buf_len(&again), buf_len(&state));
	cr_assert_eq(memcmp(buf_data(&again), buf_data(&state), buf_len(&state)), 0);
	buf_fini(&again);
	client_free(c);
}

Test(mysql_move, what_stays)
{
	was->needs = MY_NEED_VARS;
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	was->needs = 0;
	was->in_request = true;
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	was->in_request = false;
	was->pins = PIN(TEMP);
	cr_assert_eq(stays(), PROTO_STAYS_PINNED);
	was->pins = 0;
	my_stmt_get(was, 2)->ready = false;
	cr_assert_neq(stays(), PROTO_STAYS_NOT);
	my_stmt_get(was, 2)->ready = true;
	struct buf small;
	buf_init(&small, 64);
	cr_assert_eq(proto_mysql.client_move_out(was, false, &small), PROTO_STAYS_TOO_BIG);
	buf_fini(&small);
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
}

Test(mysql_move, another_mode_refuses)
{
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	cr_assert_null(arrive(buf_data(&state), buf_len(&state), PROTO_SESSION));
}

/* Each of them is refused, or is a state that can be given back. */
Test(mysql_move, hostile_bytes)
{
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
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
			struct my_client *c = arrive(b, n, PROTO_TRANSACTION);
			if (c)
				client_free(c);
			b[i] ^= (uint8_t)(1u << bit);
		}
	free(b);
}
