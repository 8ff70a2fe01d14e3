"""Catchpoints: what a guest asks of its machine, and what its CPU raises."""

from check import at, case, ends, equal, holds, run_to
from machine import Machine, Settings, free_run


def caught(machine, client, text, place=None):
    stop = client.cont()
    equal((stop.kind, stop.code), ("T", 5), f"stop, having printed {client.printed!r}")
    holds(text in client.printed, f"printed {client.printed!r}, want {text!r}")
    if place:
        at(machine, client, place)


def catch(client, what):
    said = client.monitor("catch " + what)
    holds("catchpoint at" in said, said)


@case(needs=["kvmdbg"])
def ports_by_direction():
    with Machine("steps") as machine:
        client = machine.connect()
        catch(client, "port 0xe0-0xe1 read")
        caught(machine, client, "caught a read of port 0xe0: 0x5a, 1 byte", "in_next")
        client.monitor("catch delete all")
        catch(client, "port 0xe0-0xe1 write")
        caught(machine, client, "caught a write of port 0xe1: 0x5a, 1 byte", "out_next")
        client.monitor("catch delete all")
        equal(client.monitor("catch"), "no catchpoints\n", "list")
        ends(client, 5)
        equal(machine.console(), free_run("steps")[0], "console against an undebugged run")


@case(needs=["kvmdbg"])
def mmio_by_range_and_value():
    with Machine("steps") as machine:
        client = machine.connect()
        catch(client, "mmio 0xfd000000-0xfd00000f write value 0x12345678")
        catch(client, "mmio 0xfd000000 read")
        equal(client.cont().kind, "T", "stop")
        holds("a read of mmio 0xfd000000" in client.printed, client.printed)
        listed = client.monitor("catch")
        holds("1: mmio catchpoint at 0xfd000000-0xfd00000f, writes, value 0x12345678" in listed
              and "2: mmio catchpoint at 0xfd000000, reads" in listed, listed)
        client.monitor("catch delete 2")
        holds("reads" not in client.monitor("catch"), "the second is gone")


@case(needs=["kvmdbg"])
def the_serial_port_by_value():
    """One letter of many: the others cost an exit that they cost anyway, and no stop."""
    with Machine("steps") as machine:
        client = machine.connect()
        letter = free_run("steps")[0][5]
        catch(client, f"port 0x3f8 write value {ord(letter)}")
        caught(machine, client, f"caught a write of port 0x3f8: {ord(letter):#x}, 1 byte")
        holds(machine.console().endswith(letter), machine.console())
        client.monitor("catch delete all")
        ends(client, 5)


@case(needs=["kvmdbg", "register_exits"])
def msr_accesses():
    with Machine("traps") as machine:
        client = machine.connect()
        catch(client, "msr 0xc0000082 write")
        caught(machine, client, "caught a write of msr 0xc0000082")
        holds(machine["iret_next"] < client.pc() < machine["syscall_at"], "after a wrmsr")
        client.monitor("catch delete all")
        catch(client, "msr 0xc0000080-0xc0000084")
        caught(machine, client, "caught a write of msr 0xc0000084: 0x300")
        client.monitor("catch delete all")
        ends(client, 7)
        equal(machine.console(), free_run("traps")[0], "console against an undebugged run")


@case(needs=["kvmdbg"])
def exceptions():
    """At the handler, by name, with the error code and the address."""
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        catch(client, "exception #UD")
        caught(machine, client, "caught exception 6, error code 0x0")
        client.monitor("catch delete all")
        catch(client, "exception pf value 2")  # a write: this one reads
        catch(client, "exception 14 value 0")
        caught(machine, client, "caught exception 14, error code 0x0, address 0x7fffffffff8")
        holds("value 0x2" in client.monitor("catch"), "the first is still there")
        client.monitor("catch delete all")
        ends(client, 7)
        equal(machine.console(), free_run("traps")[0], "console against an undebugged run")


@case(needs=["kvmdbg"])
def exceptions_without_a_slot():
    """By breakpoint instructions at the handlers; those that do not match are passed."""
    with Machine("traps") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        for n in range(4):
            client.insert(1, 0x1000 + n)
        catch(client, "exception 6 value 7")  # never: it has no error code
        catch(client, "exception 14")
        caught(machine, client, "caught exception 14, error code 0x0")
        client.monitor("catch delete all")
        ends(client, 7)
        equal(machine.console(), free_run("traps")[0], "console against an undebugged run")


@case(needs=["kvmdbg"])
def exceptions_before_there_is_an_idt():
    with Machine("traps") as machine:
        client = machine.connect()
        catch(client, "exception 6")
        client.insert(1, machine["main"])
        equal(client.cont().kind, "T", "stop at main")
        client.remove(1, machine["main"])
        caught(machine, client, "caught exception 6")


@case(needs=["kvmdbg"])
def what_cannot_be_caught_is_said():
    with Machine("traps") as machine:
        client = machine.connect()
        for what, why in (("port 0x10000", "numbers end at 0xffff"), ("port", "not a number"),
                          ("port 0x3f8-0x10", "no range"), ("exception 32", "numbers end at 0x1f"),
                          ("exception 1-3", "one vector"), ("msr 0x830", "x2APIC"),
                          ("hypercall 3", "itself"), ("signal 11", "cannot catch"),
                          ("port 1 value x", "not a number"), ("port 1 sideways", "sideways"),
                          ("delete 1", "there are 0"), ("delete", "not a number"),
                          ("mmio 0-0xffffffffffffffff", "no range"),
                          ("port 1 read write", "neither")):
            said = client.monitor("catch " + what)
            holds("error: " in said and why in said, f"catch {what}: {said!r}")
        if Settings.probe["works"]["register_exits"]:
            for n in range(17):
                said = client.monitor(f"catch msr {0x1000 + 2 * n}")
            holds("at most 16" in said, said)
            catch(client, "msr 0x1000-0x1040")  # they overlap: one range
            catch(client, "msr 0x1040-0x5000")
        ends(client, 7)


@case(needs=["kvmdbg"])
def catchpoints_go_with_their_client():
    with Machine("steps") as machine:
        first, second = machine.connect(), machine.connect()
        catch(first, "port 0xe1")
        catch(second, "port 0xe1")
        holds("1: " in second.monitor("catch"), "listed for all")
        first.close()
        caught(machine, second, "caught a write of port 0xe1")
        second.monitor("catch delete all")
        ends(second, 5)
