"""Rule text that matches DNS names inside packets: pure functions, used by network-dns.

A query's name begins 12 bytes into the DNS message; over TCP two bytes of length precede the message. Letters are
masked with 0xdf, so any case matches (resolvers randomise it), all other bytes with 0xff.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from actions._nft import match_bytes, timeout
from runner.errors import UsageError
from runner.model import DNS_PROBE_ID

__all__ = ["MODES", "Names", "body", "checked_name", "expand"]

MODES = ("timeout", "refused", "servfail", "nxdomain")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_LONGEST_LABEL = 63
_LONGEST_WIRE = 255


@dataclass(frozen=True)
class Names:
    """The full names one fault takes away; with `wildcard` every name one label below them."""

    full: tuple[str, ...]
    wildcard: bool


def checked_name(written: object) -> str:
    """Return a name as written if DNS can carry it, else raise UsageError with the reason."""
    if not isinstance(written, str) or not written.strip("."):
        raise UsageError(f"{written!r} is not a DNS name.", "Write a name such as redis-cluster or *.redis-cluster.")
    name = written.strip()
    if not name.isascii():
        encoded = name.encode("idna").decode()
        raise UsageError(f"{name!r} is not how DNS spells it.", f"Write {encoded}.")
    labels = name.removeprefix("*.").removesuffix(".").split(".")
    for label in labels:
        if len(label) > _LONGEST_LABEL:
            raise UsageError(f"In {name!r} the label {label[:20]}... has {len(label)} bytes.", "63 is the most.")
        if not _LABEL.fullmatch(label):
            raise UsageError(
                f"In {name!r} the label {label!r} is not one DNS can hold.",
                "Labels are letters, digits, hyphens (not at an end) and underscores; `*.` may only stand in front.",
            )
    if len(".".join(labels)) > _LONGEST_WIRE - 2:
        raise UsageError(f"The name has {len('.'.join(labels))} bytes.", "253 is the most.")
    return name


def expand(name: str, search: Sequence[str]) -> Names:
    """Return what a stub resolver may ask for when a program looks a name up: itself and each search suffix.

    A trailing dot means the name alone. Expansions that are too long for DNS are never asked and are left out.
    """
    bare = name.removeprefix("*.")
    candidates = [bare.rstrip(".")]
    if not bare.endswith("."):
        candidates = [f"{bare}.{suffix}" for suffix in search if suffix] + candidates
    fitting = [candidate for candidate in candidates if len(candidate) <= _LONGEST_WIRE - 2]
    return Names(tuple(dict.fromkeys(candidate.lower() for candidate in fitting)), name.startswith("*."))


def body(names: Names, mode: str, seconds: float, base: str, stubs: Sequence[str]) -> list[str]:
    """Return the inside of the fault's table.

    `base` is `ih`, or `th` on kernels without it, where only UDP can be matched. `stubs` are the addresses of a
    forwarder inside the target itself: its own queries upstream repeat the workload's and are counted apart.
    """
    lines = [
        "counter workload { }",
        "counter probes { }",
        "counter forwarded { }",
        f"set armed {{ type inet_service; flags timeout; elements = {{ 53 timeout {timeout(seconds)} }} }}",
    ]
    for transport in ("udp", "tcp") if base == "ih" else ("udp",):
        packet = _Packet(base, transport)
        lines += _renaming(names, packet, stubs) if mode == "nxdomain" else _acting(names, mode, packet, stubs)
    return lines


@dataclass(frozen=True)
class _Packet:
    """Where things stand in a packet, in bytes from the header that the rules count from."""

    base: str
    transport: str

    @property
    def message(self) -> int:
        return 8 if self.base == "th" else {"udp": 0, "tcp": 2}[self.transport]

    @property
    def question(self) -> int:
        return self.message + 12

    def byte(self, offset: int) -> str:
        return f"@{self.base},{offset * 8},8"


@dataclass(frozen=True)
class _Place:
    """One full name at the offset where it begins; below a wildcard, behind a first label of that length."""

    name: str
    start: int
    below: int

    def match(self, packet: _Packet, first: int | None = None) -> str:
        """Match the name in any letter case; `first` asks for exactly that byte as its first one."""
        pattern, mask = _wire(self.name)
        if first is not None:
            pattern[1], mask[1] = first, 0xFF
        return match_bytes(packet.base, self.start, bytes(pattern), bytes(mask))


def _acting(names: Names, mode: str, packet: _Packet, stubs: Sequence[str]) -> Iterator[str]:
    """Drop replies, refuse queries, or make replies say SERVFAIL."""
    transport = packet.transport
    hook, port, side = ("output", "dport", "daddr") if mode == "refused" else ("input", "sport", "saddr")
    count = f"jump tally_{transport}"
    yield from _tally(packet, side, stubs)
    if mode == "refused" and transport == "tcp":
        yield "set resetting { typeof tcp sport . tcp sequence; flags dynamic,timeout; timeout 10s; size 65535; }"
        yield from _chain("hit_tcp", _reset_both_ends(count))
    else:
        rcode = f"@{packet.base},{packet.message * 8 + 28},4"
        refuse = "reject with icmpx type port-unreachable"
        action = {"timeout": "drop", "refused": refuse, "servfail": f"{rcode} set 2 accept"}[mode]
        yield from _chain(f"hit_{transport}", [count, action])
    yield from _names(
        f"names_{transport}", names, packet, lambda place: [f"{place.match(packet)} goto hit_{transport}"]
    )
    yield from _hook(hook, packet, f"{transport} {port} @armed jump names_{transport}")


def _reset_both_ends(count: str) -> list[str]:
    """Turn the query into a reset for the server, and reset the client when it sends the query again.

    `reject` alone resets only the client: the server would keep the connection open and its other clients would pay
    for it (dnsmasq serves twenty at a time). The client hears of it after its retransmission timer, about 200 ms.
    """
    return [
        "tcp sport . tcp sequence @resetting reject with tcp reset",
        count,
        "add @resetting { tcp sport . tcp sequence }",
        "@th,104,8 set 0x14 accept",
    ]


def _renaming(names: Names, packet: _Packet, stubs: Sequence[str]) -> Iterator[str]:
    """Ask upstream for a name that cannot exist, and hand the answer back under the name that was asked.

    The name's first byte changes on the way out and is restored on the way in. Only the way out is guarded by the
    deadline, so that answers under way when it passes are restored too.
    """
    transport = packet.transport

    def asked(place: _Place) -> Iterator[str]:
        for original, marker in _markers(place.name):
            found = place.match(packet, first=original)
            yield f"{found} jump tally_{transport}"
            yield f"{found} {packet.byte(place.start + 1)} set {marker} accept"

    def answered(place: _Place) -> Iterator[str]:
        for original, marker in _markers(place.name):
            yield f"{place.match(packet, first=marker)} {packet.byte(place.start + 1)} set {original} accept"

    yield from _tally(packet, "daddr", stubs)
    yield from _names(f"asked_{transport}", names, packet, asked)
    yield from _names(f"answered_{transport}", names, packet, answered)
    yield from _hook("output", packet, f"{transport} dport @armed jump asked_{transport}")
    yield from _hook("input", packet, f"{transport} sport 53 jump answered_{transport}")


def _names(chain: str, names: Names, packet: _Packet, rules: Callable[[_Place], Iterable[str]]) -> Iterator[str]:
    """Yield the chain that finds the names; below a wildcard it first branches on the first label's length."""
    if not names.wildcard:
        yield from _chain(chain, [rule for name in names.full for rule in rules(_Place(name, packet.question, 0))])
        return
    branches = []
    for below in range(1, _LONGEST_LABEL + 1):
        places = [
            _Place(name, packet.question + 1 + below, below)
            for name in names.full
            if 1 + below + len(name) + 2 <= _LONGEST_WIRE
        ]
        if places:
            yield from _chain(f"{chain}_{below}", [rule for place in places for rule in rules(place)])
            branches.append(f"{below} : goto {chain}_{below}")
    yield from _chain(chain, [f"{packet.byte(packet.question)} vmap {{ {', '.join(branches)} }}"])


