"""Each row of the table of security history in our notes is a test here, or names the test that covers it.

Where a row is tested more fully elsewhere, the test here is the short form of it: this file is the list to read."""
import hashlib
import os
import re
import struct
import threading
import time

import pytest
import rawpg
from fakepg import FakeServer, auth_ok, error, key_data, msg, parameter, ready, reply_to_query, welcome
from rawpg import Raw, Scram, startup
from servers import eventually
from weir import CONSOLE

P = {'user': 'app', 'database': 'app'}


@pytest.fixture
def wp(weirpool, pg15):
    return weirpool(pg15, query_wait_timeout=3)


def fake(weirpool, handler, **kw):
    f = FakeServer(handler)
    kw.setdefault('query_wait_timeout', 2)
    return f, weirpool(databases={'app': dict(host=f.host, port=f.port)}, **kw)


def try_query(wp, sql='select 1', user='app'):
    """Rows, or None when it was refused in any way."""
    try:
        with wp.raw(user) as r:
            return r.q(sql)
    except (rawpg.PgError, rawpg.Closed, OSError):
        return None


# --- clients
@pytest.mark.parametrize('n', [64, 128, 8000, 9990, 65000])
def test_cve_2012_4575_long_names(weirpool, pg15, n):
    wp = weirpool(pg15, databases={'*': dict(host=pg15.host, port=pg15.port)}, query_wait_timeout=2)
    for user, db in (('x' * n, 'app'), ('app', 'x' * n), ('x' * n, 'x' * n)):
        with pytest.raises((rawpg.PgError, rawpg.Closed, OSError)):
            wp.raw(user, db, 'app').q('select 1')
    assert wp.usable()


def test_cve_2015_4054_order_before_login(wp):
    for packets in (rawpg.password('x'), rawpg.query('select 1'), rawpg.sync(), rawpg.terminate(),
                    startup(P) + rawpg.query('select 1'), startup(P) + startup(P), startup(P) + rawpg.ssl_request(),
                    startup(P) + rawpg.cancel_request(1, b'abcd'), rawpg.sasl_response(b'x'), startup(P) + rawpg.sasl_response(b'x')):
        r = wp.bare(timeout=5)
        r.send(packets)
        try:
            r.sock.shutdown(1)
        except OSError:
            pass
        assert b'Z\0\0\0\5' not in r.expect_closed_raw()
    assert wp.usable()


@pytest.mark.parametrize('method', ['plain', 'md5', 'scram-sha-256', 'cert', 'hba'])
def test_cve_2015_6817_unknown_user_becomes_auth_user(weirpool, pg15, certs, method):
    kw = dict(auth_type=method)
    if method == 'cert':
        kw.update(client_tls_sslmode='verify-full', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'),
                  client_tls_ca_file=certs.crt('ca'))
    if method == 'hba':
        kw = dict(hba='host all all 127.0.0.1/32 scram-sha-256\n')
    wp = weirpool(pg15, auth_user='super', **kw)
    for user in ('ghost', '', 'super\0x'):
        for secret in ('', 'super', 'ghost'):
            r = wp.bare()
            if method == 'cert':
                r.start_tls(rawpg.tls_context(cert=certs.crt('nobody'), key=certs.key('nobody')))
            with pytest.raises((rawpg.PgError, rawpg.Closed, OSError)):
                r.login(user, 'app', secret)


@pytest.mark.parametrize('extra', [startup(P), rawpg.query('drop table t'), b'\x16\x03\x01'])
def test_cve_2021_3935_bytes_behind_ssl_request(weirpool, pg15, certs, extra):
    wp = weirpool(pg15, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'),
                  auth_type='trust')
    r = wp.bare()
    r.send(rawpg.ssl_request() + extra)
    got = r.expect_closed_raw()
    assert b'R\0\0\0' not in got
    assert wp.usable()


