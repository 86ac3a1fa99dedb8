"""Signals: TERM drains, INT waits for servers, QUIT ends at once, HUP reloads, USR1 pauses, USR2 resumes; systemd."""
import os
import signal
import socket
import threading
import time

import pytest
import rawpg
from rawpg import query
from servers import as_test_user, eventually

pytestmark = pytest.mark.both_workers


def state(wp):
    return {r['key']: r['value'] for r in wp.admin('SHOW STATE')}


def goodbye(c):
    """The error that an idle client got before the end."""
    e = rawpg.errors(c.expect_closed())
    return e[0]['C'] if e else None


def test_term_drains(weirpool, pg15):
    """Idle clients end with 57P01; one in a transaction goes on to its end and then the same; the exit code is 0."""
    wp = weirpool(pg15)
    idle, busy, pipelined = wp.raw(), wp.raw(), wp.raw()
    busy.simple('begin')
    with pg15.gate() as passes:
        pipelined.send(query(passes))
        eventually(lambda: pg15.at_gate() == 1)
        wp.kill(signal.SIGTERM)
        assert goodbye(idle) == '57P01'
        assert busy.one("select 'still in'") == 'still in'
        with pytest.raises((OSError, rawpg.PgError, rawpg.Closed)):
            wp.raw()
    out = pipelined.until_ready()
    assert len(rawpg.rows(out)) == 1
    assert goodbye(pipelined) == '57P01'
    assert busy.simple('commit')[0].tag == 'COMMIT'
    assert goodbye(busy) == '57P01'
    assert wp.wait(20) == 0


def test_second_term_is_immediate(weirpool, pg15):
    wp = weirpool(pg15)
    busy = wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGTERM)
    wp.wait_log('got SIGTERM')  # two at a time are one
    assert busy.one('select 1') == '1'
    wp.kill(signal.SIGTERM)
    assert wp.wait(20) == 0
    eventually(lambda: pg15.backends("usename = 'app'") == 0, 30)


def test_term_with_nobody_there(weirpool, pg15):
    wp = weirpool(pg15)
    wp.usable()
    wp.kill(signal.SIGTERM)
    assert wp.wait(20) == 0


def test_term_serves_those_who_wait(weirpool, pg15):
    """A client that waits for a link has sent its query: it is served or told, not dropped in silence."""
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=20)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    b.send(query("select 'waited'"))
    time.sleep(0.2)
    wp.kill(signal.SIGTERM)
    time.sleep(0.2)
    a.simple('commit')
    out = b.expect_closed()
    assert rawpg.rows(out) == [('waited',)] or rawpg.errors(out)[0]['C'] == '57P01'
    assert wp.wait(20) == 0


def test_int_waits_for_servers(weirpool, pg15):
    wp = weirpool(pg15)
    idle, busy = wp.raw(), wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGINT)
    time.sleep(0.3)
    assert wp.alive() and busy.one('select 1') == '1'
    busy.simple('commit')
    assert wp.wait(20) == 0
    idle.expect_closed()


def test_second_int_is_immediate(weirpool, pg15):
    wp = weirpool(pg15)
    busy = wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGINT)
    wp.wait_log('got SIGINT')
    assert busy.one('select 1') == '1'
    wp.kill(signal.SIGINT)
    assert wp.wait(20) == 0


def test_quit_is_immediate(weirpool, pg15):
    wp = weirpool(pg15)
    busy = wp.raw()
    busy.send(query('select pg_sleep(20)'))
    time.sleep(0.2)
    t = time.monotonic()
    wp.kill(signal.SIGQUIT)
    assert wp.wait(20) == 0
    assert time.monotonic() - t < 10
    pg15.terminate_backends("query like '%pg_sleep(20)%'")


def test_usr1_pauses_usr2_resumes(weirpool, pg15):
    wp = weirpool(pg15)
    a = wp.raw()
    wp.kill(signal.SIGUSR1)
    eventually(lambda: state(wp)['paused'] == 'yes')
    a.send(query('select 1'))
    assert a.quiet(0.3)
    wp.kill(signal.SIGUSR2)
    assert rawpg.rows(a.until_ready()) == [('1',)]
    assert state(wp)['paused'] == 'no'


def test_many_signals_at_once(weirpool, pg15):
    wp = weirpool(pg15)
    for _ in range(50):
        wp.kill(signal.SIGHUP)
        wp.kill(signal.SIGUSR2)
        wp.kill(signal.SIGPIPE)
    eventually(lambda: wp.usable())
    assert wp.alive()


def test_term_is_bounded(weirpool, pg15):
    """The drain has a deadline: a client that never ends its transaction does not keep the process for ever."""
    wp = weirpool(pg15, shutdown_timeout=1)
    busy = wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGTERM)
    assert goodbye(busy) == '57P01'
    assert wp.wait(20) == 0


def test_pidfile(weirpool, pg15):
    wp = weirpool(pg15)
    pidfile = wp.dir / 'pid'
    assert int(pidfile.read_text()) == wp.pid
    wp.kill(signal.SIGTERM)
    assert wp.wait(20) == 0
    assert not pidfile.exists()


def test_unix_socket_goes_with_the_process(weirpool, pg15):
    wp = weirpool(pg15)
    path = '%s/.s.PGSQL.%d' % (wp.dir, wp.port)
    assert os.path.exists(path)
    wp.kill(signal.SIGTERM)
    wp.wait(20)
    assert not os.path.exists(path)
    wp.start()
    assert wp.usable()


def test_socket_left_by_a_crash_is_taken_over(weirpool, pg15):
    wp = weirpool(pg15)
    wp.kill(signal.SIGKILL)
    wp.proc.wait()
    wp.start()
    with rawpg.Raw(0, unix='%s/.s.PGSQL.%d' % (wp.dir, wp.port)) as r:
        r.login()
        assert r.one('select 1') == '1'


def test_systemd_notify(weirpool, pg15, base):
    """READY when it listens, RELOADING and READY on reload, STOPPING at the end."""
    path = os.path.join(base, 'notify-%d' % os.getpid())
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    os.chmod(path, 0o777)
    s.settimeout(0.2)
    said = []

    def listen():
        while not done.is_set():
            try:
                said.append(s.recv(4096).decode())
            except TimeoutError:
                pass
    done = threading.Event()
    t = threading.Thread(target=listen)
    t.start()
    wp = weirpool(pg15, env={'NOTIFY_SOCKET': path})
    eventually(lambda: 'READY=1' in '\n'.join(said))
    wp.admin('RELOAD')
    eventually(lambda: 'RELOADING=1' in '\n'.join(said))
    wp.kill(signal.SIGTERM)
    wp.wait(20)
    eventually(lambda: 'STOPPING=1' in '\n'.join(said))
    done.set()
    t.join()
    s.close()


def test_socket_activation(weirpool, pg15):
    """LISTEN_FDS: sockets from systemd are used instead of listen_addr."""
    wp = weirpool(pg15)
    wp.usable()
    wp.stop()
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', 0))
    s.listen(16)
    port = s.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(s.fileno(), 3)
            os.set_inheritable(3, True)
            log = os.open(wp.logfile, os.O_WRONLY | os.O_APPEND)
            os.dup2(log, 2)
            env = dict(os.environ, LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
            argv = as_test_user([wp.binary, str(wp.conffile)])
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(127)
    s.close()
    try:
        r = eventually(lambda: login(port))
        assert r.one('select 1') == '1'
    finally:
        os.kill(pid, signal.SIGQUIT)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def login(port):
    r = rawpg.Raw(port)
    r.login()
    return r
