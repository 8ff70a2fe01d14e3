"""One instruction at a time over everything that does not step like the rest."""

from check import Skip, at, case, ends, equal, holds, refused, run_to, scaled
from machine import Machine, free_run

TF, RF = 0x100, 0x10000
DONE = {"steps": 5, "traps": 7, "irq": 23, "spin": 11}


def plain_step(machine, client, name):
    """A step from NAME_at is one stop at NAME_next."""
    run_to(machine, client, name + "_at")
    stop = client.step()
    equal((stop.kind, stop.code), ("T", 5), f"stop after stepping {name}")
    at(machine, client, name + "_next")


def ends_as_undebugged(machine, client, guest, **options):
    ends(client, DONE[guest])
    equal(machine.console(), free_run(guest, **options)[0], "console against an undebugged run")


def step_case(name, ids, needs=()):
    @case(ids=ids, needs=("single_step", *needs))
    def stepped():
        with Machine("steps") as machine:
            client = machine.connect()
            plain_step(machine, client, name)
            ends_as_undebugged(machine, client, "steps")

    stepped.__name__ = f"step_{name}"
    stepped.__module__ = __name__


step_case("plain", [35])
step_case("cpuid", [4])
step_case("pushf", [20])
step_case("pushfw", [20])
step_case("popf", [21])
step_case("in", [24], ["test_devices"])
step_case("out", [25], ["test_devices"])
step_case("mmio_read", [26], ["test_devices"])
step_case("mmio_write", [27], ["test_devices"])


def string_case(name, count, ids, needs=()):
    @case(ids=ids, needs=("single_step", *needs))
    def stepped():
        with Machine("steps") as machine:
            client = machine.connect()
            run_to(machine, client, name + "_at")
            left = client.register("rcx")
            equal(left, count, "rcx before")
            for _ in range(count + 1):
                client.step()
                now = client.register("rcx")
                if client.pc() == machine[name + "_next"]:
                    break
                at(machine, client, name + "_at")
                holds(now < left or now == 0, f"no progress: rcx {left} then {now}")
                left = now
            at(machine, client, name + "_next")
            equal(client.register("rcx"), 0, "rcx after")
            ends_as_undebugged(machine, client, "steps")

    stepped.__name__ = f"step_{name}"
    stepped.__module__ = __name__


string_case("stosb", 3, [28])
string_case("stosl_mmio", 3, [29], ["test_devices"])
string_case("outsb", 5, [30], ["test_devices"])


@case(ids=[17], needs=["single_step"])
def step_movss():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "movss_at")
        client.step()
        holds(client.pc() in (machine["movss_shadow"], machine["movss_next"]),
              f"more than two instructions: {machine.symbols.near(client.pc())}")
        ends_as_undebugged(machine, client, "steps")


@case(needs=["single_step"])
def step_call_and_return():
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "call_at")
        client.step()
        at(machine, client, "callee")
        client.step()
        at(machine, client, "call_next")
        ends_as_undebugged(machine, client, "steps")


@case(ids=[20, 21, 61], needs=["single_step"])
def walk_steps():
    """Every instruction of the guest is stepped; its own output is that of a run left alone."""
    order = ["plain", "cpuid", "pushf", "pushfw", "popf", "in", "out", "mmio_read", "mmio_write",
             "stosb", "stosl_mmio", "outsb", "movss", "call"]
    with Machine("steps") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        expected = [machine[n + s] for n in order for s in ("_at", "_next")]
        seen = []
        for _ in range(400):
            client.step()
            pc = client.pc()
            equal(client.register("eflags") & (TF | RF), 0, f"TF, RF shown at {pc:#x}")
            if pc in expected and pc not in seen:
                seen.append(pc)
            if pc == machine["call_next"]:
                break
        missed = [machine.symbols.near(a) for a in expected if a not in seen]
        equal(missed, [], "places never shown")
        equal(seen, expected, "order of the places")
        ends_as_undebugged(machine, client, "steps")


def handler_entry(machine, client, vector):
    """At the first instruction of a vector's stub (an emulating host shows the one after). The frame
    holds RF, as that of every fault: a debug register does not stop where the handler's iret leads."""
    pc, stub = client.pc(), machine["stubs"] + 16 * vector
    holds(stub <= pc <= stub + 2, f"not at the handler: {machine.symbols.near(pc)}")


@case(ids=[33], needs=["single_step", "hardware_exec"])
def step_into_ud():
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "ud_at")
        client.step()
        handler_entry(machine, client, 6)
        run_to(machine, client, "ud_next", kind=0)  # a slot is blind there: see handler_entry
        ends_as_undebugged(machine, client, "traps")


@case(ids=[33], needs=["single_step", "hardware_exec"])
def step_into_page_fault():
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "pf_at")
        client.step()
        handler_entry(machine, client, 14)
        equal(client.register("cr2"), 0x7FFFFFFFFF8, "cr2")
        run_to(machine, client, "pf_next", kind=0)
        ends_as_undebugged(machine, client, "traps")


@case(ids=[22], needs=["single_step", "hardware_exec"])
def step_iret():
    with Machine("traps") as machine:
        client = machine.connect()
        plain_step(machine, client, "iret")
        ends_as_undebugged(machine, client, "traps")


@case(ids=[23], needs=["single_step", "hardware_exec"])
def step_into_syscall():
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "syscall_at")
        client.step()
        at(machine, client, "syscall_entry")
        equal(client.register("r11") & TF, 0, "TF in r11")
        run_to(machine, client, "syscall_next")
        ends_as_undebugged(machine, client, "traps")


