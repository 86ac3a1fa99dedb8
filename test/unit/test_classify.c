/* classify: what SQL texts may do to the session, verb by verb, and hostile ones. */
#include "sql/classify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Short names for the tables. */
enum { none = 0 };
#define MULTI SQL_F_MULTI
#define BAD SQL_F_BAD
#define UNKNOWN SQL_F_UNKNOWN
#define SET SQL_F_SET
#define LOCAL SQL_F_SET_LOCAL
#define ROLE SQL_F_SET_ROLE
#define CONFIG SQL_F_SET_CONFIG
#define TEMP SQL_F_TEMP
#define WRITE SQL_F_WRITE
#define DDL (SQL_F_DDL | SQL_F_WRITE)
#define ADVISORY SQL_F_ADVISORY
#define OPAQUE SQL_F_OPAQUE
#define EXECUTE SQL_F_EXECUTE
#define PREPARE SQL_F_PREPARE
#define NOT_IN_TX SQL_F_NOT_IN_TX
#define ROW_LOCK SQL_F_ROW_LOCK
#define TX_BEGIN SQL_F_TX_BEGIN
#define TX_END SQL_F_TX_END
#define TX_COMMIT (SQL_F_TX_END | SQL_F_TX_COMMIT)
#define TX_SUB SQL_F_TX_SUB

static const struct sql_opts pg18 = { &sql_dialect_pg, true, false, 18 };

static struct sql_stmt_info classify_n(const struct sql_opts *o, const char *text, size_t n)
{
	struct sql_stmt_info info;
	char *copy = malloc(n ? n : 1); /* a sanitizer sees a read outside */

	memcpy(copy, text, n);
	sql_classify(o, copy, n, &info);
	free(copy);
	return info;
}

static struct sql_stmt_info classify(const char *text)
{
	return classify_n(&pg18, text, strlen(text));
}

struct flag_case {
	const char *text;
	uint64_t flags;
};

static void check_flags(const struct flag_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sql_stmt_info info = classify(c[i].text);

		cr_expect_eq(info.flags, c[i].flags, "<%s>: flags %llx, not %llx", c[i].text,
			(unsigned long long)info.flags, (unsigned long long)c[i].flags);
	}
}

#define CHECK_FLAGS(table) check_flags(table, N(table))

Test(classify, verbs)
{
	static const struct {
		const char *text;
		enum sql_verb verb;
	} c[] = {
		{ "", SQL_V_EMPTY },
		{ " ; ;; -- x", SQL_V_EMPTY },
		{ "/* select */", SQL_V_EMPTY },
		{ "select 1", SQL_V_SELECT },
		{ "((select 1))", SQL_V_SELECT },
		{ "INSERT INTO t VALUES (1)", SQL_V_INSERT },
		{ "update t set a = 1", SQL_V_UPDATE },
		{ "delete from t", SQL_V_DELETE },
		{ "merge into t using s on true when matched then do nothing", SQL_V_MERGE },
		{ "values (1)", SQL_V_VALUES },
		{ "table t", SQL_V_TABLE },
		{ "with a as (select 1) select 1", SQL_V_WITH },
		{ "begin", SQL_V_BEGIN },
		{ "start transaction", SQL_V_BEGIN },
		{ "commit", SQL_V_COMMIT },
		{ "end", SQL_V_COMMIT },
		{ "rollback", SQL_V_ROLLBACK },
		{ "abort", SQL_V_ROLLBACK },
		{ "rollback to s", SQL_V_ROLLBACK_TO },
		{ "rollback work to savepoint s", SQL_V_ROLLBACK_TO },
		{ "savepoint s", SQL_V_SAVEPOINT },
		{ "release s", SQL_V_RELEASE },
		{ "prepare transaction 'x'", SQL_V_PREPARE_TX },
		{ "prepare transaction as select 1", SQL_V_PREPARE },
		{ "commit prepared 'x'", SQL_V_FINISH_PREPARED },
		{ "rollback prepared 'x'", SQL_V_FINISH_PREPARED },
		{ "set a = 1", SQL_V_SET },
		{ "reset a", SQL_V_RESET },
		{ "show a", SQL_V_SHOW },
		{ "discard all", SQL_V_DISCARD },
		{ "prepare p as select 1", SQL_V_PREPARE },
		{ "execute p", SQL_V_EXECUTE },
		{ "deallocate p", SQL_V_DEALLOCATE },
		{ "declare c cursor for select 1", SQL_V_DECLARE },
		{ "fetch c", SQL_V_FETCH },
		{ "move c", SQL_V_FETCH },
		{ "close c", SQL_V_CLOSE },
		{ "listen c", SQL_V_LISTEN },
		{ "unlisten c", SQL_V_UNLISTEN },
		{ "notify c", SQL_V_NOTIFY },
		{ "copy t from stdin", SQL_V_COPY },
		{ "do $$ $$", SQL_V_DO },
		{ "call f()", SQL_V_CALL },
		{ "load 'x'", SQL_V_LOAD },
		{ "explain select 1", SQL_V_EXPLAIN },
		{ "lock t", SQL_V_LOCK },
		{ "create table t ()", SQL_V_DDL },
		{ "grant select on t to u", SQL_V_DDL },
		{ "truncate t", SQL_V_DDL },
		{ "vacuum", SQL_V_UTILITY },
		{ "checkpoint", SQL_V_UTILITY },
		{ "foo", SQL_V_OTHER },
		{ "\"select\" 1", SQL_V_OTHER },
		{ "1", SQL_V_OTHER },
		{ "(begin)", SQL_V_OTHER },
		{ ")", SQL_V_OTHER },
	};
	for (size_t i = 0; i < N(c); i++) {
		struct sql_stmt_info info = classify(c[i].text);

		cr_expect_eq(info.verb, c[i].verb, "<%s>: %s, not %s", c[i].text,
			sql_verb_name(info.verb), sql_verb_name(c[i].verb));
	}
}

