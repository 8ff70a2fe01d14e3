#!/usr/bin/env python3
"""Unpacks Debian's lldb-19 into a folder, where it runs beside an installed lldb of another version: the
packages cannot be installed together.

Usage: unpack_lldb.py FOLDER      prints the program's path; a second run does nothing
"""
import pathlib
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from packages import MACHINES, Apt, Missing, unpacked  # noqa: E402
import platform  # noqa: E402

VERSION = "19"
SCRIPT = """#!/bin/sh
export LD_LIBRARY_PATH={root}/usr/lib/{machine}-linux-gnu:{root}/usr/lib/llvm-{version}/lib
export PYTHONPATH={root}/usr/lib/llvm-{version}/lib/python3.11/site-packages
exec {root}/usr/lib/llvm-{version}/bin/lldb "$@"
"""


def main():
    cache = pathlib.Path(sys.argv[1]).resolve()
    machine = platform.machine()
    program = cache / f"lldb-{VERSION}"
    if not program.exists():
        apt = Apt(MACHINES[machine], cache)
        debs = [deb for name in apt.absent([program.name]) for deb in apt.fetch([name])]
        root = unpacked(debs, cache, f"{program.name}-packages")
        program.write_text(SCRIPT.format(root=root, machine=machine, version=VERSION))
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    print(program)


if __name__ == "__main__":
    try:
        main()
    except (Missing, OSError, KeyError) as error:
        sys.exit(f"unpack_lldb: {error}")
