"""Upgrades of a weirpool, for tests: who has taken over, and whether the process before has ended."""
import contextlib
import os
import threading

import pytest
from rawpg import PgError
from servers import eventually, running


class Adopted:
    """The newest process of a weirpool, in the place of its Popen: it is a child of the one before."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        if self.returncode is None and not running(self.pid):
            self.returncode = 0  # whatever it was: the log tells
        return self.returncode

    def wait(self, seconds=None):
        eventually(lambda: self.poll() is not None, seconds or 60)
        return self.returncode

    def send_signal(self, sig):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sig)


def upgrade(wp, console=None):
    """UPGRADE, on a console that is open if there is one; wp is the new process from here on. What stood for the old one."""
    old = wp.proc
    if console:
        pid = console.one('UPGRADE')
    else:
        pid = wp.admin('UPGRADE')[0]['pid']
    wp.proc = Adopted(int(pid))
    return old


def refused(wp, sqlstate='55000'):
    """UPGRADE fails; what it says."""
    with pytest.raises(PgError) as e:
        wp.admin('UPGRADE')
    assert sqlstate is None or e.value.fields['C'] == sqlstate
    return e.value.fields['M'] + ' ' + e.value.fields.get('D', '')


def state(wp):
    return {r['key']: r['value'] for r in wp.admin('SHOW STATE')}


def alone(wp):
    """Wait until the process before has ended."""
    eventually(lambda: state(wp)['predecessor'] == 'no', 60)


def ended(proc, seconds=60):
    assert proc.wait(seconds) == 0


def moved(wp, old):
    """All idle sessions have moved, and nobody is left there."""
    ended(old)
    alone(wp)


class Clients:
    """Clients of all kinds until stop(): each of clients() runs again and again, in a thread of its own, with its number. What failed
    is in failures, what they have done in sums."""

    def __init__(self, wp, table):
        self.wp, self.table = wp, table
        self.failures, self.connects, self.sums = [], 0, {}
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.guard, args=(f, i)) for i, f in enumerate(self.clients())]
        for t in self.threads:
            t.start()

    def guard(self, f, i):
        try:
            while not self.ending.is_set():
                f(i)
        except Exception as e:  # pylint: disable=broad-except
            self.failures.append('%s: %r' % (f.__name__, e))

    def did(self, i):
        self.sums[i] = self.sums.get(i, 0) + 1

    def stop(self):
        self.ending.set()
        for t in self.threads:
            t.join(60)
        assert not self.failures, self.failures[:5]
