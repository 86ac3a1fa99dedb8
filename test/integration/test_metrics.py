"""Metrics: the Prometheus text as a strict reader sees it, what its values say of real traffic, how many series it can grow to,
and the queries of pgbouncer_exporter."""
import contextlib
import datetime
import http.client
import signal
import socket
import struct
import subprocess

import psycopg
import psycopg2
import pytest

import promtext
import rawpg
from servers import eventually, free_port, in_thread
from weir import CONSOLE

BOUNDS = [b * 10 ** e for e in range(-5, 2) for b in (1, 2, 5)][2:] + [100]
STATS = ('queries_pooled_total queries_duration_seconds_total received_bytes_total queries_total sent_bytes_total client_wait_seconds_total '
         'sql_transactions_pooled_total server_in_transaction_seconds_total client_parses_total server_parses_total binds_total '
         'server_assignments_total').split()
EXPORTER = (['databases_' + n for n in 'pool_size reserve_pool max_connections current_connections paused disabled'.split()] +
            ['stats_totals_' + n for n in STATS] + ['stats_' + n for n in STATS] +
            ['pools_' + n for n in ('client_active_connections client_active_cancel_connections client_waiting_connections '
                                    'client_waiting_cancel_connections server_active_connections server_active_cancel_connections '
                                    'server_being_canceled_connections server_idle_connections server_used_connections '
                                    'server_testing_connections server_login_connections client_maxwait_seconds').split()] +
            'databases users pools free_clients used_clients login_clients free_servers used_servers cached_dns_names '
            'cached_dns_zones in_flight_dns_queries config_max_client_connections config_max_user_connections client_connections '
            'version_info up'.split())


def text(wp):
    with psycopg.connect(wp.dsn('stats', 'stats', CONSOLE), autocommit=True) as c:
        cur = c.execute('SHOW PROMETHEUS METRICS')
        assert [d.name for d in cur.description] == ['metrics']
        rows = cur.fetchall()
    assert len(rows) == 1
    return rows[0][0]


def scrape(wp):
    return promtext.parse(text(wp))


# --- the reader itself: one that takes everything proves nothing

GOOD = '# HELP a b\n# TYPE a gauge\na{x="1"} 2\n'
HIST = ('# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} %s\nh_bucket{le="+Inf"} %s\nh_sum 1\nh_count %s\n')


@pytest.mark.parametrize('bad', [
    GOOD[:-1], GOOD + '\n', GOOD + GOOD, 'a 1\n', '# TYPE a gauge\na 1\n', '# HELP a b\na 1\n', GOOD + 'b 1\n',
    GOOD + 'a{x="1"} 3\n', GOOD + 'a{x="2} 3\n', GOOD + 'a{x="\\t"} 3\n', GOOD + 'a{x="2",} 3\n', GOOD + 'a{x="2"y="3"} 3\n',
    GOOD + 'a{x="2",x="3"} 3\n', GOOD + 'a{0x="2"} 3\n', GOOD + 'a{x="3"}  3\n', GOOD + 'a{x="3"} 3,1\n', GOOD + 'a{x="3"} \n',
    GOOD + 'a{x="3"} nan\n', GOOD.replace('gauge', 'number'), GOOD.replace('gauge', 'counter').replace('} 2', '} -2'),
    HIST % (2, 1, 1), HIST % (1, 2, 3), (HIST % (1, 2, 2)).replace('h_sum 1\n', ''), (HIST % (1, 2, 2)).replace('+Inf', '2'),
    (HIST % (1, 2, 2)) + 'h 1\n', GOOD.replace('"1"', '"\xff"').encode('latin-1')])
def test_reader_refuses(bad):
    with pytest.raises((promtext.BadText, UnicodeDecodeError)):
        promtext.parse(bad)


def test_reader_reads():
    f = promtext.parse(GOOD + 'a{x="q\\"\\\\\\n"} 1e-05\n' + HIST % (1, 2, 2))
    assert f['a'].value(x='1') == 2 and f['a'].value(x='q"\\\n') == 1e-05
    assert f['h'].one('_count', {}) == 2


