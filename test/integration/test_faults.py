"""A server that dies, restarts, freezes or is cut off: its clients learn it honestly, other pools do not notice, and
everything comes back by itself."""
import os
import random
import signal
import threading
import time

import pytest
import rawpg
from fakepg import FakeServer, error, reply_to_query
from proxy import Proxy
from rawpg import query
from servers import eventually

pytestmark = pytest.mark.both_workers


@pytest.fixture
def proxy(pg15):
    p = Proxy(pg15.port)
    yield p
    p.close()
    pg15.terminate_backends("query like '%pg_sleep(20)%' and state = 'active'")


def fatal(call):
    """The error that ends a query whose server is lost."""
    try:
        out = call()
        e = rawpg.errors(out)
        assert e, out
        return e[0]
    except rawpg.PgError as e:
        return e.fields
    except rawpg.Closed as e:
        assert rawpg.errors(e.messages), 'closed without a word'
        return rawpg.errors(e.messages)[0]


@pytest.fixture
def both(weirpool, victim, pg15):
    """Pools of the victim (database app) and of a healthy server (healthy)."""
    if not victim.alive():
        victim.start()
    wp = weirpool(victim, databases={'healthy': dict(host=pg15.host, port=pg15.port, dbname='app')}, default_pool_size=3,
                  query_wait_timeout=20, server_connect_timeout=15)
    yield wp
    victim.sigcont()
    if not victim.alive():
        victim.start()


def healthy(wp, n=5):
    """Nothing of what the other pool waits for, mostly without end, holds this one up."""
    for _ in range(n):
        t = time.monotonic()
        assert wp.usable(dbname='healthy')
        assert time.monotonic() - t < 10


def test_kill9_in_mid_query(both, victim):
    a = both.raw()
    a.send(query('select pg_sleep(30)'))
    eventually(lambda: victim.backends("query like '%pg_sleep%' and state = 'active'") == 1)
    victim.kill9()
    e = fatal(a.until_ready)
    assert e['C'] in ('08006', '57P01', '57P02') and e['S']
    healthy(both)
    victim.start()
    eventually(lambda: comes_back(both))


def comes_back(wp, dbname='app'):
    try:
        return wp.usable(dbname=dbname)
    except (rawpg.PgError, rawpg.Closed, TimeoutError):
        return False


def test_clients_wait_through_a_restart(both, victim):
    """Idle clients keep their connections; a query sent while the server is away waits for it."""
    clients = [both.raw() for _ in range(5)]
    for c in clients:
        c.q('select 1')
    victim.stop()
    for c in clients[:3]:
        c.send(query("select 'after'"))
    time.sleep(1)
    healthy(both)
    victim.start()
    for c in clients[:3]:
        assert rawpg.rows(c.until_ready()) == [('after',)]
    for c in clients:
        assert c.one("select 'still here'") == 'still here'


def test_new_login_waits_through_a_restart(both, victim):
    both.usable()
    victim.stop()
    r = both.bare(timeout=20)
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    threading.Timer(1.0, victim.start).start()
    r.authenticate('app', 'app')
    r.until_ready_or_error()
    assert r.one('select 1') == '1'


def test_idle_links_of_a_dead_server_are_noticed(both, victim):
    """Nobody gets a dead link: it is closed when it dies, not when it is used."""
    clients = [both.raw() for _ in range(3)]
    for c in clients:
        c.simple('begin')
    for c in clients:
        c.simple('commit')
    assert both.pool()['sv_idle'] == 3
    victim.terminate_backends("usename = 'app'")
    eventually(lambda: both.pool()['sv_idle'] == 0)
    for c in clients:
        assert c.one('select 1') == '1'


def test_loss_inside_a_transaction_is_told(both, victim):
    a, b = both.raw(), both.raw()
    a.simple('begin')
    b.q('select 1')
    victim.terminate_backends("state = 'idle in transaction'")
    e = fatal(lambda: a.simple('select 1'))
    assert e['C'] in ('57P01', '08006')
    assert b.one('select 1') == '1'


def test_lost_commit_is_never_reported_done(both, victim):
    """The server dies between receiving COMMIT and answering: an error, never a success and never a second try."""
    victim.query('drop table if exists lost; create table lost (a int); grant all on lost to app', dbname='app')
    for i in range(5):
        a = both.raw()
        a.simple('begin; insert into lost values (%d)' % i)
        links = {r['remote_pid'] for r in both.admin('SHOW SERVERS')}
        kill = threading.Timer(0.001 * i, lambda: victim.terminate_backends("usename = 'app' and datname = 'app'"))
        kill.start()
        try:
            out = a.simple('commit')
            ok = not rawpg.errors(out)
        except rawpg.Closed:
            ok = False
        kill.join()
        eventually(lambda: not links & {r['remote_pid'] for r in both.admin('SHOW SERVERS')})  # the next round's are others
        eventually(lambda: victim.backends("usename = 'app'") == 0)
        n = victim.query('select count(*) from lost where a = %d' % i, dbname='app')[0][0]
        assert n <= 1
        if ok:
            assert n == 1


