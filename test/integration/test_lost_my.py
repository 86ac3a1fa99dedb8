"""What a client sees when the server of its request or transaction is lost (MySQL, MariaDB, in a cluster): an error, and a session
that goes on. The server is killed and started again: the cluster has one node, so that nothing else happens."""
import subprocess

import pymysql
import pytest

import rawmy as my
from mysql_servers import MyServer
from rawmy import Closed, MyError
from proxy import Proxy
from servers import end_servers, eventually, in_thread, new_folder
from weir import Weirpool

class Shears(Proxy):
    """Cuts a connection when it is to carry that."""

    def __init__(self, port, marker):
        self.marker = marker
        self.cuts = 0
        super().__init__(port)

    def pump(self, a, b, answers=False):
        outer, cut = self, b

        class Watched:
            def recv(self, n):
                data = a.recv(n)
                if outer.marker in data:
                    outer.cuts += 1
                    cut.close()
                    return b''
                return data

            def __getattr__(self, name):
                return getattr(a, name)
        super().pump(Watched(), b, answers)


KINDS = ['mysql97', pytest.param('maria1011', marks=pytest.mark.slow), pytest.param('maria118', marks=pytest.mark.slow)]


@pytest.fixture(params=KINDS, scope='module')
def server(base, request):
    s = MyServer(new_folder(base, 'lost-'), request.param, 'n0', server_id=1).create()
    s.query('create table app.t (v varchar(20))')
    yield s
    end_servers(s)


@pytest.fixture
def wp(server, base, binary, request):
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main'), 'cut': dict(cluster='main', dbname='app', lost_tx_sqlstate='08006', pool_size=3),
                                                   'late': dict(cluster='main', dbname='app', defer_begin=1)},
                 userlist=dict(app='app', admin='admin'), default_pool_size=2,
                 clusters={'main': dict(host='127.0.0.1', port=server.port, protocol='mysql', probe_user='super', probe_password='super')})
    request.node.weirpools = [w]
    ready(w)
    yield w
    w.stop()


def ready(w):
    eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] == 'open')


def lose(server, w):
    """The server is gone, and there again."""
    server.kill9()
    server.start()
    ready(w)


def rows(server, v):
    return server.query('select count(*) from app.t where v = %s', v)[0][0]


def busy(server, what):
    eventually(lambda: server.query("select count(*) from information_schema.processlist where info like %s and id <> connection_id()",
                                    '%' + what + '%')[0][0])


LOST, UNKNOWN = (1213, '40001'), (1158, '08007')


def code(e):
    assert isinstance(e, MyError), e
    return e.errno, e.sqlstate


def test_idle_in_a_transaction(server, wp):
    with wp.my() as r:
        r.do('begin')
        r.do("insert into t values ('idle')")
        lose(server, wp)
        r.ping()
        e = r.error("insert into t values ('idle')")
        assert code(e) == LOST and 'was lost' in str(e)
        assert r.q('show warnings')[0][1] == '1213'
        assert not r.do("insert into t values ('again')").status & my.IN_TRANS
    assert rows(server, 'idle') == 0 and rows(server, 'again') == 1


def test_offline_mode(server, wp):
    """3032: the server ends all connections but those of administrators, the probe's among them, and lets nobody in. That is trouble, and
    no change of the primary: writes and logins wait for it."""
    if server.family != 'mysql':
        pytest.skip('MySQL only')
    with wp.my() as idle, wp.my() as begun, wp.my() as busy_one:
        idle.do("insert into t values ('online')")
        begun.do('begin')
        begun.do("insert into t values ('offline')")
        join = in_thread(lambda: busy_one.do("insert into t select 'offline' from (select sleep(61)) x"))
        busy(server, 'sleep(61)')
        server.query('set global offline_mode = on')
        try:
            assert code(join()) == UNKNOWN
            assert code(begun.error("insert into t values ('offline')")) == LOST
            held, late = in_thread(lambda: idle.do("insert into t values ('waited')")), in_thread(lambda: wp.my().do("insert into t values ('waited')"))
            wp.wait_log('it is not ready: The server is currently in offline mode')
            eventually(lambda: wp.pool()['cl_waiting'] == 2)
        finally:
            server.query('set global offline_mode = off')
        assert (held(), late()) == (None, None)
    assert rows(server, 'offline') == 0 and rows(server, 'waited') == 2


