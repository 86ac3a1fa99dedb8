"""weirpool explain-route: the corpora of test/data through the command line, mistakes, and the names that a server's catalogs
say are not for a replica."""
import collections
import pathlib
import subprocess

import pytest
from servers import as_test_user
from weir import SANITIZER

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data'
BYTES = {'<NL>': '\n', '<CR>': '\r', '<NBSP>': '\u00a0', '<NUL>': '\0'}


def corpus(name):
    """(context, verdict, text) of each line"""
    context, out = (), []
    for line in (DATA / name).read_text().split('\n'):
        if not line or line.startswith('#'):
            continue
        if line.startswith('@'):
            context = tuple(line[1:].split())
            continue
        verdict, text = line.split('\t', 1)
        for k, v in BYTES.items():
            text = text.replace(k, v)
        out.append((context, verdict, text))
    return out


def run(binary, *args, text=b'', code=0):
    r = subprocess.run(as_test_user([binary, 'explain-route', *args]), input=text, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, cwd='/tmp', timeout=60)
    err = r.stderr.decode()
    assert not SANITIZER.search(err), err
    assert r.returncode == code, err
    return r.stdout.decode(errors='replace'), err


def verdicts(binary, texts, *args, null=True):
    end = '\0' if null else '\n'
    out, err = run(binary, *(['-0'] if null else []), *args, text=''.join(t + end for t in texts).encode())
    lines = out.split('\n')
    assert lines.pop() == '' and not err
    for line in lines:
        assert line.count('\t') == 1 and line.split('\t')[1], line
    return [line.split('\t')[0] for line in lines]


@pytest.mark.parametrize('name,protocol', [('route-pg.txt', 'postgres'), ('route-my.txt', 'mysql')])
def test_corpus(binary, name, protocol):
    by = collections.defaultdict(list)
    for context, verdict, text in corpus(name):
        if '\0' not in text:
            by[context].append((verdict, text))
    wrong = []
    for context, rows in by.items():
        args = [a for c in context for a in ('-c', c)]
        got = verdicts(binary, [t for _, t in rows], '--protocol', protocol, *args)
        assert len(got) == len(rows)
        wrong += [(v, g, t) for g, (v, t) in zip(got, rows) if g != v]
    assert not wrong, wrong


def test_one_line_each(binary):
    out, _ = run(binary, text=b'select 1\n\ninsert into t values (1)\n-- x\nselect 1\nfor update')
    assert [line.split('\t')[0] for line in out.split('\n')] == \
        ['replica', 'replica', 'primary', 'replica', 'replica', 'primary', '']
    assert verdicts(binary, ['select 1', 'begin'], null=False) == ['replica', 'primary']
    assert run(binary, text=b'')[0] == ''
    assert run(binary, '-0', text=b'select 1\nfor update\0select 2')[0].split('\n')[0].startswith('primary\t')
    long_text = 'select ' + ', '.join(str(i) for i in range(40000))
    assert verdicts(binary, [long_text, long_text + ' for update'], null=False) == ['replica', 'primary']
    assert verdicts(binary, ['select 1'] * 5000) == ['replica'] * 5000


@pytest.mark.parametrize('args,said', [
    (['-c', 'frob=1'], 'frob'), (['-c', 'tx=maybe'], 'maybe'), (['-c', 'tx'], 'KEY=VALUE'),
    (['-c', 'standard_conforming_strings=2'], '2'), (['-c', 'sql_mode=ANSI_QUOTE'], 'ANSI_QUOTE'),
    (['-c', 'flavor=postgres'], 'postgres'), (['-c', 'autocommit=maybe'], 'maybe'), (['-c', 'server_version=x'], 'x'),
    (['--protocol', 'oracle'], 'oracle'), (['--frob'], 'frob'), (['file.sql'], 'file.sql'), (['--dsn', 'host=x'], 'URL'),
    (['--protocol', 'mysql', '--dsn', 'postgres://h/d'], 'other protocol')])
def test_mistakes(binary, args, said):
    out, err = run(binary, *args, code=2)
    assert out == '' and said in err and 'explain-route' in err


def test_help(binary):
    out, err = run(binary, '--help')
    assert '--dsn' in out and 'standard_conforming_strings' in out and not err


def test_dsn_unreachable(binary):
    out, err = run(binary, '--dsn', 'postgres://u:secret@127.0.0.1:1/d', code=1)
    assert out == '' and '127.0.0.1' in err and 'secret' not in err


def test_danger_names(binary, anypg):
    name = 'danger%d' % anypg.version
    with anypg.connect() as c:
        c.execute('create database %s' % name)
    try:
        with anypg.connect(name) as c:
            c.execute((DATA / 'route-danger-pg.sql').read_text())
        rows = corpus('route-danger-pg.txt')
        got = verdicts(binary, [t for _, _, t in rows], '--dsn',
                       'postgres://app:app@127.0.0.1:%d/%s' % (anypg.port, name))
        assert not [(v, g, t) for g, (_, v, t) in zip(got, rows) if g != v]
        # without the catalogs' word nothing of a user's is known; and in an empty database nothing is either
        rows = [(v, t) for _, v, t in rows if '(' in t and v == 'primary']
        assert set(verdicts(binary, [t for _, t in rows])) == {'primary'}
    finally:
        with anypg.connect() as c:
            c.execute('drop database %s with (force)' % name)


MY_SETUP = r"""create table t (id int primary key auto_increment, a varchar(20))
create function f_write() returns int no sql return get_lock('x', 0)
create view v_ok as select id, upper(a) as b, now() as c, count(0) as n from t group by id, a
create view v_write as select f_write() x
create view v_view as select * from v_write
create view v_lock as select get_lock('a', 1) x
create view v_ps as select * from performance_schema.threads
create view v_lit as select 'it''s \\ "x" GET_LOCK(' as x, id from t where a like '%f%'
create table mem (a int) engine = memory"""


def test_danger_names_of_mysql(binary, anymy):
    name = 'danger'
    anymy.query('create database ' + name)
    try:
        for line in MY_SETUP.split('\n') + (['create sequence sq'] if anymy.family == 'mariadb' else []):
            anymy.query(line, database=name)
        texts = {'select * from v_ok': 'replica', 'select * from v_lit': 'replica', 'select * from t': 'replica',
                 'select * from v_write': 'primary', 'select * from %s.V_View' % name: 'primary', 'select * from `v_lock`': 'primary',
                 'select * from v_ps': 'primary', 'select * from mem': 'primary', 'select f_write()': 'primary',
                 'select next value for sq': 'primary' if anymy.family == 'mariadb' else 'replica'}
        if anymy.family == 'mariadb':
            texts['select * from sq'] = 'primary'
        else:
            del texts['select next value for sq']
        url = '://super:super@127.0.0.1:%d/%s' % (anymy.port, name)
        for scheme in ('mysql', 'mariadb'):
            assert dict(zip(texts, verdicts(binary, list(texts), '--dsn', scheme + url))) == texts
        out, err = run(binary, '--dsn', 'mysql://super:secret@127.0.0.1:%d/%s' % (anymy.port, name), code=1)
        assert 'Access denied' in err and 'secret' not in err
    finally:
        anymy.query('drop database ' + name)
