"""Steady state in a record: when the fault acted, what each series saw, and when it was steady again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from reports.record import Record, Series, TargetRecord
from runner.model import Outcome

__all__ = ["STREAK", "Slot", "Window", "coverage", "fault_window", "samples", "slots", "steady_again", "watch_end"]

STREAK = 5
_GAP = 1.4
"""Samples less than so many intervals apart have no hole between them; one and a half is where the first one begins."""
_REMEMBERED = 16
_sampled: "dict[int, tuple[Series, list[Slot]]]" = {}
"""The samples of the series that were looked at last: judging one run asks for them more than ten times."""

_KNOWN = {Outcome.GOOD: True, Outcome.BAD: False}


@dataclass(frozen=True)
class Window:
    """The moments a run turns on: the first commit, the first effect seen, the last heal seen."""

    committed: float
    effective: float
    healed: float


class Slot(NamedTuple):
    """One sampling moment; `good` is None where nothing is known of it: no sample, no series, a repeated value."""

    at: float
    good: bool | None


def fault_window(record: Record) -> Window | None:
    """Return when the run's faults acted, by the targets of which all moments are known; None where there are none."""
    moments = [_moments(target) for fault in record.faults for target in fault.targets]
    known = [window for window in moments if window]
    if not known:
        return None
    return Window(
        min(window.committed for window in known),
        min(window.effective for window in known),
        max(window.healed for window in known),
    )


def samples(series: Series) -> list[Slot]:
    """Return the samples in the order of time; where two share a moment, bad outweighs unknown, and unknown good."""
    known = _sampled.get(id(series))
    if known is None or known[0] is not series:
        while len(_sampled) >= _REMEMBERED:
            _sampled.pop(next(iter(_sampled), 0), None)
        known = _sampled[id(series)] = series, _samples(series)
    return known[1]


def _samples(series: Series) -> list[Slot]:
    moments = [round(series.start + offset, 3) for offset in series.offsets]
    known = [_KNOWN.get(outcome) for outcome in series.outcomes]
    seen = dict(zip(moments, known, strict=True))
    if len(seen) < len(moments):
        seen.clear()
        for at, good in zip(moments, known, strict=True):
            seen[at] = good if at not in seen else _worse(good, seen[at])
    return [Slot(at, seen[at]) for at in sorted(seen)]


def watch_end(record: Record, healed: float) -> float:
    """Return until when samples are owed: all series steady again, or too late for that within the objective."""
    return max((_watched(series, healed, record.promise.objective) for series in record.series), default=healed)


def coverage(series: Series, end: float) -> tuple[int, int]:
    """Return how many samples are known from the series' start to `end`, and how many were expected."""
    expected = max(1, int((end - series.start) / series.interval + 0.5))
    known = sum(slot.good is not None and slot.at <= end for slot in samples(series))
    return min(known, expected), expected


def slots(series: Series, end: float) -> list[Slot]:
    """Return the samples with an unknown slot for each one missing; only for a series whose coverage is sufficient."""
    found = samples(series)
    times = [series.start, *(slot.at for slot in found)]
    times.append(max(end, times[-1]) + series.interval)
    gaps = [(before, after) for before, after in pairwise(times) if after - before > _GAP * series.interval]
    missing = [Slot(at, None) for before, after in gaps for at in _holes(before, after, series.interval)]
    return sorted([*found, *missing], key=lambda slot: slot.at) if missing else found


def steady_again(found: Iterable[Slot], healed: float) -> float | None:
    """Return the first of five consecutive good samples after the heal, or None where they never came.

    It is the moment of the heal itself where the series was good before it and stayed so.
    """
    first, after = None, 0
    for slot in found:
        if not slot.good:
            first, after = None, 0
            continue
        first = slot.at if first is None else first
        after += slot.at >= healed
        if after == STREAK:
            return max(first, healed)
    return None


def _moments(target: TargetRecord) -> Window | None:
    if target.committed is None or target.effective is None or target.healed is None:
        return None
    return Window(target.committed, target.effective, target.healed)


def _worse(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _watched(series: Series, healed: float, objective: float) -> float:
    found = samples(series)
    again = steady_again(found, healed)
    if again is None:
        return healed + objective + (STREAK - 1) * series.interval
    return _nth(found, max(again, healed))


def _nth(found: Sequence[Slot], since: float) -> float:
    return [slot.at for slot in found if slot.at >= since][STREAK - 1]


def _holes(before: float, after: float, interval: float) -> Iterator[float]:
    count = int((after - before) / interval + 0.5) - 1
    return (before + interval * (number + 1) for number in range(count))
