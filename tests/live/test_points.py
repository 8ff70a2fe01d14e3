"""Software and hardware execution points: hit, pass, hide, refuse."""

from check import Skip, at, case, ends, equal, holds, run_to, scaled
from machine import Machine, free_run
from rsp import ProtocolError, Refused

SITES = ["site0", "site1", "site2", "site3", "site4", "site5", "leaf", "site6"]
KEY = {0: "swbreak", 1: "hwbreak"}


def hit(machine, client, name, kind):
    stop = client.cont()
    equal((stop.kind, stop.code), ("T", 5), f"stop at {name}")
    at(machine, client, name)
    holds(KEY[kind] in stop.keys, f"no {KEY[kind]} in {stop}")


def rounds_case(label, kind, names, ids, needs=()):
    """Points stay in; each is hit once per round, in order, and the guest notices nothing."""

    @case(ids=ids, needs=needs)
    def rounds():
        with Machine("points") as machine:
            client = machine.connect()
            for name in names:
                client.insert(kind, machine[name])
            for _ in range(3):
                for name in names:
                    hit(machine, client, name, kind)
            ends(client, 3)
            equal(machine.console(), free_run("points")[0], "console against an undebugged run")

    rounds.__name__ = label
    rounds.__module__ = __name__


rounds_case("software_points", 0, SITES[:4], [1])
rounds_case("software_points_on_calls", 0, SITES[4:], [1])
rounds_case("hardware_points", 1, SITES[:4], [2, 35], ["hardware_exec"])
rounds_case("hardware_point_on_outs", 1, ["site_outs"], [36], ["hardware_exec", "test_devices"])
rounds_case("software_point_on_outs", 0, ["site_outs"], [36], ["test_devices"])
rounds_case("hardware_point_on_mmio", 1, ["site_mmio"], [37], ["hardware_exec", "test_devices"])
rounds_case("software_point_on_mmio", 0, ["site_mmio"], [37], ["test_devices"])
rounds_case("software_point_on_jump", 0, ["site_jump"], [1])
rounds_case("many_software_points", 0, SITES, [1], ["breakpoint_exit"])


@case(ids=[2])
def each_hardware_slot_alone():
    with Machine("points") as machine:
        client = machine.connect()
        for name in SITES[:4]:
            client.insert(1, machine[name])
        for name in reversed(SITES[1:4]):
            client.remove(1, machine[name])
        hit(machine, client, "site0", 1)
        client.remove(1, machine["site0"])
        client.insert(1, machine["site2"])
        hit(machine, client, "site2", 1)
        client.remove(1, machine["site2"])
        ends(client, 3)


@case(ids=[41], needs=["hardware_exec"])
def full_slots_are_refused():
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        taken = []
        for name in SITES:
            try:
                client.insert(1, machine[name])
            except Refused as error:
                holds(error.reply.startswith("E"), f"refusal is {error.reply!r}")
                break
            taken.append(name)
        holds(3 <= len(taken) <= 4, f"{len(taken)} hardware points were taken")
        spare = SITES[len(taken)]
        client.remove(1, machine[taken[1]])
        client.insert(1, machine[spare])
        for name in taken[:1] + taken[2:] + [spare]:
            hit(machine, client, name, 1)
        hit(machine, client, taken[0], 1)


@case(ids=[50])
def point_is_hidden_in_memory():
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        before = client.read(machine["round"], 32)
        for name in SITES[:3]:
            client.insert(0, machine[name])
        equal(client.read(machine["round"], 32), before, "memory under points")
        hit(machine, client, "site0", 0)
        equal(client.read(machine["round"], 32), before, "memory under points, after a run")
        for name in SITES[:3]:
            client.remove(0, machine[name])
        equal(client.read(machine["round"], 32), before, "memory afterwards")


