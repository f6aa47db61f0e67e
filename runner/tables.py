"""The nftables table of a fault: how it is named, found, checked and removed. Pure: text and commands, no I/O.

A fault that lives in packet rules is one table `chaos_ID`. Its rules act only while its set `armed` holds an element.
Undo deletes that table and can touch nobody else's rules. Rules that look into packets are of family inet. Rules at a
network interface are of family netdev; a fault that diverts packets through links of its own has these links besides,
in a group whose number follows from its id.
"""

import re
import zlib
from datetime import datetime
from typing import Literal, NamedTuple

from runner.model import Check, Command, Count, iso

__all__ = [
    "LISTING",
    "WAYS",
    "Family",
    "Found",
    "check",
    "checks",
    "comment",
    "count",
    "found",
    "group",
    "link",
    "removal",
    "table",
    "undo",
]

Family = Literal["inet", "netdev"]

WAYS: tuple[tuple[Family, bool], ...] = ("inet", False), ("netdev", False), ("netdev", True)
"""The families that tables of faults are of, each with whether it has links."""

LISTING = Command(("nft", "list ruleset inet; list ruleset netdev"))
"""Lists all that faults of ours may be in: one process, because a hundred targets are asked at once."""

_SAID = r'comment "chaosctl ([a-z0-9-]+) until (\d{4}-\d\d-\d\dT[\d:.]{12}Z)( by links)?"'
_HEAD = re.compile(rf"^table (inet|netdev) chaos_([a-z0-9]+) \{{\s+{_SAID}", re.MULTILINE)
_DIRECTIONS = {"out": "o", "in": "i"}


class Found(NamedTuple):
    """A fault found by its table alone; the deadline is seconds since the epoch, `linked` says whether it has links."""

    id: str
    fault: str
    deadline: float
    family: Family
    linked: bool


def table(fault_id: str) -> str:
    """Return the name of the fault's table."""
    return f"chaos_{fault_id}"


def link(fault_id: str, direction: str) -> str:
    """Return the name of the fault's link for packets that go `out` or come `in`: fifteen characters, the most."""
    return f"{table(fault_id)}{_DIRECTIONS[direction]}"


def group(fault_id: str) -> int:
    """Return the number of the group that the fault's links are in; 0 is everybody's."""
    return zlib.crc32(fault_id.encode()) & 0x7FFFFFFF | 0x40000000


def comment(fault: str, deadline: float, linked: bool = False) -> str:
    """Return what the table says of itself, so that it can be told from others without the ledger."""
    return f"chaosctl {fault} until {iso(deadline)}{' by links' * linked}"


def found(listing: str) -> tuple[Found, ...]:
    """Return the faults in the output of `LISTING`: tables that say of themselves that they are ours.

    The name alone would not do: a table `chaos_mesh` is somebody else's, and is never to be undone.
    """
    return tuple(
        Found(fault_id, fault, datetime.fromisoformat(until).timestamp(), family, bool(linked))
        for family, fault_id, fault, until, linked in _HEAD.findall(listing)
    )


def removal(fault_id: str, family: Family, linked: bool) -> tuple[Command, ...]:
    """Return the commands that remove all of the fault, whatever of it is there.

    Packets are let past the links before these go, and the table goes last: while anything is there, it says so.
    """
    if not linked:
        return (undo(fault_id, family),)
    return _disarm(fault_id), _unlink(fault_id), undo(fault_id, family)


def undo(fault_id: str, family: Family = "inet") -> Command:
    """Return the command that removes the fault's table, whether it is there or not.

    nft 1.0.6 has no `destroy`; adding a table that exists changes nothing, so add and delete in one transaction do.
    """
    name = f"{family} {table(fault_id)}"
    return Command(("nft", "-f", "-"), f"add table {name}\ndelete table {name}\n")


def checks(fault_id: str, family: Family, linked: bool) -> tuple[Check, ...]:
    """Return the checks of all of the fault."""
    return check(fault_id, family), *(_link_checks(fault_id) if linked else ())


def check(fault_id: str, family: Family = "inet") -> Check:
    """Return the check of a fault's table: live while its set `armed` holds an element."""
    listing = Command(("nft", "list", "set", family, table(fault_id), "armed"))
    return Check(listing, live=r"elements = \{", absent=r"No such file or directory")


def count(fault_id: str, family: Family = "inet") -> Count:
    """Return the reading of the packets of the workload that met the fault: the table's counter `workload`."""
    listing = Command(("nft", "list", "counter", family, table(fault_id), "workload"))
    return Count(listing, pattern=r"packets (\d+)")


def _link_checks(fault_id: str) -> tuple[Check, ...]:
    """Return the checks of the fault's links: live while one of them holds packets back."""
    names = [link(fault_id, direction) for direction in _DIRECTIONS]
    listings = [Command(("tc", "-statistics", "qdisc", "show", "dev", name)) for name in names]
    return tuple(Check(listing, live=r"backlog \w+ [1-9]\d*p", absent="Cannot find device") for listing in listings)


def _disarm(fault_id: str) -> Command:
    name = f"netdev {table(fault_id)}"
    armed = f"set {name} armed"
    return Command(
        ("nft", "-f", "-"), f"add table {name}\nadd {armed} {{ type ether_type; flags timeout; }}\nflush {armed}\n"
    )


def _unlink(fault_id: str) -> Command:
    """Return the command that removes the fault's links, whether there are any or not.

    Deleting a group without links is an error, so one is added first, under whatever name is free.
    """
    number = group(fault_id)
    return Command(
        ("ip", "-batch", "-"),
        f"link add name chaos%d group {number} type ifb\nlink delete group {number}\n",
    )
