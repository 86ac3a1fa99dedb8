"""The compressed protocol, on either side by itself: zlib and zstd, what travels in it, and frames that lie."""
import os
import random
import re
import struct
import tempfile

import MySQLdb
import pytest

import rawmy as my
from rawmy import MyError, RawMy
from servers import as_test_user, eventually
from test_mysql_basic import bounded
from test_mysql_drivers import CONNECTOR, check_driver, in_sid, run

FULL = my.MODERN | my.MULTI_STATEMENTS | my.LOCAL_FILES
CLIENT = {'plain': 0, 'zlib': my.COMPRESS, 'zstd': my.ZSTD}
SIDES = ('off', 'zlib', 'zstd', 'any')
MB = 1 << 20


def sides(server, mypool, **kw):
    """A weirpool with an entry for each server_compression, named as it."""
    entries = {s: dict(host=server.host, port=server.port, dbname='app', server_compression=s) for s in SIDES}
    return mypool(server, mysql_databases=entries, **kw)


def client(wp, how='zlib', db='app', **kw):
    """A raw client; None when the greeting does not offer that form."""
    r = RawMy(wp.mysql_port, timeout=60)
    if CLIENT[how] & ~r.greeting.caps:
        r.shut()
        return None
    r.login(db=db, caps=FULL | CLIENT[how], **kw)
    assert (how == 'plain') == (not r.compressed)
    return r


def combinations(server, wp):
    for how in CLIENT:
        for side in SIDES:
            r = client(wp, how, side)
            assert r or (how == 'zstd' and server.family == 'mariadb')
            if r:
                with r:
                    yield how, side, r


def test_each_form_on_either_side(anymy, mypool):
    wp = sides(anymy, mypool)
    seen = set()
    for how, side, r in combinations(anymy, wp):
        assert r.one('select 1') == '1'
        assert r.one("select length('%s')" % ('x' * 100000)) == '100000'
        rows = r.do("select 1 n, repeat('abc', 50000) union all select 2, 'z'").rows
        assert rows == [[b'1', b'abc' * 50000], [b'2', b'z']]
        assert how == 'plain' or any(f[2] for f in r.frames), 'nothing was compressed'
        compression = dict(r.do("show session status like 'compression%'").rows)
        on = side != 'off' and (side != 'zstd' or anymy.family == 'mysql')
        assert compression[b'Compression'] == (b'ON' if on else b'OFF')
        if anymy.family == 'mysql':
            expected = {'off': b'', 'zlib': b'zlib', 'zstd': b'zstd', 'any': b'zstd'}[side]
            assert compression[b'Compression_algorithm'] == expected
        seen.add((how, side))
    assert len(seen) == (12 if anymy.family == 'mysql' else 8)


def test_files_and_results_of_many(anymy, mypool):
    """LOAD DATA LOCAL, several results, prepared statements, commands without an answer, an error in between."""
    wp = sides(anymy, mypool)
    for how, side, r in combinations(anymy, wp):
        r.do('drop table if exists pk')
        r.do('create table pk (id int primary key, a varchar(200))')
        r.local_files['f'] = [b'%d\t%s\n' % (i, b'ab' * (i % 90)) for i in range(1000)]
        assert r.do("load data local infile 'f' into table pk").affected == 1000
        # of which the numbers go round
        results = r.all('; '.join('select %d' % i for i in range(120)) + "; load data local infile 'f' ignore into table pk; select 'end'")
        assert len(results) == 122 and results[-1].rows == [[b'end']]
        assert [x.rows for x in results[:120]] == [[[b'%d' % i]] for i in range(120)]
        with pytest.raises(MyError, match='1146'):
            r.do('select * from nowhere')
        s = r.prepare('select a from pk where id = ?')
        for i in (7, 77, 777):
            assert r.execute(s, [i]).rows == [[b'ab' * (i % 90)]]
        s2 = r.prepare('select length(?)')
        r.long_data(s2, 0, b'x' * 300000)
        r.long_data(s2, 0, b'y' * 300000)
        assert r.execute(s2, [my.LONG_DATA]).rows == [[600000]]
        r.close_stmt(s)
        r.close_stmt(s2)
        assert r.one("select length('%s')" % ('z' * 700000)) == '700000', (how, side)
        assert r.one('select count(*) from pk') == '1000'
        r.do('drop table pk')


