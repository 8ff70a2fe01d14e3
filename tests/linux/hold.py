#!/usr/bin/env python3
"""A guest that a debugger held for long must not notice: no burst of ticks, no stall, no jump in time.

Usage: hold.py --kvmdbg PROGRAM --guests FOLDER [--kernel FOLDER] [--hold SECONDS] [--show]

The demo guest is held for 3 s; Debian's kernel (FOLDER is what fetch.py made) for 5 s early on, and
for a minute once its timer and RCU are alive. --show prints the kernel's console.
"""
import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]
from check import Failure, equal, holds
from command_line import command_line, emulated
from machine import Machine, Settings, Symbols
from rsp import ProtocolError

COMPLAINTS = re.compile(r"rcu:.*stall|soft lockup|hung|[Cc]locksource.*unstable|Marking clocksource|"
                        r"Call Trace|NMI watchdog: BUG|time.*backwards", re.I)
STAMP = re.compile(r"(?m)^\[ *(\d+\.\d+)\] ")
SLACK = 1.0  # seconds that guest time may gain on the time that the guest ran
DEMO_HZ, LINUX_HZ = 100, 250


def run_for(client, seconds):
    """Lets the guest run; returns how long it really had."""
    start = time.monotonic()
    client.resume()
    time.sleep(seconds)
    stop = client.interrupt()
    equal(stop.code, 2, f"the stop of an interrupted guest, {stop}")
    return time.monotonic() - start


def demo_guest(options):
    """Held for 3 s: the timer's ticks of that time do not come afterwards."""
    with Machine("demo") as machine:
        client = machine.connect()
        client.resume()
        machine.wait_console("one processor\n", 30)
        client.interrupt()

        def ticks():
            return client.read_word(machine["timer_tick"])

        run_for(client, 1)
        before = ticks()
        time.sleep(3)
        equal(ticks(), before, "ticks while the guest was held")
        ran = run_for(client, 0.2)
        burst = ticks() - before
        print(f"demo guest: {burst} ticks in {ran:.2f} s after a hold of 3 s", flush=True)
        holds(burst <= ran * DEMO_HZ + 10, f"{burst} ticks in {ran:.2f} s after a hold of 3 s")
        before, ran = ticks(), run_for(client, 1.5)
        moved = ticks() - before
        holds(ran * DEMO_HZ * 0.2 <= moved <= ran * DEMO_HZ + 10,
              f"then {moved} ticks in {ran:.2f} s: the timer is not as it was")


class Linux:
    """Debian's kernel with a client that has the last word on when it runs."""

    def __init__(self, options):
        self.slow = emulated(Settings.kvmdbg)
        folder = Path(options.kernel)
        self.symbols = Symbols(folder / "vmlinux")
        self.machine = Machine("linux", image=str(folder / "vmlinux"), arguments=[
            "--append", command_line(self.slow), "--initrd", str(folder / "initrd")])

    def __enter__(self):
        self.machine.__enter__()
        self.client = self.machine.connect()
        return self

    def __exit__(self, *error):
        self.machine.__exit__(*error)

    def jiffies(self):
        return self.client.read_word(self.symbols["jiffies_64"])

    def stamp(self):
        """The last time on the console."""
        found = STAMP.findall(self.machine.console())
        return float(found[-1]) if found else 0.0

    def run_until(self, done, limit):
        """Runs until done(); returns how long the guest had."""
        start = time.monotonic()
        self.client.resume()
        while not done():
            try:
                self.client.wire.silent(0.2)
            except ProtocolError:  # something came
                stop = self.client.wait_stop(1)
                raise Failure(f"the kernel stopped at {self.symbols.near(self.client.pc())}: {stop}")
            if time.monotonic() > start + limit:
                raise Failure(f"not there after {limit} s; the console ended with "
                              f"{self.machine.console()[-300:]!r}")
        stop = self.client.interrupt()
        equal(stop.code, 2, f"the stop of an interrupted guest, {stop}")
        return time.monotonic() - start


