"""The residue sweep: what dead runs left at these targets or in this environment blocks until it is recovered."""

from collections.abc import Container, Iterable, Iterator, Mapping

from runner import ledger, reading, residue
from runner.entry import IN_CLUSTERS
from runner.errors import ChaosctlError
from runner.guardrails import in_use
from runner.guardrails.ruling import Ruling, allow, deny
from runner.ledger import Entry
from runner.model import State, format_duration, iso
from runner.model import clock as now
from runner.targets import Target

__all__ = ["after", "before"]

_NAME = "residue"
_LEFT = {State.LIVE: "is still live", State.INERT: "left something behind"}


def before(
    targets: Mapping[str, Target], environment: str, own: Container[str], entered: bool = True
) -> tuple[Ruling, ...]:
    """Return whether nothing is left at targets, given by identity, and nothing that the ledger knows elsewhere.

    What belongs to a run that goes on is in use, not residue; `own` are the ids of this process's faults. Targets that
    are not to be `entered` are not looked into for what no ledger knows.
    """
    if elsewhere := tuple(_elsewhere(targets, environment, own)):
        return elsewhere
    found = [*_known(targets, environment, own), *_unknown(targets.values() if entered else ())]
    told = "nothing was left" if entered else "no ledger knows of anything left"
    return tuple(found) or (allow(_NAME, f"{told} at {len(targets)} targets"),)


def after(targets: Iterable[Target]) -> tuple[Ruling, ...]:
    """Return whether nothing that no ledger knows is at targets where all that is known was undone."""
    looked = list(targets)
    if not looked:
        return ()
    return tuple(_unknown(looked)) or (allow(_NAME, f"nothing is left at {len(looked)} targets"),)


def _elsewhere(targets: Mapping[str, Target], environment: str, own: Container[str]) -> Iterator[Ruling]:
    """Yield a no for each fault that a run on another machine has at these targets: their cluster's ledger knows it."""
    if not any(at.name.partition(":")[0] in IN_CLUSTERS for at in targets.values()):
        return
    names = {in_use.key(identity): at.name for identity, at in targets.items()}
    here = {entry.id for entry in ledger.entries()}
    for entry in residue.in_use(residue.in_cluster(environment)):
        struck = [names[found] for site in entry.sites if (found := in_use.key(site.identity)) in names]
        if struck and entry.id not in here and entry.id not in own:
            yield deny(
                _NAME,
                f"{struck[0]} is in use by {entry.owner} since {iso(entry.started)}: fault {entry.id}, "
                f"{entry.sentence}.",
                f"Wait until it has ended, in {format_duration(entry.deadline - now())}. If whoever made it is gone: "
                f"chaosctl recover {entry.id}",
            )


def _known(targets: Mapping[str, Target], environment: str, own: Container[str]) -> Iterator[Ruling]:
    for entry in ledger.entries():
        here = any(site.identity in targets for site in entry.sites)
        if entry.id in own or not (here or (environment and entry.environment == environment)):
            continue
        if _goes_on(entry):
            continue
        if told := _told(entry):
            yield _refusal(entry, told)


def _goes_on(entry: Entry) -> bool:
    """Whether the process that owns a fault is there: it holds the fault's targets as long as it lives."""
    held = (in_use.holder(site.identity) for site in entry.sites)
    return any(each.owner == entry.owner for each in held if each)


def _told(entry: Entry) -> str:
    """Return what is left of a fault, or nothing; a command in flight may still bring it."""
    if ledger.busy(entry.id):
        return "has a command still in flight"
    states = {}
    for site in entry.sites:
        try:
            states[site.target] = reading.read(entry, site)[0]
        except ChaosctlError as error:
            return f"cannot be looked for at {site.target} ({error.message})"
    worst = next((state for state in _LEFT if state in states.values()), None)
    return f"{_LEFT[worst]} at {', '.join(at for at, state in states.items() if state is worst)}" if worst else ""


def _unknown(targets: Iterable[Target]) -> Iterator[Ruling]:
    for entry in residue.strays_at(targets):
        rest = entry.deadline - now()
        ends = f"ends by itself in {format_duration(rest)}" if rest > 0 else "acts no longer"
        places = ", ".join(site.target for site in entry.sites)
        yield _refusal(entry, f"is at {places} and in no ledger of this machine; it {ends}")


def _refusal(entry: Entry, told: str) -> Ruling:
    owner = f" The run that made it is gone ({entry.owner})." if entry.started else ""
    return deny(_NAME, f"Fault {entry.id} ({entry.fault}) {told}.{owner}", f"chaosctl recover {entry.id}", residue=True)
