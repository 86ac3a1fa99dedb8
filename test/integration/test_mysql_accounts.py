"""Rules of accounts (hosts, locks, expiry, REQUIRE ...) that the server cannot apply to clients of weirpool, which it does
not see: each answer is held against the one that the same client gets directly."""
import contextlib
import itertools

import pytest
import rawmy
from rawmy import MyError, RawMy
from servers import eventually

CA = '/CN=weirpool test ca'
NATIVE_APP = '*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3'


@contextlib.contextmanager
def accounts(server, *sql):
    """Statements of root's; every account whose name begins with acc, and anonymous ones, are gone afterwards."""
    with server.connect() as c, c.cursor() as k:
        try:
            for s in sql:
                k.execute(s)
            yield
        finally:
            k.execute("select user, host from mysql.user where user like 'acc%%' or user = ''")
            for user, host in k.fetchall():
                k.execute("drop user '%s'@'%s'" % (user, host))


@pytest.fixture
def authq(weirpool, certs):
    """weirpool that asks the server for accounts, as super; forced: links are super's too, so that it alone judges."""
    def start(server, forced=True, sock=False, **kw):
        options = dict(client_tls_sslmode='allow', client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'),
                       client_tls_ca_file=certs.crt('ca'), auth_user='super', query_wait_timeout=10, **kw)
        entry = dict(host=server.socket if sock else server.host, port=server.port, dbname='app')
        if forced:
            entry.update(user='super', password='super')
        wp = weirpool(mysql_databases={'app': entry}, **options)
        wp.userlist = dict(super='super', admin='admin')
        wp.reload()
        with wp.my('super', 'super'):                 # (from now on it greets as the server does)
            return wp
    return start


def answer(port, user, secret='app', tls=None, source=None, db=None, **kw):
    """'in', or the error of the login or of the first statement."""
    try:
        with RawMy(port, source=source) as r:
            r.login(user, secret, db, tls=tls, **kw)
            r.q('select 1')
            return 'in'
    except MyError as e:
        return e.errno, e.sqlstate, e.text
    except AssertionError as e:                       # (MariaDB 11.8 asks strangers for any plugin)
        assert 'no way to answer' in str(e)
        return 1045, '28000', "Access denied for user '%s'@'127.0.0.1' (using password: %s)" % (user, 'YES' if secret else 'NO')


def both(server, wp, user, *args, **kw):
    """The answers, directly and through weirpool."""
    return answer(server.port, user, *args, db=None, **kw), answer(wp.mysql_port, user, *args, db='app', **kw)


# --- rules
RULES = {'none': '', 'lock': 'account lock', 'expire': 'password expire', 'ssl': 'require ssl', 'x509': 'require x509',
         'subject': "require subject '/CN=app'", 'other_subject': "require subject '/CN=appcert'",
         'issuer': "require issuer '%s'" % CA, 'other_issuer': "require issuer '/CN=weirpool test otherca'",
         'both': "require issuer '%s' and subject '/CN=app'" % CA, 'one_wrong': "require issuer '%s' and subject '/CN=x'" % CA,
         'other_cipher': "require cipher 'AES128-SHA'",
         'all': 'require ssl account lock password expire', 'lock_expire': 'account lock password expire',
         'x509_lock': 'require x509 account lock', 'ssl_expire': 'require ssl password expire',
         'interval': 'password expire interval 1 day', 'never': 'password expire never'}


def rule_sql(server, rule):
    if server.family == 'mariadb':                    # (there the lock comes last)
        words = rule.split(' account lock')
        return ' account lock'.join(words) if len(words) == 1 else words[0] + words[1] + ' account lock'
    return rule


