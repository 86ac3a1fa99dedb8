"""SWITCHOVER: a planned change of primary by a command, by Patroni and by a group, with clients that must not notice."""
import contextlib
import os
import pathlib
import signal
import threading
import time

import psycopg
import pytest
import rawpg
from clusters import Group, Patroni
from servers import BINDIR, eventually, folder as server_folder, give_to_test_user, holds, new_folder, running
from test_cluster_pg import Cluster, nodes, wait_ready, watched_anew, weir  # noqa: F401
from traffic import MyClient, PgClient, Traffic
from weir import Weirpool

pytestmark = pytest.mark.timeout(300)

SLOW = os.environ.get('WEIRPOOL_SLOW') == '1'
ROUNDS = 20 if SLOW else 2
CLIENTS = 200 if SLOW else 30

# What an operator's own script may be: both servers are on this machine. Arguments: cluster, from, to.
SCRIPT = '''#!/bin/sh
set -eu
echo "from $2 to $3 of $1: $WEIRPOOL_CLUSTER $WEIRPOOL_FROM $WEIRPOOL_TO"
ls -l /proc/self/fd >%(dir)s/fds
old=%(dir)s/at-${2##*:} new=%(dir)s/at-${3##*:}
%(bin)s/pg_ctl -s -w -m fast -D $old stop
%(bin)s/pg_ctl -s -w -D $new promote
echo "primary_conninfo = 'host=%(dir)s port=${3##*:} user=postgres'" >>$old/postgresql.auto.conf
touch $old/standby.signal
%(bin)s/pg_ctl -s -w -D $old -l $old/../$(basename $(readlink $old)).log start
'''


@pytest.fixture
def new_cluster(base):
    """PostgreSQL 15 only: the command runs as weirpool's user, who cannot enter another root file system."""
    made = []

    def make(n=1):
        d = new_folder(base, 'sw-')
        made.append(Cluster(d, n, version=15))
        # how long something takes is not what is looked at, but for who says otherwise
        made[-1].options = dict(probe_timeout='20000', hold_timeout='250', switchover_timeout='100')
        return made[-1]
    yield make
    for c in made:
        c.stop()


def script(cluster, text=SCRIPT, name='switch'):
    """The path of a program that weirpool may run."""
    d = pathlib.Path(cluster.nodes[0].base)
    for n in cluster.nodes:
        link = d / ('at-%d' % n.port)
        if not link.is_symlink():
            link.symlink_to(n.datadir)
    path = d / name
    path.write_text(text % dict(dir=d, bin=BINDIR[15]) if text is SCRIPT else text)
    path.chmod(0o755)
    give_to_test_user(path)
    return str(path)


# What is refused for a moment, and can be asked for again: who was a primary a moment ago may fall behind once more, a command may have
# something to do after the change, a server may be slow to answer.
NOT_YET = ('is not fresh enough to be primary', 'its command has not ended', 'the cluster is suspect', 'is no replica of this primary')


class Switch(threading.Thread):
    """SWITCHOVER on a console of its own, again and again while it is refused for NOT_YET; row or error when it has been answered."""

    def __init__(self, wp, to, cluster='main'):
        super().__init__(daemon=True)
        self.wp, self.sql = wp, 'SWITCHOVER %s TO %s' % (cluster, to)
        self.row = self.error = None
        self.start()

    def ask(self):
        with self.wp.raw('admin', 'weirpool') as r:
            r.sock.settimeout(150)
            out = r.simple(self.sql)
            r.bye()
        rows = [m.row for m in out if m.type == 'D']
        errors = [m.fields for m in out if m.type == 'E']
        return dict(zip(('cluster', 'from', 'to', 'by', 'held_ms', 'drained_ms'), rows[0])) if rows else None, errors[0] if errors else None

    def run(self):
        end = time.monotonic() + 60
        with contextlib.suppress(rawpg.Closed, OSError):  # weirpool has ended
            while True:
                row, error = self.ask()
                if not error or not any(x in error['M'] for x in NOT_YET) or time.monotonic() > end:
                    break
                time.sleep(0.1)
            self.row, self.error = row, error

    def answer(self):
        self.join(220)
        assert not self.is_alive(), 'SWITCHOVER was not answered'
        return self.row

    def failure(self):
        self.join(220)
        assert not self.is_alive() and self.error, self.row
        return self.error


def state(wp):
    return wp.admin('SHOW CLUSTERS')[0]


