"""The status page: what it shows without a browser, that nothing in it comes from clients unescaped, and (slow) what a real
browser makes of it. WEIRPOOL_SHOTS=DIR keeps the screenshots."""
import contextlib
import html.parser
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from servers import eventually
from test_cluster_pg import cluster  # noqa: F401 (a fixture)
from test_http import LIMIT_S, TOKEN, ask, bearer, web  # noqa: F401

VOID = {'meta', 'link', 'input', 'br', 'path', 'line'}


class Page(html.parser.HTMLParser):
    """Text, tables, and what is not well-formed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.tags, self.tables, self.words = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == 'table':
            self.tables.append([])
        if tag == 'tr':
            self.tables[-1].append([])
        if tag in ('td', 'th'):
            self.tables[-1][-1].append('')
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.words.append(data)
        if self.open and set(self.open) & {'td', 'th'}:
            self.tables[-1][-1][-1] += data

    def table(self, *columns):
        """Rows of the table with these columns as dicts."""
        for t in self.tables:
            if t and set(columns) <= set(t[0]):
                return [dict(zip(t[0], r)) for r in t[1:]]
        return None


def page(wp, path='/', **kw):
    r = ask(wp, path, **kw)
    assert r.status == 200 and r.headers['Content-Type'] == 'text/html; charset=utf-8'
    p = Page(r.body.decode())
    assert not p.wrong and not p.open, (p.wrong, p.open)
    p.answer = r
    return p


def test_pools_waits_pins_and_events(web, pg15):  # noqa: F811
    """All of it is there without JavaScript."""
    wp = web(pg15, default_pool_size=1)
    holds, pinned = wp.raw(), wp.raw('app', 'app2', params={'application_name': 'pinner'})
    holds.simple('begin')
    pinned.simple('listen here')
    waits = wp.raw()
    waits.send(b'Q\0\0\0\x0dselect 1\0')
    eventually(lambda: page(wp).table('database', 'waits s', 'for') and page(wp).table('database', 'because of'), LIMIT_S)
    p = page(wp)
    pools = {r['database']: r for r in p.table('database', 'clients', 'waiting')}
    assert pools['app']['waiting'] == '1' and pools['app']['at work'] == '1' and 'pgbouncer' not in pools
    assert next(iter(pools)) == 'app'  # who waits comes first
    (w,) = p.table('database', 'waits s', 'for')
    assert w['database'] == 'app' and w['for']
    (r,) = p.table('database', 'because of')
    assert r['database'] == 'app2' and 'LISTEN' in r['because of'].upper() and r['application'] == 'pinner'
    wp.reload(query_wait_timeout=77)
    eventually(lambda: any('reloaded' in e['what'] for e in page(wp).table('when (UTC)', 'what') or []), LIMIT_S)
    assert '● ready' in ''.join(p.words)
    waits.sock.close()


def test_nothing_of_a_client_is_markup(web, pg15):  # noqa: F811
    wp = web(pg15, databases={'"<b>""&\'"': dict(host=pg15.host, port=pg15.port, dbname='app')})
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\''
    c = wp.raw('app', '<b>"&\'', params={'application_name': evil})
    c.simple('listen here')
    d = wp.bare()
    with contextlib.suppress(Exception):
        d.login('<i>nobody</i>', '<u>nothing</u>', 'x')
    eventually(lambda: any('nobody' in e['what'] + e['about'] for e in page(wp).table('what', 'about') or []), LIMIT_S)
    for path in ('/', '/?q=%3Cb%3E', '/?q=%22%3E%3Cscript%3Ealert(3)%3C/script%3E'):
        p = page(wp, path)
        assert len([t for t in p.tags if t[0] == 'script']) == 1
        assert not [t for t in p.tags if t[0] in ('img', 'u')]
        assert not [a for _, attrs in p.tags for a in attrs if a.startswith('on') or a == 'style']
    assert [r['database'] for r in page(wp, '/?q=%3Cb%3E').table('database', 'clients')] == ['<b>"&\'']
    (r,) = eventually(lambda: page(wp).table('database', 'because of'), LIMIT_S)
    assert r['application'].startswith('"><script>alert(1)')
    facts = ask(wp, '/status.json')
    assert b'<' not in facts.body and facts.json['pins'][0]['application_name'].startswith('"><script>')


def test_policy_of_content(web, pg15):  # noqa: F811
    """Only what carries this answer's random number runs; nothing is loaded from elsewhere."""
    wp = web(pg15)
    seen = set()
    for _ in range(3):
        p = page(wp)
        policy = dict(d.strip().split(' ', 1) for d in p.answer.headers['Content-Security-Policy'].split(';'))
        nonce = re.fullmatch(r"'nonce-([0-9a-f]{32})'", policy['script-src']).group(1)
        assert policy['default-src'] == "'none'" and policy['frame-ancestors'] == "'none'" and policy['base-uri'] == "'none'"
        assert policy['connect-src'] == "'self'" and policy['form-action'] == "'self'"
        for tag, attrs in p.tags:
            if tag in ('script', 'style'):
                assert attrs['nonce'] == nonce
            for a in ('src', 'href', 'action'):
                assert attrs.get(a, '/').startswith(('/', 'data:image/svg+xml,')), attrs
        seen.add(nonce)
    assert len(seen) == 3
    assert len(p.answer.body) < 40000


