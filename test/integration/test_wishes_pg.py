"""What a PostgreSQL session or statement may wish of the node that reads: hints, settings, endpoints, read-only
transactions, tokens. A cluster of three."""
import psycopg
import pytest

import rawpg
from servers import eventually, free_port
from test_cluster_pg import cluster, new_cluster, wait_ready, weir as weir_at_defaults  # noqa: F401


@pytest.fixture
def weir(weir_at_defaults):  # noqa: F811
    """Here nobody doubts a server that a busy machine keeps silent for a while: where reads go then is not what these tests are about."""
    def make(cluster, databases=None, cluster_options=None, **kw):
        return weir_at_defaults(cluster, databases, dict(dict(probe_timeout='20s'), **(cluster_options or {})), **kw)
    return make


def port(conn, wish='', what='inet_server_port()'):
    return conn.execute('%s select %s' % (wish, what), prepare=False).fetchone()[0]


def ready(wp, cluster, replicas=2):
    """Each replica takes reads: roles, freshness and the catalog are known."""
    wait_ready(wp, cluster, replicas)
    with wp.connect(dbname='app') as c:
        for n in cluster.nodes[1:]:
            eventually(lambda: port(c, '/* weirpool: node=127.0.0.1:%d */' % n.port) == n.port, 20)


def named(cluster, i):
    """At once: what the session has seen on another node does not matter."""
    return '/* weirpool: node=%s, consistency=eventual */' % cluster.where(i)


# --- comments

def test_a_hint_moves_a_read(cluster, weir):
    wp = weir(cluster)
    ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        for i in (1, 2, 0, 2, 1):
            assert port(c, named(cluster, i)) == cluster.nodes[i].port
            with c.cursor() as k:  # a prepared statement
                for _ in range(3):
                    k.execute(named(cluster, i) + ' select inet_server_port() where %s > 0', (1,), prepare=True)
                    assert k.fetchone()[0] == cluster.nodes[i].port
        assert port(c, '/* weirpool: replica, consistency=eventual */') in {n.port for n in cluster.nodes[1:]}
        assert port(c, '/* weirpool: primary */') == cluster.nodes[0].port
        assert port(c, '/* weirpool: replica, consistency=strong */') == cluster.nodes[0].port


def test_a_hint_never_moves_a_write(cluster, weir):
    wp = weir(cluster)
    ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        for wish in ('/* weirpool: replica */', named(cluster, 1), named(cluster, 1) + '/* maxscale route to slave */'):
            for sql in ("insert into t (v) values ('x') returning inet_server_port()",
                        "select inet_server_port() from nextval('t_id_seq')",
                        "select inet_server_port() from (select 1 from t for update) x right join (values (1)) y on true"):
                assert c.execute('%s %s' % (wish, sql), prepare=False).fetchone()[0] == cluster.nodes[0].port
        with c.transaction():  # it stays where it began
            assert port(c, named(cluster, 1)) == cluster.nodes[0].port


def test_a_hint_for_a_node_that_is_not_there(cluster, weir):
    wp = weir(cluster)
    ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        for wish in ('node=n17', 'node=127.0.0.1:1', 'node=127.0.0.1'):  # the last: which one of the three?
            with pytest.raises(psycopg.errors.UndefinedObject) as e:
                c.execute('/* weirpool: %s */ select 1' % wish)
            assert wish[5:] in str(e.value) and 'cluster main' in str(e.value)
        assert c.execute('select 1').fetchone() == (1,)
        heard = []
        c.add_notice_handler(lambda d: heard.append(d.message_primary))
        assert c.execute('/* weirpool: noed=n1 */ select 1').fetchone() == (1,)
        assert 'does not understand' in heard[0] and len(heard) == 1


def test_a_hint_of_a_consistency(new_cluster, weir):
    """A replica that stands still, and what may be read there."""
    cluster = new_cluster(1)
    wp = weir(cluster)
    ready(wp, cluster, 1)
    there = cluster.nodes[1]
    with wp.connect(dbname='app') as c:
        c.execute('insert into reg values (1, 1)')
        eventually(lambda: there.query('select v from reg where id = 1', dbname='app') == [(1,)])
        there.query('select pg_wal_replay_pause()')
        c.execute('update reg set v = 2 where id = 1')

        def read(*wishes):
            return c.execute('/* weirpool: %s */ select v, inet_server_port() from reg where id = 1' % ', '.join(wishes),
                             prepare=False).fetchone()
        here, stale = (2, cluster.nodes[0].port), (1, there.port)
        node = 'node=' + cluster.where(1)
        for _ in range(5):
            assert read('replica', 'consistency=eventual') == stale
            assert read(node, 'consistency=eventual') == stale
            assert read(node) == here  # not fresh enough: what the session wrote is missing there
            assert read(node, 'consistency=session') == here
            assert read('replica', 'consistency=global') == here
            assert read('consistency=strong') == here
        eventually(lambda: read('replica', 'consistency=bounded(100ms)') == here)
        assert c.execute('select v from reg where id = 1').fetchone()[0] == 2  # the wish was for one statement
        there.query('select pg_wal_replay_resume()')
        eventually(lambda: read(node) == (2, there.port))