Test(classify, verb_names)
{
	for (int v = SQL_V_EMPTY; v <= SQL_V_OTHER; v++)
		cr_expect(strlen(sql_verb_name((enum sql_verb)v)) > 1);
	cr_expect_str_eq(sql_verb_name((enum sql_verb)999), "?");
}

Test(classify, plain_statements)
{
	static const struct flag_case c[] = {
		{ "select 1", none },
		{ "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", none },
		{ "select * from t where a in (1, 2) and (b or not (c)) and exists (select 1)",
			none },
		{ "select a.b, count(*) filter (where x), sum(b) over (partition by (c)) from a",
			none },
		{ "select rank() over w from t window w as (order by 1)", none },
		{ "select percentile_cont(0.5) within group (order by x) from t", none },
		{ "select * from t v(a, b), (values (1)) w(a), lateral (select 1) x", none },
		{ "select * from t as v (a, b) join u on (a = b) left join (select 1) w on true",
			none },
		{ "select * from a join b using (c) natural join (select 1) x", none },
		{ "select * from generate_series(1, 2) with ordinality v(a, b)", none },
		{ "select * from generate_series(1, 2) with ordinality as v(a, b)", none },
		{ "select * from rows from (generate_series(1, 2), unnest(a)) as x", none },
		{ "select * from t tablesample bernoulli (10) repeatable (1)", none },
		{ "select a ilike (b), a not ilike (b), a like (b), a between (1) and (2)", none },
		{ "select cast(a as foo(3)), a::foo(3), a::numeric(10, 2), a::s.t(1)", none },
		{ "select timestamp(3) '2000-01-01', interval '1' second(3), time with time "
		  "zone '1'",
			none },
		{ "select current_timestamp(3), localtime(0), now() at time zone (b)", none },
		{ "select extract(year from a), position(a in b), substring(a from 1 for 2)",
			none },
		{ "select trim(both from a), overlay(a placing b from 1), normalize(a)", none },
		{ "select coalesce(a, b), nullif(a, b), greatest(a), least(a), row(1, 2)", none },
		{ "select array(select 1), any_value(a), xmlelement(name foo, a)", none },
		{ "select json_object('a' value 1), json_query(a, '$')", none },
		{ "select a from t group by grouping sets ((a), (b)), rollup (a), cube (b)", none },
		{ "select distinct on (a) a, b from t order by (a), lower(b)", none },
		{ "select left(a, 1), right(a, 1), replace(a, b, c), pg_catalog.lower(a)", none },
		{ "select pg_catalog . \"lower\" (a), \"upper\"(b)", none },
		{ "select a as lower, b as set_config, c set_config from nextval", none },
		{ "select 'set_config(1)', $$setval(1)$$, \"setval\" from t -- nextval(1)", none },
		{ "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1)", none },
		{ "select a from t for update", ROW_LOCK },
		{ "select a from t for no key update of t nowait", ROW_LOCK },
		{ "select a from t for key share skip locked", ROW_LOCK },
		{ "table t", none },
		{ "values (1), (2)", none },
		{ "show search_path", none },
		{ "insert into t (a, b) values (1, 2)", WRITE },
		{ "insert into s.t (a) select 1 on conflict (a) do update set (a, b) = (1, 2)",
			WRITE },
		{ "insert into t as x (a) values (1) returning (a)", WRITE },
		{ "insert into temp values (1)", WRITE },
		{ "update t set (a, b) = (select 1, 2) where a = lower('x')", WRITE },
		{ "delete from t using u where t.a = u.a", WRITE },
		{ "merge into t using s on (a = b) when matched then update set a = 1 "
		  "when not matched then insert (a, b) values (1, 2)",
			WRITE },
		{ "truncate a, b", WRITE },
		{ "lock table a in share mode", none },
		{ "notify a, 'b'", none },
		{ "explain (analyze, buffers) select 1", none },
		{ "explain verbose (select 1)", none },
	};
	CHECK_FLAGS(c);
}

Test(classify, with_lists)
{
	static const struct flag_case c[] = {
		{ "with a as (select 1) select 1", none },
		{ "with recursive a(n) as (values (1) union all select n + 1 from a) table a",
			none },
		{ "with a(x) as (select 1), b(y) as (select 2), \"c\" (z) as (select 3) select 1",
			none },
		{ "with a as materialized (select 1), b(x) as not materialized (select 2) select 1",
			none },
		{ "with a as (delete from t returning *) select * from a", WRITE },
		{ "with a as (select 1) insert into t (a) select 1", WRITE },
		{ "select * from (with a(x) as (select 1), b(y) as (select 1) select 1) z", none },
		{ "with a as (select 1), evil as (select evil(1)) select 1", UNKNOWN },
		{ "with a as (select 1) select 1, evil(2)", UNKNOWN },
		{ "with a as (select 1) (select 1) order by 1, evil(2)", UNKNOWN },
		{ "with a as (select 1) (select 1) union all select 1, evil(2)", UNKNOWN },
		{ "with a as (select evil(1)), b(x) as (select 1) select 1", UNKNOWN },
		{ "select * from f1(1) with ordinality, evil(1)", UNKNOWN },
		{ "select * from generate_series(1, 2) with ordinality, evil(1)", UNKNOWN },
		{ "select * from generate_series(1, 2) with ordinality as (a int), evil(1)",
			UNKNOWN },
		{ "select * from generate_series(1, 2) with ordinality as v (a), evil(1)",
			UNKNOWN },
		{ "select a is json with unique keys, evil(1)", UNKNOWN },
		{ "select a is json with unique as b, evil(1)", UNKNOWN },
		{ "select a is json with unique keys as x, evil(1)", UNKNOWN },
		{ "select timestamp with time zone '1', evil(1)", UNKNOWN },
		{ "select not materialized(1)", UNKNOWN },
		{ "update t set a = 1 returning with (old as o) evil(o.a)", UNKNOWN | WRITE },
	};
	CHECK_FLAGS(c);
}

