"""DDL under prepared statements: a client decodes rows, and encodes parameters, by what it once heard. In transaction mode its
statement is parsed again on another link, where it may have become another one: then it must hear what a server of its own
would tell, and nothing may have been executed."""
import asyncio
import random
import struct

import asyncpg
import pytest
import rawpg
from rawpg import batch, bind, close, describe, execute, flush, parse, sync

pytestmark = pytest.mark.both_workers
STALE = 'cached plan must not change result type'


class Two:
    """A weirpool with two links, and which of them a client will get."""

    def __init__(self, wp):
        self.wp = wp
        self.su = wp.server.connect('app')
        self.holders = [wp.raw(), wp.raw()]
        self.held = self.holders[0]
        self.held.simple('begin')

    def other_link(self):
        """From now on everybody gets the link that nobody got until now."""
        free, self.held = self.held, [h for h in self.holders if h is not self.held][0]
        self.held.simple('begin')
        free.simple('rollback')

    def table(self, name, columns, rows=''):
        self.su.execute('drop table if exists %s; create table %s (%s); grant all on %s to app' % (name, name, columns, name))
        if rows:
            self.su.execute('insert into %s values %s' % (name, rows))

    def count(self, name):
        return self.su.execute('select count(*) from ' + name).fetchone()[0]


@pytest.fixture
def two(weirpool, pg15):
    t = Two(weirpool(pg15, default_pool_size=2, query_wait_timeout=10))
    yield t
    t.su.close()
    for h in t.holders:
        h.bye()


def prepare(c, name, sql, types=()):
    out = c.send(parse(name, sql, types) + describe('S', name) + sync()).until_ready()
    assert not rawpg.errors(out), out
    return out


def run(c, name, *params, formats=(), results=(1,)):
    return c.send(bind('', name, params, formats, results) + execute() + sync()).until_ready()


def is_stale(out):
    e = rawpg.errors(out)
    return len(e) == 1 and e[0]['C'] == '0A000' and e[0]['M'] == STALE and e[0]['R'] == 'RevalidateCachedQuery' and \
        not rawpg.rows(out)


def cell(out):
    m = [m for m in out if m.type == 'D'][0]
    assert m.body[:2] == b'\0\1'
    return m.body[6:]


@pytest.mark.parametrize('name', ['s', ''])
@pytest.mark.parametrize('change', ['alter a type float4', 'add b int', 'rename a to z'])
def test_rows_of_other_types_are_never_sent(two, name, change):
    two.table('rt', 'a int', '(7)')
    c = two.wp.raw()
    prepare(c, name, 'select * from rt')
    assert cell(run(c, name)) == struct.pack('!i', 7)
    two.other_link()
    assert cell(run(c, name)) == struct.pack('!i', 7)
    two.other_link()
    two.su.execute('alter table rt ' + change)
    other = two.wp.raw()
    prepare(other, 'mine', 'select * from rt')  # a link may have the statement already
    other.simple('select 1')
    two.other_link()
    for _ in range(3):
        assert is_stale(run(c, name))
        two.other_link()
    if name:
        assert rawpg.kinds(c.send(close('S', name) + sync()).until_ready()) == '3Z'
    out = prepare(c, name, 'select * from rt')
    columns = [m for m in out if m.type == 'T'][0].columns
    for _ in range(2):
        out = run(c, name)
        assert not rawpg.errors(out) and len(columns) == struct.unpack('!H', [m for m in out if m.type == 'D'][0].body[:2])[0]
        two.other_link()


def test_nothing_was_executed(two):
    two.table('rt', 'a int')
    c = two.wp.raw()
    prepare(c, 'i', 'insert into rt values ($1) returning *')
    assert cell(run(c, 'i', '1')) == struct.pack('!i', 1)
    two.other_link()
    two.su.execute('alter table rt add b int')
    assert is_stale(run(c, 'i', '2'))
    out = c.send(bind('', 'i', ['3']) + execute() + sync() + bind('', 'i', ['4']) + execute() + sync()).until_ready(2)
    assert [e['C'] for e in rawpg.errors(out)] == ['0A000', '0A000']
    assert two.count('rt') == 1


