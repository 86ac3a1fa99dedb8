"""The HTTP port: health with reasons, rows as JSON, commands by POST, who may ask, and what malformed requests cost."""
import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import ssl
import stat
import threading
import time
import urllib.parse

import pytest

from servers import eventually, free_port

TOKEN = 'a-token-of-the-tests-0123456789'
LIMIT_S = 30


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=LIMIT_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, r):
        self.status, self.headers, self.body = r.status, r.headers, r.read()

    @property
    def json(self):
        return json.loads(self.body)


def ask(where, path, method='GET', headers=None, body=None, context=None):
    """where: a Weirpool with an HTTP port, a port, or the path of a unix socket."""
    port = getattr(where, 'http_port', where)
    if isinstance(port, int):
        c = http.client.HTTPSConnection('127.0.0.1', port, timeout=LIMIT_S, context=context) if context \
            else http.client.HTTPConnection('127.0.0.1', port, timeout=LIMIT_S)
    else:
        c = Unix(port)
    with contextlib.closing(c):
        c.request(method, path, body=body, headers=headers or {})
        return Answer(c.getresponse())


def bearer(token=TOKEN):
    return {'Authorization': 'Bearer ' + token}


@pytest.fixture
def web(weirpool):
    """A weirpool with an HTTP port."""
    def make(server, **options):
        port = free_port()
        wp = weirpool(server, http_port=port, **options)
        wp.http_port = port
        return wp
    return make


def raw(port, data, shut=False):
    """What comes back for these bytes, up to the end of the connection."""
    with socket.create_connection(('127.0.0.1', port), LIMIT_S) as s:
        s.settimeout(LIMIT_S)
        got = b''
        with contextlib.suppress(OSError):
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            while True:
                b = s.recv(65536)
                if not b:
                    break
                got += b
        return got


# --- health

def test_health_of_a_weirpool_that_serves(web, pg15):
    wp = web(pg15)
    r = ask(wp, '/livez')
    assert r.status == 200 and r.json == {'reasons': [], 'live': True}
    assert r.headers['Content-Type'] == 'application/json' and r.headers['Cache-Control'] == 'no-store'
    r = ask(wp, '/startupz')
    assert r.status == 200 and r.json['started'] and r.json['listeners'] >= 2 and r.json['workers'] == wp.workers
    r = ask(wp, '/readyz')
    assert r.status == 200 and r.json['ready'] and r.json['reasons'] == []
    wp.usable()
    assert ask(wp, '/readyz').json['pools'] == 1
    assert ask(wp, '/readyz', 'HEAD').status == 200


def knock(wp, dbname):
    """A client that wants this database and waits for it."""
    def run():
        with contextlib.suppress(Exception):
            wp.raw('app', dbname)
    threading.Thread(target=run, daemon=True).start()


@pytest.mark.parametrize('policy, status, beside', [('any_pool', 503, 200), ('all_pools', 503, 503), ('none', 200, 200)])
def test_ready_asks_for_a_server(web, pg15, policy, status, beside):
    """A pool whose server refuses connections: not ready, with the name of the pool and why; one beside it is enough for any_pool."""
    wp = web(pg15, ready_policy=policy, databases={'gone': dict(host='127.0.0.1', port=free_port())})
    assert ask(wp, '/readyz').status == 200  # nobody has tried yet
    knock(wp, 'gone')
    eventually(lambda: ask(wp, '/readyz').json['pools_down'] == 1, LIMIT_S)
    r = ask(wp, '/readyz')
    assert r.status == status and r.json['ready'] == (status == 200) and r.json['policy'] == policy
    assert any(w.startswith('pool gone/app: ') and 'refused' in w for w in r.json['reasons']), r.body
    wp.usable()
    assert ask(wp, '/readyz').status == beside
    assert ask(wp, '/livez').status == 200  # an outage of a server is no reason to restart weirpool


