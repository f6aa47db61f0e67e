"""The metrics of a store: what /metrics answers."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select

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
            loose = self._count({"": ()}, now)[""]
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
        known = {
            service: counted
            for service, told in versions.items()
            if (counted := self._counted.get(service)) and counted.versions == tuple(told) and now < counted.until
        }
        changed = {service: tuple(told) for service, told in versions.items() if service not in known}
        self._counted = known | self._count(changed, now)
        return self._counted.values()

    def _count(self, versions: Mapping[str, tuple[Any, ...]], now: float) -> dict[str, _Counted]:
        """Count the runs of services, or those of none, that are in the window; cells_of() saw to what waited."""
        found: dict[str, Counter[tuple[str, str, str]]] = {service: Counter() for service in versions}
        until = dict.fromkeys(versions, float("inf"))
        faults = {each[1] for told in versions.values() for each in told}
        with reaching(self._store.place), self._store.engine.connect() as connection:
            rows = connection.execute(_counting(list(versions), sorted(faults), now)).all() if versions else ()
        for row in rows:
            until[row.service] = min(until[row.service], row.first if row.to_come else row.first + WINDOW)
            if not row.to_come:
                found[row.service][row.environment, row.service, row.verdict] += row.number
        return {service: _Counted(told, until[service], found[service]) for service, told in versions.items()}


def _counting(services: Sequence[str], faults: Sequence[str], now: float) -> Select[Any]:
    """Return the question how many runs of the window there are of each kind, and when the first of them was.

    Runs that begin later than now are told apart: they will come into it. A run has a row for each of its faults, and
    with these named an index leads to each cell.
    """
    to_come = (results.c.started > now).label("to_come")
    columns = results.c.service, results.c.environment, results.c.verdict, to_come
    query = select(results.c.run, results.c.started, *columns).distinct()
    query = query.where(results.c.kind == "experiment", results.c.started >= now - WINDOW)
    query = query.where(results.c.service.in_(services))
    runs = (query.where(results.c.fault.in_(faults)) if faults else query).subquery()
    groups = [runs.c[column.name] for column in columns]
    return select(*groups, func.count().label("number"), func.min(runs.c.started).label("first")).group_by(*groups)


def _version(cell: CellKey) -> tuple[str, str, str, str, int]:
    return cell.service, cell.fault, cell.environment, cell.project, cell.changed
