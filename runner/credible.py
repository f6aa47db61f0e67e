"""Which entries of a cluster's ledger are obeyed: those that say nothing but what follows from id, fault and targets.

Whoever may write a ConfigMap there would else have commands run with the rights of whoever recovers.
"""

import json
import math
import re
from collections.abc import Iterable

from runner import changes, discovery, tables
from runner.entry import Entry, Site, is_id, parsed
from runner.errors import UsageError
from runner.fault import Ending, Fault
from runner.targets.object import KINDS

__all__ = ["credible"]

_NAME = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
_ENTERED = re.compile(rf"(?:node:[^/]+/{_NAME}|(?:pod|ephemeral):[^/]+/{_NAME}/{_NAME})")
_OBJECT = re.compile(rf"object:[^/]+/(?P<kind>[a-z]+)/(?:(?P<namespace>{_NAME})/)?(?P<name>{_NAME})")


def credible(text: str, name: str) -> Entry:
    """Return the entry that a ledger's object of that name has; raises ValueError that says why it is not obeyed."""
    try:
        entry = parsed(text)
        _check(entry, name)
        kind = discovery.fault(entry.fault)
        strange = [site.target for site in entry.sites if not _follows(site, entry.id, kind)]
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise ValueError(f"it is no entry of this version ({type(error).__name__})") from error
    if strange:
        raise ValueError(f"what it says to do at {strange[0]!r} does not follow from its fault and target")
    return entry


def _check(entry: Entry, name: str) -> None:
    if not is_id(entry.id) or name != f"fault-{entry.id}":
        raise ValueError("its id is none that chaosctl gives, or not the one in its name")
    if not _finite([entry.started, entry.deadline, *(site.steps.drains for site in entry.sites)]) or entry.closed:
        raise ValueError("its times are none that a fault has")
    if not all(said.isprintable() for said in (entry.sentence, entry.owner, *(site.identity for site in entry.sites))):
        raise ValueError("it has characters that cannot be shown")


def _finite(moments: Iterable[float]) -> bool:
    return all(math.isfinite(moment) for moment in moments)


def _follows(site: Site, fault_id: str, kind: type[Fault]) -> bool:
    """Whether all that is to be run at a target is what the fault would have it be."""
    if site.steps.count not in (None, tables.count(fault_id), tables.count(fault_id, "netdev")):
        return False
    if _ENTERED.fullmatch(site.target):
        return Ending(site.steps.undo, site.steps.checks) in kind.endings(fault_id)
    found = _OBJECT.fullmatch(site.target)
    if not found or found["kind"] != kind.changes or (found["namespace"] is None) != (found["kind"] == "node"):
        return False
    path = f"{KINDS[found['kind']].format(found['namespace'])}/{found['name']}"
    return _takes_back(site, found["kind"], path, fault_id)


def _takes_back(site: Site, kind: str, path: str, fault_id: str) -> bool:
    """Whether it is to take back the fault's own change of that object, which has to bear the fault's mark."""
    text = site.steps.undo[0].stdin if site.steps.undo else ""
    change = changes.parsed(text)
    ours = change.fault == fault_id and change.path == path and site.identity == f"{kind}:{change.uid}"
    return ours and (site.steps.undo, site.steps.checks) == (changes.undo(path, text), changes.checks(path, text))
