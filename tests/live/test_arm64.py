"""arm64: breakpoint instructions, debug registers, steps, the guest's own debugging."""

import os

from check import Failure, Skip, at, case, ends, equal, holds, refused, run_to
from machine import Machine, Settings, free_run

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)
BRK = bytes.fromhex("000020d4")
DAIF = 0x3c0
ARM = {"arch": "aarch64"}
GIC = {"arguments": ["--irqchip", "kernel"]}


def ends_as_alone(machine, client, guest, status, **options):
    ends(client, status)
    console, alone = free_run(guest, **options)
    equal(alone, status, "the end of a run alone")
    equal(machine.console(), console, "console against a run alone")


@case(ids=[64], needs=["breakpoint_exit"], **ARM)
def breakpoint_instruction():
    """A brk stops at itself, each time round; nobody sees it in memory; nothing of it stays."""
    with Machine("steps") as machine:
        client = machine.connect()
        code = client.read(machine["leaf"], 8)
        client.insert(SOFTWARE, machine["leaf"], 4)
        for count in range(1, 4):
            stop = client.cont()
            holds("swbreak" in stop.keys, f"the stop {stop}")
            at(machine, client, "leaf")
            equal(client.register("x2"), count, "the round")
            equal(client.read(machine["leaf"], 8), code, "code under the point")
        holds("brk" in client.monitor("points"), "the strategy is not told")
        client.remove(SOFTWARE, machine["leaf"], 4)
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[64], needs=["breakpoint_exit"], **ARM)
def misaligned_point_is_refused():
    with Machine("steps") as machine:
        client = machine.connect()
        reply = refused(lambda: client.insert(SOFTWARE, machine["leaf"] + 2, 4), "half an instruction")
        holds("aligned to 4" in reply, f"the reply {reply}")


@case(ids=[67], needs=["hardware_exec"], **ARM)
def every_breakpoint_register():
    names = ["after_add", "leaf", "after_call", "after_byte", "after_half", "after_word", "after_long",
             "after_load", "after_pair", "after_wide", "after_far", "after_exclusive", "round_jump",
             "rounds_done", "after_mrs", "after_clear"]
    count = int(Settings.probe["works"]["exec_slots"])
    with Machine("steps") as machine:
        client = machine.connect()
        for name in names[:count]:
            client.insert(HARDWARE, machine[name], 4)
        reply = refused(lambda: client.insert(HARDWARE, machine["svc_at"], 4), "one too many")
        holds(f"all {count} hardware slots" in reply, f"the reply {reply}")
        for name in names[:count]:
            holds("hwbreak" in client.cont().keys, f"the stop {client.last_stop}")
            at(machine, client, name)
        for name in names[:count]:
            client.remove(HARDWARE, machine[name], 4)
        ends_as_alone(machine, client, "steps", 7)


def watch_case(name, kind, symbol, offset, length, where, value_at=None, hits=3):
    @case(ids=[68, 69], needs=["data_watch"], **ARM)
    def watch():
        with Machine("steps") as machine:
            client = machine.connect()
            start = machine[symbol] + offset
            client.insert(kind, start, length)
            for count in range(hits):
                stop = client.cont()
                key = {WRITE: "watch", READ: "rwatch", ACCESS: "awatch"}[kind]
                holds(key in stop.keys, f"the stop {stop}")
                told = int(stop.keys[key], 16)
                holds(start <= told < start + length, f"the watched address is told as {told:#x}")
                at(machine, client, where)
                if count == 0 and value_at is not None:
                    equal(client.read_word(machine[symbol] + value_at, 1), 0, "the value before the access")
                if count == 1:
                    equal(client.step().code, 5, "a step over the access")
                    equal(client.pc(), machine[where] + 4, "pc after the access")
            client.remove(kind, start, length)
            ends_as_alone(machine, client, "steps", 7)

    watch.__name__ = f"watch_{name}"
    watch.__module__ = __name__


