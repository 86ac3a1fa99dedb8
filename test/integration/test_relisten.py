"""relisten: who waits for notifications (LISTEN) and loses the server gets another connection, and listens there. PostgreSQL. The
client sends nothing meanwhile: all that happens to it happens by itself."""
import asyncio
import os
import signal

import asyncpg
import pytest

from rawpg import Closed, batch, bind, cancel_request, errors, execute, kinds, parse, query, rows, sync
from servers import PgServer, end_servers, eventually, new_folder
from upgrading import moved, upgrade
from weir import Weirpool

WARNING = '01W01'


def make_server(base):
    s = PgServer(new_folder(base, 'listen-'), 15, 'n0', extra_conf='fsync = on\n').create()
    with s.connect('app', 'app') as c:
        c.execute('create table t (v text)')
        c.execute('create sequence s')
        c.execute("create function hear(name text) returns void language plpgsql as $$ begin execute 'listen ' || quote_ident(name); end $$")
    return s


@pytest.fixture(scope='module')
def server(base):
    s = make_server(base)
    yield s
    end_servers(s)


def cluster_of(*servers, **kw):
    return dict(host=','.join('127.0.0.1' for _ in servers), port=','.join(str(s.port) for s in servers), probe_user='super',
                probe_password='super', **kw)


def is_open(w):
    return w.admin('SHOW CLUSTERS')[0]['writes'] == 'open'


@pytest.fixture
def weir(base, binary, request):
    made = request.node.weirpools = []

    def make(servers, cluster=None, **kw):
        dbs = {'app': dict(cluster='main', relisten=1), 'off': dict(cluster='main', dbname='app'),
               'alone': dict(host='127.0.0.1', port=servers[0].port, dbname='app', relisten=1),
               'statement': dict(cluster='main', dbname='app', relisten=1, pool_mode='statement'),
               'session': dict(cluster='main', dbname='app', relisten=1, pool_mode='session')}
        w = Weirpool(base, binary, databases=dbs, clusters={'main': cluster_of(*servers, **(cluster or {}))}, default_pool_size=5, **kw)
        made.append(w)
        eventually(lambda: is_open(w))
        return w
    yield make
    for w in made:
        w.stop()


@pytest.fixture
def wp(server, weir):
    return weir([server])


def lose(server, w):
    """The server is gone, and there again."""
    server.kill9()
    server.start()
    eventually(lambda: is_open(w))


def pins(w, who):
    return [r['pins'] for r in w.admin('SHOW PINS') if r['application_name'] == who]


def known(w, who='listener', pin='listen'):
    """What the session keeps has been asked for."""
    eventually(lambda: pin in str(pins(w, who)))


def listener(w, sql='listen news', dbname='app'):
    r = w.raw(dbname=dbname, params={'application_name': 'listener'})
    for one in [sql] if isinstance(sql, str) else sql:
        r.simple(one)
    known(w)
    return r


def hears_of_it(r):
    """The warning comes by itself, once it listens again."""
    out = r.recv_until('N')
    assert out[-1].fields['C'] == WARNING and 'may have been missed' in out[-1].fields['M'], out
    assert kinds(out) == '', out


def channels(r):
    return sorted(v for v, in r.q('select pg_listening_channels()'))


def hears(w, r, channel='news', dbname='off'):
    with w.connect(dbname=dbname) as c:
        c.execute('select pg_notify(%s, %s)', (channel, 'again'))
        pid = c.execute('select pg_backend_pid()').fetchone()[0]
    out = r.recv_until('A')
    assert out[-1].notification[1:] == (channel, 'again') and out[-1].notification[0] != r.key[0], (out, pid)


def is_closed(r, *sqlstates):
    with pytest.raises(Closed) as e:
        r.until_ready()
    [error] = errors(e.value.messages)
    assert error['S'] == 'FATAL' and error['C'] in sqlstates, error
    return error


@pytest.mark.parametrize('dbname', ['app', 'alone', 'statement'])
def test_the_server_is_killed(server, wp, dbname):
    with listener(wp, ['listen news', 'set search_path = pg_catalog, public'], dbname) as r:
        r.send(parse('mine', 'select $1::int + 1') + sync())
        r.until_ready()
        known(wp)
        if dbname == 'app':
            lose(server, wp)
        else:
            server.terminate_backends("application_name = 'listener'")
        hears_of_it(r)
        hears(wp, r)
        assert r.q('show search_path') == [('pg_catalog, public',)]
        r.send(bind('', 'mine', ['4']) + execute() + sync())
        assert rows(r.until_ready()) == [('5',)]
        r.simple("notify news, 'own'")  # it knows itself by what it was told when it came
        assert r.notifications[-1] == (r.key[0], 'news', 'own')
        r.simple('unlisten *')
        eventually(lambda: not pins(wp, 'listener'))
    assert 'listens again after' in wp.log()


