"""Transaction pooling without surprises: session state follows the client, not the link.

Most tests put several clients on one or two links; the last word on what a client must see has a direct connection."""
import random
import threading
import time

import psycopg
import pytest
import rawpg
from fakepg import FakeServer, msg, ready, reply_to_query
from servers import eventually

pytestmark = pytest.mark.both_workers


def setting(client, name):
    return client.one("select current_setting('%s', true)" % name)


def test_custom_setting_of_a_statement_that_runs_later(weirpool, pg15):
    """Statements that pass under the session's own names: what they set has been read in them long before they run."""
    wp = weirpool(pg15, default_pool_size=1, max_prepared_statements=0)
    a, b = wp.raw(), wp.raw()
    for prepare, run in ((rawpg.parse('s', "set app.late = 'a'") + rawpg.sync(), rawpg.bind('', 's') + rawpg.execute() + rawpg.sync()),
                         (rawpg.query("prepare s as select set_config('app.late', 'a', false)"), rawpg.query('execute s'))):
        a.send(prepare).until_ready()
        a.simple('select 1')
        a.simple("select set_config('app.other', 'a', false)")  # the server is asked, and more than once
        a.simple('select 1')
        a.send(run).until_ready()
        assert setting(a, 'app.late') == 'a'
        a.simple('deallocate all')
        assert setting(b, 'app.late') in (None, '') and setting(b, 'app.other') in (None, '')
        assert setting(a, 'app.late') == 'a'
        a.simple("reset app.late")
        begin_end(b)


def begin_end(client):
    """A transaction of another client, so that the one link certainly changes hands."""
    client.simple('begin')
    client.simple('select 1')
    client.simple('commit')


def unpinned(wp, database='app', user='app'):
    eventually(lambda: wp.pool(database, user)['sv_active'] == 0)


def held(wp, database='app', user='app'):
    """How many links are with a client now."""
    time.sleep(0.1)
    return wp.pool(database, user)['sv_active']


@pytest.fixture
def one(weirpool, pg15):
    """A weirpool with one link, and a function that makes clients."""
    return weirpool(pg15, default_pool_size=1, query_wait_timeout=5)


@pytest.fixture
def two(weirpool, pg15):
    return weirpool(pg15, default_pool_size=2, query_wait_timeout=5)


# --- SET and RESET
def test_set_stays_with_its_client(one):
    a, b, c = one.raw(), one.raw(), one.raw()
    default = setting(c, 'work_mem')
    a.simple("set work_mem = '1MB'")
    b.simple("set work_mem = '2MB'")
    for _ in range(3):
        assert (setting(a, 'work_mem'), setting(b, 'work_mem'), setting(c, 'work_mem')) == ('1MB', '2MB', default)
    a.simple('reset work_mem')
    assert (setting(a, 'work_mem'), setting(b, 'work_mem')) == (default, '2MB')


@pytest.mark.parametrize('sql,name,value', [
    ("set session work_mem = '3MB'", 'work_mem', '3MB'),
    ("SET work_mem TO '3MB'", 'work_mem', '3MB'),
    ('set work_mem = 3072', 'work_mem', '3MB'),
    ("select set_config('work_mem', '3MB', false)", 'work_mem', '3MB'),
    ("select pg_catalog.set_config('work_mem', '3MB', false)", 'work_mem', '3MB'),
    ('set "work_mem" = \'3MB\'', 'work_mem', '3MB'),
    ("/* set */ set -- x\n work_mem /* y */ = '3MB'", 'work_mem', '3MB'),
    ("update pg_settings set setting = '3072' where name = 'work_mem'", 'work_mem', '3MB'),
    ("set time zone 'America/New_York'", 'TimeZone', 'America/New_York'),
    ("set time zone interval '+05:30' hour to minute", 'TimeZone', '<+05:30>-05:30'),
    ("set names 'LATIN1'", 'client_encoding', 'LATIN1'),
    ("set schema 'pg_catalog'", 'search_path', 'pg_catalog'),
    ('set search_path = "$user", pg_catalog', 'search_path', '"$user", pg_catalog'),
    ("set datestyle = 'German'", 'DateStyle', 'German, DMY'),
    ('set intervalstyle = iso_8601', 'IntervalStyle', 'iso_8601'),
    ('set xml option document', 'xmloption', 'document'),
    ('set session characteristics as transaction isolation level serializable', 'default_transaction_isolation',
     'serializable'),
    ('set session characteristics as transaction read only', 'default_transaction_read_only', 'on'),
    ("set app.tenant = 'seven'", 'app.tenant', 'seven'),
    ("set app.quote = 'it''s \"odd\" \\ '", 'app.quote', 'it\'s "odd" \\ '),
    ("set \"App.Mixed\" = 'x'", 'app.mixed', 'x'),
    ("set application_name = 'my app'", 'application_name', 'my app'),
    ('set statement_timeout = 12345', 'statement_timeout', '12345ms'),
    ("set extra_float_digits = -1", 'extra_float_digits', '-1'),
    ("set bytea_output = 'escape'", 'bytea_output', 'escape'),
    ("set standard_conforming_strings = off", 'standard_conforming_strings', 'off'),
    ("set seq_page_cost = 0.1; set seq_page_cost = 0.2", 'seq_page_cost', '0.2'),
    ("do $$ begin set work_mem = '3MB'; end $$", 'work_mem', '3MB'),
    ("do $$ begin perform set_config('app.hidden', 'h', false); end $$", 'app.hidden', 'h'),
])
def test_every_way_to_set(two, sql, name, value):
    a, b = two.raw(), two.raw()
    before = setting(b, name)
    a.simple(sql)
    for _ in range(3):
        b.simple('begin')
        assert setting(b, name) in (before, before or '')
        assert setting(a, name) == value
        b.simple('commit')
        assert setting(b, name) in (before, before or '')


@pytest.mark.parametrize('protocol', ['simple', 'extended'])
def test_set_in_each_protocol(one, protocol):
    a, b = one.raw(), one.raw()
    run = a.simple if protocol == 'simple' else a.ext
    run("set work_mem = '5MB'")
    begin_end(b)
    assert setting(a, 'work_mem') == '5MB' and setting(b, 'work_mem') != '5MB'
    run('reset all')
    begin_end(b)
    assert setting(a, 'work_mem') == setting(b, 'work_mem')


def test_set_config_with_parameters(one):
    """The text says nothing of the value: it is in Bind."""
    a, b = one.raw(), one.raw()
    a.ext('select set_config($1, $2, false)', ['app.tenant', 'a'])
    b.ext('select set_config($1, $2, false)', ['app.tenant', 'b'])
    for _ in range(3):
        assert (setting(a, 'app.tenant'), setting(b, 'app.tenant')) == ('a', 'b')


def test_set_config_of_many_rows(two):
    """Names that are put together cannot be known: the client keeps its link, and nobody else sees them."""
    a, b = two.raw(), two.raw()
    a.q("select set_config('app.k' || g, 'v' || g, false) from generate_series(1, 20) g")
    begin_end(b)
    for g in (1, 20):
        assert setting(a, 'app.k%d' % g) == 'v%d' % g
        assert setting(b, 'app.k%d' % g) in (None, '')


def test_set_inside_a_function_never_leaks(two, pg15):
    with pg15.connect('app') as c:
        c.execute("create or replace function public.sneaky(v text) returns void language plpgsql as"
                  " $$ begin perform set_config('app.sneaky', v, false); end $$")
    a, b = two.raw(), two.raw()
    a.q("select public.sneaky('a')")
    for _ in range(5):
        assert setting(b, 'app.sneaky') in (None, '')
        b.simple('begin')
        assert setting(b, 'app.sneaky') in (None, '')
        assert setting(a, 'app.sneaky') == 'a'
        b.simple('commit')


