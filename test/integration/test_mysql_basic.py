"""MySQL and MariaDB through weirpool in transaction mode: logins, results, large packets, files, character sets, KILL."""
import os
import random
import re
import threading
import zlib

import MySQLdb
import pytest

import rawmy as my
from rawmy import MyError, RawMy
from servers import eventually
from weir import Direct

MODES = {'modern': my.MODERN | my.MULTI_STATEMENTS | my.LOCAL_FILES, 'classic': my.CLASSIC | my.MULTI_STATEMENTS | my.LOCAL_FILES}
MB = 1000 * 1000


def peak_kib(wp):
    """The most memory that weirpool has had."""
    with open('/proc/%d/status' % wp.pid) as f:
        return int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))


def bounded(wp, kib=16 * 1024):
    """A function that asserts that weirpool has not grown by more than that since now."""
    if wp.direct:
        return lambda: None
    before = peak_kib(wp)

    def check():
        grown = peak_kib(wp) - before
        assert grown < kib or 'ASAN_OPTIONS' in os.environ, 'grew by %d KiB' % grown
    return check


# --- login
def test_the_greeting_tells_the_truth(anymy, mypool):
    wp = mypool(anymy)
    with wp.my():
        pass
    with RawMy(anymy.port) as s, RawMy(wp.mysql_port) as r:
        assert r.greeting.version == s.greeting.version
        assert r.greeting.mariadb == s.greeting.mariadb
        assert r.greeting.protocol == 10 and len(r.greeting.scramble) == 20
        assert 0 not in r.greeting.scramble and r.greeting.scramble != s.greeting.scramble
        assert r.greeting.caps & ~s.greeting.caps & ~my.SSL == 0, 'offers what the server does not have'
        for cap in ('PROTOCOL_41', 'SECURE_CONNECTION', 'PLUGIN_AUTH', 'PLUGIN_AUTH_LENENC', 'CONNECT_WITH_DB', 'CONNECT_ATTRS',
                    'MULTI_STATEMENTS', 'MULTI_RESULTS', 'PS_MULTI_RESULTS', 'TRANSACTIONS', 'FOUND_ROWS', 'LOCAL_FILES',
                    'IGNORE_SPACE', 'INTERACTIVE', 'SESSION_TRACK', 'DEPRECATE_EOF'):
            assert r.greeting.caps & getattr(my, cap), 'does not offer ' + cap


def test_scrambles_and_ids_are_new_each_time(mysql97, mypool):
    wp = mypool(mysql97)
    seen = [RawMy(wp.mysql_port) for _ in range(20)]
    assert len({r.greeting.scramble for r in seen}) == 20
    assert len({r.greeting.id for r in seen}) == 20
    for r in seen:
        r.shut()


@pytest.mark.parametrize('secret,db,errno', [('wrong', 'app', 1045), ('', 'app', 1045), ('app', 'nowhere', 1049)])
def test_refused_logins(anymy, mypool, secret, db, errno):
    wp = mypool(anymy)
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login('app', secret, db)
    if wp.direct:
        return
    # a schema that one may not know of is denied by the server
    assert e.value.errno in ((1044, 1049) if errno == 1049 else (errno,)), e.value
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login('nobody', 'app', 'app')
    assert e.value.errno == 1045
    with wp.my() as r:
        assert r.one('select 1') == '1'


@pytest.mark.parametrize('mode', MODES)
def test_clients_of_every_shape(anymy, mypool, mode):
    """Whatever a client leaves out of its first packet, it gets in and gets rows."""
    wp = mypool(anymy)
    for drop in (0, my.PLUGIN_AUTH_LENENC, my.PLUGIN_AUTH, my.MULTI_RESULTS | my.PS_MULTI_RESULTS, my.TRANSACTIONS, my.LONG_FLAG):
        if drop == my.PLUGIN_AUTH and anymy.family == 'mysql':
            continue
        for attrs in (None, {}, {'_client_name': 'rawmy', 'x' * 300: 'y' * 3000}):
            with wp.my(caps=MODES[mode] & ~drop, attrs=attrs) as r:
                assert r.q('select 1, database()') == [['1', 'app']]


