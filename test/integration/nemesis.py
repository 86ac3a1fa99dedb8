"""Replicated clusters to be harmed: a primary and two replicas, and what can happen to them. Each server shows clients which
one it is by a setting that any node may be asked for.

Knows nothing of weirpool, but that it can be frozen, and of what clients do."""
import contextlib
import random
import signal
import time

import psycopg
import pymysql
from mysql_servers import MyServer
from servers import PgServer, end_servers, eventually, new_folder


class Cluster:
    """nodes, by place; primary and dead are places."""

    def __init__(self):
        self.primary, self.dead = 0, set()
        self.primaries = [(0.0, self.label(0))]
        self.rnd = random.Random()
        self.did = []

    def entry(self, **kw):
        d = dict(host=','.join('127.0.0.1' for _ in self.nodes), port=','.join(str(n.port) for n in self.nodes),
                 probe_user='super', probe_password='super')
        d.update(kw)
        return d

    def where(self, i):
        return '127.0.0.1:%d' % self.nodes[i].port

    def replicas(self):
        return [i for i in range(len(self.nodes)) if i != self.primary and i not in self.dead]

    def a_replica(self):
        return self.nodes[self.rnd.choice(self.replicas())]

    def moved(self, i):
        self.dead.add(self.primary)
        self.primary = i
        self.primaries.append((time.monotonic(), self.label(i)))

    # --- harm that any server can suffer
    def frozen_replica(self, wp):
        n = self.a_replica()
        n.sigstop()
        yield self.rnd.choice([0.1, 0.3, 1.5])
        n.sigcont()

    def frozen_primary(self, wp):
        n = self.nodes[self.primary]
        n.sigstop()
        yield self.rnd.choice([0.1, 0.3, 0.7, 1.5])
        n.sigcont()

    def frozen_weirpool(self, wp):
        wp.kill(signal.SIGSTOP)
        yield self.rnd.choice([0.05, 0.2, 0.5])
        wp.kill(signal.SIGCONT)

    def killed_replica(self, wp):
        n = self.a_replica()
        n.kill9()
        yield self.rnd.choice([0.0, 0.5])
        n.start()
        yield 1.0

    def harm(self):
        return [self.frozen_replica, self.frozen_primary, self.frozen_weirpool, self.killed_replica, self.paused_replica,
                self.delayed_replica]

    def torment(self, wp, seconds, seed, each=False):
        """All kinds of harm, in any order, and then again and again until the time is over; each: all of them once, however long that takes."""
        self.rnd = random.Random(seed)
        end = time.monotonic() + seconds
        todo, left = [], len(self.harm()) if each else 0
        while time.monotonic() < end or left > 0:
            left -= 1
            if not todo:
                todo = self.harm()
                self.rnd.shuffle(todo)
            what = todo.pop()
            self.did.append(what.__name__)
            for pause in what(wp):
                time.sleep(pause)
            time.sleep(self.rnd.choice([0.1, 0.4, 0.8]))

    def stop(self):
        end_servers(*self.nodes)


