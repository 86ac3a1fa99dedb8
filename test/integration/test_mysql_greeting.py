"""What weirpool's greeting says of the servers behind it: MySQL and MariaDB are never taken for each other."""
import pytest

import rawmy as my
from rawmy import MyError, RawMy
from servers import eventually


def entry(server, db='app'):
    return dict(host=server.host, port=server.port, dbname=db)


def greeted(wp):
    with RawMy(wp.mysql_port) as r:
        return r.greeting


@pytest.mark.parametrize('first', ['mysql', 'mariadb', 'option'])
def test_entries_of_both_families(weirpool, mysql97, maria118, first):
    """Clients of one entry are served, those of the other one are told why not."""
    servers = [mysql97, maria118] if first == 'mysql' else [maria118, mysql97]
    options = {'mysql_server_version': '9.7.0'} if first == 'option' else {}
    wp = weirpool(mysql_databases={'a': entry(servers[0]), 'b': entry(servers[1])},
                  userlist={'app': 'app'}, **options)
    right, wrong = ('b', 'a') if first == 'option' else ('a', 'b')
    family = mysql97 if first != 'mariadb' else maria118
    eventually(lambda: greeted(wp).mariadb == (family is maria118))
    for _ in range(2):
        with wp.my(db=right) as r:
            assert ('MariaDB' in r.one('select version()')) == r.greeting.mariadb
            r.bye()
        with RawMy(wp.mysql_port) as r, pytest.raises(MyError, match='this port speaks for') as e:
            r.login(db=wrong)
        assert e.value.errno in (1105, 1429, 1130, 1045), e.value
    wp.wait_log('are of another family')


def test_a_session_never_gets_a_server_of_the_other_family(weirpool, mysql97, maria118):
    """The entry leads elsewhere after a reload: who was told MySQL is not given MariaDB."""
    wp = weirpool(mysql_databases={'a': entry(mysql97)}, userlist={'app': 'app'})
    with wp.my(db='a') as r:
        assert not r.greeting.mariadb
        wp.mysql_databases['a'] = entry(maria118)
        wp.reload()

        def refused():
            with wp.my(db='a') as c:
                return c.greeting.mariadb
        with pytest.raises(MyError, match='this port speaks for MySQL'):
            eventually(lambda: r.one('select version()') and None)
        eventually(lambda: attempt(refused))
        with wp.my(db='a') as c:
            assert 'MariaDB' in c.one('select version()') and c.greeting.mariadb


def attempt(f):
    try:
        return f()
    except MyError:
        return None


def test_capabilities_are_those_of_the_server(anymy, mypool):
    """Each capability that a server has is offered, but for those that weirpool says it lacks, and none besides."""
    wp = mypool(anymy)
    with RawMy(anymy.port) as s, RawMy(wp.mysql_port) as r:
        assert (s.greeting.version, s.greeting.mariadb, s.greeting.collation) == \
            (r.greeting.version, r.greeting.mariadb, r.greeting.collation)
        lacks = my.CAN_HANDLE_EXPIRED_PASSWORDS | my.MULTI_FACTOR | my.SSL | my.COMPRESS | my.ZSTD | my.LONG_PASSWORD
        if anymy.family == 'mysql':
            lacks |= 1 << 30 | 1 << 31      # about the client's own options
        else:
            # the client's own affair; COM_MULTI, which no server has any more
            lacks |= 1 << 31 | 1 << 33 | my.MARIADB_CACHE_METADATA
        missing = s.greeting.caps & ~r.greeting.caps & ~lacks
        assert not missing, hex(missing)
        assert not r.greeting.caps & ~s.greeting.caps & ~my.COMPRESS & ~my.SSL, hex(r.greeting.caps & ~s.greeting.caps)
