"""MySQL and MariaDB servers that die, freeze and hang up, lines that are cut and clients that vanish, at every byte: it costs the
one concerned, who is told, and costs nobody else anything; no write is repeated, no row crosses."""
import os
import random
import signal
import threading
import time

import pytest

import rawmy as my
from fakemy import CUT, Liar
from proxy import Proxy
from rawmy import Closed, MyError, RawMy, frames
from servers import eventually, stands_still

GONE = (Closed, MyError, OSError)
OPTIONS = dict(server_login_retry=0.2, server_connect_timeout=5, query_wait_timeout=20)


@pytest.fixture(autouse=True)
def through_weirpool():
    if os.environ.get('WEIRPOOL_TEST_DIRECT') == '1':
        pytest.fail('these tests are about weirpool')


@pytest.fixture(params=['mysql97', 'maria1011'])
def server(request):
    """One of either family, with an empty table app.ft."""
    s = request.getfixturevalue(request.param)
    s.query('drop table if exists app.ft')
    s.query('create table app.ft (nonce varchar(40), key (nonce)) engine=innodb')
    return s


def written(server, nonce):
    return server.query('select count(*) from app.ft where nonce = %s', nonce)[0][0]


def usable(wp):
    with wp.my() as r:
        assert r.one('select 41 + 1') == '42'
        r.bye()
    return True


def soon_usable(wp, seconds=30):
    def f():
        """weirpool gives answers again"""
        try:
            return usable(wp)
        except GONE:
            return False
    eventually(f, seconds)


# --- servers that die
def test_kill9_while_idle(any_victim, mypool):
    """Idle clients do not notice."""
    wp = mypool(any_victim, **OPTIONS)
    with wp.my() as r:
        r.do('use app2')
        r.do("set time_zone = '+01:00', @x = 5")
        s = r.prepare('select ?')
        assert r.execute(s, ['a']).rows == [[b'a']]
        any_victim.kill9()
        any_victim.start()
        soon_usable(wp)
        assert r.q('select database(), @@time_zone, @x') == [['app2', '+01:00', '5']]
        assert r.execute(s, ['b']).rows == [[b'b']]


def test_kill9_in_a_query(any_victim, mypool):
    """The client of the query is told; others wait or go on."""
    wp = mypool(any_victim, **OPTIONS)
    with wp.my() as a, wp.my() as b:
        a.command(my.query('select sleep(60)'))
        eventually(lambda: any_victim.query("select 1 from information_schema.processlist where info like 'select sleep%'"))
        any_victim.kill9()
        with pytest.raises(GONE) as e:
            a.result()
        if isinstance(e.value, MyError):
            assert e.value.errno in (1158, 1053, 1105, 1927, 1159, 1160, 1161, 1047, 3169), e.value
        any_victim.start()
        soon_usable(wp)
        assert b.one('select 1') == '1'


def test_kill9_in_a_transaction(any_victim, mypool):
    """It is over: the client must not find itself in another transaction, or in none, without a word."""
    wp = mypool(any_victim, **OPTIONS)
    any_victim.query('create table if not exists app.kt (a int) engine=innodb')
    any_victim.query('delete from app.kt')
    with wp.my() as a:
        a.do('begin')
        a.do('insert into kt values (1)')
        any_victim.kill9()
        any_victim.start()
        soon_usable(wp)
        with pytest.raises(GONE):
            a.do('insert into kt values (2)')
    assert any_victim.query('select count(*) from app.kt')[0][0] == 0
    any_victim.query('drop table app.kt')


def test_a_server_that_is_away(any_victim, mypool):
    """A login while nothing answers: an error that says so, in time; then it works again."""
    wp = mypool(any_victim, **dict(OPTIONS, query_wait_timeout=2))
    any_victim.stop()
    with RawMy(wp.mysql_port) as r, pytest.raises(GONE) as e:
        r.login()
        r.one('select 1')
    assert isinstance(e.value, MyError), e.value
    any_victim.start()
    soon_usable(wp)


