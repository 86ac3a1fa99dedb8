"""Servers of a cluster that go, and lines to them that are cut at the worst moment: nothing is done twice, who may not write does
not, and whoever can be answered is."""
import http.server
import json
import threading
import time

import pytest
from consistency import LEVELS, Lost, My, Pg, Refused, Unknown
from nemesis import MyCluster, PgCluster
from proxy import Proxy
from servers import eventually
from weir import Weirpool

pytestmark = pytest.mark.timeout(400)
DIALECT = {PgCluster: Pg, MyCluster: My}


MAKE = {'pg15': (PgCluster, 15), 'pg18': (PgCluster, 18), 'mysql97': (MyCluster, 'mysql97'),
        'maria1011': (MyCluster, 'maria1011'), 'maria118': (MyCluster, 'maria118')}
KINDS = ['pg15', 'mysql97'] + [pytest.param(k, marks=pytest.mark.slow) for k in ('pg18', 'maria1011', 'maria118')]


def made(base, kind):
    make, version = MAKE[kind]
    c = make(base, version)
    ask(c, 0, 'create table t (v varchar(40))')
    return c


def ask(cluster, i, sql):
    n = cluster.nodes[i]
    with (n.connect('app', 'app') if isinstance(cluster, PgCluster) else n.connect('app')) as c:
        k = c.cursor()
        k.execute(sql)
        return k.fetchall() if k.description else None


def start(base, binary, request, cluster, options=None, **kw):
    dbs = {'c_' + level: dict(cluster='main', dbname='app', consistency=level) for level in LEVELS}
    of = dict(databases=dbs) if isinstance(cluster, PgCluster) else dict(mysql_databases=dbs, userlist=dict(app='app', admin='admin'))
    w = Weirpool(base, binary, clusters={'main': cluster.entry(**(options or {}))}, **of, **kw)
    request.node.weirpools = getattr(request.node, 'weirpools', []) + [w]
    ready(w)
    return w


def ready(w, replicas=2):
    def seen():
        """the primary is known, and its replicas are fresh"""
        rows = w.admin('SHOW NODES')
        return w.admin('SHOW CLUSTERS')[0]['writes'] == 'open' and sum(r['freshness'] == 'ok' for r in rows) >= replicas
    eventually(seen, 90)


def state(w, cluster, i, ports=None):
    return [r for r in w.admin('SHOW NODES') if r['node'] == cluster.where(i)][0]


def wait_primary(w, cluster, i):
    eventually(lambda: w.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(i) and
               w.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 60)


# ---- the line is cut

@pytest.fixture(scope='module', params=KINDS)
def calm(base, request):
    c = made(base, request.param)
    yield c
    c.stop()


def follow(cluster, port):
    for n in cluster.nodes[1:]:
        for sql in ('stop slave', 'change master to master_port = %d' % port, 'start slave'):
            n.query(sql)


@pytest.fixture
def line(calm, base, binary, request):
    """weirpool reaches each server through a proxy: (cluster, weirpool, proxies)"""
    proxies = [Proxy(n.port) for n in calm.nodes]
    if getattr(calm, 'family', '') == 'mariadb':
        # who follows whom is told by address there, so it must be the one that weirpool knows
        follow(calm, proxies[0].port)
    # (a line that says nothing is to be found out by its end, not by its silence)
    w = start(base, binary, request, calm, dict(port=','.join(str(p.port) for p in proxies), probe_timeout='30000', hold_timeout='200'))
    yield calm, w, proxies
    w.stop()
    if getattr(calm, 'family', '') == 'mariadb':
        follow(calm, calm.nodes[0].port)
    for p in proxies:
        p.close()


def while_running(c, sql, then):
    """Sends sql, does something, and gives what came of it: rows or an exception."""
    out = []

    def run():
        try:
            out.append(c.do(sql))
        except Exception as e:
            out.append(e)
    t = threading.Thread(target=run)
    t.start()
    then()
    t.join(200)
    assert out, 'no answer to %s' % sql
    return out[0]


SLEEP = {PgCluster: "insert into t select 'during' from pg_sleep(1.5)", MyCluster: "insert into t select 'during' where sleep(1.5) = 0"}
ACTIVE = {PgCluster: "select count(*) from pg_stat_activity where state = 'active' and query like 'insert%during%'",
          MyCluster: "select count(*) from information_schema.processlist where info like 'insert%during%'"}


@pytest.mark.parametrize('when', ['before', 'during', 'after', 'commit'])
def test_a_write_whose_line_is_cut(line, when):
    """Before the server had it, while it ran, after it was done: the client hears that nobody knows, and it was done at most
    once. The session goes on."""
    cluster, w, proxies = line
    p = proxies[0]
    ask(cluster, 0, 'delete from t')
    c = DIALECT[type(cluster)](w, 'session')
    c.do("insert into t values ('first')")
    sql = "insert into t values ('%s')" % when

    def count():
        return ask(cluster, 0, "select count(*) from t where v = '%s'" % when)[0][0]

    def harm():
        if when == 'before':
            eventually(lambda: any(r['state'] == 'active' and int(r['port']) == p.port for r in w.admin('SHOW SERVERS')))
            time.sleep(0.1)         # (it cannot be seen that nothing arrives)
        elif when == 'during':
            eventually(lambda: cluster.nodes[0].query(ACTIVE[type(cluster)])[0][0])
        else:
            eventually(lambda: count() == 1)
        p.cut()
        p.frozen.clear()
        p.mute.clear()
    if when == 'before':
        p.frozen.set()
    elif when == 'during':
        sql = SLEEP[type(cluster)]
    else:
        if when == 'commit':
            c.do('begin')
            c.do(sql)
            sql = 'commit'
        p.mute.set()
    got = while_running(c, sql, harm)
    assert isinstance(got, Unknown), repr(got)
    # whoever does not know what he has written asks who does
    assert c.read(1)[1] == cluster.label(0)
    c.do("insert into t values ('next')")
    if when == 'during':
        eventually(lambda: not cluster.nodes[0].query(ACTIVE[type(cluster)])[0][0])
        assert count() <= 1
    else:
        assert count() == (when != 'before')
    assert sorted(ask(cluster, 0, "select v, count(*) from t where v in ('first', 'next') group by v")) == [('first', 1), ('next', 1)]
    c.close()


