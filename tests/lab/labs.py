"""The labs. One is a value: what it boots, on which emulated machine, and which cases it runs."""

import dataclasses

from bochs import Bochs
from qemu import Qemu

PYTHON = ("busybox-static", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
          "libc6", "zlib1g", "libexpat1")
# Bochs counts one tick of the time-stamp counter per instruction, whatever its CPUID says: told the
# same as `ips`, the guest's clocks agree with each other, and about with ours.
BOCHS_LINE = ("console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable lpj=1000000 "
              "no_timer_check clocksource=tsc tsc_early_khz=100000 edd=off")
QEMU_LINE = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"


@dataclasses.dataclass(frozen=True)
class Lab:
    name: str
    machine: str  # as uname says
    kernel: str  # Debian's meta package
    packages: tuple  # what else of Debian is inside
    modules: tuple  # kernel modules; those that they need are found
    command_line: str
    emulator: object  # start(lab, vmlinuz, initrd, cache, room): (process, socket of the console)
    select: tuple = ("--catalogue",)  # arguments for tests/live/run.py
    memory: int = 512  # MiB
    limit: int = 1200  # seconds of wall time


LABS = {lab.name: lab for lab in (
    Lab("vmx", "x86_64", "linux-image-cloud-amd64", PYTHON, ("kvm-intel",), BOCHS_LINE,
        Bochs("corei7_skylake_x")),
    Lab("svm", "x86_64", "linux-image-cloud-amd64", PYTHON, ("kvm-amd",), QEMU_LINE,
        Qemu("qemu-system-x86", "qemu-system-x86_64", "-cpu", "max,+svm", "-machine", "q35")),
)}
