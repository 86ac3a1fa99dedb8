"""What is one session's own: nothing that it leaves behind is another one's, and nothing of it goes astray.

Two clients share one server connection (`pool`), so that whatever the one leaves is where the other one looks."""
import struct

import pytest

import rawmy as my
from rawmy import MyError

CAPS = my.MODERN | my.MULTI_STATEMENTS | my.LOCAL_FILES
LOST = 1235


@pytest.fixture
def pool(anymy, mypool):
    for sql in ('drop database if exists app', 'create database app'):
        anymy.query(sql)
    return mypool(anymy, default_pool_size=1)


def error_of(f, *args):
    with pytest.raises(MyError) as e:
        f(*args)
    return e.value.errno


def bulk(r, stmt, *values):
    """MariaDB's bulk execution: one BIGINT for each row."""
    r.command(bytes([my.COM_BULK_EXECUTE]) + struct.pack('<IH', stmt.id, 128) + struct.pack('<BB', my.T_LONGLONG, 0) +
              b''.join(b'\0' + struct.pack('<q', v) for v in values))
    return r.results(binary=True)


def test_what_a_trigger_sets(pool, anymy):
    """MariaDB tells of @@last_gtid with each write, which explains nothing."""
    anymy.query('create table t (id int auto_increment primary key, a int)', database='app')
    anymy.query('create trigger g after insert on t for each row set @mine = new.a', database='app')
    def set_by(f, value):
        f()
        assert [p['pins'] for p in pool.admin('SHOW PINS')] == ['unknown']
        assert a.one('select @mine') == value
        a.reset_connection()
        assert b.one('select @mine') is None
        assert pool.admin('SHOW PINS') == []

    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        set_by(lambda: a.do('insert into t (a) values (5)'), '5')
        set_by(lambda: a.execute(a.prepare('insert into t (a) values (?)'), [8]), '8')
        set_by(lambda: a.all("insert into t (a) values (9); select 1"), '9')


def test_row_count_behind_a_prepare(pool):
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        a.do('create table t (a int)')
        a.do('insert into t values (1), (2)')
        b.do('insert into t values (1), (2), (3)')
        s = a.prepare('select row_count()')
        assert a.one('select row_count()') == '2'
        a.do('insert into t values (1), (2)')
        b.do('insert into t values (1), (2), (3)')
        a.close_stmt(s)
        s = a.prepare('select row_count()')
        try:
            assert a.execute(s).rows == [[2]]
        except MyError as e:
            assert e.errno == LOST


def test_row_count_behind_a_reset(pool):
    with pool.my(caps=CAPS) as a:
        a.do('create table t (a int)')
        for end in (a.reset_connection, a.change_user):
            a.do('insert into t values (1), (2)')
            assert a.one('select row_count()') == '2'
            a.do('insert into t values (1), (2)')
            end()
            assert a.one('select row_count()') == '0'


def test_numbers_of_statements_never_come_again(pool):
    with pool.my(caps=CAPS) as a:
        old = [a.prepare('select 1')]
        for end in (a.reset_connection, a.change_user):
            end()
            assert error_of(a.execute, old[0]) == 1243
            new = a.prepare('select 2')
            for s in old:
                assert error_of(a.execute, s) == 1243
            old.append(new)
        assert a.execute(new).rows == [[2]]


def test_change_user_leaves_multi_statements_as_they_are(pool):
    with pool.my(caps=CAPS) as a:
        a.set_option(False)
        for end in (a.reset_connection, a.change_user):
            end()
            assert a.error('select 1; select 2').errno == 1064
        a.set_option(True)
        a.change_user()
        assert len(a.all('select 1; select 2')) == 2
    with pool.my(caps=CAPS & ~my.MULTI_STATEMENTS) as a:
        assert a.error('select 1; select 2').errno == 1064
        a.set_option(True)
        a.change_user()
        assert len(a.all('select 1; select 2')) == 2


def test_status_of_a_dropped_schema(pool):
    with pool.my(caps=CAPS) as a:
        assert a.do('drop database app').status & my.DB_DROPPED
        assert not a.ping().status & my.DB_DROPPED
        assert not a.set_option(True).status & my.DB_DROPPED
        a.do('create database app')


