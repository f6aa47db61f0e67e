"""What requests of our own show of a latency: whether it is there, and what it came to. Times are in seconds."""

import threading
from collections.abc import Callable, Mapping, Sequence

from probes._latencies import Latencies, quantile, told
from runner.errors import Unreachable
from runner.model import Look, Sight, clock, format_duration

__all__ = ["Shown", "figures"]

_PATIENCE, _STEADY = 5.0, 15.0
_FIRST = 20
_AGAIN = 10
_PAUSE = 0.02
_SEEN = 0.9
_NEAR = 0.1
_LEAST = 0.025
"""How far a quantile may be off at least: half of what lies between two requests of the slowest rate."""


class Shown:
    """Requests of one kind, called `noun` (`write`), to somebody called `server`.

    `share` is the part of them that is quicker than `latency`, 0 where each is so much slower, give or take `jitter`.
    `alive` raises what says why there are no more of them.
    """

    def __init__(
        self, noun: str, server: str, latency: float, share: float, jitter: float, alive: Callable[[], None]
    ) -> None:
        self.requests = Latencies()
        self._noun, self._server = noun, server
        self._latency, self._share, self._jitter = latency, share, jitter
        self._alive = alive
        self._usual = 0.0

    def before(self, asked: float, evidence: Mapping[str, object], more: str = "") -> Look:
        """Return what requests see without the fault: ABSENT where nine in ten take less than half the latency."""
        limit = asked + _STEADY
        taken = self._after(asked, _FIRST, _PATIENCE)
        while (slow := quantile(taken, 0.9)) >= self._latency / 2 and clock() < limit:
            taken = self._after(clock(), _FIRST, _PATIENCE)
        evidence = {**evidence, f"{self._noun}s": figures(taken)}
        if slow >= self._latency / 2:
            detail = f"{self._noun}s take {format_duration(slow)} (P90) even without the fault"
            return Look(asked, clock(), Sight.UNCLEAR, detail, evidence)
        if not self._share:
            self._usual = quantile(taken, 0.5)
        return Look(asked, clock(), Sight.ABSENT, f"{self._noun}s: {told(taken)}{more}", evidence)

    def now(self, asked: float) -> Look:
        """Return what the next ten see.

        ABSENT where they take less than half the latency, PRESENT where one takes that long, or, where every request is
        to be slower, most of them.
        """
        most = 0.5 if self._share == 0 else 1.0
        taken = self._after(asked, _AGAIN, 2 * self._latency + 1, _SEEN * self._latency)
        slow, slowest = quantile(taken, most), format_duration(max(taken))
        evidence = {"slowest": round(max(taken), 4), f"{self._noun}s": len(taken)}
        if slow >= _SEEN * self._latency:
            return Look(asked, clock(), Sight.PRESENT, f"a {self._noun} takes {slowest} or longer", evidence)
        if max(taken) < self._latency / 2:
            detail = f"{len(taken)} {self._noun}s in a row take {slowest} at most"
            return Look(asked, clock(), Sight.ABSENT, detail, evidence)
        detail = f"{self._noun}s take {slowest}: neither as before nor as asked for"
        return Look(asked, clock(), Sight.UNCLEAR, detail, evidence)

    def achieved(self, since: float, until: float, more: str, evidence: Mapping[str, object]) -> Look:
        """Return the quantiles of the whole fault: PRESENT where they are what was asked for."""
        taken = self.requests.between(since, until)
        if not taken:
            raise Unreachable(f"{self._server} was asked for nothing while the fault acted.")
        found = quantile(taken, self._share or 0.5)
        off = abs(found - self._usual - self._latency)
        near = off <= max(_NEAR * self._latency, _LEAST) + self._jitter
        name, later = (f"P{100 * self._share:g}", "") if self._share else ("P50", " more than before")
        detail = (
            f"{name} of {self._noun}s {format_duration(found)}, asked for {format_duration(self._latency)}{later}; "
            f"{told(taken)}{more}"
        )
        evidence = {"achieved": found - self._usual, f"{self._noun}s": figures(taken), **evidence}
        return Look(since, clock(), Sight.PRESENT if near else Sight.UNCLEAR, detail, evidence)

    def _after(self, asked: float, number: int, patience: float, enough: float = float("inf")) -> list[float]:
        """Return the first requests from a moment on: so many, and all answered, or one that waits long enough."""
        limit = clock() + patience
        while clock() < limit:
            self._alive()
            taken, waiting = self.requests.first(asked, number)
            if (len(taken) == number and not waiting) or (taken and max(taken) >= enough and self._share):
                return taken
            threading.Event().wait(_PAUSE)
        if not (taken := self.requests.first(asked, number)[0]):
            raise Unreachable(f"{self._server} was not asked for anything within {format_duration(patience)}.")
        return taken


def figures(measured: Sequence[float]) -> Mapping[str, float]:
    """Return the quantiles as the record keeps them."""
    if not measured:
        return {"number": 0}
    shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
    found = {name: round(quantile(measured, share), 4) for name, share in shares.items()}
    return {"number": len(measured), **found, "slowest": round(max(measured), 4)}