# --- the text

def test_text_of_a_new_process(weirpool, pg15):
    wp = weirpool(pg15)
    m = scrape(wp)
    assert m['process_start_time_seconds'].value() > 1.7e9
    assert 0 < m['process_open_fds'].value() < m['process_max_fds'].value()
    assert m['process_resident_memory_bytes'].value() > 1e6
    assert m['weirpool_build_info'].value() == 1
    assert m['weirpool_workers'].value() == 1
    assert m['weirpool_config_last_reload_successful'].value() == 1
    assert m['weirpool_log_lines_lost_total'].value() == 0


@pytest.mark.both_workers
def test_values_are_those_of_the_traffic(weirpool, pg15, workers):
    wp = weirpool(pg15, default_pool_size=3)
    clients = [wp.connect() for _ in range(4)]
    for c in clients:
        for _ in range(5):
            c.execute('select 1')
        c.execute('begin')
        c.execute('select pg_sleep(0.06)')
        c.execute('commit')
    m = scrape(wp)
    pool = dict(database='app', user='app')
    n = 4 * 5
    query, tx = m['weirpool_pool_query_duration_seconds'], m['weirpool_pool_transaction_duration_seconds']
    assert query.type == tx.type == 'histogram'
    assert query.one('_count', pool) == n + 4 * 3 and tx.one('_count', pool) == n + 4
    assert tx.one('_sum', pool) >= 4 * 0.06
    assert tx.one('_bucket', dict(pool, le='0.05')) <= n
    assert tx.one('_bucket', dict(pool, le='100')) == n + 4
    les = [float(l) for l in query.labels('le') if l and l != '+Inf']
    assert sorted(les) == pytest.approx(BOUNDS) and len(BOUNDS) == 20
    # the first login waited too, for what the server says on arrival
    assert m['weirpool_pool_wait_duration_seconds'].one('_count', pool) == n + 4 + 1 == \
        m['weirpool_database_assignments_total'].value(database='app')
    made = m['weirpool_pool_connect_duration_seconds']
    assert 1 <= made.one('_count', pool) <= 3 and made.one('_sum', pool) > 0
    assert m['weirpool_database_queries_total'].value(database='app') == n + 4 * 3
    assert m['weirpool_database_transactions_total'].value(database='app') == n + 4
    assert m['pgbouncer_stats_totals_queries_pooled_total'].value(database='app') == n + 4 * 3
    assert m['pgbouncer_stats_queries_pooled_total'].value(database='app') == n + 4 * 3
    assert m['weirpool_database_transaction_seconds_total'].value(database='app') == pytest.approx(tx.one('_sum', pool))
    assert m['pgbouncer_client_connections'].value(database='app', user='app', state='idle') == 4
    assert m['weirpool_clients'].value(state='idle') == 5, 'the console is one of them'
    assert m['weirpool_pool_size'].value(**pool) == 3
    assert m['weirpool_pool_server_connections'].value(state='idle', **pool) == \
        m['pgbouncer_pools_server_idle_connections'].value(**pool) == m['weirpool_server_connections'].value()
    assert len(m['weirpool_worker_cpu_seconds_total'].samples) == workers
    for c in clients:
        c.close()


