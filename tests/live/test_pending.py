"""Points set before their memory is there: unmapped, empty, overwritten by a loader, used again."""

from check import at, case, ends, equal, holds, run_to
from machine import Machine, free_run

MODULE = 0xffff800000000000
SOFTWARE, HARDWARE, WRITE = 0, 1, 2


def fill_slots(client):
    """Every debug register taken, so that what follows must do without."""
    for n in range(4):
        client.insert(HARDWARE, 0x1000 + n)


def module_case(name, full, pvh=False):
    @case()
    def module():
        with Machine("module", pvh=pvh) as machine:
            client = machine.connect()
            run_to(machine, client, "waiting")
            if full:
                fill_slots(client)
            client.insert(SOFTWARE, MODULE)
            for code in ("first", "second"):
                stop = client.cont()
                equal((stop.kind, stop.code), ("T", 5), f"stop in {code}")
                equal(client.pc(), MODULE, f"where it stopped in {code}")
                equal(client.read(MODULE, 16), client.read(machine[code], 16),
                      f"{code} as the guest loaded it")
            client.remove(SOFTWARE, MODULE)
            equal(client.read(MODULE, 16), client.read(machine["second"], 16), "the point is gone")
            ends(client, 41)
            equal(machine.console(), free_run("module")[0], "console against an undebugged run")

    module.__name__ = name
    module.__module__ = __name__


module_case("point_in_a_module_by_a_slot", full=False)
module_case("point_in_a_module_without_a_slot", full=True)


@case(needs=["kvmdbg"])
def the_strategy_is_said_aloud():
    with Machine("module") as machine:
        client = machine.connect()
        run_to(machine, client, "waiting")
        fill_slots(client)
        client.insert(SOFTWARE, MODULE)
        run_to(machine, client, "mapped", SOFTWARE)
        said = client.monitor("points")
        holds("pending" in said or "int3" in said or "single-step" in said, said)
        equal(client.cont().kind, "T", "stop in the module")
        equal(client.pc(), MODULE, "where it stopped")


@case()
def point_on_an_empty_page_survives_its_loader():
    """Set when the page is mapped and empty; the loader's writes go over it, nobody waits."""
    with Machine("module") as machine:
        client = machine.connect()
        run_to(machine, client, "mapped")
        fill_slots(client)
        inside = MODULE + machine["first_inside"] - machine["first"]
        client.insert(SOFTWARE, inside)
        equal(client.cont().kind, "T", "stop in the module")
        equal(client.pc(), inside, "where it stopped")
        client.remove(SOFTWARE, inside)
        ends(client, 41)


@case()
def watch_on_memory_that_is_mapped_later():
    with Machine("module") as machine:
        client = machine.connect()
        run_to(machine, client, "waiting")
        client.insert(WRITE, MODULE + 4, 4)
        stop = client.cont()
        holds("watch" in stop.keys, f"stop by the loader's write: {stop}")
        holds(MODULE + 4 <= stop.watch_address() < MODULE + 8, f"address in {stop}")
        client.remove(WRITE, MODULE + 4, 4)
        ends(client, 41)


@case(needs=["kvmdbg"])
def watch_that_is_not_hit_costs_little():
    """Nothing is stepped for it: debug registers, or exits of the one page that it is on."""
    with Machine("module") as machine:
        client = machine.connect()
        run_to(machine, client, "waiting")
        client.insert(WRITE, machine["apart"], 4)
        stop = client.cont()
        at(machine, client, "apart_written")
        said = client.monitor("points")
        holds("slot" in said and "step" not in said, said)
        equal(stop.watch_address(), machine["apart"], "the watch")
        equal(client.read_word(machine["apart"], 4), 1, "the new value")
        client.remove(WRITE, machine["apart"], 4)
        ends(client, 41)


@case()
def watch_of_two_pages():
    """8 KiB: more than any debug register."""
    with Machine("module") as machine:
        client = machine.connect()
        run_to(machine, client, "again")
        client.insert(WRITE, machine["apart"], 0x2000)
        equal(client.cont().watch_address(), machine["apart"], "first write")
        at(machine, client, "apart_written")
        stop = client.cont()
        at(machine, client, "apart_written_again")
        equal(stop.watch_address(), machine["apart"] + 4096, "second write")
        client.remove(WRITE, machine["apart"], 0x2000)
        ends(client, 41)
