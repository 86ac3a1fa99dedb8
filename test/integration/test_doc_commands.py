"""Commands in doc/ and deploy/ that no test can run, since no container engine, no cluster, no helm, no systemd and no Grafana is here:
each is taken apart, and what it names is looked up in the tree: files, manifests (by the checks of test_deploy.py), Deployments, containers,
ports, keys of Secrets, values of the chart, units, options. A program or a flag that is not known here is a failure, not a pass."""
import pathlib
import re
import shlex
import subprocess

import pytest
import yaml

import gotemplate
from test_deploy import DEPLOY, KINDS, META, SRC, check_fields, of_kind

PROGRAMS = ('kubectl', 'helm', 'docker', 'systemctl', 'install', 'curl', 'psql')
PAGES = [SRC / 'README.md', *sorted((SRC / 'doc').rglob('*.md')), *sorted(DEPLOY.rglob('*.md')), *sorted(DEPLOY.rglob('*.yaml'))]
OPTIONS = set(re.findall(r'^### (\w+)$', (SRC / 'doc/options.md').read_text(), re.M))
EXPOSED = set(re.search(r'^EXPOSE (.*)$', (SRC / 'Dockerfile').read_text(), re.M)[1].split())


class Text:
    """A page, and what stands in it that is not run."""
    def __init__(self, path):
        self.path, self.commands, self.yaml = path, [], []
        self.text = path.read_text()
        self.files = {pathlib.PurePath(x).name for x in re.findall(r'file=(\S+)|-(?:keyout|out) (\S+)', self.text) for x in x if x}
        for block in self.blocks():
            joined = block.replace('\\\n', ' ')
            if re.match(r'\w+:\s*$', joined.split('\n')[0]):
                self.yaml.append(block)
            self.commands += [ln.strip() for ln in joined.split('\n') if ln.split()[:1] and ln.split()[0] in PROGRAMS]
        if path.suffix == '.md':
            self.commands += re.findall(r'`((?:kubectl|helm|docker|systemctl) [^`]+)`', re.sub(r'```.*?```', '', self.text, flags=re.S))

    def blocks(self):
        """Indented ones, and fenced ones without a test; in a manifest comments that are indented."""
        if self.path.suffix == '.yaml':
            return re.findall(r'^#   (\S.*)$', self.text, re.M)
        fenced = re.findall(r'^```text\n(.*?)^```', self.text, re.S | re.M)
        plain = re.sub(r'^```.*?^```', '', self.text, flags=re.S | re.M)
        return fenced + [re.sub('^    ', '', b, flags=re.M) for b in re.findall(r'(?:^    .*\n)+', plain, re.M)]


TEXTS = [t for t in map(Text, PAGES) if t.commands or t.yaml]


def in_tree(name, page):
    """A file that is named as seen from the top of the source; a manifest also by its own name."""
    found = [p for p in (SRC / name, DEPLOY / 'kubernetes' / name, page.path.parent / name) if p.exists()]
    assert found, '%s: there is no %s' % (page.path.name, name)
    return found[0]


def flags(words, known):
    """({flag: values}, the other words); known: 1 takes a value, 0 takes none."""
    got, rest, words = {}, [], list(words)
    while words:
        w = words.pop(0)
        if w == '--':
            return got, rest + words
        if not w.startswith('-'):
            rest.append(w)
            continue
        name, eq, value = w.partition('=')
        assert name in known, 'what is %s?' % w
        assert not eq or known[name], '%s takes no value' % name
        got.setdefault(name, []).append(value if eq else words.pop(0) if known[name] else None)
    return got, rest


def manifest(name, page):
    docs = list(yaml.safe_load_all(in_tree(name, page).read_text()))
    for d in docs:
        version, spec = KINDS[d['kind']]
        assert d['apiVersion'] == version
        check_fields(d, dict(spec, apiVersion=str, kind=str, metadata=META), d['kind'])
    return docs


def all_of(page):
    """What the page applies before: what its exec and port-forward speak of."""
    names = re.findall(r'kubectl apply -f (\S+\.yaml)', page.text)
    assert names, 'nothing was applied'
    return [d for n in names for d in manifest(n, page)]


def containers(target, page):
    kind, _, name = target.partition('/')
    assert kind == 'deploy', target
    found = [d for d in of_kind(all_of(page), 'Deployment') if d['metadata']['name'] == name]
    assert found, 'no Deployment ' + name
    pod = found[0]['spec']['template']['spec']
    return pod.get('initContainers', []) + pod['containers']


def url(text, page):
    """A client's URL: the configuration that was applied listens there, and has the database."""
    port, db = re.fullmatch(r'postgres://\w+(?::\w+)?@127\.0\.0\.1:(\d+)/(\w+)', text).groups()
    ini = of_kind(all_of(page), 'ConfigMap')[0]['data']['weirpool.ini']
    assert 'listen_port = %s\n' % port in ini and re.search(r'^(%s|\*) = ' % db, ini, re.M), text


