"""A cluster of PostgreSQL: who is primary, where reads go, what clients see when that changes."""
import collections
import concurrent.futures
import threading
import time

import psycopg
import pytest

import otlp
import promtext
import rawpg
from servers import PgServer, end_servers, eventually, holds, new_folder
from upgrading import moved, state, upgrade
from weir import Weirpool

pytestmark = pytest.mark.timeout(300)


class Cluster:
    """A primary and its replicas, in the order in which weirpool is told of them. Where nothing is to happen to them, silence is not taken
    for an end for a long time: a busy machine can be silent for more than a second."""
    options = {}

    def __init__(self, base, n=2, version=15):
        self.nodes = [PgServer(base, version, 'n0', extra_conf='wal_log_hints = on\n').create()]
        with self.nodes[0].connect() as c:
            c.execute("create table t (id int primary key, v text)", prepare=False)
        with self.nodes[0].connect('app', 'app') as c:
            c.execute('create table t (id serial primary key, v text)')
            c.execute('create table reg (id int primary key, v bigint)')
        self.nodes += [self.nodes[0].make_replica('n%d' % (i + 1)) for i in range(n)]

    def where(self, i):
        return '127.0.0.1:%d' % self.nodes[i].port

    def entry(self, **kw):
        d = dict(host=','.join('127.0.0.1' for _ in self.nodes), port=','.join(str(n.port) for n in self.nodes),
                 probe_user='super', probe_password='super')
        d.update(self.options, **kw)
        return d

    def stop(self):
        end_servers(*self.nodes)


VERSIONS = [pytest.param(15, id='pg15'), pytest.param(18, id='pg18', marks=pytest.mark.slow)]


@pytest.fixture(params=VERSIONS)
def new_cluster(base, request):
    made = []

    def make(n=2):
        made.append(Cluster(new_folder(base, 'cl-'), n, request.param))
        return made[-1]
    yield make
    for c in made:
        c.stop()


@pytest.fixture(scope='module', params=VERSIONS)
def cluster(base, request):
    """Two replicas; the tests that use it leave it as it is."""
    c = Cluster(new_folder(base, 'cl-'), version=request.param)
    c.options = dict(probe_timeout='20000')
    yield c
    c.stop()


@pytest.fixture
def weir(base, binary, request):
    made = []

    def make(cluster, databases=None, cluster_options=None, **kw):
        dbs = {'app': dict(cluster='main'), 'rw': dict(cluster='main', dbname='app', endpoint='rw'),
               'ro': dict(cluster='main', dbname='app', endpoint='ro')}
        dbs.update(databases or {})
        w = Weirpool(base, binary, databases=dbs, clusters={'main': cluster.entry(**(cluster_options or {}))}, **kw)
        made.append(w)
        request.node.weirpools = made
        return w
    yield make
    for w in made:
        w.stop()


def node_of(conn):
    return conn.execute('select inet_server_port()', prepare=False).fetchone()[0]


def scans(server):
    """how often table t was read there"""
    return server.query("select coalesce(sum(seq_scan), 0)::int from pg_stat_user_tables where relname = 't'", dbname='app')[0][0]


def nodes(wp):
    return {r['node']: r for r in wp.admin('SHOW NODES')}


def wait_ready(wp, cluster, replicas=2):
    def ready():
        """the primary is known and the replicas are fresh"""
        rows = nodes(wp).values()
        return sum(r['role'] == 'primary' for r in rows) == 1 and \
            sum(r['role'] == 'replica' and r['freshness'] == 'ok' for r in rows) == replicas
    eventually(ready)


def watched_anew(wp, cluster, replicas=2):
    """After a RELOAD that changes how a cluster is watched: until then SHOW NODES tells what was seen before."""
    eventually(lambda: all(int(r['samples']) > 2 for r in wp.admin('SHOW PROBES')))
    wait_ready(wp, cluster, replicas)


def test_the_primary_is_found(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)

    def shown():
        [c] = wp.admin('SHOW CLUSTERS')
        assert c['primary'] == cluster.where(0) and c['state'] == 'normal' and c['writes'] == 'open', c
        assert nodes(wp)[cluster.where(0)]['writes'] == 'yes'
        assert nodes(wp)[cluster.where(1)]['writes'] == 'no'
    holds(shown)


