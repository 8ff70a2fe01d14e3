#!/usr/bin/env python3
"""Five debuggers on one guest: gdb, lldb, and three DAP clients, by pipes, by TCP and by WebSocket.

Usage: together.py --kvmdbg PROGRAM --guests FOLDER [--keep]

Each in turn sets a breakpoint and lets the guest run to it, and all five are to see it. With --keep
the guest is left, for you to attach to, until Ctrl-C.
"""
import argparse
import re
import signal
import sys
import time
from pathlib import Path

import session
from session import Failed, Gdb, Lldb, Output, Screen, Server

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "dap"))
from client import Dap, Framed, Pipes, Socket, Web  # noqa: E402


class GdbSeat:
    """gdb cannot be told that others have resumed the guest: it joins their run by `continue`."""

    name = "gdb"

    def __init__(self, screen, port, symbols):
        self.gdb = Gdb(screen, symbols)
        self.gdb.run(f"target remote {port}", 30)

    def begin_join(self):
        self.gdb.start("continue")

    def drive(self, function):
        self.gdb.run("monitor take", 10)
        self.gdb.run(f"tbreak {function}", 10)
        self.gdb.start("continue")

    def stopped_in(self):
        self.gdb._answer(30, "continue")
        return re.search(r"in (\w+) \(|^(\w+) \(|#0 +(\w+) \(", self.gdb.run("frame", 10), re.M).group(0)

    def close(self):
        self.gdb.close()


class LldbSeat:
    name = "lldb"

    def __init__(self, screen, port, symbols):
        self.lldb = Lldb(screen, symbols)
        self.lldb.run(f"gdb-remote {port}", 30)

    def begin_join(self):
        self.lldb._wait_for_stops(False)
        self.lldb._quietly("process continue")

    def drive(self, function):
        self.lldb.run("process plugin packet monitor take", 10)
        self.lldb.run(f"breakpoint set --one-shot true --name {function}", 10)
        self.begin_join()

    def stopped_in(self):
        if not self.lldb.output.wait(lambda text: re.search(r"stop reason = .*\n.*frame", text), 30):
            raise Failed(f"lldb was not told of the stop; so far:\n{self.lldb.output.text}")
        answer = self.lldb._quietly("frame info")
        self.lldb._wait_for_stops(True)
        return answer

    def close(self):
        self.lldb.close()


class DapSeat:
    """A DAP client is told of every run and every stop, whoever caused it."""

    def __init__(self, name, wire, **arguments):
        self.name = name
        self.dap = Dap(wire, name)
        self.dap.begin(**arguments)
        self.dap.event("stopped")

    def begin_join(self):
        pass

    def drive(self, function):
        self.dap.ask("kvmdbg/takeControl")
        self.dap.ask("setFunctionBreakpoints", breakpoints=[{"name": function}])
        self.dap.ask("continue", threadId=1)

    def stopped_in(self):
        stopped = self.dap.event("stopped", 30)
        self.dap.ask("setFunctionBreakpoints", breakpoints=[])
        frame = self.dap.ask("stackTrace", threadId=stopped["threadId"], levels=1)["stackFrames"][0]
        return f"{frame['name']} ({stopped.get('description') or stopped['reason']})"

    def close(self):
        self.dap.close()


def listening(server):
    """HOST:PORT, and the token, of a server that says both as it starts."""
    found = server.messages.wait(lambda text: re.search(r"the token is in \S+", text), 10)
    if not found:
        raise Failed(f"kvmdbg named no token: {server.messages.text}")
    text = server.messages.text
    port = re.search(r"listening on (127\.0\.0\.1:\d+)", text).group(1)
    token = Path(re.search(r"the token is in ([^\s;]+)", text).group(1)).read_text().strip()
    return port, token


def seats(screen, adapter, port, token, image):
    program = str(image)
    yield GdbSeat(screen, port, program)
    if Lldb.program():
        yield LldbSeat(screen, port, program)
    yield DapSeat("DAP by pipes", Framed(Pipes(str(adapter))), server=port, program=program)
    yield DapSeat("DAP by TCP", Framed(Socket(port)), program=program)
    yield DapSeat("DAP by WebSocket", Web(port, token), program=program)


def play(screen, server, adapter, image, here):
    passed = 0
    port, token = listening(server)
    for seat in seats(screen, adapter, port, token, image):
        here.append(seat)
        screen.show(f"{seat.name} is attached", "good")
        passed += 1
    for driver in here:
        function = "beat"
        screen.show(f"\n{driver.name} sets a breakpoint at {function} and lets the guest run", "command")
        driver.drive(function)
        time.sleep(0.1)
        for seat in here:
            if seat is not driver:
                seat.begin_join()
        for seat in here:
            where = seat.stopped_in().strip()
            screen.show(f"  {seat.name}: {where}")
            if function not in where:
                raise Failed(f"{seat.name} does not see the guest in {function}, but: {where}")
            passed += 1
    return passed, port


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvmdbg", type=Path, required=True)
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    screen, here, passed, failed, server = Screen(), [], 0, 0, None
    adapter, image = options.kvmdbg.resolve().with_name("kvmdbg-dap"), options.guests.resolve() / "demo.elf"
    sources = Path(__file__).resolve().parent.parent / "guests"  # the page shows them
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("the time limit of 300 s is over"))
    signal.alarm(300)
    if not adapter.exists():
        screen.show(f"SKIP five debuggers: there is no {adapter} (liblldb-22-dev was not installed)")
        screen.show("0 passed, 0 failed, 1 skipped")
        return 0
    try:
        server = Server(screen, options.kvmdbg.resolve(), image,
                        ["--cpus", "2", "--console", "none", "--listen", "127.0.0.1:0",
                         "--root", str(sources), "--root", str(image.parent)])
        passed, port = play(screen, server, adapter, image, here)
        if options.keep:
            signal.alarm(0)
            screen.show("\nThe guest and its five debuggers stay. To join them, a browser:")
            screen.show(f"  http://{port}/#t={listening(server)[1]}", "good")
            screen.show(f"or gdb {image} -ex 'target remote {port}'\nCtrl-C ends them.")
            server.process.wait()
    except (Failed, KeyboardInterrupt, OSError, TimeoutError) as reason:
        failed = 0 if options.keep and isinstance(reason, KeyboardInterrupt) else 1
        screen.show(f"\n{'FAILED: ' if failed else ''}{str(reason) or 'stopped by you'}", "bad" if failed else "plain")
        if failed and server:
            screen.show(server.messages.text[-3000:])
    finally:
        for part in [*here, server]:
            if part:
                part.close()
    screen.show(f"{passed} passed, {failed} failed, 0 skipped", "bad" if failed else "good")
    return failed


if __name__ == "__main__":
    sys.exit(main())
