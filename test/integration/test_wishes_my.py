"""What a session or statement of MySQL or MariaDB may wish of the node that reads: hints, settings, read-only
transactions, tokens."""
import pytest

from rawmy import MyError, RawMy
from servers import eventually, free_port
from test_cluster_my import cluster, wp  # noqa: F401
from weir import Weirpool


def port(c, wish='', rest=''):
    return int(c.one('%s select @@port %s' % (wish, rest)))


@pytest.fixture
def replica(cluster, wp):
    """The port of the replica, once it takes reads: roles, freshness and the catalog are known."""
    there = cluster.nodes[1].port
    with wp.my() as c:
        eventually(lambda: port(c, '/* weirpool: replica */') == there, 30)
    return there


def test_hints(cluster, wp, replica):
    primary = cluster.nodes[0].port
    with wp.my() as c:
        for wish, where in (('node=%s' % cluster.where(1), replica), ('node=%s' % cluster.where(0), primary),
                            ('replica', replica), ('primary', primary), ('replica, consistency=strong', primary)):
            assert port(c, '/* weirpool: %s, consistency=eventual */' % wish if 'strong' not in wish
                        else '/* weirpool: %s */' % wish) == where, wish
        for wish in ('node=n17', 'node=127.0.0.1'):  # the last: which one of the two?
            with pytest.raises(MyError) as e:
                c.one('/* weirpool: %s */ select 1' % wish)
            assert e.value.errno == 1105 and 'cluster main' in str(e.value)
        assert c.one('/* weirpool: noed=n1 */ select 1') == '1'
        for sql in ('select @@port from (select 1) x for update', 'select @@port, get_lock("a", 0)'):
            assert c.one('/* weirpool: replica */ ' + sql) == str(primary)
        c.do('do release_all_locks()')


def test_a_hint_of_a_consistency(cluster, wp, replica):
    there = cluster.nodes[1]
    with wp.my() as c:
        c.do("insert into app.t (v) values ('1')")
        eventually(lambda: there.query('select count(*) from app.t')[0][0] == 1)
        there.query('stop %s sql_thread' % ('slave' if there.family == 'mariadb' else 'replica'))
        c.do("insert into app.t (v) values ('2')")

        def read(wish):
            r = c.q('/* weirpool: %s */ select count(*), @@port from app.t' % wish)[0]
            return int(r[0]), int(r[1])
        here, stale = (2, cluster.nodes[0].port), (1, replica)
        for _ in range(5):
            assert read('replica, consistency=eventual') == stale
            assert read('node=' + cluster.where(1)) == here
            assert read('replica, consistency=global') == here
        eventually(lambda: read('replica, consistency=bounded(100ms)') == here)
        there.query('start %s sql_thread' % ('slave' if there.family == 'mariadb' else 'replica'))
        eventually(lambda: read('node=' + cluster.where(1)) == (2, replica), 30)


def test_the_consistency_of_a_session(cluster, wp, replica):
    there = cluster.nodes[1]
    with wp.my() as c:
        c.do("insert into app.t (v) values ('1')")
        eventually(lambda: there.query('select count(*) from app.t')[0][0] == 1)
        there.query('stop %s sql_thread' % ('slave' if there.family == 'mariadb' else 'replica'))
        c.do("insert into app.t (v) values ('2')")

        def read():
            return int(c.one('select count(*) from app.t'))
        assert read() == 2
        for how in ("set @weirpool_consistency = 'eventual'", "set @x = 1, @WEIRPOOL_consistency := 'Eventual'",
                    "set @`weirpool_consistency` = concat('event', 'ual')"):
            c.do(how)
            eventually(lambda: read() == 1)
            c.do("set @weirpool_consistency = 'session'")
            assert read() == 2
            assert c.one('select @weirpool_consistency') == 'session'
        c.do("set @weirpool_consistency = 'eventual'")
        assert int(c.one('/* weirpool: consistency=session */ select count(*) from app.t')) == 2
        c.do("set @weirpool_consistency = 'nonsense'")  # the primary is always right
        assert read() == 2
        c.do("set @weirpool_consistency = 17")
        assert read() == 2
        c.do("set @weirpool_consistency = 'eventual'")
        eventually(lambda: read() == 1)
        c.do('set @weirpool_consistency = null')
        assert read() == 2


def test_endpoints_by_port_and_attribute(cluster, base, binary, request):
    rw, ro = free_port(), free_port()
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, clusters={'main': cluster.entry()},
                 userlist=dict(app='app', admin='admin'), mysql_listen_port_rw=rw, mysql_listen_port_ro=ro)
    request.node.weirpools = [w]
    first, there = cluster.nodes[0].port, cluster.nodes[1].port

    def at(port, **kw):
        r = RawMy(port, '127.0.0.1')
        r.login('app', 'app', 'app', **kw)
        return r
    try:
        def answers():
            with at(ro) as c:
                return port(c) == there
        eventually(answers, 40)
        with at(rw) as c:
            assert port(c, '/* weirpool: replica */') == first
            c.do("insert into app.t (v) values ('rw')")
        with at(ro) as c:
            assert port(c, '/* weirpool: primary */') == there
            assert c.error("insert into app.t (v) values ('ro')").errno == 1290
        with at(w.mysql_port, attrs={'weirpool_endpoint': 'ro'}) as c:
            assert port(c) == there
        with pytest.raises(MyError) as e:
            at(w.mysql_port, attrs={'weirpool_endpoint': 'rx'})
        assert 'weirpool.endpoint' in str(e.value)
        with pytest.raises(MyError) as e:
            at(rw, attrs={'weirpool_endpoint': 'ro'})
    finally:
        w.stop()
