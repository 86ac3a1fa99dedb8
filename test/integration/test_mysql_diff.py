"""The same commands directly and through weirpool: what a client sees is the same, byte for byte.

Each script is a function of a rawmy client. It runs on a direct connection and through weirpool, alone and beside a neighbour
who disturbs the only server connection between any two commands; the packets that came behind each command are compared,
sequence ids included (statement ids aside). KNOWN is all that may differ, and must."""
import contextlib
import re
import time
from typing import NamedTuple

import pytest

import rawmy as my
from mysql_servers import KINDS
from rawmy import MyError, P, RawMy

BASE = my.CLASSIC | my.PLUGIN_AUTH_LENENC | my.MULTI_STATEMENTS | my.LOCAL_FILES
MODERN = BASE | my.SESSION_TRACK | my.DEPRECATE_EOF
MODES = {'modern': MODERN, 'classic': BASE, 'eof+track': BASE | my.SESSION_TRACK, 'noeof': BASE | my.DEPRECATE_EOF,
         'found_rows': BASE | my.FOUND_ROWS | my.DEPRECATE_EOF | my.INTERACTIVE | my.ODBC,
         'ignore_space': BASE | my.IGNORE_SPACE | my.SESSION_TRACK}
MODES_OF = {'mysql': {'attributes': MODERN | my.QUERY_ATTRIBUTES,
                      'metadata': MODERN | my.OPTIONAL_RESULTSET_METADATA, 'metadata+eof': BASE | my.OPTIONAL_RESULTSET_METADATA},
            'mariadb': {'bulk': MODERN | my.MARIADB_BULK, 'extended': MODERN | my.MARIADB_EXTENDED_METADATA}}


class Known(NamedTuple):
    """What differs, and must: doc/mysql.md has it, too."""
    script: str
    command: str                # a regular expression; the first two digits are the command byte
    kinds: str                  # a regular expression
    beside: str                 # 'alone', 'neighbour' or 'both'
    why: str


KNOWN = [
    Known('errors_without_a_statement', '0c|03 .*show errors', 'mysql', 'both', 'COM_PROCESS_KILL works; MySQL 9 has it no more'),
    Known('other_commands', '11', 'maria', 'both', 'a proof of COM_CHANGE_USER over the last scramble is enough: one round trip less'),
    Known('own_trackers', '03 .*select @@session_track', '', 'both', 'the link\'s trackers are weirpool\'s'),
    Known('state_of_last_statement', '03 .*(get diagnostics|select @n)', '', 'both',
          'GET DIAGNOSTICS finds the statement before it only in a transaction'),
    Known('session_state', '03 .*select @x, @@time_zone', '', 'neighbour',
          'the type of the NULL that an unset variable is, where another client had one of that name')]
# what the last statement left on its connection: weirpool says that it has gone rather than guess
LAST_STATEMENT = re.compile(rb'row_count|found_rows|warnings|warning_count|errors|diagnostics', re.I)
NO_ANSWER = (bytes([my.COM_STMT_CLOSE]), bytes([my.COM_STMT_SEND_LONG_DATA]))
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


@script
def errors_without_a_statement(r):
    """Errors about the command itself: they are in the diagnostics area like any other."""
    shown = ('show warnings', 'show errors', 'select @@error_count, @@warning_count', 'select @@error_count', 'show count(*) errors')
    for sql in shown:
        try_(r.execute, 99)
        r.all(sql)
        r.all(sql)
    for f in (r.reset_stmt, lambda s: r.fetch(s, 1, []), lambda s: r.execute_all(s)):
        r.all("select cast('x' as signed)")
        try_(f, my.Stmt(99, 0, 0, 0))
        r.ping()
        r.all('show warnings')
    r.all("select cast('x' as signed)")
    try_(r.simple, my.COM_SLEEP)
    try_(r.simple, my.COM_TIME)
    r.ping()
    r.all('show warnings')
    try_(r.simple, my.COM_SLEEP)
    r.all('select 1')
    r.ping()
    r.all('kill 4000000000')
    r.all('show errors')
    try_(r.simple, my.COM_PROCESS_KILL, b'\xff\xff\xff\xee')
    r.all('show errors')
    try_(r.init_db, 'nowhere')
    r.all('show errors')
    r.all('begin')
    r.all("select cast('x' as signed)")
    try_(r.execute, 99)
    r.all('show warnings')
    try_(r.simple, my.COM_SLEEP)
    r.all('show warnings')
    r.all('rollback')


