"""What sql/classify_my.h says of a statement, against what real servers do with it: whatever the server keeps in the
session afterwards, either its trackers told or the classification does. Knows nothing of a proxy: test/unit/sql_tell.c is
compiled and asked."""
import pathlib
import re
import subprocess

import pymysql
import pytest

import rawmy as my
from rawmy import MyError, RawMy, ResultSet
from servers import eventually

pytestmark = pytest.mark.timeout(600)  # hundreds of statements at each server

SRC = pathlib.Path(__file__).resolve().parents[2]
VERSION = {'mysql97': 90704, 'maria1011': 101100, 'maria118': 110800}
TRACK = "set session session_track_system_variables = '*', session_track_schema = 1, session_track_state_change = 1"
# code that we do not see: anything goes
ANY = {'unsure', 'stored', 'execute'}


@pytest.fixture(scope='session')
def sql_tell(tmp_path_factory):
    to = tmp_path_factory.mktemp('sql') / 'sql_tell'
    sources = [p for folder in ('sql', 'base') for p in (SRC / 'src' / folder).glob('*.c')]
    subprocess.run(['cc', '-std=c11', '-D_GNU_SOURCE', '-O1', '-pthread', '-I%s' % (SRC / 'include'), '-I%s' % (SRC / 'src/sql'),
                    '-o', to, SRC / 'test/unit/sql_tell.c', *sources, '-lpcre2-8'], check=True)
    return to


class Said:
    def __init__(self):
        self.verbs, self.flags, self.sets, self.reads = [], set(), set(), set()


def tell(program, server, texts, *words):
    """What the classifier says of each text: a list of Said."""
    family = 'maria' if server.family == 'mariadb' else 'mysql'
    out = subprocess.run([program, family, str(VERSION[server.kind]), *words], check=True, capture_output=True,
                         input=b'\0'.join(t.encode() for t in texts)).stdout.decode()
    said = [Said() for _ in texts]
    for line in out.splitlines():
        if line.startswith('\tvar '):
            _, use, name = line.split(' ', 2)
            now.sets |= {name} if 'w' in use else set()
            now.reads |= {name} if 'r' in use else set()
        elif not line.startswith('\t'):
            number, verb, flags = re.fullmatch(r'(\d+) (.*?) name=.* id=\d+ (.*)', line).groups()
            now = said[int(number)]
            now.verbs.append(verb)
            now.flags |= set(flags.split(',')) - {''}
    return said


def login(server, user='super', secret='super', caps=my.MODERN):
    r = RawMy(server.port)
    r.login(user, secret, db='app', caps=caps)
    return r


def run(r, sql):
    """All results; an error that kept it from starting at all counts as its only result."""
    return r.all(sql)


def quietly(server, sql):
    """Whether the server does it."""
    try:
        server.query(sql)
    except pymysql.Error:
        return False
    return True


# --- what a session holds

# MariaDB's trackers report a variable under the name that the client used
SAME = {'tx_isolation': 'transaction_isolation', 'tx_read_only': 'transaction_read_only'}


def outside(server, thread):
    """What others can see of that session."""
    rows = server.query('select variable_name, variable_value from performance_schema.user_variables_by_thread'
                        ' where thread_id = %s', thread)
    held = {'@' + (k if isinstance(k, str) else k.decode()).lower(): v for k, v in rows}
    for (name,) in server.query('select statement_name from performance_schema.prepared_statements_instances'
                                ' where owner_thread_id = %s and statement_name is not null', thread):
        held['prepared ' + name] = True
    for kind, schema, name, how in server.query(
            "select object_type, object_schema, object_name, lock_type from performance_schema.metadata_locks"
            " where owner_thread_id = %s and lock_status = 'GRANTED' and lock_duration = 'EXPLICIT'", thread):
        held['user lock %s' % name if kind == 'USER LEVEL LOCK' else 'lock %s %s.%s %s' % (kind, schema, name, how)] = True
    return held


