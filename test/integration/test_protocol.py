"""Protocol versions and the startup packet: 3.0, 3.2, unknown versions and options, 256-bit cancel keys, broken packets."""
import struct

import pytest
import rawpg
from rawpg import query, startup
from servers import eventually

P = {'user': 'app', 'database': 'app'}


def test_30(weirpool, anypg):
    wp = weirpool(anypg)
    r = wp.raw()
    assert r.negotiated is None and len(r.key[1]) == 4
    assert r.one('select 1') == '1'


def test_32(weirpool, anypg):
    """A 3.2 client gets 3.2 with a long key, whatever the server speaks."""
    wp = weirpool(anypg)
    r = wp.raw(minor=2)
    assert r.negotiated is None
    assert 4 < len(r.key[1]) <= 256
    assert r.one('select 1') == '1'
    assert rawpg.rows(r.send(rawpg.batch('select $1::int', [5]) + rawpg.sync()).until_ready()) == [('5',)]


def test_long_keys_differ_and_work(weirpool, pg18):
    wp = weirpool(pg18, default_pool_size=2, query_wait_timeout=20)
    keys = []
    for _ in range(20):
        r = wp.raw(minor=2)
        keys.append(r.key)
        r.bye()
    assert len(set(keys)) == 20 and all(len(k[1]) >= 32 for k in keys)
    a = wp.raw(minor=2)
    a.send(query('select pg_sleep(20)'))
    eventually(lambda: pg18.backends("state = 'active' and query like '%pg_sleep(20)%'") == 1)
    pid, key = a.key
    for wrong in (key[:4], key[:-1], key + b'\0', bytes(len(key)), key[:-1] + bytes([key[-1] ^ 1])):
        with wp.bare() as c:
            c.send(rawpg.cancel_request(pid, wrong))
            c.expect_closed_raw()
    assert a.quiet(0.3)
    a.cancel()
    assert rawpg.errors(a.until_ready())[0]['C'] == '57014'


def test_servers_long_keys_are_used(weirpool, pg18):
    """PostgreSQL 18 behind: cancel works for 3.0 and 3.2 clients over the same link."""
    wp = weirpool(pg18, default_pool_size=1, query_wait_timeout=20)
    for minor in (0, 2, 0):
        a = wp.raw(minor=minor)
        a.send(query('select pg_sleep(20)'))
        eventually(lambda: pg18.backends("state = 'active' and query like '%pg_sleep(20)%'") == 1)
        a.cancel()
        assert rawpg.errors(a.until_ready())[0]['C'] == '57014'
        a.bye()


@pytest.mark.parametrize('minor', [3, 9999])
def test_other_minor_versions_are_negotiated(weirpool, pg15, minor):
    """libpq 19 greases with 3.9999."""
    wp = weirpool(pg15)
    r = wp.raw(minor=minor)
    assert r.negotiated is not None
    newest, options = r.negotiated
    assert newest == 2 and options == []
    assert r.one('select 1') == '1'


def test_unknown_protocol_options_are_named(weirpool, pg15):
    wp = weirpool(pg15)
    r = wp.raw(params={'_pq_.test_protocol_negotiation': '1', '_pq_.foo': 'bar'}, minor=2)
    assert r.negotiated == (2, ['_pq_.test_protocol_negotiation', '_pq_.foo'])
    assert r.one('select 1') == '1'
    r = wp.raw(params={'_pq_.foo': 'bar'}, minor=0)
    assert r.negotiated[1] == ['_pq_.foo'] and r.negotiated[0] in (0, 2)
    r = wp.raw(params={'_pq_.foo': 'bar'}, minor=9999)
    assert r.negotiated == (2, ['_pq_.foo'])
    assert r.one('select 1') == '1'


def test_negotiation_comes_once_and_before_authentication(weirpool, pg18):
    wp = weirpool(pg18)
    r = wp.bare()
    r.send(startup(dict(P, **{'_pq_.x': 'y'}), 3, 9999))
    first, second = r.recv(), r.recv()
    assert first.type == 'v' and second.type == 'R'
    assert struct.unpack('!I', first.body[:4])[0] in (2, 196610)