def test_traces_tell_the_route(cluster, weir):
    """Which node, as what, and whether the statement was known to only read."""
    collector = otlp.Collector()
    try:
        wp = weir(cluster, otlp_endpoint=collector.url, otlp_interval=50)
        wait_ready(wp, cluster)
        write = otlp.parent()
        with wp.raw() as c:
            def read():
                """a read that a replica has answered"""  # once its table is known to be one
                trace, _, tp = otlp.parent()
                c.q("select v from t /*traceparent='%s'*/" % tp)
                root, below = collector.one(trace)
                return root.a['weirpool.route'] == 'replica' and (root, below)
            root, below = eventually(read, 60)
            c.q("insert into t(v) values ('traced') /*traceparent='%s'*/" % write[2])
        assert (root.a['weirpool.reads_only'], root.a['weirpool.stands_in'], root.a['weirpool.asked_before']) == (True, False, 0)
        assert root.a['server.port'] in [n.port for n in cluster.nodes[1:]]
        assert below['client'].a['server.port'] == root.a['server.port']
        root, _ = collector.one(write[0])
        assert (root.a['weirpool.route'], root.a['weirpool.reads_only'], root.a['server.port']) == ('primary', False, cluster.nodes[0].port)
        assert root.events['weirpool.route'][1]['weirpool.route'] == 'primary'
    finally:
        collector.close()


def metrics(wp):
    return promtext.parse(wp.admin('SHOW PROMETHEUS METRICS')[0]['metrics'])


def test_metrics(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='rw') as c:
        c.execute('select 1')
    with wp.connect(dbname='ro') as c:
        port = node_of(c)
    holds(lambda: check_metrics(cluster, metrics(wp), port))


def check_metrics(cluster, m, port):
    for i, n in enumerate(cluster.nodes):
        node = dict(cluster='main', node=cluster.where(i))
        value = lambda name, **more: m['weirpool_node_' + name].value(**node, **more)
        assert value('up') == 1 and value('writes_allowed') == (i == 0) and value('weight') == 1
        assert [value('role', role=r) for r in ('primary', 'replica', 'unknown')] == ([1, 0, 0] if i == 0 else [0, 1, 0])
        assert value('probes_total') > 0 and value('probe_rtt_seconds') > 0
        if i:
            assert value('reads_allowed') == 1 and 0 <= value('lag_seconds') < 30
        else:
            with pytest.raises(KeyError):
                value('lag_seconds')
    assert m['weirpool_cluster_epoch'].value(cluster='main') >= 1
    assert m['weirpool_cluster_has_primary'].value(cluster='main') == m['weirpool_cluster_writes_open'].value(cluster='main') == 1
    assert m['weirpool_cluster_state'].value(cluster='main', state='normal') == 1
    assert sum(m['weirpool_cluster_state'].samples.values()) == 1
    # a pool of each node, and beside it where requests wait for the cluster
    pool = dict(database='ro', user='app')
    count = m['weirpool_pool_query_duration_seconds']
    assert count.one('_count', dict(pool, node='127.0.0.1:%d' % port)) == 1
    assert {dict(l).get('node') for (s, l) in m['weirpool_pool_clients_waiting'].samples if ('database', 'ro') in l} >= {None, '127.0.0.1:%d' % port}
    # pgbouncer_exporter knows no nodes: one series for database and user
    assert m['pgbouncer_pools_server_idle_connections'].value(**pool) == 1