def wait_fresh(wp, node):
    try:
        eventually(lambda: nodes(wp)[node]['freshness'] == 'ok')
    except AssertionError:
        raise AssertionError('%s is not fresh: %s\n%s\n%s' % (node, state(wp), nodes(wp), probes(wp))) from None


def probes(wp):
    return wp.admin('SHOW PROBES')


def is_as_before(wp, where, epoch='1'):
    def shown():
        s = state(wp)
        assert s['state'] == 'normal' and s['primary'] == where and s['epoch'] == epoch and s['writes'] == 'open', s
    holds(shown)


def with_command(weir, cluster, command, sandbox='auto', **kw):
    wp = weir(cluster, cluster_options=dict(switchover_command=command, **kw), sandbox=sandbox)
    wait_ready(wp, cluster, len(cluster.nodes) - 1)
    return wp


def test_by_a_command(new_cluster, weir):
    cluster = new_cluster(1)
    cluster.nodes[0].query('create table traffic (v text)', dbname='app')
    cluster.nodes[0].query('grant all on traffic to public', dbname='app')
    wp = with_command(weir, cluster, script(cluster))
    idle = wp.connect()
    assert idle.execute('select 1').fetchone() == (1,)
    with Traffic(lambda: PgClient(wp), 20) as t:
        at = 0
        for _ in range(2):
            to = 1 - at
            wait_fresh(wp, cluster.where(to))
            sw = Switch(wp, cluster.where(to))
            row = sw.answer()
            assert row, sw.error
            assert row and row['from'] == cluster.where(at) and row['to'] == cluster.where(to), row
            assert row['by'] == 'a command' and int(row['held_ms']) >= int(row['drained_ms']) >= 0, row
            eventually(lambda to=to: state(wp)['primary'] == cluster.where(to))
            t.flows()
            at = to
    t.judge([v for v, in cluster.nodes[0].query('select v from traffic', dbname='app')])
    assert idle.execute("insert into traffic values ('idle') returning inet_server_port()").fetchone()[0] == \
        cluster.nodes[0].port
    idle.close()
    said = 'switchover_command: from %s to %s of main: main %s %s' % ((cluster.where(0), cluster.where(1)) * 2)
    assert said in wp.log(), 'arguments and environment'
    fds = (pathlib.Path(cluster.nodes[0].base) / 'fds').read_text()
    assert 'socket:' not in fds and 'eventpoll' not in fds, 'none of ours is open there:\n' + fds
    if 'sandbox: no other programs' not in wp.log():
        return  # a build with sanitizers has none
    # another command: only after a restart
    wp.clusters = {'main': cluster.entry(switchover_command='/bin/true')}
    wp.reload()
    wait_fresh(wp, cluster.where(1))
    e = Switch(wp, cluster.where(1)).failure()
    assert 'nothing was changed' in e['M'] and 'the sandbox runs only what was configured at the start' in e['D'], e
    is_as_before(wp, cluster.where(0), epoch='3')


def test_open_transactions_are_waited_for(new_cluster, weir):
    cluster = new_cluster(1)
    wp = with_command(weir, cluster, script(cluster), switchover_drain='60')
    with wp.connect(autocommit=False) as c, wp.connect() as d:
        c.execute("insert into t (v) values ('open')")
        sw = Switch(wp, cluster.where(1))
        eventually(lambda: state(wp)['state'] == 'switching')
        held = threading.Thread(target=lambda: d.execute("insert into t (v) values ('held')"))
        held.start()
        eventually(lambda: any(r['cl_waiting'] == '1' for r in wp.admin('SHOW POOLS')))
        assert 'a switchover of cluster main is under way' in refused(wp, 'SWITCHOVER main TO ' + cluster.where(1))
        c.execute("insert into t (v) values ('still open')")
        assert sw.is_alive()
        c.commit()
        assert sw.answer()['to'] == cluster.where(1)
        held.join(100)
        assert not held.is_alive()
        c.execute("insert into t (v) values ('next')")
        c.commit()
    rows = {v for v, in cluster.nodes[1].query('select v from t', dbname='app')}
    assert rows == {'open', 'still open', 'held', 'next'}


def refused(wp, command):
    with pytest.raises(rawpg.PgError) as e:
        wp.admin(command)
    return '%s %s' % (e.value, e.value.fields.get('D', ''))


