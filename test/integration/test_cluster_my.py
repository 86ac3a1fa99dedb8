"""A cluster of MySQL or MariaDB with GTID replication: who is primary, where reads go, what clients see when that changes."""
import collections
import contextlib
import threading
import time

import pytest

from mysql_servers import MyServer
from rawmy import IN_TRANS, IN_TRANS_READONLY, MyError
from rawpg import PgError
from servers import end_servers, eventually, in_thread, new_folder
from weir import Weirpool

KINDS = ['mysql97', pytest.param('maria1011', marks=pytest.mark.slow), 'maria118']


class Cluster:
    def __init__(self, base, kind):
        d = new_folder(base, 'clmy-')
        primary = MyServer(d, kind, 'n0', server_id=1).create()
        self.nodes = [primary, primary.make_replica('n1', server_id=2)]
        primary.query("create table app.t (id int auto_increment primary key, v varchar(20))")
        # the rights of probe_user that doc/clusters.md names, and no others
        primary.query("create user watch@'%' identified by 'watch'")
        for right in ('select on performance_schema.*', 'show view on *.*') if kind == 'mysql97' else ('slave monitor, show view on *.*',):
            primary.query("grant %s to watch@'%%'" % right)
        primary.wait_replica(self.nodes[1])

    def where(self, i):
        return '127.0.0.1:%d' % self.nodes[i].port

    def entry(self):
        return dict(host=','.join('127.0.0.1' for _ in self.nodes), port=','.join(str(n.port) for n in self.nodes),
                    protocol='mysql', probe_user='watch', probe_password='watch')

    def stop(self):
        end_servers(*self.nodes)


@pytest.fixture(params=KINDS)
def cluster(base, request):
    c = Cluster(base, request.param)
    yield c
    c.stop()


@pytest.fixture
def wp(cluster, base, binary, request):
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main'), 'ro': dict(cluster='main', dbname='app', endpoint='ro'),
                                                 'reports': dict(cluster='main', dbname='app', read_only_tx='replica'),
                                                 'late': dict(cluster='main', dbname='app', read_only_tx='replica', defer_begin=1)},
                 clusters={'main': dict(cluster.entry(), hold_timeout='200')}, userlist=dict(app='app', admin='admin'))
    request.node.weirpools = [w]

    def ready():
        """the primary is known, and the replica is fresh"""
        rows = w.admin('SHOW NODES')
        return {r['role'] for r in rows} == {'primary', 'replica'} and any(r['freshness'] == 'ok' for r in rows)
    eventually(ready, 90)
    yield w
    w.stop()


def test_reads_writes_and_failover(cluster, wp):
    [row] = wp.admin('SHOW CLUSTERS')
    assert row['primary'] == cluster.where(0) and row['kind'] in ('mysql', 'mariadb'), row
    with wp.my() as c, wp.my(db='ro') as ro, wp.my(db='late') as late:
        for i in range(50):  # what it wrote is there, wherever it reads
            c.do("insert into app.t (v) values ('%d')" % i)
            assert c.one("select count(*) from app.t where v = '%d'" % i) == '1'
        eventually(lambda: ro.one('select @@port') == str(cluster.nodes[1].port))
        with pytest.raises(MyError) as e:
            ro.do("insert into app.t (v) values ('no')")
        assert e.value.errno == 1290

        def at_replica():
            """reads go to the replica, once they need nothing that is newer"""
            before = int(cluster.nodes[1].query("show global status like 'Com_select'")[0][1])
            with wp.my() as d:
                for _ in range(200):
                    d.one('select count(*) from app.t')
            return int(cluster.nodes[1].query("show global status like 'Com_select'")[0][1]) - before > 150
        eventually(at_replica)

        # the first statement of a transaction that may write goes to the primary, if it only reads as well
        def runs_at(begin):
            ok = late.do(begin)
            assert ok.status & IN_TRANS and bool(ok.status & IN_TRANS_READONLY) == ('only' in begin)
            port = late.one('select @@port')
            late.do('commit')
            return int(port)
        assert runs_at('begin') == runs_at('start transaction read write') == cluster.nodes[0].port
        eventually(lambda: runs_at('start transaction read only') == cluster.nodes[1].port)
        assert runs_at('begin') == cluster.nodes[0].port
        late.do('begin')

        # the primary goes, the replica becomes it: it has all that was written
        n = cluster.nodes[1]
        cluster.nodes[0].wait_replica(n)
        cluster.nodes[0].kill9()
        # its end has been noticed: no request is sent to it any more
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] != 'open' and
                   not [r for r in wp.admin('SHOW SERVERS') if int(r['port']) == cluster.nodes[0].port])
        if n.family == 'mysql':
            n.query('stop replica')
            n.query('reset replica all')
            n.query('set global super_read_only = off')
            n.query('set global read_only = off')
        else:
            n.query('stop slave')
            n.query('reset slave all')
            n.query('set global read_only = off')
        c.do("insert into app.t (v) values ('after')")  # held, and then run by the new primary
        assert c.one("select count(*) from app.t where v = 'after'") == '1'
        # what had begun before goes on there
        assert late.do("insert into app.t (v) values ('late')").status & IN_TRANS
        assert n.query("select count(*) from app.t where v = 'late'")[0][0] == 0
        late.do('commit')
    assert n.query("select count(*) from app.t where v = 'late'")[0][0] == 1
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1))
    assert n.query("select count(*) from app.t where v = 'after'")[0][0] == 1


