#!/usr/bin/env python3
"""Gives a stripped Linux kernel image its names back, so that gdb can use it.

Usage: kallsyms.py VMLINUX OUTPUT       writes an ELF like VMLINUX, plus .symtab and DWARF
       kallsyms.py --list VMLINUX       prints `address type name` lines, as /proc/kallsyms does

A distribution's vmlinux has no symbol table, but the kernel carries one for itself (kallsyms), the
tables of its own stack unwinder (ORC) and its types (BTF). They are turned into what a debugger
reads. Nothing is guessed: a symbol table that does not check out end to end is an error.
"""
import bisect
import struct
import sys
from pathlib import Path

import btf
import elf
import orc


FEWEST, MOST, LARGEST = 1000, 2_000_000, 64 << 20  # symbols, and bytes of all tables together


class NotFound(Exception):
    """The image holds no kallsyms tables of a layout known here."""


def align(value, to):
    return (value + to - 1) // to * to


def find_tokens(data):
    """Yields (start, end, tokens) of every place that holds a token table and its index.

    The table is 256 zero-terminated strings; most letters and digits stand for themselves, so
    '0'..'9' are ten one-letter strings in a row. The index that follows proves the guess.
    """
    digits = b"".join(b"%d\0" % n for n in range(10))
    at = data.find(digits)
    while at >= 0:
        start = at
        for _ in range(ord("0")):  # 48 strings come before '0'
            start = data.rfind(b"\0", 0, start - 1) + 1
        # the first string may be preceded by padding or not: both starts are tried by the index
        end, offsets, tokens = start, [], []
        for _ in range(256):
            stop = data.find(b"\0", end)
            offsets.append(end - start)
            tokens.append(data[end:stop])
            end = stop + 1
        index = struct.pack("<256H", *offsets) if offsets[-1] < 65536 else b""
        for padding in range(8):
            if index and data.startswith(index, end + padding):
                yield start, end + padding + 512, tokens
                break
        at = data.find(digits, at + 1)


def walk_names(data, at, count):
    """(end, markers) of `count` packed names from `at`; None when they are no names.

    A marker is where every 256th name begins; the image holds the same list, which proves the guess.
    """
    start, markers = at, []
    for n in range(count):
        if n % 256 == 0:
            markers.append(at - start)
        length = data[at]
        at += 1
        if length & 0x80:  # long names have a second length byte since 6.1
            length = length & 0x7F | data[at] << 7
            at += 1
        if length == 0:
            return None
        at += length
    return at, markers


def names_at(data, count_at):
    """Where the packed names begin that follow the count at `count_at`; None when none do."""
    count, = struct.unpack_from("<I", data, count_at)
    for start in (count_at + 4, count_at + 8):
        walked = walk_names(data, start, count)
        if walked is None:
            continue
        end, markers = walked
        packed = struct.pack(f"<{len(markers)}I", *markers)
        if data.startswith(packed, align(end, 4)) or data.startswith(packed, align(end, 8)):
            return start
    return None


def decode_offsets(data, start, count, base):
    """Absolute (per-CPU) values are positive, others count down from base - 1. None if unsorted."""
    offsets = struct.unpack_from(f"<{count}i", data, start)
    addresses = [o if o >= 0 else (base - 1 - o) & (2**64 - 1) for o in offsets]
    return addresses if addresses == sorted(addresses) and base in addresses else None


