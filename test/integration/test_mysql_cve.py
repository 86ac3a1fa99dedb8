"""Each row of the table of security history of MySQL's proxies in our notes is a test here, or names the test that covers it.

Where a row is tested more fully elsewhere, the test here is the short form of it: this file is the list to read. Rows without
a test, because weirpool has no such part: ProxySQL's MCP server (CVE-2026-48774) and its SQLite (#5247) beyond what the tests
of the console and of auth_query below say, MaxScale's REST interface (MXS-6579) and trace directory (MXS-6564), MySQL Router's
http_server (37499075), and the CVEs of libraries that weirpool does not use."""
import contextlib
import random
import socket
import struct
import threading
import time

import pytest

import rawmy as my
from fakemy import Liar
from proxy import Proxy
from rawmy import Closed, MyError, RawMy, frames
from servers import eventually
from test_mysql_lies import hello

REFUSED = (Closed, MyError, OSError)
NONSENSE = (AssertionError, KeyError, ValueError, IndexError)
CLAIMS = (b'\xfb', b'\xfc\xff\xff', b'\xfd\xff\xff\xff', b'\xfe' + b'\xff' * 8, b'\xfe' + struct.pack('<Q', 1 << 63),
          b'\xfe' + struct.pack('<Q', (1 << 64) - 8), b'\xff', b'\xfc', b'\xfe\1')


@pytest.fixture
def wp(mypool, mysql97):
    return mypool(mysql97, default_pool_size=1, client_login_timeout=3)


@contextlib.contextmanager
def unmoved(wp, kib=4096):
    """Whatever happens inside, a client that was there before goes on, new ones get in, and weirpool does not grow."""
    with wp.my() as other:
        assert other.one('select 1') == '1'
        before = wp.rss_kib()
        yield other
        assert wp.rss_kib() - before < kib
        assert other.one("select 'still here'") == 'still here'
    with wp.my() as r:
        assert r.one('select 2') == '2'


def ends(wp, data, n=None):
    """What a connection that begins with data hears behind its greeting, up to the end that must come."""
    with RawMy(wp.mysql_port) as r:
        with contextlib.suppress(ConnectionError):
            r.send_bytes(data)
        return r.expect_closed(20)


# --- before the login
def test_cve_2026_48773_length_of_the_first_packet(wp):
    """ProxySQL copied as much as the first packet's head claimed: a heap overflow without a login."""
    with unmoved(wp):
        open_ones = []
        for size in (0xffffff, 0xfffffe, 1 << 20, 65536, 40000):
            for sent in (0, 10, 30000):
                r = RawMy(wp.mysql_port)
                with contextlib.suppress(ConnectionError):
                    r.send_bytes(struct.pack('<I', size)[:3] + b'\1' + hello()[:32] + b'x' * sent)
                open_ones.append(r)
        for r in open_ones:     # too large, or never whole within client_login_timeout
            assert len(r.expect_closed(20)) < 500
        for size in (0, 1, 2, 3, 4, 31):
            assert len(ends(wp, frames(hello()[:size], 1))) < 500


SPOOFS = [b'PROXY UNKNOWN 10.1.2.3 10.1.2.4 1000 2000\r\n', b'PROXY UNKNOWN\r\n', b'PROXY TCP4 10.1.2.3 10.1.2.4 1000 2000\r\n',
          b'\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\1\2\3\x0a\1\2\4\3\xe8\7\xd0', b'\r\n\r\n\0\r\nQUIT\n\x20\0\0\0']


@pytest.mark.parametrize('header', SPOOFS)
def test_cve_2026_48772_addresses_that_a_client_claims(wp, header):
    """ProxySQL took the addresses of PROXY UNKNOWN, from anybody: rules by address were no rules."""
    with unmoved(wp):
        with RawMy(wp.mysql_port, greet=False) as r:
            r.send_bytes(header)
            try:
                r.read_greeting()
                r.login()
                assert r.one('select 1') == '1'
            except (*REFUSED, *NONSENSE):
                pass
        assert '10.1.2.3' not in str(wp.admin('SHOW CLIENTS')) and '10.1.2.3' not in wp.log()


