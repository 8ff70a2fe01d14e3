"""What the host can do, as it is printed and as clients are told."""

import json
import subprocess
import time

from check import case, equal, holds
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
    for name in ("single_step", "hardware_exec", "data_watch", "int3_exit", "block_interrupts"):
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
