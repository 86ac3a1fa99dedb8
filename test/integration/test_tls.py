"""TLS on both sides: every sslmode, direct TLS, bytes stuffed before the handshake, changed certificates."""
import contextlib
import os
import random
import socket
import ssl
import subprocess

import psycopg
import pytest
import rawpg
from fakepg import FakeServer, error, welcome
from rawpg import Raw
from servers import HERE, SID, TEST_USER, eventually


@pytest.fixture
def tls(weirpool, pg15, certs):
    """weirpool with a certificate; options on top."""
    def start(mode='allow', **kw):
        return weirpool(pg15, **dict(dict(client_tls_sslmode=mode, client_tls_cert_file=certs.crt('server'),
                                          client_tls_key_file=certs.key('server')), **kw))
    return start


def answer_to_ssl_request(wp):
    with wp.bare() as r:
        r.send(rawpg.ssl_request())
        return r.recv_exact(1)


@pytest.mark.parametrize('mode', ['disable', 'allow', 'prefer', 'require'])
def test_client_sslmodes(tls, mode):
    wp = tls(mode)
    assert answer_to_ssl_request(wp) == (b'N' if mode == 'disable' else b'S')
    if mode != 'disable':
        with wp.bare() as r:
            r.start_tls().login()
            assert r.one('select 1') == '1'
    if mode == 'require':
        with pytest.raises(rawpg.PgError) as e:
            wp.raw()
        assert e.value.sqlstate in ('28000', '08P01') and ('SSL' in e.value.message or 'TLS' in e.value.message)
    else:
        assert wp.usable()


@pytest.mark.parametrize('mode', ['verify-ca', 'verify-full'])
def test_client_certificates(tls, certs, mode):
    wp = tls(mode, client_tls_ca_file=certs.crt('ca'))
    ok = Raw(wp.port).start_tls(rawpg.tls_context(cert=certs.crt('app'), key=certs.key('app')))
    ok.login()
    assert ok.one('select 1') == '1'
    for who in (None, 'app-otherca'):
        with pytest.raises((rawpg.Closed, rawpg.PgError, OSError)):
            r = Raw(wp.port).start_tls(rawpg.tls_context(cert=certs.crt(who) if who else None,
                                                         key=certs.key(who) if who else None))
            r.login()
    assert ok.one('select 2') == '2'


@pytest.mark.parametrize('sslmode,root,host,ok', [
    ('require', None, '127.0.0.1', True), ('verify-ca', 'ca', '127.0.0.1', True), ('verify-full', 'ca', 'localhost', True),
    ('verify-full', 'ca', '127.0.0.1', True), ('verify-ca', 'otherca', '127.0.0.1', False), ('prefer', None, '127.0.0.1', True),
])
def test_libpq_modes(tls, certs, sslmode, root, host, ok):
    wp = tls()
    kw = dict(sslmode=sslmode, host=host, hostaddr='127.0.0.1')
    if root:
        kw['sslrootcert'] = certs.crt(root)
    if ok:
        with psycopg.connect(wp.dsn(**kw), autocommit=True) as c:
            assert c.execute('select 1').fetchone() == (1,)
            assert c.pgconn.ssl_in_use
    else:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(wp.dsn(**kw))


# --- direct TLS
def test_direct_tls(tls):
    wp = tls()
    with wp.bare() as r:
        r.wrap(rawpg.tls_context(alpn=True)).login()
        assert r.sock.selected_alpn_protocol() == 'postgresql'
        assert r.one('select 1') == '1'


def test_direct_tls_needs_alpn(tls):
    """PostgreSQL docs, SSL Session Encryption: without ALPN a direct connection is refused."""
    wp = tls()
    with pytest.raises((rawpg.Closed, rawpg.PgError, OSError)):
        r = wp.bare()
        r.wrap(rawpg.tls_context()).login()
    c = rawpg.tls_context()
    c.set_alpn_protocols(['http/1.1'])
    with pytest.raises((rawpg.Closed, rawpg.PgError, OSError)):
        r = wp.bare()
        r.wrap(c).login()
    assert wp.usable()