@script
def trackers_as_asked(r):
    for sql in ("set session_track_state_change = 1", "set session_track_transaction_info = 'STATE'",
                "set session_track_transaction_info = 'CHARACTERISTICS'", "set session_track_system_variables = 'sql_mode'",
                "set session_track_system_variables = 'sql_mode,session_track_system_variables'",
                "set session_track_system_variables = '*'", "set session_track_schema = on; use app2; use app",
                "set session_track_schema = 0; use app2; use app", "set session_track_schema = default; use app2; use app",
                "set session_track_gtids = 'OWN_GTID'"):
        r.all(sql)
        r.all('begin; create table dt (a int); begin; insert into dt values (1); drop table dt; rollback')
        r.all("set time_zone = '+01:00', @x = 1; set sql_mode = 'ANSI'")
        r.reset_connection()


@pytest.fixture
def server(request):
    return request.getfixturevalue(request.param)


def warm_up(server):
    """A server's cache of passwords is empty at first."""
    with RawMy(server.port) as r:
        r.login('app2', 'app', 'app2')


@script
def results_without_definitions(r):
    """MySQL's resultset_metadata: for clients that can do with it, else an error. Read as packets: rawmy wants definitions."""
    def bare(payload):
        r.command(payload)
        begin = len(r.trace)
        while not (r.recv()[:1] in (b'\0', b'\xff', b'\xfe') and (not r.buf and r.quiet(0.3))):
            pass
        for i, (seq, p) in enumerate(r.trace[begin:-1], begin):
            if p[:1] == b'\xfe' and len(p) == 5:
                r.trace[i] = seq, b'\xfe....'       # as in rawmy: nobody can know it
    query = [my.query(sql, None, r.caps) for sql in
             ('set resultset_metadata = none', "select 1, 'x'", "select cast('x' as signed)", 'show warnings', 'show warnings',
              "set @x = 'y'", 'select @x, @@resultset_metadata', 'begin', 'select 1 from dual where 1 = 0', 'rollback', 'select nothing',
              'show errors', 'select 1; select 2, 3', 'select last_insert_id()')]
    for q in query + [bytes([my.COM_STMT_PREPARE]) + b'selec', b'\x0e']:
        bare(q)
    r.all('set resultset_metadata = full')
    s = r.prepare('select ?, 5')
    r.execute_all(s, [1])
    r.all('set resultset_metadata = none')
    bare(my.execute(s.id, [2], 0, True, None, r.caps))
    bare(my.execute(s.id, [3], 0, True, None, r.caps))
    r.reset_connection()
    r.all('select @@version_comment = @@version_comment')


def connect(port, caps, kind=RawMy):
    r = kind(port, timeout=30)
    r.login(caps=caps)
    return r


class Neighbour:
    """Another client of the same pool of one connection: it leaves other state there whenever the connection is free."""
    STATEMENTS = (('use app2', "set time_zone = '+11:00', sql_mode = 'ANSI'", 'set @x = 99, @a = 98, @y = null'),
                  ('use app', 'set names latin1', 'set sql_select_limit = default, sql_safe_updates = 0'),
                  ("select cast('neighbour' as signed)", 'select 1 from nowhere', 'set session_track_schema = 1'))

    def __init__(self, pool):
        self.r = pool.my(caps=MODERN)
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
    """A client before whose every command its neighbour has had the connection, if it was free. (Behind the data of a parameter
    it is not, though nothing says when that has arrived.)"""
    neighbour = None
    sends_data = False

    def command(self, payload):
        if self.neighbour and payload[:1] not in NO_ANSWER and not self.sends_data and not LAST_STATEMENT.search(payload):
            self.neighbour.disturb()
        self.sends_data = payload[:1] == bytes([my.COM_STMT_SEND_LONG_DATA])
        return super().command(payload)


# numbers of statements and transactions: in the values of these trackers
NUMBERS = (b'statement_id', b'last_gtid', b'last_insert_id')


def tracked(p):
    """An OK with trackers: its beginning, and the entries in an order of ours (MariaDB has none), without numbers."""
    r = my.Reader(p)
    r.int(1), r.lenenc(), r.lenenc(), r.int(4), r.lenenc_str()
    head, out = p[:r.pos], []
    t = my.Reader(r.lenenc_str())
    assert not r.left()
    while t.left():
        kind, data = t.int(1), t.lenenc_str()
        if kind == 0 and my.Reader(data).lenenc_str() in NUMBERS:
            continue
        out.append((kind, re.sub(rb'(?<=:)[0-9:-]+', b'N', data[2:]) if kind == 3 else data))
    return head, sorted(out)


