"""The tests' own MySQL client against each real server: what a test sees through weirpool is then weirpool's."""
import zlib

import pytest

import rawmy as my
from mysql_servers import MyServer
from rawmy import MyError, P, RawMy
from servers import end_servers, new_folder

MODES = {'modern': my.MODERN, 'eof': my.CLASSIC, 'multi': my.MODERN | my.MULTI_STATEMENTS | my.LOCAL_FILES}


def direct(server, user='app', secret='app', **kw):
    r = RawMy(server.port)
    r.login(user, secret, **kw)
    return r


def users_of(server):
    both = ['app', 'app2', 'appempty']
    return both + (['appsha256'] if server.family == 'mysql' else ['appnative', 'apped'])


@pytest.mark.parametrize('tls', [False, True], ids=['tcp', 'tls'])
def test_login_of_each_plugin(anymy, tls):
    for user in users_of(anymy):
        for _ in range(2):
            with direct(anymy, user, '' if user == 'appempty' else 'app', tls=tls) as r:
                assert r.one('select 1') == '1'
                assert r.one('select current_user()') == user + '@%'
                assert bool(r.q("show status like 'ssl_version'")[0][1]) == tls
                r.bye()


def test_scrambles_that_end_with_a_zero():
    for n in 20, 32:
        scramble = b'x' * (n - 1) + b'\0'
        assert my.scramble_of(scramble) == my.scramble_of(scramble + b'\0') == scramble


def test_login_by_the_socket(anymy):
    with RawMy(None, unix=anymy.socket) as r:
        r.login('root', '', db=None)
        assert r.one('select @@port') == str(anymy.port)


@pytest.mark.parametrize('user,secret,errno', [('app', 'wrong', 1045), ('nobody', 'app', 1045), ('app', '', 1045)])
def test_refusals(anymy, user, secret, errno):
    with RawMy(anymy.port) as r, pytest.raises(MyError) as e:
        r.login(user, secret)
    assert e.value.errno == errno and e.value.sqlstate == '28000'


def test_tls_is_required_of_apptls(anymy):
    with RawMy(anymy.port) as r, pytest.raises(MyError):
        r.login('apptls')
    with direct(anymy, 'apptls', tls=True) as r:
        assert r.one('select 1') == '1'


@pytest.mark.parametrize('mode', MODES)
def test_results(anymy, mode):
    with direct(anymy, caps=MODES[mode]) as r:
        assert r.q('select 1, null, \'\', \'äö\'') == [['1', None, '', 'äö']]
        assert r.q('select 1 where 1 = 0') == []
        assert r.error('select * from nothing').errno == 1146
        assert r.do('do 1').status == my.AUTOCOMMIT
        assert r.do('create temporary table t (a int)').affected == 0
        r.do('insert into t values (1), (2), (3)')
        assert r.do('update t set a = a + 1').affected == 3
        assert r.q('select * from t order by a') == [['2'], ['3'], ['4']]
        ok = r.do("select cast('x' as signed)")
        assert ok.warnings == 1
        assert r.q('show warnings')[0][1] == '1292'
        r.do('begin')
        assert r.ping().status & my.IN_TRANS
        r.do('rollback')
        r.bye()


def test_many_results(anymy):
    with direct(anymy, caps=MODES['multi']) as r:
        out = r.all('select 1; do 2; select 3, 4; select nothing; select 5')
        assert [x.rows for x in (out[0], out[2])] == [[[b'1']], [[b'3', b'4']]]
        assert isinstance(out[1], my.Ok) and isinstance(out[3], MyError) and len(out) == 4
        r.do('drop procedure if exists rawmy_p')
        r.do('create procedure rawmy_p(out x int) begin select 1; select 2; set x = 7; end')
        assert len(r.all('call rawmy_p(@a)')) == 3
        assert r.one('select @a') == '7'
        s = r.prepare('call rawmy_p(?)')
        out = r.execute_all(s, [None])
        assert out[-2].rows == [[7]] and out[-2].status & my.PS_OUT_PARAMS
        r.do('drop procedure rawmy_p')


@pytest.mark.parametrize('mode', MODES)
def test_prepared(anymy, mode):
    with direct(anymy, caps=MODES[mode]) as r:
        s = r.prepare('select ?, ?, ?, ?')
        assert len(s.params) == 4 and len(s.columns) == 4
        out = r.execute(s, [1, 'text', None, 2.5])
        assert out.rows[0][1:3] == [b'text', None]
        assert r.execute(s, [P(7, my.T_TINY), P(-1, my.T_SHORT), P(1, my.T_LONG, True), 'x']).rows[0][3] == b'x'
        r.close_stmt(s)
        s = r.prepare('select ?, ?, ?, ?')
        r.long_data(s, 1, b'never used')
        r.reset_stmt(s)
        r.long_data(s, 1, b'long ')
        r.long_data(s, 1, b'data')
        assert r.execute(s, [1, my.LONG_DATA, None, 0]).rows[0][1] == b'long data'
        r.close_stmt(s)
        with pytest.raises(MyError) as e:
            r.execute(s, [1, 2, 3, 4])
        assert e.value.errno == 1243
        with pytest.raises(MyError) as e:
            r.prepare('select ? from nothing')
        assert e.value.errno == 1146
        s = r.prepare("select cast('2024-02-29' as date), cast('2024-02-29 01:02:03.5' as datetime(1)), cast('-30:00:01' as time),"
                      ' 1.50, cast(1 as unsigned), 1e0')
        assert r.execute(s).rows == [['2024-02-29', '2024-02-29 01:02:03.500000', '-30:00:01', b'1.50', 1, 1.0]]


