/* pg_route: which requests of a PostgreSQL client are said to only read, and which answers of a
 * server are refusals. */
#include "../../src/proto/pg_run_int.h"
#include "pg_pool.h"
#include "pg_script.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "sql/names.h"

static struct pool p;
static struct psess *s;
static struct proto_names *names;
static struct buf m;
static struct proto_wish wish; /* of the last reads() */

static void setup(void)
{
	pool_init(&p, PROTO_TRANSACTION, 1, 10, 1);
	s = pool_login(&p, NULL);
	pool_run(&p, 0);
	names = proto_names_new(sql_names_new(false), proto_catalog_no());
	cr_assert(sql_names_add(names->set, "danger", 6, SQL_NAME_DANGER));
	((struct pg_client *)s->cst)->names = &names;
	buf_init(&m, 0);
}

static void teardown(void)
{
	buf_fini(&m);
	pool_fini(&p);
	proto_names_unref(&names);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
}
TestSuite(pg_route, .init = setup, .fini = teardown, .timeout = 60);

/* What is said of the request in m, which is then forgotten. */
static bool reads(void)
{
	struct buf up, down;
	struct err e = { 0 };
	buf_init(&up, 0);
	buf_init(&down, 0);
	struct pev ev = proto_pg.up(s->cst, NULL, buf_data(&m), buf_len(&m), &up, &down, &e);
	cr_assert_eq(ev.kind, PEV_REQUEST);
	buf_fini(&up);
	buf_fini(&down);
	buf_fini(&m);
	buf_init(&m, 0);
	wish = *ev.wish;
	return ev.reads;
}

static bool query_reads(const char *text)
{
	put_query(&m, text);
	return reads();
}

Test(pg_route, simple_queries)
{
	cr_assert(query_reads("select * from t where id = 1"));
	cr_assert(query_reads("/* hello */ select count(*) from a join b using (id)"));
	cr_assert_not(query_reads("insert into t values (1)"));
	cr_assert_not(query_reads("select * from t for update"));
	cr_assert_not(query_reads("select * from danger"));
	cr_assert_not(query_reads("select nextval('s')"));
	cr_assert_not(query_reads("select 1; delete from t"));
	cr_assert_not(query_reads("begin"));
	cr_assert(query_reads("begin read only"));
	cr_assert(query_reads("start transaction isolation level repeatable read, read only"));
	cr_assert_not(query_reads("begin read only, read write"));
	cr_assert_not(query_reads("begin isolation level serializable read only"));
	cr_assert_not(query_reads("begin read only; insert into t values (1)"));
	cr_assert_not(query_reads("/* weirpool: primary */ begin read only"));
	cr_assert_not(query_reads("set x.y = 1"));
}

Test(pg_route, wishes_of_hints)
{
	cr_assert(query_reads("select * from t"));
	cr_assert_not(wish.hinted || wish.node || wish.consistency);
	cr_assert_not(query_reads("/* weirpool: primary */ select * from t"));
	cr_assert(wish.hinted);
	cr_assert(query_reads("/* weirpool: node=n2, consistency=bounded(200ms) */ select 1"));
	cr_assert_eq(wish.node, PROTO_NODE_NAMED);
	cr_assert_str_eq(wish.name, "n2");
	cr_assert_eq(wish.consistency, PROTO_CONSISTENCY_BOUNDED);
	cr_assert_eq(wish.max_staleness_us, 200000);
	cr_assert(query_reads("/* weirpool: replica */ select pid from pg_stat_activity"));
	cr_assert_eq(wish.node, PROTO_NODE_REPLICA);
	cr_assert_not(query_reads("/* weirpool: node=n2 */ delete from t"));
	cr_assert(query_reads("/* weirpool: nod=n2 */ select 1"));
	cr_assert(wish.unclear && !wish.node);
	cr_assert(query_reads("select 1"), "the one before is forgotten");
	cr_assert_not(wish.hinted || wish.unclear || wish.node);
}

