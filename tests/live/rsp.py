"""A strict client of GDB's remote serial protocol: any deviation and any silence is an error."""

import re
import select
import socket
import time
import xml.etree.ElementTree as ElementTree

from check import Skip


class ProtocolError(Exception):
    """The server broke the protocol."""


class Refused(Exception):
    """The server answered a request with an error or with 'not supported'."""

    def __init__(self, request, reply):
        self.request, self.reply = request, reply
        super().__init__(f"{request!r} answered {reply!r}")


class Stop:
    """A stop reply: T (or S), W, X, N."""

    def __init__(self, text):
        self.text = text
        self.kind = text[:1]
        if self.kind not in ("T", "S", "W", "X", "N"):
            raise ProtocolError(f"not a stop reply: {text!r}")
        self.code = 0 if self.kind == "N" else int(text[1:3], 16)
        self.keys, self.registers, self.vcpu = {}, {}, None
        if self.kind == "T":
            if text[3:] and not text.endswith(";"):
                raise ProtocolError(f"stop reply without a last ';': {text!r}")
            for item in text[3:].split(";")[:-1]:
                key, colon, value = item.partition(":")
                if not colon:
                    raise ProtocolError(f"stop reply item {item!r} without ':' in {text!r}")
                if re.fullmatch("[0-9a-f]+", key) and key != "core":
                    self.registers[int(key, 16)] = bytes.fromhex(value)
                elif key in self.keys:
                    raise ProtocolError(f"stop reply has {key!r} twice: {text!r}")
                else:
                    self.keys[key] = value
            if "thread" in self.keys:
                self.vcpu = thread_number(self.keys["thread"])
        self.exited = self.kind in ("W", "X")
        self.over = self.exited or (self.kind == "T" and self.code == 15)  # asked to power off

    def watch_address(self):
        for key in ("watch", "rwatch", "awatch"):
            if key in self.keys:
                return int(self.keys[key], 16)
        return None

    def __repr__(self):
        return f"Stop({self.text!r})"


def thread_number(text):
    """'p1.2' and '2' are both vCPU thread 2."""
    return int(text.rpartition(".")[2], 16)


def checksum(payload):
    return sum(payload) % 256


def escape(data):
    return re.sub(rb"[#$}*]", lambda m: bytes([0x7D, m[0][0] ^ 0x20]), data)


def expand(payload):
    """Undoes escapes and run-length encoding."""
    out, at = bytearray(), 0
    while at < len(payload):
        byte = payload[at]
        if byte == 0x7D:
            if at + 1 >= len(payload):
                raise ProtocolError("escape at the end of a packet")
            out.append(payload[at + 1] ^ 0x20)
            at += 2
        elif byte == 0x2A:
            if not out or at + 1 >= len(payload):
                raise ProtocolError("run length without a byte or a count")
            out += bytes([out[-1]]) * (payload[at + 1] - 29)
            at += 2
        else:
            out.append(byte)
            at += 1
    return bytes(out)


class Wire:
    """Framing alone: for tests that send what no client should."""

    def __init__(self, address, timeout=10):
        self.timeout = timeout
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address[5:])
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host, int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acks = True
        self.buffer = bytearray()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, payload):
        self.send_raw(b"$" + payload + b"#%02x" % checksum(payload))

    def _byte(self, deadline, waiting_for):
        while not self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer in time, waiting for {waiting_for}")
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65536)
            except socket.timeout:
                raise TimeoutError(f"no answer in time, waiting for {waiting_for}") from None
            if not more:
                raise ProtocolError(f"server closed the connection, waiting for {waiting_for}")
            self.buffer += more
        return self.buffer.pop(0)

    def expect_ack(self, waiting_for="an ack"):
        byte = self._byte(time.monotonic() + self.timeout, waiting_for)
        if byte != ord("+"):
            raise ProtocolError(f"expected '+', got {chr(byte)!r} ({waiting_for})")

    def receive(self, timeout=None, waiting_for="a packet"):
        deadline = time.monotonic() + (timeout or self.timeout)
        first = self._byte(deadline, waiting_for)
        if first != ord("$"):
            raise ProtocolError(f"expected '$', got {chr(first)!r}, waiting for {waiting_for}")
        payload = bytearray()
        while (byte := self._byte(deadline, waiting_for)) != ord("#"):
            if byte == ord("$"):
                raise ProtocolError(f"'$' inside a packet, waiting for {waiting_for}")
            payload.append(byte)
        sent = bytes([self._byte(deadline, waiting_for), self._byte(deadline, waiting_for)])
        if sent != b"%02x" % checksum(payload):
            raise ProtocolError(f"checksum {sent!r} of {bytes(payload)!r} ({waiting_for})")
        if self.acks:
            self.send_raw(b"+")
        return expand(bytes(payload))

    def silent(self, seconds):
        """Raises if the server says anything within `seconds`."""
        if self.buffer or select.select([self.socket], [], [], seconds)[0]:
            if not self.buffer:
                self.buffer += self.socket.recv(65536)
            raise ProtocolError(f"unasked for: {bytes(self.buffer)!r}")


