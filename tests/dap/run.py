#!/usr/bin/env python3
"""Drives kvmdbg-dap by a client library of other people's, each message held against the protocol's schema.

Usage: run.py BUILD [--filter TEXT]

One line per case, then `N passed, N failed, N skipped`. What npm installs lies in node_modules beside this file.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def missing(build):
    """Why nothing can be run here; empty when it can."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program}"
    if not (build / "kvmdbg-dap").exists():
        return "kvmdbg-dap is not built: liblldb is not installed (package liblldb-22-dev)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no usable /dev/kvm"
    return ""


def install_packages():
    if not (HERE / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)


def run(build, pattern):
    """The cases' outcomes, told as they come: name to PASS, FAIL or SKIP."""
    environment = dict(os.environ, KVMDBG_DAP=str(build / "kvmdbg-dap"), KVMDBG=str(build / "kvmdbg"),
                       KVMDBG_GUESTS=str(build / "guests"), FORCE_COLOR="0")
    command = ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=300000"]
    if pattern:
        command.append(f"--test-name-pattern={pattern}")
    command += sorted(str(path) for path in HERE.glob("*.test.mjs"))
    counts, failed = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0), False
    # a group of its own, so that whatever a case has started ends with it
    process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in process.stdout:
            case = re.match(r"\s*(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$", line)
            if case and "does not match pattern" in line:
                continue
            of_file = case and case.group(2).endswith(".mjs")
            if of_file and case.group(1) and not failed:  # by itself, not for one of its cases
                print("FAIL", case.group(2), flush=True)
                counts["FAIL"] += 1
            if of_file:
                failed = False
            elif case:
                word = "FAIL" if case.group(1) else "SKIP" if case.group(3) else "PASS"
                counts[word] += 1
                failed = failed or word == "FAIL"
                print(word, case.group(2) + (case.group(3) or ""), flush=True)
            elif re.match(r"\s+(error|expected|actual|location|stack):", line) or re.match(r"\s{6,}\S", line):
                print(line.rstrip(), flush=True)
        process.wait()
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return counts, process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", help="only cases whose name contains this")
    options = parser.parse_args()
    build = options.build.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = missing(build)
    if reason:
        print(f"SKIP DAP cases: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    install_packages()
    counts, status = run(build, options.filter)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not counts["PASS"] or status else 0


if __name__ == "__main__":
    sys.exit(main())
