"""Prepared statements of MySQL and MariaDB, multiplexed: ids are the client's own, and no server handle remembers another
client's types, schema, sql_mode or character set."""
import struct
import threading

import pytest

import rawmy as my
from rawmy import LONG_DATA, MyError, P
from servers import eventually
from weir import Direct

MODES = {'modern': my.MODERN | my.MULTI_STATEMENTS, 'classic': my.CLASSIC | my.MULTI_STATEMENTS}


@pytest.fixture(params=MODES)
def caps(request):
    return MODES[request.param]


def many(server, sql):
    for s in sql.split(';'):
        if s.strip():
            server.query(s, database='app')


def handles(server):
    """How many statements are prepared on the server now."""
    return int(server.query("show global status like 'Prepared_stmt_count'")[0][1])


def test_two_clients_one_connection(anymy, mypool, caps):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa = a.prepare('select ?, 1')
        sb = b.prepare('select ?, 2')
        sc = b.prepare('select ?, 1')
        for i in range(5):
            assert a.execute(sa, [i]).rows[0][1] == 1
            assert b.execute(sb, [i]).rows[0][1] == 2
            assert b.execute(sc, [i]).rows == [[i, 1]]
        a.close_stmt(sa)
        assert b.execute(sc, [7]).rows == [[7, 1]]
        with pytest.raises(MyError) as e:
            a.execute(sa, [1])
        assert e.value.errno == 1243
        b.bye()


def test_types_of_one_do_not_reach_the_other(anymy, mypool):
    """MySQL 9.7 compares with the types of the handle's first execution: a shared handle gives wrong rows."""
    # a warning keeps the connection until the next statement
    wp = mypool(anymy, default_pool_size=3)
    many(anymy, "drop table if exists ty; create table ty (i int, s varchar(10));"
                "insert into ty values (1, '7'), (2, '07'), (3, '07x'), (4, '7.0')")
    sql = 'select i from ty where s = ? order by i'
    with wp.my() as a, wp.my() as b, wp.my() as c:
        sa, sb, sc = a.prepare(sql), b.prepare(sql), c.prepare(sql)
        for _ in range(3):
            assert [r[0] for r in a.execute(sa, [7]).rows] == [1, 2, 3, 4]
            assert [r[0] for r in b.execute(sb, ['7']).rows] == [1]
            assert c.execute(sc, [None]).rows == []
            assert [r[0] for r in c.execute(sc, [P(7, my.T_TINY)]).rows] == [1, 2, 3, 4]
        t = b.prepare('select ?')
        u = a.prepare('select ?')
        for _ in range(2):
            assert a.execute(u, [5]).rows == [[5]]
            assert b.execute(t, ['ab']).rows == [[b'ab']]
    many(anymy, 'drop table ty')


def test_types_of_one_client_that_change(anymy, mypool, caps):
    """As on a new handle: nobody can want the wrong rows of an old one. An int first, then text."""
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=caps) as r:
        s = r.prepare('select cast(? as char)')
        for v in (7, 'text', None, 1.5, 'x', P(255, my.T_TINY, True), P(b'\xe8\x07\x02\x1d', my.T_DATE)):
            want = {7: b'7', 'text': b'text', None: None, 1.5: b'1.5', 'x': b'x'}.get(v if not isinstance(v, P) else 0)
            if isinstance(v, P):
                want = b'255' if v.kind == my.T_TINY else b'2024-02-29'
            if anymy.family == 'mysql' and wp.direct:
                s = r.prepare('select cast(? as char)')
            assert r.execute(s, [v]).rows == [[want]]


