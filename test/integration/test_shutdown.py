"""How it ends: what SIGTERM begins in front of a load balancer (gateway) and beside an application (sidecar), under load."""
import contextlib
import signal
import socket
import threading
import time

import psycopg
import pytest

import rawpg
from servers import eventually, free_port
from test_http import ask

LIMIT_S = 40
TABLE = 'create table if not exists ended (nonce bigint primary key)'


class Load:
    """Clients that connect, commit one row and leave, or stay; every acknowledged row is written down."""

    def __init__(self, wp, n=4, stay=False, first=0):
        self.wp, self.stay, self.acked, self.errors = wp, stay, [], []
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(first + i,), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()
        eventually(lambda: len(self.acked) >= 10, LIMIT_S)

    def run(self, i):
        nonce = i << 32
        while not self.stopped.is_set():
            try:
                with contextlib.closing(self.wp.connect(autocommit=False)) as c:
                    while not self.stopped.is_set():
                        nonce += 1
                        c.execute('insert into ended values (%s)', [nonce])
                        c.commit()
                        with self.lock:
                            self.acked.append(nonce)
                        if not self.stay:
                            break
            except psycopg.Error as e:
                with self.lock:
                    self.errors.append((time.monotonic(), e.sqlstate, str(e)))
                time.sleep(0.02)

    def stop(self):
        self.stopped.set()
        for t in self.threads:
            t.join(LIMIT_S)


@pytest.fixture
def ended(pg15):
    """What is in the table of the acknowledged rows."""
    with psycopg.connect(pg15.dsn('super', dbname='app'), autocommit=True) as c:
        c.execute(TABLE)
        c.execute('truncate ended')
        c.execute('grant all on ended to app')
        yield lambda: {r[0] for r in c.execute('select nonce from ended').fetchall()}
        c.execute('drop table ended')


def test_gateway_under_load(weirpool, pg15, ended):
    """Not ready at once; new clients are served for drain_delay; then each ends at a boundary; no acknowledged row is lost."""
    port = free_port()
    wp = weirpool(pg15, http_port=port, shutdown_mode='gateway', drain_delay=2, default_pool_size=4)
    load = Load(wp)
    busy = wp.raw()
    busy.simple('begin')
    begun = time.monotonic()
    wp.kill(signal.SIGTERM)
    r = eventually(lambda: (lambda r: r if r.status == 503 else None)(ask(port, '/readyz')), LIMIT_S)
    assert r.json['reasons'] == ['weirpool is shutting down: no new clients soon']
    eventually(lambda: load.errors, LIMIT_S)
    assert load.errors[0][0] - begun >= 2, load.errors[0]  # nobody was refused before
    assert ask(port, '/livez').status == 200
    assert ask(port, '/readyz').json['reasons'] == ['weirpool is shutting down']
    assert busy.one("select 'still in'") == 'still in'

    def refused():
        """a new client is refused at once, and does not wait for nobody"""
        try:
            socket.create_connection((wp.host, wp.port), LIMIT_S).close()
        except ConnectionRefusedError:
            return True
    eventually(refused, LIMIT_S)
    busy.simple('commit')
    assert wp.wait(LIMIT_S) == 0
    load.stop()
    assert {s for _, s, _ in load.errors} <= {None, '57P01'}, set(load.errors)
    assert set(load.acked) <= ended()
    assert '0 clients were cut off' in wp.log()


def test_sidecar_under_load(weirpool, pg15, ended):
    """Clients, and new ones, are served until they leave: the application ends at the same time, and has last words."""
    port = free_port()
    wp = weirpool(pg15, http_port=port, shutdown_mode='sidecar', sidecar_linger='300ms', default_pool_size=4)
    load = Load(wp, stay=True)
    comers = Load(wp, n=2, first=100)
    wp.kill(signal.SIGTERM)
    eventually(lambda: ask(port, '/readyz').status == 503, LIMIT_S)
    n, m = len(load.acked), len(comers.acked)
    eventually(lambda: len(load.acked) > n + 50 and len(comers.acked) > m + 50, LIMIT_S)
    assert ask(port, '/readyz').json['reasons'] == ['weirpool is shutting down: it waits for its clients to leave']
    load.stop()
    comers.stop()
    assert wp.wait(LIMIT_S) == 0
    assert not load.errors and not comers.errors
    assert set(load.acked) | set(comers.acked) == ended()


def test_sidecar_does_not_wait_for_ever(weirpool, pg15):
    wp = weirpool(pg15, shutdown_mode='sidecar', shutdown_timeout=1)
    busy, idle = wp.raw(), wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGTERM)
    for c in (busy, idle):
        assert rawpg.errors(c.expect_closed())[0]['C'] == '57P01'
    assert wp.wait(LIMIT_S) == 0
    assert '2 clients were cut off' in wp.log()


@pytest.mark.parametrize('mode', ['gateway', 'sidecar'])
def test_the_second_term_ends_at_once(weirpool, pg15, mode):
    wp = weirpool(pg15, shutdown_mode=mode, drain_delay=30, shutdown_timeout=60)
    busy = wp.raw()
    busy.simple('begin')
    wp.kill(signal.SIGTERM)
    wp.wait_log('got SIGTERM, draining')
    assert busy.one('select 1') == '1' and wp.usable()
    wp.kill(signal.SIGTERM)
    assert wp.wait(LIMIT_S / 2) == 0


@pytest.mark.parametrize('pod, addr, stays', [(True, '127.0.0.1', True), (True, '127.0.0.1, ::1', True), (True, '*', False),
                                              (False, '127.0.0.1', False)])
def test_auto_is_sidecar_in_a_pod_only(weirpool, pg15, pod, addr, stays):
    """Loopback addresses alone say little: clients of the same machine are not waited for by systemd."""
    wp = weirpool(pg15, listen_addr=addr, env={'KUBERNETES_SERVICE_HOST': '10.0.0.1'} if pod else {})
    idle = wp.raw()
    wp.kill(signal.SIGTERM)
    if stays:
        wp.wait_log('clients are served as before')
        assert idle.one('select 1') == '1'
        idle.bye()
    else:
        assert rawpg.errors(idle.expect_closed())[0]['C'] == '57P01'
    assert wp.wait(LIMIT_S) == 0


def test_the_delay_is_for_those_who_are_asked(weirpool, pg15):
    """Without an HTTP port nobody asks whether it is ready: nothing to wait for. With one it is 5 s."""
    wp = weirpool(pg15)
    wp.kill(signal.SIGTERM)
    assert wp.wait(LIMIT_S) == 0 and 'new clients are taken' not in wp.log()
    wp = weirpool(pg15, http_port=free_port())
    wp.kill(signal.SIGTERM)
    wp.wait_log('new clients are taken for 5000 ms more')
    wp.kill(signal.SIGTERM)
    assert wp.wait(LIMIT_S) == 0
