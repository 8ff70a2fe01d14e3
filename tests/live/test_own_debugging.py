"""The guest debugs itself while it is debugged: what it sees must be what it sees alone."""

from check import Failure, at, case, ends, equal, holds, run_to
from machine import Machine, runs_here

ENDS = {"int3_own": 9, "icebp_own": 9, "tf_own": 9, "dr_own": 9, "movss_own": 9}
FIRST = {"int3_own": "again", "icebp_own": "again", "tf_own": "before", "dr_own": "readback",
         "movss_own": "case_icebp"}


def baseline(guest):
    return runs_here(guest, ENDS[guest])


def same(machine, client, guest, want):
    ends(client, ENDS[guest])
    equal(machine.console(), want, "console against an undebugged run")


def pass_to_end(machine, client, guest, want, places):
    """Continues over stops at `places` only, to the guest's own end."""
    addresses = [machine[p] for p in places]
    for _ in range(64):
        stop = client.cont()
        if stop.over:
            ends(client, ENDS[guest], stop)
            equal(machine.console(), want, "console against an undebugged run")
            return
        pc = client.pc()
        holds(pc in addresses, f"stop that is none of ours at {machine.symbols.near(pc)}: {stop}")
    raise Failure("the guest does not end")


def all_guests(label, ids, body, guests=tuple(ENDS), needs=()):
    def make(guest):
        @case(ids=ids, needs=needs)
        def own():
            want = baseline(guest)
            with Machine(guest) as machine:
                body(machine, machine.connect(), guest, want)

        own.__name__ = f"{guest}_{label}"
        own.__module__ = __name__

    for guest in guests:
        make(guest)


def attached(machine, client, guest, want):
    same(machine, client, guest, want)


def software_point(machine, client, guest, want):
    client.insert(0, machine[FIRST[guest]])
    pass_to_end(machine, client, guest, want, [FIRST[guest]])


def hardware_point(machine, client, guest, want):
    client.insert(1, machine[FIRST[guest]])
    pass_to_end(machine, client, guest, want, [FIRST[guest]])


def point_removed(machine, client, guest, want):
    """A point was there and is gone again: nothing of it is left."""
    run_to(machine, client, FIRST[guest], kind=0)
    same(machine, client, guest, want)


def steps_before(machine, client, guest, want):
    run_to(machine, client, "main")
    for _ in range(3):
        client.step()
    same(machine, client, guest, want)


def walked(machine, client, guest, want):
    """Every instruction up to the report is stepped."""
    run_to(machine, client, FIRST[guest])
    client.insert(0, machine["print_traps"])  # no slot: KVM would not arm the guest's own beside it
    for _ in range(6000):
        stop = client.step()
        if stop.over:
            break
        if client.pc() == machine["print_traps"]:
            client.remove(0, machine["print_traps"])
            same(machine, client, guest, want)
            return
    raise Failure(f"never came to the report: {stop}")


all_guests("attached", [13], attached)
# without slots our points are found by stepping, and steps end at exceptions' handlers by slots
all_guests("software_point", [8, 13, 15, 16], software_point,
           ["int3_own", "icebp_own", "tf_own", "movss_own"], needs=["hardware_exec"])
all_guests("hardware_point", [15], hardware_point, ["int3_own", "icebp_own", "tf_own"])
all_guests("point_removed", [6, 7], point_removed, needs=["hardware_exec"])
all_guests("steps_before", [14], steps_before, needs=["single_step", "hardware_exec"])
all_guests("walked", [14, 15, 20, 21, "61b"], walked, ["int3_own", "icebp_own", "tf_own", "dr_own"],
           needs=["single_step", "hardware_exec"])


@case(ids=[8])
def points_around_own_int3():
    """A point on the guest's own int3 is ours first; then the guest gets its exception, once."""
    want = baseline("int3_own")
    with Machine("int3_own") as machine:
        client = machine.connect()
        client.insert(1, machine["own_int3"])
        client.insert(1, machine["after_int3"])
        for _ in range(2):
            for name in ("own_int3", "after_int3"):
                equal(client.cont().kind, "T", f"stop at {name}")
                at(machine, client, name)
        same(machine, client, "int3_own", want)


@case(ids=[14], needs=["single_step", "hardware_exec"])
def step_in_the_middle_of_own_stepping():
    want = baseline("tf_own")
    with Machine("tf_own") as machine:
        client = machine.connect()
        run_to(machine, client, "traced1")
        equal(client.register("eflags") & 0x100, 0x100, "the guest's own TF is its state")
        client.step()
        same(machine, client, "tf_own", want)


@case(ids=[12], needs=["hardware_exec"])
def own_debug_registers_read_back():
    """The guest reads the values that it wrote, while our own point uses the real ones."""
    want = baseline("dr_own").splitlines()
    with Machine("dr_own") as machine:
        client = machine.connect()
        client.insert(1, machine["readback"])
        client.insert(1, machine["dr6_written"])
        for name in ("readback", "dr6_written"):
            equal(client.cont().kind, "T", f"stop at {name}")
            at(machine, client, name)
        ends(client, ENDS["dr_own"])
        got = machine.console().splitlines()
        equal(got[0], want[0], "DR0-DR7 as the guest reads them")
        equal([g for g in got if g.startswith("dr6_kept")],
              [w for w in want if w.startswith("dr6_kept")], "DR6 as the guest wrote it")


@case(ids=[11, 61], needs=["single_step", "hardware_exec"])
def own_points_after_our_steps():
    """The guest's debug registers work as before, once we have stepped through their set-up."""
    want = baseline("dr_own")
    with Machine("dr_own") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        for _ in range(200):
            client.step()
            if client.pc() == machine["readback"]:
                break
        at(machine, client, "readback")
        same(machine, client, "dr_own", want)