def inside(r):
    """What only the session itself can tell; nothing when a lock or a branch forbids to look."""
    held = {}
    if isinstance(run(r, 'show session variables')[-1], MyError) or isinstance(run(r, 'select * from t limit 0')[-1], MyError):
        return None
    for name, value in r.q('show session variables'):
        held['var ' + SAME.get(name, name)] = value
    held['schema'], held['role'] = r.q('select database(), current_role()')[0]
    held['last_insert_id'] = r.one('select last_insert_id()')
    held['temporary'] = any(not isinstance(run(r, 'select * from %s limit 0' % t)[0], MyError) for t in ('tt', 'tt2'))
    return held


# these change by themselves, or are other names of what is compared already
NOISE = {'timestamp', 'rand_seed1', 'rand_seed2', 'statement_id', 'last_insert_id', 'identity', 'error_count', 'warning_count',
         'gtid_executed', 'gtid_binlog_pos', 'gtid_binlog_state', 'gtid_current_pos', 'last_gtid', 'in_transaction', 'insert_id',
         'innodb_thread_sleep_delay', 'pseudo_thread_id', 'gtid_purged', 'gtid_executed_compression_period'}


def needed(key):
    """The flags of which one must be set when this part of a session has changed."""
    if key.startswith('@'):
        return {'var_set', 'var_silent'}
    if key.startswith('prepared '):
        return {'prepare', 'deallocate'}
    if key.startswith('user lock '):
        return {'user_lock', 'user_unlock', 'user_unlock_all'}
    if key.startswith('lock '):
        return {'table_lock', 'table_unlock', 'global_lock', 'global_unlock', 'instance_lock', 'instance_unlock', 'handler_open',
                'handler_close', 'opaque'}
    if key == 'temporary':
        return {'temp_make', 'temp_drop'}
    return {'role': {'role', 'identity'}, 'last_insert_id': {'set_last_id'}, 'schema': {'use'}}.get(key, {'set_silent'})


SETUP = ('drop table if exists t, u, tt, tt2, tt3', 'create table t (id int auto_increment primary key, a int, s varchar(20))',
         'create table u (a int)', "insert into t (a, s) values (1, 'x'), (2, 'y')", 'insert into u values (1)')
PROGRAMS = ('drop procedure if exists p_out', 'create procedure p_out(out x int) set x = 7',
            'drop procedure if exists p_lock', "create procedure p_lock() do get_lock('p', 0)",
            'drop function if exists f_var', 'create function f_var() returns int begin set @f = 5; return 1; end',
            'drop function if exists f_lock', "create function f_lock() returns int return get_lock('f', 0)",
            'drop user if exists victim@"%"', 'create user victim@"%"', 'drop role if exists ra', 'create role ra',
            'grant ra to super@"%"', 'create database if not exists app3')

