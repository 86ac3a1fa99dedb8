"""weirpool probe against real clusters: what the state machine sees of promotions, crashes, splits and stopped replicas."""
import os
import signal
import subprocess

import pytest
import servers
import weir
from clusters import Group, Patroni
from mysql_servers import MyServer
from servers import PgServer, eventually
from watch import Watch

pytestmark = pytest.mark.timeout(180)


def url_of(nodes, user='app', scheme='postgres', db='app', password='app'):
    hosts = ','.join('%s:%d' % (n.host, n.port) for n in nodes)
    return '%s://%s:%s@%s/%s%s' % (scheme, user, password, hosts, db, '?sslmode=disable' if scheme == 'postgres' else '')


def once(url, *options):
    r = subprocess.run([weir.find_binary(), 'probe', '--once', *options, url], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=60)
    return r.returncode, r.stdout


@pytest.fixture
def watch():
    """A function: watch(url) starts one; it must end cleanly."""
    started = []

    def start(url, *options):
        started.append(Watch(url, *options))
        return started[-1]
    yield start
    for w in started:
        w.stop()


@pytest.fixture
def folder(base):
    """For servers of the test's own."""
    with servers.folder(base, 'cluster-') as d:
        yield d


VERSIONS = [pytest.param(15, id='pg15'), pytest.param(18, id='pg18', marks=pytest.mark.slow)]


def cluster_of_three(folder, version):
    """A primary and two streaming replicas."""
    nodes = [PgServer(folder, version, extra_conf='wal_log_hints = on\n').create()]
    try:
        nodes += [nodes[0].make_replica(n) for n in ('n1', 'n2')]
        yield nodes
    finally:
        for n in nodes:
            n.stop('immediate')


@pytest.fixture(params=VERSIONS)
def pg3(request, folder):
    """... of the test's own, to be killed and promoted."""
    yield from cluster_of_three(folder, request.param)


@pytest.fixture(scope='module', params=VERSIONS)
def calm3(request, base):
    """... of the module's, whose roles stay."""
    with servers.folder(base, 'cluster-') as d:
        yield from cluster_of_three(d, request.param)


def follow(replica, primary):
    """It streams from another primary from now on."""
    replica.query("alter system set primary_conninfo = 'host=%s port=%d user=postgres application_name=%s'"
                  % (primary.sockdir, primary.port, replica.name))
    replica.query('select pg_reload_conf()')


def started(watch, nodes):
    w = watch(url_of(nodes))
    w.until_primary(nodes[0])
    for n in nodes[1:]:
        w.until_node(n, role='replica', state='up', fresh='ok', reads='yes')
    return w


def test_the_picture(calm3):
    code, out = once(url_of(calm3))
    assert code == 0, out
    assert 'cluster normal primary=127.0.0.1:%d epoch=1 writes=open' % calm3[0].port in out
    assert out.count('fresh=ok reads=yes') == 2, out
    code, out = once(url_of(calm3[1:]))
    assert code == 1 and 'no node is writable' in out, out


def test_promotion_after_a_crash(pg3, watch):
    p, q, r = pg3
    w = started(watch, pg3)
    p.kill9()
    q.query('select pg_promote()')
    w.until_primary(q)
    assert w.cluster['epoch'] == '2', w.text()
    w.until_node(p, state='quarantined')
    w.until_node(r, reads='no')
    follow(r, q)
    w.until_node(r, reads='yes', fresh='ok')
    # the old primary comes back as it was: never again, neither beside the new one nor alone
    p.start()
    n = len(w.lines)
    w.until(lambda w: p.backends("application_name = 'weirpool-monitor'") > 0)
    q.kill9()
    w.until(lambda w: w.cluster['state'] == 'no-primary')
    w.until_node(q, state='down')
    eventually(lambda: p.query('select count(*) from pg_stat_activity')[0][0])
    q.start()
    w.until_primary(q)
    w.until_node(q, role='primary', state='warming')
    assert not any('primary=127.0.0.1:%d' % p.port in line for line in w.lines[n:]), w.text()
    # it is rewound: welcome
    p.stop()
    q.query('checkpoint')
    p.run_tool('pg_rewind', '--no-sync', '-D', str(p.datadir), '-R', '--source-server=host=%s port=%d user=postgres'
               ' dbname=postgres' % (q.sockdir, q.port))
    p.write_conf()
    p.start()
    follow(p, q)
    w.until_node(p, role='replica', reads='yes', fresh='ok')


