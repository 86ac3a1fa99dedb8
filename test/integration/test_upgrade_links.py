"""UPGRADE with clients that keep their server connection: it goes over with them, and with all that only the server has of them."""
import datetime
import signal
import time

import pytest
import rawpg
from rawpg import query
from servers import eventually
from test_cluster_pg import new_cluster, wait_ready, weir  # noqa: F401
from upgrading import Clients, moved, state, upgrade


def pid_of(c):
    return int(c.one('select pg_backend_pid()'))


def gone(server, *pids):
    """Those server processes have ended."""
    eventually(lambda: server.backends('pid in (%s)' % ','.join(map(str, pids))) == 0)


def there(wp, old, *reasons):
    """The old process has as many clients, for these reasons."""
    def seen():
        s = state(wp)
        got = {k[12:]: int(v) for k, v in s.items() if k.startswith('predecessor_')}
        return s['predecessor'] == 'pid %d, %d clients' % (old.pid, len(reasons)) and got == {r: reasons.count(r) for r in reasons}
    eventually(seen)


def servers(wp, database='app'):
    return [r for r in wp.admin('SHOW SERVERS') if r['database'] == database]


def times(wp):
    """Since when its one client and its one server are connected, and idle: in seconds, which may be one off."""
    (c,) = [r for r in wp.admin('SHOW CLIENTS') if r['user'] == 'app']
    (s,) = [r for r in servers(wp) if r['link']]
    return [datetime.datetime.strptime(v[:19], '%Y-%m-%d %H:%M:%S').timestamp()
            for v in (c['connect_time'], c['request_time'], s['connect_time'], s['request_time'])]


def notify(server, channel, text):
    server.query("select pg_notify('%s', '%s')" % (channel, text), dbname='app')


def run(c, sql):
    out = c.simple(sql)
    assert not rawpg.errors(out), rawpg.errors(out)
    return out


def ext(c, stmt, *params):
    """Executes a statement that was prepared by the protocol."""
    out = c.send(rawpg.bind('', stmt, params) + rawpg.execute() + rawpg.sync()).until_ready()
    assert not rawpg.errors(out), rawpg.errors(out)
    return rawpg.rows(out)


def make_state(c, i):
    """All kinds of things that a server keeps for a session."""
    run(c, "set timezone = 'Asia/Tokyo'")
    run(c, "set app.mine = 'x%d'" % i)
    run(c, 'create temp table mine (a int)')
    run(c, 'insert into mine values (%d)' % i)
    run(c, 'prepare sql_made as select %d' % i)
    run(c, 'select pg_advisory_lock(%d)' % (77000 + i))
    run(c, 'listen news%d' % i)
    run(c, 'declare held cursor with hold for select * from generate_series(%d, %d)' % (i, i + 9))
    assert c.one('fetch held') == str(i)
    c.send(rawpg.parse('made', 'select $1::int + %d' % i) + rawpg.describe('S', 'made') + rawpg.sync())
    assert not rawpg.errors(c.until_ready())


def check_state(c, i, fetched=1):
    assert c.one('show timezone') == 'Asia/Tokyo'
    assert c.one("select current_setting('app.mine')") == 'x%d' % i
    assert c.one('select a from mine') == str(i)
    assert c.one('execute sql_made') == str(i)
    assert c.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == '1'
    assert c.one('fetch held') == str(i + fetched)
    assert ext(c, 'made', b'1') == [(str(i + 1),)]


def both_connections(wp):
    unix = rawpg.Raw(0, unix=str(wp.dir / ('.s.PGSQL.%d' % wp.port)))
    unix.login('app', 'app', 'app')
    return wp.raw(params={'application_name': 'keeper'}), unix


