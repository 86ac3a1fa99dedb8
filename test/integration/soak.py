"""A soak with a ledger: many clients work in transaction mode while a nemesis kills whatever it can reach. At the end nothing
may be lost, done twice, crossed between clients or left hanging.

Every statement carries a nonce, and the client checks that exactly its nonces come back, in order. Every client has settings
of its own and compares them with what it set last. Writes are booked as committed, failed or unknown: the table must hold all
of the committed, none of the failed and any unknown one at most once. An error that no client asked for (a cancel of another's
query, a prepared statement that is missing) is wrong as well.

Alone:  python3 test/integration/soak.py      SOAK_SECONDS=60 SOAK_SEED=n SOAK_WORKERS=2 SOAK_CLIENTS=24 WEIRPOOL_BIN=...
The test suite runs a short one: test_soak_ledger.py."""
import functools
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import psycopg  # noqa: E402
import rawpg  # noqa: E402
from ledger import PATIENCE, Client, Gone, Nemesis, Soak  # noqa: E402
from rawpg import batch, bind, describe, execute, flush, msg, parse, query, sync  # noqa: E402
from servers import PgServer  # noqa: E402

ZONES = ['UTC', 'Asia/Tokyo', 'America/New_York', 'Europe/Berlin', 'Australia/Sydney']
PATHS = ['public', 'a, public', 'b, public', 'a, b, public']
# what the end of a connection may look like; anything else is an accusation
LOST = ('57P01', '57P02', '57P03', '08000', '08003', '08006', '08001', '08004', '53300', '57P05')
GARBLED = ('synchron', 'unexpected response', 'contents do not agree', 'insufficient data', 'extraneous data', 'invalid length',
           'unrecognized', 'unexpected field', 'could not interpret')


class PgClient(Client):
    """What both kinds of clients have in common: settings of their own."""

    def __init__(self, wp, number, ledger, seed, stop):
        super().__init__(wp, number, ledger, seed, stop)
        self.initial = {'application_name': 'soak-%d' % number, 'TimeZone': ZONES[number % len(ZONES)],
                        'search_path': PATHS[number % len(PATHS)], 'app.tenant': 't%d' % number}

    def startup_options(self):
        return "-c app.tenant=%s -c search_path=%s" % (self.initial['app.tenant'], self.initial['search_path'].replace(' ', ''))

    def new_value(self, name):
        return {'application_name': 'soak-%d-%d' % (self.number, self.n), 'TimeZone': self.rnd.choice(ZONES),
                'search_path': self.rnd.choice(PATHS), 'app.tenant': 't%d.%d' % (self.number, self.n)}[name]

    def check_settings(self, got):
        same = {k: v.replace(' ', '') if k == 'search_path' else v for k, v in got.items()}
        want = {k: v.replace(' ', '') if k == 'search_path' else v for k, v in self.settings.items()}
        if same != want:
            self.wrong('settings are %r, should be %r' % (got, self.settings))


