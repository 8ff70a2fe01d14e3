"""plugins/gdb/kvmdbg.py in a real gdb: what each command shows is held against another source."""

import os
import pathlib
import re
import socket
import struct
import subprocess
import threading

from check import case, equal, holds
from machine import Machine
from test_gdb import Demo, Gdb, to_main

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "plugins/gdb/kvmdbg.py"
NEEDS = ["gdb", "kvmdbg"]


class Plugged(Demo):
    def __enter__(self):
        machine, gdb = super().__enter__()
        gdb.do(f"source {PLUGIN}", r"^\s*$")
        return machine, gdb


def hexadecimal(gdb, expression):
    return int(re.search(r"= (0x[0-9a-f]+)", gdb.do(f"print/x {expression}"))[1], 16)


def rows(text):
    """Lines of a table, each cut where two spaces stand."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]


@case(needs=NEEDS)
def help_and_completion():
    with Plugged() as (_, gdb):
        words = re.findall(r"^kvm (\w+) --", gdb.do("help kvm"), re.M)
        equal(sorted(words), sorted("caps clients console exceptions gdt idt list msr phys points stops "
                                    "symbols take trace vcpus walk".split()), "words of help")
        equal(gdb.do("complete kvm ").split(), [part for word in words for part in ("kvm", word)],
              "completion")
        for word in words:
            holds(len(gdb.do(f"help kvm {word}")) > 20, f"help kvm {word}")
        gdb.do("complete kvm exceptions #P", r"kvm exceptions #PF\s*$")
        gdb.do("complete kvm walk kernel_ma", r"kvm walk kernel_main\s*$")
        gdb.do("kvm", r"List of kvm subcommands")
        gdb.do("kvm nonsense", r'there is no "kvm nonsense"; `help kvm` lists')
        for word in ("caps", "vcpus", "idt", "trace", "list"):
            gdb.do(f"kvm {word} now", r"takes no arguments, and was given \"now\"")


@case(needs=NEEDS)
def capabilities_points_clients():
    with Plugged() as (machine, gdb):
        caps, monitor = gdb.do("kvm caps"), gdb.do("monitor caps")
        equal(re.findall("^note: .*", caps, re.M), re.findall("^note: .*", monitor, re.M), "notes")
        for name in ("hardware slots", "single step"):
            equal(*(re.search(rf"{name} +(\S+)", text)[1] for text in (caps, monitor)), name)
        holds(re.search(r"vcpus +1\n", caps), caps)
        gdb.do("kvm points", r"no points")
        to_main(gdb)
        gdb.do("set breakpoint always-inserted on")
        gdb.do("hbreak beat")
        gdb.do("stepi")
        shown = rows(gdb.do("kvm points"))
        said = gdb.do("monitor points")
        equal(f"{shown[1][0]}: {shown[1][1]}, {shown[1][2]} hits", said.strip(), "point")
        equal(shown[1][3], "1", "owner")
        other = machine.connect()
        equal([row[0] for row in rows(gdb.do("kvm clients"))], ["Client", "1 (you)", "2"], "clients")
        equal(other.ask("jKvm.takeControl"), '{"before":1,"now":2}', "the other takes control")
        gdb.do("kvm clients", r"2 +gdb.* from .* yes")
        gdb.send("stepi")
        holds("run control is held by client 2" in gdb.finish(), "a step without run control")
        gdb.do("kvm take", r"run control: client 1, before: client 2")
        gdb.do("stepi", r"0x|kernel\.c")


@case(needs=NEEDS)
def vcpus_and_the_time_line():
    with Plugged(cpus=2) as (_, gdb):
        gdb.do("kvm stops", r"no stops yet")
        to_main(gdb)
        shown = rows(gdb.do("kvm vcpus"))
        equal([row[0] for row in shown], ["vCPU", "0", "1"], "vCPUs")
        for row, thread in zip(shown[1:], (1, 2)):
            gdb.do(f"thread {thread}")
            equal(int(row[3].split()[0], 16), hexadecimal(gdb, "$pc"), f"pc of vCPU {row[0]}")
            holds(row[2] in gdb.do("info threads"), f"{row[2]!r} is no thread's mode")
        equal(shown[1][4], "hardware point at " + shown[1][3].split()[0], "why")
        equal(shown[2][4], "held", "why")
        gdb.do("thread 1")
        gdb.do("stepi")
        line = rows(gdb.do("kvm stops"))
        equal([row[1:] for row in line[1:]], [["1", "1", "0", shown[1][4]], ["2", "1", "0", "stepped"]],
              "time line")
        equal(len(rows(gdb.do("kvm stops 1"))), 2, "lines of `kvm stops 1`")
        gdb.do("kvm stops 257", r"\"count\" is 257: 1 to 256")


@case(needs=NEEDS)
def walks_and_physical_memory():
    with Plugged() as (_, gdb):
        gdb.do("kvm walk $pc", r"0x100000 is physical 0x100000, paging is off")
        to_main(gdb)
        pc = hexadecimal(gdb, "$pc")
        equal(gdb.do("kvm walk $pc"), gdb.do(f"monitor translate {pc:x}"), "walk")
        where = hexadecimal(gdb, "$kvm_walk($pc)")
        holds(f"is physical {where:#x}" in gdb.do("kvm walk kernel_main"), "of a function's name")
        equal(hexadecimal(gdb, f"$kvm_phys({where:#x})"), hexadecimal(gdb, "*(unsigned long *)$pc"),
              "a word at pc")
        dump = gdb.do(f"kvm phys {where:#x} 20").splitlines()
        want = re.findall(r"0x([0-9a-f]{2})\b(?!.*:)", gdb.do("x/20xb $pc"))
        equal("".join(line[20:67].replace(" ", "") for line in dump if line.strip()), "".join(want),
              "bytes at pc")
        equal(hexadecimal(gdb, "$kvm_walk(&heartbeat)"),
              hexadecimal(gdb, "(long)&heartbeat & 0x7fffffff"), "of a variable")
        gdb.do("kvm phys 0xffff000000000000", r"no memory at 0xffff000000000000")
        gdb.do("kvm phys 0 0", r"\"length\" is 0: 1 to 32768")
        gdb.do("kvm walk", r"kvm walk ADDRESS")
        gdb.do("kvm walk nonsense", r"No symbol \"nonsense\"")
        gdb.do("kvm walk 0x123400000000", r"0x123400000000: no page")
        gdb.do("print $kvm_walk(0x123400000000)", r"0x123400000000: no page")


@case(needs=NEEDS)
def tables_and_msrs():
    with Plugged() as (machine, gdb):
        to_main(gdb)
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial \(n=5\)")
        text = gdb.do("kvm idt")
        holds(f"idt at {hexadecimal(gdb, '$idtr_base'):#x}, limit {hexadecimal(gdb, '$idtr_limit'):#x}"
              in text, text)
        vectors = {int(row[0], 16): row for row in rows(text)[2:]}
        equal(sorted(vectors), [*range(9), *range(10, 15), 16, 17, 0x20], "vectors")
        for vector, row in vectors.items():
            name = "timer_interrupt" if vector == 0x20 else f"exception_{vector}"
            equal(row[1:], ["64-bit interrupt gate", f"{machine[name]:#x} <{name}>", "0x10", "0", "0",
                            "yes"], f"vector {vector}")
        text = gdb.do("kvm gdt")
        holds(f"gdt at {hexadecimal(gdb, '$gdtr_base'):#x}" in text, text)
        cs = hexadecimal(gdb, "$cs")
        code = {int(row[0], 16): row for row in rows(text)[2:]}[cs >> 3]
        equal(code[1:], ["64-bit code", "0x0", "0xffffffff", "0", "yes"], "the code segment in use")
        equal(hexadecimal(gdb, "$kvm_msr(0xc0000080)"), hexadecimal(gdb, "$efer"), "EFER")
        gdb.do("kvm msr 0xc0000082 0xffffffff80123450", r"msr 0xc0000082 = 0xffffffff80123450")
        equal(hexadecimal(gdb, "$lstar"), 0xffffffff80123450, "LSTAR as a register")
        gdb.do("kvm msr 0xc0000100 0x1230", r"= 0x1230")
        equal(hexadecimal(gdb, "$fs_base"), 0x1230, "the base of FS")
        gdb.do("kvm msr 0xc0000082 0x8000000000000000",
               r"KVM refuses 0x8000000000000000 for MSR 0xc0000082")
        gdb.do("kvm msr", r"kvm msr NUMBER \[VALUE\]")
        gdb.do("print $kvm_msr(0x12345678)", r"no MSR 0x12345678")
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat")
        equal(hexadecimal(gdb, "$lstar"), 0xffffffff80123450, "LSTAR after a run")


@case(needs=NEEDS)
def console_and_trace():
    with Plugged() as (machine, gdb):
        to_main(gdb)
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial")
        equal(gdb.do("kvm console").strip(), machine.console().strip(), "console")
        gdb.do("kvm trace", r"the server writes no trace")
        gdb.do("kvm console q")
        gdb.do("continue", r"SIGTERM", 60)
        holds(machine.console().endswith("power off\n"), machine.console())


@case(needs=NEEDS)
def exceptions_and_the_stack_behind_them():
    """An invalid instruction in factorial: gdb by itself takes the CPU's frame for return addresses."""
    with Plugged() as (machine, gdb):
        gdb.do("kvm exceptions", r"no exception stops the guest")
        to_main(gdb)
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial")
        gdb.do("kvm exceptions #UD 13", r"6 +#UD +any +0 +1\n13 +#GP +any +0 +1")
        holds("exception catchpoint at 0x6" in gdb.do("monitor catch"), "monitor knows of it")
        gdb.do("stepi")  # gdb takes a function's first instruction for the function before it
        at, sp = hexadecimal(gdb, "$pc"), hexadecimal(gdb, "$rsp")
        gdb.do("set var *(unsigned short *)$pc = 0x0b0f")
        gdb.do("continue", r"caught exception 6")
        equal(hexadecimal(gdb, "$pc"), machine["exception_6"], "pc")
        stack = (r"#0 .*exception_6 .*#1 +0x\w+ in factorial .*#2 .* kernel_main \(\).*"
                 r"#3 .*primary_start")
        for where in ("entry", "behind its pushes"):
            gdb.do("backtrace", stack)
            gdb.do("frame 1", r"factorial")
            equal((hexadecimal(gdb, "$pc"), hexadecimal(gdb, "$rsp")), (at, sp), f"frame 1, at {where}")
            equal(hexadecimal(gdb, "$eflags") & 2, 2, "flags")
            gdb.do("frame 0")
            gdb.do("stepi 9")
        gdb.do("disable unwinder global kvmdbg-exceptions")
        gdb.do("backtrace", r"in factorial .*#\d +0x0000000000000010 in \?\?")  # what it is there for
        gdb.do("enable unwinder global kvmdbg-exceptions")
        gdb.do("kvm exceptions", r"6 +#UD +any +1 +1")
        holds("#UD" not in gdb.do("kvm exceptions clear 6"), "cleared")
        gdb.do("kvm exceptions clear 6", r"client 1 has no exception catchpoint")
        gdb.do("kvm exceptions clear", r"which exceptions")
        gdb.do("kvm exceptions #PF error", r"followed by one number")
        gdb.do("kvm exceptions #PF error 2", r"14 +#PF +0x2 +0 +1")
        gdb.do("kvm exceptions #XY", r"is no exception")
        gdb.do("kvm exceptions 08", r"Invalid number|is no exception")
        gdb.do("kvm exceptions 256", r"256 is no exception")


