"""The same commands directly and through weirpool: what a client sees is the same, byte for byte.

Each script is a function of a rawmy client. It runs on a direct connection and through weirpool, alone and beside a neighbour
who disturbs the only server connection between any two commands; the packets that came are compared, sequence ids included
(statement ids aside). The capabilities are those that both ends offer."""
import re
import time

import pytest

import rawmy as my
from rawmy import MyError, P, RawMy

BASE = my.CLASSIC | my.PLUGIN_AUTH_LENENC | my.MULTI_STATEMENTS | my.LOCAL_FILES
MODES = {'modern': BASE | my.SESSION_TRACK | my.DEPRECATE_EOF, 'classic': BASE, 'eof+track': BASE | my.SESSION_TRACK,
         'noeof': BASE | my.DEPRECATE_EOF, 'found_rows': BASE | my.FOUND_ROWS | my.DEPRECATE_EOF,
         'ignore_space': BASE | my.IGNORE_SPACE | my.SESSION_TRACK,
         'meta': BASE | my.DEPRECATE_EOF | my.OPTIONAL_RESULTSET_METADATA | my.QUERY_ATTRIBUTES | my.SESSION_TRACK,
         'extended': BASE | my.DEPRECATE_EOF | my.MARIADB_EXTENDED_METADATA}
# what the last statement left on its connection: weirpool says that it has gone rather than guess
LAST_STATEMENT = re.compile(rb'row_count|found_rows|warnings|warning_count|errors|diagnostics', re.I)
NO_ANSWER = (bytes([my.COM_STMT_CLOSE]), bytes([my.COM_STMT_SEND_LONG_DATA]))
KNOWN_DEFECTS = {
    '-transactions]': 'a COMMIT with autocommit = 0 carries a transaction tracker to clients that did not ask',
    '-prepared]': 'PING after an error says no warnings', '-other_commands]': 'PING after an error; plugin of COM_CHANGE_USER',
    '-state_of_last_statement]': 'SHOW ERRORS after a syntax error is empty',
    '-own_trackers]': '@@session_track_system_variables is weirpool\'s own value',
    '-session_state]': 'MariaDB lists the entries of one SET in an order of its own', 'beside_a_neighbour': 'not all gone through yet'}
SCRIPTS = {}


def script(f):
    SCRIPTS[f.__name__] = f
    return f


def try_(f, *args, **kw):
    """An error is an answer like any other: it is in the trace."""
    try:
        return f(*args, **kw)
    except MyError as e:
        return e


@script
def rows(r):
    r.all("select 1, null, '', 'text', -1.50, 1e10, x'00ff'")
    r.all('select 1 from dual where 1 = 0')
    r.all('select 1 as a, 2 as `b c`, 3 as a')
    r.all('')
    r.all(';')
    r.all('/* nothing */')
    r.all('-- nothing')
    r.all('select  /* a comment */ 1 -- and one more')
    r.all('selec 1')
    r.all('select * from nowhere')
    r.all('select nothing')
    r.all('do 1')
    r.all('show variables like \'autocommit\'')
    r.all("select 'it''s', \"double\", 'back\\\\slash', _latin1'x', n'y'")
    r.all(b"select 'zero\0byte', 1")
    r.all(b"select '\xff\xfe'")
    r.ping()
    r.all('select repeat("x", 70000)')
    r.all('select 1 union all select 2 union all select 3')


@script
def writes(r):
    r.all('create table dt (id int auto_increment primary key, a varchar(20), b int default 5, unique (a))')
    r.all("insert into dt (a) values ('x'), ('y'), ('z')")
    r.all('select last_insert_id()')
    r.all("insert into dt (a) values ('x')")
    r.all("insert ignore into dt (a) values ('x'), ('w')")
    r.all('show warnings')
    r.all('select last_insert_id(), row_count()')
    r.all("replace into dt (a, b) values ('x', 6)")
    r.all("insert into dt (id, a) values (77, 'v') on duplicate key update b = b + 1")
    r.all('update dt set b = 5')
    r.all('update dt set b = 5')
    r.all('update dt set b = b + 1 where id > 2')
    r.all('select row_count()')
    r.all('select * from dt order by id')
    r.all('delete from dt where id > 3')
    r.all('select row_count()')
    r.all("insert into dt (a) values ('this text is far too long for it')")
    r.all('truncate dt')
    r.all('select count(*) from dt')
    r.all('drop table dt')


