"""What the benchmarks share: programs that are measured in turn (contenders), what they cost, rounds, the CSV and the
table of ratios. Knows no protocol."""
import argparse
import collections
import contextlib
import csv
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'integration'))

from servers import Certs, as_test_user, eventually, free_port, give_to_test_user, remove_tree, run  # noqa: E402
from weir import install_binary  # noqa: E402

LINKS = 20
CPUS = sorted(os.sched_getaffinity(0))


def accepts(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


class Contender:
    """A program between client and server: argv(configuration file), files(contender, port of the server, ...) gives the
    text of that file. Without argv: direct connections. user(argv): how it is run."""

    def __init__(self, name, directory, argv=None, files=None, user=as_test_user):
        self.name, self.dir, self.make_argv, self.files, self.user = name, directory, argv, files, user
        self.proc = None
        self.patience_s = 10
        self.port = free_port()

    def start(self, server_port, **extra):
        self.server_port = server_port
        if self.make_argv is None:
            self.port = server_port
            return self
        conf = os.path.join(self.dir, '%s-%d.conf' % (self.name, self.port))
        with open(conf, 'w') as f:
            f.write(self.files(self, server_port, **extra))
        os.chmod(conf, 0o644)
        self.log = open(os.path.join(self.dir, self.name + '.log'), 'ab')
        self.started = time.monotonic()
        self.proc = subprocess.Popen(self.user(self.make_argv(conf)), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     cwd=self.dir)
        eventually(self.listening, self.patience_s, 0.0005)
        self.start_s = time.monotonic() - self.started
        return self

    def listening(self):
        if self.proc.poll() is not None:
            with open(self.log.name, errors='replace') as f:
                raise AssertionError('%s ended: %s' % (self.name, f.read()[-500:]))
        return accepts(self.port)

    def stop(self):
        if self.proc:
            self.proc.terminate()
            try:
                self.proc.wait(2)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
            self.proc = None

    def cpu(self):
        """Seconds on a core, of all threads of the process and of its children, user and system."""
        ns = 0
        for pid in family(self.proc.pid) if self.proc else ():
            for t in os.listdir('/proc/%d/task' % pid):
                with open('/proc/%d/task/%s/schedstat' % (pid, t)) as f:
                    ns += int(f.read().split()[0])
        return ns / 1e9

    def rss_kib(self):
        with open('/proc/%d/status' % self.proc.pid) as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))

    def pss_kib(self):
        """Of the process and its children; what they share counts once."""
        sum_kib = 0
        for pid in family(self.proc.pid):
            with open('/proc/%d/smaps_rollup' % pid) as f:
                sum_kib += int(re.search(r'Pss:\s+(\d+)', f.read()).group(1))
        return sum_kib


def family(pid):
    """It, its children and theirs."""
    yield pid
    for t in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/children' % (pid, t)) as f:
            for child in f.read().split():
                yield from family(int(child))


def haproxy(directory):
    """As a relay of bytes, in one thread."""
    def conf(c, server_port, **_):
        return 'global\n maxconn 6000\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n' \
               'listen it\n bind 127.0.0.1:%d\n server s 127.0.0.1:%d\n' % (c.port, server_port)
    return Contender('haproxy', directory, lambda f: ['/usr/sbin/haproxy', '-q', '-db', '-f', f], conf)


def set_cpus(pids, cpus):
    for p in pids:
        try:
            for t in os.listdir('/proc/%d/task' % p):
                os.sched_setaffinity(int(t), cpus)
        except OSError:
            pass            # it has ended meanwhile


