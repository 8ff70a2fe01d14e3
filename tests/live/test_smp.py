"""Two vCPUs: one steps while the other stands or runs, both hit, all stop together."""

from check import at, case, ends, equal, holds, run_to
from machine import Machine


def in_the_loop(machine):
    """Both vCPUs are going through `shared`; neither will finish, as a third one is waited for."""
    client = machine.connect()
    client.write(machine["vcpus"], b"\3")
    return client


@case(needs=["cpus_start_together", "single_step"])
def step_one_while_the_other_runs():
    with Machine("smp", cpus=2) as machine:
        client = in_the_loop(machine)
        run_to(machine, client, "shared")
        first = client.last_stop.vcpu
        client.resume(f"s:{client.thread(first)};c")
        stop = client.wait_stop()
        equal((stop.vcpu, stop.code), (first, 5), "the vCPU that stepped")
        at(machine, client, "shared_inc", first)


@case(needs=["cpus_start_together"])
def run_one_and_hold_the_other():
    with Machine("smp", cpus=2) as machine:
        client = in_the_loop(machine)
        run_to(machine, client, "shared")
        runs = client.last_stop.vcpu
        held = 3 - runs
        before = client.raw_registers(held)
        client.insert(1, machine["shared_ret"])
        for _ in range(5):
            client.resume(f"c:{client.thread(runs)}")
            stop = client.wait_stop()
            equal(stop.vcpu, runs, "the vCPU that ran")
            at(machine, client, "shared_ret", runs)
            equal(client.raw_registers(held), before, "registers of the held vCPU")


@case(ids=[54], needs=["cpus_start_together"])
def interrupts_stop_both():
    with Machine("smp", cpus=2) as machine:
        client = in_the_loop(machine)
        for _ in range(100):
            client.resume("c")
            equal(client.interrupt().code, 2, "stop by interrupt")
            before = [client.raw_registers(v) for v in (1, 2)]
            equal([client.raw_registers(v) for v in (1, 2)], before, "registers of stopped vCPUs")


@case(needs=["cpus_start_together"], limit=120)
def watch_across_vcpus():
    """Every write is told, by whichever vCPU it was, and none is lost."""
    with Machine("smp", cpus=2) as machine:
        client = machine.connect()
        client.insert(2, machine["shared_count"], 4)
        last, told = 0, 0
        while not (stop := client.cont(30)).over:
            holds("watch" in stop.keys, f"no watch in {stop}")
            at(machine, client, "shared_ret", stop.vcpu)
            now = client.read_word(machine["shared_count"], 4)
            holds(last <= now <= last + 2, f"count went from {last} to {now}")
            last, told = now, told + 1
            holds(told <= 100, "more stops than writes")
        equal(last, 100, "the last value told")
        ends(client, 13, stop)
        equal(machine.console(), "count0=0032 count1=0032 shared=0064\n", "console")


@case(needs=["cpus_start_together"], limit=120)
def locked_writes_beside_a_watch():
    """A watch that is not hit: what both vCPUs add to its page by locked instructions all arrives."""
    for _ in range(4):
        with Machine("smp", cpus=2) as machine:
            client = machine.connect()
            equal(machine["vcpus"] >> 12, machine["shared_count"] >> 12, "the page")
            client.insert(2, machine["vcpus"], 4)
            ends(client, 13, client.cont(60))
            equal(machine.console(), "count0=0032 count1=0032 shared=0064\n", "console")


@case(needs=["cpus_start_together", "single_step"])
def steps_of_both_in_turn():
    with Machine("smp", cpus=2) as machine:
        client = in_the_loop(machine)
        for _ in range(60):
            for vcpu in (1, 2):
                before = client.register("rip", vcpu)
                equal(client.step(vcpu).vcpu, vcpu, "the vCPU that stepped")
                holds(client.register("rip", vcpu) != before, f"vCPU {vcpu} does not move")


@case(needs=["cpus_start_together"], limit=90)
def software_site_and_steps_on_both():
    """One vCPU steps off a site in memory again and again while the other runs over it."""
    with Machine("smp", cpus=2) as machine:
        client = machine.connect()
        client.insert(0, machine["shared"])
        hits = {1: 0, 2: 0}
        while not (stop := client.cont(30)).over:
            at(machine, client, "shared", stop.vcpu)
            hits[stop.vcpu] += 1
            client.step(stop.vcpu)
            at(machine, client, "shared_inc", stop.vcpu)
        equal(hits, {1: 50, 2: 50}, "hits by vCPU")
        ends(client, 13, stop)


@case(needs=["kvmdbg"])
def four_vcpus():
    with Machine("smp", cpus=4) as machine:
        client = machine.connect()
        equal(client.threads(), [1, 2, 3, 4], "vCPUs")
        client.write(machine["vcpus"], b"\4")
        for vcpu in (1, 2, 3, 4):
            equal(client.register("rdi", vcpu), vcpu - 1, "vCPU number at entry")
        ends(client, 13)
        holds("shared=00c8" in machine.console(), f"console {machine.console()!r}")


@case(needs=["kvmdbg"])
def secondary_vcpu_waits_for_its_start():
    """With an interrupt controller the second vCPU sits still until SIPI; steps of it end."""
    with Machine("demo", cpus=2) as machine:
        client = machine.connect()
        equal(client.threads(), [1, 2], "vCPUs")
        before = client.raw_registers(2)
        equal(client.step(2).kind, "T", "a step of a vCPU that waits")
        equal(client.raw_registers(2), before, "its registers")
        run_to(machine, client, "secondary_main", timeout=30)
        equal(client.last_stop.vcpu, 2, "the vCPU that started")


@case(needs=["kvmdbg"])
def reset_starts_again():
    """Both vCPUs are back at the first instruction, points stay, the run is as the first."""
    with Machine("smp", cpus=2) as machine:
        client = machine.connect()
        client.insert(1, machine["shared_ret"])
        for _ in range(2):
            for _ in range(5):
                equal(client.cont().kind, "T", "stop")
            at(machine, client, "shared_ret", client.last_stop.vcpu)
            client.monitor("reset")
            for vcpu in (1, 2):
                at(machine, client, "_start", vcpu)
            equal(client.read_word(machine["shared_count"], 4), 0, "data is as loaded")
        client.remove(1, machine["shared_ret"])
        ends(client, 13)
        equal(machine.console(), "count0=0032 count1=0032 shared=0064\n", "console")
