"""The cgroups of a target's processes, version 1, version 2 or both at once, by what /proc says there."""

from dataclasses import dataclass

from runner.errors import CommandFailed
from runner.model import Command
from runner.targets import Target

__all__ = ["Cgroup", "of"]

_JOINED = "cpu", "cpuacct", "cpuset", "memory", "blkio"


@dataclass(frozen=True)
class Cgroup:
    """One cgroup in each hierarchy: `places` by controller of version 1; `unified` of version 2, empty without."""

    at: Target
    places: dict[str, str]
    unified: str

    @property
    def procs(self) -> list[str]:
        """The files by which a process joins it, where processor time, memory and disks are counted."""
        first = [f"{self.places[name]}/cgroup.procs" for name in _JOINED if name in self.places]
        second = [f"{self.unified}/cgroup.procs"] if self.unified and len(first) < len(_JOINED) else []
        return list(dict.fromkeys([*first, *second]))

    def file(self, controller: str, first: str, second: str) -> str:
        """Return the path of a controller's file, by its names in version 1 and 2; empty where it is not there."""
        place = self.places.get(controller)
        return f"{place}/{first}" if place else f"{self.unified}/{second}" if self.unified else ""

    def read(self, path: str) -> str:
        """Return what a file of it says, nothing where it has none, as the root of version 2 has not."""
        try:
            return self.at.run(Command(("cat", path))).strip() if path else ""
        except CommandFailed:
            return ""

    @property
    def processors(self) -> float:
        """How many processors it may use at most; infinite where it has no quota."""
        both = self.read(self.file("cpu", "cpu.cfs_quota_us", "cpu.max")).split()
        period = both[1:] or self.read(self.file("cpu", "cpu.cfs_period_us", "cpu.max")).split()[:1]
        limited = both and period and both[0] not in ("max", "-1")
        return int(both[0]) / int(period[0]) if limited else float("inf")

    @property
    def memory(self) -> float:
        """How many bytes of memory it may use in addition; infinite where it has no limit of its own."""
        limit = self.read(self.file("memory", "memory.limit_in_bytes", "memory.max"))
        used = self.read(self.file("memory", "memory.usage_in_bytes", "memory.current"))
        limited = limit.isdigit() and used.isdigit() and int(limit) < 1 << 60
        return int(limit) - int(used) if limited else float("inf")


def of(at: Target, pid: int | None) -> Cgroup:
    """Return the cgroup of a process; without one the roots, which are the whole machine."""
    mounts: dict[str, str] = {}
    for line in at.run(Command(("cat", "/proc/self/mountinfo"))).splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            names = [""] if kind == "cgroup2" else options.split(" ")[-1].split(",")
            mounts |= {name: before.split()[4] for name in names if name not in mounts}
    paths = _paths(at, pid) if pid else {}
    places = {name: f"{mounts[name]}{paths.get(name, '/')}".rstrip("/") for name in _JOINED if name in mounts}
    return Cgroup(at, places, f"{mounts['']}{paths.get('', '/')}".rstrip("/") if "" in mounts else "")


def _paths(at: Target, pid: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in at.run(Command(("cat", f"/proc/{pid}/cgroup"))).splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found
