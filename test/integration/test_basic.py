"""An application that points its connection string at weirpool notices nothing: psql, pgbench and the drivers."""
import asyncio
import os
import subprocess

import asyncpg
import psycopg
import psycopg2
import pytest
import rawpg
from servers import BINDIR, eventually, free_port
from weir import CONSOLE

PSQL = BINDIR[15] + '/psql'
PGBENCH = BINDIR[15] + '/pgbench'


def psql(wp, *args, stdin='', ok=True, user='app', dbname='app'):
    env = dict(os.environ, PGPASSWORD=wp.userlist[user], PGSSLMODE='disable')
    r = subprocess.run([PSQL, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', wp.host, '-p', str(wp.port), '-U', user, '-d', dbname,
                        *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=60)
    if ok:
        assert r.returncode == 0, r.stderr
        return r.stdout
    return r


def pgbench(wp, *args, port=None):
    env = dict(os.environ, PGPASSWORD='app', PGSSLMODE='disable')
    r = subprocess.run([PGBENCH, '-h', '127.0.0.1', '-p', str(port or wp.port), '-U', 'app', *args, 'app'],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=80)
    assert r.returncode == 0, r.stdout
    return r.stdout


@pytest.fixture(scope='module')
def bench_tables(pg15):
    pgbench(None, '-i', '-q', '-s', '1', port=pg15.port)


def test_psql_answers(weirpool, anypg):
    wp = weirpool(anypg)
    assert psql(wp, '-c', 'select 40 + 2') == '42\n'


def test_psql_script_keeps_its_session(weirpool, pg15):
    wp = weirpool(pg15)
    out = psql(wp, stdin='''
create temp table t (a int);
begin; insert into t values (1), (2); commit;
begin; insert into t values (3); rollback;
select sum(a) from t;
set search_path = pg_catalog;
show search_path \\gset
select :'search_path';
''')
    assert out.split() == ['3', 'pg_catalog']


def test_psql_meta_commands(weirpool, pg15):
    wp = weirpool(pg15)
    out = psql(wp, '-c', '\\l', '-c', '\\dn', '-c', '\\conninfo')
    assert 'app2' in out and 'public' in out


def test_psql_copy_both_ways(weirpool, pg15, tmp_path):
    wp = weirpool(pg15)
    lines = ''.join('%d\tword %d\n' % (i, i) for i in range(5000))
    psql(wp, '-c', 'drop table if exists cp', '-c', 'create table cp (a int, b text)')
    psql(wp, '-c', 'copy cp from stdin', stdin=lines)
    assert psql(wp, '-c', 'copy (select * from cp order by a) to stdout') == lines


def test_psql_error_ends_with_its_text(weirpool, pg15):
    wp = weirpool(pg15)
    r = psql(wp, '-c', 'select 1/0', ok=False)
    assert r.returncode == 1 and 'division by zero' in r.stderr


def test_psql_by_unix_socket(weirpool, pg15):
    wp = weirpool(pg15)
    r = subprocess.run([PSQL, '-XAtq', '-h', str(wp.dir), '-p', str(wp.port), '-U', 'app', '-d', 'app', '-c', 'select 7'],
                       env=dict(os.environ, PGPASSWORD='app'), stdout=subprocess.PIPE, text=True, timeout=20)
    assert r.stdout == '7\n'


def test_server_by_unix_socket(weirpool, pg15):
    wp = weirpool(pg15, databases={'viasock': dict(host=pg15.sockdir, port=pg15.port, dbname='app')})
    with wp.connect(dbname='viasock') as c:
        assert c.execute('select inet_client_addr() is null').fetchone() == (True,)


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
@pytest.mark.parametrize('clients', [1, 16])
@pytest.mark.both_workers
def test_pgbench_select(weirpool, pg15, bench_tables, mode, clients):
    wp = weirpool(pg15, default_pool_size=4)
    out = pgbench(wp, '-n', '-S', '-M', mode, '-c', str(clients), '-t', '200')
    assert 'number of failed transactions: 0' in out
    assert 'number of transactions actually processed: %d/%d' % (clients * 200, clients * 200) in out


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
@pytest.mark.both_workers
def test_pgbench_tpcb_is_consistent(weirpool, pg15, bench_tables, mode):
    wp = weirpool(pg15, default_pool_size=4)
    before = pg15.query('select count(*) from pgbench_history', dbname='app')[0][0]
    pgbench(wp, '-n', '-M', mode, '-c', '8', '-j', '8', '-t', '50')     # one thread blocks in PQprepare
    with pg15.connect('app') as c:
        n, s = c.execute('select count(*), coalesce(sum(delta), 0) from pgbench_history').fetchone()
        assert n - before == 400
        for table, column in (('accounts', 'abalance'), ('tellers', 'tbalance'), ('branches', 'bbalance')):
            assert c.execute('select sum(%s) from pgbench_%s' % (column, table)).fetchone()[0] == s


def test_pgbench_new_connection_each_time(weirpool, pg15, bench_tables):
    wp = weirpool(pg15, default_pool_size=2)
    out = pgbench(wp, '-n', '-S', '-C', '-c', '4', '-t', '50')
    assert 'number of failed transactions: 0' in out
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") <= 2)  # (others' are ending)


def test_pgbench_initialises_through_it(weirpool, pg15):
    wp = weirpool(pg15)
    env = dict(os.environ, PGPASSWORD='app', PGSSLMODE='disable')
    r = subprocess.run([PGBENCH, '-h', wp.host, '-p', str(wp.port), '-U', 'app', '-i', '-q', '-s', '1', 'app2'],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=80)
    assert r.returncode == 0, r.stdout
    assert pg15.query('select count(*) from pgbench_accounts', dbname='app2') == [(100000,)]


def test_psycopg3(weirpool, anypg):
    wp = weirpool(anypg)
    with wp.connect(autocommit=False) as c:
        assert c.execute('select %s::int + %s', (40, 2)).fetchone() == (42,)
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        c.rollback()
        with c.cursor(name='served') as cur:
            cur.itersize = 100
            cur.execute('select generate_series(1, 1000)')
            assert sum(r[0] for r in cur) == 500500
        c.commit()
        c.execute('create table if not exists many (a int, b text)')
        c.execute('truncate many')
        c.cursor().executemany('insert into many values (%s, %s)', [(i, 'x' * i) for i in range(200)])
        assert c.execute('select count(*), sum(length(b)) from many').fetchone() == (200, 19900)
        c.commit()
        assert c.execute('select %b::bytea', (bytes(range(256)),)).fetchone() == (bytes(range(256)),)
        with c.cursor() as cur, cur.copy('copy many from stdin') as cp:
            for i in range(1000):
                cp.write_row((i, 'copied'))
        assert c.execute("select count(*) from many where b = 'copied'").fetchone() == (1000,)


def test_psycopg3_prepares_by_itself(weirpool, anypg):
    """It prepares a statement at its fifth execution, under a name; two clients do the same over one link."""
    wp = weirpool(anypg, default_pool_size=1)
    with wp.connect() as a, wp.connect() as b:
        for i in range(30):
            assert a.execute('select %s::int * 2', (i,)).fetchone() == (2 * i,)
            assert b.execute('select %s::int * 3', (i,)).fetchone() == (3 * i,)


def test_psycopg3_pipeline(weirpool, anypg):
    wp = weirpool(anypg)
    if not psycopg.Pipeline.is_supported():
        pytest.fail('psycopg without pipelines: libpq is too old')
    with wp.connect() as c:
        with c.pipeline():
            curs = [c.execute('select %s::int', (i,)) for i in range(300)]
        assert [x.fetchone()[0] for x in curs] == list(range(300))
        with pytest.raises(psycopg.errors.DivisionByZero), c.pipeline():
            c.execute('select 1')
            c.execute('select 1/0')
            c.execute('select 2')
        assert c.execute('select 3').fetchone() == (3,)


def test_psycopg2(weirpool, anypg):
    wp = weirpool(anypg)
    c = psycopg2.connect(wp.dsn())
    cur = c.cursor()
    cur.execute('select %s::int, current_user, current_database()', (5,))
    assert cur.fetchone() == (5, 'app', 'app')
    c.rollback()
    c.set_session(isolation_level='SERIALIZABLE', readonly=True)
    cur.execute('show transaction_isolation')
    assert cur.fetchone() == ('serializable',)
    c.rollback()
    c.set_client_encoding('LATIN1')
    cur.execute("select 'é'")
    assert cur.fetchone() == ('é',)
    c.close()


def test_psycopg_async(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=2)

    async def one(i):
        async with await psycopg.AsyncConnection.connect(wp.dsn(), autocommit=True) as c:
            for _ in range(5):
                r = await (await c.execute('select %s::int, pg_sleep(0.001)', (i,))).fetchone()
                assert r[0] == i

    async def main():
        await asyncio.gather(*(one(i) for i in range(20)))
    asyncio.run(main())


def test_asyncpg(weirpool, anypg):
    wp = weirpool(anypg, default_pool_size=2)

    async def one(i):
        c = await asyncpg.connect(host=wp.host, port=wp.port, user='app', password='app', database='app', ssl=False)
        assert await c.fetchval('select $1::int * 2', i) == 2 * i
        rows = await c.fetch('select g, g::text as t, array[g, g + 1] as a from generate_series(1, 50) g')
        assert [(r['g'], r['t'], r['a']) for r in rows] == [(g, str(g), [g, g + 1]) for g in range(1, 51)]
        async with c.transaction():
            st = await c.prepare('select $1::text || $2')
            assert await st.fetchval('a', str(i)) == 'a%d' % i
            got = [r[0] async for r in c.cursor('select generate_series(1, 120)', prefetch=50)]
            assert got == list(range(1, 121))
        with pytest.raises(asyncpg.DivisionByZeroError):
            await c.fetchval('select 1/$1::int', 0)
        assert await c.fetchval('select $1::jsonb', '{"a": 1}') == '{"a": 1}'
        await c.close()

    async def main():
        await asyncio.gather(*(one(i) for i in range(8)))
        pool = await asyncpg.create_pool(host=wp.host, port=wp.port, user='app', password='app', database='app', ssl=False,
                                         min_size=4, max_size=8)
        async with pool:
            assert await asyncio.gather(*(pool.fetchval('select $1::int', i) for i in range(100))) == list(range(100))
    asyncio.run(main())


def test_asyncpg_copy(weirpool, pg15):
    wp = weirpool(pg15)

    async def main():
        c = await asyncpg.connect(host=wp.host, port=wp.port, user='app', password='app', database='app', ssl=False)
        await c.execute('drop table if exists acopy; create table acopy (a int, b text)')
        await c.copy_records_to_table('acopy', records=[(i, 'r%d' % i) for i in range(3000)])
        assert await c.fetchval('select count(*) from acopy') == 3000
        await c.close()
    asyncio.run(main())


def test_welcome_is_the_servers(weirpool, anypg):
    """Same ParameterStatus names and values as a direct connection's."""
    wp = weirpool(anypg)
    with rawpg.Raw(anypg.port) as d:
        d.login()
        with wp.raw() as r:
            assert r.params == d.params
            assert r.key != d.key and len(r.key[1]) == 4


def test_each_client_gets_its_own_key(weirpool, pg15):
    wp = weirpool(pg15)
    clients = [wp.raw() for _ in range(20)]
    assert len({c.key for c in clients}) == 20


def test_ssl_request_refused_without_tls(weirpool, pg15):
    wp = weirpool(pg15, client_tls_sslmode='disable')
    with wp.bare() as r:
        r.send(rawpg.ssl_request())
        assert r.recv_exact(1) == b'N'
        r.login()
        assert r.one('select 1') == '1'


def test_gssenc_request_refused_then_login(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.bare() as r:
        r.send(rawpg.gssenc_request())
        assert r.recv_exact(1) == b'N'
        r.login()
        assert r.one('select 1') == '1'


def test_login_byte_by_byte(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.bare() as r:
        r.login(slow=True)
        r.send_slowly(rawpg.query("select 'slow'"))
        assert rawpg.rows(r.until_ready()) == [('slow',)]
        r.send_slowly(rawpg.batch('select $1::text', ['also']) + rawpg.sync())
        assert rawpg.rows(r.until_ready()) == [('also',)]


def test_no_such_database(weirpool, pg15):
    wp = weirpool(pg15)
    with pytest.raises(rawpg.PgError) as e:
        wp.raw(dbname='nowhere')
    assert e.value.sqlstate == '3D000' and e.value.severity == 'FATAL' and 'nowhere' in e.value.message


def test_database_that_only_the_server_misses(weirpool, pg15):
    wp = weirpool(pg15, databases={'ghost': dict(host=pg15.host, port=pg15.port, dbname='ghost')}, query_wait_timeout=3)
    with pytest.raises(rawpg.PgError) as e:
        wp.raw(dbname='ghost').one('select 1')
    assert 'ghost' in e.value.message


def test_wrong_password(weirpool, pg15):
    wp = weirpool(pg15)
    with pytest.raises(rawpg.PgError) as e:
        wp.raw(secret='wrong')
    assert e.value.sqlstate == '28P01' and 'app' in e.value.message
    with pytest.raises(rawpg.PgError) as e2:
        wp.raw(user='stranger', secret='wrong')
    assert e2.value.sqlstate == '28P01'
    assert e2.value.message.replace('stranger', 'app') == e.value.message


def test_database_defaults_to_the_user(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.bare() as r:
        r.login(dbname=None)
        assert r.one('select current_database()') == 'app'


def test_wildcard_database(weirpool, pg15):
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port)})
    with wp.connect(dbname='template1') as c:
        assert c.execute('select current_database()').fetchone() == ('template1',)


def test_forced_user_and_renamed_database(weirpool, pg15):
    wp = weirpool(pg15, databases={'alias': dict(host=pg15.host, port=pg15.port, dbname='app2', user='app2', password='app')})
    with wp.connect(dbname='alias') as c:
        assert c.execute('select current_database(), current_user').fetchone() == ('app2', 'app2')


def test_connect_query_runs_on_each_link(weirpool, pg15):
    wp = weirpool(pg15, databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app',
                                               connect_query="select set_config('app.greeting', 'hello', false)")})
    with wp.raw() as a, wp.raw() as b:
        a.send(rawpg.query('begin')).until_ready()
        assert a.one("select current_setting('app.greeting')") == 'hello'
        assert b.one("select current_setting('app.greeting')") == 'hello'


