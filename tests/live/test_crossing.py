"""One vCPU steps over a software site while the others run through it: none may get past unseen. The
guest's own counters say how many arrivals there were."""

from check import case, ends, equal, holds
from machine import Machine, Settings

ROUNDS = 50


def crossing(cpus, slots_taken):
    with Machine("smp", cpus=cpus) as machine:
        client = machine.connect()
        client.write(machine["vcpus"], bytes([cpus]))
        if slots_taken:
            for n in range(4):
                client.insert(1, machine["trap_log"] + n)  # data: never executed
        client.insert(0, machine["shared"])
        hits = dict.fromkeys(range(1, cpus + 1), 0)
        stop, looked = client.cont(30), False
        while not stop.over:
            equal((stop.kind, stop.code), ("T", 5), f"stop {stop}")
            if "swbreak" in stop.keys or "hwbreak" in stop.keys:
                equal(client.pc(stop.vcpu), machine["shared"], f"pc of vCPU {stop.vcpu} at a hit")
                hits[stop.vcpu] += 1
                holds(sum(hits.values()) <= cpus * ROUNDS, f"more hits than rounds: {hits}")
                if not looked:
                    looked = True
                    int3 = slots_taken or Settings.probe["works"]["breakpoint_exit"]  # else a slot is taken
                    equal(b"int3" in client.transfer("osdata", "points"), int3, "an int3 in memory")
                client.resume(f"s:{client.thread(stop.vcpu)};c")
            else:  # that step is over
                equal(client.pc(stop.vcpu), machine["shared_inc"], f"pc of vCPU {stop.vcpu}, stepped")
                client.resume("c")
            stop = client.wait_stop(30)
        arrivals = {n: client.read_word(machine["counts"] + 8 * (n - 1)) for n in hits}
        equal(arrivals, dict.fromkeys(hits, ROUNDS), "rounds by the guest's count")
        equal(hits, arrivals, "hits against the guest's count")
        ends(client, 13, stop)


def crossing_case(cpus, slots_taken):
    needs = ["kvmdbg", "cpus_start_together", "single_step"]

    @case(ids=[40], needs=needs + (["hardware_exec"] if slots_taken else []), limit=180)
    def case_():
        crossing(cpus, slots_taken)

    case_.__name__ = f"crossing_{cpus}" + ("_with_int3" if slots_taken else "")
    case_.__module__ = __name__


for count in (1, 2, 8):
    crossing_case(count, False)
    crossing_case(count, True)
