"""ProxySQL's tables on the console, as those who come from there read them: with mysql and PyMySQL, and over PostgreSQL's protocol.
What their numbers are is what the servers and clients of the test have done."""
import re
import subprocess

import pymysql
import pytest
import rawpg
from servers import as_test_user, eventually
from test_mysql_drivers import in_sid
from weir import CONSOLE

POOL = 'hostgroup srv_host srv_port status ConnUsed ConnFree ConnOK ConnERR MaxConnUsed Queries Queries_GTID_sync ' \
       'Bytes_data_sent Bytes_data_recv Latency_us'.split()
PROCESS = 'ThreadID SessionID user db cli_host cli_port hostgroup l_srv_host l_srv_port srv_host srv_port command time_ms info ' \
          'status_flags extended_info'.split()
DIGEST = 'hostgroup schemaname username client_address digest digest_text count_star first_seen last_seen sum_time min_time ' \
         'max_time sum_rows_affected sum_rows_sent'.split()
SERVERS = 'hostgroup_id hostname port gtid_port status weight compression max_connections max_replication_lag use_ssl ' \
          'max_latency_ms comment'.split()
USERS = 'username password active use_ssl default_hostgroup default_schema schema_locked transaction_persistent fast_forward ' \
        'backend frontend max_connections attributes comment'.split()
BUCKETS = 'cnt_100us cnt_500us cnt_1ms cnt_5ms cnt_10ms cnt_50ms cnt_100ms cnt_500ms cnt_1s cnt_5s cnt_10s cnt_INFs'.split()
COLUMNS = {'stats_mysql_connection_pool': POOL, 'stats_mysql_connection_pool_reset': POOL, 'stats_mysql_processlist': PROCESS,
           'stats_mysql_query_digest': DIGEST, 'stats_mysql_query_digest_reset': DIGEST,
           'stats_mysql_global': ['Variable_Name', 'Variable_Value'],
           'stats_mysql_users': ['username', 'frontend_connections', 'frontend_max_connections'],
           'stats_mysql_commands_counters': ['Command', 'Total_Time_us', 'Total_cnt'] + BUCKETS,
           'mysql_servers': SERVERS, 'runtime_mysql_servers': SERVERS, 'mysql_users': USERS, 'runtime_mysql_users': USERS}


@pytest.fixture
def wp(weirpool, pg15, maria1011):
    return weirpool(pg15, mysql=maria1011, auth_type='trust', query_stats=1)


def my(wp, db='myapp', user='app', **kw):
    return pymysql.connect(host=wp.host, port=wp.mysql_port, user=user, password='app', database=db, autocommit=True, **kw)


def rows(wp, sql, user='admin'):
    with my(wp, CONSOLE, user) as c, c.cursor(pymysql.cursors.DictCursor) as cur:
        cur.execute(sql)
        return list(cur.fetchall())


def one(wp, sql, **kw):
    [row] = rows(wp, sql, **kw)
    return row


def columns(wp, sql):
    with my(wp, CONSOLE, 'admin') as c, c.cursor() as cur:
        cur.execute(sql)
        return [d[0] for d in cur.description]


def globals_of(wp):
    return {r['Variable_Name']: int(r['Variable_Value']) for r in rows(wp, 'SELECT * FROM stats_mysql_global')}


def run(wp, *statements):
    with my(wp) as c, c.cursor() as cur:
        for s in statements:
            cur.execute(s)
            cur.fetchall()


def test_columns(wp):
    for name, cols in COLUMNS.items():
        schema = 'stats' if name.startswith('stats') else 'main'
        assert columns(wp, 'SELECT * FROM ' + name) == cols
        assert columns(wp, 'select * from %s.%s limit 1' % (schema, name.upper())) == cols


def test_conditions(wp):
    run(wp, 'select 1', 'select 2', "set names 'utf8mb4'")
    eventually(lambda: rows(wp, 'SELECT ConnUsed FROM stats_mysql_connection_pool') == [{'ConnUsed': 0}])
    assert rows(wp, "SELECT srv_host, ConnOK AS made FROM stats.stats_mysql_connection_pool WHERE status = 'ONLINE' AND ConnUsed = 0 "
                    "ORDER BY ConnOK DESC LIMIT 1") == [{'srv_host': '127.0.0.1', 'made': 1}]
    assert rows(wp, 'SELECT COUNT(*) FROM stats_mysql_connection_pool') == [{'count': 1}]
    assert rows(wp, "SELECT Variable_Value FROM stats_mysql_global WHERE Variable_Name = 'MySQL_Thread_Workers'") == \
        [{'Variable_Value': str(wp.workers)}]
    with pytest.raises(pymysql.Error, match='ConnUsed'):
        rows(wp, 'SELECT ConnUse FROM stats_mysql_connection_pool')
    with pytest.raises(pymysql.Error, match='sum'):
        rows(wp, 'SELECT sum(ConnUsed) FROM stats_mysql_connection_pool')


