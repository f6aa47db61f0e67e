"""OpenMetrics for Prometheus: scores, their bounds, how old they are, and runs by verdict.

Labels are environments, services, faults and verdicts, never runs: a label that is new every night is a leak. What is
not known has no sample, because a score of 0 is something else than no score.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from reports.cells import WINDOW, Cell, Key
from reports.services import Fleet

__all__ = ["CONTENT_TYPE", "Verdicts", "openmetrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
Verdicts = Mapping[tuple[str, str, str], int]
"""How many experiments of the window were judged so, by environment, service and verdict."""
_DAYS = f"{WINDOW / 86400:.0f} days"


def openmetrics(
    fleets: Sequence[Fleet],
    cells: Mapping[Key, Cell],
    runs: Verdicts,
    windows: Mapping[Key, tuple[float, float]],
) -> str:
    """Return the text of all metrics; `windows` are start and end of each cell's latest fault, for annotations."""
    registry = CollectorRegistry()
    registry.register(_Scores([*_fleets(fleets), *_cells(cells), *_windows(windows), _runs(runs)]))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class _Scores(Collector):
    def __init__(self, families: Sequence[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _fleets(fleets: Sequence[Fleet]) -> Iterator[GaugeMetricFamily]:
    services = [service for fleet in fleets for service in fleet.services]
    yield _family(
        "resilience_score",
        "Score of a service, 0 to 100: lower bounds of the mean score, weighted over the required faults.",
        ("environment", "service"),
        {(each.environment, each.name): each.score for each in services},
    )
    yield _family(
        "resilience_pass_rate_lower_bound",
        "Wilson lower bound of the pass rate of a service, weighted over the required faults.",
        ("environment", "service"),
        {(each.environment, each.name): each.pass_rate_low for each in services},
    )
    yield _family(
        "resilience_coverage_ratio",
        f"Share of the required faults of a service with a valid run in the last {_DAYS}.",
        ("environment", "service"),
        {(each.environment, each.name): each.coverage for each in services},
    )
    yield _family(
        "resilience_fleet_score",
        "Mean score of all services, weighted by criticality.",
        ("environment",),
        {(fleet.environment,): fleet.score for fleet in fleets},
    )


def _cells(cells: Mapping[Key, Cell]) -> Iterator[GaugeMetricFamily]:
    yield _family(
        "resilience_cell_score",
        f"Mean score of a service under a fault over the valid runs of the last {_DAYS}.",
        Key._fields,
        {key: cell.score.mean if cell.score else None for key, cell in cells.items()},
    )
    yield _family(
        "resilience_cell_score_lower_bound",
        "Lower bound of that mean, at 95%.",
        Key._fields,
        {key: cell.score.low if cell.score else None for key, cell in cells.items()},
    )
    yield _family(
        "resilience_last_valid_run_timestamp_seconds",
        "When the last valid run of a service under a fault started.",
        Key._fields,
        {key: cell.last_valid for key, cell in cells.items()},
    )


def _windows(windows: Mapping[Key, tuple[float, float]]) -> Iterator[GaugeMetricFamily]:
    for number, edge in enumerate(("start", "end")):
        yield _family(
            f"resilience_last_fault_{edge}_timestamp_seconds",
            f"The {edge} of the latest fault of a service, for annotations.",
            Key._fields,
            {key: window[number] for key, window in windows.items()},
        )


def _runs(runs: Verdicts) -> GaugeMetricFamily:
    labels = ("environment", "service", "verdict")
    return _family("resilience_runs", f"Runs of the last {_DAYS} by verdict.", labels, dict(runs))


def _family(name: str, meaning: str, labels: Sequence[str], values: Mapping[Any, float | None]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for names, value in sorted(values.items()):
        if value is not None:
            family.add_metric(list(names), value)
    return family
