"""A stock gdb over the demo guest: a script, and the text that a user must see."""

import os
import re
import select
import signal
import subprocess
import time

from check import Failure, case, equal, holds
from machine import Machine, moved_kernel


class Gdb:
    """gdb on pipes; each command's output is what it prints up to a marker that follows it."""

    def __init__(self, machine):
        self.machine = machine
        self.process = subprocess.Popen(
            ["gdb", "-nx", "-q", machine.image], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "TERM": "dumb", "LC_ALL": "C"})
        self.count = 0
        self.text = ""
        for setting in ("pagination off", "confirm off", "width 0", "height 0", "remotetimeout 20",
                        "print entry-values no"):
            self.do("set " + setting)

    def send(self, command):
        self.count += 1
        self.process.stdin.write(f"{command}\necho \\n<{self.count}>\\n\n".encode())
        self.process.stdin.flush()

    def finish(self, timeout=40):
        marker, deadline = f"\n<{self.count}>\n", time.monotonic() + timeout
        while marker not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"gdb did not finish; so far {self.text[-800:]!r}")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failure(f"gdb ended; {self.text[-800:]!r}")
            self.text += more.decode("latin-1")
        done, _, self.text = self.text.partition(marker)
        return done.replace("(gdb) ", "")

    def do(self, command, want=None, timeout=40):
        """Runs a command; its output must match the regular expression `want`."""
        self.send(command)
        output = self.finish(timeout)
        for bad in ("Protocol error", "Remote failure", "Ignoring packet", "internal-error",
                    "Unrecognized item", "Reply contains invalid"):
            holds(bad not in output, f"{command!r} printed {output!r}")
        if want is not None and not re.search(want, output, re.S):
            raise Failure(f"{command!r} printed {output!r}, want /{want}/")
        return output

    def attach(self):
        deadline = time.monotonic() + 10
        while not os.path.exists(self.machine.address[5:]):
            holds(time.monotonic() < deadline, f"no server: {self.machine.log()}")
            time.sleep(0.02)
        self.do(f"target remote {self.machine.address[5:]}", "Remote debugging using")
        return self

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def close(self):
        self.process.kill()
        self.process.wait()


class Demo:
    """`with Demo(cpus) as (machine, gdb)`: attached, held at the first instruction."""

    def __init__(self, cpus=1, guest="demo"):
        self.machine = Machine(guest, cpus=cpus, pvh=True)
        self.gdb = None

    def __enter__(self):
        self.machine.__enter__()
        self.gdb = Gdb(self.machine).attach()
        return self.machine, self.gdb

    def __exit__(self, *error):
        if self.gdb:
            self.gdb.close()
        return self.machine.__exit__(*error)


def to_main(gdb):
    gdb.do("hbreak kernel_main", r"Hardware assisted breakpoint 1 at .*kernel\.c")
    gdb.do("continue", r"Breakpoint 1, kernel_main \(\) at .*kernel\.c:\d+")
    gdb.do("delete 1")


@case(needs=["gdb", "kvmdbg"])
def attach_at_entry():
    with Demo() as (machine, gdb):
        gdb.do("info registers rip", r"rip +0x100000 ")
        gdb.do("x/2i $pc", r"=> 0x100000 <boot_entry>:\s+mov +%ebx|=> 0x100000")
        gdb.do("info threads", r"\* 1 +Thread .*boot_entry")
        gdb.do("stepi")
        gdb.do("print $pc", r"= \(.*\) 0x10000\d <boot_entry\+\d>")
        equal(machine.console(), "", "console")


def before_paging_case(command, kind):
    @case(needs=["gdb"])
    def before_paging():
        with Demo() as (_, gdb):
            gdb.do(f"{command} kernel_main", kind)
            gdb.do("continue", r"Breakpoint 1, kernel_main \(\) at .*kernel\.c:\d+")
            gdb.do("backtrace", r"#0 +kernel_main \(\) at .*kernel\.c:\d+.*#1 .*primary_start")
            gdb.do("info registers cr0", r"PG")

    before_paging.__name__ = f"{command}_before_paging"
    before_paging.__module__ = __name__