def test_a_transaction_that_does_not_end(new_cluster, weir):
    """Its client is named, and nothing has changed for anybody."""
    cluster = new_cluster(1)
    wp = with_command(weir, cluster, script(cluster), switchover_drain='1.5')
    with wp.connect(autocommit=False) as c, wp.connect() as d:
        c.execute("insert into t (v) values ('open')")
        client = next(r for r in wp.admin('SHOW CLIENTS') if r['state'] == 'active' and r['database'] == 'app')
        server = next(r for r in wp.admin('SHOW SERVERS') if r['state'] == 'active')
        sw = Switch(wp, cluster.where(1))
        wp.wait_log('normal -> switching')  # (it may be over before anybody could have seen it)
        d.execute("insert into t (v) values ('held')")
        e = sw.failure()
        assert e['C'] == '55000' and 'nothing was changed' in e['M'] and cluster.where(0) in e['H'], e
        assert 'client %s (app@app) on server connection %s, in a transaction' % (client['id'], server['id']) in e['D'], e
        is_as_before(wp, cluster.where(0))
        c.commit()
    assert {v for v, in cluster.nodes[0].query('select v from t', dbname='app')} == {'open', 'held'}
    assert not (pathlib.Path(cluster.nodes[0].base) / 'fds').exists(), 'the command was run'


def test_a_command_that_fails(new_cluster, weir):
    cluster = new_cluster(1)
    mark = pathlib.Path(cluster.nodes[0].base) / 'mark'
    wp = with_command(weir, cluster, script(cluster, '#!/bin/sh\necho out\necho "no quorum today" >&2\nexit 3\n'),
                      sandbox='off')  # other commands come by RELOAD
    with wp.connect() as c:
        e = Switch(wp, cluster.where(1)).failure()
        assert 'nothing was changed' in e['M'] and 'the command ended with 3: no quorum today' in e['D'], e
        is_as_before(wp, cluster.where(0))
        c.execute("insert into t (v) values ('goes on')")
    wp.wait_log('switchover_command: out')
    wp.wait_log('switchover_command: no quorum today')

    def again(command, **kw):
        wp.clusters = {'main': cluster.entry(switchover_command=command, **kw)}
        wp.reload()
        return Switch(wp, cluster.where(1)).failure()

    def slowly(text, command='%s'):
        """It has begun, and is told to end after a second."""
        mark.unlink(missing_ok=True)
        while not mark.exists() or not mark.read_text().strip():  # a busy machine may have ended it before it said anything
            e = again(command % script(cluster, text), switchover_timeout='1')
            assert 'there was no new primary within 1 s' in e['D'], e
    assert 'cannot start /nowhere/at/all' in again('/nowhere/at/all')['D']
    assert 'ended by signal 9' in again(script(cluster, '#!/bin/sh\nkill -9 $$\n'))['D']
    # it says that all is well, and has done nothing
    e = again('/bin/true', switchover_timeout='1')
    assert 'there was no new primary within 1 s' in e['D'] and 'nothing was changed' in e['M'], e
    # it takes too long: it is told to end, and all that it began
    slowly('#!/bin/sh\nsleep 1000 &\necho $! $$ >%s\nwait\n' % mark)
    eventually(lambda: not any(running(int(p)) for p in mark.read_text().split()))
    # ... and does not want to
    slowly('#!/bin/sh\ntrap "" TERM\necho "$#:$1:$2"\necho $$ >%s\nwhile :; do sleep 0.1; done\n' % mark, "%s 'a b' \"c d\"")
    eventually(lambda: not running(int(mark.read_text())))
    wp.wait_log('switchover_command: 5:a b:c d')
    is_as_before(wp, cluster.where(0))
    with wp.connect() as c:
        c.execute("insert into t (v) values ('goes on')")