def test_shutdown_in_good_order(any_victim, mypool):
    wp = mypool(any_victim, **OPTIONS)
    clients = [wp.my() for _ in range(5)]
    for r in clients:
        r.one('select 1')
    any_victim.restart()
    soon_usable(wp)
    for i, r in enumerate(clients):
        assert r.one('select %d' % i) == str(i)
        r.bye()


@pytest.mark.parametrize('when', ['idle', 'query', 'transaction'])
def test_killed_by_the_administrator(any_victim, mypool, when):
    wp = mypool(any_victim, **OPTIONS)
    with wp.my() as a, wp.my() as b:
        a.one('select 1')
        if when == 'query':
            a.command(my.query('select sleep(60)'))
            eventually(lambda: any_victim.query("select 1 from information_schema.processlist where info like 'select sleep%'"))
        elif when == 'transaction':
            a.do('begin')
            a.one('select 2')
        any_victim.kill_connections('app')
        eventually(lambda: not any_victim.connections('app'))
        if when == 'query':
            with pytest.raises(GONE):
                r = a.result()
                assert not r.error and r.rows in ([[b'1']],), r
                raise Closed
        elif when == 'transaction':
            with pytest.raises(GONE):
                a.one('select 3')
        else:
            assert a.one('select 3') == '3'
        assert b.one('select 4') == '4'


def test_kill_query_by_the_administrator(any_victim, mypool):
    """An error of the statement; the connection lives on."""
    wp = mypool(any_victim, default_pool_size=1)
    with wp.my() as a:
        for _ in range(3):
            a.command(my.query('select sleep(60) from (select 1 union select 2) t'))
            i = eventually(lambda: any_victim.query("select id from information_schema.processlist where info like 'select sleep%'"))
            any_victim.query('kill query %d' % i[0][0])
            try:
                out = a.result()
                assert out.error and out.error.errno == 1317 or out.rows[:1] == [[b'1']], out
            except MyError as e:
                assert e.errno == 1317
            assert a.one('select 5') == '5'


def test_wait_timeout_of_the_server(any_victim, mypool):
    """It closes idle connections (MySQL says so in a packet nobody asked for): the next statement gets another one."""
    any_victim.query('set global wait_timeout = 1')
    wp = mypool(any_victim, **OPTIONS)
    try:
        with wp.my() as r:
            r.do('set @x = 1')
            for i in range(3):
                r.one('select %d' % i)
                eventually(lambda: not any_victim.connections('app'), 30)
                assert r.q('select %d, @x' % i) == [[str(i), '1']]
    finally:
        any_victim.query('set global wait_timeout = default')


def test_a_frozen_server(any_victim, mypool):
    """query_timeout ends the wait; when the server goes on, so does everybody else."""
    wp = mypool(any_victim, **dict(OPTIONS, query_timeout=2))
    with wp.my() as a, wp.my() as b:
        a.one('select 1')
        any_victim.sigstop()
        try:
            a.command(my.query('select 2'))
            with pytest.raises(GONE):
                a.result()
        finally:
            any_victim.sigcont()
        soon_usable(wp)
        assert b.one('select 3') == '3'


def test_too_many_connections(any_victim, mypool):
    """The server refuses: those who have a connection work, the others wait for one."""
    had = any_victim.query('select @@global.max_connections')[0][0]
    any_victim.query('set global max_connections = 12')
    hold = [any_victim.connect() for _ in range(9)]
    wp = mypool(any_victim, default_pool_size=10, **OPTIONS)
    try:
        wrong = []

        def run(i):
            try:
                with wp.my() as r:
                    for n in range(10):
                        assert r.one('select %d' % n) == str(n)
            except Exception as e:
                wrong.append(repr(e))
        ts = [threading.Thread(target=run, args=(i,)) for i in range(8)]
        [t.start() for t in ts]
        [t.join() for t in ts]
        assert not wrong, wrong
    finally:
        hold[0].cursor().execute('set global max_connections = %d' % had)
        for c in hold:
            c.close()


