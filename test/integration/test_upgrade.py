"""UPGRADE: another process takes over, and no client notices."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import threading
import time

import pytest
import rawpg
from rawpg import PgError, query
from servers import eventually, free_port
from upgrading import Adopted, Clients, alone, ended, moved, refused, state, upgrade


@pytest.fixture
def changeable(weirpool):
    """weirpool(...) whose program is a file of its own: replace(wp, text) puts a script in its place, replace(wp) the program."""
    def start(*args, **kw):
        wp = weirpool(*args, **kw)
        ended_code = wp.stop()
        assert ended_code is None
        wp.real = wp.binary
        wp.binary = str(wp.dir / 'weirpool')
        replace(wp)
        wp.start()
        return wp
    return start


def replace(wp, script=None):
    new = pathlib.Path(wp.binary + '.new')
    if script is None:
        shutil.copy(wp.real, new)
    else:
        new.write_text('#!/bin/sh\n' + script)
    os.chmod(new, 0o755)
    os.rename(new, wp.binary)


def pidfile(wp):
    with contextlib.suppress(FileNotFoundError, ValueError):  # it may just be written
        return int((wp.dir / 'pid').read_text())
    return None


@pytest.mark.both_workers
def test_takes_over(weirpool, pg15):
    """The new process has the sockets, the pid file and the clients that come; the old one ends when its last has left."""
    wp = weirpool(pg15)
    stays = wp.raw()
    stays.simple('begin')
    was = wp.pid
    unix = wp.dir / ('.s.PGSQL.%d' % wp.port)
    old = upgrade(wp)
    assert wp.pid != was
    eventually(lambda: pidfile(wp) == wp.pid)
    s = state(wp)
    assert s['generation'] == '2' and s['predecessor'].startswith('pid %d, ' % was)
    assert wp.usable()
    with rawpg.Raw(0, unix=str(unix)) as c:
        c.login('app', 'app', 'app')
        assert c.one('select 1') == '1'
    assert stays.one("select 'still in'") == 'still in'
    assert stays.simple('commit')[0].tag == 'COMMIT'
    assert stays.one('select 2') == '2'
    stays.bye()
    ended(old)
    alone(wp)
    assert pidfile(wp) == wp.pid and unix.exists()
    assert wp.usable()
    old = upgrade(wp)
    ended(old)
    assert state(wp)['generation'] == '3'


# --- under load

class Load(Clients):
    def clients(self):
        return [self.visits] * 3 + [self.unix_visits] + [self.transactions] * 2 + [self.quick_transactions] + [self.stayer] * 3

    def visit(self, c, i):
        with c:
            c.login('app', 'app', 'app')
            nonce = '%d-%d' % (i, self.connects)
            assert c.one("select '%s'" % nonce) == nonce
            c.bye()
        self.connects += 1

    def visits(self, i):
        self.visit(rawpg.Raw(self.wp.port), i)

    def unix_visits(self, i):
        self.visit(rawpg.Raw(0, unix=str(self.wp.dir / ('.s.PGSQL.%d' % self.wp.port))), i)

    def transaction(self, i, seconds):
        with self.wp.raw() as c:
            for step in ('begin', 'insert into %s values (%d)' % (self.table, i), None, 'commit'):
                if step is None:
                    time.sleep(seconds)
                    assert c.one('select count(*) > 0 from %s where who = %d' % (self.table, i)) == 't'
                    continue
                out = c.simple(step)
                assert not rawpg.errors(out), rawpg.errors(out)
            self.did(i)
            c.bye()

    def transactions(self, i):
        self.transaction(i, 0.5)

    def quick_transactions(self, i):
        self.transaction(i, 0.01)

    def stayer(self, i):
        """One connection for all the time, through every process."""
        with self.wp.raw() as c:
            c.simple("set app.who = 'stayer %d'" % i)
            c.send(rawpg.parse('st', 'insert into %s values (%d)' % (self.table, i)) + rawpg.sync())
            assert not rawpg.errors(c.until_ready())
            while not self.ending.is_set():
                out = c.send(rawpg.bind('', 'st', []) + rawpg.execute() + rawpg.sync()).until_ready()
                assert not rawpg.errors(out), rawpg.errors(out)
                self.did(i)
                assert c.one("select current_setting('app.who')") == 'stayer %d' % i
                time.sleep(0.002 * (i % 3))
            c.bye()


def check_load(wp, server, rounds):
    server.query('drop table if exists upgraded', dbname='app')
    server.query('create table upgraded (who int)', dbname='app')
    server.query('grant all on upgraded to app', dbname='app')
    load = Load(wp, 'upgraded')
    try:
        for _ in range(rounds):
            before = load.connects
            eventually(lambda: load.connects > before + 5 or load.failures)
            ended(upgrade(wp), 60)
            alone(wp)
    finally:
        load.stop()
    rows = dict(server.query('select who, count(*) from upgraded group by who', dbname='app'))
    assert rows == load.sums
    assert state(wp)['generation'] == str(rounds + 1)


@pytest.mark.both_workers
def test_under_load(weirpool, pg15):
    """Clients come and go, with short and with long transactions, while the process is replaced: none fails, nothing is lost."""
    check_load(weirpool(pg15, pool_mode='transaction', default_pool_size=10), pg15, 3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_200_times_under_load(weirpool, pg15):
    check_load(weirpool(pg15, pool_mode='transaction', default_pool_size=10, workers=2), pg15, 200)


def test_mysql(weirpool, maria1011):
    """MySQL's port and socket as well; numbers of sessions are new ones."""
    wp = weirpool(maria1011, mysql_unix_socket='@weirpool-upgrade-%d' % os.getpid())
    stays = wp.my()
    stays.do('begin')
    first = int(stays.one('select connection_id()'))
    old = upgrade(wp)
    with wp.my() as c:
        assert c.one('select 7') == '7'
        assert int(c.one('select connection_id()')) >> 28 == 1 and first >> 28 == 0
    assert stays.one('select 8') == '8'
    stays.do('commit')
    stays.bye()
    ended(old)


