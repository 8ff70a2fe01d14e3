#!/usr/bin/env python3
"""Measures kvmdbg on this host: what one debugger's command costs, beside what no server can beat.

Usage: run.py --kvmdbg PROGRAM --guests FOLDER [--client PROGRAM] [--seconds S] [--json] [--same-core]

Everything is taken in one run. The client is pinned to one core and the server to another
(--same-core: both to one). Figures of two hosts, or of a busy one, cannot be compared; the ratios can.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "live"))
from machine import Symbols

LOOP = 7  # instructions of a round of the guest's loop (tests/guests/x86/spin.S)
QEMU = "qemu-system-x86_64"
PAGE = 4096
TEXT = 0xc000  # bytes of a large read
LARGE = 0x1fff0  # of the largest that a packet holds


class Stop(Exception):
    """Cannot be measured; the text says why."""


class Bench:
    def __init__(self, options):
        self.options = options
        cores = sorted(os.sched_getaffinity(0))
        self.client_core = cores[0]
        self.server_core = cores[0] if options.same_core or len(cores) == 1 else cores[1]
        self.folder = tempfile.mkdtemp(prefix="kvmdbg-bench-")
        self.children = []
        self.rows = {}  # name: (value, unit)

    def pinned(self, core, command, **options):
        return subprocess.Popen(["taskset", "-c", str(core), *command], **options)

    def serve(self, name, command, address):
        """Starts a server and waits until it listens; returns it and the seconds that took."""
        log = open(Path(self.folder) / f"{name}.log", "wb")
        start = time.perf_counter()
        child = self.pinned(self.server_core, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append(child)
        while not listens(address):
            if child.poll() is not None or time.perf_counter() - start > 20:
                raise Stop(f"{command[0]} does not listen: {Path(log.name).read_text().strip()[-300:]}")
            time.sleep(0.0005)
        return child, time.perf_counter() - start

    def talk(self, address, lines):
        """What the client says to each line: (rounds, seconds, bytes, last answer)."""
        done = self.pinned(self.client_core, [str(self.options.client), "talk", address],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
        self.children.append(done)
        limit = 30 + 4 * self.options.seconds * len(lines)
        out, err = done.communicate("\n".join(lines) + "\n", timeout=limit)
        if done.returncode:
            raise Stop(err.strip())
        answers = [line.split(" ", 3) for line in out.splitlines()]
        return [(int(a[0]), float(a[1]), int(a[2]), a[3]) for a in answers]

    def note(self, name, value, unit):
        self.rows[name] = (value, unit)

    def end(self, child):
        child.kill()
        child.wait()

    def close(self):
        for child in self.children:
            if child.poll() is None:
                self.end(child)
        shutil.rmtree(self.folder, ignore_errors=True)


def listens(address):
    """Without connecting: some servers count connections."""
    if address.startswith("unix:"):
        return Path(address[5:]).exists()
    wanted = f"0100007F:{int(address):04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def rate(result):
    return result[0] / result[1]


def floor(bench, seconds):
    """A server that only answers."""
    port = "23945"
    for name, address in (("unix", f"unix:{bench.folder}/echo"), ("tcp", port)):
        child, _ = bench.serve(f"echo-{name}", [str(bench.options.client), "echo", address], address)
        time.sleep(0.05)
        small, large = bench.talk(address, [f"rate {seconds} vCont;s:1", f"rate {seconds} x0,{LARGE:x}"])
        bench.note(f"echo over {name}", rate(small), "/s")
        if name == "unix":
            bench.note("echo of 128 KiB", large[0] * LARGE / large[1] / 1e6, "MB/s")
        bench.end(child)


def bare(bench):
    """The ioctl loop that kvmdbg's probe runs, with nothing around it."""
    probe = subprocess.run(["taskset", "-c", str(bench.server_core), bench.options.kvmdbg, "probe",
                            "--json"], capture_output=True, timeout=60, check=False)
    if probe.returncode:
        raise Stop(probe.stderr.decode().strip())
    record = json.loads(probe.stdout)
    bench.note("bare KVM_RUN steps", record["quirks"]["steps_per_second"], "/s")
    return record


