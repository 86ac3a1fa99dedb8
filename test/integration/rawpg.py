"""A PostgreSQL client on a raw socket, for what drivers never do: any message, in any order, in any pieces.

Written from the PostgreSQL documentation, "Message Formats", "Message Flow" and "SASL Authentication". It knows protocol
3.0 and 3.2, TLS by SSLRequest and direct, SCRAM-SHA-256 and -PLUS. It never retries and hides nothing."""
import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time

SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


# --- frontend messages
def msg(kind, body=b''):
    return kind.encode() + struct.pack('!I', len(body) + 4) + body


def cstr(s):
    return (s if isinstance(s, bytes) else s.encode()) + b'\0'


def startup(params, major=3, minor=0):
    body = struct.pack('!HH', major, minor) + b''.join(cstr(k) + cstr(v) for k, v in params.items()) + b'\0'
    return struct.pack('!I', len(body) + 4) + body


def ssl_request():
    return struct.pack('!II', 8, SSL_REQUEST)


def gssenc_request():
    return struct.pack('!II', 8, GSSENC_REQUEST)


def cancel_request(pid, key):
    return struct.pack('!III', 12 + len(key), CANCEL_REQUEST, pid) + key


def query(sql):
    return msg('Q', cstr(sql))


def parse(name, sql, types=()):
    return msg('P', cstr(name) + cstr(sql) + struct.pack('!H', len(types)) + b''.join(struct.pack('!I', t) for t in types))


def bind(portal='', stmt='', params=(), param_formats=(), result_formats=()):
    b = cstr(portal) + cstr(stmt) + struct.pack('!H', len(param_formats))
    b += b''.join(struct.pack('!H', f) for f in param_formats) + struct.pack('!H', len(params))
    for p in params:
        if p is None:
            b += struct.pack('!i', -1)
        else:
            p = p if isinstance(p, bytes) else str(p).encode()
            b += struct.pack('!I', len(p)) + p
    return msg('B', b + struct.pack('!H', len(result_formats)) + b''.join(struct.pack('!H', f) for f in result_formats))


def describe(kind, name=''):
    return msg('D', kind.encode() + cstr(name))


def execute(portal='', max_rows=0):
    return msg('E', cstr(portal) + struct.pack('!I', max_rows))


def close(kind, name=''):
    return msg('C', kind.encode() + cstr(name))


def sync():
    return msg('S')


def flush():
    return msg('H')


def terminate():
    return msg('X')


def password(secret):
    return msg('p', cstr(secret))


def sasl_initial(mechanism, data):
    return msg('p', cstr(mechanism) + struct.pack('!I', len(data)) + data)


def sasl_response(data):
    return msg('p', data)


def copy_data(data):
    return msg('d', data)


def copy_done():
    return msg('c')


def copy_fail(why):
    return msg('f', cstr(why))


def function_call(oid, args, arg_formats=(0,), result_format=0):
    b = struct.pack('!IH', oid, len(arg_formats)) + b''.join(struct.pack('!H', f) for f in arg_formats)
    b += struct.pack('!H', len(args))
    for a in args:
        b += struct.pack('!i', -1) if a is None else struct.pack('!I', len(a)) + a
    return msg('F', b + struct.pack('!H', result_format))


def batch(sql, params=(), name='', types=()):
    """Parse, Bind, Describe, Execute of one statement, without Sync."""
    return parse(name, sql, types) + bind('', name, params) + describe('P') + execute()


# --- backend messages
def error_text(fields):
    return ' '.join('%s' % fields[k] for k in 'SCMDH' if k in fields)


class PgError(Exception):
    def __init__(self, fields):
        super().__init__(error_text(fields))
        self.fields = fields
        self.severity = fields.get('V') or fields.get('S')
        self.sqlstate = fields.get('C')
        self.message = fields.get('M', '')


class Closed(Exception):
    """The server closed the connection; .messages is what came before."""

    def __init__(self, messages=()):
        super().__init__('connection closed after %r' % (list(messages),))
        self.messages = list(messages)


