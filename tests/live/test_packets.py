"""Packets beyond the everyday ones: searching, checksums, running anew, tables, symbols, control."""

import re
import zlib

from check import at, case, ends, equal, holds, refused, run_to
from machine import Machine


def crc(data):
    """gdb's CRC-32, by a way of its own: zlib's is the same with bits, ends and complement turned."""
    def mirrored(value, bits):
        return int(f"{value:0{bits}b}"[::-1], 2)

    turned = bytes(mirrored(byte, 8) for byte in data)
    return mirrored(zlib.crc32(turned) ^ 0xFFFFFFFF, 32)


def search(client, address, length, pattern):
    from rsp import escape

    return client.must(b"qSearch:memory:%x;%x;" % (address, length) + escape(pattern))


@case(needs=["kvmdbg"])
def search_memory():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        found = int(search(client, machine["kernel_main"], 0x100000, b"plum\0")[2:], 16)
        equal(client.read(found, 5), b"plum\0", "what is at the address found")
        equal(search(client, machine["kernel_main"], 16, b"plum\0"), "0", "outside the range")
        # 128 MiB of RAM, mapped from 0 on: the hole behind it ends the search
        equal(search(client, 0, 1 << 64 - 1, bytes(range(64))), "0", "up to the hole")
        refused(lambda: search(client, 0x40000000, 16, b"a"), "a search that begins in a hole")
        refused(lambda: search(client, 0x1000, 16, b""), "a search for nothing")


@case(needs=["kvmdbg"])
def a_search_does_not_last():
    """More RAM than one request covers: an answer in time that says where to go on."""
    with Machine("demo", pvh=True, arguments=["--memory", "512M"]) as machine:
        client = machine.connect(timeout=10)
        run_to(machine, client, "factorial")
        reply = refused(lambda: search(client, 0, 0x20000000, b"\0" * 50000 + b"\1"), "512 MiB")
        holds("0x10000000 on are left" in reply, f"where it ended: {reply!r}")


@case(needs=["kvmdbg"])
def checksum_of_memory():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        code = client.read(machine["kernel_main"], 200)
        reply = client.must(f"qCRC:{machine['kernel_main']:x},{len(code):x}")
        equal(int(reply[1:], 16), crc(code), "checksum of code")
        client.insert(0, machine["kernel_main"] + 8)
        equal(client.must(f"qCRC:{machine['kernel_main']:x},{len(code):x}"), reply,
              "checksum with a breakpoint in it")
        refused(lambda: client.must("qCRC:40000000,10"), "a checksum of a hole")


@case(needs=["kvmdbg"])
def run_anew():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        client.must_ok("!")
        entry = client.pc()
        run_to(machine, client, "factorial")
        client.must_ok("vKill;1")
        client.insert(1, machine["kernel_main"])
        from rsp import Stop

        stop = Stop(client.must("vRun;"))
        equal((stop.kind, stop.code, stop.vcpu), ("T", 5, 1), "the stop after vRun")
        equal(client.pc(), entry, "pc after vRun")
        equal(client.cont().code, 5, "stop")
        at(machine, client, "kernel_main")
        client.remove(1, machine["kernel_main"])
        client.write(machine["run_ticks"], b"\1")
        stop = client.cont()
        equal(stop.code, 15, "the guest asks to power off")
        equal(Stop(client.must("vRun;")).code, 5, "run anew at the guest's end")
        run_ticks = machine["run_ticks"] & 0x7FFFFFFF  # there is no paging yet
        equal(client.read_word(run_ticks), 0, "memory is as loaded")
        refused(lambda: client.must("vRun;2f62"), "vRun with a program")
        client.write(run_ticks, b"\1")
        ends(client, 0)
        equal(machine.wait_exit(), 0, "exit status")


@case(needs=["kvmdbg"])
def tables_of_the_machine():
    with Machine("demo", pvh=True, cpus=2) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        client.insert(1, machine["beat"])
        equal(client.cont().code, 5, "stop")
        types = client.transfer("osdata", "").decode()
        equal(re.findall(r'name="Type">(\w+)<', types), ["vcpus", "points", "clients"], "types")
        vcpus = client.transfer("osdata", "vcpus").decode()
        equal(re.findall(r'name="vCPU">(\d+)<', vcpus), ["0", "1"], "vCPUs")
        holds("hardware point at" in vcpus and "long mode" in vcpus, vcpus)
        points = client.transfer("osdata", "points").decode()
        holds(re.search(r'Hits">1<', points), points)
        clients = client.transfer("osdata", "clients", 16).decode()
        holds(re.search(r'From">gdb from .*Points">1<.*Run control">yes<', clients, re.S), clients)


