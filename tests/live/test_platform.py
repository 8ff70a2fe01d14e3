"""Several machines of one user: the list of them, and stock debuggers that choose one on a platform."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time

from check import case, equal, holds, refused
from lldb_session import Lldb, for_each_lldb, program
from machine import Machine, Settings
from rsp import Client
from test_gdb import Gdb


def own_folder():
    """This case's machines are the only ones that it sees."""
    folder = tempfile.mkdtemp(prefix="p", dir=Settings.scratch)
    os.environ["XDG_RUNTIME_DIR"] = folder
    return os.path.join(folder, "kvmdbg")


def listed(*options, status=0):
    done = subprocess.run([Settings.kvmdbg, "list", *options], capture_output=True, text=True, timeout=20)
    equal(done.returncode, status, f"status of list, which said {done.stderr!r}")
    return done.stdout if status == 0 else done.stderr


def states():
    return {row["name"]: row["state"] for row in json.loads(listed("--json"))}


def wait_for_states(want):
    deadline = time.monotonic() + 20
    while (got := states()) != want:
        holds(time.monotonic() < deadline, f"the list shows {got}, want {want}")
        time.sleep(0.05)


def named(name, *arguments, **options):
    return Machine("demo", pvh=True, arguments=["--name", name, *arguments], **options)


