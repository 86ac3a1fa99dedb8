"""UPGRADE with MySQL's clients that keep their server connection, by session pooling or by what they have there: it goes over with
them, and is closed when they let it go."""
import time

import pytest
import rawmy
from rawmy import LONG_DATA, MyError, P
from servers import eventually
from test_cluster_my import cluster, wp  # noqa: F401
from test_upgrade_my import TWO_WORKERS, Load, by_unix, check_load, id_of, in_background, on, sleeps, stay, told, upgradable  # noqa: F401
from upgrading import ended, moved, state, upgrade


def at_server(c):
    """Its connection's id there."""
    return int(c.one('select connection_id() + 0'))


def is_there(server, *ids):
    return [server.query('select count(*) from information_schema.processlist where id = %d' % i)[0][0] for i in ids]


def closed(server, *ids):
    eventually(lambda: is_there(server, *ids) == [0] * len(ids))


class Keeper:
    """A client that leaves behind what there is, and looks for it."""

    def __init__(self, c, i):
        self.c, self.i = c, i
        self.table = 'kept%d' % i
        c.do('drop table if exists ' + self.table)
        c.do('create table %s (id int auto_increment primary key, v varchar(20), unique (v))' % self.table)
        c.do('create temporary table mine (a int)')
        c.do('insert into mine values (%d)' % i)
        assert c.one("select get_lock('kept%d', 0)" % i) == '1'
        c.do('set names latin1')
        c.do("set @n = %d, @s = _latin1 x'e4', @d = 1.5, @long = repeat('x', 100000)" % (40 + i))
        c.do("set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES', innodb_lock_wait_timeout = %d" % (60 + i))
        c.do("set session_track_system_variables = 'time_zone'")
        c.do("prepare p from 'select ? + @n'")
        c.init_db('app2')
        c.init_db('app')
        gone, self.total, self.ins = c.prepare('select 0'), c.prepare('select ? + @n'), c.prepare('insert into %s (v) values (?)' % self.table)
        c.close_stmt(gone)
        assert float(c.execute(self.total, [2]).rows[0][0]) == 42 + i
        self.numbers, self.turn = c.prepare('select 1 union select 2 union select 3'), 0
        self.number, self.server = id_of(c), at_server(c)
        self.leave()

    def leave(self):
        """What the next statement looks back at."""
        self.turn += 1
        self.c.execute(self.ins, ['turn %d' % self.turn])
        self.id = self.c.one('select last_insert_id()')
        self.rows = self.c.execute(self.numbers, flags=1).columns
        assert len(self.c.fetch(self.numbers, 2, self.rows).rows) == 2
        with pytest.raises(MyError):
            self.c.execute(self.ins, ['turn %d' % self.turn])

    def check(self):
        c = self.c
        assert [r[1] for r in c.q('show errors')] == ['1062']
        assert c.one('select last_insert_id()') == self.id
        assert [r[0] for r in c.fetch(self.numbers, 5, self.rows).rows] == [3]
        assert float(c.execute(self.total, [2], bind=False).rows[0][0]) == 42 + self.i  # with the types of the execution before
        assert (id_of(c), at_server(c)) == (self.number, self.server)
        assert c.q('select a from mine') == [[str(self.i)]]
        assert c.one("select is_used_lock('kept%d')" % self.i) == str(self.server)
        assert c.q("select @n, hex(@s), @d, length(@long)") == [[str(40 + self.i), 'E4', '1.5', '100000']]
        assert c.q('select @@character_set_client, @@time_zone, @@innodb_lock_wait_timeout') == [['latin1', '+03:00', str(60 + self.i)]]
        assert c.one('select "v" from %s where v = \'turn %d\'' % (self.table, self.turn)) == 'turn %d' % self.turn  # ANSI_QUOTES: a column
        assert told(c, "set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'") == ['time_zone']
        c.do('set @two = 2')
        assert float(c.one('execute p using @two')) == 42 + self.i
        assert c.one('select database()') == 'app'
        assert c.prepare('select 1').id > self.ins.id
        c.ping()


