"""Do reads see what they must? Sessions write and read registers and lists through weirpool, note what they did and when, and
the judgement comes afterwards, from these notes alone.

A write to a register is v = greatest(v, N), with N unique and growing: so what is read must never be below what was acknowledged,
also when a write whose connection was lost is executed late. A list is a text to which members are appended, each unique: it
shows the order of all writes, and whether one was done twice or was lost. Lists begin anew every few seconds.

A replica may show what the primary has not acknowledged yet, and so a reader that goes from there to the primary may go back:
that is how replication works (with synchronous replication for as long as the primary waits), and is counted apart.

Knows nothing of what kind of cluster it is, nor of what happens to it: nemesis.py."""
import bisect
import collections
import multiprocessing
import random
import threading
import time
import traceback

import rawmy
import rawpg

LEVELS = ('session', 'global', 'bounded', 'eventual')
BOUND = 0.2         # s; max_staleness of level bounded
SHARED = [1000 + i for i in range(4)]   # registers of everybody
LISTS = 3           # at a time
LIST_SECONDS = 2.5  # then others
PATIENCE = 45.0     # s; a client that waits longer was forgotten

# what: 'w' register written, 'a' list appended to, 'r' register read, 'l' list read
# state: 'ok', 'no' (certainly not done), 'unknown'; reads that fail are not noted
Op = collections.namedtuple('Op', 'who conn level what key value start end node state')


class Refused(Exception):
    """It was not done."""


class Unknown(Exception):
    """Nobody knows whether it was done. The session goes on."""


class Lost(Exception):
    """The same, and it does not go on; or, when it was a read, it had no answer."""


# ---- two dialects

class Pg:
    def __init__(self, wp, level):
        try:
            self.c = wp.raw(dbname='c_' + level)
        except (rawpg.Closed, rawpg.PgError, OSError) as e:
            raise Lost from e
        self.c.sock.settimeout(PATIENCE)
        self.n = 0

    def do(self, sql):
        self.n += 1
        try:
            # both protocols
            return self.c.ext(sql) if self.n % 3 == 0 else self.c.q(sql)
        except rawpg.PgError as e:
            raise {'57P03': Refused, '25P02': Refused, '40001': Refused, '08007': Unknown}.get(e.sqlstate, Lost)(str(e)) from e
        except (rawpg.Closed, OSError) as e:
            raise Lost(repr(e)[:300]) from e

    def write(self, key, n):
        self.do('update reg set v = greatest(v, %d) where id = %d' % (n, key))

    def append(self, key, n):
        self.do("insert into list values (%d, ' %d') on conflict (k) do update set v = list.v || excluded.v" % (key, n))

    def read(self, key):
        v, node = self.do("select v, current_setting('check.node') from reg where id = %d" % key)[0]
        return int(v), node

    def read_list(self, key):
        return self.do("select coalesce((select v from list where k = %d), ''), current_setting('check.node')" % key)[0]

    def close(self):
        self.c.shut()


class My:
    def __init__(self, wp, level):
        try:
            self.c = wp.my(db='c_' + level)
        except (rawmy.Closed, rawmy.MyError, OSError) as e:
            raise Lost from e
        self.c.sock.settimeout(PATIENCE)

    def do(self, sql):
        try:
            self.c.trace.clear()
            return self.c.q(sql)
        except rawmy.MyError as e:
            # refused for want of a primary; a deadlock, or a transaction that is rolled back
            raise (Refused if e.errno in (1290, 1213) else Unknown if e.sqlstate == '08007' else Lost)(str(e)) from e
        except (rawmy.Closed, OSError) as e:
            raise Lost(repr(e)[:300]) from e

    def write(self, key, n):
        self.do('update reg set v = greatest(v, %d) where id = %d' % (n, key))

    def append(self, key, n):
        self.do("insert into list values (%d, ' %d') on duplicate key update v = concat(v, ' %d')" % (key, n, n))

    def read(self, key):
        v, node = self.do('select v, @@net_write_timeout from reg where id = %d' % key)[0]
        return int(v), node

    def read_list(self, key):
        return self.do("select coalesce((select v from list where k = %d), ''), @@net_write_timeout" % key)[0]

    def close(self):
        self.c.shut()


# ---- clients