@case(needs=NEEDS)
def the_stack_behind_an_error_code():
    with Plugged() as (_, gdb):
        to_main(gdb)
        gdb.do("tbreak list_sum")
        gdb.do("continue", r"list_sum")
        gdb.do("kvm exceptions #PF error 0", r"#PF")
        gdb.do("set var $rdi = 0x123400000000")
        gdb.do("continue", r"caught exception 14, error code 0x0, address 0x123400000\w+")
        gdb.do("backtrace", r"#0 .*exception_14 .*#1 .* list_sum .*#2 .*print_status.*#3 .*kernel_main")
        gdb.do("stepi 3")
        gdb.do("backtrace", r"#0 .*exception_14 .*#1 .* list_sum .*#2 .*print_status.*#3 .*kernel_main")
        gdb.do("tbreak report")
        gdb.do("continue", r"report")
        gdb.do("backtrace", r"#0 .*report .*#1 .*exception_14 .*#2 .* list_sum .*#3 .*print_status")


def packets_case(debug):
    @case(needs=NEEDS)
    def packets():
        """A packet makes gdb find its frames anew, here with one selected behind an exception."""
        with Plugged() as (machine, gdb):
            if not debug:
                path = os.path.join(machine.folder, "bare")
                subprocess.run(["objcopy", "--strip-debug", "-R", ".eh_frame", machine.image, path],
                               check=True, capture_output=True)
                gdb.do(f"symbol-file {path}")
            gdb.do("hbreak factorial")
            gdb.do("continue", r"factorial")
            gdb.do("delete")
            gdb.do("stepi")
            gdb.do("set var *(unsigned short *)$pc = 0x0b0f")
            gdb.do("kvm exceptions #UD")
            gdb.do("continue", r"caught exception 6")
            gdb.do("frame 1", r"in factorial")
            pc = hexadecimal(gdb, "$pc")
            for command in ("kvm vcpus", "kvm exceptions clear #UD", "print $kvm_walk($pc)",
                            "kvm walk $sp"):
                gdb.do(command)
                equal(hexadecimal(gdb, "$pc"), pc, f"the selected frame's pc after {command!r}")
            gdb.do("hbreak report if $kvm_phys(0x100000) != 0 && $kvm_walk($sp) != 0")
            gdb.do("continue", r"Breakpoint 2, .*report")
            gdb.do("backtrace", r"#1 .*exception_6 .*#2 .*in factorial .*#3 .*kernel_main")

    packets.__name__ = f"packets_in_a_frame_behind_an_exception_{'with' if debug else 'without'}_dwarf"
    packets.__module__ = __name__


