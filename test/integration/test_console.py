"""The console: every SHOW with its columns and types, every command, who may do what, simple and extended protocol."""
import re
import socket
import struct
import subprocess
import threading
import time

import psycopg
import pytest
import rawpg
from rawpg import query
from servers import BINDIR, eventually
from weir import CONSOLE

OID = {'s': 25, 'i': 23, 'q': 20, 'N': 1700, 'T': 25, 'b': 17}
CONNECTIONS = ('type user database replication state addr port local_addr local_port connect_time request_time wait wait_us '
               'close_needed ptr link remote_pid tls application_name prepared_statements id')
SOCKETS = CONNECTIONS + ' recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail'
STATS = ('server_assignment_count xact_count query_count received sent xact_time query_time wait_time client_parse_count '
         'server_parse_count bind_count client_login_count').split()
TOTALS = ('server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time '
          'client_parse_count server_parse_count bind_count client_login_count').split()
COLUMNS = {
    'DATABASES': ('ssissiiiissiiiiii', 'name host port database force_user pool_size min_pool_size reserve_pool_size '
                  'server_lifetime pool_mode load_balance_hosts max_connections current_connections max_client_connections '
                  'current_client_connections paused disabled'),
    'POOLS': ('ssiiiiiiiiiiiiiss', 'database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active '
              'sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode '
              'load_balance_hosts'),
    'PEERS': ('isii', 'peer_id host port pool_size'),
    'PEER_POOLS': ('iiiii', 'peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login'),
    'LISTS': ('si', 'list items'),
    'USERS': ('ssssiiii', 'name pool_size reserve_pool_size pool_mode max_user_connections current_connections '
              'max_user_client_connections current_client_connections'),
    'CLIENTS': ('ssssssisiTTiiississii', CONNECTIONS),
    'SERVERS': ('ssssssisiTTiiississii', CONNECTIONS),
    'SOCKETS': ('ssssssisiTTiiississiiiiiiiii', SOCKETS),
    'ACTIVE_SOCKETS': ('ssssssisiTTiiississiiiiiiiii', SOCKETS),
    'FDS': ('issssiqisssssbb', 'fd task user database addr port cancel link client_encoding std_strings datestyle timezone '
            'password scram_client_key scram_server_key'),
    'CONFIG': ('ssss', 'key value default changeable'),
    'STATS': ('s' + 'N' * 24, 'database ' + ' '.join('total_' + s for s in STATS) + ' ' +
              ' '.join('avg_' + {'received': 'recv'}.get(s, s) for s in STATS)),
    'STATS_TOTALS': ('s' + 'N' * 12, 'database ' + ' '.join(TOTALS)),
    'STATS_AVERAGES': ('s' + 'N' * 12, None),
    'TOTALS': ('sN', 'name value'),
    'MEM': ('siiii', 'name size used free memtotal'),
    'DNS_HOSTS': ('sqs', 'hostname ttl addrs'),
    'DNS_ZONES': ('sqi', 'zonename serial count'),
    'VERSION': ('s', 'version'),
    'STATE': ('ss', 'key value'),
}


@pytest.fixture
def wp(weirpool, pg15):
    return weirpool(pg15, default_pool_size=2, console_columns='1.26', query_wait_timeout=20)


def error_of(wp, command, user='admin'):
    with pytest.raises(rawpg.PgError) as e:
        wp.admin(command, user)
    return e.value


def columns(wp, what, user='admin'):
    with wp.raw(user, CONSOLE) as r:
        out = r.simple('SHOW ' + what)
        assert not rawpg.errors(out), out
        t = [m for m in out if m.type == 'T'][0]
        return [(c[0], c[3]) for c in t.columns], rawpg.rows(out)


@pytest.mark.parametrize('what', list(COLUMNS))
def test_columns(wp, what):
    a = wp.raw()
    a.q('select 1')
    types, names = COLUMNS[what]
    got, rows = columns(wp, what)
    if names:
        assert [c for c, _ in got] == names.split()
    if what != 'ACTIVE_SOCKETS':
        assert [o for _, o in got] == [OID[t] for t in types]
    for r in rows:
        assert len(r) == len(types)


def test_columns_of_our_own(weirpool, pg15):
    """Without an option: PgBouncer's newest columns, and behind those of CLIENTS why a client keeps its connection, what it speaks, the
    number that it may KILL by, and its compression."""
    wp = weirpool(pg15)
    assert [c for c, _ in columns(wp, 'STATS')[0]] == COLUMNS['STATS'][1].split()
    assert [c for c, _ in columns(wp, 'CLIENTS')[0]] == CONNECTIONS.split() + ['pins', 'protocol', 'connection_id', 'compression']
    assert [c for c, _ in columns(wp, 'SERVERS')[0]] == CONNECTIONS.split() + ['protocol', 'compression']


