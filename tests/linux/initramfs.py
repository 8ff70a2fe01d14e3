#!/usr/bin/env python3
"""Makes the demo's initramfs. Usage: initramfs.py OUTPUT [--init PROGRAM] [--shell BUSYBOX]

PROGRAM becomes /init. With --shell, /init is a script of BUSYBOX (static) that ends in a shell.
"""
import argparse
import gzip
import sys
from pathlib import Path

SCRIPT = b"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo "kvmdbg: userspace is up"
exec sh </dev/console >/dev/console 2>&1
"""
APPLETS = "sh mount cat ls ps echo dmesg free sleep top uname poweroff reboot vi grep head tail".split()
DIRECTORY, FILE, LINK, DEVICE = 0o040755, 0o100755, 0o120777, 0o020600


class Archive:
    """The newc cpio format: reproducible, so the same input is the same file."""

    def __init__(self):
        self.out = bytearray()
        self.entries = 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.entries += 1
        fields = (self.entries, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        self.out += b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        self.out += bytes(-len(self.out) % 4)
        self.out += content
        self.out += bytes(-len(self.out) % 4)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.out) + bytes(-len(self.out) % 512)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--shell", type=Path)
    args = parser.parse_args()
    if not args.init and not args.shell:
        parser.error("one of --init and --shell")
    archive = Archive()
    for directory in ("dev", "proc", "sys", "bin"):
        archive.add(directory, DIRECTORY)
    archive.add("dev/console", DEVICE, device=(5, 1))
    if args.shell:
        archive.add("bin/busybox", FILE, args.shell.read_bytes())
        for applet in APPLETS:
            archive.add(f"bin/{applet}", LINK, b"busybox")
        archive.add("init", FILE, SCRIPT)
    else:
        archive.add("init", FILE, args.init.read_bytes())
    content = archive.finish()
    if args.output.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    args.output.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
