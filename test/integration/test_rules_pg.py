"""Rules about where statements of PostgreSQL go: a cluster of three."""
import time

import psycopg
import pytest

from servers import eventually
from test_cluster_pg import cluster, new_cluster, wait_ready  # noqa: F401
from test_rules import hits
from test_wishes_pg import port, weir, weir_at_defaults  # noqa: F401

WRITES = "create function writes() returns int volatile language plpgsql as $$ begin insert into t (v) values ('f'); return 1; end $$"
READS = "create function reads_only() returns int volatile language sql as 'select inet_server_port()'"


def ready(wp, cluster, replicas=2):
    """Roles, freshness and the catalog are known."""
    wait_ready(wp, cluster, replicas)
    with wp.connect(dbname='app') as c:
        eventually(lambda: port(c, '/* weirpool: replica, consistency=eventual */') != cluster.nodes[0].port, 20)


def replicas(cluster):
    return {n.port for n in cluster.nodes[1:]}


@pytest.fixture(scope='module')
def funcs(cluster):
    with cluster.nodes[0].connect('app', 'app') as c:
        c.execute(WRITES)
        c.execute(READS)
    for n in cluster.nodes[1:]:
        eventually(lambda: n.query("select count(*)::int from pg_proc where proname in ('writes', 'reads_only')", dbname='app')
                   == [(2,)])
    return cluster


CLASSIC = {'for_update': "regex='^SELECT.*FOR UPDATE' route=primary", 'selects': "regex=^SELECT route=replica"}


def test_the_classic_two_rules_of_proxysql(funcs, weir):
    cluster = funcs
    wp = weir(cluster, rules=CLASSIC)
    ready(wp, cluster)
    primary = cluster.nodes[0].port
    for _ in range(5):
        with wp.connect() as c:  # none that has seen the primary
            def one(sql, **kw):
                return c.execute(sql, **kw).fetchone()[0]
            assert one('SELECT inet_server_port()') in replicas(cluster)
            assert one('select\n inet_server_port()') in replicas(cluster)
            # a stranger to the classifier: the rule vouches for it
            assert one('select reads_only()') in replicas(cluster)
            assert one('select reads_only() where 1 = %s', params=(1,), prepare=True) in replicas(cluster)
            assert one('select inet_server_port() from (select 1\nfrom t for update) x right join (values (1)) y on true') == primary
            # not a SELECT: as without rules
            assert one('values (inet_server_port())') == primary
    got = hits(wp)
    assert got['for_update'] == 5 and got['selects'] >= 20, got


def test_never_a_write_a_lock_or_a_transaction(funcs, weir):
    cluster = funcs
    wp = weir(cluster, rules={'all': 'route=replica'})
    ready(wp, cluster)
    primary = cluster.nodes[0].port
    with wp.connect() as c:
        for sql in ("insert into t (v) values ('x') returning inet_server_port()",
                    "with w as (insert into t (v) values ('y') returning 1) select inet_server_port() from w",
                    "select inet_server_port() from nextval('t_id_seq')",
                    'select inet_server_port() from (select 1 from t for share) x right join (values (1)) y on true',
                    'select inet_server_port() from (select last_value from t_id_seq) x'):
            for params in (None, ()):
                assert c.execute(sql, params, prepare=params is not None).fetchone()[0] == primary, sql
        for begin in ('begin', 'begin isolation level serializable'):
            c.execute(begin)
            assert port(c) == primary
            assert c.execute('select reads_only()').fetchone()[0] == primary
            c.execute('commit')
        c.execute('create temp table mine (id int)')
        assert port(c) == primary, 'the session keeps its link'


def test_what_was_vouched_for_and_writes(funcs, weir):
    """The replica refuses, the primary runs it, and it counts as a write: the session reads it afterwards."""
    cluster = funcs
    wp = weir(cluster, rules={'all': 'regex=^select route=replica'})
    ready(wp, cluster)
    with wp.connect() as c:
        for i in range(20):
            before = cluster.nodes[0].query('select count(*)::int from t', dbname='app')[0][0]
            assert c.execute('select writes()', prepare=bool(i % 2)).fetchone() == (1,)
            assert c.execute('select count(*)::int from t').fetchone()[0] == before + 1, 'its own write, and once'
    wp.wait_log('asking another node')


