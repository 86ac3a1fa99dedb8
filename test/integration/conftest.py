"""Fixtures: servers live for the whole run of one pytest process, weirpools for one test."""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mysql_servers import KINDS, MyServer  # noqa: E402
from servers import SID, Certs, PgServer, end_servers, leave_tree, new_folder, wait_for_leaving  # noqa: E402
from weir import Direct, Weirpool, find_binary, install_binary  # noqa: E402


def is_sanitized(binary):
    return re.search(r'lib(a|t|ub)san\.', subprocess.run(['ldd', binary], capture_output=True, text=True).stdout) is not None


def pytest_configure(config):
    if not hasattr(config, 'workerinput'):  # (with xdist: in the process that hears of all)
        config.pluginmanager.register(Failures(config))
    config.addinivalue_line('markers', 'slow: only with ./check --slow')
    config.addinivalue_line('markers', 'sandbox: only for builds that have one: without sanitizers, which read what it keeps from us')
    config.addinivalue_line('markers', 'both_workers: run with one worker and with two')


def pytest_collection_modifyitems(config, items):
    for item in items:
        # part of a test's name -> why it fails
        for part, why in getattr(item.module, 'KNOWN_DEFECTS', {}).items():
            if part in item.name:
                item.add_marker(pytest.mark.xfail(reason=why, strict=True))
    left_out = [] if os.environ.get('WEIRPOOL_SLOW') == '1' else ['slow']
    if any(i.get_closest_marker('sandbox') for i in items) and is_sanitized(find_binary()):
        left_out.append('sandbox')
    for item in [i for i in items if any(i.get_closest_marker(m) for m in left_out)]:
        items.remove(item)


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker('both_workers') and 'workers' in metafunc.fixturenames:
        metafunc.parametrize('workers', [1, 2], indirect=True, ids=['1worker', '2workers'])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the end of the logs of its weirpools."""
    report = (yield).get_result()
    if report.failed:
        for w in getattr(item, 'weirpools', []):
            report.sections.append(('log of weirpool ' + str(w.dir), w.log()[-6000:]))


class Failures:
    """Names what has failed at once: a run that is killed for its time has no summary."""

    def __init__(self, config):
        self.config = config

    def pytest_runtest_logreport(self, report):
        if report.failed:
            out = self.config.pluginmanager.get_plugin('terminalreporter')
            out.write_line('\nFAILED %s (%s)' % (report.nodeid, report.when))


@pytest.fixture(scope='session')
def base():
    """The run's own folder. It is locked while the run lives: what earlier ones have left, because they were killed, goes first."""
    remove_left_over('weirpool-test.')
    d = new_folder(None, 'weirpool-test.')
    with open(os.path.join(d, LOCK), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield d
        leave_tree(d)
        wait_for_leaving()


LOCK = 'run.lock'


def remove_left_over(prefix):
    for d in pathlib.Path(tempfile.gettempdir()).glob(prefix + '*/' + LOCK):
        with contextlib.suppress(OSError), open(d) as lock:
            # (who has made it a moment ago is about to lock it)
            if time.time() - d.stat().st_mtime > 60:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                subprocess.run(['pkill', '-KILL', '-f', '%s/' % d.parent], check=False)  # its servers
                leave_tree(d.parent)


@pytest.fixture(scope='session', autouse=True)
def _nothing_is_refused(base):
    """No weirpool of the whole run makes a system call that its sandbox refuses (but those in attacked, by pid): the kernel logs each. Where
    the kernel's log cannot be read, nothing is looked at."""
    try:
        kmsg = open('/dev/kmsg', 'rb', buffering=0)
        os.set_blocking(kmsg.fileno(), False)
        kmsg.seek(0, os.SEEK_END)
    except OSError:
        yield set()
        return
    attacked, refused = set(), []
    yield attacked
    while True:
        try:
            line = kmsg.read(8192)
        except BrokenPipeError:
            continue  # some were overwritten
        except OSError:
            break
        if not line:
            break
        m = re.search(rb'type=1326 .* pid=(\d+) .*exe="%s/.*syscall=\d+' % re.escape(base.encode()), line)
        if m and int(m[1]) not in attacked:
            refused.append(line.decode().strip())
    kmsg.close()
    assert not refused, 'refused by the sandbox:\n' + '\n'.join(refused[:20])


@pytest.fixture(scope='session')
def certs(base):
    return Certs(os.path.join(base, 'certs'))


@pytest.fixture(scope='session')
def binary(base):
    return install_binary(base)


def new_server(base, certs, version, tag):
    return PgServer(new_folder(base, '%s-%d-' % (tag, version)), version, certs=certs).create()


def server_fixture(version, scope, tag):
    @pytest.fixture(scope=scope)
    def server(base, certs):
        if version == 18 and not (SID / '.complete').exists():
            pytest.fail('no PostgreSQL 18: run test/integration/install-servers')
        s = new_server(base, certs, version, tag)
        yield s
        end_servers(s)
    return server


pg15 = server_fixture(15, 'session', 'pg')
pg18 = server_fixture(18, 'session', 'pg')
# a server of the module's own, to be killed and stopped
victim = server_fixture(15, 'module', 'victim')


@pytest.fixture(params=[15, 18], ids=['pg15', 'pg18'])
def anypg(request):
    return request.getfixturevalue('pg%d' % request.param)


def new_my_server(base, certs, kind, tag):
    return MyServer(new_folder(base, '%s-' % tag), kind, certs=certs).create()


def my_server_fixture(kind, scope, tag):
    @pytest.fixture(scope=scope)
    def server(base, certs):
        s = new_my_server(base, certs, kind, tag)
        yield s
        end_servers(s)
    return server


mysql97 = my_server_fixture('mysql97', 'session', 'mysql97')
maria1011 = my_server_fixture('maria1011', 'session', 'maria1011')
maria118 = my_server_fixture('maria118', 'session', 'maria118')
# servers of the module's own, to be killed and stopped
mysql_victim = my_server_fixture('mysql97', 'module', 'myvictim')
maria_victim = my_server_fixture('maria1011', 'module', 'mavictim')


@pytest.fixture(params=list(KINDS))
def anymy(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=['mysql_victim', 'maria_victim'])
def any_victim(request):
    """A MySQL or MariaDB server of the module's own; alive at the start of each test."""
    s = request.getfixturevalue(request.param)
    s.sigcont()
    if not s.alive():
        s.start()
    return s


@pytest.fixture
def workers(request):
    return getattr(request, 'param', int(os.environ.get('WEIRPOOL_TEST_WORKERS', '1')))


@pytest.fixture
def weirpool(request, base, binary, workers):
    """weirpool(server, **options) starts one; all end, cleanly, with the test."""
    started = request.node.weirpools = []

    def start(server=None, **kw):
        kw.setdefault('workers', workers)
        w = Weirpool.__new__(Weirpool)
        started.append(w)
        w.proc = None
        w.__init__(base, binary, server, **kw)
        return w
    yield start
    failures = []
    for w in started:
        try:
            w.stop()
        except AssertionError as e:
            failures.append(str(e))
    if not failures:
        for w in started:
            if os.environ.get('WEIRPOOL_KEEP') != '1' and hasattr(w, 'dir'):
                shutil.rmtree(w.dir, ignore_errors=True)
    assert not failures, '\n'.join(failures)


@pytest.fixture
def mypool(weirpool):
    """weirpool(server, **options) in transaction mode. WEIRPOOL_TEST_DIRECT=1 gives direct connections instead: a test that
    fails there expects what no server does."""
    def start(server, **kw):
        if os.environ.get('WEIRPOOL_TEST_DIRECT') == '1':
            return Direct(server)
        kw.setdefault('pool_mode', 'transaction')
        return weirpool(server, **kw)
    return start
