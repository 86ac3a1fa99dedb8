"""defer_begin: a BEGIN alone takes no connection, and is sent in front of what comes next."""

import psycopg
import pytest

from rawpg import batch, bind, errors, execute, kinds, parse, query, sync
from servers import PgServer, end_servers, eventually, new_folder
from weir import Weirpool

IDLE, IN_TX, FAILED = (psycopg.pq.TransactionStatus[n] for n in ('IDLE', 'INTRANS', 'INERROR'))


@pytest.fixture
def wp(weirpool, pg15):
    w = weirpool(pg15, default_pool_size=1, defer_begin=1, databases={'at_once': 'host=127.0.0.1 port=%d dbname=app defer_begin=0' % pg15.port})
    with w.connect() as c:
        c.execute('create table if not exists deferred (v text)')
        c.execute('truncate deferred')
    return w


def used(w):
    return [r for r in w.admin('SHOW SERVERS') if r['state'] == 'active']


def rows(pg15, v):
    return pg15.query('select count(*) from deferred where v = %s', v, dbname='app')[0][0]


def test_it_takes_no_connection(wp, pg15):
    """The pool has one connection: three that have begun would wait for each other."""
    clients = [wp.raw() for _ in range(3)]
    for c, begin, tag in zip(clients, ('begin', 'START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE;', 'begin work not deferrable'),
                             ('BEGIN', 'START TRANSACTION', 'BEGIN')):
        out = c.simple(begin)
        assert kinds(out) == 'CZ' and out[0].tag == tag and out[-1].status == 'T'
    assert not used(wp)
    clients[0].simple("insert into deferred values ('one')")
    out = clients[0].simple('select 1')
    assert out[-1].status == 'T' and len(used(wp)) == 1
    assert rows(pg15, 'one') == 0
    assert clients[0].simple('commit')[-1].status == 'I'
    assert rows(pg15, 'one') == 1
    assert clients[1].one('show transaction_isolation') == 'repeatable read'
    clients[1].simple("insert into deferred values ('two')")
    assert clients[1].simple('rollback')[-1].status == 'I'
    assert rows(pg15, 'two') == 0
    for end, tag in ('commit work;', 'COMMIT'), ('END', 'COMMIT'), ('rollback', 'ROLLBACK'), ('abort transaction', 'ROLLBACK'):
        out = clients[2].simple(end)
        assert kinds(out) == 'CZ' and out[0].tag == tag and out[-1].status == 'I'
        clients[2].simple('begin')
    eventually(lambda: not used(wp))


def test_what_is_not_plain_goes_to_the_server(wp):
    with wp.raw() as r:
        out = r.simple('begin isolation level foo')
        assert errors(out)[0]['C'] == '42601' and out[-1].status == 'I'
        out = r.simple('begin; read write')
        assert errors(out)[0]['C'] == '42601' and out[-1].status == 'I'
        assert r.simple('begin read only')[-1].status == 'T' and used(wp)
        assert errors(r.simple("insert into deferred values ('ro')"))[0]['C'] == '25006'
        r.simple('rollback')
        r.simple('begin')
        out = r.simple('begin')      # a WARNING of the server's
        assert [m.fields['C'] for m in out if m.type == 'N'] == ['25001'] and out[-1].status == 'T'
        r.simple('rollback')
        r.simple('begin')
        out = r.simple('commit and chain')
        assert out[-1].status == 'T' and not errors(out)
        assert r.simple('rollback')[-1].status == 'I'
        r.simple('begin')
        out = r.simple('commit foo')
        assert errors(out)[0]['C'] == '42601' and out[-1].status == 'E'
        assert errors(r.simple('select 1'))[0]['C'] == '25P02'
        assert r.simple('rollback')[-1].status == 'I'


def test_its_modes(wp):
    """As PostgreSQL takes them: with commas or without, the last of two counts."""
    with wp.raw() as r:
        for begin, level, deferrable in (
                ('begin transaction isolation level serializable, read write, deferrable', 'serializable', 'on'),
                ('BEGIN ISOLATION LEVEL READ UNCOMMITTED DEFERRABLE NOT DEFERRABLE', 'read uncommitted', 'off'),
                ('start transaction isolation level serializable isolation level repeatable read', 'repeatable read', 'off'),
                ('begin -- a comment\n isolation level read committed;', 'read committed', 'off')):
            assert r.simple(begin)[-1].status == 'T' and not used(wp), begin
            assert (r.one('show transaction_isolation'), r.one('show transaction_deferrable')) == (level, deferrable), begin
            assert r.one('show transaction_read_only') == 'off' and r.simple('commit')[-1].status == 'I'
            eventually(lambda: not used(wp))


