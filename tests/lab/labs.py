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
# What that CPU (QEMU 7.2) does unlike AMD's: no trap between sti and the instruction after it, an
# injected #BP is not delivered, DR7.GD does nothing.
NOT_IN_QEMUS_SVM = ("stepping.step_with_interrupt_pending|stepping.step_sti_and_hlt_with_timer|"
                    "rules.inject_then_registers|rules.own_general_detect")


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
    is_guest: bool = False  # its kernel is also a guest of the suite: guests/Image
    build: str = "release"  # the folder in build/ whose programs it gets
    programs: tuple = ("kvmdbg", "fault_sweep", "kvm_rules")
    outside: tuple = ()  # (program, guest): a debugger that attaches from outside at the end
    memory: int = 512  # MiB
    limit: int = 2400  # seconds of wall time


LABS = {lab.name: lab for lab in (
    Lab("vmx", "x86_64", "linux-image-cloud-amd64", PYTHON, ("kvm-intel",), BOCHS_LINE,
        Bochs("corei7_skylake_x")),
    Lab("svm", "x86_64", "linux-image-cloud-amd64", PYTHON, ("kvm-amd",), QEMU_LINE,
        Qemu("x86_64", "qemu-system-x86", "-accel", "tcg", "-cpu", "max,+svm", "-machine", "q35"),
        select=("--catalogue", "--exclude", NOT_IN_QEMUS_SVM)),
    # two levels of translation in software: some hundred steps a second
    Lab("arm64", "aarch64", "linux-image-cloud-arm64", PYTHON, ("virtio-net", "virtio-pci"),
        "console=ttyAMA0 quiet panic=-1",
        Qemu("aarch64", "qemu-system-arm", "-M", "virt,virtualization=on,gic-version=3", "-cpu",
             "max,pauth-impdef=on", "-smp", "2"),
        build="arm64", programs=("kvmdbg",), is_guest=True,
        outside=("gdb-multiarch", "steps"), memory=1024),
)}