@script
def transactions(r):
    r.all('create table dx (a int primary key) engine=innodb')
    r.all('begin')
    r.all('insert into dx values (1)')
    r.ping()
    r.all('select * from dx')
    r.all('rollback')
    r.all('select * from dx')
    r.all('start transaction read only')
    r.all('insert into dx values (1)')
    r.all('select count(*) from dx')
    r.all('commit')
    r.all('set autocommit = 0')
    r.all('insert into dx values (1)')
    r.ping()
    r.all('savepoint s')
    r.all('insert into dx values (2)')
    r.all('rollback to s')
    r.all('commit')
    r.all('select * from dx')
    r.all('rollback')
    r.all('set autocommit = 1')
    r.all('set transaction isolation level read committed')
    r.all('start transaction with consistent snapshot')
    r.all('insert into dx values (1)')
    r.all('select * from dx for update')
    r.all('commit and chain')
    r.all('select 1')
    r.all('rollback')
    r.all('begin')
    r.all('insert into dx values (9)')
    r.all('begin')
    r.all('rollback')
    r.all('select * from dx')
    r.all('lock tables dx write')
    r.all('select * from dx')
    r.all('unlock tables')
    r.all("xa start 'weirpool_dx'")
    r.all('insert into dx values (10)')
    r.all("xa end 'weirpool_dx'")
    r.all("xa rollback 'weirpool_dx'")
    r.all('drop table dx')


@script
def several_at_once(r):
    r.all('select 1; select 2, 3; do 4')
    r.all('set @a = 5; select @a; set @a = @a + 1; select @a')
    r.all('select 1; selec 2; select 3')
    r.all('select 1;')
    r.all('select 1; ; select 2')
    r.all('begin; select 1; commit; select 2')
    r.all('begin; select 1')
    r.all('select 2; rollback')
    try_(r.set_option, False)
    r.all('select 1; select 2')
    r.all('select 3')
    try_(r.set_option, True)
    r.all('select 1; select 2')


@script
def procedures(r):
    r.all('create table dp (a int)')
    r.all('create procedure dp1(in a int, out b int, inout c int) begin select a; select a, c; set b = a + c; set c = 0; end')
    r.all("create procedure dp2() begin select 1; signal sqlstate '45000' set message_text = 'made up', mysql_errno = 30001; end")
    r.all('create procedure dp3() begin insert into dp values (1); insert into dp values (2); end')
    r.all('create function df(a int) returns int deterministic return a + 1')
    r.all('set @c = 5')
    r.all('call dp1(1, @b, @c)')
    r.all('select @b, @c')
    r.all('call dp2()')
    r.all('show warnings')
    r.all('call dp3()')
    r.all('select df(1), row_count()')
    r.all('call nothing()')
    r.all('call dp1(1)')
    r.all('call dp1(1, @b, @c); select @b')
    if r.caps & my.DEPRECATE_EOF:
        # without it the server's last EOF packet of the OUT parameters hides that more follows
        s = r.prepare('call dp1(?, ?, ?)')
        r.execute_all(s, [1, None, 3])
        r.close_stmt(s)
    s = r.prepare('call dp2()')
    r.execute_all(s)
    r.close_stmt(s)
    for x in ('procedure dp1', 'procedure dp2', 'procedure dp3', 'function df', 'table dp'):
        r.all('drop ' + x)


