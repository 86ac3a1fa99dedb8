"""Which statements are the same: what the servers say (compute_query_id, STATEMENT_DIGEST) and what SHOW QUERIES says, and a list of
the differences, which doc/query-statistics.md names."""
import subprocess

from weir import find_binary

TABLE = 'create table if not exists qd (a int, b int, c text)'

# pairs, and whether they are the same statement to: PostgreSQL 15, PostgreSQL 18, us
PG = [
    ("select a from qd where a = 1", "SELECT  a FROM qd\nWHERE a = 2 -- x", 'yes yes yes'),
    ("select a from qd where c = 'x'", "select a from qd where c = $$it's$$", 'yes yes yes'),
    ("select a from qd where c = 'x'", "select a from qd where c = E'\\n'", 'yes yes yes'),
    ("select a from qd where a = 1", "select b from qd where a = 1", 'no no no'),
    ("select a from qd where a = 1", "select a from qd where b = 1", 'no no no'),
    ("select a from qd where a = 1", "select a from qd where a > 1", 'no no no'),
    ("select a from qd where a = 1", "select a from qd where a = -1", 'yes yes yes'),
    ("select a from qd where a = 1", "select a from qd where a = 1 limit 1", 'no no no'),
    ("select a from qd limit 1", "select a from qd limit 10", 'yes yes yes'),
    ("select a - 1 from qd", "select a - 2 from qd", 'yes yes yes'),
    ("select a from qd where a is null", "select a from qd where a is not null", 'no no no'),
    ("insert into qd values (1, 2, 'x')", "insert into qd values (3, NULL, 'y')", 'yes yes yes'),
    ("insert into qd values (1, 2, 'x')", "insert into qd values (-3, 4, 'y')", 'yes yes yes'),
    ("insert into qd (a) values (1)", "insert into qd (b) values (1)", 'no no no'),
    ("update qd set a = 1 where b = 2", "update qd set a = 3 where b = 4", 'yes yes yes'),
    ("update qd set a = 1", "delete from qd", 'no no no'),
    ("select coalesce(a, 1) from qd", "select coalesce(a, 2) from qd", 'yes yes yes'),
    ("select a from qd where (a, b) = (1, 2)", "select a from qd where (a, b) = (3, 4)", 'yes yes yes'),
    ("select a from qd where c like 'a%'", "select a from qd where c like 'b%'", 'yes yes yes'),
    ("select a from qd order by a", "select a from qd order by a desc", 'no no no'),
    ("select a from qd where a between 1 and 2", "select a from qd where a between 3 and 4", 'yes yes yes'),
    ("select a::text from qd", "select a::bigint from qd", 'no no no'),
    # differences
    ("select a from qd where a in (1, 2)", "select a from qd where a in (1, 2, 3)", 'no yes yes'),
    ("insert into qd (a, b) values (1, 2), (3, 4)", "insert into qd (a, b) values (1, 2), (3, 4), (5, 6)", 'no no yes'),
    ("select a from qd where a = 1", "select a from qd where a = +1", 'no no yes'),
    ("select 1", "select -1", 'yes yes no'),
    ("select a from qd", "select qd.a from qd", 'yes yes no'),
    ("select a from qd", "select a from public.qd", 'yes yes no'),
    ("select a as x from qd", "select a as y from qd", 'yes yes no'),
    ("select cast(a as text) from qd", "select a::text from qd", 'yes yes no'),
]

# to: MySQL, us
MYSQL = [
    ("select a from qd where a = 1", "SELECT  a FROM qd\nWHERE a = 2 # x", 'yes yes'),
    ("select a from qd where c = 'x'", 'select a from qd where c = "y"', 'yes yes'),
    ("select a from qd where a = 1", "select a from qd where a = 0xff", 'yes yes'),
    ("select a from qd where a = 1", "select a from qd where a = -1", 'yes yes'),
    ("select a from qd where a = 1", "select a from qd where a = +1", 'yes yes'),
    ("select a from qd where a = 1", "select a from qd where a >= 1", 'no no'),
    ("select a from qd where a <=> 1", "select a from qd where a<=>2", 'yes yes'),
    ("select a from qd where a in (1, 2)", "select a from qd where a in (1, 2, 3)", 'yes yes'),
    ("insert into qd values (1, 2, 'x')", "insert into qd values (3, NULL, 'y')", 'yes yes'),
    ("insert into qd (a, b) values (1, 2), (3, 4)", "insert into qd (a, b) values (1, 2), (3, 4), (5, 6)", 'yes yes'),
    ("insert into qd (a) values (1)", "insert into qd (b) values (1)", 'no no'),
    ("update qd set a = NULL where b = 2", "update qd set a = 3 where b = 4", 'yes yes'),
    ("select a from qd limit 1", "select a from qd limit 10", 'yes yes'),
    ("select a from qd where a is null", "select a from qd where a is not null", 'no no'),
    ("select `a` from qd", "select `a` from qd /* y */", 'yes yes'),
    ("select a from qd where a = true", "select a from qd where a = 1", 'no no'),
    ("set @a = 1", "set @a = 2", 'yes yes'),
    ("select a - 1 from qd", "select a - 2 from qd", 'yes yes'),
    ("select a from qd where a in (1)", "select a from qd where a in (1, 2)", 'yes yes'),
    # differences
    ("select a from qd limit 1", "select a from qd limit 1, 10", 'no yes'),
    ("select a from qd", "select A from qd", 'no yes'),
    ("select @a", "select @b", 'yes no'),
    ("insert into qd (a) values (1)", "insert into qd (a) values (1), (2)", 'no yes'),
    ("select a from qd", "select `a` from qd", 'yes no'),
    ("select 1", "select -1", 'yes no'),
]


def ours(pair, protocol):
    """By weirpool's digest, which SHOW QUERIES has from the same function."""
    def digest(sql):
        out = subprocess.run([find_binary(), 'explain-route', '--protocol', protocol, '--digest', '-0'], input=sql, capture_output=True,
                             text=True, check=True).stdout
        return out.split('\t')[0]
    return word(digest(pair[0]) == digest(pair[1]))


def check(pairs, got):
    wrong = ['%s | %s: %s' % (a, b, x) for (a, b, want), x in zip(pairs, got) if x != want]
    assert not wrong, '\n'.join(wrong)


def word(yes):
    return 'yes' if yes else 'no'


def test_postgresql(pg15, pg18):
    def by(server):
        with server.connect('app') as c:
            c.execute('set compute_query_id = on')
            c.execute(TABLE)

            def query_id(sql):
                rows = [r[0] for r in c.execute('explain (verbose, costs off) ' + sql)]
                return [r for r in rows if 'Query Identifier' in r][0]
            return [word(query_id(a) == query_id(b)) for a, b, _ in PG]
    got = [' '.join(x) for x in zip(by(pg15), by(pg18), [ours(p, 'postgres') for p in PG])]
    check(PG, got)


def test_mysql(mysql97):
    with mysql97.connect('app') as c, c.cursor() as cur:
        cur.execute(TABLE)

        def digest(sql):
            cur.execute('select statement_digest(%s)', (sql,))
            return cur.fetchone()[0]
        server = [word(digest(a) == digest(b)) for a, b, _ in MYSQL]
    got = [' '.join(x) for x in zip(server, [ours(p, 'mysql') for p in MYSQL])]
    check(MYSQL, got)