def test_a_primary_that_lives_on_is_fenced(pg3, watch):
    p, q, _ = pg3
    w = started(watch, pg3)
    q.query('select pg_promote()')
    w.until_primary(q)
    w.until_said('fence 127.0.0.1:%d' % p.port)
    w.until_node(p, state='quarantined')
    assert p.query('select pg_is_in_recovery()') == [(False,)]


def test_two_promoted_on_one_timeline(pg3, watch):
    p, q, r = pg3
    w = started(watch, pg3)
    p.kill9()
    w.until(lambda w: w.cluster['state'] == 'no-primary')
    # each promotes itself while the other cannot be seen: both on timeline 2
    q.query('select pg_promote()')
    r.query('select pg_promote()')
    w.until(lambda w: w.cluster['state'] == 'split')
    assert w.cluster['writes'] in ('held', 'refused'), w.text()
    assert 'both writable on timeline 2' in w.cluster['why'] or '2 nodes are writable' in w.cluster['why'], w.text()
    # who asks anew sees it too
    code, out = once(url_of(pg3))
    assert code == 1 and 'cluster split' in out, out


def test_replay_paused(calm3, watch):
    p, q, _ = calm3
    w = started(watch, calm3)
    q.query('select pg_wal_replay_pause()')
    w.until_node(q, fresh='stopped')
    assert w.node['127.0.0.1:%d' % q.port]['why'] == 'replay is paused', w.text()
    q.query('select pg_wal_replay_resume()')
    w.until_node(q, fresh='ok', reads='yes')


def test_a_frozen_primary(calm3, watch):
    """It takes connections and bytes and says nothing: in doubt, then gone, then back as if nothing had been."""
    p = calm3[0]
    w = started(watch, calm3)
    p.sigstop()
    try:
        w.until(lambda w: w.cluster['state'] == 'no-primary')
        assert w.said('cluster suspect'), w.text()
    finally:
        p.sigcont()
    w.until_primary(p)
    assert w.cluster['epoch'] == '1', w.text()


def test_an_idle_primary_has_no_lag(calm3, watch):
    """Also where its last record ends at the end of a page: the replicas' position looks older than the primary's."""
    p = calm3[0]
    w = started(watch, calm3)
    p.query('create table t (a text)')
    for _ in range(4):  # a new segment, and nothing behind its header
        p.query('insert into t select repeat(chr(65), 100)')
        p.query('select pg_switch_wal()')
    n = len(w.lines)
    eventually(lambda: 'fresh=ok' in once(url_of(calm3))[1])
    code, out = once(url_of(calm3))
    assert code == 0 and out.count('fresh=ok reads=yes') == 2, out
    assert not w.said('too stale', n), w.text()


def test_rights(calm3):
    p = calm3[0]
    p.query("create role nobody_special login password 'app'")
    for n in calm3[1:]:
        eventually(lambda n=n: n.query("select 1 from pg_roles where rolname = 'nobody_special'"))
    code, out = once(url_of(calm3, 'nobody_special', db='postgres'))
    assert code == 0, out
    assert out.count('GRANT pg_monitor TO nobody_special') == 2, out
    code, out = once(url_of(calm3, password='wrong'))
    assert code == 1 and out.count('password authentication failed') >= 3, out


def test_another_cluster(calm3, watch, folder):
    stranger = PgServer(folder, 15, 'stranger').create()
    try:
        w = watch(url_of([*calm3, stranger]))
        w.until_primary(calm3[0])
        w.until_node(stranger, state='quarantined')
        assert 'another cluster' in w.node['127.0.0.1:%d' % stranger.port]['why'], w.text()
    finally:
        stranger.stop('immediate')


# ---- MySQL and MariaDB ----

def my_url(nodes, user='monitor', password='monitor'):
    return url_of(nodes, user, 'mysql', 'app', password)


@pytest.fixture(params=['mysql97', 'maria1011', pytest.param('maria118', marks=pytest.mark.slow)])
def my2(request, folder):
    """A primary and a replica by GTID."""
    nodes = [MyServer(folder, request.param).create()]
    try:
        nodes.append(nodes[0].make_replica('n1'))
        yield nodes
    finally:
        for n in nodes:
            n.kill9()


