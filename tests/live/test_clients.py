"""Clients that vanish, come in numbers, or send rubbish: server and guest are none the worse."""

import os
import signal
import socket
import subprocess
import time

from check import at, case, ends, equal, holds, run_to
from machine import Machine, free_run
from rsp import Refused, Wire, checksum

TF, RF = 0x100, 0x10000


def guest_is_clean(machine, code):
    """What a new client finds: a live guest, its code as linked, no trap flag, no point."""
    client = machine.connect()
    equal(client.read(machine["loop"], len(code)), code, "the guest's code")
    equal(client.register("eflags") & (TF | RF), 0, "TF, RF")
    before = client.read_word(machine["counter"])
    client.resume("c")
    client.wire.silent(0.3)  # no point of the old client is left to hit
    equal(client.interrupt().code, 2, "stop by interrupt")
    holds(client.read_word(machine["counter"]) > before, "the guest does not run")
    client.write(machine["quit"], b"\1")
    ends(client, 11)
    equal(machine.console(), "spin\ncounter=00000000\n", "console")


def vanish_case(label, leave):
    @case(ids=[59], needs=["kvmdbg"])
    def vanishes():
        with Machine("spin") as machine:
            client = machine.connect()
            run_to(machine, client, "loop")
            code = client.read(machine["loop"], machine["work_end"] + 1 - machine["loop"])
            client.insert(0, machine["work"])
            client.insert(1, machine["after_work"])
            leave(machine, client)
            client.close()
            guest_is_clean(machine, code)

    vanishes.__name__ = label
    vanishes.__module__ = __name__


def stop_and_leave(machine, client):
    equal(client.cont().kind, "T", "stop")


def leave_mid_packet(machine, client):
    client.cont()
    client.wire.send_raw(b"$vCont;c")


def leave_mid_step(machine, client):
    client.cont()
    client.resume(f"s:{client.thread(1)}")


def leave_running(machine, client):
    client.remove(0, machine["work"])
    client.remove(1, machine["after_work"])
    client.insert(0, machine["_start"])
    client.resume("c")
    client.wire.silent(0.05)


def leave_with_a_flood(machine, client):
    """Asks much and never reads."""
    for _ in range(2000):
        client.wire.send(b"m%x,400" % machine["_start"])


vanish_case("vanish_while_stopped", stop_and_leave)
vanish_case("vanish_mid_packet", leave_mid_packet)
vanish_case("vanish_mid_step", leave_mid_step)
vanish_case("vanish_while_running", leave_running)
vanish_case("vanish_after_a_flood", leave_with_a_flood)


@case(ids=[59])
def detach_leaves_the_guest_running():
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.insert(0, machine["work"])
        client.insert(1, machine["after_work"])
        client.write(machine["quit"], b"\1")
        client.detach()
        equal(machine.wait_exit(), 11, "the guest's own end, after a detach")
        equal(machine.console(), "spin\ncounter=00000000\n", "console")


@case(needs=["kvmdbg"])
def detach_and_come_back():
    with Machine("spin") as machine:
        for _ in range(20):
            client = machine.connect()
            client.insert(1, machine["work"])
            equal(client.cont().kind, "T", "stop")
            at(machine, client, "work")
            client.detach()
        client = machine.connect()
        holds(client.read_word(machine["counter"]) >= 20, "the guest never ran between")