def test_metrics_when_nodes_go(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster)
    wait_ready(wp, cluster, 1)
    epoch = metrics(wp)['weirpool_cluster_epoch'].value(cluster='main')
    cluster.nodes[1].stop('immediate')
    eventually(lambda: metrics(wp)['weirpool_node_up'].value(node=cluster.where(1)) == 0, 60)

    def without_replica():
        m = metrics(wp)
        assert m['weirpool_node_up'].value(node=cluster.where(0)) == 1 and m['weirpool_node_reads_allowed'].value(node=cluster.where(1)) == 0
    holds(without_replica)
    cluster.nodes[0].stop('immediate')

    def without_primary():
        m = metrics(wp)
        assert m['weirpool_cluster_writes_open'].value(cluster='main') == m['weirpool_cluster_state'].value(cluster='main', state='normal') == 0
        assert sum(m['weirpool_cluster_state'].samples.values()) == 1
    holds(without_primary)
    m = metrics(wp)
    failures = m['weirpool_node_probe_failures_total'].value(node=cluster.where(0))
    eventually(lambda: metrics(wp)['weirpool_node_probe_failures_total'].value(node=cluster.where(0)) > failures, 60)
    cluster.nodes[0].start()
    eventually(lambda: metrics(wp)['weirpool_cluster_writes_open'].value(cluster='main') == 1, 60)
    assert metrics(wp)['weirpool_cluster_epoch'].value(cluster='main') >= epoch


def test_endpoints(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='rw') as c:
        assert node_of(c) == cluster.nodes[0].port
        c.execute("insert into t (v) values ('x')")
    with wp.connect(dbname='ro') as c:
        eventually(lambda: {node_of(c) for _ in range(10)} <= {n.port for n in cluster.nodes[1:]})
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            c.execute("insert into t (v) values ('x')")


