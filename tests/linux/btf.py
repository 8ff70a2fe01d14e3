"""The kernel's own type descriptions (BTF) as DWARF, so that gdb knows every struct of the kernel.

Types only: variables and functions keep their addresses from the symbol table. A debugger then
takes `p ((struct task_struct *)&init_task)->comm` and `ptype struct list_head`.
"""
import struct

from orc import sleb, uleb

(INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR,
 DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64) = range(1, 20)
# bytes that follow the common 12, fixed and per member
TAIL = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8), FUNC_PROTO: (0, 8),
        VAR: (4, 0), DATASEC: (0, 12), DECL_TAG: (4, 0), ENUM64: (0, 12)}

TAG = {"unit": 0x11, "base": 0x24, "pointer": 0x0F, "array": 0x01, "subrange": 0x21, "struct": 0x13,
       "union": 0x17, "member": 0x0D, "typedef": 0x16, "const": 0x26, "volatile": 0x35,
       "restrict": 0x37, "enum": 0x04, "enumerator": 0x28, "function": 0x15, "parameter": 0x05,
       "variadic": 0x18}
WITH_CHILDREN = ("unit", "array", "struct", "union", "enum", "function")
# attribute -> (DW_AT, DW_FORM); the order of writing is the order of the row in a DIE
STRP, REF4, UDATA, SDATA, DATA1, FLAG_PRESENT = 0x0E, 0x13, 0x0F, 0x0D, 0x0B, 0x19
ATTRIBUTE = {"name": (0x03, STRP), "type": (0x49, REF4), "size": (0x0B, UDATA),
             "encoding": (0x3E, DATA1), "count": (0x37, UDATA), "at": (0x38, UDATA),
             "bits": (0x0D, UDATA), "bit_at": (0x6B, UDATA), "value": (0x1C, SDATA),
             "language": (0x13, DATA1), "declared": (0x3C, FLAG_PRESENT),
             "prototyped": (0x27, FLAG_PRESENT)}
C99 = 0x0C
BOOLEAN, FLOATING, SIGNED, SIGNED_CHAR, UNSIGNED, UNSIGNED_CHAR = 2, 4, 5, 6, 7, 8
WORD = {VOLATILE: "volatile", CONST: "const", RESTRICT: "restrict", TYPEDEF: "typedef", PTR: "pointer"}


class Types:
    """BTF, taken apart: rows of (kind, flag, name offset, size or type, tail)."""

    def __init__(self, data):
        magic, version, _, header, types, types_size, strings, strings_size = struct.unpack_from(
            "<HBBIIIII", data)
        if magic != 0xEB9F or version != 1:
            raise ValueError("not BTF of version 1")
        self.strings = data[header + strings:header + strings + strings_size]
        self.rows = [None]
        at, end = header + types, header + types + types_size
        while at < end:
            name, info, size = struct.unpack_from("<III", data, at)
            kind, count = info >> 24 & 31, info & 0xFFFF
            fixed, each = TAIL.get(kind, (0, 0))
            tail = data[at + 12:at + 12 + fixed + each * count]
            self.rows.append((kind, bool(info >> 31), name, size, tail))
            at += 12 + fixed + each * count

    def resolved(self, number):
        """Skips type tags, which C has no word for."""
        while number and self.rows[number][0] == TYPE_TAG:
            number = self.rows[number][3]
        return number

    def name(self, offset):
        return self.strings[offset:self.strings.index(b"\0", offset)].decode()


