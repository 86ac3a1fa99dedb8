"""Real PostgreSQL servers for the tests: PostgreSQL 15 of the machine, 18 of the sid root file system.

Everything runs as the unprivileged user `weirtest` (see install-servers), on free ports of 127.0.0.1, below one temporary
directory. Knows nothing of weirpool."""
import contextlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
SID = pathlib.Path(os.environ.get('WEIRPOOL_TEST_SID', '/opt/weirpool-test/sid'))
TEST_USER = 'weirtest'
BINDIR = {15: '/usr/lib/postgresql/15/bin', 18: '/usr/lib/postgresql/18/bin'}
ROLES = ('app', 'app2', 'appmd5', 'appplain', 'apptrust', 'appcert', 'super', 'repl')


GATE = 4711  # an advisory lock

# Of pytest's processes each has ports of its own, and gives none again soon: one that is not listened on (yet, or while its server
# is down) stays whose it is.
PORTS = range(20000 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]) % 4, 32000, 4)
_given = {}  # in their order


def free_port():
    """A port nobody listens on, outside of the range the kernel gives to outgoing connections."""
    while True:
        if len(_given) > len(PORTS) // 2:
            del _given[next(iter(_given))]
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue
        _given[port] = True
        return port


def in_thread(f):
    """Runs f; returns what it raised, after join()."""
    out = []

    def run():
        try:
            f()
            out.append(None)
        except Exception as e:  # pylint: disable=broad-except
            out.append(e)
    t = threading.Thread(target=run)
    t.start()

    def join():
        t.join(100)
        assert out, 'no answer'
        return out[0]
    return join


def as_test_user(argv):
    """argv changed so that it runs as the test user (exec all the way: the pid stays the program's)."""
    if os.geteuid() != 0:
        return list(argv)
    return ['setpriv', '--reuid=' + TEST_USER, '--regid=' + TEST_USER, '--clear-groups', *argv]


def give_to_test_user(path):
    if os.geteuid() == 0:
        who = pwd.getpwnam(TEST_USER)
        os.chown(path, who.pw_uid, who.pw_gid)


def run(argv, **kw):
    """Run a command to its end; its output is in the exception when it fails."""
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode != 0:
        raise RuntimeError('%s: exit %d\n%s' % (' '.join(map(str, argv)), r.returncode, r.stdout))
    return r.stdout


def eventually(what, seconds=60.0, every=0.02, say=None):
    """Wait until what() is true and return it; the last value is in the error, and what say() has to say of it."""
    end = time.monotonic() + seconds
    while True:
        v = what()
        if v:
            return v
        if time.monotonic() > end:
            why = getattr(what, '__doc__', None) or what
            raise AssertionError('still %r after %g s: %s' % (v, seconds, say() if say else why))
        time.sleep(every)


def holds(check, seconds=60.0, every=0.05):
    """Until check() raises no AssertionError; what it returns. For what is true but for moments: a server that is silent for half a
    second on a busy machine is in doubt for as long, and what is shown is a little older than what was answered."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(every)


def state_of(pid):
    """The state of a process as the kernel calls it; X: there is none."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return 'X'


def running(pid):
    """Is that process alive? A zombie is not: where PID 1 reaps late, kill(pid, 0) lies."""
    return state_of(pid) not in 'ZX'


def stands_still(pid):
    """Have all threads of that process stopped, as SIGSTOP told them, or ended? Until each has heard of it, some go on."""
    states = []
    for t in pathlib.Path('/proc/%d/task' % pid).glob('*/stat'):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            states.append(t.read_text().rpartition(')')[2].split()[0])
    return set(states) <= set('TtZX')


