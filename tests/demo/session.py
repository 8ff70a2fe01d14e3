"""A kvmdbg server and a real gdb, driven step by step and shown as a terminal would show them.

A step is a gdb command with what its answer must match. The first step that does not get it ends
the session: a demo is also a test.
"""
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROMPT = "<ready>\n"
QUIET = ["set prompt <ready>\\n", "set pagination off", "set confirm off", "set width 0",
         "set style enabled off", "set debuginfod enabled off",
         "set print entry-values no"]


class Failed(Exception):
    """A step did not get what it must get; the text says what and where."""


class Screen:
    """What the reader sees. Colour only on a terminal."""

    COLOURS = {"plain": "", "command": "1", "console": "36", "remark": "2", "bad": "31", "good": "32"}
    CONSOLE_LIMIT = 12

    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.colour = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.lock = threading.Lock()
        self.console_lines = 0

    def show(self, text, style="plain"):
        with self.lock:
            if self.console_lines > self.CONSOLE_LIMIT:
                self._write(f"| ... {self.console_lines - self.CONSOLE_LIMIT} more lines", "console")
            self.console_lines = 0
            for line in text.rstrip("\n").split("\n"):
                self._write(line, style)
            self.stream.flush()

    def console(self, line):
        """The guest's serial console; of a flood only the beginning."""
        with self.lock:
            self.console_lines += 1
            if self.console_lines <= self.CONSOLE_LIMIT:
                self._write(f"| {line}", "console")
            self.stream.flush()

    def _write(self, line, style):
        code = self.COLOURS[style] if self.colour else ""
        self.stream.write(f"\033[{code}m{line}\033[0m\n" if code else line + "\n")


class Output:
    """The output of a process, read by a thread of its own so that no pipe ever fills up."""

    def __init__(self, stream, on_line=None):
        self.chunks = queue.Queue()
        self.text = ""
        self.closed = False
        self.on_line = on_line
        self.partial = ""
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        while True:
            chunk = os.read(stream.fileno(), 65536)
            if self.on_line:  # first, so that what is shown keeps its order
                self.partial += chunk.decode("utf-8", "replace")
                *lines, self.partial = self.partial.split("\n")
                for line in lines:
                    self.on_line(line.rstrip("\r"))
            self.chunks.put(chunk)
            if not chunk:
                return

    def drain(self):
        """Takes in what has come; returns how much text there is."""
        self.wait(lambda _: self.chunks.empty(), 5)
        return len(self.text)

    def wait(self, done, timeout):
        """Collects until done(text); False when the time is over or the process is."""
        deadline = time.monotonic() + timeout
        while not done(self.text):
            left = deadline - time.monotonic()
            if left <= 0 or self.closed:
                return False
            try:
                chunk = self.chunks.get(timeout=min(left, 0.5))
            except queue.Empty:
                continue
            self.closed |= not chunk
            self.text += chunk.decode("utf-8", "replace")
        return True


class Server:
    """`kvmdbg run IMAGE` on a private unix socket. Its serial console is shown as it comes."""

    def __init__(self, screen, kvmdbg, image, options):
        self.screen = screen
        self.folder = tempfile.TemporaryDirectory(prefix="kvmdbg-demo-")
        self.socket = str(Path(self.folder.name) / "gdb")
        command = [str(kvmdbg), "run", "--listen", f"unix:{self.socket}", *options, str(image)]
        screen.show(f"$ kvmdbg run --listen unix:{self.socket} {quoted(options)} "
                    f"{image} &", "command")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.console = Output(self.process.stdout, screen.console)
        self.messages = Output(self.process.stderr)
        self._await_socket()

    def _await_socket(self):
        deadline = time.monotonic() + 20
        while not Path(self.socket).exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.messages.wait(lambda _: False, 0.5)
                raise Failed(f"kvmdbg did not come up (status {self.process.poll()}): "
                             f"{self.messages.text.strip() or 'it said nothing'}")
            time.sleep(0.02)

    def close(self):
        """Ends it; returns its exit status, None when it had to be killed."""
        for end in (self.process.terminate, self.process.kill):
            if self.process.poll() is None:
                end()
            try:
                status = self.process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                status = None
        self.folder.cleanup()
        return status


