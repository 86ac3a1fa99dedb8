"""What the soaks of both protocols share: the ledger of what was written, clients that draw what they do, a nemesis that does
harm, and the judgement at the end. Knows nothing of any protocol."""
import collections
import os
import random
import signal
import tempfile
import threading
import time

from proxy import Proxy
from servers import Certs, eventually, give_to_test_user, remove_tree
from weir import Weirpool, install_binary

PATIENCE = 40.0     # s; above query_wait_timeout
OPTIONS = dict(default_pool_size=5, max_prepared_statements=6, query_wait_timeout=30, max_client_conn=200, server_lifetime=3,
               server_connect_timeout=2, max_db_connections=6, server_login_retry=1, log_connections=0, log_disconnections=0)


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.committed, self.failed, self.unknown = set(), set(), set()
        self.wrong = []
        self.statements = self.connects = 0

    def book(self, where, nonce):
        with self.lock:
            where.add(nonce)

    def accuse(self, who, what):
        with self.lock:
            self.wrong.append('client %d: %s' % (who, what))


class Gone(Exception):
    """The connection has ended in a way that may be."""


class Client(threading.Thread):
    """What all clients have in common: nonces, settings as they should be, the choice of what to do next. A kind of client
    has connect, drop and actions.

    settings: as the session has them; initial: as a new connection has them."""

    def __init__(self, wp, number, ledger, seed, stop):
        super().__init__(daemon=True)
        self.wp, self.number, self.ledger, self.stop = wp, number, ledger, stop
        self.rnd = random.Random(seed * 1000 + number)
        self.conn = None
        self.n = 0
        self.did = collections.deque(maxlen=6)      # names of its last actions
        self.initial = {}
        self.settings = {}

    def nonce(self):
        self.n += 1
        self.ledger.statements += 1
        return 'c%d-%d-%08x' % (self.number, self.n, self.rnd.getrandbits(32))

    def wrong(self, what):
        self.ledger.accuse(self.number, '%s (after %s)' % (what, ', '.join(self.did)))

    def run(self):
        while time.monotonic() < self.stop:
            try:
                if self.conn is None:
                    self.connect()
                    self.ledger.connects += 1
                    self.settings = dict(self.initial)
                    self.did.clear()
                action = self.rnd.choice(self.actions())
                self.did.append(action.__name__)
                action()
            except Gone:
                self.drop()
                time.sleep(self.rnd.random() * 0.05)
            except Exception as e:
                self.wrong('%s: %s' % (type(e).__name__, e))
                self.drop()
        self.drop()

    def lost(self, e):
        if isinstance(e, TimeoutError):
            self.wrong('no answer within %g s' % PATIENCE)
        raise Gone from e

    def booked_apart(self, nonce, outcome):
        self.ledger.book({'committed': self.ledger.committed, 'failed': self.ledger.failed,
                          'unknown': self.ledger.unknown}[outcome], nonce)


class Nemesis:
    """Does harm until the time is over: harm() says what, and how often."""

    def __init__(self, wp, server, proxy, seed):
        self.wp, self.server, self.proxy = wp, server, proxy
        self.rnd = random.Random(seed)
        self.done = {}

    def harm(self):
        return {self.kill_backends: 12, self.cut_network: 3, self.kill_server: 1, self.restart_server: 1, self.freeze: 2,
                self.reload: 3, self.hang_up: 3, self.reconnect: 2, self.pause: 2}

    def run(self, stop):
        harm = self.harm()
        while time.monotonic() < stop and self.wp.alive():
            time.sleep(0.05 + self.rnd.random() * 0.4)
            what = self.rnd.choices(list(harm), weights=list(harm.values()))[0]
            self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
            what()

    def cut_network(self):
        self.proxy.cut(self.rnd.random() < 0.5)

    def kill_server(self):
        self.server.kill9()
        time.sleep(self.rnd.random() * 0.3)
        self.server.start()

    def restart_server(self):
        self.server.restart()

    def freeze(self):
        self.proxy.frozen.set()
        time.sleep(self.rnd.random() * 0.5)
        self.proxy.frozen.clear()

    def reload(self):
        self.wp.reload(default_pool_size=self.rnd.randrange(3, 6))

    def hang_up(self):
        self.wp.kill(signal.SIGHUP)

    def reconnect(self):
        self.wp.admin('RECONNECT')

    def pause(self):
        self.wp.kill(signal.SIGUSR1)
        time.sleep(self.rnd.random() * 0.5)
        self.wp.kill(signal.SIGUSR2)


