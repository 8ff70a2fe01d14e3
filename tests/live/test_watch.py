"""Watchpoints of every size and kind, by whatever method the host has; loops are short, so that
single-stepping is fast enough."""

from check import at, case, ends, equal, holds, refused, run_to
from machine import Machine, free_run
from rsp import Refused

WRITE, READ, ACCESS = 2, 3, 4
KEY = {WRITE: "watch", READ: "rwatch", ACCESS: "awatch"}


def watched(machine, client, kind, low, length, places):
    """Stops right after each place, and nowhere else until the guest ends."""
    client.insert(kind, low, length)
    for name in places:
        stop = client.cont()
        equal((stop.kind, stop.code), ("T", 5), f"stop at {name}")
        holds(KEY[kind] in stop.keys, f"no {KEY[kind]} in {stop}")
        address = stop.watch_address()
        holds(low <= address < low + length, f"address {address:#x} is not in the watched range")
        at(machine, client, name)
    if kind != WRITE:  # the guest's last words read the buffer
        client.remove(kind, low, length)
    ends(client, 15)
    equal(machine.console(), free_run("watch")[0], "console against an undebugged run")


def size_case(length, offset, place):
    @case(ids=[3])
    def write_watch():
        with Machine("watch") as machine:
            client = machine.connect()
            run_to(machine, client, "main")
            watched(machine, client, WRITE, machine["buffer"] + offset, length,
                    [place + "_next"] * 2)

    write_watch.__name__ = f"write_watch_{length}"
    write_watch.__module__ = __name__


size_case(1, 0, "w1")
size_case(2, 2, "w2")
size_case(4, 4, "w4")
size_case(8, 8, "w8")
size_case(12, 16, "w12")
size_case(32, 32, "w32")


@case(ids=[42])
def misaligned_write_watch():
    """Bytes 3 to 6: hit by the 2-byte and the 4-byte write, or refused."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        try:
            watched(machine, client, WRITE, machine["buffer"] + 3, 4, ["w2_next", "w4_next"] * 2)
        except Refused as error:
            holds(error.request.startswith("Z2"), f"refused later: {error}")


@case()
def watch_is_over_when_removed():
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(WRITE, machine["buffer"] + 4, 4)
        equal(client.cont().kind, "T", "stop")
        at(machine, client, "w4_next")
        equal(client.read_word(machine["buffer"] + 4, 4), 2, "the new value")
        client.remove(WRITE, machine["buffer"] + 4, 4)
        ends(client, 15)


@case()
def write_of_the_same_value():
    """Hardware stops at any write, comparing methods at none; both end the guest as usual."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(WRITE, machine["constant"], 4)
        stops = 0
        while not (stop := client.cont()).over:
            at(machine, client, "same_next")
            stops += 1
        holds(stops in (0, 2), f"{stops} stops for 2 writes")
        ends(client, 15, stop)


def access_case(kind):
    @case()
    def access_watch():
        """The write and the read of one word, or a refusal."""
        with Machine("watch") as machine:
            client = machine.connect()
            run_to(machine, client, "main")
            try:
                client.insert(kind, machine["buffer"] + 4, 4)
            except Refused as error:
                holds(error.reply[:1] == "E", f"a refusal must be an error: {error}")
                return
            client.remove(kind, machine["buffer"] + 4, 4)
            places = ["r4_next"] if kind == READ else ["w4_next", "r4_next"]
            watched(machine, client, kind, machine["buffer"] + 4, 4, places * 2)

    access_watch.__name__ = "read_watch" if kind == READ else "access_watch"
    access_watch.__module__ = __name__


access_case(READ)
access_case(ACCESS)


@case()
def watch_in_a_string_instruction():
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(WRITE, machine["string"] + 1, 1)
        equal(client.cont().kind, "T", "stop")
        holds(client.pc() in (machine["rep"], machine["rep_next"]),
              f"at {machine.symbols.near(client.pc())}")
        equal(client.read_word(machine["string"], 2), 0x0202, "both bytes are written")


@case()
def watch_and_point_together():
    """Both are reported, each where it belongs."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(WRITE, machine["buffer"] + 4, 4)
        client.insert(1, machine["w8"])
        for _ in range(2):
            holds("watch" in client.cont().keys, f"watch first: {client.last_stop}")
            at(machine, client, "w4_next")
            holds("hwbreak" in client.cont().keys, f"then the point: {client.last_stop}")
            at(machine, client, "w8")
        ends(client, 15)


@case(needs=["single_step"])
def step_over_a_watched_write():
    """One stop, told as the watchpoint."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "w4")
        client.insert(WRITE, machine["buffer"] + 4, 4)
        stop = client.step()
        at(machine, client, "w4_next")
        equal(stop.watch_address(), machine["buffer"] + 4, "the watch")
        client.remove(WRITE, machine["buffer"] + 4, 4)
        ends(client, 15)


@case(ids=[43])
def eight_bytes_in_32_bit_mode():
    with Machine("prot32") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(WRITE, machine["wide"], 8)
        for count in (3, 2, 1):
            stop = client.cont()
            at(machine, client, "write8_next")
            holds("watch" in stop.keys, f"no watch in {stop}")
            equal(client.read_word(machine["wide"] + 4, 4), count, "what was written")
        client.remove(WRITE, machine["wide"], 8)
        ends(client, 27)


@case(ids=["61c"])
def value_is_written_once():
    """The write that is watched happens, once; the guest reads its own value."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.insert(WRITE, machine["worked"], 8)
        for count in range(1, 6):
            equal(client.cont().kind, "T", "stop")
            at(machine, client, "work_end")
            equal(client.read_word(machine["worked"]), count, "worked")
            equal(client.read_word(machine["counter"]), count, "counter")
        client.remove(WRITE, machine["worked"], 8)
        client.write(machine["quit"], b"\1")
        ends(client, 11)
        equal(machine.console(), "spin\ncounter=00000000\n", "console")


@case(ids=[3], needs=["data_watch"])
def watch_costs_nothing_in_hardware():
    """A watch that is not hit lets the guest run on at speed."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.insert(WRITE, machine["quit"], 8)
        client.resume("c")
        client.wire.silent(0.3)
        client.interrupt()
        holds(client.read_word(machine["counter"]) > 20000, "the guest was stepped")


@case()
def interrupt_while_watching():
    """A watch by stepping can be interrupted too."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.insert(WRITE, machine["quit"], 8)
        for _ in range(5):
            client.resume("c")
            client.wire.silent(0.05)
            equal(client.interrupt().code, 2, "stop by interrupt")
        holds(client.read_word(machine["counter"]) > 0, "the guest never ran")
        client.write(machine["quit"], b"\1")
        ends(client, 11)


@case()
def watch_limits_are_told():
    """What cannot be watched is refused by an error, not by silence or a crash."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        refused(lambda: client.insert(WRITE, machine["buffer"], 0), "a watch of no byte")
        refused(lambda: client.insert(WRITE, machine["buffer"], 1 << 40), "a watch of a terabyte")
        refused(lambda: client.insert(WRITE, (1 << 64) - 4, 16), "a watch over the end of memory")
        ends(client, 15)