def promote(server):
    if server.family == 'mysql':
        server.query('stop replica')
        server.query('reset replica all')
        server.query('set global super_read_only = off')
        server.query('set global read_only = off')
    else:
        server.query('stop slave')
        server.query('reset slave all')
        server.query('set global read_only = off')


def my_started(watch, nodes):
    w = watch(my_url(nodes))
    w.until_primary(nodes[0])
    w.until_node(nodes[1], role='replica', state='up', fresh='ok', reads='yes')
    return w


def test_mysql_failover(my2, watch):
    p, q = my2
    w = my_started(watch, my2)
    p.query('create table app.t (a int)')
    p.query('insert into app.t values (1)')
    p.wait_replica(q)
    eventually(lambda: 'fresh=ok reads=yes' in once(my_url(my2))[1])
    p.kill9()
    w.until(lambda w: w.cluster['state'] == 'no-primary')
    promote(q)
    w.until_primary(q)
    assert w.cluster['epoch'] == '2', w.text()
    n = len(w.lines)
    p.start()  # writable, as its configuration says
    w.until_said('node 127.0.0.1:%d role=unknown state=quarantined fresh=unknown reads=no: was primary' % p.port)
    q.query('insert into app.t values (2)')
    assert not any('primary=127.0.0.1:%d' % p.port in line for line in w.lines[n:]), w.text()
    p.query('set global read_only = on')
    if p.family == 'mysql':
        p.query("change replication source to source_host = '127.0.0.1', source_port = %d, source_user = 'repl',"
                " source_password = 'repl', source_auto_position = 1, get_source_public_key = 1,"
                " source_connect_retry = 1" % q.port)
        p.query('start replica')
    else:
        p.query("change master to master_host = '127.0.0.1', master_port = %d, master_user = 'repl',"
                " master_password = 'repl', master_use_gtid = current_pos, master_connect_retry = 1" % q.port)
        p.query('start slave')
    w.until_node(p, role='replica', reads='yes', fresh='ok')


def test_two_mysql_writers(my2, watch):
    p, q = my2
    w = my_started(watch, my2)
    promote(q)
    w.until(lambda w: w.cluster['state'] == 'split')
    assert 'are both writable' in w.cluster['why'], w.text()
    p.query('set global read_only = on')  # it says no by itself, and the other has all that it has
    w.until_primary(q)


def test_mysql_replication_stopped(my2, watch):
    p, q = my2
    w = my_started(watch, my2)
    q.query('stop replica sql_thread' if q.family == 'mysql' else 'stop slave sql_thread')
    w.until_node(q, fresh='stopped')
    q.query('start replica' if q.family == 'mysql' else 'start slave')
    w.until_node(q, fresh='ok', reads='yes')
    # the default: a replica that could be written to claims nothing
    q.query('set global read_only = off')
    code, out = once(my_url(my2))
    assert code == 0 and 'cluster normal primary=127.0.0.1:%d' % p.port in out, out


def test_mysql_rights(my2):
    p, q = my2
    p.query("create user poor@'%' identified by 'app'")
    p.wait_replica(q)
    code, out = once(my_url(my2, 'poor', 'app'))
    assert code == 1, out
    assert 'user poor cannot see what a probe needs' in out, out
    assert '(%s)' % ('SELECT ON performance_schema.*' if p.family == 'mysql' else 'SLAVE MONITOR ON *.*') in out, out


# ---- clusters with an authority ----

@pytest.fixture
def group(folder):
    g = Group(folder)
    try:
        yield g.create()
    finally:
        g.stop()


@pytest.mark.slow
def test_group_replication(group, watch):
    a, b, c = group.nodes
    w = watch(my_url(group.nodes))
    w.until_primary(a)
    for n in (b, c):
        w.until_node(n, role='replica', state='up', fresh='ok', reads='yes')
    assert 'primary says' in w.cluster['why'], w.text()
    group.set_as_primary(1)
    w.until_primary(b)
    w.until_node(a, role='replica', reads='yes', fresh='ok')
    n = len(w.lines)
    b.kill9()
    w.until_node(b, 60, state='down')
    w.until(lambda w: w.cluster['state'] == 'normal' and w.cluster['epoch'] == '3', 90)
    assert not w.said('split', n), w.text()