def test_rules_of_accounts(authq, anymy, certs):
    """Each rule with each kind of connection, right and wrong passwords."""
    with accounts(anymy, *["create user acc_%s@'%%' identified by 'app' %s" % (n, rule_sql(anymy, r)) for n, r in RULES.items()]):
        wp = authq(anymy)
        conn = {'plain': None, 'tls': True, 'cert': rawmy.tls_context(cert=certs.crt('app'), key=certs.key('app'))}
        wrong = []
        for rule, (how, tls), secret in itertools.product(RULES, conn.items(), ('app', 'wrong', '')):
            direct, through = both(anymy, wp, 'acc_' + rule, secret, tls=tls)
            if direct != through:
                wrong.append((rule, how, secret, direct, through))
        assert not wrong, '\n'.join(map(repr, wrong))
        assert answer(wp.mysql_port, 'acc_both', tls=conn['cert'], db='app') == 'in'


def test_a_cipher(authq, anymy, certs):
    """That of the client's connection, to the server or to weirpool. MySQL wants a certificate then too."""
    cert = rawmy.tls_context(cert=certs.crt('app'), key=certs.key('app'))
    wp = authq(anymy)
    for port, db in ((anymy.port, None), (wp.mysql_port, 'app')):
        with RawMy(port) as r:
            r.login('super', 'super', db, tls=cert)
            cipher = r.sock.cipher()[0]
        with accounts(anymy, "create user acc@'%%' identified by 'app' require cipher '%s'" % cipher):
            assert answer(port, 'acc', tls=cert, db=db) == 'in'
            assert (answer(port, 'acc', tls=True, db=db) == 'in') == (anymy.family == 'mariadb')
            assert answer(port, 'acc', db=db)[0] == 1045
        wp.admin('RELOAD')


def test_lifetimes(authq, anymy):
    """Passwords that have become too old, by the account's own lifetime or the server's."""
    old = {'mysql': "update mysql.user set password_last_changed = now() - interval 3 day where user like 'acc%'",
           'mariadb': "update mysql.global_priv set priv = json_set(priv, '$.password_last_changed', unix_timestamp() - 3 * 86400)"
                      " where user like 'acc%'"}[anymy.family]
    with accounts(anymy, "create user acc_two@'%' identified by 'app' password expire interval 2 day",
                  "create user acc_four@'%' identified by 'app' password expire interval 4 day",
                  "create user acc_never@'%' identified by 'app' password expire never",
                  "create user acc_usual@'%' identified by 'app'", old, 'flush privileges'):
        wp = authq(anymy)
        for days in (0, 2, 4):
            anymy.query('set global default_password_lifetime = %d' % days)
            try:
                wp.admin('RELOAD')                    # (answers are kept for a while)
                for user in ('acc_two', 'acc_four', 'acc_never', 'acc_usual'):
                    direct, through = both(anymy, wp, user)
                    assert direct == through, (user, days)
            finally:
                anymy.query('set global default_password_lifetime = 0')


def test_names_that_are_no_users(authq, anymy):
    """Roles, accounts of the server itself, nobody."""
    with accounts(anymy, "create role if not exists acc_role"):
        try:
            wp = authq(anymy)
            for user in ('acc_role', 'mysql.sys', 'mysql.session', 'mariadb.sys', 'root', 'nobody', 'PUBLIC'):
                for secret in ('app', ''):
                    direct, through = both(anymy, wp, user, secret)
                    if direct == 'in' or direct[0] == 3118:             # (through weirpool nobody is without a password at an entry with user=)
                        direct = (1045, '28000', "Access denied for user '%s'@'127.0.0.1' (using password: NO)" % user)
                    elif anymy.kind == 'maria118' and not secret:   # (it asks a stranger for any plugin, and some prove an empty one, too)
                        direct = (*direct[:2], direct[2].replace('YES', 'NO'))
                    assert direct == through, user
        finally:
            anymy.query('drop role acc_role')


def test_accounts_without_a_password(authq, anymy):
    """A row of mysql.user says so; where the server is asked for the user itself, that will do."""
    wp = authq(anymy, forced=False)
    for secret in ('', 'x'):
        direct, through = both(anymy, wp, 'appempty', secret)
        assert direct == through
    forced = authq(anymy)
    assert answer(forced.mysql_port, 'appempty', '', db='app')[:2] == (1045, '28000')