class PgCluster(Cluster):
    def __init__(self, base, version=15):
        d = new_folder(base, 'check-')
        first = PgServer(d, version, 'n0', extra_conf='wal_log_hints = on\nrestart_after_crash = on\n').create()
        with first.connect('app', 'app') as c:
            c.execute('create table reg (id int primary key, v bigint)')
            c.execute('insert into reg select i, 0 from generate_series(0, 1100) i')
            c.execute('create table list (k int primary key, v text)')
        self.nodes = [first] + [first.make_replica('n%d' % i) for i in (1, 2)]
        super().__init__()
        self.async_commit = False

    def label(self, i):
        return 'n%d' % i

    def set(self, node, name, value):
        with contextlib.suppress(psycopg.OperationalError):
            node.query("alter system set %s = '%s'" % (name, value))
            node.query('select pg_reload_conf()')

    # --- harm
    def paused_replica(self, wp):
        n = self.a_replica()
        n.query('select pg_wal_replay_pause()')
        yield self.rnd.choice([0.2, 0.6, 1.5])
        n.query('select pg_wal_replay_resume()')

    def delayed_replica(self, wp):
        n = self.a_replica()
        self.set(n, 'recovery_min_apply_delay', self.rnd.choice(['60ms', '200ms', '500ms']))
        yield self.rnd.choice([1.0, 2.0])
        self.set(n, 'recovery_min_apply_delay', '0')

    def async_commits(self, wp):
        n = self.nodes[self.primary]
        self.set(n, 'synchronous_commit', 'off')
        yield 2.0
        self.set(n, 'synchronous_commit', 'on')

    def harm(self):
        return super().harm() + [self.async_commits]

    # --- the end of a primary; what it acknowledged is on one replica at least
    def failover(self):
        old = self.nodes[self.primary]
        self.set(old, 'synchronous_standby_names', 'ANY 1 (%s)' % ', '.join('n%d' % i for i in self.replicas()))
        eventually(lambda: old.query("select count(*) from pg_stat_replication where sync_state = 'quorum'")[0][0]
                   == len(self.replicas()))
        time.sleep(1.0)             # commits that do not wait are over
        there = old.query('select pg_current_wal_insert_lsn()::text')[0][0]
        old.query('select pg_switch_wal()')
        # ... and those that did not have arrived: nobody waits for them, and a busy machine takes its time
        eventually(lambda: old.query("select count(*) from pg_stat_replication where sync_state = 'quorum' and flush_lsn >= %s", there)[0][0]
                   == len(self.replicas()))
        old.kill9()
        time.sleep(self.rnd.choice([0.0, 0.3, 1.0]))

        # what was under way has arrived, or will not
        eventually(lambda: not any(self.nodes[i].query('select 1 from pg_stat_wal_receiver where status = %s', 'streaming')
                                   for i in self.replicas()))

        def got(i):
            return self.nodes[i].query("select pg_last_wal_receive_lsn() - '0/0'::pg_lsn")[0][0]
        new = max(self.replicas(), key=got)
        self.moved(new)
        self.nodes[new].query('select pg_promote(false)')
        for i in self.replicas():
            n = self.nodes[i]
            n.query("alter system set primary_conninfo = 'host=%s port=%d user=postgres application_name=%s'"
                    % (n.sockdir, self.nodes[new].port, n.name))
            n.query('select pg_reload_conf()')
        self.did.append('failover')

    def finals(self):
        return dict(self.nodes[self.primary].query('select k, v from list', dbname='app'))