def test_what_follows_a_hint_in_a_pipeline(new_cluster, weir):
    """A statement that takes old data must not bring that about for the next one."""
    cluster = new_cluster(1)
    wp = weir(cluster)
    ready(wp, cluster, 1)
    there = cluster.nodes[1]
    with wp.connect(dbname='app') as c:
        c.execute('insert into reg values (1, 1)')
        eventually(lambda: there.query('select v from reg where id = 1', dbname='app') == [(1,)])
        there.query('select pg_wal_replay_pause()')
        c.execute('update reg set v = 2 where id = 1')

        def some_are_old():
            """None of the others is; on the primary's link an old one may be new as well."""
            with c.pipeline() as p:
                got = []
                for _ in range(10):
                    got.append(c.execute('/* weirpool: consistency=eventual */ select v from reg where id = 1'))
                    p.sync()
                    got.append(c.execute('select v from reg where id = 1'))
                    p.sync()
            rows = [k.fetchone()[0] for k in got]
            assert rows[1::2] == [2] * 10, rows
            return 1 in rows
        eventually(some_are_old)


# --- settings of the session

def test_the_consistency_of_a_session(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster)
    ready(wp, cluster, 1)
    there = cluster.nodes[1]
    with wp.connect(dbname='app') as c, wp.connect(dbname='app', options='-c weirpool.consistency=eventual') as d:
        c.execute('insert into reg values (1, 1)')
        eventually(lambda: there.query('select v from reg where id = 1', dbname='app') == [(1,)])
        there.query('select pg_wal_replay_pause()')
        for k in (c, d):
            k.execute('update reg set v = 2 where id = 1')

        def read(k):
            return k.execute('select v from reg where id = 1', prepare=False).fetchone()[0]

        def shown(k):
            return k.execute('show weirpool.consistency').fetchone()[0]

        def is_old(k):
            """It has its link for a moment more when the server is asked what a statement has set."""
            return eventually(lambda: read(k) == 1)
        assert (read(c), shown(d)) == (2, 'eventual') and is_old(d)
        for how in ("set weirpool.consistency = 'eventual'", "set session weirpool.consistency to eventual",
                    "select set_config('weirpool.consistency', 'eventual', false)"):
            c.execute(how)
            assert is_old(c) and shown(c) == 'eventual'
            c.execute("set weirpool.consistency = 'session'")
            assert (read(c), shown(c)) == (2, 'session')
        c.execute("set weirpool.consistency = 'eventual'")
        assert c.execute('/* weirpool: consistency=session */ select v from reg').fetchone()[0] == 2
        c.execute('reset weirpool.consistency')
        d.execute('set weirpool.consistency = strong')
        assert (read(c), read(d)) == (2, 2)
        d.execute('reset weirpool.consistency')  # to what it began with
        assert is_old(d) and shown(d) == 'eventual'
        with c.transaction():
            c.execute("set local weirpool.consistency = 'eventual'")
            assert read(c) == 2  # the transaction is where it is
        assert read(c) == 2
        c.execute("set weirpool.consistency = 'bounded(50ms)'")
        eventually(lambda: read(c) == 2)
        c.execute("select set_config('weirpool.consistency', 'nonsense', false)")  # nobody could stop it
        assert read(c) == 2


def test_a_consistency_that_is_none(cluster, weir):
    wp = weir(cluster)
    wait_ready(wp, cluster)
    with wp.connect(dbname='app') as c:
        for prepare in (False, True):
            for sql in ("set weirpool.consistency = 'often'", "SET LOCAL WeirPool.Consistency TO bounded"):
                with pytest.raises(psycopg.errors.InvalidParameterValue) as e:
                    c.execute(sql, prepare=prepare)
                assert 'eventual, bounded(TIME)' in str(e.value)
        assert c.execute("select coalesce(current_setting('weirpool.consistency', true), '')").fetchone() == ('',)
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            with c.transaction():
                c.execute("set weirpool.consistency = 'x'")
        assert c.execute('select 1').fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError) as e:
        wp.connect(dbname='app', options='-c weirpool.consistency=often')
    assert 'invalid value for parameter "weirpool.consistency"' in str(e.value)


# --- endpoints

@pytest.fixture
def ports(cluster, weir):
    """A weirpool with a port for each role: auto, rw, ro."""
    rw, ro = free_port(), free_port()
    wp = weir(cluster, listen_port_rw=rw, listen_port_ro=ro)
    ready(wp, cluster)
    return wp, rw, ro


