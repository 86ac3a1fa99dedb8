"""Protocol-level prepared statements in transaction mode: many clients, few links, errors in the middle of pipelines."""
import os
import random
import threading

import psycopg
import pytest
import rawpg
from rawpg import batch, bind, close, describe, execute, flush, parse, query, sync
from servers import eventually

pytestmark = pytest.mark.both_workers


@pytest.fixture
def one(weirpool, anypg):
    return weirpool(anypg, default_pool_size=1, query_wait_timeout=10)


@pytest.fixture
def one15(weirpool, pg15):
    return weirpool(pg15, default_pool_size=1, query_wait_timeout=10)


def prepare(c, name, sql, types=()):
    assert rawpg.kinds(c.send(parse(name, sql, types) + sync()).until_ready()) == '1Z'


def run(c, name, *params):
    out = c.send(bind('', name, params) + execute() + sync()).until_ready()
    if rawpg.errors(out):
        raise rawpg.PgError(rawpg.errors(out)[0])
    return [r[0] if len(r) == 1 else r for r in rawpg.rows(out)]


def code(messages):
    return [e['C'] for e in rawpg.errors(messages)]


def test_same_name_different_text(one):
    clients = [one.raw() for _ in range(6)]
    for i, c in enumerate(clients):
        prepare(c, 's', "select 'client %d says ' || $1" % i)
    for _ in range(4):
        for i, c in enumerate(clients):
            assert run(c, 's', 'hi') == ['client %d says hi' % i]


def test_same_text_different_names(one):
    clients = [one.raw() for _ in range(5)]
    for i, c in enumerate(clients):
        prepare(c, 'name%d' % i, 'select $1::int + 1')
    for _ in range(3):
        for i, c in enumerate(clients):
            assert run(c, 'name%d' % i, i) == [str(i + 1)]


def test_same_text_different_parameter_types(one):
    """pg_typeof tells them apart: the types belong to what a statement is."""
    a, b, c = one.raw(), one.raw(), one.raw()
    prepare(a, 's', 'select pg_typeof($1)', [23])
    prepare(b, 's', 'select pg_typeof($1)', [25])
    prepare(c, 's', 'select pg_typeof($1)', [1700])
    for _ in range(3):
        assert (run(a, 's', 1), run(b, 's', 1), run(c, 's', 1)) == (['integer'], ['text'], ['numeric'])


def test_text_differs_in_one_late_byte(one):
    a, b = one.raw(), one.raw()
    pad = '/*' + 'x' * 20000 + '*/'
    prepare(a, '', "select 'a' %s" % pad)
    prepare(b, 'q', "select 'b' %s" % pad)
    prepare(a, 'q', "select 'a' %s" % pad)
    for _ in range(2):
        assert run(a, 'q') == ['a'] and run(b, 'q') == ['b']


def test_parsed_once_per_link(one15):
    """A statement known to the link is not parsed again, whoever asks."""
    clients = [one15.raw() for _ in range(4)]
    for c in clients:
        prepare(c, 'x', 'select 1 as known_once')
    for _ in range(10):
        for c in clients:
            assert run(c, 'x') == ['1']
    rows = one15.admin('SHOW STATS_TOTALS')
    app = [r for r in rows if r['database'] == 'app'][0]
    assert int(app['client_parse_count']) == 4
    assert int(app['server_parse_count']) <= 4
    assert int(app['bind_count']) == 40
    with one15.server.connect() as su:
        links = "select count(*) from pg_stat_activity where usename = 'app' and backend_type = 'client backend'"
        eventually(lambda: su.execute(links).fetchone() == (1,))  # (others' are ending)


def test_link_holds_one_statement_for_many_clients(one15):
    clients = [one15.raw() for _ in range(5)]
    for c in clients:
        prepare(c, 'x', 'select count(*) from pg_class where relname = $1')
        run(c, 'x', 'pg_class')
    # seen through a superuser's eyes is not possible: the link's own view, by an unnamed simple query of a client
    n = clients[0].one("select count(*) from pg_prepared_statements where statement like 'select count(*) from pg_class where%'")
    assert n == '1'