def test_batches_and_pipelines(wp, pg15):
    with wp.raw() as r:
        r.simple('begin')
        assert r.send(sync()).until_ready()[-1].status == 'T' and not used(wp)
        r.send(batch("insert into deferred values ('batch')") + sync())
        assert r.until_ready()[-1].status == 'T'
        r.send(parse('s', 'select count(*) from deferred') + bind('', 's') + execute() + sync())
        assert r.until_ready()[-1].status == 'T'
        assert rows(pg15, 'batch') == 0
        r.simple('rollback')
        r.send(query('begin') + query("insert into deferred values ('pipe')") + query('rollback') + query('begin') + query('commit') +
               query('begin') + bind('', 's') + execute() + sync() + query('commit'))
        said = [r.until_ready() for _ in range(8)]
        assert [x[-1].status for x in said] == list('TTITITTI') and not any(errors(x) for x in said), said
    assert rows(pg15, 'pipe') == rows(pg15, 'batch') == 0


def test_settings_are_those_of_the_session(wp):
    """What the session has set is set before the transaction begins: a rollback does not take it back."""
    with wp.raw() as a, wp.raw() as b:
        a.simple("set application_name = 'a'; set search_path = pg_catalog")
        for _ in range(2):
            b.simple("set application_name = 'b'")
            a.simple('begin')
            a.simple("set local work_mem = '1MB'; set statement_timeout = '1min'")
            a.simple('rollback')
            b.one('select 1')
            assert a.one('show application_name') == 'a' and a.one('show search_path') == 'pg_catalog'
            assert a.one('show statement_timeout') == '0'


def test_the_time_is_that_of_the_first_statement(wp):
    for name, later in ('app', True), ('at_once', False):
        with wp.raw(dbname=name) as r:
            r.simple('begin')
            with wp.raw(dbname='at_once' if later else 'app') as other:
                then = other.one('select clock_timestamp()')
            assert (r.one('select now()') > then) == later, name
            r.simple('commit')


def test_drivers(wp, pg15):
    with wp.connect(autocommit=False) as c:
        c.execute("insert into deferred values ('psycopg')")
        assert c.info.transaction_status == IN_TX
        c.rollback()
        with c.transaction():
            c.execute("insert into deferred values ('psycopg')")
            with pytest.raises(psycopg.errors.DivisionByZero), c.transaction():
                c.execute('select 1/0')
        c.commit()
        with c.pipeline():
            c.execute("insert into deferred values ('pipeline')")
            c.execute('select 1')
        c.rollback()
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        assert c.execute('show transaction_isolation').fetchone() == ('serializable',)
        c.commit()
    assert rows(pg15, 'psycopg') == 1 and rows(pg15, 'pipeline') == 0
    asyncpg = pytest.importorskip('asyncpg')
    import asyncio

    async def run():
        c = await asyncpg.connect(host='127.0.0.1', port=wp.port, user='app', password='app', database='app', statement_cache_size=10)
        async with c.transaction(isolation='repeatable_read'):
            await c.execute("insert into deferred values ($1)", 'asyncpg')
            assert await c.fetchval('show transaction_isolation') == 'repeatable read'
        async with c.transaction():
            pass
        try:
            async with c.transaction():
                await c.execute("insert into deferred values ($1)", 'asyncpg')
                raise KeyError
        except KeyError:
            pass
        await c.close()
    asyncio.run(run())
    assert rows(pg15, 'asyncpg') == 1


def test_no_primary_fails_the_transaction(base, binary, request):
    """Held for too long: the transaction that the client has been told of is a failed one, as behind any error."""
    d = new_folder(base, 'begin-')
    s = PgServer(d, 15, 'n0').create()
    w = Weirpool(base, binary, databases={'app': dict(cluster='main')}, defer_begin=1,
                 clusters={'main': dict(host='127.0.0.1', port=s.port, probe_user='super', probe_password='super', hold_timeout=1)})
    request.node.weirpools = [w]
    try:
        def ready():
            eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 30)
        ready()
        with w.raw() as r:
            r.simple('begin')
            s.kill9()
            out = r.simple('create table never (a int)')
            assert errors(out)[0]['C'] == '57P03' and out[-1].status == 'E', out
            s.start()
            ready()
            assert errors(r.simple('create table never (a int)'))[0]['C'] == '25P02'
            assert r.simple('commit')[-1].status == 'I'
            assert r.one("select to_regclass('never') is null") == 't'
            # its server is lost and there again while nothing was sent: nothing is lost
            r.simple('begin')
            s.kill9()
            s.start()
            ready()
            assert r.one('select 1') == '1' and r.simple('commit')[-1].status == 'I'
    finally:
        w.stop()
        end_servers(s)