def test_cve_2021_43767_bytes_behind_the_servers_s(weirpool):
    def handler(conn):
        conn.read_startup()
        conn.send(b'S' + welcome())
        conn.serve()
    f, wp = fake(weirpool, handler, server_tls_sslmode='prefer')
    assert try_query(wp) is None
    f.close()


@pytest.mark.parametrize('what', ['CONFIG', 'DATABASES', 'USERS', 'CLIENTS', 'SERVERS', 'SOCKETS', 'PEERS', 'MEM', 'POOLS', 'LISTS'])
def test_cve_2023_22332_show_tells_no_secret(weirpool, pg15, what):
    wp = weirpool(pg15, userlist={'app': 'app', 'admin': 'hush-admin', 'stats': 'hush-stats'},
                  databases={'f': dict(host=pg15.host, port=pg15.port, dbname='app', user='app2', password='hush-db')})
    with wp.raw('stats', CONSOLE, 'hush-stats') as r:
        assert 'hush-' not in str([m.body for m in r.simple('SHOW ' + what)])
        assert rawpg.errors(r.simple('SHOW FDS'))


def test_cve_2024_45624_no_rows_of_another_role(weirpool, pg15):
    """Pools are apart by user: a role's links are never another's."""
    wp = weirpool(pg15, default_pool_size=1)
    clients = {u: wp.raw(u, 'app') for u in ('app', 'app2', 'appmd5', 'super')}
    for _ in range(5):
        for u, c in clients.items():
            assert c.q('select current_user, session_user') == [(u, u)]
            c.send(rawpg.parse('same', 'select current_user') + rawpg.close('S', 'same') + rawpg.sync()).until_ready()


def test_cve_2025_46801_no_proof_no_login(weirpool, pg15):
    """With cached or known secrets of others: every method, the wrong proof, no proof, another's proof."""
    for method in ('plain', 'md5', 'scram-sha-256'):
        wp = weirpool(pg15, auth_type=method)
        assert wp.usable()
        for packets in ([], [rawpg.query('select 1')], [rawpg.password('')], [rawpg.password('app2')], [rawpg.sasl_response(b'')],
                        [rawpg.sasl_initial('SCRAM-SHA-256', b'n,,n=,r=x'), rawpg.sasl_response(b'c=biws,r=x,p=')],
                        [rawpg.password('md5' + '0' * 32)], [auth_ok()]):
            r = wp.bare(timeout=5)
            r.send(startup(P))
            r.recv()
            got = b''
            try:
                for p in packets:
                    r.send(p)
                r.sock.shutdown(1)
                got = r.expect_closed_raw()
            except OSError:
                pass
            assert b'R\0\0\0\x08\0\0\0\0' not in got, (method, packets)


def test_cve_2024_10977_errors_before_tls(weirpool):
    def handler(conn):
        conn.read_startup()
        conn.send(error('28000', 'your password expired, visit evil.example', 'FATAL'))
    f, wp = fake(weirpool, handler, server_tls_sslmode='require')
    with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
        wp.raw().q('select 1')
    assert 'evil.example' not in str(e.value)
    f.close()


def test_cve_2025_2291_valid_until(weirpool, pg15):
    with pg15.connect() as c:
        c.execute("drop role if exists gone; create role gone login password 'gone' valid until '2020-01-01'")
    wp = weirpool(pg15, auth_user='super')
    with pytest.raises(rawpg.PgError) as e:
        wp.raw('gone', secret='gone')
    assert e.value.sqlstate == '28P01'
    wp = weirpool(pg15, auth_user='super', section='pgbouncer')
    with pytest.raises(rawpg.PgError):
        wp.raw('gone', secret='gone')


@pytest.mark.parametrize('params', [{'search_path': 'evil12819'}, {'options': '-c search_path=evil12819'},
                                    {'options': '--search-path=evil12819,pg_catalog'}])