def test_ready_asks_for_a_primary(web, pg15, victim):
    """A cluster that loses its primary: with ready_policy=primary not ready, and why, until it has one again; any_pool and all_pools are
    met as long as its replica answers reads, or something beside it does."""
    replica = victim.make_replica('ready')
    try:
        wp = web(pg15, ready_policy='primary', clusters={'main': dict(
            host='%s,%s' % (victim.host, victim.host), port='%d,%d' % (victim.port, replica.port), probe_user='super', probe_password='super',
            probe_interval='200ms')}, databases={'ha': dict(cluster='main', dbname='app')})

        def policy(name):
            """the status of /readyz by that policy"""
            wp.reload(ready_policy=name)
            return eventually(lambda: (lambda r: r if r.json['policy'] == name else None)(ask(wp, '/readyz')), LIMIT_S).status
        eventually(lambda: ask(wp, '/readyz').status == 200, LIMIT_S)
        eventually(lambda: {r['role'] for r in wp.admin('SHOW NODES')} == {'primary', 'replica'}, LIMIT_S)
        wp.usable()
        victim.kill9()
        r = eventually(lambda: (lambda r: r if r.status == 503 else None)(ask(wp, '/readyz')), LIMIT_S)
        assert r.json['clusters_without_primary'] == 1 and any(w.startswith('cluster main: ') for w in r.json['reasons']), r.body
        assert ask(wp, '/livez').status == 200
        eventually(lambda: wp.admin("SELECT node FROM nodes WHERE role = 'replica' AND reads = 'yes'"), LIMIT_S)
        assert [policy(p) for p in ('any_pool', 'all_pools', 'none', 'primary')] == [200, 200, 200, 503]
        victim.start()
        eventually(lambda: ask(wp, '/readyz').status == 200, LIMIT_S)
        assert ask(wp, '/readyz').json['clusters_without_primary'] == 0
    finally:
        if not victim.alive():
            victim.start()
        replica.stop('immediate')


def test_live_tells_of_a_worker_that_is_stuck(web, pg15):
    """A thread is held: the other threads answer, and /livez says which worker does not turn."""
    wp = web(pg15)
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach, wait_all = 16, 17, 0x40000000
    wp.usable()
    tids = [int(t) for t in os.listdir('/proc/%d/task' % wp.pid)]
    workers = [t for t in tids if t != wp.pid]
    held = []
    try:
        for t in workers:
            if libc.ptrace(attach, t, None, None) == 0:
                os.waitpid(t, wait_all)
                held.append(t)
        if not held:
            pytest.skip('this system does not let a test hold a thread')
        eventually(lambda: ask(wp, '/livez').status == 503, 60, 0.5)
        r = ask(wp, '/livez').json
        assert not r['live'] and any(w.startswith('worker 0 has not turned for ') for w in r['reasons'])
    finally:
        for t in held:
            libc.ptrace(detach, t, None, None)
    eventually(lambda: ask(wp, '/livez').status == 200, LIMIT_S)


# --- rows

def test_rows_are_those_of_the_console(web, pg15):
    wp = web(pg15)
    with wp.raw() as c:
        assert c.one('select 1') == '1'
        for path in ('/show/pools.json', '/pools.json', '/POOLS.json'):
            rows = ask(wp, path).json
            mine = [r for r in rows if r['database'] == 'app']
            assert len(mine) == 1 and mine[0]['cl_active'] == 1 and mine[0]['node'] is None
            assert list(mine[0]) == list(wp.admin('SHOW POOLS')[0])
        c.bye()
    names = [o['list'] for o in ask(wp, '/show/lists.json').json]
    assert names == [o['list'] for o in wp.admin('SHOW LISTS')]


def test_some_of_the_rows(web, pg15):
    """... as SHOW gives them with the same words; what cannot be read is said, and nothing else can be slipped in."""
    wp = web(pg15)

    def some(what, **how):
        r = ask(wp, '/show/%s.json?%s' % (what, urllib.parse.urlencode(how)))
        return r.json if r.status == 200 else (r.status, r.json['error'])
    assert [r['name'] for r in some('databases', like='app%', order_by='name desc', limit='1')] == ['app2']
    assert [r['key'] for r in some('config', where="key in ('workers', 'verbose')")] == ['verbose', 'workers']
    assert some('databases', like="it's") == []
    for how in (dict(where='nosuch > 0'), dict(where='name'), dict(limit='x'), dict(order_by="name; shutdown"), dict(where="name = 'a'; pause"),
                dict(nosuch='1'), dict(like='a', wher='b')):
        status, error = some('databases', **how)
        assert status == 400 and error, how
    assert ask(wp, '/show/nothing.json').status == 404 and wp.usable()