def test_names_of_the_exporter(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.connect() as c:
        c.execute('select 1')
        m = scrape(wp)
    assert {'pgbouncer_' + n for n in EXPORTER} == {n for n in m if n.startswith('pgbouncer_')}
    assert all(f.type == ('counter' if n.endswith('_total') else 'gauge') for n, f in m.items() if n.startswith('pgbouncer_'))
    assert m['pgbouncer_databases_pool_size'].value(name='app', host='127.0.0.1', port=str(pg15.port), database='app', force_user='',
                                                    pool_mode='transaction') == 20


def test_waiting_and_timeouts(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=4)
    pool = dict(database='app', user='app')
    with wp.connect() as holder, wp.connect() as waiter:
        holder.execute('begin')
        ended = in_thread(lambda: waiter.execute('select 1'))
        m = eventually(lambda: (lambda m: m['weirpool_pool_clients_waiting'].value(**pool) == 1 and m)(scrape(wp)))
        assert m['pgbouncer_pools_client_waiting_connections'].value(**pool) == 1
        assert m['weirpool_pool_max_wait_seconds'].value(**pool) > 0
        assert m['weirpool_pool_server_connections'].value(state='active', **pool) == 1
        assert 'query_wait_timeout' in str(ended())
        assert scrape(wp)['weirpool_pool_wait_timeouts_total'].value(**pool) == 1
        holder.execute('rollback')


def test_a_wait_is_measured(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    pool = dict(database='app', user='app')

    def long_ones():
        """How many waits there were of more than 0.2 s, and the time of all."""
        wait = scrape(wp)['weirpool_pool_wait_duration_seconds']
        return wait.one('_count', pool) - wait.one('_bucket', dict(pool, le='0.2')), wait.one('_sum', pool)
    with wp.connect() as holder, wp.connect() as waiter:
        holder.execute('begin')
        before = long_ones()
        ended = in_thread(lambda: waiter.execute('select 1'))
        eventually(lambda: wp.pool()['cl_waiting'] == 1)
        holder.execute('select pg_sleep(0.3)')
        holder.execute('commit')
        assert ended() is None
    after = long_ones()
    assert after[0] - before[0] == 1
    assert after[1] - before[1] >= 0.3


def test_refused_logins_and_dead_servers(weirpool, pg15):
    wp = weirpool(pg15, databases={'dead': dict(host='127.0.0.1', port=1, dbname='app')}, query_wait_timeout=1)
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            wp.connect(password='wrong')
    with pytest.raises(psycopg.OperationalError):
        wp.connect(dbname='nowhere')
    with pytest.raises(psycopg.OperationalError):
        wp.connect(dbname='dead')
    m = scrape(wp)
    failed = m['weirpool_login_failures_total']
    assert failed.value(reason='authentication') == 2 and failed.value(reason='database') == 1
    assert sum(failed.samples.values()) == 4
    assert m['weirpool_pool_connect_failures_total'].value(database='dead', user='app') >= 1
    assert m['weirpool_pool_connect_failures_in_row'].value(database='dead', user='app') >= 1
    assert m['weirpool_database_logins_total'].value(database='dead') == 0


def test_executions_are_queries(weirpool, pg15):
    """Drivers prepare what they run often: that must not make the count of queries stand still."""
    wp = weirpool(pg15)
    with wp.connect() as c:
        for _ in range(10):
            c.execute('select 1')
        for _ in range(10):
            c.execute('select %s', (1,))
    m = scrape(wp)
    assert m['weirpool_database_queries_total'].value(database='app') == 20
    assert m['weirpool_pool_query_duration_seconds'].one('_count', dict(database='app', user='app')) >= 20
    assert {r['database']: r for r in wp.admin('SHOW STATS_TOTALS')}['app']['query_count'] == '20'


def test_executions_are_queries_mysql(weirpool, mysql97):
    wp = weirpool(mysql97)
    c = wp.my()
    c.one('select 1')
    st = c.prepare('select ?')
    for i in range(5):
        c.execute(st, [i])
    assert scrape(wp)['weirpool_database_queries_total'].value(database='app') == 6


def test_pins(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.connect() as a, wp.connect() as b:
        a.execute('create temp table t (i int)')
        b.execute('select 1')
        m = eventually(lambda: (lambda m: m['weirpool_pinned_sessions'].value() == 1 and m)(scrape(wp)))
        assert m['weirpool_pinned_sessions_by_reason'].value(reason='temp') == 1
        assert m['weirpool_pinned_sessions_by_reason'].value(reason='listen') == 0


def ends_at(certs, name):
    """When that certificate ends, as openssl says."""
    ends = subprocess.run(['openssl', 'x509', '-in', certs.crt(name), '-noout', '-enddate', '-dateopt', 'iso_8601'], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip().split('=')[1]
    return datetime.datetime.strptime(ends, '%Y-%m-%d %H:%M:%SZ').replace(tzinfo=datetime.timezone.utc).timestamp()


def test_certificates_of_servers(weirpool, pg15, mysql97, certs):
    """What they show, and what is shown to them; nothing of a pool without TLS."""
    wp = weirpool(pg15, mysql=mysql97, databases={'tls': dict(
        host=pg15.host, port=pg15.port, dbname='app', server_tls_sslmode='require', server_tls_cert_file=certs.crt('app'),
        server_tls_key_file=certs.key('app'))}, mysql_databases={'mytls': dict(
            host=mysql97.host, port=mysql97.port, dbname='app', server_tls_sslmode='require')}, auth_type='trust')
    for db in ('tls', 'app'):
        with wp.connect(dbname=db) as c:
            c.execute('select 1')
    with wp.my(db='mytls') as c:
        c.q('select 1')
    m = scrape(wp)
    shown = m['weirpool_pool_server_certificate_expiry_timestamp_seconds']
    assert shown.labels('database') == {'tls', 'mytls'}
    assert shown.value(database='tls') == shown.value(database='mytls') == ends_at(certs, 'server')
    ours = m['weirpool_pool_client_certificate_expiry_timestamp_seconds']
    assert ours.labels('database') == {'tls'} and ours.value(database='tls') == ends_at(certs, 'app')


def test_statements_and_routes(weirpool, pg15):
    """As SHOW QUERIES and SHOW ROUTES have them; RESET QUERIES takes nothing back."""
    wp = weirpool(clusters={'main': dict(host=pg15.host, port=pg15.port, probe_user='super', probe_password='super')},
                  databases={'app': dict(cluster='main')}, query_stats=1, log_min_duration=50)
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 40)
    with wp.raw() as c:
        for _ in range(3):
            c.simple('select 1')
        c.simple('select 1 / 0')
        c.simple('select pg_sleep(0.1)')
        c.simple('create temp table metrics_t (a int)')
    for kept in (4, 0):
        m = scrape(wp)
        assert m['weirpool_query_statements'].value() == kept
        assert [m['weirpool_query_%s_total' % n].value() for n in ('calls', 'errors', 'rows', 'evictions')] == [6, 1, 4, 0]
        assert m['weirpool_query_seconds_total'].value() >= 0.1 and m['weirpool_slow_statements_total'].value() >= 1
        wp.admin('RESET QUERIES')
    [row] = wp.admin('SELECT * FROM routes WHERE node IS NOT NULL')
    labels = dict(database='app', user='app', node='%s:%d' % (pg15.host, pg15.port))
    for name in ('assigned', 'reads', 'stand_ins'):
        metric = 'weirpool_route_%s_total' % ('assignments' if name == 'assigned' else name)
        assert m[metric].value(**labels) == int(row[name])
    assert int(row['assigned']) >= 6


def test_certificate(weirpool, pg15, certs):
    wp = weirpool(pg15, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'),
                  http_port=free_port(), http_tls_cert_file=certs.crt('server'), http_tls_key_file=certs.key('server'),
                  otlp_endpoint='https://127.0.0.1:1/', otlp_tls_cert_file=certs.crt('expired'), otlp_tls_key_file=certs.key('expired'),
                  databases={'c': dict(cluster='main')},
                  clusters={'main': dict(host=pg15.host, port=pg15.port, probe_user='super', probe_password='super', patroni='https://127.0.0.1:1')},
                  patroni_tls_cert_file=certs.crt('app'), patroni_tls_key_file=certs.key('app'))
    want = ends_at(certs, 'server')
    found = scrape(wp)['weirpool_certificate_expiry_timestamp_seconds']
    assert found.value(certificate='client_tls_cert_file') == found.value(certificate='http_tls_cert_file') == want
    assert found.value(certificate='otlp_tls_cert_file') == ends_at(certs, 'expired')
    assert found.value(certificate='patroni_tls_cert_file') == ends_at(certs, 'app')


def test_lost_log_lines(weirpool, pg15):
    wp = weirpool(pg15, logfile='/dev/full')
    with wp.connect() as c:
        c.execute('select 1')
    eventually(lambda: scrape(wp)['weirpool_log_lines_lost_total'].value() > 0)


# --- how many series there may be

def test_invented_names_cannot_flood(weirpool, pg15):
    """Databases of * are names that clients bring. Half of metrics_max_pools is theirs, the rest is one series; what the
    configuration names still gets its own."""
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port, dbname='app')}, metrics_max_pools=6)
    made = []
    for i in range(8):
        with wp.connect(dbname='auto%d' % i) as c:
            made.append(c.execute('select 1').fetchone())
    with wp.connect() as c:
        c.execute('select 1')
    m = scrape(wp)
    names = m['weirpool_pool_size'].labels('database')
    assert names == {'auto0', 'auto1', 'auto2', 'app', 'other'}
    assert m['weirpool_database_queries_total'].labels('database') == names
    assert m['weirpool_pool_query_duration_seconds'].one('_count', dict(database='other', user='other')) == 5
    assert m['weirpool_database_queries_total'].value(database='other') == 5
    assert m['weirpool_pool_query_duration_seconds'].one('_count', dict(database='app', user='app')) == 1
    assert {n for n in m['pgbouncer_databases_pool_size'].labels('name') if n.startswith('auto')} == {'auto0', 'auto1', 'auto2'}