def test_set_local_ends_with_its_transaction(one):
    a, b = one.raw(), one.raw()
    a.simple("set work_mem = '2MB'")
    a.simple('begin')
    a.simple("set local work_mem = '9MB'")
    a.q("select set_config('app.local', 'x', true)")
    assert setting(a, 'work_mem') == '9MB' and setting(a, 'app.local') == 'x'
    a.simple('commit')
    assert setting(a, 'work_mem') == '2MB' and setting(a, 'app.local') in (None, '')
    assert setting(b, 'work_mem') not in ('2MB', '9MB')


def test_set_rolls_back(one):
    a, b = one.raw(), one.raw()
    a.simple("set work_mem = '2MB'")
    a.simple('begin')
    a.simple("set work_mem = '9MB'")
    a.simple('rollback')
    begin_end(b)
    assert setting(a, 'work_mem') == '2MB'
    a.simple("begin; set work_mem = '9MB'")
    a.simple('select 1/0')
    assert a.simple('commit')[0].tag == 'ROLLBACK'
    begin_end(b)
    assert setting(a, 'work_mem') == '2MB'


def test_set_in_an_implicit_transaction_that_fails(one):
    a, b = one.raw(), one.raw()
    a.simple("set work_mem = '9MB'; select 1/0")
    begin_end(b)
    assert setting(a, 'work_mem') == setting(b, 'work_mem')
    out = a.send(rawpg.batch("set work_mem = '9MB'") + rawpg.batch('select 1/0') + rawpg.sync()).until_ready()
    assert rawpg.errors(out)
    begin_end(b)
    assert setting(a, 'work_mem') == setting(b, 'work_mem')


def test_set_with_savepoints(one):
    a, b = one.raw(), one.raw()
    a.simple('begin')
    a.simple("set work_mem = '2MB'")
    a.simple('savepoint s')
    a.simple("set work_mem = '3MB'")
    a.simple("set app.sp = 'inner'")
    a.simple('rollback to s')
    a.simple("set application_name = 'kept'")
    a.simple('savepoint s2')
    a.simple("set random_page_cost = 9")
    a.simple('release s2')
    a.simple('commit')
    begin_end(b)
    assert setting(a, 'work_mem') == '2MB' and setting(a, 'app.sp') in (None, '')
    assert setting(a, 'application_name') == 'kept' and setting(a, 'random_page_cost') == '9'
    assert setting(b, 'random_page_cost') == '4' and setting(b, 'application_name') != 'kept'


def test_reset_all_and_discard_all(one):
    a, b = one.raw(), one.raw()
    for wipe in ('reset all', 'discard all'):
        a.simple("set work_mem = '2MB'; set app.x = 'y'; set application_name = 'n'")
        b.simple("set work_mem = '6MB'")
        a.simple(wipe)
        for _ in range(2):
            assert setting(b, 'work_mem') == '6MB'
            assert setting(a, 'work_mem') == '4MB' and setting(a, 'app.x') in (None, '')
            assert setting(a, 'application_name') == ''


def test_set_from_current_and_default(one):
    a, b = one.raw(), one.raw()
    a.simple("set work_mem = '2MB'")
    a.simple('set work_mem to default')
    begin_end(b)
    assert setting(a, 'work_mem') == '4MB'
    a.simple("begin; set local work_mem = '7MB'; set session work_mem = '8MB'; commit")
    begin_end(b)
    assert setting(a, 'work_mem') == '8MB'


def test_role_defaults_return(weirpool, pg15):
    pg15.query("alter role app2 set work_mem = '11MB'")
    wp = weirpool(pg15, default_pool_size=1)
    a, b = wp.raw('app2'), wp.raw('app2')
    assert setting(a, 'work_mem') == '11MB'
    a.simple("set work_mem = '1MB'")
    assert setting(b, 'work_mem') == '11MB'
    a.simple('reset work_mem')
    begin_end(b)
    assert setting(a, 'work_mem') == '11MB'
    pg15.query('alter role app2 reset work_mem')


SETTINGS = ['work_mem', 'application_name', 'search_path', 'TimeZone', 'DateStyle', 'statement_timeout', 'app.tenant',
            'app.other', 'extra_float_digits', 'enable_seqscan']
VALUES = {'work_mem': ['1MB', '2MB', '77kB'], 'application_name': ['x', 'y y', "q'q"], 'TimeZone': ['UTC', 'Asia/Tokyo'],
          'search_path': ['public', 'pg_catalog, public'], 'DateStyle': ['ISO, DMY', 'SQL, MDY'],
          'statement_timeout': ['1min', '2min'], 'app.tenant': ['t1', 't2', ''], 'app.other': ['o1', 'o2'],
          'extra_float_digits': ['0', '3'], 'enable_seqscan': ['on', 'off']}


def random_step(rnd, in_tx):
    n = rnd.choice(SETTINGS)
    v = rnd.choice(VALUES[n])
    quoted = v if n == 'search_path' else "'%s'" % v.replace("'", "''")
    steps = ['set %s = %s' % (n, quoted), 'set %s to %s' % (n, quoted), 'select 1',
             "select set_config('%s', '%s', false)" % (n, v.replace("'", "''"))]
    if in_tx:
        steps += ['set local %s = %s' % (n, quoted), 'savepoint s', 'rollback to s', 'release s', 'commit', 'rollback',
                  'select 1/0', 'commit', 'rollback']
    else:
        steps += ['begin', 'begin', 'reset all', 'reset %s' % n, 'begin; set %s = %s; commit' % (n, quoted),
                  'set %s = %s; select 1/0' % (n, quoted), 'begin; set %s = %s; rollback' % (n, quoted)]
    return rnd.choice(steps)


STARTED = {'application_name': 'mine', 'search_path': '"$user", pg_catalog, "Odd, one"', 'app.tenant': "t'1", 'DateStyle': 'SQL, DMY',
           'work_mem': '3MB', 'TimeZone': 'Asia/Tokyo'}
RESETS = ['reset application_name', 'reset search_path', 'reset APP.tenant', 'RESET ALL', 'set datestyle to default', 'set time zone local',
          'reset timezone;', 'set local work_mem to default', 'set session work_mem = default -- why', '/* x */ reset work_mem']
DISTURB = ("set application_name to x; set search_path to public; set app.tenant to y; set datestyle to iso; set work_mem to '1MB'; "
           "set timezone to 'UTC'")


@pytest.fixture
def twins(one, pg15):
    """A client of weirpool and one of the server, both with the same startup parameters."""
    d = rawpg.Raw(pg15.port)
    d.login(params=STARTED)
    return one.raw(params=STARTED), d


def view(c):
    out = c.simple("select %s" % ', '.join("current_setting('%s', true)" % n for n in STARTED))
    return rawpg.rows(out), [(m.type, m.body) for m in out if m.type != 'S']


@pytest.mark.parametrize('protocol', ['simple', 'extended'])
def test_reset_of_a_startup_parameter_within_its_transaction(twins, one, protocol):
    a, d = twins
    b = one.raw()
    for reset, end in [(r, e) for r in RESETS for e in ('commit', 'rollback')]:
        for statement in (DISTURB, 'begin', reset, 'set transaction isolation level serializable', 'select 1', 'savepoint s', DISTURB,
                          reset, 'rollback to s', end):
            got = []
            for c in (a, d):
                if statement == reset and protocol == 'extended':
                    out = c.send(rawpg.batch(statement) + rawpg.sync()).until_ready()
                else:
                    out = c.simple(statement)
                got.append([(m.type, m.body) for m in out if m.type != 'S'])
            assert got[0] == got[1], (reset, statement)
            if statement not in ('begin', 'savepoint s') and 'isolation' not in statement and statement != reset:
                assert view(a) == view(d), (reset, statement)
        begin_end(b)
        assert view(a) == view(d), (reset, end)
    assert {n: a.params[n] for n in ('application_name', 'DateStyle', 'TimeZone')} == {
        n: d.params[n] for n in ('application_name', 'DateStyle', 'TimeZone')}


