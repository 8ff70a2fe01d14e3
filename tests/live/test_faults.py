"""Failing ioctls on the real /dev/kvm, and guests that nothing can wake."""

import os
import subprocess

from check import Skip, at, case, equal, holds
from machine import Machine, Settings, Symbols


@case(needs=["kvmdbg"], limit=180)
def every_ioctl_fails_once():
    """Nothing hangs, somebody is told, and the guest is left as found (fault_sweep.cpp)."""
    program = os.path.join(os.path.dirname(os.path.abspath(Settings.kvmdbg)), "fault_sweep")
    if not os.path.exists(program):
        raise Skip(f"{program} is not built")
    image = os.path.join(Settings.guests, "points.elf")
    run = subprocess.run([program, image, f"{Symbols(image)['site0']:x}"], capture_output=True,
                         text=True, timeout=170)
    holds(run.stdout.startswith("PASS"), run.stdout + run.stderr)


@case(ids=[55], needs=["kvmdbg"])
def dead_halt_with_interrupt_controller():
    """HLT with interrupts off sleeps in the kernel for ever: a stop, although nothing exits."""
    with Machine("halt", pvh=True) as machine:
        client = machine.connect()
        client.resume("c")
        equal(client.wait_stop(10).kind, "T", "halted for ever, and said so")
        at(machine, client, "halt_next")
        client.resume("c")
        equal(client.wait_stop(10).kind, "T", "still halted")
        holds("woke" not in machine.console(), "the halted vCPU went on")