def test_frozen_server_stalls_only_its_own(both, victim):
    a, b = both.raw(), both.raw()
    a.q('select 1')
    victim.sigstop()
    try:
        a.send(query("select 'thawed'"))
        healthy(both, 10)
        assert both.admin('SHOW POOLS')
    finally:
        victim.sigcont()
    assert rawpg.rows(a.until_ready()) == [('thawed',)]
    assert b.one('select 1') == '1'


def test_frozen_server_at_connect_is_bounded(weirpool, victim, pg15):
    """It accepts and says nothing: server_connect_timeout ends the try, query_wait_timeout the client's wait."""
    wp = weirpool(victim, server_connect_timeout=1, query_wait_timeout=3, server_login_retry=1,
                  databases={'healthy': dict(host=pg15.host, port=pg15.port, dbname='app')})
    victim.sigstop()
    try:
        t = time.monotonic()
        r = wp.bare(timeout=15)
        with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
            r.login()
            r.q('select 1')
        assert 2 < time.monotonic() - t < 14
        assert 'query_wait_timeout' in str(e.value)
        wp.wait_log(r'no login within server_connect_timeout \(1 s\); it took the connection and said nothing')
        healthy(wp)
    finally:
        victim.sigcont()
    eventually(lambda: comes_back(wp))


def test_query_timeout_frees_from_a_frozen_server(weirpool, victim):
    wp = weirpool(victim, query_timeout=1, query_wait_timeout=20)
    a = wp.raw()
    a.q('select 1')
    victim.sigstop()
    try:
        e = fatal(lambda: a.simple('select 1'))
        assert 'query_timeout' in str(e)
    finally:
        victim.sigcont()
    eventually(lambda: comes_back(wp))


@pytest.mark.parametrize('reset', [False, True], ids=['fin', 'rst'])
def test_cut_connections(weirpool, pg15, proxy, reset):
    wp = weirpool(databases={'app': dict(host='127.0.0.1', port=proxy.port, dbname='app'),
                             'healthy': dict(host=pg15.host, port=pg15.port, dbname='app')},
                  default_pool_size=4, query_wait_timeout=20)
    idle, busy, intx = wp.raw(), wp.raw(), wp.raw()
    idle.q('select 1')
    intx.simple('begin')
    busy.send(query('select pg_sleep(20)'))
    eventually(lambda: pg15.backends("query like '%pg_sleep(20)%' and state = 'active'") == 1)
    proxy.cut(reset)
    assert fatal(busy.until_ready)['C'] == '08006'
    assert fatal(lambda: intx.simple('select 1'))['C'] == '08006'
    assert idle.one('select 1') == '1'
    healthy(wp)
    assert wp.usable()


def test_connection_cut_in_mid_row(weirpool):
    """Half a DataRow and the end: the client gets an error or the end, never a made-up rest, and the daemon lives."""
    def handler(conn):
        conn.login()
        while True:
            kind, body = conn.read_msg()
            if kind == 'Q' and b'half' in body:
                conn.send(b'T\0\0\0\x1a\0\1x\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0' + b'D\0\0\1\0\0\1\0\0\0\xf6half')
                time.sleep(0.2)
                return
            if kind == 'Q':
                conn.send(reply_to_query(body, b'ok'))
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, server_check_query='')
        a = wp.raw()
        a.send(query('select half'))
        with pytest.raises(rawpg.Closed) as e:
            a.recv_until('Z')
        assert 'D' not in [m.type for m in e.value.messages]
        assert wp.raw().q('select 1') == [('ok',)]


def test_nobody_listens_then_somebody_does(weirpool, pg15):
    """Exponential back-off: the wait until a server that came is found is short, and connects are few."""
    proxy = Proxy(pg15.port)
    proxy.unlisten()
    wp = weirpool(databases={'app': dict(host='127.0.0.1', port=proxy.port, dbname='app')}, query_wait_timeout=20)
    r = wp.bare(timeout=20)
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    time.sleep(2)
    proxy.listen()
    t = time.monotonic()
    r.authenticate('app', 'app')
    r.until_ready_or_error()
    assert r.one('select 1') == '1'
    assert time.monotonic() - t < 15
    proxy.close()


def test_no_connect_storm_to_a_refusing_server(weirpool):
    """Twenty waiting clients and a server that turns everybody away: few tries per second, and all is told at the end."""
    def handler(conn):
        conn.read_startup()
        conn.send(error('53300', 'sorry, too many clients already', 'FATAL'))
        raise EOFError
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, query_wait_timeout=3, default_pool_size=10)
        clients = []
        for _ in range(20):
            c = wp.bare(timeout=20)
            c.send(rawpg.startup({'user': 'app', 'database': 'app'}))
            clients.append(c)
        seen = []

        def finish(c):
            try:
                c.authenticate('app', 'app')
                c.until_ready_or_error()
                c.q('select 1')
            except (rawpg.PgError, rawpg.Closed) as e:
                seen.append(str(e))
        ts = [threading.Thread(target=finish, args=(c,)) for c in clients]
        for t in ts:
            t.start()
        for t in ts:
            t.join(20)
        assert len(seen) == 20
        assert any('too many clients already' in s for s in seen), seen[0]
        assert fake.count <= 60, '%d connects in 3 s' % fake.count


