"""What gdb itself has no word for, when it debugs a guest of kvmdbg: `source kvmdbg.py`, then `help kvm`.

For gdb 12 and later. Asks the server by jKvm packets (docs/jkvm.md) and knows nothing else of it.
"""

import json
import re
import shutil
import struct
import subprocess
import time

import gdb
import gdb.unwinder

NOT_CONNECTED = "not connected: use `target remote HOST:PORT` first"
NOT_KVMDBG = "the other end of this connection is not kvmdbg: it does not answer jKvm packets"


class Failed(Exception):
    """A sentence for the user."""


# --- asking the server -----------------------------------------------------------------------------

def escape(packet):
    return re.sub(rb"[}#$*]", lambda found: bytes([0x7D, found[0][0] ^ 0x20]), packet)


def unescape(reply):
    return re.sub(rb"\}(.)", lambda found: bytes([found[1][0] ^ 0x20]), reply, flags=re.S)


def send(packet):
    """One packet's answer, as bytes; empty for one that the stub does not know."""
    connection = gdb.selected_inferior().connection
    if connection is None:
        raise Failed(NOT_CONNECTED)
    if not hasattr(connection, "send_packet"):
        raise Failed(f"{NOT_KVMDBG} (it is \"{connection.type}\")")
    return unescape(bytes(connection.send_packet(escape(packet.encode())) or b""))


def ask(name, **arguments):
    """The answer to jKvm.NAME; arguments that are None are left out."""
    given = {key: value for key, value in arguments.items() if value is not None}
    packet = f"jKvm.{name}" + (":" + json.dumps(given) if given else "")
    reply = send(packet)
    if not reply:
        raise Failed(NOT_KVMDBG)
    if reply[:1] != b"{":
        raise Failed(reply.decode("utf-8", "replace").removeprefix("E."))
    return json.loads(reply)


def vcpu():
    """The selected thread's vCPU. gdb tells the server its choice only when it must."""
    thread = gdb.selected_thread()
    return thread.ptid[1] - 1 if thread else None


def number(text):
    """The value of an expression; of a function or an array, its address."""
    value = gdb.parse_and_eval(text)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_ARRAY):
        value = value.address
    return int(value) & 0xFFFFFFFFFFFFFFFF


def unsigned(value):
    return gdb.Value(value).cast(gdb.lookup_type("unsigned long long"))


# --- showing ---------------------------------------------------------------------------------------

