"""Events counted from the raw samples of counters: what was added between one scrape and the next, never a rate."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from probes._promql import Row
from probes._shape import Shape

__all__ = ["MARGIN", "Traffic", "count", "is_new_from_zero", "newborn", "target_query"]

_Target = tuple[str | None, str | None]
_Up = Mapping[_Target, Sequence[tuple[float, float]]]

MARGIN = 300.0  # seconds read before the window, to find what a counter stood at when it began


@dataclass(frozen=True)
class Traffic:
    """Events of the service; entry i happened after times[i - 1], the first after the scrape before `start`.

    Times are those of scrapes, seconds since the epoch. `note` says what was left out.
    """

    start: float
    times: tuple[float, ...]
    all: tuple[float, ...]
    bad: tuple[float, ...]
    note: str = ""


def newborn(rows: Iterable[Row], start: float) -> list[Row]:
    """Return the series that have no sample from before the window."""
    return [row for row in rows if row.points[0][0] > start]


def target_query(rows: Iterable[Row]) -> str:
    """Return the selector of `up` for the jobs that series come from."""
    jobs = sorted({row.labels.get("job", "") for row in rows})
    return f"up{{job=~{json.dumps('|'.join(map(re.escape, jobs)), ensure_ascii=False)}}}"


def is_new_from_zero(row: Row, up: _Up) -> bool:
    """Tell whether a series that began in the window began at zero there.

    It did where its target was scraped before without it, or where the target itself is new. Where scrapes of the
    target had only failed, or the target is not known by `job` and `instance`, it may have counted for long.
    """
    began = row.points[0][0]
    known = up.get(_target(row))
    before = [value for at, value in known or () if at < began]
    return known is not None and (not before or any(before))


def count(shape: Shape, start: float, every: Sequence[Row], bad: Sequence[Row], up: Sequence[Row]) -> Traffic:
    """Return the events of the window, by scrape interval; the time of each entry is its latest scrape.

    A counter that went down was reset and counts from zero, as in Prometheus' own functions; nothing is extrapolated.
    """
    added: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    latest: dict[int, float] = {}
    boundary = shape.between(shape.interval)
    scraped = {_target(row): row.points for row in up}
    for column, rows in enumerate((every, bad)):
        for row in rows:
            for at, increment in _increments(row, start, scraped):
                place = math.floor((at - boundary) / shape.interval)
                added[place][column] += increment
                latest[place] = max(at, latest.get(place, at))
    places = sorted(latest)
    return Traffic(
        start,
        tuple(latest[place] for place in places),
        tuple(added[place][0] for place in places),
        tuple(added[place][1] for place in places),
        _left_out([row for row in newborn([*every, *bad], start) if not is_new_from_zero(row, scraped)]),
    )


def _increments(row: Row, start: float, up: _Up) -> Iterator[tuple[float, float]]:
    began, value = row.points[0]
    if began > start:
        yield began, value if is_new_from_zero(row, up) else 0.0
    for (_, before), (at, after) in pairwise(row.points):
        if at > start:
            yield at, after - before if after >= before else after


def _left_out(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    distinct = {frozenset(row.labels.items()) for row in rows}
    return f"{len(distinct)} series whose targets could not be scraped before count from their first sample on"


def _target(row: Row) -> _Target:
    return row.labels.get("job"), row.labels.get("instance")
