"""UPGRADE with MySQL's clients: what a session has set, prepared and is told goes over with it."""
import signal
import threading
import time
import uuid

import pymysql
import pytest
import rawmy
import rawpg
from rawmy import P, MyError
from servers import eventually
from upgrading import Clients, alone, ended, moved, state, upgrade


def on(*now):
    """The kinds of servers that a test runs with by default; the others as well with ./check --slow."""
    return pytest.mark.parametrize('anymy', [pytest.param(k, marks=[] if k in now else [pytest.mark.slow])
                                             for k in ('mysql97', 'maria1011', 'maria118')], indirect=True)


TWO_WORKERS = pytest.mark.parametrize('workers', [pytest.param(1, marks=pytest.mark.slow), 2], indirect=True)


@pytest.fixture
def upgradable(weirpool):
    """weirpool(server, ...) with a socket for MySQL's clients."""
    def start(server, **kw):
        kw.setdefault('pool_mode', 'transaction')
        return weirpool(server, mysql_unix_socket='@weirpool-%s' % uuid.uuid4(), **kw)
    return start


def by_unix(wp):
    c = rawmy.RawMy(0, unix='\0' + wp.options['mysql_unix_socket'][1:])
    c.login('app', 'app', 'app')
    return c


def id_of(c):
    return int(c.one('select connection_id()'))


def told(c, sql):
    """The variables of which the client hears that they have changed."""
    return [name for name, _ in c.all(sql)[0].tracked('var')]


def stay(wp, **why):
    """The old process's clients, by reasons: all of them, and as many."""
    def seen():
        s = state(wp)
        got = {k[12:]: int(v) for k, v in s.items() if k.startswith('predecessor_')}
        return got == why and s['predecessor'].endswith(', %d clients' % sum(why.values()))
    eventually(seen)


@TWO_WORKERS
def test_idle_sessions_move(upgradable, anymy):
    """What a session has set, prepared and left behind is there in the new process, by TCP and by unix socket, twice in a row."""
    wp = upgradable(anymy)
    clients = wp.my(), by_unix(wp)
    known = []
    for i, c in enumerate(clients):
        c.do('drop table if exists moving%d' % i)
        c.do('create table moving%d (id int auto_increment primary key, v varchar(20), unique (v))' % i)
        c.do('set names latin1')
        c.do("set @n = %d, @s = 'word', @d = 1.5, @nothing = null" % (40 + i))
        c.do("set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'")
        c.init_db('app2')
        c.init_db('app')
        gone, total, ins = c.prepare('select 0'), c.prepare('select ? + @n'), c.prepare('insert into moving%d (v) values (?)' % i)
        c.close_stmt(gone)
        assert float(c.execute(total, [2]).rows[0][0]) == 42 + i
        c.execute(ins, ['first'])
        assert c.one('select last_insert_id()') == '1'
        with pytest.raises(MyError):
            c.execute(ins, ['first'])
        known.append((id_of(c), total, ins))
    for turn in range(2):
        moved(wp, upgrade(wp))
        assert len(wp.admin("SHOW CLIENTS WHERE user = 'app'")) == 2
        for i, (c, (number, total, ins)) in enumerate(zip(clients, known)):
            assert float(c.execute(total, [2], bind=False).rows[0][0]) == 42 + i  # with the types of the execution before
            assert id_of(c) == number
            assert c.q('select @n, @s, @d, @nothing') == [[str(40 + i), 'word', '1.5', None]]
            assert c.q('select @@character_set_client, @@time_zone') == [['latin1', '+03:00']]
            assert c.one('select "v" from moving%d where id = 1' % i) == 'first'  # ANSI_QUOTES: a column
            assert c.one('select database()') == 'app'
            assert c.one('select last_insert_id()') == str(1 + 2 * turn)
            c.execute(ins, [P('turn %d' % turn)])
            assert c.one('select v from moving%d where id = last_insert_id()' % i) == 'turn %d' % turn
            assert c.prepare('select 1').id > ins.id
    for i, c in enumerate(clients):
        assert c.one('select count(*) from moving%d' % i) == '3'
        c.do('drop table moving%d' % i)


