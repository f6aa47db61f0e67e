"""The score of a run: how much of a fault the service absorbed, and how fast it recovered.

Pure functions of a record; docs/scores.md explains them. Where a sample is missing the caller says whether it is
taken as good or as bad, so that a gap never raises a score.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from reports.record import Events, Record
from reports.steady import Same, Samples, Slot, Window, moments, samples, slots, steady_again, watch_end

__all__ = [
    "FORMULA",
    "FORMULAS",
    "LEAST_EVENTS",
    "PASS_MARK",
    "Figures",
    "Share",
    "broken",
    "counted_until",
    "figures",
    "hard_failures",
    "tolerated",
]

FORMULAS = "1", "2"
"""All formulas, the oldest first; none is ever altered. 1 knows no invariants."""

FORMULA = FORMULAS[-1]
_REMEMBERED = 16
PASS_MARK = 80.0
LEAST_EVENTS = 200


@dataclass(frozen=True)
class Share:
    """So many bad of all within `seconds`: the service's own events, or the samples of the series named."""

    bad: float
    all: float
    seconds: float
    series: str = ""

    @property
    def value(self) -> float:
        """The share, from 0 to 1; where there is nothing to divide by, nothing was seen to be good."""
        return min(1.0, self.bad / self.all) if self.all > 0 else 1.0


@dataclass(frozen=True)
class Figures:
    """What a run comes to, times in seconds; `steady` and `time` are None where it never recovered.

    `events` are all from the first effect until steady again, None where the record has none; `missing` counts the
    samples that were missing in that time; `unsteady` names the series that never recovered. `intact` is g: whether no
    invariant broke.
    """

    score: float
    share: Share
    events: float | None
    absorbed: float
    recovered: float
    steady: float | None
    time: float | None
    resolution: float
    unsteady: tuple[str, ...]
    missing: int
    intact: bool


class _Points(NamedTuple):
    """What was counted, in the order of time; entry i at the moment `at[i]`."""

    at: Sequence[float]
    all: Sequence[float]
    bad: Sequence[float]


def figures(record: Record, window: Window, *, missing_as: bool, formula: str = FORMULA) -> Figures:
    """Return A, R and q of a valid run; `missing_as` stands for each sample that is missing.

    By formula 1, q = 100 * (0.6 A + 0.4 R); by formula 2 it is 0 where an invariant broke.
    """
    end = watch_end(record, window.healed)
    seen = {(number, series.probe): slots(series, end) for number, series in enumerate(record.series)}
    taken = {key: _filled(found, missing_as) for key, found in seen.items()}
    again = {key: steady_again(found, window.healed) for key, found in taken.items()}
    unsteady = tuple(sorted({key[1] for key, at in again.items() if at is None}))
    steady = None if unsteady else max(at for at in again.values() if at is not None)
    until = math.inf if steady is None else steady
    share = _share(record.events, taken, window, until)
    time = None if steady is None else round(steady - window.healed, 3)
    absorbed = max(0.0, 1 - share.value / tolerated(record))
    recovered = _recovered(time, record.promise.objective)
    intact = formula == "1" or not broken(record, window)
    return Figures(
        score=round(100 * intact * (0.6 * absorbed + 0.4 * recovered), 1),
        share=share,
        events=_all(record.events, window, until),
        absorbed=absorbed,
        recovered=recovered,
        steady=steady,
        time=time,
        resolution=max(max(series.resolution, series.interval) for series in record.series),
        unsteady=unsteady,
        missing=sum(_missing(found, window.effective, until) for found in seen.values()),
        intact=intact,
    )


def tolerated(record: Record) -> float:
    """Return E, the share of bad events at which nothing counts as absorbed: as declared, else 10 * (1 - SLO)."""
    declared = record.promise.tolerated
    return declared if declared is not None else min(1.0, 10 * (1 - record.promise.slo / 100))


