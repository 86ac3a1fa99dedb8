"""What a client sees when the server of its request or transaction is lost (PostgreSQL, in a cluster): an error, and a session
that goes on. The server is killed and started again: the cluster has one node, so that nothing else happens."""
import os
import signal

import psycopg
import pytest

import rawpg as pg
from rawpg import batch, bind, describe, errors, execute, kinds, parse, query, sync
from servers import PgServer, end_servers, eventually, in_thread, new_folder
from weir import Weirpool


@pytest.fixture(scope='module')
def server(base):
    s = PgServer(new_folder(base, 'lost-'), 15, 'n0', extra_conf='fsync = on\n').create()
    with s.connect('app', 'app') as c:
        c.execute('create table t (v text)')
        # a COMMIT that takes its time
        c.execute('create table slow (v text)')
        c.execute('create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$')
        c.execute('create constraint trigger w after insert on slow deferrable initially deferred for each row execute function wait()')
    yield s
    end_servers(s)


@pytest.fixture
def wp(server, base, binary, request):
    w = Weirpool(base, binary, databases={'app': dict(cluster='main'), 'cut': dict(cluster='main', dbname='app', lost_tx_sqlstate='08006', pool_size=3)},
                 default_pool_size=2,
                 clusters={'main': dict(host='127.0.0.1', port=server.port, probe_user='super', probe_password='super')})
    request.node.weirpools = [w]
    ready(w)
    yield w
    w.stop()


def ready(w):
    eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] == 'open')


def lose(server, w):
    """The server is gone, and there again."""
    server.kill9()
    server.start()
    ready(w)


def busy(server, what):
    return eventually(lambda: server.query("select count(*) from pg_stat_activity where state = 'active' and query like %s "
                                           "and pid <> pg_backend_pid()", '%' + what + '%')[0][0])


def rows(server, v):
    return server.query('select count(*) from t where v = %s', v, dbname='app')[0][0]


def status(c):
    return c.info.transaction_status


IDLE, IN_TX, FAILED = (psycopg.pq.TransactionStatus[n] for n in ('IDLE', 'INTRANS', 'INERROR'))


def test_idle_in_a_transaction(server, wp):
    with wp.connect(autocommit=False) as c:
        c.execute("insert into t values ('idle')")
        lose(server, wp)
        assert status(c) == IN_TX
        with pytest.raises(psycopg.errors.SerializationFailure) as e:
            c.execute("insert into t values ('idle')")
        assert 'was lost' in str(e.value)
        assert status(c) == FAILED
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            c.execute("insert into t values ('idle')")
        c.rollback()
        assert status(c) == IDLE
        c.execute("insert into t values ('again')")
        c.commit()
    assert rows(server, 'idle') == 0 and rows(server, 'again') == 1


def test_the_sqlstate_is_chosen(server, wp):
    """lost_tx_sqlstate = 08006: whichever way the client hears of it. An outcome that nobody knows is another thing."""
    with wp.connect(dbname='cut', autocommit=False) as idle, wp.connect(dbname='cut', autocommit=False) as busy_one, wp.raw(dbname='cut') as r:
        idle.execute("insert into t values ('cut')")
        busy_one.execute("insert into t values ('cut')")
        r.q('begin')
        r.q("insert into t values ('cut')")
        join = in_thread(lambda: busy_one.execute('select pg_sleep(62)'))
        busy(server, 'pg_sleep(62)')
        lose(server, wp)
        assert join().sqlstate == '08006'
        assert errors(r.simple('commit'))[0]['C'] == '08006'
        assert r.q('select 1') == [('1',)]
        for c in idle, busy_one:
            if c is idle:
                with pytest.raises(psycopg.errors.ConnectionFailure) as e:
                    c.execute('select 1')
                assert 'was lost' in str(e.value) and e.value.sqlstate == '08006'
            assert status(c) == FAILED
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                c.execute('select 1')
            c.rollback()
            c.execute('select 1')
            c.commit()
    with wp.connect(dbname='cut') as c:
        join = in_thread(lambda: c.execute("insert into slow values ('cut')"))
        busy(server, 'insert into slow')
        lose(server, wp)
        assert join().sqlstate == '08007'
    assert rows(server, 'cut') == 0


