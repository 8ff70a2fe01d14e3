#!/usr/bin/env python3
"""Debian's stock kernel under stock lldbs, by name and without a debug package.

Usage: under_lldb.py --kvmdbg PROGRAM --kernel FOLDER      FOLDER is what fetch.py made

One line per session, PASS, FAIL or SKIP, then a count. Where the first breakpoint came quickly the kernel is
also booted from its bzImage, with KASLR; hosts that emulate the guest take minutes to unpack it.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "live"))
from check import Skip, holds  # noqa: E402
from command_line import command_line, emulated  # noqa: E402
from lldb_session import VERSIONS, Lldb, program  # noqa: E402

FAST = 3.0  # seconds from there to parse_early_param; far less on hardware
CONNECT, CONTINUE, STEP_INST = 23, 4, 3  # packets


class Server:
    def __init__(self, options, image, line, folder, go=False):
        self.socket = os.path.join(folder, "gdb")
        self.log = open(os.path.join(folder, "log"), "wb")
        self.process = subprocess.Popen(
            [options.kvmdbg, "run", image, "--append", line, "--memory", "256M", "--listen",
             "unix:" + self.socket, "--console", os.path.join(folder, "console"), "--dump-folder", folder,
             *(["--go"] if go else [])],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.socket):
            holds(self.process.poll() is None and time.monotonic() < deadline,
                  Path(self.log.name).read_text())
            time.sleep(0.02)
        self.url = f"process connect --plugin gdb-remote unix-connect://{self.socket}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def early(lldb, server):
    """From the first instruction, before paging, into start_kernel."""
    lldb.do(server.url, r"Process \d+ stopped\n.*stop reason = at entry", packets=CONNECT)
    lldb.do("breakpoint set --name start_kernel", r"Breakpoint 1: where = vmlinux`start_kernel")
    lldb.do("breakpoint set --name do_early_exception --one-shot true")
    lldb.do("continue", r"stop reason = one-shot breakpoint 2\n.*do_early_exception", timeout=60)
    lldb.do("bt", r"#0: .*do_early_exception.*early_idt_handler_common.*x86_64_start_kernel")
    lldb.do("up 2", r"frame #2: ")
    lldb.do("continue", r"stop reason = breakpoint 1\.1\n.*start_kernel", timeout=120, packets=CONTINUE)
    lldb.do("bt", r"#0: .*start_kernel\n.*#1: .*secondary_startup_64", packets=6)
    lldb.do("target list", "arch=x86_64-.*linux")
    lldb.do("x/s &linux_banner", '"Linux version 6')
    lldb.do("memory region $rip", r"r.x RAM")
    lldb.do("register read cr0 cr3 efer", "cr0 = 0x0000000080")
    lldb.do("thread step-inst", "instruction step into", packets=STEP_INST + 2)  # off a breakpoint
    lldb.do("thread step-inst", "instruction step into", packets=STEP_INST)
    lldb.do("finish", r"start_kernel \+ ")


def deeper(lldb):
    """Through set-up code; returns how long the guest took."""
    lldb.do("watchpoint set expression -w write -s 1 -- &early_boot_irqs_disabled", "Watchpoint 1: addr")
    lldb.do("continue", r"stop reason = watchpoint 1\n.*start_kernel \+", timeout=120)
    lldb.do("watchpoint delete 1")
    lldb.do("breakpoint set --hardware --name parse_early_param", "parse_early_param")
    start = time.monotonic()
    lldb.do("continue", r"stop reason = breakpoint \d\.1\n.*parse_early_param", timeout=180)
    seconds = time.monotonic() - start
    lldb.do("bt", r"parse_early_param.*setup_arch.*start_kernel.*secondary_startup_64", packets=6)
    lldb.do("up", r"frame #1: .*setup_arch")
    lldb.do("disassemble --count 3", "setup_arch")
    return seconds


def cores(lldb, folder, vmlinux):
    """What lldb saves it opens again, and what the server saves gdb does, too."""
    lldb.do(f"process save-core --plugin-name=minidump --style stack {folder}/mini.core", timeout=60)
    lldb.do("process plugin packet monitor dump whole.core", "wrote 256 MiB", timeout=60)
    lldb.do("frame select 0")
    rip = re.search(r"rip = (0x[0-9a-f]+)", lldb.do("register read rip"))[1]
    lldb.do("detach")
    lldb.do(f"target create --core {folder}/mini.core {vmlinux}", r"Core file .* was loaded|Process")
    lldb.do("bt", "parse_early_param.*setup_arch")
    lldb.do(f"target create --core {folder}/whole.core {vmlinux}", "Core file .* was loaded")
    lldb.do("register read rip", rip)
    lldb.do(f"target modules load --file {vmlinux} --slide 0")
    lldb.do("bt", "frame #0: .*parse_early_param")
    said = subprocess.run(["gdb", "-nx", "-batch", vmlinux, f"{folder}/whole.core", "-ex", "bt"],
                          capture_output=True, text=True, timeout=120, check=False).stdout
    holds(re.search(r"#0 .*parse_early_param", said), said)


def session(version, options, kernel, folder):
    program(version)
    vmlinux = kernel / "vmlinux"
    server = Server(options, vmlinux, command_line(True) if emulated(options.kvmdbg) else "console=ttyS0",
                    folder)
    lldb = Lldb(version, folder, vmlinux)
    try:
        early(lldb, server)
        seconds = deeper(lldb)
        cores(lldb, folder, vmlinux)
        return seconds
    finally:
        lldb.close()
        server.close()


def moved(version, options, kernel, folder):
    """KASLR: the client is told where the kernel is, and does the rest itself."""
    line = command_line(False).replace(" nokaslr", "")
    server = Server(options, kernel / "vmlinuz", line, folder, go=True)
    lldb = Lldb(version, folder, kernel / "vmlinux")
    try:
        deadline = time.monotonic() + 60
        while "Linux version" not in Path(folder, "console").read_text(errors="replace"):
            holds(time.monotonic() < deadline, "no banner on the console")
            time.sleep(0.2)
        lldb.do(server.url, r"Process \d+ stopped")
        lldb.do("x/s &linux_banner", '"Linux version 6')
    finally:
        lldb.close()
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--kernel", type=Path, required=True)
    options = parser.parse_args()
    options.kvmdbg = options.kvmdbg.resolve()
    kernel, counts = options.kernel.resolve(), dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)

    def tell(name, action):
        try:
            with tempfile.TemporaryDirectory(prefix="kvmdbg-lldb-") as folder:
                word, why, result = "PASS", "", action(folder)
        except Skip as reason:
            word, why, result = "SKIP", str(reason), None
        except (AssertionError, TimeoutError) as error:
            word, why, result = "FAIL", " ".join(str(error).split()), None
        counts[word] += 1
        print(f"{word} {name}" + (f": {why}" if why else ""), flush=True)
        return result

    def kaslr(version, seconds, folder):
        if seconds is None or seconds > FAST:
            raise Skip("this host takes minutes to unpack a kernel")
        moved(version, options, kernel, folder)

    for version in VERSIONS:
        seconds = tell(f"linux under lldb-{version}",
                       lambda folder: session(version, options, kernel, folder))
        tell(f"linux with KASLR under lldb-{version}", lambda folder: kaslr(version, seconds, folder))
    good, bad, left = counts.values()
    print(f"{good} passed, {bad} failed, {left} skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
