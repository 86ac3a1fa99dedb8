"""The command line: weirpool URL, weirpool -t with mistakes, help and version, refusing root, daemon mode, ./demo's promises."""
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import time

import pytest
import rawpg
from rawpg import Raw
from servers import as_test_user, eventually, running
from weir import SANITIZER, SRC


def run(binary, *args, root=False, timeout=20, **kw):
    argv = [binary, *args] if root else as_test_user([binary, *args])
    kw.setdefault('env', {k: v for k, v in os.environ.items() if not k.startswith(('WEIRPOOL_', 'DATABASE_URL'))})
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd='/tmp',
                       timeout=timeout, **kw)
    assert not SANITIZER.search(r.stderr), r.stderr
    return r


def check(wp_dir, binary, text, name='t.ini'):
    p = os.path.join(wp_dir, name)
    with open(p, 'w') as f:
        f.write(text)
    os.chmod(p, 0o644)
    return run(binary, '-t', p)


GOOD = '[databases]\napp = host=127.0.0.1\n[weirpool]\nauth_type = trust\nlisten_port = 6543\n'


@pytest.fixture
def here(tmp_path_factory, base):
    import tempfile
    d = tempfile.mkdtemp(dir=base)
    os.chmod(d, 0o777)
    return d


def test_help_and_version(binary):
    r = run(binary, '--help')
    assert r.returncode == 0 and 'weirpool' in r.stdout and '--test' in r.stdout
    assert run(binary, '-h').stdout == r.stdout
    r = run(binary, '--version')
    assert r.returncode == 0 and re.match(r'weirpool \d+\.\d+', r.stdout)
    assert run(binary, '-V').stdout == r.stdout


@pytest.mark.parametrize('args', [[], ['--nonsense', 'x'], ['a', 'b'], ['-Z']], ids=['none', 'unknown', 'two', 'letter'])
def test_wrong_arguments(binary, args):
    r = run(binary, *args)
    assert r.returncode not in (0, -6, -11) and r.stderr


def test_good_file(binary, here):
    r = check(here, binary, GOOD)
    assert r.returncode == 0, r.stderr


@pytest.mark.parametrize('line,says', [
    ('max_client_con = 5', ['max_client_conn']),
    ('pool_mode = transactoin', ['transaction']),
    ('default_pool_size = twenty', ['default_pool_size', 'twenty']),
    ('default_pool_size = -1', ['default_pool_size']),
    ('listen_port = 70000', ['listen_port', '70000']),
    ('query_wait_timeout = 5 bananas', ['query_wait_timeout']),
    ('auth_type = scram', ['scram-sha-256']),
    ('client_tls_sslmode = on', ['client_tls_sslmode']),
    ('this line has no equals sign', []),
    ('[databses]', ['databases']),
    ('workers = 99999', ['workers']),
    ('auth_file = /no/such/file', ['/no/such/file']),
    ('client_tls_sslmode = require', ['client_tls_cert_file']),
    ('auth_type = hba', ['auth_hba_file']),
], ids=lambda v: v.split('=')[0].strip() if isinstance(v, str) else '')
def test_a_mistake_is_named(binary, here, line, says):
    r = check(here, binary, GOOD + line + '\n')
    assert r.returncode == 1
    out = r.stdout + r.stderr
    assert re.search(r't\.ini:%d: ' % (GOOD.count('\n') + 1), out) or 'auth_type' in line or 'sslmode' in line or 'auth_file' in line, out
    for s in says:
        assert s in out, out


