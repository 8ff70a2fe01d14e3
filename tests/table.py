#!/usr/bin/env python3
"""What works on which KVM, as a Markdown table, from the logs of the last `./dev test`.

    tests/table.py                 prints it, and the numbers of the catalogue that passed nowhere
    tests/table.py --write README  puts it between the two marks in a file

The live suite's log is that of this host; each lab's is that of the KVM in it. A cell is what the cases of
one kind did there: `12` passed, `12, 3 skipped`, or `FAILED 1`. Ends with a count as the suites do: a
failure when an x86 number of the catalogue passed nowhere, the CPU features that no emulator here has
aside; skipped when a lab that would have shown it could not be had.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = {"this host": "live-tests", "vmx": "lab-vmx", "svm": "lab-svm", "arm64": "lab-arm64"}
MARKS = ("<!-- what works where: tests/table.py -->", "<!-- end -->")
KINDS = (  # what a person asks for, and the files of the cases that show it
    ("breakpoints", ("points", "crossing", "plain", "many")),
    ("watchpoints", ("watch",)),
    ("steps", ("stepping",)),
    ("the guest's own debugging", ("own_debugging",)),
    ("every CPU mode", ("all_modes", "modes")),
    ("several vCPUs", ("smp",)),
    ("points set before their code is there", ("pending",)),
    ("exits caught", ("catch",)),
    ("KVM's rules asked directly", ("rules",)),
    ("every ioctl failing once", ("faults",)),
    ("random walks", ("walk",)),
    ("arm64: the whole catalogue", ("arm64", "outside")),
)
FACTS = ("single_step", "breakpoint_exit", "hardware_exec", "data_watch", "block_interrupts",
         "write_protect", "emulated")
NOT_HERE = {"48": "5-level paging", "63": "SMM, nested guests"}  # no emulated CPU here has it


class Log:
    def __init__(self, path):
        self.outcome, self.record, self.about, self.missing = {}, {}, "", ""
        for line in path.read_text(errors="replace").splitlines():
            if found := re.match(r"(PASS|FAIL|SKIP) (?:(?:vmx|svm|arm64)\.)?(\w+)\.(\w+)", line):
                self.outcome[f"{found[2]}.{found[3]}"] = found[1]
            elif found := re.match(r"SKIP (\w+ lab \(\d+ cases\): .*)", line):
                self.missing = found[1]
            elif found := re.match(r"record: (\{.*\})", line):
                self.record = json.loads(found[1])
            elif found := re.match(r"(?:\w+) lab: (Linux .*), \d+ steps", line):
                self.about = found[1]

    def cell(self, files):
        words = [word for name, word in self.outcome.items() if name.partition(".")[0] in files]
        good, bad, left = (words.count(w) for w in ("PASS", "FAIL", "SKIP"))
        if not words:
            return ""
        parts = [f"**FAILED {bad}**"] * bool(bad) + [str(good)] * bool(good or not left)
        return ", ".join(parts + [f"{left} skipped"] * bool(left))

    def fact(self, name):
        for section in self.record.values():
            if isinstance(section, dict) and name in section:
                return "yes" if section[name] else "no"
        return ""


def read_logs(folder):
    found = {name: folder / f"test-{stem}.log" for name, stem in LOGS.items()}
    return {name: Log(path) for name, path in found.items() if path.exists()}


def table(logs):
    lines = ["| | " + " | ".join(logs) + " |", "|---" * (len(logs) + 1) + "|"]
    for name in FACTS:
        cells = [log.fact(name) for log in logs.values()]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for name, files in KINDS:
        cells = [log.cell(files) for log in logs.values()]
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    about = [f"{name}: {log.about}." for name, log in logs.items() if log.about]
    return "\n".join(lines) + ("\n\n" + " ".join(about) if about else "")


def numbers():
    """Case name to its numbers in the catalogue."""
    listed = subprocess.run([sys.executable, ROOT / "tests/live/run.py", "--list", "--arch", "x86_64"],
                            capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: re.findall(r"#(\w+)", line) for line in listed.splitlines()}


def passed_nowhere(logs):
    """(number, cases) of x86."""
    passed, known = set(), {}
    for name, ids in numbers().items():
        for number in ids:
            known.setdefault(number, []).append(name)
            if any(log.outcome.get(name) == "PASS" for log in logs.values()):
                passed.add(number)
    return {n: names for n, names in known.items() if n not in passed and n not in NOT_HERE}


def judge(lost, missing):
    """Says which numbers passed nowhere, and whether that is a failure: it is when every lab ran."""
    for number, names in sorted(lost.items()):
        print(f"number {number} passed on no KVM: {', '.join(names)}")
    word = "PASS" if not lost else "SKIP" if missing else "FAIL"
    print(f"{word} catalogue: {len(lost)} numbers passed on no KVM" + "".join(f"; {m}" for m in missing))
    print(", ".join(f"{int(word == key)} {said}" for key, said in
                    (("PASS", "passed"), ("FAIL", "failed"), ("SKIP", "skipped"))))
    return int(word == "FAIL")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--logs", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    logs = read_logs(options.logs)
    if not logs:
        print(f"table: no log of a test run in {options.logs}; run ./dev test", file=sys.stderr)
        return 1
    text = table(logs)
    print(text)
    if options.write:
        before, mark, rest = options.write.read_text().partition(MARKS[0])
        if not mark or MARKS[1] not in rest:
            print(f"table: {options.write} lacks the marks {MARKS}", file=sys.stderr)
            return 1
        after = rest.partition(MARKS[1])[2]
        options.write.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
    return judge(passed_nowhere(logs), [log.missing for log in logs.values() if log.missing])


if __name__ == "__main__":
    sys.exit(main())