def test_idle_in_a_transaction_that_is_rolled_back(server, wp):
    with wp.connect(autocommit=False) as c:
        c.execute("insert into t values ('rolled')")
        lose(server, wp)
        c.rollback()
        c.execute("insert into t values ('back')")
        c.commit()
    assert rows(server, 'rolled') == 0 and rows(server, 'back') == 1


def test_idle_in_a_transaction_that_is_committed(server, wp):
    """A server ends a failed transaction by COMMIT without an error, for its client has heard of the failure before. Here it has
    not: it would take for written what is gone."""
    with wp.raw() as r:
        for commit in ('END WORK; ', "commit; insert into t values ('commit')"):
            r.q('begin')
            r.q("insert into t values ('commit')")
            lose(server, wp)
            out = r.simple(commit)
            assert kinds(out) == 'EZ' and errors(out)[0]['C'] == '40001', (commit, out)
            assert out[-1].status == ('I' if commit[-1] == ' ' else 'E'), commit
            assert r.simple('rollback')[-1].status == 'I'
        r.q('begin')
        lose(server, wp)
        out = r.send(query('select 1') + query('commit')).until_ready() + r.until_ready()
        assert kinds(out) == 'EZCZ' and out[-1].status == 'I' and errors(out)[0]['C'] == '40001'  # it is told once
        r.q("insert into t values ('after commit')")
    assert rows(server, 'commit') == 0 and rows(server, 'after commit') == 1


def test_a_commit_behind_a_rollback_that_is_not_answered_yet(server, wp):
    """The ROLLBACK ends the transaction that was lost; what is behind it is another one's."""
    with wp.raw() as r:
        for back in (query('rollback'), batch('rollback') + sync()):
            r.q('begin')
            lose(server, wp)
            r.send(back + query('commit') + query('begin') + query("insert into t values ('after rollback')") + query('commit'))
            out = [m for _ in range(5) for m in r.until_ready()]
            assert not errors(out) and [m.tag for m in out if m.type == 'C'] == ['ROLLBACK', 'COMMIT', 'BEGIN', 'INSERT 0 1', 'COMMIT'], out
    assert rows(server, 'after rollback') == 2


def test_a_commit_by_the_extended_protocol(server, wp):
    """... and what stands behind it in its batch does not run."""
    with wp.raw() as r:
        r.send(parse('done', 'commit') + parse('back', 'rollback') + sync())
        r.until_ready()
        r.q('begin')
        r.q("insert into t values ('by batch')")
        lose(server, wp)
        r.send(bind('', 'done') + execute() + batch("insert into t values ('by batch')") + sync())
        out = r.until_ready()
        assert errors(out)[0]['C'] == '40001' and out[-1].status == 'E' and 'C' not in kinds(out), out
        r.send(bind('', 'back') + execute() + sync())
        assert r.until_ready()[-1].status == 'I'
        r.q('begin')
        lose(server, wp)
        r.send(bind('', 'back') + execute() + sync())
        out = r.until_ready()
        assert not errors(out) and out[-1].status == 'I'
    assert rows(server, 'by batch') == 0


def test_in_the_middle_of_a_transaction(server, wp):
    with wp.connect(autocommit=False) as c:
        c.execute("insert into t values ('middle')")
        join = in_thread(lambda: c.execute('select pg_sleep(61)'))
        busy(server, 'pg_sleep(61)')
        lose(server, wp)
        assert isinstance(join(), psycopg.errors.SerializationFailure)
        assert status(c) == FAILED
        c.rollback()
        c.execute("insert into t values ('middle 2')")
        c.commit()
    assert rows(server, 'middle') == 0 and rows(server, 'middle 2') == 1


def test_a_write_alone(server, wp):
    with wp.connect() as c:
        join = in_thread(lambda: c.execute("insert into t select 'alone' from pg_sleep(62)"))
        busy(server, 'pg_sleep(62)')
        lose(server, wp)
        e = join()
        assert isinstance(e, psycopg.errors.TransactionResolutionUnknown), e
        assert not c.closed and status(c) == IDLE
        c.execute("insert into t values ('alone 2')")
    assert rows(server, 'alone') == 0 and rows(server, 'alone 2') == 1


