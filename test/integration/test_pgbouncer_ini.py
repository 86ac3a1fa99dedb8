"""An unmodified pgbouncer.ini with its userlist and HBA file runs as it is, with PgBouncer's defaults."""
import gzip
import os
import re

import pytest
import rawpg
from servers import eventually, free_port


def sample():
    """The pgbouncer.ini that Debian's package installs, or its documented example."""
    for p in ('/etc/pgbouncer/pgbouncer.ini', '/usr/share/doc/pgbouncer/examples/pgbouncer.ini',
              '/usr/share/doc/pgbouncer/examples/pgbouncer.ini.gz'):
        if os.path.exists(p):
            return (gzip.open(p, 'rt') if p.endswith('.gz') else open(p)).read()
    pytest.fail("Debian's pgbouncer package is not installed")


@pytest.fixture
def ini(weirpool, pg15):
    def start(**kw):
        return weirpool(pg15, section='pgbouncer', **kw)
    return start


def config(wp):
    return {r['key']: r for r in wp.admin('SHOW CONFIG')}


def test_debians_own_file(weirpool, pg15, base):
    """Only what names places and ports is changed, by lines at the end of its section."""
    port = free_port()
    d = os.path.join(base, 'debianini')
    os.makedirs(d, exist_ok=True)
    os.chmod(d, 0o777)
    with open(d + '/users.txt', 'w') as f:
        f.write('"app" "app"\n"admin" "admin"\n')
    text = sample()
    text = re.sub(r'(?m)^;* *(logfile|pidfile|user) = .*', '', text)
    text = text.replace('[pgbouncer]', '[databases]\napp = host=127.0.0.1 port=%d\n[pgbouncer]' % pg15.port, 1) \
        if text.count('[databases]') == 0 else text.replace('[databases]', '[databases]\napp = host=127.0.0.1 port=%d' % pg15.port, 1)
    text += '\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir = %s\nauth_file = %s/users.txt\n' \
            'auth_type = scram-sha-256\nadmin_users = admin\nserver_tls_sslmode = disable\n' % (port, d, d)
    wp = weirpool(None, config=text, listen_port=port, userlist={})
    assert wp.usable()
    rows = config(wp)
    assert rows['pool_mode']['value'] == 'session'


def test_defaults_are_pgbouncers(ini):
    wp = ini(auth_type='md5')
    c = config(wp)
    for k, v in dict(pool_mode='session', max_client_conn='100', default_pool_size='20', server_lifetime='3600',
                     server_idle_timeout='600', server_reset_query='DISCARD ALL', query_wait_timeout='120',
                     server_login_retry='15', server_check_delay='30', listen_backlog='128', pkt_buf='4096',
                     max_prepared_statements='200', reserve_pool_timeout='5',
                     client_login_timeout='60', cancel_wait_timeout='10', autodb_idle_timeout='3600', stats_period='60',
                     dns_max_ttl='15', suspend_timeout='10', sbuf_loopcnt='5', max_packet_size='2147483647').items():
        assert c[k]['value'] == v, k


def test_ours_is_transaction_pooling(weirpool, pg15):
    assert config(weirpool(pg15))['pool_mode']['value'] == 'transaction'


def test_session_pooling_by_default(ini):
    wp = ini(default_pool_size=1, query_wait_timeout=1)
    a = wp.raw()
    a.q('select 1')
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        wp.raw().q('select 1')
    a.bye()
    assert wp.usable()


EVERY = '''
admin_users = admin
application_name_add_host = 1
auth_hba_file =
auth_query = SELECT rolname, rolpassword FROM pg_authid WHERE rolname=$1
autodb_idle_timeout = 3600
cancel_wait_timeout = 10
client_idle_timeout = 0
client_login_timeout = 60
client_tls_ciphers = fast
client_tls_dheparams = auto
client_tls_ecdhcurve = auto
client_tls_protocols = all
client_tls_sslmode = disable
disable_pqexec = 0
dns_max_ttl = 15
dns_nxdomain_ttl = 15
dns_zone_check_period = 0
idle_transaction_timeout = 0
ignore_startup_parameters = extra_float_digits, options
job_name = pgbouncer
listen_backlog = 128
log_connections = 0
log_disconnections = 0
log_pooler_errors = 1
log_stats = 0
max_db_client_connections = 0
max_db_connections = 50
max_packet_size = 2147483647
max_prepared_statements = 100
max_user_client_connections = 0
max_user_connections = 50
min_pool_size = 0
peer_id = 0
pkt_buf = 4096
pool_mode = transaction
query_timeout = 0
query_wait_notify = 5
query_wait_timeout = 120
reserve_pool_size = 5
reserve_pool_timeout = 5
sbuf_loopcnt = 5
scram_iterations = 4096
server_check_delay = 30
server_check_query = select 1
server_connect_timeout = 15
server_fast_close = 0
server_idle_timeout = 600
server_lifetime = 3600
server_login_retry = 15
server_reset_query = DISCARD ALL
server_reset_query_always = 0
server_round_robin = 1
server_tls_ciphers = fast
server_tls_protocols = secure
so_reuseport = 0
stats_period = 60
suspend_timeout = 10
syslog = 0
syslog_facility = daemon
syslog_ident = pgbouncer
tcp_defer_accept = 45
tcp_keepalive = 1
tcp_keepcnt = 5
tcp_keepidle = 60
tcp_keepintvl = 10
tcp_socket_buffer = 0
tcp_user_timeout = 5000
track_extra_parameters = IntervalStyle, search_path
transaction_timeout = 0
unix_socket_group =
unix_socket_mode = 0777
verbose = 0
'''