def kill(pid, sig):
    """... if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


class Certs:
    """A CA, a server certificate for localhost and 127.0.0.1, client certificates by user name, and a second CA."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.make_ca('ca')
        self.make_ca('otherca')
        self.issue('server', 'localhost', san='DNS:localhost,IP:127.0.0.1')
        self.issue('server2', 'localhost', san='DNS:localhost,IP:127.0.0.1')
        self.issue('elsewhere', 'elsewhere.example', san='DNS:elsewhere.example')
        self.issue('expired', 'localhost', san='DNS:localhost,IP:127.0.0.1', days=-1)
        self.issue('app', 'app')
        self.issue('appcert', 'appcert')
        self.issue('nobody', 'nobody')
        self.issue('app-otherca', 'app', ca='otherca')

    def path(self, name):
        return str(self.dir / name)

    def crt(self, name):
        return self.path(name + '.crt')

    def key(self, name):
        return self.path(name + '.key')

    def _own(self, name):
        os.chmod(self.key(name), 0o600)
        give_to_test_user(self.key(name))

    def make_ca(self, name):
        run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650',
             '-subj', '/CN=weirpool test ' + name, '-keyout', self.key(name), '-out', self.crt(name)])

    def issue(self, name, cn, san=None, ca='ca', days=3650):
        ext = self.path(name + '.ext')
        with open(ext, 'w') as f:
            f.write('basicConstraints=CA:FALSE\n')
            if san:
                f.write('subjectAltName=%s\n' % san)
        csr = self.path(name + '.csr')
        run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
             '-subj', '/CN=' + cn, '-keyout', self.key(name), '-out', csr])
        run(['openssl', 'x509', '-req', '-in', csr, '-CA', self.crt(ca), '-CAkey', self.key(ca), '-CAcreateserial',
             '-days', str(days), '-extfile', ext, '-out', self.crt(name)])
        self._own(name)


