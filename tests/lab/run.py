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
import subprocess
import sys
import tempfile
import time

import image
from labs import LABS
from packages import MACHINES, Apt, Missing, run, say, unpacked

HERE = pathlib.Path(__file__).resolve().parent
COUNT = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")


def default_cache():
    cache = os.environ.get("XDG_CACHE_HOME")
    return pathlib.Path(cache) / "kvmdbg/labs" if cache else HERE.parents[1] / "build/cache/labs"


def cases(lab, pattern):
    """How many cases the lab would run, for counting them as skipped."""
    listed = run(sys.executable, image.LIVE / "run.py", "--list", *lab.select,
                 *(("--filter", pattern) if pattern else ()))
    return len(listed.splitlines())


def prepare(lab, build, job, cache):
    """(kernel, initramfs)."""
    cache.mkdir(parents=True, exist_ok=True)
    apt = Apt(MACHINES[lab.machine], cache)
    debs = apt.fetch([apt.newest(lab.kernel), *lab.packages])
    tree = unpacked(debs, cache, f"{lab.name}-packages")
    programs = [build / name for name in image.PROGRAMS]
    if lost := [p for p in programs if not p.exists()]:
        raise Missing(f"{lost[0]} is not built")
    content = image.base(lab, tree, [d.name for d in debs], programs, apt.native, cache)
    content += image.suite(build, job)
    try:
        packed = subprocess.run(["lz4", "-l", "-1", "-c"], input=content, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"lz4: {error}") from None
    return image.kernel_of(tree).read_bytes(), packed.stdout


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


def run_lab(lab, options):
    suite = ["python3", "-S", "run.py", "--kvmdbg", "/build/kvmdbg", *lab.select]
    if options.filter:
        suite += ["--filter", options.filter]
    job = options.command or f"cd /tests/live; {shlex.join(suite)}"
    cache = options.cache.resolve()
    kernel, initrd = prepare(lab, options.build.resolve(), job, cache)
    report = Report(lab.name)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kvmdbg-lab-") as room:
        say(f"{lab.name}: starting {lab.emulator}; the first case comes after up to a minute")
        process, serial = lab.emulator.start(lab, kernel, initrd, cache, room)
        try:
            for line in lines_of(process, serial, lab.limit):
                if options.raw:
                    print(f"{time.monotonic() - start:6.1f} {line}", flush=True)
                else:
                    report.take(line)
        finally:
            process.kill()
            process.wait()
            serial.close()
    say(f"{lab.name}: {time.monotonic() - start:.0f} s")
    return 0 if options.raw else report.end(f"{', '.join(lab.modules)}, {lab.emulator}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab", choices=sorted(LABS))
    parser.add_argument("--filter", help="regular expression searched in 'file.case'")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build/release",
                        help="folder with kvmdbg, guests/ and the live suite's programs")
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
