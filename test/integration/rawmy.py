"""A MySQL client on a raw socket, for what drivers never do: any capabilities, any packet, in any pieces.

Written from the "MySQL Client/Server Protocol" pages of MySQL's internals manual and MariaDB's knowledge base, and checked
against both servers. It retries nothing and hides nothing: every packet that came is in `trace`, with its sequence id."""
import contextlib
import ctypes
import hashlib
import socket
import ssl
import struct
import time
import zlib

# --- capabilities, by their names in the manual without CLIENT_
LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB = 1, 2, 4, 8
NO_SCHEMA, COMPRESS, ODBC, LOCAL_FILES = 1 << 4, 1 << 5, 1 << 6, 1 << 7
IGNORE_SPACE, PROTOCOL_41, INTERACTIVE, SSL = 1 << 8, 1 << 9, 1 << 10, 1 << 11
IGNORE_SIGPIPE, TRANSACTIONS, RESERVED, SECURE_CONNECTION = 1 << 12, 1 << 13, 1 << 14, 1 << 15
MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH = 1 << 16, 1 << 17, 1 << 18, 1 << 19
CONNECT_ATTRS, PLUGIN_AUTH_LENENC, CAN_HANDLE_EXPIRED_PASSWORDS, SESSION_TRACK = 1 << 20, 1 << 21, 1 << 22, 1 << 23
DEPRECATE_EOF, OPTIONAL_RESULTSET_METADATA, ZSTD, QUERY_ATTRIBUTES = 1 << 24, 1 << 25, 1 << 26, 1 << 27
MULTI_FACTOR = 1 << 28
# MariaDB's own, in the upper half of 64 bits
MARIADB_PROGRESS, MARIADB_BULK, MARIADB_EXTENDED_METADATA, MARIADB_CACHE_METADATA = 1 << 32, 1 << 34, 1 << 35, 1 << 36
CLASSIC = (LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | MULTI_RESULTS | PS_MULTI_RESULTS |
           PLUGIN_AUTH)
MODERN = CLASSIC | PLUGIN_AUTH_LENENC | SESSION_TRACK | DEPRECATE_EOF

# --- server status
IN_TRANS, AUTOCOMMIT, MORE_RESULTS, CURSOR_EXISTS, LAST_ROW_SENT = 0x1, 0x2, 0x8, 0x40, 0x80
DB_DROPPED, METADATA_CHANGED, PS_OUT_PARAMS, IN_TRANS_READONLY, STATE_CHANGED = 0x100, 0x400, 0x1000, 0x2000, 0x4000

# --- commands
(COM_SLEEP, COM_QUIT, COM_INIT_DB, COM_QUERY, COM_FIELD_LIST, COM_CREATE_DB, COM_DROP_DB, COM_REFRESH, COM_SHUTDOWN,
 COM_STATISTICS, COM_PROCESS_INFO, COM_CONNECT, COM_PROCESS_KILL, COM_DEBUG, COM_PING, COM_TIME, COM_DELAYED_INSERT,
 COM_CHANGE_USER, COM_BINLOG_DUMP, COM_TABLE_DUMP, COM_CONNECT_OUT, COM_REGISTER_SLAVE, COM_STMT_PREPARE, COM_STMT_EXECUTE,
 COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE, COM_STMT_RESET, COM_SET_OPTION, COM_STMT_FETCH, COM_DAEMON, COM_BINLOG_DUMP_GTID,
 COM_RESET_CONNECTION) = range(0x20)
COM_BULK_EXECUTE = 0xfa

# --- column types
T_DECIMAL, T_TINY, T_SHORT, T_LONG, T_FLOAT, T_DOUBLE, T_NULL, T_TIMESTAMP, T_LONGLONG = range(9)
T_INT24, T_DATE, T_TIME, T_DATETIME, T_YEAR = range(9, 14)
T_BLOB, T_VAR_STRING, T_STRING = 0xfc, 0xfd, 0xfe
INTEGERS = {T_TINY: 'b', T_SHORT: 'h', T_YEAR: 'h', T_LONG: 'i', T_INT24: 'i', T_LONGLONG: 'q', T_FLOAT: 'f', T_DOUBLE: 'd'}
UNSIGNED = 0x20


class Closed(Exception):
    """The other side closed the connection."""


class MyError(Exception):
    """An ERR packet."""

    def __init__(self, errno, sqlstate, text):
        super().__init__('%d (%s): %s' % (errno, sqlstate, text))
        self.errno, self.sqlstate, self.text = errno, sqlstate, text


def tls_context(ca=None, cert=None, key=None, verify=False):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = verify
    c.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca)
    if cert:
        c.load_cert_chain(cert, key)
    return c