def server_tls(certs, name='server', client=False):
    """An ssl.SSLContext for a server in this process; client: it wants a certificate of certs' CA of each of its clients."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(certs.crt(name), certs.key(name))
    ctx.load_verify_locations(certs.crt('ca'))
    ctx.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_OPTIONAL
    return ctx


class PgServer:
    """One PostgreSQL server. Roles (password 'app'): app, app2, appmd5, appplain, apptrust (none), appcert; super/super,
    repl/repl; databases app and app2. Connections by TCP ask for a password as the role's name says; the socket trusts."""

    def __init__(self, base, version=15, name='n0', certs=None, extra_conf=''):
        self.version = version
        self.name = name
        self.base = pathlib.Path(base)
        self.datadir = self.base / name
        self.logfile = self.base / (name + '.log')
        self.sockdir = str(self.base)
        self.host = '127.0.0.1'
        self.port = free_port()
        self.certs = certs
        self.extra_conf = extra_conf
        self.stopped_pids = []

    # --- running programs of this version
    def tool(self, prog, *args):
        path = '%s/%s' % (BINDIR[self.version], prog)
        if self.version == 15:
            return as_test_user([path, *args])
        return [str(HERE / 'run-in-sid'), '-u', TEST_USER, str(SID), path, *args]

    def run_tool(self, prog, *args, **kw):
        return run(self.tool(prog, *args), cwd='/tmp', **kw)

    # --- life
    def write_conf(self):
        text = '''
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = '%s'
cluster_name = '%s'
check.node = '%s'
max_connections = 250
shared_buffers = 64MB
fsync = off
dynamic_shared_memory_type = mmap
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
wal_keep_size = 64MB
hot_standby = on
wal_retrieve_retry_interval = '200ms'
password_encryption = 'scram-sha-256'
jit = off
lc_messages = 'C'
timezone = 'UTC'
log_line_prefix = '%%m [%%p] %%q%%u@%%d/%%a '
max_prepared_transactions = 10
''' % (self.port, self.sockdir, self.name, self.name)
        if self.certs:
            text += "ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\nssl_ca_file = '%s'\n" % (
                self.certs.crt('server'), self.certs.key('server'), self.certs.crt('ca'))
        (self.datadir / 'test.conf').write_text(text + self.extra_conf)

    def write_hba(self, text=None):
        (self.datadir / 'pg_hba.conf').write_text(text or '''
local all all trust
local replication all trust
host all apptrust 127.0.0.1/32 trust
host all appmd5 127.0.0.1/32 md5
host all appplain 127.0.0.1/32 password
hostssl all appcert 127.0.0.1/32 cert
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
''')

    def create(self):
        self.run_tool('initdb', '-D', str(self.datadir), '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8',
                      '--locale=C.UTF-8')
        with open(self.datadir / 'postgresql.conf', 'a') as f:
            f.write("include 'test.conf'\n")
        self.write_conf()
        self.write_hba()
        for f in ('test.conf', 'pg_hba.conf', 'postgresql.conf'):
            give_to_test_user(self.datadir / f)
        self.start()
        with self.connect() as c:
            for role in ROLES:
                if role == 'appmd5':
                    c.execute("set password_encryption = 'md5'")
                opts = {'super': "superuser password 'super'", 'repl': "replication password 'repl'",
                        'apptrust': '', 'appcert': ''}.get(role, "password 'app'")
                c.execute('create role %s login %s' % (role, opts))
                c.execute("set password_encryption = 'scram-sha-256'")
            c.execute('grant pg_monitor to app')
            c.execute('create database app owner app')
            c.execute('create database app2 owner app')
        with self.connect('app') as c:
            c.execute('grant all on schema public to public')
        return self

    def start(self):
        self.run_tool('pg_ctl', '-s', '-w', '-t', '120', '-D', str(self.datadir), '-l', str(self.logfile), 'start')

    def stop(self, mode='fast'):
        self.sigcont()
        if self.alive():
            self.run_tool('pg_ctl', '-s', '-w', '-t', '120', '-D', str(self.datadir), '-m', mode, 'stop')

    def restart(self, mode='fast'):
        self.stop(mode)
        self.start()

    def postmaster_pid(self):
        try:
            return int((self.datadir / 'postmaster.pid').read_text().split('\n')[0])
        except (FileNotFoundError, ValueError):
            return 0

    def alive(self):
        pid = self.postmaster_pid()
        return bool(pid) and running(pid)

    def pids(self):
        """the postmaster and its children"""
        root = self.postmaster_pid()
        if not root:
            return []           # (kill(0, ...) would be our own process group)
        out = [root]
        for d in os.listdir('/proc'):
            if d.isdigit():
                try:
                    with open('/proc/%s/stat' % d) as f:
                        if int(f.read().rpartition(')')[2].split()[1]) == root:
                            out.append(int(d))
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return out

    def still(self):
        """The postmaster, stopped, so that it begins no other process, and its children."""
        root = self.postmaster_pid()
        if root:
            kill(root, signal.SIGSTOP)
            eventually(lambda: not running(root) or state_of(root) == 'T')
        return self.pids()

    def segment(self):
        """The number of its shared memory segment, as a list, so that it can be given to ipcrm; see postmaster.pid, line 7."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            return ['-m', (self.datadir / 'postmaster.pid').read_text().split('\n')[6].split()[1]]
        return []

    def kill9(self):
        """The whole server, as when the machine loses power: its shared memory goes, too, of which the kernel has no end. start() works
        afterwards."""
        pids, segment = self.still(), self.segment()
        for p in reversed(pids):  # the postmaster last: nobody lives to say that it is gone
            kill(p, signal.SIGKILL)
        eventually(lambda: not any(running(p) for p in pids))
        subprocess.run(['ipcrm', *segment], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        (self.datadir / 'postmaster.pid').unlink(missing_ok=True)
        for p in self.base.glob('.s.PGSQL.%d*' % self.port):
            p.unlink()

    def sigstop(self):
        """Freeze the server: the kernel still takes connections and bytes, nobody answers."""
        self.stopped_pids = self.still()
        for p in self.stopped_pids:
            kill(p, signal.SIGSTOP)
        eventually(lambda: all(map(stands_still, self.stopped_pids)))

    def sigcont(self):
        for p in self.stopped_pids:
            kill(p, signal.SIGCONT)
        self.stopped_pids = []

    def make_replica(self, name='n1'):
        r = PgServer(self.base, self.version, name, self.certs)
        self.run_tool('pg_basebackup', '-D', str(r.datadir), '-R', '-c', 'fast', '--no-sync', '-X', 'stream',
                      '-d', 'host=%s port=%d user=postgres application_name=%s' % (self.sockdir, self.port, name))
        r.write_conf()
        r.start()
        return r

    # --- asking it
    def dsn(self, user='app', password=None, dbname='app', **kw):
        password = {'super': 'super', 'repl': 'repl', 'apptrust': None}.get(user, 'app') if password is None else password
        d = dict(host=self.host, port=self.port, user=user, dbname=dbname, sslmode='disable')
        if password is not None:
            d['password'] = password
        d.update(kw)
        return psycopg.conninfo.make_conninfo(**d)

    def connect(self, dbname='postgres', user='postgres'):
        """A superuser's connection by the unix socket, in autocommit."""
        return psycopg.connect(host=self.sockdir, port=self.port, user=user, dbname=dbname, autocommit=True)

    def query(self, sql, *args, dbname='postgres'):
        with self.connect(dbname) as c:
            cur = c.execute(sql, args or None)
            return cur.fetchall() if cur.description else None

    def backends(self, where='true'):
        """How many client backends but this one."""
        return self.query("select count(*) from pg_stat_activity where backend_type = 'client backend' and"
                          " pid <> pg_backend_pid() and (%s)" % where)[0][0]

    @contextlib.contextmanager
    def gate(self, dbname='app'):
        """A statement that runs until the block ends: what has to happen meanwhile may take its time."""
        with self.connect(dbname) as c:
            c.execute('select pg_advisory_lock(%d)' % GATE)
            yield 'select pg_advisory_xact_lock_shared(%d)' % GATE

    def at_gate(self, where='true'):
        """How many of the gate's statements run at the server."""
        return self.backends("state = 'active' and query like '%%pg_advisory_xact_lock_shared(%d)%%' and (%s)" % (GATE, where))

    def terminate_backends(self, where='true'):
        self.query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and"
                   " pid <> pg_backend_pid() and (%s)" % where)


