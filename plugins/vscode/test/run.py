#!/usr/bin/env python3
"""Builds the extension for VS Code and tests what is in the .vsix, on a kvmdbg where that can run.

Usage: run.py BUILD [--filter TEXT]

BUILD has kvmdbg, kvmdbg-dap and guests. The .vsix is left in BUILD. What npm installs lies in
plugins/vscode/node_modules. One line per case, then `N passed, N failed, N skipped`.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXTENSION = HERE.parent


def version(program):
    """Of a program on PATH, as numbers; empty when there is none."""
    if not shutil.which(program):
        return ()
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said))


def missing():
    """Why nothing can be done here; empty when it can."""
    if not version("npm"):
        return "there is no npm"
    if version("node") < (20, 11):
        return "there is no node of version 20.11 or later"
    return ""


def missing_live(build):
    """Why there can be no sessions; empty when there can."""
    if not (build / "kvmdbg-dap").exists():
        return "kvmdbg-dap is not built: liblldb is not installed (package liblldb-22-dev)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no usable /dev/kvm"
    return ""


def package(build):
    if not (EXTENSION / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=EXTENSION, check=True, stdout=subprocess.DEVNULL)
    made = subprocess.run(["node", "package.mjs", str(build)], cwd=EXTENSION, check=True,
                          stdout=subprocess.PIPE, text=True)
    return made.stdout.strip().splitlines()[-1]


def run(files, environment, pattern):
    """The cases' outcomes, told as they come: how many of each, and node's exit status."""
    command = ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=300000"]  # of a file, too
    if pattern:
        command.append(f"--test-name-pattern={pattern}")
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    with subprocess.Popen(command + files, cwd=EXTENSION, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            case = re.match(r"\s*(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$", line)
            if case and "does not match pattern" in line:
                continue
            if case and (case.group(1) or not case.group(2).endswith(".mjs")):
                word = "FAIL" if case.group(1) else "SKIP" if case.group(3) else "PASS"
                counts[word] += 1
                print(word, case.group(2) + (case.group(3) or ""), flush=True)
            elif re.match(r"\s+(error|expected|actual|location|stack):", line) or re.match(r"\s{6,}\S", line):
                print(line.rstrip(), flush=True)
    return counts, process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", help="only cases whose name contains this")
    options = parser.parse_args()
    build = options.build.resolve()
    reason = missing()
    if reason:
        print(f"SKIP all cases: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    environment = dict(os.environ, KVMDBG_VSIX=package(build), KVMDBG_BUILD=str(build), FORCE_COLOR="0")
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    reason = missing_live(build)
    if reason:
        files = [path for path in files if not path.endswith("/live.test.mjs")]
        print(f"SKIP sessions: {reason}")
    counts, status = run(files, environment, options.filter)
    counts["SKIP"] += bool(reason)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not counts["PASS"] or status else 0


if __name__ == "__main__":
    sys.exit(main())
