"""Series of a run as SVG: what to draw where. The template says how it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.chart import Axis, axis_of, numbers
from reports.record import Events, Record, Series
from reports.steady import Window
from reports.words import percent
from runner.model import Outcome, format_duration

__all__ = ["HEIGHT", "WIDTH", "Curve", "Mark", "curves", "marks", "ticks"]

WIDTH = 720
HEIGHT = 96
_TOP = 6
_STEPS = 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400


@dataclass(frozen=True)
class Curve:
    """One series: its lines as SVG path data, its bad samples as points, and what its scale spans."""

    title: str
    note: str
    hard: bool
    lines: tuple[str, ...]
    bad: tuple[tuple[float, float], ...]
    gaps: tuple[float, ...]
    top: str
    bottom: str
    limits: tuple[float, ...]


@dataclass(frozen=True)
class Mark:
    """A moment or a span on the axis of time; `to` is None for a moment."""

    at: float
    to: float | None
    label: str


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(HEIGHT - share * (HEIGHT - _TOP), 1)


def curves(record: Record) -> list[Curve]:
    """Return a curve for each series, and one for the share of bad events where they were counted."""
    axis = axis_of(record)
    drawn = [_series(series, axis) for series in record.series]
    return [*drawn, _events(record.events, axis)] if record.events and record.events.offsets else drawn


def marks(record: Record, window: Window | None, steady: float | None) -> list[Mark]:
    """Return the faults as spans, and the moments that the score turns on."""
    axis = axis_of(record)
    spans = []
    for fault in record.faults:
        begun = [target.committed for target in fault.targets if target.committed is not None]
        over = [target.healed or target.ended or axis.end for target in fault.targets]
        if begun:
            spans.append(Mark(_x(min(begun), axis), _x(max(over), axis), fault.name))
    moments = [(window.effective, "seen"), (window.healed, "healed")] if window else []
    if steady is not None:
        moments.append((steady, "steady"))
    return [*spans, *(Mark(_x(at, axis), None, label) for at, label in moments)]


def ticks(record: Record) -> list[Mark]:
    """Return five to ten round times from the start of the run."""
    axis = axis_of(record)
    step = next((step for step in _STEPS if (axis.end - axis.start) / step <= 9), _STEPS[-1])
    first = int((axis.start - record.started) // step)
    last = int((axis.end - record.started) // step)
    times = [number * step for number in range(first, last + 1)]
    return [
        Mark(_x(record.started + time, axis), None, f"{'-' if time < 0 else '+'}{_short(abs(time))}")
        for time in times
        if axis.start <= record.started + time <= axis.end
    ]


def _short(seconds: int) -> str:
    return "0" if not seconds else format_duration(float(seconds))


def _x(moment: float, axis: Axis) -> float:
    share = (moment - axis.start) / max(axis.end - axis.start, 0.001)
    return round(min(1.0, max(0.0, share)) * WIDTH, 1)


def _series(series: Series, axis: Axis) -> Curve:
    values = numbers(series)
    limits = _limits(series)
    scale = _Scale(min([0.0, *values]), max([0.0, *values, *(x for x in limits if x <= 2 * max(values, default=0))]))
    rows = sorted(zip(series.offsets, series.values, series.outcomes, strict=True), key=lambda row: row[0])
    points = [(_x(series.start + offset, axis), _y(value, outcome, scale), outcome) for offset, value, outcome in rows]
    good, bad = (sum(outcome is wanted for outcome in series.outcomes) for wanted in (Outcome.GOOD, Outcome.BAD))
    unknown = len(points) - good - bad
    told = [f"{number} {word}" for number, word in ((good, "good"), (bad, "bad"), (unknown, "without data")) if number]
    return Curve(
        title=series.probe,
        note=f"every {format_duration(series.interval)}: {', '.join(told) or 'no samples'}",
        hard=series.hard,
        lines=_lines([(x, y) for x, y, _ in points]),
        bad=tuple((x, y) for x, y, outcome in points if outcome is Outcome.BAD and y is not None),
        gaps=tuple(x for x, y, _ in points if y is None),
        top=_top(scale) if values else "holds",
        bottom=f"{scale.low:.3g}" if values else "does not",
        limits=tuple(scale.y(limit) for limit in limits if scale.low < limit <= scale.high),
    )


def _y(value: float | str | bool | None, outcome: Outcome, scale: _Scale) -> float | None:
    if outcome not in (Outcome.GOOD, Outcome.BAD):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return scale.y(value)
    return _Scale(0, 1).y(1.0 if outcome is Outcome.GOOD else 0.0)


def _top(scale: _Scale) -> str:
    """Return the upper end of a scale; where all values are 0 it has none, and the lower one says it."""
    return f"{scale.high:.3g}" if scale.high > scale.low else ""


def _limits(series: Series) -> list[float]:
    """Return the ends of the tolerance where it is a range of numbers."""
    tolerance = series.tolerance
    ends = tolerance.get("range") if isinstance(tolerance, dict) and tolerance.get("type") == "range" else tolerance
    if not isinstance(ends, list | tuple):
        return []
    return [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]


def _events(events: Events, axis: Axis) -> Curve:
    rows = sorted(zip(events.offsets, events.all, events.bad, strict=True))
    shares = [(events.start + at, min(1.0, max(0.0, bad) / every) if every > 0 else None) for at, every, bad in rows]
    top = max([share for _, share in shares if share is not None], default=0.0)
    scale = _Scale(0.0, top or 1.0)
    points = [(_x(at, axis), None if share is None else scale.y(share)) for at, share in shares]
    bad, every = sum(events.bad), sum(events.all)
    return Curve(
        title="bad events",
        note=f"{bad:,.0f} of {every:,.0f} in the whole run",
        hard=False,
        lines=_lines(points),
        bad=(),
        gaps=(),
        top=percent(top or 1.0),
        bottom="0%",
        limits=(),
    )


def _lines(points: Sequence[tuple[float, float | None]]) -> tuple[str, ...]:
    """Return one path for each stretch that is known: a gap is a gap, not a slope."""
    known = [
        [(x, y) for x, y in stretch if y is not None]
        for is_known, stretch in groupby(points, key=lambda point: point[1] is not None)
        if is_known
    ]
    return tuple("M" + "L".join(f"{x:g} {y:g}" for x, y in (stretch * 2)[: max(2, len(stretch))]) for stretch in known)