# (before, statement): before is run first, by the session itself
BOTH = [
    ('', 'select 1'), ('', 'select @a := 5'), ('', 'select @a := 1, @b := @a + 1'), ('', 'set @a = 1'), ('', 'set @a := (select 2)'),
    ('', "set @`x y` = 1, @'q''r' = 2, @A.b$c = 3"), ('', 'select 1, 2 into @a, @b'), ('', 'select a from t where id = 1 into @a'),
    ('', 'select a into @a from t where id = 1'), ('', 'update t set a = @n := 3'), ('', 'delete from t where a = (@d := 1)'),
    ('', 'insert into t (a) values (@i := 3)'), ('', 'do @a := 1'), ('', 'call p_out(@a)'), ('', 'call p_lock()'),
    ('', 'select f_var()'), ('', 'select f_lock()'), ('', 'select app.f_lock ()'), ('', 'do f_var()'),
    ('select 1 / 0', 'get diagnostics @n = number'), ("select cast('x' as signed)", 'get diagnostics condition 1 @m = message_text'),
    ('', 'select 1 /*! , @a := 5 */'), ('', 'select 1 /*!50000 , @a := 5 */'), ('', 'select 1 /*!50700 , @a := 5 */'),
    ('', 'select 1 /*!100000 , @a := 5 */'), ('', 'select 1 /*!999999 , @a := 5 */'), ('', 'select 1 /*M! , @a := 5 */'),
    ('', 'select 1 /*M!100400 , @a := 5 */'), ('', "select '/*' /*! , @a := 5 */"), ('', 'select 1 -- , @a := 5'),
    ('', 'select 1 # , @a := 5'), ('', 'select 1 --1, @a := 5'), ('', "select 'a\\'', @a := 5 -- '"), ('', 'select "a\\"", @a := 5 -- "'),
    ('set @a = 1', 'select @a'), ('set @a = 1', 'set @a = null'),
    ('', "select get_lock('a', 0)"), ('', "select `get_lock`('a', 0)"), ('', "select get_lock ('a', 0), get_lock('b', 0)"),
    ('', "do get_lock(/*x*/'a', 0)"), ("do get_lock('a', 0)", "select release_lock('a')"), ("do get_lock('a', 0)", 'select release_all_locks()'),
    ('', "select {fn get_lock('a', 0)}"), ('', "insert into u select get_lock('a', 0)"), ('', "set @a = get_lock('a', 0)"),
    ('', "update t set a = get_lock('a', 0)"), ('', "call p_out(@a)"), ('', "explain select get_lock('a', 0)"),
    ('', 'prepare s from "select 1"'), ('prepare s from "select 1"', 'execute s'), ('prepare s from "select 1"', 'deallocate prepare s'),
    ('prepare s from "select 1"', 'drop prepare s'), ('prepare s from "set @z = 1"', 'execute s'), ('set @q = "do 1"', 'prepare s from @q'),
    ('prepare s from "call p_out(?)"', 'execute s using @o'),
    ('', 'create temporary table tt (a int)'), ('', 'create temporary table tt select 1 as a'), ('', 'create temporary table tt like t'),
    ('', 'create temporary table if not exists tt (a int)'), ('create temporary table tt (a int)', 'drop temporary table tt'),
    ('create temporary table tt (a int)', 'drop table tt'), ('create temporary table tt (a int)', 'drop table if exists tt'),
    ('create temporary table tt (a int)', 'alter table tt rename to tt2'), ('create temporary table tt (a int)', 'insert into tt values (1)'),
    ('create temporary table tt (a int)', 'truncate tt'),
    ('', 'lock tables t read'), ('', 'lock tables t write, u as x read'), ('lock tables t read', 'unlock tables'),
    ('lock tables t read', 'begin'), ('lock tables t read', 'lock tables u read'), ('lock tables t write', 'alter table t add b int'),
    ('', 'flush tables with read lock'), ('flush tables with read lock', 'unlock tables'), ('', 'flush tables t with read lock'),
    ('flush tables t with read lock', 'unlock tables'), ('', 'flush tables t for export'), ('', 'flush tables'), ('', 'flush tables t'),
    ('', 'handler t open'), ('', 'handler t open as h'), ('handler t open', 'handler t read first'), ('handler t open', 'handler t close'),
    ('', 'set role ra'), ('set role ra', 'set role none'), ('', 'set role none'),
    ('', 'use app3'), ('use app3', 'drop database app3'), ('', 'create database app4'), ('', 'drop database if exists app4'),
    ('', 'set names latin1'), ('', 'set names utf8mb4 collate utf8mb4_bin'), ('', 'set character set latin1'), ('', 'set charset latin1'),
    ('', 'set collation_connection = utf8mb4_bin'), ('', 'set character_set_connection = latin1'), ('', 'set character_set_results = null'),
    ('', 'set character_set_client = latin1'), ('', "set sql_mode = 'ANSI'"), ('', 'set session wait_timeout = 77, sql_safe_updates = 1'),
    ('', 'set @@session.wait_timeout = 78'), ('', 'set local wait_timeout = 79, @w = 1'), ('', 'set wait_timeout = default'),
    ('', 'set global long_query_time = 11, net_read_timeout = 31'), ('', 'set global long_query_time = 11, session net_read_timeout = 31'),
    ('', 'set @@global.long_query_time = 12, net_read_timeout = 32'), ('', 'set `wait_timeout` = 80'),
    ('', 'set time_zone = "+01:00", @t = 3, names latin1'), ('', 'set autocommit = 0'), ('set autocommit = 0', 'set autocommit = 1'),
    ('', 'set transaction isolation level read committed'), ('', 'set session transaction isolation level read committed, read only'),
    ('', 'set session transaction read only'), ('', 'set last_insert_id = 77'), ('', 'set identity = 78'), ('', 'set insert_id = 5'),
    ('', 'set timestamp = 1700000000'), ('', 'set rand_seed1 = 5, rand_seed2 = 6'), ('', 'set session_track_schema = 0'),
    ('', 'select last_insert_id(5)'), ('', 'update t set a = last_insert_id(a + 10)'), ('', 'insert into t (a) values (5)'),
    ('', 'do last_insert_id(9)'), ('', 'select last_insert_id()'), ('', 'replace into t values (1, 2, "z")'),
    ('', 'insert into t values (last_insert_id(88), 1, "k")'),
    ('', 'select sql_calc_found_rows * from t limit 1'), ('', 'select found_rows()'), ('', 'select row_count()'),
    ('', 'begin'), ('', 'begin work'), ('', 'start transaction'), ('', 'start transaction read only'),
    ('', 'start transaction with consistent snapshot'), ('', 'start transaction read write, with consistent snapshot'),
    ('begin', 'commit'), ('begin', 'rollback'), ('begin', 'commit and chain'), ('begin', 'rollback and chain'),
    ('begin', 'commit and no chain no release'), ('begin', 'savepoint a'), ('begin; savepoint a', 'rollback to a'),
    ('begin; savepoint a', 'release savepoint a'), ('begin; savepoint a', 'rollback work to savepoint a'), ('begin', 'begin'),
    ('begin', 'start transaction'), ('begin', 'select 1'), ('begin', 'insert into u values (2)'), ('begin', 'set autocommit = 1'),
    ('begin', 'set @a = 1'), ('begin', 'create table tt3 (a int)'), ('begin', 'create temporary table tt (a int)'),
    ('create temporary table tt (a int); begin', 'drop temporary table tt'), ('begin', 'alter table t add c int'), ('begin', 'truncate u'),
    ('begin', 'drop table if exists tt2'), ('begin', 'drop view if exists v'), ('begin', 'create or replace view v as select 1'),
    ('begin', 'create index i on t (a)'), ('begin', 'rename table u to u2, u2 to u'), ('begin', 'lock tables t read'),
    ('begin', 'unlock tables'), ('begin', 'flush tables'), ('begin', 'flush status'), ('begin', 'analyze table t'), ('begin', 'check table t'),
    ('begin', 'checksum table t'), ('begin', 'optimize table t'), ('begin', 'repair table t'), ('begin', 'use app3'),
    ('begin', 'grant select on app.* to victim@"%"'), ('begin', 'revoke select on app.* from victim@"%"'), ('begin', 'create user un@"%"'),
    ('begin', 'drop user if exists un@"%"'), ('begin', 'create database if not exists app5'), ('begin', 'drop database if exists app5'),
    ('begin', 'create procedure p_x() select 1'), ('begin', 'drop procedure if exists p_x'), ('begin', 'set password for victim@"%" = "%s"'),
    ('begin', 'create trigger tr before insert on u for each row set @tr = 1'), ('begin', 'drop trigger if exists tr'),
    ('begin', 'create event e on schedule every 1 day disable do set @e = 1'), ('begin', 'drop event if exists e'),
    ('begin', 'select 1 for update'), ('begin', 'select * from t for update'), ('begin', 'select * from t lock in share mode'),
    ('begin', 'show tables'), ('begin', 'show warnings'), ('begin', 'explain select * from t'), ('begin', 'desc t'), ('begin', 'do 1'),
    ('begin', 'call p_out(@a)'), ('begin', 'handler t open'), ('begin', 'set global long_query_time = 10'), ('begin', 'set names utf8mb4'),
    ('begin', 'help "x"'), ('begin', 'purge binary logs before "2000-01-01"'), ('begin', 'kill query 4294967295'), ('begin', 'prepare s from "do 1"'),
    ('begin', 'flush binary logs'), ('begin', 'set role ra'), ('begin', 'set default role ra for super@"%"'),
    ('begin', 'create role rx'), ('begin', 'drop role if exists rx'), ('begin', 'show binary logs'),
    ('', "xa start 'x'"), ("xa start 'x'", "xa end 'x'"), ("xa start 'x'; xa end 'x'", "xa rollback 'x'"),
    ("xa start 'x'; xa end 'x'", "xa commit 'x' one phase"), ("xa start 'x'; insert into u values (3); xa end 'x'", "xa prepare 'x'"),
    ('', "xa rollback 'x'"), ('', 'xa recover'),
    ('', 'load data local infile "x" into table t (a, @ld) set s = @ld'), ('', 'load data local infile "x" into table t character set utf8mb4 (@a, @b)'),
    ('', 'with x (a) as (select 1), y (b) as (select 2) select * from x, y'), ('', 'table_name'), ('', 'values (1)'), ('', '(select 1)'),
    ('', 'select count(*), count(distinct a), max(a), group_concat(a order by a separator ";"), extract(year from now()) from t'),
    ('', 'select cast(a as decimal(10, 2)), convert(a, char(3)), convert(s using utf8mb4), if(a, 1, 2), left(s, 1), trim(both "x" from s) from t'),
    ('', 'select row_number() over (partition by a order by id), rank() over w from t window w as (order by a)'),
    ('', 'signal sqlstate "01000" set message_text = "x"'), ('', 'show processlist'), ('', 'show full processlist'), ('', 'show variables'),
    ('', 'select @@version, @@session.sql_mode, @@global.sql_mode'), ('', 'select 1 from dual procedure analyse()'),
]
MYSQL = [
    ('', 'lock instance for backup'), ('lock instance for backup', 'unlock instance'), ('', 'set persist long_query_time = 10'),
    ('', 'values row(1, 2)'), ('', 'table t'), ('', 'table t limit 1 into @a, @b, @c'), ('', 'values row(1) into @a'),
    ('', 'explain format=json into @e select 1'), ('', 'explain analyze select * from t'), ('', '(select 5 into @a)'),
    ('', 'explain analyze select get_lock("a", 0)'), ('', 'select 1 union select 2 limit 1 into @a'), ('', 'set @@transaction_isolation = "READ-COMMITTED"'),
    ('', 'set @@transaction_read_only = 1'), ('', 'set transaction_isolation = "READ-COMMITTED"'), ('', 'set resource group SYS_default'),
    ('', 'select /*+ set_var(wait_timeout = 5) */ 1'), ('', 'set default_collation_for_utf8mb4 = utf8mb4_general_ci'),
    ('', 'with x as (select 1 as a) update t set a = 5 where id in (select a from x)'), ('', 'select 1 /*!080000 , @a := 5 */'),
    ('', 'select 1 /*!080000, @a := 5 */'), ('', 'select 1 /*!090999 , @a := 5 */'), ('begin', 'set role all'), ('', 'set role all except ra'),
    ('', 'set role default'), ('begin', 'set default role ra to super@"%"'), ('begin', 'alter instance reload tls'), ('begin', 'reset persist'),
    ('begin', 'import table from "x"'), ('begin', 'create resource group rg type = user'), ('begin', 'drop resource group rg'),
    ('', 'set profiling = 1'), ('', 'select statement_digest("select 1"), uuid_to_bin(uuid())'),
]
MARIA = [
    ('', 'set statement wait_timeout = 5 for select 1'), ('', 'set statement wait_timeout = 5 for select @a := 1'),
    ('', 'set statement wait_timeout = 5 for set @a = 1'), ('', 'set statement wait_timeout = 5 for create temporary table tt (a int)'),
    ('', 'execute immediate "set @a = 1"'), ('', 'execute immediate "select 1 into @a"'), ('', 'prepare s from concat("do ", 1)'),
    ('', 'begin not atomic set @a = 1; end'), ('', 'if 1 then set @a = 1; end if'), ('', 'backup stage start'),
    ('backup stage start', 'backup stage end'), ('', 'backup lock app.t'), ('backup lock app.t', 'backup unlock'),
    ('', 'set @z = 7, role none, wait_timeout = 66'), ('', 'set role ra, wait_timeout = 67'), ('', 'create sequence if not exists sq'),
    ('create sequence if not exists sq', 'select nextval(sq), lastval(sq)'), ('create sequence if not exists sq', 'select next value for sq'),
    ('', 'drop sequence if exists sq'), ('', 'create or replace temporary table tt (a int)'), ('', 'analyze select @a := 1'),
    ('', 'analyze format=json select get_lock("a", 0)'), ('', 'set tx_isolation = "READ-COMMITTED"'), ('', 'set @@tx_isolation = "READ-COMMITTED"'),
    ('', 'insert into t (a) values (9) returning id, @r := a'), ('', 'lock tables t write wait 1'), ('', 'select median(a) over (partition by id) from t'),
    ('', 'select s.a.nextval from (select 1 as a) s'), ('begin', 'create or replace temporary table tt (a int)'),
]


