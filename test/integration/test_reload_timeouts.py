"""Times that are said to change "now" (doc/options.md) reach who is already there: what waits, runs or is idle while RELOAD
comes. Each option is here, or is said here to be another one's."""
import contextlib
import pathlib
import re
import socket
import threading

import pytest
import rawpg
from rawpg import query
from servers import eventually, free_port

OPTIONS = pathlib.Path(__file__).resolve().parents[2] / 'doc/options.md'
LONG = 1000  # s: a test that hangs for it fails


def idle(c):
    c.q('select 1')


def begun(c):
    c.simple('begin')


def running(c):
    c.send(query('select pg_sleep(%d)' % LONG))


def pinned(c):
    c.q('create temp table pinned (i int)')


def waiting(c):
    c.send(query('select 1'))


# option: what a client does before RELOAD, and the SQLSTATE that ends it
CLIENTS = {
    'client_idle_timeout': (idle, '57P05'),
    'idle_transaction_timeout': (begun, '25P03'),
    'transaction_timeout': (begun, '25P04'),
    'query_timeout': (running, '57014'),
    'query_wait_timeout': (waiting, '57014'),
}
# tested below, one by one
OWN = {'autodb_idle_timeout', 'client_login_timeout', 'hold_timeout', 'pool_idle_timeout', 'query_wait_notify', 'reserve_pool_timeout',
       'server_check_delay', 'server_idle_timeout', 'server_lifetime', 'server_login_retry', 'stats_period'}
# what is begun later goes by the new value: each begins with what is said at that moment
NEXT = {
    'cancel_wait_timeout': 'a cancel request', 'causal_wait': 'a read', 'primary_after_write': 'a read', 'max_staleness': 'a read',
    'log_min_duration': 'the end of a request', 'suspend_timeout': 'SUSPEND', 'switchover_timeout': 'SWITCHOVER',
    'switchover_drain': 'SWITCHOVER', 'upgrade_timeout': 'UPGRADE', 'dns_max_ttl': 'an answer to a look-up',
    'dns_nxdomain_ttl': 'an answer to a look-up', 'otlp_timeout': 'a batch', 'server_retry_min': 'a pause', 'otlp_interval': 'at most 60 s',
}
ELSEWHERE = {
    'dns_zone_check_period': 'does nothing', 'file_check_interval': 'test_config_sources', 'drain_delay': 'asked anew each tick of the end',
    'shutdown_timeout': 'the same', 'upgrade_drain_timeout': 'the same', 'sidecar_linger': 'the same',
    'fence_on_authority_loss': 'a cluster whose options changed is watched anew', 'probe_interval': 'the same',
    'probe_slow_interval': 'the same', 'probe_timeout': 'the same',
}


def test_every_time_is_looked_at():
    text = OPTIONS.read_text()
    names = {m[1] for m in re.finditer(r'^### (\S+)\n(.*?)(?=^##)', text + '\n##', re.M | re.S)
             if '- Value: time' in m[2] and '- A change takes effect: now' in m[2]}
    assert len(names) > 30
    assert names - set(CLIENTS) - OWN - set(NEXT) - set(ELSEWHERE) == set(), 'does a change reach who is already there?'


def entry_of(pg, **kw):
    return dict(host=pg.host, port=pg.port, dbname='app', pool_size=1, **kw)


@pytest.mark.parametrize('before', [0, LONG])
def test_clients(weirpool, pg15, before):
    """A time that was off, or too long to see the end of, is 1 s for those who are there."""
    made = {}
    for option, (what, sqlstate) in CLIENTS.items():
        for mode in ('transaction', 'session'):
            made['%s_%s' % (option, mode)] = (option, mode, what, sqlstate)
    made['pinned'] = ('client_idle_timeout', 'transaction', pinned, '57P05')
    wp = weirpool(pg15, databases={db: entry_of(pg15, pool_mode=mode, **{'query_wait_timeout': LONG, option: before})
                                   for db, (option, mode, *_) in made.items()})
    holders, clients = [], {}
    for db, (_, _, what, _) in made.items():
        if what is waiting:
            holders.append(wp.raw(dbname=db))
            begun(holders[-1])
        clients[db] = wp.raw(dbname=db)
        what(clients[db])
    for db, (_, _, what, _) in made.items():
        if what is waiting:
            eventually(lambda db=db: wp.pool(db)['cl_waiting'] == 1)
        elif what is running:
            eventually(lambda db=db: wp.pool(db)['cl_active'] == 1)
    for db, (option, *_) in made.items():
        wp.databases[db][option] = 1
    wp.reload()
    for db, (option, _, _, sqlstate) in made.items():
        errors = rawpg.errors(clients[db].expect_closed(30))
        assert errors and errors[0]['C'] == sqlstate and option in str(errors[0]), (db, errors)
    for c in holders:
        assert c.simple('commit')[0].tag == 'COMMIT'


