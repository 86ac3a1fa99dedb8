"""Drivers and programs as people use them: mysql and mariadb, PyMySQL, mysqlclient (libmariadb), Connector/Python, sysbench."""
import datetime
import decimal
import os
import pathlib
import re
import subprocess
import tempfile

import MySQLdb
import pymysql
import pytest

from mysql_servers import SID
from servers import TEST_USER, as_test_user, eventually

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def pool(anymy, mypool):
    """A weirpool whose few connections a neighbour uses too."""
    wp = mypool(anymy, default_pool_size=2)
    wp.kind = anymy.kind
    with wp.my() as neighbour:
        neighbour.do("set names latin1")
        neighbour.do("set time_zone = '+09:00', sql_mode = 'ANSI'")
        yield wp


def in_sid(*argv):
    return [str(HERE / 'run-in-sid'), '-u', TEST_USER, str(SID), *argv]


def run(argv, text='', code=0, timeout=60):
    r = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, cwd='/tmp')
    assert r.returncode == code, '%s: exit %d\n%s' % (' '.join(argv)[:200], r.returncode, r.stdout)
    return r.stdout


PROGRAMS = {'mariadb': lambda *a: as_test_user(['mariadb', '--no-defaults', '--skip-ssl', *a]),
            'mysql': lambda *a: in_sid('/usr/bin/mysql', '--no-defaults', '--commands', '--get-server-public-key', *a)}


@pytest.mark.parametrize('program', PROGRAMS)
def test_programs(pool, program):
    """A session as at a prompt: text in, text out."""
    argv = PROGRAMS[program]('-h', '127.0.0.1', '-P', str(pool.mysql_port), '-uapp', '-papp', '-BN', '--force', 'app')
    text = '''
drop table if exists prog;
create table prog (id int auto_increment primary key, a varchar(20));
insert into prog (a) values ('one'), ('zwölf');
select * from prog order by id;
select last_insert_id();
set @x = 5;
begin;
update prog set a = 'two' where id = 1;
rollback;
select a, @x from prog where id = 1;
use app2
select database();
use app
delimiter //
drop procedure if exists prog_p//
create procedure prog_p() begin select 'first'; select 'second'; end//
delimiter ;
call prog_p();
select no_such_column;
select 'after';
drop procedure prog_p;
drop table prog;
'''
    out = [x for x in run(argv, text).splitlines() if x and not x.startswith(('WARNING', '--', 'select')) and 'insecure' not in x]
    error = [x for x in out if x.startswith('ERROR')]
    assert len(error) == 1 and 'ERROR 1054 (42S22)' in error[0], out
    out.remove(error[0])
    assert out == ['1\tone', '2\tzwölf', '1', 'one\t5', 'app2', 'first', 'second', 'after']


@pytest.mark.parametrize('program', PROGRAMS)
def test_a_file_from_a_program(pool, program):
    with tempfile.NamedTemporaryFile('w', dir='/tmp', prefix='weirpool-test-') as f:
        f.writelines('%d\tline %d\n' % (i, i) for i in range(5000))
        f.flush()
        os.chmod(f.name, 0o644)
        argv = PROGRAMS[program]('-h', '127.0.0.1', '-P', str(pool.mysql_port), '-uapp', '-papp', '-BN', '--local-infile=1', 'app')
        text = ('drop table if exists progf; create table progf (a int, b text);'
                " load data local infile '%s' into table progf; select count(*), sum(a) from progf; drop table progf;\n" % f.name)
        assert '5000\t12497500' in run(argv, text)


@pytest.mark.parametrize('program', ['mariadb-dump', 'mysqldump'])
def test_dumps(pool, program, anymy):
    """LOCK TABLES, consistent snapshots, SET NAMES, savepoints, SHOW CREATE."""
    anymy.query('drop table if exists app.du')
    anymy.query('create table app.du (id int auto_increment primary key, a text)')
    anymy.query("insert into app.du (a) values ('one'), ('zwölf'), (null)")
    own = ['-h', '127.0.0.1', '-P', str(pool.mysql_port), '-uapp', '-papp', '--no-tablespaces']
    for how in ('--single-transaction', '--lock-tables'):
        if program == 'mysqldump':
            if anymy.family == 'mariadb':
                return
            argv = in_sid('/usr/bin/mysqldump', '--no-defaults', '--get-server-public-key', '--set-gtid-purged=OFF', how, *own, 'app', 'du')
        else:
            argv = as_test_user(['mariadb-dump', '--no-defaults', '--skip-ssl', how, *own, 'app', 'du'])
        out = '\n'.join(x for x in run(argv).splitlines() if 'insecure' not in x)
        assert "(2,'zwölf')" in out and 'Dump completed' in out
        load = PROGRAMS['mysql' if program == 'mysqldump' else 'mariadb'](*own[:-1], '-BN', 'app2')
        run(load, out)
        assert anymy.query('select count(*), max(a) from app2.du') == ((3, 'zwölf'),)
    anymy.query('drop table app.du')
    anymy.query('drop table app2.du')