def cases_of(server):
    own, other = (MYSQL, MARIA) if server.family == 'mysql' else (MARIA, MYSQL)
    return BOTH + own + other


@pytest.fixture(scope='module')
def prepared_servers():
    """Which servers have the programs and see all that this module looks at."""
    return set()


@pytest.fixture
def server(anymy, prepared_servers):
    if anymy.kind not in prepared_servers:
        anymy.query("update performance_schema.setup_instruments set enabled = 'YES' where name like 'wait/lock/metadata%%'"
                    " or name like '%%prepare%%' or name like 'statement/sql/%%'")
        with login(anymy) as r:
            for sql in PROGRAMS:
                assert not isinstance(run(r, sql)[-1], MyError), (sql, run(r, sql))
        prepared_servers.add(anymy.kind)
    return anymy


def prepare_case(server, before):
    r = login(server, caps=my.MODERN | my.LOCAL_FILES)
    r.local_files = {'x': b'1\t2\n'}
    for sql in SETUP[:1] + ('create database if not exists app3',) + SETUP[1:] + (TRACK,):
        assert not isinstance(run(r, sql)[-1], MyError), sql
    for sql in before.split('; ') if before else ():
        out = run(r, sql)
        assert not isinstance(out[-1], MyError), (sql, out)
    return r