# --- sessions that move

@pytest.mark.both_workers
def test_idle_sessions_move(weirpool, anypg):
    """What a session has set and prepared is there in the new process, by TCP and by unix socket; a cancel request finds it."""
    wp = weirpool(anypg, pool_mode='transaction')
    tcp, unix = wp.raw(params={'application_name': 'mover'}), rawpg.Raw(0, unix=str(wp.dir / ('.s.PGSQL.%d' % wp.port)))
    unix.login('app', 'app', 'app')
    for c in (tcp, unix):
        c.simple("set search_path = pg_catalog, public")
        c.simple("set timezone = 'Asia/Tokyo'")
        c.simple("set app.mine = 'x'")
        c.send(rawpg.parse('p1', 'select $1::int + 1') + rawpg.describe('S', 'p1') + rawpg.parse('', "select 'unnamed'") + rawpg.sync())
        assert rawpg.errors(c.until_ready()) == []
    ids = {r['ptr'] for r in wp.admin("SHOW CLIENTS WHERE user = 'app'")}
    assert len(ids) == 2
    moved(wp, upgrade(wp))
    clients = wp.admin("SHOW CLIENTS WHERE user = 'app'")
    assert len(clients) == 2 and {c['addr'] for c in clients} == {'127.0.0.1', 'unix'}
    for c in (tcp, unix):
        assert rawpg.rows(c.send(rawpg.bind('', '', []) + rawpg.execute() + rawpg.sync()).until_ready()) == [('unnamed',)]
        assert rawpg.rows(c.send(rawpg.bind('', 'p1', [b'41']) + rawpg.execute() + rawpg.sync()).until_ready()) == [('42',)]
        assert c.one('show search_path') == 'pg_catalog, public'
        assert c.one('show timezone') == 'Asia/Tokyo'
        assert c.one("select current_setting('app.mine')") == 'x'
        out = c.send(rawpg.parse('p1', 'select 1') + rawpg.sync()).until_ready()
        assert rawpg.errors(out)[0]['C'] == '42P05'  # it exists
    assert tcp.one('show application_name') == 'mover'
    tcp.send(query('select pg_sleep(62)'))
    eventually(lambda: anypg.backends("state = 'active' and query like '%pg_sleep(62)%'") == 1)
    assert tcp.cancel() == b''
    assert rawpg.errors(tcp.until_ready())[0]['C'] == '57014'
    moved(wp, upgrade(wp))  # and once more
    for c in (tcp, unix):
        assert rawpg.rows(c.send(rawpg.bind('', 'p1', [b'1']) + rawpg.execute() + rawpg.sync()).until_ready()) == [('2',)]
        assert c.one('show timezone') == 'Asia/Tokyo'