@pytest.mark.parametrize('n', [100, 107, 108, 5000, 200000])
def test_ghsa_7r26_v5rr_ccj5_long_proxy_headers(wp, n):
    """A stack overflow in the header's line (and in the parser's own tests: test_proxy.c, fuzz_proxy)."""
    with unmoved(wp):
        for head in (b'PROXY TCP4 ' + b'1' * n + b'\r\n', b'PROXY ' + b'x' * n, b'\r\n\r\n\0\r\nQUIT\n\x21\x11' + struct.pack('>H', min(n, 65535)) + b'x' * n):
            with RawMy(wp.mysql_port, greet=False) as r, contextlib.suppress(OSError):
                r.send_bytes(head)
                r.sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(AssertionError):
                    r.expect_closed(5)


def test_ghsa_24vm_gh4h_hfr3_fields_of_the_handshake_response(wp):
    """Lengths and missing ends. (Also test_mysql_lies.py: test_nonsense_at_the_login; fuzz_my_client_login.)"""
    caps = my.MODERN | my.CONNECT_WITH_DB | my.CONNECT_ATTRS
    whole = hello(rest=b'app\0caching_sha2_password\0\7\3_os\2xy', caps=caps)
    variants = [whole[:n] for n in range(32, len(whole))]
    variants += [whole[:n] + c + whole[n + 1:] for n in range(32, len(whole)) for c in CLAIMS[:4]]
    variants += [whole.replace(b'\0', b'x', 1 + n) for n in range(4)]
    rnd = random.Random(1)
    with unmoved(wp):
        for v in rnd.sample(variants, 150):
            with RawMy(wp.mysql_port) as r:
                r.send_bytes(frames(v, 1))
                r.sock.shutdown(socket.SHUT_WR)
                out = r.expect_closed(20)
                assert out[4:5] in (b'', b'\xff', b'\xfe', b'\1') and out[4:6] != b'\1\3', (v, out)


def test_scrambles_are_random(wp):
    """ProxySQL 3.0.11: scrambles came from a weak generator."""
    seen = []
    for _ in range(100):
        with RawMy(wp.mysql_port) as r:
            seen.append(r.scramble)
    assert len(set(seen)) == len(seen)
    for i in range(20):         # no place in it stands still, none counts up
        column = [s[i] for s in seen]
        assert len(set(column)) > 30
        assert sum(1 for a, b in zip(column, column[1:]) if (b - a) % 256 == 1) < 15


# --- lengths inside of commands
def test_ghsa_x23w_3v26_vgvj_lengths_beyond_the_packet(wp):
    """Length-encoded integers of logins, parameters and attributes were not compared with the packet's end."""
    with unmoved(wp) as other:
        for claim in CLAIMS:
            heads = [frames(hello(proof=claim, rest=b''), 1), frames(hello(proof=claim + b'x' * 30), 1)]
            for data in heads:
                with RawMy(wp.mysql_port) as r:
                    r.send_bytes(data)
                    r.sock.shutdown(socket.SHUT_WR)
                    r.expect_closed(20)
            for caps in (my.MODERN, my.MODERN | my.QUERY_ATTRIBUTES):
                with wp.my(caps=caps) as r:
                    s = r.prepare('select ?, ?')
                    head = b'\x17' + struct.pack('<IBI', s.id, 8 if caps & my.QUERY_ATTRIBUTES else 0, 1)
                    bodies = [head + b'\0\1\xfd\0\xfd\0' + b'\1a' + claim, head + claim, head + b'\2\0\1\xfd\0' + claim + b'\xfd\0\0',
                              head + b'\0\1\xfd\0\xfd\0' + claim + b'b', b'\3' + claim + b'\1' + b'select 1', b'\3\1\1\0\1\xfd\0' + claim]
                    for body in bodies:
                        try:
                            r.sock.settimeout(5)
                            r.command(body)
                            with contextlib.suppress(MyError):
                                r.results(binary=body[0] == 0x17)
                        except (Closed, OSError, *NONSENSE):
                            break
                assert other.one("select 'mine'") == 'mine'


@pytest.mark.parametrize('plain', [0xffffff, 0x800000, 1, 7, 100])
def test_cve_2026_102664_uncompressed_lengths(wp, plain):
    """The length that a compressed frame claims to have was trusted. (Also test_mysql_compress.py.)"""
    import zlib
    body = zlib.compress(frames(my.query("select '%s'" % ('x' * 60))))
    bomb = zlib.compress(b'\0' * (8 << 20))
    with unmoved(wp, 24576):
        for data in (body, body[:20], b'junk' * 10, bomb):
            with RawMy(wp.mysql_port) as r:
                if not r.greeting.caps & my.COMPRESS:
                    pytest.fail('compression is not offered')
                r.login(caps=my.MODERN | my.COMPRESS)
                with contextlib.suppress(ConnectionError):
                    r.send_bytes(struct.pack('<I', len(data))[:3] + b'\0' + struct.pack('<I', plain)[:3] + data)
                    r.sock.shutdown(socket.SHUT_WR)
                r.expect_closed(20)