def test_a_password_that_changed_on_the_server(any_victim, mypool):
    """New connections fail with a clear error, clients that are there go on."""
    wp = mypool(any_victim, default_pool_size=2, **dict(OPTIONS, query_wait_timeout=3))
    with wp.my('app2') as a:
        assert a.one('select 1') == '1'
        any_victim.query("alter user app2@'%' identified by 'other'")
        try:
            assert a.one('select 2') == '2'
            any_victim.kill_connections('app2')
            eventually(lambda: not any_victim.connections('app2'))
            with pytest.raises(GONE):
                a.one('select 3')
        finally:
            any_victim.query("alter user app2@'%' identified by 'app'")

    def again():
        """app2 gets in again"""
        try:
            with wp.my('app2') as r:
                return r.one('select 1') == '1'
        except GONE:
            return False
    eventually(again, 30)




# --- a connection that ends just before it is used
IDLE_ENDS = {'KILL': lambda server, liar: server.kill_connections('app'),
             'said 4031': lambda server, liar: liar.say(frames(b'\xff\xbf\x0f#HY000disconnected because of inactivity', 0)),
             'said 1053': lambda server, liar: liar.say(frames(b'\xff\x1d\x04#08S01Server shutdown in progress', 0)),
             'said, not closed': lambda server, liar: liar.say(frames(b'\xff\xbf\x0f#HY000disconnected', 0), end=False),
             'closed': lambda server, liar: liar.say(),
             'reset': lambda server, liar: liar.say(reset=True)}


def frozen(wp):
    wp.kill(signal.SIGSTOP)
    eventually(lambda: stands_still(wp.pid))


@pytest.mark.parametrize('how', IDLE_ENDS)
def test_a_connection_that_has_just_ended_gets_no_command(server, mypool, how):
    """The end lies unread at weirpool when the command comes, which then goes to another connection: nobody could tell of the
    dead one whether it has run there."""
    with Liar(server) as liar:
        wp = mypool(liar, default_pool_size=1, **OPTIONS)
        with wp.my() as r:
            for i in range(6):
                assert r.one('select 1') == '1'
                time.sleep(0.005)       # one that was in use a moment ago is not looked at
                frozen(wp)
                try:
                    if i % 2:
                        r.command(my.query("insert into ft values ('%s%d')" % (how, i)))
                    IDLE_ENDS[how](server, liar)
                    if how != 'said, not closed':
                        eventually(lambda: not liar.lines)
                    if not i % 2:
                        r.command(my.query("insert into ft values ('%s%d')" % (how, i)))
                finally:
                    wp.kill(signal.SIGCONT)
                assert r.result().affected == 1
                assert written(server, '%s%d' % (how, i)) == 1


# --- lines that are cut
def text(r, n):
    r.do("insert into ft values ('%s') /*cut*/" % n)


def several(r, n):
    out = r.all("select repeat('x', 300) from information_schema.character_sets /*cut*/ limit 5; insert into ft values ('%s'); select 1" % n)
    for x in out:
        e = x if isinstance(x, MyError) else getattr(x, 'error', None)
        if e:
            raise e
    assert len(out) == 3, out


def transaction(r, n):
    r.do('begin /*cut*/')
    r.do("insert into ft values ('%s')" % n)
    assert r.one("select nonce from ft where nonce = '%s'" % n) == n
    r.do('commit')


def without_autocommit(r, n):
    r.do('set autocommit = 0')
    r.do("insert into ft values ('%s') /*cut*/" % n)
    r.do('commit')


def prepared(r, n):
    s = r.prepare("insert into ft values (if(? = 'x', 'wrong', ?))")
    r.execute(s, [CUT, n])


def preparing(r, n):
    s = r.prepare('insert into ft values (?) /*cut*/')
    r.execute(s, [n])
    r.close_stmt(s)


def long_data(r, n):
    s = r.prepare('insert into ft values (left(?, 40)) /*cut*/')
    for c in n.encode() + b' ' * 50000:
        r.long_data(s, 0, bytes([c]) * (1 if c != 32 else 1000))
        if c == 32:
            break
    r.execute(s, [my.LONG_DATA])