def test_what_does_not_move(weirpool, pg15, certs):
    """TLS, a transaction, half a message: the old process goes on with them; what ends goes over then. What pins goes along."""
    wp = weirpool(pg15, pool_mode='transaction', client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'),
                  client_tls_key_file=certs.key('server'))
    tls = wp.connect(sslmode='require')
    tx, temp, half, listens = wp.raw(), wp.raw(), wp.raw(), wp.raw()
    tx.simple('begin')
    temp.simple('create temp table mine (a int)')
    temp.simple('insert into mine values (5)')
    half.send(query("select 'a whole one'")[:9])
    listens.simple('listen news')
    assert [tx.one('select 1') for _ in range(3)] == ['1'] * 3  # the worker has read the half, too
    old = upgrade(wp)
    time.sleep(1.5)
    eventually(lambda: state(wp)['predecessor'] == 'pid %d, 3 clients' % old.pid)
    assert tls.execute('select 1').fetchone() == (1,)
    assert temp.one('select a from mine') == '5'
    with wp.raw() as other:
        other.simple("notify news, 'hello'")
    assert rawpg.rows(half.send(query("select 'a whole one'")[9:]).until_ready()) == [('a whole one',)]
    tx.simple('commit')
    eventually(lambda: state(wp)['predecessor'] == 'pid %d, 1 clients' % old.pid)
    assert tx.one('select 2') == '2' and half.one('select 3') == '3'
    listens.simple('select 1')
    assert [n[2] for n in listens.notifications] == ['hello']
    temp.simple('drop table mine')
    listens.simple('unlisten *')
    tls.close()
    moved(wp, old)
    assert temp.one('select 4') == '4' and listens.one('select 5') == '5'


def test_passwords_that_clients_taught(weirpool, pg15):
    """The verifier in auth_file lets nobody log in to the server: the client's proof did. It goes over with the session."""
    (verifier,) = pg15.query("select rolpassword from pg_authid where rolname = 'app'")[0]
    assert verifier.startswith('SCRAM-SHA-256$')
    wp = weirpool(pg15, pool_mode='transaction', userlist={'app': verifier})
    c = wp.raw(secret='app')
    moved(wp, upgrade(wp))
    assert c.one('select 1') == '1'


def test_many_sessions_move(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='transaction', workers=2, auth_type='trust')
    many = [wp.raw(secret='') for _ in range(300)]
    old = upgrade(wp)
    moved(wp, old)
    assert len(wp.admin("SHOW CLIENTS WHERE user = 'app'")) == 300
    for i, c in enumerate(many):
        assert c.one('select %d' % i) == str(i)


def test_refused_sessions_stay(weirpool, pg15):
    """Whom the new process cannot serve in the same way, the old one goes on with."""
    wp = weirpool(pg15, pool_mode='transaction')
    a, b, c = wp.raw(), wp.raw('app', 'app2'), wp.raw('app', 'postgres')
    wp.databases['app']['pool_mode'] = 'session'
    del wp.databases['app2']
    wp.write()
    old = upgrade(wp)
    eventually(lambda: state(wp)['predecessor'] == 'pid %d, 2 clients' % old.pid)
    assert [x.one('select %d' % i) for i, x in enumerate((a, b, c))] == ['0', '1', '2']
    a.bye()
    b.bye()
    moved(wp, old)
    assert c.one('select 1') == '1'


