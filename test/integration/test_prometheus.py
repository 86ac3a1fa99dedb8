"""What is made for Prometheus and Grafana, as Prometheus' own tools see it: promtool's lint of the text, each alert firing and not firing on
made-up series, every query of the dashboard, and a real Prometheus that scrapes."""
import json
import pathlib
import re
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from servers import as_test_user, eventually, free_port, give_to_test_user
from test_metrics import get, text

ETC = pathlib.Path(__file__).resolve().parents[2] / 'etc'
ALERTS = ETC / 'prometheus/weirpool-alerts.yml'
RULE = re.compile(r"- alert: (\w+)\n +expr: '(.*)'\n(?: +for: (\w+)\n)? +labels:\n +severity: (\w+)\n +annotations:\n"
                  r" +summary: '(.*)'\n +description: '(.*)'\n")


def promtool(*args, stdin=None):
    r = subprocess.run(['promtool', *map(str, args)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return r.returncode, r.stdout


# --- the text

def test_lint_of_the_text(weirpool, pg15):
    wp = weirpool(pg15, rules=dict(r="regex='^DROP' block='no'"))
    with wp.connect() as c:
        c.execute('select 1')
        assert promtool('check', 'metrics', stdin=text(wp)) == (0, '')
    rc, said = promtool('check', 'metrics', stdin=text(wp).replace('# HELP weirpool_workers ', '# HELP weirpool_other '))
    assert rc != 0 and 'weirpool_workers' in said


# --- alerts

I = 'instance="w:9127",job="weirpool"'
P = I + ',database="app",user="app"'
N = I + ',cluster="main",node="a:5432"'
POOL = dict(instance='w:9127', database='app', user='app')
INSTANCE = dict(instance='w:9127')
ALL = dict(INSTANCE, job='weirpool')
NODE = dict(ALL, cluster='main', node='a:5432')
INFO = 'weirpool_build_info{%s,version="1"}' % I
BUCKET = 'weirpool_pool_wait_duration_seconds_bucket{%s,le="%%s"}' % P

# alert -> labels when it fires, series that make it fire, series that nearly do. A sample each 15 s, looked at after 20 min.
CASES = {
    'WeirpoolDown': (ALL, {'up{%s}' % I: '1x70 0x9', INFO: '1x70'},
                     {'up{%s}' % I: '1x80', INFO: '1x80', 'up{instance="x",job="other"}': '0x80'}),
    'WeirpoolClientsWait': (POOL, {'weirpool_pool_clients_waiting{%s}' % P: '1x80'},
                            {'weirpool_pool_clients_waiting{%s}' % P: ' '.join(['3 3 0 0'] * 21)}),
    'WeirpoolWaitSlow': (POOL, {BUCKET % '0.1': '0+98x80', BUCKET % '0.2': '0+100x80', BUCKET % '+Inf': '0+100x80'},
                         {BUCKET % '0.1': '0+100x80', BUCKET % '0.2': '0+100x80', BUCKET % '+Inf': '0+100x80'}),
    'WeirpoolWaitTimeouts': (POOL, {'weirpool_pool_wait_timeouts_total{%s}' % P: '0x70 1x9'},
                             {'weirpool_pool_wait_timeouts_total{%s}' % P: '5x80'}),
    'WeirpoolPoolSaturated': (POOL, {'weirpool_pool_server_connections{%s,state="active"}' % P: '19x80', 'weirpool_pool_size{%s}' % P: '20x80'},
                              {'weirpool_pool_server_connections{%s,state="active"}' % P: '17x80',
                               'weirpool_pool_server_connections{%s,state="idle"}' % P: '3x80', 'weirpool_pool_size{%s}' % P: '20x80'}),
    'WeirpoolClientsNearLimit': (INSTANCE, {'weirpool_clients{%s,state="idle"}' % I: '90x80', 'weirpool_clients{%s,state="active"}' % I: '5x80',
                                            'weirpool_clients_max{%s}' % I: '100x80'},
                                 {'weirpool_clients{%s,state="idle"}' % I: '90x80', 'weirpool_clients_max{%s}' % I: '100x80'}),
    'WeirpoolServerUnreachable': (dict(ALL, **POOL), {'weirpool_pool_connect_failures_in_row{%s}' % P: '3x80'},
                                  {'weirpool_pool_connect_failures_in_row{%s}' % P: '2x80'}),
    'WeirpoolNodeDown': (NODE, {'weirpool_node_up{%s}' % N: '0x80'}, {'weirpool_node_up{%s}' % N: '1x80'}),
    'WeirpoolNoPrimary': (dict(ALL, cluster='main'), {'weirpool_cluster_has_primary{%s,cluster="main"}' % I: '0x80'},
                          {'weirpool_cluster_has_primary{%s,cluster="main"}' % I: '0x79 1'}),
    'WeirpoolWritesHeld': (dict(ALL, cluster='main'), {'weirpool_cluster_writes_open{%s,cluster="main"}' % I: '0x80'},
                           {'weirpool_cluster_writes_open{%s,cluster="main"}' % I: '1x77 0 0 0'}),
    'WeirpoolSplit': (dict(ALL, cluster='main', state='split'), {'weirpool_cluster_state{%s,cluster="main",state="split"}' % I: '0x79 1'},
                      {'weirpool_cluster_state{%s,cluster="main",state="split"}' % I: '0x80',
                       'weirpool_cluster_state{%s,cluster="main",state="suspect"}' % I: '1x80'}),
    'WeirpoolReplicaLag': (NODE, {'weirpool_node_lag_seconds{%s}' % N: '31x80'}, {'weirpool_node_lag_seconds{%s}' % N: '29x80'}),
    'WeirpoolReplicaReadsNothing': (dict(NODE, role='replica'),
                                    {'weirpool_node_role{%s,role="replica"}' % N: '1x80', 'weirpool_node_reads_allowed{%s}' % N: '0x80',
                                     'weirpool_node_weight{%s}' % N: '1x80'},
                                    {'weirpool_node_role{%s,role="replica"}' % N: '1x80', 'weirpool_node_reads_allowed{%s}' % N: '0x80',
                                     'weirpool_node_weight{%s}' % N: '0x80'}),
    'WeirpoolCertificateExpires': (dict(ALL, certificate='c'), {'weirpool_certificate_expiry_timestamp_seconds{%s,certificate="c"}' % I: '1200000x80'},
                                   {'weirpool_certificate_expiry_timestamp_seconds{%s,certificate="c"}' % I: '1211000x80'}),
    'WeirpoolServerCertificateExpires': (
        dict(INSTANCE, database='d', node='n'),
        {'weirpool_pool_server_certificate_expiry_timestamp_seconds{%s,database="d",user="%s",node="n"}' % (I, u): v
         for u, v in (('a', '1200000x80'), ('b', '9200000x80'))},
        {'weirpool_pool_server_certificate_expiry_timestamp_seconds{%s,database="d",user="a",node="n"}' % I: '1220000x80'}),
    'WeirpoolClientCertificateExpires': (
        dict(INSTANCE, database='d'),
        {'weirpool_pool_client_certificate_expiry_timestamp_seconds{%s,database="d",user="a"}' % I: '1200000x80'},
        {'weirpool_pool_client_certificate_expiry_timestamp_seconds{%s,database="d",user="a"}' % I: '1220000x80'}),
    'WeirpoolLogLinesLost': (ALL, {'weirpool_log_lines_lost_total{%s}' % I: '7x70 8x9'}, {'weirpool_log_lines_lost_total{%s}' % I: '7x80'}),
    'WeirpoolFewFilesLeft': (ALL, {'process_open_fds{%s}' % I: '950x80', 'process_max_fds{%s}' % I: '1000x80', INFO: '1x80'},
                             {'process_open_fds{%s}' % I: '890x80', 'process_max_fds{%s}' % I: '1000x80', INFO: '1x80',
                              'process_open_fds{instance="x",job="other"}': '950x80', 'process_max_fds{instance="x",job="other"}': '1000x80'}),
    'WeirpoolManyPinned': (INSTANCE, {'weirpool_pinned_sessions{%s}' % I: '6x80', 'weirpool_server_connections{%s}' % I: '10x80'},
                           {'weirpool_pinned_sessions{%s}' % I: '0x80', 'weirpool_server_connections{%s}' % I: '0x80'}),
    'WeirpoolLoginsRefused': (INSTANCE, {'weirpool_login_failures_total{%s,reason="authentication"}' % I: '0+30x80'},
                              {'weirpool_login_failures_total{%s,reason="authentication"}' % I: '0+3x80',
                               'weirpool_login_failures_total{%s,reason="protocol"}' % I: '0+30x80'}),
    'WeirpoolReloadFailed': (ALL, {'weirpool_config_last_reload_successful{%s}' % I: '1x79 0'},
                             {'weirpool_config_last_reload_successful{%s}' % I: '0x79 1'}),
    'WeirpoolWorkerSaturated': (dict(ALL, worker='0'), {'weirpool_worker_cpu_seconds_total{%s,worker="0"}' % I: '0+15x80'},
                                {'weirpool_worker_cpu_seconds_total{%s,worker="0"}' % I: '0+12x80'}),
    'WeirpoolVersionsDiffer': ({}, {'weirpool_build_info{%s,version="1"}' % I: '1x80', 'weirpool_build_info{instance="b",version="2"}': '1x80'},
                               {'weirpool_build_info{%s,version="1"}' % I: '1x80', 'weirpool_build_info{instance="b",version="1"}': '1x80'}),
    'WeirpoolRestarted': (ALL, {'process_start_time_seconds{%s}' % I: '1x60 2x5 3x5 4x7', INFO: '1x80'},
                          {'process_start_time_seconds{%s}' % I: '1x60 2x10 3x8', INFO: '1x80',
                           'process_start_time_seconds{instance="x",job="other"}': '1x60 2x5 3x5 4x7'}),
}

def rules():
    found = {m[0]: m for m in RULE.findall(ALERTS.read_text())}
    assert len(found) == ALERTS.read_text().count('- alert: ') > 0
    return found


def check_rules(path, cases):
    """promtool test rules, with (alert, labels or None, series)."""
    known = rules()
    tests = []
    for name, labels, series in cases:
        _, _, _, severity, summary, description = [s.replace("''", "'") for s in known[name]]
        fires = [] if labels is None else [dict(exp_labels=dict(labels, severity=severity),
                                                exp_annotations=dict(summary=summary, description=description))]
        tests.append(dict(name=name, interval='15s', input_series=[dict(series=s, values=v) for s, v in series.items()],
                          alert_rule_test=[dict(eval_time='20m', alertname=name, exp_alerts=fires)]))
    path.write_text(json.dumps(dict(rule_files=[str(ALERTS)], evaluation_interval='30s', tests=tests)))  # JSON is YAML
    return promtool('test', 'rules', path)


def test_alerts(tmp_path):
    assert set(CASES) == set(rules()), 'each alert has a test here'
    rc, said = check_rules(tmp_path / 'fire.yml', [(n, c[0], c[1]) for n, c in CASES.items()])
    assert rc == 0, said
    rc, said = check_rules(tmp_path / 'not.yml', [(n, None, c[2]) for n, c in CASES.items()])
    assert rc == 0, said


def test_alerts_would_be_missed(tmp_path):
    """The test above can fail: an alert that does not fire, or does, is found."""
    one = 'WeirpoolNodeDown'
    rc, said = check_rules(tmp_path / 'a.yml', [(one, CASES[one][0], CASES[one][2])])
    assert rc != 0 and one in said
    rc, said = check_rules(tmp_path / 'b.yml', [(one, None, CASES[one][1])])
    assert rc != 0 and one in said


# --- the dashboard

def queries():
    board = json.loads((ETC / 'grafana/weirpool.json').read_text())
    panels = board['panels'] + [p for row in board['panels'] for p in row.get('panels', ())]
    ids = [p['id'] for p in panels]
    assert len(ids) == len(set(ids)) > 20
    return [t['expr'].replace('$__rate_interval', '5m').replace('$instance', '.*')
            for p in panels for t in p.get('targets', ())]


def test_dashboard_asks_what_prometheus_understands(tmp_path):
    exprs = queries()
    known = (ETC.parent / 'doc/metrics.md').read_text()
    for name in {x for e in exprs for x in re.findall(r'\b(?:weirpool|process)_[a-z_]+', e)}:
        assert '`%s`' % re.sub('_bucket$', '', name) in known, name
    rules_of = lambda es: json.dumps(dict(groups=[dict(name='g', rules=[dict(record='r%d' % i, expr=e) for i, e in enumerate(es)])]))
    (tmp_path / 'r.yml').write_text(rules_of(exprs))
    rc, said = promtool('check', 'rules', tmp_path / 'r.yml')
    assert rc == 0 and '%d rules found' % len(exprs) in said, said
    (tmp_path / 'bad.yml').write_text(rules_of(exprs + ['sum(']))
    assert promtool('check', 'rules', tmp_path / 'bad.yml')[0] != 0


# --- a real Prometheus

class Prometheus:
    def __init__(self, path, target):
        self.port = free_port()
        (path / 'data').mkdir()
        (path / 'p.yml').write_text(json.dumps(dict(
            **{'global': dict(scrape_interval='1s', evaluation_interval='1s')}, rule_files=[str(path / 'alerts.yml')],
            scrape_configs=[dict(job_name='weirpool', static_configs=[dict(targets=[target])])])))
        (path / 'alerts.yml').write_text(ALERTS.read_text())
        give_to_test_user(path)
        for f in path.iterdir():
            give_to_test_user(f)
        self.log = open(path / 'log', 'w')
        self.proc = subprocess.Popen(as_test_user(['prometheus', '--config.file=%s' % (path / 'p.yml'), '--storage.tsdb.path=%s' % (path / 'data'),
                                                   '--web.listen-address=127.0.0.1:%d' % self.port]), stdout=self.log, stderr=self.log)

    def get(self, what, **params):
        url = 'http://127.0.0.1:%d/api/v1/%s?%s' % (self.port, what, urllib.parse.urlencode(params))
        with urllib.request.urlopen(url, timeout=10) as r:
            return json.load(r)['data']

    def value(self, expr):
        return [float(r['value'][1]) for r in self.get('query', query=expr)['result']]

    def stop(self):
        self.proc.terminate()
        self.proc.wait(30)
        self.log.close()


@pytest.mark.slow
def test_a_real_prometheus(weirpool, pg15, tmp_path_factory, base):
    web = free_port()
    wp = weirpool(pg15, http_port=web, default_pool_size=2)
    path = pathlib.Path(base) / ('prometheus%d' % web)
    path.mkdir()
    prom = Prometheus(path, '127.0.0.1:%d' % web)
    try:
        eventually(lambda: quietly(lambda: prom.value('up{job="weirpool"}') == [1]), 60, 0.2)
        with wp.connect() as c:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                c.execute('select 1')
                time.sleep(0.01)
            target = prom.get('targets')['activeTargets'][0]
            assert target['lastError'] == '' and target['health'] == 'up'
            assert prom.value('rate(weirpool_database_queries_total{database="app"}[5s])')[0] > 5
            p99 = prom.value('histogram_quantile(0.99, sum by (le) (rate(weirpool_pool_query_duration_seconds_bucket[5s])))')
            assert 0 < p99[0] < 100
            board = json.loads((ETC / 'grafana/weirpool.json').read_text())['panels']
            at_a_glance = [p for p in board[:7] if p['type'] != 'row' and not p['title'].startswith('clusters')]
            for expr in [t['expr'] for p in at_a_glance for t in p['targets']]:  # one line for each weirpool
                value, = prom.value(expr.replace('$__rate_interval', '5s').replace('$instance', '.*'))
                assert value == value >= 0, expr
            assert prom.value('pgbouncer_stats_queries_pooled_total{database="app"}') == \
                prom.value('pgbouncer_stats_totals_queries_pooled_total{database="app"}')
            names = {n for n in prom.get('label/__name__/values') if not n.startswith(('scrape_', 'up', 'ALERTS'))}
            wp.http_port = web
            have = set(re.findall(r'^(\w+)[{ ]', get(wp, '/metrics')[2].decode(), re.M))
            assert names == have
            rules_now = prom.get('rules')['groups'][0]['rules']
            assert len(rules_now) == len(rules()) and {r['health'] for r in rules_now} == {'ok'}
    finally:
        prom.stop()


def quietly(f):
    try:
        return f()
    except OSError:
        return False
