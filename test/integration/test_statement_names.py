"""Names of statements, where SQL (PREPARE, EXECUTE, DEALLOCATE) and the protocol (Parse, Bind, Close) meet, and the unnamed statement:
what a client hears on links that it shares is what a connection of its own says, message by message."""
import pytest
import rawpg
from rawpg import batch, bind, close, describe, execute, parse, query, sync

pytestmark = pytest.mark.both_workers


class Twin:
    """A client of weirpool, and one of the server itself that is told the same."""

    def __init__(self, wp):
        self.pool, self.server = wp.raw(), rawpg.Raw(wp.server.port)
        self.server.login()

    def same(self, data, n=1):
        """Both send data, and hear the same up to the n-th ReadyForQuery, which is returned."""
        a, b = ([(m.type, tuple(m.fields.get(k) for k in 'SCM') if m.type == 'E' else m.body)
                 for m in c.send(data).until_ready(n) if m.type not in 'SN'] for c in (self.server, self.pool))
        assert a == b
        return ' '.join(m[1][1] if m[0] == 'E' else m[0] for m in b)


@pytest.fixture
def two(weirpool, pg15):
    """Two clients in turn, on one link."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=10)
    t = Twin(wp)
    other = wp.raw()
    yield t, lambda: other.q('select 1')
    for c in (other, t.pool, t.server):
        c.bye()


@pytest.mark.parametrize('name', ['', 'd'])
def test_a_deallocate_that_is_bound_later(two, name):
    """A DEALLOCATE of a protocol's name, as a statement of the protocol: nothing is gone before it is executed."""
    t, others = two
    t.same(parse('a', 'select 1') + parse(name, 'deallocate a') + sync())
    if name:
        others()
        assert t.same(bind('', 'a') + execute() + sync()) == '2 D C Z'
        assert t.same(bind('', name) + execute() + sync()) == '2 C Z'
        assert t.same(bind('', 'a') + sync()) == '26000 Z'
        assert t.same(bind('', name) + execute() + sync()) == '2 26000 Z'
    others()
    t.same(parse('b', 'select 2') + sync())
    assert t.same(parse(name, 'deallocate b') + sync()) == ('1 Z' if name == '' else '42P05 Z')
    assert t.same(bind('', 'b') + execute() + sync()) == '2 D C Z'


def test_behind_a_deallocate_in_the_same_batch_and_transaction(two):
    t, others = two
    t.same(parse('a', 'select 1') + parse('d', 'deallocate a') + parse('', 'deallocate a') + sync())
    for d in ('', 'd'):
        others()
        t.same(parse('', 'deallocate a') + sync())
        assert t.same(bind('', d) + execute() + bind('', 'a') + execute() + sync()) == '2 C 26000 Z'
        others()
        t.same(parse('', 'deallocate a') + parse('a', 'select 2') + sync())
        t.same(query('begin'))
        t.same(parse('', 'deallocate a') + sync())
        assert t.same(bind('', d) + execute() + sync() + parse('a', 'select 3') + bind('', 'a') + execute() + sync(), 2) == '2 C Z 1 2 D C Z'
        t.same(query('commit'))
        assert t.same(bind('', 'a') + execute() + sync()) == '2 D C Z'
    others()
    t.same(parse('', 'deallocate a') + bind('p') + execute('p') + bind('', 'nix') + sync() + bind('', 'a') + sync(), 2)
    t.same(parse('a', 'select 1') + sync())
    assert t.same(parse('', 'deallocate a') + bind('', 'nix') + execute() + sync() + bind('', 'a') + execute() + sync(), 2) == \
        '1 26000 Z 2 D C Z'
    t.same(query('prepare q as select 4'))
    t.same(parse('', 'deallocate q') + bind() + execute() + bind('', 'q') + sync())
    others()
    t.same(query('execute q'))


def test_a_deallocate_that_is_skipped_leaves_no_statement(two):
    t, others = two
    t.same(parse('a', 'select 1') + sync())
    t.same(parse('a', 'select 2') + parse('', 'deallocate a') + sync() + bind() + sync(), 2)
    others()
    assert t.same(bind('', 'a') + execute() + sync()) == '2 D C Z'
    assert t.same(parse('', 'select 5') + parse('a', 'select 2') + parse('', 'deallocate a') + sync() + bind() + execute() + sync(),
                  2) == '1 42P05 Z 2 D C Z'


def test_a_name_that_is_made_in_the_batch_before(two):
    """... and not answered yet, when the unnamed statement that looks for it is bound."""
    t, others = two
    for use in ('deallocate b', 'execute b'):
        others()
        t.same(parse('', use) + parse('b', 'select 1') + sync() + bind() + execute() + sync(), 2)


def test_execute_of_what_names_another(two):
    t, others = two
    t.same(parse('d', 'deallocate a') + parse('e', 'execute a') + sync())
    for use in 'ed':
        t.same(query('prepare a as select 1'))
        others()
        t.same(query('execute ' + use))
        t.same(query('deallocate all') + parse('d', 'deallocate a') + sync(), 2)


