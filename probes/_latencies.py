"""How long requests took: kept by the moment they began, and told by quantiles."""

import math
import threading
from collections.abc import Sequence

from runner.model import clock, format_duration

__all__ = ["Latencies", "quantile", "told"]

_QUANTILES = {"P50": 0.5, "P90": 0.9, "P95": 0.95, "P99": 0.99}


class Latencies:
    """The requests of one kind; one without an answer counts with the time it has waited so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[tuple[float, float]] = []
        self._under_way: dict[int, float] = {}
        self._number = 0

    def begin(self) -> int:
        """Note that a request begins now, and return its number."""
        with self._lock:
            self._number += 1
            self._under_way[self._number] = clock()
            return self._number

    def end(self, number: int, *, answered: bool) -> None:
        """Note that a request ended now; one that was not answered counts for nothing any more."""
        with self._lock:
            begun = self._under_way.pop(number)
            if answered:
                self._done.append((begun, clock() - begun))

    def between(self, since: float, until: float) -> list[float]:
        """Return the seconds taken by requests that began between two moments."""
        with self._lock:
            done = [took for begun, took in self._done if since <= begun < until]
            return done + [clock() - begun for begun in self._under_way.values() if since <= begun < until]

    def first(self, since: float, number: int) -> tuple[list[float], int]:
        """Return the seconds that the first requests from a moment on have taken so far, and how many still wait."""
        with self._lock:
            done = [(begun, took, False) for begun, took in self._done if begun >= since]
            waiting = [(begun, clock() - begun, True) for begun in self._under_way.values() if begun >= since]
        chosen = sorted(done + waiting)[:number]
        return [took for _, took, _ in chosen], sum(waits for *_, waits in chosen)


def quantile(measured: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all is not above."""
    ordered = sorted(measured)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def told(measured: Sequence[float]) -> str:
    """Return the quantiles in words."""
    parts = [f"{name} {format_duration(quantile(measured, share))}" for name, share in _QUANTILES.items()]
    return f"{', '.join(parts)}, slowest {format_duration(max(measured))} of {len(measured)}"