def test_cve_2025_12819_search_path_of_auth_query(weirpool, pg15, params):
    with pg15.connect('app') as c:
        c.execute('drop schema if exists evil12819 cascade; create schema evil12819; grant usage on schema evil12819 to public;'
                  'create table evil12819.seen (what text); grant all on evil12819.seen to public;'
                  'create function evil12819.eq(name, text) returns bool language plpgsql security definer as'
                  " $$ begin insert into evil12819.seen values ('hijacked'); return true; end $$;"
                  'create operator evil12819.= (leftarg = name, rightarg = text, function = evil12819.eq);'
                  'create function evil12819.lt(timestamptz, timestamptz) returns bool language plpgsql security definer as'
                  " $$ begin insert into evil12819.seen values ('hijacked'); return false; end $$;"
                  'create operator evil12819.< (leftarg = timestamptz, rightarg = timestamptz, function = evil12819.lt);'
                  "drop role if exists pathvictim; create role pathvictim login password 'pv'")
    for track in (None, 'IntervalStyle, search_path'):
        wp = weirpool(pg15, auth_user='super', track_extra_parameters=track)
        for secret in ('pv', 'wrong'):
            try:
                wp.raw('pathvictim', secret=secret, params=params)
            except (rawpg.PgError, rawpg.Closed):
                pass
        assert pg15.query('select * from evil12819.seen', dbname='app') == []


@pytest.mark.parametrize('length', [0, 3, 4, 5, 8, 2**16, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize('where', ['frame', 'inner'])
def test_cve_2026_6664_lengths_in_sasl_packets(wp, where, length):
    r = wp.bare(timeout=5)
    r.send(startup(P))
    assert r.recv().auth == 10
    data = Scram('x').first()
    if where == 'frame':
        r.send(b'p' + struct.pack('!I', length) + b'SCRAM-SHA-256\0' + struct.pack('!I', len(data)) + data)
    else:
        r.send(rawpg.msg('p', b'SCRAM-SHA-256\0' + struct.pack('!I', length) + data))
    try:
        r.sock.shutdown(1)
        got = r.expect_closed_raw()
        assert b'R\0\0\0\x08\0\0\0\0' not in got
    except OSError:
        pass
    assert wp.alive() and wp.usable()


def sasl_server(reply):
    """A server that asks for SCRAM and answers client-first with reply(client_first)."""
    def handler(conn):
        code, _ = conn.read_startup()
        while code in (80877103, 80877104):
            conn.send(b'N')
            code, _ = conn.read_startup()
        conn.send(msg('R', struct.pack('!I', 10) + b'SCRAM-SHA-256\0\0'))
        kind, body = conn.read_msg()
        first = body[body.index(b'\0') + 5:]
        for m in reply(first):
            conn.send(m)
        conn.serve()
    return handler


def nonce_of(first):
    return re.search(rb'r=([^,]*)', first).group(1)


def r11(data):
    return msg('R', struct.pack('!I', 11) + data)


SALT = b'c2FsdHNhbHQ='


@pytest.mark.parametrize('reply', [
    lambda f: [r11(b'r=' + nonce_of(f) + b'A' * 5000 + b',s=' + SALT + b',i=4096')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'A' * 100000 + b',s=' + SALT + b',i=4096')],
    lambda f: [r11(b'r=' + nonce_of(f) + b',s=' + SALT + b',i=4096')],
    lambda f: [r11(b'r=other,s=' + SALT + b',i=4096')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=' + SALT + b',i=0')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=' + SALT + b',i=-1')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=' + SALT + b',i=99999999999999999999')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=,i=4096')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=***,i=4096')],
    lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=' + b'QUFB' * 50000 + b',i=4096')],
    lambda f: [r11(b'')], lambda f: [r11(b'\xff' * 200)], lambda f: [r11(b'e=other-error')],
    lambda f: [msg('R', struct.pack('!I', 12) + b'v=AAAA')],
    lambda f: [auth_ok(), parameter('server_version', '15'), key_data(), ready()],
    lambda f: [msg('R', b'')], lambda f: [msg('R', b'\0\0\0')], lambda f: [msg('R', struct.pack('!I', 99))],
    lambda f: [msg('R', struct.pack('!I', 10) + b'SCRAM-SHA-256\0\0')], lambda f: [b'R\0\0\0\0'], lambda f: [b'R\xff\xff\xff\xff'],
    lambda f: [b'R\x7f\xff\xff\xff' + b'x' * 100],
], ids=range(22))
def test_cve_2026_6665_hostile_server_in_sasl(weirpool, reply):
    """Including a server that skips the proof of its own: the handshake must end with its signature."""
    f, wp = fake(weirpool, sasl_server(reply))
    assert try_query(wp) is None
    assert wp.alive() and not f.errors
    f.close()


