"""The subcommands that serve nobody: hash, stat, top, completion, check, convert, doctor."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
import rawpg
from rawpg import Raw
from servers import as_test_user, eventually, free_port
from test_cli import here, run  # noqa: F401 (here is a fixture)
from weir import SANITIZER, SRC

TOOLS = ('check', 'completion', 'convert', 'doctor', 'hash', 'stat', 'top')


def tool(binary, *args, stdin='', env=None, **kw):
    clean = {k: v for k, v in os.environ.items() if not re.match('WEIRPOOL_|PG|DATABASE_URL', k)}
    r = subprocess.run(as_test_user([binary, *map(str, args)]), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       cwd='/tmp', timeout=60, env=dict(clean, **(env or {})), **kw)
    assert not SANITIZER.search(r.stderr), r.stderr
    return r


@pytest.mark.parametrize('name', TOOLS)
def test_each_has_help_and_usage(binary, name):
    r = tool(binary, name, '--help')
    assert r.returncode == 0 and r.stdout.startswith('Usage: weirpool ' + name) and r.stderr == ''
    r = tool(binary, name, '--nonsense', 'a', 'b')
    assert r.returncode == 2 and 'Usage: weirpool ' + name in r.stderr and r.stdout == ''
    assert re.search(r'^  %s ' % name, tool(binary, '--help').stdout, re.M)


# --- hash
@pytest.mark.parametrize('kind', ['--scram', '--md5', '--mysql-native', '--caching-sha2'])
def test_hash_lets_in(weirpool, request, pg15, binary, kind):
    """The line that it prints is good in auth_file, for the clients that it is meant for."""
    def line(user, password):
        r = tool(binary, 'hash', kind, user, stdin=password + '\n')
        assert r.returncode == 0 and r.stderr == '', r.stderr
        assert r.stdout.startswith('"%s" "' % user) and password not in r.stdout
        return re.match(r'"[^"]+" "(.+)"\n$', r.stdout).group(1)
    mysql = kind.startswith('--mysql') or kind.startswith('--caching')
    anymy = request.getfixturevalue('maria1011') if mysql else None
    kw = dict(mysql=anymy) if mysql else {}
    wp = weirpool(None if mysql else pg15, userlist={'made': line('made', "it's \u00e4 secret")}, databases=None if mysql else
                  {'made': dict(host=pg15.host, port=pg15.port, dbname='app', user='app', password='app')},
                  mysql_databases={'made': dict(host=anymy.host, port=anymy.port, dbname='app', user='app', password='app')} if mysql
                  else None, auth_type='md5' if kind == '--md5' else 'scram-sha-256', **kw)
    if mysql:
        with wp.my('made', "it's \u00e4 secret", db='made') as c:
            assert c.one('select 1') in (1, '1')
    else:
        with wp.raw('made', 'made', secret="it's \u00e4 secret") as c:
            assert c.one('select 1') == '1'
        with pytest.raises((rawpg.PgError, rawpg.Closed)):
            wp.raw('made', 'made', secret='wrong')


def test_hash_differs_each_time_and_takes_iterations(binary):
    a, b = (tool(binary, 'hash', '--iterations=5000', 'u', stdin='x\n').stdout for _ in range(2))
    assert a != b and a.startswith('"u" "SCRAM-SHA-256$5000:')
    assert tool(binary, 'hash', 'say "hi"', stdin='x').stdout.startswith('"say ""hi""" "SCRAM')


@pytest.mark.parametrize('args,stdin', [(['u'], ''), (['u'], '\n'), (['u'], 'x' * 5000), (['u', 'password'], 'x\n'), ([], 'x\n'),
                                        (['--iterations=0', 'u'], 'x\n'), (['--md5', '--mysql-native', 'u'], 'x\n'),
                                        (['--md5', '--iterations=5000', 'u'], 'x\n'), (['--caching-sha2', 'u'], 'x' * 300 + '\n')])
def test_hash_refuses(binary, args, stdin):
    r = tool(binary, 'hash', *args, stdin=stdin)
    assert r.returncode in (1, 2) and r.stdout == '' and r.stderr


def read_until(fd, pattern, seconds=30):
    """What the terminal showed since, when the pattern is in it."""
    said, end = '', time.monotonic() + seconds
    while not re.search(pattern, said, re.S):
        assert time.monotonic() < end, 'no %r in %r' % (pattern, said)
        if select.select([fd], [], [], 0.2)[0]:
            try:
                said += os.read(fd, 65536).decode()
            except OSError:
                break
    return said


@contextlib.contextmanager
def on_terminal(binary, *args, rows=24, columns=80, env=None):
    pid, fd = pty.fork()
    if pid == 0:
        argv = as_test_user([binary, *map(str, args)])
        os.execvpe(argv[0], argv, dict({k: v for k, v in os.environ.items() if not k.startswith('PG')}, TERM='xterm', **(env or {})))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    try:
        yield pid, fd
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        os.close(fd)


