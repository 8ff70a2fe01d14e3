"""Cases of node's own test runner, told as those of every other suite are: a line each, then the counts."""

import os
import re
import signal
import subprocess
import sys

CASE = re.compile(r"\s*(not )?ok \d+ - (.*?)( # SKIP.*| # TODO.*)?$")
DETAIL = re.compile(r"\s+(error|expected|actual|location|stack):|\s{6,}\S")


def install_packages(folder):
    """What package-lock.json pins, once."""
    if not (folder / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def run(folder, files, environment, pattern=None, seconds=300):
    """Runs the files one by one, each for so long at most. How many cases came to PASS, FAIL and SKIP, and
    node's exit status. A line that a file prints behind `# ` is shown."""
    command = ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", f"--test-timeout={seconds * 1000}"]
    if pattern:
        command.append(f"--test-name-pattern={pattern}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # a group of its own, so that whatever a case has started ends with it
    process = subprocess.Popen(command + files, cwd=folder, env=dict(os.environ, FORCE_COLOR="0", **environment),
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        return tell(process.stdout), process.wait()
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def tell(lines):
    counts, failed = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0), False
    for line in lines:
        case = CASE.match(line)
        if case and "does not match pattern" in line:
            continue
        of_file = case and case[2].endswith(".mjs")
        if of_file and case[1] and not failed:  # by itself, not for one of its cases
            print("FAIL", case[2], flush=True)
            counts["FAIL"] += 1
        if of_file:
            failed = False
        elif case:
            word = "FAIL" if case[1] else "SKIP" if case[3] else "PASS"
            counts[word] += 1
            failed = failed or word == "FAIL"
            print(word, case[2] + (case[3] or ""), flush=True)
        elif DETAIL.match(line) or line.startswith(r"# \# "):
            print(line.rstrip().removeprefix(r"# \# "), flush=True)
    return counts


def report(counts, status):
    """The last line, and the exit status of the suite."""
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not counts["PASS"] or status else 0


def skip(what, reason):
    print(f"SKIP {what}: {reason}")
    print("0 passed, 0 failed, 1 skipped")
    return 0