def cursor(r, n):
    s = r.prepare('select nonce from ft union all select 2 union all select 3 /*cut*/')
    r.execute(s, flags=1)
    r.fetch(s, 2, s.columns)
    r.do("insert into ft values ('%s')" % n)


def carried(r, n):
    """What it has set goes along with it to a connection that somebody else has used."""
    r.do("set @n = '%s', time_zone = '+01:00', @mark = '/*cut*/'" % n)
    with r.wp.my(caps=FAULTY) as other:
        assert other.q('select @n') == [[None]]
    r.do('insert into ft values (@n)')


def load(r, n):
    r.local_files['f'] = [b'filler\n' * 300, n.encode() + b'\n', b'filler\n' * 300]
    r.do("load data local infile 'f' into table ft /*cut*/")


def change_user(r, n):
    r.do('select 1 /*cut*/')
    r.change_user()
    r.do("insert into ft values ('%s')" % n)


def reset(r, n):
    r.do('create temporary table tt (a int) /*cut*/')
    r.reset_connection()
    r.do("insert into ft values ('%s')" % n)


def large(r, n):
    r.do("insert into ft values ('%s') /*cut%s*/ /*cut*/" % (n, 'x' * 400000))


SCENARIOS = [text, several, transaction, without_autocommit, prepared, preparing, cursor, carried, load, change_user, reset, large]
FAULTY = my.MODERN | my.MULTI_STATEMENTS | my.LOCAL_FILES


