"""network-partition: targets and others cannot reach each other.

Breaks: every packet that is caught is lost on its way, and nobody is told. Heals: at the deadline, when the kernel
removes the set element that catching needs. Programs notice when they try again: TCP waits longer from time to time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from actions._network import NetworkFault
from runner.lifecycle import action

__all__ = ["NetworkPartition", "network_partition"]


@dataclass(frozen=True, kw_only=True)
class NetworkPartition(NetworkFault):
    """Let targets and others not reach each other."""

    direction: Annotated[Literal["out", "in", "both"], "packets that go there, come from there, or both"] = "both"

    name: ClassVar = "network-partition"
    mechanism: ClassVar = "nft at the interface: packets dropped while a set element lives"
    kind: ClassVar = ""
    needs: ClassVar = ("nft", "ip", "unshare", "CAP_NET_ADMIN", "CAP_SYS_ADMIN")

    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return what shows it: exchanges without any answer."""
        return "cut", {}

    def happens(self) -> str:
        """Return what happens to the packets."""
        return "are lost"


network_partition = action(NetworkPartition)
