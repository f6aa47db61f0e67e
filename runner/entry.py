"""An entry of the ledger: one fault, where it is and how it is undone, as data that any machine can read. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.model import Check, Command, Count, Steps

__all__ = [
    "ALPHABET",
    "ENTERED",
    "IN_CLUSTERS",
    "IN_PODS",
    "LEFTOVER",
    "LENGTH",
    "Entry",
    "Site",
    "clusters",
    "is_id",
    "parsed",
    "written",
]

ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"
"""What ids are made of: letters and digits that cannot be misread."""

LENGTH = 8
"""How many of these an id has."""

IN_PODS = "pod", "ephemeral"
"""The ways to reach a pod."""

ENTERED = "node", *IN_PODS
"""The ways to reach a target that need something of ours there."""

IN_CLUSTERS = (*ENTERED, "object")
"""The ways to reach a target that lead through a cluster."""


LEFTOVER = "node-pod"
"""What stands for the fault in an entry that is of node pods alone, whose runner is gone."""


@dataclass(frozen=True)
class Site:
    """One target of a fault: who it was when the fault came, and all that was planned there."""

    target: str
    identity: str
    steps: Steps


@dataclass(frozen=True)
class Entry:
    """One fault in the ledger; `deadline` is when the last target is free by itself, seconds since the epoch."""

    id: str
    fault: str
    sentence: str
    environment: str
    owner: str
    started: float
    deadline: float
    sites: tuple[Site, ...]
    closed: float | None = None


def is_id(text: str) -> bool:
    """Whether that is an id as chaosctl gives them to faults and sessions."""
    return re.fullmatch(f"[{ALPHABET}]{{{LENGTH}}}", text) is not None


def clusters(entry: Entry) -> tuple[str, ...]:
    """Return the environments whose clusters the fault's targets are in."""
    found = [site.target.partition(":") for site in entry.sites]
    return tuple(dict.fromkeys(rest.partition("/")[0] for scheme, _, rest in found if scheme in IN_CLUSTERS))


def written(entry: Entry) -> dict[str, Any]:
    """Return the entry as data; how the fault was made is not needed to undo it, and can be long."""
    return {**vars(entry), "sites": [{**vars(site), "steps": _written(site.steps)} for site in entry.sites]}


def _written(steps: Steps) -> dict[str, Any]:
    """Return them as data; by hand, because `asdict` copies each word and takes five times as long."""
    checks = [{**vars(check), "command": vars(check.command)} for check in steps.checks]
    count = {**vars(steps.count), "command": vars(steps.count.command)} if steps.count else None
    undo = [vars(command) for command in steps.undo]
    return {**vars(steps), "inject": [], "undo": undo, "checks": checks, "count": count}


def parsed(text: str) -> Entry:
    """Return the entry that was written so; raises ValueError, KeyError or TypeError where it is none."""
    data = json.loads(text)
    sites = tuple(Site(site["target"], site["identity"], _steps(site["steps"])) for site in data.pop("sites"))
    return Entry(**data, sites=sites)


def _steps(data: Mapping[str, Any]) -> Steps:
    return Steps(
        inject=(),
        undo=tuple(_command(command) for command in data["undo"]),
        checks=tuple(Check(_command(check["command"]), check["live"], check["absent"]) for check in data["checks"]),
        count=Count(_command(data["count"]["command"]), data["count"]["pattern"]) if data["count"] else None,
        drains=data["drains"],
        notes=tuple(data["notes"]),
    )


def _command(data: Mapping[str, Any]) -> Command:
    return Command(tuple(data["argv"]), data["stdin"])