def test_the_sqlstate_is_chosen(server, wp):
    """lost_tx_sqlstate = 08006: whichever way the client hears of it."""
    with wp.my(db='cut') as idle, wp.my(db='cut') as busy_one, pymysql.connect(
            host='127.0.0.1', port=wp.mysql_port, user='app', password='app', database='cut') as real:
        for c in idle, busy_one:
            c.do('begin')
            c.do("insert into t values ('cut')")
        real.cursor().execute("insert into t values ('cut')")  # not committed
        join = in_thread(lambda: busy_one.do("insert into t select 'cut' from (select sleep(62)) x"))
        busy(server, 'sleep(62)')
        lose(server, wp)
        assert code(join()) == code(idle.error('commit')) == (1184, '08006')
        with pytest.raises(pymysql.err.OperationalError) as e:
            real.commit()
        assert e.value.args[0] == 1184
        for c in idle, busy_one:
            assert c.one('select 1') == '1'
        real.cursor().execute('select 1')
    assert rows(server, 'cut') == 0


@pytest.mark.parametrize('end', ['rollback', 'ROLLBACK;'])
def test_idle_in_a_transaction_that_is_rolled_back(server, wp, end):
    with wp.my() as r:
        r.do('begin')
        r.do("insert into t values ('rolled')")
        lose(server, wp)
        assert not r.do(end).status & my.IN_TRANS
        r.do("insert into t values ('back')")
    assert rows(server, 'rolled') == 0 and rows(server, 'back') >= 1


def test_a_commit_of_what_is_lost(server, wp):
    with wp.my() as r:
        r.do('set autocommit = 0')
        r.do("insert into t values ('commit')")
        lose(server, wp)
        assert code(r.error('commit')) == LOST
        r.do("insert into t values ('later')")
        r.do('commit')
        assert r.one('select @@autocommit') == '0'
    assert rows(server, 'commit') == 0 and rows(server, 'later') == 1


def test_in_the_middle_of_a_transaction(server, wp):
    with wp.my() as r:
        r.do('begin')
        r.do("insert into t values ('middle')")
        join = in_thread(lambda: r.do("insert into t select 'middle' from (select sleep(61)) x"))
        busy(server, 'sleep(61)')
        lose(server, wp)
        assert code(join()) == LOST
        r.do("insert into t values ('middle 2')")
    assert rows(server, 'middle') == 0 and rows(server, 'middle 2') == 1


def test_a_write_alone(server, wp):
    with wp.my() as r:
        join = in_thread(lambda: r.do("insert into t select 'alone' from (select sleep(62)) x"))
        busy(server, 'sleep(62)')
        lose(server, wp)
        assert code(join()) == UNKNOWN
        assert r.q('show warnings')[0][1] == '1158'
        r.do("insert into t values ('alone 2')")
    assert rows(server, 'alone') == 0 and rows(server, 'alone 2') == 1


def test_what_a_real_client_says(server, wp):
    """The client libraries of MariaDB do not believe a server that uses their own numbers."""
    p = subprocess.Popen(['mariadb', '-h', '127.0.0.1', '-P', str(wp.mysql_port), '-u', 'app', '-papp', 'app', '-e',
                          "insert into t select 'cli' from (select sleep(64)) x"], stderr=subprocess.PIPE, text=True)
    busy(server, 'sleep(64)')
    lose(server, wp)
    said = p.communicate(timeout=120)[1]
    assert 'ERROR 1158 (08007)' in said and 'may or may not have been applied' in said, said


def test_what_may_have_ended_its_transaction(server, wp):
    """CALL may hold a COMMIT: nobody knows."""
    server.query('drop procedure if exists app.slow')
    server.query('create procedure app.slow() begin insert into t values ("called"); commit; do sleep(63); end')
    with wp.my() as r:
        r.do('begin')
        join = in_thread(lambda: r.do('call slow()'))
        busy(server, 'sleep(63)')
        lose(server, wp)
        assert code(join()) == UNKNOWN
        assert r.one('select 1') == '1'
    assert rows(server, 'called') == 1