@pytest.mark.both_workers
@pytest.mark.parametrize('mode', ['session', 'transaction'])
def test_link_goes_along(weirpool, anypg, mode):
    """Twice in a row; what comes meanwhile from the server is heard; a cancel request finds it; behind the client it is closed."""
    wp = weirpool(anypg, pool_mode=mode)
    clients = both_connections(wp)
    for i, c in enumerate(clients):
        make_state(c, i)
    pids = [pid_of(c) for c in clients]
    for round_no in range(2):
        old = upgrade(wp)
        for i, c in enumerate(clients):
            notify(anypg, 'news%d' % i, 'during %d' % round_no)
        moved(wp, old)
        rows = servers(wp)
        assert {int(r['remote_pid']) for r in rows if r['link']} == set(pids)
        for r in rows:
            if r['link']:
                assert r['state'] == 'active'
        for i, c in enumerate(clients):
            notify(anypg, 'news%d' % i, 'after %d' % round_no)
            assert pid_of(c) == pids[i]
            check_state(c, i, round_no + 1)

            def heard(c=c):
                run(c, 'select 1')
                return [n[2] for n in c.notifications][-2:] == ['during %d' % round_no, 'after %d' % round_no]
            eventually(heard)
    assert clients[0].one('show application_name') == 'keeper'
    for c in clients:
        c.send(query('select pg_sleep(63)'))
        eventually(lambda: anypg.backends("state = 'active' and query like '%pg_sleep(63)%'") == 1)
        assert c.cancel() == b''
        assert rawpg.errors(c.until_ready())[0]['C'] == '57014'
        run(c, 'select 1')
    for c in clients:
        c.bye()
    gone(anypg, *pids)
    assert not [r for r in servers(wp) if int(r['remote_pid']) in pids]
    with wp.raw() as c:
        assert pid_of(c) not in pids


def test_psycopg_goes_along(weirpool, pg15):
    """A driver in the mode of most of PgBouncer's users, that prepares by itself."""
    wp = weirpool(pg15, pool_mode='session')
    with wp.connect() as c:
        def ask(n):
            return c.execute('select %s + 1', (n,), prepare=True).fetchone()[0]
        assert ask(1) == 2
        pid = c.info.backend_pid
        moved(wp, upgrade(wp))
        assert [ask(n) for n in range(5)] == [1, 2, 3, 4, 5]
        assert c.execute('select pg_backend_pid()').fetchone()[0] == pid
    gone(pg15, pid)


def test_unpinned_it_is_closed(weirpool, pg15):
    """What came over serves nobody else: where its session could do without it, it ends, and the session goes on with another."""
    wp = weirpool(pg15, pool_mode='transaction')
    c = wp.raw()
    run(c, 'create temp table mine (a int)')
    run(c, "set timezone = 'Asia/Tokyo'")
    c.send(rawpg.parse('made', 'select $1::int') + rawpg.sync()).until_ready()
    run(c, 'prepare sql_made as select 5')
    pid = pid_of(c)
    moved(wp, upgrade(wp))
    assert pid_of(c) == pid
    (row,) = [r for r in wp.admin('SHOW CLIENTS') if r['user'] == 'app']
    assert row['link']
    run(c, 'drop table mine')
    gone(pg15, pid)
    assert pid_of(c) != pid
    assert c.one('show timezone') == 'Asia/Tokyo' and c.one('execute sql_made') == '5' and ext(c, 'made', b'8') == [('8',)]


@pytest.mark.parametrize('mode', ['session', 'transaction'])
def test_a_link_of_others_before_it(weirpool, pg15, mode):
    """It was cleaned when they left: that is over. (Such a one never went along.)"""
    wp = weirpool(pg15, pool_mode=mode, default_pool_size=1)
    for i in range(2):
        c = wp.raw()
        make_state(c, i)
        pid = pid_of(c)
        c.simple('select 1/0')
        c.send(rawpg.parse('bad', 'select nothing') + rawpg.sync()).until_ready()
        if i == 0:
            c.bye()
    assert pid == pg15.query("select max(pid) from pg_stat_activity where usename = 'app'")[0][0]
    moved(wp, upgrade(wp))
    assert pid_of(c) == pid
    check_state(c, 1)


@pytest.mark.parametrize('how', ['bye', 'shut'])
def test_it_leaves_in_mid_query(weirpool, pg15, how):
    """Its query is canceled there, at the latest when the time for that is over. (A link that came over had a timer without
    its link: the new process crashed.)"""
    wp = weirpool(pg15, pool_mode='session', default_pool_size=1)
    c = wp.raw()
    c.q('select 1')
    moved(wp, upgrade(wp))
    c.send(query('select pg_sleep(100)'))
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep%'") == 1)
    getattr(c, how)()
    eventually(lambda: pg15.backends("query like '%pg_sleep%'") == 0)
    with wp.raw() as other:
        assert other.one('select 2') == '2'


def test_sql_prepare_moves(weirpool, pg15):
    """It keeps no link, and is known to weirpool: it is made again where it is needed."""
    wp = weirpool(pg15, pool_mode='transaction')
    c = wp.raw()
    run(c, 'prepare sql_made as select 6')
    moved(wp, upgrade(wp))
    assert c.one('execute sql_made') == '6'


