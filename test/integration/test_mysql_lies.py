"""Servers that lie and clients that send nonsense: it costs the one concerned, says what happened, and costs nobody else
anything. Each lie has an entry of its own; all are told at the same time, in one weirpool."""
import contextlib
import os
import random
import struct
import threading

import pytest

import rawmy as my
from fakemy import Liar
from rawmy import Closed, MyError, RawMy, frames
from servers import eventually

OPTIONS = dict(server_login_retry=0.2, server_connect_timeout=3, query_wait_timeout=5, query_timeout=3, default_pool_size=1)
ENDED = (Closed, MyError, ConnectionError)
NONSENSE = (AssertionError, KeyError, ValueError, IndexError)     # rawmy's of what is no answer


def usable(wp, db='app'):
    with wp.my(db=db) as r:
        assert r.one('select 41 + 1') == '42'
        r.bye()
    return True


def all_at_once(run, names):
    """run(name) of each, in a thread of its own; fails with what went wrong."""
    wrong = []

    def one(name):
        try:
            run(name)
        except Exception as e:
            wrong.append('%s: %r' % (name, e))
    ts = [threading.Thread(target=one, args=(name,)) for name in names]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert not wrong, '\n'.join(wrong)


class Lied:
    """A weirpool with an entry for each of the liars, beside the honest one (app)."""

    def __init__(self, mypool, server, liars, **options):
        self.liars = liars
        self.entry = {name: 'lie%d' % i for i, name in enumerate(liars)}
        self.wp = mypool(server, mysql_databases={
            self.entry[name]: dict(host='127.0.0.1', port=liar.port, dbname='app') for name, liar in liars.items()},
            **{**OPTIONS, **options})

    def my(self, name):
        r = self.wp.my(db=self.entry[name])
        r.sock.settimeout(30)
        return r


@contextlib.contextmanager
def liars(server, names, make):
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(make(name)) for name in names}


# --- servers that lie
def lenenc_max(n):
    return b'\xfe' + struct.pack('<Q', n)


COLUMN = b'\3def\0\0\0\1a\0\x0c' + struct.pack('<HIBHBxx', 45, 100, 0xfd, 0, 0)
FE_OK = b'\xfe\0\0\2\0\0\0'
# instead of the reply to `select 'lie'`
LIES = {
    'nothing': lambda d: None,
    'half a header': (b'\1\0',),
    'half a packet': (frames(b'\1', 1) + b'\x20\0\0\2\3def',),
    'wrong sequence': frames(b'\0\0\0\2\0\0\0', 7),
    'empty packet': frames(b'', 1),
    'short ok': (frames(b'\0', 1),),
    'ok with a number beyond': (frames(b'\0\xfe\1', 1),),
    'ok with trackers beyond': (frames(b'\0\0\0\2\x40\0\0\0\xfc\xff\xff\0\5', 1),),
    'ok with a tracker beyond': (frames(b'\0\0\0\2\x40\0\0\0\4\0\xfc\xff\xff', 1),),
    'ok with an endless tracker': (frames(b'\0\0\0\2\x40\0\0\0' + lenenc_max(2 ** 64 - 1), 1),),
    'short error': (frames(b'\xff', 1),),
    'shorter error': (frames(b'\xff\1', 1),),
    'all the columns': (frames(lenenc_max(2 ** 63), 1),),
    'many columns': (frames(b'\xfd\xff\xff\xff', 1),),
    'column count beyond': (frames(b'\xfe\1', 1),),
    'column count null': (frames(b'\xfb', 1),),
    'garbage for a column': (frames(b'\1', 1) + frames(b'\xfe\xff\xff\xff', 2),),
    'empty column': (frames(b'\1', 1) + frames(b'', 2),),
    'column name beyond': (frames(b'\1', 1) + frames(b'\3def\0\0\0\xfc\xff\xff', 2),),
    'end instead of a column': (frames(b'\2', 1) + frames(COLUMN, 2) + frames(FE_OK, 3),),
    'error instead of a column': (frames(b'\2', 1) + frames(COLUMN, 2) + frames(b'\xff\1\4#HY000made up', 3),),
    'end too short': (frames(b'\1', 1) + frames(COLUMN, 2) + frames(b'\xfe\0', 3),),
    'rows without end': (frames(b'\1', 1) + frames(COLUMN, 2) + frames(b'\1x', 3) * 3,),
    'a file': (frames(b'\xfb/etc/passwd', 1),),
    'login request': (frames(b'\xfemysql_clear_password\0', 1),),
    'giant': (b'\xff\xff\xff\1' + b'\0' * 100000,),
    'more results that never come': frames(b'\0\0\0\x0a\0\0\0', 1),
    'text': (b'HTTP/1.1 400 Bad Request\r\n\r\n',),
}


