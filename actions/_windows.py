"""Stall windows: how often and how long requests are held back so that a quantile of them becomes a latency. Pure.

Every T seconds all requests are held back for W. Of requests that come whatever the answers take, the share
(W - L) / T then waits longer than L, so W = L + (1 - q) T makes L the q-quantile. No share of single packets does: the
copy that TCP sends after 200 ms overtakes the one that was delayed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.errors import UsageError
from runner.model import format_duration

__all__ = ["Windows", "as_percentile", "quantile"]

_PERIODS = 10
_SHORTEST_PERIOD = 1.0
_ROOM = 0.96
_GAIN = 0.8
_REACH = 0.5
_OWED = 0.15


@dataclass(frozen=True)
class Windows:
    """What makes `latency` (seconds) the quantile `share` of requests.

    As few others as can be are touched: fewer than one in ten where (1 - share) leaves room for that, else not many
    more than twice (1 - share), and never so many that nothing gets through.
    """

    latency: float
    share: float

    @property
    def shortest_period(self) -> float:
        """The period below which more requests would wait than have to."""
        return max(_SHORTEST_PERIOD, self.latency / _spare(self.share))

    @property
    def shortest(self) -> float:
        """How long the fault has to last: ten periods make a figure."""
        return _PERIODS * self.shortest_period

    def number(self, seconds: float) -> int:
        """Return how many periods there are in that time."""
        return max(1, math.floor(seconds / self.shortest_period + 1e-9))

    def period(self, seconds: float) -> float:
        """Return how long each period of that time is."""
        return max(self.shortest_period, seconds / self.number(seconds))

    def silence(self, seconds: float) -> float:
        """Return how long nothing gets through."""
        return self.width(self.period(seconds))

    def width(self, period: float) -> float:
        """Return how long a window is."""
        return self.latency + (1 - self.share) * period

    def corrected(self, correction: float, owed: float, measured: Sequence[float]) -> float:
        """Return by how much windows are to differ from `width`, given the last period's correction and requests."""
        error = self.latency + owed - quantile(measured, self.share) if measured else 0.0
        return _within(correction + _GAIN * error, _REACH * self.latency)

    def owed(self, measured: Sequence[float], periods: int, left: int) -> float:
        """Return by how much the next window differs besides, so that all periods together come to the latency."""
        if not measured or left < 1:
            return 0.0
        error = self.latency - quantile(measured, self.share)
        return _within(error * periods / left, _OWED * self.latency)

    def too_short(self, seconds: float) -> tuple[str, str]:
        """Return why a time is too short, and what could be had in it."""
        latency, share = self.reachable(seconds)
        percentile = f"{100 * self.share:g}"
        could = [f"--latency={1000 * latency:.0f}ms with --percentile={percentile}"] * (latency >= 0.02)
        could += [f"--latency={1000 * self.latency:.0f}ms with --percentile={100 * share:g}"] * (share > 0)
        return (
            f"{format_duration(seconds)} is too short for {format_duration(self.latency)} at the {percentile}th "
            f"percentile: that takes ten periods of {format_duration(self.shortest_period)}, "
            f"{format_duration(self.shortest)} in all.",
            f"Let it last --duration={format_duration(-(-self.shortest // 1))}"
            + (f", or ask for what can be had in that time: {' or '.join(could)}." if could else "."),
        )

    def reachable(self, seconds: float) -> tuple[float, float]:
        """Return the latency that this share reaches in that time, and the share that this latency does; 0 is none."""
        period = seconds / _PERIODS
        latency = period * _spare(self.share) if period >= _SHORTEST_PERIOD else 0.0
        shares = [tenth / 1000 for tenth in range(999, 499, -1) if self.latency / _spare(tenth / 1000) <= period]
        return latency, max(shares, default=0.0)


def as_percentile(written: object) -> float:
    """Return a percentile written as 99, 99.9 or P99; raises UsageError."""
    text = str(written).strip().removeprefix("P").removeprefix("p").removesuffix("%")
    try:
        percentile = float(text)
    except ValueError:
        percentile = 0.0
    if isinstance(written, bool) or not 50 <= percentile <= 99.9:
        raise UsageError(f"{written!r} is no percentile that can be had.", "Write one from 50 to 99.9: 99.")
    return percentile


def _within(value: float, reach: float) -> float:
    return max(-reach, min(reach, value))


def _spare(share: float) -> float:
    """Return the part of all requests that may wait beyond those that have to."""
    tail = 1 - share
    return _ROOM * min(max(0.1 - tail, tail), 0.75 - tail)


def quantile(measured: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all is not above."""
    ordered = sorted(measured)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
