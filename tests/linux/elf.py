"""Just enough of ELF64 to read a kernel image and to append sections to it."""
import struct

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 1, 2, 3, 8
SHF_ALLOC, SHF_EXECINSTR = 2, 4
SHN_ABS = 0xFFF1
STT_OBJECT, STT_FUNC = 1, 2
STB_LOCAL, STB_GLOBAL = 0, 1


class BadImage(Exception):
    """Not an ELF file of the expected kind."""


class Section:
    """One row of the section header table."""

    def __init__(self, row):
        (self.name_at, self.type, self.flags, self.address, self.offset, self.size, self.link,
         self.info, self.align, self.entry_size) = row
        self.name = ""

    @property
    def end(self):
        return self.address + self.size

    @property
    def allocated(self):
        return bool(self.flags & SHF_ALLOC)

    @property
    def executable(self):
        return bool(self.flags & SHF_EXECINSTR)

    def packed(self, name_at):
        return struct.pack("<IIQQQQIIQQ", name_at, self.type, self.flags, self.address, self.offset,
                           self.size, self.link, self.info, self.align, self.entry_size)


class Image:
    def __init__(self, data):
        self.data = data
        if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
            raise BadImage("not a little-endian ELF64 file")
        table, = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<HHH", data, 58)
        if size != 64 or table + 64 * count > len(data) or names >= count:
            raise BadImage("no section headers")
        self.sections = [Section(struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * n))
                         for n in range(count)]
        strings = self.content(self.sections[names])
        for section in self.sections:
            section.name = strings[section.name_at:strings.index(b"\0", section.name_at)].decode()

    def section(self, name):
        for section in self.sections:
            if section.name == name:
                return section
        raise BadImage(f"no section {name}")

    def content(self, section):
        if section.type == SHT_NOBITS:
            return bytes(section.size)
        return self.data[section.offset:section.offset + section.size]

    def extended(self, symbol_rows, symbol_names, first_global, more):
        """The same file with .symtab, .strtab and the sections of `more` ({name: bytes}) appended.

        Program headers and all present content stay where they are; only the section header
        table moves to the end.
        """
        kept = [s for s in self.sections if s.name not in (".symtab", ".strtab", ".shstrtab", *more)]
        out = bytearray(self.data)
        added = []

        def add(name, kind, content, link=0, info=0, entry_size=0):
            out.extend(bytes(-len(out) % 16))
            section = Section((0, kind, 0, 0, len(out), len(content), link, info, 1, entry_size))
            section.name = name
            out.extend(content)
            added.append(section)

        add(".symtab", SHT_SYMTAB, symbol_rows, link=len(kept) + 1, info=first_global, entry_size=24)
        add(".strtab", SHT_STRTAB, symbol_names)
        for name, content in more.items():
            add(name, SHT_PROGBITS, content)
        names = bytearray(b"")
        places = []
        for section in [*kept, *added]:
            places.append(len(names))
            names += section.name.encode() + b"\0"
        places.append(len(names))
        names += b".shstrtab\0"
        add(".shstrtab", SHT_STRTAB, bytes(names))
        out.extend(bytes(-len(out) % 16))
        table = len(out)
        for section, place in zip([*kept, *added], places):
            out.extend(section.packed(place))
        struct.pack_into("<Q", out, 40, table)
        struct.pack_into("<HHH", out, 58, 64, len(kept) + len(added), len(kept) + len(added) - 1)
        return bytes(out)