@case(needs=["kvmdbg"])
def kill_packet_spares_the_server():
    """k detaches; the next client finds the machine."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.wire.send(b"k")
        client.close()
        again = machine.connect()
        holds(again.read_word(machine["counter"]) >= 0, "no memory")


@case(needs=["kvmdbg"])
def server_dies_quietly():
    """SIGTERM ends the server and the guest, also while a client waits for a stop."""
    with Machine("spin") as machine:
        client = machine.connect()
        client.resume("c")
        client.wire.silent(0.1)
        machine.signal(signal.SIGTERM)
        status = machine.wait_exit(10)
        holds(status in (0, 128 + signal.SIGTERM, -signal.SIGTERM), f"exit status {status}")
        holds(not os.path.exists(machine.address[5:]), "the socket file is left behind")


@case(needs=["kvmdbg"])
def two_clients_read():
    with Machine("spin") as machine:
        first = machine.connect()
        run_to(machine, first, "loop")
        second = machine.connect()
        equal(second.register("rip"), machine["loop"], "rip for the second client")
        equal(second.read(machine["loop"], 16), first.read(machine["loop"], 16), "memory")
        equal(second.threads(), first.threads(), "vCPUs")
        second.close()
        first.step()
        equal(first.last_stop.kind, "T", "the first client goes on")


@case(needs=["kvmdbg"])
def two_clients_share_points():
    """One's removal does not take the other's point away."""
    with Machine("spin") as machine:
        first = machine.connect()
        run_to(machine, first, "loop")
        second = machine.connect()
        for client in (first, second):
            client.insert(0, machine["work"])
        second.remove(0, machine["work"])
        equal(first.cont().kind, "T", "stop")
        at(machine, first, "work")
        second.insert(0, machine["after_work"])
        second.close()
        for _ in range(3):
            first.cont()
            at(machine, first, "work")


@case(needs=["kvmdbg"])
def second_client_while_running():
    """A late joiner stops the guest, and both know."""
    with Machine("spin") as machine:
        first = machine.connect()
        first.resume("c")
        first.wire.silent(0.1)
        second = machine.connect()
        equal(second.last_stop.kind, "T", "the second client's first answer")
        equal(first.wait_stop().kind, "T", "the first client is told")
        equal(second.read_word(machine["counter"]), first.read_word(machine["counter"]), "counter")


@case(needs=["kvmdbg"])
def only_the_driver_resumes():
    """Whoever moved the guest last holds it: another's resume is refused until that one leaves."""
    with Machine("spin") as machine:
        first = machine.connect()
        run_to(machine, first, "loop")
        second = machine.connect()

        second.resume("c")  # a stop where the guest is, and words
        equal(second.wait_stop(3).code, 2, "a resume by the second client")
        at(machine, first, "loop")
        first.close()
        for _ in range(50):
            second.resume("c")
            try:
                stop = second.interrupt()
                break
            except Refused:
                second.running = False
                time.sleep(0.02)
        equal(stop.code, 2, "the second client drives now")


@case(needs=["kvmdbg"])
def requests_while_running():
    """What needs a stopped guest is refused at once while it runs; nothing hangs."""
    with Machine("spin") as machine:
        client = machine.connect()
        run_to(machine, client, "loop")
        client.resume("c")
        for packet in ("g", "p10", "P0=0000000000000000"):
            reply = client.ask(packet, 3)
            holds(reply[:1] == "E", f"{packet} while running: {reply!r}")
        for packet in ("Z1,100000,1", "z1,100000,1"):
            equal(client.ask(packet, 3), "OK", packet)
        equal(client.interrupt().code, 2, "stop by interrupt")
        equal(len(client.read(machine["loop"], 4)), 4, "memory")


@case(needs=["kvmdbg"])
def ack_mode():
    """Every packet is acknowledged; '-' gets the same answer again; a bad checksum gets '-'."""
    with Machine("points") as machine:
        client = machine.connect(ack_mode=True)
        run_to(machine, client, "site0")
        wire = client.wire
        wire.acks = False
        wire.send(b"p0")
        wire.expect_ack()
        reply = wire.receive()
        wire.send_raw(b"-")
        equal(wire.receive(), reply, "the answer sent again")
        wire.send_raw(b"+")
        wire.send_raw(b"$p0#00")
        byte = wire._byte(time.monotonic() + 5, "a nack")
        equal(byte, ord("-"), "answer to a wrong checksum")
        wire.send_raw(b"$p0#%02x" % checksum(b"p0"))
        wire.expect_ack()
        equal(wire.receive(), reply, "the answer after a nack")
        wire.send_raw(b"+")
        wire.silent(0.1)


@case(needs=["kvmdbg"])
def any_chunking():
    """Packets in single bytes and many in one write are answered alike."""
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "site0")
        want = client.must("p10")
        packet = b"$p10#%02x" % checksum(b"p10")
        for byte in packet:
            client.wire.send_raw(bytes([byte]))
            time.sleep(0.002)
        equal(client.wire.receive().decode(), want, "a packet in single bytes")
        client.wire.send_raw(packet * 50)
        for _ in range(50):
            equal(client.wire.receive().decode(), want, "50 packets in one write")


