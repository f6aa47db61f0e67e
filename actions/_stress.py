"""Where stress runs and what it is measured by: shared by the faults that take processor time and memory."""

from typing import Any

from runner import cgroups, processes
from runner.cgroups import Cgroup
from runner.model import Command
from runner.targets import Target

__all__ = ["place", "reserve", "spoken", "work"]

_LEAST_FREE = 256 << 20


def place(at: Target, process: str, matching: str) -> Cgroup:
    """Return the cgroup of the first process that is meant; without one the whole machine's."""
    return cgroups.of(at, processes.chosen(at, process, matching)[0].pid if process else None)


def spoken(process: str, who: str) -> str:
    """Return that place as part of a sentence."""
    return f"the cgroup of {process} at {who}" if process else who


def reserve(at: Target) -> tuple[int, int]:
    """Return how many bytes of memory the machine has to spare, and how many must stay free whatever happens."""
    text = at.run(Command(("cat", "/proc/meminfo")))
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()}
    return sizes["MemAvailable"], max(_LEAST_FREE, sizes["MemTotal"] // 20)


def work(at: Target, cgroup: Cgroup, argv: list[str], process: str, counted: str) -> dict[str, Any]:
    """Return what a guardian needs to run a program in a cgroup; `counted` is `switches` or `faults`."""
    return {
        "argv": argv,
        "cgroups": cgroup.procs,
        "members": cgroup.procs[0] if process else "",
        "network": at.run(Command(("readlink", "/proc/self/ns/net"))).strip(),
        "counted": counted,
        "limits": {},
        "reserve": reserve(at)[1],
    }
