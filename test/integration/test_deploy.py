"""The files of deploy/: that they fit together (selectors, ports, volumes, keys of Secrets), and that weirpool runs with the
configuration and the environment in them and answers where their probes ask. No cluster, no helm and no container engine is here:
what only those know is not tested."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

import psycopg
import pytest
import yaml

import gotemplate
from servers import as_test_user, eventually, free_port, give_to_test_user, remove_tree

SRC = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = SRC / 'deploy'
VERSION = re.search(r'AC_INIT\(\[weirpool\], \[([^]]+)\]', (SRC / 'configure.ac').read_text())[1]
CHART_VALUES = {
    'least': dict(secretName='mine'),
    'all': dict(secretName='mine', ports=dict(mysql=6033, postgres=7432), podAnnotations={'a': 'b'}, nodeSelector={'disk': 'ssd'},
                tolerations=[dict(key='x', operator='Exists')], affinity=dict(podAntiAffinity={}), imagePullSecrets=[dict(name='pull')],
                extraEnv=[dict(name='WEIRPOOL_CLIENT_TLS_SSLMODE', value='require')],
                extraVolumes=[dict(name='tls', secret=dict(secretName='its'))],
                extraVolumeMounts=[dict(name='tls', mountPath='/run/secrets/tls', readOnly=True)],
                serviceMonitor=dict(enabled=True, labels=dict(release='prom')), networkPolicy=dict(enabled=True),
                service=dict(annotations=dict(x='y')), image=dict(tag='1.2'), config='[databases]\n* = host=db\n[mysql_databases]\nm = host=m\n'),
    'without': dict(secretName='mine', podDisruptionBudget=dict(enabled=False)),
}


# What Kubernetes' API knows of the fields that are used here: a type, a list of one, or the fields of an object. MAP: any names, texts.
MAP, PORT = dict, (int, str)
LABELS = dict(matchLabels=MAP)
META = dict(name=str, labels=MAP, annotations=MAP)
PROBE = dict(httpGet=dict(path=str, port=PORT), periodSeconds=int, failureThreshold=int)
CONTAINER = dict(
    name=str, image=str, imagePullPolicy=str, args=[str], env=[dict(name=str, value=str)], restartPolicy=str,
    ports=[dict(name=str, containerPort=int)], startupProbe=PROBE, livenessProbe=PROBE, readinessProbe=PROBE,
    resources=dict(requests=MAP, limits=MAP), volumeMounts=[dict(name=str, mountPath=str, readOnly=bool)],
    securityContext=dict(runAsNonRoot=bool, runAsUser=int, runAsGroup=int, allowPrivilegeEscalation=bool,
                         readOnlyRootFilesystem=bool, capabilities=dict(drop=[str])))
POD = dict(
    automountServiceAccountToken=bool, enableServiceLinks=bool, terminationGracePeriodSeconds=int, initContainers=[CONTAINER],
    containers=[CONTAINER], imagePullSecrets=[dict(name=str)], nodeSelector=MAP, tolerations=[dict(key=str, operator=str)], affinity=MAP,
    securityContext=dict(runAsNonRoot=bool, runAsUser=int, runAsGroup=int, fsGroup=int, seccompProfile=dict(type=str)),
    topologySpreadConstraints=[dict(maxSkew=int, topologyKey=str, whenUnsatisfiable=str, labelSelector=LABELS)],
    volumes=[dict(name=str, configMap=dict(name=str), secret=dict(secretName=str, defaultMode=int))])
PEER = dict(podSelector=LABELS, namespaceSelector=LABELS)
POLICY_PORTS = [dict(port=PORT, protocol=str)]
KINDS = {
    'ConfigMap': ('v1', dict(data=MAP)),
    'Secret': ('v1', dict(stringData=MAP)),
    'Service': ('v1', dict(spec=dict(type=str, selector=MAP, ports=[dict(name=str, port=int, targetPort=PORT)]))),
    'Deployment': ('apps/v1', dict(spec=dict(
        replicas=int, selector=LABELS, strategy=dict(rollingUpdate=dict(maxUnavailable=PORT, maxSurge=PORT)),
        template=dict(metadata=META, spec=POD)))),
    'PodDisruptionBudget': ('policy/v1', dict(spec=dict(maxUnavailable=PORT, selector=LABELS))),
    'NetworkPolicy': ('networking.k8s.io/v1', dict(spec={
        'podSelector': LABELS, 'policyTypes': [str], 'ingress': [{'from': [PEER], 'ports': POLICY_PORTS}],
        'egress': [{'to': [PEER], 'ports': POLICY_PORTS}]})),
    'ServiceMonitor': ('monitoring.coreos.com/v1', dict(spec=dict(selector=LABELS, endpoints=[dict(
        port=str, path=str, interval=str, authorization=dict(credentials=dict(name=str, key=str)))]))),
}


def check_fields(v, spec, where):
    if isinstance(spec, list):
        assert isinstance(v, list) and v, where
        for i, item in enumerate(v):
            check_fields(item, spec[0], '%s[%d]' % (where, i))
    elif isinstance(spec, dict):
        assert isinstance(v, dict), where
        assert v.keys() <= spec.keys(), '%s: %s' % (where, sorted(v.keys() - spec.keys()))
        for k in v:
            check_fields(v[k], spec[k], where + '.' + k)
    else:
        assert isinstance(v, spec) and (spec is bool or not isinstance(v, bool)), '%s: %r' % (where, v)


def documents(name):
    if name.endswith('.yaml'):
        return list(yaml.safe_load_all((DEPLOY / 'kubernetes' / name).read_text()))
    return gotemplate.Chart(DEPLOY / 'helm/weirpool', 'rel', CHART_VALUES[name]).documents()


ALL = ['gateway.yaml', 'sidecar.yaml', *CHART_VALUES]


def of_kind(docs, kind):
    return [d for d in docs if d['kind'] == kind]


def pod_of(docs):
    d, = of_kind(docs, 'Deployment')
    return d['spec']['template']


def weirpool_in(pod):
    c, = [c for c in pod['spec'].get('initContainers', []) + pod['spec']['containers'] if c['name'] == 'weirpool']
    return c


def is_part(selector, labels):
    return selector.items() <= labels.items()


@pytest.mark.parametrize('name', ALL)
def test_fits_together(name):
    docs = documents(name)
    seen = [(d['kind'], d['metadata']['name']) for d in docs]
    assert len(seen) == len(set(seen)) and all(d['apiVersion'] for d in docs)
    pod = pod_of(docs)
    labels = pod['metadata']['labels']
    spec = of_kind(docs, 'Deployment')[0]['spec']
    assert is_part(spec['selector']['matchLabels'], labels)
    c = weirpool_in(pod)
    ports = {p['name'] for p in c['ports']}
    assert all(len(p) <= 15 for p in ports)  # Kubernetes: IANA_SVC_NAME
    services = of_kind(docs, 'Service')
    for s in services:
        assert is_part(s['spec']['selector'], labels) and {p['targetPort'] for p in s['spec']['ports']} <= ports
        # what may be made public has not the HTTP port
        assert 'http' not in {p['name'] for p in s['spec']['ports']} or (len(s['spec']['ports']) == 1 and 'type' not in s['spec'])
    for m in of_kind(docs, 'ServiceMonitor'):
        seen_by_it = [s for s in services if is_part(m['spec']['selector']['matchLabels'], s['metadata']['labels'])]
        for e in m['spec']['endpoints']:
            assert [p['name'] for s in seen_by_it for p in s['spec']['ports']].count(e['port']) == 1
    for d in of_kind(docs, 'PodDisruptionBudget'):
        assert is_part(d['spec']['selector']['matchLabels'], labels) and spec['replicas'] > d['spec']['maxUnavailable']
    for d in of_kind(docs, 'NetworkPolicy'):
        assert is_part(d['spec']['podSelector']['matchLabels'], labels)
        assert {p['port'] for rule in d['spec']['ingress'] for p in rule['ports']} == ports
    volumes = {v['name']: v for v in pod['spec']['volumes']}
    assert {m['name'] for m in c['volumeMounts']} <= set(volumes)
    for v in volumes.values():
        if 'configMap' in v:
            assert ('ConfigMap', v['configMap']['name']) in seen
        elif name.endswith('.yaml'):
            assert ('Secret', v['secret']['secretName']) in seen


@pytest.mark.parametrize('name', ALL)
def test_fields(name):
    """Every field is one that its kind has, and of the right type: a misspelt one would be dropped in silence."""
    for d in documents(name):
        version, spec = KINDS[d['kind']]
        assert d['apiVersion'] == version
        check_fields(d, dict(spec, apiVersion=str, kind=str, metadata=META), d['kind'])
        assert re.fullmatch(r'[a-z0-9]([-a-z0-9]*[a-z0-9])?', d['metadata']['name'])
        for text in {**d['metadata'].get('labels', {}), **d.get('data', {}), **d.get('stringData', {})}.values():
            assert isinstance(text, str), text


@pytest.mark.parametrize('name', ALL)
def test_least_privilege(name):
    """Pod Security Standards, "restricted"; the image's user; no token of the cluster."""
    pod = pod_of(documents(name))
    c = weirpool_in(pod)
    both = {**pod['spec']['securityContext'], **c['securityContext']}
    assert both['runAsNonRoot'] and both['runAsUser'] == 65532 and both['seccompProfile'] == {'type': 'RuntimeDefault'}
    assert both['readOnlyRootFilesystem'] and not both['allowPrivilegeEscalation'] and both['capabilities'] == {'drop': ['ALL']}
    assert c['resources']['limits']['memory'] and both['fsGroup'] == 65532
    for other in pod['spec'].get('initContainers', []) + pod['spec']['containers']:  # a pod is admitted whole
        its = {**pod['spec']['securityContext'], **other['securityContext']}
        assert its['runAsNonRoot'] and its['allowPrivilegeEscalation'] is False and its['capabilities'] == {'drop': ['ALL']}


