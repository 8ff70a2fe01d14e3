"""What a user's step costs stock gdb in packets; lldb's are counted in test_lldb.py, by its own log."""

from check import case, holds
from machine import Machine
from test_gdb import Gdb
from test_replay import traffic

# next and continue: recorded with a stub that offers all that gdb 13 asks for; connecting: with QEMU 7.2
CONNECT, CONTINUE, NEXT, STEPI = 23, 8, 17, 6


@case(needs=["gdb", "hardware_exec"])
def packets_of_gdb():
    with Machine("demo", pvh=True, trace=True) as machine:
        gdb = Gdb(machine)

        def cost(command, want, most):
            before = packets(machine)
            gdb.do(command, want)
            used = packets(machine)[len(before):]
            holds(len(used) <= most, f"{command!r} took {len(used)} packets, not {most}: {used}")

        try:
            gdb.attach()
            used = packets(machine)
            holds(len(used) <= CONNECT, f"connecting took {len(used)} packets, not {CONNECT}: {used}")
            gdb.do("hbreak kernel_main", "breakpoint 1")
            cost("continue", "Breakpoint 1, kernel_main", CONTINUE)
            gdb.do("delete 1")
            cost("stepi", None, STEPI)
            for _ in range(3):
                cost("next", r"\d+\t", NEXT)
            cost("next", "interrupts_init", NEXT)  # over a line that calls print
        finally:
            gdb.close()


def packets(machine):
    """What the last client sent, but for acks."""
    try:
        return [data[:40] for to_server, data in traffic(machine) if to_server and b"$" in data]
    except ValueError:  # nobody is there yet
        return []
