"""One gdb session from real mode through every mode and back: no ELF, and with symbols of either class."""

import os
import re

from check import case, equal, holds
from machine import Machine, Settings, free_run, runs_here
from test_gdb import Gdb

BAD = ("packet reply is too long", "Truncated register", "Remote 'g' packet", "badly formatted",
       "Cannot access memory", "Couldn't write")
# site, what the CPU is in: code segment base, CR0.PE, CR0.PG, EFER.LMA, code bits
MODES = [("real", 0, 0, 0, 0, 16), ("prot16", 0x4000, 1, 0, 0, 16), ("prot32", 0, 1, 0, 0, 32),
         ("pae", 0, 1, 1, 0, 32), ("long4", 0, 1, 1, 1, 64), ("long5", 0, 1, 1, 1, 64),
         ("compat", 0, 1, 1, 1, 32), ("back32", 0, 1, 0, 0, 32), ("back16", 0x4000, 1, 0, 0, 16),
         ("back_real", 0, 0, 0, 0, 16)]
FLAT = {"file": "modes.bin", "arguments": ["--flat", "0x7c00"]}


class Session:
    """gdb on the flat image; `symbols` names the ELF that it is given, or None."""

    def __init__(self, machine, symbols):
        self.image = os.path.join(Settings.guests, symbols) if symbols else ""
        self.address = machine.address
        self.log = machine.log
        self.gdb = Gdb(self)
        if symbols == "modes.elf":
            # gdb takes an ELF32 for a 32-bit target and refuses the CPU's real registers otherwise
            self.do("set architecture i386:x86-64", "is set to \"i386:x86-64\"")
        self.gdb.attach()
        self.do("set disassemble-next-line off")

    def do(self, command, want=None):
        output = self.gdb.do(command, want)
        for bad in BAD:
            holds(bad not in output, f"{command!r} printed {output!r}")
        return output

    def value(self, expression):
        return int(re.search(r"= (0x[0-9a-f]+|\d+)", self.do(f"print/x {expression}"))[1], 16)


def taken(name, console):
    """Whether the guest goes by this mode here."""
    return {"pae": "A", "long5": "5"}.get(name, "R") in console


def disassembly(session, site, bits, folder):
    """gdb disassembles as the CPU would, in long mode; for the others it knows no word while it is
    connected to a 64-bit CPU, so objdump is asked from within gdb."""
    want = "nop"
    if bits == 64:
        holds(want in session.do("x/i $pc"), "disassembly in long mode")
        return
    path = os.path.join(folder, "code")
    session.do(f"dump binary memory {path} {site} {site}+16")
    machine = {16: "i8086", 32: "i386"}[bits]
    text = session.do(f"shell objdump -D -b binary -m {machine} --adjust-vma={site} {path}")
    holds(re.search(r"66 ba f8 03|ba f8 03", text), f"the next instruction's bytes: {text!r}")
    holds(re.search(r"mov +\$0x3f8,%dx", text), f"objdump as {machine}: {text!r}")


def visit(session, machine, mode):
    """Stops at the mode's site, looks around, steps."""
    name, base, pe, pg, lma, bits = mode
    site = machine[name]
    session.do(f"hbreak *{site:#x}", "Hardware assisted breakpoint")
    session.do("continue", "SIGTRAP" if base else r"Breakpoint \d+")
    equal(session.value("$rip"), site - base, f"rip in {name}")
    equal(session.value("$pc"), site - base, f"pc in {name}")
    equal(session.value("$cs_base"), base, f"cs_base in {name}")
    equal(session.value("$cr0") & 1, pe, f"CR0.PE in {name}")
    equal(session.value("$cr0") >> 31 & 1, pg, f"CR0.PG in {name}")
    equal(session.value("$efer") >> 10 & 1, lma, f"EFER.LMA in {name}")
    if bits == 64:
        equal(session.value("$r15"), 0x123456789ABCDEF0, "r15, all of it")
    holds(re.search(rf"{site:#x} is physical {site:#x}", session.do(f"monitor translate {site:#x}")),
          f"translate in {name}")
    disassembly(session, f"{site:#x}", bits, machine.folder)
    session.do("stepi")
    equal(session.value("$rip"), site + 1 - base, f"rip after stepi in {name}")
    session.do("info registers", r"rax .*cs_base|rax ")
    session.do("delete")


def tour(symbols):
    console = free_run("modes", **FLAT)[0]
    with Machine("modes", **FLAT) as machine:
        session = Session(machine, symbols)
        try:
            equal(session.value("$rip"), 0x7C00, "the first instruction")
            for mode in MODES:
                if taken(mode[0], console):
                    visit(session, machine, mode)
            session.do("continue", "SIGTERM")
            equal(machine.console(), console, "console against an undebugged run")
        finally:
            session.gdb.close()


@case(ids=[44, 45, 46, 47, 48], needs=["gdb", "hardware_exec", "single_step", "kvmdbg"], limit=120)
def without_an_elf():
    tour(None)


@case(ids=[44, 45, 46, 47, 48], needs=["gdb", "hardware_exec", "single_step", "kvmdbg"], limit=120)
def with_elf64_symbols():
    tour("modes64.elf")


@case(ids=[44, 45, 46, 47, 48], needs=["gdb", "hardware_exec", "single_step", "kvmdbg"], limit=120)
def with_elf32_symbols():
    tour("modes.elf")


@case(ids=[46], needs=["gdb", "hardware_exec", "single_step", "kvmdbg"], limit=90)
def pae_on_the_way():
    """The guest is told to go by PAE paging, where the host runs that at all."""
    runs_here("pae", 29)
    with Machine("modes", **FLAT) as machine:
        session = Session(machine, "modes64.elf")
        try:
            session.do(f"set *(char *){machine['try_pae']:#x} = 1")
            visit(session, machine, next(mode for mode in MODES if mode[0] == "pae"))
            session.do("continue", "SIGTERM")
            holds("A" in machine.console(), f"console {machine.console()!r}")
        finally:
            session.gdb.close()


@case(needs=["gdb", "kvmdbg"])
def other_architectures_leave_the_session_intact():
    """gdb refuses i8086 and i386 for a 64-bit CPU; what it knew stays right."""
    with Machine("modes", **FLAT) as machine:
        session = Session(machine, None)
        try:
            for name in ("i8086", "i386", "i386:x86-64", "auto"):
                session.do(f"set architecture {name}")
                session.do("stepi")
                session.do("info registers")
            session.do("set architecture auto", "currently \"i386:x86-64\"")
            holds(session.value("$rip") > 0x7C00, "rip")
        finally:
            session.gdb.close()
