"""Real MySQL and MariaDB servers for the tests: MySQL 9.7 of the sid root file system, MariaDB 10.11 of the machine and 11.8
of the trixie root file system.

Like servers.py: the unprivileged user `weirtest`, free ports of 127.0.0.1, one temporary directory. Knows nothing of
weirpool. Each kind's data directory is made once per machine, users included, and copied for every server."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pymysql

from servers import SID, TEST_USER, as_test_user, eventually, free_port, give_to_test_user, run, stands_still

HERE = pathlib.Path(__file__).resolve().parent
BASE = pathlib.Path('/opt/weirpool-test')
TRIXIE = pathlib.Path(os.environ.get('WEIRPOOL_TEST_TRIXIE', BASE / 'trixie'))
PLUGINS_1011 = BASE / 'mariadb-plugins'
SST_1011 = BASE / 'mariadb-sst'  # scripts that a Galera server runs
TEMPLATES = pathlib.Path(os.environ.get('WEIRPOOL_TEST_TEMPLATES', BASE / 'templates'))

# kind: (family, root file system or None, the server's program)
KINDS = {'mysql97': ('mysql', SID, '/usr/sbin/mysqld'),
         'maria1011': ('mariadb', None, '/usr/sbin/mariadbd'),
         'maria118': ('mariadb', TRIXIE, '/usr/sbin/mariadbd')}

SQL_BOTH = '''
create user app@'%' identified by 'app';
create user app2@'%' identified by 'app';
create user appempty@'%';
create user applocked@'%' identified by 'app' account lock;
create user appexpired@'%' identified by 'app' password expire;
create user apptls@'%' identified by 'app' require ssl;
create user appx509@'%' identified by 'app' require x509;
create user super@'%' identified by 'super';
create user repl@'%' identified by 'repl';
create user monitor@'%' identified by 'monitor';
create database app;
create database app2;
grant all on *.* to super@'%' with grant option;
'''
SQL_OF = {'mysql': SQL_BOTH + '''
create user appsha256@'%' identified with sha256_password by 'app';
install component 'file://component_query_attributes';
grant replication slave on *.* to repl@'%';
grant replication client, process on *.* to monitor@'%', app@'%';
grant select on performance_schema.* to monitor@'%', app@'%';
''', 'mariadb': SQL_BOTH + '''
install soname 'auth_ed25519';
create user appnative@'%' identified via mysql_native_password using password('app');
create user apped@'%' identified via ed25519 using password('app');
grant replication slave, binlog monitor on *.* to repl@'%';
grant slave monitor, binlog monitor, process on *.* to monitor@'%', app@'%';
''', 'maria118': '''
install soname 'auth_parsec';
create user appparsec@'%' identified via parsec using password('app');
'''}
# what may use the databases app and app2
APP_USERS = {'mysql': ('app', 'app2', 'appempty', 'appexpired', 'apptls', 'appx509', 'appsha256'),
             'mariadb': ('app', 'app2', 'appempty', 'appexpired', 'apptls', 'appx509', 'appnative', 'apped')}


def sql_of(kind):
    family = KINDS[kind][0]
    users = APP_USERS[family] + (('appparsec',) if kind == 'maria118' else ())
    grants = ''.join("grant all on %s.* to %s;\n" % (db, ', '.join("%s@'%%'" % u for u in users)) for db in ('app', 'app2'))
    return SQL_OF[family] + SQL_OF.get(kind, '') + grants


class MyServer:
    """One server. Users (password 'app' unless said): app, app2, appempty (none), applocked, appexpired, apptls (REQUIRE
    SSL), appx509; MySQL: appsha256; MariaDB: appnative, apped (ed25519), 11.8: appparsec; super/super, repl/repl,
    monitor/monitor; root by the socket, without a password. Databases app and app2.

    kind is one of KINDS; extra_conf are lines for the server's configuration."""

    def __init__(self, base, kind='mysql97', name='n0', certs=None, extra_conf='', server_id=1):
        self.kind = kind
        self.family, self.root, self.program = KINDS[kind]
        self.name = name
        self.base = pathlib.Path(base)
        self.datadir = self.base / name
        self.tmpdir = self.base / (name + '.tmp')  # its own: when it starts, MariaDB removes temporary files of whoever has the same
        self.socket = str(self.base / (name + '.sock'))
        self.conffile = self.base / (name + '.cnf')
        self.logfile = self.base / (name + '.log')
        self.host = '127.0.0.1'
        self.port = free_port()
        self.certs = certs
        self.extra_conf = extra_conf
        self.server_id = server_id
        self.proc = None

    # --- running programs of this kind
    def tool(self, prog, *args, user=TEST_USER):
        if self.root is None:
            return as_test_user([prog, *args]) if user else [prog, *args]
        return [str(HERE / 'run-in-sid'), *(['-u', user] if user else []), str(self.root), prog, *args]

    # --- life
    def conf(self):
        mysql = self.family == 'mysql'
        lines = ['[mysqld]', 'datadir = %s' % self.datadir, 'tmpdir = %s' % self.tmpdir, 'socket = %s' % self.socket, 'port = %d' % self.port,
                 'pid-file = %s.pid' % (self.base / self.name), 'log-error = %s' % self.logfile,
                 'bind-address = 127.0.0.1', 'skip-name-resolve', 'default-time-zone = +00:00',
                 'server-id = %d' % self.server_id, 'report-host = 127.0.0.1', 'report-port = %d' % self.port,
                 'log-bin = binlog', 'relay-log = relay', 'max-connections = 300', 'max-connect-errors = 1000000',
                 'max-allowed-packet = 64M', 'local-infile = ON', 'secure-file-priv = %s' % self.base,
                 'log-bin-trust-function-creators = ON',
                 'innodb-buffer-pool-size = 64M', 'innodb-flush-log-at-trx-commit = 2', 'sync-binlog = 0']
        if mysql:
            lines += ['mysqlx = OFF', 'gtid-mode = ON', 'enforce-gtid-consistency = ON', 'innodb-redo-log-capacity = 32M',
                      'skip-replica-start = OFF']
        else:
            lines += ['log-slave-updates = ON', 'gtid-strict-mode = ON', 'innodb-log-file-size = 16M',
                      'performance-schema = ON']
            lines += ['plugin-dir = %s' % PLUGINS_1011] if self.root is None else []
        if self.certs:
            lines += ['ssl-ca = ' + self.certs.crt('ca'), 'ssl-cert = ' + self.certs.crt('server'),
                      'ssl-key = ' + self.certs.key('server')]
        return '\n'.join(lines) + '\n' + self.extra_conf + '\n'

    def create(self):
        shutil.copytree(template(self.kind), self.datadir, symlinks=True)
        own_tree(self.datadir)
        return self.start()

    def start(self, wait=True, args=()):
        self.conffile.write_text(self.conf())
        self.tmpdir.mkdir(exist_ok=True)
        give_to_test_user(self.tmpdir)
        pathlib.Path(self.socket).unlink(missing_ok=True)
        with open(self.base / (self.name + '.out'), 'ab') as out:
            self.proc = subprocess.Popen(self.tool(self.program, '--defaults-file=%s' % self.conffile, *args), cwd='/',
                                         stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                         env=dict(os.environ, PATH='%s:%s' % (SST_1011, os.environ['PATH'])))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=120):
        def ready():
            """the server answers"""
            if self.proc.poll() is not None:
                raise AssertionError('%s ended with %d at its start:\n%s' % (self.kind, self.proc.returncode, self.log()))
            with contextlib.suppress(pymysql.Error):
                return self.query('select 1')
        eventually(ready, seconds)

    def log(self):
        return ''.join(f.read_text(errors='replace')[-4000:]
                       for f in (self.base / (self.name + '.out'), self.logfile) if f.exists())

    @property
    def pid(self):
        return self.proc.pid

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, seconds=60):
        """In good order: SIGTERM."""
        if self.alive():
            self.sigcont()
            self.proc.terminate()
            self.proc.wait(seconds)

    def kill9(self):
        """As when the machine loses power; start() works afterwards."""
        if self.alive():
            self.proc.kill()
            self.proc.wait(60)

    def restart(self):
        self.stop()
        self.start()

    def sigstop(self):
        """Freeze the server: the kernel still takes connections and bytes, nobody answers."""
        self.proc.send_signal(signal.SIGSTOP)
        eventually(lambda: stands_still(self.pid))

    def sigcont(self):
        if self.alive():
            self.proc.send_signal(signal.SIGCONT)

    def make_replica(self, name='n1', server_id=2):
        """A replica by GTID, read only, that has caught up with the databases."""
        extra = self.extra_conf + ('\nsuper-read-only = ON' if self.family == 'mysql' else '\nread-only = ON')
        r = MyServer(self.base, self.kind, name, self.certs, extra, server_id).create()
        if self.family == 'mysql':
            r.query("change replication source to source_host = '127.0.0.1', source_port = %d, source_user = 'repl',"
                    " source_password = 'repl', source_auto_position = 1, get_source_public_key = 1,"
                    " source_connect_retry = 1" % self.port)
            r.query('start replica')
        else:
            r.query("change master to master_host = '127.0.0.1', master_port = %d, master_user = 'repl',"
                    " master_password = 'repl', master_use_gtid = slave_pos, master_connect_retry = 1" % self.port)
            r.query('start slave')
        self.wait_replica(r)
        return r

    def wait_replica(self, replica, seconds=90):
        """Until the replica has applied what this server has committed by now."""
        if self.family == 'mysql':
            done = replica.query('select wait_for_executed_gtid_set(%s, %s)',
                                 self.query('select @@global.gtid_executed')[0][0], seconds)
        else:
            done = replica.query('select master_gtid_wait(%s, %s)', self.query('select @@global.gtid_binlog_pos')[0][0], seconds)
        assert done[0][0] == 0, 'the replica has not caught up within %d s:\n%s' % (seconds, replica.log())

    # --- asking it
    def connect(self, database=None, **kw):
        """root's connection by the unix socket, in autocommit."""
        return pymysql.connect(unix_socket=self.socket, user='root', database=database, autocommit=True, charset='utf8mb4', **kw)

    def query(self, sql, *args, database=None):
        with self.connect(database) as c, c.cursor() as k:
            k.execute(sql, args or None)
            return k.fetchall() if k.description else None

    def connections(self, user='app'):
        """How many connections that user has."""
        return self.query('select count(*) from information_schema.processlist where user = %s', user)[0][0]

    def kill_connections(self, user='app'):
        for (i,) in self.query('select id from information_schema.processlist where user = %s', user):
            with contextlib.suppress(pymysql.Error):
                self.query('kill %d' % i)