def written_and_read(w):
    """Whatever a session has written is there when it reads, at once and when the next samples have told of it, wherever that is."""
    with w.my() as c:
        for i in range(8):
            c.do("insert into app.t (v) values ('again %d')" % i)
            until = time.monotonic() + 0.15
            while time.monotonic() < until:
                assert c.one("select count(*) from app.t where v = 'again %d'" % i) == '1', 'the row %d was not there' % i


def shown(w, port):
    return next(r for r in w.admin('SHOW NODES') if r['node'].endswith(':%d' % port))


@pytest.mark.parametrize('cluster', ['maria118'], indirect=True)
def test_numbers_go_on_behind_a_lost_end(cluster, base, binary, request):
    """A MariaDB replica has transactions that the new primary has not: that gives their numbers to other ones. It is not fresh by them."""
    old, new = cluster.nodes
    other = old.make_replica('n2', server_id=3)
    old.wait_replica(other)
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'),
                 clusters={'main': dict(host='127.0.0.1,127.0.0.1,127.0.0.1', port=','.join(str(n.port) for n in (old, new, other)),
                                        protocol='mysql', probe_user='super', probe_password='super')})
    request.node.weirpools = [w]
    try:
        eventually(lambda: [r['freshness'] for r in w.admin('SHOW NODES')].count('ok') == 2, 60)
        new.query('stop slave')
        new.query('reset slave all')
        for i in range(40):
            old.query("insert into app.t (v) values ('lost')")
        eventually(lambda: other.query("select count(*) from app.t where v = 'lost'")[0][0] == 40)
        old.kill9()
        eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] != 'open')
        new.query('set global read_only = off')

        def promoted():
            with contextlib.suppress(PgError):
                w.admin('PROMOTED ' + cluster.where(1))
            return w.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1)
        eventually(promoted)
        written_and_read(w)
        # when its last transactions came with the end of the old primary it is not known that they were before the new one's
        node = shown(w, other.port)
        assert node['state'] == 'quarantined' or "not the primary's of that number" in node['why'], node
    finally:
        w.stop()
        end_servers(other)


@pytest.mark.parametrize('cluster', ['mysql97'], indirect=True)
def test_numbers_that_were_given_twice(cluster, wp):
    """A MySQL server is set back behind what its replica has, as by a copy of yesterday, and goes on under the same UUID."""
    old, replica = cluster.nodes
    before = old.query('select @@global.gtid_executed')[0][0].replace('\n', '')
    for i in range(40):
        old.query("insert into app.t (v) values ('lost')")
    eventually(lambda: replica.query("select count(*) from app.t where v = 'lost'")[0][0] == 40)
    eventually(lambda: shown(wp, replica.port)['freshness'] == 'ok')
    old.query('set global read_only = on')
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] != 'open')
    with contextlib.closing(old.connect()) as c, c.cursor() as cur:
        for q in ('set sql_log_bin = 0', "delete from app.t where v = 'lost'", 'reset binary logs and gtids',
                  "set global gtid_purged = '%s'" % before, 'set global read_only = off'):
            cur.execute(q)
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open')
    written_and_read(wp)
    node = shown(wp, replica.port)
    assert node['state'] == 'quarantined' and 'build it anew' in node['why'], node


