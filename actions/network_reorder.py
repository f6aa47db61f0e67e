"""network-reorder: some packets between the targets and others overtake the rest.

Breaks: the given share of the packets that are caught passes at once, all others leave later by the delay. Heals: at
the deadline, when the kernel removes the set element that catching needs; packets that are held back by then leave when
their time has come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions import _tc
from actions._network import NetworkFault, refuse_rare
from runner.errors import UsageError
from runner.lifecycle import action
from runner.model import format_duration
from runner.parameters import Duration, Percent

__all__ = ["NetworkReorder", "network_reorder"]

_LONGEST = 1.0


@dataclass(frozen=True, kw_only=True)
class NetworkReorder(NetworkFault):
    """Let some packets between the targets and others overtake the rest."""

    percent: Annotated[Percent, "how many of them pass at once: 25%"]
    delay: Annotated[Duration, "how much later the others are: 50ms; at most 1s"]

    name: ClassVar = "network-reorder"
    mechanism: ClassVar = "nft at the interface, to a link of its own with netem, while a set element lives"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises UsageError."""
        super().__post_init__()
        if self.delay > _LONGEST:
            raise UsageError(f"--delay={format_duration(self.delay)} is longer than 1s.", "Use network-delay.")
        if self.percent > 95:
            raise UsageError(f"--percent={self.percent:g}% leaves too few to be overtaken.", "Ask for at most 95%.")

    @property
    def qdisc(self) -> str:
        """What is done to the packets."""
        return f"netem limit {_tc.ANYTHING} delay {_tc.microseconds(self.delay)} reorder {self.percent:g}%"

    @property
    def drains(self) -> float:
        """How long a packet is held back at most, in seconds."""
        return self.delay

    @property
    def share(self) -> float:
        """The least share of exchanges that overtake one before them, from 0 to 1."""
        return self.percent / 100 * (1 - self.percent / 100)

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where so few packets overtake others that they do not show."""
        refuse_rare(self.share, seconds)

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: answers in another order than the requests."""
        return "reordered", {"share": self.share, "seconds": self.delay}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return f"overtake others, {self.percent:g}% of them, by {format_duration(self.delay)}"


network_reorder = action(NetworkReorder)