# --- which host
HOSTS = ['127.0.0.1', '127.0.0.0/255.255.255.0', '127.0.0.0/255.0.0.0', '127.0.0.0/8', '127.0.0.%', '127.0.0._', '127.0.%', '127.%.%.1',
         '_27.0.0.1', '%.1', '10.%', '10.0.0.0/255.0.0.0', 'localhost', '127.0.0.2', '%']


def test_the_host_that_is_closest(authq, anymy):
    """Of several accounts of one name the server takes one: each with a password of its own, and of the anonymous one."""
    wp = authq(anymy)
    # (MySQL takes any of two whose first wildcard stands at the same place)
    hosts = [h for h in HOSTS if anymy.family == 'mariadb' or h not in ('127.0.0._', '_27.0.0.1')]
    with anymy.connect() as c, c.cursor() as k:
        left = list(hosts)
        with accounts(anymy, *["create user acc@'%s' identified by '%s'" % (h, h) for h in left]):
            while left:
                wp.admin('RELOAD')
                direct = [h for h in hosts if answer(anymy.port, 'acc', h) == 'in']
                through = [h for h in hosts if answer(wp.mysql_port, 'acc', h, db='app') == 'in']
                assert direct == through, left
                if not direct:
                    break
                k.execute("drop user acc@'%s'" % direct[0])
                left.remove(direct[0])
            assert {'10.%', 'localhost', '127.0.0.2'} <= set(left)


def test_an_anonymous_account_that_is_closer(authq, anymy):
    """It hides the user's own; weirpool serves no anonymous ones, and says 1045."""
    with accounts(anymy, "create user acc@'%' identified by 'app'", "create user ''@'127.0.0.1' identified by 'none'"):
        wp = authq(anymy, sock=True)                  # (the anonymous one hides super as well)
        assert answer(anymy.port, 'acc')[0] == answer(wp.mysql_port, 'acc', db='app')[0] == 1045
        assert answer(wp.mysql_port, 'acc', 'none', db='app')[0] == 1045
        wp.wait_log('anonymous account of 127.0.0.1')
        wp.reload(auth_type='trust')                  # (a name that is no account's is no user's)
        assert answer(wp.mysql_port, 'acc', db='app')[0] == answer(wp.mysql_port, 'nobody', db='app')[0] == 1045
        wp.reload(auth_type='scram-sha-256')
    with accounts(anymy, "create user acc@'127.0.0.1' identified by 'app'", "create user ''@'%' identified by 'none'"):
        wp.admin('RELOAD')
        assert both(anymy, wp, 'acc') == ('in', 'in')


def test_two_accounts_of_a_name_do_not_share_what_one_may(authq, anymy, certs):
    """A client of acc@127.0.0.2 must not get links that the server has given to acc@127.0.0.1, unless it knows that password
    too."""
    with accounts(anymy, "create user acc@'127.0.0.1' identified by 'one'", "create user acc@'127.0.0.2' identified by 'two'",
                  "create user acc2@'127.0.0.1' identified by 'app'", "create user acc2@'127.0.0.2' identified by 'app'",
                  "create user acc3@'127.0.0.1' identified by 'one'", "create user acc3@'127.0.0.2'",
                  "create user acc4@'127.0.0.2' identified by 'app'"):
        wp = authq(anymy, forced=False)
        with RawMy(wp.mysql_port) as r:
            r.login('acc', 'one', None, tls=True)    # (so there is a link)
            assert r.one('select current_user()') == 'acc@127.0.0.1'
            with RawMy(wp.mysql_port) as r3:
                r3.login('acc3', 'one', None, tls=True)
            for _ in range(2):
                assert answer(wp.mysql_port, 'acc', 'two', tls=True, source='127.0.0.2')[0] == 1045
                assert answer(wp.mysql_port, 'acc', 'one', tls=True, source='127.0.0.2')[0] == 1045
                assert answer(wp.mysql_port, 'acc3', '', tls=True, source='127.0.0.2')[0] == 1045
                assert answer(wp.mysql_port, 'acc4', 'app', tls=True, source='127.0.0.2')[0] == 1045
            assert answer(anymy.port, 'acc', 'two', source='127.0.0.2') == 'in'
        for _ in range(3):
            assert answer(wp.mysql_port, 'acc2', 'app', tls=True, source='127.0.0.2') == 'in'
        wp.wait_log('another password than the client')