def test_types_are_sent_once(anymy, mypool, caps):
    """A driver sends the types with the first execution only; they hold on any connection."""
    wp = mypool(anymy, default_pool_size=1)
    with wp.my(caps=caps) as r, wp.my(caps=caps) as other:
        s = r.prepare('select ?, ?')
        so = other.prepare('select ?, ?')
        r.execute(s, [P(1, my.T_SHORT), 'x'])
        for i in range(3):
            other.execute(so, ['text', 1.5])
            assert r.execute(s, [P(i, my.T_SHORT), 'y'], bind=False).rows == [[i, b'y']]
        if not wp.direct:
            anymy.kill_connections('app')
            eventually(lambda: not anymy.connections())
            assert r.execute(s, [P(9, my.T_SHORT), 'z'], bind=False).rows == [[9, b'z']]


def test_never_bound(anymy, mypool):
    """Parameters that were never given a type are an error, not somebody else's types."""
    wp = mypool(anymy, default_pool_size=1)
    with wp.my() as r, wp.my() as other:
        so = other.prepare('select ?')
        other.execute(so, [1])
        s = r.prepare('select ?')
        r.command(my.execute(s.id, [P(1)], bind=False))
        with pytest.raises(MyError) as e:
            r.result(binary=True)
        assert e.value.errno in (1210, 1835)
        assert r.execute(s, ['x']).rows == [[b'x']]


def test_nulls_need_no_types(anymy, mypool):
    """What has no type yet is an error, in the server's words, but a NULL needs none; it is no type for what comes later."""
    wp = mypool(anymy, default_pool_size=1)
    with wp.my() as r, wp.my() as other:
        other.execute(other.prepare('select ?, ?'), [1, 'x'])
        s = r.prepare('select ?, ?')
        for _ in range(2):
            assert r.execute(s, [None, None], bind=False).rows == [[None, None]]
        if anymy.family == 'mysql':  # (MariaDB takes a NULL's type for one)
            [e] = r.execute_all(s, [None, 5], bind=False)
            assert e.errno == 1210
        assert r.execute(s, [5, 'x']).rows == [[5, b'x']]
        assert r.execute(s, [None, 'y'], bind=False).rows == [[None, b'y']]
        if anymy.family == 'mysql':
            return
        t = r.prepare('select ?')
        r.command(bytes([my.COM_STMT_EXECUTE]) + struct.pack('<IBI', t.id, 0, 1))
        assert r.results()[0].errno == 1210


def test_bulk_without_types(maria118, mypool):
    wp = mypool(maria118, default_pool_size=1)
    with wp.my(caps=my.MODERN | my.MARIADB_BULK) as r:
        r.do('create table if not exists app.untyped (a int)')
        s = r.prepare('insert into untyped values (?)')
        r.command(bytes([my.COM_BULK_EXECUTE]) + struct.pack('<IH', s.id, 0) + b'\0' + struct.pack('<q', 1))
        [e] = r.results()
        assert (e.errno, e.text) == (1210, 'Incorrect arguments to mysqld_stmt_bulk_execute')
        r.do('drop table app.untyped')


def test_long_data(anymy, mypool, caps):
    """Kept until the execution, by client and parameter; MariaDB shows pieces of its memory when the type was a number before."""
    # the client that sends long data keeps its connection until the execution
    wp = mypool(anymy, default_pool_size=2)
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sql = 'select ?, ?'
        sb = b.prepare(sql)
        b.execute(sb, [1, 2])
        sa = a.prepare(sql)
        for i in range(3):
            a.long_data(sa, 0, b'one ')
            b.execute(sb, [i, 2])
            a.long_data(sa, 1, b'x' * 100000)
            a.long_data(sa, 0, b'more')
            assert b.execute(sb, [i, 2]).rows == [[i, 2]]
            assert a.execute(sa, [LONG_DATA, LONG_DATA]).rows == [[b'one more', b'x' * 100000]]
            # it was for one execution
            assert a.execute(sa, ['t', 'u']).rows == [[b't', b'u']]
        a.long_data(sa, 0, b'dropped')
        a.reset_stmt(sa)
        assert a.execute(sa, ['v', 'w']).rows == [[b'v', b'w']]
        a.long_data(sa, 0, b'dropped')
        a.close_stmt(sa)
        sa = a.prepare(sql)
        assert a.execute(sa, ['v', 'w']).rows == [[b'v', b'w']]
        a.long_data(sa, 0, b'')
        assert a.execute(sa, [LONG_DATA, 'w']).rows == [[b'', b'w']]
        # a statement that does not exist: no answer, now or later
        a.long_data(4711, 0, b'x')
        assert a.one('select 1') == '1'