class RawClient(PgClient):
    """A raw socket: simple and extended protocol, pipelines, halves of messages."""

    def connect(self):
        try:
            self.conn = self.wp.raw(params={'application_name': self.initial['application_name'],
                                            'TimeZone': self.initial['TimeZone'], 'options': self.startup_options()})
        except rawpg.PgError as e:
            if e.sqlstate in LOST:
                raise Gone from e
            raise
        except (rawpg.Closed, OSError) as e:
            self.lost(e)
        self.conn.sock.settimeout(PATIENCE)
        self.prepared = set()

    def drop(self):
        if self.conn:
            self.rnd.choice([self.conn.bye, self.conn.shut, self.conn.reset])()
        self.conn = None

    def actions(self):
        return [self.read, self.read_extended, self.read_prepared, self.pipeline, self.pipeline, self.insert, self.transfer,
                self.transfer, self.rolled_back, self.change, self.change_in_tx, self.verify, self.verify, self.half,
                self.vanish, self.unsynced, self.cancel, self.big_row]

    def ask(self, data, n=1, may_fail=()):
        """The replies of n requests. An error must have a reason."""
        try:
            out = self.conn.send(data).until_ready(n)
        except rawpg.Closed as e:
            for m in e.messages:
                if m.type == 'E' and m.fields.get('C') not in LOST and m.fields.get('C') not in may_fail:
                    self.wrong('last words %r' % m.fields)
            raise Gone from e
        except OSError as e:
            self.lost(e)
        for m in out:
            if m.type == 'E' and m.fields.get('C') not in may_fail:
                self.wrong('error %s' % m)
        return out

    def one(self, out, nonce):
        got = rawpg.rows(out)
        if got != [(nonce,)]:
            self.wrong('asked %s, got %r' % (nonce, got[:3]))

    def read(self):
        n = self.nonce()
        self.one(self.ask(query("select '%s'" % n)), n)

    def read_extended(self):
        n = self.nonce()
        self.one(self.ask(batch('select $1::text', [n]) + sync()), n)

    def read_prepared(self):
        k = self.rnd.randrange(12)
        n = self.nonce()
        self.one(self.ask(self.prepare(k) + bind('', 'p%d' % k, [n]) + execute() + sync()), n + '/%d' % k)

    def prepare(self, k):
        if k in self.prepared:
            return b''
        self.prepared.add(k)
        return parse('p%d' % k, "select $1::text || '/%d'" % k)

    def pipeline(self):
        """Many requests of all kinds before the first answer is read."""
        want, data, syncs = [], b'', 0
        for _ in range(self.rnd.randrange(2, 25)):
            n = self.nonce()
            how = self.rnd.randrange(4)
            if how == 0:
                data += batch('select $1::text', [n]) + sync()
            elif how == 1:
                k = self.rnd.randrange(12)
                data += self.prepare(k) + bind('', 'p%d' % k, [n]) + describe('P') + execute() + sync()
                n += '/%d' % k
            elif how == 2:
                data += query("select '%s'" % n)
            else:
                data += batch('select $1::text', [n]) + parse('', 'select nonsense from') + batch('select 1') + sync()
            want.append(n)
            syncs += 1
        out = self.ask(data, syncs, may_fail=('42601', '42703'))
        got = [r[0] for r in rawpg.rows(out)]
        if got != want:
            self.wrong('pipeline: asked %r, got %r' % (want, got))

    def big_row(self):
        n = self.nonce()
        size = self.rnd.choice([1000, 70000, 400000])
        out = self.ask(query("select '%s' || repeat('x', %d)" % (n, size)))
        if rawpg.rows(out) != [(n + 'x' * size,)]:
            self.wrong('a row of %d bytes with %s came back as %r' % (size, n, [r[0][:40] for r in rawpg.rows(out)]))

    def write(self, nonce, data):
        """A request that commits nonce, or does not."""
        outcome = 'unknown'
        try:
            out = self.ask(data)
            tags = [m.tag for m in out if m.type == 'C']
            outcome = 'committed' if tags[-1:] in (['COMMIT'], ['INSERT 0 1']) and not rawpg.errors(out) else 'failed'
        finally:
            self.booked_apart(nonce, outcome)

    def insert(self):
        n = self.nonce()
        sql = "insert into public.ledger values ('%s', %d)" % (n, self.number)
        self.write(n, query(sql) if self.rnd.random() < 0.5 else batch(sql) + sync())

    def transfer(self):
        n = self.nonce()
        a, b = sorted(self.rnd.sample(range(50), 2))
        amount = self.rnd.randrange(1, 100)
        try:
            for sql in ('begin', 'update public.account set balance = balance - %d where id = %d' % (amount, a),
                        'update public.account set balance = balance + %d where id = %d' % (amount, b),
                        "insert into public.ledger values ('%s', %d)" % (n, self.number)):
                self.ask(query(sql))
            if self.rnd.random() < 0.3:
                self.verify()
        except Gone:
            self.booked_apart(n, 'failed')      # COMMIT was never sent
            raise
        self.write(n, query('commit'))

    def rolled_back(self):
        n = self.nonce()
        self.booked_apart(n, 'failed')
        self.ask(query('begin; insert into public.ledger values (\'%s\', %d)' % (n, self.number)))
        if self.rnd.random() < 0.5:
            self.ask(query("set local timezone = 'Asia/Kolkata'; select set_config('app.tenant', 'nobody', true)"))
        self.ask(query('rollback'))

    def change(self):
        k = self.rnd.choice(list(self.settings))
        v = self.new_value(k)
        how = self.rnd.randrange(3)
        if how == 0 and k != 'search_path':
            self.ask(query("set %s = '%s'" % (k, v)))
        elif how == 1:
            self.ask(batch("select set_config($1, $2, false)", [k, v]) + sync())
        elif self.rnd.random() < 0.2:
            self.ask(query('reset %s' % k))
            v = self.initial[k]
        else:
            self.ask(query("select set_config('%s', '%s', false)" % (k, v)))
        self.settings[k] = v

    def change_in_tx(self):
        k = self.rnd.choice(list(self.settings))
        v = self.new_value(k)
        keep = self.rnd.random() < 0.5
        self.ask(query('begin'))
        self.ask(query("select set_config('%s', '%s', false)" % (k, v)))
        self.ask(query('commit' if keep else 'rollback'))
        if keep:
            self.settings[k] = v

    def verify(self):
        names = list(self.settings)
        n = self.nonce()
        cols = ', '.join("current_setting('%s')" % k for k in names)
        out = self.ask(query("select '%s', %s" % (n, cols)) if self.rnd.random() < 0.5 else
                       batch("select $1::text, %s" % cols, [n]) + sync())
        got = rawpg.rows(out)
        if len(got) != 1 or got[0][0] != n:
            self.wrong('asked %s, got %r' % (n, got[:3]))
        else:
            self.check_settings(dict(zip(names, got[0][1:])))

    def half(self):
        """Leaves in the middle of a message: it must never run."""
        if self.rnd.random() < 0.7:
            return
        n = self.nonce()
        self.booked_apart(n, 'failed')
        sql = "insert into public.ledger values ('%s', %d)" % (n, self.number)
        if self.rnd.random() < 0.3:
            sql += ' -- ' + 'x' * 400000        # too large to be looked at: it is passed on in pieces
        data = query(sql) if self.rnd.random() < 0.5 else batch(sql) + sync()
        keep = self.rnd.randrange(1, len(data) - 5)
        try:
            if self.rnd.random() < 0.5:
                self.ask(query('begin'))
            self.conn.send(data[:keep])
        except OSError as e:
            raise Gone from e
        time.sleep(self.rnd.random() * 0.01)
        raise Gone

    def vanish(self):
        """Leaves while the answer is on its way."""
        if self.rnd.random() < 0.7:
            return
        n = self.nonce()
        commits = self.rnd.random() < 0.5
        self.booked_apart(n, 'unknown' if commits else 'failed')
        sql = "insert into public.ledger values ('%s', %d)" % (n, self.number)
        sql = sql if commits else 'begin; %s; select pg_sleep(0.05)' % sql
        try:
            self.conn.send(query(sql) if commits or self.rnd.random() < 0.5 else
                           query('begin') + batch(sql.split(';')[1]) + sync() + query("select repeat('x', 500000)"))
        except OSError:
            pass
        time.sleep(self.rnd.random() * 0.01)
        raise Gone

    def unsynced(self):
        """Leaves before the Sync: a server that loses its client does not commit."""
        if self.rnd.random() < 0.7:
            return
        n = self.nonce()
        self.booked_apart(n, 'failed')
        data = batch("insert into public.ledger values ('%s', %d)" % (n, self.number)) + flush()
        try:
            self.conn.send(data)
            if self.rnd.random() < 0.7:
                self.conn.recv_until('CE')
        except (rawpg.Closed, OSError) as e:
            self.lost(e)
        raise Gone

    def cancel(self):
        if self.rnd.random() < 0.5:
            return
        n = self.nonce()
        try:
            self.conn.send(query("select '%s', pg_sleep(%.3f)" % (n, self.rnd.random() * 0.03)))
            time.sleep(self.rnd.random() * 0.02)
            self.conn.cancel()
        except OSError as e:
            self.lost(e)
        out = self.ask(b'', may_fail=('57014',))
        if not rawpg.errors(out) and [r[0] for r in rawpg.rows(out)] != [n]:
            self.wrong('canceled %s, got %r' % (n, rawpg.rows(out)))