/* What was read to find the node is not read again to send it: if it is the same, read alike. */
Test(pg_route, a_text_that_was_just_read)
{
	struct pg_client *c = s->cst;
	struct sql_stmt_info info;
	static const char text[] = "select 'a\\' , setseed(1)";
	cr_assert_not(query_reads(text));
	cr_assert(pg_seen(c, text, sizeof(text) - 1, &info));
	cr_assert(info.flags & SQL_F_SEED);
	cr_assert_eq(info.n_statements, 1);
	cr_assert_not(pg_seen(c, text, sizeof(text) - 2, &info));
	cr_assert_not(pg_seen(c, "select 'b\\' , setseed(1)", sizeof(text) - 1, &info));
	c->env->lex.scs = false; /* a session for which it is an unfinished string */
	cr_assert_not(pg_seen(c, text, sizeof(text) - 1, &info));
	c->env->lex.scs = true;
	cr_assert_not(query_reads("set x.y = 1"));
	cr_assert_not(pg_seen(c, "set x.y = 1", 11, &info), "of what it sets nothing is kept");
	cr_assert_not(pg_seen(c, text, sizeof(text) - 1, &info));
}

Test(pg_route, without_a_catalog_nothing_reads)
{
	struct proto_names *none = NULL;
	((struct pg_client *)s->cst)->names = &none;
	cr_assert_not(query_reads("select 1"));
	((struct pg_client *)s->cst)->names = NULL;
	cr_assert_not(query_reads("select 1"));
}

Test(pg_route, what_may_change_the_catalog_ends_what_is_known_of_it)
{
	cr_assert(query_reads("select * from t"));
	put_query(&m, "CREATE TABLE x (i int)");
	pool_send(s, &m);
	buf_fini(&m);
	buf_init(&m, 0);
	pool_run(&p, 0);
	cr_assert_not(query_reads("select * from t"));
}

static void put_run(const char *name, const char *sql)
{
	if (sql)
		put_parse(&m, name, sql);
	put_bind(&m, "", name);
	pgext_put_describe(&m, 'P', "");
	pgext_put_execute(&m, "", 0);
}

Test(pg_route, wishes_in_a_batch)
{
	put_run("", "/* weirpool: node=n2 */ select 1");
	put_run("", "/* weirpool: node=n2 */ select 2");
	pgext_put_sync(&m);
	cr_assert(reads());
	cr_assert_str_eq(wish.name, "n2");
	put_run("", "/* weirpool: node=n2 */ select 1");
	put_run("", "/* weirpool: node=n3 */ select 2");
	pgext_put_sync(&m);
	cr_assert_not(reads(), "nobody can do both");
	put_run("", "select 1");
	put_run("", "/* weirpool: consistency=eventual */ select 2");
	pgext_put_sync(&m);
	cr_assert_not(reads());
}

Test(pg_route, batches)
{
	put_run("", "select * from t");
	pgext_put_sync(&m);
	cr_assert(reads());
	put_run("", "select * from t");
	cr_assert_not(reads(), "what comes before its Sync could be anything");
	put_run("", "select * from t");
	pgext_put_flush(&m);
	cr_assert_not(reads());
	put_run("", "select * from t");
	put_run("", "update t set x = 1");
	pgext_put_sync(&m);
	cr_assert_not(reads());
	put_run("a", "select 1");
	put_run("b", "select 2");
	pgext_put_sync(&m);
	cr_assert(reads());
	put_run("unknown", NULL);
	pgext_put_sync(&m);
	cr_assert_not(reads());
	put_parse(&m, "a", "select * from t");
	pgext_put_describe(&m, 'S', "a");
	pgext_put_sync(&m);
	cr_assert(reads());
}

static void prepare(const char *name, const char *text)
{
	put_parse(&m, name, text);
	pgext_put_sync(&m);
	pool_send(s, &m);
	buf_fini(&m);
	pool_run(&p, 0);
	buf_init(&m, 0);
	cr_assert(stmtmap_get(((struct pg_client *)s->cst)->stmts, name, strlen(name)), "%s", name);
}

static bool prepared_reads(const char *name)
{
	put_run(name, NULL);
	pgext_put_sync(&m);
	return reads();
}

Test(pg_route, statements_that_were_prepared_before)
{
	prepare("r", "SELECT 'x'");
	prepare("w", "SET a.b = 'x'");
	prepare("h", "/* weirpool: primary */ SELECT 'x'");
	cr_assert(prepared_reads("r"));
	cr_assert_not(prepared_reads("w"));
	cr_assert_not(prepared_reads("h"));
}