def test_a_server_that_does_not_answer(server, weir):
    """The connection that it gets next hangs without closing; outside of a cluster nobody else notices."""
    w = weir([server], server_connect_timeout=3)
    with listener(w, dbname='alone') as r:
        with w.raw(dbname='alone', params={'application_name': 'other'}) as other:
            first, hangs = r.one('select pg_backend_pid()'), other.one('select pg_backend_pid()')
            assert first != hangs
        known(w)
        os.kill(int(hangs), signal.SIGSTOP)
        try:
            server.terminate_backends('pid = %s' % first)
            hears_of_it(r)
        finally:
            os.kill(int(hangs), signal.SIGCONT)
        assert r.one('select pg_backend_pid()') not in (first, hangs)
        hears(w, r)
    assert 'not answered within server_connect_timeout' in w.log()


def test_the_connection_is_ended(server, wp):
    with listener(wp) as r, listener(wp, dbname='off') as off:
        for _ in range(5):  # it is no matter how often
            server.terminate_backends("datname = 'app' and application_name = 'listener'")
            hears_of_it(r)
            hears(wp, r)
            known(wp)
        is_closed(off, '57P01', '08006')


def test_the_server_is_restarted(server, wp):
    with listener(wp) as r, listener(wp, dbname='off') as off:
        server.stop('fast')
        is_closed(off, '57P01', '08006')
        server.start()
        hears_of_it(r)
        hears(wp, r)


def waits(w):
    eventually(lambda: 'waiting' in [c['state'] for c in w.admin('SHOW CLIENTS') if c['application_name'] == 'listener'])


def test_while_there_is_no_server(server, weir):
    wp, short, alone, ends = weir([server]), weir([server], cluster=dict(hold_timeout=1)), weir([server], query_wait_timeout=1), weir([server])
    r, leaves, held, queued, last = (listener(w, dbname=d) for w, d in ((wp, 'app'), (wp, 'app'), (short, 'app'), (alone, 'alone'), (ends, 'app')))
    server.kill9()
    try:
        for w in wp, ends:
            waits(w)
        # what the client sends waits as well, and there is nothing to cancel yet
        r.send(query("insert into t values ('waits')") + batch('select count(*) from t where v = $1', ['waits']) + sync())
        with wp.bare() as other:
            other.send(cancel_request(*r.key))
            other.expect_closed()
        leaves.shut()
        eventually(lambda: len([c for c in wp.admin('SHOW CLIENTS') if c['application_name'] == 'listener']) == 1)
        error = is_closed(held, '57P03')
        assert 'no primary' in error['M'] and 'LISTEN anew' in error['H'], error
        error = is_closed(queued, '57014')
        assert 'query_wait_timeout' in error['M'] and 'LISTEN anew' in error['H'], error
        ends.kill(signal.SIGINT)
        last.expect_closed()
        assert ends.wait() == 0
    finally:
        server.start()
    out = r.until_ready(2)
    assert [m.fields['C'] for m in out if m.type == 'N'] == [WARNING] and kinds(out)[:2] == 'CZ' and rows(out) == [('1',)], out
    hears(wp, r)


def test_psycopg(server, wp):
    with wp.connect(application_name='listener') as c:
        c.execute('listen news')
        known(wp)
        told = []
        c.add_notice_handler(lambda d: told.append(d.sqlstate))
        server.terminate_backends("application_name = 'listener'")
        wp.wait_log('listens again after')
        with wp.connect(dbname='off') as other:
            other.execute("notify news, 'again'")
        assert next(c.notifies()).payload == 'again' and told == [WARNING]


