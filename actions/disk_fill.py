"""disk-fill: a file system has no room left at its targets.

Breaks: whoever writes there gets `No space left on device`; what is there stays as it is. Heals: at the deadline a
guardian at the target lets go of the room. The file that takes it has no name, so the kernel gives it back as soon as
the guardian is gone, however it went.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner import guarding
from runner.errors import Refused
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import Command, EndsBy, ProbeCall, Steps, format_size
from runner.parameters import Size
from runner.paths import state_dir
from runner.targets import Target

__all__ = ["DiskFill", "disk_fill"]

_FOR_US = 64 << 20


@dataclass(frozen=True)
class DiskFill(Fault):
    """Take the room on a file system."""

    path: Annotated[str, "a directory on the file system that is filled"]
    leave: Annotated[Size, "how much room is left; absent: none"] = 0

    name: ClassVar = "disk-fill"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = "a file without a name, held open by a guardian"
    needs: ClassVar = ("python3",)

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{self.path} at {who} has {format_size(self.leave) if self.leave else 'no room'} left"

    def proof(self, at: Target) -> ProbeCall:  # noqa: ARG002 - the same everywhere
        """Return the look at the room there."""
        return ProbeCall("probes.disk:room", {"path": self.path, "leave": self.leave})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the guardian; raises Refused where the ledger itself would have no room."""
        if self.leave < _FOR_US and not at.name.startswith("ssh:") and _device(at, self.path) == _ledgers(at):
            raise Refused(
                f"{self.path} is on the file system of chaosctl's own ledger ({state_dir()}), which could not be "
                f"written then. Nothing was touched.",
                f"Leave it some room, --leave={format_size(_FOR_US)}, or keep the ledger elsewhere (XDG_STATE_HOME).",
            )
        work = {"path": self.path, "leave": self.leave}
        return guarding.steps(fault_id, self.name, at.name, seconds, "fill", work)


def _device(at: Target, path: str) -> str:
    return at.run(Command(("stat", "--format=%d", path)))


def _ledgers(at: Target) -> str:
    place = state_dir()
    return _device(at, str(next(place for place in (place, *place.parents) if place.exists())))


disk_fill = action(DiskFill)
