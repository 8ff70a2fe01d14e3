"""Linux's ORC unwind tables (x86, layout of 5.x to 6.2) as DWARF .debug_frame.

With it gdb walks a kernel's stack exactly, through interrupt and system-call frames too, though
the kernel was built without frame pointers and no debug package is there.
"""
import bisect
import struct

UNDEFINED, PREV_SP, DX, DI, BP, SP, R10, R13, BP_INDIRECT, SP_INDIRECT = range(10)
CALL, REGS, REGS_PARTIAL = range(3)
DWARF = {DX: 1, DI: 5, BP: 6, SP: 7, R10: 10, R13: 13, BP_INDIRECT: 6, SP_INDIRECT: 7}
RBP, RSP, RETURN = 6, 7, 16
# struct pt_regs: DWARF register -> offset
PT_REGS = {15: 0, 14: 8, 13: 16, 12: 24, 6: 32, 3: 40, 11: 48, 10: 56, 9: 64, 8: 72, 0: 80, 2: 88,
           1: 96, 4: 104, 5: 112, 16: 128, 7: 152}
PT_REGS_PARTIAL = {16: 128, 7: 152}
ADVANCE_1, ADVANCE_2, ADVANCE_4 = 2, 3, 4
UNDEFINED_RULE, SAME_VALUE, DEF_CFA, DEF_CFA_EXPRESSION, EXPRESSION = 7, 8, 0x0C, 0x0F, 0x10
OFFSET_EXTENDED_SF, DEF_CFA_SF = 0x11, 0x12
BREG0, DEREF, PLUS_UCONST, CONSTS, PLUS = 0x70, 0x06, 0x23, 0x11, 0x22
CODE_ALIGN, DATA_ALIGN = 1, -8


def uleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            return bytes(out) + bytes([byte])
        out.append(byte | 0x80)


def sleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if value in (0, -1) and bool(byte & 0x40) == (value == -1):
            return bytes(out) + bytes([byte])
        out.append(byte | 0x80)


def entries(image):
    """[(address, (sp_offset, bp_offset, sp_reg, bp_reg, type, end))] in order of address."""
    where = image.section(".orc_unwind_ip")
    places = struct.unpack(f"<{where.size // 4}i", image.content(where))
    rows = image.content(image.section(".orc_unwind"))
    if len(rows) != 6 * len(places):
        return []  # another kernel version's layout
    out = []
    for n, relative in enumerate(places):
        sp_offset, bp_offset, registers, kind = struct.unpack_from("<hhBB", rows, 6 * n)
        row = (sp_offset, bp_offset, registers & 15, registers >> 4, kind & 3, kind >> 2 & 1)
        out.append((where.address + 4 * n + relative, row))
    return sorted(out, key=lambda e: e[0])


def at_offset(register, offset):
    """Saved at CFA + offset."""
    return bytes([OFFSET_EXTENDED_SF, register]) + sleb(offset // DATA_ALIGN)


def rules(row):
    """One ORC row as call-frame instructions; complete, so rows do not build on each other."""
    sp_offset, bp_offset, sp_reg, bp_reg, kind, end = row
    if sp_reg not in DWARF or end:
        return bytes([DEF_CFA, RSP, 8, UNDEFINED_RULE, RETURN])  # the end of the stack
    base = DWARF[sp_reg]
    if sp_reg == BP_INDIRECT:
        code = bytes([BREG0 + base]) + sleb(sp_offset) + bytes([DEREF])
        out = bytes([DEF_CFA_EXPRESSION, len(code)]) + code
    elif sp_reg == SP_INDIRECT:
        code = bytes([BREG0 + base, 0, DEREF, CONSTS]) + sleb(sp_offset) + bytes([PLUS])
        out = bytes([DEF_CFA_EXPRESSION, len(code)]) + code
    else:
        # the _sf form factors its offset by DATA_ALIGN; odd sums need the expression form
        if sp_offset >= 0:
            out = bytes([DEF_CFA, base]) + uleb(sp_offset)
        else:
            out = bytes([DEF_CFA_SF, base]) + sleb(sp_offset // DATA_ALIGN)
    if kind == CALL:
        out += at_offset(RETURN, -8)
        if bp_reg == PREV_SP:
            out += at_offset(RBP, bp_offset)
        elif bp_reg == BP:
            code = bytes([BREG0 + RBP]) + sleb(bp_offset)
            out += bytes([EXPRESSION, RBP, len(code)]) + code
        else:
            out += bytes([SAME_VALUE, RBP])
        return out
    saved = PT_REGS if kind == REGS else PT_REGS_PARTIAL
    return out + b"".join(at_offset(register, offset) for register, offset in saved.items())


def advance(distance):
    if distance < 0x40:
        return bytes([0x40 | distance])
    if distance < 0x100:
        return struct.pack("<BB", ADVANCE_1, distance)
    if distance < 0x10000:
        return struct.pack("<BH", ADVANCE_2, distance)
    return struct.pack("<BI", ADVANCE_4, distance)


def padded(content):
    content += bytes(-(len(content) + 4) % 8)
    return struct.pack("<I", len(content)) + content


def debug_frame(image, spans):
    """.debug_frame for the functions in `spans` ([(start, end)]); empty without usable ORC."""
    table = entries(image)
    if not table:
        return b""
    # after a call the pc is one past; in a frame with saved registers it is exact ('S')
    out = bytearray()
    common = {}
    for signal in (False, True):
        common[signal] = len(out)
        out += padded(struct.pack("<IB", 0xFFFFFFFF, 1) + (b"S\0" if signal else b"\0") +
                      uleb(CODE_ALIGN) + sleb(DATA_ALIGN) + bytes([RETURN]) +
                      bytes([DEF_CFA, RSP, 8]) + at_offset(RETURN, -8))
    places = [address for address, _ in table]
    encoded = {}
    for start, end in spans:
        first = bisect.bisect_right(places, start) - 1
        last = bisect.bisect_left(places, end)
        if first < 0 or start == end:
            continue
        code, at, signal = bytearray(), start, False
        for address, row in table[first:last]:
            if address > at:
                code += advance(address - at)
                at = address
            if row not in encoded:
                encoded[row] = rules(row)
            code += encoded[row]
            signal |= row[4] != CALL
        out += padded(struct.pack("<IQQ", common[signal], start, end - start) + bytes(code))
    return bytes(out)
