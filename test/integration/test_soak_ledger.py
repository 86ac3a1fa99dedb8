"""A short soak (soak.py tells what it proves). SOAK_SECONDS makes it longer (default 20); the seed is printed."""
import os
import random

import pytest
import soak
from conftest import new_server
from proxy import Proxy

SECONDS = float(os.environ.get('SOAK_SECONDS', '20'))


@pytest.mark.both_workers
@pytest.mark.timeout(SECONDS * 2 + 180)
def test_soak(weirpool, base, certs, workers):
    seed = int(os.environ.get('SOAK_SEED', random.randrange(1 << 30)))
    print('SOAK_SEED=%d' % seed)
    server = new_server(base, certs, 15, 'soak')
    soak.prepare(server)
    proxy = Proxy(server.port)
    wp = weirpool(databases={'app': dict(host='127.0.0.1', port=proxy.port, dbname='app')}, **soak.OPTIONS)
    try:
        bad, done = soak.soak(wp, server, proxy, SECONDS, seed, 24)
    finally:
        server.stop('immediate')
        proxy.close()
    print(done)
    assert not bad, '%d complaints: %s' % (len(bad), '\n'.join(bad[:10]))
