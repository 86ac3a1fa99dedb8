"""Reads that wait for a replica in place of going to the primary."""
import time

import pytest

from servers import eventually, new_folder
from test_cluster_pg import Cluster, scans, wait_ready
from weir import Weirpool


@pytest.fixture(scope='module')
def cluster(base):
    c = Cluster(new_folder(base, 'cl-'), 1)
    yield c
    c.stop()


@pytest.fixture
def weir(cluster, base, binary, request):
    made = []

    def make(options=None, **entry):
        w = Weirpool(base, binary, databases={'app': dict(cluster='main', **entry)}, clusters={'main': cluster.entry(**dict(dict(probe_timeout='20s'), **(options or {})))})
        made.append(w)
        request.node.weirpools = made
        wait_ready(w, cluster, 1)
        return w
    yield make
    for w in made:
        w.stop()


def at_replica(cluster, c, n, sql='select count(*) from t'):
    """How many of n reads of the session the replica has answered."""
    before = scans(cluster.nodes[1])
    for _ in range(n):
        c.execute(sql)
    time.sleep(1.2)  # what a server counts is shown once a second
    return scans(cluster.nodes[1]) - before


def test_who_never_pauses_finds_the_replicas_again(cluster, weir):
    """Each read of the primary asks for a sample behind it: without waiting once, the session would stay there."""
    wp = weir()
    with wp.raw() as r:
        def back():
            """nearly all reads go to the replica, although none pauses"""
            r.q("insert into t (v) values ('x')")
            return at_replica(cluster, type('C', (), {'execute': staticmethod(r.q)}), 3000) > 1500
        eventually(back, 60)


def test_causal_wait(cluster, weir):
    """A read behind a write waits for the replica, and sees the write there."""
    wp = weir(causal_wait=20)
    with wp.connect() as c:
        eventually(lambda: at_replica(cluster, c, 3))  # the catalogs are known
        c.execute('insert into reg values (7, 0) on conflict (id) do nothing')
        before = scans(cluster.nodes[1])
        for i in range(1, 30):
            c.execute('update reg set v = %s where id = 7', (i,))
            assert c.execute('select v, (select count(*) from t) from reg where id = 7').fetchone()[0] == i
        eventually(lambda: scans(cluster.nodes[1]) - before >= 29, 30)


def test_causal_wait_ends(cluster, weir):
    wp = weir(causal_wait=0.5)
    replica = cluster.nodes[1]
    with wp.connect() as c:
        eventually(lambda: at_replica(cluster, c, 3))
    replica.query("alter system set recovery_min_apply_delay = '3s'")
    replica.query('select pg_reload_conf()')
    try:
        with wp.connect() as c:
            c.execute('insert into reg values (8, 8) on conflict (id) do nothing')
            begin = time.monotonic()
            assert c.execute('select v from reg where id = 8').fetchone() == (8,)
            assert time.monotonic() - begin > 0.3
    finally:
        replica.query('alter system reset all')
        replica.query('select pg_reload_conf()')