# --- bytes
def lenenc(n):
    if n < 0xfb:
        return struct.pack('<B', n)
    if n < 1 << 16:
        return b'\xfc' + struct.pack('<H', n)
    if n < 1 << 24:
        return b'\xfd' + struct.pack('<I', n)[:3]
    return b'\xfe' + struct.pack('<Q', n)


def lenenc_str(s):
    s = s if isinstance(s, bytes) else s.encode()
    return lenenc(len(s)) + s


def frames(payload, seq=0):
    """The payload with its headers, split where it must be."""
    out = []
    while True:
        part, payload = payload[:0xffffff], payload[0xffffff:]
        out.append(struct.pack('<I', len(part))[:3] + bytes([seq % 256]) + part)
        seq += 1
        if len(part) < 0xffffff:
            return b''.join(out)


class Zlib:
    """The compressed protocol's bodies, as CLIENT_COMPRESS has them."""
    pack = staticmethod(zlib.compress)

    @staticmethod
    def unpack(data, size):
        return zlib.decompress(data)


class Zstd:
    """... and as CLIENT_ZSTD_COMPRESSION_ALGORITHM has them."""

    def __init__(self, level=3):
        self.level = level
        self.lib = ctypes.CDLL('libzstd.so.1')
        for f in ('ZSTD_compress', 'ZSTD_decompress', 'ZSTD_compressBound'):
            getattr(self.lib, f).restype = ctypes.c_size_t

    def pack(self, data):
        room = self.lib.ZSTD_compressBound(ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(room)
        n = self.lib.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), self.level)
        assert n <= room
        return out.raw[:n]

    def unpack(self, data, size):
        out = ctypes.create_string_buffer(size)
        n = self.lib.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
        assert n <= size, 'not zstd'
        return out.raw[:n]


def frame(data, seq, how=None, declared=None):
    """One compressed frame; without `how`, or below 50 bytes, stored. declared: another length than the true one."""
    packed = how is not None and len(data) >= 50
    body = how.pack(data) if packed else data
    full = declared if declared is not None else len(data) if packed else 0
    return struct.pack('<I', len(body))[:3] + bytes([seq % 256]) + struct.pack('<I', full)[:3] + body


class Reader:
    """Reads a payload from the front; reading past its end is an error."""

    def __init__(self, data):
        self.data, self.pos = data, 0

    def left(self):
        return len(self.data) - self.pos

    def take(self, n):
        assert n <= self.left(), 'the packet is too short: %r at %d wants %d' % (self.data[:200], self.pos, n)
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def rest(self):
        return self.take(self.left())

    def int(self, n):
        return int.from_bytes(self.take(n), 'little')

    def lenenc(self):
        n = self.int(1)
        return n if n < 0xfb else self.int({0xfc: 2, 0xfd: 3, 0xfe: 8}[n])

    def lenenc_str(self):
        return self.take(self.lenenc())

    def cstr(self):
        end = self.data.index(b'\0', self.pos)
        s = self.take(end - self.pos)
        self.pos += 1
        return s


# --- what a server says
class Greeting:
    def __init__(self, payload):
        r = Reader(payload)
        self.protocol = r.int(1)
        self.version = r.cstr().decode()
        self.id = r.int(4)
        auth = r.take(8)
        assert r.int(1) == 0
        self.caps = r.int(2)
        self.collation = r.int(1)
        self.status = r.int(2)
        self.caps |= r.int(2) << 16
        n = r.int(1)
        self.filler = r.take(10)
        if not self.caps & LONG_PASSWORD:
            self.caps |= int.from_bytes(self.filler[6:], 'little') << 32
        auth += r.take(max(13, n - 8))
        assert auth[-1] == 0
        self.scramble = auth[:20]
        self.plugin = r.cstr().decode() if self.caps & PLUGIN_AUTH else None
        assert not r.left(), r.rest()

    @property
    def mariadb(self):
        return not self.caps & LONG_PASSWORD


class Ok:
    """OK packet, or the end of a result set: EOF packet (`eof` true) or OK packet with the first byte FE."""

    def __init__(self, payload, caps):
        r = Reader(payload)
        self.payload = payload
        self.header = r.int(1)
        self.eof = self.header == 0xfe and len(payload) == 5
        self.affected = self.insert_id = self.warnings = 0
        self.info, self.trackers = b'', []
        if self.eof:
            self.warnings = r.int(2)
            self.status = r.int(2)
            return
        self.affected = r.lenenc()
        self.insert_id = r.lenenc()
        self.status = r.int(2)
        self.warnings = r.int(2)
        if r.left():
            self.info = r.lenenc_str()
        if self.status & STATE_CHANGED and caps & SESSION_TRACK:
            t = Reader(r.lenenc_str())
            while t.left():
                kind = t.int(1)
                self.trackers.append(tracker(kind, t.lenenc_str()))
        assert not r.left(), 'bytes after the OK packet: %r' % payload

    def tracked(self, kind):
        return [t[1:] for t in self.trackers if t[0] == kind]

    def __repr__(self):
        return 'Ok(affected=%d insert_id=%d status=%#x warnings=%d info=%r trackers=%r)' % (
            self.affected, self.insert_id, self.status, self.warnings, self.info, self.trackers)


