"""A TCP relay that a test can cut, freeze and refuse with."""
import socket
import struct
import threading
import time

from servers import free_port


class Proxy:
    """A TCP relay to a server that the test can cut, freeze and refuse with."""

    def __init__(self, port):
        self.target = port
        self.port = free_port()
        self.pairs = []
        self.frozen = threading.Event()
        self.mute = threading.Event()   # only what the server says is kept back
        self.refuse = False
        self.listen()

    def listen(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(('127.0.0.1', self.port))
        self.sock.listen(64)
        threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def accept(self, sock):
        while True:
            try:
                c, _ = sock.accept()
            except OSError:
                return
            if self.refuse:
                c.close()
                continue
            try:
                s = socket.create_connection(('127.0.0.1', self.target))
            except OSError:
                c.close()
                continue
            for x in (c, s):
                x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs.append((c, s))
            threading.Thread(target=self.pump, args=(c, s), daemon=True).start()
            threading.Thread(target=self.pump, args=(s, c, True), daemon=True).start()

    def pump(self, a, b, answers=False):
        try:
            while True:
                d = a.recv(65536)
                while self.frozen.is_set() or (answers and self.mute.is_set()):
                    time.sleep(0.01)
                if not d:
                    break
                b.sendall(d)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, reset=False):
        pairs, self.pairs = self.pairs, []
        for c, s in pairs:
            for x in (c, s):
                try:
                    if reset:
                        x.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    x.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def unlisten(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def close(self):
        self.frozen.clear()
        self.mute.clear()
        self.unlisten()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