def test_what_is_refused(new_cluster, weir):
    cluster = new_cluster(1)
    wp = weir(cluster)
    wait_ready(wp, cluster, 1)
    assert 'neither Patroni nor a group nor a switchover_command' in refused(wp, 'SWITCHOVER main TO ' + cluster.where(1))
    wp.clusters = {'main': cluster.entry(switchover_command=script(cluster))}
    wp.reload()
    for words, why in (('main TO ' + cluster.where(0), 'is the primary'),
                       ('main TO 127.0.0.1:1', 'there is no node'), ('other TO ' + cluster.where(1), 'there is no cluster'),
                       ('main', 'invalid command'), ('', 'invalid command'), ('main TO', 'invalid command')):
        assert why in refused(wp, 'SWITCHOVER ' + words), words
    with pytest.raises(rawpg.PgError) as e:
        wp.admin('SWITCHOVER main TO ' + cluster.where(1), user='stats')
    assert 'admin access needed' in str(e.value)
    cluster.nodes[1].query('select pg_wal_replay_pause()')
    eventually(lambda: nodes(wp)[cluster.where(1)]['freshness'] == 'stopped')
    assert 'not fresh enough' in refused(wp, 'SWITCHOVER main TO ' + cluster.where(1))
    cluster.nodes[1].kill9()
    eventually(lambda: nodes(wp)[cluster.where(1)]['state'] == 'down')
    assert 'no replica of this primary' in refused(wp, 'SWITCHOVER main TO ' + cluster.where(1))
    is_as_before(wp, cluster.where(0))


def test_the_console_leaves_and_the_end_comes(new_cluster, weir):
    """Nobody waits for the answer any more: it goes on all the same; a RELOAD that begins to watch anew ends it, and so does
    the end of weirpool."""
    cluster = new_cluster(1)
    wp = with_command(weir, cluster, script(cluster), switchover_drain='60')
    c = wp.connect(autocommit=False)
    c.execute('select 1')
    sw = Switch(wp, cluster.where(1))
    eventually(lambda: state(wp)['state'] == 'switching')
    wp.clusters = {'main': cluster.entry(switchover_command=script(cluster), probe_interval='40', switchover_drain='60')}
    wp.reload()
    assert "the cluster's configuration has changed" in sw.failure()['M']
    eventually(lambda: state(wp)['state'] == 'normal')
    watched_anew(wp, cluster, 1)
    r = wp.raw('admin', 'weirpool')
    ask = rawpg.query('SWITCHOVER main TO ' + cluster.where(1))
    r.send(ask)

    def begun():
        """it has begun, perhaps when asked again"""
        if not r.quiet(0.01):
            [e] = rawpg.errors(r.until_ready())
            assert any(x in e['M'] for x in NOT_YET), e
            r.send(ask)
        return state(wp)['state'] == 'switching'
    eventually(begun)
    r.shut()
    time.sleep(0.2)
    c.commit()
    eventually(lambda: state(wp)['primary'] == cluster.where(1))
    wait_fresh(wp, cluster.where(0))
    c.execute('select 1')
    sw = Switch(wp, cluster.where(0))
    eventually(lambda: state(wp)['state'] == 'switching', say=lambda: (sw.error, state(wp)))
    wp.stop()
    sw.join(60)
    assert not sw.is_alive() and sw.row is None
    c.close()


# ---- those who manage themselves ----

@pytest.fixture
def folder(base):
    with server_folder(base, 'sw-') as d:
        yield d


def where(n):
    return '%s:%d' % (n.host, n.port)