def test_a_port_for_each_role(cluster, ports):
    wp, rw, ro = ports
    first = cluster.nodes[0].port
    with wp.connect(dbname='app', port=rw) as c:
        for _ in range(5):
            assert port(c, '/* weirpool: replica */') == first  # it does not leave the endpoint
        assert c.info.parameter_status('in_hot_standby') in ('off', None)
        assert c.execute('show transaction_read_only').fetchone() == ('off',)
        c.execute("insert into t (v) values ('rw')")
    with wp.connect(dbname='app', port=ro) as c:
        for _ in range(5):
            assert port(c) != first and port(c, '/* weirpool: primary */') != first
        assert c.execute('show transaction_read_only').fetchone() == ('on',)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            c.execute("insert into t (v) values ('ro')")
        with c.transaction():
            assert port(c) != first
    with wp.connect(dbname='app') as c:
        assert c.info.parameter_status('in_hot_standby') in ('off', None)


def test_an_endpoint_by_startup_option(cluster, ports):
    wp, rw, ro = ports
    with wp.connect(dbname='app', options='-c weirpool.endpoint=ro') as c:
        assert port(c) != cluster.nodes[0].port
        assert c.execute('show weirpool.endpoint').fetchone() == ('ro',)
        with pytest.raises(psycopg.Error) as e:
            c.execute("set weirpool.endpoint = 'rw'")
        assert e.value.sqlstate == '55P02'
    with wp.connect(dbname='app', options='-c weirpool.endpoint=rw') as c:
        assert port(c, '/* weirpool: replica */') == cluster.nodes[0].port
    for kw, why in ((dict(options='-c weirpool.endpoint=rx'), 'invalid value for parameter "weirpool.endpoint"'),
                    (dict(options='-c weirpool.endpoint=rw', dbname='ro'), 'to read only'),
                    (dict(options='-c weirpool.endpoint=ro', port=rw), 'to read only'), (dict(port=rw, dbname='ro'), 'to read only')):
        with pytest.raises(psycopg.OperationalError) as e:
            wp.connect(**dict(dict(dbname='app'), **kw))
        assert why in str(e.value)


def test_target_session_attrs(cluster, ports):
    """libpq finds its way among several addresses by what it is told at the login, or by asking."""
    wp, rw, ro = ports
    first = cluster.nodes[0].port
    for order in ((rw, ro), (ro, rw)):
        for attrs, is_first in (('read-write', True), ('primary', True), ('read-only', False), ('standby', False),
                                ('prefer-standby', False)):
            with wp.connect(dbname='app', host='127.0.0.1,127.0.0.1', port='%d,%d' % order, target_session_attrs=attrs) as c:
                assert (port(c) == first) == is_first, (order, attrs)
    with pytest.raises(psycopg.OperationalError):
        wp.connect(dbname='app', port=ro, target_session_attrs='read-write')
    with pytest.raises(psycopg.OperationalError):
        wp.connect(dbname='app', port=rw, target_session_attrs='read-only')
    with wp.connect(dbname='app', target_session_attrs='read-write') as c:  # auto takes writes
        c.execute("insert into t (v) values ('auto')")


def test_the_last_to_read_from_is_the_primary(new_cluster, weir):
    """All replicas are gone: what comes to ro is answered by the primary, and writes are refused there, too."""
    cluster = new_cluster(1)
    wp = weir(cluster)
    ready(wp, cluster, 1)
    cluster.nodes[1].kill9()
    with wp.connect(dbname='ro') as c:
        eventually(lambda: port(c) == cluster.nodes[0].port)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            c.execute("insert into t (v) values ('ro')")


# --- read-only transactions

@pytest.fixture
def ro(new_cluster, weir):
    """A replica beside the primary, and functions that are marked as if they wrote; and weirpool."""
    cluster = new_cluster(1)
    with cluster.nodes[0].connect('app', 'app') as c:
        c.execute('create function reads() returns bigint language sql volatile as $$ select count(*) from t $$')
        c.execute("create function writes() returns int language plpgsql as $$ begin insert into t (v) values ('f'); return 1; end $$")
    wp = weir(cluster)
    ready(wp, cluster, 1)
    return wp, cluster, cluster.nodes[1].port


def begins_there(c, there, begin='begin read only'):
    """A transaction that is on the replica, as it is once that has what the session has seen."""
    def begun():
        c.execute(begin, prepare=False)
        if port(c) == there:
            return True
        c.execute('rollback', prepare=False)
    assert eventually(begun)


