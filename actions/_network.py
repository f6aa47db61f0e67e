"""What all faults network-* share: whom they are about, which packets are caught, and who shows that they are."""

import ipaddress
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from actions import _diversion, _traffic
from actions._diversion import Diversion, routes
from actions._traffic import ANY, Range, Traffic
from runner.addresses import addresses
from runner.errors import ChaosctlError, Inconclusive, UsageError
from runner.fault import Fault, Try
from runner.model import EndsBy, ProbeCall, Steps, format_duration
from runner.sequential import ShareTest
from runner.targets import Served, Target

__all__ = ["NetworkFault", "refuse_rare"]

_DIRECTIONS = {"out": ("out",), "in": ("in",), "both": ("out", "in")}
_EXCHANGES_A_SECOND = 250
_LONGEST_LOOK = 10.0

_FROM = {
    "out": "packets from {who} to {them}",
    "in": "packets to {who} from {them}",
    "both": "packets between {who} and {them}",
}


@dataclass(frozen=True, kw_only=True)
class NetworkFault(Fault):
    """Something that happens to packets between the targets and others."""

    target: Annotated[
        str, _traffic.targets, "who is on the other side: names, addresses and ranges with commas, or any"
    ]
    port: Annotated[int, _traffic.port, "only that port there"] = 0
    protocol: Annotated[Literal["any", "tcp", "udp", "icmp"], "only such packets"] = "any"
    direction: Annotated[Literal["out", "in", "both"], "packets that go there, come from there, or both"] = "out"
    interface: Annotated[str, "the interface they pass; absent: the one that leads there"] = ""
    witness: Annotated[str, _traffic.host, "HOST[:PORT] among them that answers; absent: the target itself"] = ""
    control: Annotated[
        str, _traffic.host, "HOST[:PORT] that is left alone; absent: a DNS server, where one answers"
    ] = ""

    ends_by: ClassVar = EndsBy.KERNEL
    needs: ClassVar[tuple[str, ...]] = ("nft", "tc", "ip", "unshare", "CAP_NET_ADMIN", "CAP_SYS_ADMIN")

    kind: ClassVar[str] = "netem delay 1ms"
    """A qdisc of the kind that does it; nothing where packets are dropped."""

    @classmethod
    def tries(cls) -> tuple[Try, ...]:
        """Return what shows whether a kernel catches packets and has such links."""
        return _diversion.tries(cls.kind)

    def __post_init__(self) -> None:
        """Refuse what nobody can answer; raises UsageError."""
        host, port = _traffic.endpoint(self.witness) if self.witness else ("", 0)
        if not host and not self._single():
            raise UsageError(
                f"--witness is missing: nobody is known who answers among {self.target}.",
                "Add --witness=HOST or HOST:PORT. The fault is proven by exchanges with it.",
            )
        if self.port and port not in (0, self.port):
            raise UsageError(f"--witness={self.witness} does not answer at port {self.port}.", "Leave its port out.")
        if self.protocol in ("tcp", "udp") and not self.port and not port:
            raise UsageError(
                f"It is not known which port answers over {self.protocol.upper()}.",
                "Add --port=PORT, or to touch all ports and look at one, --witness=HOST:PORT.",
            )

    @abstractmethod
    def effect(self) -> tuple[str, Mapping[str, Any]]:
        """Return the function of probes.network that shows it, with its arguments."""

    @abstractmethod
    def happens(self) -> str:
        """Return what happens to the packets, as the end of a sentence."""

    @property
    def qdisc(self) -> str:
        """What is done to the packets, as tc writes it; without it they are dropped."""
        return ""

    @property
    def drains(self) -> float:
        """How long a packet is held back at most, in seconds."""
        return 0.0

    @property
    def passes(self) -> int:
        """How many packets of an exchange are caught: the request, the answer, or both."""
        return len(_DIRECTIONS[self.direction])

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where so short a fault cannot be proven."""

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{_FROM[self.direction].format(who=who, them=self.spoken)} {self.happens()}"

    @property
    def spoken(self) -> str:
        """The other side, as part of a sentence."""
        them = "anybody" if self.target == ANY else self.target
        kind = "" if self.protocol == "any" else self.protocol.upper()
        what = [*([kind] if kind else []), *([f"port {self.port}"] if self.port else [])]
        return f"{them} ({', '.join(what)})" if what else them

    def proof(self, at: Target) -> ProbeCall:
        """Return the exchanges that show it."""
        function, arguments = self.effect()
        where = {"ways": self._ways(at), "control": self._control(at), "neighbours": self._neighbours(at)}
        return ProbeCall(f"probes.network:{function}", {"where": where, **arguments})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the table and links; raises Missing where the kernel has not what it takes, UsageError, Refused."""
        self.refuse(seconds)
        interfaces, directions = self._interfaces(at), _DIRECTIONS[self.direction]
        spared = at.way_in() if isinstance(at, Served) else 0
        traffic = replace(self._traffic(at), spared=spared)
        made = Diversion(self.name, at, (traffic,), interfaces, directions, self.qdisc, self.drains)
        return made.steps(fault_id, seconds, self._notes(interfaces, spared))

    def _notes(self, interfaces: Iterable[str], spared: int) -> Iterator[str]:
        yield f"Packets count where they pass {' and '.join(interfaces)}; how addresses find each other is left alone."
        if spared:
            yield f"Its port {spared} (the kubelet's) is left alone: we get there by it."
        if self.drains:
            yield "The last packets taken in at the deadline leave when their time has come; undoing drops them."

    def _single(self) -> list[str]:
        """Return the targets that are one host each."""
        parts = [] if self.target == ANY else _traffic.split(self.target)
        return [part for part in parts if "/" not in part or ipaddress.ip_network(part).num_addresses == 1]

    @cached_property
    def _known(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Addresses by target and name: looked up once, so that what is caught and what is looked at is the same."""
        return {}

    def _addresses(self, at: Target, name: str) -> tuple[str, ...]:
        if (at.name, name) not in self._known:
            self._known[at.name, name] = addresses(at, name.partition("/")[0])
        return self._known[at.name, name]

    def _traffic(self, at: Target) -> Traffic:
        return Traffic(tuple(self._ranges(at)), self.port, self.protocol)

    def _ranges(self, at: Target) -> Iterator[Range]:
        for part in ("0.0.0.0/0", "::/0") if self.target == ANY else _traffic.split(self.target):
            written = (part,) if "/" in part else self._addresses(at, part)
            yield from map(ipaddress.ip_network, written)

    def _witnesses(self, at: Target) -> tuple[list[str], int]:
        """Return the first address of each family that is asked, and the port that is; raises UsageError."""
        host, port = _traffic.endpoint(self.witness) if self.witness else ("", 0)
        found = [address for name in ([host] if host else self._single()) for address in self._addresses(at, name)]
        outside = [address for address in found if not self._traffic(at).affects(address, self.port or port)]
        if host and outside:
            raise UsageError(f"--witness={self.witness} is not among {self.spoken}.", "Name one that is.")
        by_family = {":" in address: address for address in reversed(found)}
        return [by_family[newer] for newer in sorted(by_family)], self.port or port

    def _ways(self, at: Target) -> list[list[dict[str, Any]]]:
        """Return, for each address of the witness, the ways to try; an echo is asked for where no port is meant."""
        witnesses, port = self._witnesses(at)
        kinds = {"any": ("tcp", "udp") if self.port else ("icmp", *(("tcp",) if port else ()))}
        chosen = kinds.get(self.protocol, (self.protocol,))
        return [[_way(address, kind, port) for kind in chosen] for address in witnesses]

    def _control(self, at: Target) -> list[dict[str, Any]]:
        if not self.control:
            return []
        host, port = _traffic.endpoint(self.control)
        found = self._addresses(at, host)
        if any(self._traffic(at).affects(address, port) for address in found):
            raise UsageError(f"--control={self.control} is itself among {self.spoken}.", "Name one that is left alone.")
        return [_way(address, kind, port) for address in found for kind in (("tcp", "udp") if port else ("icmp",))]

    def _neighbours(self, at: Target) -> list[dict[str, Any]]:
        """Return the target's DNS servers, where it has some that are to be left alone."""
        try:
            servers = at.resolver().nameservers
        except ChaosctlError:
            return []
        return [_way(server, "icmp", 0) for server in servers if not self._traffic(at).affects(server, 0)]

    def _interfaces(self, at: Target) -> tuple[str, ...]:
        """Return the interfaces that packets pass; raises UsageError, Inconclusive where no route leads there."""
        found = [self.interface] if self.interface else list(dict.fromkeys(self._routes(at)))
        if not found:
            raise Inconclusive(
                f"{at.name} has no route to {self.spoken}.", "Nothing was touched. `ip route` shows why."
            )
        if "lo" in found and (self.direction != "out" or not self.port):
            raise UsageError(
                f"Packets from {at.name} to {self.spoken} pass the loopback, where they go out and come in at once.",
                "Add --port=PORT, and leave --direction at out.",
            )
        return tuple(found)

    def _routes(self, at: Target) -> Iterator[str]:
        singles = [address for name in self._single() for address in self._addresses(at, name)]
        return routes(at, [*self._witnesses(at)[0], *singles])


def refuse_rare(share: float, seconds: float, correlation: float = 0.0) -> None:
    """Raise UsageError where a share of packets, from 0 to 1, is too small to be shown in a fault of that length."""
    trials = ShareTest(share, correlation).trials
    needed = trials / _EXCHANGES_A_SECOND
    if needed > _LONGEST_LOOK:
        least = 100 * share * needed / _LONGEST_LOOK
        raise UsageError(
            f"--percent: a share of {100 * share:g}% takes about {trials} exchanges to show, too many for a proof.",
            f"Ask for at least {least:.2g}%.",
        )
    if needed > seconds:
        raise UsageError(
            f"--percent: a share of {100 * share:g}% takes about {format_duration(needed)} to show, longer than the"
            f" fault ({format_duration(seconds)}).",
            f"Ask for a larger share, or for a duration of at least {format_duration(math.ceil(needed))}.",
        )


def _way(address: str, protocol: str, port: int) -> dict[str, Any]:
    return {"address": address, "protocol": protocol, "port": 0 if protocol == "icmp" else port}
