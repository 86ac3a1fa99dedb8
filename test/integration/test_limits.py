"""Limits: one pool_size for all workers, reserve, minimum, clients in total, by database and by user, waiting in order."""
import random
import re
import threading
import time

import psycopg
import pytest
import rawpg
from rawpg import query
from servers import eventually

pytestmark = pytest.mark.both_workers


class Sampler:
    """The most server connections at a time, sampled all the while: those in the server's list whose other end is still open. (One
    that was closed is in that list for as long as its process takes to notice.)"""

    def __init__(self, server, where):
        self.most = 0
        self.stop = False
        self.port = server.port
        self.conn = server.connect()
        self.sql = ("select client_port from pg_stat_activity where backend_type = 'client backend' and"
                    " pid <> pg_backend_pid() and (%s)" % where)
        self.thread = threading.Thread(target=self.run)

    def open_ends(self):
        """Local ports of established connections to the server."""
        with open('/proc/net/tcp') as f:
            return {int(m, 16) for m in re.findall(r'^ *\d+: 0100007F:(\w{4}) 0100007F:%04X 01 ' % self.port, f.read(), re.M)}

    def run(self):
        while not self.stop:
            listed = {r[0] for r in self.conn.execute(self.sql)}
            if len(listed) > self.most:
                self.most = max(self.most, len(listed & self.open_ends()))
            time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop = True
        self.thread.join()
        self.conn.close()


def parallel(n, work, seconds=60):
    failures = []

    def one(i):
        try:
            work(i)
        except Exception as e:
            failures.append('%d: %r' % (i, e))
    ts = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(seconds)
    assert not any(t.is_alive() for t in ts), 'clients still hang'
    assert not failures, failures[:5]


@pytest.mark.parametrize('crash', [False, True], ids=['polite', 'crashing'])
@pytest.mark.parametrize('size', [1, 3, 7])
def test_pool_size_is_never_exceeded(weirpool, pg15, size, crash):
    wp = weirpool(pg15, default_pool_size=size, max_client_conn=200, query_wait_timeout=60)

    def client(i):
        rnd = random.Random(i)
        for k in range(6):
            with wp.raw() as c:
                for j in range(rnd.randrange(1, 12)):
                    assert c.one("select '%d.%d.%d'" % (i, k, j)) == '%d.%d.%d' % (i, k, j)
                if rnd.random() < 0.5:
                    c.simple('begin; select pg_sleep(0.003)')
                    c.simple('commit')
                if crash and rnd.random() < 0.3:
                    c.send(query('select pg_sleep(0.01)'))
                    c.reset()
    with Sampler(pg15, "usename = 'app' and datname = 'app'") as s:
        parallel(24, client)
    assert 1 <= s.most <= size
    eventually(lambda: wp.pool()['cl_waiting'] == 0)


def test_the_whole_pool_is_used(weirpool, pg15):
    """All clients at once, each holding its link: as many as pool_size run, whichever worker they are on."""
    wp = weirpool(pg15, default_pool_size=6, query_wait_timeout=30)
    clients = [wp.raw() for _ in range(12)]
    for c in clients:
        c.send(query('select pg_sleep(1)'))
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep(1)%'") == 6)
    for c in clients:
        assert len(rawpg.rows(c.until_ready())) == 1


def test_links_wander_between_workers(weirpool, pg15):
    """One link serves clients of every worker in turn."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=20)
    clients = [wp.raw() for _ in range(16)]
    pids = set()
    for _ in range(10):
        for c in clients:
            pids.add(c.one('select pg_backend_pid()'))
    assert len(pids) == 1


def test_first_come_first_served(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=30)
    pg15.query('drop table if exists queue; create table queue (n serial, who int); grant all on queue to app;'
               'grant all on sequence queue_n_seq to app', dbname='app')
    a = wp.raw()
    a.simple('begin')
    clients = [wp.raw() for _ in range(20)]
    for i, c in enumerate(clients):
        c.send(query('insert into queue (who) values (%d)' % i))
        eventually(lambda: wp.pool()['cl_waiting'] == i + 1)
    a.simple('commit')
    for c in clients:
        assert not rawpg.errors(c.until_ready())
    order = [r[0] for r in pg15.query('select who from queue order by n', dbname='app')]
    if wp.workers == 1:
        assert order == list(range(20))
    else:       # between workers the order may differ by neighbours
        assert all(abs(order.index(i) - i) <= 4 for i in range(20)), order


def test_waiting_is_bounded_and_explained(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=1)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    t = time.monotonic()
    with pytest.raises(rawpg.PgError) as e:
        b.q('select 1')
    waited = time.monotonic() - t
    assert 0.9 < waited < 15
    text = ' '.join(e.value.fields.values())
    assert 'query_wait_timeout' in text
    assert 'pool_size' in text
    assert '1' in text and 'app' in text
    a.simple('commit')
    assert wp.usable()


def test_waiting_client_is_told_before(weirpool, pg15):
    """query_wait_notify: a NOTICE after so many seconds."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=20, query_wait_notify=1)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    b.send(query('select 1'))
    m = b.recv()
    assert m.type == 'N'
    a.simple('commit')
    assert rawpg.rows(b.until_ready()) == [('1',)]