SHOWS = ['config', 'databases', 'pools', 'clients', 'servers', 'users', 'version', 'peers', 'peer_pools', 'fds', 'sockets',
         'active_sockets', 'lists', 'mem', 'state', 'dns_hosts', 'dns_zones', 'stats', 'stats_totals', 'stats_averages',
         'totals', 'workers', 'pins', 'waits', 'clusters', 'nodes', 'probes', 'rules']


def test_every_show_is_there(web, pg15):
    wp = web(pg15)
    wp.usable()
    for name in SHOWS:
        r = ask(wp, '/show/%s.json' % name)
        assert r.status == 200 and isinstance(r.json, list), (name, r.body)
        assert json.dumps(r.json[:1])


def test_values_of_clients_are_escaped(web, pg15):
    """A name that a client chose cannot leave its string, whatever bytes are in it."""
    wp = web(pg15)
    evil = '"</script><b>\\\u00e4\x01\x7f'
    with wp.raw(params={'application_name': evil}) as c:
        c.one('select 1')
        r = ask(wp, '/show/clients.json')
        assert b'<' not in r.body and b'>' not in r.body and b'\x01' not in r.body
        names = [x.get('application_name') for x in r.json]
        assert any(n and n.startswith('"</script><b>') for n in names), names
        c.bye()


def test_config_names_the_source_and_no_secret(web, pg15):
    wp = web(pg15, http_token=TOKEN, databases={'own': dict(host='127.0.0.1', user='app', password='pass-word-1')})
    r = ask(wp, '/config', headers=bearer())
    rows = {o['key']: o for o in r.json['options']}
    assert rows['http_token']['value'] == '****' and TOKEN.encode() not in r.body and b'pass-word-1' not in r.body
    assert rows['http_port']['value'] == str(wp.http_port)
    assert rows['http_port']['source'].startswith(str(wp.conffile) + ':')
    assert rows['query_wait_timeout']['source'] == 'default'
    assert '[databases]' in r.json['ini'] and r.json['file'] == str(wp.conffile)


# --- who may

def test_other_methods_and_paths(web, pg15):
    wp = web(pg15)
    for method, path, status, allow in [
            ('POST', '/pools.json', 405, 'GET, HEAD'), ('DELETE', '/', 405, 'GET, HEAD'), ('PUT', '/drain', 405, 'POST'),
            ('GET', '/drain', 405, 'POST'), ('GET', '/reload', 405, 'POST'), ('OPTIONS', '/quitquitquit', 405, 'POST'),
            ('GET', '/nothing', 404, None), ('GET', '/show/nothing.json', 404, None), ('GET', '/show/.json', 404, None),
            ('GET', '/show/a;b.json', 404, None), ('GET', '/show/..%2f.json', 404, None), ('GET', '//livez', 404, None),
            ('GET', '/reload.json', 404, None), ('POST', '/pause', 404, None)]:
        r = ask(wp, path, method)
        assert (r.status, r.headers['Allow']) == (status, allow), (method, path, r.body)
        assert method == 'HEAD' or r.json['error']
    assert ask(wp, '/nothing').json['hint'].startswith('There are / /livez /readyz ')
    assert wp.alive()


def test_commands_need_proof(web, pg15):
    """On the loopback address everybody may read, and command only with http_commands."""
    wp = web(pg15)
    for path in ('/drain', '/reload', '/quitquitquit'):
        r = ask(wp, path, 'POST')
        assert r.status == 403 and 'http_commands' in r.json['hint']
    assert wp.usable()
    wp.reload(http_commands=1)
    assert ask(wp, '/reload', 'POST').json == {'reloaded': True, 'changes': []}
    wp.put('weirpool.ini', wp.text() + '\nno_such_option = 1\n')
    r = ask(wp, '/reload', 'POST')
    assert r.status >= 400 and 'no_such_option' in str(r.json), (r.status, r.json)


