"""A session's state on MySQL and MariaDB in transaction mode: two clients take turns on one server connection, and neither
sees what the other has set. WEIRPOOL_TEST_DIRECT=1 runs the same against servers themselves."""
import contextlib

import pytest
from rawmy import (CLASSIC, DEPRECATE_EOF, IGNORE_SPACE, MODERN, MULTI_STATEMENTS, QUERY_ATTRIBUTES, SESSION_TRACK, T_BLOB, MyError,
                   P, ResultSet)
from servers import eventually
from weir import Direct


class Two:
    """Clients a and b of one pool, and a table of their own."""

    def __init__(self, wp, caps=MODERN | MULTI_STATEMENTS, **kw):
        self.wp = wp
        self.a, self.b = wp.my(caps=caps, **kw), wp.my(caps=caps, **kw)
        self.b.do('use app2')
        self.a.do('drop table if exists app.st')
        self.a.do('create table app.st (i int primary key auto_increment, v varchar(20))')

    def hop(self):
        """The other one uses the server connection, with a state of its own."""
        self.b.do("select 1")


@pytest.fixture
def two(anymy, mypool):
    yield Two(mypool(anymy, pool_size=1))


def pins(wp):
    return {p for r in wp.admin('SHOW CLIENTS') if r['user'] != 'admin' for p in r['pins'].split(',') if p}


def is_free(two):
    """The session lets go: the other one gets the only server connection."""
    if not two.wp.direct:
        eventually(lambda: not pins(two.wp), 10)
    two.hop()


# --- settings
def test_variables_stay_with_their_session(two):
    a, b = two.a, two.b
    q = 'select @@time_zone, @@wait_timeout, @@group_concat_max_len'
    before = b.q(q)
    a.do("set time_zone = '+03:00', wait_timeout = 1234")
    a.do('set session group_concat_max_len = 777')
    assert b.q(q) == before
    assert a.q(q) == [['+03:00', '1234', '777']]
    a.do('set time_zone = default, wait_timeout = default, group_concat_max_len = default')
    two.hop()
    assert a.q(q) == before


def test_the_same_text_read_in_two_ways(two):
    """What a text does depends on how its session reads it, also when somebody else has sent it before."""
    a, b = two.a, two.b
    a.do("set sql_mode = 'NO_BACKSLASH_ESCAPES'")
    text = "select '\\', @v := 5, ' -- '"
    for _ in range(2):
        assert b.q(text) == [["', @v := 5, "]]
        assert a.q(text) == [['\\', '5', ' -- ']]
        assert b.one('select @v') is None
        assert a.one('select @v') == '5'


@pytest.mark.parametrize('name', ['foreign_key_checks', 'unique_checks', 'sql_notes', 'autocommit', 'sql_big_selects'])
def test_a_default_is_the_default(two, name):
    """MySQL 9.7 turns DEFAULT of two of them around: nobody may be without foreign keys because somebody else was."""
    a, b = two.a, two.b
    for value in ('0', '1', '0'):
        a.do('set %s = %s' % (name, value))
        assert b.one('select @@' + name) == '1'
        assert a.one('select @@' + name) == value


def test_a_mode_changes_how_texts_are_read(two):
    a, b = two.a, two.b
    a.do("set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    assert b.q(r'''select "it's", 'a\'b' ''') == [["it's", "a'b"]]
    assert a.q(r'''select 1 as "x;y", 'a\' ''') == [['1', 'a\\']]
    assert b.q('select "x"') == [['x']]


def test_schema(two):
    a, b = two.a, two.b
    a.do('use app2')
    b.init_db('app')
    assert (a.one('select database()'), b.one('select database()')) == ('app2', 'app')
    a.init_db('app')
    b.do('use app2')
    assert (a.one('select database()'), b.one('select database()')) == ('app', 'app2')
    assert a.error('use nosuch').errno in (1044, 1049)
    assert a.one('select database()') == 'app'


def test_the_character_set_of_the_schema_survives_cleaning(anymy, mypool):
    """A reset of the server connection takes it away, and LOAD DATA reads files by it."""
    anymy.query('drop database if exists latin')
    anymy.query('create database latin character set latin2')
    wp = mypool(anymy, pool_size=1, mysql_databases={'*': dict(host=anymy.host, port=anymy.port)})
    ask = 'select database(), @@character_set_database'
    for _ in range(2):
        with wp.my(user='super', db='latin') as a:
            a.do('create temporary table t (i int)')
            assert a.q(ask) == [['latin', 'latin2']]
    with wp.my(user='super', db='latin') as a:
        assert a.q(ask) == [['latin', 'latin2']]
        a.do('set character_set_database = latin1')
        if not wp.direct:
            assert pins(wp) == {'setting'}
            a.reset_connection()
            assert a.q(ask) == [['latin', 'latin2']]
            assert pins(wp) == set()
    anymy.query('drop database latin')


def test_settings_that_show_things_of_the_last_statement(two):
    """SET of optimizer_trace or profiling asks for nothing that was left elsewhere."""
    a = two.a
    for text in ("set optimizer_trace = 'enabled=on'", 'set profiling = 1'):
        a.do('select 1')
        two.hop()
        a.do(text)
        a.reset_connection()


PLUGIN = [('innodb_lock_wait_timeout', '7'), ('innodb_strict_mode', '0'), ('innodb_table_locks', '0'), ('myisam_sort_buffer_size', '4096'),
          ('innodb_ft_enable_stopword', '0')]


def test_variables_of_storage_engines(anymy, mypool):
    """MariaDB 11.8 tells of none of them."""
    two = Two(mypool(anymy, pool_size=1), user='super')
    a, b = two.a, two.b
    ask = 'select ' + ', '.join('@@' + n for n, _ in PLUGIN)
    before, set_to = b.q(ask), [[v for _, v in PLUGIN]]
    a.do('set ' + ', '.join('%s = %s' % p for p in PLUGIN))
    assert b.q(ask) == before
    assert a.q(ask) == set_to
    s = a.prepare('set session innodb_lock_wait_timeout = ?')
    a.execute(s, [P(9)])
    assert b.q(ask) == before
    set_to[0][0] = '9'
    assert a.q(ask) == set_to
    assert a.error('set innodb_lock_wait_timeout = 11, nosuch = 1').errno == 1193
    assert b.q(ask) == before
    assert a.q(ask) == set_to
    a.all('set innodb_strict_mode = default; set innodb_lock_wait_timeout = default; select 1')
    set_to[0][:2] = before[0][:2]
    assert b.q(ask) == before
    assert a.q(ask) == set_to
    b.do('set innodb_strict_mode = 1')
    for name, _ in PLUGIN:
        a.do('set %s = default' % name)
    assert b.q(ask) == before
    assert a.q(ask) == before


