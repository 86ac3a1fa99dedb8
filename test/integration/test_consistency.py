"""Nobody reads what is older than he was promised, nothing acknowledged is lost and nothing is done twice, whatever happens to
the servers: consistency.py tells how it is seen. SOAK_SECONDS makes it longer; the seed is printed."""
import contextlib
import os
import time

import pytest
from consistency import LEVELS, Judge, My, Op, Pg, Workload
from nemesis import MyCluster, PgCluster
from rawpg import PgError
from servers import eventually
from weir import Weirpool

SECONDS = float(os.environ.get('SOAK_SECONDS', '10'))


# ---- the judge can find what it looks for

def op(what, key, value, start, end=None, node='r', level='session', state='ok', who=1, conn=1):
    return Op(who, conn, level, what, key, value, start, start + 0.1 if end is None else end, node, state)


GOOD = [op('w', 1, 10, 1.0, node=''), op('r', 1, 10, 2.0, node='p'), op('a', 2000, 20, 3.0, node=''), op('l', 2000, ' 20', 4.0),
        op('w', 1, 11, 5.0, node='', state='unknown'), op('r', 1, 10, 6.0), op('r', 1, 11, 7.0),
        op('a', 2000, 21, 8.0, node='', state='no')]
FAULTS = {
    'session own write': [op('r', 1, 9, 9.0, who=2), op('w', 1, 9, 0.5, node='', who=3), op('r', 1, 9, 7.5)],
    'session going back': [op('r', 1, 10, 7.5)],
    'session invented': [op('r', 1, 77, 9.0)],
    'session lost': [op('a', 2000, 23, 9.0, node='')],
    'session double': [op('l', 2000, ' 20 20', 9.0)],
    'session not the order': [op('a', 2000, 24, 9.0, node='', state='unknown'), op('l', 2000, ' 24', 10.0)],
    'session order of writes': [op('a', 2001, 31, 9.0, node=''), op('a', 2001, 32, 9.5, node='')],
    'global old': [op('r', 1, 0, 3.0, level='global', who=5)],
    'bounded old': [op('r', 1, 0, 3.0, level='bounded', who=5)],
}


def judged(ops):
    return Judge(ops, {2000: ' 20', 2001: ' 32 31'}, [(0.0, 'p')]).judge()


def test_a_good_history():
    j = judged(GOOD + [op('r', 1, 0, 1.15, level='bounded', who=5), op('r', 1, 0, 9.0, level='eventual', who=6)])
    assert not j.violations, dict(j.violations)


def test_a_replica_ahead_is_no_fault():
    """Seen on a replica before its acknowledgement, and then not yet on the primary; on another replica it is a fault."""
    ahead = [op('w', 1, 50, 10.0, 12.0, node='', who=4), op('r', 1, 50, 10.5, who=5)]
    j = judged(ahead + [op('r', 1, 0, 11.0, who=5, node='p')])
    assert not j.broken() and j.excused == 1, dict(j.violations)
    j = judged(ahead + [op('r', 1, 0, 11.0, who=5, node='r2')])
    assert list(j.broken()) == ['session going back']
    j = judged(ahead + [op('r', 1, 0, 13.0, who=5, node='p')])
    assert list(j.broken()) == ['session going back']


@pytest.mark.parametrize('rule', FAULTS)
def test_each_fault_is_found(rule):
    j = judged(GOOD + FAULTS[rule])
    assert rule in j.broken(), dict(j.violations)


# ---- real clusters

KINDS = {'pg15': (PgCluster, 15, Pg), 'pg18': (PgCluster, 18, Pg), 'mysql97': (MyCluster, 'mysql97', My),
         'maria1011': (MyCluster, 'maria1011', My), 'maria118': (MyCluster, 'maria118', My)}


@pytest.fixture
def harmed(base, binary, request):
    """A cluster of that kind behind a weirpool with two workers, with a database for each level of consistency."""
    make, kind, dialect = KINDS[request.param]
    c = make(base, kind)
    dbs = {'c_' + level: dict(cluster='main', dbname='app', consistency=level, pool_size=5) for level in LEVELS}
    dbs['c_bounded']['max_staleness'] = '0.2'
    options = dict(databases=dbs) if dialect is Pg else dict(mysql_databases=dbs, userlist=dict(app='app', admin='admin'))
    w = Weirpool(base, binary, clusters={'main': c.entry()}, workers=2, log_connections=0, log_disconnections=0, **options)
    request.node.weirpools = [w]

    def ready():
        """the primary is known and both replicas are fresh"""
        rows = w.admin('SHOW NODES')
        return sorted(r['role'] for r in rows) == ['primary', 'replica', 'replica'] and sum(r['freshness'] == 'ok' for r in rows) >= 2
    eventually(ready, 90)
    yield c, w, dialect
    c.stop()
    w.stop()


def accepted(c, w):
    """Is the new primary followed? MariaDB shows a transaction before a replica has acknowledged it (AFTER_SYNC): one that was seen then
    and is lost, of which no client has heard, makes weirpool ask an operator."""
    now, = w.admin('SHOW CLUSTERS')
    if now['kind'] == 'mariadb' and 'transactions of the lost primary' in (now['why'] or ''):
        with contextlib.suppress(PgError):  # it is silent for a moment
            w.admin('PROMOTED "%s"' % c.where(c.primary))
    return now['primary'] == c.where(c.primary)


@pytest.mark.parametrize('harmed', ['pg15', 'mysql97', 'maria118', pytest.param('pg18', marks=pytest.mark.slow),
                                    pytest.param('maria1011', marks=pytest.mark.slow)], indirect=True)
@pytest.mark.timeout(SECONDS * 3 + 400)
def test_reads_see_what_they_must(harmed):
    c, w, dialect = harmed
    seed = int(os.environ.get('SOAK_SEED', 1))
    print('SOAK_SEED=%d' % seed)
    load = Workload(w, dialect, seed)
    try:
        time.sleep(1.0)
        c.torment(w, SECONDS, seed, each=True)
        c.failover()
        eventually(lambda: accepted(c, w), 90, say=lambda: (w.admin('SHOW CLUSTERS'), w.admin('SHOW NODES')))
        time.sleep(2.0)
        c.torment(w, SECONDS / 3, seed + 1)
    finally:
        ops, errors = load.stop()
    j = Judge(ops, c.finals(), c.primaries).judge()
    print(' '.join(c.did), j.figures(), *('%6d %s' % (n, e) for e, n in errors.most_common(20)), sep='\n')
    assert not any(e.startswith('broken') for e in errors), errors
    assert not j.broken(), '\n'.join('%s: %d\n  %s' % (k, len(v), '\n  '.join(v[:6])) for k, v in j.broken().items())
    for level in LEVELS:  # a promise kept by asking the primary alone would prove nothing
        n, there = j.share(level)
        assert there > 20, j.figures()
    # ... and without the promise it is not kept: what is looked for does happen here
    assert j.stale('eventual') > 0, j.figures()
