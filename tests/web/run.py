#!/usr/bin/env python3
"""Drives the page in Chromium, on real guests; what it shows is held against another way to the same guest.

Usage: run.py BUILD [--filter TEXT]

One line per case, then `N passed, N failed, N skipped`. Screenshots are left in BUILD/web-shots. What npm installs
lies in node_modules beside this file.
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
    for program in ("node", "npm", "openssl"):
        if not shutil.which(program):
            return f"there is no {program}"
    if not pathlib.Path(os.environ.get("KVMDBG_CHROMIUM", "/usr/bin/chromium")).exists():
        return "there is no chromium (package chromium; KVMDBG_CHROMIUM names another one)"
    if not (build / "web/sizes.json").exists():
        return "the page is not built: node and npm were not there, or -DKVMDBG_WEB=OFF"
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
        return node_cases.skip("cases of the page", reason)
    node_cases.install_packages(HERE)
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    return node_cases.report(*node_cases.run(HERE, files, {"KVMDBG_BUILD": str(build)}, options.filter, seconds=600))


if __name__ == "__main__":
    sys.exit(main())