class Runs:
    """weirpool as the pod starts it, with what the pod mounts in a directory, ports that are free, and another server."""
    def __init__(self, binary, base, docs, server):
        self.pod = pod_of(docs)
        self.c = weirpool_in(self.pod)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='pod', dir=base))
        volumes = {v['name']: v for v in self.pod['spec']['volumes']}
        mounts = {m['mountPath']: self.files(docs, volumes[m['name']]) for m in self.c['volumeMounts']}
        self.port, self.http = free_port(), free_port()
        for path, files in mounts.items():
            (self.dir / path.lstrip('/')).mkdir(parents=True)
            for f, text in files.items():
                (self.dir / path.lstrip('/') / f).write_text(self.here(text, server))
        for p in [self.dir, *self.dir.rglob('*')]:
            os.chmod(p, 0o755)
            give_to_test_user(p)
        env = {e['name']: self.here(e['value'], server) for e in self.c.get('env', [])}
        if 'WEIRPOOL_LISTEN_PORT' in env:
            env.update(WEIRPOOL_LISTEN_PORT=str(self.port), WEIRPOOL_HTTP_PORT=str(self.http))
        self.env = env
        self.args = [self.here(a, server) for a in self.c['args']]
        self.log = open(self.dir / 'log', 'w+')
        self.p = subprocess.Popen(as_test_user([binary, *self.args]), env={**env, 'PATH': os.environ['PATH']}, stdout=self.log, stderr=self.log)

    def files(self, docs, volume):
        if 'configMap' in volume:
            kind, name, key = 'ConfigMap', volume['configMap']['name'], 'data'
        else:
            kind, name, key = 'Secret', volume['secret']['secretName'], 'stringData'
        found = [d[key] for d in of_kind(docs, kind) if d['metadata']['name'] == name]
        return found[0] if found else {'users.txt': '"app" "change-me"\n', 'http-token': 'change-me-as-well-for-the-http-port\n'}

    def here(self, text, server):
        text = re.sub(r'(/etc/weirpool|/run/secrets/weirpool)\b', lambda m: str(self.dir) + m[1], text)
        text = re.sub(r'host=\S+ port=\d+', 'host=%s port=%d' % (server.host, server.port), text)
        text = re.sub(r'listen_port = 6432', 'listen_port = %d' % self.port, text)
        text = re.sub(r'http_port = 9127', 'http_port = %d' % self.http, text)
        return text.replace('"app" "change-me"', '"app" "app"')

    def text(self):
        self.log.flush()
        return (self.dir / 'log').read_text()

    def get(self, path, token=None):
        r = urllib.request.Request('http://127.0.0.1:%d%s' % (self.http, path), headers=dict(Authorization='Bearer ' + token) if token else {})
        try:
            with urllib.request.urlopen(r, timeout=10) as f:
                return f.status
        except urllib.error.HTTPError as e:
            return e.code

    def up(self):
        """weirpool is up"""
        assert self.p.poll() is None, self.text()
        return 'process up' in self.text()

    def __enter__(self):
        eventually(self.up)
        return self

    def __exit__(self, *exc):
        self.p.send_signal(signal.SIGQUIT)
        try:
            assert self.p.wait(30) == 0, self.text()
        finally:
            self.p.kill()
            self.log.close()
            remove_tree(str(self.dir))


