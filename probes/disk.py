"""Disks, tried from where a target is: the proof of disk-fill and disk-slow."""

from runner.model import Command, Look, Sight, clock
from runner.targets import Target

__all__ = ["room", "speed"]

_MIB = 1 << 20
_WRITE = """
import mmap, os, sys, time
joined, place, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(joined, "w") as file: file.write("0")
handle = os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_DIRECT, 0o600)
block = mmap.mmap(-1, 1 << 16)
begun = time.monotonic()
for _ in range(max(1, size >> 16)): os.write(handle, block)
print(time.monotonic() - begun)
"""


def room(at: Target, before: Look | None, path: str, leave: int) -> Look:
    """Return whether a file system has no more room than `leave` bytes, PRESENT, or most of what it had, ABSENT."""
    asked = clock()
    free = int(at.run(Command(("df", "--output=avail", "--block-size=1", path))).split()[-1])
    told = f"{free / _MIB:.0f} MiB free at {path}"
    if before is None:
        sight = Sight.ABSENT if free > 2 * leave + _MIB else Sight.UNCLEAR
        return Look(asked, clock(), sight, told, {"free": free})
    had = before.evidence["free"]
    sight = Sight.PRESENT if free <= leave + max(_MIB, 0.02 * had) else Sight.UNCLEAR
    if free >= 0.8 * had:
        sight = Sight.ABSENT
    return Look(asked, clock(), sight, f"{told}, {had / _MIB:.0f} before")


def speed(at: Target, before: Look | None, procs: str, path: str, rate: float) -> Look:
    """Return whether a second's worth of direct writes from within a cgroup takes about a second.

    `procs` is the cgroup's file of processes, `rate` in bytes a second.
    """
    asked = clock()
    argv = ("python3", "-I", "-c", _WRITE, procs, path, str(round(rate)))
    took = float(at.run(Command(argv), timeout=30.0))
    told = f"{rate / _MIB:.1f} MiB written to {path} in {took:.2f} s"
    if before is None:
        sight = Sight.ABSENT if took < 0.3 else Sight.UNCLEAR
        return Look(asked, clock(), sight, told, {"took": took})
    slow = took >= max(0.5, 2 * before.evidence["took"])
    return Look(
        asked, clock(), Sight.PRESENT if slow else Sight.ABSENT, f"{told}, {before.evidence['took']:.2f} before"
    )
