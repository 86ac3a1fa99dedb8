"""Message flow: pipelines with many Syncs, Flush, portals, COPY both ways, function call, notices, big rows, slow readers."""
import random
import threading
import time

import pytest
import rawpg
from rawpg import batch, bind, close, copy_data, copy_done, copy_fail, describe, execute, flush, parse, query, sync
from servers import eventually

pytestmark = pytest.mark.both_workers


def code(messages):
    return [e['C'] for e in rawpg.errors(messages)]


@pytest.fixture
def one(weirpool, anypg):
    return weirpool(anypg, default_pool_size=1, query_wait_timeout=10)


@pytest.fixture
def one15(weirpool, pg15):
    return weirpool(pg15, default_pool_size=1, query_wait_timeout=10)


@pytest.fixture(scope='module')
def cp(pg15):
    pg15.query('drop table if exists cp; create table cp (a int, b text); grant all on cp to app', dbname='app')
    return 'cp'


# --- pipelines
def test_many_syncs_in_one_write(one):
    a = one.raw()
    out = a.send(b''.join(batch('select %d' % i) + sync() for i in range(500))).until_ready(500)
    assert [r[0] for r in rawpg.rows(out)] == [str(i) for i in range(500)]
    assert rawpg.kinds(out) == '12TDCZ' * 500


def test_many_simple_queries_in_one_write(one):
    a, b = one.raw(), one.raw()
    a.send(b''.join(query('select %d' % i) for i in range(300)))
    b.send(b''.join(query("select 'b%d'" % i) for i in range(300)))
    assert [r[0] for r in rawpg.rows(a.until_ready(300))] == [str(i) for i in range(300)]
    assert [r[0] for r in rawpg.rows(b.until_ready(300))] == ['b%d' % i for i in range(300)]


def test_pipelined_transactions_of_two_clients(one):
    """Each pipeline holds whole transactions; rows must not cross."""
    a, b = one.raw(), one.raw()
    for c, n in ((a, 'a'), (b, 'b')):
        c.send(b''.join(query('begin') + query("select '%s%d'" % (n, i)) + query('commit') for i in range(100)))
    for c, n in ((a, 'a'), (b, 'b')):
        assert [r[0] for r in rawpg.rows(c.until_ready(300))] == ['%s%d' % (n, i) for i in range(100)]


def test_error_skips_to_the_next_sync(one):
    data = batch('select 1') + batch('select 1/0') + batch('select 2') + sync() + batch('select 3') + sync()
    with rawpg.Raw(one.server.port) as d:
        d.login()
        out, true = one.raw().send(data).until_ready(2), d.send(data).until_ready(2)
    assert rawpg.kinds(out) == rawpg.kinds(true)
    assert [r[0] for r in rawpg.rows(out)] == ['1', '3'] and code(out) == ['22012']


def test_simple_query_inside_an_extended_batch(one):
    a, b = one.raw(), one.raw()
    out = a.send(parse('', 'select 1') + bind() + execute() + query('select 2') + batch('select 3') + sync()).until_ready(2)
    assert [r[0] for r in rawpg.rows(out)] == ['1', '2', '3']
    assert b.one('select 4') == '4'


def test_simple_query_after_an_error_without_sync(one):
    """The server skips everything until Sync, a simple query too."""
    a, b = one.raw(), one.raw()
    a.send(batch('select 1/0') + query('select 2') + flush())
    a.recv_until('E')
    assert a.quiet(0.3)
    a.send(sync())
    out = a.until_ready()
    assert rawpg.rows(out) == [] and a.one('select 5') == '5' and b.one('select 6') == '6'


def test_sync_alone_and_flush_alone(one):
    a, b = one.raw(), one.raw()
    assert rawpg.kinds(a.send(sync()).until_ready()) == 'Z'
    assert rawpg.kinds(a.send(sync() * 50).until_ready(50)) == 'Z' * 50
    a.send(flush() * 3)
    assert a.quiet(0.2)
    assert b.one('select 1') == '1'
    a.send(flush() + sync())
    assert rawpg.kinds(a.until_ready()) == 'Z'
    assert a.one('select 2') == '2'