def test_a_setting_that_was_never_made(maria118, mypool):
    """The schema that the session had is gone: its SET does not run, and nothing of it is asked for."""
    two = Two(mypool(maria118, pool_size=1), user='super')
    a, b = two.a, two.b
    a.do('create database if not exists gone2')
    a.do('use gone2')
    b.do('drop database gone2')
    assert a.error('set session nosuch_variable = 1').errno == 1049
    assert a.error('set session nosuch_variable = 1').errno == 1193
    is_free(two)
    a.do('set innodb_lock_wait_timeout = 7')
    two.hop()
    assert a.one('select @@innodb_lock_wait_timeout') == '7'


def test_variables_that_are_a_part_of_another(maria118, mypool):
    """Trackers tell of any of them, whichever was set."""
    two = Two(mypool(maria118, pool_size=1), user='super')
    a, b = two.a, two.b
    ask = 'select @@log_slow_disabled_statements, @@log_slow_slave_statements, @@log_slow_admin_statements'
    with Direct(maria118).my(user='super') as d:
        for q in ('slave_statements = 0', 'admin_statements = 0', "disabled_statements = 'sp'", 'slave_statements = 1', 'slave_statements = 0',
                  'disabled_statements = default'):
            for s in (a, d):
                s.do('set session log_slow_' + q)
            for x in '10':
                b.do('set session log_slow_slave_statements = ' + x)
                assert a.q(ask) == d.q(ask), q
                assert b.q(ask)[0][1:] == [x, '1']


def test_variables_that_change_others(two):
    """Without a word of the trackers."""
    a, b = two.a, two.b
    for first, then, ask in (('sql_big_selects = 1', 'max_join_size = 1000000', 'sql_big_selects'),
                             ('max_join_size = 1000000', 'sql_big_selects = 1', 'sql_big_selects'),
                             ("collation_server = 'utf8mb4_bin'", 'character_set_server = latin1', 'collation_server'),
                             ('character_set_server = latin1', "collation_server = 'utf8mb4_bin'", 'character_set_server')):
        before = b.q('select @@' + ask)
        with Direct(two.wp.server).my() as d:
            for text in (first, then):
                d.do('set ' + text)
                a.do('set ' + text)
                b.do('set sql_big_selects = default')
            want = d.q('select @@' + ask)
        assert a.q('select @@' + ask) == want, then
        assert b.q('select @@' + ask) == before
        a.do('set max_join_size = 2000000')
        a.do('set sql_big_selects = 1')
        two.hop()
        assert a.one('select @@sql_big_selects') == '1'
        a.reset_connection()
        assert a.q('select @@' + ask) == before


def test_a_session_without_schema(anymy, mypool):
    two = Two(mypool(anymy, pool_size=1, mysql_databases={'*': dict(host=anymy.host, port=anymy.port)}), db=None)
    c = two.wp.my(caps=MODERN, db=None)
    assert c.one('select database()') is None
    assert c.error('select * from st').errno == 1046
    two.hop()
    assert c.one('select database()') is None
    c.do('use app')
    two.hop()
    assert c.one('select database()') == 'app'
    d = two.wp.my(caps=MODERN, db=None)
    assert d.one('select database()') is None


def test_a_dropped_schema(anymy, mypool):
    two = Two(mypool(anymy, pool_size=1), user='super')
    a, b = two.a, two.b
    a.do('create database if not exists gone')
    a.do('use gone')
    two.hop()
    b.do('drop database gone')
    with pytest.raises(MyError) as e:
        a.q('select * from nosuch')
    assert e.value.errno in (1046, 1049, 1146), e.value
    a.do('use app')
    assert a.one('select database()') == 'app'


def test_schema_behind_a_call_that_fails(two):
    """The session's is what it was; MariaDB tells of the procedure's alone."""
    a = two.a
    a.do('drop procedure if exists app.schema_fails')
    a.do("create procedure app.schema_fails() begin select 1; signal sqlstate '45000'; end")
    a.do('use app2')
    assert len(a.all('call app.schema_fails()')) == 2
    assert a.one('select database()') == 'app2'
    a.reset_connection()
    two.hop()
    assert a.one('select database()') == 'app2'
    a.do('drop procedure app.schema_fails')


def test_character_sets(two):
    a, b = two.a, two.b
    q = 'select @@character_set_client, @@collation_connection, @@character_set_results'
    before = b.q(q)
    a.do('set names latin1 collate latin1_german2_ci')
    assert b.q(q) == before
    assert a.q(q) == [['latin1', 'latin1_german2_ci', 'latin1']]
    a.do('set collation_connection = latin1_bin')
    two.hop()
    assert a.q(q) == [['latin1', 'latin1_bin', 'latin1']]
    a.do('set character_set_results = null')
    two.hop()
    assert a.q(q) == [['latin1', 'latin1_bin', None]]
    a.do('set names utf8mb4')
    two.hop()
    assert a.one('select @@character_set_client') == 'utf8mb4'
    assert a.one("select hex('\u00e4')") == 'C3A4'


@pytest.mark.parametrize('anymy', ['maria1011', 'maria118'], indirect=True)
def test_the_time_that_is_looked_at(anymy, mypool):
    """MariaDB shows system_versioning_asof in the session's time zone, so it cannot be set again behind another one: the connection is
    kept."""
    two = Two(mypool(anymy, pool_size=2))
    a, b = two.a, two.b
    with Direct(anymy).my() as d:
        for s in (a, d):
            s.do("set time_zone = '+03:00'")
            s.do("set system_versioning_asof = '2020-01-01 12:00:00'")
            s.do("set time_zone = '-05:00'")
        two.hop()
        b.do("set time_zone = '+07:00'")
        show = 'select @@system_versioning_asof'
        assert a.q(show) == d.q(show) == [['2020-01-01 04:00:00.000000']]
        assert b.q(show) == [['DEFAULT']]
        assert two.wp.direct or pins(two.wp) == {'setting'}
        a.reset_connection()
        assert a.q(show) == [['DEFAULT']]
        is_free(two)


