"""Which packets a network fault acts on, and the rules that catch them at an interface: pure functions.

The rules are of family netdev: they see what leaves and enters an interface, whoever sent it, behind everybody else's
rules. A packet that they drop there is lost on the way: on the output hook its sender would get an error instead.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actions._nft import SCRATCH, timeout
from runner import tables
from runner.errors import UsageError
from runner.fault import Try
from runner.model import PROBE_ECHO_ID, PROBE_PORTS, Command

__all__ = [
    "ANY",
    "Range",
    "Traffic",
    "arm",
    "begin",
    "endpoint",
    "host",
    "open_window",
    "port",
    "split",
    "targets",
    "try_rules",
]

ANY = "any"

Range = ipaddress.IPv4Network | ipaddress.IPv6Network

_PRIORITY = 1000
"""Behind everybody else's rules: what they do to a packet is done when it is caught."""

_NEIGHBOURS = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
_ENDPOINT = re.compile(
    r"(?P<newer>[\dA-Fa-f]*:[\dA-Fa-f:.]*:[\dA-Fa-f:.]*)"
    r"|(?:\[(?P<bracketed>[\dA-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?"
)
_EITHER_END = {"out": ("daddr", "dport", "sport"), "in": ("saddr", "sport", "dport")}


@dataclass(frozen=True)
class Traffic:
    """Packets to and from certain ranges; `port` is the one there, 0 for all, `protocol` any, tcp, udp or icmp.

    `spared` is a TCP port of the target's own that no fault may take, 0 for none; `unless` a match of nft of such.
    """

    ranges: tuple[Range, ...]
    port: int
    protocol: str
    spared: int = 0
    unless: str = ""

    def affects(self, address: str, port: int) -> bool:
        """Return whether packets to that port of an address are among them; port 0 stands for an echo."""
        wanted = ipaddress.ip_address(address)
        within = any(wanted in network for network in self.ranges if network.version == wanted.version)
        if not within or not port:
            return within and not self.port and self.protocol in ("any", "icmp")
        return self.port in (0, port) and self.protocol != "icmp"

    def matches(self, direction: str) -> Iterator[str]:
        """Yield the matches of nft that find them, for each family of addresses."""
        side, port, _ = _EITHER_END[direction]
        for family, version, icmp in (("ip", 4, "icmp"), ("ip6", 6, "icmpv6")):
            if ranges := _collapsed(self.ranges, version):
                end = f"{family} {side} {{ {', '.join(ranges)} }}"
                yield " ".join(part for part in (end, self._transport(port, icmp)) if part)

    def _transport(self, port: str, icmp: str) -> str:
        if self.protocol == "icmp":
            return f"meta l4proto {icmp}"
        if not self.port:
            return "" if self.protocol == "any" else f"meta l4proto {self.protocol}"
        transports = "tcp, udp" if self.protocol == "any" else self.protocol
        return f"meta l4proto {{ {transports} }} th {port} {self.port}"


def _collapsed(ranges: Iterable[Range], version: int) -> list[str]:
    """Return the ranges of one family without those that lie in others, which nft takes for a contradiction."""
    if version == 4:
        older = (each for each in ranges if isinstance(each, ipaddress.IPv4Network))
        return [str(each) for each in ipaddress.collapse_addresses(older)]
    newer = (each for each in ranges if isinstance(each, ipaddress.IPv6Network))
    return [str(each) for each in ipaddress.collapse_addresses(newer)]


def targets(written: object) -> str:
    """Return a list of names, addresses and ranges as written if it can be meant."""
    parts = split(written) if isinstance(written, str) else ()
    if not parts:
        raise UsageError(f"{written!r} names nobody.", "Write names, addresses or ranges such as 10.0.0.0/8, or any.")
    for part in parts:
        if "/" in part:
            try:
                ipaddress.ip_network(part)
            except ValueError as error:
                raise UsageError(f"{part!r} is no range of addresses: {error}.", "Write 10.0.0.0/8.") from error
        elif endpoint(part)[1]:
            raise UsageError(f"{part!r} has a port.", "Write the port as --port.")
    return ",".join(parts)


def host(written: object) -> str:
    """Return a host with or without a port as written if it can be meant."""
    if not isinstance(written, str):
        raise UsageError(f"{written!r} is no host.", "Write HOST or HOST:PORT.")
    if written:
        endpoint(written)
    return written


def port(written: object) -> int:
    """Return a port."""
    if isinstance(written, bool) or not str(written).isdecimal() or not 0 < int(str(written)) < 65536:
        raise UsageError(f"{written!r} is no port.", "A port is a number from 1 to 65535.")
    return int(str(written))


def split(written: str) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(part.strip() for part in written.split(",") if part.strip())