def test_batch_in_random_pieces(one):
    rnd = random.Random(5)
    a = one.raw()
    for _ in range(5):
        data = b''.join(batch("select '%s'" % ('z' * rnd.randrange(2000)), name=n) + sync() + close('S', n) + sync()
                        for n in ('', 'n1', 'n2'))
        at = 0
        while at < len(data):
            n = rnd.choice([1, 2, 3, 5, 100, 1000])
            a.send(data[at:at + n])
            at += n
            if rnd.random() < 0.05:
                time.sleep(0.002)
        assert not code(a.until_ready(6))


def test_half_a_message_holds_nobody(one):
    """A client that stops in the middle of a message must not hold a link for it."""
    a, b = one.raw(), one.raw()
    q = query("select 'complete at last'")
    a.send(q[:9])
    time.sleep(0.2)
    for _ in range(3):
        assert b.one('select 1') == '1'
    a.send(q[9:])
    assert rawpg.rows(a.until_ready()) == [('complete at last',)]


def test_pipeline_in_a_failed_transaction(one):
    a, b = one.raw(), one.raw()
    a.simple('begin')
    a.simple('select 1/0')
    out = a.send(batch('select 1') + sync() + batch('rollback') + sync() + batch('select 7') + sync()).until_ready(3)
    assert code(out) == ['25P02'] and rawpg.rows(out) == [('7',)]
    assert b.one('select 8') == '8'


# --- portals
def test_portal_with_row_limit(one):
    a, b = one.raw(), one.raw()
    a.send(parse('', 'select generate_series(1, 10)') + bind() + execute('', 4) + flush())
    out = a.recv_until('s')
    assert [r[0] for r in rawpg.rows(out)] == ['1', '2', '3', '4']
    b.send(query("select 'b'"))
    a.send(execute('', 4) + flush())
    assert [r[0] for r in rawpg.rows(a.recv_until('s'))] == ['5', '6', '7', '8']
    a.send(execute('', 0) + sync())
    assert [r[0] for r in rawpg.rows(a.until_ready())] == ['9', '10']
    assert rawpg.rows(b.until_ready()) == [('b',)]


def test_named_portals_in_a_transaction(one):
    a, b = one.raw(), one.raw()
    a.simple('begin')
    a.send(parse('s', 'select generate_series($1::int, $1::int + 5)') + bind('p1', 's', [1]) + bind('p2', 's', [100]) +
           sync()).until_ready()
    got = []
    for _ in range(3):
        for p in ('p1', 'p2'):
            out = a.send(execute(p, 2) + sync()).until_ready()
            got += [r[0] for r in rawpg.rows(out)]
    assert got == ['1', '2', '100', '101', '3', '4', '102', '103', '5', '6', '104', '105']
    assert rawpg.kinds(a.send(describe('P', 'p1') + close('P', 'p1') + sync()).until_ready()) == 'T3Z'
    assert code(a.send(execute('p1') + sync()).until_ready()) == ['34000']
    a.simple('rollback')
    assert b.one('select 1') == '1'
    assert code(a.send(execute('p2') + sync()).until_ready()) == ['34000']


def test_portal_is_gone_with_its_transaction(one):
    a = one.raw()
    a.send(parse('', 'select 1') + bind('p') + sync()).until_ready()
    assert code(a.send(execute('p') + sync()).until_ready()) == ['34000']


def test_declared_cursor(one):
    a, b = one.raw(), one.raw()
    a.simple('begin; declare c cursor for select generate_series(1, 100)')
    b.send(query("select 'waiting'"))
    assert [a.one('fetch c') for _ in range(3)] == ['1', '2', '3']
    assert len(a.q('fetch 50 from c')) == 50
    a.simple('commit')
    assert rawpg.rows(b.until_ready()) == [('waiting',)]