class Register:
    def __init__(self, name, number, bits, type_, group):
        self.name, self.number, self.bits, self.type, self.group = name, number, bits, type_, group


class Client:
    last_stop_before_end = True

    def __init__(self, address, timeout=10, ack_mode=False, handshake=True):
        self.wire = Wire(address, timeout)
        self.running = False
        self.features, self.registers, self.by_number = {}, {}, {}
        self.multiprocess = False
        self.last_stop = None
        if handshake:
            self._handshake(ack_mode)

    def close(self):
        self.wire.close()

    # Packets

    def send(self, payload):
        if isinstance(payload, str):
            payload = payload.encode()
        if not self.running:
            self.wire.silent(0)
        self.wire.send(payload)
        if self.wire.acks:
            self.wire.expect_ack(f"the ack of {payload[:60]!r}")

    def ask_bytes(self, payload, timeout=None):
        self.send(payload)
        return self.wire.receive(timeout, f"the answer to {payload[:60]!r}")

    def ask(self, payload, timeout=None):
        return self.ask_bytes(payload, timeout).decode("latin-1")

    def must(self, payload, timeout=None):
        """An answer that is neither empty nor an error."""
        reply = self.ask(payload, timeout)
        if reply == "" or re.match(r"E[0-9a-f]{2}($|;)|E\.", reply):
            raise Refused(payload, reply)
        return reply

    def must_ok(self, payload):
        if (reply := self.must(payload)) != "OK":
            raise ProtocolError(f"{payload!r} answered {reply!r}, not OK")

    def _handshake(self, ack_mode):
        reply = self.must("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;"
                          "error-message+;xmlRegisters=i386")
        for item in reply.split(";"):
            key, equal, value = item.partition("=")
            if equal:
                self.features[key] = value
            elif item[-1:] in "+-?":
                self.features[item[:-1]] = item[-1]
            else:
                raise ProtocolError(f"qSupported item {item!r}")
        self.multiprocess = self.features.get("multiprocess") == "+"
        if not ack_mode and self.features.get("QStartNoAckMode") == "+":
            self.must_ok("QStartNoAckMode")
            self.wire.acks = False
        self._read_target_xml()
        self.last_stop = Stop(self.must("?", 20))

    def transfer(self, kind, annex, piece=0x1000):
        data = b""
        while True:
            request = f"qXfer:{kind}:read:{annex}:{len(data):x},{piece:x}"
            reply = self.ask_bytes(request)
            if reply[:1] not in (b"m", b"l"):
                raise Refused(request, reply)
            if len(reply) - 1 > piece:
                raise ProtocolError(f"{request}: {len(reply) - 1} bytes")
            data += reply[1:]
            if reply[:1] == b"l":
                return data
            if len(reply) == 1:
                raise ProtocolError(f"{request}: 'm' without data")

    def _read_target_xml(self):
        number = 0

        def parse(data):  # the xi prefix is commonly left undeclared
            return ElementTree.fromstring(data.replace(b"<xi:include", b"<include"))

        def walk(element):
            nonlocal number
            for child in element:
                tag = child.tag.rpartition("}")[2]
                if tag == "include":
                    walk(parse(self.transfer("features", child.get("href"))))
                elif tag == "reg":
                    number = int(child.get("regnum", number))
                    register = Register(child.get("name"), number, int(child.get("bitsize")),
                                        child.get("type", "int"), child.get("group", ""))
                    if register.name in self.registers or number in self.by_number:
                        raise ProtocolError(f"register {register.name} ({number}) given twice")
                    self.registers[register.name] = self.by_number[number] = register
                    number += 1
                else:
                    walk(child)

        self.target_xml = self.transfer("features", "target.xml")
        walk(parse(self.target_xml))
        if not {"rip", "pc"} & set(self.registers):
            raise ProtocolError("target.xml without rip or pc")

    # Threads and registers

    def thread(self, vcpu):
        return f"p1.{vcpu:x}" if self.multiprocess else f"{vcpu:x}"

    def select(self, vcpu):
        self.must_ok(f"Hg{self.thread(vcpu)}")

    def threads(self):
        found, reply = [], self.must("qfThreadInfo")
        while reply[:1] == "m":
            found += [thread_number(t) for t in reply[1:].split(",")]
            reply = self.must("qsThreadInfo")
        if reply != "l":
            raise ProtocolError(f"thread list ended with {reply!r}")
        return found

    def raw_registers(self, vcpu=1):
        self.select(vcpu)
        return self.must("g")

    def register_bytes(self, name, vcpu=1):
        self.select(vcpu)
        register = self.registers[name]
        reply = self.must(f"p{register.number:x}")
        if len(reply) * 4 != register.bits:
            raise ProtocolError(f"{name} is {len(reply) * 4} bits, target.xml says {register.bits}")
        return bytes.fromhex(reply)

    def register(self, name, vcpu=1):
        return int.from_bytes(self.register_bytes(name, vcpu), "little")

    def set_register(self, name, value, vcpu=1):
        self.select(vcpu)
        register = self.registers[name]
        data = value.to_bytes(register.bits // 8, "little")
        self.must_ok(f"P{register.number:x}={data.hex()}")

    def pc(self, vcpu=1):
        """The linear address of the next instruction."""
        if "pc" in self.registers:
            return self.register("pc", vcpu)
        rip = self.register("rip", vcpu)
        if "cs_base" in self.registers:
            return rip + self.register("cs_base", vcpu)
        if self.register("cr0", vcpu) & 1 == 0:
            rip += self.register("cs", vcpu) * 16
        return rip

    # Memory and points

    def read(self, address, length):
        reply = self.must(f"m{address:x},{length:x}")
        data = bytes.fromhex(reply)
        if len(data) > length:
            raise ProtocolError(f"{len(data)} bytes for a read of {length}")
        return data

    def read_word(self, address, length=8):
        data = self.read(address, length)
        if len(data) != length:
            raise ProtocolError(f"{len(data)} bytes at {address:#x}, not {length}")
        return int.from_bytes(data, "little")

    def write(self, address, data):
        self.must_ok(f"M{address:x},{len(data):x}:{data.hex()}")

    def write_binary(self, address, data):
        self.must_ok(b"X%x,%x:" % (address, len(data)) + escape(data))

    def insert(self, kind, address, length=1):
        """Skips the case where a slot is wanted and this host's KVM has none that works."""
        if kind == 1 and self.no_slots:
            raise Skip(self.no_slots)
        self.must_ok(f"Z{kind},{address:x},{length:x}")

    def remove(self, kind, address, length=1):
        self.must_ok(f"z{kind},{address:x},{length:x}")

    def monitor(self, command):
        """The text that a monitor command prints."""
        self.send("qRcmd," + command.encode().hex())
        text = ""
        while (reply := self.wire.receive(None, f"monitor {command}")) != b"OK":
            if reply[:1] == b"O":
                text += bytes.fromhex(reply[1:].decode()).decode()
            elif re.fullmatch(b"E[0-9a-f]{2}", reply) or not reply:
                raise Refused(f"monitor {command}", reply.decode())
            else:
                return text + bytes.fromhex(reply.decode()).decode()
        return text

    # Running

    def resume(self, actions="c"):
        self.send("vCont;" + actions)
        self.running = True

    def wait_stop(self, timeout=20):
        self.printed = ""  # what came by O packets on the way
        while True:
            reply = self.wire.receive(timeout, "a stop reply").decode("latin-1")
            if not re.match("O([0-9a-f]{2})*$", reply):
                break
            self.printed += bytes.fromhex(reply[1:]).decode()
        self.running = False
        if reply == "" or reply[:1] == "E":
            raise Refused("resume", reply)
        self.last_stop = Stop(reply)
        return self.last_stop

    def cont(self, timeout=20):
        self.resume("c")
        return self.wait_stop(timeout)

    def step(self, vcpu=1, timeout=10):
        """One instruction of one vCPU; the others stand still."""
        self.resume(f"s:{self.thread(vcpu)}")
        return self.wait_stop(timeout)

    def interrupt(self, timeout=10):
        self.wire.send_raw(b"\x03")
        return self.wait_stop(timeout)

    def detach(self):
        self.must_ok("D;1" if self.multiprocess else "D")
        self.close()