class DriverClient(PgClient):
    """psycopg 3: prepares by itself, pipelines, server-side cursors, COPY."""

    def connect(self):
        try:
            self.conn = self.wp.connect(application_name=self.initial['application_name'], options=self.startup_options() +
                                        ' -c timezone=' + self.initial['TimeZone'], connect_timeout=20)
            self.conn.prepare_threshold = self.rnd.choice([0, 2, 5])
        except psycopg.OperationalError as e:
            self.ended(e)

    def drop(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def ended(self, e):
        """Raises Gone if this may be how a connection ends."""
        text = str(e).lower()
        if any(g in text for g in GARBLED) or (e.sqlstate and e.sqlstate not in LOST):
            self.wrong('%s %s: %s' % (type(e).__name__, e.sqlstate, e))
        raise Gone from e

    def guarded(self, fn):
        @functools.wraps(fn)
        def call():
            try:
                fn()
            except psycopg.Error as e:
                self.ended(e)
        return call

    def actions(self):
        return [self.guarded(f) for f in (self.read, self.read, self.piped, self.transaction, self.transaction, self.insert,
                                          self.cursor, self.copy, self.change, self.verify, self.verify)]

    def read(self):
        n = self.nonce()
        k = self.rnd.randrange(8)
        row = self.conn.execute('select %%s::text, %d' % k, [n]).fetchone()
        if row != (n, k):
            self.wrong('asked %s, got %r' % ((n, k), row))

    def piped(self):
        asked = []
        with self.conn.pipeline():
            for _ in range(self.rnd.randrange(2, 20)):
                n = self.nonce()
                asked.append((n, self.conn.execute('select %s::text', [n])))
            for n, cur in asked:
                row = cur.fetchone()
                if row != (n,):
                    self.wrong('pipeline: asked %s, got %r' % (n, row))

    def settle(self, nonce, sent, e):
        """An exception with a write under way."""
        self.booked_apart(nonce, 'unknown' if sent else 'failed')
        raise e

    def insert(self):
        n = self.nonce()
        try:
            self.conn.execute('insert into public.ledger values (%s, %s)', [n, self.number])
        except psycopg.Error as e:
            self.settle(n, True, e)
        self.booked_apart(n, 'committed')

    def transaction(self):
        n = self.nonce()
        sent = False
        keep = self.rnd.random() < 0.7
        try:
            self.conn.execute('begin')
            self.conn.execute('insert into public.ledger values (%s, %s)', [n, self.number])
            row = self.conn.execute('select nonce from public.ledger where nonce = %s', [n]).fetchone()
            if row != (n,):
                self.wrong('wrote %s, read %r in the same transaction' % (n, row))
            if self.rnd.random() < 0.5:
                self.verify()
            sent = keep
            self.conn.execute('commit' if keep else 'rollback')
        except psycopg.Error as e:
            self.settle(n, sent, e)
        self.booked_apart(n, 'committed' if keep else 'failed')

    def cursor(self):
        n = self.nonce()
        with self.conn.transaction(), self.conn.cursor('cur') as cur:
            cur.itersize = 7
            cur.execute("select %s || '/' || g from generate_series(1, 20) g", [n])
            got = [r[0] for r in cur]
        if got != ['%s/%d' % (n, i) for i in range(1, 21)]:
            self.wrong('cursor: asked %s, got %r' % (n, got[:3]))

    def copy(self):
        ns = [self.nonce() for _ in range(5)]
        try:
            with self.conn.cursor() as cur, cur.copy('copy public.ledger from stdin') as c:
                for n in ns:
                    c.write_row((n, self.number))
        except psycopg.Error as e:
            for n in ns:
                self.ledger.book(self.ledger.unknown, n)
            raise e
        for n in ns:
            self.booked_apart(n, 'committed')

    def change(self):
        k = self.rnd.choice(list(self.settings))
        v = self.new_value(k)
        self.conn.execute('select set_config(%s, %s, false)', [k, v])
        self.settings[k] = v

    def verify(self):
        n = self.nonce()
        if self.rnd.random() < 0.3:
            k = self.rnd.choice(list(self.settings))
            got = dict(self.settings)
            got[k] = self.conn.execute('show ' + k).fetchone()[0]
        else:
            row = self.conn.execute('select %s::text, ' + ', '.join("current_setting('%s')" % k for k in self.settings),
                                    [n]).fetchone()
            if row[0] != n:
                self.wrong('asked %s, got %r' % (n, row))
            got = dict(zip(self.settings, row[1:]))
        self.check_settings(got)


class PgNemesis(Nemesis):
    def harm(self):
        return {**super().harm(), self.stray_cancels: 4, self.strangers: 3}

    def kill_backends(self):
        self.server.query("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename = 'app'"
                          ' order by random() limit 2) x')

    def stray_cancels(self):
        """With keys that were never given out, or to nobody."""
        for _ in range(20):
            with self.wp.bare(timeout=3) as c:
                c.send(rawpg.cancel_request(self.rnd.getrandbits(31), self.rnd.randbytes(4)))

    def strangers(self):
        for _ in range(5):
            with self.wp.bare(timeout=3) as c:
                c.send(self.rnd.choice([self.rnd.randbytes(40), msg('Q', b'select 1\0'), rawpg.startup({'user': 'app'})[:9]]))


def prepare(server):
    with server.connect('app') as c:
        c.execute('create table ledger (nonce text, client int); create table account (id int primary key, balance int);'
                  'insert into account select g, 0 from generate_series(0, 49) g; grant all on ledger, account to app;'
                  'create schema a; create schema b; grant usage on schema a, b to app')


def databases(port):
    return dict(databases={'app': dict(host='127.0.0.1', port=port, dbname='app')})


SOAK = Soak([RawClient, RawClient, DriverClient], PgNemesis, (rawpg.Closed, rawpg.PgError),
            lambda server, sql: server.query(sql, dbname='app'),
            "select pid, state, query from pg_stat_activity where usename = 'app' and state <> 'idle'", prepare)


if __name__ == '__main__':
    sys.exit(SOAK.main(lambda base, certs: PgServer(base, 15, 'soak', certs, extra_conf='restart_after_crash = on\n').create(),
                       databases))
