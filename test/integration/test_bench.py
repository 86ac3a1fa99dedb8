"""The benchmarks still run: each part for a moment, with little data. Their numbers mean nothing here."""
import csv
import os
import subprocess

import pytest
from weir import SRC

CONTENDERS = {'bench': 'direct,pgbouncer,pgbouncer-sid,haproxy,weirpool-1', 'bench-mysql': 'direct,haproxy,router-share,weirpool-1',
              'bench-route': 'single,session'}
PARTS = {'bench': 'pgbench latency churn bulk memory start strace stub rivals watched'.split(),
         'bench-mysql': 'point readonly tls state changed bulk memory start strace stub'.split(),
         'bench-route': 'reads queries mysql scaling failover frozen lagging'.split()}  # the others need valgrind


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason='the benchmarks start servers as root')
@pytest.mark.parametrize('program', PARTS)
def test_bench_runs(program, binary, tmp_path):
    out = tmp_path / 'out.csv'
    env = dict(os.environ, WEIRPOOL_BIN=str(binary))
    r = subprocess.run(['/usr/bin/python3', str(SRC / 'test/bench' / program), '--strict', '--seconds=1', '--rounds=1', '--clients=2',
                        '--scale=0.01', '--settle=0.1', '--only=' + CONTENDERS[program], '--out=%s' % out, *PARTS[program]],
                       env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=880)
    assert r.returncode == 0, r.stdout[-3000:]
    with open(out) as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith('#')))
    assert {row['part'] for row in rows} == set(PARTS[program]), r.stdout[-3000:]
    assert all(row['value'] for row in rows)