@on('mysql97', 'maria118')
@TWO_WORKERS
def test_session_mode(upgradable, anymy):
    """Everything that a session has on its server connection is there in the new process, by TCP and by unix socket, twice in a row:
    it is the same connection. Nobody else gets it."""
    wp = upgradable(anymy, pool_mode='session')
    keepers = [Keeper(c, i) for i, c in enumerate((wp.my(), by_unix(wp)))]
    for _ in range(2):
        moved(wp, upgrade(wp))
        assert len(wp.admin("SHOW CLIENTS WHERE user = 'app'")) == len(wp.admin("SHOW SERVERS WHERE user = 'app'")) == 2
        for k in keepers:
            k.check()
            k.leave()
    for k in keepers:
        k.c.bye()
    with wp.my() as here:
        assert at_server(here) not in [k.server for k in keepers]
        closed(anymy, *(k.server for k in keepers))
        for k in keepers:
            here.do('drop table ' + k.table)


@on('mysql97', 'maria118')
@pytest.mark.parametrize('mode', ['session', 'transaction'])
def test_a_link_of_others_before_it(upgradable, anymy, mode):
    """It was cleaned when they left: that is over."""
    wp = upgradable(anymy, pool_mode=mode, default_pool_size=1)
    before = Keeper(wp.my(), 0)
    before.c.bye()
    k = Keeper(wp.my(), 1)
    assert k.server == before.server
    moved(wp, upgrade(wp))
    k.check()
    for i in 0, 1:
        k.c.do('drop table kept%d' % i)


@on('mysql97', 'maria118')
def test_transaction_mode_with_pins(upgradable, anymy):
    """What only a server connection has takes that along; when it is given back, the connection is closed, and the session goes on as
    any."""
    wp = upgradable(anymy, prepared_statement_bytes=1000)
    temp, lock, table, cursor, prepared, handler, big, long = clients = [wp.my() for _ in range(8)]
    direct = rawmy.RawMy(anymy.port)
    direct.login()
    direct.do('drop table if exists handled')
    direct.do('create table handled (a int primary key)')
    direct.do('insert into handled values (1), (2), (3)')
    for c in clients:
        c.do('set @a = 5')
    temp.do('create temporary table mine (a int auto_increment primary key)')
    assert lock.one("select get_lock('moving', 0)") == '1'
    table.do('lock tables handled read')
    st = cursor.prepare('select a from handled order by a')
    rs = cursor.execute(st, flags=1)
    assert len(cursor.fetch(st, 1, rs.columns).rows) == 1
    prepared.do("prepare p from 'select @a + ?'")
    handler.do('handler handled open')
    assert handler.q('handler handled read first') == [['1']]
    big.do("set @big = repeat('x', 100000)")
    text = long.prepare('select @a + ? /* %s */' % ('x' * 2000))  # it is not kept here: its handle is all there is
    assert float(long.execute(text, [2]).rows[0][0]) == 7
    for c in clients:  # what is not asked for while they keep it
        c.do('set @b = 6')
        c.do('set innodb_lock_wait_timeout = 33')
    temp.do('insert into mine values (7)')
    temp.do('insert into mine values (null)')
    level = wp.my()
    level.do('set transaction isolation level serializable')  # of the next one
    servers = [at_server(c) for c in clients]
    numbers = [id_of(c) for c in clients]
    moved(wp, upgrade(wp))
    assert [at_server(c) for c in clients] == servers
    level.do('begin')
    level.do('select * from handled')
    assert anymy.query('select trx_isolation_level from information_schema.innodb_trx where trx_mysql_thread_id = %d'
                       % at_server(level))[0][0] == 'SERIALIZABLE'
    level.do('rollback')
    assert [id_of(c) for c in clients] == numbers
    assert [c.one('select @a') for c in clients] == ['5'] * 8
    assert temp.q('select a from mine') == [['7'], ['8']]
    assert direct.one("select is_used_lock('moving')") == str(servers[1])
    writes = in_background(lambda: direct.do('insert into handled values (4)'))
    assert [r[0] for r in cursor.fetch(st, 5, rs.columns).rows] == [2, 3]
    assert float(prepared.one('execute p using @b')) == 11
    assert handler.q('handler handled read next') == [['2']]
    assert big.one('select length(@big)') == '100000'
    assert float(long.execute(text, [2], bind=False).rows[0][0]) == 7
    table.do('unlock tables')
    assert not isinstance(writes(), Exception)
    # what is over
    temp.do('drop temporary table mine')
    assert lock.one("select release_lock('moving')") == '1'
    cursor.close_stmt(st)
    assert cursor.one('select 1') == '1'
    prepared.do('deallocate prepare p')
    handler.do('handler handled close')
    for c in (big, long):
        c.reset_connection()
    closed(anymy, *servers)
    assert temp.one('select last_insert_id()') == '8'
    for c in (big, long):
        c.do('set @a = 5, @b = 6, innodb_lock_wait_timeout = 33')
    for c in clients:
        assert c.q('select @a, @b, @@innodb_lock_wait_timeout, (select count(*) from handled)') == [['5', '6', '33', '4']]
        assert at_server(c) not in servers
    moved(wp, upgrade(wp))
    assert [id_of(c) for c in clients] == numbers
    direct.do('drop table handled')


