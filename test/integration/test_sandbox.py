"""The sandbox: what the process has given up, seen from outside and tried from inside, and what must go on to work in it.
That everything else works in it too is what all other tests show: it is on unless an option says off."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest
from rawpg import PgError, Raw
from servers import TEST_USER, as_test_user, eventually, give_to_test_user, running

SRC = pathlib.Path(__file__).resolve().parents[2]
HELPER = next(p for p in (os.environ.get('WEIRPOOL_AUTH_HELPER', ''), os.path.join(
    os.path.dirname(os.environ.get('WEIRPOOL_BIN', '')), 'weirpool-auth-helper'), os.path.join(
    os.environ.get('BUILD_DIR', SRC / 'build'), 'weirpool-auth-helper')) if p and os.access(p, os.X_OK))

pytestmark = pytest.mark.sandbox

# What whoever has taken the process over may try, each as NAME result errno; and what must work.
ATTACKER = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int out = -1;
static void say(const char *name, long r)
{
	dprintf(out, "%s %s %d\n", name, r < 0 ? "no" : "yes", r < 0 ? errno : 0);
}
__attribute__((constructor)) static void begin(void)
{
	if (getenv("ATTACK_OUT"))
		out = open(getenv("ATTACK_OUT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}
static void attack(void)
{
	char *argv[] = { "/bin/true", NULL };
	char path[200];
	struct rlimit big = { 100, 100 };
	say("fork", syscall(SYS_clone, 17, 0, 0, 0, 0));
	say("exec", execve(argv[0], argv, NULL));
	say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	say("mount", mount("none", "/mnt", "tmpfs", 0, 0));
	say("unshare", unshare(CLONE_NEWUSER));
	say("packet", socket(AF_PACKET, SOCK_RAW, 0));
	say("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
	say("setrlimit", setrlimit(RLIMIT_CORE, &big));
	say("personality", syscall(SYS_personality, 8));
	say("read_elsewhere", open(getenv("ATTACK_READ"), O_RDONLY));
	snprintf(path, sizeof path, "%s/new", getenv("ATTACK_ETC"));
	say("write_config", open(path, O_WRONLY | O_CREAT, 0600));
	say("write_elsewhere", open("/var/tmp/weirpool-attack", O_WRONLY | O_CREAT, 0600));
	say("mkdir", mkdir("/var/tmp/weirpool-attack.d", 0700));
	snprintf(path, sizeof path, "%s/weirpool.ini", getenv("ATTACK_ETC"));
	say("read_config", open(path, O_RDONLY));
	say("resolv_conf", open("/etc/resolv.conf", O_RDONLY));
	say("inet", socket(AF_INET, SOCK_STREAM, 0));
	say("dup", dup(0));
	close(out);
	out = -1;
}
int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
	static int (*real)(int, struct sockaddr *, socklen_t *, int);
	if (!real)
		real = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
	int r = real(fd, a, n, flags);
	if (out >= 0 && r >= 0)
		attack();
	return r;
}
'''


def status(pid):
    """Of every thread: field -> value."""
    return [dict(re.findall(r'^(\w+):\s+(.*)$', t.read_text(), re.M)) for t in pathlib.Path('/proc/%d/task' % pid).glob('*/status')]


def children(pid):
    """name -> pid of its children."""
    out = {}
    for t in pathlib.Path('/proc/%d/task' % pid).iterdir():
        for c in (t / 'children').read_text().split():
            out[pathlib.Path('/proc/%s/comm' % c).read_text().strip()] = int(c)
    return out


def of_its_own(weirpool, server, **kw):
    """A weirpool, not yet started, whose configuration is in a directory in which nothing is written: log, pid file and socket
    are in another."""
    wp = weirpool(server, **kw)
    wp.stop()
    etc, var = wp.dir / 'etc', wp.dir / 'var'
    for d in (etc, var):
        d.mkdir()
        give_to_test_user(d)
    wp.options.update(auth_file=etc / 'users.txt', pidfile=var / 'pid', unix_socket_dir=var, logfile=var / 'log', sandbox='on')
    wp.conffile = etc / 'weirpool.ini'
    put = wp.put
    wp.put = lambda name, text: put('etc/' + name, text)
    wp.write()
    return wp, etc, var


def says(file, pattern):
    """That will be in the log."""
    eventually(lambda: file.exists() and re.search(pattern, file.read_text()), say=lambda: file.read_text()[-2000:])


def test_given_up(weirpool, pg15):
    """Every thread: no capabilities, no new privileges, system calls filtered; no core file; and the log says so once."""
    wp = weirpool(pg15, sandbox='on', workers=2)
    assert wp.usable()
    for t in status(wp.pid):
        assert t['Seccomp'] == '2' and t['NoNewPrivs'] == '1', t['Name']
        assert {t[c].strip('0') for c in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')} == {''}
    limits = pathlib.Path('/proc/%d/limits' % wp.pid).read_text()
    assert re.search(r'Max core file size\s+0\s+0', limits)
    assert os.stat('/proc/%d/environ' % wp.pid).st_uid == 0  # not dumpable
    assert len(re.findall(r'sandbox: no other programs, \d+ system calls \(seccomp\), '
                          r'files below what the configuration names \(Landlock \d+\)', wp.log())) == 1


def test_started_by_root(weirpool, pg15):
    """It becomes the user, in none of root's groups, and then does as ever."""
    wp, etc, var = of_its_own(weirpool, pg15)
    wp.options['audit_file'] = var / 'audit'
    wp.write()
    p = subprocess.Popen([wp.binary, '--user=' + TEST_USER, str(wp.conffile)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: (var / 'log').exists() and 'process up' in (var / 'log').read_text())
        assert wp.usable()
        uid = str(pwd.getpwnam(TEST_USER).pw_uid)
        for t in status(p.pid):
            assert t['Uid'].split() == [uid] * 4 and '0' not in t['Groups'].split() and t['Seccomp'] == '2'
            assert {t[c].strip('0') for c in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')} == {''}
        (etc / 'users.txt').write_text('"admin" "admin"\n')
        wp.admin('RELOAD')
        with pytest.raises(PgError):
            wp.raw()
        # what it writes is its own: it can open it again
        wp.admin("SET audit_file = ''")
        assert not wp.admin("SHOW EVENTS WHERE code = 'E5025'") and {f.stat().st_uid for f in (var / 'log', var / 'audit')} == {int(uid)}
    finally:
        p.terminate()
        assert p.wait(20) == 0


def test_off(weirpool, pg15):
    wp = weirpool(pg15, sandbox='off', core_dumps=1)
    assert wp.usable() and {t['Seccomp'] for t in status(wp.pid)} == {'0'} and not children(wp.pid)
    assert os.stat('/proc/%d/environ' % wp.pid).st_uid != 0
    assert 'sandbox:' not in wp.log()


def test_the_broker(weirpool, pg15):
    """The process that starts others for us holds nothing of ours: no listener, no client; and it ends with us."""
    wp = weirpool(pg15, sandbox='on')
    broker = eventually(lambda: children(wp.pid).get('weirpool-spawn'))
    with wp.raw() as r:
        assert r.one('select 1') == '1'
        fds = [os.readlink('/proc/%d/fd/%s' % (broker, f)) for f in os.listdir('/proc/%d/fd' % broker) if int(f) > 2]
    assert len(fds) == 1 and fds[0].startswith('socket:'), fds
    wp.kill(9)
    wp.proc.wait()
    wp.exit_codes = (-9,)
    eventually(lambda: not running(broker))


def test_attacked(weirpool, pg15, tmp_path, _nothing_is_refused):
    """Code inside of the process: a library that waits for the first client and then tries what it may not."""
    (tmp_path / 'a.c').write_text(ATTACKER)
    lib, out, secret = '/tmp/weirpool-attack-%d.so' % os.getpid(), '/tmp/weirpool-attack-%d.out' % os.getpid(), '/srv/weirpool-%d' % os.getpid()
    subprocess.run(['gcc', '-shared', '-fPIC', '-w', '-o', lib, str(tmp_path / 'a.c')], check=True)
    try:
        pathlib.Path(out).touch()
        os.chmod(out, 0o666)
        pathlib.Path(secret).write_text('secret')
        wp, etc, _ = of_its_own(weirpool, pg15)
        wp.env = dict(LD_PRELOAD=lib, ATTACK_OUT=out, ATTACK_READ=secret, ATTACK_ETC=str(etc))
        wp.start()
        _nothing_is_refused.add(wp.pid)
        assert wp.usable()
        got = dict(line.split(' ', 1) for line in pathlib.Path(out).read_text().splitlines())
        yes = {k for k, v in got.items() if v.startswith('yes')}
        assert yes == {'read_config', 'resolv_conf', 'inet', 'dup'}, got
        for name in ('read_elsewhere', 'write_config', 'write_elsewhere', 'mkdir'):
            assert got[name] == 'no 13', got  # EACCES: Landlock
        for name in ('exec', 'ptrace', 'mount', 'unshare', 'keyctl'):
            assert got[name] == 'no 1', got  # EPERM
        for name in ('fork', 'packet', 'setrlimit', 'personality'):
            assert got[name] == 'no 38', got  # ENOSYS
        assert wp.usable(), 'it lives'
    finally:
        for f in (lib, out, secret):
            pathlib.Path(f).unlink(missing_ok=True)


def test_reload_and_log(weirpool, pg15):
    """Files that are replaced are read again, a log that was renamed is opened again; a file elsewhere is refused with the
    reason, by RELOAD and by SET, and everything goes on as it was."""
    wp, etc, var = of_its_own(weirpool, pg15)
    wp.start()
    (etc / 'new').write_text('"app" "app"\n"admin" "admin"\n"fresh" "app"\n')
    os.rename(etc / 'new', etc / 'users.txt')
    os.rename(var / 'log', var / 'log.1')
    wp.admin('RELOAD')
    says(var / 'log', 'configuration reloaded')
    with pytest.raises(PgError):  # the server does not know it, we do
        wp.raw('fresh', secret='app').one('select 1')
    (wp.dir / 'elsewhere').mkdir()
    give_to_test_user(wp.dir / 'elsewhere')
    elsewhere = wp.dir / 'elsewhere/users.txt'
    shutil.copy(etc / 'users.txt', elsewhere)
    why = r'auth_file %s is outside of the directories that the sandbox lets this process read since its start: restart' % elsewhere
    wp.options['auth_file'] = elsewhere
    with pytest.raises(PgError, match='RELOAD failed'):
        wp.write() or wp.admin('RELOAD')
    says(var / 'log', why)
    says(var / 'log', r'sandbox: files can be read below .*%s' % etc)
    with pytest.raises(PgError, match='outside of the directories'):
        wp.admin("SET auth_file = '%s'" % elsewhere)
    with pytest.raises(PgError, match='outside of the directories that the sandbox lets this process write to'):
        wp.admin("SET logfile = '%s'" % (wp.dir / 'elsewhere/log'))
    assert wp.usable()
    assert [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == 'auth_file'] == [str(etc / 'users.txt')]


def test_linked_files(weirpool, pg15):
    """As Kubernetes mounts a Secret: the name is a link into a directory that another one replaces."""
    wp, _, _ = of_its_own(weirpool, pg15)
    where = wp.dir / 'mount'
    for n, password in enumerate(('app', 'new')):
        (where / ('v%d' % n)).mkdir(parents=True)
        (where / ('v%d' % n) / 'users.txt').write_text('"app" "%s"\n"admin" "admin"\n' % password)
    (where / '..data').symlink_to('v0')
    (where / 'users.txt').symlink_to('..data/users.txt')
    wp.options['auth_file'] = where / 'users.txt'
    wp.write()
    wp.start()
    wp.raw('app', secret='app').shut()
    (where / 'next').symlink_to('v1')
    os.rename(where / 'next', where / '..data')
    shutil.rmtree(where / 'v0')
    wp.admin('RELOAD')
    with pytest.raises(PgError, match='28P01'):
        wp.raw('app', secret='app')


def test_include_elsewhere(weirpool, pg15):
    """What %include names cannot even be looked at: the log says below what files can be read."""
    wp, etc, var = of_its_own(weirpool, pg15)
    wp.start()
    more = wp.dir / 'elsewhere.d' / 'more.ini'
    more.parent.mkdir()
    more.write_text('[weirpool]\nverbose = 0\n')
    text = (etc / 'weirpool.ini').read_text()
    (etc / 'weirpool.ini').write_text(text + '%%include %s\n' % more)
    with pytest.raises(PgError, match='RELOAD failed'):
        wp.admin('RELOAD')
    says(var / 'log', r'more.ini.*Permission denied')
    says(var / 'log', r'sandbox: files can be read below')


@pytest.fixture
def helper():
    """A copy that the test user may run."""
    to = '/tmp/weirpool-auth-helper-%d' % os.getpid()
    shutil.copy(HELPER, to)
    os.chmod(to, 0o755)
    yield to
    os.unlink(to)


def test_auth_helper(weirpool, pg15, helper):
    """The helper is started by the broker, but is our child; it is not in the sandbox (PAM's modules may have to become
    somebody); it is started again when it has died."""
    who = pwd.getpwuid(os.getuid()).pw_name
    wp = weirpool(pg15, sandbox='on', hba='local all all peer map=m\n', ident='m %s app\n' % who, env=dict(WEIRPOOL_AUTH_HELPER=helper))
    for _ in range(2):
        with Raw(0, unix='%s/.s.PGSQL.%d' % (wp.dir, wp.port)) as r:
            r.login('app')
            assert r.one('select current_user') == 'app'
        pid = children(wp.pid)['weirpool-auth-h']
        assert {t['Seccomp'] for t in status(pid)} == {'0'} and status(pid)[0]['NoNewPrivs'] == '0'
        os.kill(pid, 9)
        eventually(lambda: 'weirpool-auth-h' not in children(wp.pid))
    eventually(lambda: wp.log().count('the authentication helper ended') == 2)


# Runs a program on a kernel that seems to have no Landlock (the system call fails as it did in 5.12).
WITHOUT_LANDLOCK = r'''
#include <errno.h>
#include <seccomp.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	if (seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), 444, 0) != 0 || seccomp_load(c) != 0)
		return 1;
	execv(argv[1], argv + 1);
	return 1;
}
'''


def test_an_older_kernel(weirpool, pg15, tmp_path):
    """sandbox = on refuses to start with the reason; auto says what is missing, does the rest, and serves."""
    (tmp_path / 'w.c').write_text(WITHOUT_LANDLOCK)
    prog = '/tmp/weirpool-without-landlock-%d' % os.getpid()
    subprocess.run(['gcc', '-w', '-o', prog, str(tmp_path / 'w.c'), '-lseccomp'], check=True)
    try:
        wp, _, var = of_its_own(weirpool, pg15)
        r = subprocess.run(as_test_user([prog, wp.binary, str(wp.conffile)]), capture_output=True, text=True)
        assert r.returncode == 1 and 'sandbox = on: this kernel has no Landlock' in r.stderr
        wp.options['sandbox'] = 'auto'
        wp.write()
        wp.prefix = [prog, '/usr/bin/env']
        wp.start()
        assert wp.usable()
        says(var / 'log', r'sandbox: .*\d+ system calls \(seccomp\), all files')
        says(var / 'log', 'sandbox: without limits for files: this kernel has no Landlock')
        assert (var / 'log').read_text().count('sandbox: without limits for files: this kernel has no Landlock') == 1
        assert {t['Seccomp_filters'] for t in status(wp.pid)} == {'3'}  # the test's and ours
    finally:
        os.unlink(prog)


# Runs a program with nothing but the system calls whose names are in a file; others end with EPERM.
ONLY = r'''
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char name[100];
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	FILE *f = fopen(argv[1], "r");
	while (fscanf(f, "%99s", name) == 1) {
		int nr = seccomp_syscall_resolve_name(name);
		if (nr != __NR_SCMP_ERROR)
			(void)seccomp_rule_add(c, SCMP_ACT_ALLOW, nr, 0);
	}
	if (seccomp_load(c) != 0)
		return 1;
	execv(argv[2], argv + 2);
	return 1;
}
'''


def system_calls(name):
    """Of a set of systemd's, with those in it."""
    out = set()
    for line in subprocess.run(['systemd-analyze', 'syscall-filter', name], capture_output=True, text=True, check=True).stdout.split('\n')[1:]:
        word = line.strip()
        if word.startswith('@'):
            out |= system_calls(word)
        elif word and not word.startswith('#'):
            out.add(word)
    return out


def test_in_the_unit(weirpool, pg15, helper, tmp_path):
    """With the system calls that the unit leaves, weirpool starts, goes into its own sandbox, serves, asks its helper, and reloads."""
    left = set()
    for words in re.findall(r'^SystemCallFilter=(.*)$', (SRC / 'etc/weirpool.service.in').read_text(), re.M):
        for word in words.lstrip('~').split():
            found = system_calls(word) if word.startswith('@') else {word}
            left = left - found if words.startswith('~') else left | found
    assert len(left) > 200 and 'setuid' not in left and 'connect' in left
    (tmp_path / 'o.c').write_text(ONLY)
    prog, names = '/tmp/weirpool-only-%d' % os.getpid(), '/tmp/weirpool-only-%d.calls' % os.getpid()
    subprocess.run(['gcc', '-w', '-o', prog, str(tmp_path / 'o.c'), '-lseccomp'], check=True)
    pathlib.Path(names).write_text('\n'.join(left))
    try:
        wp, etc, var = of_its_own(weirpool, pg15, hba='local all all peer map=m\nhost all all all scram-sha-256\n',
                                  ident='m %s app\n' % pwd.getpwuid(os.getuid()).pw_name, env=dict(WEIRPOOL_AUTH_HELPER=helper))
        run = wp.binary
        wp.binary = prog  # (as the test user, who has no capability to give up)
        wp.args = [names, run]
        wp.start()
        assert wp.usable()
        with Raw(0, unix='%s/.s.PGSQL.%d' % (var, wp.port)) as r:
            r.login('app')
            assert r.one('select 1') == '1'
        wp.admin('RELOAD')
        assert {t['Seccomp_filters'] for t in status(wp.pid)} == {'3'}
        says(var / 'log', 'sandbox: no other programs')
    finally:
        os.unlink(prog)
        os.unlink(names)


def test_the_unit(tmp_path):
    """etc/weirpool.service is one that systemd understands, and leaves little: 10 is the worst, doc/security.md says 1.4."""
    unit = tmp_path / 'weirpool.service'
    text = (SRC / 'etc/weirpool.service.in').read_text()
    unit.write_text(text.replace('@bindir@/weirpool', '/bin/true').replace('@sysconfdir@', '/etc'))
    verify = subprocess.run(['systemd-analyze', 'verify', '--man=no', str(unit)], capture_output=True, text=True)
    assert verify.returncode == 0 and str(unit.name) not in verify.stderr, verify.stderr
    r = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=15', '--no-pager', str(unit)],
                       capture_output=True, text=True)
    level = re.search(r'Overall exposure level for weirpool.service: ([0-9.]+)', r.stdout)
    assert r.returncode == 0 and level and float(level[1]) <= 1.5, r.stdout + r.stderr


@pytest.mark.slow
def test_nothing_is_refused(weirpool, pg15, mysql97, certs, tmp_path):
    """No system call of ours is refused while both protocols are served, with TLS, reloads, a renamed log, names to look up,
    and all signals: under strace, none but clone3() ends with ENOSYS or EPERM."""
    trace = tmp_path / 'trace'
    wp, etc, var = of_its_own(weirpool, pg15, mysql=mysql97)
    wp.options.update(client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'))
    wp.databases['byname'] = dict(host='localhost', port=pg15.port, dbname='app')
    wp.write()
    wp.prefix = ['strace', '-D', '-f', '-qq', '-Z', '-o', str(trace)]
    wp.start(wait=False)
    wp.wait_listening(60)
    for _ in range(3):
        assert wp.usable() and wp.usable(dbname='byname')
        with wp.my(db='myapp') as m:
            assert m.one('select 1') == '1'
        wp.admin('RELOAD')
        os.rename(var / 'log', var / 'log.1')
    for what in ('CLIENTS', 'SERVERS', 'SOCKETS', 'MEM', 'DNS_HOSTS', 'STATS'):
        wp.admin('SHOW ' + what)
    wp.admin('SHUTDOWN')
    wp.wait(60)
    lines = trace.read_text().splitlines()
    assert any(re.search(r'clone3.*ENOSYS', line) for line in lines), 'it was in the sandbox, and strace saw it'
    refused = [line for line in lines if re.search(r'= -1 (ENOSYS|EPERM)', line) and 'clone3' not in line]
    assert not refused, refused
