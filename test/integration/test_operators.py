"""What operators see of clusters and do to them: SHOW PROBES, what is wrong with a node or an authority, RESOLVE of a split."""
import base64
import pathlib
import subprocess
import tempfile

import pytest
import rawpg
from fakepatroni import FakePatroni
from servers import PgServer, eventually, free_port, give_to_test_user, server_tls
from test_cluster_pg import Cluster, cluster, new_cluster, node_of, nodes, wait_ready, weir  # noqa: F401
from weir import Weirpool, find_binary

pytestmark = pytest.mark.timeout(180)


def probes(wp):
    return {r['node']: r for r in wp.admin('SHOW PROBES')}


def refused(wp, command):
    with pytest.raises(rawpg.PgError) as e:
        wp.admin(command)
    return str(e.value)


def test_probes(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    before = probes(wp)
    assert set(before) == {cluster.where(i) for i in range(3)}

    def more():
        """each node is sampled on and on"""
        now = probes(wp)
        return all(int(now[n]['samples']) > int(before[n]['samples']) and int(now[n]['facts']) > int(before[n]['facts'])
                   for n in now)
    eventually(more)
    eventually(lambda: all(r['connection'] == 'up' for r in probes(wp).values()))
    for r in probes(wp).values():
        assert r['cluster'] == 'main' and r['interval_ms'] in ('50', '20'), r
        assert int(r['rtt_us']) > 0 and r['note'] is None and r['authority'] is None and r['leader'] is None, r


def test_a_probe_that_fails(new_cluster, weir):
    c = new_cluster(1)
    wp = weir(c)
    wait_ready(wp, c, 1)
    assert probes(wp)[c.where(1)]['error'] is None
    c.nodes[1].kill9()
    eventually(lambda: int(probes(wp)[c.where(1)]['failures']) > 2)
    eventually(lambda: probes(wp)[c.where(1)]['error'] == 'Connection refused')
    assert probes(wp)[c.where(1)]['connection'] != 'up'
    assert nodes(wp)[c.where(1)]['why'] == 'Connection refused'
    c.nodes[1].start()
    eventually(lambda: probes(wp)[c.where(1)]['connection'] == 'up')
    r = probes(wp)[c.where(1)]  # what was is still told, with its age
    assert r['error'] and int(r['error_age']) >= 0, r


def test_an_authority_that_cannot_be_reached(cluster, weir):
    """Nothing changes for the clients, and the operator is told."""
    port = free_port()
    url = 'http://127.0.0.1:%d' % port
    wp = weir(cluster, cluster_options=dict(patroni=','.join([url] * 3)))
    wait_ready(wp, cluster)
    eventually(lambda: all('Patroni at %s: ' % url in (r['why'] or '') and 'Connection refused' in r['why']
                           for r in nodes(wp).values()))
    for r in probes(wp).values():
        assert r['authority'] == 'Patroni at ' + url and 'refused' in r['authority_error'] and r['leader_age'] is None, r
    eventually(lambda: wp.log().count('cluster main: Patroni at %s: ' % url) >= 3)
    assert wp.log().count('cluster main: Patroni at %s: ' % url) == 3, 'the log says it once of each'
    with wp.connect(dbname='rw') as c:
        assert node_of(c) == cluster.nodes[0].port


@pytest.fixture
def fake(cluster):
    p = FakePatroni({'p%d' % i: (n.host, n.port, 'replica' if i else 'leader') for i, n in enumerate(cluster.nodes)})
    yield p
    p.stop()


def test_what_patroni_says(cluster, weir, fake):
    wp = weir(cluster, cluster_options=dict(patroni=fake.url))

    def state(what):
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['state'] == what)
    wait_ready(wp, cluster)
    r = eventually(lambda: (lambda r: r if r['leader'] else None)(probes(wp)[cluster.where(2)]))
    assert r['authority'] == 'Patroni at ' + fake.url and r['leader'] == cluster.where(0) and r['leader_age'] is not None, r
    # its key has run out: what the primary would take now may be lost with it
    fake.role('p0', 'replica')
    state('suspect')
    assert 'names no leader' in wp.admin('SHOW CLUSTERS')[0]['why'] and wp.admin('SHOW CLUSTERS')[0]['writes'] == 'held'
    fake.role('p0', 'leader')
    state('normal')
    # paused, it leaves the key alone, and the primary goes on
    fake.paused = True
    fake.role('p0', 'replica')
    eventually(lambda: 'it is paused and names no leader' in (nodes(wp)[cluster.where(0)]['why'] or ''))
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['state'] == 'normal')
    with wp.connect(dbname='rw') as c:
        assert node_of(c) == cluster.nodes[0].port
    fake.paused = False
    # it knows the servers by other names: that is said, and it counts for nothing
    fake.members = {'other': ('10.1.1.1', 5432, 'leader')}
    eventually(lambda: "its leader other at 10.1.1.1:5432 is none of the cluster's nodes" in
               (nodes(wp)[cluster.where(0)]['why'] or ''))
    state('normal')
    with wp.connect(dbname='rw') as c:
        assert node_of(c) == cluster.nodes[0].port