def test_a_lot_of_long_data(anymy, mypool):
    # as above
    wp = mypool(anymy, default_pool_size=2)
    with wp.my() as r, wp.my() as other:
        s = r.prepare('select length(?), ?')
        for _ in range(40):
            r.long_data(s, 0, b'y' * (1 << 20))
        other.one('select 1')
        assert r.execute(s, [LONG_DATA, 1]).rows == [[40 << 20, 1]]


def test_schema_of_the_client(anymy, mypool):
    """The same text means another table for a client in another schema."""
    wp = mypool(anymy, default_pool_size=1)
    many(anymy, 'drop table if exists app.t1; drop table if exists app2.t1; create table app.t1 (a int);'
                'create table app2.t1 (b text, c int); insert into app.t1 values (1); insert into app2.t1 values ("two", 2)')
    with wp.my() as a, wp.my(db='app2' if wp.direct else 'app') as b:
        b.init_db('app2')
        sa, sb = a.prepare('select * from t1'), b.prepare('select * from t1')
        for _ in range(3):
            assert a.execute(sa).rows == [[1]]
            assert b.execute(sb).rows == [[b'two', 2]]
        # the statement keeps the schema that it was prepared in
        b.init_db('app')
        assert b.execute(sb).rows == [[b'two', 2]]
        assert a.execute(sa).rows == [[1]]
        assert b.execute(b.prepare('select * from t1')).rows == [[1]]
    many(anymy, 'drop table app.t1; drop table app2.t1')


def test_sql_mode_of_the_client(anymy, mypool):
    """sql_mode at the time of the prepare decides what the text means."""
    wp = mypool(anymy, default_pool_size=1)
    with wp.my() as a, wp.my() as b:
        a.do("set sql_mode = 'ANSI_QUOTES'")
        sql = 'select "x", ? from (select 2 as x) t'
        sa, sb = a.prepare(sql), b.prepare(sql)
        for _ in range(3):
            assert a.execute(sa, [1]).rows == [[2, 1]]
            assert b.execute(sb, [1]).rows == [[b'x', 1]]
        a.do("set sql_mode = ''")
        assert a.execute(sa, [1]).rows == [[2, 1]]
        assert b.execute(sb, [1]).rows == [[b'x', 1]]


def test_character_set_of_the_client(anymy, mypool):
    wp = mypool(anymy, default_pool_size=1)
    with wp.my() as a, wp.my() as b:
        a.do('set names latin1')
        sa = a.prepare(b"select '\xe4', ?, hex('\xe4')")
        sb = b.prepare("select 'ä', ?, hex('ä')")
        for _ in range(3):
            assert a.execute(sa, [b'\xf6']).rows == [[b'\xe4', b'\xf6', b'E4']]
            assert b.execute(sb, ['ö']).rows == [['ä'.encode(), 'ö'.encode(), b'C3A4']]


