"""The PROXY protocol: who comes through a load balancer is who the header says, from configured networks only."""
import contextlib
import pathlib
import re
import socket
import struct
import subprocess
import time

import pytest

import rawmy as my
import rawpg
from mysql_servers import MyServer
from rawmy import RawMy
from rawpg import Raw
from servers import as_test_user, eventually, free_port, give_to_test_user

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
NAMED, NAMED6 = '203.0.113.7', '2001:db8::7'


def v1(source=NAMED, port=40001):
    family = 'TCP6' if ':' in source else 'TCP4'
    return ('PROXY %s %s %s %d 5432\r\n' % (family, source, source, port)).encode()


def v2(source=NAMED, port=40001, tlvs=b'', command=1):
    six = ':' in source
    raw = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, source)
    body = raw * 2 + struct.pack('>HH', port, 5432) + tlvs
    return SIGNATURE + bytes([0x20 | command, 0x21 if six else 0x11]) + struct.pack('>H', len(body)) + body


TLV = struct.pack('>BH', 0x04, 300) + bytes(300) + struct.pack('>BH', 0x02, 4) + b'host'
HEADERS = {'v1': (v1(), NAMED), 'v1 tcp6': (v1(NAMED6), NAMED6), 'v2': (v2(), NAMED), 'v2 tcp6': (v2(NAMED6), NAMED6),
           'v2 tlvs': (v2(tlvs=TLV), NAMED), 'mapped': (v2('::ffff:' + NAMED), NAMED),
           'v1 unknown': (b'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', None), 'v1 bare unknown': (b'PROXY UNKNOWN\r\n', None),
           'v2 local': (SIGNATURE + b'\x20\x00\0\0', None), 'v2 local with addresses': (v2(command=0), None),
           'v2 unix': (SIGNATURE + b'\x21\x31' + struct.pack('>H', 216) + bytes(216), None)}
BAD = {'text': b'GET / HTTP/1.0\r\n\r\n', 'startup packet': rawpg.startup({'user': 'app'}),
       'no address': b'PROXY TCP4 203.0.113.7\r\n', 'wrong family': b'PROXY TCP4 ::1 ::1 1 2\r\n', 'port': b'PROXY TCP4 1.1.1.1 1.1.1.1 99999 1\r\n',
       'too long': b'PROXY TCP4 ' + b'1' * 200, 'version 3': SIGNATURE + b'\x31\x11\0\x0c' + bytes(12), 'too large': SIGNATURE + b'\x21\x11\xff\xff',
       'short addresses': SIGNATURE + b'\x21\x11\0\x04' + bytes(4), 'command': SIGNATURE + b'\x2f\x11\0\x0c' + bytes(12)}


@pytest.fixture
def both(weirpool, pg15, maria1011):
    """PostgreSQL and MariaDB behind one weirpool, both listeners behind a balancer on 127.0.0.1."""
    return weirpool(pg15, mysql=maria1011, proxy_protocol_networks='127.0.0.1, ::1')


def pg_client(wp, header, piece=None, **kw):
    r = Raw(wp.port)
    give(r.sock, header, piece)
    r.login('app', 'app', 'app', **kw)
    return r


def my_client(wp, header, piece=None, **kw):
    r = RawMy(wp.mysql_port, greet=False)
    give(r.sock, header, piece)
    r.read_greeting()
    r.login('app', 'app', 'myapp', **kw)
    return r


def give(sock, header, piece):
    for i in range(0, len(header), piece or len(header)):
        sock.sendall(header[i:i + (piece or len(header))])


def admin(wp, command):
    """As wp.admin(), which sends no header."""
    with Raw(wp.port) as r:
        r.sock.sendall(v1('198.51.100.1'))
        r.login('admin', 'weirpool', 'admin')
        out = r.simple(command)
    names = [c[0] for c in [m for m in out if m.type == 'T'][0].columns]
    return [dict(zip(names, m.row)) for m in out if m.type == 'D']


def addresses(wp):
    return {(r['protocol'], r['addr'], r['port']) for r in admin(wp, 'SHOW CLIENTS') if r['user'] == 'app'}


@pytest.mark.parametrize('name', HEADERS)
def test_headers(both, name):
    header, named = HEADERS[name]
    for piece in (None, 1):
        with pg_client(both, header, piece) as p, my_client(both, header, piece) as m:
            assert p.one('select 1') == '1'
            assert m.one('select 1') == '1'
            seen = addresses(both)
            if named:
                assert seen == {('postgresql', named, '40001'), ('mysql', named, '40001')}
            else:
                assert {a for _, a, _ in seen} == {'127.0.0.1'} and '40001' not in {x for _, _, x in seen}
        eventually(lambda: not addresses(both))
    if named:
        both.wait_log(re.escape(named))


