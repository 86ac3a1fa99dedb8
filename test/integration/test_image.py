"""The contents of the container image, made as the Dockerfile makes them and run as a container would: another root, read-only,
as user 65532, without a capability. No container engine is needed."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import psycopg
import pytest

from rawmy import RawMy
from servers import eventually, free_port

SRC = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get('BUILD_DIR', SRC / 'build')
MB = 1000 * 1000


@pytest.fixture(scope='module')
def image(base):
    """The directory, and what its making said."""
    root = pathlib.Path(tempfile.mkdtemp(prefix='image', dir=base)) / 'root'
    r = subprocess.run([SRC / 'scripts/build-rootfs', BUILD, root], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return root, dict((k, int(v)) for k, v in (line.split() for line in r.stdout.splitlines()))


class Container:
    """One weirpool in it. /run/weirpool is what it may write to, config what is mounted at /etc/weirpool, both as directories."""
    def __init__(self, root, *args, env=None, config=None):
        mounts = ['mount --make-rprivate /', 'mount --bind "$R" "$R"', 'mount -o remount,bind,ro "$R"', 'mount --rbind /dev "$R/dev"',
                  'mount -t proc proc "$R/proc"', 'mount -t tmpfs -o mode=0777 tmpfs "$R/run/weirpool"']
        if config:
            mounts.append('mount --bind "%s" "$R/etc/weirpool"' % config)
        # (the first process of the new PID namespace is weirpool itself, as in a container)
        script = 'set -e; %s; exec env -i "$@"' % '; '.join(mounts)
        words = ['%s=%s' % kv for kv in (env or {}).items()] + ['/usr/sbin/chroot', '--userspec=65532:65532', str(root), '/usr/bin/weirpool', *args]
        self.env = env or {}
        self.out = tempfile.TemporaryFile()
        self.p = subprocess.Popen(['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', *words],
                                  env=dict(os.environ, R=str(root)), stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out)

    @property
    def pid(self):
        """Of weirpool, here."""
        for c in pathlib.Path('/proc/%d/task/%d/children' % (self.p.pid, self.p.pid)).read_text().split():
            if pathlib.Path('/proc/%s/comm' % c).read_text().strip() == 'weirpool':
                return int(c)
        return None

    def log(self):
        self.out.seek(0)
        return self.out.read().decode()

    def started(self):
        def up():
            """weirpool is up"""
            assert self.p.poll() is None, self.log()
            return 'process up' in self.log()
        eventually(up)
        return self

    def execute(self, *words, env=None):
        """As `docker exec`: another program in it."""
        r = subprocess.run(['nsenter', '--target', str(self.pid), '--mount', '--pid', '--root=/proc/%d/root' % self.pid, '--setuid=65532',
                            '--setgid=65532', *words], env={k: str(v) for k, v in {**self.env, **(env or {})}.items()}, capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    def stop(self, sig=signal.SIGTERM):
        os.kill(self.pid, sig)
        return self.p.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()  # --kill-child: weirpool, too
        self.p.wait(20)
        self.out.close()


def test_small_and_bare(image):
    """At most 15 MB to pull; nothing in it that runs but weirpool and its helper; nobody else's file to write."""
    root, said = image
    files = [p for p in root.rglob('*') if p.is_file() and not p.is_symlink()]
    programs = {p.name for p in files if os.access(p, os.X_OK) and '.so' not in p.name}
    assert programs == {'weirpool', 'weirpool-auth-helper'}
    assert not any(re.search(r'(^|/)(sh|bash|dash|busybox|apt|dpkg)$', str(p)) for p in files)
    assert not [p for p in files if p.stat().st_mode & 0o6022], 'set-uid, or writable by others'
    if not any(p.name.startswith(('libasan', 'libtsan', 'libubsan')) for p in files):
        assert said['compressed'] < 15 * MB and said['files'] < 25 * MB, said