def test_cursors_hold_the_connection(anymy, mypool, caps):
    wp = mypool(anymy, default_pool_size=2)
    many(anymy, 'drop table if exists cu; create table cu (a int); insert into cu values (1), (2), (3), (4), (5)')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa = a.prepare('select a from cu order by a')
        sb = b.prepare('select a from cu order by a')
        for _ in range(3):
            out = a.execute(sa, flags=1)
            assert out.status & my.CURSOR_EXISTS and out.rows == []
            got = []
            while True:
                assert [r[0] for r in b.execute(sb).rows] == [1, 2, 3, 4, 5]
                f = a.fetch(sa, 2, out.columns)
                got += [r[0] for r in f.rows]
                if f.status & my.LAST_ROW_SENT:
                    break
            assert got == [1, 2, 3, 4, 5]
            assert a.one('select 1') == '1'
        out = a.execute(sa, flags=1)
        a.fetch(sa, 1, out.columns)
        a.reset_stmt(sa)
        with pytest.raises(MyError) as e:
            a.fetch(sa, 1, out.columns)
        assert e.value.errno == 1421
        out = a.execute(sa, flags=1)
        a.close_stmt(sa)
        if not wp.direct:
            # nothing holds it any more: both connections are to be had
            with wp.my() as c:
                c.do('begin')
                assert [r[0] for r in b.execute(sb).rows] == [1, 2, 3, 4, 5]
                assert a.one('select 1') == '1'
    many(anymy, 'drop table cu')


def test_a_cursor_is_of_one_execution(anymy, mypool, caps):
    """MySQL 9.7 sends rows without an end from a handle that had a cursor at its first execution."""
    wp = mypool(anymy, default_pool_size=1)
    if wp.direct and anymy.family == 'mysql':
        pytest.skip('MySQL does not get this right')
    many(anymy, 'drop table if exists cu; create table cu (a int); insert into cu values (1), (2), (3)')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa = a.prepare('select a from cu order by a')
        sb = b.prepare('select a from cu order by a')
        for _ in range(2):
            out = a.execute(sa, flags=1)
            assert len(a.fetch(sa, 5, out.columns).rows) == 3
            assert [r[0] for r in b.execute(sb).rows] == [1, 2, 3]
            assert [r[0] for r in a.execute(sa).rows] == [1, 2, 3]
    many(anymy, 'drop table cu')


def test_two_statements_of_one_text(anymy, mypool, caps):
    """Each has its own cursor and its own long data."""
    wp = mypool(anymy, default_pool_size=1)
    many(anymy, 'drop table if exists cu; create table cu (a int, b longblob); insert into cu values (1, 0), (2, 0), (3, 0)')
    with wp.my(caps=caps) as a:
        s, t = [a.prepare('select a from cu order by a') for _ in range(2)]
        for _ in range(2):
            out = a.execute(s, flags=1)
            assert [r[0] for r in a.fetch(s, 2, out.columns).rows] == [1, 2]
            a.execute(t, flags=1)
            assert [r[0] for r in a.fetch(t, 1, out.columns).rows] == [1]
            assert [r[0] for r in a.fetch(s, 1, out.columns).rows] == [3]
            assert [r[0] for r in a.fetch(t, 5, out.columns).rows] == [2, 3]
            a.reset_stmt(s)
            a.reset_stmt(t)
        x, y = [a.prepare('insert into cu values (?, ?)') for _ in range(2)]
        a.long_data(x, 1, b'of x')
        a.execute(y, [P(10), P(b'of y', kind=my.T_BLOB)])
        a.execute(x, [P(11), P(None, kind=my.T_BLOB)])
        assert a.q('select a, b from cu where a > 9 order by a') == [['10', 'of y'], ['11', 'of x']]
    many(anymy, 'drop table cu')


def test_columns_are_told_with_each_execution(anymy, mypool, caps):
    """Types, names and character sets of now, on the connection of the PREPARE and on another one, as a server tells them."""
    wp = mypool(anymy, default_pool_size=2, max_prepared_statements=1)
    many(anymy, 'drop table if exists ch; create table ch (a int, b varchar(10) character set latin1); insert into ch values (1, 2)')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b, Direct(anymy).my(caps=caps) as d:
        stmts = {s: s.prepare('select * from ch') for s in (a, b, d)}
        for change in ('modify a varchar(20)', 'modify b int unsigned not null', 'change a c bigint, change b a varchar(5) character set utf8mb4',
                       'add column z datetime(3)', 'drop column c'):
            many(anymy, 'alter table ch ' + change)
            want = d.execute(stmts[d])
            for s in (a, b, a):
                s.execute(s.prepare('select 1'))  # its handle goes
                out = s.execute(stmts[s])
                assert [vars(c) for c in out.columns] == [vars(c) for c in want.columns], change
                assert out.rows == want.rows
        d.close_stmt(stmts[d])
    many(anymy, 'drop table ch')


