"""How sure a mean and a rate are: bootstrap and Wilson, repeatable for ever."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Interval", "mean_interval", "wilson_lower"]

_RESAMPLES = 2000
_TAIL = 0.025
_Z = 1.959963984540054
_SEED = 20260101


class Interval(NamedTuple):
    """A mean of scores with its 95% interval, each from 0 to 100."""

    mean: float
    low: float
    high: float


def mean_interval(scores: Sequence[float]) -> Interval:
    """Return mean and interval of at least one score, by the percentile bootstrap.

    The low end is that of the scores and one more that is 0, the night nobody has seen yet: resampling one green night
    alone gives that night for certain, and 14 that are alike give no interval at all. The seed is fixed, the scores are
    sorted and summed in whole tenths: their order does not matter, no machine's arithmetic does, and no score that is
    higher ever lowers an end.
    """
    mean = math.fsum(scores) / len(scores)
    low = _percentile([0.0, *sorted(scores)], _TAIL)
    high = _percentile(sorted(scores), 1 - _TAIL)
    return Interval(round(mean, 1), round(min(low, mean), 1), round(max(high, mean), 1))


def wilson_lower(passed: int, of: int) -> float:
    """Return the lower end of Wilson's 95% interval for a pass rate: 0.785 for 14 of 14, 0 for none of none."""
    if not of:
        return 0.0
    rate, square = passed / of, _Z**2
    middle = rate + square / (2 * of)
    spread = _Z * math.sqrt(rate * (1 - rate) / of + square / (4 * of**2))
    return max(0.0, (middle - spread) / (1 + square / of))


def _percentile(values: Sequence[float], share: float) -> float:
    import numpy as np  # noqa: PLC0415 - a tenth of a second that only scores over several runs need

    tenths = np.asarray([round(value * 10) for value in values], dtype=np.int64)
    sums = np.sort(tenths[_draws(len(values))].sum(axis=1))
    return int(sums[int(share * (_RESAMPLES - 1) + 0.5)]) / (10 * len(values))


@lru_cache(maxsize=64)
def _draws(size: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return which of `size` values each resample takes; numpy promises that RandomState never changes its numbers."""
    import numpy as np  # noqa: PLC0415 - as above

    draws = np.random.RandomState(_SEED).randint(0, size, (_RESAMPLES, size))
    return np.asarray(draws, dtype=np.int64)
