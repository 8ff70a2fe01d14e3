#!/usr/bin/env python3
"""Types the README's tour and checks that it shows what the README says.

Usage: tour.py [README]        from the root of the checkout, after ./dev build

Fenced blocks tagged `console tour` are run in order. In them `$ ` begins a shell command (`$ gdb`
or `$ lldb` starts the debugger, a trailing `&` starts a program that stays), `(gdb) ` or `(lldb) ` its
command, `^C` is Ctrl-C for the command before it, `...` stands for anything. Every other line must show up in
what the command before it printed, in that order.
"""
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from session import Failed, Gdb, Lldb, Output, Screen

BLOCK = re.compile(r"^```console tour\n(.*?)^```", re.M | re.S)
WAIT = 120  # seconds for a command
DEBUGGERS = {"gdb": Gdb, "lldb": Lldb}
PROMPT = re.compile(r"\((gdb|lldb)\) ")
RUN_FREE = 1.0  # seconds before a ^C


class Step:
    def __init__(self, command):
        self.command = command
        self.expected = []
        self.interrupted = False


def steps(readme):
    found = []
    for block in BLOCK.findall(readme):
        for line in block.splitlines():
            if line.startswith("$ ") or PROMPT.match(line):
                found.append(Step(line))
            elif line == "^C":
                found[-1].interrupted = True
            elif line.strip() and line.strip() != "...":
                found[-1].expected.append(line.strip())
    return found


class Tour:
    def __init__(self, screen):
        self.screen = screen
        self.client = None
        self.servers = []

    def play(self, step):
        if PROMPT.match(step.command):
            return self.debugger(step)
        command = step.command.removeprefix("$ ")
        name, _, image = command.partition(" ")
        if name in DEBUGGERS:
            self.client = DEBUGGERS[name](self.screen, image)
            return ""
        self.screen.show(step.command, "command")
        if command.endswith("&"):
            return self.server(command.removesuffix("&").strip())
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=WAIT)
        self.screen.show(done.stdout + done.stderr)
        if done.returncode:
            raise Failed(f"'{command}' ended with status {done.returncode}")
        return done.stdout + done.stderr

    def server(self, command):
        process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.servers.append(process)
        output = Output(process.stdout, self.screen.console)
        output.wait(lambda text: "\n" in text, 20)
        time.sleep(0.3)
        if process.poll() is not None:
            raise Failed(f"'{command}' ended with status {process.returncode}: {output.text}")
        return output.text

    def debugger(self, step):
        if not self.client:
            raise Failed(f"'{step.command}' before the debugger was started")
        self.screen.show(step.command, "command")
        command = PROMPT.sub("", step.command, count=1)
        if command == "quit":
            self.client.start(command)
            self.client.process.wait(timeout=WAIT)
            return ""
        if not step.interrupted:
            return self.client.run(command, WAIT)
        self.client.start(command)
        time.sleep(RUN_FREE)
        self.screen.show("^C", "command")
        return self.client.interrupt(command, WAIT)

    def close(self):
        if self.client:
            self.client.close()
        for process in self.servers:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def check(step, answer):
    rest = re.sub(r"[ \t]+", " ", answer)
    for line in step.expected:
        pattern = ".*".join(re.escape(part) for part in re.sub(r"[ \t]+", " ", line).split("..."))
        found = re.search(pattern, rest)
        if not found:
            raise Failed(f"'{step.command}' did not show '{line}', but:\n{answer.strip()}")
        rest = rest[found.end():]


def main(argv):
    screen = Screen()
    readme = Path(argv[0] if argv else Path(__file__).resolve().parents[2] / "README.md")
    passed = failed = 0
    if "$ lldb " in readme.read_text() and not Lldb.program():
        screen.show(f"SKIP {readme.name}: lldb is not installed\n0 passed, 0 failed, 1 skipped")
        return 0
    tour = Tour(screen)
    try:
        for step in steps(readme.read_text()):
            check(step, tour.play(step))
            passed += 1
        if not passed:
            raise Failed(f"{readme} has no block tagged `console tour`")
    except (Failed, subprocess.TimeoutExpired, OSError) as reason:
        failed = 1
        screen.show(f"\nFAILED: {reason}", "bad")
    finally:
        tour.close()
    screen.show(f"\n{passed} passed, {failed} failed, 0 skipped", "bad" if failed else "good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