@script
def prepared(r):
    # MySQL 9.7's handles remember the types of their first execution, which weirpool's do not: new ones for new types
    for params in ([1, 2], ['a', 'b'], [1.5, 'ä'], [P(255, my.T_TINY, True), P(-1, my.T_TINY)], [None, None], ['7', 7]):
        s = r.prepare('select ?, ?')
        t = r.prepare('select cast(? as char)')
        for _ in range(2):
            r.execute_all(s, params)
            r.execute_all(t, params[:1])
        r.execute_all(s, [None, params[1]])
    u = r.prepare('set @w = ?')
    r.execute_all(u, ['x'])
    s = r.prepare('select ?, ?')
    r.execute_all(s, [1, 2])
    r.execute_all(s, [3, 4], bind=False)
    r.close_stmt(t)
    r.execute_all(t, [1])
    try_(r.reset_stmt, t)
    r.ping()
    r.reset_stmt(s)
    r.long_data(u, 0, b'some')
    r.long_data(u, 0, b'thing')
    r.execute_all(u, [my.LONG_DATA])
    v = r.prepare('select length(?), ?')
    r.long_data(v, 0, b'x' * 100000)
    r.execute_all(v, [my.LONG_DATA, 'y'])
    r.execute_all(v, ['z', 'y'])
    try_(r.prepare, 'selec 1')
    try_(r.prepare, 'select ? from nowhere')
    try_(r.prepare, 'begin; select 1')
    try_(r.prepare, '')
    r.execute_all(r.prepare("show variables like 'autocommit'"))
    r.execute_all(r.prepare("select cast('2024-02-29' as date), cast('01:02:03.25' as time(2)), 1.50, x'00'"))
    r.close_stmt(s)


@script
def prepared_writes(r):
    r.all('create table dq (id int auto_increment primary key, a varchar(20), b double)')
    s = r.prepare('insert into dq (a, b) values (?, ?)')
    for a, b in (('x', 1.5), (None, None), ('y', 2)):
        r.execute_all(s, [a, b])
    r.execute_all(s, ['this text is far too long for it', 1])
    q = r.prepare('select * from dq where id > ? order by id')
    r.execute_all(q, [0])
    r.execute_all(q, ['1'])
    r.execute_all(q, [99])
    r.all('alter table dq add column c int default 3')
    r.execute_all(q, [0])
    r.execute_all(q, [0])
    r.all('begin')
    r.execute_all(s, ['z', 1])
    r.all('rollback')
    r.execute_all(q, [0])
    r.all('drop table dq')
    r.execute_all(q, [0])
    r.execute_all(s, ['x', 1])


@script
def cursors(r):
    r.all('create table dc (a int)')
    r.all('insert into dc values (1), (2), (3), (4), (5)')
    s = r.prepare('select a from dc order by a')
    for n in (2, 5, 10):
        out = r.execute(s, flags=1)
        r.ping()
        while True:
            f = r.fetch(s, n, out.columns)
            if f.status & my.LAST_ROW_SENT:
                break
    try_(r.fetch, s, 1, out.columns)
    out = r.execute(s, flags=1)
    r.fetch(s, 1, out.columns)
    r.all('select 1')
    r.fetch(s, 1, out.columns)
    r.reset_stmt(s)
    try_(r.fetch, s, 1, out.columns)
    out = r.execute(s, flags=1)
    r.close_stmt(s)
    r.all('drop table dc')


@script
def session_state(r):
    r.all('set names latin1')
    r.all(b"select '\xe4', hex('\xe4')")
    r.all('select @@character_set_client, @@character_set_results, @@collation_connection')
    r.all('set names utf8mb4 collate utf8mb4_bin')
    r.all('select @@collation_connection')
    r.all('set character_set_results = null')
    r.all('select @@character_set_results')
    r.all('set names utf8mb4')
    r.all("set sql_mode = 'ANSI_QUOTES'")
    r.all('select "no_such_column"')
    r.all('select @@sql_mode')
    r.all("set time_zone = '+05:00', sql_safe_updates = 1")
    r.all('select @@time_zone, @@sql_safe_updates')
    r.all("set @x = 1, @y = 'text', @z = 1.50")
    r.all('select @x, @y, @z, @none')
    r.all('select @x := @x + 1')
    r.all('select @x')
    r.all('use app2')
    r.all('select database()')
    try_(r.init_db, 'app')
    r.all('select database()')
    try_(r.init_db, 'nowhere')
    r.all('use nowhere')
    r.all('select database()')
    r.all('set nothing = 1')
    r.all('set time_zone = \'nowhere\'')
    r.all('select @@time_zone')
    r.all('set session transaction isolation level serializable')
    r.all('select @@transaction_isolation' if 'maria' not in r.greeting.version.lower() else 'select @@tx_isolation')
    r.all('set last_insert_id = 77')
    r.all('select last_insert_id()')
    r.all('set sql_select_limit = 1')
    r.all('select 1 union select 2')
    r.reset_connection()
    r.all('select @x, @@time_zone, @@sql_mode = @@global.sql_mode, database(), last_insert_id()')