def test_a_table_that_changes(anymy, mypool, caps):
    # an error keeps the connection until the next statement
    wp = mypool(anymy, default_pool_size=3)
    many(anymy, 'drop table if exists ch; create table ch (a int); insert into ch values (1)')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa, sb = a.prepare('select * from ch'), b.prepare('select * from ch')
        assert a.execute(sa).rows == [[1]] and b.execute(sb).rows == [[1]]
        many(anymy, "alter table ch add column b varchar(10) default 'new'")
        for _ in range(2):
            assert a.execute(sa).rows == [[1, b'new']]
            assert b.execute(sb).rows == [[1, b'new']]
        sc = a.prepare('select * from ch')
        assert len(sc.columns) == 2
        many(anymy, 'drop table ch')
        for r, s in ((a, sa), (b, sb)):
            with pytest.raises(MyError) as e:
                r.execute(s)
            assert e.value.errno == 1146
        many(anymy, 'create table ch (c date)')
        assert a.execute(sa).rows == []
    many(anymy, 'drop table ch')


def test_calls_with_out_parameters(anymy, mypool, caps):
    # what a procedure did to its connection is not known: its client keeps it
    wp = mypool(anymy, default_pool_size=2)
    many(anymy, 'drop procedure if exists pc')
    anymy.query('create procedure pc(in a int, out b int, inout c varchar(20)) begin select a; set b = a * 2;'
                " set c = concat(c, '!'); end", database='app')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa = a.prepare('call pc(?, ?, ?)')
        for i in range(3):
            b.do('set @x = 1')
            out = a.execute_all(sa, [i, None, 'hi'])
            assert out[0].rows == [[i]]
            assert out[1].rows == [[i * 2, b'hi!']] and out[1].status & my.PS_OUT_PARAMS
            assert isinstance(out[2], my.Ok) and len(out) == 3
    many(anymy, 'drop procedure pc')


def test_survives_the_loss_of_the_connection(anymy, mypool, caps):
    wp = mypool(anymy, default_pool_size=2)
    if wp.direct:
        return
    with wp.my(caps=caps) as r:
        ss = [r.prepare('select ?, %d' % i) for i in range(10)]
        for i, s in enumerate(ss):
            assert r.execute(s, ['a']).rows == [[b'a', i]]
        anymy.kill_connections('app')
        eventually(lambda: not anymy.connections())
        for i, s in enumerate(ss):
            assert r.execute(s, ['b']).rows == [[b'b', i]]


def test_many_statements(anymy, mypool):
    """More than a link keeps: the oldest go, nothing fails, and the server is not filled."""
    wp = mypool(anymy, default_pool_size=2, max_prepared_statements=50)
    with wp.my() as a, wp.my() as b:
        sa = [a.prepare('select ?, %d' % i) for i in range(300)]
        sb = [b.prepare('select ?, %d' % i) for i in range(300)]
        for i in range(0, 300, 7):
            assert a.execute(sa[i], [1]).rows == [[1, i]]
            assert b.execute(sb[299 - i], [1]).rows == [[1, 299 - i]]
        if not wp.direct:
            eventually(lambda: handles(anymy) <= 110)  # (the server does not answer when it is told to close one)
        for s in sa:
            a.close_stmt(s)
        assert a.one('select 1') == '1'


def test_nothing_is_left_behind(anymy, mypool):
    before = handles(anymy)
    wp = mypool(anymy, default_pool_size=2, max_prepared_statements=4)
    for _ in range(20):
        with wp.my() as r:
            s = r.prepare('select ?')
            r.execute(s, [1])
            r.bye()
    eventually(lambda: handles(anymy) <= before + 10)
    if not wp.direct:
        wp.stop()
    eventually(lambda: handles(anymy) <= before)