@pytest.mark.parametrize('cluster', ['mysql97'], indirect=True)
def test_what_a_client_was_told_must_be_on_the_next_primary(cluster, base, binary, request):
    """A write that a client knows to be committed, between two samples, and a replica that has not got it. MariaDB's servers do not tell
    the GTID of a write: there only samples say what must be there."""
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'),
                 clusters={'main': dict(cluster.entry(), probe_interval='4000', hold_timeout='200')})
    request.node.weirpools = [w]
    old, new = cluster.nodes
    try:
        eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 60)
        with w.my() as c:
            c.do("insert into app.t (v) values ('first')")
            old.wait_replica(new)
            new.query('stop replica io_thread')
            c.do("insert into app.t (v) values ('told')")
            old.kill9()
            for q in 'stop replica', 'reset replica all', 'set global super_read_only = off', 'set global read_only = off':
                new.query(q)
            eventually(lambda: 'lacks 1 transactions of the lost primary' in (w.admin('SHOW CLUSTERS')[0]['why'] or ''), 60)
            assert w.admin('SHOW CLUSTERS')[0]['primary'] != cluster.where(1)
            assert new.query("select count(*) from app.t where v = 'first'")[0][0] == 1

            def promoted():
                """the operator takes it all the same; not while it is silent for a moment"""
                with contextlib.suppress(PgError):
                    w.admin('PROMOTED ' + cluster.where(1))
                return w.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1)
            eventually(promoted)
            c.do("insert into app.t (v) values ('after')")
        assert {r[0] for r in new.query('select v from app.t')} == {'first', 'after'}
    finally:
        w.stop()


@pytest.mark.slow
@pytest.mark.parametrize('cluster', ['maria118'], indirect=True)
def test_what_no_replica_has_confirmed_may_have_been_told(cluster, wp):
    """MariaDB's semi-synchronous replication, AFTER_SYNC: its position has what still waits for a replica, and that looks as what clients know.
    So an operator decides (doc/runbooks.md)."""
    old, new = cluster.nodes
    for q in 'timeout = 3600000', 'wait_point = AFTER_SYNC', 'enabled = on':
        old.query('set global rpl_semi_sync_master_' + q)
    for q in 'set global rpl_semi_sync_slave_enabled = on', 'stop slave io_thread', 'start slave io_thread':
        new.query(q)
    eventually(lambda: old.query("show status like 'Rpl_semi_sync_master_clients'")[0][1] == '1')
    with wp.my() as c, wp.my() as later:
        c.do("insert into app.t (v) values ('confirmed')")
        old.wait_replica(new)
        new.query('stop slave io_thread')
        join = in_thread(lambda: c.do("insert into app.t (v) values ('alone')"))
        eventually(lambda: any(r['missing'] == '1' for r in wp.admin('SHOW NODES')))
        assert old.query("select count(*) from app.t where v = 'alone'")[0][0] == 0  # nobody has seen it
        old.kill9()
        e = join()
        assert isinstance(e, MyError) and e.sqlstate == '08007', e
        for q in 'stop slave', 'reset slave all', 'set global read_only = off':
            new.query(q)
        eventually(lambda: 'lacks 1 transactions of the lost primary' in (wp.admin('SHOW CLUSTERS')[0]['why'] or ''), 60)

        def promoted():
            """the operator takes it; not while it is silent for a moment"""
            with contextlib.suppress(PgError):
                wp.admin('PROMOTED ' + cluster.where(1))
            return wp.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(1)
        eventually(promoted)
        later.do("insert into app.t (v) values ('after')")
    assert {r[0] for r in new.query('select v from app.t')} == {'confirmed', 'after'}
    old.start()  # with what nobody else has
    assert old.query("select count(*) from app.t where v = 'alone'")[0][0] == 1
    eventually(lambda: [r['state'] for r in wp.admin('SHOW NODES') if r['node'] == cluster.where(0)] == ['quarantined'])


@pytest.mark.parametrize('cluster', ['mysql97', 'maria118'], indirect=True)
def test_sessions_outlive_a_primary_that_is_shut_down(cluster, wp):
    """MySQL tells whoever it serves that it shuts down: that is the end of a server connection, not the answer to a request."""
    eventually(lambda: wp.admin('EXPLAIN ROUTE FOR app select 1')[0]['verdict'] == 'replica', 60)
    said, stop, done = [], threading.Event(), collections.Counter()
    wanted = [('write', "insert into app.t (v) values ('x')"), ('read', "select 'end'")]

    def client(k):
        with wp.my() as c:
            while not stop.is_set():
                for what, sql in wanted:
                    try:
                        c.do(sql) if what == 'write' else c.one(sql)
                    except MyError as e:
                        said.append((what, e.errno, e.sqlstate, str(e)))
                    done[k] += 1
                time.sleep(0.005)

    def all_go_on():
        before = dict(done)
        eventually(lambda: all(done[k] > before.get(k, 0) + 20 for k in range(12)), 60)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(12)]
    [t.start() for t in threads]
    try:
        all_go_on()
        cluster.nodes[0].stop()
        cluster.nodes[0].start()
        cluster.nodes[0].query('set global read_only = off')
        all_go_on()
    finally:
        stop.set()
        [t.join() for t in threads]
    # (a read whose first half had been passed on cannot be asked again)
    assert {(errno, state) for _, errno, state, _ in said} <= {(1158, '08007'), (1158, '08S01')}, said
    assert ('write', '08S01') not in {(what, state) for what, _, state, _ in said}, said