# --- COPY
def test_copy_in_and_out(one15, cp):
    a, b = one15.raw(), one15.raw()
    a.simple('truncate cp')
    out = a.send(query('copy cp from stdin')).recv_until('GE')
    assert out[-1].type == 'G'
    b.send(query("select 'b waits'"))
    a.send(b''.join(copy_data(b'%d\tline %d\n' % (i, i)) for i in range(1000)) + copy_done())
    out = a.until_ready()
    assert out[0].tag == 'COPY 1000'
    assert rawpg.rows(b.until_ready()) == [('b waits',)]
    out = a.simple('copy cp to stdout')
    assert rawpg.kinds(out) == 'H' + 'd' * 1000 + 'cCZ'
    assert out[1].body == b'0\tline 0\n'


def test_copy_in_one_write(one15, cp):
    """libpq never does, but nothing forbids to send data behind the query."""
    a, b = one15.raw(), one15.raw()
    a.simple('truncate cp')
    out = a.send(query('copy cp from stdin') + copy_data(b'1\tx\n') + copy_done() + query('select 9')).until_ready(2)
    assert rawpg.kinds(out) == 'GCZTDCZ' and not code(out)
    assert b.one('select count(*) from cp') == '1'


def test_copy_fail_by_the_client(one15, cp):
    a, b = one15.raw(), one15.raw()
    a.simple('truncate cp')
    a.send(query('copy cp from stdin')).recv_until('G')
    out = a.send(copy_data(b'1\tx\n') + copy_fail('changed my mind')).until_ready()
    assert code(out) == ['57014'] and 'changed my mind' in rawpg.errors(out)[0]['M']
    assert a.one('select count(*) from cp') == '0' and b.one('select 1') == '1'


def test_copy_refused_with_data_underway(one15, cp):
    """The server's error is first; the rest of the data belongs to nobody."""
    a, b = one15.raw(), one15.raw()
    out = a.send(query('copy no_such_table from stdin') + b''.join(copy_data(b'%d\tx\n' % i) for i in range(200)) +
                 copy_done()).until_ready()
    assert code(out) == ['42P01']
    assert a.one('select 11') == '11' and b.one('select 12') == '12'
    a.simple('truncate cp')
    a.send(query('copy cp from stdin')).recv_until('G')
    a.send(copy_data(b'not a number\tx\n'))
    time.sleep(0.1)
    for i in range(300):
        a.send(copy_data(b'%d\tlate data\n' % i))
    out = a.send(copy_done()).until_ready()
    assert code(out) == ['22P02']
    for i in range(3):
        assert a.one("select 'a%d'" % i) == 'a%d' % i and b.one("select 'b%d'" % i) == 'b%d' % i
    assert a.one('select count(*) from cp') == '0'


@pytest.mark.parametrize('how', ['shut', 'reset', 'bye'])
def test_client_leaves_during_copy_in(one15, cp, how):
    a, b = one15.raw(), one15.raw()
    b.simple('truncate cp')
    a.send(query('copy cp from stdin')).recv_until('G')
    a.send(copy_data(b'1\tnever to be seen\n'))
    getattr(a, how)()
    assert b.one('select count(*) from cp') == '0'
    time.sleep(0.2)
    assert b.one('select count(*) from cp') == '0'


@pytest.mark.parametrize('how', ['shut', 'reset'])
def test_client_leaves_during_copy_out(one15, how):
    a, b = one15.raw(), one15.raw()
    a.send(query('copy (select generate_series(1, 5000000)) to stdout')).recv_until('d')
    getattr(a, how)()
    assert b.one("select 'alive'") == 'alive'


def test_copy_by_extended_protocol(one15, cp):
    a, b = one15.raw(), one15.raw()
    a.simple('truncate cp')
    a.send(parse('', 'copy cp from stdin') + bind() + execute() + sync()).recv_until('G')
    a.send(copy_data(b'5\tfive\n') + copy_done() + sync())
    out = a.until_ready()
    assert rawpg.kinds(out) == 'CZ'
    out = a.send(parse('', 'copy cp to stdout') + bind() + execute() + sync()).until_ready()
    assert rawpg.kinds(out) == '12HdcCZ'
    assert b.one('select a from cp') == '5'


