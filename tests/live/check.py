"""Registration of cases, and checks that say what they saw."""

CASES = []


class Skip(Exception):
    """The case cannot be shown here; the text says why."""


class Failure(AssertionError):
    pass


def case(ids=(), needs=(), limit=60, arch="x86_64"):
    """Marks a test. `ids`: rows of the case catalogue; `needs`: names for machine.missing(); `arch`: the
    CPU family of its guests, as uname names it."""

    def register(function):
        function.ids, function.needs, function.limit = tuple(ids), tuple(needs), limit
        function.arch = arch
        CASES.append(function)
        return function

    return register


def scaled(count, least=1):
    """A count for a loop, fewer where steps are slow: a tenth of the rate, a tenth of the rounds."""
    from machine import Settings

    return max(least, int(count * Settings.scale))


def show(value):
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {show(got)}, want {show(want)}")


def holds(condition, what):
    if not condition:
        raise Failure(what)


def refused(action, what):
    """`action` must be answered by an error; returns the reply."""
    from rsp import Refused

    try:
        action()
    except Refused as error:
        return error.reply
    raise Failure(f"{what}: accepted")


def at(machine, client, name, vcpu=1):
    """The vCPU stands at a symbol."""
    pc, want = client.pc(vcpu), machine[name]
    if pc != want:
        raise Failure(f"pc: got {machine.symbols.near(pc)}, want {name} ({want:#x})")


def run_to(machine, client, name, kind=1, timeout=20):
    """Continues to a symbol by a point that is gone afterwards; in memory where there are no slots."""
    from machine import missing

    if kind == 1 and missing("hardware_exec"):
        kind = 0
    client.insert(kind, machine[name])
    stop = client.cont(timeout)
    client.remove(kind, machine[name])
    holds(stop.kind == "T", f"on the way to {name}: {stop}")
    at(machine, client, name, stop.vcpu or 1)
    return stop


def ends(client, status, stop=None):
    """The guest leaves with this status (DONE n gives n * 2 + 1): a last stop, then the end."""
    stop = stop or client.cont()
    if client.last_stop_before_end:
        equal((stop.kind, stop.code), ("T", 15), f"the guest's last stop, {stop}")
        stop = client.cont()
    equal((stop.kind, stop.code), ("W", status), "the guest's end")
