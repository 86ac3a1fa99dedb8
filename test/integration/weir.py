"""Runs the weirpool daemon for a test: writes its configuration, starts it, gives connections and its log, and makes sure
that it ends cleanly. Knows nothing of what a test checks."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg

from rawmy import RawMy
from rawpg import PgError, Raw
from servers import as_test_user, eventually, free_port, give_to_test_user

SRC = pathlib.Path(__file__).resolve().parents[2]
CONSOLE = os.environ.get('WEIRPOOL_TEST_CONSOLE', 'weirpool')
SANITIZER = re.compile(r'(ERROR: AddressSanitizer|WARNING: ThreadSanitizer|ERROR: LeakSanitizer|runtime error:).*')
USERLIST = {'app': 'app', 'app2': 'app', 'appmd5': 'app', 'appplain': 'app', 'apptrust': '', 'super': 'super',
            'repl': 'repl', 'admin': 'admin', 'stats': 'stats'}

MYSQL_USERLIST = {u: 'app' for u in ('app', 'app2', 'appnative', 'appsha256', 'apped', 'apptls', 'appx509', 'applocked', 'appexpired')}
MYSQL_USERLIST.update(appempty='', super='super', admin='admin', stats='stats')


def find_binary():
    for p in (os.environ.get('WEIRPOOL_BIN'), os.path.join(os.environ.get('BUILD_DIR', SRC / 'build'), 'weirpool'),
              os.path.join(os.environ.get('BUILD_DIR', SRC / 'build'), 'src/weirpool')):
        if p and os.access(p, os.X_OK) and not os.path.isdir(p):
            return str(p)
    raise RuntimeError('no weirpool binary: build it first, or set WEIRPOOL_BIN')


def install_binary(directory):
    """A copy that the test user may run: the source may be below a directory that only root can enter."""
    to = os.path.join(directory, 'weirpool')
    shutil.copy(find_binary(), to)
    os.chmod(to, 0o755)
    return to


def quote(v):
    v = str(v)
    return "'%s'" % v.replace("'", "''") if re.search(r"[\s'=]", v) or v == '' else v


def entry(values):
    return ' '.join('%s=%s' % (k, quote(v)) for k, v in values.items())


class Direct:
    """What test_mysql_* need of a Weirpool, without one: each client is the server's own."""
    direct = True

    def __init__(self, server):
        self.server, self.host, self.mysql_port = server, server.host, server.port

    def my(self, user='app', secret=None, db='app', rcvbuf=None, **kw):
        r = RawMy(self.mysql_port, self.host, rcvbuf=rcvbuf)
        r.login(user, MYSQL_USERLIST.get(user, 'app') if secret is None else secret, db, **kw)
        return r


