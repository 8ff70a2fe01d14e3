"""Client of QEMU's stub: does by hand what kvmdbg's server does by itself, so that the guests and
the cases can be checked where kvmdbg cannot run."""

from rsp import Client, ProtocolError, Stop


class QemuClient(Client):
    last_stop_before_end = False

    def __init__(self, address, process, **options):
        self.process, self.points = process, {}
        super().__init__(address, **options)

    def insert(self, kind, address, length=1):
        if (kind, address) not in self.points:
            super().insert(kind, address, length)
        self.points[kind, address] = length

    def remove(self, kind, address, length=1):
        super().remove(kind, address, length)
        del self.points[kind, address]

    def wait_stop(self, timeout=20):
        """The end of the guest is told by closing the connection."""
        try:
            stop = super().wait_stop(timeout)
        except (ProtocolError, ConnectionError) as error:
            if isinstance(error, ProtocolError) and "closed" not in str(error):
                raise
            self.running = False
            self.last_stop = Stop("W%02x" % self.process.wait(10))
            return self.last_stop
        if stop.code == 5 and stop.watch_address() is None:
            pc = self.pc(stop.vcpu or 1)
            for kind, key in ((0, "swbreak"), (1, "hwbreak")):
                if (kind, pc) in self.points:
                    stop.keys.setdefault(key, "")
        return stop

    def _without_points_here(self, vcpu, action):
        here = [(k, a) for k, a in self.points if k < 2 and a == self.pc(vcpu)]
        for kind, address in here:
            super().remove(kind, address)
        try:
            return action()
        finally:
            if not self.last_stop.exited:
                for kind, address in here:
                    super().insert(kind, address)

    def step(self, vcpu=1, timeout=10):
        return self._without_points_here(vcpu, lambda: super(QemuClient, self).step(vcpu, timeout))

    def cont(self, timeout=20):
        vcpu = self.last_stop.vcpu or 1
        pc = self.pc(vcpu)
        if any(k < 2 and a == pc for k, a in self.points):
            stop = self.step(vcpu, timeout)
            now = None if stop.exited else self.pc(vcpu)
            if stop.exited or stop.watch_address() is not None or \
                    any(k < 2 and a == now for k, a in self.points):
                return stop
        return super().cont(timeout)