def test_direct_tls_by_libpq18(tls):
    wp = tls()
    out = subprocess.run([str(HERE / 'run-in-sid'), '-u', TEST_USER, str(SID), 'env', 'PGPASSWORD=app', 'HOME=/nonexistent', 'psql', '-XAtq',
                          'host=127.0.0.1 port=%d user=app dbname=app sslmode=require sslnegotiation=direct' % wp.port,
                          '-c', 'select 42'], cwd='/tmp', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert out.stdout == '42\n', out.stdout


def test_direct_tls_when_disabled(weirpool, pg15):
    wp = weirpool(pg15, client_tls_sslmode='disable')
    with pytest.raises((rawpg.Closed, OSError)):
        wp.bare().wrap(rawpg.tls_context(alpn=True))
    assert wp.usable()


def test_direct_tls_byte_by_byte(tls):
    """The first byte alone must not decide before there are enough, and must not be lost."""
    wp = tls()
    r = wp.bare()
    inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = rawpg.tls_context(alpn=True).wrap_bio(inc, out, server_hostname='localhost')
    done = False
    while not done:
        try:
            o.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        data = out.read()
        for i in range(len(data)):
            r.sock.sendall(data[i:i + 1])
        if not done:
            inc.write(r.sock.recv(65536))
    o.write(rawpg.startup({'user': 'app', 'database': 'app'}))
    r.send_slowly(out.read())
    while True:
        try:
            first = o.read(1)
            break
        except ssl.SSLWantReadError:
            inc.write(r.sock.recv(65536))
    assert first == b'R'


# --- what must not be
@pytest.mark.parametrize('extra', [rawpg.startup({'user': 'app', 'database': 'app'}), rawpg.query('select 1'), b'\0', b'x' * 3000])
def test_bytes_behind_ssl_request(tls, extra):
    """CVE-2021-3935: what came in plain text behind the request must not be used, nor forgotten: the end."""
    wp = tls()
    r = wp.bare()
    r.send(rawpg.ssl_request() + extra)
    got = r.expect_closed_raw()
    assert b'R\0\0\0' not in got and b'Z\0\0\0\5' not in got
    assert wp.usable()


@pytest.mark.parametrize('extra', [rawpg.startup({'user': 'app', 'database': 'app'}), rawpg.ssl_request()])
def test_bytes_behind_gssenc_request(tls, extra):
    """Refused with N, the plain bytes behind it are not an answer to it: either the end or a plain login, never TLS
    with stale bytes."""
    wp = tls()
    r = wp.bare(timeout=3)
    r.send(rawpg.gssenc_request() + extra)
    try:
        got = r.expect_closed_raw(2)
    except AssertionError:
        got = b''
    assert b'Z\0\0\0\5' not in got
    assert wp.usable()


def test_only_one_request_each(tls):
    """PostgreSQL CVE-2026-6479: no endless negotiation."""
    wp = tls('disable')
    for packet in (rawpg.ssl_request(), rawpg.gssenc_request()):
        r = wp.bare()
        r.send(packet)
        assert r.recv_exact(1) == b'N'
        r.send(packet)
        assert r.expect_closed_raw()[:1] != b'N'
    r = wp.bare()
    for packet in (rawpg.gssenc_request(), rawpg.ssl_request()):
        r.send(packet)
        assert r.recv_exact(1) == b'N'
    r.login()
    assert r.one('select 1') == '1'


def test_ssl_request_inside_tls(tls):
    wp = tls()
    for start in ('request', 'direct'):
        r = wp.bare()
        if start == 'request':
            r.start_tls()
        else:
            r.wrap(rawpg.tls_context(alpn=True))
        r.send(rawpg.ssl_request())
        try:
            assert r.recv_exact(1) != b'S'
        except rawpg.Closed:
            pass
    assert wp.usable()


def send_and_close(r, data):
    r.send(data)
    with contextlib.suppress(OSError):
        r.sock.shutdown(socket.SHUT_WR)
    r.expect_closed_raw()


def test_garbage_instead_of_a_handshake(tls):
    wp = tls()
    for junk in (b'GET / HTTP/1.0\r\n\r\n', b'\x16\x03\x01\xff\xff' + b'j' * 1000, b'\0' * 100, random.Random(1).randbytes(500)):
        r = wp.bare()
        r.send(rawpg.ssl_request())
        assert r.recv_exact(1) == b'S'
        send_and_close(r, junk)
        send_and_close(wp.bare(), b'\x16' + junk)
    assert wp.usable()


def test_half_handshakes_time_out_and_cost_nobody(tls):
    wp = tls(client_login_timeout=5)
    half = []
    for _ in range(40):
        r = wp.bare()
        r.send(rawpg.ssl_request())
        assert r.recv_exact(1) == b'S'
        r.send(b'\x16\x03\x01\x02\0\x01')
        half.append(r)
    with wp.bare() as ok:
        ok.start_tls().login()
        assert ok.one('select 1') == '1'
    assert half[-1].quiet(0.01), 'it did not have to wait for their end'
    for r in half:
        r.expect_closed_raw(10)


# --- protocols, ciphers, big data
@pytest.mark.parametrize('protocols,client,ok', [
    ('secure', ssl.TLSVersion.TLSv1_3, True), ('secure', ssl.TLSVersion.TLSv1_2, True), ('tlsv1.3', ssl.TLSVersion.TLSv1_2, False),
    ('tlsv1.2', ssl.TLSVersion.TLSv1_3, False), ('tlsv1.2,tlsv1.3', ssl.TLSVersion.TLSv1_2, True), ('all', ssl.TLSVersion.TLSv1_3, True),
])
def test_protocol_versions(tls, protocols, client, ok):
    wp = tls(client_tls_protocols=protocols)
    c = rawpg.tls_context()
    c.minimum_version = c.maximum_version = client
    if ok:
        with wp.bare() as r:
            r.start_tls(c).login()
            assert r.one('select 1') == '1'
    else:
        with pytest.raises((OSError, rawpg.Closed)):
            wp.bare().start_tls(c)


def test_cipher_lists(tls):
    wp = tls(client_tls_protocols='tlsv1.2', client_tls_ciphers='ECDHE-ECDSA-AES256-GCM-SHA384')
    with wp.bare() as r:
        r.start_tls()
        assert r.sock.cipher()[0] == 'ECDHE-ECDSA-AES256-GCM-SHA384'
    c = rawpg.tls_context()
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    c.set_ciphers('ECDHE-ECDSA-AES128-GCM-SHA256')
    with pytest.raises((OSError, rawpg.Closed)):
        wp.bare().start_tls(c)
    wp = tls(client_tls13_ciphers='TLS_CHACHA20_POLY1305_SHA256')
    with wp.bare() as r:
        r.start_tls()
        assert r.sock.cipher()[0] == 'TLS_CHACHA20_POLY1305_SHA256'


@pytest.mark.parametrize('wrong', [dict(client_tls_cert_file='/nonexistent'), dict(client_tls_ciphers='NOSUCH'),
                                   dict(client_tls_protocols='tlsv9')], ids=['cert', 'cipher', 'protocol'])
def test_bad_tls_options_are_told(tls, wrong):
    wp = tls(wait=False, **wrong)
    wp.exit_codes = (1,)
    assert wp.wait(20) == 1
    (name, value), = wrong.items()
    assert name in wp.log() or value in wp.log()


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=['1.2', '1.3'])
def test_large_data_both_ways(tls, version):
    wp = tls()
    c = rawpg.tls_context()
    c.minimum_version = c.maximum_version = version
    r = wp.bare(timeout=40).start_tls(c)
    r.login()
    big = 'x' * 5_000_000
    assert r.one("select length('%s')" % big) == str(len(big))
    assert len(r.one("select repeat('0123456789', 3000000)")) == 30_000_000
    r.send(b''.join(rawpg.batch("select '%d'" % i) + rawpg.sync() for i in range(500)))
    assert len(rawpg.rows(r.until_ready(500))) == 500
    assert r.one('select 1') == '1'


