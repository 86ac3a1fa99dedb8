"""SHOW with LIKE, WHERE, ORDER BY and LIMIT, and SELECT ... FROM what can be shown, over both consoles."""
import psycopg
import pymysql
import pytest
import rawpg
from weir import CONSOLE


@pytest.fixture
def wp(weirpool, pg15, maria1011):
    # the console's users have a password that both protocols can prove
    return weirpool(pg15, mysql_databases={'shop': dict(host=maria1011.host, port=maria1011.port, dbname='app')},
                    databases=dict(app3=dict(host=pg15.host, port=pg15.port, dbname='app', pool_size=7)), auth_type='trust')


def over_pg(wp, sql, user='admin'):
    with psycopg.connect(host=wp.host, port=wp.port, user=user, dbname=CONSOLE, autocommit=True) as c:
        cur = c.cursor()
        cur.execute(sql)
        return [d.name for d in cur.description], [tuple(map(text, r)) for r in cur.fetchall()]


def over_my(wp, sql, user='admin'):
    with pymysql.connect(host=wp.host, port=wp.mysql_port, user=user, password='admin', database=CONSOLE) as c, c.cursor() as cur:
        cur.execute(sql)
        return [d[0] for d in cur.description], [tuple(map(text, r)) for r in cur.fetchall()]


def text(v):
    return None if v is None else str(v)


BOTH = pytest.mark.parametrize('ask', [over_pg, over_my], ids=['postgresql', 'mysql'])


@BOTH
def test_rows_in_the_order_asked_for(wp, ask):
    names = [r[0] for r in ask(wp, "SHOW DATABASES WHERE name LIKE 'app%' ORDER BY name DESC")[1]]
    assert names == ['app3', 'app2', 'app']
    assert [r[0] for r in ask(wp, "show databases like 'app_'")[1]] == ['app2', 'app3']
    assert [r[0] for r in ask(wp, 'SHOW DATABASES WHERE pool_size = 7')[1]] == ['app3']
    assert ask(wp, "SELECT name, port AS p FROM databases WHERE name IN ('app', 'app3') ORDER BY 1 DESC LIMIT 1") == \
        (['name', 'p'], [('app3', str(wp.databases['app3']['port']))])
    assert ask(wp, "select count(*) from databases where name like 'app%'") == (['count'], [('3',)])
    assert ask(wp, "SHOW CONFIG WHERE key = 'max_client_conn'")[1][0][0] == 'max_client_conn'
    assert len(ask(wp, 'SHOW CONFIG LIMIT 3 OFFSET 2')[1]) == 3


@BOTH
def test_what_workers_gather(wp, ask):
    """Answers that come later, from the workers, are filtered as well."""
    a, b = wp.raw(), wp.raw(dbname='app2')
    a.q('begin')
    b.q('select 1')
    rows = ask(wp, "SELECT database, cl_active, sv_active FROM pools WHERE sv_active > 0 AND database LIKE 'app%'"
                   ' ORDER BY maxwait DESC LIMIT 10')[1]
    assert rows == [('app', '1', '1')]
    assert [r[0] for r in ask(wp, "SELECT user FROM clients WHERE database = 'app2'")[1]] == ['app']
    assert ask(wp, 'SHOW POOLS WHERE cl_waiting > 0')[1] == []
    assert [r[0] for r in ask(wp, "SELECT list FROM lists WHERE list LIKE 'used\\_%'")[1]] == ['used_clients', 'used_servers']


def error(ask, wp, sql, user='admin'):
    with pytest.raises((psycopg.Error, pymysql.Error)) as e:
        ask(wp, sql, user)
    return e.value.diag.message_primary + '|' + (e.value.diag.message_hint or '') if ask is over_pg else e.value.args[1]


@BOTH
def test_errors_name_the_word(wp, ask):
    for sql, what in (('SHOW POOLS WHERE cl_wating > 0', 'POOLS has no column "cl_wating"'),
                      ('SHOW POOLS WERE cl_waiting > 0', 'is wanted where "WERE cl_waiting > 0" stands'),
                      ("SHOW POOLS WHERE cl_waiting > 'x'", 'column "cl_waiting" holds numbers, \'x\' is none'),
                      ('SHOW POOLS WHERE database = app', 'a value is wanted where "app" stands'),
                      ('SHOW POOLS ORDER BY', 'a column to order by is missing at the end'),
                      ('SELECT * FROM nothing', 'the console has no "nothing" to select from'),
                      ('SHOW HELP WHERE a = 1', 'HELP has no rows')):
        assert what in error(ask, wp, sql)
    assert ask(wp, 'SHOW VERSION')[0] == ['version']  # and it goes on


@BOTH
def test_is_somebody_there(wp, ask):
    """What `mysql` asks for its status, and probes ask."""
    assert [str(v) for v in ask(wp, 'select 1')[1][0]] == ['1']
    assert list(ask(wp, 'select DATABASE(), USER() limit 1')[1][0]) == ['weirpool', 'admin']


def test_hints(wp):
    assert error(over_pg, wp, 'SHOW POOLS WHERE cl_wating > 0').endswith('|Did you mean "cl_waiting"?')
    assert error(over_pg, wp, 'SHOW POOLS WHERE zzzzz > 0').endswith('|SHOW POOLS LIMIT 0 names its columns.')
    assert error(over_pg, wp, 'SELECT * FROM pool').endswith('|Did you mean POOLS?')
    assert error(over_pg, wp, 'SHOW POOL WHERE cl_waiting > 0').startswith('invalid command')


def test_who_may_see_what(wp):
    """Conditions and SELECT are no way around a command's privilege."""
    assert 'admin access needed' in error(over_pg, wp, 'SELECT fd FROM fds', user='stats')
    assert 'admin access needed' in error(over_pg, wp, 'SHOW FDS LIMIT 1', user='stats')
    assert over_pg(wp, 'SELECT database FROM pools LIMIT 1', user='stats')[0] == ['database']


def test_extended_protocol(wp):
    """A prepared SELECT is described with the columns that it will have."""
    with wp.raw('admin', CONSOLE) as r:
        out = describe(r, 'SELECT name, pool_size FROM databases WHERE pool_size = 7')
        t = [m for m in out if m.type == 'T'][0]
        assert [c[0] for c in t.columns] == ['name', 'pool_size']
        assert rawpg.rows(out) == [('app3', '7')]
        assert 'no column "nam"' in rawpg.errors(describe(r, 'SELECT nam FROM databases'))[0]['M']
        assert r.q('show version')


def describe(r, sql):
    r.send(rawpg.parse('', sql) + rawpg.bind() + rawpg.describe('P') + rawpg.execute() + rawpg.sync())
    return r.until_ready()