def test_what_is_not_there_says_where_to_look(wp):
    for name, instead in (('stats.stats_mysql_query_rules', 'SHOW RULES'), ('mysql_replication_hostgroups', 'SHOW CLUSTERS'),
                          ('main.global_variables', 'SHOW CONFIG'), ('stats_memory_metrics', 'SHOW MEM')):
        with pytest.raises(pymysql.Error, match=instead):
            rows(wp, 'SELECT * FROM ' + name)
        with pytest.raises(rawpg.PgError, match=instead):
            wp.admin('SELECT * FROM ' + name)
    with pytest.raises(pymysql.Error):
        rows(wp, "UPDATE mysql_servers SET status = 'OFFLINE_SOFT'")
    with pytest.raises(pymysql.Error):
        rows(wp, 'LOAD MYSQL SERVERS TO RUNTIME')


def test_connection_pool(wp, maria1011):
    def pool():
        return one(wp, 'SELECT * FROM stats_mysql_connection_pool')
    before = pool()
    assert (before['hostgroup'], before['srv_host'], before['srv_port'], before['status']) == (0, '127.0.0.1', maria1011.port, 'ONLINE')
    assert (before['ConnUsed'], before['ConnFree'], before['ConnOK'], before['Queries']) == (0, 0, 0, 0)
    with my(wp) as c, c.cursor() as cur:
        cur.execute('begin')
        assert (pool()['ConnUsed'], pool()['ConnFree']) == (1, 0)
        cur.execute("select repeat('x', 50000)")
        cur.fetchall()
        cur.execute('commit')
        eventually(lambda: (pool()['ConnUsed'], pool()['ConnFree']) == (0, 1))
        r = pool()
        assert (r['ConnOK'], r['ConnERR'], r['Queries']) == (1, 0, 3)
        assert r['Bytes_data_recv'] > 50000 and 50 < r['Bytes_data_sent'] < 5000
    # what a connection has carried is not forgotten with it
    wp.admin('RECONNECT')
    eventually(lambda: pool()['ConnFree'] == 0)
    after = pool()
    assert after['Bytes_data_recv'] >= r['Bytes_data_recv'] and after['Queries'] == 3


def test_connection_pool_reset(wp):
    run(wp, "select repeat('x', 50000)")
    assert one(wp, 'SELECT ConnOK, Queries FROM stats_mysql_connection_pool_reset') == {'ConnOK': 1, 'Queries': 1}
    r = one(wp, 'SELECT * FROM stats_mysql_connection_pool')
    assert (r['ConnOK'], r['Queries'], r['Bytes_data_recv']) == (0, 0, 0)
    run(wp, 'select 1', 'select 2')
    r = one(wp, 'SELECT * FROM stats_mysql_connection_pool')
    assert (r['ConnOK'], r['Queries']) == (0, 2) and 0 < r['Bytes_data_recv'] < 5000
    assert one(wp, 'SELECT Queries FROM stats_mysql_connection_pool_reset') == {'Queries': 2}
    assert globals_of(wp)['Questions'] == 3  # metrics never count backwards


@pytest.mark.parametrize('name', ['stats_mysql_connection_pool_reset', 'stats_mysql_query_digest_reset'])
def test_reset_not_by_mistake(wp, name):
    """Only who may change something, only by SELECT, and not when the answer would be an error."""
    run(wp, 'select 1')
    for sql, user, said in (('SELECT * FROM ' + name, 'stats', 'admin access'), ('SHOW ' + name, 'admin', 'SELECT'),
                            ('SELECT nothing_like_it FROM ' + name, 'admin', 'no column'),
                            ('SELECT * FROM %s WHERE hostgroup = 1 ORDER BY x' % name, 'admin', 'no column')):
        with pytest.raises(pymysql.Error, match=said):
            rows(wp, sql, user=user)
    assert one(wp, 'SELECT Queries FROM stats_mysql_connection_pool') == {'Queries': 1}
    assert one(wp, "SELECT count_star FROM stats_mysql_query_digest WHERE digest_text = 'select ?'") == {'count_star': 1}