def test_tls_to_both_sides(tls):
    wp = tls(server_tls_sslmode='require')
    with wp.bare() as r:
        r.start_tls().login()
        assert r.one('select ssl from pg_stat_ssl where pid = pg_backend_pid()') == 't'
        assert len(r.one("select repeat('a', 10000000)")) == 10_000_000
        assert r.one("select length('%s')" % ('b' * 3_000_000)) == '3000000'


def test_many_tls_clients_share_links(tls):
    wp = tls(default_pool_size=2, workers=2)
    clients = []
    for _ in range(20):
        r = wp.bare().start_tls()
        r.login()
        clients.append(r)
    for k in range(5):
        for i, r in enumerate(clients):
            assert r.one("select '%d-%d'" % (i, k)) == '%d-%d' % (i, k)


def test_tls_client_leaves_without_close_notify(tls):
    wp = tls(default_pool_size=1, query_wait_timeout=10)
    r = wp.bare().start_tls()
    r.login()
    r.simple('begin')
    s = socket.socket(fileno=os.dup(r.sock.fileno()))
    s.shutdown(socket.SHUT_RDWR)
    s.close()
    assert wp.usable()


def test_show_clients_tells_the_cipher(tls):
    wp = tls()
    with wp.bare() as r:
        r.start_tls().login()
        row = [c for c in wp.admin('SHOW CLIENTS') if c['database'] == 'app'][0]
        assert 'TLSv1.3' in row['tls'] and r.sock.cipher()[0] in row['tls']
    with wp.raw():
        row = [c for c in wp.admin('SHOW CLIENTS') if c['database'] == 'app' and not c['tls']]
        assert len(row) == 1


