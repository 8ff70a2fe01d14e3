"""Rules on points, decided in the engine: conditions and dprintf of a real gdb, jKvm.insert of any client,
points that come and go while the guest runs."""

import json
import re
import time

from check import case, equal, holds, scaled
from machine import Machine
from test_gdb import Demo, to_main
from test_jkvm import ask, notification, packet, refusal

NEEDS = ["kvmdbg"]


def packets(machine):
    """How many packets the server has had from clients; it must run with a trace."""
    return len(re.findall(r"^\d*-> \$", machine.trace(), re.M))


def ask_through(client, name, **arguments):
    """As ask, of a client to which notifications come meanwhile."""
    client.wire.send(packet(name, arguments))
    while True:
        byte = client.wire._byte(time.monotonic() + 10, name)
        client.wire.buffer.insert(0, byte)
        if byte != ord("%"):
            return json.loads(client.wire.receive())
        notification(client)


class Traced(Demo):
    def __init__(self, cpus=1):
        super().__init__(cpus)
        self.machine.__exit__(None, None, None)
        self.machine = Machine("demo", cpus=cpus, pvh=True, trace=True)


@case(needs=NEEDS + ["gdb"])
def gdb_condition_costs_no_packet():
    with Traced(cpus=2) as (machine, gdb):
        to_main(gdb)
        gdb.do("break beat")
        gdb.do("continue", r"Breakpoint 2, beat")
        gdb.do("delete 2")
        rounds = scaled(400)
        last = int(re.search(r"= (\d+)", gdb.do("print work.calls"))[1]) + rounds
        gdb.do(f"break shared_work if cpu == 1 && work.calls >= {last}")
        before = packets(machine)
        gdb.do("continue", r"Breakpoint 3, shared_work \(cpu=1\)")
        cost = packets(machine) - before
        holds(cost < 60, f"{cost} packets for {rounds} misses")
        calls = int(re.search(r"= (\d+)", gdb.do("print work.calls"))[1])
        holds(last <= calls <= last + 1, f"{calls}, not {last}")  # the other vCPU calls as well
        gdb.do("info breakpoints", r"stop only if cpu == 1 .*breakpoint already hit 1 time")


@case(needs=NEEDS + ["gdb"])
def gdb_dprintf_by_the_agent():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("set dprintf-style agent")
        gdb.do(r'dprintf factorial,"factorial of %u\n", n')
        gdb.do("break list_sum")
        said = gdb.do("continue", r"Breakpoint 3, list_sum")
        equal(re.findall(r"factorial of (\d)", said), list("54321"), "lines")


@case(needs=NEEDS + ["gdb"])
def gdb_condition_that_cannot_be_evaluated():
    with Demo() as (_, gdb):
        to_main(gdb)
        gdb.do("break factorial if *(int *)0xffff800000000000 == n")
        gdb.do("continue", r"Error in testing .*condition.*[Cc]annot access memory.*factorial")


@case(needs=NEEDS)
def insert_with_a_condition():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        # before paging is on the address means nothing yet: the point waits for its code
        told = ask(client, "insert", kind="software", address=machine["factorial"],
                   condition="(u32)rdi == 2")
        equal(told["wishes"][0]["rule"], "if (u32)rdi == 2", "rule")
        stop = client.cont()
        equal((stop.vcpu, client.register("rip"), client.register("rdi") & 0xFFFFFFFF),
              (1, machine["factorial"], 2), "where")
        point = ask(client, "points")["points"][0]
        equal((point["hits"], point["wishes"][0]["held"]), (1, 1), "hits")
        # every second beat from now on
        ask(client, "remove", kind="software", address=machine["factorial"])
        ask(client, "insert", kind="hardware", address=machine["beat"], hits="%3")
        ticks = []
        for _ in range(3):
            client.cont()
            ticks.append(client.register("rdi"))
        point = ask(client, "points")["points"][0]
        equal((point["hits"], point["wishes"][0]["held"]), (3, 9), "hits of a third")
        holds(ticks[0] < ticks[1] < ticks[2], str(ticks))


@case(needs=NEEDS)
def insert_while_the_guest_runs():
    with Machine("demo", pvh=True, cpus=2) as machine:
        runner, other = machine.connect(), machine.connect()
        runner.resume()
        machine.wait_console("second processor runs")
        for round_ in range(scaled(20)):
            kind = ("software", "hardware")[round_ % 2]
            told = ask(other, "insert", kind=kind, address=machine["shared_work"],
                       condition="(u32)rdi == 1")
            equal(told["owners"], [2], "owners")
            stop = runner.wait_stop()
            equal((runner.register("rip", stop.vcpu), runner.register("rdi", stop.vcpu)),
                  (machine["shared_work"], 1), "where")
            runner.resume()
            stop = runner.wait_stop()  # it comes by again
            ask(other, "remove", kind=kind, address=machine["shared_work"])
            runner.resume()
            time.sleep(0.01)
            equal(ask(other, "vcpus")["running"], True, "nothing stops it any more")
            # in and out without a hit
            ask(other, "insert", kind=kind, address=machine["factorial"])
            ask(other, "remove", kind=kind, address=machine["factorial"])
        equal(ask(other, "points")["points"], [], "points")
        machine.wait_console("tick ")


@case(needs=NEEDS)
def log_points_of_a_running_guest():
    with Machine("demo", pvh=True, cpus=2) as machine:
        runner, other = machine.connect(), machine.connect()
        ask(other, "subscribe", events=["log"])
        runner.resume()
        machine.wait_console("second processor runs")
        ask(other, "insert", kind="software", address=machine["beat"],
            log="tick {rdi:d}, heart {u64[heartbeat]:d}", symbols=[f"heartbeat={machine['heartbeat']}"])
        ticks = []
        while len(ticks) < 5:
            line = notification(other)
            equal((line["event"], line["vcpu"], line["point"], line["dropped"]),
                  ("log", 0, f"software point at {machine['beat']:#x}", 0), "line")
            ticks.append([int(n) for n in re.fullmatch(r"tick (\d+), heart (\d+)", line["text"]).groups()])
        for (before, _), (now, heart) in zip(ticks, ticks[1:]):
            holds(heart == before < now, str(ticks))
        ask_through(other, "remove", kind="software", address=machine["beat"])
        ask_through(other, "subscribe", events=[])
        equal(ask(other, "vcpus")["running"], True, "the guest has never stopped")


@case(needs=NEEDS)
def hot_log_point_is_cut_down():
    with Machine("demo", pvh=True, cpus=2) as machine:
        runner, other = machine.connect(), machine.connect()
        runner.resume()
        machine.wait_console("second processor runs")
        ask(other, "subscribe", events=["log"])
        ask(other, "insert", kind="software", address=machine["shared_work"], log="here")
        lines = dropped = 0
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            line = notification(other)
            lines += line["text"] == "here"
            dropped += line["dropped"]
        holds(0 < lines < 2200, f"{lines} lines in 2.5 s, {dropped} left out")


@case(needs=NEEDS)
def nonsense_is_refused_by_name():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        equal(refusal(client, "insert", kind="software", address=0x100000, condition="rax == "),
              '"condition": column 8: it ends too early', "refusal")
        equal(refusal(client, "insert", kind="software", address=0x100000, condition="xmm0 == 1"),
              '"condition": column 1: xmm0 has 128 bits: 64 can be compared', "refusal")
        equal(ask(client, "points")["points"], [], "points")