Test(classify, calls_of_unknown_functions)
{
	static const struct flag_case c[] = {
		{ "select evil(1)", UNKNOWN },
		{ "select evil/* */(1)", UNKNOWN },
		{ "select evil -- x\n (1)", UNKNOWN },
		{ "select \"evil\"(1)", UNKNOWN },
		{ "select \"Lower\"(1)", UNKNOWN },
		{ "select U&\"lower\"(1)", UNKNOWN },
		{ "select public.lower(1)", UNKNOWN },
		{ "select public.coalesce(1)", UNKNOWN },
		{ "select pg_catalog.coalesce(1)", UNKNOWN },
		{ "select \"coalesce\"(1)", UNKNOWN },
		{ "select db.pg_catalog.lower(1)", UNKNOWN },
		{ "select \"PG_CATALOG\".lower(1)", UNKNOWN },
		{ "select U&\"pg_catalog\".lower(1)", UNKNOWN },
		{ "select pg_catalog.evil(1)", UNKNOWN },
		{ "select t.select(1)", UNKNOWN },
		{ "select 1 + evil(1)", UNKNOWN },
		{ "select -evil(1)", UNKNOWN },
		{ "select not evil(1)", UNKNOWN },
		{ "select (evil(1))", UNKNOWN },
		{ "select a[evil(1)]", UNKNOWN },
		{ "select array[evil(1)]", UNKNOWN },
		{ "select lower(evil(1))", UNKNOWN },
		{ "select distinct evil(1)", UNKNOWN },
		{ "select distinct on (a) evil(b) from t", UNKNOWN },
		{ "select distinct on (a) not evil(b) from t", UNKNOWN },
		{ "select all evil(1)", UNKNOWN },
		{ "select a operator(pg_catalog.+) evil(b)", UNKNOWN },
		{ "select case when evil(1) then 1 end", UNKNOWN },
		{ "select case when true then insert(1) end", UNKNOWN | WRITE },
		{ "select case when true then 1 else evil(1) end", UNKNOWN },
		{ "select a between symmetric evil(1) and 2", UNKNOWN },
		{ "select a like b escape evil(1)", UNKNOWN },
		{ "select a similar to evil(1)", UNKNOWN },
		{ "select a at time zone evil(1)", UNKNOWN },
		{ "select ilike(1)", UNKNOWN },
		{ "select not ilike(1)", UNKNOWN },
		{ "select 1 where not ilike(1)", UNKNOWN },
		{ "select join(1)", UNKNOWN },
		{ "select filter(1), by(2)", UNKNOWN },
		{ "select rollup(a) from t", UNKNOWN },
		{ "select cube(a) from t order by 1", UNKNOWN },
		{ "select conflict(1)", UNKNOWN },
		{ "select a from t join u on conflict(a)", UNKNOWN },
		{ "insert into t select a from t join u on conflict(a)", UNKNOWN | WRITE },
		{ "select * from evil(1)", UNKNOWN },
		{ "select * from a, evil(1)", UNKNOWN },
		{ "select * from a cross join evil(1)", UNKNOWN },
		{ "select * from a join lateral evil(1) on true", UNKNOWN },
		{ "select * from a join b on evil(1)", UNKNOWN },
		{ "select * from rows from (evil(1))", UNKNOWN },
		{ "select * from t tablesample bernoulli (evil(1))", UNKNOWN },
		{ "select a from t limit evil(1)", UNKNOWN },
		{ "select a from t order by evil(1)", UNKNOWN },
		{ "select a from t group by evil(1)", UNKNOWN },
		{ "select a from t offset evil(1)", UNKNOWN },
		{ "select sum(a) filter (where evil(1)) over (order by evil(2))", UNKNOWN },
		{ "select xmlelement(name lower, evil(1))", UNKNOWN },
		{ "select * from xmltable('/a' passing b columns c int path evil(1))", UNKNOWN },
		{ "select json_object(key 'a' value evil(1))", UNKNOWN },
		{ "values (evil(1))", UNKNOWN },
		{ "insert into t values (evil(1))", UNKNOWN | WRITE },
		{ "insert into t (a) select evil(1)", UNKNOWN | WRITE },
		{ "update t set a = evil(1)", UNKNOWN | WRITE },
		{ "delete from t returning evil(1)", UNKNOWN | WRITE },
		{ "copy (select evil(1)) to stdout", UNKNOWN | SQL_F_COPY_OUT },
		{ "copy t from stdin where evil(a)", UNKNOWN | WRITE | SQL_F_COPY_IN },
		{ "explain select evil(1)", UNKNOWN },
		{ "create table t as select evil(1)", UNKNOWN | DDL },
		{ "create table t as select 1 from a join b on evil(1)", UNKNOWN | DDL },
		{ "create table t as (select 1 order by evil(1))", UNKNOWN | DDL },
		{ "create table t as with a as (delete from b using evil(1) returning 1) table a",
			UNKNOWN | DDL },
		{ "alter table t alter a type int using evil(a)", UNKNOWN | DDL },
		{ "alter table t add b int default evil(1)", UNKNOWN | DDL },
		{ "execute p(evil(1))", UNKNOWN | EXECUTE },
		{ "select query_to_xml('select 1', true, true, '')", UNKNOWN },
		{ "select * from ts_stat('select 1')", UNKNOWN },
		{ "select ts_rewrite(a, 'select 1')", UNKNOWN },
		{ "do $$ begin end $$", UNKNOWN | WRITE },
		{ "call p()", UNKNOWN | WRITE },
		{ "create extension x", UNKNOWN | DDL },
		{ "drop extension x", UNKNOWN | DDL | SQL_F_DROP },
		{ "create or replace trusted language x", UNKNOWN | DDL },
		{ "import foreign schema a from server b into c", UNKNOWN | DDL },
		{ "wibble", UNKNOWN },
	};
	CHECK_FLAGS(c);
}