@case(ids=[22, 23, 33], needs=["single_step", "hardware_exec"])
def walk_traps():
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        order = ["ud_at", "ud_next", "pf_at", "pf_next", "iret_at", "iret_next", "syscall_at",
                 "syscall_entry", "syscall_next"]
        expected, seen = [machine[n] for n in order], []
        for _ in range(400):
            client.step()
            if (pc := client.pc()) in expected:
                seen.append(pc)
            if pc == expected[-1]:
                break
        equal([machine.symbols.near(a) for a in seen], [machine.symbols.near(a) for a in expected],
              "places in order")
        ends_as_undebugged(machine, client, "traps")


@case(ids=[31], needs=["kvmdbg", "single_step"])
def step_hlt_without_irqchip():
    with Machine("halt") as machine:
        client = machine.connect()
        run_to(machine, client, "halt_at")
        stop = client.step()
        equal(stop.kind, "T", "stop after stepping hlt")
        at(machine, client, "halt_next")
        stop = client.cont()
        equal(stop.kind, "T", "continuing a vCPU that is halted for ever")
        holds("woke" not in machine.console(), "the halted vCPU went on")


@case(needs=["kvmdbg"])
def continue_into_hlt():
    """HLT that nothing can end is a stop, every time it is resumed."""
    with Machine("halt") as machine:
        client = machine.connect()
        for _ in range(3):
            equal(client.cont().kind, "T", "halted stop")
            equal(machine.console(), "halting\n", "console")
        equal(client.step().kind, "T", "a step of a halted vCPU ends")


@case(ids=[4], needs=["single_step", "block_interrupts"])
def step_with_interrupt_pending():
    with Machine("irq", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "pending")
        for name in ("seq1", "seq2", "seq3", "seq4", "seq5", "seq6"):
            client.step()
            at(machine, client, name)
            equal(client.read_word(machine["irqs"]), 0, f"interrupts taken before {name}")
        ends_as_undebugged(machine, client, "irq", pvh=True)


@case(ids=[34], needs=["single_step"])
def steps_with_interrupt_pending_progress():
    """With or without interrupts held back, steps get past the place within a handler's length."""
    with Machine("irq", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "pending")
        for _ in range(60):
            client.step()
            if client.pc() == machine["seq6"]:
                break
        at(machine, client, "seq6")
        ends_as_undebugged(machine, client, "irq", pvh=True)


@case(ids=[18, 32], needs=["single_step"])
def step_sti_and_hlt_with_timer():
    with Machine("irq", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "sti_at")
        client.step()
        at(machine, client, "hlt_at")
        stop = client.step()
        equal(stop.kind, "T", "stop after stepping hlt")
        holds(client.pc() in (machine["hlt_next"], machine["timer"]),
              f"after hlt: {machine.symbols.near(client.pc())}")
        ends_as_undebugged(machine, client, "irq", pvh=True)


@case(ids=[18])
def continue_from_sti():
    """sti;hlt keeps its atomicity when a point at the hlt was stopped at."""
    with Machine("irq", pvh=True) as machine:
        client = machine.connect()
        client.insert(1, machine["hlt_at"])
        for _ in range(3):
            client.cont()
            at(machine, client, "hlt_at")
        ends_as_undebugged(machine, client, "irq", pvh=True)


@case(ids=[38], needs=["single_step", "hardware_exec"])
def step_from_a_point():
    for kind in (0, 1):
        with Machine("steps") as machine:
            client = machine.connect()
            client.insert(kind, machine["plain_at"])
            client.cont()
            at(machine, client, "plain_at")
            client.step()
            at(machine, client, "plain_next")
            ends_as_undebugged(machine, client, "steps")


@case(ids=[39], needs=["single_step", "hardware_exec"])
def step_onto_a_point():
    """A point at the step's end is reported once, not again at the next resume."""
    for kind in (0, 1):
        with Machine("steps") as machine:
            client = machine.connect()
            run_to(machine, client, "plain_at")
            client.insert(kind, machine["plain_next"])
            client.step()
            at(machine, client, "plain_next")
            ends_as_undebugged(machine, client, "steps")


@case(ids=[51], needs=["single_step", "test_devices"])
def set_pc_after_stepping_a_device_access():
    """The access is over before the new pc counts: it is done once, and not undone."""
    with Machine("steps") as machine:
        client = machine.connect()
        plain_step(machine, client, "mmio_read")
        client.set_register("rip", machine["mmio_write_at"])
        client.step()
        at(machine, client, "mmio_write_next")


@case(ids=[61], needs=["single_step"], limit=90)
def many_steps():
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        rounds = scaled(300, least=10)
        for _ in range(rounds):
            for want in ("after_work", "loop"):
                while client.pc() != machine[want]:
                    client.step()
        equal(client.read_word(machine["counter"]), rounds, "rounds stepped through")
        equal(client.register("eflags") & (TF | RF), 0, "TF, RF")
        client.write(machine["quit"], b"\1")
        ends(client, DONE["spin"])
        equal(machine.console(), "spin\ncounter=00000000\n", "console")


@case(needs=["single_step", "kvmdbg"])
def range_step():
    """vCont;r stays inside the range and stops at the first pc outside."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        if ";r" not in client.must("vCont?"):
            raise Skip("the server offers no range stepping")
        client.resume(f"r{machine['loop']:x},{machine['after_work']:x}:{client.thread(1)}")
        client.wait_stop()
        at(machine, client, "work")
        client.resume(f"r{machine['work']:x},{machine['work_end']:x}:{client.thread(1)}")
        client.wait_stop()
        at(machine, client, "work_end")


@case()
def step_of_no_such_vcpu():
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")

        def resume():
            client.resume(f"s:{client.thread(7)}")
            client.wait_stop(5)

        refused(resume, "vCont of vCPU 7")
        client.running = False
        at(machine, client, "loop")