@pytest.mark.parametrize('name', ['gateway.yaml', 'sidecar.yaml', 'least', 'without'])
def test_runs(name, binary, base, pg15):
    """The probes are answered without the token, /metrics with it, and a client is served."""
    docs = documents(name)
    for s in of_kind(docs, 'Secret'):
        if 'db-password' in s['stringData']:
            s['stringData']['db-password'] = 'app'
    with Runs(binary, base, docs, pg15) as r:
        ports = {p['name']: p['containerPort'] for p in r.c['ports']}
        probes = [r.c[k]['httpGet'] for k in ('startupProbe', 'livenessProbe', 'readinessProbe') if k in r.c]
        assert len(probes) >= 2 and all(ports[p['port']] == 9127 for p in probes)
        assert [r.get(p['path']) for p in probes] == [200] * len(probes), r.text()
        token = (r.dir / 'run/secrets/weirpool/http-token').read_text().strip()
        for m in of_kind(docs, 'ServiceMonitor') or [None]:
            path = m['spec']['endpoints'][0]['path'] if m else '/metrics'
            assert r.get(path, token) == 200 and r.get(path) == 401
        with psycopg.connect('postgres://app:app@127.0.0.1:%d/app' % r.port) as c:
            assert c.execute('select 40 + 2').fetchone() == (42,)
        config = (r.dir / 'etc/weirpool/weirpool.ini').read_text()
        limit = int(re.search(r'^shutdown_timeout = (\d+)$', config, re.M)[1])
        assert limit < r.pod['spec']['terminationGracePeriodSeconds']
        assert 'shutdown_mode = %s\n' % ('sidecar' if name == 'sidecar.yaml' else 'gateway') in config


