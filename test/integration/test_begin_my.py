"""defer_begin for MySQL and MariaDB: a BEGIN alone takes no connection, and is sent in front of what comes next."""
import itertools

import pymysql
import pytest

import rawmy as my
import test_mysql_diff as diff
from rawmy import MyError, P
from servers import eventually
from upgrading import ended, moved, upgrade

IN_TX, READ_ONLY = my.IN_TRANS, my.IN_TRANS_READONLY


@pytest.fixture
def wp(weirpool, anymy):
    at_once = dict(host='127.0.0.1', port=anymy.port, dbname='app', defer_begin=0)
    w = weirpool(anymy, pool_mode='transaction', default_pool_size=1, defer_begin=1,
                 mysql_databases={'at_once': at_once, 'session': dict(at_once, defer_begin=1, pool_mode='session')})
    anymy.query('drop table if exists app.deferred')
    anymy.query('create table app.deferred (v varchar(20)) engine=innodb')
    return w


def used(w):
    return [r for r in w.admin('SHOW SERVERS') if r['state'] == 'active']


def rows(server, v):
    return server.query('select count(*) from app.deferred where v = %s', v)[0][0]


def put(v):
    return "insert into deferred values ('%s')" % v


def test_it_takes_no_connection(wp, anymy):
    """The pool has one connection: three that have begun would wait for each other."""
    clients = [wp.my() for _ in range(3)]
    for c, begin, status in zip(clients, ('begin', 'START  TRANSACTION\nread write ;', 'start transaction READ ONLY'), (0, 0, READ_ONLY)):
        ok = c.do(begin)
        assert ok.status & (IN_TX | READ_ONLY) == IN_TX | status
        assert c.ping().status & IN_TX
    assert not used(wp)
    assert clients[0].do(put('one')).status & IN_TX
    assert len(used(wp)) == 1 and rows(anymy, 'one') == 0
    assert not clients[0].do('commit').status & IN_TX
    assert rows(anymy, 'one') == 1
    clients[1].do(put('two'))
    assert not clients[1].do('rollback').status & IN_TX
    assert rows(anymy, 'two') == 0
    assert clients[2].error(put('ro')).errno == 1792
    assert not clients[2].do('commit').status & IN_TX
    for end in 'commit work;', 'COMMIT', 'rollback', 'ROLLBACK WORK':
        assert clients[2].do('Begin Work').status & IN_TX
        assert not clients[2].do(end).status & (IN_TX | READ_ONLY)
        assert not clients[2].ping().status & IN_TX
    eventually(lambda: not used(wp))


def test_nothing_is_read_before_the_first_statement(anymy):
    """Why it may be deferred. This is the server alone: BEGIN makes no snapshot, and each statement has a time of its own."""
    with diff.connect(anymy.port, diff.MODERN) as a, diff.connect(anymy.port, diff.MODERN) as b:
        a.do('create table if not exists snap (a int) engine=innodb')
        a.do('delete from snap')
        for n, begin in enumerate(('begin', 'start transaction read only', 'start transaction read write')):
            a.do(begin)
            b.do('insert into snap values (1)')
            assert a.one('select count(*) from snap') == str(n + 1)
            b.do('do 1')
            a.do('commit')
        a.do('start transaction with consistent snapshot')
        b.do('insert into snap values (1)')
        assert a.one('select count(*) from snap') == '3'
        a.do('commit')
        a.do('begin')
        then = a.one('select utc_timestamp(6)')
        b.do('do sleep(0.01)')
        assert a.one('select utc_timestamp(6)') > then
        a.do('commit')
        a.do('drop table snap')


# --- the same bytes as without weirpool

