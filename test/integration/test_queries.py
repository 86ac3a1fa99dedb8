"""SHOW QUERIES: what is counted of statements, by simple and extended protocol, of PostgreSQL and MySQL; what counts as the same statement
as the servers have it; the slow-query log."""
import contextlib
import re
import threading
import time

import pymysql
import pytest
import rawmy
import rawpg
from servers import eventually


@pytest.fixture
def weirpool(weirpool):
    return lambda *args, **kw: weirpool(*args, **dict(dict(query_stats=1), **kw))


def queries(wp, where=''):
    """Rows by their normalised text."""
    rows = wp.admin('SHOW QUERIES' + (' WHERE ' + where if where else ''))
    return {r['query']: {k: int(v) if re.fullmatch(r'\d+', v or '') and k != 'digest' else v for k, v in r.items()} for r in rows}


def my(wp, db='app', user='app', **kw):
    return pymysql.connect(host=wp.host, port=wp.mysql_port, user=user, password='app', database=db, autocommit=True, **kw)


# --- PostgreSQL

@pytest.mark.both_workers
def test_simple_queries(weirpool, pg15, workers):
    wp = weirpool(pg15, workers=workers)
    clients = [wp.raw() for _ in range(4)]
    for i, c in enumerate(clients):
        c.q('select %d' % i)
        c.q("SELECT generate_series(1, %d) -- comment %d" % (i + 1, i))
    q = queries(wp)
    one, rows = q['select ?'], q['select generate_series ( ? )']
    assert (one['database'], one['user'], one['calls'], one['errors'], one['rows']) == ('app', 'app', 4, 0, 4)
    assert (rows['calls'], rows['rows']) == (4, 1 + 2 + 3 + 4)
    assert rows['bytes'] > one['bytes'] > 4 * len('select 1')
    assert one['min_us'] <= one['avg_us'] <= one['max_us'] <= one['total_us']
    assert one['min_us'] <= one['p50_us'] <= one['p95_us'] <= one['p99_us'] <= one['max_us']
    assert sum(int(b.split(':')[1]) for b in one['histogram'].split()) == 4
    assert (one['primary'], one['replica']) == (4, 0)
    assert one['first_seen'] <= one['last_seen']
    assert re.fullmatch('[0-9a-f]{16}', one['digest'])


def test_by_database_and_user(weirpool, pg15):
    wp = weirpool(pg15)
    for user, db in (('app', 'app'), ('app', 'app2'), ('app2', 'app')):
        with wp.raw(user, db) as c:
            c.q('select 1')
    rows = wp.admin("SELECT database, user, calls FROM queries WHERE query = 'select ?' ORDER BY database, user")
    assert [tuple(r.values()) for r in rows] == [('app', 'app', '1'), ('app', 'app2', '1'), ('app2', 'app', '1')]


def test_extended_protocol(weirpool, pg15):
    """One call for each execution, whatever it is called and how it is batched."""
    wp = weirpool(pg15)
    with wp.raw() as c:
        for i in range(3):
            c.ext('select $1::int', [str(i)])
        c.send(rawpg.parse('s', 'select $1::text') + rawpg.sync()).until_ready()
        for _ in range(2):
            c.send(b''.join(rawpg.bind('', 's', ['x']) + rawpg.execute() for _ in range(5)) + rawpg.sync()).until_ready()
        # a portal in pieces is one call; its rows are those of the first piece
        c.send(rawpg.parse('', 'select generate_series(1, 10) as n') + rawpg.bind('p', '') + rawpg.execute('p', 4) +
               rawpg.execute('p', 4) + rawpg.sync()).until_ready()
    q = queries(wp)
    assert q['select ? :: int']['calls'] == 3
    assert (q['select ? :: text']['calls'], q['select ? :: text']['rows']) == (10, 10)
    assert q['select generate_series ( ? ) as n']['calls'] == 1


