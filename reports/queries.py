"""What cells, services and trends are computed from: a few small rows a cell, however many runs the store holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, select

from reports.history import RunSummary
from reports.pending import settled
from reports.tables import cells, results
from runner.model import Verdict

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["DAYS", "CellKey", "cells_of", "history", "last_runs", "services_of"]

DAYS = 45
"""How far a cell looks back."""

_CELL = "service", "fault", "environment", "project", "changed"
_FIELDS = [field.name for field in fields(RunSummary) if field.name not in ("faults", "verdict")]


@dataclass(frozen=True, order=True)
class CellKey:
    """One service x fault that ever ran, in one environment of one project; `changed` grows with its runs' changes."""

    service: str
    fault: str
    environment: str
    project: str
    changed: int = field(default=0, compare=False)


def services_of(store: "Store", environment: str = "", project: str | None = None) -> set[tuple[str, str]]:
    """Return the services that ever ran, each with the environment it ran in, as cells_of() chooses them."""
    query = select(cells.c.service, cells.c.environment).distinct()
    query = _within(query, cells, environment=environment, project=project)
    with settled(store) as connection:
        return {(row.service, row.environment) for row in connection.execute(query)}


def cells_of(
    store: "Store", service: str = "", environment: str = "", project: str | None = None, among: Sequence[str] = ()
) -> list[CellKey]:
    """Return the cells that ever ran, sorted; an empty service or environment and no project mean all of them.

    `among` are the services to look at, where they are several.
    """
    columns = select(*(cells.c[name] for name in _CELL))
    query = _within(columns, cells, service=service, environment=environment, project=project)
    query = query.where(cells.c.service.in_(among)) if among else query
    with settled(store, service) as connection:
        return [CellKey(*row) for row in sorted(tuple(row) for row in connection.execute(query))]


def history(
    store: "Store",
    since: float,
    service: str = "",
    faults: Sequence[str] = (),
    environment: str = "",
    project: str | None = None,
) -> list[RunSummary]:
    """Return the runs since then, in the order they started; with `faults`, those that have one of them.

    `since` is usually now less DAYS. Naming service and faults lets an index lead to each cell: 10 ms instead of the
    whole table. A summary then names the faults that were asked for; without, all that the run had.
    """
    query = select(results).where(results.c.started >= since)
    query = query.where(results.c.fault.in_(faults)) if faults else query
    query = _within(query, results, service=service, environment=environment, project=project)
    with settled(store, service) as connection:
        return _summaries(connection, query)


def last_runs(
    store: "Store", cell: CellKey, project: str | None = None, limit: int = 1, *, valid: bool = False
) -> list[RunSummary]:
    """Return the latest runs of one cell, however old, or the latest valid ones: how stale it is.

    They are those of `project`; none means of all projects, whichever the cell was found in.
    """
    query = select(results).where(results.c.service == cell.service, results.c.fault == cell.fault)
    query = _within(query, results, environment=cell.environment, project=project)
    query = query.where(results.c.valid) if valid else query
    query = query.order_by(results.c.started.desc(), results.c.run.desc()).limit(limit)
    with settled(store, cell.service) as connection:
        return _summaries(connection, query)


def _within(query: Select[Any], table: Any, **wanted: str | None) -> Select[Any]:
    for name, value in _meant(wanted.items()):
        query = query.where(table.c[name] == value)
    return query


def _meant(wanted: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Return what to filter by; an empty project is one, that of runs that were stored without a token."""
    return [(name, value) for name, value in wanted if value or (name == "project" and value is not None)]


def _summaries(connection: Connection, query: Select[Any]) -> list[RunSummary]:
    """Return one summary a run, the rows of its faults put together."""
    found: dict[str, RunSummary] = {}
    for row in connection.execute(query):
        known = found.get(row.run)
        found[row.run] = replace(known, faults=(*known.faults, row.fault)) if known else _summary(row)
    return sorted(found.values(), key=lambda summary: (summary.started, summary.run))


def _summary(row: Any) -> RunSummary:
    told = {name: getattr(row, name) for name in _FIELDS}
    return RunSummary(**told, faults=(row.fault,), verdict=Verdict(row.verdict))