def test_server_refuses_the_password(weirpool, pg15):
    """The server's own words reach the client, and whose login it was; the pool of others is not blocked."""
    wp = weirpool(pg15, databases={'bad': dict(host=pg15.host, port=pg15.port, dbname='app', user='app2', password='wrong')},
                  query_wait_timeout=3)
    with pytest.raises(rawpg.PgError) as e:
        wp.raw(dbname='bad').q('select 1')
    f = e.value.fields
    assert f['C'] == '28P01' and 'password authentication failed' in f['M']
    assert f['D'] == 'So says server %s:%d to weirpool, which logs in there as "app2".' % (pg15.host, pg15.port)
    assert 'wrong' not in wp.log()
    assert wp.usable()


def test_several_hosts_first_is_dead(weirpool, pg15):
    wp = weirpool(databases={'app': 'host=127.0.0.9,127.0.0.1 port=%d dbname=app' % pg15.port},
                  query_wait_timeout=15, server_connect_timeout=2)
    for _ in range(3):
        assert wp.usable()


def test_host_by_name_and_unknown_name(weirpool, pg15):
    wp = weirpool(databases={'app': dict(host='localhost', port=pg15.port, dbname='app'),
                             'lost': dict(host='no-such-host.invalid', port=5432, dbname='app')}, query_wait_timeout=3)
    assert wp.usable()
    with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
        wp.raw(dbname='lost').q('select 1')
    assert 'no-such-host.invalid' in str(e.value) or 'query_wait_timeout' in str(e.value)
    for _ in range(5):
        t = time.monotonic()
        assert wp.usable()
        assert time.monotonic() - t < 5


def test_server_check_query(weirpool, pg15):
    wp = weirpool(pg15, server_check_delay=0, server_check_query='select 1', default_pool_size=1)
    a = wp.raw()
    for i in range(5):
        assert a.one('select %d' % i) == str(i)


def test_crash_of_one_backend(both, victim):
    """A server process that crashes takes all with it (the postmaster restarts); clients that were idle go on."""
    a, b = both.raw(), both.raw()
    b.q('select 1')
    a.simple('begin')
    before = {r['remote_pid'] for r in both.admin('SHOW SERVERS')}
    os.kill(int(a.one('select pg_backend_pid()')), signal.SIGKILL)
    assert fatal(lambda: a.simple('select 1'))['C'] in ('08006', '57P02', '57P01')
    # (a statement sent while the postmaster is still ending the others would be lost, as on a direct connection)
    eventually(lambda: not before & {r['remote_pid'] for r in both.admin('SHOW SERVERS')}, 20)
    b.sock.settimeout(20)
    assert b.one("select 'alive'") == 'alive'
    healthy(both)


def test_random_kills_of_backends(weirpool, pg15):
    """Backends are terminated at random; clients retry on errors they are told of, and every acknowledged insert is there."""
    pg15.query('drop table if exists acked; create table acked (who int, n int); grant all on acked to app', dbname='app')
    wp = weirpool(pg15, default_pool_size=4, query_wait_timeout=20)
    stop = time.monotonic() + 5
    acked, uncertain, crossed = set(), set(), []

    def client(w):
        c, n = wp.raw(), 0
        while time.monotonic() < stop:
            n += 1
            try:
                out = c.simple("insert into acked values (%d, %d) returning who, n" % (w, n))
                if rawpg.errors(out):
                    uncertain.add((w, n))
                elif rawpg.rows(out) != [(str(w), str(n))]:
                    crossed.append(out)
                else:
                    acked.add((w, n))
            except rawpg.Closed:
                uncertain.add((w, n))
                c = wp.raw()
    ts = [threading.Thread(target=client, args=(w,)) for w in range(8)]
    for t in ts:
        t.start()
    rnd = random.Random(3)
    with pg15.connect() as su:
        while time.monotonic() < stop:
            time.sleep(0.05 + rnd.random() * 0.1)
            su.execute("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename = 'app'"
                       " and datname = 'app' order by random() limit 1) x")
    for t in ts:
        t.join(30)
    there = pg15.query('select who, n from acked', dbname='app')
    assert len(there) == len(set(there)), 'an insert was repeated'
    assert not crossed and acked <= set(there) <= acked | uncertain
    assert len(acked) > 100


def test_failed_start_of_the_server_is_waited_for(both, victim):
    """57P03 "the database system is starting up" is no reason to turn clients away."""
    both.usable()
    victim.kill9()
    r = both.bare(timeout=25)
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    victim.start()
    r.authenticate('app', 'app')
    r.until_ready_or_error()
    assert r.one('select 1') == '1'