def begins(r):
    """Each thing as the first in a transaction that was begun alone, and how it ends."""
    def tx(*sqls, begin='begin', end='rollback'):
        r.all(begin)
        for sql in sqls:
            r.all(sql)
        r.all(end)
        r.ping()
    r.all('create table b (id int auto_increment primary key, v varchar(20)) engine=innodb')
    r.all("insert into b (v) values ('there')")
    for begin in 'begin', 'start transaction', 'start transaction read write', 'start transaction read only', 'begin;', ' begin work ; ':
        tx(begin=begin)
        tx('select v from b', begin=begin, end='commit')
        tx("update b set v = 'x'", 'select v from b', begin=begin)
    r.all('start transaction with consistent snapshot')
    r.all('commit')
    r.all('start transaction read only, read write')
    r.all('begin transaction')
    r.all('begin /* a comment */')
    r.all('commit')
    r.all('commit')
    tx('begin', 'select 1')
    tx('begin', begin='start transaction read only')
    tx('start transaction read only', "insert into b (v) values ('no')")
    tx('selec 1', 'select 1', end='commit')
    tx('select * from nowhere', "insert into b (v) values ('kept')", end='commit')
    tx('', ';', '/* nothing */', 'select v from b order by id')
    tx('savepoint s', "insert into b (v) values ('s')", 'rollback to s', 'release savepoint s', end='commit')
    tx('rollback to nowhere')
    tx('create table b2 (a int)', end='commit')
    tx('drop table b2')
    tx("set transaction isolation level read committed", 'select 1')
    tx('set session transaction isolation level read committed', 'select 1')
    tx("set @x = 5, time_zone = '+02:00'", 'select @x, @@time_zone', end='rollback')
    tx('select @x, @@time_zone')
    tx('lock tables b write', "insert into b (v) values ('locked')", 'unlock tables', end='commit')
    tx('set autocommit = 0', "insert into b (v) values ('auto')", end='rollback')
    tx("insert into b (v) values ('auto')", 'set autocommit = 1', end='rollback')
    r.all('set autocommit = 0')
    tx("insert into b (v) values ('again')", 'begin', end='rollback')
    tx(end='commit')
    r.all('set autocommit = 1')
    tx("xa start 'weirpool_b'", end='rollback')
    tx('select v from b; select 2', "insert into b (v) values ('several'); select 3; commit", end='commit')
    tx('select 1; selec 2; select 3')
    tx('commit; select 1', end='commit')
    tx('select count(*) from b for update', end='commit and chain')
    tx('select 1', end='rollback and no chain no release')
    tx(end='commit and chain')
    tx(end='rollback')
    tx('set completion_type = chain', end='commit')
    r.all('rollback and no chain')
    tx(end='commit')
    r.all('rollback and no chain')
    r.all('set completion_type = default')
    tx(end='commit')
    r.all('select cast("x" as signed)')
    tx('show warnings', 'select row_count()')
    r.all("insert into b (v) values ('y'), ('z')")
    tx('select row_count()', 'select last_insert_id()')
    r.all('selec')
    tx(end='rollback')
    r.all('show warnings')
    r.all('select row_count()')
    tx('use app2', 'select database()', 'use app')
    r.all('set transaction read only')
    tx("insert into b (v) values ('once')")
    r.all('set session transaction read only')
    tx("insert into b (v) values ('ro')")
    r.all('set session transaction read write')
    tx('select v from b order by id', end='commit')


def begins_in_packets(r):
    """The same with other commands than texts."""
    r.all('create table bp (v varchar(20)) engine=innodb')
    ins, sel = r.prepare('insert into bp values (?)'), r.prepare('select count(*), ? from bp')
    for end in 'rollback', 'commit':
        r.all('begin')
        r.execute_all(ins, ['first'])
        r.execute_all(sel, [1])
        r.all(end)
        r.execute_all(sel, [1])
    r.all('start transaction read only')
    r.execute_all(ins, ['ro'])
    r.execute_all(sel, [2])
    r.all('commit')
    r.all('begin')
    diff.try_(r.execute, 99)
    diff.try_(r.prepare, 'selec')
    r.execute_all(r.prepare('insert into bp values (?)'), [P('second')])
    r.all('rollback')
    r.all('begin')
    r.close_stmt(sel)
    diff.try_(r.execute, sel, [1])
    r.long_data(ins, 0, b'long')
    r.execute_all(ins, [my.LONG_DATA])
    r.all('rollback')
    c = r.prepare('select * from bp')
    r.all('begin')
    out = r.execute(c, flags=1)
    r.fetch(c, 1, out.columns)
    r.fetch(c, 9, out.columns)
    r.all('rollback')
    r.all('begin')
    r.init_db('app2')
    r.all('select database()')
    r.init_db('app')
    r.all('rollback')
    r.all('begin')
    diff.try_(r.init_db, 'nowhere')
    r.all(put('x'))
    r.all('rollback')
    r.all('begin')
    diff.try_(r.field_list, 'bp')
    r.all('commit')
    r.all('begin')
    diff.try_(r.set_option, False)
    diff.try_(r.set_option, True)
    diff.try_(r.simple, my.COM_SLEEP)
    r.ping()
    r.all("insert into bp values ('third')")
    r.all('rollback')
    r.local_files['f'] = b'one\ntwo\n'
    r.all('begin')
    r.all("load data local infile 'f' into table bp")
    r.all('rollback')
    r.all('select * from bp')
    for size in 1000, 70000, 300000:    # in one command with it; too long for that; not looked at
        r.all('begin')
        r.all("insert into bp select left('%s', 5)" % ('x' * size))
        r.all('rollback')
    r.all('begin')
    r.reset_connection()
    r.all("insert into bp values ('reset')")
    r.all('rollback')
    r.all('select count(*) from bp')
    r.all('begin')
    r.reset_connection()
    r.ping()
    r.all('commit')
    r.all('start transaction read only')
    r.ping()