def test_same_negotiation_as_a_direct_connection(weirpool, pg18):
    """PostgreSQL 18 is the model of the message itself."""
    wp = weirpool(pg18)
    for minor, extra in ((9999, {}), (9999, {'_pq_.a': '1'}), (2, {'_pq_.a': '1', '_pq_.b': ''}), (0, {'_pq_.a': '1'})):
        bodies = []
        for port in (wp.port, pg18.port):
            with rawpg.Raw(port) as r:
                r.send(startup(dict(P, **extra), 3, minor))
                m = r.recv()
                bodies.append((m.type, m.body if m.type == 'v' else m.auth))
        assert bodies[0] == bodies[1], (minor, extra)


@pytest.mark.parametrize('major,minor', [(2, 0), (1, 0), (4, 0), (0, 0), (1234, 5681), (65535, 65535)])
def test_other_major_versions_are_refused(weirpool, pg15, major, minor):
    wp = weirpool(pg15)
    r = wp.bare()
    r.send(startup(P, major, minor))
    out = r.expect_closed_raw()
    if major in (2, 4):
        assert b'protocol' in out
    assert wp.usable()


def test_psycopg_with_libpq18_and_grease(weirpool, pg18):
    """libpq 18 of the sid root file system with max_protocol_version=latest."""
    import subprocess
    from servers import HERE, SID, TEST_USER
    wp = weirpool(pg18)
    for extra in ('max_protocol_version=latest', 'min_protocol_version=3.2 max_protocol_version=3.2', ''):
        out = subprocess.run([str(HERE / 'run-in-sid'), '-u', TEST_USER, str(SID), 'env', 'PGPASSWORD=app', 'HOME=/nonexistent',
                              'psql', '-XAtq', 'host=127.0.0.1 port=%d user=app dbname=app %s' % (wp.port, extra), '-c',
                              'select 42'], cwd='/tmp', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert out.stdout == '42\n', out.stdout


# --- startup packets
@pytest.mark.parametrize('packet', [
    b'\0\0\0\0', b'\0\0\0\3', b'\0\0\0\4', b'\0\0\0\7\0\3\0', b'\xff\xff\xff\xff' + b'x' * 100, b'\x7f\xff\xff\xff\0\3\0\0',
    b'\x80\0\0\0\0\3\0\0', b'\0\0\0\x08\0\3\0\0', b'\0\0\0\x09\0\3\0\0\0', b'\0\0\0\x09\0\3\0\0x', b'\0\0\0\x0d\0\3\0\0user\0',
    b'\0\0\0\x0e\0\3\0\0user\0\0', b'\0\0\0\x12\0\3\0\0user\0app\0', b'\0\0\0\x14\0\3\0\0user\0app\0\0x',
    startup({'database': 'app'}), startup({'user': ''}), startup({'user': 'app', '': ''}), startup({}),
    startup({'user': 'app', 'database': 'x' * 20000}), startup({'user': 'x' * 70000}), b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    b'\0' * 1000, b'\xff' * 1000, startup({'user': 'a\nb', 'database': 'c\nFATAL fake log line'}),
    startup(dict(P, **{'n%d' % i: 'v' for i in range(2000)})),
], ids=range(25))
def test_broken_startup_packets(weirpool, pg15, packet):
    wp = weirpool(pg15)
    r = wp.bare(timeout=5)
    r.send(packet)
    try:
        r.sock.shutdown(1)
    except OSError:
        pass
    got = r.expect_closed_raw()
    assert b'Z\0\0\0\5' not in got and len(got) < 2000
    assert wp.usable() and '\nFATAL fake' not in wp.log()


def test_user_and_database_twice(weirpool, pg15):
    """The last one wins on a real server; whatever counts for the password must count for the pool."""
    wp = weirpool(pg15)
    packet = startup({'user': 'app2', 'database': 'app'})
    body = packet[4:-1] + b'user\0app\0' + b'\0'
    packet = struct.pack('!I', len(body) + 4) + body
    users = []
    for port in (wp.port, pg15.port):
        r = rawpg.Raw(port)
        r.send(packet)
        try:
            r.authenticate('app', 'app')
            r.until_ready_or_error()
            users.append(r.one('select current_user'))
        except (rawpg.PgError, rawpg.Closed):
            users.append('refused')
    assert users[0] in (users[1], 'refused')


@pytest.mark.parametrize('name', ['x' * 63, 'x' * 64, 'x' * 200, 'ünï', 'with space', 'semi;colon', "quo'te", 'dou"ble', '*'])
def test_odd_names(weirpool, pg15, name):
    """CVE-2012-4575: over-long names with a * entry."""
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port)}, query_wait_timeout=2)
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        wp.raw(dbname=name).q('select 1')
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        wp.raw(user=name, secret='x')
    assert wp.usable()