def hard_failures(record: Record, window: Window, steady: float | None) -> dict[str, list[Slot]]:
    """Return the bad samples of each hard series, from the first effect until the run was steady again."""
    until = math.inf if steady is None else steady
    hard = [(series.probe, samples(series)) for series in record.series if series.hard]
    return {probe: bad for probe, found in hard if (bad := found.bad(window.effective, until))}


def broken(record: Record, window: Window) -> dict[str, list[Slot]]:
    """Return the bad samples of each invariant from the first effect on, however late they were seen."""
    invariants = [(series.probe, samples(series)) for series in record.series if series.invariant]
    return {probe: bad for probe, found in invariants if (bad := found.bad(window.effective))}


def counted_until(events: Events, window: Window) -> float | None:
    """Return the moment of the last entry, None where none reaches past the first effect."""
    at = _event_points(Same(events)).at
    return at[-1] if at and at[-1] > window.effective else None


@lru_cache(maxsize=_REMEMBERED)
def _event_points(events: Same[Events]) -> _Points:
    """Judging one run asks for the same entries three times."""
    at, ordered = moments(events.it.start, events.it.offsets)
    every, bad = _unsigned(events.it.all), _unsigned(events.it.bad)
    if ordered:
        return _Points(at, every, bad)
    rows = sorted(zip(at, every, bad, strict=True))
    return _Points([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _unsigned(values: Sequence[float]) -> Sequence[float]:
    return values if min(values, default=0.0) >= 0 else [max(0.0, value) for value in values]


def _filled(found: Samples, missing_as: bool) -> Samples:
    if None not in found.good:
        return found
    return Samples(found.at, [missing_as if good is None else good for good in found.good])


def _missing(found: Samples, since: float, until: float) -> int:
    return found.good[found.since(since) : found.until(until)].count(None)


def _share(
    events: Events | None,
    taken: Mapping[tuple[int, str], Samples],
    window: Window,
    until: float,
) -> Share:
    """Return the share by events; where there are none, that of the series that suffered most."""
    if events:
        return _worst(_after_effect(events, window), window, until, LEAST_EVENTS)
    shares = [_worst(_sample_points(found, window), window, until, 1, probe) for (_, probe), found in taken.items()]
    return max(shares, key=lambda share: (share.value, share.series))


def _after_effect(events: Events, window: Window) -> _Points:
    """Return the entries that reach past the first effect."""
    points = _event_points(Same(events))
    first = bisect_right(points.at, window.effective)
    return _Points(points.at[first:], points.all[first:], points.bad[first:])


def _sample_points(found: Samples, window: Window) -> _Points:
    first = found.since(window.effective)
    bad = [float(not good) for good in found.good[first:]]
    return _Points(found.at[first:], [1.0] * len(bad), bad)


def _worst(points: _Points, window: Window, until: float, least: float, series: str = "") -> Share:
    """Return the largest share reached between the heal and steady state, counted from the first effect.

    The largest, because good events that come while the service is still recovering would dilute the bad ones: the
    slower the recovery, the better the share would look.
    """
    end = bisect_left(points.at, until) + 1
    at, every = [window.effective, *points.at[:end]], [*accumulate(points.all[:end], initial=0.0)]
    bad = [*accumulate(points.bad[:end], initial=0.0)]
    reached = [
        Share(bad[number], every[number], at[number] - window.effective, series)
        for number in range(max(1, bisect_left(at, window.healed)), len(at))
        if every[number] >= least
    ]
    return max(reached, key=lambda share: share.value, default=Share(bad[-1], every[-1], at[-1] - at[0], series))


def _all(events: Events | None, window: Window, until: float) -> float | None:
    if not events:
        return None
    points = _after_effect(events, window)
    return sum(points.all[: bisect_left(points.at, until) + 1])


def _recovered(time: float | None, objective: float) -> float:
    if time is None:
        return 0.0
    if time <= objective:
        return 1.0
    return max(0.0, 1 - math.log2(time / objective))