def test_without_a_schema(anymy, mypool):
    with mypool(anymy).my(db='app2') as r:
        assert r.one('select database()') == 'app2'


# --- sharing
def test_many_clients_share_few_connections(anymy, mypool):
    wp = mypool(anymy, default_pool_size=3)
    clients = [wp.my() for _ in range(30)]
    for turn in range(3):
        for i, r in enumerate(clients):
            assert r.one('select %d' % (i + turn)) == str(i + turn)
    if not wp.direct:
        eventually(lambda: anymy.connections() <= 3)  # (others' are ending)
    for r in clients:
        r.bye()


def test_many_at_once(anymy, mypool):
    """Each gets its own rows, never another's."""
    wp = mypool(anymy, default_pool_size=2)
    wrong = []

    def run(me):
        try:
            with wp.my() as r:
                for i in range(60):
                    want = ['%d-%d' % (me, i), 'x' * (i * 50)]
                    got = r.q("select '%s', '%s'" % tuple(want))
                    if got != [want]:
                        wrong.append((want, got))
                r.bye()
        except Exception as e:
            wrong.append((me, repr(e)))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]


def test_a_transaction_keeps_its_connection(anymy, mypool):
    wp = mypool(anymy, default_pool_size=2)
    anymy.query('drop table if exists app.tk')
    anymy.query('create table app.tk (a int)')
    with wp.my() as a, wp.my() as b:
        a.do('begin')
        a.do('insert into tk values (1)')
        ids = set()
        for _ in range(5):
            ids.add(a.one('select count(*) from tk'))
            assert b.one('select count(*) from tk') == '0'
        assert ids == {'1'}
        a.do('commit')
        assert b.one('select count(*) from tk') == '1'
    anymy.query('drop table app.tk')


def test_a_client_that_leaves_in_a_transaction(anymy, mypool):
    """is rolled back, and the next client finds nothing of it"""
    wp = mypool(anymy, default_pool_size=1)
    anymy.query('create table if not exists app.tl (a int)')
    for leave in ('bye', 'shut', 'reset'):
        a = wp.my()
        a.do('begin')
        a.do('insert into tl values (1)')
        a.do('set @left = 1')
        getattr(a, leave)()
        with wp.my() as b:
            assert not b.ping().status & my.IN_TRANS
            assert b.q('select count(*), @left from tl') == [['0', None]]
            b.bye()
    anymy.query('drop table app.tl')