def test_unnamed_statement_across_syncs(one):
    """On a real server the unnamed statement lives until the next Parse of it or simple query."""
    a, b = one.raw(), one.raw()
    prepare(a, '', "select 'unnamed of a'")
    prepare(b, '', "select 'unnamed of b'")
    for _ in range(3):
        assert run(a, '') == ['unnamed of a']
        assert run(b, '') == ['unnamed of b']
    a.simple('select 1')
    assert code(a.send(bind('', '') + sync()).until_ready()) == ['26000']
    assert run(b, '') == ['unnamed of b']


def test_unnamed_replaced(one):
    a, b = one.raw(), one.raw()
    prepare(a, '', "select 'first'")
    prepare(a, '', "select 'second'")
    b.q('select 1')
    assert run(a, '') == ['second']
    assert code(a.send(parse('', 'select nonsense from') + sync()).until_ready()) == ['42601']
    assert code(a.send(bind('', '') + sync()).until_ready()) == ['26000']


def test_describe_statement_on_another_link(one):
    a, b = one.raw(), one.raw()
    prepare(a, 'd', 'select $1::int as n, $2::text as t')
    prepare(b, 'd', 'select 1.5::numeric as only')
    for _ in range(2):
        out = a.send(describe('S', 'd') + sync()).until_ready()
        assert rawpg.kinds(out) == 'tTZ'
        assert out[0].param_types == (23, 25)
        assert [c[0] for c in out[1].columns] == ['n', 't']
        out = b.send(describe('S', 'd') + sync()).until_ready()
        assert [c[0] for c in out[1].columns] == ['only']


def test_describe_unknown(one):
    a = one.raw()
    assert code(a.send(describe('S', 'nope') + sync()).until_ready()) == ['26000']
    assert code(a.send(describe('P', 'nope') + sync()).until_ready()) == ['34000']
    assert a.one('select 1') == '1'


def test_unknown_statement_is_an_error_not_an_end(one):
    a = one.raw()
    out = a.send(bind('', 'nope') + execute() + sync()).until_ready()
    assert rawpg.kinds(out) == 'EZ' and code(out) == ['26000']
    assert 'nope' in rawpg.errors(out)[0]['M']
    assert a.one('select 1') == '1'