watch_case("byte", WRITE, "cells", 1, 1, "after_call", 1)
watch_case("half", WRITE, "cells", 2, 2, "after_byte", 2)
watch_case("word", WRITE, "cells", 4, 4, "after_half", 4)
watch_case("long", WRITE, "cells", 8, 8, "after_word", 8)
watch_case("last_byte_of_a_word", WRITE, "cells", 7, 1, "after_half", 7)
watch_case("three_bytes", WRITE, "cells", 5, 3, "after_half", 5)
watch_case("read", READ, "cells", 8, 8, "after_long")
watch_case("two_lines", WRITE, "cells", 20, 8, "after_load", 20)
watch_case("access_below_it", WRITE, "cells", 52, 4, "wide_store", 52)
watch_case("large_range", WRITE, "wide", 0, 2048, "after_wide")


@case(ids=[68], needs=["data_watch"], **ARM)
def access_watch_stops_at_both():
    with Machine("steps") as machine:
        client = machine.connect()
        client.insert(ACCESS, machine["cells"] + 8, 8)
        for where in ("after_word", "after_long") * 3:
            holds("awatch" in client.cont().keys, f"the stop {client.last_stop}")
            at(machine, client, where)
        client.remove(ACCESS, machine["cells"] + 8, 8)
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[65], needs=["single_step"], **ARM)
def steps_in_line():
    """Every instruction of a round, a call and a return among them."""
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "round")
        for name in ("after_add", None, None, "leaf_return", "after_call", "after_byte", "after_half"):
            equal(client.step().code, 5, "a step")
            if name:
                at(machine, client, name)
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[65], needs=["single_step", "breakpoint_exit"], **ARM)
def step_from_and_onto_a_point():
    with Machine("steps") as machine:
        client = machine.connect()
        client.insert(SOFTWARE, machine["after_byte"], 4)
        client.insert(SOFTWARE, machine["after_half"], 4)
        client.cont()
        at(machine, client, "after_byte")
        client.step()
        at(machine, client, "after_half")
        client.step()
        at(machine, client, "after_word")
        equal(client.read_word(machine["cells"] + 2, 2), 1, "the stepped store")
        for name in ("after_byte", "after_half"):
            client.remove(SOFTWARE, machine[name], 4)
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[71], needs=["single_step"], **ARM)
def exclusive_loop_is_run_through():
    """A step clears the exclusive monitor: the store would fail for ever."""
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "exclusive")
        for _ in range(6):
            client.step()
            if client.pc() == machine["after_exclusive"]:
                break
        at(machine, client, "after_exclusive")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[70], needs=["single_step", "block_interrupts"], **ARM)
def masks_of_a_stepped_guest():
    """Interrupts are held off while stepping, and the guest never sees by what."""
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "rounds_done")
        want = {"after_mrs": DAIF, "after_clear": DAIF & ~0x80, "write_daif": None, "after_write": 0x140}
        for _ in range(12):
            client.step()
            name = next((n for n in want if machine[n] == client.pc()), None)
            if name and want[name] is not None:
                equal(client.register("cpsr") & DAIF, want[name], f"PSTATE.DAIF at {name}")
        equal(client.register("x6"), DAIF, "what the guest read")
        equal(client.register("x7"), DAIF & ~0x80, "what the guest read after it cleared I")
        equal(client.register("x8"), DAIF, "what the guest read after it set I")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[70], needs=["single_step", "block_interrupts", "hardware_exec"], **ARM)
def steps_stay_in_line_with_an_interrupt_due():
    with Machine("ticks", **GIC) as machine:
        client = machine.connect()
        run_to(machine, client, "open")
        for name in ("line_1", "line_2", "line_3", "line_4"):
            client.step()
            at(machine, client, name)
            equal(client.register("cpsr") & DAIF, DAIF & ~0x80, "PSTATE.DAIF as the guest has it")
        equal(client.register("x21"), DAIF & ~0x80, "what the guest read")
        equal(client.register("x19"), 0, "interrupts taken")
        run_to(machine, client, "tick", HARDWARE)
        equal(client.register("spsr_el1") & DAIF, DAIF & ~0x80, "the interrupted state")
        ends_as_alone(machine, client, "ticks", 13, **GIC)