def test_the_chart():
    """Its version and the image's are the project's; what must be given must be given; values do what they say."""
    chart = yaml.safe_load((DEPLOY / 'helm/weirpool/Chart.yaml').read_text())
    assert chart['appVersion'] == VERSION and chart['apiVersion'] == 'v2'
    for name in ('gateway.yaml', 'sidecar.yaml'):
        assert weirpool_in(pod_of(documents(name)))['image'] == 'weirpool:' + VERSION
    with pytest.raises(AssertionError, match='secretName is needed'):
        gotemplate.Chart(DEPLOY / 'helm/weirpool', 'rel', {})
    least, most = documents('least'), documents('all')
    for release, name in (('rel', 'rel-weirpool'), ('our-weirpool', 'our-weirpool')):
        chart = gotemplate.Chart(DEPLOY / 'helm/weirpool', release, CHART_VALUES['all'])
        assert {d['metadata']['name'] for d in chart.documents()} == {name, name + '-http'}
        assert '@%s.ns:5432/' % name in chart.notes and 'service/%s-http 9127' % name in chart.notes and '3306' in chart.notes
    c = weirpool_in(pod_of(most))
    assert c['env'][-1]['name'] == 'WEIRPOOL_CLIENT_TLS_SSLMODE' and c['volumeMounts'][-1]['mountPath'] == '/run/secrets/tls'
    assert [len(of_kind(d, k)) for d in (least, most) for k in ('NetworkPolicy', 'ServiceMonitor', 'PodDisruptionBudget')] == [0, 0, 1, 1, 1, 1]
    assert not of_kind(documents('without'), 'PodDisruptionBudget')
    pod = pod_of(most)
    assert pod['metadata']['annotations']['a'] == 'b' and pod['spec']['nodeSelector'] == {'disk': 'ssd'}
    assert weirpool_in(pod)['image'] == 'weirpool:1.2' and {p['containerPort'] for p in weirpool_in(pod)['ports']} == {7432, 6033, 9127}
    sums = {pod_of(d)['metadata']['annotations']['checksum/config'] for d in (least, most)}
    assert len(sums) == 2 and of_kind(most, 'ConfigMap')[0]['data']['weirpool.ini'].endswith('m = host=m\n')


