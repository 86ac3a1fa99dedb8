"""The log: how each session ended, codes, recent events, the audit file, repeats, and what becomes of it when nobody
reads it or the disk is full."""
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import psycopg
import pytest
import rawpg
from rawpg import query
from servers import as_test_user, eventually, free_port, in_thread

END = re.compile(r' I2003 C-\S+ (\S+)@\S+ closing because: (.*?) \(age=\d+s\) end=(..)(.*)')


class Ends:
    """The lines about sessions that ended since it was made, but not the console's."""

    def __init__(self, wp):
        self.wp, self.seen = wp, len(wp.log())

    def all(self):
        return [m.groups() for m in END.finditer(self.wp.log()[self.seen:])
                if not m.group(1).startswith('weirpool/') and m.group(2) != 'client left without a word']

    def one(self):
        """The only one: (who, why, letters, fields)."""
        [end] = eventually(self.all, 30)
        return end

    def letters(self):
        return self.one()[2]

    def fields(self):
        return dict(f.split('=') for f in self.one()[3].split())


def kill_client(wp):
    [row] = [r for r in wp.admin('SHOW CLIENTS') if r['database'] == 'app']
    wp.admin('KILL_CLIENT %s' % row['id'])


def running(wp, pg):
    """A query of the pool's is at the server."""
    eventually(lambda: pg.backends("usename = 'app' and state = 'active' and query like '%pg_sleep%'") > 0, 30)


def waiting(wp, n=1):
    eventually(lambda: wp.pool()['cl_waiting'] == n, 30)


SLEEP = query('select pg_sleep(600)')


# --- the client ends it

def test_ci(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='transaction')
    ends = Ends(wp)
    with wp.raw() as r:
        for _ in range(3):
            r.simple('select 1')
        r.simple('begin')
        r.simple('select repeat($$x$$, 5000)')
        r.simple('commit')
        r.bye()
    who, why, letters, _ = ends.one()
    assert (who, why, letters) == ('app/app', 'client close request', 'CI')
    f = {k: int(v) if v.isdigit() else v for k, v in ends.fields().items()}
    assert f['requests'] == 6 and f['xacts'] == 4
    assert 0 < f['login_us'] <= f['total_us'] and 0 < f['first_us'] <= f['total_us']
    assert f['in_bytes'] > 100 and f['out_bytes'] > 5000
    assert f['node'] == '127.0.0.1:%d' % pg15.port and wp.wait_log(r' %s: ' % f['link'])


def test_cl(weirpool, pg15):
    wp = weirpool(pg15)
    ends = Ends(wp)
    r = wp.bare()
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    r.sock.recv(1)
    r.sock.close()
    assert ends.letters() == 'CL' and 'login_us' not in ends.fields(), 'it never logged in'


def test_tls_that_cannot_be_had(weirpool, pg15):
    """A client with sslmode=require leaves without a word: the log says what it wanted."""
    wp = weirpool(pg15)
    ends = Ends(wp)
    with pytest.raises(psycopg.OperationalError, match='does not support SSL'):
        wp.connect(sslmode='require')
    _, why, letters, _ = ends.one()
    assert (why, letters) == ('client wanted TLS, which it cannot have here (client_tls_sslmode), and left', 'CL')


def test_cq(weirpool, pg15):
    wp = weirpool(pg15)
    ends = Ends(wp)
    r = wp.raw()
    r.send(SLEEP)
    running(wp, pg15)
    r.sock.close()
    assert ends.letters() == 'CQ'
    eventually(lambda: pg15.backends("usename = 'app' and state = 'active'") == 0, 30)


def test_ct(weirpool, pg15):
    wp = weirpool(pg15)
    ends = Ends(wp)
    r = wp.raw()
    r.simple('begin')
    r.sock.close()
    assert ends.letters() == 'CT'