class Bench:
    """A benchmark has PARTS, each a method part_NAME (and OTHERS, which have to be asked for); WANTED contenders unless
    --only says otherwise; COLUMNS of the table and RATIOS in it: pairs of contenders."""
    PARTS, OTHERS, WANTED, COLUMNS, RATIOS = (), (), (), (), ()

    def __init__(self, args):
        self.args = args
        self.samples = {}       # (part, case, contender, measure): {round: value}
        self.load = os.getloadavg()
        self.dir = tempfile.mkdtemp(prefix='weirpool-bench.')
        os.chmod(self.dir, 0o755)
        give_to_test_user(self.dir)
        self.binary = install_binary(self.dir)
        self.certs = Certs(os.path.join(self.dir, 'certs'))
        self.wanted = set(args.only.split(',') if args.only else self.WANTED)
        self.also = os.path.join(self.dir, 'weirpool-also')
        if args.also:
            self.wanted.add('also')
            shutil.copy(args.also, self.also)
            os.chmod(self.also, 0o755)
        self.all = {}
        self.server = None

    def contenders(self, *them):
        self.all = {c.name: c for c in them}

    def prepare(self):
        """Starts self.server; whatever it leaves is close()'s."""
        raise NotImplementedError

    def close(self):
        for c in self.all.values():
            c.stop()
        if self.server:
            self.server.stop()
        remove_tree(self.dir)

    def note(self, part, case, name, measure, value):
        self.samples[part, case, name, measure] = value if isinstance(value, dict) else {0: value}

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def scaled(self, n, least=1):
        return max(least, int(n * self.args.scale))

    def rounds(self, part, case, names, measure, port=None, **extra):
        """measure(contender) -> {measure: value}; all are running and get their turn, then again. extra is for the
        functions that write their configurations."""
        got = collections.defaultdict(dict)
        names = [n for n in names if n in self.wanted]
        try:
            for n in names:
                self.all[n].start(port or self.server.port, **extra)
            for r in range(self.args.rounds):
                for n in names if r % 2 == 0 else reversed(names):
                    try:
                        for k, v in measure(self.all[n]).items():
                            got[n, k][r] = v
                    except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as e:
                        self.failed('%s %s %s: %s' % (part, case, n, str(e).strip()[:300]))
        finally:
            for n in names:
                self.all[n].stop()
        for (n, k), v in got.items():
            self.note(part, case, n, k, v)
        self.say('%s %s: %s' % (part, case, ', '.join(
            '%s %s %.4g' % (n, k, statistics.median(got[n, k].values())) for n, k in got if k != 'tps' or n == 'direct')))

    def failed(self, text):
        if self.args.strict:
            raise RuntimeError(text)
        self.say('   ' + text)

    @contextlib.contextmanager
    def pinned(self, c, pin):
        """The proxy on the first core, everything else on the others; gives those."""
        if not pin:
            yield CPUS
            return
        rest = CPUS[1:] or CPUS
        set_cpus([c.proc.pid] if c.proc else [], CPUS[:1])
        set_cpus(self.server.pids(), rest)
        try:
            yield rest
        finally:
            set_cpus(self.server.pids(), CPUS)

    # --- parts that are alike
    def calls(self, case, name, warm, load, **extra):
        """System calls for each of the n requests of load(contender) -> n, connecting included."""
        c = self.all[name].start(self.server.port, **extra)
        out = os.path.join(self.dir, 'strace.out')
        try:
            warm(c)
            trace = subprocess.Popen(['strace', '-c', '-f', '-qq', '-o', out, '-p', str(c.proc.pid)], stdin=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            n = load(c)
            trace.send_signal(signal.SIGINT)
            trace.wait(10)
        finally:
            c.stop()
        calls = {}
        with open(out) as f:
            for line in map(str.split, f):
                if len(line) >= 5 and line[3].isdigit() and line[-1] != 'total':
                    calls[line[-1]] = int(line[3])
        top = sorted(calls.items(), key=lambda i: -i[1])[:6]
        for k, v in top + [('all', sum(calls.values()))]:
            self.note('strace', case, name, k, v / n)
        self.say('strace %s %s: %s' % (case, name, ' '.join('%s %.2f' % (k, v / n) for k, v in top)))

    def starts(self, names):
        took = []
        for _ in range(7):
            t = time.monotonic()
            subprocess.run(as_test_user(['true']), check=True)
            took.append((time.monotonic() - t) * 1000)
        self.note('start', 'exec to listening', 'direct', 'ms', statistics.median(took))       # a program that does nothing
        for name in names:
            took = []
            for _ in range(7):
                c = self.all[name].start(self.server.port)
                took.append(c.start_s * 1000)
                c.stop()
            self.note('start', 'exec to listening', name, 'ms', statistics.median(took))
            self.say('start: %s %.1f ms' % (name, statistics.median(took)))

    @contextlib.contextmanager
    def stub(self, name):
        """The port of a server that costs little, built from NAME.c."""
        prog = os.path.join(self.dir, name)
        run(['gcc', '-std=c11', '-D_GNU_SOURCE', '-O2', '-pthread', str(HERE / (name + '.c')), '-o', prog])
        port = free_port()
        p = subprocess.Popen([prog, str(port), '2'])
        try:
            eventually(lambda: accepts(port), 5)
            yield port
        finally:
            p.kill()
            p.wait()

    # --- results
    def facts(self):
        """name -> text: versions of the programs"""
        return {}

    def write(self, path):
        facts = dict(kernel=platform.release(), cpus=os.cpu_count(), date=time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()),
                     cpu=next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if 'model name' in line), '?'),
                     load='%.1f %.1f %.1f before, %.1f %.1f %.1f after' % (*self.load, *os.getloadavg()),
                     links=LINKS, seconds=self.args.seconds, rounds=self.args.rounds, scale=self.args.scale,
                     weirpool=first_line([self.binary, '--version']), haproxy=first_line(['haproxy', '-v']), **self.facts())
        with open(path, 'w', newline='') as f:
            for k, v in facts.items():
                f.write('# %s: %s\n' % (k, v))
            w = csv.writer(f)
            w.writerow(('part', 'case', 'contender', 'measure', 'value', 'least', 'most'))
            for key, v in self.samples.items():
                w.writerow(key + tuple('%.6g' % x for x in (statistics.median(v.values()), min(v.values()), max(v.values()))))
        for k, v in facts.items():
            print('%s: %s' % (k, v))

    def ratio(self, v, a, b):
        """Median of the rounds' own ratios."""
        a, b = v.get(a, {}), v.get(b, {})
        each = [a[r] / b[r] for r in a if b.get(r)]
        return '%.2f' % statistics.median(each) if each else '-'

    def table(self):
        """Medians of everything, and ratios."""
        by = collections.OrderedDict()
        for (part, case, name, measure), v in self.samples.items():
            by.setdefault((part, case, measure), {})[self.column(name)] = v
        cols = list(self.COLUMNS) + ['also'] * bool(self.args.also)
        ratios = list(self.RATIOS) + [('also', 'weirpool-1')] * bool(self.args.also)
        head = ['%s/%s' % (short(a), short(b)) for a, b in ratios]
        print('\n%-8s %-22s %-12s' % ('part', 'case', 'measure') + ''.join('%12s' % c for c in cols) + ''.join('%9s' % h for h in head))
        for (part, case, measure), v in by.items():
            print('%-8s %-22s %-12s' % (part, case, measure) +
                  ''.join('%12s' % ('%.4g' % statistics.median(v[c].values()) if c in v else '-') for c in cols) +
                  ''.join('%9s' % self.ratio(v, a, b) for a, b in ratios))

    @staticmethod
    def column(name):
        return name