def judge(there, total, ledger):
    """there: the nonces in the table; total: of all accounts."""
    found = set(there)
    bad = list(ledger.wrong)
    for what, which in (('lost though committed', ledger.committed - found), ('there though failed', ledger.failed & found),
                        ('there but never booked', found - ledger.committed - ledger.failed - ledger.unknown),
                        ('written twice', {n for n in found if there.count(n) > 1} if len(there) > len(found) else set())):
        bad += ['%s: %s' % (what, n) for n in sorted(which)]
    if total:
        bad.append('the accounts sum up to %d' % total)
    return bad


class Soak:
    """One protocol's soak. kinds: the classes of its clients, in the ratio they are wanted; nemesis: a class; refused: the
    exceptions by which weirpool refuses the nemesis; query(server, sql): rows, from the server itself; busy: a query for the
    sessions that are not at rest; prepare(server): the tables."""

    def __init__(self, kinds, nemesis, refused, query, busy, prepare):
        self.kinds, self.nemesis, self.refused, self.query = kinds, nemesis, refused, query
        self.busy, self.prepare = busy, prepare

    def run(self, wp, server, proxy, seconds, seed, n_clients):
        """Runs it all; returns the complaints (empty: good) and a line that tells what was done."""
        ledger = Ledger()
        stop = time.monotonic() + seconds
        clients = [self.kinds[i % len(self.kinds)](wp, i, ledger, seed, stop) for i in range(n_clients)]
        nemesis = self.nemesis(wp, server, proxy, seed)
        for c in clients:
            c.start()
        bad = []
        try:
            nemesis.run(stop - min(3, seconds / 4))
        except (OSError, *self.refused) as e:     # of weirpool: the server's would be its driver's
            bad.append('the nemesis was refused: %r' % e)
        for c in clients:
            c.join(PATIENCE + 20)
        bad += ['client %d hangs' % c.number for c in clients if c.is_alive()]
        if not wp.alive():
            bad.append('weirpool has died: %s' % wp.log()[-300:])
        try:
            eventually(lambda: not self.query(server, self.busy), 15, 0.2)
        except AssertionError as e:
            bad.append('links are still busy: %s %r' % (e, self.query(server, self.busy)))
        bad += judge([r[0] for r in self.query(server, 'select nonce from ledger')],
                     self.query(server, 'select sum(balance) from account')[0][0], ledger)
        if len(ledger.committed) < seconds * 3:
            bad.append('only %d writes in %g s: too few to prove anything' % (len(ledger.committed), seconds))
        return bad, '%d statements, %d connections, %d committed, %d failed, %d unknown; %r' % (
            ledger.statements, ledger.connects, len(ledger.committed), len(ledger.failed), len(ledger.unknown), nemesis.done)

    def main(self, new_server, databases):
        """The long one, alone; its exit code. new_server(directory, certs) gives a server that runs; databases(port) are
        keyword arguments of Weirpool."""
        seconds = float(os.environ.get('SOAK_SECONDS', '60'))
        seed = int(os.environ.get('SOAK_SEED', random.randrange(1 << 30)))
        print('SOAK_SECONDS=%g SOAK_SEED=%d' % (seconds, seed), flush=True)
        base = tempfile.mkdtemp(prefix='weirpool-soak.')
        os.chmod(base, 0o755)
        give_to_test_user(base)
        server = new_server(base, Certs(os.path.join(base, 'certs')))
        self.prepare(server)
        proxy = Proxy(server.port)
        wp = Weirpool(base, install_binary(base), workers=int(os.environ.get('SOAK_WORKERS', '2')), **databases(proxy.port),
                      **OPTIONS)
        bad, done = [], ''
        try:
            bad, done = self.run(wp, server, proxy, seconds, seed, int(os.environ.get('SOAK_CLIENTS', '24')))
            wp.stop(signal.SIGTERM)
        except AssertionError as e:
            bad.append(str(e))
        finally:
            if wp.alive():
                wp.kill(signal.SIGKILL)
            server.kill9()
            proxy.close()
        print(done)
        for b in bad[:40] + bad[40:][-5:]:
            print('WRONG ' + b[:600])
        print('%d complaints' % len(bad))
        if not bad:
            remove_tree(base)
        else:
            print('logs are in ' + base)
        return 1 if bad else 0

    def short(self, weirpool, server, databases, seconds):
        """The one in the test suite: weirpool is the fixture."""
        seed = int(os.environ.get('SOAK_SEED', 1))
        print('SOAK_SEED=%d' % seed)
        self.prepare(server)
        proxy = Proxy(server.port)
        wp = weirpool(**databases(proxy.port), **OPTIONS)
        try:
            bad, done = self.run(wp, server, proxy, seconds, seed, 24)
        finally:
            server.kill9()
            proxy.close()
        print(done)
        assert not bad, '%d complaints: %s' % (len(bad), '\n'.join(bad[:10]))