def test_lies(mysql97, mypool):
    """The client of the statement gets an error or the end; the lie reaches nobody else."""
    def run(lie):
        with lied.my(lie) as a, lied.my(lie) as b:
            assert b.one('select 1') == '1'
            a.command(my.query("select /*lie:%s*/ 'lie'" % lie))
            try:
                r = a.results()
                assert isinstance(r[-1], (MyError, my.Ok)) or r[-1].error, r
            except (Closed, ConnectionError):
                pass
            except NONSENSE:    # what stands in definitions is between the server and that client
                assert lie == 'column name beyond'
            assert lied.liars[lie].told == 1
            for i in range(5):
                assert b.one("select '%s %d'" % (lie, i)) == '%s %d' % (lie, i)
        usable(lied.wp)
    with liars(mysql97, LIES, lambda x: Liar(mysql97, {x: LIES[x]})) as them:
        lied = Lied(mypool, mysql97, them, query_wait_timeout=25)
        all_at_once(run, LIES)


TOO_MANY = {'twice': lambda d: d + d, 'with a tail': lambda d: d + frames(b'\0\0\0\2\0\0\0', 1), 'unasked': lambda d: d,
            'with rows': lambda d: d + frames(b'\1', 1) + frames(COLUMN, 2) + frames(b'\4evil', 3) + frames(FE_OK, 4)}


def test_a_reply_too_many(mysql97, mypool):
    """Bytes that nobody asked for do not become the next client's answer."""
    def run(what):
        a, b = lied.my(what), lied.my(what)
        for i in range(20):
            try:
                out = a.q("select /*lie:%s*/ '%s %d'" % (what, what, i))
                assert out in ([['%s %d' % (what, i)]], [])
            except (*ENDED, *NONSENSE):
                a.shut()
                a = lied.my(what)
            if what == 'unasked':
                lied.liars[what].say(frames(b'\xff\xbf\x0f#HY000made up', 0), end=False)
            try:
                assert b.one("select 'nonce %d'" % i) == 'nonce %d' % i
            except ENDED:
                b = lied.my(what)
        a.shut()
        b.shut()
    with liars(mysql97, TOO_MANY, lambda x: Liar(mysql97, {x: TOO_MANY[x]})) as them:
        lied = Lied(mypool, mysql97, them)
        all_at_once(run, TOO_MANY)
        usable(lied.wp)


def test_a_variable_that_is_not_there(mysql97, mypool):
    """A tracker tells of one, and who comes next on that connection cannot set it back: it gets another one."""
    track = b'\0\x0a\3foo\5value'
    lie = frames(b'\0\0\0' + struct.pack('<HH', 0x4002, 0) + b'\0' + my.lenenc(len(track)) + track, 1)
    with Liar(mysql97, {'foo': lie}) as liar:
        wp = mypool(liar, **OPTIONS)
        with wp.my() as other:
            s = other.prepare("select 'prepared', ?")
            for i in range(4):
                with wp.my() as r:
                    assert r.one('select 1') == '1'
                    assert isinstance(r.do('set @x = 1 /*lie:foo*/'), my.Ok)
                    if i % 2:
                        assert other.execute(s, [i]).rows == [[b'prepared', i]]
                    else:
                        assert other.one("select 'nonce %d'" % i) == 'nonce %d' % i
                    if i == 2:      # it asked for it itself
                        assert r.error('select 1').errno == 1193
        usable(wp)