def test_digest(wp):
    with wp.raw() as other:
        other.q('select 1 as not_of_mysql')
    run(wp, 'select 7 as seven')
    row = one(wp, "SELECT * FROM stats_mysql_query_digest WHERE digest_text LIKE '%seven' ORDER BY sum_time DESC LIMIT 10")
    assert (row['schemaname'], row['username'], row['count_star'], row['sum_rows_sent']) == ('myapp', 'app', 1, 1)
    assert re.fullmatch('0x[0-9A-F]{16}', row['digest'])
    assert rows(wp, "SELECT count(*) FROM stats_mysql_query_digest WHERE digest_text LIKE '%not_of_mysql%'") == [{'count': 0}]
    assert one(wp, "SELECT count_star FROM stats_mysql_query_digest_reset WHERE digest_text LIKE '%seven'") == {'count_star': 1}
    assert rows(wp, 'SELECT * FROM stats_mysql_query_digest') == []


def test_commands_counters(wp):
    run(wp, 'drop table if exists px_t', 'create table px_t (a int)', 'insert into px_t values (1), (2)', 'INSERT INTO px_t VALUES (3)',
        'select * from px_t where a > 1', 'select * from px_t for update', 'start transaction', 'commit', 'show table status', 'drop table px_t')
    with wp.raw() as other:
        other.q('select 1')
    got = {r['Command']: r for r in rows(wp, 'SELECT * FROM stats_mysql_commands_counters')}
    assert {k: r['Total_cnt'] for k, r in got.items() if r['Total_cnt'] and k not in ('SET', 'USE')} == {
        'DROP_TABLE': 2, 'CREATE_TABLE': 1, 'INSERT': 2, 'SELECT': 1, 'SELECT_FOR_UPDATE': 1, 'START_TRANSACTION': 1, 'COMMIT': 1,
        'SHOW_TABLE_STATUS': 1}
    for r in got.values():
        assert sum(r[b] for b in BUCKETS) == r['Total_cnt']
        assert (r['Total_Time_us'] > 0) == (r['Total_cnt'] > 0)
    wp.admin('SET query_stats = 0')
    with pytest.raises(pymysql.Error, match='nothing is counted'):
        rows(wp, 'SELECT * FROM stats_mysql_commands_counters')


def test_processlist(wp, maria1011):
    def process(user):
        return one(wp, "SELECT * FROM stats_mysql_processlist WHERE user = '%s'" % user)
    with my(wp) as idle, my(wp, user='app2') as busy, wp.raw():
        r = process('app')
        assert (r['SessionID'], r['db'], r['cli_host'], r['command']) == (idle.thread_id(), 'myapp', '127.0.0.1', 'Sleep')
        assert r['hostgroup'] is None and r['srv_host'] is None
        with busy.cursor() as cur:
            cur.execute('begin')
            r = process('app2')
            assert (r['SessionID'], r['hostgroup'], r['srv_host'], r['srv_port']) == (busy.thread_id(), 0, '127.0.0.1', maria1011.port)
            assert r['l_srv_port'] != r['cli_port'] and r['command'] == 'Sleep'
            busy._execute_command(3, 'select sleep(60)')
            eventually(lambda: process('app2')['command'] == 'Query')
            with my(wp, user='app2') as killer:
                killer.cursor().execute('kill query %d' % busy.thread_id())
            eventually(lambda: process('app2')['command'] == 'Sleep')
        assert len(rows(wp, 'SELECT * FROM stats_mysql_processlist')) == 2  # neither PostgreSQL's clients nor the console's
        assert {r['username']: r['frontend_connections'] for r in rows(wp, 'SELECT * FROM stats_mysql_users') if r['frontend_connections']} == \
            {'app': 2, 'app2': 1}


def test_global(wp):
    before = globals_of(wp)
    with my(wp) as c, c.cursor() as cur:
        cur.execute('begin')
        g = globals_of(wp)
        assert (g['Active_Transactions'], g['Client_Connections_connected'], g['Server_Connections_connected']) == (1, 1, 1)
        cur.execute('commit')
    eventually(lambda: globals_of(wp)['Client_Connections_connected'] == 0)
    g = globals_of(wp)
    assert (g['Questions'], g['Server_Connections_created'], g['Active_Transactions']) == (2, 1, 0)
    assert g['Client_Connections_created'] == before['Client_Connections_created'] + 1
    assert g['Queries_frontends_bytes_recv'] > 0 and g['Queries_backends_bytes_sent'] > 0
    with pytest.raises(pymysql.Error):
        my(wp, db='', user='nobody_of_that_name')
    eventually(lambda: globals_of(wp)['Client_Connections_aborted'] > before['Client_Connections_aborted'])