@pytest.mark.parametrize('name,value', [('collation_server', 'latin1_german1_ci'), ('character_set_server', 'latin2'),
                                        ('character_set_filesystem', 'latin1')])
def test_character_sets_that_servers_are_silent_about(anymy, mypool, name, value):
    """MariaDB's trackers do not tell of @@name without SESSION: it neither stays behind nor goes."""
    two = Two(mypool(anymy, pool_size=1), user='super')
    a, b = two.a, two.b
    show = 'select @@collation_server, @@character_set_server, @@character_set_filesystem'
    before = b.q(show)
    a.do('set @@%s = %s' % (name, value))
    set_to = a.q(show)
    assert value in set_to[0]
    assert b.q(show) == before
    assert a.q(show) == set_to
    a.do('set @@%s = default' % name)
    two.hop()
    assert a.q(show) == before


def test_what_a_login_adds_to_the_mode(anymy, mypool):
    """IGNORE_SPACE is no part of sql_mode's default, but of these sessions."""
    two = Two(mypool(anymy, pool_size=1), caps=MODERN | IGNORE_SPACE)
    a, b = two.a, two.b
    before = a.one('select @@sql_mode')
    assert 'IGNORE_SPACE' in before
    b.do("set sql_mode = 'NO_ZERO_DATE'")
    assert a.one('select @@sql_mode') == before
    assert b.one('select @@sql_mode') == 'NO_ZERO_DATE'


def test_autocommit(two):
    a, b = two.a, two.b
    a.do('set autocommit = 0')
    assert b.one('select @@autocommit') == '1'
    assert a.one('select @@autocommit') == '0'
    a.do("insert into st (v) values ('mine')")
    a.do('rollback')
    assert b.one('select count(*) from app.st') == '0'
    a.do("insert into st (v) values ('mine')")
    a.do('commit')
    assert b.one('select count(*) from app.st') == '1'
    a.do('rollback')
    a.do('set autocommit = 1')
    two.hop()
    assert a.one('select @@autocommit') == '1'


def test_isolation(two):
    a, b = two.a, two.b
    q = "show variables like 't%isolation'"
    before = b.q(q)
    a.do('set session transaction isolation level read committed')
    assert b.q(q) == before
    assert {r[1] for r in a.q(q)} == {'READ-COMMITTED'}
    a.do('set session transaction read only')
    two.hop()
    assert a.error("insert into st (v) values ('x')").errno == 1792
    b.do("insert into app.st (v) values ('y')")


TWINS = {'mysql97': [], 'maria1011': [('log_slow_query_time', 'long_query_time', 7, 8)],
         'maria118': [('transaction_isolation', 'tx_isolation', "'SERIALIZABLE'", "'READ-COMMITTED'"),
                      ('tx_isolation', 'transaction_isolation', "'SERIALIZABLE'", "'READ-COMMITTED'"),
                      ('log_slow_query_time', 'long_query_time', 7, 8),
                      ('min_examined_row_limit', 'log_slow_min_examined_row_limit', 7, 8)]}


@pytest.mark.parametrize('kind,pair', [(k, p) for k, pairs in TWINS.items() for p in pairs])
def test_variables_with_two_names(request, mypool, kind, pair):
    """The trackers tell the name that was used first on that server connection: the last value counts, whatever its name."""
    wp = mypool(request.getfixturevalue(kind), default_pool_size=2)
    x, y, first, last = pair
    with wp.my() as a, wp.my() as b, wp.my() as h:
        read = 'select @@%s, @@%s' % (x, y)
        before = a.q(read)
        h.do('begin')
        b.do('set session %s = %s' % (x, first))
        b.do('begin')
        h.do('rollback')
        a.do('set session %s = %s' % (y, first))
        h.do('begin')
        b.do('rollback')
        for _ in range(2):
            a.do('set session %s = %s' % (x, last))
            want = a.q(read)
            assert str(want[0][0]).startswith(str(last).strip("'")), want
            b.do('begin')
            h.do('rollback')
            assert a.q(read) == want
            h.do('begin')
            b.do('rollback')
            assert a.q(read) == want
            a.do('set session %s = %s' % (y, last))
            assert a.q(read) == want
        a.do('set session %s = default' % y)
        assert a.q(read) == before
        b.do('begin')
        h.do('rollback')
        assert a.q(read) == before


@pytest.mark.parametrize('first', ['unique_checks', 'explicit_defaults_for_timestamp', 'sql_notes'])
def test_autocommit_under_another_name(maria118, mypool, first):
    """MariaDB 11.8 tells of autocommit by the name of the flag that was set first on the connection."""
    wp = mypool(maria118, default_pool_size=1)
    with wp.my() as a, wp.my() as b:
        a.do('set session %s = 0' % first)
        assert b.one('select 1') == '1'
        a.do('set autocommit = 0')
        for _ in range(2):
            assert b.one('select @@autocommit') == '1'
            assert a.one('select @@autocommit') == '0'
        b.do('create table if not exists app.committed (v varchar(20))')
        b.do("insert into app.committed values ('x')")
        a.do('set autocommit = 1')
        for _ in range(2):
            assert b.one('select @@autocommit') == '1'
            assert a.one('select @@autocommit') == '1'
        assert b.one('select count(*) from app.committed') == '1'
        b.do('drop table app.committed')


def test_isolation_of_the_next_transaction(two):
    a = two.a
    a.do('set transaction read only')
    if not two.wp.direct:
        assert pins(two.wp) == {'next_transaction'}
    a.do('begin')
    assert a.error("insert into st (v) values ('x')").errno == 1792
    a.do('rollback')
    is_free(two)
    a.do("insert into st (v) values ('x')")


# --- user variables
VALUES = {'i': '1', 'n': '-5', 'u': '18446744073709551615', 'c': 'cast(7 as unsigned)', 'd': '1.50', 'e': '1.25e10', 's': "'x''y'",
          'b': "x'00ff27'", 'l': "_latin1 x'e4'", 'z': "''", 'o': 'null', 'k': "'gr\u00fcn' collate utf8mb4_bin"}