def test_errors(anymy, mypool, caps):
    # the connection of an error is kept until the next statement, which may ask for it
    wp = mypool(anymy, default_pool_size=2)
    with wp.my(caps=caps) as r, wp.my() as other:
        for sql, errno in (('selec 1', 1064), ('select ? from nowhere', 1146), ('', 1065), ('select 1; select 2', 1064),
                           ("prepare x from 'select 1'", 1295)):
            with pytest.raises(MyError) as e:
                r.prepare(sql)
            assert e.value.errno == errno, sql
        for f in (lambda: r.execute(4711, []), lambda: r.reset_stmt(my.Stmt(4711, [], [], 0)),
                  lambda: r.fetch(my.Stmt(4711, [], [], 0), 1, [])):
            with pytest.raises(MyError) as e:
                f()
            assert e.value.errno == 1243
        r.close_stmt(4711)
        s = r.prepare("select cast(? as signed) / 0, benchmark(1, ?), (select 1 union select ?)")
        with pytest.raises(MyError) as e:
            r.execute(s, [1, 2, 3])
        assert e.value.errno == 1242
        assert other.one('select 1') == '1'
        assert r.one('select 1') == '1'


def test_writes_and_their_ids(anymy, mypool, caps):
    wp = mypool(anymy, default_pool_size=1)
    many(anymy, 'drop table if exists wr; create table wr (id int auto_increment primary key, a varchar(10))')
    with wp.my(caps=caps) as a, wp.my(caps=caps) as b:
        sa, sb = (r.prepare('insert into wr (a) values (?)') for r in (a, b))
        for i in range(3):
            ia = a.execute(sa, ['x']).insert_id
            ib = b.execute(sb, [None]).insert_id
            assert ib == ia + 1
            assert a.one('select last_insert_id()') == str(ia)
            assert b.one('select last_insert_id()') == str(ib)
        assert a.execute(a.prepare('update wr set a = ? where a is null'), ['y']).affected == 3
    many(anymy, 'drop table wr')


def test_text_prepare(anymy, mypool):
    wp = mypool(anymy, default_pool_size=2)
    with wp.my() as a, wp.my() as b:
        a.do("prepare p from 'select ? + 1'")
        b.do("prepare p from 'select ? + 2'")
        a.do('set @a = 10')
        b.do('set @a = 20')
        for _ in range(3):
            assert a.one('execute p using @a') == '11'
            assert b.one('execute p using @a') == '22'
        a.do('deallocate prepare p')
        assert a.error('execute p using @a').errno == 1243
        assert b.one('execute p using @a') == '22'


def test_many_threads(anymy, mypool):
    """Random interleavings on few connections; each execution gets its own text and parameter."""
    wp = mypool(anymy, default_pool_size=2, max_prepared_statements=5)
    wrong = []

    def run(me):
        try:
            with wp.my() as r:
                ss = [r.prepare("select 'q%d', ?" % (i if i % 2 else i + me * 100)) for i in range(8)]
                for n in range(40):
                    i = (n * 7 + me) % 8
                    value = me * 1000 + n if (i + me) % 3 else str(me * 1000 + n)
                    got = r.execute(ss[i], [value]).rows
                    want = [[b'q%d' % (i if i % 2 else i + me * 100), value if isinstance(value, int) else value.encode()]]
                    if got != want:
                        wrong.append((want, got))
                r.bye()
        except Exception as e:
            wrong.append((me, repr(e)))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]


# --- MariaDB's own
@pytest.fixture(params=['maria1011', 'maria118'])
def anymaria(request):
    return request.getfixturevalue(request.param)