@pytest.mark.parametrize('name', BAD)
def test_what_is_no_header(both, name):
    """Refused in the words of the protocol, and in the log with its place."""
    for port, mysql in ((both.port, False), (both.mysql_port, True)):
        with socket.create_connection(('127.0.0.1', port), 10) as s:
            s.sendall(BAD[name])
            got = b''
            with contextlib.suppress(ConnectionError):
                while d := s.recv(4096):
                    got += d
            assert b'proxy_protocol_networks' in got and (got[4:5] == b'\xff' if mysql else got[:1] == b'E'), got
    both.wait_log(r'no PROXY header, or a malformed one \(')
    with pg_client(both, v1()) as r:
        assert r.one('select 1') == '1'


def test_silence_and_drips(weirpool, pg15, maria1011):
    """Nobody is greeted before the header, and it has to come within client_login_timeout."""
    wp = weirpool(pg15, mysql=maria1011, proxy_protocol_networks='127.0.0.1', client_login_timeout='1s')
    for port in (wp.port, wp.mysql_port):
        for begun in (b'', v2()[:20], b'PROXY TCP4 '):
            began = time.monotonic()
            with socket.create_connection(('127.0.0.1', port), 20) as s:
                s.sendall(begun)
                got = b''
                with contextlib.suppress(ConnectionError): # what it has begun was never read
                    while d := s.recv(4096):
                        got += d
                assert time.monotonic() - began > 0.5
                assert begun or b'client_login_timeout' in got, got
    with socket.create_connection(('127.0.0.1', wp.mysql_port), 5) as s:
        s.settimeout(0.3)
        with pytest.raises(TimeoutError):
            s.recv(1)
    wp.wait_log('left without a PROXY header')


def test_from_elsewhere_it_is_no_header(weirpool, pg15, maria1011):
    for networks in ('10.0.0.0/8, 127.0.0.2', ''):
        wp = weirpool(pg15, mysql=maria1011, proxy_protocol_networks=networks)
        with wp.raw() as r:
            assert r.one('select 1') == '1'
        with RawMy(wp.mysql_port) as m:
            m.sock.sendall(v1())
            with pytest.raises(my.MyError, match='login packet'):
                raise my.err_of(m.recv())
        with Raw(wp.port) as r:
            r.sock.sendall(v2())
            assert r.recv().type == 'E'
        for row in wp.admin('SHOW CLIENTS'):
            assert row['addr'] == '127.0.0.1'


def test_rules_are_about_the_named_address(weirpool, pg15, maria1011):
    """hba, the words of Access denied, and the console's rows."""
    wp = weirpool(pg15, mysql=maria1011, proxy_protocol_networks='127.0.0.0/8', hba='''
host all app 203.0.113.0/24 md5
host weirpool admin 198.51.100.1/32 md5
''')
    with pg_client(wp, v1()), my_client(wp, v1()):
        assert {a for _, a, _ in addresses(wp)} == {NAMED}
    for header in (v1('203.0.114.7'), b'PROXY UNKNOWN\r\n', v2(command=0)):
        with pytest.raises(rawpg.PgError):
            pg_client(wp, header)
        with pytest.raises(my.MyError):
            my_client(wp, header)
    r = RawMy(wp.mysql_port, greet=False)
    r.sock.sendall(v1())
    r.read_greeting()
    with pytest.raises(my.MyError) as e:
        r.login('app', 'wrong', 'myapp')
    assert "'app'@'%s'" % NAMED in e.value.text


def test_tls_begins_behind_the_header(weirpool, pg15, maria1011, certs):
    """Asked for, at once (PostgreSQL 17), and in the same segment as the header."""
    wp = weirpool(pg15, mysql=maria1011, proxy_protocol_networks='127.0.0.1', client_tls_sslmode='require',
                  client_tls_key_file=certs.key('server'), client_tls_cert_file=certs.crt('server'))
    with Raw(wp.port) as r:
        r.sock.sendall(v2(tlvs=TLV) + rawpg.ssl_request())
        assert r.recv_exact(1) == b'S'
        r.wrap(rawpg.tls_context())
        r.login('app', 'app', 'app')
        assert r.one('select 1') == '1'
    with Raw(wp.port) as r:
        r.sock.sendall(v1())
        r.wrap(rawpg.tls_context(alpn=True))
        r.login('app', 'app', 'app')
        assert r.one('select 1') == '1'
    with my_client(wp, v2(), tls=True, caps=my.MODERN | my.COMPRESS) as m:
        assert m.one("select length('%s')" % ('x' * 1000)) == '1000'