def test_hash_asks_twice_unseen(binary):
    with on_terminal(binary, 'hash', '--md5', 'u') as (pid, fd):
        read_until(fd, 'Password: ')
        os.write(fd, b'hush-hush\n')
        said = read_until(fd, 'Again: ')
        os.write(fd, b'hush-hush\n')
        said += read_until(fd, r'"md5[0-9a-f]{32}"')
        assert 'hush-hush' not in said
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with on_terminal(binary, 'hash', '--md5', 'u') as (pid, fd):
        read_until(fd, 'Password: ')
        os.write(fd, b'one\n')
        read_until(fd, 'Again: ')
        os.write(fd, b'two\n')
        read_until(fd, 'the passwords differ')
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


# --- stat and top
def console(wp):
    return 'postgres://admin:admin@127.0.0.1:%d/' % wp.port


def test_stat(weirpool, pg15):
    wp = weirpool(pg15)
    with wp.raw() as c:
        for _ in range(5):
            c.one('select 1')
        r = tool(wp.binary, 'stat', console(wp))
        assert r.returncode == 0 and r.stderr == '', r.stderr
        assert re.search(r'weirpool \S+, active: 1 clients \(0 wait', r.stdout) and re.search(r'^app +app +1 ', r.stdout, re.M), r.stdout
        j = json.loads(tool(wp.binary, 'stat', '--json', console(wp)).stdout)
        assert j['clients'] == 1 and j['queries'] >= 5 and j['state'] == 'active'
        assert [p for p in j['pools'] if p['database'] == 'app' and p['sv_idle'] + p['sv_active'] + p['sv_used'] == 1], j
    # the unix socket, found by the configuration: no password
    assert 'active' in tool(wp.binary, 'stat', wp.conffile).stdout
    assert 'active' in tool(wp.binary, 'stat', env={'WEIRPOOL_CONFFILE': str(wp.conffile)}).stdout
    lines = tool(wp.binary, 'stat', '--watch=1', '--count=2', console(wp)).stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith('time ') and all(re.match(r'\d\d:\d\d:\d\d +0 +0 ', x) for x in lines[1:]), lines
    for x in tool(wp.binary, 'stat', '--watch=1', '--count=1', '--json', console(wp)).stdout.splitlines():
        assert json.loads(x)['queries_per_s'] >= 0


@pytest.mark.parametrize('name', ['stat', 'top'])
def test_nobody_there(binary, name, here):  # noqa: F811
    r = tool(binary, name, 'postgres://x:hush@127.0.0.1:1/')
    assert r.returncode == 1 and 'cannot reach the console' in r.stderr and 'hush' not in r.stderr
    r = tool(binary, name, here + '/absent.ini')
    assert r.returncode == 1 and 'absent.ini' in r.stderr
    r = tool(binary, name, env={'WEIRPOOL_LISTEN_PORT': '1'})
    assert r.returncode == 1 and 'name a configuration file' in r.stderr


def test_stat_of_one_that_serves_mysql_alone(binary):
    """It has no port of PostgreSQL's: some other server's is not asked."""
    r = tool(binary, 'stat', 'mysql://app:hush@127.0.0.1:1/app', env={'PGHOST': '127.0.0.1', 'PGPORT': '1'})
    assert r.returncode == 1 and '--unix-socket-dir=DIR' in r.stderr and 'hush' not in r.stderr, r.stderr


def test_stat_without_a_password(weirpool, pg15):
    """It says how to bring one."""
    wp = weirpool(pg15, unix_socket_dir='')
    r = tool(wp.binary, 'stat', wp.conffile, env={'PGUSER': 'admin'})
    assert r.returncode == 1 and 'PGUSER and PGPASSWORD, or ~/.pgpass, say who asks' in r.stderr, r.stderr
    r = tool(wp.binary, 'stat', wp.conffile, env={'PGUSER': 'admin', 'PGPASSWORD': 'admin'})
    assert r.returncode == 0, r.stderr


def test_top_once(weirpool, pg15):
    wp = weirpool(pg15, userlist={'e\x1b[31m': 'app'})
    with wp.connect(application_name='my\x1b[2Japp'), wp.raw('app2'):
        for view in ('pools', 'clients', 'servers', 'nodes', 'waits', 'c'):
            r = tool(wp.binary, 'top', '--once', '--view=' + view, console(wp))
            assert r.returncode == 0 and r.stderr == '' and '\x1b' not in r.stdout, r
            assert len(r.stdout.splitlines()) >= 5
        assert re.search(r'^app +app2 ', r.stdout, re.M), r.stdout
        assert tool(wp.binary, 'top', console(wp)).stdout.splitlines()[3].startswith('pools:')     # no terminal: once
        j = json.loads(tool(wp.binary, 'top', '--json', console(wp)).stdout)
        assert set(j) == {'pools', 'clients', 'servers', 'nodes', 'waits'}
        assert {c['user'] for c in j['clients']} >= {'app', 'app2'}