def test_localhost_is_where_the_server_is(authq, anymy):
    """Who is beside weirpool is localhost to the server if weirpool is."""
    with accounts(anymy, "create user acc@localhost identified by 'app'"):
        wp = authq(anymy, sock=True)
        assert answer(wp.mysql_port, 'acc', db='app') == 'in'
        wp = authq(anymy)
        assert answer(wp.mysql_port, 'acc', db='app')[0] == 1045


def test_clients_on_the_unix_socket(authq, anymy):
    """They are where weirpool is; TLS is not on it."""
    with accounts(anymy, "create user acc@localhost identified by 'app'", "create user acc@'%' identified by 'other'",
                  "create user acc_ssl@localhost identified by 'app' require ssl"):
        wp = authq(anymy, sock=True)
        wp.stop()
        wp.options['mysql_unix_socket'] = wp.dir / 'my.sock'
        wp.write()
        wp.start()
        for user, secret in (('acc', 'app'), ('acc', 'other'), ('acc_ssl', 'app'), ('nobody', 'app')):
            seen = []
            for path, db in ((anymy.socket, None), (str(wp.dir / 'my.sock'), 'app')):
                try:
                    with RawMy(0, unix=path) as r:
                        r.login(user, secret, db)
                        seen.append('in')
                except MyError as e:
                    seen.append((e.errno, e.sqlstate, e.text))
                except AssertionError as e:           # (see answer())
                    assert 'no way to answer' in str(e)
                    seen.append((1045, '28000', "Access denied for user '%s'@'localhost' (using password: YES)" % user))
            assert seen[0] == seen[1], (user, secret)


# --- plugins
def test_plugins_that_cannot_be_checked(authq, maria1011, maria118):
    for server in (maria1011, maria118):
        with accounts(server, "create user acc_sock@'%' identified via unix_socket"):
            wp = authq(server)
            e = answer(wp.mysql_port, 'acc_sock', db='app')
            assert e == (1045, '28000', "Access denied for user 'acc_sock': weirpool cannot check unix_socket")


def test_plugins_that_want_the_password_itself(authq, anymy, certs):
    """Whose secret at the server cannot check a proof: the client is asked for its password, which opens the server too."""
    users = {'mysql97': ['appsha256', 'app'], 'maria1011': ['apped', 'appnative'], 'maria118': ['apped', 'appparsec']}[anymy.kind]
    wp = authq(anymy, forced=False, server_tls_sslmode='require')
    for user in users:
        for tls in (True, None):                      # (without TLS by RSA)
            for plugin in ('mysql_native_password', 'caching_sha2_password', 'client_ed25519'):
                with RawMy(wp.mysql_port) as r:
                    r.login(user, 'app', 'app', tls=tls, plugin=plugin)
                    assert r.one('select current_user()') == user + '@%'
                assert answer(wp.mysql_port, user, 'wrong', tls=tls, plugin=plugin, db='app')[:2] == (1045, '28000')


@pytest.mark.parametrize('tls', [True, None])
def test_change_user_to_each_plugin(authq, anymy, tls):
    """COM_CHANGE_USER is a login like any other: secrets of the server, in full where they want that."""
    users = {'mysql97': ['appsha256', 'app2', 'appempty', 'app'], 'maria1011': ['apped', 'app2', 'appempty', 'appnative'],
             'maria118': ['appparsec', 'apped', 'app2', 'appempty', 'appnative']}[anymy.kind]
    wp = authq(anymy, forced=False, server_tls_sslmode='require')
    with RawMy(wp.mysql_port) as r:
        r.login('app', 'app', 'app', tls=tls)
        for user in users + users[::-1]:
            r.change_user(user, '' if user == 'appempty' else 'app', 'app')
            assert r.one('select current_user()') == user + '@%'
        with pytest.raises(MyError) as e:
            r.change_user('applocked', 'app', 'app')
        assert e.value.errno == {'mysql': 3118, 'mariadb': 4151}[anymy.family]
        assert not r.expect_closed()


