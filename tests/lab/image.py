"""The inside of a lab: an initramfs of Debian's kernel modules, a Python, kvmdbg and the live suite."""

import hashlib
import os
import pathlib
import py_compile
import re
import sys
import tempfile

from packages import Missing, run, say

HERE = pathlib.Path(__file__).resolve().parent
LIVE = HERE.parent / "live"
sys.path.insert(0, str(HERE.parent / "linux"))
from initramfs import DEVICE, DIRECTORY, FILE, Archive  # noqa: E402

PYTHON = "usr/lib/python3.11"
PROGRAMS = ("kvmdbg", "fault_sweep", "kvm_rules")  # of the build folder
# of the standard library: what is large and what the live suite never imports
NOT_NEEDED = set("asyncio ctypes curses dbm distutils email html http idlelib lib2to3 logging "
                 "pydoc_data sqlite3 test tkinter turtledemo unittest wsgiref xmlrpc "
                 "zoneinfo __phello__ __pycache__ config-3.11".split())
EXTENSIONS = ("_json", "_multiprocessing", "_posixshmem", "_queue", "mmap", "resource", "termios")
LOADERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}


class Tree:
    """An archive that makes the folders of what is put into it."""

    def __init__(self):
        self.archive, self.folders = Archive(), set()

    def folder(self, name):
        if name in self.folders or name == ".":
            return
        self.folder(os.path.dirname(name) or ".")
        self.folders.add(name)
        self.archive.add(name, DIRECTORY)

    def put(self, name, content, mode=FILE, **more):
        self.folder(os.path.dirname(name) or ".")
        self.archive.add(name, mode, content, **more)


def modules_with_needs(tree, names):
    """Module files in the order of loading, by what each says of itself."""
    found = {p.stem.replace("_", "-"): p for p in tree.glob("lib/modules/*/kernel/**/*.ko")}
    order = []

    def add(name):
        if name not in found:
            raise Missing(f"the kernel's package has no module {name}")
        for need in re.findall(rb"depends=([^\0]*)\0", found[name].read_bytes()):
            for other in filter(None, need.decode().split(",")):
                add(other.replace("_", "-"))
        if found[name] not in order:
            order.append(found[name])

    for name in names:
        add(name)
    return order


def python_files(tree):
    """(name, content): compiled where this Python is of the same version."""
    library = tree / PYTHON
    same = sys.version_info[:2] == (3, 11)
    with tempfile.TemporaryDirectory() as room:
        for path in sorted(library.rglob("*.py")):
            name = path.relative_to(library)
            if NOT_NEEDED.intersection(name.parts):
                continue
            content = path.read_bytes()
            if same:
                name = name.with_suffix(".pyc")
                compiled = os.path.join(room, "c")
                py_compile.compile(str(path), compiled, str(name), doraise=True,
                                   invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
                content = pathlib.Path(compiled).read_bytes()
            yield f"{PYTHON}/{name}", content
    for extension in EXTENSIONS:
        for path in library.glob(f"lib-dynload/{extension}.*.so"):
            yield f"{PYTHON}/lib-dynload/{path.name}", path.read_bytes()


def libraries(tree, programs, native):
    """File name to path of every shared library that Python and the programs need. Those of the
    machine that built the programs come first: they are as new as the programs want."""
    places = {p.name: p for p in (*tree.glob("usr/lib/*-linux-gnu/*.so*"),
                                  *tree.glob("lib/*-linux-gnu/*.so*"))}
    if native:
        for program in programs:
            for path in re.findall(r"(/\S+) \(0x", run("ldd", program)):
                places[os.path.basename(path)] = pathlib.Path(path)
    out, waiting = {}, [tree / "usr/bin/python3.11", *programs]
    while waiting:
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", waiting.pop())):
            if name in out:
                continue
            if name not in places:
                raise Missing(f"no package of the lab has {name}")
            out[name] = places[name]
            waiting.append(places[name])
    return out


def fingerprint(*parts):
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else str(part).encode())
        total.update(b"\0")
    return total.hexdigest()[:16]


def base(lab, tree, packages, programs, native, cache):
    """What stays from run to run, as a cpio archive."""
    shared = libraries(tree, programs, native)
    key = fingerprint(packages, lab.modules, pathlib.Path(__file__).read_bytes(), sys.version,
                      *(p.read_bytes() for p in shared.values()))
    kept = cache / f"{lab.name}.base-{key}"
    if kept.exists():
        return kept.read_bytes()
    say("putting kernel modules and Python together")
    out = Tree()
    for name in ("dev", "proc", "sys", "tmp"):
        out.folder(name)
    out.put("dev/console", b"", DEVICE, device=(5, 1))
    out.put("bin/busybox", (tree / "bin/busybox").read_bytes())
    out.put("usr/bin/python3", (tree / "usr/bin/python3.11").read_bytes())
    for name, content in python_files(tree):
        out.put(name, content)
    for number, path in enumerate(modules_with_needs(tree, lab.modules)):
        out.put(f"modules/{number}-{path.name}", path.read_bytes())
    loader = LOADERS[lab.machine]
    for name, path in shared.items():
        place = loader if name == os.path.basename(loader) else f"lib/{lab.machine}-linux-gnu/{name}"
        out.put(place, path.read_bytes())
    content = out.archive.finish()
    for old in cache.glob(f"{lab.name}.base-*"):
        old.unlink()
    kept.write_bytes(content)
    return content


def suite(build, job):
    """What changes: the programs, the guests, the suite and what is to be run."""
    out = Tree()
    out.put("init", (HERE / "init").read_bytes())
    out.put("job", job.encode())
    for name in PROGRAMS:
        out.put(f"build/{name}", (build / name).read_bytes())
    for path in sorted((build / "guests").rglob("*")):
        if path.is_file():
            out.put(f"build/guests/{path.relative_to(build / 'guests')}", path.read_bytes())
    for path in sorted((*LIVE.glob("*.py"), *HERE.parent.glob("linux/*.py"))):
        out.put(f"tests/{path.parent.name}/{path.name}", path.read_bytes())
    return out.archive.finish()


def kernel_of(tree):
    found = sorted(tree.glob("boot/vmlinuz-*"))
    if not found:
        raise Missing("the kernel's package has no vmlinuz")
    return found[-1]
