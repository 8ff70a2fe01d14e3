#!/usr/bin/env python3
"""The demo: a small kernel with a timer and two processors under kvmdbg, debugged with gdb.

Usage: guest.py --kvmdbg PROGRAM --guests FOLDER
"""
import argparse
import os
import re
import sys
from pathlib import Path

import session
from session import Failed, Screen


def number(answer):
    found = re.search(r"= (\d+)", answer)
    if not found:
        raise Failed(f"no number in {answer!r}")
    return int(found.group(1))


def play(s):
    s.remark("The guest is held before its first instruction: 32-bit code, paging is off.")
    s.step(f"target remote {s.server.socket}", r"0x[0-9a-f]+ in|\(\)")
    s.step("info registers rip cr0 efer", r"cr0 +0x[0-9a-f]+ +\[(?!.* PG)")
    s.remark("kernel_main lives at an address that no page table maps yet. A plain break will do:")
    s.step("break kernel_main", r"Breakpoint 1 at 0xffffffff8.*kernel\.c")
    s.step("continue", r"Breakpoint 1, kernel_main \(\) at .*kernel\.c:\d+", timeout=60)
    s.step("list", r"kernel_main")
    s.step("backtrace", r"#0 +kernel_main")
    s.step("info registers rip cr0 cr3", r"cr0 .* PG|cr0 .*\[ PG")

    s.remark("Source-level stepping.")
    s.step("next", r"\n?\d+\t")
    s.step("break factorial if n == 2", r"Breakpoint 2")
    s.step("continue", r"Breakpoint 2, factorial \(n=2\)", timeout=60)
    s.step("backtrace", r"#0 +factorial \(n=2\)(.|\n)*#3 .*factorial \(n=5\)(.|\n)*kernel_main")
    s.step("step", r"\d+\t")
    s.step("step", r"factorial|\d+\t")
    s.step("delete 2")
    s.step("up", r"factorial \(n=")
    s.step("frame function kernel_main", r"kernel_main")

    s.remark("Two processors are two threads.")
    s.step("tbreak secondary_main", r"Temporary breakpoint")
    s.step("continue", r"(?s)hit Temporary breakpoint.*secondary_main|secondary_main \(cpu=1\)",
           timeout=60)
    s.step("info threads", r"\* 2 ")
    s.step("thread apply all backtrace 2", r"(?s)secondary_main.*(kernel_main|start_secondary)")

    s.remark("A watchpoint on a global: who writes it?")
    s.step("thread 1", r"Switching to thread 1")
    s.step("watch heartbeat", r"[Ww]atchpoint \d+: heartbeat")
    s.step("continue", r"(?s)Old value = 0.*New value = [1-9]", timeout=120)
    s.step("backtrace 2", r"beat \(tick=[1-9]\d*\)")
    s.step("finish", r"kernel_main", timeout=60)
    s.step("delete")

    s.remark("Run free, and stop it with Ctrl-C.")
    before = number(s.step("print timer_tick", r"= \d+"))
    s.go_and_interrupt(r"received signal SIGINT", seconds=1.5)
    after = number(s.step("print timer_tick", r"= \d+"))
    s.expect(after > before, f"timer_tick stands still at {after}")
    s.step("info threads", r"\* 1 +Thread(.|\n)*secondary_main|shared_work")
    s.step("set var print_every = 10")
    s.step("print list_head->name", r'"plum"')
    s.step("x/2i $pc", r"=> 0x")

    s.remark("Detach: the guest runs on, as if nobody had been here.")
    mark = s.console_mark()
    s.step("detach", r"[Dd]etach")
    s.await_console(r"tick \d*0 heartbeat \d+ sum 15", timeout=60, mark=mark)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=240, help="seconds for all of it")
    args = parser.parse_args()
    screen = Screen()
    image = Path(os.path.relpath((args.guests / "demo.elf").resolve()))

    by_hand = (f"Go on by hand, in two terminals:\n"
               f"  {os.path.relpath(args.kvmdbg)} run --cpus 2 {image}\n"
               f"  gdb {image} -ex 'target remote 127.0.0.1:1234'\n"
               f"The same with Debian's own kernel:\n"
               f"  ./dev demo linux")
    return session.perform(screen, args.limit, play, args.kvmdbg, image, ["--cpus", "2"], image, by_hand)


if __name__ == "__main__":
    sys.exit(main())
