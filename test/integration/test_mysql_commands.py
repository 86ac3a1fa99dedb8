"""Every command byte of the protocol, directly and through weirpool; and those of replication."""
import re
import subprocess
from typing import NamedTuple

import pytest

import rawmy as my
from mysql_servers import MyServer
from rawmy import Closed, MyError, RawMy
from servers import end_servers, eventually, new_folder


class Known(NamedTuple):
    """Commands that are answered otherwise than directly, and why; doc/mysql.md has those that anybody could meet."""
    command: int
    kinds: str
    payloads: str               # 'empty', 'zeros' or 'both'
    why: str


KNOWN = [Known(my.COM_SHUTDOWN, 'maria', 'both', 'not through a pool: Unknown command'),
         Known(my.COM_PROCESS_KILL, 'mysql', 'both', 'works; MySQL 9 has it no more'),
         Known(my.COM_PROCESS_KILL, 'maria', 'empty', 'a number that is not there is malformed'),
         Known(my.COM_SET_OPTION, 'maria', 'empty', 'the same'),
         Known(0x20, 'mysql', 'both', 'COM_CLONE: Unknown command'),
         Known(0x21, 'mysql', 'both', 'group replication: Unknown command, and no end'),
         Known(my.COM_BULK_EXECUTE, 'maria', 'zeros', 'an unknown statement, before the server sees it')]
# a login by itself: test_mysql_login.py
NOT_HERE = (my.COM_CHANGE_USER,)
# what changes from one moment to the next
MOVES = {my.COM_STATISTICS: 1, my.COM_PROCESS_INFO: 10, my.COM_BINLOG_DUMP: 2, my.COM_BINLOG_DUMP_GTID: 2}


def answer(r, com, data):
    """The packets, and whether the connection is still there."""
    r.trace.clear()
    r.command(bytes([com]) + data)
    # what has no answer: that of the next command comes first
    ping = b'\1\0\0\0\x0e'
    try:
        r.send_bytes(ping)
        while True:
            head = r.recv_exact(4)
            p = r.recv_exact(int.from_bytes(head[:3], 'little'))
            r.trace.append((head[3], p))
            if len(r.trace) > 1 and r.trace[-2][1][:1] in (b'\0', b'\xfe', b'\xff') or quiet(r):
                break
    except Closed:
        r.trace.append('closed')
    return [re.sub(rb'\(\d+\)', b'N', t[1]) if t != 'closed' else t for t in r.trace]


def quiet(r):
    """Was that all? Of two answers the second one may come a good while after the first, where others work, too."""
    try:
        return not r.buf and r.quiet(0.5)
    finally:
        r.sock.settimeout(20)


@pytest.mark.parametrize('payload', ['empty', 'zeros'])
def test_every_command(anymy, mypool, payload):
    wp = mypool(anymy, default_pool_size=3)
    data = bytes(8 if payload == 'zeros' else 0)
    known = {k.command: k for k in KNOWN if re.match(k.kinds, anymy.kind) and k.payloads in ('both', payload)}
    wrong, met = [], set()
    for com in range(256):
        if com in NOT_HERE:
            continue
        got = []
        for port in (anymy.port, wp.mysql_port):
            with RawMy(port) as r:
                r.login(caps=my.MODERN | my.MULTI_STATEMENTS)
                a = answer(r, com, data)
                got.append(a[:MOVES[com] - 1] if com in MOVES else a)
        if got[0] == got[1]:
            continue
        met.add(com)
        if com not in known:
            wrong.append('%02x: directly %r, through %r' % (com, got[0], got[1]))
    assert not wrong, '\n'.join(wrong)
    if not wp.direct:
        assert met == set(known), 'no longer different: %r' % [known[c] for c in set(known) - met]


def test_a_failed_command_shows_nothing_of_others(mysql97, mypool):
    """MySQL adds its error to those of the statement before, which was another session's."""
    wp = mypool(mysql97, default_pool_size=1)
    with wp.my() as a, wp.my() as b, RawMy(mysql97.port) as direct:
        direct.login(caps=my.MODERN)
        for com in (my.COM_INIT_DB, my.COM_FIELD_LIST, my.COM_CREATE_DB, my.COM_REFRESH, my.COM_DEBUG):
            for own in (False, True):
                seen = []
                for r in (direct, b):
                    r.do('set @x = 1')
                    if own:
                        assert r.error('select nothing').errno == 1054
                    if r is b:
                        assert a.error('select a_secret').errno == 1054
                    r.command(bytes([com]) + b'nosuch\0')
                    with pytest.raises(MyError) as e:
                        r.ok()
                    n = r.ping().warnings
                    if com == my.COM_FIELD_LIST:        # counts its own warning, or not
                        n = 0
                    seen.append((e.value.errno, n, r.all('show warnings')[0].rows))
                if com == my.COM_FIELD_LIST and own:    # what was there before is gone, with the link it was on
                    assert seen[0][2].pop(0)[1] == b'1054'
                assert seen[0] == seen[1], (com, own)


