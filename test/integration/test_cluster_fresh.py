"""How old what a replica shows may be: lag as it is reported, replicas that leave and come back, and sessions that must see what
they wrote or read. The servers tell which one answered (nemesis.py)."""
import os
import threading
import time

import pytest
import rawmy
from consistency import LEVELS, My, Pg
from nemesis import MyCluster, PgCluster
from servers import eventually
from weir import Weirpool

pytestmark = pytest.mark.timeout(400)
SLOW = os.environ.get('WEIRPOOL_SLOW') == '1'
KINDS = {'pg15': (PgCluster, 15), 'pg18': (PgCluster, 18), 'mysql97': (MyCluster, 'mysql97'),
         'maria1011': (MyCluster, 'maria1011'), 'maria118': (MyCluster, 'maria118')}
ALL = ['pg15', 'mysql97'] + [pytest.param(k, marks=pytest.mark.slow) for k in ('pg18', 'maria1011', 'maria118')]
POSTGRES = ['pg15', pytest.param('pg18', marks=pytest.mark.slow)]
MYSQL = ['mysql97', pytest.param('maria1011', marks=pytest.mark.slow), pytest.param('maria118', marks=pytest.mark.slow)]


@pytest.fixture(scope='module')
def clusters_of(base):
    """Made when the first test wants one; all tests leave them as they were."""
    made = {}

    def get(name):
        if name not in made:
            make, kind = KINDS[name]
            made[name] = make(base, kind)
        return made[name]
    yield get
    for c in made.values():
        c.stop()


@pytest.fixture
def cluster(clusters_of, request):
    return clusters_of(request.param)


@pytest.fixture
def weir(base, binary, request, cluster):
    """weir(levels, databases, **cluster options): a database c_LEVEL for each level of consistency, ready for reads."""
    made = request.node.weirpools = []

    def make(databases=None, cluster_options=None, **kw):
        dbs = {'c_' + level: dict(cluster='main', dbname='app', consistency=level) for level in LEVELS}
        for name, more in (databases or {}).items():
            dbs[name] = dict(dict(cluster='main', dbname='app'), **dict(dbs.get(name, {}), **more))
        if isinstance(cluster, PgCluster):
            kw['databases'] = dbs
        else:
            kw.update(mysql_databases=dbs, userlist=dict(app='app', admin='admin'))
        w = Weirpool(base, binary, clusters={'main': cluster.entry(**(cluster_options or {}))}, **kw)
        made.append(w)
        eventually(lambda: fresh(w) == ['ok', 'ok'], 90)
        return w
    yield make
    for w in made:
        w.stop()


def node(wp, cluster, i):
    return [r for r in wp.admin('SHOW NODES') if r['node'] == cluster.where(i)][0]


def fresh(wp):
    return [r['freshness'] for r in wp.admin('SHOW NODES') if r['role'] == 'replica']


def dialect(cluster):
    return Pg if isinstance(cluster, PgCluster) else My


def from_replica(c, key, labels, pause=0.2):
    """The value, once a replica of these shows it: a session that has read at the primary has to let more time pass than they lag."""
    def asked():
        time.sleep(pause)
        v, at = c.read(key)
        return at in labels and (v,)
    return eventually(asked)[0]


def pause(cluster, i, on):
    n = cluster.nodes[i]
    if isinstance(cluster, PgCluster):
        n.query('select pg_wal_replay_%s()' % ('pause' if on else 'resume'))
    else:
        cluster.ask(n, 'stop replica sql_thread' if on else 'start replica sql_thread')


def delay(cluster, i, seconds):
    n = cluster.nodes[i]
    if isinstance(cluster, PgCluster):
        cluster.set(n, 'recovery_min_apply_delay', '%dms' % (seconds * 1000))
        eventually(lambda: n.query("select setting::int from pg_settings where name = 'recovery_min_apply_delay'")[0][0]
                   == seconds * 1000)
    else:
        cluster.ask(n, 'stop replica')
        cluster.ask(n, 'change replication source to source_delay = %d' % seconds)
        cluster.ask(n, 'start replica')


def ask(node, sql):
    with node.connect('app') as c:
        k = c.cursor()
        k.execute(sql)
        return k.fetchone()[0] if k.description else None


class Writes(threading.Thread):
    """A register that grows all the time, behind weirpool's back."""

    def __init__(self, cluster, key):
        super().__init__(daemon=True)
        self.cluster, self.key, self.over = cluster, key, threading.Event()
        self.acked = ask(cluster.nodes[0], 'select v from reg where id = %d' % key)
        self.start()

    def run(self):
        n = self.cluster.nodes[0]
        with n.connect('app') as c:
            k = c.cursor()
            while not self.over.wait(0.02):
                k.execute('update reg set v = v + 1 where id = %d' % self.key)
                self.acked += 1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.join(20)