@case(ids=[73], needs=["single_step"], **ARM)
def device_accesses_are_stepped_once():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "mmio_read")
        for name in ("after_mmio_read", "after_mmio_write"):
            equal(client.step().code, 5, "a step")
            at(machine, client, name)
        client.step()
        at(machine, client, "svc_at")
        equal((client.register("x12"), client.register("x13")), (0, 1), "reads and writes of the device")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[70, 72], needs=["single_step"], **ARM)
def step_into_a_supervisor_call():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "svc_at")
        before = client.register("cpsr")
        client.step()
        equal(client.pc(), machine["vectors"] + 0x200, "pc after a stepped svc")
        equal(client.register("spsr_el1"), before, "SPSR_EL1: the state as it was")
        equal(client.register("elr_el1"), machine["after_svc"], "ELR_EL1")
        run_to(machine, client, "exception_return")
        client.step()
        at(machine, client, "after_svc")
        equal(client.register("cpsr"), before, "PSTATE after the return")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[66, 72], needs=["breakpoint_exit"], **ARM)
def own_breakpoints_are_passed_on():
    """From EL1 on either stack and from EL0: vector, ESR, ELR and SPSR as without a debugger."""
    with Machine("own") as machine:
        client = machine.connect()
        client.insert(SOFTWARE, machine["own_done"], 4)
        client.cont()
        at(machine, client, "own_done")
        client.remove(SOFTWARE, machine["own_done"], 4)
        ends_as_alone(machine, client, "own", 9)


@case(ids=[72], needs=["single_step", "breakpoint_exit"], **ARM)
def own_breakpoint_stepped():
    with Machine("own") as machine:
        client = machine.connect()
        client.insert(SOFTWARE, machine["lost"], 4)  # so that all of them come out
        for site, offset in (("brk_spx", 0x200), ("brk_sp0", 0), ("brk_user", 0x400)):
            run_to(machine, client, site, HARDWARE)
            state = client.register("cpsr")
            client.step()
            equal(client.pc(), machine["vectors"] + offset, f"pc after the step of {site}")
            equal(client.register("elr_el1"), machine[site], "ELR_EL1")
            equal(client.register("esr_el1") >> 26, 0x3c, "ESR_EL1.EC")
            equal(client.register("spsr_el1"), state, "SPSR_EL1")
        client.remove(SOFTWARE, machine["lost"], 4)
        ends_as_alone(machine, client, "own", 9)


@case(ids=[65, 66, 75], needs=["single_step", "hardware_exec", "breakpoint_exit"], **ARM)
def own_debug_registers_are_left_alone():
    """Stepped through a loop that writes them, with a point of each kind set."""
    with Machine("own") as machine:
        client = machine.connect()
        run_to(machine, client, "own_loop")
        client.insert(HARDWARE, machine["own_done"], 4)
        client.insert(SOFTWARE, machine["lost"], 4)
        for _ in range(250):
            client.step()
            if client.pc() == machine["own_done"]:
                break
        at(machine, client, "own_done")
        for name, want in (("dbgbvr0_el1", machine["own_point"]), ("dbgwvr0_el1", machine["cell"])):
            if name in client.registers:
                equal(client.register(name), want, name)
        client.remove(HARDWARE, machine["own_done"], 4)
        client.remove(SOFTWARE, machine["lost"], 4)
        ends_as_alone(machine, client, "own", 9)


@case(ids=[76], **ARM)
def vector_registers():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "after_wide")
        name = "z0" if "z0" in client.registers else "v0"
        want = (1).to_bytes(8, "little") * 2
        equal(client.register_bytes(name)[:16], want, name)
        client.set_register(name, client.register(name) + 1)
        equal(client.register_bytes(name)[:1], b"\x02", f"{name} after a write")
        holds({"fpsr", "fpcr"} <= set(client.registers), "no fpsr, fpcr")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[67], **ARM)
