"""Two primaries at a time, and none: where writes and reads go then, and how an operator ends it."""
import signal
import threading
import time

import psycopg
import pytest
from clusters import Patroni
from rawmy import MyError
from servers import eventually, leave_tree, new_folder
from test_cluster_my import Cluster as MyCluster
from test_cluster_pg import new_cluster, node_of, nodes, scans, wait_ready, weir  # noqa: F401
from traffic import PgClient, Traffic
from upgrading import moved, upgrade
from weir import Weirpool

pytestmark = pytest.mark.timeout(300)


def state(wp):
    return wp.admin('SHOW CLUSTERS')[0]


def count(server, what, dbname='app'):
    return server.query("select count(*) from t where v = '%s'" % what, dbname=dbname)[0][0]


def test_two_promoted_on_one_timeline(new_cluster, weir):
    """Test 18 of the specification: writes go to neither, reads to who follows the last epoch, the operator decides."""
    cluster = new_cluster(3)
    a, q, r, rest = cluster.nodes
    wp = weir(cluster, {'ev': dict(cluster='main', dbname='app', endpoint='ro', consistency='eventual')},
              cluster_options=dict(hold_timeout='2'))
    wait_ready(wp, cluster, 3)
    with wp.connect() as c, wp.connect(dbname='ev') as ro:
        c.execute("insert into t (v) values ('before')")
        eventually(lambda: all(count(n, 'before') for n in (q, r, rest)))
        a.kill9()
        eventually(lambda: state(wp)['state'] == 'no-primary', 30)
        q.query('select pg_promote()')
        eventually(lambda: state(wp)['primary'] == cluster.where(1), 30)
        rest.query("alter system set primary_conninfo = 'host=%s port=%d user=postgres'" % (q.sockdir, q.port))
        rest.query('select pg_reload_conf()')
        eventually(lambda: nodes(wp)[cluster.where(3)]['freshness'] == 'ok', 60)
        c.execute("insert into t (v) values ('agreed')")
        eventually(lambda: count(rest, 'agreed'))
        r.query('select pg_promote()')  # it has never heard of the other one: the same timeline
        eventually(lambda: state(wp)['state'] == 'split', 60)
        eventually(lambda: state(wp)['writes'] == 'refused', 30)
        for _ in range(5):
            with pytest.raises(psycopg.errors.CannotConnectNow) as e:
                c.execute("insert into t (v) values ('split')")
            assert 'split' in e.value.diag.message_detail, e.value.diag.message_detail
            assert ro.execute("select count(*) from t where v = 'agreed'").fetchone() == (1,)
            assert node_of(ro) == rest.port
        wp.wait_log(' ERROR E4003 cluster main: ')  # an alarm
        wp.wait_log('-> split: ')
        assert count(q, 'split') == count(r, 'split') == 0
        with pytest.raises(Exception, match='is not writable|does not answer'):
            wp.admin('RESOLVE main TO ' + cluster.where(3))
        with pytest.raises(Exception, match='does not answer'):
            wp.admin('RESOLVE main TO ' + cluster.where(0))
        wp.admin('RESOLVE main TO ' + cluster.where(2))
        eventually(lambda: state(wp)['state'] == 'normal' and state(wp)['primary'] == cluster.where(2))
        for _ in range(20):
            assert c.execute("insert into t (v) values ('after') returning inet_server_port()").fetchone()[0] == r.port
        assert nodes(wp)[cluster.where(1)]['state'] == 'quarantined'
        goes_on_after_an_upgrade(wp, cluster.where(2), cluster.where(1))
        for _ in range(20):
            assert c.execute("insert into t (v) values ('upgraded') returning inet_server_port()").fetchone()[0] == r.port
        eventually(lambda: q.backends("application_name <> 'weirpool-monitor' and usename = 'app'") == 0)
    assert count(q, 'after') == 0 and count(r, 'after') == 20
    with pytest.raises(Exception, match='not split, but normal'):
        wp.admin('RESOLVE main TO ' + cluster.where(1))


def goes_on_after_an_upgrade(wp, primary, quarantined):
    """What an operator has decided holds in the next process: it is no question any more, and both still are writable."""
    epoch = state(wp)['epoch']
    moved(wp, upgrade(wp))
    eventually(lambda: state(wp)['state'] == 'normal', 30)
    assert state(wp)['primary'] == primary and state(wp)['epoch'] == epoch
    assert nodes(wp)[quarantined]['state'] == 'quarantined'


def promote(n):
    if n.family == 'mysql':
        n.query('stop replica')
        n.query('reset replica all')
        n.query('set global super_read_only = off')
    else:
        n.query('stop slave')
        n.query('reset slave all')
    n.query('set global read_only = off')


