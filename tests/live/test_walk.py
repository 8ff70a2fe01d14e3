"""A seeded random walk: a client does to a guest whatever a debugger may, and a model says what must
come of it. One seed again: KVMDBG_WALK_SEED=7 run.py --filter walk; longer: KVMDBG_WALK_SECONDS=60."""

import os
import random
import time

from check import Failure, case, ends, equal, holds
from machine import Machine, free_run
from rsp import Refused
from walk import (ACCESS, CATCH, HARDWARE, ONE_BYTE, ORDER, PORT, READ, REGISTERS, SOFTWARE, WRITE,
                  Memory, Program, Vcpu, strongest)

SECONDS = float(os.environ.get("KVMDBG_WALK_SECONDS", 4))
FAR = 5_000_000  # instructions that a run may be long
KEYS = {"swbreak", "hwbreak", "watch", "rwatch", "awatch"}
EXECUTION = {"swbreak", "hwbreak"}
TF_RF = 0x10100


class Walk:
    def __init__(self, machine, cpus, seed):
        self.machine, self.cpus, self.random = machine, cpus, random.Random(seed)
        self.program = Program(machine.symbols)
        self.client = machine.connect()
        self.other = None
        self.points = {"client": set(), "other": set()}
        self.log = []
        self.text = self.client.read(machine["main"], machine["w_text_end"] - machine["main"])
        self.boot()

    # What is known

    def wanted(self):
        return self.points["client"] | self.points["other"]

    def points_at(self, pc):
        return {p for p in self.wanted() if p[0] in (SOFTWARE, HARDWARE) and p[1] == pc}

    def stops_at(self, pc):
        return bool(self.points_at(pc))

    def data_points(self):
        return [point for point in self.wanted() if point[0] >= WRITE]

    def registers(self, vcpu):
        return {name: self.client.register(name, vcpu) for name in (*REGISTERS, "rip")}

    def boot(self):
        """Every vCPU to the loop, one after the other; then the model takes over."""
        start = self.machine["w_add"]
        self.client.insert(HARDWARE, start)
        self.memory, self.vcpus = Memory(), []
        for vcpu in range(1, self.cpus + 1):
            self.client.resume(f"c:{self.client.thread(vcpu)}")
            stop = self.client.wait_stop()
            equal((stop.kind, stop.code, stop.vcpu), ("T", 5, vcpu), "the start of the loop")
        self.client.remove(HARDWARE, start)
        self.memory.add(self.machine["main"], self.text)
        self.memory.add(self.machine["cells"], self.client.read(self.machine["cells"], 256))
        for vcpu in range(1, self.cpus + 1):
            self.client.set_register("rbp", 1 << 40 | self.random.getrandbits(30), vcpu)
            known = Vcpu(self.registers(vcpu))
            equal(known.pc, start, "pc at the start of the loop")
            known.reported = True
            below = known.r["rsp"] - 64
            self.memory.add(below, self.client.read(below, 64))
            self.vcpus.append(known)
        self.start = [dict(v.r) for v in self.vcpus]

    # A run, held against the model

    def advance(self, known, now, moved, told):
        """`known` becomes `now`: by so many instructions, none of which may have stopped it."""
        stands = (known.pc, known.r["rbp"]) == (now["rip"], now["rbp"])
        if stands and (not told or self.cpus > 1):
            holds(not (told and known.reported and EXECUTION & set(self.client.last_stop.keys)),
                  f"{self.machine.symbols.near(known.pc)} is told a second time")
            return
        # a point that was set since is not one that it came to, and another's hit is not told late
        due = known.due & self.points["client"]
        holds(moved != "run" or not due or told and stands,
              f"{self.machine.symbols.near(known.pc)} was left without a word for "
              f"{self.machine.symbols.near(now['rip'])}: {self.client.last_stop}")
        steps, forced = 0, None
        if told and stands and self.stops_at(known.pc) and not known.reported:
            return
        while True:
            holds(forced is None, f"ran past {forced}")
            if steps and self.stops_at(known.pc):
                forced = f"a point at {self.machine.symbols.near(known.pc)}"
                self.at_stop(known, now, forced)
                return
            watched = {p: self.memory.get(p[1], p[2]) for p in self.data_points() if p[0] < CATCH}
            accesses = self.program.step(known, self.memory)
            steps += 1
            verdict = strongest(self.data_points(), accesses)
            if verdict == "must" and not self.noticed(accesses, watched):
                verdict = "may"
            here = (known.pc, known.r["rbp"]) == (now["rip"], now["rbp"])
            if verdict == "must":
                self.at_stop(known, now, f"{accesses}")
                return
            if here and (moved != "run" or not told or verdict or self.stops_at(known.pc)):
                self.at_stop(known, now, "where it stopped")
                return
            holds(steps < FAR, f"vCPU never gets to {self.machine.symbols.near(now['rip'])}")

    def noticed(self, accesses, before):
        """A narrow watch is only sure to stop where its own bytes changed, or were read."""
        for kind, address, length in self.data_points():
            for what, where, _ in accesses:
                if what == "port" and kind == CATCH:
                    return True
                if where + 8 <= address or address + length <= where:
                    continue
                if what == "read" and kind in (READ, ACCESS):
                    return True
                if what == "write" and kind in (WRITE, ACCESS):
                    if before[kind, address, length] != self.memory.get(address, length):
                        return True
        return False

    def at_stop(self, known, now, why):
        for name, value in {"rip": known.pc, **known.r}.items():
            if now[name] != value:
                raise Failure(f"{name}: got {now[name]:#x}, want {value:#x} "
                              f"({self.machine.symbols.near(known.pc)}, {why})")

    def settle(self, stop, moved):
        """`moved`: vCPU number to "run", "step" or "held"."""
        equal(stop.kind, "T", f"the stop {stop}")
        hit = stop.code == 5
        for number, known in enumerate(self.vcpus, 1):
            now = self.registers(number)
            how = moved.get(number, "held")
            if how == "held":
                self.at_stop(known, now, "held")
                continue
            before, rounds = known.pc, known.r["rbp"]
            told = hit and number == stop.vcpu
            self.advance(known, now, how, told)
            moved_on = (before, rounds) != (known.pc, known.r["rbp"])
            known.reported = told and bool(EXECUTION & set(stop.keys)) or (
                known.reported and not moved_on and not told)
            known.caught = not told and self.just_caught(known) and (moved_on or known.caught)
            # a watch's stop tells of the point it arrived at too
            if told or moved_on:
                known.due = set() if told else self.points_at(known.pc)
            flags = self.client.register("eflags", number)
            equal(flags & TF_RF, 0, "TF and RF")
        self.look()

    def look(self):
        """All memory that the model knows, a piece at a time; points never show."""
        for start, data in self.memory.parts.items():
            equal(self.client.read(start, len(data)), bytes(data), f"memory at {start:#x}")

    # What a client does

    def go(self, actions, moved):
        self.client.resume(actions)
        try:
            stop = self.client.wait_stop(0.02 + self.random.random() / 20)
        except TimeoutError:
            stop = self.client.interrupt()
        self.settle(stop, moved)

    def do_continue(self):
        self.go("c", dict.fromkeys(range(1, self.cpus + 1), "run"))

    def do_continue_one(self):
        vcpu = self.one()
        self.go(f"c:{self.client.thread(vcpu)}", {vcpu: "run"})

    def one(self):
        return self.random.randint(1, self.cpus)

    def do_step(self):
        vcpu = self.one()
        before = self.vcpus[vcpu - 1]
        stop = self.client.step(vcpu)
        if self.told_late(stop, vcpu):
            stop = self.client.step(vcpu)
        equal(stop.vcpu, vcpu, "the vCPU that stepped")
        self.exact_step(before)
        self.settled_exactly(vcpu)
        before.reported = bool(EXECUTION & set(stop.keys))

    def just_caught(self, known):
        """The port was written by the last instruction, which a catchpoint tells without a key."""
        return known.pc == self.program.at["w_dec"] and any(p[0] == CATCH for p in self.wanted())

    def told_late(self, stop, vcpu):
        """What another vCPU's stop hid is told at the resume that would move the vCPU."""
        known = self.vcpus[vcpu - 1]
        caught, known.caught = known.caught, False
        if self.cpus == 1 or stop.vcpu != vcpu or not (KEYS & set(stop.keys) or caught):
            return False
        now = self.registers(vcpu)
        late = (now["rip"], now["rbp"]) == (known.pc, known.r["rbp"])
        holds(not late or not known.reported or not EXECUTION & set(stop.keys), "told twice")
        known.reported = known.reported or late and bool(EXECUTION & set(stop.keys))
        return late

    def exact_step(self, known):
        self.program.step(known, self.memory)

    def settled_exactly(self, vcpu):
        for number, known in enumerate(self.vcpus, 1):
            self.at_stop(known, self.registers(number), "stepped" if number == vcpu else "held")
            if number == vcpu:
                known.due = set()
        self.look()

    def do_steps(self):
        for _ in range(self.random.randint(2, 12)):
            self.do_step()

    def do_range_step(self):
        vcpu = self.one()
        known = self.vcpus[vcpu - 1]
        low, high = sorted(self.random.choices([self.program.at[n] for n in ORDER], k=2))
        self.client.resume(f"r{low:x},{high:x}:{self.client.thread(vcpu)}")
        stop = self.client.wait_stop(5)
        if self.told_late(stop, vcpu):
            self.client.resume(f"r{low:x},{high:x}:{self.client.thread(vcpu)}")
            stop = self.client.wait_stop(5)
        equal((stop.kind, stop.code), ("T", 5), "the range step's stop")
        now = self.registers(vcpu)
        for steps in range(1, FAR):
            watched = {p: self.memory.get(p[1], p[2]) for p in self.data_points() if p[0] < CATCH}
            accesses = self.program.step(known, self.memory)
            here = (known.pc, known.r["rbp"]) == (now["rip"], now["rbp"])
            surely = strongest(self.data_points(), accesses) and self.noticed(accesses, watched)
            if surely or self.stops_at(known.pc) or not low <= known.pc < high:
                break
            if here and strongest(self.data_points(), accesses):
                break
        self.settled_exactly(vcpu)
        known.reported = bool(EXECUTION & set(stop.keys))

    def do_point(self):
        self.insert(self.client, "client")

    @staticmethod
    def cells_of(point):
        kind, address, length = point
        return set(range(address // 8, (address + length + 7) // 8)) if kind < CATCH else set()

    def insert(self, client, owner):
        kind = self.random.choice((SOFTWARE, SOFTWARE, HARDWARE, HARDWARE, WRITE, READ, ACCESS))
        point = (kind, self.program.at[self.random.choice(ORDER)], 1)
        if kind >= WRITE:
            offset = 64 * self.random.randrange(self.cpus) + self.random.randrange(16)
            point = (kind, self.machine["cells"] + offset, self.random.randint(1, 16 - offset % 64))
            if any(self.cells_of(point) & self.cells_of(p) for p in self.data_points()):
                return  # a stop names one watch, and the others at resumes that do not move
        try:
            client.insert(*point)
        except Refused:
            slots = {p[1] for p in self.wanted() if p[0] == HARDWARE}
            watches = any(p[0] >= WRITE for p in self.wanted())
            holds(kind >= HARDWARE and (len(slots) >= 4 or watches or kind >= WRITE),
                  f"refused {point}, {len(slots)} slots being in use")
            return
        self.points[owner].add(point)

    def do_fill_slots(self):
        """Hardware points on data, which is never executed: software points must stand in memory."""
        for n in range(4):
            try:
                self.client.insert(HARDWARE, self.machine["trap_log"] + n)
            except Refused:
                return
            self.points["client"].add((HARDWARE, self.machine["trap_log"] + n, 1))

    def do_catch(self):
        if not any(p[0] == CATCH for p in self.points["client"]):
            try:
                self.client.monitor(f"catch port {PORT:#x}")
            except Refused as error:
                raise Failure(f"no catchpoint: {error}") from None
            self.points["client"].add((CATCH, PORT, 1))

    def do_remove(self):
        mine = sorted(self.points["client"])
        if not mine:
            return
        point = self.random.choice(mine)
        if point[0] == CATCH:
            self.client.monitor("catch delete all")
        else:
            self.client.remove(*point)
        self.points["client"].discard(point)

    def do_remove_all(self):
        while self.points["client"]:
            self.do_remove()

    def do_registers(self):
        vcpu = self.one()
        known = self.vcpus[vcpu - 1]
        for name in self.random.sample(("rax", "rbx", "rcx", "rdx", "rsi"), 2):
            known.r[name] = self.random.getrandbits(64)
            self.client.set_register(name, known.r[name], vcpu)
            equal(self.client.register(name, vcpu), known.r[name], name)

    def do_all_registers(self):
        vcpu = self.one()
        raw = self.client.raw_registers(vcpu)
        known = self.vcpus[vcpu - 1]
        equal(int.from_bytes(bytes.fromhex(raw[:16]), "little"), known.r["rax"], "rax in g")
        known.r["rax"] = self.random.getrandbits(64)
        self.client.must_ok("G" + known.r["rax"].to_bytes(8, "little").hex() + raw[16:])
        self.at_stop(known, self.registers(vcpu), "written")
        self.look()

    def do_pc(self):
        """To another place; what is called there returns, so the leaf and its stack are left alone."""
        vcpu = self.one()
        known = self.vcpus[vcpu - 1]
        if known.pc not in [self.program.at[n] for n in ("w_add", "w_xor", "w_load", "w_pad", "w_out")]:
            return
        target = self.program.at[self.random.choice(("w_add", "w_xor", "w_store", "w_pad", "w_dec"))]
        self.client.set_register("rip", target, vcpu)
        if target != known.pc:
            known.reported, known.due = False, set()
        known.pc = target

    def do_write(self):
        at = self.machine["cells"] + self.random.randrange(200)
        data = self.random.randbytes(self.random.randint(1, 40))
        self.random.choice((self.client.write, self.client.write_binary))(at, data)
        self.memory.put(at, data)
        self.look()

    def do_code(self):
        at, byte = self.program.at["w_pad"], self.random.choice(ONE_BYTE)
        self.random.choice((self.client.write, self.client.write_binary))(at, byte)
        self.memory.put(at, byte)
        self.look()

    def do_read(self):
        start = self.random.choice(sorted(self.memory.parts))
        data = self.memory.parts[start]
        low = self.random.randrange(len(data))
        want = bytes(data[low:low + self.random.randint(1, 70)])
        equal(self.client.read(start + low, len(want)), want, f"m at {start + low:#x}")
        reply = self.client.ask_bytes(f"x{start + low:x},{len(want):x}")
        equal(reply, b"b" + want if reply[:1] == b"b" else want, f"x at {start + low:#x}")

    def do_interrupt_at_rest(self):
        self.client.wire.send_raw(b"\x03")
        self.client.must("qC")

    def do_come(self):
        if self.other is not None:
            return
        self.other = self.machine.connect()
        for start, data in self.memory.parts.items():
            equal(self.other.read(start, len(data)), bytes(data), "memory, for a second client")
        for _ in range(self.random.randint(0, 3)):
            self.insert(self.other, "other")

    def do_leave(self):
        if self.other is None:
            return
        self.other.close()  # without a word
        self.machine.clients.remove(self.other)
        self.other = None
        self.points["other"] = set()
        self.gone_points()

    def gone_points(self):
        """Until the server has seen that the other one left."""
        deadline = time.monotonic() + 5
        while "2 clients" in self.clients() and time.monotonic() < deadline:
            time.sleep(0.005)

    def clients(self):
        lines = self.client.monitor("clients").strip().splitlines()
        return "2 clients" if len(lines) > 1 and self.other is None else "alone"

    def do_detach(self):
        """The guest runs on; whoever comes next stops it somewhere."""
        if self.other is not None:
            self.do_leave()
        self.client.detach()
        self.machine.clients.remove(self.client)
        self.points["client"] = set()
        for known in self.vcpus:
            known.due = set()
        if self.random.random() < 0.5:
            time.sleep(self.random.random() / 50)
        self.client = self.machine.connect()
        self.settle(self.client.last_stop, dict.fromkeys(range(1, self.cpus + 1), "run"))

    def do_reset(self):
        self.do_remove_all()
        self.do_leave()
        self.client.monitor("reset")
        equal(self.client.read(self.machine["main"], len(self.text)), self.text, "code after reset")
        self.boot()

    WEIGHTS = {do_continue: 10, do_continue_one: 4, do_step: 6, do_steps: 4, do_range_step: 6,
               do_point: 12, do_fill_slots: 2, do_catch: 1, do_remove: 7, do_remove_all: 2, do_registers: 4,
               do_all_registers: 2, do_pc: 3, do_write: 4, do_code: 3, do_read: 4,
               do_interrupt_at_rest: 1, do_come: 2, do_leave: 2, do_detach: 1, do_reset: 0.5}

    def walk(self, seconds):
        deadline = time.monotonic() + seconds
        steps = 0
        while time.monotonic() < deadline:
            action, = self.random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))
            self.log.append(action.__name__[3:])
            action(self)
            steps += 1
        return steps

    def finish(self, guest, cpus):
        """All points gone: memory is as nobody had been there, and the program's result is too."""
        self.log.append("finish")
        self.do_remove_all()
        self.do_leave()
        self.client.write(self.machine["w_pad"], ONE_BYTE[0])
        equal(self.client.read(self.machine["main"], len(self.text)), self.text, "the code at the end")
        for number, (known, start) in enumerate(zip(self.vcpus, self.start), 1):
            self.client.set_register("rip", self.machine["main"], number)
            self.client.set_register("rsp", start["rsp"], number)
            self.client.set_register("rdi", number - 1, number)
        ends(self.client, 9)
        equal(self.machine.console(), free_run(guest, cpus=cpus)[0], "console against a run alone")


def walk_case(cpus, number):
    seed = int(os.environ.get("KVMDBG_WALK_SEED", number))

    @case(ids=[40, 50, 52, 59], needs=["kvmdbg", "hardware_exec", "single_step"],
          limit=SECONDS * 4 + 60)
    def walk():
        with Machine("walk", cpus=cpus, trace=bool(os.environ.get("KVMDBG_LIVE_KEEP"))) as machine:
            steps = None
            try:
                steps = Walk(machine, cpus, seed)
                steps.walk(SECONDS)
                steps.finish("walk", cpus)
            except Exception as error:
                log = " ".join(steps.log[-25:]) if steps else ""
                points = sorted(steps.wanted()) if steps else ""
                raise Failure(f"seed {seed}, action {len(steps.log) if steps else 0}: "
                              f"{type(error).__name__} {error}; points {points}; last: {log}") from error

    walk.__name__ = f"walk_{cpus}_{number}"
    walk.__module__ = __name__


for number in range(1, 4):
    walk_case(1, number)
    walk_case(2, number)