def test_new_process_dies_while_sessions_move(weirpool, pg15):
    """Each session is in one of the two: it goes on, or its connection is closed. None hangs, and none is in both."""
    for _ in range(3):
        wp = weirpool(pg15, pool_mode='transaction', auth_type='trust', workers=2)
        many = [wp.raw(secret='') for _ in range(100)]
        old = upgrade(wp)
        wp.kill(signal.SIGKILL)
        wp.proc = old
        alive = 0
        for i, c in enumerate(many):
            try:
                assert c.one('select %d' % i) == str(i)
                alive += 1
            except (rawpg.Closed, OSError):
                pass

        def what():
            """it serves, or has ended: it had moved all"""
            with contextlib.suppress(rawpg.Closed, OSError):
                return 'serves' if wp.alive() and wp.usable() else 'has ended'
        assert eventually(what) == 'serves' or alive == 0
        for c in many:
            c.sock.close()


# --- starts that fail

def still_serves(wp, was):
    assert wp.alive() and wp.pid == was
    eventually(lambda: pidfile(wp) == was)
    assert state(wp) == dict(active='yes', paused='no', suspended='no', generation='1', predecessor='no')
    assert wp.usable()
    with rawpg.Raw(0, unix=str(wp.dir / ('.s.PGSQL.%d' % wp.port))) as c:
        c.login('app', 'app', 'app')


def test_failed_starts(changeable, pg15):
    """Whatever goes wrong in the new process: the operator hears of it, and clients do not."""
    wp = changeable(pg15)
    was = wp.pid
    there = wp.raw()
    there.simple('begin')
    wp.put('weirpool.ini', wp.text() + 'no_such_option = 1\n')
    said = refused(wp, None)
    assert 'no_such_option' in wp.log() and '1 mistake ' in said
    still_serves(wp, was)
    wp.put('weirpool.ini', wp.text().replace('listen_addr = 127.0.0.1', 'listen_addr = 127.0.0.1, 192.0.2.77'))
    assert '192.0.2.77' in refused(wp, None)
    still_serves(wp, was)
    wp.write()
    for script, expected in (('exit 3\n', 'exit code 3'),
                             ('echo no such library >&2; exit 127', 'no such library'),
                             ('kill -SEGV $$', 'signal 11'),
                             ('exec 3>&-; exec sleep 60', 'does not serve'),
                             ('head -c 100 /dev/zero >&3; exec sleep 60', 'another version')):
        replace(wp, script)
        assert expected in refused(wp, None), script
        still_serves(wp, was)
    wp.reload(upgrade_timeout=2)
    replace(wp, 'exec sleep 60')
    assert 'upgrade_timeout' in refused(wp, None)
    still_serves(wp, was)
    wp.reload(upgrade_timeout=100)
    os.unlink(wp.binary)
    assert 'cannot start' in refused(wp, None)
    still_serves(wp, was)
    assert there.one('select 1') == '1'
    there.simple('commit')
    there.bye()
    replace(wp)
    ended(upgrade(wp))
    assert wp.usable()


def test_one_at_a_time(changeable, pg15):
    """A second UPGRADE, RELOAD and SET are refused while one is under way; kill -9 of what starts ends it."""
    wp = changeable(pg15)
    was = wp.pid
    replace(wp, 'echo $$ >%s/starting; exec sleep 60' % wp.dir)
    answers = []
    t = threading.Thread(target=lambda: answers.append(refused(wp, None)))
    t.start()
    pid = int(eventually(lambda: (wp.dir / 'starting').exists() and (wp.dir / 'starting').read_text().strip()))
    assert 'under way' in refused(wp)
    for command in ('RELOAD', 'SET verbose = 1'):
        with pytest.raises(PgError, match='under way'):
            wp.admin(command)
    os.kill(pid, signal.SIGKILL)
    t.join(60)
    assert 'signal 9' in answers[0]
    still_serves(wp, was)


def test_refused(weirpool, pg15):
    wp = weirpool(pg15)
    wp.usable()
    wp.admin('SUSPEND')
    assert 'RESUME' in refused(wp)
    wp.admin('RESUME')
    with pytest.raises(PgError, match='admin access'):
        wp.admin('UPGRADE', user='stats')
    ended(upgrade(wp))


