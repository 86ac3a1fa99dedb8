"""Rules (section [rules]) on servers that are in no cluster: what is refused, timed, logged and counted. The clusters'
part is in test_rules_pg.py and test_rules_my.py."""
import re

import psycopg
import pytest

import rawpg
from rawmy import MyError
from servers import eventually


def hits(wp):
    return {r['rule']: int(r['hits']) for r in wp.admin('SHOW RULES')}


BLOCK = {'no_drop': "regex='^DROP\\s+TABLE' block='ask ''the'' team'"}


# --- block, PostgreSQL

@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_block(weirpool, pg15, mode):
    wp = weirpool(pg15, rules=BLOCK, pool_mode=mode)
    with wp.connect() as c:
        for sql, params in (('drop table nope', None), ('/* x */ DROP\n\ttable nope', None), ('drop table nope', ())):
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as e:
                c.execute(sql, params, prepare=params is not None)
            assert e.value.diag.message_primary == "ask 'the' team" and 'no_drop' in e.value.diag.message_detail
            assert c.execute('select 1').fetchone() == (1,)
    assert hits(wp) == {'no_drop': 3}


@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_block_aborts_the_transaction(weirpool, pg15, mode):
    """As any error: what follows fails, and what came before is undone."""
    wp = weirpool(pg15, rules=BLOCK, pool_mode=mode)
    with wp.connect() as c:
        c.execute('create temp table keep (id int)')
        for params in (None, ()):
            c.execute('begin')
            c.execute('insert into keep values (1)')
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute('drop table keep', params, prepare=params is not None)
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                c.execute('insert into keep values (2)')
            c.execute('commit')
            assert c.execute('select count(*) from keep').fetchone() == (0,)


def test_block_in_a_batch(weirpool, pg15):
    """What stands before it in the batch is undone, what follows up to Sync is not run, in each place of a batch."""
    wp = weirpool(pg15, rules=BLOCK)
    bad = rawpg.parse('', 'drop table nope') + rawpg.bind() + rawpg.execute()
    good = rawpg.parse('', 'select 1') + rawpg.bind() + rawpg.execute()
    with wp.raw() as r:
        for first, last in ((b'', b''), (good, b''), (b'', good), (good, good)):
            for _ in range(2):
                r.send(first + bad + last + rawpg.sync() + rawpg.query('select 2'))
                got = r.until_ready(2)
                [e] = rawpg.errors(got)
                assert e['C'] == '42501' and e['M'] == "ask 'the' team", got
                assert rawpg.rows(got)[-1] == ('2',)
                assert rawpg.kinds(got).count('C') == (2 if first else 1), 'nothing behind the refused one runs'


def test_block_of_what_was_prepared_before(weirpool, pg15):
    wp = weirpool(pg15, rules={'a': 'user=nobody log=1'})
    with wp.connect() as c:
        c.execute('select 41', prepare=True)
        wp.rules = {'a': "prefix='select 41' block=gone"}
        wp.reload()
        for _ in range(2):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute('select 41', prepare=True)
            assert c.execute('select 42').fetchone() == (42,)
        wp.rules = {}
        wp.reload()
        assert c.execute('select 41', prepare=True).fetchone() == (41,)


# --- block, MySQL and MariaDB

@pytest.mark.parametrize('mode', ['transaction', 'session'])
def test_block_mysql(weirpool, anymy, mode):
    wp = weirpool(anymy, rules=BLOCK, pool_mode=mode)
    with wp.my() as c:
        c.do('create temporary table keep (id int) engine = innodb')
        for sql in ('drop table nope', '/* x */ DROP\n\ttable nope', '/*!40000 drop table nope */'):
            with pytest.raises(MyError) as e:
                c.do(sql)
            assert (e.value.errno, e.value.sqlstate, e.value.text) == (1148, '42000', "ask 'the' team"), sql
            with pytest.raises(MyError) as e:
                c.prepare(sql)
            assert e.value.errno == 1148
            assert c.one('select 1') == '1'
        c.do('begin')
        c.do('insert into keep values (1)')
        with pytest.raises(MyError):
            c.do('drop table keep')
        c.do('commit')  # as with any error there, the rest stays
        assert c.one('select count(*) from keep') == '1'
    assert hits(wp) == {'no_drop': 7}


# --- who

def test_who(weirpool, pg15):
    wp = weirpool(pg15, rules={'other': 'user=app2 block=user', 'db': 'database=app2,postgres block=database',
                               'far': 'address=10.0.0.0/8 block=address', 'unix': 'address=unix block=unix',
                               'near': "address=10.0.0.0/8,127.0.0.0/8 prefix='select 3' block=near"})
    def refused(sql='select 1', **kw):
        with wp.connect(**kw) as c:
            try:
                c.execute(sql)
                return None
            except psycopg.errors.InsufficientPrivilege as e:
                return e.diag.message_primary
    assert refused() is None
    assert refused(user='app2') == 'user'
    assert refused(dbname='app2') == 'database'
    assert refused(dbname='postgres') == 'database'
    assert refused('select 3') == 'near'
    assert refused(host=str(wp.dir)) == 'unix'