@case(ids=[50])
def write_over_a_point():
    """What a client writes over a site is what it reads, and what runs when the point is gone."""
    with Machine("points") as machine:
        client = machine.connect()
        client.insert(0, machine["site0"])
        hit(machine, client, "site0", 0)
        equal(client.read(machine["site0"], 1), b"\x90", "the nop at site0")
        client.write(machine["site0"], b"\xf8")  # clc
        equal(client.read(machine["site0"], 1), b"\xf8", "written over a point")
        client.write_binary(machine["site0"], b"\xf9")  # stc
        hit(machine, client, "site0", 0)
        equal(client.read(machine["site0"], 1), b"\xf9", "after another hit")
        client.remove(0, machine["site0"])
        equal(client.read(machine["site0"], 1), b"\xf9", "after removal")
        run_to(machine, client, "site1")
        equal(client.register("eflags") & 1, 1, "carry, set by the written instruction")
        ends(client, 3)


@case(ids=[49])
def page_reused_under_a_point():
    with Machine("reuse") as machine:
        client = machine.connect()
        run_to(machine, client, "first_loaded")
        client.insert(0, machine["page"])
        stop = client.cont()
        equal(stop.kind, "T", "stop in the page")
        at(machine, client, "page")
        stop = run_to(machine, client, "second_loaded")
        length = machine["second"] - machine["first"]
        want = client.read(machine["second"], 16)
        holds(length >= 16, "the guest's halves are too short")
        equal(client.read(machine["page"], 16), want, "the page as the guest wrote it")
        client.remove(0, machine["page"])
        equal(client.read(machine["page"], 16), want, "the page after the point is gone")
        ends(client, 21)
        equal(machine.console(), free_run("reuse")[0], "console against an undebugged run")


@case()
def insert_is_idempotent():
    with Machine("points") as machine:
        client = machine.connect()
        for kind in (0, 1):
            for _ in range(3):
                client.insert(kind, machine["site0"])
            hit_stop = client.cont()
            equal(hit_stop.kind, "T", "stop")
            at(machine, client, "site0")
            client.remove(kind, machine["site0"])
        ends(client, 3)


@case()
def both_kinds_at_one_place():
    with Machine("points") as machine:
        client = machine.connect()
        client.insert(0, machine["site0"])
        client.insert(1, machine["site0"])
        equal(client.cont().kind, "T", "stop")
        at(machine, client, "site0")
        client.remove(0, machine["site0"])
        hit(machine, client, "site0", 1)
        client.remove(1, machine["site0"])
        ends(client, 3)


@case()
def point_where_no_memory_is():
    """Nothing there to stop at: refused, or pending and never hit; never a crash."""
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        try:
            client.insert(0, 0xDEAD00000000)
        except Refused:
            pass
        ends(client, 3)


@case()
def malformed_points_are_refused():
    with Machine("points") as machine:
        client = machine.connect()
        for packet in ("Z0", "Z0,", "Z1,zz,1", "Z2,1000", "Z2,1000,0", "z0,,"):
            holds(client.ask(packet)[:1] in ("E", ""), f"{packet} accepted")
        holds(client.ask("Z9,1000,1")[:1] in ("E", ""), "an unknown kind of point")
        ends(client, 3)


@case()
def point_at_the_current_pc():
    """A point put where the guest already stands is hit the next time round, not by the resume."""
    with Machine("points") as machine:
        client = machine.connect()
        for kind, name in ((0, "site0"), (1, "site2")):
            run_to(machine, client, name)
            client.insert(kind, machine[name])
            hit(machine, client, name, kind)
            equal(client.read_word(machine["rounds"]), kind + 1, "rounds")
            client.remove(kind, machine[name])


def smp_case(label, kind, needs):
    @case(ids=[40], needs=["cpus_start_together", *needs], limit=120)
    def smp():
        with Machine("smp", cpus=2) as machine:
            client = machine.connect()
            equal(client.threads(), [1, 2], "vCPUs")
            client.insert(kind, machine["shared"])
            hits = {1: 0, 2: 0}
            while True:
                stop = client.cont(30)
                if stop.over:
                    break
                holds(stop.kind == "T" and stop.vcpu in hits, f"stop {stop}")
                at(machine, client, "shared", stop.vcpu)
                hits[stop.vcpu] += 1
                holds(sum(hits.values()) <= 100, f"too many hits: {hits}")
            equal(hits, {1: 50, 2: 50}, "hits by vCPU")
            ends(client, 13, stop)
            equal(machine.console(), "count0=0032 count1=0032 shared=0064\n", "console")

    smp.__name__ = label
    smp.__module__ = __name__


