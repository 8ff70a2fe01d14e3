"""HTTP and WebSocket as raw bytes: for tests that send what no browser would."""

import base64
import os
import re
import socket
import struct
import time

import frames
from check import equal, holds
from frames import BINARY, CLOSE, TEXT  # noqa: F401: cases take them from here
from machine import Machine


class Door(Machine):
    """A machine on a TCP port, and what its start message says of it."""

    def __init__(self, guest="spin", arguments=(), **options):
        super().__init__(guest, listen=options.pop("listen", "127.0.0.1:0"), arguments=arguments, **options)
        self.listen_word = self.address
        deadline = time.monotonic() + 10
        while not (tokens := re.search(r"token is in (\S+); to look only, (\S+)", self.log())):
            holds(time.monotonic() < deadline and self.process.poll() is None,
                  f"no start message: {self.log()}")
            time.sleep(0.01)
        self.token_files = tokens[1], tokens[2]
        self.control, self.observe = (open(path, encoding="ascii").read().strip() for path in self.token_files)
        self.address = re.search(r"listening on (\S+?),? ?(to look only)?\n", self.log())[1]
        self.port = self.address.rpartition(":")[2]

    def raw(self, data=b""):
        """A connection that has sent this."""
        if self.address.startswith("unix:"):
            link = socket.socket(socket.AF_UNIX)
            link.connect(self.address[5:])
        else:
            link = socket.create_connection(("127.0.0.1", int(self.port)))
        link.settimeout(20)
        link.sendall(data)
        return link

    def http(self, request):
        """(status, whole answer) of a request, after which the server must close."""
        with self.raw(request) as link:
            answer = until_end(link)
        found = re.match(rb"HTTP/1.1 (\d{3}) ", answer)
        holds(found, f"{request[:60]!r} was answered {answer!r}")
        return int(found[1]), answer.decode()

    def upgrade(self, path, token=None, host=None, fields=()):
        """The text of a request to be a WebSocket."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {host or '127.0.0.1:' + self.port}", "Connection: Upgrade",
                 "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), *fields]
        if token is not None:
            lines.append(f"Sec-WebSocket-Protocol: {path[1:]}.v1, kvmdbg.token.{token}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def websocket(self, path, token):
        return WebSocket(self.raw(self.upgrade(path, token)))

    def wait_log(self, pattern, timeout=20):
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.log())):
            holds(time.monotonic() < deadline, f"{pattern!r} is not in the log: {self.log()}")
            time.sleep(0.02)
        return found


def until_end(link):
    data = b""
    try:
        while more := link.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


class WebSocket:
    def __init__(self, link):
        self.link, self.buffer = link, b""
        head = b""
        while b"\r\n\r\n" not in head:
            more = link.recv(4096)
            holds(more, f"the handshake ended with {head!r}")
            head += more
        self.head, _, self.buffer = head.partition(b"\r\n\r\n")
        equal(self.head[:12], b"HTTP/1.1 101", "the handshake")

    def close(self):
        self.link.close()

    def send(self, payload, opcode=BINARY):
        self.link.sendall(frames.pack(payload, opcode))

    def receive(self):
        """(opcode, payload), or None at the end of the connection."""
        while not (frame := frames.unpack(self.buffer)):
            more = self.link.recv(65536)
            if not more:
                return None
            self.buffer += more
        opcode, payload, self.buffer = frame
        return opcode, payload

    def closed(self):
        """(code, reason, messages before) of the close frame that ends this."""
        before = []
        while frame := self.receive():
            if frame[0] == CLOSE:
                return struct.unpack(">H", frame[1][:2])[0], frame[1][2:].decode(), before
            before.append(frame[1])
        raise AssertionError(f"no close frame after {before}")

    # gdb's packets

    def ask(self, packet):
        self.send(b"$" + packet + b"#%02x" % (sum(packet) % 256))
        text = b""
        while not (found := re.search(rb"\+?\$([^#]*)#..", text)):
            opcode, payload = self.receive()
            equal(opcode, BINARY, "the kind of frame")
            text += payload
        self.send(b"+")
        return found[1].decode("latin-1")