def tracker(kind, data):
    """('var', name, value), ('schema', name), ('state', '1'), ('gtid', set), ('characteristics', sql), ('tx', letters)"""
    r = Reader(data)
    name = {0: 'var', 1: 'schema', 2: 'state', 3: 'gtid', 4: 'characteristics', 5: 'tx'}.get(kind, kind)
    if kind == 0:
        return name, r.lenenc_str().decode(), r.lenenc_str().decode(errors='replace')
    if kind == 3:
        assert r.int(1) == 0
    if kind == 2:
        return name, data.decode()
    return name, r.lenenc_str().decode()


def err_of(payload):
    r = Reader(payload)
    assert r.int(1) == 0xff
    errno = r.int(2)
    sqlstate = ''
    if r.left() >= 6 and payload[3:4] == b'#':
        sqlstate = r.take(6)[1:].decode()
    return MyError(errno, sqlstate, r.rest().decode(errors='replace'))


class Column:
    def __init__(self, payload, caps):
        r = Reader(payload)
        self.catalog, self.schema, self.table, self.org_table, self.name, self.org_name = (r.lenenc_str() for _ in range(6))
        self.extended = r.lenenc_str() if caps & MARIADB_EXTENDED_METADATA else b''
        assert r.int(1) == 0x0c
        self.charset = r.int(2)
        self.length = r.int(4)
        self.type = r.int(1)
        self.flags = r.int(2)
        self.decimals = r.int(1)

    def __repr__(self):
        return 'Column(%r type=%#x charset=%d flags=%#x)' % (self.name, self.type, self.charset, self.flags)


def text_row(payload, columns):
    r = Reader(payload)
    out = []
    for _ in columns:
        if payload[r.pos:r.pos + 1] == b'\xfb':
            r.int(1)
            out.append(None)
        else:
            out.append(r.lenenc_str())
    assert not r.left(), 'bytes after the row: %r' % payload[:200]
    return out


def binary_value(r, c):
    if c.type in INTEGERS:
        f = INTEGERS[c.type]
        f = f.upper() if c.flags & UNSIGNED and c.type not in (T_FLOAT, T_DOUBLE) else f
        return struct.unpack('<' + f, r.take(struct.calcsize(f)))[0]
    if c.type in (T_DATE, T_DATETIME, T_TIMESTAMP):
        d = r.take(r.int(1))
        y, mo, da, h, mi, s, us = struct.unpack('<HBBBBBI', d + bytes(11 - len(d)))
        date = '%04d-%02d-%02d' % (y, mo, da)
        if c.type == T_DATE:
            return date
        return date + ' %02d:%02d:%02d' % (h, mi, s) + ('.%06d' % us if us else '')
    if c.type == T_TIME:
        d = r.take(r.int(1))
        neg, days, h, mi, s, us = struct.unpack('<BIBBBI', d + bytes(12 - len(d)))
        return '%s%02d:%02d:%02d' % ('-' if neg else '', days * 24 + h, mi, s) + ('.%06d' % us if us else '')
    return r.lenenc_str()


