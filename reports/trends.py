"""What changed in a cell over its nights: a regression, a flake, a decline, or no more than chance; and what fails on.

Pure functions of cells; docs/scores.md explains them. Only valid runs of one experiment hash are compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile
from statistics import median

from reports.bounds import wilson_lower
from reports.cells import Cell, Key, Track
from reports.history import RunSummary
from reports.words import counted, percent
from runner.model import format_duration, iso

__all__ = ["BEFORE", "RECENT", "Finding", "Kind", "findings"]

STREAK = 5
RECENT = 5
BEFORE = 28
LEAST_SHIFT = 0.2
LEAST_ABSORBED = 0.05
_FALSE_DISCOVERIES = 0.05
_PENALTY = 3.0


class Kind(StrEnum):
    """What was found, the gravest first."""

    REGRESSION = "regression"
    FAILING = "failing"
    NEW_FAILURE = "new failure"
    DECLINE = "decline"
    SLOWER = "slower recovery"
    LESS_ABSORBED = "less absorbed"
    FLAKE = "flake"
    NOISE = "noise"


@dataclass(frozen=True)
class Finding:
    """One thing found in a track; `before` and `after` are the nights compared, the oldest first.

    `before` is empty where a cell fails since the first of them. `p` is the chance of it without any change, `adjusted`
    the same after Benjamini and Hochberg across all cells; None where it was not found by a test.
    """

    key: Key
    kind: Kind
    sentence: str
    before: tuple[RunSummary, ...]
    after: tuple[RunSummary, ...]
    p: float | None = None
    adjusted: float | None = None

    @property
    def between(self) -> tuple[str, str] | None:
        """The last night before it and the first with it: what changed between them; None where none is before it."""
        return (self.before[-1].run, self.after[0].run) if self.before else None


def findings(found: Mapping[Key, Cell]) -> list[Finding]:
    """Return what changed in any of these cells, the gravest first; the more cells, the less chance passes for news."""
    tracks = [(cell.key, track) for cell in found.values() for track in cell.tracks]
    many = [*_passes(tracks), *(each for key, track in tracks for each in _shifts(key, track))]
    order = list(Kind)
    return sorted(many, key=lambda each: (order.index(each.kind), each.key))


def _passes(tracks: Sequence[tuple[Key, Track]]) -> Iterable[Finding]:
    """Yield at most one finding a track about its passes and failures."""
    split = [(key, *_split(track)) for key, track in tracks]
    chances = [_chance(before, after) for _, before, after in split]
    adjusted = _adjusted(chances)
    for (key, track), (_, before, after), p, q in zip(tracks, split, chances, adjusted, strict=True):
        rated = _rated(key, before, after, p, q) if p is not None and q is not None else None
        declined = rated if rated and rated.kind is Kind.DECLINE else None
        if found := _sudden(key, track.runs) or declined or _failing(key, track.runs) or rated:
            yield found


def _split(track: Track) -> tuple[tuple[RunSummary, ...], tuple[RunSummary, ...]]:
    runs = track.runs[-(RECENT + BEFORE) :]
    return runs[:-RECENT], runs[-RECENT:]


def _sudden(key: Key, runs: Sequence[RunSummary]) -> Finding | None:
    """Return the latest first failure after five passes, named by the up to two runs that confirm or refute it."""
    for at in range(len(runs) - 1, STREAK - 1, -1):
        before = runs[at - STREAK : at]
        if not runs[at].passed and all(run.passed for run in before):
            return _named(key, before, runs[at : at + 3], runs[at:])
    return None


def _named(
    key: Key, before: Sequence[RunSummary], after: Sequence[RunSummary], since: Sequence[RunSummary]
) -> Finding | None:
    failed = _failed(after)
    told = f"It failed after {STREAK} passes"
    if failed >= 2 and any(not run.passed for run in since[-2:]):
        return Finding(
            key,
            Kind.REGRESSION,
            f"{told}, and {failed} of the {len(after)} nights from then on failed: {after[0].reason}",
            tuple(before),
            tuple(since),
        )
    if failed == 1 and len(after) - failed == 2 and len(since) <= RECENT:
        sentence = f"{told}, and both runs after it passed again: {after[0].reason}"
        return Finding(key, Kind.FLAKE, sentence, tuple(before), tuple(after))
    if failed < 2 and len(after) < 3:
        left = 3 - len(after)
        asked = f"{counted(left, 'more run')} will tell whether it is a regression or a flake"
        return Finding(key, Kind.NEW_FAILURE, f"{told}: {after[0].reason} {asked}.", tuple(before), tuple(after))
    return None


def _failing(key: Key, runs: Sequence[RunSummary]) -> Finding | None:
    """Return what fails on without five passes before it: where nothing changed, no test of a change finds it."""
    since = _failing_since(runs)
    if since is None:
        return None
    before, after = tuple(runs[:since]), tuple(runs[since:])
    failed = _failed(after)
    those = f"each of the last {failed}" if failed == len(after) else f"{failed} of the last {len(after)}"
    earlier = f", and in {_failed(before)} of the {len(before)} before" if before else ""
    reason = next(run.reason for run in reversed(after) if not run.passed)
    told = f"It failed in {those} nights, since {iso(after[0].started)[:10]}{earlier}: {reason}"
    return Finding(key, Kind.FAILING, told, before, after)


def _failing_since(runs: Sequence[RunSummary]) -> int | None:
    """Return the first of at least five failures in a row, up to the last night.

    Else the first failure of all, where most of the last five nights failed and, by the lower end of Wilson's interval,
    more than half of all nights do: 4 of 4, 7 of 8, 9 of 10. None where neither holds.
    """
    streak = sum(1 for _ in takewhile(lambda run: not run.passed, reversed(runs)))
    if streak >= STREAK:
        return len(runs) - streak
    mostly = 2 * _failed(runs[-RECENT:]) > RECENT and wilson_lower(_failed(runs), len(runs)) > 0.5
    return next(at for at, run in enumerate(runs) if not run.passed) if mostly else None


def _failed(runs: Sequence[RunSummary]) -> int:
    return sum(not run.passed for run in runs)


def _rated(
    key: Key, before: Sequence[RunSummary], after: Sequence[RunSummary], p: float, adjusted: float
) -> Finding | None:
    failed, earlier = _failed(after), _failed(before)
    if not failed:
        return None
    told = f"{failed} of the last {len(after)} nights failed, where {earlier} of the {len(before)} before did"
    significant = adjusted <= _FALSE_DISCOVERIES
    meaning = (
        f"by chance alone that comes about in {percent(adjusted)} of cases"
        if significant
        else f"chance alone does that in {percent(p)} of cases, so nothing follows from it"
    )
    kind = Kind.DECLINE if significant else Kind.NOISE
    return Finding(key, kind, f"{told}; {meaning}.", tuple(before), tuple(after), p, adjusted)


def _chance(before: Sequence[RunSummary], after: Sequence[RunSummary]) -> float | None:
    """Return Fisher's exact chance of as many failures as in `after` or more, if nothing changed; None for too few."""
    if len(before) < STREAK or len(after) < RECENT:
        return None
    from scipy.stats import fisher_exact  # noqa: PLC0415 - a second that only trends need

    table = [[_failed(runs), len(runs) - _failed(runs)] for runs in (after, before)]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _adjusted(chances: Sequence[float | None]) -> list[float | None]:
    """Return the chances by Benjamini and Hochberg: with a hundred cells, five in a hundred are no news."""
    known = [chance for chance in chances if chance is not None]
    if not known:
        return [None] * len(chances)
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - as above

    controlled = iter(false_discovery_control(known, method="bh"))
    return [None if chance is None else float(next(controlled)) for chance in chances]


