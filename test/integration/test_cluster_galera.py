"""A Galera cluster: each member takes writes, weirpool chooses the one that gets them. One cluster for all tests, each leaves it
whole, but the last."""
import contextlib
import threading
import time

import pytest

from clusters import Galera
from rawmy import Closed, MyError, query
from servers import eventually, folder, holds
from test_switchover import Switch
from traffic import MyClient, Traffic
from weir import Weirpool

pytestmark = pytest.mark.timeout(300)
HOLD_S = 100


@pytest.fixture(scope='module')
def galera(base):
    with folder(base, 'galera-') as d:
        g = Galera(d)
        try:
            g.create()
            g.nodes[0].query('create table app.t (id int primary key auto_increment, v varchar(40), n int default 0)')
            yield g
        finally:
            g.stop()


@pytest.fixture
def wp(galera, base, binary, request):
    hosts = dict(host=','.join('127.0.0.1' for _ in galera.nodes), port=','.join(str(n.port) for n in galera.nodes))
    w = Weirpool(base, binary,
                 mysql_databases={'app': dict(cluster='main'), 'ro': dict(cluster='main', dbname='app', endpoint='ro')},
                 clusters={'main': dict(hosts, protocol='mysql', probe_user='super', probe_password='super',
                                        hold_timeout=getattr(request, 'param', HOLD_S))},
                 userlist=dict(app='app', admin='admin'))
    request.node.weirpools = [w]
    eventually(lambda: len(readers(w)) == 2 and writer(w, galera) is not None, 90, say=lambda: members(w))
    yield w
    w.stop()


def members(wp):
    """What weirpool knows of them, in short: for a message."""
    return ['%(node)s %(role)s %(state)s %(reads)s %(freshness)s %(why)s' % r for r in wp.admin('SHOW NODES')]


def readers(wp):
    return {r['node'] for r in wp.admin('SHOW NODES') if r['role'] == 'replica' and r['reads'] == 'yes' and r['freshness'] == 'ok'}


def where(node):
    return '127.0.0.1:%d' % node.port


def writer(wp, galera):
    """The index of the writer; None: there is none."""
    [row] = wp.admin('SHOW CLUSTERS')
    assert row['kind'] == 'galera', row
    return [where(n) for n in galera.nodes].index(row['primary']) if row['primary'] else None


def the_writer(wp, galera):
    """... once there is one: who is silent for half a second is in doubt for as long."""
    eventually(lambda: writer(wp, galera) is not None, say=lambda: members(wp))
    return writer(wp, galera)


class Writes:
    """A client that inserts one row after the other until stop(): what was acknowledged, and what went wrong."""

    def __init__(self, wp):
        self.wp, self.acked, self.errors, self.longest_s = wp, [], [], 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        i, c, me = 0, None, id(self)
        while not self.ended.is_set():
            i += 1
            began = time.monotonic()
            try:
                doing = 'connect'
                c = c or self.wp.my()
                c.sock.settimeout(HOLD_S + 50)
                v = 'w%d-%d' % (me, i)
                doing = 'write'
                c.do("insert into app.t (v) values ('%s')" % v)
                doing = 'read'
                self.acked.append(v)
                # a client sees what it wrote, wherever it reads
                if c.one("select count(*) from app.t where v = '%s'" % v) != '1':
                    self.errors.append('%s is not to be seen' % v)
            except MyError as e:
                self.errors.append('%s %d %s' % (doing, e.errno, e.sqlstate))
            except (Closed, OSError):
                self.errors.append('closed')
                c = None
            self.longest_s = max(self.longest_s, time.monotonic() - began)

    def stop(self):
        self.ended.set()
        self.thread.join(HOLD_S + 60)
        assert not self.thread.is_alive()


def test_writer_and_readers(galera, wp):
    w = the_writer(wp, galera)
    with wp.my() as c:
        for i in range(50):
            c.do("insert into app.t (v) values ('r%d')" % i)
            assert c.one("select count(*) from app.t where v = 'r%d'" % i) == '1'
    # writes go to the one that was chosen: it is where they come from
    before = [int(n.query("show global status like 'wsrep_replicated'")[0][1]) for n in galera.nodes]
    with wp.my() as c:
        for i in range(20):
            c.do("insert into app.t (v) values ('s%d')" % i)
    after = [int(n.query("show global status like 'wsrep_replicated'")[0][1]) for n in galera.nodes]
    assert [b - a for a, b in zip(before, after)] == [20 if i == w else 0 for i in range(3)]
    # reads are spread over the others
    def spread():
        """each reader has answered, and the writer has not"""
        with contextlib.ExitStack() as all_of_them:
            sessions, ports = [all_of_them.enter_context(wp.my(db='ro')) for _ in range(8)], set()
            for _ in range(5):
                for c in sessions:
                    c.command(query('select sleep(0.02), @@port', None, c.caps))
                ports |= {int(c.results()[0].rows[0][1]) for c in sessions}
        return ports == {n.port for i, n in enumerate(galera.nodes) if i != w}
    eventually(spread)


def test_certification_failure_is_the_clients(galera, wp):
    w = the_writer(wp, galera)
    with wp.my() as c:
        c.do("insert into app.t (v) values ('conflict')")
        other = galera.nodes[(w + 1) % 3]
        eventually(lambda: other.query("select 1 from app.t where v = 'conflict'"))
        c.do('begin')
        c.do("update app.t set n = 1 where v = 'conflict'")
        other.query("update app.t set n = 2 where v = 'conflict'", database='app')
        with pytest.raises(MyError) as e:  # the other one was first: at the COMMIT, if not before
            eventually(lambda: galera.nodes[w].query("show global status like 'wsrep_local_bf_aborts'")[0][1] != '0')
            c.do('commit')
        assert e.value.errno == 1213
        # (the other one has written behind weirpool's back: a reader may not have it yet)
        eventually(lambda: c.one("select n from app.t where v = 'conflict'") == '2')
    assert the_writer(wp, galera) == w


