"""Cells as they stand, kept in memory while they stand so: a store is asked for those that changed alone."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reports.cells import WINDOW, Cell, Key, cell
from reports.history import RunSummary
from reports.queries import CellKey, history, last_runs
from reports.scored import current
from reports.store import Store

__all__ = ["Standings"]

_KEPT = 4096
"""Of 35 runs each they take some 150 MB; the least asked for are forgotten."""


class _Standing(NamedTuple):
    """A cell, the versions of its runs it is made of, and the moment at which a run enters or leaves its window."""

    versions: tuple[tuple[str, int], ...]
    until: float
    cell: Cell


class Standings:
    """The cells of a store, each computed once until a run of it is stored or pruned, or the window has moved on.

    A transaction that stores or prunes runs of a cell raises its number, so that what another process stored is seen
    with the next request too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._known: OrderedDict[tuple[Key, str | None], _Standing] = OrderedDict()

    def cells(self, found: Iterable[CellKey], project: str | None, now: float) -> dict[Key, Cell]:
        """Return cells as they are now, of runs of one project or of all; `found` is what cells_of() said just now."""
        versions: dict[Key, list[tuple[str, int]]] = defaultdict(list)
        for each in found:
            versions[Key(each.environment, each.service, each.fault)].append((each.project, each.changed))
        wanted = {key: tuple(sorted(each)) for key, each in versions.items()}
        with self._guard:
            kept = {key: known for key in wanted if (known := self._known.get((key, project)))}
        good = {key: known for key, known in kept.items() if known.versions == wanted[key] and now < known.until}
        fresh = self._read([key for key in wanted if key not in good], project, now)
        good |= {key: _Standing(wanted[key], until, each) for key, (until, each) in fresh.items()}
        self._keep(good, project)
        return {key: good[key].cell for key in wanted}

    def _keep(self, good: dict[Key, _Standing], project: str | None) -> None:
        with self._guard:
            for key, each in good.items():
                self._known[key, project] = each
                self._known.move_to_end((key, project))
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def _read(self, keys: Sequence[Key], project: str | None, now: float) -> dict[Key, tuple[float, Cell]]:
        runs: dict[Key, list[RunSummary]] = {key: [] for key in keys}
        for name in sorted({key.service for key in runs}):
            faults = sorted({key.fault for key in runs if key.service == name})
            for run in history(self._store, now - WINDOW, name, faults, project=project):
                for fault in run.faults:
                    runs.get(Key(run.environment, name, fault), []).append(run)
        return {key: self._standing(key, found, project, now) for key, found in runs.items()}

    def _standing(self, key: Key, found: list[RunSummary], project: str | None, now: float) -> tuple[float, Cell]:
        """Return a cell, and until when it stays so; one with nothing valid in the window says when it last was."""
        turns = [run.started if run.started > now else run.started + WINDOW for run in found]
        name = CellKey(key.service, key.fault, key.environment, "")
        if not any(run.valid for run in found):
            found.extend(last_runs(self._store, name, project, valid=True))
        if not found:
            found.extend(last_runs(self._store, name, project))
        by_formula = [current(self._store, run) for run in found]
        return min(turns, default=float("inf")), cell(key, by_formula, now)