BY_DEFAULT = ('mysql97', 'modern', True), ('maria1011', 'modern', False), ('maria118', 'modern', True)


@pytest.mark.parametrize('anymy,mode,neighbour', [
    pytest.param(*x, marks=() if x in BY_DEFAULT else pytest.mark.slow)
    for x in itertools.product(diff.KINDS, ('modern', 'classic'), (False, True))], indirect=['anymy'])
def test_same_bytes(weirpool, anymy, mode, neighbour):
    w = weirpool(anymy, pool_mode='transaction', default_pool_size=1, defer_begin=1)
    diff.warm_up(anymy)
    caps = diff.offered(anymy, w, {**diff.MODES, **diff.MODES_OF[anymy.family]}[mode])
    with diff.Neighbour(w) as n:
        for f in begins, begins_in_packets:
            with diff.connect(anymy.port, caps) as r:
                direct = diff.transcript(f, r, anymy)
            with diff.connect(w.mysql_port, caps, diff.Disturbed) as r:
                r.neighbour = n if neighbour else None
                through = diff.transcript(f, r, anymy)
                r.bye()
            said = ['%d %s\n  directly %r\n  through  %r' % x for x in diff.differences(direct, through)]
            assert not said, '\n'.join(said)
        assert n.disturbed or not neighbour, 'the connection was never free'


# --- what goes to the server at once

def test_what_is_not_plain_goes_to_the_server(wp):
    with wp.my(caps=my.MODERN | my.MULTI_STATEMENTS) as r:
        for begin in 'start transaction with consistent snapshot', 'begin /* why */', '-- now\nbegin', 'begin; do 1':
            assert r.all(begin)[-1].status & IN_TX and used(wp), begin
            r.do('rollback')
            eventually(lambda: not used(wp))
        for set_it, back in (("set session_track_transaction_info = 'STATE'", 'set session_track_transaction_info = default'),
                             ("set session_track_state_change = 1", 'set session_track_state_change = default'),
                             ("set session transaction read only", 'set session transaction read write')):
            r.do(set_it)
            assert r.do('begin').status & IN_TX and used(wp), set_it
            r.do('rollback')
            r.do(back)
        assert r.do('begin').status & IN_TX and not used(wp)
        r.do('rollback')
        r.do('set transaction isolation level serializable')    # pins
        r.do('begin')
        assert used(wp)
        r.do('rollback')
    for name in 'at_once', 'session':
        with wp.my(db=name) as r:
            assert r.do('begin').status & IN_TX
            assert used(wp), name
            r.do('rollback')


def test_the_global_completion_type(weirpool, anymy):
    """COMMIT begins the next transaction: who has begun only is not told that it is over."""
    anymy.query("set global completion_type = 'CHAIN'")
    try:
        w = weirpool(anymy, pool_mode='transaction', default_pool_size=1, defer_begin=1)
        with w.my() as r:
            assert r.do('begin').status & IN_TX and not used(w)
            assert r.do('commit').status & IN_TX and used(w)
            r.do('rollback and no chain')
            r.do('set completion_type = 0')
            r.do('begin')
            assert not r.do('commit').status & IN_TX and not used(w)
    finally:
        anymy.query("set global completion_type = 'NO_CHAIN'")


# --- settings, leaving, drivers

def test_settings_are_those_of_the_session(wp):
    """What the session has set is set before the transaction begins: in the same command, or before that of a prepared statement."""
    with wp.my() as a, wp.my() as b:
        a.do("set time_zone = '+01:00', @who = 'a', sql_mode = 'ANSI_QUOTES'")
        a.do('set session transaction isolation level serializable')
        s = a.prepare('insert into deferred select concat(@who, @@time_zone)')
        for first in (lambda: a.execute(s), lambda: a.do('insert into deferred select concat(@who, @@time_zone)')):
            b.do("set time_zone = '+09:00', @who = 'b'")
            a.do('begin')
            b.do('do 1')
            first()
            assert a.q('select v from deferred for update') == [['a+01:00']]
            assert a.one('select @@%s' % ('transaction_isolation' if wp.server.kind != 'maria1011' else 'tx_isolation')) == 'SERIALIZABLE'
            a.do('rollback')
            assert b.one('select @who') == 'b'
        assert a.q('select v from deferred') == []


def test_who_leaves(wp, anymy):
    """RESET, CHANGE_USER and the end of the connection take it along: what follows is no transaction's."""
    with wp.my() as r:
        r.do('begin')
        assert not r.reset_connection().status & IN_TX
        r.do(put('reset'))
        r.do('begin')
        assert not r.change_user().status & IN_TX
        assert not r.ping().status & IN_TX
        r.do(put('changed'))
        r.do('begin')
        r.bye()
    r = wp.my()
    r.do('begin')
    r.reset()
    with wp.my() as r:
        r.do(put('next'))
    assert [rows(anymy, v) for v in ('reset', 'changed', 'next')] == [1, 1, 1]