before_paging_case("hbreak", "Hardware assisted breakpoint 1 at")
before_paging_case("break", "Breakpoint 1 at")


@case(needs=["gdb"])
def conditional_break_and_backtrace():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("break factorial if n == 2")
        gdb.do("continue", r"Breakpoint 2, factorial \(n=2\)")
        gdb.do("backtrace", r"#0 +factorial \(n=2\).*#1 .* factorial \(n=3\).*#2 .* factorial "
                            r"\(n=4\).*#3 .* factorial \(n=5\).*#4 .* kernel_main \(\)")
        gdb.do("frame 2", r"#2 .*factorial \(n=4\)")
        gdb.do("info locals", r"below = ")
        gdb.do("delete 2")
        gdb.do("frame 0", r"#0 .*factorial \(n=2\)")
        gdb.do("finish", r"Run till exit.*Value returned is \$1 = 2\n")
        gdb.do("finish", r"Run till exit.*Value returned is \$2 = 6\n")


@case(needs=["gdb"])
def step_next_finish():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("tbreak list_push", "Temporary breakpoint 2")
        gdb.do("continue", r"list_push \(node=.*<nodes>\)")
        gdb.do("next", r"list_head = node")
        gdb.do("next", r"\}|for \(unsigned")
        gdb.do("print list_head->name", r'"apple"')
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial \(n=5\)")
        gdb.do("step", r"below = factorial")
        gdb.do("step", r"factorial \(n=4\)")
        gdb.do("up", r"#1 .*factorial \(n=5\)")
        gdb.do("finish", r"Value returned is \$\d+ = 120|kernel_main")
        gdb.do("stepi")
        gdb.do("nexti")


@case(needs=["gdb"])
def data_and_symbols():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("break print_status")
        gdb.do("set var print_every = 2")
        gdb.do("continue", r"Breakpoint 2, print_status \(tick=\d+\)")
        gdb.do("print *list_head", r'name = .*"plum", value = 7, next = ')
        gdb.do("print *list_head->next->next", r'name = .*"apple", value = 3, next = 0x0')
        gdb.do("print &heartbeat", r"\(volatile uint64_t \*\) 0xffffffff80\w+ <heartbeat>")
        gdb.do("info symbol shared_work", r"shared_work in section \.text")
        gdb.do("print print_every", r"= 2")
        gdb.do("x/s nodes[1].name", r'"pear"')
        gdb.do("info line beat", r"kernel\.c")
        gdb.do("x/3i $pc", r"=> 0xffffffff80\w+ <print_status")
        gdb.do("info registers", r"rax .*rip .*<print_status.*eflags .*cr3 ")
        gdb.do("print list_sum(list_head)", r"= 15")
        gdb.do("print $rip", r"print_status")


@case(needs=["gdb"], limit=120)
def watch_a_global():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat \(tick=\d+\)")
        gdb.do("watch heartbeat", r"atchpoint 3: heartbeat")
        gdb.do("continue", r"atchpoint 3: heartbeat.*Old value = 0.*New value = \d+.*beat", 60)
        gdb.do("info watchpoints", r"breakpoint already hit 1 time")
        gdb.do("delete 3")
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat \(tick=\d+\)")


@case(needs=["gdb"], limit=120)
def watch_an_array():
    """8 KiB: gdb asks for it as one watch, whatever debug registers there are."""
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("watch history", r"Hardware watchpoint 2: history")
        gdb.do("continue", r"Hardware watchpoint 2: history.*Old value = .*New value = .*beat", 60)
        gdb.do("continue", r"Hardware watchpoint 2: history", 60)
        gdb.do("delete 2")
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat \(tick=\d+\)")