class Gdb:
    """The system's gdb, reading commands from a pipe."""

    def __init__(self, screen, symbols):
        self.screen = screen
        screen.show(f"$ gdb {symbols}", "command")
        self.process = subprocess.Popen(
            ["/usr/bin/gdb", "-nx", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "LC_ALL": "C"})
        self.visible = False
        self.output = Output(self.process.stdout, self._show)
        for command in [*QUIET, f"file {symbols}"]:
            self._send(command)
        self._answer(60, "file", count=len(QUIET) + 1)
        self.visible = True

    def _show(self, line):
        line = line.replace(PROMPT.rstrip(), "")
        if self.visible and line:
            self.screen.show(line)

    def _send(self, command):
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as reason:
            raise Failed(f"gdb is gone: {reason}") from reason

    def _answer(self, timeout, command, count=1):
        if not self.output.wait(lambda text: text.count(PROMPT) >= count, timeout):
            raise Failed(f"no answer to '{command}' within {timeout} s; so far:\n{self.output.text}")
        cut = 0
        for _ in range(count):
            cut = self.output.text.index(PROMPT, cut) + len(PROMPT)
        answer, self.output.text = self.output.text[:cut], self.output.text[cut:]
        return answer.replace(PROMPT, "")

    def run(self, command, timeout):
        self._send(command)
        return self._answer(timeout, command)

    def start(self, command):
        """For a command that does not come back by itself; `interrupt` ends it."""
        self._send(command)

    def interrupt(self, command, timeout):
        os.kill(self.process.pid, signal.SIGINT)
        return self._answer(timeout, command)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Lldb:
    """lldb on pipes. The end of an answer is lldb's complaint about a word that is no command."""

    NAMES = ("lldb-22", "lldb")

    @classmethod
    def program(cls):
        return next(filter(None, map(shutil.which, cls.NAMES)), None)

    def __init__(self, screen, symbols):
        self.screen = screen
        screen.show(f"$ lldb {symbols}", "command")
        self.process = subprocess.Popen(
            [self.program(), "-x", "--no-use-colors"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "LC_ALL": "C"})
        self.asked = 0
        self.output = Output(self.process.stdout)
        self._quietly("settings set auto-confirm true")
        self._wait_for_stops(True)
        self._quietly(f"target create {symbols}")

    def _send(self, command):
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as reason:
            raise Failed(f"lldb is gone: {reason}") from reason

    def _quietly(self, command, timeout=60):
        self.asked += 1
        end = f"error: 'end{self.asked}' is not a valid command.\n"
        self._send(f"{command}\nend{self.asked}")
        if not self.output.wait(lambda text: end in text, timeout):
            raise Failed(f"no answer to '{command}' within {timeout} s; so far:\n{self.output.text}")
        answer, _, self.output.text = self.output.text.partition(end)
        lines = answer.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("(lldb) "))

    def _wait_for_stops(self, yes):
        """Whether `continue` and its like return when the guest stops, or at once as in a terminal."""
        self._quietly(f"script lldb.debugger.SetAsync({not yes})")

    def run(self, command, timeout):
        answer = self._quietly(command, timeout)
        if answer.strip():
            self.screen.show(answer)
        return answer

    def start(self, command):
        if command == "quit":
            return self._send(command)
        self._wait_for_stops(False)
        return self._quietly(command)

    def interrupt(self, command, timeout):
        """Ctrl-C asks for this; on a pipe there is no terminal to press it in."""
        self._send("process interrupt")
        if not self.output.wait(lambda text: re.search(r"stop reason = .*\n.*frame", text), timeout):
            raise Failed(f"'{command}' was not interrupted; so far:\n{self.output.text}")
        answer = self._quietly("thread info")
        self._wait_for_stops(True)
        self.screen.show(answer)
        return answer

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Session:
    """Runs steps and counts them."""

    def __init__(self, screen):
        self.screen = screen
        self.server = self.gdb = None
        self.passed = 0
        self.skipped = []

    def remark(self, text):
        self.screen.show("")
        self.screen.show(f"# {text}", "remark")

    def skip(self, reason):
        self.skipped.append(reason)

    def step(self, command, expect="", timeout=30, refuse=r"(?!)"):
        """Sends `command`; its answer must match `expect` and must not match `refuse`."""
        self.screen.show(f"(gdb) {command}", "command")
        answer = self.gdb.run(command, timeout)
        return self._judge(command, answer, expect, refuse)

    def go_and_interrupt(self, expect, until=None, timeout=30, seconds=0.5):
        """continue; wait for the console line `until` (else `seconds`); Ctrl-C."""
        self.screen.show("(gdb) continue", "command")
        mark = self.console_mark()
        self.gdb.start("continue")
        if until:
            self.await_console(until, timeout, mark)
        else:
            time.sleep(seconds)
        self.screen.show("^C", "command")
        answer = self.gdb.interrupt("continue", 30)
        return self._judge("continue, then Ctrl-C", answer, expect, r"(?!)")

    def console_mark(self):
        """What the console says from here on can be awaited with this."""
        return self.server.console.drain()

    def await_console(self, pattern, timeout=30, mark=0):
        if not self.server.console.wait(lambda text: re.search(pattern, text[mark:]), timeout):
            raise Failed(f"no console line /{pattern}/ within {timeout} s")
        self.passed += 1

    def expect(self, claim, text):
        if not claim:
            raise Failed(text)
        self.passed += 1

    def _judge(self, command, answer, expect, refuse):
        if not re.search(expect, answer) or re.search(refuse, answer):
            raise Failed(f"'{command}': expected /{expect}/, got:\n{answer.strip() or '(nothing)'}")
        self.passed += 1
        return answer


def quoted(options):
    return " ".join(f"'{o}'" if " " in o else o for o in options)


def perform(screen, limit, play, kvmdbg, image, options, symbols, afterwards=""):
    """Starts a server and a gdb, runs play(session) under a time limit, cleans up.

    `afterwards` is shown when all went well. Returns the exit status; the last line printed is
    `N passed, N failed, N skipped`.
    """
    def late(*_):
        raise Failed(f"the time limit of {limit} s is over")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    s = Session(screen)
    failed = 0
    try:
        s.server = Server(screen, Path(kvmdbg).resolve(), image, options)
        s.gdb = Gdb(screen, symbols)
        play(s)
    except (Failed, KeyboardInterrupt) as reason:
        failed = 1
        screen.show(f"\nFAILED: {reason or 'stopped by you'}", "bad")
    finally:
        signal.alarm(0)
        for part in (s.gdb, s.server):
            if part:
                part.close()
    if afterwards and not failed:
        screen.show(f"\n{afterwards}")
    screen.show("")
    for reason in s.skipped:
        screen.show(f"SKIP {reason}", "remark")
    screen.show(f"{s.passed} passed, {failed} failed, {len(s.skipped)} skipped",
                "bad" if failed else "good")
    return 1 if failed else 0