def test_it_fails_where_a_server_would_fail(two):
    """In a pipeline: what is before runs, what is behind up to Sync does not; a transaction is aborted."""
    two.table('rt', 'a int', '(7)')
    two.table('log', 't text')
    c = two.wp.raw()
    prepare(c, 's', 'select * from rt')
    prepare(c, 'log', 'insert into log values ($1)')
    two.other_link()
    two.su.execute('alter table rt alter a type int8')
    out = c.send(bind('', 'log', ['before']) + execute() + bind('', 's') + execute() + bind('', 'log', ['behind']) + execute() + sync()
                 + bind('', 'log', ['next']) + execute() + sync()).until_ready(2)
    assert rawpg.kinds(out) == '2CEZ2CZ'
    assert two.su.execute('select array_agg(t) from log').fetchone()[0] == ['next']
    two.other_link()
    c.simple('begin')
    assert is_stale(run(c, 's'))
    out = run(c, 'log', 'x')
    assert rawpg.errors(out)[0]['C'] == '25P02' and out[-1].status == 'E'
    c.simple('rollback')
    assert two.count('log') == 1


def test_a_client_that_asks_each_time_gets_the_new_rows(two):
    two.table('rt', 'a int', '(7)')
    c = two.wp.raw()
    prepare(c, 's', 'select * from rt')
    two.su.execute('alter table rt alter a type int8')
    for _ in range(3):
        out = c.send(bind('', 's', (), (), (1,)) + describe('P') + execute() + sync()).until_ready()
        assert [m for m in out if m.type == 'T'][0].columns[0][3] == 20 and cell(out) == struct.pack('!q', 7)
        two.other_link()
        out = c.send_slowly(bind('', 's', (), (), (1,)) + describe('P') + execute() + sync()).until_ready()
        assert cell(out) == struct.pack('!q', 7)
    assert is_stale(run(c, 's'))
    assert [m.type for m in c.send(describe('S', 's') + sync()).until_ready()] == ['t', 'T', 'Z']
    assert cell(run(c, 's')) == struct.pack('!q', 7)  # it has been told


@pytest.mark.parametrize('seen', [True, False])
@pytest.mark.parametrize('hop', [True, False])
def test_a_client_that_names_a_format_for_each_column_is_told(two, hop, seen):
    """pgx: it describes the portal each time, but asks for the formats that suit the columns of old."""
    two.table('rt', 'id int, f1 int, f2 int', '(7, 1, 2)')
    c = two.wp.raw()
    prepare(c, 's', 'select * from rt where id = $1', (23,))
    asks = bind('', 's', (b'7',), (), (1, 1, 0)) + describe('P') + execute() + sync()
    assert not rawpg.errors(c.send(asks).until_ready())
    if seen:
        two.su.execute('alter table rt owner to app')
        assert not rawpg.errors(c.simple('alter table rt drop f1'))
    else:
        two.su.execute('alter table rt drop f1')
    if hop:
        two.other_link()
    assert is_stale(c.send(asks).until_ready())
    prepare(c, 's2', 'select * from rt where id = $1', (23,))
    asks = bind('', 's2', (b'7',), (), (1, 0)) + describe('P') + execute() + sync()
    assert len(rawpg.rows(c.send(asks).until_ready())) == 1


def test_types_of_parameters_stay(two):
    """As a server does: the types that were told are kept, and converted."""
    two.table('rt', 'a int4, b int4')
    c = two.wp.raw()
    out = prepare(c, 'i', 'insert into rt values ($1, $2)')
    assert out[1].param_types == (23, 23)
    two.su.execute('alter table rt alter a type float4, alter b type int8')
    for n in range(4):
        out = run(c, 'i', struct.pack('!i', n), struct.pack('!i', -n), formats=(1,), results=())
        assert rawpg.kinds(out) == '2CZ', out
        two.other_link()
    assert two.su.execute('select sum(a), sum(b) from rt').fetchone() == (6.0, -6)
    two.su.execute('alter table rt alter a type date using null')
    out = run(c, 'i', struct.pack('!i', 1), struct.pack('!i', 1), formats=(1,), results=())
    assert rawpg.errors(out)[0]['C'] == '42804'  # as a server says: column is of type date, expression is of type integer
    fresh = two.wp.raw()
    assert prepare(fresh, 'i', 'insert into rt values ($1, $2) returning b')[1].param_types == (1082, 20)


