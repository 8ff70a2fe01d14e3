"""Stock lldbs over the demo guest: a user's session, command by command, and what it costs in packets."""

import os
import re
import signal
import time

from check import case, equal, holds
from lldb_session import Lldb, Session, connect, for_each_lldb
from machine import moved_kernel

# packets each may cost at most; recorded with a stub that offers everything
CONNECT, CONTINUE, STEP_OVER, STEP_INST = 23, 4, 11, 3


def to_main(lldb):
    lldb.do("breakpoint set --name kernel_main --one-shot true", r"kernel\.c:\d+")
    lldb.do("continue", r"stop reason = one-shot breakpoint 1.*kernel_main")


@for_each_lldb()
def at_entry(version):
    with Session(version, attach=False, cpus=2) as (machine, lldb):
        output = lldb.do(connect(machine), r"Process \d+ stopped\n\* thread #1, name = 'vCPU 0', "
                                           r"stop reason = at entry\n.*boot_entry", packets=CONNECT)
        holds("warning" not in output and "error" not in output, output)
        holds(f"Process {machine.process.pid} " in output, output)
        refused = [(asked, told) for asked, told in
                   zip(lldb.sent(), lldb.packets("read")) if told == ""]
        cheap = {"jThreadExtendedInfo:"}  # asked once; with an answer it would be asked at each stop
        holds(all(asked in cheap for asked, _ in refused), f"answered empty: {refused}")
        lldb.do("thread list", r"\* thread #1: .*boot\.S.*\n  thread #2: tid = 0x0002, .*vCPU 1")
        lldb.do("register read rip rflags cs", r"rip = 0x0+100000")
        lldb.do("process status", "stop reason = at entry")
        equal(machine.console(), "", "console")


@for_each_lldb()
def breakpoints(version):
    with Session(version) as (machine, lldb):
        lldb.do("breakpoint set --name factorial", r"Breakpoint 1: where = demo.elf`factorial at kernel\.c")
        lldb.do("continue", r"stop reason = breakpoint 1\.1.*factorial\(n=5\) at kernel\.c",
                packets=CONTINUE)
        lldb.do("bt", r"#0: .*factorial\(n=5\).*#1: .*kernel_main at kernel\.c.*#2: .*primary_start",
                packets=6)
        lldb.do("frame variable n", r"\(unsigned int\) n = 5")
        lldb.do("breakpoint modify --condition 'n == 2' 1")
        lldb.do("continue", r"factorial\(n=2\)")
        lldb.do("bt", r"factorial\(n=2\).*factorial\(n=3\).*factorial\(n=4\).*factorial\(n=5\)", packets=6)
        lldb.do("up", r"frame #1: .*factorial\(n=3\)")
        lldb.do("breakpoint delete 1")
        lldb.do("breakpoint set --file kernel.c --source-pattern-regexp 'heartbeat = tick'",
                r"Breakpoint 2: .*beat")
        lldb.do("continue", r"stop reason = breakpoint 2\.1.*beat\(tick=\d+\)")
        lldb.do("breakpoint delete 2")
        lldb.do(f"breakpoint set --address {machine['shared_work']:#x}", r"Breakpoint 3: .*shared_work")
        lldb.do("continue", r"stop reason = breakpoint 3\.1.*shared_work")
        lldb.do("breakpoint delete 3")


@for_each_lldb(needs=["hardware_exec"])
def hardware_breakpoint(version):
    with Session(version) as (machine, lldb):
        lldb.do("breakpoint set --hardware --name factorial", "Breakpoint 1")
        lldb.do("continue", r"stop reason = breakpoint 1\.1.*factorial\(n=5\)")
        holds(any(packet.startswith("Z1,") for packet in lldb.sent()), "no Z1 was sent")
        lldb.do("continue", r"factorial\(n=4\)")
        lldb.do("breakpoint delete 1")


@for_each_lldb(limit=120)
def watchpoint_write(version):
    with Session(version) as (machine, lldb):
        to_main(lldb)
        lldb.do("watchpoint set expression -w write -s 8 -- &heartbeat",
                rf"Watchpoint created: Watchpoint 1: addr = {machine['heartbeat']:#x} size = 8")
        lldb.do("continue", r"Watchpoint 1 hit:\s+old value: 0(x0+)?\s+new value: (0x)?[0-9a-f]+.*"
                            r"stop reason = watchpoint 1.*beat\(tick=", timeout=100)
        lldb.do("watchpoint list", r"hw resources|Watchpoint 1: addr")
        lldb.do("watchpoint delete 1", "deleted")


@for_each_lldb(limit=120)
def watchpoint_read_write(version):
    with Session(version) as (_, lldb):
        to_main(lldb)
        lldb.do("breakpoint set --name beat --one-shot true")
        lldb.do("continue", r"beat\(tick=")
        lldb.do("watchpoint set expression -w read_write -s 8 -- &heartbeat", "Watchpoint 1: addr")
        lldb.do("continue", r"stop reason = watchpoint 1.*beat\(tick=", timeout=100)
        lldb.do("watchpoint delete 1", "deleted")