def test_user_variables(two):
    a, b = two.a, two.b
    names = sorted(VALUES)
    q = 'select ' + ', '.join('hex(@%s), @%s is null, charset(@%s), collation(@%s)' % (n, n, n, n) for n in names if n != 'o')
    types = 'create table app.types as select ' + ', '.join('@%s as %s' % (n, n) for n in names if n != 'o')

    def seen():
        a.do('drop table if exists app.types')
        a.do(types)
        return a.q(q), a.q('show create table app.types')
    a.do('begin')
    a.do('set ' + ', '.join('@%s = %s' % (n, VALUES[n]) for n in names))
    before = a.q(q)
    a.do('commit')
    b.do("set @i = 99, @q = 5")
    assert a.q(q) == before
    assert b.q('select @i, @q, @s') == [['99', '5', None]]
    assert a.q('select @i, @q, @o') == [['1', None, None]]
    first = seen()
    two.hop()
    assert seen() == first


@pytest.mark.parametrize('text', ['select 5 into @q', 'select @q := 5', 'set @q = (select 5)', 'do @q := 5',
                                  'set @p = 1; set @q = @p + 4'])
def test_user_variables_set_in_passing(two, text):
    two.a.all(text)
    two.hop()
    assert float(two.a.one('select @q')) == 5
    assert two.b.one('select @q') is None


def test_user_variables_of_a_prepared_statement(two):
    s = two.a.prepare('select ? into @v')
    two.a.execute(s, [P('one')])
    two.hop()
    assert two.a.one('select @v') == 'one'
    two.a.execute(s, [P('two')])
    two.hop()
    assert two.a.one('select @v') == 'two'


# --- LAST_INSERT_ID()
def test_last_insert_id(two):
    a, b = two.a, two.b
    b.do('use app')
    a.do("insert into st (v) values ('a')")
    b.do("insert into st (v) values ('b'), ('b')")
    assert a.one('select last_insert_id()') == '1'
    assert b.one('select last_insert_id()') == '2'
    a.do("insert into st (i, v) values (1000, 'explicit')")
    two.hop()
    assert a.one('select last_insert_id()') == '1'
    b.do("insert into st (i, v) values (2000, 'explicit')")
    assert b.one('select last_insert_id()') == '2'
    a.do('select last_insert_id(77)')
    two.hop()
    assert a.one('select last_insert_id()') == '77'
    assert b.one('select last_insert_id()') == '2'


def test_last_insert_id_in_a_transaction(two):
    a, b = two.a, two.b
    a.do("insert into st (v) values ('a')")
    b.do('use app')
    b.do('begin')
    b.do("insert into st (v) values ('b')")
    assert b.one('select last_insert_id()') == '2'
    b.do("insert into st (i, v) values (500, 'c')")
    assert b.one('select last_insert_id()') == '2'
    b.do('commit')
    assert a.one('select last_insert_id()') == '1'
    r = a.all("insert into st (v) values ('x'); insert into st (i, v) values (9000, 'y')")
    two.hop()
    assert a.one('select last_insert_id()') == str(r[0].insert_id)


def test_last_insert_id_of_what_has_failed(two):
    """A key that was generated stays in LAST_INSERT_ID(), also when the statement fails afterwards."""
    a, b = two.a, two.b
    b.do('use app')
    a.do("insert into st (v) values ('a')")
    assert a.error("insert into st (v) values ('a'), (repeat('too long', 100))").errno == 1406
    two.hop()
    assert a.one('select last_insert_id()') == '2'
    assert b.one('select last_insert_id()') == '0'
    assert a.error("insert into st values (null, 'a'), (1, 'is there')").errno == 1062
    two.hop()
    assert a.one('select last_insert_id() + 0') != '2'
    before = a.one('select last_insert_id()')
    assert a.error("insert into st values (1, 'is there')").errno == 1062
    two.hop()
    assert a.one('select last_insert_id()') == before
    assert b.one('select last_insert_id()') == '0'


def test_last_insert_id_behind_an_error_on_a_kept_connection(two):
    """What is asked together is answered together."""
    a = two.a
    a.all("insert into st (v) values ('a'); insert into st (v) values ('b'); selec")
    assert a.q('select last_insert_id(), row_count()') == [['2', '-1']]


# --- transactions
def test_an_error_leaves_the_transaction_as_it_is(two):
    a, b = two.a, two.b
    a.do("insert into st (i, v) values (1, 'x')")
    a.do('begin')
    a.do("insert into st (v) values ('tx')")
    assert a.error("insert into st (i) values (1)").errno == 1062
    assert a.one("select count(*) from st where v = 'tx'") == '1'
    a.do('rollback')
    assert b.one("select count(*) from app.st where v = 'tx'") == '0'


def test_a_failing_ddl_commits(two):
    a, b = two.a, two.b
    a.do('begin')
    a.do("insert into st (v) values ('ddl')")
    assert a.error('create table st (i int)').errno == 1050
    assert b.one("select count(*) from app.st where v = 'ddl'") == '1'


def test_a_client_that_leaves_in_a_transaction(two):
    a, b = two.a, two.b
    a.do('begin')
    a.do("insert into st (v) values ('gone')")
    a.shut()
    eventually(lambda: b.one("select count(*) from app.st where v = 'gone'") == '0', 10)
    b.do("insert into app.st (v) values ('b')")


# --- prepared statements
def test_prepared_statements_of_two_sessions(two):
    a, b = two.a, two.b
    b.do('use app')
    a.do("insert into st (v) values ('one'), ('two')")
    text = 'select ?, v from st where i = ?'
    sa, sb = a.prepare(text), b.prepare(text)
    assert a.execute(sa, [P('x'), P(1)]).rows == [[b'x', b'one']]
    assert b.execute(sb, [P(7), P(2)]).rows == [[7, b'two']]
    assert a.execute(sa, [P('y'), P(2)]).rows == [[b'y', b'two']]
    assert a.execute(sa, [P('z'), P(1)], bind=False).rows == [[b'z', b'one']]
    b.close_stmt(sb)
    assert a.execute(sa, [P(None), P(1)]).rows == [[None, b'one']]
    with pytest.raises(MyError) as e:
        b.execute(sb, [P(7), P(2)])
    assert e.value.errno == 1243