@pytest.mark.parametrize('text,says', [
    ('datadir="/var/lib/proxysql"\nmysql_servers =\n(\n)\n', 'ProxySQL: weirpool convert'),
    ("listen_addresses = '*'\nbackend_hostname0 = 'db1'\n", 'Pgpool-II: see doc/from-pgpool.md'),
    ('listen { host "*" port 6432 }\nstorage "main" { type "remote" }\n', 'Odyssey: see doc/from-odyssey.md'),
    ('[general]\nport = 6432\n[pools.app]\n', 'PgCat: see doc/from-pgcat.md'),
    ('global\n  maxconn 5\nlisten primary\n  bind *:5000\n', 'HAProxy: see doc/from-haproxy.md'),
], ids=['proxysql', 'pgpool', 'odyssey', 'pgcat', 'haproxy'])
def test_the_file_of_another_program(binary, here, text, says):
    """One message, not one for each of its lines; and with a section of ours it is ours."""
    r = check(here, binary, text)
    assert r.returncode == 1 and says in r.stderr and r.stderr.count('t.ini') == 1, r.stderr
    assert 'looks like' not in check(here, binary, GOOD + text).stderr


@pytest.mark.parametrize('name', ['jdbc:postgresql://h/db', 'host=h dbname=db', 'localhost:5432'])
def test_no_file_but_a_server(binary, name):
    r = run(binary, '-t', name)
    assert r.returncode == 1 and 'a server is named by a URL' in r.stderr, r.stderr


@pytest.mark.parametrize('entry,says', [
    ('x = host=127.0.0.1 prot=5432', ['port']), ('x = host=127.0.0.1 port=abc', ['port']), ('x = host', []),
    ("x = host='unclosed", []), ('x = pool_mode=sesion', ['session']), ('x = pool_size=-3', ['pool_size']),
    ('pgbouncer = host=127.0.0.1', ['pgbouncer']), ('weirpool = host=127.0.0.1', ['weirpool']),
])
def test_a_mistake_in_a_database(binary, here, entry, says):
    r = check(here, binary, GOOD.replace('[databases]\n', '[databases]\n%s\n' % entry))
    out = r.stdout + r.stderr
    assert r.returncode == 1 and 't.ini:2: ' in out, out
    for s in says:
        assert s in out, out


def test_every_mistake_at_once(binary, here):
    r = check(here, binary, GOOD + 'max_client_con = 5\npool_mode = foo\nlisten_port = 99999\n' +
              '[users]\njoe = pool_mode=bar\n[peers]\n0 = host=x\n')
    out = r.stdout + r.stderr
    for n in (6, 7, 8, 10, 12):
        assert 't.ini:%d: ' % n in out, out
    assert 'did you mean' in out


def test_messages_are_told_once(binary, here):
    r = check(here, binary, GOOD + 'pidfile = /nowhere/pid\n')
    assert r.returncode == 0 and r.stderr.count('warning') == 1 and 't.ini:6: warning: pidfile: ' in r.stderr, r.stderr
    r = check(here, binary, GOOD.replace('127.0.0.1', '127.0.0.1 password=${file:/nowhere}'))
    assert r.returncode == 1 and 'cannot read /nowhere' in r.stderr and 'no database' not in r.stderr, r.stderr
    r = check(here, binary, GOOD + 'pool_mode = transactoin\n')
    assert r.returncode == 1 and r.stderr.endswith('\nweirpool: 1 mistake in the configuration\n'), r.stderr


def test_a_certificate_that_has_ended(binary, here, certs):
    """Told at the start, and by RELOAD as any warning is: clients would only see their own side of it."""
    tls = 'client_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n'
    r = check(here, binary, GOOD + tls % (certs.crt('expired'), certs.key('expired')))
    assert r.returncode == 0 and re.search(r'warning: client_tls_cert_file: the certificate in %s has ended at \d{4}-' % certs.crt('expired'), r.stderr), r.stderr
    r = check(here, binary, GOOD + tls % (certs.crt('server'), certs.key('server')))
    assert r.returncode == 0 and 'has ended' not in r.stderr, r.stderr