packets_case(True)
packets_case(False)


@case(needs=NEEDS)
def the_stack_behind_an_interrupt():
    """In code that was called by the handler, too; stepping and finish work on such stacks."""
    with Plugged() as (_, gdb):
        to_main(gdb)
        gdb.do("break timer_acknowledge")
        gdb.do("continue", r"timer_acknowledge")
        for _ in range(5):
            gdb.do("continue", r"timer_acknowledge")
            gdb.do("backtrace", r"#1 .*timer_interrupt .*kernel_main \(\).*primary_start")
        gdb.do("delete")
        gdb.do("finish", r"timer_interrupt")
        gdb.do("backtrace", r"#0 .*timer_interrupt .*kernel_main \(\)")
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat")
        gdb.do("backtrace", r"#0 .*beat.*#1 .*kernel_main \(\).*#2 .*primary_start")


class MovedKernel:
    """Copies of the demo guest as if linked elsewhere, with the names that Linux has."""

    distance, banner = 0x1200000, b"kvmdbg demo guest"

    def __init__(self, machine):
        self.image, self.folder, self.made = machine.image, machine.folder, 0
        headers = subprocess.run(["readelf", "-SW", self.image], check=True, capture_output=True,
                                 text=True).stdout
        offset = int(re.search(r"\.rodata\s+PROGBITS\s+\w+\s+(\w+)", headers)[1], 16)
        with open(self.image, "rb") as file:
            self.banner_at = file.read().index(self.banner) - offset

    def make(self, **names):
        """With the guest's symbols under Linux's names: NEW=OLD. A new file each time: gdb
        would read a changed one again. Without DWARF, which objcopy does not move."""
        self.made += 1
        path = os.path.join(self.folder, f"vmlinux{self.made}")
        subprocess.run(["objcopy", "--strip-debug",
                        f"--change-section-address=*-{self.distance:#x}",
                        f"--add-symbol=linux_banner=.rodata:{self.banner_at:#x},global",
                        *(f"--redefine-sym={old}={new}" for new, old in names.items()),
                        self.image, path], check=True, capture_output=True)
        return path

    def make_another(self, **names):
        path = self.make(**names)
        with open(path, "r+b") as file:
            file.seek(file.read().index(self.banner))
            file.write(b"another")
        return path

    def make_cut(self):
        path = self.make()
        with open(path, "r+b") as file:
            file.truncate(5000)
        return path