@pytest.mark.parametrize('mode', ['simple', 'pipelined', 'session'])
def test_reset_of_a_startup_parameter_at_once(weirpool, pg15, mode):
    """What follows in the same write sees it already."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5, pool_mode='session' if mode == 'session' else 'transaction')
    a, d = wp.raw(params=STARTED), rawpg.Raw(pg15.port)
    d.login(params=STARTED)
    show = rawpg.query("select %s" % ', '.join("current_setting('%s', true)" % n for n in STARTED))
    for reset in [*RESETS, 'discard all']:
        replies = []
        for c in (a, d):
            if mode == 'simple':
                c.simple(DISTURB)
                out = c.simple(reset) + c.send(show).until_ready()
            else:
                out = c.send(rawpg.query('select 1') + rawpg.query(DISTURB) + rawpg.query(reset) + show).until_ready(4)
            replies.append([(m.type, m.body) for m in out if m.type not in 'S'])
        assert replies[0] == replies[1], reset


@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_a_reset_whose_execute_comes_in_pieces(weirpool, pg15, mode):
    """What is put behind it does not come in its middle."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5, pool_mode=mode)
    a = wp.raw(params=STARTED)
    before = view(a)
    run = rawpg.execute('portal', 2)
    for cut in range(1, len(run)):
        for reset in ('reset all', 'reset application_name'):
            a.send(rawpg.parse('', reset) + rawpg.bind('portal') + rawpg.flush() + run[:cut])
            assert rawpg.kinds(a.recv_until('2')) == '12'
            a.send(run[cut:] + rawpg.sync())
            assert rawpg.kinds(a.until_ready()) == 'CZ', (cut, reset)
    assert view(a) == before


def test_a_reset_that_is_bound_and_not_executed(twins, one):
    """What is executed is another portal, of before: the session's own values stay."""
    for c in twins:
        c.simple(DISTURB)
        c.simple('begin')
        out = c.send(rawpg.parse('', 'select 1') + rawpg.bind('other') + rawpg.parse('', 'reset all') + rawpg.bind() +
                     rawpg.execute('other') + rawpg.sync()).until_ready()
        assert rawpg.kinds(out) == '1212DCZ'
        c.simple('commit')
    begin_end(one.raw())
    a, d = map(view, twins)
    assert a == d


@pytest.mark.parametrize('mode', ['transaction', 'session'])
@pytest.mark.parametrize('protocol', ['simple', 'extended'])
def test_a_reset_is_not_told_of_what_is_not_so(weirpool, pg15, mode, protocol):
    """The server's own value stands for a moment before the session's: a driver that hears of it may give up. And whatever comes at
    once meets the session's."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5, pool_mode=mode)
    a, d = wp.raw(params=STARTED), rawpg.Raw(pg15.port)
    d.login(params=STARTED)
    for reset in ('discard all', 'reset all'):
        for before in ('select 1', "set timezone to 'UTC'"):
            for c in (a, d):
                c.simple(before)
            data = rawpg.query(reset) if protocol == 'simple' else rawpg.batch(reset) + rawpg.sync()
            for c in (a, d):
                told = c.send(data).until_ready() + c.send(rawpg.query('show datestyle') + rawpg.query('show timezone')).until_ready(2)
                assert rawpg.rows(told) == [('SQL, DMY',), ('Asia/Tokyo',)], (reset, before)
                assert {m.param for m in told if m.type == 'S'} <= {('TimeZone', 'Asia/Tokyo')}, (reset, before)
            assert a.params['TimeZone'] == d.params['TimeZone'] == 'Asia/Tokyo'
    a.bye()
    d.bye()


def test_a_session_gets_its_startup_parameters_back_whatever_it_sends_meanwhile(weirpool, pg15):
    """Session mode, in which an extended RESET is seen only by its answer: then the server is asked, and set right when it is idle."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5, pool_mode='session')
    a = wp.raw(params=STARTED)
    for reset in ('reset all', 'discard all'):
        for _ in range(20):
            a.send(rawpg.batch(reset) + rawpg.sync() + rawpg.query('select 1')).until_ready()
            a.send(rawpg.query('select 2')).until_ready(2)
            assert a.one('show datestyle') == 'SQL, DMY'
        a.send(rawpg.batch(reset) + rawpg.batch('set datestyle to german') + rawpg.sync()).until_ready()
        assert a.one('show datestyle') == 'German, DMY' == a.params['DateStyle']
        a.send(rawpg.batch(reset) + rawpg.batch('set datestyle to iso, mdy') + rawpg.sync()).until_ready()
        assert a.one('show datestyle') == 'ISO, MDY' == a.params['DateStyle']
    a.bye()


@pytest.mark.parametrize('seed', range(6))
def test_random_state_equals_a_direct_connection(weirpool, pg15, workers, seed):
    """Six clients on two links do at random what sets and resets; each has a twin with a connection of its own."""
    wp = weirpool(pg15, default_pool_size=2, query_wait_timeout=20)
    rnd = random.Random(seed * 10 + workers)
    clients = []
    for i in range(6):
        params = {'application_name': 'start%d' % i} if i % 2 else {'options': '-c work_mem=%dMB' % (i + 5)}
        c = wp.raw(params=params)
        d = rawpg.Raw(pg15.port)
        d.login(params=params)
        clients.append([c, d, 'I', []])
    both = "select " + ', '.join("coalesce(current_setting('%s', true), '')" % n for n in SETTINGS)
    for _ in range(250):
        busy = [c for c in clients if c[2] != 'I']
        me = rnd.choice(busy) if len(busy) >= 2 else rnd.choice(clients)
        sql = random_step(rnd, me[2] != 'I')
        me[3].append(sql)
        run = rnd.choice(['simple', 'ext']) if ';' not in sql else 'simple'
        replies = []
        for conn in me[:2]:
            if run == 'simple':
                out = conn.simple(sql)
            else:
                out = conn.send(rawpg.batch(sql) + rawpg.sync()).until_ready()
            replies.append(([m.type for m in out if m.type not in 'SN'], [e['C'] for e in rawpg.errors(out)], out[-1].status))
        assert replies[0] == replies[1], (seed, me[3][-20:])
        me[2] = replies[0][2]
        if me[2] != 'E':
            seen, true = me[0].q(both), me[1].q(both)
            assert seen == true, (seed, me[3][-30:])
            for n in ('TimeZone', 'DateStyle', 'application_name'):
                assert me[0].params[n] == me[1].params[n], (seed, n, me[3][-30:])


# --- what the client is told
def test_parameter_status_follows_the_client(one):
    a, b = one.raw(), one.raw()
    a.simple("set timezone = 'Asia/Tokyo'")
    b.simple("set timezone = 'America/Lima'")
    assert a.params['TimeZone'] == 'Asia/Tokyo' and b.params['TimeZone'] == 'America/Lima'
    for _ in range(3):
        a.simple('select 1')
        b.simple('select 1')
        assert a.params['TimeZone'] == 'Asia/Tokyo' and b.params['TimeZone'] == 'America/Lima'
    a.simple('begin')
    a.simple("set timezone = 'Europe/Prague'")
    assert a.params['TimeZone'] == 'Europe/Prague'
    a.simple('rollback')
    assert a.params['TimeZone'] == 'Asia/Tokyo'