# --- toward the server
@pytest.mark.parametrize('mode,ca,host,ok', [
    ('disable', None, '127.0.0.1', 'plain'), ('allow', None, '127.0.0.1', 'plain'), ('prefer', None, '127.0.0.1', 'tls'),
    ('require', None, '127.0.0.1', 'tls'), ('verify-ca', 'ca', '127.0.0.1', 'tls'), ('verify-full', 'ca', 'localhost', 'tls'),
    ('verify-full', 'ca', '127.0.0.1', 'tls'), ('verify-ca', 'otherca', '127.0.0.1', None),
])
def test_server_sslmodes(weirpool, pg15, certs, mode, ca, host, ok):
    opts = dict(server_tls_sslmode=mode, query_wait_timeout=2)
    if ca:
        opts['server_tls_ca_file'] = certs.crt(ca)
    wp = weirpool(databases={'app': dict(host=host, port=pg15.port, dbname='app')}, **opts)
    if ok is None:
        with pytest.raises((rawpg.PgError, rawpg.Closed)):
            wp.raw().q('select 1')
        eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 0)  # (others' are ending)
    else:
        with wp.raw() as r:
            used = r.one('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
            assert used == ('t' if ok == 'tls' else 'f') or mode == 'allow'


def tls_fake(certs, name):
    """A server with the certificate of that name."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(certs.crt(name), certs.key(name))

    def handler(conn):
        code, _ = conn.read_startup()
        if code == 80877103:
            conn.send(b'S')
            conn.sock = ctx.wrap_socket(conn.sock, server_side=True)
            conn.read_startup()
        conn.send(welcome())
        conn.serve(b'reached')
    return FakeServer(handler)


@pytest.mark.parametrize('mode,cert,ok', [('verify-full', 'elsewhere', False), ('verify-ca', 'elsewhere', True),
                                          ('verify-full', 'server', True), ('require', 'app-otherca', True)])
def test_server_name_is_checked(weirpool, certs, mode, cert, ok):
    with tls_fake(certs, cert) as fake:
        wp = weirpool(databases={'app': dict(host='localhost', port=fake.port)}, server_tls_sslmode=mode,
                      server_tls_ca_file=certs.crt('ca') if mode.startswith('verify') else None, query_wait_timeout=2)
        if ok:
            assert wp.raw().q('select 1') == [('reached',)]
        else:
            with pytest.raises((rawpg.PgError, rawpg.Closed)):
                wp.raw().q('select 1')


@pytest.mark.parametrize('mode', ['require', 'verify-ca', 'verify-full'])
def test_server_without_tls_is_refused(weirpool, certs, mode):
    def handler(conn):
        conn.login()
        conn.serve()
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, server_tls_sslmode=mode,
                      server_tls_ca_file=certs.crt('ca'), query_wait_timeout=2)
        with pytest.raises((rawpg.PgError, rawpg.Closed)):
            wp.raw().q('select 1')


@pytest.mark.parametrize('stuffed', [b'S' + welcome(), b'S' + error('XX000', 'hello in plain text', 'FATAL'), b'S' + b'\x16'])
def test_server_that_stuffs_behind_its_s(weirpool, stuffed):
    """The same hole from the other side: plain bytes behind the server's S must end the connection."""
    def handler(conn):
        conn.read_startup()
        conn.send(stuffed)
        conn.sock.settimeout(2)
        conn.serve()
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, server_tls_sslmode='require', query_wait_timeout=2)
        with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
            wp.raw().q('select 1')
        assert 'hello in plain text' not in str(e.value)
        assert wp.alive()


