"""README.md and doc/*.md do what they say: every block of commands in them is run against a real server.

The info string of a block says how (scripts/check-docs insists on test=NAME):
    sh test=NAME            run by bash -e; must succeed. `fails` behind it: must fail. `daemon`: left running until NAME ends
    ini|text test=NAME file=PATH    the block is the content of that file
    text test=NAME output   what the block before it printed; a line `...` stands for any lines, ... inside a line for anything
Blocks of one page with the same NAME are one story: they run in order, in one directory, against one server.

What a story starts in its directory and does not end (a server, a client that waits) ends with the story.

In the pages db.example.com is the database server (port 5432, role app, password secret, database app), my.example.com a
MariaDB (port 3306, the same account and schema), weirpool listens on ports 6432 and 6033, and its files are in /etc/weirpool.
Here these become servers of the tests, free ports and a temporary directory."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import psycopg
import pytest

from servers import as_test_user, eventually, free_port, give_to_test_user
from weir import SANITIZER, SRC, find_binary

TUTORIAL_PORTS = ('5441', '5442', '5443', '3341', '3342', '9090')  # of servers that a tutorial starts itself
SLOW = {'build'}                  # stories for ./check --slow
FENCE = re.compile(r'^```(.*)$')


class Block:
    def __init__(self, page, line, info):
        words = info.split()
        self.page, self.line, self.kind = page, line, words[0] if words else ''
        self.flags = {w.partition('=')[0]: w.partition('=')[2] for w in words[1:]}
        self.text = ''

    @property
    def where(self):
        return '%s:%d' % (self.page.relative_to(SRC), self.line)


def blocks_of(page):
    block = None
    for n, line in enumerate(page.read_text().split('\n'), 1):
        m = FENCE.match(line)
        if m and block is None:
            block = Block(page, n, m.group(1))
        elif m:
            yield block
            block = None
        elif block is not None:
            block.text += line + '\n'


def stories():
    found = {}
    for page in [SRC / 'README.md', *sorted((SRC / 'doc').rglob('*.md'))]:
        for b in blocks_of(page):
            if 'test' in b.flags:
                found.setdefault((page.stem, b.flags['test']), []).append(b)
    return found


STORIES = stories()


class Stage:
    """Where a story is played."""

    def __init__(self, directory, server, mysql, certs, port, mysql_port):
        self.dir = pathlib.Path(directory)
        self.port, self.mysql_port = port, mysql_port
        self.http_port = 9127 if port == 6432 else free_port()
        self.otlp_port = free_port()
        self.serves_mysql = False
        self.log = self.dir / 'log'
        self.daemons = []
        self.places = [('@db.example.com', '@127.0.0.1:%d' % server.port),
                       ('host=db.example.com port=5432', 'host=127.0.0.1 port=%d' % server.port),
                       ('host=db.example.com', 'host=127.0.0.1 port=%d' % server.port),
                       ('db.example.com', '127.0.0.1'),
                       ('/etc/weirpool', str(self.dir)), ('/run/weirpool', str(self.dir)),
                       ('/usr/share/doc/weirpool', str(self.dir / 'share')),
                       ('/var/log/weirpool', str(self.dir)), ('6432', str(self.port)), ('6033', str(self.mysql_port)),
                       ('9127', str(self.http_port)), ('4318', str(self.otlp_port))]
        self.places += [(p, str(free_port())) for p in TUTORIAL_PORTS]
        if mysql:
            self.places += [('@my.example.com', '@127.0.0.1:%d' % mysql.port), ('port=3306', ''),
                            ('host=my.example.com', 'host=127.0.0.1 port=%d' % mysql.port),
                            ('-h my.example.com', '-h 127.0.0.1 -P %d' % mysql.port)]
        for name in ('ca.crt', 'server.crt', 'server.key', 'app.crt', 'app.key'):
            self.put(name, pathlib.Path(certs.path(name)).read_text(), 0o600)
        (self.dir / 'share').mkdir()
        for f in ('prometheus/weirpool-alerts.yml', 'grafana/weirpool.json'):
            shutil.copy(SRC / 'etc' / f, self.dir / 'share')
        bindir = self.dir / 'bin'
        bindir.mkdir()
        build = pathlib.Path(find_binary())
        for prog in (build, build.parent / 'weirpool-auth-helper'):
            if prog.exists():
                shutil.copy(prog, bindir / prog.name)
                os.chmod(bindir / prog.name, 0o755)
        give_to_test_user(bindir)
        self.env = dict(os.environ, PATH='%s:/usr/bin:/bin' % bindir, HOME=str(self.dir), LC_ALL='C.UTF-8',
                        PGCONNECT_TIMEOUT='10', PGSSLMODE='prefer', PGPASSWORD='secret', ASAN_OPTIONS='exitcode=99',
                        WEIRPOOL_AUTH_HELPER=str(bindir / 'weirpool-auth-helper'))
        for name in [k for k in self.env if re.match('NOTIFY_SOCKET|DATABASE_URL|WEIRPOOL_(?!AUTH_HELPER)', k)]:
            del self.env[name]

    def here(self, text):
        becomes = dict(reversed(self.places))
        return re.sub('|'.join(re.escape(was) for was, _ in self.places), lambda m: becomes[m.group()], text)

    def back(self, text):
        was = {becomes: was for was, becomes in self.places if was.isdigit()} | {str(self.dir): '/etc/weirpool'}
        return re.sub('|'.join(map(re.escape, was)), lambda m: was[m.group()], text)

    def put(self, name, text, mode=0o644):
        p = self.dir / name
        p.write_text(text)
        os.chmod(p, mode)
        give_to_test_user(p)

    def run(self, block):
        script = self.here(block.text)
        command = as_test_user(['bash', '-euc', script])
        if 'daemon' in block.flags:
            with open(self.log, 'ab') as log:
                p = subprocess.Popen(command, cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True)
            self.daemons.append(p)
            ports = [self.mysql_port] if 'mysql://' in block.text else [self.port] + [self.mysql_port] * self.serves_mysql
            for port in ports:
                self.wait_listening(p, port)
            return self.log.read_text(errors='replace')
        try:
            r = subprocess.run(command, cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=120)
        except subprocess.TimeoutExpired as e:  # (what it waits for in vain is told in the log)
            raise AssertionError('%s: not done in %g s\n%s\n%s' % (block.where, e.timeout, (e.stdout or b'').decode(), self.logged())) from None
        out = self.back(r.stdout)
        assert ('fails' in block.flags) == (r.returncode != 0), '%s: exit code %d\n%s\n%s' % (
            block.where, r.returncode, out, self.logged())
        return out

    def wait_listening(self, p, port):
        def listening():
            """weirpool listens"""
            assert p.poll() is None, 'it ended with %d:\n%s' % (p.returncode, self.logged())
            with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', port)) == 0
        eventually(listening, 20)
        time.sleep(0.2)

    def logged(self):
        return self.log.read_text(errors='replace')[-4000:] if self.log.exists() else ''

    def end(self):
        codes = []
        for p in self.daemons:
            with contextlib.suppress(ProcessLookupError):  # after UPGRADE another one of its group runs
                os.killpg(p.pid, signal.SIGQUIT)
            try:
                codes.append(p.wait(20))
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                codes.append('killed')
        self.sweep()
        assert not SANITIZER.search(self.logged()), self.logged()
        assert all(c in (0, -signal.SIGQUIT) for c in codes), 'ended with %s:\n%s' % (codes, self.logged())


    def left(self):
        """Programs that a story has started in its directory and that still run: servers of a tutorial, clients that wait."""
        found = []
        for p in pathlib.Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                cwd = pathlib.Path(os.readlink(p / 'cwd'))
                if (cwd == self.dir or self.dir in cwd.parents) and p.joinpath('stat').read_text().rpartition(')')[2].split()[0] != 'Z':
                    found.append(int(p.name))
        return found

    def sweep(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.left():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sig)
            with contextlib.suppress(AssertionError):
                eventually(lambda: not self.left(), 15)


def matches(expected, real):
    lines = [ln.rstrip() for ln in expected.strip('\n').split('\n')]
    parts = [r'(?:.*\n)*?' if ln == '...' else '.*'.join(re.escape(x) for x in ln.split('...')) + ' *\n' for ln in lines]
    return re.search('^' + ''.join(parts), '\n'.join(x.rstrip() for x in real.split('\n')) + '\n', re.M)


def with_port(text):
    """6432 and 6033 are the defaults, so pages need not say them; here they are others."""
    for option, port in (('listen_port', '6432'), ('mysql_listen_port', '6033')):
        if not re.search('^' + option, text, re.M):
            text = re.sub(r'^(\[(weirpool|pgbouncer)\]\n)', r'\g<1>%s = %s\n' % (option, port), text, flags=re.M)
    return text


def play(blocks, stage):
    out, last = '', None
    for b in blocks:
        if 'file' in b.flags:
            path = pathlib.Path(stage.here(b.flags['file']))
            assert path.is_absolute() and stage.dir in path.parents, b.where
            stage.serves_mysql |= '\n[mysql_databases]\n' in '\n' + b.text
            stage.put(str(path.relative_to(stage.dir)), stage.here(with_port(b.text)), 0o600)
        elif 'output' in b.flags:
            if last is not None and 'daemon' in last.flags:  # it may take a moment to say it
                with contextlib.suppress(AssertionError):
                    eventually(lambda: matches(b.text, stage.back(stage.logged())))
                out = stage.logged()
            assert matches(b.text, stage.back(out)), '%s: expected\n%s\nbut it was\n%s' % (b.where, b.text, stage.back(out))
        else:
            assert b.kind == 'sh', '%s: what is %s?' % (b.where, b.kind)
            out = stage.run(b)
            last = b


@contextlib.contextmanager
def default_ports():
    with open('/tmp/.weirpool-test-6432.lock', 'w') as lock:  # test_cli.py takes turns, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield 6432, 6033


@contextlib.contextmanager
def ports_of(blocks):
    """Free ports; started from a URL weirpool listens on 6432 or 6033 and nowhere else, so such stories take turns."""
    if not any('daemon' in b.flags and '://' in b.text for b in blocks):
        yield free_port(), free_port()
        return
    with default_ports() as ports:
        yield ports


@pytest.fixture(scope='module')
def documented(victim):
    """The server that the pages speak of."""
    victim.query("alter role app password 'secret'")
    victim.query("create role dba superuser login password 'secret'")
    with victim.connect('app') as c:
        c.execute("create table public.account (id serial primary key, name text)")
        c.execute("insert into public.account (name) values ('first')")
        c.execute('alter table public.account owner to app')
    return victim


@pytest.fixture(scope='module')
def documented_mysql(maria_victim):
    """The MariaDB that the pages speak of."""
    maria_victim.query("alter user app@'%' identified by 'secret'")
    maria_victim.query("create user dba@'%' identified by 'secret'")
    maria_victim.query("grant all on *.* to dba@'%' with grant option")
    maria_victim.query("create table account (id int auto_increment primary key, name text)", database='app')
    maria_victim.query("insert into account (name) values ('first')", database='app')
    return maria_victim


def run_demo(blocks, base):
    """./demo is for people and ends with Ctrl-C; --once is the same, and ends by itself."""
    assert [b.text.split('#')[0].strip() for b in blocks] == ['./demo']
    with default_ports():
        r = subprocess.run([str(SRC / 'demo'), '--once'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=400, env=dict(os.environ, WEIRPOOL_BIN=find_binary()))
    assert r.returncode == 0, r.stdout[-5000:]
    for want in ('SHOW POOLS', 'tps', 'postgres://', 'everything is removed'):
        assert want in r.stdout, r.stdout[-5000:]


def run_check(blocks, base):
    """./check runs this very test: here only that it understands what the page says."""
    for b in blocks:
        for line in b.text.strip().split('\n'):
            words = line.split('#')[0].split()
            assert words[0] == './check', b.where
            r = subprocess.run([str(SRC / 'check'), '--help'], stdout=subprocess.PIPE, text=True, timeout=60)
            assert r.returncode == 0 and all(w in r.stdout for w in words[:2]), b.where


def run_build(blocks, base):
    tree = pathlib.Path(base) / 'tree'
    files = subprocess.run(['git', 'ls-files', '-z'], cwd=SRC, stdout=subprocess.PIPE, check=True).stdout.split(b'\0')
    for f in filter(None, files):
        to = tree / os.fsdecode(f)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SRC / os.fsdecode(f), to)
    root = tree / 'root'
    script = ''.join(b.text for b in blocks).replace('sudo make install', 'make DESTDIR=%s install' % root)
    r = subprocess.run(['bash', '-euc', script], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert r.returncode == 0, r.stdout[-5000:]
    for f in ('bin/weirpool', 'libexec/weirpool-auth-helper', 'share/man/man1/weirpool.1', 'share/man/man5/weirpool.ini.5',
              'lib/systemd/system/weirpool.service', 'lib/sysusers.d/weirpool.conf'):
        assert (root / 'usr/local' / f).exists(), f


SPECIAL = {'demo': run_demo, 'check': run_check, 'build': run_build}
PARAMS = [pytest.param(key, id='-'.join(key), marks=[pytest.mark.slow] if key[1] in SLOW else [])
          for key in STORIES]


@pytest.mark.timeout(600)
@pytest.mark.parametrize('key', PARAMS)
def test_story(key, base, certs, request):
    blocks = STORIES[key]
    if key[1] in SPECIAL:
        SPECIAL[key[1]](blocks, base)
        return
    directory = pathlib.Path(base) / ('doc-%s-%s' % key)
    directory.mkdir(mode=0o755)
    give_to_test_user(directory)
    texts = ''.join(b.text for b in blocks)
    mysql = request.getfixturevalue('documented_mysql') if 'my.example.com' in texts else None
    with ports_of(blocks) as (port, mysql_port):
        stage = Stage(directory, request.getfixturevalue('documented'), mysql, certs, port, mysql_port)
        try:
            play(blocks, stage)
        finally:
            stage.end()


def test_pages_have_stories():
    """README and each page that shows commands are among them: a parser that finds nothing would pass everything."""
    pages = {page for page, _ in STORIES}
    assert {'README', 'quickstart', 'pooling', 'from-pgbouncer', 'authentication', 'tls', 'console', 'operations',
            'mysql', 'gateway', 'grafana'} <= pages


def test_each_panel_is_explained():
    """doc/tutorial/grafana.md says of each panel of the dashboard what it tells, and of none that does not exist."""
    board = json.loads((SRC / 'etc/grafana/weirpool.json').read_text())
    panels = {p['title'] for row in board['panels'] for p in [row, *row.get('panels', ())] if p['type'] != 'row'}
    night = (SRC / 'doc/tutorial/grafana.md').read_text().partition('## At three in the morning')[2]
    said = {x for line in night.split('\n') if line.startswith('| `') for x in re.findall('`([a-z_ ]+)`', line.split('|')[1])}
    assert len(panels) > 90 and said == panels, (sorted(panels - said), sorted(said - panels))


def test_console_page_is_complete(weirpool, pg15):
    """doc/console.md names each command of SHOW HELP, and no SHOW that does not exist."""
    w = weirpool(pg15, query_stats=1)
    page = (SRC / 'doc/console.md').read_text()
    notices = []
    with w.console() as c:
        c.add_notice_handler(lambda d: notices.append((d.message_primary or '') + '\n' + (d.message_detail or '')))
        c.execute('SHOW HELP')
    text = '\n'.join(notices)
    usage = [ln.strip() for ln in text.split('\n') if re.match(r'\s+[A-Z]', ln)]
    assert len(usage) > 15, text
    for line in usage:
        words = line.split()
        names = ['SHOW ' + x for x in ' '.join(words[1:]).split('|')] if words[0] == 'SHOW' else [words[0]]
        for name in names:
            assert re.search(r'\b%s\b' % name, page), '%s is not in doc/console.md' % name
    for name in sorted(set(re.findall(r'\bSHOW ([A-Z_]+(?: METRICS)?)\b', page)) - {'HELP'}):
        w.admin('SHOW ' + name)


def matrix():
    """Rows of the table in doc/authentication.md: (client's proof, stored secret, kind of server, yes or no)."""
    out = []
    for line in (SRC / 'doc/authentication.md').read_text().split('\n'):
        cells = [c.strip() for c in line.strip('|').split('|')]
        if len(cells) == 5 and cells[2].split(',')[0] in ('yes', 'no'):
            out += [(cells[0], cells[1], kind, cells[i].startswith('yes'))
                    for i, kind in ((2, 'SCRAM'), (3, 'MD5'), (4, 'clear text'))]
    return out


@pytest.mark.parametrize('proof,stored,kind,works', matrix())
def test_authentication_matrix(weirpool, pg15, proof, stored, kind, works):
    user = {'SCRAM': 'app', 'MD5': 'appmd5', 'clear text': 'appplain'}[kind]
    secret = {'plain password': 'app', 'any, or none': pg15.query("select rolpassword from pg_authid where rolname = 'app'")[0][0],
              'MD5 secret': 'md5' + hashlib.md5(('app' + user).encode()).hexdigest()}.get(stored)
    if secret is None:
        assert stored.startswith('SCRAM secret'), stored
        secret = pg15.query("select rolpassword from pg_authid where rolname = 'app'")[0][0]
    auth = {'SCRAM': 'scram-sha-256', 'MD5': 'md5', 'clear text, PAM, LDAP': 'plain', 'certificate, peer, trust': 'trust'}[proof]
    w = weirpool(pg15, auth_type=auth, userlist={user: secret}, query_wait_timeout=20 if works else '0.5')
    if works:
        with w.connect(user, password='app') as c:
            assert c.execute('select current_user').fetchone()[0] == user
    else:
        with pytest.raises(psycopg.OperationalError, match='cannot log in to the server'):
            w.connect(user, password='app')


def test_matrix_is_found():
    assert len(matrix()) == 21


COLUMNS_ELSEWHERE = {'QUERIES': 'query-statistics.md', 'PROBES': 'clusters.md', 'TRACES': 'traces.md'}


def columns_sections():
    """{names of SHOWs: columns} as doc/columns.md has them."""
    out, now = {}, set()
    for line in (SRC / 'doc/columns.md').read_text().split('\n'):
        if line.startswith('## '):
            now = out.setdefault(tuple(re.findall(r'SHOW ([A-Z_]+)', line)), set())
        elif line.startswith('| `'):
            now |= set(re.findall(r'`([a-z0-9_]+)`', line.split('|')[1]))
    return out


def test_columns_page_is_complete(weirpool, pg15):
    """doc/columns.md names each column of each SHOW, and none that does not exist."""
    w = weirpool(pg15)
    notices = []
    with w.console() as c:
        c.add_notice_handler(lambda d: notices.append((d.message_primary or '') + '\n' + (d.message_detail or '')))
        c.execute('SHOW HELP')

        def columns(name):
            return {d.name for d in c.execute('SHOW %s LIMIT 0' % name).description}

        shows = set(re.findall(r'[A-Z_]+', ' '.join(re.findall(r'SHOW ([A-Z_|]+)$', '\n'.join(notices), re.M))))
        shows = {x for x in shows if not re.search('MYSQL', x)} - {'HELP'}
        sections = columns_sections()
        described = {x for names in sections for x in names}
        assert len(shows) > 20 and shows - described - set(COLUMNS_ELSEWHERE) - {'STATS_TOTALS', 'STATS_AVERAGES'} == set()
        for names, said in sections.items():
            real = set().union(*map(columns, names))
            if 'SOCKETS' in names:
                real -= columns('CLIENTS')
            assert said == real, 'doc/columns.md, SHOW %s: said and not there %s, there and not said %s' % (
                ', '.join(names), said - real, real - said)
        for name, page in COLUMNS_ELSEWHERE.items():
            text = (SRC / 'doc' / page).read_text()
            assert {x for x in columns(name) if not re.search(r'\b%s\b' % x, text)} == set(), page
