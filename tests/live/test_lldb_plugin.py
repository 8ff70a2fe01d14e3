"""lldb's plugin over the demo guest: every command in each lldb, against what gdb's packets say."""

import json
import os
import re
import socket
import struct
import subprocess
import threading
import time

from check import Skip, equal, holds
from lldb_session import Session, connect, for_each_lldb
from machine import Machine, Settings
from test_lldb import to_main

KERNEL_GS_BASE = 0xC0000102
CONFIRMED = "Reads a model-specific register"


def plugin():
    path = os.path.join(os.path.dirname(os.path.abspath(Settings.kvmdbg)), "libkvmdbg-lldb.so")
    if not os.path.exists(path):
        raise Skip("the plugin is not built: liblldb-22-dev was not there")
    return path


def load(lldb):
    lldb.do(f"plugin load {plugin()}", r"\A\n*\Z")
    return lldb


class Plugged(Session):
    """A session with the plugin, and gdb's packets as a second opinion."""

    def __enter__(self):
        plugin()
        machine, lldb = super().__enter__()
        return machine, load(lldb), machine.connect()


def rows(text):
    """A report's table: lists of words, by the first of each line."""
    return {line.split()[0]: line.split() for line in text.strip().splitlines() if line.split()}


def physical(client, address, length):
    client.must_ok("Qqemu.PhyMemMode:1")
    data = client.read(address, length)
    client.must_ok("Qqemu.PhyMemMode:0")
    return data


@for_each_lldb()
def help_and_completion(version):
    with Plugged(version, attach=False) as (_, lldb, _):
        commands = re.findall(r"^ {6}(\w+) +--", lldb.do("help kvm"), re.M)
        for command in ("run", "attach", "list", "caps", "points", "clients", "take", "vcpus", "walk",
                        "idt", "gdt", "msr", "phys", "exceptions", "stops", "console", "trace",
                        "symbols"):
            holds(command in commands, f"{command!r} is not in {commands}")
        lldb.do("help kvm msr", rf"{CONFIRMED}.*Syntax: kvm msr NUMBER\|NAME \[VALUE\]")
        lldb.do("script m = lldb.SBStringList(); c = lldb.debugger.GetCommandInterpreter()")
        for line, want in (("kvm ex", "exceptions"), ("kvm exceptions s", "set"), ("kv", "kvm")):
            lldb.do(f"script c.HandleCompletion({line!r}, {len(line)}, 0, -1, m)")
            lldb.do("script print([m.GetStringAtIndex(i) for i in range(m.GetSize())])",
                    rf"'{want} ?'")
            lldb.do("script m.Clear()")
        lldb.do("kvm walk", r"error: 0 arguments; want: kvm walk ADDRESS \[ROOT\]")
        lldb.do("kvm take me", "error: 1 arguments; want: kvm take")


@for_each_lldb()
def settings_are_kept(version):
    name = "plugin.process.gdb-remote.use-g-packet-for-reading"
    with Plugged(version, attach=False) as (_, lldb, _):
        lldb.do(f"settings show {name}", "= true")
        lldb.do(f"settings set {name} false")
        load(lldb)  # a second time: changes nothing
        lldb.do(f"settings show {name}", "= false")
        lldb.do("help kvm msr", CONFIRMED)


@for_each_lldb()
def not_connected(version):
    with Plugged(version, attach=False) as (machine, lldb, _):
        for command in ("caps", "points", "clients", "take", "vcpus", "walk 1", "idt", "gdt", "msr 16",
                        "phys 0", "exceptions list", "exceptions set 14", "stops", "console", "trace",
                        "symbols"):
            lldb.do("kvm " + command, r"\Aerror: not connected: `kvm run IMAGE` starts a guest[^\n]*\Z")
        lldb.do(connect(machine), "Process .* stopped")
        lldb.do("kvm attach unix:/nowhere", r"\Aerror: the selected target is connected already[^\n]*\Z")
        lldb.wait_for_stops(False)
        lldb.do("continue", "resuming")
        while "running" not in lldb.do("process status"):  # lldb takes it in when it likes
            time.sleep(0.05)
        lldb.do("kvm vcpus", r"error: the guest runs: stop it first")
        lldb.send("process interrupt")
        lldb.wait_for(r"stop reason = ")


