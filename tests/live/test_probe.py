"""What the host can do, as it is printed and as clients are told."""

import json
import os
import shutil
import subprocess
import tempfile
import time

from check import Skip, case, equal, holds
from machine import Machine, Settings


def probe(*arguments):
    done = subprocess.run([Settings.kvmdbg, "probe", *arguments], capture_output=True, text=True,
                          timeout=30, check=False)
    equal(done.returncode, 0, f"exit status of probe ({done.stderr!r})")
    return done.stdout


@case(needs=["kvmdbg"])
def record_is_json():
    record = json.loads(probe("--json"))
    holds(isinstance(record, dict) and isinstance(record.get("works"), dict), f"record {record!r}")
    for name in ("single_step", "hardware_exec", "data_watch", "breakpoint_exit", "block_interrupts"):
        holds(isinstance(record["works"].get(name), bool), f"no verdict on {name}: {record!r}")


@case(needs=["kvmdbg"])
def record_for_people():
    text = probe()
    holds(len(text.splitlines()) >= 5, f"the record is {text!r}")
    holds("{" not in text, f"the record is {text!r}")


@case(needs=["kvmdbg"])
def probe_is_quick_and_stable():
    start = time.monotonic()
    first = json.loads(probe("--json"))["works"]
    holds(time.monotonic() - start < 5, f"took {time.monotonic() - start:.1f} s")
    for _ in range(5):
        equal(json.loads(probe("--json"))["works"], first, "the verdicts, again")


@case(needs=["kvmdbg"])
def clients_are_told_the_same():
    works = json.loads(probe("--json"))["works"]
    with Machine("spin") as machine:
        text = machine.connect().monitor("caps")
    for label, name in (("single step", "single_step"), ("hardware watch", "data_watch"),
                        ("interrupts blocked", "block_interrupts")):
        lines = [line for line in text.splitlines() if line.startswith(label)]
        equal(len(lines), 1, f"lines about {label} in {text!r}")
        equal(lines[0].split()[-1], "yes" if works[name] else "no", label)


@case(needs=["kvmdbg"])
def trace_is_text():
    """Packets, commands and ioctls of a run, one per line."""
    with Machine("points", trace=True) as machine:
        client = machine.connect()
        client.insert(1, machine["site0"])
        client.cont()
        client.close()
        text = machine.trace()
    for part in ("-> $", "<- $", "Z1,", "vCont;c"):
        holds(part in text, f"no {part!r} in the trace")
    holds(all(" " <= c or c == "\n" for c in text), "bytes that are no text")


def says_no_kvm(command, words):
    """Exit status 3, and one line that says what is missing and what to do."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if run.returncode == 1 and "kvmdbg" not in run.stderr:
        raise Skip(f"{command[0]}: {run.stderr.strip()}")
    equal(run.returncode, 3, "exit status: " + run.stderr)
    for word in words:
        holds(word in run.stderr, f"{word!r} is not in {run.stderr!r}")


@case(needs=["kvmdbg"])
def no_kvm_device():
    """A machine whose kernel has no /dev/kvm: the program says so and what to do."""
    hidden = f"mount -t tmpfs none /dev && exec {os.path.abspath(Settings.kvmdbg)}"
    words = ["/dev/kvm", "no KVM device", "load kvm_intel"]
    says_no_kvm(["unshare", "-m", "sh", "-c", hidden + " probe"], words)
    image = os.path.join(os.path.abspath(Settings.guests), "points.elf")
    says_no_kvm(["unshare", "-m", "sh", "-c", f"{hidden} run {image}"], words)


@case(needs=["kvmdbg"])
def no_permission():
    if os.geteuid() != 0 or os.stat("/dev/kvm").st_mode & 0o006:
        raise Skip("needs root, and a /dev/kvm that is not open to everybody")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(Settings.kvmdbg, folder)
        says_no_kvm(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "probe"],
                    ["/dev/kvm", "no permission", "group"])
