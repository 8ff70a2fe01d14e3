#!/usr/bin/env python3
"""Runs the live cases: one line each, then a count. Exit status 1 if any failed."""

import argparse
import importlib
import json
import multiprocessing
import os
import pathlib
import platform
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

import check
import machine

HERE = pathlib.Path(__file__).resolve().parent


def name_of(case):
    return f"{case.__module__.removeprefix('test_')}.{case.__name__}"


def in_child(case, pipe):
    """Runs a case in a process group of its own, so that everything it started dies with it."""
    os.setsid()
    try:
        case()
        outcome = ("PASS", "")
    except check.Skip as reason:
        outcome = ("SKIP", str(reason))
    except BaseException as error:  # every way out of a case is an outcome
        where = traceback.extract_tb(error.__traceback__)
        lines = [f"{pathlib.Path(f.filename).name}:{f.lineno}" for f in where
                 if pathlib.Path(f.filename).name.startswith("test_")]
        text = " ".join(str(error).split()) or "no text"
        outcome = ("FAIL", f"{type(error).__name__}: {text} [{' '.join(lines)}]")
    pipe.send(outcome)
    pipe.close()


class Running:
    def __init__(self, case):
        self.case = case
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=in_child, args=(case, other))
        self.process.start()
        other.close()
        self.start = time.monotonic()

    def outcome(self):
        """None while it runs."""
        if self.pipe.poll(0.02):
            try:
                result = self.pipe.recv()
            except EOFError:
                result = ("FAIL", "the case's process died")
        elif time.monotonic() - self.start > self.case.limit:
            result = ("FAIL", f"not done after {self.case.limit} s")
        else:
            return None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.join()
        return result


def report(case, outcome, seconds, counts):
    word, why = outcome
    counts[word] += 1
    print(f"{word} {name_of(case)}" + (f": {why}" if why else ""), end="")
    print(f"  ({seconds:.1f} s)" if word != "SKIP" and seconds > 5 else "", flush=True)


def run(cases, jobs):
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    waiting, running = list(cases), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                case = waiting.pop(0)
                reasons = [r for r in map(machine.missing, case.needs) if r]
                if reasons:
                    report(case, ("SKIP", "; ".join(reasons)), 0, counts)
                else:
                    running.append(Running(case))
            for one in list(running):
                if (outcome := one.outcome()) is not None:
                    running.remove(one)
                    report(one.case, outcome, time.monotonic() - one.start, counts)
    finally:
        for one in running:
            os.killpg(one.process.pid, signal.SIGKILL)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not counts["PASS"] else 0


def scale_of(probe):
    """Counts are written for hosts that step 100,000 times a second, and run this Python at the speed
    of an ordinary machine: in an emulated one its share of a step is the larger one."""
    rate, slowest_ordinary = probe["quirks"]["steps_per_second"], 0.02  # seconds for what follows
    took = min(timed(lambda: sum(range(200_000))) for _ in range(3))
    scale = max(0.01, min(1.0, rate / 100_000, slowest_ordinary / took))
    print(f"host: {rate:.0f} steps a second, loops scaled by {scale:.2f}", flush=True)
    return scale


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", help="regular expression searched in 'file.case'")
    parser.add_argument("--catalogue", action="store_true",
                        help="only cases that show a rule of KVM (those with numbers)")
    parser.add_argument("--exclude", help="regular expression of cases to leave out")
    parser.add_argument("--list", action="store_true", help="names, catalogue ids and needs only")
    parser.add_argument("--arch", default=platform.machine(),
                        help="the CPU family of this host and its guests (%(default)s)")
    parser.add_argument("--kvmdbg", default=HERE / "../../build/kvmdbg", type=pathlib.Path)
    parser.add_argument("--guests", type=pathlib.Path, help="default: guests/ beside kvmdbg")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--qemu", nargs="?", const="qemu-system-x86_64",
                        help="check the client and the guests against QEMU's stub")
    options = parser.parse_args()

    sys.path.insert(0, str(HERE))
    for path in sorted(HERE.glob("test_*.py")):
        importlib.import_module(path.stem)
    cases = [c for c in check.CASES if re.search(options.filter or "", name_of(c))
             and (c.ids or not options.catalogue) and c.arch == options.arch
             and not (options.exclude and re.search(options.exclude, name_of(c)))]
    if options.list:
        for case in cases:
            print(name_of(case), *(f"#{i}" for i in case.ids), *case.needs)
        return 0
    if not cases:
        parser.error("no case matches")
    settings = machine.Settings
    settings.qemu = options.qemu
    settings.kvmdbg = str(options.kvmdbg.resolve())
    settings.guests = str((options.guests or options.kvmdbg.resolve().parent / "guests").resolve())
    if not options.qemu:
        settings.probe = machine.read_probe(settings.kvmdbg)
        print(f"record: {json.dumps(settings.probe)}", flush=True)
        settings.scale = scale_of(settings.probe)
    settings.scratch = tempfile.mkdtemp(prefix="kvmdbg-live-")
    try:
        return run(cases, options.jobs)
    finally:
        if not os.environ.get("KVMDBG_LIVE_KEEP"):
            shutil.rmtree(settings.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