def test_name_twice_is_an_error(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', 'select 1')
    for _ in range(2):
        out = a.send(parse('s', 'select 2') + sync()).until_ready()
        assert code(out) == ['42P05'] and 's' in rawpg.errors(out)[0]['M']
        b.q('select 1')
    assert run(a, 's') == ['1']


def test_close_then_again(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', 'select 1')
    prepare(b, 's', 'select 10')
    assert rawpg.kinds(a.send(close('S', 's') + sync()).until_ready()) == '3Z'
    assert code(a.send(bind('', 's') + sync()).until_ready()) == ['26000']
    prepare(a, 's', 'select 2')
    assert run(a, 's') == ['2'] and run(b, 's') == ['10']
    assert rawpg.kinds(a.send(close('S', 'never') + close('P', 'never') + sync()).until_ready()) == '33Z'
    assert rawpg.kinds(a.send(close('S', 's') + parse('s', 'select 3') + bind('', 's') + execute() + sync()).until_ready()) \
        == '312DCZ'


def test_close_rolls_back_never(one):
    """Statements are not transactional: one made in a transaction that fails stays, if its Parse succeeded."""
    a, b = one.raw(), one.raw()
    a.simple('begin')
    prepare(a, 'kept', 'select 5')
    a.simple('select 1/0')
    a.simple('rollback')
    b.q('select 1')
    assert run(a, 'kept') == ['5']
    a.simple('begin')
    a.send(close('S', 'kept') + sync()).until_ready()
    a.simple('rollback')
    assert code(a.send(bind('', 'kept') + sync()).until_ready()) == ['26000']


def test_parse_error_leaves_no_statement(one):
    a, b = one.raw(), one.raw()
    for bad in ('select from where', 'select * from no_such_table', "select 'unfinished"):
        assert code(a.send(parse('bad', bad) + sync()).until_ready())
        assert code(a.send(bind('', 'bad') + sync()).until_ready()) == ['26000']
        b.q('select 1')
        prepare(a, 'bad', "select 'good'")
        assert run(a, 'bad') == ['good']
        a.send(close('S', 'bad') + sync()).until_ready()


def test_parse_behind_an_error_never_happened(one):
    """Pipeline: error, then Parse of a new name in the same batch, which the server skips."""
    a, b = one.raw(), one.raw()
    out = a.send(batch('select 1/0') + parse('late', 'select 1') + sync()).until_ready()
    assert code(out) == ['22012']
    assert code(a.send(bind('', 'late') + sync()).until_ready()) == ['26000']
    prepare(a, 'late', "select 'now'")
    b.q('select 1')
    assert run(a, 'late') == ['now']
    # the same with a text that another client has made known to the link
    prepare(b, 'x', 'select 1 as shared')
    a.send(batch('select 1/0') + parse('late2', 'select 1 as shared') + sync()).until_ready()
    assert code(a.send(bind('', 'late2') + sync()).until_ready()) == ['26000']
    assert run(b, 'x') == ['1']


def test_close_behind_an_error_never_happened(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', "select 'still here'")
    a.send(batch('select 1/0') + close('S', 's') + sync()).until_ready()
    b.q('select 1')
    assert run(a, 's') == ['still here']


def test_parse_before_an_error_did_happen(one):
    a, b = one.raw(), one.raw()
    out = a.send(parse('early', "select 'early'") + batch('select 1/0') + parse('late', 'select 1') + sync()).until_ready()
    assert rawpg.kinds(out).startswith('1') and code(out) == ['22012']
    b.q('select 1')
    assert run(a, 'early') == ['early']


def test_two_batches_in_one_write_first_fails(one):
    a = one.raw()
    out = a.send(batch('select 1/0') + parse('p1', 'select 1') + sync() +
                 parse('p1', "select 'p1'") + bind('', 'p1') + execute() + sync()).until_ready(2)
    assert code(out) == ['22012'] and rawpg.rows(out) == [('p1',)]


def test_implicit_reprepare_fails_inside_a_pipeline(one15):
    """The statement's table is gone when it has to be parsed on another link: the client gets the error in the
    right place, and the batches behind it work."""
    with one15.server.connect('app') as su:
        su.execute('drop table if exists gone; create table gone (a int); grant all on gone to app')
        a = one15.raw()
        prepare(a, 'g', 'select count(*) from gone')
        prepare(a, 'ok', "select 'ok'")
        assert run(a, 'g') == ['0']
        su.execute('drop table gone')
    one15.admin('RECONNECT')
    b = one15.raw()
    b.q('select 1')
    out = a.send(bind('', 'ok') + execute() + sync() + bind('', 'g') + execute() + bind('', 'ok') + execute() + sync() +
                 bind('', 'ok') + execute() + sync()).until_ready(3)
    assert rawpg.rows(out) == [('ok',), ('ok',)] and code(out) == ['42P01']
    assert run(a, 'ok') == ['ok']
    with one15.server.connect('app') as su:
        su.execute('create table gone (a int); grant all on gone to app')
    assert run(a, 'g') == ['0']


def test_statements_survive_a_new_link(one15):
    a = one15.raw()
    for i in range(20):
        prepare(a, 's%d' % i, 'select %d' % i)
    old = a.one('select pg_backend_pid()')
    one15.admin('RECONNECT')
    eventually(lambda: a.one('select pg_backend_pid()') != old)
    for i in range(20):
        assert run(a, 's%d' % i) == [str(i)]


def test_statements_survive_a_lost_link(one15):
    a = one15.raw()
    prepare(a, 's', "select 'survived'")
    one15.server.terminate_backends("usename = 'app'")
    eventually(lambda: one15.server.backends("usename = 'app'") == 0)
    assert run(a, 's') == ['survived']


def test_more_statements_than_a_link_remembers(weirpool, anypg):
    wp = weirpool(anypg, default_pool_size=1, max_prepared_statements=10)
    a, b = wp.raw(), wp.raw()
    for i in range(60):
        prepare(a, 's%d' % i, 'select %d' % i)
        prepare(b, 's%d' % i, "select 'b%d'" % i)
    rnd = random.Random(1)
    for i in list(range(60)) + [rnd.randrange(60) for _ in range(60)]:
        assert run(a, 's%d' % i) == [str(i)]
        assert run(b, 's%d' % i) == ['b%d' % i]
    n = int(a.one('select count(*) from pg_prepared_statements where from_sql = false'))
    assert n <= 10 or n == 60       # the link's own number, or the client's statements as it must see them


def test_lru_overflow_within_one_pipeline(weirpool, anypg):
    """More statements in one batch than the link may hold."""
    wp = weirpool(anypg, default_pool_size=1, max_prepared_statements=3)
    a, b = wp.raw(), wp.raw()
    for i in range(12):
        prepare(a, 's%d' % i, 'select %d' % i)
    b.q('select 1')
    order = [0, 5, 0, 11, 3, 4, 0, 7, 8, 9, 10, 1, 2, 0, 6, 5]
    out = a.send(b''.join(bind('', 's%d' % i) + execute() for i in order) + sync()).until_ready()
    assert [r[0] for r in rawpg.rows(out)] == [str(i) for i in order] and not code(out)
    out = a.send(b''.join(bind('p%d' % n, 's%d' % i) for n, i in enumerate(order)) +
                 b''.join(execute('p%d' % n) for n in range(len(order))) + sync()).until_ready()
    assert [r[0] for r in rawpg.rows(out)] == [str(i) for i in order]


def test_no_limit_given_means_no_tracking_is_an_error_free_pass(weirpool, pg15):
    """max_prepared_statements=0: within one transaction everything works as on a plain server."""
    wp = weirpool(pg15, default_pool_size=1, max_prepared_statements=0)
    a = wp.raw()
    out = a.send(query('begin') + parse('s', 'select 1') + bind('', 's') + execute() + close('S', 's') + sync() +
                 query('commit')).until_ready(3)
    assert not code(out) and rawpg.rows(out) == [('1',)]


@pytest.mark.parametrize('protocol', ['named', 'unnamed'])
def test_cached_plan_must_not_change_result_type(one15, protocol):
    """ALTER TABLE under a prepared select *: healed outside of a transaction, the plain error inside."""
    su = one15.server.connect('app')
    su.execute('drop table if exists plan; create table plan (a int); insert into plan values (1); grant all on plan to app')
    name = 'p' if protocol == 'named' else ''
    a, b = one15.raw(), one15.raw()
    prepare(a, name, 'select * from plan')
    assert run(a, name) == ['1']
    prepare(b, 'other', 'select * from plan')
    assert run(b, 'other') == ['1']
    su.execute("alter table plan add b text default 'new'")
    for c, n in ((a, name), (b, 'other')):
        out = c.send(bind('', n) + describe('P') + execute() + sync()).until_ready()
        if n:
            assert not code(out) and rawpg.rows(out) == [('1', 'new')]
        else:  # the unnamed one is the server's own
            assert code(out) == ['0A000'] or rawpg.rows(out) == [('1', 'new')]
    su.execute('alter table plan drop b')
    a.simple('begin')
    out = a.send(bind('', name) + execute() + sync()).until_ready()
    if code(out):  # a simple query ends the unnamed statement
        assert code(out) == ['0A000' if name else '26000']
    else:
        assert rawpg.rows(out) == [('1',)]
    a.simple('rollback')
    for c, n in ((a, name), (b, 'other')):
        out = c.send((parse('', 'select * from plan') if not n else b'') + bind('', n) + describe('P') + execute() + sync()).until_ready()
        assert not code(out) and rawpg.rows(out) == [('1',)]
    su.close()


def test_changed_result_type_is_not_hidden(one15):
    """A client that goes by the columns it heard of before (asyncpg, JDBC) would read the new rows wrongly: it must hear of it."""
    su = one15.server.connect('app')
    su.execute('drop table if exists plan3; create table plan3 (a int); insert into plan3 values (1); grant all on plan3 to app')
    a = one15.raw()
    prepare(a, 'p', 'select * from plan3')
    assert run(a, 'p') == ['1']
    su.execute('alter table plan3 alter a type float4')
    out = a.send(bind('', 'p', (), (), (1,)) + execute() + sync()).until_ready()
    assert code(out) == ['0A000'] and not rawpg.rows(out)
    prepare(a, 'again', 'select * from plan3')  # as it does then
    assert run(a, 'again') == ['1']
    su.close()


def test_changed_result_type_in_psycopg(one15):
    su = one15.server.connect('app')
    su.execute('drop table if exists plan2; create table plan2 (a int); insert into plan2 values (1); grant all on plan2 to app')
    with one15.connect() as a, one15.connect() as b:
        for c in (a, b):
            c.prepare_threshold = 0
            c.execute('select * from plan2')
        su.execute('alter table plan2 add b int default 2')
        for c in (a, b):
            try:
                assert c.execute('select * from plan2').fetchone() == (1, 2)
            except psycopg.errors.FeatureNotSupported:
                pytest.fail('the changed plan was not healed')
    su.close()


def test_insert_is_not_run_twice_by_healing(one15):
    """insert .. returning * with a changed table: whatever heals must not write twice."""
    su = one15.server.connect('app')
    su.execute('drop table if exists heal; create table heal (a int); grant all on heal to app')
    a = one15.raw()
    prepare(a, 'i', 'insert into heal values ($1) returning *')
    run(a, 'i', 1)
    su.execute('alter table heal add b int')
    for n in range(3):
        out = a.send(bind('', 'i', [10 + n]) + execute() + sync()).until_ready()
        assert not code(out) or code(out) == ['0A000']
        got = su.execute('select count(*) from heal where a = %s', (10 + n,)).fetchone()[0]
        assert got == (0 if code(out) else 1)
    su.close()


def test_deallocate_all_then_again(one):
    a, b = one.raw(), one.raw()
    for c in (a, b):
        prepare(c, 's', 'select 1')
    a.simple('deallocate all')
    prepare(a, 's', 'select 2')
    assert run(a, 's') == ['2'] and run(b, 's') == ['1']
    a.send(batch('discard all') + sync()).until_ready()
    prepare(a, 's', 'select 3')
    assert run(a, 's') == ['3'] and run(b, 's') == ['1']


@pytest.mark.parametrize('clears', ['deallocate all', 'discard all'])
def test_parsed_behind_deallocate_all_in_the_same_batch(one, clears):
    """Nothing is known of the names, nor of what the link has, until that was answered."""
    a, b = one.raw(), one.raw()
    for c in (a, b):
        prepare(c, 's', 'select 1')
        prepare(c, 't', 'select 2')
    out = a.send(batch(clears) + parse('s', 'select 3') + parse('u', 'select 1') + bind('', 'u') + execute() + sync()).until_ready()
    assert rawpg.kinds(out) == '12nC112DCZ'
    assert run(a, 's') == ['3'] and run(a, 'u') == ['1']
    assert code(a.send(parse('s', 'select 4') + sync()).until_ready()) == ['42P05']
    assert code(a.send(bind('', 't') + sync()).until_ready()) == ['26000']
    out = a.send(batch(clears) + bind('', 's') + execute() + sync()).until_ready()
    assert rawpg.kinds(out) == '12nCEZ' and code(out) == ['26000']
    out = a.send(batch(clears) + close('S', 's') + describe('S', 'u') + sync()).until_ready()
    assert rawpg.kinds(out) == '12nC3EZ' and code(out) == ['26000']
    # one that fails: the others are skipped, and all is as it was
    prepare(a, 's', 'select 5')
    a.simple('begin')
    out = a.send(batch('select 1/0') + batch(clears) + parse('v', 'select 6') + sync()).until_ready()
    assert code(out) == ['22012'] and out[-1].status == 'E'
    out = a.send(batch(clears) + parse('v', 'select 6') + sync()).until_ready()
    assert code(out) == ['25P02']
    a.simple('rollback')
    assert run(a, 's') == ['5'] and code(a.send(bind('', 'v') + sync()).until_ready()) == ['26000']
    assert run(b, 's') == ['1'] and run(b, 't') == ['2']


def test_deallocate_by_sql_of_a_protocol_name(one):
    a, b = one.raw(), one.raw()
    prepare(a, 'Mixed Name', "select 'm'")
    b.q('select 1')
    assert a.simple('deallocate "Mixed Name"')[0].tag == 'DEALLOCATE'
    assert code(a.send(bind('', 'Mixed Name') + sync()).until_ready()) == ['26000']


def test_deallocate_among_other_statements_of_a_string(one):
    a, b = one.raw(), one.raw()
    for c in (a, b):
        for name, sql in (('s', 'select 1'), ('t', 'select 2'), ('u', 'select 3')):
            prepare(c, name, sql)
    b.q('select 1')
    assert rawpg.kinds(a.simple('select 5; deallocate s')) == 'TDCCZ'
    assert code(a.send(bind('', 's') + sync()).until_ready()) == ['26000'] and run(a, 't') == ['2']
    prepare(a, 's', 'select 4')
    assert run(a, 's') == ['4']
    out = a.simple('deallocate t; deallocate u; deallocate t')
    assert rawpg.kinds(out) == 'CCEZ' and code(out) == ['26000']
    for name in 'tu':
        assert code(a.send(bind('', name) + sync()).until_ready()) == ['26000']
    b.q('select 1')
    a.simple('begin')
    assert rawpg.kinds(a.simple('deallocate s; select 1')) == 'CTDCZ'
    a.simple('rollback')
    assert code(a.send(bind('', 's') + sync()).until_ready()) == ['26000']
    assert [run(b, name) for name in 'stu'] == [['1'], ['2'], ['3']]


@pytest.mark.parametrize('name', ['x' * 63, 'x' * 64, 'x' * 300, 'ünïcode', 'with space', "quo'te", 'do"uble', '\u0001', 'P'])
def test_odd_names(one, name):
    a, b = one.raw(), one.raw()
    prepare(a, name, "select 'a'")
    prepare(b, name, "select 'b'")
    for _ in range(2):
        assert run(a, name) == ['a'] and run(b, name) == ['b']
    a.send(close('S', name) + sync()).until_ready()
    assert code(a.send(bind('', name) + sync()).until_ready()) == ['26000']


def test_names_that_look_like_ours(one):
    a, b = one.raw(), one.raw()
    for n in ('PGBOUNCER_1', 'WEIRPOOL_1', 'weirpool_1', 'wp_1', '_wp1'):
        prepare(a, n, "select 'mine'")
        prepare(b, n, "select 'his'")
        assert run(a, n) == ['mine'] and run(b, n) == ['his']


def test_binary_parameters_and_results(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', 'select $1::int4, $2::bytea', [23, 17])
    blob = bytes(range(256)) * 10
    for _ in range(2):
        b.q('select 1')
        out = a.send(bind('', 's', [b'\0\0\1\0', blob], [1], [1]) + execute() + sync()).until_ready()
        d = [m for m in out if m.type == 'D'][0]
        assert d.body == b'\0\2' + b'\0\0\0\4' + b'\0\0\1\0' + len(blob).to_bytes(4, 'big') + blob


def test_null_and_empty_parameters(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', "select coalesce($1::text, 'null'), $2::text = ''")
    for _ in range(2):
        b.q('select 1')
        assert run(a, 's', None, '') == [('null', 't')]


def test_very_long_statement_text(one):
    a, b = one.raw(), one.raw()
    sql = 'select %s' % ' + '.join(['1'] * 500)
    big = "select length('%s')" % ('y' * 2_000_000)
    prepare(a, 'l', sql)
    prepare(a, 'big', big)
    b.q('select 1')
    assert run(a, 'l') == ['500'] and run(a, 'big') == ['2000000']


def test_many_parameters(one):
    a, b = one.raw(), one.raw()
    n = 1500
    prepare(a, 'm', 'select ' + ' + '.join('$%d::int' % (i + 1) for i in range(n)), [23] * n)
    b.q('select 1')
    assert run(a, 'm', *range(n)) == [str(n * (n - 1) // 2)]
    out = a.send(describe('S', 'm') + sync()).until_ready()
    assert out[0].param_types == (23,) * n


def test_wrong_number_of_parameters(one):
    a, b = one.raw(), one.raw()
    prepare(a, 's', 'select $1::int')
    b.q('select 1')
    assert code(a.send(bind('', 's', [1, 2]) + sync()).until_ready()) == ['08P01']
    assert run(a, 's', 4) == ['4']


def test_prepared_with_settings_in_between(one):
    """State of the session is restored before the statement is parsed on the link."""
    a, b = one.raw(), one.raw()
    prepare(a, 's', "select current_setting('work_mem')")
    a.simple("set work_mem = '9MB'")
    b.simple("set work_mem = '8MB'")
    prepare(b, 's', "select current_setting('work_mem')")
    for _ in range(3):
        assert run(a, 's') == ['9MB'] and run(b, 's') == ['8MB']


def test_statement_pool_mode_prepared(weirpool, anypg):
    wp = weirpool(anypg, default_pool_size=2, pool_mode='statement')
    a, b = wp.raw(), wp.raw()
    prepare(a, 's', 'select 1')
    prepare(b, 's', 'select 2')
    for _ in range(3):
        assert run(a, 's') == ['1'] and run(b, 's') == ['2']


def test_flush_instead_of_sync(one):
    a = one.raw()
    a.send(parse('f', 'select 1') + flush())
    assert a.recv().type == '1'
    a.send(describe('S', 'f') + flush())
    assert [a.recv().type, a.recv().type] == ['t', 'T']
    a.send(bind('', 'f') + execute() + flush())
    assert [m.type for m in a.recv_until('C')] == ['2', 'D', 'C']
    a.send(sync())
    assert a.recv().type == 'Z'


def test_link_is_held_between_flush_and_sync(one):
    """Until Sync the implicit transaction is open: nobody else may get the link."""
    a, b = one.raw(), one.raw()
    a.send(batch('select 1') + flush()).recv_until('C')
    b.send(query("select 'b'"))
    assert b.quiet(0.3)
    a.send(batch('select 2') + sync())
    assert rawpg.rows(a.until_ready()) == [('2',)]
    assert rawpg.rows(b.until_ready()) == [('b',)]


SEEDS = [*range(int(os.environ.get('WEIRPOOL_TEST_SEEDS', 5))), 13]


def test_random_pipelines_against_a_direct_connection(weirpool, pg15):
    """Four clients on two links send random batches of Parse, Bind, Describe, Execute, Close, with errors; a direct
    twin of each must give the same messages."""
    wp = weirpool(pg15, default_pool_size=2, max_prepared_statements=5, query_wait_timeout=20)
    for seed in SEEDS:
        rnd = random.Random(seed)
        pairs = []
        for _ in range(4):
            d = rawpg.Raw(pg15.port)
            d.login()
            pairs.append((wp.raw(), d))
        trace = []
        for step in range(60):
            c, d = rnd.choice(pairs)
            data = b''
            syncs = 0
            names = ['', 's1', 's2', 's3', 's4', 's5', 's6', 's7']
            for _ in range(rnd.randrange(1, 10)):
                n = rnd.choice(names)
                what = rnd.randrange(9)
                if what <= 1:
                    data += parse(n, rnd.choice(["select %d" % rnd.randrange(9), "select 'x' || $1::text", 'select 1/0',
                                                 'select oops', 'values (1), (2), (3)']))
                elif what == 2:
                    data += close('S', n)
                elif what == 3:
                    data += describe('S', n)
                elif what <= 6:
                    data += bind('', n, rnd.choice([(), (), ('p',)])) + execute('', rnd.choice([0, 0, 1]))
                elif what == 7:
                    data += close('P', '')
                else:
                    data += sync()
                    syncs += 1
            data += sync()
            replies = []
            for conn in (c, d):
                out = conn.send(data).until_ready(syncs + 1)
                replies.append([(m.type, m.fields if m.type in 'EN' else m.body) for m in out])
            trace.append(data)
            assert replies[0] == replies[1], 'seed %d step %d\n%r' % (seed, step, data)
        for c, d in pairs:
            c.bye()
            d.bye()


def test_many_threads_of_psycopg(weirpool, pg15):
    """A nonce in every statement; the client checks it."""
    wp = weirpool(pg15, default_pool_size=3, max_prepared_statements=20)
    failures = []

    def worker(w):
        try:
            rnd = random.Random(w)
            with wp.connect() as c:
                c.prepare_threshold = 1
                for i in range(150):
                    k = rnd.randrange(30)
                    r = c.execute("select %%s::int * %d, %%s::text, 'stmt %d'" % (k, k), (i, 'w%d-%d' % (w, i))).fetchone()
                    if r != (i * k, 'w%d-%d' % (w, i), 'stmt %d' % k):
                        failures.append((w, i, r))
        except Exception as e:
            failures.append((w, repr(e)))
    ts = [threading.Thread(target=worker, args=(w,)) for w in range(10)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(60)
    assert not failures, failures[:5]


@pytest.mark.parametrize('n', [65535, 65536, 150000])
def test_more_parameters_than_can_be_bound(weirpool, pg15, n):
    """They can be prepared; the number in ParameterDescription has 16 bits and is what is left of it."""
    wp = weirpool(pg15)
    text = 'values ' + ', '.join('($%d::text)' % (i + 1) for i in range(n))
    direct = rawpg.Raw(pg15.port)
    direct.login()
    for c in (wp.raw(), direct):
        for name in ('', 'many'):
            c.send(rawpg.parse(name, text) + rawpg.describe('S', name) + rawpg.sync())
            out = c.until_ready()
            assert [m.type for m in out] == ['1', 't', 'T', 'Z'] and len(out[1].body) == 2 + 4 * n
        assert c.one('select 1') == '1'