def test_a_read_whose_line_is_cut(line):
    cluster, w, proxies = line
    c = DIALECT[type(cluster)](w, 'session')
    eventually(lambda: c.read(1)[1] != cluster.label(0), 60, 0.3)
    ask(cluster, 0, 'update reg set v = v + 1 where id = 2')

    def harm():
        time.sleep(0.3)
        for p in proxies[1:]:
            p.cut()
            p.mute.clear()
    for p in proxies[1:]:
        p.mute.set()
    got = while_running(c, 'select v from reg where id = 2', harm)
    assert isinstance(got, list) and len(got) == 1, repr(got)
    c.close()


# ---- servers go, and come back

@pytest.mark.parametrize('kind', KINDS)
def test_an_old_primary_comes_back_alone(kind, base, binary, request):
    """... after its successor is gone too: it lacks what that one wrote, and so gets no writes and no reads."""
    cluster = made(base, kind)
    w = start(base, binary, request, cluster, dict(hold_timeout='1'))
    try:
        c = DIALECT[type(cluster)](w, 'session')
        c.do("insert into t values ('old')")
        # to where the third does not follow
        cluster.dead.add(2)
        cluster.failover()
        wait_primary(w, cluster, 1)
        c.do("insert into t values ('new')")
        if MAKE[kind][0] is PgCluster:       # what follows the old timeline
            eventually(lambda: state(w, cluster, 2)['reads'] == 'no')
        cluster.nodes[1].kill9()
        eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] != 'open')
        cluster.nodes[0].start()
        eventually(lambda: state(w, cluster, 0)['state'] == 'quarantined' and 'answer' not in (state(w, cluster, 0)['why'] or ''))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            with pytest.raises(Refused):
                c.do("insert into t values ('never')")
            for level in LEVELS:
                try:
                    d = DIALECT[type(cluster)](w, level)
                    assert d.read(1)[1] != cluster.label(0), level
                    d.close()
                except (Refused, Lost):     # (or there is nobody who could let it in)
                    pass
        assert [v for v, in ask(cluster, 0, 'select v from t')] == ['old']
        assert state(w, cluster, 0)['state'] == 'quarantined'
        cluster.nodes[1].start(**({} if MAKE[kind][0] is PgCluster else dict(args=['--skip-replica-start', '--read-only=OFF', '--super-read-only=OFF']
                                                                    if kind == 'mysql97' else ['--skip-slave-start', '--read-only=OFF'])))
        wait_primary(w, cluster, 1)
        c.do("insert into t values ('newer')")
        assert sorted(v for v, in ask(cluster, 1, 'select v from t')) == ['new', 'newer', 'old']
        c.close()
    finally:
        w.stop()
        cluster.stop()


@pytest.mark.parametrize('kind', KINDS[:1] + [pytest.param('mysql97', marks=pytest.mark.slow)] + KINDS[2:])
def test_reads_without_a_primary_and_without_replicas(kind, base, binary, request):
    cluster = made(base, kind)
    w = start(base, binary, request, cluster, dict(hold_timeout='100'))
    try:
        c = DIALECT[type(cluster)](w, 'session')
        c.c.sock.settimeout(120)
        eventually(lambda: c.read(1)[1] != cluster.label(0), 60, 0.3)
        cluster.nodes[0].kill9()
        eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] != 'open')
        d = DIALECT[type(cluster)](w, 'session')
        for _ in range(50):
            assert c.read(1)[1] != cluster.label(0)
            assert d.read(1)[1] != cluster.label(0)
        cluster.nodes[0].start()
        wait_primary(w, cluster, 0)
        for i in (1, 2):
            cluster.nodes[i].kill9()
        for _ in range(50):
            assert c.read(1)[1] == d.read(1)[1] == cluster.label(0)
        c.close()
        d.close()
    finally:
        w.stop()
        cluster.stop()


class Agent(http.server.BaseHTTPRequestHandler):
    """What a Patroni says, for as long as one is there."""

    def do_GET(self):
        body = json.dumps({'members': [dict(name='n%d' % i, host='127.0.0.1', port=port, state='running', timeline=1,
                                            role='replica' if i else 'leader') for i, port in enumerate(self.server.ports)]}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked += 1

    def log_message(self, *args):
        pass


def test_the_authority_goes(base, binary, request):
    """Nobody says any more who should be the primary; who is it goes on."""
    cluster = made(base, 'pg15')
    rest = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Agent)
    rest.ports, rest.asked = [n.port for n in cluster.nodes], 0
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    try:
        w = start(base, binary, request, cluster, dict(patroni='http://127.0.0.1:%d' % rest.server_port))
        c = Pg(w, 'session')
        c.do("insert into t values ('with')")
        eventually(lambda: rest.asked > 3)
        rest.shutdown()
        rest.server_close()
        end, n = time.monotonic() + 5, 0    # (3 s: what it said is not valid any more)
        while time.monotonic() < end:
            c.do("insert into t values ('without')")
            n += 1
            time.sleep(0.02)
        assert w.admin('SHOW CLUSTERS')[0]['epoch'] == '1'
        assert ask(cluster, 0, "select count(*) from t where v = 'without'")[0][0] == n
        c.close()
        w.stop()
    finally:
        cluster.stop()
