"""weirpool-auth-helper by itself: frames in, frames out. LDAP is a small server of our own that knows one user; PAM is a
service file of our own whose module runs a script."""
import os
import pathlib
import socket
import socketserver
import struct
import subprocess
import threading

import pytest

SRC = pathlib.Path(__file__).resolve().parents[2]
PAM, LDAP, UID = 1, 2, 3
OK, DENIED, FAILED = 0, 1, 2


def find_helper():
    for p in (os.environ.get('WEIRPOOL_AUTH_HELPER'),
              os.path.join(os.environ.get('BUILD_DIR', SRC / 'build'), 'weirpool-auth-helper')):
        if p and os.access(p, os.X_OK):
            return p
    raise RuntimeError('no weirpool-auth-helper: build it first, or set WEIRPOOL_AUTH_HELPER')


def string(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack('>I', len(s)) + s


def frame(ident, op, *fields):
    body = struct.pack('>IB', ident, op) + b''.join(fields)
    return struct.pack('>I', len(body)) + body


def pam(ident, service, user, password, rhost=''):
    return frame(ident, PAM, string(service), string(user), string(password), string(rhost))


def ldap(ident, options, user, password):
    return frame(ident, LDAP, string(options), string(user), string(password))


def uid(ident, n):
    return frame(ident, UID, struct.pack('>I', n))


class Helper:
    def __init__(self):
        self.p = subprocess.Popen([find_helper()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, data):
        self.p.stdin.write(data)
        self.p.stdin.flush()

    def answer(self):
        n, = struct.unpack('>I', self.p.stdout.read(4))
        body = self.p.stdout.read(n)
        ident, verdict, text_n = struct.unpack('>IBI', body[:9])
        assert len(body) == 9 + text_n
        return ident, verdict, body[9:].decode()

    def ask(self, data):
        self.send(data)
        return self.answer()[1:]

    def end(self):
        self.p.stdin.close()
        code = self.p.wait(10)
        self.p.stdout.close()
        err = self.p.stderr.read().decode()
        self.p.stderr.close()
        return code, err


@pytest.fixture
def helper():
    h = Helper()
    yield h
    if h.p.poll() is None:
        assert h.end()[0] == 0


def test_names_of_uids(helper):
    assert helper.ask(uid(1, 0)) == (OK, 'root')
    verdict, text = helper.ask(uid(2, 987654321))
    assert verdict == DENIED and 'no name' in text


def test_one_byte_at_a_time(helper):
    for b in uid(5, 0):
        helper.send(bytes([b]))
    assert helper.answer() == (5, OK, 'root')


def test_it_ends_with_its_input():
    h = Helper()
    assert h.end() == (0, '')


@pytest.mark.parametrize('bad', [b'\0\0\0\0', b'\xff\xff\xff\xff', frame(1, 9), frame(1, UID), frame(1, UID, b'12345'),
                                 frame(1, PAM, b'\xff\xff\xff\xff'), frame(1, LDAP, string('x'), string('y'))])
def test_malformed_input_ends_it(bad):
    h = Helper()
    h.send(bad)
    assert h.p.wait(20) == 1
    assert 'auth helper' in h.end()[1]


def test_nul_bytes_change_no_meaning(helper):
    assert helper.ask(ldap(1, 'ldapserver=127.0.0.1 ldapprefix=x', b'admin\0x', 'pw'))[0] == FAILED
    assert helper.ask(pam(1, 'x', 'root', b'pw\0more'))[0] == FAILED


# --- LDAP ---

class Directory(socketserver.ThreadingTCPServer):
    """Simple binds (RFC 4511): cn=alice with password right, and cn=slow that is not answered before go is set."""
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), self.Connection)
        self.binds, self.go = [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            while True:
                data = self.request.recv(4096)
                if not data or data[5] != 0x60:  # 30 len 02 01 id 60 len 02 01 03 04 len dn 80 len password
                    return
                dn_n = data[11]
                dn, rest = data[12:12 + dn_n].decode(), data[12 + dn_n:]
                self.server.binds.append(dn)
                if dn == 'cn=slow':
                    self.server.go.wait(60)
                code = 0 if (dn, rest[2:2 + rest[1]]) == ('cn=alice', b'right') else 49
                result = bytes([0x0a, 1, code, 4, 0, 4, 0])
                body = data[2:5] + bytes([0x61, len(result)]) + result
                self.request.sendall(bytes([0x30, len(body)]) + body)


@pytest.fixture
def directory():
    with Directory() as d:
        d.options = 'ldapserver=127.0.0.1 ldapport=%d ldapprefix="cn="' % d.server_address[1]
        yield d
        d.shutdown()


def test_ldap_simple_bind(helper, directory):
    assert helper.ask(ldap(1, directory.options, 'alice', 'right'))[0] == OK
    assert helper.ask(ldap(2, directory.options, 'alice', 'wrong'))[0] == DENIED
    assert helper.ask(ldap(3, directory.options, 'bob', 'right'))[0] == DENIED
    assert directory.binds == ['cn=alice', 'cn=alice', 'cn=bob']


def test_ldap_empty_password_is_no_anonymous_bind(helper, directory):
    assert helper.ask(ldap(1, directory.options, 'alice', ''))[0] == DENIED
    assert directory.binds == []


@pytest.mark.parametrize('name', ['alice,dc=x', 'alice+cn=root', 'a=b', ' alice', 'a"b', 'a\\b', 'a;b', '<a>', '#616c'])
def test_ldap_names_cannot_change_the_dn(helper, directory, name):
    assert helper.ask(ldap(1, directory.options, name, 'right'))[0] == DENIED
    assert directory.binds == []


def test_ldap_trouble_is_not_a_wrong_password(helper):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))  # bound, not listening: refused
        port = s.getsockname()[1]
        verdict, text = helper.ask(ldap(1, 'ldapserver=127.0.0.1 ldapport=%d ldapprefix=x' % port, 'alice', 'pw'))
        assert verdict == FAILED and 'LDAP' in text
    verdict, text = helper.ask(ldap(2, 'ldapservr=x', 'alice', 'pw'))
    assert verdict == FAILED and 'did you mean' in text


