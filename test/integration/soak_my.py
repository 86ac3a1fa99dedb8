"""The soak with a ledger of soak.py, for MySQL and MariaDB: the same judgement, other clients.

What MySQL adds is state: each client has settings, user variables and a schema of its own and changes them in every way there
is; statements leave warnings, FOUND_ROWS() and LAST_INSERT_ID() behind that the next one reads; prepared statements of one
text are executed with parameters of changing types. All carry a nonce, or a value only this client can know.

Alone:  SOAK_KIND=mysql97 python3 test/integration/soak_my.py      (maria1011, maria118; SOAK_MODE=session; the rest as soak.py)
The test suite runs short ones: test_soak_ledger.py."""
import contextlib
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import pymysql  # noqa: E402
import rawmy as my  # noqa: E402
from ledger import PATIENCE, Client, Gone, Nemesis, Soak  # noqa: E402
from mysql_servers import MyServer  # noqa: E402
from rawmy import MyError, Ok, P, ResultSet  # noqa: E402

# what the end of a connection may look like; anything else is an accusation
LOST = (2013, 2003, 2006, 1053, 1927, 1040, 1080, 1152, 1158, 1159, 1160, 1161, 4031)
# of two transactions; MariaDB says the second since 11.6 (innodb_snapshot_isolation)
CONFLICT = (1213, 1020)
CAPS = my.MODERN | my.MULTI_STATEMENTS
SETS = {'latin1': 'latin1_swedish_ci', 'koi8r': 'koi8r_general_ci', 'gbk': 'gbk_chinese_ci', 'latin2': 'latin2_general_ci'}
MODES = ['', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'PIPES_AS_CONCAT', 'NO_ZERO_DATE', 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES']
LEVELS = ['READ-COMMITTED', 'REPEATABLE-READ', 'READ-UNCOMMITTED']
ASK = {'time_zone': '@@time_zone', 'sql_mode': '@@sql_mode', 'client': '@@character_set_client',
       'results': '@@character_set_results', 'collation': '@@collation_connection', 'schema': 'database()',
       'isolation': '@@%s_isolation', 'autocommit': '@@autocommit', 'length': '@@group_concat_max_len', 'tenant': '@tenant',
       'count': '@`the count`', 'last_id': 'last_insert_id()'}


def text(v):
    return v.decode() if isinstance(v, bytes) else None if v is None else str(v)


class MyClient(Client):
    """What both kinds of clients do: rows(sql) runs one statement and returns what it gives, as text.

    fresh: settings as a direct connection has them after a login, reset: after COM_RESET_CONNECTION; by login."""
    fresh, reset, ask = {}, {}, {}

    def __init__(self, wp, number, ledger, seed, stop):
        super().__init__(wp, number, ledger, seed, stop)
        self.with_login = ('app', 'app2')[number % 2], (45, 8, 33)[number % 3]
        self.initial = {}

    def common_actions(self):
        return [self.read, self.insert, self.transfer, self.transfer, self.rolled_back, self.change, self.change, self.change,
                self.change_in_tx, self.verify, self.verify, self.verify, self.fail, self.insert_id, self.warned, self.found,
                self.procedure, self.temporary, self.locked]

    @staticmethod
    def last_words(ping):
        """A statement that was interrupted by the end of its connection is not an accusation."""
        try:
            ping()
        except (MyError, my.Closed, AssertionError, OSError, pymysql.Error) as e:
            raise Gone from e

    def one(self, sql, may_fail=()):
        return self.rows(sql, may_fail)[0][0]

    def same(self, what, want, got):
        if want != got:
            self.wrong('%s: want %r, got %r' % (what, want, got))

    def settle(self):
        """Without autocommit a table that was read keeps the transaction open."""
        if self.settings['autocommit'] == '0' and self.rnd.random() < 0.7:
            self.rows('commit')

    def read(self):
        n = self.nonce()
        self.same('read', [[n]], self.rows("select '%s'" % n))

    # --- writes
    def write(self, nonce, sql):
        """A statement that commits nonce, or does not."""
        outcome = 'unknown'
        try:
            self.rows(sql, CONFLICT)
            outcome = 'committed'
        except (MyError, pymysql.Error):
            outcome = 'failed'
        finally:
            self.booked_apart(nonce, outcome)

    def into_ledger(self, nonce):
        return "insert into app.ledger values ('%s', %d)" % (nonce, self.number)

    def insert(self):
        n = self.nonce()
        if self.settings['autocommit'] == '1':
            return self.write(n, self.into_ledger(n))
        try:
            self.rows(self.into_ledger(n))
        except Gone:
            self.booked_apart(n, 'failed')
            raise
        self.write(n, 'commit')

    def transfer(self):
        n = self.nonce()
        a, b = sorted(self.rnd.sample(range(50), 2))
        amount = self.rnd.randrange(1, 100)
        try:
            for sql in (self.rnd.choice(['begin', 'start transaction', 'start transaction with consistent snapshot']),
                        'update app.account set balance = balance - %d where id = %d' % (amount, a),
                        'update app.account set balance = balance + %d where id = %d' % (amount, b), self.into_ledger(n)):
                self.rows(sql, CONFLICT)
            if self.rnd.random() < 0.3:
                self.verify()
            if self.rnd.random() < 0.3:
                self.same('wrote in the same transaction', [[n]], self.rows("select nonce from app.ledger where nonce = '%s'" % n))
        except Gone:
            self.booked_apart(n, 'failed')      # COMMIT was never sent
            raise
        except (MyError, pymysql.Error):
            self.booked_apart(n, 'failed')
            return self.rows('rollback')
        self.write(n, 'commit')

    def rolled_back(self):
        n = self.nonce()
        self.booked_apart(n, 'failed')
        self.rows('begin')
        self.rows(self.into_ledger(n))
        self.rows(self.rnd.choice(['rollback', 'rollback', 'savepoint s']))
        self.rows('rollback')

    # --- settings
    def a_change(self):
        """Statements, and what they set."""
        self.n += 1
        tenant = 't%d.%d' % (self.number, self.n)
        kind = self.rnd.randrange(15)
        if kind == 0:
            v = '+%02d:00' % self.rnd.randrange(1, 12)
            return ["set time_zone = '%s'" % v], {'time_zone': v}
        if kind == 1:
            v = self.rnd.choice(MODES)
            return ["set sql_mode = '%s'" % v], {'sql_mode': v}
        if kind == 2:
            v = self.rnd.choice(list(SETS))
            return ['set names ' + v], {'client': v, 'results': v, 'collation': SETS[v]}
        if kind == 3:
            return ['set names utf8mb4 collate utf8mb4_bin'], {'client': 'utf8mb4', 'results': 'utf8mb4', 'collation': 'utf8mb4_bin'}
        if kind == 4:
            v = self.rnd.choice(['app', 'app2'])
            return ['use ' + v], {'schema': v}
        if kind == 5:
            v = self.rnd.choice(LEVELS)
            return ['set session transaction isolation level ' + v.replace('-', ' ')], {'isolation': v}
        if kind == 6:
            v = self.rnd.choice('01')
            return ['set autocommit = ' + v], {'autocommit': v}
        if kind == 7:
            v = str(self.rnd.randrange(1000, 9999))
            return ['set session group_concat_max_len = ' + v], {'length': v}
        if kind == 8:
            return ["set @tenant = '%s'" % tenant], {'tenant': tenant}
        if kind == 9:
            return ["select @tenant := '%s'" % tenant], {'tenant': tenant}
        if kind == 10:
            return ["select '%s', %d into @tenant, @`the count`" % (tenant, self.n)], {'tenant': tenant, 'count': str(self.n)}
        if kind == 11:
            v = self.settings['count']
            return ['set @`the count` = @`the count` + 1'], {'count': v and str(int(v) + 1)}
        if kind == 12:
            v = '-%02d:00' % self.rnd.randrange(1, 12)
            return ["set @tenant = '%s', time_zone = '%s', @@session.sql_mode = ''" % (tenant, v)], \
                {'tenant': tenant, 'time_zone': v, 'sql_mode': ''}
        if kind == 13:
            return ["set @the_tenant = '%s'" % tenant, "prepare p from 'set @tenant = ?'", 'execute p using @the_tenant',
                    'deallocate prepare p'], {'tenant': tenant}
        return ['set character_set_results = null'], {'results': None}

    def change(self):
        sqls, new = self.a_change()
        for s in sqls:
            self.rows(s)
        self.settings.update(new)

    def change_in_tx(self):
        """What a rollback does not undo."""
        self.rows('begin')
        try:
            if self.rnd.random() < 0.5:
                self.rows('select count(*) from app.account')
            sqls, new = self.a_change()
            for s in sqls:
                self.rows(s)
        finally:
            self.rows('rollback')
        self.settings.update(new)

    def fail(self):
        """Errors on the way change nothing, and nothing is left of them."""
        bad = {"set time_zone = '+13:00', nothing = 1": 1193, "set time_zone = 'nowhere'": 1298, 'select nothing': 1054,
               'select * from app.nowhere': 1146, 'select 1 from app.account where id = (select 1 union select 2)': 1242,
               "signal sqlstate '45000'": 1644}
        sql = self.rnd.choice(list(bad))
        try:
            self.rows(sql, (bad[sql],))
            self.wrong('no error: ' + sql)
        except (MyError, pymysql.Error) as e:
            if self.rnd.random() < 0.5:
                number = e.errno if isinstance(e, MyError) else e.args[0]
                self.same('errors of ' + sql, str(number), self.rows('show errors')[0][1])
        self.settle()

    def verify(self):
        n = self.nonce()
        out = self.rows("select '%s', %s" % (n, ', '.join(self.ask.values())))
        if len(out) != 1 or out[0][0] != n:
            return self.wrong('asked %s, got %r' % (n, out[:3]))
        got = dict(zip(self.ask, out[0][1:]))
        if got != self.settings:
            self.wrong('settings: %r' % {k: 'is %r, should be %r' % (v, self.settings[k]) for k, v in got.items()
                                         if v != self.settings[k]})

    # --- what a statement leaves behind
    def insert_id(self):
        n = self.nonce()
        self.rows("insert into app.numbered (nonce) values ('%s')" % n)
        i = self.insert_id_said()
        self.settings['last_id'] = str(i)
        if self.rnd.random() < 0.5:
            self.read()
        self.same('the row of the id', [[n, str(i)]], self.rows(
            'select nonce, last_insert_id() from app.numbered where id = last_insert_id()'))
        if self.settings['autocommit'] == '0':
            self.rows('commit')

    def warned(self):
        n = self.nonce()
        self.rows("select cast('%s' as signed)" % n)
        out = self.rows('show warnings')
        if len(out) != 1 or n not in out[0][2]:
            self.wrong('warning about %s: %r' % (n, out))

    def found(self):
        k = self.rnd.randrange(2, 50)
        self.rows('select sql_calc_found_rows id from app.account where id < %d limit 1' % k)
        self.same('found_rows()', str(k), self.one('select found_rows()'))
        self.settle()

    def procedure(self):
        n = self.nonce()
        how = self.rnd.randrange(3)
        if how == 0:
            self.same('a procedure', [[n]], self.rows("call app.p_twice('%s')" % n))
        elif how == 1:
            self.same('a procedure with settings', [[n]], self.rows("call app.p_set('%s')" % n))
            self.settings['time_zone'] = '+09:30'
        else:
            self.same('a function', [[n]], self.rows("select app.f_tenant('%s')" % n))
            self.settings['tenant'] = n

    def temporary(self):
        n = self.nonce()
        self.rows("create temporary table app.tt as select '%s' as nonce" % n)
        if self.rnd.random() < 0.5:
            self.read()
        self.same('a temporary table', [[n]], self.rows('select nonce from app.tt'))
        self.rows('drop temporary table app.tt')
        self.settle()

    def locked(self):
        n = self.nonce()
        self.same('get_lock', '1', self.one("select get_lock('%s', 0)" % n))
        self.same('is_used_lock', '1', self.one("select is_used_lock('%s') is not null" % n))
        self.same('release_lock', '1', self.one("select release_lock('%s')" % n))


class RawClient(MyClient):
    """A raw socket: all commands, several at once, halves of packets, capabilities of many kinds."""

    def connect(self):
        db, collation = self.with_login
        more = (0, my.FOUND_ROWS, my.COMPRESS, my.LOCAL_FILES)[self.number % 4]
        caps = CAPS & ~(my.DEPRECATE_EOF if self.number % 5 == 0 else 0) | more
        try:
            self.conn = self.wp.my(db=db, caps=caps, collation=collation)
        except MyError as e:
            if e.errno in LOST:
                raise Gone from e
            raise
        except (my.Closed, OSError) as e:
            self.lost(e)
        self.conn.sock.settimeout(PATIENCE)
        self.initial = dict(self.fresh[self.with_login])
        self.stmts = {}
        self.asked = ''

    def drop(self):
        if self.conn:
            self.rnd.choice([self.conn.bye, self.conn.shut, self.conn.reset])()
        self.conn = None

    def actions(self):
        return self.common_actions() + [self.prepared, self.prepared, self.typed, self.typed, self.several, self.several_fail,
                                        self.reset_session, self.misspell, self.change_user, self.init_db, self.cursor, self.big_row,
                                        self.half, self.vanish, self.kill, self.kill, self.load, self.long_data]

    def answered(self, f, *args, may_fail=(), **kw):
        """f(...); a lost connection is Gone, an error without a reason an accusation."""
        try:
            self.conn.trace.clear()     # it would grow for ever
            return f(*args, **kw)
        except MyError as e:
            self.judged(e, may_fail)
            raise
        except (my.Closed, OSError) as e:
            self.lost(e)
        except AssertionError as e:
            # an error that nobody asked for, and that crossed a command on its way, has the number 0
            # (as one does that comes while a file is being sent: nobody knows how much of it is on its way)
            crossed = 'sequence id 0, expected 1' in str(e) or ('sequence id' in str(e) and self.asked.startswith('load data'))
            if not crossed or not any(struct.pack('<BH', 255, n) in self.conn.buf for n in LOST):
                raise
            raise Gone from e

    def judged(self, e, may_fail):
        if e.errno in LOST:
            raise Gone from e
        if e.errno == 1317 and 1317 not in may_fail:
            self.last_words(self.conn.ping)
        if e.errno not in may_fail:
            self.wrong('error %s: %s' % (e, self.asked))

    def all(self, sql, may_fail=()):
        """All results of a text."""
        self.asked = sql
        out = self.answered(self.conn.all, sql)
        for r in out:
            e = r if isinstance(r, MyError) else getattr(r, 'error', None)
            if e:
                self.judged(e, may_fail)
        return out

    def rows(self, sql, may_fail=()):
        out = self.all(sql, may_fail)
        for r in out:
            e = r if isinstance(r, MyError) else getattr(r, 'error', None)
            if e:
                raise e
        self.last_ok = out[-1]
        first = out[0]
        return [[text(v) for v in row] for row in first.rows] if isinstance(first, ResultSet) else []

    def insert_id_said(self):
        return self.last_ok.insert_id

    def statement(self, sql):
        if sql not in self.stmts:
            self.stmts[sql] = self.answered(self.conn.prepare, sql)
        return self.stmts[sql]

    def executed(self, sql, params, **kw):
        r = self.answered(self.conn.execute, self.statement(sql), params, **kw)
        return [[text(v) for v in row] for row in r.rows] if isinstance(r, ResultSet) else r

    def prepared(self):
        n = self.nonce()
        k = self.rnd.randrange(12)
        if k == 5 and self.rnd.random() < 0.5:
            self.executed('set @tenant = ?', [n])
            self.settings['tenant'] = n
            return
        sql = 'select ?, %d' % k
        self.same('prepared', [[n, str(k)]], self.executed(sql, [n]))
        if self.rnd.random() < 0.1:
            self.conn.close_stmt(self.stmts.pop(sql))

    def typed(self):
        """The same text with other types, which a server's handle must not remember."""
        kind = self.rnd.randrange(4)
        value = ['7', 7, P(7, my.T_TINY), 7.0][kind]
        sql = 'select i from app.ty where s = ? order by i'
        self.same('a parameter %r' % value, [['2']] if kind == 0 else [['2'], ['3']], self.executed(sql, [value]))
        self.settle()

    def several(self):
        n = [self.nonce() for _ in range(3)]
        out = self.all("select '%s'; set @tenant = '%s'; select @tenant; select '%s'" % (n[0], n[1], n[2]))
        self.settings['tenant'] = n[1]
        got = [text(r.rows[0][0]) for r in out if isinstance(r, ResultSet)]
        self.same('several', n, got)

    def several_fail(self):
        n = self.nonce()
        out = self.all("set @tenant = '%s'; select nothing; set @tenant = 'never'" % n, (1054,))
        if len(out) != 2 or not isinstance(out[0], Ok):
            return self.wrong('several with an error: %r' % out)
        self.settings['tenant'] = n

    def reset_session(self):
        self.answered(self.conn.reset_connection)
        self.settings = dict(self.reset[self.with_login], schema=self.settings['schema'])
        self.stmts.clear()

    def misspell(self):
        """Nobody knows what it means: it is on its link until a reset."""
        try:
            self.rows('selec', (1064,))
        except MyError:
            self.same('errors', '1064', self.rows('show errors')[0][1])
        self.reset_session()

    def change_user(self):
        db, collation = self.with_login
        self.answered(self.conn.change_user, 'app', 'app', db, collation=collation)
        self.settings = dict(self.fresh[self.with_login])
        self.stmts.clear()

    def init_db(self):
        v = self.rnd.choice(['app', 'app2'])
        self.answered(self.conn.init_db, v)
        self.settings['schema'] = v

    def cursor(self):
        n = self.nonce()
        sql = 'select concat(?, id) from app.account where id < 20 order by id'
        s = self.statement(sql)
        r = self.answered(self.conn.execute, s, [n], flags=1)
        got = []
        while True:
            f = self.answered(self.conn.fetch, s, 7, r.columns)
            got += [text(row[0]) for row in f.rows]
            if f.status & my.LAST_ROW_SENT:
                break
            if self.rnd.random() < 0.2:
                self.read()
        self.same('cursor', ['%s%d' % (n, i) for i in range(20)], got)
        self.settle()

    def big_row(self):
        n = self.nonce()
        size = self.rnd.choice([1000, 70000, 400000])
        got = self.one("select concat('%s', repeat('x', %d))" % (n, size))
        if got != n + 'x' * size:
            self.wrong('a row of %d bytes with %s came back as %r' % (size, n, got[:40]))

    def long_data(self):
        n = self.nonce()
        s = self.statement('select length(?), ?')
        try:
            self.conn.long_data(s, 0, b'x' * 1000)
            self.conn.long_data(s, 0, b'x' * 70000)
        except OSError as e:
            self.lost(e)
        self.same('long data', [['71000', n]], self.executed('select length(?), ?', [my.LONG_DATA, n]))

    def load(self):
        if not self.conn.caps & my.LOCAL_FILES:
            return
        ns = [self.nonce() for _ in range(5)]
        self.conn.local_files['f'] = ''.join('%s\t%d\n' % (n, self.number) for n in ns).encode()
        outcome = 'unknown'
        try:
            self.rows("load data local infile 'f' into table app.ledger")
            if self.settings['autocommit'] == '0':
                self.rows('commit')
            outcome = 'committed'
        finally:
            for n in ns:
                self.booked_apart(n, outcome)

    def half(self):
        """Leaves in the middle of a packet: it must never run."""
        if self.rnd.random() < 0.7:
            return
        n = self.nonce()
        self.booked_apart(n, 'failed')
        sql = self.into_ledger(n)
        if self.rnd.random() < 0.3:
            sql += ' -- ' + 'x' * 1200000       # too large to be looked at: it is passed on in pieces
        data = my.frames(my.query(sql))
        try:
            if self.rnd.random() < 0.5:
                self.rows('begin')
            self.conn.send_bytes(data[:self.rnd.randrange(1, len(data) - 5)])
        except OSError as e:
            raise Gone from e
        time.sleep(self.rnd.random() * 0.01)
        raise Gone

    def vanish(self):
        """Leaves while the answer is on its way."""
        if self.rnd.random() < 0.7:
            return
        n = self.nonce()
        commits = self.rnd.random() < 0.5
        self.booked_apart(n, 'unknown' if commits else 'failed')
        sql = self.into_ledger(n)
        try:
            self.conn.command(my.query(sql if commits else 'begin; %s; select sleep(0.05)' % sql))
        except OSError:
            pass
        time.sleep(self.rnd.random() * 0.01)
        raise Gone

    def kill(self):
        """Its own query, from another connection: never anybody else's."""
        n = self.nonce()
        try:
            other = self.wp.my()
        except (MyError, my.Closed, OSError):
            return
        with other:
            try:
                self.conn.command(my.query("select '%s', sleep(%.3f)" % (n, self.rnd.random() * 0.05)))
            except OSError as e:
                self.lost(e)
            time.sleep(self.rnd.random() * 0.05)
            unknown = False
            try:
                other.do('kill query %d' % self.conn.greeting.id)
            except MyError as e:
                unknown = e.errno == 1094
                if e.errno not in LOST and not unknown:
                    self.wrong('kill query: %s' % e)
            except (my.Closed, OSError):
                pass
        out = self.answered(self.conn.results)
        e = out[-1] if isinstance(out[-1], MyError) else getattr(out[-1], 'error', None)
        if e:
            self.judged(e, (1317,))
        if unknown:
            self.last_words(self.conn.ping)     # its answer may have come before its end
            self.wrong('kill query: it is not known, but answers %r' % out)
        elif not e and text(out[0].rows[0][0]) != n:
            self.wrong('killed %s, got %r' % (n, out[0].rows))


class DriverClient(MyClient):
    """PyMySQL."""

    def connect(self):
        try:
            self.conn = pymysql.connect(host=self.wp.host, port=self.wp.mysql_port, user='app', password='app',
                                        database=self.with_login[0], charset='utf8mb4', autocommit=None, connect_timeout=PATIENCE,
                                        read_timeout=PATIENCE, local_infile=True)
        except pymysql.Error as e:
            self.ended(e)
        # the driver says SET NAMES by itself
        names = self.rows('select ' + ', '.join(self.ask[k] for k in ('client', 'results', 'collation')))[0]
        self.initial = dict(self.fresh[self.with_login[0], 45], client=names[0], results=names[1], collation=names[2])

    def drop(self):
        if self.conn:
            with contextlib.suppress(pymysql.Error, OSError):
                self.conn.close()
        self.conn = None

    def ended(self, e, may_fail=()):
        """Raises Gone if this may be how a connection ends."""
        number = e.args[0] if e.args else 0
        if number in may_fail:
            return
        if number == 1317:
            self.last_words(lambda: self.conn.ping(reconnect=False))
        if number not in LOST and number != 0 or 'sequence' in str(e) or 'timed out' in str(e):
            self.wrong('%s: %s' % (type(e).__name__, e))
            if number not in LOST and number != 0:
                raise e
        raise Gone from e

    def rows(self, sql, may_fail=()):
        try:
            with self.conn.cursor() as k:
                k.execute(sql)
                self.last_id = k.lastrowid
                out = k.fetchall() if k.description else []
                while k.nextset():
                    pass
                return [[text(v) for v in row] for row in out]
        except pymysql.Error as e:
            self.ended(e, may_fail)
            raise

    def insert_id_said(self):
        return self.last_id

    def actions(self):
        return self.common_actions() + [self.many, self.unbuffered]

    def many(self):
        ns = [self.nonce() for _ in range(5)]
        outcome = 'unknown'
        try:
            with self.conn.cursor() as k:
                k.executemany('insert into app.ledger (nonce, client) values (%s, %s)', [(n, self.number) for n in ns])
            self.conn.commit()
            outcome = 'committed'
        except pymysql.Error as e:
            self.ended(e)
        finally:
            for n in ns:
                self.booked_apart(n, outcome)

    def unbuffered(self):
        n = self.nonce()
        try:
            with self.conn.cursor(pymysql.cursors.SSCursor) as k:
                k.execute("select concat('%s', a.id * 50 + b.id) from app.account a, app.account b order by a.id, b.id" % n)
                got = [text(r[0]) for r in k]
        except pymysql.Error as e:
            self.ended(e)
        except AttributeError as e:
            if self.conn.open:      # the driver looks for the rest of the rows on a connection that it has closed
                raise
            raise Gone from e
        if got != ['%s%d' % (n, i) for i in range(2500)]:
            self.wrong('unbuffered: %s, got %r and %d more' % (n, got[:3], len(got)))
        self.settle()


class MyNemesis(Nemesis):
    def harm(self):
        return {**super().harm(), self.stray_kills: 4, self.strangers: 3}

    def kill_backends(self):
        for (i,) in self.server.query("select id from information_schema.processlist where user = 'app' order by rand() limit 2"):
            with contextlib.suppress(pymysql.Error):
                self.server.query('kill %d' % i)

    def stray_kills(self):
        """Of numbers that were never given out."""
        with contextlib.suppress(MyError, my.Closed), self.wp.my() as c:
            for _ in range(10):
                self.refused(c, 'kill query %d' % (self.rnd.getrandbits(31) | 1 << 30))

    @staticmethod
    def refused(c, sql):
        with contextlib.suppress(MyError):
            c.do(sql)

    def strangers(self):
        for _ in range(5):
            with my.RawMy(self.wp.mysql_port, timeout=5) as c:
                c.send_bytes(self.rnd.choice([self.rnd.randbytes(40), my.frames(my.query('select 1'), 1),
                                              struct.pack('<I', 33)[:3] + b'\1' + self.rnd.randbytes(33)]))


def learn(server):
    """How sessions begin: asked of direct connections."""
    tx = 'tx' if server.kind == 'maria1011' else 'transaction'
    MyClient.ask = {k: v % tx if '%' in v else v for k, v in ASK.items()}
    sql = 'select ' + ', '.join(MyClient.ask.values())
    for db in ('app', 'app2'):
        for collation in (45, 8, 33):
            with my.RawMy(server.port) as r:
                r.login(db=db, caps=CAPS, collation=collation)
                MyClient.fresh[db, collation] = dict(zip(ASK, r.q(sql)[0]))
                r.reset_connection()
                MyClient.reset[db, collation] = dict(zip(ASK, r.q(sql)[0]))


def prepare(server):
    for sql in ('create table ledger (nonce varchar(60), client int)', 'create table account (id int primary key, balance int)',
                'insert into account values ' + ','.join('(%d, 0)' % i for i in range(50)),
                'create table numbered (id bigint auto_increment primary key, nonce varchar(60))',
                'create table ty (i int, s varchar(10))', "insert into ty values (1, '6'), (2, '7'), (3, '07x')",
                'create procedure p_twice(n varchar(60)) begin select n; select n; end',
                "create procedure p_set(n varchar(60)) begin set session sql_mode = 'ANSI'; set time_zone = '+09:30'; select n; end",
                'create function f_tenant(n varchar(60)) returns varchar(60) begin set @tenant = n; return n; end'):
        server.query(sql, database='app')
    learn(server)


def databases(port):
    return dict(mysql_databases={d: dict(host='127.0.0.1', port=port, dbname=d) for d in ('app', 'app2')},
                pool_mode=os.environ.get('SOAK_MODE', 'transaction'))


SOAK = Soak([RawClient, RawClient, DriverClient], MyNemesis, (my.Closed, MyError),
            lambda server, sql: server.query(sql, database='app'),
            "select id, command, info from information_schema.processlist where user = 'app' and command <> 'Sleep' union all"
            ' select trx_mysql_thread_id, trx_state, trx_query from information_schema.innodb_trx', prepare)


if __name__ == '__main__':
    sys.exit(SOAK.main(lambda base, certs: MyServer(base, os.environ.get('SOAK_KIND', 'mysql97'), certs=certs).create(),
                       databases))