Test(classify, calls_with_known_effects)
{
	static const struct flag_case c[] = {
		{ "select set_config('a', 'b', true)", CONFIG },
		{ "select PG_CATALOG.SET_CONFIG('a', 'b', false)", CONFIG },
		{ "select \"pg_catalog\".\"set_config\"('a', 'b', false)", CONFIG },
		{ "select * from set_config('a', 'b', false)", CONFIG },
		{ "select 1 where set_config('a', 'b', false) = 'b'", CONFIG },
		{ "insert into t values (set_config('a', 'b', false))", CONFIG | WRITE },
		{ "select other.set_config('a', 'b', false)", UNKNOWN },
		{ "select setting from pg_settings", none },
		{ "update pg_settings set setting = 'x' where name = 'a'", CONFIG | WRITE },
		{ "update pg_catalog.\"pg_settings\" set setting = 'x'", CONFIG | WRITE },
		{ "with a as (update pg_settings set setting = 'x' returning 1) table a",
			CONFIG | WRITE },
		{ "select setseed(0.5)", SQL_F_SEED },
		{ "select pg_advisory_lock(1)", ADVISORY },
		{ "select pg_advisory_lock_shared(1, 2)", ADVISORY },
		{ "select pg_try_advisory_lock(1)", ADVISORY },
		{ "select pg_try_advisory_lock_shared(1)", ADVISORY },
		{ "select pg_advisory_unlock(1)", ADVISORY },
		{ "select pg_advisory_unlock_shared(1)", ADVISORY },
		{ "select pg_advisory_unlock_all()", ADVISORY },
		{ "select nextval('s')", SQL_F_SEQ_USE | WRITE },
		{ "select setval('s', 1)", SQL_F_SEQ_USE | WRITE },
		{ "select currval('s')", SQL_F_SEQ_READ },
		{ "select lastval()", SQL_F_SEQ_READ },
		{ "select pg_backup_start('x')", OPAQUE },
		{ "select pg_replication_origin_session_setup('x')", OPAQUE },
		{ "select pg_create_logical_replication_slot('a', 'b', true)", OPAQUE },
		{ "select dblink_connect('a', 'b')", OPAQUE },
		{ "select ext.dblink_connect('a', 'b')", OPAQUE | UNKNOWN },
	};
	CHECK_FLAGS(c);
}

Test(classify, a_newer_builtin_is_unknown_to_an_older_server)
{
	struct sql_opts o = pg18;
	static const struct {
		const char *text;
		unsigned major;
		uint64_t flags;
	} c[] = {
		{ "select uuidv7()", 18, none },
		{ "select uuidv7()", 17, UNKNOWN },
		{ "select uuidv7()", 0, UNKNOWN },
		{ "select any_value(a)", 16, none },
		{ "select any_value(a)", 15, UNKNOWN },
		{ "select json_array(1)", 16, none },
		{ "select json_array(1)", 15, UNKNOWN },
		{ "select json_object('{}')", 15, none },
		{ "select lower(a)", 0, none },
	};
	for (size_t i = 0; i < N(c); i++) {
		o.server_major = c[i].major;
		cr_expect_eq(classify_n(&o, c[i].text, strlen(c[i].text)).flags, c[i].flags,
			"%s on %u", c[i].text, c[i].major);
	}
}

Test(classify, transactions)
{
	static const struct flag_case c[] = {
		{ "begin", TX_BEGIN },
		{ "begin isolation level serializable, read only", TX_BEGIN },
		{ "start transaction read write", TX_BEGIN },
		{ "commit", TX_COMMIT },
		{ "end work", TX_COMMIT },
		{ "rollback", TX_END },
		{ "abort", TX_END },
		{ "commit and chain", TX_COMMIT | SQL_F_TX_CHAIN },
		{ "rollback and no chain", TX_END },
		{ "prepare transaction 'x'", TX_COMMIT },
		{ "prepare transaction E'x'", TX_COMMIT },
		{ "commit prepared 'x'", NOT_IN_TX },
		{ "savepoint a", TX_SUB },
		{ "release savepoint a", TX_SUB },
		{ "rollback to a", TX_SUB },
		{ "rollback transaction to savepoint a", TX_SUB },
		{ "begin; select 1; commit", MULTI | TX_BEGIN | TX_COMMIT },
	};
	CHECK_FLAGS(c);
}

Test(classify, session_statements)
{
	static const struct flag_case c[] = {
		{ "discard all", SQL_F_DISCARD_ALL | NOT_IN_TX },
		{ "discard plans", SQL_F_DISCARD_PLANS },
		{ "discard sequences", SQL_F_DISCARD_SEQUENCES },
		{ "discard temp", SQL_F_DISCARD_TEMP },
		{ "discard temporary", SQL_F_DISCARD_TEMP },
		{ "prepare p as select 1", PREPARE },
		{ "prepare p (int, s.t) as select lower($1)", PREPARE },
		{ "prepare p as select evil($1)", PREPARE | UNKNOWN },
		{ "prepare p as select set_config($1, $2, false)", PREPARE | CONFIG },
		{ "execute p", EXECUTE },
		{ "execute p(1, 'a')", EXECUTE },
		{ "explain execute p", EXECUTE },
		{ "explain (analyze) execute p(1)", EXECUTE },
		{ "create table t as execute p(1)", EXECUTE | DDL },
		{ "create temp table t as execute p(1)", EXECUTE | DDL | TEMP },
		{ "explain analyze create table t as execute p", EXECUTE },
		{ "deallocate p", SQL_F_DEALLOCATE },
		{ "deallocate prepare all", SQL_F_DEALLOCATE | SQL_F_DEALLOCATE_ALL },
		{ "declare c cursor for select 1", none },
		{ "declare c no scroll cursor without hold for select 1", none },
		{ "declare c cursor with hold for select 1", SQL_F_HOLD },
		{ "declare c binary insensitive scroll cursor with hold for select evil(1)",
			SQL_F_HOLD | UNKNOWN },
		{ "declare c cursor for select hold from t", none },
		{ "close c", SQL_F_CLOSE },
		{ "close all", SQL_F_CLOSE },
		{ "listen c", SQL_F_LISTEN },
		{ "unlisten *", SQL_F_UNLISTEN },
		{ "load 'auto_explain'", SQL_F_LOAD },
		{ "copy t (a, b) from stdin (format csv)", WRITE | SQL_F_COPY_IN },
		{ "copy t from stdout", WRITE | SQL_F_COPY_IN },
		{ "copy t to stdin", SQL_F_COPY_OUT },
		{ "copy (select 1 from stdin) to '/x'", none },
		{ "copy t from program 'x'", WRITE },
		{ "vacuum (full) t (a)", WRITE | NOT_IN_TX },
		{ "analyze t (a)", WRITE },
		{ "cluster", WRITE | NOT_IN_TX },
		{ "cluster t using i", WRITE },
		{ "reindex (verbose) table concurrently t", WRITE | NOT_IN_TX },
		{ "reindex database x", WRITE | NOT_IN_TX },
	};
	CHECK_FLAGS(c);
}

