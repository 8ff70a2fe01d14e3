#!/usr/bin/env python3
"""Runs the unit test programs that a build folder registers with CTest, and counts test cases.

Usage: units.py BUILD [--filter TEXT]      TEXT: part of a test case's name

The last line is `N passed, N failed, N skipped`. A program that ends without a summary (crash,
sanitizer report) is one failure, and what it said is shown.
"""
import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LIMIT = 300  # seconds per program


def programs(build):
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True,
                             text=True, check=True)
    return [(test["name"], test["command"]) for test in json.loads(listing.stdout)["tests"]
            if test.get("command")]


def count(text):
    """(passed, failed) from Catch2's summary; None when there is none."""
    if found := re.search(r"^All tests passed \(.* in (\d+) test cases?\)", text, re.M):
        return int(found.group(1)), 0
    if re.search(r"^No tests ran|^No test cases matched", text, re.M):
        return 0, 0
    if found := re.search(r"^test cases: *(\d+) *\|(.*)", text, re.M):
        # "3 | 1 passed | 1 failed | 1 failed as expected": what is expected is no failure
        failed = re.search(r"(\d+) failed(?! as expected)", found.group(2))
        failures = int(failed.group(1)) if failed else 0
        return int(found.group(1)) - failures, failures
    return None


def run(command, text_filter):
    extra = [f"*{text_filter}*"] if text_filter else []
    environment = {**os.environ,
                   "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
                   "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    try:
        done = subprocess.run([*command, *extra], capture_output=True, text=True, timeout=LIMIT,
                              errors="replace", env=environment)
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode(errors="replace")
        return None, f"{text}\nnot done after {LIMIT} s"
    except OSError as reason:
        return None, str(reason)
    text = done.stdout + done.stderr
    counts = count(text)
    if counts and done.returncode and not counts[1] and not (text_filter and counts == (0, 0)):
        counts = None  # for instance a leak, reported after the summary
    return counts, text


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--filter", default="")
    args = parser.parse_args()
    tests = programs(args.build)
    if not tests:
        print("no unit test programs in this build")
    passed = failed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        outcomes = pool.map(lambda test: run(test[1], args.filter), tests)
        for (name, _), (counts, text) in zip(tests, outcomes):
            good, bad = counts or (0, 1)
            passed += good
            failed += bad
            print(f"{'FAIL' if bad else 'PASS'} {name}: {good} passed, {bad} failed", flush=True)
            if bad:
                print(text)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
