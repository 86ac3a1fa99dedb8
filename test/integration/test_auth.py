"""Who gets in: every method on both sides, HBA files, ident maps, certificates, peer, auth_query, SCRAM keys passed on."""
import hashlib
import time

import psycopg
import pytest
import rawmy
import rawpg
from rawmy import RawMy
from rawpg import Raw, Scram
from servers import eventually
from test_proxy_protocol import v1

ROLE_METHOD = {'app': 'scram-sha-256', 'appmd5': 'md5', 'appplain': 'password', 'apptrust': 'trust'}


def refused(call):
    """The error of a login that must not succeed."""
    with pytest.raises((rawpg.PgError, rawpg.Closed)) as e:
        call()
    if isinstance(e.value, rawpg.Closed):
        es = rawpg.errors(e.value.messages)
        assert es, 'closed without a word'
        return es[0]
    return e.value.fields


def secret_of(server, kind, user, password='app'):
    if kind == 'plain':
        return password
    if kind == 'md5':
        return 'md5' + hashlib.md5((password + user).encode()).hexdigest()
    return server.query("select rolpassword from pg_authid where rolname = '%s'" % user)[0][0]


@pytest.fixture(scope='module')
def scram_of(pg15):
    """A SCRAM verifier for each role; those of roles with another method come from twins."""
    out = {}
    with pg15.connect() as c:
        for u in ROLE_METHOD:
            c.execute("drop role if exists twin")
            if u == 'app':
                out[u] = secret_of(pg15, 'scram', 'app')
            else:
                c.execute("create role twin password 'app'")
                out[u] = secret_of(pg15, 'scram', 'twin')
    return out


def expected(method, kind, role):
    """None: may go either way."""
    client = True if method in ('trust', 'plain', 'md5') else kind != 'md5'
    if not client:
        return 'client'
    server = ROLE_METHOD[role]
    if server == 'trust' or kind == 'plain':
        return 'ok'
    if method == 'plain':
        return None         # the client's own password could be passed on
    if kind == 'md5':
        return 'ok' if server == 'md5' else 'server'
    return 'ok' if server == 'scram-sha-256' and method in ('md5', 'scram-sha-256') else 'server'


@pytest.mark.parametrize('role', list(ROLE_METHOD))
@pytest.mark.parametrize('kind', ['plain', 'md5', 'scram'])
@pytest.mark.parametrize('method', ['trust', 'plain', 'md5', 'scram-sha-256'])
def test_method_by_secret_by_server(weirpool, pg15, scram_of, method, kind, role):
    secret = scram_of[role] if kind == 'scram' else secret_of(pg15, kind, role)
    want = expected(method, kind, role)
    wp = weirpool(pg15, auth_type=method, userlist={role: secret}, query_wait_timeout=20 if want == 'ok' else 2, server_login_retry=1)

    def go():
        with wp.raw(role, secret='app') as r:
            return r.one('select current_user')
    if want == 'ok':
        assert go() == role
    elif want == 'client':
        assert refused(go)['C'] == '28P01'
    elif want == 'server':
        refused(go)
    if method != 'trust':
        e = refused(lambda: wp.raw(role, secret='wrong'))
        assert e['C'] == '28P01'
        refused(lambda: wp.raw(role, secret=''))
    assert kind == 'plain' or secret not in wp.log()


def test_what_is_asked(weirpool, pg15, scram_of):
    """The authentication requests on the wire."""
    for method, kind, want in (('plain', 'plain', [3, 0]), ('md5', 'plain', [5, 0]), ('md5', 'md5', [5, 0]),
                               ('md5', 'scram', [10, 11, 12, 0]), ('scram-sha-256', 'scram', [10, 11, 12, 0]),
                               ('trust', 'plain', [0])):
        secret = scram_of['app'] if kind == 'scram' else secret_of(pg15, kind, 'app')
        wp = weirpool(pg15, auth_type=method, userlist={'app': secret}, query_wait_timeout=2)
        r = wp.bare()
        try:
            r.login()
        except (rawpg.PgError, rawpg.Closed):
            assert kind == 'md5'
        assert r.auth_methods == want or kind == 'md5' and r.auth_methods == want[:-1]
        if want[0] == 10:
            assert r.mechanisms == ['SCRAM-SHA-256']