def test_mistakes_in_the_other_files(binary, here):
    for name, text in (('users.txt', '"app" "app"\nno quotes here\n'), ('hba.conf', 'host all all 127.0.0.1/32 trust\nhost all\n'),
                       ('ident.conf', 'map one\n')):
        with open(os.path.join(here, name), 'w') as f:
            f.write(text)
    r = check(here, binary, GOOD.replace('auth_type = trust', 'auth_type = hba') + 'auth_file = %s/users.txt\nauth_hba_file = %s/hba.conf\n'
              'auth_ident_file = %s/ident.conf\n' % (here, here, here))
    out = r.stdout + r.stderr
    assert r.returncode == 1
    for where in ('users.txt:2', 'hba.conf:2', 'ident.conf:1'):
        assert where in out, out


@pytest.mark.parametrize('content', [b'', b'\0' * 1000, b'\xff\xfe' * 500, b'[' * 10000, b'x' * 1000000, b'[weirpool]\n' + b'a=' * 50000,
                                     b'[databases]\n* = \n', b'%include t.ini\n', b'\xef\xbb\xbf[weirpool]\nauth_type = trust\n'],
                         ids=['empty', 'nul', 'binary', 'brackets', 'long', 'equals', 'star', 'loop', 'bom'])
def test_files_of_any_bytes(binary, here, content):
    p = os.path.join(here, 't.ini')
    with open(p, 'wb') as f:
        f.write(content)
    r = run(binary, '-t', p)
    assert r.returncode in (0, 1)


@pytest.mark.parametrize('line,said', [
    ('auth_ldap_options = ldapserver=h ldapfoo=x', 't.ini:6: auth_ldap_options: unknown LDAP option "ldapfoo"'),
    ('[clusters]\nm = host=a probe_user=p patroni=:8008', 't.ini:7: cluster "m": patroni: ":8008" is no URL'),
    ('listen_addr = 127.0.0.1:6432', 't.ini:6: listen_addr: "127.0.0.1:6432" is no name or address'),
    ('[databases]\na = host=db:5432', 't.ini:7: database "a": host "db:5432" is no name or address')], ids=['ldap', 'patroni', 'listen', 'host'])
def test_values_that_mean_nothing(binary, here, line, said):
    r = check(here, binary, GOOD + line + '\n')
    assert r.returncode == 1 and said in r.stderr, r.stderr


def test_missing_and_unreadable_file(binary, here):
    r = run(binary, '-t', here + '/absent.ini')
    assert r.returncode == 1 and 'absent.ini' in r.stderr
    p = here + '/secret.ini'
    with open(p, 'w') as f:
        f.write(GOOD)
    os.chmod(p, 0)
    r = run(binary, '-t', p)
    assert r.returncode == 1 and 'secret.ini' in r.stderr
    r = run(binary, '-t', here)
    assert r.returncode == 1


def test_dump_has_no_secrets_and_loads_again(binary, here):
    p = os.path.join(here, 't.ini')
    with open(p, 'w') as f:
        f.write("[databases]\napp = host=127.0.0.1 user=u password=hush-hush pool_size=3\n[weirpool]\nauth_type = trust\n"
                'query_wait_timeout = 9\n')
    r = run(binary, '--dump', p)
    assert r.returncode == 0 and 'hush-hush' not in r.stdout + r.stderr
    assert 'query_wait_timeout' in r.stdout
    again = check(here, binary, r.stdout, 'again.ini')
    assert again.returncode == 0, again.stderr


def test_root_is_refused(binary, here):
    p = os.path.join(here, 't.ini')
    with open(p, 'w') as f:
        f.write(GOOD)
    if os.geteuid() == 0:
        r = run(binary, p, root=True)
        assert r.returncode == 1 and 'root' in r.stderr


def test_port_in_use_is_told(binary, here, pg15):
    p = os.path.join(here, 't.ini')
    with open(p, 'w') as f:
        f.write(GOOD.replace('6543', str(pg15.port)) + 'unix_socket_dir = %s\n' % here)
    r = run(binary, p)
    assert r.returncode != 0 and str(pg15.port) in r.stderr