@case(needs=["gdb"], limit=120)
def read_and_access_watches():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("tbreak beat")
        gdb.do("continue", r"beat \(tick=\d+\)")
        gdb.do("awatch heartbeat", r"Hardware access \(read/write\) watchpoint 3: heartbeat")
        gdb.do("continue", r"access \(read/write\) watchpoint 3: heartbeat.*Old value = .*New value", 60)
        gdb.do("delete 3")
        gdb.do("tbreak print_status")
        gdb.do("set var print_every = 1")
        gdb.do("continue", r"print_status")
        gdb.do("rwatch heartbeat", r"Hardware read watchpoint 5: heartbeat")
        gdb.do("continue", r"Hardware read watchpoint 5: heartbeat.*Value = \d+.*print_status", 60)


@case(needs=["gdb"], limit=120)
def two_watches_in_one_store():
    """Both halves change: both watches are told, one after the other."""
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("watch *(int *)&heartbeat", r"atchpoint 2: ")
        gdb.do("watch *((short *)&heartbeat + 1)", r"atchpoint 3: ")
        gdb.do("set var timer_tick = 0xffff")
        output = gdb.do("continue", r"atchpoint \d: ", 60)
        if "atchpoint 2" not in output or "atchpoint 3" not in output:
            output += gdb.do("continue", r"atchpoint \d: ", 60)
        holds("atchpoint 2" in output and "atchpoint 3" in output, output)
        gdb.do("info watchpoints", r"2 .*already hit 1 time.*3 .*already hit 1 time")


@case(needs=["gdb"])
def two_processors():
    with Demo(cpus=2) as (_, gdb):
        to_main(gdb)
        gdb.do("info threads", r"\* 1 .*kernel_main.*\n +2 ")
        gdb.do("break secondary_main")
        gdb.do("continue", r"Thread 2 .*hit Breakpoint 2, secondary_main \(cpu=1\)")
        gdb.do("info threads", r" 1 .*\n\* 2 .*secondary_main \(cpu=1\)")
        gdb.do("thread apply all backtrace 3", r"Thread 2 .*#0 +secondary_main.*Thread 1 .*#\d+ .*"
                                               r"kernel_main")
        gdb.do("delete 2")
        gdb.do("break shared_work if cpu == 0")
        gdb.do("continue", r"Thread 1 .*hit Breakpoint 3, shared_work \(cpu=0\)", 60)
        gdb.do("print secondary_counter > 0", r"= 1")
        gdb.do("thread 2", r"Switching to thread 2")
        gdb.do("print $cs", r"= 16")


@case(needs=["gdb", "kvmdbg"])
def interrupt_while_running():
    with Demo() as (machine, gdb):
        to_main(gdb)
        gdb.send("continue")
        machine.wait_console("tick 100 ")
        gdb.interrupt()
        output = gdb.finish()
        holds("received signal SIGINT" in output, f"after an interrupt gdb printed {output!r}")
        gdb.do("backtrace", r"kernel_main \(\) at .*kernel\.c:\d+")
        gdb.do("print timer_tick >= 100", r"= 1")
        gdb.do("set var run_ticks = 1")
        gdb.do("continue", r"SIGTERM")
        gdb.do("print heartbeat >= 100", r"= 1")
        gdb.do("continue", r"exited normally")
        equal(machine.wait_exit(), 0, "exit status")


@case(needs=["gdb"])
def detach_goes_on():
    with Demo() as (machine, gdb):
        to_main(gdb)
        gdb.do("break beat")
        gdb.do("continue", r"Breakpoint 2, beat")
        gdb.do("detach", r"Detaching from program.*")
        machine.wait_console("tick 100 ")


@case(needs=["gdb"])
def many_breakpoints_in_the_loop():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("break beat")
        gdb.do("break shared_work")
        gdb.do("continue", r"Breakpoint 2, beat \(tick=1\)|Breakpoint 2, beat")
        for _ in range(5):
            gdb.do("continue", r"Breakpoint 3, shared_work \(cpu=0\)")
            gdb.do("continue", r"Breakpoint 2, beat")