def test_a_schema_that_is_gone(pool, anymy):
    """No command makes a session one without a schema: it gets connections that never had one."""
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        a.do('use app2')
        b.do('do 1')
        for drop in (lambda: a.do('drop database app2'), lambda: anymy.query('drop database app2')):
            drop()
            b.do('do 1')
            a.all('select 1')           # 1049, if somebody else has dropped it
            for end in (a.ping, a.reset_connection):
                end()
                b.do('do 1')
                assert a.one('select database()') is None
                b.do('do 1')
                assert a.error('create table astray (a int)').errno == 1046
                assert b.q('show tables') == []
            a.do('create database app2')
            a.init_db('app2')
            b.do('do 1')
            assert a.one('select database()') == 'app2'


def test_texts_of_profiled_statements(pool, anymy):
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        for how, ask in (('set profiling = 1', 'show profiles'),
                         ("set optimizer_trace = 'enabled=on'", 'select query from information_schema.optimizer_trace')):
            a.do(how)
            a.do("select 'secret' from dual where 1 = 1")
            assert 'secret' in str(a.q(ask))
            a.reset_connection()
            b.do('begin')
            b.do('select 1')
            assert b.q(ask) == []
            b.do('rollback')


def test_last_gtid(pool, anymy):
    if anymy.family != 'mariadb':
        return
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        a.do('create table t (a int)')
        a.do('insert into t values (1)')
        mine = a.one('select @@last_gtid')
        a.do('select 1')
        assert a.one('select @@last_gtid') == mine
        b.do('insert into t values (1)')
        for again in ('select 1', 'begin', 'select count(*) from t'):
            a.do(again)
            try:
                assert a.one('select @@last_gtid') == mine
            except MyError as e:
                assert e.errno == LOST
        a.do('commit')
        a.do('insert into t values (1)')
        assert a.one('select @@last_gtid') not in (mine, None, '')


def test_bulk_execution_is_a_statement_like_any(pool, anymy):
    if anymy.family != 'mariadb':
        return
    with pool.my(caps=CAPS | my.MARIADB_BULK) as a, pool.my(caps=CAPS) as b:
        a.do('create table t (id int auto_increment primary key, a bigint)')
        s = a.prepare('insert into t (a) values (?) returning id')
        assert [r.rows for r in bulk(a, s, 5)] == [[[1]]]
        assert b.one('select last_insert_id()') == '0'
        assert a.one('select last_insert_id()') == '1'
        s = a.prepare("insert into t (a) values (get_lock('weirpool_bulk', ?))")
        bulk(a, s, 0)
        assert a.one("select is_used_lock('weirpool_bulk') = connection_id()") == '1'
        b_sees = anymy.query("select is_free_lock('weirpool_bulk')")[0][0]
        assert b_sees == 0
        a.reset_connection()
        s = a.prepare('insert into t (a) values (@mine := ?)')
        bulk(a, s, 7)
        assert b.one('select @mine') is None
        assert a.one('select @mine') == '7'


def test_load_data_as_a_prepared_statement(pool, anymy):
    if anymy.family != 'mariadb':
        return
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        a.local_files['f'] = [b'1\n2', b'\n3\n']
        a.do('create table t (a int)')
        s = a.prepare("load data local infile 'f' into table t")
        for _ in range(2):
            assert a.execute(s).affected == 3
            assert b.one('select 1') == '1'
        del a.local_files['f']
        assert a.execute(s).affected == 0
        assert a.one('select count(*) from t') == '6'


# MariaDB tells of no variable that is set as @@name, without SESSION; of that many values a client's own is not a default
BARE = [('sql_mode', 'ANSI_QUOTES', 'PIPES_AS_CONCAT'), ('time_zone', '+05:00', '+06:00'), ('character_set_results', 'latin1', 'koi8r'),
        ('character_set_client', 'latin1', 'koi8r'), ('collation_connection', 'latin1_bin', 'koi8r_bin'), ('autocommit', '0', '1'),
        ('group_concat_max_len', '1000', '2000'), ('character_set_results', 'utf8mb4', 'latin1')]