def test_daemon(weirpool, pg15):
    wp = weirpool(pg15)
    wp.stop()
    log = wp.dir / 'daemon.log'
    wp.options.update(logfile=log)
    wp.write()
    r = run(wp.binary, '-d', str(wp.conffile))
    assert r.returncode == 0, r.stderr
    pid = int((wp.dir / 'pid').read_text())
    try:
        assert can_connect(wp.port), 'it serves when the command has ended'
        assert wp.usable()
        # another one finds the port taken: who starts it is told, and not only the log
        wp.options.update(pidfile=wp.dir / 'pid2', unix_socket_dir='')
        wp.write()
        r = run(wp.binary, '-d', str(wp.conffile))
        assert r.returncode == 1 and 'weirpool: cannot listen on 127.0.0.1:%d: Address already in use' % wp.port in r.stderr, r
        with open('/proc/%d/stat' % pid) as f:
            assert int(f.read().rpartition(')')[2].split()[3]) != os.getsid(0)     # a session of its own
    finally:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not running(pid))
    assert 'listening' in log.read_text().lower()
    r = run(wp.binary, '-d', str(wp.put('nolog.ini', GOOD)))
    assert r.returncode != 0 and 'logfile' in r.stderr


def can_connect(port):
    with contextlib.suppress(OSError):
        Raw(port).shut()
        return True
    return False


# --- weirpool URL
@contextlib.contextmanager
def default_port():
    """The URL form listens on 6432: one test at a time on this machine."""
    with open('/tmp/.weirpool-test-6432.lock', 'w') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield 6432


@contextlib.contextmanager
def with_url(binary, url, directory):
    out = os.path.join(directory, 'url.out')
    with default_port(), open(out, 'w+') as f:
        p = subprocess.Popen(as_test_user([binary, url]), stdin=subprocess.DEVNULL, stdout=f, stderr=f, cwd=directory)
        try:
            eventually(lambda: p.poll() is not None or can_connect(6432))
            yield p, lambda: open(out).read()
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGQUIT)
            code = p.wait(10)
        assert not SANITIZER.search(open(out).read())
        assert code == 0, open(out).read()


def test_url(binary, here, pg15):
    """It says what it reached, and the string that it prints works as pasted."""
    url = 'postgres://app:app@127.0.0.1:%d/app' % pg15.port
    with with_url(binary, url, here) as (p, said):
        text = eventually(lambda: re.search(r'postgres(ql)?://\S+', said()) and said())
        pasted = re.search(r'postgres(ql)?://\S+', text).group(0)
        assert '127.0.0.1:6432/app' in pasted
        r = subprocess.run(['/usr/lib/postgresql/15/bin/psql', '-XAtq', pasted.replace('****', 'app'), '-c',
                            'select current_user, current_database()'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           env=dict(os.environ, PGPASSWORD='app'))
        assert r.stdout == 'app|app\n', r.stdout
        eventually(lambda: '15.' in said())
        low = said().lower()
        assert 'primary' in low and ('tls' in low or 'ssl' in low)
        with Raw(6432) as c:
            c.login('app', 'app', 'app')
            assert c.one('select 1') == '1'
        with Raw(6432) as c, pytest.raises((rawpg.PgError, rawpg.Closed)):
            c.login('app', 'app', 'wrong')
        with open('/proc/%d/cmdline' % p.pid, 'rb') as f:
            assert f.read()


def test_url_tells_a_replica(binary, here, pg15, base):
    replica = pg15.make_replica('urlreplica')
    try:
        with with_url(binary, 'postgresql://app:app@127.0.0.1:%d/app' % replica.port, here) as (_, said):
            eventually(lambda: 'replica' in said().lower() or 'standby' in said().lower())
    finally:
        replica.stop('immediate')


def test_url_when_nobody_is_there(binary, here):
    """It starts, and says so; or it ends with an honest error. Never silence."""
    out = os.path.join(here, 'out')
    with default_port(), open(out, 'w') as f:
        p = subprocess.Popen(as_test_user([binary, 'postgres://app:very-hush@127.0.0.1:1/app']), stdout=f, stderr=f, cwd=here)
        try:
            eventually(lambda: p.poll() is not None or re.search('refused|cannot|could not|unreachable', open(out).read(), re.I))
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGQUIT)
            p.wait(10)
    text = open(out).read()
    assert re.search('refused|cannot|could not|unreachable', text, re.I), text
    assert 'very-hush' not in text


