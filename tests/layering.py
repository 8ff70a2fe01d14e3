#!/usr/bin/env python3
"""Fails on an #include, a name or a header that breaks the project's rules.

Usage: layering.py [ROOT]

The rules are the tables below; ARCHITECTURE.md says why. The first rule whose path matches a file
decides what that file may include. Includes of ours are written from the root of the checkout.
"""
import re
import sys
from pathlib import Path

CODE = ("adapter", "kvm", "protocols", "plugins", "tests")
OURS = ("adapter/", "kvm/", "protocols/", "plugins/", "tests/")

STANDARD = r"<[a-z_]+>|<c[a-z]+>"
THREADS = r"<(thread|mutex|shared_mutex|condition_variable|atomic|future|latch|barrier|semaphore)>"
LINUX = r"<(sys/|linux/|asm/|arpa/|netinet/)?[a-z_0-9]+\.h>"
FMT = r"<fmt/.*>"
BOOST = r"<boost/.*>"
ZYDIS = r"<Zydis/.*>|<Zycore/.*>"
JSON = r"<nlohmann/.*>"
CLI = r"<CLI/.*>"
LLDB = r"<lldb/API/.*>"
VOCABULARY = r'"adapter/[a-z_]+\.hpp"'  # adapter/ itself, not adapter/server/
KVM = r'"kvm/[a-z_0-9]+\.hpp"'

# (files, may include, must not include, why). Patterns cover the whole include, brackets too.
RULES = [
    (r"adapter/server/main\.cpp", r".*", None,
     "main.cpp is the one file that may see everything"),
    (r"adapter/server/platform_command\..*", "|".join([STANDARD, LINUX, FMT, BOOST, VOCABULARY, r'"adapter/server/.*"',
                                                      r'"protocols/(platform|state)/.*"']), None,
     "platform_command puts the platform together, and sees no machine"),
    (r"adapter/server/probe_command\..*", "|".join([STANDARD, FMT, JSON, VOCABULARY, r'"adapter/server/.*"', KVM,
                                                   r'"kvm/arch/family\.hpp"']), None,
     "probe_command shows what KVM can do, and sees no machine and no protocol"),
    (r"adapter/server/options\..*", "|".join([STANDARD, FMT, CLI, VOCABULARY, r'"adapter/server/.*"']), None,
     "options turns the command line into values and knows nothing else"),
    (r"adapter/server/machine_record\..*", "|".join([STANDARD, FMT, JSON, VOCABULARY, r'"adapter/server/.*"']), None,
     "a machine's record is JSON, and no file"),
    (r"adapter/server/gateway/(sniff|door|pages|tokens)\..*", "|".join([STANDARD, FMT, r"<sys/random\.h>", VOCABULARY,
                                                                        r'"adapter/server/gateway/.*"']), None,
     "what decides who may come in is values alone, so that it is tested and fuzzed without a socket"),
    (r"adapter/server/gateway/dap_words\..*", "|".join([STANDARD, FMT, JSON, r'"adapter/server/gateway/.*"']), None,
     "what a debug adapter's client is told is JSON, and no socket"),
    (r"adapter/server/gateway/(http_head|websocket)\..*", "|".join([STANDARD, LINUX, FMT, BOOST, VOCABULARY,
                                                                    r'"adapter/server/.*"']), None,
     "HTTP and WebSocket of the library are in these two"),
    (r"adapter/server/.*", "|".join([STANDARD, LINUX, FMT, BOOST, VOCABULARY, r'"adapter/server/.*"']),
     r"<boost/beast/.*>|<linux/kvm\.h>|" + JSON,
     "adapter/server/ knows sockets and the vocabulary, no protocol and no KVM"),
    (r"adapter/trace\..*", "|".join([STANDARD, FMT, VOCABULARY]), None,
     "adapter/ is the vocabulary: it knows no protocol, no KVM and no socket"),
    (r"adapter/.*", "|".join([STANDARD, FMT, VOCABULARY]), THREADS,
     "adapter/ is the vocabulary: it knows no protocol, no KVM, no socket and no thread"),
    (r"kvm/arch/family\..*", "|".join([STANDARD, LINUX, FMT, r'"adapter/(result|types)\.hpp"', KVM,
                                      r'"kvm/arch/.*"']), None,
     "family is the list of the architectures"),
    (r"kvm/arch/(?P<arch>\w+)/.*",
     "|".join([STANDARD, LINUX, FMT, ZYDIS, r'"adapter/(result|types|registers|stop|target|trace)\.hpp"',
               KVM, r'"kvm/arch/{arch}/.*"']), None,
     "an architecture sees kvm/ and itself, not another architecture"),
    (r"kvm/machine/.*", "|".join([STANDARD, LINUX, FMT, VOCABULARY, KVM, r'"kvm/machine/.*"',
                                  r'"kvm/arch/\w+/abi\.hpp"']), ZYDIS,
     "the built-in machine sees kvm/, the vocabulary and, of an architecture, abi.hpp alone"),
    (r"kvm/.*", "|".join([STANDARD, LINUX, FMT,
                          r'"adapter/(result|types|registers|stop|target|trace|rule|bytecode)\.hpp"', KVM]), ZYDIS,
     "the engine knows no protocol, no client, no architecture's folder; Zydis stays in kvm/arch/"),
    (r"protocols/platform/.*", "|".join([STANDARD, FMT, VOCABULARY, r'"protocols/(platform|gdb)/.*"']), THREADS,
     "the platform has gdb's framing and words: vocabulary, gdb, platform"),
    (r"protocols/lldb/.*", "|".join([STANDARD, FMT, JSON, VOCABULARY, r'"protocols/(lldb|gdb)/.*"']), THREADS,
     "lldb is gdb's packets plus its own: vocabulary, gdb, lldb"),
    (r"protocols/dap/message/.*", "|".join([STANDARD, FMT, JSON, VOCABULARY, r'"protocols/dap/message/.*"']), THREADS,
     "DAP's words are text and numbers, tested without an lldb and without threads"),
    (r"protocols/dap/(wire|control)/.*",
     "|".join([STANDARD, LINUX, FMT, JSON, BOOST, VOCABULARY, r'"protocols/dap/(message|wire|control)/.*"',
               r'"protocols/gdb/(codec|text)\.hpp"']), None,
     "DAP's ways to the client and to the server know threads and sockets, and no lldb"),
    (r"protocols/dap/options\..*", "|".join([STANDARD, CLI, r'"protocols/dap/options\.hpp"']), None,
     "options turns the command line into values and knows nothing else"),
    (r"protocols/dap/(main|loop)\..*",
     "|".join([STANDARD, LINUX, FMT, JSON, LLDB, VOCABULARY, r'"protocols/dap/.*"']), None,
     "kvmdbg-dap's main thread"),
    (r"protocols/dap/session/symbols\..*", "|".join([STANDARD, FMT, JSON, LLDB, VOCABULARY, r'"protocols/dap/.*"']), None,
     "symbol files are read by a thread of their own"),
    (r"protocols/dap/.*", "|".join([STANDARD, LINUX, FMT, JSON, LLDB, VOCABULARY, r'"protocols/dap/.*"']), THREADS,
     "a DAP session is one thread's: lldb's stable API, JSON and the vocabulary"),
    (r"protocols/(?P<protocol>\w+)/.*",
     "|".join([STANDARD, FMT, JSON, VOCABULARY, r'"protocols/{protocol}/.*"']), THREADS,
     "a protocol sees the vocabulary and itself: no KVM, no socket, no thread, no other protocol"),
    (r"plugins/lldb/(packet_text|reports|x86|host_symbols)\..*",
     "|".join([STANDARD, FMT, JSON, LINUX, r'"adapter/(result|columns|msrs)\.hpp"', r'"plugins/lldb/.*"']),
     None,
     "what is text and numbers knows no lldb, so that it is tested without one"),
    (r"plugins/lldb/.*", "|".join([STANDARD, FMT, JSON, LINUX, LLDB, VOCABULARY, r'"plugins/lldb/.*"']),
     THREADS, "lldb's plugin sees lldb's stable API, JSON and the vocabulary"),
    (r"plugins/.*", "|".join([STANDARD, FMT, r"<lldb/.*>", VOCABULARY, r'"plugins/.*"']), None,
     "a plugin sees the vocabulary"),
    (r"tests/.*", r".*", None, "tests see what they test"),
]