def remove_tree(path):
    shutil.rmtree(path, ignore_errors=True)


leaving = []


def leave_tree(path):
    """Removes it, and the test does not wait: the data of some servers takes a busy machine long. See wait_for_leaving()."""
    if os.environ.get('WEIRPOOL_KEEP') != '1':
        leaving.append(subprocess.Popen(['rm', '-rf', str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True))


def wait_for_leaving(seconds=120):
    """All that was left is gone: nothing of it stays when this process is the last one of its container."""
    end = time.monotonic() + seconds
    with contextlib.suppress(subprocess.TimeoutExpired):
        while leaving:
            leaving[-1].wait(max(0, end - time.monotonic()))
            leaving.pop()


def new_folder(base, prefix):
    """A folder of the test user's for servers. Who makes one gives it to leave_tree() when they have stopped, see folder(): a run has so
    many of them that it would fill a disk."""
    d = tempfile.mkdtemp(prefix=prefix, dir=base)
    os.chmod(d, 0o755)
    give_to_test_user(d)
    return d


def end_servers(*some):
    """They end at once, frozen ones too, and their folders go."""
    for s in some:
        with contextlib.suppress(Exception):
            s.sigcont()
        with contextlib.suppress(Exception):
            # (who is killed leaves shared memory behind, which no folder takes along)
            s.stop('immediate') if isinstance(s, PgServer) else s.kill9()
        with contextlib.suppress(Exception):
            s.kill9()
    for d in {str(s.base) for s in some}:
        leave_tree(d)


@contextlib.contextmanager
def folder(base, prefix):
    """... while the block runs."""
    d = new_folder(base, prefix)
    try:
        yield d
    finally:
        leave_tree(d)
