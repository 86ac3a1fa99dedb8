"""Traces: what a receiver of OTLP gets of the statements of PostgreSQL's and MySQL's clients, and what becomes of them when the receiver is slow,
gone, full or no receiver at all. The receiver is a real HTTP server that checks the form of each message."""
import contextlib
import pathlib
import socket
import subprocess
import tempfile
import time

import pytest
import rawmy
import rawpg
from otlp import Collector, parent
from servers import eventually, free_port, give_to_test_user, server_tls


@pytest.fixture
def collector():
    c = Collector()
    yield c
    c.close()


@pytest.fixture
def traced(weirpool, collector):
    def start(*args, **kw):
        return weirpool(*args, **dict(dict(otlp_endpoint=collector.url, otlp_interval=50), **kw))
    return start


def counts(wp):
    row, = wp.admin('SHOW TRACES')
    return row


# --- what a span says

def test_parent_in_a_comment(traced, pg15, collector):
    wp = traced(pg15, otlp_service_name='shop-pool')
    trace, span, tp = parent()
    before = time.time_ns()
    with wp.raw() as c:
        c.q("select 'secret', pg_sleep(0.2) /*application='shop',traceparent='%s'*/" % tp)
        c.q("select 'not traced'")
    root, below = collector.one(trace)
    assert (root.parent, root.kind, root.name, root.flags & 0x301) == (span, 'server', 'SELECT app', 0x301)
    assert before - 10**9 < root.start and root.end < time.time_ns() + 10**9
    assert 0.2 <= root.seconds < 15
    a = root.a
    assert (a['db.system.name'], a['db.system'], a['db.namespace'], a['db.operation.name']) == ('postgresql', 'postgresql', 'app', 'SELECT')
    assert (a['server.address'], a['server.port'], a['weirpool.user'], a['weirpool.database']) == (pg15.host, pg15.port, 'app', 'app')
    assert (a['client.address'], a['weirpool.rows'], a['weirpool.route'], a['weirpool.pinned']) == ('127.0.0.1', 1, 'server', False)
    assert 'db.query.text' not in a and 'error.type' not in a and root.status == {}
    at, route = root.events['weirpool.route']
    assert (route['weirpool.route'], route['server.port']) == ('server', pg15.port)
    server = below['client']
    assert (server.trace, server.parent, server.a['server.port']) == (trace, root.id, pg15.port)
    assert root.start <= at <= server.start and server.end <= root.end and server.seconds >= 0.2
    assert 'secret' not in repr(collector.requests) + repr([s.a for s in collector.spans])
    assert collector.resources[0]['service.name'] == 'shop-pool'
    path, headers, _, _ = collector.requests[0]
    assert (path, headers['Content-Type'], headers['Host']) == ('/v1/traces', 'application/json', '127.0.0.1:%d' % collector.port)
    assert len(collector.roots()) == 1  # the other one asked for nothing


def test_waiting_is_a_span(traced, pg15, collector):
    wp = traced(pg15, default_pool_size=1)
    trace, _, tp = parent()
    with wp.raw() as a, wp.raw() as b:
        a.q('begin')
        b.send(rawpg.query("select 1 /*traceparent='%s'*/" % tp))
        eventually(lambda: wp.admin('SHOW POOLS WHERE cl_waiting > 0'))
        time.sleep(0.3)
        a.q('commit')
        b.until_ready()
    root, below = collector.one(trace)
    wait, server = below['internal'], below['client']
    assert wait.name == 'wait for a server connection'
    assert wait.seconds >= 0.25 and (wait.start, wait.end) == (root.start, root.events['weirpool.route'][0])
    assert wait.end <= server.start and server.end == root.end


def test_no_server_in_time(traced, pg15, collector):
    """The trace says how long it waited, and for what in vain."""
    wp = traced(pg15, default_pool_size=1, query_wait_timeout=1)
    trace, span, tp = parent()
    with wp.raw() as a, wp.raw() as b:
        a.q('begin')
        with pytest.raises(rawpg.Closed, match='query_wait_timeout'):
            b.simple("select 1 /*traceparent='%s'*/" % tp)
    root, below = collector.one(trace)
    assert (root.parent, root.name, root.a['error.type'], root.a['weirpool.user']) == (span, 'app', '57014', 'app')
    assert root.status['message'].startswith('query_wait_timeout: ')
    assert 'server.address' not in root.a and 'weirpool.route' not in root.a and root.events == {}
    assert set(below) == {'internal'} and below['internal'].seconds >= 0.9
    assert (below['internal'].start, below['internal'].end) == (root.start, root.end)


