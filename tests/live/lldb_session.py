"""A stock lldb on pipes: each command's output, and how many packets it took."""

import os
import re
import select
import shutil
import subprocess
import time

from check import Failure, Skip, case, holds
from machine import Machine

VERSIONS = ("22", "19")
# Never right, whatever the command: lldb met an answer that it cannot use.
ODD = ("internal error", "packet timeout", "lost connection", "PLEASE submit",
       "invalid 'T' packet", "warning: failed")


def program(version):
    """The lldb of that version: installed, or where KVMDBG_LLDB_19 says."""
    found = os.environ.get(f"KVMDBG_LLDB_{version}") or shutil.which(f"lldb-{version}")
    if not found:
        raise Skip(f"lldb-{version} is not installed and KVMDBG_LLDB_{version} is not set")
    return found


class Lldb:
    def __init__(self, version, folder, image=None, settings=()):
        self.log = os.path.join(folder, "packets")
        self.process = subprocess.Popen(
            [program(version), "-x", "--no-use-colors"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
            env={**os.environ, "TERM": "dumb", "LC_ALL": "C", "HOME": folder})
        self.count, self.text, self.offset = 0, "", 0
        for setting in ("auto-confirm true", "stop-disassembly-display never", *settings):
            self.do("settings set " + setting)
        self.wait_for_stops(True)
        self.do(f"log enable -f {self.log} gdb-remote packets")
        if image:
            self.do(f"target create {image}", "Current executable set")

    def send(self, command):
        """The marker is a word that lldb complains of, after the command is done."""
        self.count += 1
        self.process.stdin.write(f"{command}\nmarker{self.count}\n".encode())
        self.process.stdin.flush()

    def finish(self, timeout=40):
        marker = f"error: 'marker{self.count}' is not a valid command.\n"
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"lldb did not finish; so far {self.text[-800:]!r}")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failure(f"lldb ended; {self.text[-800:]!r}")
            self.text += more.decode("latin-1")
        done, _, self.text = self.text.partition(marker)
        return "\n".join(line for line in done.splitlines() if not line.startswith("(lldb) "))

    def do(self, command, want=None, timeout=40, packets=None):
        """Runs a command: its output must match the regular expression `want`, and it must cost no more
        packets than that."""
        before = self.sent()
        self.send(command)
        output = self.finish(timeout)
        for bad in ODD:
            holds(bad not in output, f"{command!r} printed {output!r}")
        if want is not None and not re.search(want, output, re.S):
            raise Failure(f"{command!r} printed {output!r}, want /{want}/")
        if packets is not None:
            used = self.sent()[len(before):]
            holds(len(used) <= packets,
                  f"{command!r} took {len(used)} packets, not {packets}: {' '.join(used)}")
        return output

    def wait_for_stops(self, yes):
        """Whether a command that resumes is done when the guest stops, or at once, as in a terminal."""
        self.do(f"script lldb.debugger.SetAsync({not yes})")

    def wait_for(self, pattern, timeout=40):
        """What comes by itself, up to the pattern."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text, re.S):
            holds(time.monotonic() < deadline, f"/{pattern}/ never came: {self.text[-800:]!r}")
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                self.text += os.read(self.process.stdout.fileno(), 65536).decode("latin-1")

    def packets(self, word):
        """(kind, payload) of all that went one way: word is send or read."""
        try:
            with open(self.log, encoding="latin-1") as log:
                text = log.read()
        except FileNotFoundError:
            return []
        return [m[1] for m in re.finditer(word + r" packet: \$(.*?)#[0-9a-f]{2}$", text, re.M | re.S)]

    def sent(self):
        return self.packets("send")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Session:
    """`with Session(version, cpus=2) as (machine, lldb)`: attached, held at the first instruction."""

    def __init__(self, version, guest="demo", settings=(), attach=True, **options):
        self.version, self.settings, self.attach = version, settings, attach
        program(version)
        self.machine = Machine(guest, pvh=True, **options)
        self.lldb = None

    def __enter__(self):
        self.machine.__enter__()
        self.machine.connect().close()  # it listens
        self.lldb = Lldb(self.version, self.machine.folder, self.machine.image, self.settings)
        if self.attach:
            self.lldb.do(connect(self.machine), r"Process \d+ stopped")
        return self.machine, self.lldb

    def __exit__(self, *error):
        if self.lldb:
            self.lldb.close()
        return self.machine.__exit__(*error)


def connect(machine):
    return f"process connect --plugin gdb-remote unix-connect://{machine.address[5:]}"


def for_each_lldb(**options):
    """Makes a case of a function(version) for each lldb."""

    def register(function):
        for version in VERSIONS:
            def one(version=version):
                function(version)

            one.__name__ = f"{function.__name__}_lldb{version}"
            one.__module__ = function.__module__
            case(**options)(one)
        return function

    return register
