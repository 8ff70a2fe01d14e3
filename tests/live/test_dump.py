"""Core files of a guest: what is in them, who may write them, and that they are whole or not there."""

import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from check import Failure, Skip, case, equal, holds, run_to
from machine import Machine, Settings

NAMES = ("rip", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r15", "cs", "eflags")


def folder():
    return pathlib.Path(tempfile.mkdtemp(prefix="d", dir=Settings.scratch))


def dump(machine, path, *more, **options):
    done = subprocess.run([Settings.kvmdbg, "dump", "--connect", machine.address, str(path), *more],
                          capture_output=True, timeout=60, check=False, **options)
    return done.returncode, done.stderr.decode()


def dump_fails(machine, path, words, *more, **options):
    status, text = dump(machine, path, *more, **options)
    equal(status, 1, f"exit status ({text!r})")
    holds(words in text and len(text.splitlines()) == 1, f"it said {text!r}, not {words!r}")


class Core:
    """An ELF64 core file."""

    def __init__(self, path):
        self.file = open(path, "rb")  # closed with the process
        header = self.file.read(64)
        equal(header[:7], b"\x7fELF\2\1\1", "ident")
        equal(struct.unpack_from("<HH", header, 16), (4, 62), "ET_CORE, EM_X86_64")
        count, = struct.unpack_from("<H", header, 56)
        self.loads, self.notes = [], []
        for i in range(count):
            self.file.seek(64 + 56 * i)
            kind, _, offset, virtual, physical, size, _, _ = struct.unpack("<IIQQQQQQ",
                                                                           self.file.read(56))
            if kind == 1:
                equal(virtual, 0, "p_vaddr")
                self.loads.append((physical, size, offset))
            elif kind == 4:
                self.notes = list(self.read_notes(offset, size))

    def read_notes(self, offset, size):
        self.file.seek(offset)
        data, at = self.file.read(size), 0
        while at < size:
            name_size, content_size, kind = struct.unpack_from("<III", data, at)
            name = data[at + 12:at + 12 + name_size - 1].decode()
            at += 12 + (name_size + 3) // 4 * 4
            yield name, kind, data[at:at + content_size]
            at += (content_size + 3) // 4 * 4

    def read(self, physical, size):
        for start, length, offset in self.loads:
            if start <= physical < start + length:
                self.file.seek(offset + physical - start)
                return self.file.read(size)
        raise Failure(f"{physical:#x} is not in the core")


def check_core(path, machine, client, vcpus):
    """The file against the live guest."""
    core = Core(path)
    status = [content for name, kind, content in core.notes if (name, kind) == ("CORE", 1)]
    state = [content for name, _, content in core.notes if name == "QEMU"]
    equal((len(status), len(state)), (vcpus, vcpus), "notes")
    for n in range(vcpus):
        equal(len(status[n]), 336, "size of NT_PRSTATUS")
        equal(struct.unpack_from("<I", status[n], 32)[0], n + 1, "thread id")
        equal(struct.unpack_from("<Q", status[n], 112 + 16 * 8)[0], client.register("rip", n + 1), "rip")
        equal(struct.unpack_from("<Q", status[n], 112 + 19 * 8)[0], client.register("rsp", n + 1), "rsp")
        equal(struct.unpack_from("<II", state[n]), (1, 440), "version and size of QEMU's note")
        equal(struct.unpack_from("<Q", state[n], 8 + 16 * 8)[0], client.register("rip", n + 1), "rip")
        equal(struct.unpack_from("<Q", state[n], 392 + 3 * 8)[0], client.register("cr3", n + 1), "cr3")
    client.must_ok("Qqemu.PhyMemMode:1")
    for name in ("_start", "main", "idt"):
        equal(core.read(machine[name], 256), client.read(machine[name], 256), f"memory at {name}")
    client.must_ok("Qqemu.PhyMemMode:0")
    return core


@case(needs=["kvmdbg"])
def monitor_dump():
    there = folder()
    with Machine("points", cpus=2, arguments=["--dump-folder", str(there)]) as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        holds("wrote 128 MiB of memory" in client.monitor("dump core"), "what it said")
        core = check_core(there / "core", machine, client, 2)
        equal([load[:2] for load in core.loads], [(0, 128 << 20)], "memory")
        blocks = (there / "core").stat().st_blocks
        holds(blocks * 512 < 1 << 20, f"{blocks} blocks: zeros are not left out")
        holds("exists already" in client.monitor("dump core"), "a second dump")
        holds("want the name" in client.monitor("dump ../core"), "a path")
        holds("want the name" in client.monitor("dump"), "no name")
        (there / "link").symlink_to("/tmp/kvmdbg-elsewhere")
        holds("exists already" in client.monitor("dump link"), "a symbolic link")
        equal(sorted(os.listdir(there)), ["core", "link"], "the folder")
    with Machine("spin", arguments=["--dump-folder", str(there)]) as machine:
        machine.connect().resume()
        other = machine.connect(handshake=False)  # whose ? would stop the guest
        holds("interrupt it first" in other.monitor("dump other"), "a running guest")
        equal(sorted(os.listdir(there)), ["core", "link"], "the folder")


@case(needs=["kvmdbg"])
def dump_from_elsewhere():
    there = folder()
    with Machine("points", cpus=2, arguments=["--memory", "64M"]) as machine:
        client = machine.connect()
        run_to(machine, client, "main")
        status, text = dump(machine, there / "core")
        equal((status, text), (0, f"kvmdbg: wrote 64 MiB of memory to {there / 'core'}\n"), "dump")
        check_core(there / "core", machine, client, 2)
        dump_fails(machine, there / "core", "exists already")
        equal(dump(machine, there / "core", "--force")[0], 0, "with --force")
        dump_fails(machine, there / "no/core", "No such file or directory")
    with Machine("spin") as machine:
        machine.connect().resume()
        dump_fails(machine, there / "other", "the guest is running; interrupt it first")
        equal(os.listdir(there), ["core"], "the folder")


@case(needs=["kvmdbg"])
def memory_on_both_sides_of_the_hole():
    """The high part has a segment of its own, and 3 GiB of zeros cost no disk."""
    there = folder()
    with Machine("points", arguments=["--memory", "3200M", "--dump-folder", str(there)]) as machine:
        client = machine.connect(timeout=60)
        client.must_ok("Qqemu.PhyMemMode:1")
        client.write(0x100001000, b"above the hole")
        client.must_ok("Qqemu.PhyMemMode:0")
        start, longest, done = time.monotonic(), 0, []
        other = machine.connect()
        thread = threading.Thread(target=lambda: done.append(client.monitor("dump core")))
        thread.start()
        while thread.is_alive():  # others are served meanwhile
            before = time.monotonic()
            other.read(machine["_start"], 16)
            longest = max(longest, time.monotonic() - before)
            time.sleep(0.005)
        holds(longest < 0.3, f"another client waited {longest:.2f} s of {time.monotonic() - start:.1f}")
        holds("wrote 3200 MiB" in done[0], f"it said {done[0]!r}")
        core = Core(there / "core")
        equal([load[:2] for load in core.loads], [(0, 3 << 30), (1 << 32, 128 << 20)], "memory")
        equal(core.read(0x100001000, 14), b"above the hole", "high memory")
        holds((there / "core").stat().st_blocks * 512 < 1 << 20, "zeros are not left out")


@case(needs=["kvmdbg", "gdb"])
def gdb_opens_it():
    there = folder()
    with Machine("demo", pvh=True) as machine:
        client = machine.connect()
        client.insert(1, machine["factorial"])
        client.cont()
        client.remove(1, machine["factorial"])
        client.step()
        equal(dump(machine, there / "core")[0], 0, "dump")
        commands = ["info registers " + " ".join(NAMES), "info threads", "x/8xb 0x100000", "backtrace"]
        done = subprocess.run(["gdb", "-nx", "-q", "-batch", *(w for c in commands for w in ("-ex", c)),
                               machine.image, str(there / "core")], capture_output=True, timeout=60,
                              check=False)
        text = done.stdout.decode() + done.stderr.decode()
        for name in NAMES:
            found = re.search(rf"^{name} +(0x[0-9a-f]+)", text, re.M)
            holds(found, f"no {name} in {text!r}")
            equal(int(found[1], 16), client.register(name), name)
        client.must_ok("Qqemu.PhyMemMode:1")
        want = client.read(0x100000, 8)
        found = re.search(r"^0x100000[^:]*:\s+(.*)", text, re.M)
        holds(found, f"no memory in {text!r}")
        equal(bytes(int(word, 16) for word in found[1].split()), want, "physical memory")
        holds("factorial" in text, f"no name in {text!r}")
        notes = subprocess.run(["readelf", "-n", str(there / "core")], capture_output=True, check=True,
                               text=True, timeout=20)
        holds("NT_PRSTATUS" in notes.stdout and "QEMU" in notes.stdout, f"readelf: {notes.stdout!r}")
        equal(notes.stderr, "", "readelf's complaints")


@case(needs=["kvmdbg"])
def no_room():
    """A full disk, and a limit on the size of files: an error, nothing left, the guest undisturbed."""
    there = folder()
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(there)]
    if subprocess.run(small, capture_output=True, check=False).returncode != 0:
        raise Skip("a small tmpfs cannot be mounted here")
    try:
        with Machine("points", arguments=["--memory", "16M", "--dump-folder", str(there)]) as machine:
            client = machine.connect()
            client.must_ok("Qqemu.PhyMemMode:1")
            for page in range(64):
                client.write(0x800000 + page * 4096, b"not zero")
            before = client.raw_registers()
            holds("No space left on device" in client.monitor("dump core"), "a full disk")
            dump_fails(machine, there / "core", "No space left on device")
            equal(os.listdir(there), [], "the folder")

            def limited():
                resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

            other = folder()
            dump_fails(machine, other / "core", "File too large", preexec_fn=limited)
            equal(os.listdir(other), [], "the folder")
            dump_fails(machine, "/dev/full", "exists already")
            dump_fails(machine, "/dev/full", "is not a plain file", "--force")
            equal(client.raw_registers(), before, "registers")
            client.must_ok("Qqemu.PhyMemMode:0")
            run_to(machine, client, "main")
    finally:
        subprocess.run(["umount", str(there)], capture_output=True, check=True)


