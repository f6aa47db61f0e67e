"""A small chart of each steady-state series over one run, in block characters on one axis of time."""

from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from reports.record import FaultRecord, Record, Series
from reports.words import after_start, printable
from runner.model import Outcome

__all__ = ["WIDTH", "Axis", "Paint", "axis_lines", "axis_of", "numbers", "series_lines"]

WIDTH = 70
_BLOCKS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"
_HELD = 0.75


class Paint(NamedTuple):
    """How to write what is good, bad, said beside, or a heading: ANSI sequences, or nothing for plain text."""

    good: str = ""
    bad: str = ""
    dim: str = ""
    bold: str = ""
    end: str = ""

    def put(self, style: str, text: str) -> str:
        """Return the text in that style."""
        return f"{style}{text}{self.end}" if style and text.strip() else text


class Axis(NamedTuple):
    """The time that a chart spans, in seconds since the epoch."""

    start: float
    end: float

    def column(self, moment: float) -> int:
        """Return the column a moment falls into, the nearest one for those outside."""
        share = (moment - self.start) / max(self.end - self.start, 0.001)
        return min(WIDTH - 1, max(0, int(share * WIDTH)))


class _Dot(NamedTuple):
    """One sample: its height from 0 to 1, None where nothing is known."""

    at: float
    height: float | None
    bad: bool


class _Cell(NamedTuple):
    block: str
    bad: bool


def axis_of(record: Record) -> Axis:
    """Return the time from the first sample to the last, the start of the run in it; a baseline may be older."""
    sampled = [series.start + offset for series in record.series for offset in series.offsets]
    return Axis(min([record.started, *sampled]), max(sampled, default=record.ended))


def numbers(series: Series) -> list[float]:
    """Return the values of a series that are numbers, truth values left out."""
    return [float(value) for value in series.values if isinstance(value, int | float) and not isinstance(value, bool)]


def series_lines(series: Series, axis: Axis, paint: Paint) -> list[str]:
    """Return the chart of one series, with a mark under each column that holds a bad sample."""
    cells = _cells(_dots(series), axis, series.interval)
    runs = [(bad, "".join(cell.block for cell in run)) for bad, run in groupby(cells, key=lambda cell: cell.bad)]
    lines = ["".join(paint.put(paint.bad if bad else paint.good, text) for bad, text in runs)]
    if any(cell.bad for cell in cells):
        marks = "".join("x" if cell.bad else " " for cell in cells)
        lines.append(paint.put(paint.bad, marks.rstrip()))
    return lines


def axis_lines(record: Record, axis: Axis, paint: Paint) -> list[str]:
    """Return a bracket for each fault, from the first commit to the last heal, and the times at both ends."""
    brackets = [bracket for fault in record.faults if (bracket := _bracket(fault, axis))]
    first, last = after_start(axis.start, record.started), after_start(axis.end, record.started)
    return [paint.put(paint.dim, line) for line in [*brackets, first + last.rjust(WIDTH - len(first))]]


def _dots(series: Series) -> list[_Dot]:
    """Return the samples; numbers are scaled from zero, so that noise on a steady value stays as small as it is."""
    scale = numbers(series)
    low, high = min([0.0, *scale]), max([0.0, *scale])
    rows = zip(series.offsets, series.values, series.outcomes, strict=True)
    return sorted(
        _Dot(series.start + offset, _height(value, outcome, low, high), outcome is Outcome.BAD)
        for offset, value, outcome in rows
    )


def _height(value: float | str | bool | None, outcome: Outcome, low: float, high: float) -> float | None:
    if outcome not in (Outcome.GOOD, Outcome.BAD):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value - low) / (high - low) if high > low else 0.0
    return _HELD if outcome is Outcome.GOOD else 0.0


def _cells(dots: list[_Dot], axis: Axis, interval: float) -> list[_Cell]:
    """Return one cell a column; a column between two samples repeats the one before it."""
    columns: dict[int, list[_Dot]] = {}
    for dot in dots:
        columns.setdefault(axis.column(dot.at), []).append(dot)
    reach = int(1.5 * interval / max(axis.end - axis.start, 0.001) * WIDTH)
    cells: list[_Cell] = []
    filled: int | None = None
    for column in range(WIDTH):
        if column in columns:
            cells.append(_cell(columns[column]))
            filled = column
        else:
            repeats = filled is not None and column - filled <= reach
            cells.append(cells[-1] if repeats else _Cell(_NOTHING, bad=False))
    return cells


def _cell(dots: list[_Dot]) -> _Cell:
    bad = [dot for dot in dots if dot.bad]
    heights = [dot.height for dot in bad or dots if dot.height is not None]
    if not heights:
        return _Cell(_NOTHING, bad=bool(bad))
    return _Cell(_BLOCKS[min(len(_BLOCKS) - 1, int(fmean(heights) * len(_BLOCKS)))], bad=bool(bad))


def _bracket(fault: FaultRecord, axis: Axis) -> str:
    begun = [target.committed for target in fault.targets if target.committed is not None]
    over = [target.healed or target.ended or axis.end for target in fault.targets if target.committed is not None]
    if not begun:
        return ""
    first, last = axis.column(min(begun)), axis.column(max(over))
    inside = last - first - 1
    name = f" {printable(fault.name)} "
    if inside < len(name) + 2:
        line = f"{' ' * first}├{'─' * inside}┤"
        return f"{line}{name}".rstrip() if last + len(name) < WIDTH else f"{name.rjust(first)}{line.lstrip()}"
    return f"{' ' * first}├{name.center(inside, '─')}┤"