def test_errors_and_texts(traced, pg15, collector):
    wp = traced(pg15, trace_text='normalised')
    asked, below_of = {}, {}
    with wp.raw() as c:
        for sql in ("select 'hunter2' + 1", "/* x */ insert into nothing_like_it values ('hunter2')", "with a as (select 'hunter2') table a",
                    'begin', "select 'open"):
            trace, _, tp = parent()
            c.simple("%s /*traceparent='%s'*/" % (sql, tp))
            asked[sql] = trace
    roots = {sql: collector.one(trace) for sql, trace in asked.items() if 'open' not in sql}
    root, below = roots["select 'hunter2' + 1"]
    assert (root.a['db.query.text'], root.a['error.type'], root.a['db.response.status_code']) == ('select ? + ?', '22P02', '22P02')
    assert root.status == {'code': 2} and below['client'].status == {'code': 2}
    root, _ = roots["/* x */ insert into nothing_like_it values ('hunter2')"]
    assert (root.name, root.a['error.type'], root.a['db.query.text']) == ('INSERT app', '42P01', 'insert into nothing_like_it values ( ? )')
    root, _ = roots["with a as (select 'hunter2') table a"]
    assert (root.name, root.status) == ('app', {}) and 'db.operation.name' not in root.a and 'error.type' not in root.a
    assert roots['begin'][0].name == 'BEGIN app'
    root, _ = collector.one(asked["select 'open"])  # it does not lex: there is no text without values
    assert root.a['error.type'] == '42601' and 'db.query.text' not in root.a
    assert 'hunter2' not in repr([(s.a, s.status, s.name) for s in collector.spans])
    wp.admin("SET trace_text = 'full'")
    trace, _, tp = parent()
    sql = "select 'it is said', 1 < 2 /*traceparent='%s'*/" % tp
    eventually(lambda: wp.raw().simple(sql) and any(r.a.get('db.query.text') == sql for r in collector.roots(trace)))


def test_flag_that_says_no(traced, pg15, collector):
    """Who was told not to be traced is not, even where all others are."""
    wp = traced(pg15, trace_sample=1)
    trace, _, tp = parent('00')
    with wp.raw() as c:
        c.q("select 1 /*traceparent='%s'*/" % tp)
        c.q("select 2 /*traceparent='00-%s-00f067aa0ba902b7-01'*/" % ('0' * 32))  # no trace at all: begins one
        c.q('select 3')
    eventually(lambda: len(collector.roots()) == 2)
    assert all(r.parent is None and r.flags & 0x301 == 0x101 for r in collector.roots())
    assert len({r.trace for r in collector.roots()}) == 2 and trace not in {r.trace for r in collector.roots()}


def test_fraction(traced, pg15, collector):
    """Of 2000 statements 500 are to be expected, and 350 to 650 are never missed by chance (seven standard deviations)."""
    wp = traced(pg15, trace_sample='0.25', databases={'never': 'host=%s port=%d dbname=app trace_sample=0' % (pg15.host, pg15.port)})
    with wp.raw('app', 'never') as c:
        c.send(rawpg.query('select 1') * 20).until_ready(20)
    with wp.raw() as c:
        for _ in range(40):  # no more than a session may have open
            c.send(rawpg.query('select 1') * 50).until_ready(50)
    eventually(lambda: counts(wp)['open'] == '0')
    assert 350 < len(collector.roots()) < 650
    assert counts(wp)['sent'] == str(len(collector.roots()))
    assert all(r.a['weirpool.database'] == 'app' for r in collector.roots())


