"""Logins of MySQL clients, and ours at MySQL and MariaDB servers: every authentication plugin on both sides, with real
clients and raw packets, over TCP, TLS and unix sockets; wrong passwords, cold caches, refused accounts."""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading

import pymysql
import pytest
import rawmy
from mysql_servers import TRIXIE
from rawmy import MyError, RawMy
from servers import HERE, SID, as_test_user, eventually, free_port
from test_auth_helper import Directory

# What servers stored for the password 'app': CREATE USER ... IDENTIFIED BY 'app' on MariaDB 10.11 and MySQL 9.7.
NATIVE_APP = '*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3'
SHA2_APP = bytes.fromhex('244124303035245D1661315E50502569156C351A6B1E1946747B65325537434F69615A6579466B4D7954686C684F5A464C57387548562F'
                         '3454737852394B354F7A4A55507538').decode()
SECRETS = {'plain': 'app', 'native': NATIVE_APP, 'sha2': SHA2_APP}


def proven(server, user='app'):
    """An entry whose links log in as that user, whatever the client's proof teaches."""
    return {'app': dict(host=server.host, port=server.port, dbname='app', user=user, password='app')}


def with_socket(wp):
    """The same one with a unix socket for MySQL's clients in its own directory."""
    wp.stop()
    wp.options['mysql_unix_socket'] = wp.dir / 'my.sock'
    wp.write()
    wp.start()
    return wp