def test_large_rows_and_texts(anymy, mypool):
    """Bodies that are never collected, in packets of 16 MiB, on any side."""
    wp = sides(anymy, mypool)
    size = 40 * MB
    with wp.my() as r:
        r.one('select 1')
    check = bounded(wp, 24 * 1024)
    for how, side, r in combinations(anymy, wp):
        if side == 'zlib' and how == 'zlib' or 'any' in side and how != 'zlib':
            r.sock.settimeout(120)
            out = r.do("select repeat('0123456789', %d)" % (size // 10), keep_rows=True).rows
            assert len(out[0][0]) == size // 10 * 10 and out[0][0][-10:] == b'0123456789'
            assert r.one("select length('%s')" % random.Random(1).randbytes(size // 2).hex()) == str(size // 2 * 2)
    check()


def test_a_client_that_does_not_wait(anymy, mypool):
    """Several commands at once: each in a frame of its own, as servers want it, and the replies are numbered as theirs."""
    wp = sides(anymy, mypool)
    for mode in ('session', 'transaction'):
        wp.reload(pool_mode=mode)
        for how, side, r in combinations(anymy, wp):
            for size in (1, 5000):
                sql = ["select %d, '%s'" % (i, 'x' * size) for i in range(40)]
                r.send_bytes(b''.join(my.frame(my.frames(my.query(q)), 0, r.compressed) if r.compressed else my.frames(my.query(q))
                                      for q in sql))
                for i in range(40):
                    r.seq = r.compress_seq = 1
                    assert r.result().rows == [[b'%d' % i, b'x' * size]]


@pytest.mark.parametrize('step', [1, 7])
def test_frames_in_pieces(anymy, mypool, step):
    """Frames that come a few bytes at a time, and packets in many frames."""
    wp = sides(anymy, mypool)
    for how in ('zlib', 'zstd'):
        r = client(wp, how, 'any')
        if r is None:
            continue
        with r:
            data = my.frame(my.frames(my.query("select '%s'" % ('abc' * 100))), 0, r.compressed)
            r.compress_seq, r.seq = 1, 1
            for i in range(0, len(data), step):
                r.send_bytes(data[i:i + step])
            assert r.result().rows == [[b'abc' * 100]]
            r.compress_seq, r.seq = 0, 1
            r.send_frames(my.frames(my.query("select '%s'" % ('abc' * 100))), step)
            assert r.result().rows == [[b'abc' * 100]]


def test_a_change_of_the_user(anymy, mypool):
    wp = sides(anymy, mypool)
    for how, side, r in combinations(anymy, wp):
        for user in ('app2', 'app', 'app2'):
            r.change_user(user, 'app', side)
            assert r.one('select current_user()') == user + '@%'
        r.simple(my.COM_RESET_CONNECTION)
        assert r.one("select length(repeat('x', 100000))") == '100000'
        with pytest.raises(MyError, match='1045'):
            r.change_user('app', 'wrong', side)


def test_tls_is_below(anymy, mypool, certs):
    wp = mypool(anymy, server_tls_sslmode='disable', server_compression='any', client_tls_sslmode='require',
                client_tls_key_file=certs.key('server'), client_tls_cert_file=certs.crt('server'))
    for how in ('zlib', 'zstd'):
        r = client(wp, how, 'app', tls=True)
        if r:
            with r:
                assert r.one("select length('%s')" % ('x' * 2000000)) == '2000000'
                assert r.do("select repeat('ab', 3000000)").rows == [[b'ab' * 3000000]]


def test_the_console(anymy, mypool):
    wp = mypool(anymy)
    for how in ('zlib', 'zstd'):
        r = client(wp, how, 'weirpool', user='admin', secret='admin')
        if r:
            with r:
                names = [x[0] for x in r.q('show config')]
                assert 'client_compression' in names and 'server_compression' in names
                assert any(f[2] for f in r.frames)
                with pytest.raises(MyError):
                    r.do('show nonsense')


# --- what a greeting offers, and what is agreed on
def offered(wp):
    with RawMy(wp.mysql_port) as r:
        return {n for n in ('zlib', 'zstd') if r.greeting.caps & CLIENT[n]}


def test_what_is_offered(mysql97, maria1011, mypool):
    for server, all_of_them in ((mysql97, {'zlib', 'zstd'}), (maria1011, {'zlib'})):
        wp = mypool(server)
        assert offered(wp) == all_of_them
        for option in ('off', 'zlib', 'zstd', 'any'):
            wp.reload(client_compression=option)
            assert offered(wp) == (all_of_them & {option} if option != 'any' else all_of_them)
            with wp.my(caps=FULL | my.COMPRESS | my.ZSTD) as r: # what is not offered is not agreed on
                assert r.one("select length('%s')" % ('x' * 10000)) == '10000'


def test_both_forms_are_zlib_and_levels_are_those_of_servers(mysql97, mypool):
    for wp in (mypool(mysql97), None):
        port = wp.mysql_port if wp else mysql97.port
        with RawMy(port) as r:
            r.login('super', 'super', caps=FULL | my.COMPRESS | my.ZSTD)
            assert r.compressed is my.Zlib
            assert r.one("select length('%s')" % ('x' * 10000)) == '10000'
        for level in (0, 23, 255):
            with RawMy(port) as r:
                r.zstd_level = level
                with pytest.raises(MyError) as e:
                    r.login('super', 'super', caps=FULL | my.ZSTD)
                assert (e.value.errno, e.value.sqlstate, e.value.text) == (
                    3923, 'HY000', "Invalid zstd compression level for algorithm 'zstd'.")
        for level in (1, 22):
            with RawMy(port) as r:
                r.zstd_level = level
                r.login('super', 'super', caps=FULL | my.ZSTD)
                assert r.do("select repeat('x', 100000)").rows == [[b'x' * 100000]]


# --- frames that lie
def lies(how):
    text = my.frames(my.query("select '%s'" % ('x' * 500)))
    whole = my.frame(text, 0, how)
    return {'out of order': (1156, my.frame(text, 5, how)),
            'twice the first': (1156, my.frame(text[:100], 0, how) + my.frame(text[100:], 0, how)),
            'garbage': (1157, my.frame(b'\x55' * 60, 0, declared=500)),
            'nothing': (1157, my.frame(b'', 0, declared=500)),
            'more declared': (1157, my.frame(text, 0, how, declared=len(text) + 1)),
            'less declared': (1157, my.frame(text, 0, how, declared=100)),
            'bytes behind it': (1157, struct.pack('<I', len(whole) - 7 + 3)[:3] + whole[3:] + b'abc'),
            'the other form': (1157, my.frame(text, 0, my.Zstd() if how is my.Zlib else my.Zlib))}


def test_frames_that_lie(mysql97, mypool):
    """The liar is told, in the words of servers, and cut off; nobody else notices."""
    wp = sides(mysql97, mypool)
    with client(wp, 'zlib', 'any') as other:
        for how in ('zlib', 'zstd'):
            for name, (number, data) in lies(my.Zlib if how == 'zlib' else my.Zstd()).items():
                with client(wp, how, 'any') as r:
                    assert r.one('select 1') == '1'
                    r.send_bytes(data)
                    r.compress_seq = 1
                    e = r.expect_error_and_close()
                    assert (e.errno, e.sqlstate) == (number, '08S01'), (how, name, e)
                    assert e.text in ('Got packets out of order', "Couldn't uncompress communication packet")
                assert other.one("select 'still here'") == 'still here'
    wp.wait_log('compressed protocol: a frame has the wrong number')
    wp.wait_log('compressed protocol: longer than declared')


def test_bombs_cost_nothing(mysql97, mypool):
    """Frames of 15 MiB in 16 KiB, of many clients that then stop: what comes out is dealt with as it comes. zstd needs what
    it refers back to: 2 MiB at its usual level."""
    wp = sides(mysql97, mypool)
    check = bounded(wp, 48 * 1024)
    body = my.frames(my.query("select length('%s')" % ('x' * (15 * MB))))
    held = []
    for how in ('zlib', 'zstd') * 10:
        r = client(wp, how, 'off')
        data = my.frame(body, 0, r.compressed)
        assert len(data) < 20000
        r.send_bytes(data[:-20])
        held.append((r, data[-20:]))
    check()
    for r, rest in held[:4]:
        r.send_bytes(rest)
        r.compress_seq = r.seq = 1
        assert r.result().rows == [[b'%d' % (15 * MB)]]
    for r, _ in held:
        r.shut()
    eventually(lambda: wp.pool('off', 'app')['cl_active'] == 0)


# --- programs and drivers
def compressing(wp, user='app'):
    """The compressions of that user's clients."""
    return {r['compression'] for r in wp.admin('SHOW CLIENTS') if r['user'] == user}


def programs(wp):
    """Command lines of programs, and what they agree on."""
    to = ['-h', '127.0.0.1', '-P', str(wp.mysql_port), '-uapp', '-papp', '-BN', '--local-infile=1']
    mysql = in_sid('/usr/bin/mysql', '--no-defaults', '--commands', '--system-command', '--get-server-public-key', *to)
    yield 'zlib', as_test_user(['mariadb', '--no-defaults', '--skip-ssl', '--compress', *to])
    yield 'zlib', [*mysql, '--compression-algorithms=zlib']
    yield 'zstd', [*mysql, '--compression-algorithms=zstd', '--zstd-compression-level=7']
    yield 'zstd', [*mysql, '--compression-algorithms=zstd,uncompressed']


def test_programs(anymy, mypool):
    """A statement of 20 MB, a result of 20 MB, a file, several results, an error."""
    wp = sides(anymy, mypool)
    show = ("\\! mysql --no-defaults -h 127.0.0.1 -P %d -uadmin -padmin weirpool -BN -e 'show clients'\n" % wp.mysql_port)
    for how, argv in programs(wp):
        for side in ('off', 'any'):
            with tempfile.NamedTemporaryFile('w', dir='/tmp', prefix='weirpool-test-') as f:
                f.writelines('%d\tline %d\n' % (i, i) for i in range(20000))
                f.flush()
                os.chmod(f.name, 0o644)
                if how == 'zstd' and anymy.family == 'mariadb':
                    if 'uncompressed' not in argv[-1]:
                        run([*argv, side], 'select 1;', code=1)
                        continue
                out = run([*argv, '--force', '--max-allowed-packet=64M', side], show + """
drop table if exists cp; create table cp (a int, b text);
load data local infile '%s' into table cp; select count(*), sum(a) from cp; select b from cp where a = 19999;
select length('%s'); select md5(repeat('ab', 10000000)); select repeat('ab', 10000000); select no_such;
delimiter //
select 'one'; select 'two'//
""" % (f.name, 'x' * 20000000))
                lines = [x for x in out.splitlines() if 'insecure' not in x and not x.startswith(('WARNING', '--', 'select'))]
                own = [x.split('\t') for x in lines if x.startswith('C\tapp\t')]
                assert [x[-1] for x in own] == ['' if how == 'zstd' and anymy.family == 'mariadb' else how], own
                for expected in ('20000\t199990000', 'line 19999', '20000000', 'ab' * 10000000, 'one', 'two'):
                    assert expected in lines, (how, side, expected[:20], [x[:80] for x in lines][-12:])
                assert any('1054' in x for x in lines)


@pytest.mark.parametrize('compress', [False, True])
def test_connector_python(anymy, mypool, compress):
    wp = mypool(anymy, default_pool_size=2, server_compression='any')
    text = re.sub(r"c.cmd_change_user\(.*?\('app2@%',\)", '', CONNECTOR, flags=re.S) # which it cannot do compressed
    text = text.replace('use_pure=True', 'use_pure=True, compress=%r' % compress).replace("print('connector", """
c = mysql.connector.connect(host='127.0.0.1', port=port, user='app', password='app', database='app', use_pure=True,
                            ssl_disabled=True, compress=%r)
k = c.cursor()
k.execute("select repeat('ab', 9000000), length(%%s)", ('x' * 9000000,))
assert k.fetchall() == [('ab' * 9000000, 9000000)]
print('connector""" % compress)
    assert 'connector works' in run(in_sid('/usr/bin/python3', '-c', text, str(wp.mysql_port), 'tcp'))


def test_mysqlclient(anymy, mypool):
    """MariaDB's Connector/C."""
    wp = mypool(anymy, default_pool_size=2, server_compression='any')
    c = MySQLdb.connect(host='127.0.0.1', port=wp.mysql_port, user='app', passwd='app', db='app', charset='utf8mb4', compress=True)
    check_driver(c)
    assert compressing(wp) == {'zlib'}
    k = c.cursor()
    k.execute("select repeat('ab', 9000000), length(%s)", ('x' * 17000000,))
    assert k.fetchall() == (('ab' * 9000000, 17000000),)
    c.close()


# --- links that move, idle connections, replicas
def test_compressed_connections_change_threads(mysql97, weirpool):
    """Two workers, one server connection: it takes its compression along."""
    wp = weirpool(mysql97, workers=2, default_pool_size=1, server_compression='any', pool_mode='transaction')
    clients = [client(wp, how) for how in ('plain', 'zlib', 'zstd') * 4]
    for i in range(30):
        for r in clients:
            r.command(my.query("select %d, repeat('ab', %d)" % (i, 1 + i * 3000)))
        for r in clients:
            assert r.result().rows == [[b'%d' % i, b'ab' * (1 + i * 3000)]]
    eventually(lambda: mysql97.connections() == 1)  # (others' are ending)
    for r in clients:
        r.bye()


def test_idle_connections_hold_no_buffers(mysql97, weirpool):
    wp = weirpool(mysql97, workers=1, server_compression='any', pool_mode='transaction')
    with client(wp) as r:
        r.one('select 1')

    def total():
        return {x['name']: int(x['used']) for x in wp.admin('SHOW MEM') if x['name'] in ('buffer', 'stream')}
    before = total()
    clients = [client(wp, ('zlib', 'zstd')[i % 2]) for i in range(40)]
    for r in clients:
        assert r.one("select length('%s')" % ('x' * 300000)) == '300000'
        assert r.do("select repeat('ab', 400000)").rows == [[b'ab' * 400000]]
    eventually(lambda: total()['buffer'] <= before['buffer'])
    for r in clients:
        r.bye()


@pytest.mark.parametrize('side', ['off', 'zlib'])
def test_binary_logs(maria1011, weirpool, side):
    """Events pass, in and out of compression, though nobody looks at them."""
    wp = weirpool(maria1011, server_compression=side, pool_mode='transaction', userlist=dict(repl='repl'))
    maria1011.query('create or replace table app.bl (a longtext)')
    maria1011.query('flush binary logs')
    for n in (10, 100000, 3000000):
        maria1011.query("insert into app.bl values (repeat('ab', %d))" % n)
    name, size = maria1011.query('show binary logs')[-1][:2]
    for how in ('plain', 'zlib'):
        with client(wp, how, db=None, user='repl', secret='repl') as r:
            r.do('set @master_binlog_checksum = @@global.binlog_checksum')
            r.command(bytes([my.COM_BINLOG_DUMP]) + struct.pack('<IHI', 4, 0, 4242) + name.encode())
            got = 4
            while got < size:
                head = r.recv_exact(4)
                event = r.recv_exact(int.from_bytes(head[:3], 'little'))
                assert event[:1] == b'\0', event[:100]
                if struct.unpack('<I', event[14:18])[0]: # not the first, which is made up
                    got += len(event) - 1
            assert got == size