def test_a_read_only_transaction_is_a_replicas(ro):
    wp, cluster, there = ro
    with wp.connect(dbname='app') as c, wp.connect(dbname='app') as d:
        c.execute("insert into t (v) values ('seen')")
        for i in range(20):  # what it wrote is there, wherever it begins
            c.execute('begin read only')
            assert c.execute('select count(*) from t').fetchone() == (i + 1,)
            c.execute('commit')
            c.execute("insert into t (v) values ('seen')")
        for begin in ('begin read only', 'start transaction isolation level repeatable read, read only'):
            begins_there(c, there, begin)
            n = c.execute('select count(*) from t', prepare=True).fetchone()[0]
            d.execute("insert into t (v) values ('later')")
            eventually(lambda: cluster.nodes[1].query('select count(*) from t', dbname='app')[0][0] > n)
            assert (c.execute('select count(*) from t').fetchone()[0] > n) == (begin == 'begin read only')
            assert port(c) == there
            c.execute('commit')
            assert c.execute("insert into t (v) values ('after') returning inet_server_port()").fetchone()[0] != there
    with wp.connect(dbname='app', autocommit=False) as c:  # as drivers do it
        c.read_only = True
        c.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def on_the_replica():
            with c.transaction():
                return port(c) == there
        eventually(on_the_replica)
    with wp.connect(dbname='app', options='-c default_transaction_read_only=on') as c:
        begins_there(c, there, 'begin')
        c.execute('commit')
        c.execute('begin read write')
        assert c.execute("insert into t (v) values ('rw') returning inet_server_port()").fetchone()[0] != there
        c.execute('commit')


def test_what_a_read_only_transaction_may_do(ro):
    wp, cluster, there = ro
    with wp.connect(dbname='app') as c:
        def run(sql, **kw):
            k = c.execute(sql, **kw)
            return k.fetchone()[0] if k.description else None
        begins_there(c, there)
        assert run('select reads()') == run('select count(*) from t')
        assert run("select set_config('x.y', 'z', true)") == 'z' == run('show x.y')
        assert run('select pid from pg_stat_activity where pid = pg_backend_pid()') == run('select pg_backend_pid()')
        run('declare cu cursor for select generate_series(1, 3)')
        assert (run('fetch cu'), run('fetch cu')) == (1, 2)
        run('begin')  # a warning, as ever
        assert port(c) == there
        run('savepoint a')
        for sql in ('select writes()', "insert into t (v) values ('x')", 'select pg_advisory_lock(1)', 'select pg_advisory_xact_lock(1)',
                    'lock table t in share mode', "select nextval('t_id_seq')", 'declare h cursor with hold for select 1',
                    "copy t to program 'cat > /dev/null'", 'create temp table x (i int)', 'listen a'):
            for prepare in (False, True):
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    run(sql, prepare=prepare)
                    pytest.fail(sql)
                run('rollback to a')
        run('commit')
        run("insert into t (v) values ('goes on')")
        assert cluster.nodes[1].query("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
        run('/* weirpool: primary */ begin read only', prepare=False)
        run('select pg_advisory_xact_lock(1)')
        assert port(c) != there
        run('commit')


def test_read_only_transactions_in_a_pipeline(ro):
    wp, cluster, there = ro
    with wp.connect(dbname='app') as c:
        def in_a_row():
            with c.pipeline() as p:
                ks = []
                for sql in ('/* weirpool: consistency=eventual */ begin read only', 'select inet_server_port()', 'commit',
                            "insert into t (v) values ('p') returning inet_server_port()",
                            'begin read only', 'select count(*) from t', 'commit', 'select 1'):
                    ks.append(c.execute(sql))
                    p.sync()
            assert ks[3].fetchone()[0] == cluster.nodes[0].port and ks[7].fetchone() == (1,)
            return ks[1].fetchone()[0] == there
        eventually(in_a_row)
    with wp.raw() as r:  # BEGIN and the first statement in one batch, as JDBC sends them
        def in_one():
            r.send(b''.join(rawpg.parse('', '/* weirpool: replica */ ' + q) + rawpg.bind() + rawpg.execute()
                            for q in ('begin read only', 'select inet_server_port()')) + rawpg.sync())
            got = r.until_ready()
            r.simple('commit')
            return [m for m in got if m.type == 'D'][0].row == (str(there),)
        eventually(in_one)


def test_a_read_only_transaction_whose_replica_dies(ro):
    wp, cluster, there = ro
    with wp.connect(dbname='app') as c, wp.connect(dbname='app') as d:
        begins_there(c, there)
        begins_there(d, there)
        cluster.nodes[1].kill9()
        for k in (c, d):
            with pytest.raises(psycopg.errors.SerializationFailure):
                k.execute('select count(*) from t')
            k.execute('rollback')
            k.execute('begin read only')
            assert port(k) == cluster.nodes[0].port
            k.execute('commit')
