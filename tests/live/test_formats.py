"""Images that are not plain ELF: boot sectors, firmware, multiboot kernels, Linux's bzImage."""

import os
import pathlib
import struct
import tempfile
import time

from check import Skip, at, case, ends, equal, holds, run_to
from machine import Machine, Settings
from test_images import run

SEABIOS = "/usr/share/seabios/bios-256k.bin"


def path(name):
    return os.path.join(Settings.guests, name)


def alike_after_reset(machine, client, entry):
    """The machine reset loads the image anew: the same first instruction, the same bytes."""
    code = client.read(entry, 16)
    client.write(entry, bytes(16))
    client.monitor("reset")
    equal(client.pc(), entry, "pc after reset")
    equal(client.read(entry, 16), code, "code after reset")


@case(needs=["kvmdbg", "hardware_exec"])
def boot_sector():
    with Machine("boot_sector", file="boot_sector.bin", arguments=["--flat", "0x7c00"]) as machine:
        client = machine.connect()
        at(machine, client, "_start")
        equal((client.register("cs"), client.register("rip")), (0, 0x7C00), "cs:ip")
        equal(client.register("rdx"), 0x80, "dl")
        equal(client.register("cr0") & 1, 0, "CR0.PE")
        equal(client.read(0x7DFE, 2), b"\x55\xaa", "signature")
        client.step()
        at(machine, client, "begin")
        alike_after_reset(machine, client, machine["_start"])
        run_to(machine, client, "before_int")
        client.step()
        client.step()  # into the vector, whose handler is an IRET
        equal(client.read(client.pc(), 1), b"\xcf", "the handler of INT 13h")
        client.step()
        at(machine, client, "after_int")
        ends(client, 41)
        equal(machine.console(), "boot sector\nback from int 13\n", "console")


@case(needs=["kvmdbg"])
def flat_above_64k():
    """CS:IP is ADDR/16:ADDR%16."""
    with Machine("boot_sector", file="boot_sector.bin", arguments=["--flat", "0x1fff8"]) as machine:
        client = machine.connect()
        equal((client.register("cs"), client.register("rip")), (0x1FFF, 8), "cs:ip")
        equal(client.pc(), 0x1FFF8, "linear pc")
        equal(client.read(0x1FFF8, 512), pathlib.Path(machine.image).read_bytes(), "the image")


@case(needs=["kvmdbg", "hardware_exec"])
def own_firmware():
    debug = tempfile.NamedTemporaryFile(dir=Settings.scratch)
    arguments = ["--firmware", "--debug-port", debug.name, "--memory", "64M"]
    with Machine("firmware", file="firmware.bin", arguments=arguments) as machine:
        client = machine.connect()
        high, low = 0xFFFF0000, 0xF0000
        equal(client.pc(), 0xFFFFFFF0, "the reset vector")
        equal((client.register("cs"), client.register("rip")), (0xF000, 0xFFF0), "cs:ip")
        alike_after_reset(machine, client, 0xFFFFFFF0)
        client.step()
        equal(client.pc(), low + machine["post"], "after the far jump")
        client.insert(1, low + machine["flat32"])
        equal(client.cont().code, 5, "stop")
        client.remove(1, low + machine["flat32"])
        equal(client.register("cr0") & 1, 1, "CR0.PE")
        equal((client.register("cs"), client.pc()), (8, low + machine["flat32"]), "cs, pc")
        client.write(high + machine["scratch"], b"\x12")
        equal(client.read(high + machine["scratch"], 1), b"\x12", "ROM that a debugger wrote")
        client.write(high + machine["scratch"], b"\x11")
        client.insert(1, low + machine["memory_known"])
        equal(client.cont().code, 5, "stop behind the guest's writes")
        client.remove(1, low + machine["memory_known"])
        equal(client.read(high + machine["scratch"], 1), b"\x11", "ROM that the guest wrote")
        equal(client.read(low + machine["scratch"], 1), b"\x5a", "its copy in RAM")
        equal(client.register("rbx") & 0xFFFF, (64 - 16) * 16, "memory above 16 MiB by the CMOS")
        ends(client, 45)
        equal(machine.console(), "post\nw\n", "console")
    equal(pathlib.Path(debug.name).read_text(encoding="ascii"), "P", "the debug port")


@case(needs=["kvmdbg", "hardware_exec"], limit=90)
def seabios():
    """From the reset vector into POST, to 32-bit mode, and on as far as there is hardware."""
    if not os.path.exists(SEABIOS):
        raise Skip(f"no {SEABIOS}; install the package seabios")
    debug = tempfile.NamedTemporaryFile(dir=Settings.scratch)
    with Machine("firmware", file=SEABIOS,
                 arguments=["--firmware", "--debug-port", debug.name]) as machine:
        client = machine.connect()
        equal(client.pc(), 0xFFFFFFF0, "the reset vector")
        equal(client.read(0xFFFFFFF0, 5), bytes.fromhex("ea5be000f0"), "jmp f000:e05b")
        client.insert(1, 0xFE05B)
        equal(client.cont().code, 5, "stop")
        equal((client.register("cs"), client.register("rip")), (0xF000, 0xE05B), "POST")
        for _ in range(5):
            before = client.pc()
            client.step()
            holds(client.pc() != before, "a step stood still")
        client.remove(1, 0xFE05B)
        client.resume()
        deadline = time.monotonic() + 60
        while b"Booting from" not in pathlib.Path(debug.name).read_bytes():
            holds(time.monotonic() < deadline,
                  f"POST did not end: {pathlib.Path(debug.name).read_text(encoding='latin-1')!r}")
            time.sleep(0.2)
        client.interrupt()
        text = pathlib.Path(debug.name).read_text(encoding="latin-1")
        holds("RamSize: 0x08000000 [cmos]" in text, f"the memory's size: {text!r}")