@for_each_lldb()
def steps(version):
    with Session(version, cpus=2) as (_, lldb):
        to_main(lldb)
        lldb.do("thread step-over", "stop reason = step over.*print", packets=STEP_OVER)
        lldb.do("thread step-over", "stop reason = step over.*interrupts_init", packets=STEP_OVER)
        lldb.do("breakpoint set --name factorial")
        lldb.do("continue", r"factorial\(n=5\)")
        lldb.do("breakpoint disable 2")
        lldb.do("thread step-inst", r"stop reason = instruction step into", packets=STEP_INST)
        lldb.do("thread step-inst", r"stop reason = instruction step into", packets=STEP_INST)
        lldb.do("thread step-over", r"stop reason = step over", packets=STEP_OVER)
        lldb.do("thread step-in", r"below = factorial", packets=STEP_OVER)
        lldb.do("thread step-in", r"factorial\(n=4\)", packets=STEP_OVER)
        lldb.do("finish", r"stop reason = step out.*Return value: \(uint64_t\) \$\d+ = 24.*"
                          r"factorial\(n=5\)")
        lldb.do("finish", r"Return value: \(uint64_t\) \$\d+ = 120.*kernel_main")
        line = re.search(r"kernel_main at kernel\.c:(\d+)", lldb.do("frame info"))[1]
        lldb.do(f"thread until {int(line) + 2}", r"stop reason = step until.*kernel_main")


@for_each_lldb()
def registers(version):
    setting = ("plugin.process.gdb-remote.use-g-packet-for-reading true",)
    with Session(version, settings=setting) as (machine, lldb):
        to_main(lldb)
        output = lldb.do("register read --all", r"general:\n.*\n.*system:\n.*float:\n.*vector:\n")
        asked = [packet for packet in lldb.sent() if packet[0] in "gp" and ";thread:" in packet]
        equal(len(asked), 2, f"register packets, one of them the probe at connect, not {asked}")
        for name in ("rax", "rip", "eflags", "cr0", "cr3", "efer", "gdtr_base", "dr7", "lstar", "xmm0"):
            holds(re.search(rf"\b{name} = ", output), f"no {name} in {output!r}")
        client = machine.connect()
        try:
            wanted = client.register("cr3")
        finally:
            client.close()
        equal(int(re.search(r"\bcr3 = (0x[0-9a-f]+)", output)[1], 16), wanted, "cr3")
        lldb.do("register read cr0", r"PG|0x0*80")
        lldb.do("register write r15 0x123456789abcdef")
        lldb.do("register read r15", "0x0123456789abcdef")
        lldb.do("register write cr2 0x5000")
        lldb.do("register read cr2", "0x0+5000")
        lldb.do("register write xmm3 '{1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16}'")
        lldb.do("register read xmm3", r"\{0x01 0x02 .* 0x10\}")


@for_each_lldb()
def memory(version):
    with Session(version) as (machine, lldb):
        to_main(lldb)
        at = machine["history"]
        lldb.do(f"memory write -s 4 {at:#x} 0x11223344 0x55667788")
        lldb.do(f"memory read -s 4 -f x -c 2 {at:#x}", "0x11223344 0x55667788")
        lldb.do(f"memory find -e 0x55667788 {at - 64:#x} {at + 64:#x}",
                rf"data found at location: {at + 4:#x}")
        lldb.do(f"memory region {machine['kernel_main']:#x}", r"r.x RAM")
        lldb.do("memory region 0xdead000000000000", r"---|is not mapped|\[0x")
        whole = lldb.do("memory region --all", r"^\[0x0+-0x.*0xffffffffffffffff\)|RAM")
        ends = re.findall(r"\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\)", whole)
        for (_, end), (begin, _) in zip(ends, ends[1:]):
            equal(int(begin, 16), int(end, 16), "the next region's start")
        lldb.do("memory read 0x123456789000", r"error:")
        file = os.path.join(machine.folder, "mebibyte")
        before = len(lldb.sent())
        lldb.do(f"memory read --force --binary --outfile {file} --count 1048576 0x100000")
        equal(os.path.getsize(file), 1 << 20, "bytes read")
        holds(len(lldb.sent()) - before <= 16, "packets for 1 MiB")


@for_each_lldb()
def deep_stack(version):
    with Session(version) as (_, lldb):
        lldb.do("breakpoint set --name factorial --one-shot true")
        lldb.do("continue", r"factorial\(n=5\)")
        lldb.do("register write rdi 20")
        lldb.do("breakpoint set --name factorial --condition 'n == 1'")
        lldb.do("continue", r"factorial\(n=1\)")
        lldb.do("bt", r"frame #19: .*factorial\(n=20\).*frame #20: .*kernel_main", packets=6)