def test_pages_of_other_sites_cannot_ask(web, pg15):
    """A browser tells where a request comes from, and by which name: DNS rebinding and forms of other sites get nothing."""
    wp = web(pg15, http_commands=1)
    here = '127.0.0.1:%d' % wp.http_port
    for host in ('evil.example', 'evil.example:%d' % wp.http_port, '127.0.0.1.evil.example', 'localhost.evil.example'):
        r = ask(wp, '/pools.json', headers={'Host': host})
        assert r.status == 403 and 'Host' in r.json['error']
        assert ask(wp, '/reload', 'POST', headers={'Host': host}).status == 403
        assert ask(wp, '/readyz', headers={'Host': host}).json.get('reasons') == []  # tells nothing
    for headers in ({'Origin': 'http://evil.example'}, {'Origin': 'null'}, {'Sec-Fetch-Site': 'cross-site'},
                    {'Sec-Fetch-Site': 'same-site'}, {'Origin': 'http://127.0.0.1:1'}):
        assert ask(wp, '/reload', 'POST', headers=headers).status == 403, headers
    for headers in ({'Origin': 'http://' + here, 'Sec-Fetch-Site': 'same-origin'}, {'Sec-Fetch-Site': 'none'}, {}):
        assert ask(wp, '/reload', 'POST', headers=headers).status == 200, headers
    for host in (here, 'localhost', '[::1]:%d' % wp.http_port):
        assert ask(wp, '/pools.json', headers={'Host': host}).status == 200


def test_token(web, pg15):
    wp = web(pg15, http_token=TOKEN, databases={'gone': dict(host='127.0.0.1', port=free_port())}, ready_policy='all_pools')
    for headers in ({}, bearer('x' * len(TOKEN)), bearer(TOKEN + 'x'), bearer(TOKEN[:-1]), {'Authorization': 'Basic ' + TOKEN},
                    {'Authorization': TOKEN}):
        r = ask(wp, '/pools.json', headers=headers)
        assert r.status == 401 and r.headers['WWW-Authenticate'] == 'Bearer realm="weirpool"'
        assert ask(wp, '/quitquitquit', 'POST', headers=headers).status == 401
        assert ask(wp, '/nothing', headers=headers).status == 401
    assert ask(wp, '/pools.json', headers=bearer()).status == 200
    assert ask(wp, '/reload', 'POST', headers=bearer()).status == 200
    knock(wp, 'gone')
    eventually(lambda: ask(wp, '/readyz').status == 503, LIMIT_S)
    assert b'gone' not in ask(wp, '/readyz').body  # anybody may ask, but is told no names
    assert b'gone' in ask(wp, '/readyz', headers=bearer()).body
    wp.reload(http_token='b' * 20)
    assert ask(wp, '/pools.json', headers=bearer()).status == 401
    assert TOKEN not in wp.log()


def test_unix_socket(web, pg15):
    wp = web(pg15)
    path = wp.dir / 'http.sock'
    wp.kill(signal.SIGQUIT)
    wp.wait()
    wp.options['http_unix_socket'] = path
    wp.write()
    wp.start()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ask(path, '/pools.json').status == 200
    assert ask(path, '/reload', 'POST').status == 200
    wp.wait_log('http@unix RELOAD command issued')
    assert ask(path, '/quitquitquit', 'POST').status == 202
    assert wp.wait() == 0
    assert not path.exists()


def test_tls_and_client_certificates(web, pg15, certs):
    wp = web(pg15, http_tls_cert_file=certs.path('server.crt'), http_tls_key_file=certs.path('server.key'),
             http_tls_ca_file=certs.path('ca.crt'))
    none = ssl.create_default_context(cafile=certs.path('ca.crt'))
    none.check_hostname = False
    assert ask(wp, '/readyz', context=none).status == 200
    assert ask(wp, '/pools.json', context=none).status == 401
    mine = ssl.create_default_context(cafile=certs.path('ca.crt'))
    mine.check_hostname = False
    mine.load_cert_chain(certs.path('app.crt'), certs.path('app.key'))
    assert ask(wp, '/pools.json', context=mine).status == 200
    assert ask(wp, '/reload', 'POST', context=mine).status == 200
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(wp, '/readyz')  # plain text to a port that speaks TLS
    eventually(lambda: wp.fds() < 60)
    assert ask(wp, '/readyz', context=none).status == 200