@pytest.mark.parametrize('what', [idle, pinned])
def test_who_keeps_its_connection_may_not_idle_for_ever(weirpool, pg15, what):
    """client_idle_timeout in session mode, and of a pinned session, between requests: it only held until the first one."""
    wp = weirpool(pg15, default_pool_size=1, client_idle_timeout=1, pool_mode='session' if what is idle else 'transaction')
    c = wp.raw()
    for _ in range(3):
        c.q('select 1')
    what(c)
    errors = rawpg.errors(c.expect_closed(30))
    assert errors and errors[0]['C'] == '57P05', errors
    assert wp.usable()


def test_logins_notices_and_holds(weirpool, pg15):
    wp = weirpool(pg15, databases={'notify': entry_of(pg15, query_wait_timeout=LONG, query_wait_notify=0),
                                   'held': dict(cluster='c', dbname='app')},
                  clusters={'c': dict(host='127.0.0.1', port=free_port(), probe_user='app', probe_password='app', hold_timeout=LONG)},
                  query_wait_timeout=0, client_login_timeout=LONG)
    mute, holder, told, held = wp.bare(), wp.raw(dbname='notify'), wp.raw(dbname='notify'), []
    mute.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    begun(holder)
    waiting(told)

    def log_in():
        with contextlib.suppress(rawpg.Closed):
            with pytest.raises(rawpg.PgError) as e:
                wp.raw(dbname='held')
            held.append(e.value)
    t = threading.Thread(target=log_in)
    t.start()
    eventually(lambda: wp.pool('held') and wp.pool('held')['cl_waiting'] == 1)
    eventually(lambda: wp.pool('notify')['cl_waiting'] == 1)
    wp.databases['notify']['query_wait_notify'] = 1
    wp.clusters['c']['hold_timeout'] = 1
    wp.reload(client_login_timeout=1)
    mute.expect_closed(30)
    assert told.recv_until('N')[-1].fields['S'] == 'NOTICE'
    t.join(30)
    assert 'cluster c has no primary' in str(held[0])
    assert holder.simple('commit')[0].tag == 'COMMIT'


def test_server_connections(weirpool, pg15):
    """Idle ones are closed or looked after, and pools forgotten, by what is said now."""
    was = {'server_idle_timeout': 0, 'server_lifetime': LONG, 'server_check_delay': 0, 'pool_idle_timeout': 0}
    wp = weirpool(pg15, databases=dict(
        {o: entry_of(pg15, **{'server_idle_timeout': 0, o: v}) for o, v in was.items()}, **{'*': dict(host=pg15.host, port=pg15.port)}),
        server_check_query='select 42 as looked_after', autodb_idle_timeout=LONG, server_idle_timeout=1)
    for db in was:
        wp.usable(dbname=db)
    wp.usable(dbname='template1', user='super')

    def links(db):
        return [r for r in wp.admin('SHOW SERVERS') if r['database'] == db]
    for o in was:
        assert len(links(o)) == 1
        wp.databases[o][o] = 1
    wp.databases['pool_idle_timeout']['server_idle_timeout'] = 1
    eventually(lambda: not links('template1'))
    assert wp.pool('template1', 'super') and wp.pool('pool_idle_timeout')
    wp.reload(autodb_idle_timeout=1)
    for o in ('server_idle_timeout', 'server_lifetime'):
        eventually(lambda o=o: not links(o))
    eventually(lambda: pg15.backends("query like '%looked_after%' and pid <> pg_backend_pid()") == 1)
    eventually(lambda: not wp.pool('pool_idle_timeout'))
    eventually(lambda: not wp.pool('template1', 'super'))


def test_reserve(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout=LONG, query_wait_timeout=0)
    a, b = wp.raw(), wp.raw()
    begun(a)
    waiting(b)
    eventually(lambda: wp.pool()['cl_waiting'] == 1)
    wp.reload(reserve_pool_timeout=1)
    assert rawpg.rows(b.until_ready()) == [('1',)]


@pytest.mark.parametrize('how', ['server_login_retry', 'port'])
def test_pause_after_a_failure(weirpool, pg15, how):
    """A pause under way ends by a lower server_login_retry, and at once when the server is another one."""
    with socket.create_server(('127.0.0.1', 0)) as s:
        s.settimeout(60)
        wp = weirpool(pg15, databases={'away': dict(entry_of(pg15), port=s.getsockname()[1])}, server_retry_min=LONG,
                      server_login_retry=LONG, query_wait_timeout=0)
        ended = []
        t = threading.Thread(target=lambda: ended.append(wp.usable(dbname='away')))
        t.start()
        s.accept()[0].close()
        wp.wait_log(r'W3009.*away/app')
        if how == 'port':
            wp.databases['away']['port'] = pg15.port
            wp.reload()
        else:
            wp.reload(server_retry_min=0.1, server_login_retry=1)
            s.accept()[0].close()
            wp.databases['away']['port'] = pg15.port
            wp.reload()
        t.join(60)
        assert ended == [True]


def test_stats_period(weirpool, pg15):
    wp = weirpool(pg15, stats_period=LONG)
    assert 'stats: ' not in wp.log()
    wp.reload(stats_period=1)
    wp.wait_log('stats: ')
    wp.reload(stats_period=LONG)
