"""jKvm packets on a real machine: against registers and memory as RSP has them, and events as they come."""

import json
import re
import struct
import time

from check import case, equal, holds, run_to
from machine import Machine
from rsp import ProtocolError, checksum, escape, expand

NEEDS = ["kvmdbg"]


def packet(name, arguments):
    return escape((f"jKvm.{name}" + (":" + json.dumps(arguments) if arguments else "")).encode())


def ask(client, name, **arguments):
    return json.loads(client.must(packet(name, arguments)))


def refusal(client, name, **arguments):
    reply = client.ask(packet(name, arguments))
    holds(reply.startswith("E."), f"{name} {arguments} answered {reply!r}")
    return reply[2:]


def notification(client, timeout=10):
    """The next %Kvm; nothing else may come."""
    wire, deadline = client.wire, time.monotonic() + timeout
    first = wire._byte(deadline, "a notification")
    if first != ord("%"):
        raise ProtocolError(f"{chr(first)!r} is no notification")
    payload = bytearray()
    while (byte := wire._byte(deadline, "a notification")) != ord("#"):
        payload.append(byte)
    sent = bytes([wire._byte(deadline, "a sum"), wire._byte(deadline, "a sum")])
    equal(sent, b"%02x" % checksum(payload), "sum")
    text = expand(bytes(payload)).decode()
    holds(text.startswith("Kvm:"), text)
    return json.loads(text[4:])


@case(needs=NEEDS)
def descriptor_tables():
    with Machine("demo", pvh=True, cpus=2) as machine:
        client = machine.connect()
        gdt = ask(client, "descriptorTables", table="gdt")  # 32-bit code, without paging
        equal(gdt["entries"][0]["kind"], "32-bit code", "PVH's code segment")
        equal(refusal(client, "descriptorTables", table="gdt", vcpu=1),
              "in real mode only the interrupt table is in use", "the other vCPU")
        run_to(machine, client, "factorial")
        idt = ask(client, "descriptorTables", table="idt")
        equal(int(idt["base"], 16), client.register("idtr_base"), "base")
        for entry in idt["entries"]:
            low, selector, bits, middle, high = struct.unpack(
                "<HHHHI", client.read(int(idt["base"], 16) + 16 * entry["number"], 12))
            equal(int(entry["base"], 16), low | middle << 16 | high << 32, f"vector {entry['number']}")
            equal((int(entry["selector"], 16), entry["stack"], entry["privilege"], entry["present"]),
                  (selector, bits & 7, bits >> 13 & 3, bool(bits >> 15)), f"vector {entry['number']}")
        part = ask(client, "descriptorTables", table="idt", first=13, count=2)["entries"]
        equal([entry["number"] for entry in part], [13, 14], "a part of it")
        equal(refusal(client, "descriptorTables", table="tss"), "this vCPU has loaded no task register", "TSS")
        equal(refusal(client, "descriptorTables", table="ldt"), "this vCPU has no LDT", "LDT")
        listed = client.monitor("table idt")
        equal(re.findall(r"gate, (0x\w+)", listed), [entry["base"] for entry in idt["entries"]],
              "monitor shows the same")


@case(needs=NEEDS)
def msrs_by_number():
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        run_to(machine, client, "factorial")
        for name, number in (("efer", 0xc0000080), ("gs_base", 0xc0000101)):
            equal(int(ask(client, "msr", number=number)["value"], 16), client.register(name), name)
        ask(client, "msr", number=0xc0000100, value="0x12345000")
        equal(client.register("fs_base"), 0x12345000, "the base of FS")
        client.step()
        equal(client.register("fs_base"), 0x12345000, "after a step")
        equal(client.monitor("msr c0000100 777000"), "msr 0xc0000100 = 0x777000\n", "monitor")
        equal(int(ask(client, "msr", number="0xc0000100")["value"], 16), 0x777000, "and jKvm")


@case(needs=NEEDS)
def events_for_who_asked():
    with Machine("demo", pvh=True) as machine:
        watcher, driver, stranger = machine.connect(), machine.connect(), machine.connect()
        everything = ["resumed", "stopped", "memory-changed", "points-changed", "client-joined", "client-left",
                      "console"]
        equal(sorted(ask(watcher, "subscribe", events=everything)["events"]), sorted(everything), "events")
        driver.insert(1, machine["kernel_main"])
        by = {"by": 2, "byName": f"client 2 (gdb from {machine.address})"}
        equal(notification(watcher), {"event": "points-changed", **by}, "a point")
        driver.send("vCont;c")
        equal(notification(watcher), {"event": "resumed", "epoch": 1, **by}, "a run")
        stopped = notification(watcher)
        equal((stopped["event"], stopped["epoch"]), ("stopped", 1), "a stop")
        equal(stopped["vcpus"][0]["reasons"], [f"hardware point at {machine['kernel_main']:#x}"], "why")
        driver.wire.receive()
        driver.remove(1, machine["kernel_main"])
        notification(watcher)
        driver.write(machine["heartbeat"], b"abc")
        changed = notification(watcher)
        equal((changed["event"], changed["length"], changed["by"]), ("memory-changed", 3, 2), "memory")
        other = machine.connect(handshake=False)
        other.wire.send_raw(b"+")
        equal(notification(watcher)["event"], "client-joined", "somebody")
        other.close()
        equal(notification(watcher), {"event": "client-left", "client": 4}, "somebody goes")
        driver.send("vCont;c")
        notification(watcher)
        text = ""
        while "long mode" not in text:
            event = notification(watcher)
            equal(event["event"], "console", "what the guest writes")
            text += event["text"]
        holds(machine.console().startswith(text[:20]), text)
        stranger.wire.silent(0.1)
