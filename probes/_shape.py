"""How sharp a query sees: the scrape interval of what it reads, the time it smears over, and when it has settled."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from probes._promql import Query, Row, Selector, read
from runner.errors import Inconclusive, Unreachable, UsageError

if TYPE_CHECKING:
    from probes._prometheus_api import Api

__all__ = ["Shape", "measure", "middle_and_spread", "typical_interval"]

_WINDOWS = 300.0, 1800.0
_GRACE = 2.0  # seconds beyond what the intervals explain: writing a scrape down, a busy machine


@dataclass(frozen=True)
class Shape:
    """What is known of a query before it is followed; all in seconds.

    `interval` is the longest scrape interval among its series, `range` how far back a value depends on the past,
    `scraped` the moment within an interval around which its targets are scraped, `spread` how far apart they are,
    `lead` how far it reads ahead by negative offsets. `note` says what could not be found out.
    """

    interval: float
    range: float
    spread: float
    scraped: float
    lead: float = 0.0
    note: str = ""

    @property
    def resolution(self) -> float:
        """How long after a change in the service its edge may be seen."""
        return self.interval + self.spread + self.range

    @property
    def largest_age(self) -> float:
        """How old the newest sample of a series may be: one interval, a scrape that takes another, and a grace."""
        return 2 * self.interval + _GRACE

    @property
    def settling(self) -> float:
        """How long after a moment what is read for it no longer changes.

        A failed scrape marks its series stale up to its timeout late, and that is at most an interval; a target that
        service discovery dropped is marked 1.1 intervals late; an exporter's own timestamps come up to two late.
        """
        return 2 * self.interval + _GRACE + self.lead

    def between(self, step: float) -> float:
        """Return a moment as far from scrapes as steps can keep."""
        return self.scraped + min(step, self.interval) / 2

    def steps(self, start: float, end: float, step: float) -> tuple[float, ...]:
        """Return the sample times in (start, end]: midway between scrapes, so that jitter neither repeats nor skips."""
        phase = self.between(step)
        first, last = (math.floor((moment - phase) / step) for moment in (start, end))
        return tuple(round(phase + count * step, 3) for count in range(first + 1, last + 1))


def measure(api: "Api", query: Query) -> Shape:
    """Return a query's shape from the distances of the raw samples it reads.

    Where none of its series was there in the last half hour (as under `absent`), the slowest target of this server
    stands in. Raises Inconclusive where nothing was scraped three times.
    """
    found, notes = [_scrapes(api, selector.text) for selector in query.selectors], []
    if not any(rows for _, rows in found):
        found = [_scrapes(api, "up")]
        notes.append("its own series were not scraped lately; the slowest target of the server stands in")
    interval = max(interval for interval, _ in found)
    if not interval:
        raise Inconclusive(
            f"`{query.text}` at {api.url}: nothing was scraped there three times in the last half hour.",
            f"Look at {api.url}/targets, and wait for three scrapes after a start.",
        )
    reach, unknown = _reach(api, query)
    notes += [
        f"the rule that records {name} is not known here, nor how far back it looks" for name in dict.fromkeys(unknown)
    ]
    scraped, spread = middle_and_spread([row.points[-1][0] for _, rows in found for row in rows], interval)
    return Shape(interval, reach, spread, scraped, query.lead, "; ".join(notes))


def typical_interval(rows: Iterable[Row]) -> float:
    """Return the longest of the series' median distances, to two digits; 0 where none was scraped three times."""
    distances = ([after - before for (before, _), (after, _) in pairwise(row.points)] for row in rows)
    longest = max((median(each) for each in distances if len(each) >= 2), default=0.0)
    return float(f"{longest:.2g}")


def middle_and_spread(moments: Sequence[float], interval: float) -> tuple[float, float]:
    """Return the middle of the scrapes within an interval, opposite to their longest pause, and how long they take."""
    phases = sorted(moment % interval for moment in moments)
    pause, begin = max((after - before, before) for before, after in pairwise([*phases, phases[0] + interval]))
    return (begin + pause / 2 + interval / 2) % interval, round(interval - pause, 3)


def _scrapes(api: "Api", text: str) -> tuple[float, list[Row]]:
    interval, rows = 0.0, list[Row]()
    for window in _WINDOWS:
        rows = api.raw(text, window)
        if interval := typical_interval(rows):
            break
    return interval, rows


def _reach(api: "Api", query: Query, seen: frozenset[str] = frozenset()) -> tuple[float, list[str]]:
    """Return how far back a query looks, through recording rules too, and the rules that are not known."""
    reaches, unknown = [0.0], list[str]()
    for selector in query.selectors:
        behind = 0.0
        if ":" in selector.name and selector.name not in seen:
            rules = _rules(api, selector)
            unknown += [] if rules else [selector.name]
            for rule in rules:
                further, more = _reach(api, rule, seen | {selector.name})
                sources = max(_scrapes(api, source.text)[0] for source in rule.selectors)
                behind = max(behind, further + sources)
                unknown += more
        reaches.append(selector.reach + behind)
    return max(reaches), unknown


def _rules(api: "Api", selector: Selector) -> list[Query]:
    """Return what is recorded under a name with a colon, which Prometheus keeps for rules; none where unknown."""
    try:
        return [read(text) for text in api.recorded_as(selector.name)]
    except (Unreachable, UsageError):
        return []