@pytest.mark.parametrize('how', ['simple', 'extended'])
def test_copy_out_that_fails_in_the_middle(one15, how):
    a, b = one15.raw(), one15.raw()
    sql = 'copy (select 1 / (5 - i) from generate_series(1, 9) i) to stdout'
    out = a.simple(sql) if how == 'simple' else a.send(parse('', sql) + bind() + execute() + sync()).until_ready()
    assert rawpg.kinds(out) == ('' if how == 'simple' else '12') + 'HddddEZ' and code(out) == ['22012']
    assert a.one('select 1') == '1' and b.one('select 2') == '2'


def test_copy_extended_with_everything_at_once(one15, cp):
    """Sync behind Execute, before the data: the server ignores it while it copies. As on a direct connection."""
    data = parse('', 'copy cp from stdin') + bind() + execute() + sync() + copy_data(b'1\tx\n') + copy_done() + sync()
    shapes = []
    with rawpg.Raw(one15.server.port) as d:
        d.login()
        for c in (one15.raw(), d):
            out = c.send(data).until_ready()
            out += c.send(query("select 'after'")).recv_until('D')
            shapes.append(rawpg.kinds(out))
    assert shapes[0] == shapes[1]


def test_copy_binary_large(one15, tmp_path):
    one15.server.query('drop table if exists cbig; create table cbig (b bytea); grant all on cbig to app', dbname='app')
    with one15.connect() as c:
        blob = random.Random(1).randbytes(1 << 20)
        with c.cursor() as cur, cur.copy('copy cbig from stdin (format binary)') as cp:
            cp.set_types(['bytea'])
            for _ in range(64):
                cp.write_row((blob,))
        assert c.execute('select count(*), sum(length(b)) from cbig').fetchone() == (64, 64 << 20)
        n = 0
        with c.cursor() as cur, cur.copy('copy cbig to stdout (format binary)') as cp:
            for part in cp:
                n += len(part)
        assert n > 64 << 20
    one15.server.query('drop table cbig', dbname='app')


def test_several_copies_in_one_query(one15, cp):
    a = one15.raw()
    a.simple('truncate cp')
    a.send(query('copy cp from stdin; copy cp from stdin; select count(*) from cp')).recv_until('G')
    a.send(copy_data(b'1\ta\n') + copy_done()).recv_until('G')
    out = a.send(copy_data(b'2\tb\n') + copy_done()).until_ready()
    assert rawpg.rows(out) == [('2',)]


def test_unexpected_copy_messages_are_ignored(one15):
    """The documentation: a server ignores CopyData, CopyDone, CopyFail outside of COPY."""
    a, b = one15.raw(), one15.raw()
    out = a.send(copy_data(b'stray') + copy_done() + copy_fail('x') + query('select 1')).until_ready()
    assert rawpg.rows(out) == [('1',)]
    assert b.one('select 2') == '2'
    time.sleep(0.1)
    assert one15.pool()['sv_active'] == 0


# --- the rest of the messages
def test_function_call(one):
    a, b = one.raw(), one.raw()
    oid = int(a.one("select 'pg_catalog.int4pl(int, int)'::regprocedure::oid"))
    for _ in range(2):
        out = a.send(rawpg.function_call(oid, [b'20', b'22'])).until_ready()
        assert rawpg.kinds(out) == 'VZ'
        assert out[0].body == b'\0\0\0\x0242'
        out = a.send(rawpg.function_call(oid, [b'\0\0\0\1', b'\0\0\0\2'], (1,), 1)).until_ready()
        assert out[0].body == b'\0\0\0\4\0\0\0\3'
        assert code(a.send(rawpg.function_call(1, [])).until_ready())
        assert b.one('select 1') == '1'


def test_large_object_by_function_call(one15):
    """As libpq's lo_ functions do."""
    a = one15.raw()
    oids = dict(a.q("select proname, oid from pg_proc where proname in ('lo_creat', 'lo_open', 'lowrite', 'loread',"
                    " 'lo_close', 'lo_unlink', 'lo_lseek') and pronamespace = 'pg_catalog'::regnamespace"))
    a.simple('begin')

    def call(name, *args):
        out = a.send(rawpg.function_call(int(oids[name]), args, (1,), 1)).until_ready()
        assert not code(out), out
        return out[0].body[4:]
    i4 = lambda n: n.to_bytes(4, 'big')
    lo = call('lo_creat', i4(0x60000))
    fd = call('lo_open', lo, i4(0x60000))
    payload = bytes(range(256)) * 1000
    assert call('lowrite', fd, payload) == i4(len(payload))
    call('lo_lseek', fd, i4(0), i4(0))
    assert call('loread', fd, i4(len(payload))) == payload
    call('lo_unlink', lo)
    a.simple('rollback')