PREPARE_LIES = {
    'short': (frames(b'\0\1\0', 1),),
    'many parameters': (frames(b'\0\1\0\0\0\xff\xff\xff\xff\0\0\0', 1),),
    'an error in the parameters': (frames(b'\0\1\0\0\0\1\0\1\0\0\0\0', 1) + frames(b'\xff\1\4#HY000made up', 2),),
    'ok of a query': (frames(b'\0\0\0\2\0\0\0', 1),),
    'rows': (frames(b'\1', 1) + frames(COLUMN, 2) + frames(FE_OK, 3),),
}


def test_lies_about_statements(mysql97, mypool):
    def run(lie):
        with lied.my(lie) as a, lied.my(lie) as b:
            assert b.one('select 1') == '1'
            try:
                a.execute(a.prepare('select /*lie:%s*/ ?, 1' % lie), [1])
            except (*ENDED, *NONSENSE):
                pass
            assert lied.liars[lie].told == 1
            s = b.prepare('select ?')
            for i in range(5):
                assert b.execute(s, [i]).rows == [[i]]
    with liars(mysql97, PREPARE_LIES, lambda x: Liar(mysql97, {x: PREPARE_LIES[x]})) as them:
        lied = Lied(mypool, mysql97, them)
        all_at_once(run, PREPARE_LIES)
        usable(lied.wp)


def greeting_with(change):
    def f(data):
        return frames(change(data[4:]), 0)
    return f