def test_pipelined_statements_have_their_own(traced, pg15, collector):
    """Each with the parent that came with it; what is behind an error was not run, and is in no trace."""
    wp = traced(pg15)
    p = [parent() for _ in range(4)]
    with wp.raw() as c:
        c.send(rawpg.batch("select 1, pg_sleep(0.1) /*traceparent='%s'*/" % p[0][2]) + rawpg.sync() +
               rawpg.batch("select 2/0 /*traceparent='%s'*/" % p[1][2]) + rawpg.batch("select 3 /*traceparent='%s'*/" % p[2][2]) + rawpg.sync() +
               rawpg.query("select 4, pg_sleep(0.1) /*traceparent='%s'*/" % p[3][2])).until_ready(3)
    first, _ = collector.one(p[0][0])
    failed, _ = collector.one(p[1][0])
    last, below = collector.one(p[3][0])
    assert (first.parent, failed.parent, last.parent) == (p[0][1], p[1][1], p[3][1])
    assert first.status == {} and failed.a['error.type'] == '22012' and last.status == {}
    assert below['client'].start >= failed.end - 1_000_000 and failed.end > first.start  # (ns) the server was not at it before
    eventually(lambda: counts(wp)['open'] == '0')
    assert collector.roots(p[2][0]) == []


def test_prepared_statement(traced, pg15, collector):
    wp = traced(pg15)
    trace, span, tp = parent()
    with wp.raw() as c:
        c.send(rawpg.parse('s', "update pg_class set relname = relname where oid = $1::oid /*traceparent='%s'*/" % tp) + rawpg.sync()).until_ready()
        for _ in range(3):
            c.send(rawpg.bind('', 's', ['0']) + rawpg.execute() + rawpg.sync()).until_ready()
    eventually(lambda: len(collector.roots(trace)) == 3)
    assert {(r.parent, r.name) for r in collector.roots(trace)} == {(span, 'UPDATE app')}
    assert len({r.id for r in collector.roots(trace)}) == 3


def test_mysql(traced, mysql97, collector):
    wp = traced(mysql97, trace_text='normalised')
    trace, span, tp = parent()
    other, _, in_text = parent()
    failed, _, tp3 = parent()
    with wp.my(caps=rawmy.MODERN | rawmy.QUERY_ATTRIBUTES) as c:
        c.q("select 'hunter2', sleep(0.2) /*traceparent='%s'*/" % in_text, attrs={'traceparent': tp})
        c.q("select 2 /*traceparent='%s'*/" % in_text)
        with pytest.raises(rawmy.MyError):
            c.q("select * from nothing_like_it /*traceparent='%s'*/" % tp3)
    root, below = collector.one(trace)
    assert (root.parent, root.name, root.a['db.system.name'], root.a['db.query.text']) == (span, 'SELECT app', 'mysql', 'select ? , sleep ( ? )')
    assert below['client'].seconds >= 0.2 and below['client'].a['server.port'] == mysql97.port
    assert collector.one(other)[0].a['db.query.text'] == 'select ?'
    root, _ = collector.one(failed)
    assert (root.a['error.type'], root.a['db.response.status_code'], root.status) == ('1146', '1146', {'code': 2})


def test_server_or_client_is_lost(traced, victim, collector):
    wp = traced(victim)
    lost, _, tp = parent()
    left, _, tp2 = parent()
    with wp.raw() as c, wp.raw() as d:
        c.send(rawpg.query("select pg_sleep(600) /*traceparent='%s'*/" % tp))
        d.send(rawpg.query("select pg_sleep(601) /*traceparent='%s'*/" % tp2))
        pid, = eventually(lambda: victim.query("select pid from pg_stat_activity where query like 'select pg_sleep(600)%'"))
        eventually(lambda: victim.query("select pid from pg_stat_activity where query like 'select pg_sleep(601)%'"))
        assert not collector.spans
        victim.query('select pg_terminate_backend(%d)' % pid[0])
        root, below = collector.one(lost)
        assert (root.a['error.type'], root.status['code'], below['client'].status['code']) == ('57P01', 2, 2)
        assert 'terminating connection' in root.status['message']
        d.sock.close()
        root, _ = collector.one(left)
        assert (root.a['error.type'], root.status) == ('client_left', {'code': 2})


# --- the receiver

