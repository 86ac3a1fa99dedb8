#!/usr/bin/python3
"""route_diff: what the router would send to a replica, run on one, and watched.

Statements are made at random from pieces (those of test/data among them) and, for PostgreSQL, from every builtin function with
arguments of its types. Each that `weirpool explain-route` calls a replica's is run on a real standby, where it must not fail
because that is read-only, and on the primary, inside a transaction, where it must not leave a trace: an XID, a row or table lock, an
advisory or user lock, a sequence moved, a file, a temporary object, a variable, a prepared statement, a GTID.

usage: route_diff.py [--kind pg15|pg18|mysql97|maria1011|maria118]... [--n TEXTS] [--seed N] [WEIRPOOL]
Starts its own servers. Prints `ok KIND` or `FAILED KIND`, and exits 1 when it finds something."""
import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'integration'))
import mysql_servers  # noqa: E402
import psycopg  # noqa: E402
import pymysql  # noqa: E402
import servers  # noqa: E402
from test_explain_route import corpus  # noqa: E402

PG_SETUP = (HERE.parent / 'data' / 'route-danger-pg.sql')
# SQLSTATEs of a standby, or of a transaction that may not write
PG_REFUSED = {'25006', '25001', '55000'}
MY_REFUSED = {1290, 1836, 1792}
EXPLAIN = re.compile(r'\bexplain\b', re.I)


def classify(weirpool, protocol, texts, args=()):
    r = subprocess.run([weirpool, 'explain-route', '-0', '--protocol', protocol, *args],
                       input=('\0'.join(texts) + '\0').encode('utf-8', 'surrogateescape'), stdout=subprocess.PIPE, check=True)
    lines = r.stdout.decode().split('\n')[:-1]
    assert len(lines) == len(texts), (len(lines), len(texts))
    return [line.split('\t')[0] for line in lines]


# ---- texts at random