def test_users_have_no_secrets(weirpool, maria1011):
    wp = weirpool(maria1011, auth_type='trust', userlist={'app2': 'hunter2'}, users={'app2': dict(max_user_client_connections=7)}, max_client_conn=300)
    for name in ('runtime_mysql_users', 'main.mysql_users'):
        got = {r['username']: r for r in rows(wp, 'SELECT * FROM ' + name)}
        assert got['app']['max_connections'] == 300 and got['app2']['max_connections'] == 7
        assert {r['password'] for r in got.values()} == {None} and 'hunter2' not in repr(got)
    assert one(wp, "SELECT frontend_max_connections AS n FROM stats_mysql_users WHERE username = 'app2'") == {'n': 7}
    assert 'pgbouncer' not in got


def test_servers(weirpool, maria1011, mysql97):
    """Each server once, whichever entries lead there; one that cannot be reached; those of a cluster by their role."""
    wp = weirpool(maria1011, auth_type='trust', clusters={'main': dict(host='127.0.0.1', port=mysql97.port, protocol='mysql', probe_user='super',
                                                    probe_password='super', weight=3)},
                  mysql_databases={'shop': dict(cluster='main', max_db_connections=5, max_staleness=9, server_compression='any'),
                                   'gone': dict(host='127.0.0.1', port=1, server_tls_sslmode='require')}, query_wait_timeout=1)

    def servers(where=''):
        return {r['comment']: r for r in rows(wp, 'SELECT * FROM runtime_mysql_servers' + where)}
    eventually(lambda: (servers()['shop']['status'], servers()['shop']['hostgroup_id']) == ('ONLINE', 0))
    got = servers()
    assert sorted(got) == ['*, app, app2', 'gone', 'shop']
    shop = got['shop']
    assert (shop['hostgroup_id'], shop['port'], shop['weight'], shop['max_connections'], shop['max_replication_lag'], shop['compression'],
            shop['use_ssl']) == (0, mysql97.port, 3, 5, 9, 1, 0)
    assert (got['gone']['status'], got['gone']['use_ssl'], got['gone']['max_connections']) == ('ONLINE', 1, None)
    with pytest.raises(pymysql.Error):
        my(wp, 'gone')
    eventually(lambda: servers()['gone']['status'] == 'SHUNNED')
    pool = {r['srv_port']: r for r in rows(wp, 'SELECT * FROM stats_mysql_connection_pool')}
    assert pool[1]['status'] == 'SHUNNED' and pool[1]['ConnERR'] > 0 and pool[1]['ConnOK'] == 0
    assert pool[mysql97.port]['Latency_us'] > 0  # as its probe has it


@pytest.mark.parametrize('kind', ['mysql97', 'maria1011'])
def test_mysql_client(wp, kind):
    to = ['-h', wp.host, '-P', str(wp.mysql_port), '-u', 'admin', '-padmin', '-t']
    prog = in_sid('/usr/bin/mysql', '--no-defaults', '--get-server-public-key', *to) if kind == 'mysql97' else \
        as_test_user(['/usr/bin/mariadb', '--no-defaults', *to])
    sql = "use stats; select * from stats_mysql_connection_pool; select Variable_Name from stats.stats_mysql_global where " \
          "Variable_Name like 'Client%' order by 1 limit 2; select username, password from main.runtime_mysql_users where username = 'app'"
    r = subprocess.run([*prog, CONSOLE, '-e', sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, cwd='/tmp')
    out = r.stdout.decode()
    assert r.returncode == 0, r.stderr
    assert re.search(r'\| hostgroup \| srv_host +\| srv_port +\| status', out) and '| ONLINE |' in out
    assert re.findall(r'\| (Client\w+)', out) == ['Client_Connections_aborted', 'Client_Connections_connected']
    assert re.search(r'\| app +\| NULL +\|', out)


def test_over_postgresql(wp):
    run(wp, 'select 1')
    [row] = wp.admin('SELECT srv_host, Queries FROM stats.stats_mysql_connection_pool')
    assert row == {'srv_host': '127.0.0.1', 'Queries': '1'}
