#!/usr/bin/env python3
"""Gets Debian's cloud kernel ready for debugging: downloads, unpacks, names, and an initramfs.

Usage: fetch.py [FOLDER]      default: $XDG_CACHE_HOME/kvmdbg/linux, else build/cache/linux

Leaves in FOLDER: vmlinuz (as packaged), vmlinux (ELF with symbols and unwind rows; for kvmdbg and gdb
alike), initrd, init (the ELF of its only program), version. Prints FOLDER. A second run needs no
network and does nothing. Nothing is installed: the package is only unpacked.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
META = "linux-image-cloud-amd64"
LZ4_LEGACY = b"\x02\x21\x4c\x18"
# the guest may run where SSE is not emulated: general registers only
INIT_FLAGS = ["-Os", "-g", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-no-pie",
              "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-mgeneral-regs-only",
              "-Wl,--build-id=none,-z,noseparate-code"]


class Stop(Exception):
    """Cannot go on; the text says why and what to do."""


def say(text):
    print(f"linux: {text}", file=sys.stderr, flush=True)


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise Stop(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return done.stdout


def image_package():
    """The package that the meta package stands for now."""
    text = run("apt-cache", "depends", "--important", META)
    found = re.search(r"Depends: (linux-image-\d\S*)", text)
    if not found:
        raise Stop(f"apt knows no {META}; try: apt-get update")
    return found.group(1)


def download(folder):
    package = image_package()
    say(f"downloading {package} (about 26 MB, once)")
    with tempfile.TemporaryDirectory(dir=folder) as room:
        os.chmod(room, 0o777)  # apt may download as another user
        run("apt-get", "-q", "-o", "Acquire::Retries=5", "download", package, cwd=room)
        debs = list(Path(room).glob("*.deb"))
        if len(debs) != 1:
            raise Stop(f"apt-get download {package} left {len(debs)} files")
        target = folder / debs[0].name
        shutil.move(debs[0], target)
    return target


def unpack(deb, folder):
    """vmlinuz out of the package, then the ELF image out of vmlinuz."""
    with tempfile.TemporaryDirectory(dir=folder) as room:
        run("dpkg-deb", "-x", deb, room)
        vmlinuz, = Path(room).glob("boot/vmlinuz-*")
        version = vmlinuz.name.removeprefix("vmlinuz-")
        content = vmlinuz.read_bytes()
        shutil.copy(vmlinuz, folder / "vmlinuz")
    start = content.find(LZ4_LEGACY)
    if start < 0:
        raise Stop(f"{vmlinuz.name} holds no LZ4 stream")
    # what follows the stream makes lz4 complain at the end: judge by what came out
    done = subprocess.run(["lz4", "-d", "-c"], input=content[start:], capture_output=True)
    if not done.stdout.startswith(b"\x7fELF"):
        raise Stop(f"lz4 did not give an ELF image: {done.stderr.decode(errors='replace').strip()}")
    return version, done.stdout


def fingerprint():
    """Changes with whatever decides what the folder holds."""
    total = hashlib.sha256()
    for path in sorted(HERE.glob("*.[cp]*")):
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    stamp.unlink(missing_ok=True)
    debs = sorted(folder.glob("linux-image-*.deb"))
    deb = debs[-1] if debs else download(folder)
    say(f"unpacking {deb.name}")
    version, image = unpack(deb, folder)
    stripped = folder / "vmlinux.stripped"
    stripped.write_bytes(image)
    say("recovering symbols and unwind rows")
    say(run(sys.executable, HERE / "kallsyms.py", stripped, folder / "vmlinux").strip())
    stripped.unlink()
    say("making the initramfs")
    run("gcc", *INIT_FLAGS, HERE / "init.c", "-o", folder / "init")
    run("strip", "-o", folder / "init.stripped", folder / "init")
    run(sys.executable, HERE / "initramfs.py", folder / "initrd", "--init", folder / "init.stripped")
    (folder / "version").write_text(version + "\n")
    stamp.write_text(fingerprint())


def default_folder():
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache) / "kvmdbg/linux" if cache else HERE.parents[1] / "build/cache/linux"


def main(argv):
    folder = Path(argv[0]) if argv else default_folder()
    try:
        make(folder)
    except (Stop, OSError) as reason:
        print(f"fetch.py: {reason}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
