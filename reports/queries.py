"""What cells, services and trends are computed from: a few small rows a cell, however many runs the store holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select

from reports.connect import reaching
from reports.tables import cells, results

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["DAYS", "Cell", "Result", "cells_of", "last_results", "results_of"]

DAYS = 45
"""How far a cell looks back."""


@dataclass(frozen=True, order=True)
class Cell:
    """One service x fault that ever ran, in one environment of one project."""

    service: str
    fault: str
    environment: str
    project: str


@dataclass(frozen=True)
class Result:
    """What one run says of one fault; `score` and the figures behind it are None where the run was not valid.

    `reason` is the deciding reason of the verdict: for a run that was not valid, why nothing can be concluded.
    """

    run: str
    fault: str
    project: str
    environment: str
    service: str
    experiment_hash: str
    started: float
    verdict: str
    valid: bool
    score: float | None
    absorbed: float | None
    recovered: float | None
    bad_share: float | None
    recovery_time: float | None
    events: float | None
    required: bool
    weight: float
    objective: float
    formula: str
    reason: str


_COLUMNS = [results.c[field.name] for field in fields(Result)]


def cells_of(store: "Store", service: str = "", environment: str = "", project: str | None = None) -> list[Cell]:
    """Return the cells that ever ran, sorted; an empty service or environment and no project mean all of them."""
    query = _within(select(cells), cells, service=service, environment=environment, project=project)
    with reaching(store.place), store.engine.connect() as connection:
        return sorted(Cell(**row) for row in connection.execute(query).mappings())


def results_of(
    store: "Store", service: str, faults: Sequence[str], since: float, environment: str = "", project: str | None = None
) -> list[Result]:
    """Return the results of a service's cells since then, the latest first; without faults there are none.

    `since` is usually now less DAYS. The faults are named, because an index leads to each of them directly.
    """
    query = select(*_COLUMNS).where(results.c.fault.in_(faults), results.c.started >= since)
    query = _within(query, results, service=service, environment=environment, project=project)
    return _results(store, query.order_by(results.c.started.desc(), results.c.run.desc()))


def last_results(store: "Store", cell: Cell, limit: int = 1, *, valid: bool = False) -> list[Result]:
    """Return the latest results of one cell, however old, or the latest valid ones: how stale it is."""
    query = select(*_COLUMNS).where(*(results.c[name] == value for name, value in vars(cell).items()))
    query = query.where(results.c.valid) if valid else query
    return _results(store, query.order_by(results.c.started.desc(), results.c.run.desc()).limit(limit))


def _within(query: Select[Any], table: Any, **wanted: str | None) -> Select[Any]:
    for name, value in _meant(wanted.items()):
        query = query.where(table.c[name] == value)
    return query


def _meant(wanted: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Return what to filter by; an empty project is one, that of runs that were stored without a token."""
    return [(name, value) for name, value in wanted if value or (name == "project" and value is not None)]


def _results(store: "Store", query: Select[Any]) -> list[Result]:
    with reaching(store.place), store.engine.connect() as connection:
        return [Result(*row) for row in connection.execute(query)]