def test_the_last_prepared(anymaria, mypool):
    """Id -1 in one write with its prepare."""
    wp = mypool(anymaria, default_pool_size=1)
    with wp.my() as r, wp.my() as other:
        for i in range(3):
            other.execute(other.prepare('select 99'))
            r.send_bytes(my.frames(bytes([my.COM_STMT_PREPARE]) + b'select ?, %d' % i) + my.frames(my.execute(-1, ['x'])))
            r.seq = 1
            s = r.prepared()
            r.seq = 1
            assert r.results(binary=True)[0].rows == [[b'x', i]]
            assert r.execute(s, ['y']).rows == [[b'y', i]]
        r.send_bytes(my.frames(bytes([my.COM_STMT_PREPARE]) + b'selec ?') + my.frames(my.execute(-1, ['x'])))
        r.seq = 1
        with pytest.raises(MyError) as e:
            r.prepared()
        assert e.value.errno == 1064
        r.seq = 1
        assert r.results()[0].errno == 1243
        assert r.one('select 1') == '1'


def bulk(sid, rows, types):
    """COM_STMT_BULK_EXECUTE with types: per value an indicator, 0 or 1 (NULL)"""
    out = bytes([my.COM_BULK_EXECUTE]) + sid.to_bytes(4, 'little') + (128).to_bytes(2, 'little')
    out += b''.join(P(0, t).type for t in types)
    for row in rows:
        for v, t in zip(row, types):
            out += b'\1' if v is None else b'\0' + P(v, t).bytes
    return out


def test_bulk(anymaria, mypool):
    wp = mypool(anymaria, default_pool_size=1)
    many(anymaria, 'drop table if exists bu; create table bu (a int, b varchar(20))')
    with wp.my(caps=my.MODERN | my.MARIADB_BULK) as r, wp.my() as other:
        assert r.caps & my.MARIADB_BULK
        s = r.prepare('insert into bu values (?, ?)')
        for i in range(3):
            other.one('select 1')
            r.command(bulk(s.id, [[1, 'one'], [2, None], [3, 'three']], [my.T_LONG, my.T_VAR_STRING]))
            assert r.result().affected == 3
        assert r.q('select a, b, count(*) from bu group by a, b order by a') == [
            ['1', 'one', '3'], ['2', None, '3'], ['3', 'three', '3']]
    many(anymaria, 'drop table bu')


def test_bulk_of_a_text_too_large_to_keep(anymaria, mypool):
    wp = mypool(anymaria, default_pool_size=1)
    many(anymaria, 'drop table if exists bu; create table bu (a int, b varchar(20))')
    with wp.my(caps=my.MODERN | my.MARIADB_BULK) as r:
        s = r.prepare('insert into bu values (?, ?) /*%s*/' % ('x' * 5000000))
        r.command(bulk(s.id, [[1, 'one'], [2, None]], [my.T_LONG, my.T_VAR_STRING]))
        assert r.result().affected == 2
        assert r.q('select a, b from bu order by a') == [['1', 'one'], ['2', None]]
    many(anymaria, 'drop table bu')


def test_handles_in_session_mode(anymy, weirpool):
    """Making one again would put the session into states that nobody follows there."""
    anymy.query('drop procedure if exists app.p_mode')
    anymy.query("create procedure app.p_mode() begin set session sql_mode = 'ANSI'; set time_zone = '+09:30'; select 1; end")
    wp = weirpool(anymy, pool_mode='session', max_prepared_statements=1)
    with wp.my() as r:
        r.do("set sql_mode = 'NO_ZERO_DATE'")
        a, b = r.prepare("select 'a' || ?"), r.prepare('select ?')
        r.all('call p_mode()')
        before = r.q('select @@sql_mode, @@time_zone, @@collation_connection')
        for value in (1, 'x', 2.5, None) * 2:
            r.execute(a, [value])
            r.execute(b, [value])
        assert r.q('select @@sql_mode, @@time_zone, @@collation_connection') == before
        assert before[0][:2] == ['NO_ZERO_DATE', '+09:30']
    anymy.query('drop procedure app.p_mode')
