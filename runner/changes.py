"""A change of one object in a cluster that a fault makes and that has to be taken back: as data, applied and reverted.

No object of the API ends a changed field by itself. So the object carries a mark that says whose change it is, and what
was there before. Who takes it back, be it the runner, a guardian in the cluster or `recover` a day later, does so only
where the mark is still there, and only fields that are still as the fault made them: what somebody else did meanwhile
stays. What was there before is read beside the mark alone, never from the ledger: who may write into that may not
change objects by it. Every write names the version of the object that was looked at, so that two of them never cross.
The standard library only: guardians run this too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from runner.errors import ChaosctlError, CommandFailed, Gone, Inconclusive, Refused
from runner.model import Check, Command, clock, iso

__all__ = [
    "MARK",
    "STRATEGIC",
    "UNTIL",
    "Api",
    "Change",
    "Field",
    "apply",
    "checks",
    "ends",
    "parsed",
    "revert",
    "standing",
    "undo",
    "value",
    "written",
]

MARK = "chaosctl/fault"
"""The annotation that names the fault that has changed an object."""

UNTIL = "chaosctl/until"
"""The annotation that says until when: it is there as soon as the change is, whatever became of who made it."""

STRATEGIC = "application/strategic-merge-patch+json"
_NOTE = "chaosctl/change"
"""The annotation that says what the fault has changed: where, from what and to what."""

_TRIES = 20
_MARKED = "metadata", "annotations", MARK
_ENDS = "metadata", "annotations", UNTIL
_NOTED = "metadata", "annotations", _NOTE


class Field(NamedTuple):
    """One field: where it is, with a name where a list is gone into; its value before and during; None is absent."""

    at: tuple[str, ...]
    before: Any
    during: Any


@dataclass(frozen=True)
class Change:
    """What one fault changes of one object, and for how many seconds."""

    fault: str
    path: str
    uid: str
    fields: tuple[Field, ...]
    seconds: float


class Api(Protocol):
    """A way to the API server, as whoever may change the object."""

    def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, or None where there is none."""

    def patch(self, path: str, change: Mapping[str, Any], content: str) -> dict[str, Any]:
        """Merge a change into an object; raises CommandFailed with status 409 where it is of another version."""


def written(change: Change) -> str:
    """Return a change as text, for ledger and guardian."""
    return json.dumps(asdict(change))


def parsed(text: str) -> Change:
    """Return the change that was written so."""
    data = json.loads(text)
    fields = tuple(Field(tuple(at), before, during) for at, before, during in data.pop("fields"))
    return Change(**data, fields=fields)


def value(item: Any, at: tuple[str, ...]) -> Any:
    """Return a field of an object; None where it is not there."""
    for step in at:
        if isinstance(item, list):
            item = next((each for each in item if each.get("name") == step), None)
        else:
            item = (item or {}).get(step)
    return item


def undo(path: str, change: str) -> tuple[Command, ...]:
    """Return the command that takes a written change back."""
    return (Command(("api", "revert", path), change),)


def checks(path: str, change: str) -> tuple[Check, ...]:
    """Return the check of a written change."""
    return (Check(Command(("api", "standing", path), change), live="^live", absent="not found"),)


def apply(api: Api, change: Change) -> None:
    """Make the change, with the mark.

    Raises Refused where another fault has changed the object, Inconclusive where it is not as it was looked at any
    more, and Gone.
    """

    def wanted(item: Mapping[str, Any]) -> dict[str, Any] | None:
        if (mark := value(item, _MARKED)) == change.fault:
            return None
        if mark:
            raise Refused(
                f"{_spoken(change)} is changed by fault {mark} already; nothing was done to it.",
                f"Wait until that has ended, or undo it: chaosctl recover {mark}",
            )
        if other := [field for field in change.fields if value(item, field.at) != field.before]:
            raise Inconclusive(
                f"{_spoken(change)} was changed by somebody else just now: {_told(item, other)}. The fault did nothing "
                "to it.",
                "Look what does that, as an autoscaler or a rollout, and try again when it is over.",
            )
        noted = json.dumps(change.fields)
        marks = (_MARKED, change.fault), (_ENDS, iso(clock() + change.seconds)), (_NOTED, noted)
        return _patch([*((field.at, field.during) for field in change.fields), *marks])

    _alter(api, change, wanted)


def revert(api: Api, change: Change) -> None:
    """Take the change back; where it was taken back already, or the object is gone, that is done.

    Raises ChaosctlError where somebody else has changed it: it stays so, and is told with what settles it.
    """

    def wanted(item: Mapping[str, Any]) -> dict[str, Any] | None:
        if value(item, _MARKED) != change.fault:
            return None
        fields = _fields(item)
        if fields is None:
            raise ChaosctlError(_unsettled(change))
        if other := [field for field in fields if value(item, field.at) not in (field.before, field.during)]:
            raise ChaosctlError(_settling(change, fields, item, other))
        mine = [(field.at, field.before) for field in fields if value(item, field.at) == field.during]
        return _patch([*mine, (_MARKED, None), (_ENDS, None), (_NOTED, None)])

    try:
        _alter(api, change, wanted)
    except Gone:
        return