def test_what_a_vouched_for_function_leaves_on_a_replica(cluster, weir):
    """The session keeps that link; what it cannot do there is refused, and does not wait for ever."""
    with cluster.nodes[0].connect('app', 'app') as c:
        c.execute("create function locks() returns int volatile language plpgsql as $$ begin perform pg_advisory_lock(7); return 1; end $$")
    wp = weir(cluster, rules={'all': 'regex=^select route=replica consistency=eventual'})
    ready(wp, cluster)
    for n in cluster.nodes[1:]:
        eventually(lambda: n.query("select count(*)::int from pg_proc where proname = 'locks'", dbname='app') == [(1,)])
    with wp.connect() as c:
        assert c.execute('select locks()').fetchone() == (1,)
        eventually(lambda: wp.admin('SHOW PINS'))
        assert port(c) in replicas(cluster)
        for params in (None, ()):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                c.execute("insert into t (v) values ('x')", params, prepare=params is not None)
            assert port(c) in replicas(cluster)


def test_a_write_that_was_vouched_for_is_not_repeated(new_cluster, weir):
    """It reached the primary, whose answer is lost: nobody knows, so the client is told that."""
    cluster = new_cluster(1)
    with cluster.nodes[0].connect('app', 'app') as c:
        c.execute("create function slow_write() returns int volatile language plpgsql as $$ begin insert into t (v) values ('s');"
                  " perform pg_sleep(600); return 1; end $$")
    wp = weir(cluster, rules={'all': "prefix='select slow' route=replica"})
    ready(wp, cluster, 1)
    eventually(lambda: cluster.nodes[1].query("select count(*)::int from pg_proc where proname = 'slow_write'", dbname='app') == [(1,)])
    import threading
    failed = []

    def run():
        try:
            with wp.connect() as c:
                c.execute('select slow_write()')
        except psycopg.Error as e:
            failed.append(e)
    t = threading.Thread(target=run)
    t.start()
    running = "select pid from pg_stat_activity where query like '%slow_write%' and state = 'active' and pid <> pg_backend_pid()"
    eventually(lambda: cluster.nodes[0].query(running))
    cluster.nodes[0].query('select pg_terminate_backend(pid) from (%s) x' % running)
    t.join(60)
    [e] = failed
    assert e.sqlstate in ('08007', '57P01') or 'terminating connection' in str(e), e
    # once is enough: another would run for ten minutes; the one that was ended is in the list for a moment more
    eventually(lambda: not cluster.nodes[0].query(running))


def test_named_nodes(cluster, weir):
    rules = {'p': "prefix='select 1,' route=%s consistency=eventual" % cluster.where(0),
             'one': "prefix='select 2,' route=%s consistency=eventual" % cluster.where(2),
             'both': "prefix='select 3,' route=%s,%s consistency=eventual" % (cluster.where(1), cluster.where(2)),
             'primary': "prefix='select 4,' route=primary"}
    wp = weir(cluster, rules=rules)
    ready(wp, cluster)
    with wp.connect() as c:
        def where(n):
            return {c.execute('select %d, inet_server_port(), current_setting(\'port\')' % n).fetchone()[1] for _ in range(20)}
        assert where(1) == {cluster.nodes[0].port}
        assert where(2) == {cluster.nodes[2].port}
        assert where(4) == {cluster.nodes[0].port}
        assert where(3) <= replicas(cluster)
    with wp.connect(dbname='ro') as c:  # an endpoint is an endpoint
        assert c.execute('select 4, inet_server_port()').fetchone()[1] in replicas(cluster)
    with wp.connect(dbname='rw') as c:
        assert c.execute('select 2, inet_server_port()').fetchone()[1] == cluster.nodes[0].port


def test_a_named_node_that_is_away(new_cluster, weir):
    """The read goes where it would without the rule."""
    cluster = new_cluster(2)
    wp = weir(cluster, rules={'n': 'regex=^select route=%s consistency=eventual' % cluster.where(2)})
    ready(wp, cluster)
    with wp.connect() as c:
        assert port(c) == cluster.nodes[2].port
        wp.admin('DRAIN ' + cluster.where(2))
        eventually(lambda: port(c) == cluster.nodes[1].port)
        wp.admin('RESUME ' + cluster.where(2))
        eventually(lambda: port(c) == cluster.nodes[2].port)


