"""RSP on standard input and output: the debugger starts the server, and takes it along."""

import os
import signal
import subprocess
import tempfile
import time

from check import case, equal, holds
from machine import Settings, Symbols
from rsp import checksum
from test_gdb import Gdb, to_main


def command(*arguments, image="demo"):
    return [Settings.kvmdbg, "run", "--listen", "stdio", *arguments,
            os.path.join(Settings.guests, image + ".elf")]


def started(*arguments, **options):
    return subprocess.Popen(command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def framed(payload):
    return b"$" + payload + b"#%02x" % checksum(payload)


class PipedGdb(Gdb):
    """gdb that starts the server itself, by `target remote | ...`."""

    def __init__(self, *arguments, kind="remote"):
        self.image = os.path.join(Settings.guests, "demo.elf")
        self.status = os.path.join(tempfile.mkdtemp(dir=Settings.scratch), "status")
        super().__init__(self)
        words = " ".join(command(*arguments))
        self.do(f"target {kind} | {words}; echo $? >{self.status}", "Remote debugging using")

    def server_status(self):
        deadline = time.monotonic() + 10
        while not os.path.exists(self.status) or not os.path.getsize(self.status):
            holds(time.monotonic() < deadline, "the server does not end")
            time.sleep(0.05)
        with open(self.status, encoding="ascii") as file:
            return int(file.read())


@case(needs=["gdb", "kvmdbg"])
def gdb_on_a_pipe():
    gdb = PipedGdb()
    try:
        to_main(gdb)
        gdb.do("break factorial if n == 2")
        gdb.do("continue", r"factorial \(n=2\)")
        gdb.do("delete")
        gdb.do("tbreak print_status")
        gdb.do("continue", r"print_status")
        gdb.do("monitor console", r"kvmdbg demo guest.*factorial 5 is 120")
        gdb.send("continue")
        time.sleep(0.5)
        gdb.interrupt()
        output = gdb.finish()
        holds("received signal SIGINT" in output, f"after an interrupt gdb printed {output!r}")
        gdb.do("detach", r"Detaching")
        equal(gdb.server_status(), 0, "the server's status")
    finally:
        gdb.close()


@case(needs=["gdb", "kvmdbg"])
def extended_gdb_on_a_pipe():
    gdb = PipedGdb("--cpus", "2", kind="extended-remote")
    try:
        to_main(gdb)
        gdb.do("hbreak factorial")
        gdb.do("run", r"factorial \(n=5\)")
        gdb.do("info threads", r" 2 +Thread")
        gdb.close()
        equal(gdb.server_status(), 0, "the server's status when gdb is killed")
    finally:
        gdb.close()


@case(needs=["kvmdbg"])
def nothing_but_packets_on_stdout():
    server = started()
    try:
        server.stdin.write(b"+" + framed(b"QStartNoAckMode") + b"+" + framed(b"vCont;c"))
        server.stdin.flush()
        equal(server.stdout.read(7), b"+$OK#9a", "the first answer")
        time.sleep(1)  # the guest prints meanwhile
        server.stdin.write(b"\x03")
        server.stdin.flush()
        equal(server.stdout.read(4), b"$T02", "the stop")
        server.send_signal(signal.SIGINT)  # Ctrl-C in a terminal reaches us too
        time.sleep(0.2)
        equal(server.poll(), None, "the server after SIGINT")
        rest, said = server.communicate(timeout=10)
        holds(b"kvmdbg demo guest" not in rest, f"console on standard output: {rest!r}")
        holds(b"listening on stdio" in said and b"client 1 left" in said, f"said {said!r}")
        equal(server.returncode, 0, "status")
    finally:
        server.kill()


@case(needs=["kvmdbg"])
def the_guests_own_end():
    server = started()
    try:
        run_ticks = Symbols(os.path.join(Settings.guests, "demo.elf"))["run_ticks"] & 0x7FFFFFFF
        for packet in (b"QStartNoAckMode", b"M%x,1:01" % run_ticks, b"vCont;c"):
            server.stdin.write(framed(packet))
        server.stdin.flush()
        holds(server.stdout.read(18).startswith(b"+$OK#9a$OK#9a$T0f"), "the last stop")
        server.stdin.write(framed(b"vCont;c"))
        server.stdin.flush()
        equal(server.wait(10), 0, "status")
        holds(server.stdout.read().endswith(b"$W00#b7"), "the end is told")
    finally:
        server.kill()


@case(needs=["kvmdbg"])
def what_stdio_refuses():
    def refused(words, status, *arguments, **ends):
        done = subprocess.run(command(*arguments), capture_output=not ends, timeout=10, check=False,
                              **ends)
        said = done.stderr.decode()
        holds(done.returncode == status and words in said, f"{done.returncode} {said!r}")

    refused("both want standard input and output", 2, "--console", "stdio",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    refused("stdio serves one debugger", 1, "--listen", "stdio",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    refused("closed a connection from stdio: it hung up", 0, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    master, slave = os.openpty()
    refused("is a terminal", 1, stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    os.close(master)


@case(needs=["kvmdbg"])
def others_may_come_too():
    """With a socket as well, the server outlives the client on stdio."""
    import machine as machines
    from rsp import Client

    folder = tempfile.mkdtemp(dir=machines.Settings.scratch)
    address = "unix:" + os.path.join(folder, "gdb.sock")
    server = started("--listen", address)
    try:
        server.stdin.write(framed(b"QStartNoAckMode"))
        server.stdin.flush()
        equal(server.stdout.read(7), b"+$OK#9a", "the first answer")
        other = Client(address)
        holds("client 1: gdb from stdio" in other.monitor("clients"), other.monitor("clients"))
        server.stdin.close()
        time.sleep(0.3)
        equal(server.poll(), None, "the server")
        holds("stdio" not in other.monitor("clients"), other.monitor("clients"))
    finally:
        server.kill()