def test_notices_arrive_where_they_belong(one):
    a, b = one.raw(), one.raw()
    a.simple('set client_min_messages = notice')
    for i in range(3):
        out = a.simple("do $$ begin raise notice 'note %d'; end $$" % i)
        assert [m.fields['M'] for m in out if m.type == 'N'] == ['note %d' % i]
        assert [m.type for m in b.simple('select 1')] == list('TDCZ')
    a.simple('set client_min_messages = error')
    b.q('select 1')
    assert [m.type for m in a.simple("do $$ begin raise notice 'x'; end $$")] == list('CZ')


def test_many_large_notices(one15):
    a = one15.raw()
    out = a.simple("do $$ begin for i in 1..200 loop raise notice '%', repeat('n', 10000); end loop; end $$")
    assert len([m for m in out if m.type == 'N']) == 200


def test_thousand_columns_and_no_columns(one):
    a = one.raw()
    assert len(a.q('select ' + ','.join(str(i) for i in range(1600)))[0]) == 1600
    assert a.q('select') == [()]


def test_error_with_all_fields(one):
    a = one.raw()
    with rawpg.Raw(one.server.port) as d:
        d.login()
        for sql in ("do $$ begin raise exception using message='m', detail='d', hint='h', errcode='P7777', "
                    "column='c', constraint='k', datatype='t', table='tb', schema='s'; end $$",
                    'select foo', "select 'x' from (values (1)) v where v.oops", 'syntax error here'):
            assert rawpg.errors(a.simple(sql)) == rawpg.errors(d.simple(sql))


def test_terminate_in_mid_transaction(one):
    a, b = one.raw(), one.raw()
    a.simple('begin')
    a.bye()
    assert b.simple('begin')[-1].status == 'T' and b.simple('commit')[-1].status == 'I'


def test_terminate_behind_a_query(one15):
    """The query runs to its end although the client said good-bye behind it: a server reads one after the other. (It was
    canceled at once; most were through by then.)"""
    one15.server.query('drop table if exists bye; create table bye (a int); grant all on bye to app', dbname='app')
    for _ in range(60):
        a = one15.raw()
        a.send(query('insert into bye values (1)') + rawpg.terminate())
        a.expect_closed()
    eventually(lambda: one15.server.query('select count(*) from bye', dbname='app') == [(60,)])


# --- big and slow
def test_row_of_100_megabytes_with_bounded_memory(one15):
    a, b = one15.raw(), one15.raw()
    a.q('select 1')
    before = one15.rss_kib()
    a.sock.settimeout(60)
    a.send(query("select repeat('0123456789', 10000000)"))
    got, peak = 0, 0
    while True:
        kind = a.recv_exact(1)
        n = int.from_bytes(a.recv_exact(4), 'big') - 4
        if kind == b'D':
            while n > 0:
                d = a.buf or a.sock.recv(1 << 20)
                take = d[:n]
                a.buf = bytearray(d[n:])
                got += len(take)
                n -= len(take)
                peak = max(peak, one15.rss_kib()) if got % 50 == 0 else peak
            peak = max(peak, one15.rss_kib())
        else:
            a.recv_exact(n)
        if kind == b'Z':
            break
    assert got == 100_000_000 + 6
    assert peak - before < 16 * 1024, 'grew by %d KiB' % (peak - before)
    assert b.one('select 1') == '1'


