"""pg_prepared_statements in transaction mode: a client sees its own statements by its own names, and nobody else's."""
import pytest
import rawpg
from rawpg import batch, bind, close, describe, execute, parse, query, sync

pytestmark = pytest.mark.both_workers

ALL = 'select name, statement, parameter_types, from_sql from pg_prepared_statements order by prepare_time'


@pytest.fixture
def one(weirpool, anypg):
    return weirpool(anypg, default_pool_size=1, query_wait_timeout=10)


@pytest.fixture
def two(weirpool, anypg):
    return weirpool(anypg, default_pool_size=2, query_wait_timeout=10)


def prepare(c, name, sql, types=()):
    assert rawpg.kinds(c.send(parse(name, sql, types) + sync()).until_ready()) == '1Z'


def read(c, sql, protocol):
    return c.q(sql) if protocol == 'simple' else c.ext(sql)


def code(messages):
    return [e['C'] for e in rawpg.errors(messages)]


both_protocols = pytest.mark.parametrize('protocol', ['simple', 'extended'])
in_and_out = pytest.mark.parametrize('within', [False, True], ids=['alone', 'in_transaction'])


@both_protocols
@in_and_out
def test_each_its_own(one, protocol, within):
    a, b, none = one.raw(), one.raw(), one.raw()
    prepare(a, 'z', 'select $1::int + 1')
    prepare(b, 'z', "select 'b''s \\'")
    a.simple('prepare y(text) as select $1')
    prepare(a, 'x', 'select $1, 2\n-- two', [25])
    prepare(b, "it's", 'select $1::int + 1')
    for c, want in ((a, [('z', 'select $1::int + 1', '{integer}', 'f'), ('y', 'prepare y(text) as select $1', '{text}', 't'),
                         ('x', 'select $1, 2\n-- two', '{text}', 'f')]),
                    (b, [('z', "select 'b''s \\'", '{}', 'f'), ("it's", 'select $1::int + 1', '{integer}', 'f')]), (none, [])):
        for _ in range(2):
            if within:
                c.simple('begin')
            assert read(c, ALL, protocol) == want
            assert len(read(c, 'table pg_catalog.pg_prepared_statements', protocol)) == len(want)
            assert read(c, 'with n as (select 1) select p.name from n, "pg_catalog".pg_prepared_statements p order by prepare_time',
                        protocol) == [(w[0],) for w in want]
            if within:
                assert c.simple('commit')[-1].status == 'I'


@both_protocols
@in_and_out
def test_what_the_link_lacks(two, protocol, within):
    """The second link has none of them; one of them cannot be prepared any more: the client's transaction goes on."""
    pg = two.server
    pg.query('drop table if exists lost; create table lost (a int); grant all on lost to app', dbname='app')
    a, b = two.raw(), two.raw()
    prepare(a, 'typed', 'select $1::int8', [20])
    prepare(a, 'untyped', 'select $1::int4')
    prepare(a, 'lost', "select a from lost -- \u00e4")
    a.send(describe('S', 'untyped') + sync()).until_ready()
    a.simple('prepare by_sql as select 4')
    pg.query('drop table lost', dbname='app')
    b.simple('begin')
    b.simple('select 1')                # holds the link that has them
    pid = b.one('select pg_backend_pid()')
    if within:
        a.simple('begin')
    want = [('typed', 'select $1::int8', '{bigint}', 'f'), ('untyped', 'select $1::int4', '{integer}', 'f'),
            ('lost', 'select a from lost -- \u00e4', '{}', 'f'), ('by_sql', 'prepare by_sql as select 4', '{}', 't')]
    for _ in range(2):
        assert read(a, ALL, protocol) == want
    assert a.one('select pg_backend_pid()') != pid
    assert a.simple('select 1')[-1].status == ('T' if within else 'I')
    assert rawpg.rows(a.send(bind('', 'typed', ['7']) + execute() + sync()).until_ready()) == [('7',)]