@on('maria118')
def test_what_is_answered_without_the_server(upgradable, anymy):
    """Warnings, errors and counts of the last statement: asked for after the move, they are those of the one before."""
    wp = upgradable(anymy, default_pool_size=1)
    warned, failed, counted, found = wp.my(), wp.my(), wp.my(), wp.my()
    direct = rawmy.RawMy(anymy.port)
    direct.login('app', 'app', 'app')
    warned.do('drop table if exists counted')
    warned.do('create table counted (a int)')
    same = {}
    for c, sql, ask in ((warned, "select cast('x1' as signed)", 'show warnings'), (failed, 'select nothing', 'show errors'),
                        (counted, 'insert into counted values (1), (2), (3)', 'select row_count()'),
                        (found, 'select 1 union select 2', 'select found_rows()')):
        for x in (direct, c):
            x.all(sql)
        same[c] = ask, direct.q(ask)
    moved(wp, upgrade(wp))
    for c, (ask, said) in same.items():
        assert said and c.q(ask) == said, ask
    warned.do('drop table counted')


@on('mysql97')
def test_transactions_after_the_move(upgradable, anymy):
    """autocommit = 0, a level of isolation and what is to be tracked stay what they are; transactions begin and end as before."""
    wp = upgradable(anymy)
    c, other = wp.my(), wp.my()
    c.do('drop table if exists moved_tx')
    c.do('create table moved_tx (a int primary key)')
    c.do('set autocommit = 0')
    c.do('set session transaction isolation level serializable')
    c.do("set session_track_system_variables = 'time_zone'")
    ins = c.prepare('insert into moved_tx values (?)')
    c.execute(ins, [1])
    c.do('commit')
    moved(wp, upgrade(wp))
    c.execute(ins, [2])
    assert other.one('select count(*) from moved_tx') == '1'  # it is in a transaction
    c.do('rollback')
    c.execute(ins, [3])
    c.do('commit')
    assert other.q('select a from moved_tx order by a') == [['1'], ['3']]
    assert c.one('select @@autocommit') == '0'
    assert told(c, "set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'") == ['time_zone']
    assert 'SERIALIZABLE' in str(c.q("show variables like '%isolation'"))
    c.do('drop table moved_tx')


@on('mysql97')
def test_keys_of_statements_prepared_before_the_move(upgradable, anymy):
    wp = upgradable(anymy, default_pool_size=1)
    anymy.query('drop table if exists app.keys_moved')
    anymy.query('create table app.keys_moved (i int primary key auto_increment, v int)')
    with wp.my() as c:
        put = c.prepare('replace into keys_moved (i, v) values (?, 1)')
        moved(wp, upgrade(wp))
        c.do('begin')
        mine = c.all('insert into keys_moved (v) values (1)')[0].insert_id
        c.execute(put, [mine + 500])
        c.do('commit')
        assert c.one('select last_insert_id()') == str(mine)


@on('maria118')
def test_login_again_after_the_move(upgradable, anymy):
    """COM_CHANGE_USER proves itself over the scramble that the old process had sent; COM_RESET_CONNECTION resets."""
    wp = upgradable(anymy)
    changes, resets = wp.my(), wp.my()
    for c in (changes, resets):
        c.do('set @a = 1')
        c.prepare('select 1')
    number = id_of(changes)
    moved(wp, upgrade(wp))
    changes.change_user('app', 'app', 'app2')
    resets.reset_connection()
    assert changes.q('select @a, database()') == [[None, 'app2']]
    assert resets.q('select @a, database()') == [[None, 'app']]
    assert id_of(changes) == number
    assert changes.execute(changes.prepare('select 5')).rows == [[5]]
    moved(wp, upgrade(wp))
    assert changes.q('select @a, database()') == [[None, 'app2']]


