"""Steady state in a record: when the fault acted, what each series saw, and when it was steady again."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import lt, sub
from typing import Generic, NamedTuple, TypeVar

from reports.record import Record, Series, TargetRecord
from runner.model import Outcome

__all__ = [
    "STREAK",
    "Same",
    "Samples",
    "Slot",
    "Window",
    "coverage",
    "fault_window",
    "moments",
    "samples",
    "slots",
    "steady_again",
    "watch_end",
]

T = TypeVar("T")
STREAK = 5
_GAP = 1.4
"""Samples less than so many intervals apart have no hole between them; one and a half is where the first one begins."""
_REMEMBERED = 64
_LATEST = 1e10

_GOOD, _BAD = Outcome.GOOD, Outcome.BAD
"""Told apart by identity: an enumeration has its hash computed in Python."""


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


class Samples(NamedTuple):
    """The sampling moments of a series, all different, in the order of time, and what was known at each, as in Slot.

    Two columns, not a list of slots: judging a run counts and searches them, which lists do at once.
    """

    at: Sequence[float]
    good: Sequence[bool | None]

    def since(self, moment: float) -> int:
        """Return the number of the first sample at that moment or later."""
        return bisect_left(self.at, moment)

    def until(self, moment: float) -> int:
        """Return how many samples there are until that moment, itself included."""
        return bisect_right(self.at, moment)

    def bad(self, since: float = float("-inf"), until: float = float("inf")) -> list[Slot]:
        """Return the bad samples from one moment to another, both included."""
        first, end = self.since(since), self.until(until)
        if False not in self.good[first:end]:
            return []
        return [Slot(self.at[number], False) for number in range(first, end) if self.good[number] is False]


class Same(Generic[T]):
    """An object as a key that stands for this object and no other that is alike."""

    __slots__ = ("it",)

    def __init__(self, it: T) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it


def fault_window(record: Record) -> Window | None:
    """Return when the run's faults acted, by the targets of which all moments are known; None where there are none."""
    found = [_moments(target) for fault in record.faults for target in fault.targets]
    known = [window for window in found if window]
    if not known:
        return None
    return Window(
        min(window.committed for window in known),
        min(window.effective for window in known),
        max(window.healed for window in known),
    )


def samples(series: Series) -> Samples:
    """Return the samples in the order of time; where two share a moment, bad outweighs unknown, and unknown good."""
    return _samples(Same(series))


@lru_cache(maxsize=_REMEMBERED)
def _samples(series: Same[Series]) -> Samples:
    """Judging one run asks for the same samples more than ten times."""
    at, ordered = moments(series.it.start, series.it.offsets)
    good = [True if each is _GOOD else False if each is _BAD else None for each in series.it.outcomes]
    if ordered:
        return Samples(at, good)
    seen: dict[float, bool | None] = {}
    for moment, known in zip(at, good, strict=True):
        seen[moment] = known if moment not in seen else _worse(known, seen[moment])
    times = sorted(seen)
    return Samples(times, [seen[moment] for moment in times])


def moments(start: float, offsets: Sequence[float]) -> tuple[list[float], bool]:
    """Return each moment start + offset to the millisecond, as round() gives it, and whether each is after the last.

    Both are whole milliseconds, so that their sum in floats is no thousandth of one off, and cutting is a third of the
    work of round(). It is right for moments from 1970 to the year 2286; where the first and the last of those that
    increase are, all are.
    """
    if offsets and start + offsets[0] > 0 and start + offsets[-1] < _LATEST:
        cut = [int((start + offset) * 1000 + 0.5) / 1000 for offset in offsets]
        if _increasing(cut):
            return cut, True
    rounded = [round(start + offset, 3) for offset in offsets]
    return rounded, _increasing(rounded)


def _increasing(at: Sequence[float]) -> bool:
    return all(map(lt, at, at[1:]))


def watch_end(record: Record, healed: float) -> float:
    """Return until when samples are owed: all series steady again, or too late for that within the objective."""
    return max((_watched(series, healed, record.promise.objective) for series in record.series), default=healed)


def coverage(series: Series, end: float) -> tuple[int, int]:
    """Return how many samples are known from the series' start to `end`, and how many were expected."""
    expected = max(1, int((end - series.start) / series.interval + 0.5))
    found = samples(series)
    until = found.until(end)
    return min(until - found.good[:until].count(None), expected), expected


def slots(series: Series, end: float) -> Samples:
    """Return the samples with an unknown one for each that is missing; only for a series with sufficient coverage."""
    return _slots(Same(series), end)


@lru_cache(maxsize=_REMEMBERED)
def _slots(same: Same[Series], end: float) -> Samples:
    series = same.it
    found = samples(series)
    times = [series.start, *found.at]
    times.append(max(end, times[-1]) + series.interval)
    longest = _GAP * series.interval
    if max(map(sub, times[1:], times)) <= longest:
        return found
    gaps = [(before, after) for before, after in pairwise(times) if after - before > longest]
    missing = [Slot(at, None) for before, after in gaps for at in _holes(before, after, series.interval)]
    if not missing:
        return found
    ordered = sorted([*map(Slot, found.at, found.good), *missing], key=lambda slot: slot.at)
    return Samples([slot.at for slot in ordered], [slot.good for slot in ordered])


def steady_again(found: Samples, healed: float) -> float | None:
    """Return the first of five consecutive good samples after the heal, or None where they never came.

    It is the moment of the heal itself where the series was good before it and stayed so.
    """
    at, good = found
    first = found.since(healed)
    while (last := first + STREAK) <= len(at):
        row = good[first:last]
        if all(row):
            begun = first and good[first - 1]
            return healed if begun else max(at[first], healed)
        first += STREAK - next(number for number, each in enumerate(reversed(row)) if not each)
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
    return found.at[found.since(max(again, healed)) + STREAK - 1]


def _holes(before: float, after: float, interval: float) -> Iterator[float]:
    count = int((after - before) / interval + 0.5) - 1
    return (before + interval * (number + 1) for number in range(count))