@case(needs=["kvmdbg"])
def client_vanishes():
    """In the middle of `monitor dump`, and a `kvmdbg dump` that is interrupted: nothing is left."""
    there = folder()
    with Machine("points", arguments=["--memory", "2G", "--dump-folder", str(there)]) as machine:
        client = machine.connect()
        client.send("qRcmd," + b"dump core".hex())
        client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        stays = machine.connect(timeout=30)
        deadline = time.monotonic() + 10
        while os.listdir(there) and time.monotonic() < deadline:
            time.sleep(0.02)
        equal(os.listdir(there), [], "after the client has gone")
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([Settings.kvmdbg, "dump", "--connect", machine.address,
                                   str(there / "core")], stderr=subprocess.PIPE) as process:
                while not os.listdir(there):
                    holds(process.poll() is None, "it ended by itself")
                    time.sleep(0.01)
                process.send_signal(number)
                text = process.communicate(timeout=20)[1].decode()
            equal((process.returncode, text), (1, "kvmdbg: interrupted: nothing was written\n"), "end")
            equal(os.listdir(there), [], f"after signal {number}")
        run_to(machine, stays, "main")


@case(needs=["kvmdbg"])
def server_vanishes():
    there = folder()
    with Machine("points", arguments=["--memory", "2G"]) as machine:
        machine.connect()
        with subprocess.Popen([Settings.kvmdbg, "dump", "--connect", machine.address,
                               str(there / "core")], stderr=subprocess.PIPE) as process:
            while not os.listdir(there):
                holds(process.poll() is None, "it ended by itself")
                time.sleep(0.01)
            machine.kill()
            text = process.communicate(timeout=20)[1].decode()
        equal(process.returncode, 1, "exit status")
        holds(text.startswith("kvmdbg: the server is gone: "), f"it said {text!r}")
        equal(os.listdir(there), [], "the folder")
        dump_fails(machine, there / "core", "cannot connect to")


@case(needs=["kvmdbg"])
def resumed_meanwhile():
    there = folder()
    with Machine("spin", arguments=["--memory", "2G"]) as machine:
        client = machine.connect()
        with subprocess.Popen([Settings.kvmdbg, "dump", "--connect", machine.address,
                               str(there / "core")], stderr=subprocess.PIPE) as process:
            while not os.listdir(there):
                holds(process.poll() is None, "it ended by itself")
                time.sleep(0.01)
            time.sleep(0.3)
            client.step()
            text = process.communicate(timeout=60)[1].decode()
        equal(process.returncode, 1, "exit status")
        holds(text in ("kvmdbg: the guest was resumed while its memory was being copied\n",
                       "kvmdbg: the guest is running; interrupt it first\n"), f"it said {text!r}")
        equal(os.listdir(there), [], "the folder")