@pytest.mark.parametrize('n', [64, 255, 256, 1024, 65000, 200000])
def test_ghsa_8mqj_34cf_rj43_fields_of_change_user(wp, n):
    """A buffer of a fixed size. (fuzz_my_run sends COM_CHANGE_USER, too.)"""
    x = b'x' * n
    with unmoved(wp):
        for body in (x + b'\0\0\0', b'app\0\xff' + b'x' * 255 + x + b'\0', b'app\0\0' + x + b'\0\x2d\0' + b'caching_sha2_password\0',
                     b'app\0\0app\0\x2d\0' + x + b'\0', b'app\0\0app\0\x2d\0caching_sha2_password\0' + b'\xfd' + struct.pack('<I', n)[:3] + x, x):
            with wp.my() as r:
                r.one('select 1')
                with contextlib.suppress(*REFUSED, *NONSENSE):
                    r.sock.settimeout(10)
                    r.command(b'\x11' + body)
                    while True:
                        p = r.recv()
                        assert p[:1] != b'\0', 'it is in'
                        if p[:1] == b'\xff':
                            break
                        r.send(b'\1')


def test_ghsa_r23x_jg5r_jmcc_numbers_of_statements(wp):
    """A number is good for the session that prepared it, and until it is closed; nobody reaches another's statement."""
    with unmoved(wp) as other:
        secret = other.prepare("select 'secret', ?")
        assert other.execute(secret, [1]).rows == [[b'secret', 1]]
        with wp.my() as r:
            mine = r.prepare('select ?')
            r.close_stmt(mine)
            for sid in (0, secret.id, secret.id + 1, mine.id, mine.id + 1, 1, 2, 3, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff):
                for body in (my.execute(sid, [1]), b'\x1c' + struct.pack('<II', sid, 1), b'\x1a' + struct.pack('<I', sid)):
                    if sid == secret.id and sid == mine.id:
                        continue
                    r.command(body)
                    with pytest.raises(MyError) as e:
                        r.ok()
                    assert e.value.errno in (1243, 1210, 1835), e.value
                r.command(b'\x18' + struct.pack('<IH', sid, 0) + b'data')   # neither has an answer
                r.command(b'\x19' + struct.pack('<I', sid))
            assert r.one('select 3') == '3'
        assert other.execute(secret, [2]).rows == [[b'secret', 2]]


def test_fixed_width_reads(wp):
    """ProxySQL 3.0.7: commands that were shorter than what was read of them."""
    whole = {2: b'app', 3: b'select 1', 4: b't\0x', 0x0c: b'\1\0\0\0', 0x15: bytes(30), 0x16: b'select ?', 0x17: b'\1\0\0\0\0\1\0\0\0\0\1\3\0\1\0\0\0',
             0x18: b'\1\0\0\0\0\0x', 0x19: b'\1\0\0\0', 0x1a: b'\1\0\0\0', 0x1b: b'\0\0', 0x1c: b'\1\0\0\0\1\0\0\0',
             0x12: bytes(20), 0x1e: bytes(30), 0xfa: b'\1\0\0\0\x80\0\3\0\0\1\0\0\0'}
    with unmoved(wp):
        for com, data in whole.items():
            for n in range(len(data)):
                with wp.my() as r:
                    r.prepare('select ?')
                    with contextlib.suppress(ConnectionError):
                        r.command(bytes([com]) + data[:n])
                        r.sock.shutdown(socket.SHUT_WR)
                    r.expect_closed(20)


def test_binlog_dumps_of_those_who_may_not(mysql97, mypool):
    """ProxySQL 3.0.7 and #5556: it died of a binlog dump."""
    wp = mypool(mysql97, default_pool_size=1, query_wait_timeout=8)     # what is left of one does not take its place for longer
    with unmoved(wp):
        for body in (b'\x12', b'\x12' + struct.pack('<IHI', 4, 0, 77) + b'binlog.000001', b'\x12' + struct.pack('<IHI', 4, 0, 77) + b'n' * 5000,
                     b'\x1e', b'\x1e' + struct.pack('<HII', 0, 77, 0xffffffff) + b'x', b'\x1e' + struct.pack('<HIIQI', 0, 77, 0, 4, 0xffffffff)):
            with wp.my() as r:
                r.command(body)
                with contextlib.suppress(Closed):
                    assert r.recv()[:1] == b'\xff'
            with wp.my() as r:
                assert r.one('select 1') == '1'


