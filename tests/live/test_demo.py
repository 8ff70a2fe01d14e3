"""The demo guest, with its timer running: what a debugger does to a guest that takes interrupts."""

import os
import re
import select
import subprocess
import tempfile
import time

from check import Failure, at, case, ends, equal, holds, run_to, scaled
from machine import Machine, Settings

TF = 0x100


def to_the_end(machine, client):
    """The guest goes on undisturbed and powers itself off."""
    client.write(machine["run_ticks"], (1).to_bytes(8, "little"))
    ends(client, 0)
    console = machine.console()
    holds("exception" not in console, f"the guest saw an exception: {console!r}")
    holds(console.endswith("power off\n"), f"console {console!r}")


@case()
def runs_to_power_off():
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "kernel_main")
        to_the_end(machine, client)
        holds("factorial 5 is 120\none processor\n" in machine.console(), machine.console())


@case()
def second_processor_counts():
    with Machine("demo", cpus=2) as machine:
        client = machine.connect()
        run_to(machine, client, "kernel_main")
        client.write(machine["print_every"], (5).to_bytes(4, "little"))
        client.write(machine["run_ticks"], (20).to_bytes(8, "little"))
        ends(client, 0)
        holds("second processor runs\n" in machine.console(), machine.console())
        counts = [int(line.split()[-1]) for line in machine.console().splitlines()
                  if " secondary " in line]
        holds(len(counts) >= 2 and counts == sorted(set(counts)), f"its counter went {counts}")


@case(ids=[4, 61], needs=["single_step", "block_interrupts"])
def steps_stay_out_of_the_timer():
    """Plain steps never end in the handler, and the timer still ticks afterwards."""
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "print_status")
        handler = range(machine["timer_interrupt"], machine["timer_interrupt"] + 64)
        before = client.read_word(machine["timer_tick"])
        for _ in range(scaled(1500, least=100)):
            client.step()
            pc = client.pc()
            holds(pc not in handler, f"stepped into the handler: {machine.symbols.near(pc)}")
        equal(client.read_word(machine["timer_tick"]), before, "ticks during the steps")
        equal(client.register("eflags") & TF, 0, "TF")
        to_the_end(machine, client)


@case(ids=[32], needs=["single_step"])
def steps_through_the_idle_loop():
    """hlt, the wake-up and the work after it, stepped; then the guest goes on."""
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "beat")
        for _ in range(scaled(400, least=60)):
            stop = client.step()
            equal((stop.kind, stop.code), ("T", 5), "a step")
        equal(client.register("eflags") & TF, 0, "TF")
        to_the_end(machine, client)


@case()
def point_in_the_timer_handler():
    """Hit once per tick."""
    for kind in (0, 1):
        with Machine("demo") as machine:
            client = machine.connect()
            run_to(machine, client, "beat")
            client.insert(kind, machine["timer_interrupt"])
            ticks = []
            for _ in range(10):
                equal(client.cont().code, 5, "stop in the handler")
                at(machine, client, "timer_interrupt")
                ticks.append(client.read_word(machine["timer_tick"]))
            equal(ticks, list(range(ticks[0], ticks[0] + 10)), "ticks at each hit")
            client.remove(kind, machine["timer_interrupt"])
            to_the_end(machine, client)


@case(needs=["single_step"])
def step_out_of_the_timer_handler():
    """iret in a real handler: back in the idle loop, interrupts on again."""
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "beat")
        run_to(machine, client, "timer_interrupt")
        frame = client.register("rsp")
        back = client.read_word(frame)
        for _ in range(200):
            client.step()
            if client.pc() == back:
                break
        equal(client.pc(), back, "the interrupted place")
        holds(client.register("eflags") & 0x200, "interrupts are off")
        to_the_end(machine, client)


@case(limit=90)
def point_hit_by_both_processors():
    """However busy the host: processor 1 comes by once a tick, processor 2 all the time."""
    with Machine("demo", cpus=2) as machine:
        client = machine.connect()
        run_to(machine, client, "secondary_main")
        client.insert(0, machine["shared_work"])
        hits = {1: 0, 2: 0}
        end = time.monotonic() + 60
        while time.monotonic() < end:
            stop = client.cont(30)
            at(machine, client, "shared_work", stop.vcpu)
            equal(client.register("rdi", stop.vcpu) + 1, stop.vcpu, "its argument")
            hits[stop.vcpu] += 1
            if min(hits.values()) >= 3:
                break
        holds(min(hits.values()) >= 3, f"hits by vCPU: {hits}")
        client.remove(0, machine["shared_work"])
        to_the_end(machine, client)


@case(needs=["kvmdbg"])
def typed_on_the_console():
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "beat")
        text = client.monitor("console q")
        holds("factorial 5 is 120" in text, f"monitor console showed {text!r}")
        ends(client, 0)
        holds(machine.console().endswith("power off\n"), machine.console())


def read_until(descriptor, text, timeout=15):
    seen, deadline = b"", time.monotonic() + timeout
    while text not in seen:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError(f"{text!r} never came, only {seen!r}")
        if not (more := os.read(descriptor, 4096)):
            raise Failure(f"end of output after {seen!r}")
        seen += more
    return seen


def free_demo(console, folder):
    return subprocess.Popen(
        [Settings.kvmdbg, "run", "--go", "--listen", f"unix:{folder}/gdb.sock", "--console",
         console, os.path.join(Settings.guests, "demo.elf")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@case(needs=["kvmdbg"])
def typed_on_standard_input():
    with tempfile.TemporaryDirectory() as folder, free_demo("stdio", folder) as server:
        read_until(server.stdout.fileno(), b"one processor")
        server.stdin.write(b"q")
        server.stdin.flush()
        read_until(server.stdout.fileno(), b"power off")
        equal(server.wait(10), 0, "exit status")


@case(needs=["kvmdbg"])
def typed_on_a_pty():
    with tempfile.TemporaryDirectory() as folder, free_demo("pty", folder) as server:
        told = read_until(server.stderr.fileno(), b"/dev/pts/")
        if not (name := re.search(rb"/dev/pts/\d+", told)):
            name = re.search(rb"/dev/pts/\d+", told + os.read(server.stderr.fileno(), 100))
        terminal = os.open(name[0], os.O_RDWR | os.O_NOCTTY)
        read_until(terminal, b"tick 100 ")
        os.write(terminal, b"q")
        equal(server.wait(10), 0, "exit status")
        os.close(terminal)


@case(needs=["kvmdbg"])
def time_stands_still_at_a_stop():
    """The timer does not run on while a client holds the guest: no burst of ticks afterwards."""
    with Machine("demo") as machine:
        client = machine.connect()
        run_to(machine, client, "beat")
        before = client.read_word(machine["timer_tick"])
        client.wire.silent(2)
        client.insert(1, machine["beat"])
        equal(client.cont().code, 5, "stop")
        passed = client.read_word(machine["timer_tick"]) - before
        holds(passed <= 20, f"{passed} ticks for one round after a stop of 2 s")