@case(needs=["kvmdbg"])
def rubbish_packets():
    """An error or an empty answer to each, in order, and the session goes on."""
    rubbish = [b"m", b"m,", b"m0", b"m0,", b"mzz,4", b"m0,zz", b"m" + b"f" * 40 + b",4",
               b"M0,4:00", b"M0,1:0000", b"M0,1:zz", b"M0,1", b"X0,4:a", b"X0,",
               b"vCont", b"vCont;", b"vCont;z", b"vCont;c:zz", b"vCont;s:p1.999", b"vCont;r10",
               b"vCont;r10,zz:1", b"H", b"Hg", b"Hgzz", b"Hgp1.77", b"Hx1", b"T", b"Tzz", b"Tp1.77",
               b"qXfer:features:read:", b"qXfer:features:read:nothing.xml:0,10",
               b"qXfer:features:read:target.xml:zz,10", b"qXfer:features:read:target.xml:0",
               b"qXfer:nothing:read::0,10", b"qXfer:features:write:target.xml:0,10",
               b"qRcmd,zz", b"qRcmd,6", b"vMustReplyEmpty", b"qNothingLikeThis", b"\xff\xfe\x00",
               b"!!",
               b"Z", b"z", b"P", b"p", b"G", b"qSearch:memory:", b"qCRC:", b"qCRC:0",
               b"jNothing:{", b"QStartNoAckModeX", b"vFile:open:zz", b"D;99999999999999999999"]
    with Machine("points") as machine:
        client = machine.connect()
        run_to(machine, client, "site0")
        before = client.raw_registers()
        for packet in rubbish:
            client.wire.send(packet)
            reply = client.wire.receive(5, f"the answer to {packet!r}")
            holds(reply == b"" or reply[:1] == b"E", f"{packet!r} answered {reply!r}")
        huge = client.ask("m0,ffffffffffffffff")
        limit = int(client.features["PacketSize"], 16)
        holds(len(huge) <= limit, f"an answer of {len(huge)} bytes")
        client.wire.silent(0.1)
        equal(client.raw_registers(), before, "registers")
        ends(client, 3)


@case(needs=["kvmdbg"])
def rubbish_bytes():
    """Connections that talk nonsense are closed or ignored; the server serves the next one."""
    with Machine("points") as machine:
        first = machine.connect()
        first.close()
        for data in (b"\x00" * 64, b"#00", b"$", b"$#", b"+$#00+", b"}" * 1000, b"$" * 5000,
                     b"$m0,10", b"$" + b"a" * 300000, b"-" * 1000, b"\x03" * 100, b"$}#%02x" % 0x7D,
                     b"HELLO\r\n\r\n", os.urandom(4096)):
            try:
                wire = Wire(machine.address)
                wire.send_raw(data)
                wire.close()
            except (BrokenPipeError, ConnectionResetError):
                pass
            holds(machine.process.poll() is None, f"the server died of {data[:40]!r}")
        client = machine.connect()
        run_to(machine, client, "site0")
        ends(client, 3)


@case(needs=["kvmdbg"])
def many_connections():
    with Machine("spin") as machine:
        machine.connect().close()
        for _ in range(200):
            Wire(machine.address).close()
        files = len(os.listdir(f"/proc/{machine.process.pid}/fd"))
        client = machine.connect()
        run_to(machine, client, "loop")
        holds(files < 60, f"{files} files are open")


@case(needs=["kvmdbg"])
def tcp_socket():
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    with Machine("points", listen=f"127.0.0.1:{port}") as machine:
        client = machine.connect()
        run_to(machine, client, "site0")
        ends(client, 3)


@case(needs=["kvmdbg", "gdb"])
def killed_gdb():
    """gdb dies by SIGKILL with points in while the guest runs."""
    with Machine("spin") as machine:
        machine.connect().close()
        gdb = subprocess.Popen(
            ["gdb", "-nx", "-batch", "-ex", f"target remote {machine.address[5:]}", "-ex",
             f"hbreak *{machine['work']:#x}", "-ex", "continue", "-ex", "delete", "-ex",
             f"break *{machine['_start']:#x}", "-ex", "continue", machine.image],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        seen = b""
        while seen.count(b"Continuing") < 1 and b"Breakpoint 2 at" not in seen:
            holds(time.monotonic() < deadline, f"gdb got no further than {seen!r}")
            seen += os.read(gdb.stdout.fileno(), 4096)
        time.sleep(0.5)
        gdb.kill()
        gdb.wait()
        client = machine.connect()
        run_to(machine, client, "loop")
        code = client.read(machine["loop"], machine["work_end"] + 1 - machine["loop"])
        client.close()
        with open(machine.image, "rb") as file:
            holds(code in file.read(), "the guest's code is not the image's")
        guest_is_clean(machine, code)


@case(ids=[50, 59])
def memory_is_byte_identical():
    """After points, steps and a watch, all code and read-only data are as loaded."""
    with Machine("watch") as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        length = 0x600
        before = client.read(machine["_start"], length)
        for name in ("w1", "w2", "w4", "w8"):
            client.insert(0, machine[name])
        for name in ("w1", "w2", "w4"):
            client.cont()
            at(machine, client, name)
        client.step()
        for name in ("w1", "w2", "w4", "w8"):
            client.remove(0, machine[name])
        client.insert(2, machine["buffer"] + 8, 8)
        client.cont()
        client.remove(2, machine["buffer"] + 8, 8)
        equal(client.read(machine["_start"], length), before, "memory")
        ends(client, 15)
        equal(machine.console(), free_run("watch")[0], "console")