def test_applications_cannot_flood(weirpool, pg15):
    wp = weirpool(pg15, metrics_max_pools=4)
    clients = [wp.connect(application_name='app%d' % i) for i in range(9)]
    names = scrape(wp)['pgbouncer_client_connections']
    assert len([n for n in names.labels('application_name') if n.startswith('app')]) <= 4
    assert names.value(application_name='other', user='app') >= 5
    assert sum(v for (s, l), v in names.samples.items() if ('user', 'app') in l) == 9
    for c in clients:
        c.close()


NASTY = 'a"b\\c d\ne{f}é'


def test_names_are_escaped(weirpool, pg15):
    """A label that breaks the text would make Prometheus drop the whole scrape."""
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port, dbname='app')})
    with wp.connect(dbname=NASTY, application_name='x"y\\') as c:
        c.execute('select 1')
        m = scrape(wp)
    assert m['weirpool_database_queries_total'].value(database=NASTY) == 1
    assert NASTY in m['pgbouncer_client_connections'].labels('database')
    assert 'x"y\\' in m['pgbouncer_client_connections'].labels('application_name')


def test_bytes_that_are_no_utf8(weirpool, pg15):
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port, dbname='app')}, auth_type='trust')
    body = struct.pack('!I', 3 << 16) + b'user\0app\0database\0x\xff\xc3(y\0\0'
    r = wp.bare()
    r.send(struct.pack('!I', len(body) + 4) + body)
    r.until_ready()
    r.send(rawpg.query('select 1'))
    r.until_ready()
    assert 'x\ufffd\ufffd(y' in scrape(wp)['weirpool_database_queries_total'].labels('database')


