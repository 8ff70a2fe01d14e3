"""What walk.S does, one instruction at a time, and what a client may see of it: the model that
test_walk.py holds a guest against."""

MASK = (1 << 64) - 1
REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rbp", "rsp", "r12")
PORT = 0xE1
SOFTWARE, HARDWARE, WRITE, READ, ACCESS, CATCH = range(6)
ONE_BYTE = (b"\x90", b"\xf8", b"\xf9", b"\xfc")  # nop, clc, stc, cld: the loop does not care
ORDER = ["w_add", "w_xor", "w_store", "w_call", "w_load", "w_push", "w_pop", "w_pad", "w_out",
         "w_dec", "w_jump", "w_leaf", "w_keep", "w_ret"]


class Memory:
    """The parts of guest memory that the loop writes or a client may."""

    def __init__(self):
        self.parts = {}  # start to bytearray

    def add(self, start, data):
        self.parts[start] = bytearray(data)

    def _find(self, address, length):
        for start, data in self.parts.items():
            if start <= address and address + length <= start + len(data):
                return data, address - start
        raise KeyError(f"{length} bytes at {address:#x} are not in the model")

    def get(self, address, length):
        data, at = self._find(address, length)
        return bytes(data[at:at + length])

    def put(self, address, value):
        data, at = self._find(address, len(value))
        data[at:at + len(value)] = value

    def word(self, address):
        return int.from_bytes(self.get(address, 8), "little")

    def put_word(self, address, value):
        self.put(address, value.to_bytes(8, "little"))


class Vcpu:
    """Registers by name, `pc`; `reported`: the execution point here has been told of already; `due`: it
    ran into one that is yet to be told, as another vCPU's stop came first; `caught`: the same of a
    catchpoint, perhaps."""

    def __init__(self, registers):
        self.r = dict(registers)
        self.pc = self.r.pop("rip")
        self.reported = self.caught = False
        self.due = set()


class Program:
    """One instruction of walk.S at a time."""

    def __init__(self, symbols):
        self.at = {name: symbols[name] for name in ORDER}
        self.cells = symbols["cells"]
        self.handlers = {address: getattr(self, name) for name, address in self.at.items()}

    def step(self, vcpu, memory):
        """Goes on by one instruction; what it did to memory and ports: (what, address, changed)."""
        return self.handlers[vcpu.pc](vcpu, memory) or []

    def _next(self, vcpu, name):
        vcpu.pc = self.at[name]

    def _store(self, memory, address, value):
        changed = memory.word(address) != value
        memory.put_word(address, value)
        return [("write", address, changed)]

    def w_add(self, v, _):
        v.r["rax"] = (v.r["rax"] + 1) & MASK
        self._next(v, "w_xor")

    def w_xor(self, v, _):
        v.r["rbx"] ^= v.r["rax"]
        self._next(v, "w_store")

    def w_store(self, v, memory):
        self._next(v, "w_call")
        return self._store(memory, self.cells + v.r["r12"], v.r["rbx"])

    def w_call(self, v, memory):
        v.r["rsp"] -= 8
        self._next(v, "w_leaf")
        return self._store(memory, v.r["rsp"], self.at["w_load"])

    def w_leaf(self, v, _):
        v.r["rsi"] = (v.r["rdx"] + v.r["rcx"] + 3) & MASK
        self._next(v, "w_keep")

    def w_keep(self, v, memory):
        self._next(v, "w_ret")
        return self._store(memory, self.cells + 8 + v.r["r12"], v.r["rsi"])

    def w_ret(self, v, memory):
        v.pc = memory.word(v.r["rsp"])
        v.r["rsp"] += 8
        return [("read", v.r["rsp"] - 8, False)]

    def w_load(self, v, memory):
        at = self.cells + 8 + v.r["r12"]
        v.r["rcx"] = (v.r["rcx"] + memory.word(at)) & MASK
        self._next(v, "w_push")
        return [("read", at, False)]

    def w_push(self, v, memory):
        v.r["rsp"] -= 8
        self._next(v, "w_pop")
        return self._store(memory, v.r["rsp"], v.r["rcx"])

    def w_pop(self, v, memory):
        v.r["rdx"] = memory.word(v.r["rsp"])
        v.r["rsp"] += 8
        self._next(v, "w_pad")
        return [("read", v.r["rsp"] - 8, False)]

    def w_pad(self, v, _):
        self._next(v, "w_out")

    def w_out(self, v, _):
        self._next(v, "w_dec")
        return [("port", PORT, True)]

    def w_dec(self, v, _):
        v.r["rbp"] = (v.r["rbp"] - 1) & MASK
        self._next(v, "w_jump")

    def w_jump(self, v, _):
        self._next(v, "w_add" if v.r["rbp"] else "w_end")


def touches(point, did):
    """Must this access stop the guest at this point ("must"), may it ("may"), or not (None)?"""
    kind, address, length = point
    what, where, changed = did
    if what == "port":
        return "must" if kind == CATCH and address == where else None
    if kind not in (WRITE, READ, ACCESS) or where + 8 <= address or address + length <= where:
        return None
    if what == "read":
        return None if kind == WRITE else "must"
    if kind == READ:
        return "may"  # x86's hardware has no watch for reads alone
    return "must" if changed else "may"  # comparing methods see changes only


def strongest(points, accesses):
    verdicts = {touches(point, did) for point in points for did in accesses}
    return "must" if "must" in verdicts else "may" if "may" in verdicts else None