def tables(data, token_table, index_end, base):
    """(addresses, start of the packed names); the two layouts differ in where the addresses are."""
    pattern = struct.pack("<Q", base)
    # to 6.3: offsets, base, count, names, markers, ..., token table, token index
    at = data.find(pattern, max(0, token_table - LARGEST))
    while 0 <= at < token_table:
        count, = struct.unpack_from("<I", data, at + 8)
        if at % 8 == 0 and FEWEST < count < MOST:
            names = names_at(data, at + 8)
            for start in (at - 4 * count, at - 4 * count - 4) if names else ():
                addresses = decode_offsets(data, start, count, base)
                if addresses:
                    return addresses, names
        at = data.find(pattern, at + 1)
    # since 6.4: count, names, markers, token table, token index, offsets, base, ...
    start = align(index_end, 8)
    at = data.find(pattern, start, start + LARGEST)
    while at >= 0:
        for count in ((at - start) // 4, (at - start) // 4 - 1):
            addresses = FEWEST < count < MOST and decode_offsets(data, start, count, base)
            count_at = data.rfind(struct.pack("<I", count), 0, token_table) if addresses else -1
            while count_at >= max(0, token_table - LARGEST):
                names = names_at(data, count_at) if count_at % 4 == 0 else None
                if names:
                    return addresses, names
                count_at = data.rfind(struct.pack("<I", count), 0, count_at)
        at = data.find(pattern, at + 1, start + LARGEST)
    raise NotFound("a token table, but no names and addresses that fit it")


def symbols(image):
    """[(address, type letter, name)], in order of address."""
    data = image.data
    for token_table, index_end, tokens in find_tokens(data):
        addresses, at = tables(data, token_table, index_end, image.section(".text").address)
        found = []
        for address in addresses:
            length = data[at]
            at += 1
            if length & 0x80:
                length = length & 0x7F | data[at] << 7
                at += 1
            name = b"".join(tokens[code] for code in data[at:at + length]).decode("ascii")
            at += length
            found.append((address, name[0], name[1:]))
        return found
    raise NotFound("no kallsyms token table")


def functions(image, table):
    """[(start, end)] of everything in executable sections, without overlap."""
    spans = []
    for section in image.sections:
        if not section.executable or not section.address:
            continue
        inside = sorted({a for a, _, _ in table if section.address <= a < section.end})
        if not inside or inside[0] != section.address:
            inside.insert(0, section.address)
        spans += zip(inside, inside[1:] + [section.end])
    return spans


def symbol_table(image, table):
    """.symtab and .strtab as bytes. Sizes run to the next symbol of the same section."""
    starts = sorted({a for a, _, _ in table})
    placed = sorted((s.address, n) for n, s in enumerate(image.sections) if s.allocated and s.address)
    rows, names = [bytes(24)], bytearray(1)
    local = 1
    ordered = sorted(table, key=lambda s: s[1].isupper())  # ELF wants local symbols first
    for address, letter, name in ordered:
        where = bisect.bisect_right(placed, (address, 1 << 30)) - 1
        section = placed[where][1] if where >= 0 else elf.SHN_ABS
        size = 0
        if section != elf.SHN_ABS:
            following = bisect.bisect_right(starts, address)
            limit = image.sections[section].end
            after = starts[following] if following < len(starts) else limit
            size = max(0, min(after, limit) - address)
        kind = elf.STT_FUNC if letter in "tTwW" and section != elf.SHN_ABS else elf.STT_OBJECT
        binding = elf.STB_GLOBAL if letter.isupper() else elf.STB_LOCAL
        local += binding == elf.STB_LOCAL
        rows.append(struct.pack("<IBBHQQ", len(names), binding << 4 | kind, 0, section, address, size))
        names += name.encode() + b"\0"
    return b"".join(rows), bytes(names), local


def main(argv):
    if len(argv) == 2 and argv[0] == "--list":
        for address, letter, name in symbols(elf.Image(Path(argv[1]).read_bytes())):
            print(f"{address:016x} {letter} {name}")
        return 0
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    image = elf.Image(Path(argv[0]).read_bytes())
    table = symbols(image)
    rows, names, local = symbol_table(image, table)
    frames = orc.debug_frame(image, functions(image, table))
    types = btf.sections(image)
    Path(argv[1]).write_bytes(image.extended(rows, names, local, {".debug_frame": frames, **types}))
    print(f"{len(table)} symbols, {len(frames) >> 10} KiB of unwind rows, "
          f"{len(types.get('.debug_info', '')) >> 10} KiB of types")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NotFound, elf.BadImage) as reason:
        sys.exit(f"kallsyms.py: {reason}")
