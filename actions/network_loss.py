"""network-loss: some packets between the targets and others are lost.

Breaks: the given share of the packets that are caught is dropped, singly or in bursts. Heals: at the deadline, when the
kernel removes the set element that catching needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions import _tc
from actions._network import NetworkFault, refuse_rare
from runner.errors import UsageError
from runner.lifecycle import action
from runner.parameters import Percent

__all__ = ["NetworkLoss", "network_loss"]


@dataclass(frozen=True, kw_only=True)
class NetworkLoss(NetworkFault):
    """Lose some packets between the targets and others."""

    percent: Annotated[Percent, "how many of them: 10%"]
    correlation: Annotated[Percent, "how much each packet's fate resembles the one before: 25%"] = 0.0

    name: ClassVar = "network-loss"
    mechanism: ClassVar = "nft at the interface, to a link of its own with netem, while a set element lives"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises UsageError."""
        super().__post_init__()
        if self.correlation > 90 or (self.correlation and self.percent == 100):
            raise UsageError("--correlation is at most 90%, and nothing where all packets are lost.")

    @property
    def qdisc(self) -> str:
        """What is done to the packets.

        netem's own correlation changes the share. Two states with these chances of going from one to the other
        (Gilbert, Bell System Technical Journal 39, 1960) lose exactly that share, and a packet's fate resembles the
        one before by as much.
        """
        share, alone = self.percent / 100, 1 - self.correlation / 100
        if not self.correlation:
            return f"netem limit {_tc.ANYTHING} loss {self.percent:g}%"
        enter, leave = 100 * share * alone, 100 * (1 - share) * alone
        return f"netem limit {_tc.ANYTHING} loss gemodel {enter:.6g}% {leave:.6g}%"

    @property
    def share(self) -> float:
        """The share of exchanges that are lost, from 0 to 1: either packet may be where both directions are meant."""
        return 1 - (1 - self.percent / 100) ** self.passes

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where so few packets are lost that they do not show."""
        refuse_rare(self.share, seconds, self.correlation / 100)

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: exchanges without an answer."""
        return "lost", {"share": self.share, "correlation": self.correlation / 100}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return f"are lost, {self.percent:g}% of them"


network_loss = action(NetworkLoss)
