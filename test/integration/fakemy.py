"""A MySQL server that does what real ones never do: a man in the middle before a real one, which lets everything pass until a
test tells it to lie, or to cut the line at a certain byte.

A statement with the marker /*lie:NAME*/ has its reply replaced by what lies[NAME] makes of it; `greeting` changes the first
packet of each connection, `login` whatever the server says between the client's first packet and its OK. cut() counts from the
next message with the marker /*cut*/ on."""
import contextlib
import re
import socket
import struct
import threading

from servers import eventually, free_port

MARK = re.compile(rb'/\*lie:([\w -]+)\*/')
CUT = b'/*cut*/'


class Liar:
    """Listens on self.port; give it to a test as if it were the server behind.

    A lie is bytes, a function of the true reply that returns these, a tuple of one such (the line ends behind them), or None:
    the line ends at once."""

    def __init__(self, server, lies=None, greeting=None, login=None):
        self.server, self.family, self.kind, self.host = server, server.family, server.kind, '127.0.0.1'
        self.lies, self.greeting, self.login = lies or {}, greeting, login
        self.port = free_port()
        self.lines = []             # those that are open
        self.told = 0               # how many lies went out
        self.heard = bytearray()    # what clients sent
        self.armed = None           # a Cut, until the marker comes
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((self.host, self.port))
        self.sock.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                down, _ = self.sock.accept()
            except OSError:
                return
            try:
                up = socket.create_connection((self.server.host, self.server.port))
            except OSError:
                down.close()
                continue
            for s in (down, up):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Between(self, down, up)
            self.lines.append(line)
            for f in (line.from_client, line.from_server):
                threading.Thread(target=line.run, args=(f,), daemon=True).start()

    def cut(self, up=None, down=None, reset=False):
        """So many bytes go to the server, or to its client, from the marker on. Returns the counters, which count either way."""
        self.armed = Cut(up, down, reset)
        return self.armed

    def disarm(self, cut):
        """It hits nobody any more; where it did, the line has ended."""
        self.armed = None
        for line in list(self.lines):
            with line.lock:
                if line.cut is cut and not cut.done:
                    line.cut = None
        eventually(lambda: not any(line.cut is cut for line in self.lines))

    def say(self, data=b'', end=True, reset=False):
        """Something nobody asked for, on every line; then its end."""
        for line in list(self.lines):
            with contextlib.suppress(OSError):
                line.down.sendall(data)
            if end:
                line.hang_up(reset)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.say()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Cut:
    def __init__(self, up, down, reset):
        self.left = {'up': up, 'down': down}    # bytes that still pass; None: all
        self.passed = {'up': 0, 'down': 0}
        self.reset = reset
        self.done = False

    def take(self, way, data):
        """What of data still passes."""
        n = self.left[way]
        data = data if n is None else data[:n]
        self.passed[way] += len(data)
        if n is not None:
            self.left[way] = n - len(data)
            self.done = self.done or self.left[way] == 0
        return data


class Between:
    def __init__(self, liar, down, up):
        self.liar, self.down, self.up = liar, down, up
        self.lie = liar.greeting
        self.first = True
        self.cut = None
        self.lock = threading.Lock()
        self.ends = 0

    def run(self, f):
        with contextlib.suppress(OSError):
            f()
        self.hang_up(self.cut is not None and self.cut.reset)
        with self.lock:
            self.ends += 1
            if self.ends == 2:
                self.down.close()
                self.up.close()
                self.liar.lines.remove(self)

    def hang_up(self, reset=False):
        """reset: close(), which follows, sends one."""
        for s in (self.down, self.up):
            with contextlib.suppress(OSError):
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                s.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)

    def pass_on(self, way, to, data):
        """False: the line is cut."""
        with self.lock:
            cut = self.cut
            data = cut.take(way, data) if cut else data
        to.sendall(data)
        return not (cut and cut.done)

    def from_client(self):
        while True:
            data = self.down.recv(65536)
            if not data:
                return
            if self.first:
                self.first, self.lie = False, self.liar.login
            self.liar.heard += data
            m = MARK.search(data)
            if m:
                self.lie = self.liar.lies[m.group(1).decode()]
            if CUT in data and self.liar.armed:
                self.cut, self.liar.armed = self.liar.armed, None
            if not self.pass_on('up', self.up, data):
                return

    def from_server(self):
        while True:
            data = self.up.recv(65536)
            if not data:
                return
            end = False
            if self.lie:
                lie, self.lie = self.lie, None
                data = lie(data) if callable(lie) else lie
                self.liar.told += 1
                if data is None:
                    return
                end = isinstance(data, tuple)
                data = data[0] if end else data
            if not self.pass_on('down', self.down, data) or end:
                return