# --- what operators have stopped

def asks(c, sql):
    """Asks, and gives what waits for the answer."""
    c.send(query(sql))

    def answer():
        return rawpg.rows(c.until_ready())
    return answer


def comes(wp, sql):
    """A client who comes, and cannot even log in as long as no server may be asked; gives what waits for its answer."""
    out = []

    def run():
        with wp.raw() as c:
            out.append(c.one(sql))
            c.bye()
    t = threading.Thread(target=run, daemon=True)
    t.start()

    def answer():
        t.join(60)
        return out
    return answer


def waiting(wp, n, database='app'):
    eventually(lambda: sum(int(r['cl_waiting']) for r in wp.admin('SHOW POOLS') if r['database'] == database) == n)


def silent(c, seconds=0.3):
    """Nothing comes: it is held. (If it were not, a slow machine might not see it.)"""
    c.sock.settimeout(seconds)
    with pytest.raises((TimeoutError, OSError)):
        c.sock.recv(1, socket.MSG_PEEK)
    c.sock.settimeout(60)


@pytest.mark.parametrize('pause, resume', [('PAUSE', 'RESUME'), pytest.param('PAUSE app', 'RESUME app', marks=pytest.mark.slow),
                                           ('KILL app', 'RESUME app')])
def test_paused_stays_paused(weirpool, pg15, pause, resume):
    """Who waits in the old process and who comes to the new one wait for the same RESUME."""
    wp = weirpool(pg15, pool_mode='transaction')
    wp.usable()
    wp.admin(pause)
    there = wp.raw()
    waits = asks(there, 'select 1')
    waiting(wp, 1)
    old = upgrade(wp)
    assert wp.admin("SHOW DATABASES WHERE name = 'app'")[0]['paused'] == ('0' if pause == 'PAUSE' else '1')
    assert state(wp)['paused'] == ('yes' if pause == 'PAUSE' else 'no')
    here = comes(wp, 'select 2')
    waiting(wp, 1)
    silent(there)
    eventually(lambda: state(wp)['predecessor'] == 'pid %d, 1 clients' % old.pid)
    wp.admin(resume)
    assert waits() == [('1',)] and here() == ['2']
    moved(wp, old)
    assert there.one('select 3') == '3'


def test_pause_meanwhile(weirpool, pg15):
    """PAUSE, RESUME, DISABLE and ENABLE in the new process hold for the clients of the old one; signals do as well."""
    wp = weirpool(pg15, pool_mode='transaction')
    wp.admin('DISABLE app2')
    c, *others = [wp.raw() for _ in range(10)]
    for x in (c, *others):
        x.simple('begin')
    old = upgrade(wp)
    with pytest.raises(PgError, match='disabled'):
        wp.raw('app', 'app2')
    wp.admin('ENABLE app2')
    assert wp.usable(dbname='app2')
    wp.kill(signal.SIGUSR1)
    eventually(lambda: state(wp)['paused'] == 'yes')
    here = comes(wp, 'select 0')
    waiting(wp, 1)
    assert c.one('select 1') == '1'  # a transaction goes on

    def held(x):
        """what it asks behind its transaction is held: the old process, too, has heard of it"""
        x.simple('commit')
        x.send(query('select 3'))
        if x.quiet():
            return True
        assert rawpg.rows(x.until_ready()) == [('3',)]
        return False
    assert any(held(x) for x in others)
    c.simple('commit')
    c.send(query('select 2'))
    silent(c)
    wp.kill(signal.SIGUSR2)
    assert rawpg.rows(c.until_ready()) == [('2',)] and here() == ['0']
    for x in others:
        x.bye()
    moved(wp, old)