class OtherStub:
    """The least that lldb takes for a remote process."""

    ANSWERS = {"?": "T05thread:1;", "qC": "QC1", "qfThreadInfo": "m1", "qsThreadInfo": "l",
               "QStartNoAckMode": "OK", "qProcessInfo": "pid:1;endian:little;ptrsize:8;",
               "qHostInfo": "triple:" + b"x86_64-unknown-linux-gnu".hex() + ";ptrsize:8;endian:little;",
               "g": "00" * 560, "k": "X09"}

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        text, acknowledges = b"", True
        while more := connection.recv(4096):
            text += more
            while found := re.search(rb"\$([^#]*)#..", text):
                text = text[found.end():]
                packet = found[1].decode()
                answer = self.ANSWERS.get(packet, "E01" if packet[0] in "pmx" else "")
                framed = f"${answer}#{sum(answer.encode()) % 256:02x}"
                connection.sendall((("+" if acknowledges else "") + framed).encode())
                acknowledges &= packet != "QStartNoAckMode"


@for_each_lldb()
def another_server(version):
    with Plugged(version, attach=False) as (machine, lldb, _):
        path = os.path.join(machine.folder, "other")
        OtherStub(path)
        lldb.do(f"process connect --plugin gdb-remote unix-connect://{path}", "stopped")
        lldb.do("kvm caps", r"\Aerror: the server of this target is not kvmdbg, or an old one: it does "
                            r"not know jKvm\.capabilities\Z")


@for_each_lldb()
def odd_bytes(version):
    """Braces, quotes and RSP's own signs, there and back: in the server's complaint."""
    with Plugged(version) as (_, lldb, client):
        lldb.do("""kvm exceptions set "}]'#$*}" """, re.escape("""error: "}]'#$*}" is no exception"""))
        lldb.do(r'''kvm exceptions set 'a"\b' ''', re.escape(r'''error: "a\"\\b" is no exception'''))
        equal(client.monitor("catch"), "no catchpoints\n", "catchpoints")


@for_each_lldb()
def processors(version):
    with Plugged(version, cpus=2) as (_, lldb, client):
        to_main(lldb)
        text = lldb.do("kvm vcpus", r"\Astopped, run 1\n.*real mode, waiting for start-up")
        equal(rows(text)["0"][3], hex(client.register("rip")), "vCPU 0's pc")
        equal(rows(text)["1"][3], hex(client.register("rip", 2)), "vCPU 1's pc")
        caps = lldb.do("kvm caps")
        theirs = client.monitor("caps")
        for what in ("single step", "steps keep interrupts back"):
            ours = re.search(rf"^{what} +(\w+)", caps, re.M)
            holds(ours, f"no {what!r} in {caps!r}")
        equal(re.search(r"^single step +(\w+)", caps, re.M)[1],
              re.search(r"single step +(\w+)", theirs)[1], "single step")
        lldb.do("kvm caps", r"CPU family +x86_64\nvCPUs +2\n")


@for_each_lldb()
def page_walk(version):
    with Plugged(version, cpus=2) as (machine, lldb, client):
        to_main(lldb)
        for expression, address in (("$rip", client.register("rip")),
                                    ("&heartbeat", machine["heartbeat"]),
                                    (hex(machine["factorial"]), machine["factorial"])):
            text = lldb.do(f"kvm walk {expression}", "in a page of 2 MiB: supervisor, writable")
            found = re.match(r"(0x\w+) -> (0x\w+)", text)
            equal(int(found[1], 16), address, expression)
            equal(physical(client, int(found[2], 16), 64), client.read(address, 64), expression)
        root = client.register("cr3")
        lldb.do("kvm walk $rip", f"tables at {root:#x}\n  PML4E")
        lldb.do(f"kvm walk $rip {root:#x}", f"tables at {root:#x}")
        lldb.do("kvm walk 0xffff900000000000", r"\Aerror: ")
        lldb.do("kvm walk nothing_of_this_name", r"\Aerror: 'nothing_of_this_name' is no number: ")
        lldb.do("thread select 2")
        lldb.do("kvm walk 0x1234", r"0x1234 -> 0x1234: paging is off\n*\Z")  # of the one selected


@for_each_lldb()
def descriptor_tables(version):
    with Plugged(version) as (_, lldb, client):
        to_main(lldb)
        lldb.do("breakpoint set --name beat --one-shot true")
        lldb.do("continue", "stop reason")
        base = client.register("idtr_base")
        text = lldb.do("kvm idt", rf"\Aidt at {base:#x}, limit {client.register('idtr_limit'):#x}\n")
        low, selector, middle, high = struct.unpack("<HHxxHI", client.read(base + 14 * 16, 12))
        equal(rows(text)["14"][1:3], [hex(low | middle << 16 | high << 32), hex(selector)], "gate 14")
        equal(set(rows(lldb.do("kvm idt 13 2"))) - {"idt", "vector"}, {"13", "14"}, "a part of it")
        base = client.register("gdtr_base")
        text = lldb.do("kvm gdt", rf"\Agdt at {base:#x}, limit {client.register('gdtr_limit'):#x}\n")
        code = client.register("cs") >> 3
        holds(client.read(base + 8 * code, 8)[6] & 0x20, "cs is 64-bit code")
        equal(rows(text)[str(code)][-2:], ["64-bit", "code"], "cs in the GDT")