def test_no_handle_remembers_the_types_of_others(two):
    """MySQL 9.7 compares as numbers for ever what was once executed with a number."""
    a, b = two.a, two.b
    a.do("insert into st (i, v) values (1, '7'), (2, '07x')")
    b.do('use app')
    text = 'select i from st where v = ? order by i'
    sa, sb = a.prepare(text), b.prepare(text)
    assert a.execute(sa, [P(7)]).rows == [[1], [2]]
    assert b.execute(sb, [P('7')]).rows == [[1]]


def test_a_prepared_statement_keeps_its_schema(two):
    a = two.a
    for db in ('app', 'app2'):
        a.do('drop table if exists %s.sw' % db)
        a.do("create table %s.sw as select '%s' as v" % (db, db))
    a.do('use app')
    s = a.prepare('select v from sw')
    a.do('use app2')
    other = two.wp.my(caps=MODERN)
    for _ in range(3):
        two.hop()
        other.do('select 1')
        assert a.execute(s, []).rows == [[b'app']]
        assert a.one('select database()') == 'app2'


@pytest.mark.parametrize('pin', ['select 1; selec', 'set @`f\u00fcnf` = 5', 'call app.keeps()'])
def test_a_prepared_statement_keeps_its_schema_on_a_kept_connection(anymy, mypool, pin):
    """Also where it must be prepared again while not all is known of the session's state."""
    two = Two(mypool(anymy, pool_size=1, max_prepared_statements=1))
    a, b = two.a, two.b
    for sql in ('drop table if exists app2.st', 'create table app2.st (i int primary key auto_increment, v varchar(20))',
                "insert into app2.st (v) values ('app2')", "insert into app.st (v) values ('app')",
                'drop procedure if exists app.keeps', 'create procedure app.keeps() begin end'):
        b.do(sql)
    read, write = a.prepare('select v from st'), a.prepare('insert into st (v) values (?)')
    b.execute(b.prepare('select 5'))
    a.do('use app2')
    a.all(pin)
    assert a.execute(read).rows == [[b'app']]
    a.execute(write, [P('more')])
    assert a.q('select database(), (select count(*) from st), (select count(*) from app.st)') == [['app2', '1', '2']]
    a.reset_connection()
    b.do('drop table app2.st')
    b.do('drop procedure app.keeps')


def test_many_statements_on_one_connection(anymy, mypool):
    two = Two(mypool(anymy, pool_size=1, max_prepared_statements=5))
    made = [two.a.prepare('select %d + ?' % i) for i in range(30)]
    for _ in range(2):
        for i, s in enumerate(made):
            assert two.a.execute(s, [P(1)]).rows == [[i + 1]]
        two.hop()
    if not two.wp.direct:
        assert max(int(r['prepared_statements']) for r in two.wp.admin('SHOW SERVERS')) <= 5


def test_long_data_pins_until_it_is_used(two):
    a = two.a
    a.do('drop table if exists app.ld')
    a.do('create table app.ld (b longblob)')
    s = a.prepare('insert into ld values (?)')
    a.long_data(s, 0, b'x' * 100000)
    a.long_data(s, 0, b'y' * 100000)
    a.ping()
    a.execute(s, [P(None, kind=T_BLOB)])
    is_free(two)
    assert two.b.one('select concat(length(b), right(b, 1)) from app.ld') == '200000y'


def test_a_cursor_pins_until_its_last_row(two):
    a = two.a
    a.do("insert into st (v) values ('1'), ('2'), ('3')")
    s = a.prepare('select i, v from st order by i')
    r = a.execute_all(s, [], flags=1)[0]
    if not two.wp.direct:
        assert pins(two.wp) == {'cursor'}
    assert a.one('select count(*) from st') == '3'
    assert len(a.fetch(s, 2, r.columns).rows) == 2
    assert len(a.fetch(s, 2, r.columns).rows) == 1
    is_free(two)
    a.execute_all(s, [], flags=1)
    a.reset_stmt(s)
    is_free(two)
    a.execute_all(s, [], flags=1)
    a.close_stmt(s)
    is_free(two)


# --- pins
PINS = [('lock tables st write', 'unlock tables', 'lock_tables'),
        ('lock tables st read', 'begin; rollback', 'lock_tables'),
        ("select get_lock('weirpool', 0)", 'select release_all_locks()', 'user_lock'),
        ("select get_lock('Weirpool', 0)", "select release_lock('weirpool')", 'user_lock'),
        ("do get_lock('weirpool', 0); do get_lock('other', 0)", 'do release_all_locks()', 'user_lock'),
        ('create temporary table tt (i int)', 'drop table tt', 'temp'),
        ('create temporary table if not exists tt as select 1 as i', 'drop temporary table if exists st2, `app`.`tt`', 'temp'),
        ('handler st open', 'handler st close', 'handler'),
        ("prepare p from 'select 1'", 'deallocate prepare p', 'sql_prepare'),
        ('select sql_calc_found_rows 1 limit 0', 'select found_rows()', 'found_rows')]


@pytest.mark.parametrize('begin,end,name', PINS, ids=[p[0] for p in PINS])
def test_what_cannot_be_carried_pins_and_ends(two, begin, end, name):
    a = two.a
    if name == 'user_lock' and two.wp.server.family == 'mariadb' and two.wp.server.kind == 'maria1011':
        a.q('select version()')
    a.all(begin)
    if not two.wp.direct:
        assert pins(two.wp) == {name}
    a.all(end)
    is_free(two)


@pytest.mark.parametrize('text', ['create temporary table app.tt (i int)', 'create temporary table app.tt as select 1 as i'])
def test_temporary_tables_pin(two, text):
    a = two.a
    a.do(text)
    a.do('insert into app.tt values (5)')
    if not two.wp.direct:
        assert pins(two.wp) == {'temp'}
    assert a.q('select max(i) from app.tt') == [['5']]
    a.reset_connection()
    is_free(two)
    assert a.error('select * from app.tt').errno == 1146


def test_pins_end_with_the_last_of_a_kind(two):
    a = two.a
    a.do('create temporary table t1 (i int)')
    a.do('create temporary table app2.t1 (i int)')
    a.do('drop table t1')
    if not two.wp.direct:
        assert pins(two.wp) == {'temp'}
    assert a.q('select * from app2.t1') == []
    a.do('drop table app2.t1')
    is_free(two)
    assert a.error('select * from app2.t1').errno == 1146
    for _ in range(2):
        a.all("select get_lock('twice', 0)")
    a.all("select release_lock('twice')")
    if not two.wp.direct:
        assert pins(two.wp) == {'user_lock'}
    a.all("select release_lock('twice')")
    is_free(two)
    assert two.b.one("select is_free_lock('twice')") == '1'
    assert a.error('drop table nosuch').errno == 1051
    is_free(two)