# --- certificates
def test_a_certificate_is_all_the_proof(authq, anymy, certs):
    """An account without a password that REQUIREs a certificate: the client's for weirpool, weirpool's for the server; also
    when TLS resumes a session."""
    rule = "require subject '/CN=app' and issuer '%s'" % CA
    with accounts(anymy, "create user acc@'%%' %s" % rule, "grant all on app.* to acc@'%'"):
        wp = authq(anymy, forced=False, server_tls_sslmode='require', server_tls_cert_file=certs.crt('app'),
                   server_tls_key_file=certs.key('app'))
        mine = rawmy.tls_context(cert=certs.crt('app'), key=certs.key('app'))
        other = rawmy.tls_context(cert=certs.crt('nobody'), key=certs.key('nobody'))
        for _ in range(2):
            with RawMy(wp.mysql_port) as r:
                r.login('acc', '', 'app', tls=mine)
                assert r.one('select current_user()') == 'acc@%'
        for tls in (other, True, None):
            direct, through = both(anymy, wp, 'acc', '', tls=tls)
            assert direct == through
            assert through[0] == 1045


def test_tls_sessions_are_resumed(authq, anymy, certs):
    """By clients at weirpool, with the certificate that was shown first; by weirpool at the server."""
    with accounts(anymy, "create user acc@'%' identified by 'app' require x509", "grant all on app.* to acc@'%'"):
        wp = authq(anymy, forced=False, server_tls_sslmode='require', server_tls_cert_file=certs.crt('app'),
                   server_tls_key_file=certs.key('app'), pool_mode='session')
        ctx = rawmy.tls_context(cert=certs.crt('app'), key=certs.key('app'))
        session, reused = None, []
        for _ in range(3):
            with RawMy(wp.mysql_port) as r:
                r.tls_session = session
                r.login('acc', 'app', 'app', tls=ctx)
                reused.append(r.sock.session_reused)
                assert r.one('select current_user()') == 'acc@%'
                session = r.sock.session
        assert reused == [False, True, True]

        def resumed():
            """a new link of weirpool's has resumed"""
            wp.admin('RECONNECT')
            with RawMy(wp.mysql_port) as r:
                r.login('acc', 'app', 'app', tls=ctx)
                return int(r.q("show session status like 'Ssl_sessions_reused'")[0][1])
        if anymy.family == 'mysql':                   # (MariaDB's counter stays 0)
            assert eventually(resumed, 20) == 1


# --- limits
def test_max_user_connections(authq, anymy):
    """The server counts links: clients in transaction mode share them, and one more client waits."""
    with accounts(anymy, "create user acc@'%' identified by 'app' with max_user_connections 1", "grant all on app.* to acc@'%'"):
        wp = authq(anymy, forced=False, pool_mode='transaction')
        with RawMy(wp.mysql_port) as a, RawMy(wp.mysql_port) as b:
            a.login('acc', 'app', 'app')
            b.login('acc', 'app', 'app')
            for _ in range(3):
                assert a.one('select 1') == b.one('select 1') == '1'
            a.q('begin')
            b.command(b'\x03select 2')
            eventually(lambda: 'max_user_connections' in wp.log())
            a.q('rollback')
            assert b.result().rows == [[b'2']]


