"""Options that change how one database or user is served, each seen in what a client gets."""
import time

import psycopg
import pytest
from servers import eventually


def db(pg, **more):
    return dict(host=pg.host, port=pg.port, dbname='app', **more)


def show(conn, name):
    return conn.execute('show ' + name).fetchone()[0]


def test_options_of_a_database_are_those_of_its_sessions(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': db(pg15, options='-c work_mem=777kB')})
    assert show(wp.connect(), 'work_mem') == '777kB'
    assert show(wp.connect(options='-c work_mem=99kB'), 'work_mem') == '99kB'
    c = wp.connect()
    c.execute("set work_mem = '1MB'")
    c.execute('reset work_mem')
    assert show(c, 'work_mem') == '777kB'


def test_ignored_startup_parameters_are_forgotten(weirpool, pg15):
    wp = weirpool(pg15, ignore_startup_parameters='no_such_setting, work_mem')
    c = wp.connect(options='-c no_such_setting=1 -c work_mem=99kB -c statement_timeout=12s')
    assert show(c, 'work_mem') != '99kB'
    assert show(c, 'statement_timeout') == '12s'
    with pytest.raises(psycopg.OperationalError, match='no_other_setting'):
        wp.connect(options='-c no_other_setting=1')


def test_disable_pqexec(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': db(pg15, disable_pqexec=1)})
    assert wp.connect().execute('select %s::int', (1,)).fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match='disable_pqexec'):
        wp.connect().execute('select 1')
    wp.databases['app'] = db(pg15)
    wp.reload()
    eventually(lambda: wp.connect().execute('select 1').fetchone() == (1,))


def test_without_tracking_nothing_leaks(weirpool, pg15):
    """server_state_tracking=off: a plain SET follows; what a script changed is lost, and nobody else sees it."""
    wp = weirpool(pg15, databases={'app': db(pg15, server_state_tracking='off', pool_size=1)})
    a, b = wp.connect(), wp.connect()
    default = show(b, 'work_mem')
    a.execute("do $$ begin perform set_config('work_mem', '123kB', false); end $$")
    a.execute('create temp table left_behind(a int)')
    assert show(b, 'work_mem') == default
    assert b.execute("select to_regclass('pg_temp.left_behind')").fetchone() == (None,)
    a.execute("set work_mem = '99kB'")
    assert (show(b, 'work_mem'), show(a, 'work_mem')) == (default, '99kB')
    assert wp.admin('SHOW PINS') == []


def test_statements_beyond_the_budget_still_work(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': db(pg15, prepared_statement_bytes='16kB', pool_size=4)})
    c, other = wp.connect(), wp.connect()
    texts = ['select %d + %%s::int /* %s */' % (i, 'x' * 3000) for i in range(12)]
    for _ in range(3):
        for i, t in enumerate(texts):
            assert c.execute(t, (1,), prepare=True).fetchone() == (i + 1,)
            assert other.execute('select 7').fetchone() == (7,)
    eventually(lambda: [r['pins'] for r in wp.admin('SHOW CLIENTS') if r['database'] == 'app' and r['pins']])


def test_a_login_that_nothing_can_satisfy_fails_at_once(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': db(pg15, user='appmd5')}, userlist={'appmd5': ''})
    begin = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match='neither a password nor an MD5 secret'):
        wp.connect()
    assert time.monotonic() - begin < 30 # not query_wait_timeout


def test_an_unused_pool_is_forgotten(weirpool, pg15):
    wp = weirpool(pg15, pool_idle_timeout=1, server_idle_timeout=1)
    wp.connect(dbname='app2').close()
    assert wp.pool('app2')
    eventually(lambda: not [r for r in wp.admin('SHOW POOLS') if r['database'] == 'app2'], 20)
    assert show(wp.connect(dbname='app2'), 'work_mem')