# --- commands

def test_reload_tells_what_changed_and_what_is_wrong(web, pg15):
    wp = web(pg15, http_commands=1)
    wp.options['query_wait_timeout'] = 33
    wp.write()
    r = ask(wp, '/reload', 'POST')
    assert r.status == 200 and r.json['changes'] == ['query_wait_timeout: 120 -> 33 (now)']
    wp.options['query_wait_timeout'] = 'nonsense'
    wp.write()
    r = ask(wp, '/reload', 'POST')
    assert r.status == 422 and 'RELOAD failed' in r.json['error']
    assert wp.admin('SHOW CONFIG') and wp.usable()


def test_drain_by_post(web, pg15):
    """As SIGTERM: not ready at once, who is in a transaction ends it, and the port answers until the end."""
    wp = web(pg15, http_commands=1, drain_delay=0)
    busy = wp.raw()
    busy.simple('begin')
    assert ask(wp, '/drain', 'POST').json == {'accepted': 'drain'}
    r = ask(wp, '/readyz')
    assert r.status == 503 and r.json['reasons'] == ['weirpool is shutting down']
    assert ask(wp, '/livez').status == 200 and ask(wp, '/pools.json').status == 200
    assert busy.one('select 1') == '1'
    busy.simple('commit')
    assert wp.wait(20) == 0


def test_quit_by_post(web, pg15):
    wp = web(pg15, http_commands=1)
    busy = wp.raw()
    busy.simple('begin')
    assert ask(wp, '/quitquitquit', 'POST').status == 202
    assert wp.wait(20) == 0


# --- what is malformed, slow or too much

GET = b'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n'
# what evhttp makes of these is its own business
ODD = [GET + b': empty\r\n\r\n', GET + b' folded: first\r\n\r\n', GET + b'X: \0\r\n\r\n', GET + b'Content-Length: 5\r\n\r\n',
       GET.replace(b'1.1', b'0.9', 1) + b'\r\n', GET + b'Expect: 100-continue\r\n\r\n', GET + b'Upgrade: h2c\r\n\r\n']
BAD = [b'', b'\r\n', b'\r\n\r\n', b'\0' * 100, b'GET', b'GET /livez', b'GET /livez HTTP/9.9\r\n\r\n', b'GET /livez HTTP/1.1',
       b'HELLO /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', b'GET  HTTP/1.1\r\n\r\n', b'/livez\r\n\r\n',
       GET + b'no colon\r\n\r\n',
       GET + b'X: ' + b'a' * 20000 + b'\r\n\r\n', GET + b'X: y\r\n' * 5000 + b'\r\n',
       b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\n\r\n', b'GET http://[::1/x HTTP/1.1\r\n\r\n', b'GET \xff\xfe HTTP/1.1\r\n\r\n',
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n',
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n',
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n' + b'x' * 100000,
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n',
       b'POST /drain HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n' + b'x' * 10000,
       b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'\1' * 300]


