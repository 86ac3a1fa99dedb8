"""A Patroni that says what a test wants it to: its REST API alone, over HTTP."""
import http.server
import json
import threading


class FakePatroni:
    """members: name -> (host, port, role); what GET /cluster tells. POST /switchover is kept in posts (with the header
    Authorization) and answered with reply. tls: an ssl.SSLContext; peers are the names in its clients' certificates."""

    def __init__(self, members, tls=None):
        self.members, self.paused = members, False
        self.posts, self.reply = [], (412, 'no candidates found')
        self.tls, self.peers = tls, []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def setup(self):
                if fake.tls:
                    self.request = fake.tls.wrap_socket(self.request, server_side=True)
                    fake.peers.append(dict(p[0] for p in (self.request.getpeercert() or {}).get('subject', ())))
                super().setup()

            def answer(self, status, text):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                if self.path != '/cluster':
                    return self.answer(404, '')
                doc = {'members': [dict(name=n, host=h, port=p, role=r, state='running', api_url=fake.url + '/patroni')
                                   for n, (h, p, r) in fake.members.items()], 'scope': 'fake'}
                return self.answer(200, json.dumps({**doc, 'pause': True} if fake.paused else doc))

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                fake.posts.append((self.path, json.loads(body), self.headers['Authorization']))
                return self.answer(*fake.reply)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that does not trust it leaves

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = '%s://127.0.0.1:%d' % ('https' if tls else 'http', self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def role(self, name, role):
        host, port, _ = self.members[name]
        self.members = {**self.members, name: (host, port, role)}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
