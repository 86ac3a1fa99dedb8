"""Short soaks (soak.py and soak_my.py tell what they prove). SOAK_SECONDS makes them longer; the seed is printed."""
import os

import pytest
import soak
import soak_my
from conftest import new_my_server, new_server

SECONDS = float(os.environ.get('SOAK_SECONDS', '20'))
MY_SECONDS = float(os.environ.get('SOAK_SECONDS', '15'))


@pytest.mark.both_workers
@pytest.mark.timeout(SECONDS * 2 + 180)
def test_soak(weirpool, base, certs, workers):
    soak.SOAK.short(weirpool, new_server(base, certs, 15, 'soak'), soak.databases, SECONDS)


@pytest.mark.parametrize('kind,workers', [('maria1011', 1), ('mysql97', 2)], indirect=['workers'])
@pytest.mark.timeout(MY_SECONDS * 2 + 180)
def test_soak_my(weirpool, base, certs, kind, workers):
    soak_my.SOAK.short(weirpool, new_my_server(base, certs, kind, 'soak'), soak_my.databases, MY_SECONDS)
