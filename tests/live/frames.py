"""WebSocket frames as bytes (RFC 6455), for clients of any kind. Imports nothing of ours."""

import os
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def pack(payload, opcode):
    """A masked frame, as clients must send it."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 0x10000:
        length = struct.pack(">BH", 0x80 | 126, size)
    else:
        length = struct.pack(">BQ", 0x80 | 127, size)
    mask = os.urandom(4)
    pad = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return bytes([0x80 | opcode]) + length + mask + masked


def unpack(buffer):
    """(opcode, payload, rest) of the first frame of a server; None while it is not whole."""
    if len(buffer) < 2:
        return None
    size, begin = buffer[1] & 127, 2
    if size >= 126:
        form, begin = (">H", 4) if size == 126 else (">Q", 10)
        if len(buffer) < begin:
            return None
        size, = struct.unpack_from(form, buffer, 2)
    if len(buffer) < begin + size:
        return None
    return buffer[0] & 15, buffer[begin:begin + size], buffer[begin + size:]
