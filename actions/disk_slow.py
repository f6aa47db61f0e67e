"""disk-slow: a disk is slow for the processes of a cgroup, and for nobody else.

Breaks: reads and writes of that cgroup at the disk below a directory, each held to so much a second (io.max). Heals: at
the deadline a guardian at the target writes the limits back that were there before. It needs cgroup version 2: the
limits of version 1 do not see what is written through the page cache, and would slow down next to nothing.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner import cgroups, guarding, processes
from runner.errors import CommandFailed, Missing
from runner.fault import Fault, Try
from runner.lifecycle import action
from runner.model import Command, EndsBy, ProbeCall, Steps, format_size
from runner.parameters import Size
from runner.targets import Target

__all__ = ["DiskSlow", "disk_slow"]

_FIX = (
    "It needs cgroup version 2 with the io controller, in a cgroup below the root: boot with "
    "systemd.unified_cgroup_hierarchy=1, and let the service have IOAccounting=yes."
)
_FREE = "rbps=max wbps=max riops=max wiops=max"


@dataclass(frozen=True)
class DiskSlow(Fault):
    """Hold a disk to a rate for a cgroup."""

    process: Annotated[str, "the program whose cgroup is slowed down: postgres"]
    path: Annotated[str, "a directory on the disk"]
    rate: Annotated[Size, "how much may be read, and how much written, in a second: 1MiB"]
    matching: Annotated[str, "only a process with this text in its command line"] = ""

    name: ClassVar = "disk-slow"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = "io.max of the target's cgroup (version 2), written back by a guardian"
    needs: ClassVar = ("python3", "ps", "findmnt")

    @classmethod
    def tries(cls) -> tuple[Try, ...]:
        """Return what shows whether cgroups have io.max."""
        places = (f"/sys/fs/cgroup/{place}cgroup.controllers" for place in ("", "unified/"))
        return (Try("io.max for cgroups", Command(("grep", "--quiet", "--word-regexp", "io", *places)), _FIX),)

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"the disk of {self.path} gives {self.process} at {who} {format_size(self.rate)} a second"

    def proof(self, at: Target) -> ProbeCall:
        """Return the look that writes there from within the cgroup."""
        arguments = {"procs": f"{self._place(at)}/cgroup.procs", "path": self.path, "rate": self.rate}
        return ProbeCall("probes.disk:speed", arguments)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the guardian; raises Missing where the cgroup or the disk has no such limit."""
        place, device = self._place(at), self._device(at)
        lines = at.run(Command(("cat", f"{place}/io.max"))).splitlines()
        before = next((line for line in lines if line.startswith(f"{device} ")), f"{device} {_FREE}")
        work = {
            "file": f"{place}/io.max",
            "during": f"{device} rbps={self.rate} wbps={self.rate}",
            "after": before,
            "shown": f"{device} rbps={self.rate} wbps={self.rate}",
            "used": f"{place}/io.stat",
            "device": f"{device} ",
        }
        return guarding.steps(fault_id, self.name, at.name, seconds, "setting", work)

    def _place(self, at: Target) -> str:
        pid = processes.chosen(at, self.process, self.matching)[0].pid
        place = cgroups.of(at, pid).unified
        try:
            at.run(Command(("cat", f"{place}/io.max")))
        except CommandFailed as error:
            raise Missing(
                f"disk-slow cannot be had at {at.name}: the cgroup of {self.process} has no io.max "
                f"({place or 'there is no cgroup version 2'}).",
                _FIX,
            ) from error
        return place

    def _device(self, at: Target) -> str:
        """Return the numbers of the whole disk: a partition has no limits of its own."""
        device = at.run(Command(("findmnt", "--noheadings", "--output=MAJ:MIN", "--target", self.path))).split()[0]
        if device.startswith("0:"):
            raise Missing(
                f"{self.path} at {at.name} is on no disk of its own (device {device}), so no disk can be slow there.",
                "Name a directory on a file system with a block device: `findmnt` shows them.",
            )
        try:
            at.run(Command(("cat", f"/sys/dev/block/{device}/partition")))
        except CommandFailed:
            return device
        return at.run(Command(("cat", f"/sys/dev/block/{device}/../dev"))).strip()


disk_slow = action(DiskSlow)
