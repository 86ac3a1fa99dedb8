"""A receiver of traces for tests: an HTTP server that takes OTLP's JSON and checks its form. Knows nothing of what a test expects in it."""
import http.server
import json
import re
import secrets
import threading

from servers import eventually

KINDS = {1: 'internal', 2: 'server', 3: 'client'}


def value(v):
    (kind, x), = v.items()
    return {'stringValue': str, 'intValue': int, 'boolValue': bool}[kind](x)


def attributes(list_):
    names = [a['key'] for a in list_]
    assert len(set(names)) == len(names), names
    return {a['key']: value(a['value']) for a in list_}


class Span:
    def __init__(self, j):
        self.trace, self.id, self.parent = j['traceId'], j['spanId'], j.get('parentSpanId')
        assert re.fullmatch('[0-9a-f]{32}', self.trace) and set(self.trace) != {'0'}
        assert re.fullmatch('[0-9a-f]{16}', self.id) and set(self.id) != {'0'}
        assert self.parent is None or re.fullmatch('[0-9a-f]{16}', self.parent)
        self.name, self.kind, self.flags = j['name'], KINDS[j['kind']], j['flags']
        self.start, self.end = int(j['startTimeUnixNano']), int(j['endTimeUnixNano'])
        self.a = attributes(j.get('attributes', []))
        self.events = {e['name']: (int(e['timeUnixNano']), attributes(e['attributes'])) for e in j.get('events', [])}
        self.status = j.get('status', {})
        assert self.start <= self.end
        assert all(self.start <= t <= self.end for t, _ in self.events.values())

    @property
    def seconds(self):
        return (self.end - self.start) / 1e9


class Collector:
    """An OTLP receiver. answer(body) -> (status, headers, text) may be replaced. tls: an ssl.SSLContext; names are those that clients asked for
    then, peers the names in their certificates."""

    def __init__(self, port=None, tls=None):
        self.spans, self.requests, self.resources = [], [], []
        self.answer = lambda body: (200, {}, '{}')
        self.open = threading.Event()
        self.open.set()
        self.names, self.peers = [], []
        if tls:
            tls.sni_callback = lambda sock, name, ctx: self.names.append(name)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def setup(self):
                if tls:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                    outer.peers.append(dict(p[0] for p in (self.request.getpeercert() or {}).get('subject', ())))
                super().setup()

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                outer.open.wait(60)
                status, headers, text = outer.answer(body)
                outer.requests.append((self.path, dict(self.headers), status, body))  # first: who sees a span looks at its request
                if 200 <= status < 300:
                    outer.take(body)
                try:
                    self.send_response(status)
                    for k, v in dict({'Content-Length': len(text), 'Content-Type': 'application/json'}, **headers).items():
                        self.send_header(k, str(v))
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    pass  # the other side has given up

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that does not trust it leaves

        self.server = Server(('127.0.0.1', port or 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = '%s://127.0.0.1:%d/v1/traces' % ('https' if tls else 'http', self.port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body):
        for r in body['resourceSpans']:
            self.resources.append(attributes(r['resource']['attributes']))
            for s in r['scopeSpans']:
                self.spans += [Span(j) for j in s['spans']]

    def roots(self, trace=None):
        ids = {s.id for s in self.spans}
        return [s for s in self.spans if s.parent not in ids and trace in (None, s.trace)]

    def children(self, root):
        return {s.kind: s for s in self.spans if s.parent == root.id}

    def one(self, trace=None):
        root, = eventually(lambda: self.roots(trace))
        return root, self.children(root)

    def close(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


def parent(flags='01'):
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, '00-%s-%s-%s' % (trace, span, flags)
