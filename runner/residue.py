"""What faults left behind that no ledger knows, found by its marks in the network namespaces of this machine."""

from pathlib import Path

from runner import ledger, tables
from runner.errors import ChaosctlError, Missing
from runner.ledger import Entry, Site
from runner.model import Steps
from runner.targets import Target, reach

__all__ = ["strays"]

_NAMESPACES = Path("/run/netns")


def strays() -> tuple[Entry, ...]:
    """Return ledger entries for what is there and in no ledger, ready to be undone.

    Raises Missing where this user may not look: not being allowed to look is not the same as finding nothing.
    """
    known = {(entry.id, site.target) for entry in ledger.entries() for site in entry.sites}
    names = sorted(path.name for path in _NAMESPACES.iterdir()) if _NAMESPACES.is_dir() else []
    places = [reach("local"), *(reach(f"netns:{name}") for name in names)]
    found = [entry for at in places for entry in _found_at(at)]
    return tuple(entry for entry in found if (entry.id, entry.sites[0].target) not in known)


def _found_at(at: Target) -> list[Entry]:
    try:
        listing = at.run(tables.LIST)
        identity = at.identity()
    except Missing:
        raise
    except ChaosctlError:
        return []  # the namespace went away between listing and looking: nothing can be left there
    return [
        Entry(
            id=stray.id,
            fault=stray.fault,
            sentence=f"{stray.fault} at {at.name}, in no ledger of this machine",
            environment="",
            owner="unknown",
            started=0.0,
            deadline=stray.deadline,
            sites=(Site(at.name, identity, Steps((), (tables.undo(stray.id),), (tables.check(stray.id),))),),
        )
        for stray in tables.found(listing)
    ]
