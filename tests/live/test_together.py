"""gdb, lldb and two DAP clients on one guest, in seeded random interleavings: after each action every one
of them agrees with the engine on where the guest is, and on whose points are in.

More actions than usual: KVMDBG_TOGETHER=500 run.py --filter together; one seed again:
KVMDBG_TOGETHER_SEED=7."""

import os
import pathlib
import random
import re
import sys
import time

from check import Failure, Skip, case, equal, holds
from machine import Machine, Settings
from lldb_session import Lldb
from test_gdb import Gdb

ACTIONS = int(os.environ.get("KVMDBG_TOGETHER", 100))
CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "dap"
if CLIENTS.exists():  # not in the labs
    sys.path.insert(0, str(CLIENTS))
    from client import Dap, Framed, Pipes, Socket
FUNCTIONS = ("beat", "shared_work")  # what the guest calls over and over


class Engine:
    """The truth: a client of its own that asks and does nothing."""

    def __init__(self, machine):
        self.client = machine.connect()

    def state(self, limit=10):
        """(epoch, pc of vCPU 0) of a guest that stands."""
        deadline = time.monotonic() + limit
        while True:
            reply = self.client.must("jKvm.vcpus")
            if '"running":false' in reply:
                break
            holds(time.monotonic() < deadline, "the guest never stopped")
            time.sleep(0.005)
        return int(re.search(r'"epoch":(\d+)', reply)[1]), int(re.search(r'"pc":"0x([0-9a-f]+)"', reply)[1], 16)

    def points_of(self, name):
        """Addresses of the points that this client has in."""
        clients = self.client.must("jKvm.clients")
        number = re.search(r'\{"id":(\d+),"name":"' + name, clients)[1]
        found = set()
        for point in self.client.must("jKvm.points").split('{"point"')[1:]:
            owners = re.search(r'"owners":\[([^]]*)\]', point)[1]
            if re.search(rf"\b{number}\b", owners):
                found.add(int(re.search(r'"address":"0x([0-9a-f]+)"', point)[1], 16))
        return found


class GdbSeat:
    name = "gdb"

    def __init__(self, machine):
        self.gdb = Gdb(machine).attach()
        self.points = set()

    def take(self):
        self.gdb.do("monitor take", "run control")

    def toggle(self, function):
        if function in self.points:
            self.gdb.do(f"clear {function}", "Deleted")
        else:
            self.gdb.do(f"break {function}", "Breakpoint")
        self.points ^= {function}

    def run(self):
        return self.heed(self.gdb.do("continue", "hit|SIG", 30))

    def step(self):
        return self.heed(self.gdb.do("stepi"))

    def heed(self, output):
        """It forgets the registers of those vCPUs alone that it wanted to move; it was told."""
        if "maintenance flush" in output:
            self.gdb.do("maintenance flush register-cache")
        return output

    catch_up = run

    def pc(self):
        self.gdb.do("thread 1")
        return int(re.search(r"0x([0-9a-f]+)", self.gdb.do("p/x $pc"))[1], 16)

    def close(self):
        self.gdb.close()


class LldbSeat:
    name = "lldb"

    def __init__(self, machine):
        self.lldb = Lldb("22", machine.folder, machine.image)
        self.lldb.do(f"process connect --plugin gdb-remote unix-connect://{machine.address[5:]}", "stopped")
        self.points = {}
        listed = self.lldb.do("thread list", "name = 'vCPU 0'")
        self.thread = re.search(r"thread #(\d+).*name = 'vCPU 0'", listed)[1]  # numbered as lldb hears of them

    def take(self):
        self.lldb.do("process plugin packet monitor take")

    def toggle(self, function):
        if function in self.points:
            self.lldb.do(f"breakpoint delete {self.points.pop(function)}")
        else:
            made = self.lldb.do(f"breakpoint set --name {function}", r"Breakpoint \d+")
            self.points[function] = re.search(r"Breakpoint (\d+)", made)[1]

    def run(self):
        self.lldb.do("process continue", "stopped|stop reason", 30)

    def step(self):
        self.lldb.do("thread step-inst")

    catch_up = run

    def pc(self):
        self.lldb.do(f"thread select {self.thread}")
        return int(re.search(r"rip = 0x([0-9a-f]+)", self.lldb.do("register read rip"))[1], 16)

    def close(self):
        self.lldb.close()


class DapSeat:
    def __init__(self, name, wire, **arguments):
        self.name, self.points = name, set()
        self.dap = Dap(wire, name)
        self.dap.begin(**arguments)
        self.dap.event("stopped")

    def take(self):
        self.dap.ask("kvmdbg/takeControl")

    def toggle(self, function):
        self.points ^= {function}
        self.dap.ask("setFunctionBreakpoints", breakpoints=[{"name": each} for each in sorted(self.points)])

    def run(self):
        self.quiet()
        self.dap.ask("continue", threadId=1)
        self.dap.event("stopped", 30)

    def step(self):
        self.quiet()
        self.dap.ask("stepIn", threadId=1, granularity="instruction")
        self.dap.event("stopped", 30)

    def catch_up(self):
        """It is told by itself."""

    def quiet(self):
        """Forgets what has been told so far."""
        while self.dap.take(0.02):
            pass
        self.dap.events.clear()

    def pc(self):
        frames = self.dap.ask("stackTrace", threadId=1, levels=1)["stackFrames"]
        return int(frames[0]["instructionPointerReference"], 16)

    def close(self):
        self.dap.close()


