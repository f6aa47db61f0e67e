"""Processor time and memory in use, by the kernel's own accounting: the proof of cpu-stress and memory-stress."""

import threading

from runner.errors import Inconclusive
from runner.model import Command, Look, Sight, clock
from runner.targets import Target

__all__ = ["cpu", "memory"]

_WINDOW = 0.5
_FEW, _ENOUGH = 0.1, 0.2
_LITTLE, _MOST = 0.3, 0.7
_MIB = 1 << 20


def cpu(at: Target, before: Look | None, file: str, demand: float) -> Look:
    """Return whether so many processors more are in use than before, by the usage in `file` over half a second.

    A fifth of the demand is enough to be PRESENT: the rest is a matter of who else wants the processors. `file` is
    cpuacct.usage or cpu.stat of a cgroup, or /proc/stat for the whole machine.
    """
    asked = clock()
    first, begun = _used(at, file), clock()
    threading.Event().wait(_WINDOW)
    used = (_used(at, file) - first) / (clock() - begun)
    told = f"{used:.2f} processors in use by {file}"
    if before is None:
        return Look(asked, clock(), Sight.ABSENT, told, {"used": used})
    more = (used - before.evidence["used"]) / demand
    return Look(asked, clock(), _sight(more, _FEW, _ENOUGH), f"{told}, {before.evidence['used']:.2f} before")


def memory(at: Target, before: Look | None, file: str, amount: int) -> Look:
    """Return whether so many bytes more are in use than before, by `file`: PRESENT from seven tenths of them on.

    `file` is memory.usage_in_bytes or memory.current of a cgroup, or /proc/meminfo for the whole machine.
    """
    asked = clock()
    text = at.run(Command(("cat", file)))
    words = dict(line.split(":") for line in text.splitlines() if ":" in line)
    used = _kib(words["MemTotal"]) - _kib(words["MemAvailable"]) if words else int(text)
    told = f"{used / _MIB:.0f} MiB in use by {file}"
    if before is None:
        return Look(asked, clock(), Sight.ABSENT, told, {"used": used})
    more = (used - before.evidence["used"]) / amount
    return Look(asked, clock(), _sight(more, _LITTLE, _MOST), f"{told}, {before.evidence['used'] / _MIB:.0f} before")


def _sight(share: float, little: float, enough: float) -> Sight:
    if share >= enough:
        return Sight.PRESENT
    return Sight.ABSENT if share <= little else Sight.UNCLEAR


def _used(at: Target, file: str) -> float:
    """Return the processor time used so far, in seconds."""
    words = at.run(Command(("cat", file))).split()
    if words[:1] == ["cpu"]:  # user, nice, system, idle, waiting for disks, interrupts: hundredths of a second
        return sum(int(word) for position, word in enumerate(words[1:8]) if position not in (3, 4)) / 100
    if "usage_usec" in words:
        return int(words[words.index("usage_usec") + 1]) / 1e6
    if len(words) == 1:
        return int(words[0]) / 1e9
    raise Inconclusive(f"{file} at {at.name} does not say how much processor time was used.")


def _kib(words: str) -> int:
    return int(words.split(maxsplit=1)[0]) * 1024