class MyCluster(Cluster):
    def __init__(self, base, kind='mysql97'):
        d = new_folder(base, 'check-')
        self.family = 'mysql' if kind.startswith('mysql') else 'mariadb'
        conf = 'net-write-timeout = 101\n'
        if self.family == 'mysql':
            conf += ('plugin-load-add = semisync_source.so\nplugin-load-add = semisync_replica.so\n'
                     'loose-rpl-semi-sync-replica-enabled = ON\nloose-rpl-semi-sync-source-timeout = 3600000\n')
        else:
            conf += ('rpl-semi-sync-slave-enabled = ON\nrpl-semi-sync-master-timeout = 3600000\n'
                     'rpl-semi-sync-master-wait-point = AFTER_SYNC\n')
        first = MyServer(d, kind, 'n0', extra_conf=conf, server_id=1).create()
        with first.connect('app') as c, c.cursor() as k:
            k.execute('create table reg (id int primary key, v bigint)')
            k.execute('insert into reg values ' + ','.join('(%d, 0)' % i for i in range(1101)))
            k.execute('create table list (k int primary key, v mediumtext)')
        self.nodes = [first]
        for i in (1, 2):
            first.extra_conf = conf.replace('101', '%d' % (101 + i))
            self.nodes.append(first.make_replica('n%d' % i, server_id=i + 1))
        first.extra_conf = conf
        super().__init__()

    def label(self, i):
        return str(101 + i)

    def entry(self, **kw):
        return super().entry(protocol='mysql', **kw)

    def words(self, text):
        """MySQL's words, or MariaDB's."""
        if self.family == 'mariadb':
            for a, b in (('change replication source', 'change master'), ('replica', 'slave'), ('source', 'master')):
                text = text.replace(a, b)
        return text

    def ask(self, n, text):
        return n.query(self.words(text))

    # --- harm
    def paused_replica(self, wp):
        n = self.a_replica()
        self.ask(n, 'stop replica sql_thread')
        yield self.rnd.choice([0.2, 0.6, 1.5])
        self.ask(n, 'start replica sql_thread')

    def delayed_replica(self, wp):
        n = self.a_replica()
        for delay in (1, 0):
            self.ask(n, 'stop replica sql_thread' if self.family == 'mysql' else 'stop slave')
            self.ask(n, 'change replication source to source_delay = %d' % delay)
            self.ask(n, 'start replica')
            if delay:
                yield self.rnd.choice([1.5, 2.5])

    # --- the end of a primary
    def received(self, n):
        if self.family == 'mysql':
            return n.query("select concat(received_transaction_set, ',', @@global.gtid_executed) from"
                           " performance_schema.replication_connection_status where channel_name = ''")[0][0]
        with n.connect() as c, c.cursor(pymysql.cursors.DictCursor) as k:
            k.execute('show slave status')
            status = k.fetchone()
        return status['Gtid_IO_Pos']

    def cut_off(self, n):
        with n.connect() as c, c.cursor(pymysql.cursors.DictCursor) as k:
            k.execute(self.words('show replica status'))
            return k.fetchone()['Replica_IO_Running' if self.family == 'mysql' else 'Slave_IO_Running'] != 'Yes'

    def applied(self, n, what):
        if self.family == 'mysql':
            return n.query('select gtid_subset(%s, @@global.gtid_executed)', what)[0][0]
        return n.query('select master_gtid_wait(%s, 0.5)', what)[0][0] == 0

    def failover(self):
        old = self.nodes[self.primary]
        self.ask(old, 'set global rpl_semi_sync_source_enabled = on')
        status = self.words('Rpl_semi_sync_source_clients')
        eventually(lambda: int(old.query("show global status like '%s'" % status)[0][1]) >= len(self.replicas()))
        time.sleep(1.0)             # commits that do not wait are over
        for i in self.replicas():   # ... and those that did not have arrived
            old.wait_replica(self.nodes[i], 90)
        old.kill9()
        time.sleep(self.rnd.choice([0.0, 0.3, 1.0]))
        sets = {}
        for i in self.replicas():
            n = self.nodes[i]
            eventually(lambda n=n: self.cut_off(n))     # what was under way has arrived, or will not
            self.ask(n, 'stop replica io_thread')
            sets[i] = self.received(n)
            eventually(lambda: self.applied(n, sets[i]))
        new = self.best(sets)
        n = self.nodes[new]
        self.ask(n, 'stop replica')
        self.ask(n, 'reset replica all')
        self.moved(new)
        if self.family == 'mysql':
            n.query('set global super_read_only = off')
        n.query('set global read_only = off')
        for i in self.replicas():
            r = self.nodes[i]
            self.ask(r, 'stop replica')
            self.ask(r, 'change replication source to source_port = %d' % n.port)
            self.ask(r, 'start replica')
        self.did.append('failover')

    def best(self, sets):
        if self.family == 'mysql':
            for i, have in sets.items():
                if all(self.nodes[i].query('select gtid_subset(%s, %s)', other, have)[0][0] for other in sets.values()):
                    return i
            raise AssertionError('replicas have parted: %r' % sets)
        return max(sets, key=lambda i: int((sets[i] or '0-0-0').split('-')[2]))

    def finals(self):
        return dict(self.nodes[self.primary].query('select k, v from list', database='app'))