def test_a_temporary_table_of_another_name_stays(two):
    """Names of tables have a case, and may change."""
    a = two.a
    for first, last in (('create temporary table tc (i int); create temporary table TC (i int)', 'drop table TC'),
                        ('create temporary table tc (i int); alter table tc rename to td', 'drop table if exists tc'),
                        ('create temporary table tc (i int); alter table tc rename to td; create table tc (i int)', 'drop table tc')):
        for text in first.split('; '):
            a.do(text)
        a.do(last)
        if not two.wp.direct:
            assert 'temp' in pins(two.wp), last
        a.reset_connection()
        is_free(two)
    assert a.error('select * from app.tc').errno == 1146


def test_nothing_is_left_to_the_next(two):
    """A session that ends with locks, temporary tables, variables and a role leaves none of it."""
    a, b = two.a, two.b
    a.do("create temporary table app.left_over (i int)")
    a.all("select get_lock('weirpool_left', 0)")
    a.do("set @left = 1, sql_mode = ''")
    a.do('lock tables st write')
    a.bye()
    assert b.error('select * from app.left_over').errno == 1146
    assert b.one('select @left') is None
    assert b.one("select is_free_lock('weirpool_left')") == '1'
    assert b.one('select @@sql_mode') != ''
    b.do("insert into app.st (v) values ('b')")


@pytest.fixture
def roles(anymy):
    """Roles role_a and role_b, the account's own, and role_a has a schema to itself; what it can do nobody else can."""
    anymy.query('create database role_db')
    anymy.query('create table role_db.t (i int)')
    try:
        for r in ('role_a', 'role_b'):
            anymy.query('create role ' + r)
            anymy.query("grant %s to app@'%%'" % r)
        anymy.query('grant all on role_db.* to role_a')
        yield anymy
    finally:
        for sql in ('drop database role_db', 'drop role if exists role_a', 'drop role if exists role_b'):
            anymy.query(sql)


def test_roles_follow(roles, mypool):
    """SET ROLE goes with its session, in one command with the next one; nobody else has it, also after COM_RESET_CONNECTION, which
    leaves roles."""
    wp = mypool(roles, default_pool_size=1)
    with wp.my() as a, wp.my() as b:
        def others_are_not_in():
            assert b.error('select * from role_db.t').errno == 1142

        others_are_not_in()
        a.do('set role role_a')
        mine = a.one('select current_role()')
        assert 'role_a' in mine
        for _ in range(2):
            others_are_not_in()
            assert a.q('select * from role_db.t') == []
        a.do('use role_db')
        others_are_not_in()
        assert a.q('select current_role(), database()') == [[mine, 'role_db']]
        a.reset_connection()
        others_are_not_in()
        assert a.one('select current_role()') == mine
        s = a.prepare('select * from role_db.t')
        others_are_not_in()
        assert a.execute(s).rows == []
        a.do('use app')
        a.do('begin')
        a.do('set role role_b')
        a.do('commit')
        others_are_not_in()
        assert 'role_b' in a.one('select current_role()')
        a.do('set role none')
        others_are_not_in()
        assert a.error('select * from role_db.t').errno == 1142
        assert a.error('set role nosuch_role').errno in (1959, 3530)


@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_roles_do_not_stay_behind(roles, mypool, mode):
    """Whoever leaves with a role, in whatever way."""
    wp = mypool(roles, default_pool_size=1, pool_mode=mode)
    for leave in ('bye', 'reset', 'begin', 'change_user', 'procedure'):
        with wp.my() as a:
            a.do('set role role_a')
            if leave == 'begin':
                a.do('begin')
            elif leave == 'change_user':
                a.change_user()
                assert a.error('select * from role_db.t').errno == 1142
            elif leave == 'procedure':
                a.all("prepare p from 'set role role_a'; execute p; deallocate prepare p")
            elif leave == 'reset':
                a.reset_connection()
            if leave != 'change_user':
                assert a.q('select * from role_db.t') == []
        with wp.my() as b:
            assert b.error('select * from role_db.t').errno == 1142, leave


def test_default_roles(roles, mypool):
    """What a login gives is what a session without a SET ROLE of its own has."""
    roles.query("set default role role_a %s app@'%%'" % ('to' if roles.family == 'mysql' else 'for'))
    try:
        wp = mypool(roles, default_pool_size=1)
        with wp.my() as a, wp.my() as b:
            mine = a.one('select current_role()')
            assert 'role_a' in mine
            b.do('set role none')
            assert a.one('select current_role()') == mine
            assert b.one("select coalesce(current_role(), 'NONE')") == 'NONE'
            b.reset_connection()
            assert a.one('select current_role()') == mine
            assert b.one("select coalesce(current_role(), 'NONE')") == 'NONE'
            b.change_user()
            assert b.one('select current_role()') == mine
    finally:
        roles.query("set default role none %s app@'%%'" % ('to' if roles.family == 'mysql' else 'for'))


def test_counts_of_the_statement_before(two):
    """Of the session's own, whichever connection it is on."""
    a = two.a
    a.do("insert into st (v) values ('x'), ('y'), ('z')")
    s = a.prepare('select i from st where i < ?')
    for text, rows, found in (("update st set v = 'q' where i < 3", '2', None), ('select i from st', '-1', '3'), ('set @x = 1', '0', '3'),
                              ('select nosuch', '-1', None), ('select i from st where 0', '-1', '0')):
        a.do('select i from st')
        a.all(text)
        two.hop()
        assert a.one('select row_count()') == rows, text
        a.do('select i from st')
        a.all(text)
        two.hop()
        if found is not None:
            assert a.one('SELECT FOUND_ROWS()') == found, text
    a.do('set @x = 1')
    with pytest.raises(MyError):
        a.init_db('nowhere')
    two.hop()
    assert a.one('select row_count()') == '-1'
    a.execute(s, [P(3)])
    two.hop()
    assert a.one('select found_rows()') == '2'
    assert a.one('select found_rows()') == '1'