def test_columns_of_pgbouncers_file(weirpool, pg15):
    """A [pgbouncer] file without an option: the columns of PgBouncer 1.25, which has no client_login_count."""
    wp = weirpool(pg15, section='pgbouncer')
    names = [c for c, _ in columns(wp, 'STATS')[0]]
    assert names == [n for n in COLUMNS['STATS'][1].split() if 'client_login_count' not in n]
    assert [c for c, _ in columns(wp, 'POOLS')[0]] == COLUMNS['POOLS'][1].split()
    assert [c for c, _ in columns(wp, 'CLIENTS')[0]] == CONNECTIONS.split()


@pytest.mark.parametrize('what', list(COLUMNS))
def test_show_by_extended_protocol(wp, what):
    """psycopg uses Parse/Bind/Execute; PgBouncer refuses it."""
    a = wp.raw()
    a.q('select 1')
    with wp.console() as c:
        cur = c.execute('SHOW ' + what)
        names = [d.name for d in cur.description]
        if COLUMNS[what][1]:
            assert names == COLUMNS[what][1].split()
        rows = cur.fetchall()
        if what in ('CLIENTS', 'SERVERS', 'POOLS', 'CONFIG', 'STATE', 'VERSION', 'LISTS', 'MEM', 'STATS'):
            assert rows
        if what == 'POOLS':
            assert all(isinstance(r[2], int) for r in rows)
        if what == 'STATS':
            assert all(r[1] == int(r[1]) for r in rows)


