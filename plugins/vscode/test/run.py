#!/usr/bin/env python3
"""Builds the extension for VS Code and tests what is in the .vsix, on a kvmdbg where that can run.

Usage: run.py BUILD [--filter TEXT]

BUILD has kvmdbg, kvmdbg-dap and guests. The .vsix is left in BUILD. What npm installs lies in
plugins/vscode/node_modules. With KVMDBG_CODE_SERVER=PROGRAM the cases of in_vscode.test.mjs run in that code-server
(DEVELOPING.md says how to get one); pictures of what failed are left in BUILD/vscode-shots. One line per case, then `N passed, N failed, N skipped`.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

SESSIONS = "live.test.mjs"
IN_VSCODE = "in_vscode.test.mjs"

HERE = pathlib.Path(__file__).resolve().parent
EXTENSION = HERE.parent
WEB = HERE.parents[2] / "tests/web"
sys.path.append(str(HERE.parents[2] / "tests"))
import node_cases  # noqa: E402


def version(program):
    """Of a program on PATH, as numbers; empty when there is none."""
    if not shutil.which(program):
        return ()
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said))


def missing():
    """Why nothing can be done here; empty when it can."""
    if not version("npm"):
        return "there is no npm"
    if version("node") < (20, 11):
        return "there is no node of version 20.11 or later"
    return ""


def missing_live(build):
    """Why there can be no sessions; empty when there can."""
    if not (build / "kvmdbg-dap").exists():
        return "kvmdbg-dap is not built: liblldb is not installed (package liblldb-22-dev)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no usable /dev/kvm"
    return ""


def missing_vscode():
    """Why there can be no VS Code; empty when there can."""
    program = os.environ.get("KVMDBG_CODE_SERVER")
    if not program:
        return ("KVMDBG_CODE_SERVER does not name a code-server: npm install code-server@4.96.4 in a folder of its own, "
                "see plugins/vscode/DEVELOPING.md")
    if not shutil.which(program):
        return f"KVMDBG_CODE_SERVER is {program}, which is no program"
    if not pathlib.Path(os.environ.get("KVMDBG_CHROMIUM", "/usr/bin/chromium")).exists():
        return "there is no chromium (package chromium; KVMDBG_CHROMIUM names another one)"
    return ""


def package(build):
    node_cases.install_packages(EXTENSION)
    made = subprocess.run(["node", "package.mjs", str(build)], cwd=EXTENSION, check=True,
                          stdout=subprocess.PIPE, text=True)
    return made.stdout.strip().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", help="only cases whose name contains this")
    options = parser.parse_args()
    build = options.build.resolve()
    reason = missing()
    if reason:
        return node_cases.skip("all cases", reason)
    environment = {"KVMDBG_VSIX": package(build), "KVMDBG_BUILD": str(build)}
    files = {path.name: str(path) for path in sorted(HERE.glob("*.test.mjs"))}
    live = missing_live(build)
    skipped = {SESSIONS: live, IN_VSCODE: live or missing_vscode()}
    for name, reason in skipped.items():
        if reason:
            del files[name]
            print(f"SKIP {name}: {reason}")
    if IN_VSCODE in files:
        node_cases.install_packages(WEB)  # playwright-core
    counts, status = node_cases.run(EXTENSION, list(files.values()), environment, options.filter)
    counts["SKIP"] += sum(map(bool, skipped.values()))
    return node_cases.report(counts, status)


if __name__ == "__main__":
    sys.exit(main())