@both_protocols
def test_the_columns_are_the_servers(one, protocol):
    """Names, types and order of the columns of this version; only where they come from is not told."""
    a, d = one.raw(), rawpg.Raw(one.server.port)
    d.login()
    for c in (a, d):
        prepare(c, 's', 'select 1 as a, $1::text as b')
    got = []
    for c in (a, d):
        sql = 'select * from pg_prepared_statements'
        out = c.simple(sql) if protocol == 'simple' else c.send(batch(sql) + sync()).until_ready()
        columns, row = [m.columns for m in out if m.type == 'T'][0], rawpg.rows(out)[0]
        got.append(([(x[0],) + x[3:] for x in columns], row[:2] + row[3:]))
    assert got[0] == got[1]
    assert a.one("select string_agg(pg_typeof(x)::text, ',') from (select prepare_time from pg_prepared_statements) t(x)") == \
        'timestamp with time zone'


def test_times_stay(two):
    """The time is that of the client's own PREPARE or Parse, whichever link tells it."""
    a, b = two.raw(), two.raw()
    for i in range(5):
        prepare(a, 's%d' % i, 'select %d' % i)
    times = a.q('select name, prepare_time from pg_prepared_statements order by prepare_time')
    assert [t[0] for t in times] == ['s%d' % i for i in range(5)] and len({t[1] for t in times}) == 5
    b.simple('begin')
    b.simple('select 1')
    assert a.q('select name, prepare_time from pg_prepared_statements order by prepare_time') == times
    assert a.q("select count(*) from pg_prepared_statements where prepare_time between now() - interval '1 hour' and "
               "now() + interval '1 minute'") == [('5',)]


def test_a_statement_that_reads_the_view(two):
    """Prepared once, it tells of the moment in which it is executed, on each link; also the unnamed one."""
    a, b = two.raw(), two.raw()
    count = 'select count(*), min($1) from pg_prepared_statements'
    prepare(a, 'n', count)
    prepare(b, 'm', count)
    assert rawpg.kinds(a.send(parse('', count) + describe('S', '') + sync()).until_ready()) == '1tTZ'
    a.send(describe('S', 'n') + sync()).until_ready()
    for i in range(1, 5):
        for name in ('n', ''):
            out = a.send(bind('', name, ['x']) + describe('P') + execute() + sync()).until_ready()
            assert rawpg.rows(out) == [(str(i), 'x')], (i, name, rawpg.errors(out))
        prepare(a, 's%d' % i, 'select %d' % i)
        if i == 2:
            b.simple('begin')
        assert rawpg.rows(b.send(bind('', 'm', ['y']) + execute() + sync()).until_ready()) == [('1', 'y')]
    assert a.q("select statement from pg_prepared_statements where name = 'n'") == [(count,)]
    out = a.send(bind('', 'n', []) + sync()).until_ready()
    assert code(out) == ['08P01'] and '"n"' in rawpg.errors(out)[0]['M']


def test_in_one_pipeline(one):
    """Each query of a pipeline sees what was prepared before it, not behind it."""
    a = one.raw()
    count = 'select count(*) from pg_prepared_statements'
    out = a.send(batch(count) + parse('p', 'select 1') + batch(count) + parse('v', count) + bind('', 'v') + execute() +
                 close('S', 'p') + batch(count) + bind('', 'v') + execute() + sync()).until_ready()
    assert rawpg.rows(out) == [('0',), ('1',), ('2',), ('1',), ('1',)], rawpg.errors(out)
    out = a.send(b''.join(parse('q%d' % i, 'select 1') + sync() + query(count) for i in range(3))).until_ready(6)
    assert rawpg.rows(out) == [('2',), ('3',), ('4',)]
    out = a.send(parse('bad', 'select nothing') + sync() + batch(count) + sync()).until_ready(2)
    assert rawpg.rows(out) == [('4',)] and code(out) == ['42703']
    assert rawpg.rows(a.send(query('deallocate all') + batch(count) + sync()).until_ready(2)) == [('0',)]