def test_reads_are_spread(cluster, weir):
    wp = weir(cluster, default_pool_size=5)
    wait_ready(wp, cluster)
    answered = collections.Counter()

    def reader():
        with wp.connect(dbname='app') as c:
            for _ in range(50):
                answered[c.execute("select count(*), current_setting('check.node') from t").fetchone()[1]] += 1

    def spread():
        """each replica has answered some, and the primary none"""
        answered.clear()
        threads = [threading.Thread(target=reader) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert set(answered) <= {'n0', 'n1', 'n2'} and sum(answered.values()) == 200, answered
        return answered['n0'] == 0 and answered['n1'] > 20 and answered['n2'] > 20
    eventually(spread, say=lambda: answered)


def test_a_session_reads_what_it_wrote(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        c.execute('insert into reg values (1, 0) on conflict (id) do nothing')
        for i in range(1, 300):
            c.execute('update reg set v = %s where id = 1', (i,))
            assert c.execute('select v from reg where id = 1').fetchone()[0] == i


def test_transactions_stay_where_they_are(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='app', autocommit=False) as c:
        for _ in range(3):
            assert node_of(c) == cluster.nodes[0].port
            c.execute("insert into t (v) values ('tx')")
            assert node_of(c) == cluster.nodes[0].port
            c.commit()


def test_pipelined_writes_behind_a_read(cluster, weir):
    """A write that is sent before the read in front of it was answered goes to the primary."""
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='app') as c, c.pipeline():
        for i in range(20):
            c.execute('select count(*) from t')
            cur = c.execute("insert into t (v) values ('p') returning inet_server_port()")
            assert cur.fetchone()[0] == cluster.nodes[0].port


def test_a_replica_is_drained(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    wp.admin('DRAIN "%s"' % cluster.where(1))
    eventually(lambda: nodes(wp)[cluster.where(1)]['state'] == 'draining')

    def never_there():
        """the other replica answers all of 20 reads, and who is drained none"""
        with wp.connect(dbname='ro') as c:
            seen = {node_of(c) for _ in range(20)}
        assert cluster.nodes[1].port not in seen, 'who is drained was asked'
        return seen == {cluster.nodes[2].port}
    eventually(never_there)
    moved(wp, upgrade(wp))  # what an operator has said holds in the next process
    eventually(never_there)
    wait_ready(wp, cluster)
    eventually(lambda: nodes(wp)[cluster.where(1)]['state'] == 'draining')
    # ... and when the cluster gets other options
    epoch = wp.admin('SHOW CLUSTERS')[0]['epoch']
    wp.clusters['main']['hold_timeout'] = 77
    wp.write()
    wp.admin('RELOAD')
    never_there()
    watched_anew(wp, cluster)
    eventually(lambda: nodes(wp)[cluster.where(1)]['state'] == 'draining')
    eventually(never_there)
    assert [r['epoch'] for r in wp.admin('SHOW CLUSTERS')] == [epoch]
    wp.admin('RESUME "%s"' % cluster.where(1))
    eventually(lambda: nodes(wp)[cluster.where(1)]['state'] in ('up', 'warming'))
    with pytest.raises(rawpg.PgError) as e:
        wp.admin('DRAIN "127.0.0.1:1"')
    assert 'there is no node' in str(e.value)
    with pytest.raises(rawpg.PgError):  # it follows another
        wp.admin('PROMOTED "%s"' % cluster.where(1))


def test_the_end_while_catalogs_are_read(new_cluster, weir):
    """The thread that reads them is in the middle of it, or kept waiting by its server: the process ends all the same."""
    cluster = new_cluster(1)
    for frozen in (False, True):
        wp = weir(cluster)
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open')
        with wp.connect(dbname='app') as c:  # the catalog has changed: it is read again
            c.execute('create table if not exists ddl (i int)')
        if frozen:
            cluster.nodes[0].sigstop()
            time.sleep(0.4)
        wp.stop()
        cluster.nodes[0].sigcont()


@pytest.mark.parametrize('upgrades', [False, True])
def test_a_cluster_is_paused(cluster, weir, upgrades):
    """... and stays so over an upgrade, which leaves who waits in the old process: RESUME reaches it there."""
    wp = weir(cluster, cluster_options=dict(hold_timeout='200'))
    wait_ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        c.execute("insert into t (v) values ('a')")
        c.execute("delete from t where v = 'held'")
        wp.admin('PAUSE main')
        t = threading.Thread(target=lambda: c.execute("insert into t (v) values ('held')"))
        t.start()
        eventually(lambda: any(r['cl_waiting'] == '1' for r in wp.admin('SHOW POOLS')))
        if upgrades:
            upgrade(wp)
            eventually(lambda: state(wp).get('predecessor_busy') == '1')
        assert wp.admin('SHOW CLUSTERS')[0]['paused'] == 'yes'
        wp.admin('RESUME main')
        t.join(100)
        assert not t.is_alive()
        assert c.execute("select count(*) from t where v = 'held'").fetchone()[0] == 1


def test_links_go_along_with_an_upgrade(cluster, weir):
    """Who keeps a connection to the primary or to a replica keeps it in the new process, once that knows the cluster."""
    wp = weir(cluster, databases={'own': dict(cluster='main', dbname='app', pool_mode='session'),
                                  'reads': dict(cluster='main', dbname='app', pool_mode='session', endpoint='ro')})
    wait_ready(wp, cluster)
    with wp.raw(dbname='own') as own, listener(wp, 'app') as listens, wp.raw(dbname='reads') as reads:
        def pids():
            return [c.one("select inet_server_port() || ' ' || pg_backend_pid()") for c in (own, listens, reads)]
        before = pids()
        assert reads.one('select pg_is_in_recovery()') == 't'
        moved(wp, upgrade(wp))
        assert pids() == before


def test_a_promoted_replica_is_followed(new_cluster, weir):
    cluster = new_cluster(2)
    wp = weir(cluster, cluster_options=dict(hold_timeout='200'))
    wait_ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        c.execute("insert into t (v) values ('before')")
        cluster.nodes[0].kill9()
        cluster.nodes[1].query('select pg_promote(false)')
        insert = "insert into t (v) values ('after') returning inet_server_port()"
        try:  # held, and then run by the new primary
            assert c.execute(insert).fetchone()[0] == cluster.nodes[1].port
        except psycopg.errors.TransactionResolutionUnknown:  # sent to the old one before its end was noticed
            assert c.execute(insert).fetchone()[0] == cluster.nodes[1].port
    [row] = wp.admin('SHOW CLUSTERS')
    assert row['primary'] == cluster.where(1) and int(row['epoch']) >= 2, row


def listener(wp, dbname):
    r = wp.raw(dbname=dbname)
    r.simple('listen news')
    return r


def ends_at_once(r, hint):
    """It has sent nothing, and is told all the same: a listener that is not told waits for ever."""
    r.sock.settimeout(60)
    with pytest.raises(rawpg.Closed) as e:
        r.until_ready()
    [error] = rawpg.errors(e.value.messages)
    assert error['S'] == 'FATAL' and error['C'] == '08006' and (hint in error.get('H', '')), error


def test_an_old_primary_gets_no_writes(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster, databases={'app_session': dict(cluster='main', dbname='app', pool_mode='session'),
                                   'again': dict(cluster='main', dbname='app', relisten=1)})
    wait_ready(wp, cluster, 1)
    listening = listener(wp, 'app')
    listens_again = listener(wp, 'again')
    eventually(lambda: len(wp.admin('SHOW PINS')) == 2)  # (of session mode nothing is known)
    in_session = listener(wp, 'app_session')
    cluster.nodes[0].kill9()
    ends_at_once(listening, 'listen')
    ends_at_once(in_session, '')
    assert listens_again.quiet()
    cluster.nodes[1].query('select pg_promote()')
    assert listens_again.recv_until('N')[-1].fields['C'] == '01W01'  # by itself: it has asked for nothing
    cluster.nodes[1].query("notify news, 'of the new primary'", dbname='app')
    listens_again.recv_until('A')
    assert listens_again.notifications[-1][1:] == ('news', 'of the new primary')
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1))
    for name in 'app', 'app_session':  # as its program does that connects again
        with listener(wp, name) as r, wp.raw() as other:
            other.simple("notify news, 'again'")
            r.recv_until('A')
            assert r.notifications[-1][1:] == ('news', 'again')
    cluster.nodes[0].start()  # it believes that it still is the primary
    eventually(lambda: nodes(wp)[cluster.where(0)]['state'] == 'quarantined')
    with wp.connect(dbname='app') as c:
        for _ in range(20):
            assert c.execute("insert into t (v) values ('x') returning inet_server_port()").fetchone()[0] == \
                cluster.nodes[1].port
    assert wp.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1)