def test_a_commit(server, wp):
    with wp.connect(autocommit=False) as c:
        c.execute("insert into slow values ('x')")
        join = in_thread(c.commit)
        busy(server, 'COMMIT')
        lose(server, wp)
        e = join()
        assert isinstance(e, psycopg.errors.TransactionResolutionUnknown), e
        assert not c.closed and status(c) == IDLE
        c.execute("insert into t values ('committed')")
        c.commit()
    assert rows(server, 'committed') == 1


def test_a_read_that_was_answered_in_part(server, wp):
    """What was passed on is not taken back: an error ends it."""
    with wp.raw() as r:
        # a notice makes the server send what it has
        r.send(query("select 'first'; do $$ begin raise notice 'x'; perform pg_sleep(63); end $$"))
        assert r.recv_until('N')[1].row == ('first',)
        lose(server, wp)
        out = r.until_ready()
        assert kinds(out) == 'EZ' and errors(out)[0]['C'] == '08007' and out[-1].status == 'I'
        assert r.one('select 1') == '1'


def test_an_answer_that_was_cut_in_a_message(server, wp):
    """Nothing can be said behind half a row."""
    with wp.raw() as r:
        r.send(query("select repeat('x', 100000) union all select pg_sleep(67)::text"))
        busy(server, 'pg_sleep(67)')
        lose(server, wp)
        r.expect_closed()


def test_a_pipeline(server, wp):
    """BEGIN, writes and COMMIT are all under way: nothing of it stays, and nothing of it runs by itself afterwards."""
    with wp.raw() as r:
        r.send(query('begin') + query("insert into t values ('pipe')") + query('select pg_sleep(64)') +
               query("insert into t values ('pipe')") + query('commit'))
        busy(server, 'pg_sleep(64)')
        r.until_ready(2)
        lose(server, wp)
        out = r.until_ready(3)
        assert [m.status for m in out if m.type == 'Z'] == ['E', 'E', 'I']
        assert {m['C'] for m in errors(out)} == {'08007'} and len(errors(out)) == 3
        assert r.one('select 1') == '1'
    assert rows(server, 'pipe') == 0


def test_what_comes_behind_a_lost_begin(server, wp):
    """The rest of a transaction is still in the client when its beginning is lost: it must not run by itself."""
    with wp.raw() as r:
        r.send(query('begin') + query('select pg_sleep(65)'))
        busy(server, 'pg_sleep(65)')
        lose(server, wp)
        r.send(query("insert into t values ('behind')") + query('commit'))
        out = r.until_ready(4)
        assert [m['C'] for m in errors(out)] == ['40001', '25P02']
        assert [m.status for m in out if m.type == 'Z'] == ['T', 'E', 'E', 'I']
    assert rows(server, 'behind') == 0


def test_a_batch_without_its_sync(server, wp):
    with wp.raw() as r:
        r.q('begin')
        r.send(parse('', "insert into t select 'batch' from pg_sleep(66)") + bind() + execute() + pg.flush())
        busy(server, 'pg_sleep(66)')
        lose(server, wp)
        r.send(batch("insert into t values ('batch')") + sync())  # its Sync ends both
        out = r.until_ready()
        assert kinds(out) == 'EZ' and out[-1].status == 'E' and errors(out)[0]['C'] == '40001'
        r.q('rollback')
        assert r.one("select count(*) from t where v = 'batch'") == '0'


def test_prepared_statements_end_it(server, wp):
    """A driver that prepares its ROLLBACK by protocol, and has used it before."""
    with wp.raw() as r:
        r.send(parse('back', 'rollback') + parse('ins', 'insert into t values ($1)') + sync())
        r.until_ready()
        r.q('begin')
        lose(server, wp)
        r.send(bind('', 'ins', ['prepared']) + execute() + sync())
        out = r.until_ready()
        assert errors(out)[0]['C'] == '40001' and out[-1].status == 'E'
        r.send(parse('', 'select 1') + sync())
        assert errors(r.until_ready())[0]['C'] == '25P02'
        r.send(bind('', 'back') + describe('P') + execute() + sync())
        out = r.until_ready()
        assert kinds(out) == '2nCZ' and out[-1].status == 'I'
        r.send(bind('', 'ins', ['prepared 2']) + execute() + sync())
        assert not errors(r.until_ready())
    assert rows(server, 'prepared') == 0 and rows(server, 'prepared 2') == 1