@pytest.mark.parametrize('what', [pytest.param('', marks=pytest.mark.slow), ' app'])
def test_pause_waits_for_the_old_process(weirpool, pg15, what):
    """PAUSE is answered when no transaction runs in either: the server may be restarted then."""
    wp = weirpool(pg15, pool_mode='transaction')
    c, other = wp.raw(), wp.raw('app', 'app2')
    c.simple('begin')
    other.simple('begin')
    old = upgrade(wp)
    done = threading.Event()
    t = threading.Thread(target=lambda: (wp.admin('PAUSE' + what), done.set()))
    t.start()
    if not what:
        other.simple('commit')
    assert not done.wait(2.5)  # the old one has told more than once by now
    assert c.one('select 1') == '1'
    c.simple('commit')
    t.join(60)
    assert done.is_set()
    eventually(lambda: pg15.backends("datname = 'app' and usename = 'app'") == 0)
    wp.admin('RESUME' + what)
    if what:
        other.simple('commit')
    moved(wp, old)
    assert c.one('select 2') == '2' and other.one('select 3') == '3'


def test_paused_and_the_new_process_dies(weirpool, pg15):
    """The old one takes clients again, and is as paused as it was."""
    wp = weirpool(pg15, pool_mode='transaction')
    wp.usable()
    wp.admin('PAUSE app')
    there = wp.raw()
    waits = asks(there, 'select 1')
    waiting(wp, 1)
    old = upgrade(wp)
    wp.kill(signal.SIGKILL)
    wp.proc = old
    wp.wait_log('takes clients again')
    assert wp.admin("SHOW DATABASES WHERE name = 'app'")[0]['paused'] == '1'
    wp.admin('RESUME app')
    assert waits() == [('1',)]


# --- both live

def test_drains(weirpool, pg15):
    """Not twice before the old process has ended. That is bounded."""
    wp = weirpool(pg15, upgrade_drain_timeout=200, shutdown_timeout=1)
    busy = wp.raw()
    busy.simple('begin')
    old = upgrade(wp)
    assert 'pid %d' % old.pid in refused(wp)
    busy.simple('commit')
    moved(wp, old)
    wp.reload(upgrade_drain_timeout=1)
    busy.simple('begin')
    old = upgrade(wp)
    assert rawpg.errors(busy.expect_closed())[0]['C'] == '57P01'
    ended(old)
    alone(wp)
    ended(upgrade(wp))


def test_new_process_dies(weirpool, pg15):
    """kill -9 of the new one while the old one lives: that serves again."""
    wp = weirpool(pg15)
    stays = wp.raw()
    stays.simple('begin')
    old = upgrade(wp)
    assert wp.usable()
    wp.kill(signal.SIGKILL)
    wp.proc = old
    eventually(lambda: pidfile(wp) == old.pid)
    wp.wait_log('takes clients again')
    still_serves(wp, old.pid)
    assert stays.one('select 1') == '1'
    stays.simple('commit')
    stays.bye()
    ended(upgrade(wp))
    assert wp.usable()


def test_old_process_dies(weirpool, pg15):
    wp = weirpool(pg15)
    stays = wp.raw()
    stays.simple('begin')
    old = upgrade(wp)
    old.send_signal(signal.SIGKILL)
    stays.expect_closed()
    alone(wp)
    assert wp.usable()
    ended(upgrade(wp))


@pytest.mark.parametrize('sig', [signal.SIGTERM, signal.SIGQUIT])
def test_shutdown_meanwhile(weirpool, pg15, sig):
    """Who ends the new process ends the old one in the same way."""
    wp = weirpool(pg15)
    stays = wp.raw()
    stays.simple('begin')
    old = upgrade(wp)
    wp.kill(sig)
    if sig == signal.SIGTERM:
        assert stays.one('select 1') == '1'
        assert wp.alive()
        stays.simple('commit')
        assert rawpg.errors(stays.expect_closed())[0]['C'] == '57P01'
    else:
        stays.expect_closed()
    ended(old)
    wp.wait()
    assert not (wp.dir / 'pid').exists() and not (wp.dir / ('.s.PGSQL.%d' % wp.port)).exists()