def test_the_first_that_fits_decides(weirpool, pg15):
    wp = weirpool(pg15, rules={'fine': "prefix='select 1' log=1", 'rest': 'regex=^select block=no'})
    with wp.connect() as c:
        assert c.execute('select 1').fetchone() == (1,)
        assert c.execute('SELECT 10').fetchone() == (10,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            c.execute('select 2')
        assert c.execute('values (1)').fetchone() == (1,)
    assert hits(wp) == {'fine': 2, 'rest': 1}


# --- query_timeout, log

def test_query_timeout(weirpool, pg15):
    wp = weirpool(pg15, rules={'fast': "regex=pg_sleep user=app query_timeout=1",
                               'any': "regex=pg_sleep user=app2 query_timeout=0"}, query_timeout=2)
    for params in (None, ()):
        with wp.connect() as c:
            with pytest.raises(psycopg.OperationalError, match='query_timeout'):
                c.execute('select pg_sleep(60)', params)
    with wp.connect(user='app2') as c:  # the rule lifts what is set for all
        c.execute('select pg_sleep(3)')
    with wp.connect() as c:  # of that statement alone
        c.execute('select 1 as pg_sleep')
        with pytest.raises(psycopg.OperationalError, match=r'after 2 s .query_timeout'):
            c.execute('select count(*) from generate_series(1, 1000000000000)')


def test_query_timeout_mysql(weirpool, anymy):
    wp = weirpool(anymy, rules={'fast': 'regex=sleep query_timeout=300ms'})
    with wp.my() as c:
        with pytest.raises(Exception):
            c.one('select sleep(60)')
    with wp.my() as c:
        s = c.prepare('select sleep(60)')
        with pytest.raises(Exception):
            c.execute(s)
    assert hits(wp)['fast'] == 2


def test_log(weirpool, pg15):
    wp = weirpool(pg15, rules={'seen': 'regex=secret_table log=1'})
    with wp.connect() as c:
        c.execute("select 'secret_table', 1")
        c.execute('select 2')
    wp.wait_log(r"rule seen: select 'secret_table', 1")
    assert len(re.findall('rule seen', wp.log())) == 1


# --- counting

@pytest.mark.both_workers
def test_hits_survive_a_reload(weirpool, pg15, workers):
    wp = weirpool(pg15, workers=workers, rules={'one': 'regex=^select log=1', 'two': 'prefix=values log=1'})
    def use(n):
        for _ in range(n):
            with wp.connect() as c:
                c.execute('select 1')
                c.execute('values (1)')
    use(6)
    assert hits(wp) == {'one': 6, 'two': 6}
    wp.rules = {'new': 'prefix=table log=1', 'two': 'prefix=values log=0 query_timeout=5', 'one': 'regex=^select log=1'}
    wp.reload()
    assert hits(wp) == {'new': 0, 'two': 0, 'one': 6}, 'what is another rule by now begins anew'
    use(2)
    assert hits(wp) == {'new': 0, 'two': 2, 'one': 8}
    assert [r['rule'] for r in wp.admin('SHOW RULES', 'stats')] == ['new', 'two', 'one']
    assert [r['definition'] for r in wp.admin('SHOW RULES')][0] == 'prefix=table log=1'


def test_prepared_statements_count_when_they_run(weirpool, pg15, mysql97):
    wp = weirpool(pg15, mysql=mysql97, rules={'s': 'regex=^select log=1'})
    with wp.connect() as c:
        for _ in range(5):
            c.execute('select %s', (1,), prepare=True)
    assert hits(wp) == {'s': 5}
    with wp.my(db='myapp') as c:
        s = c.prepare('select 1')
        for _ in range(4):
            c.execute(s)
    assert hits(wp) == {'s': 9}


def test_digest(weirpool, pg15, mysql97):
    wp = weirpool(pg15, mysql=mysql97, rules={'that': 'digest=%s block=no' % digest("select v from reg where id = 1")})
    with wp.connect() as c:
        for sql in ('SELECT v FROM reg\nWHERE id = 42', "select v from reg where id='x' -- y"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute(sql)
        c.execute('select 1')
    with wp.my(db='myapp') as c:
        with pytest.raises(MyError, match='no'):
            c.one('select v from reg where id = 5')
    assert hits(wp) == {'that': 3}


def digest(sql, *args):
    import subprocess
    from weir import find_binary
    out = subprocess.run([find_binary(), 'explain-route', '--digest', *args], input=sql, capture_output=True, text=True, check=True).stdout
    return out.split('\t')[0]


# --- mistakes

def test_a_pattern_that_takes_too_long(weirpool, pg15):
    """It does not fit then, the operator is told, and nothing hangs."""
    wp = weirpool(pg15, rules={'evil': "regex='^(a|aa|select|[^b])*[bc]$' block=no"})
    with wp.connect() as c:
        c.execute("select '%s'" % ('a' * 50000))
        c.execute("select '%s'" % ('a' * 50000))
    [r] = wp.admin('SHOW RULES')
    assert (r['hits'], r['gave_up']) == ('0', '2')
    wp.wait_log('rule evil: its pattern took too many steps')
    assert wp.log().count('too many steps') == 1


@pytest.mark.parametrize('rule, said', [
    ("regex='a(b' log=1", 'regex: missing closing parenthesis'),
    ('route=127.0.0.1:1', 'is neither primary nor replica nor'),
    ('block=x query_timeout=1', 'contradicts itself')])
def test_mistakes_stop_a_start_and_not_a_running_one(weirpool, pg15, rule, said):
    wp = weirpool(pg15, rules={'fine': 'prefix=values log=1'})
    wp.rules['bad'] = rule
    with pytest.raises(Exception) as e:
        wp.reload()
    with wp.connect() as c:
        assert c.execute('select 1').fetchone() == (1,)
    import subprocess
    got = subprocess.run([wp.binary, '-t', str(wp.conffile)], capture_output=True, text=True)
    line = [i for i, t in enumerate(wp.text().split('\n'), 1) if t.startswith('bad = ')][0]
    assert got.returncode != 0 and said in got.stderr + got.stdout, got
    assert 'weirpool.ini:%d: ' % line in got.stderr + got.stdout, got
    assert hits(wp) == {'fine': 0}