def test_iterations_of_a_server_are_capped(weirpool):
    """pgagroal's bug: PBKDF2 with as many rounds as the peer says. Other clients must not wait for it."""
    f, wp = fake(weirpool, sasl_server(lambda f: [r11(b'r=' + nonce_of(f) + b'x,s=' + SALT + b',i=2000000000')]), query_wait_timeout=3)
    a = wp.bare()
    a.send(startup(P))
    time.sleep(0.5)
    t = time.monotonic()
    assert wp.admin('SHOW VERSION')
    assert time.monotonic() - t < 10
    f.close()


@pytest.mark.parametrize('body', [
    b'', b'\0', b'SERROR\0\0', b'SERROR\0Mno code\0\0', b'C\0M\0\0', b'SFATAL\0C28000\0', b'M' + b'x' * 100000 + b'\0\0',
    b'SERROR\0C' + b'9' * 5000 + b'\0Mlong\0\0', b'SERROR\0SERROR\0C1\0C2\0M1\0M2\0\0', b'\xff\xfe\xfd\0\0',
    b'SERROR\0VERROR\0C57014\0M' + b'%s%n%d' * 50 + b'\0\0', b'SERROR\0C57014\0Mbad \xff\xfe utf\0\0', b'SFATAL\0CXX000\0Mnew\nline\0\0',
], ids=range(13))
@pytest.mark.parametrize('when', ['login', 'query', 'idle'])
def test_cve_2026_6666_odd_error_responses(weirpool, when, body):
    def handler(conn):
        if when == 'login':
            code, _ = conn.read_startup()
            conn.send(msg('E', body))
            return
        conn.login()
        if when == 'idle':
            conn.send(msg('E', body))
        while True:
            kind, data = conn.read_msg()
            if kind == 'Q' and b'provoke' in data:
                conn.send(msg('E', body) + ready())
            elif kind == 'Q':
                conn.send(reply_to_query(data, b'fine'))
    f, wp = fake(weirpool, handler, query_wait_timeout=1)
    got = try_query(wp, "select 'provoke'")
    assert got is None or when == 'idle'
    assert wp.alive() and wp.admin('SHOW VERSION')
    assert '\nline' not in wp.log()
    f.close()


def test_cve_2026_6667_privileges_of_commands(wp):
    victim = wp.raw(params={'application_name': 'kill me not'})
    row = [r for r in wp.admin('SHOW CLIENTS', 'stats') if r['application_name'] == 'kill me not'][0]
    for c in ('KILL_CLIENT ' + row['ptr'], 'KILL_CLIENT ' + row['id'], 'KILL app', 'PAUSE', 'RELOAD', 'SHUTDOWN', 'SUSPEND', 'DISABLE app',
              'ENABLE app', 'RECONNECT', 'WAIT_CLOSE', 'RESUME', "SET query_timeout = '1'", 'SHOW FDS'):
        for send in ('simple', 'extended'):
            r = wp.raw('stats', CONSOLE)
            out = r.simple(c) if send == 'simple' else r.send(rawpg.batch(c) + rawpg.sync()).until_ready()
            assert 'admin access needed' in rawpg.errors(out)[0]['M'], c
            r.bye()
    assert victim.one('select 1') == '1'


