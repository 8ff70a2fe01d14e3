#!/usr/bin/env python3
"""Drives kvmdbg-dap by a client library of other people's, each message held against the protocol's schema.

Usage: run.py BUILD [--filter TEXT]

One line per case, then `N passed, N failed, N skipped`. What npm installs lies in node_modules beside this file.
"""

import argparse
import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
import node_cases  # noqa: E402


def missing(build):
    """Why nothing can be run here; empty when it can."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program}"
    if not (build / "kvmdbg-dap").exists():
        return "kvmdbg-dap is not built: liblldb is not installed (package liblldb-22-dev)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no usable /dev/kvm"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", help="only cases whose name contains this")
    options = parser.parse_args()
    build = options.build.resolve()
    reason = missing(build)
    if reason:
        return node_cases.skip("DAP cases", reason)
    node_cases.install_packages(HERE)
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    environment = {"KVMDBG_DAP": str(build / "kvmdbg-dap"), "KVMDBG": str(build / "kvmdbg"),
                   "KVMDBG_GUESTS": str(build / "guests")}
    return node_cases.report(*node_cases.run(HERE, files, environment, options.filter))


if __name__ == "__main__":
    sys.exit(main())