@case(needs=["kvmdbg"])
def take_control():
    with Machine("spin") as machine:
        one, two = machine.connect(), machine.connect()
        run_to(machine, one, "loop")
        equal(two.step().code, 2, "where the guest is, for one that has not heard")
        equal(two.step().code, 2, "a step without run control")
        holds("client 1: gdb from" in two.monitor("clients"), two.monitor("clients"))
        holds("before: client 1" in two.monitor("take"), "take")
        one.wire.silent(0.1)
        equal(one.step().code, 2, "a step after it was taken")
        equal(one.must("?")[:1], "T", "it may still ask")
        equal(two.step().code, 5, "the new holder steps")
        two.resume()
        holds("before: client 2" in one.monitor("take"), "take during a run")
        equal(two.interrupt().code, 2, "the run's stop goes to whoever waits for it")
        one.wire.silent(0.1)
        two.resume()
        equal(two.wait_stop().code, 2, "a continue after it was taken back")
        equal(one.step().code, 2, "where the guest is: interrupted")
        equal(one.step().code, 5, "and the first steps again")


@case(needs=["kvmdbg"])
def linear_pc_in_every_mode():
    with Machine("real16") as machine:
        client = machine.connect()
        seen = set()
        while (0x12340, "16") not in seen:  # where the guest's real mode code lies
            holds(len(seen) < 10, f"seen {seen}")
            text = client.monitor("linear-pc")
            base, mode = re.search(r"segment at (0x\w+), (\d+)-bit", text).groups()
            linear, again, code = re.search(r"linear (0x\w+)\n +(0x\w+): (\w+)", text).groups()
            equal(int(linear, 16), client.register("cs_base") + client.register("rip"), text)
            equal(again, linear, "where the first instruction is")
            code = bytes.fromhex(code)
            equal(code, client.read(int(linear, 16), len(code)), "bytes there")
            seen.add((int(base, 16), mode))
            client.step()
        holds((0, "32") in seen, f"seen {seen}")
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        text = client.monitor("linear-pc")
        holds("32-bit" in text and "mov %ebx" in text and "lgdt" in text, text)
        run_to(machine, client, "factorial")
        text = client.monitor("linear-pc")
        holds(f"linear {machine['factorial']:#x}\n" in text and "64-bit" in text, text)
        holds("push %rbp" in text, text)
        listed = client.monitor(f"disas {machine['factorial']:#x} 20").splitlines()
        equal(len(listed), 32, "as many as asked for")


@case(needs=["kvmdbg"])
def symbols_and_the_linux_version():
    """The client plays gdb with vmlinux; the banner is one that it wrote into guest memory."""
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        known = {"linux_banner": machine["secondary_stacks"], "init_task": 0x1000}
        question = client.must("qSymbol::")
        asked = []
        while question != "OK":
            name = bytes.fromhex(question.partition(":")[2]).decode()
            asked.append(name)
            value = f"{known[name]:x}" if name in known else ""
            question = client.must(f"qSymbol:{value}:{name.encode().hex()}")
        holds("linux_banner" in asked and len(asked) == len(set(asked)), asked)
        holds("init_task      0x1000\n" in client.monitor("symbols"), client.monitor("symbols"))
        holds("where linux_banner should be" in client.monitor("linux"), client.monitor("linux"))
        client.write(known["linux_banner"], b"Linux version 6.1.0-test (gcc 12)\n\0")
        equal(client.monitor("linux"), "Linux version 6.1.0-test (gcc 12)\n", "monitor linux")


@case(needs=["kvmdbg"])
def runs_are_shortened():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        zeros = machine["secondary_stacks"]
        client.wire.send(b"m%x,1000" % zeros)
        wire = b""
        while b"#" not in wire[:-2]:
            wire += client.wire.socket.recv(65536)
        holds(len(wire) < 300, f"{len(wire)} bytes for a page of zeros")
        equal(client.read(zeros, 0x1000), bytes(0x1000), "what it reads as")
        equal(client.ask_bytes(b"x%x,1000" % zeros), b"b" + bytes(0x1000), "binary")