def test_waiting(weirpool, pg15):
    """CW, AW, TW: somebody waits for the only server connection, and leaves, is killed, or waits too long."""
    wp = weirpool(pg15, pool_mode='transaction', default_pool_size=1)
    with wp.raw() as holder:
        holder.simple('begin')
        ends = Ends(wp)
        r = wp.raw()
        r.send(query('select 1'))
        waiting(wp)
        r.sock.close()
        assert ends.letters() == 'CW' and int(ends.fields()['wait_us']) > 0 and ends.fields()['waits'] == '1'
        ends = Ends(wp)
        r = wp.raw()
        r.send(query('select 1'))
        waiting(wp)
        [row] = [c for c in wp.admin('SHOW CLIENTS') if c['state'] == 'waiting']
        wp.admin('KILL_CLIENT %s' % row['id'])
        assert ends.letters() == 'AW'
        r.sock.close()
        wp.reload(query_wait_timeout=1)
        ends = Ends(wp)
        r = wp.raw()
        r.send(query('select 1'))
        assert ends.letters() == 'TW' and int(ends.fields()['wait_us']) >= 1000000
        wp.wait_log(' WARNING E1011 ')  # the line before has the error's code
        r.sock.close()
        wp.reload(query_wait_timeout=120, max_wait_queue=1)
        with wp.raw() as first, wp.raw() as second:
            first.send(query('select 1'))
            waiting(wp)
            ends = Ends(wp)
            second.send(query('select 1'))
            assert ends.letters() == 'PW'
            first.sock.close()


# --- the server

def test_server_lost(weirpool, pg15):
    """SI, SQ, ST: the server ends its connection while nothing is asked, in the middle of an answer, in a transaction."""
    wp = weirpool(pg15, pool_mode='session')
    for before, letters in ((query('select 1'), 'SI'), (SLEEP, 'SQ'), (query('begin'), 'ST')):
        with wp.raw() as r:
            ends = Ends(wp)
            r.send(before)
            if letters == 'SQ':
                running(wp, pg15)
            else:
                r.until_ready()
            pg15.terminate_backends("usename = 'app'")
            assert ends.letters() == letters


def test_sl(weirpool, pg15):
    wp = weirpool(pg15, databases=dict(gone=dict(host=pg15.host, port=pg15.port, dbname='no_such_database')))
    ends = Ends(wp)
    with pytest.raises((rawpg.PgError, AssertionError, EOFError, ConnectionError)):
        wp.raw(dbname='gone')
    assert ends.letters() == 'SL'
    wp.wait_log(r' WARNING W3003 S-\S+ gone/app@')
    wp.wait_log(r' WARNING W3009 gone/app ')


def test_sw(weirpool, pg15):
    wp = weirpool(pg15, pool_mode='transaction', userlist=dict(sw='sw'))
    pg15.query("create role sw login password 'sw'")
    try:
        with wp.raw('sw') as r:
            r.simple('select 1')
            pg15.query('alter role sw nologin')
            wp.admin('RECONNECT app')
            ends = Ends(wp)
            r.send(query('select 1'))
            assert ends.letters() == 'SW' and ends.fields()['waits'] == '2', 'for the first request, too'
    finally:
        pg15.query('drop role sw')


# --- weirpool

def test_pl(weirpool, pg15):
    wp = weirpool(pg15)
    ends = Ends(wp)
    with pytest.raises(Exception):  # noqa: B017 (whatever the raw client makes of it)
        wp.raw(secret='wrong')
    assert ends.letters() == 'PL'
    wp.wait_log(' WARNING E1003 ')


def test_broken_messages(weirpool, pg15):
    """PI, PT, PQ: a message that no client may send, at each moment."""
    wp = weirpool(pg15)
    for before, letters in ((None, 'PI'), (query('begin'), 'PT'), (SLEEP, 'PQ')):
        with wp.raw() as r:
            ends = Ends(wp)
            if before is not None:
                r.send(before)
            if letters == 'PQ':
                running(wp, pg15)
            elif before is not None:
                r.until_ready()
            r.send(rawpg.msg('?', b'what'))
            assert ends.letters() == letters, ends.one()