def _tally(packet: _Packet, side: str, stubs: Sequence[str]) -> Iterator[str]:
    """Count our own probes by their transaction id, and everything else as the workload's."""
    rules = [f"@{packet.base},{packet.message * 8},16 {DNS_PROBE_ID:#x} counter name probes return"]
    for family, marker in (("ip", "."), ("ip6", ":")):
        if addresses := [stub for stub in stubs if marker in stub]:
            rules.append(f"{family} {side} {{ {', '.join(addresses)} }} counter name workload return")
    rules.append(f"counter name {'forwarded' if stubs else 'workload'}")
    yield from _chain(f"tally_{packet.transport}", rules)


def _chain(name: str, rules: Iterable[str]) -> list[str]:
    return [f"chain {name} {{", *rules, "}"]


def _hook(hook: str, packet: _Packet, rule: str) -> list[str]:
    return _chain(f"{hook}_{packet.transport}", [f"type filter hook {hook} priority -150; policy accept;", rule])


def _wire(name: str) -> tuple[bytearray, bytearray]:
    """Return a name as DNS writes it, in upper case, with the mask that makes the match case-insensitive."""
    pattern, mask = bytearray(), bytearray()
    for label in name.upper().encode().split(b"."):
        pattern += bytes([len(label)]) + label
        mask += b"\xff" + bytes(0xDF if chr(byte).isalpha() else 0xFF for byte in label)
    return pattern + b"\0", mask + b"\xff"


def _markers(name: str) -> list[tuple[int, int]]:
    """Return each form of the name's first byte with the byte that stands in for it and occurs in no real name."""
    first = name[0]
    spare = "-~" if first == "_" else "_-"
    return [
        (ord(form), ord(marker)) for form, marker in zip(sorted({first.lower(), first.upper()}), spare, strict=False)
    ]
