"""A fault of the tests' own: packet rules that match nothing, proven by looking whether they are armed."""

from dataclasses import dataclass, replace
from threading import Event
from typing import Annotated, Any, ClassVar

from runner import tables
from runner.errors import ChaosctlError
from runner.fault import Fault
from runner.lifecycle import Injection, action
from runner.model import Command, EndsBy, Look, ProbeCall, Sight, Steps, clock
from runner.plan import plan
from runner.targets import Target
from tests._table import listed, planned


@dataclass(frozen=True)
class Scratch(Fault):
    """Needs a namespace and nothing else."""

    fails_at: Annotated[str, "the target where its command fails after it did its work"] = ""
    unseen_at: Annotated[str, "the target where nothing of it shows"] = ""
    odd_at: Annotated[str, "the target that looks odd without it"] = ""

    name: ClassVar = "scratch"
    ends_by: ClassVar = EndsBy.KERNEL
    mechanism: ClassVar = "nft"
    needs: ClassVar = ("nft",)

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} is scratched"

    def proof(self, at: Target) -> ProbeCall:
        """Return the look at its rules."""
        return ProbeCall(f"{__name__}:look", {"unseen": at.name == self.unseen_at, "odd": at.name == self.odd_at})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return a table that drops nothing."""
        steps = planned(at, fault_id, seconds).sites[0].steps
        if at.name == self.fails_at:
            failing = Command(("sh", "-c", "echo broken >&2; exit 9"))
            return replace(steps, inject=(*steps.inject, failing))
        return steps


def look(at: Target, before: Look | None, unseen: bool, odd: bool) -> Look:
    """See whether any fault is armed there."""
    asked = clock()
    if odd and before is None:
        raise ChaosctlError(f"{at.name} cannot be looked at.")
    present = "elements = {" in listed(at) and not unseen
    shown = "armed" if present else "nothing armed"
    return Look(asked, clock(), Sight.PRESENT if present else Sight.ABSENT, f"{at.name} has {shown}")


scratch = action(Scratch)


class Scratched:
    """One injection of it, with what it told."""

    def __init__(self, *targets: Target, duration: str = "60s", **arguments: Any) -> None:
        where = ",".join(at.name for at in targets)
        self.told: list[tuple[str, str]] = []
        planned_fault = plan(Scratch, {"where": where, "duration": duration, **arguments})
        self.injection = Injection(planned_fault, Event(), lambda what, sentence: self.told.append((what, sentence)))

    @property
    def words(self) -> list[str]:
        """The words of what was told."""
        return [what for what, _ in self.told]


def left(*targets: Target) -> list[str]:
    """Return the faults found at these targets, live or inert."""
    return [found.id for at in targets for found in tables.found(listed(at))]
