"""What a session or statement of MySQL or MariaDB may wish of the node that reads: hints, settings, read-only
transactions, tokens."""
import pytest

import rawmy
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


def test_read_only_transactions(cluster, wp, replica):
    """They run on a replica, from the first statement to the last; what does not belong there fails."""
    primary = cluster.nodes[0]
    # the servers of these tests may lack it, and then take what a procedure does behind its own COMMIT
    primary.query("create procedure app.p_writes() begin commit; insert into app.t (v) values ('p'); end")
    primary.query('create function app.f_reads() returns int reads sql data return (select count(*) from app.t)')
    primary.query('grant execute on app.* to app')
    primary.wait_replica(cluster.nodes[1])
    at_replica = '/* weirpool: replica */ select @@port'
    with wp.my(db='reports', caps=rawmy.MODERN | rawmy.MULTI_STATEMENTS) as c:
        def begin(how='start transaction read only'):
            """in a transaction at the replica"""
            c.do(how)
            if port(c) == replica:
                return True
            c.do('rollback')
        eventually(lambda: c.one(at_replica) == str(replica), 30)
        eventually(begin)
        s = c.prepare('select count(*) + ? from t')
        before = int(c.execute(s, [0]).rows[0][0])
        primary.query("insert into app.t (v) values ('x')", database='app')
        primary.wait_replica(cluster.nodes[1])
        assert int(c.one('select count(*) from t')) == before        # one snapshot
        assert int(c.execute(s, [1]).rows[0][0]) == before + 1
        c.do('set @seen = 7')
        c.do('savepoint a')
        c.do('rollback to a')
        assert c.error('select nothing').errno == 1054
        assert c.q('show warnings')[0][1] == b'1054' or c.q('show warnings')[0][1] == '1054'
        assert c.init_db('app') is not None
        for sql in ("insert into t (v) values ('ro')", 'select f_reads()', 'create table no (i int)', 'call p_writes()', "select get_lock('a', 1)",
                    'begin', 'start transaction', 'lock tables t read', 'create temporary table t2 (i int)', "xa start 'x'",
                    "select 1; commit; insert into t (v) values ('ro')", 'flush tables'):
            e = c.error(sql)
            assert e.errno == 1792 and e.sqlstate == '25006' and 'on a replica' in str(e), (sql, e)
            assert port(c) == replica
        c.do('commit')
        c.do("insert into t (v) values ('after')")
        assert c.one('select @seen') == '7'
        assert int(c.one('select count(*) from t')) == before + 2
        # as drivers do it: the session is read-only, and commits by itself no more
        eventually(lambda: c.one(at_replica) == str(replica), 30)
        c.do('set session transaction read only')
        c.do('set autocommit = 0')

        def opens():
            """the first statement opens one"""
            c.one('select count(*) from t')
            return port(c) == replica or c.do('commit') is None
        eventually(opens)
        assert int(c.one('select count(*) from t')) == before + 2 and port(c) == replica
        assert c.error('call p_writes()').errno == 1792   # (it waited for ever)
        c.do('commit')
        eventually(lambda: begin('begin'))
        c.do('rollback')
        c.do('set autocommit = 1')
        c.do('set session transaction read write')
        c.do("insert into t (v) values ('rw')")
        # elsewhere
        for how in ('begin', 'start transaction', '/* weirpool: primary */ start transaction read only'):
            c.do(how)
            assert port(c) == primary.port
            c.do('commit')
        c.all('start transaction read only; select 1; commit')
    with wp.my() as c:  # by default all transactions are the primary's
        c.do('set session transaction read only')
        for how in ('set autocommit = 0', 'begin', 'start transaction read only'):
            c.do(how)
            assert port(c) == primary.port and int(c.one('select f_reads()')) > before
            c.do('commit')
    eventually(lambda: cluster.nodes[1].query("select count(*) from app.t where v in ('ro', 'p')")[0][0] == 0)
    assert cluster.nodes[1].query("select count(*) from app.t where v = 'rw'")[0][0] <= 1


def test_a_read_only_transaction_whose_replica_dies(cluster, wp, replica):
    with wp.my(db='reports') as c:
        def begin():
            c.do('start transaction read only')
            return port(c) == replica or c.do('rollback') is None
        eventually(begin)
        cluster.nodes[1].kill9()
        assert c.error('select count(*) from t').errno == 1213
        with wp.my(db='ro') as r:  # the primary stands in for it, and is not written to
            assert port(r) == cluster.nodes[0].port
            assert r.error("insert into t (v) values ('ro')").errno == 1792
        c.do('start transaction read only')
        assert port(c) == cluster.nodes[0].port
        c.do('commit')