class Maker:
    """Texts of one dialect: atoms in places, places in statements, statements in wrappings."""

    def __init__(self, rng, calls, whole, mysql):
        self.rng = rng
        self.calls = calls
        self.whole = whole
        self.mysql = mysql

    def one(self, *items):
        return self.rng.choice(items)

    def gap(self):
        """what may stand between two tokens"""
        return self.one(' ', ' ', ' ', ' ', '\n', '\t', '  ', '/**/', ' /* x */ ', ' -- x\n', '/* \' */', *(
            (' # x\n', '/* -- */') if self.mysql else ('/* /* n */ */', '--\r')))

    def call(self):
        name, args = self.rng.choice(self.calls)
        style = self.rng.randrange(8)
        if style == 0:
            name = name.upper()
        elif style == 1:
            name = '`%s`' % name if self.mysql else '"%s"' % name
        elif style == 2 and not self.mysql:
            name = 'pg_catalog' + self.gap() + '.' + self.gap() + name
        elif style == 3 and not self.mysql:
            name = 'U&"\\%04x%s"' % (ord(name[0]), name[1:])
        elif style == 4 and self.mysql:
            return '/*!%s %s(%s) */' % (self.one('', '50000', '80000', '99999', '100100'), name, args)
        return name + (self.gap() if self.rng.randrange(3) == 0 else '') + '(' + args + ')'

    def atom(self):
        return self.one('1', 'a', "'x'", 'x.a', 'NULL', self.call(), self.call(), self.call(), '(SELECT %s)' % self.call(),
                        'CASE WHEN 1=1 THEN %s END' % self.call(), 'CAST(%s AS %s)' % (
                            self.call(), 'CHAR' if self.mysql else 'text'), *(
                            ('@@sql_mode', '@v', '@v := 1', '@@session.insert_id', 'd->"$.a"') if self.mysql else
                            ("'1'::int", "5::dom_bad", 'x.touch', '1 === 2', "'t'::regclass", 'x', "E'\\''", '$$x$$', 's.last_value')))

    def source(self):
        return self.one('t x', 't x', 't x', '(SELECT id, a FROM t) x', 't x LEFT JOIN t y ON y.id = %s' % self.atom(), *(
            ('information_schema.tables x', 't x USE INDEX (PRIMARY)') if self.mysql else
            ('v_ok x', 'v_seq x', 's x', 'ul x', 'part x', 'rls x', 'pg_class x', '%s x' % self.call(), 'mv x', 'ft x',
             'generate_series(1, 2) x(a)', 'LATERAL %s x' % self.call(), 'pg_stat_activity x', 'pg_locks x', 'pg_sequences x')))

    def tail(self):
        return self.one('', '', '', '', 'FOR UPDATE', 'FOR SHARE', 'LIMIT 1', 'ORDER BY %s' % self.atom(), *(
            ('LOCK IN SHARE MODE', "INTO OUTFILE '/tmp/route_diff_x'", 'INTO @v', 'FOR SHARE OF x SKIP LOCKED') if self.mysql else
            ('FOR NO KEY UPDATE', 'FOR KEY SHARE NOWAIT', 'FETCH FIRST 1 ROWS ONLY', 'FOR READ ONLY')))

    def query(self, depth=0):
        g = self.gap
        what = self.one(self.atom(), self.atom(), self.atom() + g() + 'AS' + g() + 'z', '*', self.atom() + ',' + self.atom())
        if not self.mysql and self.rng.randrange(25) == 0:
            what += g() + 'INTO' + g() + self.one('newt', 'TEMP newt', 'UNLOGGED newt')
        q = 'SELECT' + g() + what + g() + 'FROM' + g() + self.source()
        if self.rng.randrange(3) == 0:
            q += g() + 'WHERE' + g() + self.atom() + ' IS NOT NULL'
        q += g() + self.tail()
        if depth < 2:
            q = self.one(q, q, q, '(' + q + ')', 'SELECT * FROM (%s) w' % q, 'WITH c AS (%s) SELECT * FROM c' % self.query(depth + 1),
                         '%s UNION ALL %s' % ('SELECT 1', 'SELECT 2'), 'SELECT 1 WHERE EXISTS (%s)' % q, 'VALUES (%s)' % self.call()
                         if not self.mysql else 'VALUES ROW(%s)' % self.call(), *self.own(q))
        return q

    def own(self, q):
        if self.mysql:
            return ('EXPLAIN ' + q, 'DO ' + self.call(), 'SET @v = ' + self.call(), 'EXPLAIN ANALYZE ' + q)
        return ('COPY (%s) TO STDOUT' % q, 'EXPLAIN ' + q, 'EXPLAIN (ANALYZE %s) %s' % (self.one('', 'off', 'on', '0', '1'), q),
                'EXPLAIN ANALYZE DELETE FROM t', 'EXPLAIN DELETE FROM t', 'WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d',
                'WITH d AS MATERIALIZED (INSERT INTO t VALUES (5) RETURNING *) SELECT 1', "COPY (SELECT 1) TO '/tmp/route_diff_x'")

    def spoil(self, text):
        """a text of the corpus, with other gaps and letters"""
        out = []
        for word in text.split(' '):
            if word.isalpha() and self.rng.randrange(4) == 0:
                word = self.one(word.upper(), word.lower(), word.capitalize())
            out.append(word)
        text = ''.join(w + (self.gap() if i < len(out) - 1 and self.rng.randrange(5) == 0 else ' ') for i, w in enumerate(out))
        return text

    def text(self):
        kind = self.rng.randrange(10)
        if kind < 6:
            return self.query()
        if kind < 9:
            return self.spoil(self.rng.choice(self.whole))
        return self.rng.choice(self.whole).rstrip('; ') + self.one('; ', ';\n') + self.query()


# ---- PostgreSQL

SAMPLES = {'int4': '1', 'int8': '1::bigint', 'int2': '1::smallint', 'text': "'a'::text", 'bool': 'true', 'oid': "'t'::regclass::oid",
           'float8': '1.5::float8', 'float4': '1.5::float4', 'numeric': '1.5', 'name': "'a'::name", 'bytea': "'a'::bytea",
           'timestamptz': 'now()', 'timestamp': 'now()::timestamp', 'date': 'now()::date', 'interval': "'1 s'::interval",
           'json': "'{}'::json", 'jsonb': "'{}'::jsonb", 'regclass': "'t'::regclass", '_text': "'{a}'::text[]",
           'anyarray': "'{1}'::int[]", 'anyelement': '1', 'any': '1', 'varchar': "'a'::varchar", 'bpchar': "'a'::bpchar",
           'uuid': "gen_random_uuid()", 'inet': "'::1'::inet", 'tsvector': "'a'::tsvector", 'tsquery': "'a'::tsquery",
           'xid': "'1'::xid", 'xid8': "'1'::xid8", 'pg_lsn': "'0/1'::pg_lsn", 'cstring': "'a'", 'unknown': "'a'", 'record': 'row(1)',
           'anycompatible': '1', 'anycompatiblearray': "'{1}'::int[]", '_int4': "'{1}'::int[]", 'char': "'a'::\"char\"",
           'regconfig': "'simple'::regconfig", 'time': "'1:00'::time", 'xml': "'<a/>'::xml", 'tid': "'(0,1)'::tid",
           'point': "'(1,1)'::point", 'box': "'(1,1),(2,2)'::box", 'bit': "B'1'", 'varbit': "B'1'::varbit", 'money': "'1'::money"}