@case(needs=NEEDS)
def symbols_of_a_kernel_that_was_moved():
    with Plugged() as (machine, gdb):
        to_main(gdb)
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial")
        kernel = MovedKernel(machine)
        by_idt = {"asm_exc_divide_error": "exception_0", "asm_exc_page_fault": "exception_14"}
        gdb.do(f"kvm symbols {kernel.make(**by_idt)}",
               r"moved by 0x1200000, found by asm_exc_divide_error; linux_banner is there")
        equal(hexadecimal(gdb, "(long)&factorial"), machine["factorial"], "factorial")
        gdb.do("print (char *)&linux_banner", r"kvmdbg demo guest")
        gdb.do("kvm symbols", r"moved by 0x1200000")  # the file that gdb has now
        # another kernel, though its handlers lie as far from each other
        gdb.do(f"kvm symbols {kernel.make_another(**by_idt)}",
               r"not loaded: .*asm_exc_divide_error says 0x1200000, but linux_banner is not there"
               r".*no symbol entry_SYSCALL_64")
        equal(hexadecimal(gdb, "(long)&factorial"), machine["factorial"], "factorial, as before")
        load = f"kvm symbols {kernel.make(entry_SYSCALL_64='exception_3')}"
        gdb.do(load, r"not loaded: .*entry_SYSCALL_64 is not at 0x0; no symbol asm_exc_divide_error; "
                     r"no symbol asm_exc_page_fault; no VMCOREINFO")
        gdb.do(f"kvm msr 0xc0000082 {machine['exception_3']:#x}")
        gdb.do(load, r"moved by 0x1200000, found by entry_SYSCALL_64")
        text = b"OSRELEASE=6.1\nKERNELOFFSET=1200000\n"
        note = os.path.join(machine.folder, "note")
        with open(note, "wb") as file:
            file.write(struct.pack("<III", 11, len(text), 0) + b"VMCOREINFO\0\0" + text)
        gdb.do(f"restore {note} binary {machine['factorial'] & ~0xfffff | 0x400000:#x}", r"Restoring")
        gdb.do(f"kvm symbols {kernel.make()}", r"moved by 0x1200000, found by VMCOREINFO")
        gdb.do(f"kvm symbols {machine.image}", r"has no symbol linux_banner")
        gdb.do("kvm symbols /nowhere", r"cannot read /nowhere: No such file")
        gdb.do(f"kvm symbols {PLUGIN}", r"is no 64-bit little-endian ELF")
        gdb.do(f"kvm symbols {kernel.make_cut()}", r"is cut off or broken")