def test_asyncpg(server, wp):
    async def run():
        c = await asyncpg.connect(host='127.0.0.1', port=wp.port, user='app', password='app', database='app',
                                  server_settings={'application_name': 'listener'})
        heard, told = asyncio.Queue(), asyncio.Queue()
        c.add_log_listener(lambda _, m: told.put_nowait(m.sqlstate))
        await c.add_listener('news', lambda *a: heard.put_nowait(a[3]))
        await asyncio.to_thread(known, wp)
        await asyncio.to_thread(server.terminate_backends, "application_name = 'listener'")
        assert await asyncio.wait_for(told.get(), 60) == WARNING
        with wp.connect(dbname='off') as other:
            other.execute("notify news, 'again'")
        assert await asyncio.wait_for(heard.get(), 60) == 'again'
        assert await c.fetchval('select $1::int', 5) == 5
        await c.close()
    asyncio.run(run())


LONG = 'x' * 63
WHAT = [
    (['listen News', 'listen "News"', 'listen "a ""b"" \\c"'], ['news', 'News', 'a "b" \\c']),
    (['listen a; listen b', 'unlisten a'], ['b']),
    (['listen b', 'begin', 'listen a', 'rollback'], ['b']),
    (['listen b', 'begin', 'listen c', 'savepoint s', 'listen a', 'rollback to s', 'commit'], ['b', 'c']),
    (['listen b', 'begin', 'select 1/0', 'listen a', 'commit'], ['b']),
    (['listen a', 'discard all', "set application_name = 'listener'", 'listen b'], ['b']),
    (['listen "%sand more"' % LONG], [LONG]),
    (["select hear('Within')", "do $$ begin perform hear('deep'); end $$"], ['Within', 'deep']),
    (['listen "\u00e4\u20ac\U0001f418\\"', 'listen "\u00e4"', r'listen U&"\+0000e5"'], ['\u00e4\u20ac\U0001f418\\', '\u00e4', '\u00e5']),
    (['; '.join('listen c%d' % i for i in range(256))], sorted('c%d' % i for i in range(256))),
]


@pytest.mark.parametrize('sql, what', WHAT, ids=[w[0][0][:20].encode('ascii', 'replace').decode() for w in WHAT])
def test_it_listens_to_the_same(server, wp, sql, what):
    """What the server says, not what the texts look like."""
    with listener(wp, sql) as r:
        was = channels(r)
        assert was == sorted(what)
        known(wp)
        server.terminate_backends("application_name = 'listener'")
        hears_of_it(r)
        assert channels(r) == was


@pytest.mark.parametrize('sql, pin', [
    ('create temp table gone (a int)', 'temp'), ('select pg_advisory_lock(4)', 'advisory'), ('begin; declare c cursor with hold for select 1; commit', 'cursor'),
    ("select nextval('s'), currval('s')", 'sequence'), ('; '.join('listen c%d' % i for i in range(257)), None), ('begin', None),
    ('select setseed(0.5)', 'setseed')], ids=lambda v: str(v)[:20])
def test_more_than_channels_is_lost(server, wp, sql, pin):
    """The session ends, as without the option."""
    with listener(wp) as r:
        r.simple(sql)
        if pin:
            known(wp, pin=pin)
        elif 'listen' in sql:
            eventually(lambda: len(r.q('select pg_listening_channels()')) > 256)
        if sql == 'begin':
            known(wp)
        server.terminate_backends("application_name = 'listener'")
        error = is_closed(r, '57P01', '08006')
        assert 'listen' in error.get('H', '')


def test_another_sessions_sequence(server, wp):
    """currval() means what the session itself has drawn: on its new connection another one has."""
    with listener(wp) as r:
        with wp.connect() as other:
            other.execute("select nextval('s')")  # on a connection that the listener gets next
            eventually(lambda: len(wp.admin('SHOW SERVERS')) == 2)
        server.terminate_backends("application_name = 'listener'")
        hears_of_it(r)
        [e] = errors(r.simple("select currval('s')"))
        assert e['C'] == '55000' and 'given away' in e['M'], e
        mine = r.q("select nextval('s')")
        assert r.q("select currval('s')") == mine


def test_the_end_that_is_meant_for_the_client(server, wp):
    """idle_session_timeout is the server's word about whoever is idle."""
    with listener(wp, ['listen news', 'set idle_session_timeout = 2000']) as r:
        assert 'idle-session timeout' in str(is_closed(r, '57P05', '08006'))


def test_an_upgrade(server, wp):
    """What it listens to goes along with its connection."""
    with listener(wp) as r:
        moved(wp, upgrade(wp))
        server.terminate_backends("application_name = 'listener'")
        hears_of_it(r)
        hears(wp, r)
