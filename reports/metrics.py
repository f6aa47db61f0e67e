"""The metrics of a store: what /metrics answers."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from reports.cells import WINDOW, Key
from reports.connect import reaching
from reports.exports.openmetrics import CONTENT_TYPE, Verdicts, openmetrics
from reports.queries import CellKey, cells_of
from reports.services import Declared, fleet
from reports.standings import Standing, Standings
from reports.tables import results

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["CONTENT_TYPE", "Metrics"]


@dataclass(frozen=True)
class _Counted:
    """Runs by verdict, of cells of those versions, until one of them leaves the window, or comes into it."""

    versions: tuple[Any, ...]
    until: float
    runs: Verdicts


class Metrics:
    """The text for Prometheus, made once until something of it is no more so; `declared` are the services by place."""

    def __init__(self, store: "Store", standings: Standings, declared: Mapping[str, Mapping[str, Declared]]) -> None:
        self._store = store
        self._standings = standings
        self._declared = declared
        self._guard = threading.Lock()
        self._counted: dict[str, _Counted] = {}
        self._text: tuple[tuple[Any, ...], float, str] = (), 0.0, ""

    def text(self, now: float) -> str:
        """Return it as it is now; raises Unreachable where the store does not answer."""
        with self._guard:
            ran = cells_of(self._store)
            loose = self._count("", (), now)
            versions = (*map(_version, ran), tuple(sorted(loose.runs.items())))
            known, until, text = self._text
            if known != versions or now >= until:
                until, text = self._made(ran, loose, now)
                self._text = versions, until, text
            return text

    def _made(self, ran: Iterable[CellKey], loose: _Counted, now: float) -> tuple[float, str]:
        found = self._standings.standing(ran, None, now)
        counted = [loose, *self._counts(ran, now)]
        runs = Counter[tuple[str, str, str]]()
        for each in counted:
            runs.update(each.runs)
        turns = [each.until for each in found.values()] + [each.until for each in counted]
        return min(turns), self._written(found, runs)

    def _written(self, found: Mapping[Key, Standing], runs: Verdicts) -> str:
        cells = {key: found[key].cell for key in sorted(found)}
        named = {name for name, services in self._declared.items() if services}
        environments = sorted({key.environment for key in found} | named)
        fleets = [fleet(cells, self._declared.get(name, {}), name) for name in environments]
        windows = {key: each.window for key, each in found.items() if each.window}
        return openmetrics(fleets, cells, runs, windows)

    def _counts(self, ran: Iterable[CellKey], now: float) -> Iterable[_Counted]:
        versions: dict[str, list[Any]] = {}
        for each in ran:
            versions.setdefault(each.service, []).append(_version(each))
        for service, told in versions.items():
            known = self._counted.get(service)
            if known is None or known.versions != tuple(told) or now >= known.until:
                self._counted[service] = self._count(service, tuple(told), now)
        return [self._counted[service] for service in versions]

    def _count(self, service: str, versions: tuple[Any, ...], now: float) -> _Counted:
        """Count the runs of one service, or those of none, that are in the window; cells_of() saw to what waited."""
        columns = results.c.run, results.c.environment, results.c.verdict, results.c.started
        query = select(*columns).distinct().where(results.c.service == service, results.c.kind == "experiment")
        with reaching(self._store.place), self._store.engine.connect() as connection:
            rows = connection.execute(query.where(results.c.started >= now - WINDOW)).all()
        turns = [row.started if row.started > now else row.started + WINDOW for row in rows]
        runs = Counter((row.environment, service, row.verdict) for row in rows if row.started <= now)
        return _Counted(versions, min(turns, default=float("inf")), runs)


def _version(cell: CellKey) -> tuple[str, str, str, str, int]:
    return cell.service, cell.fault, cell.environment, cell.project, cell.changed