@pytest.mark.parametrize('env,colour', [({}, True), ({'NO_COLOR': '1'}, False)])
def test_top_on_a_terminal(weirpool, pg15, env, colour):
    """In 80x24: no line is longer, nothing scrolls; keys; another size; q gives the terminal back."""
    wp = weirpool(pg15)
    with wp.raw(), wp.raw('app2'), on_terminal(wp.binary, 'top', console(wp), env=env) as (pid, fd):
        screen = read_until(fd, r'pools: \d+.*q quit')
        assert ('\x1b[7m' in screen) == colour
        plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', screen.split('\x1b[H', 1)[1])
        lines = plain.split('\r\n')
        assert len(lines) <= 24 and all(len(x) <= 80 for x in lines), lines
        os.write(fd, b'c')
        read_until(fd, r'clients: \d+.*app2.*q quit')
        os.write(fd, b'>r')
        read_until(fd, r'q quit')
        os.write(fd, b's')
        read_until(fd, r'servers: \d+.*q quit')
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 10, 40, 0, 0))
        os.kill(pid, signal.SIGWINCH)
        os.write(fd, b'p\x1b[B\x1b[6~\x1b[A')
        screen = read_until(fd, r'\x1b\[10;1H')
        plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', screen.rsplit('\x1b[H', 1)[1])
        assert all(len(x) <= 40 for x in plain.split('\r\n')), plain
        os.write(fd, b'q')
        read_until(fd, r'\x1b\[\?1049l')
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_top_is_stopped_and_goes_on(weirpool, pg15):
    """Ctrl-Z gives the shell its screen and its modes; fg brings top back."""
    wp = weirpool(pg15)
    with on_terminal('/bin/bash', '--norc', '--noprofile', '--noediting', '-i', env=dict(PS1='ready> ')) as (pid, fd):
        read_until(fd, 'ready> ')
        os.write(fd, ("%s top '%s'\n" % (wp.binary, console(wp))).encode())
        read_until(fd, r'\x1b\[\?1049h.*pools: \d+.*q quit')
        os.write(fd, b'\x1a')
        read_until(fd, r'\x1b\[\?25h\x1b\[\?1049l.*Stopped.*ready> ')
        os.write(fd, b'stty -a\n')
        said = read_until(fd, r'isig.*ready> ')
        assert re.search(r'[^-]icanon', said) and re.search(r' echo ', said), said
        os.write(fd, b'fg\n')
        read_until(fd, r'\x1b\[\?1049h.*pools: \d+.*q quit')
        os.write(fd, b'q')
        read_until(fd, r'\x1b\[\?1049l.*ready> ')
        os.write(fd, b'exit\n')
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_top_when_weirpool_ends(weirpool, pg15):
    wp = weirpool(pg15)
    with on_terminal(wp.binary, 'top', console(wp)) as (pid, fd):
        read_until(fd, r'pools: \d+.*q quit')
        wp.stop()
        said = read_until(fd, r'\x1b\[\?1049l.*weirpool top: ')
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1, said


# --- completion
def complete(binary, *words):
    script = ('source <("%s" completion bash); COMP_WORDS=(weirpool %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); compopt() { :; }\n'
              '_weirpool; printf "%%s\\n" "${COMPREPLY[@]}"' % (binary, ' '.join("'%s'" % w for w in words)))
    return subprocess.run(['bash', '-c', script], stdout=subprocess.PIPE, text=True, check=True, cwd='/').stdout.split()


def test_completion_of_bash(binary):
    assert complete(binary, '--pool-mo') == ['--pool-mode=']
    assert complete(binary, '--pool-mode', '=', 'tr') == ['transaction']
    assert complete(binary, '--pool-mode', '=') == ['session', 'transaction', 'statement']
    assert complete(binary, '--du') == ['--dump']
    assert 'stat' in complete(binary, 'sta') and 'etc' in complete(binary, 'et')


@pytest.mark.parametrize('shell', ['zsh', 'fish'])
def test_completion_of_others(binary, shell):
    """These shells are not on every machine: each option and command is in it, and what a help says cannot end a quote."""
    out = tool(binary, 'completion', shell).stdout
    names = re.findall(r'^### (\w+)$', (SRC / 'doc/options.md').read_text().split('## Section')[1], re.M)
    assert len(names) > 80
    for n in names:
        assert re.search(r'\b%s\b' % n.replace('_', '-'), out), n
    for t in TOOLS:
        assert re.search(r"\b%s\b" % t, out)
    assert all(line.count("'") % 2 == 0 for line in out.splitlines() if 'case' not in line and '=*)' not in line)


# --- check
def write(directory, text, name='t.ini', mode=0o644):
    p = os.path.join(directory, name)
    with open(p, 'w') as f:
        f.write(text)
    os.chmod(p, mode)
    return p


def test_check_of_a_configuration(binary, here):  # noqa: F811
    good = write(here, '[databases]\na = host=h\n[weirpool]\nauth_type = trust\n')
    r = tool(binary, 'check', good)
    assert r.returncode == 0 and r.stdout == 'ok   %s (1 database, 0 users)\n' % good
    r = tool(binary, 'check', write(here, '[weirpool]\npool_mod = x\n', 'bad.ini'))
    assert r.returncode == 1 and 'bad.ini:2: ' in r.stderr and r.stdout == ''
    r = tool(binary, 'check', write(here, '[databases]\na = host=h\n[weirpool]\nauth_file = /no/such/file\n', 'users.ini'))
    assert r.returncode == 1 and [line for line in r.stderr.splitlines() if 'auth_file' in line] == [
        '%s/users.ini:4: auth_file: cannot read /no/such/file: No such file or directory' % here], r.stderr
    assert tool(binary, 'check', '--connect').returncode == 2
    assert tool(binary, 'check', '--connect', '--running', good).returncode == 2


def test_check_connect(binary, here, pg15, maria1011):  # noqa: F811
    hba = 'host=%s port=%d' % (pg15.host, pg15.port)
    users = write(here, '"byauth" "app"\n', 'users.txt')
    text = """[databases]
good = %s dbname=app user=app password=app
wrong = %s dbname=app user=app password=hush-hush
absent = host=127.0.0.1 port=1 dbname=app user=app password=app
ping = %s dbname=app
nobody = host=127.0.0.1 port=1 dbname=app
tls = %s dbname=app user=app password=app server_tls_sslmode=require
[mysql_databases]
mygood = host=%s port=%d dbname=app user=app password=app
mywrong = host=%s port=%d dbname=app user=app password=hush-hush
myping = host=%s port=%d dbname=app
[weirpool]
auth_file = %s
""" % ((hba,) * 4 + (maria1011.host, maria1011.port) * 3 + (users,))
    r = tool(binary, 'check', '--connect', write(here, text))
    said = {line.split()[1]: line for line in r.stdout.splitlines()[1:]}
    assert r.returncode == 1 and '4 of 9 servers cannot be used' in r.stderr and 'hush' not in r.stdout + r.stderr, r
    assert said['good'].startswith('ok ') and 'PostgreSQL 15.' in said['good'] and 'primary' in said['good']
    assert said['wrong'].startswith('FAIL') and 'password authentication failed' in said['wrong']
    assert said['absent'].startswith('FAIL') and 'refused' in said['absent']
    assert said['ping'].startswith('ok ') and 'nobody to log in as' in said['ping']
    assert said['nobody'].startswith('FAIL') and 'refused' in said['nobody'], 'why there is no answer'
    assert said['tls'].startswith('ok ') and 'TLSv1' in said['tls']
    assert said['mygood'].startswith('ok ') and 'MariaDB 10.11' in said['mygood'] and 'writable' in said['mygood']
    assert said['mywrong'].startswith('FAIL') and 'Access denied' in said['mywrong']
    assert said['myping'].startswith('ok ') and 'nobody to log in as' in said['myping']


def test_check_connect_over_tls(binary, here, pg15, certs, anymy):  # noqa: F811
    """To MySQL as the daemon would: TLS where it is there, checked as the options say, and nothing else where they insist."""
    to = 'host=%s port=%d dbname=app password=app' % (anymy.host, anymy.port)
    ca, other = certs.crt('ca'), certs.crt('otherca')
    entries = dict(prefer=to + ' user=app', plain=to + ' user=app server_tls_sslmode=disable',
                   full=to + ' user=app server_tls_sslmode=verify-full server_tls_ca_file=' + ca,
                   must=to + ' user=apptls server_tls_sslmode=require',
                   x509=to + ' user=appx509 server_tls_sslmode=verify-ca server_tls_ca_file=%s server_tls_cert_file=%s server_tls_key_file=%s' % (
                       ca, certs.crt('app'), certs.key('app')),
                   untrusted=to + ' user=app server_tls_sslmode=verify-ca server_tls_ca_file=' + other,
                   clear=to + ' user=apptls server_tls_sslmode=disable', nobody=to.replace('password=app', '') + ' server_tls_sslmode=require')
    text = '[mysql_databases]\n' + ''.join('%s = %s\n' % e for e in entries.items()) + '[weirpool]\nauth_type = trust\n'
    r = tool(binary, 'check', '--connect', write(here, text))
    said = {line.split()[1]: line for line in r.stdout.splitlines()[1:]}
    assert set(said) == set(entries), r
    for name in ('prefer', 'full', 'must', 'x509'):
        assert said[name].startswith('ok ') and re.search(r'TLSv1\.[23] \(', said[name]), said[name]
    assert said['plain'].startswith('ok ') and 'without TLS' in said['plain']
    assert said['untrusted'].startswith('FAIL') and 'certificate' in said['untrusted']
    assert said['clear'].startswith('FAIL') and 'Access denied' in said['clear']
    assert said['nobody'].startswith('ok ') and 'nobody to log in as' in said['nobody']
    assert r.returncode == 1 and '2 of 8 servers cannot be used' in r.stderr
    r = tool(binary, 'doctor', write(here, '[mysql_databases]\na = %s pool_size=100000\n[weirpool]\nauth_type = trust\nunix_socket_dir=\n' % entries['must']))
    assert re.search(r'may open 100000 connections, but the server takes \d+', r.stdout), r.stdout
    for kind, entry in (('mysql_databases', entries['untrusted']), ('databases', 'host=%s port=%d user=app password=app server_tls_sslmode=verify-ca '
                                                                    'server_tls_ca_file=%s' % (pg15.host, pg15.port, other))):
        r = tool(binary, 'doctor', write(here, '[%s]\na = %s\n[weirpool]\nauth_type = trust\nunix_socket_dir=\n' % (kind, entry)))
        assert re.search('its max_connections could not be asked: .*certificate', r.stdout), r.stdout


def test_check_of_a_running_one(weirpool, pg15, maria1011):
    wp = weirpool(pg15, mysql=maria1011)
    env = {'WEIRPOOL_CONFFILE': str(wp.conffile)}
    r = tool(wp.binary, 'check', env=env)
    assert r.returncode == 0 and len(re.findall(r'^ok   127\.0\.0\.1:\d+ answers$', r.stdout, re.M)) == 2, r
    assert tool(wp.binary, 'check', '--running', wp.conffile).stdout == r.stdout
    os.kill(wp.pid, signal.SIGSTOP)        # it is there, but does nothing
    try:
        r = tool(wp.binary, 'check', env=dict(env, WEIRPOOL_MYSQL_LISTEN_ADDR='none', WEIRPOOL_MYSQL_UNIX_SOCKET=''))
        assert r.returncode == 1 and 'FAIL 127.0.0.1' in r.stderr
    finally:
        os.kill(wp.pid, signal.SIGCONT)
    # behind a load balancer's header, and on the unix socket alone
    for more in (dict(proxy_protocol_networks='127.0.0.1'), dict(listen_addr='', mysql_listen_addr='127.0.0.1')):
        wp.stop()
        wp.options.update(more)
        wp.write()
        wp.start(wait=False)
        eventually(lambda: tool(wp.binary, 'check', env=env).returncode == 0)
    wp.stop()
    r = tool(wp.binary, 'check', env=env)
    assert r.returncode == 1 and 'FAIL unix:' in r.stderr


def test_check_asks_the_http_port(weirpool, pg15):
    port = free_port()
    wp = weirpool(pg15, http_port=port, ready_policy='all_pools', server_login_retry=1,
                  databases={'down': 'host=127.0.0.1 port=1 dbname=app user=app password=app'})
    env = {'WEIRPOOL_CONFFILE': str(wp.conffile)}
    r = tool(wp.binary, 'check', env=env)
    assert r.returncode == 0 and r.stdout.startswith('ok   127.0.0.1:%d {"ready":true' % port), r
    with wp.bare() as c, contextlib.suppress(rawpg.PgError, rawpg.Closed, OSError):
        c.sock.settimeout(0.5)
        c.login('app', 'down', 'app')
    r = eventually(lambda: (lambda r: r if r.returncode else None)(tool(wp.binary, 'check', env=env)))
    assert r.returncode == 1 and '"ready":false' in r.stderr


# --- convert
def effective(binary, path):
    """What a configuration means: every value, without where it stands, without what means nothing."""
    r = tool(binary, '--dump', path)
    assert r.returncode == 0, r.stderr
    return [line for line in r.stdout.splitlines() if not line.startswith(';') and not
            re.match(r'\[(weirpool|pgbouncer)\]$|(dns_zone_check_period|pkt_buf|sbuf_loopcnt|service_name|job_name) =', line)]


PGBOUNCER_INI = """;; as people have it
[databases]
app = host=10.0.0.1 port=5433 dbname=app user=app password='it''s ${NOT_A_VARIABLE}' pool_size=7 connect_query='select 1'
"odd name" = host=/tmp
* = host=10.0.0.2,10.0.0.3 auth_user=lookup
[users]
joe = pool_mode=session max_user_connections=3
[pgbouncer]
listen_addr = 127.0.0.1
auth_file = /etc/userlist.txt
auth_query = SELECT usename, passwd FROM user_lookup($1)
max_client_conn = 300
server_reset_query_always = 1
pkt_buf = 8192
ignore_startup_parameters = extra_float_digits
query_wait_timeout = 7
[peers]
1 = host=10.0.0.9 port=6432
"""


def test_convert_of_pgbouncer_means_the_same(binary, here):  # noqa: F811
    text = PGBOUNCER_INI.replace('/etc/userlist.txt', write(here, '"app" "app"\n', 'userlist.txt'))
    ini = write(here, text, 'pgbouncer.ini')
    r = tool(binary, 'convert', ini)
    assert r.returncode == 0 and '[weirpool]' in r.stdout and '[pgbouncer]' not in r.stdout
    assert 'pkt_buf is left out' in r.stderr and 'server_reset_query_always' in r.stderr and "it''s" not in r.stderr
    assert 'pkt_buf =' not in r.stdout and 'pool_mode = session' in r.stdout
    ours = write(here, r.stdout, 'ours.ini')
    theirs = write(here, text.replace('${', '$${'), 'theirs.ini')
    assert effective(binary, ours) == effective(binary, theirs)
    assert "it''s $${NOT" in r.stdout                     # secrets are carried over
    # PgBouncer's own sample, too
    sample = re.sub('(?m)^auth_file.*', '', (SRC / 'test/unit/data/pgbouncer.ini').read_text())
    sample = write(here, sample, 'sample.ini')
    assert effective(binary, write(here, tool(binary, 'convert', sample).stdout, 'out.ini')) == effective(binary, sample)


def test_convert_refuses_what_it_does_not_know(binary, here):  # noqa: F811
    r = tool(binary, 'convert', write(here, PGBOUNCER_INI.replace('query_wait_timeout', 'query_wait_timeuot'), 'p.ini'))
    assert r.returncode == 1 and r.stdout == '' and 'did you mean "query_wait_timeout"' in r.stderr
    assert tool(binary, 'convert', here + '/absent').returncode == 1


CNF = r"""
# comment
datadir="/var/lib/proxysql" // another
admin_variables= { admin_credentials="admin:adminsecret;other:o;easy:easy" stats_credentials="stats:s" web_enabled=true }
/* a third
   kind */
mysql_variables =
{
    threads=4; max_connections=2048
    interfaces="0.0.0.0:6033;/tmp/proxysql.sock"
    connect_timeout_server=3000
    monitor_username="monitor", monitor_password="it's mon"
    multiplexing=false
    query_digests_lowercase=true
    query_digests=true
    connection_max_age_ms=0
    monitor_ping_interval=10000
}
mysql_servers =
(
    { address="10.0.0.1" , port=3306 , hostgroup=10 , weight=1, max_connections=100, use_ssl=1 },
    { address="10.0.0.2" , port=3306 , hostgroup_id=20 , weight=500, max_replication_lag=5 },
    { address="10.0.0.1" , port=3306 , hostgroup=20 },
    { address="10.0.0.4" , port=3307 , hostgroup=30 },
    { address="10.0.0.9" , port=3306 , hostgroup=20, status="OFFLINE_HARD" },
    { address="10.0.0.8" , port=3306 , hostgroup=20, status="OFFLINE_SOFT", max_connections=5000 },
)
mysql_replication_hostgroups = ( { writer_hostgroup=10, reader_hostgroup=20, comment="the main one" } )
mysql_users =
(
    { username = "app" , password = "p\"w" , default_hostgroup = 10 , max_connections=77 },
    { username = "app2" , password = "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3" , default_hostgroup = 10 },
    { username = "other" , password = "x" , default_hostgroup = 30 , default_schema="archive" },
    { username = "gone" , password = "x" , default_hostgroup = 10 , active=0 }
)
mysql_query_rules =
(
    { rule_id=20, active=1, match_digest="^SELECT", destination_hostgroup=20, apply=1 },
    { rule_id=10, active=1, match_pattern="^SELECT .* FOR UPDATE$", destination_hostgroup=10, apply=1, username="app" },
    { rule_id=5, match_digest="it's", error_msg="use 'the' other", log=1 },
    { rule_id=30, match_digest="^SELECT 1", cache_ttl=100, destination_hostgroup=20, apply=1 },
    { rule_id=40, match_digest="x", replace_pattern="y" },
    { rule_id=50, match_digest="x", destination_hostgroup=20 },
    { rule_id=60, match_digest="x", destination_hostgroup=30, apply=1 },
    { rule_id=70, active=0, match_digest="x", replace_pattern="y" }
)
pgsql_servers = ( { address="10.1.0.1", hostgroup=1 } )
pgsql_users = ( { username="pg", password="pg", default_hostgroup=1 } )
scheduler = ()
"""


def test_convert_of_proxysql(binary, here):  # noqa: F811
    cnf, users = write(here, CNF, 'proxysql.cnf'), here + '/users.txt'
    r = tool(binary, 'convert', '--users=' + users, cnf)
    assert r.returncode == 0, r.stderr
    lines = r.stdout.splitlines()
    for want in ("the_main_one = protocol=mysql host=10.0.0.1,10.0.0.2 port=3306,3306 weight=1,500 probe_user=monitor "
                 "probe_password='it''s mon'", '* = cluster=the_main_one server_tls_sslmode=require max_staleness=5s max_db_connections=1000',
                 'mysql_hg30 = dbname=archive host=10.0.0.4 port=3307 max_db_connections=1000', '"app" = max_user_client_connections=77',
                 "mysql5 = regex='it''s' block='use ''the'' other' log=1", "mysql10 = user=app regex='^SELECT .* FOR UPDATE$' route=primary",
                 'mysql20 = regex=^SELECT route=replica', 'max_client_conn = 2048', 'workers = 4', 'mysql_listen_addr = 0.0.0.0',
                 'mysql_listen_port = 6033', 'mysql_unix_socket = /tmp/proxysql.sock', 'server_connect_timeout = 3000ms',
                 'pool_mode = session', 'admin_users = admin,other', 'stats_users = stats', '* = host=10.1.0.1 port=5432 max_db_connections=1000'):
        assert want in lines, '%s\nis not in\n%s' % (want, r.stdout)
    rules = [x for x in lines if re.match(r'mysql\d+ = ', x)]
    assert [x.split()[0] for x in rules] == ['mysql5', 'mysql10', 'mysql20']
    for rule, why in ((30, 'does not cache'), (40, 'does not rewrite'), (50, 'apply is 0'), (60, 'in no table of replication')):
        assert re.search(r'rule %d is left out: .*%s' % (rule, why), r.stderr), r.stderr
        assert re.search(r'^; rule %d is left out: .*%s' % (rule, why), r.stdout, re.M)
    assert 'rule 70' not in r.stderr and 'query_digests_lowercase: no counterpart' in r.stderr and 'scheduler: no counterpart' in r.stderr
    assert 'query_stats = 1' in lines and not [x for x in lines if x.startswith('server_lifetime')], 'there 0 is never, here it is after each use'
    for said in ('connection_max_age_ms = 0', 'monitor_ping_interval: the probe_', 'server 10.0.0.8:3306 of hostgroup 20 is left out: it is OFFLINE_SOFT',
                 'admin_users: easy is left out', 'set http_port'):
        assert said in r.stderr, r.stderr
    for secret in ('adminsecret', 'p"w', "it's mon"):
        assert secret not in r.stderr
    assert os.stat(users).st_mode & 0o777 == 0o600
    with open(users) as f:
        assert f.read().splitlines()[:3] == ['"app" "p""w"', '"app2" "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"', '"other" "x"']
    ini = write(here, r.stdout.replace('/tmp/proxysql.sock', here + '/s'), 'ours.ini')
    r = tool(binary, 'check', ini)
    assert r.returncode == 0, r.stderr + r.stdout
    assert tool(binary, 'convert', '--users=' + users, cnf).returncode == 1, 'a file that is there is not overwritten'
    r = tool(binary, 'convert', cnf)
    assert r.returncode == 0 and 'p"w' not in r.stdout and '--users=FILE' in r.stderr


@pytest.mark.parametrize('text', ['mysql_servers = ( {', 'mysql_servers = "x', 'mysql_servers = ( { a = 1 ) }', 'mysql_servers', '= 3', '/* x',
                                  'a = ' + '(' * 100, 'a = 1;\0b = 2;', '\xff\xfe', 'a = ;'])
def test_convert_of_broken_cnf(binary, here, text):  # noqa: F811
    r = tool(binary, 'convert', write(here, text, 'proxysql.cnf'))
    assert r.returncode == 1 and 'line 1: ' in r.stderr and r.stdout == ''


# --- doctor
def test_doctor_of_what_is_wrong(weirpool, binary, here, pg15, maria1011, certs):  # noqa: F811
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '5', '-subj',
                    '/CN=soon', '-keyout', here + '/k.pem', '-out', here + '/c.pem'], check=True, stderr=subprocess.DEVNULL)
    os.chmod(here + '/k.pem', 0o644)
    users = write(here, '"app" "app"\n', 'users.txt')
    ini = write(here, """[databases]
app = host=%s port=%d dbname=app user=app password=app pool_size=5000
[mysql_databases]
my = host=%s port=%d dbname=app user=app password=app pool_size=100000
[weirpool]
listen_addr = *
listen_port = 1
unix_socket_dir =
auth_file = %s
client_tls_sslmode = require
client_tls_cert_file = %s/c.pem
client_tls_key_file = %s/k.pem
otlp_endpoint = https://127.0.0.1:1/
otlp_tls_cert_file = %s
otlp_tls_key_file = %s
max_client_conn = 1000000
listen_backlog = 65535
""" % (pg15.host, pg15.port, maria1011.host, maria1011.port, users, here, here, certs.crt('expired'), certs.key('expired')))
    r = tool(binary, 'doctor', ini)
    found = dict(re.findall(r'^FOUND (.*)\n      where: (.*)\n      to do: .+$', r.stdout, re.M))
    n = 9 - (int(pathlib.Path('/proc/sys/net/core/somaxconn').read_text()) >= 65535)
    assert r.returncode == 1 and len(found) == n and r.stdout.endswith('\n%d findings\n' % n), r.stdout + r.stderr
    for what, where in (('file descriptors at most', ''), 
                        (r'may open 5000 connections, but the server takes \d+', ':%d' % pg15.port),
                        (r'may open 100000 connections, but the server takes \d+', ':%d' % maria1011.port),
                        ('ends in [45] days', '/c.pem'), ('certificate has ended', '/expired.crt'), ('can read auth_file', '/users.txt'), ('can read client_tls_key_file', '/k.pem'),
                        ('can read a file with passwords', '/t.ini')):
        assert [w for f, w in found.items() if re.search(what, f) and w.endswith(where)], '%s: %s' % (what, r.stdout)
    assert 'no weirpool runs' in r.stdout
    r = tool(binary, 'doctor', write(here, '[databases]\na = host=h\n[weirpool]\nlisten_addr = *\nauth_type = trust\n', 'open.ini'))
    assert 'need no password' in r.stdout and 'without TLS' in r.stdout
    assert tool(binary, 'doctor', here + '/absent').returncode == 1