def visit(wp, names):
    """A client of each of these databases comes and goes."""
    def some(names):
        for name in names:
            with wp.bare() as c:
                c.login('app', name, 'app')
                c.bye()
    threads = [threading.Thread(target=some, args=(names[i::8],)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_many_pools(web, pg15):  # noqa: F811
    """The page stays small, finds any of them, and asking for it does not disturb clients. (With a thousand: in the browser.)"""
    wp = web(pg15, databases={'db%03d' % i: dict(host=pg15.host, port=pg15.port, dbname='app', user='app', password='app')
                              for i in range(130)}, auth_type='trust', server_lifetime=0, log_connections=0, log_disconnections=0)
    visit(wp, ['db%03d' % i for i in range(130)])
    assert len(ask(wp, '/pools.json').json) == 131
    p = page(wp)
    assert len(p.table('database', 'clients')) == 25 and len(p.answer.body) < 60000
    assert [r['database'] for r in page(wp, '/?q=db0').table('database', 'clients')] == ['db0%02d' % i for i in range(100)]
    assert len(page(wp, '/?q=DB').table('database', 'clients')) == 130
    assert page(wp, '/?q=nothing').table('database', 'clients') is None
    with wp.raw('app', 'db125') as c:
        stop = threading.Event()
        asking = threading.Thread(target=lambda: [ask(wp, '/status.json') for _ in iter(stop.is_set, True)], daemon=True)
        asking.start()
        for _ in range(200):
            assert c.one('select 1') == '1'
        stop.set()
        asking.join(LIMIT_S)
        c.bye()


def test_status_json(web, pg15):  # noqa: F811
    wp = web(pg15)
    wp.usable()
    eventually(lambda: ask(wp, '/status.json').json['history']['at'], LIMIT_S)
    with wp.raw() as c:
        c.simple('select pg_sleep(0.12)')

    def sampled():
        """a sample since the client has left, and one of its query"""
        s = ask(wp, '/status.json').json
        return any(s['history']['query_p99_ms']) and s['history']['clients'][-1] == 0 and s
    s = eventually(sampled, LIMIT_S)
    h = s['history']
    assert s['ready'] and s['pid'] == wp.pid and s['version'] and h['step_s'] == 5
    assert {len(h[k]) for k in h if k != 'step_s'} == {len(h['at'])}
    assert h['xacts'][0] is None and h['xacts'][-1] is not None and h['clients'][-1] == 0
    for what in ('query', 'xact', 'wait'):  # of those that ended since the sample before; the first has none before it
        p50, p99 = [h['%s_p%d_ms' % (what, n)] for n in (50, 99)]
        assert p50[0] is None and all(a is None and b is None or a <= b for a, b in zip(p50, p99))
    assert max(v for v in h['query_p99_ms'] if v) > 100 < max(v for v in h['xact_p99_ms'] if v)
    assert [t for t, a in page(wp).tags if t == 'svg' and a['data-keys'] == 'query_p99_ms|query_p50_ms|query_ms']
    assert [p for p in s['pools'] if p['database'] == 'app'] and s['clusters'] == [] and s['lag'] == {}
    wp.reload(query_wait_timeout=78)
    e = eventually(lambda: [e for e in ask(wp, '/status.json').json['events'] if 'reloaded' in e['text']], LIMIT_S)
    assert e[0]['times'] == 1 and e[0]['level'] == 'info' and re.fullmatch(r'[A-Z][0-9]+', e[0]['code']), e


def test_statements(web, pg15):  # noqa: F811
    """Those that took the most time; long ones are cut between two characters; none while nothing is counted."""
    wp = web(pg15, query_stats=1)
    c = wp.raw()
    for _ in range(3):
        c.simple('select pg_sleep(0.1)')
    c.simple('select nothing_like_it')
    c.simple('select 1 as "<b>%s"' % ('\u00e9' * 400))
    for i in range(10):
        c.simple('select 1 as quick%d' % i)
    p = page(wp)
    rows = p.table('statement', 'calls', 'p99 ms')
    assert len(rows) == 10 and (rows[0]['statement'], rows[0]['calls'], rows[0]['errors']) == ('select pg_sleep ( ? )', '3', '0')
    assert float(rows[0]['all ms']) >= 300 and float(rows[0]['mean ms']) >= 100
    wp.admin('RESET QUERIES')
    c.simple('select 1 as "<b>%s"' % ('\u00e9' * 400))
    eventually(lambda: len(page(wp).table('statement', 'calls')) == 1, LIMIT_S)
    [row] = page(wp).table('statement', 'calls')
    assert re.fullmatch('select \\? as "<b>\u00e9{100,150} …', row['statement'])
    assert ask(wp, '/status.json').json['queries'][0]['calls'] == 1
    wp.admin('RESET QUERIES')
    wp.admin('SET query_stats = 0')
    eventually(lambda: 'query_stats is off' in ''.join(page(wp).words), LIMIT_S)


def test_many_ask_at_once(web, pg15):  # noqa: F811
    """All get the same picture: what it costs does not grow with those who look."""
    wp = web(pg15)
    wp.usable()
    got = []
    threads = [threading.Thread(target=lambda: got.append(ask(wp, '/status.json').json)) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(LIMIT_S)
    assert len(got) == 20 and all(g['ready'] for g in got)


def test_a_browser_can_give_the_token(web, pg15):  # noqa: F811
    """It knows Basic only: any name, and the token as its password."""
    import base64
    wp = web(pg15, http_token=TOKEN)
    r = ask(wp, '/')
    assert r.status == 401 and 'Basic realm="weirpool"' in r.headers.get_all('WWW-Authenticate')
    for pair, status in (('me:' + TOKEN, 200), (':' + TOKEN, 200), ('me:' + TOKEN[:-1], 401), (TOKEN, 401), ('me:', 401)):
        headers = {'Authorization': 'Basic ' + base64.b64encode(pair.encode()).decode()}
        assert ask(wp, '/', headers=headers).status == status, pair
    for bad in ('Basic', 'Basic ', 'Basic !!!!', 'Basic ' + 'A' * 4000):
        assert ask(wp, '/', headers={'Authorization': bad}).status == 401
    assert ask(wp, '/', headers=bearer()).status == 200


# --- in a browser

def chromium(*args):
    exe = shutil.which('chromium')
    assert exe, 'apt-get install chromium'
    r = subprocess.run([exe, '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run', *args],
                       capture_output=True, text=True, timeout=180)
    return r.stdout, r.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_chromium(web, pg15, cluster, tmp_path):  # noqa: F811
    """It lives (new pools appear by themselves), breaks no rule of its policy, and fits a phone and a desk, light and dark."""
    dbs = {'shop%03d' % i: dict(host=pg15.host, port=pg15.port, dbname='app', server_lifetime=0) for i in range(1000)}
    dbs['orders'] = 'cluster=main dbname=app'
    wp = web(pg15, query_stats=1, databases=dbs, clusters={'main': cluster.entry(probe_interval='200ms')}, default_pool_size=2)
    visit(wp, ['shop%03d' % i for i in range(1000)])
    stop = threading.Event()

    def work(i):
        db = 'orders' if i % 2 else 'app'
        while not stop.is_set():
            with contextlib.suppress(Exception), wp.raw('app', db) as c:
                for _ in range(200):
                    c.one('select count(*) from generate_series(1, %d)' % (1 + (int(time.time()) % 40) * 200))
                    time.sleep(0.02)
                    if stop.is_set():
                        break
                c.bye()
    workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(6)]
    for t in workers:
        t.start()
    holds = [wp.raw('app', 'shop007') for _ in range(3)]
    holds[0].simple('begin')
    holds[1].simple('begin')
    holds[2].send(b'Q\0\0\0\x0dselect 1\0')
    pinned = wp.raw('app', 'shop011', params={'application_name': 'reports'})
    pinned.simple('create temp table cart (id int)')
    time.sleep(float(os.environ.get('WEIRPOOL_SHOTS_S', 15)))
    url = 'http://127.0.0.1:%d/' % wp.http_port
    try:
        dom, said = chromium('--dump-dom', '--enable-logging=stderr', '--virtual-time-budget=3000', url)
        assert 'Content Security Policy' not in said and 'Uncaught' not in said, said[-2000:]
        p = Page(dom)
        assert p.table('database', 'clients') and p.table('node', 'role', 'lag ms') and 'Lag' in p.words
        # what the script fetches takes the place of what came first
        later = threading.Timer(3, lambda: wp.raw('app', 'app2', params={'application_name': 'late'}).simple('listen x'))
        later.start()
        dom, said = chromium('--dump-dom', '--enable-logging=stderr', '--timeout=12000', url)
        assert 'late' in dom and 'Uncaught' not in said, said[-2000:]
        shots = os.environ.get('WEIRPOOL_SHOTS', str(tmp_path))
        for name, size, extra in (('desk', '1280,2000', ()), ('phone', '390,2600', ()),
                                  ('dark', '1280,2000', ('--force-dark-mode',))):
            to = os.path.join(shots, 'status-%s.png' % name)
            chromium('--screenshot=' + to, '--window-size=' + size, '--virtual-time-budget=3000', *extra, url)
            assert os.path.getsize(to) > 20000
    finally:
        stop.set()
        for t in workers:
            t.join(LIMIT_S)