def test_a_transaction_that_has_only_begun(server, wp):
    """defer_begin: it is on no server, so nothing of it can be lost before its first statement."""
    with wp.my(db='late') as r, wp.my(db='late') as x:
        s = r.prepare('insert into t values (?)')
        for c in r, x:
            assert c.do('begin').status & my.IN_TRANS
        lose(server, wp)
        assert r.ping().status & my.IN_TRANS
        assert r.execute(s, [my.P('begun')]).status & my.IN_TRANS
        assert rows(server, 'begun') == 0
        r.do('commit')
        assert rows(server, 'begun') == 1
        join = in_thread(lambda: x.do("insert into t select 'begun 2' from (select sleep(65)) x"))
        busy(server, 'sleep(65)')
        r.do('begin')
        lose(server, wp)
        assert code(join()) == LOST     # not unknown: there was no COMMIT
        assert not x.do("insert into t values ('begun 3')").status & my.IN_TRANS
        r.execute(s, [my.P('begun 4')])
        assert not r.do('rollback').status & my.IN_TRANS
    assert [rows(server, v) for v in ('begun 2', 'begun 3', 'begun 4')] == [0, 1, 0]


def test_a_first_statement_that_finds_no_server(server, base, binary, request):
    """It has failed, and its transaction is still to begin, as the client takes it: what follows is rolled back."""
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'), defer_begin=1,
                 clusters={'main': dict(host='127.0.0.1', port=server.port, protocol='mysql', probe_user='super', probe_password='super',
                                        hold_timeout=1)})
    request.node.weirpools = [w]
    try:
        ready(w)
        with w.my() as r:
            s = r.prepare('insert into t values (?)')
            r.do('begin')
            server.kill9()
            assert r.error("insert into t values ('finds none')").errno == 1290
            with pytest.raises(MyError) as e:
                r.execute(s, [my.P('finds none')])
            assert e.value.errno == 1290 and r.ping().status & my.IN_TRANS
            server.start()
            ready(w)
            assert r.do("insert into t values ('finds none')").status & my.IN_TRANS
            r.do('rollback')
        assert rows(server, 'finds none') == 0
    finally:
        w.stop()


def test_prepared_statements_and_settings_stay(server, wp):
    with wp.my() as r:
        r.do("set @a = 'kept', sql_mode = 'ANSI_QUOTES'")
        st = r.prepare('insert into t values (?)')
        r.do('begin')
        r.execute(st, [my.P('prepared')])
        lose(server, wp)
        with pytest.raises(MyError) as e:
            r.execute(st, [my.P('prepared')])
        assert code(e.value) == LOST
        r.execute(st, [my.P('prepared 2')])
        assert r.q('select @a, @@sql_mode') == [['kept', 'ANSI_QUOTES']]
    assert rows(server, 'prepared') == 0 and rows(server, 'prepared 2') == 1


@pytest.mark.parametrize('state', ['create temporary table gone (a int)', "do get_lock('x', 0)"])
def test_state_that_is_gone_ends_the_session(server, wp, state):
    with wp.my() as r:
        r.do(state)
        lose(server, wp)
        with pytest.raises((MyError, my.Closed)):
            r.do('do 1')
        with pytest.raises((my.Closed, OSError)):
            r.do('do 1')


@pytest.mark.parametrize('sql,marker', [('set @lost_and_gone = 7', b'@`lost_and_gone`'), ('set names latin1', b'SELECT @@collation_connection'),
                                        ('set role none', b'CURRENT_ROLE()')])
def test_state_that_nobody_told_any_more(server, base, binary, request, sql, marker):
    """The server is lost when it is asked what a statement that it said OK to has set: the session may not go on without."""
    shears = Shears(server.port, b'nothing like this')
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'), default_pool_size=2,
                 clusters={'main': dict(host='127.0.0.1', port=shears.port, protocol='mysql', probe_user='super', probe_password='super')})
    request.node.weirpools = [w]
    try:
        ready(w)
        with w.my() as a:
            a.do('select 1')
            shears.marker = marker
            a.do(sql)
            eventually(lambda: shears.cuts)
            shears.marker = b'nothing like this'
            with pytest.raises((Closed, MyError, OSError)):
                a.q('select @lost_and_gone')
    finally:
        w.stop()
        shears.close()
