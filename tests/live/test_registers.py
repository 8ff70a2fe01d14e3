"""Every register of target.xml: read, written, and what the guest itself makes of it."""

import re

from check import at, case, ends, equal, holds, run_to
from machine import Machine
from rsp import Refused

TF, RF = 0x100, 0x10000
ORDER = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
         "r13", "r14", "r15"]
LOADED = {"rax": 0xA0A0A0A0A0A0A0A0, "rbx": 0xB1B1B1B1B1B1B1B1, "rcx": 0xC2C2C2C2C2C2C2C2,
          "rdx": 0xD3D3D3D3D3D3D3D3, "rsi": 0x5454545454545454, "rdi": 0x6565656565656565,
          "rbp": 0x7676767676767676, "r8": 0x0808080808080808, "r9": 0x0909090909090909,
          "r10": 0x1010101010101010, "r11": 0x1111111111111111, "r12": 0x1212121212121212,
          "r13": 0x1313131313131313, "r14": 0x1414141414141414, "r15": 0x1515151515151515}


def loaded(machine):
    client = machine.connect()
    run_to(machine, client, "loaded")
    return client


@case()
def every_register_is_readable():
    with Machine("regs") as machine:
        client = loaded(machine)
        for name in client.registers:
            client.register(name)  # checks the width
        for name in [*ORDER, "rip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base",
                     "gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer", "st0", "st7", "fctrl",
                     "xmm0", "xmm15", "mxcsr"]:
            holds(name in client.registers, f"target.xml has no {name}")


@case()
def values_that_the_guest_loaded():
    with Machine("regs") as machine:
        client = loaded(machine)
        for name, value in LOADED.items():
            equal(client.register(name), value, name)
        equal(client.register("rip"), machine["loaded"], "rip")
        equal(client.register("cs"), 0x10, "cs")
        equal(client.register("xmm3"), 0xFEDCBA98765432100123456789ABCDEF, "xmm3")
        holds(client.register("cr0") & 0x80000001 == 0x80000001, "cr0 without PG or PE")
        holds(client.register("efer") & 0x500 == 0x500, "efer without LME or LMA")


