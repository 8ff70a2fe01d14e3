"""QEMU without KVM as a lab's machine: it takes kernel and initramfs by itself."""

import pathlib
import socket
import subprocess

from packages import Missing, tools


class Qemu:
    """`program` of a package, and what makes its CPU one with virtualisation."""

    def __init__(self, package, program, *options):
        self.package, self.program, self.options = package, program, options

    def __str__(self):
        return f"{self.program} without KVM"

    def start(self, lab, vmlinuz, initrd, cache, room):
        """(process, socket): what comes from the socket is what the lab writes to its console."""
        folder, environment = tools((self.package,), cache)
        room = pathlib.Path(room)
        (room / "kernel").write_bytes(vmlinuz)
        (room / "initrd").write_bytes(initrd)
        data = folder / "usr/share/qemu"
        with socket.create_server(("127.0.0.1", 0)) as listener, open(room / "out", "wb") as out:
            listener.settimeout(30)
            process = subprocess.Popen(
                [self.program, *self.options, *(("-L", str(data)) if data.exists() else ()),
                 "-accel", "tcg", "-m", str(lab.memory), "-display", "none", "-no-reboot", "-nic", "none",
                 "-kernel", "kernel", "-initrd", "initrd", "-append", lab.command_line, "-monitor", "none",
                 "-serial", f"tcp:127.0.0.1:{listener.getsockname()[1]}"],
                env=environment, cwd=room, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            try:
                return process, listener.accept()[0]
            except TimeoutError:
                process.kill()
                process.wait()
        text = (room / "out").read_text(errors="replace")[-500:]
        raise Missing(f"{self.program} did not start: {' '.join(text.split())}")