def test_empty_query_and_several_statements(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw() as r:
        assert rawpg.kinds(r.simple('')) == 'IZ'
        assert rawpg.kinds(r.simple(';;')) == 'IZ'
        assert rawpg.kinds(r.simple('select 1; select 2, 3; set work_mem = 1024')) == 'TDCTDCCZ'


def test_client_encoding_and_utf8(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.connect() as c:
        assert c.execute("select 'žluťoučký 🐘'").fetchone() == ('žluťoučký 🐘',)


def test_two_daemons_refuse_one_port(weirpool, pg15):
    port = free_port()
    weirpool(pg15, listen_port=port)
    second = weirpool(pg15, listen_port=port, wait=False)
    second.exit_codes = range(1, 100)
    assert second.wait(20) != 0
    assert str(port) in second.log() and 'in use' in second.log()


def test_large_statement_and_large_row(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.connect() as c:
        big = 'x' * 3_000_000
        assert c.execute("select length('%s')" % big).fetchone() == (len(big),)
        assert len(c.execute('select repeat(%s, 5000000)', ('yz',)).fetchone()[0]) == 10_000_000


def test_console_is_a_database(weirpool, pg15):
    wp = weirpool(pg15)
    assert 'weirpool' in psql(wp, '-c', 'show version', user='admin', dbname=CONSOLE).lower()