@pytest.mark.parametrize('first', [b'n,,n=' + b'u' * n + b',r=' + b'r' * n for n in (100, 1000, 4000, 9900)] +
                         [b'n,,n=u,r=' + bytes(range(1, 256)), b'n,' + b'a=' + b'x' * 3000 + b',n=u,r=abcdefghijk'])
def test_odyssey_2026_05_client_first(wp, first):
    r = wp.bare(timeout=5)
    r.send(startup(P))
    r.recv()
    r.send(rawpg.sasl_initial('SCRAM-SHA-256', first))
    try:
        m = r.recv()
        if m.type == 'R':
            r.send(rawpg.sasl_response(b'c=biws,r=' + b'z' * 9000 + b',p=' + b'A' * 44))
            r.expect_closed_raw()
    except rawpg.Closed:
        pass
    assert wp.usable()


@pytest.mark.parametrize('size', [9000, 10001, 100000, 2**24, 2**31 - 5])
def test_pggat_big_lengths_before_login_take_no_memory(wp, size):
    before = wp.rss_kib()
    socks = []
    for _ in range(20):
        r = wp.bare(timeout=5)
        try:
            r.send(struct.pack('!II', size, 196608) + b'x' * 5000)
        except OSError:
            pass
        socks.append(r)
    time.sleep(0.2)
    assert wp.rss_kib() - before < 5000
    for r in socks:
        r.shut()
    for r in [wp.bare() for _ in range(10)]:
        r.send(startup(P))
        r.recv()
        r.send(b'p' + struct.pack('!I', size) + b'y' * 3000)
        socks.append(r)
    time.sleep(0.2)
    assert wp.rss_kib() - before < 6000
    for r in socks:
        r.shut()
    assert wp.usable()


def test_postgresql_cve_2026_6479_endless_negotiation(weirpool, pg15, certs):
    wp = weirpool(pg15, client_tls_sslmode='disable')
    r = wp.bare()
    n = 0
    try:
        for _ in range(1000):
            r.send(rawpg.ssl_request() if n % 2 else rawpg.gssenc_request())
            if r.recv_exact(1) != b'N':
                break
            n += 1
    except (rawpg.Closed, OSError):
        pass
    assert n <= 2
    assert wp.usable()


@pytest.mark.parametrize('n', [1023, 1024, 1025, 2048, 4096, 8192, 16384, 65535])
def test_password_sizes(weirpool, pg15, n):
    for method in ('plain', 'md5', 'scram-sha-256'):
        wp = weirpool(pg15, auth_type=method)
        with pytest.raises((rawpg.PgError, rawpg.Closed, OSError)):
            wp.raw(secret='p' * n)
        r = wp.bare()
        r.send(startup(P))
        r.recv()
        try:
            r.send_slowly(rawpg.msg('p', b'q' * 300 + b'\0'))
            r.expect_closed_raw()
        except OSError:
            pass
        assert wp.usable()


@pytest.mark.parametrize('n', [100, 1000, 10000])
def test_large_login_of_a_server(weirpool, n):
    """1.25.x: ParameterStatus and notices of any number and size, in pieces of one byte."""
    def handler(conn):
        conn.read_startup()
        data = auth_ok() + parameter('server_version', '15.0') + parameter('client_encoding', 'UTF8')
        data += b''.join(parameter('made.up%d' % i, 'v' * n) for i in range(20)) + key_data() + ready()
        for i in range(0, min(len(data), 2000)):
            conn.send(data[i:i + 1])
        conn.send(data[2000:])
        conn.serve(b'big login')
    f, wp = fake(weirpool, handler)
    assert try_query(wp) in ([('big login',)], None)
    assert wp.alive() and wp.admin('SHOW VERSION')
    f.close()


