"""Debug adapters as processes: what a worker is given, how many there are, and what becomes of its client
when it dies. The worker is `fake_dap.py`."""

import json
import os
import re
import shutil
import signal
import tempfile
import time

from check import Skip, case, equal, holds
from machine import Settings
from websocket import CLOSE, TEXT, Door, until_end

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_dap.py")


def door(*arguments, dap=FAKE, **options):
    return Door(arguments=["--dap", dap, *arguments], **options)


class Stream:
    """A DAP client with Content-Length headers."""

    def __init__(self, machine):
        self.link, self.buffer = machine.raw(), b""

    def send(self, message):
        data = json.dumps(message).encode()
        self.link.sendall(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    def receive(self):
        """The next message; None at the end."""
        while not (found := re.match(rb"Content-Length: (\d+)\r\n\r\n", self.buffer)) or \
                len(self.buffer) < found.end() + int(found[1]):
            more = self.link.recv(65536)
            if not more:
                equal(self.buffer, b"", "what was left at the end")
                return None
            self.buffer += more
        end = found.end() + int(found[1])
        message, self.buffer = json.loads(self.buffer[found.end():end]), self.buffer[end:]
        return message

    def close(self):
        self.link.close()


class Page:
    """A DAP client by WebSocket."""

    def __init__(self, machine, token=None):
        self.socket = machine.websocket("/dap", token or machine.control)

    def send(self, message):
        self.socket.send(json.dumps(message).encode(), TEXT)

    def receive(self):
        opcode, payload = self.socket.receive()
        return None if opcode == CLOSE else json.loads(payload)

    def close(self):
        self.socket.close()


def report(client):
    client.send({"seq": 1, "type": "request", "command": "report"})
    return client.receive()


def gone(machine, pid):
    machine.wait_log(rf"process {pid}, which served .*, .*; peak memory [0-9.]+ MiB")
    holds(not os.path.exists(f"/proc/{pid}"), "the worker is still there")


@case()
def a_worker_gets_its_client_and_nothing_else():
    with door() as machine:
        one, two = Stream(machine), Page(machine, machine.observe)
        stream, page = report(one), report(two)
        equal(stream["arguments"]["framing"], "stream", "framing")
        equal(page["arguments"]["framing"], "websocket", "framing")
        equal((stream["arguments"]["role"], page["arguments"]["role"]), ("control", "observe"), "roles")
        for seen in (stream, page):
            equal(seen["open"][:7], list(range(7)), "descriptors")
            holds(len(seen["open"]) <= 8, f"descriptors: {seen['open']}")  # one lists them
            equal(seen["arguments"]["root"], [os.path.dirname(machine.image)], "where it may read")
            equal(seen["arguments"]["program"], machine.image, "whose symbols it reads")
            # Python itself ignores SIGPIPE and SIGXFSZ; 32 and 33 are the C library's
            equal(int(seen["ignored"], 16) & ~(3 << 31), 0x1001000, "ignored signals")
            holds(seen["group"], "it is in our process group")
            holds(seen["arguments"]["peer"].startswith("127.0.0.1:"), "its client's address")
        equal(stream["preamble"][:16], "Content-Length: ", "the preamble")
        holds(page["preamble"].startswith("GET /dap HTTP/1.1\r\n") and page["preamble"].endswith("\r\n\r\n"),
              f"the preamble: {page['preamble']!r}")
        holds(machine.control not in page["preamble"] and machine.observe not in page["preamble"],
              "the worker is told the token")
        holds(b"Sec-WebSocket-Protocol: dap.v1" in two.socket.head, "the subprotocol")
        code = machine.connect().read(machine["_start"], 1)
        one.send({"command": "ask", "packet": "m%x,1" % machine["_start"]})
        equal(one.receive()["answer"], code.hex(), "what a worker reads")
        two.send({"command": "ask", "packet": "M%x,1:90" % machine["_start"]})
        holds(two.receive()["answer"].startswith("E"), "an observer's worker writes")
        for client, pid in ((one, stream["pid"]), (two, page["pid"])):
            client.close()
            gone(machine, pid)
        holds("ended; peak" in machine.log(), machine.log())


@case()
def no_more_workers_than_allowed():
    with door("--max-workers", "2") as machine:
        first, second = Stream(machine), Page(machine)
        report(first)
        pid = report(second)["pid"]
        third = Stream(machine)
        third.send({"seq": 7, "type": "request", "command": "initialize"})
        answer = third.receive()
        equal((answer["type"], answer["request_seq"], answer["success"], answer["command"]),
              ("response", 7, False, "initialize"), "the answer")
        holds("2 debug adapters are at work" in answer["message"] and "--max-workers" in answer["message"], answer)
        equal(third.receive(), None, "what follows")
        code, reason, before = machine.websocket("/dap", machine.control).closed()
        equal(code, 1013, "close code")
        holds("2 debug adapters are at work" in reason, reason)
        equal([json.loads(text)["event"] for text in before], ["output", "terminated"], "what comes before")
        second.close()
        gone(machine, pid)
        holds(report(Page(machine))["pid"] != pid, "the place is free again")
        machine.connect().close()


def clients_end(machine, client, words):
    """The client is told why in words, then that the session is over, and closed."""
    output, terminated = client.receive(), client.receive()
    equal((output["event"], terminated["event"]), ("output", "terminated"), "events")
    holds(re.search(words, output["body"]["output"]), f"{words!r} is not in {output}")
    if isinstance(client, Page):
        code, reason, before = client.socket.closed()
        equal((code, before), (1011, []), "close code")
        holds(re.search(words, reason), f"{words!r} is not in {reason!r}")
    else:
        equal(client.receive(), None, "what follows")


def death_case(label, kind, kill, words):
    @case(limit=90)
    def dies():
        with door("--worker-timeout", "2") as machine:
            other = machine.connect()
            client = kind(machine)
            seen = report(client)
            other.resume("c")
            kill(client, seen["pid"])
            clients_end(machine, client, words)
            gone(machine, seen["pid"])
            other.wire.silent(0.2)  # the guest runs on
            equal(other.interrupt().code, 2, "the other client's stop")
            holds(report(kind(machine))["pid"] != seen["pid"], "the next worker")

    dies.__name__ = f"{label}_{kind.__name__.lower()}"
    dies.__module__ = __name__


def by_signal(client, pid):
    del client
    os.kill(pid, signal.SIGKILL)


def by_crash(client, pid):
    del client
    os.kill(pid, signal.SIGSEGV)


def by_status(client, pid):
    del pid
    client.send({"command": "exit", "status": 3})


def by_hanging(client, pid):
    os.kill(pid, signal.SIGSTOP)
    client.send({"command": "report"})


for client_kind in (Stream, Page):
    death_case("a_worker_is_killed", client_kind, by_signal, r"process \d+\) was killed by signal 9 \(Killed\)")
    death_case("a_worker_crashes", client_kind, by_crash, r"was killed by signal 11 \(Segmentation fault\)")
    death_case("a_worker_ends_badly", client_kind, by_status, "ended with status 3")
    death_case("a_worker_hangs", client_kind, by_hanging, "read nothing of its client for 2 s and was killed")


@case()
def a_client_that_is_killed():
    with door() as machine:
        for kind in (Stream, Page):
            client = kind(machine)
            pid = report(client)["pid"]
            link = client.link if kind is Stream else client.socket.link
            link.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset, as of a host that is gone
            link.close()
            gone(machine, pid)
        machine.connect().close()


@case()
def a_worker_that_cannot_start():
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "unloadable")
        for text, words in ((None, "is no program that can be run"), ("#!/no/such/interpreter\n", "No such file"),
                            ("#!/bin/sh\nexit 127\n", "is liblldb-22 installed")):
            if text is not None:
                with open(program, "w", encoding="ascii") as file:
                    file.write(text)
                os.chmod(program, 0o755)
            with door(dap=program) as machine:
                client = Stream(machine)
                client.send({"seq": 1, "type": "request", "command": "initialize"})
                answer = client.receive()
                holds(not answer["success"] and words in answer["message"], f"{words!r} is not in {answer}")
                code, _, before = machine.websocket("/dap", machine.control).closed()
                equal(code, 1011, "close code")
                holds(words in json.loads(before[0])["body"]["output"], f"{words!r} is not in {before}")
                machine.connect().close()


