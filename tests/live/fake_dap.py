#!/usr/bin/env python3
"""Stands in for kvmdbg-dap: takes the arguments that the server gives a worker, and does what its
client's messages say: {"command": "report" | "ask" | "exit" | "flood"}."""

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import struct
import sys


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("client", "preamble", "lldb", "control"):
        parser.add_argument("--" + name, type=int, required=True)
    for name in ("framing", "role", "peer"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--index-cache")
    parser.add_argument("--program")
    return parser.parse_args()


class Link:
    """The client's connection, from its first byte."""

    def __init__(self, args):
        self.socket = socket.socket(fileno=args.client)
        self.socket.setblocking(True)
        self.preamble = os.fdopen(args.preamble, "rb").read()
        self.websocket = args.framing == "websocket"
        self.buffer = self.preamble
        if self.websocket:
            self.accept()

    def accept(self):
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.preamble)[1]
        chosen = re.search(rb"Sec-WebSocket-Protocol: (\S+)", self.preamble)
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n" +
                            (b"Sec-WebSocket-Protocol: " + chosen[1] + b"\r\n" if chosen else b"") + b"\r\n")
        self.buffer = b""

    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                sys.exit(0)
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self):
        if not self.websocket:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.take(1)
            return json.loads(self.take(int(re.search(rb"Content-Length: (\d+)", head)[1])))
        kind, size = self.take(2)
        if kind & 15 == 8:
            sys.exit(0)
        size &= 127
        if size == 126:
            size, = struct.unpack(">H", self.take(2))
        mask = self.take(4)
        return json.loads(bytes(b ^ mask[i % 4] for i, b in enumerate(self.take(size))))

    def send(self, message):
        data = json.dumps(message).encode()
        if self.websocket:
            size = bytes([len(data)]) if len(data) < 126 else struct.pack(">BH", 126, len(data))
            self.socket.sendall(b"\x81" + size + data)
        else:
            self.socket.sendall(b"Content-Length: %d\r\n\r\n" % len(data) + data)


def report(args, link):
    return {"pid": os.getpid(), "arguments": vars(args), "preamble": link.preamble.decode("latin-1"),
            "group": os.getpgid(0) == os.getpid(), "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
            "ignored": open("/proc/self/status").read().partition("SigIgn:\t")[2][:16]}


def ask(args, packet):
    """What the machine says to a packet on the control connection."""
    control = socket.socket(fileno=os.dup(args.control))
    control.sendall(b"$" + packet.encode() + b"#%02x" % (sum(packet.encode()) % 256))
    text = b""
    while not (found := re.search(rb"\$([^#]*)#..", text)):
        text += control.recv(4096)
    control.sendall(b"+")
    return {"answer": found[1].decode("latin-1")}


def main():
    args = arguments()
    link = Link(args)
    while True:
        message = link.receive()
        if message["command"] == "exit":
            sys.exit(message["status"])
        link.send(ask(args, message["packet"]) if message["command"] == "ask" else report(args, link))


if __name__ == "__main__":
    main()