def test_quit_behind_a_query(mysql97, mypool):
    """A server reads one after the other. (It was canceled at once; most were through by then.)"""
    mysql97.query('drop table if exists app.bye')
    mysql97.query('create table app.bye (a int)')
    wp = mypool(mysql97, default_pool_size=1)
    for _ in range(60):
        with wp.my() as a:
            a.command(bytes([my.COM_QUERY]) + b'insert into bye values (1)')
            a.command(bytes([my.COM_QUIT]))
            a.expect_closed()
    eventually(lambda: mysql97.query('select count(*) from app.bye')[0][0] == 60)


def test_statistics(anymy, mypool):
    with mypool(anymy).my() as r:
        assert re.match(r'Uptime: \d+  Threads: \d+', r.statistics())
        r.ping()


def test_set_option_belongs_to_the_session(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=my.MODERN | my.MULTI_STATEMENTS) as a, wp.my(caps=my.MODERN) as b:
        for _ in range(2):
            assert len(a.all('select 1; select 2')) == 2
            assert b.error('select 1; select 2').errno == 1064
        a.set_option(False)
        b.set_option(True)
        for _ in range(2):
            assert a.error('select 1; select 2').errno == 1064
            assert len(b.all('select 1; select 2')) == 2


# --- replication
def mysqlbinlog(server, port, *args):
    prog = '/usr/bin/mysqlbinlog' if server.family == 'mysql' else '/usr/bin/mariadb-binlog'
    out = subprocess.run(server.tool(prog, '-R', '-h127.0.0.1', '-P%d' % port, '-urepl', '-prepl',
                                     *(['--skip-ssl'] if server.family == 'mariadb' else []), *args),
                         capture_output=True, timeout=50, stdin=subprocess.DEVNULL)
    assert out.returncode == 0, out.stderr.decode()
    return out.stdout.decode(errors='replace')


def test_a_refused_dump_costs_nobody_else_anything(anymy, mypool):
    """The connection on which binary logs were asked for went to the pool, where cleaning it took 10 s."""
    wp = mypool(anymy, default_pool_size=1)
    for _ in range(3):
        with wp.my() as r:
            r.command(bytes([my.COM_BINLOG_DUMP]) + bytes(8))
            with pytest.raises(MyError):
                r.ok()
            r.ping()
        with wp.my() as r:
            assert r.one('select 1') == '1'


def test_mysqlbinlog(anymy, mypool):
    wp = mypool(anymy, userlist={'repl': 'repl'})
    anymy.query('create table if not exists app.blog (a varchar(40))')
    anymy.query("insert into app.blog values ('to be seen in the log')")
    log = anymy.query('show binary logs')[-1][0]
    direct = mysqlbinlog(anymy, anymy.port, '--base64-output=never' if anymy.family == 'mariadb' else '--verbose', log)
    through = mysqlbinlog(anymy, wp.mysql_port, '--base64-output=never' if anymy.family == 'mariadb' else '--verbose', log)
    assert len(direct) > 1000 and direct.splitlines()[5:-5] == through.splitlines()[5:len(direct.splitlines()) - 5]


def test_a_replica_of_weirpool(anymy, mypool, base, certs):
    """The source of a real replica is weirpool's port; the pool serves others meanwhile."""
    wp = mypool(anymy, userlist={'repl': 'repl'}, default_pool_size=1, client_tls_sslmode='allow',
                client_tls_cert_file=certs.crt('server'), client_tls_key_file=certs.key('server'))
    r = MyServer(new_folder(base, 'replica-'), anymy.kind, 'n9', anymy.certs, '', 9).create()
    try:
        anymy.query('drop table if exists app.rt')
        if anymy.family == 'mysql':
            r.query("set global gtid_purged = '%s'" % anymy.query('select @@global.gtid_executed')[0][0].replace('\n', ''))
            r.query("change replication source to source_host = '127.0.0.1', source_port = %d, source_user = 'repl',"
                    " source_password = 'repl', source_auto_position = 1, get_source_public_key = 1,"
                    " source_connect_retry = 1" % wp.mysql_port)
            r.query('start replica')
        else:
            r.query("set global gtid_slave_pos = '%s'" % anymy.query('select @@global.gtid_binlog_pos')[0][0])
            r.query("change master to master_host = '127.0.0.1', master_port = %d, master_user = 'repl',"
                    " master_password = 'repl', master_use_gtid = slave_pos, master_connect_retry = 1,"
                    " master_ssl_verify_server_cert = 0" % wp.mysql_port)
            r.query('start slave')
        anymy.query('create table app.rt (a int)')
        for i in range(3):
            with wp.my() as c:
                c.do('insert into rt values (%d)' % i)

        def applied():
            try:
                return r.query('select count(*) from app.rt')[0][0] == 3
            except Exception:
                return False
        try:
            eventually(applied, 40)
        except AssertionError:
            raise AssertionError(r.query('show %s status' % ('replica' if anymy.family == 'mysql' else 'slave'))) from None
        assert wp.direct or [x for x in wp.admin('SHOW CLIENTS') if x['user'] == 'repl']
    finally:
        end_servers(r)