LONG_FILE = 400
VAGUE = re.compile(r"manager|helper|util", re.I)
TYPE = re.compile(r"^\s*(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?(\w+)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+(<[^>]+>|"[^"]+")')


def rule_for(path):
    for files, may, must_not, why in RULES:
        found = re.fullmatch(files, path)
        if found:
            for key, value in found.groupdict().items():
                may = may.replace("{" + key + "}", re.escape(value))
            return may, must_not, why
    return None


def check_includes(root, path, text):
    """Also: `C.hpp` of ours must exist, so that a typo is told here and not by the compiler."""
    rule = rule_for(path)
    if not rule:
        yield f"{path}: no rule covers this folder; add one to tests/layering.py"
        return
    may, must_not, why = rule
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        what = found.group(1)
        if not re.fullmatch(may, what) or (must_not and re.fullmatch(must_not, what)):
            yield f"{path}:{number}: may not include {what}: {why}"
        elif what[1:-1].startswith(OURS) and not (root / what[1:-1]).exists():
            yield f"{path}:{number}: {what} does not exist"


def check_header(path, text):
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#pragma once":
        yield f"{path}:1: a header begins with #pragma once"
    elif len(lines) < 2 or not lines[1].startswith("///"):
        yield f"{path}:2: a header opens with one /// sentence that says what it is for"


def check_names(path, text):
    if VAGUE.search(path):
        yield f"{path}: the file name says nothing ({VAGUE.search(path).group()}); name the one topic"
    for found in TYPE.finditer(text):
        if VAGUE.search(found.group(1)):
            line = text.count("\n", 0, found.start(1)) + 1
            yield f"{path}:{line}: the type name {found.group(1)} says nothing; name what it is"


def main(argv):
    root = Path(argv[0]) if argv else Path(__file__).resolve().parents[1]
    broken, long, count = [], [], 0
    for folder in CODE:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".hpp", ".cpp") or not file.is_file():
                continue
            count += 1
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8")
            broken += check_includes(root, path, text)
            broken += check_names(path, text)
            if file.suffix == ".hpp":
                broken += check_header(path, text)
            lines = text.count("\n")
            if lines > LONG_FILE:
                long.append(f"{path}: {lines} lines; look twice at more than {LONG_FILE}")
    for line in long:
        print(f"warning: {line}")
    for line in broken:
        print(line)
    print(f"layering: {count} files, {len(broken)} rules broken, {len(long)} warnings")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
