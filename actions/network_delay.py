"""network-delay: packets between the targets and others take longer.

Breaks: every packet that is caught leaves later by the delay, which may vary. Heals: at the deadline, when the kernel
removes the set element that catching needs; packets that are held back by then leave when their time has come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from actions import _tc
from actions._network import NetworkFault
from runner.errors import UsageError
from runner.lifecycle import action
from runner.model import format_duration
from runner.parameters import Duration, Percent

__all__ = ["NetworkDelay", "network_delay"]

_LONGEST = 10.0
_SPREAD = {"uniform": 1, "normal": 4, "pareto": 8, "paretonormal": 8}
"""How many times the jitter a packet may be late: tc's tables end at four times for normal, and at eight for others."""


@dataclass(frozen=True, kw_only=True)
class NetworkDelay(NetworkFault):
    """Let packets between the targets and others take longer."""

    delay: Annotated[Duration, "how much longer: 100ms; at most 10s"]
    jitter: Annotated[Duration, "how much the delay varies to either side: 10ms; absent: not at all"] = 0.0
    correlation: Annotated[Percent, "how much each packet's delay resembles the one before: 25%"] = 0.0
    distribution: Annotated[
        Literal["uniform", "normal", "pareto", "paretonormal"], "how the jitter is distributed, by the tables of tc"
    ] = "uniform"

    name: ClassVar = "network-delay"
    mechanism: ClassVar = "nft at the interface, to a link of its own with netem, while a set element lives"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises UsageError."""
        super().__post_init__()
        if self.delay > _LONGEST:
            raise UsageError(f"--delay={format_duration(self.delay)} is longer than 10s.", "Use network-partition.")
        if self.jitter > self.delay:
            raise UsageError("--jitter is larger than --delay.", "No packet can leave before it came.")
        if not self.jitter and (self.correlation or self.distribution != "uniform"):
            raise UsageError("--correlation and --distribution are about the jitter.", "Add --jitter=TIME.")

    @property
    def qdisc(self) -> str:
        """What is done to the packets."""
        return _tc.delay(self.delay, self.jitter, self.correlation, self.distribution)

    @property
    def drains(self) -> float:
        """How long a packet is held back at most, in seconds."""
        return self.delay + _SPREAD[self.distribution] * self.jitter

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where the fault is over before an exchange is."""
        if seconds < 2 * self.drains * self.passes:
            least = format_duration(2 * self.drains * self.passes)
            raise UsageError(
                f"A delay of {format_duration(self.delay)} does not show within {format_duration(seconds)}.",
                f"Ask for a duration of at least {least}.",
            )

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: exchanges that take longer."""
        return "delayed", {"seconds": self.delay * self.passes}

    def happens(self) -> str:
        """Return what happens to the packets."""
        varying = f", give or take {format_duration(self.jitter)}" if self.jitter else ""
        return f"take {format_duration(self.delay)} longer{varying}"


network_delay = action(NetworkDelay)