def test_reload(weirpool, pg15):
    wp = weirpool(pg15)
    began = scrape(wp)['weirpool_config_last_reload_success_timestamp_seconds'].value()
    wp.admin('RELOAD')
    m = scrape(wp)
    assert m['weirpool_config_reloads_total'].value() == 1 and m['weirpool_config_reload_failures_total'].value() == 0
    assert m['weirpool_config_last_reload_success_timestamp_seconds'].value() > began
    good = wp.conffile.read_text()
    wp.conffile.write_text(good + '\nno_such_option = 1\n')
    with pytest.raises(rawpg.PgError):
        wp.admin('RELOAD')
    m = scrape(wp)
    assert m['weirpool_config_last_reload_successful'].value() == 0 and m['weirpool_config_reload_failures_total'].value() == 1
    wp.conffile.write_text(good)
    wp.admin('RELOAD')
    assert scrape(wp)['weirpool_config_last_reload_successful'].value() == 1


# --- pgbouncer_exporter: what it asks, and how it checks the shape of the answers

def by_psycopg2(wp):
    c = psycopg2.connect(wp.dsn('stats', 'stats', CONSOLE))
    c.autocommit = True

    def ask(sql):
        with c.cursor() as cur:
            cur.execute(sql)
            return [d.name for d in cur.description], [list(r) for r in cur.fetchall()]
    return c, ask


