"""What of a fault is at its targets, for whoever only asks: it is looked at where a look leaves nothing behind."""

from runner import ledger
from runner.ledger import Entry, Site
from runner.model import State, clock, iso
from runner.targets import Marked, reach

__all__ = ["read"]


def read(entry: Entry, site: Site) -> tuple[State, str]:
    """Return what of a fault is at one of its targets, and why nobody looked, where it is the ledger that says it.

    A fault that was noted is taken for live until its deadline, and for inert until it was undone. Raises what keeps
    it from being told.
    """
    at = reach(site.target)
    if not isinstance(at, Marked) or at.entered():
        return ledger.state(site), ""
    if not at.stands(site.identity):
        return State.ABSENT, ""
    why = "not looked at: that would add a container to the pod for good"
    if clock() < entry.deadline:
        return State.LIVE, f"live until {iso(entry.deadline)} by the ledger, {why}"
    return State.INERT, f"its deadline was {iso(entry.deadline)} by the ledger, {why}"