def test_serves(image, pg15, mysql97):
    """From the environment alone, with a read-only root: both protocols, the exit code of SIGTERM, and what it may not do."""
    root, _ = image
    port, my_port = free_port(), free_port()
    env = dict(WEIRPOOL_URL_1='postgres://app:app@%s:%d/app' % (pg15.host, pg15.port),
               WEIRPOOL_URL_2='mysql://app:app@%s:%d/app2' % (mysql97.host, mysql97.port),
               WEIRPOOL_LISTEN_PORT=port, WEIRPOOL_MYSQL_LISTEN_PORT=my_port, WEIRPOOL_UNIX_SOCKET_DIR='/run/weirpool',
               WEIRPOOL_HTTP_PORT=free_port())
    with Container(root, env=env) as c:
        c.started()
        with psycopg.connect('postgres://app:app@127.0.0.1:%d/app' % port) as pg:
            assert pg.execute('select 40 + 2').fetchone() == (42,)
        with RawMy(my_port) as my:
            my.login('app', 'app', 'app2')
            assert my.one('select 40 + 2') == '42'
        health = json.loads(re.search(r'^HEALTHCHECK .*CMD (.*)$', (SRC / 'Dockerfile').read_text(), re.M)[1])
        assert c.execute(*health)[0] == 0, c.execute(*health)
        assert c.execute(*health, env=dict(WEIRPOOL_HTTP_PORT=free_port()))[0] == 1
        status = pathlib.Path('/proc/%d/status' % c.pid).read_text()
        for line in ('Uid:\t65532\t65532', 'CapEff:\t0000000000000000', 'NoNewPrivs:\t1'):
            assert line in status
        assert 'sandbox: no other programs' in c.log() or 'libasan' in str(list(root.rglob('*')))
        assert c.stop() == 0, c.log()


def test_a_file_and_no_place_to_write(image, pg15, tmp_path):
    """A mounted configuration, and not one directory that it could write to."""
    root, _ = image
    port = free_port()
    config = tmp_path / 'config'
    config.mkdir()
    (config / 'weirpool.ini').write_text(
        '[databases]\n* = host=%s port=%d\n[weirpool]\nlisten_addr = *\nlisten_port = %d\nunix_socket_dir =\n'
        'auth_file = /etc/weirpool/users.txt\n' % (pg15.host, pg15.port, port))
    (config / 'users.txt').write_text('"app" "app"\n')
    with Container(root, config=config, env=dict(WEIRPOOL_CONFFILE='/etc/weirpool/weirpool.ini')) as c:
        c.started()
        with psycopg.connect('postgres://app:app@127.0.0.1:%d/app' % port) as pg:
            assert pg.execute('select 1').fetchone() == (1,)
        assert c.execute('/usr/bin/weirpool', 'check')[0] == 0, c.execute('/usr/bin/weirpool', 'check')
        (config / 'users.txt').write_text('"app" "other"\n')
        os.kill(c.pid, signal.SIGHUP)
        eventually(lambda: 'configuration reloaded' in c.log())
        with pytest.raises(psycopg.OperationalError, match='password'):
            psycopg.connect('postgres://app:app@127.0.0.1:%d/app' % port)
        assert c.stop() == 0, c.log()


def test_the_dockerfile(image):
    """What it installs is what a build needs (without what only tests and PAM need), it makes the root as above, and its last
    stage begins empty, ends as a user, and names files that are in the image."""
    root, _ = image
    text = (SRC / 'Dockerfile').read_text().replace('\\\n', ' ')
    installs = set(re.search(r'apt-get install -y --no-install-recommends (.*)', text)[1].split())
    deps = set(re.search(r'PACKAGES="([^"]*)"', (SRC / 'scripts/install-build-deps').read_text())[1].split())
    assert installs - {'ca-certificates'} == deps - {'libcriterion-dev', 'libpam0g-dev'}
    assert '/src/scripts/build-rootfs /build /rootfs' in text
    last = text.split('FROM scratch\n')[1]
    assert re.findall(r'^USER (.*)$', last, re.M) == ['65532:65532']
    for words in re.findall(r'(?:ENTRYPOINT|CMD) \["([^"]*)"', last):
        assert os.path.lexists(root / words.lstrip('/')), words
    for name in re.findall(r'/src/configure (.*?) &&', text)[0].split():
        option = name.split('=')[0].lstrip('-').replace('without-', '')
        assert option in ('prefix', 'sysconfdir', 'libexecdir') or option in (SRC / 'configure.ac').read_text(), name