@pytest.mark.parametrize('method', ['plain', 'md5', 'scram-sha-256'])
@pytest.mark.parametrize('stored', ['', 'absent'])
def test_no_password_is_no_way_in(weirpool, pg15, method, stored):
    wp = weirpool(pg15, auth_type=method, userlist={'app': ''} if stored == '' else {})
    user = 'app' if stored == '' else 'ghost'
    for secret in ('', 'app', 'md5', '\x01'):
        assert refused(lambda: wp.raw(user, secret=secret))['C'] == '28P01'


@pytest.mark.parametrize('method', ['plain', 'md5', 'scram-sha-256'])
def test_unknown_user_looks_like_a_wrong_password(weirpool, pg15, method):
    wp = weirpool(pg15, auth_type=method)
    known, unknown = wp.bare(), wp.bare()
    with pytest.raises(rawpg.PgError) as a:
        known.login(secret='wrong')
    with pytest.raises(rawpg.PgError) as b:
        unknown.login(user='ghost', secret='wrong')
    assert known.auth_methods == unknown.auth_methods
    assert a.value.fields == {k: v.replace('ghost', 'app') for k, v in b.value.fields.items()}


def test_unknown_user_gets_a_stable_salt(weirpool, pg15):
    """SCRAM: salt and iterations of an unknown user must not give it away: the same in each try, other than its neighbour's."""
    wp = weirpool(pg15)

    def first(user):
        r = wp.bare()
        r.send(rawpg.startup({'user': user, 'database': 'app'}))
        assert r.recv().auth == 10
        r.send(rawpg.sasl_initial('SCRAM-SHA-256', Scram('x').first()))
        f = dict(p.split('=', 1) for p in r.recv().body[4:].decode().split(','))
        r.shut()
        return f['s'], f['i']
    assert first('ghost') == first('ghost') != first('ghoul')
    assert first('ghost')[1] == first('app')[1]
    assert first('app') == first('app')


def test_user_any(weirpool, pg15):
    wp = weirpool(pg15, auth_type='any', databases={'any': dict(host=pg15.host, port=pg15.port, dbname='app', user='app2',
                                                                password='app')})
    r = wp.bare()
    r.login(user='whoever', dbname='any')
    assert r.one('select current_user') == 'app2'


def test_any_on_the_console(weirpool, pg15, maria1011):
    """Who is on this machine has all commands, as with PgBouncer, whatever the name; who comes from elsewhere (the balancer says where)
    has none, and is told why. Both protocols."""
    forced = dict(host=pg15.host, port=pg15.port, dbname='app', user='app2', password='app')
    wp = weirpool(pg15, mysql=maria1011, auth_type='any', admin_users='boss', databases={'any': forced}, proxy_protocol_networks='127.0.0.1')

    def clients(source):
        r, m = Raw(wp.port), RawMy(wp.mysql_port, greet=False)
        r.sock.sendall(v1(source))
        m.sock.sendall(v1(source))
        m.read_greeting()
        return r, m

    for source in ('127.0.0.1', '127.9.9.9', '::1'):
        for user in ('whoever', 'boss'):
            r, m = clients(source)
            with r, m:
                r.login(user, 'weirpool')
                assert rawpg.errors(r.simple('set query_wait_timeout = 9')) == []
                m.login(user, '', 'weirpool')
                assert 'weirpool' in m.q('show version')[0][0]
    wp.wait_log('console login: user=whoever privilege=admin')
    for source in ('203.0.113.7', '2001:db8::7', '::ffff:10.0.0.1', '10.127.0.1'):
        for user in ('whoever', 'boss'):
            r, m = clients(source)
            with r, m:
                f = refused(lambda: r.login(user, 'weirpool'))
                assert f['C'] == '28000' and 'auth_type=any lets clients of this machine onto the console' in f['M'] and '127.0.0.1' in f['H']
                with pytest.raises(rawmy.MyError, match='this machine'):
                    m.login(user, '', 'weirpool')
    with psycopg.connect(host=wp.dir, port=wp.port, user='whoever', dbname='weirpool', autocommit=True) as c:
        assert c.execute('show databases').fetchall() and c.execute('reload')


