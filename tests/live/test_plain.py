"""Breakpoint instructions on every instruction of a stretch of code: what they cover is carried out
without them leaving memory, and the guest computes what it computes without them."""

import subprocess

from check import case, ends, equal, holds, run_to
from machine import Machine, free_run


def instructions(machine):
    """Addresses between first_site and last_site, by objdump."""
    text = subprocess.run(
        ["objdump", "-d", f"--start-address={machine['first_site']}",
         f"--stop-address={machine['last_site']}", machine.image], capture_output=True, text=True,
        check=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    return [int(row[0].strip(" :"), 16) for row in rows if len(row) >= 3 and row[0].endswith(":")]


@case()
def every_instruction_under_a_point():
    with Machine("plain") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        for n in range(4):  # the debug registers are taken
            client.insert(1, 0x1000 + n)
        sites = instructions(machine)
        holds(len(sites) > 50, f"objdump shows {len(sites)} instructions")
        for address in sites:
            client.insert(0, address)
        seen = []
        while not (stop := client.cont()).over and client.pc() in sites:
            seen.append(client.pc())
        holds(set(sites) - set(seen) == set() or len(set(sites) - set(seen)) <= 3,
              f"never stopped at {[hex(a) for a in set(sites) - set(seen)]}")
        ends(client, 43, stop)
        equal(machine.console(), free_run("plain")[0], "console against an undebugged run")