def test_a_fresh_parse_knows_nothing_of_old_plans(two):
    """Somebody else's statement of the same text has gone stale on the link."""
    two.table('rt', 'a int', '(7)')
    a, b = two.wp.raw(), two.wp.raw()
    for c in (a, b):
        for link in range(2):
            prepare(c, 's%d' % link, 'select * from rt')
            run(c, 's%d' % link)
            two.other_link()
    for n, sql in enumerate(('alter table rt add b int', 'alter table rt drop b', 'alter table rt alter a type text')):
        two.su.execute(sql)
        c = two.wp.raw()
        assert rawpg.kinds(c.send(parse('n', 'select * from rt') + bind('', 'n') + execute() + sync()).until_ready()) == '12DCZ'
        two.other_link()
        c = two.wp.raw()
        assert rawpg.kinds(c.send(parse('n', 'select * from rt') + sync()).until_ready()) == '1Z'
        assert rawpg.kinds(run(c, 'n')) == '2DCZ'
        two.other_link()
        two.su.execute('alter table rt add c%d int' % n)
        c = two.wp.raw()
        assert rawpg.kinds(c.send(parse('n', 'select * from rt') + describe('S', 'n') + sync()).until_ready()) == '1tTZ'
        assert rawpg.kinds(run(c, 'n')) == '2DCZ'


def test_flush_instead_of_sync(two):
    """asyncpg prepares with Flush: then there is no end of a batch to go back to."""
    two.table('rt', 'a int', '(7)')
    a = two.wp.raw()
    prepare(a, 's', 'select * from rt')
    run(a, 's')
    two.su.execute('alter table rt add b int')
    c = two.wp.raw()
    c.send(parse('n', 'select * from rt') + describe('S', 'n') + flush())
    assert [m.type for m in c.recv_until('TE')] == ['1', 't', 'T']
    c.send(bind('', 'n') + execute() + flush())
    assert [m.type for m in c.recv_until('CE')] == ['2', 'D', 'C']
    assert rawpg.kinds(c.send(sync()).until_ready()) == 'Z'
    two.su.execute('alter table rt drop b')
    c.send(bind('', 'n') + execute() + flush())  # it was told of b
    assert is_stale([c.recv()])
    c.send(execute() + flush())
    assert rawpg.kinds(c.send(sync()).until_ready()) == 'Z'
    two.su.execute('drop table rt')
    e = two.wp.raw()
    e.send(parse('n', 'select * from rt') + describe('S', 'n') + flush())
    assert e.recv_until('TE')[-1].fields['C'] == '42P01'
    assert rawpg.kinds(e.send(sync()).until_ready()) == 'Z'
    e.send(parse('m', 'select 1') + describe('S', 'm') + flush()).recv_until('TE')
    e.send(sync()).until_ready()
    assert e.one('select 1') == '1'


def test_a_migration_sees_what_it_has_changed(two):
    """DDL, and statements that others have prepared, in one transaction."""
    two.table('rt', 'a int', '(7)')
    a, m = two.wp.raw(), two.wp.raw()
    for _ in range(2):
        prepare(a, 's', 'select * from rt')
        run(a, 's')
        a.send(close('S', 's') + sync()).until_ready()
        two.other_link()
    prepare(a, 's', 'select * from rt')
    run(a, 's')
    two.su.execute('alter table rt owner to app')
    m.simple('begin')
    m.simple("alter table rt add b text default 'new'")
    prepare(m, 'm', 'select * from rt')
    assert rawpg.rows(run(m, 'm', results=())) == [('7', 'new')]
    m.simple('commit')
    assert is_stale(run(a, 's'))


def test_changed_back(two):
    two.table('rt', 'a int', '(7)')
    c = two.wp.raw()
    prepare(c, 's', 'select * from rt')
    run(c, 's')
    two.su.execute('alter table rt alter a type int8')
    two.other_link()
    assert is_stale(run(c, 's'))
    two.su.execute('alter table rt alter a type int4')
    two.other_link()
    assert cell(run(c, 's')) == struct.pack('!i', 7)
    two.other_link()
    run(c, 's')  # on the link of the failure: it may have to be asked twice
    assert cell(run(c, 's')) == struct.pack('!i', 7)


SEVEN = {23: struct.pack('!i', 7), 20: struct.pack('!q', 7), 700: struct.pack('!f', 7), 25: b'7'}
NAMES = {'int4': 23, 'int8': 20, 'float4': 700, 'text': 25}