# --- large packets
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('size', [0xfffffb, 0xfffffe, 0xffffff, 0x1000000, 0x1ffffff, 17 * MB, 40 * MB])
def test_large_packets(anymy, mypool, mode, size):
    wp = mypool(anymy)
    with wp.my(caps=MODES[mode]) as r:
        r.one('select 1')
        check = bounded(wp)
        head = "select crc32('')"
        data = random.Random(1).randbytes(1 << 20).hex().encode() * (size // (1 << 21) + 1)
        data = data[:size - len(head) - 1]
        r.command(b'\3' + head[:-2].encode() + data + b"')")
        assert r.result().rows == [[str(zlib.crc32(data)).encode()]]
        row = r.do("select repeat('0123456789', %d), 'end'" % (size // 10)).rows[0]
        assert row == [b'0123456789' * (size // 10), b'end']
        assert r.one('select 7') == '7'
        check()


def test_a_large_result_to_a_slow_reader(anymy, mypool):
    """The server waits; weirpool keeps no more than its buffers."""
    wp = mypool(anymy, default_pool_size=2)
    with wp.my(rcvbuf=16384) as slow, wp.my() as other:
        slow.do('select 1')
        check = bounded(wp, 4096)
        anymy.query('create table if not exists app.big (a int auto_increment primary key, b varchar(1000))')
        anymy.query('truncate app.big')
        anymy.query("insert into app.big (b) select repeat('x', 1000) from information_schema.columns limit 100")
        slow.command(my.query('select a.a, b.b from big a join big b join (select 1 union select 2 union select 3) c'))
        for _ in range(20):
            assert other.one('select 1') == '1'
        out = slow.result(keep_rows=False)
        assert out.n_rows == 30000 and out.n_bytes > 30000 * 1000
        check()
    anymy.query('drop table app.big')


def test_too_large_a_packet(anymy, mypool):
    """max_allowed_packet is the server's business; the client gets its error, others nothing."""
    wp = mypool(anymy)
    with wp.my() as r, wp.my() as other:
        r.sock.settimeout(30)
        with pytest.raises((MyError, my.Closed, OSError)) as e:
            r.command(b"\3select '" + b'x' * (70 << 20) + b"'")
            r.result()
        if isinstance(e.value, MyError):
            assert e.value.errno == 1153
        assert other.one('select 1') == '1'


# --- files
@pytest.mark.parametrize('mode', MODES)
def test_load_data_local(anymy, mypool, mode):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=MODES[mode]) as r, wp.my() as other:
        r.do('drop table if exists ld')
        r.do('create table ld (a int, b text)')
        r.local_files['f'] = [b'%d\t%s\n' % (i, b'x' * 1000) for i in range(20000)]
        check = bounded(wp)
        assert r.do("load data local infile 'f' into table ld").affected == 20000
        check()
        r.local_files['f'] = [b'1\t' + b'x' * 100000 + b'\n'] * 400
        assert other.one('select count(*) from ld') == '20000'
        assert r.do("load data local infile 'f' into table ld (a, @skip)").affected == 400
        check()
        out = r.all("load data local infile 'f' into table nowhere; select 1")
        assert out[0].errno == 1146
        assert r.do("load data local infile 'absent' into table ld").affected == 0
        assert r.one('select 1') == '1'
        r.do('drop table ld')


def test_load_data_local_that_the_client_did_not_offer(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    anymy.query('create table if not exists app.lf (a int)')
    with wp.my(caps=my.MODERN) as r:
        e = r.error("load data local infile 'f' into table lf")
        assert e.errno in (1148, 3948, 4166), e
        assert r.one('select 1') == '1'
    with wp.my(caps=my.MODERN | my.LOCAL_FILES) as r:
        r.local_files['f'] = b'1\n'
        assert r.do("load data local infile 'f' into table lf").affected == 1
    anymy.query('drop table app.lf')


def test_a_client_that_leaves_inside_of_a_file(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    anymy.query('create table if not exists app.lg (a int) engine=innodb')
    with wp.my(caps=MODES['modern']) as r:
        r.command(my.query("load data local infile 'f' into table lg"))
        assert r.recv()[:1] == b'\xfb'
        r.send(b'1\n2\n')
    with wp.my() as r:
        assert r.one('select count(*) from lg') == '0'
    anymy.query('drop table app.lg')


# --- character sets
CHARSETS = [('utf8mb4', 'utf8mb4_general_ci', 'äß€😀'), ('utf8mb4', 'utf8mb4_bin', 'äß€😀'), ('latin1', 'latin1_swedish_ci', 'äß'),
            ('gbk', 'gbk_chinese_ci', '漢字'), ('sjis', 'sjis_japanese_ci', '表ソ'), ('cp1251', 'cp1251_general_ci', 'привет'),
            ('utf8mb3', 'utf8mb3_general_ci', 'ä€')]
CODEC = {'utf8mb4': 'utf-8', 'utf8mb3': 'utf-8', 'latin1': 'cp1252', 'gbk': 'gbk', 'sjis': 'shift_jis', 'cp1251': 'cp1251'}


@pytest.mark.parametrize('charset,collation,text', CHARSETS)
def test_character_sets_side_by_side(anymy, mypool, charset, collation, text):
    """A client's characters arrive and come back as its own, whoever had the connection before."""
    # texts in these cannot be understood byte by byte: their client keeps its connection
    wp = mypool(anymy, default_pool_size=2 if charset in ('gbk', 'sjis') else 1)
    anymy.query('drop table if exists app.cs')
    anymy.query('create table app.cs (a varchar(40) character set utf8mb4)')
    sent = text.encode(CODEC[charset])
    with wp.my() as r, wp.my() as plain:
        r.do('set names %s collate %s' % (charset, collation))
        for _ in range(3):
            assert r.q('select @@character_set_client, @@character_set_results, @@collation_connection') == [
                [charset, charset, collation]]
            plain.q("select 'ä'")
            r.do(b"insert into cs values ('" + sent + b"')")
            plain.do('set names latin1')
            assert r.do('select a, @@collation_connection from cs').rows == [[sent, collation.encode()]]
            assert plain.one('select @@character_set_client') == 'latin1'
            plain.do('set names utf8mb4')
            assert plain.q('select a from cs') == [[text]]
            s = r.prepare('select ?, a from cs where a = ?')
            plain.ping()
            assert r.execute(s, [sent, sent]).rows == [[sent, sent]]
            r.do('delete from cs')
    anymy.query('drop table app.cs')


CHARSET_SQL = 'select @@character_set_client, @@character_set_results, @@collation_connection'


def charset_of_login(t, i, change=False):
    """What a login with that collation gives its session, and what a reset leaves of it; or how it is refused."""
    try:
        with t.my(collation=8 if change else i) as r:
            if change:
                r.change_user(collation=i)
            first = r.q(CHARSET_SQL)
            r.command(b'\x1f')
            r.ok()
            return first, r.q(CHARSET_SQL)
    except MyError as e:
        return e.errno, e.sqlstate, e.text


def assert_same_charset(server, wp, i, change=False):
    got, want = (charset_of_login(t, i, change) for t in (wp, Direct(server)))
    if server.family == 'mariadb' and want[0] != want[1] and isinstance(want[0], list):
        got, want = got[0], want[0]     # where it resets to depends on who had that thread before
    assert got == want, i


def test_collation_of_the_login(anymy, mypool):
    """The byte of the login means what it means to the server, all 256 of them."""
    wp = mypool(anymy, default_pool_size=1)
    for i in range(256):
        assert_same_charset(anymy, wp, i)
    with wp.my(collation=33) as r, wp.my(collation=8) as other:
        for _ in range(3):
            assert r.one('select @@character_set_client') == 'utf8mb3'
            assert other.one('select @@character_set_client') == 'latin1'


@pytest.mark.parametrize('collation', [0, 8, 33, 35, 45, 76, 213, 255, 256, 304, 305, 309, 323, 324, 400])
def test_collation_of_change_user(anymy, mypool, collation):
    """Two bytes there."""
    wp = mypool(anymy)
    assert_same_charset(anymy, wp, collation, True)


def test_collation_that_only_mariadb_has(maria118, mypool):
    """Its name is not known here: no guess."""
    wp = mypool(maria118)
    assert charset_of_login(wp, 1069, True)[:2] == (1115, '42000')
    assert charset_of_login(wp, 2306, True)[:2] == (1115, '42000')


def test_collation_of_a_server_with_defaults_of_its_own(anymy, mypool):
    """Unknown ids mean the server's defaults, and known ones may mean others than they say."""
    change = [('character_set_client', 'latin5'), ('character_set_results', None), ('collation_connection', 'koi8r_bin')]
    if anymy.kind == 'maria118':
        change.append(('character_set_collations', 'latin1=latin1_bin,utf8mb4=utf8mb4_bin'))
    before = {n: anymy.query('select @@global.' + n)[0][0] for n, _ in change}
    try:
        for n, v in change:
            anymy.query('set global %s = %%s' % n, v)
        wp = mypool(anymy, default_pool_size=2)
        for i in (0, 8, 33, 45, 47, 224, 255):
            assert charset_of_login(wp, i)[0] == charset_of_login(Direct(anymy), i)[0], i
    finally:
        for n, v in before.items():
            anymy.query('set global %s = %%s' % n, v)


def test_collations_above_255(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    name = 'utf8mb4_0900_bin' if anymy.family == 'mysql' else \
        'utf8mb4_unicode_520_nopad_ci' if anymy.kind == 'maria1011' else 'utf8mb4_uca1400_as_cs'
    with wp.my() as r, wp.my() as other:
        r.do('set names utf8mb4 collate ' + name)
        for _ in range(3):
            other.do('set names latin1')
            assert r.one('select @@collation_connection') == name
            assert r.do("select 'x'").columns[0].charset > 0


# --- ids
@pytest.mark.parametrize('what', ['kill query %d', 'KILL %d', 'kill connection %d', '/* x */ kill query %d'])
def test_kill(anymy, mypool, what):
    """By the id that the client was given in its greeting."""
    wp = mypool(anymy, default_pool_size=3)
    with wp.my() as a, wp.my() as b, wp.my() as c:
        a.command(my.query('select sleep(60)'))
        if wp.direct:
            victim = lambda: anymy.query("select count(*) from information_schema.processlist where id = %d and info like"  # noqa: E731
                                         " 'select sleep%%'" % a.greeting.id)[0][0]
        else:
            victim = lambda: anymy.query("select count(*) from information_schema.processlist where info like 'select sleep%'")[0][0]  # noqa: E731
        eventually(victim)
        assert isinstance(b.do(what % a.greeting.id), my.Ok)
        try:
            out = a.result()
            gone = out.error and out.error.errno == 1317 or out.rows in ([[b'1']], [['1']])
        except MyError as e:
            gone = e.errno == 1317 or e.errno == 1927
        except my.Closed:
            gone = 'query' not in what
        assert gone
        if 'query' in what:
            assert a.one('select 5') == '5'
        else:
            with pytest.raises((my.Closed, MyError, OSError)):
                a.one('select 5')
        assert c.one('select 1') == '1' and b.one('select 2') == '2'


def test_kill_of_nobody(anymy, mypool):
    wp = mypool(anymy)
    with wp.my() as r:
        assert r.error('kill query 4294967290').errno == 1094
        assert r.error('kill 4294967290').errno == 1094
        assert r.one('select 1') == '1'


def test_kill_of_another_user(anymy, mypool):
    wp = mypool(anymy)
    with wp.my() as a, wp.my('app2') as b:
        a.one('select 1')
        assert b.error('kill query %d' % a.greeting.id).errno == 1095
        assert a.one('select 1') == '1'


# --- everything else that a client may say
def test_query_attributes(mysql97, mypool):
    wp = mypool(mysql97, default_pool_size=2)  # (a function that weirpool does not know pins)
    with wp.my(caps=my.MODERN | my.QUERY_ATTRIBUTES) as r, wp.my() as other:
        assert r.caps & my.QUERY_ATTRIBUTES
        sql = "select mysql_query_attribute_string('who')"
        for _ in range(3):
            assert r.q(sql, {'who': 'me', 'n': 5}) == [['me']]
            assert other.q(sql) == [[None]]
            assert r.q(sql) == [[None]]
            s = r.prepare(sql + ', ?')
            assert r.execute(s, ['x'], attrs={'who': 'you'}).rows == [[b'you', b'x']]
            other.one('select 1')
            assert r.execute(s, ['x']).rows == [[None, b'x']]
            r.close_stmt(s)


def test_change_user(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my() as r, wp.my() as other:
        r.do('set @x = 1')
        r.do("set time_zone = '+03:00'")
        s = r.prepare('select 1')
        assert r.change_user('app2', db='app2')
        assert r.q('select current_user(), database(), @x, @@time_zone') == [['app2@%', 'app2', None, '+00:00']]
        with pytest.raises(MyError) as e:
            r.execute(s)
        assert e.value.errno == 1243
        assert other.one('select current_user()') == 'app@%'
        with pytest.raises(MyError) as e:
            r.change_user('app', 'wrong')
        assert e.value.errno == 1045
        assert other.one('select 1') == '1'


def test_the_c_api_changes_its_user(anymy, mypool):
    """It proves mysql_native_password over the last scramble that it had, even if it is sent another."""
    wp = mypool(anymy)
    c = MySQLdb.connect(host=wp.host, port=wp.mysql_port, user='super', passwd='super', db='app')
    for user, password in (('super', 'super'), ('app2', 'app'), ('super', 'super')):
        c.change_user(user, password, 'app')
        cur = c.cursor()
        cur.execute('select current_user()')
        assert cur.fetchall() == ((user + '@%',),)
    with pytest.raises(MySQLdb.Error):
        c.change_user('app', 'wrong', 'app')
    c.close()


def test_reset_connection(anymy, mypool):
    wp = mypool(anymy, default_pool_size=2)
    with wp.my() as r, wp.my() as other:
        r.do('use app2')
        r.do("set @x = 1, time_zone = '+03:00'")
        r.do('create temporary table tr (a int)')
        r.do('begin')
        s = r.prepare('select 1')
        r.reset_connection()
        assert r.q("select @x, @@time_zone, database()") == [[None, '+00:00', 'app2']]
        assert r.error('select * from tr').errno == 1146
        assert not r.ping().status & my.IN_TRANS
        with pytest.raises(MyError) as e:
            r.execute(s)
        assert e.value.errno == 1243
        assert other.one('select 1') == '1'


def test_commands_in_pieces_and_in_heaps(anymy, mypool):
    wp = mypool(anymy)
    with wp.my() as r:
        r.send_slowly(my.frames(my.query('select 1')))
        r.seq = 1
        assert r.result().rows == [[b'1']]
        heap = [my.frames(b'\2app2'), my.frames(my.query("set @a = 4")), my.frames(my.query('select @a, database()')),
                my.frames(b'\x0e')]
        r.send_bytes(b''.join(heap))
        for i in range(4):
            r.seq = 1
            out = r.result()
            if i == 2:
                assert out.rows == [[b'4', b'app2']]
        r.send_bytes(b''.join(my.frames(my.query('select %d' % i)) for i in range(200)))
        for i in range(200):
            r.seq = 1
            assert r.result().rows == [[b'%d' % i]]


def test_compression(anymy, mypool):
    wp = mypool(anymy)
    with RawMy(wp.mysql_port) as r:
        if not r.greeting.caps & my.COMPRESS:
            return
        r.login(caps=my.MODERN | my.COMPRESS)
        assert r.compressed
        assert r.one('select 1') == '1'
        assert r.do("select repeat('z', 20000000)").rows == [[b'z' * 20000000]]
        assert r.one("select length('%s')" % ('x' * 17000000)) == '17000000'


# --- statement mode
OPENS = [['begin'], ['select 1; begin; select 2'], ['set autocommit = 0', 'select * from st'],
         ['set autocommit = 0', 'select * from st where a < 0'], ['xa start "x"']]


@pytest.mark.parametrize('caps', [my.MODERN, my.CLASSIC], ids=['modern', 'classic'])
def test_transactions_in_statement_mode(anymy, weirpool, caps):
    """The statement that opens one gets the error, and with it the session ends; nothing of it is left."""
    anymy.query('drop table if exists app.st')
    anymy.query('create table app.st (a int) engine=innodb')
    anymy.query('insert into app.st values (1)')
    caps |= my.MULTI_STATEMENTS
    wp = weirpool(anymy, pool_mode='statement', default_pool_size=1)
    with wp.my(caps=caps) as other:
        for sqls in OPENS:
            with wp.my(caps=caps) as r:
                for sql in sqls[:-1]:
                    r.do(sql)
                out = r.all(sqls[-1])
                e = out[-1] if isinstance(out[-1], MyError) else out[-1].error
                assert e.errno == 1568 and 'statement pooling' in e.text, out
                assert not r.expect_closed()
            assert other.q('select 1, @@autocommit') == [['1', '1']]
        out = other.all('begin; insert into st values (2); commit')
        assert not [x for x in out if isinstance(x, MyError)], out
        s = other.prepare('insert into st values (?)')
        other.execute(s, [3])
        eventually(lambda: not anymy.query('select 1 from information_schema.innodb_trx'))  # what was cut off, too
    anymy.query('drop table app.st')