def test_repeated_startups_leak_nothing(wp):
    """1.25.x #1519: the buffer of protocol extensions."""
    def storm(n):
        for _ in range(n):
            r = wp.bare()
            r.send(startup(dict(P, **{'_pq_.option%d' % i: 'v' * 50 for i in range(20)}), 3, 9999))
            assert r.recv().type == 'v'
            r.shut()
    storm(300)
    before = wp.rss_kib()
    storm(3000)
    assert wp.rss_kib() - before < 1000


@pytest.mark.parametrize('kind', ['tcp', 'startup', 'tls', 'scram'])
def test_half_open_logins(weirpool, pg15, certs, kind):
    wp = weirpool(pg15, client_login_timeout=2, max_client_conn=500, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'),
                  client_tls_key_file=certs.key('server'))
    half = []
    for _ in range(100):
        r = wp.bare()
        if kind == 'startup':
            r.send(startup(P)[:12])
        elif kind == 'tls':
            r.send(rawpg.ssl_request())
            r.recv_exact(1)
            r.send(b'\x16\x03\x01\1\0')
        elif kind == 'scram':
            r.send(startup(P))
            r.recv()
            r.send(rawpg.sasl_initial('SCRAM-SHA-256', Scram('x').first()))
        half.append(r)
    t = time.monotonic()
    assert wp.usable()
    assert time.monotonic() - t < 20
    for r in half:
        r.expect_closed_raw(10)
    eventually(lambda: wp.fds() < 60)


# --- and what is worth a test besides
def test_cancel_keys_cannot_be_guessed(wp):
    a = wp.raw()
    a.send(rawpg.query('select pg_sleep(1.5)'))
    time.sleep(0.1)
    pid, key = a.key
    k = int.from_bytes(key, 'big')
    for d in list(range(-100, 0)) + list(range(1, 100)):        # the two lowest bits count the hops between peers
        c = wp.bare()
        c.send(rawpg.cancel_request(pid, ((k + 4 * d) % 2**32).to_bytes(4, 'big')))
        c.shut()
    assert not rawpg.errors(a.until_ready())


def test_log_injection(wp):
    for name in ('x\n2026-01-01 FATAL forged', 'x\r\nforged', 'x\x1b[31mred', 'x\x7f'):
        for kw in (dict(user=name), dict(dbname=name), dict(params={'application_name': name})):
            try:
                wp.raw(**dict(dict(secret='app'), **kw)).one('select 1')
            except (rawpg.PgError, rawpg.Closed):
                pass
    log = wp.log()
    assert '\n2026-01-01 FATAL forged' not in log and '\nforged' not in log and '\x1b' not in log
    try:
        wp.admin('SHOW CLIENTS\n; x')
    except rawpg.PgError:
        pass


def test_certificate_names(weirpool, pg15, certs):
    """A common name with a NUL or another's name in front is nobody's."""
    for cn in ('app.evil', 'evil/CN=app', 'APP', 'app '):
        name = 'odd' + hashlib.md5(cn.encode()).hexdigest()[:6]
        if not os.path.exists(certs.crt(name)):
            certs.issue(name, cn.replace('/', '\\/'))
        wp = weirpool(pg15, auth_type='cert', client_tls_sslmode='verify-full', client_tls_cert_file=certs.crt('server'),
                      client_tls_key_file=certs.key('server'), client_tls_ca_file=certs.crt('ca'))
        r = Raw(wp.port).start_tls(rawpg.tls_context(cert=certs.crt(name), key=certs.key(name)))
        with pytest.raises((rawpg.PgError, rawpg.Closed, OSError)):
            r.login('app', 'app')


def test_trust_with_an_empty_user(weirpool, pg15):
    for method in ('trust', 'any'):
        wp = weirpool(pg15, auth_type=method)
        for packet in (startup({'user': '', 'database': 'app'}), startup({'database': 'app'})):
            r = wp.bare(timeout=5)
            r.send(packet)
            r.sock.shutdown(1)
            assert b'Z\0\0\0\5' not in r.expect_closed_raw()
        assert wp.alive()