def thread_of(server, r):
    cid = r.one('select connection_id()')
    return server.query('select thread_id from performance_schema.threads where processlist_id = %s', cid)[0][0]


def end_of(out):
    last = out[-1]
    return last.end if isinstance(last, ResultSet) else last


def told(out):
    """Names of variables, and the kinds of other trackers, in all results."""
    names = set()
    for o in out:
        o = o.end if isinstance(o, ResultSet) else o
        if o is not None and not isinstance(o, MyError):
            names |= {'var ' + SAME.get(t[1].lower(), t[1].lower()) if t[0] == 'var' else t[0] for t in o.trackers}
    return names


def changes(before, after):
    return {k for k in before.keys() | after.keys() if before.get(k) != after.get(k) and
            not (k.startswith('var ') and k[4:] in NOISE)}


def judge(said, out, changed):
    """What is wrong with the classification, in words."""
    wrong = []
    heard = told(out)
    for key in sorted(changed):
        if said.flags & ANY or key in heard or said.flags & needed(key):
            if key.startswith('@') and not said.flags & ANY and key[1:] not in said.sets:
                wrong.append('%s: not among the variables set: %s' % (key, sorted(said.sets)))
            continue
        if key == 'last_insert_id' and 'insert' in said.verbs and end_of(out).insert_id:
            continue
        # the collation of the connection's own character sets
        if key.startswith(('var collation', 'var character_set')) and said.flags & {'set_names', 'use'}:
            continue
        wrong.append('%s changed: neither told nor classified' % key)
    return wrong