class Msg:
    """A backend message: type letter, body, and properties that decode it."""

    def __init__(self, kind, body):
        self.type = kind
        self.body = body

    def __repr__(self):
        if self.type in 'EN':
            return '%s(%s)' % (self.type, error_text(self.fields))
        if self.type == 'C':
            return 'C(%s)' % self.tag
        if self.type == 'D':
            return 'D(%r)' % (self.row,)
        if self.type == 'Z':
            return 'Z(%s)' % self.status
        if self.type == 'S':
            return 'S(%s=%s)' % self.param
        return self.type

    @property
    def fields(self):
        out = {}
        for f in self.body.split(b'\0'):
            if f:
                out.setdefault(chr(f[0]), f[1:].decode('utf-8', 'replace'))
        return out

    @property
    def row(self):
        n = struct.unpack('!H', self.body[:2])[0]
        at, out = 2, []
        for _ in range(n):
            ln = struct.unpack('!i', self.body[at:at + 4])[0]
            at += 4
            if ln < 0:
                out.append(None)
            else:
                out.append(self.body[at:at + ln].decode('utf-8', 'replace'))
                at += ln
        assert at == len(self.body), 'DataRow with bytes left over'
        return tuple(out)

    @property
    def columns(self):
        """of RowDescription: [(name, table oid, attnum, type oid, typlen, typmod, format)]"""
        n = struct.unpack('!H', self.body[:2])[0]
        at, out = 2, []
        for _ in range(n):
            end = self.body.index(b'\0', at)
            name = self.body[at:end].decode()
            out.append((name,) + struct.unpack('!IhIhih', self.body[end + 1:end + 19]))
            at = end + 19
        assert at == len(self.body)
        return out

    @property
    def param_types(self):
        n = struct.unpack('!H', self.body[:2])[0]
        return struct.unpack('!%dI' % n, self.body[2:])

    @property
    def tag(self):
        return self.body[:-1].decode()

    @property
    def status(self):
        return self.body.decode()

    @property
    def param(self):
        k, v, _ = self.body.split(b'\0')
        return k.decode(), v.decode()

    @property
    def auth(self):
        return struct.unpack('!I', self.body[:4])[0]

    @property
    def key(self):
        return struct.unpack('!I', self.body[:4])[0], self.body[4:]

    @property
    def negotiated(self):
        """(newest minor version, [unrecognised options]); servers put the whole version or the minor in the first field"""
        ver, n = struct.unpack('!II', self.body[:8])
        opts = self.body[8:].split(b'\0')[:-1]
        assert len(opts) == n
        return ver & 0xffff, [o.decode() for o in opts]

    @property
    def notification(self):
        pid = struct.unpack('!I', self.body[:4])[0]
        channel, payload, _ = self.body[4:].split(b'\0')
        return pid, channel.decode(), payload.decode()


def rows(messages):
    return [m.row for m in messages if m.type == 'D']


def kinds(messages):
    """The type letters, without ParameterStatus and notices: the shape of a reply."""
    return ''.join(m.type for m in messages if m.type not in 'SN')


def errors(messages):
    return [m.fields for m in messages if m.type == 'E']


