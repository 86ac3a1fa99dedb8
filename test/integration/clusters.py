"""Clusters that manage themselves: MySQL's Group Replication, MariaDB's Galera, and PostgreSQL under Patroni with etcd.

Like servers.py: the unprivileged user `weirtest`, free ports of 127.0.0.1, one temporary directory. Knows nothing of
weirpool."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pymysql

from mysql_servers import MyServer, own_tree, template
from servers import BINDIR, as_test_user, eventually, free_port, give_to_test_user, running

GROUP = '''
plugin-load-add = group_replication.so
disabled-storage-engines = MyISAM,BLACKHOLE,FEDERATED,ARCHIVE,MEMORY
loose-group-replication-communication-stack = MYSQL
loose-group-replication-group-name = aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee
loose-group-replication-start-on-boot = OFF
loose-group-replication-bootstrap-group = OFF
loose-group-replication-local-address = 127.0.0.1:%d
loose-group-replication-group-seeds = %s
loose-group-replication-ip-allowlist = 127.0.0.0/8
loose-group-replication-recovery-get-public-key = ON
loose-group-replication-member-expel-timeout = %d
loose-group-replication-exit-state-action = READ_ONLY
'''
JOIN = "start group_replication user = 'repl', password = 'repl'"


class Group:
    """MySQL servers in a single-primary group; nodes[0] begins as primary. A member that is silent for 5 s is suspected, and expelled
    when it is so for expel_seconds more. extra: further lines of their configuration."""

    def __init__(self, base, expel_seconds=0, count=3, extra=''):
        self.nodes = [MyServer(base, 'mysql97', 'g%d' % i, server_id=i + 1) for i in range(count)]
        seeds = ','.join('127.0.0.1:%d' % n.port for n in self.nodes)
        for n in self.nodes:
            n.extra_conf = GROUP % (n.port, seeds, expel_seconds) + extra

    def create(self):
        for n in self.nodes:
            n.create()
            with n.connect() as c, c.cursor() as k:
                k.execute('set sql_log_bin = 0')
                k.execute('grant connection_admin, backup_admin, group_replication_stream on *.* to repl')
        first = self.nodes[0]
        first.query('set global group_replication_bootstrap_group = on')
        first.query(JOIN)
        first.query('set global group_replication_bootstrap_group = off')
        for n in self.nodes[1:]:
            n.query(JOIN)
        eventually(lambda: first.query("select count(*) from performance_schema.replication_group_members where"
                                       " member_state = 'ONLINE'")[0][0] == len(self.nodes), 90)
        return self

    def stop(self):
        for n in self.nodes:
            n.kill9()

    def set_as_primary(self, i):
        self.nodes[i].query('select group_replication_set_as_primary(@@server_uuid)')


GALERA = '''
wsrep-on = ON
wsrep-provider = /usr/lib/galera/libgalera_smm.so
wsrep-cluster-name = test
wsrep-cluster-address = gcomm://%s
wsrep-node-name = %s
wsrep-node-address = 127.0.0.1:%d
wsrep-sst-receive-address = 127.0.0.1:%d
wsrep-slave-threads = 2
wsrep-provider-options = "gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;gcache.size=16M;%s"
innodb-autoinc-lock-mode = 2
binlog-format = ROW
'''
# a machine under tests must not take a slow member for a dead one
GALERA_TIMES = 'evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S;evs.suspect_timeout=PT5S;evs.inactive_timeout=PT15S'


class Galera:
    """Three MariaDB 10.11 servers in a Galera cluster. All begin with one state, and gcache has what a member missed: no state
    is ever copied by the servers themselves."""

    def __init__(self, base):
        self.nodes = [MyServer(base, 'maria1011', 'w%d' % i, server_id=i + 1) for i in range(3)]
        ports = [(free_port(), free_port(), free_port()) for _ in self.nodes]
        members = ','.join('127.0.0.1:%d' % group for group, _, _ in ports)
        for n, (group, ist, sst) in zip(self.nodes, ports):
            n.extra_conf = GALERA % (members, n.name, group, sst, group, ist, GALERA_TIMES)

    def create(self):
        first = self.nodes[0]
        shutil.copytree(template(first.kind), first.datadir, symlinks=True)
        own_tree(first.datadir)
        first.start(args=['--wsrep-new-cluster'])  # gives the data its name
        first.stop()
        for n in self.nodes[1:]:
            shutil.copytree(first.datadir, n.datadir, symlinks=True,
                            ignore=shutil.ignore_patterns('galera.cache', 'gvwstate.dat', 'binlog.*'))
            own_tree(n.datadir)
        first.start(args=['--wsrep-new-cluster'])
        for n in self.nodes[1:]:
            n.start(wait=False)
        for n in self.nodes:
            self.wait_synced(n)
        return self

    def wait_synced(self, node, seconds=90):
        def synced():
            """a synced member of the primary component"""
            assert node.alive(), node.log()
            with contextlib.suppress(pymysql.Error):
                state = dict(node.query("show global status like 'wsrep%'"))
                return state['wsrep_local_state_comment'] == 'Synced' and state['wsrep_cluster_status'] == 'Primary'
        eventually(synced, seconds)

    def rejoin(self, node):
        """It was killed: finds out where it was, and gets what it missed."""
        r = subprocess.run(node.tool(node.program, '--defaults-file=%s' % node.conffile, '--wsrep-recover',
                                     '--log-error=%s' % (node.base / 'recover.log')), cwd='/', check=True)
        assert r.returncode == 0
        at = re.findall(r'Recovered position: (\S+)', (node.base / 'recover.log').read_text())[-1]
        node.start(args=['--wsrep-start-position=%s' % at])
        self.wait_synced(node)

    def stop(self):
        for n in self.nodes:
            n.kill9()


PATRONI = '''
scope: test
name: p%(i)d
restapi: {listen: '127.0.0.1:%(rest)d', connect_address: '127.0.0.1:%(rest)d'}
etcd3: {host: '127.0.0.1:%(etcd)d'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 8
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: {wal_log_hints: 'on', max_connections: 100, fsync: 'off', wal_retrieve_retry_interval: '200ms'}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, no-sync]
  pg_hba:
  - local all all trust
  - local replication all trust
  - host all all 127.0.0.1/32 scram-sha-256
  - host replication all 127.0.0.1/32 scram-sha-256
postgresql:
  listen: 127.0.0.1:%(port)d
  connect_address: 127.0.0.1:%(port)d
  data_dir: %(dir)s/data%(i)d
  bin_dir: %(bin)s
  pgpass: %(dir)s/pgpass%(i)d
  use_unix_socket: true
  authentication:
    superuser: {username: postgres, password: postgres}
    replication: {username: repl, password: repl}
    rewind: {username: postgres, password: postgres}
  basebackup: [{checkpoint: fast}, no-sync]
  parameters: {unix_socket_directories: '%(dir)s', shared_buffers: '32MB', password_encryption: scram-sha-256}
'''


class PatroniNode:
    def __init__(self, cluster, i):
        self.cluster, self.i = cluster, i
        self.host, self.port, self.rest = '127.0.0.1', free_port(), free_port()
        self.proc = None

    @property
    def url(self):
        return 'http://127.0.0.1:%d' % self.rest

    def start(self):
        conf = self.cluster.dir / ('p%d.yml' % self.i)
        conf.write_text(PATRONI % dict(i=self.i, rest=self.rest, port=self.port, etcd=self.cluster.etcd_port,
                                       dir=self.cluster.dir, bin=BINDIR[15]))
        self.proc = self.cluster.run('patroni', str(conf), log='p%d.log' % self.i)

    def postmaster_pid(self):
        try:
            return int((self.cluster.dir / ('data%d' % self.i) / 'postmaster.pid').read_text().split('\n')[0])
        except (FileNotFoundError, ValueError):
            return 0

    def get(self, path, body=None):
        """status and text of its REST API; 0 if there is no answer"""
        try:
            with urllib.request.urlopen(self.url + path, data=body, timeout=10) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ''

    def agent_signal(self, sig):
        self.proc.send_signal(sig)

    def kill9(self):
        """Patroni and PostgreSQL, as when the machine loses power."""
        pid = self.postmaster_pid()
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait(20)
        if pid and running(pid):
            os.kill(pid, signal.SIGKILL)


class Patroni:
    """etcd and three Patroni nodes of PostgreSQL 15. User app/app with pg_monitor, database app."""

    def __init__(self, base):
        self.dir = pathlib.Path(base)
        self.etcd_port = free_port()
        self.etcd = None
        self.nodes = [PatroniNode(self, i) for i in range(3)]

    def run(self, *argv, log):
        path = self.dir / log
        path.touch()
        give_to_test_user(path)
        with open(path, 'ab') as out:
            return subprocess.Popen(as_test_user(argv), cwd=str(self.dir), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    start_new_session=True)

    def create(self):
        peer = free_port()
        self.etcd = self.run('etcd', '--name', 'e0', '--data-dir', str(self.dir / 'etcd'),
                             '--listen-client-urls', 'http://127.0.0.1:%d' % self.etcd_port,
                             '--advertise-client-urls', 'http://127.0.0.1:%d' % self.etcd_port,
                             '--listen-peer-urls', 'http://127.0.0.1:%d' % peer,
                             '--initial-advertise-peer-urls', 'http://127.0.0.1:%d' % peer,
                             '--initial-cluster', 'e0=http://127.0.0.1:%d' % peer, '--unsafe-no-fsync',
                             '--log-level', 'warn', '--logger', 'zap', log='etcd.log')
        self.nodes[0].start()
        eventually(lambda: self.nodes[0].get('/primary')[0] == 200, 90)
        for sql in ("create role app login password 'app'", 'grant pg_monitor to app', 'create database app owner app'):
            self.query(0, sql)
        for n in self.nodes[1:]:
            n.start()
        eventually(lambda: all(n.get('/replica')[0] == 200 for n in self.nodes[1:]), 90)
        return self

    def query(self, i, sql):
        import psycopg
        with psycopg.connect(host=str(self.dir), port=self.nodes[i].port, user='postgres', dbname='postgres',
                             autocommit=True) as c:
            cur = c.execute(sql)
            return cur.fetchall() if cur.description else None

    def switchover(self, leader, candidate):
        body = json.dumps({'leader': 'p%d' % leader, 'candidate': 'p%d' % candidate}).encode()
        status, text = self.nodes[leader].get('/switchover', body)
        assert status == 200, text

    def log(self):
        return ''.join('--- %s\n%s' % (f.name, f.read_text(errors='replace')[-3000:]) for f in sorted(self.dir.glob('*.log')))

    def stop(self):
        for n in self.nodes:
            n.kill9()
        if self.etcd:
            self.etcd.kill()
            self.etcd.wait(20)