@pytest.mark.parametrize('kind', ['mysql97', 'maria1011', pytest.param('maria118', marks=pytest.mark.slow)])
def test_two_writers(base, binary, request, kind):
    """The same of MySQL and MariaDB: the second one appears beside a primary that lives on."""
    cluster = MyCluster(base, kind)
    p, q = cluster.nodes
    wp = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'),
                  clusters={'main': dict(cluster.entry(), hold_timeout='2')})
    request.node.weirpools = [wp]
    try:
        eventually(lambda: {r['role'] for r in wp.admin('SHOW NODES')} == {'primary', 'replica'}, 40)
        with wp.my() as c:
            c.do("insert into app.t (v) values ('before')")
            p.wait_replica(q)
            promote(q)
            eventually(lambda: state(wp)['state'] == 'split', 30)
            eventually(lambda: state(wp)['writes'] == 'refused', 30)
            had = [int(n.query('select count(*) from app.t')[0][0]) for n in (p, q)]
            for _ in range(5):
                with pytest.raises(MyError) as e:
                    c.do("insert into app.t (v) values ('split')")
                assert e.value.errno == 1290, e.value
            assert had == [int(n.query('select count(*) from app.t')[0][0]) for n in (p, q)]
            wp.admin('RESOLVE main TO ' + cluster.where(1))
            eventually(lambda: state(wp)['state'] == 'normal' and state(wp)['primary'] == cluster.where(1))
            for _ in range(20):
                c.do("insert into app.t (v) values ('after')")
            goes_on_after_an_upgrade(wp, cluster.where(1), cluster.where(0))
            for _ in range(20):
                c.do("insert into app.t (v) values ('after')")
        assert q.query("select count(*) from app.t where v = 'after'")[0][0] == 40
        assert p.query("select count(*) from app.t where v in ('after', 'split')")[0][0] == 0
        assert nodes(wp)[cluster.where(0)]['state'] == 'quarantined'
    finally:
        wp.stop()
        cluster.stop()


# ---- a Patroni that hangs ----

@pytest.fixture
def patroni(base):
    d = new_folder(base, 'split-')
    p = Patroni(d)
    try:
        yield p.create()
    finally:
        for n in p.nodes:
            if n.proc and n.proc.poll() is None:
                n.agent_signal(signal.SIGCONT)
        p.stop()
        leave_tree(d)


class Writer(threading.Thread):
    """Writes on and on, and connects anew after an error: which is expected of who is cut off in the middle of a write."""

    def __init__(self, wp, k):
        super().__init__(daemon=True)
        self.wp, self.k = wp, k
        self.acked, self.errors = [], []
        self.stopped = threading.Event()

    def run(self):
        c = None
        while not self.stopped.is_set():
            try:
                c = c or PgClient(self.wp)
                v = '%d-%d' % (self.k, len(self.acked) + len(self.errors))
                c.insert(v)
                self.acked.append(v)
            except psycopg.Error as e:
                self.errors.append(e)
                if c:
                    c.close()
                c = None
            time.sleep(0.005)


@pytest.mark.slow
def test_patroni_hangs(patroni, base, binary, request):
    """Test 17 of the specification: its PostgreSQL lives on and takes writes while another one is promoted."""
    old = patroni.nodes[0]
    wp = Weirpool(base, binary, databases={'app': dict(cluster='main')}, default_pool_size=10,
                  clusters={'main': dict(host=','.join(n.host for n in patroni.nodes),
                                         port=','.join(str(n.port) for n in patroni.nodes), probe_user='app',
                                         probe_password='app', patroni=','.join(n.url for n in patroni.nodes))})
    request.node.weirpools = [wp]
    writers = []

    def rows(i, sql):
        with psycopg.connect(host=str(patroni.dir), port=patroni.nodes[i].port, user='postgres', dbname='app') as c:
            return c.execute(sql).fetchall()
    try:
        eventually(lambda: sum(r['freshness'] == 'ok' for r in nodes(wp).values()) == 2, 60)
        with wp.connect() as c:
            c.execute('create table traffic (v text, at timestamptz default clock_timestamp())')
        writers = [Writer(wp, k) for k in range(8)]
        [w.start() for w in writers]
        eventually(lambda: all(len(w.acked) > 20 for w in writers), 60)
        old.agent_signal(signal.SIGSTOP)

        def promoted():
            """one of the others takes writes"""
            for i in (1, 2):
                if not rows(i, 'select pg_is_in_recovery()')[0][0]:
                    return i, rows(i, 'select clock_timestamp()')[0][0]
        new, since = eventually(promoted, 120, 0.01)
        assert rows(0, 'select pg_is_in_recovery()')[0][0] is False, 'the old one must have lived on'
        eventually(lambda: state(wp)['primary'] == '%s:%d' % (patroni.nodes[new].host, patroni.nodes[new].port), 30)
        at = [len(w.acked) for w in writers]
        eventually(lambda: all(len(w.acked) > n + 20 for w, n in zip(writers, at)), 60)
        eventually(lambda: rows(0, "select count(*) from pg_stat_activity where usename = 'app' and application_name <>"
                                   " 'weirpool-monitor'")[0][0] == 0)
        [w.stopped.set() for w in writers]
        [w.join(60) for w in writers]
        last = rows(0, 'select max(at) from traffic')[0][0]
        late = rows(0, "select count(*) from traffic where at > '%s'" % since)[0][0]
        there = {v for v, in rows(new, 'select v from traffic')}
        lost = [v for w in writers for v in w.acked if v not in there]
        print('the last write of the old primary came %.3f s after the new one could be written to; %d came after that; '
              '%d acknowledged writes are lost; %d errors' % ((last - since).total_seconds(), late, len(lost),
                                                              sum(len(w.errors) for w in writers)))
        # two intervals are what is asked for; a machine that is busy takes longer, and nobody who does not look ever stops
        assert (last - since).total_seconds() < 5
        assert nodes(wp)['%s:%d' % (old.host, old.port)]['state'] == 'quarantined'
    finally:
        [w.stopped.set() for w in writers]
        [w.join(60) for w in writers]
        wp.stop()