# --- HBA
HBA = '''
# TYPE  DATABASE  USER      ADDRESS         METHOD
local   all       all                       scram-sha-256
host    app2      app       127.0.0.1/32    reject
host    app       apptrust  127.0.0.1/32    trust
host    app       appmd5    127.0.0.1  255.255.255.255  md5
host    sameuser  app2      all             scram-sha-256
host    "app","postgres"  app  127.0.0.0/8  scram-sha-256
host    app       super     10.0.0.0/8      trust
host    weirpool,pgbouncer  admin,stats 127.0.0.1/32    scram-sha-256
hostssl app       appplain  all             password
host    app       @users.inc  127.0.0.1/32  plain
'''


@pytest.fixture
def hba(weirpool, pg15):
    wp = weirpool(pg15, hba=HBA.replace('@users.inc  127.0.0.1/32  plain', 'repl 127.0.0.1/32 password'))
    return wp


@pytest.mark.parametrize('user,db,ok,asked', [
    ('app', 'app', True, [10, 11, 12, 0]), ('app', 'postgres', True, [10, 11, 12, 0]), ('app', 'app2', False, []),
    ('apptrust', 'app', True, [0]), ('apptrust', 'app2', False, []), ('appmd5', 'app', True, [5, 0]),
    ('app2', 'app2', True, [10, 11, 12, 0]), ('app2', 'app', False, []), ('super', 'app', False, []),
    ('appplain', 'app', False, []), ('repl', 'app', True, [3, 0]), ('ghost', 'app', False, []),
])
def test_hba(hba, user, db, ok, asked):
    r = hba.bare()
    if ok:
        r.login(user, db, hba.userlist.get(user, 'x'))
        assert r.one('select current_user') == user
    else:
        with pytest.raises(rawpg.PgError) as e:
            r.login(user, db, hba.userlist.get(user, 'x'))
        assert e.value.sqlstate in ('28000', '28P01') and e.value.severity == 'FATAL'
    if asked:
        assert r.auth_methods == asked


def test_hba_file_of_names(weirpool, pg15):
    wp = weirpool(pg15)
    names = wp.put('users.inc', 'app\n"repl"\n')
    wp.hba = 'host app @%s 127.0.0.1/32 scram-sha-256\nhost all admin 127.0.0.1/32 scram-sha-256\n' % names
    wp.reload()
    assert wp.usable()
    refused(lambda: wp.raw('app2'))


def test_bad_hba_keeps_the_old(weirpool, pg15):
    wp = weirpool(pg15, hba='host all all 127.0.0.1/32 scram-sha-256\n')
    wp.put('hba.conf', 'host all all 127.0.0.1/32 scram-sha-256\nhost everywhere is wrong nomethod\n')
    with pytest.raises(rawpg.PgError) as e:
        wp.admin('RELOAD')
    assert 'RELOAD' in e.value.message
    wp.wait_log(r'hba\.conf:2')
    assert wp.usable()


def test_hba_replication_is_not_all(weirpool, pg15):
    wp = weirpool(pg15, hba='host all all 127.0.0.1/32 scram-sha-256\n')
    assert refused(lambda: wp.raw('repl', 'app', params={'replication': 'true'}))['C'] == '28000'
    wp = weirpool(pg15, hba='host replication repl 127.0.0.1/32 scram-sha-256\n')
    with wp.raw('repl', 'app', params={'replication': 'true'}) as r:
        assert rawpg.rows(r.simple('IDENTIFY_SYSTEM'))
    refused(lambda: wp.raw('repl', 'app'))


def test_hba_hostssl_and_hostnossl(weirpool, pg15, certs):
    wp = weirpool(pg15, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'),
                  client_tls_key_file=certs.key('server'),
                  hba='hostssl all app 127.0.0.1/32 scram-sha-256\nhostnossl all app2 127.0.0.1/32 scram-sha-256\n')
    refused(lambda: wp.raw('app'))
    assert wp.usable('app2', 'app')
    with wp.bare() as r:
        r.start_tls().login('app')
        assert r.one('select 1') == '1'
    with wp.bare() as r:
        r.wrap(rawpg.tls_context(alpn=True)).login('app')
        assert r.one('select 1') == '1'
    with wp.bare() as r:
        r.start_tls()
        refused(lambda: r.login('app2', 'app'))


# --- certificates and peer
@pytest.fixture
def mtls(weirpool, pg15, certs):
    def start(**kw):
        return weirpool(pg15, client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'),
                        client_tls_ca_file=certs.crt('ca'), **dict(dict(client_tls_sslmode='verify-full'), **kw))
    return start