@script
def state_of_last_statement(r):
    r.all("select cast('x' as signed)")
    r.all('show count(*) warnings')
    r.all("select cast('x' as signed), cast('y' as signed)")
    r.all('select @@warning_count')
    r.all("select cast('x' as signed)")
    r.all('show warnings')
    r.all('show warnings')
    r.all('selec')
    r.all('show errors')
    r.all('select * from nowhere')
    r.all('show warnings')
    r.all('select sql_calc_found_rows 1 union select 2 union select 3 limit 1')
    r.all('select found_rows()')
    r.all('select 1 union select 2')
    r.all('select found_rows()')
    r.all("select cast('x' as signed)")
    r.all('get diagnostics @n = number')
    r.all('select @n')


@script
def pins(r):
    r.all('create temporary table tt (a int)')
    r.all('insert into tt values (1)')
    r.all('select * from tt')
    r.all('drop temporary table tt')
    r.all('select * from tt')
    r.all("select get_lock('weirpool_diff', 1)")
    r.all("select is_used_lock('weirpool_diff') = connection_id()")
    r.all("select release_lock('weirpool_diff')")
    r.all("prepare p from 'select ? + 1'")
    r.all('set @a = 2')
    r.all('execute p using @a')
    r.all('deallocate prepare p')
    r.all('execute p using @a')
    r.all('create table dh (a int)')
    r.all('insert into dh values (1), (2)')
    r.all('handler dh open')
    r.all('handler dh read first')
    r.all('handler dh read next')
    r.all('handler dh close')
    r.all('drop table dh')


@script
def files(r):
    r.all('create table dl (a int, b varchar(20))')
    r.local_files['f'] = [b'1\tone\n2\tt', b'wo\n']
    r.all("load data local infile 'f' into table dl")
    r.all("load data local infile 'absent' into table dl")
    r.all("load data local infile 'f' into table nowhere")
    r.local_files['f'] = b'x\tone\n'
    r.all("load data local infile 'f' into table dl")
    r.all('show warnings')
    r.all("load data local infile 'f' into table dl; select 1")
    r.all('select * from dl order by a, b')
    r.all('drop table dl')


@script
def other_commands(r):
    r.all('create table dz (a int, b text)')
    try_(r.field_list, 'dz')
    try_(r.field_list, 'dz', 'b%')
    try_(r.field_list, 'nowhere')
    r.all('drop table dz')
    try_(r.simple, my.COM_SLEEP)
    try_(r.simple, my.COM_CONNECT)
    try_(r.simple, 0x23)
    try_(r.simple, 0xf0)
    r.command(b'')
    try_(r.ok)
    r.ping()
    try_(r.change_user, 'app2', 'app', 'app2')
    r.all('select current_user(), database()')
    r.reset_connection()
    r.all('select current_user(), database()')


@script
def own_trackers(r):
    r.all("set session_track_schema = 0, session_track_state_change = 1")
    r.all('use app2')
    r.all('set @x = 1')
    r.all('use app')
    r.all("set session_track_system_variables = 'sql_mode,time_zone'")
    r.all("set time_zone = '+01:00', wait_timeout = 100")
    r.all("set sql_mode = ''")
    r.all("set session_track_transaction_info = 'STATE'")
    r.all('begin')
    r.all('rollback')
    r.all('select @@session_track_system_variables, @@session_track_state_change')
    r.all("set session_track_system_variables = ''")
    r.all("set time_zone = '+02:00'")


def connect(port, caps, kind=RawMy):
    r = kind(port, timeout=30)
    r.login(caps=caps)
    return r


