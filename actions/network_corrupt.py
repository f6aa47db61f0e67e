"""network-corrupt: some packets between the targets and others arrive with a bit flipped.

Breaks: in the given share of the packets that are caught one bit is inverted, somewhere. Receivers find most of them by
their checksums and discard them. Heals: at the deadline, when the kernel removes the set element that catching needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions import _tc
from actions._network import NetworkFault, refuse_rare
from runner.lifecycle import action
from runner.parameters import Percent

__all__ = ["NetworkCorrupt", "network_corrupt"]

_NOTICED = 0.85
"""The share of flipped bits that shows in an exchange: those in the frame's source address and padding do not."""


@dataclass(frozen=True, kw_only=True)
class NetworkCorrupt(NetworkFault):
    """Flip a bit in some packets between the targets and others."""

    percent: Annotated[Percent, "in how many of them: 10%"]

    name: ClassVar = "network-corrupt"
    mechanism: ClassVar = "nft at the interface, to a link of its own with netem, while a set element lives"

    @property
    def qdisc(self) -> str:
        """What is done to the packets."""
        return f"netem limit {_tc.ANYTHING} corrupt {self.percent:g}%"

    @property
    def share(self) -> float:
        """The share of exchanges that get no answer because a packet was discarded, from 0 to 1."""
        return 1 - (1 - _NOTICED * self.percent / 100) ** self.passes

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where so few packets are corrupted that they do not show."""
        refuse_rare(self.share, seconds)

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: exchanges without an answer, because what arrives damaged is discarded."""
        return "lost", {"share": self.share, "correlation": 0.0}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return f"arrive damaged, {self.percent:g}% of them"


network_corrupt = action(NetworkCorrupt)
