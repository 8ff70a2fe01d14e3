"""Points, steps and memory in every processor mode."""

from check import Skip, at, case, ends, equal, holds, run_to
from machine import Machine, free_run, runs_here


def ends_alike(machine, client, guest, status):
    ends(client, status)
    equal(machine.console(), free_run(guest)[0], "console against an undebugged run")


def hits(machine, client, kind, address, count, what):
    client.insert(kind, address)
    for i in range(count):
        stop = client.cont()
        equal((stop.kind, stop.code), ("T", 5), f"{what}, hit {i + 1}")
        equal(client.pc(), address, f"pc at {what}")
    client.remove(kind, address)


def hit_by_address(machine, client, kind, bases, base):
    """The function that is mapped at several bases, by one of them. A breakpoint in memory is seen in
    every mapping of its page, a slot at its address alone."""
    address = machine["shared_site"] + base
    client.insert(kind, address)
    for _ in bases:
        equal(client.cont().kind, "T", f"a stop on the way to {address:#x}")
        if kind == 1 or client.pc() == address:
            break
        holds(client.pc() - machine["shared_site"] in bases, f"not the function: {client.pc():#x}")
    equal(client.pc(), address, "pc")
    client.remove(kind, address)


def real_address(machine, name):
    return 0x12340 + machine[name] - machine["code16"]


def real_mode_case(kind):
    @case(ids=[44])
    def real_mode():
        with Machine("real16") as machine:
            client = machine.connect()
            entry = real_address(machine, "real_entry")
            hits(machine, client, 1, entry, 1, "the first instruction in real mode")
            equal(client.register("cs"), 0x1234, "cs")
            equal(client.register("cr0") & 1, 0, "CR0.PE")
            equal(client.read(real_address(machine, "real_site"), 4),
                  client.read(machine["real_site"], 4), "code, and where it was copied from")
            hits(machine, client, kind, real_address(machine, "real_site"), 3, "a real-mode site")
            ends_alike(machine, client, "real16", 31)

    real_mode.__name__ = f"real_mode_Z{kind}"
    real_mode.__module__ = __name__


real_mode_case(0)
real_mode_case(1)


@case(ids=[44], needs=["single_step"])
def real_mode_steps():
    with Machine("real16") as machine:
        client = machine.connect()
        hits(machine, client, 1, real_address(machine, "real_site"), 1, "a real-mode site")
        for name in ("real_push", "real_pop"):
            client.step()
            equal(client.pc(), real_address(machine, name), name)
        ends_alike(machine, client, "real16", 31)


@case(ids=[44], needs=["single_step"], limit=90)
def walk_through_mode_switches():
    """Stepped from 32-bit mode through 16-bit and real mode and back."""
    with Machine("real16") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        client.insert(1, real_address(machine, "code16"))
        client.cont()
        client.remove(1, real_address(machine, "code16"))
        for _ in range(100):
            client.step()
            if client.pc() == machine["up"]:
                break
        at(machine, client, "up")
        ends_alike(machine, client, "real16", 31)


def paged_32(guest):
    """32-bit paging is beyond some hosts."""
    runs_here(guest, {"paging32": 35, "pae": 29}[guest])


def protected_case(kind):
    @case(ids=[45])
    def protected():
        with Machine("prot32") as machine:
            client = machine.connect()
            hits(machine, client, kind, machine["site32"], 3, "a site in flat 32-bit mode")
            ends_alike(machine, client, "prot32", 27)

    @case(ids=[45])
    def paged():
        paged_32("paging32")
        with Machine("paging32") as machine:
            client = machine.connect()
            run_to(machine, client, "paged")
            hits(machine, client, kind, machine["high_site"] + 0xC0000000, 1, "a 4M page")
            ends_alike(machine, client, "paging32", 35)

    protected.__name__ = f"prot32_Z{kind}"
    paged.__name__ = f"paging32_Z{kind}"
    protected.__module__ = paged.__module__ = __name__


protected_case(0)
protected_case(1)


def early_case(guest, name, base, status):
    @case(ids=[45, 46, 47])
    def early():
        """Set while its address is not mapped yet."""
        if guest in ("paging32", "pae"):
            paged_32(guest)
        with Machine(guest) as machine:
            client = machine.connect()
            hits(machine, client, 1, machine[name] + base, 1, name)
            ends_alike(machine, client, guest, status)

    early.__name__ = f"{guest}_point_before_paging"
    early.__module__ = __name__