def test_server_error_before_tls_is_not_believed(weirpool):
    """CVE-2024-10977: text of an unauthenticated server must not reach the client as if it were true."""
    def handler(conn):
        conn.read_startup()
        conn.send(error('28000', 'please send your password to evil.example', 'FATAL'))
    with FakeServer(handler) as fake:
        wp = weirpool(databases={'app': dict(host=fake.host, port=fake.port)}, server_tls_sslmode='require', query_wait_timeout=2)
        with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
            wp.raw().q('select 1')
        assert 'evil.example' not in str(e.value)


def test_a_server_that_is_not_to_be_trusted_is_named(weirpool, pg15, certs):
    """To the client that waited, and in the log."""
    wp = weirpool(pg15, server_tls_sslmode='verify-full', server_tls_ca_file=certs.crt('otherca'), query_wait_timeout=2)
    with pytest.raises(rawpg.PgError) as e:
        wp.raw().q('select 1')
    why = 'cannot connect to server %s:%d: TLS handshake failed: certificate verify failed: ' % (pg15.host, pg15.port)
    assert e.value.fields['D'].startswith(why), e.value.fields
    wp.wait_log('W3003 .*' + why)


def test_client_certificate_to_the_server(weirpool, pg15, certs):
    """Role appcert gets in with a certificate only."""
    wp = weirpool(pg15, auth_type='trust', userlist={'appcert': ''}, server_tls_sslmode='verify-full',
                  server_tls_ca_file=certs.crt('ca'), server_tls_cert_file=certs.crt('appcert'),
                  server_tls_key_file=certs.key('appcert'))
    with wp.raw('appcert') as r:
        assert r.one('select current_user') == 'appcert'


# --- changed certificates
def serial_of(wp):
    with wp.bare() as r:
        r.start_tls()
        return r.sock.getpeercert(True)


def test_reload_of_changed_certificates(weirpool, pg15, certs):
    wp = weirpool(pg15, wait=True)
    paths = {}
    for n in ('crt', 'key'):
        paths[n] = wp.put('live.' + n, open(certs.path('server.' + n)).read())
    wp.reload(client_tls_sslmode='allow', client_tls_cert_file=paths['crt'], client_tls_key_file=paths['key'])
    old = serial_of(wp)
    stays = wp.bare().start_tls()
    stays.login()
    for n in ('crt', 'key'):
        wp.put('live.' + n, open(certs.path('server2.' + n)).read())
    wp.admin('RELOAD')
    eventually(lambda: serial_of(wp) != old)
    assert stays.one("select 'old connection lives'") == 'old connection lives'


def test_broken_certificate_on_reload_keeps_the_old(weirpool, pg15, certs):
    wp = weirpool(pg15)
    paths = {n: wp.put('live.' + n, open(certs.path('server.' + n)).read()) for n in ('crt', 'key')}
    wp.reload(client_tls_sslmode='require', client_tls_cert_file=paths['crt'], client_tls_key_file=paths['key'])
    old = serial_of(wp)
    wp.put('live.crt', 'this is no certificate\n')
    with pytest.raises(rawpg.PgError):
        r = wp.bare().start_tls()
        r.login('admin', 'weirpool', 'admin')
        for m in r.simple('RELOAD'):
            if m.type == 'E':
                raise rawpg.PgError(m.fields)
    assert serial_of(wp) == old


def test_tls_session_is_resumed(tls):
    """Churn is cheaper when the second handshake resumes the first."""
    wp = tls()
    ctx = rawpg.tls_context()
    r = wp.bare().start_tls(ctx)
    r.login()
    session = r.sock.session
    r.bye()
    s = Raw(wp.port)
    s.send(rawpg.ssl_request())
    assert s.recv_exact(1) == b'S'
    s.sock = ctx.wrap_socket(s.sock, server_hostname='localhost', session=session)
    s.login()
    assert s.sock.session_reused
    assert s.one('select 1') == '1'


def test_cancel_over_tls(tls, pg15):
    """A cancel request is answered by closing, over TLS too (libpq 17 and later send it so)."""
    wp = tls()
    a = wp.bare().start_tls()
    a.login()
    a.send(rawpg.query('select pg_sleep(20)'))
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep(20)%'") == 1)
    c = wp.bare().start_tls()
    c.send(rawpg.cancel_request(*a.key))
    c.expect_closed_raw()
    assert [e['C'] for e in rawpg.errors(a.until_ready())] == ['57014']