# --- an administrator

def test_killed(weirpool, pg15):
    """AI, AQ, AT."""
    wp = weirpool(pg15)
    for before, letters in ((query('select 1'), 'AI'), (SLEEP, 'AQ'), (query('begin'), 'AT')):
        with wp.raw() as r:
            r.send(before)
            if letters == 'AQ':
                running(wp, pg15)
            else:
                r.until_ready()
            ends = Ends(wp)
            kill_client(wp)
            assert ends.letters() == letters


def test_al(weirpool, pg15):
    wp = weirpool(pg15)
    ends = Ends(wp)
    r = wp.bare()
    eventually(lambda: int([x for x in wp.admin('SHOW LISTS') if x['list'] == 'login_clients'][0]['items']) > 0)
    wp.stop()
    assert 'AL' in [e[2] for e in ends.all()]
    r.sock.close()


# --- timeouts

def test_timeouts(weirpool, pg15):
    """TL, TQ, TT, TI."""
    wp = weirpool(pg15, client_login_timeout=2, query_timeout=1, idle_transaction_timeout=1, client_idle_timeout=2)
    for before, letters in ((SLEEP, 'TQ'), (query('begin'), 'TT'), (query('select 1'), 'TI')):
        with wp.raw() as r:
            ends = Ends(wp)
            r.send(before)
            assert ends.letters() == letters
    ends = Ends(wp)
    r = wp.bare()
    assert ends.letters() == 'TL'
    r.sock.close()


def test_mysql_ends(weirpool, mysql97):
    wp = weirpool(mysql97, pool_mode='session')
    ends = Ends(wp)
    with wp.my() as m:
        m.q('select 1')
        m.bye()
    assert ends.letters() == 'CI' and ends.fields()['requests'] == '1'
    ends = Ends(wp)
    m = wp.my()
    m.do('begin')
    m.sock.close()
    assert ends.letters() == 'CT'


def test_a_sample(weirpool, pg15):
    """About one of log_sample that come and go as they should, with both its lines; of the others, all."""
    wp = weirpool(pg15, log_sample=10, workers=2)
    for _ in range(100):
        with wp.raw() as r:
            r.bye()
    for _ in range(5):
        with wp.raw() as r:
            r.q('begin')
            r.sock.close()

    def lines(pattern):
        return re.findall(pattern, wp.log())
    eventually(lambda: len(lines(r' I2003 (C-\S+): app/app@.* end=CT ')) == 5)
    eventually(lambda: wp.admin('SHOW CLIENTS WHERE "database" = \'app\'') == [])
    wp.log_written()
    ends = lines(r' I2003 (C-\S+): app/app@.* end=CI .* sample=10')
    assert 5 <= len(ends) <= 15, ends
    assert set(ends) <= set(lines(r' I2001 (C-\S+): app/app@')) and len(lines(r' I2001 ')) <= 16
    assert lines(r' I2003 \S+: weirpool/admin@.* end=CI '), 'the console is not sampled'
    wp.reload(log_sample=1)
    with wp.raw() as r:
        r.bye()
    eventually(lambda: len(lines(r' I2003 \S+: app/app@.* end=CI ')) == len(ends) + 1)


def test_pgbouncers_lines(weirpool, pg15):
    """In section [pgbouncer] the lines are as its own, until it is asked for more."""
    wp = weirpool(pg15, section='pgbouncer')
    with wp.raw() as r:
        r.bye()
    line = wp.wait_log(r'\] LOG C-\S+: app/app@\S+ closing because: client close request \(age=\d+s\)(.*)\n')
    assert line.group(1) == ''
    wp.reload(log_sessions=1, log_codes=1)
    with wp.raw() as r:
        r.bye()
    wp.wait_log(r'\] LOG I2003 C-\S+: app/app@\S+ closing because: client close request \(age=\d+s\) end=CI ')