class Table:
    def __init__(self, machine, seed):
        adapter = pathlib.Path(Settings.kvmdbg).resolve().with_name("kvmdbg-dap")
        if not adapter.exists():
            raise Skip("kvmdbg-dap is not built: liblldb is not installed")
        self.random, self.log, self.engine = random.Random(seed), [], Engine(machine)
        pipes = lambda: DapSeat("dap-pipes", Framed(Pipes(str(adapter))), server=machine.address,  # noqa: E731
                                program=machine.image)
        stream = lambda: DapSeat("dap-stream", Framed(Socket(machine.address)), program=machine.image)  # noqa: E731
        self.makes = [lambda: GdbSeat(machine), lambda: LldbSeat(machine), pipes, stream]
        self.seats = [make() for make in self.makes]
        self.first = self.seats[2]
        self.told = dict.fromkeys(self.seats, self.engine.state()[0])
        self.first.toggle("beat")  # so that every run ends

    def act(self):
        seat = self.random.choice(self.seats)
        action, = self.random.choices(("run", "step", "toggle", "again"), (4, 6, 4, 0.5))
        self.log.append(f"{seat.name} {action}")
        if action == "again" and seat is not self.first and not isinstance(seat, LldbSeat):  # slow to start
            self.come_again(seat)
        elif action in ("toggle", "again"):
            function = self.random.choice(FUNCTIONS if seat is not self.first else FUNCTIONS[1:])
            seat.toggle(function)
        else:
            self.refresh(seat)
            seat.take()
            before = self.engine.state()[0]
            for _ in range(3):  # gdb may be told of another vCPU's hit, or of a move by others, first
                output = getattr(seat, action)()
                epoch, _ = self.engine.state()
                if epoch > before or not re.search("moved by others|hit Breakpoint", output or ""):
                    break
            while epoch == before and isinstance(seat, DapSeat):
                seat.dap.event("stopped", 10)  # what came was late word of an earlier stop
                epoch, _ = self.engine.state()
            holds(epoch > before, f"{seat.name} {action} did not move the guest")
            self.told[seat] = epoch
        self.agree()

    def come_again(self, seat):
        """Leaves without a word and comes back late; the guest stands still all the while."""
        at, before = self.seats.index(seat), self.engine.state()
        seat.close()
        del self.told[seat]
        self.seats[at] = self.makes[at]()
        self.told[self.seats[at]] = before[0]
        equal(self.engine.state(), before, "the guest, as one left and came back")

    def refresh(self, seat):
        """gdb and lldb cannot be told that others moved the guest: a resume tells them where it is."""
        epoch, _ = self.engine.state()
        if self.told[seat] != epoch:
            seat.catch_up()
            self.told[seat] = epoch

    def agree(self):
        epoch, pc = self.engine.state()
        for seat in self.seats:
            self.refresh(seat)
            equal(seat.pc(), pc, f"pc of vCPU 0 for {seat.name}")
        equal(self.engine.state(), (epoch, pc), "the guest, while it was looked at")
        for seat in (s for s in self.seats if isinstance(s, DapSeat)):
            at = self.engine.points_of(seat.name)
            equal(len(at), len(seat.points), f"points of {seat.name} ({sorted(map(hex, at))})")

    def close(self):
        for seat in self.seats:
            seat.close()


def together_case(number):
    seed = int(os.environ.get("KVMDBG_TOGETHER_SEED", number))

    @case(needs=["kvmdbg", "gdb"], limit=60 + ACTIONS * 3)
    def together():
        with Machine("demo", cpus=2, trace=bool(os.environ.get("KVMDBG_LIVE_KEEP"))) as machine:
            machine.connect().close()
            table = Table(machine, seed)
            try:
                for _ in range(ACTIONS):
                    table.act()
                for seat in table.seats:
                    seat.close()
                table.engine.client.must("jKvm.clients")
                deadline = time.monotonic() + 5
                while '"points":[]' not in table.engine.client.must("jKvm.points"):
                    holds(time.monotonic() < deadline, "points were left behind")
                    time.sleep(0.02)
            except Exception as error:
                raise Failure(f"seed {seed}, action {len(table.log)}: {type(error).__name__} {error}; "
                              f"last: {', '.join(table.log[-12:])}") from error
            finally:
                table.close()

    together.__name__ = f"together_{number}"
    together.__module__ = __name__


for number in (1, 2) if CLIENTS.exists() else ():
    together_case(number)