def test_behind_its_transaction(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='session')
    c = wp.raw()
    run(c, 'begin')
    pid = pid_of(c)
    old = upgrade(wp)
    there(wp, old, 'busy')
    assert pid_of(c) == pid
    run(c, 'commit')
    moved(wp, old)
    assert pid_of(c) == pid


def test_times_go_along(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='session')
    with wp.raw() as c:
        run(c, 'select 1')
        before = times(wp)
        time.sleep(3)
        moved(wp, upgrade(wp))
        assert all(abs(a - b) <= 1 for a, b in zip(before, times(wp))), 'not since the upgrade'


@pytest.mark.slow
def test_idle_time_goes_on(weirpool, pg15):
    """client_idle_timeout ends whom it moved, and the link with it: in whichever process it is by then."""
    wp = weirpool(pg15, pool_mode='session', client_idle_timeout=5)
    c = wp.raw()
    pid = pid_of(c)
    old = upgrade(wp)
    assert rawpg.errors(c.expect_closed())[0]['C'] == '57P05'
    gone(pg15, pid)
    moved(wp, old)


def test_tls_to_the_server_stays(weirpool, pg15, certs):
    wp = weirpool(pg15, pool_mode='session', server_tls_sslmode='require')
    c = wp.raw()
    pid = pid_of(c)
    old = upgrade(wp)
    there(wp, old, 'pinned')
    assert pid_of(c) == pid
    c.bye()
    moved(wp, old)


@pytest.mark.parametrize('change, reason', [
    (dict(default_pool_size=1), 'pinned'), (dict(server_tls_sslmode='require'), 'refused'), (None, 'refused')])
def test_refused(weirpool, pg15, change, reason):
    """No room in the pool, servers that are reached in another way, a database that is gone: the old process goes on with both."""
    wp = weirpool(pg15, pool_mode='session')
    clients = wp.raw(dbname='app2'), wp.raw(dbname='app2')
    for i, c in enumerate(clients):
        run(c, 'create temp table mine (a int)')
        run(c, 'insert into mine values (%d)' % i)
    pids = [pid_of(c) for c in clients]
    if change:
        wp.options.update(change)
    else:
        del wp.databases['app2']
    wp.write()
    old = upgrade(wp)
    there(wp, old, *[reason] * (1 if reason == 'pinned' else 2))
    for i, c in enumerate(clients):
        assert pid_of(c) == pids[i] and c.one('select a from mine') == str(i)
    if reason == 'pinned':  # when there is room it comes after all
        wp.reload(default_pool_size=2)
        moved(wp, old)
        for i, c in enumerate(clients):
            assert pid_of(c) == pids[i] and c.one('select a from mine') == str(i)
    for c in clients:
        c.bye()
    gone(pg15, *pids)
    moved(wp, old)


def test_another_server(weirpool, pg15, pg18):
    """The database lies elsewhere now: who keeps a connection to where it was stays in the process that has it."""
    wp = weirpool(pg15, pool_mode='session')
    c = wp.raw()
    pid = pid_of(c)
    wp.databases['app'].update(host=pg18.host, port=pg18.port)
    wp.write()
    old = upgrade(wp)
    there(wp, old, 'refused')
    assert pid_of(c) == pid and c.one('show server_version_num').startswith('15')
    with wp.raw() as other:
        assert other.one('show server_version_num').startswith('18')
    c.bye()
    moved(wp, old)


def test_new_process_dies(weirpool, pg15):
    """Before a session is its own: it goes on, with its link, in the old one; else both connections end. None is in both."""
    for _ in range(2):
        wp = weirpool(pg15, pool_mode='session', auth_type='trust', workers=2, default_pool_size=40)
        many = [wp.raw(secret='') for _ in range(40)]
        pids = []
        for i, c in enumerate(many):
            run(c, 'create temp table mine (a int)')
            run(c, 'insert into mine values (%d)' % i)
            pids.append(pid_of(c))
        old = upgrade(wp)
        wp.kill(signal.SIGKILL)
        wp.proc = old
        alive = []
        for i, c in enumerate(many):
            try:
                assert pid_of(c) == pids[i] and c.one('select a from mine') == str(i)
                alive.append(pids[i])
            except (rawpg.Closed, OSError):
                gone(pg15, pids[i])
        if alive:
            assert pg15.backends('pid in (%s)' % ','.join(map(str, alive))) == len(alive)
        for c in many:
            c.sock.close()