def ends(api: Api, change: Change) -> float | None:
    """Return when a change is to be taken back, in seconds since the epoch; None where it is not there."""
    item = _marked(api, change)
    if item is None:
        return None
    until = value(item, _ENDS)
    return datetime.fromisoformat(until).timestamp() if until else 0.0


def standing(api: Api, change: Change) -> str:
    """Return `live`, or `inert` where somebody else has ended it and the mark alone is left, or `not found`."""
    item = _marked(api, change)
    if item is None:
        return "not found"
    acts = any(value(item, field.at) == field.during for field in _fields(item) or ())
    return "live" if acts else "inert"


def _marked(api: Api, change: Change) -> dict[str, Any] | None:
    """Return the object with the fault's mark; None where it has none, or is another."""
    item = api.find(change.path)
    ours = item is not None and item["metadata"]["uid"] == change.uid and value(item, _MARKED) == change.fault
    return item if ours else None


def _fields(item: Mapping[str, Any]) -> tuple[Field, ...] | None:
    """Return what a fault has changed of an object, as that says itself; None where it does not."""
    try:
        return tuple(Field(tuple(at), before, during) for at, before, during in json.loads(value(item, _NOTED)))
    except (TypeError, ValueError):
        return None


def _alter(api: Api, change: Change, wanted: Callable[[Mapping[str, Any]], dict[str, Any] | None]) -> None:
    """Write what is wanted of the object as it is; where it became another version meanwhile, look again."""
    for again in range(_TRIES, 0, -1):
        item = api.find(change.path)
        if item is None or item["metadata"]["uid"] != change.uid:
            raise Gone(f"{_spoken(change)} is not there any more.")
        patch = wanted(item)
        if patch is None:
            return
        patch["metadata"]["resourceVersion"] = item["metadata"]["resourceVersion"]
        try:
            api.patch(change.path, patch, STRATEGIC)
        except CommandFailed as error:
            if error.status != 409 or again == 1:
                raise
        else:
            return


def _patch(values: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """Return a strategic merge patch; whatever is not named in it stays."""
    made: dict[str, Any] = {"metadata": {}}
    for at, wanted in values:
        here: Any = made
        for step in at[:-1]:
            if isinstance(here, list):
                found = next((each for each in here if each["name"] == step), None)
                if found is None:
                    here.append(found := {"name": step})
                here = found
            else:
                here = here.setdefault(step, [] if step in _LISTS else {})
        here[at[-1]] = wanted
    return made


_LISTS = "containers", "initContainers"
"""The fields that are lists of things with names, as far as faults change any."""


def _unsettled(change: Change) -> str:
    return (
        f"{_spoken(change)} has the mark of fault {change.fault}, and not what it was before in its annotation "
        f"{_NOTE}, as somebody may have removed that, or an earlier version made the fault. It was left so. Have it as "
        f"it should be, then: `{_kubectl(change, 'annotate')} {MARK}- {UNTIL}- {_NOTE}-`"
    )


def _kubectl(change: Change, verb: str) -> str:
    _, resource, namespace, name = _place(change.path)
    return f"kubectl {f'-n {namespace} ' if namespace else ''}{verb} {resource} {name}"


def _settling(change: Change, fields: Sequence[Field], item: Mapping[str, Any], other: list[Field]) -> str:
    patch = _patch([(field.at, field.before) for field in fields])
    del patch["metadata"]
    was = ", ".join(
        f"{'.'.join(field.at)} {field.before!r} before and {field.during!r} by the fault" for field in other
    )
    return (
        f"{_spoken(change)} was changed by somebody else while the fault was there: {_told(item, other)} ({was}). It "
        f"was left so. To have it as before: `{_kubectl(change, 'patch')} -p '{json.dumps(patch)}'`; to keep it so: "
        f"`{_kubectl(change, 'annotate')} {MARK}- {UNTIL}- {_NOTE}-`"
    )


def _told(item: Mapping[str, Any], fields: list[Field]) -> str:
    return ", ".join(f"{'.'.join(field.at)} is {value(item, field.at)!r}" for field in fields)


def _spoken(change: Change) -> str:
    kind, _, namespace, name = _place(change.path)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _place(path: str) -> tuple[str, str, str, str]:
    """Return kind, resource, namespace and name of what is at a path of the API."""
    *above, resource, name = path.split("/")
    namespace = above[-1] if len(above) > 1 and above[-2] == "namespaces" else ""
    return resource.removesuffix("s"), resource, namespace, name