@on('mysql97')
def test_what_does_not_move(upgradable, anymy, certs):
    """TLS, compression, a transaction, half a message: the old process goes on with them, says why, and what ends goes over then."""
    wp = upgradable(anymy, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'))
    tls, packed = wp.my(tls=rawmy.tls_context()), wp.my(caps=rawmy.MODERN | rawmy.COMPRESS)
    tx, half = wp.my(), wp.my()
    tx.do('begin')
    half.seq = 1
    data = rawmy.frames(rawmy.query('select 77', caps=half.caps))
    half.send_bytes(data[:7])
    assert [tx.one('select 1') for _ in range(3)]  # its worker has read the half, too
    old = upgrade(wp)
    stay(wp, busy=1, tls=1, compressed=1, unsettled=1)
    assert tls.one('select 1') == packed.one('select 1') == '1'
    half.send_bytes(data[7:])
    assert half.result().rows[0][0] == b'77'
    tx.do('commit')
    stay(wp, tls=1, compressed=1)
    for i, c in enumerate((tx, half)):
        assert c.one('select %d' % i) == str(i)
    tls.bye()
    packed.bye()
    moved(wp, old)
    assert 'clients that do not move yet: ' in wp.log()


@pytest.mark.parametrize('n, goes', [(30, True), pytest.param(60, False, marks=pytest.mark.slow)])
def test_large_sessions(upgradable, mysql97, pg15, n, goes):
    """Many prepared statements: what does not fit into a message stays, and works there."""
    wp = upgradable(pg15, mysql=mysql97, max_prepared_statements=100)
    my, pg = wp.my(db='myapp'), wp.raw()
    text = "select %%d, '%s'" % ('x' * 5000)
    statements = [my.prepare(text % i) for i in range(n)]
    for i in range(n):
        pg.send(rawpg.parse('s%d' % i, text % i) + rawpg.sync())
        assert not rawpg.errors(pg.until_ready())
    old = upgrade(wp)
    if goes:
        moved(wp, old)
    else:
        stay(wp, too_big=2)
    for i in (0, n // 2, n - 1):
        assert my.execute(statements[i]).rows[0][0] == i
        out = pg.send(rawpg.bind('', 's%d' % i, []) + rawpg.execute() + rawpg.sync()).until_ready()
        assert rawpg.rows(out)[0][0] == str(i)
    my.bye()
    pg.bye()
    if not goes:
        ended(old)


def in_background(fn):
    out = []

    def run():
        try:
            out.append(fn())
        except (MyError, rawmy.Closed, OSError) as e:
            out.append(e)
    t = threading.Thread(target=run, daemon=True)
    t.start()

    def join():
        t.join(60)
        assert out, 'it still runs'
        return out[0]
    return join


def sleeps(server, n):
    return server.query("select count(*) from information_schema.processlist where info = 'select sleep(%d)'" % n)[0][0] == 1


@on('maria118')
@TWO_WORKERS
def test_kill(upgradable, anymy):
    """A KILL reaches the session, in whichever process it and its killer are; and nobody else."""
    wp = upgradable(anymy)
    stays, killer, runs, moves = wp.my(), wp.my(), wp.my(), wp.my()
    numbers = {c: id_of(c) for c in (stays, killer, runs, moves)}
    killer.do('begin')
    stays.do('begin')
    old_sleep = in_background(lambda: runs.one('select sleep(61)'))
    eventually(lambda: sleeps(anymy, 61))
    old = upgrade(wp)
    stay(wp, busy=3)
    here = wp.my()
    # from the new process one of the old
    here.do('kill query %d' % numbers[runs])
    r = old_sleep()
    assert r == '1' or isinstance(r, MyError) and r.errno == 1317, r
    assert runs.one('select 1') == '1'  # and goes over
    assert here.error('kill %d' % 0x7ffffff).errno == 1094
    with wp.my('app2') as stranger:
        assert stranger.error('kill %d' % numbers[stays]).errno == 1095
    assert stays.one('select 2') == '2'
    here.do('kill %d' % numbers[stays])
    stays.expect_closed()
    stay(wp, busy=1)
    # from the old process one that has moved, and one of the new
    new_sleep = in_background(lambda: moves.one('select sleep(62)'))
    eventually(lambda: sleeps(anymy, 62))
    killer.do('kill query %d' % numbers[moves])
    r = new_sleep()
    assert r == '1' or isinstance(r, MyError) and r.errno == 1317, r
    killer.do('kill %d' % id_of(here))
    here.expect_closed()
    killer.do('commit')
    moved(wp, old)
    killer.do('kill %d' % numbers[moves])
    moves.expect_closed()
    assert killer.one('select 3') == '3'


def test_kill_without_the_other_process(upgradable, maria1011):
    """The old process dies: what it would have been asked is answered."""
    wp = upgradable(maria1011)
    stays = wp.my()
    number = id_of(stays)
    stays.do('begin')
    old = upgrade(wp)
    stay(wp, busy=1)
    old.send_signal(signal.SIGSTOP)
    c = wp.my()
    asked = in_background(lambda: c.error('kill %d' % number).errno)
    time.sleep(0.3)
    old.send_signal(signal.SIGKILL)
    assert asked() == 1094
    alone(wp)
    assert c.one('select 1') == '1'


class Load(Clients):
    def clients(self):
        return [self.visits] * 2 + [self.transactions] + [self.stayer] * 2 + [self.driver]

    def visits(self, i):
        with self.wp.my() as c:
            nonce = '%d-%d' % (i, self.connects)
            assert c.one("select '%s'" % nonce) == nonce
        self.connects += 1

    def transactions(self, i):
        with self.wp.my() as c:
            c.do('begin')
            c.do('insert into %s values (%d)' % (self.table, i))
            assert int(c.one('select count(*) from %s where who = %d' % (self.table, i))) == self.sums.get(i, 0) + 1
            c.do('commit')
            self.did(i)

    def stayer(self, i):
        """One connection for all the time, through every process: binary statements, variables, transactions."""
        with self.wp.my() as c:
            c.do("set @who = 'stayer %d'" % i)
            number = id_of(c)
            st = c.prepare('insert into %s values (?)' % self.table)
            ask = c.prepare('select @who, ?')
            while not self.ending.is_set():
                if i % 2:
                    c.do('begin')
                c.execute(st, [i])
                if i % 2:
                    c.do('commit')
                self.did(i)
                assert c.execute(ask, [P(7, rawmy.T_LONG)]).rows[0][0] in (b'stayer %d' % i, 'stayer %d' % i)
                assert id_of(c) == number
                time.sleep(0.002)

    def driver(self, i):
        """What people use."""
        with pymysql.connect(host='127.0.0.1', port=self.wp.mysql_port, user='app', password='app', database='app') as c, c.cursor() as k:
            k.execute('set @a = %s', (i,))
            c.commit()
            while not self.ending.is_set():
                k.execute('insert into %s values (@a)' % self.table)
                c.commit()
                self.did(i)
                c.ping(reconnect=False)


def check_load(wp, server, rounds, clients=Load):
    server.query('drop table if exists app.upgraded')
    server.query('create table app.upgraded (who int)')
    load = clients(wp, 'upgraded')
    try:
        for _ in range(rounds):
            before = dict(load.sums), load.connects
            eventually(lambda: load.failures or load.connects > before[1] + 5 and all(load.sums.get(i, 0) > before[0].get(i, 0)
                                                                                      for i in (2, 3, 4, 5)), 60)
            ended(upgrade(wp), 60)
            alone(wp)
    finally:
        load.stop()
    assert dict(server.query('select who, count(*) from app.upgraded group by who')) == load.sums
    assert state(wp)['generation'] == str(rounds + 1)


@on('mysql97', 'maria118')
@TWO_WORKERS
def test_under_load(upgradable, anymy):
    """Clients come, stay and go, with transactions and prepared statements, while the process is replaced: none fails, nothing is
    lost, and nothing is done twice."""
    check_load(upgradable(anymy), anymy, 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('kind', ['mysql97', 'maria118'])
def test_200_times_under_load(upgradable, request, kind):
    server = request.getfixturevalue(kind)
    check_load(upgradable(server, workers=2), server, 200)
