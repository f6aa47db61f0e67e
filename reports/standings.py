"""Cells as they stand, kept in memory and in the store while they stand so: those that changed alone are computed."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import select

from reports.bounds import Interval
from reports.cells import WINDOW, Cell, Key, Track, cell
from reports.connect import reaching, writing
from reports.history import RunSummary
from reports.inserting import replace_rows
from reports.queries import CellKey, cells_of, history, last_runs
from reports.recent import Recent
from reports.record import Record
from reports.score import FORMULA
from reports.scored import current
from reports.store import Store
from reports.tables import standings

__all__ = ["Standing", "Standings"]

_KEPT = 50_000
"""At some 2 KB each; the least asked for are forgotten."""
_MADE = f"{FORMULA}.2"
"""By which formula, and how it is written down; what says otherwise is computed again."""
_MANY = 200
_EVER = 1e12
"""No run enters or leaves a window later; JSON has no word for infinity."""
_CELL = "last_run", "last_valid", "weight", "required", "ahead"
_TRACK = "experiment", "experiment_hash", "valid", "invalid", "passed", "pass_rate_low"

Known = tuple[Key, str | None]
Versions = tuple[tuple[str, int], ...]
Window = tuple[float, float]


class Standing(NamedTuple):
    """A cell without its runs, the versions of its runs it is made of, and the moment until which it stays so.

    That is when a run enters or leaves its window. `window` is that of the fault in the latest valid run.
    """

    versions: Versions
    until: float
    cell: Cell
    window: Window | None


class Standings:
    """The cells of a store, each computed once until a run of it is stored or pruned, or the window has moved on.

    A transaction that stores or prunes runs of a cell raises its number, so that what another process stored is seen
    with the next request too. What was computed is written down by refresh(), for the processes to come.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._known: Recent[Known, Standing] = Recent(_KEPT)
        self._unsaved: dict[Known, Standing] = {}
        self._refreshed: tuple[tuple[Any, ...], float] = (), 0.0

    def cells(self, found: Iterable[CellKey], project: str | None, now: float) -> dict[Key, Cell]:
        """Return cells without their runs as they are now, as standing()."""
        return {key: each.cell for key, each in self.standing(found, project, now).items()}

    def standing(self, found: Iterable[CellKey], project: str | None, now: float) -> dict[Key, Standing]:
        """Return how cells stand now, by runs of one project or of all; `found` is what cells_of() said just now."""
        versions: dict[Key, list[tuple[str, int]]] = defaultdict(list)
        for ran in found:
            versions[Key(ran.environment, ran.service, ran.fault)].append((ran.project, ran.changed))
        wanted = {key: tuple(sorted(said)) for key, said in versions.items()}
        known = self._known.found((key, project) for key in wanted)
        good = _still({key: each for (key, _), each in known.items()}, wanted, now)
        if missing := [key for key in wanted if key not in good]:
            good |= _still(self._saved(missing, project), wanted, now)
        fresh: dict[Key, Standing] = {}
        for _, keys in groupby(sorted(set(wanted) - set(good), key=_service), key=_service):
            fresh |= self._computed({key: wanted[key] for key in keys}, project, now)
        self._keep(good | fresh, fresh, project)
        return {key: fresh.get(key) or good[key] for key in wanted}

    def whole(self, key: Key, project: str | None, now: float) -> Cell:
        """Return one cell with its runs, computed for this question."""
        return self._read([key], project, now)[key][0]

    def refresh(self, now: float, over: Callable[[], bool]) -> None:
        """Compute the cells that changed, and write down what was computed, service by service, until it is `over`."""
        ran = cells_of(self._store)
        versions = tuple((each, each.changed) for each in ran)
        if versions == self._refreshed[0] and now < self._refreshed[1]:
            self._save()
            return
        until = _EVER
        for _, found in groupby(ran, key=attrgetter("service")):
            if over():
                return
            standing = self.standing(list(found), None, now)
            until = min(until, *(each.until for each in standing.values()))
            self._save()
        self._refreshed = versions, until

    def _save(self) -> None:
        with self._guard:
            unsaved, self._unsaved = self._unsaved, {}
        rows = [_row(key, project, each) for (key, project), each in unsaved.items()]
        if rows:
            rows.sort(key=lambda row: [row[column.name] for column in standings.primary_key])
            with reaching(self._store.place), writing(self._store.engine) as connection:
                replace_rows(connection, standings, rows)

    def _keep(self, good: Mapping[Key, Standing], fresh: Mapping[Key, Standing], project: str | None) -> None:
        self._known.keep({(key, project): each for key, each in good.items()})
        with self._guard:
            if len(self._unsaved) < _KEPT:
                self._unsaved |= {(key, project): each for key, each in fresh.items()}

    def _saved(self, keys: Sequence[Key], project: str | None) -> dict[Key, Standing]:
        names = {key.service for key in keys}
        query = select(standings).where(standings.c.seen == _seen(project), standings.c.formula == _MADE)
        query = query.where(standings.c.service.in_(names)) if len(names) < _MANY else query
        with reaching(self._store.place), self._store.engine.connect() as connection:
            rows = connection.execute(query).all()
        found = ((Key(row.environment, row.service, row.fault), row) for row in rows)
        wanted = set(keys)
        return {key: _standing(key, row.until, orjson.loads(row.told)) for key, row in found if key in wanted}

    def _computed(self, wanted: Mapping[Key, Versions], project: str | None, now: float) -> dict[Key, Standing]:
        read = self._read(list(wanted), project, now)
        latest = {key: run.run for key, (_, _, runs) in read.items() if (run := _latest(runs, now))}
        windows = self._windows(latest)
        return {
            key: Standing(wanted[key], until, _summed_up(whole), windows.get(key))
            for key, (whole, until, _) in read.items()
        }

    def _windows(self, latest: Mapping[Key, str]) -> dict[Key, Window | None]:
        """Return when the faults of those runs acted; one whose record is pruned, or damaged, does not say."""
        faults: dict[str, list[Key]] = defaultdict(list)
        for key, run in latest.items():
            faults[run].append(key)
        found = self._store.records(sorted(faults))
        return {key: _window(record, key.fault) for record in found for key in faults[record.run]}

    def _read(
        self, keys: Sequence[Key], project: str | None, now: float
    ) -> dict[Key, tuple[Cell, float, list[RunSummary]]]:
        runs: dict[Key, list[RunSummary]] = {key: [] for key in keys}
        for name in sorted({key.service for key in runs}):
            faults = sorted({key.fault for key in runs if key.service == name})
            for run in history(self._store, now - WINDOW, name, faults, project=project):
                for fault in run.faults:
                    runs.get(Key(run.environment, name, fault), []).append(run)
        return {key: self._cell(key, found, project, now) for key, found in runs.items()}

    def _cell(
        self, key: Key, found: list[RunSummary], project: str | None, now: float
    ) -> tuple[Cell, float, list[RunSummary]]:
        """Return a cell, and until when it stays so; one with nothing valid in the window says when it last was."""
        turns = [run.started if run.started > now else run.started + WINDOW for run in found]
        name = CellKey(key.service, key.fault, key.environment, "")
        if not any(run.valid for run in found):
            found.extend(last_runs(self._store, name, project, valid=True))
        if not found:
            found.extend(last_runs(self._store, name, project))
        by_formula = [current(self._store, run) for run in found]
        return cell(key, by_formula, now), min(turns, default=_EVER), by_formula