def test_console_with_many_drivers(wp):
    import asyncio
    import asyncpg
    import psycopg2

    async def go():
        c = await asyncpg.connect(host=wp.host, port=wp.port, user='admin', password='admin', database=CONSOLE, ssl=False)
        rows = await c.fetch('SHOW POOLS')
        await c.close()
        return rows
    assert asyncio.run(go()) is not None
    c = psycopg2.connect(wp.dsn('admin', dbname=CONSOLE))
    c.autocommit = True
    cur = c.cursor()
    cur.execute('SHOW DATABASES')
    assert {'app', 'app2', 'postgres'} <= {r[0] for r in cur.fetchall()}
    c.close()
    out = subprocess.run([BINDIR[15] + '/psql', '-XAtq', wp.dsn('admin', dbname=CONSOLE), '-c', 'show pools', '-c',
                          'show lists;'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert out.returncode == 0 and 'used_clients' in out.stdout


def test_extended_protocol_messages(wp):
    r = wp.raw('admin', CONSOLE)
    out = r.send(rawpg.parse('', 'SHOW VERSION') + rawpg.describe('S') + rawpg.bind() + rawpg.describe('P') +
                 rawpg.execute() + rawpg.sync()).until_ready()
    assert rawpg.kinds(out) == '1tT2TDCZ'
    out = r.send(rawpg.parse('p', 'SHOW STATE') + rawpg.sync() + rawpg.bind('', 'p') + rawpg.execute('', 1) + rawpg.flush() +
                 rawpg.execute() + rawpg.close('S', 'p') + rawpg.sync()).until_ready(2)
    assert len(rawpg.rows(out)) == 5 and not rawpg.errors(out)
    out = r.send(rawpg.batch('NONSENSE') + rawpg.batch('SHOW VERSION') + rawpg.sync()).until_ready()
    assert len(rawpg.errors(out)) == 1 and rawpg.rows(out) == []
    assert rawpg.rows(r.simple('SHOW VERSION'))
    out = r.send(rawpg.bind('', 'absent') + rawpg.sync()).until_ready()
    assert rawpg.errors(out)
    assert rawpg.kinds(r.simple('')) == 'IZ'


def test_welcome_of_the_console(wp):
    r = wp.raw('admin', CONSOLE)
    assert r.params['server_version'].endswith('/bouncer') or re.match(r'\d', r.params['server_version'])
    assert r.params['client_encoding'] == 'UTF8' and r.params['server_encoding'] == 'UTF8'
    assert r.params['standard_conforming_strings'] == 'on' and r.params['is_superuser'] == 'on'
    assert r.params['DateStyle'].startswith('ISO')
    assert r.params['TimeZone'] == 'GMT'


def test_alias_pgbouncer(wp):
    with wp.raw('admin', 'pgbouncer') as r:
        assert rawpg.rows(r.simple('SHOW VERSION'))


def test_psqls_questions(wp):
    """What drivers ask of any server."""
    r = wp.raw('admin', CONSOLE)
    for k in ('client_encoding', 'default_transaction_isolation', 'standard_conforming_strings', 'datestyle', 'timezone'):
        assert len(rawpg.rows(r.simple('SHOW ' + k))) == 1
    out = r.simple("SET client_encoding = 'UTF8'")
    assert not rawpg.errors(out)
    assert rawpg.rows(r.simple('select version')) == rawpg.rows(r.simple('show version;'))


def test_help_is_a_notice(wp):
    out = wp.raw('admin', CONSOLE).simple('SHOW HELP')
    n = [m.fields for m in out if m.type == 'N']
    assert n and n[0]['M'] == 'Console usage' and 'RECONNECT' in n[0]['D'] and 'SHOW' in n[0]['D']


def test_databases_row(wp):
    wp.usable()
    row = [r for r in wp.admin('SHOW DATABASES') if r['name'] == 'app'][0]
    assert row['host'] == '127.0.0.1' and row['port'] == str(wp.server.port) and row['database'] == 'app'
    assert row['pool_size'] == '2' and row['pool_mode'] in ('transaction', None) and row['paused'] == '0' and row['disabled'] == '0'


def test_pools_count_right(wp):
    a, b, c, d = (wp.raw(params={'application_name': n}) for n in 'abcd')
    a.simple('begin')
    b.simple('begin')
    c.send(query('select 1'))
    eventually(lambda: wp.pool()['cl_waiting'] == 1)
    p = wp.pool()
    assert p['cl_active'] in (2, 3) and p['sv_active'] == 2 and p['sv_idle'] == 0 and p['pool_mode'] == 'transaction'
    time.sleep(1.1)
    assert wp.pool()['maxwait'] >= 1
    a.simple('commit')
    c.until_ready()
    b.simple('commit')
    p = wp.pool()
    assert p['sv_active'] == 0 and p['sv_idle'] + p['sv_used'] + p['sv_tested'] == 2 and p['cl_waiting'] == 0 and p['maxwait'] == 0
    states = {r['application_name']: r['state'] for r in wp.admin('SHOW CLIENTS')}
    assert all(states[n] in ('active', 'idle') for n in 'abcd')
    assert d.one('select 1') == '1'


def test_clients_and_servers_are_linked(wp):
    a = wp.raw(params={'application_name': 'linked'})
    a.simple('begin')
    pid = a.one('select pg_backend_pid()')
    c = [r for r in wp.admin('SHOW CLIENTS') if r['application_name'] == 'linked'][0]
    s = [r for r in wp.admin('SHOW SERVERS') if r['remote_pid'] == pid][0]
    assert c['link'] == s['ptr'] and s['link'] == c['ptr']
    assert c['type'] == 'C' and s['type'] == 'S' and s['state'] == 'active' and s['user'] == 'app' and s['database'] == 'app'
    assert c['addr'] == '127.0.0.1' and c['port'] == str(a.sock.getsockname()[1]) and c['local_port'] == str(wp.port)
    assert s['port'] == str(wp.server.port)
    assert re.match(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', c['connect_time'])
    a.simple('commit')


def test_stats_count(wp):
    a = wp.raw()
    before = {r['database']: r for r in wp.admin('SHOW STATS_TOTALS')}.get('app')
    for i in range(10):
        a.simple('select 1')
    a.simple('begin')
    a.simple('select 1')
    a.simple('commit')
    after = {r['database']: r for r in wp.admin('SHOW STATS_TOTALS')}['app']
    d = {k: float(after[k]) - float(before[k]) for k in after if k != 'database'}
    assert d['query_count'] == 13 and d['xact_count'] == 11
    assert d['bytes_received'] >= 13 * 10 and d['bytes_sent'] > d['bytes_received']
    assert d['query_time'] > 0


def test_lists(wp):
    clients = [wp.raw() for _ in range(3)]
    rows = {r['list']: int(r['items']) for r in wp.admin('SHOW LISTS')}
    assert set(rows) == {'databases', 'users', 'peers', 'pools', 'peer_pools', 'free_clients', 'used_clients', 'login_clients',
                         'free_servers', 'used_servers', 'dns_names', 'dns_zones', 'dns_queries', 'dns_pending'}
    assert rows['used_clients'] in (3, 4) and rows['databases'] >= 3 and len(clients) == 3


def test_config_rows(wp):
    rows = {r['key']: r for r in wp.admin('SHOW CONFIG')}
    assert rows['listen_port']['value'] == str(wp.port) and rows['listen_port']['changeable'] == 'no'
    assert rows['default_pool_size'] == dict(key='default_pool_size', value='2', default='20', changeable='yes')
    for k in ('auth_type', 'max_client_conn', 'query_wait_timeout', 'server_lifetime', 'tcp_defer_accept', 'sbuf_loopcnt',
              'server_reset_query', 'unix_socket_dir', 'track_extra_parameters', 'pkt_buf', 'so_reuseport'):
        assert k in rows, k
    assert list(rows) == sorted(rows)
    assert rows['query_wait_timeout']['value'] == '20'


def test_state_and_version(wp):
    assert {r['key']: r['value'] for r in wp.admin('SHOW STATE')} == {
        'active': 'yes', 'paused': 'no', 'suspended': 'no', 'generation': '1', 'predecessor': 'no'}
    (row,) = wp.admin('SHOW VERSION')
    v = subprocess.run([wp.binary, '--version'], stdout=subprocess.PIPE, text=True).stdout.split('\n')[0]
    assert row['version'] == v


@pytest.mark.parametrize('what', ['WORKERS', 'PINS', 'WAITS'])
def test_our_own_shows(wp, what):
    wp.usable()
    got, rows = columns(wp, what)
    assert got
    if what == 'WORKERS':
        assert len(rows) == wp.workers


# --- text of errors
@pytest.mark.parametrize('bad', ['NONSENSE', 'SHOW NONSENSE', 'SHOW', 'SELECT 1 + 1', 'KILL_CLIENT', 'SET', 'PAUSE a b', 'RELOAD now;;',
                                 'SHOW POOLS; DROP', "SET x = 'unfinished", '\\d', 'SHOW ' + 'x' * 5000, 'é', 'SHOW "pools'])
def test_bad_commands(wp, bad):
    r = wp.raw('admin', CONSOLE)
    out = r.simple(bad)
    e = rawpg.errors(out)
    assert len(e) == 1 and e[0]['S'] == 'ERROR' and out[-1].type == 'Z'
    assert rawpg.rows(r.simple('SHOW VERSION'))


def test_error_texts(wp):
    assert error_of(wp, 'NONSENSE').message == "invalid command 'NONSENSE', use SHOW HELP;"
    for c in ('PAUSE', 'DISABLE', 'ENABLE', 'KILL', 'RECONNECT', 'WAIT_CLOSE'):
        assert error_of(wp, c + ' nowhere').message == 'no such database: nowhere', c
    assert error_of(wp, 'RESUME').message == 'pooler is not paused/suspended'
    assert 'client' in error_of(wp, 'KILL_CLIENT 999999').message
    wp.admin('DISABLE app')
    with pytest.raises(rawpg.PgError) as e:
        wp.raw()
    assert e.value.message == 'database "app" is disabled'
    wp.admin('ENABLE app')
    assert wp.usable()


@pytest.mark.parametrize('form', ['show version', 'SHOW VERSION;', '  show   version ;  ', 'Show "version"', 'sElEcT version',
                                  'SHOW\n\tVERSION', '/* x */ show version', 'show version -- now'])
def test_forms_of_a_command(wp, form):
    r = wp.raw('admin', CONSOLE)
    out = r.simple(form)
    if '/*' in form or '--' in form:
        return      # comments may be refused; the connection must live
    assert rawpg.rows(out), form


# --- who may what
COMMANDS = ['RELOAD', 'PAUSE app', 'RESUME app', 'DISABLE app2', 'ENABLE app2', 'RECONNECT', 'KILL app2', 'RESUME app2',
            'KILL_CLIENT 123456', 'SET query_wait_timeout = 19', 'WAIT_CLOSE app2', 'SUSPEND', 'RESUME']
SHOWS = [s for s in COLUMNS if s != 'FDS']


def test_privileges(wp):
    """CVE-2026-6667: each command times admin, stats user, nobody."""
    with pytest.raises(rawpg.PgError):
        wp.raw('app', CONSOLE)
    r = wp.raw('stats', CONSOLE)
    for s in SHOWS:
        assert not rawpg.errors(r.simple('SHOW ' + s)), s
    for c in ['SHOW FDS', 'SHUTDOWN', 'SHUTDOWN WAIT_FOR_CLIENTS', 'SHUTDOWN WAIT_FOR_SERVERS'] + COMMANDS:
        e = rawpg.errors(r.simple(c))
        assert len(e) == 1 and 'admin access needed' in e[0]['M'], c
        out = r.send(rawpg.batch(c) + rawpg.sync()).until_ready()
        assert len(rawpg.errors(out)) == 1 and 'admin access needed' in rawpg.errors(out)[0]['M'], c
    assert wp.usable()
    with wp.raw('admin', CONSOLE) as a:
        for c in COMMANDS:
            e = rawpg.errors(a.simple(c))
            assert not e or 'admin access' not in e[0]['M'], c


def test_secrets_are_masked(weirpool, pg15):
    """CVE-2023-22332: no SHOW tells a secret, also not to the admin, except FDS."""
    wp = weirpool(pg15, userlist={'app': 'app', 'admin': 'admin-secret-word'},
                  databases={'s': dict(host=pg15.host, port=pg15.port, dbname='app', user='app2', password='forced-secret')})
    wp.raw('app', 'app').bye()
    r = wp.raw('admin', CONSOLE, 'admin-secret-word')
    for s in SHOWS + ['WORKERS', 'PINS', 'WAITS']:
        text = str(r.simple('SHOW ' + s))
        assert 'forced-secret' not in text and 'admin-secret-word' not in text, s


# --- commands
def test_kill_client(wp):
    a, b = wp.raw(params={'application_name': 'victim'}), wp.raw()
    a.simple('begin')
    row = [r for r in wp.admin('SHOW CLIENTS') if r['application_name'] == 'victim'][0]
    try:
        wp.admin('KILL_CLIENT ' + row['ptr'])
    except rawpg.PgError:
        wp.admin('KILL_CLIENT ' + row['id'])
    out = a.expect_closed()
    assert rawpg.errors(out) and rawpg.errors(out)[0]['S'] == 'FATAL'
    assert b.one('select 1') == '1'
    assert wp.usable()


def test_kill_client_by_id(wp):
    a = wp.raw(params={'application_name': 'byid'})
    row = [r for r in wp.admin('SHOW CLIENTS') if r['application_name'] == 'byid'][0]
    wp.admin('KILL_CLIENT %s' % row['id'])
    a.expect_closed()


def test_pause_and_resume_all(wp):
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    done = threading.Event()
    t = threading.Thread(target=lambda: (wp.admin('PAUSE'), done.set()))
    t.start()
    time.sleep(0.3)
    assert not done.is_set()                            # waits for the transaction
    b.send(query("select 'after the pause'"))
    assert a.one('select 1') == '1'
    a.simple('commit')
    assert done.wait(30)
    t.join()
    eventually(lambda: wp.server.backends("usename = 'app'") == 0)  # (they have been told to end)
    assert not wp.admin("SHOW SERVERS WHERE user = 'app'")
    assert {r['key']: r['value'] for r in wp.admin('SHOW STATE')}['paused'] == 'yes'
    assert b.quiet(0.5)
    assert 'paused' in error_of(wp, 'PAUSE').message
    c = wp.bare()
    c.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    wp.admin('RESUME')
    assert rawpg.rows(b.until_ready()) == [('after the pause',)]
    c.authenticate('app', 'app')
    c.until_ready_or_error()
    assert c.one('select 1') == '1'
    assert wp.admin('SHOW STATE')[1]['value'] == 'no'


def test_pause_one_database(wp):
    a = wp.raw()
    wp.admin('PAUSE app')
    a.send(query('select 1'))
    assert a.quiet(0.4)
    assert wp.usable(dbname='app2')
    assert [r['paused'] for r in wp.admin('SHOW DATABASES') if r['name'] == 'app'] == ['1']
    wp.admin('RESUME app')
    assert rawpg.rows(a.until_ready()) == [('1',)]


def test_pause_survives_its_console(wp):
    """The one who asked leaves before it is done: it is taken back or goes on, but clients never hang for ever."""
    a = wp.raw()
    a.simple('begin')
    r = wp.raw('admin', CONSOLE)
    r.send(query('PAUSE'))
    time.sleep(0.2)
    r.reset()
    a.simple('commit')
    time.sleep(0.3)
    try:
        wp.admin('RESUME')
    except rawpg.PgError:
        pass
    assert wp.usable()


def test_reconnect(wp):
    a, b = wp.raw(), wp.raw()
    old = a.one('select pg_backend_pid()')
    b.simple('begin')
    kept = b.one('select pg_backend_pid()')
    wp.admin('RECONNECT')
    assert b.one('select pg_backend_pid()') == kept
    b.simple('commit')
    eventually(lambda: a.one('select pg_backend_pid()') not in (old, kept))
    wp.admin('WAIT_CLOSE')


def test_kill_database(wp):
    a, b = wp.raw(), wp.raw(dbname='app2')
    a.simple('begin')
    wp.admin('KILL app')
    a.expect_closed()
    assert b.one('select 1') == '1'
    eventually(lambda: wp.server.backends("datname = 'app' and usename = 'app'") == 0)
    c = wp.bare()
    c.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    wp.admin('RESUME app')
    c.authenticate('app', 'app')
    c.until_ready_or_error()
    assert c.one('select 1') == '1'


def test_disable_keeps_those_who_are_in(wp):
    a = wp.raw()
    wp.admin('DISABLE app')
    assert a.one('select 1') == '1'
    with pytest.raises(rawpg.PgError):
        wp.raw()
    wp.admin('ENABLE app')
    assert wp.usable()


def test_suspend(wp):
    a = wp.raw()
    a.q('select 1')
    wp.admin('SUSPEND')
    a.send(query('select 2'))
    assert a.quiet(0.4)
    assert {r['key']: r['value'] for r in wp.admin('SHOW STATE')}['suspended'] == 'yes'
    wp.admin('RESUME')
    assert rawpg.rows(a.until_ready()) == [('2',)]


def test_suspend_holds_those_who_have_a_server(wp):
    a = wp.raw()
    a.simple('begin')
    pid = a.one('select pg_backend_pid()')
    b = wp.raw()
    other = b.one('select pg_backend_pid()')
    wp.admin('SUSPEND')
    a.send(query('select 3'))
    assert a.quiet(0.4)
    assert 'suspended' in error_of(wp, 'SUSPEND').message
    assert 'suspended' in error_of(wp, 'PAUSE').message
    wp.admin('RESUME')
    assert rawpg.rows(a.until_ready()) == [('3',)]
    assert a.one('select pg_backend_pid()') == pid
    assert b.one('select pg_backend_pid()') == other    # idle servers stay


def test_resume_answers_a_pending_pause(wp):
    a = wp.raw()
    a.simple('begin')
    r = wp.raw('admin', CONSOLE)
    r.send(query('PAUSE'))
    assert r.quiet(0.3)
    wp.admin('RESUME')
    e = rawpg.errors(r.until_ready())
    assert len(e) == 1 and 'RESUME' in e[0]['M']
    assert wp.usable()
    r.send(query('PAUSE app'))
    assert r.quiet(0.3)
    wp.admin('RESUME app')
    assert rawpg.errors(r.until_ready())
    assert a.one('select 1') == '1'


def test_wait_close_waits(wp):
    a = wp.raw()
    a.simple('begin')
    r = wp.raw('admin', CONSOLE)
    wp.admin('RECONNECT app')
    r.send(query('WAIT_CLOSE app'))
    assert r.quiet(0.5)
    assert [s['close_needed'] for s in wp.admin('SHOW SERVERS') if s['link']] == ['1']
    a.simple('commit')
    assert not rawpg.errors(r.until_ready())
    wp.admin('WAIT_CLOSE')


def test_kill_all(wp):
    a, b = wp.raw(), wp.raw(dbname='app2')
    wp.admin('KILL')
    a.expect_closed()
    b.expect_closed()
    wp.admin('RESUME')
    assert wp.usable()


def test_console_is_no_database(wp):
    for c in ('PAUSE', 'DISABLE', 'ENABLE', 'KILL', 'RECONNECT', 'WAIT_CLOSE', 'RESUME'):
        for name in ('pgbouncer', 'weirpool'):
            assert 'admin db' in error_of(wp, c + ' ' + name).message, c
    assert error_of(wp, 'DISABLE').message == 'a database is required'


def test_pins_are_shown(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=3)
    a, b, c = (wp.raw(params={'application_name': n}) for n in ('temp', 'listen', 'free'))
    a.simple('create temp table t (i int)')
    b.simple('listen x')
    c.simple('select 1')
    def pins():
        return {r['application_name']: r for r in wp.admin('SHOW PINS')}
    eventually(lambda: set(pins()) == {'temp', 'listen'})
    rows = {r['application_name']: r for r in wp.admin('SHOW CLIENTS')}
    assert {n: rows[n]['pins'] for n in ('temp', 'listen', 'free')} == dict(temp='temp', listen='listen', free='')
    p = pins()['temp']
    assert p['user'] == 'app' and p['database'] == 'app' and p['addr'] == '127.0.0.1' and p['pins'] == 'temp'
    assert p['ptr'] == rows['temp']['ptr'] and p['link'] == rows['temp']['link']
    assert re.match(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$', p['since'])
    a.bye()
    b.simple('unlisten *')
    eventually(lambda: wp.admin('SHOW PINS') == [])
    assert b.one('select 1') == c.one('select 1') == '1'


def test_waits_say_what_for(wp):
    a, b, c = wp.raw(), wp.raw(), wp.raw(params={'application_name': 'waiter'})
    a.simple('begin')
    b.simple('begin')
    c.send(query('select 1'))
    eventually(lambda: wp.pool()['cl_waiting'] == 1)
    (w,) = wp.admin('SHOW WAITS')
    assert w['application_name'] == 'waiter' and w['open'] == '2' and w['pool_size'] == '2' and 'pool_size' in w['waits_for']
    a.simple('commit')
    c.until_ready()
    b.simple('commit')
    assert wp.admin('SHOW WAITS') == []
    wp.admin('PAUSE app')
    c.send(query('select 1'))
    eventually(lambda: [r['waits_for'] for r in wp.admin('SHOW WAITS')] == ['paused'])
    wp.admin('RESUME app')
    c.until_ready()


def test_waits_name_the_last_connect_error(weirpool, pg15):
    wp = weirpool(pg15, databases={'gone': dict(host='127.0.0.1', port=1, dbname='x')}, query_wait_timeout=20)
    c = wp.bare()
    c.send(rawpg.startup({'user': 'app', 'database': 'gone'}))
    c.authenticate('app', 'app')
    eventually(lambda: any('refused' in r['waits_for'] for r in wp.admin('SHOW WAITS')))


def test_workers_add_up(weirpool, pg15):
    wp = weirpool(pg15, workers=2, default_pool_size=4)
    clients = [wp.raw() for _ in range(8)]
    for c in clients:
        c.simple('select 1')
    rows = wp.admin('SHOW WORKERS')
    assert [r['worker'] for r in rows] == ['0', '1']
    assert sum(int(r['clients']) for r in rows) == 9 and sum(int(r['consoles']) for r in rows) == 1
    assert sum(int(r['servers']) for r in rows) <= 4


def test_stats_line_in_the_log(weirpool, pg15):
    wp = weirpool(pg15, stats_period=1)
    a = wp.raw()
    for _ in range(5):
        a.simple('select 1')
    line = re.compile(r' stats: \d+ xacts/s, \d+ queries/s, \d+ client parses/s, \d+ server parses/s, \d+ binds/s, '
                      r'\d+ client logins/s, in \d+ B/s, out \d+ B/s, xact \d+ us, query \d+ us, wait \d+ us$', re.M)
    eventually(lambda: line.search(wp.log()))
    a.simple('select 1')
    rows = {r['database']: r for r in wp.admin('SHOW STATS')}
    assert rows['pgbouncer']['total_query_count'] == '0' and int(rows['app']['total_query_count']) == 6
    totals = {r['name']: int(r['value']) for r in wp.admin('SHOW TOTALS')}
    assert totals['total_query_count'] == 6 and 'avg_ps_bind_count' in totals and totals['total_client_bytes'] > 0


def test_reload_says_what_changed(wp):
    wp.options['default_pool_size'] = 7
    wp.write()
    out = wp.raw('admin', CONSOLE).simple('RELOAD')
    n = [m.fields for m in out if m.type == 'N']
    assert n and 'default_pool_size: 2 -> 7 (now)' in n[0]['D']
    wp.put('weirpool.ini', wp.text() + '\nno_such_option = 1\n')
    e = error_of(wp, 'RELOAD')
    assert e.message == 'RELOAD failed, see logs for additional details'
    assert re.search(r'weirpool\.ini:\d+: .*no_such_option', e.fields['D']), e.fields
    assert [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == 'default_pool_size'] == ['7']


def test_peer_pools_count_requests_on_their_way(weirpool, pg15):
    """A cancel request for a weirpool that takes it and does not end."""
    with socket.create_server(('127.0.0.1', 0)) as peer:
        wp = weirpool(pg15, peer_id=1, peers={'1': dict(host='127.0.0.1', port=1),
                                              '2': dict(host='127.0.0.1', port=peer.getsockname()[1])})
        assert [(r['peer_id'], r['host']) for r in wp.admin('SHOW PEERS')] == [('1', '127.0.0.1'), ('2', '127.0.0.1')]
        r = socket.create_connection((wp.host, wp.port))
        r.sendall(struct.pack('!IIQ', 16, 80877102, 2 << 49 | 0x1234 << 2))
        taken, _ = peer.accept()
        assert len(taken.recv(100)) == 16
        eventually(lambda: [c['sv_active_cancel'] for c in wp.admin('SHOW PEER_POOLS')] == ['0', '1'])
        taken.close()
        eventually(lambda: [c['sv_active_cancel'] for c in wp.admin('SHOW PEER_POOLS')] == ['0', '0'])
        r.close()


def test_hints(wp):
    r = wp.raw('admin', CONSOLE)
    for sql, hint in (('SHOW CLINETS', 'Did you mean SHOW CLIENTS?'), ('shw pools -- all', 'Did you mean SHOW POOLS?'), ('help;', 'SHOW HELP lists'),
                      ('select now()', 'SELECT columns FROM'), ('show query_wait_timeout', "SHOW CONFIG LIKE 'query_wait_timeout'"),
                      ('update mysql_servers set weight = 1', 'then RELOAD'), ('PROXYSQL RESTART', 'UPGRADE for RESTART'), ('kill 7', 'KILL_CLIENT'),
                      ('kill query 7', 'KILL_CLIENT'), ('kill_client x', 'the ptr, of SHOW CLIENTS'), ('create table t (a int)', 'is no database'),
                      ("update mysql_servers set status = 'OFFLINE_SOFT'", 'DRAIN host:port'), ('truncate stats_mysql_query_digest', 'RESET QUERIES'),
                      ('select c.oid from pg_catalog.pg_class c left join x', 'is no database'), ('select * from pg_stat_activity', 'SHOW CLIENTS'),
                      ('select * from monitor.mysql_server_ping_log', 'SHOW PROBES'), ('select * from runtime_pgsql_servers', 'SHOW DATABASES'),
                      ('SET nothing_like_it = 1', 'SHOW CONFIG'), ("SET mysql-max_connections = 100", "is ProxySQL's")):
        assert rawpg.errors(r.simple(sql))[0]['H'].startswith(hint) or hint in rawpg.errors(r.simple(sql))[0]['H'], sql
    assert rawpg.errors(r.simple('SET query_wait_timeot = 1'))
    assert wp.admin('show warnings') == []


def test_what_drivers_say(wp):
    """A driver that puts everything into transactions, and what clients ask to see whether somebody is there."""
    with psycopg.connect(host=wp.host, port=wp.port, user='admin', password='admin', dbname=CONSOLE, sslmode='disable') as c:
        assert c.execute('show version').fetchone()
        c.rollback()
        assert c.execute('select 1').fetchone() == (1,)
        c.commit()
    assert wp.admin('select database(), USER() limit 1') == [{'database': 'weirpool', 'USER': 'admin'}]
    assert wp.admin('SELECT version') == wp.admin('SHOW VERSION') and wp.admin('select version()')[0]['version'].startswith('weirpool ')
    for sql in ('select 1 2', 'select now()', 'select 1()', 'select 1,', 'select ' + '1,' * 50 + '1', 'select user( limit 1', 'start pools'):
        error_of(wp, sql)
    assert wp.usable()


def test_comments(wp):
    for sql in ("/* who? */ SHOW CLIENTS -- all of them", "SHOW CLIENTS /* 'these */ WHERE user = 'admin' -- '", 'SHOW CLIENTS; -- '):
        assert 'admin' in [c['user'] for c in wp.admin(sql)], sql
    wp.admin("SET login_notify_message = 'a -- b' /* c */")
    assert wp.admin("SHOW CONFIG LIKE 'login_notify_message'")[0]['value'] == 'a -- b'


def test_set(wp):
    wp.admin('SET query_wait_timeout = 7')
    assert [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == 'query_wait_timeout'] == ['7']
    wp.admin("SET server_reset_query TO 'DISCARD ALL'")
    for bad in ('SET no_such_option = 1', 'SET query_wait_timeout = soon', 'SET listen_port = 1', 'SET pool_mode = none'):
        e = error_of(wp, bad)
        assert bad.split()[1] in e.message or 'option' in e.message.lower(), e.message
    assert [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == 'query_wait_timeout'] == ['7']
    assert wp.usable()


def test_set_takes_effect(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=60)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    wp.admin('SET query_wait_timeout = 1')
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        b.q('select 1')
    wp.admin('SET default_pool_size = 2')
    assert wp.usable()


@pytest.mark.parametrize('how', ['SHUTDOWN', 'SHUTDOWN WAIT_FOR_SERVERS', 'SHUTDOWN WAIT_FOR_CLIENTS'])
def test_shutdown(weirpool, pg15, how):
    wp = weirpool(pg15)
    idle, busy = wp.raw(), wp.raw()
    busy.simple('begin')
    r = wp.raw('admin', CONSOLE)
    r.send(query(how))
    if how == 'SHUTDOWN':
        assert wp.wait(20) == 0
        return

    def refused():
        """nobody else gets in"""
        try:
            wp.raw().shut()
        except (OSError, rawpg.Closed, rawpg.PgError):
            return True
    eventually(refused)
    assert wp.alive()
    assert busy.one('select 1') == '1'
    busy.simple('commit')
    if how.endswith('CLIENTS'):
        time.sleep(0.3)
        assert wp.alive()
        busy.bye()
        idle.bye()
        r.bye()
    assert wp.wait(20) == 0


def test_console_is_never_pooled_or_paused(wp):
    r = wp.raw('admin', CONSOLE)
    r.simple('PAUSE')
    assert rawpg.rows(r.simple('SHOW VERSION'))
    r.simple('RESUME')
    assert wp.usable()


def test_show_of_a_thousand_clients(weirpool, pg15):
    """SHOW streams its rows and does not stop others."""
    wp = weirpool(pg15, max_client_conn=1200, workers=2)
    clients = [wp.raw() for _ in range(600)]
    rows = wp.admin('SHOW CLIENTS')
    assert len([r for r in rows if r['database'] == 'app']) == 600
    slow = wp.raw('admin', CONSOLE, rcvbuf=8192)
    slow.send(query('SHOW SOCKETS') * 20)
    t = time.monotonic()
    assert clients[0].one('select 1') == '1'
    assert time.monotonic() - t < 20
    for c in clients:
        c.shut()


def test_prometheus_exporters_queries(wp):
    """What pgbouncer_exporter sends, by lib/pq's simple protocol."""
    wp.usable()
    r = wp.raw('admin', CONSOLE)
    for s in ('SHOW STATS', 'SHOW POOLS', 'SHOW DATABASES', 'SHOW LISTS', 'SHOW VERSION', 'SHOW CONFIG', 'SHOW STATS;', 'SHOW POOLS;'):
        out = r.simple(s)
        assert not rawpg.errors(out) and rawpg.rows(out)


def test_pipelined_commands(wp):
    r = wp.raw('admin', CONSOLE)
    out = r.send(query('SHOW VERSION') * 50).until_ready(50)
    assert len(rawpg.rows(out)) == 50
    r.send_slowly(query('SHOW STATE'))
    assert len(rawpg.rows(r.until_ready())) == 5


@pytest.mark.parametrize('data', [b'Q\0\0\0\x04', b'Q\0\0\0\x05x', b'P\0\0\0\x05\0', b'F\0\0\0\x04', b'd\0\0\0\x04', b'Z\0\0\0\x04', b'Q\x7f\xff\xff\xff'])
def test_malformed_messages_to_the_console(wp, data):
    r = wp.raw('admin', CONSOLE, )
    r.send(data)
    r.sock.shutdown(1)
    try:
        r.expect_closed_raw()
    except OSError:
        pass
    assert wp.admin('SHOW VERSION')


def test_two_admins_at_once(wp):
    failures = []

    def work(i):
        try:
            r = wp.raw('admin', CONSOLE)
            for _ in range(50):
                for s in ('POOLS', 'CLIENTS', 'SERVERS', 'STATS', 'CONFIG'):
                    if rawpg.errors(r.simple('SHOW ' + s)):
                        failures.append(s)
        except Exception as e:
            failures.append(repr(e))

    def churn(i):
        for _ in range(50):
            wp.usable()
    ts = [threading.Thread(target=work, args=(i,)) for i in range(3)] + [threading.Thread(target=churn, args=(i,)) for i in range(3)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(60)
    assert not failures
    with pytest.raises(psycopg.Error):
        psycopg.connect(wp.dsn('app', dbname=CONSOLE))
