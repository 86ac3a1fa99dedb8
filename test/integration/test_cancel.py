"""Cancel: of running and of waiting clients, by wrong keys, by clients that vanish; never somebody else's query."""
import contextlib
import random
import threading
import time

import psycopg
import pytest
import rawpg
from rawpg import query
from servers import eventually

pytestmark = pytest.mark.both_workers


def code(messages):
    return [e['C'] for e in rawpg.errors(messages)]


def cancels(server, c, sql):
    """A thread that cancels c's statement when the server is at it."""
    def run():
        eventually(lambda: server.backends("state = 'active' and query = '%s'" % sql) == 1)
        c.cancel()
    t = threading.Thread(target=run)
    t.start()
    return t


def sleeping(server):
    return server.backends("state = 'active' and query like '%pg_sleep%'")


@pytest.fixture(autouse=True)
def nobody_sleeps_on(pg15, pg18):
    """What a failing test left running must not disturb the next one."""
    yield
    for s in (pg15, pg18):
        s.terminate_backends("state = 'active' and query like '%pg_sleep%'")


@pytest.fixture
def one(weirpool, anypg):
    return weirpool(anypg, default_pool_size=1, query_wait_timeout=20)


def test_cancel_a_running_query(one):
    a, b = one.raw(), one.raw()
    for _ in range(3):
        t = time.monotonic()
        a.send(query('select pg_sleep(30)'))
        eventually(lambda: sleeping(one.server) == 1)
        assert a.cancel() == b''
        assert code(a.until_ready()) == ['57014']
        assert time.monotonic() - t < 25
        assert a.one('select 1') == '1' and b.one('select 2') == '2'


def test_cancel_by_libpq(one):
    with one.connect() as c:
        t = cancels(one.server, c, 'select pg_sleep(30)')
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute('select pg_sleep(30)')
        t.join()
        assert c.execute('select 1').fetchone() == (1,)


def test_cancel_in_a_transaction_and_in_an_extended_query(one):
    a = one.raw()
    a.simple('begin')
    a.send(rawpg.batch('select pg_sleep(30)') + rawpg.sync())
    eventually(lambda: sleeping(one.server) == 1)
    a.cancel()
    out = a.until_ready()
    assert code(out) == ['57014'] and out[-1].status == 'E'
    assert a.simple('rollback')[-1].status == 'I'


@contextlib.contextmanager
def one_runs_one_waits(one):
    """Two clients: the first one has the only link until the end of the block, the second one waits for it."""
    a, b = one.raw(), one.raw()
    with one.server.gate() as passes:
        a.send(query(passes))
        eventually(lambda: one.server.at_gate() == 1)
        b.send(query("select 'never run'"))
        eventually(lambda: one.pool()['cl_waiting'] == 1)
        yield a, b


def test_cancel_of_a_waiting_client(one):
    """It holds no link yet: it is answered at once, and the one that runs is left alone."""
    with one_runs_one_waits(one) as (a, b):
        b.cancel()
        try:
            out = b.until_ready()
            assert code(out) == ['57014']
        except rawpg.Closed as e:
            assert code(e.messages) == ['57014']
        assert one.server.at_gate() == 1
    out = a.until_ready()
    assert not code(out) and len(rawpg.rows(out)) == 1


def test_waiting_client_lives_on_after_its_cancel(one):
    with one_runs_one_waits(one) as (a, b):
        b.cancel()
        assert code(b.until_ready()) == ['57014']
    assert b.one("select 'alive'") == 'alive'
    assert not code(a.until_ready())


def test_cancel_of_an_idle_client_does_nothing(one):
    a, b = one.raw(), one.raw()
    a.q('select 1')
    for _ in range(5):
        a.cancel()
    assert b.q('select 1') == [('1',)]
    with one.server.gate() as passes:
        b.send(query(passes))
        eventually(lambda: one.server.at_gate() == 1)
        a.cancel()
        assert one.server.at_gate() == 1
    assert not code(b.until_ready())
    assert a.one('select 1') == '1'