# --- SCRAM, RFC 5802 and 7677
class Scram:
    def __init__(self, secret, mechanism='SCRAM-SHA-256', binding=None, binding_type='tls-server-end-point', flag=None):
        self.mechanism = mechanism
        self.secret = secret.encode() if isinstance(secret, str) else secret
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        if mechanism.endswith('-PLUS'):
            self.gs2 = 'p=%s,,' % binding_type
        else:
            self.gs2 = '%s,,' % (flag or 'n')
        self.binding = binding or b''
        self.first_bare = 'n=,r=' + self.nonce

    def first(self):
        return (self.gs2 + self.first_bare).encode()

    def final(self, server_first):
        self.server_first = server_first.decode()
        f = dict(x.split('=', 1) for x in self.server_first.split(','))
        assert f['r'].startswith(self.nonce) and len(f['r']) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac('sha256', self.secret, base64.b64decode(f['s']), int(f['i']))
        client_key = hmac.digest(salted, b'Client Key', 'sha256')
        stored = hashlib.sha256(client_key).digest()
        c = base64.b64encode(self.gs2.encode() + (self.binding if self.gs2[0] == 'p' else b'')).decode()
        without_proof = 'c=%s,r=%s' % (c, f['r'])
        auth = ','.join((self.first_bare, self.server_first, without_proof)).encode()
        sig = hmac.digest(stored, auth, 'sha256')
        proof = bytes(a ^ b for a, b in zip(client_key, sig))
        self.server_sig = hmac.digest(hmac.digest(salted, b'Server Key', 'sha256'), auth, 'sha256')
        return ('%s,p=%s' % (without_proof, base64.b64encode(proof).decode())).encode()

    def check(self, server_final):
        f = dict(x.split('=', 1) for x in server_final.decode().split(','))
        return base64.b64decode(f['v']) == self.server_sig


def md5_response(user, secret, salt):
    inner = hashlib.md5(secret.encode() + user.encode()).hexdigest()
    return 'md5' + hashlib.md5(inner.encode() + salt).hexdigest()


def tls_context(ca=None, cert=None, key=None, alpn=False, verify=False):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = verify
    c.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca)
    if cert:
        c.load_cert_chain(cert, key)
    if alpn:
        c.set_alpn_protocols(['postgresql'])
    return c