def test_consistency_and_staleness(new_cluster, weir):
    """A replica that stands still, and what may be read there."""
    cluster = new_cluster(1)
    wp = weir(cluster, rules={'tight': "regex='tight' consistency=eventual max_staleness=100ms",
                              'old': "regex='old' consistency=eventual", 'fresh': "regex='strong' consistency=strong"})
    ready(wp, cluster, 1)
    there = cluster.nodes[1]
    with wp.connect() as c:
        c.execute('insert into reg values (1, 1)')
        eventually(lambda: there.query('select v from reg where id = 1', dbname='app') == [(1,)])
        there.query('select pg_wal_replay_pause()')
        c.execute('update reg set v = 2 where id = 1')

        def read(name):
            return c.execute('select v as %s from reg where id = 1' % name, prepare=False).fetchone()[0]

        def lags():
            """weirpool knows that the replica lacks something, and for how long"""
            [r] = [r for r in wp.admin('SHOW NODES') if r['role'] == 'replica']
            return int(r['missing'] or 0) > 0 and float(r['lag_ms'] or 0) > 100
        time.sleep(0.3)  # (a probe that came late may show more than there is yet)
        eventually(lags, 30)
        for _ in range(5):
            assert read('old') == 1
            assert read('tight') == 2
            assert read('v') == 2
            assert read('strong') == 2
        there.query('select pg_wal_replay_resume()')


def test_rules_change_for_sessions_that_are_there(cluster, weir):
    wp = weir(cluster)
    ready(wp, cluster)
    with wp.connect() as c:
        assert port(c) == cluster.nodes[0].port  # inet_server_port() tells of one node
        wp.rules = {'r': 'regex=^select route=replica consistency=eventual'}
        wp.reload()
        assert port(c) in replicas(cluster)
        wp.rules = {}
        wp.reload()
        assert port(c) == cluster.nodes[0].port


def test_a_comment_and_a_rule(cluster, weir):
    """A rule decides over a comment, but what a comment keeps on the primary stays there."""
    wp = weir(cluster, rules={'r': 'regex=^select route=%s consistency=eventual' % cluster.where(1)})
    ready(wp, cluster)
    with wp.connect() as c:
        assert port(c, '/* weirpool: primary */') == cluster.nodes[0].port
        assert port(c, '/* weirpool: node=%s */' % cluster.where(2)) == cluster.nodes[1].port


def test_explain_route_on_the_console(funcs, weir):
    cluster = funcs
    rules = {'mine': "prefix='select writes' user=app route=replica", 'no': "prefix='drop' block='not here'",
             'one': "prefix='select 1' route=%s" % cluster.where(2)}
    wp = weir(cluster, rules=rules)
    ready(wp, cluster)
    primary, others = cluster.where(0), {cluster.where(1), cluster.where(2)}

    def explain(sql, who='app'):
        [r] = wp.admin('EXPLAIN ROUTE FOR %s %s' % (who, sql))
        return r['verdict'], r['rule'], r['goes_to'], set((r['nodes'] or '').split(',')) - {''}
    assert explain('select count(*) from t') == ('replica', None, 'replica', others)
    assert explain("insert into t (v) values ('; \"x')") == ('primary', None, 'primary', {primary})
    assert explain('select 1') == ('replica', 'one', 'replica', {cluster.where(2)})
    assert explain('DROP TABLE t') == ('primary', 'no', 'refused', set())
    assert explain('select writes()') == ('primary', None, 'primary', {primary})
    assert explain('select writes()', 'app/app') == ('primary', 'mine', 'replica', others)
    assert explain('begin read only') == ('replica', None, 'replica', others)
    assert explain('begin') == ('primary', None, 'primary', {primary})
    assert explain('select 2', 'rw') == ('replica', None, 'primary', {primary})
    assert explain('select count(*) from t', 'ro')[2:] == ('replica', others)
    assert explain('/* weirpool: node=%s */ select 2' % cluster.where(1))[3] == {cluster.where(1)}
    assert explain('/* weirpool: node=nix */ select 2')[2] == 'refused'
    for bad, why in (('EXPLAIN ROUTE FOR nope select 1', 'no such database'), ('EXPLAIN ROUTE select 1', 'FOR is needed'),
                     ('EXPLAIN', 'EXPLAIN ROUTE')):
        with pytest.raises(Exception, match=why):
            wp.admin(bad)
    with pytest.raises(Exception, match='admin access'):
        wp.admin('EXPLAIN ROUTE FOR app select 1', 'stats')
