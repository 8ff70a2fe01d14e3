"""Whole sessions of real clients, recorded by --trace and fed again, a byte at a time, to a fresh server: it
must answer with the same bytes."""

import re
import socket
import time

from check import Failure, case, holds
from lldb_session import Session, for_each_lldb
from machine import Machine

# Up to where the guest's timer is started, which would not tick at the same instructions twice.
LLDB = ("breakpoint set --name kernel_main", "continue", "bt", "register read rip cr0", "thread step-inst",
        "thread step-over", "breakpoint set --name serial_init --hardware", "memory read -c 16 0x100000",
        "register write r15 77", "memory write 0x200000 1 2 3", "process status", "thread list",
        "breakpoint delete 1", "detach")
GDB = ("hbreak kernel_main", "continue", "bt", "info registers rip cr0 eflags", "stepi", "x/4i $pc", "x/4xg $sp", "next",
       "set $r15 = 77", "print heartbeat", "info threads", "monitor vcpus", "detach")
LINE = re.compile(r"^(\d*)(->|<-) (.*)$")


def unescape(text):
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), text).encode("latin-1")


def traffic(machine):
    """[(to the server, bytes)] of the last client, in order."""
    lines = [m for m in map(LINE.match, machine.trace().splitlines()) if m]
    last = max(int(m[1] or 1) for m in lines)
    return [(m[2] == "->", unescape(m[3])) for m in lines if int(m[1] or 1) == last]


def told(data, machine):
    """Without what differs from run to run: the process id, and the sums over it."""
    pid = f"{machine.process.pid:x}".encode()
    data = re.sub(rb"(?<=[p:;])0*" + pid + rb"(?=[.;#])", b"PID", data)
    return re.sub(rb"#[0-9a-f]{2}", b"#", data)


def mine(data, recorded, replayed):
    """What the recorded client sent, to the machine of now."""
    old, new = f"{recorded:x}", f"{replayed:x}"

    def packet(found):
        body = re.sub(rf"(?<=[p;])(0*){old}(?=[.;]|$)".encode(),
                      lambda m: m[1] + new.encode(), found[1])
        return b"$" + body + b"#%02x" % (sum(body) & 0xff)

    return re.sub(rb"\$([^#]*)#[0-9a-f]{2}", packet, data, flags=re.S)


def replay(recorded, lines):
    with Machine("demo", pvh=True) as fresh:
        fresh.connect().close()
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(fresh.address[5:])
            wire.settimeout(20)
            wanted, got = b"", b""
            for to_server, data in lines:
                if to_server:
                    for byte in mine(data, recorded.process.pid, fresh.process.pid):
                        wire.sendall(bytes([byte]))
                    continue
                wanted += told(data, recorded)
                while len(told(got, fresh)) < len(wanted):
                    piece = wire.recv(1 << 16)
                    holds(piece, f"the server hung up before {data[:80]!r}")
                    got += piece
                if told(got, fresh) != wanted:
                    have = told(got, fresh)
                    at = next(i for i in range(len(wanted)) if have[i:i + 1] != wanted[i:i + 1])
                    raise Failure(f"byte {at}: ...{have[max(0, at - 60):at + 40]!r}, recorded "
                                  f"...{wanted[max(0, at - 60):at + 40]!r}")
    return len(wanted)


def check(machine, least):
    deadline = time.monotonic() + 5
    detached = []
    while not detached:
        holds(time.monotonic() < deadline, "the client did not detach")
        time.sleep(0.05)
        lines = traffic(machine)
        detached = [i for i, (to_server, data) in enumerate(lines) if to_server and b"$D" in data]
    until = detached[-1]
    holds(until > least, f"only {until} lines were recorded")
    replay(machine, lines[:until])


@for_each_lldb()
def session_of(version):
    with Session(version, trace=True) as (machine, lldb):
        for command in LLDB:
            lldb.do(command)
        check(machine, 60)


@case(needs=["gdb"])
def session_of_gdb():
    from test_gdb import Gdb

    with Machine("demo", pvh=True, trace=True) as machine:
        gdb = Gdb(machine).attach()
        try:
            for command in GDB:
                gdb.do(command)
            check(machine, 60)
        finally:
            gdb.close()