@pytest.mark.slow
def test_patroni_is_gone(patroni, base, binary, request):
    """Test 20 of the specification: all of Patroni ends, the servers live on, nobody notices."""
    wp = Weirpool(base, binary, databases={'app': dict(cluster='main')}, default_pool_size=10,
                  clusters={'main': dict(host=','.join(n.host for n in patroni.nodes),
                                         port=','.join(str(n.port) for n in patroni.nodes), probe_user='app',
                                         probe_password='app', patroni=','.join(n.url for n in patroni.nodes))})
    request.node.weirpools = [wp]
    try:
        eventually(lambda: sum(r['freshness'] == 'ok' for r in nodes(wp).values()) == 2, 60)
        with wp.connect() as c:
            c.execute('create table traffic (v text)')
        with Traffic(lambda: PgClient(wp), 10, 0.01) as t:
            for n in patroni.nodes:
                n.agent_signal(signal.SIGKILL)
            eventually(lambda: all('Patroni at ' in (r['why'] or '') for r in nodes(wp).values()), 30)
            time.sleep(4)  # what it said last holds for 3 seconds
            t.flows()
        with wp.connect() as c:
            t.judge([v for v, in c.execute('select v from traffic').fetchall()])
        assert state(wp)['epoch'] == '1'
    finally:
        wp.stop()


# ---- no primary, no replicas ----

def reads_go_to_replicas(c, cluster):
    """the catalog has been read, and a replica is fresh enough"""
    before = [scans(n) for n in cluster.nodes[1:]]

    def there():
        """a replica has answered"""
        assert c.execute('select count(*) from t').fetchone()
        return [scans(n) for n in cluster.nodes[1:]] != before
    eventually(there, 30)


def test_reads_without_a_primary(new_cluster, weir):
    cluster = new_cluster(2)
    wp = weir(cluster, {'ev': dict(cluster='main', dbname='app', consistency='eventual')},
              cluster_options=dict(hold_timeout='60'))
    wait_ready(wp, cluster)
    with wp.connect(dbname='ev') as c, wp.connect(dbname='ro') as ro:
        c.execute("insert into t (v) values ('x')")
        eventually(lambda: all(count(n, 'x') for n in cluster.nodes))
        reads_go_to_replicas(c, cluster)
        cluster.nodes[0].kill9()
        for _ in range(200):
            assert c.execute('select count(*) from t').fetchone() == (1,)
            assert ro.execute('select count(*) from t').fetchone() == (1,)
        eventually(lambda: state(wp)['primary'] is None)
        with wp.connect(dbname='ev') as d:  # who comes now is let in
            assert d.execute('select count(*) from t').fetchone() == (1,)


def test_reads_without_replicas(new_cluster, weir):
    cluster = new_cluster(2)
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect() as c, wp.connect(dbname='ro') as ro:
        for n in cluster.nodes[1:]:
            n.kill9()
            for _ in range(50):
                assert c.execute('select count(*) from t').fetchone() == (0,)
                assert ro.execute('select count(*) from t').fetchone() == (0,)
        assert node_of(ro) == cluster.nodes[0].port
        c.execute("insert into t (v) values ('x')")