def check_driver(c, paramstyle='%s'):
    """The DB-API of any driver: types, transactions, errors, many rows."""
    k = c.cursor()
    k.execute('drop table if exists drv')
    k.execute('create table drv (id int auto_increment primary key, a varchar(50), b decimal(10,2), c datetime, d blob, e double)')
    row = ('zwölf', decimal.Decimal('1.50'), datetime.datetime(2024, 2, 29, 1, 2, 3), b'\x00\xff\x27', 2.5)
    k.execute('insert into drv (a, b, c, d, e) values (%s, %s, %s, %s, %s)', row)
    assert k.lastrowid == 1 and k.rowcount == 1
    k.executemany('insert into drv (a) values (%s)', [('row %d' % i,) for i in range(100)])
    assert k.rowcount == 100
    c.commit()
    k.execute('select a, b, c, d, e from drv where id = 1')
    got = k.fetchone()
    assert tuple(bytes(x) if isinstance(x, (bytes, bytearray)) else x for x in got) == row, got
    k.execute('select count(*) from drv')
    assert k.fetchall()[0][0] == 101
    k.execute('update drv set a = %s where id > %s', ('changed', 50))
    assert k.rowcount == 51
    c.rollback()
    k.execute("select count(*) from drv where a = 'changed'")
    assert k.fetchone()[0] == 0
    c.rollback()
    for sql, errno in (('select * from nowhere', 1146), ('selec', 1064), ('insert into drv (id) values (1)', 1062)):
        with pytest.raises(Exception) as e:
            k.execute(sql)
        assert getattr(e.value, 'errno', None) == errno or e.value.args[0] == errno, e.value
    c.rollback()
    k.execute('select id, a from drv order by id')
    assert [r[0] for r in k.fetchall()][0] == 1
    k.execute('select @@autocommit')
    assert k.fetchone()[0] == 0
    k.execute("set @x = 'mine'")
    c.commit()
    k.execute('select @x')
    assert k.fetchone()[0] == 'mine'
    k.execute('drop table drv')
    c.commit()
    k.close()


@pytest.mark.parametrize('ssl', [False, True], ids=['tcp', 'tls'])
def test_pymysql(anymy, mypool, certs, ssl):
    kw = {}
    options = {}
    if ssl:
        options = dict(client_tls_sslmode='allow', client_tls_key_file=certs.key('server'), client_tls_cert_file=certs.crt('server'))
        kw = {'ssl': {'ca': certs.crt('ca')}}
    wp = mypool(anymy, default_pool_size=2, **options)
    for user in ('app', 'app2'):
        c = pymysql.connect(host='127.0.0.1', port=wp.mysql_port, user=user, password='app', database='app', charset='utf8mb4', **kw)
        check_driver(c)
        k = c.cursor(pymysql.cursors.SSDictCursor)
        k.execute('select 1 as a union select 2')
        assert list(k) == [{'a': 1}, {'a': 2}]
        c.ping()
        c.select_db('app2')
        k = c.cursor()
        k.execute('select database()')
        assert k.fetchone() == ('app2',)
        c.close()


def test_pymysql_many_results(pool):
    c = pymysql.connect(host='127.0.0.1', port=pool.mysql_port, user='app', password='app', database='app',
                        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, autocommit=True)
    k = c.cursor()
    k.execute('select 1; select 2, 3; do 4')
    assert k.fetchall() == ((1,),)
    assert k.nextset() and k.fetchall() == ((2, 3),)
    assert k.nextset() and not k.nextset()
    c.close()