def test_every_option_is_accepted(ini):
    opts = dict(line.split(' =', 1) for line in EVERY.strip().split('\n'))
    opts = {k: v.strip() for k, v in opts.items()}
    wp = ini(**opts)
    assert wp.usable()
    c = config(wp)
    for k in opts:
        assert k in c, k


def test_every_database_key(ini, pg15):
    wp = ini(databases={
        'full': "host=127.0.0.1 port=%d dbname=app user=app password='app' auth_user=super pool_size=3 min_pool_size=1 "
                "reserve_pool_size=1 max_db_connections=9 max_db_client_connections=9 server_lifetime=100 pool_mode=transaction "
                "connect_query='select 1' client_encoding=UTF8 datestyle=ISO timezone='Europe/Prague' "
                "load_balance_hosts=disable" % pg15.port,
        '"odd name"': 'host=127.0.0.1 port=%d dbname=app2' % pg15.port},
        users={'app': 'pool_mode=transaction max_user_connections=7 pool_size=4 query_timeout=50 client_idle_timeout=60'})
    with wp.raw(dbname='full') as r:
        assert r.one("select current_setting('timezone')") == 'Europe/Prague'
    with wp.raw(dbname='odd name') as r:
        assert r.one('select current_database()') == 'app2'
    row = [r for r in wp.admin('SHOW DATABASES') if r['name'] == 'full'][0]
    assert row['pool_size'] == '3' and row['min_pool_size'] == '1' and row['force_user'] == 'app' and row['max_connections'] == '9'


def test_comments_and_spaces(ini, pg15):
    wp = ini(databases={'spaced': '   host = 127.0.0.1   port=%d dbname=app' % pg15.port})
    wp.put('weirpool.ini', ';; first\n# second\n' + wp.text().replace('[pgbouncer]', '\n\n  ; third\n[pgbouncer]\n  \n').replace(
        'admin_users = admin', 'admin_users=admin'))
    wp.admin('RELOAD')
    assert wp.usable()


def test_last_value_wins(ini):
    wp = ini()
    wp.put('weirpool.ini', wp.text() + 'query_wait_timeout = 5\nquery_wait_timeout = 6\n')
    wp.admin('RELOAD')
    assert config(wp)['query_wait_timeout']['value'] == '6'


def test_long_lines(ini, pg15):
    """Longer than any line buffer: a list of many users, and a database with a long connect_query."""
    names = ', '.join('admin%d' % i for i in range(2000))
    wp = ini(stats_users='stats, ' + names,
             databases={'long': "host=127.0.0.1 port=%d dbname=app connect_query='select ''%s''; select ''x = y''' pool_size=2"
                        % (pg15.port, 'q' * 3000)})
    assert wp.usable(dbname='long')
    assert len(config(wp)['stats_users']['value']) > 10000
    assert [r['pool_size'] for r in wp.admin('SHOW DATABASES') if r['name'] == 'long'] == ['2']


def test_userlist_forms(ini):
    wp = ini()
    wp.put('users.txt', '; a comment\n"app" "app" trailing words\n\n"admin"   "admin"\n"with ""quotes""" "se""cret"\n'
           '"nopass" ""\n')
    wp.admin('RELOAD')
    assert wp.usable()
    with pytest.raises(rawpg.PgError):
        wp.raw('nopass', secret='')


def test_hba_file_of_pgbouncer(ini):
    wp = ini(hba='# TYPE DATABASE USER ADDRESS METHOD\nlocal all all md5\nhost all all 127.0.0.1/32 md5\nhost all all ::1/128 md5\n')
    assert wp.usable()


def test_log_lines_keep_their_form(ini):
    """Log shippers parse these."""
    wp = ini()
    wp.usable()
    log = wp.log()
    assert re.search(r'C-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ login attempt: db=app user=app tls=no', log)
    assert re.search(r'S-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ new connection to server', log)
    eventually(lambda: re.search(r'C-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ closing because: .* \(age=\d+s\)', wp.log()))


def test_relative_include(ini):
    wp = ini()
    wp.put('more.ini', '[pgbouncer]\nquery_wait_timeout = 71\n')
    wp.put('weirpool.ini', wp.text() + '%include more.ini\n')
    wp.admin('RELOAD')
    assert config(wp)['query_wait_timeout']['value'] == '71'