@pytest.fixture
def patroni(folder):
    p = Patroni(folder)
    try:
        yield p.create()
    finally:
        p.stop()


@pytest.mark.slow
def test_patroni(patroni, watch):
    a, b, c = patroni.nodes
    w = watch(url_of(patroni.nodes), *['--patroni=' + n.url for n in patroni.nodes])
    w.until_primary(a)
    for n in (b, c):
        w.until_node(n, 60, role='replica', state='up', fresh='ok', reads='yes')
    # in good order
    patroni.switchover(0, 1)
    w.until_primary(b, 60)
    assert 'leader says Patroni' in w.cluster['why'], w.text()
    w.until_node(a, 60, role='replica', reads='yes', fresh='ok')
    # the server alone dies: Patroni starts it again, it stays what it was
    os.kill(b.postmaster_pid(), signal.SIGKILL)
    w.until(lambda w: w.cluster['state'] in ('suspect', 'no-primary'))
    assert all(w.node['127.0.0.1:%d' % x.port]['reads'] == 'yes' for x in (a, c)), w.text()
    w.until_primary(b, 60)
    for x in (a, c):
        w.until_node(x, 60, reads='yes', fresh='ok')
    epoch = int(w.cluster['epoch'])  # some Patronis promote it anew, some do not
    # Patroni hangs, without a watchdog: its PostgreSQL takes writes on when another is leader
    n = len(w.lines)
    b.agent_signal(signal.SIGSTOP)
    w.until(lambda w: w.cluster['state'] == 'normal' and int(w.cluster['epoch']) > epoch, 90)
    w.until_said('fence 127.0.0.1:%d' % b.port, n)
    w.until_node(b, state='quarantined')
    assert patroni.query(1, 'select pg_is_in_recovery()') == [(False,)], 'it must have lived on'
    assert not w.said('split', n), w.text()
    # it is started again, and follows
    b.kill9()
    b.start()
    w.until_node(b, 90, role='replica', reads='yes')
    # the authority is lost: nothing changes
    patroni.etcd.kill()
    for x in patroni.nodes:
        x.agent_signal(signal.SIGKILL)
    n = len(w.lines)
    eventually(lambda: all(x.get('/cluster')[0] == 0 for x in patroni.nodes))
    code, out = once(url_of(patroni.nodes), *['--patroni=' + x.url for x in patroni.nodes])
    assert code == 0, out
    assert not w.said('cluster no-primary', n), w.text()


def test_tls(pg15, certs):
    def probe(params):
        return once('postgres://app:app@%s:%d/app?%s' % (pg15.host, pg15.port, params))
    assert probe('sslmode=verify-ca&sslrootcert=' + certs.crt('ca'))[0] == 0
    code, out = probe('sslmode=verify-ca&sslrootcert=' + certs.crt('otherca'))
    assert code == 1 and 'certificate verify failed' in out, out


@pytest.mark.parametrize('scheme', ['postgres', 'mysql'])
def test_once_of_the_dead(scheme):
    """Two servers that are not there: it says so, of each."""
    ports = [servers.free_port() for _ in range(2)]
    code, out = once('%s://app:app@127.0.0.1:%d,127.0.0.1:%d/app' % (scheme, *ports))
    assert code == 1 and ' cluster ' in out, out
    for port in ports:
        line, = [x for x in out.splitlines() if ' node 127.0.0.1:%d' % port in x]
        assert line.endswith(': Connection refused')


def test_usage():
    def run(*args):
        r = subprocess.run([weir.find_binary(), 'probe', *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60)
        return r.returncode, r.stdout
    assert run('--help')[0] == 0
    assert run()[0] == 2
    assert run('file.ini')[0] == 2
    assert run('--interval=1ms', 'postgres://a@b/c')[0] == 2
    code, out = run('--patroni=ftp://x', 'postgres://a:b@127.0.0.1/c')
    assert code == 1 and "no URL of Patroni's REST API" in out, out
    code, out = run('--once', 'postgres://a:b@127.0.0.1:1/c?sslmode=disable')
    assert code == 1 and 'Connection refused' in out, out