def _still(known: Mapping[Key, Standing], wanted: Mapping[Key, Versions], now: float) -> dict[Key, Standing]:
    return {key: each for key, each in known.items() if each.versions == wanted[key] and now < each.until}


def _latest(runs: Iterable[RunSummary], now: float) -> RunSummary | None:
    valid = [run for run in runs if run.valid and run.started <= now]
    return max(valid, key=lambda run: (run.started, run.run), default=None)


def _window(record: Record, fault: str) -> Window | None:
    targets = [target for each in record.faults if each.name == fault for target in each.targets]
    begun = [target.committed for target in targets if target.committed is not None]
    over = [target.healed for target in targets if target.healed is not None]
    return (min(begun), max(over)) if begun and over else None


def _service(key: Key) -> str:
    return key.service


def _summed_up(whole: Cell) -> Cell:
    return replace(whole, tracks=tuple(replace(track, runs=(), why_invalid=()) for track in whole.tracks))


def _seen(project: str | None) -> str:
    return "all" if project is None else f"project {project}"


def _row(key: Key, project: str | None, each: Standing) -> dict[str, Any]:
    told = {name: getattr(each.cell, name) for name in _CELL}
    tracks = [
        (*(getattr(track, name) for name in _TRACK), list(track.score) if track.score else None)
        for track in each.cell.tracks
    ]
    told |= {"versions": each.versions, "window": each.window, "tracks": tracks}
    row = {**key._asdict(), "seen": _seen(project), "formula": _MADE}
    return row | {"until": each.until, "told": orjson.dumps(told).decode()}


def _standing(key: Key, until: float, told: dict[str, Any]) -> Standing:
    tracks = tuple(
        Track(
            **dict(zip(_TRACK, said, strict=True)), runs=(), why_invalid=(), score=Interval(*score) if score else None
        )
        for *said, score in told["tracks"]
    )
    versions = tuple((project, changed) for project, changed in told["versions"])
    begin_and_end = told["window"] and (told["window"][0], told["window"][1])
    whole = Cell(key, tracks, **{name: told[name] for name in _CELL})
    return Standing(versions, until, whole, begin_and_end)