def test_long_transactions_at_the_end_of_both(weirpool, pg15):
    """Who ends the new process by SIGTERM lets transactions of both end, however long they take."""
    wp = weirpool(pg15)
    old_tx = wp.raw()
    old_tx.simple('begin')
    old = upgrade(wp)
    new_tx = wp.raw()
    new_tx.simple('begin')
    wp.kill(signal.SIGTERM)
    began = time.monotonic()
    while time.monotonic() < began + 3:  # the old process looks after the new one each second
        assert old_tx.one('select 1') == new_tx.one('select pg_sleep(0.1)::text || 1') == '1'
    for tx in (old_tx, new_tx):
        tx.simple('commit')
        assert rawpg.errors(tx.expect_closed())[0]['C'] == '57P01'
    ended(old)
    wp.wait()


@pytest.mark.both_workers
def test_cancel(weirpool, pg15):
    """A cancel request comes to the new process, whoever made the key."""
    wp = weirpool(pg15)
    a = wp.raw()
    a.send(query('select pg_sleep(60)'))
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep(60)%'") == 1)
    old = upgrade(wp)
    b = wp.raw()
    b.send(query('select pg_sleep(61)'))
    eventually(lambda: pg15.backends("state = 'active' and query like '%pg_sleep(61)%'") == 1)
    for c in (a, b):
        assert c.cancel() == b''
        assert rawpg.errors(c.until_ready())[0]['C'] == '57014'
    with rawpg.Raw(wp.port) as c:  # nobody's key: closed, and nobody is hit
        c.send(b'\0\0\0\x10\x04\xd2\x16\x2e' + b'12345678')
        assert c.expect_closed() == []
    for c in (a, b):
        assert c.one('select 1') == '1'
        c.bye()
    ended(old)


def test_consoles_move_on(weirpool, pg15):
    """A console that stays connected is sent away, so that it sees the process that serves."""
    wp = weirpool(pg15)
    monitor = wp.raw('stats', 'weirpool')
    old = upgrade(wp)
    assert rawpg.errors(monitor.expect_closed())[0]['C'] == '57P01'
    ended(old)


def test_changed_configuration(weirpool, pg15, maria1011):
    """The new process listens as its configuration says, as far as the sockets are not there already."""
    wp = weirpool(pg15, mysql=maria1011)
    unix = wp.dir / ('.s.PGSQL.%d' % wp.port)
    assert unix.exists()
    wp.options.update(unix_socket_dir='', pidfile=wp.dir / 'pid2', mysql_unix_socket=wp.dir / 'my.sock')
    wp.write()
    old = upgrade(wp)
    ended(old)
    assert not unix.exists() and not (wp.dir / 'pid').exists()
    assert int((wp.dir / 'pid2').read_text()) == wp.pid
    assert (wp.dir / 'my.sock').exists()
    assert wp.usable()
    with wp.my(db='myapp') as c:
        assert c.one('select 1') == '1'


def test_http(weirpool, pg15):
    """The HTTP port too, TCP and unix."""
    port = free_port()
    wp = weirpool(pg15, http_port=port, http_unix_socket='@weirpool-upgrade-http-%d' % os.getpid())
    stays = wp.raw()
    stays.simple('begin')
    old = upgrade(wp)
    for _ in range(5):
        with socket.create_connection(('127.0.0.1', port), 60) as c:
            c.sendall(b'GET /livez HTTP/1.0\r\n\r\n')
            assert c.recv(100).startswith(b'HTTP/1.0 200 ')
        with socket.socket(socket.AF_UNIX) as c:
            c.connect('\0weirpool-upgrade-http-%d' % os.getpid())
            c.sendall(b'GET /livez HTTP/1.0\r\n\r\n')
            assert c.recv(100).startswith(b'HTTP/1.0 200 ')
    stays.bye()
    ended(old)


def http_get(port, path):
    """The status and the body of a page."""
    with socket.create_connection(('127.0.0.1', port), 60) as c:
        c.sendall(b'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' % path.encode())
        got = b''
        while piece := c.recv(65536):
            got += piece
    head, _, body = got.partition(b'\r\n\r\n')
    return int(head.split()[1]), body