def binary_row(payload, columns):
    r = Reader(payload)
    assert r.int(1) == 0
    nulls = r.take((len(columns) + 9) // 8)
    out = [None if nulls[(i + 2) // 8] >> (i + 2) % 8 & 1 else binary_value(r, c) for i, c in enumerate(columns)]
    assert not r.left(), 'bytes after the row: %r' % payload[:200]
    return out


class ResultSet:
    def __init__(self, columns):
        self.columns = columns
        self.rows = []
        self.end = None             # Ok
        self.error = None           # MyError instead of the end

    @property
    def names(self):
        return [c.name.decode() for c in self.columns]

    @property
    def status(self):
        return self.end.status

    @property
    def warnings(self):
        return self.end.warnings

    @property
    def trackers(self):
        return self.end.trackers

    def __repr__(self):
        return 'ResultSet(%r, %r, %r)' % (self.names, self.rows, self.error or self.end)


class Stmt:
    """The answer to COM_STMT_PREPARE."""

    def __init__(self, sid, params, columns, warnings):
        self.id, self.params, self.columns, self.warnings = sid, params, columns, warnings


# --- parameters of a prepared statement
class P:
    """A parameter with a type of its own choice: P(value, T_SHORT), P(7, T_LONGLONG, UNSIGNED)."""

    def __init__(self, value, kind=None, unsigned=False, name=b''):
        self.value = value
        self.name = name if isinstance(name, bytes) else name.encode()
        if kind is None:
            kind = {int: T_LONGLONG, float: T_DOUBLE, type(None): T_NULL}.get(type(value), T_VAR_STRING)
        self.kind, self.unsigned = kind, unsigned

    @property
    def type(self):
        return struct.pack('<BB', self.kind, 0x80 if self.unsigned else 0)

    @property
    def bytes(self):
        if self.value is None or self.value is LONG_DATA:
            return b''
        if self.kind in INTEGERS:
            f = INTEGERS[self.kind]
            return struct.pack('<' + (f.upper() if self.unsigned else f), self.value)
        if self.kind in (T_DATE, T_DATETIME, T_TIMESTAMP, T_TIME):
            return bytes([len(self.value)]) + self.value
        return lenenc_str(self.value)


LONG_DATA = object()                # the value was sent by COM_STMT_SEND_LONG_DATA


def parameters(params, names=False, bind=True):
    """NULL bitmap, new-params-bound flag, types (with names when query attributes are negotiated), values"""
    ps = [p if isinstance(p, P) else P(p, T_BLOB if p is LONG_DATA else None) for p in params]
    bitmap = bytearray((len(ps) + 7) // 8)
    for i, p in enumerate(ps):
        if p.value is None:
            bitmap[i // 8] |= 1 << i % 8
    out = bytes(bitmap) + bytes([1 if bind else 0])
    if bind:
        out += b''.join(p.type + (lenenc_str(p.name) if names else b'') for p in ps)
    return out + b''.join(p.bytes for p in ps)


def query(sql, attrs=None, caps=0):
    """COM_QUERY; attrs are {name: value}, sent when the capability is negotiated."""
    sql = sql if isinstance(sql, bytes) else sql.encode()
    if not caps & QUERY_ATTRIBUTES:
        assert not attrs, 'query attributes are not negotiated'
        return bytes([COM_QUERY]) + sql
    ps = [P(v, name=k) for k, v in (attrs or {}).items()]
    return bytes([COM_QUERY]) + lenenc(len(ps)) + b'\x01' + (parameters(ps, True) if ps else b'') + sql


def execute(sid, params=(), flags=0, bind=True, attrs=None, caps=0):
    ps = list(params)
    head = bytes([COM_STMT_EXECUTE]) + struct.pack('<I', sid & 0xffffffff)
    if not caps & QUERY_ATTRIBUTES:
        assert not attrs, 'query attributes are not negotiated'
        return head + struct.pack('<BI', flags, 1) + (parameters(ps, False, bind) if ps else b'')
    ps += [P(v, name=k) for k, v in (attrs or {}).items()]
    if attrs:
        flags |= 8
    out = head + struct.pack('<BI', flags, 1)
    if params or flags & 8:
        out += lenenc(len(ps)) + (parameters(ps, True, bind) if ps else b'')
    return out


# --- proofs
def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def sha(name, *parts):
    return hashlib.new(name, b''.join(parts)).digest()


def native_proof(secret, scramble):
    if not secret:
        return b''
    s1 = sha('sha1', secret)
    return xor(s1, sha('sha1', scramble, sha('sha1', s1)))


def sha2_proof(secret, scramble):
    if not secret:
        return b''
    s1 = sha('sha256', secret)
    return xor(s1, sha('sha256', sha('sha256', s1), scramble))


def rsa_encrypt(secret, scramble, pem):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    key = serialization.load_pem_public_key(pem)
    plain = secret + b'\0'
    plain = xor(plain, scramble * (len(plain) // len(scramble) + 1))
    return key.encrypt(plain, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))


def scramble_of(data):
    """Of an AuthSwitchRequest: 20 bytes, or 32 of ed25519 and parsec, which may end with a zero; one more stands behind some."""
    return data[:-1] if len(data) in (21, 33) else data


def ed25519_proof(secret, scramble):
    """RFC 8032's signature of the scramble, but with SHA512(password) where the RFC has SHA512(32-byte seed)."""
    p = 2 ** 255 - 19
    order = 2 ** 252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, -1, p) % p
    by = 4 * pow(5, -1, p) % p
    bx = 15112221349535400772501151409588531511454012693041857206046113283949847762202

    def add(a, b):
        x1, y1, x2, y2 = *a, *b
        k = d * x1 * x2 * y1 * y2 % p
        return (x1 * y2 + x2 * y1) * pow(1 + k, -1, p) % p, (y1 * y2 + x1 * x2) * pow(1 - k, -1, p) % p

    def mul(n):
        out, step = (0, 1), (bx, by)
        while n:
            if n & 1:
                out = add(out, step)
            step = add(step, step)
            n >>= 1
        return (out[1] | (out[0] & 1) << 255).to_bytes(32, 'little')

    h = sha('sha512', secret)
    a = int.from_bytes(h[:32], 'little') & (1 << 254) - 8 | 1 << 254
    n = int.from_bytes(sha('sha512', h[32:], scramble), 'little') % order
    point = mul(n)
    k = int.from_bytes(sha('sha512', point, mul(a), scramble), 'little') % order
    return point + ((n + k * a) % order).to_bytes(32, 'little')


class RawMy:
    """A connection. The greeting is read when it opens (unless greet=False); nothing is sent before a method sends it."""

    def __init__(self, port, host='127.0.0.1', timeout=60.0, unix=None, rcvbuf=None, greet=True, source=None):
        if unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(unix)
        else:
            self.sock = socket.socket()
            if rcvbuf:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            if source:
                self.sock.bind((source, 0))
            self.sock.settimeout(timeout)
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host, self.port, self.unix = host, port, unix
        self.buf = bytearray()      # bytes from the socket
        self.plain = bytearray()    # decompressed bytes
        self.compressed = None      # or Zlib, Zstd
        self.compress_seq = 0       # of the next frame, in either direction
        self.zstd_level = 3
        self.frames = []            # (number, bytes, bytes unpacked; 0: stored) of each frame that came
        self.seq = 0                # of the next packet, in either direction
        self.caps = 0               # what was negotiated
        self.trace = []             # (sequence id of the last frame, payload) of each packet; statement ids masked
        self.auth_steps = []        # what the server asked for at login
        self.login_ok = None
        self.tls_session = None     # to be resumed
        self.greeting = None
        self.scramble = b''
        self.plugin = None
        self.local_files = {}       # name -> bytes or list of pieces, for LOAD DATA LOCAL
        if greet:
            self.read_greeting()

    # --- bytes
    def send_bytes(self, data):
        self.sock.sendall(data)
        return self

    def send_slowly(self, data, pause=0.0):
        """One byte per segment."""
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
            if pause:
                time.sleep(pause)
        return self

    def fill(self):
        try:
            d = self.sock.recv(262144)
        except (ConnectionError, ssl.SSLError) as e:
            raise Closed() from e
        if not d:
            raise Closed()
        self.buf += d

    def recv_exact(self, n):
        if not self.compressed:
            while len(self.buf) < n:
                self.fill()
            out = bytes(self.buf[:n])
            del self.buf[:n]
            return out
        while len(self.plain) < n:
            while len(self.buf) < 7:
                self.fill()
            size = int.from_bytes(self.buf[:3], 'little')
            full = int.from_bytes(self.buf[4:7], 'little')
            assert self.buf[3] == self.compress_seq % 256, 'frame %d, expected %d' % (self.buf[3], self.compress_seq % 256)
            self.frames.append((self.buf[3], size, full))
            self.compress_seq += 1
            while len(self.buf) < 7 + size:
                self.fill()
            body = bytes(self.buf[7:7 + size])
            del self.buf[:7 + size]
            if full:
                body = self.compressed.unpack(body, full)
                assert len(body) == full
            self.plain += body
        out = bytes(self.plain[:n])
        del self.plain[:n]
        return out

    # --- packets
    def send(self, payload, seq=None):
        """One packet; without seq it continues the exchange."""
        data = frames(payload, self.seq if seq is None else seq)
        self.seq = (self.seq if seq is None else seq) + len(payload) // 0xffffff + 1
        if not self.compressed:
            return self.send_bytes(data)
        return self.send_frames(data)

    def send_frames(self, data, size=0xffffff):
        """The bytes in compressed frames of at most that size."""
        while data:
            part, data = data[:size], data[size:]
            self.send_bytes(frame(part, self.compress_seq, self.compressed))
            self.compress_seq += 1
        return self

    def command(self, payload):
        """One packet that begins an exchange."""
        self.seq = self.compress_seq = 0
        return self.send(payload)

    def recv(self):
        """The payload of one packet."""
        out = []
        while True:
            head = self.recv_exact(4)
            n = int.from_bytes(head[:3], 'little')
            # an error that nobody asked for (the server closes) has the number 0, also behind a command; compressed,
            # servers count as they like
            assert self.compressed or head[3] == self.seq % 256 or head[3] == 0 and self.seq == 1, \
                'sequence id %d, expected %d' % (head[3], self.seq % 256)
            unasked = not self.compressed and head[3] != self.seq % 256
            self.seq = head[3] + 1
            out.append(self.recv_exact(n))
            if n < 0xffffff:
                payload = b''.join(out)
                assert not unasked or payload[:1] == b'\xff', 'unasked: %r' % payload[:100]
                self.trace.append((head[3], payload))
                return payload

    def quiet(self, seconds=0.3):
        """True when nothing arrives for that long."""
        if self.buf or self.plain:
            return False
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.fill()
            return False
        except (socket.timeout, TimeoutError):
            return True
        finally:
            self.sock.settimeout(old)

    def expect_closed(self, seconds=60.0):
        """The bytes until the other side closes, whatever they are."""
        self.sock.settimeout(seconds)
        try:
            while True:
                self.fill()
        except Closed:
            return bytes(self.buf)
        except (socket.timeout, TimeoutError):
            raise AssertionError('the connection is still open after %g s' % seconds) from None

    def expect_error_and_close(self, seconds=60.0):
        """The ERR packet (MyError) that is the last thing before the other side closes."""
        self.sock.settimeout(seconds)
        e = err_of(self.recv())
        rest = self.expect_closed(seconds)
        assert not rest, rest
        return e

    def shut(self):
        """Close without a word."""
        with contextlib.suppress(OSError):
            self.sock.close()

    def reset(self):
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def bye(self):
        with contextlib.suppress(OSError):
            self.command(bytes([COM_QUIT]))
        self.shut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.shut()

    # --- login
    def read_greeting(self):
        p = self.recv()
        if p[:1] == b'\xff':
            raise err_of(p)
        self.greeting = Greeting(p)
        self.scramble = self.greeting.scramble
        return self.greeting

    def start_tls(self, caps=MODERN, context=None, server_name='localhost', collation=45):
        """SSLRequest and the handshake; nothing of the server may be waiting before it."""
        self.send(struct.pack('<IIB23x', caps & 0xffffffff | SSL, 1 << 30, collation))
        assert not self.buf
        self.sock = (context or tls_context()).wrap_socket(self.sock, server_hostname=server_name, session=self.tls_session)
        return self

    def proof(self, secret, plugin):
        """The first answer for that plugin."""
        if plugin == 'mysql_native_password':
            return native_proof(secret, self.scramble)
        if plugin == 'caching_sha2_password':
            return sha2_proof(secret, self.scramble)
        if plugin == 'mysql_clear_password':
            return secret + b'\0'
        if plugin == 'sha256_password':
            return (secret + b'\0' if self.private else b'\1') if secret else b'\0'
        if plugin == 'client_ed25519':
            return ed25519_proof(secret, self.scramble)
        raise AssertionError('no way to answer %r' % plugin)

    @property
    def private(self):
        return self.unix is not None or isinstance(self.sock, ssl.SSLSocket)

    def response(self, user, proof, db, plugin, attrs, collation):
        """HandshakeResponse41 as the negotiated capabilities want it"""
        caps = self.caps
        out = struct.pack('<IIB', caps & 0xffffffff, 1 << 30, collation) + bytes(19)
        out += struct.pack('<I', caps >> 32)
        out += user.encode() + b'\0'
        if caps & PLUGIN_AUTH_LENENC:
            out += lenenc_str(proof)
        elif caps & SECURE_CONNECTION:
            out += bytes([len(proof)]) + proof
        else:
            out += proof + b'\0'
        if caps & CONNECT_WITH_DB:
            out += db.encode() + b'\0'
        if caps & PLUGIN_AUTH:
            out += plugin.encode() + b'\0'
        if caps & CONNECT_ATTRS:
            out += lenenc_str(b''.join(lenenc_str(k) + lenenc_str(v) for k, v in (attrs or {}).items()))
        if caps & ZSTD:
            out += bytes([self.zstd_level])
        return out

    def login(self, user='app', secret='app', db='app', caps=MODERN, attrs=None, tls=None, plugin=None, collation=45):
        """Answer the greeting and do what the server asks for, up to OK (returned) or MyError. tls: True or an SSLContext;
        plugin: the one to begin with."""
        secret = secret.encode() if isinstance(secret, str) else secret
        g = self.greeting
        want = caps | (CONNECT_WITH_DB if db is not None else 0) | (CONNECT_ATTRS if attrs is not None else 0)
        if g.mariadb:
            want &= ~LONG_PASSWORD
        if tls:
            want |= SSL
        self.caps = want & g.caps
        if tls:
            self.start_tls(self.caps, tls if isinstance(tls, ssl.SSLContext) else None, collation=collation)
        self.plugin = plugin or g.plugin or 'mysql_native_password'
        self.send(self.response(user, self.proof(secret, self.plugin), db, self.plugin, attrs, collation))
        return self.finish_login(secret)

    def finish_login(self, secret):
        """Follow the server's requests up to its OK."""
        while True:
            p = self.recv()
            if p[:1] == b'\0':
                if self.caps & (COMPRESS | ZSTD):
                    self.compressed = Zlib if self.caps & COMPRESS else Zstd(self.zstd_level)
                self.login_ok = Ok(p, self.caps)
                return self.login_ok
            if p[:1] == b'\xff':
                raise err_of(p)
            if p[:1] == b'\xfe':
                r = Reader(p[1:])
                self.plugin = r.cstr().decode()
                data = r.rest()
                self.scramble = scramble_of(data)
                self.auth_steps.append('switch ' + self.plugin)
                self.send(self.proof(secret, self.plugin))
            elif p == b'\1\3':
                self.auth_steps.append('fast')
            elif p == b'\1\4':
                self.auth_steps.append('full')
                self.send(secret + b'\0' if self.private else b'\2')
            elif p[:2] == b'\1-':
                self.auth_steps.append('key')
                self.send(rsa_encrypt(secret, self.scramble, p[1:]))
            else:
                raise AssertionError('what does the server want? %r' % p)

    def change_user(self, user='app', secret='app', db='app', plugin=None, collation=45, attrs=None):
        secret = secret.encode() if isinstance(secret, str) else secret
        self.plugin = plugin or self.plugin
        proof = self.proof(secret, self.plugin)
        out = bytes([COM_CHANGE_USER]) + user.encode() + b'\0' + bytes([len(proof)]) + proof + (db or '').encode() + b'\0'
        out += struct.pack('<H', collation)
        if self.caps & PLUGIN_AUTH:
            out += self.plugin.encode() + b'\0'
        if self.caps & CONNECT_ATTRS:
            out += lenenc_str(b''.join(lenenc_str(k) + lenenc_str(v) for k, v in (attrs or {}).items()))
        self.command(out)
        return self.finish_login(secret)

    # --- replies
    def ok(self):
        """OK or MyError."""
        p = self.recv()
        if p[:1] == b'\xff':
            raise err_of(p)
        assert p[:1] in (b'\0', b'\xfe'), p[:100]
        return Ok(p, self.caps)

    def column_block(self, n):
        cols = []
        for _ in range(n):
            p = self.recv()
            if p[:1] == b'\xff':
                raise err_of(p)
            cols.append(Column(p, self.caps))
        if n and not self.caps & DEPRECATE_EOF:
            p = self.recv()
            assert p[:1] == b'\xfe' and len(p) == 5, p
            self.after_columns = Ok(p, self.caps)
            self.after_columns.at = len(self.trace) - 1
        return cols

    def is_end(self, p):
        return p[:1] == b'\xfe' and len(p) < (0xffffff if self.caps & DEPRECATE_EOF else 9)

    def result(self, binary=False, keep_rows=True, columns=None, with_cursor=False):
        """One result: Ok or ResultSet; raises MyError when it is an error from the start. A file that the server wants is
        given from local_files. keep_rows=False counts the rows and their bytes only."""
        p = self.recv()
        if p[:1] == b'\xff':
            raise err_of(p)
        if p[:1] == b'\0':
            return Ok(p, self.caps)
        if p[:1] == b'\xfb':
            self.send_file(p[1:].decode())
            return self.result()
        n = Reader(p).lenenc()
        out = ResultSet(self.column_block(n))
        if with_cursor and not self.caps & DEPRECATE_EOF and self.after_columns.status & CURSOR_EXISTS:
            out.end = self.after_columns
            return out
        if n and not self.caps & DEPRECATE_EOF:
            # nobody who asked the server for results without this packet can know its status and warnings
            self.trace[self.after_columns.at] = (self.trace[self.after_columns.at][0], b'\xfe....')
        self.read_rows(out, binary, keep_rows)
        if out.end and not self.caps & DEPRECATE_EOF and self.after_columns.status & PS_OUT_PARAMS:
            # the values of OUT parameters end with a status of their own (seen: MySQL 9.7)
            out.end.status |= self.after_columns.status & (PS_OUT_PARAMS | MORE_RESULTS)
        return out

    def read_rows(self, out, binary=False, keep_rows=True):
        out.n_rows = out.n_bytes = 0
        while True:
            p = self.recv()
            if p[:1] == b'\xff':
                out.error = err_of(p)
                return out
            if self.is_end(p):
                out.end = Ok(p, self.caps)
                return out
            out.n_rows += 1
            out.n_bytes += len(p)
            if keep_rows:
                out.rows.append((binary_row if binary else text_row)(p, out.columns))
            else:
                self.trace.pop()

    def results(self, **kw):
        """All results of a command, by MORE_RESULTS. An error ends the list, as its last member."""
        out = []
        while True:
            try:
                r = self.result(**kw)
            except MyError as e:
                return out + [e]
            out.append(r)
            if isinstance(r, ResultSet) and r.error:
                return out
            if not (r if isinstance(r, Ok) else r.end).status & MORE_RESULTS:
                return out

    def send_file(self, name):
        data = self.local_files.get(name)
        for piece in ([] if data is None else data if isinstance(data, list) else [data]):
            while piece:
                self.send(piece[:0xfffffe])
                piece = piece[0xfffffe:]
        self.send(b'')

    # --- commands
    def all(self, sql, attrs=None, **kw):
        """Every result of a query."""
        self.command(query(sql, attrs, self.caps))
        return self.results(**kw)

    def do(self, sql, attrs=None, **kw):
        """The only result of a query; errors are raised."""
        out = self.all(sql, attrs, **kw)
        for r in out:
            if isinstance(r, MyError):
                raise r
            if isinstance(r, ResultSet) and r.error:
                raise r.error
        assert len(out) == 1, out
        return out[0]

    def q(self, sql, attrs=None):
        """The rows of a query, text or None."""
        r = self.do(sql, attrs)
        return [[None if v is None else v.decode() for v in row] for row in r.rows] if isinstance(r, ResultSet) else []

    def one(self, sql):
        return self.q(sql)[0][0]

    def error(self, sql):
        """The MyError that this query must give."""
        try:
            r = self.do(sql)
        except MyError as e:
            return e
        raise AssertionError('no error: %r' % r)

    def simple(self, com, data=b''):
        """A command that is answered with OK."""
        self.command(bytes([com]) + data)
        return self.ok()

    def ping(self):
        return self.simple(COM_PING)

    def init_db(self, name):
        return self.simple(COM_INIT_DB, name.encode())

    def reset_connection(self):
        return self.simple(COM_RESET_CONNECTION)

    def set_option(self, multi):
        return self.simple(COM_SET_OPTION, struct.pack('<H', 0 if multi else 1))

    def statistics(self):
        self.command(bytes([COM_STATISTICS]))
        return self.recv().decode()

    def field_list(self, table, wild=''):
        """The columns and the OK or EOF at their end."""
        self.command(bytes([COM_FIELD_LIST]) + table.encode() + b'\0' + wild.encode())
        out = []
        while True:
            p = self.recv()
            if p[:1] == b'\xff':
                raise err_of(p)
            if self.is_end(p):
                return out, Ok(p, self.caps)
            out.append(p)

    # --- prepared statements
    def prepare(self, sql):
        self.command(bytes([COM_STMT_PREPARE]) + (sql if isinstance(sql, bytes) else sql.encode()))
        return self.prepared()

    def prepared(self):
        """The answer to COM_STMT_PREPARE."""
        p = self.recv()
        if p[:1] == b'\xff':
            raise err_of(p)
        r = Reader(p)
        assert r.int(1) == 0
        sid, n_columns, n_params = r.int(4), r.int(2), r.int(2)
        # ids are the server's own business: not what a comparison of traces is about
        self.trace[-1] = (self.trace[-1][0], p[:1] + b'....' + p[5:])
        assert r.int(1) == 0
        warnings = r.int(2)
        return Stmt(sid, self.column_block(n_params), self.column_block(n_columns), warnings)

    def execute_all(self, stmt, params=(), flags=0, bind=True, attrs=None, **kw):
        """Every result of one execution."""
        sid = stmt.id if isinstance(stmt, Stmt) else stmt
        self.command(execute(sid, params, flags, bind, attrs, self.caps))
        return self.results(binary=True, with_cursor=bool(flags & 7), **kw)

    def execute(self, stmt, params=(), flags=0, bind=True, attrs=None, **kw):
        """The only result of one execution; errors are raised."""
        out = self.execute_all(stmt, params, flags, bind, attrs, **kw)
        for r in out:
            if isinstance(r, MyError):
                raise r
            if isinstance(r, ResultSet) and r.error:
                raise r.error
        assert len(out) == 1, out
        return out[0]

    def fetch(self, stmt, n, columns):
        """n rows of the cursor, as a ResultSet."""
        self.command(bytes([COM_STMT_FETCH]) + struct.pack('<II', stmt.id, n))
        r = self.read_rows(ResultSet(columns), binary=True)
        if r.error:
            raise r.error
        return r

    def close_stmt(self, stmt):
        """Has no answer."""
        sid = stmt.id if isinstance(stmt, Stmt) else stmt
        return self.command(bytes([COM_STMT_CLOSE]) + struct.pack('<I', sid))

    def reset_stmt(self, stmt):
        return self.simple(COM_STMT_RESET, struct.pack('<I', stmt.id))

    def long_data(self, stmt, index, data):
        """Has no answer."""
        sid = stmt.id if isinstance(stmt, Stmt) else stmt
        return self.command(bytes([COM_STMT_SEND_LONG_DATA]) + struct.pack('<IH', sid, index) + data)
