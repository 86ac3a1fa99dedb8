"""Replication connections have a server connection of their own: pg_receivewal, pg_recvlogical, pg_basebackup and a
streaming replica work through weirpool."""
import os
import signal
import subprocess
import time

import pytest
import rawpg
from conftest import new_server
from servers import BINDIR, PgServer, as_test_user, eventually


def dsn(wp, dbname='', user='repl', **kw):
    d = dict(host=wp.host, port=wp.port, user=user, password='repl' if user == 'repl' else 'super', sslmode='disable', **kw)
    if dbname:
        d['dbname'] = dbname
    return ' '.join('%s=%s' % i for i in d.items())


@pytest.fixture
def wp(weirpool, pg15):
    return weirpool(pg15, databases={'replication': dict(host=pg15.host, port=pg15.port)})


def test_identify_system(wp, pg15):
    r = wp.raw('repl', 'replication', params={'replication': 'true'})
    (row,) = r.q('IDENTIFY_SYSTEM')
    with rawpg.Raw(pg15.port) as d:
        d.login('repl', 'replication', 'repl', params={'replication': 'true'})
        (true,) = d.q('IDENTIFY_SYSTEM')
    assert row[0] == true[0] and row[1] == true[1]
    assert r.one('SHOW wal_segment_size') == '16MB'


@pytest.mark.parametrize('value,ok', [('true', True), ('on', True), ('yes', True), ('1', True), ('database', True), ('false', False),
                                      ('off', False), ('no', False), ('0', False)])
def test_values_of_the_parameter(wp, value, ok):
    r = wp.raw('super', 'app', params={'replication': value})
    out = r.simple('IDENTIFY_SYSTEM')
    assert bool(rawpg.rows(out)) == ok
    if value in ('database', 'off'):
        assert r.one('select 1') == '1'


def test_bad_value(wp):
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        wp.raw('super', 'app', params={'replication': 'perhaps'}).q('select 1')
    assert wp.usable()


def test_replication_link_is_never_shared(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=2, databases={'replication': dict(host=pg15.host, port=pg15.port)})
    r = wp.raw('super', 'app', params={'replication': 'database'})
    pid = r.one('select pg_backend_pid()')
    n = wp.raw('super', 'app')
    for _ in range(5):
        assert n.one('select pg_backend_pid()') != pid
        assert r.one('select pg_backend_pid()') == pid
    r.bye()
    eventually(lambda: pg15.query('select count(*) from pg_stat_activity where pid = %s' % pid) == [(0,)])
    rows = wp.admin('SHOW CLIENTS')
    assert all(x['replication'] in ('none', None, '') for x in rows if x['user'] == 'super')


def test_show_says_which_kind(wp):
    a = wp.raw('super', 'app', params={'replication': 'database', 'application_name': 'logical one'})
    a.q('select 1')
    b = wp.raw('repl', 'replication', params={'replication': 'true', 'application_name': 'physical one'})
    b.q('IDENTIFY_SYSTEM')
    kinds = {r['application_name']: r['replication'] for r in wp.admin('SHOW CLIENTS')}
    assert kinds['logical one'] == 'logical' and kinds['physical one'] == 'physical'


def test_pg_receivewal(wp, pg15, base):
    where = os.path.join(base, 'wal')
    os.makedirs(where, exist_ok=True)
    os.chmod(where, 0o777)
    p = subprocess.Popen(as_test_user([BINDIR[15] + '/pg_receivewal', '-D', where, '-d', dsn(wp), '--no-loop', '-s', '1']),
                         stderr=subprocess.PIPE)
    try:
        eventually(lambda: os.listdir(where))
        pg15.query('create table if not exists w (a int); insert into w select generate_series(1, 1000); select pg_switch_wal()')
        eventually(lambda: [f for f in os.listdir(where) if not f.endswith('.partial')])
        assert p.poll() is None
        assert wp.usable()
    finally:
        p.send_signal(signal.SIGINT)
        p.wait(10)


def test_pg_recvlogical(wp, pg15, base):
    out = os.path.join(base, 'logical.out')
    tool = BINDIR[15] + '/pg_recvlogical'
    run = lambda *a: subprocess.run(as_test_user([tool, '-d', dsn(wp, 'app', 'super'), '--slot=ls', *a]), check=True, timeout=30)
    run('--create-slot', '--plugin=test_decoding')
    p = subprocess.Popen(as_test_user([tool, '-d', dsn(wp, 'app', 'super'), '--slot=ls', '--start', '-f', '-', '--no-loop', '-F', '0']),
                         stdout=open(out, 'wb'), stderr=subprocess.PIPE)
    try:
        pg15.query("create table if not exists lg (a int); insert into lg values (4711)", dbname='app')
        eventually(lambda: b'4711' in open(out, 'rb').read())
        with wp.raw() as n:
            n.simple('select 1')
    finally:
        p.send_signal(signal.SIGINT)
        p.wait(10)
    eventually(lambda: pg15.query("select active from pg_replication_slots where slot_name = 'ls'") == [(False,)])
    run('--drop-slot')


def test_basebackup_and_streaming_replica(weirpool, base, certs):
    """A whole replica made and fed through weirpool."""
    primary = new_server(base, certs, 15, 'prim')
    wp = weirpool(primary, databases={'replication': dict(host=primary.host, port=primary.port)}, server_lifetime=1,
                  query_timeout=2, server_idle_timeout=1)
    r = PgServer(primary.base, 15, 'viaweirpool', certs)
    try:
        primary.run_tool('pg_basebackup', '-D', str(r.datadir), '-R', '-c', 'fast', '--no-sync', '-X', 'stream', '-d', dsn(wp))
        r.write_conf()
        with open(r.datadir / 'postgresql.auto.conf', 'a') as f:
            f.write("primary_conninfo = '%s application_name=viaweirpool'\n" % dsn(wp))
        r.start()
        primary.query('create table rep (a int); insert into rep values (1)', dbname='app')
        eventually(lambda: table_there(r))
        eventually(lambda: primary.query("select application_name, state from pg_stat_replication") == [('viaweirpool', 'streaming')])
        time.sleep(3)           # longer than the timeouts that are for queries, not for replication
        primary.query('insert into rep values (2)', dbname='app')
        eventually(lambda: r.query('select count(*) from rep', dbname='app') == [(2,)])
        for _ in range(20):
            assert wp.usable()
    finally:
        r.stop('immediate')
        primary.stop('immediate')


def table_there(server):
    try:
        return server.query('select count(*) from rep', dbname='app') == [(1,)]
    except Exception:
        return False


def test_logical_replication_messages(wp, pg15):
    """START_REPLICATION by hand: CopyBoth, keepalives both ways, CopyDone, and the connection is usable afterwards."""
    r = wp.raw('super', 'app', params={'replication': 'database'})
    r.simple('CREATE_REPLICATION_SLOT hand TEMPORARY LOGICAL test_decoding NOEXPORT_SNAPSHOT')
    r.send(rawpg.query('START_REPLICATION SLOT hand LOGICAL 0/0'))
    assert r.recv().type == 'W'
    pg15.query("select pg_logical_emit_message(false, 'p', 'x'); create table if not exists hand (a int);"
               'insert into hand values (1)', dbname='app')
    seen = b''
    while b'INSERT' not in seen:
        m = r.recv()
        assert m.type == 'd'
        seen += m.body
    r.send(rawpg.copy_data(b'r' + bytes(8 * 4) + b'\1'))
    while r.recv().body[:1] != b'k':
        pass
    r.send(rawpg.copy_done())
    r.until_ready()
    assert r.one('select 7') == '7'