def test_errors(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw() as c:
        c.simple('select 1/0')
        c.simple('select nothing_like_it')
        c.send(rawpg.batch('select 1/$1::int', ['0']) + rawpg.batch('select 99 as behind_it') + rawpg.sync()).until_ready()
        c.q('select 1/1')
        c.simple("select 'open")
    q = queries(wp)
    assert (q['select ? / ?']['calls'], q['select ? / ?']['errors']) == (2, 1)
    assert (q['select nothing_like_it']['calls'], q['select nothing_like_it']['errors']) == (1, 1)
    assert (q['select ? / ? :: int']['calls'], q['select ? / ? :: int']['errors']) == (1, 1)
    assert 'select ? as behind_it' not in q  # it was never run
    assert q['(all others)']['calls'] == 1  # what does not lex has no digest
    assert q['(all others)']['database'] is None


def test_pipelined_times_are_each_its_own(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw() as c:
        begun = time.monotonic()
        c.send(b''.join(rawpg.batch('select pg_sleep($1)', ['0.2']) + rawpg.sync() for _ in range(4)))
        c.until_ready(4)
        took = time.monotonic() - begun
    r = queries(wp)['select pg_sleep ( ? )']
    assert r['calls'] == 4
    assert r['total_us'] >= 790000
    assert r['total_us'] < 1.5 * took * 1000000  # from when the first was sent they would be 2.5 times as long together


def test_waiting_is_told_apart(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1)
    with wp.raw() as a, wp.raw() as b:
        a.q('select 1')  # (there is a connection)
        a.q('begin')
        b.send(rawpg.query('select 5 as waited'))
        eventually(lambda: wp.admin('SHOW POOLS WHERE cl_waiting > 0'))
        time.sleep(0.3)
        a.q('commit')
        b.until_ready()
    r = queries(wp)['select ? as waited']
    assert r['total_us'] >= r['wait_us'] >= 250000
    assert queries(wp)['begin']['wait_us'] < 250000


def test_no_secret_is_kept(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw('super', 'app') as c:
        for sql in ("create role weirpool_q password 'hunter2'", "alter role weirpool_q password E'hunter2'", 'drop role weirpool_q',
                    "select 1 /* hunter2 */ -- hunter2"):
            c.q(sql)
    q = queries(wp)
    assert 'create role weirpool_q password ?' in q
    assert 'hunter2' not in repr(q)


def test_reset_and_off_and_on(weirpool, pg15):
    wp = weirpool(pg15)
    c = wp.raw()
    c.q('select 1')
    assert len(queries(wp)) == 1
    wp.admin('RESET QUERIES')
    assert queries(wp) == {}
    c.q('select 1')
    assert queries(wp)['select ?']['calls'] == 1
    wp.admin('SET query_stats = 0')
    eventually(lambda: 'query_stats' in repr(wp.admin("SHOW CONFIG WHERE key = 'query_stats' AND value = '0'")))
    c.q('select 1')
    assert queries(wp)['select ?']['calls'] == 1
    wp.admin('SET query_stats = 1')
    c.q('select 1')
    assert queries(wp)['select ?']['calls'] == 2
    with pytest.raises(rawpg.PgError, match='RESET QUERIES'):
        wp.admin('RESET everything')
    with pytest.raises(rawpg.PgError, match='admin access'):
        wp.admin('RESET QUERIES', user='stats')


def test_bounded(weirpool, pg15):
    """The statement that was not used for the longest time makes room, and nothing that was counted is lost."""
    wp = weirpool(pg15, query_stats_max=16)
    with wp.raw() as c:
        for i in range(40):
            c.q('select 1 as c%d' % i)
            c.q('select 2 as always')
        c.q('select 1 as ' + 'x%s' % ('y' * 60) + ', 2 as ' + ', 3 as '.join('n%d' % i for i in range(300)))
    q = queries(wp)
    assert len(q) == 17
    assert q['select ? as always']['calls'] == 40
    assert sum(r['calls'] for r in q.values()) == 81
    assert 'select ? as c39' in q and 'select ? as c5' not in q
    assert max(len(t) for t in q) == 1024
    wp.admin('SET query_stats_max = 100')
    with wp.raw() as c:
        for i in range(50):
            c.q('select 1 as d%d' % i)
    assert len(queries(wp)) == 67


@pytest.mark.both_workers
def test_more_rows_than_fit_into_a_slice(weirpool, pg15, workers):
    """Workers are asked for a few rows at a time, and go on counting: each statement is there once, with all its calls."""
    wp = weirpool(pg15, workers=workers, query_stats_max=5000)
    clients = [wp.raw() for _ in range(4)]
    for i in range(600):
        for c in clients[:1 + i % 4]:
            c.send(rawpg.query('select 1 as c%d' % i))
        for c in clients[:1 + i % 4]:
            c.until_ready()
    q = queries(wp, "query like 'select ? as c%'")
    assert len(q) == 600 and all(q['select ? as c%d' % i]['calls'] == 1 + i % 4 for i in range(600))
    assert len(wp.admin("SHOW QUERIES WHERE query like 'select ? as c%'")) == 600
    [text] = wp.admin('SHOW PROMETHEUS METRICS')[0].values()
    assert int(re.search(r'^weirpool_query_calls_total (\d+)', text, re.M)[1]) >= 1500


def test_taken_and_begun_anew(weirpool, maria1011):
    """Who takes the rows and resets them again and again has each call in one answer, but for what was under way at a reset, which
    is of (all others) then, and never another statement's."""
    wp = weirpool(maria1011, workers=2)
    calls, seen, resets = 3 * 400, 0, 0

    def run(c):
        for i in range(400):
            c.q('select 1 as c%d' % (i % 150))

    def taken():
        rows = wp.admin('SELECT digest_text, count_star FROM stats_mysql_query_digest_reset')
        return sum(int(r['count_star']) for r in rows if r['digest_text'].startswith('select ? as c'))

    with contextlib.ExitStack() as stack:
        threads = [threading.Thread(target=run, args=(stack.enter_context(wp.my()),)) for _ in range(3)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            seen += taken()
            resets += 1
            time.sleep(0.1)
        for t in threads:
            t.join()
        seen += taken()
    assert calls - 3 * resets <= seen <= calls, resets
    [text] = wp.admin('SHOW PROMETHEUS METRICS')[0].values()
    assert int(re.search(r'^weirpool_query_calls_total (\d+)', text, re.M)[1]) >= calls


def test_copy_and_several_statements(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw() as c:
        c.q('create temp table q_copy (a int)')
        c.q('insert into q_copy values (1), (2); select a from q_copy')
        assert len(rawpg.kinds(c.simple('copy q_copy to stdout'))) > 3
    q = queries(wp)
    assert q['insert into q_copy values ( ? ) ; select a from q_copy']['rows'] == 4
    assert (q['copy q_copy to stdout']['calls'], q['copy q_copy to stdout']['rows']) == (1, 2)


def test_a_client_that_leaves(weirpool, pg15):
    """What is not answered to anybody is not counted, and its remains fall to nobody else."""
    wp = weirpool(pg15, default_pool_size=1)
    a = wp.raw()
    a.send(rawpg.query('select pg_sleep(60), generate_series(1, 5)'))
    eventually(lambda: wp.admin("SHOW CLIENTS WHERE state = 'active' AND user = 'app'"))
    a.reset()
    with wp.raw() as b:
        b.q('select 1')
    q = queries(wp)
    assert q['select ?']['rows'] == 1
    assert not any('pg_sleep' in t for t in q)


# --- MySQL

def test_mysql(weirpool, anymy):
    wp = weirpool(anymy)
    with my(wp) as c, c.cursor() as cur:
        cur.execute('drop table if exists q_t')
        cur.execute('create table q_t (a int primary key, b text)')
        cur.execute("insert into q_t values (1, 'x'), (2, 'y'), (3, 'hunter2')")
        for i in range(3):
            cur.execute('select b from q_t where a >= %d' % i)
            cur.fetchall()
        cur.execute('update q_t set b = "z" where a in (1, 2) # hunter2')
        with pytest.raises(pymysql.Error):
            cur.execute('select no_such_column from q_t')
        cur.execute('drop table q_t')
    q = queries(wp)
    r = q['select b from q_t where a >= ?']
    assert (r['database'], r['user'], r['calls'], r['errors'], r['rows']) == ('app', 'app', 3, 0, 3 + 3 + 2)
    assert r['bytes'] > 100
    assert q['insert into q_t values ( ? )']['rows'] == 3
    assert q['update q_t set b = ? where a in ( ? )']['rows'] == 2
    assert (q['select no_such_column from q_t']['calls'], q['select no_such_column from q_t']['errors']) == (1, 1)
    assert 'hunter2' not in repr(q)


def test_mysql_prepared(weirpool, anymy):
    wp = weirpool(anymy)
    with wp.my() as c:
        s = c.prepare('select ? + 1 as prepared')
        for i in range(3):
            assert c.execute(s, [i])
    r = queries(wp)['select ? + ? as prepared']
    assert (r['calls'], r['rows']) == (3, 3)


# --- the slow-query log

TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'


def slow(wp, n=1, limit_us=0, of=''):
    """The lines of slow statements that have this in their text, as dicts of their fields, when there are n. Others are as slow."""
    def lines():
        """slow statements in the log"""
        return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)) for line in wp.log().splitlines() if 'slow statement:' in line]

    def those():
        """the slow statements"""
        return [x for x in lines() if re.search(of, x['msg'])]
    eventually(lambda: len(those()) >= n)
    out = those()
    assert len(out) == n and all(int(x['total_us']) >= limit_us for x in lines()), lines()
    return out


def test_slow_log(weirpool, pg15):
    wp = weirpool(pg15, log_min_duration=200, log_format='logfmt')
    with wp.raw() as c:
        c.q('select 1')
        c.q("select pg_sleep(0.3), 'hunter2' /*action='x',traceparent='%s'*/" % TRACE)
        c.q('select 2')
    [line] = slow(wp, 1, 200000, 'sleep')
    assert line['msg'] == '"slow statement: select pg_sleep ( ? ) , ?"'
    assert line['traceparent'] == TRACE
    assert int(line['total_us']) >= 300000 and int(line['server_us']) >= 300000
    assert (line['rows'], line['route'], line['node']) == ('1', 'server', '127.0.0.1:%d' % pg15.port)
    assert line['code'].endswith('2012')
    assert 'hunter2' not in wp.log()


def test_slow_log_with_its_text(weirpool, pg15):
    """In parts: the wait counts. By database, and as it was sent, if that is asked for."""
    wp = weirpool(pg15, log_format='logfmt', default_pool_size=1, databases=dict(
        app=dict(host=pg15.host, port=pg15.port, dbname='app', log_min_duration=200, log_slow_text='full')))
    with wp.raw() as a, wp.raw() as b, wp.raw('app', 'app2') as other:
        other.q('select pg_sleep(0.3)')
        a.q('begin')
        b.send(rawpg.query("select 5 as \"waited\""))
        eventually(lambda: wp.admin('SHOW POOLS WHERE cl_waiting > 0'))
        time.sleep(0.4)
        a.q('commit')
        b.until_ready()
        a.simple('select 1 / length(pg_sleep(0.3)::text)')
    lines = slow(wp, 2, 200000, 'waited|sleep')
    assert lines[0]['msg'] == r'"slow statement: select 5 as \"waited\""'
    assert int(lines[0]['wait_us']) >= 300000 and int(lines[0]['server_us']) <= int(lines[0]['total_us']) - int(lines[0]['wait_us'])
    assert lines[1]['failed'] == '1'


def test_slow_log_without_statistics(weirpool, pg15):
    wp = weirpool(pg15, log_min_duration='1us', log_format='logfmt', query_stats=0)
    with wp.raw() as c:
        c.ext('select $1::int + 5', ['1'])
    [line] = slow(wp)
    assert line['msg'] == '"slow statement: select ? :: int + ?"'
    assert queries(wp) == {}


def test_slow_log_of_long_texts(weirpool, pg15, maria1011):
    """Values are taken out when it is logged, or at once if the text is long with them: in both protocols none is in the log."""
    wp = weirpool(pg15, mysql=maria1011, log_min_duration='1us', log_format='logfmt', query_stats=0, auth_type='trust')
    short, long = 'hunter2' * 200, 'hunter2' * 400
    with wp.raw() as c:
        for value in (short, long):
            c.q("select '%s', E'\\'%s' as pg" % (value[:900], value))
    with my(wp, 'myapp') as c, c.cursor() as cur:
        for value in (short, long):
            cur.execute('select "%s" as my' % value)
            cur.fetchall()

    def texts():
        """the four statements in the log"""
        return [t for t in re.findall(r'msg="slow statement: ([^"]*)"', wp.log()) if t.endswith(('as pg', 'as my'))]
    eventually(lambda: len(texts()) == 4)
    assert texts() == ['select ? as pg'] * 2 + ['select ? as my'] * 2
    assert 'hunter2' not in wp.log()


def test_slow_log_of_mysql(weirpool, anymy):
    wp = weirpool(anymy, log_min_duration=200, log_format='logfmt')
    with wp.my(caps=rawmy.MODERN | (rawmy.QUERY_ATTRIBUTES if anymy.kind == 'mysql97' else 0)) as c:
        c.q("select sleep(0.3), 'hunter2' /*traceparent='%s'*/" % TRACE)
        if anymy.kind == 'mysql97':  # MariaDB has no query attributes
            c.q('select sleep(0.3)', attrs={'traceparent': TRACE})
    lines = slow(wp, 2 if anymy.kind == 'mysql97' else 1, 200000, 'sleep')
    assert lines[0]['msg'] == '"slow statement: select sleep ( ? ) , ?"'
    assert [x['traceparent'] for x in lines] == [TRACE] * len(lines)


def test_slow_log_has_its_limit(weirpool, pg15):
    """50 lines a second from each worker; how many more there were is told in the next."""
    wp = weirpool(pg15, log_min_duration='1us', workers=1)
    with wp.raw() as c:
        def told():
            """statements were too many for the log"""
            for _ in range(100):
                c.q('select 1')
            return re.search(r'\d+ slow statements more were not logged', wp.log())
        eventually(told, 60)
