"""Whether something happens to a given share of trials, decided as early as they allow. Pure.

A. Wald: Sequential Tests of Statistical Hypotheses, Annals of Mathematical Statistics 16 (1945).
"""

import math
from dataclasses import dataclass

__all__ = ["ERROR", "ShareTest"]

ERROR = 0.001
"""How often each of the two answers is wrong."""

_BACKGROUND = 0.1
_MOST = 0.99


@dataclass(frozen=True)
class ShareTest:
    """Tells the share from a tenth of it, which is what the network may do by itself.

    `correlation` is that of one trial with the next: correlated trials weigh less, as (1 - c) / (1 + c) of them.
    """

    share: float
    correlation: float = 0.0

    def decide(self, hits: int, trials: int) -> bool | None:
        """Return whether so many hits in so many trials show the share, show its absence, or neither yet."""
        weighed = (1 - self.correlation) / (1 + self.correlation) * (hits * self._hit + (trials - hits) * self._miss)
        bound = math.log((1 - ERROR) / ERROR)
        return None if abs(weighed) < bound else weighed > 0

    @property
    def trials(self) -> int:
        """How many trials without a hit show its absence: about the most that either answer takes."""
        bound = math.log((1 - ERROR) / ERROR) * (1 + self.correlation) / (1 - self.correlation)
        return math.ceil(bound / -self._miss)

    @property
    def _hit(self) -> float:
        return -math.log(_BACKGROUND)

    @property
    def _miss(self) -> float:
        share = min(self.share, _MOST)
        return math.log((1 - share) / (1 - share * _BACKGROUND))
