"""An example of guest tasks as lldb threads, beside the vCPUs: each node of the demo guest's list is one.

    (lldb) settings set target.process.python-os-plugin-path .../guest_threads.py
    (lldb) process connect --plugin gdb-remote connect://127.0.0.1:1234

For a kernel of your own: find its tasks in `tasks`, and in `saved_registers` where each of them keeps
the registers with which it will go on. lldb looks for the class by its name, and asks it at each stop.
"""
import struct

FIRST_TID = 0x10000  # lldb tells threads apart by their ids: beyond those of the vCPUs
REGISTERS = ("rip", "rsp", "rbp")  # enough for lldb to unwind from
GENERIC = ("pc", "sp", "fp")
DWARF = (16, 7, 6)  # their numbers, as System V has them for x86-64


def tasks(target):
    """The guest's tasks, as values of lldb; none while its list cannot be read."""
    node = target.FindFirstGlobalVariable("list_head")
    while node.IsValid() and node.GetError().Success() and node.GetValueAsUnsigned():
        yield node
        node = node.GetChildMemberWithName("next")


def name(task):
    return task.GetChildMemberWithName("name").GetSummary().strip('"')


def saved_registers(task):
    """rip, rsp, rbp. The demo's nodes have none: this is where one stands."""
    return 0, task.GetValueAsUnsigned(), 0


class OperatingSystemPlugIn:
    def __init__(self, process):
        self.process = process
        self.found = {}

    def get_thread_info(self):
        self.found = {FIRST_TID + i: task for i, task in enumerate(tasks(self.process.GetTarget()))}
        return [{"tid": tid, "name": name(task), "queue": "list_head", "state": "stopped",
                 "stop_reason": "none"} for tid, task in self.found.items()]

    def get_register_info(self):
        return {"sets": ["saved"],
                "registers": [{"name": register, "bitsize": 64, "offset": 8 * i, "encoding": "uint",
                               "format": "hex", "set": 0, "gcc": number, "dwarf": number,
                               "generic": generic}
                              for i, (register, number, generic)
                              in enumerate(zip(REGISTERS, DWARF, GENERIC))]}

    def get_register_data(self, tid):
        return struct.pack("<3Q", *saved_registers(self.found[tid]))