@case(needs=["gdb", "kvmdbg"])
def monitor_commands():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("monitor help", r"caps.*translate")
        gdb.do("monitor caps", r"single step")
        gdb.do("hbreak beat")
        gdb.do("print/x (long)&heartbeat & 0x7fffffff", r"= 0x(\w+)")
        text = gdb.do("monitor translate 0xffffffff80100000", r"physical 0x100000")
        holds("0x200000" in text, f"no page size in {text!r}")
        gdb.do("monitor nonsense", r"unknown command")


@case(needs=["gdb", "kvmdbg"])
def step_in_the_boot_code():
    """Instruction steps from 32-bit code without paging into long mode."""
    with Demo() as (_, gdb):
        for _ in range(80):
            gdb.do("stepi")
            if "primary_start" in gdb.do("print $pc"):
                break
        gdb.do("print $pc", r"primary_start")
        gdb.do("info registers efer", r"LMA")


@case(needs=["gdb"])
def set_registers_and_memory():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("tbreak factorial")
        gdb.do("continue", r"factorial \(n=5\)")
        gdb.do("set var $rdi = 4")
        gdb.do("set var nodes[0].value = 30")
        gdb.do("tbreak print_number")
        gdb.do("continue", r"print_number \(value=24\)")
        gdb.do("tbreak print_status")
        gdb.do("set var print_every = 3")
        gdb.do("continue", r"print_status")
        gdb.do("print list_sum(list_head)", r"= 42")


@case(needs=["gdb"])
def disconnect_and_attach_again():
    with Demo() as (machine, gdb):
        to_main(gdb)
        gdb.do("break beat")
        gdb.do("continue", r"beat")
        gdb.do("disconnect", r"Ending remote debugging")
        gdb.attach()
        gdb.do("print $pc", r"= .*<")
        gdb.do("continue", r"beat")
        holds(machine.process.poll() is None, "the server is gone")


class Extended(Gdb):
    """A gdb that connects by `target extended-remote`."""

    def attach(self):
        self.machine.connect(handshake=False).close()  # waits for the server
        self.do(f"target extended-remote {self.machine.address[5:]}", "Remote debugging using")
        return self


@case(needs=["gdb", "kvmdbg"])
def run_and_run_again():
    """gdb's own `run` and `start` are a machine reset; its breakpoints are kept."""
    with Machine("demo", pvh=True) as machine:
        gdb = Extended(machine)
        try:
            gdb.attach()
            to_main(gdb)
            gdb.do("break beat")
            gdb.do("continue", r"Breakpoint 2, beat")
            gdb.do("set var print_every = 2")
            gdb.do("run", r"Breakpoint 2, beat", 60)
            gdb.do("print print_every", r"= 100")
            gdb.do("starti", r"Program stopped|boot_entry")
            gdb.do("print/x $pc", r"= 0x100000")
            gdb.do("set var *(long *)((long)&run_ticks & 0x7fffffff) = 1")
            gdb.do("delete")
            gdb.do("continue", r"SIGTERM")
            gdb.do("hbreak factorial")
            gdb.do("run", r"factorial \(n=5\)")
            gdb.do("info breakpoints", r"already hit 1 time")
            gdb.do("kill", r"killed")
            gdb.do("run", r"factorial \(n=5\)")
            gdb.do("run an argument", r"[Ff]ailed")
            holds(machine.process.poll() is None, f"the server is gone: {machine.log()}")
        finally:
            gdb.close()


