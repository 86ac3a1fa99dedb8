"""Rules about where statements of MySQL and MariaDB go: a primary and a replica."""
import pytest

from rawmy import MyError
from servers import eventually
from test_cluster_my import cluster, wp  # noqa: F401
from test_rules import hits
from test_wishes_my import port, replica  # noqa: F401


def set_rules(wp, rules):
    wp.rules = rules
    wp.reload()


def test_the_classic_two_rules_of_proxysql(cluster, wp, replica):
    primary = cluster.nodes[0]
    with primary.connect() as c, c.cursor() as k:
        k.execute('create function app.writes() returns int modifies sql data begin insert into app.t (v) values ("f"); return 1; end')
    primary.wait_replica(cluster.nodes[1])
    set_rules(wp, {'for_update': "regex='^SELECT.*FOR UPDATE' route=primary", 'selects': 'regex=^SELECT route=replica'})
    for _ in range(5):
        with wp.my() as c:  # a new session each time: none that has seen the primary
            assert c.one('SELECT @@port') == str(replica)
            s = c.prepare('select  @@port')
            assert c.execute(s).rows[0][0] in (replica, str(replica))
            assert c.one('select @@port from (select 1) x left join app.t on false for update') == str(primary.port)
            c.do('insert into t (v) values ("x")')  # not a SELECT: as without rules
            before = int(primary.query('select count(*) from app.t')[0][0])
            assert int(c.one('select count(*) from t')) == before, 'its own write'
    assert hits(wp)['for_update'] == 5


def test_never_a_write_a_lock_or_a_transaction(cluster, wp, replica):
    primary = cluster.nodes[0]
    with primary.connect() as c, c.cursor() as k:
        k.execute('create function app.f() returns int reads sql data return @@port')
    primary.wait_replica(cluster.nodes[1])
    set_rules(wp, {'all': 'route=replica'})
    for sql in ('select @@port from (select 1) x left join t on false for update', "select @@port, get_lock('x', 1)",
                'select @@port, last_insert_id()', 'select @@port, @a := 1', 'select app.f()', 'show variables like "port"'):
        with wp.my() as c:
            row = c.all(sql)[-1].rows[0]
            want = replica if sql.startswith('show') else primary.port
            assert int(row[1 if sql.startswith('show') else 0]) == want, sql
    with wp.my() as c:
        c.do('begin')
        assert port(c) == primary.port
        c.do('commit')
        c.do('set autocommit = 0')
        assert port(c) == primary.port


def test_named_nodes(cluster, wp, replica):
    set_rules(wp, {'p': "regex='one' route=%s consistency=eventual" % cluster.where(0),
                   'r': "regex='two' route=%s consistency=eventual" % cluster.where(1), 'no': "prefix=select regex=three block=no"})
    with wp.my() as c:
        for _ in range(5):
            assert c.one("select @@port, 'one'") == str(cluster.nodes[0].port)
            assert c.one("select @@port, 'two'") == str(replica)
            with pytest.raises(MyError, match='1148'):
                c.one("select 'three'")


def test_explain_route_on_the_console(cluster, wp, replica):
    set_rules(wp, {'no': "prefix='drop' block='not here'", 'primary': "regex='mine' route=primary"})

    def explain(sql, who='app'):
        [r] = wp.admin('EXPLAIN ROUTE FOR %s %s' % (who, sql))
        return r['verdict'], r['rule'], r['goes_to'], r['nodes']
    assert explain('select count(*) from t') == ('replica', None, 'replica', cluster.where(1))
    assert explain('select `mine` from t # x') == ('replica', 'primary', 'primary', cluster.where(0))
    assert explain('drop table t') == ('primary', 'no', 'refused', None)
    assert explain('start transaction read only')[2] == 'primary'
    assert explain('show variables', 'ro')[2:] == ('replica', cluster.where(1))
