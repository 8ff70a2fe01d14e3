"""Debian packages, downloaded and unpacked into a folder: nothing on the machine is installed or changed."""

import os
import platform
import re
import shutil
import subprocess
import sys

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # Debian's names


class Missing(Exception):
    """A lab cannot be had here; the text says why."""


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                              timeout=600, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Apt:
    """apt for one architecture. The machine's own uses its package lists; a foreign one has lists
    of its own, from the same places, so that dpkg's architectures stay as they are."""

    def __init__(self, architecture, cache):
        self.architecture, self.cache = architecture, cache
        self.native = architecture == MACHINES.get(platform.machine())
        self.options = ["-o", "Acquire::Retries=5"]
        if os.geteuid() == 0:
            self.options += ["-o", "APT::Sandbox::User=root"]  # the cache may be closed to others
        if not self.native:
            self.root = cache / f"apt-{architecture}"
            self.options += ["-o", f"Dir::State={self.root}/lib", "-o", f"Dir::Cache={self.root}/cache",
                             "-o", f"Dir::State::status={self.root}/status",
                             "-o", f"APT::Architecture={architecture}",
                             "-o", f"APT::Architectures::={architecture}"]
            self._make_root()

    def _make_root(self):
        for folder in ("lib/lists/partial", "cache/archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        if not list((self.root / "lib/lists").glob("*Packages*")):
            self.update()

    def update(self):
        say(f"fetching the package lists of {self.architecture}")
        run("apt-get", *self.options, "update", "-q")

    def newest(self, meta):
        """What a meta package (linux-image-cloud-amd64) stands for now."""
        text = run("apt-cache", *self.options, "depends", "--important", meta)
        found = re.search(r"Depends: (linux-image-\d\S*)", text)
        if not found:
            raise Missing(f"apt knows no {meta}; try: apt-get update")
        return found[1]

    def fetch(self, names):
        """Downloads what is not there yet; the paths of the .deb files. Lists that are older than what they
        name are fetched anew, where that is allowed."""
        try:
            return self._fetch(names)
        except Missing:
            if self.native and os.geteuid() != 0:
                raise
            self.update()
            return self._fetch(names)

    def _fetch(self, names):
        text = run("apt-get", *self.options, "download", "--print-uris", *names)
        files = [line.split()[1] for line in text.splitlines() if line.startswith("'")]
        if len(files) != len(names):
            raise Missing(f"of {' '.join(names)} apt has only {' '.join(files)}; try: apt-get update")
        folder = self.cache / "debs"
        folder.mkdir(parents=True, exist_ok=True)
        absent = [f.partition("_")[0] for f in files if not (folder / f).exists()]  # in apt's order
        if absent:
            say(f"downloading {' '.join(absent)}")
            run("apt-get", *self.options, "-q", "download", *absent, cwd=folder)
        lost = [f for f in files if not (folder / f).exists()]
        if lost:
            raise Missing(f"apt-get download left no {' '.join(lost)}")
        return [folder / f for f in files]

    def absent(self, names):
        """These and what they depend on, without what is installed."""
        text = run("apt-get", *self.options, "install", "-s", "--no-install-recommends", *names)
        return re.findall(r"^Inst (\S+) \(", text, re.M)


def unpacked(debs, cache, name):
    """A folder with the content of the packages; made again when they change."""
    folder, stamp = cache / name, cache / f"{name}.packages"
    wanted = "\n".join(d.name for d in debs)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    say(f"unpacking {len(debs)} packages into {folder}")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    for deb in debs:
        run("dpkg-deb", "-x", deb, folder)
    stamp.write_text(wanted)
    return folder


def tools(names, cache):
    """(folder, environment) in which programs of these packages run, installed or not."""
    apt = Apt(MACHINES.get(platform.machine(), platform.machine()), cache)
    debs = [deb for name in apt.absent(names) for deb in apt.fetch([name])]
    folder = unpacked(debs, cache, "tools-" + names[0])
    libraries = folder / "usr/lib" / f"{platform.machine()}-linux-gnu"
    return folder, os.environ | {
        "PATH": f"{folder}/usr/bin:{os.environ.get('PATH', '/usr/bin')}",
        "LD_LIBRARY_PATH": f"{libraries}:{folder}/lib/{platform.machine()}-linux-gnu"}
