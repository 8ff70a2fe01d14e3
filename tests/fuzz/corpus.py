#!/usr/bin/env python3
"""Seeds for gdb_fuzz: what each client of each transcript sends, one file per client.

Usage: corpus.py TRANSCRIPTS FOLDER
"""
import re
import sys
from pathlib import Path


def unescape(text):
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text).encode("latin-1")


def with_sums(data):
    """`$text#..` gets its checksum."""
    return re.sub(rb"\$([^$#]*)#\.\.", lambda m: b"$%b#%02x" % (m[1], sum(m[1]) % 256), data)


def streams(path):
    """Bytes by client number."""
    out = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if found := re.match(r"(\d*)-> (.*)", line):
            out[found[1] or "1"] = out.get(found[1] or "1", b"") + with_sums(unescape(found[2]))
    return out


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in sorted(Path(sys.argv[1]).glob("*.gdb")):
        for client, data in streams(path).items():
            (folder / f"{path.stem}-{client}").write_bytes(data)
            count += 1
    if not count:
        sys.exit(f"no transcripts in {sys.argv[1]}")
    print(f"{count} seeds")


if __name__ == "__main__":
    main()
