"""network-duplicate: some packets between the targets and others arrive twice.

Breaks: the given share of the packets that are caught is sent a second time at once. Heals: at the deadline, when the
kernel removes the set element that catching needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions import _tc
from actions._network import NetworkFault, refuse_rare
from runner.lifecycle import action
from runner.parameters import Percent

__all__ = ["NetworkDuplicate", "network_duplicate"]


@dataclass(frozen=True, kw_only=True)
class NetworkDuplicate(NetworkFault):
    """Send some packets between the targets and others twice."""

    percent: Annotated[Percent, "how many of them: 10%"]

    name: ClassVar = "network-duplicate"
    mechanism: ClassVar = "nft at the interface, to a link of its own with netem, while a set element lives"

    @property
    def qdisc(self) -> str:
        """What is done to the packets."""
        return f"netem limit {_tc.ANYTHING} duplicate {self.percent:g}%"

    @property
    def share(self) -> float:
        """The share of exchanges that are answered more than once, from 0 to 1."""
        return 1 - (1 - self.percent / 100) ** self.passes

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where so few packets are doubled that they do not show."""
        refuse_rare(self.share, seconds)

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: answers that come more than once."""
        return "doubled", {"share": self.share}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return f"arrive twice, {self.percent:g}% of them"


network_duplicate = action(NetworkDuplicate)