def linux(options):
    """Held for a minute: no stall, no lockup, no unstable clock, no jump in time."""
    with Linux(options) as guest:
        try:
            hold_early(guest)
            hold_late(guest, options.hold)
            complaint = COMPLAINTS.search(guest.machine.console())
            holds(not complaint, f"the kernel complains: {complaint and complaint[0]!r}")
        finally:
            if options.show:
                print(guest.machine.console())


def hold_early(guest):
    """While printk's time is the KVM clock as it is: held for 5 s, that clock stood still."""
    machine = guest.machine
    guest.run_until(lambda: "Zone ranges" in machine.console(), 300)
    stamp, length = guest.stamp(), len(machine.console())
    time.sleep(5)
    ran = guest.run_until(lambda: STAMP.search(machine.console()[length:]), 60)
    moved = guest.stamp() - stamp
    print(f"linux: held 5 s early on; then its clock moved {moved:.2f} s in {ran:.2f} s", flush=True)
    holds(moved <= ran + SLACK, f"the kernel's clock moved {moved:.2f} s in {ran:.2f} s after a hold")


def hold_late(guest, seconds):
    """With its timer ticking and RCU at work."""
    machine = guest.machine
    alive = "smpboot: Total of" if guest.slow else "\nuptime "
    guest.run_until(lambda: alive in machine.console(), 900)
    stamp, jiffies, length = guest.stamp(), guest.jiffies(), len(machine.console())
    print(f"linux: alive, its clock at {stamp:.0f} s; held for {seconds:.0f} s", flush=True)
    time.sleep(seconds)
    equal(guest.jiffies(), jiffies, "jiffies while the guest was held")

    soon = time.monotonic() + 0.5
    ran = guest.run_until(lambda: time.monotonic() > soon, 10)
    moved = (guest.jiffies() - jiffies) / LINUX_HZ
    later = time.monotonic() + 10
    ran_on = ran + guest.run_until(lambda: time.monotonic() > later, 20)
    moved_on = (guest.jiffies() - jiffies) / LINUX_HZ
    stamps = [float(s) for s in STAMP.findall(machine.console()[length:])]
    print(f"linux: then jiffies moved {moved:.2f} s in {ran:.2f} s, {moved_on:.2f} s in {ran_on:.2f} s"
          + (f"; its clock went on at {stamps[0]:.2f}, to {stamps[-1]:.2f}" if stamps else ""),
          flush=True)
    holds(moved <= ran + SLACK, f"jiffies moved {moved:.2f} s in {ran:.2f} s after the hold")
    holds(0 < moved_on <= ran_on + SLACK, f"jiffies moved {moved_on:.2f} s in {ran_on:.2f} s")
    if stamps:
        holds(stamps[-1] - stamp <= ran_on + SLACK,
              f"the kernel's clock went from {stamp} to {stamps[-1]} in {ran_on:.2f} s")


def missing(options, case):
    """Why a case cannot run here, or None."""
    if not Path("/dev/kvm").exists():
        return "there is no /dev/kvm"
    if case is linux and not (options.kernel and (Path(options.kernel) / "vmlinux").exists()):
        return "no Debian kernel (tests/linux/fetch.py FOLDER makes one)"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--hold", type=float, default=60)
    parser.add_argument("--only", choices=["demo_guest", "linux"])
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    Settings.kvmdbg, Settings.guests = str(options.kvmdbg.resolve()), str(options.guests.resolve())
    Settings.scratch = tempfile.mkdtemp(prefix="kvmdbg-hold-")
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    try:
        for case in (demo_guest, linux):
            if options.only and case.__name__ != options.only:
                continue
            word, why = "PASS", missing(options, case)
            if why:
                word = "SKIP"
            else:
                try:
                    case(options)
                except Exception as error:  # every way out of a case is an outcome
                    word, why = "FAIL", f"{type(error).__name__}: {error}"
            counts[word] += 1
            print(f"{word} hold.{case.__name__}" + (f": {why}" if why else ""), flush=True)
    finally:
        shutil.rmtree(Settings.scratch, ignore_errors=True)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