def test_server_dies_meanwhile(weirpool, pg15):
    """The end of a link that moved is heard by its client as ever."""
    wp = weirpool(pg15, pool_mode='session')
    clients = wp.raw(), wp.raw()
    pids = [pid_of(c) for c in clients]
    old = upgrade(wp)
    pg15.query('select pg_terminate_backend(%d)' % pids[0])
    moved(wp, old)
    assert rawpg.errors(clients[0].expect_closed())[0]['C'] == '57P01'
    pg15.query('select pg_terminate_backend(%d)' % pids[1])
    assert rawpg.errors(clients[1].expect_closed())[0]['C'] == '57P01'
    assert wp.usable()


# --- clusters

@pytest.mark.slow
def test_in_a_cluster(new_cluster, weir):
    """A node's link is that node's in the new process: who reads on a replica stays there, and a primary that is none any more loses
    those that have moved."""
    cluster = new_cluster(1)
    wp = weir(cluster, databases={
        'own': dict(cluster='main', dbname='app', pool_mode='session'),
        'reads': dict(cluster='main', dbname='app', pool_mode='session', endpoint='ro')})
    wait_ready(wp, cluster, 1)
    session, pinned, reads = wp.raw(dbname='own'), wp.raw(), wp.raw(dbname='reads')
    run(session, 'create temp table mine (a int)')
    run(pinned, 'listen news')
    assert reads.one('select pg_is_in_recovery()') == 't'
    clients = session, pinned, reads
    pids = [pid_of(c) for c in clients]
    moved(wp, upgrade(wp))
    assert [pid_of(c) for c in clients] == pids
    assert session.one('select count(*) from mine') == '0'
    notify(cluster.nodes[0], 'news', 'there')
    eventually(lambda: run(pinned, 'select 1') and [n[2] for n in pinned.notifications] == ['there'])
    # frozen, it says nothing: its connections are open, and are ended because another is the primary
    cluster.nodes[0].sigstop()
    try:
        cluster.nodes[1].query('select pg_promote()')
        for c in session, pinned:
            assert rawpg.errors(c.expect_closed())[-1]['C'] == '08006'
        assert pid_of(reads) == pids[2]
    finally:
        cluster.nodes[0].sigcont()


# --- under load

class Keepers(Clients):
    """Clients who keep their connection for all the time, with state that they look at, and write a ledger."""

    def clients(self):
        return [self.keeper] * 20

    def keeper(self, i):
        with self.wp.raw() as c:
            make_state(c, i)
            pid, n = pid_of(c), 0
            c.send(rawpg.parse('add', 'insert into %s values (%d, $1::int)' % (self.table, i)) + rawpg.sync())
            assert not rawpg.errors(c.until_ready())
            while not self.ending.is_set():
                if n % 3 == 0:
                    run(c, 'begin')
                ext(c, 'add', b'%d' % n)
                run(c, 'insert into mine values (%d)' % n)
                if n % 3 == 0:
                    run(c, 'commit')
                n += 1
                self.did(i)
                assert pid_of(c) == pid and c.one('select count(*) from mine') == str(n + 1)
                assert c.one('execute sql_made') == str(i)
                time.sleep(0.003 * (i % 5))
            c.bye()


def check_keepers(wp, server, rounds):
    server.query('drop table if exists kept', dbname='app')
    server.query('create table kept (who int, n int)', dbname='app')
    server.query('grant all on kept to app', dbname='app')
    load = Keepers(wp, 'kept')
    try:
        eventually(lambda: len(load.sums) == 20 or load.failures)
        for _ in range(rounds):
            before = dict(load.sums)
            eventually(lambda: all(load.sums[i] > n + 2 for i, n in before.items()) or load.failures)
            moved(wp, upgrade(wp))
    finally:
        load.stop()
    rows = server.query('select who, count(*), count(distinct n), max(n) + 1 from kept group by who', dbname='app')
    assert {r[0]: r[1:] for r in rows} == {i: (n, n, n) for i, n in load.sums.items()}
    assert state(wp)['generation'] == str(rounds + 1)


def test_keepers(weirpool, pg15):
    """Twenty clients in session mode work through ten upgrades, each on its own server process all the time; nothing is lost or doubled."""
    check_keepers(weirpool(pg15, pool_mode='session', default_pool_size=20, workers=2), pg15, 10)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_keepers_100_times(weirpool, pg15):
    check_keepers(weirpool(pg15, pool_mode='session', default_pool_size=20, workers=2), pg15, 100)
