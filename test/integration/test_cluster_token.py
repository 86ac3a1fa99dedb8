"""A session's token as text: taken to another connection, and to another weirpool."""
import contextlib
import time

import psycopg
import pytest
from rawmy import MyError
from rawpg import PgError
from servers import eventually
from test_cluster_fresh import ALL, clusters_of, cluster, delay, dialect, weir  # noqa: F401

pytestmark = pytest.mark.timeout(400)


def token(s):
    return s.c.one('show weirpool.token')


def bring(s, text):
    s.c.q("set weirpool.token = '%s'" % text)


@pytest.mark.parametrize('cluster', ALL, indirect=True)
def test_what_one_wrote_another_sees(cluster, weir):
    """Replicas are behind. Two weirpools; sessions with a token see what its session wrote, others do not."""
    bound = {'c_session': dict(max_staleness='100')}
    here, there = weir(bound), weir(bound)
    make = dialect(cluster)
    writer, reader, careless = make(here, 'session'), make(there, 'session'), make(there, 'session')
    same = make(here, 'session')
    replicas = (cluster.label(1), cluster.label(2))
    try:
        before = writer.read(41)[0]
        for s in (reader, careless, same):
            eventually(lambda s=s: s.read(41) in [(before, at) for at in replicas], 60, 0.2)
        assert token(reader)  # of one who has only read
        for i in (1, 2):
            delay(cluster, i, 60)
        writer.write(41, before + 1)
        text = token(writer)
        assert text.startswith('v1;') and len(text) < 500
        # (it may have been there by chance if the delay had not begun)
        assert careless.read(41) in [(before, at) for at in replicas]
        for s in (reader, same):
            bring(s, text)
            assert s.read(41) == (before + 1, cluster.label(0))
        assert careless.read(41) in [(before, at) for at in replicas]
        # and reads at replicas again, once they have it
        for i in (1, 2):
            delay(cluster, i, 0)
        eventually(lambda: reader.read(41) in [(before + 1, at) for at in replicas], 60, 0.2)
        for s in (reader, careless):  # one that is older does no harm
            bring(s, text)
            assert s.read(41)[0] == before + 1
            bring(s, token(s))
    finally:
        for i in (1, 2):
            delay(cluster, i, 0)
        for s in (writer, reader, careless, same):
            s.close()


BAD = ['', 'v1', 'v1;', 'v1;1;2', 'v2;x;y', 'v1;' + 'x' * 2000, 'v1;7/1;0/0']


@pytest.mark.parametrize('cluster', ['pg15', 'mysql97'], indirect=True)
def test_what_is_no_token(cluster, weir):
    """It says why, and the session goes on."""
    wp = weir()
    s = dialect(cluster)(wp, 'session')
    good = token(s)
    wrong = BAD + [good.replace('v1;', 'v1;9'), good + 'x', good[:-1] + '-']
    for text in wrong:
        with pytest.raises((PgError, MyError), match='token cannot be used here'):
            bring(s, text)
    bring(s, good)
    s.read(42)
    s.close()


@pytest.mark.parametrize('cluster', ['pg15'], indirect=True)
def test_in_a_transaction_and_elsewhere(cluster, weir):
    """In a transaction as well; by the extended protocol and at the login it is refused, not taken for a setting of the server's."""
    wp = weir()
    with wp.connect(dbname='c_session') as c:
        c.autocommit = False
        c.execute('update reg set v = v where id = 43', prepare=False)
        text = c.execute('show weirpool.token', prepare=False).fetchone()[0]
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        c.execute("SET SESSION  Weirpool.Token TO '%s' ; " % text, prepare=False)
        c.commit()
        c.autocommit = True
        with pytest.raises(psycopg.Error, match='cannot be set in this way'):
            c.execute("set weirpool.token = '%s'" % text, prepare=True, binary=True)
        with pytest.raises(psycopg.Error, match='cannot be set in this way'):
            c.execute("set local weirpool.token = '%s'" % text, prepare=False)
        with pytest.raises(psycopg.Error, match='unrecognized configuration parameter'):
            c.execute('show weirpool.token', prepare=True, binary=True)
        # several statements in one text are not looked through
        with pytest.raises(psycopg.Error, match='unrecognized configuration parameter'):
            c.execute('select 1; show weirpool.token', prepare=False)
        assert c.execute('show weirpool.token', prepare=False).fetchone()[0].startswith('v1;')
    with pytest.raises(psycopg.Error, match='cannot be given at connection start'):
        wp.connect(dbname='c_session', options='-c weirpool.token=x')


def test_without_a_cluster(pg15, weirpool):
    wp = weirpool(pg15)
    with wp.connect() as c:
        for sql in ('show weirpool.token', "set weirpool.token = 'v1;1/1;0/1'"):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match='is in no cluster'):
                c.execute(sql, prepare=False)
        assert c.execute('select 1').fetchone() == (1,)


@pytest.mark.parametrize('cluster', ['pg15'], indirect=True)
def test_while_there_is_no_primary(cluster, weir):
    """Who has written waits for a sample: until there is one, or for 5 s."""
    wp = weir()
    s = dialect(cluster)(wp, 'session')
    s.write(44, 1)
    cluster.nodes[0].sigstop()
    began = time.monotonic()
    try:
        text = token(s)  # a sample came in between
    except PgError as e:
        assert 'has told its position' in str(e) and time.monotonic() - began > 4
        text = None
    finally:
        cluster.nodes[0].sigcont()
    def told():
        with contextlib.suppress(PgError):
            return token(s)
    text = text or eventually(told)
    assert text.startswith('v1;')
    s.close()
