"""Follows every probe of the hypothesis through baseline, fault and recovery.

Chaos Toolkit looks before and after the method; what happens in between it never sees. Here each probe has a thread
that takes its samples as they settle, so that a deviation during the fault is in the record.
"""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from runner.errors import ChaosctlError, Unreachable
from runner.model import Outcome, Sample, clock

__all__ = ["Follower", "Polled", "Sampler", "Source"]

_BLIND_AFTER = 3
_LONGEST = 200
_GAP = 1.5
_KNOWN = Outcome.GOOD, Outcome.BAD, Outcome.REPEATED


class Source(Protocol):
    """Where a probe's samples come from; all times in seconds.

    `settling` is how long after a moment its sample no longer changes, `resolution` how late an edge may show.
    """

    query: str
    interval: float
    resolution: float
    settling: float

    def samples(self, start: float, end: float) -> list[Sample]:
        """Return the samples in (start, end], GOOD where there is a value; raises Unreachable."""

    def close(self) -> None:
        """Let go of connections."""


class Polled:
    """A probe without a history: it is asked once a second, and each answer is one sample."""

    interval = 1.0
    resolution = 1.0
    settling = 0.0

    def __init__(self, name: str, ask: Callable[[], Any]) -> None:
        self.query = name
        self._ask = ask

    def samples(self, start: float, end: float) -> list[Sample]:
        """Return the sample of now, once its interval has passed."""
        if end - start < self.interval:
            return []
        value = self._ask()
        if isinstance(value, float) and not math.isfinite(value):
            return [Sample(end, Outcome.NAN, None, f"it gave {value}")]
        return [Sample(end, Outcome.GOOD, value)]

    def close(self) -> None:
        """Nothing is held."""


class Follower:
    """One probe of the hypothesis; `within` tells whether a value is within its tolerance."""

    def __init__(
        self,
        probe: str,
        source: Source,
        tolerance: Any,
        within: Callable[[Any], bool],
        hard: bool,
        invariant: bool = False,
    ) -> None:
        self.probe = probe
        self.source = source
        self.samples: list[Sample] = []
        self.lost = 0
        self._tolerance = tolerance
        self._within = within
        self._hard = hard
        self._invariant = invariant
        self._until = 0.0
        self._start = 0.0
        self._live_from = 0.0

    def begin(self, at: float) -> None:
        """Take samples from a moment on; it may lie in the past, where what is missing is no loss."""
        self._start = self._until = at
        self._live_from = clock()

    def take(self) -> None:
        """Add the samples that have settled since the last time; a source that does not answer adds none."""
        now = clock() - self.source.settling
        try:
            found = [self._judged(sample) for sample in self.source.samples(self._until, now)]
        except Unreachable:
            self.lost += 1
            return
        except ChaosctlError as error:
            due = now - self._until >= self.source.interval
            found = [Sample(now, Outcome.FAILED, None, error.message)] if due else []
        for sample in found:
            if sample.at >= self._live_from:
                self.lost = 0 if sample.outcome in _KNOWN else self.lost + 1
        self.samples += found
        self._until = max([self._until, *(sample.at for sample in found)])

    def good_in_a_row(self, since: float) -> int:
        """Return how many samples at the end of those since a moment are good; one that is missing breaks the row."""
        count, after = 0, None
        for sample in reversed(self.samples):
            gap = after is not None and after - sample.at > _GAP * self.source.interval
            if sample.at < since or sample.outcome is not Outcome.GOOD or gap:
                break
            count, after = count + 1, sample.at
        return count

    def account(self, run_started: float) -> dict[str, Any]:
        """Return the series in the shape of reports.record.Series.

        History from before the run in which the probe had no value yet is left out: it is not the run's.
        """
        kept = list(self.samples)
        while kept and kept[0].at < run_started and kept[0].outcome not in (Outcome.GOOD, Outcome.BAD):
            kept.pop(0)
        start = kept[0].at - self.source.interval if kept else self._start
        odd = next((sample for sample in reversed(kept) if sample.detail), None)
        return {
            "probe": self.probe,
            "query": self.source.query,
            "tolerance": self._tolerance,
            "hard": self._hard,
            "invariant": self._invariant,
            "interval": self.source.interval,
            "resolution": self.source.resolution,
            "start": start,
            "offsets": [sample.at - start for sample in kept],
            "values": [sample.value for sample in kept],
            "outcomes": [sample.outcome for sample in kept],
            "detail": odd.detail if odd else "",
        }

    def _judged(self, sample: Sample) -> Sample:
        if sample.outcome is not Outcome.GOOD:
            return sample
        outcome = Outcome.GOOD if self._within(sample.value) else Outcome.BAD
        return Sample(sample.at, outcome, _recorded(sample.value), sample.detail)


def _recorded(value: Any) -> Any:
    """Return a value as the record can hold it; a probe may give anything, an HTTP response is a mapping."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)[:_LONGEST]


class Sampler:
    """All followers of a run; `blind` says which probe has had nothing to go by three times in a row.

    `seen` is called, in the follower's thread, after it took samples.
    """

    def __init__(self, followers: Sequence[Follower], seen: Callable[[Follower], None]) -> None:
        self.followers = followers
        self._seen = seen
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._follow, args=(f,), daemon=True) for f in followers]

    def start(self, since: float) -> None:
        """Begin to take samples; `since` may lie in the past."""
        for follower, thread in zip(self.followers, self._threads, strict=True):
            follower.begin(since)
            thread.start()

    def stop(self) -> None:
        """Stop taking samples, and let go of the sources."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for follower in self.followers:
            follower.source.close()

    def wait_good(self, count: int, since: Callable[[Follower], float], limit: float, stop: threading.Event) -> bool:
        """Wait until every probe's last `count` samples are good; False when `limit` passes, or on blindness or stop.

        `since` says from when a probe's samples count, `limit` is a moment.
        """
        while clock() < limit and not self.blind and not stop.is_set():
            if all(follower.good_in_a_row(since(follower)) >= count for follower in self.followers):
                return True
            with self._changed:
                self._changed.wait(0.2)
        return False

    @property
    def blind(self) -> str:
        """Which probe has had nothing to go by three times in a row, as a sentence; empty while all see."""
        lost = next((follower for follower in self.followers if follower.lost >= _BLIND_AFTER), None)
        return f"{lost.probe} had nothing to go by {lost.lost} times in a row" if lost else ""

    def _follow(self, follower: Follower) -> None:
        while not self._stop.wait(min(1.0, follower.source.interval)):
            known = len(follower.samples)
            follower.take()
            if len(follower.samples) != known:
                self._seen(follower)
            with self._changed:
                self._changed.notify_all()
