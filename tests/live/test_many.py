"""Many of everything: steps, points, bytes under a watch."""

import re

from check import case, ends, equal, holds, refused, run_to, scaled
from machine import Machine

TF = 0x100
ROUND = 7  # instructions of spin's loop


def looks_like_flags(word):
    """Pushed flags of these guests: bit 1 is always set, nothing above OF is."""
    return word & 2 and word & ~0xFFF == 0


@case(ids=[61], needs=["single_step", "kvmdbg"], limit=240)
def a_million_steps():
    """By range stepping; no TF afterwards in the flags, nor in what was pushed."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        top = client.register("rsp") + 16
        everything = f"r{machine['_start']:x},{machine['_start'] + 0x1000:x}:{client.thread(1)}"
        while (rounds := client.read_word(machine["counter"])) * ROUND < scaled(1_000_000):
            client.resume(everything)
            try:
                client.wait_stop(3)
            except TimeoutError:
                equal(client.interrupt().code, 2, "stop by interrupt")
            equal(client.register("eflags") & TF, 0, "TF")
            holds(client.read_word(machine["counter"]) > rounds, "no round was stepped")
        client.write(machine["quit"], b"\1")
        client.resume(everything)  # through puts, which pushes the flags
        stop = client.wait_stop(30)
        holds(stop.over, f"the guest's end, {stop}")
        words = [client.read_word(top - 8 * n) for n in range(1, 40)]
        flags = [word for word in words if looks_like_flags(word)]
        holds(flags, f"no pushed flags on the stack: {words}")
        equal([word for word in flags if word & TF], [], "pushed flags with TF")
        ends(client, 11, stop)
        equal(machine.console(), "spin\ncounter=00000000\n", "console")


@case(needs=["kvmdbg"], limit=240)
def ten_thousand_points():
    """All of them in memory at once, seen by nobody, and out again."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        low, count = 0x200000, 10_000
        before = bytes([0x90]) * count
        for offset in range(0, count, 2000):
            client.write(low + offset, before[offset:offset + 2000])
        for n in range(count):
            client.insert(0, low + n)
        client.insert(1, machine["work"])
        equal(client.cont(60).code, 5, "a run with all of them")
        equal(client.cont(60).code, 5, "another run")
        equal(b"".join(client.read(low + n, 2000) for n in range(0, count, 2000)), before,
              "memory under the points")
        client.set_register("rip", low + count - 1)  # a point, and behind it the loop again
        client.write(low + count, b"\xeb\xfe")
        stop = client.cont(60)
        holds("swbreak" in stop.keys, f"the last of the points: {stop}")
        equal(client.pc(), low + count - 1, "pc")
        client.set_register("rip", machine["loop"])
        for n in range(count):
            client.remove(0, low + n)
        client.remove(1, machine["work"])
        client.write(machine["quit"], b"\1")
        ends(client, 11)


@case(ids=[41], needs=["hardware_exec", "kvmdbg"])
def slots_keep_their_numbers():
    """The fifth hardware point is refused in words; those that stay keep their debug registers."""
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        names = ["site0", "site1", "site2", "site3"]
        for name in names:
            client.insert(1, machine[name])
        reply = refused(lambda: client.insert(1, machine["site4"]), "a fifth hardware point")
        holds("all 4 hardware slots are in use" in reply, f"the refusal says {reply!r}")

        def slots():
            client.cont()
            table = client.transfer("osdata", "points").decode()
            found = re.findall(r"0x([0-9a-f]+).*?hardware slot (\d)", table, re.S)
            return {int(address, 16): int(slot) for address, slot in found}

        before = slots()
        equal(sorted(before.values()), [0, 1, 2, 3], f"slots in use {before}")
        client.remove(1, machine["site1"])
        after = slots()
        equal(after, {at: n for at, n in before.items() if at != machine["site1"]}, "slots kept")
        client.insert(1, machine["site4"])
        equal(slots(), {**after, machine["site4"]: before[machine["site1"]]}, "the free slot")


@case(ids=[42], needs=["kvmdbg"])
def misaligned_and_huge_watches():
    """Any range that can be watched stops at its first and last byte; the others are refused."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        buffer = machine["buffer"]
        for low, length in ((buffer - 5, 6), (buffer - 4095, 4096), (buffer + 1, 0x8000),
                            (buffer & ~0xFFF, 0x10000)):
            client.insert(2, low, length)
            stop = client.cont()
            holds("watch" in stop.keys, f"{length} bytes at {low:#x}: {stop}")
            address = stop.watch_address()
            holds(low <= address < low + length, f"{address:#x} is not among {length} at {low:#x}")
            client.remove(2, low, length)
            client.monitor("reset")
            run_to(machine, client, "main")
        for kind, length in ((3, 0x10001), (4, 1 << 20), (2, (1 << 26) + 1), (2, 1 << 63)):
            reply = refused(lambda k=kind, n=length: client.insert(k, buffer, n), f"{length} bytes")
            holds("too long" in reply or "wraps" in reply, f"the refusal says {reply!r}")
        ends(client, 15)
