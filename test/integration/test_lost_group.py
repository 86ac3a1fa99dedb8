"""What a client hears when the group (MySQL's Group Replication) does not let its transaction commit: the server's own error, as without
weirpool, and a session that goes on. These errors say that nothing was applied, so nothing is reported as unknown, nor sent again."""
import pytest

import rawmy as my
from clusters import Group
from rawmy import MyError
from servers import eventually, in_thread, new_folder
from weir import Weirpool

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def group(base):
    """Each member takes writes: only so are there conflicts."""
    g = Group(new_folder(base, 'group-'), count=2, extra='loose-group-replication-single-primary-mode = OFF\n')
    try:
        g.create()
        g.nodes[0].query('create table app.t (id int primary key, v text)')
        g.nodes[0].query('create table app.other (id int primary key)')
        g.nodes[0].query("insert into app.t values (1, 'old')")
        eventually(lambda: g.nodes[1].query("select count(*) from app.t")[0][0] == 1)
        yield g
    finally:
        g.stop()


@pytest.fixture
def wp(group, base, binary, request):
    a = group.nodes[0]
    w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'), default_pool_size=3,
                 clusters={'main': dict(host=a.host, port=a.port, protocol='mysql', probe_user='super', probe_password='super', hold_timeout=5)})
    request.node.weirpools = [w]
    eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] == 'open')
    yield w
    w.stop()


def value(node, i=1):
    found = node.query('select v from app.t where id = %s', i)
    return found[0][0] if found else None


def refused(r, sql, *codes):
    e = r.error(sql)
    assert isinstance(e, MyError) and (e.errno, e.sqlstate) in codes, e
    assert not r.do('do 1').status & my.IN_TRANS
    return e


def at(node, *statements):
    with node.connect() as c, c.cursor() as k:
        for s in statements:
            k.execute(s)


def test_certification_fails(group, wp):
    """3101: another member's transaction came first, and is not applied here yet."""
    a, b = group.nodes
    with a.connect() as lock, lock.cursor() as k, wp.my() as r:
        k.execute('lock tables app.other read')
        r.do('begin')
        r.do("update t set v = 'mine' where id = 1")
        at(b, 'begin', 'insert into app.other values (1)', "update app.t set v = 'first' where id = 1", 'commit')
        refused(r, 'commit', (3101, '40000'))
        k.execute('unlock tables')
        eventually(lambda: value(a) == 'first')
        r.do("update t set v = 'again' where id = 1")
    eventually(lambda: value(b) == 'again')


def test_it_was_made_to_give_way(group, wp):
    """1180: what is applied takes the row from an open transaction; its COMMIT hears of it."""
    a, b = group.nodes
    with wp.my() as r:
        r.do('begin')
        r.do("update t set v = 'mine' where id = 1")
        at(b, "update app.t set v = 'theirs' where id = 1")
        eventually(lambda: value(a) == 'theirs')
        refused(r, 'commit', (1180, 'HY000'))
        assert value(a) == 'theirs'
        r.do("update t set v = 'again' where id = 1")
    eventually(lambda: value(b) == 'again')


def test_a_hook_refuses(group, wp):
    """3100, here for its size; the member is well, and stays the primary."""
    a = group.nodes[0]
    a.query('set global group_replication_transaction_size_limit = 20000')
    try:
        with wp.my() as r:
            large = "insert into t values (2, repeat('x', 40000))"
            refused(r, large, (3100, 'HY000'))
            r.do('begin')
            r.do(large)
            refused(r, 'commit', (3100, 'HY000'))
            assert value(a, 2) is None
            r.do("insert into t values (2, 'small')")
    finally:
        a.query('set global group_replication_transaction_size_limit = default')
    assert value(a, 2) == 'small'


def test_without_a_majority(group, wp):
    """3100 again: the member is alone, and gives up what waited for the others. Then it takes no writes."""
    a, b = group.nodes
    a.query('set global group_replication_unreachable_majority_timeout = 3')
    with wp.my() as r:
        r.do("insert into t values (3, 'with the others')")
        b.kill9()
        join = in_thread(lambda: r.do("insert into t values (4, 'alone')"))
        e = join()
        assert isinstance(e, MyError) and (e.errno, e.sqlstate) == (3100, 'HY000'), e
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] != 'open', 90)
        assert value(a, 3) and value(a, 4) is None