def own_memory(pid, guest):
    """Resident MiB without the mapping that is the guest's RAM."""
    total, size = 0, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *rest = line.split()
        if name == "Size:":
            size = int(rest[0]) << 10
        elif name == "Rss:" and size != guest:
            total += int(rest[0])
    return total / 1024


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(bench, name, arguments, image, seconds):
    """Processor time of a server whose guest has nothing to do."""
    address = f"unix:{bench.folder}/{name}"
    child, _ = bench.serve(name, [bench.options.kvmdbg, "run", "--console", "none", "--listen", address,
                                  *arguments, str(image)], address)
    time.sleep(1)
    before = processor_seconds(child.pid)
    time.sleep(max(2, 2 * seconds))
    used = (processor_seconds(child.pid) - before) / max(2, 2 * seconds)
    bench.end(child)
    bench.note(f"kvmdbg: processor used while the guest {name}", used * 100, "%")


def word(text):
    return int.from_bytes(bytes.fromhex(text), "little")


def measure(bench, name, address, symbols, seconds, extra=(), hits=True):
    """What kvmdbg and QEMU's stub can both be asked; returns the answers to `extra`."""
    loop = symbols["loop"]
    asked = {
        "step": "vCont;s:1",
        "all registers (g)": "g",
        "read 1 KiB (m)": f"m{loop & -PAGE:x},400",  # QEMU answers no more than 2047 bytes
        "insert and remove (Z0 z0)": f"Z0,{loop:x},1 z0,{loop:x},1",
    }
    if hits:
        asked["break, continue, hit (Z0 c z0)"] = f"Z0,{loop:x},1 vCont;c z0,{loop:x},1"
    before = ["rate 0 qSupported:swbreak+;hwbreak+;vContSupported+ ?", "ask 0 QStartNoAckMode",
              f"rate 0 Z1,{loop:x},1 vCont;c z1,{loop:x},1"]
    after = [f"rate 0 Z0,{loop:x},1", f"rate {seconds} vCont;c", f"rate 0 z0,{loop:x},1"] if hits else []
    answers = bench.talk(address, [*before, *(f"rate {seconds} {packets}" for packets in asked.values()),
                                   *after, *extra])[len(before):]
    for what, answer in zip(asked, answers):
        bench.note(f"{name}: {what}", rate(answer), "/s")
    if hits:
        bench.note(f"{name}: continue from a hit (c)", rate(answers[len(asked) + 1]), "/s")
    return answers[len(asked) + len(after):]