def test_execute_behind_other_messages_of_a_batch(two):
    t, others = two
    t.same(parse('a', "select 'a'") + parse('e', 'execute a') + sync())
    for name in ('', 'e'):
        others()
        first = parse('', 'execute a') if name == '' else b''
        assert t.same(batch('select 5', name='x' + name) + first + bind('', name) + describe('P') + execute() + sync()).endswith('T D C Z')
    others()
    t.same(parse('', 'select 5') + bind('', 'nix') + parse('', 'execute a') + sync() + parse('', 'execute a') + bind() + execute() + sync(), 2)
    t.same(parse('f', 'select 5') + bind('', 'nix') + bind('', 'e') + sync() + query('execute a') + bind('', 'e') + execute() + sync(), 3)
    others()
    t.same(parse('b', "select 'b'") + parse('', 'execute b') + bind() + execute() + bind('', 'nix') + sync() + query('execute b'), 2)
    t.same(parse('c', "select 'c'") + bind('', 'nix') + parse('', 'execute c') + sync() + query('execute c'), 2)
    t.same(close('S', 'b') + parse('b', "select 'b2'") + parse('', 'execute b') + bind() + execute() + sync() + query('execute b'), 2)


@pytest.mark.parametrize('how', ['explain (costs off) execute a', 'create temp table x as execute a', 'select 1; execute a'])
def test_execute_in_other_statements_of_a_batch(two, how):
    t, others = two
    t.same(parse('a', 'select 1 as n') + sync())
    others()
    t.same(batch(how) + sync())
    t.same(query('drop table if exists x'))


def test_prepare_of_a_name_that_the_protocol_has(two):
    """... by the extended protocol, and among other statements."""
    t, others = two
    t.same(parse('a', 'select 1') + sync())
    for again in (lambda: t.same(batch('prepare a as select 2') + sync()), lambda: t.same(query('select 5; prepare a as select 2'))):
        others()
        assert '42P05' in again()
        assert t.same(bind('', 'a') + execute() + sync()) == '2 D C Z' and t.same(query('execute a')) == 'T D C Z'
    t.same(parse('p', 'prepare a as select 2') + sync())
    others()
    assert t.same(bind('', 'p') + execute() + sync()) == '2 42P05 Z'


def test_parse_of_a_name_that_a_prepare_in_a_string_has_made(two):
    t, others = two
    for prepare in (query('prepare a as select 2; select 1'), batch('prepare a as select 2') + sync()):
        for end in ('commit', 'rollback'):
            t.same(query('begin') + prepare, 2)
            assert t.same(parse('a', 'select 3') + sync()) == '42P05 Z'
            t.same(query(end))
            assert t.same(parse('a', 'selec') + sync()) == '42601 Z'
            assert t.same(parse('a', 'select 3') + sync()) == '42P05 Z'
            assert t.same(bind('', 'a') + execute() + sync()) == '2 D C Z'
            t.same(query('deallocate a'))
            others()
    t.same(query('begin') + query('prepare a as select 2; select 1'), 2)
    t.same(parse('b', 'select $1::int') + describe('S', 'b') + bind('', 'b', ('7',)) + execute() + sync())
    t.same(query('commit') + query('deallocate a'), 2)
    others()
    t.same(bind('', 'b', ('8',)) + execute() + sync())


def test_a_deallocate_that_fails_behind_which_more_is_sent(two):
    """What comes right behind a DEALLOCATE must not make it true."""
    t, others = two
    t.same(query('prepare b(int) as select $1'))
    others()
    t.same(query('begin') + query('select 1/0'), 2)
    assert t.same(query('deallocate b') + execute() + sync(), 2) == '25P02 Z 34000 Z'
    assert t.same(query('rollback; execute b(1)')) == 'C T D C Z'


def test_the_unnamed_statement_behind_a_batch_that_fails(two):
    """weirpool parses it again for the first batch, which fails before that; the second one was sent along."""
    t, others = two
    t.same(parse('', 'select 7') + sync())
    others()
    assert t.same(bind('', 'nix') + bind() + sync() + bind() + execute() + sync(), 2) == '26000 Z 2 D C Z'
    others()
    assert t.same(bind('', 'nix') + bind() + sync() + describe('S') + sync() + bind() + execute() + sync(), 3) == '26000 Z t T Z 2 D C Z'
    t.same(parse('', 'select 8') + bind('', 'nix') + sync() + bind() + execute() + close('S') + sync() + bind() + sync(), 3)


def test_names_behind_the_end_of_a_failed_transaction(two):
    """The end is sent along with what names the statement, which cannot be prepared before it."""
    t, others = two
    t.same(parse('a', "select 'a'") + sync())
    for use in (query('prepare a as select 5; select 1'), query('execute a'), query('select 1; execute a'), query('select 1; deallocate a')):
        others()
        t.same(query('begin') + query('select 1/0'), 2)
        t.same(query('rollback') + use, 2)
        assert t.same(query('begin') + query('select 1/0') + batch('select 1') + query('execute a') + sync() + query('rollback'), 4)