@on('mysql97')
def test_between_transactions(upgradable, anymy, certs):
    """In a transaction a session stays where it is, and goes over with its connection after COMMIT or ROLLBACK; so do long data, and what
    is half sent. TLS and compression do not move."""
    wp = upgradable(anymy, pool_mode='session', client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'),
                    client_tls_key_file=certs.key('server'))
    tls, packed = wp.my(tls=rawmy.tls_context()), wp.my(caps=rawmy.MODERN | rawmy.COMPRESS)
    tx, implicit, level, data, half, early = (wp.my() for _ in range(6))
    tx.do('drop table if exists between_tx')
    tx.do('create table between_tx (a int primary key)')
    tx.do('begin')
    tx.do('insert into between_tx values (1)')
    implicit.do('set autocommit = 0')
    implicit.do('insert into between_tx values (2)')
    level.do('set transaction isolation level serializable')  # of the next one
    st = data.prepare('select length(?)')
    data.long_data(st, 0, b'x' * 100)
    assert data.one('select 1') == '1'
    half.seq = 1
    sent = rawmy.frames(rawmy.query('select 77', caps=half.caps))
    assert half.one('select 1') == '1'
    half.seq = 1
    half.send_bytes(sent[:7])
    for c in (tls, packed):
        assert c.one('select 1') == '1'
    servers = [at_server(c) for c in (tx, implicit)]
    old = upgrade(wp)
    eventually(lambda: state(wp)['predecessor'].endswith(', 6 clients') and state(wp)['predecessor_busy'] == '2')
    for c, sql in ((tx, 'commit'), (implicit, 'rollback')):
        c.do(sql)
    assert data.execute(st, [LONG_DATA]).rows == [[100]]
    half.send_bytes(sent[7:])
    assert half.result().rows[0][0] == b'77'
    stay(wp, tls=1, compressed=1)
    assert [at_server(c) for c in (tx, implicit)] == servers
    assert tx.q('select a from between_tx') == [['1']]
    assert level.one('select @@transaction_isolation') != 'SERIALIZABLE'
    level.do('begin')
    level.do('select count(*) from between_tx')
    blocked = in_background(lambda: tx.do('insert into between_tx values (3)'))  # it has read that
    eventually(lambda: anymy.query("select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'")[0][0] == 1)
    level.do('commit')
    assert not isinstance(blocked(), Exception)
    assert implicit.one('select @@autocommit') == '0'
    assert early.one('select 1') == '1'
    tls.bye()
    packed.bye()
    ended(old)
    tx.do('drop table between_tx')


@on('maria118')
def test_tls_to_the_server(upgradable, anymy):
    """It is the old process's: the session stays there until it ends."""
    wp = upgradable(anymy, pool_mode='session', server_tls_sslmode='require')
    c = wp.my()
    c.do('create temporary table mine (a int)')
    server = at_server(c)
    old = upgrade(wp)
    stay(wp, pinned=1)
    assert c.q('select count(*) from mine') == [['0']]
    assert at_server(c) == server
    c.bye()
    ended(old)
    closed(anymy, server)


@on('mysql97')
def test_kill(upgradable, anymy):
    """A KILL finds the connection that has moved; who ends, whatever way, takes it along."""
    wp = upgradable(anymy, pool_mode='session')
    runs, killer, silent = (wp.my() for _ in range(3))
    numbers, servers = [id_of(c) for c in (runs, killer, silent)], [at_server(c) for c in (runs, killer, silent)]
    moved(wp, upgrade(wp))
    sleep = in_background(lambda: runs.one('select sleep(64)'))
    eventually(lambda: sleeps(anymy, 64))
    killer.do('kill query %d' % numbers[0])
    r = sleep()
    assert r == '1' or isinstance(r, MyError) and r.errno == 1317, r
    assert at_server(runs) == servers[0]
    killer.do('kill %d' % numbers[0])
    runs.expect_closed()
    silent.reset()
    closed(anymy, servers[0], servers[2])
    anymy.query('kill %d' % servers[1])
    killer.seq = 0
    killer.expect_error_and_close()
    with wp.my() as c:
        assert c.one('select 1') == '1'