def test_names_that_are_passed_through(weirpool, anypg):
    """Without tracking of statements those of the client stand on the server under its own names."""
    wp = weirpool(anypg, default_pool_size=2, query_wait_timeout=10, max_prepared_statements=0)
    a, b = wp.raw(), wp.raw()
    prepare(a, 's', 'select 1')
    assert (a.q('select name from pg_prepared_statements'), b.q('select name from pg_prepared_statements')) == ([('s',)], [])


def test_with_errors(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', 'select 1')
    a.simple('begin')
    assert code(a.simple('select nothing from pg_prepared_statements')) == ['42703']
    assert code(a.simple('select name from pg_prepared_statements')) == ['25P02']
    a.simple('rollback')
    assert code(a.send(batch('select name / 0 from pg_prepared_statements') + sync()).until_ready()) == ['42883']
    assert a.q('select name from pg_prepared_statements') == [('s',)]
    a.bye()
    assert b.q('select name from pg_prepared_statements') == []


@in_and_out
def test_execute_by_an_extended_query(two, within):
    """EXECUTE of a statement of the protocol, on a link that has it and on one that does not."""
    a, b = two.raw(), two.raw()
    prepare(a, 's', 'select $1::int + 1')
    prepare(a, 'e', 'execute s(41)')
    for i in range(2):
        if within:
            a.simple('begin')
        assert a.ext('execute s(1)') == [('2',)]
        out = a.send(bind('', 'e') + execute() + sync()).until_ready()
        assert rawpg.rows(out) == [('42',)], rawpg.errors(out)
        assert a.q('select name from pg_prepared_statements order by prepare_time') == [('s',), ('e',)]
        if within:
            a.simple('commit')
        if i == 0:
            b.simple('begin')
            b.simple('select 1')
    assert code(a.send(batch('execute missing') + sync()).until_ready()) == ['26000']


@both_protocols
@in_and_out
def test_more_than_a_link_remembers(weirpool, anypg, protocol, within):
    wp = weirpool(anypg, default_pool_size=1, query_wait_timeout=10, max_prepared_statements=10)
    a, b = wp.raw(), wp.raw()
    for i in range(40):
        prepare(a, 'a%d' % i, 'select %d, $1::int' % i)
        prepare(b, 'b%d' % i, 'select %d, $1::int' % i)
    for c, name in ((a, 'a'), (b, 'b'), (a, 'a')):
        if within:
            c.simple('begin')
        rows = read(c, 'select name, statement, parameter_types from pg_prepared_statements order by prepare_time', protocol)
        assert [r[:2] for r in rows] == [('%s%d' % (name, i), 'select %d, $1::int' % i) for i in range(40)]
        assert {r[2] for r in rows} <= {'{integer}', None}      # None: nobody asked for it, and this link has not got it
        if within:
            c.simple('commit')


@pytest.mark.parametrize('encoding', ['LATIN1', 'UTF8', 'SJIS'])
@pytest.mark.parametrize('scs', ['on', 'off'])
def test_texts_of_every_encoding(two, encoding, scs):
    """What this link lacks is told in the client's own bytes."""
    a, b, text = two.raw(), two.raw(), "select 'y\\\\' /* \u00e4 */" if encoding != 'SJIS' else "select '\u8868\u793a'"
    a.simple("set client_encoding = '%s'" % encoding)
    a.simple('set standard_conforming_strings = %s' % scs)
    sent = parse('s', '@', []).replace(b'@', text.encode(encoding))
    sent = sent[:1] + (len(sent) - 1).to_bytes(4, 'big') + sent[5:]
    assert rawpg.kinds(a.send(sent + sync()).until_ready()) == '1Z'
    for _ in range(2):
        a.simple('begin')
        out = a.simple('select statement from pg_prepared_statements')
        assert [m.body[6:] for m in out if m.type == 'D'] == [text.encode(encoding)], out
        a.simple('commit')
        b.simple('begin')
        b.simple('select 1')
