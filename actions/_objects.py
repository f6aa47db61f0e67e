"""How faults change objects of a cluster's API for a while: armed by guardians there, with a mark, and taken back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from runner.changes import Change, Field, checks, undo, written
from runner.errors import UsageError
from runner.model import Command, Steps
from runner.targets import Target

__all__ = ["DRAINS", "MECHANISM", "PATIENCE", "Object", "asked", "several", "steps", "the"]

MECHANISM = "the API server: {}; changed back by a Job of guardians there"
DRAINS = 10.0
"""Guardians may be that many seconds late: clocks are let differ by two, and they are pods on nodes with other work."""

PATIENCE = 120.0
"""In how many seconds pods have to be gone, or back."""


@runtime_checkable
class Object(Protocol):
    """A target that is an object of the API."""

    name: str
    kind: str
    namespace: str
    path: str

    def seen(self) -> dict[str, Any]:
        """Return it as it is now."""

    def run(self, command: Command) -> str:
        """Send a request."""


def the(kind: str, at: Target, fault: str) -> Object:
    """Return the target as an object of that kind; raises UsageError where it is none."""
    if not isinstance(at, Object) or at.kind != kind:
        raise UsageError(
            f"{fault} acts on {kind}s of a cluster, and {at.name} is none.", f"Choose one with --on={kind}:"
        )
    return at


def several(who: str, kind: str) -> bool:
    """Return whether a sentence speaks of more than one object of a kind."""
    return "," in who or f" {kind}s" in who


def asked(at: Object, path: str) -> Any:
    """Return what the API server answers."""
    return json.loads(at.run(Command(("api", "GET", path))))


def steps(
    at: Object,
    fault_id: str,
    seconds: float,
    item: Mapping[str, Any],
    fields: Sequence[Field],
    avoid: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Steps:
    """Return how fields of an object as it was seen are changed and changed back; guardians `avoid` nodes."""
    change = written(Change(fault_id, at.path, item["metadata"]["uid"], tuple(fields), seconds))
    return Steps(
        inject=(
            Command(("api", "guard", f"{at.kind}/{fault_id}"), json.dumps(list(avoid))),
            Command(("api", "change", at.path), change),
        ),
        undo=undo(at.path, change),
        checks=checks(at.path, change),
        drains=DRAINS,
        notes=tuple(notes),
    )
