#!/usr/bin/env python3
"""Installs a build to a folder of its own and uses it from there.

Usage: run.py BUILD

One line per check, then `N passed, N failed, N skipped`. A consumer's compiler cache is used when
there is one, so that only the first run costs much.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Skip(Exception):
    """Cannot be checked here; the text says why."""


def output(*command, status=0, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False, **options)
    if done.returncode != status:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def options_of(help_text):
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", help_text, re.M))


class Installed:
    def __init__(self, build, prefix):
        self.prefix = prefix
        output("cmake", "--install", build, "--prefix", prefix)
        self.program = prefix / "bin/kvmdbg"
        self.options = {words: options_of(output(self.program, *words.split(), "--help"))
                        for words in ("", "run", "list", "platform", "probe", "dump")}

    def text(self, path):
        return (self.prefix / path).read_text(encoding="utf-8")


def program(installed):
    version = output(installed.program, "--version")
    assert re.fullmatch(r"kvmdbg \d+\.\d+\.\d+\n", version), version
    for words, least in (("", 2), ("run", 10), ("list", 2), ("platform", 3), ("probe", 2), ("dump", 3)):
        assert len(installed.options[words]) >= least, f"--help of {words!r} was not understood"


def man_page_is_complete(installed):
    page = installed.text("share/man/man1/kvmdbg.1")
    named = set(re.findall(r"^\.It Fl (?:h , )?-([a-z-]+)", page, re.M))
    wanted = {option[2:] for options in installed.options.values() for option in options}
    assert named == wanted, f"man page and --help differ: {sorted(named ^ wanted)}"
    synopsis = page.partition(".Sh SYNOPSIS")[2].partition(".Sh")[0]
    missing = [option for option in installed.options["run"] if f"Fl {option[1:]}" not in synopsis]
    assert missing == ["--help"] or not missing, f"not in the synopsis: {missing}"


def man_page_is_clean(installed):
    page = installed.prefix / "share/man/man1/kvmdbg.1"
    if shutil.which("mandoc"):
        said = output("mandoc", "-Tlint", "-Wwarning", page)
    elif shutil.which("groff"):
        said = output("groff", "-mandoc", "-ww", "-Tutf8", "-z", page)
    else:
        raise Skip("neither mandoc nor groff is installed")
    assert not said, said


def complete(installed, line):
    """What bash offers for the last word of the line."""
    program_name = line.split(" ")[0]
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _${1//-/_}; '
              'printf "%s\\n" "${COMPREPLY[@]}"; complete -p "$1" >/dev/null')
    file = installed.prefix / "share/bash-completion/completions" / program_name
    return output("bash", "-c", script, "bash", file, *line.split(" "), cwd=HERE).split("\n")[:-1]


def bash_completes(installed):
    assert set(complete(installed, "kvmdbg ")) == {"run", "list", "platform", "probe", "dump", "--help", "--version"}
    for command in ("run", "list", "platform", "probe", "dump"):
        offered = set(complete(installed, f"kvmdbg {command} --"))
        assert offered == installed.options[command], f"{command}: {offered}"
    assert complete(installed, "kvmdbg run --li") == ["--listen"]
    assert complete(installed, "kvmdbg run --listen st") == ["stdio"]
    assert complete(installed, "kvmdbg run --cpus 2 --kill po") == ["poweroff"]
    assert complete(installed, "kvmdbg run --irqchip ") == ["kernel", "none"]
    assert complete(installed, "kvmdbg run run.") == ["run.py"]
    assert complete(installed, "kvmdbg run --initrd cons") == ["consumer"]
    assert complete(installed, "kvmdbg run --console p") == ["pty"]
    assert complete(installed, "kvmdbg run --memory ") == [""]


def other_shells_name_all(installed):
    zsh = installed.text("share/zsh/site-functions/_kvmdbg")
    fish = installed.text("share/fish/vendor_completions.d/kvmdbg.fish")
    for command in ("run", "list", "platform", "probe", "dump"):
        part = zsh.partition(f"{command})")[2].partition(";;")[0]
        found = set(re.findall(r"'(?:\*|\([a-z -]+\))?(--[a-z-]+)\[", part))
        assert found == installed.options[command], f"zsh: {found ^ installed.options[command]}"
    named = {"--" + name for name in re.findall(r"^complete .* -l ([a-z-]+)", fish, re.M)}
    wanted = set().union(*installed.options.values())
    assert named == wanted, f"fish: {named ^ wanted}"


def debug_adapter_is_described(installed):
    """Its man page and completions against its --help."""
    adapter = installed.prefix / "bin/kvmdbg-dap"
    if not adapter.exists():
        raise Skip("kvmdbg-dap is not built: liblldb was not there")
    wanted = options_of(output(adapter, "--help"))
    assert len(wanted) > 8, f"--help was not understood: {wanted}"
    named = {}
    named["man page"] = set(re.findall(r"-([a-z-]+) Ar", installed.text("share/man/man1/kvmdbg-dap.1")))
    named["bash"] = {option[2:] for option in complete(installed, "kvmdbg-dap --")}
    named["zsh"] = set(re.findall(r"--([a-z-]+)\[", installed.text("share/zsh/site-functions/_kvmdbg-dap"))) | {"help"}
    named["fish"] = set(re.findall(r" -l ([a-z-]+)", installed.text("share/fish/vendor_completions.d/kvmdbg-dap.fish")))
    named["man page"] |= {"help", "version"}  # as every program has them
    for where, found in named.items():
        assert {"--" + name for name in found} == wanted, f"{where}: {sorted(found)} against {sorted(wanted)}"
    assert complete(installed, "kvmdbg-dap --role ob") == ["observe"]
    assert complete(installed, "kvmdbg-dap --framing ") == ["stream", "websocket"]
    assert complete(installed, "kvmdbg-dap --root cons") == ["consumer"]


def fish_completes(installed):
    if not shutil.which("fish"):
        raise Skip("fish is not installed")
    file = installed.prefix / "share/fish/vendor_completions.d/kvmdbg.fish"
    for line, want in (("kvmdbg run --li", "--listen"), ("kvmdbg pro", "probe"),
                       ("kvmdbg run --kill po", "poweroff"), ("kvmdbg probe --js", "--json")):
        offered = output("fish", "--no-config", "-c", f"source {file}; complete -C '{line}'")
        assert [row.split("\t")[0] for row in offered.splitlines()] == [want], f"{line}: {offered}"


def zsh_parses(installed):
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    output("zsh", "-n", installed.prefix / "share/zsh/site-functions/_kvmdbg")


def lldb_plugin_loads(installed):
    """And finds the kvmdbg that was installed with it."""
    lldb = shutil.which("lldb-22") or shutil.which("lldb")
    if not lldb:
        raise Skip("lldb is not installed")
    plugin = next(installed.prefix.glob("lib/**/kvmdbg/lldb/libkvmdbg-lldb.so"), None)
    if not plugin:
        raise Skip("the lldb plugin is not built: lldb's headers were not there")
    assert (plugin.parent / "guest_threads.py").exists()
    said = output("env", "-u", "KVMDBG", lldb, "-x", "-b", "-o", f"plugin load {plugin}", "-o", "kvm program")
    assert said.splitlines()[-1] == str(installed.prefix / "bin/kvmdbg"), said


def gdb_plugin_loads(installed):
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    plugin = installed.prefix / "share/kvmdbg/gdb/kvmdbg.py"
    said = output("gdb", "-nx", "-batch", "-ex", f"source {plugin}", "-ex", "help kvm walk")
    assert said.startswith("Page-table walk: kvm walk ADDRESS"), said


def consumer_builds(installed):
    build = installed.prefix / "consumer"
    settings = [f"-DCMAKE_PREFIX_PATH={installed.prefix}", "-DCMAKE_BUILD_TYPE=Release"]
    if shutil.which("ccache"):
        settings.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    environment = {**os.environ, "CXXFLAGS": "-Wall -Wextra -Werror"}
    output("cmake", "-S", HERE / "consumer", "-B", build, *settings, env=environment)
    output("cmake", "--build", build)
    said = output(build / "consumer")
    assert said == "rip\ngdb\n$qC#b4\nat entry\n", said
    targets = list(installed.prefix.rglob("kvmdbgTargets*.cmake"))
    assert targets, "no exported targets"
    for file in targets:
        text = file.read_text(encoding="utf-8")
        assert "-Werror" not in text and str(HERE.parents[1]) not in text, f"{file} tells too much"


CHECKS = [program, man_page_is_complete, man_page_is_clean, bash_completes, other_shells_name_all,
          debug_adapter_is_described, fish_completes, zsh_parses, gdb_plugin_loads, lldb_plugin_loads, consumer_builds]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    build = parser.parse_args().build.resolve()
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    # always the same place, so that a compiler cache knows the consumer again
    prefix = build / "installed"
    shutil.rmtree(prefix, ignore_errors=True)
    installed = Installed(build, prefix)
    for check in CHECKS:
        try:
            check(installed)
            word, why = "PASS", ""
        except Skip as reason:
            word, why = "SKIP", f": {reason}"
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            word, why = "FAIL", f": {error or 'no text'}"
        counts[word] += 1
        print(f"{word} {check.__name__}{why}", flush=True)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