def mask(packet):
    """Scrambles, keys, and ids of statements differ between any two connections."""
    seq, p = packet
    if p[:1] == b'\xfe' and b'_password\0' in p[:30]:
        p = p[:p.index(b'\0') + 1]
    if p[:1] == b'\xfe' and len(p) in (5, 7):
        # the bit METADATA_CHANGED: a table that has changed may be told of twice
        p = p[:4] + bytes([p[4] & 0xfb]) + p[5:]
    if p[:1] in (b'\0', b'\xfe') and len(p) > 8 and p[4] & 0x40:
        with contextlib.suppress(AssertionError, IndexError, KeyError, ValueError):
            return seq, tracked(p)
    return seq, re.sub(rb'(statement|handler) \(\d+\)', b'N', p)


class Steps:
    """The packets that came behind each command of a client."""

    def __init__(self, r):
        self.r, self.at, self.names = r, [], []
        inner = r.command

        def command(payload):
            self.names.append(name_of(payload))
            out = inner(payload)            # what a neighbour does comes before it
            self.at.append(len(r.trace))
            return out
        r.command = command

    def all(self):
        ends = self.at[1:] + [len(self.r.trace)]
        return [(n, [mask(p) for p in self.r.trace[a:b]]) for n, a, b in zip(self.names, self.at, ends)]


def name_of(payload):
    text = payload[1:] if payload[:1] in (b'\3', b'\x16') else b''
    return ('%02x ' % payload[0] if payload else 'empty ') + re.sub(r'[^ -~]', '.', text[:100].decode('latin1'))


def transcript(f, r, server):
    """What came behind each command; everything begins with empty databases."""
    for sql in ('drop database app', 'drop database app2', 'create database app', 'create database app2'):
        server.query(sql)
    r.init_db('app')
    r.trace.clear()
    steps = Steps(r)
    f(r)
    r.quiet(0.01)
    assert not r.buf, 'bytes that nobody asked for: %r' % bytes(r.buf)
    return steps.all()


def differences(direct, through):
    """(number, command, packets directly, packets through) of each step that is not the same."""
    assert [n for n, _ in direct] == [n for n, _ in through], 'the script took another way'
    return [(i, n, a, b) for i, ((n, a), (_, b)) in enumerate(zip(direct, through)) if a != b]


def offered(server, wp, caps):
    """The capabilities of a mode: both ends have them all."""
    with RawMy(server.port) as s, RawMy(wp.mysql_port) as r:
        for g in (s.greeting, r.greeting):
            assert caps & ~my.LONG_PASSWORD & ~g.caps == 0, (hex(caps), hex(g.caps))
    return caps


class Comparison:
    """What differed in the scripts so far, and what should have."""

    def __init__(self, kind, beside):
        self.known = {k: 0 for k in KNOWN if re.match(k.kinds, kind) and k.beside in ('both', beside)}
        self.text = ''

    def add(self, name, direct, through):
        for i, command, a, b in differences(direct, through):
            k = next((k for k in self.known if k.script == name and re.match(k.command, command)), None)
            if k:
                self.known[k] += 1
            else:
                self.text += '\n%s, step %d: %s\n  directly %r\n  through  %r' % (name, i, command, a, b)

    def finish(self):
        assert not self.text, self.text
        gone = [k for k, n in self.known.items() if n == 0]
        assert not gone, 'no longer different: %r' % gone


def compare(server, wp, mode, connect_through, beside='alone'):
    caps = offered(server, wp, {**MODES, **MODES_OF[server.family]}[mode])
    c = Comparison(server.kind, beside)
    for name, f in SCRIPTS.items():
        with connect(server.port, caps) as r:
            direct = transcript(f, r, server)
        with connect_through(caps) as r:
            c.add(name, direct, transcript(f, r, server))
            r.bye()
    c.finish()


def modes_of(wanted, slow):
    out = []
    for kind, (family, _, _) in KINDS.items():
        for m in {**MODES, **MODES_OF[family]}:
            if wanted is None or m in wanted:
                out.append(pytest.param(kind, m, marks=pytest.mark.slow if m in slow else ()))
    return out


@pytest.mark.parametrize('server,mode', modes_of(None, ('eof+track', 'noeof')), indirect=['server'])
def test_same_bytes(server, mode, mypool):
    wp = mypool(server, default_pool_size=1)
    warm_up(server)
    compare(server, wp, mode, lambda caps: connect(wp.mysql_port, caps))


@pytest.mark.parametrize('server,mode', modes_of(('modern', 'classic'), ('classic',)), indirect=['server'])
def test_same_bytes_beside_a_neighbour(server, mode, mypool):
    wp = mypool(server, default_pool_size=1)
    if wp.direct:
        return
    warm_up(server)
    with Neighbour(wp) as n:
        def disturbed(caps):
            r = connect(wp.mysql_port, caps, Disturbed)
            r.neighbour = n
            return r
        compare(server, wp, mode, disturbed, 'neighbour')
        assert n.disturbed, 'the connection was never free'