@on('maria118')
def test_login_again(upgradable, anymy):
    """COM_RESET_CONNECTION resets the connection that came along, COM_CHANGE_USER lets it go."""
    wp = upgradable(anymy, pool_mode='session')
    changes, resets = wp.my(), wp.my()
    for c in (changes, resets):
        c.do('set @a = 1')
        c.do('create temporary table mine (a int)')
        c.prepare('select 1')
    servers = [at_server(c) for c in (changes, resets)]
    moved(wp, upgrade(wp))
    changes.change_user('app', 'app', 'app2')
    resets.reset_connection()
    assert resets.q('select @a, database()') == [[None, 'app']]
    assert at_server(resets) == servers[1]
    assert resets.execute(resets.prepare('select 5')).rows == [[5]]
    assert changes.q('select @a, database()') == [[None, 'app2']]
    assert at_server(changes) != servers[0]
    closed(anymy, servers[0])
    for c in (changes, resets):
        assert c.error('select * from mine').errno == 1146
    moved(wp, upgrade(wp))
    assert changes.q('select @a, database()') == [[None, 'app2']]


@on('maria118')
def test_the_pool_is_full(upgradable, anymy):
    """A connection that comes along counts in its pool: who waits gets its place when it is closed."""
    wp = upgradable(anymy, pool_mode='session', default_pool_size=2)
    a, b = wp.my(), wp.my()
    servers = [at_server(c) for c in (a, b)]
    moved(wp, upgrade(wp))
    assert [at_server(c) for c in (a, b)] == servers
    third = in_background(lambda: at_server(wp.my()))
    eventually(lambda: wp.pool()['cl_waiting'] in (1, '1'))
    assert anymy.connections('app') == 2
    a.bye()
    assert third() not in servers
    assert at_server(b) == servers[1]
    closed(anymy, servers[0])


@pytest.mark.slow
def test_in_a_cluster(cluster, wp):
    """On the primary and on a replica, as soon as the new process knows them for these; after the move, the end of its server is the
    end of a connection as ever."""
    writes, reads = wp.my(), wp.my(db='ro')
    eventually(lambda: reads.one('select @@port') == str(cluster.nodes[1].port))
    writes.do('create temporary table mine (a int)')
    assert reads.one("select get_lock('read', 0)") == '1'
    servers = at_server(writes), at_server(reads)
    moved(wp, upgrade(wp))
    assert (at_server(writes), at_server(reads)) == servers
    writes.do("insert into app.t (v) values ('moved')")
    assert writes.q('select count(*), @@port from mine') == [['0', str(cluster.nodes[0].port)]]
    assert reads.q("select is_used_lock('read'), @@port") == [[str(servers[1]), str(cluster.nodes[1].port)]]
    assert cluster.nodes[0].query("select v from app.t") == (('moved',),)
    cluster.nodes[1].stop()
    reads.expect_closed()
    writes.do('drop temporary table mine')
    closed(cluster.nodes[0], servers[0])


class Keepers(Load):
    """Clients that keep their server connection all along, and what they have there."""

    def clients(self):
        return [self.visits] * 2 + [self.keeper] * 4 + [self.driver]

    def keeper(self, i):
        with self.wp.my() as c:
            c.do('create temporary table mine (a int)')
            assert c.one("select get_lock('keeper %d', 0)" % i) == '1'
            server = at_server(c)
            st, temp = c.prepare('insert into %s values (?)' % self.table), c.prepare('insert into mine values (?)')
            n = 0
            while not self.ending.is_set():
                if i % 2:
                    c.do('begin')
                c.execute(temp, [i])
                c.execute(st, [P(i, rawmy.T_LONG)])
                if i % 2:
                    c.do('commit')
                self.did(i)
                n += 1
                assert c.q("select count(*), connection_id() + 0, is_used_lock('keeper %d') from mine" % i) == [[str(n), str(server), str(server)]]
                time.sleep(0.002)


@on('mysql97', 'maria118')
def test_under_load(upgradable, anymy):
    """Sessions with temporary tables, locks and handles of their own write while the process is replaced: none fails, nothing is lost or
    done twice, and each stays on its connection."""
    check_load(upgradable(anymy, pool_mode='session', workers=2), anymy, 2, Keepers)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('kind, mode', [('mysql97', 'session'), ('maria118', 'transaction')])
def test_100_times_under_load(upgradable, request, kind, mode):
    server = request.getfixturevalue(kind)
    check_load(upgradable(server, pool_mode=mode, workers=2), server, 100, Keepers)