def test_doctor_asks_as_the_probe(binary, here, pg15):
    """Where clients bring their own names, a cluster's server is asked by who asks for its role."""
    users = write(here, '"app" "app"\n', 'users.txt')
    ini = write(here, """[clusters]
main = host=%s port=%d probe_user=app probe_password=app probe_dbname=app
[databases]
app = cluster=main server_tls_sslmode=disable
[weirpool]
auth_file = %s
""" % (pg15.host, pg15.port, users))
    r = tool(binary, 'doctor', ini)
    assert re.search(r'^ok    127\.0\.0\.1:%d: up to \d+ connections.* of \d+' % pg15.port, r.stdout, re.M), r.stdout


def test_doctor_of_a_running_one(weirpool, pg15):
    wp = weirpool(pg15, max_client_conn=50, listen_backlog=100, query_wait_timeout=30,
                  databases={'app': dict(host=pg15.host, port=pg15.port, dbname='app', user='app', password='app', pool_size=2)})
    for name in ('weirpool.ini', 'users.txt'):
        os.chmod(wp.dir / name, 0o600)
    r = tool(wp.binary, 'doctor', wp.conffile)
    assert r.returncode == 0 and r.stdout.endswith('\n0 findings\n') and 'it runs with what the file says' in r.stdout, r.stdout
    assert 'file descriptors: %d (the process that runs)' % resource.getrlimit(resource.RLIMIT_NOFILE)[1] in r.stdout, r.stdout
    assert re.search(r'^ok    127\.0\.0\.1:%d: up to \d+ connections.* of \d+' % pg15.port, r.stdout, re.M), r.stdout
    wp.options.update(query_wait_timeout=40)
    wp.write()
    with wp.raw() as a, wp.raw() as b:
        for c in (a, b):
            c.one('select pg_advisory_lock_shared(1)')
        with wp.bare() as waits:
            waits.login('app', 'app', 'app')
            waits.send(rawpg.query('select 1'))
            eventually(lambda: wp.admin('show waits'))
            r = tool(wp.binary, 'doctor', wp.conffile)
    assert r.returncode == 1 and 'with other values than the file has: query_wait_timeout' in r.stdout, r.stdout
    assert re.search(r'FOUND 2 clients keep their server connection between transactions: \S+', r.stdout), r.stdout
    assert 'FOUND 1 clients wait for a server connection' in r.stdout, r.stdout


# --- what weirpool reads from a catalog
def test_catalog_over_tls(weirpool, mysql97, certs):
    """Names that are not for a replica are read as all else is: over TLS, from a server that is the right one."""
    mysql97.query("drop user if exists catalog")
    mysql97.query("create user catalog identified by 'catalog' require ssl")
    mysql97.query("grant all on *.* to catalog")
    wp = weirpool(clusters={'main': dict(host='localhost', port=mysql97.port, protocol='mysql', probe_user='catalog', probe_password='catalog')},
                  mysql_databases={'app': dict(cluster='main', server_tls_sslmode='verify-full', server_tls_ca_file=certs.crt('ca'))},
                  userlist=dict(app='app', admin='admin'))
    eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 40)
    with wp.my() as c:
        c.q('select 1')  # now somebody wants to know

    def reason():
        """why a read of a table may go where it goes"""
        return wp.admin('EXPLAIN ROUTE FOR app select a from some_table')[0]['reason']
    eventually(lambda: 'catalog is not known' not in reason())
    assert 'cannot be read' not in wp.log()
