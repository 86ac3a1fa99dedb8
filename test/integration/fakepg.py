"""A PostgreSQL server that does what real ones never do: each connection is handed to a function of the test.

Knows the few messages that a server sends at login; everything else is the test's own bytes."""
import contextlib
import socket
import struct
import threading

from servers import free_port


def msg(kind, body=b''):
    return kind.encode() + struct.pack('!I', len(body) + 4) + body


def auth_ok():
    return msg('R', struct.pack('!I', 0))


def parameter(name, value):
    return msg('S', name.encode() + b'\0' + value.encode() + b'\0')


def key_data(pid=4711, key=b'\x01\x02\x03\x04'):
    return msg('K', struct.pack('!I', pid) + key)


def ready(status='I'):
    return msg('Z', status.encode())


def error(code='XX000', text='made up', severity='ERROR'):
    fields = (('S', severity), ('V', severity), ('C', code), ('M', text))
    return msg('E', b''.join(k.encode() + v.encode() + b'\0' for k, v in fields) + b'\0')


def welcome():
    return (auth_ok() + parameter('server_version', '15.0') + parameter('client_encoding', 'UTF8') +
            parameter('standard_conforming_strings', 'on') + parameter('DateStyle', 'ISO, MDY') +
            parameter('TimeZone', 'UTC') + parameter('integer_datetimes', 'on') + key_data() + ready())


def data_row(text):
    return msg('D', struct.pack('!HI', 1, len(text)) + text)


def row_of_text(text):
    """The reply to a simple query with one row of one text column, without ReadyForQuery."""
    desc = struct.pack('!H', 1) + b'x\0' + struct.pack('!IHIhih', 0, 0, 25, -1, -1, 0)
    return msg('T', desc) + data_row(text) + msg('C', b'SELECT 1\0')


class Conn:
    """A connection that weirpool opened to us."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = b''
        self.params = {}

    def send(self, data):
        self.sock.sendall(data)

    def read_n(self, n):
        while len(self.buf) < n:
            d = self.sock.recv(65536)
            if not d:
                raise EOFError
            self.buf += d
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def read_startup(self):
        """(code, body) of an untyped packet; code 196608 is protocol 3.0, 80877103 an SSLRequest."""
        n, code = struct.unpack('!II', self.read_n(8))
        body = self.read_n(n - 8)
        if code >> 16 == 3:
            parts = body.split(b'\0')
            self.params = {k.decode(): v.decode() for k, v in zip(parts[::2], parts[1::2]) if k}
        return code, body

    def read_msg(self):
        kind, n = struct.unpack('!cI', self.read_n(5))
        return kind.decode(), self.read_n(n - 4)

    def login(self):
        """Take the startup packet (refusing TLS) and welcome the client without a password."""
        code, _ = self.read_startup()
        while code in (80877103, 80877104):
            self.send(b'N')
            code, _ = self.read_startup()
        if code == 80877102:
            raise EOFError
        self.send(welcome())

    def serve(self, answer=b'fake'):
        """Answer simple and extended queries with one row for ever."""
        while True:
            kind, body = self.read_msg()
            if kind == 'Q':
                self.send(reply_to_query(body, answer))
            elif kind == 'P':
                self.send(msg('1'))
            elif kind == 'B':
                self.send(msg('2'))
            elif kind == 'E':
                self.send(data_row(answer) + msg('C', b'SELECT 1\0'))
            elif kind == 'D':
                self.send(msg('n'))
            elif kind == 'C':
                self.send(msg('3'))
            elif kind == 'S':
                self.send(ready())
            elif kind == 'X':
                return


def reply_to_query(body, answer):
    """A pooler's own housekeeping gets its command tag, everything else a row."""
    text = body.rstrip(b'\0').strip()
    if not text:
        return msg('I') + ready()
    word = text.split(None, 1)[0].upper()
    if word in (b'SET', b'RESET', b'DISCARD', b'DEALLOCATE', b'UNLISTEN', b'CLOSE', b'ROLLBACK'):
        tag = b'DISCARD ALL' if word == b'DISCARD' else word
        return msg('C', tag + b'\0') + ready()
    return row_of_text(answer) + ready()


class FakeServer:
    """Listens on self.port and runs handler(conn) in a thread for each connection. Exceptions of handlers other than a
    closed connection are kept in self.errors."""

    def __init__(self, handler, port=None):
        self.handler = handler
        self.port = port or free_port()
        self.host = '127.0.0.1'
        self.conns = []
        self.errors = []
        self.count = 0
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((self.host, self.port))
        self.sock.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.count += 1
            self.conns.append(s)
            threading.Thread(target=self._run, args=(s,), daemon=True).start()

    def _run(self, s):
        conn = Conn(s)
        try:
            self.handler(conn)
        except (EOFError, ConnectionError, OSError):
            pass
        except Exception as e:          # shown by the test that looks at errors
            self.errors.append(e)
        finally:
            with contextlib.suppress(OSError):
                conn.sock.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for s in self.conns:
            with contextlib.suppress(OSError):
                s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
