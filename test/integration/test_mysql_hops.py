"""A MySQL session that comes to another server connection, or back to one that it had: nothing of it is lost, and nothing of
what was there before is taken for its own."""
import time

import pytest

import rawmy as my
from servers import eventually

CAPS = my.MODERN | my.MULTI_STATEMENTS


@pytest.fixture
def pair(anymy, mypool):
    """Two clients of two server connections; begin and commit move them."""
    wp = mypool(anymy, default_pool_size=2, max_prepared_statements=2)
    anymy.query('drop table if exists app.hop')
    anymy.query('create table app.hop (id int auto_increment primary key, a varchar(50))')
    with wp.my(caps=CAPS) as a, wp.my(caps=CAPS) as b:
        a.wp = wp
        yield a, b
        a.bye()
        b.bye()


def test_last_insert_id_in_the_middle_of_a_transaction(pair):
    a, b = pair
    for _ in range(3):
        b.do('begin')
        b.one('select last_insert_id()')
        a.do("insert into hop (a) values ('x')")
        i = a.one('select last_insert_id()')
        b.do('commit')
        for c in (a, b, a):
            c.do('begin')
            c.q('select count(*) from hop')
            assert c.one('select last_insert_id()') == (i if c is a else '0')
            c.do('commit')


def test_what_is_left_on_a_connection_is_old_when_its_client_was_elsewhere(pair):
    """Two connections, and the client on each of them in turn, without anybody between."""
    a, b = pair
    ids = []
    for i in range(6):
        b.do('begin')
        ids.append(a.do("insert into hop (a) values ('x')").insert_id)
        assert a.one('select last_insert_id()') == str(ids[-1])
        with a.wp.my(caps=CAPS) as c:
            # a holds one connection while b's is free: then a gets that one
            c.do('begin') if i % 2 else None
            b.do('commit')
            assert a.one('select last_insert_id()') == str(ids[-1])
            try:
                assert a.one('select row_count()') == '-1'
            except my.MyError as e:
                assert e.errno == 1235
            c.bye()
        assert b.one('select last_insert_id()') == '0'


def test_a_reset_client_has_no_id(pair):
    a, b = pair
    for forget in (a.reset_connection, lambda: a.change_user('app', 'app', 'app')):
        a.do("insert into hop (a) values ('x')")
        assert a.one('select last_insert_id()') != '0'
        forget()
        assert a.one('select last_insert_id()') == '0'
        a.do('begin')
        a.do("insert into hop (a) values ('x')")
        forget()
        assert a.one('select last_insert_id()') == '0'


def forget_handles(a):
    """Two handles are kept on a connection."""
    for i in range(3):
        a.execute(a.prepare('select %d, ?' % i), [1])


CHANGES = [("set @x = 'new'", 'select @x'), ("select 'new' into @x", 'select @x'),
           ("set names utf8mb4 collate utf8mb4_bin", 'select @@collation_connection'),
           ("call hop_mode()", 'select @@sql_mode, @@time_zone'), ("do hop_f()", 'select @x')]


@pytest.mark.parametrize('do,ask', CHANGES, ids=[c[0] for c in CHANGES])
def test_preparing_again_takes_nothing_away(pair, anymy, do, ask):
    """A handle is made in the state of its PREPARE; what the session has done since, in this very transaction, stays."""
    a, b = pair
    for sql in ('drop procedure if exists hop_mode', 'drop function if exists hop_f',
                "create procedure hop_mode() begin set session sql_mode = 'ANSI'; set time_zone = '+02:00'; end",
                "create function hop_f() returns int begin set @x = 'new'; return 1; end"):
        anymy.query(sql, database='app')
    with my.RawMy(anymy.port) as r:
        r.login(caps=CAPS)
        r.do("set names latin1")
        r.do("set @x = 'old'")
        r.do(do)
        want = r.q(ask)
    a.do("set names latin1")
    a.do("set @x = 'old'")
    s = a.prepare('select ?, @x')
    t = a.prepare('select ?')
    a.do('set @other = 1')
    a.do('begin')
    a.q('select count(*) from hop')
    forget_handles(a)
    a.do(do)
    for stmt in (s, t):
        a.execute(stmt, ['p'])
        forget_handles(a)
        assert a.q(ask) == want
    a.do('commit')
    a.execute(s, ['p'])
    b.q('select 1')
    assert a.q(ask) == want


CONDITIONAL = ['update hop set a = last_insert_id(5) where id < 0', "load data local infile 'f' into table hop_log",
               'insert into hop_log select last_insert_id(9) from hop where id < 0']


@pytest.mark.parametrize('sql', CONDITIONAL)
def test_an_id_that_a_statement_might_have_set(anymy, mypool, sql):
    wp = mypool(anymy, default_pool_size=1)
    for s in ('drop table if exists hop, hop_log', 'create table hop (id int auto_increment primary key, a varchar(50))',
              'create table hop_log (a varchar(50))'):
        anymy.query(s, database='app')
    with wp.my(caps=CAPS | my.LOCAL_FILES) as a, wp.my(caps=CAPS | my.LOCAL_FILES) as b:
        a.local_files['f'] = b'x\n'
        for _ in range(2):
            i = a.do("insert into hop (a) values ('x')").insert_id
            assert a.one('select last_insert_id()') == str(i)
            assert b.one('select last_insert_id()') == '0'
            b.q('select 1')
            a.do(sql)
            b.q('select 1')
            assert a.one('select last_insert_id()') == str(i)


def test_an_acknowledged_kill_query_is_over(pair):
    """What its victim runs afterwards is not hit."""
    a, b = pair
    a.do('begin')
    for _ in range(100):
        a.command(my.query('select sleep(0.005)'))
        time.sleep(0.004)
        b.do('kill query %d' % a.greeting.id)
        a.results()
        assert a.one('select benchmark(100000, 1 + 1)') == '0'


def test_errors_of_what_nobody_understands(pair):
    a, _ = pair
    assert a.error('selec').errno == 1064
    assert a.q('show errors')[0][1] == '1064'


@pytest.mark.parametrize('workers', [2], indirect=True)
def test_kill_finds_its_victim_on_any_worker(anymy, mypool, workers):
    wp = mypool(anymy, default_pool_size=4)
    clients = [wp.my(caps=CAPS) for _ in range(8)]
    for c in clients:
        with wp.my(caps=CAPS) as other:
            c.command(my.query('select sleep(20)'))
            eventually(lambda: anymy.query("select 1 from information_schema.processlist where info like 'select sleep%%'"))
            other.do('kill query %d' % c.greeting.id)
            c.results()
            assert c.one('select 1') == '1'
            other.bye()
    for c in clients:
        c.bye()


def test_the_status_behind_an_error_is_the_clients_own(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=CAPS) as a, wp.my(caps=CAPS) as b:
        for _ in range(2):
            b.all("set autocommit = 0, sql_mode = 'ANSI'")
            a.error('select * from nowhere')
            b.all('select 1')
            assert a.ping().status & my.AUTOCOMMIT
            assert a.do('select @@error_count').status & my.AUTOCOMMIT