def test_a_cancel_request_comes_the_same_way(both, pg15):
    with pg_client(both, v1()) as r:
        r.send(rawpg.query('select pg_sleep(60)'))
        eventually(lambda: pg15.backends("state = 'active' and query = 'select pg_sleep(60)'") == 1)
        with socket.create_connection(('127.0.0.1', both.port), 10) as s:
            s.sendall(v2() + rawpg.cancel_request(*r.key))
            assert s.recv(1) == b''
        assert any(m.type == 'E' and m.fields['C'] == '57014' for m in r.until_ready())


def test_unix_sockets(weirpool, pg15):
    wp = weirpool(pg15, proxy_protocol_networks='unix', auth_type='md5')
    with Raw(wp.port, unix='%s/.s.PGSQL.%d' % (wp.dir, wp.port)) as r, wp.raw() as plain:
        r.sock.sendall(v1())
        r.login('app', 'app', 'app')
        assert r.one('select 1') == plain.one('select 1') == '1'
        assert {x['addr'] for x in wp.admin('SHOW CLIENTS') if x['user'] == 'app'} == {NAMED, '127.0.0.1'}


def test_haproxy(both, base):
    """With checks of its own, which leave with LOCAL or without a word."""
    ports = {v: (free_port(), free_port()) for v in ('send-proxy', 'send-proxy-v2')}
    text = 'global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n'
    for how, (pg, mysql) in ports.items():
        text += 'listen %s-pg\n bind 127.0.0.1:%d\n server s 127.0.0.1:%d %s check inter 100ms\n' % (how, pg, both.port, how)
        text += 'listen %s-my\n bind 127.0.0.1:%d\n server s 127.0.0.1:%d %s check inter 100ms\n' % (how, mysql, both.mysql_port, how)
    conf = both.put('haproxy.cfg', text)
    p = subprocess.Popen(as_test_user(['/usr/sbin/haproxy', '-q', '-db', '-f', conf]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for pg, mysql in ports.values():
            def through():
                """HAProxy lets clients through"""
                with contextlib.suppress(OSError, my.Closed, rawpg.Closed), Raw(pg) as r, RawMy(mysql) as m:
                    r.login('app', 'app', 'app')
                    m.login('app', 'app', 'myapp')
                    own = {('postgresql', '127.0.0.1', str(r.sock.getsockname()[1])),
                           ('mysql', '127.0.0.1', str(m.sock.getsockname()[1]))}
                    if addresses(both) != own:  # of a try before that came half the way
                        return False
                    return m.one('select 1') == r.one('select 1') == '1'
            eventually(through, 30)
            eventually(lambda: not addresses(both))
    finally:
        p.terminate()
        p.wait(10)


def test_networks_that_are_none(weirpool, pg15):
    wp = weirpool(pg15)
    for bad in ('10.0.0.0/33', 'localhost', '1.2.3', '::1/129', '10.0.0.0/', 'fe80::1%eth0'):
        with pytest.raises(rawpg.PgError, match='proxy_protocol_networks'):
            wp.admin("SET proxy_protocol_networks = '%s'" % bad)
    wp.admin("SET proxy_protocol_networks = '127.0.0.1, ::1/64, 10.1.2.3/8'")
    with pg_client(wp, v1()) as r:
        assert r.one('select 1') == '1'


# --- towards servers
@pytest.fixture(scope='module')
def proxied(base):
    """A MariaDB that takes headers from 127.0.0.1."""
    d = pathlib.Path(base, 'proxied')
    d.mkdir()
    d.chmod(0o755)
    give_to_test_user(d)
    s = MyServer(d, 'maria1011', extra_conf='proxy-protocol-networks = 127.0.0.1')
    s.create()
    s.query("create user away@'203.0.113.%' identified by 'app'")
    s.query("grant all on app.* to away@'203.0.113.%'")
    yield s
    s.stop()


def hosts(server, user='app'):
    return {h for (h,) in server.query('select host from information_schema.processlist where user = %s', user)}


def test_a_server_is_told_the_client(proxied, weirpool):
    """The server's list of processes, and its accounts, are about the client, whether it came through a balancer or not."""
    wp = weirpool(proxied, server_proxy_protocol='client', pool_mode='session', userlist=dict(away='app'))
    with wp.my() as a, wp.my() as b:
        assert a.one('select 1') == b.one('select 1') == '1'
        assert hosts(proxied) == {'127.0.0.1:%d' % r.sock.getsockname()[1] for r in (a, b)}
        a.bye()
        eventually(lambda: hosts(proxied) == {'127.0.0.1:%d' % b.sock.getsockname()[1]})
        with wp.my() as c: # never a's connection
            assert c.one('select 1') == '1'
            assert '127.0.0.1:%d' % c.sock.getsockname()[1] in hosts(proxied)
    eventually(lambda: not hosts(proxied))
    with pytest.raises(my.MyError):
        wp.my('away')
    wp.reload(proxy_protocol_networks='127.0.0.1')
    for header, source in ((v1(), NAMED), (v2(NAMED6), NAMED6)):
        with RawMy(wp.mysql_port, greet=False) as r:
            r.sock.sendall(header)
            r.read_greeting()
            r.login('app', 'app', 'app', caps=my.MODERN | my.COMPRESS)
            assert r.one('select 1') == '1'
            assert hosts(proxied) == {source + ':40001'}
        eventually(lambda: not hosts(proxied))
    with RawMy(wp.mysql_port, greet=False) as r:
        r.sock.sendall(v2())
        r.read_greeting()
        r.login('away', 'app', 'app')
        assert r.one('select current_user()') == 'away@203.0.113.%'


def test_each_has_its_own_and_no_more(proxied, weirpool):
    """pool_size counts: who finds no room is told at once, and the next one is served when there is some."""
    wp = weirpool(proxied, server_proxy_protocol='client', pool_mode='session', default_pool_size=2)
    with wp.my() as a, wp.my() as b:
        assert a.one('select 1') == b.one('select 1') == '1'
        with pytest.raises(my.MyError, match='no room for a server connection of its own: 2 of pool_size 2'):
            wp.my().one('select 1')
    eventually(lambda: not hosts(proxied))
    with wp.my() as a:
        assert a.one('select 1') == '1'


def test_a_server_is_told_nothing(proxied, weirpool):
    """LOCAL: a pool's connections are nobody's; KILL's own connection too."""
    wp = weirpool(proxied, server_proxy_protocol='local', pool_mode='transaction', server_compression='any')
    with wp.my() as a, wp.my() as b:
        assert a.one('select 1') == '1'
        assert {h.split(':')[0] for h in hosts(proxied)} == {'127.0.0.1'}
        assert not hosts(proxied) & {'127.0.0.1:%d' % r.sock.getsockname()[1] for r in (a, b)}
        a.command(my.query('select sleep(60)'))
        eventually(lambda: proxied.query("select count(*) from information_schema.processlist where info like 'select sleep%'")[0][0])
        b.do('kill query %d' % a.greeting.id)
        assert a.result().error.errno == 1317


def test_a_balancer_in_front_of_servers(pg15, maria1011, weirpool, base):
    """HAProxy that insists on headers: of pools, of the look at a greeting, of cancel requests."""
    pg, mysql = free_port(), free_port()
    text = 'global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n'
    for name, port, to in (('pg', pg, pg15.port), ('my', mysql, maria1011.port)):
        text += 'listen %s\n bind 127.0.0.1:%d accept-proxy\n server s 127.0.0.1:%d\n' % (name, port, to)
    conf = pathlib.Path(base, 'accept.cfg')
    conf.write_text(text)
    conf.chmod(0o644)
    p = subprocess.Popen(as_test_user(['/usr/sbin/haproxy', '-q', '-db', '-f', str(conf)]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: socket.socket().connect_ex(('127.0.0.1', mysql)) == 0, 20)
        for how, mode in (('local', 'transaction'), ('client', 'session')):
            wp = weirpool(databases={'app': dict(host='127.0.0.1', port=pg)}, mysql_databases={'myapp': dict(host='127.0.0.1', port=mysql, dbname='app')},
                          userlist=dict(app='app', admin='admin'), server_proxy_protocol=how, pool_mode=mode)
            with wp.raw() as r, wp.my(db='myapp') as m:
                assert r.one('select 1') == m.one('select 1') == '1'
                assert 'MariaDB' in m.greeting.version
                r.send(rawpg.query('select pg_sleep(60)'))
                eventually(lambda: pg15.query("select count(*) from pg_stat_activity where query like 'select pg_sleep%'")[0][0])
                with socket.create_connection(('127.0.0.1', wp.port), 10) as s:
                    s.sendall(rawpg.cancel_request(*r.key))
                assert any(x.type == 'E' and x.fields['C'] == '57014' for x in r.until_ready())
                m.command(my.query('select sleep(60)'))
                eventually(lambda: maria1011.query("select count(*) from information_schema.processlist where info like 'select sleep%'")[0][0])
                with wp.my(db='myapp') as k:
                    k.do('kill query %d' % m.greeting.id)
                assert m.result().error.errno == 1317
    finally:
        p.terminate()
        p.wait(10)


def test_a_client_is_named_in_session_mode_only(proxied, weirpool):
    wp = weirpool(proxied, server_proxy_protocol='client', pool_mode='transaction')
    wp.wait_log('server_proxy_protocol=client without pool_mode=session names nobody')
    with wp.my() as a, wp.my() as b:
        assert a.one('select 1') == b.one('select 1') == '1'
        eventually(lambda: len(hosts(proxied)) == 1)  # (others' are ending)
        assert not hosts(proxied) & {'127.0.0.1:%d' % r.sock.getsockname()[1] for r in (a, b)}