def kvmdbg(bench, record, seconds):
    image = Path(bench.options.guests) / "spin.elf"
    symbols = Symbols(image)
    for transport, address in (("unix", f"unix:{bench.folder}/gdb"), ("tcp", "23946")):
        listen = address if transport == "unix" else f"127.0.0.1:{address}"
        child, _ = bench.serve(f"kvmdbg-{transport}", [
            bench.options.kvmdbg, "run", "--console", "none", "--listen", listen, str(image)], address)
        if transport == "tcp":
            lines = ["rate 0 qSupported: ?", "ask 0 QStartNoAckMode", f"rate {seconds} vCont;s:1"]
            bench.note("kvmdbg: step over tcp", rate(bench.talk(address, lines)[2]), "/s")
            bench.end(child)
            continue
        base, counter, quit_at = symbols["loop"] & -PAGE, symbols["counter"], symbols["quit"]
        extra = [f"rate {seconds} m{base:x},{PAGE:x}",
                 f"rate {seconds} x{base:x},{TEXT:x}", f"rate {seconds} m{base:x},{TEXT:x}",
                 f"rate 0 m{counter:x},8", f"rate 0 Z3,{quit_at + 4:x},4",
                 f"run {seconds} vCont;c", f"rate 0 z3,{quit_at + 4:x},4", f"rate 0 m{counter:x},8",
                 f"run {seconds} vCont;r{base:x},{base + PAGE:x}:1", f"rate 0 m{counter:x},8",
                 f"rate {seconds} x0,{LARGE:x}"]
        page, x, m, before, _, watched, _, after, ranged, last, large = measure(
            bench, "kvmdbg", address, symbols, seconds, extra)
        bench.note("kvmdbg: memory by x of 128 KiB", large[0] * LARGE / large[1] / 1e6, "MB/s")
        bench.note("kvmdbg: memory beside the guest's", own_memory(child.pid, 128 << 20), "MiB")
        bench.note("kvmdbg: read 4 KiB (m)", rate(page), "/s")
        bench.note("kvmdbg: memory by x of 48 KiB", x[0] * TEXT / x[1] / 1e6, "MB/s")
        bench.note("kvmdbg: memory by m of 48 KiB", m[0] * TEXT / m[1] / 1e6, "MB/s")
        steps = (word(after[3]) - word(before[3])) * LOOP
        bench.note("kvmdbg: instructions under a read watch", steps / watched[1], "/s")
        steps = (word(last[3]) - word(after[3])) * LOOP
        bench.note("kvmdbg: steps through a range", steps / ranged[1], "/s")
        bench.end(child)
    times = []
    for n in range(15):
        address = f"unix:{bench.folder}/start{n}"
        child, took = bench.serve(f"start{n}", [bench.options.kvmdbg, "run", "--console", "none",
                                                "--listen", address, str(image)], address)
        times.append(took)
        bench.end(child)
    bench.note("kvmdbg: start to listening", statistics.median(times) * 1000, "ms")
    idle(bench, "is stopped", [], image, seconds)
    idle(bench, "is halted for good", ["--go"], Path(bench.options.guests) / "halt.elf", seconds)


def qemu(bench, seconds, hits):
    """Debian's QEMU on the same KVM, if it runs the same guest here."""
    program = shutil.which(QEMU)
    if not program:
        raise Stop(f"{QEMU} is not installed")
    image = Path(bench.options.guests) / "pvh" / "spin.elf"
    address = f"unix:{bench.folder}/qemu"
    child, took = bench.serve("qemu", [
        program, "-accel", "kvm", "-cpu", "qemu64", "-machine", "q35", "-m", "128", "-kernel", str(image),
        "-display", "none", "-serial", "null", "-no-reboot", "-S", "-gdb", address + ",server=on,wait=off"],
        address)
    bench.note("qemu: start to listening", took * 1000, "ms")
    symbols = Symbols(image)
    loop = symbols["loop"]
    extra = [f"rate {seconds} m{loop & -PAGE:x},7f0", f"rate 0 Z1,{loop:x},1 vCont;c",
             f"rate {seconds} z1,{loop:x},1 vCont;s:1 Z1,{loop:x},1 vCont;c", f"rate 0 z1,{loop:x},1"]
    try:
        m, _, hit, _ = measure(bench, "qemu", address, symbols, seconds, extra, hits=hits)
        bench.note("qemu: memory by m", m[0] * 0x7f0 / m[1] / 1e6, "MB/s")
        bench.note("qemu: hit to hit (z1 s Z1 c)", rate(hit), "/s")
    except (Stop, subprocess.TimeoutExpired) as why:
        log = (Path(bench.folder) / "qemu.log").read_text().strip()
        raise Stop(f"{QEMU} -accel kvm does not debug this guest here: {why} {log[:200]}") from None
    finally:
        bench.end(child)


