"""The runs of a store as scores over several runs need them: those of the window, and the last one of older cells."""

from dataclasses import replace
from typing import TYPE_CHECKING

from reports.cells import WINDOW
from reports.history import RunSummary
from reports.queries import cells_of, history, last_runs
from reports.score import FORMULA
from reports.verdict import judge
from runner.errors import ChaosctlError

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["current", "summaries"]


def summaries(store: "Store", now: float, *, service: str = "", environment: str = "") -> list[RunSummary]:
    """Return what cells, services and trends are computed from; raises Unreachable where the store does not answer.

    All are by the formula in use: those that another one judged are judged again, from their records.
    """
    found = {run.run: run for run in history(store, now - WINDOW, service, environment=environment)}
    fresh = {(run.environment, run.service, fault) for run in found.values() if run.valid for fault in run.faults}
    for cell in cells_of(store, service, environment):
        if (cell.environment, cell.service, cell.fault) not in fresh:
            for run in last_runs(store, cell, valid=True) or last_runs(store, cell):
                known = found.get(run.run)
                faults = {*run.faults, *(known.faults if known else ())}
                found[run.run] = replace(run, faults=tuple(sorted(faults)))
    return [current(store, run) for run in sorted(found.values(), key=lambda run: (run.started, run.run))]


def current(store: "Store", run: RunSummary) -> RunSummary:
    """Return the summary by the formula in use; one whose samples were pruned stays what it was."""
    if run.formula == FORMULA:
        return run
    try:
        record = store.record(run.run)
    except ChaosctlError:
        return run
    again = RunSummary.of(record.model_copy(update={"judgement": judge(record)}))
    return replace(again, faults=run.faults)