@case(needs=["gdb", "kvmdbg"])
def find_in_memory():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("find &kernel_main, +0x20000, 'p', 'l', 'u', 'm'", r"<.*>|0xffffffff80\w+\n1 pattern")
        gdb.do("x/s $_", r'"plum"')
        gdb.do("print $numfound >= 1", r"= 1")
        gdb.do("find /w1 &nodes, +sizeof(nodes), 5", r"<nodes\+\d+>")
        gdb.do("find &nodes, +sizeof(nodes), (long long)0x1122334455667788", r"Pattern not found")
        gdb.do("find 0x40000000, +0x10000, 'a'", r"Pattern not found|[Uu]nable")


@case(needs=["gdb", "kvmdbg"])
def dump_and_restore():
    with Demo() as (machine, gdb):
        to_main(gdb)
        file = os.path.join(machine.folder, "dump")
        gdb.do(f"dump binary memory {file} &nodes &nodes[3]")
        equal(os.path.getsize(file), 72, "size of the dump")
        gdb.do("set var nodes[1].value = 1000")
        gdb.do(f"restore {file} binary &nodes", r"Restoring binary file")
        gdb.do("print nodes[1].value", r"= 5")
        gdb.do(f"dump binary memory {file} 0xffffffff80100000 0xffffffff80140000")
        equal(os.path.getsize(file), 0x40000, "size of the large dump")
        gdb.do(f"restore {file} binary 0xffffffff80400000", r"Restoring binary file", 60)
        gdb.do(f"dump binary memory {file}2 0xffffffff80400000 0xffffffff80440000")
        with open(file, "rb") as one, open(file + "2", "rb") as two:
            holds(one.read() == two.read(), "what was restored differs")


@case(needs=["gdb", "kvmdbg"])
def compare_sections():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("break factorial")
        text = gdb.do("compare-sections", r"Section \.text, range .*: matched")
        holds(re.search(r"Section \.rodata, range .*: matched", text), text)
        gdb.do("compare-sections .data", r"Section \.data, range .*: matched")
        gdb.do("set var print_every = 7")
        gdb.do("compare-sections .data", r"\.data, range .*: MIS-MATCHED!")
        gdb.do("set var *(char *)beat = 0x90")
        gdb.do("compare-sections -r", r"\.text, range .*: MIS-MATCHED!")


def call_case(protected):
    @case(needs=["gdb", "kvmdbg"])
    def call():
        with Demo() as (machine, gdb):
            gdb.do("hbreak kernel_main", r"Hardware assisted breakpoint 1")
            gdb.do("continue", r"Breakpoint 1, kernel_main")
            gdb.do(f"set var protect_data = {int(protected)}")
            gdb.do("tbreak list_push")
            gdb.do("continue", r"list_push")
            stack = re.search(r"0x\w+", gdb.do("print/x $rsp"))[0]
            gdb.do(f"monitor translate {stack}", "no-execute" if protected else ", executable")
            gdb.do("print factorial(3)", r"= 6")
            gdb.do("call list_sum(&nodes[1])", r"= 5")
            gdb.do("print $rsp == " + stack, r"= 1")
            gdb.do("backtrace 2", r"#0 .*list_push.*#1 .*kernel_main")
            gdb.do("tbreak print_status")
            gdb.do("set var print_every = 1")
            gdb.do("continue", r"print_status")
            holds("exception" not in machine.console(), machine.console())

    call.__name__ = f"call_with_{'protected' if protected else 'plain'}_stack"
    call.__module__ = __name__


call_case(False)
call_case(True)


@case(needs=["gdb"])
def tbreak_before_paging():
    with Demo() as (_, gdb):
        gdb.do("tbreak kernel_main", "Temporary breakpoint 1")
        gdb.do("continue", r"Temporary breakpoint 1, kernel_main \(\) at .*kernel\.c:\d+")
        gdb.do("info breakpoints", r"No breakpoints")


@case(needs=["gdb", "single_step"], limit=120)
def many_instruction_steps():
    """gdb sends one packet per step and reads nothing but the stop reply."""
    with Demo() as (_, gdb):
        to_main(gdb)
        start = time.monotonic()
        gdb.do("stepi 20000", r"0x\w+\s+\d+\s", 100)
        seconds = time.monotonic() - start
        holds(seconds < 60, f"20000 steps took {seconds:.1f} s")