def show(rows, titles, nothing):
    """A table; columns as wide as they must be."""
    if not rows:
        print(nothing)
        return
    rows = [tuple(str(cell) for cell in row) for row in [titles, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def place(address):
    """'0x1000 <beat+4>'."""
    text = gdb.format_address(address) if hasattr(gdb, "format_address") else str(
        gdb.Value(address).cast(gdb.lookup_type("void").pointer()))
    return text if text.startswith("0x") else hex(address)


def yes(flag):
    return "yes" if flag else "no"


def printable(data):
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


# --- commands --------------------------------------------------------------------------------------

class Kvm(gdb.Command):
    """The guest's machine, as kvmdbg knows it."""

    def __init__(self):
        super().__init__("kvm", gdb.COMMAND_STATUS, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError(f'there is no "kvm {argument}"; `help kvm` lists the words')
        gdb.execute("help kvm")


class Word(gdb.Command):
    """One word after `kvm`, made of a function; the function's docstring is the help."""

    def __init__(self, name, run, completion):
        self.__doc__ = run.__doc__
        self.run = run
        if isinstance(completion, list):
            self.words = completion
            self.complete = self.complete_words
            super().__init__(f"kvm {name}", gdb.COMMAND_STATUS)
        else:
            super().__init__(f"kvm {name}", gdb.COMMAND_STATUS, completion)

    def complete_words(self, text, word):
        """gdb's word begins behind the last '#' or the like; ours behind the last space."""
        typed = text.rpartition(" ")[2]
        return [each[len(typed) - len(word):] for each in self.words if each.startswith(typed)]

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        try:
            self.run(argument.strip())
        except Failed as failed:
            raise gdb.GdbError(str(failed)) from None


COMMANDS = []


def command(name, completion=gdb.COMPLETE_NONE):
    def add(run):
        COMMANDS.append((name, run, completion))
        return run
    return add


def no_arguments(argument):
    if argument:
        raise Failed(f"this takes no arguments, and was given \"{argument}\"")


@command("list")
def list_machines(argument):
    """The machines of this host that kvmdbg runs, and where each listens.

Asks the program `kvmdbg` of this host's PATH; needs no connection."""
    no_arguments(argument)
    program = shutil.which("kvmdbg")
    if not program:
        raise Failed("there is no kvmdbg in this host's PATH")
    try:
        done = subprocess.run([program, "list", "--json"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=20, check=False)
        machines = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise Failed(f"`{program} list --json`: {error}") from None
    if machines is None:
        print(f"{program} has no `list`: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        return
    show([(each.get("pid", ""), each.get("name", ""), each.get("state", ""), each.get("image", ""),
           " ".join(each.get("listen", []))) for each in machines],
         ("PID", "Name", "State", "Image", "Listens on"), "no machines")


@command("caps")
def show_capabilities(argument):
    """What really works on the server's host, found out by running small guests at start."""
    no_arguments(argument)
    answer = ask("capabilities")
    notes = answer.pop("notes")
    for name, value in answer.items():
        words = re.sub("([A-Z])", lambda found: " " + found[0].lower(), name)
        print(f"{words:<18} {yes(value) if isinstance(value, bool) else value}")
    for note in notes:
        print(f"note: {note}")


@command("points")
def show_points(argument):
    """What is installed, for all clients, how, and how often each was hit.

gdb takes its points out at every stop; `set breakpoint always-inserted on` keeps them in."""
    no_arguments(argument)
    show([(each["point"], each["strategy"], each["hits"], " ".join(map(str, each["owners"])))
          for each in ask("points")["points"]], ("Point", "Method", "Hits", "Clients"), "no points")


@command("clients")
def show_clients(argument):
    """Who is connected, and who has run control."""
    no_arguments(argument)
    show([(f"{each['id']}{' (you)' if each['self'] else ''}", each["name"], each["points"],
           yes(each["drives"])) for each in ask("clients")["clients"]],
         ("Client", "From", "Points", "Run control"), "no clients")


@command("take")
def take_control(argument):
    """Take run control over: from now on this gdb moves the guest.

Who had it is not asked; its next continue or step is refused, and it can take control back."""
    no_arguments(argument)
    answer = ask("takeControl")
    before = "nobody" if answer["before"] is None else f"client {answer['before']}"
    print(f"run control: client {answer['now']}, before: {before}")


@command("vcpus")
def show_vcpus(argument):
    """The processors: mode, where each is, and why it stopped."""
    no_arguments(argument)
    show([(each["vcpu"], each["thread"], each.get("mode", each["state"]),
           place(int(each["pc"], 16)) if "pc" in each else "", each.get("why", ""))
          for each in ask("vcpus")["vcpus"]],
         ("vCPU", "Thread", "Mode", "pc", "Stopped by"), "no vCPUs")


def walk(address):
    return ask("walk", vcpu=vcpu(), address=hex(address))


@command("walk", gdb.COMPLETE_EXPRESSION)
def show_walk(argument):
    """Page-table walk: kvm walk ADDRESS

From the root that the selected thread's vCPU uses; ADDRESS is any expression."""
    if not argument:
        raise Failed("kvm walk ADDRESS")
    answer = walk(number(argument))
    text = f"{answer['address']} is physical {answer['physical']}"
    if answer["pageSize"]:
        text += f", in a page of {answer['pageSize']:#x}: "
        text += ", ".join([("read-only", "writable")[answer["writable"]],
                           ("kernel", "user")[answer["user"]],
                           ("no-execute", "executable")[answer["executable"]]])
    else:
        text += ", paging is off"
    print("\n".join([text] + [f"  {level}" for level in answer["levels"]]))


def descriptors(table):
    return ask("descriptorTables", vcpu=vcpu(), table=table)


def show_table(table, argument):
    no_arguments(argument)
    answer = descriptors(table)
    gates = table == "idt"
    print(f"{table} at {answer['base']}, limit {answer['limit']}")
    rows = []
    for each in answer["entries"]:
        row = [f"{each['number']:#x}", each["kind"]]
        if gates:
            row += [place(int(each["base"], 16)), each["selector"], each["stack"]]
        else:
            row += [each["base"], each["limit"]]
        rows.append(row + [each["privilege"], yes(each["present"])])
    titles = ["Handler", "Selector", "IST"] if gates else ["Base", "Limit"]
    show(rows, ("Vector" if gates else "Index", "Kind", *titles, "DPL", "Present"), "no entries")


@command("idt")
def show_idt(argument):
    """The interrupt table of the selected thread's vCPU: where each vector's handler is."""
    show_table("idt", argument)


@command("gdt")
def show_gdt(argument):
    """The global descriptor table of the selected thread's vCPU."""
    show_table("gdt", argument)


@command("msr", gdb.COMPLETE_EXPRESSION)
def show_msr(argument):
    """A model-specific register: kvm msr NUMBER [VALUE]

With VALUE it is written first. Both are expressions without spaces."""
    words = gdb.string_to_argv(argument)
    if len(words) not in (1, 2):
        raise Failed("kvm msr NUMBER [VALUE]")
    value = hex(number(words[1])) if len(words) == 2 else None
    answer = ask("msr", vcpu=vcpu(), number=number(words[0]), value=value)
    if value is not None:  # gdb shows some of them as registers
        gdb.execute("maintenance flush register-cache", to_string=True)
    print(f"msr {answer['number']} = {answer['value']}")


def physical(address, length):
    return bytes.fromhex(ask("physRead", address=hex(address), length=length)["data"])


@command("phys", gdb.COMPLETE_EXPRESSION)
def show_physical(argument):
    """Guest-physical memory: kvm phys ADDRESS [LENGTH]

64 bytes without LENGTH, 32768 at most. Both are expressions without spaces."""
    words = gdb.string_to_argv(argument)
    if len(words) not in (1, 2):
        raise Failed("kvm phys ADDRESS [LENGTH]")
    at, length = number(words[0]), number(words[1]) if len(words) == 2 else 64
    data = physical(at, length)
    for offset in range(0, len(data), 16):
        piece = data[offset:offset + 16]
        print(f"{at + offset:#018x}  {piece.hex(' '):<47}  {printable(piece)}")
    if len(data) < length:
        print(f"no memory at {at + len(data):#x}")


@command("exceptions", ["clear", "error", "#DE", "#DB", "#BP", "#UD", "#DF", "#GP", "#PF"])
def exceptions(argument):
    """Stop when the CPU raises an exception.

kvm exceptions                     what stops now
kvm exceptions #PF 13 [error 2]    also these, perhaps with one error code alone
kvm exceptions clear #PF [error 2] not these any more
The guest stops at the handler's first instruction. They last until this gdb leaves."""
    words = gdb.string_to_argv(argument)
    clear = words[:1] == ["clear"]
    words = words[clear:]
    error = None
    if "error" in words:
        at = words.index("error")
        if at + 2 != len(words):
            raise Failed("`error` is followed by one number, at the end")
        error, words = hex(number(words[at + 1])), words[:at]
    if (clear or error) and not words:
        raise Failed("which exceptions? Vectors or names: 14, #PF")
    vectors = [number(word) if word[:1].isdigit() else word for word in words]
    answer = ask("exceptions", error=error, **({"clear" if clear else "set": vectors} if words else {}))
    show([(each["vector"], each["name"], each.get("error", "any"), each["hits"],
           " ".join(map(str, each["owners"]))) for each in answer["exceptions"]],
         ("Vector", "Name", "Error", "Hits", "Clients"), "no exception stops the guest")


@command("stops", gdb.COMPLETE_EXPRESSION)
def show_stops(argument):
    """The time line: kvm stops [COUNT]

When the guest stopped, in which run, who had resumed it, and why."""
    answer = ask("stops", count=number(argument) if argument else None)
    rows = []
    for each in answer["stops"]:
        clock = time.strftime("%H:%M:%S", time.localtime(each["time"]))
        by = "" if each["resumedBy"] is None else each["resumedBy"]
        for each_vcpu in each["vcpus"]:
            rows.append((f"{clock}.{int(each['time'] % 1 * 1000):03}", each["epoch"], by,
                         each_vcpu["vcpu"], ", ".join(each_vcpu["reasons"])))
    show(rows, ("Time", "Run", "Client", "vCPU", "Stopped by"), "no stops yet")


@command("console")
def console(argument):
    """The guest's console: kvm console [TEXT]

Types TEXT and a line end, if there is TEXT; shows the latest that the guest wrote."""
    print(ask("console", type=argument + "\n" if argument else None)["text"], end="")


@command("trace")
def show_trace(argument):
    """Whether the server writes a trace of packets, events and ioctls (kvmdbg run --trace FILE)."""
    no_arguments(argument)
    print("the server writes a trace" if ask("trace")["on"] else
          "the server writes no trace: start it with --trace FILE")


# --- Linux's symbols at the place where the kernel is ------------------------------------------------

class Elf:
    """Symbols and bytes of an ELF64 file."""

    def __init__(self, path):
        try:
            with open(path, "rb") as file:
                self.data = file.read()
        except OSError as error:
            raise Failed(f"cannot read {path}: {error.strerror}") from None
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise Failed(f"{path} is no 64-bit little-endian ELF file")
        try:
            self._read()
        except (struct.error, IndexError):
            raise Failed(f"{path} is cut off or broken") from None

    def _read(self):
        offset, = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size)
                         for i in range(count)]
        self.symbols = {}
        for section in self.sections:
            if section[1] == 2:  # SHT_SYMTAB
                self._read_symbols(section, self.sections[section[6]])

    def _read_symbols(self, table, names):
        wanted = {name.encode(): name for name in (BANNER, *(name for name, _ in ANCHORS))}
        text = self.data[names[4]:names[4] + names[5]]
        entries = self.data[table[4]:table[4] + table[5] // 24 * 24]
        for name, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", entries):
            known = wanted.get(text[name:text.index(b"\0", name)]) if section and name else None
            if known:
                self.symbols[known] = value

    def text_at(self, address, most):
        """The zero-ended bytes there, as the file has them; nothing where it has none."""
        for _, kind, flags, start, offset, size, *_ in self.sections:
            if flags & 2 and kind != 8 and start <= address < start + size:  # ALLOC, not NOBITS
                at = offset + address - start
                return self.data[at:min(at + most, offset + size)].split(b"\0")[0]
        return b""


def gate(vector):
    def find():
        for entry in descriptors("idt")["entries"]:
            if entry["number"] == vector and entry["present"]:
                return int(entry["base"], 16)
        raise Failed(f"the guest's IDT has no vector {vector}")
    return find


def system_call_entry():
    return int(ask("msr", vcpu=vcpu(), number=0xC0000082)["value"], 16)  # MSR_LSTAR


BANNER = "linux_banner"
# what the CPU knows of the kernel: a symbol's name, and where it is now
ANCHORS = [("entry_SYSCALL_64", system_call_entry),
           ("asm_exc_divide_error", gate(0)),
           ("asm_exc_page_fault", gate(14))]


def vmcoreinfo_slide():
    """KERNELOFFSET from the note that Linux leaves in its memory; None without one."""
    start = "0"
    while True:
        answer = send(f"qCoreSearch:{start}").decode("ascii", "replace")
        if answer[:1] == "f":
            break
        if answer[:1] != "m":
            return None
        start = answer[1:]
    at = int(answer[1:], 16)
    size, = struct.unpack_from("<I", physical(at, 24), 4)  # an ELF note with a name of 12 bytes
    text = physical(at + 24, min(size, 32768))
    found = re.search(rb"KERNELOFFSET=([0-9a-f]+)\n", text)
    return int(found[1], 16) if found else None


def candidate_slides(elf):
    """Each with what it was found by; and why others were not."""
    found, missed = [], []
    for name, now in ANCHORS:
        if name not in elf.symbols:
            missed.append(f"no symbol {name}")
            continue
        try:
            address = now()
        except Failed as failed:
            missed.append(str(failed))
            continue
        slide = (address - elf.symbols[name]) % 2**64
        if address and slide % 0x1000 == 0:
            found.append((slide, name))
        else:
            missed.append(f"{name} is not at {address:#x}")
    try:
        slide = vmcoreinfo_slide()
    except Failed as failed:
        missed.append(str(failed))
    else:
        if slide is None:
            missed.append("no VMCOREINFO in memory yet")
        else:
            found.append((slide, "VMCOREINFO"))
    return found, missed


def banner_is_there(elf, slide):
    text = elf.text_at(elf.symbols[BANNER], 512)
    if len(text) < 16:
        raise Failed(f"the file has no text at {BANNER}, so nothing can be checked")
    try:
        memory = gdb.selected_inferior().read_memory((elf.symbols[BANNER] + slide) % 2**64, len(text))
    except gdb.error:
        return False
    return bytes(memory) == text


@command("symbols", gdb.COMPLETE_FILENAME)
def load_symbols(argument):
    """Load a Linux kernel's symbols at the place where the guest's kernel is: kvm symbols [VMLINUX]

Without VMLINUX, the file that gdb has now. The distance (KASLR) is found from MSR_LSTAR, the IDT or
VMCOREINFO, and believed only when the file's linux_banner is in memory there."""
    path = argument or gdb.current_progspace().filename
    if not path:
        raise Failed("kvm symbols VMLINUX: gdb has no file yet")
    elf = Elf(path)
    if BANNER not in elf.symbols:
        raise Failed(f"{path} has no symbol {BANNER}: it is no vmlinux, or was stripped")
    found, missed = candidate_slides(elf)
    for slide, source in found:
        if banner_is_there(elf, slide):
            offset = slide - 2**64 if slide >> 63 else slide
            gdb.execute(f'symbol-file -o {offset:#x} "{path}"', to_string=True)
            print(f"symbols of {path} moved by {offset:#x}, found by {source}; {BANNER} is there")
            return
    tried = [f"{source} says {slide:#x}, but {BANNER} is not there" for slide, source in found]
    raise Failed(f"not loaded: the kernel's place was not found ({'; '.join(tried + missed)})")


# --- $kvm_phys, $kvm_walk, $kvm_msr -----------------------------------------------------------------

class Function(gdb.Function):
    """A convenience function, made of a function on integers."""

    def __init__(self, name, run):
        self.__doc__ = run.__doc__
        self.run = run
        super().__init__(name)

    def invoke(self, value):
        try:
            return unsigned(self.run(int(value) & 0xFFFFFFFFFFFFFFFF))
        except Failed as failed:
            raise gdb.GdbError(str(failed)) from None


def physical_word(address):
    """$kvm_phys(ADDRESS): the 64-bit word at a guest-physical address."""
    data = physical(address, 8)
    if len(data) < 8:
        raise Failed(f"no memory at {address + len(data):#x}")
    return int.from_bytes(data, "little")


def physical_address(address):
    """$kvm_walk(ADDRESS): the guest-physical address of a virtual one."""
    return int(walk(address)["physical"], 16)


def msr_value(index):
    """$kvm_msr(NUMBER): a model-specific register of the selected thread's vCPU."""
    return int(ask("msr", vcpu=vcpu(), number=index)["value"], 16)


# --- stacks through exceptions ----------------------------------------------------------------------

REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp",
             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
# struct pt_regs of Linux, from its lowest address; then the error code and the CPU's frame
PT_REGS = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
           "rsi", "rdi")
LINUX_ENTRY = re.compile(r"asm_(exc|sysvec)_\w+|asm_(common|spurious)_interrupt")


class Tables:
    """What the CPU's tables say. Read as memory: gdb 13 crashes when an unwinder sends a packet, as
    that makes its frames anew."""

    def __init__(self):
        self.stale, self.handlers, self.selectors = True, {}, {}

    def forget(self, *_):
        self.stale = True

    def load(self, pending):
        if not self.stale:
            return
        self.handlers, self.selectors, self.stale = {}, {}, False
        try:
            self._read(pending)
        except (gdb.error, ValueError):  # no memory there, or a stub without such registers
            self.handlers, self.selectors = {}, {}

    def _read(self, pending):
        self.handlers = {self._target(entry): vector for vector, entry in self._entries(
            pending, "idtr", 16) if entry[5] & 0x80}
        for index, entry in self._entries(pending, "gdtr", 8):
            if entry[5] & 0x90 == 0x90:  # present, code or data; bit 3 of its type says which
                self.selectors[index * 8 | entry[5] >> 5 & 3] = bool(entry[5] & 8)

    @staticmethod
    def _entries(pending, table, size):
        base, limit = (int(pending.read_register(f"{table}_{part}")) % 2**64
                       for part in ("base", "limit"))
        data = bytes(gdb.selected_inferior().read_memory(base, min(limit + 1, 4096)))
        return enumerate(data[at:at + size] for at in range(0, len(data) // size * size, size))

    @staticmethod
    def _target(gate):  # SDM vol. 3, figure 6-8
        low, _, _, middle, high = struct.unpack("<HHHHI", gate[:12])
        return low | middle << 16 | high << 32


class CpuFrame:
    """What the CPU pushes in 64-bit mode: rip, cs, rflags, rsp, ss (SDM vol. 3, 6.14.2)."""

    size = 40

    def __init__(self, address):
        self.cfa = address + 8  # as DWARF has it for functions that the CPU enters
        self.rip, self.cs, self.rflags, self.rsp, self.ss = struct.unpack(
            "<5Q", bytes(gdb.selected_inferior().read_memory(address, self.size)))

    def looks_real(self):
        """What such values must be in any guest."""
        return (all((value + 2**47) % 2**64 < 2**48 for value in (self.rip, self.rsp))
                and self.rflags & 0xFFFFFFFFFFC0802A == 2 and self.cs < 2**16 and self.ss < 2**16)

    def is_real(self, tables):
        """What they must be in this one."""
        if tables.selectors.get(self.cs) is not True or (
                self.ss & ~3 and tables.selectors.get(self.ss) is not False):
            return False
        gdb.selected_inferior().read_memory(self.rip, 1)  # or gdb.MemoryError
        return True


def cpu_frame(address):
    """The CPU aligns the stack to 16 bytes before it pushes."""
    if (address + CpuFrame.size) % 16:
        return None
    frame = CpuFrame(address)
    return frame if frame.looks_real() else None


class Prologues:
    """How handlers begin: what they have pushed by a place in their code, and which registers."""

    longest = 32  # instructions

    def __init__(self):
        self.known = {}

    def forget(self, *_):
        self.known = {}

    def pushed(self, architecture, start, pc):
        """Bytes, and NAME to bytes below the stack pointer's first value."""
        if start not in self.known:
            self.known[start] = self._read(architecture, start)
        size, saved = 0, {}
        for address, amount, register in self.known[start]:
            if address >= pc:
                break
            size += amount
            if register:
                saved.setdefault(register, size)
        return size, saved

    def _read(self, architecture, start):
        found = []
        for line in architecture.disassemble(start, count=self.longest):
            words = line["asm"].replace("%", "").split()
            if words[0] in ("push", "pushq"):
                found.append((line["addr"], 8, words[1] if words[1] in REGISTERS else None))
            elif words[0] in ("sub", "subq") and re.search(r"\brsp$|^rsp\b", words[1]):
                amount = re.search(r"0x[0-9a-f]+", words[1])
                found.append((line["addr"], int(amount[0], 16) if amount else 0, None))
            elif re.match(r"(call|j|ret|iret|pop|leave|hlt|ud)", words[0]):
                break
        return found


def value_of(raw, of_type):
    return gdb.Value((raw % 2**(8 * of_type.sizeof)).to_bytes(of_type.sizeof, "little"), of_type)


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class ExceptionUnwinder(gdb.unwinder.Unwinder):
    """Finds the interrupted code behind an exception's or interrupt's handler.

Runs while gdb makes its frames: what asks gdb for the selected one (gdb.execute, lookups by name) ends in an
internal error, and so does a packet. Claims a frame only when its function is one that the CPU enters, and
when the CPU's own frame is at the very place that the function's code so far implies; else gdb's other
unwinders do their work."""

    def __init__(self):
        super().__init__("kvmdbg-exceptions")
        self.tables, self.prologues = Tables(), Prologues()
        for event in (gdb.events.cont, gdb.events.memory_changed, gdb.events.register_changed,
                      gdb.events.exited, gdb.events.new_objfile):
            event.connect(self.tables.forget)
        for event in (gdb.events.memory_changed, gdb.events.new_objfile, gdb.events.exited):
            event.connect(self.prologues.forget)

    def __call__(self, pending):
        architecture = pending.architecture()
        if architecture.name() != "i386:x86-64":
            return None
        try:
            function, name = self._function(pending.read_register("rip"))
            pc, sp = (int(pending.read_register(each)) % 2**64 for each in ("rip", "rsp"))
            for start in dict.fromkeys((pc, function)):  # a gate may lead into the midst of a table
                for frame, slots, by_name in self._candidates(architecture, start, name, pc, sp):
                    self.tables.load(pending)
                    if frame.is_real(self.tables) and (by_name or start in self.tables.handlers):
                        return self._claim(pending, frame, start, slots)
        except gdb.error:  # no memory there
            pass
        return None

    def _candidates(self, architecture, start, name, pc, sp):
        """Frames that may be, with where registers are saved, and whether the name says enough."""
        size, saved = self.prologues.pushed(architecture, start, pc)
        for code in (0, 8):  # without and with an error code
            frame = cpu_frame(sp + size + code)
            if frame:
                yield frame, {key: sp + size - offset for key, offset in saved.items()}, False
        if LINUX_ENTRY.fullmatch(name):
            frame = cpu_frame(sp + 8 * (len(PT_REGS) + 1))
            if frame:
                yield frame, {key: sp + 8 * i for i, key in enumerate(PT_REGS)}, True

    @staticmethod
    def _function(pc):
        """Where the function around pc starts, and its name; without symbols pc itself."""
        found = re.search(r"<(.+?)(?:\+(\d+))?>$", pc.format_string(raw=True))
        at = int(pc) % 2**64
        return (at - int(found[2] or 0), found[1]) if found else (at, "")

    @staticmethod
    def _claim(pending, frame, start, slots):
        """Registers without a slot are as they are now."""
        rsp = pending.read_register("rsp").type
        info = pending.create_unwind_info(FrameId(value_of(frame.cfa, rsp), value_of(start, rsp)))
        memory = gdb.selected_inferior()
        values = {"rip": frame.rip, "rsp": frame.rsp, "eflags": frame.rflags, "cs": frame.cs,
                  "ss": frame.ss}
        for name, slot in slots.items():
            values[name], = struct.unpack("<Q", bytes(memory.read_memory(slot, 8)))
        for name in (*REGISTERS, *values, "idtr_base", "idtr_limit", "gdtr_base", "gdtr_limit"):
            now = pending.read_register(name)
            info.add_saved_register(
                name, value_of(values[name], now.type) if name in values else now)
        return info


def install():
    Kvm()
    for name, run, completion in COMMANDS:
        Word(name, run, completion)
    for name, run in (("kvm_phys", physical_word), ("kvm_walk", physical_address),
                      ("kvm_msr", msr_value)):
        Function(name, run)
    gdb.unwinder.register_unwinder(None, ExceptionUnwinder(), replace=True)


install()
