"""QEMU's TCG as a lab's machine: a CPU with the virtualisation that KVM needs, in software."""

import socket
import subprocess

from packages import tools


class Qemu:
    """`system`: as in qemu-system-SYSTEM. The network reaches the host, and `forward` of its ports are
    the lab's own, for clients from outside."""

    def __init__(self, system, package, *arguments):
        self.system, self.package, self.arguments = system, package, arguments

    def __str__(self):
        return f"QEMU {self.system} TCG"

    def start(self, lab, vmlinuz, initrd, cache, room, forward=()):
        """(process, socket): what comes from the socket is what the lab writes to its console."""
        folder, environment = tools((self.package,), cache)
        kernel, archive = f"{room}/vmlinuz", f"{room}/initrd"
        for path, content in ((kernel, vmlinuz), (archive, initrd)):
            with open(path, "wb") as file:
                file.write(content)
        ours, theirs = socket.socketpair()
        ports = "".join(f",hostfwd=tcp:127.0.0.1:{port}-:{port}" for port in forward)
        share = folder / "usr/share/qemu"
        command = [f"qemu-system-{self.system}", *self.arguments, "-m", str(lab.memory), "-display", "none",
                   "-no-reboot", "-monitor", "none", "-kernel", kernel, "-initrd", archive,
                   "-append", lab.command_line, "-chardev", f"socket,id=console,fd={theirs.fileno()}",
                   "-serial", "chardev:console"]
        if share.exists():
            command += ["-L", str(share)]
        command += (["-netdev", f"user,id=net{ports}", "-device", "virtio-net-pci,netdev=net,romfile="]
                    if forward else ["-nic", "none"])
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env=environment, cwd=room,
                                   pass_fds=(theirs.fileno(),))
        theirs.close()
        return process, ours