def with_cert(wp, certs, who, user, dbname='app'):
    r = wp.bare()
    r.start_tls(rawpg.tls_context(cert=certs.crt(who) if who else None, key=certs.key(who) if who else None))
    try:
        r.login(user, dbname)
    except rawpg.ssl.SSLError as e:
        raise rawpg.Closed([rawpg.Msg('E', b'Mtls: %s\0\0' % str(e).encode())]) from e
    return r


def test_cert(mtls, certs):
    wp = mtls(auth_type='cert')
    r = with_cert(wp, certs, 'app', 'app')
    assert r.auth_methods == [0] and r.one('select current_user') == 'app'
    for who, user in (('app', 'app2'), ('nobody', 'app'), ('app-otherca', 'app'), (None, 'app')):
        with pytest.raises((rawpg.PgError, rawpg.Closed, OSError)):
            with_cert(wp, certs, who, user)
    assert with_cert(wp, certs, 'app', 'app').one('select 1') == '1'


def test_cert_by_hba_and_map(mtls, certs):
    wp = mtls(client_tls_sslmode='allow', hba='hostssl all app,app2 127.0.0.1/32 cert map=people\n'
              'host all admin 127.0.0.1/32 scram-sha-256\n', ident='people appcert app\npeople appcert app2\npeople app app\n')
    assert with_cert(wp, certs, 'appcert', 'app').one('select current_user') == 'app'
    assert with_cert(wp, certs, 'appcert', 'app2').one('select current_user') == 'app2'
    assert with_cert(wp, certs, 'app', 'app').one('select 1') == '1'
    for who, user in (('app', 'app2'), ('nobody', 'app'), (None, 'app')):
        refused(lambda: with_cert(wp, certs, who, user))


def test_peer(weirpool, pg15):
    """The tests run as root: the map says whom root may be."""
    wp = weirpool(pg15, hba='local all all peer map=m\n', ident='m root app\n')
    path = '%s/.s.PGSQL.%d' % (wp.dir, wp.port)
    with rawpg.Raw(0, unix=path) as r:
        r.login('app')
        assert r.auth_methods == [0] and r.one('select current_user') == 'app'
    with rawpg.Raw(0, unix=path) as r:
        refused(lambda: r.login('app2', 'app'))
    refused(lambda: wp.raw('app'))


def test_console_by_socket_needs_the_same_uid(weirpool, pg15):
    """User pgbouncer on the unix socket is admin without a password only for the daemon's own uid; root is another."""
    wp = weirpool(pg15)
    r = rawpg.Raw(0, unix='%s/.s.PGSQL.%d' % (wp.dir, wp.port))
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        r.login('pgbouncer', 'pgbouncer', secret='')
    r.shut()


# --- auth_query
@pytest.fixture
def dyn(pg15):
    """Roles that only the server knows."""
    with pg15.connect() as c:
        for n, extra in (('dyn', ''), ('expired', " valid until '2001-01-01'"), ('later', " valid until '2100-01-01'"),
                         ('nologin', ' nologin')):
            c.execute('drop role if exists %s' % n)
            c.execute("create role %s login password 'secret-%s' %s" % (n, n, extra) if n != 'nologin' else
                      "create role nologin nologin password 'secret-nologin'")
        c.execute('drop role if exists dynmd5')
        c.execute("set password_encryption = 'md5'; create role dynmd5 login password 'secret-dynmd5'")
    yield pg15


def test_auth_query(weirpool, dyn):
    wp = weirpool(dyn, auth_user='super')
    for user in ('dyn', 'later'):
        with wp.raw(user, secret='secret-' + user) as r:
            assert r.one('select current_user') == user
    assert refused(lambda: wp.raw('dyn', secret='wrong'))['C'] == '28P01'
    assert refused(lambda: wp.raw('ghost', secret='secret'))['C'] == '28P01'
    assert refused(lambda: wp.raw('expired', secret='secret-expired'))['C'] == '28P01'
    assert refused(lambda: wp.raw('nologin', secret='secret-nologin'))['C'] in ('28P01', '28000')
    assert wp.usable()