def kubectl(words, page):
    if words[0] == 'apply':
        got, rest = flags(words[1:], {'-f': 1})
        assert not rest
        for name in got['-f']:
            manifest(name, page)
    elif words[0] == 'exec':
        got, rest = flags(words[1:], {'-c': 1})
        assert got['-c'][0] in {c['name'] for c in containers(rest[0], page)}, 'no container ' + got['-c'][0]
        command(rest[1:], page)
    elif words[0] == 'port-forward':
        got, (target, port) = flags(words[1:], {})
        assert int(port) in {p['containerPort'] for c in containers(target, page) for p in c.get('ports', ())}, 'no port ' + port
    else:
        assert words[:3] == ['create', 'secret', 'generic'], words
        got, (name,) = flags(words[3:], {'--from-file': 1, '--from-literal': 1})
        keys = {k.split('=')[0] for values in got.values() for k in values}
        secret, = of_kind(manifest('gateway.yaml', page), 'Secret')
        assert keys == set(secret['stringData']), 'keys of the Secret: %s' % sorted(keys)


def helm(words, page):
    assert words[0] in ('install', 'lint', 'template'), words
    if len(words) == 1:
        return
    got, (_, chart) = flags(words[1:], {'--set': 1, '-f': 1})
    assert in_tree(chart + '/Chart.yaml', page)
    values = {}
    for name, _, value in (s.partition('=') for s in got.get('--set', ())):
        at, there = values, yaml.safe_load((SRC / chart / 'values.yaml').read_text())
        for part in name.split('.'):
            assert part in there, 'no value %s in values.yaml' % name
            there = there[part]
        for part in name.split('.')[:-1]:
            at = at.setdefault(part, {})
        at[name.split('.')[-1]] = value
    assert gotemplate.Chart(SRC / chart, words[1], values).documents()
    secrets = re.findall(r'kubectl create secret generic (\S+)', page.text)
    assert values.get('secretName') in secrets, 'that Secret is not made on this page'


def docker(words, page):
    if words[0] == 'compose':
        got, rest = flags(words[1:], {'-f': 1, '--build': 0})
        assert rest == ['up'] and yaml.safe_load(in_tree(got['-f'][0], page).read_text())['services']
    elif words[0] == 'build' and words[1:]:
        got, rest = flags(words[1:], {'-t': 1})
        assert got['-t'] == ['weirpool'] and (SRC / rest[0] / 'Dockerfile').exists()
    elif words[0] == 'kill':
        assert flags(words[1:], {'-s': 1}) == ({'-s': ['HUP']}, [])
    elif words[0] == 'run':
        got, rest = flags(words[1:], {'--read-only': 0, '--cap-drop': 1, '-p': 1, '-e': 1, '-v': 1})
        mounted = [v.split(':')[1] for v in got.get('-v', ())]
        assert rest[0] == 'weirpool' and {p.split(':')[1] for p in got['-p']} <= EXPOSED, words
        paths = rest[1:]
        for e in got.get('-e', ()):
            name, _, value = e.partition('=')
            option = name.removeprefix('WEIRPOOL_').lower()
            assert name == 'DATABASE_URL' or (name.startswith('WEIRPOOL_') and option in OPTIONS), 'no option for ' + name
            paths += [value] if option == 'conffile' else []
        assert all(any(p.startswith(m + '/') for m in mounted) for p in paths), 'not mounted: %s' % paths
    else:
        assert words == ['build'], words


def systemctl(words, page):
    got, rest = flags(words, {'--now': 0})
    assert rest[0] in ('edit', 'enable', 'status', 'stop', 'reload', 'restart') and rest[1:] in (['weirpool'], ['weirpool.service']), words
    assert (SRC / 'etc/weirpool.service.in').exists() and 'etc/weirpool.service' in (SRC / 'etc/Makefile.inc').read_text()


def install(words, page):
    """Files of the tree, or those that the page has written before. Grafana's places are those of compose.yaml."""
    got, rest = flags(words, {'-m': 1, '-g': 1, '-D': 0})
    assert re.fullmatch('0[0-7]{3}', got['-m'][0]) and got.get('-g') in (None, ['weirpool']) and len(rest) > 1
    for f in rest[:-1]:
        assert f in page.files or in_tree(f, page)
    if 'grafana' in rest[-1]:
        volumes = [v.split(':') for v in yaml.safe_load((DEPLOY / 'compose/compose.yaml').read_text())['services']['grafana']['volumes']]
        place = {to: (DEPLOY / 'compose' / of).resolve() for of, to, _ in volumes}
        to = rest[-1].rstrip('/') if rest[-1].endswith('/') else str(pathlib.PurePath(rest[-1]).parent)
        assert to in place and (SRC / rest[0]).parent == place[to], 'compose has it elsewhere: ' + rest[-1]


def curl(words, page):
    got, (u,) = flags(words, {'-H': 1})
    port, show = re.fullmatch(r'http://127\.0\.0\.1:(\d+)/(\w+)\.json', u).groups()
    assert 'port-forward deploy/app %s ' % port in page.text
    assert 'SHOW %s ' % show.upper() in (SRC / 'doc/console.md').read_text(), 'there is no SHOW ' + show