def test_headers_are_secret(traced, pg15, collector, base):
    f = pathlib.Path(tempfile.mkdtemp(dir=base)) / 'token'
    give_to_test_user(f.parent)
    f.write_text('Authorization=Bearer%20hunter2,X-Scope-OrgID=7\n')
    give_to_test_user(f)
    wp = traced(pg15, trace_sample=1, otlp_headers='${file:%s}' % f, log_format='logfmt', verbose=1)
    wp.raw().q('select 1')
    eventually(lambda: collector.requests)
    _, headers, _, _ = collector.requests[0]
    assert (headers['Authorization'], headers['X-Scope-OrgID']) == ('Bearer hunter2', '7')
    row, = wp.admin("SHOW CONFIG WHERE key = 'otlp_headers'")
    assert row['value'] == '****'
    assert 'hunter2' not in repr(wp.admin('SHOW TRACES')) + wp.log()


@pytest.mark.sandbox
def test_by_name(traced, pg15, collector):
    """Looked up by c-ares, in the sandbox, with the name in the header Host."""
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url.replace('127.0.0.1', 'localhost'), sandbox='on')
    wp.raw().q('select 1')
    eventually(lambda: collector.requests)
    assert collector.requests[0][1]['Host'] == 'localhost:%d' % collector.port


def test_receiver_comes_late(traced, pg15):
    """What it could not get at first it gets then."""
    port = free_port()
    wp = traced(pg15, trace_sample=1, otlp_endpoint='http://127.0.0.1:%d/v1/traces' % port)
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: counts(wp)['state'] == 'failing')
        wp.wait_log('W7002 traces cannot be sent')
        eventually(lambda: int(counts(wp)['waiting']) == 1)
        late = Collector(port)
        try:
            root, _ = late.one()
            assert root.name == 'SELECT app'
            eventually(lambda: counts(wp)['state'] == 'on')
            row = counts(wp)
            assert (row['sent'], row['lost'], row['waiting'], row['dropped']) == ('1', '0', '0', '0')
            assert int(row['posts_failed']) >= 1 and row['error'] and row['last_sent'] > row['last_failed']
            wp.wait_log('traces are sent again')
        finally:
            late.close()


@pytest.mark.parametrize('status', [400, 500])
def test_receiver_refuses(traced, pg15, collector, status):
    """These are final: they are not sent again, and the next ones are."""
    wp = traced(pg15, trace_sample=1)
    collector.answer = lambda body: (status, {}, '{"message": "no"}')
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: counts(wp)['rejected'] == '1')
        assert str(status) in counts(wp)['error']
        collector.answer = lambda body: (200, {}, '{"partialSuccess": {"rejectedSpans": "0"}}')
        c.q('select 2')
        eventually(lambda: counts(wp)['sent'] == '1')
    assert [r[2] for r in collector.requests] == [status, 200]


def test_receiver_is_overloaded(traced, pg15, collector):
    wp = traced(pg15, trace_sample=1)
    answers = [(503, {'Retry-After': '1'}, ''), (429, {}, '')]
    collector.answer = lambda body: answers.pop(0) if answers else (200, {}, '{"partialSuccess":{"rejectedSpans":1,"errorMessage":"x"}}')
    wp.raw().q('select 1')
    eventually(lambda: counts(wp)['open'] == '0', 30)
    assert [r[2] for r in collector.requests] == [503, 429, 200]
    assert counts(wp)['rejected'] == '1', 'it was, by half'


def test_slow_receiver_keeps_nobody_waiting(traced, pg15, collector):
    """It answers nothing: the queue fills, the rest is counted, and clients do not notice."""
    collector.open.clear()
    wp = traced(pg15, trace_sample=1, otlp_queue=50, otlp_batch=10, otlp_timeout='60s')
    with wp.raw() as c:
        for _ in range(10):
            c.send(rawpg.query('select 1') * 30).until_ready(30)
        eventually(lambda: counts(wp)['open'] == counts(wp)['waiting'] == '50')
        assert counts(wp)['dropped'] == '250'
        assert 'weirpool_traces_dropped_total 250' in repr(wp.admin('SHOW PROMETHEUS METRICS'))
        collector.open.set()
        eventually(lambda: counts(wp)['open'] == '0')
        assert (counts(wp)['sent'], counts(wp)['dropped']) == ('50', '250')
        assert len(collector.roots()) == 50
        sizes = [sum(s['kind'] == 2 for s in body['resourceSpans'][0]['scopeSpans'][0]['spans']) for *_, body in collector.requests]
        assert max(sizes) <= 10 and sum(sizes) == 50
        c.q('select 1')
        eventually(lambda: counts(wp)['sent'] == '51')