# --- files, replays
def test_833_and_3500_files_of_the_proxy(wp, mysql97):
    """LOAD DATA LOCAL opened files on the proxy's own disk when a client named them."""
    mysql97.query('create table if not exists app.lines (line text)')
    mysql97.query('truncate app.lines')
    with unmoved(wp):
        for name in ('/etc/passwd', str(wp.dir / 'users.txt'), 'users.txt', '/proc/self/environ'):
            with wp.my(caps=my.MODERN) as r:
                assert r.error("load data local infile '%s' into table app.lines" % name).errno in (1148, 3948, 4166)
            with wp.my(caps=my.MODERN | my.LOCAL_FILES) as r:
                assert r.do("load data local infile '%s' into table app.lines" % name).affected == 0
    assert not mysql97.query('select * from app.lines')
    mysql97.query('drop table app.lines')


def test_a_server_gets_no_file_that_nobody_offered(mysql97, mypool):
    """A server asks for one instead of answering a query."""
    with Liar(mysql97, {'file': (frames(b'\xfb/etc/passwd', 1),)}) as liar:
        wp = mypool(liar, default_pool_size=1)
        for caps in (my.MODERN, my.MODERN | my.LOCAL_FILES):
            with wp.my(caps=caps) as r:
                r.local_files['/etc/passwd'] = b'the client is asked for nothing'
                r.command(my.query("select '/*lie:file*/'"))
                with pytest.raises(REFUSED):
                    r.result()
                assert not [p for _, p in r.trace if p[:1] == b'\xfb']
        assert b'root:' not in liar.heard and b'asked for nothing' not in liar.heard


@pytest.mark.parametrize('way', ['text', 'prepared'])
def test_a_batch_is_not_sent_again(mysql97, mypool, way):
    """ProxySQL 3.0.12: it repeated a batch of which a result had been delivered. (More: test_mysql_faults.py.)"""
    mysql97.query('create table if not exists app.batch (a int)')
    mysql97.query('truncate app.batch')
    with Proxy(mysql97.port) as proxy:
        wp = mypool(mysql97, mysql_databases={'cut': dict(host='127.0.0.1', port=proxy.port, dbname='app')}, default_pool_size=1)
        for i in range(5):
            with wp.my(db='cut', caps=my.MODERN | my.MULTI_STATEMENTS) as r:
                if way == 'text':
                    r.command(my.query("insert into batch values (%d); select 'x'; select sleep(30)" % i))
                else:
                    mysql97.query('drop procedure if exists app.b')
                    mysql97.query("create procedure app.b(n int) begin insert into batch values (n); select 'x'; select sleep(30); end")
                    s = r.prepare('call b(?)')
                    r.command(my.execute(s.id, [i]))
                eventually(lambda: mysql97.query('select count(*) from app.batch where a = %s', i)[0][0])
                proxy.cut(reset=i % 2 == 0)
                with pytest.raises((*REFUSED, *NONSENSE)):
                    out = r.results(binary=way != 'text')
                    raise out[-1] if isinstance(out[-1], MyError) else Closed
            with wp.my(db='cut') as r:
                assert r.one('select 1') == '1'
    assert not mysql97.query('select a from app.batch group by a having count(*) <> 1')
    mysql97.query('drop table app.batch')


# --- texts that are read otherwise than the server reads them
TRICKS = ["select 'a\\'; set @evil = 1 -- '", "select 1 /*!50000 , @evil := 1 */", "select 1 /*!999999 , @evil := 1 */", "select 1 /*M! , @evil := 1 */",
          'select "a; set @evil = 1 -- "', "select `a``; set @evil = 1 -- `", "select 1 -- \n, @evil := 1", "select 1 --1, @evil := 1", "select 1 # \n , @evil := 1",
          "set sql_mode = 'NO_BACKSLASH_ESCAPES'; select 'a\\'; set @evil = 1; -- '", "set sql_mode = 'ANSI_QUOTES'; select \"a\\\", @evil := 1; -- \"",
          "with x as (select @evil := 1) select * from x", "select $$a; set @evil = 1$$", "select _latin1'\\'; set @evil = 1 -- '",
          "/*+ SET_VAR(sql_mode='ANSI') */ select @evil := 1", "select /*+ SET_VAR(sql_mode='ANSI') */ @evil := 1", "do @evil := 1", "select 1 into @evil"]