def test_desynced_members_leave(galera, wp):
    w = the_writer(wp, galera)
    r = galera.nodes[(w + 1) % 3]
    r.query('set global wsrep_desync = on')
    try:
        eventually(lambda: readers(wp) == {where(galera.nodes[(w + 2) % 3])})
    finally:
        r.query('set global wsrep_desync = off')
    eventually(lambda: len(readers(wp)) == 2)
    # the writer, too: another one takes over, and autocommit writes meet nothing but a wait
    clients = [Writes(wp) for _ in range(3)]
    eventually(lambda: all(len(c.acked) > 20 for c in clients))
    galera.nodes[w].query('set global wsrep_desync = on')
    try:
        eventually(lambda: writer(wp, galera) not in (None, w))
        n = [len(c.acked) for c in clients]
        eventually(lambda: all(len(c.acked) > k + 20 for c, k in zip(clients, n)))
    finally:
        galera.nodes[w].query('set global wsrep_desync = off')
        for c in clients:
            c.stop()
    check(galera, wp, clients)
    assert not [e for c in clients for e in c.errors]
    eventually(lambda: len(readers(wp)) == 2)
    assert the_writer(wp, galera) != w, 'the writer stays while it is good'


def check(galera, wp, clients):
    """Nothing that was acknowledged is lost; what failed is one request at most, of unknown outcome (which may end the session). A
    read is not known to be one while the catalogs are read."""
    for c in clients:
        assert c.errors[:1] in ([], ['write 1158 08007'], ['read 1158 08007'], ['read 1158 08S01']) and c.errors[1:] in ([], ['closed']), \
            c.errors
    n = galera.nodes[the_writer(wp, galera)]
    have = dict(n.query("select v, count(*) from app.t where v like 'w%' group by v"))
    lost = [v for c in clients for v in c.acked if v not in have]
    assert not lost and set(have.values()) == {1}, (lost, [v for v in have if have[v] > 1])
    n.query("delete from app.t where v like 'w%'")


def test_writer_killed(galera, wp):
    w = the_writer(wp, galera)
    clients = [Writes(wp) for _ in range(3)]
    try:
        eventually(lambda: all(len(c.acked) > 20 for c in clients))
        galera.nodes[w].kill9()
        eventually(lambda: writer(wp, galera) not in (None, w), 90, say=lambda: members(wp))
        n = [len(c.acked) for c in clients]
        eventually(lambda: all(len(c.acked) > k + 20 for c, k in zip(clients, n)))
    finally:
        for c in clients:
            c.stop()
    check(galera, wp, clients)
    galera.rejoin(galera.nodes[w])
    eventually(lambda: where(galera.nodes[w]) in readers(wp), 90, say=lambda: members(wp))
    assert the_writer(wp, galera) != w


def test_an_operator_moves_the_writer(galera, wp):
    w = the_writer(wp, galera)
    to = (w + 1) % 3
    clients = [Writes(wp)]
    try:
        eventually(lambda: len(clients[0].acked) > 20)
        wp.admin('PROMOTED "%s"' % where(galera.nodes[to]))
        eventually(lambda: writer(wp, galera) == to)
        n = len(clients[0].acked)
        eventually(lambda: len(clients[0].acked) > n + 20)
    finally:
        clients[0].stop()
    check(galera, wp, clients)
    assert not clients[0].errors
    eventually(lambda: len(readers(wp)) == 2)


def test_switchover(galera, wp):
    """As PROMOTED, but the transactions that are open on the old writer end first: nobody meets an error."""
    galera.nodes[0].query('create table if not exists app.traffic (v varchar(30) primary key)')
    with Traffic(lambda: MyClient(wp), 10, 0.05) as t:
        for _ in range(2):
            was = the_writer(wp, galera)
            to = (was + 1) % len(galera.nodes)
            eventually(lambda to=to: where(galera.nodes[to]) in readers(wp), 60)
            sw = Switch(wp, where(galera.nodes[to]))
            row = sw.answer()
            assert row and row['from'] == where(galera.nodes[was]) and row['by'] == 'weirpool', (row, sw.error)
            eventually(lambda to=to: writer(wp, galera) == to)
            t.flows()
    t.judge([v for v, in galera.nodes[to].query('select v from app.traffic')])


@pytest.mark.parametrize('wp', [5], indirect=True, ids=['5 s'])
def test_without_a_majority_nothing_is_written(galera, wp):
    """The last test: two of three die."""
    left = galera.nodes[(the_writer(wp, galera) + 1) % 3]
    with wp.my() as c:
        c.do("insert into app.t (v) values ('before')")
        for n in galera.nodes:
            if n is not left:
                n.kill9()
        eventually(lambda: left.query("show global status like 'wsrep_cluster_status'")[0][1] == 'non-Primary', 90)
        eventually(lambda: writer(wp, galera) is None and not readers(wp))
        with pytest.raises(MyError) as e:
            c.do("insert into app.t (v) values ('minority')")
        assert e.value.errno == 1290 and 'no primary' in e.value.text, e.value
        with pytest.raises(MyError):
            c.do('select count(*) from app.t')

    def shown():
        assert writer(wp, galera) is None and readers(wp) == set()
        [row] = [r for r in wp.admin('SHOW NODES') if r['node'] == where(left)]
        assert 'non-Primary' in row['why'], row
    holds(shown)