class Writable(threading.Thread):
    """When a server begins to take writes, seen without weirpool."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.at = ask, None
        self.start()

    def run(self):
        end = time.monotonic() + 90
        while not self.at and time.monotonic() < end:
            if self.ask():
                self.at = time.monotonic()
            time.sleep(0.005)


def rounds(wp, servers, connect, by, say, writable):
    """Test 14 of the specification: there and back and on, with clients. How many, and how long it took, goes to the output:
    also how long after the new primary could be written to the first client had its answer."""
    at, held, added = 0, [], []
    with Traffic(connect, CLIENTS, 0.5 if SLOW else 0.05) as t:
        for i in range(ROUNDS):
            to = (at + 1) % len(servers)
            wait_fresh(wp, where(servers[to]))
            new = Writable(lambda to=to: writable(to))
            sw = Switch(wp, where(servers[to]))
            row = sw.answer()
            assert row, (i, sw.error)
            new.join(90)
            assert row['from'] == where(servers[at]) and row['to'] == where(servers[to]) and row['by'] == by, row
            held.append((int(row['held_ms']), int(row['drained_ms'])))
            t.flows()
            added.append(round(1000 * (t.first_after(new.at) - new.at)))
            at = to
    print('%s: held %s ms (drained: %s), longest operation %.3f s, %d operations, %d errors; first answers %s ms after '
          'the new primary' % (
              say, sorted(h for h, _ in held), sorted(d for _, d in held), t.longest, len(t.acked), len(t.errors),
              sorted(added)))
    return t


def is_writable(patroni, i):
    try:
        return not patroni.query(i, 'select pg_is_in_recovery()')[0][0]
    except psycopg.Error:
        return False


@pytest.fixture
def patroni(folder):
    p = Patroni(folder)
    try:
        yield p.create()
    finally:
        p.stop()


@pytest.fixture
def patroni_weir(patroni, base, binary, request):
    made = request.node.weirpools = []

    def make(**options):
        entry = dict(host=','.join(n.host for n in patroni.nodes), port=','.join(str(n.port) for n in patroni.nodes),
                     probe_user='app', probe_password='app', patroni=','.join(n.url for n in patroni.nodes),
                     probe_timeout='20000', hold_timeout='250', switchover_timeout='100')
        w = Weirpool(base, binary, databases={'app': dict(cluster='main')}, clusters={'main': {**entry, **options}},
                     default_pool_size=10, max_client_conn=500)
        made.append(w)
        eventually(lambda: sum(r['freshness'] == 'ok' for r in nodes(w).values()) == 2, 90)
        return w
    yield make
    for w in made:
        w.stop()


def test_by_patroni(patroni, patroni_weir):
    wp = patroni_weir()
    with wp.connect() as c:
        c.execute('create table traffic (v text)')
    t = rounds(wp, patroni.nodes, lambda: PgClient(wp), 'Patroni', 'Patroni',
               lambda i: is_writable(patroni, i))
    with wp.connect() as c:
        t.judge([v for v, in c.execute('select v from traffic').fetchall()])
    # a no is told, and nothing has changed
    last = state(wp)['primary']
    to = next(i for i, n in enumerate(patroni.nodes) if where(n) != last)
    wait_fresh(wp, where(patroni.nodes[to]))
    wp.clusters['main']['switchover_timeout'] = '20'
    wp.reload()
    patroni.nodes[to].agent_signal(signal.SIGSTOP)
    try:
        sw = Switch(wp, where(patroni.nodes[to]))
        e = sw.failure()
        assert 'nothing was changed' in e['M'] and ('Patroni (status ' in e['D'] or 'no new primary within' in e['D']), e
    finally:
        patroni.nodes[to].agent_signal(signal.SIGCONT)
    with wp.connect() as c:
        c.execute("insert into traffic values ('goes on')")


@pytest.fixture
def group(folder):
    g = Group(folder, expel_seconds=60)
    try:
        yield g.create()
    finally:
        g.stop()


@pytest.fixture
def group_weir(group, base, binary, request):
    made = request.node.weirpools = []

    def make(**options):
        entry = dict(host=','.join(n.host for n in group.nodes), port=','.join(str(n.port) for n in group.nodes),
                     protocol='mysql', probe_user='monitor', probe_password='monitor', probe_timeout='20000', hold_timeout='250',
                     switchover_timeout='100')
        w = Weirpool(base, binary, mysql_databases={'app': dict(cluster='main')}, userlist=dict(app='app', admin='admin'),
                     clusters={'main': {**entry, **options}}, default_pool_size=10, max_client_conn=500)
        made.append(w)
        eventually(lambda: sum(r['freshness'] == 'ok' for r in nodes(w).values()) == 2, 90)
        return w
    yield make
    for w in made:
        w.stop()


def test_by_a_group(group, group_weir):
    a = group.nodes[0]
    a.query('create table app.traffic (v varchar(30) primary key)')
    wp = group_weir(switchover_user='super', switchover_password='super')
    t = rounds(wp, group.nodes, lambda: MyClient(wp), 'the group', 'Group Replication',
               lambda i: group.nodes[i].query('select @@global.super_read_only')[0][0] == 0)
    with wp.my() as c:
        assert c.one('select count(*) from app.traffic') == str(len(t.acked))
    primary = next(n for n in group.nodes if where(n) == state(wp)['primary'])
    t.judge([v for v, in primary.query('select v from app.traffic')])
    wp.stop()
    # an account that may not: told, and nothing has changed
    wp = group_weir()
    to = next(n for n in group.nodes if n is not primary)
    e = Switch(wp, where(to)).failure()
    assert 'nothing was changed' in e['M'] and 'GROUP_REPLICATION_ADMIN' in e['D'], e
    is_as_before(wp, where(primary))
    with wp.my() as c:
        c.do("insert into app.traffic values ('goes on')")