@pytest.mark.parametrize('url', ['postgres://u:p@h:99999/d', 'postgres://u:p@h/d?nonsense=1',
                                 'postgres://u:p%zz@h/d', 'postgres://u:p@[::1/d', 'http://x/y'])
def test_bad_urls(binary, here, url):
    r = run(binary, url)
    assert r.returncode != 0 and r.stderr
    assert ':p@' not in r.stderr


def test_url_with_odd_characters(binary, here, pg15):
    pg15.query("drop role if exists \"o'dd us@r\"")
    pg15.query("create role \"o'dd us@r\" login password 'p:a/s@s w%d'")
    url = 'postgres://o%27dd%20us%40r:p%3Aa%2Fs%40s%20w%25d@127.0.0.1:' + '%d/app' % pg15.port
    with with_url(binary, url, here) as (_, said):
        with Raw(6432) as c:
            c.login("o'dd us@r", 'app', 'p:a/s@s w%d')
            assert c.one('select current_user') == "o'dd us@r"
        assert 'p:a/s@s' not in said()


def test_start_is_quick(weirpool, pg15):
    """The benchmark measures it (below 20 ms); here only: no name look-up, no server is waited for."""
    best = 1.0
    wp = weirpool(pg15)
    for _ in range(5):
        wp.stop()
        t = time.monotonic()
        wp.start(wait=False)
        while not can_connect(wp.port):
            time.sleep(0.001)
        best = min(best, time.monotonic() - t)
    assert best < 2


# --- ./demo
def demo(binary, *args, **kw):
    env = dict(os.environ, WEIRPOOL_BIN=binary, DEMO_SECONDS='1')
    return subprocess.Popen([str(SRC / 'demo'), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
                            start_new_session=True, **kw)


def test_demo_once(binary):
    with default_port():
        p = demo(binary, '--once')
        out, _ = p.communicate(timeout=200)
    assert p.returncode == 0, out
    # reads go to both replicas of both clusters; the primaries are killed, and the clients that write go on
    spread = re.findall(r'primary: (\d+), first replica: (\d+), second replica: (\d+)', out)
    assert len(spread) == 2 and all(int(a) > int(p) and int(b) > int(p) for p, a, b in spread), out
    ends = re.findall(r'acknowledged: (\d+), lost: (\d+), errors: (\d+), longest wait: (\d+) ms', out)
    # (it waits until the promotion, half a second later; a write or two may have been under way on a server that dies slowly)
    assert len(ends) == 2 and all(int(acked) >= 40 and lost == '0' and int(errors) <= 2 and int(wait) >= 100
                                  for acked, lost, errors, wait in ends), ends
    for s in ('SHOW POOLS', 'maxwait', 'replica, 500000 accounts', 'postgres://app:app@127.0.0.1:', 'number of failed transactions: 0',
              'everything is removed'):
        assert s in out, out
    where = re.search(r'in (/\S*weirpool-demo\.\w+)', out).group(1)
    assert not os.path.exists(where)
    assert not subprocess.run(['pgrep', '-f', where], stdout=subprocess.PIPE).stdout


def test_demo_ends_with_ctrl_c(binary):
    with default_port():
        p = demo(binary)
        said = ''
        while 'Ctrl-C stops' not in said:
            line = p.stdout.readline()
            assert line, said
            said += line
        os.killpg(p.pid, signal.SIGINT)
        said += p.communicate(timeout=30)[0]
    assert 'everything is removed' in said and p.returncode == 0, said
    where = re.search(r'in (/\S*weirpool-demo\.\w+)', said).group(1)
    assert not os.path.exists(where)
    assert not subprocess.run(['pgrep', '-f', where], stdout=subprocess.PIPE).stdout