early_case("paging32", "high_site", 0xC0000000, 35)
early_case("pae", "shared_site", 0xC0200000, 29)
early_case("paging64", "shared_site", 0xFFFF800040000000, 33)


@case(ids=[45])
def paging32_before_and_after():
    paged_32("paging32")
    with Machine("paging32") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        code = client.read(machine["high_site"], 8)
        holds(client.ask(f"m{machine['high_site'] + 0xC0000000:x},8")[:1] == "E",
              "memory above RAM is readable while paging is off")
        run_to(machine, client, "paged")
        equal(client.read(machine["high_site"] + 0xC0000000, 8), code, "the same code, mapped high")


@case(ids=[48])
def five_levels():
    with Machine("la57") as machine:
        client = machine.connect()
        if "la57=1" not in free_run("la57")[0]:
            raise Skip("this CPU has no 5-level paging")
        run_to(machine, client, "paged")
        address = machine["shared_site"] + 0xFF10000000000000
        equal(client.read(address, 4), client.read(machine["shared_site"], 4),
              "code through 5 levels")
        hits(machine, client, 1, address, 1, "a site behind 5 levels")
        ends_alike(machine, client, "la57", 37)


@case(ids=[45], needs=["single_step"])
def prot32_step():
    with Machine("prot32") as machine:
        client = machine.connect()
        run_to(machine, client, "step32")
        stack = client.register("rsp")
        client.step()
        at(machine, client, "step32_next")
        equal(client.register("rsp"), stack - 4, "a 32-bit push")
        ends_alike(machine, client, "prot32", 27)


def pae_case(kind):
    @case(ids=[46])
    def pae():
        paged_32("pae")
        bases = (0, 0xC0000000, 0xC0200000)
        for base in bases:
            with Machine("pae") as machine:
                client = machine.connect()
                run_to(machine, client, "paged")
                address = machine["shared_site"] + base
                equal(client.read(address, 8), client.read(machine["shared_site"], 8),
                      f"code at {address:#x}")
                hit_by_address(machine, client, kind, bases, base)
                ends_alike(machine, client, "pae", 29)

    pae.__name__ = f"pae_Z{kind}"
    pae.__module__ = __name__


pae_case(0)
pae_case(1)

BASES = {"identity": 0, "4K": 0xFFFF800000000000, "2M": 0xFFFF800040000000,
         "1G": 0xFFFF800080000000}


def paging_case(size, kind):
    @case(ids=[47])
    def paging():
        with Machine("paging64") as machine:
            client = machine.connect()
            run_to(machine, client, "mapped")
            if size == "1G" and client.read_word(machine["have_1g"]) == 0:
                raise Skip("this CPU has no 1G pages")
            address = machine["shared_site"] + BASES[size]
            equal(client.read(address, 8), client.read(machine["shared_site"], 8),
                  f"code in the {size} page")
            hit_by_address(machine, client, kind, BASES.values(), BASES[size])
            ends_alike(machine, client, "paging64", 33)

    paging.__name__ = f"paging_{size}_Z{kind}"
    paging.__module__ = __name__


for page_size in BASES:
    for point_kind in (0, 1):
        paging_case(page_size, point_kind)


@case(ids=[47])
def moved_page():
    """The address counts, not the physical page it once was."""
    with Machine("paging64") as machine:
        client = machine.connect()
        address = machine["shared_site"] + BASES["4K"]
        run_to(machine, client, "moved")
        client.write(address, client.read(address, 1))
        hits(machine, client, 1, address, 1, "a moved page")
        copy = machine["copy"] + machine["shared_site"] % 4096
        equal(client.read(address, 8), client.read(copy, 8), "what the address shows")
        ends_alike(machine, client, "paging64", 33)


@case(ids=[47])
def memory_across_a_hole():
    """A read gives the part before the hole; one that begins in it fails; a write is whole."""
    with Machine("paging64") as machine:
        client = machine.connect()
        run_to(machine, client, "mapped")
        edge = BASES["4K"] + 0x200000
        equal(len(client.read(edge - 16, 16)), 16, "bytes before the edge")
        holds(len(client.read(edge - 16, 64)) == 16, "a read over the edge is not cut there")
        before = client.read(edge - 16, 16)
        holds(client.ask(f"m{edge:x},4")[:1] == "E", "memory in a hole")
        holds(client.ask(f"M{edge - 2:x},4:01020304")[:1] == "E", "a write over the edge")
        equal(client.read(edge - 16, 16), before, "memory after a refused write")