Test(classify, catalog_changes)
{
	static const struct flag_case c[] = {
		{ "create table t (a varchar(10), b numeric(10, 2) not null default 0, "
		  "primary key (a), "
		  "foreign key (b) references u (c), unique (a), check (b > 0))",
			DDL },
		{ "create table if not exists s.t (like u including all) inherits (v)", DDL },
		{ "create table t (a geometry(point, 4326), b character varying(3), c bit "
		  "varying(3))",
			DDL },
		{ "create table t (a int generated by default as identity (start 1)) "
		  "partition by list (a)",
			DDL },
		{ "create table p partition of t for values from (1) to (2) partition by range (a)",
			DDL },
		{ "create unique index i on t using btree (lower(a)) include (b) where a > 0",
			DDL },
		{ "create index concurrently i on t (a)", DDL | NOT_IN_TX },
		{ "create view v (a, b) as select 1, 2", DDL },
		{ "create function f(a int default 1) returns int language sql as 'select evil()'",
			DDL },
		{ "create or replace procedure p() language sql as $$ set x = 1; $$", DDL },
		{ "comment on function f(int) is 'x'", DDL },
		{ "create trigger x after insert on t for each row execute function f()", DDL },
		{ "create rule r as on insert to t do also notify x", DDL },
		{ "create rule r as on insert to t do also (delete from u; select 1)", DDL },
		{ "create index i on only t (a)", DDL },
		{ "grant select (a), update (b, c) on t to u", DDL },
		{ "revoke insert (a) on t from u", DDL },
		{ "drop table t", DDL | SQL_F_DROP },
		{ "drop index concurrently i", DDL | SQL_F_DROP | NOT_IN_TX },
		{ "create database x", DDL | NOT_IN_TX },
		{ "drop database x", DDL | SQL_F_DROP | NOT_IN_TX },
		{ "create tablespace x location ''", DDL | NOT_IN_TX },
		{ "alter system set a = 1", DDL | NOT_IN_TX },
		{ "alter role x set a = 1", DDL },
		{ "alter database x set a = 1", DDL | NOT_IN_TX },
		{ "select 1 into t", DDL },
	};
	CHECK_FLAGS(c);
}

Test(classify, temporary_objects)
{
	static const struct flag_case c[] = {
		{ "create temp table t (a int)", DDL | TEMP },
		{ "create temporary table if not exists t (a int)", DDL | TEMP },
		{ "create local temp table t ()", DDL | TEMP },
		{ "create global temporary table t ()", DDL | TEMP },
		{ "create or replace temp view v as select 1", DDL | TEMP },
		{ "create or replace temporary recursive view v (a) as select 1", DDL | TEMP },
		{ "create temp sequence s", DDL | TEMP },
		{ "create table pg_temp.t ()", DDL | TEMP },
		{ "create function pg_temp.f() returns int language sql as ''", DDL | TEMP },
		{ "create table \"pg_temp\".t ()", DDL | TEMP },
		{ "create table pg_temp_3.t ()", DDL | TEMP },
		{ "create table U&\"pg\\005ftemp\".t ()", DDL | UNKNOWN },
		{ "create table t (temp int)", DDL },
		{ "create schema s create temp table t ()", DDL | TEMP },
		{ "select 1 into temp t", DDL | TEMP },
		{ "select 1 into temporary table t", DDL | TEMP },
		{ "select 1 into local temp t", DDL | TEMP },
		{ "select temp from t", none },
		{ "select * from pg_temp.t", TEMP },
		{ "explain analyze create temp table t as select 1", TEMP },
		{ "alter table t set schema pg_temp", DDL | TEMP },
	};
	CHECK_FLAGS(c);
}

Test(classify, several_statements)
{
	static const struct {
		const char *text;
		unsigned n;
	} c[] = {
		{ "", 0 },
		{ ";;", 0 },
		{ "select 1", 1 },
		{ "select 1;", 1 },
		{ ";select 1; ;", 1 },
		{ "select 1; select 2", 2 },
		{ "select ';'; select $$;$$; select \";\"; /* ; */ select 4 -- ;", 4 },
		{ "create rule r as on insert to t do (a; b; c)", 1 },
		{ "create function f() returns int begin atomic select 1; select 2; end", 1 },
		{ "create function f() returns int begin atomic select case when true then 1 end; "
		  "select 1 as end; select 2 as case; select t.end; end; select 1",
			2 },
		{ "create function f() returns int begin atomic; end; select 1", 2 },
		{ "begin; atomic", 2 },
	};
	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(classify(c[i].text).n_statements, c[i].n, "<%s>: %u", c[i].text,
			classify(c[i].text).n_statements);
	cr_expect_eq(classify("select 1; set a = 1").flags, MULTI | SET);
	cr_expect_eq(classify("set a = 1; select 1").set_kind, SQL_SET_NONE);
	cr_expect_eq(classify("listen a; select 1").name_n, 0);
	cr_expect_eq(classify("create function f() begin atomic; end; set a = 1").flags,
		MULTI | DDL | UNKNOWN | SET);
	/* a label we take for a CASE hides where the body ends */
	cr_expect(classify("create function f() begin atomic select 1 case; end; set a = 1").flags &
		  BAD);
}

