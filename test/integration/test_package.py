"""The Debian package: it builds from what git has, lintian finds nothing, and what is in it fits together and runs."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from servers import remove_tree

SRC = pathlib.Path(__file__).resolve().parents[2]


def run(*argv, **kw):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)
    assert r.returncode == 0, '%s\n%s' % (r.stdout[-4000:], r.stderr[-4000:])
    return r.stdout + r.stderr


@pytest.fixture(scope='module')
def package(base):
    """The .changes file and a directory with the package's files."""
    where = pathlib.Path(tempfile.mkdtemp(prefix='deb', dir=base))
    src, root = where / 'weirpool', where / 'root'
    src.mkdir()
    # what is not built: from git where that is, else (a release tarball) all that `make dist` has put there
    files = ['.'] if not (SRC / '.git').exists() else run('git', 'ls-files', '-co', '--exclude-standard', cwd=SRC).splitlines()
    names = '\n'.join(f for f in files if (SRC / f).exists())
    tar = subprocess.run(['tar', 'cf', '-', '--exclude=./b', '--exclude=./build', '-T', '-'], input=names.encode(), stdout=subprocess.PIPE, cwd=SRC, check=True)
    subprocess.run(['tar', 'xf', '-', '-C', str(src)], input=tar.stdout, check=True)
    run('dpkg-buildpackage', '-us', '-uc', '-b', cwd=src, env={**os.environ, 'DEB_BUILD_OPTIONS': 'nocheck parallel=2'})
    deb, = where.glob('weirpool_*.deb')
    changes, = where.glob('*.changes')
    run('dpkg-deb', '-x', deb, root)
    yield changes, deb, root
    remove_tree(str(where))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_lintian(package):
    changes, _, _ = package
    # (root may not be wanted where lintian is newer)
    out = run('lintian', '--allow-root', '--fail-on=error,warning', changes)
    assert not re.findall(r'^[EW]: .*', out, re.M), out


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_contents(package):
    """The configuration is a conffile, and one that weirpool takes; unit and account are there and agree; the helper is where
    weirpool looks for it."""
    _, deb, root = package
    assert (root / 'etc/weirpool/weirpool.ini').exists()
    control = root.parent / 'control'
    run('dpkg-deb', '-e', deb, control)
    assert (control / 'conffiles').read_text().split() == ['/etc/weirpool/weirpool.ini']
    assert 'systemd-sysusers' in (control / 'postinst').read_text()
    unit = (root / 'lib/systemd/system/weirpool.service').read_text()
    assert 'ExecStart=/usr/bin/weirpool /etc/weirpool/weirpool.ini' in unit
    user = re.search(r'^User=(\w+)$', unit, re.M)[1]
    assert re.search(r'^u %s ' % user, (root / 'usr/lib/sysusers.d/weirpool.conf').read_text(), re.M)
    for f in ('usr/share/man/man1/weirpool.1.gz', 'usr/share/man/man5/weirpool.ini.5.gz', 'usr/share/doc/weirpool/changelog.Debian',
              'usr/share/bash-completion/completions/weirpool', 'usr/share/doc/weirpool/copyright'):
        assert list(root.glob(f + '*')), f
    documents = root / 'usr/share/doc/weirpool'
    run(SRC / 'scripts/check-docs', '--links', documents)
    for f in ('doc/quickstart.md', 'doc/tutorial/gateway.md', 'doc/images/status.png', 'weirpool.ini', 'weirpool-alerts.yml', 'weirpool.json'):
        assert (documents / f).exists(), f
    weirpool = root / 'usr/bin/weirpool'
    assert b'/usr/libexec/weirpool-auth-helper' in weirpool.read_bytes() and (root / 'usr/libexec/weirpool-auth-helper').exists()
    version = re.search(r'AC_INIT\(\[weirpool\], \[([^]]+)\]', (SRC / 'configure.ac').read_text())[1]
    assert 'weirpool ' + version in run(weirpool, '-V')
    assert deb.name.startswith('weirpool_%s-' % version)
    assert 'ok (0 databases' in run(weirpool, '-t', root / 'etc/weirpool/weirpool.ini')