@pytest.mark.parametrize('mode', ['session', 'transaction'])
def test_counts_of_a_new_session(mysql97, mypool, mode):
    """What weirpool has asked on its connection is not of the session. (MariaDB's own begins with what a connection before it has left.)"""
    wp = mypool(mysql97, pool_size=1, pool_mode=mode)
    for sql, first, then in (('select row_count()', '0', '-1'), ('select found_rows()', '0', '1')):
        with wp.my() as a:
            assert (a.one(sql), a.one(sql)) == (first, then)
            assert a.q('select 1 union select 2') == [['1'], ['2']]
            assert a.one(sql) == ('-1' if 'row' in sql[:12] else '2')
            a.bye()


def test_counts_under_other_names(two):
    a = two.a
    a.do("insert into st (v) values ('x'), ('y')")
    for text, names in (('select row_count() as n', ['n']), ('select row_count() affected, @@error_count `e` from dual;', ['affected', 'e']),
                        ('select found_rows() "total", last_insert_id()', ['total', 'last_insert_id()'])):
        a.do("update st set v = concat(v, 'x')" if 'row_count' in text else 'select i from st')
        two.hop()
        r = a.do(text)
        assert [n if isinstance(n, str) else n.decode() for n in r.names] == names
        assert r.rows[0][0] == b'2'


def test_execute_immediate(maria1011, mypool):
    """Its text is read where it stands there."""
    two = Two(mypool(maria1011, pool_size=1))
    a, b = two.a, two.b
    for text in ("execute immediate 'select 1'", "execute immediate 'select ?' using 5", "execute immediate 'insert into st (v) values (1)'"):
        a.all(text)
        is_free(two)
    for text, name in (("execute immediate 'set @immediate = 1'", 'user_variable'), ("execute immediate @@version_comment", 'unknown'),
                       ("execute immediate 'set innodb_lock_wait_timeout = 7'", 'setting'),
                       ("execute immediate 'create temporary table it (i int)'", 'temp'), ("execute immediate 'handler st open'", 'handler'),
                       ("prepare h from 'handler st open'; execute h; deallocate prepare h", 'handler')):
        a.all(text)
        if not two.wp.direct:
            assert name in pins(two.wp), text
        a.reset_connection()
        is_free(two)
        assert b.one('select @immediate') is None


SERVER_PINS = [('mysql97', 'lock instance for backup', 'unlock instance', 'instance_lock'),
               ('maria118', 'backup lock app.st', 'backup unlock', 'instance_lock'),
               ('maria118', 'backup stage start', None, 'unknown'),
               ('mysql97', 'flush tables with read lock', 'unlock tables', 'global_lock'),
               ('maria118', 'flush tables with read lock', 'unlock tables', 'global_lock'),
               ('mysql97', "xa start 'w'", "xa end 'w'; xa rollback 'w'", 'xa'), ('maria118', "xa start 'w'", "xa end 'w'; xa rollback 'w'", 'xa'),
               ('mysql97', "xa start 'p'", "xa end 'p'; xa prepare 'p'; xa commit 'p'", 'xa'),
               ('maria118', "xa start 'p'", "xa end 'p'; xa prepare 'p'; xa commit 'p'", 'xa'),
               ('mysql97', 'set timestamp = 1000', None, 'setting'), ('maria118', 'set insert_id = 1000', None, 'setting')]


@pytest.mark.parametrize('kind,begin,end,name', SERVER_PINS, ids=['%s %s' % p[:2] for p in SERVER_PINS])
def test_pins_of_privileged_statements(request, mypool, kind, begin, end, name):
    """Each has a reason to be seen, and an end."""
    two = Two(mypool(request.getfixturevalue(kind), pool_size=1), user='super')
    two.a.all(begin)
    if not two.wp.direct:
        assert name in pins(two.wp)
    if end:
        for r in two.a.all(end):
            assert not isinstance(r, MyError), r
    else:
        two.a.reset_connection()
    is_free(two)


def test_things_of_the_statement_before(two):
    """What is not carried is found on the same connection, or refused: never another's."""
    a = two.a
    a.do("insert into st (v) values ('x')")
    for text in ('select found_rows() + 0', 'select row_count() + 0'):
        a.do("update st set v = 'y'")
        two.hop()
        with contextlib.suppress(MyError):
            r = a.one(text)
            assert two.wp.direct, 'told %s on a connection that another has used' % r


def test_things_of_the_statement_before_in_the_same_text(two):
    """They are there, whoever had the connection before: object-relational mappers read generated keys in this way."""
    a, b = two.a, two.b
    b.do('use app')
    for c, i in ((a, '1'), (b, '2')):
        two.hop()
        c.do('set @x = 1')
        two.hop()
        r = c.all("insert into st (v) values ('x'); select i from st where row_count() = 1 and i = last_insert_id()")
        assert r[1].rows == [[i.encode()]]
        two.hop()
        assert c.all("update st set v = 'y' where i = %s; set @n = row_count() + 5; select @n" % i)[2].rows == [[b'6']]
        two.hop()
        assert c.all('select i from st limit 1; select found_rows() + 0')[1].rows == [[b'1']]
    if two.wp.direct or 'maria' in a.greeting.version.lower():
        return
    two.hop()
    assert a.all("select cast('x' as signed); select @@warning_count + 0")[1].rows == [[b'1']]
    # the first of them looks further back
    for text in ('select row_count() + 0; select 1', 'do 1; select found_rows() + 0', 'show warnings; select @@warning_count + 0',
                 'select found_rows() + 0; select 1; select found_rows() + 0'):
        two.hop()
        assert a.all(text)[0].errno == 1235, text


@pytest.mark.parametrize('first', ['text', 'prepared'])
def test_warnings_outlast_what_uses_no_table(two, first):
    """MariaDB keeps them over SELECT 1, prepared or not: those of one's own, and never those of another."""
    a, b = two.a, two.b
    keeps = '1' if a.greeting.mariadb else '0'
    one = a.prepare('select 1')

    def run():
        a.all('select 1') if first == 'text' else a.execute(one)
    for _ in range(2):
        a.do('drop table if exists app.nowhere')
        assert a.one('select @@warning_count') == '1'
        run()
        assert a.one('select @@warning_count') == keeps
        b.do("select cast('secret' as signed)")
        a.do("update st set v = 'x'")
        b.do("select cast('secret' as signed)")
        run()
        assert a.one('select @@warning_count') == '0' and a.q('show warnings') == []