def test_pipelines(wp, anymy):
    with wp.my() as r:
        sqls = 'begin', put('pipe'), 'rollback', 'begin', 'commit', 'begin', put('kept'), 'commit', 'begin'
        r.send_bytes(b''.join(my.frames(my.query(sql, None, r.caps)) for sql in sqls))
        said = []
        for _ in sqls:
            r.seq = 1
            said.append(r.ok().status & IN_TX)
        assert said == [1, 1, 0, 1, 0, 1, 1, 0, 1]
    assert rows(anymy, 'pipe') == 0 and rows(anymy, 'kept') == 1


def test_pymysql(wp, anymy):
    c = pymysql.connect(host='127.0.0.1', port=wp.mysql_port, user='app', password='app', database='app', autocommit=True)
    with c.cursor() as x:
        for v, end in ('py', c.rollback), ('py', c.commit):
            c.begin()
            x.execute('insert into deferred values (%s)', v)
            assert c.server_status & IN_TX
            end()
            assert not c.server_status & IN_TX
        c.begin()
        assert c.server_status & IN_TX and not used(wp)
        c.commit()
        c.begin()
        with pytest.raises(pymysql.err.ProgrammingError):
            x.execute('select * from nowhere')
        x.execute('insert into deferred values (%s)', 'error')
        c.rollback()
    c.close()
    assert rows(anymy, 'py') == 1 and rows(anymy, 'error') == 0


def test_a_begin_that_fails(wp, anymy):
    """Its error is that of the statement, which has not run, and neither has the transaction begun: it still is to."""
    with wp.my() as r:
        s = r.prepare('insert into deferred values (?)')
        r.do('set @ran = 0')
        anymy.query('set global read_only = 1')
        try:
            assert r.do('start transaction read write').status & IN_TX
            for _ in range(2):
                assert r.error('set @ran = 1').errno == 1290
                with pytest.raises(MyError) as e:
                    r.execute(s, ['fails'])
                assert e.value.errno == 1290
            assert r.ping().status & IN_TX
        finally:
            anymy.query('set global read_only = 0')
        assert r.one('select @ran') == '0'
        r.execute(s, ['fails'])
        assert not r.do('rollback').status & IN_TX
        r.do(put('after'))
    assert rows(anymy, 'fails') == 0 and rows(anymy, 'after') == 1


def test_nothing_that_was_left_to_it_is_another_ones(wp):
    """A statement that looks back at the BEGIN."""
    with wp.my() as a, wp.my() as b:
        for ask, answer in (('select row_count() + 0', '0'), ('select row_count()', '0'), ('select @@warning_count', '0')):
            b.do("select cast('x' as signed)")
            a.do('begin')
            assert a.one(ask) == answer, ask
            a.do('rollback')
        for ask in 'select found_rows() + 0', 'select @@warning_count + 0':
            b.do("select cast('x' as signed)")
            a.do('begin')
            assert a.error(ask).errno == 1235
            assert a.ping().status & IN_TX and a.one('select 1') == '1'
            a.do('rollback')


def test_warnings_are_never_another_ones(wp):
    """MariaDB keeps what is left of the statement before over one that uses no table, BEGIN among them: of a session that has
    the connection no more as well, whatever it did behind it."""
    with wp.my(db='at_once') as a, wp.my(db='at_once') as b:
        for bad in ["select cast('secret' as signed)"], ["select cast('secret' as signed)", 'set @a = 1'], ['select secret from nowhere']:
            for first in 'begin', 'do 1', 'select 1', 'use app':
                for sql in bad:
                    b.all(sql)
                a.do(first)
                assert a.q('show warnings') == [], (bad, first)
                a.do('rollback')
        with wp.my(db='at_once') as gone:
            gone.do("select cast('secret' as signed)")
        a.do('begin')
        assert a.q('show warnings') == []
        a.do('rollback')


def test_an_upgrade_waits_for_its_end(weirpool, mysql97):
    wp = weirpool(mysql97, pool_mode='transaction', defer_begin=1)
    mysql97.query('drop table if exists app.deferred')
    mysql97.query('create table app.deferred (v varchar(20)) engine=innodb')
    with wp.my() as r:
        r.do('begin')
        old = upgrade(wp)
        assert r.do(put('upgrade')).status & IN_TX
        assert rows(mysql97, 'upgrade') == 0
        r.do('commit')
        moved(wp, old)
        ended(old)
        assert rows(mysql97, 'upgrade') == 1
        assert r.do('begin').status & IN_TX and not used(wp)
        r.do(put('upgrade'))
        r.do('rollback')
    assert rows(mysql97, 'upgrade') == 1