# --- message framing after the login
@pytest.mark.parametrize('data', [
    b'Q\0\0\0\0', b'Q\0\0\0\3', b'Q\xff\xff\xff\xff', b'Q\x80\0\0\0', b'Q\x7f\xff\xff\xff' + b'x' * 10, b'\0\0\0\0\4', b'?\0\0\0\4',
    b'R\0\0\0\x08\0\0\0\0', b'Z\0\0\0\5I', b'p\0\0\0\x08abcd', b'S\0\0\0\x05x', b'B\0\0\0\4', b'P\0\0\0\5x', b'D\0\0\0\6Xa',
    b'C\0\0\0\5S', b'E\0\0\0\5\0', b'Q\0\0\0\x08abcd', b'P\0\0\0\x0as\0q\0\xff\xff', b'B\0\0\0\x0a\0\0\xff\xff\0\0',
    b'H\0\0\0\5x', b'X\0\0\0\5x', b'F\0\0\0\4', b'd\0\0\0\3',
], ids=range(23))
def test_malformed_messages(weirpool, pg15, data):
    """An honest end or error for the sender; nobody else notices; the link is not poisoned."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=10)
    r = wp.raw()
    r.send(data)
    r.sock.shutdown(1)
    r.expect_closed_raw()
    for i in range(3):
        assert wp.usable(value=str(i))
    r = wp.raw()
    r.simple('begin')
    r.send(data)
    r.sock.shutdown(1)
    r.expect_closed_raw()
    b = wp.raw()
    assert b.simple('begin')[-1].status == 'T'


def test_messages_before_the_login(weirpool, pg15):
    """CVE-2015-4054: every message type in every state before the login."""
    wp = weirpool(pg15)
    for kind in 'QPBDECSHFXpdcfRZKZTV\0\xff':
        for state in ('start', 'asked', 'first'):
            r = wp.bare(timeout=5)
            if state != 'start':
                r.send(startup(P))
                assert r.recv().type == 'R'
            if state == 'first':
                r.send(rawpg.sasl_initial('SCRAM-SHA-256', rawpg.Scram('x').first()))
                assert r.recv().type == 'R'
            r.send(kind.encode('latin1') + b'\0\0\0\x08abcd')
            try:
                r.sock.shutdown(1)
            except OSError:
                pass
            got = r.expect_closed_raw()
            assert b'Z\0\0\0\5' not in got
    assert wp.usable()


def test_query_in_the_same_write_as_the_login(weirpool, pg15):
    """With trust there is no question to wait for: the startup packet and the query may come together."""
    wp = weirpool(pg15, auth_type='trust')
    r = wp.bare()
    r.send(startup(P) + query("select 'early'"))
    r.authenticate('app', '')
    r.until_ready_or_error()
    assert rawpg.rows(r.until_ready()) == [('early',)]


def test_query_behind_the_password(weirpool, pg15):
    wp = weirpool(pg15, auth_type='plain')
    r = wp.bare()
    r.send(startup(P))
    assert r.recv().auth == 3
    r.send(rawpg.password('app') + query("select 'early'"))
    assert r.recv().auth == 0
    r.until_ready_or_error()
    assert rawpg.rows(r.until_ready()) == [('early',)]
    r = wp.bare()
    r.send(startup(P))
    assert r.recv().auth == 3
    r.send(rawpg.password('wrong') + query("create table must_not_exist ()"))
    r.expect_closed()
    assert pg15.query("select to_regclass('must_not_exist')", dbname='app') == [(None,)]


def test_nul_in_names(weirpool, pg15):
    """A NUL ends a string; what follows is the next key: `app\\0x` is no name."""
    wp = weirpool(pg15)
    body = struct.pack('!HH', 3, 0) + b'user\0app\0extra\0database\0app\0\0'
    r = wp.bare()
    r.send(struct.pack('!I', len(body) + 4) + body)
    r.sock.shutdown(1)
    assert b'Z\0\0\0\5' not in r.expect_closed_raw()
    assert wp.usable()