smp_case("two_vcpus_one_software_site", 0, [])
smp_case("two_vcpus_one_hardware_site", 1, ["hardware_exec"])


@case(ids=[40], needs=["cpus_start_together", "single_step"])
def step_one_vcpu_of_two():
    """A step moves one vCPU; the other stands still."""
    with Machine("smp", cpus=2) as machine:
        client = machine.connect()
        client.insert(1, machine["shared"])
        first = client.cont().vcpu
        other = 3 - first
        before = client.raw_registers(other)
        stop = client.step(first)
        equal(stop.vcpu, first, "vCPU that stepped")
        at(machine, client, "shared_inc", first)
        equal(client.raw_registers(other), before, "registers of the other vCPU")


@case(ids=[57])
def triple_fault():
    with Machine("triple") as machine:
        client = machine.connect()
        stop = client.cont()
        equal(stop.kind, "T", "a triple fault is a stop, not the end")
        holds(stop.code != 5, f"looks like a breakpoint: {stop}")
        if client.pc() & 0xFFFF == 0xFFF0 and client.register("r15") == 0:
            raise Skip("this host's KVM (SVM) resets a vCPU that shuts down: its state is lost")
        equal(client.register("r15"), 0x600D, "r15")
        equal(client.read(machine["fault_at"], 2), b"\x0f\x0b", "memory is readable")


@case(ids=[58], needs=["kvmdbg"])
def execution_without_memory():
    with Machine("badfetch") as machine:
        client = machine.connect()
        stop = client.cont()
        equal(stop.kind, "T", "a stop, not the end")
        equal(client.register("r15"), 0x600D, "r15")
        holds(machine.process.poll() is None, "the server is gone")


@case(ids=[54], limit=120)
def interrupts_are_never_lost():
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        last = 0
        for i in range(scaled(400, least=20)):
            client.resume("c")
            if i % 4 == 0:
                client.wire.silent(0.005)
            stop = client.interrupt()
            equal((stop.kind, stop.code), ("T", 2), "stop by interrupt")
            now = client.read_word(machine["counter"])
            holds(now >= last, f"counter went back: {last} {now}")
            last = now
        holds(last > 0, "the guest never ran")


@case()
def interrupt_while_stopped_is_ignored():
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.wire.send_raw(b"\x03\x03")
        client.wire.silent(0.3)
        client.step()
        client.insert(1, machine["work"])
        equal(client.cont().code, 5, "a queued interrupt would show here")
        at(machine, client, "work")


@case(ids=[55], needs=["kvmdbg"])
def interrupt_a_halted_vcpu():
    """A vCPU that an interrupt could wake, but none comes: the client gets it back."""
    with Machine("irq", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "sti_at")
        client.write(machine["sti_at"], b"\x90")
        client.write(machine["hlt_next"], b"\xeb\xfe")
        client.resume("c")
        try:
            client.wire.silent(0.5)
        except ProtocolError:
            equal(client.wait_stop().kind, "T", "halted for ever, and said so")
        else:
            equal(client.interrupt().code, 2, "stop by interrupt")
        at(machine, client, "hlt_next")


@case(ids=[54])
def interrupt_a_spinning_vcpu():
    with Machine("smp", cpus=1) as machine:
        client = machine.connect()
        client.resume("c")
        client.wire.silent(0.3)  # vCPU 0 spins for a second one that never comes
        equal(client.interrupt().code, 2, "stop by interrupt")
        client.write(machine["vcpus"], b"\1")
        ends(client, 13)


@case(needs=["kvmdbg"])
def end_by_status():
    """The guest's status is told in W and is the server's own exit status."""
    with Machine("points") as machine:
        client = machine.connect()
        ends(client, 3)
        equal(machine.wait_exit(), 3, "exit status")