@case()
def no_debug_adapter_on_this_host():
    copy = os.path.join(Settings.scratch, f"alone-{os.getpid()}")
    os.mkdir(copy)
    shutil.copy(Settings.kvmdbg, copy)
    Settings.kvmdbg, os.environ["PATH"] = os.path.join(copy, "kvmdbg"), "/usr/bin:/bin"
    with Door() as machine:
        client = Stream(machine)
        client.send({"seq": 1, "type": "request", "command": "initialize"})
        answer = client.receive()
        holds(not answer["success"] and "there is no kvmdbg-dap on this host" in answer["message"] and
              "liblldb-22" in answer["message"], answer)
        code, reason, before = machine.websocket("/dap", machine.control).closed()
        equal(code, 1011, "close code")
        holds("there is no kvmdbg-dap" in reason and "liblldb-22" in before[0].decode(), (reason, before))
        machine.connect().close()


@case()
def a_stream_that_speaks_no_dap():
    with door("--max-workers", "0") as machine:
        for data in (b"Content-Length: 9999999999\r\n\r\n", b"Content-Length: x\r\n\r\n",
                     b"Content-Length: 2\r\n\r\n[]", b"Content-Length:" + b"1" * 70000):
            with machine.raw(data) as link:
                answer = until_end(link)
            holds(b'"terminated"' in answer and b"--max-workers" in answer, f"{data[:40]!r} was answered {answer!r}")


@case(limit=120)
def the_real_debug_adapter():
    program = os.path.join(os.path.dirname(os.path.abspath(Settings.kvmdbg)), "kvmdbg-dap")
    if not os.path.exists(program):
        raise Skip("kvmdbg-dap is not built: liblldb-22-dev is not installed")
    with Door() as machine:
        other = machine.connect()
        for kind in (Stream, Page):
            client = kind(machine)
            client.send({"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "kvmdbg"}})
            answer = client.receive()
            equal((answer["request_seq"], answer["success"], answer["command"]), (1, True, "initialize"), "the answer")
            pid = int(re.findall(r"process (\d+) serves", machine.log())[-1])
            os.kill(pid, signal.SIGKILL)
            clients_end(machine, client, r"was killed by signal 9 \(Killed\)")
            gone(machine, pid)
        equal(other.ask("qC")[:2], "QC", "an answer to another client")