def test_a_statement_that_was_not_sent_yet(server, wp):
    """A link that does not know a prepared statement is asked what it is before anything of the client's is sent: nothing is
    lost with that link, and the client notices nothing."""
    with wp.raw() as r, wp.raw() as other:
        r.send(parse('w', "insert into t values ('unsent') returning 1") + describe('S', 'w') + sync())
        assert not errors(r.until_ready())
        other.simple('begin')  # has the link that knows it
        with wp.raw() as third:
            pid = int(third.one('select pg_backend_pid()'))
        os.kill(pid, signal.SIGSTOP)
        r.send(bind('', 'w') + describe('P') + execute() + sync())
        sv = eventually(lambda: [x for x in wp.admin('SHOW SERVERS') if int(x['remote_pid'] or 0) == pid and x['state'] == 'active'])
        assert len(sv) == 1
        lose(server, wp)
        assert kinds(r.until_ready()) == '2TDCZ'
        assert rows(server, 'unsent') == 1


def test_the_session_keeps_its_settings(server, wp):
    with wp.connect(autocommit=False) as c:
        c.execute("set search_path = pg_catalog, public")
        c.commit()
        c.execute("set application_name = 'taken back'")
        lose(server, wp)
        c.rollback()
        assert c.execute('show search_path').fetchone()[0] == 'pg_catalog, public'
        assert c.execute('show application_name').fetchone()[0] != 'taken back'


@pytest.mark.parametrize('state', ['create temp table gone (a int)', 'select pg_advisory_lock(1)', 'listen gone',
                                   'begin; select pg_advisory_lock(1)'])
def test_state_that_is_gone_ends_the_session(server, wp, state):
    with wp.raw() as r:
        r.simple(state)
        lose(server, wp)
        try:
            r.send(query('select 1'))
            out = r.until_ready()
            assert False, out
        except pg.Closed as e:
            assert errors(e.messages), e.messages


def test_no_primary_for_too_long(server, wp, base, binary):
    w = Weirpool(base, binary, databases={'app': dict(cluster='main')},
                 clusters={'main': dict(host='127.0.0.1', port=server.port, probe_user='super', probe_password='super', hold_timeout=1)})
    try:
        ready(w)
        with w.raw() as r:
            r.q('begin')
            server.kill9()
            # its end has been noticed: no request is sent to it any more
            eventually(lambda: w.admin('SHOW CLUSTERS')[0]['writes'] != 'open' and not w.admin('SHOW SERVERS'))
            for _ in range(2):
                out = r.simple('select 1')
                assert errors(out)[0]['C'] == '57P03' and out[-1].status == 'E'
            server.start()
            ready(w)
            out = r.simple('select 1')
            assert errors(out)[0]['C'] == '40001' and out[-1].status == 'E'
            assert r.simple('rollback')[-1].status == 'I'
            assert r.one('select 1') == '1'
    finally:
        if not server.alive():
            server.start()
        w.stop()


@pytest.mark.parametrize('sql, described', [("insert into t values ('flushed')", 'n'), ('select v from t', 'T'), ('listen flushed', 'n')])
def test_what_a_client_waits_for_behind_a_flush(server, wp, sql, described):
    """As asyncpg prepares its statements: it sends no Sync before it knows what they return. A server that may turn out to be a
    standby, so that the request could go elsewhere, is no reason to keep that back."""
    with wp.raw() as r:
        r.send(parse('', sql) + describe('S') + pg.flush())
        assert kinds(r.recv_until(described)) == '1t' + described
        r.send(bind() + pg.flush())
        assert kinds(r.recv_until('2')) == '2'
        r.send(execute() + sync())
        assert kinds(r.until_ready())[-2:] == 'CZ'
        assert r.q('select 1') == [('1',)]