def test_auth_query_passes_scram_keys_on(weirpool, dyn):
    """No password of dyn is stored here, and the server wants SCRAM: the keys come from the client's proof. Later
    connections of the pool use them as well."""
    wp = weirpool(dyn, auth_user='super', default_pool_size=3)
    clients = [wp.raw('dyn', secret='secret-dyn') for _ in range(3)]
    for c in clients:
        c.send(rawpg.query('select current_user from pg_sleep(0.3)'))
    for c in clients:
        assert rawpg.rows(c.until_ready()) == [('dyn',)]
    dyn.terminate_backends("usename = 'dyn'")
    eventually(lambda: wp.pool(user='dyn')['sv_idle'] == 0) # a query sent in this very moment gets the server's 57P01
    assert clients[0].one('select current_user') == 'dyn'


@pytest.mark.parametrize('method', ['plain', 'md5', 'scram-sha-256'])
@pytest.mark.parametrize('query', [True, False])
def test_nobody_is_let_in_as_auth_user(weirpool, dyn, method, query):
    """CVE-2015-6817: unknown users, with each method, with and without auth_query."""
    wp = weirpool(dyn, auth_type=method, **(dict(auth_user='super') if query else {}))
    for user in ('ghost', 'super2', ' super', 'SUPER', 'super '):
        for secret in ('super', '', 'ghost'):
            assert refused(lambda: wp.raw(user, secret=secret))['C'] == '28P01'


def test_password_change_is_noticed(weirpool, dyn):
    wp = weirpool(dyn, auth_user='super')
    wp.raw('dyn', secret='secret-dyn').bye()
    dyn.query("alter role dyn password 'other'")
    eventually(lambda: logs_in(wp, 'dyn', 'other'))
    refused(lambda: wp.raw('dyn', secret='secret-dyn'))
    dyn.query("alter role dyn valid until '2001-01-01'")
    eventually(lambda: not logs_in(wp, 'dyn', 'other'))
    dyn.query('drop role dyn')


def logs_in(wp, user, secret):
    try:
        wp.raw(user, secret=secret).bye()
        return True
    except (rawpg.PgError, rawpg.Closed):
        return False


def test_auth_query_per_database(weirpool, dyn):
    with dyn.connect('app2') as c:
        c.execute("drop table if exists logins; create table logins (u text, p text);"
                  "insert into logins values ('tenant', 'tenantpw'), ('it''s \"odd\"', 'oddpw')")
    wp = weirpool(dyn, auth_type='scram-sha-256',
                  databases={'own': dict(host=dyn.host, port=dyn.port, dbname='app', user='app', password='app',
                                         auth_user='super', auth_dbname='app2',
                                         auth_query='select u, p from public.logins where u=$1')})
    with wp.raw('tenant', 'own', 'tenantpw') as r:
        assert r.one('select current_user') == 'app'
    with wp.raw('it\'s "odd"', 'own', 'oddpw') as r:
        assert r.one('select 1') == '1'
    refused(lambda: wp.raw('tenant', 'own', 'wrong'))
    refused(lambda: wp.raw("x' or true --", 'own', 'tenantpw'))
    refused(lambda: wp.raw('tenant', 'app', 'tenantpw'))


def test_auth_query_ignores_clients_search_path(weirpool, dyn):
    """CVE-2025-12819: a search_path of the client must not reach the connection that asks for its secret."""
    with dyn.connect('app') as c:
        c.execute('create schema if not exists evil; grant all on schema evil to public')
        c.execute("create or replace function evil.lt(timestamptz, timestamptz) returns bool language sql as"
                  " $$ select pg_catalog.set_config('app.hijacked', 'yes', false) is null $$")
        c.execute('drop operator if exists evil.< (timestamptz, timestamptz);'
                  'create operator evil.< (leftarg = timestamptz, rightarg = timestamptz, function = evil.lt)')
        c.execute("drop table if exists evil.pg_authid; create table evil.pg_authid as select 'dyn'::name as rolname,"
                  " 'hijacked'::text as rolpassword, true as rolcanlogin, null::timestamptz as rolvaliduntil; "
                  "grant all on evil.pg_authid to public")
    wp = weirpool(dyn, auth_user='super')
    for path in ('evil, pg_catalog', 'evil'):
        for params in ({'search_path': path}, {'options': '-c search_path=' + path.replace(' ', '')}):
            refused(lambda: wp.raw('dyn', secret='hijacked', params=params))
            refused(lambda: wp.raw('expired', secret='secret-expired', params=params))
            with wp.raw('dyn', secret='secret-dyn', params=params) as r:
                assert r.one('select current_user') == 'dyn'
    dyn.query('drop schema evil cascade', dbname='app')