@pytest.mark.parametrize('collation', [45, 8])
def test_variables_set_without_a_scope(pool, collation):
    for name, mine, theirs in BARE:
        with pool.my(caps=CAPS, collation=collation) as a, pool.my(caps=CAPS, collation=collation) as b:
            fresh = b.one('select @@' + name)
            a.do("set @@%s = %s" % (name, mine if mine.isdigit() else repr(mine)))
            a.do('commit')
            assert b.one('select @@' + name) == fresh
            b.do("set @@%s := %s" % (name, theirs if theirs.isdigit() else repr(theirs)))
            for _ in range(2):
                assert a.one('select @@' + name) == mine
                a.do('commit')
                assert b.one('select @@' + name) == theirs
                b.do('commit')


def test_trackers_set_in_a_transaction(pool):
    with pool.my(caps=CAPS) as a:
        a.do('create table t (a int)')
        a.do('begin')
        a.do('insert into t values (1)')
        a.do("set session_track_system_variables = '*'")
        assert a.one('select count(*) from t') == '1'
        a.do('commit')
        assert a.one('select count(*) from t') == '1'


# --- LAST_INSERT_ID()
def keys(r):
    r.do('create table if not exists k (i int primary key auto_increment, v int)')


def test_last_insert_id_behind_an_explicit_key(pool):
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        keys(a)
        for end in ('commit', 'select 1'):
            a.do('set autocommit = 0')
            mine = a.all('insert into k (v) values (1)')[0].insert_id
            a.do('replace into k (i, v) values (%d, 1)' % (mine + 500))
            a.do('insert into k (i, v) values (%d, 1)' % (mine + 600))
            a.do(end)
            assert a.one('select last_insert_id()') == str(mine)
            assert a.one('select last_insert_id() + 0') == str(mine)
            a.do('commit')
            assert b.one('select last_insert_id()') == '0'
            assert a.one('select last_insert_id()') == str(mine)


def test_an_explicit_key_as_another_session_has_generated(pool):
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        keys(a)
        for ask in ('select 1', 'select last_insert_id() + 0'):
            a.do('delete from k')
            theirs = a.all('insert into k (v) values (1)')[0].insert_id
            a.do(ask)
            b.do('delete from k')
            b.do('insert into k (i, v) values (%d, 1)' % theirs)
            assert b.one('select last_insert_id()') == '0'
            assert b.one('select last_insert_id() + 0') == '0'
            assert a.one('select last_insert_id() + 0') == str(theirs)


def test_a_failed_insert_leaves_no_key_to_others(pool):
    with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
        a.do('create table k (i int primary key auto_increment, v int unique) engine=myisam')
        assert error_of(a.do, 'insert into k (v) values (1), (1)') == 1062
        b.do('replace into k (i, v) values (1, 7)')
        assert b.one('select last_insert_id()') == '0'


# --- how texts are read
def test_a_mode_set_in_a_transaction(pool):
    """No tracker of MariaDB tells of it, and a text means something else from then on."""
    texts = {'NO_BACKSLASH_ESCAPES': "select 'a\\', @q := 5 -- '", 'ANSI_QUOTES': 'select 1 as "a\\", @q := 5 -- "'}
    for mode, text in texts.items():
        with pool.my(caps=CAPS) as a, pool.my(caps=CAPS) as b:
            a.do('begin')
            a.do("set @@sql_mode = '%s'" % mode)
            a.do(text)
            a.do('commit')
            assert b.one('select @q') is None
            assert a.one('select @q') == '5'


def test_diagnostics_of_an_error_in_a_transaction(pool):
    """Behind an error the server is asked what became of the transaction, which ROW_COUNT does not outlast: nothing is better than a wrong number."""
    with pool.my(caps=CAPS) as a:
        a.do('create table t (a int primary key)')
        a.do('begin')
        a.do('insert into t values (1)')
        a.do('get diagnostics @n = row_count')
        assert a.one('select @n') == '1'
        assert error_of(a.do, 'insert into t values (1)') == 1062
        assert a.one('select row_count()') == '-1'
        assert error_of(a.do, 'insert into t values (1)') == 1062
        assert error_of(a.do, 'get diagnostics @n = row_count') == LOST
        assert error_of(a.do, 'insert into t values (1)') == 1062
        a.do('get diagnostics condition 1 @n = mysql_errno')
        assert a.one('select @n') == '1062'