def by_psycopg(wp, **kw):
    c = psycopg.connect(wp.dsn('stats', 'stats', CONSOLE), autocommit=True, **kw)

    def ask(sql):
        cur = c.execute(sql)
        return [d.name for d in cur.description], [list(r) for r in cur.fetchall()]
    return c, ask


WAYS = {'simple-psycopg2': by_psycopg2, 'simple-psycopg': lambda wp: by_psycopg(wp, cursor_factory=psycopg.ClientCursor),
        'extended-psycopg': by_psycopg}
LABELS = {'databases': 'name host port database force_user pool_mode', 'stats_totals': 'database', 'pools': 'database user'}
VALUES = {
    'databases': 'pool_size max_connections current_connections paused disabled',
    'stats_totals': 'query_count query_time bytes_received bytes_sent wait_time xact_count xact_time client_parse_count server_parse_count bind_count',
    'pools': 'cl_active cl_active_cancel_req cl_waiting cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used '
             'sv_tested sv_login maxwait'}


def number(v):
    assert v is not None and not isinstance(v, bool)
    return float(v)


@pytest.mark.parametrize('columns', ['1.24', '1.25', '1.26', 'weirpool'])
@pytest.mark.parametrize('way', WAYS)
def test_exporter(weirpool, pg15, way, columns):
    """In its order, on one connection, with its checks: the column it looks up by name is there, is a number, and is not NULL; labels
    are text, a number or NULL."""
    wp = weirpool(pg15, console_columns=columns)
    client = wp.connect(application_name='an app')
    client.execute('select 1')
    c, ask = WAYS[way](wp)
    try:
        ask('SHOW STATS')
        names, rows = ask('SHOW VERSION;')
        assert names == ['version'] and len(rows) == 1 and rows[0][0]
        names, rows = ask('SHOW LISTS;')
        assert len(names) == 2
        lists = {r[0]: number(r[1]) for r in rows}
        assert lists.keys() >= set('databases users pools free_clients used_clients login_clients free_servers used_servers dns_names '
                                   'dns_zones dns_queries'.split())
        names, rows = ask('SHOW CONFIG;')
        assert len(names) in (3, 4)
        config = {r[0]: r[1] for r in rows}
        assert number(config['max_client_conn']) == 10000 and number(config['max_user_connections']) == 0
        names, rows = ask('SHOW CLIENTS;')
        assert {'database', 'user', 'state', 'application_name'} <= set(names)
        found = [dict(zip(names, r)) for r in rows]
        assert ['an app'] == [r['application_name'] for r in found if r['user'] == 'app' and r['database'] == 'app']
        for what in LABELS:
            names, rows = ask('SHOW %s;' % what)
            assert rows and set(LABELS[what].split()) | set(VALUES[what].split()) <= set(names)
            for r in rows:
                row = dict(zip(names, r))
                assert all(isinstance(row[n], (str, int, float, type(None))) for n in LABELS[what].split())
                for n in VALUES[what].split():
                    number(row[n])
    finally:
        c.close()
        client.close()


