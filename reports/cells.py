"""A cell: what the runs of one fault say of one service in one environment.

Pure functions of run summaries; docs/scores.md explains them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.bounds import Interval, mean_interval, wilson_lower
from reports.history import RunSummary

__all__ = ["DAY", "LATEST", "RETIRED_AFTER", "WINDOW", "Cell", "Key", "Track", "cell", "cells"]

DAY = 86400.0
WINDOW = 45 * DAY
LATEST = 35
RETIRED_AFTER = 8 * DAY


class Key(NamedTuple):
    """Which cell: runs in different environments are never mixed."""

    environment: str
    service: str
    fault: str

    def __str__(self) -> str:
        return f"{self.service}/{self.fault}"


@dataclass(frozen=True)
class Track:
    """The runs of one experiment hash, the oldest first: only they can be compared.

    `runs` are the valid ones that count, so many as `valid` says, `invalid` those between them that do not, with the
    reasons by number.
    """

    experiment: str
    experiment_hash: str
    runs: tuple[RunSummary, ...]
    valid: int
    invalid: int
    why_invalid: tuple[tuple[str, int], ...]
    score: Interval | None
    passed: int
    pass_rate_low: float

    @property
    def low(self) -> float:
        """The lower bound of the mean score; nothing valid is 0."""
        return self.score.low if self.score else 0.0


@dataclass(frozen=True)
class Cell:
    """One service under one fault; its figures are those of the worst track that is still run.

    `tracks` are all that count, the worst first; none where there was no run in the window. `last_valid` is the moment
    of the last valid run, also of one before the window, None where there never was one. A run that starts later than
    now counts from then on; `ahead` says that there is one.
    """

    key: Key
    tracks: tuple[Track, ...]
    last_run: float | None
    last_valid: float | None
    weight: float
    required: bool
    ahead: bool = False

    @property
    def score(self) -> Interval | None:
        """Mean and interval of q; None where nothing valid is in the window."""
        return self.tracks[0].score if self.tracks else None

    @property
    def low(self) -> float:
        """The lower bound of the mean score; 0 where nothing valid is in the window."""
        return self.tracks[0].low if self.tracks else 0.0

    @property
    def pass_rate_low(self) -> float:
        """The Wilson lower bound of the pass rate, of the track whose bound is lowest."""
        return min((track.pass_rate_low for track in self.tracks), default=0.0)

    @property
    def valid(self) -> int:
        """How many valid runs its figures rest on."""
        return self.tracks[0].valid if self.tracks else 0

    @property
    def invalid(self) -> int:
        """How many runs in the window said nothing, in all tracks."""
        return sum(track.invalid for track in self.tracks)

    def age(self, now: float) -> float | None:
        """Return how long ago the last valid run was, in seconds; None where there never was one."""
        return None if self.last_valid is None else max(0.0, now - self.last_valid)


def cells(runs: Iterable[RunSummary], now: float) -> dict[Key, Cell]:
    """Return the cell of each service and fault that was ever run, by key; injections by hand and gates are none."""
    found: dict[Key, list[RunSummary]] = defaultdict(list)
    for run in runs:
        for fault in run.faults if run.kind == "experiment" and run.service else ():
            found[Key(run.environment, run.service, fault)].append(run)
    return {key: cell(key, found[key], now) for key in sorted(found)}


def cell(key: Key, runs: Iterable[RunSummary], now: float) -> Cell:
    """Return the cell of runs that are all of that service, fault and environment."""
    ordered = sorted(runs, key=lambda run: (run.started, run.run))
    past = [run for run in ordered if run.started <= now]
    recent = [run for run in past if now - WINDOW <= run.started]
    tracks = [_track(found) for found in _current(recent)]
    last = ordered[-1] if ordered else None
    return Cell(
        key=key,
        tracks=tuple(sorted(tracks, key=lambda track: (track.low, track.experiment, track.experiment_hash))),
        last_run=past[-1].started if past else None,
        last_valid=max((run.started for run in past if run.valid), default=None),
        weight=last.weight if last else 1.0,
        required=last.required if last else True,
        ahead=len(past) < len(ordered),
    )


def _current(recent: Sequence[RunSummary]) -> list[list[RunSummary]]:
    """Return the runs by experiment hash, without those that were replaced.

    A hash is replaced once its experiment has gone on under others for longer than a weekly run needs to come round.
    The worst of what is left counts, so that neither of two variants that take turns hides the other.
    """
    by_hash: dict[tuple[str, str], list[RunSummary]] = defaultdict(list)
    for run in recent:
        by_hash[run.experiment, run.experiment_hash].append(run)
    newest: Mapping[str, float] = {run.experiment: run.started for run in recent}
    return [found for found in by_hash.values() if newest[found[0].experiment] - found[-1].started <= RETIRED_AFTER]


def _track(runs: Sequence[RunSummary]) -> Track:
    valid = [run for run in runs if run.valid][-LATEST:]
    since = valid[0].started if len(valid) == LATEST else float("-inf")
    invalid = [run for run in runs if not run.valid and run.started >= since]
    passed = sum(run.passed for run in valid)
    return Track(
        experiment=runs[0].experiment,
        experiment_hash=runs[0].experiment_hash,
        runs=tuple(valid),
        valid=len(valid),
        invalid=len(invalid),
        why_invalid=tuple(Counter(f"{run.verdict.value}: {run.reason}" for run in invalid).most_common()),
        score=mean_interval([run.score for run in valid if run.score is not None]) if valid else None,
        passed=passed,
        pass_rate_low=wilson_lower(passed, len(valid)),
    )