/* What is remembered of a statement holds for the names that it was read with. */
Test(pg_route, prepared_statements_are_read_again_when_it_matters)
{
	struct proto_names *first = names;
	prepare("r", "SELECT f(1) FROM t");
	cr_assert_not(prepared_reads("r"), "nothing is known of f");
	cr_assert_not(prepared_reads("r"));
	names = proto_names_new(sql_names_new(false), proto_catalog_no());
	cr_assert(sql_names_add(names->set, "f", 1, SQL_NAME_FUNCTION));
	cr_assert_neq(names->no, first->no);
	cr_assert(prepared_reads("r"));
	cr_assert(prepared_reads("r"));
	struct proto_names *second = names; /* and back: nothing is kept of it */
	names = proto_names_new(sql_names_new(false), proto_catalog_no());
	cr_assert_not(prepared_reads("r"));
	proto_names_unref(&second);
	proto_names_unref(&first);
}

/* ---- refusals ---- */

static enum pg_refusal refused(const char *hot_standby, const char *sqlstate, const char *msg,
	bool confined, bool after_bind)
{
	struct pg_client *c = (struct pg_client *)s->cst;
	struct pg_link l = { 0 };
	struct err why, e = { 0 };
	bool was = c->confined;
	cr_assert(hot_standby == NULL ||
		  varset_put(&c->env->vars, &l.reported, "in_hot_standby", hot_standby));
	c->confined = confined;
	if (after_bind) {
		pgmsg_put(&m, '1', NULL, 0);
		pgmsg_put(&m, '2', NULL, 0);
	}
	err_set(&why, ERR_NO_PRIMARY, "%s", msg);
	memcpy(why.sqlstate, sqlstate, 6);
	pgerror_put(&m, "ERROR", &why);
	for (size_t n = 0; n < buf_len(&m); n++)
		cr_assert_eq(pg_refused(c, &l, buf_data(&m), n, &e), PG_REFUSAL_MAYBE, "%zu", n);
	enum pg_refusal r = pg_refused(c, &l, buf_data(&m), buf_len(&m), &e);
	varset_assign(&c->env->vars, &l.reported, NULL);
	buf_fini(&m);
	buf_init(&m, 0);
	c->confined = was;
	return r;
}

Test(pg_route, refusals)
{
	static const char ro[] = "cannot execute INSERT in a read-only transaction";
	static const char tx[] = "cannot set transaction read-write mode during recovery";
	cr_assert_eq(refused("on", "25006", ro, true, false), PG_REFUSAL_YES);
	cr_assert_eq(refused("on", "25006", ro, false, true), PG_REFUSAL_YES);
	cr_assert_eq(refused("off", "25006", ro, false, true), PG_REFUSAL_NO,
		"a client's own read-only transaction on a primary");
	cr_assert_eq(refused(NULL, "25006", ro, false, false), PG_REFUSAL_NO,
		"a server before 14 does not say what it is");
	cr_assert_eq(refused(NULL, "25006", ro, true, false), PG_REFUSAL_YES);
	cr_assert_eq(refused("on", "0A000", tx, false, false), PG_REFUSAL_YES);
	cr_assert_eq(refused("on", "0A000", "something else", false, false), PG_REFUSAL_NO);
	cr_assert_eq(refused("on", "42P01", "no such table", true, true), PG_REFUSAL_NO);
	cr_assert_eq(refused("on", "40001", "canceling statement due to conflict with recovery",
			     true, true),
		PG_REFUSAL_YES);
	cr_assert_eq(
		refused("on", "40001", "could not serialize access", true, true), PG_REFUSAL_NO);
}

Test(pg_route, rows_are_no_refusal)
{
	struct pg_client *c = (struct pg_client *)s->cst;
	struct pg_link l = { 0 };
	struct err e = { 0 };
	pgmsg_put(&m, '2', NULL, 0);
	pgmsg_put(&m, 'D', "\0\0", 2);
	cr_assert_eq(pg_refused(c, &l, buf_data(&m), 5, &e), PG_REFUSAL_MAYBE);
	cr_assert_eq(pg_refused(c, &l, buf_data(&m), 10, &e), PG_REFUSAL_NO);
}