@case(needs=["kvmdbg", "hardware_exec", "single_step"], limit=90)
def seabios_turns_protected():
    """Stepped from the reset vector until CR0.PE is set; the next far jump leads to flat 32-bit code."""
    if not os.path.exists(SEABIOS):
        raise Skip(f"no {SEABIOS}; install the package seabios")
    with Machine("firmware", file=SEABIOS, arguments=["--firmware"]) as machine:
        client = machine.connect()
        for count in range(400):
            client.step()
            if client.register("cr0") & 1:
                break
        holds(10 < count < 399, f"CR0.PE after {count} steps")
        client.step()
        equal((client.register("cs"), client.register("cs_base")), (8, 0), "flat code")


def multiboot_case(file):
    @case(needs=["kvmdbg", "hardware_exec"])
    def multiboot():
        with tempfile.NamedTemporaryFile(dir=Settings.scratch, suffix=".img") as module:
            module.write(b"the module\0")
            module.flush()
            guest = file.partition(".")[0]
            with Machine(guest, file=file, arguments=["--append", "one two", "--initrd",
                                                      module.name]) as machine:
                client = machine.connect()
                at(machine, client, "_start")
                equal(client.register("rax"), 0x2BADB002, "eax")
                equal(client.register("cr0") & 0x80000001, 1, "CR0.PE, PG")
                alike_after_reset(machine, client, machine["_start"])
                run_to(machine, client, "told")
                ends(client, 49)
                equal(machine.console(),
                      f"cmdline={machine.image} one two\nmodule={module.name} the module\n", "console")

    multiboot.__name__ = "multiboot_" + file.replace(".", "_")
    multiboot.__module__ = __name__


multiboot_case("multiboot.elf")  # it has a PVH note as well, whose entry ends otherwise
multiboot_case("multiboot_flat.bin")


@case(needs=["kvmdbg", "hardware_exec"])
def small_bzimage():
    """A hardware breakpoint in a kernel that is not decompressed yet."""
    load, kernel = 0x1000000, 0x2000000
    with tempfile.NamedTemporaryFile(dir=Settings.scratch) as initrd:
        initrd.write(b"first bytes\0")
        initrd.flush()
        with Machine("bzimage", file="bzimage.bin", arguments=[
                "--append", "quiet a=b", "--initrd", initrd.name]) as machine:
            client = machine.connect()

            def moved(name):
                return load + machine[name] - machine["code"]

            equal(client.pc(), load + 0x200, "the 64-bit entry")
            equal(client.pc(), moved("startup_64"), "the 64-bit entry")
            equal(client.register("efer") & 0x500, 0x500, "EFER.LME, LMA")
            equal(client.read(client.register("rsi") + 0x202, 4), b"HdrS", "the zero page")
            alike_after_reset(machine, client, client.pc())
            equal(client.read(kernel, 8), bytes(8), "where the kernel will be")
            client.insert(1, kernel)
            client.insert(1, moved("decompress"))
            equal((client.cont().code, client.pc()), (5, moved("decompress")), "the decompressor")
            equal((client.cont().code, client.pc()), (5, kernel), "the decompressed kernel")
            holds(client.read(kernel, 8) != bytes(8), "no kernel there")
            client.remove(1, kernel)
            client.remove(1, moved("decompress"))
            ends(client, 59)
            equal(machine.console(), "cmdline=quiet a=b\ninitrd=first bytes\n", "console")


@case(needs=["kvmdbg"])
def bzimage_32():
    status, text = run(path("bzimage32.bin"))
    equal(status, 57, f"exit status ({text!r})")


@case(needs=["kvmdbg", "single_step"])
def debians_bzimage():
    """The entry and the first of its decompressor; all of it takes minutes on some hosts."""
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = (pathlib.Path(cache) / "kvmdbg" if cache
              else pathlib.Path(__file__).resolve().parents[2] / "build/cache") / "linux"
    image = folder / "vmlinuz"
    if not image.exists():
        raise Skip(f"no {image}; tests/linux/fetch.py gets it")
    header = image.read_bytes()[:0x270]
    preferred, size = struct.unpack_from("<QI", header, 0x258)
    with Machine("bzimage", file=image, arguments=["--memory", "256M", "--append", "nokaslr"]) as machine:
        client = machine.connect()
        equal(client.pc(), preferred + 0x200, "the 64-bit entry")
        for _ in range(200):
            client.step()
        holds(client.pc() != preferred + 0x200, "200 steps led nowhere")
        client.resume()
        time.sleep(3)
        client.interrupt()
        holds(preferred <= client.pc() < preferred + size, f"pc {client.pc():#x} left the kernel")


@case(needs=["kvmdbg"])
def refused_with_reasons():
    for words, arguments in (
            ("--flat 0x100000: real mode reaches", ["--flat", "0x100000", path("boot_sector.bin")]),
            ("firmware is whole 4 KiB pages", ["--firmware", path("boot_sector.bin")]),
            ("a flat binary needs --flat", [path("boot_sector.bin")]),
            ("mean nothing to a flat binary", ["--flat", "0x7c00", "--append", "x",
                                               path("boot_sector.bin")]),
            ("does not fit the memory", ["--memory", "16M", path("bzimage.bin")]),
            ("--flat", ["--flat", "0x7c00", "--firmware", path("firmware.bin")])):
        status, text = run(*arguments)
        holds(status in (1, 2), f"{arguments}: exit status {status}: {text!r}")
        holds(words in text, f"{arguments}: {text!r}")