@for_each_lldb()
def disassembly_of_every_mode(version):
    with Session(version) as (machine, lldb):
        lldb.do("disassemble --arch i386 --start-address 0x100000 --count 3",
                r"movl +%ebx, 0x11\w+\n.*movl +\$0x10\w+, %esp.*\n.*lgdtl")  # as it will be run
        lldb.do("memory write 0x200000 0xb8 0x34 0x12 0xcd 0x10 0xf4")
        lldb.do("disassemble --arch i386-unknown-unknown-code16 --start-address 0x200000 --count 3",
                r"movw +\$0x1234, %ax.*\n.*int +\$0x10\n.*hlt")
        to_main(lldb)
        lldb.do("disassemble --pc --count 2", r"-> +0xffffffff80")


@for_each_lldb()
def interrupt_and_detach(version):
    with Session(version) as (machine, lldb):
        lldb.wait_for_stops(False)
        lldb.do("continue", r"resuming")
        machine.wait_console("tick ")
        lldb.send("process interrupt")
        lldb.wait_for(r"stop reason = signal SIG(INT|STOP)")  # it may come before the command is done
        lldb.finish()
        lldb.wait_for_stops(True)
        pc = re.search(r"rip = (0x[0-9a-f]+)", lldb.do("register read rip"))[1]
        lldb.do("detach --keep-stopped true")
        seen = machine.console()
        time.sleep(0.3)
        equal(machine.console(), seen, "the guest's console while it is held")
        lldb.do(connect(machine), r"Process \d+ stopped")
        lldb.do("register read rip", pc)
        lldb.do("detach")
        machine.wait_console(seen + "tick" if seen.endswith("\n") else seen)
        seen = len(machine.console())
        deadline = time.monotonic() + 20
        while len(machine.console()) == seen:
            holds(time.monotonic() < deadline, "the guest does not go on after detach")
            time.sleep(0.02)


@for_each_lldb()
def killed_while_it_runs(version):
    with Session(version) as (machine, lldb):
        lldb.do("breakpoint set --name beat")
        lldb.do("continue", r"beat\(tick=")
        lldb.send("continue")
        lldb.process.send_signal(signal.SIGKILL)
        lldb.process.wait()
        client = machine.connect()
        client.ask("?")
        equal(client.read(machine["beat"], 1)[0] != 0xcc, True, "no breakpoint is left")
        client.close()
        again = Lldb(version, machine.folder, machine.image)
        try:
            again.do(connect(machine), r"Process \d+ stopped")
            again.do("breakpoint set --name beat")
            again.do("continue", r"stop reason = breakpoint 1\.1.*beat\(tick=")
        finally:
            again.close()


@for_each_lldb()
def two_at_once(version):
    with Session(version) as (machine, first):
        second = Lldb(version, machine.folder + "/..", machine.image)
        try:
            to_main(first)
            second.do(connect(machine), r"Process \d+ stopped")
            second.do("bt", "kernel_main")
            second.do("memory write 0x200000 0x42")
            first.do("memory read -c 1 0x200000", "0x00200000: 42")
            second.do("thread step-inst", r"run control is held by client \d+")
            first.do("thread step-inst", "instruction step into")
        finally:
            second.close()


@for_each_lldb()
def symbols_moved_by_hand(version):
    with Session(version) as (machine, lldb):
        lldb.do(f"image add {os.path.join(os.path.dirname(machine.image), 'module.elf')}")
        lldb.do("image list", "demo.elf.*module.elf")
        lldb.do("target modules load --file demo.elf --slide 0x1000")
        lldb.do("image lookup --name kernel_main --verbose",
                rf"range = \[{machine['kernel_main'] + 0x1000:#x}")
        lldb.do("target modules load --file demo.elf --slide 0")
        to_main(lldb)


@for_each_lldb()
def a_kernel_that_moves_itself(version):
    with moved_kernel(units=5) as (machine, symbols, tick):
        lldb = Lldb(version, machine.folder, symbols)
        try:
            lldb.do(connect(machine), r"Process \d+ stopped\n.*vmlinux`(moved|tick|tick_ret)")
            lldb.do("breakpoint set --name tick --skip-prologue false", f"address = {tick:#x}")
            lldb.do("continue", r"stop reason = breakpoint 1\.1.*vmlinux`tick")
            lldb.do("register read pc", f"{tick:#x}")
        finally:
            lldb.close()


@case(needs=["gdb"])
def gdb_beside_lldb():
    """Two dialects on one port."""
    from test_gdb import Gdb

    with Session("22") as (machine, lldb):
        to_main(lldb)
        gdb = Gdb(machine).attach()
        try:
            gdb.do("info registers rip", "kernel_main")
            gdb.do("info threads", "vCPU 0")
            lldb.do("thread step-inst", "instruction step into")
        finally:
            gdb.close()
