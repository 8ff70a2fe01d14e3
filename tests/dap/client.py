"""A client of the Debug Adapter Protocol for Python: by pipes, by TCP and by WebSocket."""

import base64
import hashlib
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "live"))
import frames  # noqa: E402: from tests/live


class Refused(Exception):
    """A request was answered by an error; the text is its message."""


class Closed(Exception):
    """The other side has closed; the text is what it said last."""


class Pipes:
    """An adapter that the client starts."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def fileno(self):
        return self.process.stdout.fileno()

    def read(self):
        return os.read(self.fileno(), 1 << 20)

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Socket:
    """A server's port: HOST:PORT or unix:PATH."""

    def __init__(self, address):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address[5:])
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host or "127.0.0.1", int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        return self.socket.recv(1 << 20)

    def write(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()


class Framed:
    """Content-Length in front of each message."""

    def __init__(self, stream):
        self.stream, self.buffer = stream, b""

    def fileno(self):
        return self.stream.fileno()

    def messages(self):
        """All that one read brings."""
        data = self.stream.read()
        if not data:
            raise Closed(self.buffer.decode("utf-8", "replace"))
        self.buffer += data
        out = []
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return out
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                          if line.lower().startswith(b"content-length:"))
            if len(rest) < length:
                return out
            out.append(json.loads(rest[:length]))
            self.buffer = rest[length:]

    def send(self, text):
        self.stream.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)

    def close(self):
        self.stream.close()


class Web(Framed):
    """One text frame a message, as a page has it (RFC 6455)."""

    def __init__(self, address, token, headers=(), path="/dap", host=None):
        super().__init__(Socket(address))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host or address}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers]
        if token:
            lines.append(f"Sec-WebSocket-Protocol: dap.v1, kvmdbg.token.{token}")
        self.stream.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.stream.read()
            if not data:
                raise Closed(head.decode("latin-1"))
            head += data
        self.head, _, self.buffer = head.partition(b"\r\n\r\n")
        if b" 101 " not in self.head.split(b"\r\n")[0]:
            raise Refused((self.head + b"\n" + self.buffer).decode("latin-1"))
        want = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if want not in self.head:
            raise Refused("a wrong Sec-WebSocket-Accept")

    def messages(self):
        out = self.unpack()
        if out:
            return out
        data = self.stream.read()
        if not data:
            raise Closed("without a close frame")
        self.buffer += data
        return self.unpack()

    def unpack(self):
        out = []
        while frame := frames.unpack(self.buffer):
            kind, payload, self.buffer = frame
            if kind == frames.CLOSE:
                raise Closed(payload[2:].decode("utf-8", "replace"))
            if kind == frames.PING:
                self.stream.write(frames.pack(payload, frames.PONG))
            elif kind == frames.TEXT:
                out.append(json.loads(payload))
        return out

    def send(self, text):
        self.stream.write(frames.pack(text, frames.TEXT))


class Dap:
    """One session. Events are kept, in order, until somebody wants them."""

    def __init__(self, wire, name="python"):
        self.wire, self.name, self.sequence = wire, name, 0
        self.events, self.answers = [], {}

    def send(self, command, **arguments):
        self.sequence += 1
        self.wire.send(json.dumps({"seq": self.sequence, "type": "request", "command": command,
                                   "arguments": arguments}).encode())
        return self.sequence

    def take(self, limit):
        """What has come within so many seconds; False for nothing."""
        buffered = isinstance(self.wire, Web) and len(self.wire.buffer) > 1
        if not buffered and not select.select([self.wire], [], [], limit)[0]:
            return False
        for message in self.wire.messages():
            if message["type"] == "response":
                self.answers[message["request_seq"]] = message
            elif message["type"] == "event":
                self.events.append(message)
        return True

    def until(self, found, what, limit):
        deadline = time.monotonic() + limit
        while (value := found()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.name}: no {what} within {limit} s; events "
                                   f"{[event['event'] for event in self.events]}")
            self.take(left)
        return value

    def answer(self, number, limit=20):
        message = self.until(lambda: self.answers.pop(number, None), f"answer to request {number}", limit)
        if not message["success"]:
            error = message.get("body", {}).get("error", {}).get("format", "")
            raise Refused(error or message.get("message", ""))
        return message.get("body", {})

    def ask(self, command, limit=20, **arguments):
        return self.answer(self.send(command, **arguments), limit)

    def event(self, name, limit=20):
        """The next event of that name; those before it stay."""

        def find():
            for at, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(at).get("body", {})
            return None

        return self.until(find, f"event {name}", limit)

    def begin(self, attach="attach", configure=None, **arguments):
        """initialize, attach or launch, configurationDone."""
        self.ask("initialize", adapterID="kvmdbg", clientName=self.name, linesStartAt1=True,
                 columnsStartAt1=True, pathFormat="path", supportsMemoryEvent=True, supportsInvalidatedEvent=True)
        started = self.send(attach, **arguments)
        self.until(lambda: True if started in self.answers or any(e["event"] == "initialized" for e in self.events)
                   else None, "answer to attach", 20)
        if started in self.answers and not self.answers[started]["success"]:
            self.answer(started)
        self.event("initialized")
        if configure:
            configure(self)
        self.ask("configurationDone")
        self.answer(started)

    def close(self):
        self.wire.close()