class Reader:
    """Knows a statement's column from its last Describe only, and believes it."""

    def __init__(self, c, name, rnd):
        self.c, self.name, self.rnd, self.known = c, name, rnd, None

    def step(self):
        if self.known is None:
            closing = close('S', self.name) if self.name else b''
            end = self.rnd.choice([sync(), flush() + sync()])
            out = self.c.send(closing + parse(self.name, 'select a from rt where a is not null') + describe('S', self.name) + end).until_ready()
            assert not rawpg.errors(out), out
            self.known = [m for m in out if m.type == 'T'][0].columns[0][3]
            return 'told'
        one = bind('', self.name, (), (), (1,)) + execute()
        out = self.c.send(one * self.rnd.choice([1, 1, 3]) + sync()).until_ready()
        for m in out:
            if m.type == 'D':
                assert m.body[6:] == SEVEN[self.known], 'known as %d' % self.known
        if not rawpg.errors(out):
            return 'rows'
        assert rawpg.errors(out)[0]['C'] == '0A000' and not rawpg.rows(out)
        self.known = None
        return 'stale'


@pytest.mark.parametrize('seed', range(4))
def test_no_row_is_ever_misread(two, seed):
    rnd = random.Random(seed)
    two.table('rt', 'a int', '(7)')
    readers = [Reader(two.wp.raw(), rnd.choice(['s', 't', '']), rnd) for _ in range(6)]
    seen = {'told': 0, 'rows': 0, 'stale': 0}
    for _ in range(250):
        what = rnd.randrange(10)
        if what == 0:
            typ = rnd.choice(list(NAMES))
            two.su.execute('alter table rt alter a type %s using a::%s' % (typ, typ))
        elif what <= 2:
            two.other_link()
        else:
            seen[rnd.choice(readers).step()] += 1
    assert all(seen.values()), seen


def test_statements_without_rows(two):
    two.table('rt', 'a int')
    c = two.wp.raw()
    prepare(c, 'i', 'insert into rt values ($1)')
    prepare(c, 'e', '')
    prepare(c, 'b', 'begin')
    prepare(c, 'r', 'rollback')
    for n in range(4):
        two.other_link()
        two.su.execute('alter table rt add c%d int' % n)
        assert rawpg.kinds(run(c, 'i', n, results=())) == '2CZ'
        assert rawpg.kinds(run(c, 'e', results=())) == '2IZ'
        run(c, 'b', results=())
        c.simple('select 1/0')
        assert rawpg.kinds(run(c, 'r', results=())) == '2CZ'
    assert two.count('rt') == 4


def drive(two, fn):
    async def main():
        kw = dict(host=two.wp.host, port=two.wp.port, user='app', password='app', database='app', ssl=False)
        c = await asyncpg.connect(**kw)
        try:
            await fn(c)
        finally:
            await c.close()
    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize('elsewhere', [False, True])
def test_asyncpg(two, elsewhere):
    two.table('rt', 'a int4', '(7)')

    async def fn(c):
        sql = 'select a from rt where a >= $1'
        assert await c.fetchval(sql, 0) == 7
        stmt = await c.prepare('select a, a from rt')
        assert await stmt.fetchrow() == (7, 7)
        for typ, value in (('int8', 7), ('float4', 7.0), ('text', '7')):
            if elsewhere:
                two.other_link()
            two.su.execute('alter table rt alter a type %s' % typ)
            if typ == 'text':
                with pytest.raises(asyncpg.UndefinedFunctionError):  # text >= integer: as from a server
                    await c.fetchval(sql, 0)
                continue
            got = await c.fetchval(sql, 0)
            assert got == value and type(got) is type(value)
            with pytest.raises(asyncpg.InvalidCachedStatementError):
                await stmt.fetchrow()
        two.su.execute('alter table rt alter a type int4 using a::int4')
        assert await c.fetchval('select a + $1 from rt', 1) == 8
        two.su.execute('alter table rt add b int')
        if elsewhere:
            two.other_link()
        assert await c.fetch('select * from rt') == [(7, None)]
        two.su.execute('alter table rt add c int')
        if elsewhere:
            two.other_link()
        with pytest.raises(asyncpg.InvalidCachedStatementError):
            async with c.transaction():
                await c.fetch('select * from rt')
        assert await c.fetch('select * from rt') == [(7, None, None)]

    drive(two, fn)


def test_asyncpg_composite_and_enum(two):
    two.su.execute("drop type if exists pair, mood; create type pair as (x int, y int); create type mood as enum ('ok')")

    async def fn(c):
        sql = 'select row(1, 2)::pair'
        assert await c.fetchval(sql) == (1, 2)
        two.other_link()
        two.su.execute('alter type pair add attribute z int')
        with pytest.raises((asyncpg.OutdatedSchemaCacheError, asyncpg.CannotCoerceError)):
            await c.fetchval(sql)
        await c.reload_schema_state()
        assert await c.fetchval('select row(1, 2, 3)::pair') == (1, 2, 3)
        assert await c.fetchval("select 'ok'::mood") == 'ok'
        two.other_link()
        two.su.execute("alter type mood add value 'new'")
        assert await c.fetchval("select $1::mood", 'new') == 'new'

    drive(two, fn)