def test_wait_of_zero_means_for_ever(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=0)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    b.send(query('select 1'))
    assert b.quiet(2)
    a.simple('commit')
    assert rawpg.rows(b.until_ready()) == [('1',)]


def test_reserve_pool(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, reserve_pool_size=2, reserve_pool_timeout=1, query_wait_timeout=20)
    clients = [wp.raw() for _ in range(4)]
    clients[0].simple('begin')
    begun, early = time.monotonic(), []
    for c in clients[1:]:
        c.send(query('begin'))

    def reserve():
        """the reserve is in use"""
        n = wp.pool()['sv_active']
        if n > 1 and time.monotonic() - begun < 0.9:
            early.append(n)
        return n == 3
    eventually(reserve)
    assert not early
    time.sleep(0.5)
    assert wp.pool()['sv_active'] == 3 and wp.pool()['cl_waiting'] == 1
    clients[0].simple('commit')
    for c in clients[1:]:
        assert c.until_ready()[-1].status == 'T'


def test_min_pool_size(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app', user='app', password='app',
                                               min_pool_size=4, pool_size=10)})
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 4)
    pg15.terminate_backends("usename = 'app' and datname = 'app'")
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 4)
    assert wp.usable()


def test_max_client_conn(weirpool, pg15):
    wp = weirpool(pg15, max_client_conn=5)
    clients = [wp.raw() for _ in range(5)]
    for _ in range(3):
        with pytest.raises(rawpg.PgError) as e:
            wp.raw()
        assert e.value.sqlstate in ('53300', '08P01') and 'max_client_conn' in str(e.value.fields)
    assert all(c.one('select 1') == '1' for c in clients)
    clients.pop().bye()
    eventually(lambda: can_login(wp))


def test_max_client_conn_under_churn(weirpool, pg15):
    """It is a limit over all workers, and its count never drifts."""
    wp = weirpool(pg15, max_client_conn=20, default_pool_size=5)
    refused = []

    def churn(i):
        rnd = random.Random(i)
        for _ in range(15):
            try:
                c = wp.raw()
                c.one('select 1')
                getattr(c, rnd.choice(['bye', 'shut', 'reset']))()
            except (rawpg.PgError, rawpg.Closed, ConnectionError) as e:
                refused.append(e)
    parallel(30, churn)

    def one_more():
        """a place is free: each that was left has been noticed"""
        try:
            return wp.raw()
        except (rawpg.PgError, rawpg.Closed):
            return None
    clients = [eventually(one_more) for _ in range(20)]
    with pytest.raises(rawpg.PgError):
        wp.raw()
    for c in clients:
        c.bye()


def test_admin_gets_in_when_full(weirpool, pg15):
    """The console must be reachable when clients have taken every place."""
    wp = weirpool(pg15, max_client_conn=3)
    clients = [wp.raw() for _ in range(3)]
    assert wp.admin('SHOW VERSION')
    assert len(clients) == 3


@pytest.mark.parametrize('where', ['option', 'entry'])
def test_clients_per_database(weirpool, pg15, where):
    if where == 'option':
        wp = weirpool(pg15, max_db_client_connections=3)
    else:
        wp = weirpool(pg15, databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app',
                                                   max_db_client_connections=3)})
    clients = [wp.raw() for _ in range(3)]
    with pytest.raises(rawpg.PgError) as e:
        wp.raw()
    assert e.value.sqlstate == '53300' and 'max_db_client_connections' in str(e.value.fields)
    assert wp.usable(dbname='app2')
    clients[0].bye()
    eventually(lambda: can_login(wp))


def can_login(wp, **kw):
    try:
        wp.raw(**kw).bye()
        return True
    except (rawpg.PgError, rawpg.Closed):
        return False


@pytest.mark.parametrize('where', ['option', 'entry'])
def test_clients_per_user(weirpool, pg15, where):
    if where == 'option':
        wp = weirpool(pg15, max_user_client_connections=3)
    else:
        wp = weirpool(pg15, users={'app': dict(max_user_client_connections=3)})
    clients = [wp.raw(dbname=d) for d in ('app', 'app2', 'app')]
    with pytest.raises(rawpg.PgError) as e:
        wp.raw()
    assert e.value.sqlstate == '53300' and 'max_user_client_connections' in str(e.value.fields)
    assert wp.usable('app2')
    clients[0].bye()
    eventually(lambda: can_login(wp))