@case(needs=["gdb", "kvmdbg"])
def tables_and_clients():
    with Demo(cpus=2) as (_, gdb):
        to_main(gdb)
        gdb.do("info os", r"vcpus.*points.*clients")
        gdb.do("info os vcpus", r"vCPU +Thread +Mode +Stopped by *\n0 .*long mode.*\n1 ")
        gdb.do("set breakpoint always-inserted on")
        gdb.do("hbreak beat")
        gdb.do("info os points", r"hardware point at 0x")
        gdb.do("info os clients", r"1 +gdb from .* yes")
        gdb.do("monitor clients", r"client 1 \(you\): gdb from .*has run control")
        gdb.do("monitor take", r"run control: client 1, before: client 1")
        gdb.do("monitor help take", r"take run control over.*refused")
        gdb.do("monitor linear-pc", r"64-bit\nlinear 0xffffffff80\w+\n +0xffffffff80\w+: \w+ +\w+")


@case(needs=["gdb", "kvmdbg"])
def disassemble_by_linear_pc():
    """The server disassembles as the CPU runs it, in 32-bit code too."""
    with Demo() as (_, gdb):
        gdb.do("monitor linear-pc", r"segment at 0x0, 32-bit\nlinear 0x100000\n +0x100000: 891d\w+ +"
                                    r"mov %ebx, 0x\w+\n.*lgdt")
        gdb.do("monitor disas 0x100000 2", r"0x100000: .*\n +0x100006: ")


@case(needs=["gdb", "kvmdbg"])
def symbols_are_asked_for():
    """With a symbol file and without one, gdb neither hangs nor complains."""
    with Demo() as (machine, gdb):
        gdb.do("monitor symbols", r"linux_banner +not known to the client")
        gdb.do("monitor linux", r"no linux_banner")
        gdb.do("file", r"No (executable|symbol) file now|discard", 20)
        gdb.do("detach")
        gdb.attach()
        gdb.do("monitor symbols", r"offered no symbols")
        gdb.do(f"file {machine.image}")
        gdb.do("monitor symbols", r"linux_banner +not known to the client")


@case(needs=["gdb", "kvmdbg", "avx512"])
def avx512_registers():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("print $zmm17.v8_int64", r"= \{0, 0, 0, 0, 0, 0, 0, 0\}")
        gdb.do("set var $k3 = 0x1122334455667788")
        gdb.do("print/x $k3", r"= 0x1122334455667788")
        gdb.do("set var $zmm17.v8_int64[5] = 77")
        gdb.do("set var $xmm17.v4_int32[1] = 5")
        gdb.do("stepi")
        gdb.do("print $zmm17.v16_int32", r"= \{0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0\}")
        gdb.do("print/x $ymm17.v8_int32", r"= \{0x0, 0x5, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0\}")
        gdb.do("info registers k0 k7", r"k0 +0x0 .*k7 +0x0 ")
        gdb.do("info all-registers", r"k7 .*cs_base .*zmm31 ")
        gdb.do("stepi")


@case(needs=["gdb", "kvmdbg"])
def a_kernel_that_moves_itself():
    """gdb and the file of a kernel's symbols find each other wherever it went (KASLR)."""
    with moved_kernel(units=3) as (machine, symbols, tick):
        gdb = Gdb(machine)
        try:
            gdb.do(f"file {symbols}")
            gdb.attach()
            gdb.do("info symbol $pc", r"^(moved|tick|tick_ret)( \+ \d+)? in section \.text")
            gdb.do("break *tick", f"Breakpoint 1 at {tick:#x}")
            gdb.do("continue", r"Breakpoint 1, 0xffffffff\w+ in tick \(\)")
            gdb.do("print/x $pc", rf"= {tick:#x}")
        finally:
            gdb.close()