class DumbStub:
    """A gdb stub that knows no packet of ours."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        peer, _ = self.socket.accept()
        answers = {b"?": b"S05", b"g": b"0" * 16, b"qSupported": b"PacketSize=1000", b"Hg0": b"OK"}
        data = b""
        while more := peer.recv(4096):
            data += more
            while found := re.search(rb"\$([^#]*)#..", data):
                data = data[found.end():]
                reply = answers.get(found[1].split(b":")[0], b"00" * 8 if found[1][:1] == b"m" else b"")
                if found[1][:1] == b"g":
                    reply = b"00" * 560
                peer.sendall(b"+$" + reply + b"#%02x" % (sum(reply) % 256))


@case(needs=["gdb"])
def another_stub_gets_one_sentence():
    with Machine("demo", pvh=True) as machine:
        gdb = Gdb(machine)
        try:
            gdb.do(f"source {PLUGIN}", r"^\s*$")
            equal(gdb.do("kvm caps").strip(), "not connected: use `target remote HOST:PORT` first", "text")
            path = os.path.join(machine.folder, "dumb")
            DumbStub(path)
            gdb.do(f"target remote {path}", r"Remote debugging using")
            sentence = ("the other end of this connection is not kvmdbg: it does not answer jKvm "
                        "packets")
            for command in ("kvm caps", "kvm idt", "kvm walk 1", "kvm msr 1", "print $kvm_phys(1)",
                            "kvm exceptions #PF"):
                equal(gdb.do(command).strip(), sentence, command)
            gdb.do("backtrace 1", r"#0")
        finally:
            gdb.close()


@case(needs=["gdb"])
def a_program_of_this_host_is_left_alone():
    """The plugin is in a gdb that debugs something else: no errors, its stacks as ever."""
    with Machine("demo", pvh=True) as machine:
        gdb = Gdb(machine)
        try:
            gdb.do(f"source {PLUGIN}", r"^\s*$")
            gdb.do("file /bin/true")
            gdb.do("starti", r"Program stopped")
            gdb.do("backtrace 1", r"#0 +0x")
            gdb.do("kvm caps", r"is not kvmdbg: .*\"native\"")
            gdb.do("kill")
        finally:
            gdb.close()


@case(needs=NEEDS)
def list_of_machines():
    """The program on the PATH is asked; one without `list` is said to be that."""
    with Plugged() as (machine, gdb):
        script = os.path.join(machine.folder, "kvmdbg")

        def program(text):
            with open(script, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\n" + text)
            os.chmod(script, 0o755)

        gdb.do(f"python import os; os.environ['PATH'] = {machine.folder!r}")
        gdb.do("kvm list", r"no kvmdbg in this host's PATH")
        program("[ \"$*\" = 'list --json' ] && echo '[{\"pid\": 7, \"name\": \"one\", \"state\": "
                "\"running\", \"image\": \"demo.elf\", \"listen\": [\"127.0.0.1:1234\"]}]'\n")
        gdb.do("kvm list", r"PID +Name +State +Image +Listens on\n7 +one +running +demo.elf +127.0.0.1:1234")
        program("echo '[]'\n")
        gdb.do("kvm list", r"no machines")
        program("echo 'The following argument was not expected: list' >&2; exit 2\n")
        gdb.do("kvm list", r"has no `list`: .*was not expected")
        program("echo nonsense\n")
        gdb.do("kvm list", r"list --json`: Expecting value")
