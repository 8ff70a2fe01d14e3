#!/usr/bin/env python3
"""gdb takes the target description of every CPU family, and shows its registers by the names that it knows.

Usage: run.py BUILD, a folder with the program `describe`. One line per description, then a count.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

# family and vector bytes; gdb's architecture; registers that gdb must know by itself or find in it
DESCRIPTIONS = (
    (("x86_64",), "i386:x86-64", "rax rip eflags st0 xmm0 cr0 fs_base"),
    (("aarch64",), "aarch64", "x0 pc cpsr v0 q0 fpsr"),
    (("aarch64", "16"), "aarch64", "x0 pc cpsr z0 p0 ffr vg v0"),
    (("aarch64", "256"), "aarch64", "x30 sp z31 p15 v31"),
    (("loongarch64",), "loongarch64", "r0 r1 pc badv orig_a0 f0 fcsr"),
    (("riscv64",), "riscv:rv64", "ra sp a0 pc ft0 fcsr sstatus satp"),
)


def unknown(architecture):
    """Debian 12's gdb has no LoongArch."""
    said = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", f"set architecture {architecture}"],
                          capture_output=True, text=True, timeout=60, check=False).stderr
    return "Undefined item" in said


def check(build, folder, arguments, architecture, registers):
    """None, or what is wrong."""
    text = subprocess.run([build / "describe", *arguments], capture_output=True, text=True, check=True).stdout
    path = folder / f"{'-'.join(arguments)}.xml"
    path.write_text(text)
    command = ["gdb-multiarch", "-nx", "-batch", "-ex", f"set tdesc filename {path}",
               "-ex", "show architecture", "-ex", f"maintenance print xml-tdesc {path}",
               "-ex", "maintenance print registers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    if done.returncode or "warning" in said or "not understood" in said:
        return " | ".join(line for line in said.splitlines() if "arning" in line) or f"gdb: {done.returncode}"
    if architecture not in said:
        return f"gdb takes it for {said.splitlines()[0]}"
    known = {line.split()[0] for line in said.splitlines() if line.split()}
    lost = [name for name in registers.split() if name not in known]
    return f"gdb has no {' '.join(lost)}" if lost else None


def main():
    build = pathlib.Path(sys.argv[1])
    if not shutil.which("gdb-multiarch"):
        print("SKIP descriptions: gdb-multiarch is not installed")
        print(f"0 passed, 0 failed, {len(DESCRIPTIONS)} skipped")
        return 1
    failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for arguments, architecture, registers in DESCRIPTIONS:
            if unknown(architecture):
                skipped += 1
                print(f"SKIP description of {' '.join(arguments)}: this gdb does not know {architecture}")
                continue
            wrong = check(build, pathlib.Path(folder), arguments, architecture, registers)
            failed += wrong is not None
            print(f"{'FAIL' if wrong else 'PASS'} description of {' '.join(arguments)}"
                  + (f": {wrong}" if wrong else ""))
    print(f"{len(DESCRIPTIONS) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