def test_writes_are_held_and_then_refused(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster, cluster_options=dict(hold_timeout='3'))
    wait_ready(wp, cluster, 1)
    with wp.connect(dbname='app') as c, wp.connect(dbname='ro') as ro:
        assert c.execute('select 1').fetchone() == (1,)
        cluster.nodes[0].kill9()
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] != 'open')
        with pytest.raises(psycopg.errors.CannotConnectNow) as e:
            c.execute("insert into t (v) values ('x')")
        assert 'no primary' in str(e.value)
        assert not c.closed
        assert ro.execute('select 1').fetchone() == (1,)
        cluster.nodes[0].start()
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open')
        c.execute("insert into t (v) values ('x')")


def test_a_url_with_several_hosts(cluster, base, binary):
    import subprocess
    from servers import as_test_user, free_port
    port = free_port()
    hosts = ','.join('127.0.0.1:%d' % n.port for n in cluster.nodes)
    p = subprocess.Popen(as_test_user([binary, 'postgres://super:super@%s/app?sslmode=disable&listen_port=%d&unix_socket_dir='
                                       % (hosts, port)]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/tmp')
    try:
        def ports():
            try:
                with psycopg.connect(host='127.0.0.1', port=port, user='super', password='super', dbname='app',
                                     connect_timeout=5, autocommit=True) as c:
                    c.execute("insert into t (v) values ('url')")
                    return c.execute("insert into t (v) values ('url') returning inet_server_port()").fetchone()[0]
            except psycopg.OperationalError:
                return None
        assert eventually(ports) == cluster.nodes[0].port
    finally:
        p.terminate()
        p.wait(60)


def test_what_a_replica_refuses_runs_on_the_primary(new_cluster, weir):
    """A view over what writes, made behind weirpool's back: it cannot know yet."""
    cluster = new_cluster(1)
    with cluster.nodes[0].connect('app', 'app') as c:
        c.execute("create function w() returns int language plpgsql as $$ begin insert into t (v) values ('net'); return 1; end $$")
    wp = weir(cluster)
    wait_ready(wp, cluster, 1)
    with wp.connect(dbname='app') as c:
        before = scans(cluster.nodes[1])

        def reads_there():
            """reads go to the replica"""
            c.execute('select count(*) from t')
            return scans(cluster.nodes[1]) > before
        eventually(reads_there)
        views = []

        def refused_there():
            """a replica was asked; not if it has just fallen behind, or the catalogs were read in between"""
            views.append('looks_harmless%d' % len(views))
            with cluster.nodes[0].connect('app', 'app') as d:
                d.execute('create view %s as select w() as x' % views[-1])
            eventually(lambda: cluster.nodes[1].query("select to_regclass('%s')" % views[-1], dbname='app')[0][0])
            assert c.execute('select x from ' + views[-1]).fetchone() == (1,)
            with wp.raw() as r:
                assert r.one('select x from ' + views[-1]) == '1'
            return 'asking another node' in wp.log()
        eventually(refused_there)
    assert cluster.nodes[0].query("select count(*) from t where v = 'net'", dbname='app')[0][0] == 2 * len(views)


def test_catalogs_that_cannot_be_read_once(new_cluster, weir):
    """What was read before holds until the second time: else a primary that is lost meanwhile would take all reads with it."""
    cluster = new_cluster(2)
    wp = weir(cluster, cluster_options=dict(hold_timeout='200'))
    wait_ready(wp, cluster)
    new = cluster.nodes[1]

    def known():
        """that this only reads"""
        return wp.admin('EXPLAIN ROUTE FOR app select v from t')[0]['reason'] == 'only reads'
    with wp.connect(dbname='app') as c:
        c.execute('select 1')
    eventually(known)
    new.write_hba('local all all trust\nhost app super 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n')
    new.query('select pg_reload_conf()')
    cluster.nodes[0].kill9()
    new.query('select pg_promote()')
    wp.wait_log('W3008 .*what was read before holds')
    assert known() or 'all reads go to the primary' in wp.log()
    wp.wait_log('W3008 .*all reads go to the primary')
    eventually(lambda: not known())
    new.write_hba()
    new.query('select pg_reload_conf()')
    eventually(known)


def test_reads_survive_the_end_of_a_replica(new_cluster, weir):
    cluster = new_cluster(2)
    wp = weir(cluster)
    wait_ready(wp, cluster)
    failed, stop, done = [], threading.Event(), [0]

    def reader():
        with wp.connect(dbname='app') as c:
            while not stop.is_set():
                try:
                    assert c.execute('select count(*) from t').fetchone() is not None
                    done[0] += 1
                except psycopg.Error as e:
                    failed.append(str(e))
                    return
    threads = [threading.Thread(target=reader) for _ in range(8)]
    [t.start() for t in threads]
    eventually(lambda: done[0] > 200)
    cluster.nodes[1].kill9()
    at = done[0]
    eventually(lambda: done[0] > at + 500 or failed)
    stop.set()
    [t.join() for t in threads]
    assert not failed, failed


def test_a_read_that_recovery_cancels_is_asked_again(cluster, weir):
    """VACUUM on the primary removes rows that a statement on the replica could still see: the replica cancels it."""
    wp = weir(cluster, dict(ev=dict(cluster='main', dbname='app', consistency='eventual')))
    wait_ready(wp, cluster)
    primary, replicas = cluster.nodes[0], cluster.nodes[1:]
    primary.query('create table gone as select generate_series(1, 1000) a', dbname='app')

    def each(sql):
        for n in replicas:
            n.query(sql)
            n.query('select pg_reload_conf()')

    def reads():
        return [n.backends("state = 'active' and query like '%pg_sleep%'") for n in replicas]

    def canceled():
        return sum(n.query("select sum(confl_snapshot)::int from pg_stat_database_conflicts")[0][0] for n in replicas)
    each('alter system set max_standby_streaming_delay = 0')
    try:
        before = canceled()
        with wp.connect(dbname='ev') as c, concurrent.futures.ThreadPoolExecutor(1) as pool:
            c.execute('select 1')   # the catalogs are read now
            eventually(lambda: wp.admin('EXPLAIN ROUTE FOR ev select 1')[0]['goes_to'] == 'replica')
            answer = pool.submit(lambda: c.execute("select 'answer' from pg_sleep(8)", prepare=False).fetchall())
            eventually(lambda: sum(reads()) == 1)
            primary.query('delete from gone', dbname='app')
            # (who has looked at the primary since before that keeps the rows: weirpool's own questions do for a moment)
            eventually(lambda: primary.query('vacuum gone', dbname='app') or canceled() > before or answer.done(), every=0.2)
            assert answer.result(100) == [('answer',)]
        eventually(lambda: canceled() > before)
    finally:
        each('alter system reset max_standby_streaming_delay')
        primary.query('drop table gone', dbname='app')


def test_writes_while_the_primary_restarts(new_cluster, weir):
    """Nothing is written twice, what was acknowledged is there, and who was idle has not noticed."""
    cluster = new_cluster(1)
    wp = weir(cluster, cluster_options=dict(hold_timeout='200'))
    wait_ready(wp, cluster, 1)
    acked, unknown, stop = [], [], threading.Event()

    def writer(k):
        i = 0
        c = wp.connect(dbname='app')
        while not stop.is_set():
            i += 1
            try:
                c.execute('insert into t (v) values (%s)', ('%d:%d' % (k, i),))
                acked.append('%d:%d' % (k, i))
            except psycopg.Error as e:
                unknown.append(e.sqlstate)
                c.close()
                c = wp.connect(dbname='app')
        c.close()
    idle = wp.connect(dbname='app')
    assert idle.execute('select 1').fetchone() == (1,)
    threads = [threading.Thread(target=writer, args=(k,)) for k in range(6)]
    [t.start() for t in threads]
    eventually(lambda: len(acked) > 300)
    for _ in range(2):
        cluster.nodes[0].kill9()
        time.sleep(0.5)
        cluster.nodes[0].start()
        at = len(acked)
        eventually(lambda: len(acked) > at + 300)
    stop.set()
    [t.join() for t in threads]
    assert idle.execute("insert into t (v) values ('idle') returning 1").fetchone() == (1,)
    idle.close()
    rows = [v for v, in cluster.nodes[0].query("select v from t where v like '%:%'", dbname='app')]
    assert len(rows) == len(set(rows))
    assert set(acked) <= set(rows)
    # 57P01: a backend that outlives its postmaster for a moment says so, and has done nothing
    assert set(unknown) <= {'08007', '57P01'}, set(unknown)


def test_reads_outlive_a_primary_that_quits(new_cluster, weir):
    """Told to quit at once, a server says so in a warning, and closes: no part of an answer. Whoever reads hears nothing of it."""
    cluster = new_cluster(1)
    wp = weir(cluster, cluster_options=dict(hold_timeout='200'))
    wait_ready(wp, cluster, 1)
    said, stop, done = [], threading.Event(), collections.Counter()
    with wp.connect(dbname='app') as c:
        c.execute('select 1')  # now the catalogs are read; before that nothing is known to be a read
    eventually(lambda: wp.admin("EXPLAIN ROUTE FOR app select 'end'")[0]['goes_to'] == 'replica')

    def client(k):
        with wp.raw() as c:
            while not stop.is_set():
                # what a session reads of its own writes is the primary's to tell
                for what, sql in (('write', "insert into t (v) values (default) returning 'ack'"), ('read', "select 'end'")):
                    c.send(rawpg.query(sql))
                    said.extend((what, e['C'], e['M'], e.get('D')) for e in rawpg.errors(c.until_ready()))
                    done[k] += 1
                time.sleep(0.005)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(12)]
    [t.start() for t in threads]
    try:
        for _ in range(3):
            before = dict(done)
            eventually(lambda: all(done[k] > before.get(k, 0) + 20 for k in range(12)), 60)
            cluster.nodes[0].stop('immediate')
            cluster.nodes[0].start()
    finally:
        stop.set()
        [t.join() for t in threads]
    assert {what for what, *_ in said} <= {'write'}, said
    assert {code for _, code, *_ in said} <= {'08007'}, said


def test_a_node_that_is_back_is_used_at_once(new_cluster, weir):
    """Who failed to connect would try again in ten minutes; the probe knows better."""
    cluster = new_cluster(1)
    wp = weir(cluster, min_pool_size=2, server_retry_min=600, server_login_retry=600)
    wait_ready(wp, cluster, 1)
    with wp.connect(dbname='app') as c:
        c.execute('insert into t (v) values (1)')
        cluster.nodes[0].kill9()
        wp.wait_log(r'W3009 .*(refused|closed|reset)')
        cluster.nodes[0].start()

        def written():
            """a held write is done, or said to be refused (no primary for hold_timeout)"""
            try:
                return c.execute('insert into t (v) values (2) returning v').fetchone() == ('2',)
            except psycopg.Error:
                return False
        eventually(written, 120)


def test_a_write_of_unknown_outcome_says_so(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster)
    wait_ready(wp, cluster, 1)
    with wp.raw() as r:
        r.send(rawpg.query("insert into t (v) select 'x' from pg_sleep(20)"))
        eventually(lambda: cluster.nodes[0].query("select count(*) from pg_stat_activity where wait_event = 'PgSleep'")[0][0])
        cluster.nodes[0].kill9()
        [e] = [m for m in r.until_ready() if m.type == 'E']  # and the session goes on: test_lost_pg.py
        assert e.fields['C'] == '08007', e.fields


@pytest.mark.parametrize('share', [50, 100])
def test_the_primary_stands_in_for_replicas(cluster, weir, share):
    """Without replicas, reads take the primary's share of the pool, and writes get through; with them again nothing is left there."""
    wp = weir(cluster, dict(app=dict(cluster='main', pool_size=4)), dict(primary_read_share=share))
    wait_ready(wp, cluster)
    heavy = 'select count(*) from generate_series(1, 40000) heavy'
    over, errors, done = threading.Event(), [], collections.Counter()

    def client(what, sql):
        try:
            with wp.connect(dbname='app') as c:
                done['login'] += 1
                while not over.is_set():
                    c.execute(sql, prepare=False)
                    done[what] += 1
        except Exception as e:
            errors.append(e)

    def routes():
        return {r['node']: r for r in wp.admin('SHOW ROUTES')}

    def at_primary():
        return sum(r['state'] == 'active' and int(r['port']) == cluster.nodes[0].port for r in wp.admin('SHOW SERVERS'))
    with wp.connect(dbname='app') as c:
        c.execute('select 1')  # now the catalogs are read; before that nothing is known to be a read
    eventually(lambda: wp.admin('EXPLAIN ROUTE FOR app ' + heavy)[0]['goes_to'] == 'replica')
    for i in (1, 2):
        wp.admin('DRAIN "%s"' % cluster.where(i))
    threads = [threading.Thread(target=client, args=('read', heavy)) for _ in range(12)]
    for t in threads:
        t.start()
    most = 4 * share // 100
    try:
        eventually(lambda: done['login'] == 12)  # (for a login the primary is asked as well)
        eventually(lambda: at_primary() == most)
        for _ in range(100):
            assert at_primary() <= most
        threads.append(threading.Thread(target=client, args=('write', "insert into t (v) values ('x')")))
        threads[-1].start()
        for what in ('write', 'read'):
            n = done[what]
            eventually(lambda: done[what] > n + 20)
        for i in (1, 2):
            wp.admin('RESUME "%s"' % cluster.where(i))
        eventually(lambda: all(at_primary() <= 1 for _ in range(10)))
        eventually(lambda: sum(int(routes()[cluster.where(i)]['reads']) for i in (1, 2)) > 20)
    finally:
        over.set()
        for t in threads:
            t.join(30)
    assert not errors, errors
    of = routes()
    primary = of[cluster.where(0)]
    assert primary['role'] == 'primary' and all(of[cluster.where(i)]['role'] == 'replica' for i in (1, 2)), of
    assert int(primary['assigned']) - int(primary['reads']) >= done['write']
    assert (int(primary['stand_ins']) > 20) == (share < 100)    # (with 100 nobody counts them)
    assert (None in of and int(of[None]['held']) > 0) == (share < 100), of