@for_each_lldb()
def msrs(version):
    with Plugged(version) as (_, lldb, client):
        to_main(lldb)
        lldb.do("kvm msr EFER", rf"\Amsr 0xc0000080 efer = {client.register('efer'):#x}\n*\Z")
        lldb.do(f"kvm msr {KERNEL_GS_BASE:#x} 0xffff888012345678",
                "k_gs_base = 0xffff888012345678")
        equal(client.register("k_gs_base"), 0xFFFF888012345678, "k_gs_base as a register")
        lldb.do("kvm msr 0x7fffffff", r"\Aerror: ")


@for_each_lldb()
def physical_memory(version):
    with Plugged(version) as (_, lldb, client):
        text = lldb.do("kvm phys 0x100000 40")
        digits = "".join(re.findall(r"(?<= )[0-9a-f]{2}(?= )", re.sub(r"  .*", " ", text, flags=re.M)))
        equal(digits, physical(client, 0x100000, 40).hex(), text)
        for expression in ("$rip", "`$rip + 16`", "'0x100000 + 16'"):
            text = lldb.do(f"kvm phys {expression} 64")
            equal(len(text.strip().splitlines()), 4, f"lines of 64 bytes: {text!r}")
        lldb.do("kvm phys 0 0x10000", r"\Aerror: .*32768")


@for_each_lldb()
def clients_and_points(version):
    with Plugged(version) as (_, lldb, client):
        to_main(lldb)
        found = rows(lldb.do("kvm clients"))
        theirs = client.monitor("clients")
        del found["client"]
        equal(len(found), 2, theirs)
        for number, line in found.items():
            holds(re.search(rf"\b{number}\b.*{re.escape(line[-4][-20:])}", theirs), f"{line} {theirs}")
        client.monitor("take")
        lldb.do("thread step-inst", "run control is held by client")
        lldb.do("kvm take", r"\Aclient (\d+) \(you\) has run control; client \d+ had it\n*\Z")
        lldb.do("kvm take", "had run control already")
        lldb.do("thread step-inst", "instruction step into")
        client.monitor("catch port 0x3f8 write")
        points = lldb.do("kvm points", r"port catchpoint at 0x3f8, writes +pending")
        holds("0x3f8" in client.monitor("points"), points)


@for_each_lldb()
def time_line(version):
    with Plugged(version) as (machine, lldb, _):
        lldb.do("kvm stops", r"\Athe guest has not stopped yet\n*\Z")
        to_main(lldb)
        lldb.do("thread step-inst", "instruction step into")
        lines = lldb.do("kvm stops").strip().splitlines()
        equal([re.split(r"  +", line)[1] for line in lines], ["run", "1", "2"], "runs")
        holds(f"at {machine['kernel_main']:#x}"[:12] in lines[1], lines[1])
        equal(len(lldb.do("kvm stops 1").strip().splitlines()), 2, "the latest alone")
        told = time.strptime(lines[-1][:8], "%H:%M:%S")
        now = time.localtime()
        apart = (now.tm_hour - told.tm_hour) * 3600 + (now.tm_min - told.tm_min) * 60 + \
            now.tm_sec - told.tm_sec
        holds(0 <= apart % 86400 < 60, f"{lines[-1]!r} at {now}")


@for_each_lldb()
def console_and_trace(version):
    with Plugged(version, trace=True) as (machine, lldb, _):
        lldb.do("kvm trace", r"\Athe server writes a trace\n*\Z")
        lldb.do("kvm console", "the guest has written nothing")
        lldb.do("breakpoint set --name print_status --one-shot true")
        lldb.do("continue", "stop reason")
        equal(lldb.do("kvm console").strip(), machine.console().replace("\r", "").strip(), "console")
        lldb.do("kvm console q")
        lldb.do("continue")
        machine.wait_console("power off")
    with Plugged(version) as (_, lldb, _):
        lldb.do("kvm trace", "writes no trace")