def test_switching_links_is_silent(one):
    """Restoring state must not show to the client: no ParameterStatus, no tags of somebody else's SET."""
    a, b = one.raw(), one.raw()
    a.simple("set timezone = 'Asia/Tokyo'; set work_mem = '3MB'; set application_name = 'a'")
    for _ in range(3):
        b.simple("set timezone = 'America/Lima'; set application_name = 'b'")
        out = a.simple('select 1')
        assert [m.type for m in out] == list('TDCZ')
        out = a.send(rawpg.batch('select 1') + rawpg.sync()).until_ready()
        assert [m.type for m in out] == list('12TDCZ')


def test_restoring_costs_no_round_trip(weirpool, workers):
    """A server that answers nothing until the client's own query has come."""
    waiting = threading.Event()
    seen = []

    def handler(conn):
        conn.login()
        while True:
            kind, body = conn.read_msg()
            seen.append(body)
            pending = [(kind, body)]
            if b'work_mem' in body or b'work_mem' in b''.join(b for _, b in pending):
                conn.sock.settimeout(3)
                while b'the question' not in pending[-1][1] and waiting.is_set():
                    pending.append(conn.read_msg())
                conn.sock.settimeout(None)
            for k, p in pending:
                if k == 'Q':
                    tag = p.split(None, 1)[0].upper() if p.strip(b'\0').strip() else b''
                    if tag in (b'SET', b'RESET', b'BEGIN', b'COMMIT'):
                        conn.send(msg('C', tag + b'\0') + ready())
                    else:
                        conn.send(reply_to_query(p, b'answer'))
                elif k == 'P':
                    conn.send(msg('1'))
                elif k == 'B':
                    conn.send(msg('2'))
                elif k == 'E':
                    conn.send(msg('C', b'SET\0'))
                elif k == 'S':
                    conn.send(ready())
                elif k == 'X':
                    return
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, default_pool_size=1, server_check_query='')
        a, b = wp.raw(), wp.raw()
        a.simple("set work_mem = '3MB'")
        b.simple('select 1')
        waiting.set()
        assert a.q("select 'the question'") == [('answer',)]


def test_application_name_seen_by_the_server(one, pg15):
    a = one.raw(params={'application_name': 'first'})
    b = one.raw(params={'application_name': 'second'})
    for c, n in ((a, 'first'), (b, 'second'), (a, 'first')):
        assert c.one('select application_name from pg_stat_activity where pid = pg_backend_pid()') == n


# --- startup parameters
STARTUP = [
    {'application_name': 'x'}, {'search_path': 'pg_catalog'}, {'extra_float_digits': '2'}, {'statement_timeout': '60001'},
    {'app.tenant': 'acme'}, {'DateStyle': 'SQL, DMY'}, {'TimeZone': 'Asia/Tokyo'}, {'client_encoding': 'LATIN1'},
    {'geqo': 'off'}, {'work_mem': '5555'}, {'default_transaction_isolation': 'serializable'},
    {'idle_in_transaction_session_timeout': '99999'}, {'IntervalStyle': 'iso_8601'}, {'lock_timeout': '12s'},
]


@pytest.mark.parametrize('params', STARTUP, ids=lambda p: next(iter(p)))
def test_startup_parameter_works(one, params):
    (name, _), = params.items()
    plain = one.raw()
    before = setting(plain, name)
    a = one.raw(params=params)
    with rawpg.Raw(one.server.port) as d:
        d.login(params=params)
        true = setting(d, name)
        for _ in range(3):
            assert setting(a, name) == true
            assert setting(plain, name) in (before, before or '')
        # the session's default is the startup value, as on a real server
        for conn in (a, d):
            if name == 'app.tenant':
                conn.simple("set app.tenant = 'changed'")
            else:
                conn.simple('set %s to default' % name)
            conn.simple('reset %s' % name)
        begin_end(plain)
        assert setting(a, name) == setting(d, name)
        a.simple('reset all')
        begin_end(plain)
        assert setting(a, name) == true
        assert {k: v for k, v in a.params.items()} == d.params


@pytest.mark.parametrize('options,name,value', [
    ('-c work_mem=5MB', 'work_mem', '5MB'),
    ('-cwork_mem=5MB', 'work_mem', '5MB'),
    ('--work_mem=5MB', 'work_mem', '5MB'),
    ('--work-mem=5MB', 'work_mem', '5MB'),
    ('  -c geqo=off   -c   work_mem=5MB ', 'work_mem', '5MB'),
    ('-c app.tenant=a\\ b', 'app.tenant', 'a b'),
    ('-c app.tenant=a\\\\b', 'app.tenant', 'a\\b'),
    ("-c app.tenant=it's", 'app.tenant', "it's"),
    ('-c search_path=pg_catalog,public', 'search_path', 'pg_catalog,public'),
    ('-c TimeZone=Asia/Tokyo', 'TimeZone', 'Asia/Tokyo'),
    ('-c work_mem=5MB -c work_mem=6MB', 'work_mem', '6MB'),
    ('-c default_transaction_read_only=on', 'default_transaction_read_only', 'on'),
])
def test_options_parameter(one, options, name, value):
    plain = one.raw()
    a = one.raw(params={'options': options})
    for _ in range(2):
        assert setting(a, name) == value
        assert setting(plain, name) != value
    a.simple('reset all')
    begin_end(plain)
    assert setting(a, name) == value


@pytest.mark.parametrize('params', [{'no_such_parameter': '1'}, {'work_mem': 'much'}, {'options': '-c no_such_parameter=1'},
                                    {'options': '-c work_mem=much'}, {'TimeZone': 'Nowhere/At_All'}],
                         ids=['name', 'value', 'opt-name', 'opt-value', 'zone'])
def test_bad_startup_parameter_is_an_error(two, params):
    """It is told at the login or with the first query, with the server's words; nobody else notices."""
    word = 'no_such_parameter' if 'no_such' in str(params) else 'work_mem' if 'work_mem' in str(params) else 'TimeZone'
    with pytest.raises(rawpg.PgError) as e:
        r = two.raw(params=params)
        r.q('select 1')
    assert word.lower() in e.value.message.lower()
    assert 'unsupported startup parameter' not in e.value.message
    b = two.raw()
    for _ in range(3):
        assert b.one('select 1') == '1'


def test_startup_parameter_that_needs_a_superuser(two):
    with pytest.raises(rawpg.PgError) as e:
        two.raw(params={'log_statement': 'all'}).q('select 1')
    assert e.value.sqlstate == '42501'
    assert setting(two.raw(), 'log_statement') == 'none'


def test_parameters_by_libpq(one):
    with psycopg.connect(one.dsn(options='-c app.tenant=lib -c work_mem=6MB', application_name='libpq app'),
                         autocommit=True) as a, one.connect() as b:
        for _ in range(2):
            assert b.execute("select current_setting('app.tenant', true), current_setting('work_mem')").fetchone()[1] == '4MB'
            assert a.execute("select current_setting('app.tenant'), current_setting('work_mem'), "
                             "current_setting('application_name')").fetchone() == ('lib', '6MB', 'libpq app')