# ---- lag as it is reported

@pytest.mark.parametrize('cluster', ALL, indirect=True)
def test_an_idle_primary_has_no_lag(cluster, weir):
    """... and one write after it makes none: not the time since the last write."""
    wp = weir()
    idle = 60 if SLOW else 6
    worst, begin = 0, time.monotonic()
    while time.monotonic() - begin < idle:
        worst = max([worst] + [int(r['lag_ms']) for r in wp.admin('SHOW NODES') if r['lag_ms']])
        time.sleep(0.05)
    ask(cluster.nodes[0], 'update reg set v = v + 1 where id = 7')
    end = time.monotonic() + 1
    while time.monotonic() < end:
        worst = max([worst] + [int(r['lag_ms']) for r in wp.admin('SHOW NODES') if r['lag_ms']])
    assert worst < idle * 1000 * 4 / 5, worst
    assert 'too stale' not in wp.log()


@pytest.mark.parametrize('cluster', ALL, indirect=True)
def test_a_replica_that_stands_still_leaves_and_comes_back(cluster, weir):
    wp = weir(databases={'c_' + level: dict(max_staleness='2') for level in LEVELS})
    c = dialect(cluster)(wp, 'session')
    with Writes(cluster, 11):
        pause(cluster, 1, True)
        try:
            def lag():
                """how much, and when it was shown: not before, and not after"""
                begin = time.monotonic()
                r = node(wp, cluster, 1)
                return r['freshness'], int(r['lag_ms'] or 0), begin, time.monotonic()
            eventually(lambda: lag()[0] != 'ok')
            _, first, *t = lag()
            time.sleep(1.5)
            _, second, *u = lag()
            least, most = (u[0] - t[1]) * 1000, (u[1] - t[0]) * 1000
            assert least - 1000 < second - first < most + 1000, (first, second, least, most)
            for _ in range(30):
                assert c.read(11)[1] != cluster.label(1)
        finally:
            pause(cluster, 1, False)
        eventually(lambda: lag()[0] == 'ok')
        wp.admin('DRAIN "%s"' % cluster.where(2))
        from_replica(c, 11, [cluster.label(1)])
    lines = [x for x in wp.log().split('\n') if cluster.where(1) in x]
    assert any('too stale' in x or 'does not replicate' in x for x in lines), lines
    assert 1 <= sum('fresh enough for reads again' in x for x in lines) < 6, lines  # (on a busy machine it may really lag again)
    c.close()


def not_behind(c, cluster, writes):
    """Reads go to the primary while all replicas are behind. (On a busy machine the writer itself may be so slow that they are not.)"""
    for _ in range(20):
        known = writes.acked
        v, at = c.read(writes.key)
        assert at == cluster.label(0) or v >= known, (v, known, at)


@pytest.mark.parametrize('cluster', ['pg15', 'mysql97'], indirect=True)
def test_the_narrow_bound_of_one_database_is_its_own(cluster, weir):
    """Whoever else uses the cluster may still read what lags a little."""
    # (first by name, and first in the file)
    wp = weir(databases={'a_narrow': dict(consistency='bounded', max_staleness='0.3'), 'c_bounded': dict(max_staleness='0.3')})
    c, other = dialect(cluster)(wp, 'bounded'), dialect(cluster)(wp, 'session')
    with Writes(cluster, 12) as writes:
        for i in (1, 2):
            delay(cluster, i, 1)
        try:
            eventually(lambda: all(int(node(wp, cluster, i)['lag_ms'] or 0) > 700 for i in (1, 2)))
            not_behind(c, cluster, writes)
            from_replica(other, 12, (cluster.label(1), cluster.label(2)), 2)
            eventually(lambda: fresh(wp) == ['ok', 'ok'])
        finally:
            for i in (1, 2):
                delay(cluster, i, 0)
    c.close()
    other.close()


@pytest.mark.parametrize('cluster', ['pg15', 'mysql97'], indirect=True)
def test_all_replicas_lag(cluster, weir):
    """Who wants fresh data gets it from the primary, who does not care has the replica that he had."""
    wp = weir(databases={'c_' + level: dict(max_staleness='0.5') for level in LEVELS}, cluster_options=dict(primary_reads='fallback'))
    with Writes(cluster, 13) as writes:
        for i in (1, 2):
            delay(cluster, i, 3)
        try:
            eventually(lambda: all(int(node(wp, cluster, i)['lag_ms'] or 0) > 2000 for i in (1, 2)))
            for level in ('session', 'global', 'bounded'):
                c = dialect(cluster)(wp, level)
                not_behind(c, cluster, writes)
                c.close()
            c = dialect(cluster)(wp, 'eventual')
            eventually(lambda: cluster.label(0) not in {c.read(13)[1] for _ in range(20)})
            c.close()
        finally:
            for i in (1, 2):
                delay(cluster, i, 0)


