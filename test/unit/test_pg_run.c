/* proto_pg while it serves: what is sent to which server, what a client gets, what pins it, and
 * what hostile peers achieve (nothing). */
#include "pg_pool.h"
#include "pg_script.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"

static struct pool p;
static struct psess *a, *b;
static char text[100000];

static void teardown(void)
{
	pool_fini(&p);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(pg_run, .fini = teardown, .timeout = 60);

/* Two sessions in transaction mode. */
static void begin(unsigned n_links, unsigned max_prepared)
{
	pool_init(&p, PROTO_TRANSACTION, n_links, max_prepared, 1);
	a = pool_login(&p, NULL);
	pool_run(&p, 0);
	b = pool_login(&p, NULL);
	pool_run(&p, 0);
	cr_assert_eq(a->state, PS_IDLE);
	cr_assert_eq(b->state, PS_IDLE);
	buf_fini(&a->got);
	buf_fini(&b->got);
}

static const char *talk(struct psess *s, struct buf *m)
{
	pool_send(s, m);
	buf_fini(m);
	pool_run(&p, 0);
	describe_stream(&s->got, text, sizeof(text), true);
	buf_fini(&s->got);
	return text;
}

static const char *ask(struct psess *s, const char *sql)
{
	struct buf m;
	buf_init(&m, 0);
	put_query(&m, sql);
	return talk(s, &m);
}

/* Parse, if text is not NULL, and one execution. */
static const char *run(struct psess *s, const char *name, const char *sql)
{
	struct buf m;
	buf_init(&m, 0);
	if (sql)
		put_parse(&m, name, sql);
	put_bind(&m, "", name);
	pgext_put_execute(&m, "", 0);
	pgext_put_sync(&m);
	return talk(s, &m);
}

#define SAYS(got, want) cr_assert_str_eq(got, want)

Test(pg_run, sizes)
{
	begin(1, 10);
	cr_assert_leq(proto_pg.client_size, 200);
	cr_assert_leq(proto_pg.link_size, 4096);
}

Test(pg_run, a_query_passes_and_nothing_stays)
{
	begin(1, 10);
	size_t blocks = mem_live(MEM_PROTO);
	SAYS(ask(a, "SELECT 'n1'"), "T D(n1) C(SELECT 1) Z(I)");
	SAYS(ask(b, "SELECT 'n2'"), "T D(n2) C(SELECT 1) Z(I)");
	cr_assert_eq(mem_live(MEM_PROTO), blocks + 3,
		"one ring, what texts came, and the one that came twice, with another string");
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(p.counters.queries, 2);
	cr_assert_eq(p.counters.asks_sent + p.counters.syncs_sent, 0);
}

Test(pg_run, settings_follow_the_client)
{
	begin(1, 10);
	SAYS(ask(a, "SET app.x = 'one'"), "C(SET) Z(I)");
	SAYS(ask(b, "SHOW app.x"), "T D() C(SELECT 1) Z(I)");
	SAYS(ask(a, "SHOW app.x"), "T D(one) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.asks_sent, 0, "one plain SET needs no question");
	SAYS(ask(b, "SELECT set_config('app.x','two',false)"), "T D(two) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.asks_sent, 1);
	SAYS(ask(a, "SHOW app.x"), "T D(one) C(SELECT 1) Z(I)");
	SAYS(ask(b, "SHOW app.x"), "T D(two) C(SELECT 1) Z(I)");
}

Test(pg_run, rolled_back_and_local_settings_are_gone)
{
	begin(1, 10);
	SAYS(ask(a, "BEGIN"), "C(BEGIN) Z(T)");
	SAYS(ask(a, "SET app.x = 'one'"), "C(SET) Z(T)");
	SAYS(ask(a, "ROLLBACK"), "C(ROLLBACK) Z(I)");
	SAYS(ask(a, "BEGIN;SET LOCAL app.y = 'two';COMMIT"), "C(BEGIN) C(SET) C(COMMIT) Z(I)");
	SAYS(ask(b, "SELECT 'n'"), "T D(n) C(SELECT 1) Z(I)");
	SAYS(ask(a, "SHOW app.x"), "T D() C(SELECT 1) Z(I)");
	SAYS(ask(a, "SHOW app.y"), "T D() C(SELECT 1) Z(I)");
}

Test(pg_run, reported_parameters_are_told)
{
	begin(1, 10);
	SAYS(ask(a, "SET application_name = 'one'"), "C(SET) S(application_name=one) Z(I)");
	SAYS(ask(b, "SELECT 'n'"), "T D(n) C(SELECT 1) Z(I)");
	SAYS(ask(a, "SELECT 'n'"), "T D(n) C(SELECT 1) Z(I)");
	cr_assert_str_eq(proto_pg.client_app_name(a->cst), "one");
	cr_assert_str_eq(proto_pg.client_app_name(b->cst), "");
	SAYS(ask(a, "DISCARD ALL"), "C(DISCARD ALL) S(application_name=) Z(I)");
	cr_assert_str_eq(proto_pg.client_app_name(a->cst), "");
}

Test(pg_run, startup_parameters_come_back)
{
	static const char *const params[] = { "application_name", "start", "options", "-c app.x=s",
		NULL };
	begin(1, 10);
	struct psess *c = pool_login(&p, params);
	pool_run(&p, 0);
	cr_assert_eq(c->state, PS_IDLE);
	buf_fini(&c->got);
	SAYS(ask(c, "SHOW app.x"), "T D(s) C(SELECT 1) Z(I)");
	SAYS(ask(c, "SET app.x = 'other'"), "C(SET) Z(I)");
	SAYS(ask(c, "SHOW app.x"), "T D(other) C(SELECT 1) Z(I)");
	SAYS(ask(c, "RESET app.x"), "C(RESET) Z(I)");
	SAYS(ask(b, "SHOW app.x"), "T D() C(SELECT 1) Z(I)");
	SAYS(ask(c, "SHOW app.x"), "T D(s) C(SELECT 1) Z(I)");
	SAYS(ask(c, "DISCARD ALL"), "C(DISCARD ALL) Z(I)");
	SAYS(ask(c, "SHOW app.x"), "T D(s) C(SELECT 1) Z(I)");
}

/* What a client hears at its login; it leaves afterwards. */
static const char *welcome(const char *const *params)
{
	struct psess *s = pool_login(&p, params);
	pool_run(&p, 0);
	cr_assert_eq(s->state, PS_IDLE);
	describe_stream(&s->got, text, sizeof(text), true);
	pool_close_sess(&p, s);
	return text;
}

Test(pg_run, each_client_is_welcomed_by_its_own_name)
{
	static const char *const one[] = { "application_name", "one", NULL }, *const two[] = {
		"application_name", "two", NULL
	};
	char first[sizeof(text)];
	begin(1, 10);
	snprintf(first, sizeof(first), "%s", welcome(one));
	cr_assert_not_null(strstr(first, "S(application_name=one)"), "%s", first);
	SAYS(welcome(one), first);
	SAYS(welcome(one), first);
	cr_assert_not_null(strstr(welcome(two), "S(application_name=two)"), "%s", text);
	cr_assert_null(strstr(welcome(NULL), "S(application_name=two)"), "%s", text);
	SAYS(welcome(one), first);
}

Test(pg_run, a_welcome_is_the_newest_that_is_known)
{
	static const char *const params[] = { "application_name", "one", NULL };
	struct buf m;
	begin(1, 10);
	cr_assert_not_null(strstr(welcome(params), "S(server_version=15.4)"), "%s", text);
	cr_assert_not_null(strstr(welcome(params), "S(server_version=15.4)"), "%s", text);
	struct psess *c = pool_login(&p, params);
	pool_run(&p, 0);
	buf_init(&m, 0);
	proto_pg.cache_export(c->cst, &m);
	buf_truncate(&m, 16); /* its key */
	buf_append(&m,
		"server_version\0"
		"16.1",
		20);
	proto_pg.cache_import(&p.cache, p.env, buf_data(&m), buf_len(&m));
	buf_fini(&m);
	cr_assert_not_null(strstr(welcome(params), "S(server_version=16.1)"), "%s", text);
	cr_assert_not_null(strstr(welcome(params), "S(server_version=16.1)"), "%s", text);
}

Test(pg_run, a_sync_that_fails_fails_the_request)
{
	begin(2, 10);
	SAYS(ask(a, "SET app.x = 'refuse'"), "C(SET) Z(I)");
	ask(b, "SET app.y = 'b'");
	ask(b, "SHOW app.y");
	struct buf m;
	buf_init(&m, 0);
	put_query(&m, "BEGIN");
	put_query(&m, "SELECT 'n1'");
	put_parse(&m, "s", "SELECT 'n2'");
	put_bind(&m, "", "s");
	pgext_put_sync(&m);
	for (unsigned i = 0; i < POOL_N; i++) /* no link has it now */
		if (p.link[i].state == PL_IDLE)
			pool_close_link(&p, &p.link[i]);
	SAYS(talk(a, &m),
		"E(22023 invalid value for parameter) Z(I) E(22023 invalid value for parameter) "
		"Z(I) E(22023 invalid value for parameter) Z(I)");
	cr_assert_eq(a->state, PS_IDLE);
	cr_assert_eq(p.n_bad, 1);
	cr_assert_eq(proto_pg.n_statements(a->cst, false), 0);
	SAYS(ask(b, "SHOW app.y"), "T D(b) C(SELECT 1) Z(I)");
}

/* Once more on a link that nobody has used. */
Test(pg_run, a_used_link_that_cannot_be_set_is_replaced)
{
	static const char *const params[] = { "temp_buffers", "100", NULL };
	struct buf m;
	begin(1, 10);
	ask(a, "CREATE TEMP TABLE t (x int)");
	ask(a, "DROP TABLE t");
	cr_assert_null(a->link);
	struct psess *c = pool_login(&p, params);
	pool_run(&p, 0);
	cr_assert_eq(c->state, PS_IDLE);
	cr_assert_eq(p.n_bad, 1);
	buf_fini(&c->got);
	SAYS(ask(c, "SHOW temp_buffers"), "T D(100) C(SELECT 1) Z(I)");
	ask(a, "CREATE TEMP TABLE t (x int)");
	ask(a, "DROP TABLE t");
	buf_init(&m, 0);
	put_parse(&m, "s", "SHOW temp_buffers");
	put_bind(&m, "", "s");
	pgext_put_execute(&m, "", 0);
	pgext_put_sync(&m);
	put_query(&m, "SELECT 'n'");
	SAYS(talk(c, &m), "1 2 D(100) C(SELECT 1) Z(I) T D(n) C(SELECT 1) Z(I)");
	cr_assert_eq(p.n_bad, 2);
	cr_assert_eq(proto_pg.n_statements(c->cst, false), 1);
}

Test(pg_run, pins_come_and_go)
{
	begin(2, 10);
	ask(a, "CREATE TEMP TABLE t (x int)");
	cr_assert_eq(proto_pg.client_pins(a->cst), PIN(TEMP));
	cr_assert_not_null(a->link);
	SAYS(ask(a, "SELECT * FROM t"), "T D(t) C(SELECT 1) Z(I)");
	ask(a, "DROP TABLE t");
	cr_assert_eq(proto_pg.client_pins(a->cst), 0);
	cr_assert_null(a->link);
	ask(a, "SELECT pg_advisory_lock(1)");
	cr_assert_eq(proto_pg.client_pins(a->cst), PIN(ADVISORY));
	ask(a, "PREPARE q AS SELECT 'n'");
	ask(a, "SELECT pg_advisory_unlock(1)");
	cr_assert_eq(proto_pg.client_pins(a->cst), 0);
	SAYS(ask(a, "EXECUTE q"), "T D(n) C(SELECT 1) Z(I)");
	cr_assert_null(a->link);
	SAYS(ask(b, "EXECUTE q"), "E(26000 prepared statement \"q\" does not exist) Z(I)");
	SAYS(ask(a, "DISCARD ALL"), "C(DISCARD ALL) Z(I)");
	cr_assert_eq(proto_pg.client_pins(a->cst), 0);
	cr_assert_null(a->link);
}

Test(pg_run, what_a_lost_client_leaves_is_cleaned)
{
	begin(1, 10);
	ask(a, "CREATE TEMP TABLE t (x int)");
	ask(a, "BEGIN");
	pool_close_sess(&p, a);
	pool_run(&p, 0);
	cr_assert_eq(p.link[0].state, PL_IDLE);
	cr_assert_eq(p.link[0].sim.tables.n, 0);
	cr_assert_eq(p.link[0].sim.tx, 'I');
	SAYS(ask(b, "SELECT * FROM t"), "E(42P01 no such relation: t) Z(I)");
}

Test(pg_run, currval_of_another_session_is_refused)
{
	begin(1, 10);
	SAYS(ask(b, "SELECT nextval('s')"), "T D(s) C(SELECT 1) Z(I)");
	SAYS(ask(a, "SELECT currval('s')"),
		"E(55000 currval() or lastval() would tell another session's value: this "
		"session's last server connection was given away) Z(I)");
	SAYS(ask(a, "SELECT nextval('s')"), "T D(s) C(SELECT 1) Z(I)");
	SAYS(ask(a, "SELECT currval('s')"), "T D(s) C(SELECT 1) Z(I)");
	ask(a, "SELECT nextval('s')");
	cr_assert_eq(proto_pg.client_pins(a->cst), PIN(SEQUENCE));
}

/* ---- prepared statements ---- */

Test(pg_run, a_statement_is_parsed_once_per_link)
{
	begin(1, 10);
	SAYS(run(a, "s", "SELECT 'x'"), "1 2 D(x) C(SELECT 1) Z(I)");
	SAYS(run(b, "other", "SELECT 'x'"), "1 2 D(x) C(SELECT 1) Z(I)");
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 1);
	cr_assert_eq(p.counters.client_parses, 2);
	SAYS(run(b, "s", NULL), "E(26000 prepared statement \"s\" does not exist) Z(I)");
	SAYS(run(a, "s", "SELECT 'y'"), "E(42P05 prepared statement \"s\" already exists) Z(I)");
	SAYS(run(a, "weirpool_1", NULL),
		"E(26000 prepared statement \"weirpool_1\" does not exist) Z(I)");
	SAYS(ask(a, "EXECUTE weirpool_1"),
		"E(26000 prepared statement \"weirpool_1\" does not exist) Z(I)");
	SAYS(ask(a, "DEALLOCATE s"), "C(DEALLOCATE) Z(I)");
	SAYS(run(a, "s", NULL), "E(26000 prepared statement \"s\" does not exist) Z(I)");
	SAYS(run(b, "other", NULL), "2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 1);
}

Test(pg_run, settings_that_change_the_meaning_of_a_text_keep_statements_apart)
{
	begin(1, 10);
	ask(a, "SET application_name = 'a'");
	ask(b, "SET application_name = 'b'");
	run(a, "s", "SELECT 'x'");
	run(b, "s", "SELECT 'x'");
	cr_assert_eq(p.counters.server_parses, 1);
	ask(b, "SET datestyle = 'German'");
	run(b, "s", NULL);
	cr_assert_eq(p.counters.server_parses, 2);
}

Test(pg_run, the_oldest_statement_is_closed)
{
	begin(1, 2);
	run(a, "s1", "SELECT 'x1'");
	run(a, "s2", "SELECT 'x2'");
	run(a, "s3", "SELECT 'x3'");
	cr_assert_eq(p.link[0].sim.stmts.n, 2);
	cr_assert_eq(proto_pg.n_statements(p.link[0].lst, true), 2);
	SAYS(run(a, "s1", NULL), "2 D(x1) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 4);
	cr_assert_eq(proto_pg.n_statements(a->cst, false), 3);
}

Test(pg_run, the_unnamed_statement_is_the_sessions_own)
{
	struct buf m;
	begin(1, 10);
	buf_init(&m, 0);
	put_parse(&m, "", "SELECT 'mine'");
	pgext_put_sync(&m);
	SAYS(talk(a, &m), "1 Z(I)");
	SAYS(run(b, "", "SELECT 'yours'"), "1 2 D(yours) C(SELECT 1) Z(I)");
	SAYS(run(a, "", NULL), "2 D(mine) C(SELECT 1) Z(I)");
	ask(a, "SELECT 'n'");
	SAYS(run(a, "", NULL), "E(26000 unnamed prepared statement does not exist) Z(I)");
}

/* Parse, if text is not NULL, and one execution, by a client that asks for the columns. */
static const char *run_described(struct psess *s, const char *name, const char *sql)
{
	struct buf m;
	buf_init(&m, 0);
	if (sql)
		put_parse(&m, name, sql);
	put_bind(&m, "", name);
	pgext_put_describe(&m, 'P', "");
	pgext_put_execute(&m, "", 0);
	pgext_put_sync(&m);
	return talk(s, &m);
}

/* Somebody changed the types of all columns: what is parsed on the link fails. */
static void change_types(unsigned link, uint32_t type)
{
	p.link[link].sim.type = type;
	p.link[link].sim.fail_plans = true;
}

#define STALE "E(0A000 cached plan must not change result type) Z(I)"

Test(pg_run, a_changed_plan_is_healed)
{
	begin(1, 10);
	run(a, "s", "SELECT 'x'");
	change_types(0, 23);
	SAYS(run(b, "s", "SELECT 'x'"), "1 2 D(x) C(SELECT 1) Z(I)"); /* it never knew another */
	SAYS(run(a, "s", NULL), STALE);
	SAYS(run(b, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	run(a, "t", "SELECT 't'");
	change_types(0, 20); /* b has just parsed it, as far as it knows */
	SAYS(run_described(b, "t", "SELECT 't'"), "1 2 T D(t) C(SELECT 1) Z(I)");
	SAYS(run(b, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	change_types(0, 25);
	SAYS(run_described(a, "s", NULL), "2 T D(x) C(SELECT 1) Z(I)");
	cr_assert_not(p.link[0].sim.fail_plans);
	change_types(0, 23);
	SAYS(run(a, "s", NULL), STALE); /* it would take the new columns for the old ones */
	cr_assert_not(p.link[0].sim.fail_plans);
	p.link[0].sim.type = 25; /* as it was: not known before it is parsed again */
	SAYS(run(a, "s", NULL), STALE);
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	p.link[0].sim.stmts.n = 0; /* a function ran DEALLOCATE ALL */
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	p.link[0].sim.stmts.n = 0;
	p.link[0].sim.type = 23; /* and changed a type */
	unsigned n = p.link[0].sim.n_execs;
	SAYS(run(a, "s", NULL), STALE);
	cr_assert_eq(p.link[0].sim.n_execs, n);
	p.link[0].sim.type = 25;
	ask(a, "BEGIN");
	p.link[0].sim.fail_plans = true;
	SAYS(run(a, "s", NULL), "E(0A000 cached plan must not change result type) Z(E)");
}

/* Parse and Describe, by a client that goes by that from now on. */
static const char *prepare_described(struct psess *s, const char *name, const char *sql)
{
	struct buf m;
	buf_init(&m, 0);
	put_parse(&m, name, sql);
	pgext_put_describe(&m, 'S', name);
	pgext_put_sync(&m);
	return talk(s, &m);
}

Test(pg_run, a_statement_that_is_parsed_again_must_be_the_same)
{
	begin(1, 10);
	struct pgsim *sim = &p.link[0].sim;
	SAYS(prepare_described(a, "s", "SELECT 'x'"), "1 t T Z(I)");
	ask(a, "SET datestyle = 'German'"); /* makes it another statement for the link */
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 2);
	ask(a, "SET datestyle = 'ISO'");
	sim->type = 23;
	unsigned n = sim->n_execs;
	SAYS(run(a, "s", NULL), STALE);
	SAYS(run(a, "s", NULL), STALE);
	cr_assert_eq(sim->n_execs, n);
	SAYS(run_described(a, "s", NULL), "2 T D(x) C(SELECT 1) Z(I)");
	SAYS(prepare_described(a, "again", "SELECT 'x'"), "1 t T Z(I)");
	SAYS(run(a, "again", NULL), "2 D(x) C(SELECT 1) Z(I)");
	ask(a, "BEGIN");
	SAYS(run(a, "s", NULL), "E(0A000 cached plan must not change result type) Z(E)");
	SAYS(run(a, "s", NULL), "E(25P02 current transaction is aborted) Z(E)");
	ask(a, "ROLLBACK");
	sim->type = 0;
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
}

Test(pg_run, an_unnamed_statement_that_is_parsed_again_must_be_the_same)
{
	begin(1, 10);
	SAYS(prepare_described(a, "", "SELECT 'x'"), "1 t T Z(I)");
	run(b, "", "SELECT 'b'");
	SAYS(run(a, "", NULL), "2 D(x) C(SELECT 1) Z(I)");
	run(b, "", "SELECT 'b'");
	p.link[0].sim.type = 23;
	unsigned n = p.link[0].sim.n_execs;
	SAYS(run(a, "", NULL), STALE);
	SAYS(run(a, "", NULL), STALE);
	cr_assert_eq(p.link[0].sim.n_execs, n);
	SAYS(run_described(a, "", NULL), "2 T D(x) C(SELECT 1) Z(I)");
	SAYS(prepare_described(a, "", "SELECT 'x'"), "1 t T Z(I)");
	SAYS(run(a, "", NULL), "2 D(x) C(SELECT 1) Z(I)");
}

Test(pg_run, what_is_parsed_after_a_schema_changed_is_new)
{
	begin(1, 10);
	SAYS(prepare_described(a, "s", "SELECT 'x'"), "1 t T Z(I)");
	SAYS(prepare_described(b, "s", "SELECT 'x'"), "1 t T Z(I)");
	cr_assert_eq(p.counters.server_parses, 1);
	ask(b, "CREATE TEMP TABLE t (x)");
	ask(b, "DROP TABLE t");
	SAYS(prepare_described(b, "s2", "SELECT 'x'"), "1 t T Z(I)");
	cr_assert_eq(p.counters.server_parses, 2);
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 2);
}

Test(pg_run, statements_that_do_not_fit_pass_as_they_are)
{
	struct proto_env_opts o = { .stmt_bytes = 20, .max_inspect_bytes = 65536 };
	begin(2, 10);
	proto_pg.env_set(p.env, &o);
	SAYS(run(a, "s", "SELECT 'x'"), "1 2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(proto_pg.client_pins(a->cst), PIN(PREPARE));
	SAYS(run(b, "s", NULL), "E(26000 prepared statement \"s\" does not exist) Z(I)");
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	struct buf m;
	buf_init(&m, 0);
	pgext_put_close(&m, 'S', "s");
	pgext_put_sync(&m);
	SAYS(talk(a, &m), "3 Z(I)");
	cr_assert_eq(proto_pg.client_pins(a->cst), 0);
}

/* ---- requests that do not reach a server ---- */

Test(pg_run, messages_that_need_no_server)
{
	struct buf m;
	begin(1, 10);
	run(a, "s", "SELECT 'x'");
	buf_init(&m, 0);
	pgext_put_flush(&m);
	pgext_put_close(&m, 'S', "s");
	pgext_put_close(&m, 'P', "p");
	pgmsg_put(&m, 'd', "late", 4);
	pgmsg_put(&m, 'c', NULL, 0);
	pgext_put_sync(&m);
	pool_close_link(&p, &p.link[0]);
	p.max_links = 0;
	SAYS(talk(a, &m), "3 3 Z(I)");
	cr_assert_eq(proto_pg.n_statements(a->cst, false), 0);
}

Test(pg_run, a_request_that_waits_is_failed)
{
	struct buf m;
	struct err e;
	begin(1, 10);
	ask(b, "BEGIN");
	err_set(&e, ERR_CANCELED, "canceling statement due to user request");
	SAYS(ask(a, "SELECT 'n'"), "");
	cr_assert_eq(a->state, PS_WAIT);
	cr_assert(proto_pg.client_in_request(a->cst, buf_data(&a->in), buf_len(&a->in)));
	proto_pg.client_fail_request(a->cst, &e, &a->got);
	a->state = PS_IDLE;
	pool_run(&p, 0);
	SAYS(describe_stream(&a->got, text, sizeof(text), true),
		"E(57014 canceling statement due to user request) Z(I)");
	buf_fini(&a->got);
	buf_init(&m, 0);
	put_parse(&m, "", "SELECT 'n'");
	put_bind(&m, "", "");
	talk(a, &m);
	proto_pg.client_fail_request(a->cst, &e, &a->got);
	a->state = PS_IDLE;
	buf_init(&m, 0);
	pgext_put_execute(&m, "", 0);
	put_query(&m, "SELECT 'ignored until Sync'");
	pgext_put_sync(&m);
	put_query(&m, "SELECT 'n'");
	SAYS(talk(a, &m), "E(57014 canceling statement due to user request) Z(I)");
	cr_assert_eq(a->state, PS_WAIT);
	SAYS(ask(b, "COMMIT"), "C(COMMIT) Z(I)");
	SAYS(describe_stream(&a->got, text, sizeof(text), true), "T D(n) C(SELECT 1) Z(I)");
}

Test(pg_run, large_texts_pass_in_pieces)
{
	static char big[200000];
	struct buf m;
	begin(1, 10);
	memset(big, ' ', sizeof(big) - 1);
	memcpy(big, "SELECT 'n'", 10);
	buf_init(&m, 0);
	pgmsg_put_head(&m, 'Q', sizeof(big));
	buf_append(&m, big, 70000);
	pool_send(a, &m);
	buf_fini(&m);
	pool_run(&p, 100);
	cr_assert(proto_pg.client_mid_message(a->cst));
	cr_assert_eq(buf_len(&a->in), 0);
}

/* ---- hostile peers ---- */

static void server_says(struct plink *l, uint8_t type, const char *body, size_t n)
{
	pgmsg_put(&l->sim.out, type, body, n);
	pool_run(&p, 0);
}

Test(pg_run, surprises_from_an_idle_server_close_its_link)
{
	static const struct {
		uint8_t type;
		const char *body;
		size_t n;
	} v[] = { { 'D', "\0\1\0\0\0\1x", 7 }, { 'Z', "I", 1 }, { 'C', "SELECT 1", 9 },
		{ '1', "", 0 }, { 'T', "\0\0", 2 }, { 'd', "x", 1 }, { 'K', "\0\0\0\1\0\0\0\1", 8 },
		{ 'R', "\0\0\0\0", 4 }, { '?', "", 0 }, { 'S', "novalue", 7 },
		{ 'E', "SFATAL\0C57P01\0Mterminating\0", 28 } };
	begin(1, 10);
	for (unsigned i = 0; i < sizeof(v) / sizeof(*v); i++) {
		SAYS(ask(a, "SELECT 'n'"), "T D(n) C(SELECT 1) Z(I)");
		unsigned bad = p.n_bad;
		server_says(&p.link[0], v[i].type, v[i].body, v[i].n);
		cr_assert_eq(p.n_bad, bad + 1, "message %c", v[i].type);
		cr_assert_eq(buf_len(&a->got), 0);
		cr_assert_eq(a->state, PS_IDLE);
	}
}

Test(pg_run, surprises_in_a_transaction_are_not_shown)
{
	static const char types[] = "DZC123TtnIsGHdcVWRK";
	begin(1, 10);
	for (const char *t = types; *t; t++) {
		SAYS(ask(a, "BEGIN"), "C(BEGIN) Z(T)");
		server_says(&p.link[0], (uint8_t)*t, *t == 'Z' ? "I" : "\0\1\0\0\0\1x",
			*t == 'Z' ? 1 : 7);
		cr_assert_eq(a->state, PS_CLOSED, "message %c", *t);
		cr_assert_eq(buf_len(&a->got), 0);
		a = pool_login(&p, NULL);
		pool_run(&p, 0);
		buf_fini(&a->got);
	}
}

Test(pg_run, replies_that_do_not_fit_are_not_shown)
{
	static const char types[] = "D23tnsdcVZ";
	begin(1, 10);
	for (const char *t = types; *t; t++) {
		struct buf m;
		ask(a, "BEGIN");
		struct plink *l = a->link;
		buf_init(&m, 0);
		put_parse(&m, "", "SELECT 'x'");
		pgext_put_flush(&m);
		l->sim.skip = true; /* says nothing by itself */
		SAYS(talk(a, &m), "");
		server_says(l, (uint8_t)*t, *t == 'Z' ? "T" : "\0\1\0\0\0\1x", *t == 'Z' ? 1 : 7);
		cr_assert_eq(a->state, PS_CLOSED, "message %c", *t);
		cr_assert_eq(buf_len(&a->got), 0);
		a = pool_login(&p, NULL);
		pool_run(&p, 0);
		buf_fini(&a->got);
	}
}

#define WARNING(code, routine) \
	"SWARNING\0VWARNING\0C" code "\0Mterminating connection\0R" routine "\0"

/* What it says when told to quit at once is the end of its link, and nothing of the answer. */
Test(pg_run, the_last_word_of_a_server_is_not_a_notice)
{
	static const struct {
		const char *body;
		size_t n;
		bool last;
	} v[] = { { WARNING("57P01", "quickdie"), sizeof(WARNING("57P01", "quickdie")), true },
		{ WARNING("57P02", "quickdie"), sizeof(WARNING("57P02", "quickdie")), true },
		{ WARNING("57P01", "exec_stmt_raise"), sizeof(WARNING("57P01", "exec_stmt_raise")),
			false },
		{ WARNING("01000", "quickdie"), sizeof(WARNING("01000", "quickdie")), false } };
	begin(1, 10);
	for (unsigned i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct buf m;
		buf_init(&m, 0);
		pgext_put_query(&m, "SELECT 'n'", 10);
		unsigned bad = p.n_bad;
		ask(a, "SELECT 'n'");
		struct plink *l = &p.link[0];
		l->sim.skip = true; /* says nothing by itself */
		pool_send(a, &m);
		buf_fini(&m);
		pool_run(&p, 0);
		server_says(l, 'N', v[i].body, v[i].n);
		cr_assert_eq(p.n_bad, bad + v[i].last, "%u", i);
		cr_assert_eq(a->state, v[i].last ? PS_CLOSED : PS_ACTIVE);
		cr_assert_eq(buf_len(&a->got) == 0, v[i].last);
		if (!v[i].last)
			continue;
		a = pool_login(&p, NULL);
		pool_run(&p, 0);
		buf_fini(&a->got);
	}
}

Test(pg_run, malformed_messages_end_the_session)
{
	static const struct {
		uint8_t type;
		const char *body;
		size_t n;
	} v[] = { { 'Q', "no end", 6 }, { 'Q', "", 0 }, { 'P', "x", 1 }, { 'P', "a\0b\0\0\5", 6 },
		{ 'B', "a\0", 2 }, { 'D', "X\0", 2 }, { 'C', "S", 1 }, { 'p', "x\0", 2 },
		{ 'Y', "", 0 }, { 0, "", 0 } };
	begin(1, 10);
	for (unsigned i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct buf m;
		buf_init(&m, 0);
		pgmsg_put(&m, v[i].type, v[i].body, v[i].n);
		SAYS(talk(a, &m), "");
		cr_assert_eq(a->state, PS_CLOSED, "%u", i);
		cr_assert_eq(a->why.code, ERR_PROTOCOL);
		a = pool_login(&p, NULL);
		pool_run(&p, 0);
		buf_fini(&a->got);
	}
	struct buf m;
	buf_init(&m, 0);
	buf_append(&m, "Q\0\0\0\3", 5);
	talk(a, &m);
	cr_assert_eq(a->state, PS_CLOSED);
	buf_init(&m, 0);
	buf_append(&m, "Q\xff\xff\xff\xff", 5);
	talk(b, &m);
	cr_assert_eq(b->why.code, ERR_TOO_BIG);
}

/* ---- links on their own ---- */

Test(pg_run, a_link_answers_our_own_queries)
{
	struct buf up, down;
	struct err e = { 0 };
	begin(1, 10);
	struct plink *l = &p.link[0];
	for (int with_param = 0; with_param < 2; with_param++) {
		unsigned rows = 0;
		buf_init(&up, 0);
		buf_init(&down, 0);
		proto_pg.link_query(l->lst, "SELECT 'n'", with_param ? "x" : NULL, &l->up);
		cr_assert(proto_pg.link_owes(l->lst));
		buf_append(&l->sim.in, buf_data(&l->up), buf_len(&l->up));
		buf_fini(&l->up);
		pgsim_run(&l->sim);
		for (;;) {
			struct pev ev = proto_pg.down(NULL, l->lst, buf_data(&l->sim.out),
				buf_len(&l->sim.out), &up, &down, &e);
			if (ev.kind == PEV_ROW) {
				rows++;
				cr_assert_eq(ev.n_cells, 1);
				cr_assert_str_eq(ev.cells[0], "n");
			}
			if (ev.n)
				buf_consume(&l->sim.out, ev.n);
			if (ev.kind == PEV_QUERY_DONE)
				break;
			cr_assert(ev.kind == PEV_ROW || ev.kind == PEV_DROP);
		}
		cr_assert_eq(rows, 1);
		cr_assert_not(err_is(&e));
		cr_assert_eq(buf_len(&l->sim.out), 0);
	}
}

Test(pg_run, a_link_moves_to_another_worker)
{
	struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	begin(1, 10);
	run(a, "s", "SELECT 'x'");
	ask(a, "SET app.x = 'one'");
	struct plink *l = &p.link[0];
	cr_assert(proto_pg.link_movable(l->lst));
	proto_pg.link_move_out(l->lst);
	struct proto_env *other = proto_pg.env_new(&o);
	cr_assert(proto_pg.link_move_in(l->lst, other));
	cr_assert_eq(proto_pg.n_statements(l->lst, true), 1);
	cr_assert_str_eq(proto_pg.link_param(l->lst, "server_version"), "15.4");
	proto_pg.link_move_out(l->lst);
	cr_assert(proto_pg.link_move_in(l->lst, p.env));
	proto_pg.env_free(other);
	SAYS(ask(b, "SHOW app.x"), "T D() C(SELECT 1) Z(I)");
	SAYS(run(a, "s", NULL), "2 D(x) C(SELECT 1) Z(I)");
	cr_assert_eq(p.counters.server_parses, 1);
}