Test(classify, hidden_statements)
{
	static const struct flag_case c[] = {
		{ "select 1 /* /* */ ; set a = 1 */", none },
		{ "select 1 /* */ ; set a = 1 /* */", MULTI | SET },
		{ "select 'a\\'; set a = 1 --'", MULTI | SET },
		{ "select E'a\\'; set a = 1 --'", none },
		{ "select 'a'\n'b\\'; set a = 1 --'", MULTI | SET },
		{ "select E'a'\n'b\\'; set a = 1 --'", none },
		{ "select E'a' /* \n */ 'b\\'; set a = 1 --'", MULTI | SET },
		{ "select $a$ $b$ ; set a = 1; $b$ $a$", none },
		{ "select a$$; set a = 1; select b$$", MULTI | SET },
		{ "select \"a\\\"; set a = 1 --\"", MULTI | SET },
		{ "select 1 -- \r; set a = 1", MULTI | SET },
		{ "select 1 -- \v; set a = 1", none },
		{ "select 1 +-- ; set a = 1\n2", none },
		{ "select 1 */* ; set a = 1 */ 2", none },
		{ "select 1;\v\f set a = 1", MULTI | SET },
	};
	CHECK_FLAGS(c);
}

Test(classify, bad_texts)
{
	static const char *const c[] = { "select 'a", "select \"a", "select $$ a", "select /* a",
		"select E'\\'", "select (1", "select 1)", "select (1; 2)", "create rule (a; b",
		")(" };

	for (size_t i = 0; i < N(c); i++) {
		struct sql_stmt_info info = classify(c[i]);

		cr_expect(info.flags & BAD, "%s", c[i]);
		cr_expect_eq(info.verb, SQL_V_OTHER, "%s", c[i]);
	}
	cr_expect(classify_n(&pg18, "select 1\0; set a = 1", 20).flags & BAD);
	cr_expect(BAD & SQL_F_SESSION);
}

Test(classify, deep_and_long)
{
	size_t n = 1 << 20;
	char *text = malloc(n + 1);

	memset(text, '(', n);
	cr_expect(classify_n(&pg18, text, n).flags & BAD);
	memcpy(text, "select ", 7);
	memset(text + 7, '(', 256);
	text[263] = '1';
	memset(text + 264, ')', 256);
	cr_expect_eq(classify_n(&pg18, text, 520).flags, 0);
	memset(text, 'a', n);
	cr_expect_eq(classify_n(&pg18, text, n).verb, SQL_V_OTHER);
	for (size_t i = 0; i + 2 <= n; i += 2)
		memcpy(text + i, "/*", 2);
	cr_expect(classify_n(&pg18, text, n).flags & BAD);
	memset(text, ';', n);
	cr_expect_eq(classify_n(&pg18, text, n).n_statements, 0);
	free(text);
}

Test(classify, standard_conforming_strings_off)
{
	struct sql_opts o = pg18;
	const char *text = "select 'a\\'; set a = 1 --'";

	cr_expect_eq(classify_n(&o, text, strlen(text)).flags, MULTI | SET);
	o.standard_conforming_strings = false;
	cr_expect_eq(classify_n(&o, text, strlen(text)).flags, 0);
}

Test(classify, unsafe_encoding)
{
	struct sql_opts o = pg18;

	o.unsafe_encoding = true;
	cr_expect_eq(classify_n(&o, "select 1", 8).flags, 0);
	cr_expect(classify_n(&o, "select '\x95\\'", 11).flags & BAD);
}

struct set_case {
	const char *text;
	enum sql_set kind;
	const char *name, *value;
	bool local;
	uint64_t flags;
};

static void check_set(const struct set_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sql_stmt_info info = classify(c[i].text);

		cr_expect_eq(
			info.set_kind, c[i].kind, "<%s>: kind %d", c[i].text, (int)info.set_kind);
		cr_expect_eq(info.set_local, c[i].local, "<%s>", c[i].text);
		cr_expect_eq(info.flags, c[i].flags, "<%s>: flags %llx", c[i].text,
			(unsigned long long)info.flags);
		if (info.set_kind == SQL_SET_VALUE || info.set_kind == SQL_SET_DEFAULT) {
			cr_expect_str_eq(
				info.set_name, c[i].name, "<%s>: %s", c[i].text, info.set_name);
			cr_expect_eq(info.set_name_n, strlen(c[i].name));
		}
		if (info.set_kind == SQL_SET_VALUE) {
			cr_expect_str_eq(
				info.set_value, c[i].value, "<%s>: %s", c[i].text, info.set_value);
			cr_expect_eq(info.set_value_n, strlen(c[i].value));
		}
	}
}