def registers_write_then_read():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "round")
        for name in ("x1", "x5", "x30", "sp", "tpidr_el0", "elr_el1"):
            kept = client.register(name)
            client.set_register(name, kept ^ 0x1230)
            equal(client.register(name), kept ^ 0x1230, name)
            client.set_register(name, kept)
        holds(client.register("mpidr_el1") >> 31 & 1, "MPIDR_EL1 has no bit 31")
        ends_as_alone(machine, client, "steps", 7)


@case(ids=[72], needs=["breakpoint_exit"], limit=120, **ARM)
def second_cpu_by_psci():
    options = {"cpus": 2, **GIC}
    with Machine("smp", **options) as machine:
        client = machine.connect()
        equal(sorted(client.threads()), [1, 2], "vCPUs")
        client.insert(SOFTWARE, machine["second_loop"], 4)
        stop = client.cont()
        equal(stop.vcpu, 2, "who stopped")
        at(machine, client, "second_loop", 2)
        for _ in range(3):
            client.step(2)
        at(machine, client, "second_loop", 2)
        client.remove(SOFTWARE, machine["second_loop"], 4)
        client.insert(SOFTWARE, machine["first_loop"], 4)
        for _ in range(3):
            equal(client.cont().vcpu, 1, "who stopped")
            at(machine, client, "first_loop", 1)
        client.remove(SOFTWARE, machine["first_loop"], 4)
        ends_as_alone(machine, client, "smp", 15, **options)


@case(ids=[64, 65, 67], needs=["breakpoint_exit", "single_step"], limit=240, **ARM)
def linux():
    """Debian's kernel from its first instruction, before and after its page tables; then it boots on."""
    if not os.path.exists(os.path.join(Settings.guests, "Image")):
        raise Skip("there is no arm64 kernel beside the guests")
    line = "console=ttyAMA0 earlycon=pl011,0x9000000 nokaslr panic=-1"
    with Machine("Image", cpus=2, file="Image", image="Image",
                 arguments=["--memory", "256M", "--append", line]) as machine:
        client = machine.connect()
        equal(client.pc(), 0x40000000, "the entry")
        equal(client.register("sctlr_el1") & 1, 0, "the MMU at the entry")
        equal(client.read(0x40000038, 4), b"ARM\x64", "the header's magic")
        for _ in range(5):
            equal(client.step().code, 5, "a step before paging")
        client.resume("c")
        machine.wait_console("Linux version", timeout=100)
        client.interrupt()
        equal(client.register("sctlr_el1") & 1, 1, "the MMU of a running kernel")
        pc = client.pc()
        holds(pc >> 48 == 0xffff, f"the kernel runs at {pc:#x}")
        code = client.read(pc, 16)
        physical = client.monitor(f"translate {pc:#x}")
        holds(hex(0x40000000)[:4] in physical, f"where that is: {physical!r}")
        client.step()
        client.insert(SOFTWARE, pc, 4)
        equal(client.read(pc, 16), code, "the kernel's code under a point")
        client.remove(SOFTWARE, pc, 4)
        client.detach()
        machine.wait_console("Unable to mount root", timeout=200)
        holds("smp: Brought up 1 node, 2 CPUs" in machine.console(), "the second CPU did not come up")


@case(ids=[59], **ARM)
def interrupt_reset_and_leave():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "after_far")
        client.monitor("reset")
        equal(client.pc(), machine["_start"], "pc after a reset")
        run_to(machine, client, "after_add")
        equal(client.register("x2"), 1, "the round after a reset")
        client.insert(SOFTWARE, machine["svc_at"], 4)
        client.detach()
        machine.wait_console("trap")
        if BRK in machine.console().encode("latin-1"):
            raise Failure("a breakpoint instruction stayed")