class Pg:
    protocol = 'postgres'

    def __init__(self, base, version):
        self.primary = servers.PgServer(base, version, extra_conf='max_prepared_transactions = 5')
        self.primary.create()
        self.replica = self.primary.make_replica()
        with self.primary.connect('app', 'postgres') as c:
            c.execute(PG_SETUP.read_text())
            c.execute("insert into t values (1, 'a')")
        self.args = ['--dsn', 'postgres://super:super@127.0.0.1:%d/app' % self.primary.port,
                     '-c', 'server_version=%d' % version]
        servers.eventually(lambda: self.replica.query("select 1 from pg_class where relname = 'child_seq'", dbname='app'))
        self.lsn = None

    def stop(self):
        self.replica.stop()
        self.primary.stop()

    def catch_up(self):
        lsn = self.primary.query('select pg_current_wal_lsn()')[0][0]
        servers.eventually(lambda: self.replica.query("select pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn)[0][0])

    def calls(self):
        """every builtin function that a query can call: (name, arguments)"""
        rows = self.primary.query("""
            select p.proname, array(select t.typname::text from unnest(p.proargtypes) with ordinality a(o, n)
                join pg_type t on t.oid = a.o order by a.n)
            from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.oid < 16384 and p.prokind in ('f', 'a')
            and p.prorettype not in ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)
            and not 'internal'::regtype = any(p.proargtypes::regtype[])""", dbname='app')
        return [(n, ', '.join(SAMPLES.get(t, 'null::"%s"' % t if not t.startswith('any') else '1') for t in types))
                for n, types in rows]

    def connect(self, server):
        c = server.connect('app', 'postgres')
        c.execute("set statement_timeout = '2s'; set lock_timeout = '1s'")
        c.execute("set log_min_messages = 'panic'")
        return c

    def session_trace(self, c):
        return c.execute("""select (select count(*) from pg_locks where locktype = 'advisory'), (select count(*) from
            pg_prepared_statements where from_sql), (select count(*) from pg_cursors), pg_my_temp_schema()::int,
            (select count(*) from pg_listening_channels()),
            (select md5(string_agg(name || '=' || setting, ',' order by name)) from pg_settings where source = 'session')""").fetchone()

    def run(self, c, text):
        """the error of text, or None; COPY's output is read"""
        try:
            pg = c.pgconn
            r = pg.exec_(text.encode('utf-8', 'surrogateescape'))
            if r.status == psycopg.pq.ExecStatus.COPY_OUT:
                while pg.get_copy_data(0)[0] > 0:
                    pass
                while (x := pg.get_result()) is not None:
                    r = x
            elif r.status == psycopg.pq.ExecStatus.COPY_IN:
                pg.put_copy_end(b'no')
                while pg.get_result() is not None:
                    pass
                return 'COPYIN', 'copy in'
            if r.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                return (r.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b'?').decode(), r.error_message.decode(errors='replace')
        finally:
            if c.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE and c.pgconn.status == psycopg.pq.ConnStatus.OK:
                pass
        return None

    def try_replica(self, text):
        with self.connect(self.replica) as c:
            before = self.session_trace(c)
            err = self.run(c, text)
            if c.pgconn.status != psycopg.pq.ConnStatus.OK:
                return 'the connection broke: %s' % (err,)
            if err and (err[0] in PG_REFUSED or 'during recovery' in err[1] or 'read-only' in err[1]):
                return 'refused: %s %s' % err
            if c.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                c.pgconn.exec_(b'rollback')
                return None  # BEGIN READ ONLY and its like
            after = self.session_trace(c)
            return 'left on the standby: %s -> %s' % (before, after) if before != after else None

    def try_primary(self, text):
        if ';' in text.rstrip('; \n') or text.upper().lstrip().startswith(('BEGIN', 'START', 'COMMIT', 'ROLLBACK')):
            return None
        with self.connect(self.primary) as c:
            c.execute('begin')
            sequence = c.execute("select last_value, is_called from s").fetchone()
            c.execute('commit')
            c.execute('begin')
            before = self.session_trace(c)
            err = self.run(c, text)
            if err:
                return None
            xid, locks = c.execute("""select pg_current_xact_id_if_assigned()::text, (select string_agg(distinct mode || ' ' ||
                coalesce(relation::regclass::text, ''), ',') from pg_locks where pid = pg_backend_pid() and locktype in ('relation',
                'tuple') and mode <> 'AccessShareLock')""").fetchone()
            after = self.session_trace(c)
            if EXPLAIN.search(text):
                locks = None  # a standby takes them as well, for as long as it plans
            now = c.execute("select last_value, is_called from s").fetchone()
            c.execute('rollback')
            if xid or locks or before != after or now != sequence:
                return 'left on the primary: xid %s, locks %s, %s -> %s, sequence %s -> %s' % (
                    xid, locks, before, after, sequence, now)
            return None


# ---- MySQL, MariaDB

MY_SETUP = """create table t (id int primary key auto_increment, a varchar(20), d json); insert into t (a, d) values ('x', '{"a": 1}');
create table log (a int auto_increment primary key);
create function f_write() returns int no sql begin insert into log values (); return 1; end;
create function f_read() returns int reads sql data return (select count(*) from t);
create view v_write as select f_write() x; create view v_ok as select * from t;"""
MY_CALLS = [('get_lock', "'a', 0"), ('release_lock', "'a'"), ('last_insert_id', ''), ('last_insert_id', '5'), ('row_count', ''),
            ('found_rows', ''), ('connection_id', ''), ('f_write', ''), ('app.f_write', ''), ('f_read', ''), ('now', ''),
            ('concat', "'a', 'b'"), ('count', '*'), ('coalesce', '1, 2'), ('rand', ''), ('uuid', ''), ('sleep', '0'),
            ('lower', "'A'"), ('json_object', "'a', 1"), ('load_file', "'/etc/hostname'"), ('if', '1, 2, 3'), ('max', 'x.id'),
            ('date_add', 'now(), interval 1 day'), ('release_all_locks', ''), ('is_free_lock', "'a'"), ('char_length', "'a'"),
            ('uuid_short', ''), ('benchmark', '1, 1'), ('version', ''), ('user', ''), ('left', "'abc', 1"), ('insert', "'a', 1, 1, 'b'"),
            ('truncate', '1.5, 1'), ('mod', '5, 2'), ('interval', '1, 2'), ('row_number', ''), ('convert', "'a' using utf8mb4")]


class My:
    protocol = 'mysql'

    def __init__(self, base, kind):
        self.kind = kind
        self.primary = mysql_servers.MyServer(base, kind).create()
        self.mysql = self.primary.family == 'mysql'
        self.replica = self.primary.make_replica()
        with self.primary.connect('app', client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as c, c.cursor() as k:
            for part in MY_SETUP.replace('begin insert into log values (); return 1; end', 'BODY').split(';'):
                if part.strip():
                    k.execute(part.replace('BODY', 'begin insert into log values (); return 1; end'))
        self.primary.wait_replica(self.replica)
        version = self.primary.query('select version()')[0][0].split('-')[0]
        self.args = ['-c', 'flavor=%s' % self.primary.family, '-c', 'server_version=%s' % version]

    def stop(self):
        self.replica.stop()
        self.primary.stop()

    def catch_up(self):
        self.primary.wait_replica(self.replica)

    def calls(self):
        return MY_CALLS

    def gtid(self, server):
        return server.query('select @@global.gtid_executed' if self.mysql else 'select @@global.gtid_current_pos')[0][0]

    def connect(self, server):
        return pymysql.connect(unix_socket=server.socket, user='root', database='app', autocommit=True, charset='utf8mb4',
                               client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)

    def run(self, c, text):
        try:
            with c.cursor() as k:
                k.execute(text)
                while k.nextset():
                    pass
        except pymysql.Error as e:
            return e.args[0] if e.args else 0, str(e)
        except (UnicodeError, IndexError, ValueError) as e:
            return 0, str(e)
        return None

    def session_trace(self, server, thread):
        if not self.mysql:
            return server.query("select group_concat(variable_name), 0 from information_schema.user_variables")[0]
        return server.query("""select (select count(*) from performance_schema.user_variables_by_thread v join
            performance_schema.threads using (thread_id) where processlist_id = %s), (select count(*) from
            performance_schema.metadata_locks l join performance_schema.threads t on t.thread_id = l.owner_thread_id
            where processlist_id = %s and object_type = 'USER LEVEL LOCK')""", thread, thread)[0]

    def locked(self, c, server, thread):
        """is the user lock `a` held, are there temporary tables, what is the last insert id?"""
        with c.cursor() as k:
            k.execute("select is_free_lock('a'), last_insert_id()")
            return k.fetchone()

    def files(self):
        return os.path.exists('/tmp/route_diff_x')

    def try_on(self, server, text, replica):
        c = self.connect(server)
        try:
            thread = c.thread_id()
            before, held = self.session_trace(server, thread), self.locked(c, server, thread)
            gtid = self.gtid(server)
            if not replica:
                with c.cursor() as k:
                    k.execute('begin')
            err = self.run(c, text)
            if err and replica and err[0] in MY_REFUSED:
                return 'refused: %s %s' % err
            if err and err[0] in (2006, 2013):
                return None if 'MariaDB' in err[1] else 'the connection broke: %s' % (err,)
            locks = ''
            if not replica and self.mysql:
                locks = server.query("""select group_concat(lock_type, ' ', lock_mode) from performance_schema.data_locks l join
                    performance_schema.threads t using (thread_id) where processlist_id = %s""", thread)[0][0]
            after, now, then = self.session_trace(server, thread), self.locked(c, server, thread), self.gtid(server)
            if before != after or held != now or locks or gtid != then or self.files():
                return 'left on the %s: %s -> %s, %s -> %s, locks %s, gtid %s -> %s, file %s' % (
                    'replica' if replica else 'primary', before, after, held, now, locks, gtid, then, self.files())
            return None
        finally:
            c.close()

    def try_replica(self, text):
        return self.try_on(self.replica, text, True)

    def try_primary(self, text):
        if ';' in text.rstrip('; \n') or text.upper().lstrip().startswith(('BEGIN', 'START', 'COMMIT', 'ROLLBACK')):
            return None
        return self.try_on(self.primary, text, False)


def texts_of(lab, rng, n):
    name = 'route-pg.txt' if lab.protocol == 'postgres' else 'route-my.txt'
    skip = ('scs', 'standard_conforming', 'sql_mode', 'tx=', 'default_', 'autocommit', 'database', 'character_set')
    whole = [t for c, _, t in corpus(name) if '\0' not in t and not any(k.startswith(skip) for k in c)]
    calls = lab.calls()
    maker = Maker(rng, calls, whole, lab.protocol == 'mysql')
    out = list(whole)
    if lab.protocol == 'postgres':
        out += ['SELECT %s(%s)' % c for c in calls] + ['SELECT * FROM %s(%s)' % c for c in calls]
        # with calls of the nasty ones only, or the harmless ones drown them
        nasty = [c for c in calls if c[0] in NASTY] + [('lower', "'A'"), ('my_func', ''), ('bad_stable', '1'), ('safe_stable', '1')]
        maker.calls = nasty
    out += [maker.text() for _ in range(n)]
    return [t for t in out if 'pg_sleep' not in t]


NASTY = {'nextval', 'setval', 'currval', 'lastval', 'txid_current', 'pg_current_xact_id', 'pg_advisory_lock',
         'pg_try_advisory_lock', 'pg_advisory_xact_lock', 'set_config', 'pg_notify', 'lo_create', 'pg_export_snapshot', 'setseed',
         'query_to_xml', 'ts_stat', 'pg_is_in_recovery', 'current_setting', 'random', 'now', 'count', 'array_agg', 'to_regclass'}


def run_kind(kind, n, seed, weirpool):
    """True when nothing was found"""
    base = pathlib.Path(tempfile.mkdtemp(prefix='route-diff.'))
    os.chmod(base, 0o755)
    servers.give_to_test_user(base)
    lab = Pg(base, int(kind[2:])) if kind.startswith('pg') else My(base, kind)
    found, counts = 0, collections.Counter()
    try:
        texts = texts_of(lab, random.Random(seed), n)
        for text, verdict in zip(texts, classify(weirpool, lab.protocol, texts, lab.args)):
            counts[verdict] += 1
            if verdict != 'replica':
                continue
            for where in (lab.try_replica, lab.try_primary):
                trouble = where(text)
                if trouble:
                    found += 1
                    print('%r\n    %s' % (text, trouble), flush=True)
    finally:
        lab.stop()
        shutil.rmtree(base, ignore_errors=True)
    print('%s %s: seed %d, %d texts (%s), %d findings' % (
        'FAILED' if found else 'ok', kind, seed, sum(counts.values()),
        ', '.join('%s %d' % c for c in sorted(counts.items())), found), flush=True)
    return not found


def main():
    ap = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    ap.add_argument('--kind', action='append', help='pg15, pg18, mysql97, maria1011, maria118; default: all')
    ap.add_argument('--n', type=int, default=2000)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('weirpool', nargs='?', default=os.environ.get('WEIRPOOL_BIN', './weirpool'))
    a = ap.parse_args()
    kinds = a.kind or ['pg15', 'pg18', 'mysql97', 'maria1011', 'maria118']
    return 0 if all([run_kind(k, a.n, a.seed, a.weirpool) for k in kinds]) else 1


if __name__ == '__main__':
    sys.exit(main())