def test_lastval_is_never_another_ones(maria118, mypool):
    """What a session has not drawn itself it does not see, whatever it did with the connection."""
    two = Two(mypool(maria118, pool_size=1))
    a, b = two.a, two.b
    b.do('use app')
    a.do('create sequence if not exists sq')
    for text in 'select lastval(sq)', 'insert into st (v) values (lastval(sq))':
        for first in 'select 1', 'begin', "insert into st (v) values ('x')":
            drawn = b.one('select nextval(sq)')
            a.do(first)
            with contextlib.suppress(MyError):
                a.all(text)
            a.do('rollback')
            assert a.one("select count(*) from st where v = '%s'" % drawn) == '0', (text, first)
            two.hop()
            with contextlib.suppress(MyError):
                assert a.one('select lastval(sq)') != drawn, (text, first)
    a.do('begin')
    mine = a.one('select nextval(sq)')
    assert a.one('select lastval(sq)') == mine
    a.do('rollback')


def test_found_rows_behind_a_begin_are_never_another_ones(two):
    """BEGIN keeps what the statement before it has found, whoever said that."""
    a, b = two.a, two.b
    for first in 'begin', 'set @x = 1', 'do 1', "update st set v = 'y'":
        for text in 'select found_rows()', 'select found_rows() + 0':
            b.all('select 1 union select 2 union select 3 union select 4 union select 5')
            a.do('rollback')
            two.hop()
            b.all('select 1 union select 2 union select 3 union select 4 union select 5')
            a.do('begin')
            a.do(first)
            with contextlib.suppress(MyError):
                assert a.one(text) != '5' or two.wp.direct, (first, text)
            a.do('rollback')
    a.do('begin')
    a.all('select 1 union select 2')
    assert a.one('select found_rows() + 0') == '2'
    a.do('rollback')


def test_a_session_has_one_connection_id(two):
    a, b = two.a, two.b
    first = a.one('select connection_id()')
    assert first == str(a.greeting.id)
    two.hop()
    assert a.one('SELECT CONNECTION_ID()') == first
    assert b.one('select connection_id()') != first


def shown(session, text):
    r = session.all(text)[0]
    if isinstance(r, MyError):
        raise r
    return [(bytes(c[0]), int(c[1]), bytes(c[2])) for c in r.rows]


def test_warnings_and_errors_are_shown_on_another_connection(two):
    a = two.a
    for text in ("select cast('x' as signed), cast('y' as signed)", 'select nosuch from st', 'drop table if exists app.nosuch'):
        a.do('begin')
        a.all(text)
        want = shown(a, 'show warnings'), shown(a, 'show errors'), a.q('show count(*) warnings'), a.one('select @@error_count')
        a.do('rollback')
        a.all(text)
        two.hop()
        assert shown(a, 'show warnings') == want[0] and want[0]
        two.hop()
        got = shown(a, 'SHOW  ERRORS;'), a.q('show count(*) warnings'), a.one('select @@error_count')
        assert got == want[1:]
        a.do('select i from st')
        two.hop()
        assert shown(a, 'show warnings') == []


# --- trackers
def test_trackers_are_what_the_client_asked_for(two):
    a, b = two.a, two.b
    a.do("set session_track_transaction_info = 'CHARACTERISTICS', session_track_system_variables = 'wait_timeout'")
    two.hop()
    assert [t for t in a.all('set wait_timeout = 99')[0].trackers if t[0] == 'var'] == [('var', 'wait_timeout', '99')]
    assert ('characteristics', 'START TRANSACTION;') in a.all('begin')[0].trackers
    a.do('commit')
    assert b.all('set wait_timeout = 98')[0].trackers == []
    a.do('set session_track_schema = 0')
    two.hop()
    assert [t for t in a.all('use app2')[0].trackers if t[0] == 'schema'] == []
    assert ('schema', 'app') in b.all('use app')[0].trackers
    assert a.error("set session_track_transaction_info = 'nonsense'").errno == 1231
    assert ('characteristics', 'START TRANSACTION;') in a.all('begin')[0].trackers


def test_reset_connection(two):
    a = two.a
    a.do("set @x = 1, wait_timeout = 77")
    s = a.prepare('select 1')
    two.hop()
    a.reset_connection()
    assert a.q('select @x, @@wait_timeout = 77, database()') == [[None, '0', 'app']]
    with pytest.raises(MyError) as e:
        a.execute(s, [])
    assert e.value.errno == 1243


@pytest.mark.parametrize('caps', [CLASSIC, CLASSIC | DEPRECATE_EOF, CLASSIC | SESSION_TRACK, MODERN, MODERN | QUERY_ATTRIBUTES],
                         ids=['classic', 'no eof', 'track', 'modern', 'attributes'])
def test_state_in_front_of_any_result(anymy, mypool, caps):
    two = Two(mypool(anymy, pool_size=1), caps=caps | MULTI_STATEMENTS)
    a = two.a
    a.do("set @x = 1, time_zone = '+01:00'")
    for text, n in (('select @x, @@time_zone', 1), ('select @x; select 2; do 1', 3), ('select @x from st where 0', 1),
                    ('insert into st (v) values (@@time_zone)', 1)):
        two.b.do("set @x = 2, time_zone = '+02:00'")
        out = a.all(text)
        assert len(out) == n
        if isinstance(out[0], ResultSet) and out[0].rows:
            assert out[0].rows[0][0] == b'1'
    assert a.one('select v from st') == '+01:00'
    two.hop()
    assert a.error('selec 1').errno == 1064
    two.hop()
    assert a.error('select nosuch from st').errno == 1054


def test_one_statement_at_a_time(two):
    """A client without CLIENT_MULTI_STATEMENTS cannot be made to run a second one."""
    c = two.wp.my(caps=MODERN)
    c.do("set @x = 1")
    two.hop()
    assert c.error("select 1; insert into st (v) values ('injected')").errno == 1064
    assert c.one('select @x') == '1'
    two.hop()
    assert c.one('select @x;') == '1'
    c.set_option(True)
    assert len(c.all('select 1; select 2')) == 2
    c.set_option(False)
    assert c.error('select 1; select 2').errno == 1064
    assert two.b.one("select count(*) from app.st") == '0'
