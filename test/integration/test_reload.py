"""RELOAD: all or nothing, says what changes when, drops nobody."""
import signal
import threading
import time

import pytest
import rawpg
from rawpg import query
from servers import eventually
from weir import CONSOLE


def reload_error(wp):
    with pytest.raises(rawpg.PgError) as e:
        wp.admin('RELOAD')
    return e.value


def notices(wp, command='RELOAD'):
    with wp.raw('admin', CONSOLE) as r:
        out = r.simple(command)
        assert not rawpg.errors(out), out
        return '\n'.join(' '.join(m.fields.values()) for m in out if m.type == 'N') + wp.log()


def value(wp, key):
    return [r['value'] for r in wp.admin('SHOW CONFIG') if r['key'] == key][0]


def test_new_values_apply(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=60)
    a, b = wp.raw(), wp.raw()
    a.simple('begin')
    wp.reload(query_wait_timeout=1, max_client_conn=50)
    assert value(wp, 'query_wait_timeout') == '1' and value(wp, 'max_client_conn') == '50'
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        b.q('select 1')
    wp.reload(default_pool_size=3)
    assert wp.usable()
    assert a.simple('commit')[0].tag == 'COMMIT'


@pytest.mark.parametrize('break_it', [
    lambda wp: wp.put('weirpool.ini', wp.text() + 'no_such_option = 1\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + 'max_client_conn = many\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + 'pool_mode = chaos\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + '[nonsense]\nx = 1\n'),
    lambda wp: wp.put('weirpool.ini', wp.text().replace('[databases]', '[databases]\nx = host=1.2.3.4 colour=blue')),
    lambda wp: wp.put('weirpool.ini', wp.text().replace('[databases]', '[databases]\nx = port=99999')),
    lambda wp: wp.put('weirpool.ini', 'this is not an ini file\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + 'auth_file = /nonexistent/users.txt\n'),
    lambda wp: wp.put('weirpool.ini', ''),  # a disk was full, an editor is at it
    lambda wp: wp.put('weirpool.ini', wp.text()[:wp.text().index('[databases]')] + wp.text()[wp.text().index('[weirpool]'):]),
], ids=['name', 'number', 'enum', 'section', 'dbkey', 'port', 'syntax', 'authfile', 'empty', 'no databases'])
def test_any_mistake_changes_nothing(weirpool, pg15, break_it):
    wp = weirpool(pg15, query_wait_timeout=33)
    a = wp.raw()
    wp.options['query_wait_timeout'] = 44
    break_it(wp)
    e = reload_error(wp)
    assert 'RELOAD' in e.message
    assert value(wp, 'query_wait_timeout') == '33'
    wp.wait_log(r'weirpool\.ini:|users\.txt')
    assert a.one('select 1') == '1' and wp.usable()
    wp.write()
    wp.admin('RELOAD')
    assert value(wp, 'query_wait_timeout') == '44'


def test_file_that_vanished(weirpool, pg15):
    wp = weirpool(pg15)
    wp.conffile.rename(wp.dir / 'elsewhere')
    reload_error(wp)
    assert wp.usable()


def test_it_says_what_needs_a_restart(weirpool, pg15):
    wp = weirpool(pg15)
    wp.options['listen_backlog'] = 77
    wp.options['max_client_conn'] = 78
    wp.write()
    said = notices(wp)
    assert 'listen_backlog=77 needs a restart; ' in said
    with wp.raw('admin', CONSOLE) as r:  # whoever asks is told as well, although nothing changed this time
        notice = [m for m in r.simple('RELOAD') if m.type == 'N'][0]
        assert 'listen_backlog=77 needs a restart; ' in notice.fields['D'], notice.fields
    assert value(wp, 'max_client_conn') == '78'


def test_lower_pool_size_shrinks(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=6)
    clients = [wp.raw() for _ in range(6)]
    for c in clients:
        c.simple('begin')
    for c in clients:
        c.simple('commit')
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") == 6, 30)  # (others' are ending)
    clients[0].simple('begin')
    wp.reload(default_pool_size=2)
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") <= 2, 30)
    assert clients[0].simple('commit')[0].tag == 'COMMIT'
    for c in clients:
        assert c.one('select 1') == '1'
    eventually(lambda: pg15.backends("usename = 'app' and datname = 'app'") <= 2)


def test_databases_come_and_go(weirpool, pg15):
    wp = weirpool(pg15)
    a = wp.raw()
    wp.databases['fresh'] = dict(host=pg15.host, port=pg15.port, dbname='app2')
    wp.reload()
    with wp.raw(dbname='fresh') as r:
        assert r.one('select current_database()') == 'app2'
    old = wp.databases.pop('app')
    wp.reload()
    with pytest.raises(rawpg.PgError) as e:
        wp.raw()
    assert e.value.sqlstate == '3D000'
    wp.databases['app'] = old
    wp.reload()
    assert wp.usable()
    a.shut()


def test_database_moves_to_another_server(weirpool, pg15, victim):
    """Transactions end where they began; new ones are on the new server."""
    wp = weirpool(pg15)
    a, b = wp.raw(), wp.raw()
    b.simple('begin')
    assert b.one('show port') == str(pg15.port)
    wp.databases['app'] = dict(host=victim.host, port=victim.port, dbname='app')
    wp.reload()
    assert b.one('show port') == str(pg15.port)
    b.simple('commit')
    eventually(lambda: a.one('show port') == str(victim.port))
    assert b.one('show port') == str(victim.port)


def test_users_come_and_go(weirpool, pg15):
    wp = weirpool(pg15)
    a = wp.raw('app2', 'app')
    wp.userlist['app2'] = 'changed'
    wp.reload()
    with pytest.raises(rawpg.PgError):
        wp.raw('app2', 'app', 'app')
    assert a.one('select 1') == '1'
    del wp.userlist['app2']
    wp.reload()
    with pytest.raises(rawpg.PgError):
        wp.raw('app2', 'app', 'changed')
    wp.userlist['app2'] = 'app'
    wp.reload()
    assert wp.usable('app2')


def test_pool_mode_changes(weirpool, pg15):
    wp = weirpool(pg15, default_pool_size=1, query_wait_timeout=2)
    a = wp.raw()
    a.simple("set work_mem = '9MB'")
    wp.reload(pool_mode='session')
    b = wp.raw()
    assert b.one("select current_setting('work_mem')") == '4MB'
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        wp.raw().q('select 1')
    b.bye()
    assert a.one("select current_setting('work_mem')") == '9MB'
    wp.reload(pool_mode='transaction')
    a.bye()
    assert wp.usable()


def test_reload_under_load(weirpool, pg15):
    """Fifty reloads while clients work: nobody is dropped, no answer is wrong."""
    wp = weirpool(pg15, default_pool_size=3, query_wait_timeout=30, workers=2)
    stop = threading.Event()
    failures = []

    def client(i):
        try:
            c, n = wp.raw(), 0
            while not stop.is_set():
                n += 1
                if c.one("select '%d.%d'" % (i, n)) != '%d.%d' % (i, n):
                    failures.append('crossed')
        except Exception as e:
            failures.append(repr(e))
    ts = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in ts:
        t.start()
    rss = 0
    for i in range(50):
        wp.reload(query_wait_timeout=30 + i, default_pool_size=2 + i % 3)
        if i == 10:
            rss = wp.rss_kib()
    stop.set()
    for t in ts:
        t.join(20)
    assert not failures, failures[:3]
    assert wp.rss_kib() - rss < 3000


def test_hup_is_reload(weirpool, pg15):
    wp = weirpool(pg15)
    wp.options['query_wait_timeout'] = 55
    wp.write()
    wp.kill(signal.SIGHUP)
    eventually(lambda: value(wp, 'query_wait_timeout') == '55')


def test_log_is_reopened(weirpool, pg15, tmp_path):
    wp = weirpool(pg15)
    log = wp.dir / 'own.log'
    wp.reload(logfile=log)
    wp.usable()
    if not log.exists():
        wp.stop()
        wp.proc = None
        wp.start()
    wp.usable()
    eventually(log.exists)
    log.rename(wp.dir / 'rotated.log')
    wp.admin('RELOAD')
    wp.usable()
    eventually(lambda: log.exists() and log.stat().st_size > 0)


def test_include(weirpool, pg15):
    wp = weirpool(pg15)
    extra = wp.put('extra.ini', '[weirpool]\nquery_wait_timeout = 66\n')
    wp.put('weirpool.ini', wp.text() + '%%include %s\n' % extra)
    wp.admin('RELOAD')
    assert value(wp, 'query_wait_timeout') == '66'
    wp.put('extra.ini', '[weirpool]\nquery_wait_timeout = 67\nbad line here\n')
    reload_error(wp)
    wp.wait_log(r'extra\.ini:3')
    assert value(wp, 'query_wait_timeout') == '66'


def test_userlist_that_changed_by_itself(weirpool, pg15):
    """auth_file is read again when it changed, as PgBouncer does."""
    wp = weirpool(pg15)
    wp.put('users.txt', '"app" "app"\n"newcomer" "pw"\n"admin" "admin"\n')
    wp.admin('RELOAD')
    with pytest.raises(rawpg.PgError) as e:
        wp.raw('newcomer', secret='wrong')
    assert e.value.sqlstate == '28P01'
    time.sleep(0.1)
    assert wp.usable()


# --- many, half of them broken

MISTAKES = [
    lambda wp: wp.put('weirpool.ini', wp.text() + 'no_such_option = 1\n'),
    lambda wp: wp.put('weirpool.ini', wp.text().replace('[databases]', '[databases]\nx = port=99999')),
    lambda wp: wp.put('weirpool.ini', wp.text() + '[databases'),
    lambda wp: wp.put('weirpool.ini', wp.text().replace('[databases]', '[databases]\ny = host=\'127.0.0.1')),
    lambda wp: wp.put('weirpool.ini', wp.text() + 'auth_file = /nonexistent/users.txt\n'),
    lambda wp: wp.put('weirpool.ini', 'not an ini file\0\xff\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + 'client_tls_sslmode = require\nclient_tls_key_file = /nonexistent\n'),
    lambda wp: wp.put('weirpool.ini', wp.text() + '[nonsense]\nx = 1\n'),
]


class Crowd:
    """Clients of both protocols that stay, and others that come and go."""

    def __init__(self, wp):
        self.wp, self.failures, self.done = wp, [], {}
        self.stop = threading.Event()
        work = [self.pg_stays] * 2 + [self.my_stays] * 2 + [self.pg_visits, self.my_visits]
        self.threads = [threading.Thread(target=self.guard, args=(f, i)) for i, f in enumerate(work)]
        for t in self.threads:
            t.start()

    def guard(self, f, i):
        try:
            while not self.stop.is_set():
                f(i)
        except Exception as e:  # whatever it is, no client may see it
            self.failures.append('%s: %r' % (f.__name__, e))

    def did(self, i):
        self.done[i] = self.done.get(i, 0) + 1

    def flows(self):
        """Wait until each of them has got something done."""
        was = dict(self.done)
        eventually(lambda: self.failures or all(self.done.get(i, 0) > was.get(i, 0) for i in range(len(self.threads))), 60)
        assert not self.failures, self.failures[:3]

    def pg_stays(self, i):
        with self.wp.raw() as c:
            c.simple("set app.who = '%d'" % i)
            c.send(rawpg.parse('st', 'select $1::int + 1') + rawpg.sync())
            assert not rawpg.errors(c.until_ready())
            while not self.stop.is_set():
                assert not rawpg.errors(c.simple('begin'))
                out = c.send(rawpg.bind('', 'st', [b'41']) + rawpg.execute() + rawpg.sync()).until_ready()
                assert rawpg.rows(out) == [('42',)], out
                assert not rawpg.errors(c.simple('commit'))
                assert c.one("select current_setting('app.who')") == str(i)
                self.did(i)
            c.bye()

    def my_stays(self, i):
        with self.wp.my(db='myapp') as c:
            c.do('set @who = %d' % i)
            st = c.prepare('select @who + ?')
            while not self.stop.is_set():
                c.do('begin')
                assert float(c.execute(st, [1]).rows[0][0]) == i + 1
                c.do('commit')
                self.did(i)
            c.bye()

    def pg_visits(self, i):
        with self.wp.raw() as c:
            assert c.one('select %d' % i) == str(i)
            c.bye()
        self.did(i)

    def my_visits(self, i):
        with self.wp.my(db='myapp') as c:
            assert c.one('select %d' % i) == str(i)
            c.bye()
        self.did(i)

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(60)
        assert not self.failures, self.failures[:3]


def check_reloads(wp, rounds):
    """Each second one is broken: nothing changes then; the others change options, users and databases."""
    crowd = Crowd(wp)
    rss = 0
    try:
        crowd.flows()
        for i in range(rounds):
            if i % 2:
                MISTAKES[i // 2 % len(MISTAKES)](wp)
                reload_error(wp)
            else:
                wp.userlist['user%d' % (i % 7)] = 'secret'
                wp.databases['extra%d' % (i % 5)] = dict(host='127.0.0.1', port=1)
                wp.databases.pop('extra%d' % ((i + 2) % 5), None)
                wp.reload(default_pool_size=4 + i % 3, query_wait_timeout=60 + i % 9, max_client_conn=200 + i % 11)
                assert value(wp, 'query_wait_timeout') == str(60 + i % 9)
            if i % 20 == 19:
                crowd.flows()
            if i == rounds // 5:
                rss = wp.rss_kib()
            assert not crowd.failures, crowd.failures[:3]
        if rounds >= 500:  # fewer say nothing
            print('grown by %d KiB in %d reloads, %s done' % (wp.rss_kib() - rss, rounds * 4 // 5, crowd.done))
            assert wp.rss_kib() - rss < 20000
    finally:
        crowd.end()
    eventually(lambda: wp.log().count('RELOAD command issued') == rounds)


def test_good_and_broken_reloads_under_load(weirpool, pg15, maria118):
    check_reloads(weirpool(pg15, mysql=maria118, pool_mode='transaction', workers=2), 40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_1000_reloads_under_load(weirpool, pg15, mysql97):
    check_reloads(weirpool(pg15, mysql=mysql97, pool_mode='transaction', workers=2), 1000)