class Neighbour:
    """Another client of the same pool of one connection: it leaves other state there whenever the connection is free."""
    STATEMENTS = (('use app2', "set time_zone = '+11:00', sql_mode = 'ANSI'", 'set @x = 99, @a = 98, @y = null'),
                  ('use app', 'set names latin1', 'set sql_select_limit = default, sql_safe_updates = 0'),
                  ("select cast('neighbour' as signed)", 'select 1 from nowhere', 'set session_track_schema = 1'))

    def __init__(self, pool, caps):
        self.r = pool.my(caps=caps)
        self.console = pool.raw('admin', 'weirpool')
        self.disturbed = 0

    def disturb(self):
        """Not while the other client holds the connection: in a transaction, or by a pin."""
        for _ in range(2):
            out = self.console.simple('SHOW SERVERS')
            names = [c[0] for m in out if m.type == 'T' for c in m.columns]
            if not any(dict(zip(names, m.row))['state'] == 'active' for m in out if m.type == 'D'):
                for sql in self.STATEMENTS[self.disturbed % 3]:
                    self.r.all(sql)
                self.disturbed += 1
                return
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.r.shut()
        self.console.shut()


class Disturbed(RawMy):
    """A client before whose every command its neighbour has had the connection, if it was free."""
    neighbour = None

    def command(self, payload):
        if self.neighbour and payload[:1] not in NO_ANSWER and not LAST_STATEMENT.search(payload):
            self.neighbour.disturb()
        return super().command(payload)


def mask(packet):
    """Scrambles and ids of statements differ between any two connections."""
    seq, p = packet
    if p[:1] == b'\xfe' and b'_password\0' in p[:30]:
        p = p[:p.index(b'\0') + 1]
    if p[:1] == b'\xfe' and len(p) in (5, 7):
        # the bit METADATA_CHANGED: a table that has changed may be told of twice
        p = p[:4] + bytes([p[4] & 0xfb]) + p[5:]
    return seq, re.sub(rb'(statement|handler) \(\d+\)', b'N', p)


def transcript(f, r, server):
    """The packets that came; everything begins with empty databases."""
    for sql in ('drop database app', 'drop database app2', 'create database app', 'create database app2'):
        server.query(sql)
    r.init_db('app')
    r.trace.clear()
    f(r)
    r.quiet(0.01)
    assert not r.buf, 'bytes that nobody asked for: %r' % bytes(r.buf)
    return [mask(p) for p in r.trace]


def compare(direct, through):
    for i, (a, b) in enumerate(zip(direct, through)):
        assert a == b, 'packet %d differs\ndirectly %r\nthrough  %r\nbefore: %r' % (i, a, b, direct[max(0, i - 3):i])
    assert len(direct) == len(through), (direct[len(through):], through[len(direct):])


def both_offer(server, mode, wp):
    """The capabilities of the mode that weirpool offers too, and those which it leaves out."""
    if mode in ('extended', 'meta') and (mode == 'meta') == (server.family == 'mariadb'):
        mode = 'modern'
    with RawMy(server.port) as s, RawMy(wp.mysql_port) as r:
        return MODES[mode] & s.greeting.caps & r.greeting.caps


@pytest.mark.parametrize('name', SCRIPTS)
@pytest.mark.parametrize('mode', [m if m in ('modern', 'classic') else pytest.param(m, marks=pytest.mark.slow) for m in MODES])
def test_same_bytes(anymy, mypool, mode, name):
    wp = mypool(anymy, default_pool_size=1)
    caps = both_offer(anymy, mode, wp)
    with connect(anymy.port, caps) as r:
        direct = transcript(SCRIPTS[name], r, anymy)
    with connect(wp.mysql_port, caps) as r:
        compare(direct, transcript(SCRIPTS[name], r, anymy))
        r.bye()


@pytest.mark.slow
@pytest.mark.parametrize('name', SCRIPTS)
@pytest.mark.parametrize('mode', ['modern', 'classic'])
def test_same_bytes_beside_a_neighbour(anymy, mypool, mode, name):
    wp = mypool(anymy, default_pool_size=1)
    if wp.direct:
        return
    caps = both_offer(anymy, mode, wp)
    with connect(anymy.port, caps) as r:
        direct = transcript(SCRIPTS[name], r, anymy)
    with connect(wp.mysql_port, caps, Disturbed) as r, Neighbour(wp, caps) as r.neighbour:
        compare(direct, transcript(SCRIPTS[name], r, anymy))
        assert r.neighbour.disturbed, 'the connection was never free'