@for_each_lldb()
def exceptions(version):
    with Plugged(version) as (_, lldb, client):
        to_main(lldb)
        lldb.do("breakpoint set --name beat --one-shot true")
        lldb.do("continue", "stop reason")
        lldb.do("target stop-hook list", "No stop hooks")
        lldb.do("kvm exceptions list", "no exception stops the guest")
        lldb.do("kvm exceptions set #PF --error 2", r"14 +#PF +0x2 +0")
        lldb.do("kvm exceptions set 13", r"13 +#GP +- +0")
        holds("exception" in client.monitor("catch"), "monitor knows of it")
        equal(lldb.do("target stop-hook list").count("Hook: "), 1, "stop hooks")
        lldb.do("kvm exceptions explain", "no thread stopped at a caught exception")
        lldb.do("register write rip `(long)&beat`")
        lldb.do("register write rdi 1")
        lldb.do("memory write -s 8 $rip 0x00fffff000252489")  # mov %esp, -0x1000
        lldb.do("continue", r"stop reason = caught exception 14, error code 0x2, "
                r"address 0xfffffffffffff000")
        lldb.do("kvm exceptions explain",
                r"\Athread #1: #PF page fault: write, in supervisor mode, no page is there\n*\Z")
        equal(client.register("cr2"), 2**64 - 0x1000, "cr2")
        lldb.do("kvm exceptions clear #PF --error 2")
        text = lldb.do("kvm exceptions clear #GP", "no exception stops the guest")
        equal(client.monitor("catch"), "no catchpoints\n", text)
        lldb.do("kvm exceptions set", "error: 0 arguments")
        lldb.do("kvm exceptions set --error", "error: --error wants an error code")


@for_each_lldb()
def run_a_guest(version):
    with Plugged(version, attach=False) as (machine, lldb, _):
        lldb.do(f"kvm program {Settings.kvmdbg}", re.escape(os.path.abspath(Settings.kvmdbg)))
        lldb.do("kvm program /nowhere", "error: '/nowhere' is no program that can be run")
        lldb.do("target delete --all")
        lldb.do("kvm run /nowhere", r"error: kvmdbg did not start: .*/nowhere")
        text = lldb.do(f"kvm run {machine.image} --cpus 2", r"Process \d+ stopped.*at entry")
        started = int(re.search(r"Process (\d+)", text)[1])
        folder = os.path.dirname(re.search(r"unix:(\S+)", text)[1])
        equal(len(re.findall("thread #", lldb.do("thread list"))), 2, "threads")
        lldb.do("image list", "demo.elf")
        to_main(lldb)
        lldb.close()  # killed: none of the plugin's code runs
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{started}") or os.path.exists(folder):
            holds(time.monotonic() < deadline, f"{started} or {folder} is still there")
            time.sleep(0.02)


@for_each_lldb()
def attach_to_a_guest(version):
    with Plugged(version, attach=False, cpus=2) as (machine, lldb, _):
        for place in (machine.address, machine.address[5:], "unix-connect://" + machine.address[5:]):
            lldb.do(f"kvm attach {place}", rf"Process {machine.process.pid} stopped")
            lldb.send("process detach")
            lldb.wait_for(r"Process \d+ detached")  # said when lldb has taken it in
        lldb.do("kvm attach 127.0.0.1:1", "error: ")
    with Machine("demo", pvh=True, listen="127.0.0.1:0") as tcp, \
            Plugged(version, attach=False) as (_, lldb, _):
        deadline = time.monotonic() + 10
        while not (port := re.search(r"listening on (127\.0\.0\.1:\d+)", tcp.log())):
            holds(time.monotonic() < deadline, tcp.log())
            time.sleep(0.02)
        lldb.do(f"kvm attach {port[1]}", rf"Process {tcp.process.pid} stopped")


@for_each_lldb()
def list_of_guests(version):
    with Plugged(version, attach=False) as (machine, lldb, _):
        listed = subprocess.run([Settings.kvmdbg, "list", "--json"], capture_output=True, check=False)
        if listed.returncode:
            lldb.do("kvm list", r"error: '.*kvmdbg list --json' gives no list")
            lldb.do("kvm attach demo.elf", r"error: '.*kvmdbg list --json' gives no list")
            return
        here = [one for one in json.loads(listed.stdout) if one["pid"] == machine.process.pid]
        equal(len(here), 1, "kvmdbg list")
        lldb.do("kvm list", rf"\n{machine.process.pid} +{here[0]['name']} ")
        lldb.do(f"kvm attach {machine.process.pid}", rf"Process {machine.process.pid} stopped")