def judge_transaction(said, was, now, autocommit):
    if said.flags & ANY or was == now:
        return []
    if now and not said.flags & {'tx_begin', 'tx_chain'} and autocommit:
        return ['a transaction was opened']
    if was and not said.flags & {'tx_end', 'implicit_commit', 'xa'}:
        return ['the transaction was ended']
    return []


def test_nothing_that_the_server_keeps_is_missed(server, sql_tell):
    cases = cases_of(server)
    said = tell(sql_tell, server, [c[1] for c in cases], 'single')
    wrong, ran = [], 0
    for (before, sql), s in zip(cases, said):
        try:
            r = prepare_case(server, before)
        except AssertionError:
            if (before, sql) in BOTH:
                raise
            continue
        with r:
            thread = thread_of(server, r)
            held, more = outside(server, thread), inside(r)
            status = r.ping().status
            out = run(r, sql)
            ran += not isinstance(out[-1], MyError)
            seen = outside(server, thread)
            now = r.ping().status
            even_more = inside(r)
            if more is not None and even_more is not None:
                held.update(more)
                seen.update(even_more)
            wrong += ['%s%s: %s  [said: %s %s, server: %r]' % (before + ' -> ' if before else '', sql, w, s.verbs, sorted(s.flags), out[-1])
                      for w in judge(s, out, changes(held, seen)) +
                      judge_transaction(s, status & my.IN_TRANS, now & my.IN_TRANS, now & my.AUTOCOMMIT)]
            r.bye()
        if sql.startswith('xa prepare'):
            eventually(lambda: quietly(server, "xa rollback 'x'"), 20)
    for sql in ('set global long_query_time = 10', 'set global net_read_timeout = 30'):
        server.query(sql)
    assert not wrong, '\n'.join(wrong)
    assert ran > 200


