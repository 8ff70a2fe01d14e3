#!/usr/bin/env python3
"""Measures kvmdbg-dap beside stock lldb-dap, each debugging the demo guest of a kvmdbg of its own.

Usage: dap.py --kvmdbg PROGRAM --guests FOLDER [--rounds N] [--json]

A round is a stop and what an editor asks then; a row is the median of the rounds, in milliseconds, from request
to answer (or to the stop). By pipes for the comparison, by WebSocket for what that costs. Then eight clients on
one guest: how long after the first of them the last hears of a stop. Taken in one run: the ratios hold, the
figures are of this host.
"""
import argparse
import contextlib
import json
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "dap"))
from client import Dap, Framed, Pipes, Web  # noqa: E402

PEER = "lldb-dap-22"
KERNEL = 0xffffffff80000000  # where the demo guest sees its RAM
READ = 64 << 10
CLIENTS = 8
CONNECT, CONNECTS = "connect to first stop", 6


class Server:
    def __init__(self, options, folder):
        self.log = open(Path(folder) / "server.log", "w+b")
        self.process = subprocess.Popen(
            [options.kvmdbg, "run", options.guests / "demo.elf", "--listen", "127.0.0.1:0", "--console", "none"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 10
        while not (found := re.search(r"127\.0\.0\.1:(\d+).*the token is in ([^\s;]+)", self.text(), re.S)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"dap: kvmdbg does not listen: {self.text()}")
            time.sleep(0.005)
        self.address, self.token = f"127.0.0.1:{found[1]}", Path(found[2]).read_text().strip()

    def text(self):
        return Path(self.log.name).read_text()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Seat:
    """One adapter, attached, and its rows: {name: [milliseconds]}."""

    def __init__(self, make, **arguments):
        self.rows = {}
        start = time.perf_counter()
        self.dap = Dap(make(), "bench")
        self.dap.begin(**arguments)
        self.dap.event("stopped")
        self.row(CONNECT, start)

    def row(self, name, start):
        self.rows.setdefault(name, []).append((time.perf_counter() - start) * 1000)

    def ask(self, name, command, **arguments):
        start = time.perf_counter()
        body = self.dap.ask(command, **arguments)
        self.row(name, start)
        return body

    def move(self, command, name=None, **arguments):
        """Until it stands again."""
        self.dap.events.clear()
        start = time.perf_counter()
        self.dap.ask(command, threadId=1, **arguments)
        self.dap.event("stopped")
        if name:
            self.row(name, start)

    def go_to(self, function, condition=None):
        self.dap.ask("setFunctionBreakpoints",
                     breakpoints=[{"name": function, **({"condition": condition} if condition else {})}])
        self.move("continue")

    def look(self):
        """What an editor with all its views open asks at a stop."""
        frames = self.ask("stackTrace", "stackTrace", threadId=1, levels=20)["stackFrames"]
        scopes = self.dap.ask("scopes", frameId=frames[0]["id"])["scopes"]
        self.ask("variables", "variables", variablesReference=scopes[0]["variablesReference"])
        read = self.ask("readMemory of 64 KiB", "readMemory", count=READ,
                        memoryReference=hex(KERNEL + (16 << 20)))
        if len(read["data"]) != (READ + 2) // 3 * 4:
            raise SystemExit(f"dap: {len(read['data'])} characters of memory")
        code = self.ask("disassemble 100", "disassemble", instructionCount=100,
                        memoryReference=frames[0]["instructionPointerReference"])["instructions"]
        if len(code) != 100:
            raise SystemExit(f"dap: {len(code)} instructions")

    def deep(self):
        self.go_to("factorial", "n == 1")

    def round_of_looks(self):
        self.move("stepIn", "instruction step", granularity="instruction")
        self.look()

    def round_of_lines(self):
        self.go_to("beat")
        self.dap.ask("setFunctionBreakpoints", breakpoints=[])
        self.move("next", "source step-over")

    def medians(self):
        return {name: statistics.median(values) for name, values in self.rows.items()}


@contextlib.contextmanager
def seated(options, make, **arguments):
    """A seat at a server of its own; `make` and the arguments that are functions are given the server."""
    with tempfile.TemporaryDirectory(prefix="kvmdbg-bench-") as folder:
        server = Server(options, folder)
        try:
            given = {name: value(server) if callable(value) else value for name, value in arguments.items()}
            seat = Seat(lambda: make(server), **given)
            try:
                yield seat
            finally:
                seat.dap.close()
        finally:
            server.close()


def ways(options, adapter, image):
    """{adapter: what `seated` is given for it}."""
    address = {"server": lambda server: server.address}
    found = {"kvmdbg-dap": (lambda _: Framed(Pipes(str(adapter))), {"program": image, **address}),
             "websocket": (lambda server: Web(server.address, server.token), {"program": image})}
    if shutil.which(PEER):
        found[PEER] = (lambda _: Framed(Pipes(PEER)),
                       {"program": image, "stopOnEntry": True,
                        "attachCommands": lambda server: [f"gdb-remote {server.address}"]})
    return found


def compare(options, adapter, image):
    """{adapter: rows}, the adapters taking turns: whatever else the host does is shared by all."""
    makes = ways(options, adapter, image)
    connects = {name: [] for name in makes}
    for _ in range(CONNECTS):
        for name, (make, arguments) in makes.items():
            with seated(options, make, **arguments) as seat:
                connects[name] += seat.rows[CONNECT]
    with contextlib.ExitStack() as stack:
        seats = {name: stack.enter_context(seated(options, make, **arguments))
                 for name, (make, arguments) in makes.items()}
        for name, seat in seats.items():
            seat.rows[CONNECT] += connects[name]
        for seat in seats.values():
            seat.deep()
        for _ in range(options.rounds):
            for seat in seats.values():
                seat.round_of_looks()
        for seat in seats.values():
            seat.dap.ask("setFunctionBreakpoints", breakpoints=[])
        for _ in range(options.rounds):
            for seat in seats.values():
                seat.round_of_lines()
        return {name: seat.medians() for name, seat in seats.items()}


def crowd(options):
    """Milliseconds from the first client's word of a stop to the last's, the median."""
    with tempfile.TemporaryDirectory(prefix="kvmdbg-bench-") as folder:
        server = Server(options, folder)
        seats = []
        try:
            for _ in range(CLIENTS):
                seats.append(Dap(Web(server.address, server.token), "crowd"))
                seats[-1].begin(program=str(options.guests / "demo.elf"))
                seats[-1].event("stopped")
            spans = []
            for _ in range(options.rounds):
                time.sleep(0.1)  # whatever the stop before has set off is over
                while any(seat.take(0) for seat in seats):
                    pass
                for seat in seats:
                    seat.events.clear()
                seats[0].send("stepIn", threadId=1, granularity="instruction")
                spans.append(heard(seats))
            return statistics.median(spans)
        finally:
            for seat in seats:
                seat.close()
            server.close()


def heard(seats):
    waiting, times = set(seats), []
    while waiting:
        ready, _, _ = select.select([seat.wire for seat in waiting], [], [], 10)
        if not ready:
            raise SystemExit(f"dap: {len(waiting)} of {CLIENTS} clients never heard of the stop")
        now = time.perf_counter()
        for seat in [seat for seat in waiting if seat.wire in ready]:
            seat.take(0)
            if any(event["event"] == "stopped" for event in seat.events):
                waiting.discard(seat)
                times.append(now)
    return (times[-1] - times[0]) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.kvmdbg, options.guests = options.kvmdbg.resolve(), options.guests.resolve()
    adapter, image = options.kvmdbg.with_name("kvmdbg-dap"), str(options.guests / "demo.elf")
    if not adapter.exists():
        print("dap: not measured: kvmdbg-dap is not built (liblldb-22-dev)", file=sys.stderr)
        return 1
    rows = compare(options, adapter, image)
    ours, web, peer = rows["kvmdbg-dap"], rows["websocket"], rows.get(PEER, {})
    last = crowd(options)
    if options.json:
        print(json.dumps({**rows, f"stop to the last of {CLIENTS} clients after the first": last}))
        return 0
    print(f"{'ms, median of ' + str(options.rounds):24} {'kvmdbg-dap':>12} {PEER:>12} {'ratio':>8} {'WebSocket +':>12}")
    for name, value in ours.items():
        there = f"{peer[name]:12.2f} {value / peer[name]:8.2f}" if name in peer else f"{'':12} {'':8}"
        print(f"{name:24} {value:12.2f} {there} {web[name] - value:12.2f}")
    print(f"stop: the last of {CLIENTS} WebSocket clients hears {last:.2f} ms after the first")
    if not peer:
        print(f"note: {PEER} is not installed: nothing to compare with")
    return 0


if __name__ == "__main__":
    sys.exit(main())