# ---- what a session must see

@pytest.mark.parametrize('cluster', POSTGRES, indirect=True)
def test_a_record_that_ends_with_its_page(cluster, weir):
    """The primary's position is then behind the next page's header, the replicas' before it: with nothing more to replay they
    have all the same what the session wrote."""
    wp = weir()
    c = Pg(wp, 'session')
    p = cluster.nodes[0]

    def at():
        return p.query("select (pg_current_wal_insert_lsn() - '0/0')::bigint")[0][0]

    def fill_page():
        """WAL up to the very end of a page"""
        begin = at()
        p.query("select pg_logical_emit_message(false, '', repeat('x', 300))")
        more = at() - begin - 300
        room = 8192 - at() % 8192
        if room < more + 300:
            room += 8192 - 24
        p.query("select pg_logical_emit_message(false, '', repeat('x', %s))", room - more - room % 8)
        return at() % 8192 == 24
    for trap in (24, 40):
        for attempt in range(40):
            c.write(21, attempt + trap * 100)
            if trap == 24:
                if not fill_page():
                    continue
            else:
                p.query('select pg_switch_wal()')
            if at() % (1 << 24 if trap == 40 else 8192) != trap:
                continue
            before = at()
            v = from_replica(c, 21, (cluster.label(1), cluster.label(2)))
            if at() == before:  # nothing else has written meanwhile: that was it
                assert v == attempt + trap * 100
                break
        else:
            raise AssertionError('the position is never %d behind the start' % trap)
    c.close()


@pytest.mark.parametrize('cluster', ['pg15', 'mysql97'], indirect=True)
def test_reads_do_not_go_back(cluster, weir):
    """From a replica to another that is far behind, forced: the session waits for it at the primary. Who asked for nothing goes
    back."""
    wp = weir()
    c, careless = dialect(cluster)(wp, 'session'), dialect(cluster)(wp, 'eventual')
    seen, back, last, last_careless, turns = set(), 0, 0, 0, 0

    def look():
        nonlocal last
        known = writes.acked
        v, at = c.read(14)
        # (a replica may show what the primary has not acknowledged, and does not show yet)
        assert v >= last or (at == cluster.label(0) and v >= known), (v, last, known, at)
        last = v
        seen.add(at)
    delay(cluster, 2, 1)
    try:
        with Writes(cluster, 14) as writes:
            time.sleep(1.5)
            for drained in (2, 1) * 10:
                other = 3 - drained
                wp.admin('DRAIN "%s"' % cluster.where(drained))
                eventually(lambda d=drained: node(wp, cluster, d)['state'] == 'draining')
                end, n = time.monotonic() + 0.3, 0
                while time.monotonic() < end or n < 20:
                    n += 1
                    look()
                    v, _ = careless.read(14)
                    back += v < last_careless
                    last_careless = v
                # long enough for who must not go back (MySQL counts whole seconds)
                time.sleep(0.2 if other == 1 else 3.2 if dialect(cluster) is My else 1.6)
                look()
                wp.admin('RESUME "%s"' % cluster.where(drained))
                if drained == 1 and (turns := turns + 1) > 1 and back and len(seen) == 3:
                    break
    finally:
        delay(cluster, 2, 0)
    assert seen == {cluster.label(i) for i in range(3)}
    assert back > 0
    c.close()
    careless.close()