@pytest.mark.parametrize('change', ['pid', 'key', 'both', 'zero'])
def test_wrong_key_cancels_nothing(one, change):
    a = one.raw()
    pid, key = a.key
    bad = bytes([key[0] ^ 1]) + key[1:]
    wrong = {'pid': (pid ^ 1, key), 'key': (pid, bad), 'both': (pid ^ 1, bad), 'zero': (0, bytes(len(key)))}[change]
    with one.server.gate() as passes:
        a.send(query(passes))
        eventually(lambda: one.server.at_gate() == 1)
        with one.bare() as c:
            c.send(rawpg.cancel_request(*wrong))
            assert c.expect_closed_raw() == b''
    assert not code(a.until_ready())


def test_servers_own_key_is_useless(one):
    """The key of the server connection is not the client's: whoever has one cannot use it here, and clients never see it."""
    with rawpg.Raw(one.server.port) as d:
        d.login()
        a = one.raw()
        with one.server.gate() as passes:
            a.send(query(passes))
            eventually(lambda: one.server.at_gate() == 1)
            with one.bare() as c:
                c.send(rawpg.cancel_request(*d.key))
                c.expect_closed_raw()
        assert not code(a.until_ready())


@pytest.mark.parametrize('packet', [
    b'\0\0\0\x10\x04\xd2\x16\x2e' + bytes(7), b'\0\0\0\x08\x04\xd2\x16\x2e', b'\0\0\0\x0c\x04\xd2\x16\x2e' + bytes(4),
    b'\0\0\0\x0d\x04\xd2\x16\x2e' + bytes(5), rawpg.cancel_request(1, bytes(32)), rawpg.cancel_request(1, bytes(256)),
    rawpg.cancel_request(1, bytes(300)), b'\0\0\x10\0\x04\xd2\x16\x2e' + bytes(100),
], ids=['short', 'empty', 'nokey', 'onebyte', 'k32', 'k256', 'k300', 'lies'])
def test_odd_cancel_requests(one, packet):
    with one.bare() as c:
        c.send(packet)
        c.sock.shutdown(1)
        c.expect_closed_raw()
    assert one.usable()


def test_cancel_byte_by_byte_and_unfinished(one):
    a = one.raw()
    a.send(query('select pg_sleep(30)'))
    eventually(lambda: sleeping(one.server) == 1)
    with one.bare() as half:
        half.send(rawpg.cancel_request(*a.key)[:10])
        time.sleep(0.1)
        assert sleeping(one.server) == 1
    with one.bare() as c:
        c.send_slowly(rawpg.cancel_request(*a.key))
        c.expect_closed_raw()
    assert code(a.until_ready()) == ['57014']


@pytest.mark.parametrize('how', ['shut', 'reset', 'bye'])
def test_client_vanishes_in_mid_query(one, how):
    """Its query is cancelled, the link is clean for the next."""
    a = one.raw()
    a.send(query('select pg_sleep(60)'))
    eventually(lambda: sleeping(one.server) == 1)
    getattr(a, how)()
    eventually(lambda: sleeping(one.server) == 0)
    for _ in range(3):
        b = one.raw()
        assert b.one("select 'mine'") == 'mine'
        b.bye()


def test_client_vanishes_in_a_pipeline(one):
    a = one.raw()
    a.send(b''.join(rawpg.batch('select pg_sleep(0.2)') + rawpg.sync() for _ in range(100)))
    eventually(lambda: sleeping(one.server) == 1)
    a.reset()
    t = time.monotonic()
    b = one.raw()
    assert b.one("select 'mine'") == 'mine'
    assert time.monotonic() - t < 15


def test_client_vanishes_while_it_waits(one, pg15):
    a, b = one.raw(), one.raw()
    one.server.query('drop table if exists never; create table never (a int); grant all on never to app', dbname='app')
    with one.server.gate() as passes:
        a.send(query(passes))
        eventually(lambda: one.server.at_gate() == 1)
        b.send(query('insert into never values (1)'))
        eventually(lambda: one.pool()['cl_waiting'] == 1)
        b.reset()
        eventually(lambda: one.pool()['cl_waiting'] == 0)
    a.until_ready()
    time.sleep(0.2)
    assert one.server.query('select count(*) from never', dbname='app') == [(0,)]
    assert one.usable()


