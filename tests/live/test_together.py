"""gdb, lldb and two DAP clients on one guest, in seeded random interleavings: after each action every one
of them agrees with the engine on where the guest is, and on whose points are in.

Only on request, for they do not all agree yet (a stock debugger that steps over a breakpoint while another
client moves the guest is what goes wrong): KVMDBG_TOGETHER=60 run.py --filter together, so many actions; one
seed again: KVMDBG_TOGETHER_SEED=7."""

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

ACTIONS = int(os.environ.get("KVMDBG_TOGETHER", 0))
if ACTIONS:  # the labs, which load every file here, have no DAP clients
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "dap"))
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
        self.gdb.do("continue", "hit|SIG", 30)

    def step(self):
        self.gdb.do("stepi")

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
        self.lldb.do("thread select 1")
        return int(re.search(r"0x([0-9a-f]+)", self.lldb.do("register read rip"))[1], 16)

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
        self.random, self.log = random.Random(seed), []
        self.machine, self.engine, self.seats = machine, Engine(machine), []
        for make in (lambda: GdbSeat(machine), lambda: LldbSeat(machine),
                     lambda: DapSeat("dap-pipes", Framed(Pipes(str(adapter))), server=machine.address,
                                     program=machine.image),
                     lambda: DapSeat("dap-stream", Framed(Socket(machine.address)), program=machine.image)):
            self.seats.append(make())
        self.first = self.seats[2]
        self.told = dict.fromkeys(self.seats, self.engine.state()[0])
        self.first.toggle("beat")  # so that every run ends

    def act(self):
        seat = self.random.choice(self.seats)
        action = self.random.choice(("run", "run", "step", "step", "step", "toggle", "toggle"))
        self.log.append(f"{seat.name} {action}")
        if action == "toggle":
            function = self.random.choice(FUNCTIONS if seat is not self.first else FUNCTIONS[1:])
            seat.toggle(function)
        else:
            self.refresh(seat)
            seat.take()
            before = self.engine.state()[0]
            getattr(seat, action)()
            epoch, _ = self.engine.state()
            holds(epoch > before, f"{seat.name} {action} did not move the guest")
            self.told[seat] = epoch
        self.agree()

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
        with Machine("demo", cpus=2) as machine:
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


for number in (1, 2) if ACTIONS else ():
    together_case(number)
