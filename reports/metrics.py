"""The metrics of a store: what /metrics answers."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from reports.cells import Key, cells
from reports.exports.openmetrics import CONTENT_TYPE, openmetrics
from reports.history import RunSummary
from reports.record import Record
from reports.scored import summaries
from reports.services import Declared, fleet
from runner.errors import ChaosctlError

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["CONTENT_TYPE", "metrics"]


def metrics(store: "Store", declared: Mapping[str, Mapping[str, Declared]], now: float) -> str:
    """Return the text for Prometheus; `declared` holds the services of each environment, by its name."""
    runs = summaries(store, now)
    found = cells(runs, now)
    environments = sorted(
        {key.environment for key in found} | {name for name, services in declared.items() if services}
    )
    fleets = [fleet(found, declared.get(name, {}), name) for name in environments]
    return openmetrics(fleets, found, runs, dict(_windows(store, runs)), now)


def _windows(store: "Store", runs: Iterable[RunSummary]) -> Iterable[tuple[Key, tuple[float, float]]]:
    """Yield start and end of each cell's latest proven fault; one whose record is pruned has none."""
    latest: dict[Key, RunSummary] = {}
    for run in sorted(runs, key=lambda each: each.started):
        latest |= {Key(run.environment, run.service, fault): run for fault in run.faults if run.valid and run.service}
    for key, run in latest.items():
        try:
            record = store.record(run.run)
        except ChaosctlError:
            continue
        if window := _window(record, key.fault):
            yield key, window


def _window(record: Record, fault: str) -> tuple[float, float] | None:
    targets = [target for each in record.faults if each.name == fault for target in each.targets]
    begun = [target.committed for target in targets if target.committed is not None]
    over = [target.healed for target in targets if target.healed is not None]
    return (min(begun), max(over)) if begun and over else None