class Platform:
    """`with Platform() as p`: p.port and p.socket."""

    def __enter__(self):
        self.socket = os.path.join(os.environ["XDG_RUNTIME_DIR"], "platform.sock")
        self.process = subprocess.Popen(
            [Settings.kvmdbg, "platform", "--listen", "127.0.0.1:0", "--listen", "unix:" + self.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        first = self.process.stderr.readline()
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", first)
        holds(found, f"the platform said {first!r}")
        self.port = found[1]
        while "unix:" not in (line := self.process.stderr.readline()):
            holds(line, "the platform ended")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        equal(self.process.wait(10), 143, "the platform's end")
        self.process.stderr.close()
        holds(not os.path.exists(self.socket), "the platform left its socket behind")

    def client(self):
        return Client(f"127.0.0.1:{self.port}", handshake=False)


@case()
def the_list_shows_what_each_machine_does():
    folder = own_folder()
    equal(listed().split(), ["PID", "NAME", "STATE", "IMAGE", "LISTENS", "ON"], "an empty list")
    with named("held") as held, named("busy", go=True) as busy:
        wait_for_states({"held": "stopped: at entry", "busy": "running"})
        lines = listed().splitlines()
        for machine, line in zip(sorted((held, busy), key=lambda m: m.process.pid), lines[1:], strict=True):
            holds(line.startswith(str(machine.process.pid)) and machine.image in line and
                  machine.address in line, f"a line of the list: {line!r}")
            equal(line.index(machine.image), lines[0].index("IMAGE"), "where the column begins")
        holds("client" not in held.log(), f"asking left a trace in the log: {held.log()}")
        busy.process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        equal(states(), {"held": "stopped: at entry", "busy": "no answer"}, "with one that is silent")
        holds(time.monotonic() - start < 3, "the list waits too long")
        busy.process.send_signal(signal.SIGCONT)
        busy.kill()
        equal(states(), {"held": "stopped: at entry"}, "after one was killed")
        equal(sorted(name.partition(".")[2] for name in os.listdir(folder)),
              ["json", "observe-token", "sock", "token"], "files of one machine")
        held.process.terminate()
        held.process.wait(10)
        equal(os.listdir(folder), [], "files after the end")


@case()
def a_folder_that_is_open_to_others_is_not_used():
    folder = own_folder()
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    holds("is open to others (mode 755, want 700)" in listed(status=1), "the list's refusal")
    with named("alone") as machine:
        machine.connect().close()
        holds("will not find this machine" in machine.log(), f"no note: {machine.log()}")
    equal(os.listdir(folder), [], "files in a folder of others")


@case()
def a_platform_refuses_what_is_not_its_own():
    own_folder()
    with Platform() as platform:
        client = platform.client()
        for packet in ("qProcessInfoPID:1", "qKillSpawnedProcess:1", "vAttach;1", "vAttach;x", "vAttach;",
                       "qProcessInfoPID:", "qfProcessInfo:pid:-1;", "qfProcessInfo:name:zz;", "m0,1", "g",
                       "qKillSpawnedProcess:99999999999999999999", "vRun;2f62696e2f6c73"):
            holds(re.match(r"E[0-9a-f]{2}", refused(lambda p=packet: client.must(p), packet)),
                  f"{packet} is no error")
        equal(client.ask("vFile:open:2f6574632f706173737764,0,0"), "F-1,1", "opening a file")
        equal(client.ask("qPlatform_mkdir:000001ff,2f746d70"), "F1", "making a folder")
        holds("nothing of their host" in client.ask("qPlatform_shell:6c73,a"), "a shell's answer")
        client.close()


def attaches(version, url):
    own_folder()
    program(version)
    with named("one") as one, named("two", go=True) as two, Platform() as platform:
        wait_for_states({"one": "stopped: at entry", "two": "running"})
        lldb = Lldb(version, one.folder)
        try:
            lldb.do("platform select remote-gdb-server", "Connected: no")
            lldb.do("platform connect " + url(platform), "Connected: yes")
            lldb.do("platform process list", r"2 matching.*\sone\n.*\stwo(\n|$)")
            lldb.do(f"platform process info {two.process.pid}",
                    rf"pid = {two.process.pid}\n.*name = two\n.*running\n.*x86_64-unknown")
            lldb.do("platform shell ls", "nothing of their host")
            lldb.do("process attach -p 1", "no machine of this user has process id 1")
            lldb.do(f"process attach -p {one.process.pid}", r"stopped\n.*stop reason = at entry")
            equal(states()["two"], "running", "the machine that was not attached")
            lldb.do("thread step-inst", "stopped")
            lldb.do("register read rip", "rip = 0x0*100006")
            lldb.do("detach")
            wait_for_states({"one": "running", "two": "running"})
            lldb.do("process attach -n two", "stopped")
            holds(states()["two"].startswith("stopped: interrupted"), f"two is {states()['two']}")
            lldb.do("detach")
            wait_for_states({"one": "running", "two": "running"})
        finally:
            lldb.close()


@for_each_lldb(limit=120)
def attaches_by_port(version):
    attaches(version, lambda platform: f"connect://127.0.0.1:{platform.port}")


@case(limit=120)
def attaches_by_socket():
    """lldb 19 looks for its debugger's server at "[]" before the path."""
    attaches("22", lambda platform: f"unix-connect://{platform.socket}")


@case()
def lldb_ends_a_machine():
    own_folder()
    program("22")
    with named("one", "--kill", "poweroff") as one, named("two") as two, Platform() as platform:
        wait_for_states({"one": "stopped: at entry", "two": "stopped: at entry"})
        lldb = Lldb("22", one.folder)
        try:
            lldb.do("platform select remote-gdb-server")
            lldb.do(f"platform connect connect://127.0.0.1:{platform.port}", "Connected: yes")
            lldb.do(f"process attach -p {one.process.pid}", "stopped")
            lldb.do("process kill", "exited")
            one.process.wait(10)
            lldb.do("platform process list", r"1 matching.*\stwo(\n|$)")
        finally:
            lldb.close()
        client = platform.client()
        equal(client.ask(f"qKillSpawnedProcess:{two.process.pid}"), "OK", "ending a machine")
        equal(two.process.wait(10), 143, "a machine that was asked to end")
        client.close()


@case(limit=120)
def gdb_attaches_to_one_after_the_other():
    own_folder()
    with named("one") as one, named("two", go=True) as two, Platform() as platform:
        wait_for_states({"one": "stopped: at entry", "two": "running"})
        gdb = Gdb(one)
        try:
            gdb.do(f"target extended-remote 127.0.0.1:{platform.port}")
            gdb.do("info os", r"processes +the machines of this user")
            gdb.do("info os processes", rf"{one.process.pid} +one +stopped: at entry.*"
                                        rf"{two.process.pid} +two +running")
            gdb.do("attach 1", "failed")
            gdb.do(f"attach {one.process.pid}", r"boot_entry \(\)")
            gdb.do("info threads", rf"Thread {one.process.pid}\.1")
            gdb.do("stepi", r"^19\s")
            gdb.do("print $pc", "0x0*100006")
            gdb.do("info os processes", r"one +stopped: stepped.*two +running")
            gdb.do("info os vcpus", "protected mode")
            gdb.do("detach", "detached")
            gdb.do(f"attach {two.process.pid}", "SIGINT|0x")
            gdb.do("add-inferior")
            gdb.do("inferior 2")
            gdb.do(f"attach {one.process.pid}", "failed")
            gdb.do("inferior 1")
            gdb.do("kill", "killed")
            gdb.do(f"attach {one.process.pid}", "SIGINT|0x")
            one.kill()
            gdb.do("stepi", "SIGKILL|failure|gone")
            gdb.do("info os processes", r"two +stopped")
        finally:
            gdb.close()


@case(limit=120)
def many_machines_at_once():
    own_folder()
    machines = [named(f"m{i}", go=i % 2 == 1) for i in range(8)]
    try:
        wait_for_states({f"m{i}": "running" if i % 2 else "stopped: at entry" for i in range(8)})
        with Platform() as platform:
            clients = [platform.client() for _ in machines]
            for client, machine in zip(clients, machines, strict=True):
                client.must("qSupported:multiprocess+;error-message+")
                stop = client.must(f"vAttach;{machine.process.pid:x}")
                holds(f"thread:p{machine.process.pid:x}.1;" in stop, f"a machine's stop: {stop!r}")
            holds(all(s.startswith("stopped") for s in states().values()), f"attached: {states()}")
            for client, machine in zip(clients, machines, strict=True):
                equal(client.ask(f"D;{machine.process.pid:x}"), "OK", "detaching")
                client.close()
            wait_for_states({f"m{i}": "running" for i in range(8)})
    finally:
        for machine in machines:
            machine.kill()