# --- names that a stored function may have

def words():
    return [line.split('\t')[0] for line in (SRC / 'src/sql/my-words.tsv').read_text().splitlines() if line[:1] not in ('#', '')]


def test_no_stored_function_passes_for_a_builtin_one(server, sql_tell):
    """A stored function of each name that the table has is called in each spelling. When it runs, the classification must
    have said that unknown code may."""
    spellings = ['select %s(1)', 'select %s (1)', 'select `%s`(1)', 'do %s(1)', 'select 1 + %s/**/(1)', 'select (%s(1))',
                 'select 1 from t where %s(1)', 'set @x = %s(1)', 'insert into u values (%s(1))', 'select 1, %s (1) as b',
                 'select case when 1 then %s(1) end', 'select 1 in (2, %s(1))']
    with login(server) as r:
        for sql in SETUP + ('drop database if exists app6', 'create database app6', 'use app6', 'create table t (a int)',
                            'insert into t values (1)', 'create table u (a int)'):
            assert not isinstance(run(r, sql)[-1], MyError), sql
        made = [w for w in words() + ['plain_name'] if not isinstance(run(
            r, 'create function `%s`(a int) returns int deterministic begin set @ran = 1; return 1; end' % w)[-1], MyError)]
        assert len(made) > 1000
        texts = [s % w for w in made for s in spellings]
        wrong, ran = [], 0
        for sql, s in zip(texts, tell(sql_tell, server, texts, 'single')):
            if s.flags & ANY:
                ran += 1
                continue
            run(r, 'set @ran = 0')
            if isinstance(run(r, sql)[-1], MyError):
                continue
            if r.one('select @ran') != '0':
                wrong.append('%s [said: %s]' % (sql, sorted(s.flags)))
        run(r, 'drop database app6')
    assert not wrong, '\n'.join(wrong)
    assert ran > 1000