def test_http_after_a_failed_start(changeable, pg15):
    """The status page and all else on the HTTP port are there as before, whatever the new process failed of."""
    port, taken = free_port(), socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen(1)
    wp = changeable(pg15, http_port=port)

    def served():
        status, page = http_get(port, '/')
        assert status == 200 and b'</html>' in page.lower()
        for path in ('/livez', '/readyz', '/status.json', '/metrics'):
            assert http_get(port, path)[0] == 200, path
    served()
    good = wp.text()
    with taken:
        for config in (good + 'no_such_option = 1\n', good.replace('http_port = %d' % port, 'http_port = %d' % taken.getsockname()[1])):
            assert config != good
            wp.put('weirpool.ini', config)
            refused(wp, None)
            served()
    wp.put('weirpool.ini', good)
    for script in ('exit 3\n', 'kill -SEGV $$'):
        replace(wp, script)
        refused(wp, None)
        served()
    replace(wp)
    old = upgrade(wp)
    served()
    ended(old)
    served()


def test_a_start_behind_http(changeable, pg15):
    """A connection of the HTTP port that has ended leaves nothing on the number of its descriptor: the next one to have it is that by
    which the processes talk."""
    port = free_port()
    wp = changeable(pg15, http_port=port)
    for _ in range(3):
        with wp.raw('admin', 'weirpool') as console:
            assert http_get(port, '/livez')[0] == 200
            old = upgrade(wp, console)
        ended(old)


def test_service_manager(weirpool, pg15):
    """systemd hears which process is the main one from the old one, and then READY from the new one."""
    path = '@weirpool-upgrade-%d' % os.getpid()
    said = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind('\0' + path[1:])
        s.settimeout(0.2)
        wp = weirpool(pg15, env={'NOTIFY_SOCKET': path})

        def heard(n):
            with contextlib.suppress(TimeoutError):
                said.extend(s.recv(4096).decode().split('\n'))
            return len([w for w in said if w == 'READY=1']) == n
        eventually(lambda: heard(1))
        ended(upgrade(wp))
        eventually(lambda: heard(2))
    assert said.index('MAINPID=%d' % wp.pid) > said.index('READY=1')
    assert 'READY=1' in said[said.index('MAINPID=%d' % wp.pid):]
    assert 'STOPPING=1' not in said


def test_daemon(weirpool, pg15):
    """-d: the new process is in the background as the old one was."""
    wp = weirpool(pg15)
    wp.stop()
    wp.args, wp.options['logfile'] = ['-d'], wp.dir / 'daemon.log'
    wp.write()
    wp.start(wait=False)
    assert wp.wait() == 0
    eventually(lambda: pidfile(wp))
    wp.proc = Adopted(pidfile(wp))
    wp.wait_listening()
    ended(upgrade(wp))
    assert wp.usable()


def test_what_a_lost_transaction_is_called_after_the_move(weirpool, victim):
    """lost_tx_sqlstate of a database and of a user, for sessions that came before: the server is lost in their next transactions."""
    if not victim.alive():
        victim.start()
    wp = weirpool(databases={'app': dict(cluster='main'), 'cut': dict(cluster='main', dbname='app', lost_tx_sqlstate='08006')},
                  users={'app2': dict(lost_tx_sqlstate='08006')},
                  clusters={'main': dict(host=victim.host, port=victim.port, probe_user='super', probe_password='super')})

    def ready():
        eventually(lambda: wp.admin('SHOW CLUSTERS')[0]['writes'] == 'open', 60)
    ready()
    clients = {wp.raw(): '40001', wp.raw(dbname='cut'): '08006', wp.raw('app2'): '08006'}
    for c in clients:
        assert c.one('select 1') == '1'
    moved(wp, upgrade(wp))
    ready()
    assert len([r for r in wp.admin('SHOW CLIENTS') if r['database'] in ('app', 'cut')]) == len(clients), 'they have moved'
    for c in clients:
        c.q('begin')
        c.one('select 1')
    victim.kill9()
    victim.start()
    ready()
    for c, sqlstate in clients.items():
        [e] = rawpg.errors(c.simple('commit'))
        assert e['C'] == sqlstate, e
        assert c.one('select 1') == '1'
        c.bye()