def tls_options(certs, mode='allow'):
    return dict(client_tls_sslmode=mode, client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'))


def denied(e, user='app', host='127.0.0.1', password='YES'):
    """Is it what a real server says?"""
    text = "Access denied for user '%s'@'%s' (using password: %s)" % (user, host, password)
    return (e.errno, e.sqlstate, e.text) == (1045, '28000', text) or e.text


# --- command line clients
def cli(client, wp, *args, user='app', password='app', tcp=True, sql='select 1'):
    """Rows of a statement, as one line each; CalledProcessError has the message."""
    where = ['-h127.0.0.1', '-P%d' % wp.mysql_port] if tcp else ['-S', str(wp.options['mysql_unix_socket'])]
    argv = ['--no-defaults', *where, '-u' + user, *(['-p' + password] if password else []), '-BN', *args, '-e', sql]
    prog = {'mysql97': [str(HERE / 'run-in-sid'), str(SID), '/usr/bin/mysql'], 'maria1011': as_test_user(['/usr/bin/mariadb']),
            'maria118': [str(HERE / 'run-in-sid'), str(TRIXIE), '/usr/bin/mariadb']}[client]
    p = subprocess.run(prog + argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    if p.returncode:
        raise AssertionError(p.stderr)
    return p.stdout.split('\n')[:-1]


CLIENTS = ['mysql97', 'maria1011', 'maria118']
NO_TLS = {'mysql97': ['--ssl-mode=DISABLED'], 'maria1011': ['--skip-ssl'], 'maria118': ['--skip-ssl']}
TLS = {'mysql97': ['--ssl-mode=REQUIRED'], 'maria1011': ['--ssl'], 'maria118': ['--ssl', '--disable-ssl-verify-server-cert']}
WANT_KEY = {'mysql97': ['--get-server-public-key'], 'maria1011': [], 'maria118': []}


@pytest.mark.parametrize('client', CLIENTS)
@pytest.mark.parametrize('secret', SECRETS)
def test_command_line_clients(weirpool, anymy, certs, client, secret):
    """Each client with each kind of stored secret, over TCP, TLS and a unix socket."""
    wp = with_socket(weirpool(anymy, userlist=dict(app=SECRETS[secret]), **tls_options(certs), auth_type='md5',
                              mysql_databases=proven(anymy)))
    for args, tcp in ((NO_TLS[client] + WANT_KEY[client], True), (TLS[client], True), (NO_TLS[client], False)):
        assert cli(client, wp, *args, 'app', tcp=tcp, sql='select 7, database()') == ['7\tapp']
        with pytest.raises(AssertionError, match='1045.*Access denied for user .app.*using password: YES'):
            cli(client, wp, *args, 'app', tcp=tcp, password='wrong')
        with pytest.raises(AssertionError, match='1045.*Access denied for user .app.*using password: NO'):
            cli(client, wp, *args, 'app', tcp=tcp, password='')
        with pytest.raises(AssertionError, match='1045.*Access denied for user .nobody.*using password: YES'):
            cli(client, wp, *args, 'app', tcp=tcp, user='nobody')


@pytest.mark.parametrize('way', ['tcp', 'tls', 'unix'])
@pytest.mark.parametrize('secret', SECRETS)
def test_pymysql(weirpool, anymy, certs, secret, way):
    wp = with_socket(weirpool(anymy, userlist=dict(app=SECRETS[secret]), auth_type='md5', **tls_options(certs),
                              mysql_databases=proven(anymy)))
    kw = dict(unix_socket=str(wp.dir / 'my.sock')) if way == 'unix' else dict(host='127.0.0.1', port=wp.mysql_port)
    if way == 'tls':
        kw['ssl'] = dict(ca=certs.crt('ca'))
    with contextlib.closing(pymysql.connect(user='app', password='app', database='app', **kw)) as c, c.cursor() as k:
        k.execute('select database(), current_user()')
        assert k.fetchone() == ('app', 'app@%')
    with pytest.raises(pymysql.err.OperationalError) as e:
        pymysql.connect(user='app', password='wrong', database='app', **kw)
    host = 'localhost' if way == 'unix' else '127.0.0.1'
    assert e.value.args == (1045, "Access denied for user 'app'@'%s' (using password: YES)" % host)


# --- what a client may begin with
@pytest.mark.parametrize('begin', ['mysql_native_password', 'caching_sha2_password', 'mysql_clear_password', 'client_ed25519'])
@pytest.mark.parametrize('secret', SECRETS)
def test_a_client_is_switched_to_what_the_secret_allows(weirpool, anymy, certs, secret, begin):
    wp = weirpool(anymy, userlist=dict(app=SECRETS[secret]), auth_type='md5', mysql_databases=proven(anymy), **tls_options(certs))
    for tls in (False, True):
        if begin == 'mysql_clear_password' and not tls:
            continue                                 # (it would show its password to everybody)
        with RawMy(wp.mysql_port) as r:
            r.login(plugin=begin, tls=tls)
            assert r.one('select 5') == '5'
            if secret != 'plain':
                assert r.plugin == {'native': 'mysql_native_password', 'sha2': 'caching_sha2_password'}[secret]
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
            r.login(plugin=begin, tls=tls, secret='wrong')
        assert denied(e.value) is True


@pytest.mark.parametrize('auth_type', [None, 'scram-sha-256', 'md5', 'plain'])
@pytest.mark.parametrize('secret', SECRETS)
def test_the_secret_decides_whatever_auth_type_says(weirpool, anymy, certs, secret, auth_type):
    """Out of the box too; who names a plugin that will do is not asked for another one."""
    wp = weirpool(anymy, userlist=dict(app=SECRETS[secret]), auth_type=auth_type, mysql_databases=proven(anymy), **tls_options(certs))
    for begin in ('mysql_native_password', 'caching_sha2_password'):
        with RawMy(wp.mysql_port) as r:
            r.login(plugin=begin, tls=True)
            assert r.one('select 5') == '5'
            assert r.plugin == {'native': 'mysql_native_password', 'sha2': 'caching_sha2_password', 'plain': begin}[secret]
            if begin == r.plugin == r.greeting.plugin:
                assert not [s for s in r.auth_steps if s.startswith('switch')], r.auth_steps
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
            r.login(plugin=begin, tls=True, secret='wrong')
        assert denied(e.value) is True


@pytest.mark.parametrize('plugin', ['mysql_native_password', 'caching_sha2_password', 'client_ed25519'])
def test_a_user_without_a_password(weirpool, anymy, plugin):
    """An empty secret of auth_file is an empty password where the server is asked for that very user, and nowhere else."""
    forced = {'forced': dict(host=anymy.host, port=anymy.port, user='app', password='app', dbname='app')}
    wp = weirpool(anymy, userlist=dict(admin='admin', appempty='', app=''), mysql_databases=forced, admin_users='admin,appempty')
    for tcp in (RawMy(anymy.port, anymy.host), RawMy(wp.mysql_port)):
        with tcp as r:
            r.login('appempty', '', plugin=plugin)
            assert r.one('select current_user()') == 'appempty@%'
    for user, secret, db in (('appempty', 'x', 'app'), ('appempty', '', 'forced'), ('appempty', '', 'weirpool'), ('nobody', '', 'app')):
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
            r.login(user, secret, db, plugin=plugin)
        assert denied(e.value, user, password='YES' if secret else 'NO') is True, (user, db)
    e = refusal(wp, 'app', '')                       # (the server knows better)
    assert (e.errno, e.sqlstate) == (1045, '28000')


@pytest.mark.parametrize('secret', ['md545f2603610af569b6155c45067268c6b',
                                    'SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$Nzn8t4zvqgXkXLBGUVHbfDwmQDj8tYKI2oTbEPuqWkA=:'
                                    'Nzn8t4zvqgXkXLBGUVHbfDwmQDj8tYKI2oTbEPuqWkA='])
def test_secrets_of_postgresql_serve_nobody(weirpool, mysql97, secret):
    wp = weirpool(mysql97, userlist=dict(app=secret), auth_type='md5')
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login()
    assert denied(e.value) is True
    wp.wait_log('another kind than can serve here: (md5|SCRAM-SHA-256)')


def test_hashes_are_no_passwords_for_postgresql(weirpool, pg15, mysql97):
    """Who has read the auth_file must not get in with what stands in it."""
    wp = weirpool(pg15, mysql_databases={'my': dict(host=mysql97.host, port=mysql97.port, dbname='app')},
                  userlist=dict(app=NATIVE_APP, app2=SHA2_APP), auth_type='plain')
    for user, secret in (('app', NATIVE_APP), ('app2', SHA2_APP)):
        with pytest.raises(Exception, match='password authentication failed'):
            wp.raw(user, secret=secret)
        for plugin in ('mysql_native_password', 'caching_sha2_password'):
            with RawMy(wp.mysql_port) as r, pytest.raises(MyError):
                r.login(user, secret, 'my', plugin=plugin)


# --- trust and HBA
@pytest.mark.parametrize('plugin', ['mysql_native_password', 'caching_sha2_password', 'client_ed25519'])
def test_trust(weirpool, anymy, plugin):
    wp = weirpool(anymy, auth_type='trust')
    for secret in ('app', 'wrong', ''):
        with RawMy(wp.mysql_port) as r:
            r.login(secret=secret, plugin=plugin)
            assert r.one('select 5') == '5'
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login('nobody')
    assert e.value.errno == 1045


@pytest.mark.parametrize('client', CLIENTS)
def test_trust_with_command_line_clients(weirpool, anymy, client):
    wp = weirpool(anymy, auth_type='trust')
    for args in ([], ['--default-auth=mysql_native_password'], ['--default-auth=caching_sha2_password']):
        for password in ('any', ''):
            assert cli(client, wp, *NO_TLS[client], *args, 'app', password=password, sql='select 7') == ['7']


def test_hba(weirpool, anymy, certs):
    wp = weirpool(anymy, hba='hostssl app app2 127.0.0.1/32 scram-sha-256\nhost app app 127.0.0.1/32 md5\n'
                             'host app appempty 127.0.0.1/32 trust\nhost app super 127.0.0.1/32 reject\n',
                  **tls_options(certs))
    with RawMy(wp.mysql_port) as r:
        r.login('app')
    with RawMy(wp.mysql_port) as r:
        r.login('app2', tls=True)
        assert r.plugin == r.greeting.plugin
    with RawMy(wp.mysql_port) as r:
        r.login('appempty', '')
    for user in ('app2', 'super', 'nobody'):
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
            r.login(user)
        assert e.value.errno == 1045
        assert e.value.sqlstate == '28000'


# --- TLS
def test_tls_modes(weirpool, anymy, certs):
    wp = weirpool(anymy, **tls_options(certs, 'require'))
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login()
    assert e.value.errno == 1045 and 'SSL' in e.value.text
    with RawMy(wp.mysql_port) as r:
        r.login(tls=rawmy.tls_context(certs.crt('ca'), verify=True))
        assert r.one('select 5') == '5'
    wp2 = weirpool(anymy, client_tls_sslmode='disable')
    with RawMy(wp2.mysql_port) as r:
        assert not r.greeting.caps & rawmy.SSL
        r.login()


def test_nothing_in_clear_counts_behind_tls(weirpool, mysql97, certs):
    """A login stuffed between the request for TLS and the handshake is no login: the handshake fails."""
    wp = weirpool(mysql97, **tls_options(certs))
    with RawMy(wp.mysql_port) as r:
        caps = rawmy.MODERN | rawmy.SSL
        r.caps = caps
        request = struct.pack('<IIB23x', caps, 1 << 30, 45)
        login = r.response('app', r.proof(b'app', r.greeting.plugin), None, r.greeting.plugin, None, 45)
        r.sock.sendall(rawmy.frames(request, 1) + rawmy.frames(login, 2))
        assert b'\0\0\0\x02' not in r.expect_closed()
    with RawMy(wp.mysql_port) as r:
        r.login(tls=True)


def test_a_login_behind_tls_says_so_again(weirpool, mysql97, certs):
    wp = weirpool(mysql97, **tls_options(certs))
    with RawMy(wp.mysql_port) as r:
        r.caps = rawmy.MODERN
        r.start_tls(rawmy.MODERN)
        r.send(r.response('app', r.proof(b'app', r.greeting.plugin), None, r.greeting.plugin, None, 45))
        e = r.expect_error_and_close()
        assert (e.errno, e.sqlstate) == (1043, '08S01')


@pytest.mark.parametrize('secret', ['plain', 'native'])
def test_mariadb_clients_trust_a_certificate_that_nobody_signed(weirpool, maria118, certs, secret):
    """MariaDB 11.4 and later verify by default; a server proves its certificate by the user's secret."""
    wp = weirpool(maria118, userlist=dict(app=SECRETS[secret]), auth_type='md5', **tls_options(certs))
    assert cli('maria118', wp, '--ssl', '--ssl-verify-server-cert', 'app', sql='select 7') == ['7']
    with pytest.raises(AssertionError):
        cli('maria118', wp, '--ssl', '--ssl-verify-server-cert', 'app', password='wrong')


# --- our logins at servers
@pytest.mark.parametrize('tls', ['disable', 'require'])
def test_every_plugin_of_the_servers(weirpool, anymy, tls):
    users = {'mysql': ['app', 'appsha256', 'appempty'], 'mariadb': ['app', 'appnative', 'apped', 'appempty']}[anymy.family]
    if anymy.kind == 'maria118':
        users.append('appparsec')
    wp = weirpool(anymy, auth_type='trust', userlist=dict({u: 'app' for u in users}, appempty=''), server_tls_sslmode=tls)
    for user in users:
        with wp.my(user) as r:
            assert r.one('select current_user()') == user + '@%'
            cipher = r.q("show session status like 'Ssl_cipher'")[0][1]
            assert bool(cipher) == (tls == 'require')


def test_unix_socket_of_the_server(weirpool, anymy):
    users = ['app', 'appsha256'] if anymy.family == 'mysql' else ['app', 'apped']
    wp = weirpool(anymy, auth_type='trust', userlist={u: 'app' for u in users},
                  mysql_databases={'app': dict(host=anymy.socket, dbname='app')})
    for user in users:
        with wp.my(user) as r:
            assert r.one('select current_user()') == user + '@%'


@pytest.mark.parametrize('tls', [False, True])
def test_a_proof_opens_the_server(weirpool, anymy, certs, tls):
    """No password stands anywhere: what a client's proof teaches is all there is."""
    secret = SHA2_APP if anymy.family == 'mysql' else NATIVE_APP
    wp = weirpool(anymy, userlist=dict(app=secret), auth_type='md5', **tls_options(certs))
    for _ in range(3):
        with RawMy(wp.mysql_port) as r:
            r.login(tls=tls)
            assert r.one('select current_user()') == 'app@%'


def test_secrets_of_show_create_user(weirpool, mysql97, certs):
    """What the server prints can stand in auth_file as it is."""
    with mysql97.connect() as c, c.cursor() as k:
        # not every salt has bytes for which a server chooses hexadecimal digits
        k.execute('create user apphex@"%" identified with caching_sha2_password as 0x' + SHA2_APP.encode().hex())
        k.execute('grant all on app.* to apphex@"%"')
        k.execute('set print_identified_with_as_hex = on')
        k.execute('show create user apphex@"%"')
        secret = k.fetchone()[0].split(' AS ')[1].split()[0]
        assert secret.startswith('0x2441')
        wp = weirpool(mysql97, userlist=dict(apphex=secret), auth_type='md5', **tls_options(certs))
        with RawMy(wp.mysql_port) as r:
            r.login('apphex', 'app', tls=True)
            assert r.one('select current_user()') == 'apphex@%'
        k.execute('drop user apphex@"%"')


def test_the_second_login_of_a_stored_sha2_secret_is_fast(weirpool, mysql97, certs):
    wp = weirpool(mysql97, userlist=dict(app=SHA2_APP), auth_type='md5', workers=1, **tls_options(certs))
    full = []
    for _ in range(3):
        with RawMy(wp.mysql_port) as r:
            r.login(tls=True)
            assert r.one('select 5') == '5'
            full.append(b'\x01\x04' in [p for _, p in r.trace])
    assert full == [True, False, False]


def helper_of(wp):
    """The process id of weirpool-auth-helper."""
    with open('/proc/%d/task/%d/children' % (wp.pid, wp.pid)) as f:
        pids = f.read().split()
    for task in os.listdir('/proc/%d/task' % wp.pid):
        with open('/proc/%d/task/%s/children' % (wp.pid, task)) as f:
            pids += f.read().split()
    for pid in pids:        # (not that which starts programs for it)
        with open('/proc/%s/comm' % pid) as f:
            if f.read().startswith('weirpool-auth'):
                return int(pid)
    raise AssertionError('there is none')


def test_the_first_client_waits_for_the_key(weirpool, mysql97):
    """It is made beside the start, which does not wait for it, and the end does."""
    wp = weirpool(mysql97, userlist=dict(app=SHA2_APP), mysql_databases=proven(mysql97))
    for _ in range(3):
        wp.stop()
        wp.start()
        with RawMy(wp.mysql_port) as r:
            r.login('app', 'app', 'app', plugin='caching_sha2_password')
            assert 'key' in r.auth_steps and r.one('select 1') == '1'
    for _ in range(3):
        wp.stop()
        wp.start()


def test_slow_hashes_are_for_the_helper(weirpool, mysql97, certs):
    """While it computes nobody waits but who must; when it dies another one is started."""
    wp = weirpool(mysql97, userlist=dict(app=SHA2_APP, app2='app'), workers=1, **tls_options(certs))
    with wp.my('app2') as other, RawMy(wp.mysql_port) as r:
        r.login(tls=True)
        assert 'full' in r.auth_steps
        pid = helper_of(wp)
        os.kill(pid, signal.SIGSTOP)
        told = []

        def guess():
            with RawMy(wp.mysql_port) as g:
                try:
                    g.login(secret='wrong', tls=True)
                except MyError as e:
                    told.append(denied(e))
        t = threading.Thread(target=guess)
        t.start()
        for _ in range(20):
            assert other.one('select 5') == '5'
            with RawMy(wp.mysql_port) as fast:        # (known from its first login)
                fast.login(tls=True)
                assert fast.auth_steps[-1] == 'fast'
        os.kill(pid, signal.SIGCONT)
        t.join(20)
        assert told == [True]
        os.kill(pid, signal.SIGKILL)
        wp.wait_log('authentication helper ended')
        with RawMy(wp.mysql_port) as g, pytest.raises(MyError) as e:
            g.login(secret='wrong', tls=True)
        assert denied(e.value) is True
        assert helper_of(wp) != pid


@pytest.mark.parametrize('tls', ['disable', 'require'])
def test_cold_caches(weirpool, mysql_victim, certs, tls):
    """A MySQL server that has forgotten its users (restart, FLUSH PRIVILEGES) wants the password itself."""
    s = mysql_victim
    if not s.alive():
        s.start()
    wp = weirpool(s, userlist=dict(app=SHA2_APP), auth_type='md5', server_tls_sslmode=tls, **tls_options(certs))

    def works():
        with RawMy(wp.mysql_port) as r:
            r.login(tls=True)
            return r.one('select 5') == '5'
    assert works() and works()
    s.query('flush privileges')
    s.kill_connections()
    assert eventually(works, 20)
    s.stop()
    s.start()
    assert eventually(lambda: not raises(works), 30)


def raises(f):
    try:
        f()
    except (MyError, rawmy.Closed, OSError):
        return True
    return False


# --- where clients come
def test_the_first_entries_by_reload(weirpool, pg15, anymy):
    """RELOAD opens the port of the first [mysql_databases] at once, and the socket; the greeting is the servers'."""
    wp = weirpool(pg15, userlist=dict(admin='admin', app='app'))
    port = free_port()
    wp.mysql_databases = {'myapp': dict(host=anymy.host, port=anymy.port, dbname='app')}
    wp.mysql_port = port
    wp.reload(mysql_listen_port=port, mysql_unix_socket=wp.dir / 'my.sock')
    for r in (RawMy(port), RawMy(0, unix=str(wp.dir / 'my.sock'))):
        with r, RawMy(anymy.port, anymy.host) as direct:
            assert r.greeting.version == direct.greeting.version
            r.login(db='myapp')
            assert r.one('select current_user()') == 'app@%'
    wp.mysql_databases = {}
    wp.reload()
    wp.mysql_databases = {'myapp': dict(host=anymy.host, port=anymy.port, dbname='app2')}
    wp.reload()
    assert wp.my(db='myapp').one('select database()') == 'app2'


def test_a_reload_that_cannot_listen_changes_nothing(weirpool, pg15):
    wp = weirpool(pg15, query_wait_timeout=33)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        wp.mysql_databases = {'myapp': dict(host='127.0.0.1', port=1)}
        wp.options.update(mysql_listen_port=taken.getsockname()[1], query_wait_timeout=44)
        wp.write()
        with pytest.raises(Exception, match='%d' % taken.getsockname()[1]):
            wp.admin('RELOAD')
        assert [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == 'query_wait_timeout'] == ['33']
    wp.admin('RELOAD')
    with RawMy(wp.options['mysql_listen_port']) as r:
        assert r.greeting.version


# --- refusals of the server
def refusal(wp, user='app', secret='app', **kw):
    """The error that a client hears at its login or at its first statement."""
    with RawMy(wp.mysql_port) as r:
        with pytest.raises(MyError) as e:
            r.login(user, secret, **kw)
            r.q('select 1')
        return e.value


def test_a_wrong_password_for_the_server(weirpool, anymy):
    wp = weirpool(anymy, userlist=dict(app='other'), auth_type='md5')
    e = refusal(wp, secret='other')
    assert (e.errno, e.sqlstate) == (1045, '28000')
    assert "Access denied for user 'app'@'127.0.0.1' (using password: YES)" in e.text


def test_locked_and_expired_accounts(weirpool, anymy):
    wp = weirpool(anymy, auth_type='trust')
    e = refusal(wp, 'applocked')
    assert e.errno == {'mysql': 3118, 'mariadb': 4151}[anymy.family], e
    e = refusal(wp, 'appexpired')
    assert e.errno in (1862, 1820), e
    e = refusal(wp, 'apptls')
    assert e.errno in (1045, 3159), e


def test_too_many_connections_of_the_server(weirpool, any_victim):
    s = any_victim
    before = s.query('select @@global.max_connections')[0][0]
    wp = weirpool(s, auth_type='trust', query_wait_timeout=3, server_login_retry=1)
    with wp.my('app') as r:                           # (weirpool has looked at the server: it does not come and go any more)
        assert r.one('select 5') == '5'
    with s.connect() as c, c.cursor() as k:
        k.execute('set global max_connections = 10')
        held = []
        try:
            while True:
                held.append(RawMy(s.port))
                held[-1].login('app', 'app')
        except MyError as e:
            assert e.errno == 1040
        try:
            e = refusal(wp, 'app2')
            assert e.errno in (1040, 1205), e
            wp.wait_log('Too many connections')
        finally:
            for r in held:
                r.bye()
            k.execute('set global max_connections = %d' % before)

    def again():
        with RawMy(wp.mysql_port) as r:
            r.login('app2')
            return r.one('select 5') == '5'
    assert eventually(lambda: not raises(again), 20)


def test_a_proof_that_does_not_open_the_server(weirpool, mysql97):
    """Said at once, with the reason."""
    wp = weirpool(mysql97, userlist=dict(app=NATIVE_APP), auth_type='md5')
    e = refusal(wp, plugin='mysql_native_password')
    assert e.errno == 1045 and 'caching_sha2_password' in e.text, e


@pytest.mark.parametrize('asks,said', [(b'\xfemysql_clear_password\0', 'in clear')] + [
    (b'\xfe' + name + b'\0data\0', 'it asks for %s, not supported' % name.decode())
    for name in (b'authentication_webauthn_client', b'authentication_openid_connect_client', b'authentication_ldap_sasl_client',
                 b'auth_gssapi_client', b'dialog')] + [(b'\x02next\0', 'second factor'), (b'\xfe', 'before MySQL 4.1')])
def test_a_login_is_not_broken_off_half_way(weirpool, mysql97, asks, said):
    """What cannot be answered is named. A server counts logins that are broken off (max_connect_errors) and in the end shuts
    out all of weirpool: it hears an empty answer."""
    with RawMy(mysql97.port) as r:
        greeting = r.trace[0][1]
    heard, done = [], threading.Event()
    with socket.create_server(('127.0.0.1', 0)) as server:
        wp = weirpool(auth_type='trust', mysql_databases={'app': dict(host='127.0.0.1', port=server.getsockname()[1])})

        def serve_one(c):
            c.settimeout(20)
            c.sendall(rawmy.frames(greeting, 0))
            if c.recv(4096):                          # (else it was only looked at)
                c.sendall(rawmy.frames(asks, 2))
                while more := c.recv(4096):
                    heard.append(more)
                done.set()

        def serve():
            with contextlib.suppress(OSError):
                while not done.is_set():
                    with server.accept()[0] as c:
                        serve_one(c)
        threading.Thread(target=serve, daemon=True).start()
        e = refusal(wp)
        assert e.errno == 1045 and said in e.text, e
        assert done.wait(20)
    assert b''.join(heard) == rawmy.frames(b'', 3)


def test_limits_of_clients(weirpool, anymy):
    wp = weirpool(anymy, max_client_conn=1)
    with wp.my() as r:
        assert r.one('select 5') == '5'
        e = refusal(wp)
        assert (e.errno, e.sqlstate) == (1040, '08004'), e
    assert eventually(lambda: not raises(lambda: wp.my().bye()))


def test_databases_that_are_not_there(weirpool, anymy):
    wp = weirpool(anymy)
    e = refusal(wp, db='nowhere')
    assert e.errno in (1044, 1049) and e.sqlstate == '42000' and 'nowhere' in e.text, e
    wp = weirpool(anymy, auth_type='md5', mysql_databases={'*': dict(host=anymy.host, port=anymy.port)})
    e = refusal(wp, db='nowhere')
    assert e.errno in (1044, 1049), e                 # (who may not see it is not told that it is not there)
    with RawMy(wp.mysql_port) as r:
        r.login(db=None)
        assert r.one('select database()') is None
    with RawMy(wp.mysql_port) as r:
        r.login(db='app2')
        assert r.one('select database()') == 'app2'


# --- hostile and odd clients
def test_old_clients(weirpool, mysql97, maria1011):
    """Without CLIENT_PLUGIN_AUTH there is mysql_native_password only, over the greeting's scramble."""
    caps = rawmy.CLASSIC & ~rawmy.PLUGIN_AUTH
    wp = weirpool(maria1011, auth_type='md5')
    with wp.my() as r:                                # (afterwards weirpool knows that these are MariaDBs)
        assert r.greeting.mariadb
    with RawMy(wp.mysql_port) as r:
        r.login(caps=caps, plugin='mysql_native_password')
        assert r.one('select 5') == '5'
    wp = weirpool(mysql97, userlist=dict(app=SHA2_APP))
    with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
        r.login(caps=caps, plugin='mysql_native_password')
    assert (e.value.errno, e.value.sqlstate) == (1251, '08004')


def test_rubbish(weirpool, mysql97):
    wp = weirpool(mysql97, auth_type='md5')
    for rubbish in (b'GET / HTTP/1.1\r\n\r\n', b'\xff\xff\xff\x01', b'\x16\x03\x01\x02\x00\x01', rawmy.frames(b'', 1),
                    rawmy.frames(b'\x00\x02\x00\x00', 1), rawmy.frames(b'\x85\xa6\x03\x00\x00\x00\x00\x01', 1),
                    rawmy.frames(struct.pack('<IIB23x', rawmy.MODERN, 1, 45) + b'x' * 50, 1)):
        with RawMy(wp.mysql_port) as r:
            r.sock.sendall(rubbish)
            e = rawmy.err_of(r.expect_closed()[4:])
            assert e.errno in (1043, 1153, 1156, 1835) and e.sqlstate in ('08S01', 'HY000'), (rubbish, e)
    assert wp.my().one('select 5') == '5'


def test_login_timeout(weirpool, mysql97):
    wp = weirpool(mysql97, client_login_timeout=1)
    with RawMy(wp.mysql_port) as r:
        e = r.expect_error_and_close()
        assert e.errno == 1159, e


def test_the_greeting_is_that_of_the_servers(weirpool, anymy):
    """As soon as one has been heard: version, capabilities, family."""
    wp = weirpool(anymy, auth_type='trust')
    with wp.my() as r:
        assert r.one('select 5') == '5'
    with RawMy(anymy.port, anymy.host) as direct, RawMy(wp.mysql_port) as r:
        assert r.greeting.version == direct.greeting.version
        assert r.greeting.collation == direct.greeting.collation
        assert r.greeting.mariadb == direct.greeting.mariadb
        assert r.greeting.plugin == direct.greeting.plugin
        assert not r.greeting.caps & ~direct.greeting.caps


# --- COM_CHANGE_USER
@pytest.mark.parametrize('stored', [False, True])
def test_change_user(weirpool, anymy, certs, stored):
    secret = (SHA2_APP if anymy.family == 'mysql' else NATIVE_APP) if stored else 'app'
    wp = weirpool(anymy, userlist=dict(app='app', app2=secret), auth_type='md5', **tls_options(certs))
    with RawMy(wp.mysql_port) as r:
        r.login(tls=True)
        assert r.one('select current_user()') == 'app@%'
        r.change_user('app2', 'app', 'app2')
        assert (r.one('select current_user()'), r.one('select database()')) == ('app2@%', 'app2')
        r.change_user('app', 'app', 'app')
        assert (r.one('select current_user()'), r.one('select database()')) == ('app@%', 'app')
        with pytest.raises(MyError) as e:
            r.change_user('app2', 'wrong', 'app2')
        assert denied(e.value, 'app2') is True
        assert not r.expect_closed()


def test_change_user_to_nobody(weirpool, anymy):
    wp = weirpool(anymy, auth_type='md5')
    with wp.my() as r:
        with pytest.raises(MyError) as e:
            r.change_user('nobody', 'app', 'app')
        assert denied(e.value, 'nobody') is True


# --- certificates, the operating system's user, a directory
def test_cert(weirpool, anymy, certs):
    wp = weirpool(anymy, auth_type='cert', client_tls_ca_file=certs.crt('ca'), **tls_options(certs, 'verify-full'))

    def come(who, user, secret=''):
        with RawMy(wp.mysql_port) as r:
            r.login(user, secret, tls=rawmy.tls_context(cert=certs.crt(who) if who else None, key=certs.key(who) if who else None))
            return r.one('select current_user()')
    assert come('app', 'app') == 'app@%'
    assert come('app', 'app', 'whatever') == 'app@%'
    for who, user in (('app', 'app2'), ('nobody', 'app'), ('app-otherca', 'app'), (None, 'app')):
        with pytest.raises((MyError, rawmy.Closed, OSError)):
            come(who, user)


def test_peer(weirpool, anymy):
    """The tests run as root: the map says whom root may be."""
    wp = with_socket(weirpool(anymy, hba='local all all peer map=m\n', ident='m root app\n'))
    with RawMy(0, unix=str(wp.options['mysql_unix_socket'])) as r:
        r.login('app', 'whatever')
        assert r.one('select current_user()') == 'app@%'
    with RawMy(0, unix=str(wp.options['mysql_unix_socket'])) as r, pytest.raises(MyError) as e:
        r.login('app2', 'app')
    assert e.value.errno == 1045


def test_ldap(weirpool, mysql97, certs):
    """The password arrives whatever the client begins with, and without TLS it arrives encrypted."""
    with Directory() as d:
        wp = weirpool(mysql97, auth_type='ldap', **tls_options(certs), mysql_databases=proven(mysql97),
                      auth_ldap_options='ldapserver=127.0.0.1 ldapport=%d ldapprefix="cn="' % d.server_address[1])
        for tls in (True, False):
            for plugin in ('mysql_native_password', 'caching_sha2_password', 'client_ed25519'):
                with RawMy(wp.mysql_port) as r:
                    r.login('alice', 'right', plugin=plugin, tls=tls)
                    assert r.one('select current_user()') == 'app@%'
            for secret in ('wrong', ''):
                with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
                    r.login('alice', secret, tls=tls)
                assert denied(e.value, 'alice', password='YES' if secret else 'NO') is True
        assert set(d.binds) == {'cn=alice'}
        with RawMy(wp.mysql_port) as r:
            r.login('alice', 'right', plugin='mysql_clear_password', tls=True)
            assert r.plugin == 'mysql_clear_password'
        with RawMy(wp.mysql_port) as r:               # (never asked for where others listen)
            r.login('alice', 'right', plugin='mysql_clear_password')
            assert r.plugin == 'caching_sha2_password'
        d.shutdown()


# --- auth_query
@pytest.fixture
def authq(weirpool, certs):
    """weirpool that asks mysql.user by the account super."""
    def start(server, **kw):
        wp = weirpool(server, userlist={}, auth_type='md5', auth_user='super', **tls_options(certs), **kw)
        wp.userlist = dict(super='super', admin='admin')
        wp.write()
        wp.admin('RELOAD')
        return wp
    return start


def test_auth_query(authq, anymy):
    """Secrets come from mysql.user; the proof opens the server, so that no password stands anywhere."""
    wp = authq(anymy)
    for _ in range(2):
        with RawMy(wp.mysql_port) as r:
            r.login('app2', tls=True)
            assert r.one('select current_user()') == 'app2@%'
    with RawMy(wp.mysql_port) as r:
        r.login('appempty', '')
        assert r.one('select current_user()') == 'appempty@%'
    for user, secret in (('app2', 'wrong'), ('nobody', 'app'), ('appempty', 'x')):
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
            r.login(user, secret, tls=True)
        assert denied(e.value, user, password='YES' if secret else 'NO') is True


def test_what_stands_in_mysql_user_is_no_password(authq, anymy):
    """Nobody gets in with the text of a column, whatever it is: hashes, public keys, the word "invalid"."""
    rows = anymy.query('select user, authentication_string from mysql.user')
    wp = authq(anymy, mysql_databases={'app': dict(host=anymy.host, port=anymy.port, dbname='app', user='app', password='app')})
    tried = 0
    for user, text in rows:
        text = text.decode(errors='replace') if isinstance(text, bytes) else text
        if not user or user == 'super' or not text or not text.isprintable():
            continue
        for plugin in ('mysql_native_password', 'caching_sha2_password'):
            with RawMy(wp.mysql_port) as r, pytest.raises(MyError) as e:
                r.login(user, text, plugin=plugin, tls=True)
            assert e.value.errno == 1045, (user, text)
        tried += 1
    assert tried >= 2


def test_the_log_names_who_came_to_the_console(weirpool, maria1011):
    """The name was read from memory that the login had given back."""
    w = weirpool(maria1011)
    with w.my('admin', db='weirpool'):
        w.wait_log('console login: user=admin privilege=admin')