@pytest.mark.parametrize('cluster', MYSQL, indirect=True)
def test_whatever_writes_is_seen(cluster, weir):
    """DDL, a function that writes, several statements in one text, autocommit=0, a procedure, prepared statements: the next
    read of the session sees it, where the replicas are a second behind."""
    wp = weir()
    p = cluster.nodes[0]
    for sql in ('create function f_writes(n int) returns int begin update reg set v = v + n where id = 31; return n; end',
                'create procedure p_writes(n int) begin update reg set v = v + n where id = 31; end'):
        p.query(sql, database='app')
    p.query('grant execute on app.* to app')
    replicas = (cluster.label(1), cluster.label(2))

    def committed_by_commit():
        r.do('set autocommit = 0')
        r.do('update reg set v = v + 1 where id = 31')
        r.do('commit')
        r.do('set autocommit = 1')

    def committed_by_autocommit():
        r.do('set autocommit = 0')
        r.do('update reg set v = v + 1 where id = 31')
        r.do('set autocommit = 1')

    def committed_by_ddl():
        r.do('begin')
        r.do('update reg set v = v + 1 where id = 31')
        r.do('create table if not exists implicit_commit (i int)')

    def prepared():
        s = r.prepare('update reg set v = v + ? where id = 31')
        r.execute(s, [1])
        r.close_stmt(s)

    def tagged():
        r.do("set gtid_next = 'automatic:blue'")
        r.do('update reg set v = v + 1 where id = 31')
        r.do('set gtid_next = automatic')
    ways = [lambda: r.do('update reg set v = v + 1 where id = 31'), lambda: r.do('select f_writes(1)'),
            lambda: r.do('do f_writes(1)'), lambda: r.do('call p_writes(1)'),
            lambda: r.all('select 1; update reg set v = v + 1 where id = 31; select 2'),
            committed_by_commit, committed_by_autocommit, committed_by_ddl, prepared]
    if p.family == 'mysql':
        p.query('grant transaction_gtid_tag, session_variables_admin on *.* to app')
        ways.append(tagged)
    p.wait_replica(cluster.nodes[1])
    p.wait_replica(cluster.nodes[2])
    for i in (1, 2):
        delay(cluster, i, 1)
    try:
        careless = My(wp, 'eventual')
        n = behind = 0
        for way in ways:
            c = My(wp, 'session')  # (who has called a function keeps its link)
            c.c.shut()
            r = c.c = wp.my(db='c_session', caps=rawmy.MODERN | rawmy.MULTI_STATEMENTS)
            for s in (c, careless):
                eventually(lambda s=s: s.read(31) in [(n, at) for at in replicas], 60, 0.2)
            way()
            n += 1
            assert c.read(31)[0] == n, (n, way)
            if way is not committed_by_ddl:  # (after which nobody reads there, until the catalog has been read)
                v, at = careless.read(31)  # there it is not yet, if the machine was quick
                assert v in (n - 1, n), (n, way)
                behind += v == n - 1 and at in replicas
            c.close()
        assert behind > 0
        c = My(wp, 'session')
        r = c.c
        from_replica(c, 31, replicas)
        r.do('create table made_by_ddl (i int)')
        assert r.one('select count(*) from made_by_ddl') == '0'
        assert r.do('alter table made_by_ddl add column j int').affected == 0
        assert r.q('select i, j from made_by_ddl') == []
        careless.close()
    finally:
        for i in (1, 2):
            delay(cluster, i, 0)
        for sql in ('drop function f_writes', 'drop procedure p_writes'):
            p.query(sql, database='app')
    c.close()


@pytest.mark.parametrize('cluster', ['pg15', 'mysql97'], indirect=True)
def test_a_frozen_replica_under_a_bound(cluster, weir):
    """What was sent to it is asked elsewhere, and no answer is older than the bound."""
    wp = weir(databases={'c_bounded': dict(max_staleness='0.3')}, default_pool_size=10)
    wrong, done, over = [], [0] * 8, threading.Event()
    acked = [(0.0, 0)]

    def writer():
        c, n = dialect(cluster)(wp, 'session'), 0
        while not over.wait(0.01):
            n += 1
            c.write(15, n)
            acked.append((time.monotonic(), n))

    def reader(i):
        c = dialect(cluster)(wp, 'bounded')
        while not over.is_set():
            try:
                start = time.monotonic()
                v, at = c.read(15)
                least = max([n for t, n in acked[-400:] if t < start - 0.4] or [0])
                if v < least:
                    wrong.append((v, least, at))
                done[i] += 1
            except Exception as e:
                wrong.append(repr(e))
                return
    ask(cluster.nodes[0], 'update reg set v = 0 where id = 15')
    threads = [threading.Thread(target=reader, args=(i,)) for i in range(8)] + [threading.Thread(target=writer)]
    [t.start() for t in threads]
    try:
        eventually(lambda: min(done) > 100 or wrong, 90)
        cluster.nodes[1].sigstop()
        time.sleep(0.2)
        at = list(done)
        eventually(lambda: all(b > a + 100 for a, b in zip(at, done)) or wrong, 90)
        cluster.nodes[1].sigcont()
        at = list(done)
        eventually(lambda: all(b > a + 100 for a, b in zip(at, done)) or wrong, 90)
    finally:
        cluster.nodes[1].sigcont()
        over.set()
        [t.join(30) for t in threads]
    assert not wrong, wrong[:5]