# --- forms

def test_json_and_logfmt(weirpool, pg15):
    wp = weirpool(pg15, log_format='json')
    with wp.raw() as r:
        r.simple('select 1')
        r.bye()
    lines = [json.loads(x) for x in wp.log().splitlines()]
    assert all(re.fullmatch(r'[DINWEF]\d{4}', x['code']) for x in lines)
    [end] = eventually(lambda: [x for x in map(json.loads, wp.log().splitlines()) if x.get('end') == 'CI'])
    assert end['code'] == 'I2003' and end['requests'] == 1 and isinstance(end['total_us'], int) and end['pins'] == 0
    wp.reload(log_format='logfmt')
    with wp.raw() as r:
        r.bye()
    wp.wait_log(r'level=info code=I2003 who=C-\S+ ctx=\S+ end=CI login_us=\d+ ')


def test_explain(binary):
    def explain(*what):
        r = subprocess.run(as_test_user([binary, 'explain', *what]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd='/')
        return r.returncode, r.stdout, r.stderr
    code, out, _ = explain('e1011')
    assert code == 0 and out.startswith('E1011 ERR_WAIT_TIMEOUT: ') and 'SQLSTATE 57014; MySQL: 1205' in out
    assert '\n  why ' in out and '\n  what to do ' in out and '](' not in out
    assert explain('ERR_WAIT_TIMEOUT')[1] == out and out in explain('57014')[1] and out in explain('1205')[1]
    code, _, err = explain('W9999', 'W3003')
    assert code == 1 and 'W9999' in err
    code, out, _ = explain()
    assert code == 0 and len(out.splitlines()) > 80
    assert explain('--nonsense')[0] == 2 and explain('--help')[0] == 0


# --- recent events, repeats

def events(wp, **want):
    return [r for r in wp.admin('SHOW EVENTS') if all(r[k] == v for k, v in want.items())]


def test_events(weirpool, victim):
    if not victim.alive():
        victim.start()
    wp = weirpool(victim, server_login_retry=1)
    assert events(wp, code='I5002'), 'it started'
    wp.reload(max_client_conn=123)
    [e] = events(wp, code='I5021')
    assert 'max_client_conn' in e['text'] and e['level'] == 'info' and e['name'] == 'RELOAD_CHANGE'
    for _ in range(30):
        with pytest.raises(Exception):  # noqa: B017
            wp.raw(secret='wrong')
    [e] = events(wp, code='E1003')
    assert e['times'] == '30' and e['about'] == 'app/app@127.0.0.1', 'one for all'
    with wp.raw() as r:
        r.simple('select 1')
        victim.stop('immediate')
        r.send(query('select 1'))
        eventually(lambda: events(wp, code='W3009'), 30)
        victim.start()
    eventually(lambda: wp.usable(), 30)
    eventually(lambda: events(wp, code='N3010'), 30)
    ids = [int(r['id']) for r in wp.admin('SHOW EVENTS')]
    assert ids == sorted(ids, reverse=True)
    assert wp.admin('SHOW EVENTS', 'stats'), 'for stats_users, too'


def test_repeats(weirpool, pg15):
    wp = weirpool(pg15, log_repeats=3)
    for _ in range(40):
        with pytest.raises(Exception):  # noqa: B017
            wp.raw(secret='wrong')
    told = wp.wait_log(r' WARNING E1003 app/app@127.0.0.1 (\d+) more like this within \d+ s were not logged', 30)
    eventually(lambda: len(re.findall(r' E1003 C-', wp.log())) + sum(
        int(n) for n in re.findall(r' E1003 app/app@127.0.0.1 (\d+) more like', wp.log())) == 40, 30)
    assert int(told.group(1)) > 0
    assert len(re.findall(' end=PL ', wp.log())) == 40, 'information is never left out'


# --- audit

def test_audit(weirpool, pg15):
    wp = weirpool(pg15, log_format='json', audit_file='audit', http_port=free_port(),
                  http_token='hush-hush-hush-hush-hush')
    file = wp.dir / 'audit'
    wp.admin('SHOW POOLS', 'stats')
    wp.admin('SET query_timeout = 7')
    with pytest.raises(rawpg.PgError):
        wp.admin('PAUSE app', 'stats')
    wp.admin("SET http_token = 'very-secret-token-of-ours'")
    with pytest.raises(rawpg.PgError):
        wp.admin("alter role x password 'very-secret-password'")

    def lines():
        wp.log_written()
        return [json.loads(x) for x in file.read_text().splitlines()]
    got = eventually(lambda: len(lines()) >= 5 and lines(), 10)
    assert [(x['code'], x['via'], x['from'].split(':')[0]) for x in got] == [('I6003', 'console', '127.0.0.1')] * 5
    assert [(x['user'], x['what'], x['result'].split()[0]) for x in got] == [
        ('stats', 'SHOW POOLS', 'ok'), ('admin', 'SET query_timeout = 7', 'ok'), ('stats', 'PAUSE app', 'E1033'),
        ('admin', 'SET http_token = ***', 'ok'), ('admin', "alter role x password '***'", 'E1037')]
    # by HTTP: who has the token, and who has not
    url = 'http://127.0.0.1:%d/reload' % wp.options['http_port']
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, method='POST'), timeout=20)
    auth = {'Authorization': 'Bearer very-secret-token-of-ours'}
    urllib.request.urlopen(urllib.request.Request(url, method='POST', headers=auth), timeout=20)
    refused, taken = eventually(lambda: len(lines()) >= 7 and lines()[5:], 10)
    assert (refused['via'], refused['user'], refused['result'].split()[0]) == ('http', 'http', 'E1033')
    assert (taken['via'], taken['what'], taken['result']) == ('http', 'RELOAD', 'ok') and taken['from'].startswith('127.0.0.1:')
    assert 'very-secret' not in file.read_text() + wp.log()
    issued = [x for x in map(json.loads, wp.log().splitlines()) if x['code'] == 'I6001']
    assert [x['msg'] for x in issued][0] == "SET 'query_timeout' command issued"
    # opened again, for logrotate
    os.rename(file, wp.dir / 'audit.1')
    wp.admin('RELOAD')
    wp.admin('SHOW VERSION')
    eventually(lambda: file.exists() and [x['what'] for x in lines()][-1:] == ['SHOW VERSION'], 10)
    wp.reload(audit_log=0)
    n = len(re.findall('command issued', wp.log()))
    wp.admin('SET query_timeout = 8')
    assert len(re.findall('command issued', wp.log())) == n