def _shifts(key: Key, track: Track) -> Iterable[Finding]:
    runs = track.runs[-(RECENT + BEFORE) :]
    times = [2 * run.objective if run.recovery_time is None else run.recovery_time for run in runs]
    shares = [run.bad_share or 0.0 for run in runs]
    if at := _risen(times):
        was, now = median(times[:at]), median(times[at:])
        told = f"Recovery takes {format_duration(now)} where it took {format_duration(was)}"
        yield Finding(key, Kind.SLOWER, _since(told, runs, at), runs[:at], runs[at:])
    if (at := _risen(shares)) and _absorbed(runs[:at]) - _absorbed(runs[at:]) >= LEAST_ABSORBED:
        told = f"{percent(median(shares[at:]))} of events are bad where {percent(median(shares[:at]))} were"
        yield Finding(key, Kind.LESS_ABSORBED, _since(told, runs, at), runs[:at], runs[at:])


def _since(told: str, runs: Sequence[RunSummary], at: int) -> str:
    return f"{told}, for {counted(len(runs) - at, 'night')} now."


def _absorbed(runs: Sequence[RunSummary]) -> float:
    return median(run.absorbed or 0.0 for run in runs)


def _risen(values: Sequence[float]) -> int | None:
    """Return where the last change point lies, if the median after it is a fifth above the one before; else None.

    The penalty is three times that of a shift in the mean at this noise, by the median step between neighbours: over
    33 nights without a change, about one series in thirty is split, and then rarely by a fifth.
    """
    if len(values) < 2 * STREAK:
        return None
    import numpy as np  # noqa: PLC0415 - trends alone need it
    import ruptures  # noqa: PLC0415 - as above

    noise = median(abs(after - before) for before, after in pairwise(values)) / (0.6745 * 2**0.5)
    penalty = max(_PENALTY * np.log(len(values)) * noise**2, 1e-9)
    signal = np.asarray(values, dtype=float).reshape(-1, 1)
    points = ruptures.Pelt(model="l2", min_size=STREAK, jump=1).fit(signal).predict(pen=penalty)
    if len(points) < 2:
        return None
    at = int(points[-2])
    was, now = median(values[:at]), median(values[at:])
    return at if now > was * (1 + LEAST_SHIFT) else None
