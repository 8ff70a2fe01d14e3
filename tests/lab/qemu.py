"""QEMU's TCG as a lab's machine: a CPU with the virtualisation that KVM needs, in software."""

import socket
import subprocess

from packages import tools

GDB_PORT = 1234  # in the lab


class Qemu:
    """`system`: as in qemu-system-SYSTEM."""

    def __init__(self, system, package, *arguments):
        self.system, self.package, self.arguments = system, package, arguments

    def __str__(self):
        return f"QEMU {self.system} TCG"

    def start(self, lab, vmlinuz, initrd, cache, room, port=None):
        """(process, socket): what comes from the socket is what the lab writes to its console. `port` of
        this machine becomes the lab's GDB_PORT."""
        folder, environment = tools((self.package,), cache)
        kernel, archive = f"{room}/vmlinuz", f"{room}/initrd"
        for path, content in ((kernel, vmlinuz), (archive, initrd)):
            with open(path, "wb") as file:
                file.write(content)
        ours, theirs = socket.socketpair()
        share = folder / "usr/share/qemu"
        command = [f"qemu-system-{self.system}", *self.arguments, "-m", str(lab.memory), "-display", "none",
                   "-no-reboot", "-monitor", "none", "-kernel", kernel, "-initrd", archive,
                   "-append", lab.command_line, "-chardev", f"socket,id=console,fd={theirs.fileno()}",
                   "-serial", "chardev:console"]
        if share.exists():
            command += ["-L", str(share)]
        forward = f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{GDB_PORT}"
        command += (["-netdev", forward, "-device", "virtio-net-pci,netdev=net,romfile="] if port
                    else ["-nic", "none"])
        with open(f"{room}/out", "wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env=environment, cwd=room, pass_fds=(theirs.fileno(),))
        theirs.close()
        return process, ours