# --- roles
def test_set_role(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    a, b = wp.raw('super'), wp.raw('super')
    a.simple('set role app')
    for _ in range(3):
        assert a.one('select current_user') == 'app'
        assert b.one('select current_user') == 'super'
    a.simple('begin')
    a.simple('set local role app2')
    assert a.one('select current_user') == 'app2'
    a.simple('commit')
    begin_end(b)
    assert a.one('select current_user') == 'app'
    a.simple('begin; set role app2; rollback')
    begin_end(b)
    assert a.one('select current_user') == 'app'
    a.simple('reset role')
    begin_end(b)
    assert a.one('select current_user') == 'super'
    a.simple('set role none')
    assert a.one('select current_user') == 'super'


def test_session_authorization(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    a, b = wp.raw('super'), wp.raw('super')
    a.simple("set session authorization 'app'")
    for _ in range(3):
        assert a.q('select session_user, current_user') == [('app', 'app')]
        assert b.q('select session_user, current_user') == [('super', 'super')]
    a.simple('set role none')
    a.simple('reset session authorization')
    begin_end(b)
    assert a.q('select session_user, current_user') == [('super', 'super')]
    a.simple('set session authorization app')
    a.simple("set work_mem = '5MB'")
    begin_end(b)
    assert a.q("select session_user, current_setting('work_mem')") == [('app', '5MB')]
    assert rawpg.errors(a.simple('create role impossible'))[0]['C'] == '42501'
    a.bye()
    assert b.q('select session_user') == [('super',)]


def test_role_left_behind_is_cleaned(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    for leave in ('bye', 'reset'):
        a = wp.raw('super')
        a.simple('set session authorization app; set role app')
        getattr(a, leave)()
        b = wp.raw('super')
        assert b.q('select session_user, current_user') == [('super', 'super')]
        b.bye()


def test_row_level_security_by_setting(weirpool, pg15):
    with pg15.connect('app') as c:
        c.execute('drop table if exists docs; create table docs (tenant text, body text); grant all on docs to app;'
                  'alter table docs enable row level security;'
                  "create policy p on docs using (tenant = current_setting('app.tenant', true))"
                  ";insert into docs values ('red', 'r1'), ('red', 'r2'), ('blue', 'b1')")
    wp = weirpool(pg15, default_pool_size=1)
    red, blue, none = wp.raw(), wp.raw(), wp.raw()
    red.simple("set app.tenant = 'red'")
    blue.ext("select set_config('app.tenant', $1, false)", ['blue'])
    for _ in range(5):
        assert sorted(red.q('select body from docs')) == [('r1',), ('r2',)]
        assert blue.ext('select body from docs') == [('b1',)]
        assert none.q('select body from docs') == []


def test_search_path_decides_the_table(weirpool, pg15):
    with pg15.connect('app') as c:
        for s in ('s1', 's2'):
            c.execute('drop schema if exists %s cascade; create schema %s authorization app;'
                      "create table %s.who as select '%s' as me; grant all on %s.who to app" % ((s,) * 5))
    wp = weirpool(pg15, default_pool_size=1)
    a, b = wp.raw(params={'search_path': 's1'}), wp.raw()
    b.simple('set search_path = s2')
    a.send(rawpg.parse('w', 'select me from who') + rawpg.sync()).until_ready()
    b.send(rawpg.parse('w', 'select me from who') + rawpg.sync()).until_ready()
    for _ in range(4):
        assert a.one('select me from who') == 's1' and b.one('select me from who') == 's2'
        for c, want in ((a, 's1'), (b, 's2')):
            out = c.send(rawpg.bind('', 'w') + rawpg.execute() + rawpg.sync()).until_ready()
            assert rawpg.rows(out) == [(want,)]


def test_client_encoding_per_client(one):
    a, b = one.raw(), one.raw()
    a.simple("set client_encoding = 'LATIN1'")
    for _ in range(2):
        out = a.send(rawpg.query(b"select '\xe9'")).until_ready()
        assert [m.body[6:] for m in out if m.type == 'D'] == [b'\xe9']
        assert b.one("select 'é'") == 'é' and b.one("select octet_length('é')") == '2'
        assert a.params['client_encoding'] == 'LATIN1' and b.params['client_encoding'] == 'UTF8'


def test_read_only_client_does_not_stop_others(one, pg15):
    pg15.query('create table if not exists ro (a int); grant all on ro to app', dbname='app')
    a, b = one.raw(), one.raw()
    a.simple('set default_transaction_read_only = on')
    for _ in range(2):
        assert rawpg.errors(a.simple('insert into ro values (1)'))[0]['C'] == '25006'
        assert b.simple('insert into ro values (1)')[0].tag == 'INSERT 0 1'


# --- what pins
def test_temp_table(two):
    a, b = two.raw(), two.raw()
    a.simple('create temp table t (a int); insert into t values (1)')
    b.simple("create temp table t (a text); insert into t values ('b')")
    for _ in range(3):
        assert a.one('select a from t') == '1' and b.one('select a from t') == 'b'


@pytest.mark.parametrize('make', [
    'create temp table x (a int)', 'create temporary table x (a int)', 'create table pg_temp.x (a int)',
    'create local temp table x (a int)', 'select 1 as a into temp x', 'create temp table x as select 1 as a',
    'create temp view x as select 1 as a', 'create temp sequence x', 'create temp table if not exists x (a int)',
    'do $$ begin create temp table x (a int); end $$', "do $$ begin execute 'create te' || 'mp table x (a int)'; end $$",
    'begin; create temp table x (a int); commit', "set search_path = pg_temp, public; create table x (a int)",
])
def test_temporary_things_belong_to_their_client(two, make):
    a, b = two.raw(), two.raw()
    b.q('select 1')
    assert not rawpg.errors(a.simple(make))
    for _ in range(4):
        assert b.one("select to_regclass('pg_temp.x')") is None
        b.simple('begin')
        assert b.one("select to_regclass('pg_temp.x')") is None
        assert a.one("select to_regclass('pg_temp.x') is not null") == 't'
        b.simple('commit')
    a.bye()
    time.sleep(0.1)
    c, d = two.raw(), two.raw()
    for r in (c, d):
        r.simple('begin')
    for r in (b, c, d)[1:]:
        assert r.one("select count(*) from pg_class where relnamespace = pg_my_temp_schema()") == '0'


def test_temp_table_blocks_only_its_link(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=1)
    a, b = wp.raw(), wp.raw()
    a.simple('create temp table t (a int)')
    with pytest.raises(rawpg.PgError) as e:
        b.q('select 1')
    assert 'pool_size' in str(e.value.fields)
    assert a.one('select count(*) from t') == '0'
    wp.admin('SET query_wait_timeout = 20')
    a.bye()
    assert wp.usable()


@pytest.mark.parametrize('make,end', [
    ('create temp table t (a int)', 'drop table t'),
    ('create temp table t (a int)', 'discard temp'),
    ('create temp table t (a int)', 'discard all'),
    ('begin; create temp table t (a int) on commit drop; commit', 'select 1'),
    ('begin; create temp table t (a int); rollback', 'select 1'),
    ('listen ch', 'unlisten ch'), ('listen ch', 'unlisten *'), ('listen ch', 'discard all'),
    ('listen ch1; listen ch2', 'unlisten ch1; unlisten ch2'),
    ('select pg_advisory_lock(42)', 'select pg_advisory_unlock(42)'),
    ('select pg_advisory_lock(42), pg_advisory_lock(42)', 'select pg_advisory_unlock(42), pg_advisory_unlock(42)'),
    ('select pg_advisory_lock(42)', 'select pg_advisory_unlock_all()'), ('select pg_advisory_lock(42)', 'discard all'),
    ('begin; declare c cursor with hold for select 1; commit', 'close c'),
    ('begin; declare c cursor with hold for select 1; commit', 'close all'),
    ('begin; listen ch; rollback', 'select 1'),
    ('begin; declare c cursor with hold for select 1; rollback', 'select 1'),
])
def test_pin_ends(two, make, end):
    a, b = two.raw(), two.raw()
    assert not rawpg.errors(a.simple(make))
    if end != 'select 1':
        assert held(two) == 1
        assert not rawpg.errors(a.simple(end))
    for _ in range(3):
        a.q('select 1')
        b.q('select 1')
    unpinned(two)


@pytest.mark.parametrize('make,word', [
    ('create temp table t (a int)', 'temp'), ('listen ch', 'listen'), ('select pg_advisory_lock(43)', 'advisory'),
    ('begin; declare c cursor with hold for select 1; commit', 'hold'),
])
def test_reason_of_a_pin_is_visible(two, make, word):
    a = two.raw(params={'application_name': 'the pinned one'})
    assert not rawpg.errors(a.simple(make))
    eventually(lambda: word in str(two.admin('SHOW PINS')).lower())
    a.bye()
    eventually(lambda: word not in str(two.admin('SHOW PINS')).lower())


def test_advisory_lock_is_held_and_released(two):
    a, b = two.raw(), two.raw()
    a.q('select pg_advisory_lock(7)')
    for _ in range(3):
        assert b.one('select pg_try_advisory_lock(7)') == 'f'
        assert a.one('select 1') == '1'
    assert a.one('select pg_advisory_unlock(7)') == 't'
    assert b.one('select pg_try_advisory_lock(7)') == 't'
    b.reset()
    c = two.raw()
    eventually(lambda: c.one('select pg_try_advisory_lock(7)') == 't')


def test_advisory_lock_inside_do_block(two):
    a, b = two.raw(), two.raw()
    a.simple('do $$ begin perform pg_advisory_lock(77); end $$')
    for _ in range(4):
        assert b.one('select pg_try_advisory_lock(77)') == 'f'
        b.simple('begin')
        assert b.one('select pg_try_advisory_lock(77)') == 'f'
        assert a.one('select pg_try_advisory_lock(77)') == 't'
        b.simple('commit')
    a.bye()


def test_advisory_lock_of_a_transaction_does_not_pin(one):
    a, b = one.raw(), one.raw()
    a.q('select pg_advisory_xact_lock(8)')
    assert b.one('select pg_try_advisory_xact_lock(8)') == 't'


def test_listen_and_notify(two):
    a, b = two.raw(), two.raw()
    a.simple('listen ch')
    for i in range(3):
        b.simple("notify ch, 'hello %d'" % i)
        a.recv_until('A')
        assert a.notifications[-1][1:] == ('ch', 'hello %d' % i)
    a.simple('unlisten ch')
    b.simple("notify ch, 'nobody'")
    assert a.quiet(0.3) and b.quiet(0.1)
    a.simple('select 1')
    assert len(a.notifications) == 3


def test_listener_that_leaves_leaves_nothing(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    a = wp.raw()
    a.simple('listen ch')
    a.reset()
    b = wp.raw()
    assert b.q('select pg_listening_channels()') == []
    b.simple("notify ch, 'x'")
    b.simple('select 1')
    assert b.notifications == []


def test_psycopg_notifies(two):
    with two.connect() as a, two.connect() as b:
        a.execute('listen chan')
        b.execute("select pg_notify('chan', 'payload')")
        n = next(a.notifies())
        assert (n.channel, n.payload) == ('chan', 'payload')
        # Drivers know their own notifications by the process id that they were told at login.
        other, own = n.pid, []
        a.add_notify_handler(own.append)
        a.execute('notify chan')
        a.execute("notify chan, '%s'" % ('x' * 7900))
        assert [(n.pid, len(n.payload)) for n in own] == [(a.info.backend_pid, 0), (a.info.backend_pid, 7900)]
        assert other != a.info.backend_pid
        b.execute("notify chan, 'again'")
        assert next(a.notifies()).pid == other


def test_cursor_with_hold(two):
    a, b = two.raw(), two.raw()
    a.simple('begin; declare h cursor with hold for select generate_series(1, 10); commit')
    for i in range(1, 6):
        b.simple('begin; select 1; commit')
        assert a.one('fetch h') == str(i)
        assert rawpg.errors(b.simple('fetch h'))[0]['C'] == '34000'
    a.simple('close h')


def test_load_does_not_stay_for_others(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5)
    count = "select count(*) from pg_settings where name = 'auto_explain.log_min_duration'"
    a = wp.raw('super')
    a.simple("load 'auto_explain'")
    assert a.one(count) == '1'
    a.simple('begin; select 1; commit')
    assert a.one(count) == '1'
    a.bye()
    b = wp.raw('super')
    assert b.one(count) == '0'


def own_or_honest(c, sql, want):
    """The client's own value, or an error that says that it is gone: never somebody else's."""
    out = c.simple(sql)
    assert [r[0] for r in rawpg.rows(out)] == [want] or [e['C'] for e in rawpg.errors(out)] == ['55000'], (want, out)


def test_currval_is_the_clients_own(two, pg15):
    pg15.query('drop sequence if exists sq; create sequence sq; grant all on sequence sq to public', dbname='app')
    a, b = two.raw(), two.raw()
    mine = a.one("select nextval('sq')")
    other = b.one("select nextval('sq')")
    for _ in range(3):
        own_or_honest(a, "select currval('sq')", mine)
        own_or_honest(b, "select currval('sq')", other)
    a.simple('begin')
    mine = a.one("select nextval('sq')")
    assert a.one("select currval('sq')") == mine
    a.simple('commit')


def test_currval_is_not_that_of_who_had_the_connection_before(one, pg15):
    """Neither a request of another kind, nor a currval() that was refused, nor a pin makes it the client's own."""
    pg15.query('drop sequence if exists sq3; create sequence sq3; grant all on sequence sq3 to public', dbname='app')
    a, b = one.raw(), one.raw()
    a.one("select nextval('sq3')")
    for sql in "select currval('sq3')", 'select 1', 'listen sq3', 'select lastval()':
        out = b.simple(sql)
        if 'val' in sql:
            assert [e['C'] for e in rawpg.errors(out)] == ['55000'], (sql, out)
    eventually(lambda: 'listen' in str(one.admin('SHOW PINS')))
    assert rawpg.errors(b.simple("select currval('sq3')"))[0]['C'] == '55000'
    mine = b.one("select nextval('sq3')")
    assert b.one("select currval('sq3')") == mine


def test_currval_in_a_write_is_not_somebody_elses(one, pg15):
    """A child's key must not be that of another session's parent."""
    pg15.query('drop table if exists parent, child, diary; create table parent (id serial primary key); create table child (p int); '
               'create table diary (t text); grant all on parent, parent_id_seq, child, diary to public', dbname='app')
    a = one.raw()
    insert = 'insert into parent default values'

    def another():
        a.simple(insert)
        return one.raw()
    for sql in "insert into child values (currval('parent_id_seq'))", "select currval('parent_id_seq')":
        for begin in 'select 1', 'begin':
            b = another()
            b.simple(begin)
            out = b.simple(sql)
            assert [e['C'] for e in rawpg.errors(out)] == ['55000'], (begin, sql, out)
            b.bye()
    for text in insert + "; insert into child values (currval('parent_id_seq'))", "begin; %s; insert into child values (lastval()); commit" % insert:
        b = another()
        assert not rawpg.errors(b.simple(text))
        [[last]] = pg15.query('select max(id) from parent', dbname='app')
        assert pg15.query('select p from child', dbname='app') == [(last,)]
        pg15.query('truncate child', dbname='app')
        b.bye()
    b = another()
    mine = b.one(insert + ' returning id')
    assert b.one('select lastval()') == mine
    b.simple("insert into diary values ('x')")      # now it keeps its connection
    assert b.one("select currval('parent_id_seq')") == mine


def test_currval_after_writes_on_several_connections(two, pg15):
    """Three sessions draw, write and read on two connections, in any order; then one of them wants to know its own value."""
    pg15.query('drop sequence if exists sq4; create sequence sq4; drop table if exists diary; create table diary (t text); '
               'grant all on sequence sq4 to public; grant all on diary to public', dbname='app')
    rnd = random.Random(4)
    for _ in range(40):
        clients = [[two.raw(), None] for _ in range(3)]
        for c in rnd.choices(clients, k=12):
            what = rnd.choice(['draw', 'write', 'read'])
            if what == 'draw':
                c[1] = c[0].one("select nextval('sq4')")
            else:
                c[0].simple("insert into diary values ('x')" if what == 'write' else 'select 1')
        raw, mine = rnd.choice(clients)
        own_or_honest(raw, "select currval('sq4')", mine)
        for c in clients:
            c[0].bye()


def test_currval_of_somebody_else_is_an_error(one, pg15):
    pg15.query('drop sequence if exists sq2; create sequence sq2; grant all on sequence sq2 to public', dbname='app')
    a = one.raw()
    a.one("select nextval('sq2')")
    a.bye()
    b = one.raw()
    assert [e['C'] for e in rawpg.errors(b.simple("select currval('sq2')"))] == ['55000']


def test_serial_insert_then_lastval(two, pg15):
    pg15.query('drop table if exists ser; create table ser (id serial, who text);'
               'grant all on ser to public; grant all on sequence ser_id_seq to public', dbname='app')
    a, b = two.raw(), two.raw()
    for _ in range(3):
        ida = a.one("insert into ser (who) values ('a') returning id")
        idb = b.one("insert into ser (who) values ('b') returning id")
        own_or_honest(a, 'select lastval()', ida)
        own_or_honest(b, 'select lastval()', idb)


# --- PREPARE and EXECUTE as SQL
def test_sql_prepare_per_client(two):
    a, b = two.raw(), two.raw()
    a.simple("prepare p as select 'a' || $1::text")
    b.simple("prepare p (int) as select $1 + 1")
    for _ in range(3):
        assert a.one("execute p('x')") == 'ax'
        assert b.one('execute p(1)') == '2'
    assert rawpg.errors(a.simple('prepare p as select 1'))[0]['C'] == '42P05'
    a.simple('deallocate p')
    assert b.one('execute p(2)') == '3'
    assert rawpg.errors(a.simple("execute p('x')"))[0]['C'] == '26000'
    assert rawpg.errors(a.simple('deallocate p'))[0]['C'] == '26000'
    a.simple('prepare p as select 5')
    begin_end(b)
    assert a.one('execute p') == '5'
    b.simple('deallocate all')
    assert a.one('execute p') == '5'
    assert rawpg.errors(b.simple('execute p(2)'))[0]['C'] == '26000'


def test_sql_prepare_survives_a_rollback(two):
    a, b = two.raw(), two.raw()
    a.simple('begin; prepare kept as select 7; rollback')
    begin_end(b)
    assert a.one('execute kept') == '7'


def test_sql_prepare_that_fails_is_not_there(two):
    a, b = two.raw(), two.raw()
    assert rawpg.errors(a.simple('prepare bad as select * from no_such_table'))[0]['C'] == '42P01'
    begin_end(b)
    assert rawpg.errors(a.simple('execute bad'))[0]['C'] == '26000'
    a.simple('prepare bad as select 1')
    assert a.one('execute bad') == '1'


@pytest.mark.parametrize('use', ['explain execute p(1)', 'explain (costs off) execute p(1)',
                                 'create temp table ct as execute p(1)', 'begin; execute p(1); commit',
                                 'select 1; execute p(1)', '/* c */ execute p(1)', 'EXECUTE "p"(1)', 'execute P(1)'])
def test_execute_in_every_place(two, use):
    a, b = two.raw(), two.raw()
    a.simple('prepare p(int) as select $1')
    b.simple("prepare p(text) as select 'wrong'")
    for _ in range(2):
        b.simple('begin; select 1; commit')
        out = a.simple(use)
        assert not rawpg.errors(out), out
        a.simple('drop table if exists ct')
        assert ('wrong',) not in rawpg.rows(out)


def test_sql_prepare_and_protocol_names_are_one_space(two):
    """On a real server PREPARE and Parse share their names."""
    a, b = two.raw(), two.raw()
    a.simple('prepare s1 as select 11')
    a.send(rawpg.parse('s2', 'select 22') + rawpg.sync()).until_ready()
    begin_end(b)
    assert rawpg.rows(a.send(rawpg.bind('', 's1') + rawpg.execute() + rawpg.sync()).until_ready()) == [('11',)]
    assert a.one('execute s2') == '22'
    a.simple('deallocate s2')
    begin_end(b)
    assert rawpg.errors(a.send(rawpg.bind('', 's2') + rawpg.sync()).until_ready())[0]['C'] == '26000'


@pytest.mark.parametrize('use', ['execute p(1)', 'explain (costs off) execute p(1)', 'create temp table ct as execute p(1)', 'begin; execute p(1); commit',
                                 "do $$begin execute 'execute p(1)'; end$$", 'begin|execute p(1)|commit', 'begin|explain execute p(1)|rollback',
                                 'bind'])
def test_sql_prepare_does_not_keep_the_link(weirpool, pg15, use):
    """Each transaction may find another link, on which another client has prepared something else under the same name."""
    wp = weirpool(pg15, default_pool_size=2, query_wait_timeout=5)
    clients = [wp.raw() for _ in range(4)]
    d = rawpg.Raw(pg15.port)
    d.login()
    for i, c in enumerate(clients + [d]):
        assert c.simple('prepare p(int) as select $1 + %d as n%d' % (i * 10, i))[0].tag == 'PREPARE'
    unpinned(wp)
    for _ in range(3):
        for i, c in enumerate(clients):
            if i == 1:  # holds the other link
                clients[0].simple('begin')
            if use == 'bind':
                out = c.send(rawpg.bind('', 'p', ['1']) + rawpg.describe('P') + rawpg.execute() + rawpg.sync()).until_ready()
            else:
                out = [m for q in use.split('|') for m in c.simple(q)]
            assert not rawpg.errors(out), rawpg.errors(out)
            if 'explain' not in use and 'create' not in use and 'do ' not in use:
                assert rawpg.rows(out) == [(str(1 + i * 10),)]
            c.simple('drop table if exists ct')
            if i == 1:
                clients[0].simple('rollback')
    d.simple('prepare q as select 1')
    assert clients[0].q('select name from pg_prepared_statements') == [('p',)]
    clients[0].simple('deallocate p')
    unpinned(wp)
    assert [r['pins'] for r in wp.admin('show clients') if r['pins']] == []


def test_sql_prepare_like_a_direct_connection(weirpool, pg15):
    """Names of SQL and of the protocol, errors, transactions: all as without weirpool, whichever link it is."""
    wp = weirpool(pg15, default_pool_size=3, query_wait_timeout=5)
    d = rawpg.Raw(pg15.port)
    d.login()
    pg15.query('drop table if exists gone; create table gone (a int); grant all on gone to app', dbname='app')
    a, b, other = wp.raw(), wp.raw(), wp.raw()
    parse, bind, execute, sync, query = rawpg.parse, rawpg.bind, rawpg.execute, rawpg.sync, rawpg.query
    run = bind('', 'p') + execute() + sync()
    steps = [query('prepare p as select 1'), query('prepare p as select 2'), parse('p', 'select 3') + sync(), run, query('execute p(1)'),
             query('deallocate p'), query('execute p'), run, query('deallocate p'), parse('p', 'select 4') + sync(), query('execute p'),
             query('EXECUTE "p"'), query('prepare p as select 5'), run, query('explain (costs off) execute p'), query('execute p'),
             query('deallocate p'), run, query('begin'), query('prepare p as select 6'), query('rollback'), query('execute p'),
             query('begin'), query('select 1/0'), query('prepare r as select 1'), query('execute p'), query('deallocate p'),
             query('rollback'), query('execute r'), query('execute p'), rawpg.close('S', 'p') + sync(), query('execute p'),
             query('prepare p(int, text) as select $1, $2 || $2'), query("execute p(1, 'x')"), query("execute p(1)"),
             query("execute p(1, 'x') -- twice"), query("execute p(1, 'x'); execute p(2, 'y')"), query("prepare n as select 'Gr\u00fc\u00dfe'"),
             query('execute n'), query('deallocate n'), query('execute n'), rawpg.batch('deallocate p') + sync(), query('execute p'),
             rawpg.batch('prepare p as select 8') + sync(), query('execute p'), rawpg.batch('execute p') + sync(),
             query('prepare g as select * from gone'), query('execute g'), 'drop', query('execute g'), query('begin'), query('execute g'),
             query('select 1'), query('rollback'), query('deallocate all'), query('execute p'), parse('s', 'select 9') + sync(),
             query('prepare t as select 10'), query("select name || '', from_sql is true from pg_prepared_statements order by name"),
             query('discard all'), query('execute s'), query('execute t'), query("select name || '' from pg_prepared_statements"),
             query("prepare x as select set_config('app.tenant', 'mine', false)"), query('execute x'),
             query("select current_setting('app.tenant', true)")]
    for step, data in enumerate(steps):
        if data == 'drop':
            pg15.query('drop table gone', dbname='app')
            continue
        if step % 3 == 0:
            other.simple('begin')
            b.simple('select 1')
        n = 1
        got = [[(m.type, m.body if m.type not in 'E' else (m.fields['C'], m.fields['M'])) for m in c.send(data).until_ready(n)
                if m.type not in 'SN'] for c in (a, d)]
        assert got[0] == got[1], (step, data)
        if step % 3 == 0:
            other.simple('rollback')
        else:
            begin_end(b)
    a.simple('deallocate all')
    unpinned(wp)


def test_what_cannot_be_prepared_again_keeps_the_link(two):
    a = two.raw()
    a.simple("prepare n as select 'Gr\u00fc\u00dfe'")
    eventually(lambda: [r['pins'] for r in two.admin('show clients') if r['database'] == 'app'] == ['sql_prepare'])
    a.simple('deallocate n')
    unpinned(two)


def test_discard_all_drops_only_ones_own(two):
    a, b = two.raw(), two.raw()
    for c, v in ((a, 1), (b, 2)):
        c.simple('prepare d as select %d' % v)
        c.send(rawpg.parse('proto', 'select %d0' % v) + rawpg.sync()).until_ready()
    a.simple('discard all')
    assert b.one('execute d') == '2'
    assert rawpg.rows(b.send(rawpg.bind('', 'proto') + rawpg.execute() + rawpg.sync()).until_ready()) == [('20',)]
    assert rawpg.errors(a.simple('execute d'))[0]['C'] == '26000'
    assert rawpg.errors(a.send(rawpg.bind('', 'proto') + rawpg.sync()).until_ready())[0]['C'] == '26000'


def test_discard_plans_and_sequences(one):
    a, b = one.raw(), one.raw()
    a.simple("set work_mem = '5MB'")
    for what in ('plans', 'sequences'):
        assert a.simple('discard ' + what)[0].tag == 'DISCARD ' + what.upper()
        begin_end(b)
        assert setting(a, 'work_mem') == '5MB'


def test_statements_in_the_servers_view(two):
    """pg_prepared_statements shows a client its own, by its own names, and nobody else's."""
    a, b = two.raw(), two.raw()
    a.simple('prepare mine as select 1')
    b.simple('prepare yours as select 2')
    assert a.q("select name from pg_prepared_statements where name in ('mine', 'yours')") == [('mine',)]
    assert b.q("select name from pg_prepared_statements where name in ('mine', 'yours')") == [('yours',)]


@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_a_setting_that_a_used_link_cannot_take(weirpool, pg15, mode):
    """temp_buffers cannot be changed on a connection that has had temporary tables: another one is opened."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=5, pool_mode=mode)
    a = wp.raw()
    a.simple('create temp table t (a int); drop table t')
    if mode == 'session':
        a.bye()
    b = wp.raw(params={'temp_buffers': '100'})
    assert setting(b, 'temp_buffers') == '800kB'
    if mode == 'session':
        return
    a.simple('create temp table t (a int); drop table t')
    unpinned(wp)
    out = b.send(rawpg.batch("select current_setting('temp_buffers')", name='s') + rawpg.sync() + rawpg.query('select 2')).until_ready(2)
    assert rawpg.rows(out) == [('800kB',), ('2',)]


# --- leaving
@pytest.mark.parametrize('how', ['bye', 'shut', 'reset'])
def test_nothing_stays_behind(weirpool, pg15, how):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=10)
    a = wp.raw()
    a.simple("set work_mem = '9MB'; set app.secret = 's'; set search_path = pg_catalog; prepare left_over as select 1;"
             "create temp table left_table (a int); listen left_channel; select pg_advisory_lock(99);"
             "set timezone = 'Asia/Tokyo'; set application_name = 'left'")
    a.simple('begin; declare left_cursor cursor with hold for select 1; commit')
    getattr(a, how)()
    b = wp.raw()
    assert b.q("select current_setting('work_mem'), coalesce(current_setting('app.secret', true), ''), "
               "current_setting('search_path'), current_setting('timezone'), current_setting('application_name')") == [
        ('4MB', '', '"$user", public', 'UTC', '')]
    assert b.q('select name from pg_prepared_statements') == []
    assert b.q('select name from pg_cursors') == []
    assert b.q('select pg_listening_channels()') == []
    assert b.one("select to_regclass('pg_temp.left_table')") is None
    eventually(lambda: b.one("select count(*) from pg_locks where locktype = 'advisory'") == '0')  # (others' are ending)
    assert b.params['TimeZone'] == 'UTC'


@pytest.mark.parametrize('how', ['bye', 'shut', 'reset'])
def test_open_transaction_is_rolled_back(weirpool, pg15, how):
    pg15.query('drop table if exists open_tx; create table open_tx (a int); grant all on open_tx to app', dbname='app')
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=10)
    a = wp.raw()
    a.simple('begin')
    a.simple('insert into open_tx values (1)')
    a.simple("set work_mem = '9MB'")
    getattr(a, how)()
    b = wp.raw()
    assert b.one('select count(*) from open_tx') == '0'
    assert setting(b, 'work_mem') == '4MB'
    assert b.simple('begin')[-1].status == 'T'


def test_session_mode_keeps_and_cleans(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='session', default_pool_size=1, query_wait_timeout=10)
    a = wp.raw()
    pid = a.one('select pg_backend_pid()')
    a.simple("set work_mem = '9MB'; create temp table t (a int); prepare p as select 1; select pg_advisory_lock(1)")
    assert a.one('execute p') == '1'
    a.bye()
    b = wp.raw()
    assert setting(b, 'work_mem') == '4MB' and b.one("select to_regclass('pg_temp.t')") is None
    assert b.q('select name from pg_prepared_statements') == []
    assert b.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == '0'
    assert b.one('select pg_backend_pid()') == pid


def test_prepared_transaction(one):
    a, b = one.raw(), one.raw()
    a.simple("begin; prepare transaction 'twophase'")
    assert b.simple("commit prepared 'twophase'")[0].tag == 'COMMIT PREPARED'
    assert a.one('select 1') == '1'


def test_default_transaction_settings_do_not_wander(one):
    a, b = one.raw(), one.raw()
    a.simple("begin isolation level serializable read only deferrable")
    assert setting(a, 'transaction_isolation') == 'serializable'
    a.simple('commit')
    assert setting(b, 'transaction_isolation') == 'read committed' and setting(b, 'transaction_read_only') == 'off'