Test(classify, set_values)
{
	static const struct set_case c[] = {
		{ "SET a = 1", SQL_SET_VALUE, "a", "1", false, SET },
		{ "set a to 'x';", SQL_SET_VALUE, "a", "x", false, SET },
		{ "set session A to X", SQL_SET_VALUE, "a", "x", false, SET },
		{ "set \"TimeZone\" = 'UTC'", SQL_SET_VALUE, "timezone", "UTC", false, SET },
		{ "set a=-1.5e3", SQL_SET_VALUE, "a", "-1.5e3", false, SET },
		{ "set a = +1", SQL_SET_VALUE, "a", "1", false, SET },
		{ "set a = true", SQL_SET_VALUE, "a", "true", false, SET },
		{ "set a to on", SQL_SET_VALUE, "a", "on", false, SET },
		{ "set a = \"Foo\"", SQL_SET_VALUE, "a", "Foo", false, SET },
		{ "set a = 'it''s'", SQL_SET_VALUE, "a", "it's", false, SET },
		{ "set a = ''", SQL_SET_VALUE, "a", "", false, SET },
		{ "set a = E'x\\ny'", SQL_SET_VALUE, "a", "x\ny", false, SET },
		{ "set a = $$x'y$$", SQL_SET_VALUE, "a", "x'y", false, SET },
		{ "set a = 'x'\n'y'", SQL_SET_VALUE, "a", "xy", false, SET },
		{ "set datestyle to ISO, DMY", SQL_SET_VALUE, "datestyle", "iso, dmy", false, SET },
		{ "set app.Tenant = 'x'", SQL_SET_VALUE, "app.tenant", "x", false, SET },
		{ "set a.b.c = 'x'", SQL_SET_VALUE, "a.b.c", "x", false, SET },
		{ "set session.user = 'x'", SQL_SET_VALUE, "session.user", "x", false, SET },
		{ "set local.user = 'x'", SQL_SET_VALUE, "local.user", "x", false, SET },
		{ "set role.x = 'x'", SQL_SET_VALUE, "role.x", "x", false, SET },
		{ "set local a = 'x'", SQL_SET_VALUE, "a", "x", true, LOCAL },
		{ "set local local.a = 'x'", SQL_SET_VALUE, "local.a", "x", true, LOCAL },
		{ "set a = default", SQL_SET_DEFAULT, "a", NULL, false, SET },
		{ "set a = 1 -- x", SQL_SET_VALUE, "a", "1", false, SET },
	};
	check_set(c, N(c));
}

Test(classify, set_lists_of_identifiers)
{
	static const struct set_case c[] = {
		{ "set search_path = a", SQL_SET_VALUE, "search_path", "a", false, SET },
		{ "set search_path to \"$user\", public, \"Foo\"", SQL_SET_VALUE, "search_path",
			"\"$user\", public, \"Foo\"", false, SET },
		{ "set search_path = 'a, b'", SQL_SET_VALUE, "search_path", "\"a, b\"", false,
			SET },
		{ "set search_path = 'a\"b'", SQL_SET_VALUE, "search_path", "\"a\"\"b\"", false,
			SET },
		{ "set search_path = ''", SQL_SET_VALUE, "search_path", "\"\"", false, SET },
		{ "set search_path = 'user', 'value', '1a'", SQL_SET_VALUE, "search_path",
			"\"user\", value, \"1a\"", false, SET },
		{ "set schema 'Foo'", SQL_SET_VALUE, "search_path", "\"Foo\"", false, SET },
		{ "set Temp_Tablespaces = 'A'", SQL_SET_VALUE, "temp_tablespaces", "\"A\"", false,
			SET },
		{ "set other = 'a, B'", SQL_SET_VALUE, "other", "a, B", false, SET },
	};
	check_set(c, N(c));
}

Test(classify, set_with_a_grammar_of_its_own)
{
	static const struct set_case c[] = {
		{ "set time zone 'Europe/Berlin'", SQL_SET_VALUE, "timezone", "Europe/Berlin",
			false, SET },
		{ "set local time zone -7", SQL_SET_VALUE, "timezone", "-7", true, LOCAL },
		{ "set session time zone utc", SQL_SET_VALUE, "timezone", "utc", false, SET },
		{ "set time zone local", SQL_SET_DEFAULT, "timezone", NULL, false, SET },
		{ "set time zone default", SQL_SET_DEFAULT, "timezone", NULL, false, SET },
		{ "set time zone interval '-8' hour to minute", SQL_SET_NONE, NULL, NULL, false,
			SET },
		{ "set names 'LATIN1'", SQL_SET_VALUE, "client_encoding", "LATIN1", false, SET },
		{ "set names", SQL_SET_DEFAULT, "client_encoding", NULL, false, SET },
		{ "set names default", SQL_SET_DEFAULT, "client_encoding", NULL, false, SET },
		{ "set xml option content", SQL_SET_VALUE, "xmloption", "content", false, SET },
		{ "set role admin", SQL_SET_VALUE, "role", "admin", false, SET | ROLE },
		{ "set role none", SQL_SET_VALUE, "role", "none", false, SET | ROLE },
		{ "set local role 'x'", SQL_SET_VALUE, "role", "x", true, LOCAL | ROLE },
		{ "set session role \"X\"", SQL_SET_VALUE, "role", "X", false, SET | ROLE },
		{ "set role = x", SQL_SET_VALUE, "role", "x", false, SET | ROLE },
		{ "set session authorization x", SQL_SET_VALUE, "session_authorization", "x", false,
			SET | ROLE },
		{ "set session session authorization 'x'", SQL_SET_VALUE, "session_authorization",
			"x", false, SET | ROLE },
		{ "set local session authorization x", SQL_SET_VALUE, "session_authorization", "x",
			true, LOCAL | ROLE },
		{ "set session authorization default", SQL_SET_DEFAULT, "session_authorization",
			NULL, false, SET | ROLE },
		{ "set session_authorization = 'x'", SQL_SET_VALUE, "session_authorization", "x",
			false, SET | ROLE },
		{ "set session characteristics as transaction read only", SQL_SET_VALUE,
			"default_transaction_read_only", "on", false, SET },
		{ "set session characteristics as transaction read write", SQL_SET_VALUE,
			"default_transaction_read_only", "off", false, SET },
		{ "set session characteristics as transaction isolation level read committed",
			SQL_SET_VALUE, "default_transaction_isolation", "read committed", false,
			SET },
		{ "set session characteristics as transaction not deferrable", SQL_SET_VALUE,
			"default_transaction_deferrable", "off", false, SET },
		{ "set session characteristics as transaction read only, deferrable", SQL_SET_NONE,
			NULL, NULL, false, SET },
		{ "set transaction isolation level serializable", SQL_SET_NONE, NULL, NULL, true,
			LOCAL },
		{ "set transaction snapshot 'x'", SQL_SET_NONE, NULL, NULL, true, LOCAL },
		{ "set constraints all deferred", SQL_SET_NONE, NULL, NULL, true, LOCAL },
		{ "set transaction_isolation = 'serializable'", SQL_SET_NONE, NULL, NULL, true,
			LOCAL },
		{ "set transaction_read_only = on", SQL_SET_NONE, NULL, NULL, true, LOCAL },
		{ "set seed = 0.5", SQL_SET_NONE, NULL, NULL, false, SET | SQL_F_SEED },
	};
	check_set(c, N(c));
}