def test_slow_requests_hold_up_nobody(helper, directory):
    for i in range(10):
        helper.send(ldap(100 + i, directory.options, 'slow', 'x'))
    helper.send(uid(1, 0) + ldap(2, directory.options, 'alice', 'right'))
    assert sorted([helper.answer()[:2], helper.answer()[:2]]) == [(1, OK), (2, OK)]
    directory.go.set()
    assert {helper.answer()[0] for _ in range(10)} == set(range(100, 110))


# --- PAM ---

@pytest.fixture
def service(tmp_path):
    """A PAM service where everybody's password is what the file says; needs root, as all of these tests do."""
    script = tmp_path / 'check'
    script.write_text('#!/bin/sh\nread -r pw\n[ "$PAM_USER/$pw/$PAM_RHOST" = alice/right/10.1.2.3 ]\n')
    script.chmod(0o755)
    name = 'weirpool-test-%d' % os.getpid()
    path = pathlib.Path('/etc/pam.d') / name
    path.write_text('auth required pam_exec.so expose_authtok quiet %s\naccount required pam_permit.so\n' % script)
    yield name
    path.unlink()


def test_pam(helper, service):
    assert helper.ask(pam(1, service, 'alice', 'right', '10.1.2.3'))[0] == OK
    assert helper.ask(pam(2, service, 'alice', 'wrong', '10.1.2.3'))[0] != OK
    assert helper.ask(pam(3, service, 'alice', 'right', '10.1.2.4'))[0] != OK
    assert helper.ask(pam(4, service, 'bob', 'right', '10.1.2.3'))[0] != OK
    assert helper.ask(pam(5, 'no-such-service', 'alice', 'right', '10.1.2.3'))[0] != OK
