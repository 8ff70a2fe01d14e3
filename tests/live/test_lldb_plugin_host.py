"""lldb's plugin as a library: what it needs of an lldb, kernels that move, types, threads in Python."""

import os
import re
import shutil
import subprocess

from check import Skip, case, equal, holds
from lldb_session import VERSIONS, Lldb, for_each_lldb, program
from machine import Settings
from test_lldb import to_main
from test_lldb_plugin import Plugged, load, plugin

PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/lldb")
LSTAR = 0xC0000082


def compiled(folder, name, source, *options):
    if not shutil.which("gcc"):
        raise Skip("gcc is not installed")
    path = os.path.join(folder, name)
    subprocess.run(["gcc", "-x", "c", "-", "-g", "-nostdlib", "-static", "-fno-pie", "-no-pie",
                    "-Wl,--build-id=none", *options, "-o", path],
                   input=source.encode(), check=True)
    return path


def wanted_symbols():
    """What of lldb's the plugin leaves undefined."""
    names = subprocess.run(["nm", "-D", "--undefined-only", "--format=just-symbols", plugin()],
                           capture_output=True, text=True, check=True).stdout.split()
    return {name for name in names if re.match(r"_ZNK?4lldb", name)}


@for_each_lldb()
def every_symbol_is_there(version):
    """No symbol of a version's own; and liblldb is not linked."""
    wanted = wanted_symbols()
    holds(len(wanted) > 50, f"{len(wanted)} symbols of lldb's: too few to be true")
    linked = subprocess.run(["readelf", "-d", plugin()], capture_output=True, text=True, check=True).stdout
    holds("lldb.so" not in linked and "BIND_NOW" not in linked, linked)
    lldb = Lldb(version, Settings.scratch)
    try:
        with open(f"/proc/{lldb.process.pid}/maps", encoding="utf-8") as maps:
            library = re.search(r"/\S*liblldb[-.]\S*", maps.read())[0]
    finally:
        lldb.close()
    there = subprocess.run(["nm", "-D", "--defined-only", "--format=just-symbols", library],
                           capture_output=True, text=True, check=True).stdout
    there = {name.partition("@")[0] for name in there.split()}
    equal(wanted - there, set(), f"missing in {library}")


@for_each_lldb()
def an_lldb_that_lacks_a_symbol(version):
    """Said in a sentence at load; lldb lives on, without the commands."""
    name = b"_ZN4lldb8SBModule10FindSymbolEPKcNS_10SymbolTypeE"
    with open(plugin(), "rb") as file:
        data = file.read()
    holds(name + b"\0" in data, "the plugin uses it")
    lldb = Lldb(version, Settings.scratch)
    try:
        crippled = os.path.join(Settings.scratch, f"crippled{version}.so")
        with open(crippled, "wb") as file:
            file.write(data.replace(name + b"\0", name.replace(b"FindSymbol", b"LoseSymbol") + b"\0"))
        lldb.do(f"plugin load {crippled}", r"kvmdbg's plugin is not for this lldb, which lacks "
                                           r"_ZN4lldb8SBModule10LoseSymbol")
        lldb.do("help kvm", "error: 'kvm' is not a known command")
        load(lldb).do("help kvm", "KVM guests")
    finally:
        lldb.close()


BANNER = b"Linux version 6.1.0-test (kvmdbg) #1 SMP\n"
VMLINUX = f"""
const char linux_banner[] __attribute__((section(".rodata"))) = "{BANNER.decode().strip()}\\n";
void entry_SYSCALL_64(void) {{}}
void asm_exc_page_fault(void) {{}}
void _start(void) {{}}
"""