def test_receiver_that_never_answers(traced, pg15, collector):
    collector.open.clear()
    wp = traced(pg15, trace_sample=1, otlp_timeout='200ms')
    wp.raw().q('select 1')
    eventually(lambda: 'otlp_timeout' in counts(wp)['error'])
    assert counts(wp)['state'] == 'failing'
    wp.admin("SET otlp_timeout = '60s'")
    collector.open.set()
    eventually(lambda: counts(wp)['sent'] == '1')


@pytest.mark.parametrize('answer, why', [(b'', 'closed'), (b'SSH-2.0-x\r\n', 'no HTTP'),
                                         (b'HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n', 'too long'),
                                         (b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 9000, ''), (b'HTTP/1.1 abc\r\n\r\n', 'no HTTP')],
                         ids=['nothing', 'ssh', 'long', 'headers', 'status'])
def test_no_receiver_at_all(traced, pg15, answer, why):
    """Whatever answers there, weirpool goes on."""
    with socket.create_server(('127.0.0.1', 0)) as s:
        s.settimeout(30)
        wp = traced(pg15, trace_sample=1, otlp_endpoint='http://127.0.0.1:%d/' % s.getsockname()[1])
        with wp.raw() as c:
            c.q('select 1')
            peer, _ = s.accept()
            with peer:
                assert peer.recv(100).startswith(b'POST / HTTP/1.1\r\n')
                with contextlib.suppress(OSError):  # it may have heard enough
                    peer.sendall(answer)
                    peer.shutdown(socket.SHUT_WR)
                eventually(lambda: counts(wp)['state'] == 'failing')
                assert counts(wp)['error'] and why in counts(wp)['error']
            c.q('select 2')


def test_off_and_on(traced, pg15, collector):
    wp = traced(pg15, trace_sample=1, otlp_endpoint='')
    with wp.raw() as c:
        c.q('select 1')
        assert counts(wp)['state'] == 'off' and counts(wp)['open'] == '0'
        wp.admin("SET otlp_endpoint = '%s'" % collector.url)
        eventually(lambda: c.q('select 2') and collector.roots())
        assert counts(wp)['state'] == 'on'
        wp.admin("SET otlp_endpoint = ''")
        eventually(lambda: counts(wp)['state'] == 'off' and counts(wp)['open'] == '0')
        with pytest.raises(rawpg.PgError, match='must be a URL'):
            wp.admin("SET otlp_endpoint = 'localhost:4318'")
        c.q('select 3')


# --- over TLS

@pytest.fixture
def secure(certs):
    """A receiver with the certificate of that name; client: it wants one of its clients."""
    made = []

    def start(name='server', client=False):
        made.append(Collector(tls=server_tls(certs, name, client)))
        return made[-1]
    yield start
    for c in made:
        c.close()


@pytest.mark.sandbox
@pytest.mark.parametrize('host', ['localhost', '127.0.0.1'])
def test_https(traced, pg15, secure, certs, host):
    collector = secure()
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url.replace('127.0.0.1', host), otlp_tls_ca_file=certs.crt('ca'), sandbox='on',
                otlp_headers='Authorization=Bearer%20hunter2')
    with wp.raw() as c:
        c.q('select 1')
        root, _ = collector.one()
        c.q('select 2')
        eventually(lambda: counts(wp)['sent'] == '2')
    assert root.name == 'SELECT app' and collector.requests[0][1]['Authorization'] == 'Bearer hunter2'
    assert set(collector.names) == {'localhost' if host == 'localhost' else None}, 'an address is no name for SNI'


@pytest.mark.sandbox
@pytest.mark.parametrize('var', ['SSL_CERT_FILE', 'SSL_CERT_DIR'])
def test_https_with_the_cas_of_the_system(traced, pg15, secure, certs, base, var):
    """OpenSSL's, which its variables move. Those of a directory are read when they are needed, in the sandbox."""
    store = pathlib.Path(tempfile.mkdtemp(dir=base))
    subprocess.run(['cp', certs.crt('ca'), store / 'ca.pem'], check=True)
    subprocess.run(['openssl', 'rehash', store], check=True)
    for f in (store, *store.iterdir()):
        give_to_test_user(f)
    collector = secure()
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url, sandbox='on',
                env={var: str(store / 'ca.pem' if var == 'SSL_CERT_FILE' else store), 'SSL_CERT_FILE' if var == 'SSL_CERT_DIR' else 'SSL_CERT_DIR': '/nowhere'})
    wp.raw().q('select 1')
    assert collector.one()[0].name == 'SELECT app'