def places(total, rnd, n):
    """Where to cut: at the edges, and n times anywhere."""
    edge = {0, 1, 3, 4, 5, total // 2, total - 4, total - 1}
    return sorted({k for k in edge | {rnd.randrange(total) for _ in range(n)} if 0 <= k < total})


def nothing_twice(server):
    assert not server.query("select nonce, count(*) from app.ft where nonce <> 'filler' group by nonce having count(*) > 1")


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_the_line_to_the_server_is_cut(server, mypool, scenario):
    """At each byte that it carries, either way. The client hears of it; what it was told to be done is done, and once."""
    seed = int(os.environ.get('WEIRPOOL_TEST_SEED', 1))
    print('WEIRPOOL_TEST_SEED=%d' % seed)
    rnd = random.Random(seed)
    with Liar(server) as liar:
        wp = mypool(liar, default_pool_size=1, **OPTIONS)
        cut = liar.cut()
        with wp.my(caps=FAULTY) as r:
            r.wp = wp
            scenario(r, 'whole')
        assert written(server, 'whole') == 1 and cut.passed['up'] and cut.passed['down']
        with wp.my(caps=FAULTY) as other:
            for way in ('up', 'down'):
                for k in places(cut.passed[way], rnd, 8):
                    nonce = '%s %s %d' % (scenario.__name__, way, k)
                    done = False
                    line = liar.cut(**{way: k}, reset=rnd.random() < 0.5)
                    with wp.my(caps=FAULTY) as r:
                        r.wp = wp
                        try:
                            scenario(r, nonce)
                            done = True
                        except AssertionError as e:     # an error that crossed a part of the file
                            assert scenario is load and 'sequence id' in str(e), nonce
                        except GONE as e:
                            assert not isinstance(e, TimeoutError), nonce
                            if isinstance(e, MyError):
                                assert e.errno in (1317, 1105, 1158, 1159, 1160, 1161), (nonce, e)
                    liar.disarm(line)
                    time.sleep(0.003)   # a connection that was in use a moment ago is not looked at
                    assert other.one("select 'other %s'" % nonce) == 'other ' + nonce
                    if done:
                        assert written(server, nonce) == 1, nonce
        eventually(lambda: server.connections('app') <= 1)
        nothing_twice(server)


class Mortal(RawMy):
    """A client that dies after so many bytes that it has sent, or heard."""
    wp = None

    def __init__(self, port, up=None, down=None, reset=False):
        self.left, self.passed, self.abrupt = [up, down], [0, 0], reset
        super().__init__(port)

    def die(self):
        self.reset() if self.abrupt else self.shut()
        raise Closed

    def send_bytes(self, data):
        part = data if self.left[0] is None else data[:self.left[0]]
        self.sock.sendall(part)
        self.passed[0] += len(part)
        if self.left[0] is not None:
            self.left[0] -= len(part)
            if not self.left[0]:
                self.die()
        return self

    def fill(self):
        had = len(self.buf)
        super().fill()
        self.passed[1] += len(self.buf) - had
        if self.left[1] is not None and self.passed[1] >= self.left[1]:
            self.die()


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_the_client_vanishes(server, mypool, scenario):
    """At each byte that it sends or hears, its login included. Nobody else notices, and nothing of it is left."""
    seed = int(os.environ.get('WEIRPOOL_TEST_SEED', 1))
    print('WEIRPOOL_TEST_SEED=%d' % seed)
    rnd = random.Random(seed)
    wp = mypool(server, default_pool_size=1, **OPTIONS)

    def run(nonce, **kw):
        with Mortal(wp.mysql_port, **kw) as r:
            r.wp = wp
            r.login(caps=FAULTY)
            scenario(r, nonce)
            return r.passed
    whole = run('whole')
    assert written(server, 'whole') == 1
    with wp.my(caps=FAULTY) as other:
        for way, total in zip(('up', 'down'), whole):
            for k in places(total, rnd, 12):
                nonce = '%s %s %d' % (scenario.__name__, way, k)
                try:
                    run(nonce, **{way: k}, reset=rnd.random() < 0.5)
                except (*GONE, AttributeError, ValueError) as e:
                    assert not isinstance(e, (MyError, TimeoutError)), (nonce, e)
                assert other.q("select 'other %s', @n, @@autocommit" % nonce) == [['other ' + nonce, None, '1']]
    eventually(lambda: not server.query('select 1 from information_schema.innodb_trx'))  # the server has noticed
    nothing_twice(server)


@pytest.mark.parametrize('when', ['at once', 'in a transaction'])
def test_half_open(server, mypool, when):
    """A client that will send no more but still listens has left, as for the server itself."""
    wp = mypool(server, default_pool_size=1, **OPTIONS)
    for i in range(10):
        with wp.my() as r:
            if when == 'in a transaction':
                r.do('begin')
            r.command(my.query("insert into ft values ('half %d')" % i))
            r.sock.shutdown(1)
            r.expect_closed()
        usable(wp)
    nothing_twice(server)
    assert when == 'at once' or not server.query('select count(*) from app.ft')[0][0]


def test_a_server_that_stops_reading(server, mypool):
    """weirpool takes from the client no more than its buffers hold; then all of it arrives, once."""
    with Proxy(server.port) as proxy:
        wp = mypool(server, mysql_databases={'slow': dict(host='127.0.0.1', port=proxy.port, dbname='app')}, default_pool_size=1)
        with wp.my(db='slow', caps=FAULTY) as r, wp.my() as other:
            r.one('select 1')
            before = wp.rss_kib()
            r.command(my.query("load data local infile 'f' into table ft (@skip)"))
            assert r.recv()[:1] == b'\xfb'
            proxy.frozen.set()
            sent, piece = 0, frames(b'x' * 60000 + b'\n', 0)
            r.sock.settimeout(1)
            data = b''.join(piece[:3] + bytes([(i + r.seq) % 256]) + piece[4:] for i in range(1500))     # 90 MB
            try:
                while sent < len(data):
                    sent += r.sock.send(data[sent:sent + 1000000])
            except TimeoutError:
                pass
            assert sent < len(data) * 3 // 4, 'who has taken it all?'
            assert wp.rss_kib() - before < 8192
            assert other.one('select 1') == '1'
            proxy.frozen.clear()
            r.sock.settimeout(60)
            r.sock.sendall(data[sent:])
            r.seq = (r.seq + 1500) % 256
            r.send(b'')
            assert r.result().affected == 1500
            assert wp.rss_kib() - before < 8192