def ratios(rows):
    def ratio(a, b):
        return rows[a][0] / rows[b][0] if a in rows and b in rows else None

    wanted = {
        "kvmdbg's step / echo over unix": ("kvmdbg: step", "echo over unix"),
        "kvmdbg's step over tcp / echo over tcp": ("kvmdbg: step over tcp", "echo over tcp"),
        "kvmdbg's step / bare KVM_RUN steps": ("kvmdbg: step", "bare KVM_RUN steps"),
        "kvmdbg's continue from a hit / echo over unix":
            ("kvmdbg: continue from a hit (c)", "echo over unix"),
        "kvmdbg's x of 128 KiB / echo of the same": ("kvmdbg: memory by x of 128 KiB", "echo of 128 KiB"),
        "kvmdbg's x of 128 KiB / qemu's m": ("kvmdbg: memory by x of 128 KiB", "qemu: memory by m"),
        "kvmdbg's continue from a hit / qemu's remove, step, insert, continue":
            ("kvmdbg: continue from a hit (c)", "qemu: hit to hit (z1 s Z1 c)"),
        "kvmdbg's g / echo over unix": ("kvmdbg: all registers (g)", "echo over unix"),
        "kvmdbg's range step / bare KVM_RUN steps":
            ("kvmdbg: steps through a range", "bare KVM_RUN steps"),
        "kvmdbg's read watch / bare KVM_RUN steps (where it is stepped)":
            ("kvmdbg: instructions under a read watch", "bare KVM_RUN steps"),
        **{f"kvmdbg / qemu: {what}": (f"kvmdbg: {what}", f"qemu: {what}") for what in (
            "step", "all registers (g)", "read 1 KiB (m)", "insert and remove (Z0 z0)",
            "break, continue, hit (Z0 c z0)", "continue from a hit (c)")},
    }
    return {name: value for name, pair in wanted.items() if (value := ratio(*pair)) is not None}


def limits(rows):
    """What no server could do better on this host, where that is near what is asked."""
    hit, echo = rows.get("qemu: hit to hit (z1 s Z1 c)"), rows.get("echo over unix")
    if not hit or not echo:
        return []
    return [f"a hit costs one packet: the echo floor is {echo[0] / hit[0]:.1f} times QEMU's four, and no server "
            "that answers over this socket can do better"]


def show(bench, notes):
    if bench.options.json:
        print(json.dumps({
            "figures": {name: {"value": value, "unit": unit} for name, (value, unit) in bench.rows.items()},
            "ratios": ratios(bench.rows), "notes": notes,
            "cores": [bench.client_core, bench.server_core]}, indent=2))
        return
    for name, (value, unit) in bench.rows.items():
        print(f"{name:<52} {value:>12,.{0 if value >= 100 else 2}f} {unit}")
    print()
    for name, value in ratios(bench.rows).items():
        print(f"{name:<52} {value:>12.3f}")
    for text in notes:
        print(f"note: {text}")


def build_client(build):
    done = subprocess.run(["cmake", "--build", str(build), "--target", "bench_client"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: bench_client does not build in {build}:\n{(done.stdout + done.stderr)[-2000:]}")
    return next(path for path in build.glob("**/bench_client") if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvmdbg", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--client", help="default: bench_client, found in or beside the build folder")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--same-core", action="store_true", help="client and server on one core")
    parser.add_argument("--no-qemu", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.kvmdbg = str(Path(options.kvmdbg).resolve())
    options.client = Path(options.client or build_client(Path(options.kvmdbg).parent)).resolve()
    bench, notes = Bench(options), []
    load = os.getloadavg()[0]
    if load > 0.5:
        notes.append(f"the load was {load:.1f} at the start: what else ran has been measured too")
    if bench.client_core == bench.server_core and not options.same_core:
        notes.append("one core only: client and server share it")
    try:
        floor(bench, options.seconds)
        record = bare(bench)
        kvmdbg(bench, record, options.seconds)
        if not options.no_qemu:
            try:
                hits = record["works"]["breakpoint_exit"]
                qemu(bench, options.seconds, hits)
                if not hits:
                    notes.append("QEMU's software breakpoints end the guest on this host's KVM: its hits "
                                 "are not measured")
            except Stop as why:
                notes.append(str(why))
        notes += limits(bench.rows)
        show(bench, notes)
    except Stop as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
