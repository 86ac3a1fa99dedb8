"""Options from flags, the environment and files: which one counts, where the console says it is from, what is read again."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest
import rawpg
from rawpg import Raw
from servers import as_test_user, eventually, give_to_test_user
from test_cli import here, run, default_port, can_connect  # noqa: F401 (here is a fixture)
from weir import SANITIZER


def sources(wp):
    return {r['key']: (r['value'], r['source']) for r in wp.admin('show config_sources')}


def test_precedence_and_sources(weirpool, pg15):
    wp = weirpool(pg15, args=['--pool-size=7', '--query_wait_timeout=33s'], default_pool_size=5, max_client_conn=50, listen_backlog=77,
                  env={'WEIRPOOL_DEFAULT_POOL_SIZE': '6', 'WEIRPOOL_MAX_CLIENT_CONN': '60'})
    s = sources(wp)
    assert s['default_pool_size'] == ('7', '--pool-size')
    assert s['query_wait_timeout'] == ('33', '--query_wait_timeout')
    assert s['max_client_conn'] == ('60', 'WEIRPOOL_MAX_CLIENT_CONN')
    assert s['listen_backlog'][0] == '77' and re.search(r'weirpool\.ini:\d+$', s['listen_backlog'][1])
    assert s['dns_max_ttl'][1] == 'default'
    assert len(wp.admin('show config')[0]) == 4           # the columns that exporters know
    wp.admin('set max_client_conn = 70')
    assert sources(wp)['max_client_conn'] == ('70', 'SET')
    # RELOAD: the file changes, flags and environment stay above it, the SET is gone
    wp.options.update(default_pool_size=15, max_client_conn=150, listen_backlog=77, client_idle_timeout=9)
    wp.reload()
    s = sources(wp)
    assert s['default_pool_size'] == ('7', '--pool-size') and s['max_client_conn'] == ('60', 'WEIRPOOL_MAX_CLIENT_CONN')
    assert s['client_idle_timeout'][0] == '9'


def test_values_in_files_are_read_again(weirpool, pg15):
    """A password in a file of its own, with every character that the syntax of entries knows."""
    odd = "it's a 'secret' host=evil ${HOME} ="
    pg15.query('drop role if exists srcuser')
    pg15.query("create role srcuser login password '%s'" % odd.replace("'", "''"))
    with tempfile.TemporaryDirectory(dir='/tmp') as d:
        os.chmod(d, 0o755)
        pw = os.path.join(d, 'pw')

        def put(text):
            with open(pw + '.new', 'w') as f:
                f.write(text + '\n')
            os.chmod(pw + '.new', 0o644)
            os.rename(pw + '.new', pw)
        put(odd)
        wp = weirpool(pg15, databases={'src': 'host=${SRC_HOST} port=%d dbname=app user=srcuser password=${file:%s}' % (pg15.port, pw)},
                      env={'SRC_HOST': pg15.host})
        with wp.raw(dbname='src') as c:
            assert c.one('select current_user') == 'srcuser'
        pg15.query("alter role srcuser password 'another'")
        put('another')
        wp.reload()
        wp.admin('reconnect src')
        with wp.raw(dbname='src') as c:
            assert c.one('select current_user') == 'srcuser'
        assert 'evil' not in wp.log() and 'another' not in wp.log()
        put('two\nlines')
        with pytest.raises(rawpg.PgError):
            wp.admin('reload')
        wp.wait_log('more than one line')
        with wp.raw(dbname='src') as c:         # the old configuration serves on
            assert c.one('select 1') == '1'


@pytest.mark.parametrize('args,env,says', [
    (['--pool-siez=3', 'x.ini'], {}, '--pool-siez, did you mean --pool-size?'),
    (['--pool-sise=3', 'x.ini'], {}, '--pool-sise, did you mean --pool-size?'),  # and not --pool-mode
    (['--pool-size', 'x.ini'], {}, '--pool-size has no value'),
    (['--daemno', 'x.ini'], {}, 'did you mean --daemon?'),
    (['--nothing-like-it', 'x.ini'], {}, 'unknown option --nothing-like-it'),
    (['explain-rout'], {}, 'did you mean weirpool explain-route?'),
    (['chekc', 'x.ini'], {}, 'did you mean weirpool check?'),
    ([], {}, 'nothing to serve'),
    (['postgresql+asyncpg://a:hush@h/d'], {}, 'URL: a URL begins with'),
    (['check', 'mysql2://a:hush@h/d'], {}, 'URL: a URL begins with'),
    ([], {'DATABASE_URL': 'mysql+pymysql://a:hush@h/d'}, 'without the name of a driver'),
    (['a.ini', 'postgres://a:b@h/d'], {}, 'one configuration file, or URLs'),
    ([], {'DATABASE_URL': 'http://a:hush@h/d'}, 'DATABASE_URL: a URL begins with'),
    (['-t', 'postgres://a:b@h/d'], {'WEIRPOOL_POOL_SIZE': 'many'}, 'WEIRPOOL_POOL_SIZE: '),
    (['-t', 'postgres://a:b@h/d'], {'WEIRPOOL_POOL_SIEZ': '3'}, 'did you mean WEIRPOOL_POOL_SIZE?'),
    (['-t', 'postgres://a:b@h/d'], {'WEIRPOOL_POOL_SIZE_FILE': '/no/such/file'}, 'cannot read /no/such/file'),
])
def test_mistakes(binary, here, args, env, says):  # noqa: F811
    clean = {k: v for k, v in os.environ.items() if not k.startswith('WEIRPOOL_')}
    r = run(binary, *args, env=dict(clean, **env))
    assert r.returncode in (1, 2) and says in r.stderr and 'hush' not in r.stderr, r.stderr


def test_kubernetes_variables_are_left_alone(binary):
    clean = {k: v for k, v in os.environ.items() if not k.startswith('WEIRPOOL_')}
    r = run(binary, '-t', 'postgres://a:b@h/d', env=dict(clean, WEIRPOOL_PORT='tcp://10.0.0.1:6432', WEIRPOOL_SERVICE_HOST='10.0.0.1'))
    assert r.returncode == 0 and r.stderr == '', r.stderr


def test_several_urls(binary, here, pg15):  # noqa: F811
    """From the environment alone, one of them in a file; a changed file counts after RELOAD."""
    with open(here + '/two', 'w') as f:
        f.write('postgres://app2:app@127.0.0.1:%d/app2\n' % pg15.port)
    os.chmod(here + '/two', 0o644)
    clean = {k: v for k, v in os.environ.items() if not k.startswith('WEIRPOOL_')}
    env = dict(clean, WEIRPOOL_URL_1='postgres://app:app@127.0.0.1:%d/app' % pg15.port, WEIRPOOL_URL_2_FILE=here + '/two',
               WEIRPOOL_UNIX_SOCKET_DIR=here)
    with default_port() as port, open(here + '/out', 'w+') as out:
        p = subprocess.Popen(as_test_user([binary]), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=here, env=env)
        try:
            eventually(lambda: p.poll() is not None or can_connect(port))
            for user, db in (('app', 'app'), ('app2', 'app2')):
                with Raw(port) as c:
                    c.login(user, db, 'app')
                    assert c.one('select current_user || current_database()') == user + db
            with open(here + '/two', 'w') as f:
                f.write('postgres://app2:app@127.0.0.1:%d/app?application_name=renewed\n' % pg15.port)
            # (the name app is the other URL's: the reload must fail, and what was there must go on)
            p.send_signal(signal.SIGHUP)
            eventually(lambda: 'is that of WEIRPOOL_URL_1 too' in open(here + '/out').read())
            with Raw(port) as c:
                c.login('app2', 'app2', 'app')
                assert c.one('select current_database()') == 'app2'
        finally:
            p.send_signal(signal.SIGQUIT)
            assert p.wait(10) == 0
        assert not SANITIZER.search(open(here + '/out').read())


# --- files that change while it runs
def mounted(directory, files, n=[0]):
    """A directory as Kubernetes mounts a secret: name -> ..data/name, ..data -> a directory that is replaced as a whole."""
    n[0] += 1
    new = directory / ('..v%d' % n[0])
    new.mkdir()
    os.chmod(new, 0o755)
    for name, text in files.items():
        (new / name).write_text(text)
        os.chmod(new / name, 0o600)
        give_to_test_user(new / name)
        if not (directory / name).is_symlink():
            (directory / name).symlink_to('..data/' + name)
    (directory / '..tmp').symlink_to(new.name)
    os.rename(directory / '..tmp', directory / '..data')


def cert_of(wp):
    with Raw(wp.port).start_tls(rawpg.tls_context()) as r:
        return r.sock.getpeercert(True)


def test_renewed_files_are_taken_up(weirpool, pg15, certs, here):  # noqa: F811
    """Certificate and key, users, a secret behind ${file:}: renewed without a RELOAD; nobody is dropped, and a SET stays."""
    d = pathlib.Path(here)

    def files(cert, user_secret, pw, key=None):
        return {'tls.crt': open(certs.crt(cert)).read(), 'tls.key': open(certs.key(key or cert)).read(),
                'users.txt': '"admin" "admin"\n"app" "%s"\n' % user_secret, 'pw': pw + '\n'}
    pg15.query('drop role if exists renewed')
    pg15.query("create role renewed login password 'first'")
    mounted(d, files('server', 'app', 'first'))
    wp = weirpool(pg15, file_check_interval='0.1', client_tls_sslmode='allow', client_tls_cert_file=d / 'tls.crt',
                  client_tls_key_file=d / 'tls.key', auth_file=d / 'users.txt',
                  databases={'own': 'host=%s port=%d dbname=app user=renewed password=${file:%s}' % (pg15.host, pg15.port, d / 'pw')})
    wp.admin('set max_client_conn = 123')
    first = cert_of(wp)
    with wp.raw() as stays:
        # a certificate without its key, as when they are copied one after the other: refused, told once, nothing changes
        mounted(d, files('server2', 'app', 'first', key='server'))
        wp.wait_log('cannot be used; what was read before stays')
        assert cert_of(wp) == first
        pg15.query("alter role renewed password 'second'")
        mounted(d, files('server2', 'changed', 'second'))
        wp.wait_log('have changed and are taken up')
        assert cert_of(wp) != first
        with wp.raw(secret='changed', dbname='own') as c:
            assert c.one('select current_user') == 'renewed'
        with pytest.raises((rawpg.PgError, rawpg.Closed)):
            wp.raw(secret='app')
        assert stays.one('select 1') == '1'
    assert sources(wp)['max_client_conn'] == ('123', 'SET')
    assert len(re.findall('cannot be used; what was read before stays', wp.log())) == 1
    # the configuration itself waits for RELOAD, and so does a secret beside a changed configuration
    wp.options.update(max_client_conn=77)
    wp.write()
    mounted(d, files('server', 'changed', 'second'))
    eventually(lambda: cert_of(wp) == first)
    assert sources(wp)['max_client_conn'] == ('123', 'SET')
    mounted(d, files('server', 'changed', 'third'))
    wp.wait_log('RELOAD takes both')
    wp.admin('reload')
    assert sources(wp)['max_client_conn'][0] == '77'


def test_renewed_files_wait_for_reload_when_told(weirpool, pg15):
    wp = weirpool(pg15, file_check_interval=0)
    wp.userlist['app'] = 'other'
    wp.write()
    with wp.raw(secret='app') as r:
        assert r.one('select 1') == '1'
    wp.admin('set file_check_interval = 0.05')
    wp.userlist['app'] = 'third'
    wp.write()
    wp.wait_log('have changed and are taken up')
    with wp.raw(secret='third') as r:
        assert r.one('select 1') == '1'