def test_auth_query_when_the_server_is_away(weirpool, victim):
    wp = weirpool(victim, auth_user='super', query_wait_timeout=3, client_login_timeout=5)
    victim.stop()
    try:
        e = refused(lambda: wp.raw('dyn', secret='x'))
        assert 'super' not in str(e).replace('auth_user', '')
    finally:
        victim.start()

    def again():
        """the server is found"""
        try:
            return wp.usable()
        except (rawpg.PgError, rawpg.Closed):
            return False
    eventually(again)


def test_auth_query_that_is_wrong(weirpool, pg15):
    wp = weirpool(pg15, auth_user='super', auth_query='select nonsense from nowhere where x=$1', query_wait_timeout=5)
    e = refused(lambda: wp.raw('dyn', secret='x'))
    assert 'nowhere' not in str(e)
    wp.wait_log('nowhere')
    assert wp.usable()


# --- SCRAM and channel binding
@pytest.fixture
def tls(weirpool, pg15, certs):
    return weirpool(pg15, client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'),
                    client_tls_key_file=certs.key('server'))


def binding_of(r):
    return hashlib.sha256(r.sock.getpeercert(True)).digest()


def test_scram_plus(tls):
    r = tls.bare().start_tls()
    r.login(scram=Scram('app', 'SCRAM-SHA-256-PLUS', binding_of(r)))
    assert set(r.mechanisms) == {'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'} and r.mechanisms[0] == 'SCRAM-SHA-256-PLUS'
    assert r.one('select 1') == '1'


def test_scram_plus_by_libpq(tls, certs):
    with tls.connect(sslmode='require', channel_binding='require') as c:
        assert c.execute('select 1').fetchone() == (1,)


@pytest.mark.parametrize('how', ['wrong', 'empty', 'unique', 'downgrade', 'n-over-plus'])
def test_scram_plus_refused(tls, how):
    r = tls.bare().start_tls()
    b = binding_of(r)
    scram = {'wrong': lambda: Scram('app', 'SCRAM-SHA-256-PLUS', b[::-1]),
             'empty': lambda: Scram('app', 'SCRAM-SHA-256-PLUS', b''),
             'unique': lambda: Scram('app', 'SCRAM-SHA-256-PLUS', b, 'tls-unique'),
             'downgrade': lambda: Scram('app', flag='y'),
             'n-over-plus': lambda: n_over_plus()}[how]()
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        r.login(scram=scram)


def n_over_plus():
    s = Scram('app')
    s.mechanism = 'SCRAM-SHA-256-PLUS'
    return s


def test_scram_plain_over_tls_still_works(tls):
    r = tls.bare().start_tls()
    r.login(scram=Scram('app', flag='n'))
    assert r.one('select 1') == '1'


def test_no_plus_without_tls(weirpool, pg15):
    wp = weirpool(pg15)
    r = wp.bare()
    r.login(scram=Scram('app', flag='y'))
    assert r.mechanisms == ['SCRAM-SHA-256']
    r = wp.bare()
    with pytest.raises((rawpg.PgError, rawpg.Closed)):
        r.login(scram=Scram('app', 'SCRAM-SHA-256-PLUS', b'x' * 32))


def test_scram_user_name_in_the_message_is_ignored(weirpool, pg15):
    """As PostgreSQL: who logs in stands in the startup packet."""
    s = Scram('app')
    s.first_bare = 'n=somebody else,r=' + s.nonce
    wp = weirpool(pg15)
    r = wp.bare()
    r.login(scram=s)
    assert r.one('select current_user') == 'app'


def test_scram_proof_replayed(weirpool, pg15):
    """A proof holds for its own nonce only."""
    wp = weirpool(pg15)
    r = wp.bare()
    s = Scram('app')
    r.login(scram=s)
    s2 = Scram('app')
    s2.nonce, s2.first_bare = s.nonce, s.first_bare
    r2 = wp.bare()
    r2.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    r2.recv()
    r2.send(rawpg.sasl_initial('SCRAM-SHA-256', s2.first()))
    m = r2.recv()
    old = s.final(s.server_first.encode())
    assert m.body[4:].decode() != s.server_first
    r2.send(rawpg.sasl_response(old))
    out = r2.recv_until('ER')
    assert out[-1].type == 'E'


