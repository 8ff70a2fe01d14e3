#!/usr/bin/env python3
"""Drives the page in Chromium, on real guests; what it shows is held against another way to the same guest.

Usage: run.py BUILD [--filter TEXT]

One line per case, then `N passed, N failed, N skipped`. Screenshots are left in BUILD/web-shots. What npm installs
lies in node_modules beside this file.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def missing(build):
    """Why nothing can be run here; empty when it can."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program}"
    if not pathlib.Path(os.environ.get("KVMDBG_CHROMIUM", "/usr/bin/chromium")).exists():
        return "there is no chromium (package chromium; KVMDBG_CHROMIUM names another one)"
    if not (build / "web/sizes.json").exists():
        return "the page is not built: node and npm were not there, or -DKVMDBG_WEB=OFF"
    if not (build / "kvmdbg-dap").exists():
        return "kvmdbg-dap is not built: liblldb is not installed (package liblldb-22-dev)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no usable /dev/kvm"
    return ""


def install_packages():
    if not (HERE / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)


def run(build, pattern):
    """How many cases came to what; each is told as it ends."""
    environment = dict(os.environ, KVMDBG_BUILD=str(build), FORCE_COLOR="0")
    command = ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=600000"]
    if pattern:
        command.append(f"--test-name-pattern={pattern}")
    command += sorted(str(path) for path in HERE.glob("*.test.mjs"))
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    with subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            case = re.match(r"\s*(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$", line)
            if case and "does not match pattern" in line:
                continue
            if case and not case.group(2).endswith(".mjs"):
                word = "FAIL" if case.group(1) else "SKIP" if case.group(3) else "PASS"
                counts[word] += 1
                print(word, case.group(2) + (case.group(3) or ""), flush=True)
            elif re.match(r"\s+(error|expected|actual|location|stack):", line) or re.match(r"\s{4,}\S|# ", line):
                print(line.rstrip(), flush=True)
    return counts, process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", help="only cases whose name contains this")
    options = parser.parse_args()
    build = options.build.resolve()
    reason = missing(build)
    if reason:
        print(f"SKIP cases of the page: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    install_packages()
    counts, status = run(build, options.filter)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not counts["PASS"] or status else 0


if __name__ == "__main__":
    sys.exit(main())
