#!/usr/bin/env python3
"""Measures a stock lldb with kvmdbg, beside the same lldb with its own lldb-server and a Linux program.

Usage: lldb.py --kvmdbg PROGRAM --guests FOLDER [--json]

Packets are counted in lldb's own log; times are of a whole command, lldb's work in it. Taken in one run: the
ratios hold, the figures are of this host.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "live"))
from check import Failure, Skip  # noqa: E402
from lldb_session import Lldb, program  # noqa: E402

VERSION, STEPS, MEBIBYTE = "22", 100, 1 << 20


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise Failure(f"nothing listens on port {port}")


def timed(lldb, command, want=None):
    """(milliseconds, packets)"""
    before, start = len(lldb.sent()), time.perf_counter()
    lldb.do(command, want)
    return (time.perf_counter() - start) * 1000, len(lldb.sent()) - before


def measure(lldb, port, folder, address, once):
    """Rows of one server: {name: (milliseconds, packets)}."""
    rows = {"connect to prompt": timed(lldb, f"gdb-remote 127.0.0.1:{port}", r"Process \d+ stopped")}
    once()
    lldb.do("thread step-inst")  # what a first stop costs is not a step's
    start, before = time.perf_counter(), len(lldb.sent())
    for _ in range(STEPS):
        lldb.do("thread step-inst", "instruction step into")
    rows["step-inst"] = ((time.perf_counter() - start) * 1000 / STEPS,
                         (len(lldb.sent()) - before) / STEPS)
    rows["register read --all"] = timed(lldb, "register read --all")
    if address:
        file = os.path.join(folder, "memory")
        read = f"memory read --force --binary --outfile {file} --count {MEBIBYTE} {address:#x}"
        _, packets = timed(lldb, read)
        lldb.do("log disable gdb-remote packets")  # which writes down every byte
        lldb.do("process plugin packet send ?")  # forgets what it has read
        milliseconds, _ = timed(lldb, read)
        lldb.do(f"log enable -a -f {lldb.log} gdb-remote packets")
        rows["memory read 1 MiB"] = (milliseconds, packets)
    return rows


def of_kvmdbg(options, folder):
    port = free_port()
    server = subprocess.Popen([options.kvmdbg, "run", options.guests / "demo.elf", "--listen",
                               f"127.0.0.1:{port}", "--console", "none"], stderr=subprocess.DEVNULL)
    settings = ("plugin.process.gdb-remote.use-g-packet-for-reading true",)  # as our plugin has it
    lldb = None
    try:
        wait(port)
        lldb = Lldb(VERSION, folder, options.guests / "demo.elf", settings)

        def once():
            lldb.do("breakpoint set --name kernel_main --one-shot true")
            lldb.do("continue", "kernel_main")

        rows = measure(lldb, port, folder, 0x100000, once)
        lldb.do("breakpoint set --name factorial --one-shot true")
        lldb.do("continue", "factorial")
        lldb.do("register write rdi 30")
        lldb.do("breakpoint set --name factorial --condition 'n == 9'")
        lldb.do("continue", "n=9")
        rows["bt of 23 frames"] = timed(lldb, "bt", "frame #22")
        return rows
    finally:
        if lldb:
            lldb.close()
        server.kill()
        server.wait()


def of_lldb_server(folder):
    server_program = shutil.which(f"lldb-server-{VERSION}")
    if not server_program:
        raise Skip(f"lldb-server-{VERSION} is not installed")
    port = free_port()
    server = subprocess.Popen([server_program, "gdbserver", f"127.0.0.1:{port}", "--", "/bin/true"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lldb = None
    try:
        time.sleep(0.5)  # it takes one connection: asking whether it listens would be it
        lldb = Lldb(VERSION, folder, "/bin/true")
        return measure(lldb, port, folder, None, lambda: None)
    finally:
        if lldb:
            lldb.close()
        server.kill()
        server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.kvmdbg, options.guests = options.kvmdbg.resolve(), options.guests.resolve()
    try:
        program(VERSION)
        with tempfile.TemporaryDirectory(prefix="kvmdbg-bench-") as ours, \
                tempfile.TemporaryDirectory(prefix="kvmdbg-bench-") as theirs:
            rows, others = of_kvmdbg(options, ours), of_lldb_server(theirs)
    except Skip as reason:
        print(f"lldb: not measured: {reason}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"kvmdbg": rows, "lldb-server": others}))
        return 0
    print(f"{'lldb-' + VERSION:24} {'kvmdbg':>22} {'lldb-server':>22} {'packets':>8}")
    for name, (milliseconds, packets) in rows.items():
        there = others.get(name)
        shown = f"{there[0]:9.2f} ms {there[1]:6.1f} p." if there else ""
        ratio = f"{packets / there[1]:7.2f}x" if there and there[1] else ""
        print(f"{name:24} {milliseconds:9.2f} ms {packets:6.1f} p. {shown:>22} {ratio:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