@pytest.mark.parametrize('binary_rows', [False, True])
def test_psycopg(two, binary_rows):
    two.table('rt', 'a int4', '(7)')
    with two.wp.connect() as c, c.cursor(binary=binary_rows) as cur:
        c.prepare_threshold = 0
        for typ, value in (('int4', 7), ('int8', 7), ('float4', 7.0), ('text', '7')):
            two.su.execute('alter table rt alter a type %s' % typ)
            for _ in range(3):
                got = cur.execute('select a from rt').fetchone()[0]
                assert got == value and type(got) is type(value)
                two.other_link()


# --- names in errors

@pytest.mark.parametrize('make,use,end', [('declare x cursor with hold for %s', 'fetch 1 from x', 'close x'), ('prepare x as %s', 'execute x', 'deallocate x')])
def test_what_depends_on_a_session_is_told_to_that_session(two, make, use, end):
    """A cursor, or a statement of SQL's: others have one by the same name that returns something else."""
    clients = [two.wp.raw() for _ in range(3)]
    for _ in range(2):
        for c, sql, oid, text in zip(clients, ('select 7::int as i', "select 'seven'::text as t", 'select 7::float8 as f'), (23, 25, 701), '7s7'):
            c.simple(make % sql)
            c.simple('select 1')
            out = c.send(parse('s', use) + describe('S', 's') + bind('', 's') + execute() + sync()).until_ready()
            assert [m.columns[0][3] for m in out if m.type == 'T'] == [oid] and rawpg.rows(out)[0][0][0] == text
            c.send(close('S', 's') + sync()).until_ready()
            c.simple(end)
    for c in clients:
        c.bye()


def test_errors_name_the_statement_as_the_client_does(two):
    direct = rawpg.Raw(two.wp.server.port)
    direct.login()
    pooled = two.wp.raw()
    for c in (direct, pooled):
        for name in ('s', '', 'x' * 70, 'weirpool_99x', 'ünï"cöde'):
            prepare(c, name, 'select $1::int')
        prepare(c, 't', 'select $1::int')
    other = two.wp.raw()
    prepare(other, 'theirs', 'select $1::int')

    def both(data, n=1):
        two.other_link()
        got = [[(m.type, m.fields if m.type in 'EN' else m.body) for m in c.send(data).until_ready(n)] for c in (direct, pooled)]
        assert got[0] == got[1]
        assert any(t == 'E' for t, _ in got[0])

    for _ in range(2):
        for name in ('s', 't', 'x' * 70, 'weirpool_99x', 'ünï"cöde', ''):
            both(bind('', name, [1, 2]) + execute() + sync())
            both(bind('', name, []) + sync())
            both(bind('', name, ['weirpool_1']) + execute() + sync())
            both(bind('', name, [1], (1, 1)) + sync())
    both(bind('', 'none', []) + sync())
    both(describe('S', 'none') + sync())
    both(bind('', 's', [1, 2]) + close('S', 's') + sync())
    both(parse('s', 'select 1') + sync())
    both(parse('s', 'select nonsense') + sync())
    both(close('S', 't') + bind('', 't', [1]) + sync())
    both(parse('new', 'select 1') + bind('', 'new', [1, 2]) + sync())
    both(rawpg.query('select 1') + bind('', '', []) + sync(), 2)
    both(describe('S', '') + sync())
    both(rawpg.query("select 'weirpool_1'::int"))
    both(batch("select set_config('app.x', 'y', false)") + parse('behind', 'select 17') + bind('', 'behind', [1]) + sync())
    for c in (direct, pooled):
        c.simple('set client_min_messages = debug2')
    said = []
    for c in (direct, pooled):
        out = c.send(parse('noted', 'select 18') + bind('', 'noted') + execute() + sync()).until_ready()
        said.append([m.fields['M'] for m in out if m.type == 'N' and m.fields['R'] in ('exec_parse_message', 'exec_bind_message')])
    assert said[0] == said[1] == ['parse noted: select 18', 'bind <unnamed> to noted']
    direct.bye()