@pytest.mark.parametrize('name, ca, why, enough', [('expired', 'ca', 'certificate has expired', 'require'), ('elsewhere', 'ca', 'mismatch', 'verify-ca'),
                                                   ('server', 'otherca', 'no CA that is trusted here has signed it', 'require')])
def test_https_that_is_not_to_be_trusted(traced, pg15, secure, certs, name, ca, why, enough):
    collector = secure(name)
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url, otlp_tls_ca_file=certs.crt(ca))
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: counts(wp)['state'] == 'failing')
        assert 'certificate verify failed: ' in counts(wp)['error'] and why in counts(wp)['error']
        wp.wait_log(r'W7002 traces cannot be sent to https://127\.0\.0\.1:%d/v1/traces: certificate verify failed: .*%s' % (collector.port, why))
        assert not collector.requests
        wp.admin("SET otlp_tls_sslmode = '%s'" % enough)
        eventually(collector.roots)
        c.q('select 2')


@pytest.mark.sandbox
def test_a_new_ca_is_read(traced, pg15, secure, certs, base):
    """Written over the old one: without a restart, in the sandbox, by RELOAD; and one that cannot be read leaves the old one."""
    ca = pathlib.Path(tempfile.mkdtemp(dir=base)) / 'ca.pem'
    ca.write_bytes(pathlib.Path(certs.crt('otherca')).read_bytes())
    for f in (ca.parent, ca):
        give_to_test_user(f)
    collector = secure()
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url, otlp_tls_ca_file=ca, sandbox='on')
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: 'certificate verify failed' in counts(wp)['error'])
        ca.write_text('no certificate')
        with pytest.raises(rawpg.PgError, match='otlp_tls: cannot load CA file "%s"' % ca):
            wp.admin('RELOAD')
        ca.write_bytes(pathlib.Path(certs.crt('ca')).read_bytes())
        wp.admin('RELOAD')
        eventually(collector.roots)
        c.q('select 2')


def test_client_certificate(traced, pg15, secure, certs):
    collector = secure(client=True)
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url, otlp_tls_ca_file=certs.crt('ca'))
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: 'certificate required' in counts(wp)['error'])
        wp.reload(otlp_tls_cert_file=certs.crt('app'), otlp_tls_key_file=certs.key('app'))
        eventually(collector.roots)
    assert collector.peers[-1]['commonName'] == 'app'


def test_https_and_http_mixed_up(traced, pg15, collector, secure, certs):
    other = secure()
    wp = traced(pg15, trace_sample=1, otlp_endpoint=collector.url.replace('http:', 'https:'), otlp_tls_ca_file=certs.crt('ca'))
    with wp.raw() as c:
        c.q('select 1')
        eventually(lambda: counts(wp)['error'] == 'TLS: wrong version number (does it speak TLS there?)')
        wp.admin("SET otlp_endpoint = '%s'" % other.url.replace('https:', 'http:'))
        eventually(lambda: counts(wp)['error'] not in ('', 'TLS: wrong version number (does it speak TLS there?)'))
        wp.admin("SET otlp_endpoint = '%s'" % other.url)
        c.q('select 2')
        eventually(other.roots)


def test_a_handshake_that_stops(traced, pg15, certs):
    """The other side takes the connection and says nothing: given up after otlp_timeout, tried again, and clients go on meanwhile."""
    with socket.create_server(('127.0.0.1', 0)) as s:
        s.settimeout(60)
        wp = traced(pg15, trace_sample=1, otlp_endpoint='https://127.0.0.1:%d/' % s.getsockname()[1], otlp_tls_ca_file=certs.crt('ca'), otlp_timeout='300ms')
        with wp.raw() as c:
            c.q('select 1')
            peer, _ = s.accept()
            with peer:
                assert peer.recv(3)[:1] == b'\x16', 'a ClientHello'
                c.q('select 2')
                eventually(lambda: 'no answer within 0.3 s (otlp_timeout)' in counts(wp)['error'])
                again, _ = s.accept()
                again.close()
            c.q('select 3')