def test_never_cancels_another(weirpool, pg15):
    """Clients cancel themselves at random moments, always a little late: only queries of cancelled clients may end so."""
    wp = weirpool(pg15, default_pool_size=3, query_wait_timeout=30)
    stop = time.monotonic() + 6
    wrong = []

    def canceler(w):
        rnd = random.Random(w)
        c = wp.raw()
        while time.monotonic() < stop:
            c.send(query('select pg_sleep(%.3f)' % (rnd.random() * 0.01)))
            time.sleep(rnd.random() * 0.012)
            c.cancel()
            c.until_ready()
            out = c.simple('select %d' % w)     # the late cancel may still hit the same client's next query
            if not code(out) and rawpg.rows(out) != [(str(w),)]:
                wrong.append(out)

    def innocent(w):
        c = wp.raw()
        n = 0
        while time.monotonic() < stop:
            n += 1
            out = c.simple("select '%d-%d', pg_sleep(0.002)" % (w, n))
            if code(out) or rawpg.rows(out)[0][0] != '%d-%d' % (w, n):
                wrong.append(out)
    ts = [threading.Thread(target=canceler, args=(i,)) for i in range(4)]
    ts += [threading.Thread(target=innocent, args=(i,)) for i in range(8)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(40)
    assert not wrong, wrong[:3]


def test_storm_of_cancels_is_bounded(weirpool, pg15):
    """Two hundred cancel requests at once do not open two hundred server connections."""
    wp = weirpool(pg15, default_pool_size=2, query_wait_timeout=30, max_client_conn=1000)
    a = wp.raw()
    a.send(query('select pg_sleep(5)'))  # (the first of the right ones ends it)
    eventually(lambda: sleeping(pg15) == 1)
    pid, key = a.key
    socks = []
    most = 0
    for i in range(200):
        c = wp.bare()
        c.send(rawpg.cancel_request(*((pid, key) if i % 2 else (pid, b'\1\2\3\4'))))
        socks.append(c)
        most = max(most, wp.fds())
    a.until_ready()
    for c in socks:
        c.expect_closed_raw()
    assert most < 300  # (those who ask are 200)
    assert wp.usable()
    eventually(lambda: wp.fds() < 60)


def test_cancel_key_is_random(weirpool, pg15):
    wp = weirpool(pg15, max_client_conn=300)
    keys = []
    for _ in range(100):
        c = wp.raw()
        keys.append(c.key[1])
        c.bye()
    assert len(set(keys)) == 100
    ones = [bin(int.from_bytes(k, 'big')).count('1') for k in keys]
    assert 12 < sum(ones) / len(ones) < 20


def test_cancel_of_peers(weirpool, pg15, workers):
    """Two weirpools behind one address: a cancel request at the wrong one is forwarded by the peer id in the key."""
    from servers import free_port
    p1, p2 = free_port(), free_port()
    peers = {'1': dict(host='127.0.0.1', port=p1), '2': dict(host='127.0.0.1', port=p2)}
    w1 = weirpool(pg15, listen_port=p1, peer_id=1, peers=peers)
    w2 = weirpool(pg15, listen_port=p2, peer_id=2, peers=peers)
    for here, there in ((w1, w2), (w2, w1)):
        a = here.raw()
        a.send(query('select pg_sleep(30)'))
        eventually(lambda: sleeping(pg15) == 1)
        with there.bare() as c:
            c.send(rawpg.cancel_request(*a.key))
            c.expect_closed_raw()
        assert code(a.until_ready()) == ['57014']
        assert a.one('select 1') == '1'
    # a peer that is not there harms nobody
    pid, key = a.key
    w1.stop()
    with w2.bare() as c:
        c.send(rawpg.cancel_request(*w1_key(w2, pid, key)))
        c.expect_closed_raw(20)
    assert w2.usable()


def w1_key(wp, pid, key):
    """Some key that is not of this one: every bit of the real one turned."""
    return pid ^ 0x7fffffff, bytes(b ^ 0xff for b in key)
