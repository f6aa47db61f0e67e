"""The score of a run: how much of a fault the service absorbed, and how fast it recovered.

Pure functions of a record; docs/scores.md explains them. Where a sample is missing the caller says whether it is
taken as good or as bad, so that a gap never raises a score.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.record import Events, Record, Series
from reports.steady import Slot, Window, samples, slots, steady_again, watch_end

__all__ = [
    "FORMULA",
    "FORMULAS",
    "LEAST_EVENTS",
    "PASS_MARK",
    "Figures",
    "Share",
    "broken",
    "figures",
    "hard_failures",
    "tolerated",
]

FORMULAS = "1", "2"
"""All formulas, the oldest first; none is ever altered. 1 knows no invariants."""

FORMULA = FORMULAS[-1]
_SURE = 0.01
"""Seconds by which rounding cannot move an entry."""
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


class _Point(NamedTuple):
    at: float
    all: float
    bad: float


_counted: tuple[Events, float, list[_Point]] | None = None


def figures(record: Record, window: Window, *, missing_as: bool, formula: str = FORMULA) -> Figures:
    """Return A, R and q of a valid run; `missing_as` stands for each sample that is missing.

    By formula 1, q = 100 * (0.6 A + 0.4 R); by formula 2 it is 0 where an invariant broke.
    """
    end = watch_end(record, window.healed)
    seen = {(number, series.probe): slots(series, end) for number, series in enumerate(record.series)}
    holes = [slot for found in seen.values() for slot in found if slot.good is None]
    taken = {key: _filled(found, missing_as) for key, found in seen.items()} if holes else seen
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
        missing=sum(window.effective <= slot.at <= until for slot in holes),
        intact=intact,
    )


def tolerated(record: Record) -> float:
    """Return E, the share of bad events at which nothing counts as absorbed: as declared, else 10 * (1 - SLO)."""
    declared = record.promise.tolerated
    return declared if declared is not None else min(1.0, 10 * (1 - record.promise.slo / 100))


def hard_failures(record: Record, window: Window, steady: float | None) -> dict[str, list[Slot]]:
    """Return the bad samples of each hard series, from the first effect until the run was steady again."""
    until = math.inf if steady is None else steady
    failures: dict[str, list[Slot]] = {}
    for series in record.series:
        bad = [slot for slot in samples(series) if slot.good is False and window.effective <= slot.at <= until]
        if series.hard and bad:
            failures[series.probe] = bad
    return failures


def broken(record: Record, window: Window) -> dict[str, list[Slot]]:
    """Return the bad samples of each invariant from the first effect on, however late they were seen."""
    bad = {series.probe: _bad_since(series, window.effective) for series in record.series if series.invariant}
    return {probe: found for probe, found in bad.items() if found}


def event_points(events: Events, window: Window) -> list[_Point]:
    """Return the entries that reach past the first effect, in the order of time; the last ones are remembered."""
    global _counted  # noqa: PLW0603 - judging one run asks for the same entries three times
    known = _counted
    if known is None or known[0] is not events or known[1] != window.effective:
        known = _counted = events, window.effective, _event_points(events, window)
    return known[2]


def _event_points(events: Events, window: Window) -> list[_Point]:
    since = window.effective - events.start - _SURE
    rows = zip(events.offsets, events.all, events.bad, strict=True)
    later = [row for row in rows if row[0] > since]
    points = sorted(_Point(round(events.start + at, 3), max(0.0, every), max(0.0, bad)) for at, every, bad in later)
    return [point for point in points if point.at > window.effective]


def _bad_since(series: Series, moment: float) -> list[Slot]:
    return [slot for slot in samples(series) if slot.good is False and slot.at >= moment]


def _filled(found: Iterable[Slot], missing_as: bool) -> list[Slot]:
    return [Slot(slot.at, missing_as) if slot.good is None else slot for slot in found]


def _share(
    events: Events | None,
    taken: Mapping[tuple[int, str], Sequence[Slot]],
    window: Window,
    until: float,
) -> Share:
    """Return the share by events; where there are none, that of the series that suffered most."""
    if events:
        return _worst(event_points(events, window), window, until, LEAST_EVENTS)
    shares = [_worst(_sample_points(found, window), window, until, 1, probe) for (_, probe), found in taken.items()]
    return max(shares, key=lambda share: (share.value, share.series))


def _sample_points(found: Iterable[Slot], window: Window) -> list[_Point]:
    return [_Point(slot.at, 1, not slot.good) for slot in found if slot.at >= window.effective]


def _worst(points: Iterable[_Point], window: Window, until: float, least: float, series: str = "") -> Share:
    """Return the largest share reached between the heal and steady state, counted from the first effect.

    The largest, because good events that come while the service is still recovering would dilute the bad ones: the
    slower the recovery, the better the share would look.
    """
    bad = every = seconds = 0.0
    worst = None
    for at, of_all, of_bad in points:
        bad, every, seconds = bad + of_bad, every + of_all, at - window.effective
        if at >= window.healed and every >= least:
            reached = Share(bad, every, seconds, series)
            worst = reached if worst is None or reached.value > worst.value else worst
        if at >= until:
            break
    return worst or Share(bad, every, seconds, series)


def _all(events: Events | None, window: Window, until: float) -> float | None:
    if not events:
        return None
    points = event_points(events, window)
    last = next((number for number, point in enumerate(points) if point.at >= until), len(points))
    return sum(point.all for point in points[: last + 1])


def _recovered(time: float | None, objective: float) -> float:
    if time is None:
        return 0.0
    if time <= objective:
        return 1.0
    return max(0.0, 1 - math.log2(time / objective))