def test_a_switchover_that_patroni_refuses(cluster, weir, fake):
    wp = weir(cluster, cluster_options=dict(patroni=fake.url, switchover_user='admin', switchover_password='s:crét'))
    wait_ready(wp, cluster)

    def switchover():
        with pytest.raises(rawpg.PgError) as e:
            wp.admin('SWITCHOVER main TO ' + cluster.where(2))
        return e.value.fields
    e = switchover()
    assert 'nothing was changed' in e['M'] and 'Patroni (status 412): no candidates found' in e['D'], e
    assert fake.posts == [('/switchover', {'leader': 'p0', 'candidate': 'p2'},
                           'Basic ' + base64.b64encode('admin:s:crét'.encode()).decode())]
    assert wp.admin('SHOW CLUSTERS')[0]['state'] == 'normal'
    fake.members = {n: m for n, m in fake.members.items() if n != 'p2'}
    assert 'none of its members' in switchover()['D']
    fake.members = {}
    e = switchover()  # the probes may have heard of it first
    assert 'it has no leader' in e.get('D', '') or 'the cluster is suspect' in e['M'], e
    assert len(fake.posts) == 1
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['state'] == 'suspect')


def test_patroni_over_https(cluster, weir, certs, base):
    """A Patroni that wants a certificate of its clients, as verify_client has it: what is wrong with either one's is told, new files are read, and
    the order to switch over goes the same way."""
    f = FakePatroni({'p%d' % i: (n.host, n.port, 'replica' if i else 'leader') for i, n in enumerate(cluster.nodes)}, server_tls(certs, 'expired', True))
    copy = pathlib.Path(tempfile.mkdtemp(dir=base))
    paths = copy / 'client.crt', copy / 'client.key'

    def put(name):
        for path, text in zip(paths, (certs.crt(name), certs.key(name))):
            path.write_bytes(pathlib.Path(text).read_bytes())
            give_to_test_user(path)

    def fails(why):
        eventually(lambda: why in (probes(wp)[cluster.where(0)]['authority_error'] or ''))
    give_to_test_user(copy)
    put('app-otherca')
    try:
        wp = weir(cluster, cluster_options=dict(patroni=f.url, switchover_user='admin', switchover_password='x'), patroni_tls_ca_file=certs.crt('ca'),
                  patroni_tls_cert_file=paths[0], patroni_tls_key_file=paths[1])
        fails('%s: TLS handshake failed: certificate verify failed: certificate has expired' % f.url)
        wp.wait_log('cluster main: Patroni at %s: .*certificate has expired' % f.url)
        f.tls = server_tls(certs, 'elsewhere', True)
        fails('mismatch')
        f.tls = server_tls(certs, 'server', True)
        eventually(lambda: 'mismatch' not in (probes(wp)[cluster.where(0)]['authority_error'] or ''))
        assert probes(wp)[cluster.where(0)]['leader'] is None and probes(wp)[cluster.where(0)]['authority_error'], 'ours is of another CA'
        put('app')
        wp.admin('RELOAD')
        eventually(lambda: probes(wp)[cluster.where(0)]['leader'] == cluster.where(0))
        wait_ready(wp, cluster)
        with pytest.raises(rawpg.PgError) as e:
            wp.admin('SWITCHOVER main TO ' + cluster.where(2))
        assert 'Patroni (status 412): no candidates found' in e.value.fields['D'], e.value.fields
        assert len(f.posts) == 1 and {p['commonName'] for p in f.peers} == {'app'}
        f.tls = server_tls(certs, 'server')

        def probe(*options):
            r = subprocess.run([find_binary(), 'probe', '--once', '--patroni=' + f.url, *options, 'postgres://app:app@%s/postgres?sslmode=disable' % ','.join(
                cluster.where(i) for i in range(3))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
            return r.stdout
        assert 'leader says Patroni at ' + f.url in probe('--patroni-ca=' + certs.crt('ca'))
        assert 'no CA that is trusted here has signed it' in probe()
        assert 'cannot load CA file "/nowhere"' in probe('--patroni-ca=/nowhere')
    finally:
        f.stop()


def test_a_node_of_another_cluster(cluster, weir, base):
    other = Cluster.__new__(Cluster)
    stranger = PgServer(cluster.nodes[0].base, 15, 'stranger').create()
    try:
        other.nodes = [*cluster.nodes, stranger]
        wp = weir(other)
        wait_ready(wp, other)
        eventually(lambda: nodes(wp)[other.where(3)]['why'] == 'belongs to another cluster')
        assert nodes(wp)[other.where(3)]['state'] == 'quarantined'
        assert 'another cluster' in refused(wp, 'PROMOTED ' + other.where(3))
        with wp.connect(dbname='app') as c:
            c.execute("insert into t (v) values ('x')")
    finally:
        stranger.stop('immediate')


def test_a_probe_user_without_rights(cluster, weir):
    p = cluster.nodes[0]
    p.query("create role poor login password 'app'")
    for n in cluster.nodes[1:]:
        eventually(lambda n=n: n.query("select 1 from pg_roles where rolname = 'poor'"))
    wp = weir(cluster, cluster_options=dict(probe_user='poor', probe_password='app'))
    wait_ready(wp, cluster)
    for i in (1, 2):
        eventually(lambda i=i: 'GRANT pg_monitor TO poor' in (nodes(wp)[cluster.where(i)]['why'] or ''))
        assert 'GRANT pg_monitor TO poor' in probes(wp)[cluster.where(i)]['note']
    assert nodes(wp)[cluster.where(0)]['why'] is None
    wp.stop()
    wp = weir(cluster, cluster_options=dict(probe_user='poor', probe_password='wrong'))
    eventually(lambda: all('password authentication failed' in (r['why'] or '') for r in nodes(wp).values()))
    wp.stop()
    wp = weir(cluster, cluster_options=dict(probe_user='nobody_such', probe_password='x'))
    eventually(lambda: all('authentication failed' in (r['why'] or '') for r in nodes(wp).values()))


def test_a_probe_user_without_rights_in_mysql(base, binary, mysql97, request):
    """Nobody gets in, so that not even the kind of the cluster is known: SHOW NODES tells why all the same."""
    mysql97.query("create user if not exists poor@'%' identified by 'app'")
    started = request.node.weirpools = []

    def start(user, password):
        w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'),
                     clusters={'main': dict(host='127.0.0.1', port=mysql97.port, protocol='mysql', probe_user=user,
                                            probe_password=password)})
        started.append(w)
        return w
    try:
        wp = start('poor', 'app')
        eventually(lambda: 'user poor cannot see what a probe needs' in (wp.admin('SHOW NODES')[0]['why'] or ''))
        wp = start('poor', 'wrong')
        eventually(lambda: 'Access denied' in (wp.admin('SHOW NODES')[0]['why'] or ''))
        assert 'Access denied' in wp.admin('SHOW PROBES')[0]['error'] and int(wp.admin('SHOW PROBES')[0]['failures']) > 0
        wp = start('nobody_such', '')
        eventually(lambda: 'Access denied' in (wp.admin('SHOW NODES')[0]['why'] or ''))
    finally:
        for w in started:
            w.stop()


def test_a_node_that_does_not_exist(cluster, weir):
    c = Cluster.__new__(Cluster)
    c.nodes = cluster.nodes
    wp = weir(c, cluster_options=dict(host='127.0.0.1,127.0.0.1,127.0.0.1,no-such-host.invalid',
                                      port='%d,%d,%d,5432' % tuple(n.port for n in c.nodes)))
    wait_ready(wp, c)
    eventually(lambda: nodes(wp)['no-such-host.invalid:5432']['why'])
    assert nodes(wp)['no-such-host.invalid:5432']['state'] == 'down'


def test_resolve_is_for_a_split_only(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    assert 'not split, but normal' in refused(wp, 'RESOLVE main TO ' + cluster.where(1))
    assert 'there is no cluster "other"' in refused(wp, 'RESOLVE other TO ' + cluster.where(1))
    assert 'there is no node "127.0.0.1:1" in cluster main' in refused(wp, 'RESOLVE main TO 127.0.0.1:1')
    for bad in ('RESOLVE', 'RESOLVE main', 'RESOLVE main TO', 'RESOLVE main AT x', 'RESOLVE main TO a b'):
        assert 'invalid command' in refused(wp, bad), bad
    assert wp.admin('SHOW CLUSTERS')[0]['primary'] == cluster.where(0)