# --- changes while clients come and go
def test_a_password_that_was_changed(authq, any_victim):
    """The answer that weirpool kept is thrown away with the first login that fails by it; then the new one holds. A password itself,
    as caching_sha2_password has it, is held against a new answer at once."""
    s = any_victim
    with accounts(s, "create user acc@'%' identified by 'one'", "grant all on app.* to acc@'%'"):
        wp = authq(s, forced=False)
        for _ in range(2):
            assert answer(wp.mysql_port, 'acc', 'one', tls=True, db='app') == 'in'
        s.query("alter user acc@'%' identified by 'two'")
        first = answer(wp.mysql_port, 'acc', 'two', tls=True, db='app')
        assert first == 'in' or s.family == 'mariadb'
        for _ in range(3):
            assert answer(wp.mysql_port, 'acc', 'two', tls=True, db='app') == 'in'
        assert answer(wp.mysql_port, 'acc', 'one', tls=True, db='app')[0] == 1045
        assert answer(wp.mysql_port, 'acc', 'two', tls=True, db='app') == 'in'
        s.query("alter user acc@'%' identified by 'three' account lock")
        if s.family == 'mysql':         # of the new answer all rules hold
            assert answer(wp.mysql_port, 'acc', 'three', tls=True, db='app') == answer(s.port, 'acc', 'three', tls=True)
        s.query("drop user acc@'%'")
        for secret in ('four', 'three'):      # (the first one has the answer asked for again)
            assert answer(wp.mysql_port, 'acc', secret, tls=True, db='app')[0] == 1045


def test_two_passwords_at_a_time(authq, mysql97):
    """ALTER USER ... RETAIN CURRENT PASSWORD: the old one holds until it is discarded."""
    with accounts(mysql97, "create user acc@'%' identified by 'one'", "grant all on app.* to acc@'%'",
                  "alter user acc@'%' identified by 'two' retain current password"):
        for forced in (False, True):
            wp = authq(mysql97, forced=forced)
            for secret in ('one', 'two', 'two', 'one', 'one', 'three', '', 'two'):
                direct, through = both(mysql97, wp, 'acc', secret, tls=True)
                assert direct == through, secret
        mysql97.query("alter user acc@'%' discard old password")
        answer(wp.mysql_port, 'acc', 'three', tls=True, db='app')
        for secret in ('one', 'two'):
            direct, through = both(mysql97, wp, 'acc', secret, tls=True)
            assert direct == through, secret


def test_an_account_that_is_locked_while_links_are_open(authq, any_victim):
    """Pooled connections open no door to it."""
    s = any_victim
    with accounts(s, "create user acc@'%' identified by 'app'", "grant all on app.* to acc@'%'"):
        wp = authq(s, forced=False)
        with RawMy(wp.mysql_port) as r:
            r.login('acc', 'app', 'app', tls=True)
            assert r.one('select 1') == '1'
            s.query("alter user acc@'%' account lock")
            eventually(lambda: answer(wp.mysql_port, 'acc', tls=True, db='app') != 'in', 30)
            assert answer(wp.mysql_port, 'acc', tls=True, db='app') == answer(s.port, 'acc', tls=True)
            assert r.one('select 1') == '1'           # (who is in stays in, as on a server)


# --- what a stranger can tell
def exchange(port, user, secret, **kw):
    """What the server asked for, without what is random."""
    with RawMy(port) as r:
        with contextlib.suppress(MyError):
            r.login(user, secret, 'app', **kw)
        return list(r.auth_steps)


@pytest.mark.parametrize('plugin', ['mysql_native_password', 'caching_sha2_password'])
def test_nobody_and_a_wrong_password_look_alike(authq, anymy, plugin):
    wp = authq(anymy)
    assert answer(wp.mysql_port, 'app', tls=True, db='app') == 'in'
    known = exchange(wp.mysql_port, 'app', 'wrong', tls=True, plugin=plugin)
    names = ['nobody%d' % i for i in range(20)]
    unknown = [exchange(wp.mysql_port, n, 'wrong', tls=True, plugin=plugin) for n in names]
    assert known in unknown
    assert unknown == [exchange(wp.mysql_port, n, 'wrong', tls=True, plugin=plugin) for n in names]