@for_each_lldb()
def a_kernel_that_moved(version):
    """A file with a kernel's landmarks, and a guest in which they lie 2 MiB higher."""
    with Plugged(version) as (machine, lldb, client):
        to_main(lldb)
        vmlinux = compiled(machine.folder, "vmlinux", VMLINUX, "-Wl,-Ttext-segment=0x1000000")
        symbols = subprocess.run(["nm", vmlinux], capture_output=True, text=True, check=True).stdout
        at = {name: int(value, 16) for value, name in re.findall(r"(\w+) \w (\w+)", symbols)}
        lldb.do("kvm symbols /nowhere", "error: lldb reads no symbols from '/nowhere'")
        lldb.do("kvm symbols", "error: demo.elf has no symbol linux_banner")
        lldb.do(f"kvm symbols {vmlinux}", r"error: no slide fits: neither MSR_LSTAR nor the IDT")
        slide = 0x200000
        client.write(at["linux_banner"] + slide, BANNER)
        lldb.do(f"kvm msr LSTAR {at['entry_SYSCALL_64'] + slide:#x}")
        lldb.do(f"kvm symbols {vmlinux}", rf"\Avmlinux at slide {slide:#x}, from MSR_LSTAR\n*\Z")
        lldb.do("image lookup --name entry_SYSCALL_64 --verbose",
                rf"range = \[0x0*{at['entry_SYSCALL_64'] + slide:x}")
        lldb.do(f"memory write {at['linux_banner'] + slide + 14:#x} 0x35")  # of another build
        lldb.do(f"kvm symbols {vmlinux}", "error: no slide fits")
        gate = at["asm_exc_page_fault"] - slide  # and lower, found by the IDT
        client.write(at["linux_banner"] - slide, BANNER)
        table = 0x300000
        client.write(table + 14 * 16, (gate & 0xFFFF | 0x10 << 16 | 0x8E00 << 32 |
                                       gate >> 16 << 48).to_bytes(8, "little") + bytes(8))
        client.set_register("idtr_base", table)
        client.set_register("idtr_limit", 0xFFF)
        lldb.do(f"kvm symbols {vmlinux}", r"slide 0xffffffffffe00000, from the IDT's page fault")
        lldb.do("image lookup --name entry_SYSCALL_64 --verbose",
                rf"range = \[0x0*{at['entry_SYSCALL_64'] - slide:x}")


TYPES = """
typedef struct { unsigned long pte; } pte_t;
struct desc_struct { unsigned short limit0, base0; unsigned short low, high; };
struct gate_struct { unsigned short low, segment, bits, middle; unsigned high, reserved; };
pte_t table[2] = {{0x8000000012345067ul}, {0}};
struct desc_struct code = {0xffff, 0, 0x9b00, 0x00af};
struct gate_struct gate = {0x1234, 0x10, 0x8e01, 0x8000, 0xffffffff, 0};
void _start(void) {}
"""


@for_each_lldb()
def types_in_words(version):
    lldb = load(Lldb(version, Settings.scratch))
    try:
        lldb.do(f"target create {compiled(Settings.scratch, f'types{version}', TYPES)}")
        lldb.do("target variable table", r"0x12345000, writable, user, accessed, dirty, no-execute"
                                         r".*not present")
        lldb.do("target variable code", r"64-bit code, base 0x0, limit 0xffffffff, DPL 0\n?")
        lldb.do("target variable gate",
                r"interrupt gate to 0x10:0xffffffff80001234, IST 1, DPL 0")
        lldb.do("type category list", r"Category: kvmdbg \(enabled")
    finally:
        lldb.close()


@for_each_lldb()
def tasks_as_threads(version):
    """The example of an OperatingSystem plugin, loaded."""
    example = os.path.join(PLUGINS, "guest_threads.py")
    setting = f"target.process.python-os-plugin-path {example}"
    with Plugged(version, settings=[setting], cpus=2) as (machine, lldb, client):
        lldb.do("breakpoint set --name beat --one-shot true")
        lldb.do("continue", "stop reason")
        text = lldb.do("thread list", r"\* thread #1: .*'vCPU 0'.*thread #2: .*'vCPU 1'")
        equal(re.findall(r"tid = 0x1000\d, .*name = '(\w+)'", text), ["plum", "pear", "apple"], text)
        lldb.do("thread select 3")
        head = client.read_word(machine["list_head"])
        lldb.do("register read rsp", rf"rsp = {head:#x}")
        lldb.do("kvm walk $rsp", rf"{head:#x} -> ")
        lldb.do("thread select 1")
        before = client.register("rip")
        lldb.do("thread step-inst", "instruction step into")
        holds(client.register("rip") != before, "a vCPU steps beside such threads")


@case()
def the_folder_that_lldb_looks_in():
    """$XDG_DATA_HOME/lldb: loaded without a word, by those versions that are here."""
    folder = os.path.join(Settings.scratch, "data")
    os.makedirs(os.path.join(folder, "lldb"), exist_ok=True)
    os.symlink(plugin(), os.path.join(folder, "lldb", "libkvmdbg-lldb.so"))
    tried = 0
    for version in VERSIONS:
        try:
            command = [program(version), "-x", "-b", "-o", "help kvm walk"]
        except Skip:
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60,
                              env={**os.environ, "XDG_DATA_HOME": folder, "LC_ALL": "C"})
        equal(done.stdout.splitlines()[0] + done.stderr, "(lldb) help kvm walk", f"lldb-{version}")
        holds("Syntax: kvm walk ADDRESS" in done.stdout, done.stdout)
        tried += 1
    if not tried:
        raise Skip("no lldb is installed")
