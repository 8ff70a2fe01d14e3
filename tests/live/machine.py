"""Starts one guest in a debug server and gives a client, its console and its symbols."""

import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time

from check import Skip, equal
from qemu import QemuClient
from rsp import Client


class Settings:
    """What run.py was told."""

    kvmdbg = None
    qemu = None  # check client and guests against QEMU's stub instead
    guests = None
    probe = None
    scratch = None  # folder for sockets, consoles and logs
    scale = 1.0  # how long loops may be: see check.scaled


class Symbols(dict):
    """Name to address, from the ELF symbol table."""

    def __init__(self, path):
        super().__init__()
        with open(path, "rb") as file:
            data = file.read()
        wide = data[4] == 2
        offset, = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)
        entry_size, count = struct.unpack_from("<HH", data, 58 if wide else 46)
        header = "<IIQQQQIIQQ" if wide else "<10I"
        sections = [struct.unpack_from(header, data, offset + i * entry_size) for i in range(count)]
        for section in sections:
            if section[1] != 2:  # SHT_SYMTAB
                continue
            names = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24 if wide else 16):
                if wide:
                    name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", data, at)
                else:
                    name, value, _, _, _, index = struct.unpack_from("<IIIBBH", data, at)
                text = data[names + name:data.index(b"\0", names + name)].decode()
                if text and index:
                    self[text] = value

    def __missing__(self, name):
        raise KeyError(f"the guest has no symbol {name!r}")

    def near(self, address):
        """'name+3': for messages."""
        below = [(value, name) for name, value in self.items() if value <= address]
        if not below:
            return hex(address)
        value, name = max(below)
        return f"{address:#x} ({name}+{address - value:#x})"


