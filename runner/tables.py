"""The nftables table of a fault: how it is named, found, checked and removed. Pure: text and commands, no I/O.

A fault that lives in packet rules is one table `chaos_ID` of family inet. Its rules act only while its set `armed`
holds an element. Undo deletes that table and can touch nobody else's rules.
"""

import re
from datetime import datetime
from typing import NamedTuple

from runner.model import Check, Command, Count, iso

__all__ = ["LIST", "Found", "check", "comment", "count", "found", "table", "undo"]

LIST = Command(("nft", "list", "ruleset", "inet"))
_SAID = r'comment "chaosctl ([a-z0-9-]+) until (\d{4}-\d\d-\d\dT[\d:.]{12}Z)"'
_HEAD = re.compile(rf"^table inet chaos_([a-z0-9]+) \{{\s+{_SAID}", re.MULTILINE)


class Found(NamedTuple):
    """A fault found by its table alone; the deadline is seconds since the epoch."""

    id: str
    fault: str
    deadline: float


def table(fault_id: str) -> str:
    """Return the name of the fault's table."""
    return f"chaos_{fault_id}"


def comment(fault: str, deadline: float) -> str:
    """Return what the table says of itself, so that it can be told from others without the ledger."""
    return f"chaosctl {fault} until {iso(deadline)}"


def found(listing: str) -> tuple[Found, ...]:
    """Return the faults in the output of `LIST`: tables that say of themselves that they are ours.

    The name alone would not do: a table `chaos_mesh` is somebody else's, and is never to be undone.
    """
    return tuple(
        Found(fault_id, fault, datetime.fromisoformat(until).timestamp())
        for fault_id, fault, until in _HEAD.findall(listing)
    )


def undo(fault_id: str) -> Command:
    """Return the command that removes the fault's table, whether it is there or not.

    nft 1.0.6 has no `destroy`; adding a table that exists changes nothing, so add and delete in one transaction do.
    """
    name = table(fault_id)
    return Command(("nft", "-f", "-"), f"add table inet {name}\ndelete table inet {name}\n")


def check(fault_id: str) -> Check:
    """Return the check of a fault's table: live while its set `armed` holds an element."""
    listing = Command(("nft", "list", "set", "inet", table(fault_id), "armed"))
    return Check(listing, live=r"elements = \{", absent=r"No such file or directory")


def count(fault_id: str) -> Count:
    """Return the reading of the packets of the workload that met the fault: the table's counter `workload`."""
    listing = Command(("nft", "list", "counter", "inet", table(fault_id), "workload"))
    return Count(listing, pattern=r"packets (\d+)")
