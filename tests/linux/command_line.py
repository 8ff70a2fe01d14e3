"""The kernel command line for Debian's kernel under kvmdbg, and what it must be told about this host."""
import json
import subprocess

# What makes this kernel boot with the fewest instructions and without waiting for hardware:
COMMON = [
    "console=ttyS0", "earlyprintk=serial,ttyS0,115200",  # a console before and after set-up
    "nokaslr",                 # addresses as in the symbol table, direct map in its usual place
    "mitigations=off", "init_on_alloc=0", "audit=0", "apparmor=0",
    "tsc=reliable", "no_timer_check", "lpj=4000000",  # no calibration loops
    "random.trust_cpu=on", "panic=-1"]

# A host that emulates the guest may show it the real processor's CPUID leaf 1 whatever KVM was told,
# so Linux itself must be kept from features whose instructions KVM's emulator lacks. Whoever needs
# XSAVE (AVX, PKU, F16C ...) goes with it. The kernel reads 127 characters of this list, not more.
EMULATOR_LACKS = [
    "cx16", "xsave", "smap", "popcnt", "rdrand", "rdseed", "fsgsbase", "invpcid", "pcid",
    "clflushopt", "clwb", "bmi1", "bmi2", "aes", "pclmulqdq", "ssse3", "sse4_1", "sse4_2"]


def emulated(kvmdbg):
    """Whether this host runs guest code in KVM's instruction emulator."""
    done = subprocess.run([kvmdbg, "probe", "--json"], capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout).get("quirks", {}).get("emulated", False)


def command_line(emulated_guest, extra=()):
    features = ",".join(EMULATOR_LACKS)
    assert len(features) <= 127
    return " ".join([*COMMON, *([f"clearcpuid={features}"] if emulated_guest else []), *extra])
