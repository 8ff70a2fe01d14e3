#!/usr/bin/env python3
"""The demo with a real kernel: Debian's stock cloud kernel, debugged by name without a debug package.

Usage: linux.py --kvmdbg PROGRAM --kernel FOLDER [--boot never|fast|always]

FOLDER is what tests/linux/fetch.py made. --boot says whether to go on to user space; `fast` does
when the first breakpoint came quickly (some hosts emulate the guest at 2 million instructions a
second, where booting takes very long).
"""
import argparse
import os
import sys
import time
from pathlib import Path

import session
from session import Screen

sys.path.append(str(Path(__file__).resolve().parents[1] / "linux"))
from command_line import command_line, emulated

FAST = 3.0  # seconds from start_kernel to parse_early_param; far less on hardware


def play_early(s):
    """To the first console lines. Returns whether this host is fast."""
    s.remark("The machine is held at the kernel's 32-bit PVH entry; paging is off.")
    s.step(f"target remote {s.server.socket}", r"0x[0-9a-f]+ in|\(\)")
    s.step("info registers rip cr0", r"cr0 +0x[0-9a-f]+ +\[(?!.* PG)")
    s.remark("A breakpoint at a name, at an address that is not mapped yet.")
    s.step("break start_kernel", r"Breakpoint 1 at 0xffffffff8")
    s.step("continue", r"Breakpoint 1, 0xffffffff8[0-9a-f]+ in start_kernel \(\)", timeout=120)
    s.step("backtrace", r"#0 .*start_kernel \(\)\n#1 .*secondary_startup_64")
    s.step("info registers rip cr0 cr3 cr4 efer", r"cr0 .*\[.*PG(.|\n)*cr3 +0x[0-9a-f]*[1-9a-f]")
    s.step("x/s &linux_banner", r'"Linux version 6\.')
    s.step("monitor linux", r"(?m)^Linux version 6\.")
    s.step("monitor symbols", r"(?m)^init_task +0xffffffff8")
    s.step("find &linux_banner, +64, 'v', 'e', 'r', 's'", r"1 pattern found")
    s.step("dump binary memory /dev/null &linux_banner ((char *)&linux_banner)+64", r"^$")
    s.step("monitor catch exception #PF", r"exception catchpoint at 0xe")
    s.step("monitor catch delete all", r"deleted")
    s.step("print ((struct task_struct *)&init_task)->comm", r'= "swapper')
    s.step("x/4i $pc", r"=> 0x.*<start_kernel\+?\d*>")
    s.step("stepi", r"0xffffffff8[0-9a-f]+ in ")

    s.remark("Who writes this variable?")
    s.step("watch *(char *)&early_boot_irqs_disabled", r"[Ww]atchpoint 2")
    s.step("continue", r"Old value = 0 .*\n.*New value = 1 ", timeout=120)
    s.step("backtrace", r"#0 .*start_kernel \(\)")
    s.step("delete")

    s.remark("Deeper in: the stack is walked exactly, though the kernel has no frame pointers.")
    s.step("tbreak parse_early_param", r"Temporary breakpoint")
    start = time.monotonic()
    s.step("continue", r"parse_early_param \(\)", timeout=180)
    fast = time.monotonic() - start < FAST
    s.step("backtrace", r"#0 .*parse_early_param(.|\n)* in setup_arch \(\)(.|\n)* in start_kernel \(\)")
    s.step("x/s &boot_command_line", r'"console=ttyS0')

    s.remark("Run on to the first lines of its console, then Ctrl-C.")
    s.go_and_interrupt(r"SIGINT", until=r"\] Linux version 6\.(.|\n)*BIOS-e820: .*usable\r?\n",
                       timeout=180)
    s.step("backtrace", r"(?m)^#[1-9]\d* .* in start_kernel \(\)")
    s.step("info registers rip rsp eflags cr3", r"(?m)^cr3 +0x")
    s.step("stepi", r"0x[0-9a-f]+ in ")
    return fast


def play_boot(s, init):
    """From the first timer tick to a program of the guest."""
    s.remark("The first timer interrupt: the stack goes through it.")
    s.step("tbreak tick_handle_periodic", r"Temporary breakpoint")
    s.step("continue", r"tick_handle_periodic \(\)", timeout=300)
    s.step("backtrace", r"#0 .*tick_handle_periodic(.|\n)*<signal handler called>(.|\n)*start_kernel")
    s.step("watch *(unsigned long *)&jiffies", r"[Ww]atchpoint")
    s.step("continue", r"Old value = (\d+)\n.*New value = (?!\1\n)\d+", timeout=300)
    s.step("backtrace 4", r"(?m)^#\d .*(do_timer|tick)")
    s.step("delete")

    s.remark("A breakpoint in a program of the guest, by its own symbols.")
    s.step(f"add-symbol-file {init}", r"add symbol table|Reading symbols")
    s.step("hbreak report_uptime", r"Hardware assisted breakpoint")
    mark = s.console_mark()
    s.step("continue", r"Breakpoint \d+, report_uptime \(\)", timeout=600)
    s.await_console(r"kvmdbg: userspace is up", mark=mark)
    s.step("info registers rip cs cr3", r"cs +0x33")
    s.step("next", r"(?m)^\d+\t")
    s.step("delete")
    s.step("tbreak do_sys_openat2", r"Temporary breakpoint")
    s.step("continue", r"do_sys_openat2 \(\)", timeout=60)
    s.step("backtrace", r"do_syscall_64(.|\n)*report_uptime")
    s.go_and_interrupt(r"SIGINT", until=r"uptime \d", timeout=60)
    s.step("backtrace 3", r"#0 ")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--boot", choices=["never", "fast", "always"], default="fast")
    parser.add_argument("--limit", type=int, help="seconds for all of it")
    args = parser.parse_args()
    screen = Screen()
    image, initrd = (os.path.relpath(args.kernel / name) for name in ("vmlinux", "initrd"))
    slow = emulated(args.kvmdbg)
    options = ["--memory", "128M", "--append", command_line(slow), "--initrd", initrd]

    def play(s):
        fast = play_early(s) and not slow
        if args.boot == "always" or (args.boot == "fast" and fast):
            play_boot(s, os.path.relpath(args.kernel / "init"))
        elif args.boot == "fast":
            s.skip("boot to user space: this host runs the guest slowly (see it all: "
                   "./dev demo linux --boot always)")
        s.remark("Detach: the guest runs on, as if nobody had been here.")
        mark = s.console_mark()
        s.step("detach", r"[Dd]etach")
        s.await_console(r"(Hypervisor detected|uptime \d).*\n", timeout=180, mark=mark)

    limit = args.limit or (1800 if args.boot == "always" else 600)
    by_hand = (f"Go on by hand, in two terminals:\n"
               f"  {os.path.relpath(args.kvmdbg)} run {session.quoted(options)} {image}\n"
               f"  gdb {image} -ex 'target remote 127.0.0.1:1234'")
    return session.perform(screen, limit, play, args.kvmdbg, image, options, image, by_hand)


if __name__ == "__main__":
    sys.exit(main())