class Client(threading.Thread):
    """One session after the other; who reads much and writes little sees other nodes than who writes all the time."""

    def __init__(self, wp, dialect, who, level, seed, begin, stop):
        super().__init__(daemon=True)
        self.wp, self.dialect, self.who, self.level = wp, dialect, who, level
        self.rnd = random.Random(seed * 1000 + who)
        self.begin, self.stop = begin, stop
        self.ops, self.errors = [], collections.Counter()
        self.texts = {}             # each text of a list is kept once
        self.conn, self.c, self.last = 0, None, 0
        self.writes = 0.0 if who % 4 == 3 else self.rnd.choice([0.05, 0.2, 0.4])

    def unique(self):
        self.last = max(self.last + 1, time.monotonic_ns() // 1000)
        return self.last * 1000 + self.who

    def list_key(self):
        age = int((time.monotonic() - self.begin) / LIST_SECONDS)
        return 2000 + age * LISTS + self.rnd.randrange(LISTS)

    def all_quiet(self):
        """Now and then nobody writes, so that who must see all writes of all may read from replicas too."""
        return (time.monotonic() - self.begin) % 1.5 < 0.4

    def note(self, what, key, value, start, node='', state='ok'):
        self.ops.append(Op(self.who, self.conn, self.level, what, key, value, start, time.monotonic(), node, state))

    def write(self):
        append = self.rnd.random() < 0.4
        key = self.list_key() if append else self.rnd.choice([self.who] * 3 + SHARED[:2])
        n, start, what = self.unique(), time.monotonic(), 'a' if append else 'w'
        tx = self.rnd.random() < 0.15
        try:
            if tx:
                self.c.do('begin')
            (self.c.append if append else self.c.write)(key, n)
            if tx:
                self.c.do('commit')
            self.note(what, key, n, start)
        except (Refused, Unknown) as e:
            self.note(what, key, n, start, state='no' if isinstance(e, Refused) else 'unknown')
            self.errors[str(e)[:100]] += 1
            if tx:
                self.c.do('rollback')
        except Lost:
            self.note(what, key, n, start, state='unknown')
            raise

    def read(self):
        start = time.monotonic()
        try:
            if self.rnd.random() < 0.25:
                key = self.list_key()
                text, node = self.c.read_list(key)
                self.note('l', key, self.texts.setdefault(text, text), start, node)
            else:
                key = self.who if self.rnd.random() < 0.4 else self.rnd.choice(SHARED)
                v, node = self.c.read(key)
                self.note('r', key, v, start, node)
        except (Refused, Unknown) as e:
            self.errors['read: ' + str(e)[:100]] += 1

    def drop(self):
        if self.c:
            self.c.close()
        self.c = None

    def burst(self):
        """Some requests without a pause."""
        for _ in range(self.rnd.choice([1, 3, 10, 30])):
            if self.stop.is_set():
                return
            if not self.c:
                self.conn += 1
                self.c = self.dialect(self.wp, self.level)
            if self.rnd.random() < self.writes and not self.all_quiet():
                self.write()
            else:
                self.read()

    def run(self):
        while not self.stop.is_set():
            try:
                self.burst()
                self.stop.wait(self.rnd.choice([0, 0.002, 0.02, 0.06, 0.12]))
            except (Refused, Unknown, Lost) as e:
                self.errors['lost ' + str(e)[:100]] += 1
                self.drop()
                self.stop.wait(0.05)
            except Exception:
                self.errors['broken ' + traceback.format_exc()] += 1
                return
        self.drop()


def client_process(wp, dialect, numbers, seed, begin, stop, out):
    class Stop:
        is_set, wait = stop.is_set, stop.wait
    local = threading.Event()
    clients = [Client(wp, dialect, n, LEVELS[n // 4 % len(LEVELS)], seed, begin, local) for n in numbers]
    for c in clients:
        c.start()
    stop.wait()
    local.set()
    for c in clients:
        c.join(PATIENCE + 20)
    errors = sum((c.errors for c in clients), collections.Counter())
    for c in clients:
        if c.is_alive():
            errors['broken client %d hangs' % c.who] += 1
    out.send(([op for c in clients for op in c.ops], errors))
    out.close()


class Workload:
    """Clients in processes of their own; stop() gives all their notes and errors."""

    def __init__(self, wp, dialect, seed, processes=3, clients=16):
        mp = multiprocessing.get_context('fork')
        self.flag = mp.Event()
        self.pipes, self.procs = [], []
        begin = time.monotonic()
        for p in range(processes):
            here, there = mp.Pipe(False)
            proc = mp.Process(target=client_process, daemon=True,
                              args=(wp, dialect, range(p * clients, (p + 1) * clients), seed, begin, self.flag, there))
            proc.start()
            there.close()
            self.pipes.append(here)
            self.procs.append(proc)

    def stop(self):
        self.flag.set()
        ops, errors = [], collections.Counter()
        for pipe, proc in zip(self.pipes, self.procs):
            assert pipe.poll(PATIENCE + 60), 'a process of clients does not end'
            o, e = pipe.recv()
            ops += o
            errors += e
            proc.join(20)
        return ops, errors


# ---- the judgement

class Acks:
    """Of one key: by when which value was acknowledged."""

    def __init__(self, writes):
        done = sorted((op.end, op.value) for op in writes if op.state == 'ok')
        self.times = [t for t, _ in done]
        self.best, top = [], 0
        for _, v in done:
            top = max(top, v)
            self.best.append(top)

    def before(self, t):
        """The highest value acknowledged before t."""
        i = bisect.bisect_left(self.times, t)
        return self.best[i - 1] if i else 0


class Judge:
    """ops: the notes; finals: list key -> its text at the end, on the primary; primaries: [(time, node)], who was primary from
    when on. violations: rule -> [text]; excused: how often a replica was ahead of the primary."""

    def __init__(self, ops, finals, primaries, bound=BOUND, slack=0.25):
        self.ops, self.finals, self.primaries = sorted(ops, key=lambda op: op.start), finals, primaries
        self.bound = bound + slack
        self.violations = collections.defaultdict(list)
        self.excused = 0
        self.by_value = {op.value: op for op in ops if op.what in 'wa'}
        writes = collections.defaultdict(list)
        for op in ops:
            if op.what in 'wa':
                writes[op.key].append(op)
        self.writes = writes
        self.acks = {k: Acks(w) for k, w in writes.items() if w[0].what == 'w'}
        self.members = {}           # text of a list -> its members
        self.appends = {k: sorted((op.end, op.value) for op in w if op.state == 'ok') for k, w in writes.items() if w[0].what == 'a'}

    def accuse(self, rule, op, text):
        self.violations['%s %s' % (op.level, rule)].append('client %d.%d %s %d on %s at %.4f..%.4f: %s' % (
            op.who, op.conn, op.what, op.key, op.node, op.start, op.end, text))

    def of(self, text):
        if text not in self.members:
            self.members[text] = set(map(int, text.split()))
        return self.members[text]

    def was_primary(self, op):
        """It may have been it at some time of this read."""
        known = [n for t, n in self.primaries if t < op.end]
        before = [n for t, n in self.primaries if t < op.start]
        return op.node in known[max(len(before) - 1, 0):]

    def under_way(self, value, op):
        """Nobody had been told of this write when op began, and op asked the primary."""
        w = self.by_value[value]
        return (w.state != 'ok' or w.end > op.start) and self.was_primary(op)

    def read_values(self, op, own, seen):
        """A register: own writes, and what was read before."""
        if op.value < own:
            self.accuse('own write', op, 'reads %d, wrote %d (acknowledged at %.4f)' % (op.value, own, self.by_value[own].end))
        if op.value < seen.value:
            if self.under_way(seen.value, op):
                self.excused += 1
            else:
                self.accuse('going back', op, 'reads %d, and had read %d on %s at %.4f..%.4f' % (
                    op.value, seen.value, seen.node, seen.start, seen.end))

    def read_texts(self, op, own, seen):
        missing = own - self.of(op.value)
        if missing:
            self.accuse('own write', op, 'lacks %r' % sorted(missing)[:3])
        if not op.value.startswith(seen.value):
            gone = sorted(self.of(seen.value) - self.of(op.value))
            if gone and seen.value.startswith(op.value) and all(self.under_way(v, op) for v in gone):
                self.excused += 1
            else:
                self.accuse('going back', op, 'reads ...%s, and had read ...%s on %s at %.4f..%.4f' % (
                    op.value[-60:], seen.value[-60:], seen.node, seen.start, seen.end))

    def session(self, ops):
        """The notes of one connection, in their order."""
        own, own_list, seen = {}, collections.defaultdict(set), {}
        for op in ops:
            if op.what == 'w' and op.state == 'ok':
                own[op.key] = max(own.get(op.key, 0), op.value)
            elif op.what == 'a' and op.state == 'ok':
                own_list[op.key].add(op.value)
            elif op.what in 'rl':
                before = seen.get(op.key, op)
                if op.what == 'r':
                    self.read_values(op, own.get(op.key, 0), before)
                else:
                    self.read_texts(op, own_list[op.key], before)
                if op.value >= before.value:
                    seen[op.key] = op

    def everybody(self, op, before):
        """What anybody was told before that time."""
        if op.what == 'r':
            least = self.acks[op.key].before(before) if op.key in self.acks else 0
            if op.value < least:
                self.accuse('old', op, 'reads %d, %d was acknowledged at %.4f' % (op.value, least, self.by_value[least].end))
        else:
            have = self.of(op.value)
            for end, v in self.appends.get(op.key, ()):
                if end >= before:
                    break
                if v not in have:
                    self.accuse('old', op, 'lacks %d, acknowledged at %.4f' % (v, end))
                    break

    def invented(self, op):
        values = self.of(op.value) if op.what == 'l' else {op.value} - {0}
        for v in values:
            w = self.by_value.get(v)
            if w is None or w.key != op.key or w.start > op.end or w.state == 'no':
                self.accuse('invented', op, 'reads %d, which nobody wrote there' % v)
        if op.what == 'l' and len(op.value.split()) != len(values):
            self.accuse('double', op, op.value[-200:])

    def final_lists(self):
        for key, writes in self.writes.items():
            if writes[0].what != 'a':
                continue
            order = {v: i for i, v in enumerate(map(int, self.finals.get(key, '').split()))}
            if len(order) != len(self.finals.get(key, '').split()):
                self.accuse('double', writes[0], self.finals[key][-200:])
            last = {}
            for op in sorted(writes, key=lambda op: op.start):
                if op.state == 'ok' and op.value not in order:
                    self.accuse('lost', op, '%d was acknowledged and is not there' % op.value)
                if op.state == 'no' and op.value in order:
                    self.accuse('invented', op, '%d was refused and is there' % op.value)
                if op.state == 'ok':
                    if last.get(op.who, -1) > order.get(op.value, 1 << 60):
                        self.accuse('order of writes', op, '%d is before an older one' % op.value)
                    last[op.who] = order.get(op.value, -1)

    def judge(self):
        sessions = collections.defaultdict(list)
        for op in self.ops:
            sessions[op.who, op.conn].append(op)
            if op.what in 'rl':
                self.invented(op)
                if op.what == 'l' and not self.finals.get(op.key, '').startswith(op.value):
                    self.accuse('not the order', op, '...%s is no beginning of the list as it is' % op.value[-80:])
                if op.level == 'global':
                    self.everybody(op, op.start)
                elif op.level == 'bounded':
                    self.everybody(op, op.start - self.bound)
        for ops in sessions.values():
            self.session(ops)
        self.final_lists()
        return self

    # what counts where
    def broken(self):
        """The violations that are weirpool's: of promises that it makes."""
        none = ('eventual own write', 'eventual going back', 'bounded own write', 'bounded going back')
        return {k: v for k, v in self.violations.items() if v and k not in none}

    def stale(self, level):
        return len(self.violations[level + ' own write']) + len(self.violations[level + ' going back'])

    def share(self, level):
        """Of how many reads, how many had an answer from a replica."""
        reads = [op for op in self.ops if op.what in 'rl' and op.level == level]
        return len(reads), sum(not self.was_primary(op) for op in reads)

    def figures(self):
        out = ['%d writes and reads, %d acknowledged writes, %d times a replica was ahead' % (
            len(self.ops), sum(op.what in 'wa' and op.state == 'ok' for op in self.ops), self.excused)]
        for level in LEVELS:
            n, there = self.share(level)
            out.append('%-8s %6d reads, %3d %% by replicas, %d stale' % (level, n, 100 * there / max(n, 1), self.stale(level)))
        return '\n'.join(out)
