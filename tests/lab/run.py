#!/usr/bin/env python3
"""Runs the live suite inside a small virtual machine that has real KVM, whatever this machine has.

One line per case, `PASS vmx.file.case`, then what it ran on, then `N passed, N failed, N skipped`. A
lab that cannot be had here is skipped with its reason. Exit status 1 if a case failed or none passed.
"""

import argparse
import os
import pathlib
import re
import select
import shlex
import socket
import subprocess
import sys
import tempfile
import time

import image
from labs import LABS
from qemu import GDB_PORT
from packages import MACHINES, Apt, Missing, run, say, unpacked

HERE = pathlib.Path(__file__).resolve().parent
COUNT = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")


def default_cache():
    cache = os.environ.get("XDG_CACHE_HOME")
    return pathlib.Path(cache) / "kvmdbg/labs" if cache else HERE.parents[1] / "build/cache/labs"


def cases(lab, pattern):
    """How many cases the lab would run, for counting them as skipped."""
    listed = run(sys.executable, image.LIVE / "run.py", "--list", "--arch", lab.machine,
                 *lab.select,
                 *(("--filter", pattern) if pattern else ()))
    return len(listed.splitlines())


def prepare(lab, build, job, cache):
    """(kernel, initramfs)."""
    cache.mkdir(parents=True, exist_ok=True)
    apt = Apt(MACHINES[lab.machine], cache)
    debs = apt.fetch([apt.newest(lab.kernel), *lab.packages])
    tree = unpacked(debs, cache, f"{lab.name}-packages")
    programs = [build / name for name in lab.programs]
    if lost := [p for p in programs if not p.exists()]:
        raise Missing(f"{lost[0]} is not built")
    content = image.base(lab, tree, [d.name for d in debs], programs, apt.native, cache)
    kernel = image.kernel_of(tree).read_bytes()
    content += image.suite(lab, build, kernel, job)
    try:
        packed = subprocess.run(["lz4", "-l", "-1", "-c"], input=content, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"lz4: {error}") from None
    return kernel, packed.stdout


def lines_of(process, serial, limit):
    """What the lab writes, line by line, until it ends or its time is over."""
    deadline, rest = time.monotonic() + limit, b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([serial], [], [], min(left, 1))[0]:
            if process.poll() is not None:
                return
            continue
        piece = serial.recv(4096)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode("latin-1").rstrip("\r") for line in lines)
    yield f"lab: not done after {limit} s"


class Report:
    """Turns what the lab writes into lines and a count of our own."""

    def __init__(self, name):
        self.name = name
        self.counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
        self.said = {}  # what `lab: WORD text` lines told
        self.complete = False
        self.last = []  # of the other lines, for when it breaks off

    def take(self, line):
        word, _, rest = line.partition(" ")
        if word in self.counts:
            self.counts[word] += 1
            print(f"{word} {self.name}.{rest}", flush=True)
        elif COUNT.match(line):
            self.complete = tuple(map(int, COUNT.match(line).groups())) == tuple(self.counts.values())
        elif word == "record:":
            print(line)
        elif word in ("lab:", "host:"):
            key, _, text = rest.partition(" ") if word == "lab:" else ("host", "", rest)
            self.said[key] = text
            if key in ("kernel", "not", "no", "cannot"):
                say(f"{self.name}: {rest}")
        else:
            self.last = self.last[-9:] + [line]

    def end(self, machine):
        if not self.complete:
            self.counts["FAIL"] += 1
            print(f"FAIL {self.name}: it broke off; its last words: {' | '.join(self.last)}")
        print(f"{self.name} lab: {self.said.get('kernel', 'no kernel')}, {machine}, "
              f"{self.said.get('cpu', 'unknown CPU')}, {self.said.get('host', 'rate unknown')}")
        good, bad, left = self.counts.values()
        print(f"{good} passed, {bad} failed, {left} skipped")
        return 1 if bad or not good else 0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def serve_outside(lab):
    """What the lab does after its suite: a server for a debugger on this machine."""
    _, guest = lab.outside
    return (f"ifconfig eth0 10.0.2.15 up; cd /tmp; /build/kvmdbg run --listen 0.0.0.0:{GDB_PORT} "
            f"--allow-remote --console /tmp/c /build/guests/{guest}.elf > /tmp/log 2>&1 & server=$!; "
            "sleep 1; echo lab: outside; wait $server; echo lab: served")


def attach_outside(lab, build, port):
    """The name and the outcome of a session of the lab's debugger, as the suite tells them."""
    program, guest = lab.outside
    script = HERE / f"{program}.script"
    name = f"outside.{program.replace('-', '_')}"
    command = [program, "-nx", "-batch", build / lab.build / f"guests/{guest}.elf",
               "-ex", f"target remote 127.0.0.1:{port}", "-x", script]
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return f"SKIP {name}: {program} is not installed"
    except subprocess.TimeoutExpired:
        return f"FAIL {name}: not done after 120 s"
    said = (done.stdout + done.stderr).splitlines()
    wanted = [line[2:] for line in script.read_text().splitlines() if line.startswith("#=")]
    missing = [text for text in wanted if not any(re.search(text.strip(), line) for line in said)]
    if not missing and not done.returncode:
        return f"PASS {name}"
    return (f"FAIL {name}: no line is like {missing}; it said: "
            f"{' | '.join((done.stdout + done.stderr).splitlines())}")


def run_lab(lab, options):
    suite = ["python3", "-S", "run.py", "--kvmdbg", "/build/kvmdbg", *lab.select]
    if options.filter:
        suite += ["--filter", options.filter]
    job = options.command or f"cd /tests/live; {shlex.join(suite)}"
    port = free_port() if lab.outside and not options.command and not options.filter else None
    if port:
        job += f"; {serve_outside(lab)}"
    cache = options.cache.resolve()
    kernel, initrd = prepare(lab, options.build.resolve() / lab.build, job, cache)
    report = Report(lab.name)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kvmdbg-lab-") as room:
        say(f"{lab.name}: starting {lab.emulator}; the first case comes after up to a minute")
        process, serial = lab.emulator.start(lab, kernel, initrd, cache, room,
                                             **({"port": port} if port else {}))
        try:
            for line in lines_of(process, serial, lab.limit):
                if options.raw:
                    print(f"{time.monotonic() - start:6.1f} {line}", flush=True)
                else:
                    report.take(line)
                if line == "lab: outside":
                    report.take(attach_outside(lab, options.build.resolve(), port))
        finally:
            process.kill()
            process.wait()
            serial.close()
    say(f"{lab.name}: {time.monotonic() - start:.0f} s")
    return 0 if options.raw else report.end(", ".join((*lab.modules, str(lab.emulator))))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab", choices=sorted(LABS))
    parser.add_argument("--filter", help="regular expression searched in 'file.case'")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build",
                        help="folder with a folder for each preset, of which the lab takes its own")
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache())
    parser.add_argument("--command", help="shell commands to run in the lab instead of the suite")
    parser.add_argument("--raw", action="store_true", help="show all that the lab writes, with times")
    options = parser.parse_args()
    lab = LABS[options.lab]
    try:
        return run_lab(lab, options)
    except (Missing, OSError) as reason:
        count = cases(lab, options.filter)
        print(f"SKIP {lab.name} lab ({count} cases): {' '.join(str(reason).split())}")
        print(f"0 passed, 0 failed, {count} skipped")
        return 1


if __name__ == "__main__":
    sys.exit(main())