class Raw:
    """A connection. Nothing is sent before a method sends it."""

    def __init__(self, port, host='127.0.0.1', timeout=60.0, unix=None, rcvbuf=None):
        if unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(unix)
        else:
            self.sock = socket.socket()
            if rcvbuf:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.sock.settimeout(timeout)
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host, self.port, self.unix = host, port, unix
        self.buf = bytearray()      # (which grows, and is read from its beginning, without being copied each time)
        self.params = {}
        self.key = None
        self.negotiated = None
        self.notifications = []
        self.auth_methods = []      # the authentication requests met, by number
        self.mechanisms = []

    # --- bytes
    def send(self, data):
        self.sock.sendall(data)
        return self

    def send_slowly(self, data, pause=0.0):
        """One byte per segment."""
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
            if pause:
                time.sleep(pause)
        return self

    def recv_exact(self, n):
        while len(self.buf) < n:
            try:
                d = self.sock.recv(262144)
            except (ConnectionError, ssl.SSLError) as e:
                raise Closed() from e
            if not d:
                raise Closed()
            self.buf += d
        out = bytes(self.buf[:n])
        del self.buf[:n]
        return out

    def recv(self):
        """One message. ParameterStatus and notifications are noted and returned as well."""
        kind, n = struct.unpack('!cI', self.recv_exact(5))
        assert n >= 4, 'message length %d' % n
        m = Msg(kind.decode('latin1'), self.recv_exact(n - 4))
        if m.type == 'S':
            k, v = m.param
            self.params[k] = v
        elif m.type == 'K':
            self.key = m.key
        elif m.type == 'A':
            self.notifications.append(m.notification)
        elif m.type == 'v':
            self.negotiated = m.negotiated
        return m

    def recv_until(self, types):
        """All messages up to the first of one of these types, itself included."""
        out = []
        try:
            while True:
                m = self.recv()
                out.append(m)
                if m.type in types:
                    return out
        except Closed as e:
            raise Closed(out) from e

    def until_ready(self, n=1):
        """All messages up to the n-th ReadyForQuery."""
        out = []
        for _ in range(n):
            out += self.recv_until('Z')
        return out

    def quiet(self, seconds=0.3):
        """True when nothing arrives for that long."""
        if self.buf:
            return False
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            d = self.sock.recv(65536)
            self.buf += d
            return False
        except (socket.timeout, TimeoutError):
            return True
        finally:
            self.sock.settimeout(old)

    def expect_closed(self, seconds=60.0):
        """Read until the other side closes; returns the messages that came."""
        self.sock.settimeout(seconds)
        try:
            self.recv_until('')
        except Closed as e:
            return e.messages
        except (socket.timeout, TimeoutError):
            raise AssertionError('the connection is still open after %g s' % seconds) from None

    def expect_closed_raw(self, seconds=60.0):
        """The bytes until the other side closes, whatever they are."""
        self.sock.settimeout(seconds)
        out, self.buf = bytes(self.buf), bytearray()
        try:
            while True:
                d = self.sock.recv(65536)
                if not d:
                    return out
                out += d
        except (ConnectionError, ssl.SSLError):
            return out
        except (socket.timeout, TimeoutError):
            raise AssertionError('the connection is still open after %g s' % seconds) from None

    def shut(self):
        """Close without a word."""
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def bye(self):
        try:
            self.sock.sendall(terminate())
        except OSError:
            pass
        self.shut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.shut()

    # --- TLS
    def start_tls(self, context=None, server_name='localhost'):
        self.send(ssl_request())
        answer = self.recv_exact(1)
        if answer != b'S':
            raise AssertionError('SSLRequest answered with %r' % answer)
        return self.wrap(context or tls_context(), server_name)

    def wrap(self, context, server_name='localhost'):
        self.sock = context.wrap_socket(self.sock, server_hostname=server_name)
        return self

    # --- login
    def login(self, user='app', dbname='app', secret='app', params=None, major=3, minor=0, scram=None, slow=False):
        """Startup and authentication up to ReadyForQuery; returns all messages. Raises PgError or Closed."""
        p = {'user': user}
        if dbname is not None:
            p['database'] = dbname
        p.update(params or {})
        (self.send_slowly if slow else self.send)(startup(p, major, minor))
        out = self.authenticate(user, secret, scram, slow)
        return out + self.until_ready_or_error()

    def until_ready_or_error(self):
        out = self.recv_until('ZE')
        if out[-1].type == 'E':
            raise PgError(out[-1].fields)
        return out

    def authenticate(self, user, secret, scram=None, slow=False):
        send = self.send_slowly if slow else self.send
        out = []
        while True:
            m = self.recv()
            out.append(m)
            if m.type == 'E':
                raise PgError(m.fields)
            if m.type in 'vN':
                continue
            assert m.type == 'R', m
            self.auth_methods.append(m.auth)
            if m.auth == 0:
                return out
            if m.auth == 3:
                send(password(secret))
            elif m.auth == 5:
                send(password(md5_response(user, secret, m.body[4:8])))
            elif m.auth == 10:
                self.mechanisms = [x.decode() for x in m.body[4:].split(b'\0') if x]
                scram = scram or Scram(secret)
                send(sasl_initial(scram.mechanism, scram.first()))
            elif m.auth == 11:
                send(sasl_response(scram.final(m.body[4:])))
            elif m.auth == 12:
                assert scram.check(m.body[4:]), 'the server does not know the secret'
            else:
                raise AssertionError('authentication request %d' % m.auth)

    # --- queries
    def simple(self, sql):
        """Messages of one simple query, with its ReadyForQuery."""
        return self.send(query(sql)).until_ready()

    def rows_or_error(self, data):
        """Send; the rows up to ReadyForQuery, or the first error as an exception, also when the connection ends with it."""
        try:
            out = self.send(data).until_ready()
        except Closed as e:
            if errors(e.messages):
                raise PgError(errors(e.messages)[0]) from e
            raise
        if errors(out):
            raise PgError(errors(out)[0])
        return rows(out)

    def q(self, sql):
        """Rows of a simple query; an error is raised."""
        return self.rows_or_error(query(sql))

    def one(self, sql):
        return self.q(sql)[0][0]

    def ext(self, sql, params=(), name=''):
        """Rows of one statement by the extended protocol."""
        return self.rows_or_error(batch(sql, params, name) + sync())

    def cancel(self):
        """Ask from another connection that this one's query ends; returns when that connection was closed."""
        with Raw(self.port, self.host, unix=self.unix) as c:
            c.send(cancel_request(*self.key))
            return c.expect_closed_raw()