@pytest.mark.parametrize('ssl', [False, True], ids=['tcp', 'tls'])
def test_mysqlclient(anymy, mypool, certs, ssl):
    kw, options = {}, {}
    if ssl:
        options = dict(client_tls_sslmode='allow', client_tls_key_file=certs.key('server'), client_tls_cert_file=certs.crt('server'))
        kw = {'ssl': {'ca': certs.crt('ca')}}
    wp = mypool(anymy, default_pool_size=2, **options)
    c = MySQLdb.connect(host='127.0.0.1', port=wp.mysql_port, user='app', passwd='app', db='app', charset='utf8mb4', **kw)
    check_driver(c)
    c.ping()
    assert re.match(r'[\d.]+', c.get_server_info())
    assert c.thread_id() > 0
    c.change_user('app2', 'app', 'app2')
    k = c.cursor()
    k.execute('select current_user(), database()')
    assert k.fetchone() == ('app2@%', 'app2')
    c.close()


CONNECTOR = r'''
import sys, mysql.connector, datetime, decimal
port, ssl = int(sys.argv[1]), sys.argv[2] == 'tls'
c = mysql.connector.connect(host='127.0.0.1', port=port, user='app', password='app', database='app', use_pure=True,
                            ssl_disabled=not ssl)
k = c.cursor()
k.execute('drop table if exists conn')
k.execute('create table conn (id int auto_increment primary key, a varchar(50), b decimal(10,2), c datetime, d blob)')
row = ('zw\u00f6lf', decimal.Decimal('1.50'), datetime.datetime(2024, 2, 29, 1, 2, 3), b'\x00\xff')
p = c.cursor(prepared=True)
for i in range(5):
    p.execute('insert into conn (a, b, c, d) values (%s, %s, %s, %s)', row)
c.commit()
k.execute('select a, b, c, d from conn where id = 1')
got = k.fetchone()
assert tuple(bytes(x) if isinstance(x, (bytes, bytearray)) else x for x in got) == row, got
q = c.cursor(prepared=True)
for i in range(1, 6):
    q.execute('select a, id from conn where id = %s', (i,))
    assert q.fetchone() == ('zw\u00f6lf', i)
    q.fetchall()
k.executemany('insert into conn (a) values (%s)', [('x',)] * 50)
assert k.rowcount == 50
c.rollback()
k.execute('select count(*) from conn')
assert k.fetchone() == (5,)
try:
    k.execute('select * from nowhere')
except mysql.connector.Error as e:
    assert e.errno == 1146 and e.sqlstate == '42S02', e
else:
    raise AssertionError
k.execute("set @x = 1")
c.reset_session()
k.execute('select @x')
assert k.fetchone() == (None,)
c.cmd_change_user('app2', 'app', 'app2')
k = c.cursor()
k.execute('select current_user()')
assert k.fetchone() == ('app2@%',)
c.ping()
k.execute('drop table app.conn')
c.close()
print('connector works', mysql.connector.__version__)
'''


@pytest.mark.parametrize('ssl', ['tcp', 'tls'])
def test_connector_python(anymy, mypool, certs, ssl):
    """In Python alone: Debian builds it without its C part."""
    options = {}
    if ssl == 'tls':
        options = dict(client_tls_sslmode='allow', client_tls_key_file=certs.key('server'), client_tls_cert_file=certs.crt('server'))
    wp = mypool(anymy, default_pool_size=2, **options)
    assert 'connector works' in run(in_sid('/usr/bin/python3', '-c', CONNECTOR, str(wp.mysql_port), ssl))


@pytest.mark.parametrize('ps', ['auto', 'disable'])
@pytest.mark.parametrize('test', ['oltp_point_select', 'oltp_read_only', 'oltp_read_write'])
def test_sysbench(anymy, mypool, test, ps):
    """40 clients over 4 connections, and no error that it would ignore."""
    # (threads of MariaDB's client library that load the plugin for caching_sha2_password at once get in each other's way)
    wp = mypool(anymy, default_pool_size=4, auth_type='trust')
    own = ['--db-driver=mysql', '--mysql-host=127.0.0.1', '--mysql-user=app', '--mysql-password=app', '--mysql-db=app',
           '--tables=2', '--table-size=500', '--mysql-ignore-errors=1213,1205,1020']
    direct = ['sysbench', test, '--mysql-port=%d' % anymy.port, *own]
    run([*direct, 'cleanup'])
    run([*direct, 'prepare'])
    out = run(['sysbench', test, '--mysql-port=%d' % wp.mysql_port, *own, '--threads=40', '--events=800', '--time=0',
               '--db-ps-mode=' + ps, 'run'], timeout=80)
    assert re.search(r'total number of events:\s+800\b', out), out
    run([*direct, 'cleanup'])
    if not wp.direct:
        eventually(lambda: anymy.connections() <= 4)  # (the server's end of a connection lasts a moment longer)