def test_texts_that_hide_what_they_do(anymy, mypool):
    """MaxScale's filters read SQL with another lexer than the server (blog.tarq.io). Here no right hangs on how a text is read, but what it
    leaves behind must not reach the next client. (The lexer beside the servers' own: test_mysql_sql.py.)"""
    wp = mypool(anymy, default_pool_size=1)
    caps = my.MODERN | my.MULTI_STATEMENTS
    with wp.my(caps=caps) as other:
        fresh = other.q('select @evil, @@sql_mode')
        assert fresh[0][0] is None
        for sql in TRICKS:
            with wp.my(caps=caps) as r:
                r.all(sql)
                r.all('select 1')
                mine = r.q('select @evil, @@sql_mode')
                if not wp.admin('SHOW PINS'):
                    assert other.q('select @evil, @@sql_mode') == fresh, sql
                    assert r.q('select @evil, @@sql_mode') == mine, sql
            assert other.q('select @evil, @@sql_mode') == fresh, sql


# --- servers
def test_mxs_6193_and_mxs_5995_malformed_oks(mysql97, mypool):
    """It died of an OK that a server had sent. (Also test_mysql_lies.py, fuzz_my_run.)"""
    track = b'\0\x11\x09time_zone\6+01:00\1\5\4abcd\2\1\1\5\x09\x08TTTTTTTT'
    ok = b'\0\1\2' + struct.pack('<HH', 0x4002, 0) + b'\0' + my.lenenc(len(track)) + track
    rnd = random.Random(2)
    variants = [ok[:n] for n in range(1, len(ok))] + [ok[:n] + c + ok[n + 1:] for n in range(1, len(ok)) for c in CLAIMS[:4]]
    lies = {str(i): frames(v, 1) for i, v in enumerate(rnd.sample(variants, 80))}
    with Liar(mysql97, lies) as liar:
        wp = mypool(liar, default_pool_size=1, query_timeout=3)
        with wp.my() as other:
            for name in lies:
                with wp.my() as r:
                    r.command(my.query('set @x = 1 /*lie:%s*/' % name))
                    try:
                        r.results()
                    except (*REFUSED, *NONSENSE):
                        pass
                assert other.one("select 'nonce %s'" % name) == 'nonce ' + name


def test_a_thread_that_is_idle_does_not_use_what_is_gone(mypool, mysql97):
    """ProxySQL 3.0.12: clients that left while another thread looked after them. (The soaks do more of this.)"""
    wp = mypool(mysql97, workers=2, default_pool_size=2)

    def come_and_go(seed):
        rnd = random.Random(seed)
        for _ in range(40):
            with contextlib.suppress(*REFUSED):
                r = wp.my()
                if rnd.random() < 0.7:
                    r.command(my.query('select sleep(0.002)'))
                time.sleep(rnd.random() * 0.004)
                r.reset() if rnd.random() < 0.5 else r.shut()
    with unmoved(wp):
        ts = [threading.Thread(target=come_and_go, args=(i,)) for i in range(6)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()


# --- the console, auth_query
def test_several_statements_on_the_console(wp):
    """CVE-2026-48774's kind: a command that may be run brings one along that may not."""
    for sql in ('show pools; kill app', 'show pools;shutdown', "show pools/*x*/;/*x*/ kill app", 'show pools\0; kill app', 'kill app', 'reload'):
        with wp.my('stats', db='weirpool') as r:
            out = r.all(sql)
            assert isinstance(out[-1], MyError) or '\0' in sql, (sql, out)      # (a text ends there)
    with wp.my() as r:
        assert r.one('select 1') == '1'
    assert wp.alive()


NAMES = ["app' or '1'='1", "app2' -- ", "x' union select 'app2', 'x", 'app\\', "\\' or 1=1 -- ", 'app"', '$1', 'app`', "app'; drop table app.keep; -- "]


def test_5247_names_are_no_sql(weirpool, anymy, certs):
    """What a client sends was put between quotes: here, its name into auth_query."""
    anymy.query('create table if not exists app.keep (a int)')
    wp = weirpool(anymy, userlist={}, auth_type='md5', auth_user='super')
    wp.userlist = dict(super='super', admin='admin')
    wp.write()
    wp.admin('RELOAD')
    for name in NAMES:
        for secret in ('app', '', 'x'):
            with RawMy(wp.mysql_port) as r, pytest.raises((MyError, Closed)):
                r.login(name, secret)
    assert anymy.query("select 1 from information_schema.tables where table_schema = 'app' and table_name = 'keep'")
    anymy.query('drop table app.keep')