@pytest.mark.parametrize('mode', MODES)
def test_cursor(anymy, mode):
    with direct(anymy, caps=MODES[mode]) as r:
        s = r.prepare('select 1 union select 2 union select 3')
        out = r.execute(s, flags=1)
        assert out.rows == [] and out.status & my.CURSOR_EXISTS
        f = r.fetch(s, 2, out.columns)
        assert len(f.rows) == 2 and f.status & my.CURSOR_EXISTS
        f = r.fetch(s, 2, out.columns)
        assert f.rows == [[3]] and f.status & my.LAST_ROW_SENT


def test_load_data_local(anymy):
    with direct(anymy, caps=MODES['multi']) as r:
        r.do('create temporary table t (a int, b varchar(20))')
        r.local_files['numbers'] = [b'1\tone\n2\tt', b'wo\n']
        assert r.do("load data local infile 'numbers' into table t").affected == 2
        assert r.q('select * from t') == [['1', 'one'], ['2', 'two']]
        assert r.do("load data local infile 'absent' into table t").affected == 0
        assert r.ping()


@pytest.mark.parametrize('size', [0xfffffe, 0xffffff, 0x1000000, 0x1ffffff])
def test_large_packets(anymy, size):
    with direct(anymy) as r:
        text = 'select crc32(\'%s\')' % ('x' * (size - len("\3select crc32('')")))
        r.command(my.query(text))
        assert r.result().rows == [[str(zlib.crc32(b'x' * (size - 17))).encode()]]
        assert r.do('select repeat(\'y\', %d)' % (size - 4)).rows == [[b'y' * (size - 4)]]


def test_trackers(anymy):
    with direct(anymy) as r:
        assert r.do('use app2').tracked('schema') == [('app2',)]
        r.do("set session session_track_system_variables = '*', session_track_state_change = 1,"
             " session_track_transaction_info = 'CHARACTERISTICS'")
        assert ('wait_timeout', '77') in r.do('set wait_timeout = 77').tracked('var')
        assert r.do('begin').tracked('tx') == [('T_______',)]
        assert r.init_db('app').tracked('schema') == [('app',)]
        assert r.do('rollback').tracked('characteristics') == [('',)]


def test_other_commands(anymy):
    with direct(anymy, attrs={'program_name': 'rawmy'}) as r:
        assert r.greeting.id == int(r.one('select connection_id()'))
        assert 'Uptime' in r.statistics()
        r.set_option(True)
        assert len(r.all('select 1; select 2')) == 2
        r.do('create temporary table t (a int)')
        assert len(r.field_list('t')[0]) == 1
        r.do('set @a = 1')
        r.reset_connection()
        assert r.one('select @a') is None
        r.change_user('app2', db='app2')
        assert r.q('select current_user(), database()') == [['app2@%', 'app2']]
        with pytest.raises(MyError) as e:
            r.simple(0x13)
        assert e.value.errno == 1047
        with pytest.raises(MyError):
            r.change_user('app', 'wrong')


def test_query_attributes(mysql97):
    with direct(mysql97, caps=my.MODERN | my.QUERY_ATTRIBUTES) as r:
        sql = "select mysql_query_attribute_string('who'), mysql_query_attribute_string('none')"
        assert r.q(sql, {'who': 'me', 'n': 5}) == [['me', None]]
        assert r.q(sql) == [[None, None]]
        assert r.execute(r.prepare(sql), attrs={'who': 'you'}).rows == [[b'you', None]]
        s = r.prepare(sql + ', ?')
        assert r.execute(s, ['x'], attrs={'who': 'you'}).rows == [[b'you', None, b'x']]
        assert r.execute(s, ['x']).rows == [[None, None, b'x']]


def test_compression(anymy):
    with direct(anymy, caps=my.MODERN | my.COMPRESS) as r:
        assert r.compressed
        assert r.one('select 1') == '1'
        assert r.do("select repeat('z', 20000000)").rows == [[b'z' * 20000000]]
        assert r.one("select length('%s')" % ('x' * 17000000)) == '17000000'


def test_pieces(anymy):
    with direct(anymy) as r:
        r.send_slowly(my.frames(my.query('select 1')))
        r.seq = 1
        assert r.result().rows == [[b'1']]
        r.send_bytes(my.frames(my.query('select 2')) + my.frames(my.query('select 3')))
        r.seq = 1
        assert r.result().rows == [[b'2']]
        r.seq = 1
        assert r.result().rows == [[b'3']]
        assert r.quiet(0.05)
        r.send_bytes(b'\1\0\0')
        r.shut()


def test_replica(base, certs):
    for kind in ('mysql97', 'maria1011'):
        s = MyServer(new_folder(base, 'repl-'), kind, certs=certs).create()
        r = s.make_replica()
        try:
            s.query('create table app.t (a int)')
            s.query('insert into app.t values (7)')
            s.wait_replica(r)
            assert r.query('select * from app.t') == ((7,),)
            with direct(r) as c:
                assert c.error('insert into t values (8)').errno == 1290
        finally:
            end_servers(r, s)
