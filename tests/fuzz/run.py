#!/usr/bin/env python3
"""Runs the fuzzers for a while, all at once, each with its corpus, which grows from run to run.

Usage: run.py BUILD [--seconds N]      BUILD: of the preset fuzz

The last line is `N passed, N failed, N skipped`. What broke a fuzzer is kept, and how to see it again
is said.
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LONGEST = 4096  # bytes of one input
SLOWEST = 20  # seconds for one input


def seed(corpus):
    subprocess.run([sys.executable, HERE / "corpus.py", HERE.parent / "transcripts", corpus],
                   check=True, stdout=subprocess.DEVNULL)


def start(program, build, seconds):
    corpus = build / "corpus" / program.name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [program, f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}",
               f"-artifact_prefix={build}/{program.name}-", "-print_final_stats=1", corpus]
    if program.name == "gdb_fuzz":
        seed(build / "corpus" / "transcripts")
        command += [f"-dict={HERE / 'gdb.dict'}", build / "corpus" / "transcripts"]
    elif (words := HERE / program.name.replace("_fuzz", ".dict")).exists():
        command.insert(-1, f"-dict={words}")
    environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", env=environment)


def judge(program, text, status):
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    if status == 0 and runs and int(runs[1]):
        print(f"PASS {program.name}: {runs[1]} inputs")
        return True
    print(text[-6000:])
    print(f"FAIL {program.name}: exit status {status}")
    if kept := re.search(r"Test unit written to (\S+)", text):
        print(f"again: {program} {kept[1]}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    build = args.build.resolve()
    programs = [build / source.stem for source in sorted(HERE.glob("*_fuzz.cpp"))]
    running = [(program, start(program, build, args.seconds)) for program in programs]
    passed = 0
    for program, process in running:
        text, _ = process.communicate()
        passed += judge(program, text, process.returncode)
    print(f"{passed} passed, {len(running) - passed} failed, 0 skipped")
    return 0 if passed == len(running) else 1


if __name__ == "__main__":
    sys.exit(main())
