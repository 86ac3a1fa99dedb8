"""Clients that write without pause while something happens to their servers, and the judgement at the end: no error, and each
acknowledged row there, once. Half of them are in autocommit, half in short transactions. Knows of weirpool only that it can
be connected to."""
import threading
import time

from servers import eventually


class Traffic:
    """connect(): a connection with insert(value), transaction(value) and close(). count: how many clients; pause: s between
    two operations of each, so that many clients fit on a small machine."""

    def __init__(self, connect, count, pause=0.0):
        self.connect, self.pause = connect, pause
        self.lock = threading.Lock()
        self.acked, self.errors = [], []
        self.times = []         # of the acknowledgements
        self.longest = 0.0      # s, of any operation
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(k,), daemon=True) for k in range(count)]

    def run(self, k):
        try:
            c = self.connect()
            i = 0
            while not self.stopped.is_set():
                i += 1
                v = '%d-%d' % (k, i)
                began = time.monotonic()
                (c.insert if k % 2 else c.transaction)(v)
                took = time.monotonic() - began
                with self.lock:
                    self.acked.append(v)
                    self.times.append(time.monotonic())
                    self.longest = max(self.longest, took)
                time.sleep(self.pause)
            c.close()
        except Exception as e:  # whatever it is, no client may see it
            with self.lock:
                self.errors.append('client %d: %r' % (k, e))

    def __enter__(self):
        [t.start() for t in self.threads]
        self.flows()
        return self

    def flows(self, seconds=60):
        """Wait until each client could have written again."""
        at = len(self.acked) + len(self.threads)
        eventually(lambda: len(self.acked) >= at or self.errors, seconds)
        assert not self.errors, self.errors[:5]

    def first_after(self, moment):
        """The time of the first acknowledgement after that moment."""
        with self.lock:
            return min(t for t in self.times if t > moment)

    def __exit__(self, *exc):
        self.stopped.set()
        [t.join(60) for t in self.threads]
        assert not any(t.is_alive() for t in self.threads), 'a client hangs'

    def judge(self, rows):
        """rows: what the table holds"""
        assert not self.errors, self.errors[:5]
        assert len(rows) == len(set(rows)), 'written twice: %s' % sorted(r for r in set(rows) if rows.count(r) > 1)[:5]
        assert set(rows) == set(self.acked), (len(rows), len(self.acked))


class PgClient:
    def __init__(self, wp, dbname='app'):
        self.c = wp.connect(dbname=dbname)

    def insert(self, v):
        self.c.execute('insert into traffic values (%s)', (v,))

    def transaction(self, v):
        with self.c.transaction():
            self.c.execute('insert into traffic values (%s)', (v,))
            assert self.c.execute('select count(*) from traffic where v = %s', (v,)).fetchone() == (1,)

    def close(self):
        self.c.close()


class MyClient:
    def __init__(self, wp, db='app'):
        self.c = wp.my(db=db)
        self.c.sock.settimeout(60)

    def insert(self, v):
        self.c.do("insert into app.traffic values ('%s')" % v)

    def transaction(self, v):
        self.c.do('begin')
        self.c.do("insert into app.traffic values ('%s')" % v)
        assert self.c.one("select count(*) from app.traffic where v = '%s'" % v) == '1'
        self.c.do('commit')

    def close(self):
        self.c.bye()