GREETINGS = {
    'nothing': lambda d: None,
    'half': lambda d: (d[:20],),
    'half and no more': lambda d: d[:20],
    'empty packet': frames(b'', 0),
    'version 9': greeting_with(lambda p: b'\x09' + p[1:]),
    'version 11': greeting_with(lambda p: b'\x0b' + p[1:]),
    'version without end': frames(b'\x0a' + b'8' * 60, 0),
    'only a version': frames(b'\x0a8.0.0\0', 0),
    'too many connections': (b'\x17\0\0\0\xff\x10\4Too many connections',),
    'host is blocked': (frames(b'\xff\x69\4Host is blocked', 0),),
    'short error': (frames(b'\xff', 0),),
    'no capabilities': greeting_with(lambda p: p[:p.index(b'\0', 1) + 14] + b'\0\0' + p[p.index(b'\0', 1) + 16:]),
    'unknown plugin': greeting_with(lambda p: p[:-len('caching_sha2_password\0')] + b'made_up_plugin\0'),
    'scramble length 255': greeting_with(lambda p: p[:p.index(b'\0', 1) + 21] + b'\xff' + p[p.index(b'\0', 1) + 22:]),
    'text': (b'SSH-2.0-OpenSSH_9.2p1\r\n',),
    'wrong sequence': lambda d: d[:3] + b'\5' + d[4:],
    'giant': (b'\xff\xff\xff\0' + b'x' * 200000,),
    'postgres': (b'S',),
}
LOGINS = {
    'nothing': lambda d: None,
    'clear password': (frames(b'\xfemysql_clear_password\0', 2),),
    'dialog': (frames(b'\xfedialog\0', 2),),
    'old password': (frames(b'\xfe', 2),),
    'short scramble': (frames(b'\xfecaching_sha2_password\0abc\0', 2),),
    'native without scramble': (frames(b'\xfemysql_native_password\0', 2),),
    'garbage key': frames(b'\1-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 2),
    'more data': (frames(b'\1\7\7\7', 2),),
    'second factor': (frames(b'\2authentication_webauthn_client\0', 2),),
    'short ok': (frames(b'\0\0', 2),),
    'rows': (frames(b'\1', 2) + frames(COLUMN, 3),),
    'short error': (frames(b'\xff', 2),),
    'error': (frames(b'\xff\x15\4#28000Access denied', 2),),
    'wrong sequence': frames(b'\0\0\0\2\0\0\0', 9),
    'switch for ever': lambda d: b''.join(frames(b'\xfecaching_sha2_password\0' + b'x' * 20 + b'\0', i * 2 + 2) for i in range(100)),
}


# the server asks for the plugin that it means
NO_MATTER = 'unknown plugin'


@pytest.mark.parametrize('kind', ['greeting', 'login'])
def test_lies_at_the_login(mysql97, mypool, kind):
    """An error for the client in time, no password in clear for anybody; when the server is well again, so is everything."""
    them_all = GREETINGS if kind == 'greeting' else LOGINS

    def run(lie):
        liar = lied.liars[lie]
        with RawMy(lied.wp.mysql_port, timeout=30) as r:
            try:
                r.login(db=lied.entry[lie])
                assert r.one('select 1') == '1' and lie == NO_MATTER
            except ENDED:
                assert lie != NO_MATTER
        assert liar.told
        assert b'\4\0\0\3app\0' not in liar.heard and b'\4\0\0\5app\0' not in liar.heard
        liar.greeting = liar.login = None

        def again():
            """it gives answers again"""
            try:
                return usable(lied.wp, lied.entry[lie])
            except ENDED:
                return False
        eventually(again, 30)
    with liars(mysql97, them_all, lambda x: Liar(mysql97, **{kind: them_all[x]})) as them:
        lied = Lied(mypool, mysql97, them)
        all_at_once(run, them_all)
        usable(lied.wp)


# --- clients that send nonsense
def hello(user=b'app', proof=b'\x14' + b'x' * 20, rest=b'app\0caching_sha2_password\0', caps=my.MODERN | my.CONNECT_WITH_DB):
    return struct.pack('<IIB23x', caps & 0xffffffff, 1 << 24, 45) + user + b'\0' + proof + rest


FIRST = {
    'nothing': b'',
    'one byte': b'\1',
    'half a header': b'\1\0',
    'empty packet': frames(b'', 1),
    'four bytes': frames(b'\0\0\0\0', 1),
    'capabilities only': frames(hello()[:32], 1),
    'no user': frames(hello()[:32] + b'app', 1),
    'old protocol': frames(b'\5\0\xff\xff\xff' + b'app\0\0', 1),
    'proof beyond': frames(hello(proof=b'\xfc\xff\xff', rest=b''), 1),
    'proof far beyond': frames(hello(proof=b'\xfe' + b'\xff' * 8, rest=b''), 1),
    'proof null': frames(hello(proof=b'\xfb'), 1),
    'user of 100 KB': frames(hello(user=b'u' * 100000), 1),
    'proof of 60 KB': frames(hello(proof=b'\xfc' + struct.pack('<H', 60000) + b'x' * 60000), 1),
    'no plugin': frames(hello(rest=b'app\0'), 1),
    'no schema': frames(hello(rest=b''), 1),
    'attributes beyond': frames(hello(caps=my.MODERN | my.CONNECT_WITH_DB | my.CONNECT_ATTRS,
                                      rest=b'app\0caching_sha2_password\0\xfc\xff\xff\1a'), 1),
    'attribute beyond': frames(hello(caps=my.MODERN | my.CONNECT_WITH_DB | my.CONNECT_ATTRS,
                                     rest=b'app\0caching_sha2_password\0\5\xfc\xff\xff\1a'), 1),
    'many attributes': frames(hello(caps=my.MODERN | my.CONNECT_WITH_DB | my.CONNECT_ATTRS,
                                    rest=b'app\0caching_sha2_password\0\xfd\0\0\2' + b'\1a\1b' * 32768), 1),
    'wrong sequence': frames(hello(), 5),
    '16 MB': b'\xff\xff\xff\1' + bytes(1 << 20),
    'TLS and more': frames(struct.pack('<IIB23x', my.MODERN & 0xffffffff | my.SSL, 1 << 24, 45), 1) + frames(hello(), 2),
    'postgres': struct.pack('!II', 8, 80877103),
    'http': b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'noise': bytes(range(256)) * 8,
}


def test_nonsense_at_the_login(mysql97, mypool):
    def run(first):
        with wp.my() as other:
            with RawMy(wp.mysql_port) as r:
                with contextlib.suppress(ConnectionError):
                    r.send_bytes(FIRST[first])
                out = r.expect_closed(20)
                assert len(out) < 1000, out[:100]
            for cut in range(1, min(len(FIRST[first]), 120), 7):
                with RawMy(wp.mysql_port) as r:
                    r.send_bytes(FIRST[first][:cut])
            assert other.one("select '%s'" % first) == first
    wp = mypool(mysql97, client_login_timeout=4)
    all_at_once(run, FIRST)
    usable(wp)


COMMANDS = {
    'wrong sequence': frames(b'\x0e', 3),
    'init db of 1 MB': frames(b'\2' + b'x' * (1 << 20)),
    'init db with zeros': frames(b'\2a\0b\0'),
    'field list': frames(b'\4'),
    'change user': frames(b'\x11'),
    'change user beyond': frames(b'\x11app\0\xff'),
    'change user half': frames(b'\x11app\0\x14' + b'x' * 20 + b'app'),
    'change user of 200 KB': frames(b'\x11' + b'u' * 200000 + b'\0\0\0'),
    'prepare of nothing': frames(b'\x16'),
    'execute': frames(b'\x17'),
    'execute half': frames(b'\x17\1\0'),
    'execute no parameters': frames(b'\x17\1\0\0\0\0\1\0\0\0'),
    'execute values beyond': frames(b'\x17\1\0\0\0\0\1\0\0\0\0\1\xfd\0\xfe' + b'\xff' * 8),
    'execute unknown type': frames(b'\x17\1\0\0\0\0\1\0\0\0\0\1\x77\0\1'),
    'execute all flags': frames(b'\x17\1\0\0\0\xff\xff\xff\xff\xff'),
    'long data': frames(b'\x18'),
    'long data index': frames(b'\x18\1\0\0\0\xff\xffdata'),
    'close': frames(b'\x19'),
    'close half': frames(b'\x19\1\0'),
    'reset': frames(b'\x1a\1'),
    'set option': frames(b'\x1b'),
    'set option 9': frames(b'\x1b\x09\0'),
    'fetch': frames(b'\x1c'),
    'fetch half': frames(b'\x1c\1\0\0\0\1'),
    'bulk': frames(b'\xfa'),
    'bulk half': frames(b'\xfa\1\0\0\0\x80'),
    'empty packet': frames(b''),
    'kill': frames(b'\x0c'),
    'kill 1': frames(b'\x0c\1\0\0\0'),
    'every byte': b''.join(frames(bytes([c])) for c in range(2, 256) if c not in (0x08, 0x12, 0x1e, 0x15, 0x1d, 0x1f, 0x11, 0x20)),
    'noise': bytes(range(256)) * 8,
    'half a giant': b'\xff\xff\xff\0\3' + b'x' * 100000,
}


def test_nonsense_after_the_login(anymy, mypool):
    """Answered, or the end of that client's connection; the others' is the server's next use."""
    def run(what):
        with wp.my() as other, wp.my() as r:
            r.prepare('select ?')
            r.sock.settimeout(0.3)
            try:
                r.send_bytes(COMMANDS[what])
                for _ in range(300):
                    r.fill()
            except (Closed, OSError):
                pass
            r.shut()
            for i in range(3):
                assert other.one("select '%s %d'" % (what, i)) == '%s %d' % (what, i)
                assert other.execute(other.prepare('select ?'), [i]).rows == [[i]]
    wp = mypool(anymy, default_pool_size=3)
    all_at_once(run, COMMANDS)
    usable(wp)


def test_random_bytes(anymy, mypool):
    seed = int(os.environ.get('WEIRPOOL_TEST_SEED', 1))
    print('WEIRPOOL_TEST_SEED=%d' % seed)
    rnd = random.Random(seed)
    wp = mypool(anymy, default_pool_size=2)
    with wp.my() as other:
        for i in range(150):
            try:
                with wp.my() as r:
                    s = r.prepare('select ?, ?')
                    body = bytearray(my.execute(s.id, ['text', 5]) if rnd.random() < 0.6 else bytes(
                        [rnd.choice((2, 3, 4, 0x11, 0x16, 0x18, 0x1a, 0x1b, 0x1c))]) + rnd.randbytes(rnd.randrange(40)))
                    for _ in range(rnd.randrange(1, 5)):
                        body[rnd.randrange(1, len(body))] = rnd.randrange(256) if len(body) > 1 else 0
                    r.send_bytes(frames(bytes(body)))
                    r.sock.settimeout(0.05)
                    r.fill()
            except (Closed, OSError, ValueError):
                pass
            if i % 10 == 0:
                assert other.one('select %d' % i) == str(i)
    usable(wp)