@pytest.mark.parametrize('where', ['option', 'entry'])
def test_server_connections_per_database(weirpool, pg15, where):
    """Three users of one database share its cap; nobody starves."""
    opts = dict(query_wait_timeout=30, default_pool_size=5)
    if where == 'option':
        wp = weirpool(pg15, max_db_connections=3, **opts)
    else:
        wp = weirpool(pg15, databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app', max_db_connections=3)}, **opts)

    def client(i):
        with wp.raw(('app', 'app2', 'appmd5')[i % 3]) as c:
            for _ in range(10):
                c.q('select pg_sleep(0.005)')
    with Sampler(pg15, "datname = 'app' and usename in ('app', 'app2', 'appmd5')") as s:
        parallel(15, client)
    assert 1 <= s.most <= 3


def test_server_connections_per_user(weirpool, pg15):
    wp = weirpool(pg15, users={'app': dict(max_user_connections=2)}, default_pool_size=5, query_wait_timeout=30)

    def client(i):
        with wp.raw(dbname=('app', 'app2')[i % 2]) as c:
            for _ in range(10):
                c.q('select pg_sleep(0.005)')
    with Sampler(pg15, "usename = 'app'") as s:
        parallel(12, client)
    assert 1 <= s.most <= 2


def test_pool_sizes_of_databases_and_users(weirpool, pg15):
    """Precedence: user, then database, then the general option."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=30,
                  databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app', pool_size=2)},
                  users={'app2': dict(pool_size=3)})
    for user, db, want in (('app', 'app2', 1), ('app', 'app', 2), ('app2', 'app', 3), ('app2', 'app2', 3)):
        clients = [wp.raw(user, db) for _ in range(5)]
        with pg15.gate(db) as passes:
            for c in clients:
                c.send(query(passes))
            eventually(lambda: pg15.at_gate("usename = '%s' and datname = '%s'" % (user, db)) == want)
            eventually(lambda: wp.pool(db, user)['cl_waiting'] == 5 - want)
            assert pg15.at_gate() == want
        for c in clients:
            c.until_ready()
            c.bye()


def test_limit_of_one_pool_does_not_stop_another(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=0)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    b.send(query('select 1'))
    for _ in range(20):
        assert wp.usable(dbname='app2')
    assert wp.pool()['cl_waiting'] == 1 and b.quiet(0.01)
    a.simple('commit')
    assert rawpg.rows(b.until_ready()) == [('1',)]


def test_server_idle_timeout_and_lifetime(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=5, server_idle_timeout=1)
    clients = [wp.raw() for _ in range(5)]
    for c in clients:
        c.simple('begin')
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 5)  # (others' are ending)
    for c in clients:
        c.simple('commit')
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 0)
    assert all(c.one('select 1') == '1' for c in clients)
    wp2 = weirpool(pg15, default_pool_size=1, server_lifetime=1)
    c = wp2.raw(dbname='app2')
    first = c.one('select pg_backend_pid()')
    eventually(lambda: c.one('select pg_backend_pid()') != first, every=0.1)


@pytest.mark.parametrize('options', [dict(connect_query='select pg_sleep(0.2)'),
                                     dict(server_check_query='select pg_sleep(0.2) as looked_after', server_check_delay=1)])
def test_server_connect_timeout_0_is_none(weirpool, pg15, options):
    """... and not none at all for connect_query, and for looking after an idle connection."""
    wp = weirpool(pg15, default_pool_size=1, server_connect_timeout=0, query_wait_timeout=20, **options)
    assert wp.usable()
    if 'server_check_query' in options:
        eventually(lambda: pg15.backends("query like '%looked_after%' and pid <> pg_backend_pid()") == 1)
    assert wp.usable()
    assert 'took too long' not in wp.log()


def test_a_connect_query_that_does_not_end(weirpool, pg15):
    """It is not the login that took too long; the pauses between two tries grow; and the server is told to end it, else each leaves one
    behind."""
    wp = weirpool(pg15, default_pool_size=1, server_connect_timeout=1, query_wait_timeout=4, query_wait_notify=0,
                  connect_query="select pg_sleep(1000), 'never'")
    with pytest.raises(rawpg.PgError) as e:
        wp.raw()
    assert e.value.sqlstate == '57014', e.value
    log = wp.log()
    assert 'connect_query was not done by server' in log and 'no login' not in log and 'can be used again' not in log, log
    left = "query like '%never%' and pid <> pg_backend_pid()"
    eventually(lambda: pg15.backends(left) <= 1)  # the one of the try that is under way
    wp.stop()
    pg15.terminate_backends(left)


@pytest.mark.parametrize('option,provoke,sqlstate', [
    ('query_timeout', ['select pg_sleep(20)'], '57014'),
    ('transaction_timeout', ['begin', 'select pg_sleep(0.3)', 'select pg_sleep(20)'], '25P04'),
    ('idle_transaction_timeout', ['begin', None], '25P03'),
    ('client_idle_timeout', ['select 1', None], '57P05'),
])
def test_timeouts_of_clients(weirpool, pg15, option, provoke, sqlstate):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=20, **{option: 1})
    a = wp.raw()
    t = time.monotonic()
    fields = None
    for sql in provoke:
        try:
            out = a.simple(sql) if sql else a.expect_closed(10)
        except rawpg.Closed as e:
            out = e.messages
        if rawpg.errors(out):
            fields = rawpg.errors(out)[0]
            break
    assert 0.8 < time.monotonic() - t < 15
    assert fields and option in str(fields) and fields['C'] == sqlstate, fields
    assert wp.usable()
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep(20)%'") == 0, 8)


def test_client_login_timeout(weirpool, pg15):
    wp = weirpool(pg15, client_login_timeout=1)
    silent, half, mute = wp.bare(), wp.bare(), wp.bare()
    half.send(rawpg.startup({'user': 'app', 'database': 'app'})[:10])
    mute.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    t = time.monotonic()
    for c in (silent, half, mute):
        c.expect_closed(10)
    assert time.monotonic() - t < 10
    eventually(lambda: can_login(wp))


def test_descriptors_run_out(weirpool, pg15):
    """New clients are refused, nothing spins, those who are in go on."""
    wp = weirpool(pg15, max_client_conn=1000, default_pool_size=2, nofile=64)
    first = wp.raw()
    assert first.one('select 1') == '1'
    taken, refused = [], 0
    for _ in range(100):
        c = wp.bare(timeout=3)
        try:
            c.login()
            taken.append(c)
        except (rawpg.PgError, rawpg.Closed, TimeoutError, OSError):
            refused += 1
            c.shut()
            if refused >= 3:
                break
    assert refused >= 3 and first.one('select 2') == '2'
    cpu = cpu_ticks(wp.pid)
    time.sleep(1)
    assert cpu_ticks(wp.pid) - cpu < 30
    for c in taken:
        c.bye()
    eventually(lambda: can_login(wp))
    assert first.one('select 3') == '3'


def cpu_ticks(pid):
    with open('/proc/%d/stat' % pid) as f:
        v = f.read().rpartition(')')[2].split()
    return int(v[11]) + int(v[12])


def test_idle_weirpool_sleeps(weirpool, pg15):
    wp = weirpool(pg15, max_client_conn=300)
    clients = [wp.raw() for _ in range(100)]
    for c in clients:
        c.one('select 1')
    time.sleep(0.5)
    before = cpu_ticks(wp.pid)
    time.sleep(3)
    assert cpu_ticks(wp.pid) - before <= 5


def test_session_mode_tells_the_server_process(weirpool, pg15):
    """In session mode the process id of the login is that of the link, and cancels with it; a full pool lets idle clients in all the same."""
    wp = weirpool(pg15, default_pool_size=2, pool_mode='session', query_wait_timeout=20)
    with wp.connect() as a, wp.connect() as b:
        for c in (a, b):
            assert c.execute('select pg_backend_pid()').fetchone()[0] == c.info.backend_pid
        waits = wp.raw()  # (it has no link yet)
        t = threading.Thread(target=lambda: eventually(lambda: pg15.backends("query = 'select pg_sleep(30)' and state = 'active'")) and
                             a.cancel())
        t.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            a.execute('select pg_sleep(30)')
        t.join()
        b.execute('select pg_terminate_backend(%s)', (a.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            a.execute('select 1')
        assert waits.one('select 1') == '1'


@pytest.mark.parametrize('pool_mode', ['session', 'transaction'])
@pytest.mark.parametrize('which', ['pg15', 'maria1011'])
def test_server_lifetime_0_uses_each_connection_once(weirpool, request, which, pool_mode):
    server = request.getfixturevalue(which)
    wp = weirpool(server, server_lifetime=0, query_wait_timeout=10, pool_mode=pool_mode)
    seen = set()
    for _ in range(3):
        if which == 'pg15':
            with wp.raw() as r:
                seen.add(r.q('select pg_backend_pid()')[0][0])
        else:
            with wp.my() as r:
                seen.add(r.one('select connection_id()'))
    if which == 'pg15':                               # (CONNECTION_ID() is the session's own number on MySQL's side)
        assert len(seen) == 3
