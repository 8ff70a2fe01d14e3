"""Images that cannot be run: one clear line on standard error, status 1 or 2, nothing else."""

import os
import struct
import subprocess
import tempfile

from check import case, equal, holds
from machine import Settings, free_run


def run(*arguments, timeout=5):
    try:
        return run_to_end(arguments, timeout)
    except subprocess.TimeoutExpired:
        return None, "it ran on"


def run_to_end(arguments, timeout):
    done = subprocess.run([Settings.kvmdbg, "run", "--go", "--listen", "unix:" + os.path.join(
        tempfile.gettempdir(), f"kvmdbg-image-{os.getpid()}.sock"), *arguments],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    return done.returncode, (done.stderr + done.stdout).decode("latin-1")


def refused(what, data, words, arguments=()):
    """The server says one of `words` about the file, and ends by itself, not by a signal."""
    with tempfile.NamedTemporaryFile(suffix=".elf") as file:
        file.write(data)
        file.flush()
        status, text = run(*arguments, file.name)
    holds(status in (1, 2), f"{what}: exit status {status}: {text!r}")
    holds(text.strip() and len(text.strip().splitlines()) <= 3, f"{what}: text {text!r}")
    holds(any(word in text.lower() for word in words), f"{what}: {text!r} has none of {words}")


def good():
    with open(os.path.join(Settings.guests, "points.elf"), "rb") as file:
        return bytearray(file.read())


def changed(offset, form, value):
    data = good()
    struct.pack_into(form, data, offset, value)
    return bytes(data)


FIRST = 64  # program headers of our guests follow the ELF header


@case(needs=["kvmdbg"])
def the_unchanged_image_runs():
    status, text = run(os.path.join(Settings.guests, "points.elf"))
    equal(status, 3, f"exit status ({text!r})")


@case(needs=["kvmdbg"])
def truncated_images():
    data = bytes(good())
    for length in (0, 1, 4, 16, 63, 64, 100, FIRST + 56, 0x1000, 0x1010):
        refused(f"{length} bytes", data[:length], ["elf", "truncated", "short", "empty", "image"])


@case(needs=["kvmdbg"])
def other_architectures():
    for machine in (40, 183, 243, 258, 8):
        refused(f"e_machine {machine}", changed(18, "<H", machine),
                ["machine", "architecture", "x86", "arm", "riscv", "risc-v", "loongarch", "mips"])


@case(needs=["kvmdbg"])
def not_for_us():
    refused("big-endian", changed(5, "<B", 2), ["endian", "elf", "image"])
    refused("text", b"#!/bin/sh\necho no kernel\n", ["elf", "image", "format"])
    refused("a relocatable object", changed(16, "<H", 1), ["type", "executable", "elf", "reloc"])


@case(needs=["kvmdbg"])
def entry_outside_the_image():
    for entry in (0, 0x1000, 0x7000000, 0xFFFF000000000000):
        refused(f"entry {entry:#x}", changed(24, "<Q", entry), ["entry"])


@case(needs=["kvmdbg"])
def impossible_segments():
    words = ["segment", "memory", "range", "address", "truncated", "overlap", "beyond", "fit",
             "size", "header", "elf"]
    refused("a file offset beyond the file", changed(FIRST + 8, "<Q", 1 << 40), words)
    refused("an offset that wraps", changed(FIRST + 8, "<Q", (1 << 64) - 16), words)
    refused("a segment beyond memory", changed(FIRST + 24, "<Q", 1 << 40), words)
    refused("an address that wraps", changed(FIRST + 24, "<Q", (1 << 64) - 16), words)
    refused("a file size of an exabyte", changed(FIRST + 32, "<Q", 1 << 60), words)
    refused("less memory than file", changed(FIRST + 40, "<Q", 1), words)
    refused("a memory size of an exabyte", changed(FIRST + 40, "<Q", 1 << 60), words)
    refused("program headers beyond the file", changed(32, "<Q", 1 << 50), words)
    refused("65535 program headers", changed(56, "<H", 65535), words)
    refused("program headers of 1 byte", changed(54, "<H", 1), words)


@case(needs=["kvmdbg"])
def overlapping_segments():
    refused("two segments at one address", changed(FIRST + 56 + 24, "<Q", 0x100000),
            ["overlap", "twice"])


@case(needs=["kvmdbg"])
def larger_than_memory():
    refused("64 MiB in 16 MiB", changed(FIRST + 56 + 40, "<Q", 64 << 20),
            ["memory", "fit", "larger", "beyond"], ["--memory", "16M"])


@case(needs=["kvmdbg"])
def missing_and_odd_files():
    for path, words in (("/nonexistent/kernel.elf", ["no such file", "cannot open", "not exist"]),
                        ("/proc/self", ["directory", "regular", "read"]),
                        ("/dev/null", ["empty", "elf", "image", "regular", "short", "truncated"])):
        status, text = run(path)
        holds(status in (1, 2) or status >= 100, f"{path}: exit status {status}: {text!r}")
        holds(any(word in text.lower() for word in words), f"{path}: {text!r}")


@case(needs=["kvmdbg"])
def wrong_options():
    image = os.path.join(Settings.guests, "points.elf")
    for arguments in (["--cpus", "0"], ["--cpus", "100000"], ["--cpus", "x"], ["--memory", "0"],
                      ["--memory", "12x"], ["--memory", "999999999999G"], ["--irqchip", "magic"],
                      ["--listen", "nonsense"], ["--listen", "unix:/nonexistent/x/y"],
                      ["--no-such-option"]):
        status, text = run(*arguments, image)
        holds(0 < status < 128, f"{arguments}: exit status {status}: {text!r}")
        holds(text.strip(), f"{arguments}: no text")


@case(needs=["kvmdbg"])
def both_builds_run_alike():
    """The long-mode and the PVH build of one guest print the same."""
    for guest, status in (("points", 3), ("prot32", 27), ("watch", 15)):
        want = free_run(guest)
        equal(want[1], status, f"{guest}: status")
        equal(free_run(guest, pvh=True), want, f"{guest}: console and status of the PVH build")


@case(needs=["kvmdbg"])
def memory_sizes():
    for size in ("8M", "64M", "1G"):
        equal(free_run("points", arguments=["--memory", size])[1], 3, f"status with {size}")


@case(needs=["kvmdbg"])
def console_to_none():
    status, text = run("--console", "none", os.path.join(Settings.guests, "points.elf"))
    equal(status, 3, "status")
    holds("rounds=" not in text, f"the guest's words came out: {text!r}")


@case(needs=["kvmdbg"])
def console_to_stdio():
    status, text = run("--console", "stdio", os.path.join(Settings.guests, "points.elf"))
    equal(status, 3, "status")
    holds("rounds=03 " in text, f"the guest's words did not come: {text!r}")