def endpoint(written: str) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`; without a port it is 0. Raises UsageError."""
    found = _ENDPOINT.fullmatch(written)
    if not found or not 0 <= int(found["port"] or 0) < 65536:
        raise UsageError(f"{written!r} is no host with a port.", "Write HOST, HOST:PORT or [ADDRESS]:PORT.")
    return found["newer"] or found["bracketed"] or found["host"], int(found["port"] or 0)


def begin(fault_id: str, said: str) -> Command:
    """Return the command that makes the fault's table, in which nothing acts yet; it fails where that exists.

    `create` is a statement of its own because nft 1.0.6 takes nothing but the comment from its block.
    """
    name = f"netdev {tables.table(fault_id)}"
    lines = [
        f'create table {name} {{ comment "{said}"; }}',
        f"add set {name} armed {{ type ether_type; flags timeout; }}",
        f"add counter {name} workload",
        f"add counter {name} probes",
    ]
    return Command(("nft", "-f", "-"), "\n".join(lines) + "\n")


def arm(
    fault_id: str,
    traffic: Iterable[Traffic],
    interfaces: Sequence[str],
    actions: Mapping[str, str],
    seconds: float,
    windows: bool = False,
) -> Command:
    """Return the command that lets the fault act, in one transaction; `actions` says what is done in each direction.

    With `windows` it acts only while a window is open, besides.
    """
    name = f"netdev {tables.table(fault_id)}"
    lines = [f"table {name} {{", *(["set held { type ether_type; flags timeout; }"] if windows else [])]
    for direction, action in actions.items():
        matches = [match for each in traffic for match in each.matches(direction)]
        own = _EITHER_END[direction][2]
        spared = [f"tcp {own} {port}" for port in sorted({each.spared for each in traffic if each.spared})]
        spared += sorted({each.unless for each in traffic if each.unless})
        while_in = "@armed meta protocol @held" if windows else "@armed"
        lines += _chains(direction, matches, interfaces, action, while_in, spared)
    lines += ["}", _add(fault_id, "armed", seconds)]
    return Command(("nft", "-f", "-"), "\n".join(lines) + "\n")


def open_window(fault_id: str, seconds: float) -> Command:
    """Return the command that lets a fault with windows act for so long; the kernel closes the window."""
    return Command(("nft", "-f", "-"), _add(fault_id, "held", seconds) + "\n")


def _add(fault_id: str, name: str, seconds: float) -> str:
    elements = ", ".join(f"{kind} timeout {timeout(seconds)}" for kind in ("ip", "ip6"))
    return f"add element netdev {tables.table(fault_id)} {name} {{ {elements} }}"


def try_rules(action: str) -> Try:
    """Return what shows whether the target can have such rules."""
    traffic = Traffic((ipaddress.ip_network("127.0.0.1"),), 9, ANY)
    begun, armed = begin("scratch", "scratch"), arm("scratch", [traffic], ("lo",), {"out": action, "in": action}, 1.0)
    command = Command((*SCRATCH, *begun.argv), begun.stdin + armed.stdin)
    return Try("nft rules for what leaves an interface", command, "Linux 5.17 with nft 1.0.1 has them.")


def _chains(
    direction: str,
    matches: Iterable[str],
    interfaces: Iterable[str],
    action: str,
    while_in: str,
    spared: Iterable[str],
) -> Iterator[str]:
    """Yield the chains of one direction; how addresses find each other (ARP, neighbour discovery) is left alone."""
    hook = {"out": "egress", "in": "ingress"}[direction]
    devices = ", ".join(f'"{interface}"' for interface in interfaces)
    yield from (f"chain tally_{direction} {{", *_tally(direction), "}")
    yield from (f"chain caught_{direction} {{", f"jump tally_{direction}", action, "}")
    yield f"chain {direction} {{"
    yield f"type filter hook {hook} devices = {{ {devices} }} priority {_PRIORITY}; policy accept;"
    yield f"icmpv6 type {{ {_NEIGHBOURS} }} accept"
    yield from (f"{each} accept" for each in spared)
    yield from (f"meta protocol {while_in} {match} goto caught_{direction}" for match in matches)
    yield "}"


def _tally(direction: str) -> Iterator[str]:
    """Yield the rules that count our own probes apart from the workload."""
    own = _EITHER_END[direction][2]
    yield f"meta l4proto {{ tcp, udp }} th {own} {PROBE_PORTS[0]}-{PROBE_PORTS[-1]} counter name probes return"
    yield f"icmp id {PROBE_ECHO_ID} counter name probes return"
    yield f"icmpv6 id {PROBE_ECHO_ID} counter name probes return"
    yield "counter name workload"