@case()
def g_is_the_registers_in_order():
    with Machine("regs") as machine:
        client = loaded(machine)
        text = client.raw_registers()
        holds(re.fullmatch("([0-9a-f]{2}|xx)*", text) is not None, "g is not hex")
        at_digit = 0
        for number in sorted(client.by_number):
            register = client.by_number[number]
            if at_digit == len(text):
                break
            piece = text[at_digit:at_digit + register.bits // 4]
            at_digit += register.bits // 4
            if "xx" not in piece:
                equal(bytes.fromhex(piece), client.register_bytes(register.name),
                      f"{register.name} in g")
        equal(at_digit, len(text), "length of g")


@case()
def g_can_be_written_back():
    with Machine("regs") as machine:
        client = loaded(machine)
        text = client.raw_registers()
        client.must_ok("G" + text)
        equal(client.raw_registers(), text, "g after G with the same values")
        changed = bytes.fromhex("efcdab8967452301").hex() + text[16:]
        client.must_ok("G" + changed)
        equal(client.register("rax"), 0x0123456789ABCDEF, "rax by G")
        equal(client.raw_registers(), changed, "g after G")
        for bad in ("G", "G" + text[:-2], "G" + text + "00", "Gzz"):
            holds(client.ask(bad)[:1] == "E", f"{bad[:20]}... of a wrong length accepted")
        equal(client.raw_registers(), changed, "g after refused G")


@case()
def the_guest_sees_what_was_written():
    with Machine("regs") as machine:
        client = loaded(machine)
        want = {}
        for i, name in enumerate(ORDER):
            want[name] = (0x0101010101010101 * (i + 1)) ^ 0x8000000000000055
        want["rsp"] = client.register("rsp") - 64
        for name, value in want.items():
            client.set_register(name, value)
            equal(client.register(name), value, f"{name} as written")
        client.set_register("eflags", 0x8D7)  # OF SF ZF AF PF CF
        client.set_register("xmm5", 0x00112233445566778899AABBCCDDEEFF)
        equal(client.register("xmm5"), 0x00112233445566778899AABBCCDDEEFF, "xmm5 as written")
        ends(client, 17)
        told = dict(line.split("=") for line in machine.console().split())
        for i, name in enumerate(ORDER):
            equal(int(told[f"r{i:02x}"], 16), want[name], f"{name} as the guest has it")
        equal(int(told["r10"], 16) & 0xFFF, 0x8D7, "flags as the guest has them")
        equal(told["r12"] + told["r13"], "8899aabbccddeeff0011223344556677",
              "xmm5 as the guest has it")


@case()
def writing_the_pc():
    with Machine("regs") as machine:
        client = loaded(machine)
        client.set_register("rip", machine["elsewhere"])
        run_to(machine, client, "saved")
        equal(client.read_word(machine["moved"]), 1, "the place that only the debugger goes to")
        equal(client.read_word(machine["kept"]), LOADED["rax"], "rax")


@case(ids=[52], needs=["single_step"])
def trap_and_resume_flags_stay_hidden():
    with Machine("regs") as machine:
        client = loaded(machine)
        client.insert(1, machine["changed"])
        for _ in range(4):
            equal(client.register("eflags") & (TF | RF), 0, "TF, RF")
            client.step()
        equal(client.register("eflags") & (TF | RF), 0, "TF, RF")
        client.remove(1, machine["changed"])
        client.cont()
        flags = [line for line in machine.console().split() if line.startswith("r10=")]
        equal(int(flags[0][4:], 16) & (TF | RF), 0, "TF, RF in the guest's own pushf")


@case()
def fpu_and_vector_write_and_read_back():
    with Machine("regs") as machine:
        client = loaded(machine)
        for name, register in client.registers.items():
            if not re.fullmatch(r"st[0-7]|xmm\d+|ymm\d+h?|mxcsr", name):
                continue
            value = 0x1F80 if name == "mxcsr" else int.from_bytes(
                bytes((len(name) * 16 + i) % 251 for i in range(register.bits // 8)), "little")
            if name.startswith("st"):
                value = 0x4000C90FDAA22168C235  # pi
            client.set_register(name, value)
            equal(client.register(name), value, name)
        client.step()
        equal(client.register("st3"), 0x4000C90FDAA22168C235, "st3 after a step")


@case()
def segment_selectors():
    with Machine("regs") as machine:
        client = loaded(machine)
        client.set_register("fs_base", 0x123456789000)
        equal(client.register("fs_base"), 0x123456789000, "fs_base")
        client.set_register("gs_base", 0xFFFF800012345000)
        equal(client.register("gs_base"), 0xFFFF800012345000, "gs_base")
        client.set_register("ds", 0x18)
        equal(client.register("ds"), 0x18, "ds")
        try:
            client.set_register("es", 0)
            equal(client.register("es"), 0, "es")
        except Refused:
            pass  # with a reason is as good as done
        run_to(machine, client, "saved")
        ends(client, 17)


@case()
def control_registers():
    """Written, or refused; never half."""
    with Machine("regs") as machine:
        client = loaded(machine)
        for name, value in (("cr2", 0xFFFF800000001234), ("cr0", client.register("cr0") | 0x20),
                            ("cr3", client.register("cr3"))):
            before = client.register(name)
            try:
                client.set_register(name, value)
                equal(client.register(name), value, name)
            except Refused:
                equal(client.register(name), before, f"{name} after a refused write")
        before = client.register("cr4")
        try:
            client.set_register("cr4", 1 << 63)
            equal(client.register("cr4"), 1 << 63, "cr4, accepted with a reserved bit")
        except Refused:
            equal(client.register("cr4"), before, "cr4 after a refused write")


@case()
def bad_register_packets():
    with Machine("regs") as machine:
        client = loaded(machine)
        before = client.raw_registers()
        for packet in ("pffff", "p", "pzz", "Pffff=00", "P0=", "P0=00", "P0=zz", "P0", "P=00",
                       "P0=000000000000000000"):
            holds(client.ask(packet)[:1] == "E", f"{packet} accepted")
        equal(client.raw_registers(), before, "registers after refused writes")


@case(needs=["cpus_start_together"])
def registers_of_each_vcpu():
    with Machine("smp", cpus=2) as machine:
        client = machine.connect()
        client.set_register("r15", 0x1111, vcpu=1)
        client.set_register("r15", 0x2222, vcpu=2)
        equal([client.register("r15", v) for v in (1, 2)], [0x1111, 0x2222], "r15")
        equal([client.register("rdi", v) for v in (1, 2)], [0, 1], "vCPU number at entry")
        run_to(machine, client, "shared")
        equal([client.register("r15", v) for v in (1, 2)], [0x1111, 0x2222], "r15 after a run")
        holds(client.ask("Hg" + client.thread(9))[:1] == "E", "vCPU 9 selected")


@case(needs=["kvmdbg"])
def state_at_entry():
    """Held before the first instruction, as documented for each kind of image."""
    with Machine("regs") as machine:
        client = machine.connect()
        at(machine, client, "_start")
        equal(client.register("rdi"), 0, "rdi")
        holds(client.register("efer") & 0x400, "not in long mode")
        equal(client.register("eflags") & 0x200, 0, "interrupts")
    with Machine("prot32") as machine:
        client = machine.connect()
        at(machine, client, "_start")
        equal(client.register("cr0") & 0x80000001, 1, "cr0: PE and no PG")
        equal(client.register("rax"), 0, "eax")
        magic = client.read_word(client.register("rbx"), 4)
        equal(magic, 0x336EC578, "struct hvm_start_info at ebx")


def extended_case(label, names):
    """Registers that only some CPUs have, written and read back; outside g, so that it stays small."""

    @case(needs=["kvmdbg", label])
    def extended():
        with Machine("regs") as machine:
            client = machine.connect()
            before = client.raw_registers()
            values = {}
            for seed, name in enumerate(names):
                length = client.registers[name].bits // 8
                values[name] = bytes((seed * 37 + i) % 251 for i in range(length))
                client.must_ok(f"P{client.registers[name].number:x}={values[name].hex()}")
            equal(client.raw_registers(), before, "g")
            client.step()
            for name, value in values.items():
                equal(client.register_bytes(name), value, name)

    extended.__name__ = f"{label}_registers"
    extended.__module__ = __name__


extended_case("avx512", ["k0", "k7", "zmm0h", "zmm15h", "xmm16", "xmm31", "ymm16h", "ymm31h", "zmm16h",
                         "zmm31h"])
extended_case("pkru", ["pkru"])