class Dwarf:
    """.debug_info and .debug_abbrev under construction; one unit."""

    HEADER = 11  # length, version, abbrev offset, address size

    def __init__(self, types):
        self.types = types
        self.info = bytearray()
        self.abbreviations = {}
        self.places = {}  # type number -> offset in the unit
        self.references = []  # (where in info, type number)

    def die(self, tag, **attributes):
        shape = (tag, tuple(attributes))
        code = self.abbreviations.setdefault(shape, len(self.abbreviations) + 1)
        self.info += uleb(code)
        for attribute, value in attributes.items():
            form = ATTRIBUTE[attribute][1]
            if form == STRP:
                self.info += struct.pack("<I", value)
            elif form == REF4:
                self.references.append((len(self.info), value))
                self.info += bytes(4)
            elif form == UDATA:
                self.info += uleb(value)
            elif form == SDATA:
                self.info += sleb(value)
            elif form == DATA1:
                self.info.append(value)

    def end(self):
        self.info.append(0)

    def finish(self):
        for where, number in self.references:
            struct.pack_into("<I", self.info, where, self.places[number])
        body = struct.pack("<HIB", 4, 0, 8) + bytes(self.info)
        table = bytearray()
        for (tag, attributes), code in self.abbreviations.items():
            table += uleb(code) + uleb(TAG[tag]) + bytes([tag in WITH_CHILDREN])
            for attribute in attributes:
                for value in ATTRIBUTE[attribute]:
                    table += uleb(value)
            table += b"\0\0"
        return struct.pack("<I", len(body)) + body, bytes(table) + b"\0"


def optional(types, name, number=None):
    """Attributes that are only there when they say something (void and no name are silence)."""
    out = {}
    if name:
        out["name"] = name
    if number is not None and (number := types.resolved(number)):
        out["type"] = number
    return out


def add_members(out, types, kind, flag, tail):
    for name, number, offset in struct.iter_unpack("<III", tail):
        bits = offset >> 24 if flag else 0
        offset = offset & 0xFFFFFF if flag else offset
        place = {"bits": bits, "bit_at": offset} if bits else {"at": offset // 8}
        if bits and not name:
            continue  # padding
        out.die("member", **optional(types, name, number), **place)


def add_type(out, types, number, index_type):
    kind, flag, name, size, tail = types.rows[number]
    named = optional(types, name)
    if kind in (INT, FLOAT):
        encoding = FLOATING
        if kind == INT:
            traits, = struct.unpack("<I", tail)
            char = size == 1 and "char" in types.name(name)
            signed = traits >> 24 & 1 or types.name(name) == "char"
            encoding = {(0, 0): UNSIGNED, (1, 0): SIGNED, (0, 1): UNSIGNED_CHAR, (1, 1): SIGNED_CHAR}[
                int(signed), int(char)]
            encoding = BOOLEAN if traits >> 24 & 4 else encoding
        out.die("base", **named, size=size, encoding=encoding)
    elif kind in WORD:
        width = {"size": 8} if kind == PTR else {}
        out.die(WORD[kind], **optional(types, name if kind == TYPEDEF else 0, size), **width)
    elif kind == ARRAY:
        element, _, count = struct.unpack("<III", tail)
        out.die("array", **optional(types, 0, element))
        out.die("subrange", **optional(types, 0, index_type), count=count)
        out.end()
    elif kind in (STRUCT, UNION):
        out.die("struct" if kind == STRUCT else "union", **named, size=size)
        add_members(out, types, kind, flag, tail)
        out.end()
    elif kind == FWD:
        out.die("union" if flag else "struct", **named, declared=True)
        out.end()
    elif kind in (ENUM, ENUM64):
        out.die("enum", **named, size=size)
        for row in struct.iter_unpack("<Ii" if kind == ENUM else "<IIi", tail):
            value = row[1] if kind == ENUM else row[1] | row[2] << 32
            out.die("enumerator", name=row[0], value=value)
        out.end()
    elif kind == FUNC_PROTO:
        out.die("function", **optional(types, 0, size), prototyped=True)
        for parameter, of in struct.iter_unpack("<II", tail):
            out.die("parameter" if of else "variadic", **optional(types, 0, of))
        out.end()
    else:
        return False  # functions, variables, tags: no types
    return True


def sections(image):
    """{name: content} of the DWARF sections; empty when the image carries no BTF."""
    found = [s for s in image.sections if s.name == ".BTF"]
    if not found:
        return {}
    types = Types(image.content(found[0]))
    index_type = next((n for n, row in enumerate(types.rows) if row and row[0] == INT and row[3] == 8), 0)
    out = Dwarf(types)
    out.die("unit", language=C99)
    for number in range(1, len(types.rows)):
        place = Dwarf.HEADER + len(out.info)
        if add_type(out, types, number, index_type):
            out.places[number] = place
    out.end()
    info, abbreviations = out.finish()
    return {".debug_info": info, ".debug_abbrev": abbreviations, ".debug_str": types.strings}