def psql(words, page):
    got, (u, *more) = flags(words, {'-c': 1})
    if page.path.name == 'compose.yaml':  # in a comment, with the next address behind it
        weirpool = yaml.safe_load(page.text)['services']['weirpool']
        port, db = re.fullmatch(r'postgres://app:app@(127\.0\.0\.1:\d+)/(\w+)', u).groups()
        assert any(p.startswith(port + ':') for p in weirpool['ports']) and weirpool['environment']['DATABASE_URL'].endswith('/' + db)
        return
    assert not more
    url(u, page)


def command(words, page):
    words = [w for w in words if w != '&']
    dict(kubectl=kubectl, helm=helm, docker=docker, systemctl=systemctl, install=install, curl=curl, psql=psql)[words[0]](words[1:], page)


@pytest.mark.parametrize('text', TEXTS, ids=lambda t: str(t.path.relative_to(SRC)))
def test_what_commands_name_is_there(text):
    for c in text.commands:
        try:
            command(shlex.split(c), text)
        except (AssertionError, KeyError, ValueError, IndexError, AttributeError) as e:
            pytest.fail('%s: %s\n%s: %s' % (text.path.relative_to(SRC), c, type(e).__name__, e))


def part_of(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and all(k in b and part_of(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return isinstance(b, list) and all(any(part_of(x, y) for y in b) for x in a)
    return a == b


@pytest.mark.parametrize('text', [t for t in TEXTS if t.yaml], ids=lambda t: str(t.path.relative_to(SRC)))
def test_yaml_in_pages(text, tmp_path):
    """Parts of a manifest are parts of the one that is in the tree; Prometheus' configuration is one."""
    for block in text.yaml:
        y = yaml.safe_load(block)
        if 'scrape_configs' in y:
            (tmp_path / 'p.yml').write_text(block)
            r = subprocess.run(['promtool', 'check', 'config', '--syntax-only', str(tmp_path / 'p.yml')], stdout=subprocess.PIPE, text=True, timeout=60)
            assert r.returncode == 0, r.stdout
        else:
            assert any(part_of(y, d['spec']['template']['spec']) for d in of_kind(all_of(text), 'Deployment')), block


def page_of(**have):
    t = Text.__new__(Text)
    t.path, t.files, t.commands, t.yaml, t.text = SRC / 'doc/x.md', set(), [], [], ''
    t.__dict__.update(have)
    return t


SIDECAR = 'kubectl apply -f sidecar.yaml\nkubectl port-forward deploy/app 9127 &\n'


@pytest.mark.parametrize('bad', [
    'kubectl apply -f sidecars.yaml', 'kubectl delete -f sidecar.yaml', 'kubectl exec deploy/ap -c app -- psql postgres://app@127.0.0.1:6432/app',
    'kubectl exec deploy/app -c ap -- psql postgres://app@127.0.0.1:6432/app', 'kubectl exec deploy/app -c app -- psql postgres://app@127.0.0.1:6433/app',
    'kubectl exec deploy/app -c app -- psql postgres://app@127.0.0.1:6432/other', 'kubectl port-forward deploy/app 9128',
    'kubectl create secret generic weirpool --from-file=user.txt --from-literal=http-token=x', 'helm install w deploy/helm/weirpol',
    'helm install w deploy/helm/weirpool --set secretsName=w', 'helm install w deploy/helm/weirpool --set image.tags=w', 'helm upgrade w',
    'docker build -t weirpool doc', 'docker run -p 6432:6434 weirpool', 'docker run -p 6432:6432 -e WEIRPOOL_LISTEN_ADR=x weirpool',
    'docker run -p 6432:6432 --privileged weirpool', 'docker run -p 6432:6432 -v /x:/y:ro weirpool /etc/weirpool/weirpool.ini',
    'docker compose -f deploy/compose.yaml up', 'systemctl begin weirpool', 'systemctl restart weirpoold.service',
    'install -m 0644 etc/grafana/weirpol.json /var/lib/grafana/dashboards/', 'install -m 0644 etc/grafana/weirpool.json /var/lib/grafana/',
    'curl http://127.0.0.1:9127/pool.json', 'curl http://127.0.0.1:9126/pools.json'])
def test_a_mistake_is_seen(bad):
    with pytest.raises((AssertionError, KeyError, ValueError)):
        command(shlex.split(bad), page_of(text=SIDECAR))


def test_they_are_found():
    """A parser that finds nothing would pass everything."""
    found = {str(t.path.relative_to(SRC)): ' '.join(t.commands) for t in TEXTS}
    for page, want in {'doc/containers.md': 'helm install', 'doc/tutorial/sidecar.md': 'kubectl exec', 'doc/tutorial/gateway.md': 'systemctl enable',
                       'doc/tutorial/grafana.md': 'install -m', 'deploy/kubernetes/gateway.yaml': 'kubectl apply', 'deploy/compose/compose.yaml': 'docker compose',
                       'deploy/helm/weirpool/README.md': 'helm install'}.items():
        assert want in found[page], page
    assert sum(len(t.yaml) for t in TEXTS) >= 2