class Weirpool:
    """One running weirpool.

    server: the PgServer that databases app, app2 and postgres lead to, or the MyServer of the entries app, app2 and * of
    [mysql_databases]; mysql: a MyServer beside a PgServer (myapp, myapp2, *). databases, mysql_databases, users, peers: name -> dict or the text
    of the entry; they come on top. nofile is the limit of descriptors. Other keyword arguments are options of the main section; None leaves one out."""

    direct = False

    def __init__(self, directory, binary, server=None, workers=1, databases=None, users=None, peers=None, userlist=None,
                 section='weirpool', hba=None, ident=None, config=None, mysql=None,
                 mysql_databases=None, clusters=None, rules=None, args=(), env=None, wait=True, nofile=None, log_to=None, **options):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='w', dir=directory))
        os.chmod(self.dir, 0o755)
        give_to_test_user(self.dir)
        self.binary = binary
        self.server = server
        self.workers = workers
        self.port = int(options.pop('listen_port', 0)) or free_port()
        self.host = '127.0.0.1'
        self.section = section
        self.databases = {}
        self.mysql_databases = {}
        if server is not None and hasattr(server, 'family'):
            server, mysql = None, server
        if mysql is not None:
            for d in ('app', 'app2'):
                name = d if server is None else 'my' + d
                self.mysql_databases[name] = dict(host=mysql.host, port=mysql.port, dbname=d)
            self.mysql_databases['*'] = dict(host=mysql.host, port=mysql.port)
        self.mysql_databases.update(mysql_databases or {})
        self.mysql_port = int(options.pop('mysql_listen_port', 0)) or (free_port() if self.mysql_databases else None)
        while self.mysql_port == self.port:
            self.mysql_port = free_port()
        if server is not None:
            for d in ('app', 'app2', 'postgres'):
                self.databases[d] = dict(host=server.host, port=server.port, dbname=d)
        self.databases.update(databases or {})
        self.users = dict(users or {})
        self.peers = dict(peers or {})
        self.clusters = dict(clusters or {})
        self.rules = dict(rules or {})  # in their order
        self.userlist = dict(MYSQL_USERLIST if server is None and self.mysql_databases else USERLIST)
        self.userlist.update(userlist or {})
        self.hba = hba
        self.ident = ident
        self.options = dict(listen_addr='127.0.0.1', listen_port=self.port, unix_socket_dir=self.dir, workers=workers,
                            auth_type='scram-sha-256', auth_file=self.dir / 'users.txt', admin_users='admin',
                            stats_users='stats', server_tls_sslmode='disable', pidfile=self.dir / 'pid')
        if self.mysql_databases:
            self.options['mysql_listen_port'] = self.mysql_port
        if section == 'pgbouncer':
            del self.options['workers']
        self.options.update(options)
        self.config = config
        self.conffile = self.dir / 'weirpool.ini'
        self.logfile = self.dir / 'log'
        self.args = list(args)
        self.env = dict(env or {})
        self.prefix = ['prlimit', '--nofile=%d:%d' % (nofile, nofile)] if nofile else []
        self.proc = None
        self.log_to = log_to  # in place of the file log
        self.exit_codes = (0,)
        self.write()
        self.start(wait)

    # --- files
    def text(self):
        if self.config is not None:
            return self.config
        out = ['[databases]']
        out += ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.databases.items()]
        if self.mysql_databases:
            out += ['[mysql_databases]']
            out += ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.mysql_databases.items()]
        if self.users:
            out += ['[users]'] + ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.users.items()]
        if self.clusters:
            out += ['[clusters]'] + ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.clusters.items()]
        if self.rules:
            out += ['[rules]'] + ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.rules.items()]
        if self.peers:
            out += ['[peers]'] + ['%s = %s' % (n, v if isinstance(v, str) else entry(v)) for n, v in self.peers.items()]
        options = dict(self.options)
        if self.hba is not None:
            options['auth_type'] = 'hba'
            options['auth_hba_file'] = self.dir / 'hba.conf'
        if self.ident is not None:
            options['auth_ident_file'] = self.dir / 'ident.conf'
        out += ['[%s]' % self.section] + ['%s = %s' % (k, v) for k, v in options.items() if v is not None]
        return '\n'.join(out) + '\n'

    def write(self):
        """(Re)write every file from the attributes; reload() makes a running one take them."""
        self.put('weirpool.ini', self.text())
        self.put('users.txt', ''.join('"%s" "%s"\n' % (u.replace('"', '""'), s.replace('"', '""'))
                                      for u, s in self.userlist.items()))
        if self.hba is not None:
            self.put('hba.conf', self.hba)
        if self.ident is not None:
            self.put('ident.conf', self.ident)

    def put(self, name, text):
        p = self.dir / name
        p.write_text(text)
        os.chmod(p, 0o644)
        give_to_test_user(p)
        return str(p)

    # --- life
    def start(self, wait=True):
        env = {k: v for k, v in os.environ.items() if not re.match('NOTIFY_SOCKET|DATABASE_URL|WEIRPOOL_(?!AUTH_HELPER)', k)}
        env.update(self.env)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0:exitcode=99')
        env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1:halt_on_error=1:exitcode=99')
        with open(self.logfile, 'ab') as log:
            self.proc = subprocess.Popen(self.prefix + as_test_user([self.binary, *self.args, str(self.conffile)]), cwd=self.dir,
                                         stdin=subprocess.DEVNULL, stdout=self.log_to or log,
                                         stderr=self.log_to or log, env=env)
        if wait:
            self.wait_listening()

    def wait_listening(self, seconds=60):
        def listening():
            """weirpool listens"""
            if self.proc.poll() is not None:
                raise AssertionError('weirpool ended with %d at its start:\n%s' % (self.proc.returncode, self.log()))
            with contextlib.suppress(OSError, ValueError), socket.create_connection((self.host, self.port), 1):
                # (the pid file is written last, when every socket listens)
                return self.config is not None or not self.options.get('pidfile') \
                    or int(pathlib.Path(self.options['pidfile']).read_text()) == self.pid
        eventually(listening, seconds, 0.005)

    def kill(self, sig):
        self.proc.send_signal(sig)

    def wait(self, seconds=60):
        """Wait for the end and return the exit code."""
        try:
            return self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError('weirpool still runs after %g s:\n%s' % (seconds, self.log()[-3000:])) from None

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, sig=signal.SIGQUIT):
        """End it at once if it still runs; its exit code and its log must be clean."""
        if self.proc is None:
            return
        if self.alive():
            self.kill(sig)
            try:
                self.proc.wait(60)
            except subprocess.TimeoutExpired:
                self.proc.send_signal(signal.SIGABRT)
                self.proc.wait(10)
                raise AssertionError('weirpool did not end on %s:\n%s' % (sig, self.log()[-3000:])) from None
        self.check_clean()

    def check_clean(self):
        found = SANITIZER.search(self.log())
        assert not found, 'sanitizer report in the log: %s\n%s' % (found.group(0), self.log()[found.start():][:6000])
        assert self.proc.returncode in self.exit_codes, 'weirpool ended with %d:\n%s' % (
            self.proc.returncode, self.log()[-3000:])

    @property
    def pid(self):
        return self.proc.pid

    def log_written(self):
        """Waits until what was logged so far is in the file: the threads that write it sleep."""
        def idle():
            """the log's threads sleep"""
            for t in pathlib.Path('/proc/%d/task' % self.pid).iterdir():
                with contextlib.suppress(OSError):
                    name, state = re.match(r'\d+ \((.*)\) (\w)', (t / 'stat').read_text()).groups()
                    if name.startswith('log-') and state != 'S':
                        return False
            return True
        if self.alive():
            with contextlib.suppress(FileNotFoundError):
                # (one that is about to write sleeps as well, while whoever has woken it holds the lock)
                eventually(lambda: all(idle() and time.sleep(0.003) is None for _ in range(3)), 10, 0.001)

    def log(self):
        self.log_written()
        try:
            return pathlib.Path(self.logfile).read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def wait_log(self, pattern, seconds=60):
        return eventually(lambda: re.search(pattern, self.log()), seconds)

    def reload(self, **options):
        """Change options, rewrite the files and RELOAD by the console."""
        self.options.update(options)
        self.write()
        self.admin('RELOAD')

    def rss_kib(self):
        """KiB in use; 0 for a build with AddressSanitizer, which keeps what is freed: there its leak check at the end decides."""
        with open('/proc/%d/maps' % self.pid) as f:
            if 'libasan' in f.read():
                return 0
        with open('/proc/%d/status' % self.pid) as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))

    def fds(self):
        return len(os.listdir('/proc/%d/fd' % self.pid))

    # --- connections
    def dsn(self, user='app', password=None, dbname='app', **kw):
        if password is None:
            password = self.userlist.get(user) if not str(self.userlist.get(user)).startswith(('md5', 'SCRAM')) else 'app'
        d = dict(host=self.host, port=self.port, user=user, dbname=dbname, sslmode='disable')
        if password:
            d['password'] = password
        d.update(kw)
        return psycopg.conninfo.make_conninfo(**{k: v for k, v in d.items() if v is not None})

    def connect(self, user='app', dbname='app', autocommit=True, **kw):
        """A psycopg 3 connection."""
        return psycopg.connect(self.dsn(user, dbname=dbname, **kw), autocommit=autocommit)

    def raw(self, user='app', dbname='app', secret=None, **kw):
        """A raw connection that has logged in."""
        r = Raw(self.port, self.host, rcvbuf=kw.pop('rcvbuf', None))
        r.login(user, dbname, self.userlist.get(user, 'app') if secret is None else secret, **kw)
        return r

    def my(self, user='app', secret=None, db='app', rcvbuf=None, **kw):
        """A raw MySQL connection that has logged in."""
        r = RawMy(self.mysql_port, self.host, rcvbuf=rcvbuf)
        r.login(user, self.userlist.get(user, 'app') if secret is None else secret, db, **kw)
        return r

    def bare(self, **kw):
        """A raw connection that has said nothing yet."""
        return Raw(self.port, self.host, **kw)

    def console(self, user='admin'):
        return psycopg.connect(self.dsn(user, dbname=CONSOLE), autocommit=True)

    def admin(self, command, user='admin'):
        """One command on the console by the simple protocol; rows as dicts (of text), or None."""
        with self.raw(user, CONSOLE) as r:
            out = r.simple(command)
            r.bye()
        for m in out:
            if m.type == 'E':
                raise PgError(m.fields)
        desc = [m for m in out if m.type == 'T']
        if not desc:
            return None
        names = [c[0] for c in desc[0].columns]
        return [dict(zip(names, m.row)) for m in out if m.type == 'D']

    show = admin

    def pool(self, database='app', user='app'):
        """The row of SHOW POOLS, numbers as int."""
        for r in self.admin('SHOW POOLS'):
            if r['database'] == database and r['user'] == user:
                return {k: int(v) if v is not None and v.lstrip('-').isdigit() else v for k, v in r.items()}
        return None

    def usable(self, user='app', dbname='app', value='1'):
        """Does a new client get an answer?"""
        with self.raw(user, dbname) as r:
            assert r.one('select %s' % value) == value
            r.bye()
        return True