def test_malformed_requests_cost_nobody_anything(web, pg15):
    """Each gets an error or the end of its connection; the client of the database does not notice."""
    wp = web(pg15, http_commands=1)
    with wp.raw() as c:
        for bad in BAD:
            got = raw(wp.http_port, bad, shut=True)
            assert not got or got.startswith(b'HTTP/1.') and b' 200 ' not in got.split(b'\r\n')[0], (bad[:80], got[:200])
            assert c.one('select 1') == '1'
        for odd in ODD:
            raw(wp.http_port, odd, shut=True)
        assert wp.alive() and ask(wp, '/readyz').status == 200
        for _ in range(3):
            for bad in BAD + ODD:
                for cut in (1, len(bad) // 2):
                    with socket.create_connection(('127.0.0.1', wp.http_port), LIMIT_S) as s:
                        with contextlib.suppress(ConnectionError):
                            s.sendall(bad[:cut])
        eventually(lambda: wp.fds() < 60, LIMIT_S)
        assert c.one('select 2') == '2'
        c.bye()


def test_many_requests_on_one_connection(web, pg15):
    wp = web(pg15)
    c = http.client.HTTPConnection('127.0.0.1', wp.http_port, timeout=LIMIT_S)
    with contextlib.closing(c):
        for i in range(200):
            c.request('GET', ('/livez', '/pools.json', '/nothing')[i % 3])
            r = c.getresponse()
            r.read()
            assert r.status == (200, 200, 404)[i % 3]
    # and several in one packet
    got = raw(wp.http_port, GET + b'\r\n' + GET + b'\r\n' + GET + b'Connection: close\r\n\r\n')
    assert got.count(b'"live":true') == 3


def test_connections_are_bounded(web, pg15):
    """Who opens many and says nothing loses the oldest of them; a health check always gets in."""
    wp = web(pg15)
    before = settled_fds(wp)
    idle = []
    try:
        for i in range(300):
            s = socket.create_connection(('127.0.0.1', wp.http_port), LIMIT_S)
            s.sendall(b'GET /livez HTTP/1.1\r\nX: ')
            idle.append(s)
            if i % 50 == 0:
                assert ask(wp, '/livez').status == 200
        eventually(lambda: wp.fds() <= before + 64, LIMIT_S)
        assert ask(wp, '/livez').status == 200
    finally:
        for s in idle:
            s.close()
    eventually(lambda: wp.fds() <= before, LIMIT_S)


@pytest.mark.slow
def test_a_request_that_never_ends_is_cut(web, pg15):
    """A byte now and then keeps a connection from being silent, but not for ever."""
    wp = web(pg15)
    with socket.create_connection(('127.0.0.1', wp.http_port), LIMIT_S) as s:
        s.settimeout(0.5)
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 60:
                s.sendall(b'G' if time.monotonic() == begun else b'x')
                with contextlib.suppress(socket.timeout):
                    if not s.recv(1):
                        break
        assert time.monotonic() - begun < 55
    assert ask(wp, '/livez').status == 200


def test_who_leaves_before_the_answer(web, pg15):
    wp = web(pg15)
    before = settled_fds(wp)
    for _ in range(100):
        with socket.create_connection(('127.0.0.1', wp.http_port), LIMIT_S) as s:
            s.sendall(b'GET /pools.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    eventually(lambda: wp.fds() <= before, LIMIT_S)
    assert ask(wp, '/pools.json').status == 200


def test_descriptors_run_out(web, pg15):
    """No descriptor for a new connection: the others go on, and the process does not spin."""
    wp = web(pg15, nofile=64)
    with wp.raw() as c:
        idle = []
        with contextlib.suppress(OSError):
            while len(idle) < 100:
                idle.append(socket.create_connection(('127.0.0.1', wp.http_port), LIMIT_S))
        assert c.one('select 1') == '1'
        cpu = cpu_s(wp)
        time.sleep(1)
        assert cpu_s(wp) - cpu < 0.6, 'it spins'
        for s in idle:
            s.close()
        eventually(lambda: ask(wp, '/livez').status == 200, LIMIT_S)
        c.bye()


def settled_fds(wp):
    """How many descriptors it has when nobody asks anything."""
    ask(wp, '/livez')
    seen = []
    def same():
        """the number of descriptors stands still"""
        seen.append(wp.fds())
        return len(seen) > 8 and len(set(seen[-8:])) == 1
    eventually(same, LIMIT_S, 0.1)
    return seen[-1]


def cpu_s(wp):
    with open('/proc/%d/stat' % wp.pid) as f:
        words = f.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


# --- the start

def test_a_port_that_is_taken_is_an_error(web, pg15):
    taken = socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    with contextlib.closing(taken):
        wp = web(pg15)
        wp.kill(signal.SIGQUIT)
        wp.wait()
        wp.exit_codes = (1,)
        wp.options['http_port'] = taken.getsockname()[1]
        wp.write()
        wp.start(wait=False)
        assert wp.wait() == 1
        assert 'cannot listen on 127.0.0.1:%d' % taken.getsockname()[1] in wp.log()