def test_statement_of_100_megabytes_with_bounded_memory(one15):
    """Simple query and Bind parameter; the server is stopped in between so that it cannot take it all."""
    a = one15.raw()
    a.sock.settimeout(60)
    a.q('select 1')
    before = one15.rss_kib()
    head, tail = b"select length('", b"')\0"
    size = 100_000_000
    a.send(b'Q' + (4 + len(head) + size + len(tail)).to_bytes(4, 'big') + head)
    peak = before
    for _ in range(100):
        a.send(b'x' * (size // 100))
        peak = max(peak, one15.rss_kib())
    a.send(tail)
    assert rawpg.rows(a.until_ready()) == [(str(size),)]
    assert peak - before < 16 * 1024, 'grew by %d KiB' % (peak - before)
    a.send(parse('', 'select length($1::text)') + b'B' + (4 + 2 + 2 + 2 + 4 + size + 2).to_bytes(4, 'big') +
           b'\0\0' + b'\0\0' + b'\0\1' + size.to_bytes(4, 'big'))
    for _ in range(100):
        a.send(b'y' * (size // 100))
        peak = max(peak, one15.rss_kib())
    a.send(b'\0\0' + execute() + sync())
    assert rawpg.rows(a.until_ready()) == [(str(size),)]
    assert peak - before < 16 * 1024, 'grew by %d KiB' % (peak - before)


def test_slow_reader_is_held_back(weirpool, pg15):
    """A client that does not read stops its server; memory stays, and others go on."""
    wp = weirpool(pg15, default_pool_size=2)
    a, b = wp.raw(rcvbuf=32768), wp.raw()
    b.q('select 1')
    before = wp.rss_kib()
    a.send(query("select repeat('x', 1000) from generate_series(1, 300000)"))
    for _ in range(20):
        time.sleep(0.05)
        assert b.one('select 1') == '1'
    grown = wp.rss_kib() - before
    assert grown < 8 * 1024, 'grew by %d KiB' % grown
    a.sock.settimeout(60)
    n = 0
    while True:
        m = a.recv()
        n += m.type == 'D'
        if m.type == 'Z':
            break
    assert n == 300000


def test_slow_server_holds_the_writer_back(weirpool, victim):
    """The server does not read: a client's COPY must not pile up in memory."""
    victim.query('drop table if exists sink; create table sink (b text); grant all on sink to app', dbname='app')
    wp = weirpool(victim, default_pool_size=1)
    a = wp.raw()
    a.send(query('copy sink from stdin')).recv_until('G')
    before = wp.rss_kib()
    victim.sigstop()
    try:
        sent = 0
        line = copy_data(b'z' * 8000 + b'\n')
        a.sock.settimeout(1)
        try:
            while sent < 200_000_000:
                a.sock.sendall(line * 20)
                sent += len(line) * 20
        except TimeoutError:
            pass
        assert sent < 100_000_000
        grown = wp.rss_kib() - before
        assert grown < 8 * 1024, 'grew by %d KiB' % grown
    finally:
        victim.sigcont()
    a.shut()
    assert wp.usable()


def test_client_that_never_reads_and_leaves(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=10)
    for how in ('shut', 'reset'):
        a = wp.raw(rcvbuf=16384)
        a.send(query("select repeat('x', 1000) from generate_series(1, 200000)"))
        time.sleep(0.2)
        getattr(a, how)()
        assert wp.usable()


def test_deadlock_free_when_both_sides_talk(one15):
    """A pipeline larger than all socket buffers, with replies as large, from a client that writes before it reads."""
    a = one15.raw()
    a.sock.settimeout(60)
    n = 3000
    data = b''.join(query("select '%s'" % ('p' * 4000)) for _ in range(n))
    t = threading.Thread(target=lambda: a.sock.sendall(data), daemon=True)
    t.start()
    time.sleep(0.5)
    out = a.until_ready(n)
    t.join(10)
    assert sum(1 for m in out if m.type == 'D') == n


def test_idle_clients_hold_no_links(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=2, max_client_conn=300)
    clients = [wp.raw() for _ in range(100)]
    for i, c in enumerate(clients):
        assert c.one('select %d' % i) == str(i)
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") <= 2)  # (others' are ending)


def test_terminate_instead_of_a_startup_packet(one15):
    """node-postgres' client.connect(); client.end(): a server closes without a word."""
    for _ in range(3):
        r = one15.bare()
        r.send(b'X\0\0\0\4')
        assert r.expect_closed_raw() == b''
    assert one15.usable()
