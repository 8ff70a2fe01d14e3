"""Bochs as a lab's machine: a CPU of its table with VMX or SVM, and Linux put into its memory.

A boot sector jumps to the kernel's own real-mode code, which asks the BIOS for what it wants to know:
no boot loader, no disc. Linux's Documentation/x86/boot.rst has the layout and the header's fields.
"""

import pathlib
import socket
import struct
import subprocess

from packages import Missing, run, say, tools

PACKAGES = ("bochs", "bochs-term", "bochsbios", "vgabios")
HERE = pathlib.Path(__file__).resolve().parent
SETUP, LINE, KERNEL, INITRD = 0x90000, 0x9e000, 0x100000, 0x8000000  # where they are put
PLACES, SECTOR = 0x1b0 - 36, 512  # the table in boot.S
CYLINDER = 16 * 63 * SECTOR
# On a busy machine the display's thread may be late, and Bochs 2.7 then dies of a socket that is not there yet.
STARTS, PATIENCE = 5, 60  # attempts; seconds for each

# Its display is a VNC server that nobody connects to. Its clock goes by instructions, not by time.
SETTINGS = """display_library: rfb, options="timeout=0"
romimage: file={share}/bochs/BIOS-bochs-latest
vgaromimage: file={share}/vgabios/vgabios.bin
cpu: model={model}, ips=100000000
memory: guest={memory}, host={memory}
clock: sync=none
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path=disk, cylinders={cylinders}, heads=16, spt=63
boot: disk
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


def boot_sector(room):
    run("gcc", "-m32", "-nostdlib", "-static", "-Wl,-Ttext=0x7c00,--build-id=none,--oformat=binary",
        HERE / "boot.S", "-o", room / "boot")
    return bytearray((room / "boot").read_bytes()[:SECTOR])


def disk(sector, vmlinuz, initrd, line):
    """The content of a disk that boots this kernel, in whole cylinders."""
    if vmlinuz[0x202:0x206] != b"HdrS":
        raise Missing("the kernel is no bzImage")
    setup_bytes = ((vmlinuz[0x1f1] or 4) + 1) * SECTOR
    setup = bytearray(vmlinuz[:setup_bytes].ljust(LINE - SETUP, b"\0"))
    setup[0x210] = 0xff  # type_of_loader: none that has a number
    setup[0x211] |= 0x80  # loadflags: heap_end_ptr is valid
    struct.pack_into("<II", setup, 0x218, INITRD, len(initrd))
    struct.pack_into("<H", setup, 0x224, LINE - SETUP - 0x200)
    struct.pack_into("<I", setup, 0x228, LINE)
    out = bytearray(SECTOR)
    pieces = ((setup + line.encode() + b"\0", SETUP), (vmlinuz[setup_bytes:], KERNEL), (initrd, INITRD))
    for number, (content, address) in enumerate(pieces):
        sectors = -(-len(content) // SECTOR)
        struct.pack_into("<III", sector, PLACES + 12 * number, len(out) // SECTOR, sectors, address)
        out += content.ljust(sectors * SECTOR, b"\0")
    out[:SECTOR] = sector
    return bytes(out) + bytes(-len(out) % CYLINDER)


class Bochs:
    """One of its CPU models."""

    def __init__(self, model):
        self.model = model

    def __str__(self):
        return f"Bochs {self.model}"

    def start(self, lab, vmlinuz, initrd, cache, room):
        """(process, socket): what comes from the socket is what the lab writes to its console."""
        folder, environment = tools(PACKAGES, cache)
        room = pathlib.Path(room)
        content = disk(boot_sector(room), vmlinuz, initrd, lab.command_line)
        (room / "disk").write_bytes(content)
        share = folder / "usr/share" if (folder / "usr/share/bochs").exists() else "/usr/share"
        plugins = next(folder.glob("usr/lib/*/bochs/plugins"), None)
        if plugins is not None:
            environment = environment | {"LTDL_LIBRARY_PATH": str(plugins)}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            (room / "bochsrc").write_text(SETTINGS.format(
                share=share, model=self.model, memory=lab.memory, port=listener.getsockname()[1],
                cylinders=len(content) // CYLINDER))
            for _ in range(STARTS):
                process = self._begin(room, environment)
                if console := answered(process, listener):
                    return process, console
                say("Bochs died at its start; trying again")
        text = (room / "out").read_text(errors="replace")[-500:]
        raise Missing(f"Bochs did not start in {STARTS} attempts: {' '.join(text.split())}")

    def _begin(self, room, environment):
        with open(room / "out", "wb") as out:
            process = subprocess.Popen(["bochs-bin", "-q", "-f", "bochsrc"], env=environment, cwd=room,
                                       stdin=subprocess.PIPE, stdout=out, stderr=out)
        process.stdin.write(b"c\n")  # Debian's has its debugger in: go on
        process.stdin.close()
        return process


def answered(process, listener):
    """The guest's serial port; None, and the process gone, when it died or took too long."""
    listener.settimeout(0.5)
    for _ in range(2 * PATIENCE):
        try:
            return listener.accept()[0]
        except TimeoutError:
            if process.poll() is not None:
                return None
    process.kill()
    process.wait()
    return None