# --- nobody reads it, nothing can be written

LONG = 'select 1 /* %s */' % ('x' * 400)


def much(wp, n=4000):
    """More lines than the buffer and the pipe hold, from both workers; every request must be answered."""
    def one():
        with wp.raw() as r:
            for _ in range(n // 100):
                r.send(query(LONG) * 100)
                for _ in range(100):
                    r.until_ready()
            r.bye()
    for t in [in_thread(one) for _ in range(2)]:
        t()


def place(wp, name):
    [row] = [r for r in wp.admin('SHOW LOG') if r['place'] == name]
    return row


def test_a_reader_who_stands_still(weirpool, pg15, tmp_path):
    """stderr is a pipe to a process that is stopped: clients do not notice, lines are counted and the count is told."""
    out = tmp_path / 'log'
    read_end, write_end = os.pipe()
    with open(out, 'wb') as f:
        cat = subprocess.Popen(['cat'], stdin=read_end, stdout=f)
    os.close(read_end)
    try:
        wp = weirpool(pg15, workers=2, log_to=write_end, rules=dict(all=dict(prefix='select', log=1)))
        os.close(write_end)
        wp.usable()
        cat.send_signal(signal.SIGSTOP)
        much(wp)
        row = place(wp, 'stderr')
        assert int(row['dropped']) > 0 and int(row['queued_bytes']) > 500000
        assert wp.usable() and place(wp, 'file')['dropped'] == '0'
        cat.send_signal(signal.SIGCONT)

        def told():
            """the numbers told are the number counted"""
            n = sum(int(x) for x in re.findall(r' WARNING W7001 (\d+) log lines were lost', out.read_text()))
            return n > 0 and n == int(place(wp, 'stderr')['dropped'])
        eventually(told, 30)
        assert events(wp, code='W7001', about='stderr')
        whole = out.read_text().rpartition('\n')[0].splitlines()  # cat may be writing the last one
        half = [x for x in whole if not re.match(r'20\d\d-.* UTC \[\d+\] ', x)]
        assert not half, half[:5]
        # and with a reader that is stopped for good it ends nevertheless
        cat.send_signal(signal.SIGSTOP)
        much(wp)
        wp.stop()
    finally:
        cat.send_signal(signal.SIGCONT)
        cat.kill()
        cat.wait()


def test_a_reader_who_is_gone(weirpool, pg15):
    read_end, write_end = os.pipe()
    wp = weirpool(pg15, log_to=write_end, rules=dict(all=dict(prefix='select', log=1)))
    os.close(write_end)
    os.close(read_end)
    wp.usable()
    assert wp.usable() and eventually(lambda: int(place(wp, 'stderr')['dropped']) > 0 and place(wp, 'stderr')['error'] == 'Broken pipe')


def test_full_disk(weirpool, pg15):
    wp = weirpool(pg15, logfile='/dev/full')
    assert wp.usable()
    row = eventually(lambda: int(place(wp, 'file')['dropped']) > 0 and place(wp, 'file'))
    assert row['error'] == 'No space left on device' and row['state'] == 'open' and place(wp, 'stderr')['dropped'] == '0'
    wp.reload(logfile=wp.dir / 'file.log')
    assert wp.usable()
    eventually(lambda: re.search(r' W7001 \d+ log lines were lost', (wp.dir / 'file.log').read_text()))
    assert place(wp, 'file')['error'] == ''


def test_file_that_cannot_be_opened_again(weirpool, pg15):
    wp = weirpool(pg15, logfile='file.log')
    file, away = wp.dir / 'file.log', wp.dir / 'file.log.1'
    assert wp.usable()
    os.rename(file, away)
    file.mkdir()
    wp.admin('RELOAD')
    wp.wait_log(r' ERROR E5025 cannot open logfile file\.log: Is a directory; what was open stays in use')
    n = len(away.read_text())
    assert wp.usable()
    eventually(lambda: len(away.read_text()) > n, 10)
    assert events(wp, code='E5025')
    file.rmdir()
    wp.admin('RELOAD')
    assert wp.usable()
    eventually(lambda: file.exists() and ' I2003 ' in file.read_text(), 10)


def test_syslog_that_stands_still(weirpool, pg15):
    """The socket of a daemon that reads nothing."""
    wp = weirpool(pg15, rules=dict(all=dict(prefix='select', log=1)))
    directory = wp.dir / 'dev-log'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(directory))
        os.chmod(directory, 0o666)
        wp.reload(syslog=1, syslog_socket=directory)
        much(wp, 4000)
        assert int(place(wp, 'syslog')['dropped']) > 0
        wp.reload(default_pool_size=7)  # opens it again
        assert wp.usable()
        daemon.settimeout(20)
        text = b''
        while b' W7001 ' not in text:
            text = daemon.recv(8192)
        assert re.match(rb'<28>\w{3} [ \d]\d \d\d:\d\d:\d\d weirpool\[%d\]: W7001 \d+ log lines' % wp.pid, text)
