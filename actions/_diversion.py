"""Packets diverted at interfaces of a target, through links of the fault's own where they are to be held back.

Packets are caught by nft at an interface of the target while a set element lives. Those that are to be late or lost
are forwarded to links of the fault's own, whose root qdisc does it. So nobody's qdisc is replaced, and when the kernel
removes the element, nothing is caught any more.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from actions import _tc, _traffic
from actions._traffic import Traffic
from runner import tables
from runner.errors import ChaosctlError, CommandFailed, Inconclusive, Missing, Refused
from runner.fault import Try
from runner.model import Command, Steps, clock
from runner.targets import Target

__all__ = ["Diversion", "leads", "routes", "tries"]

_TRYING = 60.0
"""Seconds that each try may take: the first of its kind may load modules from a slow disk."""

_TRIED: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Diversion:
    """What happens to which packets at a target; without a qdisc they are dropped.

    `drains` is how long a packet is held back at most, in seconds. With `windows`, packets are caught only while an
    element of the set `held` lives, besides.
    """

    fault: str
    at: Target
    traffic: tuple[Traffic, ...]
    interfaces: tuple[str, ...]
    directions: tuple[str, ...]
    qdisc: str = ""
    drains: float = 0.0
    windows: bool = False

    def steps(self, fault_id: str, seconds: float, notes: Iterable[str] = ()) -> Steps:
        """Return the table and links; raises Missing where the kernel has not what it takes, Refused."""
        linked = bool(self.qdisc)
        self.attempt()
        for interface in self.interfaces if linked and "out" in self.directions else ():
            _refuse_filters(self.at, interface)
        said = tables.comment(self.fault, clock() + seconds, linked)
        acts = _tc.forward(fault_id, self.directions) if linked else dict.fromkeys(self.directions, "drop")
        links = (_tc.add_links(fault_id, self.directions), _tc.hold(fault_id, self.directions, self.qdisc))
        armed = _traffic.arm(fault_id, self.traffic, self.interfaces, acts, seconds, self.windows)
        return Steps(
            inject=(_traffic.begin(fault_id, said), *(links if linked else ()), armed),
            undo=tables.removal(fault_id, "netdev", linked),
            checks=tables.checks(fault_id, "netdev", linked),
            count=tables.count(fault_id, "netdev"),
            drains=self.drains,
            notes=tuple(notes),
        )

    def attempt(self) -> None:
        """Try on the target's own kernel what the fault needs, where nothing is left of it; raises Missing."""
        key = self.at.identity().split()[0], self.qdisc
        if key in _TRIED:
            return
        if self.qdisc:
            with suppress(ChaosctlError):  # not to be had everywhere, nor needed
                self.at.run(_tc.load_ifb())
        for needed in tries(self.qdisc):
            try:
                self.at.run(needed.command, timeout=_TRYING)
            except CommandFailed as error:
                if not isinstance(error.status, int):
                    raise
                raise Missing(
                    f"{self.fault} cannot be had at {self.at.name}: its kernel has no {needed.what}, or its tools do "
                    f"not know it. {error.message}",
                    needed.fix,
                ) from error
        _TRIED.add(key)


def tries(qdisc: str) -> tuple[Try, ...]:
    """Return what shows whether a target can have packets diverted; without a qdisc they are dropped."""
    rules = _traffic.try_rules('fwd to "lo"' if qdisc else "drop")
    return rules, *(_tc.tries(qdisc) if qdisc else ())


def routes(at: Target, addresses: Iterable[str]) -> Iterator[str]:
    """Yield the interfaces by which a target reaches addresses; none for those that it has no route to."""
    for address in dict.fromkeys(addresses):
        try:
            found = json.loads(at.run(Command(("ip", "-json", "route", "get", address))))
        except CommandFailed:
            continue  # there may be a route to others
        yield from (str(route["dev"]) for route in found)


def leads(at: Target, addresses: Iterable[str], whose: str) -> tuple[str, ...]:
    """Return the interfaces by which a target reaches addresses of somebody; raises Inconclusive where it cannot."""
    if found := tuple(dict.fromkeys(routes(at, addresses))):
        return found
    raise Inconclusive(f"{at.name} has no route to {whose}.", "Nothing was touched. See `ip route`.")


def _refuse_filters(at: Target, interface: str) -> None:
    """Raise Refused where somebody's tc filters act on what leaves: packets that come back from a link pass them by.

    Filters of kind bpf act in another way, which is not passed by.
    """
    listed = json.loads(at.run(_tc.filters(interface)) or "[]")
    if acting := [each for each in listed if each["kind"] != "bpf" and each.get("options", {}).get("actions")]:
        raise Refused(
            f"{interface} at {at.name} has a tc filter ({acting[0]['kind']}, pref {acting[0]['pref']}) with actions for"
            " what leaves it. Packets that this fault holds back would pass it by, and somebody wants it to act.",
            f"`tc filter show dev {interface} egress` shows it. Choose another --interface, or --direction=in.",
        )