class Machine:
    """`with Machine("spin") as m:` starts build/guests/spin.elf held at its first instruction."""

    def __init__(self, guest, *, pvh=False, cpus=1, go=False, arguments=(), listen=None, image=None,
                 file=None, trace=False):
        folder = os.path.join(Settings.guests, "pvh") if pvh or Settings.qemu else Settings.guests
        self.image = image or os.path.join(folder, guest + ".elf")
        if guest == "demo":
            self.image = os.path.join(Settings.guests, "demo.elf")
        self.symbols = Symbols(self.image) if image is None else None
        if file is not None:  # not the ELF that has the symbols
            self.image = os.path.join(Settings.guests, file)
        self.folder = tempfile.mkdtemp(prefix="m", dir=Settings.scratch)
        self.console_path = os.path.join(self.folder, "console")
        self.trace_path = os.path.join(self.folder, "trace")
        self.address = listen or "unix:" + os.path.join(self.folder, "gdb.sock")
        self.clients = []
        self.command = self._command(cpus, go, list(arguments), trace)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)

    def _command(self, cpus, go, arguments, trace):
        if Settings.qemu:
            stub = "unix:" + self.address[5:] + ",server=on,wait=off"
            return [Settings.qemu, "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-smp",
                    str(cpus), "-m", "256", "-kernel", self.image, "-gdb", stub, "-display", "none",
                    "-no-reboot", "-serial", "file:" + self.console_path, "-device",
                    "isa-debug-exit,iobase=0xf4,iosize=1"] + ([] if go else ["-S"])
        command = [Settings.kvmdbg, "run", "--cpus", str(cpus), "--listen", self.address,
                   "--console", self.console_path]
        if trace:
            command += ["--trace", self.trace_path]
        if go:
            command.append("--go")
        return command + arguments + [self.image]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        for client in self.clients:
            client.close()
        self.kill()
        if error is not None and os.environ.get("KVMDBG_LIVE_KEEP"):
            print("kept", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def connect(self, **options):
        """A new client; retries until the server listens."""
        deadline = time.monotonic() + 10
        while True:
            try:
                client = (QemuClient(self.address, self.process, **options) if Settings.qemu
                          else Client(self.address, **options))
                client.no_slots = Settings.probe is not None and missing("hardware_exec")
                self.clients.append(client)
                return client
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    raise AssertionError(f"server ended with {self.process.returncode}: "
                                         f"{self.log()}") from None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.address} is not listened on") from None
                time.sleep(0.01)

    def console(self):
        try:
            with open(self.console_path, encoding="latin-1") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_console(self, text, timeout=20):
        deadline = time.monotonic() + timeout
        while text not in self.console():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} never came on the console: {self.console()!r}")
            time.sleep(0.02)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="latin-1") as file:
            return file.read()

    def trace(self):
        with open(self.trace_path, encoding="latin-1") as file:
            return file.read()

    def wait_exit(self, timeout=30):
        """The exit status of the server."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the server did not end; console {self.console()!r}, "
                               f"log {self.log()!r}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def __getitem__(self, name):
        return self.symbols[name]


@contextlib.contextmanager
def moved_kernel(units):
    """A kernel that has moved itself by so many 2 MiB: (machine, the file of its symbols, where `tick` is now).
    It stands in its loop, and nobody is attached."""
    link, slide = 0xFFFFFFFF81000000 - 0x100000, units << 21
    with Machine("moving") as machine:
        symbols = os.path.join(machine.folder, "vmlinux")
        subprocess.run(["objcopy", f"--change-addresses={link:#x}", machine.image, symbols], check=True,
                       stderr=subprocess.DEVNULL)
        client = machine.connect()
        client.write(machine["slide_units"], units.to_bytes(8, "little"))
        client.write(machine["rounds"], (1 << 40).to_bytes(8, "little"))
        client.insert(1, link + slide + machine["moved"])
        equal(client.cont().code, 5, "it has moved")
        client.remove(1, link + slide + machine["moved"])
        client.close()
        yield machine, symbols, link + slide + machine["tick"]


def free_run(guest, **options):
    """(console, exit status) of a run that no debugger touches; a crash is told as text. Of each guest
    there is one, whose result all cases share."""
    kept = os.path.join(Settings.scratch, f"free {guest} {options}".replace("/", "_"))
    if not os.path.exists(kept):
        result = run_freely(guest, **options)
        with open(f"{kept}.{os.getpid()}", "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.rename(file.name, kept)
    with open(kept, encoding="utf-8") as file:
        return tuple(json.load(file))


def run_freely(guest, **options):
    with Machine(guest, go=True, **options) as machine:
        deadline = time.monotonic() + 30
        while machine.process.poll() is None:
            if crash := re.search(r"^kvmdbg: vCPU \d+: (.*)", machine.log(), re.M):
                return machine.console(), crash[1]
            if time.monotonic() > deadline:
                machine.wait_exit(0.01)
            time.sleep(0.01)
        return machine.console(), machine.process.returncode


def runs_here(guest, status, **options):
    """The console of a run without a debugger; skips where this KVM cannot run the guest at all."""
    console, end = free_run(guest, **options)
    if end == status:
        return console
    took_an_exception = 127  # DONE 63 of common.inc: one that the guest did not expect
    if isinstance(end, str) or end == took_an_exception or Settings.qemu:
        raise Skip(f"{guest} does not run on this host even without a debugger: {end}")
    raise AssertionError(f"{guest} ended with {end}, not {status}; console {console!r}")


def read_probe(kvmdbg):
    done = subprocess.run([kvmdbg, "probe", "--json"], capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{kvmdbg} probe --json: {done.returncode} {done.stderr.decode()}")
    return json.loads(done.stdout)


def missing(need):
    """Why this host cannot show `need`, or None. The one place that knows the probe's names."""
    if Settings.qemu:
        lacking = {"kvmdbg": "QEMU's stub", "test_devices": "QEMU has no test devices",
                   "block_interrupts": "QEMU's stub steps into interrupts only when asked",
                   "cpus_start_together": "QEMU holds secondary processors"}
        return lacking.get(need)
    if need in ("kvmdbg", "test_devices", "cpus_start_together"):
        return None
    if need == "gdb":
        return None if shutil.which("gdb") else "gdb is not installed"
    if need in ("avx512", "pkru"):
        return None if Settings.probe["advertised"][need] else f"this host's guests have no {need}"
    works = Settings.probe.get("works", {})
    if need not in works:
        raise KeyError(f"the probe does not know {need!r}: {sorted(works)}")
    return None if works[need] else f"this host's KVM has no working {need}"