def short(name):
    return {'weirpool-1': 'w1', 'weirpool-2': 'w2', 'pgbouncer': 'pgb', 'haproxy': 'hap', 'router-share': 'share'}.get(name, name)


def first_line(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout.split('\n')[0]


def main(cls, doc, install, add_arguments=None):
    """install: arguments for install-servers."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seconds', type=int, default=2)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--clients', default='1,8,64,200,500')
    p.add_argument('--only', help='names of contenders')
    p.add_argument('--also', help='another weirpool')
    p.add_argument('--settle', type=float, default=2, help='seconds before memory is read')
    p.add_argument('--scale', type=float, default=1, help='of the sizes of data and the numbers of idle clients')
    p.add_argument('--strict', action='store_true', help='end at the first failure')
    p.add_argument('--out', default='bench.csv')
    if add_arguments:
        add_arguments(p)
    p.add_argument('parts', nargs='*', default=list(cls.PARTS))
    args = p.parse_args()
    args.clients = [int(c) for c in args.clients.split(',')]
    for part in args.parts:
        if part not in [*cls.PARTS, *cls.OTHERS]:
            p.error('no part %r; there are: %s' % (part, ' '.join([*cls.PARTS, *cls.OTHERS])))
    for what in install:
        run([str(HERE.parent / 'integration/install-servers'), what])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    b = cls(args)
    try:
        try:
            b.prepare()
            for part in args.parts:
                getattr(b, 'part_' + part)()
        except KeyboardInterrupt:
            b.say('stopped: what there is so far')
            if b.server is None:
                return
        b.write(args.out)
        b.table()
    finally:
        b.close()