Test(classify, set_that_only_the_server_understands)
{
	static const struct set_case c[] = {
		{ "set", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a =", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = 1,", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = 007", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = 0x10", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = 64MB", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = 'x' 'y'", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = E'\\x41'", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = U&'x'", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = $1", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a from current", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set a = x.y", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "set U&\"role\" = x", SQL_SET_NONE, NULL, NULL, false, SET | UNKNOWN },
		{ "set role default", SQL_SET_NONE, NULL, NULL, false, SET | ROLE },
		{ "set session authorization", SQL_SET_NONE, NULL, NULL, false, SET | ROLE },
		{ "set a = 'x", SQL_SET_NONE, NULL, NULL, false, SET | BAD },
		{ "set a = /*", SQL_SET_NONE, NULL, NULL, false, SET | BAD },
	};
	check_set(c, N(c));
}

Test(classify, reset)
{
	static const struct set_case c[] = {
		{ "reset a", SQL_SET_DEFAULT, "a", NULL, false, SET },
		{ "reset \"App\".b", SQL_SET_DEFAULT, "app.b", NULL, false, SET },
		{ "reset time zone", SQL_SET_DEFAULT, "timezone", NULL, false, SET },
		{ "reset timezone", SQL_SET_DEFAULT, "timezone", NULL, false, SET },
		{ "reset role", SQL_SET_DEFAULT, "role", NULL, false, SET | ROLE },
		{ "reset session authorization", SQL_SET_DEFAULT, "session_authorization", NULL,
			false, SET | ROLE },
		{ "reset session_authorization", SQL_SET_DEFAULT, "session_authorization", NULL,
			false, SET | ROLE },
		{ "reset all", SQL_SET_ALL, NULL, NULL, false, SET },
		{ "reset transaction isolation level", SQL_SET_NONE, NULL, NULL, false, SET },
		{ "reset", SQL_SET_NONE, NULL, NULL, false, SET },
	};
	check_set(c, N(c));
}

Test(classify, set_limits)
{
	char text[3000], *p;
	struct sql_stmt_info info;

	for (size_t n = SQL_VALUE_MAX - 1; n <= SQL_VALUE_MAX + 1; n++) {
		p = text + snprintf(text, sizeof(text), "set a = '");
		memset(p, 'x', n);
		p[n] = '\'';
		info = classify_n(&pg18, text, (size_t)(p - text) + n + 1);
		cr_expect_eq(info.set_kind, n <= SQL_VALUE_MAX ? SQL_SET_VALUE : SQL_SET_NONE);
		cr_expect_eq(info.set_value_n, n <= SQL_VALUE_MAX ? n : 0);
		cr_expect_eq(info.flags, SET);
	}
	p = text + snprintf(text, sizeof(text), "set ");
	for (int i = 0; i < 3; i++, p += 61) {
		memset(p, 'x', 60);
		p[60] = '.';
	}
	memcpy(p - 1, "=1", 2);
	info = classify_n(&pg18, text, (size_t)(p + 1 - text));
	cr_expect_eq(info.set_kind, SQL_SET_NONE);
	cr_expect_eq(info.set_name_n, 0);
	cr_expect_eq(info.flags, SET);
}

Test(classify, names)
{
	static const struct {
		const char *text, *name, *as_written;
	} c[] = {
		{ "prepare P (int) as select 1", "p", "P" },
		{ "prepare \"A\"\"b\" as select 1", "A\"b", "\"A\"\"b\"" },
		{ "execute p (1)", "p", "p" },
		{ "deallocate p", "p", "p" },
		{ "deallocate prepare p", "p", "p" },
		{ "deallocate prepare", "prepare", "prepare" },
		{ "deallocate all", "", NULL },
		{ "deallocate \"all\"", "all", "\"all\"" },
		{ "declare c cursor for select a", "c", "c" },
		{ "fetch c", "c", "c" },
		{ "fetch forward all from c", "c", "c" },
		{ "fetch next", "next", "next" },
		{ "move absolute -5 in C;", "c", "C" },
		{ "close c", "c", "c" },
		{ "close all", "", NULL },
		{ "listen \"Chan\"", "Chan", "\"Chan\"" },
		{ "unlisten chan", "chan", "chan" },
		{ "unlisten *", "", NULL },
		{ "notify chan, 'x'", "chan", "chan" },
		{ "savepoint s", "s", "s" },
		{ "release savepoint s", "s", "s" },
		{ "rollback to savepoint s", "s", "s" },
		{ "rollback", "", NULL },
		{ "prepare transaction 'x'", "", NULL },
		{ "listen U&\"a\"", "", NULL },
		{ "listen aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
			NULL },
		{ "select a", "", NULL },
		{ "execute p; execute q", "", NULL },
	};
	for (size_t i = 0; i < N(c); i++) {
		struct sql_stmt_info info = classify(c[i].text);

		cr_expect_eq(info.name_n, strlen(c[i].name), "<%s>: %u", c[i].text, info.name_n);
		if (info.name_n == 0 || c[i].as_written == NULL)
			continue;
		cr_expect_str_eq(info.name, c[i].name, "<%s>: %s", c[i].text, info.name);
		cr_expect_eq(info.name_src_n, strlen(c[i].as_written), "<%s>", c[i].text);
		cr_expect_eq(memcmp(c[i].text + info.name_at, c[i].as_written, info.name_src_n), 0);
	}
}