def own_tree(path):
    for d, _, files in os.walk(path):
        give_to_test_user(d)
        for f in files:
            give_to_test_user(os.path.join(d, f))


def template(kind):
    """The data directory to copy; made when there is none for this version of the server and this set of users."""
    _, root, program = KINDS[kind]
    path = pathlib.Path(str(root or '') + program)
    if not path.exists():
        raise RuntimeError('no %s: run test/integration/install-servers' % path)
    of = '%s %d %d\n' % (path, path.stat().st_size, path.stat().st_mtime) + sql_of(kind)
    to = TEMPLATES / ('%s-%s' % (kind, hashlib.sha256(of.encode()).hexdigest()[:12]))
    if (to / 'mysql').is_dir():
        return to
    TEMPLATES.mkdir(parents=True, exist_ok=True)
    os.chmod(TEMPLATES, 0o755)
    with open(TEMPLATES / (kind + '.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (to / 'mysql').is_dir():
            for old in TEMPLATES.glob(kind + '-*'):
                shutil.rmtree(old)
            make_template(kind, to)
    return to


def make_template(kind, to):
    # below the temporary directory, which the other root file systems see too
    work = pathlib.Path(tempfile.mkdtemp(prefix='weirpool-template.'))
    os.chmod(work, 0o755)
    give_to_test_user(work)
    s = MyServer(work, kind)
    if s.family == 'mysql':
        run(s.tool(s.program, '--no-defaults', '--initialize-insecure', '--datadir=%s' % s.datadir,
                   '--innodb-redo-log-capacity=32M', '--log-error=%s' % s.logfile), cwd='/')
    else:
        # as root: the program gives the files away by itself, and would also change what only root may
        run(s.tool('/usr/bin/mariadb-install-db', '--no-defaults', '--user=' + TEST_USER, '--datadir=%s' % s.datadir,
                   '--auth-root-authentication-method=normal', '--skip-test-db', '--force', user=None), cwd='/')
        own_tree(s.datadir)
    # without a binary log: what follows is in every copy, so replicas must not get it again
    s.start(args=['--skip-log-bin'])
    with s.connect() as c, c.cursor() as k:
        for statement in sql_of(kind).split(';\n'):
            if statement.strip():
                k.execute(statement)
    s.stop()
    (s.datadir / 'auto.cnf').unlink(missing_ok=True)
    shutil.copytree(s.datadir, str(to) + '.new', symlinks=True)
    os.rename(str(to) + '.new', to)
    shutil.rmtree(work)
