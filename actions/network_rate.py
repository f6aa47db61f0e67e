"""network-rate: packets between the targets and others pass at a limited rate.

Breaks: the packets that are caught, all together, pass at so many bits a second and queue for at most half a second;
what does not fit is lost. Heals: at the deadline, when the kernel removes the set element that catching needs; packets
that are queued by then leave at that rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions._network import NetworkFault
from runner.errors import UsageError
from runner.lifecycle import action
from runner.model import format_duration, format_rate
from runner.parameters import Rate

__all__ = ["NetworkRate", "network_rate"]

_QUEUED = 0.5
_SMALLEST_QUEUE = 15_000
_BURST = 0.001
_SMALLEST_BURST = 1_600
_TAKES = 3.0


@dataclass(frozen=True, kw_only=True)
class NetworkRate(NetworkFault):
    """Limit how fast packets between the targets and others pass."""

    rate: Annotated[Rate, "how many bits a second: 512kbit, 1mbit; those of each direction count apart"]

    name: ClassVar = "network-rate"
    mechanism: ClassVar = "nft at the interface, to a link of its own with tbf, while a set element lives"
    kind: ClassVar = "tbf rate 1mbit burst 1600 limit 15000"

    @property
    def qdisc(self) -> str:
        """What is done to the packets: a token bucket, whose queue is limited in bytes and takes large ones apart."""
        burst = max(_SMALLEST_BURST, round(self.rate / 8 * _BURST))
        return f"tbf rate {round(self.rate)}bit burst {burst} limit {self._queue}"

    @property
    def drains(self) -> float:
        """How long a packet is held back at most, in seconds."""
        return self._queue * 8 / self.rate

    @property
    def _queue(self) -> int:
        """How many bytes may queue: some packets at least, also where they take long."""
        return max(_SMALLEST_QUEUE, round(self.rate / 8 * _QUEUED))

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where the fault is over before a train of packets has passed."""
        if seconds < _TAKES:
            raise UsageError(
                f"A limit does not show within {format_duration(seconds)}.",
                f"Ask for a duration of at least {format_duration(_TAKES)}.",
            )

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: how fast the answers to a train of packets follow each other."""
        return "limited", {"rate": self.rate}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return f"pass at no more than {format_rate(self.rate)} a second"


network_rate = action(NetworkRate)