def test_compose(binary, base, pg15, tmp_path):
    """What it mounts and names exists; weirpool serves with its environment."""
    c = yaml.safe_load((DEPLOY / 'compose/compose.yaml').read_text())
    for name, s in c['services'].items():
        assert ('image' in s) != ('build' in s) and set(s.get('depends_on', [])) <= set(c['services']), name
        assert set(s.get('secrets', [])) <= set(c['secrets'])
        for v in s.get('volumes', []):
            assert (DEPLOY / 'compose' / v.split(':')[0]).exists(), v
        for p in s.get('ports', []):
            assert p.startswith('127.0.0.1:')
    pooler = c['services']['weirpool']
    assert int(pooler['environment']['WEIRPOOL_SHUTDOWN_TIMEOUT']) < int(pooler['stop_grace_period'].rstrip('s'))
    assert (DEPLOY / 'compose' / c['services']['weirpool']['build'] / 'Dockerfile').exists()
    token = (DEPLOY / 'compose' / c['secrets']['http_token']['file']).read_text().strip()
    prometheus = yaml.safe_load((DEPLOY / 'compose/prometheus.yml').read_text())
    job, = prometheus['scrape_configs']
    env = c['services']['weirpool']['environment']
    assert job['static_configs'] == [{'targets': ['weirpool:' + env['WEIRPOOL_HTTP_PORT']]}]
    assert job['authorization']['credentials_file'] == env['WEIRPOOL_HTTP_TOKEN_FILE']
    mounted = [v.split(':')[1] for v in c['services']['prometheus']['volumes']]
    assert set(prometheus['rule_files']) <= set(mounted)
    here = (DEPLOY / 'compose/prometheus.yml').read_text().replace('/etc/prometheus/', '%s/etc/prometheus/' % SRC)
    (tmp_path / 'prometheus.yml').write_text(here.replace('/run/secrets/http_token', str(DEPLOY / 'compose/http-token')))
    subprocess.run(['promtool', 'check', 'config', tmp_path / 'prometheus.yml'], check=True)
    port, http = free_port(), free_port()
    env = {**env, 'DATABASE_URL': env['DATABASE_URL'].replace('postgres:5432', '%s:%d' % (pg15.host, pg15.port)),
           'WEIRPOOL_HTTP_PORT': str(http), 'WEIRPOOL_LISTEN_PORT': str(port)}
    where = pathlib.Path(tempfile.mkdtemp(prefix='compose', dir=base))
    os.chmod(where, 0o755)
    (where / 'token').write_text(token + '\n')
    env['WEIRPOOL_HTTP_TOKEN_FILE'] = str(where / 'token')
    with open(where / 'log', 'w') as log:
        p = subprocess.Popen(as_test_user([binary]), env={**env, 'PATH': os.environ['PATH']}, stdout=log, stderr=log)
    try:
        eventually(lambda: p.poll() is not None or 'process up' in (where / 'log').read_text())
        assert p.poll() is None, (where / 'log').read_text()
        with psycopg.connect('postgres://app:app@127.0.0.1:%d/app' % port) as pg:
            assert pg.execute('select 1').fetchone() == (1,)
        r = urllib.request.Request('http://127.0.0.1:%d/show/version.json' % http, headers=dict(Authorization='Bearer ' + token))
        assert json.load(urllib.request.urlopen(r, timeout=10))[0]['version']
    finally:
        p.kill()
        p.wait()