@pytest.mark.parametrize('final', [b'', b'c=biws', b'c=biws,r=x,p=', b'r=x', b'c=biws,r=%n,p=AAAA', b'c=biws,r=%n,p=====',
                                   b'c=,r=%n,p=' + b'A' * 44, b'c=biws,r=%n,p=' + b'A' * 5000, b'c=biws,r=%n,p=\xff\xfe',
                                   b'c=biws,r=%nextra,p=' + b'A' * 43 + b'=', b'\0' * 50, b'c=biws,p=AAAA,r=%n'])
def test_bad_scram_final(weirpool, pg15, final):
    wp = weirpool(pg15)
    r = wp.bare()
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    r.recv()
    r.send(rawpg.sasl_initial('SCRAM-SHA-256', Scram('app').first()))
    nonce = r.recv().body[4:].split(b',')[0][2:]
    r.send(rawpg.sasl_response(final.replace(b'%n', nonce)))
    out = r.expect_closed()
    assert [m.type for m in out if m.type in 'ER'] == ['E']
    assert wp.usable()


@pytest.mark.parametrize('first', [b'', b'n', b'n,,', b'n,,n=,r=', b'x,,n=,r=abc', b'n,a=admin,n=,r=abcdefgh', b'n,,m=x,n=,r=abc',
                                   b'y,,r=abc', b'n,,n=,r=' + b'a' * 9000, b'n,,n=,r=a\0b', b'p=tls-unique,,n=,r=abc',
                                   b'n,,n=,r=\xc3\x28'])
def test_bad_scram_first(weirpool, pg15, first):
    wp = weirpool(pg15)
    r = wp.bare()
    r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
    r.recv()
    r.send(rawpg.sasl_initial('SCRAM-SHA-256', first))
    try:
        m = r.recv()
        if m.type == 'R':
            assert m.auth == 11
    except rawpg.Closed:
        pass
    r.shut()
    assert wp.usable()


def test_long_passwords(weirpool, pg15):
    """1023 .. 65535 bytes; a password message of any size is taken or refused, and nothing else happens."""
    for n in (72, 1000, 1023, 1024, 1025, 4095, 4096, 8191):
        secret = 'p' * n
        wp = weirpool(pg15, auth_type='plain', userlist={'forced': secret},
                      databases={'f': dict(host=pg15.host, port=pg15.port, dbname='app', user='app', password='app')})
        try:
            wp.raw('forced', 'f', secret).bye()
        except (rawpg.PgError, rawpg.Closed):
            assert n > 996
        refused_or_closed(wp, 'forced', 'f', secret + 'x')
        refused_or_closed(wp, 'forced', 'f', secret[:-1])
        assert wp.usable('app', 'app')
    for n in (16383, 65535, 1000000):
        refused_or_closed(wp, 'forced', 'f', 'q' * n)
        assert wp.usable('app', 'app')


def refused_or_closed(wp, user, db, secret):
    with pytest.raises((rawpg.PgError, rawpg.Closed, ConnectionError)):
        wp.raw(user, db, secret)


def test_psycopg_wrong_password_text(weirpool, pg15):
    wp = weirpool(pg15)
    with pytest.raises(psycopg.OperationalError) as e:
        wp.connect(password='wrong')
    assert 'password authentication failed for user "app"' in str(e.value)


def test_many_slow_logins_cost_nobody_else(weirpool, pg15):
    """Fifty half-open logins; another client's login is quick."""
    wp = weirpool(pg15, max_client_conn=300)
    slow = []
    for _ in range(50):
        r = wp.bare()
        r.send(rawpg.startup({'user': 'app', 'database': 'app'}))
        slow.append(r)
    t = time.monotonic()
    assert wp.usable()
    assert time.monotonic() - t < 20
    assert len(slow) == 50


def test_secrets_never_in_the_log(weirpool, dyn):
    wp = weirpool(dyn, auth_user='super', verbose=3, userlist={'app': 'app-very-secret'}, log_connections=1)
    for user, secret in (('dyn', 'secret-dyn'), ('dyn', 'a-wrong-one'), ('app', 'app-very-secret')):
        try:
            wp.raw(user, secret=secret).one('select 1')
        except (rawpg.PgError, rawpg.Closed):
            pass
    wp.admin('SHOW CONFIG')
    log = wp.log()
    for s in ('secret-dyn', 'a-wrong-one', 'app-very-secret', 'SCRAM-SHA-256$'):
        assert s not in log
