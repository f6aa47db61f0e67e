"""Valid runs as Hypothesis draws them, so that what breaks a property is told by the smallest run that does.

A run is drawn by what happened in it: when each target had the fault and when it was healed, in which seconds a series
was bad or silent, and which events were bad. Each of those shrinks to nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hypothesis import strategies as st

from reports.record import Events, Promise, Record, Series, TargetRecord
from reports.steady import Window, fault_window
from runner.model import Outcome, Sight
from tests.reports._records import SECONDS, START, events, fault, look, record, series, target

__all__ = ["LEFT", "counted", "silence", "valid_runs", "watched", "window"]

LEFT = 110
"""So many seconds at least are left from the first effect of a drawn run to its end."""

silence = st.sampled_from([outcome for outcome in Outcome if outcome not in (Outcome.GOOD, Outcome.BAD)])
"""What a sample is that says nothing of the service."""

_dips = st.lists(st.tuples(st.integers(0, LEFT - 1), st.integers(1, 40)), max_size=3)
_silences = st.dictionaries(st.integers(0, LEFT - 1), silence, max_size=4)
_often, _seldom = st.booleans(), st.integers(0, 3).map(lambda number: number == 3)

watched: st.SearchStrategy[Callable[[int, str], Series]] = st.tuples(_dips, _silences, _often, _seldom).map(
    lambda drawn: partial(_series, *drawn)
)
"""Makes a series of the first effect's second and a name: bad and silent here and there from then on."""

_courses = st.tuples(st.integers(30, 60), st.integers(0, 3), st.integers(10, 60), st.integers(1, 1000))
_promises = st.builds(
    Promise,
    service=st.just("payment"),
    objective=st.sampled_from([30.0, 15.0, 5.0]),
    slo=st.sampled_from([95.0, 99.0]),
    tolerated=st.none() | st.floats(0.01, 1.0),
)


def counted(bad: st.SearchStrategy[float]) -> st.SearchStrategy[Events]:
    """Events of each second; in up to three stretches of it such a share of them is bad."""
    stretches = st.tuples(st.integers(0, SECONDS - 1), st.integers(1, 60), bad)
    return st.builds(_events, st.sampled_from([100.0, 10.0, 1000.0]), st.lists(stretches, max_size=3))


def valid_runs(counting: st.SearchStrategy[Events | None] | None = None) -> st.SearchStrategy[Record]:
    """Runs in which the fault was proven and met at one or two targets, with one to three series.

    Half of them have events, or as `counting` says.
    """
    if counting is None:
        counting = st.none() | counted(st.sampled_from([0.01, 0.05, 0.3, 1.0]))
    courses, many = st.lists(_courses, min_size=1, max_size=2), st.lists(watched, min_size=1, max_size=3)
    return st.builds(_run, courses, many, counting, _promises)


def window(of: Record) -> Window:
    """Return when the faults of a drawn run acted, in seconds from its start."""
    found = fault_window(of)
    assert found is not None
    return Window(found.committed - START, found.effective - START, found.healed - START)


def _run(
    courses: Sequence[tuple[int, int, int, int]],
    many: Sequence[Callable[[int, str], Series]],
    counts: Events | None,
    promise: Promise,
) -> Record:
    since = min(committed + later for committed, later, _, _ in courses)
    names = "api", "api-slow", "queue"
    return record(
        faults=(fault(*(_target(f"netns:{number}", *course) for number, course in enumerate(courses))),),
        series=tuple(made(since, name) for made, name in zip(many, names, strict=False)),
        events=counts,
        promise=promise,
    )


def _target(name: str, committed: int, later: int, lasting: int, hits: int) -> TargetRecord:
    effective = START + committed + later
    healed = effective + lasting
    looks = ("before", START + 2, Sight.ABSENT), ("during", effective, Sight.PRESENT), ("after", healed, Sight.ABSENT)
    moments = {"effective": effective, "deadline": healed, "ended": healed, "healed": healed}
    return target(name, committed=START + committed, hits=hits, looks=tuple(look(*each) for each in looks), **moments)


def _series(
    dips: Sequence[tuple[int, int]],
    silences: Mapping[int, Outcome],
    hard: bool,
    invariant: bool,
    since: int,
    probe: str,
) -> Series:
    outcomes = [Outcome.GOOD] * SECONDS
    for begin, length in dips:
        outcomes[since + begin : since + begin + length] = [Outcome.BAD] * min(length, SECONDS - since - begin)
    for at, outcome in silences.items():
        outcomes[since + at] = outcome
    return series(outcomes, probe, hard=hard, invariant=invariant)


def _events(each: float, stretches: Sequence[tuple[int, int, float]]) -> Events:
    bad = {second: share * each for begin, length, share in stretches for second in range(begin, begin + length)}
    return events({second + 1: many for second, many in bad.items()}, each)