# --- a server that does not keep to the protocol
@pytest.mark.parametrize('surprise', [
    msg('D', struct.pack('!H', 0)), msg('C', b'SELECT 1\0'), ready(), ready() + ready(), msg('T', struct.pack('!H', 0)), msg('1'),
    msg('2'), msg('3'), msg('n'), msg('s'), msg('G', b'\0\0\0'), msg('H', b'\0\0\0'), msg('W', b'\0\0\0'), msg('c'), msg('d', b'x'),
    msg('R', struct.pack('!I', 0)), msg('R', struct.pack('!I', 3)), msg('K', bytes(8)), msg('V', bytes(4)), msg('t', bytes(2)),
    b'\0\0\0\0\0', b'Z\0\0\0\0', b'\xff' * 100, b'D\xff\xff\xff\xff', msg('Z', b''), msg('Z', b'X'), msg('S', b'x'), msg('A', b'\0'),
], ids=range(28))
def test_a_surprise_closes_the_link(weirpool, surprise):
    """Unasked bytes on an idle link: it is closed; the next client's answer is its own."""
    go, gone = threading.Event(), threading.Event()
    count = [0]

    def handler(conn):
        conn.login()
        count[0] += 1
        mine = count[0]
        while True:
            kind, data = conn.read_msg()
            if kind == 'Q' and b'first' in data:
                conn.send(reply_to_query(data, b'first'))
                if mine == 1:
                    go.wait(30)
                    conn.send(surprise)
                    gone.set()
            elif kind == 'Q':
                conn.send(reply_to_query(data, data.rstrip(b'\0').split(b"'")[1] if b"'" in data else b'?'))
    f, wp = fake(weirpool, handler, default_pool_size=1, server_check_query='', query_wait_timeout=10)
    a, b = wp.raw(), wp.raw()
    assert a.q("select 'first'") == [('first',)]
    link = wp.admin('SHOW SERVERS')[0]['ptr']
    go.set()
    assert gone.wait(30)
    if surprise[:1] != b'A':  # which servers may send at any time
        eventually(lambda: link not in [r['ptr'] for r in wp.admin('SHOW SERVERS')])
    for i in range(3):
        assert b.q("select 'b%d'" % i) == [('b%d' % i,)]
        assert a.q("select 'a%d'" % i) == [('a%d' % i,)]
    assert wp.alive()
    f.close()


@pytest.mark.parametrize('stray', [msg('C', b'SELECT 1\0') + ready(), ready(), msg('D', struct.pack('!HI', 1, 5) + b'wrong') + msg('C', b'X\0') +
                                   ready(), msg('1') + msg('2')], ids=['reply', 'ready', 'row', 'extended'])
def test_stray_reply_behind_an_answer(weirpool, stray):
    """The server answers twice: the second answer must never reach the next client."""
    def handler(conn):
        conn.login()
        while True:
            kind, data = conn.read_msg()
            if kind == 'Q':
                text = data.rstrip(b'\0').split(b"'")[1] if b"'" in data else b'?'
                conn.send(reply_to_query(data, text) + (stray if b'twice' in data else b''))
    f, wp = fake(weirpool, handler, default_pool_size=1, server_check_query='', query_wait_timeout=10)
    a, b = wp.raw(), wp.raw()
    for i in range(10):
        a.send(rawpg.query("select 'twice'"))
        b.send(rawpg.query("select 'b%d'" % i))
        try:
            assert rawpg.rows(a.until_ready())[:1] == [('twice',)]
        except rawpg.Closed:
            a = wp.raw()
        try:
            out = b.until_ready()
            assert rawpg.rows(out) == [('b%d' % i,)] or rawpg.errors(out)
        except rawpg.Closed as e:
            assert ('twice',) not in rawpg.rows(e.messages) and ('wrong',) not in rawpg.rows(e.messages)
            b = wp.raw()
    f.close()