def test_exporter_logs_in(weirpool, pg15):
    """lib/pq sends extra_float_digits when it logs in; a console that refuses what it does not know is the first thing that users met."""
    wp = weirpool(pg15)
    r = wp.raw('stats', CONSOLE, params={'extra_float_digits': '2', 'datestyle': 'ISO, MDY', 'client_encoding': 'UTF8'})
    assert r.one('show version;').startswith('weirpool ')


# --- GET /metrics

@pytest.fixture
def web(weirpool, pg15):
    port = free_port()
    wp = weirpool(pg15, http_port=port)
    wp.http_port = port
    return wp


def get(wp, path):
    c = http.client.HTTPConnection('127.0.0.1', wp.http_port, timeout=30)
    with contextlib.closing(c):
        c.request('GET', path)
        r = c.getresponse()
        return r.status, r.headers['Content-Type'], r.read()


def test_page(web):
    with web.connect() as c:
        c.execute('select 1')
        status, kind, body = get(web, '/metrics')
        assert set(promtext.parse(body)) == set(scrape(web))
    assert status == 200 and kind == 'text/plain; version=0.0.4; charset=utf-8'
    assert promtext.parse(body)['weirpool_database_queries_total'].value(database='app') == 1


def test_page_with_a_choice(web):
    with web.connect() as c:
        c.execute('select 1')
    names = {q: set(promtext.parse(get(web, '/metrics?' + q)[2])) for q in
             ('', 'name=', 'scope=pool', 'name=wait', 'name=wait&scope=pool', 'name=no_such', 'scope=node', 'other=1', 'name=%77ait')}
    assert names[''] == names['name='] == names['other=1'] > names['name=wait'] > names['name=wait&scope=pool'] == {
        'weirpool_pool_clients_waiting', 'weirpool_pool_max_wait_seconds', 'weirpool_pool_wait_timeouts_total',
        'weirpool_pool_wait_duration_seconds'}
    assert names['scope=pool'] == {n for n in names[''] if n.startswith('weirpool_pool_')} and names['name=%77ait'] == names['name=wait']
    assert names['scope=node'] == names['name=no_such'] == set()
    status, _, body = get(web, '/metrics?scope=pols')
    assert status == 400 and b'\\"pols\\"' in body and b'process, worker, client, database, pool, route, query, rule' in body
    assert get(web, '/metrics?scope=%00')[0] in (200, 400) and get(web, '/metrics?' + 'a=b&' * 500)[0] in (200, 400)


def test_many_scrapes_at_once(web):
    """Each gets a whole text, whatever the others do; those that leave hurt nobody."""
    with web.connect() as c:
        c.execute('select 1')
    for _ in range(5):
        s = socket.create_connection(('127.0.0.1', web.http_port))
        s.sendall(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
        s.close()
    got = []
    ends = [in_thread(lambda: got.extend(get(web, '/metrics') for _ in range(10))) for _ in range(6)]
    assert [e() for e in ends] == [None] * 6 and len(got) == 60
    assert all(status == 200 and promtext.parse(body) for status, _, body in got)


def test_scrapes_keep_no_memory(web):
    with web.connect() as c:
        c.execute('select 1')
        used = lambda: promtext.parse(get(web, '/metrics')[2])['weirpool_memory_bytes'].value(type='admin')
        before = used()
        for q in ('', '?scope=pool', '?scope=no', '?name=x') * 5:
            get(web, '/metrics' + q)
        scrape(web)
        assert used() <= before + 4096


def test_pages_while_it_shuts_down(web):
    """The last values are wanted too."""
    c = web.connect()
    c.execute('begin')
    web.kill(signal.SIGTERM)
    m = eventually(lambda: (lambda m: m['weirpool_shutting_down'].value() == 1 and m)(promtext.parse(get(web, '/metrics')[2])))
    assert m['weirpool_pool_server_connections'].value(database='app', user='app', state='active') == 1
    c.execute('commit')
    c.close()
    web.wait()
