"""PostgreSQL and MySQL in one process: entries, pools, the console, KILL by the ids that clients see, a start from a URL."""
import subprocess
import threading

import pymysql
import pytest
from servers import as_test_user, eventually, free_port


def connect(wp, user='app', db='app', **kw):
    return pymysql.connect(host='127.0.0.1', port=wp.mysql_port, user=user, password='app', database=db, autocommit=True, **kw)


def one(conn, sql):
    with conn.cursor() as c:
        c.execute(sql)
        return c.fetchone()[0]


def in_background(fn):
    """Runs fn; what it raised or returned comes by join()."""
    out = {}

    def run():
        try:
            out['value'] = fn()
        except pymysql.Error as e:
            out['error'] = e
    t = threading.Thread(target=run, daemon=True)
    t.start()

    def join(seconds=30):
        t.join(seconds)
        assert not t.is_alive()
        return out.get('error', out.get('value'))
    return join


@pytest.mark.parametrize('workers', [1, 2], indirect=True)
def test_two_protocols_in_one_process(weirpool, pg15, anymy):
    wp = weirpool(pg15, mysql_databases={'shop': dict(host=anymy.host, port=anymy.port, dbname='app'),
                                         '*': dict(host=anymy.host, port=anymy.port)},
                  userlist=dict(app='app'), auth_type='trust')
    with wp.connect() as pg, connect(wp, db='shop') as my, connect(wp, db='app2') as other:
        assert pg.execute('select current_database()').fetchone()[0] == 'app'
        assert one(my, 'select database()') == 'app'
        assert one(other, 'select database()') == 'app2'
        rows = {r['name']: r for r in wp.admin('SHOW DATABASES')}
        assert [rows[d]['port'] for d in ('app', 'shop', '*')] == [str(s.port) for s in (pg15, anymy, anymy)]
        with connect(wp, user='admin', db='weirpool') as console, console.cursor() as c:
            c.execute('SHOW DATABASES')
            names = [r[0] for r in c.fetchall()]
            assert names == [r['name'] for r in wp.admin('SHOW DATABASES')]
            c.execute('PAUSE shop')  # of its own protocol and entry only
            assert pg.execute('select 1').fetchone()[0] == 1
            assert one(other, 'select 2') == 2
            waiting = in_background(lambda: one(my, 'select 3'))
            eventually(lambda: any(int(r['cl_waiting']) for r in wp.admin('SHOW POOLS') if r['database'] == 'shop'))
            c.execute('RESUME shop')
            assert waiting() == 3
    with pytest.raises(Exception, match='no such database'):
        wp.connect(dbname='shop')


@pytest.mark.parametrize('workers', [1, 2], indirect=True)
def test_kill(weirpool, anymy):
    """Over workers: of ten clients of two workers each kills another's query, then another's connection."""
    wp = weirpool(anymy, auth_type='trust', default_pool_size=20)
    clients = [connect(wp) for _ in range(10)]
    assert len({c.thread_id() for c in clients}) == 10
    for victim, killer in zip(clients[:5], clients[5:]):
        running = in_background(lambda v=victim: one(v, 'select sleep(60)'))
        eventually(lambda: int(anymy.query("select count(*) from information_schema.processlist "
                                           "where info like 'select sleep(60)%'")[0][0]))
        with killer.cursor() as c:
            c.execute('kill query %d' % victim.thread_id())
        result = running()
        # SLEEP() returns 1 when it is interrupted, or the statement fails
        assert result == 1 or result.args[0] == 1317, result
        assert one(victim, 'select 5') == 5
    for victim, killer in zip(clients[:5], clients[5:]):
        killer.kill(victim.thread_id())
        with pytest.raises(pymysql.Error):
            one(victim, 'select 6')
        assert one(killer, 'select 7') == 7
        with pytest.raises(pymysql.Error) as e, killer.cursor() as c:
            c.execute('kill %d' % victim.thread_id())
        assert e.value.args[0] == 1094
    with connect(wp, user='app2') as other:
        with pytest.raises(pymysql.Error) as e:
            other.kill(clients[5].thread_id())
        assert e.value.args[0] == 1095
        assert one(clients[5], 'select 8') == 8


def test_a_waiting_query_is_killed(weirpool, anymy):
    wp = weirpool(anymy, auth_type='trust', default_pool_size=1)
    with connect(wp) as holder, connect(wp) as waiter, connect(wp) as killer:
        holder.begin()
        assert one(holder, 'select 1') == 1
        waiting = in_background(lambda: one(waiter, 'select 2'))
        eventually(lambda: any(int(r['cl_waiting']) for r in wp.admin('SHOW POOLS')))
        with killer.cursor() as c:
            c.execute('kill query %d' % waiter.thread_id())
        assert waiting().args[0] == 1317
        holder.rollback()
        assert one(waiter, 'select 3') == 3


def test_from_a_url(base, binary, anymy):
    port = free_port()
    url = 'mysql://app:app@127.0.0.1:%d/app?mysql_listen_port=%d' % (anymy.port, port)
    p = subprocess.Popen(as_test_user([str(binary), url]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        for line in p.stdout:
            lines.append(line)
            if line.startswith('  mysql://'):
                break
        said = ''.join(lines)
        assert 'Reached 127.0.0.1:%d: ' % anymy.port in said, said
        assert ('MariaDB' in said) == (anymy.family == 'mariadb'), said
        assert '  mysql://app:****@127.0.0.1:%d/app' % port in said, said
        with pymysql.connect(host='127.0.0.1', port=port, user='app', password='app', database='app') as c:
            assert one(c, 'select database()') == 'app'
    finally:
        p.terminate()
        p.wait(10)
