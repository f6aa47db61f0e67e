"""What faults left behind that no ledger knows, found by its marks in the network namespaces of this machine."""

from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from runner import guarding, ledger, tables
from runner.config import current_or_none
from runner.entry import IN_CLUSTERS, LEFTOVER
from runner.errors import ChaosctlError, CommandFailed, Gone, Missing
from runner.ledger import Entry, Site
from runner.model import Steps, clock
from runner.origin import may_go_on
from runner.targets import Target, reach
from runner.together import AT_ONCE

__all__ = ["damaged", "doubtful", "everything", "in_cluster", "in_use", "known", "strays", "strays_at"]

_NAMESPACES = Path("/run/netns")


def everything(environment: str = "", *, elsewhere: bool = True) -> tuple[Entry, ...]:
    """Return what is to be undone, one entry a fault: the ledgers' open ones, oldest first, then what none knows.

    The ledgers are this machine's, and, `elsewhere`, that of the cluster of the chosen environment. Raises what
    `strays` does, and Unreachable.
    """
    found = {entry.id: entry for entry in known(environment, elsewhere=elsewhere)}
    for stray in strays():
        noted = found.get(stray.id)
        found[stray.id] = replace(noted, sites=noted.sites + stray.sites) if noted else stray
    return tuple(found.values())


def in_use(found: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return those of them that a run of somebody else may still need: their deadline has not passed.

    That of a runner whose node pods were left behind is no such run.
    """
    entries = tuple(found)
    dead = {entry.owner for entry in entries if entry.fault == LEFTOVER}
    return tuple(
        entry for entry in entries if clock() < entry.deadline and entry.owner not in dead and may_go_on(entry.owner)
    )


def known(environment: str = "", *, elsewhere: bool = True) -> tuple[Entry, ...]:
    """Return the open entries of this machine's ledger, and of that in the cluster of the chosen environment."""
    return (*(in_cluster(environment) if elsewhere else ()), *ledger.entries())


def in_cluster(environment: str) -> tuple[Entry, ...]:
    """Return what the ledger of the chosen environment's cluster has, and the node pods that were left there."""
    chosen = current_or_none(environment)
    if chosen is None or chosen.environment.kubernetes is None:
        return ()
    from runner import shared_ledger  # noqa: PLC0415 - half a second that only clusters need

    faults = shared_ledger.entries(chosen)
    return (*faults, *shared_ledger.leftovers(chosen, faults))


def damaged(environment: str = "", *, elsewhere: bool = True) -> tuple[ChaosctlError, ...]:
    """Return an error for each entry of these ledgers that cannot be read, or is not to be obeyed."""
    return (*(doubtful(environment).values() if elsewhere else ()), *ledger.damaged())


def doubtful(environment: str) -> Mapping[str, ChaosctlError]:
    """Return, by id, what the ledger of the chosen environment's cluster says and nobody is to obey."""
    chosen = current_or_none(environment)
    if chosen is None or chosen.environment.kubernetes is None:
        return {}
    from runner import shared_ledger  # noqa: PLC0415

    return shared_ledger.doubtful(chosen)


def strays() -> tuple[Entry, ...]:
    """Return ledger entries for what is there and in no ledger, ready to be undone.

    Raises what kept it from looking: that is not the same as finding nothing.
    """
    names = sorted(path.name for path in _NAMESPACES.iterdir()) if _NAMESPACES.is_dir() else []
    here = reach("local")
    return _strays((here, *(reach(f"netns:{name}") for name in names)), _guarded(here))


def strays_at(targets: Iterable[Target]) -> tuple[Entry, ...]:
    """Return the same for some targets only."""
    looked = list(targets)
    names = {at.name for at in looked}
    machines = {at.name: at for at in map(_machine_of, looked) if at}
    guarded = [stray for at in machines.values() for stray in _guarded(at, names)]
    return _strays(looked, guarded)


def _machine_of(at: Target) -> Target | None:
    """Return where guardians of a target's faults run: here, or at the target.

    Those in a cluster have none: what a guardian noted in a node pod would be gone with that pod, and to look for it
    a privileged pod would be needed on nodes that have to do with no other.
    """
    scheme = at.name.partition(":")[0]
    if scheme in IN_CLUSTERS:
        return None
    return reach("local") if scheme in ("local", "netns") else at


def _strays(targets: Iterable[Target], guarded: Iterable[Entry]) -> tuple[Entry, ...]:
    noted = {(entry.id, site.target) for entry in ledger.entries() for site in entry.sites}
    ids = {fault_id for fault_id, _ in noted}
    found: dict[str, Entry] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for entry in chain.from_iterable(pool.map(_found_at, targets)):
            if (entry.id, entry.sites[0].target) not in noted:
                found[entry.id] = _joined(found.get(entry.id), entry)
    return tuple({**found, **{entry.id: entry for entry in guarded if entry.id not in ids}}.values())


def _joined(one: Entry | None, other: Entry) -> Entry:
    """Return two findings of the same fault as one."""
    if one is None:
        return other
    return replace(one, deadline=max(one.deadline, other.deadline), sites=one.sites + other.sites)


def _found_at(at: Target) -> list[Entry]:
    """Return the faults whose tables are at a target.

    A node of a cluster is not looked at: that would need a privileged pod there, which not every fault on nodes needs,
    and what is in its network is in the cluster's ledger. An object of the API has no network.
    """
    if at.name.startswith(("node:", "object:")):
        return []
    try:
        found = tables.found(at.run(tables.LISTING))
        identity = at.identity() if found else ""
    except Gone:
        return []  # the namespace went away between listing and looking: nothing can be left there
    except CommandFailed as error:
        raise Missing(
            f"What faults may have left at {at.name} cannot be looked for: {error.message}",
            "Faults live in nf_tables: kernel 4.10 or later with that module, and an nft that knows it.",
        ) from error
    return [_entry(stray.id, stray.fault, stray.deadline, Site(at.name, identity, _steps(stray))) for stray in found]


def _guarded(at: Target, names: Container[str] | None = None) -> list[Entry]:
    """Return what guardians have noted on a machine of faults at targets of these names; without any, of all."""
    identity = at.identity()
    return [
        _entry(
            stray.id,
            stray.fault,
            stray.deadline,
            Site(at.name, identity, Steps((), guarding.removal(stray.id), (guarding.check(stray.id),))),
        )
        for stray in guarding.found(at.run(guarding.listing()))
        if names is None or not stray.target or stray.target in names
    ]


def _entry(fault_id: str, fault: str, deadline: float, site: Site) -> Entry:
    return Entry(
        id=fault_id,
        fault=fault,
        sentence=f"{fault}, in no ledger of this machine",
        environment="",
        owner="unknown",
        started=0.0,
        deadline=deadline,
        sites=(site,),
    )


def _steps(stray: tables.Found) -> Steps:
    which = stray.id, stray.family, stray.linked
    return Steps((), tables.removal(*which), tables.checks(*which))
